"""What a call of a linear estimator means: coordinates, objective, method, rows.

The parameters are looked up once, in `Asked`; every decision that they and the rows
lead to is taken below. Which method ``lr="auto"`` stands for is in ``automatic.py``.
"""

import math
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property

import numpy as np
from joblib import effective_n_jobs
from scipy import sparse

from skgd._estimator.base import AUTO_BATCH_SIZE
from skgd._estimator.causes import warn_of_unusable
from skgd._input.columns import usable_moments
from skgd._input.moments import Moments, Seen
from skgd._input.validation import validate_given
from skgd._kernels.forgetting import left
from skgd._linear.automatic import (
    IMPLICIT_STEP,
    SEARCHING,
    Search,
    Situation,
    choose,
    dual_ascent_pays,
    dual_kind,
    scores_have_units,
    target_spread,
)
from skgd._linear.model import LinearModel
from skgd._linear.step_size import (
    centred_coordinates,
    centring_pays,
    exact_scale,
    loss_curvature,
)
from skgd._training.dual import DualAscent
from skgd._training.full_gradient import FullGradientDescent
from skgd._training.implicit import ImplicitAdaGrad
from skgd._training.objective import Objective, best_constants
from skgd._training.plan import Plan, rows_per_update
from skgd._training.proximal import Proximal
from skgd._training.state import Averaging
from skgd._training.threads import OneBlasThread
from skgd.losses import Huber
from skgd.optimizers import GD, get_optimizer
from skgd.penalties import get_penalty
from skgd.schedules import Constant, get_schedule

# How many times the error of a row may be what one step takes off it.
OVERSHOOT = 2.0

# Up to this many rows a full gradient costs about as much as the bookkeeping of an
# epoch.
SMALL_TABLE = 1024

# Up to this many rows a search along full gradients, where there is one, takes less
# time to the last digits than noisy steps take to the third.
SEARCHED_TABLE = 16_384


class Asked:
    """What the parameters of a linear estimator ask for, looked up and checked once.

    Parameters
    ----------
    estimator : LinearGD
    task : a task of ``skgd._input.targets``
    loss : Loss
    n_features : int

    Attributes
    ----------
    optimizer : Optimizer
    schedule : Schedule
    penalty : Penalty or None
    l1, l2 : float or array of shape (n_features,)
        Strengths of an elastic net; zero for another penalty.
    is_elastic_net : bool
        Whether the penalty, if there is one, is known by these two strengths.
    softmax : bool
        Whether several classes are trained by cross-entropy.
    step_is_free : bool
        Whether nothing that was asked for rules the step.
    automatic : bool
        Whether the rate is to be found.
    """

    def __init__(self, estimator, task, loss, n_features):
        self.estimator = estimator
        self.task = task
        self.loss = loss
        self.n_features = n_features
        self.softmax = task.n_outputs > 1 and loss.softmax
        self.optimizer = get_optimizer(estimator.optimizer)
        self.schedule = get_schedule(estimator.lr_schedule)
        given = estimator.loss, estimator.optimizer, estimator.lr_schedule
        parts = loss, self.optimizer, self.schedule
        for part, one in zip(parts, given, strict=True):
            if part is one:
                validate_given(part, one)
        self.automatic = estimator.lr == "auto"
        if self.automatic and self.optimizer.row_step is not None:
            raise ValueError(
                f"optimizer={self.optimizer.row_step!r} has no lr='auto': lr is C, how "
                "much a single row may change. Pass a float, such as 1.0; less for "
                "noisy labels."
            )
        self.step_is_free = (
            not estimator.average
            and estimator.clip_norm is None
            and type(self.schedule) is Constant
        )
        self.penalty = get_penalty(estimator.penalty, estimator.l1_ratio)
        self.l1, self.l2, self.is_elastic_net = 0.0, 0.0, True
        if self.penalty is not None:
            self._look_at_penalty()

    def _look_at_penalty(self):
        """Its strengths; an error if it fits neither the features nor the rate."""
        penalty = self.penalty
        if penalty is self.estimator.penalty:
            validate_given(penalty, penalty)
            penalty.check(self.n_features)
        if self.automatic and not penalty.convex:
            raise ValueError(
                f"penalty={penalty!r} is not convex, and lr='auto' finds its steps for "
                "convex objectives only. Pass lr as a float, below "
                "1 / (largest curvature of the loss), on scaled features."
            )
        strengths = penalty.elastic_net(self.estimator.alpha)
        self.is_elastic_net = strengths is not None
        if self.is_elastic_net:
            self.l1, self.l2 = strengths

    @property
    def takes_single_rows(self):
        """Whether there is room for implicit steps of single rows."""
        estimator = self.estimator
        return (
            self.automatic
            and type(self.optimizer) is GD
            and self.step_is_free
            and self.is_elastic_net
            and not any(map(np.ndim, (self.l1, self.l2)))
            and (
                estimator.solver == "sgd"
                or (estimator.solver == "minibatch" and estimator.batch_size == "auto")
            )
        )

    @cached_property
    def searches(self):
        """Whether full gradients would be followed by a search for the step."""
        return self.step_is_free and (
            (type(self.optimizer) in SEARCHING and self.loss.smooth)
            or (
                type(self.optimizer) is GD
                and bool(self.loss.residual_slopes())
                and self.is_elastic_net
            )
        )

    def rows_per_update(self, X, n_rows, streaming):
        """Under lr="auto" all rows of a small table, one of a stream: `batch_size`.

        Rows of a stream are seen once, so that few updates would leave most of what
        they say unlearnt. In an update of a CSR row by these rules, every weight moves.
        """
        auto = AUTO_BATCH_SIZE
        if self.automatic and streaming:
            auto = AUTO_BATCH_SIZE if sparse.issparse(X) else 1
        elif self.automatic:
            most = SEARCHED_TABLE if self.searches else SMALL_TABLE
            if n_rows <= most or (self.searches and np.any(self.l1)):
                auto = n_rows
        estimator = self.estimator
        return rows_per_update(estimator.solver, estimator.batch_size, n_rows, auto)

    def starts_with_updates(self, batch_size):
        """Whether a search along full gradients starts from updates of few rows.

        On a large table, where two epochs of those come near the minimum; not under an
        l1 penalty, because their mean has no zeros.
        """
        return (
            self.automatic
            and self.searches
            and type(self.optimizer) is GD
            and self.estimator.solver == "minibatch"
            and self.estimator.batch_size == "auto"
            and batch_size == AUTO_BATCH_SIZE
            and not self.loss.trivial_minimum
            and self.is_elastic_net
            and not np.any(self.l1)
        )

    def new_model(self, rows, mean=None, scale=None, moments=None, seen=None):
        """A model of the task, by default in the units of the features."""
        return LinearModel(
            self.n_features,
            self.task.n_outputs,
            rows.X.dtype,
            self.estimator.fit_intercept,
            mean,
            scale,
            moments,
            seen,
        )

    def objective(self, model):
        """The objective in the coordinates of a model."""
        prox = None
        if not self.is_elastic_net:
            prox = Proximal(self.penalty, self.estimator.alpha, model)
        uniform = np.ndim(self.l1) == 0
        weights = model.penalty_weights(self.l1, self.l2)
        return Objective(model, self.loss, self.softmax, *weights, prox, uniform)

    def plan(self, objective, optimizer, batch_size, **others):
        """The parts of a run, as far as they are not found but asked for."""
        estimator = self.estimator
        # Bounds factorise small matrices: two threads wait for each other there.
        small = isinstance(optimizer, FullGradientDescent)
        small |= objective.model.multiplies_matrices
        parts = {
            "schedule": self.schedule,
            "solver": estimator.solver,
            "lr": 1.0,
            "averaging": Averaging(),
            "clip_norm": None,
            "shuffle": estimator.shuffle,
            "n_jobs": effective_n_jobs(estimator.n_jobs),
            "blas_threads": OneBlasThread if small else nullcontext,
            "made_with": fixed_parameters(estimator, self.task),
        }
        return Plan(objective, optimizer, batch_size=batch_size, **parts | others)


def fixed_parameters(estimator, task):
    """``_fixed_parameters`` of ``skgd._estimator.hooks``."""
    return {"fit_intercept": bool(estimator.fit_intercept)}


def linear_plan(estimator, task, loss, rows, model=None, rng=None, streaming=False):
    """The parts of a run over `rows`: ``_plan`` of ``skgd._estimator.hooks``."""
    asked = Asked(estimator, task, loss, rows.X.shape[1])
    plan = _chosen(asked, rows, model, streaming)
    if model is None:
        plan.theta = _start(estimator, plan, rows)
    return plan


def _start(estimator, plan, rows):
    """Zero, with the best constant as intercept under lr="auto"."""
    model = plan.objective.model
    if estimator.lr != "auto":
        return np.zeros(model.size, model.dtype)
    theta = plan.constant
    if theta is None:
        theta = constant_theta(estimator, plan.objective, rows)
    theta = theta.copy()
    if plan.optimizer.normalises and estimator.fit_intercept:
        # At the best constant the gradient of the intercept is rounding, which such a
        # rule would blow up to a step: begin one step away.
        theta[model.n_weights :] += plan.lr
    return theta


def _chosen(asked, rows, model, streaming):
    """The parts by the way that the parameters and the rows lead to."""
    estimator, loss = asked.estimator, asked.loss
    if asked.takes_single_rows:
        if streaming and sparse.issparse(rows.X):
            return _implicit_steps(asked, rows, model)
        in_table = sparse.issparse(rows.X) and not streaming
        if in_table and dual_ascent_pays(rows, loss, asked.softmax):
            return _dual_ascent(asked, rows)
    batch_size = asked.rows_per_update(rows.X, rows.order.size, streaming)
    if asked.automatic:
        return _found_rate(asked, rows, model, batch_size, streaming)
    if model is None or not model.raw:
        model = asked.new_model(rows)
    return asked.plan(
        asked.objective(model),
        asked.optimizer,
        batch_size,
        lr=float(estimator.lr),
        averaging=Averaging(start=int(estimator.average)),
        clip_norm=estimator.clip_norm,
    )


def _found_rate(asked, rows, model, batch_size, streaming):
    """A run under ``lr="auto"``, by the method that ``automatic.choose`` names."""
    estimator, n_rows = asked.estimator, rows.order.size
    before = model
    first_updates = None
    if not streaming and asked.starts_with_updates(batch_size):
        first_updates = batch_size
    model, curvature = _scaled_model(asked, rows, model, batch_size, streaming)
    objective = asked.objective(model)
    constant = None
    if not streaming:
        constant = constant_theta(estimator, objective, rows)
    search = None
    whole = batch_size == n_rows or first_updates is not None
    if asked.step_is_free and whole and not streaming:
        search = Search(
            estimator._tolerance(), constant, first_updates, estimator.shuffle
        )
    situation = Situation(
        objective,
        rows,
        model.moments,
        batch_size,
        model.seen.spread,
        curvature,
        streaming,
    )
    choice = choose(situation, asked.optimizer, estimator.average, search)
    longest_row = math.inf
    dense_rows = batch_size == 1 and not sparse.issparse(rows.X)
    plain = streaming and dense_rows and type(asked.optimizer) is GD
    if plain and scores_have_units(asked.task, asked.loss):
        longest_row = _longest_row(asked.loss, choice.optimizer, curvature)
    averaging = choice.averaging
    if streaming and before is not None:
        averaging = _mean_after(estimator._state, averaging, before)
    return asked.plan(
        objective,
        choice.optimizer,
        batch_size if first_updates is None else n_rows,
        lr=float(choice.lr),
        averaging=averaging,
        clip_norm=estimator.clip_norm,
        last_step=choice.last_step,
        constant=constant,
        guarded=choice.guarded and not streaming,
        longest_row=longest_row,
    )


def _longest_row(loss, rule, curvature):
    """1 + |z|^2 of a row whose own error the longest step of DoWG only turns around.

    A longer row would be overshot, and with it all that the others taught: it weighs
    less, by as much. Losses of bounded slope cannot be thrown far by a row.
    """
    bounded = loss.residual_slopes() is not None or isinstance(loss, Huber)
    if bounded or loss.curvature is None or not math.isfinite(rule.longest):
        return math.inf
    return OVERSHOOT / (rule.longest * curvature)


def _mean_after(state, averaging, model):
    """The mean that a stream goes on with, in which what `fit` found has its weight.

    It counts as if it had come of an update for each row that `fit` saw, so that the
    first rows of the stream do not take its place.
    """
    known = state.averaging
    if known.start < 0 and averaging.is_like(replace(known, start=averaging.start)):
        return replace(known, half_life=averaging.half_life)
    if averaging.is_like(known) or averaging.start != 1 or model.raw:
        return averaging
    n_rows = int(model.seen.features.weight)
    return replace(averaging, start=min(state.step + 1 - n_rows, -1))


def _scaled_model(asked, rows, model, batch_size, streaming):
    """The model in centred and scaled coordinates, and the curvature of the loss.

    Coordinates made in an earlier call are kept by a warm start, unless they leave out
    a column that varies now, and in a stream until there are a tenth more rows.
    """
    estimator, task, loss = asked.estimator, asked.task, asked.loss
    half_life = estimator._half_life if streaming else math.inf
    before = model.seen if model is not None and streaming else None
    seen = Seen.after(rows, before, half_life)
    if model is not None and streaming and half_life < math.inf:
        model = model.having_seen(seen, left(half_life, rows.order.size))
    kept = (
        model is not None
        and model.scale is not None
        and not (streaming and model.is_out_of_date(seen, half_life < math.inf))
        and (streaming or not model.leaves_out(seen.features))
    )
    if not (kept and streaming):
        most_of = None if streaming else rows
        seen.spread = target_spread(task, loss, seen.targets, most_of)
    if not (kept and streaming and loss.curvature is None and seen.curvature):
        # Where the rows at hand decide, it is kept as the coordinates are: a call that
        # is prepared for knows the rows of an earlier one only.
        seen.curvature = loss_curvature(loss, asked.softmax, rows, seen.spread)
    curvature = seen.curvature
    if not kept:
        centre = estimator.fit_intercept and (
            not sparse.issparse(rows.X) or centring_pays(rows.X, batch_size)
        )
        ridge = asked.l2 / curvature
        moments, *unusable = usable_moments(seen.features, rows, rows.X.dtype)
        if any(map(len, unusable)):
            warn_of_unusable(estimator, *unusable)
        updates = streaming or batch_size < rows.order.size
        mean, scale = centred_coordinates(
            moments, ridge, centre, batch_size if updates else None
        )
        if asked.penalty is not None and asked.penalty.indicator:
            scale = exact_scale(scale)
        return asked.new_model(rows, mean, scale, moments, seen), curvature
    return model.having_seen(seen), curvature


def _implicit_steps(asked, rows, model):
    """A call of ``partial_fit`` on sparse rows: implicit steps of single ones."""
    task, loss = asked.task, asked.loss
    if model is None or not model.raw:
        model = asked.new_model(rows)
    targets = Moments.empty(rows.targets.shape[1])
    if model.seen is not None:
        targets = model.seen.targets.copy()
    half_life = asked.estimator._half_life
    targets.update(rows.targets, rows.weights, rows.order, half_life)
    spread = target_spread(task, loss, targets)
    scale = 1.0 if loss.curvature is None else loss.curvature * spread
    kind = "explicit" if loss.trivial_minimum else "implicit"
    kind = "softmax" if asked.softmax else kind
    steps = ImplicitAdaGrad(
        IMPLICIT_STEP * spread,
        kind,
        0.5,
        (asked.l1, asked.l2),
        (0.5 * scale) ** 2,
        half_life,
    )
    objective = asked.objective(model.having_seen(Seen(None, targets, spread)))
    return asked.plan(objective, steps, 1, solver="sgd", shuffle=False, n_jobs=1)


def _dual_ascent(asked, rows):
    """A run of dual ascent on sparse rows, in the units of the features."""
    estimator, loss, softmax = asked.estimator, asked.loss, asked.softmax
    objective = asked.objective(asked.new_model(rows))
    spread = 1.0
    if loss.curvature is None:
        targets, weights = rows.visited()
        moments = Moments.empty(targets.shape[1])
        moments.update(targets, weights)
        spread = target_spread(asked.task, loss, moments)
    curvature = loss_curvature(loss, softmax, rows, spread)
    constant = constant_theta(estimator, objective, rows)

    def search():
        """The objective and the search to go on with where ascent is slow."""
        n_rows = rows.order.size
        scaled, curvature = _scaled_model(asked, rows, None, n_rows, False)
        objective = asked.objective(scaled)
        situation = Situation(
            objective, rows, scaled.moments, n_rows, scaled.seen.spread, curvature
        )
        there = constant_theta(estimator, objective, rows)
        asked_for = Search(estimator._tolerance(), there)
        choice = choose(situation, GD(), average=False, search=asked_for)
        return objective, choice.optimizer

    ascent = DualAscent(
        curvature,
        dual_kind(loss, softmax),
        (asked.l1, asked.l2),
        estimator._tolerance(),
        estimator.shuffle,
        constant,
        search if loss.smooth else None,
    )
    return asked.plan(
        objective, ascent, rows.order.size, solver="batch", constant=constant
    )


def constant_theta(estimator, objective, rows):
    """Parameters of the best constant; zero without an intercept."""
    model = objective.model
    theta = np.zeros(model.size, model.dtype)
    if estimator.fit_intercept:
        theta[model.n_weights :] = best_constants(objective, rows)
    return theta if objective.prox is None else objective.inside(theta)
