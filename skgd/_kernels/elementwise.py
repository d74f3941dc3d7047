"""One loss at many pairs of a target and a score, in double precision, compiled."""

from numba import types

from .compiling import VECTOR, remembered
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
    return types.none(types.intp, *[VECTOR] * 5)
