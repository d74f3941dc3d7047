"""Moments of columns, block by block, against NumPy in double precision."""

import numpy as np
import pytest

from skgd._input.moments import Moments
from skgd._kernels.moments import BLOCK_COLUMNS, BLOCK_ROWS


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_columns", [1, BLOCK_COLUMNS, BLOCK_COLUMNS + 1])
@pytest.mark.parametrize("n_rows", [1, 3, BLOCK_ROWS, 3 * BLOCK_ROWS + 5])
def test_moments_in_any_order_and_layout(n_rows, n_columns, dtype):
    rng = np.random.default_rng(0)
    X = (1e4 + rng.standard_normal((n_rows, n_columns))).astype(dtype)
    weights = rng.integers(0, 3, n_rows).astype(float)
    weights[0] = 1.0
    order = rng.permutation(n_rows)[: n_rows // 2 + 1]
    order[0] = 0
    order = np.unique(order)
    found = {}
    for layout, table in {"C": X, "F": np.asfortranarray(X)}.items():
        moments = Moments.empty(n_columns)
        found[layout] = moments.update(table, weights, order)
    chosen = X[order].astype(float)
    s = weights[order]
    mean = np.average(chosen, axis=0, weights=s)
    variance = np.average((chosen - mean) ** 2, axis=0, weights=s)
    np.testing.assert_allclose(found["C"].weight, s.sum())
    np.testing.assert_allclose(found["C"].mean, mean, rtol=1e-14)
    np.testing.assert_allclose(found["C"].variance, variance, rtol=1e-9, atol=1e-12)
    for name in ("mean", "variance", "low", "high"):
        one, other = (getattr(found[layout], name) for layout in "CF")
        np.testing.assert_array_equal(one, other)
