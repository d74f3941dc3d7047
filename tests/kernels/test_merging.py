"""Moments of two sets of rows against those of both."""

import numpy as np

from skgd._kernels.merging import merged


def test_merged_moments_are_those_of_all_rows():
    rng = np.random.default_rng(0)
    X = 1e6 + rng.standard_normal((50, 3))
    few, many = X[:13], X[13:]
    mean, variance = merged(
        37 / 50, few.mean(axis=0), few.var(axis=0), many.mean(axis=0), many.var(axis=0)
    )
    np.testing.assert_allclose(mean, X.mean(axis=0), rtol=1e-15)
    np.testing.assert_allclose(variance, X.var(axis=0), rtol=1e-9)
