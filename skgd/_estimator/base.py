"""What all estimators share: checking input, fit and partial_fit, what is kept.

Subclasses say what y means, which model maps theta to scores, and how theta is shown
to the user. The loop itself lives in ``_training/loop.py``.
"""

import copy
import functools
import inspect
import math
import operator
from dataclasses import replace

import joblib
import numpy as np
from sklearn.base import BaseEstimator, _fit_context, is_classifier
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import column_or_1d

from skgd._estimator.causes import (
    extreme_columns,
    extreme_targets,
    strong_decay,
    vanishing_targets,
)
from skgd._estimator.interrupts import Presses
from skgd._estimator.late import LATE, LateAttributes, attributes_of
from skgd._estimator.one_pass import OnePass
from skgd._estimator.other_forms import OtherForms
from skgd._estimator.saved import from_state, to_state
from skgd._estimator.scoring import scorer_of
from skgd._estimator.transaction import all_or_nothing
from skgd._input.numbers import FLOATS
from skgd._input.plain import CSR, checked_chunk, plain_csr, plain_rows
from skgd._input.random import generator
from skgd._input.rows import Rows, hold_out
from skgd._input.validation import (
    check_sum,
    check_weights,
    refuse_foreign,
    weights_as_given,
)
from skgd._input.warnings import warn_user
from skgd._stream.fit_batches import fit_batches
from skgd._stream.source import Source
from skgd._training.loop import DivergenceWarning, Limits, train
from skgd._training.objective import highest
from skgd._training.state import State
from skgd.losses import LOSSES, get_loss

# Rows of a batch where none is asked for.
AUTO_BATCH_SIZE = 64

# How far above the start the objective may end before the run counts as failed.
SLACK = 1.001

# What tol="auto" is; the latter two are the thousandth of scikit-learn's SGD* for each
# of five epochs: of classes as a share of log(2), where a log loss starts.
TOL = 1e-4
TOL_OF_FIXED_RATES = 5e-3
TOL_OF_FIXED_RATES_OF_CLASSES = 7e-3

# A rate this far below the largest stable one is the reason for standing still.
TOO_SMALL = 0.01

# Rows predicted at a time.
PREDICTED_ROWS = 4096


class BaseGD(OnePass, OtherForms, CallbackSupportMixin, LateAttributes, BaseEstimator):
    """Training by gradient descent, whatever the model and the task.

    Subclasses provide the methods that ``skgd._estimator.hooks`` documents.
    """

    # Whether the fitted attributes say how far from the minimum a run has ended.
    _tells_gap = False

    # Where the parameters in scikit-learn's HTML view of an estimator link to.
    _doc_link_module = "skgd"
    _doc_link_template = (
        "https://skgd.readthedocs.io/en/stable/api/generated/"
        "{estimator_module}.{estimator_name}.html"
    )

    @classmethod
    @functools.cache
    def _get_param_names(cls):
        # From the signature of __init__, which scikit-learn reads anew each time.
        return super()._get_param_names()

    @classmethod
    @functools.cache
    def _defaults(cls):
        """Default values of the parameters, by name."""
        given = inspect.signature(cls.__init__).parameters
        names = cls._get_param_names()
        values = {name: given[name].default for name in names if name in given}
        return {n: v for n, v in values.items() if v is not inspect.Parameter.empty}

    def __sklearn_is_fitted__(self):
        # scikit-learn would walk over all attributes, while another thread sets some.
        return hasattr(self, "_loss")

    @all_or_nothing
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit_batches(
        self,
        batches,
        *,
        target=None,
        classes=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        shuffle_rows="auto",
        n_ahead=2,
    ):
        """Train for up to `max_iter` epochs on a stream of batches.

        What `fit` does, for data that do not fit into memory. The sizes of the batches
        do not matter: rows are cut anew for the updates. With ``solver="batch"`` the
        gradients of all batches are added up before the one update of an epoch, so the
        result is that of `fit`, and so it is for the other solvers with
        ``shuffle=False``.

        Parameters
        ----------
        batches : iterable or callable
            Yields ``(X, y)`` or ``(X, y, sample_weight)``, X an array, a CSR matrix or
            a pandas, polars or Arrow table. It is read once for each epoch: pass a
            list, an object of `skgd.data`, or a function without arguments that
            returns a fresh iterator, as ``lambda: pd.read_csv(path, chunksize=10_000)``
            with `target`. An iterator, which can be read only once, will do for
            ``max_iter=1`` where nothing has to be measured first.
        target : str, default=None
            The column that holds y, for a stream of tables.
        classes : array-like of shape (n_classes,), default=None
            All labels, for a classifier. By default one more pass over the stream finds
            them.
        X_val, y_val, sample_weight_val : array-like, default=None
            Rows in memory to judge the weights by after each epoch, as in `fit`.
        shuffle_rows : 'auto' or int, default='auto'
            Rows in memory to shuffle, under ``shuffle=True``. When that many are there,
            half of them, drawn at random, are trained on, and the others mix with the
            next: a row moves by about this number of places, so a sorted stream stays
            roughly sorted. A stream of no more rows is shuffled as by `fit`. 'auto' is
            64 MiB of features, or 65,536 sparse rows.
        n_ahead : int, default=2
            Blocks of rows (8 MiB, or one batch if that is more) to read in a background
            thread while earlier ones are trained on. 0 reads in the calling thread, for
            sources that insist on it, such as a connection of sqlite3.

        Returns
        -------
        self : object
            The fitted estimator; unchanged if an error is raised.

        Raises
        ------
        ValueError
            For a stream that can be read only once where several passes are needed, or
            that gives another number of rows in a later pass, and for rows that `fit`
            would refuse.

        Notes
        -----
        Before the first epoch, one pass measures what `fit` reads off its table: the
        moments of the features for ``lr="auto"`` (and for `standardize`), the mean of
        the weights, the number of rows for a schedule. It is left out with a float
        `lr`, the constant schedule and no weights. A statistic of y that is no moment,
        such as a median, is taken from 1,048,576 evenly spaced rows at most, and the
        curvature of the loss, which the momentum rules need under ``lr="auto"``, from
        10,000. Weights of a stream that can be read only once are used as given.
        Callbacks are handed the first rows, up to 10,000, as X and y.

        Examples
        --------
        >>> import numpy as np
        >>> from skgd import GDRegressor
        >>> from skgd.data import from_arrays
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(1000, 3))
        >>> y = X @ [1, 2, 3] + 4
        >>> model = GDRegressor(solver="batch").fit_batches(from_arrays(X, y))
        >>> model.coef_.round(2)
        array([1., 2., 3.])
        """
        return fit_batches(
            self,
            Source(batches, target),
            classes,
            (X_val, y_val, sample_weight_val),
            shuffle_rows,
            n_ahead,
        )

    # ---- fit -------------------------------------------------------------------

    def _fit(self, X, y, sample_weight, init, validation):
        """Train on X, y for up to max_iter epochs.

        Parameters
        ----------
        X, y, sample_weight : as in fit
        init : dict
            Starting values by the name of the argument; None where not given.
        validation : tuple (X_val, y_val, sample_weight_val)
        """
        given = X, y
        resumed = self._goes_on()
        model = None
        if resumed:
            self._check_late_parameters()
            X, y = self._checked_data(X, y, reset=False)
            model, task = self._model.to_train(), self._task
            X = X.astype(model.dtype, copy=False)
        else:
            X, y, task = self._first_data(X, y)
        weights = sample_weight
        if weights is not None:
            weights = check_weights(sample_weight, X)
        loss = get_loss(self.loss, task.name)
        rng = self._random_stream(resumed)

        rows = self._weighted_rows(X, y, weights, task, loss, where="fit")
        rows, held_out = self._split(rows, task, loss, validation, rng, given)
        if not rows.weigh_the_same:
            rows = rows.with_mean_weight_one()

        plan = self._plan(task, loss, rows, model, rng)
        state = self._begun(plan, rng, init, resumed)
        if plan.optimizer.keeps_derivatives:
            state.belongs_to(plan.table(rows) if self.warm_start else None)

        data = {"X": X, "y": y, "metadata": {"sample_weight": sample_weight}}
        with plan.blas_threads():
            return self._run(plan, task, state, plan.bind(rows), held_out, data)

    def _planned(self, task, loss, rows, resumed):
        """The plan of a run over rows elsewhere, and the state that it starts from."""
        model = self._model.to_train() if resumed else None
        rng = self._random_stream(resumed)
        plan = self._plan(task, loss, rows, model, rng)
        return plan, self._begun(plan, rng, {}, resumed)

    def _begun(self, plan, rng, init, resumed):
        """The state before the first update of a run: a new one, or the one kept.

        Parameters
        ----------
        plan : Plan
        rng : numpy.random.Generator
        init : dict
            Starting values by the name of the argument; None where not given.
        resumed : bool
        """
        if not resumed:
            theta = self._first_theta(plan, init)
            return State.start(theta, plan.optimizer, plan.averaging, rng)
        state = self._state.resumed(plan.optimizer, plan.averaging)
        state.rng = rng
        self._follow(plan, state)
        if init:
            self._set_start(plan, state, init)
        return state

    def _goes_on(self):
        """Whether a call of fit goes on with what an earlier one learnt."""
        if self.warm_start:
            self._check_not_compact()
        return self.warm_start and hasattr(self, "_state")

    def _check_not_compact(self):
        if hasattr(self, "_compact"):
            raise ValueError(
                f"This {type(self).__name__} was made by compact(), without what "
                "training goes on from. Train the original, or start anew: by fit with "
                "warm_start=False, or in a clone."
            )

    def _random_stream(self, resumed):
        """A random stream to draw from: a new one, or a copy of the one kept."""
        if resumed:
            return copy.deepcopy(self._state.rng)
        return generator(self.random_state)

    def _run(self, plan, task, state, bound, held_out, data):
        """Train on bound rows, and keep what came of it.

        Parameters
        ----------
        plan : Plan
        task : a task of ``skgd._input.targets``
        state : State
            Where training starts; moved in place.
        bound : BoundObjective or StreamObjective
        held_out : Rows or None
            Rows to validate on.
        data : dict
            X, y and metadata for the callbacks.
        """
        starts = self._starts(state)
        with np.errstate(over="ignore", invalid="ignore"):
            limits = self._limits(starts, bound, held_out)
        validate = None
        if held_out is not None:
            validate = self._validator(plan, task, bound, held_out)

        context = self._init_callback_context(max_subtasks=limits.max_iter)
        context.call_on_fit_task_begin(estimator=self, **data)

        def on_epoch(state, report):
            epoch = context.subcontext(task_name="epoch")
            epoch.call_on_fit_task_begin(estimator=self, **data)
            return epoch.call_on_fit_task_end(
                estimator=self,
                **data,
                reconstruction_attributes=lambda: self._attributes(
                    plan, task, state, report
                ),
            )

        on_step = self._step_watcher(plan, task)
        if on_step is not None:
            on_step(state)
        report = train(
            plan.epoch(bound, horizon=limits.max_iter, on_step=on_step),
            state,
            limits,
            validate=validate,
            on_epoch=on_epoch if hasattr(self, "_skl_callbacks") else None,
            verbose=int(self.verbose),
            presses=Presses.watched(epochs_break=not bound.in_memory),
        )
        state.n_seen, state.half_life = bound.n_rows or 0, math.inf
        state.mean_from = 0
        touched = plan.last_step is not None or plan.objective.softmax
        if touched and report.stop_reason != "diverged":
            plan.finish(bound, state)
        with np.errstate(over="ignore", invalid="ignore"):
            self._judge(report, plan, task, state, bound, starts, limits.start)
        self._keep(plan, task, state, report)
        if report.stop_reason != "diverged":
            self._warn_if_infinite(bound.rows)
        context.call_on_fit_task_end(
            estimator=self, **data, reconstruction_attributes={}
        )
        return self

    def _check_late_parameters(self):
        """Check parameters set since the last call that this call goes on from.

        scikit-learn does not validate them where ``partial_fit`` goes on, and some
        cannot be changed in a model that is there.
        """
        checked = vars(self).get("_checked", ())
        values = self._parameter_values()
        if len(checked) == len(values) and all(map(operator.is_, checked, values)):
            return
        self._validate_params()
        for name, value in self._fixed_parameters(self._task).items():
            if self._made_with.get(name, value) != value:
                raise ValueError(
                    f"{name} was changed to {getattr(self, name)!r}, which a model "
                    "that is trained already cannot follow. Set it back to go on, or "
                    "start a new model: by fit with warm_start=False, or in a clone."
                )

    def _fixed_parameters(self, task):
        """What of the parameters cannot change in a model that is there, by name."""
        return {}

    def _parameter_values(self):
        attributes = attributes_of(self)
        return [attributes[name] for name in self._get_param_names()]

    def __getstate__(self):
        """Plain data, without what can be made again; see ``saved.py``."""
        vars(self)  # which makes what is late
        # It may be the very dictionary of the estimator.
        attributes = dict(super().__getstate__())
        # A file of a stream is to be as long after a day as after an hour.
        for name in ("_quick", "_checked", "_calls"):
            attributes.pop(name, None)
        state = attributes.get("_state")
        if state is not None and _same_bits(state.theta, self._theta_shown()):
            attributes["_state"] = replace(state, theta=None)
        return to_state(attributes)

    def __setstate__(self, state):
        attributes = from_state(state, type(self).__name__)
        # Parameters that the version which wrote the file did not have.
        super().__setstate__(self._defaults() | attributes)
        state = getattr(self, "_state", None)
        if state is not None and state.theta is None:
            state.theta = self._theta_shown()

    def _without_training(self):
        """The attributes of `compact`, to copy."""
        training = (
            "_quick",
            "_checked",
            "_made_with",
            "_split_kept",
            "_state",
            "_calls",
        )
        kept = {name: part for name, part in vars(self).items() if name not in training}
        if self._model is not None:
            kept["_model"] = self._model.to_predict()
        return kept | {"_compact": True}

    # ---- input -----------------------------------------------------------------

    def _plain_rows(self, X):
        """X as floats to predict from, or None if that takes a closer look."""
        attributes = attributes_of(self)
        if "_loss" not in attributes:
            return None
        n_features = attributes.get("n_features_in_")
        names = attributes.get("feature_names_in_")
        if type(X) in CSR:
            plain = plain_csr(X, n_features, names)
            if plain is None or plain[1].size < X.indices.size:
                return None
            return X if X.dtype in FLOATS else None
        return plain_rows(X, n_features, names)

    def _together(self, *names):
        """Fitted attributes that belong together, all of the same update.

        Another thread may be learning.
        """
        attributes = attributes_of(self)
        late = attributes.get(LATE)
        if late is not None and names[0] not in attributes:
            return late.weights(attributes, *names)
        try:
            # In one step of the interpreter.
            return operator.itemgetter(*names)(attributes)
        except KeyError:
            late = attributes_of(self).get(LATE)
            if late is None:
                return tuple(getattr(self, name) for name in names)
            return late.weights(attributes_of(self), *names)

    def _further_rows(self, X, y, task, dtype, trusted=False):
        """Checked rows of a stream in the precision of its first ones."""
        attributes = attributes_of(self)
        names = attributes.get("feature_names_in_")
        n_features = attributes["n_features_in_"]
        plain = checked_chunk(X, y, task, n_features, names, trusted)
        X, y = plain or self._checked_data(X, y, reset=False)
        return X.astype(dtype, copy=False), y

    def _weighted_rows(
        self,
        X,
        y,
        sample_weight,
        task,
        loss,
        streaming=False,
        class_weight=None,
        where="",
    ):
        """Rows with encoded targets and the product of sample and class weights.

        `class_weight` takes the place of the parameter of that name, and `where` says
        in which call unseen labels would turn up.
        """
        targets = task.encode(y, where)
        if class_weight is None:
            class_weight = getattr(self, "class_weight", None)
        if streaming and class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all of y, which partial_fit does not "
                "see. Compute the weights with sklearn.utils.class_weight."
                "compute_class_weight('balanced', classes=..., y=...) on a large "
                "enough sample and pass them as a dict."
            )
        if streaming and isinstance(class_weight, dict) and self._takes_new_classes():
            # It may name some that are not there yet.
            known = set(task.classes.tolist())
            class_weight = {k: w for k, w in class_weight.items() if k in known}
        if class_weight is not None:
            weights = np.ones(X.shape[0]) if sample_weight is None else sample_weight
            factors = task.class_weights(class_weight, targets, weights)
            if factors is not None:
                with np.errstate(over="ignore"):
                    sample_weight = weights * factors
                check_sum(sample_weight, "sample_weight times class_weight")
        if streaming and sample_weight is not None:
            sample_weight = weights_as_given(sample_weight)
        rows = Rows.of(X, y, targets, sample_weight)
        if not rows.order.size and not streaming:
            raise ValueError(
                "All sample weights are zero: there is nothing to learn from."
            )
        every = sample_weight is None
        loss.check_target(targets if every else rows.visited_targets())
        return rows

    def _split(self, rows, task, loss, validation, rng, given=None):
        """Training rows and the rows to validate on, or None.

        `given` are the X and y of which `rows` are, as the user passed them.
        """
        X_val, y_val, weights = validation
        if X_val is None and y_val is None:
            if not self.early_stopping:
                return rows, None
            fraction = self.validation_fraction
            labels = task.strata(rows.targets, rows.order, fraction)
            seed = self._split_seed(rows, rng)
            rows, held_out = hold_out(rows, labels, fraction, seed)
            return rows, replace(held_out, given=given)
        if X_val is None or y_val is None:
            raise ValueError("Pass X_val and y_val together, or neither.")
        refuse_foreign(X_val=X_val, y_val=y_val)
        given = X_val, y_val
        X_val, y_val = self._checked_data(X_val, y_val, reset=False)
        X_val = X_val.astype(rows.X.dtype, copy=False)
        weights = check_weights(weights, X_val)
        held_out = self._weighted_rows(
            X_val, y_val, weights, task, loss, where="validation"
        )
        return rows, replace(held_out, given=given)

    def _split_seed(self, rows, rng):
        """Decides which rows are held out: in a warm start those of the last call.

        Others would have been trained on then. Of other rows, and of another fraction,
        new ones are drawn.
        """
        if not self.warm_start:
            return int(rng.integers(2**31))
        table = joblib.hash((rows.X, rows.targets, rows.weights, rows.order))
        key = table, self.validation_fraction
        known, seed = vars(self).get("_split_kept", (None, None))
        if known != key:
            seed = int(rng.integers(2**31))
            self._split_kept = key, seed
        return seed

    # ---- the parts of a run ------------------------------------------------------

    def _first_theta(self, plan, init):
        """Parameters before the first update."""
        theta, plan.theta = plan.theta, None
        for name, value in init.items():
            if value is not None:
                theta = self._with_init(plan.objective.model, theta, name, value)
        # Points of other objectives are all allowed.
        return theta if plan.objective.prox is None else plan.objective.inside(theta)

    def _follow(self, plan, state):
        """Take the state's points along if the plan's coordinates have moved."""
        if plan.objective.model is self._model:
            return
        if plan.objective.model.raw != self._model.raw:
            # Between steps in the units of the columns and in those of lr="auto".
            state.restart(plan.optimizer)
        points = state.points()
        if not plan.optimizer.searches:
            points += plan.optimizer.points(state.vectors)
        for point in points:
            if point.size:
                point[:] = plan.objective.model.translated(point, self._model)

    def _set_start(self, plan, state, init):
        for name, value in init.items():
            if value is not None:
                state.theta[:] = self._with_init(
                    plan.objective.model, state.theta, name, value
                )

    def _starts(self, state):
        """The start and zero: a run has failed if it ends above both."""
        answer = state.answer()
        zero = np.zeros_like(state.theta)
        return [answer.copy(), zero] if answer.any() else [zero]

    def _most_epochs(self, n_rows):
        """Epochs a run over `n_rows` rows may take; None rows are a stream."""
        return self.max_iter

    def _tolerance(self):
        """`tol` as a number, or None."""
        if self.tol != "auto":
            return self.tol
        if self.lr == "auto":
            return TOL
        classes = is_classifier(self)
        return TOL_OF_FIXED_RATES_OF_CLASSES if classes else TOL_OF_FIXED_RATES

    def _limits(self, starts, bound, held_out):
        start = highest(bound.value_of_sample, starts)
        margin = self._tolerance()
        if margin is not None and (held_out is None or self.scoring == "loss"):
            margin = margin * abs(start)
        return Limits(
            self._most_epochs(bound.n_rows),
            margin,
            self.n_iter_no_change,
            start,
            lambda: highest(bound.value_of_all, starts),
        )

    def _validator(self, plan, task, bound, held_out):
        """callable(state) -> (mean loss, score or None, mean loss of training rows).

        Mean losses at the same weights and without the penalty, so that they can be
        compared; that of the training rows is taken from 10,000 of them at most.
        """
        objective = plan.objective
        bound_out = objective.bind(held_out)

        def losses(state):
            theta = state.answer()
            seen = bound.value_of_sample(theta) - objective.penalty(theta)
            return bound_out.mean_loss(theta), seen

        if self.scoring == "loss":

            def judge(state):
                loss, seen = losses(state)
                return loss, None, seen

            return judge
        score_of = scorer_of(self, held_out)

        def judge_by_score(state):
            # Scorers ask an estimator, so this one answers with the current weights.
            self._show(plan, task, state)
            loss, seen = losses(state)
            return loss, score_of(self), seen

        return judge_by_score

    def _step_watcher(self, plan, task):
        """callable(state) that shows each update to the callbacks with an `on_step`.

        scikit-learn's protocol ends at the epoch; a callback that also has
        ``on_step(estimator, step, attributes)`` sees the weights at the start and after
        each update, and as "step_loss" the mean loss of its rows just before it, NaN at
        the start. None without such a callback: then an epoch is one compiled call.
        """
        callbacks = getattr(self, "_skl_callbacks", [])
        watchers = [c.on_step for c in callbacks if hasattr(c, "on_step")]
        if not watchers:
            return None

        def on_step(state, loss=math.nan):
            model = plan.objective.model
            attributes = self._weights_shown(task, model, state.answer())
            attributes["step_loss"] = loss
            for watcher in watchers:
                watcher(self, state.step, attributes)

        return on_step

    def _known_task(self, classes):
        seen = self._task.classes
        if seen is None:  # real targets have none, and need none
            return self._task
        if classes is not None and not np.array_equal(np.unique(classes), seen):
            raise ValueError(
                f"classes={np.unique(classes).tolist()} differ from those of the first "
                f"call, {seen.tolist()}."
            )
        return self._task

    # ---- output ----------------------------------------------------------------

    def _show(self, plan, task, state):
        """Set the attributes that predict looks at."""
        vars(self).update(self._shown(plan, task, state))

    def _shown(self, plan, task, state):
        shown = self._weights_shown(task, plan.objective.model, state.answer())
        shown |= {"_task": task, "_loss": plan.objective.loss}
        if task.classes is not None:
            shown["classes_"] = task.classes
        return shown

    def _weights_shown(self, task, model, theta):
        """The fitted attributes that hold `theta`, by name."""
        return model.attributes(theta, getattr(task, "is_flat", False))

    def _attributes(self, plan, task, state, report):
        """Fitted attributes after the epochs reported."""
        attributes = self._shown(plan, task, state) | report.attributes()
        rates = report.columns.get("lr")
        # The base rate, or the last length that the method found by itself.
        found = plan.optimizer.finds_rate and rates
        attributes |= {"t_": state.step, "lr_": rates[-1] if found else plan.lr}
        if self._tells_gap:
            attributes |= {"gap_": report.gap, "gap_kind_": report.gap_kind}
        return attributes

    def _keep(self, plan, task, state, report):
        """What the estimator is after training."""
        if plan.optimizer.searches:
            state.settle()
        if state.table is None:
            # The last derivatives of rows that nobody will know again.
            state.derivatives = np.empty(0)
        attributes = attributes_of(self)
        for name in ("_quick", "_compact", "_calls", LATE):
            attributes.pop(name, None)
        attributes.update(
            self._attributes(plan, task, state, report),
            _state=state,
            _model=plan.objective.model,
            _checked=self._parameter_values(),
            _made_with=plan.made_with,
        )

    def _theta_shown(self):
        """Parameters that the fitted attributes hold."""
        raise NotImplementedError

    def _remedy(self, plan, bound):
        """What a run that failed because of its rate should have done instead."""
        raise NotImplementedError

    def _stable_rate(self, plan, bound):
        """The largest rate at which plain steps are stable, or None if unknown."""

    def _scores(self, X):
        """Raw scores of checked features, one column per output."""
        raise NotImplementedError

    def _scores_of_each(self, X):
        """The same of each network of an ensemble, or of the only model: a list."""
        return [self._scores(X)]

    def _prepare_next(self, plan, bound, horizon):
        """Prepare calls of partial_fit like the last one, where that pays."""

    def _measures_rows(self):
        """Whether a run starts from the moments of the rows."""
        return self.lr == "auto"

    def _needs_positive_targets(self):
        """Whether the loss bars negative targets; no for one that is not known."""
        loss = self.loss if not isinstance(self.loss, str) else LOSSES.get(self.loss)
        return not getattr(loss, "identity_link", True)

    def _tag_targets(self, tags):
        """Tags of a regressor's targets.

        Several columns are always taken, but scikit-learn's check of them has negative
        targets, so that losses of positive ones do not say so; for them a column is a
        vector, as for scikit-learn's regressors of one target.
        """
        positive = self._needs_positive_targets()
        tags.target_tags.positive_only = positive
        tags.target_tags.multi_output = not positive

    def _as_tagged(self, y):
        """Targets of a regressor as arrays of the shape that its tags promise."""
        if y.ndim == 2 and y.shape[1] == 1 and self._needs_positive_targets():
            return column_or_1d(y, warn=True)
        return y

    def _ends_as_planned(self):
        """Whether the rate is made to arrive at zero in the last epoch."""
        return False

    def _judge(self, report, plan, task, state, bound, starts, start):
        """Warn about a run that failed or did not finish, naming the remedy.

        `start` is the highest objective of a sample of the rows at `starts`.
        """
        if not report.n_epochs and report.stop_reason == "max_iter":
            # Nothing was asked of the run: max_iter=0.
            return
        if not bound.in_memory:
            # The sample may be another by now.
            start = None
        ended = report.stop_reason in ("tol", "converged", "rounding", "max_iter")
        # Where nothing learnt is the minimum, every model is worse than the start.
        ended &= not plan.objective.loss.trivial_minimum
        if ended and self._is_worse(bound, state.answer(), starts, start):
            where = f"in epoch {report.n_epochs}"
            state.restore_parameters(report.best_parameters)
            report.stop_reason = "diverged"
        elif report.stop_reason == "diverged":
            where = f"in epoch {report.n_epochs + 1}"
        vanishing = ""
        if task.classes is None:
            vanishing = vanishing_targets(plan.objective.loss, bound.rows)
        if report.stop_reason == "diverged":
            self._warn_of_divergence(where, plan, task, state, bound, vanishing)
            return
        if vanishing:
            warn_user(vanishing, ConvergenceWarning)
        planned = report.stop_reason == "max_iter" and self._ends_as_planned()
        if report.stop_reason == "tol" or (planned and self.max_iter == "auto"):
            self._warn_if_stuck(plan, task, state, bound)
        tol = self._tolerance()
        measurable = self.lr == "auto" and tol is not None
        if ended and measurable and report.gap_kind is None:
            self._measure_gap(report, plan, state, bound)
        if report.gap_kind is not None:
            self._warn_if_far(report, plan, tol)
            return
        if report.stop_reason != "max_iter" or planned:
            return
        if tol is not None:
            warn_user(
                f"Stopped at max_iter={report.n_epochs} epochs, before the objective "
                f"ceased to improve by tol={tol} of its starting value. Raise "
                "max_iter, or set tol=None to run exactly max_iter epochs.",
                ConvergenceWarning,
            )

    def _is_worse(self, bound, theta, others, known=None):
        """Whether F(theta) is above that of all `others`, by more than rounding.

        What a sample of the rows says is not believed before all rows say the same.
        `known` is the highest objective of the sample at the others, if it is known.
        """

        def over(value, least):
            return not value(theta) <= least + (SLACK - 1.0) * abs(least)

        if known is None:
            known = highest(bound.value_of_sample, others)
        return over(bound.value_of_sample, known) and over(
            bound.value_of_all, highest(bound.value_of_all, others)
        )

    def _measure_gap(self, report, plan, state, bound):
        """Tell the report how far from the minimum a run ended that did not ask."""

    def _warn_if_far(self, report, plan, tol):
        """Warn about a search that ended far from the minimum, by its own gap."""

    def _constant(self, plan, rows):
        """Parameters of the best constant, or None where that says nothing."""

    def _warn_if_stuck(self, plan, task, state, bound):
        """A rate far too small or too large makes no progress and looks converged."""
        constant = self._constant(plan, bound.rows)
        if constant is None or not self._is_worse(bound, state.answer(), [constant]):
            return
        if self.lr == "auto":
            fault = "with lr='auto'", ""
        else:
            stable = self._stable_rate(plan, bound)
            kind = "too small or too large"
            if stable is not None:
                if plan.lr > stable:
                    kind = "too large"
                elif plan.lr < TOO_SMALL * stable:
                    kind = "too small"
            fault = f"with lr={plan.lr:.3g}", f": the rate is {kind}"
        cause = extreme_columns(self, bound.rows) or extreme_targets(task, bound.rows)
        warn_user(
            f"Training stopped making progress {fault[0]} where it predicts worse than "
            f"a constant{fault[1]}. {cause or self._remedy(plan, bound)}",
            ConvergenceWarning,
        )

    def _warn_of_divergence(self, where, plan, task, state, bound, cause=""):
        state.forget_optimizer()
        cause = (
            extreme_columns(self, bound.rows)
            or extreme_targets(task, bound.rows)
            or cause
            or (strong_decay(plan) if self.lr != "auto" else "")
            or self._remedy(plan, bound)
        )
        warn_user(
            f"Training diverged {where} with lr={plan.lr:.3g}; the best finite weights "
            f"were kept. {cause}",
            DivergenceWarning,
        )

    def _warn_if_infinite(self, rows):
        """A log link turns scores that the loss can bear into infinite predictions."""
        if self._task.classes is not None or self._loss.identity_link:
            return
        n_infinite = 0
        for start in range(0, rows.order.size, PREDICTED_ROWS):
            X = rows.X[rows.order[start : start + PREDICTED_ROWS]]
            with np.errstate(all="ignore"):
                finite = np.isfinite(self._loss.inverse_link(self._scores(X)))
            n_infinite += int((~finite.reshape(len(finite), -1).all(axis=1)).sum())
        if n_infinite:
            warn_user(
                f"The predictions for {n_infinite} of {rows.order.size} training rows "
                "are infinite: the exponential of their scores overflows. Scale or "
                "transform features with a few very large values, raise alpha, or "
                "lower lr.",
                ConvergenceWarning,
            )


def _same_bits(vector, other):
    """Whether two vectors are the same, the signs of zeros included."""
    same = vector.dtype == other.dtype and vector.shape == other.shape
    return same and vector.tobytes() == other.tobytes()
