"""Estimators for tables in a Ray cluster: references to parts, and datasets.

Needs the extra "ray": ``pip install "skgd[ray]"``.
"""

try:
    import ray  # noqa: F401
except ImportError as error:
    raise ImportError("skgd.ray needs ray: pip install 'skgd[ray]'.") from error

from skgd.ray._estimators import RayGDClassifier, RayGDRegressor, RayMLPGD

__all__ = ["RayGDClassifier", "RayGDRegressor", "RayMLPGD"]
