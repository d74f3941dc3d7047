"""Asking for memory before it is needed.

Rows in random order defeat the processor's own guesses: without a hint every row is
waited for. What is fetched is not changed, so results cannot depend on these hints.
"""

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .compiling import OPTIONS

# Rows between the hint and the use: the longest useful queue of outstanding lines.
AHEAD = 8

LINE_BYTES = 64


@intrinsic
def _prefetch(typingctx, array, index):
    """Bring the line that holds array[index] of a contiguous vector into the cache."""

    def codegen(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0])
        number = ir.IntType(32)
        pointer = builder.bitcast(
            builder.gep(data.data, [arguments[1]]), ir.IntType(8).as_pointer()
        )
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number]),
            "llvm.prefetch.p0",
        )
        # For reading, to be kept in all levels, in the data cache.
        builder.call(function, [pointer, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.none(array, types.intp), codegen


@numba.njit(**OPTIONS)
def prefetch(array, start, stop):
    """Bring array[start:stop] of a contiguous vector into the cache."""
    for j in range(start, stop, LINE_BYTES // array.itemsize):
        _prefetch(array, j)
