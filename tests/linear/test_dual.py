"""Fits of sparse rows under ``lr="auto"``: exact minima, certificates, odd rows."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize
from sklearn.linear_model import QuantileRegressor
from sklearn.svm import SVC

from skgd import GDClassifier, GDRegressor
from skgd.losses import get_loss

SMOOTH_REGRESSION = ["squared_error", "huber", "squared_epsilon_insensitive"]
SMOOTH_CLASSIFICATION = ["log_loss", "squared_hinge", "modified_huber", "squared_error"]
PENALTIES = [
    ("l2", 1e-2),
    ("l2", 1e-4),
    ("l2", 1e-6),
    ("l1", 1e-2),
    ("l1", 1e-3),
    ("elasticnet", 1e-3),
    (None, 0.0),
]


def text(n=800, d=120, length=8, seed=0):
    """Counts of words with Zipf's frequencies, the rows of norm one."""
    rng = np.random.default_rng(seed)
    frequency = 1.0 / np.arange(1, d + 1)
    words = rng.choice(d, (n, length), p=frequency / frequency.sum())
    X = sparse.csr_matrix(
        (np.ones(n * length), words.ravel(), np.arange(0, n * length + 1, length)),
        shape=(n, d),
    )
    X.sum_duplicates()
    norms = np.sqrt(X.multiply(X).sum(axis=1)).A1
    return sparse.csr_matrix(sparse.diags(1.0 / norms) @ X), rng


def regression(**kwargs):
    X, rng = text(**kwargs)
    y = X @ rng.normal(scale=3.0, size=X.shape[1]) + 4.0 + rng.normal(size=X.shape[0])
    return X, y


def classification(n_classes=2, **kwargs):
    X, rng = text(**kwargs)
    scores = X @ rng.normal(scale=3.0, size=(X.shape[1], n_classes))
    return X, (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)


def objective(model, X, y, weights=None):
    """F of a fitted model, written out."""
    weights = np.ones(len(y)) if weights is None else weights / np.mean(weights)
    coef, intercept = np.atleast_2d(model.coef_), model.intercept_
    scores = X @ coef.T + intercept
    if hasattr(model, "classes_"):
        index = np.searchsorted(model.classes_, y)
        if len(model.classes_) > 2 and model.loss == "log_loss":
            from scipy.special import logsumexp

            losses = logsumexp(scores, axis=1) - scores[np.arange(len(y)), index]
            return np.mean(weights * losses) + penalty(model, coef)
        n_outputs = scores.shape[1]
        signs = np.where(index[:, None] == np.arange(n_outputs), 1.0, -1.0)
        if n_outputs == 1:
            signs = 2.0 * index[:, None] - 1.0
        targets, task = signs, "classification"
    else:
        targets, task = np.asarray(y, float).reshape(len(y), -1), "regression"
    losses = get_loss(model.loss, task).value(targets, scores).sum(axis=1)
    return np.mean(weights * losses) + penalty(model, coef)


def penalty(model, coef):
    if model.penalty is None:
        return 0.0
    share = {"l2": 0.0, "l1": 1.0, "elasticnet": model.l1_ratio}[model.penalty]
    squares, sizes = np.sum(coef**2), np.abs(coef).sum()
    return model.alpha * ((1 - share) / 2 * squares + share * sizes)


def exact(model, X, y, weights=None):
    """Minimum of the smooth objective of one output, by L-BFGS-B on w = p - q."""
    n, d = X.shape
    weights = np.ones(n) if weights is None else weights / np.mean(weights)
    task = "classification" if hasattr(model, "classes_") else "regression"
    targets = y if task == "regression" else np.where(y == model.classes_[1], 1.0, -1.0)
    loss = get_loss(model.loss, task)
    share = {"l2": 0.0, "l1": 1.0, "elasticnet": model.l1_ratio, None: 0.0}
    alpha = model.alpha if model.penalty else 0.0
    l1, l2 = alpha * share[model.penalty], alpha * (1 - share[model.penalty])

    def function(theta):
        p, q, b = theta[:d], theta[d : 2 * d], theta[-1]
        w = p - q
        z = X @ w + b
        value = np.mean(weights * VALUES[loss](targets, z)) + 0.5 * l2 * w @ w
        slope = weights * SLOPES[loss](targets, z) / n
        gradient = X.T @ slope + l2 * w
        return (
            value + l1 * (p.sum() + q.sum()),
            np.concatenate([gradient + l1, l1 - gradient, [slope.sum()]]),
        )

    VALUES = {loss: fast_value(loss)}
    SLOPES = {loss: fast_slope(loss)}
    bounds = [(0, None)] * (2 * d) + [(None, None)]
    result = minimize(
        function,
        np.zeros(2 * d + 1),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 20000, "maxfun": 40000, "ftol": 1e-15, "gtol": 1e-10},
    )
    return result.fun


def fast_value(loss):
    name = type(loss).__name__
    return {
        "SquaredError": lambda y, z: 0.5 * (z - y) ** 2,
        "Huber": lambda y, z: np.where(
            abs(z - y) <= 1.35, 0.5 * (z - y) ** 2, 1.35 * abs(z - y) - 0.5 * 1.35**2
        ),
        "SquaredEpsilonInsensitive": lambda y, z: np.maximum(abs(z - y) - 0.1, 0) ** 2,
        "LogLoss": lambda y, z: np.logaddexp(0, -y * z),
        "SquaredHinge": lambda y, z: np.maximum(1 - y * z, 0) ** 2,
        "ModifiedHuber": lambda y, z: np.where(
            y * z >= -1, np.maximum(1 - y * z, 0) ** 2, -4 * y * z
        ),
    }[name]


def fast_slope(loss):
    name = type(loss).__name__
    return {
        "SquaredError": lambda y, z: z - y,
        "Huber": lambda y, z: np.clip(z - y, -1.35, 1.35),
        "SquaredEpsilonInsensitive": lambda y, z: (
            2 * np.sign(z - y) * np.maximum(abs(z - y) - 0.1, 0)
        ),
        "LogLoss": lambda y, z: -y / (1 + np.exp(np.clip(y * z, -500, 500))),
        "SquaredHinge": lambda y, z: -2 * y * np.maximum(1 - y * z, 0),
        "ModifiedHuber": lambda y, z: np.where(
            y * z >= -1, -2 * y * np.maximum(1 - y * z, 0), -4 * y
        ),
    }[name]


def share_left(model, X, y, best, weights=None):
    """(F - F*)/(F0 - F*), F0 the objective of the best constant."""
    return (objective(model, X, y, weights) - best) / (
        objective(constant(model, X, y, weights), X, y, weights) - best
    )


def constant(model, X, y, weights=None):
    """The best constant, as a fit that all features are kept from."""
    empty = sparse.csr_matrix(X.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings = {"solver": "batch", "tol": 0.0, "max_iter": 500}
        fitted = type(model)(**(model.get_params() | settings))
        return fitted.fit(empty.toarray(), y, weights)


@pytest.mark.parametrize("penalty, alpha", PENALTIES)
@pytest.mark.parametrize("loss", SMOOTH_REGRESSION)
def test_minima_of_regression(loss, penalty, alpha):
    X, y = regression()
    model = GDRegressor(loss, penalty=penalty, alpha=alpha, random_state=0).fit(X, y)
    best = exact(model, X, y)
    left = share_left(model, X, y, best)
    assert left < 3e-4
    assert model.stop_reason_ == "converged"
    if model.gap_kind_ == "bound":
        assert left <= model.gap_ * (1 + 1e-6) + 1e-9


@pytest.mark.parametrize("penalty, alpha", PENALTIES[:-1])
@pytest.mark.parametrize("loss", SMOOTH_CLASSIFICATION)
def test_minima_of_classification(loss, penalty, alpha):
    X, y = classification()
    model = GDClassifier(loss, penalty=penalty, alpha=alpha, random_state=0).fit(X, y)
    best = exact(model, X, y)
    left = share_left(model, X, y, best)
    assert left < 3e-4
    assert model.stop_reason_ == "converged"
    if model.gap_kind_ == "bound":
        assert left <= model.gap_ * (1 + 1e-6) + 1e-9


@pytest.mark.parametrize("alpha", [1e-2, 1e-3, 1e-4])
def test_minima_of_hinge(alpha):
    X, y = classification()
    model = GDClassifier("hinge", alpha=alpha, random_state=0).fit(X, y)
    svm = SVC(kernel="linear", C=1 / (alpha * len(y)), tol=1e-8).fit(X.toarray(), y)
    margins = (2 * y - 1) * svm.decision_function(X.toarray())
    best = np.maximum(1 - margins, 0).mean() + alpha / 2 * np.sum(svm.coef_**2)
    assert share_left(model, X, y, best) < 1e-3


@pytest.mark.parametrize("loss", ["absolute_error", "quantile"])
def test_minima_of_absolute_errors(loss):
    X, y = regression(n=300, d=40)
    model = GDRegressor(loss, penalty="l1", alpha=1e-2, random_state=0).fit(X, y)
    # The absolute error is twice the loss of the median.
    factor = 2.0 if loss == "absolute_error" else 1.0
    solver = QuantileRegressor(quantile=0.5, alpha=1e-2 / factor).fit(X.toarray(), y)
    best = factor * (
        0.5 * np.abs(y - solver.predict(X.toarray())).mean()
        + 1e-2 / factor * np.abs(solver.coef_).sum()
    )
    assert share_left(model, X, y, best) < 1e-3
