"""Checks for losses, update rules, activations and schedules of your own.

Each runs an object in plain Python on small arrays and raises a ValueError that says
which method is wrong, how, and what to do. Every estimator makes the same checks the
first time it meets a class that is not of this package; call them in your tests, so
that you hear of it earlier.
"""

from skgd.testing._activation import check_activation
from skgd.testing._loss import check_loss
from skgd.testing._optimizer import check_optimizer
from skgd.testing._schedule import check_schedule

__all__ = ["check_activation", "check_loss", "check_optimizer", "check_schedule"]
