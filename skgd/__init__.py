"""Scikit-learn estimators trained by gradient descent."""

import importlib

from skgd._descent.descent import descend, gradient_descent
from skgd._linear.estimators import GDClassifier, GDRegressor
from skgd._network.estimator import MLPGD
from skgd._selection.estimators import GDClassifierCV, GDRegressorCV
from skgd._selection.path import path
from skgd._training.loop import DivergenceWarning
from skgd._version import __version__ as __version__

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
    "ray",
    "schedules",
    "testing",
)

__all__ = [
    "MLPGD",
    "DivergenceWarning",
    "GDClassifier",
    "GDClassifierCV",
    "GDRegressor",
    "GDRegressorCV",
    "descend",
    "gradient_descent",
    "path",
]

# Files name an estimator by its class and module, which therefore is the public one.
for _estimator in (GDClassifier, GDClassifierCV, GDRegressor, GDRegressorCV, MLPGD):
    _estimator.__module__ = __name__


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"skgd.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_MODULES})
