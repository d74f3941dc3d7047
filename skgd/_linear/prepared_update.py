"""``partial_fit`` of few rows at little cost: what does not change is prepared once.

The same update as the usual way, which takes over wherever something is out of the
ordinary; the arithmetic is that of ``_training/epochs.py``.
"""

import functools
import math
import operator
import time
from contextlib import nullcontext

import numpy as np
from sklearn.base import BaseEstimator

from skgd._input.chunks import encoded, is_finite, is_plain
from skgd._input.moments import Seen
from skgd._input.targets import Classification, Regression
from skgd._kernels.fingerprint import fingerprint
from skgd._linear.model import REFRESH
from skgd._training.epochs import Stepper, epoch_rates
from skgd._training.fast_paths import epoch_kernel
from skgd.optimizers import DoWG
from skgd.schedules import Constant

NOTHING = nullcontext()


def quickly(partial_fit):
    """Decorate ``partial_fit``: take the short way if the last call prepared one."""

    @functools.wraps(partial_fit)
    def method(self, X, y, *, classes=None, sample_weight=None, **others):
        quick = vars(self).get("_quick")
        if (
            quick is not None
            and sample_weight is None
            and not others
            and quick.run(self, X, y, classes)
        ):
            return self
        if classes is not None:
            others["classes"] = classes
        return partial_fit(self, X, y, sample_weight=sample_weight, **others)

    return method


class Quick:
    """An update from the rows of one call, prepared for the next calls.

    Parameters
    ----------
    estimator : BaseGD
        After a call of partial_fit that made one update.
    plan : Plan
    bound : BoundObjective
        Over the rows of that call.
    horizon : float or None
        As in ``Plan.epoch``.
    """

    def __init__(self, estimator, plan, bound, horizon):
        self.plan = plan
        self.bound = bound
        self.model = plan.objective.model
        self.task = estimator._task
        self.horizon = horizon
        self.shape = bound.rows.X.shape
        self.stepper = Stepper(plan.objective, plan.optimizer, plan.clip_norm)
        self.advance = epoch_kernel(bound, self.stepper, plan.batch_size)
        self.rates = None
        if type(plan.schedule) is Constant:
            self.rates = np.array([plan.lr])
        self.values_of = operator.itemgetter(*estimator._get_param_names())
        self.values = self.values_of(vars(estimator))
        # Matrix products of several threads; of one output there are none.
        self.multiplies = self.model.multiplies_matrices
        self.parts = [(part, vars(part).copy()) for part in _parts(self.values)]
        self.user_code = list(_user_code(plan))
        self._look_at(np.zeros(self.shape, self.model.dtype), bound.rows.targets)

    def _look_at(self, X, targets):
        self.bound.move_to(self.bound.rows.replaced_by(X, targets))

    def still_holds(self, estimator):
        """Whether no parameter has been changed, nor a part of one."""
        current = vars(estimator)
        kept = estimator._model
        if estimator._task is not self.task or (
            kept is not self.model
            and (self.model.raw or kept.scale is not self.model.scale)
        ):
            return False
        if not all(map(operator.is_, self.values_of(current), self.values)):
            return False
        for function, key in self.user_code:
            if fingerprint(function) != key:
                return False
        for part, saved in self.parts:
            for name, value in vars(part).items():
                if value is not saved.get(name, self):
                    return False
        return True

    def run(self, estimator, X, y, classes):
        """One update; False, with nothing done, if the usual way must be taken."""
        if (
            not is_plain(X, self.shape, self.model.dtype)
            or not is_finite(X)
            or not self.still_holds(estimator)
            or not self._are_known(classes)
        ):
            return False
        targets = encoded(self.task, y, len(X))
        if targets is None:
            return False
        objective = self.plan.objective
        objective.loss.check_target(targets)
        started = time.perf_counter()
        self._look_at(X, targets)
        seen = None
        if not self.model.raw:
            seen = Seen.after(self.bound.rows, estimator._model.seen)
            if seen.features.weight > REFRESH * self.model.moments.weight:
                return False
        state = estimator._state.copy()
        rates = self.rates
        if rates is None:
            plan = self.plan
            rates = epoch_rates(
                state, 1, lr=plan.lr, schedule=plan.schedule, horizon=self.horizon
            )
        threads = self.plan.blas_threads() if self.multiplies else NOTHING
        with threads, np.errstate(over="ignore", invalid="ignore"):
            total, _ = self.advance(state, self.bound.rows.order, rates)
            value = total / len(X) + objective.penalty(state.theta)
        if not math.isfinite(value) or not state.is_finite():
            return False
        if not (objective.loss.identity_link or self._predicts(X, state)):
            return False
        state.step += 1
        state.epoch += 1
        state.highest = max(state.highest, value)
        if self.plan.schedule.watches_losses:
            state.losses = [*state.losses, value]
        model = estimator._model if seen is None else self.model.having_seen(seen)
        rate = self.stepper.rate(state, rates)
        self._keep(estimator, state, model, value, rate, started)
        return True

    def _predicts(self, X, state):
        """Whether predictions are finite that are no scores."""
        coef, intercept = self.model.coefficients(state.answer())
        with np.errstate(all="ignore"):
            scores = X @ coef.T + intercept
            return np.isfinite(self.bound.objective.loss.inverse_link(scores)).all()

    def _are_known(self, classes):
        if classes is None:
            return True
        known = self.task.classes
        return known is not None and np.array_equal(classes, known)

    def _keep(self, estimator, state, model, value, rate, started):
        """The attributes that a call of partial_fit leaves.

        All are set in one step of the interpreter, so that a Ctrl-C comes before it or
        after it.
        """
        shown = estimator._weights_shown(self.task, self.model, state.answer())
        vars(estimator).update(
            shown,
            _state=state,
            _model=model,
            n_iter_=1,
            t_=state.step,
            lr_=self.plan.rate_used([rate]),
            history_={
                "epoch": np.array([state.epoch]),
                "step": np.array([state.step]),
                "loss": np.array([value]),
                "lr": np.array([rate]),
                "seconds": np.array([time.perf_counter() - started]),
            },
            loss_curve_=[value],
            best_loss_=value,
            best_epoch_=1,
            stop_reason_="max_iter",
        )


def prepared(estimator, plan, bound, horizon):
    """A `Quick` for calls like the last one, or None if they need the usual way.

    Under ``lr="auto"`` they do for rules whose rate depends on the rows of a call.
    """
    automatic = estimator.lr == "auto"
    if (
        bound.is_csr
        or not bound.objective.model.is_linear
        or bound.objective.model.raw == automatic
        or plan.adds_up
        or plan.batch_size < bound.rows.X.shape[0]
        or type(estimator._task) not in (Classification, Regression)
        or getattr(estimator, "class_weight", None) is not None
        or hasattr(estimator, "feature_names_in_")
        or (automatic and type(plan.optimizer) is not DoWG)
    ):
        return None
    return Quick(estimator, plan, bound, horizon)


def _user_code(plan):
    """(function, key of what was compiled) of those that users wrote."""
    from skgd._kernels import compiling

    loss, rule = type(plan.objective.loss), type(plan.optimizer)
    for function in (loss.value_and_derivative, rule.update):
        if compiling.is_foreign(function):
            yield function, fingerprint(function)


def _parts(values):
    """The parameter objects among `values`, and those inside them."""
    for value in values:
        if isinstance(value, BaseEstimator):
            yield value
            yield from _parts(vars(value).values())
