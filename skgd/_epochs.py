"""One epoch of gradient descent: all rows once, in one update or many.

``FullBatch`` sums the gradient over all rows and steps once; ``Batches`` runs the
compiled loop of many updates. Both move the same state by the same step. When to stop
is decided in ``_training.py``.
"""

import functools
import math

import numpy as np

from skgd._linear_model import as_vector
from skgd._state import Lazy
from skgd.optimizers import DoWG
from skgd.schedules import Clock, Constant

# Keeps a quotient of nothing by nothing finite.
TINY = np.finfo(np.float64).tiny


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

    @property
    def strengths(self):
        """l1 and l2 weight of every penalised parameter in raw coordinates."""
        l1, l2, _ = self.penalties
        return float(l1.max(initial=0.0)), float(l2.max(initial=0.0))

    @property
    def is_free(self):
        """Whether the rule is DoWG and nothing else claims the step."""
        return isinstance(self.optimizer, DoWG) and self.clip_norm == math.inf

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
    factors = np.asarray(schedule.factor(clock), np.float64)
    return lr * np.broadcast_to(factors, index.shape)


@functools.lru_cache(maxsize=8)
def _one_rate(lr, n_steps):
    """The same rate for all updates; not to be written to."""
    return np.broadcast_to(lr, (n_steps,))


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
        n = self.bound.n_rows
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
        state.step += n_updates
        return total, n_updates

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


def epoch_kernel(bound, stepper, batch_size):
    """The compiled loop over batches for these rows and this rule."""
    if stepper.optimizer.keeps_derivatives:
        return _derivative_changes(bound, stepper, batch_size)
    if bound.is_csr and stepper.is_free and bound.objective.model.mean is None:
        return _free_nonzeros_only(bound, stepper, batch_size)
    if bound.is_csr and stepper.is_plain and bound.objective.model.raw:
        return _nonzeros_only(bound, stepper, batch_size)
    if batch_size == 1 and stepper.is_plain and _has_plain_rows(bound):
        if bound.objective.model.n_outputs == 1:
            return _one_row(bound, stepper)
        return _one_row_for_each_output(bound, stepper)
    return _every_weight(bound, stepper, batch_size)


def _has_plain_rows(bound):
    """Whether dense rows lie in one piece and a linear model takes them as they are."""
    model = bound.objective.model
    if bound.is_csr or not (model.is_linear and model.raw):
        return False
    return as_vector(bound.rows.X)[0].size > 0


def _generic_kernel(bound, stepper, batch_size):
    """callable(state, order, rates, output, loss_p, arguments of the step)."""
    from skgd._kernels import compiling, epoch

    kernel = compiling.kernel(
        epoch.run_epoch, compiling.epoch_signature(bound.data_type, stepper.element)
    )

    def run(state, order, rates, output, loss_p, arguments):
        return kernel(
            bound.block,
            bound.data,
            bound.rows.targets,
            bound.rows.weights,
            order,
            batch_size,
            output,
            bound.loss,
            loss_p,
            state.theta,
            np.empty_like(state.theta),
            *arguments,
            rates,
            state.step,
        )

    return run


def _every_weight(bound, stepper, batch_size):
    """Any rule; an update costs as much as there are parameters."""
    kernel = _generic_kernel(bound, stepper, batch_size)

    def run(state, order, rates):
        arguments = stepper.arguments(state)
        return kernel(state, order, rates, bound.output, bound.loss_p, arguments)

    return run


def _derivative_changes(bound, stepper, batch_size):
    """Rules that are given the change of each row's derivative since its last visit."""
    kernel = _generic_kernel(bound, stepper, batch_size)
    n_rows = len(bound.rows)
    n_steps = -(-n_rows // batch_size)
    p = np.array([n_rows, batch_size, n_steps], dtype=np.float64)

    def run(state, order, rates):
        output, loss_p = bound.derivative_changes(state.derivatives)
        if loss_p is not state.derivatives:
            # Other rows than before: nothing is known of their derivatives.
            state.derivatives = loss_p
            state.vectors[:], state.memory[:] = 0.0, 0.0
        state.vectors[1] = bound.objective.l2
        (update, _, *rest), *others = stepper.arguments(state)
        arguments = (update, p, *rest), *others
        return kernel(state, order, rates, output, loss_p, arguments)

    return run


def _one_row(bound, stepper):
    """Plain steps on single dense rows, without a gradient in between."""
    from skgd._kernels import compiling, dense_rows

    kernel = compiling.kernel(
        dense_rows.run_epoch, compiling.rows_signature(bound.data_type, stepper.element)
    )
    strength_l1, strength_l2 = stepper.strengths

    def run(state, order, rates):
        if not state.kind.is_plain:
            return _every_weight(bound, stepper, 1)(state, order, rates)
        return kernel(
            bound.data,
            bound.rows.targets,
            bound.rows.weights,
            order,
            bound.loss,
            bound.loss_p,
            state.theta,
            state.average,
            state.kind.start,
            strength_l1,
            strength_l2,
            rates,
            state.step,
        )

    return run


def _one_row_for_each_output(bound, stepper):
    """As `_one_row`, for several outputs, whose weights it brings into order first."""
    from skgd._kernels import compiling, dense_outputs

    kernel = compiling.kernel(
        dense_outputs.run_epoch,
        compiling.outputs_signature(bound.data_type, stepper.element),
    )
    strength_l1, strength_l2 = stepper.strengths

    def run(state, order, rates):
        if state.average.size:
            return _every_weight(bound, stepper, 1)(state, order, rates)
        return kernel(
            bound.data,
            bound.rows.targets,
            bound.rows.weights,
            order,
            bound.output,
            bound.loss,
            bound.loss_p,
            state.theta,
            strength_l1,
            strength_l2,
            rates,
        )

    return run


def _nonzeros_only(bound, stepper, batch_size):
    """Plain steps on CSR rows; an update costs as much as its rows have nonzeros."""
    from skgd._kernels import compiling, csr_lazy

    kernel = compiling.kernel(
        csr_lazy.run_epoch, compiling.lazy_signature(bound.data_type, stepper.element)
    )
    strength_l1, strength_l2 = stepper.strengths

    def run(state, order, rates):
        possible = state.kind.is_plain and not (state.average.size and strength_l1)
        if not possible or rates.max() * strength_l2 >= 1.0:
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
            lazy.moved,
            state.average,
            state.kind.start,
            strength_l1,
            strength_l2,
            rates,
            state.step,
        )
        lazy.keep_in(state)
        return result

    return run


def _free_nonzeros_only(bound, stepper, batch_size):
    """DoWG with an interpolated mean on CSR rows, at the cost of their nonzeros."""
    from skgd._kernels import compiling, csr_free

    kernel = compiling.kernel(
        csr_free.run_epoch, compiling.free_signature(bound.data_type, stepper.element)
    )
    l1, l2, _ = stepper.penalties

    def run(state, order, rates):
        kind = state.kind
        if not state.base.size or kind.start != 1 or kind.power:
            return _every_weight(bound, stepper, batch_size)(state, order, rates)
        initial = state.vectors[0]
        if state.step == 0:
            initial[:] = state.base
            state.memory[:] = stepper.p[0] ** 2, 0.0
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
            state.base,
            state.average,
            initial,
            state.memory,
            stepper.p[1],
            l1,
            l2,
            kind.interpolation,
            rates,
            state.step,
        )
        length = state.memory[0] / np.sqrt(max(state.memory[1], TINY))
        state.metric[:] = min(length, stepper.p[1])
        return result

    return run
