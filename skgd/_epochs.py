"""One epoch of gradient descent: all rows once, in one update or many.

``FullBatch`` sums the gradient over all rows and steps once; ``Batches`` runs the
compiled loop of many updates. Both move the same state by the same step. When to stop
is decided in ``_training.py``.
"""

import math

import numpy as np

from skgd._state import Lazy
from skgd.schedules import Clock


class Stepper:
    """The update of theta by a gradient: rule, penalties, averaging, clipping.

    Parameters
    ----------
    objective : skgd._objective.Objective
    optimizer : skgd.optimizers.Optimizer
    clip_norm : float or None
    """

    def __init__(self, objective, optimizer, clip_norm):
        from skgd._kernels import compiling

        self.optimizer = optimizer
        self.element = compiling.numba_type(objective.model.dtype)
        self.rule = compiling.address(
            type(optimizer).update, compiling.rule_signature(self.element)
        )
        self.p = np.array(optimizer.hyperparameters(), dtype=np.float64)
        decay = np.empty(0)
        if optimizer.weight_decay:
            decay = optimizer.weight_decay * objective.model.penalised()
        self.penalties = (objective.l1, objective.l2, decay)
        self.clip_norm = math.inf if clip_norm is None else float(clip_norm)
        # Nothing but theta -= lr * gradient: kernels may take a shorter way.
        self.is_plain = (
            type(optimizer).__name__ == "GD" and clip_norm is None and not decay.size
        )

    def rate(self, state, rates):
        """The last rate used: of the schedule, or the length the rule found."""
        if self.optimizer.finds_rate:
            return float(state.metric[0])
        return float(rates[-1])

    def arguments(self, state):
        """What the compiled step needs besides theta, gradient and rate."""
        return (
            (self.rule, self.p, state.vectors, state.memory, state.metric),
            self.penalties,
            state.averaging(),
            self.clip_norm,
        )


def epoch_rates(state, lr, schedule, n_steps, horizon):
    """Learning rates of the next `n_steps` updates.

    Parameters
    ----------
    state : State
    lr : float
    schedule : Schedule
    n_steps : int
        Updates in the coming epoch.
    horizon : float or None
        Epochs the whole run may take.

    Returns
    -------
    float64 array of shape (n_steps,)
    """
    clock = Clock(
        step=state.step + np.arange(n_steps),
        epoch=state.epoch + np.arange(n_steps) / n_steps,
        horizon=horizon,
        steps_per_epoch=n_steps,
        losses=state.losses,
    )
    return lr * np.broadcast_to(
        np.asarray(schedule.factor(clock), np.float64), (n_steps,)
    )


class FullBatch:
    """``solver="batch"``: one update per epoch from the exact gradient.

    Parameters
    ----------
    bound : skgd._objective.BoundObjective
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
        n = len(self.bound.rows)
        value = loss / n + self.bound.objective.penalty(state.theta)
        if math.isfinite(value):
            self._step(
                state.theta,
                gradient.astype(state.theta.dtype, copy=False),
                n,
                *self.stepper.arguments(state),
                rate[0],
                state.step + 1,
            )
            state.step += 1
        return value, self.stepper.rate(state, rate)


class Batches:
    """``solver="minibatch"`` and ``"sgd"``: an update for every `batch_size` rows.

    Parameters
    ----------
    bound : skgd._objective.BoundObjective
    stepper : Stepper
    rates : callable(state, n_steps) -> array
        Learning rates of the coming updates.
    batch_size : int
    shuffle : bool
    on_step : callable(state), optional
        Called after each update, for pictures of the path.
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
        self._run = _epoch_kernel(bound, stepper, batch_size)

    def run(self, state):
        """One epoch in place; returns (mean objective seen, last rate).

        The loss of a row is taken just before the update it takes part in, and the
        penalty at the end of the epoch, so the figure costs nothing.
        """
        if self.shuffle:
            # From the same start each time, so that the order depends on the random
            # stream alone and a resumed run sees the same rows.
            self.order[:] = self.bound.rows.order
            state.rng.shuffle(self.order)
        rates = self.rates(state, self.n_steps)
        if self.on_step is None:
            total, n_updates = self._run(state, self.order, rates)
            state.step += n_updates
        else:
            total, n_updates = self._run_watched(state, rates)
        rate = self.stepper.rate(state, rates)
        if n_updates < self.n_steps:
            return math.nan, rate
        value = total / self.order.size
        return value + self.bound.objective.penalty(state.theta), rate

    def _run_watched(self, state, rates):
        """The same updates, one compiled call for each, so that they can be seen."""
        total = 0.0
        for i in range(self.n_steps):
            rows = self.order[i * self.batch_size : (i + 1) * self.batch_size]
            loss, n_updates = self._run(state, rows, rates[i : i + 1])
            total += loss
            state.step += n_updates
            if not n_updates:
                return total, i
            self.on_step(state)
        return total, self.n_steps


def _epoch_kernel(bound, stepper, batch_size):
    """The compiled loop over batches for these rows and this rule."""
    if bound.is_csr and stepper.is_plain and bound.objective.model.raw:
        return _nonzeros_only(bound, stepper, batch_size)
    return _every_weight(bound, stepper, batch_size)


def _every_weight(bound, stepper, batch_size):
    """Any rule; an update costs as much as there are parameters."""
    from skgd._kernels import compiling, epoch

    kernel = compiling.kernel(
        epoch.run_epoch, compiling.epoch_signature(bound.data_type, stepper.element)
    )

    def run(state, order, rates):
        return kernel(
            bound.block,
            bound.data,
            bound.rows.targets,
            bound.rows.weights,
            order,
            batch_size,
            bound.output,
            bound.loss,
            bound.loss_p,
            state.theta,
            np.empty_like(state.theta),
            *stepper.arguments(state),
            rates,
            state.step,
        )

    return run


def _nonzeros_only(bound, stepper, batch_size):
    """Plain steps on CSR rows; an update costs as much as its rows have nonzeros."""
    from skgd._kernels import compiling, csr_lazy

    kernel = compiling.kernel(
        csr_lazy.run_epoch, compiling.lazy_signature(bound.data_type, stepper.element)
    )
    l1, l2, _ = stepper.penalties
    strength_l1 = float(l1.max(initial=0.0))
    strength_l2 = float(l2.max(initial=0.0))

    def run(state, order, rates):
        if state.average.size or rates.max() * strength_l2 >= 1.0:
            return _every_weight(bound, stepper, batch_size)(state, order, rates)
        n_features = bound.objective.model.n_features
        lazy = Lazy.of(state, strength_l1, strength_l2, n_features)
        result = kernel(
            bound.data,
            bound.rows.targets,
            bound.rows.weights,
            order,
            batch_size,
            bound.output,
            bound.loss,
            bound.loss_p,
            state.theta,
            lazy.kept,
            lazy.seen,
            lazy.factors,
            strength_l1,
            strength_l2,
            rates,
        )
        lazy.keep_in(state)
        return result

    return run
