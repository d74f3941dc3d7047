"""Arrays without an owner, parts of vectors, and hints that change nothing."""

import numba
import numpy as np

from skgd._kernels.memory import borrowed, flat, part, prefetch_entries


def test_flat_is_a_view_of_the_rows_in_order():
    @numba.njit
    def write(matrix):
        vector = flat(matrix)
        for i in range(vector.shape[0]):
            vector[i] = i
        return vector

    matrix = np.empty((3, 5))
    vector = write(matrix)
    np.testing.assert_array_equal(matrix, np.arange(15.0).reshape(3, 5))
    # It keeps the matrix alive, as any view does.
    del matrix
    np.testing.assert_array_equal(vector, np.arange(15.0))


def test_borrowed_arrays_are_the_same_arrays():
    @numba.njit
    def add_one(arrays):
        a, (b, number) = borrowed(arrays)
        a[:] += 1.0
        b[1:] += number
        return a.sum() + b.sum()

    a, b = np.zeros(3), np.zeros(4)
    assert add_one((a, (b, 2.0))) == 9.0
    np.testing.assert_array_equal(a, [1, 1, 1])
    np.testing.assert_array_equal(b, [0, 2, 2, 2])


def test_a_part_is_a_view():
    @numba.njit
    def fill(vector, start, size):
        piece = part(vector, start, size)
        piece[:] = 1.0
        return piece.shape[0]

    vector = np.zeros(6)
    assert fill(vector, 2, 3) == 3
    np.testing.assert_array_equal(vector, [0, 0, 1, 1, 1, 0])


def test_hints_may_point_anywhere():
    """Also at a row without entries, at the end of the arrays."""

    @numba.njit
    def ask(values, columns, pointers, i):
        prefetch_entries(values, columns, pointers, i)
        return values.sum()

    values, columns = np.array([1.0, 2.0]), np.array([0, 3])
    pointers = np.array([0, 2, 2])
    assert ask(values, columns, pointers, 0) == ask(values, columns, pointers, 1) == 3.0
