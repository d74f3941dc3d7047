"""Sum of gradients of a linear model over a block of rows, dense and CSR.

theta holds the weights, (features, outputs) row by row, then the intercepts. The model
acts on z = (x - mean) * scale, computed row by row: X is never copied as a whole. No
scale stands for 1; dense rows always come with a mean, if only of zeros.
`bias` is 1, or 0 for a model without intercept: the constant feature of the intercept.
The sum is added to `gradient`, which is zero on entry; an empty one asks for the sum of
losses only.
"""

from typing import NamedTuple

import numba
import numpy as np

from .compiling import INDEX, INNER, matrix, read_only, remembered, vector
from .memory import (
    PIECE,
    flat,
    part,
    prefetch,
    prefetch_part,
    prefetch_row,
    rows_ahead,
    unsigned,
)
from .outputs import sum_of_losses
from .records import record

# A table that lies in the second-level cache after its first pass: nothing to ask for.
NEAR_BYTES = 1 << 18

# The parts of a block become one function before it is optimised: batches of one row
# then take a fifth less time than with parts that are optimised apart.
INLINED = INNER | {"inline": "always"}

# From so many rows on a matrix product pays for its call; for one row it does only with
# more outputs than this.
FEW_ROWS = 4
FEW_OUTPUTS = 4


class OneOutput(NamedTuple):
    """Dense rows for a model with one output.

    Attributes
    ----------
    X : array of shape (n_rows, n_features)
        Of any strides.
    vector : array
        The same numbers in one piece, row after row; empty if they lie otherwise.
    step : int
        Distance of the rows in `vector`.
    mean : array of shape (n_features,)
    scale : array of shape (n_features,) or (0,)
    bias : float
    buffer : array of shape (block rows + 1, n_features)
        For copies of rows; the last one for the weights of scaled features.
    scores : array of shape (block rows, 1)
    """

    X: object
    vector: object
    step: int
    mean: object
    scale: object
    bias: float
    buffer: object
    scores: object


class SeveralOutputs(OneOutput):
    """Dense rows for a model with several outputs; fields as of `OneOutput`.

    A type of its own, so that the loops over batches are compiled for each, and only
    for the one that is used.
    """

    __slots__ = ()


class SparseRows(NamedTuple):
    """CSR rows.

    Attributes
    ----------
    values : array of shape (n_entries,)
    columns : integer array of shape (n_entries,)
    pointers : integer array of shape (n_rows + 1,)
        Where the entries of each row begin.
    mean : array of shape (n_features,) or (0,)
    scale : array of shape (n_features,) or (0,)
    bias : float
    scores : array of shape (block rows, n_outputs)
    """

    values: object
    columns: object
    pointers: object
    mean: object
    scale: object
    bias: float
    scores: object


@remembered
def dense_type(cls, element):
    """The type of `OneOutput` or `SeveralOutputs` in a precision."""
    return record(
        cls,
        X=read_only(element, 2),
        vector=read_only(element, 1, "C"),
        step=INDEX,
        mean=vector(element),
        scale=vector(element),
        bias=element,
        buffer=matrix(element),
        scores=matrix(element),
    )


@remembered
def sparse_type(element, index):
    """The type of `SparseRows` in a precision, with columns of an integer type."""
    return record(
        SparseRows,
        values=read_only(element, 1, "C"),
        columns=read_only(index, 1, "C"),
        pointers=read_only(index, 1, "C"),
        mean=vector(element),
        scale=vector(element),
        bias=element,
        scores=matrix(element),
    )


@numba.njit(**INNER)
def _score(row, mean, coef):
    z = coef.dtype.type(0.0)
    for j in range(mean.shape[0]):
        z += (row[j] - mean[j]) * coef[j]
    return z


@numba.njit(**INNER, forceinline=True)
def _score_four(a, b, c, d, mean, coef):
    """The scores of four rows in one pass over the weights."""
    zero = coef.dtype.type(0.0)
    u, v, w, x = zero, zero, zero, zero
    for j in range(mean.shape[0]):
        u += (a[j] - mean[j]) * coef[j]
        v += (b[j] - mean[j]) * coef[j]
        w += (c[j] - mean[j]) * coef[j]
        x += (d[j] - mean[j]) * coef[j]
    return u, v, w, x


@numba.njit(**INNER, forceinline=True)
def _add_four(a, b, c, d, mean, u, v, w, x, gradient):
    """Four rows times their derivatives, in one pass over the gradient."""
    for j in range(mean.shape[0]):
        gradient[j] += (u * (a[j] - mean[j]) + v * (b[j] - mean[j])) + (
            w * (c[j] - mean[j]) + x * (d[j] - mean[j])
        )


class Reading(NamedTuple):
    """How the rows of a block are read, in two passes over them.

    Attributes
    ----------
    numbers : array
        Row after row: X where it lies in one piece, or copies of a block of rows.
    step : int
        Distance of the rows in it.
    in_place : bool
        Whether it is X.
    distance : int
        How many rows before its use a row is asked for.
    asked, asked_again : int
        Rows that are asked for with every four of them, in the first and in the second
        pass.
    """

    numbers: object
    step: int
    in_place: bool
    distance: int
    asked: int
    asked_again: int


@numba.njit(**INLINED)
def _reading(rows, start, stop, wanted):
    """How rows are read, where a gradient is wanted or not.

    A few at a time, so that the second pass over them, for the gradient, finds them in
    the cache. The first pass asks for as many rows to come. Where they lie in sequence
    memory is the bound, and both passes ask for half of them.
    """
    data, order = rows.data, rows.order
    vector, n_features = data.vector, data.mean.shape[0]
    in_place = vector.shape[0] > 0
    numbers = vector if in_place else flat(data.buffer)
    step = data.step if in_place else n_features
    distance = rows_ahead(n_features, vector.itemsize)
    in_sequence = order[stop - 1] - order[start] == stop - 1 - start
    in_sequence &= wanted
    far = in_place and vector.shape[0] * vector.itemsize > NEAR_BYTES
    asked = (2 if in_sequence else 4) if far else 0
    asked_again = asked if in_sequence else 0
    return Reading(numbers, step, in_place, distance, asked, asked_again)


@numba.njit(**INLINED)
def _place(reading, order, first, r):
    """Where row r of a block begins, in X or in the copy of the block."""
    return (order[first + r] if reading.in_place else r) * reading.step


@numba.njit(**INLINED)
def _four_places(reading, order, first, r):
    return (
        _place(reading, order, first, r),
        _place(reading, order, first, r + 1),
        _place(reading, order, first, r + 2),
        _place(reading, order, first, r + 3),
    )


@numba.njit(**INLINED)
def _ask(rows, step, first, n_rows, start, size):
    """Ask for a piece of some rows of the order; for their targets with the first."""
    vector, order = rows.data.vector, rows.order
    for at in range(first, min(first + n_rows, order.shape[0])):
        i = order[at]
        prefetch_part(vector, i * step + start, i * step + start + size)
        if start == 0:
            prefetch(rows.targets, i)


@numba.njit(**INNER, forceinline=True)
def _four_parts(numbers, places, start, size):
    a, b, c, d = places
    return (
        part(numbers, a + start, size),
        part(numbers, b + start, size),
        part(numbers, c + start, size),
        part(numbers, d + start, size),
    )


@numba.njit(**INLINED)
def _copy_block(rows, first, m):
    """Copies of rows that do not lie in one piece."""
    X, buffer = rows.data.X, rows.data.buffer
    for r in range(m):
        copy, i = buffer[r], rows.order[first + r]
        for j in range(X.shape[1]):
            copy[j] = X[i, j]


@numba.njit(**INLINED)
def _score_block(rows, reading, first, m, coef, intercept):
    """Fill in the scores of a block of rows, four at a time and then one by one."""
    order, mean, scores = rows.order, rows.data.mean, rows.data.scores
    numbers, step, asked = reading.numbers, reading.step, reading.asked
    n_features = mean.shape[0]
    fours = m - m % 4
    for r in range(0, fours, 4):
        ahead = first + reading.distance + r * asked // 4
        places = _four_places(reading, order, first, r)
        u, v, w, x = intercept, intercept, intercept, intercept
        # The first piece is the whole of a short row, which the compiler makes more of
        # if it is told.
        size = min(n_features, PIECE)
        _ask(rows, step, ahead, asked, 0, size)
        a, b, c, d = _four_parts(numbers, places, 0, size)
        du, dv, dw, dx = _score_four(a, b, c, d, part(mean, 0, size), coef)
        u, v, w, x = u + du, v + dv, w + dw, x + dx
        for j in range(PIECE, n_features, PIECE):
            size = min(n_features - j, PIECE)
            _ask(rows, step, ahead, asked, j, size)
            a, b, c, d = _four_parts(numbers, places, j, size)
            middle, weights = part(mean, j, size), part(coef, j, size)
            du, dv, dw, dx = _score_four(a, b, c, d, middle, weights)
            u, v, w, x = u + du, v + dv, w + dw, x + dx
        scores[r, 0], scores[r + 1, 0] = u, v
        scores[r + 2, 0], scores[r + 3, 0] = w, x
    for r in range(fours, m):
        if asked:
            _ask(rows, step, first + reading.distance + r, 1, 0, n_features)
        row = part(numbers, _place(reading, order, first, r), n_features)
        scores[r, 0] = intercept + _score(row, mean, coef)


@numba.njit(**INLINED)
def _add_block(rows, reading, first, m, slope, gradient):
    """Add a block of rows times the derivatives that their scores have become.

    Returns `slope`, with the derivatives added to it.
    """
    order, mean, scores = rows.order, rows.data.mean, rows.data.scores
    numbers = reading.numbers
    n_features = mean.shape[0]
    fours = m - m % 4
    for r in range(0, fours, 4):
        places = _four_places(reading, order, first, r)
        u, v = scores[r, 0], scores[r + 1, 0]
        w, x = scores[r + 2, 0], scores[r + 3, 0]
        slope += (u + v) + (w + x)
        ahead = first + reading.distance + (fours + r) // 2
        for j in range(0, n_features, PIECE):
            size = min(n_features - j, PIECE)
            if reading.asked_again:
                _ask(rows, reading.step, ahead, reading.asked_again, j, size)
            a, b, c, d = _four_parts(numbers, places, j, size)
            middle, sums = part(mean, j, size), part(gradient, j, size)
            _add_four(a, b, c, d, middle, u, v, w, x, sums)
    for r in range(fours, m):
        row = part(numbers, _place(reading, order, first, r), n_features)
        u = scores[r, 0]
        slope += u
        for j in range(n_features):
            gradient[j] += u * (row[j] - mean[j])
    return slope


def one_output_block(rows, start, stop, cost, theta, gradient):
    """For one output. Rows that lie in one piece are read where they lie.

    The scale moves from the rows to the weights and to the finished sum, so that a row
    costs a subtraction more than raw features would.
    """
    _, _, _, mean, scale, bias, buffer, scores = rows.data
    n_features = mean.shape[0]
    block = scores.shape[0]
    wanted = gradient.shape[0] > 0
    reading = _reading(rows, start, stop, wanted)
    coef = part(theta, 0, n_features)
    if scale.shape[0] > 0:
        coef = buffer[block]
        for j in range(n_features):
            coef[j] = theta[j] * scale[j]
    intercept = bias * theta[n_features]
    total = 0.0
    slope = theta.dtype.type(0.0)
    for first in range(start, stop, block):
        m = min(block, stop - first)
        if not reading.in_place:
            _copy_block(rows, first, m)
        _score_block(rows, reading, first, m, coef, intercept)
        total += sum_of_losses(rows, first, first + m, cost, scores)
        if wanted:
            slope = _add_block(rows, reading, first, m, slope, gradient)
    if wanted:
        gradient[n_features] += bias * slope
        for j in range(scale.shape[0]):
            gradient[j] *= scale[j]
    return total


@numba.njit(**INNER)
def _scores_of_rows(rows, coef, scores):
    """Matrix product of rows and weights; one row of few outputs without that call."""
    if rows.shape[0] > 1 or scores.shape[1] > FEW_OUTPUTS:
        np.dot(rows, coef, scores)
        return
    for k in range(scores.shape[1]):
        z = rows.dtype.type(0.0)
        for j in range(rows.shape[1]):
            z += rows[0, j] * coef[j, k]
        scores[0, k] = z


@numba.njit(**INNER)
def _add_outer_products(rows, scores, gradient, is_zero):
    """Add the product of the transposed rows and their derivatives to `gradient`."""
    n_features, n_outputs = rows.shape[1], scores.shape[1]
    n_weights = n_features * n_outputs
    if rows.shape[0] >= FEW_ROWS:
        if is_zero:
            sums = gradient[:n_weights].reshape((n_features, n_outputs))
            np.dot(rows.T, scores, sums)
            return
        product = np.dot(rows.T, scores).ravel()
        for j in range(n_weights):
            gradient[j] += product[j]
        return
    for r in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            x = rows[r, j]
            for k in range(n_outputs):
                gradient[j * n_outputs + k] += x * scores[r, k]


def several_outputs_block(rows, start, stop, cost, theta, gradient):
    """For any number of outputs: a copy of some rows at a time, and matrix products."""
    targets, order = rows.targets, rows.order
    X, vector, step, mean, scale, bias, buffer, scores = rows.data
    n_features = X.shape[1]
    n_outputs = scores.shape[1]
    block = scores.shape[0]
    n_weights = n_features * n_outputs
    intercept = theta[n_weights:]
    coef = theta[:n_weights].reshape((n_features, n_outputs))
    contiguous = vector.shape[0] > 0
    distance = rows_ahead(n_features, vector.itemsize)
    wanted = gradient.shape[0] > 0
    total = 0.0
    for first in range(start, stop, block):
        m = min(block, stop - first)
        for r in range(m):
            at = first + r
            copy = buffer[r]
            if contiguous:
                if at + distance < order.shape[0]:
                    ahead = order[at + distance]
                    prefetch_row(vector, targets, ahead, step, n_features)
                given = part(vector, order[at] * step, n_features)
                for j in range(n_features):
                    copy[j] = given[j] - mean[j]
            else:
                i = order[at]
                for j in range(n_features):
                    copy[j] = X[i, j] - mean[j]
            for j in range(scale.shape[0]):
                copy[j] *= scale[j]
        copies, z = buffer[:m], scores[:m]
        _scores_of_rows(copies, coef, z)
        for r in range(m):
            for k in range(n_outputs):
                z[r, k] += bias * intercept[k]
        total += sum_of_losses(rows, first, first + m, cost, scores)
        if wanted:
            _add_outer_products(copies, z, gradient, first == start)
            for r in range(m):
                for k in range(n_outputs):
                    gradient[n_weights + k] += bias * z[r, k]
    return total


@numba.njit(**INNER, forceinline=True)
def entries_of(data, i):
    """The entries of a CSR row, and their features."""
    first = np.int64(data.pointers[unsigned(i)])
    size = np.int64(data.pointers[unsigned(i + 1)]) - first
    return part(data.values, first, size), part(data.columns, first, size)


@numba.njit(**INNER, forceinline=True)
def _scaled(x, scale, j):
    """An entry of feature j in the units of the model."""
    return x * scale[unsigned(j)] if scale.shape[0] > 0 else x


@numba.njit(**INNER, forceinline=True)
def _scores_of_entries(data, order, first, m, theta, offset):
    """Fill in the scores of some CSR rows."""
    scale, scores = data.scale, data.scores
    n_outputs = scores.shape[1]
    single = n_outputs == 1 and scale.shape[0] == 0
    for r in range(m):
        for k in range(n_outputs):
            scores[r, k] = offset[k]
        entries, features = entries_of(data, order[first + r])
        if single:
            z = scores[r, 0]
            for q in range(entries.shape[0]):
                z += entries[q] * theta[unsigned(features[q])]
            scores[r, 0] = z
            continue
        for q in range(entries.shape[0]):
            j = np.int64(features[q])
            x = _scaled(entries[q], scale, j)
            for k in range(n_outputs):
                scores[r, k] += x * theta[unsigned(j * n_outputs + k)]


@numba.njit(**INNER, forceinline=True)
def _add_entries(data, order, first, m, derivative_sum, gradient):
    """Add some CSR rows, times the derivatives that their scores have become."""
    scale, scores = data.scale, data.scores
    n_outputs = scores.shape[1]
    single = n_outputs == 1 and scale.shape[0] == 0
    for r in range(m):
        for k in range(n_outputs):
            derivative_sum[k] += scores[r, k]
        entries, features = entries_of(data, order[first + r])
        if single:
            slope = scores[r, 0]
            for q in range(entries.shape[0]):
                gradient[unsigned(features[q])] += entries[q] * slope
            continue
        for q in range(entries.shape[0]):
            j = np.int64(features[q])
            x = _scaled(entries[q], scale, j)
            for k in range(n_outputs):
                gradient[unsigned(j * n_outputs + k)] += x * scores[r, k]


def csr_block(rows, start, stop, cost, theta, gradient):
    """For CSR rows and any number of outputs."""
    data, order = rows.data, rows.order
    mean, scale, bias, scores = data.mean, data.scale, data.bias, data.scores
    n_outputs = scores.shape[1]
    block = scores.shape[0]
    n_features = theta.shape[0] // n_outputs - 1
    n_weights = n_features * n_outputs
    centred = mean.shape[0] > 0
    # Centring without touching the zeros: (x - mean) * scale @ W + b
    # = (x * scale) @ W + (b - (mean * scale) @ W).
    offset = bias * theta[n_weights:]
    if centred:
        for j in range(n_features):
            for k in range(n_outputs):
                offset[k] -= mean[j] * scale[j] * theta[j * n_outputs + k]
    derivative_sum = np.zeros_like(offset)
    total = 0.0
    for first in range(start, stop, block):
        m = min(block, stop - first)
        _scores_of_entries(data, order, first, m, theta, offset)
        total += sum_of_losses(rows, first, first + m, cost, scores)
        if gradient.shape[0] > 0:
            _add_entries(data, order, first, m, derivative_sum, gradient)
    if gradient.shape[0] > 0:
        for k in range(n_outputs):
            gradient[n_weights + k] += bias * derivative_sum[k]
        if centred:
            for j in range(n_features):
                for k in range(n_outputs):
                    gradient[j * n_outputs + k] -= (
                        mean[j] * scale[j] * derivative_sum[k]
                    )
    return total
