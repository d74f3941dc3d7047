"""One update of theta by a gradient: rule, penalties, clipping, averaging.

The rule is an address. How gradients come about is not known here.
"""

import math
from typing import NamedTuple

import numba
from numba import types

from .compiling import FLOAT, INDEX, INNER, VECTOR, matrix, remembered, vector
from .pointers import call_nothing
from .proximal import PROX, soft_threshold
from .records import record


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
    """

    update: int
    p: object
    vectors: object
    scalars: object
    step_sizes: object


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
    """

    base: object
    average: object
    start: int
    power: float
    interpolation: float


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


@numba.njit(**INNER, forceinline=True)
def finish(theta, moving, step_sizes, penalties, averaging, t):
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
    finish(theta, moving, rule.step_sizes, penalties, averaging, t)
