"""Plain gradient steps on CSR rows at a cost of the nonzeros only.

The same updates as ``epoch.run_epoch`` with the rule ``gd``, l2 in the gradient and the
l1 proximal step, without touching the weights of absent features.
"""

import math

import numba
import numpy as np

from .compiling import OPTIONS
from .pointers import call_float

# Below this factor the common scale is folded back into the weights.
SMALLEST_SCALE = 1e-6


@numba.njit(**OPTIONS)
def _soft_threshold(row, threshold):
    for k in range(row.shape[0]):
        if row[k] > threshold:
            row[k] -= threshold
        elif row[k] < -threshold:
            row[k] += threshold
        else:
            row[k] = 0.0


@numba.njit(**OPTIONS)
def _fold(coef, seen, scale, shrinkage):
    """Bring every weight up to date and start again from A = 1, q = 0."""
    for j in range(coef.shape[0]):
        if seen.shape[0] > 0:
            _soft_threshold(coef[j], shrinkage - seen[j])
            seen[j] = 0.0
        for k in range(coef.shape[1]):
            coef[j, k] *= scale


def run_epoch(
    data,
    targets,
    weights,
    order,
    batch_size,
    output,
    loss,
    loss_p,
    theta,
    l1,
    l2,
    rates,
):
    """Updates over the rows of `order`; returns the sum of losses and their number.

    An untouched weight goes through |w| <- max(0, (1 - lr*l2) |w| - lr*l1) at each
    step. The composition of such maps is again one: with A the product of the factors
    and q the sum of lr*l1/A, w = A * soft(v, q - q_j), where v is the weight divided by
    A at the last time feature j was seen, and q_j the q of that time. So a weight is
    brought up to date exactly when its feature appears. Needs lr*l2 < 1.
    """
    values, columns, pointers, _, _, bias, scores = data
    n_outputs = scores.shape[1]
    n_features = theta.shape[0] // n_outputs - 1
    coef = theta[: n_features * n_outputs].reshape((n_features, n_outputs))
    intercept = theta[n_features * n_outputs :]
    seen = np.zeros(n_features if l1 > 0.0 else 0)
    scale = 1.0
    shrinkage = 0.0
    n = order.shape[0]
    total = 0.0
    n_updates = 0
    for start in range(0, n, batch_size):
        stop = min(n, start + batch_size)
        for r in range(stop - start):
            i = order[start + r]
            for k in range(n_outputs):
                scores[r, k] = 0.0
            for q in range(pointers[i], pointers[i + 1]):
                j = columns[q]
                if l1 > 0.0 and seen[j] < shrinkage:
                    _soft_threshold(coef[j], shrinkage - seen[j])
                    seen[j] = shrinkage
                for k in range(n_outputs):
                    scores[r, k] += values[q] * coef[j, k]
            for k in range(n_outputs):
                scores[r, k] = scale * scores[r, k] + bias * intercept[k]
        loss_sum = call_float(
            output, targets, weights, order, start, stop, loss, loss_p, scores
        )
        total += loss_sum
        if not math.isfinite(loss_sum):
            break
        lr = rates[n_updates]
        scale *= 1.0 - lr * l2
        rate = lr / (stop - start)
        for r in range(stop - start):
            i = order[start + r]
            for k in range(n_outputs):
                intercept[k] -= rate * bias * scores[r, k]
                scores[r, k] *= rate / scale
            for q in range(pointers[i], pointers[i + 1]):
                j = columns[q]
                for k in range(n_outputs):
                    coef[j, k] -= values[q] * scores[r, k]
        if l1 > 0.0:
            shrinkage += lr * l1 / scale
        n_updates += 1
        if scale < SMALLEST_SCALE:
            _fold(coef, seen, scale, shrinkage)
            scale = 1.0
            shrinkage = 0.0
    _fold(coef, seen, scale, shrinkage)
    return total, n_updates
