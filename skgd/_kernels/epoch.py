"""The compiled epoch: batches of rows in, updates of theta out.

It knows neither the model (an address that sums gradients over rows) nor how gradients
move theta (``update.py``, ``saga.py``); it owns what happens between them.
"""

from numba import types
from numba.extending import overload

from .blocks import sum_gradients
from .compiling import FLOAT, INDEX, INNER, remembered, vector
from .elementary import is_finite
from .memory import borrowed
from .records import COST, RATES, rows_of
from .saga import Saga, step_by_changes
from .update import rule_type, step_by_rule, update_type


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


def run_epoch(block, rows, batch_size, cost, theta, gradient, update, rates, t):
    """Updates over the rows of the order, `batch_size` at a time.

    Returns the sum of losses, each taken before the update its row took part in, and
    the number of updates made: fewer than there are batches if the loss stopped being
    finite, in which case theta is worthless and the caller goes back.
    """
    rows, cost, theta = borrowed(rows), borrowed(cost), borrowed(theta)
    gradient, update, rates = borrowed(gradient), borrowed(update), borrowed(rates)
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


@remembered
def epoch_signature(data_type, element, rule):
    """Of ``run_epoch``, by a type of rule."""
    theta = vector(element)
    return types.Tuple([FLOAT, INDEX])(
        types.intp,
        rows_of(data_type),
        INDEX,
        COST,
        theta,
        theta,
        update_type(element, rule),
        RATES,
        INDEX,
    )
