"""Compiled functions that are called again and again with the same arguments.

To bring a call from Python to compiled code takes longer than an update of one row:
each array is unpacked anew. Here that is done once. What a call changes it changes in
memory: arrays, and cells that stand for single numbers.
"""

import functools
import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .cache import native_address
from .compiling import INDEX, address, kernel, matrix, numba_type, vector
from .memory import borrowed
from .pointers import caller

_call_index = caller(types.int64)


def _pointer_to(context, builder, kind, number):
    return builder.inttoptr(number, context.get_value_type(kind).as_pointer())


@intrinsic
def _place_of_each(typingctx, arguments, place, places):
    """Write where each argument is in what begins at `place`; returns the size."""

    def codegen(context, builder, signature, values):
        kind, array = signature.args[0], signature.args[2]
        pointer = _pointer_to(context, builder, kind, values[1])
        zero, number = ir.IntType(32)(0), ir.IntType(64)
        data = context.make_array(array)(context, builder, values[2]).data
        for k in range(len(kind)):
            field = builder.gep(pointer, [zero, ir.IntType(32)(k)])
            target = builder.gep(data, [number(k)])
            builder.store(builder.ptrtoint(field, number), target)
        return number(context.get_abi_sizeof(context.get_value_type(kind)))

    return types.int64(arguments, types.intp, places), codegen


@intrinsic
def _put(typingctx, arguments, place):
    """Write arguments where they are to lie."""

    def codegen(context, builder, signature, values):
        pointer = _pointer_to(context, builder, signature.args[0], values[1])
        builder.store(values[0], pointer)
        return context.get_dummy_value()

    return types.none(arguments, types.intp), codegen


@intrinsic
def _call_kept(typingctx, arguments, function, result):
    """Call a compiled function with the arguments that lie at a pointer.

    What it returns is written to another. True if it raised an exception.
    """
    kind, returned = arguments.dtype, result.dtype

    def codegen(context, builder, signature, values):
        pointer = builder.bitcast(values[0], context.get_value_type(kind).as_pointer())
        given = builder.load(pointer)
        parts = [builder.extract_value(given, k) for k in range(len(kind))]
        convention = context.call_conv
        function_type = convention.get_function_type(returned, tuple(kind))
        callee = builder.inttoptr(values[1], function_type.as_pointer())
        status, value = convention.call_function(
            builder, callee, returned, tuple(kind), parts
        )
        target = context.get_value_type(returned).as_pointer()
        builder.store(value, builder.bitcast(values[2], target))
        return builder.zext(status.is_error, ir.IntType(64))

    return types.int64(arguments, types.intp, result), codegen


def lay_down(arguments, place, places):
    """Write arguments to a place; with a place of 0, only say how much room they take.

    Where each of them is goes to `places`. Returns the number of bytes.
    """
    size = _place_of_each(arguments, place, places)
    if place != 0:
        _put(borrowed(arguments), place)
    return size


def enter(arguments, function, result):
    """Call a function with arguments laid down; see `_call_kept`."""
    return _call_kept(arguments, function, result)


def call_each(calls):
    """Make calls in their order, until one fails; returns how many did."""
    for k in range(calls.shape[0]):
        if _call_index(calls[k, 0], calls[k, 1], calls[k, 2], calls[k, 3]) != 0:
            return 1
    return 0


def all_finite(vector):
    """1 if all numbers are finite, else 0."""
    for j in range(vector.shape[0]):
        if not math.isfinite(vector[j]):
            return 0
    return 1


def finite_squares(vector):
    """1 if the sum of the squares is finite, so that none overflows; else 0."""
    total = vector.dtype.type(0.0)
    for j in range(vector.shape[0]):
        total += vector[j] * vector[j]
    return 1 if math.isfinite(total) else 0


def look_at(question, array):
    """A `FixedCall` of one of the two above; its `result[0]` is the answer."""
    return FixedCall(_question(question, array.dtype), (array.reshape(-1),))


# What is compiled is found by what is at hand: types made anew would be kept for ever.


@functools.cache
def _question(question, dtype):
    return kernel(question, types.int64(vector(numba_type(dtype))))


@functools.cache
def _ways_to(function):
    """`lay_down` for the arguments of a function, addresses of `enter` and its own."""
    (signature,) = function.nopython_signatures
    arguments = types.Tuple(signature.args)
    lay = kernel(lay_down, types.int64(arguments, types.intp, vector(INDEX)))
    entrance = types.int64(
        types.CPointer(arguments), types.intp, types.CPointer(signature.return_type)
    )
    return lay, address(enter, entrance), native_address(function)


@functools.cache
def _caller():
    return kernel(call_each, types.int64(matrix(INDEX)))


class FixedCall:
    """A compiled function with its arguments, which it is called with again and again.

    Parameters
    ----------
    function : callable of ``compiling.kernel``
    arguments : tuple
        Kept, so that the arrays stay where they are.

    Attributes
    ----------
    result : uint8 array
        The memory of what the function returns.
    """

    def __init__(self, function, arguments):
        lay, entrance, its_address = _ways_to(function)
        self.arguments = arguments
        self._fields = np.zeros(len(arguments), np.int64)
        # Aligned to 16 bytes, more than which no number asks for.
        self._memory = np.zeros(lay(arguments, 0, self._fields) // 8 + 2, np.int64)
        lay(arguments, self._memory.ctypes.data, self._fields)
        self.result = np.zeros(8, np.int64)
        self.entry = (
            entrance,
            self._memory.ctypes.data,
            its_address,
            self.result.ctypes.data,
        )

    def cell(self, k, dtype):
        """The memory of argument k, a single number: array of shape (1,)."""
        at = (int(self._fields[k]) - self._memory.ctypes.data) // 8
        return self._memory[at : at + 1].view(dtype)

    def returns_into(self, cell):
        """Let the function write what it returns, a single number, to a cell."""
        self.entry = (*self.entry[:3], cell.ctypes.data)


class FixedCalls:
    """Calls that are made one after the other, at the price of one from Python.

    Parameters
    ----------
    calls : list of FixedCall
    """

    def __init__(self, calls):
        self.calls = calls
        self._entries = np.array([one.entry for one in calls], np.int64).reshape(-1, 4)
        self._run = _caller()

    def __call__(self):
        """Make the calls; False if one raised an exception: none is made after it."""
        return not self._run(self._entries)
