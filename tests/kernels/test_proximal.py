"""Compiled proximal steps against the penalties' own, in any coordinates."""

import numpy as np
import pytest
from entrances import entrance

from skgd._kernels import compiling, proximal
from skgd._linear.model import LinearModel
from skgd._training.proximal import Proximal
from skgd.penalties import (
    L1,
    MCP,
    SCAD,
    Box,
    ElasticNet,
    GroupLasso,
    soft_threshold,
)

PENALTIES = [
    L1([0.5, 1.0, 0.0, 2.0, 1.0]),
    ElasticNet(0.3),
    Box(-0.2, [0.1, 0.2, 0.3, np.inf, 0.0]),
    MCP(1.5),
    SCAD(2.5),
    GroupLasso([1, 0, 1, 0, 0]),
    GroupLasso([0] * 5),
]


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("scaled", [False, True])
def test_step_and_value(penalty, n_outputs, dtype, scaled):
    rng = np.random.default_rng(0)
    scale = np.array([1.0, 10.0, 0.3, 0.0, 2.0]) if scaled else None
    model = LinearModel(5, n_outputs, dtype, True, None, scale)
    bound = Proximal(penalty, 0.4, model)
    scale = np.ones(5) if scale is None else model.scale.astype(float)
    theta = rng.normal(size=model.size).astype(dtype)
    lengths = rng.uniform(0, 1, size=model.size).astype(dtype)
    coef = model.exact_coefficients(theta)[0]
    steps = lengths[: model.n_weights].reshape(5, n_outputs).T * scale**2

    element = compiling.numba_type(np.dtype(dtype))
    function = proximal.separable_step if penalty.separable else proximal.blocks_step
    moved = theta.copy()
    compiling.kernel(function, proximal.step_signature(element))(
        moved, lengths, bound.arguments(element)
    )
    expected = penalty.prox(coef, steps, 0.4)
    # A column of scale 0 has coefficient 0, whatever its theta is.
    expected[:, scale == 0] = 0.0
    tolerance = 1e-12 if dtype is np.float64 else 1e-6
    np.testing.assert_allclose(
        model.exact_coefficients(moved)[0], expected, rtol=tolerance, atol=tolerance
    )
    np.testing.assert_array_equal(moved[model.n_weights :], theta[model.n_weights :])
    np.testing.assert_array_equal(
        moved[: model.n_weights].reshape(5, n_outputs)[scale == 0],
        theta[: model.n_weights].reshape(5, n_outputs)[scale == 0],
    )
    if not penalty.indicator:
        assert bound.value(theta) == pytest.approx(penalty.value(coef, 0.4))
    if dtype is np.float64:
        full = bound.step(theta, 0.7)
        expected = penalty.prox(coef, np.broadcast_to(0.7 * scale**2, coef.shape), 0.4)
        expected[:, scale == 0] = 0.0
        np.testing.assert_allclose(
            model.exact_coefficients(full)[0], expected, rtol=1e-12, atol=1e-12
        )


def test_compiled_soft_threshold_is_that_of_numpy():
    compiled = entrance(proximal.soft_threshold)
    x = np.array([3.0, -0.5, -2.0, 0.0, 0.2, np.inf, -np.inf, 1.0])
    for threshold in (0.0, 0.2, 1.0):
        found = [compiled(value, threshold) for value in x]
        np.testing.assert_array_equal(found, soft_threshold(x, threshold))
    assert np.isnan(compiled(np.nan, 0.5))
