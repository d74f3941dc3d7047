"""Arrays that need no closer look: quick checks for the rows of a running stream.

``validate_data`` takes longer than many an update; where these checks are not enough,
it decides.
"""

import math

import numpy as np

from skgd._input.numbers import is_finite
from skgd._input.plain import as_plain_vector, plain_rows
from skgd._input.targets import Classification, Regression

# Labels whose order NumPy knows without asking Python.
LABEL_KINDS = "biufUS"

# The largest number in the precision of scores of float32 rows.
LARGEST = float(np.finfo(np.float32).max)

# The kinds of what Python has for them.
KIND_OF = {bool: "b", int: "i", float: "f", str: "U", bytes: "S"}


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
