"""A stream of batches: what may be passed, and how it is opened for each pass.

How batches are cut into blocks: ``_stream/blocks.py``; adapters for files are in
``skgd.data``; what becomes of Arrow tables: ``_stream/tables.py``.
"""

import os
from collections.abc import Mapping
from contextlib import closing
from numbers import Number

import numpy as np
from scipy import sparse
from sklearn.utils.validation import _num_samples

from skgd._input.validation import refuse_foreign
from skgd._stream.containers import is_arrow_table, is_frame, package, stacked
from skgd._stream.tables import as_frame, as_numbers

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
        fresh iterator, an object with ``__len__`` and ``__getitem__``, an iterator
        that can be read once, or one table, if `target` is given. Its items are
        batches or single rows. One with a method ``in_batches_of(n_rows)`` is asked for
        batches of the size that needs no copies, one with ``in_tables_of(n_rows)`` for
        Arrow tables, and one whose `unchanging` is True is searched for NaN in the
        first pass only.
    target : str or None
        The column that holds y, where the batches are tables.
    frames : str or None
        What becomes of Arrow tables: frames of this kind (see `as_frame`) where
        transformers look at them, or, by default, numbers. A kind that the user gave
        to the reader of files comes first.
    """

    def __init__(self, batches, target=None, frames=None):
        if is_frame(batches):
            if target is None:
                raise ValueError(
                    f"batches is one {type(batches).__name__}. Name the column that "
                    "holds y, fit_batches(frame, target=...), or use fit(X, y)."
                )
            batches = [batches]
        iterates = hasattr(batches, "__iter__")
        is_path = isinstance(batches, (str, bytes, os.PathLike))
        if is_path or not (
            iterates
            or callable(batches)
            or (hasattr(batches, "__len__") and hasattr(batches, "__getitem__"))
        ):
            hint = ""
            if is_path:
                reader = "from_csv"
                if os.fsdecode(batches).endswith((".parquet", ".pq")):
                    reader = "from_parquet"
                hint = (
                    " For a file, use skgd.data: "
                    f"fit_batches({reader}({os.fsdecode(batches)!r}, target=...))."
                )
            raise TypeError(
                "batches must be an iterable of (X, y) or (X, y, sample_weight), or a "
                f"function that returns one, got {type(batches).__name__}.{hint}"
            )
        self.batches = batches
        self.target = target
        self.frames = frames
        given = getattr(batches, "frame", "auto")
        if frames is not None and given != "auto":
            self.frames = given
        self.once = iterates and iter(batches) is batches
        self.unchanging = getattr(batches, "unchanging", False)
        self._kept = []

    def require_again(self, reason):
        """ValueError if the stream can be read only once."""
        if self.once:
            name = type(self.batches).__name__
            raise ValueError(ONCE.format(batches=f"This {name}", reason=reason))

    def open(self, n_rows, keep=False, n_single=None, again=None):
        """The batches as tuples (X, y) or (X, y, sample_weight), empty ones left out.

        Parameters
        ----------
        n_rows : int
            The size of batch that would suit.
        keep : bool
            Whether the batches are to come again in the next pass, if there can be none
            otherwise.
        n_single : int, optional
            Rows of a batch where the stream yields single rows; `n_rows` by default.
        again : str, optional
            The reason for a pass that there must be more of, as of `require_again`.
        """
        if again is not None:
            self.require_again(again)
        parts = (_split(item, self.target) for item in self._opened(n_rows, keep))
        for batch in gathered(parts, n_single or n_rows):
            X, *others = batch
            if not _num_samples(X):
                continue
            if type(X) is not np.ndarray and is_arrow_table(X):
                X = as_numbers(X) if self.frames is None else as_frame(X, self.frames)
            yield X, *others

    def first(self, n_rows):
        """The first batch of `open`, which is not lost where there is only one pass."""
        with closing(self.open(n_rows, keep=True)) as batches:
            for batch in batches:
                return batch
        raise ValueError("The stream yields no rows.")

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
    for method in ("in_tables_of", "in_batches_of"):
        if hasattr(batches, method):
            return getattr(batches, method)(n_rows)
    if hasattr(batches, "__iter__"):
        return iter(batches)
    if callable(batches):
        return iter(batches())
    return (batches[i] for i in range(len(batches)))


# ---- single rows --------------------------------------------------------------------


def gathered(parts, n_rows):
    """Batches of `n_rows` where a stream yields single rows, as datasets of PyTorch do.

    Parameters
    ----------
    parts : iterable of tuples (X, y) or (X, y, sample_weight)
    n_rows : int

    Yields
    ------
    tuple
    """
    held = []
    for part in parts:
        if not _is_row(*part[:2]):
            yield part
            continue
        held.append(part)
        if len(held) == n_rows:
            yield _batch_of(held)
            held = []
    if held:
        yield _batch_of(held)


def _is_row(X, y):
    """Whether X is one row: y is one number or label, or is no column beside X."""
    if isinstance(y, (str, bytes, Number)) or getattr(y, "shape", None) == ():
        return True
    is_vector = isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype.kind in "fiub"
    return is_vector and np.ndim(y) == 1 and len(y) != len(X)


def _batch_of(rows):
    X, *others = zip(*rows, strict=True)
    return _rows_together(X), *(np.asarray(values) for values in others)


def _rows_together(rows):
    first = rows[0]
    if isinstance(first, (str, bytes, Mapping)):
        return list(rows)
    if sparse.issparse(first) or getattr(first, "ndim", 1) == 2:
        return stacked(rows)
    return np.stack([np.asarray(row) for row in rows])


# ---- what a stream yields -----------------------------------------------------------


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
    """Data of Arrow and PyTorch as what scikit-learn reads best; others as they are."""
    if type(part) is np.ndarray:
        return part
    home = package(part)
    if home == "torch":
        return _from_torch(part)
    if home != "pyarrow":
        return part
    if not hasattr(part, "column_names"):
        return np.asarray(part)
    return as_table(part) if type(part).__name__ == "RecordBatch" else part


def _from_torch(tensor):
    """The array that a tensor in main memory is; others are refused."""
    if getattr(getattr(tensor, "device", None), "type", None) != "cpu":
        refuse_foreign(batches=tensor)
    if "sparse" in str(tensor.layout):
        raise TypeError(
            "The stream yields sparse tensors; hand over tensor.to_dense() or a CSR "
            "matrix of SciPy."
        )
    # NumPy has no bfloat16.
    tensor = tensor.float() if "bfloat16" in str(tensor.dtype) else tensor
    return tensor.detach().numpy()
