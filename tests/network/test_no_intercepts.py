"""Networks without intercepts: only weights move, and nothing is centred."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from rules import ANY_GRADIENT
from scipy import sparse

from skgd import MLPGD

RNG = np.random.default_rng(0)
N_ROWS = 700  # more than the kernels handle at a time
X = RNG.normal([3.0, 0.0, -1.0, 0.5], size=(N_ROWS, 4))
X[RNG.random(X.shape) < 0.3] = 0.0
Y = np.tanh(X @ [1.0, -2.0, 0.5, 0.0]) + 0.1 * RNG.normal(size=N_ROWS)
FORMS = [np.asarray, sparse.csr_array]


def network(**parameters):
    settings = {
        "hidden_layer_sizes": (3,),
        "loss": "squared_error",
        "activation": "tanh",
        "fit_intercept": False,
        "random_state": 0,
    }
    return MLPGD(**settings | parameters)


@pytest.mark.parametrize("form", FORMS)
def test_steps_are_those_of_a_loop_in_numpy(form):
    start = [RNG.normal(size=(4, 3)), RNG.normal(size=(3, 1))]
    model = network(
        standardize=False,
        solver="batch",
        optimizer="gd",
        lr=0.1,
        alpha=0.01,
        max_iter=5,
        tol=None,
    )
    nothing = [np.zeros(3), np.zeros(1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(form(X), Y, coefs_init=start, intercepts_init=nothing)
    V, w = (W.copy() for W in start)
    for _ in range(5):
        a = np.tanh(X @ V)
        delta = (a @ w - Y[:, None]) / N_ROWS
        to_w = a.T @ delta + 0.01 * w
        to_V = X.T @ (delta @ w.T * (1 - a**2)) + 0.01 * V
        w, V = w - 0.1 * to_w, V - 0.1 * to_V
    assert_allclose(model.coefs_[0], V, rtol=1e-10)
    assert_allclose(model.coefs_[1], w, rtol=1e-10)


@pytest.mark.parametrize("optimizer", ANY_GRADIENT)
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_intercepts_stay_zero(form, standardize, optimizer):
    model = network(
        optimizer=optimizer,
        standardize=standardize,
        lr=1e-3,
        max_iter=3,
        average=2,
        clip_norm=1.0,
    )
    rows = form(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(rows, Y)
        for _ in range(2):
            model.partial_fit(rows[:100], Y[:100])
        model.set_params(warm_start=True).fit_batches([(rows, Y)])
    assert not any(b.any() for b in model.intercepts_)
    assert_array_equal(model.predict(np.zeros((1, 4))), 0.0)
    assert not any(b.any() for b in model.gradient(rows, Y)[2])


@pytest.mark.parametrize("lr", ["auto", 0.01])
@pytest.mark.parametrize("loss", ["log_loss", "squared_error", "huber", "poisson"])
def test_units_of_the_columns_do_not_matter(loss, lr):
    y = {"log_loss": Y > 0, "poisson": np.round(np.exp(Y))}.get(loss, Y)
    model = network(loss=loss, lr=lr, max_iter=20)
    units = np.array([1e-3, 1.0, 2.0**10, 5e4])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one = model.fit(X, y)
        scores, loss_curve = one._raw_scores(X), one.loss_curve_
        other = model.fit(X * units, y)
    assert_allclose(other._raw_scores(X * units), scores, rtol=1e-6, atol=1e-8)
    assert_allclose(other.loss_curve_, loss_curve, rtol=1e-6)


def test_a_linear_network_finds_the_least_squares_through_the_origin():
    model = network(
        hidden_layer_sizes=(), alpha=0.0, max_iter=400, optimizer="momentum", lr=0.05
    )
    model.set_params(solver="batch", tol=None).fit(X, Y + 1.0)
    expected = np.linalg.lstsq(X, Y + 1.0, rcond=None)[0]
    assert_allclose(model.coefs_[0][:, 0], expected, rtol=1e-6)


def test_what_intercepts_are_given_stays():
    given = [np.array([0.5, -1.0, 2.0]), np.array([3.0])]
    model = network(max_iter=3, n_ensemble=1).fit(X, Y, intercepts_init=given)
    for b, was in zip(model.intercepts_, given, strict=True):
        assert_allclose(b, was, rtol=1e-14)


def test_a_stream_keeps_to_its_choice():
    model = network().partial_fit(X, Y).set_params(fit_intercept=True)
    with pytest.raises(ValueError, match="fit_intercept"):
        model.partial_fit(X, Y)
