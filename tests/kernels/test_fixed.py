"""Calls of compiled code whose arguments are laid down once."""

import numpy as np
import pytest
from numba import types

from skgd._kernels.compiling import FLOAT, INDEX, VECTOR, kernel, matrix
from skgd._kernels.fixed import (
    FixedCall,
    FixedCalls,
    all_finite,
    finite_squares,
    look_at,
)


def add_product(total, pair, times, is_on):
    """Add a number times the parts of a pair, and say what it has come to."""
    scale, table = pair
    if is_on:
        total[0] += scale * table[0, 1] * times
    return total[0], times


SIGNATURE = types.Tuple([FLOAT, INDEX])(
    VECTOR, types.Tuple([FLOAT, matrix(FLOAT)]), INDEX, types.boolean
)


def parts(is_on=True):
    total, table = np.zeros(1), np.array([[0.0, 3.0], [0.0, 0.0]])
    function = kernel(add_product, SIGNATURE)
    call = FixedCall(function, (total, (2.0, table), 5, is_on))
    return call, total, table


def test_it_does_what_the_function_does():
    call, total, _ = parts()
    assert FixedCalls([call])()
    assert total[0] == 30.0
    assert call.result[:1].view(np.float64)[0] == 30.0
    assert call.result[1] == 5


def test_arrays_and_cells_are_looked_at_in_each_call():
    call, total, table = parts()
    go = FixedCalls([call, call])
    times = call.cell(2, np.int64)
    assert times[0] == 5
    times[0], table[0, 1] = 7, 1.0
    assert go()
    assert total[0] == 28.0
    assert call.result[1] == 7


def test_other_arguments_are_others():
    on, off = parts(), parts(is_on=False)
    assert FixedCalls([on[0], off[0]])()
    assert (on[1][0], off[1][0]) == (30.0, 0.0)


def grow(weight, steps):
    """One more."""
    steps[0] += 1.0
    return weight + 1.0


def test_what_is_returned_may_be_what_the_next_call_is_given():
    steps = np.zeros(1)
    call = FixedCall(kernel(grow, FLOAT(FLOAT, VECTOR)), (10.0, steps))
    weight = call.cell(0, np.float64)
    call.returns_into(weight)
    go = FixedCalls([call])
    for _ in range(3):
        go()
    assert weight[0] == 13.0
    assert steps[0] == 3.0


def fail(value):
    """An exception for negative numbers."""
    if value[0] < 0.0:
        raise ValueError("negative")
    value[0] += 1.0
    return 1


def test_no_call_follows_one_that_fails():
    good, bad = np.ones(1), np.full(1, -1.0)
    function = kernel(fail, INDEX(VECTOR))
    calls = [FixedCall(function, (value,)) for value in (good, bad, good)]
    assert not FixedCalls(calls)()
    assert good[0] == 2.0
    assert FixedCalls(calls[:1])()


def test_no_calls():
    assert FixedCalls([])()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_looks(dtype):
    largest = np.finfo(dtype).max
    for numbers, finite, tame in [
        ([1.0, -2.0], 1, 1),
        ([1.0, np.nan], 0, 0),
        ([np.inf, 0.0], 0, 0),
        ([0.0, largest], 1, 0),
    ]:
        array = np.array(numbers, dtype)
        looks = [look_at(question, array) for question in (all_finite, finite_squares)]
        assert FixedCalls(looks)()
        assert [look.result[0] for look in looks] == [finite, tame]


def test_nothing_is_remembered_of_calls():
    """Each call that is fixed finds what was compiled for the first."""
    from skgd._kernels import fixed

    parts(), look_at(all_finite, np.ones(3))
    sizes = [one.cache_info().misses for one in (fixed._ways_to, fixed._question)]
    for _ in range(3):
        parts(), look_at(all_finite, np.ones(3))
    assert sizes == [
        one.cache_info().misses for one in (fixed._ways_to, fixed._question)
    ]
