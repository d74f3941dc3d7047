"""All candidates of all folds, fitted to rows in memory in common passes."""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from skgd._estimator.causes import warn_of_unusable
from skgd._input.columns import usable_moments
from skgd._input.moments import Seen
from skgd._input.warnings import warn_user
from skgd._linear.automatic import target_spread
from skgd._linear.evidence import second_moments
from skgd._linear.model import LinearModel
from skgd._linear.step_size import centred_coordinates, centring_pays, loss_curvature
from skgd._selection.coordinates import CORRELATED
from skgd._selection.descent import descend, one_pass
from skgd._selection.panel import Panel, Problem
from skgd._selection.quadratic import (
    QuadraticPanel,
    folds_as_groups,
    sums_of,
    sums_pay,
)
from skgd._selection.table import Table
from skgd._selection.waves import between, waves
from skgd._training.objective import Objective, best_constants
from skgd._training.threads import OneBlasThread
from skgd.losses import SquaredError

# From so many rows on, searches begin on one row of SAMPLED, if these are so many times
# the parameters, and end there when no more than a share of SAMPLE_TOL is missing.
LARGE_TABLE, SAMPLED, ROWS_EACH = 32_768, 16, 20
SAMPLE_TOL = 1e-3

# Where the first candidates took no more passes than these, all others follow at once.
FEW_PASSES = 16

# With so many rows for each parameter no model can fit them perfectly, which would make
# the objective curved in quite other directions than the columns vary in.
ALIKE = 50


@dataclass(frozen=True)
class Candidates:
    """Strengths of penalties to choose from.

    Attributes
    ----------
    l1, l2 : float64 arrays of shape (n_candidates,)
    """

    l1: np.ndarray
    l2: np.ndarray

    def __len__(self):
        return len(self.l2)

    def kinds(self):
        """Numbers of those with an l1 part, and of those without."""
        has_l1 = self.l1 > 0.0
        kinds = [np.flatnonzero(has_l1), np.flatnonzero(~has_l1)]
        return [kind for kind in kinds if kind.size]


@dataclass(frozen=True)
class Fitted:
    """What came of all candidates of all folds.

    Attributes
    ----------
    coef : float64 array of shape (n_folds, n_candidates, n_outputs, n_features)
        Coefficients of the features as given.
    intercept : float64 array of shape (n_folds, n_candidates, n_outputs)
    finished : bool array of shape (n_folds, n_candidates)
        Whether the search came to its end within the passes allowed.
    n_passes : int
        How often the rows were read.
    """

    coef: np.ndarray
    intercept: np.ndarray
    finished: np.ndarray
    n_passes: int

    def warn_of_unfinished(self, max_iter, tol, models):
        """Tell the user how many searches the passes were too few for.

        Parameters
        ----------
        max_iter : int
        tol : float
        models : str
            What they searched for, in the plural.
        """
        left = int((~self.finished).sum())
        if left:
            warn_user(
                f"Stopped at max_iter={max_iter} passes, before {left} of "
                f"{self.finished.size} {models} came as close to their minimum as "
                f"tol={tol} asks. Standardise the columns, raise max_iter, or leave "
                "out the smallest alphas.",
                ConvergenceWarning,
            )


def problem_of(estimator, task, loss, rows):
    """The common problem of all folds of a table."""
    softmax = task.n_outputs > 1 and loss.softmax
    seen = Seen.after(rows, None)
    moments, *unusable = usable_moments(seen.features, rows, rows.X.dtype)
    warn_of_unusable(estimator, *unusable)
    centre = estimator.fit_intercept and centring_pays(rows.X, len(rows))
    mean, scale = centred_coordinates(moments, 0.0, centre)
    model = LinearModel(
        rows.X.shape[1],
        task.n_outputs,
        rows.X.dtype,
        estimator.fit_intercept,
        mean,
        scale,
        moments,
    )
    spread = target_spread(task, loss, seen.targets)
    curvature = loss_curvature(loss, softmax, rows, spread)
    correlations = None
    size = (model.n_features + 1) * (model.n_outputs if softmax else 1)
    alike = type(loss) is SquaredError or len(rows) >= ALIKE * size
    if model.n_features <= CORRELATED and alike:
        correlations = second_moments(model, rows)
    folds = sparse.issparse(rows.X)
    return Problem(model, loss, softmax, curvature, estimator.tol, correlations, folds)


def constant_of(problem, rows, weights):
    """The best constant scores of the rows under these weights."""
    model = problem.model
    if not model.fit_intercept:
        return np.zeros(model.n_outputs)
    order = np.flatnonzero(weights)
    chosen = replace(rows, weights=weights, order=order, as_they_came=False)
    nothing = np.empty(0)
    objective = Objective(model, problem.loss, problem.softmax, nothing, nothing)
    return best_constants(objective, chosen)


def steepness(problem, rows, weights):
    """What a grid of strengths goes by: see ``alpha_grid``.

    Returns
    -------
    steepest, size : float
    """
    model, order = problem.model, rows.order
    constant = constant_of(problem, rows, weights)
    none = np.zeros(1)
    panel = Panel(problem, none, none, weights[order], constant, 1)
    table = Table(rows.X, problem.coded(rows.targets), model, order)
    with OneBlasThread():
        one_pass([panel], table)
    slopes = panel.gradients().reshape(-1, model.n_features + 1, problem.width)[:, :-1]
    scale = np.ones(model.n_features) if model.scale is None else model.scale
    live = scale > 0.0
    if not live.any():
        return 0.0, 0.0
    scale = scale[live].astype(np.float64)
    steepest = np.abs(slopes[:, live] / scale[:, None]).max()
    typical = np.exp(-2.0 * np.log(scale).mean())
    return float(steepest), float(problem.curvature * live.sum() * typical)


def fit_together(problem, rows, folds, candidates, max_iter, n_jobs=1):
    """Fit all candidates to the rows of all folds.

    Parameters
    ----------
    problem : Problem
    rows : Rows
    folds : list of float64 arrays of shape (n_rows,)
        Weights of the rows in each; zero for those held out.
    candidates : Candidates
    max_iter : int
        Passes at most.
    n_jobs : int
        Threads.

    Returns
    -------
    Fitted
    """
    model, order = problem.model, rows.order
    n_searches = len(folds) * len(candidates) * problem.n_searches_each
    table = Table(rows.X, problem.coded(rows.targets), model, order)
    weights_of = [np.ascontiguousarray(weights[order]) for weights in folds]
    constants = [constant_of(problem, rows, weights) for weights in folds]
    places = [(k, kind) for k in range(len(folds)) for kind in candidates.kinds()]

    def panel(place, *others, cls=Panel, **optional):
        fold, chosen = place
        l1, l2 = candidates.l1[chosen], candidates.l2[chosen]
        weights, constant = weights_of[fold], constants[fold]
        return cls(problem, l1, l2, weights, constant, n_searches, *others, **optional)

    if sums_pay(problem, len(rows)):
        groups, members = folds_as_groups(folds, order)
        with OneBlasThread():
            shifts = [w @ table.targets / w.sum() for w in groups]
            sums = sums_of(groups, shifts, table, model)
        panels = [
            panel((k, kind), [sums[group] for group in members[k]], cls=QuadraticPanel)
            for k, kind in places
        ]
        descend(panels, (), max_iter, n_jobs)
        n_passes = 1
    elif len(table.order) < LARGE_TABLE:
        copies = [{} if table.pays_copies(len(folds)) else None for _ in folds]

        def copying(place, start):
            return panel(place, start=start, copies=copies[place[0]])

        panels, places, n_passes = _in_waves(
            copying, places, candidates, table, max_iter, n_jobs
        )
    else:
        panels = [panel(place) for place in places]
        n_passes = _descend_rows(panels, table, rows, max_iter, n_jobs)
    return collected(panels, places, len(folds), len(candidates), model, n_passes)


def _in_waves(panel, places, candidates, table, max_iter, n_jobs):
    """Passes over the rows of a table, for some candidates after others.

    Returns
    -------
    panels : list of Panel
    places : list of (int, int64 array)
        The fold of each, and its candidates.
    n_passes : int
    """
    n_products = table.n_numbers * table.model.n_outputs
    orders = [
        waves(candidates.l1[kind], candidates.l2[kind], n_products)
        for _, kind in places
    ]
    earlier = [[] for _ in places]
    panels, found, n_passes = [], [], 0
    while any(orders):
        begun = []
        for (fold, kind), order, own in zip(places, orders, earlier, strict=True):
            if order:
                chosen = kind[order.pop(0)]
                start = between(own, candidates.l2[chosen]) if own else None
                own.append(panel((fold, chosen), start))
                if start is not None:
                    own[-1].measure_constant(table.targets)
                begun.append(own[-1])
                found.append((fold, chosen))
        n_passes += descend(begun, table, max_iter - n_passes, n_jobs)
        panels += begun
        if n_passes <= FEW_PASSES:
            # A nearer start would save little.
            orders = [
                [np.sort(np.concatenate(order))] if order else [] for order in orders
            ]
    return panels, found, n_passes


def _descend_rows(panels, table, rows, max_iter, n_jobs):
    """Passes over the rows of a large table, after some over a sample of it.

    The sample brings the searches near their minima, and knows how the objectives are
    curved there, at a fraction of the passes.
    """
    problem = panels[0].problem
    chosen = np.arange(0, len(table.order), SAMPLED)
    spent = 0.0
    samples = [np.ascontiguousarray(panel.weights[chosen]) for panel in panels]
    if sample_pays(problem, samples):
        targets = problem.coded(rows.targets)
        sample = Table(rows.X, targets, problem.model, table.order[chosen])
        for panel in panels:
            panel.measure_constant(table.targets)
        losses = [panel.searches.constant_value for panel in panels]
        spent = descend_sample(panels, sample, samples, losses, max_iter, n_jobs)
    return math.ceil(spent / SAMPLED + descend(panels, table, max_iter, n_jobs))


def sample_pays(problem, samples):
    """Whether searches begin on a sample, given the weights of its rows in each fold.

    Not to the last digits, and not where it says little.
    """
    size = (problem.model.n_features + 1) * problem.width
    return problem.tol is not None and all(
        np.count_nonzero(weights) >= ROWS_EACH * size for weights in samples
    )


def descend_sample(panels, blocks, samples, losses, max_iter, n_jobs=1):
    """Passes over a sample, before those over all rows.

    Parameters
    ----------
    panels : list of Panel
    blocks : iterable
        Of the sample.
    samples : list of float64 arrays
        Weights of its rows in each panel.
    losses : list of float64 arrays
        Mean losses of the best constant of each panel over all its rows.
    max_iter, n_jobs : int

    Returns
    -------
    n_passes : int
    """
    tol = panels[0].problem.tol
    whole = [panel.weights for panel in panels]
    for panel, weights in zip(panels, samples, strict=True):
        panel.weights = weights
        panel.searches.tol = max(tol, SAMPLE_TOL)
    n_passes = descend(panels, blocks, max_iter, n_jobs)
    for panel, weights, values in zip(panels, whole, losses, strict=True):
        panel.weights = weights
        panel.searches.change_objective(tol, values)
    return n_passes


def collected(panels, places, n_folds, n_candidates, model, n_passes):
    """The answers of all panels in one table."""
    shape = n_folds, n_candidates
    coef = np.zeros((*shape, model.n_outputs, model.n_features))
    intercept = np.zeros((*shape, model.n_outputs))
    finished = np.zeros(shape, dtype=bool)
    for panel, (fold, kind) in zip(panels, places, strict=True):
        coef[fold, kind], intercept[fold, kind] = panel.parameters()
        finished[fold, kind] = panel.finished()
    return Fitted(coef, intercept, finished, n_passes)
