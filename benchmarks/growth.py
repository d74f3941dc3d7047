"""How the time of an epoch grows with rows, features, nonzeros and classes.

And what a fit allocates beyond the data, which must not grow with the rows. The
exponent is the slope of log(time) over log(size): 1 is proportional.
"""

import tracemalloc

from sklearn.linear_model import SGDClassifier

from benchmarks._command import alone
from benchmarks._fits import sgd_fit, skgd_fit
from benchmarks._peers import dense, text_like
from benchmarks._report import Table
from benchmarks._timing import exponent, per_epoch
from skgd import GDClassifier

# Numbers of X to read at least, for the epochs to outweigh the noise of a fit.
NUMBERS_READ = 20_000_000


def seconds_of(tables, repeats, **parameters):
    """Seconds per epoch on each of the tables, the smaller the more epochs."""
    seconds = {}
    for size, (X, y) in tables.items():
        fit = skgd_fit(GDClassifier, X, y, **parameters)
        n_numbers = getattr(X, "nnz", X.size)
        many = 4 + min(500, NUMBERS_READ // n_numbers)
        seconds |= per_epoch({size: fit}, many=many, repeats=repeats)
    return seconds


def tables_of(quick):
    """What grows -> size -> table."""
    # In a quick run the largest sizes are left out, and the rest is smaller.
    part, kept = (10, slice(0, 2)) if quick else (1, slice(None))
    words = [
        text_like(10_000 // part, 50_000, words=(k, k), uniform=True)
        for k in (10, 100, 1_000)[kept]
    ]
    return {
        "n, dense × 20": {
            n: dense(n, 20) for n in (2_000, 20_000, 200_000, 2_000_000)[kept]
        },
        f"d, dense {5_000 // part:,} ×": {
            d: dense(5_000 // part, d) for d in (10, 100, 1_000, 10_000)[kept]
        },
        "n, CSR × 2,000": {
            n: text_like(n, 2_000, words=(10, 30))
            for n in (2_000, 20_000, 200_000, 2_000_000)[kept]
        },
        "n, CSR × 50,000": {
            n: text_like(n, 50_000) for n in (1_000, 10_000, 100_000)[kept]
        },
        # Words that repeat count once, hence the odd numbers.
        f"nonzeros per row, CSR {10_000 // part:,} × 50,000": {
            round(X.nnz / X.shape[0]): (X, y) for X, y in words
        },
        f"classes, dense {20_000 // part:,} × 50": {
            k: dense(20_000 // part, 50, n_classes=k) for k in (3, 10, 30, 100)[kept]
        },
    }


def time_of_an_epoch(repeats, quick):
    """Seconds of an epoch at every size, and their exponent."""
    rows = []
    for name, tables in tables_of(quick).items():
        for solver in ("sgd", "minibatch", "batch"):
            found = seconds_of(tables, repeats, solver=solver)
            sizes, seconds = list(found), list(found.values())
            rows.append(
                {
                    "grows": name,
                    "solver": solver,
                    "sizes": ", ".join(f"{size:,}" for size in sizes),
                    "ms": ", ".join(f"{1e3 * s:.3g}" for s in seconds),
                    "exponent": exponent(sizes, seconds),
                    "exponent of the last step": exponent(sizes[-2:], seconds[-2:]),
                }
            )
    note = (
        "What an epoch costs besides its numbers makes small sizes look flatter: it "
        "begins and ends, every row is visited, and every weight of a wide table is."
    )
    return Table("Growth", rows, note)


def memory(quick):
    """Peak of what a fit allocates beyond the data it is given."""
    rows = []
    for n in (20_000, 200_000, 2_000_000)[: 1 if quick else None]:
        X, y = dense(n, 20)
        fits = {"SGDClassifier": sgd_fit(SGDClassifier, X, y, loss="log_loss")}
        for lr in (1e-3, "auto"):
            for solver in ("sgd", "minibatch", "batch"):
                fits[f"{solver}, lr={lr}"] = skgd_fit(
                    GDClassifier, X, y, solver=solver, lr=lr
                )
        for name, fit in fits.items():
            fit(1)
            tracemalloc.start()
            fit(2)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            rows.append(
                {
                    "rows": f"{n:,}",
                    "fit": name,
                    "data, MB": X.nbytes / 2**20,
                    "beyond it, MB": peak / 2**20,
                    "bytes per row": peak / n,
                }
            )
    note = (
        "Peak of allocations during a fit to labels: targets of eight bytes a row, the "
        "order of the rows, and what validation takes for a moment."
    )
    return Table("Memory", rows, note)


def run(repeats=5, quick=False):
    """All tables of this suite."""
    return [time_of_an_epoch(min(repeats, 3), quick), memory(quick)]


if __name__ == "__main__":
    alone(run, __doc__)
