"""Weights of long rows, beside NumPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgd._kernels.shortening import compiled_shorten


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_weights_of_long_rows(dtype, order):
    rng = np.random.default_rng(0)
    X = np.asarray(rng.standard_t(2.0, size=(40, 3)), dtype, order=order)
    mean, scale = rng.normal(size=(2, 3)).astype(dtype)
    weights, found = rng.uniform(size=40), np.empty(40)
    compiled_shorten(np.dtype(dtype))(X, mean, scale, 1.0, weights, 5.0, found)
    z = (X.astype(float) - mean) * scale.astype(float)
    squares = 1.0 + (z * z).sum(axis=1)
    long = squares > 5.0
    assert 0 < long.sum() < 40
    expected = (weights * 5.0 / squares)[long]
    assert_allclose(found[long], expected, rtol=100 * np.finfo(dtype).eps)
    assert_array_equal(found[~long], weights[~long])
