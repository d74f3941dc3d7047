"""Sums of losses and of gradients over all rows, without updates; for threads, too.

Rows are added up in shards of fixed size, in the precision of theta, and the shards in
double precision: the sum over millions of float32 rows stays exact enough, and does not
depend on how a caller cuts the order at multiples of the shard.
"""

from numba import types

from .blocks import sum_gradients
from .compiling import FLOAT, VECTOR, matrix, remembered, vector
from .memory import borrowed
from .records import COST, rows_of
from .shards import SHARD


def sum_rows(block, rows, cost, theta, shard_gradient, gradient):
    """Sum of losses over the rows of the order; that of gradients joins `gradient`.

    An empty `gradient` asks for the losses only.
    """
    rows, cost, theta = borrowed(rows), borrowed(cost), borrowed(theta)
    gradient, shard_gradient = borrowed(gradient), borrowed(shard_gradient)
    n = rows.order.shape[0]
    total = 0.0
    for start in range(0, n, SHARD):
        stop = min(n, start + SHARD)
        shard_gradient[:] = 0.0
        total += sum_gradients(block, rows, start, stop, cost, theta, shard_gradient)
        for j in range(gradient.shape[0]):
            gradient[j] += shard_gradient[j]
    return total


@remembered
def sum_signature(data_type, element):
    """Of ``sum_rows``."""
    theta = vector(element)
    return FLOAT(types.intp, rows_of(data_type), COST, theta, theta, VECTOR)


def shard_sums(block, rows, cost, theta, losses, gradients):
    """Sums of losses and of gradients over each shard of the rows of the order."""
    rows, cost, theta = borrowed(rows), borrowed(cost), borrowed(theta)
    losses, gradients = borrowed(losses), borrowed(gradients)
    n = rows.order.shape[0]
    for s in range(losses.shape[0]):
        start, stop = s * SHARD, min(n, (s + 1) * SHARD)
        gradients[s] = 0.0
        losses[s] = sum_gradients(block, rows, start, stop, cost, theta, gradients[s])


@remembered
def shard_signature(data_type, element):
    """Of ``shard_sums``."""
    theta, sums = vector(element), matrix(element)
    return types.none(types.intp, rows_of(data_type), COST, theta, VECTOR, sums)


def add_shards(losses, gradients, total, gradient):
    """Add the sums of shards up in their order, as ``sum_rows`` does."""
    losses, gradients = borrowed(losses), borrowed(gradients)
    gradient = borrowed(gradient)
    for s in range(losses.shape[0]):
        total += losses[s]
        for j in range(gradient.shape[0]):
            gradient[j] += gradients[s, j]
    return total


@remembered
def add_signature(element):
    """Of ``add_shards``."""
    return FLOAT(VECTOR, matrix(element), FLOAT, VECTOR)
