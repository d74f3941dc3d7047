"""The descent along secant directions between two passes over the rows, compiled.

A trial point is judged, the pair of its move and gradient change remembered, and the
next trial found. Evaluating the objective and its gradient is left to others.
"""

import functools
import math
from typing import NamedTuple

import numba
import numpy as np
from numba import types

from .compiling import FLOAT, INDEX, INNER, VECTOR, matrix
from .memory import borrowed
from .pointers import call_nothing
from .proximal import soft_threshold
from .records import record

# Share of the predicted decrease that must be seen, and share of the slope at the
# start above which a step is too short: the weak conditions of Wolfe (1969).
SUFFICIENT_DECREASE = 1e-4
CURVATURE = 0.9

# The learnt diagonal stays within this factor of the curvature of the newest pair.
DIAGONAL_RANGE = 1e3

# Smallest curvature of the secant model along a coordinate against its diagonal.
LEAST_CURVATURE = 1e-12

# The longest way to the minimum of a parabola, in units of the trial's, and the
# factors by which a step that is too short grows.
LONGEST = 10.0
GROWTH = 2.0, 10.0

# A new trial keeps this share of its interval away from both ends. After so many
# rejected ones the interval is halved, and after so many the search has failed.
MARGIN = 0.1
INTERPOLATIONS = 6
REJECTIONS = 50
NARROWEST = 1e-12

# The search on the secant model ends when a sweep over the coordinates gains this share
# of the best one, conjugate gradients at this share of the first squared residual.
SWEEP_GAIN = 1e-6
SWEEPS = 30
FACE_GAIN = 1e-6

# Rows of `vectors` before the pairs, and what the numbers of `scalars` are: the step of
# the trial, the value at the point, points accepted, pairs learnt, the decrease twice
# over that the model promises, ends of the interval of steps with value and slope at
# the lower one, rejections in a row, whether the objective has changed at the point,
# whether the pairs were just forgotten, whether the search can go no further.
POINT, GRADIENT, DIAGONAL, DIRECTION, LOW_POINT, LOW_GRADIENT, FIRST_PAIR = range(7)
(
    STEP,
    VALUE,
    ACCEPTED,
    LEARNT,
    DECREMENT,
    LOW,
    HIGH,
    LOW_VALUE,
    LOW_SLOPE,
    REJECTED,
    CHANGED,
    FORGOT,
    STUCK,
) = range(13)
SCALARS = (
    "step",
    "value",
    "accepted",
    "learnt",
    "decrement",
    "low",
    "high",
    "low_value",
    "low_slope",
    "rejected",
    "changed",
    "forgot",
    "stuck",
)


@numba.njit(**INNER)
def _dot(a, b):
    total = 0.0
    for j in range(a.shape[0]):
        total += a[j] * b[j]
    return total


@numba.njit(**INNER)
def _add(a, factor, b):
    """Add `factor` times b to a."""
    for j in range(a.shape[0]):
        a[j] += factor * b[j]


@numba.njit(**INNER)
def _copy(a, b):
    """Put a into b. To compile ``b[:] = a``, with its error message, takes a second."""
    for j in range(a.shape[0]):
        b[j] = a[j]


@numba.njit(**INNER)
def _norm(l1, point):
    """sum_j l1_j |point_j|; an empty l1 is zero."""
    total = 0.0
    for j in range(l1.shape[0]):
        total += l1[j] * abs(point[j])
    return total


@numba.njit(**INNER)
def _learn_diagonal(diagonal, move, change):
    """The diagonal of the BFGS update of a diagonal, scaled to the curvature of the
    pair (Gilbert and Lemarechal, 1989). The curvature of the pair is one.

    It stays within bounds: an entry that one strange pair made huge or tiny would
    need many pairs to come back.
    """
    n = diagonal.shape[0]
    bent = 0.0
    for j in range(n):
        bent += diagonal[j] * move[j] * move[j]
    steepness = _dot(change, change)
    for j in range(n):
        scaled = diagonal[j] / bent
        along = scaled * move[j]
        learnt = scaled + change[j] * change[j] - along * along
        learnt = max(learnt, steepness / DIAGONAL_RANGE)
        diagonal[j] = min(learnt, steepness * DIAGONAL_RANGE)


@numba.njit(**INNER)
def _newton(gradient, diagonal, moves, changes, learnt, direction, shares):
    """Set `direction` to -H gradient by the two-loop recursion (Nocedal, 1980)."""
    ring, n = moves.shape
    known = min(learnt, ring)
    for j in range(n):
        direction[j] = -gradient[j]
    for age in range(1, known + 1):
        k = (learnt - age) % ring
        shares[age - 1] = _dot(moves[k], direction)
        _add(direction, -shares[age - 1], changes[k])
    for j in range(n):
        direction[j] /= diagonal[j]
    for age in range(known, 0, -1):
        k = (learnt - age) % ring
        _add(direction, shares[age - 1] - _dot(changes[k], direction), moves[k])


@numba.njit(**INNER)
def _in_play(point, gradient, l1, moves, learnt):
    """Coordinates that are not zero, want to leave zero, or moved in a known pair."""
    ring, n = moves.shape
    plays = np.empty(n, np.bool_)
    for j in range(n):
        plays[j] = point[j] != 0.0 or abs(gradient[j]) > l1[j]
    for k in range(min(learnt, ring)):
        for j in range(n):
            plays[j] |= moves[k, j] != 0.0
    return np.nonzero(plays)[0]


@numba.njit(**INNER)
def _secant_matrix(diagonal, moves, changes, learnt, active):
    """Rows of the matrix B whose inverse is the H of ``_newton``.

    Returns y and b, a row for each active coordinate and a column for each pair, with
    B = diagonal + sum over the columns of y y' - b b'. The y are the changes, and
    b = B s / sqrt(s'Bs) with the B of the older pairs: the BFGS update.
    """
    ring = moves.shape[0]
    known, size = min(learnt, ring), active.shape[0]
    y, b = np.empty((size, known)), np.empty((size, known))
    along_y, along_b = np.empty(known), np.empty(known)
    for k in range(known):
        pair = (learnt - known + k) % ring
        move, change = moves[pair], changes[pair]
        along_y[:] = 0.0
        along_b[:] = 0.0
        for a in range(size):
            s = move[active[a]]
            for i in range(k):
                along_y[i] += y[a, i] * s
                along_b[i] += b[a, i] * s
        squared = 0.0
        for a in range(size):
            j = active[a]
            bend = diagonal[j] * move[j]
            for i in range(k):
                bend += y[a, i] * along_y[i] - b[a, i] * along_b[i]
            y[a, k] = change[j]
            b[a, k] = bend
            squared += bend * move[j]
        # Positive but for rounding, where without the pair's b the matrix stays so.
        scale = 1.0 / math.sqrt(squared) if squared > 0.0 else 0.0
        for a in range(size):
            b[a, k] *= scale
    return y, b


@numba.njit(**INNER)
def _apply(d, y, b, v, product):
    """Set `product` to B v, with B = diag(d) + y y' - b b'."""
    size, known = y.shape
    along_y, along_b = np.zeros(known), np.zeros(known)
    for a in range(size):
        if v[a] != 0.0:
            for k in range(known):
                along_y[k] += y[a, k] * v[a]
                along_b[k] += b[a, k] * v[a]
    for a in range(size):
        total = d[a] * v[a]
        for k in range(known):
            total += y[a, k] * along_y[k] - b[a, k] * along_b[k]
        product[a] = total


@numba.njit(**INNER)
def _sweep(point, slope, curvature, d, y, b, l1, along_y, along_b, x):
    """One sweep of coordinate descent; returns (gain, whether a sign changed).

    `along_y` and `along_b` are the products of x - point with the columns of y and b.
    """
    size, known = y.shape
    gain, crossed = 0.0, False
    for a in range(size):
        total = slope[a] + d[a] * (x[a] - point[a])
        for k in range(known):
            total += y[a, k] * along_y[k] - b[a, k] * along_b[k]
        new = soft_threshold(x[a] - total / curvature[a], l1[a] / curvature[a])
        moved = new - x[a]
        if moved != 0.0:
            crossed |= np.sign(new) != np.sign(x[a])
            x[a] = new
            gain += curvature[a] * moved * moved
            for k in range(known):
                along_y[k] += moved * y[a, k]
                along_b[k] += moved * b[a, k]
    return gain, crossed


@numba.njit(**INNER)
def _on_face(point, slope, d, y, b, l1, x):
    """Conjugate gradients on the model among the points with the signs of x.

    Scaled by the diagonal, from which B differs by the columns of y and b, so that one
    step more than there are of those is enough. They end where a coordinate reaches
    zero.
    """
    size, known = y.shape
    residual, direction, product = np.empty(size), np.zeros(size), np.empty(size)
    _apply(d, y, b, x - point, product)
    moves = np.empty(size, np.bool_)
    for a in range(size):
        moves[a] = x[a] != 0.0 or l1[a] == 0.0
        residual[a] = -(slope[a] + product[a] + l1[a] * np.sign(x[a]))
    first, before = 0.0, 0.0
    for _ in range(2 * known + 1):
        square = 0.0
        for a in range(size):
            if moves[a]:
                square += residual[a] * residual[a] / d[a]
        first = max(first, square)
        if square <= FACE_GAIN * first:
            return
        momentum = square / before if before > 0.0 else 0.0
        before = square
        for a in range(size):
            if moves[a]:
                direction[a] = residual[a] / d[a] + momentum * direction[a]
        _apply(d, y, b, direction, product)
        bent = _dot(direction, product)
        if bent <= 0.0:
            return
        length, blocking = square / bent, -1
        for a in range(size):
            if l1[a] > 0.0 and x[a] * direction[a] < 0.0:
                longest = -x[a] / direction[a]
                if longest < length:
                    length, blocking = longest, a
        for a in range(size):
            x[a] += length * direction[a]
            residual[a] -= length * product[a]
        if blocking >= 0:
            x[blocking] = 0.0
            return


@numba.njit(**INNER)
def _proximal_newton(point, gradient, diagonal, moves, changes, learnt, l1, direction):
    """Set `direction` to the d of the least gradient'd + d'Bd/2 + sum l1 |point + d|.

    Over the coordinates in play; what should have joined them shows in the next
    gradient. Sweeps of coordinate descent (Lee, Sun and Saunders, 2014; Scheinberg and
    Tang, 2016) find the signs, conjugate gradients the minimum that has them (as
    More and Toraldo, 1991, do under bounds).
    """
    active = _in_play(point, gradient, l1, moves, learnt)
    y, b = _secant_matrix(diagonal, moves, changes, learnt, active)
    size, known = y.shape
    start, slope, d = point[active], gradient[active], diagonal[active]
    strength = l1[active]
    curvature = np.empty(size)
    for a in range(size):
        total = d[a]
        for k in range(known):
            total += y[a, k] * y[a, k] - b[a, k] * b[a, k]
        curvature[a] = max(total, LEAST_CURVATURE * d[a])
    x = start.copy()
    along_y, along_b = np.zeros(known), np.zeros(known)
    best = 0.0
    for _ in range(SWEEPS):
        gain, crossed = _sweep(
            start, slope, curvature, d, y, b, strength, along_y, along_b, x
        )
        best = max(best, gain)
        if gain <= SWEEP_GAIN * best:
            break
        if not crossed:
            _on_face(start, slope, d, y, b, strength, x)
            along_y[:] = 0.0
            along_b[:] = 0.0
            for a in range(size):
                for k in range(known):
                    along_y[k] += y[a, k] * (x[a] - start[a])
                    along_b[k] += b[a, k] * (x[a] - start[a])
    direction[:] = 0.0
    for a in range(size):
        direction[active[a]] = x[a] - start[a]


@numba.njit(**INNER)
def _pairs(vectors):
    """The moves and the gradient changes of the last pairs."""
    ring = (vectors.shape[0] - FIRST_PAIR) // 2
    return vectors[FIRST_PAIR : FIRST_PAIR + ring], vectors[FIRST_PAIR + ring :]


def newton(vectors, learnt, l1, shares):
    """Set the direction to that of Newton's method, of a smooth objective."""
    moves, changes = _pairs(vectors)
    _newton(
        vectors[GRADIENT],
        vectors[DIAGONAL],
        moves,
        changes,
        learnt,
        vectors[DIRECTION],
        shares,
    )


def proximal_newton(vectors, learnt, l1, shares):
    """Set the direction to that of the proximal Newton method, under an l1 penalty."""
    moves, changes = _pairs(vectors)
    _proximal_newton(
        vectors[POINT],
        vectors[GRADIENT],
        vectors[DIAGONAL],
        moves,
        changes,
        learnt,
        l1,
        vectors[DIRECTION],
    )


@functools.cache
def direction_signature():
    """Of ``newton`` and ``proximal_newton``."""
    return types.none(matrix(FLOAT), INDEX, VECTOR, VECTOR)


@numba.njit(**INNER)
def _between(low, low_value, low_slope, high, value, slope):
    """The minimum of the cubic through both ends of an interval of steps, kept away
    from them.
    """
    width = high - low
    turn = low_slope + slope - 3.0 * (value - low_value) / width
    square = turn * turn - low_slope * slope
    step = 0.5 * (low + high)
    if square >= 0.0:
        root = math.sqrt(square)
        rise = slope - low_slope + 2.0 * root
        if rise != 0.0:
            step = high - width * (slope + root - turn) / rise
    if not math.isfinite(step):
        step = 0.5 * (low + high)
    return min(max(step, low + MARGIN * width), high - MARGIN * width)


@numba.njit(**INNER)
def _longer(step, decrement, slope):
    """A step where the line through both slopes is level, within the growth allowed."""
    least, most = GROWTH
    bend = decrement + slope
    if bend <= 0.0:
        return most * step
    return min(max(step * decrement / bend, least * step), most * step)


# What comes of a trial: a shorter one, a longer one (it is the lower end now), the
# point moves to it or to the lower end, or the line has nothing to offer.
SHORTER, LONGER, TRIAL, LOWER, NOTHING = range(5)


@numba.njit(**INNER)
def _on_the_line(scalars, value, slope, rounding):
    """Judge a trial by the weak conditions of Wolfe, and set the next step.

    The interval of steps shrinks around one that meets them (Lewis and Overton, 2013).
    Where differences of objectives are rounding, the slopes decide (Hager and Zhang,
    2005).
    """
    step, decrement = scalars[STEP], scalars[DECREMENT]
    ceiling = scalars[VALUE] - SUFFICIENT_DECREASE * step * decrement
    level = scalars[VALUE] + rounding * abs(scalars[VALUE])
    finite = math.isfinite(value) and math.isfinite(slope)
    lower = value <= ceiling or (
        value <= level and slope <= (1.0 - 2.0 * SUFFICIENT_DECREASE) * decrement
    )
    if finite and lower and slope >= -CURVATURE * decrement:
        return TRIAL
    scalars[REJECTED] += 1.0
    if finite and lower:
        scalars[LOW], scalars[LOW_VALUE], scalars[LOW_SLOPE] = step, value, slope
        if scalars[HIGH] == math.inf:
            scalars[STEP] = _longer(step, decrement, slope)
        else:
            scalars[STEP] = 0.5 * (step + scalars[HIGH])
        return TRIAL if _exhausted(scalars) else LONGER
    low = scalars[LOW]
    scalars[HIGH] = step
    if not finite:
        scalars[STEP] = low + MARGIN * (step - low)
    elif scalars[REJECTED] < INTERPOLATIONS:
        scalars[STEP] = _between(
            low, scalars[LOW_VALUE], scalars[LOW_SLOPE], step, value, slope
        )
    else:
        scalars[STEP] = 0.5 * (low + step)
    if _exhausted(scalars):
        return LOWER if low > 0.0 else NOTHING
    return SHORTER


@numba.njit(**INNER)
def _exhausted(scalars):
    """Whether the interval of steps is not worth another trial."""
    narrow = scalars[HIGH] - scalars[LOW] <= NARROWEST * max(1.0, scalars[LOW])
    return narrow or scalars[REJECTED] >= REJECTIONS


@numba.njit(**INNER)
def _along_the_parabola(scalars, value, predicted, rounding):
    """Judge a trial under an l1 penalty by the decrease it promised, and shorten it.

    `predicted` is the change along the move, the penalty's included. The trial is the
    minimum of a model, so a step is never too short.
    """
    level = rounding * abs(scalars[VALUE])
    rise = value - scalars[VALUE]
    if rise <= SUFFICIENT_DECREASE * predicted + level:
        return TRIAL
    scalars[REJECTED] += 1.0
    if scalars[REJECTED] >= REJECTIONS or not predicted < 0.0:
        return NOTHING
    # To the minimum of the parabola through what is known, between a tenth and a half.
    shrink = MARGIN
    if math.isfinite(rise):
        shrink = min(max(-predicted / (2.0 * (rise - predicted)), MARGIN), 0.5)
    scalars[STEP] *= shrink
    return SHORTER


@numba.njit(**INNER)
def _aim(vectors, scalars, direct, l1, shares):
    """The direction from the point, and what its model promises."""
    point, gradient = vectors[POINT], vectors[GRADIENT]
    diagonal, direction = vectors[DIAGONAL], vectors[DIRECTION]
    for attempt in range(2):
        call_nothing(direct, vectors, int(scalars[LEARNT]), l1, shares)
        promise = -_dot(gradient, direction)
        for j in range(l1.shape[0]):
            promise += l1[j] * (abs(point[j]) - abs(point[j] + direction[j]))
        scalars[DECREMENT] = promise
        if promise >= 0.0 or attempt == 1:
            break
        _forget(scalars, diagonal)
    scalars[STEP] = 1.0
    scalars[LOW], scalars[HIGH] = 0.0, math.inf
    scalars[LOW_VALUE], scalars[LOW_SLOPE] = scalars[VALUE], -promise
    scalars[REJECTED] = 0.0
    if not promise > 0.0:
        scalars[STUCK] = 1.0


@numba.njit(**INNER)
def _forget(scalars, diagonal):
    """Start again from the steepest curvature known."""
    largest = 0.0
    for j in range(diagonal.shape[0]):
        largest = max(largest, diagonal[j])
    diagonal[:] = largest
    scalars[LEARNT] = 0.0


@numba.njit(**INNER)
def _learn(vectors, scalars, move, change, curvature):
    """Remember a pair, unless rounding is all there is of its curvature."""
    moves, changes = _pairs(vectors)
    if not curvature > 0.0 or not math.isfinite(curvature):
        return
    k = int(scalars[LEARNT]) % moves.shape[0]
    scale = 1.0 / math.sqrt(curvature)
    for j in range(move.shape[0]):
        moves[k, j] = scale * move[j]
        changes[k, j] = scale * change[j]
    _learn_diagonal(vectors[DIAGONAL], moves[k], changes[k])
    scalars[LEARNT] += 1.0


class Search(NamedTuple):
    """What a search remembers.

    Attributes
    ----------
    vectors : float64 array of shape (6 + 2 pairs, n)
        Point, gradient, diagonal and direction, the lower end of the line search and
        its gradient, then the moves and the gradient changes of the last pairs, scaled
        to a curvature of one, each in a ring.
    scalars : float64 array
        Numbers named in ``SCALARS``.
    """

    vectors: object
    scalars: object


class Trial(NamedTuple):
    """A point to judge.

    Attributes
    ----------
    point : float64 array of shape (n,)
    value : float
        The objective there, penalties included.
    gradient : float64 array of shape (n,)
        Of the objective without the l1 penalty.
    """

    point: object
    value: float
    gradient: object


class Workspace(NamedTuple):
    """To work in: float64 arrays of shape (n,), (n,) and (pairs,)."""

    move: object
    change: object
    shares: object


class Model(NamedTuple):
    """What is known of the objective.

    Attributes
    ----------
    direct : int
        Address of ``newton`` or, with an l1 penalty, ``proximal_newton``: only the one
        that is used need be compiled.
    l1 : float64 array of shape (n,) or (0,)
    parabolic : bool
        Whether the objective is quadratic but for the l1 penalty. Then the value and
        gradient on the whole line through the trial are known: instead of a rejection,
        and always without an l1 penalty, the point goes to the minimum on the line.
    rounding : float
        Relative differences of two objectives below this are rounding.
    first_step : float
        First step per unit of gradient.
    """

    direct: int
    l1: object
    parabolic: bool
    rounding: float
    first_step: float


@numba.njit(**INNER)
def _start(search, trial, value, trial_gradient, first_step):
    """The trial becomes the point, without being judged."""
    vectors, scalars = search
    if scalars[ACCEPTED] == 0.0:
        vectors[DIAGONAL][:] = 1.0 / first_step
        scalars[ACCEPTED] = 1.0
    scalars[CHANGED], scalars[STUCK], scalars[VALUE] = 0.0, 0.0, value
    _copy(trial, vectors[POINT])
    _copy(trial_gradient, vectors[GRADIENT])


@numba.njit(**INNER)
def _pair(search, trial, trial_gradient, move, change):
    """The way from the point to the trial, and how the gradient changes on it."""
    point, gradient = search.vectors[POINT], search.vectors[GRADIENT]
    for j in range(move.shape[0]):
        move[j] = trial[j] - point[j]
        change[j] = trial_gradient[j] - gradient[j]


@numba.njit(**INNER)
def _judge(search, value, slope, predicted, curvature, model):
    """What comes of a trial, and the share of its move that the point makes."""
    scalars, proximal = search.scalars, model.l1.shape[0] > 0
    straight = model.parabolic and curvature > 0.0 and math.isfinite(value)
    if straight and not proximal:
        return TRIAL, min(max(-predicted / curvature, 0.0), LONGEST)
    if not proximal:
        return _on_the_line(scalars, value, slope, model.rounding), 1.0
    outcome = _along_the_parabola(scalars, value, predicted, model.rounding)
    if straight and outcome != TRIAL:
        # The l1 norm lies below its chord, so this is the least of a bound.
        # Otherwise the whole way, which is what sets coordinates to zero.
        return TRIAL, min(max(-predicted / curvature, 0.0), 1.0)
    return outcome, 1.0


@numba.njit(**INNER)
def _accept(search, trial, value, trial_gradient, pair, curvature, fraction, l1):
    """Learn from the trial, and move the point by a fraction of the way to it."""
    vectors, scalars = search
    move, change = pair
    point, gradient = vectors[POINT], vectors[GRADIENT]
    _learn(vectors, scalars, move, change, curvature)
    if fraction == 1.0:
        _copy(trial, point)
        _copy(trial_gradient, gradient)
    else:
        rest = fraction - 1.0
        value += rest * _dot(trial_gradient, move)
        value += 0.5 * rest * rest * curvature
        _add(point, fraction, move)
        _add(gradient, fraction, change)
        value += _norm(l1, point) - _norm(l1, trial)
    scalars[VALUE] = value
    scalars[ACCEPTED] += 1.0
    scalars[FORGOT] = 0.0


def advance(search, tried, workspace, model):
    """Judge the trial, learn from it, and put the next trial in its place.

    Only points that are accepted are learnt from, and each is at least as good as the
    one before, but for rounding: the last one is the answer.

    Parameters
    ----------
    search : Search
    tried : Trial
    workspace : Workspace
    model : Model
    """
    search, model = borrowed(search), borrowed(model)
    trial, value, trial_gradient = borrowed(tried)
    move, change, shares = borrowed(workspace)
    vectors, scalars = search
    direct, l1 = model.direct, model.l1
    point, gradient = vectors[POINT], vectors[GRADIENT]
    direction = vectors[DIRECTION]
    if scalars[ACCEPTED] == 0.0 or scalars[CHANGED] == 1.0:
        _start(search, trial, value, trial_gradient, model.first_step)
        _aim(vectors, scalars, direct, l1, shares)
    elif scalars[STUCK] == 0.0:
        _pair(search, trial, trial_gradient, move, change)
        curvature = _dot(move, change)
        predicted = _dot(gradient, move) + _norm(l1, trial) - _norm(l1, point)
        slope = _dot(trial_gradient, direction)
        outcome, fraction = _judge(search, value, slope, predicted, curvature, model)
        if outcome == LONGER:
            _copy(trial, vectors[LOW_POINT])
            _copy(trial_gradient, vectors[LOW_GRADIENT])
        elif outcome == LOWER:
            value = scalars[LOW_VALUE]
            _copy(vectors[LOW_POINT], trial)
            _copy(vectors[LOW_GRADIENT], trial_gradient)
            _pair(search, trial, trial_gradient, move, change)
            curvature = _dot(move, change)
            outcome = TRIAL
        if outcome == TRIAL:
            pair = (move, change)
            _accept(search, trial, value, trial_gradient, pair, curvature, fraction, l1)
            _aim(vectors, scalars, direct, l1, shares)
        elif outcome == NOTHING and scalars[FORGOT] == 1.0:
            scalars[STUCK] = 1.0
        elif outcome == NOTHING:
            scalars[FORGOT] = 1.0
            _forget(scalars, vectors[DIAGONAL])
            _aim(vectors, scalars, direct, l1, shares)
    step = scalars[STEP]
    for j in range(point.shape[0]):
        trial[j] = point[j] + step * direction[j]


@functools.cache
def signature():
    """Of ``advance``."""
    search = record(Search, vectors=matrix(FLOAT), scalars=VECTOR)
    trial = record(Trial, point=VECTOR, value=FLOAT, gradient=VECTOR)
    workspace = record(Workspace, move=VECTOR, change=VECTOR, shares=VECTOR)
    model = record(
        Model,
        direct=types.intp,
        l1=VECTOR,
        parabolic=types.boolean,
        rounding=FLOAT,
        first_step=FLOAT,
    )
    return types.none(search, trial, workspace, model)
