"""Rows in memory, as the kernels want them: features, targets, weights and an order.

Nothing is copied: held-out rows and rows of weight zero are left out of the order.
"""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.model_selection import train_test_split


@dataclass(frozen=True)
class Rows:
    """Training or validation rows.

    Attributes
    ----------
    X : array or CSR matrix of shape (n_rows, n_features)
    targets : float64 array of shape (n_rows, n_targets)
    weights : float64 array of shape (n_rows,)
        Sample weight times class weight.
    order : int64 array
        The rows that count, in the order in which they are visited.
    y : array
        The targets as the user gave them, for scorers.
    """

    X: object
    targets: np.ndarray
    weights: np.ndarray
    order: np.ndarray
    y: np.ndarray

    @classmethod
    def of(cls, X, y, targets, weights=None):
        """All rows of X, those of weight zero dropped."""
        n = X.shape[0]
        if weights is None:
            return cls(X, targets, np.broadcast_to(1.0, (n,)), np.arange(n), y)
        return cls(X, targets, weights, np.flatnonzero(weights), y)

    def __len__(self):
        return self.order.size

    def in_order(self, order):
        return replace(self, order=order)

    def with_mean_weight_one(self):
        """Scale the weights to mean 1 over the rows that count."""
        if self.weights.strides == (0,):
            return self
        mean = self.weights[self.order].mean()
        return replace(self, weights=self.weights / mean)

    def visited_weights(self):
        return self.weights[self.order]

    def visited_targets(self):
        return self.targets[self.order]


def hold_out(rows, labels, fraction, rng):
    """Split the order into training and validation rows.

    Parameters
    ----------
    rows : Rows
    labels : array of shape (n_rows,) or None
        Classes to stratify by.
    fraction : float
        Share of the rows held out.
    rng : numpy.random.Generator

    Returns
    -------
    training, validation : Rows
    """
    stratify = None if labels is None else labels[rows.order]
    training, validation = train_test_split(
        rows.order,
        test_size=fraction,
        stratify=stratify,
        random_state=int(rng.integers(2**31)),
    )
    # Sorted, so that without shuffling the rows are visited as they came.
    return rows.in_order(np.sort(training)), rows.in_order(np.sort(validation))
