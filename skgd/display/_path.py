"""The path of the weights during a fit, one update at a time, as the fit walks it.

Training is done by the estimator; here a callback looks on. No drawing.
"""

import copy
import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

# Fitted attributes that hold weights, in the order in which they are flattened.
WEIGHTS = ("coef_", "intercept_", "coefs_", "intercepts_")


class StepRecorder:
    """Callback that keeps the weights at the start and after every update.

    Parameters
    ----------
    max_steps : int or None, default=None
        Updates to keep. Training is asked to stop after the epoch that reaches them.

    Attributes
    ----------
    steps : list of int
        Updates made before each of the weights.
    weights : list of dict
        Fitted attributes that hold the weights.
    """

    def __init__(self, max_steps=None):
        self.max_steps = max_steps
        self.steps = []
        self.weights = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_step(self, estimator, step, attributes):
        """Keep the weights after update number `step`; 0 is the start."""
        if self.max_steps is None or step <= self.max_steps:
            self.steps.append(step)
            self.weights.append(
                {name: copy.deepcopy(attributes[name]) for name in _present(attributes)}
            )

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Keep the weights of an epoch that is one update, and say when to stop."""
        if context.parent is None or fitted_estimator is None:
            return False
        # Epochs of a single update are not announced by on_step.
        if fitted_estimator.t_ > self.steps[-1]:
            self.on_step(estimator, fitted_estimator.t_, vars(fitted_estimator))
        return self.max_steps is not None and fitted_estimator.t_ >= self.max_steps


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
    recorder = StepRecorder(max_steps)
    estimator.set_callbacks(recorder)
    with warnings.catch_warnings():
        # The picture shows what these would say.
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(X, y, **fit_params)
    estimator.set_callbacks()
    points = np.array([flatten(weights) for weights in recorder.weights])
    finite = np.isfinite(points).all(axis=1)
    n_points = len(points) if finite.all() else int(finite.argmin())
    return WalkedPath(
        estimator=estimator,
        steps=np.array(recorder.steps[:n_points]),
        points=points[:n_points],
    )


def flatten(attributes):
    """All weights of fitted attributes as one float64 vector."""
    return np.concatenate(
        [
            np.ravel(array).astype(np.float64)
            for name in _present(attributes)
            for array in _as_list(attributes[name])
        ]
    )


def with_weights(estimator, vector):
    """A shallow copy of a fitted estimator with other weights."""
    moved = copy.copy(estimator)
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
