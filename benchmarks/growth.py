"""How the time of an epoch grows with rows, features, nonzeros and classes.

The exponent is the slope of log(time) over log(size): 1 is proportional.
"""

import tracemalloc

import numpy as np

from benchmarks._peers import dense, text_like
from benchmarks._report import Table
from benchmarks._timing import exponent, per_epoch
from benchmarks.epochs import skgd_fit
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


def run(repeats=5):
    """All tables of this suite."""
    sizes = {
        "n, dense × 20": {n: dense(n, 20) for n in (2_000, 20_000, 200_000, 2_000_000)},
        "d, dense 5,000 ×": {d: dense(5_000, d) for d in (10, 100, 1_000, 10_000)},
        "n, CSR × 50,000": {n: text_like(n, 50_000) for n in (1_000, 10_000, 100_000)},
        "classes, dense 20,000 × 50": {
            k: dense(20_000, 50, n_classes=k) for k in (3, 10, 30, 100)
        },
    }
    rows = []
    for name, tables in sizes.items():
        for solver in ("sgd", "minibatch", "batch"):
            found = seconds_of(tables, min(repeats, 3), solver=solver)
            rows.append(
                {
                    "grows": name,
                    "solver": solver,
                    "sizes": ", ".join(f"{size:,}" for size in found),
                    "ms": ", ".join(f"{1e3 * s:.3g}" for s in found.values()),
                    "exponent": exponent(list(found), list(found.values())),
                }
            )
    return [Table("Growth", rows), memory()]


def memory():
    """Peak of what a fit allocates beyond the data it is given."""
    rows = []
    for n in (20_000, 200_000, 2_000_000):
        X, y = dense(n, 20)
        y = y.astype(np.float64)
        for solver in ("sgd", "batch"):
            fit = skgd_fit(GDClassifier, X, y, solver=solver)
            fit(1)
            tracemalloc.start()
            fit(2)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            rows.append(
                {
                    "rows": f"{n:,}",
                    "solver": solver,
                    "data, MB": X.nbytes / 2**20,
                    "beyond it, MB": peak / 2**20,
                    "bytes per row": peak / n,
                }
            )
    return Table("Memory", rows, "Peak of allocations during fit, classes encoded.")
