"""Dask collections as lists of partitions: which rows of y and weights go with X.

Nothing is computed here. What cannot be lined up without that is refused by name.
"""

import math

import dask
import dask.array as da
import numpy as np
from dask.delayed import Delayed


def is_collection(value):
    """Whether a value is a Dask collection, or a list of delayed parts of one."""
    if isinstance(value, (list, tuple)):
        return len(value) > 0 and all(isinstance(part, Delayed) for part in value)
    return dask.is_dask_collection(value)


def partitions(X, y, sample_weight):
    """Partitions of rows: a list of (X, y, sample_weight) of delayed parts.

    Parameters
    ----------
    X, y, sample_weight : Dask collections, lists of delayed parts
        `sample_weight` may be None; y and `sample_weight` may be in memory where the
        sizes of the partitions of X are known.

    Returns
    -------
    list of tuple (Delayed, Delayed, Delayed or None)

    Raises
    ------
    TypeError
        For values that are no such collections.
    ValueError
        For collections whose rows cannot be lined up.
    """
    if not is_collection(X):
        raise TypeError(
            f"X is a {type(X).__name__}, and estimators of skgd.dask are fitted on "
            "Dask arrays, data frames or lists of delayed parts: use the estimator "
            "without Dask for rows in memory, or dask.array.from_array."
        )
    X = _whole_rows(X)
    given = {"X": X}
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None or name == "y":
            given[name] = _lined_up(value, X, name)
    parts = {name: _delayed(value, name) for name, value in given.items()}
    if len({len(one) for one in parts.values()}) > 1:
        # Dask joins files of which few columns are read, those of y for example.
        parts = {name: _delayed(value, name, False) for name, value in given.items()}
    n = len(parts["X"])
    for name, one in parts.items():
        _check_number(n, len(one), name)
    parts.setdefault("sample_weight", [None] * n)
    return list(zip(*parts.values(), strict=True))


def n_columns(X):
    """Number of features, where it is known without a look at the rows, or None."""
    shape = getattr(X, "shape", (None,))
    if len(shape) == 2 and isinstance(shape[1], (int, np.integer)):
        return int(shape[1])
    return None


def _whole_rows(X):
    """X in partitions of whole rows."""
    if not isinstance(X, da.Array):
        return X
    if X.ndim != 2:
        raise ValueError(
            f"X has {X.ndim} dimensions, expected 2: rows and columns. Reshape it, for "
            "example with X.reshape(-1, 1) for one feature."
        )
    return _rows_whole(X)


def _rows_whole(array):
    """A Dask array whose blocks hold all columns of their rows."""
    if array.ndim == 2 and len(array.chunks[1]) > 1:
        if any(math.isnan(size) for size in array.chunks[1]):
            raise ValueError(
                "There are column chunks of unknown sizes: call compute_chunk_sizes()."
            )
        return array.rechunk({1: -1})
    return array


def _lined_up(value, X, name):
    """Weights or y in the row partitions of X, as far as the sizes are known."""
    known = isinstance(X, da.Array) and not any(map(math.isnan, X.chunks[0]))
    if not is_collection(value):
        if not known:
            raise ValueError(
                f"{name} is a {type(value).__name__} in memory, and the sizes of the "
                f"partitions of X are not known: pass {name} as a Dask collection with "
                "the same partitions, or call compute_chunk_sizes() on X."
            )
        value = np.asarray(value)
        _check_length(value.shape[0], X, name)
        return da.from_array(value, chunks=(X.chunks[0], *value.shape[1:]))
    if not isinstance(value, da.Array):
        return value
    value = _rows_whole(value)
    if known and not any(map(math.isnan, value.chunks[0])):
        _check_length(value.shape[0], X, name)
        if value.chunks[0] != X.chunks[0]:
            value = value.rechunk({0: X.chunks[0]})
    return value


def _check_length(n, X, name):
    if n != X.shape[0]:
        raise ValueError(f"X has {X.shape[0]} rows, and {name} {n}.")


def _check_number(n_parts, n, name):
    if n != n_parts:
        raise ValueError(
            f"X has {n_parts} partitions and {name} has {n}, and not all of their "
            f"sizes are known: bring {name} to the partitions of X, for example with "
            "compute_chunk_sizes() on both arrays, or repartition(divisions=...)."
        )


def _delayed(value, name, optimised=True):
    """The partitions of a collection: as Dask reads them best, or as they are given."""
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, Delayed):
        return [value]
    if isinstance(value, da.Array):
        return list(value.to_delayed().ravel())
    if hasattr(value, "divisions") and hasattr(value, "to_delayed"):
        return list(value.to_delayed(optimize_graph=optimised))
    raise TypeError(
        f"{name} is a Dask {type(value).__name__}; pass an array, a data frame, a "
        "series or a list of delayed parts."
    )


def partitions_of(X):
    """Partitions of features alone, and how many rows they have: NaN if unknown."""
    X = _whole_rows(X)
    parts = _delayed(X, "X")
    sizes = X.chunks[0] if isinstance(X, da.Array) else [math.nan] * len(parts)
    return parts, sizes
