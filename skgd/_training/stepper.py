"""The update of theta by a gradient, and the rates of the coming updates.

When to make one is decided in ``_training/epochs.py``.
"""

import functools
import math

import numpy as np

from skgd._input.boundary import check_sizes, check_state
from skgd._training.proximal import NO_PROX
from skgd.optimizers import GD, DoWG
from skgd.schedules import Clock, Constant, rate_factors


class Stepper:
    """The update of theta by a gradient: rule, penalties, averaging, clipping.

    Parameters
    ----------
    objective : skgd._training.objective.Objective
    optimizer : skgd.optimizers.Optimizer
    clip_norm : float or None
    """

    def __init__(self, objective, optimizer, clip_norm):
        from skgd._kernels import compiling, user_code

        self.objective = objective
        self.optimizer = optimizer
        self.element = compiling.numba_type(objective.model.dtype)
        self.rule, self.p, self._check = user_code.rule(
            optimizer, objective.model.size, objective.model.dtype
        )
        decay = np.empty(0)
        if optimizer.weight_decay:
            decay = optimizer.weight_decay * objective.model.penalised()
        prox = NO_PROX
        if objective.prox is not None:
            prox = objective.prox.arguments(self.element)
        self.penalties = (objective.l1, objective.l2, decay, prox)
        self.n = objective.model.size
        check_sizes(
            "the penalty",
            l1=(objective.l1, 0, self.n),
            l2=(objective.l2, self.n),
            decay=(decay, 0, self.n),
        )
        self.kept = len(optimizer.state_names), len(optimizer.memory_names)
        self.own_penalties = None
        if optimizer.proximal:
            self.own_penalties = _strengths_of_updates(objective)
            none = np.empty(0), np.zeros_like(objective.l2)
            self.penalties = (*none, decay, prox)
        self.clip_norm = math.inf if clip_norm is None else float(clip_norm)
        # Nothing but theta -= lr * gradient: kernels may take a shorter way.
        is_gd = type(optimizer).update is GD.update
        self.is_plain = is_gd and clip_norm is None and not decay.size
        self.is_plain &= objective.prox is None and objective.uniform

    @property
    def strengths(self):
        """l1 and l2 weight of every penalised parameter, where it is the same."""
        l1, l2, *_ = self.penalties
        return float(l1.max(initial=0.0)), float(l2.max(initial=0.0))

    @property
    def is_free(self):
        """Whether the rule is DoWG and nothing else claims the step."""
        is_dowg = type(self.optimizer).update is DoWG.update
        unclipped = self.clip_norm == math.inf
        return is_dowg and unclipped and self.objective.prox is None

    def raise_noted(self):
        """Raise what a user's rule raised in compiled code, if it did."""
        if self._check is not None:
            self._check(self.p)

    def rate(self, state, rates):
        """The last rate used: of the schedule, or the length the rule found."""
        if self.optimizer.finds_rate:
            return float(state.metric[0])
        return float(rates[-1])

    def check(self, state):
        """ValueError unless the state is one of this rule and these parameters."""
        check_state(state, self.n, *self.kept)

    def arguments(self, state):
        """What the compiled step needs besides theta, gradient and rate."""
        if self.own_penalties is not None:
            state.vectors[-2:] = self.own_penalties
        return (
            (self.rule, self.p, state.vectors, state.memory, state.metric),
            self.penalties,
            state.averaging(),
            self.clip_norm,
        )


def _strengths_of_updates(objective):
    """l1 and l2 of each entry, -1 where no penalty concerns it."""
    free = objective.model.penalised() == 0.0
    l1 = objective.l1 if objective.l1.size else np.zeros_like(objective.l2)
    return np.where(free, -1.0, l1), np.where(free, -1.0, objective.l2)


def epoch_rates(state, lr, schedule, n_steps, horizon, start=0, stop=None):
    """Learning rates of the next updates.

    Parameters
    ----------
    state : State
    lr : float
    schedule : Schedule
    n_steps : int
        Updates in the coming epoch.
    horizon : float or None
        Epochs the whole run may take.
    start : int
        How many of them have been made.
    stop : int or None
        The first one not to come next; None for the whole epoch.

    Returns
    -------
    float64 array of shape (stop - start,)
    """
    stop = n_steps if stop is None else stop
    if type(schedule) is Constant:
        return _one_rate(float(lr), stop - start)
    index = np.arange(start, stop)
    clock = Clock(
        step=state.step - start + index,
        epoch=state.epoch + index / n_steps,
        horizon=horizon,
        steps_per_epoch=n_steps,
        losses=state.losses,
    )
    return lr * rate_factors(schedule, clock)


@functools.lru_cache(maxsize=8)
def _one_rate(lr, n_steps):
    """The same rate for all updates; not to be written to."""
    return np.broadcast_to(lr, (n_steps,))
