"""Proximal-point stochastic dual ascent on CSR rows, a row an implicit step.

For a loss phi_i(z) of row i (its weight included), the dual number a_i = -phi_i'(u) and
the conjugate phi_i*(-a_i) = -a_i u - phi_i(u) belong together through the point u, so
that every convex loss will do and no conjugate is ever written down. With several
outputs u and a_i are vectors; with a loss for each of them they are found one by one.

The weights are w = soft(v, threshold), where v, a part of the anchor and
sum_i a_i x_i / (lam n), is kept up to date row by row. How lam, the anchor and the
threshold change between the passes is decided in ``_training/dual.py``.
"""

import math
from typing import NamedTuple

import numba
from numba import types

from .compiling import FLOAT, INDEX, INNER, VECTOR, matrix, remembered
from .elementary import exp_not_positive
from .memory import borrowed, part, prefetch, prefetch_entries, unsigned
from .outputs import LOGISTIC, target_of
from .outputs import value_and_derivative as inlined
from .proximal import soft_threshold
from .records import COST, ORDER, WEIGHTS, record, rows_of

# How the duals of a row are found: a differentiable loss for each output, a piecewise
# linear one whose only kink is at z = y, or the softmax over all outputs.
SMOOTH, KINK, SOFTMAX = 0, 1, 2

# Rows between the hint that one comes and its use.
AHEAD = 16

# Below this curvature times step, one step with the bound of the curvature is as good
# as the root, because the next visit mends what is missing.
SHORT = 0.5

# The root is found when both formulas of the dual number agree to this share.
PRECISION = 1e-3
MOST_TRIALS = 100
MOST_NEWTON = 30


@numba.njit(**INNER)
def value_and_derivative(loss, y, z, p):
    """Of one output; called from many places, and compiled once."""
    return inlined(loss, y, z, p)


@numba.njit(**INNER)
def _smooth_root(loss, p, y, weight, z, derivative, old, q, curvature):
    """Solve u = z - q (phi'(u) + old); returns (u, phi(u), phi'(u)).

    f(u) = u - z + q (phi'(u) + old) rises at least as fast as u and at most
    1 + q * curvature times as fast, which brackets its root between the first trial and
    z - f(z). For the squared error the first trial is the root.
    """
    at_z = q * (weight * derivative + old)
    steepest = q * curvature
    u = z - at_z / (1.0 + steepest)
    value, slope = value_and_derivative(loss, y, u, p)
    if steepest < SHORT or at_z == 0.0:
        return u, weight * value, weight * slope
    low, high = min(u, z - at_z), max(u, z - at_z)
    last, f_last = z, at_z
    for trial in range(MOST_TRIALS):
        f = u - z + q * (weight * slope + old)
        if abs(f) <= PRECISION * abs(u - z) or not low < high:
            break
        if f > 0.0:
            high = u
        else:
            low = u
        if loss == LOGISTIC:
            # The second derivative is at hand.
            rise = 1.0 + q * weight * abs(slope) * (1.0 - abs(slope))
        else:
            rise = (f - f_last) / (u - last) if u != last else 1.0 + steepest
        last, f_last = u, f
        u = u - f / rise
        # Every third trial halves the bracket, in case the others creep.
        if not low < u < high or trial % 3 == 2:
            u = 0.5 * (low + high)
        value, slope = value_and_derivative(loss, y, u, p)
    return u, weight * value, weight * slope


@numba.njit(**INNER, forceinline=True)
def log_sum(u, shares):
    """The logarithm of sum exp(u), and the shares of the softmax."""
    highest = u[0]
    for k in range(1, u.shape[0]):
        highest = max(highest, u[k])
    total = 0.0
    for k in range(u.shape[0]):
        shares[k] = exp_not_positive(u[k] - highest)
        total += shares[k]
    for k in range(u.shape[0]):
        shares[k] /= total
    return highest + math.log(total)


@numba.njit(**INNER)
def _softmax_root(label, weight, z, old, q, curvature, workspace):
    """The same for the softmax; returns phi(u), and leaves u and phi'(u) in rows 0
    and 1 of the workspace.

    Newton's method with halved steps on |u - z|^2/2 + q (phi(u) + old'u), whose second
    derivative I + q s (diag p - p p') is inverted by the formula of Sherman and
    Morrison.
    """
    u, shares, move, trial = workspace[0], workspace[1], workspace[2], workspace[3]
    m = z.shape[0]
    steepest = q * curvature
    log_sum(z, shares)
    for k in range(m):
        slope = weight * shares[k] - (weight if k == label else 0.0)
        u[k] = z[k] - q * (slope + old[k]) / (1.0 + steepest)
    value = log_sum(u, shares)
    if steepest >= SHORT:
        for _ in range(MOST_NEWTON):
            largest = far = merit = 0.0
            total = along = 0.0
            for k in range(m):
                slope = weight * shares[k] - (weight if k == label else 0.0)
                move[k] = u[k] - z[k] + q * (slope + old[k])
                largest = max(largest, abs(move[k]))
                far = max(far, abs(u[k] - z[k]))
                merit += 0.5 * (u[k] - z[k]) ** 2 + q * old[k] * u[k]
            if largest <= PRECISION * far:
                break
            merit += q * weight * (value - u[label])
            decrease = 0.0
            for k in range(m):
                width = 1.0 + q * weight * shares[k]
                total += shares[k] / width
                along += shares[k] * move[k] / width
            for k in range(m):
                width = 1.0 + q * weight * shares[k]
                residual = move[k]
                move[k] = (residual + q * weight * shares[k] * along / total) / width
                decrease += residual * move[k]
            step = 1.0
            for _ in range(MOST_NEWTON):
                reached = 0.0
                for k in range(m):
                    trial[k] = u[k] - step * move[k]
                    reached += 0.5 * (trial[k] - z[k]) ** 2 + q * old[k] * trial[k]
                value = log_sum(trial, shares)
                reached += q * weight * (value - trial[label])
                if reached <= merit - 1e-4 * step * decrease:
                    break
                step *= 0.5
            for k in range(m):
                u[k] = trial[k]
    loss = weight * (value - u[label])
    for k in range(m):
        shares[k] = weight * shares[k] - (weight if k == label else 0.0)
    return loss


class Duals(NamedTuple):
    """What the visits move.

    Attributes
    ----------
    v : float64 array of shape (n_features * n_outputs,)
        Row by row; see above.
    intercept : float64 array of shape (n_outputs,)
    duals : float64 array of shape (n_rows * n_outputs,)
        The numbers a_i, row by row.
    conjugates : float64 array of shape (n_rows,)
        phi*(-a_i).
    sums : float64 array of shape (n_outputs,)
        Of the duals.
    workspace : float64 array of shape (6, n_outputs)
    """

    v: object
    intercept: object
    duals: object
    conjugates: object
    sums: object
    workspace: object


DUALS = record(
    Duals,
    v=VECTOR,
    intercept=VECTOR,
    duals=VECTOR,
    conjugates=VECTOR,
    sums=VECTOR,
    workspace=matrix(FLOAT),
)


class Visit(NamedTuple):
    """What a visit of a row does.

    Attributes
    ----------
    kind : int
        ``SMOOTH``, ``KINK`` or ``SOFTMAX``.
    curvature : float
        Bound of the second derivative of the loss.
    threshold : float
        Of the soft threshold that turns v into weights.
    per_weight, per_intercept : float
        1/(lam n), and 1/(mu n) or 0.
    moves : bool
        Whether the duals move.
    """

    kind: int
    curvature: float
    threshold: float
    per_weight: float
    per_intercept: float
    moves: bool


VISIT = record(
    Visit,
    kind=INDEX,
    curvature=FLOAT,
    threshold=FLOAT,
    per_weight=FLOAT,
    per_intercept=FLOAT,
    moves=types.boolean,
)


@numba.njit(**INNER, inline="always")
def _ask(rows, duals, ahead, n_outputs):
    """Ask for a row to come, and for what belongs to it."""
    prefetch(rows.targets, ahead)
    prefetch(duals.duals, ahead * n_outputs)
    prefetch(duals.conjugates, ahead)
    data = rows.data
    prefetch_entries(data.values, data.columns, data.pointers, ahead)


@numba.njit(**INNER, inline="always")
def _look(data, first, last, duals, threshold, z, n_outputs):
    """Put the scores of a row into z; returns the sum of its squares."""
    values, columns, v = data.values, data.columns, duals.v
    squares = 0.0
    if n_outputs == 1:
        score = duals.intercept[0]
        if threshold > 0.0:
            for q in range(first, last):
                at = unsigned(columns[q])
                score += values[q] * soft_threshold(v[at], threshold)
                squares += values[q] * values[q]
        else:
            for q in range(first, last):
                score += values[q] * v[unsigned(columns[q])]
                squares += values[q] * values[q]
        z[0] = score
        return squares
    for k in range(n_outputs):
        z[k] = duals.intercept[k]
    for q in range(first, last):
        value = values[q]
        squares += value * value
        at = part(v, columns[q] * n_outputs, n_outputs)
        for k in range(n_outputs):
            z[k] += value * soft_threshold(at[k], threshold)
    return squares


@numba.njit(**INNER, inline="always")
def _kink_root(loss, p, y, weight, z, old, length):
    """The dual of an exact fit, cut to the slopes on both sides; as `_smooth_root`."""
    _, below = value_and_derivative(loss, y, y - 1.0, p)
    _, above = value_and_derivative(loss, y, y + 1.0, p)
    new = old + (y - z) / max(length, 1e-300)
    new = min(max(new, -weight * above), -weight * below)
    u = z + (new - old) * length
    if -weight * above < new < -weight * below:
        u = y
    value, _ = value_and_derivative(loss, y, u, p)
    return u, weight * value, -new


@numba.njit(**INNER, inline="always")
def _solve(rows, i, cost, visit, workspace, old, length, n_outputs):
    """Loss of row i as it is, and phi* of its new duals, whose negatives are left in
    the last row of the workspace.
    """
    targets, weight = rows.targets, rows.weights[i]
    kind, curvature, moves = visit.kind, visit.curvature, visit.moves
    loss, p = cost.loss, cost.p
    z, derivative = workspace[4], workspace[5]
    total = 0.0
    conjugate = 0.0
    if kind == SOFTMAX:
        label = int(targets[i, 0])
        total = weight * (log_sum(part(z, 0, n_outputs), workspace[1]) - z[label])
        if moves:
            conjugate = -_softmax_root(
                label, weight, z, old, length, weight * curvature, workspace
            )
            for k in range(n_outputs):
                conjugate += workspace[1, k] * workspace[0, k]
                derivative[k] = workspace[1, k]
        return total, conjugate
    for k in range(n_outputs):
        y = target_of(targets, i, k, n_outputs)
        value, slope = value_and_derivative(loss, y, z[k], p)
        total += weight * value
        if not moves:
            continue
        if kind == KINK:
            u, value, slope = _kink_root(loss, p, y, weight, z[k], old[k], length)
        else:
            u, value, slope = _smooth_root(
                loss, p, y, weight, z[k], slope, old[k], length, weight * curvature
            )
        derivative[k] = slope
        conjugate += slope * u - value
    return total, conjugate


@numba.njit(**INNER, inline="always")
def _move(data, first, last, duals, visit, old, n_outputs):
    """Put the new duals of a row in place of the old ones, and move v by the change."""
    values, columns, v = data.values, data.columns, duals.v
    derivative = duals.workspace[5]
    moved = False
    for k in range(n_outputs):
        change = -derivative[k] - old[k]
        moved |= change != 0.0
        old[k] = -derivative[k]
        duals.sums[k] += change
        duals.intercept[k] += change * visit.per_intercept
        derivative[k] = change * visit.per_weight
    if not moved:
        return
    if n_outputs == 1:
        change = derivative[0]
        for q in range(first, last):
            v[unsigned(columns[q])] += change * values[q]
        return
    for q in range(first, last):
        value = values[q]
        at = part(v, columns[q] * n_outputs, n_outputs)
        for k in range(n_outputs):
            at[k] += value * derivative[k]


@numba.njit(**INNER, forceinline=True)
def _run(rows, cost, duals, visit, n_outputs):
    """`run_pass` for a number of outputs that may be known to the compiler."""
    order, data, workspace = rows.order, rows.data, duals.workspace
    n = order.shape[0]
    z = workspace[4]
    total = 0.0
    gap = 0.0
    for r in range(n):
        i = order[r]
        if r + AHEAD < n:
            _ask(rows, duals, order[r + AHEAD], n_outputs)
        first, last = unsigned(data.pointers[i]), unsigned(data.pointers[i + 1])
        squares = _look(data, first, last, duals, visit.threshold, z, n_outputs)
        length = squares * visit.per_weight + visit.per_intercept
        old = part(duals.duals, i * n_outputs, n_outputs)
        visited = duals.conjugates[i]
        for k in range(n_outputs):
            visited += old[k] * z[k]
        loss, conjugate = _solve(
            rows, i, cost, visit, workspace, old, length, n_outputs
        )
        total += loss
        gap += loss + visited
        if visit.moves:
            duals.conjugates[i] = conjugate
            _move(data, first, last, duals, visit, old, n_outputs)
    return total, gap


def run_pass(rows, cost, duals, visit):
    """Visit the rows of the order; returns the sums of losses and of duality gaps.

    A row's gap is phi(z) + phi*(-a) + a z, with z and a as the visit finds them. The
    rows must not name a column twice.
    """
    rows, cost = borrowed(rows), borrowed(cost)
    duals, visit = borrowed(duals), borrowed(visit)
    n_outputs = duals.intercept.shape[0]
    if n_outputs == 1:
        # Compiled for itself: without loops over outputs.
        return _run(rows, cost, duals, visit, 1)
    return _run(rows, cost, duals, visit, n_outputs)


@remembered
def pass_signature(data_type):
    """Of ``run_pass``."""
    return types.UniTuple(FLOAT, 2)(rows_of(data_type), COST, DUALS, VISIT)


def mean_square(data, weights, order):
    """Weighted mean of the squared norms of the rows of `order`."""
    values, pointers = data.values, data.pointers
    total = 0.0
    for r in range(order.shape[0]):
        i = order[r]
        squares = 0.0
        for q in range(unsigned(pointers[i]), unsigned(pointers[i + 1])):
            squares += values[q] * values[q]
        total += weights[i] * squares
    return total / order.shape[0]


@remembered
def square_signature(data_type):
    """Of ``mean_square``."""
    return FLOAT(data_type, WEIGHTS, ORDER)


def distance(v, anchor, threshold):
    """|soft(v, threshold) - anchor|^2."""
    total = 0.0
    for j in range(v.shape[0]):
        total += (soft_threshold(v[j], threshold) - anchor[j]) ** 2
    return total


def distance_signature():
    """Of ``distance``."""
    return FLOAT(VECTOR, VECTOR, FLOAT)


def turn(v, anchor, weights, threshold, share, next_share, factor, momentum):
    """Move the anchor beyond the weights, v with it, and put these into `weights`.

    `share` and `next_share` are kappa/lam before and after, `factor` is lam before over
    lam after.
    """
    for j in range(v.shape[0]):
        w = soft_threshold(v[j], threshold)
        dual_part = v[j] - share * anchor[j]
        anchor[j] = w + momentum * (w - weights[j])
        weights[j] = w
        v[j] = next_share * anchor[j] + dual_part * factor


def turn_signature():
    """Of ``turn``."""
    return types.none(VECTOR, VECTOR, VECTOR, FLOAT, FLOAT, FLOAT, FLOAT, FLOAT)
