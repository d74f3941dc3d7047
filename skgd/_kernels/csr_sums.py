"""Sums of losses and of gradients over wide CSR rows, at the cost of two products.

For a linear model in the units of the features. Each entry goes straight into the one
sum in double precision, row by row: a sum in between for every so many rows, as
``epoch.sum_rows`` takes them, would cost more than the entries where there are more
features than entries in those rows. Nothing depends on where a caller cuts the rows.
"""

import numba
import numpy as np
from numba import types

from .compiling import (
    FLOAT,
    OPTIONS,
    ORDER,
    TARGETS,
    VECTOR,
    WEIGHTS,
    remembered,
    vector,
)
from .memory import borrowed
from .outputs import sum_of_losses

# From so many features on the sums in between cost more than they are worth.
WIDE = 1 << 14

# Rows handled at a time, so that the second look at them finds them in the cache.
ROWS = 256


@numba.njit(**OPTIONS, forceinline=True)
def _run(given, n_outputs):
    """`sum_rows` for a number of outputs that may be known to the compiler."""
    data, targets, weights, order, output, loss, loss_p, theta, gradient = given
    values, columns, pointers, _, _, bias, scores = data
    n_weights = theta.shape[0] - n_outputs
    n = order.shape[0]
    block = scores.shape[0]
    total = 0.0
    for start in range(0, n, block):
        stop = min(n, start + block)
        for r in range(stop - start):
            i = order[start + r]
            first, last = pointers[i], pointers[i + 1]
            if n_outputs == 1:
                z = bias * np.float64(theta[n_weights])
                for q in range(first, last):
                    z += values[q] * theta[np.int64(columns[q])]
                scores[r, 0] = z
                continue
            for k in range(n_outputs):
                scores[r, k] = bias * theta[n_weights + k]
            for q in range(first, last):
                at = np.int64(columns[q]) * n_outputs
                for k in range(n_outputs):
                    scores[r, k] += values[q] * theta[at + k]
        total += sum_of_losses(
            output, targets, weights, order, start, stop, loss, loss_p, scores
        )
        if gradient.shape[0] == 0:
            continue
        for r in range(stop - start):
            i = order[start + r]
            first, last = pointers[i], pointers[i + 1]
            for k in range(n_outputs):
                gradient[n_weights + k] += bias * scores[r, k]
            if n_outputs == 1:
                slope = np.float64(scores[r, 0])
                if slope != 0.0:
                    for q in range(first, last):
                        gradient[np.int64(columns[q])] += values[q] * slope
                continue
            for q in range(first, last):
                at = np.int64(columns[q]) * n_outputs
                for k in range(n_outputs):
                    gradient[at + k] += values[q] * np.float64(scores[r, k])
    return total


def sum_rows(data, targets, weights, order, output, loss, loss_p, theta, gradient):
    """Sum of losses over the rows of `order`; that of gradients joins `gradient`.

    An empty `gradient` asks for the losses only.
    """
    given = (
        borrowed(data),
        borrowed(targets),
        borrowed(weights),
        borrowed(order),
        output,
        loss,
        borrowed(loss_p),
        borrowed(theta),
        borrowed(gradient),
    )
    n_outputs = data[6].shape[1]
    if n_outputs == 1:
        # Compiled for itself: without loops over outputs.
        return _run(given, 1)
    return _run(given, n_outputs)


@remembered
def sum_signature(data_type, element):
    """Of ``sum_rows``."""
    return FLOAT(
        data_type,
        TARGETS,
        WEIGHTS,
        ORDER,
        types.intp,
        types.intp,
        VECTOR,
        vector(element),
        VECTOR,
    )
