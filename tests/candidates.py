"""Tables and models for searches over the strength of a penalty."""

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.preprocessing import scale

from skgd import GDClassifierCV, GDRegressorCV

ALPHAS = [1.0, 0.1, 1e-2, 1e-3]


def with_others_held_out(y, held_out):
    """Targets that differ in the rows held out, and nowhere else."""
    other = y.copy()
    other[held_out] = y[held_out][::-1]
    assert not np.array_equal(other, y)
    return other


def binary():
    X, y = load_breast_cancer(return_X_y=True)
    return scale(X[:, :12]), y


def three_classes():
    X, y = load_iris(return_X_y=True)
    return scale(X), y


def diabetes():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    return scale(X), y / 50.0


def counts():
    X, _ = diabetes()
    y = np.random.default_rng(0).poisson(np.exp(0.3 * X[:, 0] - 0.5 * X[:, 2] + 1.0))
    return X, y.astype(float)


def two_targets():
    X, y = diabetes()
    return X, np.column_stack([y, X[:, 0] * y - y])


CASES = [
    (GDClassifierCV, binary, {"loss": "log_loss"}),
    (GDClassifierCV, three_classes, {"loss": "log_loss"}),
    (GDClassifierCV, binary, {"loss": "log_loss", "penalty": "l1"}),
    (GDRegressorCV, diabetes, {}),
    (GDRegressorCV, diabetes, {"penalty": "l1"}),
    (GDRegressorCV, diabetes, {"penalty": "elasticnet", "l1_ratio": 0.5}),
    (GDRegressorCV, two_targets, {}),
    (GDRegressorCV, counts, {"loss": "poisson"}),
]


SMOOTH = [
    (GDRegressorCV, diabetes, {"loss": "huber"}),
    (GDRegressorCV, diabetes, {"loss": "squared_epsilon_insensitive"}),
    (GDRegressorCV, two_targets, {"loss": "huber"}),
    (GDClassifierCV, binary, {"loss": "squared_hinge"}),
    (GDClassifierCV, three_classes, {"loss": "squared_hinge"}),
    (GDClassifierCV, three_classes, {"loss": "squared_error"}),
    (GDClassifierCV, three_classes, {"loss": "log_loss"}),
    (GDClassifierCV, binary, {"loss": "log_loss", "class_weight": "balanced"}),
]
