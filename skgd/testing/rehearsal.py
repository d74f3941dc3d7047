"""The checks, made once for each class of a user before it is used in a fit."""

from skgd._kernels.fingerprint import value_key
from skgd.activations import Activation
from skgd.losses import Loss
from skgd.optimizers import Optimizer
from skgd.schedules import FromCallable, Schedule
from skgd.testing import check_activation, check_loss, check_optimizer, check_schedule

CHECKS = {
    Loss: check_loss,
    Optimizer: check_optimizer,
    Activation: check_activation,
    Schedule: check_schedule,
}

PACKAGE = __name__.partition(".")[0]

# What has passed, in this process.
_passed: set = set()


def rehearse(part):
    """Check a loss, rule, activation or schedule of a user; nothing for our own.

    What it holds in turn (the schedule after a warm-up) is checked as well. Functions
    of (step, epoch) are left alone: they may do more than return a number, and each of
    these is checked when it is used.

    Raises
    ------
    ValueError
        As the checks of ``skgd.testing``.
    """
    if isinstance(part, FromCallable):
        return
    for value in vars(part).values():
        if isinstance(value, tuple(CHECKS)):
            rehearse(value)
    if not _is_foreign(type(part)):
        return
    key = _key(part)
    if key in _passed:
        return
    for base, check in CHECKS.items():
        if isinstance(part, base):
            check(part)
    _passed.add(key)


def _is_foreign(cls):
    return cls.__module__.partition(".")[0] not in (PACKAGE, "sklearn", "builtins")


def _key(part):
    """The class with what its methods refer to, and the parameters of the object."""
    classes = [cls for cls in type(part).__mro__ if _is_foreign(cls)]
    written = tuple((cls, value_key(dict(vars(cls)))) for cls in classes)
    return written, value_key(vars(part))
