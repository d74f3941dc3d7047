"""The structure of sparse matrices, checked before anything indexes with it.

SciPy takes the index arrays of a matrix on trust, and so do its compiled functions and
the kernels here: a column number beyond the last column would be an address beyond the
end of the weights. What the numbers in a matrix are is checked elsewhere.
"""

import numpy as np
from scipy import sparse

from skgd._input.numbers import NUMBERS

# Types of indices for which kernels are compiled.
INDEX_TYPES = (np.dtype(np.int32), np.dtype(np.int64))

# Columns for each entry from which a look at all columns takes longer than to sort.
MANY_COLUMNS = 16


def sound(X, name="X"):
    """X, or if it is sparse a CSR matrix whose structure has been checked.

    In time proportional to the number of entries. The matrix of the user is never
    changed: what has to be converted, or summed up, is copied.

    Parameters
    ----------
    X : object
        What the user passed; anything but a sparse matrix is returned as it is.
    name : str
        What to call it in messages.

    Returns
    -------
    object
        A CSR matrix has row pointers and column numbers of one type, int32 or int64, in
        arrays without gaps, and no column twice in a row. Columns need not be sorted,
        and zeros may be stored. It shares the arrays of X that are so already.

    Raises
    ------
    ValueError
        If the arrays contradict each other or the shape of the matrix, saying how.
    """
    if not sparse.issparse(X) or X.ndim != 2 or X.dtype.kind not in NUMBERS:
        return X
    if X.format == "csr":
        return without_duplicates(_checked(X, name, "row", "column"))
    if X.format == "csc":
        X = _checked(X, name, "column", "row")
    elif X.format == "coo":
        _check_coordinates(X, name)
    elif X.format == "bsr":
        _check_blocks(X, name)
    else:
        return X
    return without_duplicates(X.tocsr())


def _checked(X, name, major, minor):
    """A compressed matrix with arrays as the kernels want them, or ValueError."""
    n_major, n_minor = X.shape if major == "row" else X.shape[::-1]
    _check_structure(X.indptr, X.indices, X.data, n_major, n_minor, name, major, minor)
    values, indices, pointers = X.data, X.indices, X.indptr
    as_they_are = (
        indices.dtype in INDEX_TYPES
        and pointers.dtype == indices.dtype
        and values.flags.c_contiguous
        and indices.flags.c_contiguous
        and pointers.flags.c_contiguous
    )
    if as_they_are:
        return X
    largest = max(n_major, n_minor, values.size)
    index = INDEX_TYPES[largest > np.iinfo(np.int32).max]
    arrays = (
        np.ascontiguousarray(values),
        np.ascontiguousarray(indices, dtype=index),
        np.ascontiguousarray(pointers, dtype=index),
    )
    return _of_the_kind(X)(arrays, shape=X.shape)


def _of_the_kind(X):
    """The class of sparse arrays, or that of sparse matrices."""
    kind = "array" if isinstance(X, sparse.sparray) else "matrix"
    return getattr(sparse, f"{X.format}_{kind}")


def _check_structure(
    pointers, indices, values, n_major, n_minor, name, major, minor, n_dims=1
):
    """ValueError unless the arrays describe a matrix of this shape.

    The entries of a matrix of blocks are matrices: `n_dims` is 3.
    """
    fault = None
    if not isinstance(pointers, np.ndarray) or not isinstance(indices, np.ndarray):
        fault = (
            f"indptr and indices must be arrays, got {type(pointers).__name__} and "
            f"{type(indices).__name__}"
        )
    elif pointers.ndim != 1 or indices.ndim != 1 or pointers.size != n_major + 1:
        fault = (
            f"indptr has shape {pointers.shape} and indices {indices.shape}; expected "
            f"({n_major + 1},) for {n_major} {major}s, and a vector"
        )
    elif pointers.dtype.kind not in "iu" or indices.dtype.kind not in "iu":
        fault = (
            f"indptr and indices must be integers, got {pointers.dtype} and "
            f"{indices.dtype}"
        )
    elif values.ndim != n_dims:
        fault = f"data has {values.ndim} dimensions, expected {n_dims}"
    elif len(values) != indices.size:
        fault = f"data holds {len(values)} entries and indices {indices.size}"
    elif pointers[0] != 0:
        fault = f"indptr must begin with 0, got {pointers[0]}"
    elif (pointers[1:] < pointers[:-1]).any():
        at = int(np.argmax(pointers[1:] < pointers[:-1]))
        fault = (
            f"indptr decreases from {pointers[at]} to {pointers[at + 1]} in {major} "
            f"{at}"
        )
    elif pointers[-1] > indices.size:
        fault = f"indptr ends with {pointers[-1]}, but there are {indices.size} entries"
    else:
        used = indices[: int(pointers[-1])]
        if used.size and _is_outside(used, n_minor):
            fault = _outside(used, n_minor, minor)
    if fault is not None:
        raise ValueError(f"The sparse matrix {name} is malformed: {fault}.")


def _is_outside(indices, n):
    """Whether an index is negative or not below n, in one pass over them."""
    # As numbers without a sign the negative ones are the largest.
    unsigned = indices.view(f"{indices.dtype.byteorder}u{indices.itemsize}")
    return int(unsigned.max()) >= n


def _outside(indices, n, axis):
    """A sentence about indices that are not."""
    wrong = indices[(indices < 0) | (indices >= n)][0]
    return f"{axis} {wrong} in indices; {axis}s are numbered from 0 to {n - 1}"


def _check_coordinates(X, name):
    """ValueError unless the coordinates of a COO matrix lie inside it."""
    fault = None
    for axis, coordinates, n in zip(("row", "column"), X.coords, X.shape, strict=True):
        if coordinates.shape != X.data.shape or coordinates.ndim != 1:
            fault = f"data holds {X.data.size} entries and {axis} {coordinates.size}"
        elif coordinates.dtype.kind not in "iu":
            fault = f"the {axis}s must be integers, got {coordinates.dtype}"
        elif coordinates.size and _is_outside(coordinates, n):
            fault = _outside(coordinates, n, axis)
        if fault is not None:
            raise ValueError(f"The sparse matrix {name} is malformed: {fault}.")


def _check_blocks(X, name):
    """ValueError unless the blocks of a BSR matrix lie inside it."""
    height, width = X.blocksize if X.data.ndim == 3 else (1, 1)
    rows, columns = X.shape[0] // height, X.shape[1] // width
    arrays = X.indptr, X.indices, X.data
    axes = "row of blocks", "column of blocks"
    _check_structure(*arrays, rows, columns, name, *axes, n_dims=3)


def without_duplicates(X):
    """A CSR matrix of sound structure with entries of the same place summed up."""
    if rises_within_rows(X):
        return X
    if X.dtype == np.float16:
        # SciPy cannot convert these.
        X = X.astype(np.float64)
    if not _repeats_a_column(X):
        return X
    X = X.copy()
    X.has_canonical_format = X.has_sorted_indices = False
    X.sum_duplicates()
    return X


def _repeats_a_column(X):
    """Whether a row names a column twice, of rows whose columns are not sorted."""
    n_entries, n_columns = int(X.indptr[-1]), X.shape[1]
    if n_columns > MANY_COLUMNS * n_entries:
        # A look at each column would take longer than to sort.
        rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
        columns = X.indices[:n_entries]
        order = np.lexsort((columns, rows))
        same = np.diff(columns[order]) == 0
        return bool((same & (np.diff(rows[order]) == 0)).any())
    from skgd._kernels.csr_columns import compiled_repeats

    last = np.full(n_columns, -1)
    return compiled_repeats(X.indices.dtype)(X.indices, X.indptr, last)


def ranges_of_columns(X):
    """Least and largest number of each column of a CSR matrix, zeros included.

    Parameters
    ----------
    X : CSR matrix of shape (n_rows, n_columns)
        Of sound structure; no row names a column twice.

    Returns
    -------
    low, high : float64 arrays of shape (n_columns,)
    """
    from skgd._kernels.csr_columns import compiled_ranges

    n_entries, n_columns = int(X.indptr[-1]), X.shape[1]
    values, columns = X.data[:n_entries], X.indices[:n_entries]
    low, high = np.full((2, n_columns), [[np.inf], [-np.inf]])
    counts = np.zeros(n_columns, np.int64)
    kernel = compiled_ranges(values.dtype, columns.dtype)
    kernel(values, columns, low, high, counts)
    zeros = counts < X.shape[0]
    return np.minimum(low, 0.0, out=low, where=zeros), np.maximum(
        high, 0.0, out=high, where=zeros
    )


def rises_within_rows(X):
    """Whether the indices of each row (of each column, in CSC) are sorted, none twice.

    SciPy's own flags may be those of arrays that have been replaced since.
    """
    n_entries = int(X.indptr[-1])
    indices = X.indices[:n_entries]
    rises = indices[1:] > indices[:-1]
    if rises.all():
        return True
    starts = X.indptr[1:-1]
    starts = starts[(starts > 0) & (starts < n_entries)]
    rises[starts - 1] = True
    return bool(rises.all())


def as_matrix(weights):
    """Weights as a dense array of two dimensions, whatever they are kept in."""
    if sparse.issparse(weights):
        return weights.toarray()
    return np.atleast_2d(weights)
