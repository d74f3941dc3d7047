"""Box: bounds on the coefficients."""

import math
from numbers import Real
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval

from skgd.penalties._base import Penalty


class Box(Penalty):
    """Bounds: lowⱼ ≤ wⱼ ≤ highⱼ; by default coefficients that are not negative.

    `alpha` does not matter, because a bound holds or does not. Training starts from
    the point of the box that is nearest to the start, and each update ends with the
    projection onto the box, so the coefficients never leave it.

    Parameters
    ----------
    low : float or array-like of shape (n_features,), default=0.0
        Lower bounds, in the units of the coefficients; None or -inf for none.
    high : float or array-like of shape (n_features,), default=None
        Upper bounds; None or inf for none. Where both bounds are equal the
        coefficient is fixed.

    Notes
    -----
    With the squared error this is ``scipy.optimize.lsq_linear``, and with the
    defaults ``LinearRegression(positive=True)``.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDRegressor
    >>> from skgd.penalties import Box
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 3))
    >>> y = X @ [1.0, -2.0, 3.0]
    >>> GDRegressor(penalty=Box(low=0.0, high=2.0)).fit(X, y).coef_[1:]
    array([0., 2.])
    """

    indicator = True
    _parameter_constraints: ClassVar[dict] = {
        "low": [Interval(Real, None, None, closed="both"), "array-like", None],
        "high": [Interval(Real, None, None, closed="both"), "array-like", None],
    }

    def __init__(self, low: ArrayLike | None = 0.0, high: ArrayLike | None = None):
        self.low = low
        self.high = high

    def parameters(self, alpha, n_features):
        low = self._bounds("low", self.low, -math.inf, n_features)
        high = self._bounds("high", self.high, math.inf, n_features)
        # Not "any low > high", which is False for NaN.
        if not (low <= high).all() or np.isposinf(low).any() or np.isneginf(high).any():
            raise ValueError(
                "Box(low, high) needs low <= high for every feature, with room for a "
                "finite number between them."
            )
        return np.column_stack([low, high])

    @staticmethod
    def _bounds(name, given, default, n_features):
        bounds = np.asarray(default if given is None else given, dtype=np.float64)
        if bounds.shape not in ((), (n_features,)):
            raise ValueError(
                f"Box({name}=...) has shape {bounds.shape}; X has {n_features} "
                f"features, so it must be a number or of shape ({n_features},)."
            )
        return np.broadcast_to(bounds, n_features)

    @staticmethod
    def value_at(w, p):
        return 0.0 if p[0] <= w <= p[1] else math.inf

    @staticmethod
    def prox_at(w, step, p):
        if w < p[0]:
            return p[0]
        if w > p[1]:
            return p[1]
        return w
