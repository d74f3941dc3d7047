"""From constructor parameters to the parts of a training run.

The one place that decides which objective, rule, rate and kind of epoch a call means.
"""

import math
from contextlib import nullcontext
from dataclasses import dataclass, replace

import joblib
import numpy as np

from skgd._training.dual import DualAscent
from skgd._training.epochs import FullBatch, Rates, Stepper
from skgd._training.full_gradient import FullGradientDescent, proximal_step
from skgd._training.guarded import GuardedBatches
from skgd._training.implicit import ImplicitAdaGrad
from skgd._training.objective import Objective
from skgd._training.state import Averaging
from skgd._training.threads import one_blas_thread
from skgd._training.used_columns import EpochOnUsedColumns
from skgd.losses import EpsilonInsensitive, Hinge


def shortened(rows, model, longest):
    """Rows that weigh less where they are longer, in the coordinates of a model."""
    if longest == math.inf:
        return rows
    from skgd._kernels.shortening import compiled_shorten

    weights = np.empty(rows.X.shape[0])
    compiled_shorten(model.dtype)(
        *shortening_of(model, rows.X, rows.weights, longest, weights)
    )
    return replace(rows, weights=weights)


def shortening_of(model, X, weights, longest, shortened):
    """What compiled code is given to write shortened weights."""
    zero = np.zeros(model.n_features, model.dtype)
    mean = zero if model.mean is None else model.mean
    return X, mean, model.scale, float(model.fit_intercept), weights, longest, shortened


@dataclass
class Plan:
    """The parts of one training run.

    Attributes
    ----------
    objective : Objective
    optimizer : Optimizer, or a method with epochs of its own
    schedule : Schedule
    solver : {'batch', 'minibatch', 'sgd'}
    batch_size : int
        Rows per update.
    lr : float
        Base learning rate.
    averaging : Averaging
        Which mean of the parameters is the answer.
    clip_norm : float or None
    shuffle : bool
    last_step : float or None
        Length of a proximal step down the full gradient, taken at the end of fit.
    n_jobs : int
        Threads for sums over all rows.
    constant : array of shape (n_parameters,), or None
        The best constant, where it is known before training.
    guarded : bool
        Whether epochs that raise the objective of all rows are taken back.
    half_life : float
        Rows after which half of what the rule has added up is forgotten.
    longest_row : float
        Squares, those of a row's features and of the constant one, from which on a row
        weighs less; of dense rows of a linear model in its coordinates.
    """

    objective: Objective
    optimizer: object
    schedule: object
    solver: str
    batch_size: int
    lr: float
    averaging: Averaging
    clip_norm: float | None
    shuffle: bool
    last_step: float | None = None
    n_jobs: int = 1
    constant: np.ndarray | None = None
    guarded: bool = False
    half_life: float = math.inf
    longest_row: float = math.inf

    @property
    def model(self):
        return self.objective.model

    def bind(self, rows):
        """The objective over the training rows."""
        rows = shortened(rows, self.model, self.longest_row)
        return self.objective.bind(rows, self.block_rows(rows.X), self.n_jobs)

    def table(self, rows):
        """What a table of the derivatives of rows belongs to, to compare."""
        loss = self.objective.loss
        values = rows.X, rows.targets, rows.weights, rows.order
        return joblib.hash(values), type(loss), tuple(loss.parameters())

    def blas_threads(self):
        """The context in which to train, as to the threads of matrix products."""
        # Bounds factorise small matrices: two threads wait for each other there.
        small = isinstance(self.optimizer, FullGradientDescent)
        small |= self.objective.model.multiplies_matrices
        return one_blas_thread() if small else nullcontext()

    def block_rows(self, X):
        """Rows that the kernels handle at a time."""
        if self.solver != "batch" and hasattr(X, "indptr"):
            return self.batch_size
        return min(self.batch_size, self.objective.model.block_rows)

    @property
    def adds_up(self):
        """Whether an epoch takes the gradient of all rows at one point."""
        return self.solver == "batch" or isinstance(self.optimizer, FullGradientDescent)

    def stepper(self, objective, lr=1.0):
        """The updates of this run, down an objective.

        `lr` is the constant in the steps of rows, of rules that have one.
        """
        return Stepper(objective, self.optimizer, self.clip_norm, lr, self.half_life)

    def epoch(self, bound, horizon, on_step=None):
        """One pass over the bound rows, ready to run.

        Parameters
        ----------
        bound : BoundObjective
        horizon : float or None
            Epochs the whole run may take, for the schedules that end with it.
        on_step : callable(state), optional
            Called after each update within an epoch.
        """
        if isinstance(self.optimizer, FullGradientDescent):
            return self.optimizer.on(bound, on_step)
        if isinstance(self.optimizer, (DualAscent, ImplicitAdaGrad)):
            return self.optimizer.on(bound)
        if self.optimizer.keeps_derivatives and (
            self.solver == "batch" or not self.objective.model.is_linear
        ):
            raise ValueError(
                "optimizer='saga' improves on steps of few rows of a linear model; "
                f"got solver={self.solver!r}. Use solver='minibatch' or 'sgd' of "
                "GDRegressor or GDClassifier, or another optimizer."
            )
        if self.optimizer.row_step is not None:
            self._check_row_steps()
        stepper = self.stepper(self.objective, self.lr)
        rates = Rates(self.lr, self.schedule, horizon)
        if self.solver == "batch":
            return self._full_batch(bound, stepper, rates)
        batches = bound.batches(stepper, rates, self.batch_size, self.shuffle, on_step)
        return GuardedBatches(bound, batches, stepper) if self.guarded else batches

    def _full_batch(self, bound, stepper, rates):
        """The epoch of one update by the gradient of all rows."""
        if not stepper.is_gd:
            return FullBatch(bound, stepper, rates)

        def on(bound):
            return FullBatch(bound, self.stepper(bound.objective, self.lr), rates)

        return EpochOnUsedColumns(bound, on)

    def _check_row_steps(self):
        """ValueError where steps of rows have no closed form."""
        name, loss = self.optimizer.row_step, self.objective.loss
        if self.solver == "batch" or not self.objective.model.is_linear:
            raise ValueError(
                f"optimizer={name!r} makes a step for each row of a linear model; got "
                f"solver={self.solver!r}. Use solver='sgd' or 'minibatch' of "
                "GDRegressor or GDClassifier, or another optimizer."
            )
        if not isinstance(loss, (Hinge, EpsilonInsensitive)):
            raise ValueError(
                f"optimizer={name!r} is for loss='hinge' of classes and "
                f"'epsilon_insensitive' of numbers, got {type(loss).__name__}. (The "
                "squared losses of PassiveAggressive* are these with optimizer='pa2'.)"
            )

    def rate_used(self, rates):
        """The base rate, or the last length that the method found by itself."""
        if self.optimizer.finds_rate and rates:
            return rates[-1]
        return self.lr

    def finish(self, bound, state):
        """The last touch after training: exact zeros where a mean has none."""
        if self.last_step is not None:
            answer = state.answer()
            answer[:] = proximal_step(bound, answer, self.last_step)
        if self.objective.softmax and isinstance(self.optimizer, FullGradientDescent):
            self._centre_classes(state)

    def _centre_classes(self, state):
        """The softmax sees differences only: take away what all classes share.

        Rounding drifts along there. An l1 penalty sees it, but for the intercepts.
        """
        model = self.objective.model
        answer, n_weights = state.answer(), model.n_weights
        start = n_weights if self.objective.l1.size else 0
        shared = answer[start:].reshape(-1, model.n_outputs)
        shared -= shared.mean(axis=1, keepdims=True)


def rows_per_update(solver, batch_size, n_rows, auto):
    """How many rows make one update."""
    if solver == "batch":
        return n_rows
    if solver == "sgd":
        return 1
    return min(auto if batch_size == "auto" else batch_size, n_rows)
