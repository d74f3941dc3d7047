"""What one pass over a stream learns under ``lr="auto"``, whatever its chunks are."""

import pickle

import numpy as np
import pytest
from rules import ANY_GRADIENT
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, make_classification
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss, r2_score

from skgd import GDClassifier, GDRegressor
from skgd.losses import Huber

CHUNKS = [1, 7, 32, 240]


def line(n=300, n_features=8, noise=0.1):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, n_features)) * np.logspace(-3, 3, n_features) + 1.0
    z = ((X - 1.0) / np.logspace(-3, 3, n_features)) @ np.arange(1.0, n_features + 1)
    return X, z + noise * z.std() * rng.normal(size=n)


def streamed(model, X, y, chunk, classes=None):
    """The model after one pass, and what it said of each chunk but the first."""
    keywords = {} if classes is None else {"classes": classes}
    answer = model.predict if classes is None else model.predict_proba
    said = []
    for start in range(0, len(y), chunk):
        part = slice(start, start + chunk)
        if start:
            said.append(answer(X[part]))
        model.partial_fit(X[part], y[part], **keywords)
    return model, np.concatenate(said) if said else None


@pytest.mark.parametrize("chunk", CHUNKS)
def test_a_few_hundred_rows_are_enough(chunk):
    """One pass comes near to least squares on the same rows, which is exact."""
    X, y = line()
    model, _ = streamed(GDRegressor(), X[:240], y[:240], chunk)
    exact = LinearRegression().fit(X[:240], y[:240]).score(X[240:], y[240:])
    assert model.score(X[240:], y[240:]) > exact - 0.02


@pytest.mark.parametrize("chunk", [1, 50, 350])
def test_a_few_hundred_rows_of_a_real_table(chunk):
    X, y = load_diabetes(return_X_y=True)
    model, _ = streamed(GDRegressor(), X[:350], y[:350], chunk)
    exact = LinearRegression().fit(X[:350], y[:350]).score(X[350:], y[350:])
    assert model.score(X[350:], y[350:]) > exact - 0.1


@pytest.mark.parametrize("chunk", [1, 50, 240])
def test_a_few_hundred_rows_of_classes(chunk):
    X, y = make_classification(
        300, 8, n_informative=5, n_classes=3, random_state=0, scale=100.0
    )
    model, _ = streamed(GDClassifier(), X[:240], y[:240], chunk, [0, 1, 2])
    exact = LogisticRegression(max_iter=10_000).fit(X[:240], y[:240])
    assert model.score(X[240:], y[240:]) > exact.score(X[240:], y[240:]) - 0.05


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_a_chunk_is_its_rows(loss):
    """A chunk is not one step: its rows are taken one by one, as by solver="sgd"."""
    X, y = line()
    found = [
        streamed(GDRegressor(loss=loss, **kind), X, y, 50)[0]
        for kind in ({}, {"solver": "sgd"}, {"batch_size": 1})
    ]
    for model in found:
        assert model.t_ == 300
        np.testing.assert_array_equal(model.coef_, found[0].coef_)
    # What is asked for is done.
    assert streamed(GDRegressor(batch_size=25), X, y, 50)[0].t_ == 12
    assert streamed(GDRegressor(lr=0.01), X / 1e3, y, 50)[0].t_ == 6


def test_sparse_rows_of_rules_that_move_all_weights_are_taken_together():
    X, y = line()
    X = sparse.csr_array(X)
    model = GDRegressor(optimizer="adam")
    assert model.partial_fit(X[:50], y[:50]).t_ == 1
    assert GDRegressor().partial_fit(X[:50], y[:50]).t_ == 50


@pytest.mark.parametrize("optimizer", sorted(set(ANY_GRADIENT) - {"lion"}))
def test_every_rule_gains_by_more_updates(optimizer):
    X, y = line()
    errors = []
    for batch_size in ("auto", 64):
        model = GDRegressor(optimizer=optimizer, batch_size=batch_size)
        said = streamed(model, X, y, 50)[1]
        errors.append(np.square(said - y[50:]).mean())
    assert errors[0] < errors[1]


@pytest.mark.parametrize("chunk", [1, 32])
def test_noise_is_not_learnt_with_confidence(chunk):
    """Labels that no column tells: hardly worse than the frequencies of the classes."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1000, 20)), rng.integers(0, 2, 1000)
    _, said = streamed(GDClassifier(), X, y, chunk, [0, 1])
    assert log_loss(y[chunk:], said) < 1.15 * np.log(2)


@pytest.mark.parametrize("chunk", [1, 32])
def test_probabilities_of_a_stream(chunk):
    X, y = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = X[order], y[order]
    _, said = streamed(GDClassifier(), X, y, chunk, [0, 1])
    assert log_loss(y[chunk:], said) < 0.2
    assert (said.argmax(axis=1) == y[chunk:]).mean() > 0.94


@pytest.mark.parametrize("chunk", [10, 60])
@pytest.mark.parametrize("unit", [1.0, 1e5])
def test_huber_in_any_units(unit, chunk):
    """Its slope has a bound, and must not take for ever to reach large targets."""
    X, y = line(600)
    model = GDRegressor(loss=Huber())
    _, said = streamed(model, X, unit * y, chunk)
    assert r2_score(unit * y[300:], said[300 - chunk :]) > 0.9


@pytest.mark.parametrize("chunk", [1, 32, 200])
@pytest.mark.parametrize("n", [200, 1000])
def test_a_stream_goes_on_from_what_fit_found(chunk, n):
    """It has the weight of its rows: a few more do not take its place."""
    X, y = line(n + 1200, noise=1.0)
    model = GDRegressor().fit(X[:n], y[:n])
    later = slice(n + 200, None)
    before = model.score(X[later], y[later])
    model, _ = streamed(model, X[n : n + 200], y[n : n + 200], chunk)
    exact = LinearRegression().fit(X[: n + 200], y[: n + 200])
    assert model.score(X[later], y[later]) > before - 0.03
    assert model.score(X[later], y[later]) > exact.score(X[later], y[later]) - 0.04


def test_a_saved_stream_after_fit_goes_on_alike():
    X, y = line(500)
    models = []
    for saved in (False, True):
        model = GDRegressor().fit(X[:300], y[:300])
        for start in range(300, 500, 20):
            part = slice(start, start + 20)
            model.partial_fit(X[part], y[part])
            if saved:
                model = pickle.loads(pickle.dumps(model))
        models.append(model)
    np.testing.assert_array_equal(models[0].coef_, models[1].coef_)


# ---- rows that are much longer than others -------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("chunk", [1, 32])
@pytest.mark.parametrize("loss", ["squared_error", "squared_epsilon_insensitive"])
def test_heavy_rows_do_not_throw_a_stream_off(loss, chunk, seed):
    """A row a hundred units long overshot itself, and undid what others had taught."""
    rng = np.random.default_rng(seed)
    X = rng.standard_t(2.0, size=(1500, 8))
    y = 50.0 + 10.0 * (X @ rng.normal(size=8)) + 5.0 * rng.normal(size=1500)
    model = GDRegressor(loss)
    for start in range(0, 1500, chunk):
        part = slice(start, start + chunk)
        model.partial_fit(X[part], y[part])
    missed = np.median(np.abs(model.predict(X) - y))
    constant = np.median(np.abs(y - np.median(y)))
    assert missed < 0.5 * constant


@pytest.mark.parametrize("weighted", [False, True])
def test_heavy_rows_of_prepared_updates(weighted):
    rng = np.random.default_rng(0)
    X = rng.standard_t(1.5, size=(200, 3)) * [1.0, 100.0, 1e-3]
    y = X @ [1.0, 0.01, 1e3] + rng.normal(size=200)
    quick, usual = GDRegressor(), GDRegressor()
    for i in range(200):
        others = {"sample_weight": rng.uniform(0.5, 2.0, 1)} if weighted else {}
        quick.partial_fit(X[i : i + 1], y[i : i + 1], **others)
        vars(usual).pop("_quick", None)
        usual.partial_fit(X[i : i + 1], y[i : i + 1], **others)
    assert np.array_equal(quick.coef_, usual.coef_)
    assert quick._state.theta.tobytes() == usual._state.theta.tobytes()
