"""Rows and targets that need no closer look: quick checks in few steps.

``validate_data`` takes longer than many an update and any prediction of one row. What
is refused here is no error: there ``validate_data`` decides, with its own messages.
"""

import math
import sys

import numpy as np
from scipy import sparse

from skgd._input.numbers import FLOATS, LONG, NUMBERS
from skgd._input.sparse import INDEX_TYPES, rises_within_rows, without_duplicates
from skgd._input.targets import Classification, Regression

CSR = (sparse.csr_matrix, sparse.csr_array)

# Numbers that are looked at one by one in less time than NumPy takes to begin.
FEW = 1 << 5

# Labels whose order NumPy knows without asking Python.
LABEL_KINDS = "biufUS"

# The largest number in the precision of scores of float32 rows.
LARGEST = float(np.finfo(np.float32).max)

# The kinds of what Python has for them.
KIND_OF = {bool: "b", int: "i", float: "f", str: "U", bytes: "S"}


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


def as_plain_vector(y):
    """A column of pandas or polars as an array; other things as they are."""
    kind = type(y)
    if kind.__name__ != "Series":
        return y
    library = kind.__module__.partition(".")[0]
    if library in ("pandas", "polars") and kind is sys.modules[library].Series:
        return y.to_numpy()
    return y


def checked_chunk(X, y, task, n_features, names=None, trusted=False):
    """X and y as arrays if they need no closer look, else None.

    For estimators that have seen rows before; ``validate_data`` takes longer than
    many an update.

    Parameters
    ----------
    X, y : array-like
    task : a task of ``skgd._input.targets``
    n_features : int
    names : array of str or None
        Those of the features, as far as they are known.
    trusted : bool
        Whether X is known to be finite.
    """
    X = plain_rows(X, n_features, names, trusted)
    if X is None:
        return None
    y = as_plain_vector(y)
    targets = encoded(task, y, len(X))
    if targets is None:
        return None
    if X.dtype == np.float32 and np.abs(targets).max() > LARGEST:
        return None
    return X, np.asarray(y)


def encoded(task, y, n):
    """float64 targets, or None if they need a closer look."""
    if type(y) is list:
        y = np.asarray(y)
    if type(y) is not np.ndarray or y.shape[:1] != (n,):
        return None
    if type(task) is Regression:
        if y.dtype.kind not in "iuf" or y.ndim != (1 if task.is_flat else 2):
            return None
        targets = y.astype(np.float64).reshape(n, -1)
        same = targets.shape[1] == task.n_targets
        return targets if same and is_finite(targets) else None
    if type(task) is not Classification or y.ndim != 1:
        return None
    classes = task.classes
    if y.dtype.kind not in LABEL_KINDS or classes.dtype.kind not in LABEL_KINDS:
        return None
    index = classes.searchsorted(y)
    if not (classes.take(index, mode="clip") == y).all():
        return None
    codes = index if task.n_outputs > 1 else 2 * index - 1
    return codes.astype(np.float64).reshape(n, 1)


class Encoder:
    """Targets of single rows as numbers, without the detour by arrays.

    Parameters
    ----------
    task : a task of ``skgd._input.targets``
    """

    def __init__(self, task):
        self.task = task
        self._codes = None
        self._is_flat = type(task) is Regression and task.is_flat
        if type(task) is Classification and task.classes.dtype.kind in LABEL_KINDS:
            codes = task.encode(task.classes)[:, 0].tolist()
            self._codes = dict(zip(task.classes.tolist(), codes, strict=True))

    def into(self, targets, y):
        """Write the targets of y into an array; False if they need a closer look.

        Parameters
        ----------
        targets : float64 array of shape (n_rows, n_targets)
        y : array-like
        """
        y = as_plain_vector(y)
        if targets.size == 1:
            value = self._of_one(y)
            if value is not None:
                targets[0, 0] = value
                return True
        found = encoded(self.task, y, len(targets))
        if found is None:
            return False
        targets[:] = found
        return True

    def _of_one(self, y):
        """The number of a single target, or None."""
        if type(y) is np.ndarray:
            kind = y.dtype.kind
            if y.shape != (1,) or kind not in LABEL_KINDS + "O":
                return None
            value = y.item()
        elif type(y) is list and len(y) == 1:
            value = y[0]
            kind = KIND_OF.get(type(value), "O")
            if isinstance(value, np.generic):
                kind, value = value.dtype.kind, value.item()
        else:
            return None
        if self._codes is not None:
            # Equal values of other kinds, fractions for example, are no labels.
            if kind in LABEL_KINDS or (kind == "O" and type(value) is str):
                return self._codes.get(value)
            return None
        if not self._is_flat or kind not in "iuf":
            return None
        try:
            value = float(value)
        except OverflowError:
            return None
        return value if math.isfinite(value) else None
