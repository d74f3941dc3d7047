"""Sum of gradients of a linear model over a block of rows, dense and CSR.

theta holds the weights, (features, outputs) row by row, then the intercepts. The model
acts on z = (x - mean) * scale, computed row by row: X is never copied as a whole.
`bias` is 1, or 0 for a model without intercept: the constant feature of the intercept.
An empty `gradient` asks for the sum of losses only.
"""

import numpy as np

from .pointers import call_float


def dense_block(
    data, targets, weights, order, start, stop, output, loss, p, theta, gradient
):
    X, mean, scale, bias, rows, scores = data
    n_features = X.shape[1]
    n_outputs = scores.shape[1]
    block = rows.shape[0]
    n_weights = n_features * n_outputs
    intercept = theta[n_weights:]
    coef = theta[:n_weights].reshape((n_features, n_outputs))
    total = 0.0
    for first in range(start, stop, block):
        m = min(block, stop - first)
        # A contiguous, standardised copy of a few rows stays in the first-level cache
        # and lets every later loop run at full vector width, whatever X's strides.
        for r in range(m):
            i = order[first + r]
            for j in range(n_features):
                rows[r, j] = (X[i, j] - mean[j]) * scale[j]
        if n_outputs == 1:
            for r in range(m):
                z = bias * intercept[0]
                for j in range(n_features):
                    z += rows[r, j] * theta[j]
                scores[r, 0] = z
        else:
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
                derivative = scores[r, 0]
                for j in range(n_features):
                    gradient[j] += derivative * rows[r, j]
                gradient[n_features] += bias * derivative
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
