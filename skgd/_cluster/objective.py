"""The objective over rows that others hold: each evaluation is one question to all.

The parameters, and all that moves, stay here; the holders see them in each question.
"""

import itertools
import math

from skgd._cluster.sums import merged
from skgd._input.boundary import check_state
from skgd._training.objective import SAMPLE_ROWS, BoundObjective
from skgd._training.recording import RecordedObjective

_KEYS = itertools.count()


class ShardedBatches:
    """``solver="minibatch"``: every group gives its share of each batch.

    Parameters
    ----------
    bound : ShardedObjective
    stepper : skgd._training.epochs.Stepper
    rates : callable(state, n_steps) -> array
        Learning rates of the coming updates.
    batch_size : int
        Rows of a batch; they differ by a row for each group.
    shuffle : bool
        Whether a group draws its shares from a new random order in each epoch.
    on_step : callable(state, loss), optional
    """

    def __init__(self, bound, stepper, rates, batch_size, shuffle, on_step=None):
        from skgd._kernels import compiling, epoch

        self.bound = bound
        self.stepper = stepper
        self.rates = rates
        self.shuffle = shuffle
        self.on_step = on_step
        self.n_steps = -(-bound.n_rows // batch_size)
        self._step = compiling.kernel(
            epoch.single_step, epoch.step_signature(stepper.element)
        )

    def run(self, state):
        """One epoch in place; returns (mean objective seen, last rate)."""
        rates = self.rates(state, self.n_steps)
        seed = int(state.rng.integers(2**31)) if self.shuffle else None
        total, bound = 0.0, self.bound
        for k in range(self.n_steps):
            loss, gradient, n_rows = bound.batch_sums(
                state.theta, seed, state.epoch, k, self.n_steps
            )
            total += loss
            if not math.isfinite(loss):
                return math.nan, self.stepper.rate(state, rates)
            check_state(state, self.stepper.n, *self.stepper.kept)
            self._step(
                state.theta,
                gradient.astype(state.theta.dtype, copy=False),
                n_rows,
                self.stepper.update(state),
                rates[k],
                state.step + 1,
            )
            self.stepper.raise_noted()
            state.step += 1
            if self.on_step is not None:
                self.on_step(state, loss / n_rows)
        value = total / bound.n_rows + bound.objective.penalty(state.theta)
        return value, self.stepper.rate(state, rates)


class ShardedObjective:
    """An objective over the groups of an engine.

    Parameters
    ----------
    objective : skgd._training.objective.Objective
    engine : skgd._cluster.engine.Engine
    rows : skgd._stream.survey.Surveyed
        What is known of the rows.
    block_rows : int
        Rows handled at a time by the kernels.
    """

    in_memory = False
    many_updates = ShardedBatches

    def __init__(self, objective, engine, rows, block_rows):
        self.objective = objective
        self.engine = engine
        self.rows = objective.measured(rows)
        self._given = rows
        self.block_rows = block_rows
        self.n_rows = len(rows)
        self._sample = objective.bind(rows, block_rows)
        self._key = next(_KEYS)
        engine.setup("bind", self._key, objective, block_rows, rows.mean_weight)

    def with_objective(self, objective, block_rows=None):
        """Another objective of the same model over the same rows."""
        block_rows = block_rows or self.block_rows
        return ShardedObjective(objective, self.engine, self._given, block_rows)

    def loss_and_gradient(self, theta):
        """Sum of losses over all rows, and of its gradient, without the penalty."""
        loss, gradient = self._sums(theta, True)
        return loss, self._sample.unfolded(gradient)

    gradient = BoundObjective.gradient

    def mean_loss(self, theta):
        """Mean loss over all rows."""
        return self._sums(theta, False)[0] / self.n_rows

    def value(self, theta):
        """F(theta) over all rows."""
        return self.mean_loss(theta) + self.objective.penalty(theta)

    value_of_all = value

    def value_of_sample(self, theta):
        """F(theta) over rows from all over: enough of them to tell good from bad."""
        if self.whole is not None:
            return self.whole.value_of_sample(theta)
        folded = self._sample.folded(theta)
        loss, weight = self._ask("sample_sums", folded, SAMPLE_ROWS)
        return float(loss / weight) + self.objective.penalty(theta)

    @property
    def whole(self):
        """The objective over all rows, if they are few enough to be here, or None."""
        return self._sample if self._sample.n_rows == self.n_rows else None

    def sum_over_rows(self, function, every):
        """What a function of rows and an order makes of every so many of the rows.

        Of a function whose values can be added in place.
        """
        return self._ask("sum_over_rows", function, every)[0]

    def _sums(self, theta, with_gradient):
        recorded = isinstance(self.objective, RecordedObjective)
        widths = self.objective.widths if recorded else None
        theta = self._sample.folded(theta)
        loss, gradient, figures = self._ask("sums", theta, with_gradient, widths)
        if recorded:
            self.objective.figures[:] += figures
        return float(loss), gradient

    def _ask(self, method, *arguments):
        engine = self.engine
        nodes = engine.map(method, self._key, *arguments)
        ((_, sums),) = merged(nodes, engine.n_groups).items()
        return sums

    def batch_sums(self, theta, seed, epoch, k, n_batches):
        """Sums over batch `k` of an epoch: loss, gradient and number of rows."""
        folded = self._sample.folded(theta)
        loss, gradient, n_rows = self._ask(
            "batch_sums", folded, seed, epoch, k, n_batches
        )
        return float(loss), self._sample.unfolded(gradient), int(n_rows)
