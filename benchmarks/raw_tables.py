"""What ``lr="auto"`` reaches on raw tables, and how fast, next to scikit-learn.

    python benchmarks/raw_tables.py [module with further tables]

Prints, for each table and solver, the gap (F - F*)/(F0 - F*) after 10, 30 and 100
epochs; the defaults' gap, score, time and warnings next to the exact minimum; and the
time each method takes to come within 1 % of the minimum of its own objective. F* is
exact: least squares, or Newton's method in centred and scaled coordinates.
"""

import argparse
import time
import warnings

import numpy as np
from _tables import ALPHA, Problem, load
from sklearn.linear_model import (
    LogisticRegression,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skgd import GDClassifier, GDRegressor

EPOCHS = (10, 30, 100)
BUDGETS = (1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 400, 800)
REPEATS = 3


def estimator(problem, **kwargs):
    cls = GDRegressor if problem.task == "regression" else GDClassifier
    return cls(random_state=0, **kwargs)


def fitted(model, X, y):
    """The model, the seconds its fit took, and the names of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = time.perf_counter()
        model.fit(X, y)
        seconds = time.perf_counter() - start
    return model, seconds, sorted({w.category.__name__ for w in caught})


def solution(model):
    """coef_ and intercept_, with two classes as one score."""
    return np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)


def gaps(problem, solver):
    return [
        problem.gap(
            *solution(
                fitted(
                    estimator(problem, solver=solver, max_iter=n, tol=None),
                    problem.X,
                    problem.y,
                )[0]
            )
        )
        for n in EPOCHS
    ]


def peers(problem):
    """Name -> callable(iterations) -> estimator, for standardised columns."""
    n = len(problem.y)
    if problem.task == "regression":
        return {
            "SGDRegressor": lambda k: SGDRegressor(
                penalty=None, max_iter=k, tol=None, random_state=0
            ),
            "Ridge(sag)": lambda k: Ridge(
                alpha=0.0, solver="sag", max_iter=k, tol=1e-12, random_state=0
            ),
        }
    return {
        "SGDClassifier": lambda k: SGDClassifier(
            loss="log_loss", alpha=ALPHA, max_iter=k, tol=None, random_state=0
        ),
        "saga": lambda k: LogisticRegression(
            C=1 / (ALPHA * n), solver="saga", max_iter=k, tol=1e-12, random_state=0
        ),
        "lbfgs": lambda k: LogisticRegression(
            C=1 / (ALPHA * n), solver="lbfgs", max_iter=k, tol=1e-12
        ),
    }


def seconds_to(target, make, own, scaled):
    """Time of the shortest fit that comes within `target` of the minimum, or nan.

    Parameters
    ----------
    target : float
        Gap of the objective of the method itself.
    make : callable(iterations) -> estimator
    own : Problem
        The table as the method gets it.
    scaled : bool
        Whether scaling the raw table is part of the method, and of its time.
    """
    preparing = 0.0
    if scaled:
        start = time.perf_counter()
        StandardScaler().fit_transform(own.X)
        preparing = time.perf_counter() - start
    for budget in BUDGETS:
        model, seconds, _ = fitted(make(budget), own.X, own.y)
        if isinstance(model, SGDClassifier) and own.task == "multiclass":
            return np.nan  # one-vs-rest minimises something else
        if np.isfinite(model.coef_).all() and own.gap(*solution(model)) <= target:
            again = [fitted(make(budget), own.X, own.y)[1] for _ in range(REPEATS - 1)]
            return preparing + float(np.median([seconds, *again]))
    return np.nan


def report(name, problem):
    for solver in ("batch", "minibatch", "sgd"):
        row = " ".join(f"{gap:9.1e}" for gap in gaps(problem, solver))
        print(f"  {solver:<10} gap after {EPOCHS} epochs: {row}")
    model, seconds, caught = fitted(estimator(problem), problem.X, problem.y)
    coef, intercept = solution(model)
    print(
        f"  defaults   gap {problem.gap(coef, intercept):.1e}, score "
        f"{problem.score(coef, intercept):.4f} (exact {problem.best_score:.4f}), "
        f"{seconds:.3f} s, {model.n_iter_} epochs, lr_ {model.lr_:.3g}, "
        f"warnings: {', '.join(caught) or 'none'}"
    )
    times = {
        "skgd": seconds_to(
            1e-2, lambda k: estimator(problem, max_iter=k, tol=None), problem, False
        )
    }
    for peer, make in peers(problem).items():
        times[peer] = seconds_to(1e-2, make, problem.standardised, True)
    shown = ", ".join(
        f"{peer} {1e3 * t:.1f} ms" if np.isfinite(t) else f"{peer} not reached"
        for peer, t in times.items()
    )
    print(f"  to 1 % of the minimum: {shown}")
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="?", help="module with further tables")
    arguments = parser.parse_args()
    wins, played = {}, {}
    with threadpool_limits(1):
        for name, (task, make) in load(arguments.tables).items():
            problem = Problem(task, *make())
            problem.standardised = Problem(
                task, StandardScaler().fit_transform(problem.X), problem.y
            )
            n, d = problem.X.shape
            print(f"{name}: {task}, {n} x {d}, condition {problem.condition:.3g}")
            # Compilation and loading of kernels are not part of a comparison.
            fitted(estimator(problem, max_iter=2, tol=None), problem.X, problem.y)
            times = report(name, problem)
            for peer, seconds in times.items():
                if peer != "skgd":
                    played[peer] = played.get(peer, 0) + 1
                    faster = not seconds <= times["skgd"]
                    wins[peer] = wins.get(peer, 0) + faster
    print("skgd comes within 1 % first on:")
    for peer in played:
        print(f"  {wins[peer]} of {played[peer]} tables against {peer}")


if __name__ == "__main__":
    main()
