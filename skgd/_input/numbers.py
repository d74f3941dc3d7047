"""Which numbers are taken as they are, and whether all of an array are finite."""

import math

import numpy as np

# Types of X that are trained on as they are.
FLOATS = (np.float64, np.float32)

# Kinds of numbers that scikit-learn turns into floats.
NUMBERS = "biuf"

# Numbers from which on BLAS may share a product of two vectors among threads, who then
# wait for more at the cost of a processor.
LONG = 1 << 13

# Numbers that are looked at one by one in less time than NumPy takes to begin.
FEW = 1 << 5


def is_finite(array):
    """Whether the sum is, which a look at each number could only confirm.

    That of the squares is faster for some numbers that lie in one piece, and a look at
    each for few.
    """
    if array.size <= FEW:
        return all(map(math.isfinite, array.ravel().tolist()))
    with np.errstate(over="ignore", invalid="ignore"):
        few = array.size <= LONG
        if few and array.flags.c_contiguous and array.dtype.kind == "f":
            vector = array.reshape(-1)
            if math.isfinite(vector.dot(vector)):
                return True
        return math.isfinite(array.sum())
