"""Plain loops in double precision: a loss at many scores, features in coordinates."""

from numba import types

from .compiling import FLOAT, VECTOR, matrix, read_only, remembered
from .outputs import value_and_derivative


def losses(loss, p, y, z, values, derivatives):
    """Fill in l(y_i, z_i) and its derivative in z_i.

    Parameters
    ----------
    loss : int
        Its address, or its number.
    p : float64 array
        Its parameters.
    y, z : float64 arrays of shape (n,)
    values, derivatives : float64 arrays of shape (n,)
        Results.
    """
    for i in range(y.shape[0]):
        values[i], derivatives[i] = value_and_derivative(loss, y[i], z[i], p)


@remembered
def signature():
    """Of ``losses``."""
    given = read_only(FLOAT, 1, "C")
    return types.none(types.intp, VECTOR, given, given, VECTOR, VECTOR)


def centre(X, mean, scale, Z):
    """Fill the first columns of Z with (X - mean) * scale."""
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            Z[i, j] = (X[i, j] - mean[j]) * scale[j]


@remembered
def centre_signature(element):
    """Of ``centre``."""
    given = read_only(FLOAT, 1, "C")
    return types.none(read_only(element, 2), given, given, matrix(FLOAT))
