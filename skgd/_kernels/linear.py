"""Sum of gradients of a linear model over a block of rows, dense and CSR.

theta holds the weights, (features, outputs) row by row, then the intercepts. The model
acts on z = (x - mean) * scale, computed row by row: X is never copied as a whole. No
mean and no scale stand for the features as given.
`bias` is 1, or 0 for a model without intercept: the constant feature of the intercept.
An empty `gradient` asks for the sum of losses only.
"""

import numpy as np

from .memory import AHEAD, LINE_BYTES, prefetch
from .pointers import call_float


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
    contiguous = vector.shape[0] > 0
    raw = mean.shape[0] == 0
    # Rows are read where they lie if they can be used as they are.
    in_place = contiguous and raw and n_outputs == 1
    rows = vector if in_place else copies
    line = LINE_BYTES // vector.itemsize
    total = 0.0
    # A few rows at a time, so that the second pass over them, for the gradient, finds
    # them in the cache. Rows are sliced before the loops over features, because an
    # index that is a sum is checked for being negative, at the cost of vector width.
    for first in range(start, stop, block):
        m = min(block, stop - first)
        for r in range(m):
            i = order[first + r]
            if contiguous and first + r + AHEAD < order.shape[0]:
                ahead = order[first + r + AHEAD]
                if ahead != i + AHEAD:
                    # Out of order, which the processor cannot guess.
                    for j in range(0, n_features, line):
                        prefetch(vector, ahead * step + j)
            at = i * step if in_place else r * n_features
            row = rows[at : at + n_features]
            if not in_place:
                copy = buffer[r]
                if contiguous:
                    given = vector[i * step : i * step + n_features]
                    if raw:
                        for j in range(n_features):
                            copy[j] = given[j]
                    else:
                        for j in range(n_features):
                            copy[j] = (given[j] - mean[j]) * scale[j]
                elif raw:
                    for j in range(n_features):
                        copy[j] = X[i, j]
                else:
                    for j in range(n_features):
                        copy[j] = (X[i, j] - mean[j]) * scale[j]
            if n_outputs == 1:
                z = bias * intercept[0]
                for j in range(n_features):
                    z += row[j] * theta[j]
                scores[r, 0] = z
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
            # Four rows in one pass over the gradient.
            for r in range(0, m - 3, 4):
                at = order[first + r] * step if in_place else r * n_features
                a = rows[at : at + n_features]
                r1 = r + 1
                at = order[first + r1] * step if in_place else r1 * n_features
                b = rows[at : at + n_features]
                r2 = r + 2
                at = order[first + r2] * step if in_place else r2 * n_features
                c = rows[at : at + n_features]
                r3 = r + 3
                at = order[first + r3] * step if in_place else r3 * n_features
                d = rows[at : at + n_features]
                u, v, w, x = scores[r, 0], scores[r1, 0], scores[r2, 0], scores[r3, 0]
                for j in range(n_features):
                    gradient[j] += (u * a[j] + v * b[j]) + (w * c[j] + x * d[j])
            for r in range(m - m % 4, m):
                at = order[first + r] * step if in_place else r * n_features
                a = rows[at : at + n_features]
                u = scores[r, 0]
                for j in range(n_features):
                    gradient[j] += u * a[j]
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
            entries = values[pointers[i] : pointers[i + 1]]
            features = columns[pointers[i] : pointers[i + 1]]
            if n_outputs == 1 and not scaled:
                z = scores[r, 0]
                for q in range(entries.shape[0]):
                    z += entries[q] * theta[features[q]]
                scores[r, 0] = z
                continue
            for q in range(entries.shape[0]):
                j = features[q]
                x = entries[q]
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
            entries = values[pointers[i] : pointers[i + 1]]
            features = columns[pointers[i] : pointers[i + 1]]
            if n_outputs == 1 and not scaled:
                for q in range(entries.shape[0]):
                    gradient[features[q]] += entries[q] * scores[r, 0]
                continue
            for q in range(entries.shape[0]):
                j = features[q]
                x = entries[q]
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
