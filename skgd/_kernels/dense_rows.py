"""Plain gradient steps on one dense row at a time, for one output.

The same updates as ``epoch.run_epoch`` with the rule ``gd`` and batches of one row, in
two passes over the row: one for the score, one for step and penalties together. Rows
must lie in one piece.
"""

import math

from .memory import AHEAD, borrowed, prefetch_row
from .outputs import value_and_derivative


def run_epoch(
    data,
    targets,
    weights,
    order,
    loss,
    p,
    theta,
    average,
    average_start,
    l1,
    l2,
    rates,
    t,
):
    """One update for each row of `order`.

    `average`, unless empty, is the mean of theta after each update from
    `average_start` on.

    Returns the sum of losses, each taken before the update its row took part in, and
    the number of updates made: fewer than rows if the loss stopped being finite.
    """
    data, targets, weights = borrowed(data), borrowed(targets), borrowed(weights)
    order, p, theta = borrowed(order), borrowed(p), borrowed(theta)
    average, rates = borrowed(average), borrowed(rates)
    X, vector, step, _, _, bias, _, _ = data
    n = order.shape[0]
    n_features = X.shape[1]
    element = theta.dtype.type
    total = 0.0
    for s in range(n):
        if s + AHEAD < n:
            prefetch_row(vector, targets, order[s + AHEAD], step, n_features)
        i = order[s]
        # A slice, because an index that is a sum is checked for being negative, which
        # keeps the loops from running at full vector width.
        row = vector[i * step : i * step + n_features]
        z = bias * theta[n_features]
        for j in range(n_features):
            z += row[j] * theta[j]
        value, derivative = value_and_derivative(loss, targets[i, 0], z, p)
        total += weights[i] * value
        if not math.isfinite(value):
            return total, s
        rate = element(rates[s] * weights[i] * derivative)
        shrink = element(1.0 - rates[s] * l2)
        for j in range(n_features):
            theta[j] = shrink * theta[j] - rate * row[j]
        theta[n_features] -= rate * bias
        if l1 > 0.0:
            threshold = element(rates[s] * l1)
            for j in range(n_features):
                theta[j] -= min(max(theta[j], -threshold), threshold)
        if average.shape[0] > 0 and t + s + 1 >= average_start:
            share = element(1.0 / (t + s + 2 - average_start))
            for j in range(n_features + 1):
                average[j] += (theta[j] - average[j]) * share
    return total, n
