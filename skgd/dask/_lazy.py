"""Predictions for Dask collections that are not computed yet, and scores that are."""

import dask
import dask.array as da

from skgd._cluster.scores import (
    accuracy,
    deviations,
    example,
    predictions,
    r2,
    right,
)
from skgd.dask._partitions import partitions_of


def lazily(local, method, X):
    """The Dask array that a method of a fitted local estimator makes of X.

    Parameters
    ----------
    local : estimator
    method : str
    X : Dask collection

    Returns
    -------
    dask.array.Array
        Of shape (n_samples,) or (n_samples, n_outputs), in the partitions of X.
    """
    like = getattr(local, method)(example(local))[:0]
    parts, sizes = partitions_of(X)
    call = dask.delayed(predictions, pure=True)
    shared = dask.delayed(local, pure=True)
    blocks = [
        da.from_delayed(
            call(shared, method, part, like), (n, *like.shape[1:]), meta=like
        )
        for part, n in zip(parts, sizes, strict=True)
    ]
    return da.concatenate(blocks, axis=0, allow_unknown_chunksizes=True)


def score(local, is_classifier, parts):
    """Accuracy of a classifier, R^2 of a regressor.

    Parameters
    ----------
    local : estimator
        Fitted.
    is_classifier : bool
    parts : list of tuple (X, y, sample_weight) of delayed parts

    Returns
    -------
    float
    """
    of_part, of_all = (right, accuracy) if is_classifier else (deviations, r2)
    call = dask.delayed(of_part, pure=True)
    shared = dask.delayed(local, pure=True)
    return of_all(dask.compute([call(shared, *part) for part in parts])[0])
