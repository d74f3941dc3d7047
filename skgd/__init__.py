"""Scikit-learn estimators trained by gradient descent."""

from skgd._linear.estimators import GDClassifier, GDRegressor
from skgd._network.estimator import MLPGD
from skgd._training.loop import DivergenceWarning

__version__ = "0.1.0"

__all__ = ["MLPGD", "DivergenceWarning", "GDClassifier", "GDRegressor"]
