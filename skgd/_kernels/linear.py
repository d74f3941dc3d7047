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
from .prefetch import AHEAD, LINE_BYTES, prefetch


# The helpers are inlined: to pass an array costs more than what they do with it.
INLINED = OPTIONS | {"forceinline": True}


@numba.njit(**INLINED)
def copy_row(X, vector, step, mean, scale, i, buffer, at):
    """Row i in the model's coordinates, contiguous, to buffer[at:]."""
    n_features = X.shape[1]
    copy = buffer[at : at + n_features]
    if vector.shape[0] > 0:
        row = vector[i * step : i * step + n_features]
        for j in range(n_features):
            copy[j] = row[j]
    else:
        for j in range(n_features):
            copy[j] = X[i, j]
    for j in range(mean.shape[0]):
        copy[j] = (copy[j] - mean[j]) * scale[j]


@numba.njit(**INLINED)
def dot(row, theta, start):
    """start + row'theta; theta may be longer."""
    for j in range(row.shape[0]):
        start += row[j] * theta[j]
    return start


@numba.njit(**INLINED)
def _add_four(gradient, a, b, c, d, u, v, w, x):
    """gradient += u a + v b + w c + x d, in one pass over it."""
    for j in range(a.shape[0]):
        gradient[j] += (u * a[j] + v * b[j]) + (w * c[j] + x * d[j])


@numba.njit(**INLINED)
def _add(gradient, derivative, row):
    for j in range(row.shape[0]):
        gradient[j] += derivative * row[j]


def dense_block(
    data, targets, weights, order, start, stop, output, loss, p, theta, gradient
):
    X, vector, step, mean, scale, bias, buffer, scores = data
    n_features = X.shape[1]
    n_outputs = scores.shape[1]
    block = scores.shape[0]
    n_weights = n_features * n_outputs
    intercept = theta[n_weights:]
    coef = theta[:n_weights].reshape((n_features, n_outputs))
    copies = buffer.reshape(buffer.size)
    # Rows are read where they lie if they can be used as they are.
    in_place = vector.shape[0] > 0 and mean.shape[0] == 0 and n_outputs == 1
    rows = vector if in_place else copies
    places = np.arange(block) * n_features
    line = LINE_BYTES // vector.itemsize
    total = 0.0
    for first in range(start, stop, block):
        m = min(block, stop - first)
        # A few rows at a time, so that the second pass over them, for the gradient,
        # finds them in the cache.
        for r in range(m):
            if first + r + AHEAD < stop and vector.shape[0] > 0:
                ahead = order[first + r + AHEAD]
                for j in range(0, n_features, line):
                    prefetch(vector, ahead * step + j)
            i = order[first + r]
            if in_place:
                places[r] = i * step
            else:
                copy_row(X, vector, step, mean, scale, i, copies, r * n_features)
            if n_outputs == 1:
                z = bias * intercept[0]
                row = rows[places[r] : places[r] + n_features]
                scores[r, 0] = dot(row, theta, z)
        if n_outputs > 1:
            np.dot(buffer[:m], coef, scores[:m])
            for r in range(m):
                for k in range(n_outputs):
                    scores[r, k] += bias * intercept[k]
        total += call_float(
            output, targets, weights, order, first, first + m, loss, p, scores
        )
        if gradient.shape[0] == 0:
            continue
        if n_outputs == 1:
            for r in range(0, m - 3, 4):
                _add_four(
                    gradient,
                    rows[places[r] : places[r] + n_features],
                    rows[places[r + 1] : places[r + 1] + n_features],
                    rows[places[r + 2] : places[r + 2] + n_features],
                    rows[places[r + 3] : places[r + 3] + n_features],
                    scores[r, 0],
                    scores[r + 1, 0],
                    scores[r + 2, 0],
                    scores[r + 3, 0],
                )
            for r in range(m - m % 4, m):
                row = rows[places[r] : places[r] + n_features]
                _add(gradient, scores[r, 0], row)
            for r in range(m):
                gradient[n_features] += bias * scores[r, 0]
        else:
            for r in range(m):
                for j in range(n_features):
                    x = buffer[r, j]
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
