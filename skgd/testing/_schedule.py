"""The check of a schedule."""

import numpy as np

from skgd.schedules import Clock, FromCallable, checked_factors, get_schedule
from skgd.testing._common import MISTAKES, fault

EPOCHS, STEPS = 6, 4
LOSSES = (3.0, 2.0, 1.5, 1.4, 1.4, 1.4)


def check_schedule(schedule):
    """Check a schedule: that a rate can be made of each of its factors.

    Parameters
    ----------
    schedule : skgd.schedules.Schedule or callable(step, epoch) -> float
        An object, with the hyper-parameters it is to be checked for, or a function.

    Raises
    ------
    ValueError
        If a factor is negative, infinite or nan, or no number; if there is not one for
        each update that it is asked for; if the factor of an update depends on the
        others that are asked for together.

    See Also
    --------
    skgd.schedules.Schedule : What a schedule consists of.

    Examples
    --------
    >>> from skgd.schedules import Cosine
    >>> from skgd.testing import check_schedule
    >>> check_schedule(Cosine())
    >>> check_schedule(lambda step, epoch: 1.0 - 0.1 * step)
    Traceback (most recent call last):
        ...
    ValueError: The learning-rate schedule must return a finite number that is not ...
    """
    if isinstance(schedule, type):
        name = schedule.__name__
        raise ValueError(f"{name} is a class: pass an object, {name}(...).")
    try:
        schedule = get_schedule(schedule)
    except TypeError as error:
        raise ValueError(str(error)) from error
    _check_run(schedule, float(EPOCHS))
    if not _needs_the_end(schedule):
        _check_run(schedule, None)


def _needs_the_end(schedule):
    """Whether a schedule refuses to work where nobody knows when training ends."""
    try:
        schedule.factor(_clock([0], None, ()))
    except ValueError:
        return True
    return False


def _clock(step, horizon, losses):
    step = np.asarray(step)
    epoch = step // STEPS + step % STEPS / STEPS
    return Clock(step, epoch, horizon, STEPS, losses)


def _check_run(schedule, horizon):
    for epoch in range(EPOCHS):
        first = epoch * STEPS
        steps = np.arange(first, first + STEPS)
        losses = LOSSES[:epoch]
        together = _factors(schedule, _clock(steps, horizon, losses))
        one_by_one = [
            _factors(schedule, _clock([step], horizon, losses))[0] for step in steps
        ]
        if not np.allclose(together, one_by_one, rtol=1e-9, atol=1e-12):
            raise fault(
                schedule,
                "factor",
                f"gives the updates {steps.tolist()} the factors {together.tolist()} "
                f"when it is asked for all of them, and {one_by_one} when it is asked "
                "for each: a factor must depend on its own step and epoch only.",
            )


def _factors(schedule, clock):
    step, epoch = clock.step.copy(), clock.epoch.copy()
    try:
        factors = checked_factors(schedule, clock)
    except MISTAKES as error:
        raise fault(schedule, "factor", f"raised {error!r}.") from error
    if isinstance(schedule, FromCallable):
        return factors
    if not np.array_equal(step, clock.step) or not np.array_equal(epoch, clock.epoch):
        raise fault(schedule, "factor", "changed the clock: make new arrays.")
    return factors
