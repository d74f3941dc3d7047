"""All candidates of all folds, fitted to a stream of batches in common passes.

Which fold holds a row out is a matter of its number in the stream. What a first pass
measures, and how a stream is read, is shared with ``fit_batches`` of other estimators.
"""

import math
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from skgd._input.rows import Rows
from skgd._kernels.shards import SHARD
from skgd._selection.descent import descend
from skgd._selection.lockstep import (
    Fitted,
    collected,
    constant_of,
    descend_sample,
    problem_of,
    sample_pays,
    steepness,
)
from skgd._selection.panel import Panel, Problem
from skgd._selection.quadratic import QuadraticPanel, sums_of, sums_pay
from skgd._selection.scores import LossSums
from skgd._selection.table import Table, block_of
from skgd._stream.blocks import Stream, block_rows
from skgd._stream.fit_batches import Reader, first_batch, stream_task
from skgd._stream.survey import (
    SAMPLE_TARGETS,
    Survey,
    Surveyed,
    sample_rows,
    scaled,
)
from skgd._training.threads import OneBlasThread

# Multiples of it spread evenly over the unit interval, without a pattern.
GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


def fold_of(numbers, n_folds):
    """Which fold holds out the rows of these numbers.

    Evenly spread over a stream, so that a sorted one has all its parts in all folds,
    and no pattern of the rows falls in with that of the folds.
    """
    return np.minimum((numbers * GOLDEN % 1.0 * n_folds).astype(np.int64), n_folds - 1)


@dataclass(frozen=True)
class Weighted:
    """Rows of a block: their weights, and the fold that holds each out."""

    weights: np.ndarray
    fold: np.ndarray


@dataclass(frozen=True)
class Without:
    """Weights of the rows that a fold is trained on."""

    held_out: int

    def __getitem__(self, rows):
        return np.where(rows.fold == self.held_out, 0.0, rows.weights)


@dataclass(frozen=True)
class Only:
    """Weights of the rows that a fold holds out."""

    held_out: int

    def __getitem__(self, rows):
        return np.where(rows.fold == self.held_out, rows.weights, 0.0)


@dataclass(frozen=True)
class StreamSearch:
    """A stream that was surveyed, ready to be searched.

    Attributes
    ----------
    problem : Problem
    task : a task of ``skgd._input.targets``
    stream : Stream
    rows : Surveyed
        A sample, and what is known of all rows.
    class_weight : dict or None
    n_folds : int
    """

    problem: Problem
    task: object
    stream: Stream
    rows: Surveyed
    n_folds: int

    def __iter__(self):
        """One pass: blocks, their targets, weights and folds."""
        number = 0
        with closing(self.stream.blocks()) as blocks:
            for rows in blocks:
                numbers = np.arange(number, number + len(rows))
                number += len(rows)
                yield (
                    block_of(rows.X, self.problem.model),
                    self.problem.coded(rows.targets),
                    Weighted(rows.weights, fold_of(numbers, self.n_folds)),
                )


def surveyed(estimator, source, classes, n_folds, n_ahead, checked_loss):
    """Read a stream once, and say what is to be fitted.

    Parameters
    ----------
    estimator : GDRegressor or GDClassifier
    source : Source
    classes : array-like or None
    n_folds : int
    n_ahead : int
        Blocks read ahead.
    checked_loss : callable(task) -> Loss

    Returns
    -------
    StreamSearch
    """
    source.require_again("all strengths and folds are fitted in several passes")
    X, y, _ = first_batch(estimator, source, reset=True)
    task, class_weight = stream_task(estimator, source, y, classes, False)
    loss = checked_loss(task)
    shape = X.shape[1], X.dtype.itemsize, hasattr(X, "indptr")
    read = Reader(estimator, task, loss, X.dtype, shape[-1], class_weight)
    stream = Stream(source, read, block_rows(SHARD, *shape), n_ahead)
    read.stream = stream
    survey = Survey(X.shape[1], task.n_targets)
    with closing(stream.blocks()) as blocks:
        for rows in blocks:
            survey.take(rows)
    rows = survey.all_rows()
    if len(rows) < n_folds:
        raise ValueError(
            f"cv={n_folds} folds of a stream of {len(rows)} rows: use fewer folds."
        )
    stream.read = lambda *batch: scaled(read(*batch), rows.mean_weight)
    problem = problem_of(estimator, task, loss, rows)
    return StreamSearch(problem, task, stream, rows, n_folds)


def _kept_numbers(n_rows, most):
    """Numbers of the rows that a survey keeps: see ``EverySo``."""
    stride = 1
    while -(-n_rows // stride) > most:
        stride *= 2
    return np.arange(0, n_rows, stride)


def grid_figures(search):
    """``steepness`` of a sample of the rows."""
    rows = search.rows
    plain = Rows.of(rows.X, rows.y, rows.targets, rows.weights)
    weights = np.broadcast_to(rows.weights, (len(plain),)).astype(np.float64)
    return steepness(search.problem, plain, weights)


def fit_stream(search, candidates, max_iter):
    """Fit all candidates in all folds, and judge them by the rows held out.

    Parameters
    ----------
    search : StreamSearch
    candidates : Candidates
    max_iter : int

    Returns
    -------
    fitted : Fitted
        With all passes counted.
    scores : float64 array of shape (n_folds, n_candidates)
        Minus the mean loss of the rows held out.
    """
    problem, rows, n_folds = search.problem, search.rows, search.n_folds
    model, folds = problem.model, range(n_folds)
    column = rows.column
    targets = column.targets
    fold = fold_of(_kept_numbers(len(rows), SAMPLE_TARGETS), n_folds)
    known = Weighted(np.broadcast_to(column.weights, fold.shape), fold)
    trained = [Without(k)[known] for k in folds]
    _check_folds(search, trained, [Only(k)[known] for k in folds])
    constants = [constant_of(problem, column, weights) for weights in trained]

    sums = None
    n_passes = 2  # the survey, and the scores
    if sums_pay(problem, len(rows)):
        coded = problem.coded(targets)
        shifts = [np.average(coded, 0, Only(k)[known]) for k in folds]
        with OneBlasThread():
            sums = sums_of([Only(k) for k in folds], shifts, search, model)
        n_passes += 1
    n_searches = n_folds * len(candidates) * problem.n_searches_each
    panels, places = [], []
    for k in folds:
        for kind in candidates.kinds():
            asked = (
                problem,
                candidates.l1[kind],
                candidates.l2[kind],
                Without(k),
                constants[k],
                n_searches,
            )
            if sums is None:
                panels.append(Panel(*asked))
            else:
                others = [sums[other] for other in folds if other != k]
                panels.append(QuadraticPanel(*asked, others))
            places.append((k, kind))
    if sums is not None:
        descend(panels, (), max_iter)
    else:
        _start_on_sample(search, panels, places, trained, max_iter)
        n_passes += descend(panels, search, max_iter)
    found = collected(panels, places, n_folds, len(candidates), model, n_passes)
    return found, _held_out_losses(search, found)


def _check_folds(search, trained, held_out):
    """ValueError for a fold without rows or without a class, by its number."""
    task, rows = search.task, search.rows.column
    for k, (weights, own) in enumerate(zip(trained, held_out, strict=True)):
        if not (weights.any() and own.any()):
            raise ValueError(f"Fold {k} of cv has no rows to train on or be judged by.")
        if task.classes is None:
            continue
        present = np.unique(task.labels(rows.targets[weights > 0.0]))
        missing = np.setdiff1d(task.classes, present)
        if missing.size:
            raise ValueError(
                f"Fold {k} of cv is trained on {present.size} of the "
                f"{len(task.classes)} classes: class {missing[0].item()!r} is missing. "
                "Use fewer folds, or drop classes with few rows."
            )


def _start_on_sample(search, panels, places, trained, max_iter):
    """The first steps, on the rows that the survey kept."""
    problem, rows = search.problem, search.rows
    numbers = _kept_numbers(len(rows), sample_rows(problem.model.n_features))
    fold = fold_of(numbers, search.n_folds)
    kept = Weighted(np.broadcast_to(rows.weights, fold.shape), fold)
    samples = [np.ascontiguousarray(Without(k)[kept]) for k, _ in places]
    if not sample_pays(problem, samples):
        return
    blocks = Table(rows.X, problem.coded(rows.targets), problem.model, rows.order)
    targets = problem.coded(rows.column.targets)
    losses = [
        panel.constant_losses(targets, trained[k])
        for panel, (k, _) in zip(panels, places, strict=True)
    ]
    descend_sample(panels, blocks, samples, losses, max_iter)


def _held_out_losses(search, found: Fitted):
    sums = [
        LossSums(search.problem, coef, intercept)
        for coef, intercept in zip(found.coef, found.intercept, strict=True)
    ]
    with OneBlasThread():
        for block, targets, rows in search:
            for k, of_fold in enumerate(sums):
                of_fold.add(block, targets, Only(k)[rows])
    return np.array([-of_fold.means() for of_fold in sums])
