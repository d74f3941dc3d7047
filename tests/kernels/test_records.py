"""Named tuples in compiled code, and the plain ones that Python passes."""

import pickle
from typing import NamedTuple

import numba
import numpy as np
import pytest
from numba import types

from skgd._kernels.compiling import FLOAT, VECTOR, read_only
from skgd._kernels.records import record


class Pair(NamedTuple):
    number: float
    vector: object


class Nested(NamedTuple):
    pair: tuple
    readable: object


PAIR = record(Pair, number=FLOAT, vector=VECTOR)
NESTED = record(Nested, pair=PAIR, readable=read_only(FLOAT, 2))


@numba.njit(FLOAT(NESTED))
def total(nested):
    number, vector = nested.pair
    vector[0] = nested.pair.number
    return number + nested.pair.vector.sum() + nested.readable.sum()


total.disable_compile()


def test_plain_tuples_will_do():
    vector = np.zeros(2)
    # A whole number for a float, and a matrix of any strides that may be written to.
    assert total(((3, vector), np.ones((2, 4))[:, ::2])) == 10.0
    assert vector[0] == 3.0


def test_named_tuples_will_do():
    nested = Nested(Pair(1.0, np.zeros(1)), np.zeros((1, 1)))
    assert total(nested) == total((tuple(nested.pair), nested.readable)) == 2.0


@pytest.mark.parametrize(
    "wrong",
    [
        (1.0, np.zeros((1, 1))),
        ((1.0,), np.zeros((1, 1))),
        ((1.0, np.zeros(1), 1.0), np.zeros((1, 1))),
        ((1.0, np.zeros(1, np.float32)), np.zeros((1, 1))),
        ((1.0, np.zeros(4)[::2]), np.zeros((1, 1))),
        ((np.zeros(1), 1.0), np.zeros((1, 1))),
        ((1.0, np.zeros(1)), np.zeros(1)),
    ],
)
def test_other_parts_are_refused(wrong):
    with pytest.raises(TypeError, match="No matching definition"):
        total(wrong)


def test_fields_are_named_in_their_order():
    for members in ({"vector": VECTOR, "number": FLOAT}, {"number": FLOAT}):
        with pytest.raises(TypeError, match="number, vector"):
            record(Pair, **members)


def test_types_are_equal_by_their_parts():
    again = pickle.loads(pickle.dumps(NESTED))
    assert again == NESTED and hash(again) == hash(NESTED)
    assert record(Pair, number=types.float32, vector=VECTOR) != PAIR
