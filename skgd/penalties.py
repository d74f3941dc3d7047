"""Penalties: what is added to the mean loss, split into its l1 and l2 weights.

Value and proximal step are the same for all of them, because every penalty here is
sum_j (l2_j/2) theta_j^2 + l1_j |theta_j|. Nothing here knows what theta stands for.
"""

import numpy as np


class L2:
    """(1/2) ||w||^2: shrinks all weights (Hoerl and Kennard, 1970)."""

    @staticmethod
    def l1_share(l1_ratio):
        return 0.0


class L1:
    """||w||_1: sets weights to exactly zero (Tibshirani, 1996)."""

    @staticmethod
    def l1_share(l1_ratio):
        return 1.0


class ElasticNet:
    """(1 - r)/2 ||w||^2 + r ||w||_1 with r = l1_ratio (Zou and Hastie, 2005)."""

    @staticmethod
    def l1_share(l1_ratio):
        return l1_ratio


PENALTIES = {"l2": L2, "l1": L1, "elasticnet": ElasticNet}


def penalty_strengths(penalty, alpha, l1_ratio):
    """Weights (l1, l2) of alpha * ((1 - r)/2 ||w||^2 + r ||w||_1).

    Parameters
    ----------
    penalty : {'l2', 'l1', 'elasticnet'} or None
    alpha : float
        Strength of the penalty.
    l1_ratio : float
        Share of the l1 part, for 'elasticnet'.

    Returns
    -------
    l1, l2 : float

    Examples
    --------
    >>> from skgd.penalties import penalty_strengths
    >>> penalty_strengths("elasticnet", alpha=2.0, l1_ratio=0.25)
    (0.5, 1.5)
    """
    if penalty is None:
        return 0.0, 0.0
    share = PENALTIES[penalty].l1_share(l1_ratio)
    return alpha * share, alpha * (1.0 - share)


def penalty_value(theta, l1, l2):
    """sum_j (l2_j/2) theta_j^2 + l1_j |theta_j|, in double precision.

    Parameters
    ----------
    theta : array of shape (n_parameters,)
    l1, l2 : arrays of shape (n_parameters,) or of size 0
        Empty means none.

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
        value += 0.5 * float(np.dot(l2, theta * theta))
    if l1.size:
        value += float(np.dot(l1, np.abs(theta)))
    return value


def soft_threshold(theta, threshold):
    """The proximal step of `threshold` * |theta|: shrink towards zero, and stop there.

    Parameters
    ----------
    theta, threshold : arrays of shape (n_parameters,)

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
