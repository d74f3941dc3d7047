"""The descent along secant directions between two passes over the rows, compiled.

A trial point is judged, the pair of its move and gradient change remembered, and the
next trial found. Evaluating the objective and its gradient is left to others.
"""

import math

import numba
import numpy as np
from numba import types

from .compiling import FLOAT, INDEX, OPTIONS, VECTOR, matrix
from .memory import borrowed

# Share of the predicted decrease that must be seen.
SUFFICIENT_DECREASE = 1e-4

# Smallest entry of the learnt diagonal against its largest.
DIAGONAL_RANGE = 1e-12

# The longest way to the minimum of a parabola, in units of the trial's.
LONGEST = 10.0

# Coordinate descent on the model ends when a sweep gains this share of the best one.
SWEEP_GAIN = 1e-3
SWEEPS = 100

# Rows of `vectors` before the pairs, and numbers of `memory` before the objectives.
POINT, GRADIENT, DIAGONAL, DIRECTION, FIRST_PAIR = range(5)
STEP, VALUE, ACCEPTED, LEARNT, RECENT = range(5)


@numba.njit(**OPTIONS)
def _dot(a, b):
    total = 0.0
    for j in range(a.shape[0]):
        total += a[j] * b[j]
    return total


@numba.njit(**OPTIONS)
def _add(a, factor, b):
    """Add `factor` times b to a."""
    for j in range(a.shape[0]):
        a[j] += factor * b[j]


@numba.njit(**OPTIONS)
def _norm(l1, point):
    """sum_j l1_j |point_j|; an empty l1 is zero."""
    total = 0.0
    for j in range(l1.shape[0]):
        total += l1[j] * abs(point[j])
    return total


@numba.njit(**OPTIONS)
def _learn_diagonal(diagonal, move, change):
    """The diagonal of the BFGS update of a diagonal, scaled to the curvature of the
    pair (Gilbert and Lemarechal, 1989). The curvature of the pair is one.
    """
    n = diagonal.shape[0]
    bent = 0.0
    for j in range(n):
        bent += diagonal[j] * move[j] * move[j]
    largest = 0.0
    for j in range(n):
        scaled = diagonal[j] / bent
        along = scaled * move[j]
        diagonal[j] = scaled + change[j] * change[j] - along * along
        largest = max(largest, diagonal[j])
    for j in range(n):
        diagonal[j] = max(diagonal[j], DIAGONAL_RANGE * largest)


@numba.njit(**OPTIONS)
def _newton(gradient, diagonal, moves, changes, learnt, direction):
    """Set `direction` to -H gradient by the two-loop recursion (Nocedal, 1980)."""
    room, n = moves.shape
    known = min(learnt, room)
    shares = np.empty(known)
    for j in range(n):
        direction[j] = -gradient[j]
    for age in range(1, known + 1):
        k = (learnt - age) % room
        shares[age - 1] = _dot(moves[k], direction)
        _add(direction, -shares[age - 1], changes[k])
    for j in range(n):
        direction[j] /= diagonal[j]
    for age in range(known, 0, -1):
        k = (learnt - age) % room
        _add(direction, shares[age - 1] - _dot(changes[k], direction), moves[k])


@numba.njit(**OPTIONS)
def _bends(diagonal, moves, changes, learnt, bends):
    """Rows b with B = diagonal + sum of y y' - b b' over the pairs, the oldest first.

    b = B s / sqrt(s' B s), with the B of the older pairs: the BFGS update of B.
    """
    room, n = moves.shape
    known = min(learnt, room)
    for age in range(known, 0, -1):
        k = (learnt - age) % room
        bend, move = bends[k], moves[k]
        for j in range(n):
            bend[j] = diagonal[j] * move[j]
        for older in range(known, age, -1):
            i = (learnt - older) % room
            _add(bend, _dot(changes[i], move), changes[i])
            _add(bend, -_dot(bends[i], move), bends[i])
        scale = 1.0 / math.sqrt(_dot(bend, move))
        for j in range(n):
            bend[j] *= scale


@numba.njit(**OPTIONS)
def _proximal_newton(point, gradient, diagonal, changes, bends, known, l1, direction):
    """Set `direction` to the d of the least gradient'd + d'Bd/2 + sum l1 |point + d|.

    By coordinate descent, which keeps the products of d with the 2 `known` rows that B
    is made of (Lee, Sun and Saunders, 2014; Scheinberg and Tang, 2016). After a sweep
    over all coordinates those that stayed at zero are left out.
    """
    n, width = point.shape[0], 2 * known
    rows = np.empty((n, width))
    for k in range(known):
        for j in range(n):
            rows[j, k] = changes[k, j]
            rows[j, known + k] = bends[k, j]
    curvature = np.empty(n)
    for j in range(n):
        curvature[j] = diagonal[j]
        for k in range(known):
            curvature[j] += rows[j, k] * rows[j, k]
        for k in range(known, width):
            curvature[j] -= rows[j, k] * rows[j, k]
        curvature[j] = max(curvature[j], DIAGONAL_RANGE * diagonal[j])
    products = np.zeros(width)
    active = np.arange(n)
    n_active = n
    direction[:] = 0.0
    best = 0.0
    for _ in range(SWEEPS):
        gain = 0.0
        kept = 0
        for a in range(n_active):
            j = active[a]
            row = rows[j]
            slope = gradient[j] + diagonal[j] * direction[j]
            for k in range(width):
                slope += row[k] * products[k]
            old = point[j] + direction[j]
            new = old - slope / curvature[j]
            threshold = l1[j] / curvature[j]
            if new > threshold:
                new -= threshold
            elif new < -threshold:
                new += threshold
            elif threshold > 0.0:
                new = 0.0
            if new != 0.0 or old != 0.0 or point[j] != 0.0:
                active[kept] = j
                kept += 1
            if new != old:
                direction[j] = new - point[j]
                moved = new - old
                gain += curvature[j] * moved * moved
                for k in range(known):
                    products[k] += moved * row[k]
                for k in range(known, width):
                    products[k] -= moved * row[k]
        n_active = kept
        best = max(best, gain)
        if gain <= SWEEP_GAIN * best:
            break


@numba.njit(**OPTIONS)
def _shrink(rise, predicted):
    """Factor on a rejected step: to the minimum of the parabola through what is known,
    between a tenth and a half.
    """
    if not math.isfinite(rise):
        return 0.1
    if predicted >= 0.0 or rise <= predicted:
        return 0.5
    return min(max(-predicted / (2.0 * (rise - predicted)), 0.1), 0.5)


def signature():
    """Of ``advance``."""
    return types.none(
        matrix(FLOAT),
        *[VECTOR] * 2,
        FLOAT,
        VECTOR,
        INDEX,
        VECTOR,
        types.boolean,
        FLOAT,
        FLOAT,
    )


def advance(
    vectors,
    memory,
    trial,
    value,
    trial_gradient,
    room,
    l1,
    parabolic,
    rounding,
    first_step,
):
    """Judge `trial`, learn from it, and put the next trial in its place.

    Parameters
    ----------
    vectors : float64 array of shape (4 + 2 room or 3 room, n)
        Point, gradient, diagonal and direction, then moves and gradient changes of the
        last pairs, each scaled to a curvature of one, in a ring; under an l1 penalty
        also what ``_bends`` makes of them.
    memory : float64 array
        Step, value at the point, points accepted, pairs learnt, last values.
    trial : float64 array of shape (n,)
    value : float
        The objective at `trial`, penalties included.
    trial_gradient : float64 array of shape (n,)
        Of the objective without the l1 penalty.
    room : int
        Pairs that are kept.
    l1 : float64 array of shape (n,) or (0,)
    parabolic : bool
        Whether the objective is quadratic but for the l1 penalty. Then the value and
        gradient on the whole line through the trial are known: no trial is rejected,
        but the point goes to the minimum on the line.
    rounding : float
        Relative differences of two objectives below this are rounding.
    first_step : float
        First step per unit of gradient.
    """
    vectors, memory, trial = borrowed(vectors), borrowed(memory), borrowed(trial)
    trial_gradient, l1 = borrowed(trial_gradient), borrowed(l1)
    point, gradient = vectors[POINT], vectors[GRADIENT]
    diagonal, direction = vectors[DIAGONAL], vectors[DIRECTION]
    moves = vectors[FIRST_PAIR : FIRST_PAIR + room]
    changes = vectors[FIRST_PAIR + room : FIRST_PAIR + 2 * room]
    bends = vectors[FIRST_PAIR + 2 * room :]
    recent = memory[RECENT:]
    n = point.shape[0]
    learnt = int(memory[LEARNT])
    accepts = True
    if memory[ACCEPTED] == 0.0:
        diagonal[:] = 1.0 / first_step
        recent[:] = value
        point[:] = trial
        gradient[:] = trial_gradient
    else:
        move, change = np.empty(n), np.empty(n)
        for j in range(n):
            move[j] = trial[j] - point[j]
            change[j] = trial_gradient[j] - gradient[j]
        curvature = _dot(move, change)
        before, after = _norm(l1, point), _norm(l1, trial)
        predicted = _dot(gradient, move) + after - before
        fraction = 1.0
        if parabolic and curvature > 0.0:
            # The norm lies below its chord, so that this is a bound of the minimum.
            fraction = min(max(-predicted / curvature, 0.0), LONGEST)
            if l1.shape[0] > 0:
                fraction = min(fraction, 1.0)
        else:
            slack = rounding * abs(memory[VALUE])
            allowed = recent.max() + SUFFICIENT_DECREASE * predicted + slack
            accepts = value <= allowed
        if accepts and curvature > 0.0:
            k = learnt % room
            scale = 1.0 / math.sqrt(curvature)
            for j in range(n):
                moves[k, j] = scale * move[j]
                changes[k, j] = scale * change[j]
            _learn_diagonal(diagonal, moves[k], changes[k])
            learnt += 1
            if l1.shape[0] > 0:
                _bends(diagonal, moves, changes, learnt, bends)
        if accepts:
            if fraction == 1.0:
                point[:] = trial
                gradient[:] = trial_gradient
            else:
                rest = fraction - 1.0
                value += rest * _dot(trial_gradient, move)
                value += 0.5 * rest * rest * curvature
                _add(point, fraction, move)
                _add(gradient, fraction, change)
                value += _norm(l1, point) - after
        else:
            memory[STEP] *= _shrink(value - memory[VALUE], predicted)
    if accepts:
        memory[STEP] = 1.0
        memory[VALUE] = value
        memory[ACCEPTED] += 1.0
        memory[LEARNT] = learnt
        recent[int(memory[ACCEPTED]) % recent.shape[0]] = value
        if l1.shape[0] > 0:
            known = min(learnt, room)
            _proximal_newton(
                point, gradient, diagonal, changes, bends, known, l1, direction
            )
        else:
            _newton(gradient, diagonal, moves, changes, learnt, direction)
    step = memory[STEP]
    for j in range(n):
        trial[j] = point[j] + step * direction[j]
