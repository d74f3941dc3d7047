"""One epoch of gradient descent: all rows once, in one update or many.

``Stepper`` knows the update of theta by a gradient and ``epoch_rates`` how long it is.
``FullBatch`` sums the gradient over all rows and steps once; ``Batches`` runs the
compiled loop of many updates. Both move the same state by the same step. When to stop
is decided in ``_training/loop.py``.
"""

import copy
import functools
import math
from dataclasses import dataclass

import numpy as np

from skgd._input.boundary import check_sizes, check_state
from skgd._training.fast_paths import epoch_kernel
from skgd._training.state import numbers_of_sums
from skgd._training.used_columns import EpochOnUsedColumns
from skgd.optimizers import GD, DoWG
from skgd.schedules import Clock, Constant, Schedule, rate_factors


class Stepper:
    """The update of theta by a gradient: rule, penalties, averaging, clipping.

    Parameters
    ----------
    objective : skgd._training.objective.Objective
    optimizer : skgd.optimizers.Optimizer
    clip_norm : float or None
    lr : float, default=1.0
        The constant in the closed form of the steps of rows, of rules that have one.
    half_life : float, default=inf
        Rows after which half of what the rule has added up is forgotten.
    """

    def __init__(self, objective, optimizer, clip_norm, lr=1.0, half_life=math.inf):
        from skgd._kernels import compiling, user_code
        from skgd._kernels.proximal import NO_PROX

        self.objective = objective
        self.optimizer = optimizer
        self.lr = lr
        self.element = compiling.numba_type(objective.model.dtype)
        if optimizer.keeps_derivatives:
            # A kernel of its own makes the updates.
            self.rule, self.p, self._check = 0, np.empty(0), None
        else:
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
        sizes = objective.l1.size, objective.l2.size, decay.size
        if sizes[0] not in (0, self.n) or sizes[1:] not in (
            (self.n, 0),
            (self.n, self.n),
        ):
            check_sizes(
                "the penalty",
                l1=(objective.l1, 0, self.n),
                l2=(objective.l2, self.n),
                decay=(decay, 0, self.n),
            )
        self.kept = len(optimizer.state_names), len(optimizer.scalar_names)
        self.half_life = half_life
        self.forgotten = forgotten(optimizer, half_life)
        self.own_penalties = None
        if optimizer.proximal:
            self.own_penalties = _strengths_of_updates(objective)
            none = np.empty(0), np.zeros_like(objective.l2)
            self.penalties = (*none, decay, prox)
        self.clip_norm = math.inf if clip_norm is None else float(clip_norm)
        # Nothing but theta -= lr * gradient: kernels may take a shorter way.
        is_gd = type(optimizer).update is GD.update
        self.is_gd = is_gd and clip_norm is None and not decay.size
        self.is_gd &= objective.prox is None and objective.uniform
        # DoWG, and nothing else that claims the step.
        is_dowg = type(optimizer).update is DoWG.update
        self.is_dowg = is_dowg and clip_norm is None and objective.prox is None

    @property
    def strengths(self):
        """l1 and l2 weight of every penalised parameter, where it is the same."""
        l1, l2, *_ = self.penalties
        return float(l1.max(initial=0.0)), float(l2.max(initial=0.0))

    def cost(self, bound):
        """``records.Cost``: what an update makes of the scores of rows."""
        name = self.optimizer.row_step
        return bound.cost if name is None else bound.cost_of_row_steps(name, self.lr)

    @property
    def may_raise(self):
        """Whether the rule is a user's, which may raise."""
        return self._check is not None

    def raise_noted(self):
        """Raise what a user's rule raised in compiled code, if it did."""
        if self._check is not None:
            self._check(self.p)

    def rate(self, state, rates):
        """The last rate used: of the schedule, or the length the rule found."""
        if self.optimizer.finds_rate:
            return float(state.step_sizes[0])
        return float(rates[-1])

    def update(self, state):
        """``update.Update``: what the compiled step needs besides gradient and rate."""
        if self.own_penalties is not None:
            state.vectors[-2:] = self.own_penalties
        mean = state.averaging
        return (
            (
                self.rule,
                self.p,
                state.vectors,
                state.scalars,
                state.step_sizes,
                self.forgotten,
            ),
            self.penalties,
            (
                state.base,
                state.average,
                mean.start,
                mean.power,
                mean.interpolation,
                mean.half_life,
            ),
            self.clip_norm,
        )


def forgotten(optimizer, half_life):
    """What a rule forgets in `half_life` rows; see ``_kernels/update.py``."""
    from skgd._kernels.update import ORIGIN, SCALAR_SUM, VECTOR_SUM

    if half_life == math.inf:
        return np.empty(0)
    numbers = [half_life]
    for name in optimizer.origins:
        numbers += [ORIGIN, optimizer.state_names.index(name), 0.0]
    least = optimizer.least_scalars()
    for number in numbers_of_sums(optimizer):
        if number < 0:
            numbers += [SCALAR_SUM, -1 - number, least[-1 - number]]
        else:
            numbers += [VECTOR_SUM, number, 0.0]
    return np.array(numbers, dtype=np.float64)


def _strengths_of_updates(objective):
    """l1 and l2 of each entry, -1 where no penalty concerns it."""
    free = objective.model.penalised() == 0.0
    l1 = objective.l1 if objective.l1.size else np.zeros_like(objective.l2)
    return np.where(free, -1.0, l1), np.where(free, -1.0, objective.l2)


def epoch_rates(state, n_steps, start=0, stop=None, *, lr, schedule, horizon):
    """Learning rates of the next updates.

    Parameters
    ----------
    state : State
    n_steps : int
        Updates in the coming epoch.
    start : int
        How many of them have been made.
    stop : int or None
        The first one not to come next; None for the whole epoch.
    lr : float
    schedule : Schedule
    horizon : float or None
        Epochs the whole run may take.

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


@dataclass(frozen=True)
class Rates:
    """``epoch_rates`` of one run: callable(state, n_steps, start=0, stop=None)."""

    lr: float
    schedule: Schedule
    horizon: float | None

    def __call__(self, state, n_steps, start=0, stop=None):
        return epoch_rates(state, n_steps, start, stop, **vars(self))

    @property
    def constant(self):
        """Whether all epochs have the same."""
        return type(self.schedule) is Constant


@functools.lru_cache(maxsize=8)
def _one_rate(lr, n_steps):
    """The same rate for all updates; not to be written to."""
    return np.broadcast_to(lr, (n_steps,))


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
            epoch.single_step, epoch.step_signature(stepper.element)
        )

    def run(self, state):
        """One epoch in place; returns (objective before the update, rate)."""
        rate = self.rates(state, 1)
        loss, gradient = self.bound.loss_and_gradient(state.theta)
        n = self.bound.n_rows
        value = loss / n + self.bound.objective.penalty(state.theta)
        if math.isfinite(value):
            check_state(state, self.stepper.n, *self.stepper.kept)
            self._step(
                state.theta,
                gradient.astype(state.theta.dtype, copy=False),
                n,
                self.stepper.update(state),
                rate[0],
                state.step + 1,
            )
            self.stepper.raise_noted()
            state.step += 1
        return value, self.stepper.rate(state, rate)


# Numbers that several passes in one call may read, rows times parameters: for more,
# what a call costs beside its arithmetic is nothing. And passes at most.
FEW_NUMBERS = 1 << 18
MOST_PASSES = 16


class Batches:
    """``solver="minibatch"`` and ``"sgd"``: an update for every `batch_size` rows.

    Passes over a small table take less time than to begin them. Those that are known to
    come are made in one call, and shown one by one.

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

    Attributes
    ----------
    sure : int
        Epochs that will be asked for whatever they bring, unless training fails. To be
        set before each.
    ahead : int
        Epochs that have been made and not been shown: the rule's memory and the random
        stream are that far ahead of theta.
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
        self.sure, self.ahead = 1, 0
        self._most = self._most_passes()

    def _most_passes(self):
        """How many passes a call may make."""
        alone = (
            not self.shuffle
            or self.on_step is not None
            or self.bound.may_raise
            or self.stepper.may_raise
            or self.stepper.optimizer.finds_rate
            or not getattr(self.rates, "constant", False)
            or not hasattr(self._run, "several")
        )
        if alone:
            return 1
        numbers = max(1, self.order.size * self.stepper.n)
        return min(MOST_PASSES, FEW_NUMBERS // numbers)

    def run(self, state):
        """One epoch in place; returns (mean objective seen, last rate).

        The loss of a row is taken just before the update it takes part in, and the
        penalty at the end of the epoch, so the figure costs nothing.
        """
        if self.ahead:
            return self._shown(state)
        n_passes = min(self.sure, self._most)
        if n_passes > 1 and not (state.average.size or state.base.size):
            self._make(state, n_passes)
            return self._shown(state)
        if self.shuffle:
            # From the same start each time, so that the order depends on the random
            # stream alone and a resumed run sees the same rows.
            self.order[:] = self.bound.rows.order
            self._shuffle(self.order, random_bits(state.rng))
        rates = self.rates(state, self.n_steps)
        total, n_updates = self.advance(state, rates)
        return self._seen(state, total, n_updates, rates)

    def _seen(self, state, total, n_updates, rates):
        """What an epoch returns."""
        rate = self.stepper.rate(state, rates)
        if n_updates < self.n_steps:
            return math.nan, rate
        value = total / self.order.size
        return value + self.bound.objective.penalty(state.theta), rate

    def _make(self, state, n_passes):
        """Passes in one call, to be shown."""
        rates = self.rates(state, self.n_steps)
        seeds = state.rng.bit_generator.random_raw(n_passes)
        thetas = np.empty((n_passes, state.theta.size), state.theta.dtype)
        totals, n_last = self._run.several(
            state, self.order, rates, self.bound.rows.order, seeds, thetas
        )
        self.ahead = len(totals)
        self._made = thetas, totals, n_last, rates

    def _shown(self, state):
        """The next of the passes made, as if it were made now."""
        thetas, totals, n_last, rates = self._made
        i = len(totals) - self.ahead
        self.ahead -= 1
        n_updates = self.n_steps if self.ahead else n_last
        state.theta[:] = thetas[i]
        state.step += n_updates
        return self._seen(state, totals[i], n_updates, rates)

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
        if self.bound.may_raise:
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


class OwnOrders(Batches):
    """As ``Batches``, of an ensemble whose members see the rows in orders of their own.

    Members that meet the same rows at the same time err alike, and their mean is the
    better the less they do. An update has `batch_size` rows for each member.

    Parameters
    ----------
    bound : skgd._training.objective.BoundObjective
        Of an ensemble.
    stepper : Stepper
    rates : callable(state, n_steps) -> array
    batch_size : int
    shuffle : bool
        True: an order that is not mixed is the same for all members.
    on_step : callable(state, loss), optional
    """

    def __init__(self, bound, stepper, rates, batch_size, shuffle, on_step=None):
        model = bound.objective.model
        own = copy.copy(bound)
        own.data = model.with_rows_apart(bound.data)
        n_members, n_rows = model.n_members, bound.rows.order.size
        super().__init__(own, stepper, rates, n_members * batch_size, shuffle, on_step)
        # The order is made here, before each epoch, of which none is made ahead.
        self.shuffle = False
        self._most = 1
        self.orders = np.empty((n_members, n_rows), np.int64)
        self.order = np.empty(n_members * n_rows, np.int64)
        self.rows_of_member = batch_size
        self.n_steps = -(-n_rows // batch_size)

    def run(self, state):
        self._mix(random_bits(state.rng))
        return super().run(state)

    def _mix(self, seed):
        """Shuffle for each member, the first as a network alone would be.

        The rows of an update lie side by side, those of one member after the other.
        """
        n_members, n_rows = self.orders.shape
        for member, order in enumerate(self.orders):
            order[:] = self.bound.rows.order
            self._shuffle(order, seed_of(seed, member))
        whole = n_rows - n_rows % self.rows_of_member
        updates = self.orders[:, :whole].reshape(n_members, -1, self.rows_of_member)
        self.order[: n_members * whole] = updates.swapaxes(0, 1).ravel()
        self.order[n_members * whole :] = self.orders[:, whole:].ravel()


def seed_of(seed, member):
    """The seed of a member's order, by that of the first."""
    if not member:
        return seed
    return int(np.random.SeedSequence((seed, member)).generate_state(1, np.uint64)[0])


def epoch_of_updates(plan, bound, horizon, on_step=None):
    """One pass of a plan whose rule is given gradients, ready to run.

    Parameters
    ----------
    plan : skgd._training.plan.Plan
    bound : skgd._training.objective.BoundObjective
    horizon : float or None
        Epochs the whole run may take, for the schedules that end with it.
    on_step : callable(state, loss), optional
        Called after each update within an epoch.
    """

    def stepper_of(objective):
        return Stepper(
            objective, plan.optimizer, plan.clip_norm, plan.lr, plan.half_life
        )

    def full_batch_on(bound):
        return FullBatch(bound, stepper_of(bound.objective), rates)

    rates = Rates(plan.lr, plan.schedule, horizon)
    if plan.solver == "batch":
        # Other rules may move a weight whose gradient is zero.
        plain = type(plan.optimizer).update is GD.update
        if plain:
            return EpochOnUsedColumns(bound, full_batch_on)
        return full_batch_on(bound)
    stepper = stepper_of(plan.objective)
    kind = bound.many_updates
    if plan.shuffle and bound.in_memory and plan.objective.model.n_members > 1:
        kind = OwnOrders
    return kind(bound, stepper, rates, plan.batch_size, plan.shuffle, on_step)


def run_part(bound, stepper, rates, batch_size, on_step, state, done, n_steps):
    """The updates of an epoch from some of its rows, in the order given.

    Parameters
    ----------
    bound : BoundObjective
        Over these rows.
    stepper : Stepper
    rates : callable(state, n_steps, start, stop) -> array
        Learning rates of the updates from `start` to `stop` of an epoch.
    batch_size : int
    on_step : callable(state, loss) or None
    state : State
        Moved in place.
    done : int
        Updates of this epoch made before.
    n_steps : int or None
        Updates of the whole epoch; None for no more than these.

    Returns
    -------
    loss : float
        Sum over the rows; NaN if it stopped being finite.
    done : int
        Updates of this epoch made by now.
    rate : float
        The last one.
    """
    batches = Batches(bound, stepper, None, batch_size, shuffle=False, on_step=on_step)
    stop = done + batches.n_steps
    lengths = rates(state, n_steps or batches.n_steps, done, stop)
    loss, n_updates = batches.advance(state, lengths)
    failed = n_updates < batches.n_steps
    return math.nan if failed else loss, stop, stepper.rate(state, lengths)


def shuffle_order(order, rng):
    """Bring the numbers of rows into random order, in place."""
    shuffle_kernel()(order, random_bits(rng))


@functools.cache
def shuffle_kernel():
    """The compiled callable(order, seed) that shuffles in place."""
    from skgd._kernels import compiling, shuffling

    return compiling.kernel(shuffling.shuffle, shuffling.shuffle_signature())


def random_bits(rng):
    """The next 64 bits of a stream, as ``rng.integers`` would draw them."""
    return rng.bit_generator.random_raw()
