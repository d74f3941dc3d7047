"""The random stream is the one that scikit-learn's reading of `random_state` gives."""

import numpy as np
import pytest
from sklearn.utils import check_random_state

from skgd._input.random import generator
from skgd._training.epochs import random_bits


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, np.int64(7), True])
def test_an_int_seeds_as_in_scikit_learn(seed):
    drawn = check_random_state(seed).randint(2**31)
    expected = np.random.default_rng(drawn).random(3)
    for _ in range(2):
        np.testing.assert_array_equal(generator(seed).random(3), expected)


def test_a_random_state_moves_on():
    ours, theirs = np.random.RandomState(3), np.random.RandomState(3)
    for _ in range(2):
        expected = np.random.default_rng(theirs.randint(2**31)).random()
        assert generator(ours).random() == expected


def test_no_seed_draws_from_the_stream_of_numpy():
    np.random.seed(5)
    drawn = np.random.randint(2**31)
    np.random.seed(5)
    assert generator(None).random() == np.random.default_rng(drawn).random()


def test_bits_are_those_of_a_draw():
    ours, theirs = np.random.default_rng(0), np.random.default_rng(0)
    for _ in range(5):
        assert random_bits(ours) == theirs.integers(2**64, dtype=np.uint64)
