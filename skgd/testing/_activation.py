"""The check of an activation."""

import numpy as np

from skgd.activations import Activation
from skgd.testing._common import (
    MISTAKES,
    STEP,
    check_instance,
    check_static,
    checked_parameters,
    fault,
    outside,
    too_short,
)

POINTS = np.unique(np.r_[np.linspace(-4.0, 4.0, 17), np.linspace(-3.9, 3.9, 14)])


def check_activation(activation):
    """Check an activation: that training and prediction see the same function.

    Parameters
    ----------
    activation : skgd.activations.Activation
        An object, with the constants it is to be checked for.

    Raises
    ------
    ValueError
        If `apply` and `value` differ; if the slope is not that of the value, or an
        entry of it is not filled in; if nan does not stay nan; if `value` changes its
        argument, or its type or shape; if `apply` reads entries of `p` that
        `parameters` does not return.

    See Also
    --------
    skgd.activations.Activation : What an activation consists of.

    Examples
    --------
    >>> from skgd.activations import Activation, Tanh
    >>> from skgd.testing import check_activation
    >>> check_activation(Tanh())
    >>> class Square(Activation):
    ...     def value(self, z):
    ...         return z * z
    ...
    ...     @staticmethod
    ...     def apply(z, slope, p):
    ...         for i in range(z.size):
    ...             z[i] *= z[i]
    ...             slope[i] = 2.0 * z[i]
    >>> check_activation(Square())
    Traceback (most recent call last):
        ...
    ValueError: Square.apply: the slope is not the derivative of the value. At z=-4 ...
    """
    check_instance(activation, Activation)
    check_static(activation, "apply", ("z", "slope", "p"))
    p = checked_parameters(activation, "apply")
    for dtype in (np.float64, np.float32):
        z = POINTS.astype(dtype)
        value = _value(activation, z)
        applied, slope = _applied(activation, z, p)
        eps = np.finfo(dtype).eps
        if not np.allclose(applied, value, rtol=64 * eps, atol=64 * eps):
            at = np.argmax(np.abs(applied - value))
            raise fault(
                activation,
                "apply",
                f"makes {applied[at]:.6g} of z={z[at]:.4g}, where value() returns "
                f"{value[at]:.6g}: training and prediction must be the same.",
            )
        if dtype is np.float64:
            _check_slope(activation, z, value, slope)
    applied, _ = _applied(activation, np.array([np.nan]), p, slopes=False)
    if not np.isnan(applied).all():
        raise fault(
            activation,
            "apply",
            f"makes {applied[0]} of nan, which hides that a network has diverged: nan "
            "must stay nan.",
        )


def _value(activation, z):
    given = z.copy()
    try:
        value = activation.value(given)
    except MISTAKES as error:
        raise fault(activation, "value", f"raised {error!r}.") from error
    if not np.array_equal(given, z):
        raise fault(activation, "value", "changed its argument: return a new array.")
    shape, dtype = np.shape(value), getattr(value, "dtype", None)
    if shape != z.shape or dtype != z.dtype:
        raise fault(
            activation,
            "value",
            f"must return an array of the shape and type of z, {z.shape} and "
            f"{z.dtype}, but returned {shape} and {dtype}.",
        )
    return value


def _applied(activation, z, p, slopes=True):
    """(values, slopes) of `apply`."""

    def call(others):
        values, slope = z.copy(), np.full_like(z, np.nan)
        result = type(activation).apply(values, slope, others.get("p", p))
        return values, slope, result

    try:
        values, slope, result = call({})
    except IndexError as error:
        source = "Return all numbers that it reads from parameters()."
        arrays = {"p": (p, source, "entries")}
        raise too_short(call, activation, "apply", error, arrays) from error
    except MISTAKES as error:
        raise fault(activation, "apply", f"raised {error!r}.") from error
    if result is not None:
        raise fault(activation, "apply", "must change z in place and return nothing.")
    unfilled = np.isnan(slope)
    if slopes and unfilled.any():
        raise fault(
            activation,
            "apply",
            f"left slope[{np.argmax(unfilled)}] as it was, or nan, for "
            f"z={z[np.argmax(unfilled)]:.4g}: fill each entry with the derivative.",
        )
    return values, slope


def _check_slope(activation, z, value, slope):
    below, above = (activation.value(z + h) for h in (-STEP, STEP))
    wrong = outside(slope, value, below, above)
    if wrong.any():
        at = np.argmax(wrong)
        numeric = (above[at] - below[at]) / (2.0 * STEP)
        raise fault(
            activation,
            "apply:",
            f"the slope is not the derivative of the value. At z={z[at]:.4g} it is "
            f"{slope[at]:.6g}; differences of the value give {numeric:.6g}.",
        )
