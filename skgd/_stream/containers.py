"""Rows of whatever holds rows: arrays, sparse matrices, data frames, lists.

Cutting and stacking only; what the rows mean is not known here.
"""

import numpy as np
from scipy import sparse


def package(value):
    """Name of the package that the type of a value comes from."""
    return type(value).__module__.partition(".")[0]


def is_arrow_table(value):
    return package(value) == "pyarrow" and hasattr(value, "column_names")


def is_frame(value):
    """Whether it is one table of pandas, polars or Arrow."""
    is_other = package(value) in ("pandas", "polars") and hasattr(value, "columns")
    return is_arrow_table(value) or (is_other and hasattr(value, "shape"))


def rows_of(X, start, stop):
    """Rows from `start` to `stop`, without a copy where that can be."""
    if hasattr(X, "iloc"):
        return X.iloc[start:stop]
    if package(X) == "pyarrow":
        return X.slice(start, stop - start)
    rows = X[start:stop]
    # A part of a memory map is an array like others, and quicker as one.
    return np.asarray(rows) if isinstance(rows, np.memmap) else rows


def stacked(parts):
    """Rows of several containers of one kind, one after the other."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if sparse.issparse(first):
        return sparse.vstack(parts, format="csr")
    if hasattr(first, "iloc"):
        import pandas as pd

        return pd.concat(parts, ignore_index=True)
    if package(first) == "polars":
        import polars as pl

        return pl.concat(parts, how="vertical_relaxed")
    if is_arrow_table(first):
        import pyarrow as pa

        return pa.concat_tables(parts, promote_options="permissive")
    if isinstance(first, list):
        return [row for part in parts for row in part]
    return np.concatenate([np.asarray(part) for part in parts])
