"""What an update does besides the rule: clipping, decay, proximal steps, means."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgd._kernels import compiling, epoch, update, user_code
from skgd._kernels.proximal import NO_PROX
from skgd.optimizers import GD


def step(theta, gradient, n_rows, lr, t, *, clip_norm=math.inf, **parts):
    """One compiled update of the rule GD."""
    n, nothing = theta.size, np.empty(0)
    address, p, _ = user_code.rule(GD(), n, np.float64)
    vectors, scalars, step_sizes = GD().start(n)
    rule = update.Rule(address, p, vectors, scalars, step_sizes)
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
