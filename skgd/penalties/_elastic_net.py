"""The elastic net and its two ends: L1, L2 and their mixture, with feature weights.

Value and proximal step are the same for all of them, because each is
sum_j (l2_j/2) w_j^2 + l1_j |w_j|.
"""

from numbers import Real
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval

from skgd.penalties._base import Penalty

# Numbers from which on BLAS may share a product of two vectors among threads.
PIECE = 1 << 13


class _WeightedNet(Penalty):
    """alpha times weights, shared out between l1 and l2."""

    _parameter_constraints: ClassVar[dict] = {"weights": ["array-like", None]}

    def elastic_net(self, alpha):
        share = self._l1_share()
        strength = alpha
        if self.weights is not None:
            strength = alpha * np.asarray(self.weights, dtype=np.float64)
        return strength * share, strength * (1.0 - share)

    def parameters(self, alpha, n_features):
        strength = self._strengths(alpha, self.weights, n_features)
        share = self._l1_share()
        return np.column_stack([strength * share, strength * (1.0 - share)])

    @staticmethod
    def value_at(w, p):
        return p[0] * abs(w) + 0.5 * p[1] * w * w

    @staticmethod
    def prox_at(w, step, p):
        threshold = step * p[0]
        if w > threshold:
            return (w - threshold) / (1.0 + step * p[1])
        if w < -threshold:
            return (w + threshold) / (1.0 + step * p[1])
        if threshold > 0.0:
            return 0.0
        return w


class L2(_WeightedNet):
    """Ridge: ``½ Σⱼ cⱼ wⱼ²``, which shrinks all coefficients; ``penalty="l2"``.

    Parameters
    ----------
    weights : array-like of shape (n_features,), default=None
        The cⱼ ≥ 0, which multiply `alpha` for each feature. None means 1 for each.

    References
    ----------
    A. E. Hoerl and R. W. Kennard, "Ridge regression: biased estimation for
    nonorthogonal problems" (1970).

    Examples
    --------
    >>> from skgd.penalties import L2
    >>> L2().value([3.0, 4.0], alpha=2.0)
    25.0
    >>> L2(weights=[1, 0]).prox([3.0, 4.0], step=0.5)
    array([2., 4.])
    """

    smooth = True

    def __init__(self, weights: ArrayLike | None = None):
        self.weights = weights

    def _l1_share(self):
        return 0.0


class L1(_WeightedNet):
    """Lasso: ``Σⱼ cⱼ |wⱼ|``, which sets some coefficients to 0; ``penalty="l1"``.

    Parameters
    ----------
    weights : array-like of shape (n_features,), default=None
        The cⱼ ≥ 0, which multiply `alpha` for each feature: 0 leaves a feature
        unpenalised, and the inverse size of an earlier estimate makes the adaptive
        lasso (Zou, 2006). None means 1 for each.

    References
    ----------
    R. Tibshirani, "Regression shrinkage and selection via the lasso" (1996).

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDRegressor
    >>> from skgd.penalties import L1
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 3))
    >>> y = X @ [1.0, 0.1, 0.1]
    >>> model = GDRegressor(penalty=L1(weights=[1, 1, 0]), alpha=0.3).fit(X, y)
    >>> np.flatnonzero(model.coef_)
    array([0, 2])
    """

    def __init__(self, weights: ArrayLike | None = None):
        self.weights = weights

    def _l1_share(self):
        return 1.0


class ElasticNet(_WeightedNet):
    """Mixture ``Σⱼ cⱼ (r |wⱼ| + ½ (1 - r) wⱼ²)``; ``penalty="elasticnet"``.

    Parameters
    ----------
    l1_ratio : float in [0, 1], default=0.15
        r, the share of the l1 part: 0 is `L2`, 1 is `L1`. ``penalty="elasticnet"``
        takes it from the `l1_ratio` of the estimator; an object has its own.
    weights : array-like of shape (n_features,), default=None
        The cⱼ ≥ 0, which multiply `alpha` for each feature. None means 1 for each.

    References
    ----------
    H. Zou and T. Hastie, "Regularization and variable selection via the elastic net"
    (2005).

    Examples
    --------
    >>> from skgd.penalties import ElasticNet
    >>> ElasticNet(l1_ratio=0.5).value([2.0, -4.0])
    8.0
    """

    _parameter_constraints: ClassVar[dict] = {
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        **_WeightedNet._parameter_constraints,
    }

    def __init__(self, l1_ratio: float = 0.15, weights: ArrayLike | None = None):
        self.l1_ratio = l1_ratio
        self.weights = weights

    def _l1_share(self):
        return self.l1_ratio


# Those that need no hyper-parameter of their own have a name.
PENALTIES: dict[str, type[Penalty]] = {
    "l2": L2,
    "l1": L1,
    "elasticnet": ElasticNet,
}


def get_penalty(
    penalty: str | Penalty | None, l1_ratio: float | None = 0.15
) -> Penalty | None:
    """The penalty for a name; objects are handed back as they are.

    Parameters
    ----------
    penalty : {'l2', 'l1', 'elasticnet'}, Penalty or None
        Name or object.
    l1_ratio : float or None, default=0.15
        Share of the l1 part, for 'elasticnet'; others do not look at it.

    Returns
    -------
    Penalty or None

    Raises
    ------
    ValueError
        If 'elasticnet' has no share.

    Examples
    --------
    >>> from skgd.penalties import get_penalty
    >>> get_penalty("elasticnet", l1_ratio=0.5)
    ElasticNet(l1_ratio=0.5)
    """
    if penalty is None or isinstance(penalty, Penalty):
        return penalty
    if PENALTIES[penalty] is ElasticNet:
        if l1_ratio is None:
            raise ValueError(
                "penalty='elasticnet' needs the share of its l1 part, l1_ratio, a "
                "number from 0 to 1; got None."
            )
        return ElasticNet(l1_ratio)
    return PENALTIES[penalty]()


def penalty_strengths(
    penalty: str | Penalty | None, alpha: float, l1_ratio: float | None = 0.15
) -> tuple[float | NDArray[np.float64], float | NDArray[np.float64]]:
    """Strengths (l1, l2) of alpha * ((1 - r)/2 ||w||^2 + r ||w||_1).

    Parameters
    ----------
    penalty : {'l2', 'l1', 'elasticnet'}, Penalty or None
        Name or object.
    alpha : float
        Strength of the penalty.
    l1_ratio : float, default=0.15
        Share r of the l1 part, for 'elasticnet'.

    Returns
    -------
    l1, l2 : float or array of shape (n_features,)
        An array where the strength differs between features. Zero for penalties of
        another kind.

    Examples
    --------
    >>> from skgd.penalties import penalty_strengths
    >>> penalty_strengths("elasticnet", alpha=2.0, l1_ratio=0.25)
    (0.5, 1.5)
    """
    found = get_penalty(penalty, l1_ratio)
    strengths = None if found is None else found.elastic_net(alpha)
    return (0.0, 0.0) if strengths is None else strengths


def penalty_value(
    theta: NDArray, l1: NDArray[np.float64], l2: NDArray[np.float64]
) -> float:
    """``sum_j (l2_j/2) theta_j^2 + l1_j |theta_j|``, in double precision.

    Parameters
    ----------
    theta : array of shape (n_parameters,)
        Parameters of a model.
    l1, l2 : arrays of shape (n_parameters,) or of size 0
        Strengths for each of them. Empty means none.

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.penalties import penalty_value
    >>> penalty_value(np.array([3.0, -4.0]), l1=np.ones(2), l2=np.ones(2))
    19.5
    """
    value = 0.0
    theta = theta.astype(np.float64, copy=False)
    if l2.size:
        value += 0.5 * _dot(l2, theta, np.square)
    if l1.size:
        value += _dot(l1, theta, np.abs)
    return value


def soft_threshold(theta: NDArray, threshold: NDArray | float) -> NDArray:
    """The proximal step of ``threshold * |theta|``: towards zero, and no further.

    Parameters
    ----------
    theta, threshold : arrays of shape (n_parameters,)
        Parameters, and how far each of them moves.

    Returns
    -------
    array of shape (n_parameters,)

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.penalties import soft_threshold
    >>> soft_threshold(np.array([3.0, -0.5, -2.0]), 1.0)
    array([ 2., -0., -1.])
    """
    return np.sign(theta) * np.maximum(np.abs(theta) - threshold, 0.0)


def _dot(strengths, theta, sizes):
    """Product of the strengths and the sizes of theta, by one thread.

    BLAS shares long vectors among several: then the last bits depend on their number,
    and they stay awake for a while, at the cost of a processor, after a product that
    takes less time than to wake them. Pieces stay in the cache, too.
    """
    if theta.size <= PIECE:
        return float(strengths.dot(sizes(theta)))
    total = 0.0
    for start in range(0, theta.size, PIECE):
        piece = slice(start, start + PIECE)
        total += float(np.dot(strengths[piece], sizes(theta[piece])))
    return total
