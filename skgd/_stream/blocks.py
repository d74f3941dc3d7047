"""Blocks of rows of one size, cut from batches of any size.

What is done with them is decided in ``_stream/epochs.py``; where batches come from is
the matter of ``_stream/source.py``.
"""

import threading
from contextlib import closing
from itertools import takewhile

import numpy as np
from scipy import sparse

from skgd._input.rows import Rows
from skgd._stream.prefetch import read_ahead

# Bytes of features in a block: enough for the work to outweigh handing it over, few
# enough for a handful of blocks not to matter.
BLOCK_BYTES = 8 * 2**20

# Rows of a block of sparse features, whose bytes are not known beforehand.
SPARSE_BLOCK_ROWS = 16_384


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

    @classmethod
    def of(cls, source, read, unit, shape, n_ahead):
        """A stream in blocks of whole units, for features of a `shape`.

        The former as of `block_rows`, and the latter its other arguments.
        """
        return cls(source, read, block_rows(unit, *shape), n_ahead)

    def blocks(self, keep=False):
        """One pass, as Rows that all count; see `Source.open` for `keep`."""
        n_rows = 0
        unwanted = threading.Event()
        blocks = self._cut(keep, unwanted)
        if self.n_ahead:
            blocks = read_ahead(blocks, self.n_ahead, unwanted)
        with closing(blocks):
            for rows in blocks:
                n_rows += rows.order.size
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

    def _cut(self, keep, unwanted):
        with closing(self.source.open(self.size, keep)) as batches:
            # A read that outlasted its run must not come to the estimator any more.
            wanted = takewhile(lambda batch: not unwanted.is_set(), batches)
            read = (self.read(*batch) for batch in wanted)
            yield from recut(read, self.size)


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
        start, n = 0, rows.order.size
        while start < n:
            stop = min(n, start + size - n_held)
            whole = stop - start == n
            held.append(rows if whole else taken(rows, slice(start, stop)))
            n_held += stop - start
            start = stop
            if n_held == size:
                yield joined(held)
                held, n_held = [], 0
    if held:
        yield joined(held)


def compressed(rows):
    """Only the rows that count, all of them in order."""
    return rows if rows.order.size == len(rows.y) else taken(rows, rows.order)


def taken(rows, index):
    """Some rows of those that all count, by slice or by number."""
    X = rows.X[index]
    y = rows.y[index]
    order = np.arange(X.shape[0])
    targets, weights = rows.targets[index], rows.weights[index]
    return Rows(X, targets, weights, order, y, as_they_came=True)


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
    order = np.arange(len(y))
    return Rows(X, targets, weights, order, y, as_they_came=True)
