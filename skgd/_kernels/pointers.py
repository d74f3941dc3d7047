"""Calling compiled functions through their machine address.

Losses, update rules and models reach the epoch loop as integers (addresses), so the
loop is compiled once and not once for each pair, and its cache never goes stale when
a loss or a rule is edited. Nothing here knows what the functions compute.
"""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic


def _passed_as(argument_type):
    if isinstance(argument_type, types.Float):
        return types.float64
    if isinstance(argument_type, types.Integer):
        return types.int64
    return argument_type


def caller(return_type):
    """Make ``call(address, *args)`` for compiled functions returning `return_type`.

    Scalars are passed as float64 and int64. Arrays and tuples are passed as they are,
    so their element types must be those the callee was compiled for.
    """

    @intrinsic
    def call(typingctx, address, *args):
        argument_types = tuple(args[0]) if len(args) == 1 else args

        def codegen(context, builder, signature, values):
            passed_types = [_passed_as(t) for t in argument_types]
            arguments = [
                context.cast(
                    builder, builder.extract_value(values[1], k), given, passed
                )
                for k, (given, passed) in enumerate(
                    zip(argument_types, passed_types, strict=True)
                )
            ]
            function_type = ir.FunctionType(
                context.get_value_type(return_type),
                [context.get_value_type(t) for t in passed_types],
            )
            pointer = builder.inttoptr(values[0], function_type.as_pointer())
            result = builder.call(pointer, arguments)
            if return_type == types.none:
                return context.get_dummy_value()
            return result

        return return_type(types.intp, types.Tuple(argument_types)), codegen

    return call


call_float = caller(types.float64)
call_float_pair = caller(types.UniTuple(types.float64, 2))
call_nothing = caller(types.none)
