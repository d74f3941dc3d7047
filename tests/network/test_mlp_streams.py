"""Networks in streams and in later fits: scales that jump, means, splits, weights."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_wine, make_friedman1
from sklearn.metrics import r2_score

from skgd import MLPGD, GDClassifier, GDRegressor

WINE = load_wine(return_X_y=True)


def friedman(case):
    """6,000 rows to stream and 1,000 to judge by, with something that jumps."""
    n = 6000
    rng = np.random.default_rng(1)
    X, y = make_friedman1(n + 1000, 10, noise=0.7, random_state=0)
    X = X * rng.uniform(0.1, 100, 10) + 5
    if case == "nearly constant at first":
        X[:32, 3] = X[:32, 3].mean() + 1e-4 * rng.normal(size=32)
    if case == "row number":
        X = np.c_[X, np.arange(len(X))]
    if case == "units change":
        X[n // 2 :] *= 1000
    return X[:n], y[:n], X[n:], y[n:]


@pytest.mark.parametrize(
    "case", ["plain", "nearly constant at first", "row number", "units change"]
)
def test_scales_that_jump(case):
    X, y, X_new, y_new = friedman(case)
    model = MLPGD(loss="squared_error", random_state=0)
    for i in range(0, len(X), 32):
        model.partial_fit(X[i : i + 32], y[i : i + 32])
    assert model.score(X_new, y_new) > 0.7


def test_weights_stay_when_scales_move():
    X, y, *_ = friedman("plain")
    model = MLPGD((4,), loss="squared_error", lr=1e-300, optimizer="gd", alpha=0)
    model.partial_fit(X[:20], y[:20])
    theta = model._state.theta.copy()
    model.partial_fit(1e6 * X[20:40], 1e6 * y[20:40])
    assert_array_equal(model._state.theta, theta)


def test_fit_and_then_a_stream_goes_on_learning():
    X, y = make_friedman1(4000, 10, noise=0.5, random_state=0)
    model = MLPGD(loss="squared_error", random_state=0).fit(X[:100], y[:100])
    before = model.score(X[3000:], y[3000:])
    for i in range(100, 3000, 50):
        model.partial_fit(X[i : i + 50], y[i : i + 50])
    fresh = MLPGD(loss="squared_error", random_state=0)
    for i in range(100, 3000, 50):
        fresh.partial_fit(X[i : i + 50], y[i : i + 50])
    after = model.score(X[3000:], y[3000:])
    assert after > before
    assert after > fresh.score(X[3000:], y[3000:]) - 0.05


def test_the_mean_of_a_stream_begins_after_the_fit():
    X, y = WINE
    model = MLPGD((5,), random_state=0, max_iter=3, tol=None).fit(X, y)
    updates = model.t_
    model.partial_fit(X, y)
    assert model._state.averaging.start == updates + 1
    again = model._state.averaging
    model.partial_fit(X, y)
    assert model._state.averaging == again


@pytest.mark.parametrize("lr", ["auto", 0.01])
def test_large_weights_are_no_divergence(lr):
    X, y = WINE
    model = MLPGD(lr=lr, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(30):
            weights = np.full(len(X), 1e7)
            model.partial_fit(X, y, classes=[0, 1, 2], sample_weight=weights)
    assert model.score(X, y) > 0.95


SPLIT = {"warm_start": True, "early_stopping": True, "random_state": 0, "tol": None}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "model",
    [
        MLPGD((50,), max_iter=30, lr=0.01, alpha=0, **SPLIT),
        GDClassifier(max_iter=5, **SPLIT),
        GDRegressor(max_iter=5, **SPLIT),
    ],
    ids=["network", "classifier", "regressor"],
)
def test_a_warm_start_never_trains_on_rows_it_validates_on(model, monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 20)), rng.integers(0, 2, 100)
    held_out = []
    split = type(model)._split

    def watched(self, *args):
        rows, held = split(self, *args)
        held_out.append(held.order)
        return rows, held

    monkeypatch.setattr(type(model), "_split", watched)
    model = clone(model)
    for _ in range(3):
        model.fit(X, y)
    assert_array_equal(held_out[0], held_out[1])
    assert_array_equal(held_out[0], held_out[2])
    model.fit(X + 1.0, y)
    assert not np.array_equal(held_out[0], held_out[3])


def test_streams_with_targets_in_units_that_differ():
    X, y = make_friedman1(3000, 10, noise=0.5, random_state=0)
    Y = np.c_[y, 1e6 * X[:, 0], 1e-6 * X[:, 1] ** 2]
    model = MLPGD(loss="squared_error", random_state=0)
    for i in range(0, 2000, 50):
        model.partial_fit(X[i : i + 50], Y[i : i + 50])
    scores = r2_score(Y[2000:], model.predict(X[2000:]), multioutput="raw_values")
    assert scores.min() > 0.6


def test_training_and_validation_loss_are_of_one_measure():
    X, y = WINE
    model = MLPGD((5,), dropout=0.3, alpha=0.1, max_iter=5, tol=None, random_state=0)
    model.fit(X, y, X_val=X, y_val=y)
    history = model.history_
    assert_allclose(history["training_loss"], history["validation_loss"])
    assert (history["loss"] > history["training_loss"]).all()
    assert "training_loss" not in clone(model).fit(X, y).history_
    pairs = [(X[:50], y[:50]), (X[50:], y[50:])]
    stream = clone(model).fit_batches(pairs, X_val=X, y_val=y)
    assert_allclose(
        stream.history_["training_loss"], stream.history_["validation_loss"]
    )
