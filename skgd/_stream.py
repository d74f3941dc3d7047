"""A stream of batches: what may be passed, how it is opened, checked and cut.

It yields blocks of rows of one size, whatever the sizes of the batches. What is done
with them is decided in ``_stream_epochs.py``; adapters for files are in ``skgd.data``.
"""

from contextlib import closing

import numpy as np
from scipy import sparse
from sklearn.utils.validation import _num_samples

from skgd._data import Rows
from skgd._prefetch import read_ahead

# Bytes of features in a block: enough for the work to outweigh handing it over, few
# enough for a handful of blocks not to matter.
BLOCK_BYTES = 8 * 2**20

# Rows of a block of sparse features, whose bytes are not known beforehand.
SPARSE_BLOCK_ROWS = 16_384

# Sums of gradients are rounded in shards of this many rows; blocks that hold whole
# shards give the same sums as one large table.
SHARD_ROWS = 1024

ONCE = (
    "{batches} can be read only once, and {reason}. Pass a function that opens it anew "
    "for each pass, for example fit_batches(lambda: open_batches(...)), or a list."
)


class Source:
    """What the user passed as `batches`, to be opened for each pass.

    Parameters
    ----------
    batches : iterable or callable
        An iterable that can be read again, a function without arguments that returns a
        fresh iterator, an object with ``__len__`` and ``__getitem__``, or an iterator
        that can be read once. One with a method ``in_batches_of(n_rows)`` is asked for
        batches of the size that needs no copies, and one whose `unchanging` is True is
        searched for NaN in the first pass only.
    target : str or None
        The column that holds y, where the batches are tables.
    """

    def __init__(self, batches, target=None):
        iterates = hasattr(batches, "__iter__")
        if not (
            iterates
            or callable(batches)
            or (hasattr(batches, "__len__") and hasattr(batches, "__getitem__"))
        ):
            raise TypeError(
                "batches must be an iterable of (X, y) or (X, y, sample_weight), or a "
                f"function that returns one, got {type(batches).__name__}."
            )
        self.batches = batches
        self.target = target
        self.once = iterates and iter(batches) is batches
        self.unchanging = getattr(batches, "unchanging", False)
        self._kept = []

    def require_again(self, reason):
        """ValueError if the stream can be read only once."""
        if self.once:
            name = type(self.batches).__name__
            raise ValueError(ONCE.format(batches=f"This {name}", reason=reason))

    def open(self, n_rows, keep=False):
        """The batches as tuples (X, y) or (X, y, sample_weight), empty ones left out.

        Parameters
        ----------
        n_rows : int
            The size of batch that would suit.
        keep : bool
            Whether the batches are to come again in the next pass, if there can be none
            otherwise.
        """
        for item in self._opened(n_rows, keep):
            parts = _split(item, self.target)
            if _num_samples(parts[0]):
                yield parts

    def _opened(self, n_rows, keep):
        if not self.once:
            yield from _fresh(self.batches, n_rows)
            return
        kept, self._kept = self._kept, []
        if keep:
            self._kept = kept.copy()
        while kept:
            yield kept.pop(0)
        for item in self.batches:
            if keep:
                self._kept.append(item)
            yield item


def _fresh(batches, n_rows):
    if hasattr(batches, "in_batches_of"):
        return batches.in_batches_of(n_rows)
    if hasattr(batches, "__iter__"):
        return iter(batches)
    if callable(batches):
        return iter(batches())
    return (batches[i] for i in range(len(batches)))


def _split(item, target):
    """(X, y) or (X, y, sample_weight) of what a stream yields."""
    if target is not None:
        return _split_table(item, target)
    if isinstance(item, (tuple, list)) and len(item) in (2, 3):
        return tuple(_named(part) for part in item)
    raise ValueError(
        "A stream must yield (X, y) or (X, y, sample_weight), got "
        f"{type(item).__name__}. If its batches are tables, name the column that holds "
        "y: fit_batches(batches, target=...). For one table, use fit(X, y)."
    )


def _split_table(table, target):
    if not hasattr(table, "columns"):
        raise ValueError(
            f"target={target!r} names a column of tables, but the stream yields "
            f"{type(table).__name__}."
        )
    if hasattr(table, "iloc"):
        return table.drop(columns=target), table[target]
    if hasattr(table, "drop_columns"):
        return _named(table.drop_columns([target])), np.asarray(table.column(target))
    return table.drop(target), table[target]


def as_table(batch):
    """An Arrow table of an Arrow batch; scikit-learn reads names of tables only."""
    import pyarrow

    return pyarrow.Table.from_batches([batch])


def _named(part):
    """Arrow's data as what scikit-learn reads best; other data as they are."""
    if type(part).__module__.partition(".")[0] != "pyarrow":
        return part
    if not hasattr(part, "column_names"):
        return np.asarray(part)
    return as_table(part) if type(part).__name__ == "RecordBatch" else part


def block_rows(unit, n_features, itemsize, is_sparse):
    """Rows of a block: about `BLOCK_BYTES`, and whole units.

    Parameters
    ----------
    unit : int
        Rows that belong together: a batch, or a shard of a sum.
    n_features, itemsize : int
    is_sparse : bool

    Returns
    -------
    int
    """
    rows = BLOCK_BYTES // max(1, n_features * itemsize)
    if is_sparse:
        rows = SPARSE_BLOCK_ROWS
    return unit * max(1, rows // unit)


class Stream:
    """Blocks of rows, pass after pass.

    Parameters
    ----------
    source : Source
    read : callable(X, y, sample_weight) -> Rows
        Checks a batch and encodes its targets.
    size : int
        Rows of each block but the last.
    n_ahead : int
        Blocks read ahead in a background thread.
    n_rows : int or None
        Rows of a pass; None if nobody has counted yet.
    """

    def __init__(self, source, read, size, n_ahead, n_rows=None):
        self.source = source
        self.read = read
        self.size = size
        self.n_ahead = n_ahead
        self.n_rows = n_rows

    def blocks(self, keep=False):
        """One pass, as Rows that all count; see `Source.open` for `keep`."""
        n_rows = 0
        with closing(read_ahead(self._cut(keep), self.n_ahead)) as blocks:
            for rows in blocks:
                n_rows += len(rows)
                yield rows
        if self.n_rows is None and n_rows:
            self.n_rows = n_rows
        if n_rows == 0 or n_rows != self.n_rows:
            expected = "at least one"
            if self.n_rows is not None:
                expected = f"{self.n_rows}, as before"
            raise ValueError(
                f"The stream yielded {n_rows} rows in this pass, expected {expected}. "
                "Each pass must give the same rows: a function passed as `batches` "
                "must return a fresh iterator each time it is called. (Rows of weight "
                "zero are not counted.)"
            )

    def _cut(self, keep):
        batches = self.source.open(self.size, keep)
        with closing(batches):
            yield from recut((self.read(*batch) for batch in batches), self.size)


def recut(batches, size):
    """Rows in blocks of exactly `size`, the last one smaller.

    Batches that end on block ends, and the inside of large ones, are not copied.

    Parameters
    ----------
    batches : iterable of Rows
    size : int

    Yields
    ------
    Rows
    """
    held, n_held = [], 0
    for rows in batches:
        start = 0
        while start < len(rows):
            stop = min(len(rows), start + size - n_held)
            held.append(taken(rows, slice(start, stop)))
            n_held += stop - start
            start = stop
            if n_held == size:
                yield joined(held)
                held, n_held = [], 0
    if held:
        yield joined(held)


def compressed(rows):
    """Only the rows that count, all of them in order."""
    return rows if len(rows) == rows.X.shape[0] else taken(rows, rows.order)


def taken(rows, index):
    """Some rows of those that all count, by slice or by number."""
    X = rows.X[index]
    y = rows.y[index]
    order = np.arange(X.shape[0])
    return Rows(X, rows.targets[index], rows.weights[index], order, y)


def joined(parts):
    """Rows that all count, one after the other."""
    if len(parts) == 1:
        return parts[0]
    is_sparse = sparse.issparse(parts[0].X)
    features = [part.X for part in parts]
    X = sparse.vstack(features, format="csr") if is_sparse else np.concatenate(features)
    targets = np.concatenate([part.targets for part in parts])
    y = np.concatenate([part.y for part in parts])
    if all(part.weights.strides == (0,) for part in parts):
        # One number for all, as in a table: sums of them may round differently.
        weights = np.broadcast_to(parts[0].weights[0], y.shape[:1])
    else:
        weights = np.concatenate([part.weights for part in parts])
    return Rows(X, targets, weights, np.arange(len(y)), y)
