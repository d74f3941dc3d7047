"""Streams of batches for ``fit_batches``, and scores of models that learn from them.

How a stream is trained on is not decided here.
"""

from skgd.data._arrays import from_arrays
from skgd.data._csv import from_csv
from skgd.data._parquet import from_parquet
from skgd.data._progressive import progressive_score

__all__ = ["from_arrays", "from_csv", "from_parquet", "progressive_score"]
