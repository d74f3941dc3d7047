"""Conjugates, slopes, curvatures and kinks of the losses, against their definitions.

Values and derivatives of the losses themselves are tested in ``test_losses.py``.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar

from skgd._linear.certificate import provable
from skgd.losses import (
    LOSSES,
    EpsilonInsensitive,
    Gamma,
    Huber,
    Loss,
    Poisson,
    Quantile,
    SquaredEpsilonInsensitive,
)

INSTANCES = [loss() for loss in LOSSES.values()] + [
    Huber(epsilon=0.4),
    Quantile(quantile=0.8),
    EpsilonInsensitive(epsilon=0.6),
    EpsilonInsensitive(epsilon=0.0),
    SquaredEpsilonInsensitive(epsilon=0.6),
]
# Others have none that is a formula.
INSTANCES = [loss for loss in INSTANCES if provable(loss)]
PIECEWISE_LINEAR = [loss for loss in INSTANCES if loss.kinks(np.ones(1))]
parametrize_all = pytest.mark.parametrize("loss", INSTANCES, ids=repr)

SCORES = np.linspace(-5.0, 5.0, 101) + 0.0123


def targets(loss):
    if isinstance(loss, Gamma):
        return np.array([0.1, 1.0, 7.0])
    if isinstance(loss, Poisson):
        return np.array([0.0, 0.5, 7.0])
    if "regression" in loss.tasks:
        return np.array([-2.5, 0.0, 3.0])
    return np.array([-1.0, 1.0])


def slopes_inside(loss, y):
    """Some slopes that the loss has, none at the ends of their range."""
    low, high = (float(v) for v in loss.slopes(np.float64(y)))
    low, high = max(low, -6.0), min(high, 6.0)
    return low + (high - low) * np.array([0.02, 0.3, 0.5, 0.77, 0.98])


@parametrize_all
def test_the_conjugate_is_the_supremum(loss):
    for y in targets(loss):
        for u in slopes_inside(loss, y):
            found = minimize_scalar(
                lambda z, y=y, u=u: float(loss.value(y, z)) - u * z,
                bounds=(-60.0, 60.0),
                method="bounded",
                options={"xatol": 1e-12},
            )
            # The search ends short of a kink.
            assert_allclose(loss.conjugate(y, u), -found.fun, rtol=1e-9, atol=1e-6)


@parametrize_all
def test_fenchel_inequality_with_equality_at_the_derivative(loss):
    y, z = np.meshgrid(targets(loss), SCORES, indexing="ij")
    for shift in (0.0, 0.37, -1.1):
        u = np.clip(loss.gradient(y, z + shift), *loss.slopes(y))
        distance = loss.value(y, z) + loss.conjugate(y, u) - u * z
        size = 1.0 + np.abs(u * z) + np.abs(loss.value(y, z))
        assert np.all(distance >= -1e-14 * size)
        if shift == 0.0:
            assert np.all(distance <= 1e-14 * size)


@parametrize_all
def test_slopes_are_those_of_the_loss_far_out_and_the_conjugate_ends_there(loss):
    y = targets(loss)
    low, high = loss.slopes(y)
    assert low.shape == high.shape == y.shape
    assert np.all(low <= 0.0)
    assert np.all(high >= 0.0)
    far = np.where(np.isinf(high - low), 1e5, 1e3)
    for bound, z, outside in ((low, -far, -1.0), (high, far, 1.0)):
        reached = loss.gradient(y, z)
        finite = np.isfinite(bound)
        assert_allclose(reached[finite], bound[finite], rtol=1e-12)
        assert np.all(np.abs(reached[~finite]) >= 0.9e5)
        at_end = loss.conjugate(y[finite], bound[finite])
        assert np.isfinite(at_end).all()
        beyond = bound + outside * np.maximum(1e-9 * np.abs(bound), 1e-9)
        assert np.isinf(loss.conjugate(y, beyond)[finite]).all()


@parametrize_all
def test_curvature_is_the_derivative_of_the_derivative(loss):
    y, z = np.meshgrid(targets(loss), SCORES, indexing="ij")
    h = 1e-6
    change = (loss.gradient(y, z + h) - loss.gradient(y, z - h)) / (2.0 * h)
    assert_allclose(loss.curvature_at(y, z), change, rtol=1e-6, atol=1e-7)
    assert loss.curvature_at(y, z).shape == y.shape


@pytest.mark.parametrize("loss", [Poisson(), Gamma()], ids=repr)
def test_no_curvature_along_the_tangents_of_log_links(loss):
    z = np.array([-400.0, -350.0, 0.0, 350.0, 400.0])
    bends = loss.curvature_at(np.full(5, 2.0), z)
    far = 4 if isinstance(loss, Poisson) else 0
    assert bends[far] == 0.0
    assert np.all(np.delete(bends, far) > 0.0)


@pytest.mark.parametrize("loss", PIECEWISE_LINEAR, ids=repr)
def test_kinks_add_up_to_the_slope(loss):
    y, z = np.meshgrid(targets(loss), SCORES, indexing="ij")
    slope = sum(
        np.where(z < position, below, above) for position, below, above in loss.kinks(y)
    )
    assert_array_equal(slope, loss.gradient(y, z))


def test_only_piecewise_linear_losses_have_kinks_and_no_curvature():
    for loss in INSTANCES:
        y, z = np.meshgrid(targets(loss), SCORES, indexing="ij")
        flat = not loss.curvature_at(y, z).any()
        assert flat == bool(loss.kinks(y)) == (not loss.smooth)


@parametrize_all
def test_losses_of_the_residual_say_so(loss):
    y, z = np.meshgrid(targets(loss), SCORES, indexing="ij")
    same = np.allclose(loss.value(y, z), loss.value(0.0 * y + 1.0, z - y + 1.0))
    # One target is 1 itself for the others, which leaves two that must differ.
    assert same == loss.of_residual
    if loss.of_residual:
        assert_allclose(loss.value(y, z), loss.value(0.0, z - y), rtol=1e-12)
        u = np.clip(0.7 * loss.gradient(y, z), *loss.slopes(y))
        assert_allclose(loss.conjugate(y, u), loss.conjugate(0.0 * y, u) + u * y)


def test_a_loss_without_conjugate_says_so():
    class Cubic(Loss):
        pass

    with pytest.raises(NotImplementedError, match="Cubic defines no conjugate"):
        Cubic().conjugate(np.ones(1), np.ones(1))
