"""Scikit-learn estimators trained by gradient descent."""

import importlib

from skgd._descent.descent import descend, gradient_descent
from skgd._linear.estimators import GDClassifier, GDRegressor
from skgd._network.estimator import MLPGD
from skgd._training.loop import DivergenceWarning

__version__ = "0.1.0"

# Modules that ``skgd.name`` imports when it is first asked for.
_MODULES = (
    "activations",
    "callbacks",
    "dask",
    "data",
    "display",
    "export",
    "losses",
    "optimizers",
    "penalties",
    "pipeline",
    "schedules",
    "testing",
)

__all__ = [
    "MLPGD",
    "DivergenceWarning",
    "GDClassifier",
    "GDRegressor",
    "descend",
    "gradient_descent",
]


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"skgd.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_MODULES})
