"""Plain gradient steps on one dense row at a time, for one output.

The same updates as ``epoch.run_epochs`` with the rule ``gd`` and batches of one row, in
one pass over the weights: the step along a row and the score of the next one. Rows must
lie in one piece.
"""

import numba
from numba import types

from .compiling import FLOAT, INDEX, INNER, remembered, vector
from .elementary import is_finite
from .memory import PIECE, borrowed, part, prefetch, prefetch_part, rows_ahead
from .outputs import LOGISTIC, value_and_derivative
from .proximal import soft_threshold
from .records import COST, RATES, STRENGTHS, average_type, rows_of


@numba.njit(**INNER, forceinline=True)
def step_and_score(theta, row, following, shrink, rate, threshold):
    """Move theta along `row`; return the score of `following`, without intercept."""
    z = theta.dtype.type(0.0)
    if threshold > 0.0:
        for j in range(theta.shape[0]):
            moved = soft_threshold(shrink * theta[j] - rate * row[j], threshold)
            theta[j] = moved
            z += moved * following[j]
    else:
        for j in range(theta.shape[0]):
            moved = shrink * theta[j] - rate * row[j]
            theta[j] = moved
            z += moved * following[j]
    return z


@numba.njit(**INNER, forceinline=True)
def in_pieces(theta, vector, at, next_at, ahead, shrink, rate, threshold):
    """`step_and_score` for long rows that begin at these places of `vector`."""
    z = theta.dtype.type(0.0)
    n_features = theta.shape[0]
    for first in range(0, n_features, PIECE):
        size = min(n_features - first, PIECE)
        prefetch_part(vector, ahead + first, ahead + first + size)
        z += step_and_score(
            part(theta, first, size),
            part(vector, at + first, size),
            part(vector, next_at + first, size),
            shrink,
            rate,
            threshold,
        )
    return z


@numba.njit(**INNER, forceinline=True)
def ask_ahead(rows, s):
    """Ask for row number s of the order and its target; returns where it begins.

    Longer rows are asked for piece by piece.
    """
    order, n_features = rows.order, rows.data.X.shape[1]
    ahead = order[min(s, order.shape[0] - 1)]
    prefetch(rows.targets, ahead)
    ahead *= rows.data.step
    if n_features <= PIECE:
        prefetch_part(rows.data.vector, ahead, ahead + n_features)
    return ahead


@numba.njit(**INNER, forceinline=True)
def _run(rows, loss, p, theta, averages, average, strengths, rates, t):
    """`run_epoch` for a loss and an average that may be known to the compiler."""
    targets, weights, order = rows.targets, rows.weights, rows.order
    X, vector, step, bias = (
        rows.data.X,
        rows.data.vector,
        rows.data.step,
        rows.data.bias,
    )
    l1, l2 = strengths
    n = order.shape[0]
    n_features = X.shape[1]
    coef = part(theta, 0, n_features)
    element = theta.dtype.type
    distance = rows_ahead(n_features, vector.itemsize)
    total = 0.0
    if n == 0:
        return total, 0
    # The first score comes from a step of length zero, so that a run cut into several
    # calls adds up the same numbers in the same order as one in a single call.
    shrink, rate, threshold = element(1.0), element(0.0), element(0.0)
    at = ahead = order[0] * step
    for s in range(n + 1):
        following = order[min(s, n - 1)]
        next_at = following * step
        theta[n_features] -= rate * bias
        z = bias * theta[n_features]
        if n_features <= PIECE:
            row = part(vector, at, n_features)
            next_row = part(vector, next_at, n_features)
            z += step_and_score(coef, row, next_row, shrink, rate, threshold)
        else:
            z += in_pieces(coef, vector, at, next_at, ahead, shrink, rate, threshold)
        if averages and s > 0 and t + s >= average.start:
            share = element(1.0 / (t + s + 1 - average.start))
            mean = average.average
            for j in range(n_features + 1):
                mean[j] += (theta[j] - mean[j]) * share
        if s == n:
            break
        at, ahead = next_at, ask_ahead(rows, s + distance)
        value, derivative = value_and_derivative(loss, targets[following, 0], z, p)
        total += weights[following] * value
        if not is_finite(value):
            return total, s
        rate = element(rates[s] * weights[following] * derivative)
        shrink = element(1.0 - rates[s] * l2)
        threshold = element(rates[s] * l1)
    return total, n


def run_epoch(rows, cost, theta, average, strengths, rates, t):
    """One update for each row of the order.

    `average` is the mean of theta after each update from its start on.

    Returns the sum of losses, each taken before the update its row took part in, and
    the number of updates made: fewer than rows if the loss stopped being finite.
    """
    rows, p, theta = borrowed(rows), borrowed(cost.p), borrowed(theta)
    average, rates = borrowed(average), borrowed(rates)
    averages = average.average.shape[0] > 0
    if cost.loss == LOGISTIC and not averages:
        # Compiled for itself. A processor looks some hundred instructions ahead for
        # what to fetch from memory; with fewer for a row it sees more rows.
        return _run(rows, LOGISTIC, p, theta, False, average, strengths, rates, t)
    return _run(rows, cost.loss, p, theta, averages, average, strengths, rates, t)


@remembered
def rows_signature(data_type, element):
    """Of ``run_epoch``."""
    return types.Tuple([FLOAT, INDEX])(
        rows_of(data_type),
        COST,
        vector(element),
        average_type(element),
        STRENGTHS,
        RATES,
        INDEX,
    )
