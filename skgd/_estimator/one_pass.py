"""``partial_fit``: one pass over the rows of a call, on from where the last one ended.

Which call this is decides what may change: classes that join, coordinates, the pace at
which old rows are forgotten. The short way for calls like the last one is in
``prepared.py``.
"""

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.utils.validation import _num_samples

from skgd._estimator.calls import NO_CALLS, after, columns
from skgd._estimator.causes import heavy_weights
from skgd._estimator.new_classes import extended, labels_that_count, united
from skgd._estimator.prepared import lies_row_by_row
from skgd._input.random import generator
from skgd._input.targets import Classification
from skgd._input.validation import check_weights, refuse_foreign
from skgd._input.warnings import warn_user
from skgd._kernels.forgetting import counted
from skgd._training.loop import Limits, train
from skgd._training.objective import highest
from skgd.losses import get_loss
from skgd.optimizers import get_optimizer


class OnePass:
    """What ``BaseGD`` knows of calls of ``partial_fit``, and their history."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """What ``BaseGD`` has besides."""

    def _partial_fit(self, X, y, sample_weight, classes):
        """One pass over the rows, in the order given."""
        refuse_foreign(X=X, y=y, sample_weight=sample_weight)
        self._check_can_stream()
        first = not hasattr(self, "_state")
        if not first:
            self._check_late_parameters()
            if _num_samples(X) == 0:
                return self
        given = self._rows_of_call(X, y, sample_weight, classes, first)
        if given is None:
            return self
        task, loss, rows, n_rows = given
        started = time.perf_counter()
        calls = NO_CALLS if first else vars(self).get("_calls", NO_CALLS)
        plan, state = self._stream_begun(task, loss, rows, first)
        bound = plan.bind(rows)
        horizon = self._most_epochs(None)
        with plan.blas_threads():
            limits = self._limits_of_call(bound, state)
            report = train(plan.epoch(bound, horizon), state, limits)
        state.n_seen += rows.order.size
        if report.stop_reason == "diverged":
            where = "in this call of partial_fit"
            causes = heavy_weights(bound.rows)
            self._warn_of_divergence(where, plan, task, state, bound, causes)
        if not plan.schedule.watches_losses:
            # A stream may have no end, and nobody will ask for them.
            state.losses = []
        self._keep(plan, task, state, report)
        made = [*report["loss"][-1:], *report["lr"][-1:]] or [math.nan, plan.lr]
        entry = state.step, *made, time.perf_counter() - started
        self._calls = after(calls, entry)
        if report.stop_reason != "diverged":
            self._warn_if_infinite(bound.rows)
        if rows.order.size == n_rows:
            # Rows of weight zero are left out, so that an update of the others may be
            # of fewer rows than one of the next chunk.
            self._prepare_next(plan, bound, horizon)
        return self

    def _check_can_stream(self):
        """ValueError for what a stream cannot do, by name."""
        rule = get_optimizer(self.optimizer)
        if rule.keeps_derivatives:
            raise ValueError(
                "optimizer='saga' keeps a number for each row and needs all rows in "
                "fit; partial_fit sees each row once. Use another optimizer."
            )
        if self.half_life is not None and rule.proximal:
            raise ValueError(
                f"half_life={self.half_life!r}: the weights of optimizer='ftrl' are "
                "made of sums over all rows, of which none can be forgotten. Use "
                "optimizer='adagrad', or half_life=None."
            )
        if self.early_stopping:
            raise ValueError(
                "partial_fit cannot hold out rows, because it does not see all of "
                "them: set early_stopping=False, or score a validation set yourself "
                "between the calls."
            )
        self._check_not_compact()

    def _rows_of_call(self, X, y, sample_weight, classes, first):
        """(task, loss, rows that count, number of rows) of a call of partial_fit.

        None where no row counts.
        """
        if first:
            X, y = self._checked_data(X, y, reset=True)
        else:
            X, y = self._further_rows(X, y, self._task, self._model.dtype)
        X = lies_row_by_row(X)
        weights = sample_weight
        if weights is not None:
            weights = check_weights(sample_weight, X)
        known = hasattr(self, "_task")
        if self._takes_new_classes():
            if not self._extends(X, y, weights, classes):
                return None
            known, classes = True, None
            y = self._known_labels(y, weights)
        if not known and classes is None and is_classifier(self) and y.ndim == 1:
            raise ValueError(
                "The first call of partial_fit must name all classes there will ever "
                f"be; those of this call are classes={np.unique(y).tolist()}."
            )
        task = self._known_task(classes) if known else self._new_task(y, classes)
        loss = get_loss(self.loss, task.name)
        rows = self._weighted_rows(
            X, y, weights, task, loss, streaming=True, where="partial_fit"
        )
        if rows.order.size:
            return task, loss, rows, X.shape[0]
        # The classes named in a first call hold for the stream.
        self._task = task
        if first:
            warn_user(
                "All rows of this first call of partial_fit have weight zero: nothing "
                "was learnt, and there is no model to predict with before a call with "
                "a row that counts.",
                UserWarning,
            )
        return None

    def _stream_begun(self, task, loss, rows, first):
        """The plan of a call of partial_fit, and the state that it moves."""
        share = 1.0 if first else self._share_remembered()
        model = None if first else self._model.to_train().reduced(share)
        rng = generator(self.random_state) if first else self._state.rng
        plan = self._plan(task, loss, rows, model, rng, streaming=True)
        plan.shuffle = False
        plan.averaging = self._mean_of_stream(plan.averaging)
        if self.lr == "auto":
            plan.half_life = self._half_life
        state = self._begun(plan, rng, {}, not first)
        if share < 1.0 and self.lr == "auto":
            state.reduce_sums(plan.optimizer, share)
        state.half_life = self._half_life
        return plan, state

    def _limits_of_call(self, bound, state):
        """When one pass over the rows of a call has failed."""
        # A small chunk may be fitted perfectly, so that any step looks bad.
        starts = self._starts(state)
        with np.errstate(over="ignore", invalid="ignore"):
            start = highest(bound.value_of_sample, starts)
        if np.isfinite(start):
            state.highest = max(state.highest, start)
        # An epoch adds up weights as given, which the start divided by.
        weight = max(1.0, float(np.mean(bound.rows.visited_weights())))
        return Limits(
            1,
            None,
            1,
            weight * state.highest,
            lambda: weight * highest(bound.value_of_all, starts),
        )

    @property
    def _half_life(self):
        """Rows after which half of the weight of one is forgotten, in a stream."""
        return math.inf if self.half_life is None else float(self.half_life)

    def _takes_new_classes(self):
        return getattr(self, "on_new_class", "error") == "extend"

    def _extends(self, X, y, weights, classes):
        """Take in the classes of a call; False if none of its rows counts.

        What is there of a model gets outputs for those that are new.
        """
        if not is_classifier(self) or y.ndim != 1:
            raise ValueError(
                "on_new_class='extend' is for labels, one for each row; got "
                + (
                    "indicators, which have a column for each label there will be."
                    if is_classifier(self)
                    else "targets of a regression."
                )
            )
        labels = labels_that_count(y, weights, classes)
        known = vars(self).get("_task")
        if known is not None:
            labels = united(known.classes, labels)
        if not labels.size:
            warn_user(
                "All rows of this first call of partial_fit have weight zero: nothing "
                "was learnt, and no class is known.",
                UserWarning,
            )
            return False
        if known is not None and len(labels) == len(known.classes):
            return True
        if "_state" in vars(self):
            vars(self).update(extended(self, labels, X))
            answer = self._state.answer()
            shown = self._weights_shown(self._task, self._model, answer)
            vars(self).update(shown, classes_=labels)
            vars(self).pop("_quick", None)
        else:
            self._task = Classification(labels, least=1)
        return True

    def _known_labels(self, y, weights):
        """Labels of rows that do not count, if they are unknown, made known ones."""
        if weights is None or (weights > 0.0).all():
            return y
        y, unseen = y.copy(), ~np.isin(y, self._task.classes)
        y[unseen] = self._task.classes[0]
        return y

    def _mean_of_stream(self, averaging):
        """The mean that a call is to go on with, where there is one."""
        state = vars(self).get("_state")
        if state is not None and averaging.start and state.mean_from:
            start = max(averaging.start, state.mean_from)
            averaging = replace(averaging, start=start)
        return replace(averaging, half_life=self._half_life)

    def _share_remembered(self):
        """What is left of the rows seen if they are to be forgotten faster.

        Rows of a fit, which has no half-life, count as if they had just come one after
        the other.
        """
        state = self._state
        if not self._half_life < state.half_life or not state.n_seen:
            return 1.0
        was, now = (
            counted(half_life, 1, state.n_seen)
            for half_life in (state.half_life, self._half_life)
        )
        return now / was

    @property
    def calls_(self) -> dict[str, NDArray[Any]]:
        """The last calls of `partial_fit`, up to 1000, one entry for each."""
        calls = vars(self).get("_calls")
        if calls is None:
            raise AttributeError(
                f"This {type(self).__name__} has no calls_: they are of partial_fit "
                "since the last fit, and are not saved. The epochs of fit are in "
                "history_."
            )
        return columns(calls)
