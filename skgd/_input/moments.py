"""Weighted mean, variance and range of columns, at once or a chunk at a time.

Chunks are merged by the update of Chan, Golub and LeVeque (1983), which does not
cancel as the difference of large sums does. Where old rows are forgotten, the weight of
all before it is multiplied by what is left of them as each row is taken in.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from sklearn.utils.sparsefuncs import mean_variance_axis

from skgd._input.boundary import check_order, check_sizes
from skgd._input.rows import as_vector
from skgd._input.sparse import ranges_of_columns
from skgd._kernels.forgetting import left
from skgd._kernels.merging import merged
from skgd._registry import SAVED

# A column whose spread is this small against its size is rounding noise.
CONSTANT_COLUMN = 1e-12

# Sparse rows between which nothing of their range is forgotten.
FORGETTING_ROWS = 64

# The order that stands for all rows as they come.
EVERY_ROW = np.empty(0, np.int64)


@SAVED.named("moments")
@dataclass
class Moments:
    """Running moments of the columns of X.

    Attributes
    ----------
    weight : float
        Sum of the weights seen.
    mean, variance : float64 arrays of shape (n_features,)
    low, high : float64 arrays of shape (n_features,)
        The smallest and largest entries; inf and -inf before there are any.
    """

    weight: float
    mean: np.ndarray
    variance: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def empty(cls, n_features):
        zeros, infinite = np.zeros(n_features), np.full(n_features, np.inf)
        return cls(0.0, zeros, zeros.copy(), infinite, -infinite)

    @classmethod
    def of(cls, rows, seen=None, half_life=math.inf):
        """Moments of the rows that count, added to those `seen` before."""
        known = getattr(rows, "moments", None)
        if known is not None:
            return known
        moments = cls.empty(rows.X.shape[1]) if seen is None else seen.copy()
        every = rows.order.size == rows.X.shape[0]
        order = None if every else rows.order
        return moments.update(rows.X, rows.weights, order, half_life)

    def copy(self):
        """Moments to go on from; these stay as they are."""
        return Moments(self.weight, self.mean, self.variance, self.low, self.high)

    def reduced(self, share):
        """The same moments, as if all rows had had this share of their weight."""
        return replace(self, weight=share * self.weight)

    def update(self, X, weights, order=None, half_life=math.inf):
        """Take in rows with their weights (none negative, not all zero).

        `order` says which rows count, and in which order; by default all do. With a
        `half_life`, each row that counts makes those before it older by one.
        """
        n_rows, n_features = X.shape
        sizes = weights.size, self.mean.size, self.variance.size
        if sizes != (n_rows, n_features, n_features):
            check_sizes(
                "the moments",
                weights=(weights, n_rows),
                mean=(self.mean, n_features),
                variance=(self.variance, n_features),
            )
        if order is not None:
            check_order(order, X.shape[0])
        if sparse.issparse(X):
            if order is not None:
                X, weights = X[order], weights[order]
            if half_life < math.inf:
                return self._update_forgetting(X, weights, half_life)
            if len(weights) == 1 and weights[0] == 1.0:
                return self._add_sparse_row(X)
            # The helper works in X's precision, and wants weights in it.
            mean, variance = mean_variance_axis(
                X.astype(np.float64, copy=False),
                axis=0,
                weights=np.asarray(weights, np.float64),
            )
            self._merge(float(weights.sum()), mean, variance)
            low, high = ranges_of_columns(X)
            self.low = np.minimum(self.low, low)
            self.high = np.maximum(self.high, high)
            return self
        rows = EVERY_ROW if order is None else order
        chunks = MomentsOfChunks(X.dtype, n_features, half_life)
        vars(self).update(vars(chunks.after(self, X, weights, rows)))
        return self

    def _add_sparse_row(self, X):
        """Take in a row of weight one, which is its own mean: without a detour."""
        row = np.zeros(X.shape[1])
        row[X.indices] = X.data
        self._merge(1.0, row, np.zeros_like(row))
        self.low, self.high = np.minimum(self.low, row), np.maximum(self.high, row)
        return self

    def _update_forgetting(self, X, weights, half_life):
        """Take in sparse rows, those of a block all at once.

        Mean and variance are those of one row after the other; the range of a block
        is taken in when all rows before it have been forgotten by as much as they will
        be at its end, with no row of its own forgotten.
        """
        n_rows = X.shape[0]
        for start in range(0, n_rows, FORGETTING_ROWS):
            block = X[start : start + FORGETTING_ROWS]
            weight = np.asarray(weights[start : start + FORGETTING_ROWS], np.float64)
            counts = weight > 0.0
            if not counts.any():
                continue
            # Rows that follow, those of weight zero left out.
            age = counts[::-1].cumsum()[::-1] - counts
            kept = left(half_life, int(counts.sum()))
            self.weight *= kept
            self._contract(math.sqrt(kept))
            self.update(block, weight * left(half_life, age))
        return self

    def _contract(self, share):
        """Bring the range nearer to the mean."""
        if self.weight > 0.0:
            self.low = self.mean + share * (self.low - self.mean)
            self.high = self.mean + share * (self.high - self.mean)

    def reach(self, centre):
        """How far the entries of each column reach from `centre`."""
        return np.maximum(self.high - centre, centre - self.low)

    def add(self, other):
        """Take in rows whose moments are known."""
        if other.weight > 0.0:
            self._merge(other.weight, other.mean, other.variance)
            self.low = np.minimum(self.low, other.low)
            self.high = np.maximum(self.high, other.high)
        return self

    def _merge(self, weight, mean, variance):
        total = self.weight + weight
        share = weight / total
        # What overflows here is told by name where the moments are used.
        with np.errstate(over="ignore", invalid="ignore"):
            self.mean, self.variance = merged(
                share, self.mean, self.variance, mean, variance
            )
        self.weight = total


class MomentsOfChunks:
    """Moments of dense rows, prepared for chunk after chunk of one kind.

    Parameters
    ----------
    dtype : float32 or float64
    n_features : int
    half_life : float, default=inf
        Rows after which half of the weight of a row is left.
    """

    def __init__(self, dtype, n_features, half_life=math.inf):
        from skgd._kernels import moments

        self._half_life = half_life
        if half_life < math.inf:
            self._kernel = moments.compiled_update_forgetting(dtype)
            return
        self._kernel = moments.compiled_update(dtype)
        self._workspace = tuple(
            moments.Workspace(
                rows=np.empty(moments.BLOCK_ROWS, np.int64),
                weights=np.empty(moments.BLOCK_ROWS),
                block=np.empty((moments.BLOCK_ROWS + 2, moments.BLOCK_COLUMNS)),
                origin=np.empty(n_features),
            )
        )

    def after(self, before, X, weights, order=EVERY_ROW):
        """`Moments` of the rows of X and of those `before`, which stay as they are.

        `order` has the rows that count; empty stands for all of them.
        """
        from skgd._kernels.moments import Columns

        columns = Columns(
            mean=before.mean.copy(),
            variance=before.variance.copy(),
            low=before.low.copy(),
            high=before.high.copy(),
        )
        given = self._arguments(X, weights, order, before.weight, tuple(columns))
        return Moments(self._kernel(*given), *columns)

    def fixed(self, X, weights, columns):
        """The same for rows that change where they lie, and columns that do.

        Parameters
        ----------
        X, weights : arrays
        columns : tuple of arrays
            mean, variance, low and high.

        Returns
        -------
        call : skgd._kernels.fixed.FixedCall
        weight : float64 array of shape (1,)
            Of the rows before the call, and after it.
        """
        from skgd._kernels.fixed import FixedCall

        call = FixedCall(
            self._kernel, self._arguments(X, weights, EVERY_ROW, 0.0, tuple(columns))
        )
        weight = call.cell(1, np.float64)
        call.returns_into(weight)
        return call, weight

    def _arguments(self, X, weights, order, weight, columns):
        """What the kernel is given."""
        from skgd._kernels.moments import Table

        vector, step = as_vector(X)
        table = Table(X=X, vector=vector, step=step, weights=weights, order=order)
        if self._half_life < math.inf:
            return tuple(table), weight, self._half_life, columns
        return tuple(table), weight, columns, self._workspace


def exceeds_rounding(variance, mean):
    """Which columns have a variance that is not rounding noise of their size."""
    return variance > (CONSTANT_COLUMN * mean) ** 2


@SAVED.named("seen")
@dataclass
class Seen:
    """Moments of all rows of a stream so far, and what follows from them.

    Attributes
    ----------
    features, targets : Moments
    spread : float
        Standard deviation of the targets when the coordinates were last made.
    curvature : float or None
        Of the loss, from the rows at hand at that time; None if nobody asked.
    """

    features: Moments
    targets: Moments
    spread: float = 1.0
    curvature: float | None = None

    def reduced(self, share):
        """As if all rows had had this share of their weight."""
        features = self.features
        if features is not None:
            features = features.reduced(share)
        return replace(self, features=features, targets=self.targets.reduced(share))

    @classmethod
    def after(cls, rows, before=None, half_life=math.inf):
        """With the rows added to those seen `before`, which stay as they are."""
        if before is None:
            targets = Moments.empty(rows.targets.shape[1])
            before = cls(None, targets)
        targets = before.targets.copy()
        known = getattr(rows, "target_moments", None)
        if known is not None and len(rows) > rows.order.size:
            # The targets at hand are a sample of these.
            targets.add(known)
        else:
            order = None if rows.as_they_came else rows.order
            targets.update(rows.targets, rows.weights, order, half_life)
        features = Moments.of(rows, before.features, half_life)
        return cls(features, targets, before.spread, before.curvature)
