"""Rows that need no closer look, whatever they come as: quick checks in few steps.

``validate_data`` takes longer than many an update and any prediction of one row. What
is refused here is no error: there ``validate_data`` decides, with its own messages.
"""

import math
import sys

import numpy as np
from scipy import sparse

from skgd._input.sparse import (
    INDEX_TYPES,
    NUMBERS,
    rises_within_rows,
    without_duplicates,
)
from skgd._input.validation import FLOATS

# Numbers from which on BLAS may share a product of two vectors among threads, who then
# wait for more at the cost of a processor.
LONG = 1 << 13

# Numbers that are looked at one by one in less time than NumPy takes to begin.
FEW = 1 << 5

CSR = (sparse.csr_matrix, sparse.csr_array)


def plain_rows(X, n_features, names=None, trusted=False):
    """X as an array of finite floats, or None if that takes a closer look.

    Parameters
    ----------
    X : array, list of lists, pandas or polars DataFrame, or anything else
    n_features : int
        Columns that there must be.
    names : array of str or None
        Names of the columns, where the estimator has been fitted with names.
    trusted : bool
        Whether X is known to be finite.

    Returns
    -------
    array of shape (n_rows, n_features) or None
        X itself if it holds float64 or float32, else float64, which is also what
        ``validate_data`` makes of it.
    """
    kind = type(X)
    if kind is not np.ndarray:
        X = _as_array(X, kind, names)
        if X is None:
            return None
    elif names is not None:
        return None
    if X.ndim != 2 or X.shape[1] != n_features or not X.size:
        return None
    if X.dtype not in FLOATS:
        if X.dtype.kind not in NUMBERS or X.itemsize > 8:
            return None
        X = X.astype(np.float64)
    return X if trusted or is_finite(X) else None


def plain_csr(X, n_features, names=None):
    """(values, columns, pointers, whether sorted) of a sound CSR matrix.

    None if that takes a closer look. Values are floats, as those of `plain_rows`, and
    no column is twice in a row: what is there twice is summed up. In time proportional
    to the number of entries, where they are sorted.
    """
    if type(X) not in CSR or X.shape[1] != n_features or names is not None:
        return None
    n_rows = X.shape[0]
    values, columns, pointers = X.data, X.indices, X.indptr
    if (
        type(values) is not np.ndarray
        or values.ndim != 1
        or columns.shape != values.shape
        or pointers.shape != (n_rows + 1,)
        or not n_rows
        or columns.dtype not in INDEX_TYPES
        or pointers.dtype not in INDEX_TYPES
        or pointers[0] != 0
        or pointers[-1] != values.size
        or (n_rows > 1 and (pointers[1:] < pointers[:-1]).any())
    ):
        return None
    if values.dtype not in FLOATS and (
        values.dtype.kind not in NUMBERS or values.itemsize > 8
    ):
        return None
    rising = True
    if values.size:
        # As numbers without a sign the negative ones are the largest.
        if int(columns.view(f"u{columns.itemsize}").max()) >= n_features:
            return None
        rising = rises_within_rows(X)
        if not rising:
            values, columns, pointers = _summed(values, columns, pointers)
            rising = values.size < X.data.size
    if values.dtype not in FLOATS:
        values = values.astype(np.float64)
    values = np.ascontiguousarray(values)
    if not is_finite(values):
        return None
    return values, np.ascontiguousarray(columns), pointers, rising


def _summed(values, columns, pointers):
    """Unsorted entries, those of the same place summed up as the usual way does it."""
    used, numbers = np.unique(columns, return_inverse=True)
    numbers = numbers.astype(columns.dtype)
    shape = len(pointers) - 1, used.size
    summed = without_duplicates(sparse.csr_array((values, numbers, pointers), shape))
    if summed.nnz == values.size:
        return values, columns, pointers
    return summed.data, used[summed.indices], summed.indptr


def _as_array(X, kind, names):
    """An array of whatever numbers, or None."""
    if kind is list or kind is tuple:
        return None if names is not None else _of_lists(X)
    if kind is np.memmap:
        return None if names is not None else np.asarray(X)
    if names is None or kind.__name__ != "DataFrame":
        return None
    library = kind.__module__.partition(".")[0]
    # A frame of a module that is not loaded does not exist.
    if library == "pandas" and kind is sys.modules["pandas"].DataFrame:
        if X.columns.tolist() != names.tolist():
            return None
        # Types that are not of NumPy have rules of their own.
        if not all(isinstance(dtype, np.dtype) for dtype in X.dtypes.tolist()):
            return None
        return X.to_numpy()
    if library == "polars" and kind is sys.modules["polars"].DataFrame:
        return X.to_numpy() if X.columns == names.tolist() else None
    return None


def _of_lists(X):
    try:
        return np.array(X)
    except (ValueError, TypeError, OverflowError):
        return None


def is_finite(array):
    """Whether the sum is, which a look at each number could only confirm.

    That of the squares is faster for some numbers that lie in one piece, and a look at
    each for few.
    """
    if array.size <= FEW:
        return all(map(math.isfinite, array.ravel().tolist()))
    with np.errstate(over="ignore", invalid="ignore"):
        few = array.size <= LONG
        if few and array.flags.c_contiguous and array.dtype.kind == "f":
            vector = array.reshape(-1)
            if math.isfinite(vector.dot(vector)):
                return True
        return math.isfinite(array.sum())


def as_plain_vector(y):
    """A column of pandas or polars as an array; other things as they are."""
    kind = type(y)
    if kind.__name__ != "Series":
        return y
    library = kind.__module__.partition(".")[0]
    if library in ("pandas", "polars") and kind is sys.modules[library].Series:
        return y.to_numpy()
    return y
