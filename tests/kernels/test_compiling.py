"""Compiled once for each signature, under a name of its own."""

import numba
import numpy as np
from numba import types

from skgd._kernels import compiling, shuffling


def test_a_kernel_is_compiled_once():
    signature = shuffling.shuffle_signature()
    kernel = compiling.kernel(shuffling.shuffle, signature)
    assert compiling.kernel(shuffling.shuffle, signature) is kernel
    # Other arrays are refused, not compiled for.
    for wrong in (np.arange(4.0), np.arange(8)[::2], np.zeros((2, 2), np.int64)):
        try:
            kernel(wrong, 1)
        except TypeError:
            continue
        raise AssertionError(wrong)


def test_results_are_remembered_by_identity():
    calls = []

    @compiling.remembered
    def count(*arguments):
        calls.append(arguments)
        return len(calls)

    one, other = [1], [1]
    assert count(one) == count(one) == 1
    assert count(other) == 2
    assert count(one, other) == 3


def test_functions_of_users_are_told_by_their_module():
    def mine(x):
        return x

    assert compiling.is_foreign(mine)
    assert compiling.is_foreign(numba.njit(mine))
    assert not compiling.is_foreign(shuffling.shuffle)


def test_a_renamed_function_computes_the_same():
    offset = 2.0

    def add(x, y=3.0):
        return x + y + offset

    copy = compiling.renamed(add, "another")
    assert copy.__qualname__ == "another" and add.__qualname__ != "another"
    assert copy(1.0) == add(1.0) == 6.0


def test_types_that_are_read_only_take_any_strides():
    table = compiling.read_only(types.float64, 2)
    assert table.layout == "A" and not table.mutable
    assert compiling.numba_type(np.float32) is types.float32
