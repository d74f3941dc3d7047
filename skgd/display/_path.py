"""The path of the weights during a fit, one update at a time, as the fit walks it.

Training is done by the estimator; here a callback looks on. No drawing.
"""

import contextlib
import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline

from skgd.callbacks import WEIGHTS, StepRecorder, flat_weights


@dataclass(frozen=True)
class WalkedPath:
    """A fitted estimator and the weights it went through.

    Attributes
    ----------
    estimator : estimator
        Fitted.
    steps : int array of shape (n_points,)
        Updates made before each point.
    points : float64 array of shape (n_points, n_weights)
        Weights of each point, flattened in the order of `WEIGHTS`.
    """

    estimator: object
    steps: np.ndarray
    points: np.ndarray

    def estimator_at(self, point):
        """A copy of the estimator with the weights of a point, ready to predict."""
        return with_weights(self.estimator, self.points[point])


def inside_pipeline(estimator, X, y, *, fitted=False):
    """The last step of a pipeline, and X as that step sees it.

    Parameters
    ----------
    estimator : estimator or Pipeline
    X, y : array-like
    fitted : bool
        Whether the pipeline is, and its steps are to be used as they are.

    Returns
    -------
    estimator, X
        As given, if there is no pipeline.
    """
    if not isinstance(estimator, Pipeline):
        return estimator, X
    before, last = estimator[:-1], estimator.steps[-1][1]
    if not before.steps:
        return inside_pipeline(last, X, y, fitted=fitted)
    before = before if fitted else clone(before)
    if hasattr(X, "columns") and not fitted and "pandas" in type(X).__module__:
        with contextlib.suppress(AttributeError):
            before.set_output(transform="pandas")
    moved = before.transform(X) if fitted else before.fit_transform(X, y)
    return inside_pipeline(last, moved, y, fitted=fitted)


def walk(estimator, X, y, *, max_steps=None, **fit_params):
    """Fit a clone of the estimator and return the path of its weights.

    Parameters
    ----------
    estimator : GDRegressor, GDClassifier or MLPGD
        Stays as it is.
    X, y : array-like
        Training data.
    max_steps : int or None
        Updates to record at most.
    **fit_params : dict
        Passed to fit: starting values, sample weights.

    Returns
    -------
    WalkedPath
        With the points up to the last one that is finite.
    """
    estimator = clone(estimator)
    recorder = StepRecorder(max_steps=max_steps)
    estimator.set_callbacks(recorder)
    with warnings.catch_warnings():
        # The picture shows what these would say.
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(X, y, **fit_params)
    estimator.set_callbacks()
    points = recorder.path
    keeps_the_last = estimator.stop_reason_ != "diverged" and (
        estimator.validation_scores_ is None
    )
    if keeps_the_last and recorder.steps[-1] == estimator.t_:
        # A search may look at the last point once more when it ends.
        points[-1] = flat_weights(vars(estimator))
    finite = np.isfinite(points).all(axis=1)
    n_points = len(points) if finite.all() else int(finite.argmin())
    return WalkedPath(
        estimator=estimator,
        steps=np.array(recorder.steps[:n_points]),
        points=points[:n_points],
    )


def with_weights(estimator, vector):
    """A shallow copy of a fitted estimator with other weights."""
    # To predict with: ``copy.copy`` goes by way of what is saved, which takes too long
    # for each point of a surface.
    moved = object.__new__(type(estimator))
    vars(moved).update(vars(estimator))
    start = 0
    for name in _present(vars(estimator)):
        arrays = []
        for array in _as_list(getattr(estimator, name)):
            stop = start + array.size
            part = vector[start:stop].reshape(array.shape)
            arrays.append(part.astype(array.dtype, copy=False))
            start = stop
        whole = arrays if isinstance(getattr(estimator, name), list) else arrays[0]
        vars(moved)[name] = whole
    return moved


def _present(attributes):
    return [name for name in WEIGHTS if name in attributes]


def _as_list(arrays):
    return arrays if isinstance(arrays, list) else [arrays]
