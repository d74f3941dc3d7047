"""What a first pass over a stream measures, for what ``fit`` reads off its table.

Counts, moments and samples of the rows; what follows from them is decided elsewhere.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from skgd._input.moments import Moments
from skgd._input.rows import Rows
from skgd._stream.blocks import joined, taken

# Rows kept of the features, and the numbers they may take.
SAMPLE_ROWS = 10_000
SAMPLE_VALUES = 4_000_000

# Targets kept, for statistics that are no moments.
SAMPLE_TARGETS = 2**20

# Rows of a stream that nobody has counted: more than any number asked about.
UNCOUNTED = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Surveyed(Rows):
    """A sample of a stream's rows, with what is known of all of them.

    ``len`` is the number of rows of the stream; `X`, `targets`, `weights` and `order`
    are those of a sample.

    Attributes
    ----------
    n_rows : int
        Rows of the stream that count.
    head : Rows
        Its first rows.
    column : Rows
        A larger sample without features.
    moments : Moments or None
        Of the features of all rows; None if they were not measured.
    target_moments : Moments or None
        Of their targets.
    mean_weight : float
        What the weights were divided by.
    """

    n_rows: int
    head: Rows
    column: Rows
    moments: Moments | None
    target_moments: Moments | None
    mean_weight: float

    def __len__(self):
        return self.n_rows

    def measured_by(self, units):
        measured = super().measured_by(units)
        return replace(measured, column=self.column.measured_by(units))

    def visited_weights(self):
        return self.column.weights

    def visited_targets(self):
        return self.column.targets


class Head:
    """The first rows of a stream, taken in block by block.

    Parameters
    ----------
    n_features : int
    most : int, optional
        Rows that are kept.
    """

    def __init__(self, n_features, most=None):
        self.most = sample_rows(n_features) if most is None else most
        self.parts = []
        self.n_rows = 0

    def take(self, rows):
        """Keep rows until there are enough to judge by; whether there are."""
        n = min(rows.order.size, self.most - self.n_rows)
        if n:
            whole = n == rows.order.size
            self.parts.append(copied(rows if whole else taken(rows, slice(0, n))))
            self.n_rows += n
        return self.n_rows == self.most

    def alone(self):
        """What is known after the first rows alone; weights are used as given."""
        head = joined(self.parts)
        return Surveyed(
            **_parts(head),
            n_rows=UNCOUNTED,
            head=head,
            column=head,
            moments=None,
            target_moments=None,
            mean_weight=1.0,
        )


class Survey:
    """Takes in the rows of a stream, block by block.

    Parameters
    ----------
    n_features, n_targets : int
    most : int, optional
        Rows that are kept with their features.
    """

    def __init__(self, n_features, n_targets, most=None):
        most = sample_rows(n_features) if most is None else most
        self._sample = EverySo(most)
        self._column = EverySo(SAMPLE_TARGETS)
        self._moments = Moments.empty(n_features)
        self._target_moments = Moments.empty(n_targets)
        self._head = Head(n_features, most)
        self._n_rows = 0
        self._weight = 0.0

    def begin_at(self, first, total):
        """Rows to come are those from number `first` on of `total` rows.

        What such surveys of neighbouring rows keep is together what one survey of all
        of them would have kept; see `add`.
        """
        self._head.n_rows = min(first, self._head.most)
        for every in (self._sample, self._column):
            every.n_seen = first
            while -(-total // every.stride) > every.most:
                every.stride *= 2

    def add(self, other):
        """Take in the survey of the rows that follow, begun where this one ends."""
        self._head.parts += other._head.parts
        self._head.n_rows = other._head.n_rows
        for every, others in (
            (self._sample, other._sample),
            (self._column, other._column),
        ):
            every.kept += others.kept
            every.n_seen, every.n_kept = others.n_seen, every.n_kept + others.n_kept
        self._moments.add(other._moments)
        self._target_moments.add(other._target_moments)
        self._n_rows += other._n_rows
        self._weight += other._weight

    def take(self, rows):
        """Measure some rows."""
        self._head.take(rows)
        self._sample.take(rows)
        n_rows = rows.order.size
        nothing = np.empty((n_rows, 0))
        column = replace(rows, X=nothing)
        self._column.take(column)
        self._moments.update(rows.X, rows.weights)
        self._target_moments.update(rows.targets, rows.weights)
        self._n_rows += n_rows
        self._weight += float(rows.weights.sum())

    def all_rows(self):
        """What is known after a whole pass, the weights scaled to mean 1."""
        mean = self._weight / self._n_rows
        parts = [joined(self._head.parts), self._sample.rows(), self._column.rows()]
        head, sample, column = (scaled(part, mean) for part in parts)
        for moments in (self._moments, self._target_moments):
            moments.weight /= mean
        return Surveyed(
            **_parts(sample),
            n_rows=self._n_rows,
            head=head,
            column=column,
            moments=self._moments,
            target_moments=self._target_moments,
            mean_weight=mean,
        )


def sample_rows(n_features):
    """Rows that are kept with their features."""
    return min(SAMPLE_ROWS, max(1, SAMPLE_VALUES // n_features))


class EverySo:
    """Every s-th row, s the smallest power of two that leaves at most `most`.

    Evenly spaced, so that sorted streams are seen from end to end, and independent of
    how the rows come in blocks.
    """

    def __init__(self, most):
        self.most = most
        self.stride = 1
        self.n_seen = self.n_kept = 0
        self.kept = []

    @classmethod
    def of_rows(cls, n_features):
        """For rows that are kept with so many features."""
        return cls(sample_rows(n_features))

    def take(self, rows):
        n_rows, first = rows.order.size, -self.n_seen % self.stride
        self.n_seen += n_rows
        if first >= n_rows:
            return
        if self.stride > 1:
            rows = taken(rows, np.arange(first, n_rows, self.stride))
        self.kept.append(copied(rows))
        self.n_kept += rows.order.size
        while self.n_kept > self.most:
            self.kept = [copied(taken(joined(self.kept), slice(None, None, 2)))]
            self.n_kept = self.kept[0].order.size
            self.stride *= 2

    def rows(self):
        return joined(self.kept)


def copied(rows):
    """The rows without the batch that they are part of."""
    X = rows.X.copy() if sparse.issparse(rows.X) else np.array(rows.X)
    weights = rows.weights
    if weights.strides != (0,):
        weights = np.array(weights)
    targets, y = np.array(rows.targets), np.array(rows.y)
    return replace(rows, X=X, targets=targets, weights=weights, y=y)


def scaled(rows, mean_weight):
    """The rows with their weights divided."""
    if mean_weight == 1.0:
        return rows
    return replace(rows, weights=rows.weights / mean_weight)


def _parts(rows):
    names = ("X", "targets", "weights", "order", "y", "as_they_came")
    return {name: getattr(rows, name) for name in names}
