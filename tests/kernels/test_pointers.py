"""Calls by address, with scalars and tuples."""

from typing import NamedTuple

import numba
import numpy as np
from numba import types

from skgd._kernels.compiling import FLOAT, INDEX, VECTOR
from skgd._kernels.pointers import call_float, call_float_pair, call_nothing
from skgd._kernels.records import record


class Line(NamedTuple):
    slope: float
    points: object


LINE = record(Line, slope=FLOAT, points=VECTOR)


@numba.cfunc(FLOAT(LINE, INDEX))
def value(line, i):
    return line.slope * line.points[i]


@numba.cfunc(types.UniTuple(FLOAT, 2)(FLOAT, FLOAT))
def pair(x, y):
    return x + y, x - y


@numba.cfunc(types.none(VECTOR, FLOAT))
def fill(vector, x):
    vector[:] = x


def test_addresses_are_called_with_what_they_were_compiled_for():
    @numba.njit(types.Tuple([FLOAT, FLOAT, FLOAT])(types.intp, types.intp, LINE))
    def both(first, second, line):
        # A number of another type becomes the one that is passed.
        one, other = call_float_pair(second, np.float32(2.0), np.float32(1.0))
        return call_float(first, line, np.int32(1)), one, other

    line = (3.0, np.array([1.0, 5.0]))
    assert both(value.address, pair.address, line) == (15.0, 3.0, 1.0)


def test_a_function_that_returns_nothing():
    @numba.njit
    def run(address, vector):
        call_nothing(address, vector, 2.0)

    vector = np.ones(3)
    run(fill.address, vector)
    np.testing.assert_array_equal(vector, 2.0)
