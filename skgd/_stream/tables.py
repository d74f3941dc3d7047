"""Arrow tables as those who read a stream want them: numbers, or frames.

An estimator gets numbers; a transformer gets the kind of frame that it was fitted on.
A table remembers which rows of which file it holds, so that errors can name them.
"""

import functools
import importlib.util
import json

import numpy as np
from sklearn.base import BaseEstimator

from skgd._stream.containers import is_arrow_table

# Where a table says what it was read from, in the metadata of its schema.
ORIGIN = b"skgd"

FRAMES = ("auto", "pandas", "polars", "arrow")

# How deep in a fitted transformer its parts are looked at.
MOST_NESTED = 8


def with_origin(table, **origin):
    """The table with a note of what it was read from.

    Parameters
    ----------
    table : pyarrow.Table
    **origin : str, int or bool
        `file`, its name; `row`, the number of the first row in it, from 0; `text`,
        whether it was read from text; `single`, whether the one column is meant rather
        than a table of one column.
    """
    metadata = dict(table.schema.metadata or {})
    metadata[ORIGIN] = json.dumps(origin).encode()
    return table.replace_schema_metadata(metadata)


def origin_of(table):
    """What `with_origin` noted, as a dict."""
    return json.loads((table.schema.metadata or {}).get(ORIGIN, b"{}"))


def _place(table, name, index=None):
    """A column of a table in words, with the file and the row where they are known."""
    origin = origin_of(table)
    words = f"column {name!r}"
    if "file" in origin:
        words += f" of {origin['file']}"
    if index is not None:
        words = f"row {origin.get('row', 0) + index + 1} of {words}"
        words += ", counted from 1 without a header" if origin.get("text") else ""
    return words


# ---- numbers ------------------------------------------------------------------------


def what_it_holds(kind):
    """What a column of an Arrow type holds if it is no numbers, else ""."""
    from pyarrow import types

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
    if is_text(kind):
        return "text"
    if (
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
    ):
        return "bytes"
    return ""


def is_text(kind):
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    return (
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
    )


def _is_list(kind):
    from pyarrow import types

    lists = types.is_list(kind) or types.is_large_list(kind)
    return lists or types.is_fixed_size_list(kind)


def as_numbers(table):
    """The table with only numbers in it, as estimators read it.

    Decimals and coded numbers become floats, and a column of lists of k numbers becomes
    k columns.

    Parameters
    ----------
    table : pyarrow.Table

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    ValueError
        For a column that holds anything else, by its name.
    """
    import pyarrow as pa

    # Tables may have 40,000 columns; most of those have a single type.
    if all(map(_is_plain, set(table.schema.types))):
        return table
    names, columns = [], []
    for name, column in zip(table.column_names, table.columns, strict=True):
        if _is_list(column.type) and not what_it_holds(column.type.value_type):
            lists = _lists_as_array(table, name, column)
            names += [f"{name}_{i}" for i in range(lists.shape[1])]
            columns += [pa.chunked_array([values]) for values in lists.T]
            continue
        fault = what_it_holds(column.type)
        if fault:
            raise ValueError(no_numbers(_place(table, name), fault, column.type))
        names.append(name)
        columns.append(in_floats(column))
    metadata = table.schema.metadata
    return pa.table(columns, names=names).replace_schema_metadata(metadata)


def no_numbers(place, fault, kind):
    """The message about a column that an estimator cannot read."""
    return (
        f"{place[0].upper()}{place[1:]} holds {fault} ({kind}), which is no number. "
        "Turn it into numbers first: by a transformer in a StreamingPipeline, such as "
        "a fitted ColumnTransformer, or with pandas; or leave it out by naming the "
        "others in `columns`."
    )


def _is_plain(kind):
    from pyarrow import types

    is_number = types.is_integer(kind) or types.is_floating(kind)
    return is_number or types.is_boolean(kind)


def in_floats(column):
    """A column with decimals and coded numbers as floats, which NumPy has."""
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if types.is_decimal(column.type) or types.is_null(column.type):
        column = column.cast("float64")
    return column


def _lists_as_array(table, name, column):
    """Lists of one length as an array of shape (n_rows, length)."""
    import pyarrow.compute as pc

    lengths = pc.list_value_length(column).to_numpy().astype(float)
    other = np.flatnonzero(~(lengths == lengths[0]))
    if other.size or not lengths[0] > 0:
        index = other[0] if other.size else 0
        raise ValueError(
            f"{_place(table, name, int(index))} holds a list of another length than "
            "the rows before, or none: lists must have one length to be features."
        )
    values = pc.list_flatten(column)
    if values.null_count:
        index = int(np.flatnonzero(pc.is_null(values))[0] // lengths[0])
        raise ValueError(f"{_place(table, name, index)} holds a list with a gap.")
    return np.asarray(in_floats(values)).reshape(len(column), int(lengths[0]))


def raise_located(error, X):
    """Raise an error about NaN or infinity in rows of a file with the row it is in.

    Nothing is done about any other error.
    """
    text, place = str(error), ""
    if "NaN" in text or "infinity" in text:
        place = _first_fault(X) if is_arrow_table(X) else ""
    if place:
        raise ValueError(f"{text}\nThe first one is in {place}.") from error


def _first_fault(table):
    import pyarrow.compute as pc

    if "file" not in origin_of(table):
        return ""
    found = None
    for name, column in zip(table.column_names, table.columns, strict=True):
        bad = pc.is_null(column, nan_is_null=True)
        if str(column.type) in ("double", "float"):
            bad = pc.or_(bad, pc.fill_null(pc.is_inf(column), False))
        index = pc.index(bad, True).as_py()
        if index >= 0 and (found is None or index < found[1]):
            found = name, index
    return "" if found is None else _place(table, *found)


# ---- targets and weights ------------------------------------------------------------


def values_of(table, name):
    """A column of targets or weights as an array; ValueError if one is missing.

    Parameters
    ----------
    table : pyarrow.Table
    name : str

    Returns
    -------
    array of shape (n_rows,)
    """
    import pyarrow.compute as pc

    column = in_floats(table.column(name))
    index = pc.index(pc.is_null(column, nan_is_null=True), True).as_py()
    if index >= 0:
        hint = "Leave such rows out, or fill the gaps."
        if origin_of(table).get("text"):
            hint += " A text that is no gap is kept by `na_values`, `keep_default_na`."
        raise ValueError(
            f"Input contains NaN: {_place(table, name, index)}, lacks a value. {hint}"
        )
    return column.to_numpy()


# ---- frames -------------------------------------------------------------------------


def check_frame(kind):
    """ValueError unless it names a kind of frame."""
    if kind not in FRAMES:
        raise ValueError(f"frame must be one of {list(FRAMES)}, got {kind!r}.")
    return kind


@functools.cache
def usual_frame():
    """The kind of frame that people most probably have fitted on."""
    for kind in ("pandas", "polars"):
        if importlib.util.find_spec(kind):
            return kind
    return "arrow"


def as_frame(table, kind):
    """An Arrow table as a frame with what pandas or polars would read from the file.

    Parameters
    ----------
    table : pyarrow.Table
    kind : {'auto', 'pandas', 'polars', 'arrow'}
        'auto' is pandas if it is installed, else polars.

    Returns
    -------
    DataFrame, Series or pyarrow.Table
    """
    kind = usual_frame() if kind == "auto" else kind
    origin = origin_of(table)
    if kind == "polars":
        import polars as pl

        frame = pl.from_arrow(table)
    elif kind == "pandas":
        frame = _pandas_frame(table, origin.get("text", False))
    else:
        frame = table
    if origin.get("single"):
        name = table.column_names[0]
        return frame.column(name) if kind == "arrow" else frame[name]
    return frame


def _pandas_frame(table, from_text):
    frame = table.to_pandas(ignore_metadata=from_text)
    if from_text:
        # Where pandas reads truth values and gaps from text, a gap is NaN.
        for name, kind in zip(table.column_names, table.schema.types, strict=True):
            if kind == "bool" and frame[name].dtype == object:
                frame[name] = frame[name].fillna(np.nan)
    return frame


def frame_of(steps):
    """The kind of frame that fitted transformers were fitted on, as far as they show.

    A missing category is None where it came from polars and NaN where it came from
    pandas, and skrub's transformers note the package.

    Parameters
    ----------
    steps : list of estimators

    Returns
    -------
    str
        'auto' if nothing is known.
    """
    kinds = {kind for step in steps for kind in _marks(step, MOST_NESTED)}
    return kinds.pop() if len(kinds) == 1 else "auto"


def _marks(value, depth):
    if depth == 0:
        return
    if isinstance(value, (list, tuple)) and len(value) < 1000:
        for item in value:
            yield from _marks(item, depth - 1)
    elif isinstance(value, dict) and len(value) < 1000:
        yield from _marks(list(value.values()), depth - 1)
    elif isinstance(value, BaseEstimator):
        attributes = vars(value)
        if attributes.get("module_name_") in ("pandas", "polars"):
            yield attributes["module_name_"]
        for categories in attributes.get("categories_", ()):
            yield from _kind_of_gap(categories)
        yield from _marks(list(attributes.values()), depth - 1)


def _kind_of_gap(categories):
    if getattr(getattr(categories, "dtype", None), "kind", "") != "O":
        return
    has_none = any(category is None for category in categories)
    has_nan = any(isinstance(c, float) and np.isnan(c) for c in categories)
    if has_none != has_nan:
        yield "polars" if has_none else "pandas"
