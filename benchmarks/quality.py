"""Time to come close to the minimum, on standardised tables, against every peer.

The gap is (F - F*)/(F0 - F*), with F* exact and F0 at the best constant. Each method
gets the same objective, the same standardised columns and the same ladder of
iterations; what counts is the time of its shortest fit that comes within the target.
What is reached on raw tables is in ``raw_tables.py``.
"""

import numpy as np
from sklearn.preprocessing import StandardScaler

from benchmarks._command import alone
from benchmarks._methods import SOLVERS, peers, skgd, solution
from benchmarks._peers import optional
from benchmarks._problems import ALPHA, Problem
from benchmarks._report import Table
from benchmarks._tables import large, load
from benchmarks._timing import seconds_to

TARGETS = (1e-2, 1e-4)

# The l1 penalty, as a share of the least one that leaves no feature.
L1_SHARE = 0.05

# As fast as the fastest, for the summary.
CLOSE = 1.3

# Seconds of a fit after which more iterations are not tried.
LONGEST_FIT = 3.0

KINDS = {
    ("regression", "l2"): "Least squares, l2",
    ("binary", "l2"): "Logistic, l2",
    ("multiclass", "l2"): "Softmax, l2",
    ("regression", "l1"): "Least squares, l1",
    ("binary", "l1"): "Logistic, l1",
}


def standardised(task, X, y):
    """Columns of mean 0 and standard deviation 1, and targets as well."""
    if task == "regression":
        y = (y - y.mean()) / y.std()
    return StandardScaler().fit_transform(X), y


def problem_of(task, penalty, X, y):
    """The problem of a kind on a standardised table."""
    if penalty == "l2":
        return Problem(task, X, y, l2=ALPHA)
    codes = y if task == "regression" else np.unique(y, return_inverse=True)[1]
    strongest = np.abs(X.T @ (codes - codes.mean())).max() / len(X)
    return Problem(task, X, y, l2=0.0, l1=L1_SHARE * strongest)


def methods(problem):
    """Name -> (fit, gap), ours first."""
    fits = {name: skgd(problem, solver) for name, solver in SOLVERS.items()}
    fits |= peers(problem)
    return {
        name: (fit, lambda model: problem.gap(*solution(model)))
        for name, fit in fits.items()
    }


def row(name, problem, seconds, target):
    """One table and target: the fastest, and the others in units of it."""
    times = {method: s for (method, t), s in seconds.items() if t == target}
    reached = {method: s for method, s in times.items() if s is not None}
    best = min(reached, key=reached.get, default=None)
    shown = {
        "table": name,
        "size": " × ".join(f"{k:,}" for k in problem.X.shape),
        "condition": problem.condition,
        "fastest": best,
        "fastest, ms": best and 1e3 * reached[best],
    }
    return shown | {
        method: None if s is None else s / reached[best] for method, s in times.items()
    }


def summary(found):
    """How often ours is the fastest, or nearly."""
    rows = []
    for (kind, target), ratios in found.items():
        best = [min((r[m] for m in SOLVERS if r[m]), default=np.inf) for r in ratios]
        defaults = [r["skgd"] or np.inf for r in ratios]
        rows.append(
            {
                "problem": kind,
                "within": f"{100 * target:g} %",
                "tables": len(ratios),
                "best solver the fastest": sum(r <= 1.0 for r in best),
                f"best solver within {CLOSE}": sum(r <= CLOSE for r in best),
                "defaults the fastest": sum(r <= 1.0 for r in defaults),
                f"defaults within {CLOSE}": sum(r <= CLOSE for r in defaults),
            }
        )
    total = {"problem": "all", "within": ""}
    for column in list(rows[0])[2:]:
        total[column] = sum(row[column] for row in rows)
    note = (
        "Tables on which this package is the fastest of all methods, or within "
        f"{CLOSE} times of it: with the best of its solvers, and with its defaults."
    )
    return Table("Time to quality: how often the fastest", [*rows, total], note)


def run(repeats=5, quick=False, tables=None):
    """All tables of this suite."""
    sources = load(tables, quick) | large(quick)
    limit = 0.1 if quick else LONGEST_FIT
    found = {(kind, t): [] for kind in KINDS.values() for t in TARGETS}
    for name, (task, make) in sources.items():
        X, y = standardised(task, *make())
        for (kind_task, penalty), kind in KINDS.items():
            if kind_task != task:
                continue
            problem = problem_of(task, penalty, X, y)
            seconds = seconds_to(TARGETS, methods(problem), repeats, limit)
            for target in TARGETS:
                found[kind, target].append(row(name, problem, seconds, target))
    missing = [] if optional("skglm") else ["skglm"]
    note = (
        "Times in units of the fastest. Strength of the penalty: "
        f"{ALPHA:g} for l2, {L1_SHARE:g} of the least that leaves no feature for l1. "
        f"Not reached: by {limit:g} s or 1000 iterations in a fit."
    )
    shown = [
        Table(f"{kind}: within {100 * target:g} % of the minimum", rows, note, missing)
        for (kind, target), rows in found.items()
        if rows
    ]
    return [*shown, summary({key: rows for key, rows in found.items() if rows})]


if __name__ == "__main__":
    alone(run, __doc__)
