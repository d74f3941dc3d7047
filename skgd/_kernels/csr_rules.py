"""Rules with state on CSR rows, at a cost of the nonzeros only.

The updates of ``epoch.run_epoch`` with the rules AdaGrad, momentum, Nesterov and FTRL,
without touching what belongs to absent features: what happens to it in
steps whose gradient is that of the penalty alone is made up for when the feature comes.
For momentum that is a power of a matrix of two by two, l2 included; for AdaGrad nothing
but the penalty, which shrinks the weight as a flow; for FTRL the closed form.

All that belongs to a feature lies side by side in a record, because what a nonzero
costs is mostly the wait for it: the weights of the outputs, the rule's vectors, the
number of updates by the last one that touched it, and, for AdaGrad, the sum of rates by
then. With one output a record is half a line of the cache. The last record is that of
the intercepts. Each rule is a kernel of its own, so that no nonzero asks for it.
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
from .elementary import exp_not_positive, is_finite
from .memory import AHEAD_ROWS, LINE_BYTES, borrowed, prefetch
from .outputs import sum_of_losses, value_and_derivative

ADAGRAD, MOMENTUM, NESTEROV, FTRL = 0, 1, 2, 3

# The parts of the record of a feature with one output.
WEIGHT, FIRST, SECOND = 0, 1, 2
ONE_OUTPUT = 4

# Rows between the request for the records of a row and their use, where all records
# together are larger than this and so not in the second-level cache.
RECORDS_AHEAD = 2
CACHE_BYTES = 1 << 20

# Powers of two up to which a feature may wait, and the entries of each power.
POWERS = (62, 4)

# Velocities below it move nothing, and their powers would be numbers that a processor
# is slow at.
STANDSTILL = 1e-150


@numba.njit(**OPTIONS, forceinline=True)
def n_vectors(rule):
    """Vectors of the rule that have an entry for each weight."""
    return 2 if rule == FTRL else 1


def width(rule, n_outputs):
    """Numbers in the record of a feature."""
    if n_outputs == 1:
        return ONE_OUTPUT
    kept = 2 if rule == FTRL else 1
    return (1 + kept) * n_outputs + (2 if rule == ADAGRAD else 1)


_width = numba.njit(**OPTIONS)(width)


@numba.njit(**OPTIONS, forceinline=True)
def ftrl_weight(z, root, inverse_rate, beta, l1, l2):
    """The minimum of z w + (beta + root)/rate w^2/2 + l1 |w| + l2 w^2/2."""
    if abs(z) <= l1:
        return 0.0
    return -(z - math.copysign(l1, z)) / ((beta + root) * inverse_rate + l2)


@numba.njit(**OPTIONS, forceinline=True)
def _after_waiting(
    rule, p, w, first, second, waited, passed, now, inverse_rate, l1, l2, coasting
):
    """The weight and the first vector after `waited` updates without a gradient."""
    log_decay, length, powers = coasting
    if rule == ADAGRAD:
        if w != 0.0:
            w = shrunk(w, l1, l2, passed / (math.sqrt(first) + p[0]))
    elif rule == FTRL:
        if now > 0:
            root = math.sqrt(second)
            w = ftrl_weight(
                first, root, inverse_rate, p[0], p[1] + now * l1, p[2] + now * l2
            )
    elif l2 == 0.0:
        if first != 0.0:
            decay = exp_not_positive(waited * log_decay)
            w -= length * (1.0 - decay) * first
            first *= decay
            if abs(first) < STANDSTILL:
                first = 0.0
    elif first != 0.0 or w != 0.0:
        n_steps = np.int64(waited)
        bit = 0
        while n_steps > 0:
            if n_steps & 1:
                new_w = powers[bit, 0] * w + powers[bit, 1] * first
                first = powers[bit, 2] * w + powers[bit, 3] * first
                w = new_w
            n_steps >>= 1
            bit += 1
    return w, first


@numba.njit(**OPTIONS, forceinline=True)
def _moved(
    rule, p, w, first, second, g, rate, inverse_rate, now, l1, l2, own_l1, own_l2
):
    """(weight, vectors) after one update by the gradient of the rows."""
    if rule == ADAGRAD:
        first += g * g
        length = rate / (math.sqrt(first) + p[0])
        w -= length * g
        if l1 > 0.0 or l2 > 0.0:
            w = shrunk(w, l1, l2, length)
    elif rule == FTRL:
        more = second + g * g
        root = math.sqrt(more)
        first += g - (root - math.sqrt(second)) * inverse_rate * w
        second = more
        w = ftrl_weight(
            first, root, inverse_rate, p[0], own_l1 + now * l1, own_l2 + now * l2
        )
    else:
        g += l2 * w
        first = p[0] * first + g
        w -= rate * (first if rule == MOMENTUM else g + p[0] * first)
    return w, first, second


@numba.njit(**OPTIONS)
def _powers(rule, momentum, rate, l2, powers):
    """M, M^2, M^4, ..., M what an update does to (weight, buffer)."""
    a, b, c, d = 1.0 - rate * l2, -rate * momentum, l2, momentum
    if rule == NESTEROV:
        a, b = 1.0 - rate * l2 * (1.0 + momentum), -rate * momentum * momentum
    for k in range(powers.shape[0]):
        powers[k, 0], powers[k, 1], powers[k, 2], powers[k, 3] = a, b, c, d
        a, b, c, d = a * a + b * c, b * (a + d), c * (a + d), b * c + d * d


@numba.njit(**OPTIONS)
def _waits_for_nothing(rule, l1, l2, rates, last_rate):
    """Whether the weights of absent features stay as they are."""
    if rule in (MOMENTUM, NESTEROV) or l1 > 0.0 or l2 > 0.0:
        return False
    if rule == FTRL:
        for k in range(rates.shape[0]):
            if rates[k] != last_rate:
                return False
    return True


@numba.njit(**OPTIONS, forceinline=True)
def _one_row(given, rule, coasting):
    """Updates by single rows that name no column twice, for one output."""
    data, targets, weights, order, _, _, loss, loss_p = given[:8]
    p, records, passed_before, _, _, _, _, l1, l2, rates, t = given[8:]
    values, columns, pointers, _, _, bias, _ = data
    own_l1, own_l2 = (p[1], p[2]) if rule == FTRL else (0.0, 0.0)
    idle = _waits_for_nothing(rule, l1, l2, rates, passed_before[1])
    made = SECOND if rule != FTRL else SECOND + 1
    line = LINE_BYTES // values.itemsize
    end_of_records = records.shape[0]
    intercept = end_of_records - ONE_OUTPUT
    far = end_of_records * records.itemsize > CACHE_BYTES
    n = order.shape[0]
    passed, rate = passed_before[0], passed_before[1]
    inverse_rate = 1.0 / rate
    total = 0.0
    for r in range(n):
        i = order[r]
        if r + AHEAD_ROWS < n:
            ahead = order[r + AHEAD_ROWS]
            prefetch(targets, ahead)
            q, end = pointers[ahead], pointers[ahead + 1]
            while q < end:
                prefetch(values, q)
                prefetch(columns, q)
                q += line
        if far and r + RECORDS_AHEAD < n:
            ahead = order[r + RECORDS_AHEAD]
            for q in range(pointers[ahead], pointers[ahead + 1]):
                prefetch(records, np.int64(columns[q]) * ONE_OUTPUT)
        now = t + r
        first, last = pointers[i], pointers[i + 1]
        z = bias * records[intercept]
        if idle:
            for q in range(first, last):
                z += values[q] * records[np.int64(columns[q]) * ONE_OUTPUT]
        else:
            for q in range(first, last):
                at = np.int64(columns[q]) * ONE_OUTPUT
                waited = now - records[at + made]
                if waited > 0.0:
                    since = 0.0
                    if rule == ADAGRAD:
                        since = passed - records[at + made + 1]
                    records[at + WEIGHT], records[at + FIRST] = _after_waiting(
                        rule,
                        p,
                        records[at + WEIGHT],
                        records[at + FIRST],
                        records[at + SECOND],
                        waited,
                        since,
                        now,
                        inverse_rate,
                        l1,
                        l2,
                        coasting,
                    )
                z += values[q] * records[at + WEIGHT]
        value, slope = value_and_derivative(loss, targets[i, 0], z, loss_p)
        total += weights[i] * value
        if not is_finite(weights[i] * value):
            return total, r, passed, rate
        slope *= weights[i]
        if rates[r] != rate:
            rate = rates[r]
            inverse_rate = 1.0 / rate
        passed += rate
        if bias != 0.0:
            at = intercept
            w, vector, other = _moved(
                rule,
                p,
                records[at + WEIGHT],
                records[at + FIRST],
                records[at + SECOND],
                slope,
                rate,
                inverse_rate,
                now + 1,
                0.0,
                0.0,
                0.0,
                0.0,
            )
            records[at + WEIGHT], records[at + FIRST] = w, vector
            if rule == FTRL:
                records[at + SECOND] = other
        for q in range(first, last):
            at = np.int64(columns[q]) * ONE_OUTPUT
            w, vector, other = _moved(
                rule,
                p,
                records[at + WEIGHT],
                records[at + FIRST],
                records[at + SECOND],
                values[q] * slope,
                rate,
                inverse_rate,
                now + 1,
                l1,
                l2,
                own_l1,
                own_l2,
            )
            records[at + WEIGHT], records[at + FIRST] = w, vector
            if rule == FTRL:
                records[at + SECOND] = other
            if not idle:
                records[at + made] = now + 1
                if rule == ADAGRAD:
                    records[at + made + 1] = passed
    return total, n, passed, rate


@numba.njit(**OPTIONS, forceinline=True)
def _any_rows(given, rule, coasting):
    """Updates by rows of any kind, any number at a time, for any outputs."""
    data, targets, weights, order, batch_size, output, loss, loss_p = given[:8]
    p, records, passed_before, _, _, distinct, _, l1, l2, rates, t = given[8:]
    values, columns, pointers, _, _, bias, scores = data
    n_outputs = scores.shape[1]
    size = _width(rule, n_outputs)
    made = (1 + n_vectors(rule)) * n_outputs
    n_features = records.shape[0] // size - 1
    intercepts = n_features * size
    own_l1, own_l2 = (p[1], p[2]) if rule == FTRL else (0.0, 0.0)
    # One row that names no column twice: its entries number what it touches.
    alone = distinct and batch_size == 1
    n_most = n_features
    if alone:
        n_most = 0
        for r in range(order.shape[0]):
            n_most = max(n_most, pointers[order[r] + 1] - pointers[order[r]])
    gradient = np.zeros(n_most * n_outputs)
    touched = np.empty(n_most, np.int64)
    slope = np.zeros(n_outputs)
    line = LINE_BYTES // values.itemsize
    n = order.shape[0]
    total = 0.0
    passed, rate = passed_before[0], passed_before[1]
    n_updates = 0
    for start in range(0, n, batch_size):
        stop = min(n, start + batch_size)
        now = t + n_updates
        n_touched = 0
        inverse_rate = 1.0 / rate
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
                scores[r, k] = bias * records[intercepts + k]
            for q in range(pointers[i], pointers[i + 1]):
                j = np.int64(columns[q])
                at = j * size
                waited = now - records[at + made]
                if waited >= 0.0:
                    if waited > 0.0:
                        since = 0.0
                        if rule == ADAGRAD:
                            since = passed - records[at + made + 1]
                        for k in range(n_outputs):
                            one, two = at + k, at + n_outputs + k
                            three = two + n_outputs if rule == FTRL else two
                            records[one], records[two] = _after_waiting(
                                rule,
                                p,
                                records[one],
                                records[two],
                                records[three],
                                waited,
                                since,
                                now,
                                inverse_rate,
                                l1,
                                l2,
                                coasting,
                            )
                    # Counted as touched by the coming update.
                    records[at + made] = now + 1
                    touched[n_touched] = j
                    n_touched += 1
                for k in range(n_outputs):
                    scores[r, k] += values[q] * records[at + k]
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
                at = np.int64(q - pointers[i] if alone else columns[q]) * n_outputs
                for k in range(n_outputs):
                    gradient[at + k] += values[q] * inverse * scores[r, k]
        rate = rates[n_updates]
        inverse_rate = 1.0 / rate
        passed += rate
        n_updates += 1
        now = t + n_updates
        # The intercepts with the features, without a penalty.
        for m in range(n_touched + (1 if bias != 0.0 else 0)):
            is_feature = m < n_touched
            j = touched[m] if is_feature else n_features
            at = j * size
            if rule == ADAGRAD:
                records[at + made + 1] = passed
            for k in range(n_outputs):
                g = slope[k]
                if is_feature:
                    place = (m if alone else j) * n_outputs + k
                    g = gradient[place]
                    gradient[place] = 0.0
                one, two = at + k, at + n_outputs + k
                three = two + n_outputs if rule == FTRL else two
                w, vector, other = _moved(
                    rule,
                    p,
                    records[one],
                    records[two],
                    records[three],
                    g,
                    rate,
                    inverse_rate,
                    now,
                    l1 if is_feature else 0.0,
                    l2 if is_feature else 0.0,
                    own_l1 if is_feature else 0.0,
                    own_l2 if is_feature else 0.0,
                )
                records[one], records[two] = w, vector
                if rule == FTRL:
                    records[three] = other
    return total, n_updates, passed, rate


@numba.njit(**OPTIONS, forceinline=True)
def _run(given, rule):
    """An epoch of the rule, and then all features as they are by now."""
    p, records, passed_before, theta, vectors, distinct = given[8:14]
    powers, l1, l2, rates, t = given[14:]
    n_outputs = given[0][6].shape[1]
    log_decay, length = 0.0, 0.0
    if rule in (MOMENTUM, NESTEROV):
        _powers(rule, p[0], rates[0], l2, powers)
        log_decay = math.log(max(p[0], STANDSTILL))
        length = rates[0] * p[0] / (1.0 - p[0])
        if rule == NESTEROV:
            length *= p[0]
    coasting = (log_decay, length, powers)
    if n_outputs == 1 and given[4] == 1 and distinct:
        total, n_updates, passed, rate = _one_row(given, rule, coasting)
    else:
        total, n_updates, passed, rate = _any_rows(given, rule, coasting)
    passed_before[0], passed_before[1] = passed, rate
    if theta.shape[0] == 0:
        return total, n_updates
    size = _width(rule, n_outputs)
    made = (1 + n_vectors(rule)) * n_outputs
    n_features = records.shape[0] // size - 1
    idle = _waits_for_nothing(rule, l1, l2, rates, rate)
    now = t + n_updates
    inverse_rate = 1.0 / rate
    for j in range(n_features + 1):
        at = j * size
        since = 0.0
        if rule == ADAGRAD:
            since = passed - records[at + made + 1]
        # Nothing happens to intercepts while they wait for the next call.
        waited = now - records[at + made]
        late = not idle and j < n_features and waited > 0.0
        for k in range(n_outputs):
            one, two = at + k, at + n_outputs + k
            three = two + n_outputs if rule == FTRL else two
            w, first = records[one], records[two]
            if late:
                w, first = _after_waiting(
                    rule,
                    p,
                    w,
                    first,
                    records[three],
                    waited,
                    since,
                    now,
                    inverse_rate,
                    l1,
                    l2,
                    coasting,
                )
            theta[j * n_outputs + k] = w
            vectors[0, j * n_outputs + k] = first
            if rule == FTRL:
                vectors[1, j * n_outputs + k] = records[three]
                # From the sums alone, so that it may as well be remembered.
                records[one] = w
    return total, n_updates


def _epoch_of(rule, name):
    def run_epoch(
        data,
        targets,
        weights,
        order,
        batch_size,
        output,
        loss,
        loss_p,
        p,
        records,
        passed_before,
        theta,
        vectors,
        distinct,
        powers,
        l1,
        l2,
        rates,
        t,
    ):
        """Updates over the rows of `order`; the sum of losses, and their number.

        Moves `records`; see ``begin``. The sum of all rates and the last one are in
        `passed_before`. Features that wait stay as they are, so that a run cut into
        several calls makes the same operations on the same numbers; all features up to
        date go to `theta` and `vectors`, unless `theta` is empty. With an empty `order`
        nothing else is done. The rates of momentum must be equal.
        `distinct` says that no row names a column twice; `powers` is room for them.
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
            borrowed(p),
            borrowed(records),
            borrowed(passed_before),
            borrowed(theta),
            borrowed(vectors),
            distinct,
            borrowed(powers),
            l1,
            l2,
            borrowed(rates),
            t,
        )
        return _run(given, rule)

    run_epoch.__name__ = run_epoch.__qualname__ = name
    return run_epoch


# A kernel for each rule, in the order of their numbers.
EPOCHS = (
    _epoch_of(ADAGRAD, "run_adagrad"),
    _epoch_of(MOMENTUM, "run_momentum"),
    _epoch_of(NESTEROV, "run_nesterov"),
    _epoch_of(FTRL, "run_ftrl"),
)


def begin(rule, theta, vectors, n_outputs, t):
    """Records of the features, then of the intercepts, after `t` updates.

    They begin with a line of the cache, so that none lies in two.
    """
    n = theta.size // n_outputs
    size, kept = width(rule, n_outputs), 2 if rule == FTRL else 1
    room = np.zeros(n * size + LINE_BYTES // 8)
    start = -room.ctypes.data % LINE_BYTES // 8
    records = room[start : start + n * size]
    table = records.reshape(n, size)
    table[:, :n_outputs] = theta.reshape(n, n_outputs)
    for m in range(kept):
        columns = slice((m + 1) * n_outputs, (m + 2) * n_outputs)
        table[:, columns] = vectors[m].reshape(n, n_outputs)
    table[:, (1 + kept) * n_outputs] = t
    return records


@remembered
def epoch_signature(data_type, element):
    """Of each of ``EPOCHS``."""
    return types.Tuple([FLOAT, INDEX])(
        data_type,
        TARGETS,
        WEIGHTS,
        ORDER,
        INDEX,
        types.intp,
        types.intp,
        VECTOR,
        VECTOR,
        VECTOR,
        VECTOR,
        compiling.vector(element),
        compiling.matrix(element),
        types.boolean,
        compiling.matrix(FLOAT),
        FLOAT,
        FLOAT,
        compiling.read_only(FLOAT, 1),
        INDEX,
    )
