"""Prepared updates of a network from few rows, dense or CSR.

The arithmetic is that of ``training.py`` and ``_training/epochs.py``; the network
itself, in the coordinates of all rows seen, is made when somebody looks at it.
"""

import copy
import math
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
from scipy import sparse

from skgd._estimator.late import attributes_of
from skgd._estimator.prepared import can_be_prepared, takes_long
from skgd._estimator.prepared_block import COLUMNS, BlockUpdate
from skgd._input.columns import usable_moments
from skgd._input.moments import Moments, MomentsOfChunks
from skgd._input.plain import plain_csr
from skgd._input.rows import Rows
from skgd._network.coordinates import Scaling
from skgd._network.ensemble import members_of
from skgd._training.fast_paths import epoch_kernel
from skgd.penalties import penalty_value

NOTHING = nullcontext()

# Matrix products of so few numbers are never shared among threads.
FEW_NUMBERS = 1 << 14

# Entries of CSR rows for which there is room at first.
FEW_ENTRIES = 256


class NetworkUpdate(BlockUpdate):
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
        shape = bound.rows.X.shape
        super().__init__(estimator, plan, shape, horizon, ("coefs_", "intercepts_"))
        self.to_make = (bound,)

    def make(self, estimator, bound):
        plan, network = self.plan, self.model
        # In the units in which the loss compares them.
        self.measured = np.zeros_like(self.targets)
        # A network of its own, whose arrays the kernel reads: they are written to.
        self.template = network.to_train()
        self.objective = replace(plan.objective, model=self.template)
        self.rows = Rows.of(
            self.room_for_rows(bound), self.measured, self.measured, self.weights
        )
        self.bound = self.objective.over(self.rows, plan.block_rows(self.rows.X), 1)
        self.read_from_room()
        self.stepper = plan.stepper(self.objective)
        self.advance = epoch_kernel(self.bound, self.stepper, plan.batch_size)
        largest = max(fan_in * fan_out for fan_in, fan_out in network.shapes)
        self.is_large = self.shape[0] * largest > FEW_NUMBERS
        self.half_life = estimator._half_life
        moments, self.middle = {}, None
        if network.scaling is not None:
            self.middle = network.scaling.middle
            moments["features"] = (network.scaling.features, *self.feature_moments())
            if network.scaling.targets is not None:
                chunks = MomentsOfChunks(
                    np.dtype(np.float64), self.task.n_targets, self.half_life
                )
                moments["targets"] = network.scaling.targets, chunks, self.targets
        self.lay_out(estimator._state, moments)
        self.go_on_with(network)
        self.fix_calls()

    def fix_calls(self):
        """The calls of compiled code, whose arguments are where they will stay."""
        from skgd._kernels.fixed import FixedCalls

        self.fix_updates(self.advance, self.rows.order)
        self.calls = FixedCalls([self.updates.call])
        self.take_in_chunks = FixedCalls(self.moment_calls)

    # ---- rows --------------------------------------------------------------------

    def room_for_rows(self, bound):
        """Make room for rows such as those of a call; returns it as rows."""
        self.keep_rows(self.model.dtype)
        return self.X

    def are_finite(self):
        """Whether the rows are, in the precision of the network."""
        return bool(np.isfinite(self.X).all())

    def read_from_room(self):
        """Let the kernel read the rows from there, and coordinates that move."""
        from skgd._kernels.network import DenseInput, Units

        data = DenseInput(*self.bound.data)
        self.mean, self.scale = data.mean, data.scale
        self.units = Units(*data.units)

    def feature_moments(self):
        """What takes in the moments of the rows, and where it finds them."""
        chunks = MomentsOfChunks(
            self.model.dtype, self.model.n_features, self.half_life
        )
        return chunks, self.X

    def take_in(self):
        """The moments of features and targets with those of the rows."""
        self.take_in_chunks()

    def rows_taken(self):
        """The rows of this call."""
        return self.rows

    # ---- the network ---------------------------------------------------------------

    def goes_on_from(self, model):
        return (
            model is None
            or model is self.model
            or (
                model.widths == self.model.widths
                and model.activations is self.model.activations
                and model.alpha == self.model.alpha
                and model.curvature is self.model.curvature
                and getattr(model.scaling, "middle", None) is self.middle
            )
        )

    def moments_of(self, model):
        scaling = model.scaling
        return {name: getattr(scaling, name) for name in self.weights_seen}

    def go_on_with(self, model):
        kept = None if model.scaling is None else model.scaling.kept
        self.others = kept, model.coordinates, model.stream.copy()

    def go_on_as(self, others):
        self.others = others

    def further(self):
        """Targets kept for medians, the coordinates, and the random stream."""
        return self.others

    def model_with(self, moments, others):
        kept, coordinates, stream = others
        network = self.model.moved(coordinates)
        network.scaling = None
        if moments:
            network.scaling = Scaling(
                moments["features"], moments.get("targets"), kept, self.middle
            )
        network.alpha, network.stream = self.model.alpha, stream
        return network

    # ---- an update -----------------------------------------------------------------

    @np.errstate(over="ignore", invalid="ignore")
    def step(self, attributes, weighted):
        if not (self.are_finite() and self.is_ready(attributes)):
            return None
        kept, c, stream = self.others
        if self.weights_seen:
            self.take_in()
            scaling = self._scaling(kept)
            rows = self.rows_taken()
            unusable = usable_moments(scaling.features, rows, self.model.dtype)[1:]
            if any(columns.size for columns in unusable):
                return None
            kept = scaling.kept
            c = scaling.coordinates(
                self.loss, self.model.n_outputs, self.model.fit_intercept
            )
        c = self._move_to(c)
        self.template.stream[:] = stream
        with self.plan.blas_threads() if self.is_large else NOTHING:
            total = self.advanced(self.calls)
        if total is None:
            return None
        theta = self.state.theta
        if not math.isfinite(theta.dot(theta)):
            return None
        objective = self.plan.objective
        penalty = penalty_value(theta, objective.l1, objective.l2)
        penalty *= c.unit / self.model.n_members
        value = total / len(self.targets) + penalty
        if not (math.isfinite(value) and self.state.is_finite()):
            return None
        self.others = kept, c, self.template.stream.copy()
        return self.left_by(value)

    def _scaling(self, kept):
        """What coordinates are computed from, with the rows taken in."""
        features = self.columns_now("features")
        if "targets" not in self.weights_seen:
            return Scaling(features, middle=self.middle)
        kept = kept.updated(self.targets, self.weights, self.half_life)
        targets = self.columns_now("targets")
        return Scaling(features, targets, kept, self.middle)

    def _move_to(self, c):
        """Write coordinates to where the kernel reads them; returns them as it does."""
        c = c.rounded(self.model.dtype)
        self.mean[:], self.scale[:] = c.mean, c.scale
        spread = c.spread / c.measure
        self.units.shift[:] = c.shift / c.measure
        self.units.scale[:] = spread
        self.units.gain[:] = spread / c.unit
        self.measured[:] = self.targets
        if (c.measure != 1.0).any():
            self.measured[:] /= c.measure
        return c

    def predicts(self):
        _, c, _ = self.others
        weights = self._in(c).coefficients(self.state.answer())
        for member in members_of(*weights):
            *_, scores = self.model.layers(self.rows_taken().X, *member)
            if not self.are_predicted(scores):
                return False
        return True

    def _in(self, coordinates):
        """The network in coordinates as kernels see them, for a look at its weights."""
        network = copy.copy(self.model)
        network.coordinates = coordinates
        return network

    def weights_of(self, left):
        _, coordinates, _ = left.kept[-1]
        coefs, intercepts = self._in(coordinates).coefficients(self.answer_of(left))
        return {"coefs_": coefs, "intercepts_": intercepts}


class SparseNetworkUpdate(NetworkUpdate):
    """The same for CSR rows, however many entries they have."""

    def room_for_rows(self, bound):
        X = bound.rows.X
        self.index = bound.data[1].dtype
        self.make_room(max(FEW_ENTRIES, 2 * X.nnz))
        self.entries = 0
        return X

    def make_room(self, n_entries):
        self.room_values = np.zeros(n_entries, self.model.dtype)
        self.room_columns = np.zeros(n_entries, self.index)
        self.room_pointers = np.zeros(self.shape[0] + 1, self.index)

    def read_from_room(self):
        from skgd._kernels.network import SparseInput, Units

        room = self.room_values, self.room_columns, self.room_pointers
        self.bound.data = (*room, *self.bound.data[3:])
        data = SparseInput(*self.bound.data)
        self.mean, self.scale = data.mean, data.scale
        self.units = Units(*data.units)

    def are_finite(self):
        return True

    def feature_moments(self):
        return None, None

    def takes_rows(self, estimator, X):
        current = attributes_of(estimator)
        n_features = self.model.n_features
        entries = plain_csr(X, n_features, current.get("feature_names_in_"))
        if (
            entries is None
            or X.shape != self.shape
            or current["n_features_in_"] != n_features
        ):
            return False
        values, columns, pointers, _ = entries
        n = values.size
        if n > self.room_values.size:
            self.make_room(2 * n)
            self.read_from_room()
            self.fix_calls()
        with np.errstate(over="ignore"):
            self.room_values[:n] = values
        if (
            values.dtype != self.room_values.dtype
            and not np.isfinite(self.room_values[:n]).all()
        ):
            return False
        self.room_columns[:n], self.room_pointers[:] = columns, pointers
        self.entries, self.taken = n, None
        return True

    def rows_taken(self):
        if self.taken is None:
            n = self.entries
            parts = self.room_values[:n], self.room_columns[:n], self.room_pointers
            X = sparse.csr_array(parts, self.shape)
            self.taken = Rows.of(X, self.targets, self.targets, self.weights)
        return self.taken

    def take_in(self):
        super().take_in()
        weight = self.weights_seen["features"]
        views = [self.block.views[f"features {name}"] for name in COLUMNS]
        before = Moments(weight.item(), *(view.copy() for view in views))
        after = Moments.of(self.rows_taken(), before, self.half_life)
        weight[0] = after.weight
        for name, view in zip(COLUMNS, views, strict=True):
            view[:] = getattr(after, name)


def prepared(estimator, plan, bound, horizon):
    """A prepared update for calls like the last one, or None for the usual way."""
    if not can_be_prepared(estimator) or plan.adds_up or takes_long(plan, bound):
        return None
    kind = SparseNetworkUpdate if bound.is_csr else NetworkUpdate
    update = kind(estimator, plan, bound, horizon)
    # What code of users notes on its way, the usual way looks at.
    return None if update.user_code else update
