"""Estimators for tables in a Dask cluster: arrays, data frames, delayed parts.

Needs the extra "dask": ``pip install "skgd[dask]"``.
"""

try:
    import dask.array  # noqa: F401
    import distributed  # noqa: F401
except ImportError as error:
    raise ImportError(
        "skgd.dask needs dask and distributed: pip install 'skgd[dask]'."
    ) from error

from skgd.dask._estimators import DaskGDClassifier, DaskGDRegressor, DaskMLPGD

__all__ = ["DaskGDClassifier", "DaskGDRegressor", "DaskMLPGD"]
