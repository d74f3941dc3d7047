"""Figures of each output, of losses with a kink that is rounded off."""

import numpy as np
import pytest
from binding import bound_to
from numpy.testing import assert_allclose

from skgd._training.recording import RecordedObjective
from skgd.losses import AbsoluteError, SquaredError


def rounded(r, width):
    """The absolute value within `width` of its kink as a parabola (Nesterov, 2005)."""
    u = np.clip(r / width, -1.0, 1.0)
    return u * r - 0.5 * width * u**2, u


@pytest.mark.parametrize("n_rows", [5, 700])
def test_kinks_and_figures(n_rows):
    rng = np.random.default_rng(n_rows)
    X, Y = rng.standard_normal((n_rows, 3)), rng.standard_normal((n_rows, 2))
    bound = bound_to(X, Y, AbsoluteError())
    widths = np.array([0.5, 1e-3])
    recorded = bound.with_objective(RecordedObjective.of(bound.objective, widths))
    theta = rng.standard_normal(8)
    loss, gradient = recorded.loss_and_gradient(theta)
    r = X @ theta[:6].reshape(3, 2) + theta[6:] - Y
    smooth, slope = rounded(r, widths)
    figures = recorded.objective.figures
    assert_allclose(loss, smooth.sum())
    assert_allclose(gradient[:6].reshape(3, 2), X.T @ slope, rtol=1e-10, atol=1e-12)
    assert_allclose(figures[:, 0], smooth.sum(axis=0))
    assert_allclose(figures[:, 1], np.abs(r).sum(axis=0))
    assert_allclose(figures[:, 2], (np.abs(r) - slope * r).sum(axis=0), atol=1e-9)


def test_smooth_losses_are_taken_as_they_are():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((40, 3)), rng.standard_normal((40, 2))
    bound = bound_to(X, Y, SquaredError())
    recorded = bound.with_objective(RecordedObjective.of(bound.objective, np.zeros(2)))
    theta = rng.standard_normal(8)
    loss, gradient = recorded.loss_and_gradient(theta)
    expected, expected_gradient = bound.loss_and_gradient(theta)
    assert_allclose(loss, expected, rtol=1e-13)
    assert_allclose(gradient, expected_gradient, rtol=1e-12)
    assert_allclose(recorded.objective.figures[:, 0].sum(), expected)
