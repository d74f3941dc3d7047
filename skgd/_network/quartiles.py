"""How far the middle halves of columns reach: what a few huge entries do not change.

Moments cannot tell a column most of whose entries are one number from one with a long
tail, whose entries all differ.
"""

import numpy as np
from scipy import sparse

from skgd._stream.survey import sample_rows

# Rows that are looked at: enough for quartiles within a few per cent.
MOST_ROWS = 2048

# Numbers that are sorted at a time.
SORTED_NUMBERS = 2**20

# Between the quartiles of a normal distribution, in standard deviations.
NORMAL_QUARTILES = 1.3489795003921634

# Shares of the weight that differ by less are equal.
ROUNDING = 1e-12


def middle_spread(rows):
    """The distance of the quartiles, as the standard deviation of a normal column.

    Parameters
    ----------
    rows : Rows
        A table, or the sample that is kept of a stream.

    Returns
    -------
    array of shape (n_features,)
        0 where three quarters of the rows, by weight, have one number.
    """
    n_features = rows.X.shape[1]
    most = min(MOST_ROWS, sample_rows(n_features))
    # Powers of two, so that of a sample of every second row it leaves the same.
    stride = 1
    while -(-rows.order.size // stride) > most:
        stride *= 2
    order = rows.order[::stride]
    X, weights = rows.X[order], rows.weights[order].astype(np.float64)
    spread = np.zeros(n_features)
    columns = np.arange(n_features)
    if sparse.issparse(X):
        X = X.tocsc()
        filled = (X != 0).T @ weights
        columns = np.flatnonzero(filled >= (0.25 - ROUNDING) * weights.sum())
    size = max(1, SORTED_NUMBERS // len(weights))
    for start in range(0, len(columns), size):
        part = columns[start : start + size]
        block = X[:, part]
        block = block.toarray() if sparse.issparse(block) else block
        first, third = _quartiles(block.astype(np.float64), weights)
        # Numbers near the end of their range, whose columns are told by name.
        with np.errstate(over="ignore", invalid="ignore"):
            spread[part] = (third - first) / NORMAL_QUARTILES
    return np.nan_to_num(spread, nan=0.0, posinf=0.0)


def _quartiles(X, weights):
    """The smallest numbers up to which a quarter and three quarters of the weight lie.

    A row of weight two is two rows.
    """
    order = X.argsort(axis=0, kind="stable")
    below = weights[order].cumsum(axis=0)
    ranked = np.take_along_axis(X, order, axis=0)
    found = []
    for share in (0.25, 0.75):
        enough = (share - ROUNDING) * below[-1]
        place = (below < enough).sum(axis=0)
        found.append(np.take_along_axis(ranked, place[None], axis=0)[0])
    return found
