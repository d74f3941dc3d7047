"""Rows in memory, as the kernels want them: features, targets, weights and an order.

Nothing is copied: held-out rows and rows of weight zero are left out of the order.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.lib.stride_tricks import as_strided
from sklearn.model_selection import train_test_split

from skgd._input.boundary import check_rows


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
    as_they_came : bool
        Whether the order is known to be that of all rows of X.
    """

    X: object
    targets: np.ndarray
    weights: np.ndarray
    order: np.ndarray
    y: np.ndarray
    as_they_came: bool = field(default=False, kw_only=True)

    def __post_init__(self):
        check_rows(self.X, self.targets, self.weights, self.order, self.as_they_came)

    @classmethod
    def of(cls, X, y, targets, weights=None):
        """All rows of X, those of weight zero dropped."""
        n = X.shape[0]
        if weights is None:
            ones = np.broadcast_to(1.0, (n,))
            return cls(X, targets, ones, np.arange(n), y, as_they_came=True)
        return cls(X, targets, weights, np.flatnonzero(weights), y)

    def __len__(self):
        return self.order.size

    def in_order(self, order):
        return replace(self, order=order, as_they_came=False)

    def replaced_by(self, X, targets):
        """Other rows of the same number and form, with these weights and this order."""
        if X.shape != self.X.shape or targets.shape != self.targets.shape:
            raise ValueError(
                f"X and y have shapes {X.shape} and {targets.shape}; expected those of "
                f"the rows before, {self.X.shape} and {self.targets.shape}."
            )
        # All else that is checked of rows is as it was.
        rows = object.__new__(type(self))
        vars(rows).update(vars(self), X=X, targets=targets, y=targets)
        return rows

    @property
    def weigh_the_same(self):
        """Whether all weights are one number, kept once."""
        return self.weights.strides == (0,)

    def with_mean_weight_one(self):
        """Scale the weights to mean 1 over the rows that count."""
        if self.weigh_the_same:
            return self
        mean = self.weights[self.order].mean()
        return replace(self, weights=self.weights / mean)

    def visited_weights(self):
        return self.weights if self.as_they_came else self.weights[self.order]

    def visited_targets(self):
        return self.targets if self.as_they_came else self.targets[self.order]

    def weight(self, order):
        """Sum of the weights of some rows."""
        if self.weigh_the_same:
            return order.size * self.weights[0]
        return self.weights[order].sum()


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


def as_vector(X):
    """X as one contiguous vector without a copy, and the distance of its rows there.

    Also for slices of rows and of columns. The vector is empty where neighbours in a
    row are not neighbours in memory.
    """
    if X.flags.c_contiguous and X.size:
        return X.reshape(-1), X.shape[1]
    n_rows, n_features = X.shape
    step, within = X.strides
    if within != X.itemsize or step < 0 or step % X.itemsize or not X.size:
        return np.empty(0, X.dtype), 0
    step //= X.itemsize
    size = (n_rows - 1) * step + n_features
    vector = as_strided(X, (size,), (X.itemsize,), writeable=False)
    return vector, step
