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
        self._most = most
        self._head = []
        self._n_head = self._n_rows = 0
        self._weight = 0.0

    def begin_at(self, first, total):
        """Rows to come are those from number `first` on of `total` rows.

        What such surveys of neighbouring rows keep is together what one survey of all
        of them would have kept; see `add`.
        """
        self._n_head = min(first, self._most)
        for every in (self._sample, self._column):
            every.n_seen = first
            while -(-total // every.stride) > every.most:
                every.stride *= 2

    def add(self, other):
        """Take in the survey of the rows that follow, begun where this one ends."""
        self._head += other._head
        self._n_head = other._n_head
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

    @property
    def has_head(self):
        """Whether the first rows are complete."""
        return self._n_head == self._most

    def take(self, rows):
        """Measure some rows."""
        self.take_head(rows)
        self._sample.take(rows)
        nothing = np.empty((len(rows), 0))
        column = replace(rows, X=nothing)
        self._column.take(column)
        self._moments.update(rows.X, rows.weights)
        self._target_moments.update(rows.targets, rows.weights)
        self._n_rows += len(rows)
        self._weight += float(rows.weights.sum())

    def take_head(self, rows):
        """Keep rows until there are enough to judge by."""
        n = min(len(rows), self._most - self._n_head)
        if n:
            self._head.append(copied(taken(rows, slice(0, n))))
            self._n_head += n

    def first_rows(self):
        """What is known after the first rows alone; weights are used as given."""
        head = joined(self._head)
        return Surveyed(
            **_parts(head),
            n_rows=UNCOUNTED,
            head=head,
            column=head,
            moments=None,
            target_moments=None,
            mean_weight=1.0,
        )

    def all_rows(self):
        """What is known after a whole pass, the weights scaled to mean 1."""
        mean = self._weight / self._n_rows
        parts = [joined(self._head), self._sample.rows(), self._column.rows()]
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

    def take(self, rows):
        index = np.arange(-self.n_seen % self.stride, len(rows), self.stride)
        self.n_seen += len(rows)
        if not index.size:
            return
        self.kept.append(copied(taken(rows, index)))
        self.n_kept += index.size
        while self.n_kept > self.most:
            self.kept = [copied(taken(joined(self.kept), slice(None, None, 2)))]
            self.n_kept = len(self.kept[0])
            self.stride *= 2

    def rows(self):
        return joined(self.kept)


def copied(rows):
    """The rows without the batch that they are part of."""
    X = rows.X if sparse.issparse(rows.X) else np.array(rows.X)
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
    names = ("X", "targets", "weights", "order", "y")
    return {name: getattr(rows, name) for name in names}
