"""Convex problems of many kinds on tables as they come, with exact minima.

The solvers are those of the tests (``tests/exact.py``), which share no code with the
package. Timing and peers are elsewhere.
"""

import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn import datasets
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, StandardScaler

from skgd import GDClassifier, GDRegressor
from skgd.losses import get_loss

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import exact

CLASSES = ("log_loss", "hinge", "squared_hinge", "modified_huber")


@dataclass
class Convex:
    """F = mean loss + l2/2 |w|^2 + l1 |w|_1 on a table.

    Attributes
    ----------
    name : str
    loss : str
        As the estimators call it.
    X : array or CSR matrix
    y : array
    parameters : dict
        Of the loss.
    """

    name: str
    loss: str
    X: object
    y: np.ndarray
    l2: float = 0.0
    l1: float = 0.0
    parameters: dict = field(default_factory=dict)

    @property
    def classifies(self):
        return self.loss in CLASSES

    @cached_property
    def loss_object(self):
        task = "classification" if self.classifies else "regression"
        return get_loss(self.loss, task).set_params(**self.parameters)

    @cached_property
    def coded(self):
        """Name of the loss and targets as ``exact.py`` has them."""
        if not self.classifies:
            return self.loss, np.asarray(self.y, dtype=float)[:, None]
        classes, codes = np.unique(self.y, return_inverse=True)
        if len(classes) == 2:
            return self.loss, 2.0 * codes[:, None] - 1.0
        if self.loss == "log_loss":
            return "softmax", np.eye(len(classes))[codes]
        return self.loss, 2.0 * np.eye(len(classes))[codes] - 1.0

    @property
    def settings(self):
        renamed = {"quantile": "q"}
        parameters = {renamed.get(k, k): v for k, v in self.parameters.items()}
        return {"l1": self.l1, "l2": self.l2, **parameters}

    def value(self, coef, intercept):
        """F."""
        name, y = self.coded
        return exact.objective(name, self.X, y, coef, intercept, **self.settings)

    @cached_property
    def best(self):
        """F*."""
        name, y = self.coded
        return self.value(*exact.minimum(name, self.X, y, **self.settings))

    @cached_property
    def start(self):
        """F at the best constants."""
        name, y = self.coded
        if name == "softmax":
            constants = np.log(y.mean(axis=0))
        else:
            constants = np.array([self.loss_object.best_constant(t) for t in y.T])
        return self.value(np.zeros((len(constants), self.X.shape[1])), constants)

    def gap(self, model):
        """(F - F*) / (F0 - F*) of a fitted estimator."""
        found = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
        return (self.value(*found) - self.best) / (self.start - self.best)

    def estimator(self, **settings):
        """An estimator of the package for this objective."""
        alpha = self.l1 + self.l2
        penalty = {"penalty": None}
        if alpha:
            kind = "elasticnet" if self.l1 and self.l2 else "l1" if self.l1 else "l2"
            penalty = {"penalty": kind, "alpha": alpha, "l1_ratio": self.l1 / alpha}
        cls = GDClassifier if self.classifies else GDRegressor
        return cls(self.loss_object, random_state=0, **penalty, **settings)

    def scaled(self):
        """The same on scaled columns, which is another objective under a penalty."""
        scaler = MaxAbsScaler() if sparse.issparse(self.X) else StandardScaler()
        X = scaler.fit_transform(self.X)
        return Convex(
            self.name, self.loss, X, self.y, self.l2, self.l1, self.parameters
        )


def problems(quick=False):
    """All problems, or every sixth."""
    found = [*_tables(), *_made(), *_close(), *_counts(), *_wide(), *_levels()]
    return found[::6] if quick else found


def _tables():
    X, y = datasets.load_diabetes(return_X_y=True, scaled=False)
    for loss in ("squared_error", "absolute_error", "epsilon_insensitive"):
        yield Convex(f"diabetes {loss}", loss, X, y)
    yield Convex("diabetes elastic net", "squared_error", X, y, 0.05, 0.5)
    yield Convex("diabetes huber", "huber", X, y, parameters={"epsilon": 20.0})
    yield Convex("diabetes tube, l2", "epsilon_insensitive", X, y, 1e-3)
    yield Convex("diabetes absolute, l1", "absolute_error", X, y, 0.0, 0.05)
    for q in (0.1, 0.9):
        yield Convex(
            f"diabetes quantile {q}", "quantile", X, y, parameters={"quantile": q}
        )
    X, y = datasets.load_breast_cancer(return_X_y=True)
    for alpha in (1e-4, 1e-2):
        for loss in CLASSES:
            yield Convex(f"cancer {loss} {alpha:g}", loss, X, y, alpha)
    yield Convex("cancer log_loss, none", "log_loss", X, y)
    yield Convex("cancer log_loss, l1", "log_loss", X, y, 0.0, 1e-3)
    yield Convex("cancer hinge, l1", "hinge", X, y, 0.0, 1e-3)
    for name in ("wine", "iris"):
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        yield Convex(f"{name} softmax 1e-4", "log_loss", X, y, 1e-4)
        yield Convex(f"{name} hinge 1e-3", "hinge", X, y, 1e-3)
    X, y = datasets.load_digits(return_X_y=True)
    yield Convex("digits softmax 5e-3", "log_loss", X, y, 5e-3)


def _made():
    X, y = datasets.make_regression(1000, 10, noise=0.1, random_state=42)
    yield Convex("make_regression", "squared_error", X, y)
    yield Convex("make_regression absolute", "absolute_error", X, y)
    for epsilon in (1.35, 0.1):
        name = f"make_regression huber {epsilon}"
        yield Convex(name, "huber", X, y, parameters={"epsilon": epsilon})
    rng = np.random.default_rng(0)
    c = np.arange(600) < 12
    X = rng.standard_normal((600, 4)) + 2.5 * np.outer(c, [1, 0, -1, 0])
    for loss in ("log_loss", "hinge"):
        yield Convex(f"2 % positives {loss}", loss, X, c, 1e-4)
    X = rng.standard_normal((500, 3))
    y = X @ [3, -2, 1.0] + 7 + 0.1 * rng.standard_normal(500)
    y[::10] += 1e6
    yield Convex("outliers huber", "huber", X, y)
    yield Convex("outliers absolute", "absolute_error", X, y)


def _close():
    rng = np.random.default_rng(0)
    B = rng.standard_normal((400, 4))
    y = B @ [1, 2, 3, 4.0] + rng.standard_normal(400)
    X = B * 5 + 2000
    X = np.column_stack([X, X[:, :2] * 2.54, X[:, 2] * 1.8 + 32])
    yield Convex("other units squared", "squared_error", X, y)
    yield Convex("other units log_loss", "log_loss", X, y > y.mean())
    start = 1.55e9 + rng.uniform(0, 31 * 86400, 1500)
    length = rng.gamma(2, 300, 1500)
    fare = 2.5 + 0.01 * length + 0.5 * rng.standard_normal(1500)
    X = np.column_stack([start, start + length])
    for loss in ("squared_error", "absolute_error"):
        yield Convex(f"close columns {loss}", loss, X, fare)
    for alpha in (0.0, 1e-4):
        yield Convex(
            f"close columns log_loss {alpha:g}", "log_loss", X, fare > 8, alpha
        )
    X = np.exp(2 * rng.standard_normal((1500, 15)))
    y = np.log(X) @ rng.standard_normal(15) + rng.standard_normal(1500)
    for loss in ("squared_error", "absolute_error"):
        yield Convex(f"heavy tails {loss}", loss, X, y)
    yield Convex("heavy tails log_loss", "log_loss", X, y > 0, 1e-4)


def _counts():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 5))
    y = np.exp(X @ [1, 0.5, -0.5, 0.2, 0] + 8) * rng.gamma(20, 1 / 20, 2000)
    for unit in (1e-9, 1.0, 1e6):
        for loss in ("gamma", "poisson"):
            yield Convex(f"{loss}, y times {unit:g}", loss, X, unit * y)
    X = rng.standard_normal((150, 40))
    mean = np.exp(np.clip(X @ rng.standard_normal(40) * 0.2, -3, 3))
    yield Convex("poisson 150 × 40", "poisson", X, rng.poisson(mean).astype(float))
    yield Convex("gamma 150 × 40", "gamma", X, rng.gamma(1.0, mean) + 1e-9)


def _wide():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 1000))
    X[:, 5:10] = X[:, :5] + 0.01 * rng.standard_normal((60, 5))
    y = X[:, :6] @ [5, -4, 3, 2, -2, 1.0] + 0.3 * rng.standard_normal(60)
    for alpha in (0.01, 0.1, 0.5):
        yield Convex(f"wide lasso {alpha:g}", "squared_error", X, y, 0.0, alpha)
    X = rng.standard_normal((60, 40)) * (rng.random((60, 40)) < 0.05)
    yield Convex("few entries softmax", "log_loss", X, np.arange(60) % 3, 1e-3)


def _levels():
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, 101) ** 1.3
    levels = rng.choice(100, (3000, 2), p=share / share.sum())
    effects = 10 * rng.standard_normal((2, 100))
    y = 15 + effects[0, levels[:, 0]] + effects[1, levels[:, 1]]
    y = y + rng.standard_normal(3000)
    X = OneHotEncoder().fit_transform(levels)
    yield Convex("one-hot squared", "squared_error", X, y)
    yield Convex("one-hot absolute", "absolute_error", X, y)
    yield Convex("one-hot log_loss", "log_loss", X, y > 15, 1e-4)
