"""Backpropagation against finite differences of the objective, written out in NumPy."""

import numpy as np
import pytest
import reference
import reference_network
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.stats import norm
from sklearn.exceptions import NotFittedError

from skgd import MLPGD, losses
from skgd.activations import ACTIVATIONS

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 3)) * [1.0, 5.0, 0.3] + [2.0, 0.0, -1.0]
X[RNG.random(X.shape) < 0.3] = 0.0
WEIGHTS = RNG.integers(0, 4, size=12) + 0.0
REAL = RNG.normal(size=(12, 2)) * [3.0, 0.5] + [10.0, 2.0]
LABELS = RNG.integers(0, 3, size=12)
TARGETS = {
    "squared_error": REAL,
    "huber": REAL[:, 0],
    "absolute_error": REAL,
    "quantile": REAL[:, 0],
    "epsilon_insensitive": REAL[:, 0],
    "squared_epsilon_insensitive": REAL[:, 0],
    "poisson": RNG.poisson(3.0, size=12) + 0.0,
    "gamma": RNG.gamma(3.0, size=12),
    "log_loss": LABELS == 1,
    "softmax_cross_entropy": LABELS,
    "perceptron": LABELS == 1,
    "hinge": LABELS,
    "squared_hinge": LABELS == 1,
    "modified_huber": LABELS,
    "multilabel": np.column_stack([LABELS == 0, LABELS > 0, LABELS == 2]) * 1,
}


def coded(case):
    """Targets as numbers, one column for each output, and the loss on them."""
    y = TARGETS[case]
    if case == "multilabel":
        return 2.0 * y - 1, reference.log_loss
    if y.dtype == bool:
        return np.where(y, 1.0, -1.0)[:, None], getattr(reference, case)
    if y is LABELS:
        one_hot = np.eye(3)[y]
        codes = one_hot if case == "softmax_cross_entropy" else 2 * one_hot - 1
        return codes, getattr(reference, case)
    return y.reshape(12, -1), getattr(reference, case)


def objective(model, targets, loss):
    """F written out, for the weights that the model shows."""
    f = reference_network.formula_of(model.activation)
    s = WEIGHTS / WEIGHTS[WEIGHTS > 0].mean()
    total, by = 0.0, measure(model, targets)
    for i in np.flatnonzero(WEIGHTS):
        a = X[i]
        for W, b in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
            a = f(a @ W + b)[0]
        z = a @ model.coefs_[-1] + model.intercepts_[-1]
        total += s[i] * loss(targets[i] / by, z / by)[0].sum()
    F = total / np.sum(WEIGHTS > 0)
    squares = [np.sum(W**2) for W in standard_weights(model, targets)]
    return F + 0.5 * model.alpha * unit(model, targets, loss) * sum(squares)


def moments(values):
    kept = WEIGHTS > 0
    mean = np.average(values[kept], axis=0, weights=WEIGHTS[kept])
    variance = np.average((values[kept] - mean) ** 2, axis=0, weights=WEIGHTS[kept])
    return mean, np.sqrt(variance)


def has_distance(model):
    link = losses.get_loss(model.loss, model._task.name).identity_link
    return model._task.name == "regression" and link


def standard_weights(model, targets):
    """The weights for standardised inputs and outputs."""
    weights = [W.copy() for W in model.coefs_]
    if model.standardize:
        weights[0] *= moments(X)[1][:, None]
        if has_distance(model):
            weights[-1] /= centre_and_spread(model, targets)[1]
    return weights


def centre_and_spread(model, targets):
    """Mean and standard deviation, or for robust losses best constant and MAD."""
    if model.loss not in ("huber", "absolute_error", "quantile", "epsilon_insensitive"):
        return moments(targets)
    loss = losses.get_loss(model.loss, "regression")
    copies = np.repeat(targets, WEIGHTS.astype(int), axis=0)
    centre = [loss.best_constant(column) for column in copies.T]
    distance = np.abs(copies - np.median(copies, axis=0))
    return np.array(centre), np.median(distance, axis=0) / norm.ppf(0.75)


def measure(model, targets):
    """What each of several targets is divided by before the loss compares them."""
    if not model.standardize or not has_distance(model):
        return 1.0
    spread = centre_and_spread(model, targets)[1]
    return spread / np.sqrt(np.mean(spread**2))


def unit(model, targets, loss):
    """spread(y) rms(dl/dz at the best constant), 1 for classes."""
    if not model.standardize or model._task.name == "classification":
        return 1.0
    if has_distance(model):
        mean, spread = centre_and_spread(model, targets)
    else:
        mean = np.log(moments(targets)[0])
        spread = np.ones_like(mean)
    by = measure(model, targets)
    spread = spread / by
    slopes = loss(targets / by, np.broadcast_to(mean / by, targets.shape))[1]
    kept = WEIGHTS > 0
    squares = np.average((slopes**2).mean(axis=1)[kept], weights=WEIGHTS[kept])
    return np.sqrt(np.mean(spread**2) * squares)


@pytest.mark.parametrize("sparse_input", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("standardize", [False, True], ids=["raw", "standardized"])
@pytest.mark.parametrize("case", TARGETS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_is_the_slope_of_the_objective(activation, case, standardize, sparse_input):
    named = {"softmax_cross_entropy": "log_loss", "multilabel": "log_loss"}
    model = MLPGD(
        loss=named.get(case, case),
        hidden_layer_sizes=(4, 3),
        activation=activation,
        standardize=standardize,
        alpha=0.1,
        lr=1e-3,
        max_iter=1,
        tol=None,
        random_state=1,
    )
    given = sparse.csr_array(X) if sparse_input else X
    model.fit(given, TARGETS[case], sample_weight=WEIGHTS)
    targets, loss = coded(case)
    F, coef_gradients, intercept_gradients = model.gradient(
        given, TARGETS[case], sample_weight=WEIGHTS
    )
    assert_allclose(F, objective(model, targets, loss), rtol=1e-12)
    parameters = [*model.coefs_, *model.intercepts_]
    gradients = [*coef_gradients, *intercept_gradients]
    for p, gradient in zip(parameters, gradients, strict=True):
        assert gradient.shape == p.shape
        # One entry of each array keeps 240 networks affordable; which one varies.
        at = np.unravel_index(RNG.integers(p.size), p.shape)
        h, value = 1e-6 * max(1.0, abs(p[at])), p[at]
        p[at] = value + h
        above = objective(model, targets, loss)
        p[at] = value - h
        below = objective(model, targets, loss)
        p[at] = value
        assert_allclose(gradient[at], (above - below) / (2 * h), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_is_that_of_row_by_row_backpropagation(activation):
    model = MLPGD(
        hidden_layer_sizes=(5, 4), activation=activation, alpha=0, max_iter=2
    ).fit(X, LABELS)
    expected = [
        reference_network.row_gradient(
            model.coefs_,
            model.intercepts_,
            x,
            one_hot,
            reference.softmax_cross_entropy,
            activation,
        )
        for x, one_hot in zip(X, np.eye(3)[LABELS], strict=True)
    ]
    loss, coefs, intercepts = model.gradient(X, LABELS)
    assert_allclose(loss, np.mean([row[0] for row in expected]))
    for layer in range(3):
        mean = np.mean([row[1][layer] for row in expected], axis=0)
        assert_allclose(coefs[layer], mean, atol=1e-13)
        mean = np.mean([row[2][layer] for row in expected], axis=0)
        assert_allclose(intercepts[layer], mean, atol=1e-13)


def chain(**parameters):
    return MLPGD(
        loss="absolute_error",
        hidden_layer_sizes=(1,),
        activation="identity",
        standardize=False,
        alpha=0,
        optimizer="gd",
        max_iter=1,
        tol=None,
        **parameters,
    ).fit(
        [[-2.0]],
        [10.0],
        coefs_init=[[[3.0]], [[5.0]]],
        intercepts_init=[[4.0], [0.0]],
    )


def test_chain_rule():
    # z = (w2 - 2 w1) w3 at (3, 4, 5), target 10.
    model = chain(lr=1e-300)
    assert model.predict([[-2.0]]) == -10.0
    loss, coefs, intercepts = model.gradient([[-2.0]], [10.0])
    assert loss == 20.0
    assert (coefs[0], intercepts[0], coefs[1]) == (10.0, -5.0, 2.0)


def test_chain_rule_step():
    model = chain(lr=0.01)
    w1, w2, w3 = (
        p.item() for p in (model.coefs_[0], model.intercepts_[0], model.coefs_[1])
    )
    assert_allclose((w1, w2, w3), (2.9, 4.05, 4.98), rtol=1e-14)
    # The output intercept moved too; held at 0 the prediction would be -8.715.
    assert_allclose((w2 - 2 * w1) * w3, -8.715, rtol=1e-14)
    assert_allclose(model.predict([[-2.0]]), -8.715 + 0.01, rtol=1e-12)


def test_is_taken_where_the_coefficients_are():
    model = MLPGD(loss="squared_error", hidden_layer_sizes=(), alpha=0, max_iter=1)
    model.fit(X, REAL[:, 0])
    model.coefs_, model.intercepts_ = [np.zeros((3, 1))], [np.array([1.0])]
    loss, coefs, intercepts = model.gradient(X, REAL[:, 0])
    residual = 1.0 - REAL[:, :1]
    assert_allclose(loss, 0.5 * np.mean(residual**2))
    assert_allclose(coefs[0], X.T @ residual / len(X))
    assert_allclose(intercepts[0], residual.mean(axis=0))


def test_does_not_drop_out_and_changes_nothing():
    model = MLPGD(dropout=0.5, n_ensemble=1, random_state=0, max_iter=3)
    model.fit(X, LABELS)
    first, again = model.gradient(X, LABELS), model.gradient(X, LABELS)
    assert first[0] == again[0]
    assert_allclose(
        first[0]
        - 0.5 * model.alpha_ * sum(np.sum(W**2) for W in standard_weights_of(model)),
        -np.mean(model.predict_log_proba(X)[np.arange(12), LABELS]),
    )
    assert model._model.stream[1] == 36


def standard_weights_of(model):
    first = model.coefs_[0] * X.std(axis=0)[:, None]
    return [first, *model.coefs_[1:]]


def test_float32_gives_float32():
    model = MLPGD(loss="squared_error", max_iter=2).fit(X.astype("f"), REAL)
    _, coefs, intercepts = model.gradient(X.astype("f"), REAL)
    assert {g.dtype for g in (*coefs, *intercepts)} == {np.dtype("f")}


def test_needs_a_fit():
    with pytest.raises(NotFittedError):
        MLPGD().gradient(X, LABELS)
