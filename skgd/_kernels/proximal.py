"""Proximal steps of penalties that know raw coefficients only, in any coordinates.

With w = scale * theta a step of length m in theta is one of length scale^2 m in w, so
the step is exact whatever the coordinates and the lengths. What the penalty is, an
address decides.
"""

from typing import NamedTuple

import numba
import numpy as np
from numba import types

from .compiling import FLOAT, INDEX, INNER, VECTOR, remembered, vector
from .pointers import call_float, call_nothing
from .records import record

# The whole numbers of a penalty: addresses of its step and of its value, numbers of
# outputs, features and blocks, numbers for each block. Then the features in the order
# of their blocks, and where in that order each block begins, with the end of the last.
STEP, VALUE, N_OUTPUTS, N_FEATURES, N_BLOCKS, N_NUMBERS, FIRST_MEMBER = range(7)


class Prox(NamedTuple):
    """A penalty as the kernels know it.

    Attributes
    ----------
    step : int
        Address of ``separable_step`` or ``blocks_step``; 0 for no such penalty.
    layout : int64 array
        Its whole numbers; see ``STEP`` and the following.
    numbers : float64 array
        The scale of each feature, the numbers of each block, and room for the weights
        of a block and the lengths of their steps.
    """

    step: int
    layout: object
    numbers: object


# What stands for no such penalty.
NO_PROX = (0, np.empty(0, np.int64), np.empty(0))

PROX = record(Prox, step=types.intp, layout=vector(INDEX), numbers=VECTOR)


@numba.njit(**INNER, forceinline=True)
def soft_threshold(x, threshold):
    """X moved towards zero by `threshold`, and no further; without a branch."""
    return x - min(max(x, -threshold), threshold)


@remembered
def step_signature(element):
    """Of ``separable_step`` and ``blocks_step``."""
    return types.none(vector(element), vector(element), PROX)


@remembered
def value_signature():
    """Of ``separable_value`` and ``blocks_value``."""
    return FLOAT(VECTOR, PROX)


@remembered
def number_step_signature():
    """Of a penalty's own (w, step, p) -> w."""
    return FLOAT(FLOAT, FLOAT, VECTOR)


@remembered
def number_value_signature():
    """Of a penalty's own (w, p) -> value."""
    return FLOAT(FLOAT, VECTOR)


@remembered
def block_step_signature():
    """Of a penalty's own (w, steps, p) -> nothing."""
    return types.none(VECTOR, VECTOR, VECTOR)


@remembered
def block_value_signature():
    """Of a penalty's own (w, p) -> value."""
    return FLOAT(VECTOR, VECTOR)


@numba.njit(**INNER, forceinline=True)
def _opened(prox):
    """Scale of each feature, numbers of each block, and two vectors to write to."""
    layout, numbers = prox.layout, prox.numbers
    n_features = layout[N_FEATURES]
    n_table = layout[N_BLOCKS] * layout[N_NUMBERS]
    n_weights = n_features * layout[N_OUTPUTS]
    scale = numbers[:n_features]
    table = numbers[n_features : n_features + n_table]
    rest = numbers[n_features + n_table :]
    return scale, table, rest[:n_weights], rest[n_weights:]


@numba.njit(**INNER, forceinline=True)
def _members(layout, b):
    """Features of block b."""
    starts = FIRST_MEMBER + layout[N_FEATURES]
    return layout[
        FIRST_MEMBER + layout[starts + b] : FIRST_MEMBER + layout[starts + b + 1]
    ]


@numba.njit(**INNER, forceinline=True)
def _row(table, layout, b):
    """Numbers of block b."""
    size = layout[N_NUMBERS]
    return table[b * size : (b + 1) * size]


def separable_step(theta, lengths, prox):
    """Proximal step of theta in place, each entry with its own length.

    Columns of scale 0 have no coefficient to move.
    """
    layout = prox.layout
    scale, table, _, _ = _opened(prox)
    n_outputs = layout[N_OUTPUTS]
    for j in range(layout[N_FEATURES]):
        p = _row(table, layout, j)
        for i in range(j * n_outputs, (j + 1) * n_outputs):
            w = scale[j] * theta[i]
            length = scale[j] * scale[j] * lengths[i]
            moved = call_float(layout[STEP], w, length, p)
            if moved != w and scale[j] > 0.0:
                theta[i] = moved / scale[j]


def blocks_step(theta, lengths, prox):
    """As ``separable_step``, for all coefficients of a block together."""
    layout = prox.layout
    scale, table, w, steps = _opened(prox)
    n_outputs = layout[N_OUTPUTS]
    for b in range(layout[N_BLOCKS]):
        members = _members(layout, b)
        size = 0
        for j in members:
            for i in range(j * n_outputs, (j + 1) * n_outputs):
                w[size] = scale[j] * theta[i]
                steps[size] = scale[j] * scale[j] * lengths[i]
                size += 1
        call_nothing(layout[STEP], w[:size], steps[:size], _row(table, layout, b))
        size = 0
        for j in members:
            for i in range(j * n_outputs, (j + 1) * n_outputs):
                if scale[j] > 0.0 and w[size] != scale[j] * theta[i]:
                    theta[i] = w[size] / scale[j]
                size += 1


def separable_value(theta, prox):
    """Value of the penalty at theta."""
    layout = prox.layout
    scale, table, _, _ = _opened(prox)
    n_outputs = layout[N_OUTPUTS]
    total = 0.0
    for j in range(layout[N_FEATURES]):
        p = _row(table, layout, j)
        for i in range(j * n_outputs, (j + 1) * n_outputs):
            total += call_float(layout[VALUE], scale[j] * theta[i], p)
    return total


def blocks_value(theta, prox):
    """Value of the penalty at theta, for all coefficients of a block together."""
    layout = prox.layout
    scale, table, w, _ = _opened(prox)
    n_outputs = layout[N_OUTPUTS]
    total = 0.0
    for b in range(layout[N_BLOCKS]):
        size = 0
        for j in _members(layout, b):
            for i in range(j * n_outputs, (j + 1) * n_outputs):
                w[size] = scale[j] * theta[i]
                size += 1
        total += call_float(layout[VALUE], w[:size], _row(table, layout, b))
    return total
