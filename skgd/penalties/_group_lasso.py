"""GroupLasso: groups of features that are in the model or out of it together."""

import math
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from skgd.penalties._base import Penalty


class GroupLasso(Penalty):
    """Group lasso: ``Σ_g c_g ‖w_g‖₂``, which sets whole groups to exactly zero.

    ``w_g`` holds the coefficients of all features of group g, for all outputs: with
    several outputs a group is in the model for all of them or for none. Each feature
    a group of its own, with weights 1, is the penalty of ``MultiTaskLasso``.

    Parameters
    ----------
    groups : array-like of shape (n_features,)
        The group of each feature: numbers or strings, equal for features that belong
        together.
    weights : array-like of shape (n_groups,), default=None
        The ``c_g ≥ 0``, which multiply `alpha` for each group, in the order of the
        sorted labels. None means the root of the number of features in the group, so
        that large groups are not preferred (Yuan and Lin, 2006).

    Notes
    -----
    The norm is that of the raw coefficients. Where the steps of the coefficients in a
    group differ, because of the scales of the features or the rule of the optimizer,
    the proximal step has no closed form: it is found to rounding by Newton's method
    for the norm r of the result, the root of ``Σᵢ (wᵢ / (r + c sᵢ))² = 1``, where sᵢ
    are the steps.

    References
    ----------
    M. Yuan and Y. Lin, "Model selection and estimation in regression with grouped
    variables" (2006).

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDRegressor
    >>> from skgd.penalties import GroupLasso
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 4))
    >>> y = X @ [1.0, 2.0, 0.1, 0.1]
    >>> penalty = GroupLasso(groups=["a", "a", "b", "b"])
    >>> model = GDRegressor(penalty=penalty, alpha=0.5).fit(X, y)
    >>> np.flatnonzero(model.coef_)
    array([0, 1])
    """

    separable = False
    _parameter_constraints: ClassVar[dict] = {
        "groups": ["array-like"],
        "weights": ["array-like", None],
    }

    def __init__(self, groups: ArrayLike, weights: ArrayLike | None = None):
        self.groups = groups
        self.weights = weights

    def blocks(self, n_features):
        groups = np.asarray(self.groups)
        if groups.shape != (n_features,):
            raise ValueError(
                f"GroupLasso(groups=...) has shape {groups.shape}; X has {n_features} "
                f"features, which need a label each: shape ({n_features},)."
            )
        return np.unique(groups, return_inverse=True)[1].astype(np.int64)

    def parameters(self, alpha, n_features):
        sizes = np.bincount(self.blocks(n_features))
        weights = np.sqrt(sizes) if self.weights is None else self.weights
        return self._strengths(alpha, weights, len(sizes), "groups")[:, None]

    @staticmethod
    def value_at(w, p):
        squares = 0.0
        for i in range(w.size):
            squares += w[i] * w[i]
        return p[0] * math.sqrt(squares)

    @staticmethod
    def prox_at(w, step, p):
        strength = p[0]
        if strength == 0.0:
            return
        # What has a step of length 0 stays where it is.
        still, pull = 0.0, 0.0
        for i in range(w.size):
            if step[i] > 0.0:
                pull += (w[i] / step[i]) ** 2
            else:
                still += w[i] * w[i]
        if still == 0.0 and pull <= strength * strength:
            for i in range(w.size):
                w[i] = 0.0
            return
        # The inverse root of the sum is concave in r, and a straight line for equal
        # steps: Newton's method climbs to the norm from below, at once or in a few
        # iterations.
        norm = math.sqrt(still)
        for _ in range(100):
            squares, slope = 0.0, 0.0
            for i in range(w.size):
                if w[i] != 0.0:
                    size = norm + strength * step[i]
                    square = (w[i] / size) ** 2
                    squares += square
                    slope += square / size
            change = squares * (math.sqrt(squares) - 1.0) / slope
            norm += change
            if change <= 1e-15 * norm:
                break
        for i in range(w.size):
            if step[i] > 0.0:
                w[i] *= norm / (norm + strength * step[i])
