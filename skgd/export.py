"""Models that leave the training machine: scikit-learn, ONNX, skops, tables.

`to_sklearn` and `to_onnx` of a single estimator are methods; here is what is about
pipelines, other packages and statistics.
"""

import copy

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from skgd import MLPGD, GDClassifier, GDClassifierCV, GDRegressor, GDRegressorCV
from skgd._export.onnx_model import register
from skgd._export.table import coefficient_table
from skgd.pipeline import StreamingPipeline

__all__ = [
    "coefficient_table",
    "register_skl2onnx",
    "skops_trusted_types",
    "to_sklearn",
]

ESTIMATORS = (GDClassifier, GDClassifierCV, GDRegressor, GDRegressorCV, MLPGD)

# What a file of skops names: estimators, and pipelines of them.
SAVED_ESTIMATORS = (*ESTIMATORS, StreamingPipeline)


def to_sklearn(model):
    """A copy of a fitted model in which scikit-learn's estimators stand for ours.

    Looks into everything that a model holds: steps of a pipeline, members of a voting
    or stacking ensemble, the best estimator of a search, lists, dictionaries. Whoever
    loads the copy needs scikit-learn only.

    Parameters
    ----------
    model : estimator
        Fitted, of scikit-learn or of this package.

    Returns
    -------
    estimator
        With the same predictions: labels and predicted numbers to the bit,
        probabilities to 2e-16. Estimators of this package that are not fitted, such as
        the templates that an ensemble keeps, are left as they are.

    Raises
    ------
    ValueError
        If scikit-learn has no estimator that computes the same, naming what to do.
    sklearn.exceptions.NotFittedError
        If `model` itself is not fitted.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skgd import GDClassifier
    >>> from skgd.export import to_sklearn
    >>> X, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), GDClassifier()).fit(X, y)
    >>> to_sklearn(model)[-1]
    LogisticRegression()
    """
    check_is_fitted(model)
    if isinstance(model, ESTIMATORS):
        return model.to_sklearn()
    twins = {}
    _find(model, twins, set())
    # What deepcopy finds in its memo it takes for copied already.
    memo = {id(original): other for original, other in twins.values()}
    return copy.deepcopy(model, memo)


def _find(value, twins, seen):
    """Collect the twins of all our fitted estimators within `value`."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, ESTIMATORS):
        try:
            twins[id(value)] = value, value.to_sklearn()
        except NotFittedError:
            return
    elif isinstance(value, dict):
        for part in value.values():
            _find(part, twins, seen)
    elif isinstance(value, (list, tuple, set)):
        for part in value:
            _find(part, twins, seen)
    elif isinstance(value, np.ndarray) and value.dtype.kind == "O":
        for part in value.ravel():
            _find(part, twins, seen)
    elif hasattr(value, "get_params") and hasattr(value, "__dict__"):
        _find(vars(value), twins, seen)


def register_skl2onnx():
    """Let ``skl2onnx.to_onnx`` convert pipelines with estimators of this package.

    Call it once. For `GDClassifier` the options `zipmap` and `output_class_labels` work
    as for scikit-learn's classifiers; the probabilities of an `MLPGD` are one array.

    Raises
    ------
    ImportError
        Without the extra "onnx".

    Examples
    --------
    >>> from skgd.export import register_skl2onnx
    >>> register_skl2onnx()  # doctest: +SKIP
    """
    register(ESTIMATORS)


def skops_trusted_types():
    """Names to trust when ``skops.io.load`` reads estimators of this package.

    A file of skops names the classes in it and runs nothing when it is loaded, but it
    builds objects of the classes that you trust. Of this package those are its
    estimators alone: the rest of a fitted model is numbers, strings and arrays.

    Returns
    -------
    list of str

    Notes
    -----
    A loss, rule, schedule, activation or penalty that you wrote yourself, and objects
    of other packages, come under names of their own:
    ``skops.io.get_untrusted_types`` lists all that a file asks for.

    Examples
    --------
    >>> from skgd.export import skops_trusted_types
    >>> skops_trusted_types()[:3]
    ['skgd.GDClassifier', 'skgd.GDClassifierCV', 'skgd.GDRegressor']
    """
    return sorted(f"{cls.__module__}.{cls.__qualname__}" for cls in SAVED_ESTIMATORS)
