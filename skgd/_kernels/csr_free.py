"""DoWG steps with an interpolated mean on CSR rows, at a cost of the nonzeros only.

The updates of ``epoch.run_epoch`` with the rule ``dowg`` and gradients between the
moving point z and its mean x, without touching the weights of absent features. The
penalty is a proximal step of z instead of a part of the gradient.
"""

import math

import numba
import numpy as np
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
from .elementary import exp_not_positive, is_finite
from .memory import LINE_BYTES, borrowed, part
from .outputs import sum_of_losses

# Below it exp(-x) is 1 - x + x^2/2, to rounding.
TINY_PULL = 1e-5

# Below it x - log(1 + x) is x^2/2 - x^3/3, to eight digits.
TINY_PART = 1e-4

# All that belongs to a feature lies side by side, because what a nonzero costs is
# mostly the wait for it. First the last update that touched the feature, the sum of
# steps by then, its scale and its l2 weight; then z, x, where z began, and the
# gradient, a number for each output. One output fills a line of the cache.
LAST, STEPS, SCALE, L2, POINTS = 0, 1, 2, 3, 4


@numba.njit(**OPTIONS)
def _records(theta, base, average, initial, scale, l2, n_features, n_outputs, t):
    """What belongs to each feature, in a vector that begins with a line."""
    width = POINTS + 4 * n_outputs
    room = np.empty(n_features * width + LINE_BYTES // 8)
    shift = -room.ctypes.data % LINE_BYTES // 8
    records = room[shift : shift + n_features * width]
    scaled = scale.shape[0] > 0
    for j in range(n_features):
        record = records[j * width : (j + 1) * width]
        record[LAST] = t
        record[STEPS] = 0.0
        record[SCALE] = scale[j] if scaled else 1.0
        record[L2] = l2[j * n_outputs]
        for k in range(n_outputs):
            q = j * n_outputs + k
            record[POINTS + k] = base[q]
            record[POINTS + n_outputs + k] = average[q]
            record[POINTS + 2 * n_outputs + k] = initial[q]
            record[POINTS + 3 * n_outputs + k] = 0.0
    return records


@numba.njit(**OPTIONS)
def _mean_size(size, l1, l2, passed, span):
    """Mean of s(S) over S from 0 to `passed`, ds = -(l2 s + l1) dS until s is 0.

    s is (size + l1/l2) exp(-l2 S) - l1/l2, and `span` the mean of the exponential.
    """
    pull, part = l2 * passed, l2 * size / l1
    straight = 0.5 - pull / 6.0 if pull < TINY_PULL else (1.0 - span) / pull
    if size * (1.0 - pull * span) > l1 * passed * span:
        return size * span - l1 * passed * straight
    # It stops where l2 S = log(1 + part).
    if part < TINY_PART:
        area = 0.5 * size * size * (1.0 - part / 1.5) / l1
    else:
        area = (part - math.log1p(part)) * l1 / (l2 * l2)
    return area / passed


@numba.njit(**OPTIONS, forceinline=True)
def _catch_up(record, n_outputs, now, inverse_now, steps, l1):
    """Bring a feature up to date after updates that did not touch it.

    Without a penalty z stands still, and the mean of t points, the last `gap` of them
    at z, is z + (x - z) (t - gap)/t. A penalty pulls z towards zero, where it stops,
    dz = -(l2 z + l1 sign z) dS, S the sum of the steps, as if they were of one length.

    Returns the change of the squared distance of z from where it began.
    """
    change = 0.0
    share = record[LAST] * inverse_now
    passed, l2 = steps - record[STEPS], record[L2]
    pulled = (l1 > 0.0 or l2 > 0.0) and passed > 0.0
    decay = span = 1.0
    if pulled:
        pull = l2 * passed
        if pull < TINY_PULL:
            decay, span = 1.0 - pull * (1.0 - 0.5 * pull), 1.0 - 0.5 * pull
        else:
            decay = exp_not_positive(-pull)
            span = (1.0 - decay) / pull
    for k in range(n_outputs):
        z, x = POINTS + k, POINTS + n_outputs + k
        old = record[z]
        between = old
        if pulled and old != 0.0:
            initial = record[POINTS + 2 * n_outputs + k]
            size = abs(old) * decay - l1 * passed * span
            new = math.copysign(max(size, 0.0), old)
            record[z] = new
            between = old * span
            if l1 > 0.0:
                between = math.copysign(_mean_size(abs(old), l1, l2, passed, span), old)
            change += (new - initial) ** 2 - (old - initial) ** 2
        record[x] = between + (record[x] - between) * share
    return change


@numba.njit(**OPTIONS, forceinline=True)
def _run(given, n_outputs):
    """`run_epoch` for a number of outputs that may be known to the compiler."""
    data, targets, weights, order, batch_size, output, loss, loss_p = given[:8]
    theta, base, average, initial, memory, longest, l1, l2 = given[8:16]
    interpolation, rates, t = given[16:]
    values, columns, pointers, _, scale, bias, scores = data
    n_features = theta.shape[0] // n_outputs - 1
    n_weights = n_features * n_outputs
    width = POINTS + 4 * n_outputs
    kept = _records(theta, base, average, initial, scale, l2, n_features, n_outputs, t)
    records = borrowed(kept)
    gradient_at = POINTS + 3 * n_outputs
    slope = np.zeros(n_outputs)
    touched = np.empty(n_features, np.int64)
    has_l1 = l1.shape[0] > 0
    steps = 0.0
    distance = 0.0
    for j in range(theta.shape[0]):
        distance += (base[j] - initial[j]) ** 2
    n = order.shape[0]
    total = 0.0
    n_updates = 0
    for start in range(0, n, batch_size):
        stop = min(n, start + batch_size)
        now = t + n_updates
        inverse_now = 1.0 / max(now, 1)
        n_touched = 0
        for r in range(stop - start):
            i = order[start + r]
            for k in range(n_outputs):
                scores[r, k] = bias * theta[n_weights + k]
            for q in range(pointers[i], pointers[i + 1]):
                j = columns[q]
                record = part(records, j * width, width)
                if record[LAST] <= now:
                    if record[LAST] < now:
                        penalty1 = l1[j * n_outputs] if has_l1 else 0.0
                        distance += _catch_up(
                            record, n_outputs, now, inverse_now, steps, penalty1
                        )
                    for k in range(n_outputs):
                        record[gradient_at + k] = 0.0
                    # Counted as touched by the coming update.
                    record[LAST] = now + 1
                    touched[n_touched] = j
                    n_touched += 1
                value = values[q] * record[SCALE]
                for k in range(n_outputs):
                    z, x = record[POINTS + k], record[POINTS + n_outputs + k]
                    scores[r, k] += value * (z + (x - z) * interpolation)
        loss_sum = sum_of_losses(
            output, targets, weights, order, start, stop, loss, loss_p, scores
        )
        total += loss_sum
        if not is_finite(loss_sum):
            break
        slope[:] = 0.0
        inverse = 1.0 / (stop - start)
        for r in range(stop - start):
            i = order[start + r]
            for k in range(n_outputs):
                slope[k] += bias * inverse * scores[r, k]
            for q in range(pointers[i], pointers[i + 1]):
                record = part(records, columns[q] * width, width)
                value = inverse * values[q] * record[SCALE]
                for k in range(n_outputs):
                    record[gradient_at + k] += value * scores[r, k]
        squares = 0.0
        for k in range(n_outputs):
            squares += slope[k] ** 2
        for m in range(n_touched):
            gradient = part(records, touched[m] * width + gradient_at, n_outputs)
            for k in range(n_outputs):
                squares += gradient[k] ** 2
        memory[0] = max(memory[0], distance)
        memory[1] += memory[0] * squares
        length = 0.0
        if memory[1] > 0.0:
            length = memory[0] / math.sqrt(memory[1])
            length = rates[n_updates] * min(length, longest)
        weight = 1.0 / (now + 1)
        for k in range(n_outputs):
            j = n_weights + k
            old = base[j] - initial[j]
            base[j] -= length * slope[k]
            distance += (base[j] - initial[j]) ** 2 - old**2
            average[j] += (base[j] - average[j]) * weight
            theta[j] = base[j] + (average[j] - base[j]) * interpolation
        for m in range(n_touched):
            j = touched[m]
            record = part(records, j * width, width)
            threshold = length * l1[j * n_outputs] if has_l1 else 0.0
            # Proximal step of both penalties.
            shrink = 1.0 / (1.0 + length * record[L2])
            for k in range(n_outputs):
                z, x = POINTS + k, POINTS + n_outputs + k
                origin = record[POINTS + 2 * n_outputs + k]
                old = record[z] - origin
                moved = record[z] - length * record[gradient_at + k]
                moved -= min(max(moved, -threshold), threshold)
                moved *= shrink
                record[z] = moved
                distance += (moved - origin) ** 2 - old**2
                record[x] += (moved - record[x]) * weight
            record[STEPS] = steps + length
        steps += length
        n_updates += 1
    now = t + n_updates
    inverse_now = 1.0 / max(now, 1)
    for j in range(n_features):
        # Of the owner, which lives until here for it.
        record = part(kept, j * width, width)
        if record[LAST] < now:
            penalty1 = l1[j * n_outputs] if has_l1 else 0.0
            _catch_up(record, n_outputs, now, inverse_now, steps, penalty1)
        for k in range(n_outputs):
            q = j * n_outputs + k
            z, x = record[POINTS + k], record[POINTS + n_outputs + k]
            base[q], average[q] = z, x
            theta[q] = z + (x - z) * interpolation
    return total, n_updates


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
    base,
    average,
    initial,
    memory,
    longest,
    l1,
    l2,
    interpolation,
    rates,
    t,
):
    """Updates over the rows of `order`; returns the sum of losses and their number.

    theta, base and average hold y = z + beta (x - z), z and x; they are up to date for
    all features on entry and on return. `memory` is that of the rule: the largest
    squared distance of z from `initial`, and the weighted sum of squared gradients;
    `longest` caps the steps.
    """
    given = (
        borrowed(data),
        borrowed(targets),
        borrowed(weights),
        borrowed(order),
        batch_size,
        output,
        loss,
        borrowed(loss_p),
        borrowed(theta),
        borrowed(base),
        borrowed(average),
        borrowed(initial),
        borrowed(memory),
        longest,
        borrowed(l1),
        borrowed(l2),
        interpolation,
        borrowed(rates),
        t,
    )
    n_outputs = data[6].shape[1]
    if n_outputs == 1:
        # Compiled for itself: without loops over outputs.
        return _run(given, 1)
    return _run(given, n_outputs)


@remembered
def free_signature(data_type, element):
    """Of ``run_epoch``."""
    theta = vector(element)
    return types.Tuple([FLOAT, INDEX])(
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
        theta,
        theta,
        VECTOR,
        FLOAT,
        VECTOR,
        VECTOR,
        FLOAT,
        read_only(FLOAT, 1),
        INDEX,
    )
