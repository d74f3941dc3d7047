"""The default on large tables: two epochs of updates from few rows, then the search.

The former come near the minimum in few passes, the latter reaches it and knows that it
has. The parts are in ``_training/epochs.py`` and ``_training/secant.py``.
"""

import math

import numpy as np

from skgd._training.epochs import Stepper
from skgd._training.guarded import GuardedBatches
from skgd._training.secant import SecantDescent, SecantEpoch
from skgd._training.state import State

# Epochs of updates before the search.
EPOCHS = 2


class HybridDescent(SecantDescent):
    """Secant descent from where a few epochs of another rule have come.

    Parameters
    ----------
    optimizer : Optimizer
        The other rule, whose rate is one.
    averaging : Averaging
        Its mean.
    batch_size : int
        Rows of its updates.
    shuffle : bool
    guarded : bool
        Whether its epochs are looked after; see ``_training/guarded.py``.
    **search
        As of ``SecantDescent``.
    """

    def __init__(self, optimizer, averaging, batch_size, shuffle, guarded, **search):
        super().__init__(**search)
        self.optimizer = optimizer
        self.averaging = averaging
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.guarded = guarded

    def on(self, bound, on_step=None):
        """The epoch of this method over bound rows."""
        return HybridEpoch(self, bound, on_step)


class HybridEpoch(SecantEpoch):
    """Epochs of updates first, if the run starts from the constant; then the search."""

    def __init__(self, descent, bound, on_step=None):
        super().__init__(descent, bound)
        small = bound.with_objective(bound.objective, descent.batch_size)
        stepper = Stepper(bound.objective, descent.optimizer, None)
        self._updates = small.many_updates(
            small, stepper, _ones, descent.batch_size, descent.shuffle, on_step
        )
        if descent.guarded:
            self._updates = GuardedBatches(bound, self._updates, stepper)
        self._state = None
        self._left = EPOCHS

    def run(self, state):
        """One pass in place; returns (objective, rate or step)."""
        if self._left == EPOCHS and not self._at_constant(state.theta):
            self._left = 0
        if not self._left:
            return super().run(state)
        self._left -= 1
        descent = self.descent
        if self._state is None:
            self._state = State.start(
                state.theta.copy(), descent.optimizer, descent.averaging, state.rng
            )
        before = self._state.step
        value, rate = self._updates.run(self._state)
        self.moved = True
        if not math.isfinite(value) or not self._state.is_finite():
            # Nothing was learnt: the search starts from the constant.
            self._left = 0
            return super().run(state)
        state.theta[:] = self._state.answer()
        state.average[:] = state.theta
        state.step += self._state.step - before
        return value, rate

    def _at_constant(self, theta):
        constant = self.descent.constant
        return np.array_equal(
            theta, np.zeros_like(theta) if constant is None else constant
        )

    def _first(self, state, values, gradient, worst, gradient_there):
        """Go back to the constant where the updates have come to nothing better."""
        for k in np.nonzero(~(values[:, 1] < worst[:, 1]))[0]:
            values[k] = worst[k]
            for vector, there in (
                (gradient, gradient_there),
                (state.theta, self._constant_point),
            ):
                self._columns(vector)[:, k] = self._columns(there)[:, k]
        return values, gradient


def _ones(state, n_steps, *part):
    """The rates of a rule that finds its step."""
    start, stop = part or (0, n_steps)
    return np.ones(stop - start)
