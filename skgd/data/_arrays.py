"""Batches of arrays that lie in memory or in a memory-mapped file.

Slices only: nothing is copied or checked here.
"""

import os
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.utils.validation import _num_samples

from skgd._stream.containers import rows_of

# Rows of a batch where nobody asks for a size.
BATCH_ROWS = 65_536


def check_batch_size(batch_size: int | None) -> int | None:
    """ValueError unless it is None or a positive int."""
    if batch_size is None or (isinstance(batch_size, Integral) and batch_size > 0):
        return batch_size
    raise ValueError(f"batch_size must be a positive int or None, got {batch_size!r}.")


class ArrayBatches:
    """Slices of arrays, as often as they are asked for; made by `from_arrays`."""

    unchanging = True

    def __init__(self, arrays: Any, batch_size: int | None) -> None:
        self.arrays = arrays
        self.batch_size = check_batch_size(batch_size)

    def __iter__(self) -> Iterator[Any]:
        return self.in_batches_of(BATCH_ROWS)

    def in_batches_of(self, n_rows: int) -> Iterator[Any]:
        """Batches of `batch_size`, or of `n_rows` if that was left open."""
        size = self.batch_size or n_rows
        for start in range(0, _num_samples(self.arrays[0]), size):
            yield tuple(rows_of(array, start, start + size) for array in self.arrays)

    def __repr__(self):
        shapes = ", ".join(str(array.shape) for array in self.arrays)
        return f"from_arrays({shapes})"


def from_arrays(
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    batch_size: int | None = None,
) -> ArrayBatches:
    """Batches of arrays, read a slice at a time.

    For what does not fit into memory: a memory map, or anything that gives its rows by
    slice, as the datasets of h5py and zarr do.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Features: an array, a memory map, a sparse matrix or a data frame. Of sparse
        formats other than CSR, which cannot be cut into rows, a CSR copy is made.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Targets or labels.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows.
    batch_size : int, default=None
        Rows of a batch. By default as many as `fit_batches` asks for, which are then
        used where they are; 65,536 for other readers.

    Returns
    -------
    iterable of (X, y) or (X, y, sample_weight)
        Can be read any number of times.

    Raises
    ------
    ValueError
        If the lengths differ.
    TypeError
        If X or y is a path.

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> from skgd import GDRegressor
    >>> from skgd.data import from_arrays
    >>> path = os.path.join(tempfile.mkdtemp(), "X.npy")
    >>> rng = np.random.default_rng(0)
    >>> np.save(path, rng.normal(size=(1000, 3)))
    >>> X = np.load(path, mmap_mode="r")
    >>> model = GDRegressor(solver="batch").fit_batches(from_arrays(X, X @ [1, 2, 3]))
    >>> model.coef_.round(2)
    array([1., 2., 3.])
    """
    arrays = [X, y] if sample_weight is None else [X, y, sample_weight]
    for array in arrays:
        if isinstance(array, (str, os.PathLike)):
            raise TypeError(
                f"from_arrays takes arrays, got the path {os.fspath(array)!r}. Pass "
                "numpy.load(path, mmap_mode='r'), or see from_csv and from_parquet."
            )
    arrays = [a if hasattr(a, "shape") else np.asarray(a) for a in arrays]
    arrays = [a.tocsr() if sparse.issparse(a) else a for a in arrays]
    lengths = [_num_samples(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"The arrays have different numbers of rows: {lengths}.")
    return ArrayBatches(arrays, batch_size)
