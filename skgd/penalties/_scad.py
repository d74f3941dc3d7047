"""SCAD: the smoothly clipped absolute deviation."""

from numbers import Real
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval

from skgd.penalties._base import Penalty


class SCAD(Penalty):
    """Smoothly clipped absolute deviation: the lasso for small weights, then constant.

    ::

        value(w) = λ |w|                                      for |w| ≤ λ
                   (2 a λ |w| - w² - λ²) / (2 (a - 1))        for λ < |w| ≤ a λ
                   λ² (a + 1) / 2                             beyond

    with λ = `alpha` times the weight of the feature. It is not convex: it needs `lr`
    as a number, and finds a local minimum.

    Parameters
    ----------
    a : float > 2, default=3.7
        Where the penalty becomes constant, in units of λ; the default is that of Fan
        and Li.
    weights : array-like of shape (n_features,), default=None
        Weights ≥ 0 that multiply `alpha` for each feature. None means 1 for each.

    References
    ----------
    J. Fan and R. Li, "Variable selection via nonconcave penalized likelihood and its
    oracle properties" (2001).

    Examples
    --------
    >>> from skgd.penalties import SCAD
    >>> SCAD().prox([0.9, 1.5, 5.0], step=1.0)
    array([0. , 0.5, 5. ])
    """

    convex = False
    _parameter_constraints: ClassVar[dict] = {
        "a": [Interval(Real, 2, None, closed="neither")],
        "weights": ["array-like", None],
    }

    def __init__(self, a: float = 3.7, weights: ArrayLike | None = None):
        self.a = a
        self.weights = weights

    def parameters(self, alpha, n_features):
        strength = self._strengths(alpha, self.weights, n_features)
        return np.column_stack([strength, np.full(n_features, float(self.a))])

    @staticmethod
    def value_at(w, p):
        strength, a = p[0], p[1]
        size = abs(w)
        if size <= strength:
            return strength * size
        if size <= a * strength:
            excess = size - strength
            return strength * size - excess * excess / (2.0 * (a - 1.0))
        return 0.5 * strength * strength * (a + 1.0)

    @staticmethod
    def prox_at(w, step, p):
        strength, a = p[0], p[1]
        size = abs(w)
        if step < a - 1.0:
            if size > a * strength:
                return w
            moved = max(size - step * strength, 0.0)
            if moved > strength:
                moved = ((a - 1.0) * size - a * step * strength) / (a - 1.0 - step)
            return moved if w > 0.0 else -moved
        # Concave in between: the minimum is on one of the other two pieces.
        moved = min(max(size - step * strength, 0.0), strength)
        distance = size - moved
        if size >= a * strength and (
            0.5 * strength * strength * (a + 1.0)
            < 0.5 * distance * distance / step + strength * moved
        ):
            return w
        return moved if w > 0.0 else -moved
