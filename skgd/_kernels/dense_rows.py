"""Plain gradient steps on one dense row at a time, for one output.

The same updates as ``epoch.run_epoch`` with the rule ``gd`` and batches of one row, in
two passes over the row: one for the score, one for step and penalties together.
"""

import math

import numba

from .compiling import OPTIONS
from .linear import dot, prefetch_row, row_of
from .outputs import value_and_derivative
from .prefetch import AHEAD, prefetch


@numba.njit(**OPTIONS)
def _move(theta, shrink, rate, row):
    for j in range(row.shape[0]):
        theta[j] = shrink * theta[j] - rate * row[j]


@numba.njit(**OPTIONS)
def _move_and_threshold(theta, shrink, rate, row, threshold):
    for j in range(row.shape[0]):
        moved = shrink * theta[j] - rate * row[j]
        theta[j] = moved - min(max(moved, -threshold), threshold)


def run_epoch(data, targets, weights, order, loss, p, theta, l1, l2, rates):
    """One update for each row of `order`.

    Returns the sum of losses, each taken before the update its row took part in, and
    the number of updates made: fewer than rows if the loss stopped being finite.
    """
    X, _, _, _, _, bias, rows, _ = data
    n = order.shape[0]
    n_features = X.shape[1]
    element = theta.dtype.type
    target = targets[:, 0]
    total = 0.0
    for s in range(n):
        if s + AHEAD < n:
            prefetch_row(data, order[s + AHEAD])
        i = order[s]
        row = row_of(data, i, rows[0])
        z = dot(row, theta, bias * theta[n_features])
        value, derivative = value_and_derivative(loss, target[i], z, p)
        total += weights[i] * value
        if not math.isfinite(value):
            return total, s
        rate = element(rates[s] * weights[i] * derivative)
        shrink = element(1.0 - rates[s] * l2)
        if l1 > 0.0:
            threshold = element(rates[s] * l1)
            _move_and_threshold(theta, shrink, rate, row, threshold)
        else:
            _move(theta, shrink, rate, row)
        theta[n_features] -= rate * bias
    return total, n
