"""Scikit-learn estimators trained by gradient descent."""

from skgd._linear import GDClassifier, GDRegressor
from skgd._mlp import MLPGD
from skgd._training import DivergenceWarning

__version__ = "0.1.0"

__all__ = ["MLPGD", "DivergenceWarning", "GDClassifier", "GDRegressor"]
