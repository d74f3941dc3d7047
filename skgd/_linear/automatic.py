"""``lr="auto"`` for linear models: which method, which step, which mean.

Chooses; the methods themselves are update rules in ``optimizers.py`` and full-batch
descents in ``_training/full_gradient.py``, the coordinates come from ``step_size.py``.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import clone

from skgd._input.columns import has_unusable_columns
from skgd._linear.evidence import Evidence
from skgd._linear.step_size import mean_row_norm, smoothness
from skgd._training.full_gradient import AcceleratedDescent
from skgd._training.hybrid import HybridDescent
from skgd._training.secant import (
    KINK_PAIRS,
    PAIRS,
    PROXIMAL_KINK_PAIRS,
    PROXIMAL_PAIRS,
    SecantDescent,
)
from skgd._training.state import Averaging
from skgd.losses import AbsoluteError, Hinge, Huber, Quantile
from skgd.optimizers import GD, DoWG, Nesterov, RAdam

# Gradients of few rows are taken at z + 0.8 (x - z), between the moving point z and its
# mean x. On 21 raw tables 0.7 to 0.9 do about as well, 0 and 0.98 clearly worse.
INTERPOLATION = 0.8

# Steps of constant length end in noise, which the mean of the points does away with;
# the weight t^8 of the t-th forgets the way there (Shamir and Zhang, 2013; the value is
# that of Ivgi, Hinder and Carmon, 2023). It leaves a fourth to a twentieth of the gap.
LATE_WEIGHT = 8.0

# The longest step of DoWG in units of the one that corrects an average row exactly. The
# curvature of a loss without a bound is known at the best constant only.
TURNS = 2.0
TURNS_WITHOUT_CURVATURE = 0.5

# The same for single rows of a stream, each of which is met once: a step that puts an
# average row right, and no more. With 2 the first answers are too sure of themselves.
TURNS_OF_SINGLE_ROWS = 1.0

# Deviations so many times the median distance are those of outliers.
OUTLYING = 10.0

# Constant steps for losses without a bound of the curvature, per unit of spread.
STEP_WITHOUT_CURVATURE = 0.1


# Rules that search for their step where all rows make one update.
SEARCHING = (GD, Nesterov)

# Piecewise linear losses with one kink, at z = y, whose implicit step is a formula.
ONE_KINK = (Hinge, AbsoluteError, Quantile)

# Length of the implicit steps of a stream, per unit of spread.
IMPLICIT_STEP = 0.5

# Up to so many rows a search along full gradients is as quick, and does not care in
# which pieces the weight of a row comes.
FEW_ROWS = 64

# Rows that are looked at, evenly spaced, for columns that rule the squares of the rows.
LOOKED_AT = 1000

# One column with this share of the squares of the rows leaves implicit steps of single
# rows nothing for the others; it wants centring or a scale.
RULING_COLUMN = 0.9


class Choice(NamedTuple):
    """What ``lr="auto"`` means in a run.

    Attributes
    ----------
    optimizer : Optimizer or FullGradientDescent
    lr : float
    averaging : Averaging
    last_step : float or None
        Length of a proximal step down the full gradient, to be taken at the end.
    guarded : bool
        Whether epochs that raise the objective of all rows are to be taken back.
    """

    optimizer: object
    lr: float
    averaging: Averaging
    last_step: float | None = None
    guarded: bool = False


class Situation(NamedTuple):
    """What a method is chosen for.

    Attributes
    ----------
    objective : Objective
        In centred and scaled coordinates.
    rows : Rows
    moments : Moments
        Of the rows.
    batch_size : int
    spread : float
        Standard deviation of the targets, 1 for classes.
    curvature : float
        Of the loss, as a bound or a scale.
    streaming : bool
        Whether there are more rows to come.
    """

    objective: object
    rows: object
    moments: object
    batch_size: int
    spread: float
    curvature: float
    streaming: bool = False

    @property
    def is_noisy(self):
        """Whether gradients are those of few of the rows."""
        return self.streaming or self.batch_size < self.rows.order.size

    def longest_step(self, n_rows, times=1.0):
        """One over so many times the curvature of the mean over as many rows."""
        curvature = smoothness(
            self.objective, self.rows, self.moments, n_rows, self.curvature
        )
        return _inverse(times * curvature)


class Search(NamedTuple):
    """What a search along full gradients needs to know besides.

    Attributes
    ----------
    tol : float or None
        Share of what the best constant leaves that may be missing at the end.
    constant : array of shape (n_parameters,), or None
        The best constant.
    first_updates : int or None
        Rows of the updates of two epochs before the search.
    shuffle : bool
        Whether these epochs shuffle the rows.
    """

    tol: float | None
    constant: object
    first_updates: int | None = None
    shuffle: bool = True


def choose(situation, optimizer, average, search=None):
    """The method for an optimizer the user named.

    Parameters
    ----------
    situation : Situation
    optimizer : Optimizer
    average : bool or int
        What the user asked for.
    search : Search, optional
        Where the full gradient is at hand and nothing else (a schedule, clipping,
        averaging) claims the step.

    Returns
    -------
    Choice

    Notes
    -----
    - ``gd`` with the full gradient: secant directions with a line search; under an l1
      penalty to the minimum of the secant model with the penalty inside. Kinks of a
      loss are rounded off, less and less. Penalties that are no elastic net, and a
      smooth loss: acceleration, as `nesterov`; with another loss, the next line but
      one.
    - ``nesterov`` with the full gradient: acceleration with restart and backtracking.
    - ``gd`` otherwise, and ``dowg``: DoWG, which needs no constant and forgives rare
      large rows, with gradients between the moving point and its mean. Where the
      curvature is bounded, no step is longer than 2/(c |z|^2), the one that turns the
      error of an average row around, times the rows of a batch.
    - ``momentum`` and ``nesterov`` otherwise: (1 - momentum)/L, L the expected
      smoothness for the batch size.
    - ``saga``: 1/(3 L), and no mean, because its noise vanishes by itself.
    - other rules: their documented constant, in units of the targets' spread.
    - Gradients of few rows leave noise: the answer of the last two is a mean of the
      points in which late ones weigh most.
    """
    if search is not None:
        choice = _searching(situation, optimizer, search)
        if choice is not None:
            return choice
    if type(optimizer) in (GD, DoWG):
        return without_search(situation, optimizer, average)
    mean = Averaging(start=int(average))
    if optimizer.keeps_derivatives:
        return _keeping_derivatives(situation, optimizer, mean)
    if situation.is_noisy and not average and not optimizer.proximal:
        mean = Averaging(start=1, power=LATE_WEIGHT)
    return _constant_step(situation, optimizer, mean)


def _searching(situation, optimizer, search):
    """A descent along full gradients; None where there is none for this problem."""
    objective = situation.objective
    # No quadratic lies above a loss where it has a kink, so that acceleration would
    # stop there; a proximal step leaves the secant method no choice.
    stops = objective.prox is not None and not objective.loss.smooth
    if stops or objective.loss.trivial_minimum:
        return None
    first_step = 1.0 / situation.curvature
    answer = Averaging(start=1)
    if type(optimizer) is GD and objective.prox is None:
        asked = secant_descent(situation, search, first_step)
        if search.first_updates is None:
            return Choice(SecantDescent(**asked), first_step, answer)
        first = situation._replace(batch_size=search.first_updates, streaming=False)
        updates = without_search(first, optimizer, average=1)
        descent = HybridDescent(
            updates.optimizer,
            updates.averaging,
            search.first_updates,
            search.shuffle,
            updates.guarded,
            **asked,
        )
        return Choice(descent, first_step, answer)
    if type(optimizer) in SEARCHING:
        return Choice(AcceleratedDescent(first_step), first_step, answer)
    return None


def _keeping_derivatives(situation, optimizer, mean):
    """SAGA at the longest step for which it is known to converge."""
    loss = situation.objective.loss
    if loss.curvature is None:
        raise ValueError(
            "optimizer='saga' with lr='auto' needs a loss whose curvature is "
            f"bounded; {type(loss).__name__} has none. Pass lr as a float, or use "
            "optimizer='gd'."
        )
    step = situation.longest_step(situation.batch_size, times=3.0)
    return Choice(optimizer, step, mean)


def _constant_step(situation, optimizer, mean):
    """The other rules, at a step that stays as it is."""
    spread = situation.spread
    if type(optimizer) is RAdam:
        # Its first steps grow with the gradient, which has units.
        optimizer = clone(optimizer).set_params(degenerated_to_sgd=False)
    if optimizer.auto_lr is not None:
        if optimizer.weight_decay:
            # Decay is relative already: only the steps are in units of the targets.
            decay = optimizer.weight_decay / spread
            optimizer = clone(optimizer).set_params(weight_decay=decay)
        return Choice(optimizer, optimizer.auto_lr * spread, mean)
    share = 1.0 - getattr(optimizer, "momentum", 0.0)
    if situation.objective.loss.curvature is None:
        return Choice(optimizer, share * STEP_WITHOUT_CURVATURE * spread, mean)
    step = situation.longest_step(situation.batch_size)
    return Choice(optimizer, share * step, mean)


def _inverse(curvature):
    """One over the curvature; 1 where nothing is curved, so that no step matters."""
    return 1.0 / curvature if curvature > 0.0 else 1.0


def without_search(situation, optimizer, average):
    """DoWG and the mean it is taken at, for ``gd`` and ``dowg``."""
    objective, n_rows = situation.objective, situation.rows.order.size
    loss, batch_size = objective.loss, situation.batch_size
    mean = Averaging(start=max(int(average), 1), interpolation=INTERPOLATION)
    last_step, guarded = None, False
    if objective.has_kinks and batch_size < n_rows:
        # A mean of points has no exact zeros, and one step from it has.
        last_step = situation.longest_step(n_rows)
    if type(optimizer) is GD:
        longest = math.inf
        if situation.is_noisy and loss.smooth:
            guarded = loss.curvature is None and not objective.softmax
            row_norm = mean_row_norm(situation.moments, objective.model)
            turns = TURNS_WITHOUT_CURVATURE if guarded else TURNS
            curvature = situation.curvature
            if situation.streaming:
                curvature = _curvature_of_spread(loss, curvature, situation.spread)
                if batch_size == 1:
                    turns = min(turns, TURNS_OF_SINGLE_ROWS)
            longest = turns * batch_size * _inverse(curvature * row_norm)
        optimizer = DoWG(longest=longest)
    distance = optimizer.initial_distance * situation.spread
    optimizer = clone(optimizer).set_params(initial_distance=distance)
    return Choice(optimizer, 1.0, mean, last_step, guarded)


def _curvature_of_spread(loss, curvature, spread):
    """Curvature of a loss on the scale of the targets, where it has another there.

    A step that the bound allows is short of the targets for a loss whose slope is soon
    as large as it gets, in whatever units they are.
    """
    if isinstance(loss, Huber):
        return curvature * min(1.0, loss.epsilon / spread)
    return curvature


def secant_descent(situation, search, first_step):
    """What the search along full gradients needs to know of the rows."""
    objective, constant = situation.objective, search.constant
    loss, model = objective.loss, objective.model
    kinked = loss.residual_slopes() is not None
    pairs = KINK_PAIRS if kinked else PAIRS
    if objective.l1.size:
        pairs = PROXIMAL_KINK_PAIRS if kinked else PROXIMAL_PAIRS
    widths = kink_widths(objective, situation.rows, constant) if kinked else None
    return {
        "first_step": first_step,
        "pairs": pairs,
        "n_searches": 1 if objective.softmax else model.n_outputs,
        "widths": widths,
        "tol": search.tol,
        "constant": constant,
        "evidence": Evidence(),
    }


def kink_widths(objective, rows, constant):
    """Distance over which each output's kink is rounded off at first.

    The median distance of the targets from the best constant, which outliers do not
    move as they do the standard deviation; 1 for margins, which have no units.
    """
    model, loss = objective.model, objective.loss
    targets, weights = rows.visited()
    if not loss.identity_link or "classification" in loss.tasks:
        return np.ones(model.n_outputs)
    constants = np.zeros(model.n_outputs)
    if constant is not None:
        constants = constant[model.n_weights :].astype(np.float64)
    widths = np.ones(model.n_outputs)
    for k in range(model.n_outputs):
        away = np.abs(targets[:, k] - constants[k])
        apart = away > 0
        if apart.any():
            widths[k] = AbsoluteError().best_constant(away[apart], weights[apart])
    return widths


def spread_of_most(loss, rows, spread):
    """The spread of the targets that outliers do not rule, where they rule `spread`.

    For losses of bounded slope, which outliers do not rule either.
    """
    bounded = loss.residual_slopes() is not None or isinstance(loss, Huber)
    if not bounded or not loss.identity_link or "classification" in loss.tasks:
        return spread
    targets, weights = rows.visited()
    middle = [AbsoluteError().best_constant(y, weights) for y in targets.T]
    away = np.abs(targets - middle)
    typical = [AbsoluteError().best_constant(y, weights) for y in away.T]
    typical = float(np.sqrt(np.mean(np.square(typical))))
    return typical if 0.0 < OUTLYING * typical < spread else spread


def dual_kind(loss, softmax):
    """How dual ascent finds the dual numbers of a row; None where it cannot.

    Parameters
    ----------
    loss : Loss
    softmax : bool

    Returns
    -------
    {'smooth', 'kink', 'softmax'} or None
    """
    if softmax:
        return "softmax"
    if loss.smooth and loss.curvature is not None:
        return "smooth"
    return "kink" if type(loss) in ONE_KINK else None


def dual_ascent_pays(rows, loss, softmax):
    """Whether rows are fitted best by implicit steps of single rows with duals.

    They are if they are sparse, and of a loss that such a step can take
    exactly; one column that rules the rows speaks against it, where there is a search
    to turn to, and so does one that cannot be computed with, which a search leaves out.

    Parameters
    ----------
    rows : Rows
    loss : Loss
    softmax : bool

    Returns
    -------
    bool
    """
    if rows.order.size <= FEW_ROWS:
        return False
    kind = dual_kind(loss, softmax)
    if not sparse.issparse(rows.X) or kind is None:
        return False
    if has_unusable_columns(rows):
        return False
    return kind == "kink" or not _one_column_rules(rows)


def _one_column_rules(rows):
    step = -(-rows.order.size // LOOKED_AT)
    X = rows.X[rows.order[::step]]
    squares = np.square(X.data, dtype=np.float64)
    total = squares.sum()
    if not total:
        return False
    _, column = np.unique(X.indices, return_inverse=True)
    return np.bincount(column, squares).max() > RULING_COLUMN * total


def scores_have_units(task, loss):
    """Whether scores are in the units of the targets, not logarithms nor margins."""
    return task.classes is None and loss.identity_link


def target_spread(task, loss, targets, rows=None):
    """Standard deviation of real targets, by which scores vary.

    Parameters
    ----------
    task : a task of ``skgd._input.targets``
    loss : Loss
    targets : Moments
    rows : Rows, optional
        Where outliers are not to rule it, the rows that the targets are of.

    Returns
    -------
    float
        1 for classes and log links, whose scores have no units.
    """
    if not scores_have_units(task, loss):
        return 1.0
    spread = float(np.sqrt(targets.variance.mean())) or 1.0
    return spread if rows is None else spread_of_most(loss, rows, spread)
