"""Prepared updates of arrays that lie in one block, by calls whose arguments are fixed.

What an update costs beside its arithmetic is then one call of compiled code and one
copy of the block, which is what it leaves: whoever holds an earlier one sees it
unchanged.
"""

import math

import numpy as np

from skgd._estimator.late import LATE
from skgd._estimator.prepared import Left, PreparedUpdate
from skgd._input.moments import Moments
from skgd._training.one_block import OneBlock, moved_by_updates, with_arrays

# Running moments of columns, as the names of arrays begin.
COLUMNS = "mean", "variance", "low", "high"


def _named(prefix, moments):
    return {f"{prefix} {name}": getattr(moments, name) for name in COLUMNS}


class BlockUpdate(PreparedUpdate):
    """An update of a state in one block; what moves it, subclasses know.

    Attributes
    ----------
    block : OneBlock
    state : State
        The one that moves, whose arrays are views of the block.
    origin : State
        The one from which all others are taken that are not moved.
    held : Left or None
        What the last update left, if the block still holds it.
    """

    held = None

    def lay_out(self, state, moments):
        """Make room for what moves.

        Parameters
        ----------
        state : State
        moments : dict of str to (Moments, MomentsOfChunks or None, array)
            By name: running moments, what takes in more rows, and the memory of these;
            None where no call of compiled code does.
        """
        arrays = moved_by_updates(state)
        for prefix, (known, _, _) in moments.items():
            arrays |= _named(prefix, known)
        self.block = OneBlock(arrays)
        views = self.block.views
        self.origin = state
        self.state = with_arrays(state, views)
        self.weights_seen, self.moment_calls = {}, []
        for prefix, (_, chunks, rows) in moments.items():
            columns = tuple(views[f"{prefix} {name}"] for name in COLUMNS)
            if chunks is None:
                self.weights_seen[prefix] = np.zeros(1)
                continue
            call, self.weights_seen[prefix] = chunks.fixed(rows, self.weights, columns)
            self.moment_calls.append(call)
        self.rates_used = np.full(self.n_updates, self.plan.lr)

    def fix_updates(self, advance, order):
        """The call that moves the state, once all that it reads is there."""
        self.updates = advance.fixed(self.state, order, self.rates_used)

    def moments_of(self, model):
        """Running moments of a model, by the names of `lay_out`."""
        raise NotImplementedError

    def model_with(self, moments, others):
        """The model that an update leaves.

        By running moments, and by what `further` told.
        """
        raise NotImplementedError

    def columns_now(self, prefix):
        """`Moments` as they are in the block: to be read before it moves on."""
        views = (self.block.views[f"{prefix} {name}"] for name in COLUMNS)
        return Moments(self.weights_seen[prefix].item(), *views)

    def further(self):
        """What else changes with the model, immutable."""
        return None

    def go_on_with(self, model):
        """Take over what `further` tells from a model."""

    def go_on_as(self, others):
        """Take over what `further` told."""

    def is_ready(self, attributes):
        """Whether the block is what the last call left, brought there if need be."""
        held, late = self.held, attributes.get(LATE)
        # From here on until the end it may be anything.
        self.held = None
        if "_state" in attributes or "_model" in attributes or late is None:
            return self._load(*self.last(attributes))
        if held is late:
            return True
        if late.update is not self:
            return self._load(self.state_of(late), self.model_of(late))
        numbers, origin, counters, weights, others = late.kept
        self.block.restore(numbers)
        self._count(origin, *counters)
        for prefix, weight in weights.items():
            self.weights_seen[prefix][0] = weight
        self.go_on_as(others)
        return True

    def _load(self, state, model):
        if state is None or model is None or state.averaging != self.state.averaging:
            return False
        arrays = moved_by_updates(state)
        moments = self.moments_of(model)
        for prefix, known in moments.items():
            arrays |= _named(prefix, known)
        if not self.block.load(arrays):
            return False
        for prefix, known in moments.items():
            self.weights_seen[prefix][0] = known.weight
        counters = state.step, state.epoch, state.n_seen, state.highest, state.losses
        self._count(state, *counters)
        # A failure has cleared what the rule reads there besides its own.
        self.stepper.update(self.state)
        self.go_on_with(model)
        return True

    def _count(self, origin, step, epoch, n_seen, highest, losses):
        self.origin, state = origin, self.state
        state.step, state.epoch, state.n_seen = step, epoch, n_seen
        state.highest, state.losses = highest, losses

    def advanced(self, calls):
        """Make the updates; returns the sum of the losses, or None if they fail."""
        state = self.state
        if self.rates is None:
            self.rates_used[:] = self.rates_at(state)
        self.updates.step[0] = state.step
        if not calls():
            return None
        total = self.updates.total.item()
        return total if math.isfinite(total) else None

    def left_by(self, value):
        """What the updates leave, after which the objective was `value`; or None."""
        state = self.state
        highest = self.highest_after(value, state.highest)
        if highest is None:
            return None
        n_rows = self.shape[0]
        state.step += self.n_updates
        state.epoch += 1
        state.n_seen += n_rows
        if not (self.predicts_scores or self.predicts()):
            return None
        state.highest = highest
        if self.plan.schedule.watches_losses:
            state.losses = [*state.losses, value]
        rate = self.stepper.rate(state, self.rates_used)
        left = Left(self, None, None, value, rate, 0.0)
        left.step = state.step
        counters = state.step, state.epoch, state.n_seen, highest, state.losses
        weights = {name: weight.item() for name, weight in self.weights_seen.items()}
        left.kept = self.block.copy(), self.origin, counters, weights, self.further()
        self.held = left
        return left

    def predicts(self):
        """Whether predictions for the rows are finite that are no scores."""
        raise NotImplementedError

    def steps_of(self, left):
        return left.step

    def state_of(self, left):
        if left.state is None:
            numbers, origin, (step, epoch, n_seen, highest, losses), *_ = left.kept
            left.state = with_arrays(
                origin,
                self.block.arrays_of(numbers),
                step=step,
                epoch=epoch,
                n_seen=n_seen,
                highest=highest,
                losses=losses,
            )
        return left.state

    def model_of(self, left):
        if left.model is None:
            numbers, _, _, weights, others = left.kept
            arrays = self.block.arrays_of(numbers) if weights else {}
            moments = {
                prefix: Moments(weight, *(arrays[f"{prefix} {n}"] for n in COLUMNS))
                for prefix, weight in weights.items()
            }
            left.model = self.model_with(moments, others)
        return left.model

    def answer_of(self, left):
        """The parameters to predict with."""
        if left.state is not None:
            return left.state.answer()
        return self._answer(left.kept[0], left.step)

    def _answer(self, numbers, step):
        averaging = self.state.averaging
        averages = self.state.average.size and step >= averaging.start
        return self.block.array_of(numbers, "average" if averages else "theta")
