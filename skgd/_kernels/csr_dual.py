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

import numba
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
from .elementary import exp_not_positive
from .memory import LINE_BYTES, borrowed, part, prefetch
from .outputs import LOGISTIC
from .outputs import value_and_derivative as inlined

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


@numba.njit(**OPTIONS)
def value_and_derivative(loss, y, z, p):
    """Of one output; called from many places, and compiled once."""
    return inlined(loss, y, z, p)


@numba.njit(**OPTIONS)
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


@numba.njit(**OPTIONS, forceinline=True)
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


@numba.njit(**OPTIONS)
def _softmax_root(label, weight, z, old, q, curvature, room):
    """The same for the softmax; returns phi(u), and leaves u and phi'(u) in `room`.

    Newton's method with halved steps on |u - z|^2/2 + q (phi(u) + old'u), whose second
    derivative I + q s (diag p - p p') is inverted by the formula of Sherman and
    Morrison.
    """
    u, shares, move, trial = room[0], room[1], room[2], room[3]
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


@numba.njit(**OPTIONS, forceinline=True)
def _run(given, n_outputs):
    """`run_pass` for a number of outputs that may be known to the compiler."""
    data, targets, weights, order, kind, loss, loss_p, curvature = given[:8]
    v, intercept, duals, conjugates, sums, room = given[8:14]
    threshold, per_weight, per_intercept, moves = given[14:]
    values, columns, pointers, _, _, _, _ = data
    one_vs_rest = targets.shape[1] < n_outputs
    n = order.shape[0]
    line = LINE_BYTES // values.itemsize
    z, derivative = room[4], room[5]
    total = 0.0
    gap = 0.0
    for r in range(n):
        i = order[r]
        if r + AHEAD < n:
            ahead = order[r + AHEAD]
            prefetch(targets, ahead)
            prefetch(duals, ahead * n_outputs)
            prefetch(conjugates, ahead)
            q, end = pointers[ahead], pointers[ahead + 1]
            # No range: its length takes a division.
            while q < end:
                prefetch(values, q)
                prefetch(columns, q)
                q += line
        first, last = pointers[i], pointers[i + 1]
        squares = 0.0
        if n_outputs == 1:
            score = intercept[0]
            if threshold > 0.0:
                for q in range(first, last):
                    w = v[columns[q]]
                    w -= min(max(w, -threshold), threshold)
                    score += values[q] * w
                    squares += values[q] * values[q]
            else:
                for q in range(first, last):
                    score += values[q] * v[columns[q]]
                    squares += values[q] * values[q]
            z[0] = score
        else:
            for k in range(n_outputs):
                z[k] = intercept[k]
            for q in range(first, last):
                value = values[q]
                squares += value * value
                at = part(v, columns[q] * n_outputs, n_outputs)
                for k in range(n_outputs):
                    w = at[k]
                    w -= min(max(w, -threshold), threshold)
                    z[k] += value * w
        weight = weights[i]
        length = squares * per_weight + per_intercept
        old = part(duals, i * n_outputs, n_outputs)
        conjugate = 0.0
        visited = conjugates[i]
        loss_sum = 0.0
        for k in range(n_outputs):
            visited += old[k] * z[k]
        if kind == SOFTMAX:
            label = int(targets[i, 0])
            loss_sum = weight * (log_sum(part(z, 0, n_outputs), room[1]) - z[label])
            if moves:
                conjugate = -_softmax_root(
                    label, weight, z, old, length, weight * curvature, room
                )
                for k in range(n_outputs):
                    conjugate += room[1, k] * room[0, k]
                    derivative[k] = room[1, k]
        else:
            for k in range(n_outputs):
                y = targets[i, 0]
                if one_vs_rest:
                    y = 1.0 if y == k else -1.0
                elif n_outputs > 1:
                    y = targets[i, k]
                value, slope = value_and_derivative(loss, y, z[k], loss_p)
                loss_sum += weight * value
                if not moves:
                    continue
                if kind == KINK:
                    # The dual of an exact fit, cut to the slopes on both sides.
                    _, below = value_and_derivative(loss, y, y - 1.0, loss_p)
                    _, above = value_and_derivative(loss, y, y + 1.0, loss_p)
                    new = old[k] + (y - z[k]) / max(length, 1e-300)
                    new = min(max(new, -weight * above), -weight * below)
                    u = z[k] + (new - old[k]) * length
                    if -weight * above < new < -weight * below:
                        u = y
                    value, _ = value_and_derivative(loss, y, u, loss_p)
                    derivative[k] = -new
                    conjugate += -new * u - weight * value
                else:
                    u, value, slope = _smooth_root(
                        loss,
                        loss_p,
                        y,
                        weight,
                        z[k],
                        slope,
                        old[k],
                        length,
                        weight * curvature,
                    )
                    derivative[k] = slope
                    conjugate += slope * u - value
        total += loss_sum
        gap += loss_sum + visited
        if not moves:
            continue
        conjugates[i] = conjugate
        moved = False
        for k in range(n_outputs):
            change = -derivative[k] - old[k]
            moved |= change != 0.0
            old[k] = -derivative[k]
            sums[k] += change
            intercept[k] += change * per_intercept
            derivative[k] = change * per_weight
        if not moved:
            continue
        if n_outputs == 1:
            change = derivative[0]
            for q in range(first, last):
                v[columns[q]] += change * values[q]
        else:
            for q in range(first, last):
                value = values[q]
                at = part(v, columns[q] * n_outputs, n_outputs)
                for k in range(n_outputs):
                    at[k] += value * derivative[k]
    return total, gap


def run_pass(
    data,
    targets,
    weights,
    order,
    kind,
    loss,
    loss_p,
    curvature,
    v,
    intercept,
    duals,
    conjugates,
    sums,
    room,
    threshold,
    per_weight,
    per_intercept,
    moves,
):
    """Visit the rows of `order`; returns the sums of losses and of duality gaps.

    A row's gap is phi(z) + phi*(-a) + a z, with z and a as the visit finds them.

    `v` is (features, outputs) row by row, `duals` (rows, outputs), `conjugates` holds
    phi*(-a) of each row, `sums` the sum of the duals of each output; they are moved if
    `moves`. `per_weight` is 1/(lam n), `per_intercept` 1/(mu n) or 0. The rows must not
    name a column twice.
    """
    given = (
        borrowed(data),
        borrowed(targets),
        borrowed(weights),
        borrowed(order),
        kind,
        loss,
        borrowed(loss_p),
        curvature,
        borrowed(v),
        borrowed(intercept),
        borrowed(duals),
        borrowed(conjugates),
        borrowed(sums),
        borrowed(room),
        threshold,
        per_weight,
        per_intercept,
        moves,
    )
    n_outputs = intercept.shape[0]
    if n_outputs == 1:
        # Compiled for itself: without loops over outputs.
        return _run(given, 1)
    return _run(given, n_outputs)


@remembered
def pass_signature(data_type):
    """Of ``run_pass``."""
    return types.UniTuple(FLOAT, 2)(
        data_type,
        TARGETS,
        WEIGHTS,
        ORDER,
        INDEX,
        types.intp,
        VECTOR,
        FLOAT,
        VECTOR,
        VECTOR,
        VECTOR,
        VECTOR,
        VECTOR,
        compiling.matrix(FLOAT),
        FLOAT,
        FLOAT,
        FLOAT,
        types.boolean,
    )


def mean_square(data, weights, order):
    """Weighted mean of the squared norms of the rows of `order`."""
    values, _, pointers, _, _, _, _ = data
    total = 0.0
    for r in range(order.shape[0]):
        i = order[r]
        squares = 0.0
        for q in range(pointers[i], pointers[i + 1]):
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
        w = v[j]
        w -= min(max(w, -threshold), threshold)
        total += (w - anchor[j]) ** 2
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
        w = v[j]
        w -= min(max(w, -threshold), threshold)
        dual_part = v[j] - share * anchor[j]
        anchor[j] = w + momentum * (w - weights[j])
        weights[j] = w
        v[j] = next_share * anchor[j] + dual_part * factor


def turn_signature():
    """Of ``turn``."""
    return types.none(VECTOR, VECTOR, VECTOR, FLOAT, FLOAT, FLOAT, FLOAT, FLOAT)
