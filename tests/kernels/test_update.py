"""What an update does besides the rule: clipping, decay, proximal steps, means."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgd._kernels import compiling, epoch, update, user_code
from skgd._kernels.proximal import NO_PROX
from skgd._training.epochs import forgotten
from skgd.optimizers import GD, AdaGrad, DoWG


def step(
    theta, gradient, n_rows, lr, t, *, clip_norm=math.inf, half_life=math.inf, **parts
):
    """One compiled update, of the rule GD unless there is an `optimizer`."""
    n, nothing = theta.size, np.empty(0)
    optimizer = parts.get("optimizer", GD())
    address, p, _ = user_code.rule(optimizer, n, np.float64)
    vectors, scalars, step_sizes = parts.get("memory", optimizer.start(n))
    rule = update.Rule(
        update=address,
        p=p,
        vectors=vectors,
        scalars=scalars,
        step_sizes=step_sizes,
        forgotten=forgotten(optimizer, half_life),
    )
    penalties = update.Penalties(
        l1=parts.get("l1", nothing),
        l2=parts.get("l2", np.zeros(n)),
        decay=parts.get("decay", nothing),
        prox=NO_PROX,
    )
    averaging = update.Averaging(
        base=parts.get("base", nothing),
        average=parts.get("average", nothing),
        start=parts.get("start", 0),
        power=parts.get("power", 0.0),
        interpolation=parts.get("interpolation", 0.0),
        half_life=half_life,
    )
    kernel = compiling.kernel(
        epoch.single_step, epoch.step_signature(compiling.numba_type(np.float64))
    )
    given = (tuple(rule), tuple(penalties), tuple(averaging), clip_norm)
    kernel(theta, gradient.copy(), n_rows, given, lr, t)


THETA, GRADIENT = np.array([1.0, -2.0, 0.05]), np.array([3.0, 4.0, 0.0])


def test_the_gradient_is_a_mean():
    theta = THETA.copy()
    step(theta, GRADIENT, 2, 0.1, 1)
    assert_allclose(theta, THETA - 0.1 * GRADIENT / 2)


@pytest.mark.parametrize("clip_norm, norm", [(1.0, 1.0), (100.0, 5.0)])
def test_long_gradients_are_shortened(clip_norm, norm):
    theta = THETA.copy()
    step(theta, GRADIENT, 1, 0.1, 1, clip_norm=clip_norm)
    assert_allclose(theta, THETA - 0.1 * norm * GRADIENT / 5.0)


def test_penalties_and_decay():
    l1, l2, decay = np.array([0.5, 0.5, 1.0]), np.full(3, 0.2), np.full(3, 0.1)
    theta = THETA.copy()
    step(theta, GRADIENT, 1, 0.1, 1, l1=l1, l2=l2, decay=decay)
    moved = THETA * (1.0 - 0.1 * 0.1) - 0.1 * (GRADIENT + 0.2 * THETA)
    assert_allclose(theta, np.sign(moved) * np.maximum(np.abs(moved) - 0.1 * l1, 0.0))
    assert theta[2] == 0.0


@pytest.mark.parametrize("power", [0.0, 2.0])
def test_the_mean_of_a_path_that_is_not_theta(power):
    base, average, theta = THETA.copy(), THETA + 1.0, THETA.copy()
    mean = {"start": 2, "power": power, "interpolation": 0.25}
    step(theta, GRADIENT, 1, 0.1, 4, base=base, average=average, **mean)
    moved = THETA - 0.1 * GRADIENT
    weight = (1.0 + power) / (3.0 + power)
    expected = THETA + 1.0 + weight * (moved - THETA - 1.0)
    assert_allclose(base, moved)
    assert_allclose(average, expected)
    assert_allclose(theta, moved + 0.25 * (expected - moved))
    # Before its start the mean stays where it is.
    base, average, theta = THETA.copy(), THETA + 1.0, THETA.copy()
    step(theta, GRADIENT, 1, 0.1, 1, base=base, average=average, **mean)
    assert_allclose(average, THETA + 1.0)


def test_a_mean_forgets_by_rows():
    """The mean is that of all points, each with what is left of it."""
    half_life, sizes = 5.0, [2] * 6
    theta, average = THETA.copy(), np.zeros(3)
    points = []
    for t, n_rows in enumerate(sizes, 1):
        parts = {"average": average, "start": 1, "half_life": half_life}
        step(theta, GRADIENT * t, n_rows, 0.1, t, **parts)
        points.append(theta.copy())
    left = [0.5 ** (sum(sizes[i + 1 :]) / half_life) for i in range(len(sizes))]
    assert_allclose(average, np.average(points, axis=0, weights=left))


@pytest.mark.parametrize("power", [2.0, 8.0])
def test_a_mean_of_late_points_forgets_no_more_slowly(power):
    """As without a half-life at first, and then exponentially."""
    kept, average = 0.5 ** (1 / 20.0), np.zeros(3)
    theta, expected = THETA.copy(), np.zeros(3)
    for t in range(1, 400):
        parts = {"average": average, "start": 1, "power": power, "half_life": 20.0}
        step(theta, GRADIENT * np.cos(t), 1, 0.1, t, **parts)
        share = max((1 + power) / (t + power), (1 - kept) / (1 - kept**t))
        expected += share * (theta - expected)
    assert share == pytest.approx(1 - kept)
    assert_allclose(average, expected)


def test_sums_of_a_rule_are_forgotten():
    """What is left of old rows is multiplied into them before the next ones."""
    memory = AdaGrad().start(3)
    memory[0][:] = 7.0
    theta, parts = THETA.copy(), {"optimizer": AdaGrad(), "memory": memory}
    step(theta, GRADIENT, 2, 0.1, 5, half_life=4.0, **parts)
    assert_allclose(memory[0][0], 7.0 * 0.5**0.5 + (GRADIENT / 2) ** 2)


def test_dowg_forgets_where_it_came_from():
    rule = DoWG(initial_distance=0.1)
    vectors, scalars, _ = memory = rule.start(3)
    vectors[0], scalars[:] = [0.0, -2.0, 0.05], [0.5, 3.0]
    theta = THETA.copy()
    parts = {"optimizer": rule, "memory": memory, "half_life": 1.0}
    step(theta, GRADIENT, 1, 1.0, 5, **parts)
    assert_allclose(vectors[0], [0.5, -2.0, 0.05])
    # Forgotten once as gradients, and once with the distances that weigh them.
    assert_allclose(scalars, [0.25, 0.75 + 0.25 * 25.0])
    assert_allclose(theta, THETA - 0.25 / np.sqrt(scalars[1]) * GRADIENT)
    # Never below its first guess, from which it can grow again.
    for t in range(6, 40):
        step(theta, 0.0 * GRADIENT, 1, 1.0, t, **parts)
    assert_allclose(scalars[0], 0.1**2)
