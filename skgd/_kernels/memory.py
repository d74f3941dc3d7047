"""How compiled loops handle memory: hints of what comes next, arrays without an owner.

Neither changes a number, so results cannot depend on them.
"""

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic

from .compiling import INNER

# Rows in random order defeat the processor's own guesses: without a hint every row is
# waited for. This many rows between hint and use hide the wait, unless they are so long
# that they would push each other out of the second-level cache.
AHEAD_ROWS = 64
AHEAD_BYTES = 1 << 15

# Features that are requested at a time. A processor keeps few requests at once and
# stands still while there are more, so that longer rows are asked for piece by piece.
PIECE = 128

LINE_BYTES = 64


@intrinsic
def prefetch(typingctx, array, index):
    """Bring the line in which array[index] begins into the cache."""

    def codegen(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0])
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        step = cgutils.unpack_tuple(builder, data.strides)[0]
        pointer = builder.gep(
            builder.bitcast(data.data, byte), [builder.mul(arguments[1], step)]
        )
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [byte, number, number, number]),
            "llvm.prefetch.p0",
        )
        # For reading, into the second-level cache: the first has few places for what is
        # on its way, and a processor that waits for one stands still.
        builder.call(function, [pointer, number(0), number(2), number(1)])
        return context.get_dummy_value()

    return types.none(array, types.intp), codegen


@numba.njit(**INNER, forceinline=True)
def unsigned(number):
    """The same number as one that an index is not looked at for its sign.

    An index that may be negative counts from the end, as in Python: each one is
    compared and corrected, which takes as long as the arithmetic of an entry of a CSR
    row. Sums of it and a signed integer would be floats: for finished places only.
    """
    return np.uint64(number)


@numba.njit(**INNER, forceinline=True)
def rows_ahead(n_features, itemsize):
    """How many rows before its use a row is asked for."""
    return max(1, min(AHEAD_ROWS, AHEAD_BYTES // (max(n_features, 1) * itemsize)))


@numba.njit(**INNER, forceinline=True)
def prefetch_part(vector, start, stop):
    """Ask for vector[start:stop]."""
    line = LINE_BYTES // vector.itemsize
    # No range: its length takes a division.
    while start < stop:
        prefetch(vector, start)
        start += line
    # A row that begins within a line ends in one more.
    prefetch(vector, stop - 1)


@numba.njit(**INNER, forceinline=True)
def prefetch_row(vector, targets, i, step, n_features):
    """Ask for row i of a dense table and for its target."""
    prefetch(targets, i)
    prefetch_part(vector, i * step, i * step + n_features)


@numba.njit(**INNER, forceinline=True)
def prefetch_entries(values, columns, pointers, i):
    """Ask for the entries of CSR row i."""
    line = LINE_BYTES // values.itemsize
    q, end = pointers[i], pointers[i + 1]
    # No range: its length takes a division.
    while q < end:
        prefetch(values, q)
        prefetch(columns, q)
        q += line


def _without_owner(context, builder, kind, value):
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder, value)
        array.meminfo = cgutils.get_null_value(array.meminfo.type)
        return array._getvalue()
    if isinstance(kind, types.BaseTuple):
        parts = [
            _without_owner(context, builder, part, builder.extract_value(value, k))
            for k, part in enumerate(kind)
        ]
        return context.make_tuple(builder, kind, parts)
    return value


@intrinsic
def borrowed(typingctx, value):
    """The same arrays, or tuples of them, as guests: their references are not counted.

    Counting is an atomic operation of some nanoseconds, made dozens of times for every
    slice and every array taken out of a tuple; an update of one row then spends most of
    its time there. The caller keeps the arrays alive for as long as the loop runs.
    """

    def codegen(context, builder, signature, arguments):
        return _without_owner(context, builder, signature.args[0], arguments[0])

    return value(value), codegen


@intrinsic
def flat(typingctx, array):
    """A contiguous matrix as one vector, row by row.

    As ``reshape`` does, which finds out at every call whether it can, in a function of
    its own.
    """
    vector = types.Array(array.dtype, 1, "C", readonly=not array.mutable)

    def codegen(context, builder, signature, arguments):
        matrix = context.make_array(signature.args[0])(context, builder, arguments[0])
        result = context.make_array(vector)(context, builder)
        context.populate_array(
            result,
            data=matrix.data,
            shape=[matrix.nitems],
            strides=[matrix.itemsize],
            itemsize=matrix.itemsize,
            meminfo=matrix.meminfo,
            parent=matrix.parent,
        )
        return impl_ret_borrowed(context, builder, vector, result._getvalue())

    return vector(array), codegen


@intrinsic
def part(typingctx, vector, start, size):
    """vector[start : start + size], which must be there: nothing is checked.

    A slice looks whether its ends are negative or beyond the vector, which takes as
    long as some dozen numbers of a row.
    """

    def codegen(context, builder, signature, arguments):
        kind = signature.args[0]
        given = context.make_array(kind)(context, builder, arguments[0])
        result = context.make_array(kind)(context, builder)
        context.populate_array(
            result,
            data=builder.gep(given.data, [arguments[1]]),
            shape=[arguments[2]],
            strides=[given.itemsize],
            itemsize=given.itemsize,
            meminfo=given.meminfo,
            parent=given.parent,
        )
        return impl_ret_borrowed(context, builder, kind, result._getvalue())

    if vector.layout == "C" and vector.ndim == 1:
        return vector(vector, types.intp, types.intp), codegen
