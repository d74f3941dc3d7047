"""The compiled epochs: batches of rows in, updates of theta out.

It knows neither the model (an address that sums gradients over rows) nor how gradients
move theta (``update.py``, ``saga.py``); it owns what happens between them.
"""

from typing import NamedTuple

import numba
from numba import types
from numba.extending import overload

from .blocks import sum_gradients
from .compiling import FLOAT, INDEX, INNER, VECTOR, matrix, remembered, vector
from .elementary import is_finite
from .memory import borrowed
from .records import COST, ORDER, RATES, record, rows_of
from .saga import Saga, step_by_changes
from .shuffling import shuffle
from .update import rule_type, step_by_rule, update_type

_shuffle = numba.njit(**INNER)(shuffle)


def step(theta, gradient, n_rows, update, lr, t):
    """One update of theta from a sum over `n_rows` rows, by the rule of `update`."""
    raise NotImplementedError("compiled code only")


@overload(step, jit_options=INNER | {"forceinline": True})
def _step(theta, gradient, n_rows, update, lr, t):
    if update[0].instance_class is Saga:

        def by_changes(theta, gradient, n_rows, update, lr, t):
            step_by_changes(theta, gradient, n_rows, update, lr, t)

        return by_changes

    def by_rule(theta, gradient, n_rows, update, lr, t):
        step_by_rule(theta, gradient, n_rows, update, lr, t)

    return by_rule


def single_step(theta, gradient, n_rows, update, lr, t):
    """The update alone, for gradients summed outside the compiled epoch."""
    step(theta, gradient, n_rows, update, lr, t)


@remembered
def step_signature(element):
    """Of ``single_step``."""
    theta = vector(element)
    update = update_type(element, rule_type(element))
    return types.none(theta, theta, INDEX, update, FLOAT, INDEX)


@numba.njit(**INNER)
def _run_epoch(block, rows, batch_size, cost, theta, gradient, update, rates, t):
    """One pass over the rows of the order, `batch_size` at a time.

    Returns the sum of losses, each taken before the update its row took part in, and
    the number of updates made.
    """
    n = rows.order.shape[0]
    total = 0.0
    n_updates = 0
    for start in range(0, n, batch_size):
        stop = min(n, start + batch_size)
        gradient[:] = 0.0
        loss = sum_gradients(block, rows, start, stop, cost, theta, gradient)
        total += loss
        if not is_finite(loss):
            break
        lr = rates[n_updates]
        n_updates += 1
        step(theta, gradient, stop - start, update, lr, t + n_updates)
    return total, n_updates


class Passes(NamedTuple):
    """What the passes over the rows are, and what is left of each.

    Attributes
    ----------
    order : int64 array
        The numbers of the rows, which each pass shuffles anew: the memory of
        ``rows.order``. Empty where the rows are visited as they are.
    first : int64 array
        The order that each shuffle starts from.
    seeds : uint64 array of shape (n_passes,) or (0,)
        Of the shuffles.
    thetas : array of shape (n_passes, n_parameters) or (0, any)
        Where each pass has led, if that is asked for.
    losses : float64 array of shape (n_passes,)
        Sum of the losses of each pass.
    """

    order: object
    first: object
    seeds: object
    thetas: object
    losses: object


@remembered
def passes_type(element):
    """The type of `Passes` in a precision."""
    return record(
        Passes,
        order=vector(INDEX),
        first=ORDER,
        seeds=vector(types.uint64),
        thetas=matrix(element),
        losses=VECTOR,
    )


def run_epochs(
    block, rows, batch_size, cost, theta, gradient, update, rates, t, passes
):
    """Passes over the rows, with an update for every `batch_size` of them.

    Each pass has the same rates. Returns the number of passes made, and the number of
    updates of the last one: fewer than there are batches if a loss stopped being
    finite, in which case theta is worthless and the caller goes back.
    """
    rows, cost, theta = borrowed(rows), borrowed(cost), borrowed(theta)
    gradient, update, rates = borrowed(gradient), borrowed(update), borrowed(rates)
    passes = borrowed(passes)
    n_passes = 0
    n_updates = 0
    for e in range(passes.losses.shape[0]):
        if passes.seeds.shape[0] > 0:
            passes.order[:] = passes.first
            _shuffle(passes.order, passes.seeds[e])
        loss, n_updates = _run_epoch(
            block, rows, batch_size, cost, theta, gradient, update, rates, t
        )
        n_passes += 1
        t += n_updates
        passes.losses[e] = loss
        if passes.thetas.shape[0] > 0:
            passes.thetas[e] = theta
        if not is_finite(loss):
            break
    return n_passes, n_updates


@remembered
def epoch_signature(data_type, element, rule):
    """Of ``run_epochs``, by a type of rule."""
    theta = vector(element)
    return types.UniTuple(INDEX, 2)(
        types.intp,
        rows_of(data_type),
        INDEX,
        COST,
        theta,
        theta,
        update_type(element, rule),
        RATES,
        INDEX,
        passes_type(element),
    )
