"""``lr="auto"``: the optimum of the objective on raw tables, whatever their units."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rules import ANY_GRADIENT
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    ElasticNet,
    LinearRegression,
    PoissonRegressor,
    Ridge,
)
from sklearn.preprocessing import StandardScaler
from sparse_rows import random_csr

from skgd import DivergenceWarning, GDClassifier, GDRegressor

SOLVERS = ["batch", "minibatch", "sgd"]


def raw_regression(n=1500, d=8, seed=0):
    """Columns of scales 10^U(-3, 3), offsets of several deviations, a rare column."""
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((n, d)) + rng.standard_normal((n, 1))
    Z[:, 0] = rng.random(n) < 0.005
    y = 300.0 * (Z @ rng.standard_normal(d) + rng.standard_normal(n)) + 5e4
    scale = 10.0 ** rng.uniform(-3, 3, d)
    return (Z + rng.uniform(-8, 8, d)) * scale, y


def raw_classes(n=1500, d=6, n_classes=2, seed=0):
    X, y = raw_regression(n, d, seed)
    return X, np.digitize(y, np.quantile(y, np.arange(1, n_classes) / n_classes))


def gap(model, X, y):
    """What is left of half the variance of y above the least squares fit."""
    best = np.mean((y - LinearRegression().fit(X, y).predict(X)) ** 2)
    reached = np.mean((y - model.predict(X)) ** 2)
    return (reached - best) / (np.var(y) - best)


@pytest.mark.parametrize(
    "solver, epochs, allowed", [("batch", 40, 1e-9), ("minibatch", 30, 1e-3)]
)
def test_raw_columns_are_no_obstacle(solver, epochs, allowed):
    X, y = raw_regression()
    model = GDRegressor(solver=solver, max_iter=epochs, tol=None, random_state=0)
    assert gap(model.fit(X, y), X, y) < allowed


def test_one_row_at_a_time_on_raw_columns():
    X, y = raw_regression()
    model = GDRegressor(solver="sgd", max_iter=10, tol=None, random_state=0)
    assert gap(model.fit(X, y), X, y) < 1e-3


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("load", [load_diabetes, load_breast_cancer])
def test_defaults_do_not_warn(solver, load):
    X, y = load(return_X_y=True)
    estimator = GDRegressor if load is load_diabetes else GDClassifier
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = estimator(solver=solver, random_state=0).fit(X, y)
    # Steps of single rows may end in their noise, and say so.
    noisy = solver == "sgd" and model.gap_ > 10 * model._tolerance()
    assert [str(one.message)[:26] for one in caught] == (
        ["Training made no more prog"] if noisy else []
    )


@settings(max_examples=25, deadline=None)
@given(
    exponents=st.lists(st.floats(-3, 3), min_size=5, max_size=5),
    offsets=st.lists(st.floats(-6, 6), min_size=5, max_size=5),
    solver=st.sampled_from(SOLVERS),
)
def test_units_and_origins_of_columns_do_not_matter(exponents, offsets, solver):
    rng = np.random.default_rng(1)
    Z = rng.standard_normal((300, 5)) @ rng.standard_normal((5, 5))
    y = Z @ rng.standard_normal(5) + 0.3 * rng.standard_normal(300)
    moved = (Z + np.array(offsets) * Z.std(axis=0)) * 10.0 ** np.array(exponents)
    model = GDRegressor(solver=solver, max_iter=20, tol=None, random_state=0)
    plain = clone(model).fit(Z, y).predict(Z)
    # The path is the same in the coordinates of the steps, so only rounding differs.
    np.testing.assert_allclose(
        model.fit(moved, y).predict(moved), plain, atol=1e-5 * y.std()
    )


@settings(max_examples=25, deadline=None)
@given(
    factor=st.floats(-4, 4).map(lambda e: 10.0**e),
    offset=st.floats(-1e3, 1e3),
    solver=st.sampled_from(SOLVERS),
)
def test_units_of_the_target_do_not_matter(factor, offset, solver):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((300, 4))
    y = X @ rng.standard_normal(4) + rng.standard_normal(300)
    model = GDRegressor(solver=solver, max_iter=20, tol=None, random_state=0)
    plain = clone(model).fit(X, y).predict(X)
    moved = clone(model).fit(X, factor * (y + offset)).predict(X)
    np.testing.assert_allclose(
        moved / factor - offset, plain, atol=1e-6 * (1 + abs(offset))
    )


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_sparse_and_dense_reach_the_same_optimum(solver, penalty, n_classes):
    rng = np.random.default_rng(3)
    X = random_csr(rng, 600, 40, density=0.1).toarray()
    y = np.digitize(X[:, :5].sum(axis=1) + 0.3 * rng.random(600), [0.3, 0.9])
    y = np.minimum(y, n_classes - 1)
    model = GDClassifier(
        solver=solver, penalty=penalty, alpha=1e-2, max_iter=400, tol=None
    )
    dense = clone(model).set_params(random_state=0).fit(X, y)
    csr = clone(model).set_params(random_state=0).fit(sparse.csr_array(X), y)
    difference = np.abs(dense.predict_proba(X) - csr.predict_proba(X)).max()
    assert difference < (1e-5 if solver == "batch" else 2e-2)


def test_wide_sparse_rows_take_the_steps_of_dense_ones():
    """Without a penalty the kernel that skips zeros is the same descent."""
    rng = np.random.default_rng(4)
    X = random_csr(rng, 400, 300, density=0.01)
    y = np.asarray(X.sum(axis=1)).ravel() + 0.1 * rng.standard_normal(400)
    model = GDRegressor(
        solver="sgd",
        optimizer="dowg",
        fit_intercept=False,
        max_iter=3,
        tol=None,
        random_state=0,
    )
    wide = clone(model).fit(X, y)
    # Without an intercept dense columns are not centred either.
    dense = clone(model).fit(X.toarray(), y)
    np.testing.assert_allclose(wide.coef_, dense.coef_, atol=1e-10)


@pytest.mark.parametrize("solver", SOLVERS)
def test_l1_zeros_are_exact(solver):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((2000, 20)) * 10.0 ** rng.uniform(-2, 2, 20) + 3.0
    Z = StandardScaler().fit_transform(X)
    y = Z[:, :4] @ [3.0, -2.0, 1.0, 0.5] + rng.standard_normal(2000)
    exact = ElasticNet(alpha=0.2, l1_ratio=1.0, tol=1e-12, max_iter=10**5).fit(Z, y)
    model = GDRegressor(penalty="l1", alpha=0.2, solver=solver, random_state=0)
    model.fit(Z, y)
    np.testing.assert_array_equal(model.coef_ != 0, exact.coef_ != 0)
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=2e-2)


@pytest.mark.parametrize("optimizer", ["gd", "nesterov"])
def test_poisson_without_a_curvature_bound(optimizer):
    rng = np.random.default_rng(6)
    X = rng.standard_normal((500, 4)) * [1.0, 100.0, 0.01, 10.0] + 5.0
    Z = StandardScaler().fit_transform(X)
    y = rng.poisson(np.exp(1.0 + Z @ [0.5, -0.3, 0.2, 0.8]))
    exact = PoissonRegressor(alpha=0.0, tol=1e-10, max_iter=1000).fit(Z, y)
    model = GDRegressor(
        loss="poisson", solver="batch", optimizer=optimizer, tol=None, max_iter=300
    )
    np.testing.assert_allclose(model.fit(X, y).predict(X), exact.predict(Z), rtol=1e-4)


@pytest.mark.parametrize("name", ANY_GRADIENT)
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_rule_learns_raw_columns(name, solver):
    if name in ("adadelta", "radam") and solver == "batch":
        pytest.skip("its steps start near zero: a few hundred do not get anywhere")
    X, y = raw_regression(n=1200)
    model = GDRegressor(optimizer=name, solver=solver, random_state=0, max_iter=150)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("error", DivergenceWarning)
        model.fit(X, y)
    # One update per epoch is slow for rules with a constant step.
    assert gap(model, X, y) < (0.9 if solver == "batch" else 0.2)


@pytest.mark.parametrize("solver", ["minibatch", "sgd"])
def test_a_stream_of_raw_chunks(solver):
    X, y = raw_regression(n=3000)
    model = GDRegressor(solver=solver, random_state=0)
    model.partial_fit(X[:100], y[:100])
    mean_only = np.mean((y - y[:100].mean()) ** 2)
    assert np.mean((y - model.predict(X)) ** 2) <= mean_only
    for start in list(range(100, 3000, 100)) + list(range(0, 3000, 100)) * 4:
        model.partial_fit(X[start : start + 100], y[start : start + 100])
    assert gap(model, X, y) < 5e-2


def test_a_stream_may_change_its_units_without_harm():
    """The coordinates follow the rows seen; predictions do not jump with them."""
    rng = np.random.default_rng(7)
    X = rng.standard_normal((2000, 3))
    y = X @ [1.0, 2.0, 3.0] + 0.1 * rng.standard_normal(2000)
    model = GDRegressor(random_state=0)
    for start in range(0, 1000, 50):
        model.partial_fit(X[start : start + 50], y[start : start + 50])
    before = model.predict(X)
    wide = X[1000:1050] * [1.0, 1.0, 100.0]
    model.partial_fit(wide, wide @ [1.0, 2.0, 3.0])
    assert np.median(np.abs(model.predict(X) - before)) < 0.1 * y.std()
    assert np.isfinite(model.coef_).all()


def test_constant_and_duplicate_columns():
    X, y = raw_regression(n=300)
    X = np.hstack([X, X[:, :2], np.full((300, 1), 7.0), np.zeros((300, 1))])
    model = GDRegressor(solver="batch").fit(X, y)
    assert gap(model, X, y) < 1e-6
    np.testing.assert_array_equal(model.coef_[-2:], 0.0)


def test_the_objective_is_that_of_the_raw_coefficients():
    """The penalty is not applied in the coordinates of the steps."""
    X, y = load_breast_cancer(return_X_y=True)
    model = GDClassifier(solver="batch", alpha=1e-3, tol=None, max_iter=500).fit(X, y)
    margin = (2 * y - 1) * model.decision_function(X)
    slope = -(2 * y - 1) / (1 + np.exp(margin)) / len(y)
    gradient = slope @ X + 1e-3 * model.coef_[0]
    # Each entry relative to what its terms amount to before they cancel.
    assert np.abs(gradient / (np.abs(slope) @ X)).max() < 1e-3


def test_history_shows_the_rate_found():
    X, y = raw_regression(n=2000)
    model = GDRegressor(batch_size=64, random_state=0).fit(X, y)
    rates = model.history_["lr"]
    assert (rates > 0).all() and len(set(rates)) > 1
    assert model.lr_ == rates[-1]


@pytest.mark.parametrize("optimizer", ["gd", "nesterov"])
@pytest.mark.parametrize("penalty", [None, "l1"])
def test_a_warm_start_on_other_rows_forgets_their_objective(optimizer, penalty):
    X, y = raw_regression(n=600)
    model = GDRegressor(
        solver="batch", optimizer=optimizer, penalty=penalty, alpha=1e-3, tol=None,
        max_iter=60, warm_start=True,
    )  # fmt: skip
    # Targets a thousand times smaller: any step would look like a great success.
    model.fit(X, 1000 * y)
    model.fit(X, y)
    fresh = clone(model).fit(X, y)
    np.testing.assert_allclose(model.predict(X), fresh.predict(X), atol=0.05 * y.std())


def test_saga_ends_at_the_optimum_with_a_constant_rate():
    rng = np.random.default_rng(8)
    X = rng.standard_normal((200, 5))
    y = X @ rng.standard_normal(5) + rng.standard_normal(200)
    exact = Ridge(alpha=0.1 * 200).fit(X, y)
    for solver, lr in [("sgd", 0.01), ("minibatch", 0.1), ("sgd", "auto")]:
        model = GDRegressor(
            optimizer="saga", solver=solver, lr=lr, batch_size=16, penalty="l2",
            alpha=0.1, tol=None, max_iter=400, random_state=0,
        )  # fmt: skip
        model.fit(X, y)
        np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-9)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("n_classes, batch_size", [(2, 1), (3, 7)])
def test_saga_is_its_formula(make, n_classes, batch_size):
    rng = np.random.default_rng(9)
    X = rng.standard_normal((40, 3))
    y = np.arange(40) % n_classes
    lr, alpha, n = 0.05, 0.1, 40
    model = GDClassifier(
        optimizer="saga", batch_size=batch_size, lr=lr, alpha=alpha, shuffle=False,
        tol=None, max_iter=3,
    )  # fmt: skip
    model.fit(make(X), y)
    k = 1 if n_classes == 2 else n_classes
    A = np.hstack([X, np.ones((n, 1))])
    W, table, mean = np.zeros((4, k)), np.zeros((n, k)), np.zeros((4, k))
    ridge = alpha * np.array([1.0, 1.0, 1.0, 0.0])[:, None]
    for _ in range(3):
        for start in range(0, n, batch_size):
            rows = np.arange(start, min(n, start + batch_size))
            z = A[rows] @ W
            if k == 1:
                new = 1 / (1 + np.exp(-z)) - y[rows][:, None]
            else:
                new = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
                new[np.arange(len(rows)), y[rows]] -= 1
            change = A[rows].T @ (new - table[rows])
            W = W - lr * (change / len(rows) + mean + ridge * W)
            mean, table[rows] = mean + change / n, new
    np.testing.assert_allclose(model.coef_, W[:3].T, atol=1e-12)
    np.testing.assert_allclose(model.intercept_, W[3], atol=1e-12)


def test_saga_says_where_it_cannot_be_used():
    X, y = raw_regression(n=50)
    with pytest.raises(ValueError, match="solver='minibatch' or 'sgd'"):
        GDRegressor(optimizer="saga", solver="batch", lr=0.1).fit(X, y)
    with pytest.raises(ValueError, match="needs all rows"):
        GDRegressor(optimizer="saga").partial_fit(X, y)
    with pytest.raises(ValueError, match="curvature"):
        GDRegressor(optimizer="saga", loss="absolute_error").fit(X, y)


@pytest.mark.parametrize("optimizer", ["gd", "adam"])
def test_a_stream_of_single_rows_knows_the_units_of_the_target(optimizer):
    """One row has no spread; the rows so far have."""
    rng = np.random.default_rng(10)
    X = rng.standard_normal((3000, 3))
    y = 1e4 * (X @ [1.0, -2.0, 0.5] + 0.1 * rng.standard_normal(3000)) + 5e4
    model = GDRegressor(optimizer=optimizer, random_state=0)
    for i in range(3000):
        model.partial_fit(X[i : i + 1], y[i : i + 1])
    assert model.score(X, y) > 0.9


@pytest.mark.parametrize(
    "n_rows, parameters, updates",
    [
        (1000, {}, 1),
        (1000, {"optimizer": "adam"}, 1),
        (1000, {"lr": 1e-9}, 16),
        (3000, {}, 1),
        (3000, {"optimizer": "nesterov"}, 1),
        (3000, {"optimizer": "adam"}, 47),
        (3000, {"loss": "absolute_error"}, 1),
        (3000, {"loss": "absolute_error", "optimizer": "nesterov"}, 47),
        (17_000, {"penalty": "l1"}, 1),
        (3000, {"lr_schedule": "cosine"}, 47),
        (3000, {"batch_size": 1000}, 3),
        (3000, {"solver": "sgd"}, 3000),
        (17_000, {}, 266),
    ],
)
def test_how_many_updates_an_epoch_has(n_rows, parameters, updates):
    X, y = raw_regression(n=n_rows)
    model = GDRegressor(max_iter=1, tol=None, random_state=0, **parameters).fit(X, y)
    assert model.t_ == updates
