"""What a step of a pipeline does with a batch: learn, be fitted once, or transform.

The pipeline itself is ``skgd.pipeline``.
"""

from sklearn.feature_extraction.text import CountVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from sklearn.utils import get_tags
from sklearn.utils.validation import _is_fitted

from skgd._stream.containers import is_frame


def learns(name, step):
    """Whether a step learns from each batch; TypeError if it cannot be used.

    Parameters
    ----------
    name : str
    step : transformer

    Returns
    -------
    bool
    """
    if is_ready(step, by_partial_fit=True):
        return False
    if hasattr(step, "partial_fit"):
        return True
    if is_determined(step):
        return False
    part = _undetermined(step)
    where = "" if part is step else f", for the sake of its {type(part).__name__}"
    raise TypeError(
        f"Step {name!r} ({type(step).__name__}) cannot learn from batches: it has "
        f"no partial_fit, and it is not fitted yet{where}. Fit it on a sample before, "
        "or use a step that has partial_fit, such as StandardScaler or "
        "IncrementalPCA, or needs no fit, such as HashingVectorizer. A fitted step "
        "that is to survive clone, as in a grid search, goes into a FrozenEstimator."
    )


def is_ready(step, by_partial_fit=False):
    """Whether a step transforms as it is, and goes on doing so.

    Parameters
    ----------
    step : transformer
    by_partial_fit : bool
        Whether a fitted step with ``partial_fit`` is one that learns on.
    """
    if isinstance(step, FrozenEstimator) or not get_tags(step).requires_fit:
        return True
    if by_partial_fit and hasattr(step, "partial_fit"):
        return False
    return _is_fitted(step)


def is_determined(step):
    """Whether a step that has to be fitted becomes the same on whatever rows."""
    return _undetermined(step) is None


def _undetermined(step):
    """The part of a step that would learn from the rows it is fitted on, or None."""
    if step is None or isinstance(step, str) or is_ready(step):
        return None
    parts = _parts(step)
    if parts is not None:
        unclear = [_undetermined(part) for part in parts]
        return next((part for part in unclear if part is not None), None)
    return None if _is_told(step) else step


def _parts(step):
    """The steps that a step is made of, or None if it is a simple one."""
    for name in ("transformers", "transformer_list", "steps"):
        if hasattr(step, name):
            parts = [part[1] for part in getattr(step, name)]
            return [*parts, getattr(step, "remainder", None)]
    return None


def _is_told(step):
    """Whether the parameters say all that a step would find in its rows."""
    if isinstance(step, CountVectorizer):
        has_words = step.vocabulary is not None
        return has_words and not getattr(step, "use_idf", False)
    if not isinstance(step, (OneHotEncoder, OrdinalEncoder)):
        return False
    counts = step.min_frequency is not None or step.max_categories is not None
    return not isinstance(step.categories, str) and not counts


def check_input(name, step, X):
    """TypeError for a table where a step wants one column of texts."""
    if isinstance(step, str) or not is_frame(X):
        return
    tags = get_tags(step).input_tags
    if tags.string and not tags.two_d_array:
        raise TypeError(
            f"Step {name!r} ({type(step).__name__}) takes one column of texts, and "
            f"gets a table of {len(list(X.columns))}. Name the column: columns='text' "
            "in from_csv or from_parquet, or ColumnTransformer([('words', "
            f"{type(step).__name__}(), 'text')])."
        )
