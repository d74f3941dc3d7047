"""Rows in memory in the coordinates of a model, block by block, and products with them.

Dense rows are centred once and kept, or block by block where that would take too much
memory. Sparse rows stay as they are, and the coordinates go into the weights.
"""

import numpy as np
from scipy import sparse

# Bytes of centred rows that are kept.
KEPT_BYTES = 1 << 30

# Bytes of copies of the rows that each fold is trained on.
COPIED_BYTES = 1 << 28

# Bytes of a block of dense rows, and nonzeros of one of sparse rows.
BLOCK_BYTES = 1 << 18
LEAST_ROWS, MOST_ROWS = 64, 16_384
BLOCK_NONZEROS = 1 << 20


def _ones(slopes):
    """Sums of columns are quickest as a product."""
    return np.ones(len(slopes), slopes.dtype)


class DenseBlock:
    """Centred and scaled rows Z."""

    def __init__(self, Z):
        self.Z = Z

    def only(self, rows):
        """Some rows of the block."""
        return DenseBlock(self.Z[rows])

    def scores(self, W, b):
        """Z W + b."""
        scores = self.Z @ W
        scores += b
        return scores

    def add_gradient(self, slopes, gradient):
        """Add Z' slopes, and their sums as the last row."""
        gradient[:-1] += self.Z.T @ slopes
        gradient[-1] += _ones(slopes) @ slopes


class SparseBlock:
    """CSR rows X as they are: parameters come, and gradients go, in their units."""

    def __init__(self, X):
        self.X = X

    def only(self, rows):
        """Some rows of the block."""
        return SparseBlock(self.X[rows])

    def scores(self, W, b):
        """X W + b."""
        scores = self.X @ W
        scores += b
        return scores

    def add_gradient(self, slopes, gradient):
        """Add X' slopes, and their sums as the last row."""
        gradient[:-1] += self.X.T @ slopes
        gradient[-1] += _ones(slopes) @ slopes


def block_of(X, model):
    """A block of rows as they come."""
    return SparseBlock(X) if sparse.issparse(X) else DenseBlock(centred(X, model))


def centred(X, model):
    """(X - mean) * scale in the precision of the model."""
    Z = X if model.mean is None else X - model.mean
    return Z if model.scale is None else Z * model.scale


class Table:
    """Rows in memory.

    Parameters
    ----------
    X : array or CSR matrix
    targets : array
        As ``Problem.coded`` gives them.
    model : LinearModel
    order : int64 array
        The rows that are looked at, in this order.
    """

    def __init__(self, X, targets, model, order):
        self.model = model
        self.X = X if _is_all(order, X.shape[0]) else X[order]
        self.targets = np.ascontiguousarray(targets[order])
        self.order = order
        self._blocks = None
        if sparse.issparse(X):
            per_row = max(1, self.X.nnz // max(1, len(order)))
            size = BLOCK_NONZEROS // per_row
            keeps = True
        else:
            size = BLOCK_BYTES // (model.n_features * model.dtype.itemsize)
            keeps = self.X.nbytes <= KEPT_BYTES
        self.size = int(min(max(size, LEAST_ROWS), MOST_ROWS))
        if keeps:
            self._blocks = list(self._made())

    @property
    def n_numbers(self):
        """Numbers that a product with one column reads."""
        return self.X.nnz if sparse.issparse(self.X) else self.X.size

    def pays_copies(self, n_folds):
        """Whether each fold may have a copy of its rows.

        Then no products are made for the rows held out.
        """
        size = 2 if sparse.issparse(self.X) else 1
        n_bytes = size * self.n_numbers * self.model.dtype.itemsize
        return self._blocks is not None and n_bytes * n_folds <= COPIED_BYTES

    def _made(self):
        for start in range(0, len(self.order), self.size):
            rows = slice(start, min(start + self.size, len(self.order)))
            yield block_of(self.X[rows], self.model), self.targets[rows], rows

    def __iter__(self):
        """Blocks with their targets, and which rows they are."""
        yield from self._made() if self._blocks is None else self._blocks


def _is_all(order, n):
    return len(order) == n and np.array_equal(order, np.arange(n))
