"""What is found about the columns of CSR rows, beside SciPy and dense rows."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from skgd._input.sparse import ranges_of_columns, without_duplicates
from skgd._kernels.csr_columns import compiled_ranges, compiled_repeats

INDICES = [np.int32, np.int64]


def rows(index=np.int32, dtype=np.float64, n_columns=12, seed=0):
    """Unsorted CSR rows, some of them empty; columns 3 and 7 have no entry."""
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(30, n_columns)) * (rng.random((30, n_columns)) < 0.4)
    dense[:, [3, 7]] = 0.0
    dense[[0, 9, 29]] = 0.0
    X = sparse.csr_matrix(dense.astype(dtype))
    for i in range(30):
        row = slice(X.indptr[i], X.indptr[i + 1])
        X.indices[row], X.data[row] = X.indices[row][::-1], X.data[row][::-1]
    X.has_sorted_indices = X.has_canonical_format = False
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    return X, dense.astype(dtype)


@pytest.mark.parametrize("index", INDICES)
def test_a_column_that_is_named_twice(index):
    repeats = compiled_repeats(np.dtype(index))
    pointers = np.array([0, 3, 3, 5], index)

    def found(columns):
        last = np.full(6, -1)
        return repeats(np.array(columns, index), pointers, last)

    assert not found([5, 0, 2, 2, 0])
    assert found([5, 0, 5, 2, 0])
    assert found([5, 0, 2, 1, 1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("index", INDICES)
def test_ranges(index, dtype):
    X, dense = rows(index, dtype)
    low, high = np.full((2, 12), [[np.inf], [-np.inf]])
    counts = np.zeros(12, np.int64)
    compiled_ranges(np.dtype(dtype), np.dtype(index))(
        X.data, X.indices, low, high, counts
    )
    assert_array_equal(counts, (dense != 0).sum(axis=0))
    assert_array_equal(low, np.where(dense != 0, dense, np.inf).min(axis=0))
    assert_array_equal(high, np.where(dense != 0, dense, -np.inf).max(axis=0))
    low, high = ranges_of_columns(X)
    assert_array_equal(low, dense.min(axis=0))
    assert_array_equal(high, dense.max(axis=0))


def test_ranges_of_full_columns_have_no_zero():
    X = sparse.csr_matrix(np.array([[2.0, -1.0], [3.0, -4.0]]))
    low, high = ranges_of_columns(X)
    assert_array_equal(low, [2.0, -4.0])
    assert_array_equal(high, [3.0, -1.0])


@pytest.mark.parametrize("n_columns", [12, 100_000])
@pytest.mark.parametrize("index", INDICES)
def test_rows_that_are_not_sorted(index, n_columns):
    """Many columns are looked at in another way."""
    X, _ = rows(index, n_columns=n_columns)
    if n_columns > 12:
        X = X[:, :12].copy()
        X.resize(30, n_columns)
        X.has_canonical_format = False
    assert without_duplicates(X) is X
    at = int(np.flatnonzero(np.diff(X.indptr) > 1)[-1])
    first = X.indptr[at]
    twice = X.copy()
    twice.indices[first + 1] = twice.indices[first]
    twice.has_sorted_indices = twice.has_canonical_format = False
    summed = without_duplicates(twice)
    assert summed.nnz == X.nnz - 1
    assert twice.nnz == X.nnz
    expected = X[at].toarray().ravel()
    expected[X.indices[first]] += X.data[first + 1]
    expected[X.indices[first + 1]] = 0.0
    assert_array_equal(summed[at].toarray().ravel(), expected)
    assert_array_equal(summed[:at].toarray(), X[:at].toarray())
