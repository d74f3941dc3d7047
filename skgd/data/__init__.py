"""Streams of batches for ``fit_batches``, and scores of models that learn from them.

How a stream is trained on is not decided here.
"""

from skgd.data._arrays import from_arrays
from skgd.data._files import from_csv, from_parquet
from skgd.data._progressive import progressive_score

__all__ = ["from_arrays", "from_csv", "from_parquet", "progressive_score"]
