"""Prepared updates of a linear model from few dense rows.

The arithmetic is that of ``_training/epochs.py``.
"""

import math
from contextlib import nullcontext

import numpy as np

from skgd._estimator.prepared import can_be_prepared, takes_long
from skgd._estimator.prepared_block import COLUMNS, BlockUpdate
from skgd._input.moments import Moments, MomentsOfChunks, Seen
from skgd._input.rows import Rows
from skgd._kernels.forgetting import left
from skgd._linear.automatic import scores_have_units
from skgd._linear.model import REFRESH
from skgd._linear.prepared_sparse import LinearUpdate, prepared_sparse
from skgd._training.fast_paths import epoch_kernel
from skgd._training.plan import shortening_of
from skgd.optimizers import DoWG

NOTHING = nullcontext()

# Matrix products of so few numbers are never shared among threads.
FEW_NUMBERS = 1 << 14


class Quick(BlockUpdate, LinearUpdate):
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
        self.to_make = (bound,)

    def make(self, estimator, bound):
        from skgd._kernels.fixed import (
            FixedCall,
            FixedCalls,
            all_finite,
            finite_squares,
            look_at,
        )
        from skgd._kernels.shortening import compiled_shorten

        model, plan = self.model, self.plan
        self.keep_rows(model.dtype)
        weights, shortens = self.weights, []
        if plan.longest_row < math.inf:
            # Moments are of the weights as given.
            weights = np.ones(self.shape[0])
            given = shortening_of(
                model, self.X, self.weights, plan.longest_row, weights
            )
            shortens = [FixedCall(compiled_shorten(model.dtype), given)]
        rows = Rows.of(self.X, self.targets, self.targets, weights)
        self.bound = bound
        bound.move_to(rows)
        self.stepper = plan.stepper(plan.objective)
        few = self.X.size * model.n_outputs <= FEW_NUMBERS
        self.multiplies = model.multiplies_matrices and not few
        half_life = estimator._half_life
        self.forgets = half_life < math.inf
        self.left = left(half_life, self.shape[0])
        moments = {}
        if not model.raw:
            chunks = MomentsOfChunks(model.dtype, self.shape[1], half_life)
            moments["features"] = self._seen.features, chunks, self.X
            if scores_have_units(self.task, self.loss):
                chunks = MomentsOfChunks(
                    np.dtype(np.float64), self.task.n_targets, half_life
                )
                moments["targets"] = self._seen.targets, chunks, self.targets
        self.lay_out(estimator._state, moments)
        if moments:
            views = (self.block.views[f"features {name}"] for name in COLUMNS)
            self.columns = Moments(0.0, *views)
        self.go_on_with(estimator._model)
        self.fix_updates(epoch_kernel(bound, self.stepper, plan.batch_size), rows.order)
        looks = [look_at(all_finite, self.X)]
        for point in (self.state.theta, self.state.average):
            if point.size:
                looks.append(look_at(finite_squares, point))
        before, *after = looks
        self.looks = [look.result[:1] for look in looks]
        self.calls = FixedCalls(
            [before, *self.moment_calls, *shortens, self.updates.call, *after]
        )
        objective = plan.objective
        self.is_penalised = bool(
            objective.l2.any() or objective.l1.any() or objective.prox is not None
        )

    @property
    def _seen(self):
        return self.model.seen

    def goes_on_from(self, model):
        return (
            model is None
            or model is self.model
            or (not self.model.raw and model.scale is self.model.scale)
        )

    def moments_of(self, model):
        seen = model.seen
        return {name: getattr(seen, name) for name in self.weights_seen}

    def further(self):
        return self.made_from

    def go_on_as(self, others):
        self.made_from = others

    def go_on_with(self, model):
        """The weight of the rows of which the coordinates were made, and the model."""
        weight = 0.0 if self.model.raw else model.moments.weight
        self.made_from = model, weight

    def model_with(self, moments, others):
        model, weight = others
        if not moments:
            return model
        seen = model.seen
        targets = moments.get("targets", seen.targets)
        seen = Seen(moments["features"], targets, seen.spread, seen.curvature)
        model = model.having_seen(seen)
        if weight != model.moments.weight:
            model.moments = model.moments.reduced(weight / model.moments.weight)
            model.moments.weight = weight
        return model

    def _is_out_of_date(self):
        """As ``LinearModel.is_out_of_date``, after the rows were taken in."""
        model, weight = self.made_from
        if self.forgets:
            weight *= self.left
            self.made_from = model, weight
        seen = self.weights_seen["features"].item()
        if seen > REFRESH * weight:
            return True
        return self.forgets and self.model.reaches_too_far(self.columns)

    def step(self, attributes, weighted):
        if not self.is_ready(attributes):
            return None
        if self.multiplies:
            with self.plan.blas_threads():
                total = self.advanced(self.calls)
        else:
            total = self.advanced(self.calls)
        if total is None or (self.moment_calls and self._is_out_of_date()):
            return None
        for look in self.looks:
            if not look.item():
                return None
        value = total / self.shape[0]
        if self.is_penalised:
            value += self.plan.objective.penalty(self.state.theta)
            if not math.isfinite(value):
                return None
        return self.left_by(value)

    def predicts(self):
        with np.errstate(over="ignore", invalid="ignore"):
            coef, intercept = self.model.coefficients(self.state.answer())
            return self.are_predicted(self.X @ coef.T + intercept)


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
