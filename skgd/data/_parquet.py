"""Batches of Parquet files, read by pyarrow."""

from collections.abc import Sequence
from typing import Any

from skgd.data._paths import files_of
from skgd.data._tables import TableBatches, pyarrow

SUFFIXES = (".parquet", ".pq")


class ParquetBatches(TableBatches):
    """Batches of Parquet files; made by `from_parquet`."""

    kind = "Parquet"

    def _open(self, file):
        parquet, lib = pyarrow("parquet"), pyarrow("lib")
        try:
            return parquet.ParquetFile(file.source())
        except lib.ArrowInvalid as error:
            hint = ""
            if file.name.lower().endswith((".csv", ".csv.gz", ".tsv", ".txt")):
                hint = " It looks like text: use from_csv."
            raise ValueError(
                f"{file.name} cannot be read as a Parquet file: {error}.{hint}"
            ) from error

    def _file_names(self, file):
        with self._open(file) as opened:
            schema = opened.schema_arrow
        # What pandas kept as the index of its frame is no column of it.
        described = schema.pandas_metadata or {}
        index = {
            name for name in described.get("index_columns", []) if isinstance(name, str)
        }
        index = {name for name in index if name.startswith("__index_level_")}
        return [name for name in schema.names if name not in index]

    def _types(self, file):
        with self._open(file) as opened:
            schema = opened.schema_arrow
            return dict(zip(schema.names, schema.types, strict=True))

    def _tables(self, file, names, n_rows):
        pa, row = pyarrow(), 0
        with self._open(file) as opened:
            for batch in opened.iter_batches(n_rows, columns=names):
                yield pa.Table.from_batches([batch]), row
                row += batch.num_rows


def from_parquet(
    path: Any,
    *,
    target: str,
    columns: str | Sequence[str] | None = None,
    sample_weight: str | None = None,
    batch_size: int | None = None,
    frame: str = "auto",
) -> ParquetBatches:
    """Batches of a Parquet file, or of all those in a folder.

    Parameters
    ----------
    path : str, path-like, file object or list of them
        File, folder or pattern such as ``~/data/2026-*.parquet``. The files of a folder
        are read in the order of their names, without those whose names begin with a
        dot or an underscore. The names of its folders are columns where they look like
        ``country=fr``. An open file is read from its start in each pass.
    target : str
        The column that holds y.
    columns : str or list of str, default=None
        The columns of features, in the order of the coefficients. By default all but
        `target` and `sample_weight`. One name that is not in a list means the column
        itself, not a table of one column, as text vectorizers want it.
    sample_weight : str, default=None
        The column that holds the weights of the rows.
    batch_size : int, default=None
        Rows of a batch. By default as many as `fit_batches` asks for; 65,536 for other
        readers.
    frame : {'auto', 'pandas', 'polars', 'arrow'}, default='auto'
        What transformers, and you, get as X. It should be what the transformers were
        fitted on: 'auto' is that as far as they show it, else pandas if it is
        installed, else polars. Estimators of `skgd` read the numbers without a frame
        between.

    Returns
    -------
    iterable of (X, y) or (X, y, sample_weight)
        Can be read any number of times. X holds what ``pandas.read_parquet`` (or
        polars) would have read.

    Raises
    ------
    ImportError
        Without pyarrow: ``pip install 'skgd[stream]'``.
    FileNotFoundError
        If there is no such file.
    ValueError
        If a file lacks a column. While it is read: if a target is missing, if a column
        is of another type in another file, and, where an estimator reads X itself, if a
        column is no numbers; the error names file, column and row.

    Notes
    -----
    A column of lists of k numbers, such as embeddings, is k features for an estimator,
    named after the column: ``name_0`` and so on. Missing numbers are refused by the
    estimators, as in `fit`.

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
    files = files_of(path, "parquet", SUFFIXES)
    return ParquetBatches(files, target, columns, sample_weight, batch_size, frame)
