"""What the checks share: calling a method, telling what is wrong, numeric slopes."""

import inspect
from numbers import Real

import numpy as np

# Step of the differences that derivatives are compared with. The rounding of a value
# is divided by it, the curvature multiplied: both stay small.
STEP = 1e-5

# What a difference of two values may be off, relative to one and to the derivative:
# a few steps, where the slope bends.
TOLERANCE = 1e-4

# Exceptions that show a mistake in the code; others are meant by its author.
MISTAKES = (AttributeError, IndexError, NameError, TypeError)


def fault(part, method, what):
    """The ValueError about a method of an object."""
    dot = "." if method else ""
    return ValueError(f"{type(part).__name__}{dot}{method} {what}")


def is_number(value):
    return isinstance(value, (Real, np.bool_)) and not isinstance(value, bool)


def check_instance(part, base):
    if isinstance(part, type):
        raise ValueError(
            f"{part.__name__} is a class: pass an object, {part.__name__}(...)."
        )
    if not isinstance(part, base):
        raise ValueError(
            f"{type(part).__name__} is not a subclass of {base.__module__}."
            f"{base.__name__}."
        )


def checked_parameters(part, reader):
    """The numbers of ``parameters()`` as the float64 array that training makes.

    Parameters
    ----------
    part : BaseEstimator
    reader : str
        The method that reads them from `p`.
    """
    if hasattr(part, "hyperparameters") and not _has_own_parameters(part):
        raise fault(
            part,
            "hyperparameters",
            f"is not called by anything: rename it to parameters(), whose numbers "
            f"{reader} reads from p.",
        )
    try:
        given = part.parameters()
    except MISTAKES as error:
        raise fault(part, "parameters", f"raised {error!r}.") from error
    is_row = isinstance(given, (tuple, list)) or (
        isinstance(given, np.ndarray) and given.ndim == 1
    )
    if not is_row or not all(isinstance(x, (Real, np.bool_)) for x in given):
        raise fault(
            part,
            "parameters",
            f"must return a tuple of numbers, the p of {reader}, but returned "
            f"{given!r}. A tuple of one is written (x,).",
        )
    return np.array([float(x) for x in given], dtype=np.float64)


def check_static(part, method, arguments):
    """The method is a static one and takes the arguments."""
    names = ", ".join(arguments)
    function = inspect.getattr_static(type(part), method)
    if not isinstance(function, staticmethod):
        raise fault(
            part,
            method,
            "must be a static method: write @staticmethod above "
            f"def {method}({names}).",
        )
    function = getattr(function.__func__, "py_func", function.__func__)
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        raise fault(part, method, f"must take ({names}): {error}.") from error


def _has_own_parameters(part):
    """Whether a class of the user says what its parameters are."""
    package = __name__.partition(".")[0]
    return type(part).parameters.__module__.partition(".")[0] != package


def too_short(call, part, method, error, arrays):
    """A fault that names the array which was too short for a method.

    Parameters
    ----------
    call : callable(arrays)
        The call that raised `error`, an IndexError, with other arrays.
    arrays : dict of str to (array, source, what)
        By the name of the argument; along its first axis it can be made longer.
    """
    for name, (array, source, what) in arrays.items():
        longer = np.concatenate([array, np.zeros((64, *array.shape[1:]))])
        longer = longer.astype(array.dtype)
        try:
            call({name: longer})
        except Exception:
            continue
        return fault(
            part,
            method,
            f"reads or writes beyond the end of {name}, which has {len(array)} {what}: "
            f"{error}. {source}",
        )
    return fault(part, method, f"reads or writes beyond the end of an array: {error}.")


def bracket(value, below, above, step=STEP):
    """Least and largest of the two one-sided slopes, and what rounding may add.

    The derivative of a function lies between them, at a kink too.
    """
    left, right = (value - below) / step, (above - value) / step
    size = np.maximum(np.abs(value), np.maximum(np.abs(below), np.abs(above)))
    slack = 8 * np.finfo(np.float64).eps * size / step
    return np.minimum(left, right), np.maximum(left, right), slack


def outside(derivative, value, below, above):
    """Where a derivative is not that of the value, as a mask."""
    low, high, slack = bracket(value, below, above)
    slack = slack + TOLERANCE * (1.0 + np.abs(derivative))
    with np.errstate(invalid="ignore"):
        return ~((derivative >= low - slack) & (derivative <= high + slack))
