"""Models that leave the training machine: scikit-learn, ONNX, skops, tables.

`to_sklearn` and `to_onnx` of a single estimator are methods; here is what is about
pipelines, other packages and statistics.
"""

import copy
from types import FunctionType, MethodType, ModuleType

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skgd import MLPGD, GDClassifier, GDClassifierCV, GDRegressor, GDRegressorCV
from skgd._export.onnx_model import register
from skgd._export.table import coefficient_table
from skgd._export.twins import template
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
        With the same predictions: labels and predicted numbers to the bit, those of
        ensembles of networks to rounding, probabilities to 2e-16. Estimators of this
        package that are not fitted, such as the templates that an ensemble keeps,
        become scikit-learn's of the same loss and strength, which `fit` of the copy
        would train by methods of their own. A `StreamingPipeline` becomes a `Pipeline`.

    Raises
    ------
    ValueError
        If scikit-learn has no estimator that computes the same, naming what to do. That
        goes for all candidates of a search, too: take its `best_estimator_`.
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
    # What deepcopy finds in its memo it takes for copied already. Those within a
    # pipeline come before it.
    memo = {}
    for original, other in twins.values():
        is_ours = isinstance(original, ESTIMATORS)
        other = other if is_ours else copy.deepcopy(other, memo)
        if isinstance(original, np.ma.MaskedArray):
            other = np.ma.MaskedArray(other, original.mask, fill_value="?")
        memo[id(original)] = other
    return copy.deepcopy(model, memo)


# Objects with attributes that hold no part of a model.
NO_PARTS = (type, FunctionType, MethodType, ModuleType)


def _find(value, twins, seen):
    """Collect what stands for each object of this package within `value`."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, ESTIMATORS):
        try:
            twins[id(value)] = value, value.to_sklearn()
        except NotFittedError:
            twins[id(value)] = value, template(value)
    elif isinstance(value, dict):
        for part in value.values():
            _find(part, twins, seen)
    elif isinstance(value, (list, tuple, set)):
        for part in value:
            _find(part, twins, seen)
    elif isinstance(value, np.ndarray) and value.dtype.kind == "O":
        data = np.asarray(value)
        for part in data.ravel():
            _find(part, twins, seen)
        if isinstance(value, np.ma.MaskedArray):
            # As the parameters in the results of a search; to copy one is to forget
            # what has been copied already.
            twins[id(value)] = value, data
    elif hasattr(value, "__dict__") and not isinstance(value, NO_PARTS):
        _find(vars(value), twins, seen)
        if isinstance(value, StreamingPipeline):
            twins[id(value)] = value, _plain_pipeline(value)


def _plain_pipeline(pipeline):
    """scikit-learn's pipeline of the same steps."""
    return Pipeline(
        pipeline.steps,
        transform_input=pipeline.transform_input,
        memory=pipeline.memory,
        verbose=pipeline.verbose,
    )


def register_skl2onnx():
    """Let ``skl2onnx.to_onnx`` convert pipelines with estimators of this package.

    Call it once. The options `zipmap`, `raw_scores` and `output_class_labels` work
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
