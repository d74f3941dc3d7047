"""Columns whose numbers are too large or too small to compute with.

Finds and names them; what is said about them is decided elsewhere.
"""

from dataclasses import replace

import numpy as np
from scipy import sparse

from skgd._input.sparse import ranges_of_columns

# Spreads of columns that can be scaled to 1: their squares, and the squares of what
# they are multiplied by, must be numbers.
USABLE = {
    np.dtype(np.float64): (1e-140, 1e140),
    np.dtype(np.float32): (1e-36, 1e36),
}

# Names listed in a message.
MOST_NAMES = 5


def usable_moments(moments, rows, dtype):
    """Moments in which columns that cannot be scaled look constant, and which they are.

    Parameters
    ----------
    moments : Moments
        Of the columns of all rows; not changed.
    rows : Rows
        Some of the rows at least.
    dtype : dtype
        Precision of the computations.

    Returns
    -------
    moments : Moments
        The same object where every column is usable.
    large, small : int arrays
        Numbers of the columns whose spread overflows or vanishes.
    """
    least, most = USABLE[np.dtype(dtype)]
    mean, variance = moments.mean, moments.variance
    with np.errstate(invalid="ignore", over="ignore"):
        spread = np.sqrt(variance)
        is_large = ~(np.isfinite(mean) & (spread <= most))
        # A spread below this and a mean above it are those of a constant.
        is_small = ~is_large & (spread < least) & (np.abs(mean) < least)
    small = np.flatnonzero(is_small)
    if small.size:
        small = small[largest_entries(rows, small) > 0.0]
    large = np.flatnonzero(is_large)
    unusable = np.concatenate([large, small])
    if unusable.size:
        mean, variance = mean.copy(), variance.copy()
        mean[unusable] = variance[unusable] = 0.0
        moments = replace(moments, mean=mean, variance=variance)
    return moments, large, small


def has_unusable_columns(rows):
    """Whether a column of sparse rows is too large or too small to compute with.

    Parameters
    ----------
    rows : Rows
        With a CSR matrix.

    Returns
    -------
    bool
    """
    least, most = USABLE[np.dtype(rows.X.dtype)]
    sizes = np.abs(rows.X.data)
    if sizes.max(initial=0.0) <= most and sizes.min(initial=1.0) >= least:
        return False
    largest = largest_entries(rows)
    return bool(((largest > most) | ((largest > 0.0) & (largest < least))).any())


def largest_entries(rows, columns=None):
    """Largest absolute value of each column over the rows that count.

    Parameters
    ----------
    rows : Rows
    columns : int array, default=None
        Numbers of the columns; by default all.

    Returns
    -------
    array of shape (n_columns,)
    """
    X = rows.X if columns is None else rows.X[:, columns]
    if not rows.as_they_came:
        X = X[rows.order]
    if not X.shape[0]:
        return np.zeros(X.shape[1])
    if sparse.issparse(X):
        low, high = ranges_of_columns(X)
        return np.maximum(high, -low)
    return np.maximum(X.max(axis=0), -X.min(axis=0))


def named(estimator, columns):
    """The columns by their names, or by their numbers where they have none."""
    columns = np.asarray(columns)
    names = getattr(estimator, "feature_names_in_", None)
    listed = [
        str(column) if names is None else repr(str(names[column]))
        for column in columns[:MOST_NAMES]
    ]
    if len(columns) > MOST_NAMES:
        listed.append(f"{len(columns) - MOST_NAMES} more")
    noun = "column" if len(columns) == 1 else "columns"
    return f"{noun} {', '.join(listed)}"
