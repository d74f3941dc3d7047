"""Sums of losses and of gradients over wide CSR rows, at the cost of two products.

For a linear model in the units of the features. Each entry goes straight into the one
sum in double precision, row by row: a sum in between for every so many rows, as
``epoch.sum_rows`` takes them, would cost more than the entries where there are more
features than entries in those rows. Nothing depends on where a caller cuts the rows.
"""

import numba
import numpy as np

from .compiling import FLOAT, INNER, VECTOR, remembered, vector
from .memory import borrowed, unsigned
from .outputs import sum_of_losses
from .records import COST, rows_of

# From so many features on the sums in between cost more than they are worth.
WIDE = 1 << 14

# Rows handled at a time, so that the second look at them finds them in the cache.
ROWS = 256


@numba.njit(**INNER, forceinline=True)
def _scores(data, order, start, stop, theta, n_outputs):
    """Fill in the scores of some rows."""
    values, columns, pointers, _, _, bias, scores = data
    n_weights = theta.shape[0] - n_outputs
    for r in range(stop - start):
        i = order[unsigned(start + r)]
        first, last = (
            unsigned(pointers[unsigned(i)]),
            unsigned(pointers[unsigned(i + 1)]),
        )
        if n_outputs == 1:
            z = bias * np.float64(theta[n_weights])
            for q in range(first, last):
                z += values[q] * theta[unsigned(columns[q])]
            scores[r, 0] = z
            continue
        for k in range(n_outputs):
            scores[r, k] = bias * theta[n_weights + k]
        for q in range(first, last):
            at = np.int64(columns[q]) * n_outputs
            for k in range(n_outputs):
                scores[r, k] += values[q] * theta[unsigned(at + k)]


@numba.njit(**INNER, forceinline=True)
def _add_gradients(data, order, start, stop, gradient, n_outputs):
    """Add some rows, times the derivatives that their scores have become."""
    values, columns, pointers, _, _, bias, scores = data
    n_weights = gradient.shape[0] - n_outputs
    for r in range(stop - start):
        i = order[unsigned(start + r)]
        first, last = (
            unsigned(pointers[unsigned(i)]),
            unsigned(pointers[unsigned(i + 1)]),
        )
        if n_outputs == 1:
            slope = np.float64(scores[r, 0])
            for q in range(first, last):
                gradient[unsigned(columns[q])] += values[q] * slope
            continue
        for q in range(first, last):
            at = np.int64(columns[q]) * n_outputs
            for k in range(n_outputs):
                place = unsigned(at + k)
                gradient[place] += values[q] * np.float64(scores[r, k])
    for k in range(n_outputs):
        total = 0.0
        for r in range(stop - start):
            total += np.float64(scores[r, k])
        gradient[n_weights + k] += bias * total


@numba.njit(**INNER, forceinline=True)
def _run(rows, cost, theta, gradient, n_outputs):
    """`sum_rows` for a number of outputs that may be known to the compiler."""
    order, data = rows.order, rows.data
    n, block = order.shape[0], data.scores.shape[0]
    total = 0.0
    for start in range(0, n, block):
        stop = min(n, start + block)
        _scores(data, order, start, stop, theta, n_outputs)
        total += sum_of_losses(rows, start, stop, cost, data.scores)
        if gradient.shape[0] > 0:
            _add_gradients(data, order, start, stop, gradient, n_outputs)
    return total


def sum_rows(rows, cost, theta, gradient):
    """Sum of losses over the rows of the order; that of gradients joins `gradient`.

    An empty `gradient` asks for the losses only.
    """
    rows, cost = borrowed(rows), borrowed(cost)
    theta, gradient = borrowed(theta), borrowed(gradient)
    n_outputs = rows.data.scores.shape[1]
    if n_outputs == 1:
        # Compiled for itself: without loops over outputs.
        return _run(rows, cost, theta, gradient, 1)
    return _run(rows, cost, theta, gradient, n_outputs)


@remembered
def sum_signature(data_type, element):
    """Of ``sum_rows``."""
    return FLOAT(rows_of(data_type), COST, vector(element), VECTOR)
