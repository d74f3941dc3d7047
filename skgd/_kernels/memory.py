"""Asking for memory before it is needed.

What is fetched is not changed, so results cannot depend on these hints.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

# Rows in random order defeat the processor's own guesses: without a hint every row is
# waited for. This many rows between hint and use keep the queue of fetches full.
AHEAD = 8

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
        # For reading, to be kept in all levels, in the data cache.
        builder.call(function, [pointer, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.none(array, types.intp), codegen
