"""Implicit normalised AdaGrad on CSR rows, one row an update, for streams.

A feature is measured in units of the largest value it has shown (Ross, Mineiro and
Langford, 2013), its step shrinks with the gradients it has seen (Duchi, Hazan and
Singer, 2011), and the derivative is taken where the update ends (Kulis and Bartlett,
2010; Karampatziakis and Langford, 2011), so that no row and no weight of a row, however
large, is overshot. An update costs what the row has nonzeros.
"""

import math
from typing import NamedTuple

import numba
import numpy as np
from numba import types

from . import compiling
from .compiling import FLOAT, INDEX, INNER, VECTOR, remembered
from .csr_dual import AHEAD, log_sum
from .elementary import lost_share
from .forgetting import left
from .memory import borrowed, part, prefetch, prefetch_entries, unsigned
from .outputs import target_of, value_and_derivative
from .records import Rows, record, rows_of

# Where the derivative of a row is taken: where its update ends, where it begins, or for
# the softmax, so that a bound of the curvature holds.
IMPLICIT, EXPLICIT, SOFTMAX = range(3)

# The parts of a pass become one function before it is optimised. Products may be
# reordered, and are by where their factors come from: optimised apart, the parts would
# round elsewhere, and other entries of a row otherwise than its first.
INLINED = INNER | {"inline": "always"}

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


class Steps(NamedTuple):
    """How rows move the weights: what stays as it is during a pass.

    Attributes
    ----------
    kind : int
        ``IMPLICIT``, ``EXPLICIT`` or ``SOFTMAX``.
    loss : int
        Address, or number, of the loss of one score.
    loss_p : float64 array
        The parameters of the loss.
    curvature : float
        Bound of the softmax's curvature.
    eta : float
        Length of the steps.
    l1, l2 : float
    prior : float
        The sum of squared derivatives that features start with, per square of their
        value.
    half_life : float
        Rows after which half of a row is left, for ``run_forgetting_pass``.
    """

    kind: int
    loss: int
    loss_p: object
    curvature: float
    eta: float
    l1: float
    l2: float
    prior: float
    half_life: float


STEPS = record(
    Steps,
    kind=INDEX,
    loss=types.intp,
    loss_p=VECTOR,
    curvature=FLOAT,
    eta=FLOAT,
    l1=FLOAT,
    l2=FLOAT,
    prior=FLOAT,
    half_life=FLOAT,
)


class Moved(NamedTuple):
    """What the rows move, each of shape (n_parameters,).

    Attributes
    ----------
    theta : array
        Penalised weights wait for their rows; see ``settle``.
    squares : float64 array
        Weighted sums of squared derivatives.
    largest : float64 array
        The largest values seen.
    marks : float64 array
        The number of the last update.
    """

    theta: object
    squares: object
    largest: object
    marks: object


@remembered
def moved_type(element):
    """The type of `Moved` in a precision."""
    theta = compiling.vector(element)
    return record(Moved, theta=theta, squares=VECTOR, largest=VECTOR, marks=VECTOR)


# Rows of the workspace, a number for each output: the scores of a row, the derivatives
# of its loss by them, how far such a derivative moves its score, and the derivative
# times the weight of the row that the update is made with.
WORKSPACE = 4


@numba.njit(**INNER, forceinline=True)
def _step(eta, largest, squares):
    return eta / (largest * math.sqrt(squares))


@numba.njit(**INLINED)
def _is_penalised(steps):
    return steps.l1 > 0.0 or steps.l2 > 0.0


@numba.njit(**INLINED)
def _pulled(steps, moved, j, w, seen, now):
    """The weight w of entry j after the flow of the penalty since its last update."""
    squares, marks = moved.squares, moved.marks
    if w != 0.0 and seen > 0.0 and squares[j] > 0.0:
        length = (now - marks[j]) * _step(steps.eta, seen, squares[j])
        w = shrunk(w, steps.l1, steps.l2, length)
    return w


@numba.njit(**INLINED)
def _look(data, i, steps, moved, penalised, z, now):
    """Put the scores of a row into z; its features are brought up to date."""
    values, columns, pointers, _, _, bias, scores = data
    theta, squares, largest, marks = moved
    n_outputs = scores.shape[1]
    n_weights = theta.shape[0] - n_outputs
    for k in range(n_outputs):
        z[k] = bias * theta[n_weights + k]
    for q in range(unsigned(pointers[i]), unsigned(pointers[i + 1])):
        x = values[q]
        size = abs(np.float64(x))
        if size == 0.0:
            continue
        at = np.int64(columns[q]) * n_outputs
        for k in range(n_outputs):
            j = at + k
            w = np.float64(theta[j])
            seen = largest[j]
            if penalised:
                w = _pulled(steps, moved, j, w, seen, now)
            marks[j] = now
            if size > seen:
                if seen > 0.0:
                    w *= seen / size
                else:
                    squares[j] = steps.prior * size * size
                largest[j] = size
            theta[j] = w
            z[k] += x * w


@numba.njit(**INLINED)
def _judge(rows, i, steps, z, slope):
    """The loss of a row; its derivatives by the scores go into `slope`."""
    targets, n_outputs = rows.targets, rows.data.scores.shape[1]
    row_loss = 0.0
    if steps.kind == SOFTMAX:
        label = int(targets[i, 0])
        row_loss = log_sum(part(z, 0, n_outputs), slope) - z[label]
        slope[label] -= 1.0
    else:
        for k in range(n_outputs):
            y = target_of(targets, i, k, n_outputs)
            value, slope[k] = value_and_derivative(steps.loss, y, z[k], steps.loss_p)
            row_loss += value
    return row_loss


@numba.njit(**INLINED)
def _measure(data, i, k, steps, moved, weight, g, reach):
    """Count a derivative in, and put into reach[k] how far one moves the score."""
    values, columns, pointers, _, _, bias, scores = data
    squares, largest, eta = moved.squares, moved.largest, steps.eta
    n_outputs = scores.shape[1]
    intercept = squares.shape[0] - n_outputs + k
    reach[k] = 0.0
    if bias != 0.0:
        squares[intercept] += weight * g * g
        reach[k] = _step(eta, 1.0, squares[intercept])
    for q in range(unsigned(pointers[i]), unsigned(pointers[i + 1])):
        x = np.float64(values[q])
        if x != 0.0:
            j = unsigned(np.int64(columns[q]) * n_outputs + k)
            squares[j] += weight * (g * x) ** 2
            reach[k] += x * x * _step(eta, largest[j], squares[j])


@numba.njit(**INLINED)
def _pull_of(rows, i, k, steps, weight, z, g, reach):
    """The derivative, times the weight of the row, that the update is made with."""
    if steps.kind == SOFTMAX:
        # A step of the bound of the curvature: no further than the root.
        return weight * g / (1.0 + weight * steps.curvature * reach[k])
    if steps.kind == EXPLICIT:
        return weight * g
    y = target_of(rows.targets, i, k, rows.data.scores.shape[1])
    u = implicit_score(steps.loss, steps.loss_p, y, weight, z[k], g, reach[k])
    return (z[k] - u) / reach[k]


@numba.njit(**INLINED)
def _move(data, i, k, steps, moved, pull):
    """Move the weights of a row and its intercept, for one output."""
    values, columns, pointers, _, _, bias, scores = data
    theta, squares, largest, _ = moved
    n_outputs, eta = scores.shape[1], steps.eta
    intercept = theta.shape[0] - n_outputs + k
    if bias != 0.0:
        theta[intercept] -= pull[k] * _step(eta, 1.0, squares[intercept])
    for q in range(unsigned(pointers[i]), unsigned(pointers[i + 1])):
        x = np.float64(values[q])
        if x != 0.0:
            j = unsigned(np.int64(columns[q]) * n_outputs + k)
            theta[j] -= pull[k] * x * _step(eta, largest[j], squares[j])


_left = numba.njit(**INNER)(left)


@numba.njit(**INNER)
def _forget(data, i, steps, moved, now):
    """Let a row find what is left of the rows before it, and the penalty done.

    A weight will shrink with the growth of its feature only where that shows more than
    twice what it did when it was last met: a smaller step up follows from forgetting
    alone, time and again.
    """
    values, columns, pointers, _, _, _, scores = data
    theta, squares, largest, marks = moved
    n_outputs, half_life = scores.shape[1], steps.half_life
    penalised = _is_penalised(steps)
    n_weights = theta.shape[0] - n_outputs
    for k in range(n_outputs):
        squares[n_weights + k] *= _left(half_life, 1)
    for q in range(unsigned(pointers[i]), unsigned(pointers[i + 1])):
        size = abs(np.float64(values[q]))
        if size == 0.0:
            continue
        at = np.int64(columns[q]) * n_outputs
        for k in range(n_outputs):
            j = at + k
            seen, w = largest[j], np.float64(theta[j])
            if seen == 0.0:
                continue
            if penalised:
                theta[j] = _pulled(steps, moved, j, w, seen, now)
            kept = _left(half_life, now - marks[j])
            marks[j] = now
            squares[j] *= kept
            if size <= WITHIN_FORGOTTEN * seen:
                largest[j] = max(math.sqrt(kept) * seen, size)


def run_pass(rows, steps, moved, workspace, t):
    """Updates by the rows of the order; returns the sum of losses and their number.

    The workspace has ``WORKSPACE`` rows of a number for each output; `t` counts the
    updates made before.
    """
    rows, steps = borrowed(rows), borrowed(steps)
    moved, workspace = borrowed(moved), borrowed(workspace)
    data, order = rows.data, rows.order
    n_outputs = data.scores.shape[1]
    penalised = _is_penalised(steps)
    z, slope, reach, pull = workspace[0], workspace[1], workspace[2], workspace[3]
    n = order.shape[0]
    total = 0.0
    for r in range(n):
        i = order[r]
        if r + AHEAD < n:
            prefetch(rows.targets, order[r + AHEAD])
            prefetch_entries(data.values, data.columns, data.pointers, order[r + AHEAD])
        _look(data, i, steps, moved, penalised, z, t + r)
        weight = rows.weights[i]
        total += weight * _judge(rows, i, steps, z, slope)
        if not abs(total) < math.inf:
            return total, r
        for k in range(n_outputs):
            g = slope[k]
            if g == 0.0:
                continue
            _measure(data, i, k, steps, moved, weight, g, reach)
            if reach[k] != 0.0:
                pull[k] = _pull_of(rows, i, k, steps, weight, z, g, reach)
                _move(data, i, k, steps, moved, pull)
    return total, n


_pass = numba.njit(**INNER)(run_pass)


def run_forgetting_pass(rows, steps, moved, workspace, t):
    """`run_pass`, where rows are forgotten by half in ``steps.half_life`` rows.

    That is, the sums of squares and the squares of the largest values: those of a
    feature when it is met again.
    """
    rows, steps = borrowed(rows), borrowed(steps)
    moved, workspace = borrowed(moved), borrowed(workspace)
    data, targets, weights, order = rows
    total = 0.0
    for r in range(order.shape[0]):
        _forget(data, order[r], steps, moved, t + r)
        row = Rows(data, targets, weights, part(order, r, 1))
        added, made = _pass(row, steps, moved, workspace, t + r)
        total += added
        if made == 0 or not abs(total) < math.inf:
            return total, r
    return total, order.shape[0]


@remembered
def pass_signature(data_type, element):
    """Of ``run_pass`` and ``run_forgetting_pass``."""
    return types.Tuple([FLOAT, INDEX])(
        rows_of(data_type),
        STEPS,
        moved_type(element),
        compiling.matrix(FLOAT),
        INDEX,
    )


def settle(steps, moved, n_weights, now, shown):
    """Weights that wait for their rows, as they are after `now` updates, in `shown`.

    Intercepts, from entry `n_weights` on, do not wait.
    """
    steps, moved, shown = borrowed(steps), borrowed(moved), borrowed(shown)
    theta, largest = moved.theta, moved.largest
    penalised = _is_penalised(steps)
    for j in range(n_weights):
        w = np.float64(theta[j])
        shown[j] = _pulled(steps, moved, j, w, largest[j], now) if penalised else w
    for j in range(n_weights, shown.shape[0]):
        shown[j] = theta[j]


@remembered
def settle_signature(element):
    """Of ``settle``."""
    moved, shown = moved_type(element), compiling.vector(element)
    return types.none(STEPS, moved, INDEX, INDEX, shown)
