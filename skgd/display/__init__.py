"""Pictures of gradient descent, from the estimators themselves (extra ``plot``).

The public names, nothing else; each picture lives in its own module.
"""

from skgd.display.animation import animate
from skgd.display.coefficient_path import CoefficientPathDisplay
from skgd.display.cost_surface import CostSurfaceDisplay
from skgd.display.descent import DescentDisplay
from skgd.display.fit import FitDisplay
from skgd.display.function import FunctionDisplay
from skgd.display.graph import GraphDisplay
from skgd.display.grid import GridDisplay
from skgd.display.learning_rate import LearningRateDisplay, lr_range_test
from skgd.display.loss_curve import LossCurveDisplay
from skgd.display.momentum_rate import MomentumRateDisplay
from skgd.display.network import NetworkDisplay
from skgd.display.progressive import ProgressiveDisplay
from skgd.display.schedule import ScheduleDisplay
from skgd.display.validation_path import ValidationPathDisplay

__all__ = [
    "CoefficientPathDisplay",
    "CostSurfaceDisplay",
    "DescentDisplay",
    "FitDisplay",
    "FunctionDisplay",
    "GraphDisplay",
    "GridDisplay",
    "LearningRateDisplay",
    "LossCurveDisplay",
    "MomentumRateDisplay",
    "NetworkDisplay",
    "ProgressiveDisplay",
    "ScheduleDisplay",
    "ValidationPathDisplay",
    "animate",
    "lr_range_test",
]
