"""Functions of users, compiled so that they harm nobody, and their exceptions kept.

Compiled code that calls another by its address cannot pass an exception on: it would be
printed, and a wrong number used. So a function of a user is called inside a guard that
notes the failure, with the arguments, in the array of its own parameters, and answers
NaN, which ends the loop. Then the function is run once more, in Python, on the same
arguments: it raises what its author wrote. Indices are checked.

The functions of the package are compiled as they are.
"""

import functools
from typing import NamedTuple

import numba
import numpy as np
from numba import types
from numba.core.errors import NumbaError, UnsupportedBytecodeError

from skgd._kernels import compiling
from skgd._kernels.compiling import (
    FLOAT,
    INDEX,
    INNER,
    VECTOR,
    matrix,
    renamed,
    vector,
)
from skgd._kernels.fingerprint import (
    fingerprint,
    may_raise,
    python_function,
    raises_by_itself,
)

NAN = float("nan")


@functools.cache
def loss_signature():
    """(y, z, p) -> (loss, derivative)."""
    return types.UniTuple(FLOAT, 2)(FLOAT, FLOAT, VECTOR)


@functools.cache
def rule_signature(element):
    """(theta, gradient, state, lr, t, p, scalars, step_sizes) -> nothing."""
    theta = vector(element)
    return types.none(
        theta, theta, matrix(element), FLOAT, INDEX, VECTOR, VECTOR, theta
    )


@functools.cache
def activation_signature(element):
    """(z, slope, p) -> nothing."""
    return types.none(vector(element), vector(element), VECTOR)


# Guards, by the function inside them and all that compilation froze in it.
_GUARDS = {}


class Callee(NamedTuple):
    """A loss, rule or activation as kernels call it.

    Attributes
    ----------
    address : int
        Of the compiled function.
    p : float64 array
        What to pass as its parameters.
    check : callable(p) or None
        Raises the exception that was noted in `p`, if one was. None where nothing can
        raise.
    """

    address: int
    p: np.ndarray
    check: object = None


def loss(part):
    """A loss, ready to be called by ``loss_signature``.

    Parameters
    ----------
    part : skgd.losses.Loss

    Returns
    -------
    Callee
    """
    function = python_function(type(part).value_and_derivative)
    signature = loss_signature()
    values = np.array(part.parameters(), dtype=np.float64)
    if not compiling.is_foreign(function):
        return Callee(compiling.address(function, signature), values)
    if not may_raise(function):
        address = _address(part, "value_and_derivative", function, signature)
        return Callee(address, values)
    n = values.size
    guarded = _guard(_guarded_loss, function, n)

    def again(p):
        type(part).value_and_derivative(float(p[n + 1]), float(p[n + 2]), p[:n])

    check = functools.partial(_raise_noted, part, "value_and_derivative", n, again)
    p = np.concatenate([values, np.zeros(3)])
    return Callee(_address(part, "value_and_derivative", guarded, signature), p, check)


def rule(part, size, dtype):
    """An update rule, ready to be called by ``rule_signature``.

    Parameters
    ----------
    part : skgd.optimizers.Optimizer
    size : int
        Size of theta.
    dtype : numpy float dtype
        Of theta.

    Returns
    -------
    Callee
    """
    values = np.array(part.parameters(), dtype=np.float64)
    own = _own_rule(type(part).update, dtype)
    if own is not None:
        return Callee(own, values)
    function = python_function(type(part).update)
    signature = rule_signature(compiling.numba_type(dtype))
    n = values.size
    state, scalars, _ = part.start(1)
    rows, n_scalars = state.shape[0], scalars.size
    notes = raises_by_itself(function)
    guarded = _guard(_guarded_rule, function, n, notes)

    def again(p):
        if not notes:
            raise IndexError(
                f"{type(part).__name__}.update reads or writes beyond the end of an "
                "array: state_names, scalar_names and parameters() say how long they "
                "are."
            )
        lr, t = float(p[n + 1]), int(p[n + 2])
        ends = np.cumsum([size, size, rows * size, n_scalars])
        theta, grad, state, scalars, _ = np.split(p[n + 3 :], ends)
        theta, grad, state = (a.astype(dtype) for a in (theta, grad, state))
        state, step_sizes = state.reshape(rows, size), np.zeros(size, dtype)
        type(part).update(theta, grad, state, lr, t, p[:n], scalars.copy(), step_sizes)

    check = functools.partial(_raise_noted, part, "update", n, again)
    room = 3 + ((2 + rows) * size + n_scalars if notes else 0)
    p = np.concatenate([values, np.zeros(room)])
    return Callee(_address(part, "update", guarded, signature), p, check)


def activation(part, longest, dtype):
    """An activation, ready to be called by ``activation_signature``.

    Parameters
    ----------
    part : skgd.activations.Activation
    longest : int
        Numbers that it is given at a time, at most.
    dtype : numpy float dtype
        Of the network.

    Returns
    -------
    Callee
    """
    function = python_function(type(part).apply)
    signature = activation_signature(compiling.numba_type(dtype))
    values = np.array(part.parameters(), dtype=np.float64)
    if not compiling.is_foreign(function):
        return Callee(compiling.address(function, signature), values)
    n = values.size
    guarded = _guard(_guarded_activation, function, n)

    def again(p):
        z = p[n + 2 : n + 2 + int(p[n + 1])].astype(dtype)
        type(part).apply(z, np.empty_like(z), p[:n])

    check = functools.partial(_raise_noted, part, "apply", n, again)
    p = np.concatenate([values, np.zeros(2 + longest)])
    return Callee(_address(part, "apply", guarded, signature), p, check)


@functools.lru_cache(maxsize=256)
def _own_rule(update, dtype):
    """Address of the update of a rule of the package; None for a rule of a user."""
    function = python_function(update)
    if compiling.is_foreign(function):
        return None
    signature = rule_signature(compiling.numba_type(dtype))
    return compiling.address(function, signature)


def _address(part, method, function, signature):
    """Of a user's function, or a ValueError that says why it has none."""
    try:
        return compiling.address(function, signature)
    except (NumbaError, UnsupportedBytecodeError) as error:
        raise ValueError(
            f"{type(part).__name__}.{method} runs in Python, but cannot be compiled "
            "for training: use plain loops, numbers, the arrays it is given, the "
            f"module math and helpers under @numba.njit. Numba says: {error}"
        ) from error


def _raise_noted(part, method, n, again, p):
    """Raise what was noted in `p`, behind its `n` parameters; None if nothing was."""
    if p.size <= n or p[n] == 0.0:
        return
    where = f"Raised by {type(part).__name__}.{method} in compiled training."
    try:
        again(p)
    except Exception as error:
        error.add_note(where)
        raise
    finally:
        p[n] = 0.0
    raise RuntimeError(
        f"{type(part).__name__}.{method} raised an exception where it is compiled for "
        "training, and none in Python, on the same arguments."
    )


def _guard(make, function, *constants):
    """The guard around a function, the same object while nothing in it changes."""
    key = make, fingerprint(function), constants
    if key not in _GUARDS:
        name = f"{function.__name__}-guarded"
        inner = renamed(function, name)
        inner = numba.njit(**INNER, boundscheck=True)(inner)
        guard = make(inner, *constants)
        # The guard is compiled as its author's code: anew in every process.
        guard.__module__ = function.__module__
        _GUARDS[key] = guard
    return _GUARDS[key]


def _guarded_loss(inner, n):
    def value_and_derivative(y, z, p):
        try:
            value, derivative = inner(y, z, p[:n])
            return float(value), float(derivative)
        except Exception:
            if p[n] == 0.0:
                p[n + 1] = y
                p[n + 2] = z
                p[n] = 1.0
        return NAN, NAN

    return value_and_derivative


def _guarded_rule(inner, n, notes):
    def update(theta, grad, state, lr, t, p, scalars, step_sizes):
        size = theta.shape[0]
        if notes and p[n] == 0.0:
            p[n + 1] = lr
            p[n + 2] = t
            at = n + 3
            for j in range(size):
                p[at + j] = theta[j]
                p[at + size + j] = grad[j]
            at += 2 * size
            for i in range(state.shape[0]):
                for j in range(size):
                    p[at + j] = state[i, j]
                at += size
            for i in range(scalars.shape[0]):
                p[at + i] = scalars[i]
        try:
            inner(theta, grad, state, lr, t, p[:n], scalars, step_sizes)
        except Exception:
            p[n] = 1.0
            for j in range(size):
                theta[j] = NAN

    return update


def _guarded_activation(inner, n):
    def apply(z, slope, p):
        if p[n] == 0.0:
            p[n + 1] = z.shape[0]
            for i in range(z.shape[0]):
                p[n + 2 + i] = z[i]
        try:
            inner(z, slope, p[:n])
        except Exception:
            p[n] = 1.0
            for i in range(z.shape[0]):
                z[i] = NAN
                slope[i] = NAN

    return apply
