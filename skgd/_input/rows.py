"""Rows in memory, as the kernels want them: features, targets, weights and an order.

Nothing is copied: held-out rows and rows of weight zero are left out of the order.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.lib.stride_tricks import as_strided
from scipy import sparse
from sklearn.model_selection import train_test_split

from skgd._input.boundary import check_order, refuse
from skgd._input.sparse import without_duplicates


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
    given : tuple (X, y) or None
        What the user passed, where a scorer is to be handed rows of it.
    weigh_the_same : bool
        Whether all weights are one number, kept once.
    """

    X: object
    targets: np.ndarray
    weights: np.ndarray
    order: np.ndarray
    y: np.ndarray
    as_they_came: bool = field(default=False, kw_only=True)
    given: tuple | None = field(default=None, kw_only=True)
    weigh_the_same: bool = field(init=False)

    def __post_init__(self):
        """ValueError unless the arrays are those of X, and `order` lies inside.

        Numbers of rows that are not known to be those of all rows as they came are
        looked at one by one.
        """
        n_rows, targets, weights = self.X.shape[0], self.targets, self.weights
        if targets.shape[0] != n_rows or targets.ndim != 2:
            refuse("the rows", "targets", targets.shape, f"({n_rows}, n_targets)")
        if weights.shape != (n_rows,):
            refuse("the rows", "weights", weights.shape, (n_rows,))
        if not self.as_they_came:
            check_order(self.order, n_rows)
        elif self.order.shape != (n_rows,):
            refuse("the rows", "order", self.order.shape, (n_rows,))
        vars(self)["weigh_the_same"] = weights.strides == (0,)

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

    def __getstate__(self):
        """Weights that are one number stay one when they travel."""
        state = vars(self).copy()
        if self.weigh_the_same and self.weights.size:
            state["weights"] = float(self.weights[0]), self.weights.size
        return state

    def __setstate__(self, state):
        weights = state["weights"]
        if isinstance(weights, tuple):
            value, n = weights
            state = state | {"weights": np.broadcast_to(value, (n,))}
        vars(self).update(state)

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

    def measured_by(self, units):
        """The rows with each target divided by its unit."""
        return replace(self, targets=self.targets / units)

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

    def visited(self):
        """Targets and weights of the rows that count, in their order."""
        return self.visited_targets(), self.visited_weights()


def hold_out(rows, labels, fraction, seed):
    """Split the order into training and validation rows.

    Parameters
    ----------
    rows : Rows
    labels : array of shape (n_rows,) or None
        Classes to stratify by.
    fraction : float
        Share of the rows held out.
    seed : int
        Which rows are drawn.

    Returns
    -------
    training, validation : Rows

    Raises
    ------
    ValueError
        If there are too few rows for that, naming the class.
    """
    stratify = None if labels is None else labels[rows.order]
    _check_split(len(rows), stratify, fraction)
    training, validation = train_test_split(
        rows.order,
        test_size=fraction,
        stratify=stratify,
        random_state=seed,
    )
    # Sorted, so that without shuffling the rows are visited as they came.
    return rows.in_order(np.sort(training)), rows.in_order(np.sort(validation))


def _check_split(n, labels, fraction):
    """ValueError if n rows cannot be split so that both parts have all classes."""
    n_validation = math.ceil(n * fraction)
    share = f"validation_fraction={fraction} of {n} rows is {n_validation}"
    remedy = "Change validation_fraction, or pass X_val and y_val."
    if labels is None:
        if n_validation >= n:
            raise ValueError(f"{share}, which leaves none to train on. {remedy}")
        return
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < 2:
        label = classes[counts.argmin()].tolist()
        raise ValueError(
            f"Class {label!r} has only one row, which cannot be both trained and "
            "validated on: early_stopping=True holds out a validation_fraction of each "
            "class. Add rows of it, or pass X_val and y_val."
        )
    if min(n_validation, n - n_validation) < len(classes):
        raise ValueError(
            f"{share}, which leaves {n - n_validation} to train on; both parts need a "
            f"row of each of the {len(classes)} classes. {remedy}"
        )


def spread_out(n, most):
    """Numbers of `most` of n rows, one from each of as many stretches of equal length.

    Where in its stretch goes by multiples of the golden ratio, so that rows which
    repeat in a pattern are seen in all its parts.
    """
    k = np.arange(most)
    within = k * ((np.sqrt(5.0) - 1.0) / 2.0) % 1.0
    return np.minimum((k + within) * (n / most), n - 1).astype(np.int64)


def squared_lengths(X):
    """The sum of squares of each row, float64 array of shape (n_rows,)."""
    if not sparse.issparse(X):
        return np.einsum("ij,ij->i", X, X, dtype=np.float64)
    X = without_duplicates(X)
    squares = X.data.astype(np.float64) ** 2
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    return np.bincount(rows, squares, minlength=X.shape[0])


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
