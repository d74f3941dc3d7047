"""The sum of gradients over a block of rows, whatever model the rows belong to.

What it is, an address decides; the models themselves are in ``linear.py`` and
``network.py``.
"""

import numba
from numba.extending import overload

from .compiling import FLOAT, INDEX, INNER, remembered, vector
from .linear import OneOutput, one_output_block
from .pointers import call_float
from .records import COST, rows_of

_one_output_block = numba.njit(**INNER, inline="always")(one_output_block)


@remembered
def block_signature(data_type, element):
    """Of every (rows, start, stop, cost, theta, gradient) -> sum of losses."""
    theta = vector(element)
    return FLOAT(rows_of(data_type), INDEX, INDEX, COST, theta, theta)


def sum_gradients(block, rows, start, stop, cost, theta, gradient):
    """What `block` does, by its address or, where it is 0, as ``one_output_block``.

    That one is compiled into the loops over batches, because the call alone would take
    longer than a row.
    """
    raise NotImplementedError("compiled code only")


@overload(sum_gradients, jit_options=INNER | {"forceinline": True})
def _sum_gradients(block, rows, start, stop, cost, theta, gradient):
    if rows[0].instance_class is not OneOutput:

        def called(block, rows, start, stop, cost, theta, gradient):
            return call_float(block, rows, start, stop, cost, theta, gradient)

        return called

    def compiled_in(block, rows, start, stop, cost, theta, gradient):
        if block == 0:
            return _one_output_block(rows, start, stop, cost, theta, gradient)
        return call_float(block, rows, start, stop, cost, theta, gradient)

    return compiled_in
