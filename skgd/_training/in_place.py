"""Updates from few sparse rows that cost no more than the rows have nonzeros.

The weights stay where they are, as their kernels keep them; what an update is about to
touch is saved first, so that it can be taken back. What they stand for, a `State`, is
made when somebody asks. The arithmetic is that of the same kernels in an epoch.
"""

import numpy as np

from skgd._input.boundary import check_sizes, check_state
from skgd._training.rules_of_nonzeros import BY_POWERS, RuleOfNonzeros, can_wait
from skgd._training.state import LateRule, Lazy, State, Waiting

NO_ROWS = np.empty(0, np.int64)


class InPlace:
    """What the ways of three kinds of rules have in common.

    Parameters
    ----------
    bound : BoundObjective
        Over CSR rows.
    n_updates : int
        By as many rows.
    """

    def __init__(self, bound, n_updates):
        self.bound = bound
        self.n_updates = n_updates
        self.n_outputs = bound.objective.model.n_outputs
        self.outputs = np.arange(self.n_outputs)

    def _entries(self, columns):
        """Numbers in theta of the weights of some columns, then of the intercepts."""
        features = np.append(columns.astype(np.int64), self.n_features)
        return (features[:, None] * self.n_outputs + self.outputs).ravel()

    @property
    def n_features(self):
        return self.bound.objective.model.n_features

    def _like(self, state, **arrays):
        """The state taken over, with these arrays and the steps made since."""
        made = object.__new__(State)
        vars(made).update(vars(state), **arrays)
        return made


class PlainSteps(InPlace):
    """Plain gradient steps; see ``_kernels/csr_lazy.py``."""

    def __init__(self, bound, stepper, rates, batch_size):
        super().__init__(bound, rates.size)
        self.kernel = bound.loops.nonzeros
        self.l1, self.l2 = stepper.strengths
        self.rates = rates
        self.batch_size = batch_size

    def take_over(self, state):
        """Go on from a state, which stays as it is."""
        n, n_averaged = self.bound.objective.model.size, state.average.size
        check_sizes("the state", theta=(state.theta, n), average=(state.average, 0, n))
        lazy = Lazy.of(state, self.l1, self.l2, self.n_features)
        check_sizes(
            "sparse updates",
            kept=(lazy.kept, n),
            caught_up=(lazy.caught_up, self.n_features if self.l1 else 0),
            factors=(lazy.factors, 3),
            moved=(lazy.moved, n_averaged),
        )
        self.is_plain = lazy.kept is state.theta
        parts = lazy.kept, lazy.caught_up, lazy.factors, lazy.moved
        self.kept, self.caught_up, self.factors, self.moved = (a.copy() for a in parts)
        self.averages = state.average.size > 0
        nothing = state.theta[:0].copy()
        self.rest = self._like(state, theta=nothing, average=nothing, lazy=None)

    def has_room(self):
        """Whether the weights keep their common factor in the next updates."""
        scale = self.factors[0] * (1.0 - self.rates[0] * self.l2) ** self.n_updates
        return scale > 2e-3

    def save(self, columns):
        """What an update by these columns may change."""
        at = self._entries(columns)
        return (
            at,
            columns,
            self.kept[at],
            self.factors.copy(),
            self.moved[at] if self.moved.size else None,
            self.caught_up[columns] if self.caught_up.size else None,
        )

    def put_back(self, saved):
        at, columns, kept, factors, moved, caught_up = saved
        self.kept[at] = kept
        self.factors[:] = factors
        if moved is not None:
            self.moved[at] = moved
        if caught_up is not None:
            self.caught_up[columns] = caught_up

    def update(self, data, rows, step):
        """The updates in place; returns (sum of losses, number of updates)."""
        nothing = self.rest.theta
        parts = self.kept, self.caught_up, self.factors, self.moved
        return self._run(data, rows, rows.order, parts, nothing, nothing, step)

    def _run(self, data, rows, order, parts, theta, average, step):
        return self.kernel(
            (data, rows.targets, rows.weights, order),
            self.batch_size,
            self.bound.cost,
            theta,
            parts,
            (average, self.rest.averaging.start),
            (self.l1, self.l2),
            self.rates,
            step,
        )

    def touched(self, columns):
        """The numbers that an update by these columns has moved."""
        return self.kept[self._entries(columns)]

    def weights_at(self, columns, step):
        """The answer for the weights of some columns and the intercepts."""
        at = self._entries(columns)
        moved = self.moved[at] if self.moved.size else self.moved
        caught_up = self.caught_up[columns] if self.caught_up.size else self.caught_up
        parts = self.kept[at], caught_up, self.factors.copy(), moved
        theta, average = np.empty_like(parts[0]), self._room_for_average(at.size)
        rows, data = self.bound.rows, self.bound.data
        self._run(data, rows, NO_ROWS, parts, theta, average, step)
        return average if self._answers_by_average(step) else theta

    def _room_for_average(self, n):
        return np.empty(n if self.averages else 0, self.kept.dtype)

    def _answers_by_average(self, step):
        return self.averages and step >= self.rest.averaging.start

    def state(self, **counters):
        """The state after the updates so far, with arrays of its own."""
        step = counters["step"]
        parts = self.kept, self.caught_up, self.factors, self.moved
        theta = np.empty_like(self.kept)
        average = self.first_average(step)
        rows, data = self.bound.rows, self.bound.data
        self._run(data, rows, NO_ROWS, parts, theta, average, step)
        made = self._like(self.rest, theta=theta, average=average, **counters)
        if not self.is_plain:
            Lazy(*(part.copy() for part in parts)).keep_in(made, step)
        return made

    def first_average(self, step):
        """Room for the mean, which before its first point is where theta began."""
        return self._room_for_average(self.kept.size)


class StepsOfRules(InPlace):
    """Rules with state; see ``_kernels/csr_rules.py``."""

    def __init__(self, bound, stepper, rates, batch_size):
        super().__init__(bound, rates.size)
        self.stepper = stepper
        self.rates = rates
        self.batch_size = batch_size
        self.way = RuleOfNonzeros(bound, stepper)
        self.width = self.way.width
        self.gradient = np.empty(0)
        self.distinct = True

    def take_over(self, state):
        """Go on from a state, which stays as it is."""
        check_state(state, self.bound.objective.model.size, *self.stepper.kept)
        state = state.copy()
        self.stepper.update(state)
        late = self.way.begin(state, float(self.rates[0]))
        self.records = late.records.copy()
        self.passed = late.passed.copy()
        self.nothing = state.theta[:0].copy()
        self.n_vectors = len(state.vectors)
        self.rest = self._like(
            state, theta=self.nothing, vectors=state.vectors[:, :0].copy(), lazy=None
        )

    def has_room(self):
        return True

    def _rows_of(self, columns):
        return np.append(columns.astype(np.int64), self.n_features)

    def save(self, columns):
        """What an update by these columns may change."""
        at = self._rows_of(columns)
        table = self.records.reshape(-1, self.width)
        return at, table[at], self.passed.copy()

    def put_back(self, saved):
        at, records, passed = saved
        self.records.reshape(-1, self.width)[at] = records
        self.passed[:] = passed

    def update(self, data, rows, step):
        """The updates in place; returns (sum of losses, number of updates)."""
        parts = self.records, self.passed
        vectors = self.rest.vectors
        self._make_room(data[2])
        return self._run(data, rows, rows.order, parts, self.nothing, vectors, step)

    def _make_room(self, pointers):
        """For the gradient, made once where it has a number for each weight."""
        n_weights = self.n_features * self.n_outputs
        by_entries = self.distinct and self.batch_size == 1
        if by_entries or self.gradient.size < n_weights:
            self.gradient = self.way.room_for_gradient(
                pointers, self.batch_size, self.distinct
            )

    def _run(self, data, rows, order, parts, theta, vectors, step):
        records, passed = parts
        return self.way.updates(
            (data, rows.targets, rows.weights, order),
            self.batch_size,
            (theta, vectors),
            self.way.late(records, passed, self.gradient, self.distinct),
            self.rates,
            step,
        )

    def touched(self, columns):
        """The numbers that an update by these columns has moved."""
        return self.records.reshape(-1, self.width)[self._rows_of(columns)].ravel()

    def _shown(self, records, step):
        """Theta and vectors of some records, those of the intercepts the last."""
        n = records.size // self.width * self.n_outputs
        theta = np.empty(n, self.nothing.dtype)
        vectors = np.empty((self.n_vectors, n), self.nothing.dtype)
        parts = records, self.passed.copy()
        rows, data = self.bound.rows, self.bound.data
        self._run(data, rows, NO_ROWS, parts, theta, vectors, step)
        return theta, vectors

    def weights_at(self, columns, step):
        """The weights of some columns and the intercepts."""
        return self._shown(self.touched(columns), step)[0]

    def state(self, **counters):
        """The state after the updates so far, with arrays of its own."""
        records = self.records.copy()
        theta, vectors = self._shown(records, counters["step"])
        made = self._like(self.rest, theta=theta, vectors=vectors, **counters)
        self.stepper.update(made)
        key = self.way.key(float(self.rates[0]))
        LateRule(records, self.passed.copy(), key).keep_in(made)
        return made


class ImplicitSteps(InPlace):
    """Implicit normalised AdaGrad; see ``_training/implicit.py``."""

    def __init__(self, bound, rule):
        super().__init__(bound, len(bound.rows))
        self.rule = rule
        self.epoch = rule.on(bound)
        self.waits = any(rule.strengths)

    def take_over(self, state):
        """Go on from a state, which stays as it is."""
        state = state.copy()
        self.epoch.begin(state)
        self.kept = Waiting.of(state)
        check_sizes("sparse updates", kept=(self.kept, self.bound.objective.model.size))
        self.vectors = state.vectors
        self.scalars = state.scalars
        nothing = state.theta[:0].copy()
        none = state.vectors[:, :0].copy()
        self.rest = self._like(state, theta=nothing, vectors=none, lazy=None)

    def has_room(self):
        return True

    def save(self, columns):
        """What an update by these columns may change."""
        at = self._entries(columns)
        return at, self.kept[at], self.vectors[:, at]

    def put_back(self, saved):
        at, kept, vectors = saved
        self.kept[at] = kept
        self.vectors[:, at] = vectors

    def update(self, data, rows, step):
        """The updates in place; returns (sum of losses, number of updates)."""
        return self.epoch.update(
            self.kept, self.vectors, self.scalars, data, rows, step
        )

    def touched(self, columns):
        """The numbers that an update by these columns has moved."""
        at = self._entries(columns)
        return np.concatenate([self.kept[at], self.vectors[:2, at].ravel()])

    def _shown(self, kept, vectors, step):
        if not self.waits:
            return kept
        shown = np.empty_like(kept)
        self.epoch.settle(kept, vectors, step, shown)
        return shown

    def weights_at(self, columns, step):
        """The weights of some columns and the intercepts."""
        at = self._entries(columns)
        vectors = np.ascontiguousarray(self.vectors[:, at])
        return self._shown(self.kept[at], vectors, step)

    def state(self, **counters):
        """The state after the updates so far, with arrays of its own."""
        kept, vectors = self.kept.copy(), self.vectors.copy()
        theta = self._shown(kept, vectors, counters["step"])
        lazy = Waiting(kept, theta.copy()) if self.waits else None
        return self._like(
            self.rest,
            theta=theta,
            vectors=vectors,
            scalars=self.scalars.copy(),
            lazy=lazy,
            **counters,
        )


def steps_in_place(bound, stepper, state, plan):
    """The way of a rule on few sparse rows; None where an update touches all.

    Parameters
    ----------
    bound : BoundObjective
        Over CSR rows.
    stepper : Stepper
    state : State
    plan : Plan
        Of a constant rate.
    """
    batch_size = plan.batch_size
    rates = np.full(-(-len(bound.rows) // batch_size), float(plan.lr))
    model = bound.objective.model
    if (
        not model.raw
        or not state.averaging.weighs_equally
        or stepper.optimizer.needs_rows
    ):
        return None
    if stepper.is_gd:
        l1, l2 = stepper.strengths
        if (state.average.size and l1) or rates[0] * l2 >= 1.0:
            return None
        if state.average.size and state.step < state.averaging.start:
            return None
        return PlainSteps(bound, stepper, rates, batch_size)
    rule = type(stepper.optimizer)
    if not can_wait(stepper) or state.average.size:
        return None
    if rule in BY_POWERS and bound.objective.l1.size:
        return None
    return StepsOfRules(bound, stepper, rates, batch_size)
