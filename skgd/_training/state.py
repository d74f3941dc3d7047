"""What training remembers between updates: plain arrays and counters.

Everything a later call needs to go on as if there had been no interruption, and
nothing else; it is pickled with the estimator.
"""

import copy
import math
from dataclasses import dataclass, field, replace

import numpy as np

from skgd._input.numbers import LONG
from skgd._registry import SAVED


def rule_of(optimizer):
    """What must be equal for one call to go on from the vectors of another.

    The type, not its name, which somebody else's rule may have too; and what the
    vectors stand for, which in some rules depends on their parameters.
    """
    names = [getattr(optimizer, name, ()) for name in ("state_names", "scalar_names")]
    return type(optimizer), *map(tuple, names)


def numbers_of_sums(optimizer):
    """What of a rule adds up over the updates, by numbers.

    Those of vectors, and, from -1 down, of scalars; ``Optimizer.sums`` has names of
    both, or these numbers.
    """
    numbers = []
    for one in optimizer.sums:
        if isinstance(one, str) and one in optimizer.state_names:
            one = optimizer.state_names.index(one)
        elif isinstance(one, str):
            one = -1 - optimizer.scalar_names.index(one)
        numbers.append(one)
    return numbers


@SAVED.named("averaging")
@dataclass(frozen=True)
class Averaging:
    """Which mean of the parameters is the answer.

    The mean of the points z_t that the rule moves is updated by
    x <- x + (1 + p)/(t + p) (z - x), t counted from `start`: with p = 0 each point
    weighs the same (Polyak and Juditsky, 1992), with p > 0 later ones weigh as t^p
    (Shamir and Zhang, 2013). Gradients are taken at z + beta (x - z): at z itself for
    beta = 0, closer to the mean in schedule-free descent (Defazio et al., 2024).

    Attributes
    ----------
    start : int
        First update that counts; 0 for no averaging.
    power : float
        p.
    interpolation : float
        beta.
    half_life : float
        Rows after which no more than half of the weight of a point is left; the weight
        of the t-th is then at least that of an exponential mean of as many.
    """

    start: int = 0
    power: float = 0.0
    interpolation: float = 0.0
    half_life: float = math.inf

    @property
    def weighs_equally(self):
        """Whether there is no mean, or one of equal weights beside the path."""
        forgets = self.start and self.half_life < math.inf
        return not (self.power or self.interpolation or forgets)

    def is_like(self, other):
        """Whether it is the same mean, at whatever pace it forgets."""
        return replace(self, half_life=other.half_life) == other


@SAVED.named("sparse weights")
@dataclass
class Lazy:
    """Weights as plain steps on sparse rows keep them; see ``_kernels/csr_lazy.py``.

    Attributes
    ----------
    kept : array of shape (n_parameters,)
        Weights without their common factor, and intercepts.
    caught_up : float64 array of shape (n_features,), or (0,) without l1
        Shrinkage already applied to the weights of each feature.
    factors : float64 array of shape (3,)
        Common factor, total shrinkage, and sum of the factors averaged over.
    moved : float64 array of shape (n_parameters,), or (0,) without averaging
        What the weights averaged over lack to that sum times `kept`.
    shown : tuple
        Theta, the average and the number of updates that these stood for; others mean
        that they are out of date.
    """

    kept: np.ndarray
    caught_up: np.ndarray
    factors: np.ndarray
    moved: np.ndarray
    shown: tuple = ()

    @classmethod
    def of(cls, state, l1, l2, n_features):
        """The weights of `state`, as they were kept if nothing moved them since."""
        n_caught_up = n_features if l1 else 0
        last = state.lazy
        if (
            isinstance(last, Lazy)
            and last.caught_up.size == n_caught_up
            and last.moved.size == state.average.size
            and last.stands_for(state)
        ):
            return last
        theta = state.theta
        averages = state.average.size > 0
        kept = theta.copy() if l1 or l2 or averages else theta
        n_averaged = max(0, state.step - state.averaging.start + 1) if averages else 0
        moved = -n_averaged * state.average.astype(np.float64)
        return cls(kept, np.zeros(n_caught_up), np.array([1.0, 0.0, 0.0]), moved)

    def stands_for(self, state):
        """Whether nothing has moved the parameters of `state` since."""
        if len(self.shown) != 3:
            return False
        theta, average, step = self.shown
        return (
            step == state.step
            and np.array_equal(theta, state.theta)
            and np.array_equal(average, state.average)
        )

    def keep_in(self, state, step):
        """Remember where the weights of `state` come from, unless they are plain.

        `step` is the number of updates made by then.
        """
        if self.kept is not state.theta:
            self.shown = (state.theta.copy(), state.average.copy(), step)
            state.lazy = self


@SAVED.named("sparse rule")
@dataclass
class LateRule:
    """What a rule with state keeps of sparse rows; see ``_kernels/csr_rules.py``.

    Attributes
    ----------
    records : float64 array
        Each feature as the last update that touched it left it, and the intercepts.
    passed : float64 array of shape (2,)
        The sum of the rates of all updates, and the last rate.
    key : tuple
        What holds for features that wait.
    shown : tuple of arrays
        The parameters and vectors that these stood for; others mean that they are out
        of date.
    """

    records: np.ndarray
    passed: np.ndarray
    key: tuple
    shown: tuple = ()

    @classmethod
    def of(cls, state, key, begin, rate):
        """What was kept of `state`, if nothing moved it since.

        Otherwise the records that `begin` returns, before a step of length `rate`.
        """
        last = state.lazy
        if (
            isinstance(last, LateRule)
            and last.key == key
            and np.array_equal(last.shown[0], state.theta)
            and np.array_equal(last.shown[1], state.vectors)
        ):
            return last
        return cls(begin(), np.array([0.0, rate]), key)

    def keep_in(self, state):
        """Remember what the parameters of `state` stand for."""
        self.shown = state.theta.copy(), state.vectors.copy()
        state.lazy = self


@SAVED.named("waiting weights")
@dataclass
class Waiting:
    """Penalised weights as the last rows that touched them left them.

    Of a stream of sparse rows; see ``_kernels/csr_stream.py``.

    Attributes
    ----------
    kept : array of shape (n_parameters,)
    shown : array of shape (n_parameters,)
        Theta, which they stood for; another means that they are out of date.
    """

    kept: np.ndarray
    shown: np.ndarray

    @classmethod
    def of(cls, state):
        """The weights that wait in `state`, or its theta where none do."""
        last = state.lazy
        if not isinstance(last, cls):
            return state.theta
        if np.array_equal(last.shown, state.theta):
            return last.kept.copy()
        # Moved by others, who know of no marks.
        state.vectors[2] = state.step
        return state.theta


@SAVED.named("training")
@dataclass
class State:
    """Parameters, optimizer state and counters of a training run.

    Attributes
    ----------
    theta : array of shape (n_parameters,)
        Where the gradients are taken.
    vectors : array of shape (n_vectors, n_parameters)
        The optimizer's vectors, one row for each of its ``state_names``.
    scalars : float64 array
        The optimizer's scalars.
    step_sizes : array of shape (n_parameters,)
        Step length per unit of gradient, written by the optimizer.
    base : array of shape (n_parameters,) or (0,)
        The point that the optimizer moves, where it is not theta.
    average : array of shape (n_parameters,) or (0,)
        Mean over the updates; empty without averaging.
    averaging : Averaging
        Which mean that is.
    rng : numpy.random.Generator
    step : int
        Updates made.
    epoch : int
        Epochs made (calls, in partial_fit).
    derivatives : float64 array of shape (n_rows, n_outputs) or (0,)
        Last derivative of each row, for rules that keep them; empty otherwise.
    losses : list of float
        Objective of the epochs made, for schedules that look at it.
    rule : tuple
        Whose vectors these are; see `rule_of`.
    table : object
        What the derivatives belong to; None where nobody may ask for them again.
    lazy : Lazy, LateRule, Waiting or None
        How sparse rows keep weights between calls.
    highest : float
        The highest objective at the start of a call of partial_fit.
    n_seen : int
        Rows that were learnt: those of the table of the last fit, and of all calls of
        partial_fit since.
    half_life : float
        At what pace the last call forgot them.
    mean_from : int
        The first update that counts in the mean since a class was added.
    """

    theta: np.ndarray
    vectors: np.ndarray
    scalars: np.ndarray
    step_sizes: np.ndarray
    base: np.ndarray
    average: np.ndarray
    averaging: Averaging
    rng: np.random.Generator
    step: int = 0
    epoch: int = 0
    derivatives: np.ndarray = field(default_factory=lambda: np.empty(0))
    losses: list = field(default_factory=list)
    rule: tuple = ()
    table: object = None
    lazy: Lazy | LateRule | Waiting | None = None
    highest: float = 0.0
    n_seen: int = 0
    half_life: float = math.inf
    mean_from: int = 0

    @classmethod
    def start(cls, theta, optimizer, averaging, rng):
        """State before the first update of `theta`."""
        vectors, scalars, step_sizes = optimizer.start(theta.size, theta.dtype)
        nothing = theta[:0].copy()
        return cls(
            theta=theta,
            vectors=vectors,
            scalars=scalars,
            step_sizes=step_sizes,
            base=theta.copy() if averaging.interpolation else nothing,
            average=theta.copy() if averaging.start else nothing,
            averaging=averaging,
            rng=rng,
            rule=rule_of(optimizer),
        )

    def belongs_to(self, table):
        """Forget the derivatives of rows unless they are those of `table`."""
        if table is None or self.table != table:
            self.derivatives = np.empty(0)
        self.table = table

    def settle(self):
        """Keep the answer alone of a search, which would begin anew from there."""
        nothing = self.theta[:0].copy()
        self.theta = self.answer()
        self.base = self.average = self.step_sizes = nothing
        self.averaging = Averaging()
        self.vectors = np.empty((0, self.theta.size))
        self.scalars = np.empty(0)
        self.rule = ()

    def answer(self):
        """The parameters to predict with: the mean if there is one yet, else theta."""
        if self.average.size and self.step >= self.averaging.start:
            return self.average
        return self.theta

    def points(self):
        """The arrays that are points of the parameter space, to move them together."""
        return [self.theta, self.base, self.average]

    def points_and_vectors(self):
        """All that is as long as theta, but step sizes, one by one."""
        return [point for point in self.points() if point.size] + list(self.vectors)

    def copy_parameters(self):
        """The parameters alone, to come back to."""
        return [point.copy() if point.size else point for point in self.points()]

    def finite_parameters(self):
        """The same, or None if one of them is not finite."""
        return self.copy_parameters() if self.is_finite() else None

    def restore_parameters(self, parameters):
        for point, saved in zip(self.points(), parameters, strict=True):
            point[:] = saved

    def copy(self):
        """A copy to move: this state stays as it is but for the random stream."""
        state = object.__new__(State)
        vars(state).update(
            vars(self),
            theta=self.theta.copy(),
            vectors=self.vectors.copy(),
            scalars=self.scalars.copy(),
            step_sizes=self.step_sizes.copy(),
            base=self.base.copy(),
            average=self.average.copy(),
        )
        return state

    def checkpoint(self):
        """What `go_back` needs: a copy, and where the random stream is."""
        saved = self.copy()
        saved.lazy = copy.deepcopy(self.lazy)
        return saved, self.rng.bit_generator.state

    def go_back(self, checkpoint):
        """Be as at the checkpoint, which is used up."""
        saved, stream = checkpoint
        vars(self).update(vars(saved))
        self.rng.bit_generator.state = stream

    def resumed(self, optimizer, averaging):
        """A copy to go on from, with room for the optimizer and mean of this call.

        The random stream is shared: who draws from it takes a copy. Another optimizer
        starts with empty state, another kind of mean from the current answer. A line
        search starts again from the answer: what it remembers are objectives of rows
        that may not be those of this call.
        """
        state = self.copy()
        state.lazy = copy.deepcopy(self.lazy)
        state.losses = list(self.losses)
        state.derivatives = self.derivatives.copy()
        vectors, scalars, step_sizes = optimizer.start(
            self.theta.size, self.theta.dtype
        )
        rule = rule_of(optimizer)
        if optimizer.searches:
            state.theta[:] = self.answer()
        same = rule == self.rule and vectors.shape == self.vectors.shape
        if optimizer.searches or not same:
            state.vectors, state.scalars, state.step_sizes = (
                vectors,
                scalars,
                step_sizes,
            )
            state.rule = rule
        if not averaging.is_like(self.averaging):
            fresh = State.start(self.answer().copy(), optimizer, averaging, self.rng)
            state.theta, state.base, state.average = fresh.points()
        state.averaging = averaging
        return state

    def reduce_sums(self, optimizer, share):
        """What the rule adds up, as if all updates had had this share of their weight.

        Arrays are written to.
        """
        for number in numbers_of_sums(optimizer):
            if number < 0:
                self.scalars[-1 - number] *= share
            else:
                self.vectors[number] *= share

    def forget_optimizer(self):
        """Clear the optimizer's vectors after a failure that may have spoilt them."""
        self.vectors[:] = 0.0

    def restart(self, optimizer):
        """Drop what the optimizer remembers."""
        fresh = optimizer.start(self.theta.size, self.theta.dtype)
        self.vectors, self.scalars, self.step_sizes = fresh

    def is_finite(self):
        """Whether all points are.

        Of a theta between the base and the average it is enough to look at theta, which
        is not finite if one of them is not.
        """
        if self.average.size and not self.base.size and not _is_finite(self.average):
            return False
        return _is_finite(self.theta)


def _is_finite(vector):
    # Where the sum of the squares is, which takes a third of the time of looking at
    # each number, the numbers are. BLAS would wake its threads for long vectors, who
    # then wait for more at the cost of a processor; a plain sum does as well.
    few = vector.size <= LONG
    total = vector.dot(vector) if few else vector.sum()
    return math.isfinite(total) or bool(np.isfinite(vector).all())
