"""Weights of rows that are so long that their own step would overshoot them."""

import functools

from numba import types

from .compiling import FLOAT, VECTOR, kernel, numba_type, read_only, remembered, vector
from .memory import borrowed
from .records import WEIGHTS


def shorten(X, mean, scale, bias, weights, longest, shortened):
    """Weights that are less by as much as bias + |(x - mean) * scale|^2 is too large.

    Parameters
    ----------
    X : array of shape (n_rows, n_features)
    mean, scale : arrays of shape (n_features,)
    bias : float
    weights : float64 array of shape (n_rows,)
    longest : float
        The largest of these squares whose weight stays as it is.
    shortened : float64 array of shape (n_rows,)
        The weights, to be written.
    """
    X, mean, scale = borrowed(X), borrowed(mean), borrowed(scale)
    weights, shortened = borrowed(weights), borrowed(shortened)
    for i in range(X.shape[0]):
        square = bias
        for j in range(X.shape[1]):
            z = (float(X[i, j]) - float(mean[j])) * float(scale[j])
            square += z * z
        shortened[i] = weights[i]
        if square > longest:
            shortened[i] = weights[i] * (longest / square)


@remembered
def shortening_signature(element):
    """Of ``shorten``."""
    coordinates = vector(element)
    X = read_only(element, 2)
    return types.none(X, coordinates, coordinates, FLOAT, WEIGHTS, FLOAT, VECTOR)


@functools.cache
def compiled_shorten(dtype):
    """``shorten`` for rows in a precision."""
    return kernel(shorten, shortening_signature(numba_type(dtype)))
