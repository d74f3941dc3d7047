"""SAGA: stochastic steps that converge, from a table of the rows' last derivatives.

The cost keeps the table and gives the change of each derivative since the row's last
visit (``separable_change`` and ``softmax_change`` of ``outputs.py``), so that what is
summed up over a batch is not its gradient but the change of it. The formulas are with
``skgd.optimizers.SAGA``.
"""

import math
from typing import NamedTuple

import numba

from .compiling import INDEX, INNER, remembered, vector
from .records import record
from .update import clip, decay, finish, moving_point


class Saga(NamedTuple):
    """What stands in place of a rule.

    Attributes
    ----------
    mean : array of shape (n_parameters,)
        The mean gradient of the table.
    n_rows : int
        Rows of the table.
    step_sizes : array of shape (n_parameters,)
        Lengths of the steps per unit of gradient, which are written.
    """

    mean: object
    n_rows: int
    step_sizes: object


@remembered
def saga_type(element):
    """The type of `Saga` in a precision."""
    theta = vector(element)
    return record(Saga, mean=theta, n_rows=INDEX, step_sizes=theta)


@numba.njit(**INNER, forceinline=True)
def step_by_changes(theta, changes, n_batch, update, lr, t):
    """One update of theta from the sum of changes over a batch; uses `changes` up."""
    penalties, averaging = update.penalties, update.averaging
    mean, n_rows, step_sizes = update.rule
    l2 = penalties.l2
    number = theta.dtype.type
    inverse, share, rate = number(1.0 / n_batch), number(n_batch / n_rows), number(lr)
    for j in range(theta.shape[0]):
        change = changes[j] * inverse
        # The estimate of the gradient, and then what is known of it.
        changes[j] = change + mean[j] + l2[j] * theta[j]
        mean[j] += share * change
        step_sizes[j] = rate
    if update.clip_norm < math.inf:
        clip(changes, update.clip_norm)
    moving = moving_point(theta, averaging)
    decay(moving, penalties, lr)
    for j in range(theta.shape[0]):
        moving[j] -= rate * changes[j]
    finish(theta, moving, step_sizes, penalties, averaging, n_batch, t)
