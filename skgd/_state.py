"""What training remembers between updates: plain arrays and counters.

Everything a later call needs to go on as if there had been no interruption, and
nothing else; it is pickled with the estimator.
"""

import copy
from dataclasses import dataclass, field

import numpy as np


@dataclass
class State:
    """Parameters, optimizer state and counters of a training run.

    Attributes
    ----------
    theta : array of shape (n_parameters,)
        Where the gradients are taken.
    vectors : array of shape (n_vectors, n_parameters)
        The optimizer's vectors, one row for each of its ``state_names``.
    memory : float64 array
        The optimizer's scalars.
    metric : array of shape (n_parameters,)
        Step length per unit of gradient, written by the optimizer.
    average : array of shape (n_parameters,) or (0,)
        Mean of theta over the updates; empty without averaging.
    average_start : int
        First update that counts for the mean.
    rng : numpy.random.Generator
    step : int
        Updates made.
    epoch : int
        Epochs made (calls, in partial_fit).
    losses : list of float
        Objective of the epochs made, for schedules that look at it.
    """

    theta: np.ndarray
    vectors: np.ndarray
    memory: np.ndarray
    metric: np.ndarray
    average: np.ndarray
    average_start: int
    rng: np.random.Generator
    step: int = 0
    epoch: int = 0
    losses: list = field(default_factory=list)

    @classmethod
    def start(cls, theta, optimizer, average, rng):
        """State before the first update of `theta`."""
        size, dtype = theta.size, theta.dtype
        vectors, memory, metric = optimizer.start(size, dtype)
        return cls(
            theta=theta,
            vectors=vectors,
            memory=memory,
            metric=metric,
            average=theta.copy() if average else np.empty(0, dtype),
            average_start=int(average),
            rng=rng,
        )

    def answer(self):
        """The parameters to predict with: the mean if there is one yet, else theta."""
        if self.average.size and self.step >= self.average_start:
            return self.average
        return self.theta

    def copy_parameters(self):
        """The parameters alone, to come back to."""
        return self.theta.copy(), self.average.copy()

    def restore_parameters(self, parameters):
        self.theta[:], self.average[:] = parameters

    def resumed(self, optimizer, average):
        """A copy to go on from, with room for the optimizer of this call.

        An optimizer of another kind starts with empty state, from the same theta.
        """
        state = copy.deepcopy(self)
        vectors, memory, metric = optimizer.start(self.theta.size, self.theta.dtype)
        if (vectors.shape, memory.shape) != (self.vectors.shape, self.memory.shape):
            state.vectors, state.memory, state.metric = vectors, memory, metric
        if bool(average) != bool(self.average.size):
            state.average = self.answer().copy() if average else self.average[:0]
            state.average_start = state.step + int(average)
        return state

    def forget_optimizer(self):
        """Clear the optimizer's vectors after a failure that may have spoilt them."""
        self.vectors[:] = 0.0

    def is_finite(self):
        return bool(np.isfinite(self.theta).all())
