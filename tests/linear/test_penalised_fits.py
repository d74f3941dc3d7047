"""Fits under penalty objects, against other ways to the same coefficients.

Exact solvers, a slow loop, and the conditions of optimality.
"""

import math
import pickle
import warnings

import numpy as np
import pytest
import reference
from scipy import sparse
from scipy.optimize import linprog, lsq_linear, minimize, nnls
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, LinearRegression, MultiTaskLasso
from sklearn.model_selection import GridSearchCV

from skgd import GDClassifier, GDRegressor
from skgd.data import from_arrays
from skgd.penalties import L1, L2, MCP, SCAD, Box, ElasticNet, GroupLasso, Penalty

GROUPS = [0, 0, 1, 1, 2, 2]
BOX = Box([-1, -0.1, 1, 0.3, 0, 0.1], [1, 0, 2.3, 1, 1, 0.7])
EXACT = {"tol": 0, "max_iter": 300}


def table(n=150, seed=0, scales=(1, 10, 0.1, 1, 3, 1)):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6)) * scales + [0, 5, 0, 1, 0, 0]
    y = X @ [1, -0.2, 3, 0, 0.5, -1] + 0.3 * rng.normal(size=n) + 2
    return X, y


def fit(model, X, y, weight=None):
    """Fit to the last digits, where it is no news that `tol` was not reached."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y, weight)


def fitted(X, y, penalty, weight=None, **parameters):
    model = GDRegressor(penalty=penalty, random_state=0, **(EXACT | parameters))
    return fit(model, X, y, weight)


def objective(model, X, y, alpha, weight=None):
    """Mean half squared error plus the penalty."""
    errors = (model.predict(X) - y) ** 2
    loss = 0.5 * np.average(errors.reshape(len(X), -1).sum(axis=1), weights=weight)
    return loss + model.penalty.value(model.coef_, alpha)


# ---- optima under lr="auto" ----------------------------------------------------------


@pytest.mark.parametrize("layout", [np.asarray, np.asfortranarray, sparse.csr_matrix])
@pytest.mark.parametrize("solver", ["batch", "minibatch"])
def test_bounds_are_those_of_lsq_linear(layout, solver):
    X, y = table()
    model = fitted(layout(X), y, BOX, solver=solver, fit_intercept=False)
    exact = lsq_linear(X, y, (BOX.low, BOX.high), tol=1e-14).x
    np.testing.assert_allclose(model.coef_, exact, atol=1e-7)
    assert ((model.coef_ >= BOX.low) & (model.coef_ <= BOX.high)).all()


def test_no_negative_coefficients():
    X, y = table()
    model = fitted(X, y, Box(), fit_intercept=False)
    np.testing.assert_allclose(model.coef_, nnls(X, y)[0], atol=1e-7)
    weight = np.random.default_rng(1).integers(0, 3, len(X)).astype(float)
    exact = LinearRegression(positive=True).fit(X, y, weight)
    for layout in (np.asarray, sparse.csr_matrix):
        model = clone(model).set_params(fit_intercept=True)
        fit(model, layout(X), y, weight)
        np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-6)
        np.testing.assert_allclose(model.intercept_, exact.intercept_, atol=1e-6)
        assert model.coef_.min() == 0.0
    single = GDRegressor(penalty=Box()).fit(X.astype(np.float32), y, weight)
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.coef_, exact.coef_, atol=1e-2)


def test_alpha_does_not_matter_to_bounds():
    X, y = table()
    models = [fitted(X, y, BOX, alpha=alpha) for alpha in (0.0, 10.0)]
    np.testing.assert_array_equal(models[0].coef_, models[1].coef_)


def test_bounds_in_logistic_regression():
    X, y = make_classification(200, 5, n_redundant=0, random_state=0)
    model = GDClassifier(penalty=Box(-0.2, 0.5), tol=1e-12, max_iter=3000).fit(X, y)
    sign = 2.0 * y - 1

    def loss(theta):
        margin = sign * (X @ theta[:5] + theta[5])
        return np.logaddexp(0, -margin).mean()

    bounds = [(-0.2, 0.5)] * 5 + [(None, None)]
    exact = minimize(loss, np.zeros(6), bounds=bounds, tol=1e-12)
    found = np.append(model.coef_, model.intercept_)
    assert loss(found) <= exact.fun + 1e-8


def test_bounds_far_from_zero():
    # Zero is not allowed: neither the start nor what a fit is judged by may be it.
    X, y = table()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = GDRegressor(penalty=Box(2.0, 2.5)).fit(X, y)
    exact = lsq_linear(X - X.mean(axis=0), y - y.mean(), (2.0, 2.5), tol=1e-14).x
    np.testing.assert_allclose(model.coef_, exact, atol=1e-3)
    # A column that never changes obeys as well.
    X[:, 3] = 7.0
    for lr in ("auto", 1e-3):
        model = GDRegressor(penalty=Box(2.0, 2.5), lr=lr, max_iter=3, tol=None)
        model.fit(X, y, coef_init=np.zeros(6))
        assert ((model.coef_ >= 2.0) & (model.coef_ <= 2.5)).all()
        model.set_params(warm_start=True, penalty=Box(2.6, 2.7)).fit(X, y)
        assert ((model.coef_ >= 2.6) & (model.coef_ <= 2.7)).all()


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_matrix])
def test_groups_of_one_are_the_multi_task_lasso(layout, fit_intercept):
    X, y = table()
    Y = np.column_stack([y, -y + X[:, 1], X[:, 4]])
    penalty = GroupLasso(range(6), weights=np.ones(6))
    parameters = {"alpha": 0.3, "fit_intercept": fit_intercept}
    model = fitted(layout(X), Y, penalty, **parameters)
    exact = MultiTaskLasso(tol=1e-12, max_iter=100_000, **parameters).fit(X, Y)
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-7)
    np.testing.assert_array_equal(model.coef_ == 0, exact.coef_ == 0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("weighted", [False, True])
def test_groups_against_a_slow_loop(dtype, weighted):
    rng = np.random.default_rng(0)
    X, y = table()
    X, y = X.astype(dtype), y.astype(dtype)
    weight = rng.integers(0, 4, len(X)) / 1.0 if weighted else np.ones(len(X))
    penalty, alpha = GroupLasso(GROUPS), 0.6
    model = fitted(X, y, penalty, alpha=alpha, weight=weight)
    # Proximal gradient descent on centred columns.
    weight /= weight.mean()
    root = np.sqrt(weight)
    A = (X - np.average(X, axis=0, weights=weight)) * root[:, None]
    b = (y - np.average(y, weights=weight)) * root
    gram, target = A.T @ A / len(A), A.T @ b / len(A)
    step, w = 1 / np.linalg.norm(gram, 2), np.zeros(6)
    norms = alpha * np.sqrt(2) * step
    for _ in range(20_000):
        w = w - step * (gram @ w - target)
        for g in range(3):
            part = w[2 * g : 2 * g + 2]
            part *= max(0, 1 - norms / max(np.linalg.norm(part), 1e-300))
    tolerance = 1e-6 if dtype is np.float64 else 1e-2
    np.testing.assert_allclose(model.coef_, w, atol=tolerance)
    zero = (w.reshape(3, 2) == 0).all(axis=1)
    assert 0 < zero.sum() < 3
    np.testing.assert_array_equal((model.coef_.reshape(3, 2) == 0).all(axis=1), zero)


def test_groups_in_softmax_meet_the_conditions_of_optimality():
    X, y = make_classification(
        200, 6, n_informative=4, n_redundant=0, n_classes=3, random_state=0
    )
    X *= [1, 5, 0.2, 1, 1, 3]
    alpha = 0.1
    model = GDClassifier(penalty=GroupLasso(GROUPS), alpha=alpha, tol=0, max_iter=500)
    fit(model, X, y)
    slope = (model.predict_proba(X) - np.eye(3)[y]).T @ X / len(X)
    outs = 0
    for g in range(3):
        inside = np.array(GROUPS) == g
        w, s = model.coef_[:, inside], slope[:, inside]
        if w.any():
            pull = alpha * np.sqrt(2) * w / np.linalg.norm(w)
            np.testing.assert_allclose(s, -pull, atol=1e-6)
        else:
            outs += 1
            assert np.linalg.norm(s) <= alpha * np.sqrt(2)
    assert 0 < outs < 3


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_matrix])
def test_weighted_l1_is_the_lasso_of_scaled_columns(layout):
    X, y = table()
    weights = np.array([1.0, 0.5, 2.0, 4.0, 0.1, 3.0])
    model = fitted(layout(X), y, L1(weights), alpha=0.05)
    exact = Lasso(alpha=0.05, tol=1e-12, max_iter=100_000).fit(X / weights, y)
    np.testing.assert_allclose(model.coef_, exact.coef_ / weights, atol=1e-6)
    np.testing.assert_array_equal(model.coef_ == 0, exact.coef_ == 0)


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_matrix])
def test_weighted_l2_is_the_solution_of_its_equations(layout):
    X, y = table()
    weights = np.array([1.0, 0.0, 2.0, 4.0, 0.1, 3.0])
    model = fitted(layout(X), y, L2(weights), alpha=0.5)
    A = X - X.mean(axis=0)
    exact = np.linalg.solve(
        A.T @ A / len(A) + 0.5 * np.diag(weights), A.T @ (y - y.mean()) / len(A)
    )
    np.testing.assert_allclose(model.coef_, exact, rtol=1e-6)


def test_loss_with_kinks_under_bounds():
    X, y = table(scales=np.ones(6))
    model = GDRegressor("absolute_error", penalty=Box(), max_iter=3000, tol=1e-9)
    fit(model, X, y)
    n = len(X)
    # min mean(u + v) with X w + b + u - v = y, and all but b positive.
    exact = linprog(
        np.r_[np.zeros(7), np.full(2 * n, 1 / n)],
        A_eq=np.hstack([X, np.ones((n, 1)), np.eye(n), -np.eye(n)]),
        b_eq=y,
        bounds=[(0, None)] * 6 + [(None, None)] + [(0, None)] * 2 * n,
    )
    reached = np.abs(model.predict(X) - y).mean()
    assert exact.fun <= reached <= exact.fun * 1.01
    assert model.coef_.min() >= 0


@pytest.mark.parametrize("optimizer", ["gd", "dowg", "adam", "momentum", "saga"])
@pytest.mark.parametrize("penalty", [BOX, GroupLasso(GROUPS)], ids=["box", "groups"])
def test_batches_under_lr_auto_come_close(penalty, optimizer):
    X, y = table(600)
    alpha = 0.6
    exact = fitted(X, y, penalty, alpha=alpha)
    best = objective(exact, X, y, alpha)
    at_zero = 0.5 * y.var()
    model = GDRegressor(
        penalty=penalty,
        alpha=alpha,
        optimizer=optimizer,
        batch_size=32,
        max_iter=100,
        tol=None,
        random_state=0,
    ).fit(X, y)
    gap = objective(model, X, y, alpha) - best
    assert -1e-9 <= gap < 0.02 * (at_zero - best)
    if optimizer == "gd":
        # A mean of points has no exact zeros, and one proximal step has.
        np.testing.assert_array_equal(model.coef_ == 0, exact.coef_ == 0)


# ---- every path against the slow loop ------------------------------------------------

RULES = {
    "gd": (reference.Gd, 0.02),
    "momentum": (reference.Momentum, 0.005),
    "adagrad": (reference.AdaGrad, 0.1),
    "adam": (reference.Adam, 0.02),
}
TRAJECTORIES = [
    L1([1.0, 0.5, 2.0, 4.0, 0.0, 3.0]),
    Box(-0.3, [0.5, 0.5, 0.5, 1.0, 1.0, 0.0]),
    GroupLasso(GROUPS),
    MCP(2.0),
    SCAD(3.0),
]


@pytest.mark.parametrize("penalty", TRAJECTORIES, ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("batch_size", [1, 16, 60])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_trajectories(penalty, rule, batch_size, n_outputs):
    X, y = table(60, scales=np.ones(6))
    X -= X.mean(axis=0)
    Y = np.column_stack([y, X[:, 0] - y])[:, :n_outputs]
    weights = np.random.default_rng(0).integers(1, 3, len(X)).astype(float)
    make, lr = RULES[rule]
    coef, intercept, _ = reference.train(
        X,
        Y,
        reference.squared_error,
        batch_size=batch_size,
        lr=lr,
        n_epochs=3,
        rule=make(),
        weights=weights,
        prox=lambda W, lengths: penalty.prox(W, lengths, 0.2),
    )
    for layout in (np.asarray, sparse.csr_matrix):
        model = GDRegressor(
            penalty=penalty,
            alpha=0.2,
            optimizer=rule,
            lr=lr,
            batch_size=batch_size,
            max_iter=3,
            tol=None,
            shuffle=False,
        ).fit(layout(X), Y, weights)
        np.testing.assert_allclose(
            np.atleast_2d(model.coef_), coef, rtol=1e-10, atol=1e-10
        )
        np.testing.assert_allclose(np.ravel(model.intercept_), intercept, atol=1e-10)


@pytest.mark.parametrize("batch_size", [1, 16])
@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_matrix])
def test_weights_of_l2_on_the_fast_paths(layout, batch_size):
    X, y = table(60, scales=np.ones(6))
    weights = np.array([1.0, 0.5, 2.0, 4.0, 0.0, 3.0])
    coef, _, _ = reference.train(
        X,
        y[:, None],
        reference.squared_error,
        batch_size=batch_size,
        lr=0.01,
        n_epochs=2,
        rule=reference.Gd(),
        l2=np.append(0.3 * weights, 0.0)[:, None],
    )
    model = GDRegressor(
        penalty=L2(weights),
        alpha=0.3,
        lr=0.01,
        batch_size=batch_size,
        max_iter=2,
        tol=None,
        shuffle=False,
    ).fit(layout(X), y)
    np.testing.assert_allclose(model.coef_, coef[0], rtol=1e-10)


@pytest.mark.parametrize(
    "penalty", [L1([1.0, 0.5, 2.0, 4.0, 0.0, 3.0]), BOX, GroupLasso(GROUPS)]
)
@pytest.mark.parametrize("batch_size", [25, 50])
def test_sparse_streams_are_dense_streams(penalty, batch_size):
    # Without a centre both train in the same coordinates, by different loops.
    X, y = table(200)
    X[np.random.default_rng(0).random(X.shape) < 0.5] = 0.0
    models = []
    for layout in (np.asarray, sparse.csr_matrix):
        model = GDRegressor(
            penalty=penalty, alpha=0.1, fit_intercept=False, batch_size=batch_size
        )
        for k in range(0, 200, 50):
            model.partial_fit(layout(X[k : k + 50]), y[k : k + 50])
        models.append(model)
    np.testing.assert_allclose(models[0].coef_, models[1].coef_, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("penalty", [BOX, GroupLasso(GROUPS), MCP()])
@pytest.mark.parametrize("rows", [1, 16])
def test_chunks_make_one_fit(penalty, rows):
    X, y = table(64, scales=np.ones(6))
    parameters = {
        "penalty": penalty,
        "alpha": 0.2,
        "lr": 0.01,
        "batch_size": rows,
        "shuffle": False,
        "tol": None,
    }
    whole = GDRegressor(max_iter=1, **parameters).fit(X, y)
    chunks = GDRegressor(**parameters)
    for k in range(0, 64, 16):
        chunks.partial_fit(X[k : k + 16], y[k : k + 16])
        chunks = pickle.loads(pickle.dumps(chunks))
    np.testing.assert_array_equal(whole.coef_, chunks.coef_)
    streamed = GDRegressor(max_iter=1, **parameters).fit_batches(from_arrays(X, y))
    np.testing.assert_array_equal(whole.coef_, streamed.coef_)
    # Calls of one update take a shorter way.
    few = GDRegressor(**parameters)
    for k in range(0, 64, rows):
        few.partial_fit(X[k : k + rows], y[k : k + rows])
    np.testing.assert_array_equal(whole.coef_, few.coef_)


@pytest.mark.parametrize("penalty", [BOX, GroupLasso(GROUPS), L1(np.arange(6.0))])
def test_a_stream_reaches_the_optimum_of_the_table(penalty):
    X, y = table()
    parameters = {"penalty": penalty, "alpha": 0.3, "solver": "batch", "tol": 1e-10}
    whole = GDRegressor(**parameters).fit(X, y)
    streamed = GDRegressor(**parameters).fit_batches(from_arrays(X, y))
    np.testing.assert_array_equal(whole.coef_, streamed.coef_)


# ---- MCP and SCAD --------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [MCP(2.0), SCAD(3.0), MCP(3.0, [1, 2, 0, 1, 1, 1])])
def test_coefficient_by_coefficient_on_an_orthogonal_design(penalty):
    rng = np.random.default_rng(0)
    X = np.linalg.qr(rng.normal(size=(100, 6)))[0] * 10.0
    y = X @ [3.0, 1.2, 0.8, 0.3, -1.5, 0.0] + 0.1 * rng.normal(size=100)
    parameters = {"fit_intercept": False, "solver": "batch", "lr": 0.2, "alpha": 0.6}
    model = GDRegressor(penalty=penalty, tol=0, max_iter=2000, **parameters)
    fit(model, X, y)
    # X'X/n = 1: each coefficient minimises (w - least squares)²/2 + penalty.
    expected = penalty.prox(X.T @ y / 100, 1.0, alpha=0.6)
    np.testing.assert_allclose(model.coef_, expected, atol=1e-9)
    assert (model.coef_ == 0).sum() >= 2
    assert model.coef_[0] == pytest.approx(X[:, 0] @ y / 100)


@pytest.mark.parametrize("penalty", [MCP(), SCAD()])
def test_penalties_that_are_not_convex_need_a_rate(penalty):
    X, y = table()
    for train in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=r"not convex.*Pass lr as a float"):
            getattr(GDRegressor(penalty=penalty), train)(X, y)
    with pytest.raises(ValueError, match="not convex"):
        GDRegressor(penalty=penalty).fit_batches(from_arrays(X, y))


# ---- names, objects, users' own ------------------------------------------------------


@pytest.mark.parametrize(
    "name, penalty",
    [("l1", L1()), ("l2", L2()), ("elasticnet", ElasticNet(0.4))],
)
@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
@pytest.mark.parametrize("lr", ["auto", 0.01])
def test_a_name_is_its_object(name, penalty, solver, lr):
    X, y = table(scales=np.ones(6))
    parameters = {"alpha": 0.1, "solver": solver, "lr": lr, "max_iter": 3, "tol": None}
    parameters["random_state"] = 0
    for layout in (sparse.csr_matrix, np.asarray):
        named = GDRegressor(penalty=name, l1_ratio=0.4, **parameters)
        given = GDRegressor(penalty=penalty, l1_ratio=0.9, **parameters)
        named.fit(layout(X), y)
        given.fit(layout(X), y)
        np.testing.assert_array_equal(named.coef_, given.coef_)
    equal = clone(penalty).set_params(weights=np.ones(6))
    # Sparse rows have other methods for weights that are all the same.
    weighted = GDRegressor(penalty=equal, **parameters).fit(X, y)
    np.testing.assert_allclose(weighted.coef_, named.coef_, rtol=1e-9)


class Huber(Penalty):
    """alpha times w²/2 for small coefficients, |w| - 1/2 for large: smooth."""

    smooth = True

    @staticmethod
    def value_at(w, p):
        size = abs(w)
        return p[0] * (0.5 * size * size if size < 1.0 else size - 0.5)

    @staticmethod
    def prox_at(w, step, p):
        pull = step * p[0]
        if abs(w) <= 1.0 + pull:
            return w / (1.0 + pull)
        return w - math.copysign(pull, w)


def test_a_penalty_of_a_user():
    X, y = table()
    model = fitted(X, y, Huber(), alpha=0.5)
    slope = (model.predict(X) - y) @ X / len(X)
    np.testing.assert_allclose(slope, -0.5 * np.clip(model.coef_, -1, 1), atol=1e-5)
    assert model.best_loss_ == pytest.approx(objective(model, X, y, 0.5))
    X, y = make_classification(100, random_state=0)
    GDClassifier(penalty=Huber(), lr=0.1, solver="sgd", max_iter=2, tol=None).fit(X, y)


def test_search_over_what_a_penalty_holds():
    X, y = table()
    grid = {"penalty__l1_ratio": [0.1, 0.9], "alpha": [0.01]}
    search = GridSearchCV(GDRegressor(penalty=ElasticNet()), grid, cv=2).fit(X, y)
    ratio = search.best_params_["penalty__l1_ratio"]
    assert (
        search.best_estimator_.penalty == search.best_estimator_.get_params()["penalty"]
    )
    assert search.best_estimator_.penalty.l1_ratio == ratio
    search = GridSearchCV(
        GDRegressor(penalty=Box()), {"penalty__low": [-10, 0]}, cv=2
    ).fit(X, y)
    assert search.best_params_ == {"penalty__low": -10}


@pytest.mark.parametrize(
    "penalty, message",
    [
        (L1([1.0, 2.0]), "there are 6 features"),
        (Box(np.zeros(2)), "X has 6 features"),
        (GroupLasso([0, 1]), "X has 6 features"),
        (ElasticNet(l1_ratio=2.0), "l1_ratio"),
        (MCP(gamma=0.0), "gamma"),
        (SCAD(a=2.0), "'a' parameter"),
        (Box(low="a"), "low"),
        (L1, "penalty"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_told_in_fit(penalty, message):
    X, y = table()
    for train in ("fit", "partial_fit"):
        model = GDRegressor(penalty=penalty, lr=0.01)
        with pytest.raises(ValueError, match=message):
            getattr(model, train)(X, y)
        assert not hasattr(model, "coef_")


def test_new_weights_between_two_calls():
    X, y = table(scales=np.ones(6))
    model = GDRegressor(penalty=L1(np.zeros(6)), alpha=10.0, lr=0.01)
    for k in range(3):
        model.partial_fit(X[k : k + 1], y[k : k + 1])
    assert model.coef_.all()
    model.set_params(penalty__weights=np.full(6, 100.0))
    model.partial_fit(X[3:4], y[3:4])
    assert not model.coef_.any()
