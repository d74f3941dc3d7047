"""What a user of MLPGD meets: tasks, coordinates, stopping, streams, errors."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import (
    load_diabetes,
    load_digits,
    load_wine,
    make_circles,
    make_multilabel_classification,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from skgd import MLPGD, DivergenceWarning, GDClassifier, GDRegressor
from skgd.activations import LeakyReLU, Tanh
from skgd.losses import AbsoluteError, Huber

WINE = load_wine(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True, scaled=False)
# Two targets of different size and offset.
TARGETS = np.column_stack([DIABETES[1], 10 * DIABETES[0][:, 2] + 7])
INDICATORS = make_multilabel_classification(150, 8, n_classes=4, random_state=0)


def parameters_of(model):
    return np.concatenate([p.ravel() for p in (*model.coefs_, *model.intercepts_)])


def forward(model, X):
    """The three lines that the documentation promises."""
    a = np.asarray(X)
    for W, b in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        a = np.maximum(a @ W + b, 0)
    return a @ model.coefs_[-1] + model.intercepts_[-1]


# ---- tasks ---------------------------------------------------------------------------


def test_multiclass():
    X, y = WINE
    labels = np.array(["c", "a", "b"])[y]
    model = MLPGD(n_ensemble=1, random_state=0).fit(X, labels)
    assert_array_equal(model.classes_, ["a", "b", "c"])
    scores = model.decision_function(X)
    assert_allclose(scores, forward(model, X), rtol=1e-9)
    assert_allclose(model.predict_proba(X), softmax(scores, axis=1))
    assert_allclose(model.predict_log_proba(X), np.log(model.predict_proba(X)))
    assert_array_equal(model.predict(X), model.classes_[scores.argmax(axis=1)])
    assert model.score(X, labels) == accuracy_score(labels, model.predict(X)) > 0.99
    assert (model.n_layers_, model.n_outputs_) == (3, 3)


def test_binary():
    X, y = WINE[0], WINE[1] == 1
    model = MLPGD(n_ensemble=1, random_state=0).fit(X, y)
    scores = model.decision_function(X)
    assert scores.shape == (len(X),)
    assert_allclose(scores, forward(model, X)[:, 0], rtol=1e-9)
    assert_allclose(model.predict_proba(X), np.c_[expit(-scores), expit(scores)])
    assert_array_equal(model.predict(X), scores > 0)


def test_multilabel():
    X, Y = INDICATORS
    model = MLPGD(random_state=0, max_iter=50, alpha=1e-4).fit(X, Y)
    assert_array_equal(model.classes_, np.arange(4))
    scores = model.decision_function(X)
    assert_allclose(scores, forward(model, X), rtol=1e-9)
    assert_allclose(model.predict_proba(X), expit(scores))
    assert_array_equal(model.predict(X), scores > 0)
    assert model.score(X, Y) > 0.6
    stream = MLPGD(random_state=0)
    for _ in range(20):
        stream.partial_fit(X, Y)
    assert stream.score(X, Y) > 0.5
    with pytest.raises(ValueError, match="indicators of 4 labels"):
        stream.partial_fit(X, Y[:, :2])
    with pytest.raises(ValueError, match="use sample_weight"):
        MLPGD(class_weight="balanced").fit(X, Y)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "modified_huber"])
def test_margin_losses_train_one_against_the_rest(loss):
    X, y = WINE
    model = MLPGD(loss=loss, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.98
    assert hasattr(model, "predict_proba") == (loss == "modified_huber")


@pytest.mark.parametrize("y", [DIABETES[1], TARGETS], ids=["one", "two"])
def test_regression(y):
    X = DIABETES[0]
    model = MLPGD(loss="squared_error", n_ensemble=1, max_iter=20, random_state=0)
    predicted = model.fit(X, y).predict(X)
    assert predicted.shape == y.shape
    assert_allclose(predicted.reshape(len(X), -1), forward(model, X), rtol=1e-9)
    assert model.score(X, y) == r2_score(y, predicted) > 0.5
    for name in ("decision_function", "predict_proba", "classes_"):
        assert not hasattr(model, name)


@pytest.mark.parametrize("loss", ["huber", "absolute_error", "quantile"])
def test_losses_of_distance_learn_in_any_unit(loss):
    X, y = DIABETES
    model = MLPGD(loss=loss, random_state=0, max_iter=40)
    for factor in (1e-6, 1.0, 1e6):
        assert clone(model).fit(X, factor * y).score(X, factor * y) > 0.5


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_losses_with_log_link(loss):
    X, y = DIABETES
    model = MLPGD(loss=loss, n_ensemble=1, random_state=0, max_iter=30).fit(X, y)
    assert_allclose(model.predict(X), np.exp(forward(model, X)[:, 0]), rtol=1e-9)
    assert model.score(X, y) > 0.5


def test_tags_follow_the_loss():
    assert is_classifier(MLPGD()) and is_regressor(MLPGD(loss="squared_error"))
    assert is_regressor(MLPGD(loss=AbsoluteError()))
    assert is_classifier(MLPGD(loss="hinge"))


# ---- the objective -------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_without_hidden_layer_it_is_the_linear_classifier(alpha):
    X = StandardScaler().fit_transform(WINE[0])
    y = WINE[1]
    shared = {"lr": 0.1, "alpha": alpha, "max_iter": 5, "tol": None, "random_state": 0}
    linear = GDClassifier(batch_size=16, shuffle=False, **shared).fit(X, y)
    network = MLPGD(
        hidden_layer_sizes=(),
        optimizer="gd",
        standardize=False,
        batch_size=16,
        shuffle=False,
        **shared,
    ).fit(X, y, coefs_init=[np.zeros((13, 3))])
    assert_allclose(network.coefs_[0], linear.coef_.T, atol=1e-12)
    assert_allclose(network.intercepts_[0], linear.intercept_, atol=1e-12)
    assert_allclose(network.loss_curve_, linear.loss_curve_, rtol=1e-12)


def test_without_hidden_layer_it_is_the_linear_regressor():
    X = StandardScaler().fit_transform(DIABETES[0])
    shared = {"lr": 0.1, "max_iter": 5, "tol": None, "shuffle": False}
    linear = GDRegressor(penalty=None, **shared).fit(X, TARGETS)
    network = MLPGD(
        loss="squared_error",
        hidden_layer_sizes=(),
        optimizer="gd",
        standardize=False,
        alpha=0,
        batch_size=64,
        **shared,
    ).fit(X, TARGETS, coefs_init=[np.zeros((10, 2))])
    assert_allclose(network.coefs_[0], linear.coef_.T, rtol=1e-11)
    assert_allclose(network.intercepts_[0], linear.intercept_, rtol=1e-11)


@pytest.mark.parametrize("batch_size", [10, 442])
def test_alpha_does_not_depend_on_the_batch_size(batch_size):
    X = StandardScaler().fit_transform(DIABETES[0])
    y = DIABETES[1]
    exact = Ridge(alpha=0.5 * len(X)).fit(X, y)
    model = MLPGD(
        loss="squared_error",
        hidden_layer_sizes=(),
        standardize=False,
        alpha=0.5,
        optimizer="gd",
        lr=0.02 if batch_size < 100 else 0.3,
        lr_schedule="polynomial",
        batch_size=batch_size,
        max_iter=300,
        tol=None,
        random_state=0,
    ).fit(X, y)
    assert_allclose(model.coefs_[0][:, 0], exact.coef_, atol=0.3)
    assert_allclose(model.intercepts_[0], exact.intercept_, atol=0.3)


def test_optimum_of_standardised_logistic_regression():
    X, y = WINE
    settings = {"hidden_layer_sizes": (), "solver": "batch", "optimizer": "nesterov"}
    model = MLPGD(alpha=0.01, lr=0.5, max_iter=3000, tol=None, **settings).fit(X, y)
    scaled = StandardScaler().fit_transform(X)
    exact = LogisticRegression(C=1 / (0.01 * len(X)), tol=1e-10).fit(scaled, y)
    assert_allclose(model.predict_proba(X), exact.predict_proba(scaled), atol=1e-5)


def test_optimum_of_poisson_regression():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = rng.poisson(np.exp(X @ [0.5, -0.3, 0.0] + 1))
    exact = PoissonRegressor(alpha=0.1, tol=1e-10).fit(X, y)
    model = MLPGD(
        loss="poisson",
        hidden_layer_sizes=(),
        solver="batch",
        optimizer="gd",
        standardize=False,
        alpha=0.1,
        lr=0.05,
        max_iter=2000,
        tol=None,
    ).fit(X, y)
    assert_allclose(model.coefs_[0][:, 0], exact.coef_, atol=1e-8)
    assert_allclose(model.intercepts_[0], exact.intercept_, atol=1e-8)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize(
    ("loss", "X", "y"),
    [
        ("log_loss", *WINE),
        ("squared_error", DIABETES[0], TARGETS),
        (Huber(30.0), *DIABETES),
    ],
    ids=["log_loss", "squared_error", "huber"],
)
def test_loss_curve_is_the_weighted_objective(loss, X, y, standardize):
    X = X if standardize else StandardScaler().fit_transform(X)
    weights = np.random.default_rng(0).integers(0, 3, size=len(X))
    model = MLPGD(
        loss=loss,
        solver="batch",
        alpha=0.1,
        lr=1e-3,
        standardize=standardize,
        tol=None,
        random_state=0,
    )
    curve = clone(model).set_params(max_iter=4).fit(X, y, weights).loss_curve_
    for k in (1, 2, 3):
        after = clone(model).set_params(max_iter=k).fit(X, y, weights)
        assert_allclose(after.gradient(X, y, weights)[0], curve[k], rtol=1e-10)


def test_class_weights_are_sample_weights():
    X, y = WINE
    settings = {"random_state": 0, "max_iter": 5}
    for class_weight in ("balanced", {0: 1.0, 1: 5.0, 2: 0.5}):
        by_class = MLPGD(class_weight=class_weight, **settings).fit(X, y)
        by_row = MLPGD(**settings).fit(
            X, y, sample_weight=compute_sample_weight(class_weight, y)
        )
        assert_allclose(parameters_of(by_class), parameters_of(by_row), rtol=1e-9)


# ---- standardize ---------------------------------------------------------------------


@pytest.mark.parametrize("given", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_standardize_is_a_scaler_around_the_network(loss, given):
    X, y = DIABETES[0][:441], DIABETES[1][:441]
    settings = {"random_state": 0, "max_iter": 5, "hidden_layer_sizes": (20, 10)}
    settings["alpha"] = 1e-3
    scaled = StandardScaler().fit_transform(X)
    if loss == "squared_error":
        inner = (y - y.mean()) / y.std()
    else:
        # As many rows in each class, so that the best constant scores are zero too.
        y = inner = y.argsort().argsort() // 147
    inside = MLPGD(loss=loss, **settings).fit(given(X), y)
    outside = MLPGD(loss=loss, standardize=False, **settings).fit(scaled, inner)
    if loss == "log_loss":
        got, want = inside.decision_function(X), outside.decision_function(scaled)
        unit = 1.0
    else:
        got, want = (inside.predict(X) - y.mean()) / y.std(), outside.predict(scaled)
        unit = y.var()
    assert_allclose(got, want, atol=1e-7)
    assert_allclose(inside.loss_curve_, unit * np.array(outside.loss_curve_), rtol=1e-7)


def test_units_and_offsets_do_not_matter():
    X, y = DIABETES
    model = MLPGD(loss="squared_error", random_state=0, max_iter=10, alpha=0.01)
    expected = clone(model).fit(X, y).predict(X)
    scale = np.logspace(-6, 6, X.shape[1])
    moved = X * scale + 100 * scale
    predicted = clone(model).fit(moved, 1e-5 * y + 3).predict(moved)
    assert_allclose((predicted - 3) / 1e-5, expected, rtol=1e-4)


def test_constant_columns_have_no_weight():
    X = np.c_[WINE[0], np.full(len(WINE[0]), 1e9)]
    model = MLPGD(n_ensemble=1, random_state=0, max_iter=5).fit(X, WINE[1])
    assert_array_equal(model.coefs_[0][-1], 0.0)
    assert_allclose(model.decision_function(X), forward(model, X))


def test_constant_target():
    X = DIABETES[0]
    model = MLPGD(loss="squared_error", random_state=0).fit(X, np.full(len(X), 5.0))
    assert_allclose(model.predict(X), 5.0, atol=0.2)


def test_float32_stays_float32():
    X, y = DIABETES
    model = MLPGD(loss="squared_error", random_state=0, max_iter=10)
    double = clone(model).fit(X, y)
    single = clone(model).fit(X.astype("f"), y)
    assert {p.dtype for p in (*single.coefs_, *single.intercepts_)} == {np.dtype("f")}
    assert single.predict(X.astype("f")).dtype == np.dtype("f")
    assert_allclose(single.predict(X.astype("f")), double.predict(X), rtol=0.02)


# ---- where to start ------------------------------------------------------------------


@pytest.mark.parametrize("standardize", [False, True])
def test_starts_where_told(standardize):
    X, y = DIABETES
    source = MLPGD((6,), loss="squared_error", n_ensemble=1, max_iter=3).fit(X, y)
    model = MLPGD(
        loss="squared_error",
        hidden_layer_sizes=(6,),
        standardize=standardize,
        optimizer="gd",
        lr=1e-300,
        max_iter=1,
        tol=None,
    ).fit(X, y, coefs_init=source.coefs_, intercepts_init=source.intercepts_)
    assert_allclose(parameters_of(model), parameters_of(source), rtol=1e-10)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("coefs_init", [np.zeros((13, 3))], "one for each of the 2 layers"),
        ("coefs_init", [np.zeros((13, 5)), np.zeros((3, 5))], r"coefs_init\[1\]"),
        ("intercepts_init", [np.zeros(5), np.full(3, np.nan)], "contains NaN"),
    ],
)
def test_bad_starts(name, value, message):
    with pytest.raises(ValueError, match=message):
        MLPGD((5,), n_ensemble=1).fit(*WINE, **{name: value})


@pytest.mark.parametrize(
    ("activation", "variance"), [("relu", 2 / 300), ("tanh", 2 / 500)]
)
def test_first_weights(activation, variance):
    X = np.random.default_rng(0).normal(size=(10, 300))
    model = MLPGD(
        hidden_layer_sizes=(200,),
        activation=activation,
        standardize=False,
        optimizer="gd",
        lr=1e-300,
        max_iter=1,
        tol=None,
        random_state=0,
    ).fit(X, X[:, 0] > 0)
    assert_allclose(model.coefs_[0].var(), variance, rtol=0.02)
    assert_allclose(model.coefs_[1].var(), 2 / 201, rtol=0.2)
    assert_allclose(model.intercepts_[0].std(), np.sqrt(1 / 300 / 3), rtol=0.1)
    assert np.abs(model.intercepts_[0]).max() <= 1 / np.sqrt(300)
    assert_allclose(model.intercepts_[1], 0.0, atol=1e-200)


# ---- stopping ------------------------------------------------------------------------


def noisy(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(120, 10))
    return X, (X[:, 0] + rng.normal(size=120) > 0).astype(int)


@pytest.mark.parametrize("scoring", ["loss", "accuracy", "neg_log_loss"])
def test_early_stopping_restores_the_best_weights(scoring):
    X, y = noisy(0)
    X_val, y_val = noisy(1)
    model = MLPGD(scoring=scoring, lr=0.01, n_iter_no_change=8, random_state=0)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    assert model.stop_reason_ == "early_stopping"
    assert model.best_epoch_ < model.n_iter_
    best = max(model.validation_scores_)
    assert best == model.best_validation_score_
    if scoring == "loss":
        model.alpha = 0.0
        final = -model.gradient(X_val, y_val)[0]
    elif scoring == "accuracy":
        final = model.score(X_val, y_val)
    else:
        proba = model.predict_proba(X_val)
        final = np.mean(np.log(proba[np.arange(len(y_val)), y_val]))
    assert_allclose(final, best, rtol=1e-9)


def test_early_stopping_holds_rows_out():
    model = MLPGD(early_stopping=True, random_state=0, lr=0.01).fit(*noisy(0))
    assert model.stop_reason_ == "early_stopping"
    assert len(model.validation_scores_) == model.n_iter_


def test_early_stopping_survives_a_warm_start():
    # The best weights of one call must not be overwritten by the next.
    X, y = noisy(0)
    X_val, y_val = noisy(1)
    model = MLPGD(lr=0.01, warm_start=True, random_state=0, alpha=0)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    first, kept = -model.gradient(X_val, y_val)[0], pickle.dumps(model.coefs_)
    assert_allclose(first, model.best_validation_score_)
    coefs = model.coefs_
    model.fit(X, y, X_val=X_val, y_val=y_val)
    assert pickle.dumps(coefs) == kept
    assert_allclose(-model.gradient(X_val, y_val)[0], model.best_validation_score_)


def test_automatic_rate_falls_to_zero_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = MLPGD(max_iter=5, batch_size=178, shuffle=False).fit(*WINE)
    assert_allclose(model.lr_, 0.01 * np.sqrt(178 / 32))
    assert_allclose(model.history_["lr"], model.lr_ * np.linspace(1.0, 0.2, 5))
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        MLPGD(max_iter=2, lr=1e-3).fit(*WINE)


def test_automatic_rate_starts_again_after_a_warm_start():
    model = MLPGD(max_iter=4, warm_start=True, tol=None).fit(*WINE).fit(*WINE)
    assert_allclose(model.history_["lr"][0] / model.lr_, 1.0, atol=0.25)


@pytest.mark.parametrize("standardize", [False, True])
def test_divergence_is_told_and_survived(standardize):
    X, y = DIABETES
    model = MLPGD(
        loss="squared_error",
        hidden_layer_sizes=(10, 10),
        optimizer="gd",
        lr=1e4,
        alpha=0,
        standardize=standardize,
        random_state=0,
    )
    remedy = "lr='auto'" if standardize else "standardize=True"
    with pytest.warns(DivergenceWarning, match=remedy):
        model.fit(X, y)
    assert model.stop_reason_ == "diverged"
    assert np.isfinite(parameters_of(model)).all()


def test_callbacks_see_every_epoch():
    epochs = []

    class Record:
        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context, **kwargs):
            pass

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            if context.task_name == "epoch":
                assert fitted_estimator.predict(WINE[0]).shape == (178,)
                epochs.append(fitted_estimator.n_iter_)
                return len(epochs) == 3
            return False

    model = MLPGD(tol=None, random_state=0).set_callbacks(Record()).fit(*WINE)
    assert epochs == [1, 2, 3]
    assert model.stop_reason_ == "callback"


# ---- streams -------------------------------------------------------------------------


def test_stream_of_raw_rows():
    X, y = DIABETES
    model = MLPGD(loss="squared_error", hidden_layer_sizes=(30,), random_state=0)
    rng = np.random.default_rng(0)
    for _ in range(15):
        order = rng.permutation(len(X))
        for chunk in np.array_split(order, 5):
            model.partial_fit(X[chunk], y[chunk])
    assert model.score(X, y) > 0.5


def test_coordinates_follow_the_rows_seen():
    X, y = DIABETES
    settings = {"hidden_layer_sizes": (5,), "optimizer": "gd", "lr": 1e-300}
    model = MLPGD(loss="squared_error", random_state=0, alpha=0, **settings)
    # The second call is far away. The network cannot move at this rate: of a row that
    # is as far from the others as before, in their units, it says what it said.
    model.partial_fit(X[:10], y[:10])
    before = model._model.coordinates
    said = (model.predict(X) - before.shift) / before.spread
    model.partial_fit(X[10:] + 50.0, y[10:] + 1000)
    coordinates = model._model.coordinates
    same = (X - before.mean) * before.scale / coordinates.scale + coordinates.mean
    says = (model.predict(same) - coordinates.shift) / coordinates.spread
    assert_allclose(says, said, rtol=1e-9)
    seen = np.r_[X[:10], X[10:] + 50.0]
    assert_allclose(coordinates.mean, seen.mean(axis=0))
    assert_allclose(coordinates.scale, 1 / seen.std(axis=0))
    assert_allclose(coordinates.spread, np.r_[y[:10], y[10:] + 1000].std())


def test_stream_may_start_with_a_single_row():
    X, y = WINE
    model = MLPGD(hidden_layer_sizes=(20,), random_state=0)
    model.partial_fit(X[:1], y[:1], classes=[0, 1, 2])
    for _ in range(20):
        model.partial_fit(X, y)
    assert model.score(X, y) > 0.95


def test_empty_chunks_and_unseen_classes():
    X, y = WINE
    model = MLPGD(random_state=0).partial_fit(X, y, classes=[0, 1, 2])
    before = pickle.dumps(model.coefs_)
    model.partial_fit(X, y, sample_weight=np.zeros(len(X)))
    assert pickle.dumps(model.coefs_) == before
    with pytest.raises(ValueError, match=r"classes not seen before: \[7\]"):
        model.partial_fit(X[:2], [0, 7])
    with pytest.raises(ValueError, match="early_stopping=False"):
        MLPGD(early_stopping=True).partial_fit(X, y)


# ---- errors, tools -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hidden_layer_sizes": (5, 0)}, "hidden_layer_sizes must be"),
        ({"hidden_layer_sizes": (5.5,)}, "hidden_layer_sizes must be"),
        ({"activation": ["relu", "tanh"]}, "2 entries for 1 hidden layers"),
        ({"activation": ["swoosh"]}, "'swoosh' is unknown"),
        ({"activation": LeakyReLU(-1.0)}, "'negative_slope' parameter of LeakyReLU"),
        ({"dropout": 1.0}, "'dropout' parameter of MLPGD"),
        ({"loss": Huber(-1.0)}, "'epsilon' parameter of Huber"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        MLPGD(**parameters).fit(*WINE)


def test_bad_targets():
    X, y = DIABETES
    with pytest.raises(ValueError, match='loss="squared_error"'):
        MLPGD().fit(X, y + 0.5)
    with pytest.raises(ValueError, match="Poisson needs y in"):
        MLPGD(loss="poisson").fit(X, -y)
    with pytest.raises(ValueError, match="only one class"):
        MLPGD().fit(X, np.ones(len(X), int))
    model = MLPGD(loss="squared_error", max_iter=1).partial_fit(X, TARGETS)
    with pytest.raises(ValueError, match="fitted with 2"):
        model.partial_fit(X, y)


def test_one_activation_for_each_layer():
    X, y = WINE
    activations = ["tanh", LeakyReLU(0.2)]
    model = MLPGD((8, 6), activation=activations, n_ensemble=1, max_iter=3).fit(X, y)
    hidden = Tanh().value(X @ model.coefs_[0] + model.intercepts_[0])
    z = hidden @ model.coefs_[1] + model.intercepts_[1]
    scores = np.where(z > 0, z, 0.2 * z) @ model.coefs_[2] + model.intercepts_[2]
    assert_allclose(model.decision_function(X), scores, rtol=1e-9)


def test_grid_search_reaches_into_the_parts():
    search = GridSearchCV(
        MLPGD(activation=LeakyReLU(), max_iter=3, random_state=0),
        {"activation__negative_slope": [0.01, 0.2], "hidden_layer_sizes": [(), 5]},
        cv=2,
    ).fit(*WINE)
    assert set(search.best_params_) == {
        "activation__negative_slope",
        "hidden_layer_sizes",
    }


def test_prediction_does_not_import_numba(tmp_path):
    model = MLPGD(max_iter=2, random_state=0).fit(*WINE)
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps((model, WINE[0])))
    code = (
        "import pickle, sys\n"
        f"model, X = pickle.load(open({str(path)!r}, 'rb'))\n"
        "model.predict_proba(X)\n"
        "assert 'numba' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- what a network should learn -----------------------------------------------------


def spirals(n, seed):
    """Two arms that wind around each other one and a half times."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    turn = np.sqrt(rng.random(n))
    angle = 3 * np.pi * turn + np.pi * y
    X = np.column_stack([turn * np.cos(angle), turn * np.sin(angle)])
    return X + rng.normal(scale=0.02, size=(n, 2)), y


def test_learns_circles():
    X, y = make_circles(600, noise=0.08, factor=0.5, random_state=0)
    model = MLPGD(random_state=0).fit(X[:400], y[:400])
    assert model.score(X[400:], y[400:]) > 0.98


def test_learns_spirals():
    rows, new = spirals(1000, 0), spirals(1000, 1)
    assert MLPGD(random_state=0).fit(*rows).score(*new) >= 0.93
    # A winding boundary without noise: the default holds the weights back somewhat.
    assert MLPGD(alpha=1e-4, random_state=0).fit(*rows).score(*new) >= 0.98


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_learns_digits(dtype):
    X, y = load_digits(return_X_y=True)
    train, test, y_train, y_test = train_test_split(
        X.astype(dtype), y, random_state=0, stratify=y
    )
    assert MLPGD(random_state=0).fit(train, y_train).score(test, y_test) >= 0.97
