"""The strengths of a penalty to choose from, and which of them is chosen."""

from numbers import Integral, Real

import numpy as np

from skgd._selection.lockstep import Candidates
from skgd.penalties import penalty_strengths

# The smallest strength of a grid made here, as a share of the largest: where the
# largest leaves no coefficient (l1), and where it leaves no more than half of any (l2).
SPAN_L1, SPAN_L2 = 1e-3, 1e-6


def checked_alphas(alphas):
    """A number of strengths, or strengths in descending order without repetitions.

    Parameters
    ----------
    alphas : int or array-like of float

    Returns
    -------
    int or float64 array of shape (n_alphas,)

    Raises
    ------
    ValueError
        If there is none, or one that is no strength.
    """
    if isinstance(alphas, Integral) and not isinstance(alphas, bool):
        if alphas < 1:
            raise ValueError(
                f"alphas={alphas} is a number of strengths and must be at least 1."
            )
        return int(alphas)
    if isinstance(alphas, (Real, str)) or alphas is None:
        raise ValueError(
            f"alphas={alphas!r} must be a number of strengths, as an int, or the "
            "strengths, as a list or an array."
        )
    values = np.asarray(alphas, dtype=np.float64)
    if values.ndim != 1 or not values.size:
        raise ValueError(
            f"alphas has shape {values.shape}; expected a list of at least one "
            "strength."
        )
    wrong = ~(np.isfinite(values) & (values >= 0.0))
    if wrong.any():
        raise ValueError(
            f"alphas holds {values[wrong][0]}; strengths must be finite and not "
            "negative."
        )
    return np.unique(values)[::-1]


def checked_ratios(penalty, l1_ratio):
    """The shares of the l1 part to try, and whether more than one was asked for.

    Returns
    -------
    ratios : float64 array
    several : bool
    """
    if penalty != "elasticnet":
        return np.array([1.0 if penalty == "l1" else 0.0]), False
    values = np.atleast_1d(np.asarray(l1_ratio, dtype=np.float64))
    if values.ndim != 1 or not values.size:
        raise ValueError(
            f"l1_ratio={l1_ratio!r} must be a number or a list of numbers."
        )
    wrong = ~((values >= 0.0) & (values <= 1.0))
    if wrong.any():
        raise ValueError(f"l1_ratio holds {values[wrong][0]}; ratios lie in [0, 1].")
    return values, np.ndim(l1_ratio) == 1


def alpha_grid(alphas, ratios, steepest, size):
    """The strengths of each ratio.

    Parameters
    ----------
    alphas : int or float64 array
        As ``checked_alphas`` returns them.
    ratios : float64 array of shape (n_ratios,)
    steepest : float
        Largest slope of the mean loss in a coefficient, at the best constant: where
        the l1 penalty is as steep, all coefficients are zero.
    size : float
        Curvature of the mean loss, the sum over the features of their typical
        variance: where the l2 penalty is as curved, it rules.

    Returns
    -------
    float64 array of shape (n_ratios, n_alphas)
        Each row in descending order.
    """
    if not isinstance(alphas, int):
        return np.tile(alphas, (len(ratios), 1))
    rows = []
    for ratio in ratios:
        largest, span = (steepest / ratio, SPAN_L1) if ratio > 0.0 else (size, SPAN_L2)
        if not largest > 0.0:
            # Nothing to learn: any strength will do.
            largest = 1.0
        rows.append(np.geomspace(largest, span * largest, alphas))
    return np.array(rows)


def candidates_of(penalty, grid, ratios):
    """All pairs of a ratio and a strength, ratio by ratio."""
    strengths = [
        penalty_strengths(penalty, float(alpha), float(ratio))
        for ratio, row in zip(ratios, grid, strict=True)
        for alpha in row
    ]
    l1, l2 = np.array(strengths, dtype=np.float64).T
    return Candidates(np.ascontiguousarray(l1), np.ascontiguousarray(l2))


def choose(scores, refit):
    """The best candidate.

    Parameters
    ----------
    scores : float64 array of shape (n_ratios, n_folds, n_alphas)
        Higher is better; alphas in descending order.
    refit : {"best", "one_standard_error"}

    Returns
    -------
    ratio, alpha : int
        Of the best mean, the first of those that are equal: the strongest penalty. Or
        of the strongest penalty whose mean is within one standard error of that.
    """
    means = scores.mean(axis=1)
    ratio, alpha = np.unravel_index(np.argmax(means), means.shape)
    if refit == "one_standard_error":
        n_folds = scores.shape[1]
        if n_folds < 2:
            raise ValueError(
                "refit='one_standard_error' needs at least two folds; cv has one."
            )
        error = scores[ratio, :, alpha].std(ddof=1) / np.sqrt(n_folds)
        within = means[ratio] >= means[ratio, alpha] - error
        alpha = np.argmax(within)
    return int(ratio), int(alpha)
