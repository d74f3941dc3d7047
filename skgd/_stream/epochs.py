"""Epochs over a stream: sums of gradients and updates, block by block.

The updates themselves are those of ``_training/epochs.py``; where blocks come from is
the matter of ``blocks.py``.
"""

import math
from contextlib import closing

import numpy as np
from scipy import sparse

from skgd._stream.blocks import joined, taken
from skgd._stream.survey import EverySo
from skgd._training.epochs import run_part, shuffle_order
from skgd._training.objective import BoundObjective

# Bytes of features that are shuffled together, and rows where they are sparse.
WINDOW_BYTES = 64 * 2**20
SPARSE_WINDOW_ROWS = 65_536


class StreamedBatches:
    """``solver="minibatch"`` and ``"sgd"`` over a stream; see ``_epochs.Batches``.

    Parameters
    ----------
    bound : StreamObjective
    stepper : skgd._training.epochs.Stepper
    rates : callable(state, n_steps, start, stop) -> array
        Learning rates of the updates from `start` to `stop` of an epoch.
    batch_size : int
        Blocks must hold whole batches.
    shuffle : bool
    on_step : callable(state), optional
    """

    def __init__(self, bound, stepper, rates, batch_size, shuffle, on_step=None):
        self.bound = bound
        self.stepper = stepper
        self.rates = rates
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.on_step = on_step

    def run(self, state):
        """One epoch in place; returns (mean objective seen, last rate)."""
        bound = self.bound
        n_steps = None
        if bound.n_rows is not None:
            n_steps = -(-bound.n_rows // self.batch_size)
        total, done, rate = 0.0, 0, math.nan
        blocks = bound.blocks()
        if self.shuffle:
            blocks = shuffled(blocks, bound.window, bound.stream.size, state.rng)
        with closing(blocks):
            for rows in blocks:
                loss, done, rate = run_part(
                    bound.objective.bind(rows, bound.block_rows),
                    self.stepper,
                    self.rates,
                    self.batch_size,
                    self.on_step,
                    state,
                    done,
                    n_steps,
                )
                if math.isnan(loss):
                    return math.nan, rate
                total += loss
        value = total / bound.n_rows
        return value + bound.objective.penalty(state.theta), rate


class StreamObjective:
    """An objective over the rows of a stream: each evaluation is a pass.

    Parameters
    ----------
    objective : skgd._training.objective.Objective
    stream : skgd._stream.blocks.Stream
    rows : skgd._stream.survey.Surveyed
        What is known of the rows.
    block_rows : int
        Rows handled at a time by the kernels.
    window : 'auto' or int
        Rows shuffled together.
    """

    in_memory = False
    many_updates = StreamedBatches
    whole = None

    def sum_over_rows(self, function, every):
        """None: one more pass costs too much."""

    def __init__(self, objective, stream, rows, block_rows, window):
        self.objective = objective
        self.stream = stream
        self._given = rows
        self.block_rows = block_rows
        self.window = window_rows(rows.X) if window == "auto" else window
        # Rows to judge by: those of the survey, or, where there was none, the first
        # ones until the first pass has found others.
        self._judge_by(rows)
        self.rows = self._sample.rows
        self._found = None
        if rows.moments is None:
            self._found = EverySo.of_rows(rows.X.shape[1])

    def _judge_by(self, rows):
        """Take `value_of_sample`, F(theta) over rows from all over, at these.

        All over the stream as far as it has been seen.
        """
        self._sample = self.objective.bind(rows, self.block_rows)
        self.value_of_sample = self._sample.value_of_sample

    @property
    def n_rows(self):
        return self.stream.n_rows

    def with_objective(self, objective, block_rows=None):
        """Another objective of the same model over the same rows."""
        block_rows = block_rows or self.block_rows
        return StreamObjective(
            objective, self.stream, self._given, block_rows, self.window
        )

    def loss_and_gradient(self, theta):
        """Sum of losses over all rows, and of its gradient, without the penalty.

        The blocks are added in the order in which they come. They hold whole shards of
        the sum, so the gradient is that of one large table to the last bit.
        """
        gradient = np.zeros(theta.size)
        loss = self._sum(theta, gradient)
        return loss, self._sample.unfolded(gradient)

    gradient = BoundObjective.gradient

    def mean_loss(self, theta):
        """Mean loss over all rows."""
        return self._sum(theta, np.empty(0)) / self.n_rows

    def value(self, theta):
        """F(theta) over all rows."""
        return self.mean_loss(theta) + self.objective.penalty(theta)

    def value_of_all(self, theta):
        """F(theta) over all rows, or over a sample if they cannot be read again."""
        if self.stream.source.once:
            return self.value_of_sample(theta)
        return self.value(theta)

    def blocks(self):
        """One pass over the rows; the first one keeps some to judge by."""
        with closing(self.stream.blocks()) as blocks:
            for rows in blocks:
                if self._found is not None:
                    self._found.take(rows)
                yield rows
        if self._found is not None:
            sample, self._found = self._found.rows(), None
            self._judge_by(sample)

    def bound_blocks(self):
        """The objective over each block of the stream, one after another."""
        with closing(self.blocks()) as blocks:
            for rows in blocks:
                yield self.objective.bind(rows, self.block_rows)

    def _sum(self, theta, gradient):
        total, theta = 0.0, self._sample.folded(theta)
        with closing(self.bound_blocks()) as blocks:
            for bound in blocks:
                total += bound.add_to(gradient, theta)
        return total


def window_rows(X):
    """Rows that are shuffled together where the user does not say."""
    if sparse.issparse(X):
        return SPARSE_WINDOW_ROWS
    return WINDOW_BYTES // max(1, X.shape[1] * X.itemsize)


def shuffled(blocks, window, size, rng):
    """Blocks of rows in random order, each drawn from a moving window of the stream.

    Half of the rows in the window, drawn at random, go out when it is full; the other
    half stays and mixes with those that follow. A stream that fits into the window is
    shuffled as a table is.

    Parameters
    ----------
    blocks : generator of Rows
    window : int
        Rows in the window; rounded to two halves of whole blocks.
    size : int
        Rows of a block.
    rng : numpy.random.Generator

    Yields
    ------
    Rows
    """
    half = size * max(1, window // (2 * size))
    held, n_held = [], 0
    with closing(blocks):
        for rows in blocks:
            if n_held == 2 * half:
                full, order = joined(held), _random_order(n_held, rng)
                yield full.in_order(order[:half])
                held, n_held = [taken(full, order[half:])], half
            held.append(rows)
            n_held += rows.order.size
        if held:
            yield joined(held).in_order(_random_order(n_held, rng))


def _random_order(n, rng):
    order = np.arange(n)
    shuffle_order(order, rng)
    return order
