"""Penalties on the coefficients, each one class: value and proximal step.

Nothing here knows how theta is laid out, in which coordinates training runs, or which
loop makes the steps.
"""

import numpy as np
from numpy.typing import NDArray

from skgd.penalties._base import Penalty
from skgd.penalties._box import Box
from skgd.penalties._elastic_net import (
    L1,
    L2,
    ElasticNet,
    penalty_value,
    soft_threshold,
)
from skgd.penalties._group_lasso import GroupLasso
from skgd.penalties._mcp import MCP
from skgd.penalties._scad import SCAD

__all__ = [
    "L1",
    "L2",
    "MCP",
    "PENALTIES",
    "SCAD",
    "Box",
    "ElasticNet",
    "GroupLasso",
    "Penalty",
    "get_penalty",
    "penalty_strengths",
    "penalty_value",
    "soft_threshold",
]

# Those that need no hyper-parameter have a name.
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
