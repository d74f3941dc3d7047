"""Updates of few rows, looked after by the objective of all rows.

For losses whose curvature has no bound: a step that suits the start can be far too long
elsewhere. When training stops is decided in ``_training/loop.py``.
"""

import copy
import math

# Epochs between two looks at all rows, and what divides the longest step when they have
# shown a rise.
EVERY = 2
SHORTER = 8.0


class GuardedBatches:
    """Epochs of many updates that are taken back where the objective has risen.

    Parameters
    ----------
    bound : BoundObjective or StreamObjective
    batches : object with ``run(state) -> (objective, rate)``
    stepper : Stepper
        Of a rule whose second constant is the length of its longest step.

    Attributes
    ----------
    moved : bool
        False after epochs that were taken back.
    """

    def __init__(self, bound, batches, stepper):
        self.bound = bound
        self.batches = batches
        self.stepper = stepper
        self.moved = True
        self._n_epochs = 0
        self._lowest = math.inf
        self._kept = None

    def run(self, state):
        """One epoch in place; returns (mean objective seen, last rate)."""
        if self._kept is None:
            self._keep(state, self.bound.value(state.answer()))
        value, rate = self.batches.run(state)
        self._n_epochs += 1
        self.moved = True
        failed = not math.isfinite(value) or not state.is_finite()
        if failed or self._n_epochs % EVERY == 0:
            reached = math.nan if failed else self.bound.value(state.answer())
            if reached <= self._lowest:
                self._keep(state, reached)
            else:
                self._go_back(state)
                value = self._lowest
        return value, rate

    def finish(self, state):
        """Leave the state at the lowest objective that was seen."""
        if self._n_epochs % EVERY and not self.bound.value(state.answer()) <= (
            self._lowest
        ):
            self._go_back(state)

    def _keep(self, state, value):
        self._lowest = value
        names = ("vectors", "scalars", "step_sizes")
        self._kept = (
            state.copy_parameters(),
            {n: getattr(state, n).copy() for n in names},
        )
        self._counts = state.step, copy.copy(state.lazy)

    def _go_back(self, state):
        """To the last point that was better, for shorter steps from there."""
        parameters, arrays = self._kept
        state.restore_parameters(parameters)
        for name, array in arrays.items():
            getattr(state, name)[:] = array
        state.step, state.lazy = self._counts
        self.stepper.p[1] /= SHORTER
        self.moved = False
