"""Proven bounds of how far a linear model is from its minimum, against exact minima.

The oracles are in ``exact.py``, the random problems in ``convex.py``; the conjugates
of the losses are tested in ``tests/public/test_conjugates.py``.
"""

import convex
import exact
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse

from skgd import GDClassifier, GDRegressor
from skgd._input.rows import Rows
from skgd._linear import certificate
from skgd._linear.blocks import DenseBlock, SparseBlock
from skgd._linear.certificate import certify, provable
from skgd._linear.model import LinearModel
from skgd._linear.quadratic import QuadraticModel
from skgd._training.objective import Objective, best_constants
from skgd.losses import (
    AbsoluteError,
    Hinge,
    Huber,
    LogLoss,
    Loss,
    SquaredError,
    get_loss,
)

SMOOTH = [
    name
    for name in convex.LOSSES
    if name not in ("absolute_error", "quantile", "epsilon_insensitive", "hinge")
]


def constants(problem, bound):
    """The point of the best constants."""
    model = bound.objective.model
    theta = np.zeros(model.size)
    if problem.fit_intercept:
        theta[model.n_weights :] = best_constants(bound.objective, bound.rows)
    return theta


def solved(problem):
    """Coefficients and intercepts of the minimum, and F there."""
    found = exact.minimum(
        problem.name,
        problem.X,
        problem.y,
        fit_intercept=problem.fit_intercept,
        **problem.settings,
    )
    return found, exact.objective(
        problem.name, problem.X, problem.y, *found, **problem.settings
    )


def check(problem, rng):
    """No bound is above the minimum, and at the minimum it is close."""
    dtype = rng.choice([np.float64, np.float64, np.float64, np.float32])
    problem.X = problem.X.astype(dtype).astype(np.float64)
    (coef, intercept), best = solved(problem)
    # The oracle gives up where the minimum is at infinity, beyond its exponentials.
    assume(np.isfinite(best))
    bound = problem.bound(dtype, raw=bool(rng.random() < 0.3))
    start = constants(problem, bound)
    at_minimum = bound.objective.model.theta(coef, intercept).astype(np.float64)
    first = certify(bound, start)
    # F counts as what it is the sum of: zero itself has no rounding to compare with.
    left = max(first.value - best, 0.0)
    rounding = 1e-12 * (abs(best) + abs(first.value) + np.abs(problem.y).mean() ** 2)
    spread = np.abs(at_minimum) + 0.1 * np.abs(at_minimum).mean()
    points = [start, at_minimum]
    for size in (1e-1, 1e-3, 1e-6):
        points.append(at_minimum + size * rng.standard_normal(start.size) * spread)
    model = bound.objective.model
    if not problem.fit_intercept:
        for point in points:
            point[model.n_weights :] = 0.0
    found = [certify(bound, point) for point in points]
    for answer, point in zip(found, points, strict=True):
        value = exact.objective(
            problem.name,
            problem.X,
            problem.y,
            *model.exact_coefficients(point),
            **problem.settings,
        )
        if not value < LARGEST_VALUE:
            # The compiled exponential goes on as a line there, that of NumPy does not.
            continue
        assert_allclose(answer.value, value, rtol=1e-7, atol=1e3 * rounding)
        assert answer.gap >= 0.0
        assert answer.lower <= best + rounding
        assert answer.lower <= answer.value - answer.gap
        apart = answer.value - answer.gap
        atol = 1e-2 * rounding + 1e-14 * value
        assert_allclose(answer.lower, apart, rtol=1e-12, atol=atol)
    return found[1].gap, left, rounding


LARGEST_VALUE = 1e100

KINDS = st.sampled_from(convex.FEATURES)
NAMES = st.sampled_from(list(convex.LOSSES))
PENALTIES = st.sampled_from(convex.PENALTIES)
SEEDS = st.integers(0, 2**32 - 1)


def one_problem(kind, name, penalty, seed):
    rng = np.random.default_rng(seed)
    check(convex.random_problem(rng, kind, name, penalty), rng)


@settings(max_examples=60, deadline=None)
@given(kind=KINDS, name=NAMES, penalty=PENALTIES, seed=SEEDS)
@example(kind="units", name="squared_error", penalty="l2", seed=1196)
def test_no_bound_is_above_the_minimum(kind, name, penalty, seed):
    one_problem(kind, name, penalty, seed)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(kind=KINDS, name=NAMES, penalty=PENALTIES, seed=SEEDS)
def test_no_bound_of_2000_problems_is_above_the_minimum(kind, name, penalty, seed):
    one_problem(kind, name, penalty, seed)


@pytest.mark.parametrize("fit_intercept", [True, False], ids=["intercept", "none"])
@pytest.mark.parametrize("penalty", convex.PENALTIES)
@pytest.mark.parametrize("name", convex.LOSSES)
def test_the_gap_closes_at_the_minimum(name, penalty, fit_intercept):
    rng = np.random.default_rng(7)
    X = rng.standard_normal((50, 4)) @ rng.standard_normal((4, 4)) + 3.0
    y = convex.targets(rng, X, name)
    # Not so strong that the best constant is the minimum.
    alpha = 0.0 if penalty == "none" else 0.01
    alpha *= 0.1 if name == "hinge" else 1.0
    share = {"none": 0.0, "l2": 0.0, "l1": 1.0, "elasticnet": 0.5}[penalty]
    if name in convex.REGRESSION:
        y = y / np.abs(y).mean()
        X = X - 2.0
    parameters = {"q": 0.8} if name == "quantile" else {}
    problem = convex.Convex(
        name,
        X,
        y,
        alpha * share,
        alpha * (1.0 - share),
        None,
        fit_intercept,
        parameters,
    )
    (coef, intercept), best = solved(problem)
    for X in (problem.X, sparse.csr_array(problem.X)):
        problem.X = X
        bound = problem.bound()
        left = certify(bound, constants(problem, bound)).value - best
        theta = bound.objective.model.theta(coef, intercept)
        answer = certify(bound, theta)
        assert answer.gap <= (1e-6 if name in SMOOTH else 1e-5) * left
        # And a few Newton steps come back to it from nearby.
        if name in SMOOTH and penalty in ("none", "l2"):
            theta = theta + 0.01 * rng.standard_normal(theta.size)
            for _ in range(6):
                theta = theta + certify(bound, theta).step
            again = certify(bound, theta)
            assert again.gap <= 1e-6 * left
            assert_allclose(again.value, best, rtol=1e-9)


def separable(bound, theta):
    """The same model with every output on its own."""
    model = bound.objective.model
    for k in range(model.n_outputs):
        alone = model.with_outputs(1)
        parts = [
            v.reshape(-1, model.n_outputs)[:, k] if v.size else v
            for v in (bound.objective.l1, bound.objective.l2)
        ]
        objective = Objective(alone, bound.objective.loss, False, *parts)
        rows = bound.rows
        one = Rows.of(rows.X, rows.y, rows.targets[:, [k]], rows.weights)
        yield (
            objective.bind(one.with_mean_weight_one()),
            theta.reshape(-1, model.n_outputs)[:, k],
        )


@pytest.mark.parametrize("name", ["squared_error", "huber", "log_loss", "hinge"])
@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_several_outputs_are_as_many_models(name, penalty):
    rng = np.random.default_rng(3)
    problem = convex.random_problem(rng, "correlated", name, penalty)
    problem.y = np.column_stack([problem.y[:, 0], problem.y[::-1, 0]])
    bound = problem.bound()
    theta = constants(problem, bound)
    theta = theta + 0.01 * rng.standard_normal(theta.size)
    together = certify(bound, theta)
    apart = [certify(*pair) for pair in separable(bound, theta)]
    assert_allclose(together.value, sum(a.value for a in apart), rtol=1e-12)
    assert_allclose(together.gap, sum(a.gap for a in apart), rtol=1e-6)
    steps = np.column_stack([a.step for a in apart]).ravel()
    assert_allclose(together.step, steps, rtol=1e-6, atol=1e-9)


def test_one_against_the_rest_is_coded_from_classes():
    rng = np.random.default_rng(0)
    X, codes = rng.standard_normal((60, 3)), rng.integers(0, 3, 60)
    model = LinearModel(3, 3, np.dtype(float), True, X.mean(0), 1.0 / X.std(0))
    penalties = model.penalty_weights(0.0, 0.1)
    objective = Objective(model, Hinge(), False, *penalties)
    signs = np.where(codes[:, None] == np.arange(3), 1.0, -1.0)
    theta = 0.1 * rng.standard_normal(model.size)
    coded = [
        certify(objective.bind(Rows.of(X, codes, t)), theta)
        for t in (codes[:, None].astype(float), signs)
    ]
    assert coded[0].gap == coded[1].gap
    assert coded[0].value == coded[1].value


@pytest.mark.parametrize("name", ["squared_error", "log_loss", "softmax", "huber"])
def test_rows_and_weights_mean_the_same(name):
    """Weights of 2 are rows twice; weights of 0, and rows left out, are none."""
    rng = np.random.default_rng(5)
    X = rng.standard_normal((40, 3))
    y = convex.targets(rng, X, name)
    weights = rng.choice([0.0, 1.0, 2.0], 40)
    weights[:2] = 1.0
    weighted = convex.Convex(name, X, y, 0.0, 0.1, weights)
    twice = np.repeat(np.arange(40), weights.astype(int))
    repeated = convex.Convex(name, X[twice], y[twice], 0.0, 0.1)
    bounds = [weighted.bound(raw=True), repeated.bound(raw=True)]
    rows = bounds[1].rows
    bounds.append(bounds[1].objective.bind(rows.in_order(rng.permutation(len(rows)))))
    theta = 0.3 * rng.standard_normal(bounds[0].objective.model.size)
    answers = [certify(bound, theta) for bound in bounds]
    for other in answers[1:]:
        assert_allclose(other.value, answers[0].value, rtol=1e-12)
        assert_allclose(other.gap, answers[0].gap, rtol=1e-8)
        assert_allclose(other.step, answers[0].step, rtol=1e-8)


@pytest.mark.parametrize("name", ["squared_error", "log_loss", "absolute_error"])
def test_dense_and_sparse_prove_the_same(name):
    rng = np.random.default_rng(11)
    X = rng.standard_normal((50, 5)) * (rng.random((50, 5)) < 0.3) + 0.0
    y = convex.targets(rng, X, name)
    theta = 0.1 * rng.standard_normal(6 * y.shape[1])
    found = []
    for table in (X, sparse.csr_array(X), sparse.csr_matrix(X)):
        bound = convex.Convex(name, table, y, 0.0, 0.01).bound()
        found.append(certify(bound, theta))
    for other in found[1:]:
        assert_allclose(other.value, found[0].value, rtol=1e-12)
        assert_allclose(other.gap, found[0].gap, rtol=1e-7)


@pytest.mark.parametrize("density", [0.05, 0.6])
@pytest.mark.parametrize("columns", [None, [0, 2, 5], [1, 3]])
def test_products_of_blocks(density, columns):
    """Centred in the products only, on parts of the columns, with and without ones."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((30, 5)) * (rng.random((30, 5)) < density)
    mean, scale = rng.standard_normal(5), rng.uniform(0.5, 2.0, 5)
    scale[1] = 0.0
    Z = np.column_stack([(X - mean) * scale, np.ones(30)])
    weight = rng.uniform(0.0, 1.0, 30)
    U, V = rng.standard_normal((30, 2)), rng.standard_normal((6, 2))
    columns = None if columns is None else np.array(columns)
    part = Z if columns is None else Z[:, columns]
    for block in (DenseBlock(Z), SparseBlock(sparse.csr_array(X), mean, scale, 1.0)):
        assert_allclose(block.scores(V), Z @ V, atol=1e-12)
        assert_allclose(block.pull(U), Z.T @ U, atol=1e-12)
        assert np.all(block.size(U) >= np.abs(Z).T @ np.abs(U) - 1e-12)
        gram = block.gram(weight, columns)
        assert_allclose(gram, (part * weight[:, None]).T @ part, atol=1e-12)


@pytest.mark.parametrize("block_rows", [7, 64])
def test_blocks_of_any_size_prove_the_same(monkeypatch, block_rows):
    from skgd._linear import blocks

    rng = np.random.default_rng(2)
    problem = convex.random_problem(rng, "plain", "softmax", "l2")
    bound = problem.bound()
    theta = 0.1 * rng.standard_normal(bound.objective.model.size)
    whole = certify(bound, theta)
    monkeypatch.setattr(blocks, "BLOCK_ROWS", block_rows)
    parts = certify(bound, theta)
    assert_allclose(parts.gap, whole.gap, rtol=1e-9)
    assert_allclose(parts.step, whole.step, rtol=1e-9)


def test_squared_error_is_certified_from_anywhere():
    """The gap of a quadratic is known exactly."""
    rng = np.random.default_rng(0)
    problem = convex.Convex("squared_error", rng.standard_normal((40, 5)), None)
    problem.y = rng.standard_normal((40, 1)) * 1e6 + 1e9
    _, best = solved(problem)
    bound = problem.bound()
    answer = certify(bound, rng.standard_normal(6))
    assert_allclose(answer.lower, best, rtol=1e-6)
    again = certify(bound, answer.step * 0.0 + answer.step)
    assert again.gap <= answer.gap


def test_wide_ridge_and_lasso_have_bounds_without_a_full_factorisation(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 80))
    y = X[:, :3] @ [[1.0], [2.0], [-1.0]] + 0.1 * rng.standard_normal((30, 1))
    monkeypatch.setattr(certificate, "LARGEST", 40)
    for l1, l2 in ((0.0, 0.5), (0.3, 0.0), (0.1, 0.1)):
        problem = convex.Convex("squared_error", X, y, l1, l2)
        (coef, intercept), best = solved(problem)
        bound = problem.bound()
        left = certify(bound, constants(problem, bound)).value - best
        answer = certify(bound, bound.objective.model.theta(coef, intercept))
        assert answer.lower <= best + 1e-12
        assert answer.gap <= 1e-6 * left
        assert (answer.step is None) == (l1 == 0.0)


def test_separable_classes_without_penalty():
    """The minimum is zero, at infinity: F itself is the gap."""
    X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    y = np.array([[-1.0], [-1.0], [1.0], [1.0]])
    bound = convex.Convex("log_loss", X, y).bound(raw=True)
    answer = certify(bound, np.array([20.0, 0.0]))
    assert 0.0 < answer.value < 1e-8
    assert_allclose(answer.gap, answer.value, rtol=1e-3)
    assert answer.lower <= 0.0


@pytest.mark.parametrize("name", list(convex.LOSSES))
@pytest.mark.parametrize("penalty", ["none", "l2", "l1"])
def test_columns_without_spread(name, penalty):
    rng = np.random.default_rng(0)
    X = np.full((20, 3), 4.2)
    y = convex.targets(rng, rng.standard_normal((20, 3)), name)
    l1, l2 = {"none": (0, 0), "l2": (0, 0.1), "l1": (0.1, 0)}[penalty]
    problem = convex.Convex(name, X, y, l1, l2)
    if name == "quantile":
        problem.parameters = {"q": 0.8}
    bound = problem.bound()
    answer = certify(bound, constants(problem, bound))
    assert np.isfinite(answer.gap)
    assert answer.gap <= 1e-9 * abs(answer.value)
    assert np.isfinite(answer.step).all()


def test_a_diverged_point_proves_nothing():
    rng = np.random.default_rng(0)
    problem = convex.random_problem(rng, "plain", "poisson", "l2")
    bound = problem.bound()
    answer = certify(bound, np.full(bound.objective.model.size, 1e200))
    assert not answer.gap < 1e100


def test_what_is_provable():
    class Other(Huber):
        @staticmethod
        def value_and_derivative(y, z, p):
            return abs(z - y), 1.0

    class Named(LogLoss):
        pass

    class Own(Loss):
        @staticmethod
        def value_and_derivative(y, z, p):
            return 0.5 * (z - y) ** 2, z - y

    assert provable(SquaredError())
    assert provable(Named())
    assert not provable(Other())
    assert not provable(Own())
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((9, 2)), rng.standard_normal((9, 1))
    model = LinearModel(2, 1, np.dtype(float), True)
    objective = Objective(model, Own(), False, *model.penalty_weights(0.0, 0.0))
    assert certify(objective.bind(Rows.of(X, y, y)), np.zeros(3)) is None


def test_no_further_width_is_tried_than_the_target_needs():
    rng = np.random.default_rng(4)
    X = rng.standard_normal((60, 2))
    y = X @ [[1.0], [2.0]] + rng.standard_normal((60, 1))
    problem = convex.Convex("absolute_error", X, y)
    (coef, intercept), _ = solved(problem)
    bound = problem.bound()
    theta = bound.objective.model.theta(coef, intercept)
    assert type(bound.objective.loss) is AbsoluteError
    # At the best vertex a tiny width finds it, and a huge one does not.
    good, bad = certify(bound, theta, [1e-6]), certify(bound, theta, [1e3])
    assert good.gap < 1e-9 < 1e-2 < bad.gap
    assert certify(bound, theta, [1e3, 1e-6], target=1e3).step is None
    first = certify(bound, theta, [1e3, 1e-6], target=1.000001 * bad.gap)
    assert first.gap == bad.gap
    both = certify(bound, theta, [1e3, 1e-6], target=0.5 * bad.gap)
    assert both.gap == good.gap


@pytest.mark.parametrize("seed", range(20))
def test_quadratic_models_with_an_l1_penalty(seed):
    """Against the conditions of the minimum."""
    rng = np.random.default_rng(seed)
    m = int(rng.integers(1, 12))
    A = rng.standard_normal((int(rng.integers(1, 20)), m))
    H = A.T @ A + 1e-3 * np.eye(m)
    g, w = 3.0 * rng.standard_normal(m), rng.standard_normal(m)
    w[rng.random(m) < 0.5] = 0.0
    l1 = rng.choice([0.0, 0.5, 2.0], m)
    v = w - QuadraticModel(H, g, w, l1).c
    pulls = g + H @ (v - w)
    size = np.abs(g) + np.abs(H) @ np.abs(v - w)
    zero = v == 0.0
    assert np.all(np.abs(pulls[zero]) <= l1[zero] + 1e-8 * size[zero])
    assert_allclose((pulls + l1 * np.sign(v))[~zero] / size[~zero], 0.0, atol=1e-8)


@pytest.mark.parametrize("loss", ["squared_error", "log_loss", "huber"])
@pytest.mark.parametrize("alpha, tol", [(0.01, 1e-6), (0.1, 1e-6), (0.1, 1e-4)])
def test_wide_lasso_fits_know_their_end(loss, alpha, tol):
    """With near copies of columns; an estimate was 400 times too small there."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 700))
    X[:, 5:10] = X[:, :5] + 0.01 * rng.standard_normal((60, 5))
    y = X[:, :6] @ [5, -4, 3, 2, -2, 1.0] + 0.3 * rng.standard_normal(60)
    kind = GDClassifier if loss == "log_loss" else GDRegressor
    y = (y > 0.0).astype(int) if loss == "log_loss" else y
    coded = (2.0 * y - 1.0 if loss == "log_loss" else y)[:, None]
    model = kind(loss, penalty="l1", alpha=alpha, tol=tol, max_iter=3000).fit(X, y)
    found = exact.minimum(loss, X, coded, l1=alpha)
    least = exact.objective(loss, X, coded, *found, l1=alpha)
    task = "classification" if loss == "log_loss" else "regression"
    none = np.zeros(X.shape[1]), get_loss(loss, task).best_constant(coded[:, 0])
    span = exact.objective(loss, X, coded, *none, l1=alpha) - least
    here = model.coef_.ravel(), float(model.intercept_.item())
    gap = (exact.objective(loss, X, coded, *here, l1=alpha) - least) / span
    assert model.gap_kind_ == "bound"
    assert gap <= model.gap_ + 1e-12 <= tol + 1e-12
