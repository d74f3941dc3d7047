"""Plain gradient steps on one dense row at a time, for one output.

The same updates as ``epoch.run_epoch`` with the rule ``gd`` and batches of one row, in
one pass over the weights: the step along a row and the score of the next one. Rows must
lie in one piece.
"""

import numba
from numba import types

from .compiling import (
    FLOAT,
    INDEX,
    OPTIONS,
    ORDER,
    TARGETS,
    VECTOR,
    WEIGHTS,
    read_only,
    remembered,
    vector,
)
from .elementary import is_finite
from .memory import PIECE, borrowed, part, prefetch, prefetch_part, rows_ahead
from .outputs import LOGISTIC, value_and_derivative
from .proximal import soft_threshold


@numba.njit(**OPTIONS, forceinline=True)
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


@numba.njit(**OPTIONS, forceinline=True)
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


@numba.njit(**OPTIONS, forceinline=True)
def _run(given, loss, averages):
    """`run_epoch` for a loss and an average that may be known to the compiler."""
    data, targets, weights, order, p, theta = given[:6]
    average, average_start, l1, l2, rates, t = given[6:]
    X, vector, step, _, _, bias, _, _ = data
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
        if averages and s > 0 and t + s >= average_start:
            share = element(1.0 / (t + s + 1 - average_start))
            for j in range(n_features + 1):
                average[j] += (theta[j] - average[j]) * share
        if s == n:
            break
        at = next_at
        ahead = order[min(s + distance, n - 1)]
        prefetch(targets, ahead)
        ahead *= step
        if n_features <= PIECE:
            prefetch_part(vector, ahead, ahead + n_features)
        value, derivative = value_and_derivative(loss, targets[following, 0], z, p)
        total += weights[following] * value
        if not is_finite(value):
            return total, s
        rate = element(rates[s] * weights[following] * derivative)
        shrink = element(1.0 - rates[s] * l2)
        threshold = element(rates[s] * l1)
    return total, n


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
    given = (
        borrowed(data),
        borrowed(targets),
        borrowed(weights),
        borrowed(order),
        borrowed(p),
        borrowed(theta),
        borrowed(average),
        average_start,
        l1,
        l2,
        borrowed(rates),
        t,
    )
    averages = average.shape[0] > 0
    if loss == LOGISTIC and not averages:
        # Compiled for itself. A processor looks some hundred instructions ahead for
        # what to fetch from memory; with fewer for a row it sees more rows.
        return _run(given, LOGISTIC, False)
    return _run(given, loss, averages)


@remembered
def rows_signature(data_type, element):
    """Of ``run_epoch``."""
    return types.Tuple([FLOAT, INDEX])(
        data_type,
        TARGETS,
        WEIGHTS,
        ORDER,
        types.intp,
        VECTOR,
        vector(element),
        vector(element),
        INDEX,
        FLOAT,
        FLOAT,
        read_only(FLOAT, 1),
        INDEX,
    )
