"""Full gradients over rows with more columns than the kernels add up in between."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sparse_rows import random_csr

from skgd import GDClassifier, GDRegressor
from skgd._kernels.csr_sums import WIDE


def wide(n=3000, used=300, seed=0):
    """Rows of many columns, most of them unused, and the same without these."""
    rng = np.random.default_rng(seed)
    narrow = random_csr(rng, n, used, density=0.03)
    narrow.data[:] = rng.normal(size=narrow.nnz)
    columns = np.sort(rng.choice(WIDE + 1000, used, replace=False))
    X = sparse.csr_array(
        (narrow.data, columns[narrow.indices], narrow.indptr),
        shape=(n, WIDE + 1000),
    )
    return X, narrow, columns, rng


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("penalty", [None, "elasticnet"])
def test_unused_columns_change_nothing(n_outputs, dtype, penalty):
    X, narrow, columns, rng = wide()
    y = narrow @ rng.normal(size=(narrow.shape[1], n_outputs)) + 0.5
    y = y[:, 0] if n_outputs == 1 else y
    weights = rng.integers(0, 4, len(y))
    model = GDRegressor(
        solver="batch", lr=0.1, max_iter=8, tol=None, penalty=penalty, alpha=0.01
    )
    few = model.fit(narrow.astype(dtype), y, weights)
    coef, intercept, curve = few.coef_, few.intercept_, few.loss_curve_
    many = model.fit(X.astype(dtype), y, weights)
    precision = 1e-11 if dtype == np.float64 else 1e-4
    assert_allclose(many.coef_[..., columns], coef, rtol=precision, atol=precision)
    assert np.count_nonzero(many.coef_) == np.count_nonzero(coef)
    assert_allclose(many.intercept_, intercept, rtol=precision, atol=precision)
    assert_allclose(many.loss_curve_, curve, rtol=precision)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_neither_threads_nor_blocks_change_a_bit(n_classes):
    X, narrow, _, rng = wide()
    y = (narrow @ rng.normal(size=(narrow.shape[1], n_classes))).argmax(axis=1)
    model = GDClassifier(solver="batch", lr=0.5, max_iter=5, tol=None)
    one = model.fit(X, y).coef_
    assert_array_equal(model.set_params(n_jobs=2).fit(X, y).coef_, one)
    blocks = [(X[start : start + 700], y[start : start + 700]) for start in (0, 700)]
    blocks += [(X[1400:], y[1400:])]
    model.set_params(n_jobs=None).fit_batches(blocks, classes=np.unique(y))
    assert_array_equal(model.coef_, one)
