"""Batches of Parquet and CSV files, read by pyarrow.

What is read stays an Arrow table, so the names of the columns reach the estimator.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

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

    Subclasses yield tables in ``_tables(n_rows)`` and know the names in ``_names()``.
    """

    suffix: str
    _names: Callable[[], Sequence[str]]
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
            X = table.select(self.columns)
            y = table.column(self.target).to_numpy()
            if self.sample_weight is None:
                yield X, y
            else:
                weights = table.column(self.sample_weight)
                yield X, y, weights.to_numpy()

    def __repr__(self):
        return (
            f"from_{self.suffix[1:]}({os.fspath(self.files[0])!r}, "
            f"target={self.target!r}, {len(self.columns)} columns, "
            f"{len(self.files)} files)"
        )


def _files(path, suffix):
    """Existing files: the one named, those of a list, or those in a folder by name."""
    if not isinstance(path, (str, os.PathLike)):
        return [file for one in path for file in _files(one, suffix)]
    path = Path(path)
    files = sorted(path.rglob(f"*{suffix}")) if path.is_dir() else [path]
    if not files or not files[0].exists():
        raise FileNotFoundError(f"There is no {suffix[1:]} file at {path}.")
    return files


class ParquetBatches(TableBatches):
    """Batches of Parquet files; made by `from_parquet`."""

    suffix = ".parquet"

    def _names(self):
        return _pyarrow("parquet").read_schema(self.files[0]).names

    def _tables(self, n_rows):
        parquet = _pyarrow("parquet")
        for path in self.files:
            with parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(n_rows, columns=self._wanted):
                    yield as_table(batch)


class CSVBatches(TableBatches):
    """Batches of CSV files; made by `from_csv`."""

    suffix = ".csv"

    def _open(self, path, columns=None):
        csv = _pyarrow("csv")
        convert = csv.ConvertOptions(include_columns=columns)
        read = csv.ReadOptions(block_size=CSV_BLOCK)
        return csv.open_csv(path, read_options=read, convert_options=convert)

    def _names(self):
        with self._open(self.files[0]) as reader:
            return reader.schema.names

    def _tables(self, n_rows):
        for path in self.files:
            with self._open(path, self._wanted) as reader:
                for batch in reader:
                    table = as_table(batch)
                    for start in range(0, table.num_rows, n_rows):
                        yield table.slice(start, n_rows)


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
        If the file lacks a column.

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
        If the file lacks a column.

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
    return CSVBatches(path, target, columns, sample_weight, batch_size)
