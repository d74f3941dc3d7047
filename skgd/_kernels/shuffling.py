"""A random order of rows from a seed.

Which rows there are, and where the seed comes from, is decided elsewhere.
"""

import numba
import numpy as np
from numba import types

from .compiling import INDEX, INNER, remembered, vector

# splitmix64 (Steele, Lea and Flood, 2014): the n-th number is a function of seed + n.
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
SHIFT_1, SHIFT_2, SHIFT_3 = np.uint64(30), np.uint64(27), np.uint64(31)
HALF = np.uint64(32)


@numba.njit(**INNER, forceinline=True)
def mixed(state):
    """64 random bits for a state of the stream, which goes on by `GOLDEN`."""
    bits = (state ^ (state >> SHIFT_1)) * MIX_1
    bits = (bits ^ (bits >> SHIFT_2)) * MIX_2
    return bits ^ (bits >> SHIFT_3)


def shuffle(order, seed):
    """Shuffle in place (Durstenfeld, 1964), three times as fast as NumPy.

    The place of an entry is the upper half of a product of 32 random bits and the
    number of places (Lemire, 2019). Places are equally likely to one part in 2^32/n,
    for up to 2^32 entries.
    """
    for i in range(order.shape[0] - 1, 0, -1):
        seed += GOLDEN
        j = np.int64(((mixed(seed) >> HALF) * np.uint64(i + 1)) >> HALF)
        order[i], order[j] = order[j], order[i]


@remembered
def shuffle_signature():
    """Of ``shuffle``."""
    return types.none(vector(INDEX), types.uint64)
