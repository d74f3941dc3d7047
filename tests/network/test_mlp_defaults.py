"""What the defaults of a network are for: penalty, scales, outliers, uneven targets."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_wine, make_friedman1
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.metrics import log_loss, r2_score

from skgd import MLPGD

WINE = load_wine(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True, scaled=False)


def normal(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


# ---- alpha ---------------------------------------------------------------------------


def strength(n, d):
    return np.clip(6.7 * np.sqrt(d) / n**1.25, 1e-4, 0.03)


@pytest.mark.parametrize(("n", "d"), [(40, 3), (600, 2), (600, 9), (3000, 4)])
def test_automatic_alpha_is_that_of_the_documentation(n, d):
    X = normal(n, d)
    y = X[:, 0] > 0
    X = np.c_[X, np.ones(n)]
    model = MLPGD((3,), n_ensemble=1, max_iter=1, tol=None, random_state=0).fit(X, y)
    assert model.alpha_ == pytest.approx(strength(n, d))
    same = clone(model).set_params(alpha=model.alpha_).fit(X, y)
    assert_array_equal(model.coefs_[0], same.coefs_[0])
    batches = [(X[:15], y[:15]), (X[15:], y[15:])]
    assert clone(model).fit_batches(batches).alpha_ == model.alpha_


def test_automatic_alpha_where_it_cannot_be_known():
    X, y = WINE
    model = MLPGD((3,), max_iter=1, tol=None, random_state=0)
    assert clone(model).set_params(standardize=False).fit(X, y).alpha_ == 1e-4
    assert model.partial_fit(X, y, classes=[0, 1, 2]).alpha_ == 1e-4


def test_gradient_is_of_the_penalty_used():
    X, y = WINE
    model = MLPGD((3,), n_ensemble=1, max_iter=2, tol=None, random_state=0).fit(X, y)
    loss = log_loss(y, model.predict_proba(X))
    weights = [model.coefs_[0] * X.std(axis=0)[:, None], model.coefs_[1]]
    penalty = 0.5 * model.alpha_ * sum(np.sum(W**2) for W in weights)
    assert model.gradient(X, y)[0] == pytest.approx(loss + penalty)


@pytest.mark.parametrize("n", [80, 300])
def test_noise_is_not_learnt_by_heart(n):
    X, new = normal(n, 20), normal(2000, 20, seed=1)
    rng = np.random.default_rng(2)
    y, y_new = (Z[:, 0] + 1.5 * rng.normal(size=len(Z)) > 0 for Z in (X, new))
    default, weak = (
        log_loss(y_new, MLPGD(alpha=alpha, random_state=0).fit(X, y).predict_proba(new))
        for alpha in ("auto", 1e-4)
    )
    assert default < 0.87
    assert default < weak - 0.2


# ---- inputs --------------------------------------------------------------------------


def test_no_entry_is_far_from_the_others():
    X = normal(1000, 2)
    X[:, 1] = 0.0
    X[7, 1] = 3.0
    y = X[:, 0]
    model = MLPGD((3,), loss="squared_error", max_iter=1, tol=None).fit(X, y)
    c = model._model.coordinates
    assert_allclose(c.scale[0], 1 / X[:, 0].std())
    assert_allclose((3.0 - c.mean[1]) * c.scale[1], 8.0)
    sparse_one = clone(model).fit(sparse.csr_array(X), y)
    assert_allclose(sparse_one._model.coordinates.scale, c.scale)


def test_rare_levels_do_not_swamp_what_is_common():
    rng = np.random.default_rng(0)
    n = 3000
    level = rng.integers(0, 600, n)
    X = np.c_[np.eye(600)[level], rng.normal(size=(n, 2))]
    y = X[:, -1] + 0.1 * rng.normal(size=n)
    model = MLPGD(loss="squared_error", random_state=0).fit(X[::2], y[::2])
    assert model.score(X[1::2], y[1::2]) > 0.9


def test_tf_idf_of_rare_words():
    rng = np.random.default_rng(0)
    n, n_words = 1200, 1500
    y = rng.integers(0, 4, n)
    rates = 0.6 / np.arange(1, n_words + 1)
    topics = np.exp(rng.normal(size=(4, n_words)))
    X = TfidfTransformer().fit_transform(
        sparse.csr_array(rng.poisson(30 * rates * topics[y]))
    )
    model = MLPGD(random_state=0, max_iter=20)
    raw = clone(model).set_params(standardize=False)
    scores = [m.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) for m in (model, raw)]
    assert scores[0] > scores[1] - 0.01


@pytest.mark.parametrize("d", [1000, 5000])
def test_wide_tables_of_few_factors(d):
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(160, 5))
    X = factors @ rng.normal(size=(5, d)) + rng.normal(size=(160, d))
    y = factors[:, 0] + 0.1 * rng.normal(size=160)
    model = MLPGD(loss="squared_error", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        assert model.fit(X[:80], y[:80]).score(X[80:], y[80:]) > 0.7
        labels = y > 0
        model = MLPGD(random_state=0).fit(X[:80], labels[:80])
        assert model.score(X[80:], labels[80:]) > 0.85


# ---- targets -------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "quantile"])
@pytest.mark.parametrize("size", [1e2, 1e4, 1e6])
def test_robust_losses_with_gross_outliers(loss, size):
    X = normal(500, 3)
    clean = X @ [3, -2, 1.0] + 7
    y = clean + 0.1 * normal(500, 1, seed=1)[:, 0]
    y[::10] += size
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = MLPGD(loss=loss, random_state=0).fit(X, y)
    assert np.median(np.abs(model.predict(X) - clean)) < 0.35


@pytest.mark.parametrize("loss", ["squared_error", "huber", "absolute_error"])
@pytest.mark.parametrize("method", ["fit", "partial_fit", "fit_batches"])
def test_targets_in_all_units_are_learnt(loss, method):
    X = normal(400, 3)
    units = np.array([1.0, 1e6, 1e-6])
    Y = np.c_[np.sin(X[:, 0]), X[:, 1] ** 2 + 3, X[:, 2]]
    model = MLPGD(loss=loss, random_state=0, max_iter=40)
    if method == "fit":
        model.fit(X, Y * units)
    elif method == "fit_batches":
        model.fit_batches([(X[:99], Y[:99] * units), (X[99:], Y[99:] * units)])
    else:
        for _ in range(40):
            model.partial_fit(X, Y * units)
    scores = r2_score(Y, model.predict(X) / units, multioutput="raw_values")
    assert scores.min() > 0.8


def test_units_of_targets_do_not_matter():
    X = normal(100, 3)
    Y = np.c_[X[:, 0], X[:, 1] ** 2]
    model = MLPGD((10,), loss="squared_error", random_state=0, max_iter=5, alpha=0.01)
    one = clone(model).fit(X, Y).predict(X)
    other = clone(model).fit(X, Y * [1.0, 1e4] + [0.0, 7.0]).predict(X)
    assert_allclose((other - [0.0, 7.0]) / [1.0, 1e4], one, atol=1e-8)


@pytest.mark.parametrize("value", [1e-6, -3.0, 1e12])
def test_constant_targets_are_predicted(value):
    X = normal(50, 3)
    model = MLPGD(loss="squared_error", random_state=0).fit(X, np.full(50, value))
    assert_allclose(model.predict(X), value, rtol=1e-9)


def test_an_outlier_of_y_does_not_hide_the_others_in_a_stream():
    X, y = make_friedman1(3000, 10, noise=0.5, random_state=0)
    model = MLPGD(loss="squared_error", random_state=0)
    spoilt = y[:2000].copy()
    spoilt[5] = 1e4
    for i in range(0, 2000, 50):
        model.partial_fit(X[i : i + 50], spoilt[i : i + 50])
    assert model.score(X[2000:], y[2000:]) > 0.3


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_losses_of_positive_targets_predict_finite_numbers(loss):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(80, 5)) * 10 ** rng.uniform(-3, 3, 5)
        mean = np.exp(np.clip(X / X.std(0) @ rng.normal(size=5), -4, 4))
        y = rng.gamma(1, mean) + 1e-9
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = MLPGD((5,), loss=loss, random_state=0).fit(X, y)
        assert np.isfinite(model.predict(X)).all()


def test_whole_numbers_that_look_like_a_quantity():
    X = normal(200, 2)
    y = np.arange(200) % 40
    with pytest.warns(UserWarning, match='loss="squared_error"'):
        MLPGD((3,), max_iter=1, tol=None).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MLPGD((3,), max_iter=1, tol=None).fit(X, y % 10)
        MLPGD((3,), max_iter=1, tol=None).fit(X, (y % 30).astype(str))


def test_targets_beyond_float32():
    X = normal(20, 2).astype("f")
    with pytest.raises(ValueError, match="float32"):
        MLPGD(loss="squared_error").fit(X, np.linspace(0, 1e39, 20))


# ---- shapes and predictions ----------------------------------------------------------


def test_layers_come_first():
    model = MLPGD((4, 3), n_ensemble=1, max_iter=1, tol=None).fit(*WINE)
    assert [W.shape for W in model.coefs_] == [(13, 4), (4, 3), (3, 3)]


@pytest.mark.parametrize("sizes", [[[5, 5]], [[5], [5]], [0], [2.5]])
def test_sizes_that_are_no_list_of_numbers(sizes):
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        MLPGD(sizes).fit(*WINE)


@pytest.mark.parametrize("given", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("activation", ["relu", "elu", "identity"])
def test_predictions_do_not_depend_on_the_block(given, activation, monkeypatch):
    X, y = WINE
    model = MLPGD((4, 3), activation=activation, max_iter=2, tol=None, random_state=0)
    model.fit(given(X), y)
    whole = model.decision_function(given(X))
    monkeypatch.setattr("skgd._network.estimator.PREDICTED_NUMBERS", 30)
    assert_allclose(model.decision_function(given(X)), whole, rtol=1e-12, atol=1e-12)


def test_probabilities_far_from_the_training_rows():
    X, y = WINE
    model = MLPGD((20,), random_state=0, max_iter=10, tol=None).fit(X.astype("f"), y)
    far = (X / np.abs(X).max() * 3e38).astype("f")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        probabilities = model.predict_proba(far)
    assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)


# ---- runs that learn nothing ---------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"lr": 1e-9}, "too small"),
        ({"lr": 1e-9, "optimizer": "gd"}, "too small"),
        (
            {"hidden_layer_sizes": (10,) * 6, "activation": "logistic", "alpha": 0.1},
            "6 hidden layers",
        ),
        ({"alpha": 100.0}, "alpha=100 is too strong"),
    ],
)
def test_a_run_that_learns_nothing_says_so(parameters, message):
    X, y = DIABETES
    model = MLPGD(loss="squared_error", random_state=0).set_params(**parameters)
    with pytest.warns(ConvergenceWarning, match=message):
        model.fit(X, y)
