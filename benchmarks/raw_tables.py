"""What ``lr="auto"`` reaches on raw tables, and how fast, next to scikit-learn.

    python -m benchmarks.raw_tables [module with further tables]

For each table and solver the gap (F - F*)/(F0 - F*) after 10, 30 and 100 epochs; the
defaults' gap, score, time and warnings next to the exact minimum; and the time each
method takes to come within 1 % of the minimum of its own objective. Standardised
tables, and more peers, are in ``quality.py``.
"""

import statistics
import time
import warnings

from sklearn.preprocessing import StandardScaler

from benchmarks import _methods
from benchmarks._command import alone
from benchmarks._methods import skgd, solution
from benchmarks._problems import Problem
from benchmarks._report import Table
from benchmarks._tables import load
from benchmarks._timing import seconds_to
from skgd import GDClassifier, GDRegressor

EPOCHS = (10, 30, 100)
TARGET = 1e-2
PEERS = ("SGDRegressor", "Ridge(sag)", "SGDClassifier", "saga", "lbfgs")

# Seconds of a fit after which more iterations are not tried.
LONGEST_FIT = 3.0


def about(name, problem):
    """The first columns of every table."""
    return {
        "table": name,
        "task": problem.task,
        "size": " × ".join(f"{k:,}" for k in problem.X.shape),
    }


def gaps(name, problem):
    """Rows of the gap after some epochs, one for each solver."""
    rows = []
    for solver in ("batch", "minibatch", "sgd"):
        fit = skgd(problem, solver)
        row = about(name, problem)
        row |= {"condition": problem.condition, "solver": solver}
        for n in EPOCHS:
            row[f"after {n}"] = problem.gap(*solution(fit(n)))
        rows.append(row)
    return rows


def defaults(name, problem, repeats):
    """Row of what a fit without any argument gives."""
    cls = GDRegressor if problem.task == "regression" else GDClassifier
    seconds = []
    for _ in range(repeats):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            start = time.perf_counter()
            model = cls(random_state=0).fit(problem.X, problem.y)
            seconds.append(time.perf_counter() - start)
    found = solution(model)
    return about(name, problem) | {
        "gap": problem.gap(*found),
        "score": problem.score(*found),
        "exact score": problem.best_score,
        "ms": 1e3 * statistics.median(seconds),
        "epochs": model.n_iter_,
        "lr_": model.lr_,
        "warnings": ", ".join(sorted({w.category.__name__ for w in caught})) or "none",
    }


def first_to(name, problem, repeats, limit):
    """Row of milliseconds to the target; the peers' scaling is part of their time."""
    scaled = Problem(problem.task, StandardScaler().fit_transform(problem.X), problem.y)

    def after_scaling(fit):
        def both(k):
            StandardScaler().fit_transform(problem.X)
            return fit(k)

        return both

    methods = {"skgd": (skgd(problem), lambda m: problem.gap(*solution(m)))}
    for peer, fit in _methods.peers(scaled).items():
        if peer in PEERS:
            methods[peer] = after_scaling(fit), lambda m: scaled.gap(*solution(m))
    seconds = seconds_to([TARGET], methods, repeats, limit)
    row = about(name, problem)
    for method in ("skgd", *PEERS):
        found = seconds.get((method, TARGET))
        row[method] = found and 1e3 * found
        if method not in methods:
            row[method] = ""
    return row


def wins(rows):
    """How often ours comes first, against each peer."""
    found = []
    for peer in PEERS:
        played = [row for row in rows if row[peer] != ""]
        first = sum(
            row["skgd"] is not None and (row[peer] is None or row["skgd"] < row[peer])
            for row in played
        )
        found.append({"peer": peer, "tables": len(played), "skgd first": first})
    return found


def run(repeats=5, quick=False, tables=None):
    """All tables of this suite."""
    limit = 0.1 if quick else LONGEST_FIT
    reached, found, times = [], [], []
    for name, (task, make) in load(tables, quick).items():
        problem = Problem(task, *make())
        skgd(problem)(2)  # compiles
        reached += gaps(name, problem)
        found.append(defaults(name, problem, repeats))
        times.append(first_to(name, problem, repeats, limit))
    gap_note = "(F - F*)/(F0 - F*) with F* exact and F0 at the best constant."
    first_note = (
        "Milliseconds. Ours on the raw table, the peers' with the time of scaling it; "
        "each counts by its own objective. One-vs-rest is left out."
    )
    return [
        Table("Raw tables: gap after some epochs", reached, gap_note),
        Table("Raw tables: with defaults", found),
        Table("Raw tables: within 1 % of the minimum", times, first_note),
        Table("Raw tables: within 1 % first", wins(times)),
    ]


if __name__ == "__main__":
    alone(run, __doc__)
