"""The compiled epoch: batches of rows in, updates of theta out.

It knows neither the model (an address that sums gradients over rows) nor the update
rule (an address that moves theta); it owns what happens between them.
"""

import math

import numba
from numba import types

from .compiling import (
    FLOAT,
    INDEX,
    OPTIONS,
    ORDER,
    PROX,
    TARGETS,
    VECTOR,
    WEIGHTS,
    matrix,
    read_only,
    remembered,
    vector,
)
from .elementary import is_finite
from .linear import sum_gradients
from .memory import borrowed
from .pointers import call_nothing
from .proximal import soft_threshold
from .shards import SHARD


@numba.njit(**OPTIONS, forceinline=True)
def _step(theta, gradient, n_rows, rule, penalties, averaging, clip_norm, lr, t):
    """One update of theta from the sum of gradients over `n_rows` rows."""
    update, p, state, memory, metric = rule
    l1, l2, decay, prox = penalties
    base, average, average_start, decay_power, interpolation = averaging
    size = theta.shape[0]
    inverse = 1.0 / n_rows
    for j in range(size):
        gradient[j] = gradient[j] * inverse + l2[j] * theta[j]
    if clip_norm < math.inf:
        squares = 0.0
        for j in range(size):
            squares += gradient[j] * gradient[j]
        norm = math.sqrt(squares)
        if norm > clip_norm:
            shrink = clip_norm / norm
            for j in range(size):
                gradient[j] *= shrink
    # The point that moves is theta itself, unless gradients are taken between it and
    # the average of where it has been.
    moving = base if base.shape[0] > 0 else theta
    if decay.shape[0] > 0:
        for j in range(size):
            moving[j] -= lr * decay[j] * moving[j]
    call_nothing(update, moving, gradient, state, lr, t, p, memory, metric)
    if l1.shape[0] > 0:
        # Proximal step of l1 |theta|, with the length of the step just made.
        for j in range(size):
            moving[j] = soft_threshold(moving[j], metric[j] * l1[j])
    if prox[0]:
        call_nothing(prox[0], moving, metric, prox)
    if average.shape[0] > 0 and t >= average_start:
        weight = (1.0 + decay_power) / (t - average_start + 1 + decay_power)
        for j in range(size):
            average[j] += (moving[j] - average[j]) * weight
    if base.shape[0] > 0:
        for j in range(size):
            theta[j] = base[j] + (average[j] - base[j]) * interpolation


def step(theta, gradient, n_rows, rule, penalties, averaging, clip_norm, lr, t):
    """The update alone, for gradients summed outside the compiled epoch."""
    _step(theta, gradient, n_rows, rule, penalties, averaging, clip_norm, lr, t)


def run_epoch(
    block,
    data,
    targets,
    weights,
    order,
    batch_size,
    output,
    loss,
    loss_p,
    theta,
    gradient,
    rule,
    penalties,
    averaging,
    clip_norm,
    rates,
    t,
):
    """Updates over the rows of `order`, `batch_size` at a time.

    Returns the sum of losses, each taken before the update its row took part in, and
    the number of updates made: fewer than there are batches if the loss stopped being
    finite, in which case theta is worthless and the caller goes back.
    """
    data, targets, weights = borrowed(data), borrowed(targets), borrowed(weights)
    order, loss_p, theta = borrowed(order), borrowed(loss_p), borrowed(theta)
    gradient, rates, rule = borrowed(gradient), borrowed(rates), borrowed(rule)
    penalties, averaging = borrowed(penalties), borrowed(averaging)
    n = order.shape[0]
    total = 0.0
    n_updates = 0
    for start in range(0, n, batch_size):
        stop = min(n, start + batch_size)
        gradient[:] = 0.0
        loss_sum = sum_gradients(
            block,
            data,
            targets,
            weights,
            order,
            start,
            stop,
            output,
            loss,
            loss_p,
            theta,
            gradient,
        )
        total += loss_sum
        if not is_finite(loss_sum):
            break
        _step(
            theta,
            gradient,
            stop - start,
            rule,
            penalties,
            averaging,
            clip_norm,
            rates[n_updates],
            t + n_updates + 1,
        )
        n_updates += 1
    return total, n_updates


def shard_sums(
    block,
    data,
    targets,
    weights,
    order,
    output,
    loss,
    loss_p,
    theta,
    losses,
    gradients,
):
    """Sums of losses and of gradients over each shard of the rows of `order`."""
    data, targets, weights = borrowed(data), borrowed(targets), borrowed(weights)
    order, loss_p, theta = borrowed(order), borrowed(loss_p), borrowed(theta)
    losses, gradients = borrowed(losses), borrowed(gradients)
    n = order.shape[0]
    for s in range(losses.shape[0]):
        gradients[s] = 0.0
        losses[s] = sum_gradients(
            block,
            data,
            targets,
            weights,
            order,
            s * SHARD,
            min(n, (s + 1) * SHARD),
            output,
            loss,
            loss_p,
            theta,
            gradients[s],
        )


def add_shards(losses, gradients, total, gradient):
    """Add the sums of shards up in their order, as ``sum_rows`` does."""
    losses, gradients = borrowed(losses), borrowed(gradients)
    gradient = borrowed(gradient)
    for s in range(losses.shape[0]):
        total += losses[s]
        for j in range(gradient.shape[0]):
            gradient[j] += gradients[s, j]
    return total


def sum_rows(
    block,
    data,
    targets,
    weights,
    order,
    output,
    loss,
    loss_p,
    theta,
    shard_gradient,
    gradient,
):
    """Sum of losses and of gradients over the rows of `order`, without updates.

    Rows are added up in shards of fixed size, in the precision of theta, and the shards
    in double precision: the sum over millions of float32 rows stays exact enough, and
    does not depend on how a caller cuts `order` at multiples of the shard. An empty
    `gradient` asks for the loss only.
    """
    data, targets, weights = borrowed(data), borrowed(targets), borrowed(weights)
    order, loss_p, theta = borrowed(order), borrowed(loss_p), borrowed(theta)
    gradient, shard_gradient = borrowed(gradient), borrowed(shard_gradient)
    n = order.shape[0]
    total = 0.0
    for start in range(0, n, SHARD):
        stop = min(n, start + SHARD)
        shard_gradient[:] = 0.0
        total += sum_gradients(
            block,
            data,
            targets,
            weights,
            order,
            start,
            stop,
            output,
            loss,
            loss_p,
            theta,
            shard_gradient,
        )
        for j in range(gradient.shape[0]):
            gradient[j] += shard_gradient[j]
    return total


@remembered
def step_types(element):
    """(rule, penalties, averaging, clip_norm): what the step needs besides theta."""
    theta = vector(element)
    rule = types.Tuple([types.intp, VECTOR, matrix(element), VECTOR, theta])
    penalties = types.Tuple([VECTOR, VECTOR, VECTOR, PROX])
    averaging = types.Tuple([theta, theta, INDEX, FLOAT, FLOAT])
    return rule, penalties, averaging, FLOAT


@remembered
def epoch_signature(data_type, element):
    """Of ``run_epoch``."""
    theta = vector(element)
    return types.Tuple([FLOAT, INDEX])(
        types.intp,
        data_type,
        TARGETS,
        WEIGHTS,
        ORDER,
        INDEX,
        types.intp,
        types.intp,
        VECTOR,
        theta,
        theta,
        *step_types(element),
        read_only(FLOAT, 1),
        INDEX,
    )


@remembered
def step_signature(element):
    """Of ``step``."""
    theta = vector(element)
    return types.none(theta, theta, INDEX, *step_types(element), FLOAT, INDEX)


@remembered
def sum_signature(data_type, element):
    """Of ``sum_rows``."""
    return FLOAT(
        types.intp,
        data_type,
        TARGETS,
        WEIGHTS,
        ORDER,
        types.intp,
        types.intp,
        VECTOR,
        vector(element),
        vector(element),
        VECTOR,
    )


@remembered
def add_signature(element):
    """Of ``add_shards``."""
    return FLOAT(VECTOR, matrix(element), FLOAT, VECTOR)


@remembered
def shard_signature(data_type, element):
    """Of ``shard_sums``."""
    return types.none(
        types.intp,
        data_type,
        TARGETS,
        WEIGHTS,
        ORDER,
        types.intp,
        types.intp,
        VECTOR,
        vector(element),
        VECTOR,
        matrix(element),
    )
