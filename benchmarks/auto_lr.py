"""The rate of ``lr="auto"`` for update rules: ``python -m benchmarks.auto_lr lion``.

As the docstring of ``Optimizer.auto_lr`` says: of 0.001, 0.003, 0.01, ..., 10 the one
that leaves least of the objective on ten tables of linear and logistic regression with
standardised features and targets, by the geometric mean over the tables and over 1000
full batches, 20 epochs of 64 rows a batch, and 5 epochs of single rows.
"""

import sys
import warnings

import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
    make_friedman1,
    make_regression,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler, scale

from skgd import GDClassifier, GDRegressor
from skgd.optimizers import OPTIMIZERS

RATES = [float(f"{digit}e{power}") for power in range(-3, 1) for digit in (1, 3)] + [
    10.0
]
BUDGETS = (
    {"solver": "batch", "max_iter": 1000},
    {"solver": "minibatch", "batch_size": 64, "max_iter": 20},
    {"solver": "sgd", "max_iter": 5},
)

# What is left is at least this, so that one perfect run does not decide.
FLOOR = 1e-6


def correlated(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(1500, 4)) @ rng.normal(size=(4, 12))
    X += 0.3 * rng.normal(size=X.shape)
    return X, X @ rng.normal(size=12) + rng.normal(size=1500)


def tables():
    """(estimator, X, y) of ten tables, standardised."""
    regression = [
        load_diabetes(return_X_y=True),
        make_regression(1000, 10, noise=10.0, random_state=0),
        make_friedman1(1000, noise=1.0, random_state=0),
        correlated(0),
        make_regression(2000, 50, n_informative=5, noise=50.0, random_state=1),
    ]
    classes = [
        load_breast_cancer(return_X_y=True),
        load_iris(return_X_y=True),
        load_wine(return_X_y=True),
        load_digits(return_X_y=True),
        make_classification(2000, 20, n_informative=5, flip_y=0.1, random_state=0),
    ]
    for X, y in regression:
        yield GDRegressor, StandardScaler().fit_transform(X), scale(y)
    for X, y in classes:
        yield GDClassifier, StandardScaler().fit_transform(X), y


def objective(estimator, X, y):
    """F at the weights of a fitted estimator, measured by an update of length zero."""
    probe = type(estimator)(
        penalty="l2", solver="batch", lr=1e-300, max_iter=1, tol=None
    )
    probe.fit(X, y, coef_init=estimator.coef_, intercept_init=estimator.intercept_)
    return probe.loss_curve_[0]


def left(cls, X, y, best, start, **parameters):
    """Share of the reducible objective that is left."""
    model = cls(penalty="l2", tol=None, random_state=0, **parameters).fit(X, y)
    reached = objective(model, X, y)
    if model.stop_reason_ == "diverged" or not np.isfinite(reached):
        return 10.0
    return min(max((reached - best) / (start - best), FLOOR), 10.0)


def main(names):
    """Print the mean of what is left for each rate, best first."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    problems = []
    for cls, X, y in tables():
        exact = cls(penalty="l2", solver="batch", max_iter=3000, tol=1e-12).fit(X, y)
        first = cls(penalty="l2", solver="batch", lr=1e-300, max_iter=1, tol=None)
        start = first.fit(X, y).loss_curve_[0]
        problems.append((cls, X, y, objective(exact, X, y), start))
    for name in names:
        means = {}
        for rate in RATES:
            shares = [
                left(*problem, optimizer=OPTIMIZERS[name](), lr=rate, **budget)
                for problem in problems
                for budget in BUDGETS
            ]
            means[rate] = np.exp(np.mean(np.log(shares)))
        print(name)
        for rate in sorted(means, key=means.get):
            print(f"  {rate:<6g} {means[rate]:.4g}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or sorted(OPTIMIZERS))
