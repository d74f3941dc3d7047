"""MCP: the minimax concave penalty."""

import math
from numbers import Real
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval

from skgd.penalties._base import Penalty


class MCP(Penalty):
    """Minimax concave penalty: zeros as the lasso, without its bias on large weights.

    ::

        value(w) = λ |w| - w² / (2 γ)   for |w| ≤ γ λ,   else γ λ² / 2

    with λ = `alpha` times the weight of the feature. It starts as the l1 penalty and
    flattens out, so that large coefficients are not shrunk. It is not convex: it needs
    `lr` as a number, and finds a local minimum.

    Parameters
    ----------
    gamma : float > 0, default=3.0
        γ: how far the penalty reaches. Towards inf it is the l1 penalty, towards 0 it
        counts coefficients.
    weights : array-like of shape (n_features,), default=None
        Weights ≥ 0 that multiply `alpha` for each feature. None means 1 for each.

    References
    ----------
    C.-H. Zhang, "Nearly unbiased variable selection under minimax concave penalty"
    (2010).

    Examples
    --------
    >>> from skgd.penalties import MCP
    >>> MCP(gamma=2.0).prox([0.4, 1.0, 5.0], step=0.5)
    array([0.        , 0.66666667, 5.        ])
    """

    convex = False
    _parameter_constraints: ClassVar[dict] = {
        "gamma": [Interval(Real, 0, None, closed="neither")],
        "weights": ["array-like", None],
    }

    def __init__(self, gamma: float = 3.0, weights: ArrayLike | None = None):
        self.gamma = gamma
        self.weights = weights

    def parameters(self, alpha, n_features):
        strength = self._strengths(alpha, self.weights, n_features)
        return np.column_stack([strength, np.full(n_features, float(self.gamma))])

    @staticmethod
    def value_at(w, p):
        strength, gamma = p[0], p[1]
        size = abs(w)
        if size <= gamma * strength:
            return strength * size - size * size / (2.0 * gamma)
        return 0.5 * gamma * strength * strength

    @staticmethod
    def prox_at(w, step, p):
        strength, gamma = p[0], p[1]
        size = abs(w)
        if step >= gamma:
            # Concave in between: either end is the minimum.
            return w if size > strength * math.sqrt(step * gamma) else 0.0
        if size > gamma * strength:
            return w
        moved = max(size - step * strength, 0.0) / (1.0 - step / gamma)
        return moved if w > 0.0 else -moved
