"""Batches of Parquet and CSV files, read by pyarrow.

What is read stays an Arrow table, so the names of the columns reach the estimator.
"""

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from skgd._stream.source import as_table
from skgd.data._arrays import BATCH_ROWS, check_batch_size

# Bytes of text that are parsed at a time.
CSV_BLOCK = 8 * 2**20


def _pyarrow(module):
    """A module of pyarrow, or an error that says how to get it."""
    import importlib

    try:
        return importlib.import_module(f"pyarrow.{module}")
    except ImportError as error:
        raise ImportError(
            "Reading files needs pyarrow: pip install 'skgd[stream]'."
        ) from error


class TableBatches:
    """Tables cut into features, target and weights; see `from_parquet`, `from_csv`.

    Subclasses yield tables in ``_tables(n_rows)`` and know their ``_schema``.
    """

    suffix: str
    _schema: Any
    _tables: Callable[[int], Iterator[Any]]

    def __init__(
        self,
        path: Any,
        target: str,
        columns: Sequence[str] | None,
        sample_weight: str | None,
        batch_size: int | None,
    ) -> None:
        self.files = _files(path, self.suffix)
        self.target = target
        self.sample_weight = sample_weight
        self.batch_size = check_batch_size(batch_size)
        names = self._names()
        others = [target] if sample_weight is None else [target, sample_weight]
        if columns is None:
            columns = [name for name in names if name not in others]
        missing = [name for name in [*columns, *others] if name not in names]
        if missing:
            raise ValueError(
                f"{self.files[0]} has no column {missing[0]!r}; it has {names}."
            )
        self.columns = list(columns)
        self._check_types(self._schema, self.files[0])

    def _names(self):
        return self._schema.names

    def _check_types(self, schema, path):
        """ValueError for a column that holds no numbers, by its name."""
        for name in self._wanted:
            if name not in schema.names:
                raise ValueError(f"{path} has no column {name!r}, as {self.files[0]}.")
            kind, labels = schema.field(name).type, name == self.target
            fault = _fault(kind, labels)
            if fault:
                role = "The target" if labels else "Column"
                raise ValueError(
                    f"{role} {name!r} of {path} holds {fault} ({kind}), which is no "
                    "number. Turn it into numbers first, for example with pandas, or "
                    "leave it out by naming the others in `columns`."
                )

    @property
    def _wanted(self):
        others = (
            [self.target]
            if self.sample_weight is None
            else [
                self.target,
                self.sample_weight,
            ]
        )
        return list(dict.fromkeys([*self.columns, *others]))

    def __iter__(self) -> Iterator[Any]:
        return self.in_batches_of(BATCH_ROWS)

    def in_batches_of(self, n_rows: int) -> Iterator[Any]:
        """Batches of `batch_size` rows, or of `n_rows` if that was left open."""
        for table in self._tables(self.batch_size or n_rows):
            X = _in_floats(table.select(self.columns))
            y = _column(table, self.target)
            if self.sample_weight is None:
                yield X, y
            else:
                yield X, y, _column(table, self.sample_weight)

    def __repr__(self):
        return (
            f"from_{self.suffix[1:]}({os.fspath(self.files[0])!r}, "
            f"target={self.target!r}, {len(self.columns)} columns, "
            f"{len(self.files)} files)"
        )


def _files(path, suffix):
    """Existing files: the one named, those of a list, or those in a folder by name."""
    if not isinstance(path, (str, os.PathLike)):
        files = [file for one in path for file in _files(one, suffix)]
        if not files:
            raise FileNotFoundError(f"The list of {suffix[1:]} files is empty.")
        return files
    path = Path(path)
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.rglob(f"*{suffix}") if file.is_file())
    if not files or not files[0].exists():
        raise FileNotFoundError(f"There is no {suffix[1:]} file at {path}.")
    return files


def _fault(kind, labels):
    """What a column of an Arrow type holds if it is no numbers, else "".

    Labels may be text.
    """
    types = _pyarrow("types")
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_date(kind) or types.is_timestamp(kind):
        return "dates"
    if types.is_time(kind):
        return "times of day"
    if types.is_duration(kind) or types.is_interval(kind):
        return "durations"
    if types.is_nested(kind):
        return "lists or records"
    is_text = types.is_string(kind) or types.is_large_string(kind)
    if not labels and (is_text or types.is_string_view(kind)):
        return "text"
    if (
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
    ):
        return "bytes"
    return ""


def _in_floats(table):
    """The table with decimals and coded numbers as floats, which NumPy has."""
    types = _pyarrow("types")
    for i, field in enumerate(table.schema):
        column = table.column(i)
        if types.is_dictionary(field.type):
            column = column.cast(field.type.value_type)
        if types.is_decimal(column.type) or types.is_null(column.type):
            column = column.cast("float64")
        if column is not table.column(i):
            table = table.set_column(i, field.name, column)
    return table


def _column(table, name):
    """One column as an array; ValueError if a label is missing."""
    column = _in_floats(table.select([name])).column(0)
    types = _pyarrow("types")
    is_number = types.is_integer(column.type) or types.is_floating(column.type)
    if column.null_count and not is_number:
        raise ValueError(f"Column {name!r} lacks a value in {column.null_count} rows.")
    return column.to_numpy()


class ParquetBatches(TableBatches):
    """Batches of Parquet files; made by `from_parquet`."""

    suffix = ".parquet"

    @property
    def _schema(self):
        with _explained(self.files[0], "a Parquet file"):
            return _pyarrow("parquet").read_schema(self.files[0])

    def _tables(self, n_rows):
        parquet = _pyarrow("parquet")
        for path in self.files:
            with parquet.ParquetFile(path) as file:
                self._check_types(file.schema_arrow, path)
                for batch in file.iter_batches(n_rows, columns=self._wanted):
                    yield as_table(batch)


class CSVBatches(TableBatches):
    """Batches of CSV files; made by `from_csv`."""

    suffix = ".csv"

    @property
    def _kind(self):
        return f"CSV text in {self.encoding}"

    def __init__(self, path, target, columns, sample_weight, batch_size, encoding):
        self.encoding = encoding
        super().__init__(path, target, columns, sample_weight, batch_size)

    def _open(self, path, columns=None, types=None):
        csv = _pyarrow("csv")
        convert = csv.ConvertOptions(include_columns=columns, column_types=types)
        read = csv.ReadOptions(block_size=CSV_BLOCK, encoding=self.encoding)
        with _explained(path, self._kind):
            return csv.open_csv(path, read_options=read, convert_options=convert)

    @functools.cached_property
    def _schema(self):
        path = self.files[0]
        with self._open(path) as reader, _explained(path, self._kind):
            schema = reader.schema
            # Names are decoded when they are asked for.
            _ = schema.names
        return schema

    def _types(self):
        """Types of the columns: numbers that begin as integers may go on as others."""
        types = _pyarrow("types")
        fields = [self._schema.field(name) for name in self._wanted]
        return {
            field.name: "float64"
            if types.is_integer(field.type) or types.is_null(field.type)
            else field.type
            for field in fields
        }

    def _tables(self, n_rows):
        for path in self.files:
            with self._open(path, self._wanted, self._types()) as reader:
                while True:
                    with _explained(path, self._kind):
                        batch = next(iter(reader), None)
                    if batch is None:
                        break
                    table = as_table(batch)
                    for start in range(0, table.num_rows, n_rows):
                        yield table.slice(start, n_rows)

    def in_batches_of(self, n_rows):
        """Batches of `batch_size` rows, or of `n_rows` if that was left open."""
        were_integers = _pyarrow("types").is_integer(
            self._schema.field(self.target).type
        )
        for X, y, *weights in super().in_batches_of(n_rows):
            if were_integers and (y == np.floor(y)).all():
                y = y.astype(np.int64)
            yield X, y, *weights


@contextmanager
def _explained(path, kind):
    """Errors of pyarrow as a ValueError that names the file."""
    invalid = _pyarrow("lib").ArrowInvalid
    try:
        yield
    except (invalid, UnicodeDecodeError) as error:
        hint = ""
        text = str(error)
        if "UTF8" in text or isinstance(error, UnicodeDecodeError):
            hint = " If the text is in another encoding, name it: encoding='latin-1'."
        elif "conversion error" in text:
            hint = (
                " The type of a column is taken from its first rows: make the column "
                "one of numbers throughout, or leave it out by naming the others in "
                "`columns`."
            )
        raise ValueError(f"{path} cannot be read as {kind}: {text}.{hint}") from error


def from_parquet(
    path: Any,
    *,
    target: str,
    columns: Sequence[str] | None = None,
    sample_weight: str | None = None,
    batch_size: int | None = None,
) -> ParquetBatches:
    """Batches of a Parquet file, or of all those in a folder.

    Parameters
    ----------
    path : str, path-like or list of them
        File or folder. The files of a folder are read in the order of their names.
    target : str
        The column that holds y.
    columns : list of str, default=None
        The columns of features, in the order of the coefficients. By default all but
        `target` and `sample_weight`.
    sample_weight : str, default=None
        The column that holds the weights of the rows.
    batch_size : int, default=None
        Rows of a batch. By default as many as `fit_batches` asks for; 65,536 for other
        readers.

    Returns
    -------
    iterable of (X, y) or (X, y, sample_weight)
        X is an Arrow table. Can be read any number of times.

    Raises
    ------
    ImportError
        Without pyarrow: ``pip install 'skgd[stream]'``.
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file lacks a column, or one holds dates, durations, text (but for the
        target) or anything else that is no number; the error names it.

    Examples
    --------
    >>> import os, tempfile
    >>> import pyarrow as pa, pyarrow.parquet
    >>> from skgd import GDRegressor
    >>> from skgd.data import from_parquet
    >>> path = os.path.join(tempfile.mkdtemp(), "table.parquet")
    >>> table = {"a": [1.0, 2, 3, 4], "b": [0.0, 1, 0, 1], "y": [2.0, 5, 6, 9]}
    >>> pa.parquet.write_table(pa.table(table), path)
    >>> model = GDRegressor(solver="batch")
    >>> model = model.fit_batches(from_parquet(path, target="y"))
    >>> model.feature_names_in_.tolist(), model.coef_.round(2).tolist()
    (['a', 'b'], [2.0, 1.0])
    """
    return ParquetBatches(path, target, columns, sample_weight, batch_size)


def from_csv(
    path: Any,
    *,
    target: str,
    columns: Sequence[str] | None = None,
    sample_weight: str | None = None,
    batch_size: int | None = None,
    encoding: str = "utf8",
) -> CSVBatches:
    """Batches of a CSV file with a header line, or of all those in a folder.

    Text is parsed anew in each epoch, at a tenth or so of the speed of Parquet: for
    more than a few epochs convert the file once.

    Parameters
    ----------
    path : str, path-like or list of them
        File or folder. The files of a folder are read in the order of their names.
    target : str
        The column that holds y.
    columns : list of str, default=None
        The columns of features, in the order of the coefficients. By default all but
        `target` and `sample_weight`.
    sample_weight : str, default=None
        The column that holds the weights of the rows.
    batch_size : int, default=None
        Rows of a batch, at most. By default as many as `fit_batches` asks for; 65,536
        for other readers.
    encoding : str, default='utf8'
        Encoding of the text, such as 'latin-1'.

    Returns
    -------
    iterable of (X, y) or (X, y, sample_weight)
        X is an Arrow table. Can be read any number of times.

    Raises
    ------
    ImportError
        Without pyarrow: ``pip install 'skgd[stream]'``.
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file lacks a column, or one holds dates, durations, text (but for the
        target) or anything else that is no number; the error names it.

    Examples
    --------
    >>> import os, tempfile
    >>> from skgd import GDClassifier
    >>> from skgd.data import from_csv
    >>> path = os.path.join(tempfile.mkdtemp(), "table.csv")
    >>> with open(path, "w") as file:
    ...     _ = file.write("height,kind\\n1.0,cat\\n1.2,cat\\n3.0,dog\\n3.1,dog\\n")
    >>> model = GDClassifier().fit_batches(from_csv(path, target="kind"))
    >>> model.predict(next(iter(from_csv(path, target="kind")))[0]).tolist()
    ['cat', 'cat', 'dog', 'dog']
    """
    return CSVBatches(path, target, columns, sample_weight, batch_size, encoding)
