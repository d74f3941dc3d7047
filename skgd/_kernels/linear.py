"""Sum of gradients of a linear model over a block of rows, dense and CSR.

theta holds the weights, (features, outputs) row by row, then the intercepts. The model
acts on z = (x - mean) * scale, computed row by row: X is never copied as a whole. No
mean and no scale stand for the features as given.
`bias` is 1, or 0 for a model without intercept: the constant feature of the intercept.
An empty `gradient` asks for the sum of losses only.
"""

import numba
import numpy as np

from .compiling import OPTIONS
from .pointers import call_float
from .prefetch import AHEAD, prefetch


@numba.njit(**OPTIONS)
def row_of(data, i, buffer):
    """Row i in the model's coordinates, contiguous: in place, or copied to `buffer`."""
    X, vector, step, mean, scale, _, _, _ = data
    n_features = X.shape[1]
    standardised = mean.shape[0] > 0
    if vector.shape[0] > 0:
        row = vector[i * step : i * step + n_features]
        if not standardised:
            return row
        for j in range(n_features):
            buffer[j] = (row[j] - mean[j]) * scale[j]
        return buffer
    for j in range(n_features):
        buffer[j] = X[i, j]
    if standardised:
        for j in range(n_features):
            buffer[j] = (buffer[j] - mean[j]) * scale[j]
    return buffer


@numba.njit(**OPTIONS)
def prefetch_row(data, i):
    """Bring row i into the cache, where it lies in one piece."""
    X, vector, step, _, _, _, _, _ = data
    if vector.shape[0] > 0:
        prefetch(vector, i * step, i * step + X.shape[1])


@numba.njit(**OPTIONS)
def dot(row, theta, start):
    """start + row'theta; theta may be longer."""
    for j in range(row.shape[0]):
        start += row[j] * theta[j]
    return start


@numba.njit(**OPTIONS)
def _add(gradient, derivatives, data, order, first, m, rows):
    """gradient += sum of derivative times row, four rows in one pass over it.

    `rows` holds them, unless it is empty and they are taken from where they lie.
    """
    n_features = data[0].shape[1]
    r = 0
    while r + 4 <= m:
        a = _kept_row(data, order[first + r], rows, r)
        b = _kept_row(data, order[first + r + 1], rows, r + 1)
        c = _kept_row(data, order[first + r + 2], rows, r + 2)
        d = _kept_row(data, order[first + r + 3], rows, r + 3)
        u, v = derivatives[r, 0], derivatives[r + 1, 0]
        w, x = derivatives[r + 2, 0], derivatives[r + 3, 0]
        for j in range(n_features):
            gradient[j] += (u * a[j] + v * b[j]) + (w * c[j] + x * d[j])
        r += 4
    while r < m:
        a = _kept_row(data, order[first + r], rows, r)
        u = derivatives[r, 0]
        for j in range(n_features):
            gradient[j] += u * a[j]
        r += 1


@numba.njit(**OPTIONS)
def _kept_row(data, i, rows, r):
    """Row i after `row_of` with the buffer rows[r]; with no buffers, in place."""
    X, vector, step, _, _, _, _, _ = data
    if rows.shape[0] > 0:
        return rows[r]
    return vector[i * step : i * step + X.shape[1]]


def dense_block(
    data, targets, weights, order, start, stop, output, loss, p, theta, gradient
):
    X, vector, _, mean, _, bias, rows, scores = data
    n_features = X.shape[1]
    n_outputs = scores.shape[1]
    block = rows.shape[0]
    n_weights = n_features * n_outputs
    intercept = theta[n_weights:]
    coef = theta[:n_weights].reshape((n_features, n_outputs))
    in_place = vector.shape[0] > 0 and mean.shape[0] == 0
    total = 0.0
    for first in range(start, stop, block):
        m = min(block, stop - first)
        # A few rows at a time, so that the second pass over them, for the gradient,
        # finds them in the cache.
        for r in range(m):
            ahead = first + r + AHEAD
            if ahead < stop:
                prefetch_row(data, order[ahead])
            row = row_of(data, order[first + r], rows[r])
            if n_outputs == 1:
                scores[r, 0] = dot(row, theta, bias * intercept[0])
            elif in_place:
                for j in range(n_features):
                    rows[r, j] = row[j]
        if n_outputs > 1:
            np.dot(rows[:m], coef, scores[:m])
            for r in range(m):
                for k in range(n_outputs):
                    scores[r, k] += bias * intercept[k]
        total += call_float(
            output, targets, weights, order, first, first + m, loss, p, scores
        )
        if gradient.shape[0] == 0:
            continue
        if n_outputs == 1:
            for r in range(m):
                gradient[n_features] += bias * scores[r, 0]
            kept = rows[:0] if in_place else rows
            _add(gradient, scores, data, order, first, m, kept)
        else:
            for r in range(m):
                for j in range(n_features):
                    x = rows[r, j]
                    for k in range(n_outputs):
                        gradient[j * n_outputs + k] += x * scores[r, k]
                for k in range(n_outputs):
                    gradient[n_weights + k] += bias * scores[r, k]
    return total


def csr_block(
    data, targets, weights, order, start, stop, output, loss, p, theta, gradient
):
    values, columns, pointers, mean, scale, bias, scores = data
    n_outputs = scores.shape[1]
    block = scores.shape[0]
    n_features = theta.shape[0] // n_outputs - 1
    n_weights = n_features * n_outputs
    centred = mean.shape[0] > 0
    scaled = scale.shape[0] > 0
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
        for r in range(m):
            i = order[first + r]
            for k in range(n_outputs):
                scores[r, k] = offset[k]
            for q in range(pointers[i], pointers[i + 1]):
                j = columns[q]
                x = values[q]
                if scaled:
                    x *= scale[j]
                for k in range(n_outputs):
                    scores[r, k] += x * theta[j * n_outputs + k]
        total += call_float(
            output, targets, weights, order, first, first + m, loss, p, scores
        )
        if gradient.shape[0] == 0:
            continue
        for r in range(m):
            i = order[first + r]
            for k in range(n_outputs):
                derivative_sum[k] += scores[r, k]
            for q in range(pointers[i], pointers[i + 1]):
                j = columns[q]
                x = values[q]
                if scaled:
                    x *= scale[j]
                for k in range(n_outputs):
                    gradient[j * n_outputs + k] += x * scores[r, k]
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
