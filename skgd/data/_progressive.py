"""Test, then train: the score of models on rows that they have not seen yet.

Works with any estimator that has ``partial_fit``. How a score is made of answers that
were given earlier is the matter of ``_answers.py``.
"""

import inspect
from collections import deque
from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.pipeline import _name_estimators
from sklearn.utils import Bunch
from sklearn.utils.validation import _is_fitted, _num_samples

from skgd._input.warnings import warn_user
from skgd._stream.containers import rows_of, stacked
from skgd._stream.source import Source
from skgd._stream.tables import frame_of
from skgd.data._answers import Batch, Witness, together
from skgd.data._arrays import BATCH_ROWS, check_batch_size


def progressive_score(
    estimator: Any,
    batches: Any,
    *,
    scoring: Any = None,
    classes: ArrayLike | None = None,
    target: str | None = None,
    batch_size: int | None = None,
    report_rows: int = 100,
    window: int | None = None,
    half_life: float | None = None,
) -> Bunch:
    """Score each batch before learning from it.

    Every row is used for both, and no row is scored by a model that has seen it, so the
    mean is an honest estimate for a stream that drifts, too (Dawid, 1984).

    Parameters
    ----------
    estimator : estimator with ``partial_fit``, or list or dict of them
        Trained in place. One that is not fitted yet starts with the first batch, which
        is then not scored. Several estimators see the same batches, side by side: a
        dict names them, in a list they are named by their types.
    batches : iterable or callable
        Yields ``(X, y)`` or ``(X, y, sample_weight)``, as in ``fit_batches``; or single
        rows.
    scoring : str, callable, list of str or dict, default=None
        A scorer of scikit-learn or one like it, or several: names, or a dict of names
        to scorers. None is the estimator's ``score``.
    classes : array-like of shape (n_classes,), default=None
        All labels, for the first batch of a classifier.
    target : str, default=None
        The column that holds y, for a stream of tables.
    batch_size : int, default=None
        Rows learnt from at a time. By default the batches as they come.
    report_rows : int, default=100
        Rows of an entry of the result, at least: the rows of smaller batches are scored
        together, each by what was said of it before it was learnt from. So R^2 and the
        area under a curve, which one row does not have, can be had of a stream of
        single rows.
    window : int, default=None
        Let the running score be that of the last `window` rows, scored together.
    half_life : float, default=None
        Let the running score be a mean in which a score counts half after so many rows
        (a fading mean; Gama, Sebastião and Rodrigues, 2013). It follows drift as a
        window does, without an edge.

    Returns
    -------
    Bunch
        With arrays of one entry per `report_rows` rows or more, ready for a table:
        `rows`, the number of rows before and in it; `score`, the score of its rows;
        `running_score`, the mean over the rows scored so far, or what `window` or
        `half_life` makes of it. And the float `mean_score`, the mean over all rows
        scored, NaN if there is none. With several scorers, `score`, `running_score` and
        `mean_score` are dicts by the name of the scorer. With several estimators, a
        Bunch of these by the name of the estimator.

    Warns
    -----
    UndefinedMetricWarning
        If no row could be scored, because the stream has one batch, or if a scorer has
        no answer for some rows, such as the area under a curve for rows of one class;
        such entries are NaN and are left out of the means.

    Notes
    -----
    The mean weighs entries by their rows. It is the score of all rows for means over
    rows, as accuracy, and not for others, as R^2. A ``score`` of an estimator that is
    neither accuracy nor R^2 is taken batch by batch.

    References
    ----------
    A. P. Dawid, "Statistical theory: the prequential approach" (1984). J. Gama,
    R. Sebastião, P. P. Rodrigues, "On evaluating stream learning algorithms" (2013).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skgd import GDClassifier
    >>> from skgd.data import from_arrays, progressive_score
    >>> X, y = load_digits(return_X_y=True)
    >>> batches = from_arrays(X, y, batch_size=100)
    >>> model = GDClassifier(lr=0.01, batch_size=10)
    >>> result = progressive_score(model, batches, classes=range(10))
    >>> result.rows[:3].tolist(), round(result.mean_score, 1)
    ([200, 300, 400], 0.8)

    Two models, two scores, one row at a time:

    >>> result = progressive_score(
    ...     {"sgd": GDClassifier(lr=0.01, solver="sgd"), "auto": GDClassifier()},
    ...     from_arrays(X, y),
    ...     scoring=["accuracy", "neg_log_loss"],
    ...     classes=range(10),
    ...     batch_size=1,
    ... )
    >>> sorted(result), sorted(result.auto.mean_score)
    (['auto', 'sgd'], ['accuracy', 'neg_log_loss'])
    """
    check_batch_size(batch_size)
    _check_numbers(report_rows, window, half_life)
    named, alone = _named(estimator)
    runs = {
        name: _Run(one, scoring, classes, report_rows, window, half_life)
        for name, one in named.items()
    }
    for X, y, *weights in _cut(_opened(named, batches, target, batch_size), batch_size):
        for run in runs.values():
            run.test_then_train(X, y, weights[0] if weights else None)
    results = {
        name: run.result(several=_is_several(scoring)) for name, run in runs.items()
    }
    return results["estimator"] if alone else Bunch(**results)


def _check_numbers(report_rows, window, half_life):
    for name, value in (("report_rows", report_rows), ("window", window)):
        if value is not None and not (isinstance(value, Integral) and value > 0):
            raise ValueError(f"{name} must be a positive int, got {value!r}.")
    if half_life is not None and not (isinstance(half_life, Real) and half_life > 0):
        raise ValueError(f"half_life must be a positive number, got {half_life!r}.")
    if window is not None and half_life is not None:
        raise ValueError("Pass window or half_life, not both.")


def _is_several(scoring):
    return not (scoring is None or isinstance(scoring, str) or callable(scoring))


def _named(estimator):
    """Estimators by name, and whether it is one alone."""
    if isinstance(estimator, Mapping):
        return dict(estimator), False
    if isinstance(estimator, (list, tuple)):
        return dict(_name_estimators(estimator)), False
    return {"estimator": estimator}, True


def _opened(named, batches, target, batch_size):
    """The batches, Arrow tables as frames where there are transformers to see them."""
    steps = [
        step
        for one in named.values()
        for _, step in getattr(one, "steps", [])[:-1]
        if step is not None and step != "passthrough"
    ]
    source = Source(batches, target, frame_of(steps) if steps else None)
    return source.open(batch_size or BATCH_ROWS, n_single=batch_size or 1)


def _cut(batches: Any, size: int | None) -> Iterator[Any]:
    """Batches of exactly `size` rows, the last one smaller; as they come for None."""
    if size is None:
        yield from batches
        return
    held: list[Any] = []
    n_held = 0
    for parts in batches:
        parts = [p.tocsr() if sparse.issparse(p) else p for p in parts]
        n, start = _num_samples(parts[0]), 0
        while start < n:
            stop = min(n, start + size - n_held)
            held.append([rows_of(part, start, stop) for part in parts])
            n_held += stop - start
            start = stop
            if n_held == size:
                yield tuple(stacked(column) for column in zip(*held, strict=True))
                held, n_held = [], 0
    if held:
        yield tuple(stacked(column) for column in zip(*held, strict=True))


class _Run:
    """One estimator, its rows that wait to be scored, and its scores so far."""

    def __init__(self, estimator, scoring, classes, report_rows, window, half_life):
        self.estimator = estimator
        self.witness = Witness(estimator, scoring)
        self.classes = classes
        parameters = inspect.signature(estimator.partial_fit).parameters
        self.takes_classes = "classes" in parameters
        self.report_rows = report_rows
        self.window = window
        self.half_life = half_life
        self.is_fitted = _is_fitted(estimator)
        self.n_seen = self.n_waiting = self.n_recent = 0
        self.waiting: list[Batch] = []
        self.recent: deque[Batch] = deque()
        self.rows: list[int] = []
        self.sizes: list[int] = []
        names = list(self.witness.scorers)
        self.score: dict[str, list[float]] = {name: [] for name in names}
        self.windowed: dict[str, list[float]] = {name: [] for name in names}

    def test_then_train(self, X, y, weights):
        n = _num_samples(X)
        self.n_seen += n
        if self.is_fitted:
            batch = self.witness.hear(X, y, weights)
            self.waiting.append(batch)
            self.n_waiting += n
            if self.window is not None:
                self._remember(batch)
            if self.n_waiting >= self.report_rows:
                self._report()
        keywords = {} if weights is None else {"sample_weight": weights}
        if self.classes is not None and self.takes_classes:
            keywords["classes"] = self.classes
        self.estimator.partial_fit(X, y, **keywords)
        self.is_fitted = self.is_fitted or _is_fitted(self.estimator)

    def _remember(self, batch):
        """Keep the last `window` rows, no matter how they came."""
        self.recent.append(batch)
        self.n_recent += len(batch)
        while self.n_recent > self.window:
            first = self.recent.popleft()
            left = len(first) - (self.n_recent - self.window)
            self.n_recent -= len(first) - max(0, left)
            if left > 0:
                self.recent.appendleft(first.last(left))

    def _report(self):
        """Score the rows that wait, together."""
        scores = self.witness.scores(together(self.waiting))
        self.rows.append(self.n_seen)
        self.sizes.append(self.n_waiting)
        for name, score in scores.items():
            self.score[name].append(score)
        self.waiting, self.n_waiting = [], 0
        if self.window is not None:
            recent = together(list(self.recent))
            self.recent = deque([recent])
            for name, score in self.witness.scores(recent).items():
                self.windowed[name].append(score)

    def result(self, several):
        if self.waiting:
            self._report()
        self._warn()
        sizes = np.array(self.sizes, dtype=float)
        score = {name: np.array(values) for name, values in self.score.items()}
        mean = {name: _running_mean(values, sizes) for name, values in score.items()}
        if self.window is not None:
            running = {name: np.array(values) for name, values in self.windowed.items()}
        elif self.half_life is not None:
            running = {
                name: _running_mean(values, sizes, self.half_life)
                for name, values in score.items()
            }
        else:
            running = mean
        last = {
            name: float(values[-1]) if len(values) else float("nan")
            for name, values in mean.items()
        }
        parts = {"score": score, "running_score": running, "mean_score": last}
        if not several:
            parts = {key: value["score"] for key, value in parts.items()}
        return Bunch(rows=np.array(self.rows, dtype=int), **parts)

    def _warn(self):
        if not self.rows:
            what = "no rows"
            if self.n_seen:
                what = f"one batch, of {self.n_seen} rows"
            warn_user(
                f"Nothing was scored, so the mean score is NaN: the stream has {what}, "
                "and an estimator that is not fitted yet starts with the first batch. "
                "Pass batch_size, so that there are more, or an estimator that is "
                "fitted.",
                UndefinedMetricWarning,
            )
        for name, (n, text) in self.witness.failures.items():
            warn_user(
                f"Scorer {name!r} has no answer for the rows of {n} entries, which are "
                f"NaN: {text}",
                UndefinedMetricWarning,
            )


def _running_mean(scores, sizes, half_life=np.inf):
    """Mean over the rows so far; one of `half_life` rows ago counts half.

    Entries that are NaN are left out.
    """
    kept = np.where(np.isnan(scores), 0.0, 1.0)
    sums = counts = 0.0
    means = []
    for score, size, keep in zip(scores, sizes, kept, strict=True):
        fading = 0.5 ** (size / half_life)
        # The rows within an entry fade, too.
        n = size if np.isinf(half_life) else (1 - fading) / (1 - 0.5 ** (1 / half_life))
        sums = fading * sums + (n * score if keep else 0.0)
        counts = fading * counts + n * keep
        means.append(sums / counts if counts else np.nan)
    return np.array(means)
