"""Implicit normalised AdaGrad on CSR rows, one row an update, for streams.

A feature is measured in units of the largest value it has shown (Ross, Mineiro and
Langford, 2013), its step shrinks with the gradients it has seen (Duchi, Hazan and
Singer, 2011), and the derivative is taken where the update ends (Kulis and Bartlett,
2010; Karampatziakis and Langford, 2011), so that no row and no weight of a row, however
large, is overshot. An update costs what the row has nonzeros.
"""

import math

import numba
import numpy as np
from numba import types

from . import compiling
from .compiling import FLOAT, INDEX, INNER, VECTOR, remembered
from .csr_dual import AHEAD, log_sum
from .elementary import lost_share
from .forgetting import left
from .memory import borrowed, part, prefetch, prefetch_entries
from .outputs import target_of, value_and_derivative
from .records import ORDER, TARGETS, WEIGHTS

# Where the derivative of a row is taken: where its update ends, where it begins, or for
# the softmax, so that a bound of the curvature holds.
IMPLICIT, EXPLICIT, SOFTMAX = range(3)

MOST_TRIALS = 200

# How many times what a feature showed when it was last met it may show, where its
# largest value is forgotten, without being taken for one that has grown.
WITHIN_FORGOTTEN = 2.0

# Width of the bracket of a root, as a share of what it was, that is as good as none.
NARROW = 1e-6

# Distance from a root, as a share of the same width, after which one last step of the
# secant is as good as exact.
PRECISE = 1e-6


@numba.njit(**INNER, forceinline=True)
def implicit_score(loss, p, y, weight, z, derivative, q):
    """The root u of u = z - q s l'(u), for a convex loss with or without kinks.

    It lies between z and z - q s l'(z), because l' does not fall; and no further from u
    than |u - z + q s l'(u)|, because that function rises by at least one per unit.
    """
    at_z = q * weight * derivative
    if at_z == 0.0:
        return z
    low, high = min(z, z - at_z), max(z, z - at_z)
    first = high - low
    last, f_last = z, at_z
    u = z - at_z
    for trial in range(MOST_TRIALS):
        _, slope = value_and_derivative(loss, y, u, p)
        f = u - z + q * weight * slope
        if f == 0.0 or high - low <= NARROW * first:
            break
        if f > 0.0:
            high = u
        else:
            low = u
        step = 0.0
        if f != f_last:
            step = f * (u - last) / (f - f_last)
        last, f_last = u, f
        if abs(f) <= PRECISE * first:
            if low <= u - step <= high:
                u -= step
            break
        u -= step
        if not low < u < high or trial % 3 == 2:
            u = 0.5 * (low + high)
    return u


@numba.njit(**INNER, forceinline=True)
def shrunk(w, l1, l2, length):
    """A weight after the flow dw = -(l2 w + l1 sign w) dt for the time `length`."""
    if w == 0.0:
        return 0.0
    size = abs(w)
    if l2 > 0.0:
        lost = lost_share(l2 * length)
        size -= size * lost
        if l1 > 0.0:
            size -= l1 / l2 * lost
    else:
        size -= l1 * length
    return math.copysign(max(size, 0.0), w)


@numba.njit(**INNER, forceinline=True)
def _step(eta, largest, squares):
    return eta / (largest * math.sqrt(squares))


def run_pass(
    data,
    targets,
    weights,
    order,
    kind,
    loss,
    loss_p,
    curvature,
    theta,
    squares,
    largest,
    marks,
    room,
    eta,
    l1,
    l2,
    prior,
    t,
):
    """Updates by the rows of `order`; returns the sum of losses and their number.

    Penalised weights wait for their rows; see ``settle``. `squares`, `largest` and
    `marks` belong to the entries of theta: weighted sums of squared derivatives, the
    largest values seen, and the number of the last update. `prior` is the sum of
    squared derivatives that features start with, per square of their value; `t` counts
    the updates made before.
    """
    data, targets, weights = borrowed(data), borrowed(targets), borrowed(weights)
    order, loss_p, theta = borrowed(order), borrowed(loss_p), borrowed(theta)
    squares, largest, marks = borrowed(squares), borrowed(largest), borrowed(marks)
    room = borrowed(room)
    values, columns, pointers, _, _, bias, scores = data
    n_outputs = scores.shape[1]
    n_weights = theta.shape[0] - n_outputs
    penalised = l1 > 0.0 or l2 > 0.0
    z, slope, q_sum, move = room[0], room[1], room[2], room[3]
    n = order.shape[0]
    total = 0.0
    for r in range(n):
        i = order[r]
        if r + AHEAD < n:
            prefetch(targets, order[r + AHEAD])
            prefetch_entries(values, columns, pointers, order[r + AHEAD])
        now = t + r
        first, last = pointers[i], pointers[i + 1]
        for k in range(n_outputs):
            z[k] = bias * theta[n_weights + k]
        for q in range(first, last):
            x = values[q]
            size = abs(np.float64(x))
            if size == 0.0:
                continue
            at = np.int64(columns[q]) * n_outputs
            for k in range(n_outputs):
                j = at + k
                w = np.float64(theta[j])
                seen = largest[j]
                if penalised and w != 0.0 and seen > 0.0 and squares[j] > 0.0:
                    length = (now - marks[j]) * _step(eta, seen, squares[j])
                    w = shrunk(w, l1, l2, length)
                marks[j] = now
                if size > seen:
                    if seen > 0.0:
                        w *= seen / size
                    else:
                        squares[j] = prior * size * size
                    largest[j] = size
                theta[j] = w
                z[k] += x * w
        weight = weights[i]
        row_loss = 0.0
        if kind == SOFTMAX:
            label = int(targets[i, 0])
            row_loss = log_sum(part(z, 0, n_outputs), slope) - z[label]
            slope[label] -= 1.0
        else:
            for k in range(n_outputs):
                y = target_of(targets, i, k, n_outputs)
                value, slope[k] = value_and_derivative(loss, y, z[k], loss_p)
                row_loss += value
        total += weight * row_loss
        if not abs(total) < math.inf:
            return total, r
        for k in range(n_outputs):
            g = slope[k]
            if g == 0.0:
                move[k] = 0.0
                continue
            q_sum[k] = 0.0
            if bias != 0.0:
                squares[n_weights + k] += weight * g * g
                q_sum[k] = _step(eta, 1.0, squares[n_weights + k])
            for q in range(first, last):
                x = np.float64(values[q])
                if x != 0.0:
                    j = np.int64(columns[q]) * n_outputs + k
                    squares[j] += weight * (g * x) ** 2
                    q_sum[k] += x * x * _step(eta, largest[j], squares[j])
            if q_sum[k] == 0.0:
                move[k] = 0.0
                continue
            if kind == SOFTMAX:
                # A step of the bound of the curvature: no further than the root.
                move[k] = weight * g / (1.0 + weight * curvature * q_sum[k])
            elif kind == EXPLICIT:
                move[k] = weight * g
            else:
                y = target_of(targets, i, k, n_outputs)
                u = implicit_score(loss, loss_p, y, weight, z[k], g, q_sum[k])
                move[k] = (z[k] - u) / q_sum[k]
            if bias != 0.0:
                theta[n_weights + k] -= move[k] * _step(
                    eta, 1.0, squares[n_weights + k]
                )
            for q in range(first, last):
                x = np.float64(values[q])
                if x != 0.0:
                    j = np.int64(columns[q]) * n_outputs + k
                    theta[j] -= move[k] * x * _step(eta, largest[j], squares[j])
    return total, n


_left = numba.njit(**INNER)(left)
_pass = numba.njit(**INNER)(run_pass)


@numba.njit(**INNER)
def _forget(data, i, theta, squares, largest, marks, eta, l1, l2, half_life, now):
    """Let a row find what is left of the rows before it, and the penalty done.

    A weight will shrink with the growth of its feature only where that shows more than
    twice what it did when it was last met: a smaller step up follows from forgetting
    alone, time and again.
    """
    values, columns, pointers, _, _, _, scores = data
    n_outputs = scores.shape[1]
    n_weights = theta.shape[0] - n_outputs
    for k in range(n_outputs):
        squares[n_weights + k] *= _left(half_life, 1)
    for q in range(pointers[i], pointers[i + 1]):
        size = abs(np.float64(values[q]))
        if size == 0.0:
            continue
        at = np.int64(columns[q]) * n_outputs
        for k in range(n_outputs):
            j = at + k
            seen, w = largest[j], np.float64(theta[j])
            if seen == 0.0:
                continue
            if (l1 > 0.0 or l2 > 0.0) and w != 0.0 and squares[j] > 0.0:
                length = (now - marks[j]) * _step(eta, seen, squares[j])
                theta[j] = shrunk(w, l1, l2, length)
            kept = _left(half_life, now - marks[j])
            marks[j] = now
            squares[j] *= kept
            if size <= WITHIN_FORGOTTEN * seen:
                largest[j] = max(math.sqrt(kept) * seen, size)


def run_forgetting_pass(
    data,
    targets,
    weights,
    order,
    kind,
    loss,
    loss_p,
    curvature,
    theta,
    squares,
    largest,
    marks,
    room,
    eta,
    l1,
    l2,
    prior,
    half_life,
    t,
):
    """`run_pass`, where rows are forgotten by half in `half_life` rows.

    That is, the sums of squares and the squares of the largest values: those of a
    feature when it is met again.
    """
    data, targets, weights = borrowed(data), borrowed(targets), borrowed(weights)
    order, loss_p, theta = borrowed(order), borrowed(loss_p), borrowed(theta)
    squares, largest, marks = borrowed(squares), borrowed(largest), borrowed(marks)
    room = borrowed(room)
    total = 0.0
    for r in range(order.shape[0]):
        _forget(
            data,
            order[r],
            theta,
            squares,
            largest,
            marks,
            eta,
            l1,
            l2,
            half_life,
            t + r,
        )
        added, made = _pass(
            data,
            targets,
            weights,
            part(order, r, 1),
            kind,
            loss,
            loss_p,
            curvature,
            theta,
            squares,
            largest,
            marks,
            room,
            eta,
            l1,
            l2,
            prior,
            t + r,
        )
        total += added
        if made == 0 or not abs(total) < math.inf:
            return total, r
    return total, order.shape[0]


def settle(theta, squares, largest, marks, shown, n_weights, eta, l1, l2, now):
    """Weights that wait for their rows, as they are after `now` updates, in `shown`."""
    theta, squares, largest = borrowed(theta), borrowed(squares), borrowed(largest)
    marks, shown = borrowed(marks), borrowed(shown)
    penalised = l1 > 0.0 or l2 > 0.0
    for j in range(theta.shape[0]):
        w = np.float64(theta[j])
        waits = penalised and j < n_weights and marks[j] < now
        if waits and w != 0.0 and squares[j] > 0.0:
            length = (now - marks[j]) * _step(eta, largest[j], squares[j])
            w = shrunk(w, l1, l2, length)
        shown[j] = w


@remembered
def settle_signature(element):
    """Of ``settle``."""
    theta = compiling.vector(element)
    return types.none(
        theta,
        VECTOR,
        VECTOR,
        VECTOR,
        theta,
        INDEX,
        FLOAT,
        FLOAT,
        FLOAT,
        INDEX,
    )


def _pass_arguments(data_type, element):
    return [
        data_type,
        TARGETS,
        WEIGHTS,
        ORDER,
        INDEX,
        types.intp,
        VECTOR,
        FLOAT,
        compiling.vector(element),
        VECTOR,
        VECTOR,
        VECTOR,
        compiling.matrix(FLOAT),
        FLOAT,
        FLOAT,
        FLOAT,
        FLOAT,
    ]


@remembered
def pass_signature(data_type, element):
    """Of ``run_pass``."""
    arguments = _pass_arguments(data_type, element)
    return types.Tuple([FLOAT, INDEX])(*arguments, INDEX)


@remembered
def forgetting_signature(data_type, element):
    """Of ``run_forgetting_pass``."""
    arguments = _pass_arguments(data_type, element)
    return types.Tuple([FLOAT, INDEX])(*arguments, FLOAT, INDEX)
