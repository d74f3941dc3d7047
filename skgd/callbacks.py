"""Callbacks that watch a training: a base to write one, and a recorder of updates.

scikit-learn's protocol of callbacks ends at the epoch. The estimators here also call
``on_step(estimator, step, attributes)`` of callbacks that have it.
"""

import copy
import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Fitted attributes that hold weights, in the order in which they are flattened.
WEIGHTS = ("coef_", "intercept_", "coefs_", "intercepts_")


class Callback:
    """Base of callbacks: every method of scikit-learn's protocol, doing nothing.

    Overwrite the methods that you need, `on_step` among them. Give an object of your
    class to ``estimator.set_callbacks``. A callback with `on_step` makes each update a
    call of its own, which costs some microseconds.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDRegressor
    >>> from skgd.callbacks import Callback
    >>> class Printer(Callback):
    ...     def on_step(self, estimator, step, attributes):
    ...         print(step, attributes["coef_"].round(3))
    >>> X, y = np.array([[0.5], [2.3], [2.9]]), np.array([1.4, 1.9, 3.2])
    >>> model = GDRegressor(solver="sgd", lr=0.02, shuffle=False, max_iter=1, tol=None)
    >>> model = model.set_callbacks(Printer()).fit(X, y)
    0 [0.]
    1 [0.014]
    2 [0.099]
    3 [0.264]
    """

    def setup(self, estimator: Any, context: Any) -> None:
        """Before a fit."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """After a fit."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Before a fit, and before each epoch."""

    def on_fit_task_end(
        self, estimator: Any, context: Any, **kwargs: Any
    ) -> bool | None:
        """After each epoch, and after a fit; True asks to stop.

        Parameters
        ----------
        estimator : estimator
            The one that is fitted.
        context : CallbackContext
            ``context.parent`` is None for the fit as a whole.
        **kwargs : object
            What scikit-learn hands on; `fitted_estimator`, if the signature of the
            method names it, is the estimator ready to predict.
        """
        return False


class StepRecorder(Callback):
    """Keep the loss, the time and the weights of every update.

    Parameters
    ----------
    weights : bool, default=True
        Whether to keep a copy of the weights. False for long runs of large models.
    max_steps : int or None, default=None
        Updates to keep. Training is asked to stop after the epoch that reaches them.

    Attributes
    ----------
    steps : list of int
        Updates made: 0 for the start, then one entry for each update.
    losses : list of float
        Mean loss of the rows of each update just before it, without the penalty; NaN
        for the start. Where an epoch is one update, the objective in its place.
    seconds : list of float
        Since the start.
    weights : list of dict
        `coef_` and `intercept_`, or `coefs_` and `intercepts_`, after each update.

    Notes
    -----
    A second fit adds to the lists: use a new recorder for each. The implicit and dual
    methods of ``lr="auto"`` on sparse rows make their updates in one piece, and are
    recorded epoch by epoch.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDRegressor
    >>> from skgd.callbacks import StepRecorder
    >>> X, y = load_diabetes(return_X_y=True)
    >>> recorder = StepRecorder()
    >>> model = GDRegressor(batch_size=50, lr=0.1, max_iter=2, tol=None, random_state=0)
    >>> model = model.set_callbacks(recorder).fit(X, y)
    >>> len(y), model.t_, recorder.steps[-1]
    (442, 18, 18)
    >>> recorder.losses[1] > recorder.losses[18]
    True
    """

    def __init__(self, weights: bool = True, max_steps: int | None = None) -> None:
        self.keeps_weights = weights
        self.max_steps = max_steps
        self.steps: list[int] = []
        self.losses: list[float] = []
        self.seconds: list[float] = []
        self.weights: list[dict[str, Any]] = []
        self._started = math.nan

    def on_step(self, estimator: Any, step: int, attributes: Any) -> None:
        """Keep what there is after update number `step`; 0 is the start."""
        if not self.steps:
            self._started = time.perf_counter()
        if self.max_steps is not None and step > self.max_steps:
            return
        self.steps.append(step)
        self.losses.append(float(attributes.get("step_loss", math.nan)))
        self.seconds.append(time.perf_counter() - self._started)
        if self.keeps_weights:
            kept = [name for name in WEIGHTS if name in attributes]
            self.weights.append(
                {name: copy.deepcopy(attributes[name]) for name in kept}
            )

    def on_fit_task_end(  # type: ignore[override]
        self, estimator: Any, context: Any, *, fitted_estimator: Any = None
    ) -> bool:
        """Keep an epoch that is one update, and say when to stop."""
        if context.parent is None or fitted_estimator is None:
            return False
        # Epochs of a single update are not announced by on_step.
        if not self.steps or fitted_estimator.t_ > self.steps[-1]:
            seen = vars(fitted_estimator)
            losses = seen.get("loss_curve_") or [math.nan]
            self.on_step(
                estimator, fitted_estimator.t_, {**seen, "step_loss": losses[-1]}
            )
        return self.max_steps is not None and fitted_estimator.t_ >= self.max_steps

    @property
    def path(self) -> NDArray[np.float64]:
        """All weights after each update, one row for each, as float64."""
        return np.array([flat_weights(weights) for weights in self.weights])


def flat_weights(attributes: Any) -> NDArray[np.float64]:
    """All weights of fitted attributes as one float64 vector."""
    arrays = []
    for name in WEIGHTS:
        if name in attributes:
            found = attributes[name]
            arrays += found if isinstance(found, list) else [found]
    return np.concatenate([np.ravel(a).astype(np.float64) for a in arrays])


__all__ = ["Callback", "StepRecorder"]
