"""Tables of files cut into features, target and weights, in batches.

What files of one kind look like inside is the matter of ``_csv.py`` and
``_parquet.py``; which files: ``_paths.py``.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from skgd._stream.tables import (
    as_frame,
    check_frame,
    is_text,
    no_numbers,
    values_of,
    what_it_holds,
    with_origin,
)
from skgd.data._arrays import BATCH_ROWS, check_batch_size
from skgd.data._paths import File


def pyarrow(module: str | None = None) -> Any:
    """Pyarrow or a module of it, or an error that says how to get it."""
    import importlib

    try:
        return importlib.import_module(f"pyarrow.{module}" if module else "pyarrow")
    except ImportError as error:
        raise ImportError(
            "Reading files needs pyarrow: pip install 'skgd[stream]'."
        ) from error


class TableBatches:
    """Batches of rows of files; made by `from_parquet` and `from_csv`.

    Subclasses know the columns of a file in ``_names``, the types of those wanted in
    ``_types(file)``, and yield tables and the number of their first row in
    ``_tables(file, names, n_rows)``.

    Attributes
    ----------
    frame : str
        The kind of frame that readers other than estimators get.
    """

    kind: str
    is_text = False
    _file_names: Callable[[File], list[str]]
    _types: Callable[[File], dict[str, Any]]
    _tables: Callable[[File, list[str], int], Iterator[Any]]

    def __init__(
        self,
        files: list[File],
        target: str,
        columns: str | Sequence[str] | None,
        sample_weight: str | None,
        batch_size: int | None,
        frame: str,
    ) -> None:
        self.files = files
        self.target = target
        self.sample_weight = sample_weight
        self.batch_size = check_batch_size(batch_size)
        self.frame = check_frame(frame)
        self.single = isinstance(columns, str)
        pyarrow()
        names = self._file_names(files[0])
        names = [*names, *(name for name in self._partitions if name not in names)]
        others = [target] if sample_weight is None else [target, sample_weight]
        if isinstance(columns, str):
            columns = [columns]
        if columns is None:
            columns = [name for name in names if name not in others]
        known = set(names)
        missing = [name for name in [*columns, *others] if name not in known]
        if missing:
            raise ValueError(
                f"{files[0].name} has no column {missing[0]!r}; it has {_few(names)}."
            )
        self.columns = list(columns)

    @functools.cached_property
    def _partitions(self):
        """Types of the columns that are names of folders, as pyarrow reads them."""
        pa = pyarrow()
        values: dict[str, list[str | None]] = {}
        for file in self.files:
            for name, value in file.partition.items():
                values.setdefault(name, []).append(value)
        columns = {}
        for name, texts in values.items():
            given = sorted({text for text in texts if text is not None})
            try:
                column = pa.array(map(int, given), "int32")
            except (ValueError, pa.ArrowInvalid):
                column = pa.array(given)
            positions = {text: i for i, text in enumerate(given)}
            columns[name] = column, positions
        return columns

    @functools.cached_property
    def _wanted(self):
        others = [self.target, self.sample_weight]
        names = [*self.columns, *(name for name in others if name is not None)]
        return list(dict.fromkeys(names))

    def __iter__(self) -> Iterator[Any]:
        return self.in_batches_of(BATCH_ROWS)

    def in_batches_of(self, n_rows: int) -> Iterator[Any]:
        """Batches of `batch_size` rows, or of `n_rows` if that was left open.

        X is a frame of the kind `frame`.
        """
        for X, *others in self.in_tables_of(n_rows):
            yield as_frame(X, self.frame), *others

    def in_tables_of(self, n_rows: int) -> Iterator[Any]:
        """The same with X as Arrow tables."""
        n_rows = self.batch_size or n_rows
        columns = self.columns
        first: dict[str, Any] = {}
        for file in self.files:
            partition = [name for name in self._wanted if name in file.partition]
            names = [name for name in self._wanted if name not in file.partition]
            self._check(file, names, first)
            for table, row in self._tables(file, names, n_rows):
                for name in partition:
                    table = self._with_partition(table, file, name)
                table = with_origin(
                    table,
                    file=file.name,
                    row=row,
                    text=self.is_text,
                    single=self.single,
                )
                y = self._target(table)
                X = table.select(columns)
                if self.sample_weight is None:
                    yield X, y
                else:
                    yield X, y, self._numbers(table, self.sample_weight)

    def _with_partition(self, table, file, name):
        pa = pyarrow()
        values, positions = self._partitions[name]
        text = file.partition[name]
        index = pa.array([None if text is None else positions[text]], "int32")
        index = index.take(pa.array(np.zeros(len(table), np.int64)))
        return table.append_column(name, pa.DictionaryArray.from_arrays(index, values))

    def _target(self, table):
        kind = table.schema.field(self.target).type
        fault = what_it_holds(kind)
        if fault and not is_text(kind):
            raise ValueError(no_numbers(self._role(self.target), fault, kind))
        return values_of(table, self.target)

    def _numbers(self, table, name):
        kind = table.schema.field(name).type
        fault = what_it_holds(kind)
        if fault:
            raise ValueError(no_numbers(self._role(name), fault, kind))
        return values_of(table, name)

    def _role(self, name):
        role = "the target" if name == self.target else "the weight"
        return f"{role} {name!r} of {self.files[0].name}"

    def _check(self, file, names, first):
        """ValueError for a column that a file lacks, or that is other than before."""
        types = self._types(file)
        for name in names:
            if name not in types:
                raise ValueError(
                    f"{file.name} has no column {name!r}, as {self.files[0].name}."
                )
            kind = _sort_of(types[name])
            if kind == "null":
                continue
            before = first.setdefault(name, (kind, types[name], file.name))
            if before[0] != kind:
                raise ValueError(
                    f"Column {name!r} holds {before[1]} in {before[2]} and "
                    f"{types[name]} in {file.name}: write it as one type."
                )

    def __repr__(self):
        return (
            f"from_{self.kind.lower()}({self.files[0].name!r}, "
            f"target={self.target!r}, {len(self.columns)} columns, "
            f"{len(self.files)} files)"
        )


def _few(names, most=20):
    """The names as they are, or the first of them."""
    if len(names) <= most:
        return names
    return f"{names[:most]} and {len(names) - most} more"


@functools.cache
def _sort_of(kind):
    """Types that may follow each other have one sort."""
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_null(kind):
        return "null"
    if is_text(kind):
        return "text"
    if types.is_boolean(kind) or not what_it_holds(kind):
        return "numbers"
    return what_it_holds(kind)
