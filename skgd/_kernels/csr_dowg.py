"""DoWG steps with an interpolated mean on CSR rows, at a cost of the nonzeros only.

The updates of ``epoch.run_epochs`` with the rule ``dowg`` and gradients between the
moving point z and its mean x, without touching the weights of absent features. The
penalty is a proximal step of z instead of a part of the gradient.
"""

import math
from typing import NamedTuple

import numba
import numpy as np
from numba import types

from .compiling import FLOAT, INDEX, INNER, VECTOR, remembered, vector
from .elementary import exp_not_positive, is_finite
from .memory import LINE_BYTES, borrowed, part, unsigned
from .outputs import sum_of_losses
from .proximal import soft_threshold
from .records import COST, RATES, record, rows_of

# Below it exp(-x) is 1 - x + x^2/2, to rounding.
TINY_PULL = 1e-5

# Below it x - log(1 + x) is x^2/2 - x^3/3, to eight digits.
TINY_PART = 1e-4

# All that belongs to a feature lies side by side, because what a nonzero costs is
# mostly the wait for it. First the last update that touched the feature, the sum of
# steps by then, its scale and its l2 weight; then z, x, where z began, and the
# gradient, a number for each output. One output fills a line of the cache.
LAST, STEPS, SCALE, L2, POINTS = 0, 1, 2, 3, 4


class Points(NamedTuple):
    """The points of a run, each of shape (n_parameters,).

    Attributes
    ----------
    theta : array
        y = z + beta (x - z), where gradients are taken.
    base : array
        z, which moves.
    average : array
        x, the mean of z.
    initial : array
        Where z began.
    """

    theta: object
    base: object
    average: object
    initial: object


class Dowg(NamedTuple):
    """What the rule needs to know.

    Attributes
    ----------
    scalars : float64 array of shape (2,)
        The largest squared distance of z from where it began, and the weighted sum of
        squared gradients.
    longest : float
        What caps the steps.
    l1 : float64 array of shape (n_parameters,) or (0,)
    l2 : float64 array of shape (n_parameters,)
    interpolation : float
        beta.
    step_sizes : array of shape (n_parameters,)
        Of the last update, which are written.
    """

    scalars: object
    longest: float
    l1: object
    l2: object
    interpolation: float
    step_sizes: object


@numba.njit(**INNER)
def _records(points, scale, l2, n_features, n_outputs, t):
    """What belongs to each feature, in a vector that begins with a line."""
    width = POINTS + 4 * n_outputs
    longer = np.empty(n_features * width + LINE_BYTES // 8)
    shift = -longer.ctypes.data % LINE_BYTES // 8
    records = longer[shift : shift + n_features * width]
    scaled = scale.shape[0] > 0
    for j in range(n_features):
        record = records[j * width : (j + 1) * width]
        record[LAST] = t
        record[STEPS] = 0.0
        record[SCALE] = scale[j] if scaled else 1.0
        record[L2] = l2[j * n_outputs]
        for k in range(n_outputs):
            q = j * n_outputs + k
            record[POINTS + k] = points.base[q]
            record[POINTS + n_outputs + k] = points.average[q]
            record[POINTS + 2 * n_outputs + k] = points.initial[q]
            record[POINTS + 3 * n_outputs + k] = 0.0
    return records


@numba.njit(**INNER)
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


@numba.njit(**INNER, forceinline=True)
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


@numba.njit(**INNER, forceinline=True)
def _l1_of(l1, j, n_outputs):
    """The l1 weight of feature j."""
    return l1[j * n_outputs] if l1.shape[0] > 0 else 0.0


class Work(NamedTuple):
    """What the updates of an epoch work on beside the points.

    Attributes
    ----------
    records : float64 array
        What belongs to each feature; see ``POINTS``.
    width : int
        Numbers in a record.
    gradient_at : int
        Where the gradient begins in it.
    touched : int64 array of shape (n_features,)
        The features of a batch, as many as there are.
    slope : float64 array of shape (n_outputs,)
        The gradient of the intercepts.
    n_outputs : int
    """

    records: object
    width: int
    gradient_at: int
    touched: object
    slope: object
    n_outputs: int


@numba.njit(**INNER, forceinline=True)
def _work(points, scale, l2, n_outputs, t):
    n_features = points.base.shape[0] // n_outputs - 1
    return Work(
        _records(points, scale, l2, n_features, n_outputs, t),
        POINTS + 4 * n_outputs,
        POINTS + 3 * n_outputs,
        np.empty(n_features, np.int64),
        np.zeros(n_outputs),
        n_outputs,
    )


@numba.njit(**INNER, forceinline=True)
def _record_of(work, j):
    """The record of feature j."""
    return part(work.records, j * work.width, work.width)


@numba.njit(**INNER, forceinline=True)
def _look(rows, start, stop, points, dowg, work, now, steps, distance):
    """The scores of a batch; its features are brought up to date and noted.

    Returns the number of features, and the squared distance of z by then.
    """
    order, scores, bias = rows.order, rows.data.scores, rows.data.bias
    values, columns, pointers = rows.data.values, rows.data.columns, rows.data.pointers
    theta, interpolation, n_outputs = points.theta, dowg.interpolation, work.n_outputs
    touched = work.touched
    n_weights = theta.shape[0] - n_outputs
    inverse_now = 1.0 / max(now, 1)
    n_touched = 0
    for r in range(stop - start):
        i = order[start + r]
        for k in range(n_outputs):
            scores[r, k] = bias * theta[n_weights + k]
        for q in range(unsigned(pointers[i]), unsigned(pointers[i + 1])):
            j = columns[q]
            record = _record_of(work, j)
            if record[LAST] <= now:
                if record[LAST] < now:
                    l1 = _l1_of(dowg.l1, j, n_outputs)
                    distance += _catch_up(
                        record, n_outputs, now, inverse_now, steps, l1
                    )
                for k in range(n_outputs):
                    record[work.gradient_at + k] = 0.0
                # Counted as touched by the coming update.
                record[LAST] = now + 1
                touched[n_touched] = j
                n_touched += 1
            value = values[q] * record[SCALE]
            for k in range(n_outputs):
                z, x = record[POINTS + k], record[POINTS + n_outputs + k]
                scores[r, k] += value * (z + (x - z) * interpolation)
    return n_touched, distance


@numba.njit(**INNER, forceinline=True)
def _add_gradients(rows, start, stop, work):
    """The mean gradients of a batch, into the records and, of intercepts, `slope`."""
    order, scores, bias = rows.order, rows.data.scores, rows.data.bias
    values, columns, pointers = rows.data.values, rows.data.columns, rows.data.pointers
    slope, n_outputs = work.slope, work.n_outputs
    slope[:] = 0.0
    inverse = 1.0 / (stop - start)
    for r in range(stop - start):
        i = order[start + r]
        for k in range(n_outputs):
            slope[k] += bias * inverse * scores[r, k]
        for q in range(unsigned(pointers[i]), unsigned(pointers[i + 1])):
            record = _record_of(work, columns[q])
            value = inverse * values[q] * record[SCALE]
            for k in range(n_outputs):
                record[work.gradient_at + k] += value * scores[r, k]


@numba.njit(**INNER, forceinline=True)
def _length_of_step(dowg, work, n_touched, distance, rate):
    """The length that the distance and the gradients give the step."""
    scalars, slope, n_outputs = dowg.scalars, work.slope, work.n_outputs
    squares = 0.0
    for k in range(n_outputs):
        squares += slope[k] ** 2
    for m in range(n_touched):
        at = work.touched[m] * work.width + work.gradient_at
        gradient = part(work.records, at, n_outputs)
        for k in range(n_outputs):
            squares += gradient[k] ** 2
    scalars[0] = max(scalars[0], distance)
    scalars[1] += scalars[0] * squares
    length = 0.0
    if scalars[1] > 0.0:
        length = scalars[0] / math.sqrt(scalars[1])
        length = rate * min(length, dowg.longest)
    return length


@numba.njit(**INNER, forceinline=True)
def _move_intercepts(points, dowg, work, length, weight, distance):
    """Move them; returns the squared distance of z by then."""
    theta, base, average, initial = points
    slope, n_outputs = work.slope, work.n_outputs
    n_weights = theta.shape[0] - n_outputs
    for k in range(n_outputs):
        j = n_weights + k
        old = base[j] - initial[j]
        base[j] -= length * slope[k]
        distance += (base[j] - initial[j]) ** 2 - old**2
        average[j] += (base[j] - average[j]) * weight
        theta[j] = base[j] + (average[j] - base[j]) * dowg.interpolation
    return distance


@numba.njit(**INNER, forceinline=True)
def _move_weights(dowg, work, n_touched, length, weight, steps, distance):
    """Move the weights of a batch; returns the squared distance of z by then."""
    n_outputs = work.n_outputs
    for m in range(n_touched):
        j = work.touched[m]
        record = _record_of(work, j)
        threshold = length * _l1_of(dowg.l1, j, n_outputs)
        # Proximal step of both penalties.
        shrink = 1.0 / (1.0 + length * record[L2])
        for k in range(n_outputs):
            z, x = POINTS + k, POINTS + n_outputs + k
            origin = record[POINTS + 2 * n_outputs + k]
            old = record[z] - origin
            moved = record[z] - length * record[work.gradient_at + k]
            moved = soft_threshold(moved, threshold) * shrink
            record[z] = moved
            distance += (moved - origin) ** 2 - old**2
            record[x] += (moved - record[x]) * weight
        record[STEPS] = steps
    return distance


@numba.njit(**INNER, forceinline=True)
def _show(points, dowg, work, now, steps):
    """Put all weights, up to date, where others look."""
    n_outputs = work.n_outputs
    inverse_now = 1.0 / max(now, 1)
    for j in range(points.base.shape[0] // n_outputs - 1):
        record = _record_of(work, j)
        if record[LAST] < now:
            l1 = _l1_of(dowg.l1, j, n_outputs)
            _catch_up(record, n_outputs, now, inverse_now, steps, l1)
        for k in range(n_outputs):
            q = j * n_outputs + k
            z, x = record[POINTS + k], record[POINTS + n_outputs + k]
            points.base[q], points.average[q] = z, x
            points.theta[q] = z + (x - z) * dowg.interpolation


@numba.njit(**INNER, forceinline=True)
def _run(rows, batch_size, cost, points, dowg, rates, t, n_outputs):
    """`run_epoch` for a number of outputs that may be known to the compiler."""
    base, initial = points.base, points.initial
    owner = _work(points, rows.data.scale, dowg.l2, n_outputs, t)
    work = borrowed(owner)
    steps = 0.0
    length = 0.0
    distance = 0.0
    for j in range(base.shape[0]):
        distance += (base[j] - initial[j]) ** 2
    n = rows.order.shape[0]
    total = 0.0
    n_updates = 0
    for start in range(0, n, batch_size):
        stop = min(n, start + batch_size)
        now = t + n_updates
        n_touched, distance = _look(
            rows, start, stop, points, dowg, work, now, steps, distance
        )
        loss = sum_of_losses(rows, start, stop, cost, rows.data.scores)
        total += loss
        if not is_finite(loss):
            break
        _add_gradients(rows, start, stop, work)
        rate = rates[n_updates]
        length = _length_of_step(dowg, work, n_touched, distance, rate)
        weight = 1.0 / (now + 1)
        steps += length
        distance = _move_intercepts(points, dowg, work, length, weight, distance)
        distance = _move_weights(dowg, work, n_touched, length, weight, steps, distance)
        n_updates += 1
    if n_updates > 0:
        for j in range(base.shape[0]):
            dowg.step_sizes[j] = length
    # With the owner of the arrays, which lives until here for it.
    _show(points, dowg, owner, t + n_updates, steps)
    return total, n_updates


def run_epoch(rows, batch_size, cost, points, dowg, rates, t):
    """Updates over the rows of the order; returns the sum of losses and their number.

    The points are up to date for all features on entry and on return.
    """
    rows, cost, points = borrowed(rows), borrowed(cost), borrowed(points)
    dowg, rates = borrowed(dowg), borrowed(rates)
    n_outputs = rows.data.scores.shape[1]
    if n_outputs == 1:
        # Compiled for itself: without loops over outputs.
        return _run(rows, batch_size, cost, points, dowg, rates, t, 1)
    return _run(rows, batch_size, cost, points, dowg, rates, t, n_outputs)


@remembered
def dowg_signature(data_type, element):
    """Of ``run_epoch``."""
    theta = vector(element)
    points = record(Points, theta=theta, base=theta, average=theta, initial=theta)
    dowg = record(
        Dowg,
        scalars=VECTOR,
        longest=FLOAT,
        l1=VECTOR,
        l2=VECTOR,
        interpolation=FLOAT,
        step_sizes=theta,
    )
    return types.Tuple([FLOAT, INDEX])(
        rows_of(data_type), INDEX, COST, points, dowg, RATES, INDEX
    )
