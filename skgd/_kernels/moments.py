"""Weighted mean, variance and range of the columns of dense rows, in one read of them.

A block at a time is copied to the first-level cache in double precision, where the two
passes of an exact variance cost little; blocks are merged by the update of Chan, Golub
and LeVeque (1983). All arithmetic is done on the copy, which is the same for every
memory layout, so that results do not depend on it.

Where old rows are forgotten, one row is taken in after the other (West, 1979): each
makes all before it older.
"""

import functools
import math
from typing import NamedTuple

import numba

from .compiling import (
    FLOAT,
    INDEX,
    INNER,
    VECTOR,
    kernel,
    matrix,
    numba_type,
    read_only,
    remembered,
    vector,
)
from .forgetting import left as share_left
from .memory import borrowed
from .merging import merged
from .records import ORDER, WEIGHTS, record

# A block fills a third of the first-level cache.
BLOCK_ROWS = 32
BLOCK_COLUMNS = 64


@numba.njit(**INNER, forceinline=True)
def _add_four(block, s, r, sums):
    """Four weighted rows, in one pass over the sums."""
    a, b, c, d = block[r], block[r + 1], block[r + 2], block[r + 3]
    t, u, v, w = s[r], s[r + 1], s[r + 2], s[r + 3]
    for j in range(sums.shape[0]):
        sums[j] += (t * a[j] + u * b[j]) + (v * c[j] + w * d[j])


@numba.njit(**INNER, forceinline=True)
def _add_four_squares(block, s, r, centre, sums):
    """Weighted squares of the deviations of four rows."""
    a, b, c, d = block[r], block[r + 1], block[r + 2], block[r + 3]
    t, u, v, w = s[r], s[r + 1], s[r + 2], s[r + 3]
    for j in range(sums.shape[0]):
        sums[j] += (t * (a[j] - centre[j]) ** 2 + u * (b[j] - centre[j]) ** 2) + (
            v * (c[j] - centre[j]) ** 2 + w * (d[j] - centre[j]) ** 2
        )


@numba.njit(**INNER, forceinline=True)
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


_merged = numba.njit(**INNER, inline="always")(merged)


@numba.njit(**INNER, forceinline=True)
def _merge(share, centre, squares, added, mean, variance):
    """Moments of a block into those of the rows before, of which it is a share."""
    for j in range(mean.shape[0]):
        mean[j], variance[j] = _merged(
            share, mean[j], variance[j], centre[j], squares[j] / added
        )


@numba.njit(**INNER, forceinline=True)
def _widen(block, n_rows, origin, low, high):
    """The smallest and the largest entry of each column, with those of a block."""
    for r in range(n_rows):
        row = block[r]
        for j in range(low.shape[0]):
            low[j] = min(low[j], row[j] + origin[j])
            high[j] = max(high[j], row[j] + origin[j])


class Table(NamedTuple):
    """Dense rows.

    Attributes
    ----------
    X : array of shape (n_rows, n_features)
    vector : array
        X as one vector; empty where neighbours in a row are not neighbours in memory.
    step : int
        Distance of the rows in `vector`.
    weights : float64 array of shape (n_rows,)
        None negative.
    order : int64 array
        The rows that count; all if it is empty.
    """

    X: object
    vector: object
    step: int
    weights: object
    order: object


class Columns(NamedTuple):
    """What is known of the columns, in float64 arrays of shape (n_features,).

    Attributes
    ----------
    mean, variance : array
        Zero before the first row.
    low, high : array
        The smallest and largest entries.
    """

    mean: object
    variance: object
    low: object
    high: object


class Workspace(NamedTuple):
    """To work in: made by the kernel it would take a second to compile.

    Attributes
    ----------
    rows : int64 array of shape (BLOCK_ROWS,)
    weights : float64 array of shape (BLOCK_ROWS,)
    block : float64 array of shape (BLOCK_ROWS + 2, BLOCK_COLUMNS)
    origin : float64 array of shape (n_features,)
    """

    rows: object
    weights: object
    block: object
    origin: object


@numba.njit(**INNER, forceinline=True)
def _heaviest(s, m):
    """The row of a block with the largest weight."""
    heaviest = 0
    for r in range(m):
        if s[r] > s[heaviest]:
            heaviest = r
    return heaviest


@numba.njit(**INNER, forceinline=True)
def _take_in(table, rows, s, block, left, added, share, origin, columns):
    """The moments of some columns of a block, into those of the rows before."""
    width, m = origin.shape[0], rows.shape[0]
    mean, variance, low, high = columns
    _deviations(table.X, table.vector, table.step, rows, left, origin, block)
    _widen(block, m, origin, low, high)
    centre, squares = block[BLOCK_ROWS][:width], block[BLOCK_ROWS + 1][:width]
    centre[:] = 0.0
    for r in range(0, m, 4):
        _add_four(block, s, r, centre)
    for j in range(width):
        centre[j] /= added
    squares[:] = 0.0
    for r in range(0, m, 4):
        _add_four_squares(block, s, r, centre, squares)
    _merge(share, centre, squares, added, mean, variance)


def update(table, weight, columns, workspace):
    """Take in the rows of a table; the columns move.

    Parameters
    ----------
    table : Table
    weight : float
        Of the rows taken in before.
    columns : Columns
    workspace : Workspace

    Returns
    -------
    float
        Weight of all rows.
    """
    table, columns = borrowed(table), borrowed(columns)
    rows, s, block, origin = borrowed(workspace)
    X, order = table.X, table.order
    mean, variance, low, high = columns
    every = order.shape[0] == 0
    n = X.shape[0] if every else order.shape[0]
    n_features = X.shape[1]
    origin[:] = 0.0
    begun = False
    for first in range(0, n, BLOCK_ROWS):
        m = min(BLOCK_ROWS, n - first)
        added = 0.0
        for r in range(m):
            rows[r] = first + r if every else order[first + r]
            s[r] = table.weights[rows[r]]
            added += s[r]
        if added == 0.0:
            continue
        if not begun:
            # Deviations from one of the rows keep offsets out of the sums.
            begun = True
            some = rows[_heaviest(s, m)]
            for j in range(n_features):
                origin[j] = X[some, j]
                if weight > 0.0:
                    mean[j] -= origin[j]
        # Four rows are handled at a time: fill up with one that weighs nothing.
        while m % 4:
            rows[m], s[m] = rows[0], 0.0
            m += 1
        weight += added
        share = added / weight
        for left in range(0, n_features, BLOCK_COLUMNS):
            right = min(left + BLOCK_COLUMNS, n_features)
            some_columns = Columns(
                mean[left:right],
                variance[left:right],
                low[left:right],
                high[left:right],
            )
            _take_in(
                table,
                rows[:m],
                s,
                block,
                left,
                added,
                share,
                origin[left:right],
                some_columns,
            )
    for j in range(n_features):
        mean[j] += origin[j]
    return weight


_share_left = numba.njit(**INNER)(share_left)


def update_forgetting(table, weight, half_life, columns):
    """Take in the rows of a table, each of which makes all before it older.

    Entries of a column are forgotten in the square of their distance from its mean: the
    range shrinks towards the mean, by half of that square in a half-life.

    Parameters
    ----------
    table : Table
    weight : float
        Of the rows taken in before.
    half_life : float
        Rows after which half of the weight of a row is left.
    columns : Columns

    Returns
    -------
    float
        What is left of the weight of all rows.
    """
    table, columns = borrowed(table), borrowed(columns)
    X, vector, step, weights, order = table
    mean, variance, low, high = columns
    kept = _share_left(half_life, 1)
    nearer = math.sqrt(kept)
    every = order.shape[0] == 0
    n = X.shape[0] if every else order.shape[0]
    for r in range(n):
        i = r if every else order[r]
        s = weights[i]
        if s == 0.0:
            continue
        weight = kept * weight + s
        share = s / weight
        rest = 1.0 - share
        for j in range(X.shape[1]):
            x = X[i, j] if vector.shape[0] == 0 else vector[i * step + j]
            x = float(x)
            centre = mean[j]
            low[j] = min(centre + nearer * (low[j] - centre), x)
            high[j] = max(centre + nearer * (high[j] - centre), x)
            delta = x - centre
            mean[j] = centre + share * delta
            variance[j] = rest * (variance[j] + share * delta * delta)
    return weight


COLUMNS = record(Columns, mean=VECTOR, variance=VECTOR, low=VECTOR, high=VECTOR)
WORKSPACE = record(
    Workspace,
    rows=vector(INDEX),
    weights=VECTOR,
    block=matrix(FLOAT),
    origin=VECTOR,
)


@remembered
def _table_type(element):
    """The type of `Table` in a precision."""
    return record(
        Table,
        X=read_only(element, 2),
        vector=read_only(element, 1, "C"),
        step=INDEX,
        weights=WEIGHTS,
        order=ORDER,
    )


@remembered
def moments_signature(element):
    """Of ``update``."""
    return FLOAT(_table_type(element), FLOAT, COLUMNS, WORKSPACE)


@remembered
def forgetting_signature(element):
    """Of ``update_forgetting``."""
    return FLOAT(_table_type(element), FLOAT, FLOAT, COLUMNS)


@functools.cache
def compiled_update(dtype):
    """``update`` for rows in a precision."""
    return kernel(update, moments_signature(numba_type(dtype)))


@functools.cache
def compiled_update_forgetting(dtype):
    """``update_forgetting`` for rows in a precision."""
    return kernel(update_forgetting, forgetting_signature(numba_type(dtype)))
