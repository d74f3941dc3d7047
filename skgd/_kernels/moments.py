"""Weighted mean, variance and range of the columns of dense rows, in one read of them.

A block at a time is copied to the first-level cache in double precision, where the two
passes of an exact variance cost little; blocks are merged by the update of Chan, Golub
and LeVeque (1983). All arithmetic is done on the copy, which is the same for every
memory layout, so that results do not depend on it.
"""

import numba
from numba import types

from .compiling import (
    FLOAT,
    INDEX,
    OPTIONS,
    ORDER,
    VECTOR,
    WEIGHTS,
    matrix,
    read_only,
    remembered,
    vector,
)
from .memory import borrowed

# A block fills a third of the first-level cache.
BLOCK_ROWS = 32
BLOCK_COLUMNS = 64


@numba.njit(**OPTIONS, forceinline=True)
def _add_four(block, s, r, sums):
    """Four weighted rows, in one pass over the sums."""
    a, b, c, d = block[r], block[r + 1], block[r + 2], block[r + 3]
    t, u, v, w = s[r], s[r + 1], s[r + 2], s[r + 3]
    for j in range(sums.shape[0]):
        sums[j] += (t * a[j] + u * b[j]) + (v * c[j] + w * d[j])


@numba.njit(**OPTIONS, forceinline=True)
def _add_four_squares(block, s, r, centre, sums):
    """Weighted squares of the deviations of four rows."""
    a, b, c, d = block[r], block[r + 1], block[r + 2], block[r + 3]
    t, u, v, w = s[r], s[r + 1], s[r + 2], s[r + 3]
    for j in range(sums.shape[0]):
        sums[j] += (t * (a[j] - centre[j]) ** 2 + u * (b[j] - centre[j]) ** 2) + (
            v * (c[j] - centre[j]) ** 2 + w * (d[j] - centre[j]) ** 2
        )


@numba.njit(**OPTIONS, forceinline=True)
def _deviations(X, vector, step, rows, left, origin, block):
    """Some rows and columns of X less the origin, row by row where they lie so."""
    width = origin.shape[0]
    if vector.shape[0] > 0:
        for r in range(rows.shape[0]):
            at = rows[r] * step + left
            row, copy = vector[at : at + width], block[r]
            for j in range(width):
                copy[j] = row[j] - origin[j]
        return
    # Column by column, as X probably lies.
    for j in range(width):
        for r in range(rows.shape[0]):
            block[r, j] = X[rows[r], left + j] - origin[j]


@numba.njit(**OPTIONS, forceinline=True)
def _merge(share, centre, squares, added, mean, variance):
    """Moments of a block into those of the rows before, of which it is a share."""
    for j in range(mean.shape[0]):
        delta = centre[j] - mean[j]
        variance[j] = (
            (1.0 - share) * variance[j]
            + share * (squares[j] / added)
            + share * (1.0 - share) * delta**2
        )
        mean[j] += share * delta


@numba.njit(**OPTIONS, forceinline=True)
def _widen(block, n_rows, origin, low, high):
    """The smallest and the largest entry of each column, with those of a block."""
    for r in range(n_rows):
        row = block[r]
        for j in range(low.shape[0]):
            low[j] = min(low[j], row[j] + origin[j])
            high[j] = max(high[j], row[j] + origin[j])


def update(X, vector, step, weights, order, weight, mean, variance, ends, room):
    """Take in the rows of `order`, or all if it is empty; `mean` and `variance` move.

    Parameters
    ----------
    X : array of shape (n_rows, n_features)
    vector, step : array, int
        X as one vector and the distance of its rows there; empty where neighbours in a
        row are not neighbours in memory.
    weights : float64 array of shape (n_rows,)
        None negative.
    order : int64 array
    weight : float
        Of the rows taken in before.
    mean, variance : float64 arrays of shape (n_features,)
        Of the rows taken in before, zero if there were none; afterwards of all.
    ends : two float64 arrays of shape (n_features,)
        The smallest and largest entries of the rows taken in before; moved likewise.
    room : tuple
        To work in: int64 array of shape (BLOCK_ROWS,), float64 arrays of shape
        (BLOCK_ROWS,), (BLOCK_ROWS + 2, BLOCK_COLUMNS) and (n_features,). Made here
        they would take a second to compile.

    Returns
    -------
    float
        Weight of all rows.
    """
    X, vector, weights = borrowed(X), borrowed(vector), borrowed(weights)
    order, mean, variance = borrowed(order), borrowed(mean), borrowed(variance)
    low, high = borrowed(ends)
    every = order.shape[0] == 0
    n = X.shape[0] if every else order.shape[0]
    n_features = X.shape[1]
    rows, s, block, origin = borrowed(room)
    centres, sums = block[BLOCK_ROWS], block[BLOCK_ROWS + 1]
    origin[:] = 0.0
    begun = False
    for first in range(0, n, BLOCK_ROWS):
        m = min(BLOCK_ROWS, n - first)
        added = 0.0
        for r in range(m):
            rows[r] = first + r if every else order[first + r]
            s[r] = weights[rows[r]]
            added += s[r]
        if added == 0.0:
            continue
        if not begun:
            # Deviations from one of the rows keep offsets out of the sums.
            begun = True
            heaviest = 0
            for r in range(m):
                if s[r] > s[heaviest]:
                    heaviest = r
            some = rows[heaviest]
            for j in range(n_features):
                origin[j] = X[some, j]
                if weight > 0.0:
                    mean[j] -= origin[j]
        # Four rows are handled at a time: fill up with one that weighs nothing.
        while m % 4:
            rows[m], s[m] = rows[0], 0.0
            m += 1
        weight += added
        for left in range(0, n_features, BLOCK_COLUMNS):
            right = min(left + BLOCK_COLUMNS, n_features)
            _deviations(X, vector, step, rows[:m], left, origin[left:right], block)
            _widen(block, m, origin[left:right], low[left:right], high[left:right])
            centre, squares = centres[: right - left], sums[: right - left]
            centre[:] = 0.0
            for r in range(0, m, 4):
                _add_four(block, s, r, centre)
            for j in range(centre.shape[0]):
                centre[j] /= added
            squares[:] = 0.0
            for r in range(0, m, 4):
                _add_four_squares(block, s, r, centre, squares)
            share = added / weight
            _merge(
                share, centre, squares, added, mean[left:right], variance[left:right]
            )
    for j in range(n_features):
        mean[j] += origin[j]
    return weight


@remembered
def moments_signature(element):
    """Of ``update``."""
    return FLOAT(
        read_only(element, 2),
        read_only(element, 1, "C"),
        INDEX,
        WEIGHTS,
        ORDER,
        FLOAT,
        VECTOR,
        VECTOR,
        types.UniTuple(VECTOR, 2),
        types.Tuple([vector(INDEX), VECTOR, matrix(FLOAT), VECTOR]),
    )
