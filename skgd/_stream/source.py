"""A stream of batches: what may be passed, and how it is opened for each pass.

How batches are cut into blocks: ``_stream/blocks.py``; adapters for files are in
``skgd.data``.
"""

import numpy as np
from sklearn.utils.validation import _num_samples

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
