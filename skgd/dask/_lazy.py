"""Predictions for Dask collections that are not computed yet, and scores that are."""

import dask
import dask.array as da
import numpy as np

from skgd._input.moments import Moments
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
    example = _example(local)
    like = getattr(local, method)(example)[:0]
    parts, sizes = partitions_of(X)
    call = dask.delayed(_called, pure=True)
    shared = dask.delayed(local, pure=True)
    blocks = [
        da.from_delayed(
            call(shared, method, part, like), (n, *like.shape[1:]), meta=like
        )
        for part, n in zip(parts, sizes, strict=True)
    ]
    return da.concatenate(blocks, axis=0, allow_unknown_chunksizes=True)


def _example(local):
    """One row that the estimator can predict."""
    names = getattr(local, "feature_names_in_", None)
    row = np.zeros((1, local.n_features_in_))
    if names is None:
        return row
    import pandas as pd

    return pd.DataFrame(row, columns=names)


def _called(local, method, X, like):
    if not X.shape[0]:
        return like
    return getattr(local, method)(X)


def accuracy(local, parts):
    """The share of the weight of rows whose labels are predicted.

    Parameters
    ----------
    local : estimator
        Fitted classifier.
    parts : list of tuple (X, y, sample_weight) of delayed parts

    Returns
    -------
    float
    """
    sums = _computed(_right, local, parts)
    return float(sum(right for right, _ in sums) / sum(total for _, total in sums))


def r2(local, parts):
    """R^2, the mean over the targets, as ``sklearn.metrics.r2_score``.

    Parameters
    ----------
    local : estimator
        Fitted regressor.
    parts : list of tuple (X, y, sample_weight) of delayed parts

    Returns
    -------
    float
    """
    found = [sums for sums in _computed(_deviations, local, parts) if sums is not None]
    moments, residuals = Moments.empty(found[0][1].size), 0.0
    for part, squares in found:
        moments.add(part)
        residuals = residuals + squares
    spread = moments.weight * moments.variance
    perfect = np.where(residuals > 0.0, 0.0, 1.0)
    shares = np.divide(residuals, spread, out=1.0 - perfect, where=spread > 0.0)
    return float(np.mean(1.0 - shares))


def _computed(function, local, parts):
    call = dask.delayed(function, pure=True)
    shared = dask.delayed(local, pure=True)
    return dask.compute([call(shared, *part) for part in parts])[0]


def _right(local, X, y, weights):
    """Weight of the rows whose labels are predicted, and of all."""
    if not X.shape[0]:
        return 0.0, 0.0
    predicted = local.predict(X)
    right = predicted == np.asarray(y).reshape(predicted.shape)
    right = right.reshape(len(right), -1).all(axis=1)
    weights = np.ones(len(right)) if weights is None else np.asarray(weights).ravel()
    return float(weights[right].sum()), float(weights.sum())


def _deviations(local, X, y, weights):
    """Moments of the targets, and weighted squares of what is not predicted."""
    if not X.shape[0]:
        return None
    predicted = local.predict(X)
    predicted = predicted.reshape(len(predicted), -1).astype(np.float64)
    y = np.asarray(y, dtype=np.float64).reshape(predicted.shape)
    weights = np.ones(len(y)) if weights is None else np.asarray(weights).ravel()
    squares = weights @ np.square(y - predicted)
    if not weights.any():
        return None
    moments = Moments.empty(y.shape[1])
    return moments.update(y, weights.astype(np.float64)), squares
