"""The random bits and orders of ``_kernels/shuffling.py``."""

import numpy as np
from entrances import entrance

from skgd._kernels import compiling, shuffling

# The first numbers of splitmix64 from the state 1234567, as published with the
# generator by Vigna (https://prng.di.unimi.it/splitmix64.c) and Rosetta Code.
PUBLISHED = [
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
]


def test_bits_are_splitmix64():
    with np.errstate(over="ignore"):
        states = np.uint64(1234567) + shuffling.GOLDEN * np.arange(
            1, 6, dtype=np.uint64
        )
    mixed = entrance(shuffling.mixed)
    assert [int(mixed(state)) for state in states] == PUBLISHED


def test_orders_are_permutations_and_repeat():
    shuffle = compiling.kernel(shuffling.shuffle, shuffling.shuffle_signature())
    orders = np.tile(np.arange(50), (3, 1))
    for order, seed in zip(orders, (7, 7, 8), strict=True):
        shuffle(order, seed)
    assert np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])
    assert np.array_equal(np.sort(orders, axis=1), np.tile(np.arange(50), (3, 1)))


def test_shuffled_places_are_equally_likely():
    shuffle = compiling.kernel(shuffling.shuffle, shuffling.shuffle_signature())
    rng = np.random.default_rng(0)
    n, n_draws = 6, 20_000
    counts = np.zeros((n, n))
    for _ in range(n_draws):
        order = np.arange(n)
        shuffle(order, rng.integers(2**64, dtype=np.uint64))
        counts[order, np.arange(n)] += 1
    # A chi-squared of 25 degrees of freedom exceeds 60 once in ten thousand times.
    assert ((counts - n_draws / n) ** 2 / (n_draws / n)).sum() < 60
