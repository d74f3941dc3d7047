"""Arrays that need no closer look: quick checks for the rows of a running stream.

``validate_data`` takes longer than many an update; where these checks are not enough,
it decides.
"""

import math

import numpy as np

from skgd._input.targets import Classification, Regression

# Labels whose order NumPy knows without asking Python.
LABEL_KINDS = "biufUS"


def checked_chunk(estimator, X, y, task, dtype, trusted=False):
    """X and y as arrays if they need no closer look, else None.

    For an estimator that has seen rows before; ``validate_data`` takes longer than
    many an update.

    Parameters
    ----------
    estimator : BaseGD
    X, y : array-like
    task : a task of ``skgd._input.targets``
    dtype : dtype
        Of the rows seen before.
    trusted : bool
        Whether X is known to be finite.
    """
    n_rows = len(X) if type(X) is np.ndarray else 0
    if (
        not n_rows
        or hasattr(estimator, "feature_names_in_")
        or not is_plain(X, (n_rows, estimator.n_features_in_), dtype)
        or not (trusted or is_finite(X))
        or encoded(task, y, n_rows) is None
    ):
        return None
    return X, np.asarray(y)


def is_plain(X, shape, dtype):
    """Whether X is an array of the right form, row by row in memory."""
    return (
        type(X) is np.ndarray
        and X.shape == shape
        and X.dtype == dtype
        and X.flags.c_contiguous
    )


def is_finite(array):
    """Whether the sum is, which a look at each number could only confirm.

    That of the squares is faster where the numbers lie in one piece, and warns of
    nothing.
    """
    if array.flags.c_contiguous and array.dtype.kind == "f":
        vector = array.reshape(-1)
        if math.isfinite(vector.dot(vector)):
            return True
    with np.errstate(over="ignore", invalid="ignore"):
        return math.isfinite(array.sum())


def encoded(task, y, n):
    """float64 targets, or None if they need a closer look."""
    if type(y) is list:
        y = np.asarray(y)
    if type(y) is not np.ndarray or y.shape[:1] != (n,):
        return None
    if type(task) is Regression:
        if y.dtype.kind not in "iuf" or (y.ndim == 1) != task.is_flat:
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
