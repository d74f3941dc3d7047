"""Rules with state on CSR rows, at a cost of the nonzeros only.

The updates of ``epoch.run_epochs`` with the rules AdaGrad, RMSProp, momentum, Nesterov,
FTRL and Adam, without touching what belongs to absent features: what happens to it in
steps whose gradient is that of the penalty alone is made up for when the feature comes.
For momentum that is a power of a matrix of two by two, l2 included; for FTRL the closed
form; for RMSProp a power of its memory. The moments of Adam have no closed form: they
move when their feature comes, and not before. A penalty shrinks the weights of AdaGrad,
RMSProp and Adam as a flow.

All that belongs to a feature lies side by side in a record, because what a nonzero
costs is mostly the wait for it: the weights of the outputs, what the rule keeps of
each, the number of updates by the last one that touched it, and, for a flow, the sum of
rates before that one, whose own part of the flow waits with the rest: two flows in a
row are one of their lengths' sum. AdaGrad keeps the inverse of its divisor, so that the
flow needs no root, and no number of updates. With one output a record is half a line of
the cache, for Adam a line. The last record is that of the intercepts. Each rule is a
kernel of its own, so that no nonzero asks for it.
"""

import math
from typing import NamedTuple

import numba
import numpy as np
from numba import types

from .compiling import FLOAT, INDEX, INNER, VECTOR, matrix, remembered, vector
from .csr_stream import shrunk
from .elementary import exp_not_positive, is_finite
from .memory import (
    AHEAD_ROWS,
    LINE_BYTES,
    borrowed,
    part,
    prefetch,
    prefetch_entries,
    unsigned,
)
from .outputs import sum_of_losses, value_and_derivative
from .records import COST, RATES, STRENGTHS, record, rows_of

ADAGRAD, MOMENTUM, NESTEROV, FTRL, RMSPROP, ADAM = range(6)

# The parts of the record of a feature with one output.
WEIGHT, FIRST, SECOND = 0, 1, 2

# Rows between the request for the records of a row and their use, where all records
# together are larger than this and so not in the second-level cache.
RECORDS_AHEAD = 2
CACHE_BYTES = 1 << 20

# Powers of a matrix for each digit of a wait, to the base of 16, and their entries.
DIGITS, BASE = 16, 16
POWERS = (DIGITS * BASE, 4)

# Velocities below it move nothing, and their powers would be numbers that a processor
# is slow at.
STANDSTILL = 1e-150

EPSILON = float(np.finfo(np.float64).eps)

# In place of when a feature was moved: by the update that is being prepared.
TOUCHED = 1e300


def n_vectors(rule):
    """Vectors of the rule that are kept in the records."""
    return 2 if rule in (FTRL, ADAM) else 1


def flows(rule):
    """Whether penalties act as a flow, at a pace of each weight's own."""
    return rule in (ADAGRAD, RMSPROP, ADAM)


def n_kept(rule):
    """Numbers in a record for each output, beside its weight."""
    return 2 if rule in (ADAGRAD, FTRL, ADAM) else 1


def width(rule, n_outputs):
    """Numbers in the record of a feature."""
    if n_outputs == 1:
        return 8 if rule == ADAM else 4
    kept = 2 if rule in (ADAGRAD, FTRL, ADAM) else 1
    return (1 + kept) * n_outputs + (2 if rule in (RMSPROP, ADAM) else 1)


_n_vectors = numba.njit(**INNER, forceinline=True)(n_vectors)
_flows = numba.njit(**INNER, forceinline=True)(flows)
_n_kept = numba.njit(**INNER, forceinline=True)(n_kept)
_width = numba.njit(**INNER)(width)


@numba.njit(**INNER, forceinline=True)
def ftrl_weight(z, root, inverse_rate, beta, l1, l2):
    """The minimum of z w + (beta + root)/rate w^2/2 + l1 |w| + l2 w^2/2."""
    if abs(z) <= l1:
        return 0.0
    return -(z - math.copysign(l1, z)) / ((beta + root) * inverse_rate + l2)


class Course(NamedTuple):
    """What happens to a feature in the updates of an epoch, but for its gradients.

    Attributes
    ----------
    p : float64 array
        The parameters of the rule.
    l1, l2 : float
    own_l1, own_l2 : float
        Strengths of FTRL that do not grow with the updates.
    log_decay, length : float
        Of a buffer of momentum: what it loses in an update, and how far it goes in all
        of them. Of RMSProp and Adam: logarithms of what their memories keep of a
        square, and of a gradient.
    decay : float
        Decoupled decay, per unit of the rate.
    powers : float64 array of shape ``POWERS``
        Of the matrix of an update, for momentum with l2.
    """

    p: object
    l1: float
    l2: float
    own_l1: float
    own_l2: float
    log_decay: float
    length: float
    decay: float
    powers: object


class Moment(NamedTuple):
    """Where an epoch is.

    Attributes
    ----------
    now : int
        Updates made.
    passed, passed_before : float
        The sums of their rates, and of those but the last.
    rate, inverse_rate : float
        The last rate, and one over it.
    grown, grown_squares : float
        Shares of their final weight that the memories of Adam have by now.
    """

    now: int
    passed: float
    passed_before: float
    rate: float
    inverse_rate: float
    grown: float
    grown_squares: float


@numba.njit(**INNER, forceinline=True)
def _moment(rule, course, now, passed, passed_before, rate, inverse_rate):
    grown, grown_squares = 1.0, 1.0
    if rule == ADAM and now > 0:
        grown = 1.0 - exp_not_positive(now * course.length)
        grown_squares = 1.0 - exp_not_positive(now * course.log_decay)
    return Moment(now, passed, passed_before, rate, inverse_rate, grown, grown_squares)


@numba.njit(**INNER, forceinline=True)
def _divisor(rule, course, w, first, second, moment):
    """What the rate is divided by in the flow of the penalty.

    As in the last step; and where the gradients were next to nothing, as the rule would
    divide the gradient of the penalty alone.
    """
    own = course.l1 + course.l2 * abs(w)
    if rule == ADAGRAD:
        return math.sqrt(max(first, own * own)) + course.p[0]
    if rule == RMSPROP:
        return math.sqrt(max(first, own * own)) + course.p[1]
    return math.sqrt(max(second / moment.grown_squares, own * own)) + course.p[2]


@numba.njit(**INNER, forceinline=True)
def _after_waiting(rule, course, w, first, second, waited, passed, moment):
    """The weight and the first vector after `waited` updates without a gradient.

    `passed` is the sum of their rates.
    """
    p, l1, l2 = course.p, course.l1, course.l2
    now, inverse_rate = moment.now, moment.inverse_rate
    if _flows(rule):
        if w != 0.0 and passed > 0.0:
            if rule == ADAM and course.decay > 0.0:
                lost = min(course.decay * passed / waited, 1.0 - EPSILON)
                w *= exp_not_positive(waited * math.log1p(-lost))
            if l1 > 0.0 or l2 > 0.0:
                if rule == ADAGRAD and second > 0.0:
                    length = passed * second
                else:
                    divisor = _divisor(rule, course, w, first, second, moment)
                    length = passed / divisor
                w = shrunk(w, l1, l2, length)
        if rule == RMSPROP:
            first *= exp_not_positive(waited * course.log_decay)
            if first < STANDSTILL:
                first = 0.0
    elif rule == FTRL:
        if now > 0:
            root = math.sqrt(second)
            w = ftrl_weight(
                first, root, inverse_rate, p[0], p[1] + now * l1, p[2] + now * l2
            )
    elif l2 == 0.0:
        if first != 0.0:
            decay = exp_not_positive(waited * course.log_decay)
            w -= course.length * (1.0 - decay) * first
            first *= decay
            if abs(first) < STANDSTILL:
                first = 0.0
    elif first != 0.0 or w != 0.0:
        powers = course.powers
        n_steps = np.int64(waited)
        place = 0
        while n_steps > 0:
            # No look at whether the digit is zero: it would be guessed wrong too often.
            at = place + n_steps % BASE
            new_w = powers[at, 0] * w + powers[at, 1] * first
            first = powers[at, 2] * w + powers[at, 3] * first
            w = new_w
            n_steps //= BASE
            place += BASE
    return w, first


@numba.njit(**INNER, forceinline=True)
def _moved(rule, course, w, first, second, g, moment):
    """(weight, vectors) after the last update, by the gradient of the rows."""
    p, l1, l2 = course.p, course.l1, course.l2
    now, rate, inverse_rate = moment.now, moment.rate, moment.inverse_rate
    if _flows(rule):
        if rule == ADAGRAD:
            first += g * g
            second = 1.0 / (math.sqrt(first) + p[0])
            w -= rate * second * g
        elif rule == RMSPROP:
            first += (1.0 - p[0]) * (g * g - first)
            w -= rate / (math.sqrt(first) + p[1]) * g
        else:
            w *= 1.0 - rate * course.decay
            first += (1.0 - p[0]) * (g - first)
            second += (1.0 - p[1]) * (g * g - second)
            size = math.sqrt(second / moment.grown_squares) + p[2]
            w -= rate / size * (first / moment.grown)
            if course.decay > 0.0 and (l1 > 0.0 or l2 > 0.0):
                divisor = _divisor(rule, course, w, first, second, moment)
                w = shrunk(w, l1, l2, rate / divisor)
    elif rule == FTRL:
        more = second + g * g
        root = math.sqrt(more)
        first += g - (root - math.sqrt(second)) * inverse_rate * w
        second = more
        own_l1, own_l2 = course.own_l1, course.own_l2
        w = ftrl_weight(
            first, root, inverse_rate, p[0], own_l1 + now * l1, own_l2 + now * l2
        )
    else:
        g += l2 * w
        first = p[0] * first + g
        w -= rate * (first if rule == MOMENTUM else g + p[0] * first)
    return w, first, second


@numba.njit(**INNER, forceinline=True)
def _places(rule, k, n_outputs):
    """Where the weight of output k and what is kept of it are in a record."""
    first = n_outputs + k
    return k, first, first + n_outputs if _n_kept(rule) == 2 else first


@numba.njit(**INNER, forceinline=True)
def _waited(rule, record, n_outputs, moment):
    """(updates, sum of rates) that a record waited; below zero if it is touched."""
    made = (1 + _n_kept(rule)) * n_outputs
    if rule == ADAGRAD:
        since = moment.passed - record[made]
        return since, since
    since = moment.passed - record[made + 1] if _flows(rule) else 0.0
    return moment.now - record[made], since


@numba.njit(**INNER, forceinline=True)
def _stamp(rule, course, record, n_outputs, moment):
    """Note that the last update touched a record."""
    made = (1 + _n_kept(rule)) * n_outputs
    if rule == ADAGRAD:
        record[made] = moment.passed_before
        return
    record[made] = moment.now
    if _flows(rule):
        # Where weights decay besides, nothing of what this update does waits, so that
        # the mean of the rates that passed is that of the updates that were waited.
        decays = course.decay > 0.0
        record[made + 1] = moment.passed if decays else moment.passed_before


@numba.njit(**INNER, inline="always")
def _catch_up(rule, course, record, n_outputs, moment):
    """Bring a record up to date, if it is not; returns how long it waited."""
    waited, since = _waited(rule, record, n_outputs, moment)
    if waited >= 0.0 and (waited > 0.0 or since > 0.0):
        for k in range(n_outputs):
            one, two, three = _places(rule, k, n_outputs)
            record[one], record[two] = _after_waiting(
                rule,
                course,
                record[one],
                record[two],
                record[three],
                waited,
                since,
                moment,
            )
    return waited


@numba.njit(**INNER, inline="always")
def _move(rule, course, record, k, n_outputs, g, moment):
    """Update one weight of a record, and what the rule remembers of it."""
    one, two, three = _places(rule, k, n_outputs)
    w, first, second = _moved(
        rule, course, record[one], record[two], record[three], g, moment
    )
    record[one], record[two] = w, first
    if _n_kept(rule) == 2:
        record[three] = second


@numba.njit(**INNER)
def _powers(rule, momentum, rate, l2, powers):
    """I, M, ..., M^15, I, M^16, M^32, ...; M is an update of (weight, buffer)."""
    a, b, c, d = 1.0 - rate * l2, -rate * momentum, l2, momentum
    if rule == NESTEROV:
        a, b = 1.0 - rate * l2 * (1.0 + momentum), -rate * momentum * momentum
    for place in range(0, powers.shape[0], BASE):
        e, f, g, h = 1.0, 0.0, 0.0, 1.0
        for k in range(place, place + BASE):
            powers[k, 0], powers[k, 1], powers[k, 2], powers[k, 3] = e, f, g, h
            e, f, g, h = a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h
        a, b, c, d = e, f, g, h


@numba.njit(**INNER)
def _waits_for_nothing(rule, course, rates, last_rate):
    """Whether the weights of absent features stay as they are."""
    if rule in (MOMENTUM, NESTEROV, RMSPROP) or course.decay > 0.0:
        return False
    if course.l1 > 0.0 or course.l2 > 0.0:
        return False
    if rule == FTRL:
        for k in range(rates.shape[0]):
            if rates[k] != last_rate:
                return False
    return True


class Epoch(NamedTuple):
    """What an epoch works on.

    Attributes
    ----------
    rows : Rows
    batch_size : int
    cost : Cost
    late : Late
    rates : float64 array
    t : int
        Updates made before.
    """

    rows: tuple
    batch_size: int
    cost: tuple
    late: tuple
    rates: object
    t: int


@numba.njit(**INNER, forceinline=True)
def _without_penalty(course):
    """What happens to an intercept."""
    p, powers = course.p, course.powers
    return Course(p, 0.0, 0.0, 0.0, 0.0, course.log_decay, course.length, 0.0, powers)


@numba.njit(**INNER, forceinline=True)
def _ask(rows, r):
    """Ask for the row to come that is so far ahead."""
    order, data = rows.order, rows.data
    if r + AHEAD_ROWS < order.shape[0]:
        ahead = order[r + AHEAD_ROWS]
        prefetch(rows.targets, ahead)
        prefetch_entries(data.values, data.columns, data.pointers, ahead)


@numba.njit(**INNER, forceinline=True)
def _ask_for_records(rows, records, size, r):
    """Ask for what belongs to the features of a row to come."""
    columns, pointers = rows.data.columns, rows.data.pointers
    ahead = rows.order[r]
    for q in range(unsigned(pointers[ahead]), unsigned(pointers[ahead + 1])):
        prefetch(records, np.int64(columns[q]) * size)


@numba.njit(**INNER, forceinline=True)
def _score(epoch, rule, course, i, idle, moment):
    """The score of a row for one output, of features that are brought up to date."""
    records = epoch.late.records
    values, columns, pointers, _, _, bias, _ = epoch.rows.data
    size = _width(rule, 1)
    first, last = unsigned(pointers[i]), unsigned(pointers[i + 1])
    z = bias * records[records.shape[0] - size]
    if idle:
        for q in range(first, last):
            z += values[q] * part(records, np.int64(columns[q]) * size, 1)[0]
        return z
    for q in range(first, last):
        record = part(records, np.int64(columns[q]) * size, size)
        _catch_up(rule, course, record, 1, moment)
        z += values[q] * record[WEIGHT]
    return z


@numba.njit(**INNER, forceinline=True)
def _step(epoch, rule, course, i, slope, idle, moment):
    """Move the features of a row, for one output."""
    records = epoch.late.records
    values, columns, pointers, _, _, bias, _ = epoch.rows.data
    size = _width(rule, 1)
    if bias != 0.0:
        intercept = part(records, records.shape[0] - size, size)
        _move(rule, _without_penalty(course), intercept, 0, 1, slope, moment)
    for q in range(unsigned(pointers[i]), unsigned(pointers[i + 1])):
        record = part(records, np.int64(columns[q]) * size, size)
        _move(rule, course, record, 0, 1, values[q] * slope, moment)
        if not idle:
            _stamp(rule, course, record, 1, moment)


@numba.njit(**INNER, forceinline=True)
def _one_row(epoch, rule, course):
    """Updates by single rows that name no column twice, for one output."""
    rows, records, passed_before = epoch.rows, epoch.late.records, epoch.late.passed
    loss, loss_p, rates, t = epoch.cost.loss, epoch.cost.p, epoch.rates, epoch.t
    targets, weights, order = rows.targets, rows.weights, rows.order
    idle = _waits_for_nothing(rule, course, rates, passed_before[1])
    size = _width(rule, 1)
    far = records.shape[0] * records.itemsize > CACHE_BYTES
    n = order.shape[0]
    passed, rate = passed_before[0], passed_before[1]
    inverse_rate = 1.0 / rate
    total = 0.0
    for r in range(n):
        i = order[r]
        _ask(rows, r)
        if far and r + RECORDS_AHEAD < n:
            _ask_for_records(rows, records, size, r + RECORDS_AHEAD)
        before = _moment(rule, course, t + r, passed, passed, rate, inverse_rate)
        z = _score(epoch, rule, course, i, idle, before)
        value, slope = value_and_derivative(loss, targets[i, 0], z, loss_p)
        total += weights[i] * value
        if not is_finite(weights[i] * value):
            return total, r, passed, rate
        if rates[r] != rate:
            rate = rates[r]
            inverse_rate = 1.0 / rate
        following = passed + rate
        moment = _moment(rule, course, t + r + 1, following, passed, rate, inverse_rate)
        _step(epoch, rule, course, i, slope * weights[i], idle, moment)
        passed = following
    return total, n, passed, rate


@numba.njit(**INNER, forceinline=True)
def _most_entries(pointers, order, batch_size):
    """Of a batch of these rows."""
    most = 0
    for start in range(0, order.shape[0], batch_size):
        n_entries = 0
        for r in range(start, min(order.shape[0], start + batch_size)):
            n_entries += pointers[order[r] + 1] - pointers[order[r]]
        most = max(most, n_entries)
    return most


@numba.njit(**INNER, forceinline=True)
def _scores(epoch, rule, course, start, stop, touched, moment):
    """Fill in the scores of a batch; returns how many features are noted as touched."""
    rows, records = epoch.rows, epoch.late.records
    values, columns, pointers, _, _, bias, scores = rows.data
    n_outputs = scores.shape[1]
    size = _width(rule, n_outputs)
    intercepts = part(records, records.shape[0] - size, size)
    made = (1 + _n_kept(rule)) * n_outputs
    n_touched = 0
    for r in range(stop - start):
        i = rows.order[start + r]
        _ask(rows, start + r)
        for k in range(n_outputs):
            scores[r, k] = bias * intercepts[k]
        for q in range(unsigned(pointers[i]), unsigned(pointers[i + 1])):
            j = np.int64(columns[q])
            record = part(records, j * size, size)
            if _catch_up(rule, course, record, n_outputs, moment) >= 0.0:
                record[made] = TOUCHED
                touched[n_touched] = j
                n_touched += 1
            for k in range(n_outputs):
                scores[r, k] += values[q] * record[k]
    return n_touched


@numba.njit(**INNER, forceinline=True)
def _update(epoch, rule, course, touched, slope, alone, moment):
    """Move the intercepts and the features that a batch touched, by its gradient."""
    records, gradient = epoch.late.records, epoch.late.gradient
    n_outputs = slope.shape[0]
    size = _width(rule, n_outputs)
    if epoch.rows.data.bias != 0.0:
        record = part(records, records.shape[0] - size, size)
        unpenalised = _without_penalty(course)
        for k in range(n_outputs):
            _move(rule, unpenalised, record, k, n_outputs, slope[k], moment)
    for m in range(touched.shape[0]):
        record = part(records, touched[m] * size, size)
        place = (m if alone else touched[m]) * n_outputs
        _stamp(rule, course, record, n_outputs, moment)
        for k in range(n_outputs):
            g = gradient[place + k]
            gradient[place + k] = 0.0
            _move(rule, course, record, k, n_outputs, g, moment)


@numba.njit(**INNER, forceinline=True)
def _any_rows(epoch, rule, course):
    """Updates by rows of any kind, any number at a time, for any outputs."""
    rows, records, passed_before = epoch.rows, epoch.late.records, epoch.late.passed
    batch_size, rates, t = epoch.batch_size, epoch.rates, epoch.t
    scores, n = rows.data.scores, rows.order.shape[0]
    n_outputs = scores.shape[1]
    # One row that names no column twice: its entries number what it touches.
    alone = epoch.late.distinct and batch_size == 1
    n_most = _most_entries(rows.data.pointers, rows.order, batch_size)
    n_features = records.shape[0] // _width(rule, n_outputs) - 1
    touched = np.empty(min(n_most, n_features), np.int64)
    slope = np.zeros(n_outputs)
    total = 0.0
    passed, rate = passed_before[0], passed_before[1]
    n_updates = 0
    for start in range(0, n, batch_size):
        stop = min(n, start + batch_size)
        now = t + n_updates
        moment = _moment(rule, course, now, passed, passed, rate, 1.0 / rate)
        n_touched = _scores(epoch, rule, course, start, stop, touched, moment)
        loss = sum_of_losses(rows, start, stop, epoch.cost, scores)
        total += loss
        if not is_finite(loss):
            for m in range(n_touched):
                at = touched[m] * _width(rule, n_outputs)
                record = part(records, at, _width(rule, n_outputs))
                _stamp(rule, course, record, n_outputs, moment)
            break
        _add_gradients(rows, start, stop, slope, epoch.late.gradient, alone)
        rate = rates[n_updates]
        following = passed + rate
        moment = _moment(rule, course, now + 1, following, passed, rate, 1.0 / rate)
        _update(epoch, rule, course, touched[:n_touched], slope, alone, moment)
        passed = following
        n_updates += 1
    return total, n_updates, passed, rate


@numba.njit(**INNER, forceinline=True)
def _add_gradients(rows, start, stop, slope, gradient, alone):
    """The mean gradients of a batch, from the derivatives that its scores became.

    Of a row that is `alone` in it, by the numbers of its entries, not of its columns.
    """
    order, scores = rows.order, rows.data.scores
    values, columns, pointers = rows.data.values, rows.data.columns, rows.data.pointers
    n_outputs = scores.shape[1]
    bias, inverse = rows.data.bias, 1.0 / (stop - start)
    slope[:] = 0.0
    for r in range(stop - start):
        i = order[start + r]
        for k in range(n_outputs):
            scores[r, k] *= inverse
            slope[k] += bias * scores[r, k]
        first = np.int64(pointers[i])
        for q in range(np.int64(pointers[i + 1]) - first):
            entry = unsigned(first + q)
            at = (q if alone else np.int64(columns[entry])) * n_outputs
            for k in range(n_outputs):
                gradient[unsigned(at + k)] += values[entry] * scores[r, k]


@numba.njit(**INNER, forceinline=True)
def _show(rule, course, late, n_outputs, now, theta, vectors, idle):
    """Put every weight and what the rule remembers, up to date, where others look."""
    records, passed, rate = late.records, late.passed[0], late.passed[1]
    moment = _moment(rule, course, now, passed, passed, rate, 1.0 / rate)
    size = _width(rule, n_outputs)
    n_features = records.shape[0] // size - 1
    for j in range(n_features + 1):
        record = part(records, j * size, size)
        waited, since = _waited(rule, record, n_outputs, moment)
        # Nothing happens to intercepts while they wait for the next call.
        waits = not idle and j < n_features and (waited > 0.0 or since > 0.0)
        for k in range(n_outputs):
            one, two, three = _places(rule, k, n_outputs)
            w, first, second = record[one], record[two], record[three]
            if waits:
                w, first = _after_waiting(
                    rule, course, w, first, second, waited, since, moment
                )
            theta[j * n_outputs + k] = w
            vectors[0, j * n_outputs + k] = first
            if _n_vectors(rule) == 2:
                vectors[1, j * n_outputs + k] = second
            if rule == FTRL:
                # From the sums alone, so that it may as well be remembered.
                record[one] = w


@numba.njit(**INNER, forceinline=True)
def _course(rule, p, strengths, rates, powers):
    """What happens to features at these rates; those of momentum are equal."""
    l1, l2 = strengths
    own_l1, own_l2 = (p[1], p[2]) if rule == FTRL else (0.0, 0.0)
    log_decay, length, decay = 0.0, 0.0, 0.0
    if rule == RMSPROP:
        log_decay = math.log(max(p[0], STANDSTILL))
    if rule == ADAM:
        length = math.log(max(p[0], STANDSTILL))
        log_decay = math.log(max(p[1], STANDSTILL))
        decay = p[3]
    if rule in (MOMENTUM, NESTEROV):
        _powers(rule, p[0], rates[0], l2, powers)
        log_decay = math.log(max(p[0], STANDSTILL))
        length = rates[0] * p[0] / (1.0 - p[0])
        if rule == NESTEROV:
            length *= p[0]
    return Course(p, l1, l2, own_l1, own_l2, log_decay, length, decay, powers)


@numba.njit(**INNER, forceinline=True)
def _run(epoch, rule, course, distinct, theta, vectors):
    """An epoch of the rule, and then all features as they are by now."""
    late = epoch.late
    n_outputs = epoch.rows.data.scores.shape[1]
    if n_outputs == 1 and epoch.batch_size == 1 and distinct:
        total, n_updates, passed, rate = _one_row(epoch, rule, course)
    else:
        total, n_updates, passed, rate = _any_rows(epoch, rule, course)
    late.passed[0], late.passed[1] = passed, rate
    if theta.shape[0] == 0:
        return total, n_updates
    idle = _waits_for_nothing(rule, course, epoch.rates, rate)
    _show(rule, course, late, n_outputs, epoch.t + n_updates, theta, vectors, idle)
    return total, n_updates


class Late(NamedTuple):
    """What is kept of the features between two calls.

    Attributes
    ----------
    records : float64 array
        See ``begin``.
    passed : float64 array of shape (2,)
        The sum of all rates, and the last one.
    powers : float64 array of shape ``POWERS``
        Room for the powers of a matrix.
    gradient : float64 array
        Zeros, before and after a call: room for the gradient of the weights, or of the
        entries of one row, where rows that name no column twice come one at a time.
    distinct : bool
        Whether no row names a column twice.
    """

    records: object
    passed: object
    powers: object
    gradient: object
    distinct: bool


LATE = record(
    Late,
    records=VECTOR,
    passed=VECTOR,
    powers=matrix(FLOAT),
    gradient=VECTOR,
    distinct=types.boolean,
)


def room_for_gradient(pointers, batch_size, distinct, n_weights, n_outputs):
    """The `gradient` of ``Late`` for updates by rows with these pointers."""
    if distinct and batch_size == 1:
        n_weights = int(np.diff(pointers).max(initial=0)) * n_outputs
    return np.zeros(n_weights)


def _epoch_of(rule, name):
    def run_epoch(rows, batch_size, cost, theta, vectors, p, late, strengths, rates, t):
        """Updates over the rows of the order; the sum of losses, and their number.

        Features that wait stay as they are in the records, so that a run cut into
        several calls makes the same operations on the same numbers; all features up to
        date go to `theta` and `vectors`. The rates of momentum must be equal.
        """
        late, rates, p = borrowed(late), borrowed(rates), borrowed(p)
        theta, vectors = borrowed(theta), borrowed(vectors)
        course = _course(rule, p, strengths, rates, late.powers)
        epoch = Epoch(borrowed(rows), batch_size, borrowed(cost), late, rates, t)
        return _run(epoch, rule, course, late.distinct, theta, vectors)

    run_epoch.__name__ = run_epoch.__qualname__ = name
    return run_epoch


# A kernel for each rule, in the order of their numbers.
EPOCHS = (
    _epoch_of(ADAGRAD, "run_adagrad"),
    _epoch_of(MOMENTUM, "run_momentum"),
    _epoch_of(NESTEROV, "run_nesterov"),
    _epoch_of(FTRL, "run_ftrl"),
    _epoch_of(RMSPROP, "run_rmsprop"),
    _epoch_of(ADAM, "run_adam"),
)


def begin(rule, theta, vectors, n_outputs, t):
    """Records of the features, then of the intercepts, after `t` updates.

    They begin with a line of the cache, so that none lies in two.
    """
    n = theta.size // n_outputs
    size, kept = width(rule, n_outputs), n_vectors(rule)
    longer = np.zeros(n * size + LINE_BYTES // 8)
    start = -longer.ctypes.data % LINE_BYTES // 8
    records = longer[start : start + n * size]
    table = records.reshape(n, size)
    table[:, :n_outputs] = theta.reshape(n, n_outputs)
    for m in range(kept):
        columns = slice((m + 1) * n_outputs, (m + 2) * n_outputs)
        table[:, columns] = vectors[m].reshape(n, n_outputs)
    if rule != ADAGRAD:
        table[:, (1 + n_kept(rule)) * n_outputs] = t
    return records


@remembered
def epoch_signature(data_type, element):
    """Of each of ``EPOCHS``."""
    return types.Tuple([FLOAT, INDEX])(
        rows_of(data_type),
        INDEX,
        COST,
        vector(element),
        matrix(element),
        VECTOR,
        LATE,
        STRENGTHS,
        RATES,
        INDEX,
    )
