"""One update of theta by a gradient: rule, penalties, clipping, averaging.

The rule is an address. How gradients come about is not known here.
"""

import math
from typing import NamedTuple

import numba
from numba import types

from .compiling import FLOAT, INDEX, INNER, VECTOR, matrix, remembered, vector
from .forgetting import counted, left
from .pointers import call_nothing
from .proximal import PROX, soft_threshold
from .records import record

# What a rule may forget.
ORIGIN, VECTOR_SUM, SCALAR_SUM = range(3)


class Rule(NamedTuple):
    """An update rule and what it remembers; see ``Optimizer.update``.

    Attributes
    ----------
    update : int
        Address of the compiled rule.
    p : float64 array
        Its parameters.
    vectors : array of shape (n_vectors, n_parameters)
    scalars : float64 array
    step_sizes : array of shape (n_parameters,)
        Lengths of the steps per unit of gradient, which the rule writes.
    forgotten : float64 array
        Rows after which half is forgotten, and then three numbers for each thing that
        is: its kind (`ORIGIN`, a point that theta has come from and that moves towards
        theta; `VECTOR_SUM`; `SCALAR_SUM`), its number, and what it does not fall below.
        Empty where nothing is forgotten.
    """

    update: int
    p: object
    vectors: object
    scalars: object
    step_sizes: object
    forgotten: object


class Penalties(NamedTuple):
    """What is added to the mean loss, and decoupled decay.

    Attributes
    ----------
    l1 : float64 array of shape (n_parameters,) or (0,)
    l2 : float64 array of shape (n_parameters,)
    decay : float64 array of shape (n_parameters,) or (0,)
    prox : Prox
        A penalty of another kind.
    """

    l1: object
    l2: object
    decay: object
    prox: tuple


class Averaging(NamedTuple):
    """Which mean of the parameters is kept; see ``_training/state.py``.

    Attributes
    ----------
    base : array of shape (n_parameters,) or (0,)
        The point that moves, where it is not theta.
    average : array of shape (n_parameters,) or (0,)
    start : int
        The first update that counts.
    power, interpolation : float
    half_life : float
        Rows after which half of the weight of a point is forgotten.
    """

    base: object
    average: object
    start: int
    power: float
    interpolation: float
    half_life: float


class Update(NamedTuple):
    """All that moves theta by a gradient.

    Attributes
    ----------
    rule : Rule or Saga
    penalties : Penalties
    averaging : Averaging
    clip_norm : float
        Longer gradients are shortened to it.
    """

    rule: tuple
    penalties: tuple
    averaging: tuple
    clip_norm: float


@remembered
def rule_type(element):
    """The type of `Rule` in a precision."""
    return record(
        Rule,
        update=types.intp,
        p=VECTOR,
        vectors=matrix(element),
        scalars=VECTOR,
        step_sizes=vector(element),
        forgotten=VECTOR,
    )


@remembered
def update_type(element, rule):
    """The type of `Update` in a precision, by a type of rule."""
    theta = vector(element)
    penalties = record(Penalties, l1=VECTOR, l2=VECTOR, decay=VECTOR, prox=PROX)
    averaging = record(
        Averaging,
        base=theta,
        average=theta,
        start=INDEX,
        power=FLOAT,
        interpolation=FLOAT,
        half_life=FLOAT,
    )
    return record(
        Update, rule=rule, penalties=penalties, averaging=averaging, clip_norm=FLOAT
    )


@numba.njit(**INNER, forceinline=True)
def clip(gradient, longest):
    """Shorten the gradient to a norm of `longest`."""
    squares = 0.0
    for j in range(gradient.shape[0]):
        squares += gradient[j] * gradient[j]
    norm = math.sqrt(squares)
    if norm > longest:
        shrink = longest / norm
        for j in range(gradient.shape[0]):
            gradient[j] *= shrink


@numba.njit(**INNER, forceinline=True)
def decay(moving, penalties, lr):
    """Decoupled decay of the point that moves."""
    if penalties.decay.shape[0] > 0:
        for j in range(moving.shape[0]):
            moving[j] -= lr * penalties.decay[j] * moving[j]


_left = numba.njit(**INNER)(left)
_counted = numba.njit(**INNER)(counted)


# What follows is compiled by itself, and called where something is to be forgotten, so
# that all else is computed as if it did not exist, to the bit.


@numba.njit(**INNER)
def forget(rule, moving, n_rows):
    """Let a rule forget what `n_rows` further rows make old."""
    forgotten = rule.forgotten
    kept = _left(forgotten[0], n_rows)
    for i in range(1, forgotten.shape[0], 3):
        kind, k = forgotten[i], int(forgotten[i + 1])
        if kind == SCALAR_SUM:
            rule.scalars[k] = max(kept * rule.scalars[k], forgotten[i + 2])
            continue
        vector = rule.vectors[k]
        for j in range(vector.shape[0]):
            if kind == ORIGIN:
                vector[j] = moving[j] + kept * (vector[j] - moving[j])
            else:
                vector[j] *= kept


@numba.njit(**INNER)
def add_to_forgetful_mean(moving, averaging, n_rows, n):
    """The n-th point into the mean, after an update by `n_rows` rows.

    By its usual share, or that in an exponential mean of as many points if it is more.
    """
    power = averaging.power
    share = max(
        (1.0 + power) / (n + power), 1.0 / _counted(averaging.half_life, n_rows, n)
    )
    average = averaging.average
    for j in range(average.shape[0]):
        average[j] += (moving[j] - average[j]) * share


@numba.njit(**INNER, forceinline=True)
def finish(theta, moving, step_sizes, penalties, averaging, n_rows, t):
    """What follows the step of a rule: proximal steps, and the mean."""
    l1, prox = penalties.l1, penalties.prox
    base, average = averaging.base, averaging.average
    size = theta.shape[0]
    if l1.shape[0] > 0:
        # Proximal step of l1 |theta|, with the length of the step just made.
        for j in range(size):
            moving[j] = soft_threshold(moving[j], step_sizes[j] * l1[j])
    if prox.step:
        call_nothing(prox.step, moving, step_sizes, prox)
    if average.shape[0] > 0 and t >= averaging.start:
        power = averaging.power
        if averaging.half_life < math.inf:
            n = t - averaging.start + 1
            add_to_forgetful_mean(moving, averaging, n_rows, n)
        else:
            weight = (1.0 + power) / (t - averaging.start + 1 + power)
            for j in range(size):
                average[j] += (moving[j] - average[j]) * weight
    if base.shape[0] > 0:
        for j in range(size):
            theta[j] = base[j] + (average[j] - base[j]) * averaging.interpolation


@numba.njit(**INNER, forceinline=True)
def moving_point(theta, averaging):
    """Theta itself, unless gradients are taken between what moves and its average."""
    return averaging.base if averaging.base.shape[0] > 0 else theta


@numba.njit(**INNER, forceinline=True)
def step_by_rule(theta, gradient, n_rows, update, lr, t):
    """One update of theta from the sum of gradients over `n_rows` rows."""
    rule, penalties, averaging = update.rule, update.penalties, update.averaging
    l2 = penalties.l2
    inverse = 1.0 / n_rows
    for j in range(theta.shape[0]):
        gradient[j] = gradient[j] * inverse + l2[j] * theta[j]
    if update.clip_norm < math.inf:
        clip(gradient, update.clip_norm)
    moving = moving_point(theta, averaging)
    decay(moving, penalties, lr)
    if rule.forgotten.shape[0] > 0:
        forget(rule, moving, n_rows)
    call_nothing(
        rule.update,
        moving,
        gradient,
        rule.vectors,
        lr,
        t,
        rule.p,
        rule.scalars,
        rule.step_sizes,
    )
    finish(theta, moving, rule.step_sizes, penalties, averaging, n_rows, t)
