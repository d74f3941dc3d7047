"""Every method for the objective of a problem: this package's, and the peers'.

Each is a fit with a number of iterations, from nothing, on a table whose columns are
standardised. Whatever a peer calls the strength of a penalty, it is that of
``_problems.Problem``.
"""

import numpy as np
from sklearn.linear_model import (
    Lasso,
    LogisticRegression,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)

from benchmarks._peers import optional
from skgd import GDClassifier, GDRegressor

# Never the reason to stop: the iterations are.
TOL = 1e-12

# liblinear penalises the intercept; on a column this large hardly.
INTERCEPT_SCALING = 1000.0

SOLVERS = {"skgd": "auto", "skgd batch": "batch", "skgd sgd": "sgd"}


def skgd(problem, solver="auto"):
    """callable(n_epochs) -> fitted estimator of this package, with ``lr="auto"``."""
    cls = GDRegressor if problem.task == "regression" else GDClassifier
    parameters = _penalty(problem) | {"tol": None, "random_state": 0}
    if solver != "auto":
        parameters["solver"] = solver
    return lambda k: cls(max_iter=k, **parameters).fit(problem.X, problem.y)


def solution(model):
    """coef_ and intercept_, one row for one score."""
    return np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)


def peers(problem):
    """Name -> callable(iterations) -> fitted peer."""
    if problem.task == "regression":
        found = _squared_error(problem)
    elif problem.l1:
        found = _sparse_logistic(problem)
    else:
        found = _logistic(problem)
    return found | _sgd(problem) | _skglm(problem)


def _penalty(problem):
    """Name and strength, as SGD* and this package call them."""
    if problem.l1:
        return {"penalty": "l1", "alpha": problem.l1}
    if problem.l2:
        return {"penalty": "l2", "alpha": problem.l2}
    return {"penalty": None}


def _fits(make, problem, columns=False):
    """callable(iterations) of callable(iterations) -> estimator.

    Methods that go by columns get them contiguous, which the others would pay for.
    """
    X = np.asfortranarray(problem.X) if columns else problem.X
    return lambda k: make(k).fit(X, problem.y)


def _sgd(problem):
    if problem.task == "multiclass":
        return {}  # one-vs-rest minimises something else
    common = _penalty(problem) | {"tol": None, "random_state": 0}
    if problem.task == "regression":
        name, cls = "SGDRegressor", SGDRegressor
    else:
        name, cls, common["loss"] = "SGDClassifier", SGDClassifier, "log_loss"
    return {name: _fits(lambda k: cls(max_iter=k, **common), problem)}


def _squared_error(problem):
    if problem.l1:
        return {
            "Lasso": _fits(
                lambda k: Lasso(alpha=problem.l1, max_iter=k, tol=TOL), problem, True
            )
        }
    return {
        f"Ridge({solver})": _fits(
            lambda k, solver=solver: Ridge(
                alpha=problem.l2 * len(problem.y),
                solver=solver,
                max_iter=k,
                tol=TOL,
                random_state=0,
            ),
            problem,
        )
        for solver in ("cholesky", "lsqr", "sag", "saga")
    }


def _logistic(problem):
    return {
        solver: _fits(
            lambda k, solver=solver: LogisticRegression(
                C=1.0 / (problem.l2 * len(problem.y)),
                solver=solver,
                max_iter=k,
                tol=TOL,
                random_state=0,
            ),
            problem,
        )
        for solver in ("lbfgs", "newton-cholesky", "newton-cg", "saga")
    }


def _sparse_logistic(problem):
    return {
        solver: _fits(
            lambda k, solver=solver: LogisticRegression(
                C=1.0 / (problem.l1 * len(problem.y)),
                l1_ratio=1.0,
                solver=solver,
                intercept_scaling=INTERCEPT_SCALING,
                max_iter=k,
                tol=TOL,
                random_state=0,
            ),
            problem,
        )
        for solver in ("liblinear", "saga")
    }


def _skglm(problem):
    """Outer iterations of skglm, for problems that it has an estimator of."""
    skglm = optional("skglm")
    if skglm is None or problem.task == "multiclass":
        return {}
    common = {
        "alpha": problem.l1 or problem.l2,
        "l1_ratio": 1.0 if problem.l1 else 0.0,
        "tol": TOL,
    }
    if problem.task == "regression":
        # Many short outer iterations: with its 50,000 inner ones the first may take
        # all the time, which is no step of a ladder.
        cls, common["max_epochs"] = skglm.ElasticNet, 20
    else:
        cls = skglm.SparseLogisticRegression
    return {"skglm": _fits(lambda k: cls(max_iter=k, **common), problem, True)}
