"""What one look at the entries of CSR rows tells of their columns."""

import functools

import numpy as np
from numba import types

from .compiling import INDEX, VECTOR, kernel, numba_type, read_only, remembered, vector
from .memory import borrowed, unsigned


def repeats(columns, pointers, last):
    """Whether a row names a column twice.

    Parameters
    ----------
    columns, pointers : integer arrays
        Of CSR rows.
    last : int64 array of shape (n_columns,)
        No row: below zero. The last row that named each column, at the end.
    """
    columns, pointers, last = borrowed(columns), borrowed(pointers), borrowed(last)
    for i in range(pointers.shape[0] - 1):
        for q in range(unsigned(pointers[i]), unsigned(pointers[i + 1])):
            j = unsigned(columns[q])
            if last[j] == i:
                return True
            last[j] = i
    return False


@remembered
def repeats_signature(index):
    """Of ``repeats``."""
    indices = read_only(index, 1, "C")
    return types.boolean(indices, indices, vector(INDEX))


@functools.cache
def compiled_repeats(index):
    """``repeats`` for an integer type of the indices."""
    return kernel(repeats, repeats_signature(numba_type(index)))


def ranges(values, columns, low, high, counts):
    """The least and the largest entry of each column, and how many it has.

    Parameters
    ----------
    values, columns : arrays of shape (n_entries,)
    low, high : float64 arrays of shape (n_columns,)
        Infinity and minus infinity; the results, at the end.
    counts : int64 array of shape (n_columns,)
        Zeros; the number of entries, at the end.
    """
    values, columns = borrowed(values), borrowed(columns)
    low, high, counts = borrowed(low), borrowed(high), borrowed(counts)
    for q in range(values.shape[0]):
        j, value = unsigned(columns[q]), np.float64(values[q])
        low[j] = min(low[j], value)
        high[j] = max(high[j], value)
        counts[j] += 1


@remembered
def ranges_signature(element, index):
    """Of ``ranges``."""
    values, columns = read_only(element, 1, "C"), read_only(index, 1, "C")
    return types.none(values, columns, VECTOR, VECTOR, vector(INDEX))


@functools.cache
def compiled_ranges(dtype, index):
    """``ranges`` for entries in a precision and an integer type of the indices."""
    return kernel(ranges, ranges_signature(numba_type(dtype), numba_type(index)))
