"""Prepared updates of a linear model from few dense rows.

The arithmetic is that of ``_training/epochs.py``, on copies of the state, so that
whoever holds an earlier one sees it unchanged.
"""

import math
from contextlib import nullcontext

import numpy as np

from skgd._estimator.prepared import Left, can_be_prepared, takes_long
from skgd._input.moments import MomentsOfChunks, Seen
from skgd._input.rows import Rows
from skgd._kernels.forgetting import left
from skgd._linear.automatic import scores_have_units
from skgd._linear.prepared_sparse import LinearUpdate, prepared_sparse
from skgd._training.fast_paths import epoch_kernel
from skgd.optimizers import DoWG

NOTHING = nullcontext()

# Matrix products of so few numbers are never shared among threads.
FEW_NUMBERS = 1 << 14


class Quick(LinearUpdate):
    """An update from the dense rows of one call, prepared for the next calls.

    Parameters
    ----------
    estimator : LinearGD
        After a call of partial_fit that made one update.
    plan : Plan
    bound : BoundObjective
        Over the rows of that call.
    horizon : float or None
        As in ``Plan.epoch``.
    """

    def __init__(self, estimator, plan, bound, horizon):
        super().__init__(estimator, plan, bound.rows.X.shape, horizon)
        model = self.model
        self.X = np.zeros(self.shape, model.dtype)
        rows = Rows.of(self.X, self.targets, self.targets)
        self.rows = rows, Rows.of(self.X, self.targets, self.targets, self.weights)
        self.bound = bound
        bound.move_to(rows)
        self.stepper = plan.stepper(plan.objective)
        self.advance = epoch_kernel(bound, self.stepper, plan.batch_size)
        few = self.X.size * model.n_outputs <= FEW_NUMBERS
        self.multiplies = model.multiplies_matrices and not few
        self.moments = self.target_moments = None
        half_life = estimator._half_life
        self.forgets = half_life < math.inf
        self.left = left(half_life, self.shape[0])
        if not model.raw:
            self.moments = MomentsOfChunks(model.dtype, self.shape[1], half_life)
            if scores_have_units(self.task, self.loss):
                self.target_moments = MomentsOfChunks(
                    np.dtype(np.float64), self.task.n_targets, half_life
                )

    def goes_on_from(self, model):
        return (
            model is None
            or model is self.model
            or (not self.model.raw and model.scale is self.model.scale)
        )

    def _seen_after(self, seen, weights):
        features = self.moments.after(seen.features, self.X, weights)
        targets = seen.targets
        if self.target_moments is not None:
            targets = self.target_moments.after(targets, self.targets, weights)
        return Seen(features, targets, seen.spread, seen.curvature)

    def step(self, attributes, weighted):
        state, model = self.last(attributes)
        if state is None:
            return None
        rows = self.rows[weighted]
        self.bound.rows = rows
        if self.moments is not None:
            seen = self._seen_after(model.seen, rows.weights)
            model = model.having_seen(seen, self.left)
            if model.is_out_of_date(seen, self.forgets):
                return None
        state = state.copy()
        rates = self.rates_at(state)
        with self.plan.blas_threads() if self.multiplies else NOTHING:
            total, _ = self.advance(state, rows.order, rates)
        if not math.isfinite(total) or not _is_tame(state):
            return None
        value = total / len(self.targets) + self.plan.objective.penalty(state.theta)
        if not math.isfinite(value):
            return None
        highest = self.highest_after(value, state.highest)
        if highest is None:
            return None
        state.step += self.n_updates
        state.epoch += 1
        state.n_seen += len(self.targets)
        if not (self.predicts_scores or self._predicts(state)):
            return None
        state.highest = highest
        if self.plan.schedule.watches_losses:
            state.losses = [*state.losses, value]
        return Left(self, state, model, value, self.stepper.rate(state, rates), 0.0)

    def _predicts(self, state):
        """Whether predictions for the rows are finite that are no scores."""
        coef, intercept = self.model.coefficients(state.answer())
        return self.are_predicted(self.X @ coef.T + intercept)

    def answer_of(self, left):
        return left.state.answer()


def _is_tame(state):
    """Whether the squares of all points have finite sums: then nothing overflows."""
    theta, average = state.theta, state.average
    if not math.isfinite(theta.dot(theta)):
        return False
    return not average.size or math.isfinite(average.dot(average))


def prepared(estimator, plan, bound, horizon):
    """A prepared update for calls like the last one, or None for the usual way.

    Under ``lr="auto"`` they do for rules whose rate depends on the rows of a call.
    """
    automatic = estimator.lr == "auto"
    if not can_be_prepared(estimator):
        return None
    if bound.is_csr:
        return prepared_sparse(estimator, plan, bound, horizon)
    if (
        not bound.objective.model.is_linear
        or bound.objective.model.raw == automatic
        or plan.adds_up
        or takes_long(plan, bound)
        or plan.optimizer.row_step is not None
        or (automatic and type(plan.optimizer) is not DoWG)
    ):
        return None
    return Quick(estimator, plan, bound, horizon)
