"""What an estimator said about rows before it learnt from them, for any scorer.

A scorer asks an estimator about rows. Here the answers were given earlier, batch by
batch, so that one score can cover rows of many batches.
"""

import contextlib
import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, is_classifier, is_regressor
from sklearn.metrics import (
    brier_score_loss,
    check_scoring,
    d2_log_loss_score,
    log_loss,
    make_scorer,
)
from sklearn.utils.validation import _num_samples

from skgd._stream.containers import rows_of, stacked

# What a scorer may ask.
METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score",
)

# Scorers that have to be told the classes, since some rows may not have them all.
LABELLED = {
    "neg_log_loss": (log_loss, False),
    "neg_brier_score": (brier_score_loss, False),
    "d2_log_loss_score": (d2_log_loss_score, True),
}


class Batch:
    """Rows, and what was said about them.

    Attributes
    ----------
    X, y : array-like
    weights : array-like or None
    said : dict of str to array
        Answers by the name of the method.
    """

    def __init__(self, X: Any, y: Any, weights: Any, said: dict[str, Any]) -> None:
        self.X, self.y, self.weights, self.said = X, y, weights, said

    def __len__(self):
        return _num_samples(self.X)

    def last(self, n):
        """The last n rows."""
        start, stop = len(self) - n, len(self)
        cut = {name: rows_of(value, start, stop) for name, value in self.said.items()}
        weights = self.weights
        weights = None if weights is None else rows_of(weights, start, stop)
        return Batch(
            rows_of(self.X, start, stop), rows_of(self.y, start, stop), weights, cut
        )


def together(batches: list[Batch]) -> Batch:
    """The rows of several batches as one."""
    if len(batches) == 1:
        return batches[0]
    said = {
        name: stacked([batch.said[name] for batch in batches])
        for name in batches[0].said
    }
    weights = None
    if batches[0].weights is not None:
        weights = stacked([batch.weights for batch in batches])
    X = stacked([batch.X for batch in batches])
    return Batch(X, stacked([batch.y for batch in batches]), weights, said)


class Answers:
    """Stands in for an estimator, and repeats what it said about some rows.

    Parameters
    ----------
    estimator : estimator
        Asked for everything else: its tags, its classes.
    batch : Batch
    """

    def __init__(self, estimator: Any, batch: Batch) -> None:
        self._estimator = estimator
        self._batch = batch

    def __getattr__(self, name):
        value = getattr(self._estimator, name)
        if name not in METHODS:
            return value

        # scikit-learn looks at the name of the method.
        @functools.wraps(value)
        def repeated(X, *rest, **keywords):
            return self._said(name, X)

        return repeated

    def _said(self, name, X):
        if X is not self._batch.X or name not in self._batch.said:
            raise TypeError(
                f"The scorer asks for {name} of rows other than those that it was "
                "handed, or did not do so before. Scorers made by make_scorer work."
            )
        return self._batch.said[name]


class _Listening(Answers):
    """Notes what a scorer asks, and answers as the estimator does now."""

    def _said(self, name, X):
        self._batch.said[name] = None
        return getattr(self._estimator, name)(X)


def scorers_of(estimator: Any, scoring: Any) -> dict[str, Any]:
    """Scorers by name.

    Parameters
    ----------
    estimator : estimator
    scoring : None, str, callable, list of str or dict of str to str or callable

    Returns
    -------
    dict of str to callable or str
        A name stands for a scorer that must be told the classes.
    """
    if scoring is None:
        return {"score": _usual_scorer(estimator)}
    if isinstance(scoring, str) or callable(scoring):
        scoring = {"score": scoring}
    elif not hasattr(scoring, "items"):
        scoring = {name: name for name in scoring}
    if not scoring:
        raise ValueError("scoring names no scorer.")
    return {
        name: one if one in LABELLED else check_scoring(estimator, scoring=one)
        for name, one in scoring.items()
    }


def _usual_scorer(estimator):
    """What ``score`` of an estimator is as a scorer; None if it is something else."""
    last = estimator
    while hasattr(last, "steps"):
        last = last.steps[-1][1]
    score = getattr(type(last), "score", None)
    is_ours = type(last).__module__.partition(".")[0] == "skgd"
    if is_ours or score in (ClassifierMixin.score, RegressorMixin.score):
        if is_classifier(estimator):
            return check_scoring(estimator, scoring="accuracy")
        if is_regressor(estimator):
            return check_scoring(estimator, scoring="r2")
    check_scoring(estimator)
    return None


class Witness:
    """One estimator that is tested on rows before it learns from them.

    Parameters
    ----------
    estimator : estimator
    scoring : see `scorers_of`
    """

    def __init__(self, estimator: Any, scoring: Any) -> None:
        self.estimator = estimator
        self.scorers = scorers_of(estimator, scoring)
        self.failures: dict[str, tuple[int, str]] = {}
        self._asked: list[str] | None = None

    def hear(self, X: Any, y: Any, weights: Any) -> Batch:
        """What the estimator says about rows now, as far as its scorers will ask."""
        if self._asked is None:
            self._prepare(X, y, weights)
        said = {name: getattr(self.estimator, name)(X) for name in self._asked or ()}
        own = [name for name, scorer in self.scorers.items() if scorer is None]
        for name in own:
            # A score of its own cannot be put together of answers.
            keywords = {} if weights is None else {"sample_weight": weights}
            score = float(self.estimator.score(X, y, **keywords))
            said[name] = np.full(_num_samples(X), score)
        return Batch(X, y, weights, said)

    def _prepare(self, X, y, weights):
        """Find out what the scorers ask."""
        for name, scorer in self.scorers.items():
            if isinstance(scorer, str):
                metric, greater = LABELLED[scorer]
                self.scorers[name] = make_scorer(
                    metric,
                    greater_is_better=greater,
                    response_method="predict_proba",
                    labels=self.estimator.classes_,
                )
        asked = Batch(X, y, None, {})
        listening = _Listening(self.estimator, asked)
        for scorer in self.scorers.values():
            if scorer is None:
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                # Some scores do not exist for some rows; the question was asked.
                with contextlib.suppress(ValueError):
                    scorer(listening, X, y)
        self._asked = list(asked.said)

    def scores(self, batch: Batch) -> dict[str, float]:
        """Every score of some rows; NaN where it does not exist for them."""
        return {
            name: self._score(name, scorer, batch)
            for name, scorer in self.scorers.items()
        }

    def _score(
        self, name: str, scorer: Callable[..., float] | None, batch: Batch
    ) -> float:
        if scorer is None:
            return float(np.mean(batch.said[name]))
        keywords = {} if batch.weights is None else {"sample_weight": batch.weights}
        try:
            return float(
                scorer(Answers(self.estimator, batch), batch.X, batch.y, **keywords)
            )
        except ValueError as error:
            n, text = self.failures.get(name, (0, str(error)))
            self.failures[name] = n + 1, text
            return float("nan")
