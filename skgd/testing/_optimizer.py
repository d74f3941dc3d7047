"""The check of an update rule."""

import math

import numpy as np

from skgd.optimizers import PA1, SAGA, Optimizer
from skgd.testing._common import (
    MISTAKES,
    check_instance,
    check_static,
    checked_parameters,
    fault,
    is_number,
    too_short,
)

ARGUMENTS = ("theta", "grad", "state", "lr", "t", "p", "scalars", "step_sizes")
UPDATES = 6
LR = 0.01


def check_optimizer(optimizer):
    """Check an update rule: that it keeps to its arrays and fills them.

    Parameters
    ----------
    optimizer : skgd.optimizers.Optimizer
        An object, with the hyper-parameters it is to be checked for.

    Raises
    ------
    ValueError
        If `update` uses more vectors, scalars or parameters than `state_names`,
        `scalar_names` and `parameters` give it; if it leaves an entry of `step_sizes`
        as it was; if theta is not changed in place, or not finite after a few updates
        on a convex bowl; if an attribute has a value that training cannot use.

    See Also
    --------
    skgd.optimizers.Optimizer : What an update rule consists of.

    Examples
    --------
    >>> from skgd.optimizers import Adam, Optimizer
    >>> from skgd.testing import check_optimizer
    >>> check_optimizer(Adam())
    >>> class Heavy(Optimizer):
    ...     @staticmethod
    ...     def update(theta, grad, state, lr, t, p, scalars, step_sizes):
    ...         for j in range(theta.size):
    ...             state[0, j] = 0.9 * state[0, j] + grad[j]
    ...             theta[j] -= lr * state[0, j]
    ...             step_sizes[j] = 10.0 * lr
    >>> check_optimizer(Heavy())
    Traceback (most recent call last):
        ...
    ValueError: Heavy.update reads or writes beyond the end of state, which has 0...
    """
    check_instance(optimizer, Optimizer)
    _check_attributes(optimizer)
    is_missing = type(optimizer).update is Optimizer.update
    if is_missing and not optimizer.needs_rows:
        raise fault(optimizer, "update", "is missing: a rule is this method.")
    check_static(optimizer, "update", ARGUMENTS)
    p = checked_parameters(optimizer, "update")
    if optimizer.needs_rows:
        # What it is given is no gradient: a loop that knows rows makes it.
        return
    for size in (1, 3):
        for dtype in (np.float64, np.float32):
            _check_run(optimizer, p, size, dtype)


def _check_attributes(rule):
    for name in ("state_names", "scalar_names"):
        names = getattr(rule, name)
        if not isinstance(names, (tuple, list)) or not all(
            isinstance(one, str) for one in names
        ):
            raise fault(
                rule,
                name,
                f"must be a tuple of strings, got {names!r}. A tuple of one is written "
                "('buffer',).",
            )
    if rule.searches:
        raise fault(rule, "searches", "must be False for an update rule.")
    is_saga = isinstance(rule, SAGA) and type(rule).update is SAGA.update
    if rule.keeps_derivatives and not is_saga:
        raise fault(
            rule,
            "keeps_derivatives",
            "is for SAGA: other rules are given gradients. Set it to False.",
        )
    if rule.row_step is not None and not isinstance(rule, PA1):
        raise fault(
            rule, "row_step", "is for PA1 and PA2: set it to None, or inherit from PA1."
        )
    decay, auto = rule.weight_decay, rule.auto_lr
    if not is_number(decay) or not 0.0 <= decay < math.inf:
        raise fault(rule, "weight_decay", f"must be a number >= 0, got {decay!r}.")
    if decay and "weight_decay" not in rule.get_params(deep=False):
        raise fault(
            rule,
            "weight_decay",
            "must be a parameter of __init__, so that lr='auto' can scale it.",
        )
    if auto is not None and not (is_number(auto) and 0.0 < auto < math.inf):
        raise fault(rule, "auto_lr", f"must be a number > 0 or None, got {auto!r}.")


def _checked_start(rule, size, dtype):
    state, scalars, step_sizes = rule.start(size, dtype)
    wanted = (
        ("state", state, (len(rule.state_names), size), np.dtype(dtype)),
        ("scalars", scalars, (len(rule.scalar_names),), np.dtype(np.float64)),
        ("step_sizes", step_sizes, (size,), np.dtype(dtype)),
    )
    for name, array, shape, kind in wanted:
        if np.shape(array) != shape or array.dtype != kind:
            raise fault(
                rule,
                "initial_scalars" if name == "scalars" else "start",
                f"gives a {name} of shape {np.shape(array)}; {name} must be {kind} of "
                f"shape {shape}: as many as there are names.",
            )
    for point in rule.points(state):
        if np.shape(point) != (size,):
            raise fault(rule, "points", "must return rows of state.")
    return state, scalars, step_sizes


def _check_run(rule, p, size, dtype):
    """A few updates down a bowl whose minimum lies at zero."""
    state, scalars, step_sizes = _checked_start(rule, size, dtype)
    theta = np.array([1.0, -2.0, 0.5][:size], dtype=dtype)
    start = theta.copy()
    steepness = np.array([1.0, 0.5, 2.0][:size], dtype=dtype)
    for t in range(1, UPDATES + 1):
        grad = steepness * theta
        step_sizes[:] = np.nan
        _update(rule, theta, grad, state, t, p, scalars, step_sizes)
        for name, array in (("theta", theta), ("state", state), ("scalars", scalars)):
            if not np.isfinite(array).all():
                raise fault(
                    rule, "update", f"left {array} in {name} after update t={t}."
                )
        unfilled = np.isnan(step_sizes)
        if unfilled.any():
            raise fault(
                rule,
                "update",
                f"did not fill step_sizes[{np.argmax(unfilled)}] in update t={t}: set "
                "each entry to the step per unit of gradient, step_sizes[j] = lr for "
                "plain steps, which an l1 penalty needs.",
            )
        if not np.isfinite(step_sizes).all() or step_sizes.min() < 0.0:
            raise fault(
                rule,
                "update",
                f"left {step_sizes} in step_sizes; steps per unit of gradient are "
                "finite and not negative.",
            )
    if np.array_equal(theta, start):
        raise fault(
            rule,
            "update",
            f"did not move theta in {UPDATES} updates: change its entries in place, "
            "theta[j] -= ..., where theta = ... makes a new array.",
        )


def _update(rule, theta, grad, state, t, p, scalars, step_sizes):
    given = {"state": state, "scalars": scalars, "p": p}
    before = {name: array.copy() for name, array in given.items()}
    theta_before = theta.copy()

    def call(others):
        arrays = {name: array.copy() for name, array in before.items()} | others
        return type(rule).update(
            theta_before.copy(),
            grad.copy(),
            arrays["state"],
            LR,
            t,
            arrays["p"],
            arrays["scalars"],
            step_sizes.copy(),
        )

    try:
        result = type(rule).update(theta, grad, state, LR, t, p, scalars, step_sizes)
    except IndexError as error:
        arrays = {
            "state": (
                before["state"],
                "Name each vector that it keeps in state_names.",
                "rows",
            ),
            "scalars": (
                before["scalars"],
                "Name each number that it keeps in scalar_names.",
                "entries",
            ),
            "p": (
                before["p"],
                "Return all numbers that it reads from parameters().",
                "entries",
            ),
        }
        raise too_short(call, rule, "update", error, arrays) from error
    except MISTAKES as error:
        raise fault(rule, "update", f"raised {error!r} in update t={t}.") from error
    if result is not None:
        raise fault(
            rule, "update", f"must change theta in place, but returned {result!r}."
        )
    if not np.array_equal(p, before["p"]):
        raise fault(rule, "update", "changed p: what it keeps belongs into scalars.")
