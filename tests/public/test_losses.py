"""Every loss against finite differences, SciPy, scikit-learn and its compiled self.

Not here: training with the losses, softmax over several classes.
"""

import math
import re

import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar
from scipy.special import expit, huber, logit, xlogy
from sklearn import metrics
from sklearn.base import clone
from sklearn.linear_model import (
    GammaRegressor,
    PoissonRegressor,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.linear_model import Perceptron as SklearnPerceptron

from skgd import losses
from skgd.losses import (
    LOSSES,
    AbsoluteError,
    EpsilonInsensitive,
    Gamma,
    Hinge,
    Huber,
    LogLoss,
    Loss,
    ModifiedHuber,
    Perceptron,
    Poisson,
    Quantile,
    SquaredEpsilonInsensitive,
    SquaredError,
    SquaredHinge,
    Tweedie,
    get_loss,
    loss_names,
)


class LogCosh(Loss):
    """What a user would write in a script; not in the registry."""

    smooth = True
    curvature = 1.0

    @staticmethod
    def value_and_derivative(y, z, p):
        size = abs(z - y)
        value = size + math.log1p(math.exp(-2.0 * size)) - math.log(2.0)
        return value, math.tanh(z - y)


class Exponential(Loss):
    """A user's loss of the margin, whose minimum may lie at infinity."""

    tasks = frozenset({"classification"})
    smooth = True

    @staticmethod
    def value_and_derivative(y, z, p):
        value = math.exp(min(-y * z, 500.0))
        return value, -y * value


INSTANCES = [loss() for loss in LOSSES.values()] + [
    Huber(epsilon=0.4),
    Quantile(quantile=0.8),
    EpsilonInsensitive(epsilon=0.6),
    SquaredEpsilonInsensitive(epsilon=0.6),
    Tweedie(power=1.1),
    Tweedie(power=1.9),
    LogCosh(),
    Exponential(),
]
SMOOTH = [loss for loss in INSTANCES if loss.smooth]
WITH_KINKS = [loss for loss in INSTANCES if not loss.smooth]
BOUNDED = [loss for loss in INSTANCES if loss.curvature is not None]

# Scores a little off the round numbers at which the targets below put the kinks.
SCORES = np.linspace(-4.0, 4.0, 65) + 0.0123
ROUND_SCORES = np.linspace(-4.0, 4.0, 81)
HUGE_SCORES = [s * m for m in (40.0, 800.0, 1e10, 1e308) for s in (-1.0, 1.0)]


def targets(loss):
    if isinstance(loss, Gamma):
        return np.array([0.1, 0.5, 1.0, 7.0])
    if isinstance(loss, Poisson):
        return np.array([0.0, 0.5, 1.0, 7.0])
    if "regression" in loss.tasks:
        return np.array([-2.5, -1.0, 0.0, 0.5, 3.0])
    return np.array([-1.0, 1.0])


def grid(loss, scores=SCORES):
    y, z = np.meshgrid(targets(loss), scores, indexing="ij")
    return y.ravel(), z.ravel()


def random_targets(loss, rng, n=41):
    if isinstance(loss, Gamma):
        return rng.gamma(2.0, 3.0, n)
    if isinstance(loss, Poisson):
        return rng.poisson(2.0, n).astype(float)
    if "regression" in loss.tasks:
        return 5.0 + 3.0 * rng.standard_t(2, n)
    return rng.choice([-1.0, 1.0], n, p=[0.3, 0.7])


parametrize_all = pytest.mark.parametrize("loss", INSTANCES, ids=repr)


# ------------------------------------------------------- values and derivatives


@parametrize_all
def test_gradient_is_the_derivative_of_the_value(loss):
    y, z = grid(loss)
    h = 1e-6
    difference = (loss.value(y, z + h) - loss.value(y, z - h)) / (2.0 * h)
    assert_allclose(loss.gradient(y, z), difference, rtol=1e-7, atol=1e-7)


@parametrize_all
def test_every_tangent_lies_below_the_loss(loss):
    """Convexity, and a true subgradient at the kinks too."""
    for y in targets(loss):
        at, slope = loss.value(y, ROUND_SCORES), loss.gradient(y, ROUND_SCORES)
        step = ROUND_SCORES[None, :] - ROUND_SCORES[:, None]
        tangent = at[:, None] + slope[:, None] * step
        assert np.all(tangent <= at[None, :] + 1e-12 * (1.0 + np.abs(tangent)))


@pytest.mark.parametrize("loss", BOUNDED, ids=repr)
def test_curvature_is_the_least_upper_bound_of_second_differences(loss):
    h = 1e-4
    y, z = grid(loss, np.linspace(-4.0, 4.0, 801))
    second = (loss.value(y, z + h) - 2.0 * loss.value(y, z) + loss.value(y, z - h)) / (
        h * h
    )
    assert_allclose(second.max(), loss.curvature, rtol=1e-5)


@pytest.mark.parametrize("loss", SMOOTH, ids=repr)
def test_smooth_losses_have_no_jump_in_the_slope(loss):
    y, z = grid(loss, np.linspace(-4.0, 4.0, 801))
    h = 1e-9
    jump = loss.gradient(y, z + h) - loss.gradient(y, z - h)
    # The steepest of all is the gamma loss of y = 7 at z = -4.
    assert_allclose(jump, 0.0, atol=2.0 * h * 7.0 * math.exp(4.1))


@pytest.mark.parametrize("loss", WITH_KINKS, ids=repr)
def test_losses_with_kinks_claim_no_curvature(loss):
    y, z = grid(loss, np.linspace(-4.0, 4.0, 801))
    jump = loss.gradient(y, z + 1e-9) - loss.gradient(y, z - 1e-9)
    assert jump.max() >= 0.99
    assert loss.curvature is None


@pytest.mark.parametrize("loss, direction", [(Poisson(), 1.0), (Gamma(), -1.0)])
def test_curvature_of_log_link_losses_is_unbounded(loss, direction):
    z, h = direction * 20.0, 1e-4
    second = (loss.gradient(1.0, z + h) - loss.gradient(1.0, z - h)) / (2.0 * h)
    assert_allclose(second, math.exp(20.0), rtol=1e-6)
    assert loss.curvature is None


@parametrize_all
@pytest.mark.filterwarnings("error")
def test_huge_scores_give_no_exception_no_nan_and_the_right_direction(loss):
    for y in targets(loss):
        value, slope = loss.value(y, HUGE_SCORES), loss.gradient(y, HUGE_SCORES)
        assert not np.isnan(value).any()
        assert not np.isnan(slope).any()
        order = np.argsort(HUGE_SCORES)
        assert np.all(np.diff(slope[order]) >= 0.0)


@pytest.mark.parametrize("loss, sign", [(Poisson(), 1.0), (Gamma(), -1.0)])
def test_log_link_losses_continue_along_their_tangent(loss, sign):
    edge = sign * losses.EXPONENT_LIMIT
    inside, outside = edge, np.nextafter(edge, sign * np.inf)
    assert_allclose(loss.value(2.0, outside), loss.value(2.0, inside), rtol=1e-12)
    assert_allclose(loss.gradient(2.0, outside), loss.gradient(2.0, inside), rtol=1e-12)
    far = np.array([edge + sign * 1.0, edge + sign * 101.0])
    chord = np.diff(loss.value(2.0, far)) / np.diff(far)
    assert_allclose(chord, loss.gradient(2.0, far[:1]), rtol=1e-12)
    assert np.isfinite(loss.gradient(2.0, far) ** 2).all()


@parametrize_all
def test_a_score_of_nan_never_looks_like_a_good_fit(loss):
    assert np.isnan(loss.value(targets(loss), np.nan)).all()


@parametrize_all
def test_compiled_equals_interpreted(loss):
    p = np.asarray(loss.parameters(), dtype=np.float64)
    signature = numba.types.UniTuple(numba.float64, 2)(
        numba.float64, numba.float64, numba.float64[::1]
    )
    compiled = numba.njit(signature)(type(loss).value_and_derivative)
    scores = [*SCORES, *ROUND_SCORES, *HUGE_SCORES, 360.0, -360.0]
    y, z = grid(loss, scores)
    pairs = np.array([compiled(a, b, p) for a, b in zip(y, z, strict=True)])
    assert_allclose(pairs[:, 0], loss.value(y, z), rtol=1e-15, atol=1e-15)
    assert_allclose(pairs[:, 1], loss.gradient(y, z), rtol=1e-15, atol=1e-15)
    assert math.isnan(compiled(y[0], np.nan, p)[0])


def test_tweedie_lies_between_poisson_and_gamma():
    y, z = grid(Gamma())
    low, high = Tweedie(1.0 + 1e-9), Tweedie(2.0 - 1e-9)
    assert_allclose(low.gradient(y, z), Poisson().gradient(y, z), atol=1e-6)
    assert_allclose(high.gradient(y, z), Gamma().gradient(y, z), atol=1e-5)


def test_value_and_gradient_broadcast_and_return_float64():
    y, z = np.array([[1], [2]], dtype=np.int32), np.array([0, 3, 4], dtype=np.float32)
    value = SquaredError().value(y, z)
    assert value.shape == (2, 3)
    assert value.dtype == np.float64
    assert_allclose(value, 0.5 * (z - y) ** 2)
    assert_allclose(SquaredError().gradient(y, z), z - y)
    assert SquaredError().value([], []).shape == (0,)


# ----------------------------------------------------- other people's numbers


RNG = np.random.default_rng(0)
Y = RNG.normal(size=50)
Y_POSITIVE = RNG.gamma(2.0, size=50)
COUNTS = RNG.poisson(2.0, 50).astype(float)
SIGNS = RNG.choice([-1.0, 1.0], 50)
Z = RNG.normal(size=50)
WEIGHT = RNG.uniform(0.5, 2.0, 50)


@pytest.mark.parametrize(
    "metric, value",
    [
        (metrics.mean_squared_error(Y, Z), 2.0 * SquaredError().value(Y, Z)),
        (metrics.mean_absolute_error(Y, Z), AbsoluteError().value(Y, Z)),
        (metrics.mean_pinball_loss(Y, Z, alpha=0.5), Quantile().value(Y, Z)),
        (metrics.mean_pinball_loss(Y, Z, alpha=0.9), Quantile(0.9).value(Y, Z)),
        (
            metrics.mean_poisson_deviance(COUNTS, np.exp(Z)),
            2.0 * (Poisson().value(COUNTS, Z) + xlogy(COUNTS, COUNTS) - COUNTS),
        ),
        (
            metrics.mean_gamma_deviance(Y_POSITIVE, np.exp(Z)),
            2.0 * (Gamma().value(Y_POSITIVE, Z) - np.log(Y_POSITIVE) - 1.0),
        ),
        *[
            (
                metrics.mean_tweedie_deviance(COUNTS, np.exp(Z), power=p),
                2.0 * Tweedie(p).value(COUNTS, Z)
                + 2.0 * COUNTS ** (2.0 - p) / ((1.0 - p) * (2.0 - p)),
            )
            for p in (1.2, 1.5, 1.9)
        ],
        (metrics.log_loss(SIGNS, expit(Z)), LogLoss().value(SIGNS, Z)),
        (metrics.hinge_loss(SIGNS, Z), Hinge().value(SIGNS, Z)),
    ],
)
def test_mean_loss_is_the_metric_of_sklearn(metric, value):
    assert_allclose(value.mean(), metric, rtol=1e-13)


@pytest.mark.parametrize("epsilon", [0.4, 1.35])
def test_huber_is_that_of_scipy(epsilon):
    assert_allclose(
        Huber(epsilon).value(Y, 3.0 * Z), huber(epsilon, Y - 3.0 * Z), rtol=1e-13
    )


def test_margin_losses_are_made_of_the_hinge():
    hinge = Hinge().value(SIGNS, Z)
    assert_allclose(SquaredHinge().value(SIGNS, Z), hinge**2)
    shortfall = Hinge().value(SIGNS, 3.0 * Z)
    assert_allclose(ModifiedHuber().value(SIGNS, 3.0 * Z), 2.0 * huber(2.0, shortfall))
    assert_allclose(Perceptron().value(SIGNS, Z), Hinge().value(SIGNS, Z + SIGNS))


def test_tubes_of_width_zero_are_the_plain_losses():
    assert_array_equal(EpsilonInsensitive(0.0).value(Y, Z), AbsoluteError().value(Y, Z))
    assert_allclose(
        SquaredEpsilonInsensitive(0.0).value(Y, Z), 2.0 * SquaredError().value(Y, Z)
    )


@pytest.mark.parametrize(
    "labels, probabilities, total",
    [
        ([1, 1, 0], [0.8, 0.7, 0.1], 0.685179),
        ([1, 0, 1, 1], [0.4, 0.6, 0.1, 0.5], 4.828314),
    ],
)
def test_cross_entropy_worked_by_hand(labels, probabilities, total):
    y = 2.0 * np.array(labels) - 1.0
    assert round(LogLoss().value(y, logit(probabilities)).sum(), 6) == total


@pytest.mark.parametrize(
    "y, z, value, derivative",
    [
        (1.0, 50.0, math.exp(-50.0), -math.exp(-50.0)),
        (-1.0, -50.0, math.exp(-50.0), math.exp(-50.0)),
        (1.0, -1000.0, 1000.0, -1.0),
        (-1.0, 0.0, math.log(2.0), 0.5),
    ],
)
def test_log_loss_keeps_its_digits_in_the_tails(y, z, value, derivative):
    assert_allclose(LogLoss().value(y, z), value, rtol=1e-14)
    assert_allclose(LogLoss().gradient(y, z), derivative, rtol=1e-14)


@pytest.mark.parametrize(
    "loss, y, z, derivative",
    [
        (AbsoluteError(), 2.0, 2.0, 0.0),
        (Quantile(0.8), 2.0, 2.0, 0.0),
        (EpsilonInsensitive(0.5), 1.0, 1.5, 0.0),
        (EpsilonInsensitive(0.5), 1.0, 0.5, 0.0),
        (Perceptron(), 1.0, 0.0, -1.0),
        (Perceptron(), -1.0, 0.0, 1.0),
        (Hinge(), 1.0, 1.0, -1.0),
        (Hinge(), -1.0, -1.0, 1.0),
    ],
)
def test_derivative_at_the_kink(loss, y, z, derivative):
    assert loss.gradient(y, z) == derivative


def sgd(loss, X, y, lr, epochs):
    """The textbook: one row per step, in order."""
    w, b = np.zeros(X.shape[1]), 0.0
    for _ in range(epochs):
        for x, target in zip(X, y, strict=True):
            step = lr * loss.gradient(target, w @ x + b)
            w, b = w - step * x, b - step
    return np.append(w, b)


@pytest.mark.parametrize(
    "name, loss",
    [
        ("squared_error", SquaredError()),
        ("huber", Huber(epsilon=0.5)),
        ("epsilon_insensitive", EpsilonInsensitive(epsilon=0.5)),
        ("squared_epsilon_insensitive", SquaredEpsilonInsensitive(epsilon=0.5)),
    ],
)
def test_trajectory_of_sgd_regressor(name, loss):
    X = np.random.default_rng(1).normal(size=(40, 3))
    y = X @ [1.0, -2.0, 0.5] + 3.0 + Y[:40]
    oracle = SGDRegressor(
        loss=name,
        epsilon=0.5,
        penalty=None,
        learning_rate="constant",
        eta0=0.02,
        max_iter=5,
        tol=None,
        shuffle=False,
    ).fit(X, y)
    expected = np.append(oracle.coef_, oracle.intercept_)
    assert_allclose(sgd(loss, X, y, 0.02, 5), expected, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize(
    "name",
    [
        "squared_error",
        "log_loss",
        "perceptron",
        "hinge",
        "squared_hinge",
        "modified_huber",
    ],
)
def test_trajectory_of_sgd_classifier(name):
    X = np.random.default_rng(2).normal(size=(40, 3))
    y = np.where(X @ [1.0, -2.0, 0.5] + Y[:40] > 0.0, 1.0, -1.0)
    oracle = SGDClassifier(
        loss=name,
        penalty=None,
        learning_rate="constant",
        eta0=0.05,
        max_iter=5,
        tol=None,
        shuffle=False,
    ).fit(X, y)
    expected = np.append(oracle.coef_, oracle.intercept_)
    loss = get_loss(name, "classification")
    assert_allclose(sgd(loss, X, y, 0.05, 5), expected, rtol=0.0, atol=1e-12)


def test_hinge_and_perceptron_break_ties_as_sklearn():
    """On small whole numbers the scores meet the kinks exactly."""
    X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = np.array([-1.0, -1.0, -1.0, 1.0])
    oracle = SklearnPerceptron(shuffle=False, tol=None, max_iter=20).fit(X, y)
    ours = sgd(Perceptron(), X, y, 1.0, 20)
    assert_array_equal(ours, [3.0, 2.0, -4.0])
    assert_array_equal(ours, np.append(oracle.coef_, oracle.intercept_))
    oracle = SGDClassifier(
        loss="hinge",
        penalty=None,
        learning_rate="constant",
        eta0=1.0,
        max_iter=20,
        tol=None,
        shuffle=False,
    ).fit(X, y)
    assert_array_equal(
        sgd(Hinge(), X, y, 1.0, 20), np.append(oracle.coef_, oracle.intercept_)
    )


@pytest.mark.parametrize(
    "loss, oracle, y",
    [
        (Poisson(), PoissonRegressor, COUNTS),
        (Gamma(), GammaRegressor, Y_POSITIVE),
    ],
)
def test_gradient_vanishes_at_the_optimum_of_sklearn(loss, oracle, y):
    X = np.random.default_rng(3).normal(size=(50, 2))
    model = oracle(alpha=0.3, solver="newton-cholesky", tol=1e-12)
    model.fit(X, y, sample_weight=WEIGHT)
    z = X @ model.coef_ + model.intercept_
    slope = WEIGHT * loss.gradient(y, z) / WEIGHT.sum()
    assert_allclose(X.T @ slope + 0.3 * model.coef_, 0.0, atol=1e-10)
    assert_allclose(slope.sum(), 0.0, atol=1e-10)
    assert_allclose(loss.inverse_link(z), model.predict(X))


# ------------------------------------------------------------- best constants


@parametrize_all
@pytest.mark.parametrize("seed", range(3))
def test_best_constant_minimises_the_weighted_sum(loss, seed):
    rng = np.random.default_rng(seed)
    y = random_targets(loss, rng)
    weight = rng.choice([0.0, 0.3, 1.0, 2.5], y.size)

    def objective(z):
        return float(weight @ loss.value(y, z))

    low, high = min(y.min(), -5.0), max(y.max(), 5.0)
    oracle = minimize_scalar(
        objective, bounds=(low, high), method="bounded", options={"xatol": 1e-10}
    )
    best = loss.best_constant(y, weight)
    assert isinstance(best, float)
    assert objective(best) <= oracle.fun * (1.0 + 1e-12) + 1e-12
    if isinstance(loss, (SquaredError, Poisson, Gamma, LogLoss, SquaredHinge, LogCosh)):
        assert_allclose(best, oracle.x, rtol=1e-6, atol=1e-6)


@parametrize_all
@pytest.mark.parametrize("seed", range(3))
def test_a_weight_of_two_is_two_rows(loss, seed):
    rng = np.random.default_rng(seed)
    y = random_targets(loss, rng)
    count = rng.integers(0, 4, y.size)
    rows = loss.best_constant(np.repeat(y, count))
    assert_allclose(loss.best_constant(y, count), rows, rtol=1e-9, atol=1e-9)
    # Any multiple of the weights, at which the sums round differently.
    assert_allclose(loss.best_constant(y, count / 0.7), rows, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "loss", [*INSTANCES, SquaredEpsilonInsensitive(3.0), Quantile(0.999)], ids=repr
)
def test_a_row_of_weight_zero_changes_nothing(loss):
    y = targets(loss)[1:]
    best = loss.best_constant(
        np.append(y, 100.0 * y[-1]), np.append(np.ones_like(y), 0.0)
    )
    assert best == loss.best_constant(y)


@pytest.mark.parametrize(
    "loss, y, expected",
    [
        (SquaredError(), [0.0, 1.0, 5.0], 2.0),
        (AbsoluteError(), [5.0, 0.0, 1.0], 1.0),
        (AbsoluteError(), [0.0, 1.0, 3.0, 9.0], 2.0),
        (Quantile(0.25), [0.0, 1.0, 3.0, 9.0], 0.5),
        (Quantile(0.9), [0.0, 1.0, 3.0, 9.0], 9.0),
        (Huber(1.0), [0.0, 0.0, 0.0, 100.0], 1.0 / 3.0),
        (EpsilonInsensitive(1.0), [0.0, 0.5, 1.0], 0.5),
        (SquaredEpsilonInsensitive(1.0), [0.0, 1.0], 0.5),
        (SquaredEpsilonInsensitive(1.0), [0.0, 4.0], 2.0),
        (Poisson(), [0.0, 1.0, 5.0], math.log(2.0)),
        (Gamma(), [0.5, 0.5, 5.0], math.log(2.0)),
        (SquaredError(), [-1.0, 1.0, 1.0, 1.0], 0.5),
        (LogLoss(), [-1.0, 1.0, 1.0, 1.0], math.log(3.0)),
        (Perceptron(), [-1.0, 1.0, 1.0, 1.0], 0.0),
        (Hinge(), [-1.0, 1.0, 1.0, 1.0], 1.0),
        (Hinge(), [-1.0, 1.0], 0.0),
        (SquaredHinge(), [-1.0, 1.0, 1.0, 1.0], 0.5),
        (ModifiedHuber(), [-1.0, 1.0, 1.0, 1.0], 0.5),
        (LogCosh(), [-2.0, 2.0], 0.0),
        (Exponential(), [-1.0, 1.0, 1.0, 1.0], 0.5 * math.log(3.0)),
    ],
)
def test_best_constant_worked_by_hand(loss, y, expected):
    assert_allclose(loss.best_constant(y), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "loss, y, expected",
    [
        (LogLoss(), [1.0] * 4, math.log(4.5 / 0.5)),
        (LogLoss(), [-1.0] * 4, -math.log(4.5 / 0.5)),
        (Poisson(), [0.0] * 4, math.log(0.5 / 4.0)),
        (Exponential(), [1.0] * 4, 0.0),
        (Hinge(), [-1.0] * 4, -1.0),
        (SquaredHinge(), [1.0] * 4, 1.0),
    ],
)
def test_best_constant_is_finite_where_the_minimum_is_at_infinity(loss, y, expected):
    assert_allclose(loss.best_constant(y), expected, rtol=1e-14)


@pytest.mark.parametrize(
    "loss",
    [loss for loss in INSTANCES if loss.tasks == {"regression"}],
    ids=repr,
)
def test_best_constant_of_a_constant_target_predicts_it(loss):
    best = loss.best_constant(np.full(5, 7.0), np.arange(1.0, 6.0))
    assert_allclose(loss.inverse_link(best), 7.0, rtol=1e-12)


def test_default_best_constant_finds_the_built_in_ones():
    for loss in INSTANCES:
        y = random_targets(loss, np.random.default_rng(5))
        formula = loss.value(y, loss.best_constant(y)).sum()
        search = loss.value(y, Loss.best_constant(loss, y)).sum()
        assert_allclose(search, formula, rtol=1e-12, atol=1e-12)


# --------------------------------------------------- links, ranges, probabilities


def test_inverse_link():
    z = np.array([-1.0, 0.0, 2.0], dtype=np.float32)
    for name in loss_names("regression"):
        loss = get_loss(name, "regression")
        expected = np.exp(z) if name in ("poisson", "gamma", "tweedie") else z
        assert_array_equal(loss.inverse_link(z), expected)
        assert loss.inverse_link(z).dtype == np.float32


@pytest.mark.parametrize(
    "loss, y, message",
    [
        (Poisson(), [1.0, -2.0], "Poisson needs y in [0, inf), but the smallest y is"),
        (Gamma(), [1.0, 0.0], "Gamma needs y in (0, inf), but the smallest y is 0.0"),
    ],
)
def test_targets_out_of_range_are_named(loss, y, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        loss.check_target(np.array(y))


@parametrize_all
def test_targets_in_range_pass(loss):
    assert loss.check_target(targets(loss)) is None
    assert loss.check_target(np.empty(0)) is None


def test_only_losses_with_probabilities_have_them():
    named = {name for name, loss in LOSSES.items() if loss.probabilities}
    assert named == {"log_loss", "modified_huber"}
    for loss in INSTANCES:
        if not loss.probabilities:
            with pytest.raises(NotImplementedError, match=type(loss).__name__):
                loss.probability(np.zeros(2))


@pytest.mark.parametrize("name", ["log_loss", "modified_huber"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_are_those_of_sgd_classifier(name, n_classes):
    X = np.random.default_rng(4).normal(size=(60, 2))
    y = np.digitize(X[:, 0], [-0.5, 0.5][: n_classes - 1])
    oracle = SGDClassifier(loss=name, max_iter=5, tol=None, random_state=0).fit(X, y)
    scores = oracle.decision_function(X)
    ours = get_loss(name, "classification").predict_proba(scores)
    assert_allclose(ours, oracle.predict_proba(X), rtol=1e-12, atol=1e-15)


def test_probabilities_where_no_class_claims_the_row():
    scores = np.array([[-1.0, -2.0, -7.0], [1.0, -1.0, 0.0]], dtype=np.float32)
    before = scores.copy()
    proba = ModifiedHuber().predict_proba(scores)
    assert_allclose(proba, [[1 / 3, 1 / 3, 1 / 3], [2 / 3, 0.0, 1 / 3]], rtol=1e-6)
    assert proba.dtype == np.float32
    assert_array_equal(scores, before)


def test_small_probabilities_keep_their_digits():
    proba = LogLoss().predict_proba(np.array([-60.0, 60.0]))
    tiny = 1.0 / (1.0 + math.exp(60.0))
    assert_allclose(proba, [[1.0, tiny], [tiny, 1.0]], rtol=1e-14)


@pytest.mark.parametrize("loss", [LogLoss(), ModifiedHuber()], ids=repr)
def test_probability_undoes_the_best_constant(loss):
    share = np.array([0.1, 0.5, 0.8])
    best = [loss.best_constant([1.0, -1.0], [s, 1.0 - s]) for s in share]
    assert_allclose(loss.probability(np.array(best)), share, rtol=1e-12)


# --------------------------------------------------------- objects and registry


@parametrize_all
def test_clone_parameters_and_repr(loss):
    copy = clone(loss)
    assert copy is not loss
    assert copy.get_params() == loss.get_params()
    named = {**vars(losses), "LogCosh": LogCosh, "Exponential": Exponential}
    assert eval(repr(loss), named).get_params() == loss.get_params()
    assert loss.parameters() == tuple(loss.get_params().values())
    loss._validate_params()


@pytest.mark.parametrize(
    "loss",
    [
        Huber(epsilon=0.0),
        Huber(epsilon="wide"),
        Quantile(quantile=0.0),
        Quantile(quantile=1.0),
        EpsilonInsensitive(epsilon=-0.1),
        SquaredEpsilonInsensitive(epsilon=-0.1),
    ],
    ids=repr,
)
def test_wrong_parameters_are_named(loss):
    (name,) = loss.get_params()
    with pytest.raises(ValueError, match=f"The '{name}' parameter of"):
        loss._validate_params()


def test_every_parameter_has_a_constraint():
    for loss in LOSSES.values():
        assert set(loss().get_params()) == set(loss._parameter_constraints)


def test_registry_holds_every_public_loss_once():
    public = {
        thing
        for name in losses.__all__
        if isinstance(thing := getattr(losses, name), type) and thing is not Loss
    }
    assert set(LOSSES.values()) == public
    assert len(LOSSES) == len(public)
    for loss in LOSSES.values():
        assert loss.tasks and loss.tasks <= {"regression", "classification"}


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_get_loss_takes_names_and_objects(task):
    for name in loss_names(task):
        assert type(get_loss(name, task)) is LOSSES[name]
    mine = LogCosh() if task == "regression" else Exponential()
    assert get_loss(mine, task) is mine


@pytest.mark.parametrize(
    "loss, task, problem",
    [
        ("squared", "regression", "loss='squared' is unknown"),
        (Huber, "regression", "is unknown"),
        (None, "regression", "loss=None is unknown"),
        ("hinge", "regression", "loss='hinge' is not for regression"),
        (Hinge(), "regression", "loss=Hinge() is not for regression"),
        ("poisson", "classification", "loss='poisson' is not for classification"),
        (LogCosh(), "classification", "loss=LogCosh() is not for classification"),
    ],
)
def test_get_loss_says_what_would_work(loss, task, problem):
    with pytest.raises(ValueError, match=re.escape(problem)) as error:
        get_loss(loss, task)
    for name in loss_names(task):
        assert repr(name) in str(error.value)


def test_a_loss_without_a_function_says_so():
    with pytest.raises(NotImplementedError, match="value_and_derivative"):
        Loss().value([1.0], [1.0])
