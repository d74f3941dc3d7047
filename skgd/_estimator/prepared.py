"""``partial_fit`` of few rows at little cost: what does not change is prepared once.

The same update as the usual way, which takes over wherever something is out of the
ordinary. What a model has to prepare is a subclass of `PreparedUpdate`; what it leaves
are late attributes, made when somebody looks.
"""

import functools
import operator
import threading
import time
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator

from skgd._estimator.calls import NO_CALLS, after
from skgd._estimator.late import (
    LATE,
    REPORT,
    attributes_of,
    may_be_late,
    replace_attributes,
)
from skgd._input.numbers import NUMBERS
from skgd._input.plain import Encoder, as_plain_vector, plain_rows
from skgd._input.targets import Classification, Regression
from skgd._input.validation import LARGEST_WEIGHT, SMALLEST_WEIGHT
from skgd._kernels.fingerprint import fingerprint
from skgd._training.epochs import epoch_rates
from skgd._training.loop import DIVERGENCE_FACTOR
from skgd._training.state import State
from skgd.losses import Loss
from skgd.schedules import Constant

# Numbers in a chunk that are copied, if need be, to lie row by row. Larger chunks, for
# which a prepared update saves little, are read where they lie.
FEW_NUMBERS = 1 << 16

# Methods that prepared updates stand in for. A subclass with one of its own means it.
STOOD_IN_FOR = (
    "_attributes",
    "_checked_data",
    "_first_data",
    "_fixed_parameters",
    "_further_rows",
    "_keep",
    "_known_task",
    "_new_task",
    "_objective",
    "_partial_fit",
    "_plan",
    "_prepare_next",
    "_rows_of_call",
    "_stream_begun",
    "_weighted_rows",
    "_weights_shown",
    "__getattr__",
    "__getattribute__",
    "__setattr__",
)


def quickly(partial_fit):
    """Decorate ``partial_fit``: take the short way if the last call prepared one."""

    @functools.wraps(partial_fit)
    def method(self, X, y, *, classes=None, sample_weight=None, **others):
        quick = attributes_of(self).get("_quick")
        if (
            quick is not None
            and not others
            and quick.run(self, X, y, classes, sample_weight)
        ):
            return self
        if classes is not None:
            others["classes"] = classes
        return partial_fit(self, X, y, sample_weight=sample_weight, **others)

    return method


def lies_row_by_row(X):
    """A small chunk in the order in which prepared updates read it."""
    if isinstance(X, np.ndarray) and X.size <= FEW_NUMBERS:
        return np.ascontiguousarray(X)
    return X


@dataclass(slots=True)
class Left:
    """What an update leaves, for the attributes to be made of.

    Attributes
    ----------
    update : PreparedUpdate
    state : State or None
    model : LinearModel or Network or None
        None until somebody asks the update for them.
    value, rate, seconds : float
        Entries of the history.
    calls : tuple
        The history of this and earlier calls; see ``calls.py``.
    shown : bool
        Whether some of the attributes have been put where they belong.
    made : dict or None
        The weights, once they have been made.
    step : int
        Updates made.
    kept : object
        What state and model are made of where they are None.
    """

    update: object
    state: State
    model: object
    value: float
    rate: float
    seconds: float
    calls: tuple = NO_CALLS
    shown: bool = False
    made: dict | None = None
    step: int = 0
    kept: object = None

    @property
    def names(self):
        return self.update.names

    def show(self, attributes, name=None):
        """Make the attributes: the weights alone for a `name` that belongs to them.

        Returns the one of that name.
        """
        update = self.update
        with update.lock:
            made = self._weights()
            if name not in update.weight_names:
                made = made | update.report_of(self)
            if attributes.get(LATE) is not self:
                # Another thread has learnt meanwhile: these are not to come back.
                return attributes.get(name, made.get(name))
            self.shown = True
            # A user may have set some in the meantime.
            missing = {n: v for n, v in made.items() if n not in attributes}
            attributes.update(missing)
            if name not in update.weight_names:
                del attributes[LATE]
        return attributes.get(name)

    def _weights(self):
        if self.made is None:
            self.made = self.update.weights_of(self)
        return self.made

    def weights(self, attributes, first, second):
        """The weights of two names, those that a user has set included."""
        made = self.made
        if made is None:
            with self.update.lock:
                made = self._weights()
        # In one step of the interpreter: another thread may put both there just now.
        found = made | attributes
        return found[first], found[second]


class PreparedUpdate:
    """An update from the rows of one call, prepared for the next calls.

    Parameters
    ----------
    estimator : BaseGD
        After a call of partial_fit.
    plan : Plan
    shape : tuple
        Of X in these calls.
    horizon : float or None
        As in ``Plan.epoch``.
    weight_names : tuple of str
        The fitted attributes that hold theta.
    """

    # What `make` is given; None when it has been called.
    to_make = None

    def __init__(self, estimator, plan, shape, horizon, weight_names):
        self.plan = plan
        self.shape = shape
        self.horizon = horizon
        self.model = plan.objective.model
        self.task = estimator._task
        self.weight_names = weight_names
        self.names = frozenset(REPORT + weight_names)
        self.shows_late = may_be_late(type(estimator))
        self.n_updates = -(-shape[0] // plan.batch_size)
        self.rates = None
        if type(plan.schedule) is Constant:
            self.rates = np.full(self.n_updates, plan.lr)
        self.values_of = operator.itemgetter(*estimator._get_param_names())
        self.values = self.values_of(vars(estimator))
        self.parts = [(part, vars(part).copy()) for part in _parts(self.values)]
        self.user_code = list(_user_code(plan))
        self.encoder = Encoder(self.task)
        # Zeros are targets of any kind.
        self.targets = np.zeros((shape[0], self.task.n_targets))
        self.weights, self.weighs = np.ones(shape[0]), False
        self.loss = plan.objective.loss
        self.check_target = None
        if type(self.loss).check_target is not Loss.check_target:
            self.check_target = self.loss.check_target
        # Classes are told from any scores, and a link may make others infinite.
        self.predicts_scores = self.task.classes is not None or self.loss.identity_link
        # One thread learns, and others may look at what it left.
        self.lock = threading.RLock()

    def keep_rows(self, dtype):
        """Make room for dense rows."""
        self.X = np.zeros(self.shape, dtype)

    def highest_after(self, value, highest):
        """The highest objective by now; None where the usual way has to look at it.

        That is where a run may have diverged. With a mean for an answer its objective,
        which is not known here, is what counts.
        """
        if 0.0 < highest < value / DIVERGENCE_FACTOR:
            return None
        return highest if self.plan.averaging.start else max(highest, value)

    def still_holds(self, estimator):
        """Whether no parameter has been changed, nor a part of one."""
        current = attributes_of(estimator)
        if current.get("_task") is not self.task:
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
        return self.goes_on_from(current.get("_model"))

    def goes_on_from(self, model):
        """Whether the coordinates are those of `model`; None if nobody looked."""
        return model is None or model is self.model

    def run(self, estimator, X, y, classes=None, sample_weight=None):
        """One update; False, with nothing done, if the usual way must be taken."""
        with self.lock:
            if not self.is_ready_for(estimator, X):
                return False
            if (
                not self.still_holds(estimator)
                or (classes is not None and not self._are_known(classes))
                or not self._takes_weights(sample_weight)
                or not self.takes_rows(estimator, X)
                or not self.encoder.into(self.targets, y)
            ):
                return False
            if self.check_target is not None:
                self.check_target(self.targets)
            return self._update(estimator, sample_weight is not None)

    def is_ready_for(self, estimator, X):
        """Whether everything has been made that is needed, which is done in time.

        Where chunks are of any number of rows, most of what was prepared is never used.
        """
        if self.to_make is None:
            return True
        try:
            shape = X.shape if hasattr(X, "shape") else np.shape(X)
        except ValueError:
            return False
        if shape != self.shape or not self.still_holds(estimator):
            return False
        self.make(estimator, *self.to_make)
        self.to_make = None
        return True

    def make(self, estimator, *to_make):
        """Make what takes long, at the first call that it is for."""
        raise NotImplementedError

    def _are_known(self, classes):
        known = self.task.classes
        if known is None:
            return False
        if type(classes) is list and len(classes) == len(known):
            return classes == known.tolist()
        return np.array_equal(classes, known)

    def _takes_weights(self, sample_weight):
        """Whether there are none, or plain ones; rows of weight zero are left out.

        NaN compares as false.
        """
        if sample_weight is None:
            if self.weighs:
                self.weights.fill(1.0)
                self.weighs = False
            return True
        self.weighs = True
        weights = as_plain_vector(sample_weight)
        if type(weights) is list:
            weights = np.array(weights)
        if (
            type(weights) is not np.ndarray
            or weights.shape != self.weights.shape
            or weights.dtype.kind not in NUMBERS
        ):
            return False
        self.weights[:] = weights
        lightest, heaviest = self.weights.min(), self.weights.max()
        return bool(lightest >= SMALLEST_WEIGHT and heaviest <= LARGEST_WEIGHT)

    def takes_rows(self, estimator, X):
        """Whether X is of the right form, and kept for the update."""
        current = attributes_of(estimator)
        names = current.get("feature_names_in_")
        if (
            type(X) is np.ndarray
            and X.shape == self.shape
            and names is None
            and (X.dtype is self.X.dtype or self._exactly(X.dtype))
            and current["n_features_in_"] == self.shape[1]
        ):
            # Whether all are finite is asked in compiled code.
            self.X[...] = X
            if self.check_target is None or np.isfinite(self.X).all():
                return True
        X = plain_rows(X, current["n_features_in_"], names)
        if X is None or X.shape != self.shape:
            return False
        if X.dtype == self.X.dtype:
            self.X[...] = X
            return True
        with np.errstate(over="ignore"):
            self.X[...] = X
        return bool(np.isfinite(self.X).all())

    def _exactly(self, dtype):
        """Whether numbers of a type become those of X in one step."""
        return (
            self.X.dtype == np.float64 and dtype.kind in NUMBERS and dtype.itemsize <= 8
        )

    def _update(self, estimator, weighted):
        started = time.perf_counter()
        attributes = attributes_of(estimator)
        late = attributes.get(LATE)
        left = None
        try:
            left = self.step(attributes, weighted)
            if left is None:
                return False
            left.seconds = time.perf_counter() - started
            entry = self.steps_of(left), left.value, left.rate, left.seconds
            left.calls = after(_calls_before(attributes, late), entry)
            # In one step of the interpreter: a Ctrl-C comes before it or after it.
            if late is None or late.shown:
                kept = {n: v for n, v in attributes.items() if n not in self.names}
                replace_attributes(estimator, kept | {LATE: left})
            else:
                attributes[LATE] = left
        except BaseException:
            if left is None or attributes_of(estimator).get(LATE) is not left:
                self.undo()
            raise
        if not self.shows_late:
            left.show(attributes_of(estimator))
        return True

    def last(self, attributes):
        """State and model of the last call, whether they have been made or not."""
        late = attributes.get(LATE)
        state, model = attributes.get("_state"), attributes.get("_model")
        if late is not None:
            state = late.update.state_of(late) if state is None else state
            model = late.update.model_of(late) if model is None else model
        return state, model

    def rates_at(self, state):
        """The rates of the next updates."""
        if self.rates is not None:
            return self.rates
        plan = self.plan
        return epoch_rates(
            state,
            self.n_updates,
            lr=plan.lr,
            schedule=plan.schedule,
            horizon=self.horizon,
        )

    def are_predicted(self, scores):
        """Whether the predictions with these scores are finite."""
        with np.errstate(all="ignore"):
            return bool(np.isfinite(self.loss.inverse_link(scores)).all())

    def step(self, attributes, weighted):
        """What one update from the rows taken leaves; None if the usual way must.

        The state of the last call is changed only where `undo` can put it back.
        """
        raise NotImplementedError

    def undo(self):
        """Take back the step, if it moved anything."""

    def weights_of(self, left):
        """The attributes that hold theta, by name."""
        raise NotImplementedError

    def scores_of(self, left, X):
        """Scores of checked rows, if that takes less than all weights; else None."""
        return None

    def state_of(self, left):
        """The state to go on from."""
        return left.state

    def model_of(self, left):
        """The model to go on from."""
        return left.model

    def steps_of(self, left):
        """Updates made, at no cost."""
        return left.step

    def report_of(self, left):
        """All other attributes that a call leaves, by name."""
        state, value = self.state_of(left), left.value
        return {
            "_state": state,
            "_model": self.model_of(left),
            "n_iter_": 1,
            "t_": state.step,
            "lr_": left.rate if self.plan.optimizer.finds_rate else self.plan.lr,
            "history_": {
                "epoch": np.array([state.epoch]),
                "step": np.array([state.step]),
                "loss": np.array([value]),
                "lr": np.array([left.rate]),
                "seconds": np.array([left.seconds]),
            },
            "loss_curve_": [value],
            "best_loss_": value,
            "best_epoch_": 1,
            "stop_reason_": "max_iter",
            "_calls": left.calls,
        }


def _calls_before(attributes, late):
    """The history up to the last call, whether it has been shown or not."""
    calls = attributes.get("_calls")
    if calls is None:
        calls = NO_CALLS if late is None else late.calls
    return calls


def takes_long(plan, bound):
    """Whether a call makes many updates, so that it need not be short for anything."""
    X = bound.rows.X
    return plan.batch_size < X.shape[0] and X.size > FEW_NUMBERS


def can_be_prepared(estimator, known_task=(Classification, Regression)):
    """Whether prepared updates would do what the estimator does."""
    if type(estimator._task) not in known_task:
        return False
    if getattr(estimator, "class_weight", None) is not None:
        return False
    for cls in type(estimator).__mro__:
        if cls.__module__.partition(".")[0] == __name__.partition(".")[0]:
            return not any(name in attributes_of(estimator) for name in STOOD_IN_FOR)
        if any(name in vars(cls) for name in STOOD_IN_FOR):
            return False
    return False


def _user_code(plan):
    """(function, key of what was compiled) of those that users wrote."""
    from skgd._kernels import compiling

    loss, rule = type(plan.objective.loss), type(plan.optimizer)
    functions = [loss.value_and_derivative, getattr(rule, "update", None)]
    functions += [
        type(f).apply for f in getattr(plan.objective.model, "activations", ())
    ]
    for function in functions:
        if function is not None and compiling.is_foreign(function):
            yield function, fingerprint(function)


def _parts(values):
    """The parameter objects among `values`, and those inside them."""
    for value in values:
        if isinstance(value, BaseEstimator):
            yield value
            yield from _parts(vars(value).values())
