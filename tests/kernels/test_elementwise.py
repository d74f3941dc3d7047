"""Losses at many scores, and rows in coordinates, against NumPy."""

import numpy as np
import pytest

from skgd._kernels import compiling, elementwise, user_code
from skgd.losses import Huber


def test_losses_and_derivatives():
    rng = np.random.default_rng(0)
    loss = Huber(0.5)
    y, z = rng.standard_normal((2, 30))
    values, derivatives = np.empty((2, 30))
    address, p, _ = user_code.loss(loss)
    kernel = compiling.kernel(elementwise.losses, elementwise.signature())
    kernel(address, p, y, z, values, derivatives)
    np.testing.assert_allclose(values, loss.value(y, z))
    np.testing.assert_allclose(derivatives, loss.gradient(y, z))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_centred_rows_leave_the_last_columns(dtype):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5, 3)).astype(dtype)
    mean, scale = rng.standard_normal((2, 3))
    Z = np.full((5, 4), 7.0)
    element = compiling.numba_type(dtype)
    kernel = compiling.kernel(elementwise.centre, elementwise.centre_signature(element))
    kernel(X[::-1], mean, scale, Z)
    np.testing.assert_allclose(Z[:, :3], (X[::-1] - mean) * scale, rtol=1e-6)
    np.testing.assert_array_equal(Z[:, 3], 7.0)
