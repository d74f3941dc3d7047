"""Batches of CSV files, read by pyarrow as pandas would read them.

The types of columns are decided before the first pass, on more than the first lines.
"""

import csv
import functools
import io
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from skgd._stream.tables import is_text, no_numbers, what_it_holds
from skgd.data._paths import files_of
from skgd.data._tables import TableBatches, pyarrow

SUFFIXES = tuple(f".csv{suffix}" for suffix in ("", ".gz", ".bz2", ".zst", ".lz4"))

# Bytes of text that are parsed at a time.
CSV_BLOCK = 8 * 2**20

# Bytes of text that the types of the columns are decided on, over all files, the least
# of one file, and the files that are looked at.
LOOK_BYTES = 64 * 2**20
LEAST_LOOK = 2**20
MOST_FILES = 64

BYTE_ORDER_MARK = "\ufeff"

# The texts that pandas reads as a gap.
GAPS = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND",
    "1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip


@dataclass(frozen=True)
class Dialect:
    """How numbers and gaps are written; see `from_csv`."""

    sep: str
    decimal: str
    thousands: str | None
    encoding: str
    gaps: tuple[str, ...]


class CSVBatches(TableBatches):
    """Batches of CSV files; made by `from_csv`."""

    kind = "CSV"
    is_text = True
    _last_header: tuple[Any, list[str]] = (None, [])

    def __init__(self, *arguments: Any, dialect: Dialect, dtype: Any) -> None:
        self.dialect = dialect
        self.dtype = {name: _arrow_type(name, kind) for name, kind in dtype.items()}
        super().__init__(*arguments)
        known = set(self._file_names(self.files[0]))
        for name in self.dtype:
            if name not in known:
                raise ValueError(f"dtype: {self.files[0].name} has no column {name!r}.")

    # ---- one file ------------------------------------------------------------------

    def _open(self, file, names=None, types=None, block=None, threads=True, bad=None):
        arrow, dialect = pyarrow("csv"), self.dialect
        renamed = self._renamed(file)
        with self._explained(file):
            return arrow.open_csv(
                file.source(),
                read_options=arrow.ReadOptions(
                    block_size=block or CSV_BLOCK,
                    encoding=dialect.encoding,
                    column_names=renamed,
                    skip_rows=1 if renamed else 0,
                    use_threads=threads,
                ),
                parse_options=arrow.ParseOptions(
                    delimiter=dialect.sep,
                    newlines_in_values=True,
                    invalid_row_handler=bad,
                ),
                convert_options=arrow.ConvertOptions(
                    include_columns=names,
                    column_types=types,
                    null_values=dialect.gaps,
                    strings_can_be_null=True,
                    decimal_point=dialect.decimal,
                ),
            )

    def _header(self, file):
        """The names in the first line, as they are; those of the last file are kept."""
        if self._last_header[0] is not file:
            self._last_header = file, self._read_header(file)
        return self._last_header[1]

    def _read_header(self, file):
        pa, dialect = pyarrow(), self.dialect
        if file.first_bytes(4) == b"PAR1":
            raise ValueError(f"{file.name} is a Parquet file: use from_parquet.")
        compression = "detect" if file.opened is None else None
        with (
            self._explained(file),
            pa.input_stream(file.source(), compression=compression) as opened,
            io.TextIOWrapper(opened, dialect.encoding, newline="") as text,
        ):
            for names in csv.reader(text, delimiter=dialect.sep):
                if names:
                    names[0] = names[0].removeprefix(BYTE_ORDER_MARK)
                    return names
        raise ValueError(f"{file.name} is empty; its first line should name columns.")

    def _file_names(self, file):
        return self._renamed(file) or self._header(file)

    def _renamed(self, file):
        """Names as pandas makes them unique, or None if they are."""
        header = self._header(file)
        if "" not in header and len(set(header)) == len(header):
            return None
        names, taken = [], set()
        for i, name in enumerate(header):
            base = name = name or f"Unnamed: {i}"
            n = 0
            while name in taken:
                n += 1
                name = f"{base}.{n}"
            taken.add(name)
            names.append(name)
        return names

    def _types(self, file):
        kinds = self._columns.kinds
        unknown = pyarrow().null()
        return {name: kinds.get(name, unknown) for name in self._file_names(file)}

    def _tables(self, file, names, n_rows):
        pa, columns, row = pyarrow(), self._columns, 0
        types = {name: columns.read_as(name) for name in names}
        with self._open(file, names, types) as reader:
            while True:
                with self._explained(file, names):
                    batch = next(iter(reader), None)
                    if batch is None:
                        break
                    table = columns.converted(pa.Table.from_batches([batch]))
                for start in range(0, table.num_rows, n_rows):
                    yield table.slice(start, n_rows), row + start
                row += table.num_rows

    def _target(self, table):
        seen = self._columns.seen.get(self.target)
        if seen is not None:
            self._refuse_dates(seen)
        y = super()._target(table)
        # Labels that may be followed by fractions are integers as long as they can.
        if self.target in self._columns.loose and (y == np.floor(y)).all():
            y = y.astype(np.int64)
        return y

    def _refuse_dates(self, kind):
        fault = what_it_holds(kind)
        if fault and not is_text(kind):
            raise ValueError(no_numbers(self._role(self.target), fault, kind))

    # ---- types of columns ----------------------------------------------------------

    @functools.cached_property
    def _columns(self):
        """What the columns hold, by a look at all files, or at many."""
        step = -(-len(self.files) // MOST_FILES)
        looked_at = self.files[::step]
        share = max(LEAST_LOOK, LOOK_BYTES // len(looked_at))
        known = set(self._partitions)
        names = [name for name in self._wanted if name not in known]
        given = {k: v for k, v in self.dtype.items() if k in set(names)}
        columns = Columns(self.dialect, given, all_seen=step == 1)
        for file in looked_at:
            there = set(self._file_names(file))
            wanted = [name for name in names if name in there]
            texts = dict.fromkeys(given, "string")
            with self._open(file, wanted, texts, block=share) as reader:
                with self._explained(file):
                    batch = next(iter(reader), None)
                    if batch is None:
                        continue
                columns.look(batch)
                # Text beyond the first piece is read in the first pass only.
                columns.all_seen &= _has_ended(reader)
        columns.decide()
        return columns

    # ---- errors --------------------------------------------------------------------

    @contextmanager
    def _explained(self, file, names=None):
        """Errors of pyarrow as a ValueError that names file, column and row."""
        lib = pyarrow("lib")
        try:
            yield
        except (lib.ArrowInvalid, lib.ArrowKeyError, UnicodeDecodeError) as error:
            text = str(error)
            hint = ""
            if "UTF8" in text or isinstance(error, UnicodeDecodeError):
                hint = (
                    " If the text is in another encoding, name it: encoding='latin-1'."
                )
            elif "CSV parse error" in text:
                hint = self._wrong_row(file)
            elif names is not None:
                hint = self._wrong_value(file, names)
            message = f"{file.name} cannot be read as CSV text in "
            message += f"{self.dialect.encoding}: {text}.{hint}"
            raise ValueError(message) from error

    def _wrong_row(self, file):
        """Where the first row of a wrong width is, by another look."""
        found = []

        def note(row):
            found.append(row.number)
            return "skip"

        names = self._file_names(file)
        with self._open(file, names[:1], None, None, False, note) as reader:
            while not found and next(iter(reader), None) is not None:
                pass
        if not found or found[0] is None:
            return ""
        return (
            f" It is line {found[0]}. Quote texts that hold {self.dialect.sep!r}, or "
            "name another separator: sep=';'."
        )

    def _wrong_value(self, file, names):
        """Where the first value is that does not have the type of its column."""
        lib, row = pyarrow("lib"), 0
        texts = dict.fromkeys(names, "string")
        with self._open(file, names, texts, None, False) as reader:
            while (batch := next(iter(reader), None)) is not None:
                for name in names:
                    column = batch.column(batch.schema.get_field_index(name))
                    kind = self._columns.kinds[name]
                    try:
                        self._columns.cast(column, kind, True)
                        continue
                    except lib.ArrowInvalid:
                        pass
                    index = self._columns.first_fault(column, kind)
                    value = column[index].as_py()
                    return (
                        f" The value {value!r} of column {name!r} in row "
                        f"{row + index + 1}, counted from 1 without the header, is no "
                        f"{kind}, as the rows before. Name the type, as in "
                        f"dtype={{{name!r}: str}}, name the text as a gap, as in "
                        f"na_values=[{value!r}], or leave the column out by naming the "
                        "others in `columns`."
                    )
                row += batch.num_rows
        return ""


def _has_ended(reader):
    lib = pyarrow("lib")
    try:
        return next(iter(reader), None) is None
    except lib.ArrowInvalid:
        return False


class Columns:
    """What the columns of CSV files hold, decided on what has been seen of them.

    Parameters
    ----------
    dialect : Dialect
    given : dict of str to pyarrow.DataType
        Types that the user named.
    all_seen : bool
        Whether all rows of all files are looked at.

    Attributes
    ----------
    seen : dict of str to pyarrow.DataType
        What the texts looked like.
    kinds : dict of str to pyarrow.DataType
        What they are read as.
    grouped : set of str
        Columns of numbers with separators of thousands.
    loose : set of str
        Columns that began as integers and may go on otherwise.
    """

    def __init__(self, dialect, given, all_seen):
        self.dialect = dialect
        self.given = given
        self.all_seen = all_seen
        self.seen: dict[str, Any] = {}
        self.kinds: dict[str, Any] = {}
        self.grouped: set[str] = set()
        self.loose: set[str] = set()
        self._gaps: set[str] = set()
        self._apart: set[str] = set()

    def look(self, batch):
        """Take in some rows."""
        from pyarrow import types

        for i, field in enumerate(batch.schema):
            name, kind = field.name, field.type
            if name in self.given:
                continue
            column = batch.column(i)
            if column.null_count:
                self._gaps.add(name)
            if types.is_string(kind) and self.dialect.thousands:
                kind = self._without_thousands(name, column)
            self.seen[name] = _common(self.seen.get(name), kind)

    def _without_thousands(self, name, column):
        """The type of the numbers that the texts are, if they all are."""
        pa, lib = pyarrow(), pyarrow("lib")
        for kind in (pa.int64(), pa.float64()):
            try:
                self.cast(column, kind, True)
            except lib.ArrowInvalid:
                continue
            self.grouped.add(name)
            return kind
        return pa.string()

    def decide(self):
        """Settle what each column is read as."""
        from pyarrow import types

        pa = pyarrow()
        for name, kind in self.seen.items():
            if types.is_integer(kind) and (not self.all_seen or name in self._gaps):
                # Later rows may hold fractions or gaps.
                self.loose.add(name)
                kind = pa.float64()
            elif types.is_null(kind):
                kind = pa.float64()
            elif not (types.is_boolean(kind) or types.is_floating(kind)):
                # pandas reads dates as the texts that they are.
                kind = kind if types.is_integer(kind) else pa.string()
            self.kinds[name] = kind
        self.kinds |= self.given
        self._apart = {
            name
            for name, kind in self.kinds.items()
            if self.dialect.thousands
            and (name in self.grouped or name in self.given)
            and (types.is_integer(kind) or types.is_floating(kind))
        }

    def read_as(self, name):
        """The type that pyarrow is to parse a column as."""
        pa = pyarrow()
        return pa.string() if name in self._apart else self.kinds.get(name, pa.null())

    def converted(self, table):
        """The table with numbers for texts that are numbers with thousands."""
        for name in self._apart.intersection(table.column_names):
            i = table.schema.get_field_index(name)
            column = self.cast(table.column(i), self.kinds[name], True)
            table = table.set_column(i, name, column)
        return table

    def cast(self, column, kind, grouped):
        """Texts as another type; ArrowInvalid if one is not."""
        pc = pyarrow("compute")
        from pyarrow import types

        if types.is_integer(kind) or types.is_floating(kind):
            column = pc.utf8_trim_whitespace(column)
            if grouped and self.dialect.thousands:
                column = pc.replace_substring(column, self.dialect.thousands, "")
            if self.dialect.decimal != ".":
                column = pc.replace_substring(column, self.dialect.decimal, ".")
        if types.is_dictionary(kind):
            kind = kind.value_type
        return pc.cast(column, kind)

    def first_fault(self, column, kind):
        """Where the first text is that cannot be cast, by halving."""
        lib = pyarrow("lib")
        low, high = 0, len(column)
        while high - low > 1:
            middle = (low + high) // 2
            try:
                self.cast(column.slice(low, middle - low), kind, True)
                low = middle
            except lib.ArrowInvalid:
                high = middle
        return low


def _common(first, second):
    """The narrowest type that pandas would read both as."""
    from pyarrow import types

    if first is None or types.is_null(first) or first == second:
        return second
    if types.is_null(second):
        return first
    numbers = [
        types.is_integer(kind) or types.is_floating(kind) for kind in (first, second)
    ]
    return pyarrow().float64() if all(numbers) else pyarrow().string()


def _arrow_type(name, kind):
    """The Arrow type that the user means: of Python, NumPy, or a name of either."""
    pa = pyarrow()
    if isinstance(kind, pa.DataType):
        return kind
    names = {
        "str": "string",
        "category": "category",
        "int": "int64",
        "float": "float64",
    }
    if kind is str or (isinstance(kind, str) and kind in ("str", "string", "object")):
        return pa.string()
    if kind == "category":
        return pa.dictionary(pa.int32(), pa.string())
    try:
        if isinstance(kind, str):
            return pa.type_for_alias(names.get(kind, kind))
        return pa.from_numpy_dtype(np.dtype(kind))
    except (TypeError, ValueError, pa.ArrowNotImplementedError):
        raise ValueError(
            f"dtype of column {name!r} must be str, float, int, bool, 'category' or a "
            f"type of NumPy or Arrow, got {kind!r}."
        ) from None


def from_csv(
    path: Any,
    *,
    target: str,
    columns: str | Sequence[str] | None = None,
    sample_weight: str | None = None,
    batch_size: int | None = None,
    frame: str = "auto",
    sep: str = ",",
    decimal: str = ".",
    thousands: str | None = None,
    encoding: str = "utf8",
    na_values: str | Iterable[str] = (),
    keep_default_na: bool = True,
    dtype: Mapping[str, Any] | None = None,
) -> CSVBatches:
    """Batches of a CSV file with a header line, or of all those in a folder.

    What `pandas.read_csv` reads, with its names for the options. Text is parsed anew in
    each epoch, at a tenth or so of the speed of Parquet: for more than a few epochs
    convert the file once.

    Parameters
    ----------
    path : str, path-like, file object or list of them
        File, folder or pattern such as ``~/data/2026-*.csv``; compressed files end in
        .gz, .bz2, .zst or .lz4. The files of a folder are read in the order of their
        names, without those whose names begin with a dot or an underscore. The names
        of its folders are columns where they look like ``country=fr``. An open file
        is read from its start in each pass.
    target : str
        The column that holds y.
    columns : str or list of str, default=None
        The columns of features, in the order of the coefficients. By default all but
        `target` and `sample_weight`. One name that is not in a list means the column
        itself, not a table of one column, as text vectorizers want it.
    sample_weight : str, default=None
        The column that holds the weights of the rows.
    batch_size : int, default=None
        Rows of a batch, at most. By default as many as `fit_batches` asks for; 65,536
        for other readers.
    frame : {'auto', 'pandas', 'polars', 'arrow'}, default='auto'
        What transformers, and you, get as X. It should be what the transformers were
        fitted on: 'auto' is that as far as they show it, else pandas if it is
        installed, else polars. Estimators of `skgd` read the numbers without a frame
        between.
    sep : str, default=','
        One character that separates the columns.
    decimal : str, default='.'
        The decimal point.
    thousands : str, default=None
        The separator of thousands, as in "1,234.5".
    encoding : str, default='utf8'
        Encoding of the text, such as 'latin-1'.
    na_values : str or list of str, default=()
        Texts that mark a gap, beside those that pandas knows: an empty field, "NA",
        "NaN", "NULL", "None", "n/a" and the like.
    keep_default_na : bool, default=True
        Whether the texts that pandas knows are gaps.
    dtype : dict of str to type, default=None
        Types of columns: `str`, `float`, `int`, `bool`, 'category', or a type of NumPy
        or Arrow. ``{"zip": str}`` keeps leading zeros.

    Returns
    -------
    iterable of (X, y) or (X, y, sample_weight)
        Can be read any number of times.

    Raises
    ------
    ImportError
        Without pyarrow: ``pip install 'skgd[stream]'``.
    FileNotFoundError
        If there is no such file.
    ValueError
        If a file lacks a column. While it is read: if a target is missing, if a value
        has not the type of its column, if a row has another number of fields, and,
        where an estimator reads X itself, if a column is no numbers; the error names
        file, column and row.

    Notes
    -----
    Types that `dtype` does not name are decided before the first pass on the first
    64 MiB of text: on all rows of smaller files, else on the beginning of each file (of
    64 of them, if there are more). Where that is not all, integers are read as floats,
    because fractions and gaps may follow. Dates stay the texts that they are.

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
    marks = [na_values] if isinstance(na_values, str) else list(na_values)
    gaps = tuple(dict.fromkeys([*(GAPS if keep_default_na else ()), *map(str, marks)]))
    if len(sep) != 1 or len(decimal) != 1 or thousands == decimal:
        raise ValueError(
            "sep and decimal must be one character, and thousands another one than "
            f"decimal; got sep={sep!r}, decimal={decimal!r}, thousands={thousands!r}."
        )
    suffixes = (*SUFFIXES, ".tsv") if sep == "\t" else SUFFIXES
    return CSVBatches(
        files_of(path, "csv", suffixes),
        target,
        columns,
        sample_weight,
        batch_size,
        frame,
        dialect=Dialect(sep, decimal, thousands, encoding, gaps),
        dtype=dict(dtype or {}),
    )
