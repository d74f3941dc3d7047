"""Rules with state on CSR rows, at a cost of the nonzeros only.

The updates of ``epoch.run_epoch`` with the rules AdaGrad, momentum, Nesterov and FTRL,
without touching what belongs to absent features: what happens to it in
steps whose gradient is that of the penalty alone is made up for when the feature comes.
For momentum that is a power of a matrix of two by two, l2 included; for AdaGrad nothing
but the penalty, which shrinks the weight as a flow; for FTRL the closed form.
"""

import math

import numba
import numpy as np
from numba import types

from . import compiling
from .compiling import (
    FLOAT,
    INDEX,
    OPTIONS,
    ORDER,
    TARGETS,
    VECTOR,
    WEIGHTS,
    remembered,
)
from .csr_stream import shrunk
from .elementary import is_finite
from .memory import AHEAD_ROWS, LINE_BYTES, borrowed, prefetch
from .outputs import sum_of_losses

ADAGRAD, MOMENTUM, NESTEROV, FTRL = 0, 1, 2, 3


@numba.njit(**OPTIONS, forceinline=True)
def ftrl_weight(z, total, rate, beta, l1, l2):
    """The minimum of z w + (beta + sqrt(total))/rate w^2/2 + l1 |w| + l2 w^2/2."""
    if abs(z) <= l1:
        return 0.0
    return -(z - math.copysign(l1, z)) / ((beta + math.sqrt(total)) / rate + l2)


@numba.njit(**OPTIONS, forceinline=True)
def _catch_up(rule, p, theta, vectors, j, n_steps, passed, now, rate, l1, l2, powers):
    """Entry j after `n_steps` updates without a gradient from the rows."""
    w = np.float64(theta[j])
    if rule == ADAGRAD:
        if (l1 > 0.0 or l2 > 0.0) and w != 0.0:
            length = passed / (math.sqrt(np.float64(vectors[0, j])) + p[0])
            theta[j] = shrunk(w, l1, l2, length)
    elif rule == FTRL:
        if now > 0:
            z, total = np.float64(vectors[0, j]), np.float64(vectors[1, j])
            theta[j] = ftrl_weight(
                z, total, rate, p[0], p[1] + now * l1, p[2] + now * l2
            )
    else:
        b = np.float64(vectors[0, j])
        if b == 0.0 and (l2 == 0.0 or w == 0.0):
            return
        bit = 0
        while n_steps > 0:
            if n_steps & 1:
                new_w = powers[bit, 0] * w + powers[bit, 1] * b
                b = powers[bit, 2] * w + powers[bit, 3] * b
                w = new_w
            n_steps >>= 1
            bit += 1
        theta[j], vectors[0, j] = w, b


@numba.njit(**OPTIONS, forceinline=True)
def _move(rule, p, theta, vectors, j, g, rate, now, l1, l2, own_l1, own_l2):
    """One update of entry j by the gradient of the rows; `now` counts it."""
    w = np.float64(theta[j])
    if rule == ADAGRAD:
        total = np.float64(vectors[0, j]) + g * g
        vectors[0, j] = total
        length = rate / (math.sqrt(total) + p[0])
        w -= length * g
        if l1 > 0.0 or l2 > 0.0:
            w = shrunk(w, l1, l2, length)
    elif rule == FTRL:
        total = np.float64(vectors[1, j])
        more = total + g * g
        z = np.float64(vectors[0, j])
        z += g - (math.sqrt(more) - math.sqrt(total)) / rate * w
        vectors[0, j], vectors[1, j] = z, more
        w = ftrl_weight(z, more, rate, p[0], own_l1 + now * l1, own_l2 + now * l2)
    else:
        g += l2 * w
        b = p[0] * np.float64(vectors[0, j]) + g
        vectors[0, j] = b
        w -= rate * (b if rule == MOMENTUM else g + p[0] * b)
    theta[j] = w


@numba.njit(**OPTIONS)
def _powers(rule, momentum, rate, l2, powers):
    """M, M^2, M^4, ..., M what an update does to (weight, buffer)."""
    a, b, c, d = 1.0 - rate * l2, -rate * momentum, l2, momentum
    if rule == NESTEROV:
        a, b = 1.0 - rate * l2 * (1.0 + momentum), -rate * momentum * momentum
    for k in range(powers.shape[0]):
        powers[k, 0], powers[k, 1], powers[k, 2], powers[k, 3] = a, b, c, d
        a, b, c, d = a * a + b * c, b * (a + d), c * (a + d), b * c + d * d


def run_epoch(
    data,
    targets,
    weights,
    order,
    batch_size,
    output,
    loss,
    loss_p,
    rule,
    p,
    theta,
    vectors,
    made,
    sums,
    passed_before,
    shown,
    shown_vectors,
    gradient,
    touched,
    l1,
    l2,
    rates,
    t,
):
    """Updates over the rows of `order`; returns the sum of losses and their number.

    Moves theta, `vectors`, those of the rule, and `made` and `sums`: for each feature
    the number of updates and the sum of rates by the last one that touched it. The sum
    of all rates and the last one are in `passed_before`. They stay as they are for
    features that wait, so that a run cut into several calls makes the same operations
    on the same numbers; all features up to date go to `shown` and `shown_vectors`. The
    rates of momentum must be equal. `gradient` is zero, on entry and on return.
    """
    data, targets, weights = borrowed(data), borrowed(targets), borrowed(weights)
    order, loss_p, theta = borrowed(order), borrowed(loss_p), borrowed(theta)
    vectors, made, sums = borrowed(vectors), borrowed(made), borrowed(sums)
    gradient, touched = borrowed(gradient), borrowed(touched)
    shown, shown_vectors = borrowed(shown), borrowed(shown_vectors)
    p, rates = borrowed(p), borrowed(rates)
    values, columns, pointers, _, _, bias, scores = data
    n_outputs = scores.shape[1]
    n_features = theta.shape[0] // n_outputs - 1
    n_weights = n_features * n_outputs
    own_l1, own_l2 = 0.0, 0.0
    if rule == FTRL:
        own_l1, own_l2 = p[1], p[2]
    powers = np.empty((62, 4))
    slope = np.zeros(n_outputs)
    n = order.shape[0]
    if rule in (MOMENTUM, NESTEROV):
        _powers(rule, p[0], rates[0], l2, powers)
    line = LINE_BYTES // values.itemsize
    total = 0.0
    passed, rate = passed_before[0], passed_before[1]
    n_updates = 0
    for start in range(0, n, batch_size):
        stop = min(n, start + batch_size)
        now = t + n_updates
        n_touched = 0
        for r in range(stop - start):
            i = order[start + r]
            if start + r + AHEAD_ROWS < n:
                ahead = order[start + r + AHEAD_ROWS]
                prefetch(targets, ahead)
                q, end = pointers[ahead], pointers[ahead + 1]
                while q < end:
                    prefetch(values, q)
                    prefetch(columns, q)
                    q += line
            for k in range(n_outputs):
                scores[r, k] = bias * theta[n_weights + k]
            for q in range(pointers[i], pointers[i + 1]):
                j = np.int64(columns[q])
                if made[j] <= now:
                    n_steps = np.int64(now - made[j])
                    if n_steps > 0:
                        for k in range(n_outputs):
                            _catch_up(
                                rule,
                                p,
                                theta,
                                vectors,
                                j * n_outputs + k,
                                n_steps,
                                passed - sums[j],
                                now,
                                rate,
                                l1,
                                l2,
                                powers,
                            )
                    made[j] = now + 1
                    touched[n_touched] = j
                    n_touched += 1
                for k in range(n_outputs):
                    scores[r, k] += values[q] * theta[j * n_outputs + k]
        loss_sum = sum_of_losses(
            output, targets, weights, order, start, stop, loss, loss_p, scores
        )
        total += loss_sum
        if not is_finite(loss_sum):
            break
        inverse = 1.0 / (stop - start)
        slope[:] = 0.0
        for r in range(stop - start):
            i = order[start + r]
            for k in range(n_outputs):
                slope[k] += bias * inverse * scores[r, k]
            for q in range(pointers[i], pointers[i + 1]):
                at = np.int64(columns[q]) * n_outputs
                for k in range(n_outputs):
                    gradient[at + k] += values[q] * inverse * scores[r, k]
        rate = rates[n_updates]
        passed += rate
        n_updates += 1
        now = t + n_updates
        for k in range(n_outputs):
            if bias != 0.0:
                _move(
                    rule,
                    p,
                    theta,
                    vectors,
                    n_weights + k,
                    slope[k],
                    rate,
                    now,
                    0.0,
                    0.0,
                    0.0,
                    0.0,
                )
        for m in range(n_touched):
            j = touched[m]
            sums[j] = passed
            for k in range(n_outputs):
                at = j * n_outputs + k
                _move(
                    rule,
                    p,
                    theta,
                    vectors,
                    at,
                    gradient[at],
                    rate,
                    now,
                    l1,
                    l2,
                    own_l1,
                    own_l2,
                )
                gradient[at] = 0.0
    passed_before[0], passed_before[1] = passed, rate
    now = t + n_updates
    shown[:] = theta
    for m in range(vectors.shape[0]):
        shown_vectors[m] = vectors[m]
    for j in range(n_features):
        n_steps = np.int64(now - made[j])
        if n_steps > 0:
            for k in range(n_outputs):
                _catch_up(
                    rule,
                    p,
                    shown,
                    shown_vectors,
                    j * n_outputs + k,
                    n_steps,
                    passed - sums[j],
                    now,
                    rate,
                    l1,
                    l2,
                    powers,
                )
    return total, n_updates


@remembered
def epoch_signature(data_type, element):
    """Of ``run_epoch``."""
    return types.Tuple([FLOAT, INDEX])(
        data_type,
        TARGETS,
        WEIGHTS,
        ORDER,
        INDEX,
        types.intp,
        types.intp,
        VECTOR,
        INDEX,
        VECTOR,
        compiling.vector(element),
        compiling.matrix(element),
        VECTOR,
        VECTOR,
        VECTOR,
        compiling.vector(element),
        compiling.matrix(element),
        VECTOR,
        compiling.vector(INDEX),
        FLOAT,
        FLOAT,
        compiling.read_only(FLOAT, 1),
        INDEX,
    )
