"""Prepared updates of a network from few dense rows.

The arithmetic is that of ``training.py`` and ``_training/epochs.py``, on copies of what
an update moves; the network itself, in the coordinates of all rows seen, is made when
somebody looks at it.
"""

import math
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np

from skgd._estimator.prepared import (
    Left,
    PreparedUpdate,
    can_be_prepared,
    takes_long,
)
from skgd._input.columns import usable_moments
from skgd._input.moments import MomentsOfChunks
from skgd._input.rows import Rows
from skgd._network.coordinates import Coordinates, Scaling
from skgd._network.ensemble import members_of
from skgd._training.fast_paths import epoch_kernel
from skgd.penalties import penalty_value

NOTHING = nullcontext()

# Matrix products of so few numbers are never shared among threads.
FEW_NUMBERS = 1 << 14


@dataclass(frozen=True)
class Progress:
    """What a call changes in a network besides its parameters.

    Attributes
    ----------
    scaling : Scaling or None
        None without `standardize`.
    coordinates : Coordinates
    stream : uint64 array of shape (2,)
        Of the dropout masks.
    """

    scaling: Scaling | None
    coordinates: Coordinates
    stream: np.ndarray


class NetworkUpdate(PreparedUpdate):
    """An update from the dense rows of one call, prepared for the next calls.

    Parameters
    ----------
    estimator : NetworkGD
        After a call of partial_fit that made one update.
    plan : Plan
    bound : BoundObjective
        Over the rows of that call.
    horizon : float or None
        As in ``Plan.epoch``.
    """

    def __init__(self, estimator, plan, bound, horizon):
        from skgd._kernels.network import DenseInput, Units

        shape = bound.rows.X.shape
        super().__init__(estimator, plan, shape, horizon, ("coefs_", "intercepts_"))
        network = self.model
        self.X = np.zeros(shape, network.dtype)
        # In the units in which the loss compares them.
        self.measured = np.zeros_like(self.targets)
        rows = Rows.of(self.X, self.measured, self.measured)
        self.rows = rows, Rows.of(self.X, self.measured, self.measured, self.weights)
        # A network of its own, whose arrays the kernel reads: they are written to.
        self.template = network.to_train()
        objective = replace(plan.objective, model=self.template)
        self.bound = objective.over(rows, plan.block_rows(self.X), 1)
        data = DenseInput(*self.bound.data)
        self.mean, self.scale = data.mean, data.scale
        self.units = Units(*data.units)
        self.stepper = plan.stepper(objective)
        self.advance = epoch_kernel(self.bound, self.stepper, plan.batch_size)
        largest = max(fan_in * fan_out for fan_in, fan_out in network.shapes)
        self.is_large = shape[0] * largest > FEW_NUMBERS
        self.moments = None
        self.half_life = estimator._half_life
        if network.scaling is not None:
            self.moments = MomentsOfChunks(
                network.dtype, network.n_features, self.half_life
            )
            self.target_moments = MomentsOfChunks(
                np.dtype(np.float64), self.task.n_targets, self.half_life
            )

    def goes_on_from(self, model):
        return (
            model is None
            or model is self.model
            or (
                model.widths == self.model.widths
                and model.activations is self.model.activations
                and model.alpha == self.model.alpha
                and model.curvature is self.model.curvature
            )
        )

    def step(self, attributes, weighted):
        state, before = self.last(attributes)
        if state is None:
            return None
        rows = self.rows[weighted]
        self.bound.rows = rows
        scaling, c = before.scaling, before.coordinates
        if self.moments is not None:
            scaling = self._scaling_after(scaling, rows.weights)
            unusable = usable_moments(scaling.features, rows, self.X.dtype)[1:]
            if any(columns.size for columns in unusable):
                return None
            c = scaling.coordinates(
                self.loss, self.model.n_outputs, self.model.fit_intercept
            )
        c = self._move_to(c)
        self.template.stream[:] = before.stream
        state = state.copy()
        rates = self.rates_at(state)
        with self.plan.blas_threads() if self.is_large else NOTHING:
            total, _ = self.advance(state, rows.order, rates)
        theta = state.theta
        if not math.isfinite(total) or not math.isfinite(theta.dot(theta)):
            return None
        objective = self.plan.objective
        penalty = penalty_value(theta, objective.l1, objective.l2)
        penalty *= c.unit / self.model.n_members
        value = total / len(self.targets) + penalty
        if not (math.isfinite(value) and state.is_finite()):
            return None
        highest = self.highest_after(value, state.highest)
        if highest is None:
            return None
        state.step += self.n_updates
        state.epoch += 1
        state.n_seen += len(self.targets)
        if not (self.predicts_scores or self._predicts(state, c)):
            return None
        state.highest = highest
        if self.plan.schedule.watches_losses:
            state.losses = [*state.losses, value]
        progress = Progress(scaling, c, self.template.stream.copy())
        rate = self.stepper.rate(state, rates)
        return Left(self, state, progress, value, rate, 0.0)

    def _scaling_after(self, scaling, weights):
        features = self.moments.after(scaling.features, self.X, weights)
        if scaling.targets is None:
            return replace(scaling, features=features)
        targets = self.target_moments.after(scaling.targets, self.targets, weights)
        kept = scaling.kept.updated(self.targets, weights, self.half_life)
        return Scaling(features, targets, kept, scaling.middle)

    def _move_to(self, c):
        """Write coordinates to where the kernel reads them; returns them as it does."""
        c = c.rounded(self.X.dtype)
        self.mean[:], self.scale[:] = c.mean, c.scale
        spread = c.spread / c.measure
        self.units.shift[:] = c.shift / c.measure
        self.units.scale[:] = spread
        self.units.gain[:] = spread / c.unit
        self.measured[:] = self.targets
        if c.measures:
            self.measured[:] /= c.measure
        return c

    def _predicts(self, state, c):
        """Whether predictions for the rows are finite that are no scores."""
        weights = self.model.moved(c).coefficients(state.answer())
        for member in members_of(*weights):
            *_, scores = self.model.layers(self.X, *member)
            if not self.are_predicted(scores):
                return False
        return True

    def network_of(self, left):
        """The network that an update leaves."""
        progress = left.model
        if not isinstance(progress, Progress):
            return progress
        network = self.model.moved(progress.coordinates)
        network.scaling, network.alpha = progress.scaling, self.model.alpha
        network.stream = progress.stream
        left.model = network
        return network

    def weights_of(self, left):
        network = self.network_of(left)
        coefs, intercepts = network.coefficients(left.state.answer())
        return {"coefs_": coefs, "intercepts_": intercepts}

    def report_of(self, left):
        return super().report_of(left) | {"_model": self.network_of(left)}


def prepared(estimator, plan, bound, horizon):
    """A prepared update for calls like the last one, or None for the usual way."""
    if bound.is_csr or not can_be_prepared(estimator) or plan.adds_up:
        return None
    if takes_long(plan, bound):
        return None
    update = NetworkUpdate(estimator, plan, bound, horizon)
    # What code of users notes on its way, the usual way looks at.
    return None if update.user_code else update
