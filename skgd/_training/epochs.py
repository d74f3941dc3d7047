"""One epoch of gradient descent: all rows once, in one update or many.

``FullBatch`` sums the gradient over all rows and steps once; ``Batches`` runs the
compiled loop of many updates. Both move the same state by the same step. When to stop
is decided in ``_training/loop.py``.
"""

import math

from skgd._training.fast_paths import epoch_kernel


class FullBatch:
    """``solver="batch"``: one update per epoch from the exact gradient.

    Parameters
    ----------
    bound : skgd._training.objective.BoundObjective
    stepper : Stepper
    rates : callable(state, n_steps) -> array
        Learning rates of the coming updates.
    """

    def __init__(self, bound, stepper, rates):
        from skgd._kernels import compiling, epoch

        self.bound = bound
        self.stepper = stepper
        self.rates = rates
        self._step = compiling.kernel(
            epoch.step, compiling.step_signature(stepper.element)
        )

    def run(self, state):
        """One epoch in place; returns (objective before the update, rate)."""
        rate = self.rates(state, 1)
        loss, gradient = self.bound.loss_and_gradient(state.theta)
        n = self.bound.n_rows
        value = loss / n + self.bound.objective.penalty(state.theta)
        if math.isfinite(value):
            self.stepper.check(state)
            self._step(
                state.theta,
                gradient.astype(state.theta.dtype, copy=False),
                n,
                *self.stepper.arguments(state),
                rate[0],
                state.step + 1,
            )
            self.stepper.raise_noted()
            state.step += 1
        return value, self.stepper.rate(state, rate)


class Batches:
    """``solver="minibatch"`` and ``"sgd"``: an update for every `batch_size` rows.

    Parameters
    ----------
    bound : skgd._training.objective.BoundObjective
    stepper : Stepper
    rates : callable(state, n_steps) -> array
        Learning rates of the coming updates.
    batch_size : int
    shuffle : bool
    on_step : callable(state, loss), optional
        Called after each update, for pictures of the path, with the mean loss of its
        rows just before it.
    """

    def __init__(self, bound, stepper, rates, batch_size, shuffle, on_step=None):
        self.bound = bound
        self.stepper = stepper
        self.rates = rates
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.on_step = on_step
        self.order = bound.rows.order.copy() if shuffle else bound.rows.order
        self.n_steps = -(-self.order.size // batch_size)
        self._run = epoch_kernel(bound, stepper, batch_size)
        self._shuffle = shuffle_kernel() if shuffle else None

    def run(self, state):
        """One epoch in place; returns (mean objective seen, last rate).

        The loss of a row is taken just before the update it takes part in, and the
        penalty at the end of the epoch, so the figure costs nothing.
        """
        if self.shuffle:
            # From the same start each time, so that the order depends on the random
            # stream alone and a resumed run sees the same rows.
            self.order[:] = self.bound.rows.order
            self._shuffle(self.order, random_bits(state.rng))
        rates = self.rates(state, self.n_steps)
        total, n_updates = self.advance(state, rates)
        rate = self.stepper.rate(state, rates)
        if n_updates < self.n_steps:
            return math.nan, rate
        value = total / self.order.size
        return value + self.bound.objective.penalty(state.theta), rate

    def advance(self, state, rates):
        """All updates in place; returns (sum of losses, number of updates).

        Fewer than `n_steps` if the loss stopped being finite.
        """
        if self.on_step is not None:
            return self._run_watched(state, rates)
        total, n_updates = self._run(state, self.order, rates)
        self.raise_noted()
        state.step += n_updates
        return total, n_updates

    def raise_noted(self):
        """Raise what the code of a user raised where it is compiled, if it did."""
        self.bound.raise_noted()
        self.stepper.raise_noted()

    def _run_watched(self, state, rates):
        """The same updates, one compiled call for each, so that they can be seen."""
        total = 0.0
        for i in range(self.n_steps):
            rows = self.order[i * self.batch_size : (i + 1) * self.batch_size]
            loss, n_updates = self._run(state, rows, rates[i : i + 1])
            self.raise_noted()
            total += loss
            state.step += n_updates
            if not n_updates:
                return total, i
            self.on_step(state, loss / rows.size)
        return total, self.n_steps


def shuffle_order(order, rng):
    """Bring the numbers of rows into random order, in place."""
    shuffle_kernel()(order, random_bits(rng))


def shuffle_kernel():
    """The compiled callable(order, seed) that shuffles in place."""
    from skgd._kernels import compiling, shuffling

    return compiling.kernel(shuffling.shuffle, compiling.shuffle_signature())


def random_bits(rng):
    """The next 64 bits of a stream, as ``rng.integers`` would draw them."""
    return rng.bit_generator.random_raw()
