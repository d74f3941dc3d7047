"""Scores of the weights so far on held-out rows, by whatever scores estimators.

When to score, and what follows, is decided in ``base.py`` and the training loop.
"""

import inspect
import math
from numbers import Real

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.metadata_routing import get_routing_for_object


def scorer_of(estimator, held_out):
    """callable(estimator) -> float, the score on the held-out rows.

    The scorer is called as `GridSearchCV` calls it, with rows of what the user passed,
    so that a data frame stays one; weights are passed where rows have different ones
    and the scorer takes them.

    Parameters
    ----------
    estimator : BaseGD
        Whose parameter `scoring` is looked at.
    held_out : Rows
        With `given`.

    Returns
    -------
    callable
        It raises ValueError for a score that is NaN or no number.
    """
    scoring = estimator.scoring
    scorer = check_scoring(estimator, scoring=scoring)
    X, y = indexable(*held_out.given)
    if isinstance(y, (np.ndarray, list, tuple)):
        # As it was checked: labels in one column are a vector.
        y = held_out.y
    order = held_out.order
    if order.size < len(held_out.y) or not np.array_equal(order, np.arange(order.size)):
        X, y = _safe_indexing(X, order), _safe_indexing(y, order)
    weights = {}
    if not held_out.weigh_the_same and takes_weights(scorer):
        weights["sample_weight"] = held_out.visited_weights()

    def score_of(estimator):
        score = scorer(estimator, X, y, **weights)
        if not isinstance(score, (Real, np.ndarray)) or np.size(score) != 1:
            raise ValueError(
                f"scoring must give one number for each epoch, got {score!r} from "
                f"{scoring!r}."
            )
        score = float(score)
        if math.isnan(score):
            raise ValueError(_not_a_number(scoring, order.size))
        return score

    return score_of


def takes_weights(scorer):
    """Whether a scorer can be called with `sample_weight` and was not told not to."""
    if hasattr(scorer, "get_metadata_routing"):
        routing = getattr(get_routing_for_object(scorer), "score", None)
        if routing is not None:
            # None is "not said", a string the name of other metadata.
            return routing.requests.get("sample_weight", False) in (True, None)
    try:
        return "sample_weight" in inspect.signature(scorer).parameters
    except (TypeError, ValueError):  # a callable without a signature
        return False


def _not_a_number(scoring, n_rows):
    rows = "the one validation row" if n_rows == 1 else f"the {n_rows} validation rows"
    return (
        f"scoring={scoring!r} gives NaN on {rows}, so that epochs cannot be compared. "
        "Some scores are not defined for few rows, as R^2 for one row, or for rows of "
        "one class: raise validation_fraction, or pass more rows as X_val and y_val."
    )
