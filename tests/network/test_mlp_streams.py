"""Networks in streams and in later fits: scales that jump, means, splits, weights."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_wine, make_friedman1
from sklearn.metrics import r2_score

from skgd import MLPGD, GDClassifier, GDRegressor
from skgd._input.rows import Rows
from skgd._input.targets import Multilabel
from skgd._network.coordinates import Scaling

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


def drifting(n=4000):
    """Rows whose coefficients and scales change half way."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 4))
    late = np.arange(n) >= n // 2
    z = X @ [1.0, -1.0, 2.0, 0.5]
    y = np.where(late, -10.0 * z + 300.0, z) + 0.05 * rng.normal(size=n)
    return X * np.where(late, 100.0, 1.0)[:, None], y


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
@pytest.mark.parametrize("chunk", [1, 20])
def test_a_network_forgets_what_has_changed(chunk, loss):
    X, y = drifting()
    error = {}
    for half_life in (None, 100.0):
        model = MLPGD((8,), loss=loss, half_life=half_life, random_state=0)
        for i in range(0, 3500, chunk):
            model.partial_fit(X[i : i + chunk], y[i : i + chunk])
        error[half_life] = np.abs(model.predict(X[3500:]) - y[3500:]).mean()
    assert error[100.0] < 0.5 * error[None]


@pytest.mark.parametrize("half_life", [3.0, 400.0])
def test_moments_and_targets_of_a_network_are_those_remembered(half_life):
    X, y = drifting(1500)
    y = y.reshape(-1, 1)
    whole, pieces = Scaling.empty(4, 1), Scaling.empty(4, 1)
    rows = Rows.of(X, y, y)
    whole = whole.updated(rows, half_life)
    for start in range(0, 1500, 7):
        part = slice(start, start + 7)
        pieces = pieces.updated(Rows.of(X[part], y[part], y[part]), half_life)
    for one in (whole, pieces):
        left = 0.5 ** (np.arange(1500)[::-1] / half_life)
        mean = np.average(X, axis=0, weights=left)
        assert_allclose(one.features.mean, mean, rtol=1e-9)
        # Of the targets as many as are worth it, and their weights.
        assert 0 < len(one.kept.values) <= 1024
        known = np.searchsorted(np.sort(y[:, 0]), one.kept.values[:, 0])
        at = np.argsort(y[:, 0])[known]
        assert_allclose(one.kept.weights, left[at])
        assert at.min() >= 1500 - 10 * half_life - 3


@pytest.mark.parametrize("half_life", [None, 40.0])
def test_prepared_rows_forget_as_the_usual_way(half_life):
    """A network that is unpickled before each row takes the usual way."""
    X, y = drifting(120)
    quick = MLPGD((5,), loss="squared_error", half_life=half_life, random_state=0)
    usual = clone(quick)
    for i in range(120):
        rows = slice(i, i + 1)
        quick.partial_fit(X[rows], y[rows])
        usual = pickle.loads(pickle.dumps(usual)).partial_fit(X[rows], y[rows])
    assert_allclose(quick.predict(X), usual.predict(X), rtol=1e-9)


def test_a_network_whose_fit_comes_first_forgets_it():
    X, y = drifting()
    model = MLPGD((8,), loss="squared_error", half_life=50.0, random_state=0)
    plain = clone(model).set_params(half_life=None)
    for one in (model, plain):
        one.fit(X[:2000], y[:2000])
    assert_array_equal(model.coefs_[0], plain.coefs_[0])
    for i in range(2000, 2600):
        for one in (model, plain):
            one.partial_fit(X[i : i + 1], y[i : i + 1])
    error, error_of_plain = (
        np.abs(one.predict(X[2600:]) - y[2600:]).mean() for one in (model, plain)
    )
    assert error < 0.5 * error_of_plain


# ---- what else a stream or a later call must not spoil -------------------------------


@pytest.mark.parametrize(("n", "share"), [(2000, 0.85), (20_000, 0.98)])
def test_a_stream_that_does_not_change_comes_near_the_fit(n, share):
    X, y = make_friedman1(n + 2000, 10, noise=0.5, random_state=0)
    new, y_new = X[n:], y[n:]
    model = MLPGD(loss="squared_error", random_state=0)
    for i in range(0, n, 32):
        rows = slice(i, min(i + 32, n))
        model.partial_fit(X[rows], y[rows])
    fitted = MLPGD(loss="squared_error", n_ensemble=1, random_state=0)
    fitted.fit(X[:n], y[:n])
    assert model.score(new, y_new) > share * fitted.score(new, y_new)


def test_rows_of_a_chunk_are_learnt_one_by_one():
    X, y = WINE
    model = MLPGD((5,), random_state=0)
    calls = [
        model.partial_fit(X[i : i + 20], y[i : i + 20], classes=[0, 1, 2]).t_
        for i in range(0, 60, 20)
    ]
    assert calls == [20, 40, 60]
    named = clone(model).set_params(batch_size=10)
    assert named.partial_fit(X[:20], y[:20], classes=[0, 1, 2]).t_ == 2
    float_rate = clone(model).set_params(lr=0.01)
    assert float_rate.partial_fit(X[:20], y[:20], classes=[0, 1, 2]).t_ == 1


@pytest.mark.parametrize(("units", "n_together"), [(900, 1), (1300, 2), (26_000, 32)])
def test_large_networks_take_rows_together(units, n_together):
    X = np.random.default_rng(0).normal(size=(64, 12))
    y = X[:, 0]
    model = MLPGD((units,), loss="squared_error", random_state=0).partial_fit(X, y)
    assert model.t_ == 64 // n_together


def test_coefficients_changed_by_hand_predict_and_are_not_trained_on():
    X, y = WINE
    model = MLPGD((5,), random_state=0).partial_fit(X, y, classes=[0, 1, 2])
    twin = pickle.loads(pickle.dumps(model))
    model.coefs_[0] = model.coefs_[0] * 0.0
    assert np.ptp(model.decision_function(X), axis=0).max() == 0.0
    assert_array_equal(
        model.partial_fit(X, y).coefs_[0], twin.partial_fit(X, y).coefs_[0]
    )


@pytest.mark.parametrize("wrong", ["X", "y", "weights"])
def test_a_refused_call_does_not_move_the_masks(wrong):
    X, y = WINE
    model = MLPGD((5,), dropout=0.5, random_state=0)
    model.partial_fit(X[:50], y[:50], classes=[0, 1, 2])
    twin = pickle.loads(pickle.dumps(model))
    given = {"X": X[:50].copy(), "y": y[:50].copy(), "sample_weight": np.ones(50)}
    if wrong == "X":
        given["X"][49, 3] = np.nan
    elif wrong == "y":
        given["y"][49] = 7
    else:
        given["sample_weight"][49] = -1.0
    with pytest.raises(ValueError, match=r"NaN|7|negative|Negative"):
        model.partial_fit(**given)
    model.partial_fit(X[50:], y[50:])
    twin.partial_fit(X[50:], y[50:])
    assert_array_equal(model.coefs_[0], twin.coefs_[0])


@pytest.mark.parametrize("fraction", [0.1, 0.3])
def test_both_parts_have_rows_of_a_rare_label(fraction):
    rng = np.random.default_rng(0)
    n = 300
    X = rng.normal(size=(n, 4))
    Y = (rng.random((n, 3)) < [0.6, 0.4, 0.3]).astype(int)
    rare = np.zeros(n, int)
    rare[rng.choice(n, 12, replace=False)] = 1
    Y = np.c_[Y, rare]
    for seed in range(20):
        model = MLPGD((2,), early_stopping=True, validation_fraction=fraction)
        model.set_params(max_iter=1, tol=None, random_state=seed)
        task = Multilabel(Y)
        rows = Rows.of(X, Y, task.encode(Y))
        rng = np.random.default_rng(seed)
        training, held_out = model._split(rows, task, None, (None, None, None), rng)
        assert len(held_out) == round(fraction * n)
        expected = rare.sum() * fraction
        assert abs(rare[held_out.order].sum() - expected) < 1.0
        assert sorted([*training.order, *held_out.order]) == list(range(n))
    model.fit(X, Y)


@pytest.mark.parametrize("Y", [np.eye(5, dtype=int)[[0, 1, 2, 3, 4, 0]], [[0, 0]] * 6])
def test_indicators_too_rare_to_stratify_by(Y):
    X = np.random.default_rng(0).normal(size=(6, 2))
    model = MLPGD((2,), early_stopping=True, max_iter=2, random_state=0)
    assert model.fit(X, np.array(Y)).predict(X).shape == np.shape(Y)
