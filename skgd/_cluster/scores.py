"""Predictions for parts of rows that others hold, and scores from sums over them."""

import numpy as np

from skgd._input.moments import Moments


def example(local):
    """One row that the estimator can predict."""
    names = getattr(local, "feature_names_in_", None)
    row = np.zeros((1, local.n_features_in_))
    if names is None:
        return row
    import pandas as pd

    return pd.DataFrame(row, columns=names)


def predictions(local, method, X, like):
    """Of a part; `like` them, where it has no rows."""
    if not X.shape[0]:
        return like
    return getattr(local, method)(X)


def right(local, X, y, weights):
    """Weight of the rows whose labels are predicted, and of all."""
    if not X.shape[0]:
        return 0.0, 0.0
    predicted = local.predict(X)
    hits = predicted == np.asarray(y).reshape(predicted.shape)
    hits = hits.reshape(len(hits), -1).all(axis=1)
    weights = np.ones(len(hits)) if weights is None else np.asarray(weights).ravel()
    return float(weights[hits].sum()), float(weights.sum())


def deviations(local, X, y, weights):
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


def accuracy(sums):
    """The share of the weight of rows whose labels are predicted.

    Parameters
    ----------
    sums : list
        What `right` makes of each part.

    Returns
    -------
    float
    """
    return float(sum(part for part, _ in sums) / sum(total for _, total in sums))


def r2(sums):
    """R^2, the mean over the targets, as ``sklearn.metrics.r2_score``.

    Parameters
    ----------
    sums : list
        What `deviations` makes of each part.

    Returns
    -------
    float
    """
    found = [part for part in sums if part is not None]
    moments, residuals = Moments.empty(found[0][1].size), 0.0
    for part, squares in found:
        moments.add(part)
        residuals = residuals + squares
    spread = moments.weight * moments.variance
    perfect = np.where(residuals > 0.0, 0.0, 1.0)
    shares = np.divide(residuals, spread, out=1.0 - perfect, where=spread > 0.0)
    return float(np.mean(1.0 - shares))
