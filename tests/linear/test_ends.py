"""How a fit says where it has ended: true gaps of every solver, and honest warnings."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_iris,
    load_wine,
    make_regression,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, QuantileRegressor, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC

from skgd import GDClassifier, GDRegressor
from skgd.data import from_arrays


def fitted(model, *arrays):
    """The fitted model and what its fit warned of convergence."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*arrays)
    return model, [str(w.message) for w in caught if w.category is ConvergenceWarning]


def diabetes():
    return load_diabetes(return_X_y=True, scaled=False)


def objective(model, X, y, loss, weights=None):
    """F of a fitted regressor with one target."""
    value = np.average(loss(y, model.predict(X)), weights=weights)
    if model.penalty == "l2":
        value += 0.5 * model.alpha * np.sum(model.coef_**2)
    if model.penalty == "l1":
        value += model.alpha * np.sum(np.abs(model.coef_))
    return value


LOSSES = {
    "squared_error": lambda y, z: 0.5 * (y - z) ** 2,
    "huber": lambda y, z: np.where(
        abs(y - z) <= 1.35, 0.5 * (y - z) ** 2, 1.35 * (abs(y - z) - 0.675)
    ),
    "absolute_error": lambda y, z: abs(y - z),
    "poisson": lambda y, m: m - y * np.log(m),
}


def true_gap(model, X, y, name, weights=None):
    """(F - F*)/(F0 - F*) against a far more exact fit."""
    loss = LOSSES[name]
    exact = GDRegressor(name, penalty=model.penalty, alpha=model.alpha, tol=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        best = objective(exact.fit(X, y, weights), X, y, loss, weights)
        constant = GDRegressor(name, max_iter=1).fit(np.zeros((len(y), 1)), y, weights)
    constant = np.average(loss(y, constant.predict(np.zeros((len(y), 1)))), 0, weights)
    return (objective(model, X, y, loss, weights) - best) / (constant - best)


# ---- updates of few rows -------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    "parameters",
    [{"solver": "sgd"}, {"batch_size": 32}, {"optimizer": "adam", "batch_size": 32}],
    ids=str,
)
@pytest.mark.parametrize("convert", [np.float64, np.float32, sparse.csr_array])
def test_the_gap_of_noisy_updates_is_a_bound(name, parameters, convert):
    X, y = diabetes()
    X = convert(X)
    weights = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    model = GDRegressor(name, penalty="l2", random_state=0, **parameters)
    model, messages = fitted(model, X, y, weights)
    truth = true_gap(model, X, y, name, weights)
    assert truth <= model.gap_ + 1e-5
    if model.gap_kind_ == "bound":
        assert model.gap_ < 1.0
    assert bool(messages) == (model.gap_ > 10 * model._tolerance())


def test_the_gap_of_noisy_updates_of_classes():
    for load in (load_iris, load_wine, load_breast_cancer):
        X, y = load(return_X_y=True)
        model, messages = fitted(GDClassifier(solver="sgd", random_state=0), X, y)
        exact = GDClassifier(tol=1e-9).fit(X, y)

        def value(m, X=X, y=y):
            p = m.predict_proba(X)[np.arange(len(y)), y]
            return -np.log(p).mean() + 0.5e-4 * np.sum(m.coef_**2)

        shares = np.bincount(y) / len(y)
        constant = -np.sum(shares * np.log(shares))
        truth = (value(model) - value(exact)) / (constant - value(exact))
        assert truth <= model.gap_ + 1e-9
        assert model.gap_ < 0.05
        assert bool(messages) == (model.gap_ > 10 * model._tolerance())


def test_several_targets_have_one_gap():
    X, y = diabetes()
    Y = np.column_stack([y, np.roll(y, 50)])
    model, _ = fitted(GDRegressor(solver="sgd", random_state=0), X, Y)
    best = Ridge(1e-9, solver="svd").fit(X, Y)
    error = lambda z: 0.5 * np.mean((z - Y) ** 2, axis=0).sum()  # noqa: E731
    truth = error(model.predict(X)) - error(best.predict(X))
    truth /= error(Y.mean(axis=0)) - error(best.predict(X))
    assert truth <= model.gap_ < truth + 1e-3


def close_columns():
    """Start and end of a trip: what matters is their difference."""
    rng = np.random.default_rng(0)
    start = 1.55e9 + rng.uniform(0, 31 * 86400, 3000)
    length = rng.gamma(2, 300, 3000)
    fare = 2.5 + 0.01 * length + 0.5 * rng.normal(size=3000)
    return np.column_stack([start, start + length]), fare


@pytest.mark.parametrize(
    "parameters",
    [
        {"solver": "sgd"},
        {"batch_size": 32},
        {"solver": "batch", "optimizer": "nesterov"},
    ],
    ids=str,
)
def test_steps_that_cannot_tell_columns_apart_say_so(parameters):
    X, fare = close_columns()
    for cls, y in ((GDRegressor, fare), (GDClassifier, fare > 8)):
        model, messages = fitted(cls(random_state=0, **parameters), X, y)
        assert model.gap_ > 0.9
        assert len(messages) == 1 and "above its minimum" in messages[0]
        # The remedy is one.
        for solver in ("batch", "minibatch"):
            better = cls(solver=solver).fit(X, y)
            assert better.gap_ <= 1e-4 and better.score(X, y) > 0.95


def test_wide_tables_under_l1_say_that_they_are_not_done():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 1000))
    y = X[:, :6] @ [5, -4, 3, 2, -2, 1] + 0.3 * rng.normal(size=60)
    for alpha in (0.1, 0.5):
        exact = Lasso(alpha=alpha, tol=1e-10, max_iter=10**6).fit(X, y)
        exact.set_params(alpha=alpha).penalty = "l1"
        model = GDRegressor(penalty="l1", alpha=alpha, solver="sgd", random_state=0)
        model, messages = fitted(model, X, y)
        loss = LOSSES["squared_error"]
        best = objective(exact, X, y, loss)
        truth = objective(model, X, y, loss) - best
        truth /= 0.5 * np.var(y) - best
        assert truth <= model.gap_
        assert bool(messages) == (model.gap_ > 1e-3)


@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
@pytest.mark.parametrize("outliers", [1e2, 1e4, 1e6])
def test_outliers_do_not_set_the_length_of_steps(solver, outliers):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3))
    y = X @ [3, -2, 1.0] + 7 + 0.1 * rng.normal(size=500)
    y[::10] += outliers
    exact = QuantileRegressor(quantile=0.5, alpha=0).fit(X, y)
    model, _ = fitted(
        GDRegressor("absolute_error", solver=solver, random_state=0), X, y
    )
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=0.05)
    model, _ = fitted(GDRegressor("huber", solver=solver, random_state=0), X, y)
    np.testing.assert_allclose(model.coef_, [3, -2, 1], atol=0.1)


@pytest.mark.parametrize("optimizer", ["saga", "momentum", "nesterov", "adam", "gd"])
@pytest.mark.parametrize("offset", [0.0, 100.0, 1e4])
def test_sparse_columns_far_from_zero(optimizer, offset):
    rng = np.random.default_rng(0)
    n, group = 2000, rng.integers(0, 20, 2000)
    length = rng.gamma(2, 2, n)
    y = 3 + 2.5 * length + rng.normal(size=20)[group] + rng.normal(size=n)
    X = np.column_stack([offset + rng.normal(size=n), length, np.eye(20)[group]])
    model = GDRegressor(solver="sgd", optimizer=optimizer, random_state=0)
    model, messages = fitted(model, sparse.csr_array(X), y)
    assert model.score(X, y) > Ridge(1e-6).fit(X, y).score(X, y) - 2e-3
    assert bool(messages) == (model.gap_ > 1e-3)


@pytest.mark.parametrize("optimizer", ["nesterov", "momentum"])
@pytest.mark.parametrize("solver", ["batch", "minibatch"])
def test_hinge_at_the_constant_names_a_rule_that_leaves_it(optimizer, solver):
    rng = np.random.default_rng(0)
    y = np.repeat([1, 0], [30, 570])
    X = rng.normal(size=(600, 4))
    X[y == 1] += 2.5 * np.array([1, 0, -1, 0])
    model = GDClassifier("hinge", optimizer=optimizer, solver=solver, random_state=0)
    model, messages = fitted(model, X, y)
    assert model.gap_ <= 1e-3 or "optimizer='gd'" in messages[0]
    best = GDClassifier("hinge", solver=solver).fit(X, y)
    assert best.gap_ <= 1e-4 and best.score(X, y) > 0.96


def test_what_is_asked_for_is_not_judged():
    """Without a tolerance, with a schedule, a mean or a float rate nobody asks."""
    X, y = diabetes()
    for parameters in (
        {"tol": None, "max_iter": 3},
        {"lr_schedule": "cosine", "max_iter": 3},
        {"average": 10, "max_iter": 30},
        {"lr": 1e-9, "max_iter": 3},
    ):
        model = GDRegressor(solver="sgd", random_state=0, **parameters)
        model, messages = fitted(model, X, y)
        assert model.gap_ is None and model.gap_kind_ is None
        assert not any("above its minimum" in message for message in messages)


# ---- kinks ---------------------------------------------------------------------------


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer])
@pytest.mark.parametrize("alpha", [1e-4, 1e-2])
def test_hinge_one_against_the_rest_is_proven(load, alpha):
    X, y = load(return_X_y=True)
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    model = GDClassifier("hinge", alpha=alpha).fit(scaled, y)
    assert model.gap_kind_ == "bound" and model.gap_ <= 1e-4
    svc = SVC(kernel="linear", C=1 / (alpha * len(y)), tol=1e-5)
    exact = OneVsRestClassifier(svc).fit(scaled, y)
    classes = np.unique(y) if len(np.unique(y)) > 2 else [1]
    for k, c in enumerate(classes):
        sign = np.where(y == c, 1.0, -1.0)

        def value(w, b, sign=sign):
            z = scaled @ np.ravel(w) + b
            hinge = np.maximum(1 - sign * z, 0).mean()
            return hinge + 0.5 * alpha * np.sum(np.square(w))

        other = exact.estimators_[k]
        best = value(other.coef_, other.intercept_)
        constant = 2 * min(np.mean(sign > 0), np.mean(sign < 0))
        ours = value(model.coef_[k], model.intercept_[k])
        assert ours - best <= 2e-4 * (constant - best)


# ---- units ---------------------------------------------------------------------------

NAMES = ["squared_error", "huber", "absolute_error"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("unit", [1e-9, 1e6])
def test_units_of_the_target(name, unit):
    from skgd.losses import Huber

    X, y = make_regression(300, 4, noise=10.0, random_state=3)
    make = {"huber": lambda u: Huber(5.0 * u)}.get(name, lambda u: name)
    plain = GDRegressor(make(1.0)).fit(X, y)
    other = GDRegressor(make(unit)).fit(X, y * unit)
    np.testing.assert_allclose(other.predict(X), plain.predict(X) * unit, rtol=1e-3)
    assert other.n_iter_ == plain.n_iter_
    assert other.gap_ <= 1e-4 and other.gap_kind_ == plain.gap_kind_ == "bound"


@pytest.mark.parametrize("name", [*NAMES, "log_loss", "hinge", "squared_hinge"])
@pytest.mark.parametrize("seed", range(3))
def test_units_and_origins_of_columns(name, seed):
    X, y = make_regression(300, 4, noise=30.0, random_state=seed)
    cls = GDRegressor if name in NAMES else GDClassifier
    y = y if cls is GDRegressor else y > 0
    rng = np.random.default_rng(seed)
    units = 10.0 ** rng.uniform(-6, 6, 4)
    moved = (X + 1000 * rng.uniform(-1, 1, 4)) * units
    plain, other = (cls(name, penalty=None).fit(A, y) for A in (X, moved))
    scores = "predict" if cls is GDRegressor else "decision_function"
    first, second = getattr(plain, scores)(X), getattr(other, scores)(moved)
    assert np.abs(first - second).max() <= 0.02 * np.abs(first).max()
    assert abs(other.n_iter_ - plain.n_iter_) <= 2
    assert other.gap_kind_ == plain.gap_kind_ == "bound"


def test_a_stream_and_its_table_agree_on_kinks():
    X, y = make_regression(1500, 4, noise=5.0, random_state=5)
    whole = GDRegressor("absolute_error").fit(X, y)
    stream = GDRegressor("absolute_error", solver="batch")
    stream.fit_batches(from_arrays(X, y, batch_size=400))
    np.testing.assert_allclose(stream.coef_, whole.coef_, rtol=1e-2)
    assert stream.gap_kind_ == "estimate" and stream.gap_ <= 1e-4
