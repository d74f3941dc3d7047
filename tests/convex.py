"""Small random convex problems of every kind, for tests against exact minima."""

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from skgd import losses
from skgd._input.rows import Rows
from skgd._linear.model import LinearModel
from skgd._training.objective import Objective

FEATURES = (
    "plain",
    "correlated",
    "heavy tails",
    "rare levels",
    "close columns",
    "offsets",
    "units",
    "constant column",
    "copies",
    "wide",
    "few rows",
)
REGRESSION = {
    "squared_error": losses.SquaredError(),
    "huber": losses.Huber(),
    "absolute_error": losses.AbsoluteError(),
    "quantile": losses.Quantile(0.8),
    "epsilon_insensitive": losses.EpsilonInsensitive(),
    "squared_epsilon_insensitive": losses.SquaredEpsilonInsensitive(),
    "poisson": losses.Poisson(),
    "gamma": losses.Gamma(),
}
CLASSES = {
    "log_loss": losses.LogLoss(),
    "hinge": losses.Hinge(),
    "squared_hinge": losses.SquaredHinge(),
    "modified_huber": losses.ModifiedHuber(),
    "softmax": losses.LogLoss(),
}
LOSSES = REGRESSION | CLASSES
PENALTIES = ("none", "l2", "l1", "elasticnet")


@dataclass
class Convex:
    """F = weighted mean loss + l2/2 |w|^2 + l1 |w|_1 on a table.

    Attributes
    ----------
    name : str
        Of the loss, as in ``exact.py``.
    X : array or CSR array
    y : array of shape (n, outputs)
        -1 and 1 for classes, one-hot for "softmax".
    """

    name: str
    X: object
    y: np.ndarray
    l1: float = 0.0
    l2: float = 0.0
    weights: np.ndarray | None = None
    fit_intercept: bool = True
    parameters: dict = field(default_factory=dict)

    @property
    def settings(self):
        """What the functions of ``exact.py`` take beyond the name, X and y."""
        return {
            "l1": self.l1,
            "l2": self.l2,
            "weights": self.weights,
            **self.parameters,
        }

    def bound(self, dtype=np.float64, raw=False):
        """The objective of the package, in centred and scaled coordinates or in raw."""
        X = self.X.astype(dtype)
        n_outputs = self.y.shape[1]
        mean = scale = None
        if not raw:
            dense = X.toarray() if sparse.issparse(X) else X
            dense = dense.astype(float)
            mean = dense.mean(0) if self.fit_intercept else None
            size = np.sqrt(np.mean((dense - (0.0 if mean is None else mean)) ** 2, 0))
            flat = size <= 1e-12 * np.abs(dense.mean(0))
            scale = np.where(flat, 0.0, 1.0 / np.where(flat, 1.0, size))
        model = LinearModel(
            X.shape[1], n_outputs, np.dtype(dtype), self.fit_intercept, mean, scale
        )
        softmax = self.name == "softmax"
        objective = Objective(
            model, LOSSES[self.name], softmax, *model.penalty_weights(self.l1, self.l2)
        )
        targets = self.y.argmax(1)[:, None].astype(float) if softmax else self.y
        rows = Rows.of(X, self.y, targets, self.weights)
        return objective.bind(rows.with_mean_weight_one())


def features(rng, kind):
    """A table of one kind, of 10 to 60 rows and 1 to 6 columns."""
    n, p = int(rng.integers(20, 61)), int(rng.integers(1, 7))
    if kind == "wide":
        n, p = int(rng.integers(8, 20)), int(rng.integers(20, 30))
    if kind == "few rows":
        n, p = int(rng.integers(2, 7)), int(rng.integers(1, 4))
    X = rng.standard_normal((n, p))
    if kind == "correlated":
        X = X + 5.0 * rng.standard_normal((n, 1))
    if kind == "heavy tails":
        X = np.exp(2.0 * X)
    if kind == "rare levels":
        X = (rng.random((n, p)) < 0.08).astype(float)
    if kind == "close columns":
        X = np.column_stack([X, X[:, 0] + 10.0 ** rng.uniform(-6, -1) * X[:, -1]])
        X[:, -1] += 1e-3 * rng.standard_normal(n)
    if kind == "offsets":
        X = X + 10.0 ** rng.uniform(0, 5, p)
    if kind == "units":
        X = X * 10.0 ** rng.uniform(-6, 6, p)
    if kind == "constant column":
        X[:, 0] = rng.choice([0.0, 1.0, -7.3])
    if kind == "copies":
        X = np.column_stack([X, 2.54 * X[:, 0]])
    return X


def targets(rng, X, name):
    """Targets of a loss that depend on the features."""
    size = X.std(0)
    Z = (X - X.mean(0)) / np.where(size > 0, size, 1.0)
    outputs = int(rng.choice([1, 1, 1, 2, 3]))
    signal = Z @ rng.standard_normal((X.shape[1], outputs)) / np.sqrt(X.shape[1])
    noise = rng.standard_normal(signal.shape) * 10.0 ** rng.uniform(-2, 0.5)
    score = signal + noise + rng.standard_normal(outputs)
    if name == "poisson":
        y = rng.poisson(np.exp(np.clip(score, -3, 3))).astype(float)
        return (y + (y.sum(0) == 0)) * 10.0 ** rng.choice([0, 0, -3, 3])
    if name == "gamma":
        y = np.exp(np.clip(score, -3, 3)) * rng.gamma(2.0, 0.5, score.shape)
        return (y + 1e-3) * 10.0 ** rng.choice([0, 0, -6, 6])
    if name == "softmax":
        codes = np.column_stack([score, rng.standard_normal((len(X), 2))]).argmax(1)
        return np.eye(score.shape[1] + 2)[codes]
    if name in CLASSES:
        y = np.where(score > rng.uniform(-1, 1), 1.0, -1.0)
        y[0], y[-1] = 1.0, -1.0
        return y
    if rng.random() < 0.2:
        score[:: max(len(X) // 4, 1)] += 30.0
    unit = 10.0 ** rng.choice([0, 0, -2, 3])
    offset = rng.choice([0.0, 0.0, 1e3]) * unit
    return unit * score + offset


def random_problem(rng, kind, name, penalty):
    """A problem of a kind of features, a loss and a penalty.

    Everything else (weights, intercept, outputs, storage, units of y) is random.
    """
    X = features(rng, kind)
    y = targets(rng, X, name)
    alpha = 10.0 ** rng.uniform(-4, 0)
    if name in REGRESSION and name not in ("poisson", "gamma"):
        # So that it matters, and does not decide everything, in any unit.
        spread = np.abs(y - np.median(y, axis=0)).mean() or 1.0
        alpha *= spread if "squared" in name or name == "huber" else 1.0
    share = {"none": 0.0, "l2": 0.0, "l1": 1.0, "elasticnet": rng.uniform(0.1, 0.9)}
    l1 = alpha * share[penalty]
    l2 = 0.0 if penalty == "none" else alpha * (1.0 - share[penalty])
    weights = None
    if rng.random() < 0.4:
        weights = rng.choice([0.0, 0.5, 1.0, 3.0], len(X), p=[0.1, 0.3, 0.3, 0.3])
        weights[[0, -1]] = 1.0
    if rng.random() < 0.3:
        X = sparse.csr_array(X)
    parameters = {"q": 0.8} if name == "quantile" else {}
    return Convex(name, X, y, l1, l2, weights, bool(rng.random() < 0.8), parameters)
