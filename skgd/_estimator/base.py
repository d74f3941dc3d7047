"""What all estimators share: checking input, fit and partial_fit, what is kept.

Subclasses say what y means, which model maps theta to scores, and how theta is shown
to the user. The loop itself lives in ``_training/loop.py``.
"""

import functools

import numpy as np
from sklearn.base import BaseEstimator, _fit_context, is_classifier
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.utils.validation import _num_samples

from skgd._input.chunks import checked_chunk
from skgd._input.random import generator
from skgd._input.rows import Rows, hold_out
from skgd._input.validation import check_weights, refuse_foreign, validate_given
from skgd._input.warnings import warn_user
from skgd._stream.fit_batches import fit_batches
from skgd._stream.source import Source
from skgd._training.loop import DivergenceWarning, Limits, train
from skgd._training.state import State
from skgd.losses import get_loss
from skgd.optimizers import get_optimizer
from skgd.schedules import get_schedule

# Rows of a batch where none is asked for.
AUTO_BATCH_SIZE = 64

# How far above the start the objective may end before the run counts as failed.
SLACK = 1.001

# How far above `tol` the gap to the minimum may be before a fit warns of it.
GAP_SLACK = 10.0


class BaseGD(CallbackSupportMixin, BaseEstimator):
    """Training by gradient descent, whatever the model and the task.

    Subclasses provide

    - ``_checked_data(X, y, reset)``: X and y as scikit-learn validates them;
    - ``_new_task(y, classes)``: a task of ``skgd._input.targets``;
    - ``_plan(task, loss, rows, model, streaming)``: the parts of a run, for the model
      of an earlier call or a new one;
    - ``_start_theta(plan, rows, rng)``: parameters at the start;
    - ``_with_init(model, theta, name, value)``: theta with a user's starting value;
    - ``_penalty_strengths()``: (l1, l2);
    - ``_weights_shown(task, model, theta)``: the fitted attributes that hold theta.
    """

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
        before = vars(self).copy()
        try:
            return fit_batches(
                self,
                Source(batches, target),
                classes,
                (X_val, y_val, sample_weight_val),
                shuffle_rows,
                n_ahead,
            )
        except BaseException:
            self._go_back(before)
            raise

    def _go_back(self, before):
        """The attributes as they were, but for those of callbacks under way."""
        under_way = {k: v for k, v in vars(self).items() if "_callback" in k}
        vars(self).clear()
        vars(self).update(before | under_way)

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
        refuse_foreign(X=X, y=y, sample_weight=sample_weight)
        resumed = self.warm_start and hasattr(self, "_state")
        X, y = self._checked_data(X, y, reset=not resumed)
        weights = check_weights(sample_weight, X)
        task = self._task if resumed else self._new_task(y, None)
        loss = get_loss(self.loss, task.name)
        rng = self._state.rng if resumed else generator(self.random_state)

        rows = self._weighted_rows(X, y, weights, task, loss)
        rows, held_out = self._split(rows, task, loss, validation, rng)
        rows = rows.with_mean_weight_one()

        plan = self._plan(task, loss, rows, self._model if resumed else None)
        if resumed:
            state = self._state.resumed(plan.optimizer, plan.averaging)
            state = state.with_own_stream()
            self._follow(plan, state)
            self._set_start(plan, state, init)
        else:
            theta = self._first_theta(plan, rows, init, rng)
            state = State.start(theta, plan.optimizer, plan.averaging, rng)

        data = {"X": X, "y": y, "metadata": {"sample_weight": sample_weight}}
        with plan.blas_threads():
            return self._run(plan, task, state, plan.bind(rows), held_out, data)

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
        start = self._objective_at_start(bound, state)
        limits = self._limits(start, held_out, bound.n_rows)
        validate = None
        if held_out is not None:
            validate = self._validator(plan, task, held_out)

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
        )
        if report.stop_reason != "diverged":
            plan.finish(bound, state)
        self._judge(report, plan, state, bound, start)
        self._keep(plan, task, state, report)
        context.call_on_fit_task_end(
            estimator=self, **data, reconstruction_attributes={}
        )
        return self

    def _partial_fit(self, X, y, sample_weight, classes):
        """One pass over the rows, in the order given; no change in case of an error."""
        before = vars(self).copy()
        try:
            return self._one_pass(X, y, sample_weight, classes)
        except BaseException:
            self._go_back(before)
            raise

    def _one_pass(self, X, y, sample_weight, classes):
        refuse_foreign(X=X, y=y, sample_weight=sample_weight)
        if get_optimizer(self.optimizer).keeps_derivatives:
            raise ValueError(
                "optimizer='saga' keeps a number for each row and needs all rows in "
                "fit; partial_fit sees each row once. Use another optimizer."
            )
        if self.early_stopping:
            raise ValueError(
                "partial_fit cannot hold out rows, because it does not see all of "
                "them: set early_stopping=False, or score a validation set yourself "
                "between the calls."
            )
        first = not hasattr(self, "_state")
        if not first and _num_samples(X) == 0:
            return self
        if first:
            X, y = self._checked_data(X, y, reset=True)
        else:
            X, y = self._further_rows(X, y, self._task, self._model.dtype)
        weights = check_weights(sample_weight, X)
        known = hasattr(self, "_task")
        if not known and classes is None and is_classifier(self) and y.ndim == 1:
            raise ValueError(
                "The first call of partial_fit must name all classes there will ever "
                f"be; those of this call are classes={np.unique(y).tolist()}."
            )
        task = self._known_task(classes) if known else self._new_task(y, classes)
        loss = get_loss(self.loss, task.name)
        rows = self._weighted_rows(X, y, weights, task, loss, streaming=True)
        if not len(rows):
            # The classes named in a first call hold for the stream.
            self._task = task
            return self

        model = None if first else self._model
        plan = self._plan(task, loss, rows, model, streaming=True)
        if first:
            rng = generator(self.random_state)
            theta = self._first_theta(plan, rows, {}, rng)
            state = State.start(theta, plan.optimizer, plan.averaging, rng)
        else:
            state = self._state.resumed(plan.optimizer, plan.averaging)
            self._follow(plan, state)
        plan.shuffle = False
        bound = plan.bind(rows)
        horizon = self._most_epochs(None)
        with plan.blas_threads():
            # A small chunk may be fitted perfectly, so that any step looks bad.
            start = self._objective_at_start(bound, state)
            if np.isfinite(start):
                state.highest = max(state.highest, start)
            limits = Limits(1, None, 1, state.highest)
            report = train(plan.epoch(bound, horizon), state, limits)
        self._warn_if_diverged(report, plan, state, bound)
        if not plan.schedule.watches_losses:
            # A stream may have no end, and nobody will ask for them.
            state.losses = []
        self._keep(plan, task, state, report)
        if sample_weight is None:
            self._prepare_next(plan, bound, horizon)
        return self

    def __getstate__(self):
        """Without what the next call of partial_fit would prepare again."""
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_quick"}

    # ---- input -----------------------------------------------------------------

    def _further_rows(self, X, y, task, dtype, trusted=False):
        """Checked rows of a stream in the precision of its first ones."""
        plain = checked_chunk(self, X, y, task, dtype, trusted)
        X, y = plain or self._checked_data(X, y, reset=False)
        return X.astype(dtype, copy=False), y

    def _weighted_rows(
        self, X, y, sample_weight, task, loss, streaming=False, class_weight=None
    ):
        """Rows with encoded targets and the product of sample and class weights.

        `class_weight` takes the place of the parameter of that name.
        """
        targets = task.encode(y)
        if class_weight is None:
            class_weight = getattr(self, "class_weight", None)
        if streaming and class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all of y, which partial_fit does not "
                "see. Compute the weights with sklearn.utils.class_weight."
                "compute_class_weight('balanced', classes=..., y=...) on a large "
                "enough sample and pass them as a dict."
            )
        if class_weight is not None:
            weights = np.ones(X.shape[0]) if sample_weight is None else sample_weight
            factors = task.class_weights(class_weight, targets, weights)
            if factors is not None:
                sample_weight = weights * factors
        rows = Rows.of(X, y, targets, sample_weight)
        if not len(rows) and not streaming:
            raise ValueError(
                "All sample weights are zero: there is nothing to learn from."
            )
        loss.check_target(rows.visited_targets())
        return rows

    def _split(self, rows, task, loss, validation, rng):
        """Training rows and the rows to validate on, or None."""
        X_val, y_val, weights = validation
        if X_val is None and y_val is None:
            if not self.early_stopping:
                return rows, None
            labels = task.labels(rows.targets)
            return hold_out(rows, labels, self.validation_fraction, rng)
        if X_val is None or y_val is None:
            raise ValueError("Pass X_val and y_val together, or neither.")
        refuse_foreign(X_val=X_val, y_val=y_val)
        X_val, y_val = self._checked_data(X_val, y_val, reset=False)
        X_val = X_val.astype(rows.X.dtype, copy=False)
        weights = check_weights(weights, X_val)
        return rows, self._weighted_rows(X_val, y_val, weights, task, loss)

    # ---- the parts of a run ------------------------------------------------------

    def _rule_and_schedule(self):
        """Optimizer and schedule as objects, their hyper-parameters checked."""
        optimizer = get_optimizer(self.optimizer)
        schedule = get_schedule(self.lr_schedule)
        validate_given(optimizer, self.optimizer)
        validate_given(schedule, self.lr_schedule)
        return optimizer, schedule

    def _first_theta(self, plan, rows, init, rng):
        """Parameters before the first update."""
        theta = self._start_theta(plan, rows, rng)
        for name, value in init.items():
            if value is not None:
                theta = self._with_init(plan.model, theta, name, value)
        return theta

    def _follow(self, plan, state):
        """Take the state's points along if the plan's coordinates have moved."""
        if plan.model is self._model:
            return
        for point in state.points() + plan.optimizer.points(state.vectors):
            if point.size:
                point[:] = plan.model.translated(point, self._model)

    def _set_start(self, plan, state, init):
        for name, value in init.items():
            if value is not None:
                state.theta[:] = self._with_init(plan.model, state.theta, name, value)

    def _objective_at_start(self, bound, state):
        """F at the start or at zero, whichever is larger, on the first rows."""
        at_zero = bound.value_at_head(np.zeros_like(state.theta))
        answer = state.answer()
        return max(bound.value_at_head(answer), at_zero) if answer.any() else at_zero

    def _most_epochs(self, n_rows):
        """Epochs a run over `n_rows` rows may take; None rows are a stream."""
        return self.max_iter

    def _limits(self, start, held_out, n_rows):
        margin = self.tol
        if margin is not None and (held_out is None or self.scoring == "loss"):
            margin = margin * abs(start)
        most = self._most_epochs(n_rows)
        return Limits(most, margin, self.n_iter_no_change, start)

    def _validator(self, plan, task, held_out):
        """callable(state) -> (mean loss, score or None) on the held-out rows."""
        bound = plan.objective.bind(held_out)
        if self.scoring == "loss":
            return lambda state: (bound.mean_loss(state.answer()), None)
        scorer = check_scoring(self, scoring=self.scoring)
        X, y = held_out.X[held_out.order], held_out.y[held_out.order]
        weights = held_out.visited_weights()

        def validate(state):
            # Scorers ask an estimator, so this one answers with the current weights.
            self._show(plan, task, state)
            score = scorer(self, X, y, sample_weight=weights)
            return bound.mean_loss(state.answer()), float(score)

        return validate

    def _step_watcher(self, plan, task):
        """callable(state) that shows each update to the callbacks with an `on_step`.

        scikit-learn's protocol ends at the epoch; a callback that also has
        ``on_step(estimator, step, attributes)`` sees the weights at the start and after
        each update. None without such a callback: then an epoch is one compiled call.
        """
        callbacks = getattr(self, "_skl_callbacks", [])
        watchers = [c.on_step for c in callbacks if hasattr(c, "on_step")]
        if not watchers:
            return None

        def on_step(state):
            attributes = self._weights_shown(task, plan.model, state.answer())
            for watcher in watchers:
                watcher(self, state.step, attributes)

        return on_step

    def _known_task(self, classes):
        seen = self._task.classes
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
        shown = self._weights_shown(task, plan.model, state.answer())
        shown |= {"_task": task, "_loss": plan.objective.loss}
        if task.classes is not None:
            shown["classes_"] = task.classes
        return shown

    def _attributes(self, plan, task, state, report):
        """Fitted attributes after the epochs reported."""
        attributes = self._shown(plan, task, state)
        history = report.history()
        attributes |= {
            "n_iter_": report.n_epochs,
            "t_": state.step,
            "lr_": plan.rate_used(report["lr"]),
            "history_": history,
            "loss_curve_": list(report["loss"]),
            "best_loss_": min(report["loss"], default=np.inf),
            "best_epoch_": report.best_epoch,
            "stop_reason_": report.stop_reason,
        }
        scores = list(report["validation_score"])
        if report.gap is not None:
            attributes |= {"gap_": report.gap, "gap_kind_": report.gap_kind}
        if report["validation_loss"]:
            scores = scores or [-loss for loss in report["validation_loss"]]
            attributes["validation_scores_"] = scores
            attributes["best_validation_score_"] = max(scores)
        return attributes

    def _keep(self, plan, task, state, report):
        """What the estimator is after training."""
        for name in (
            "validation_scores_",
            "best_validation_score_",
            "_quick",
            "gap_",
            "gap_kind_",
        ):
            vars(self).pop(name, None)
        vars(self).update(self._attributes(plan, task, state, report))
        self._state, self._model = state, plan.model

    def _rate_advice(self, plan, bound):
        """What a diverged run should have done instead."""
        raise NotImplementedError

    def _prepare_next(self, plan, bound, horizon):
        """Prepare calls of partial_fit like the last one, where that pays."""

    def _measures_rows(self):
        """Whether a run starts from the moments of the rows."""
        return self.lr == "auto"

    def _ends_as_planned(self):
        """Whether the rate is made to arrive at zero in the last epoch."""
        return False

    def _judge(self, report, plan, state, bound, start):
        """Warn about a run that failed or did not finish, naming the remedy."""
        finished = report.stop_reason in ("tol", "max_iter") and start > 0
        if finished and bound.value_at_head(state.answer()) > SLACK * start:
            state.restore_parameters(report.best_parameters)
            report.stop_reason = "diverged"
        self._warn_if_diverged(report, plan, state, bound)
        if report.stop_reason == "tol":
            self._warn_if_stuck(plan, state, bound)
        if report.stop_reason != "max_iter" or self._ends_as_planned():
            return
        if self.tol is not None and report.gap is not None:
            if report.gap > GAP_SLACK * self.tol:
                warn_user(
                    f"Stopped at max_iter={report.n_epochs} epochs, with "
                    f"{report.gap:.2g} of what the best constant leaves still to be "
                    f"gained; tol={self.tol} was asked for. Raise max_iter, or tol.",
                    ConvergenceWarning,
                )
        elif self.tol is not None:
            warn_user(
                f"Stopped at max_iter={report.n_epochs} epochs, before the objective "
                f"ceased to improve by tol={self.tol} of its starting value. Raise "
                "max_iter, or set tol=None to run exactly max_iter epochs.",
                ConvergenceWarning,
            )

    def _constant(self, plan, rows):
        """Parameters of the best constant, or None where that says nothing."""

    def _warn_if_stuck(self, plan, state, bound):
        """A rate far too small or too large makes no progress and looks converged."""
        constant = self._constant(plan, bound.rows)
        if constant is None:
            return
        reached = bound.value_at_head(state.answer())
        if reached > SLACK * bound.value_at_head(constant):
            warn_user(
                f"Training stopped making progress with lr={plan.lr:.3g} where it "
                "predicts worse than a constant: the rate is too small or too large. "
                f"{self._rate_advice(plan, bound)}",
                ConvergenceWarning,
            )

    def _warn_if_diverged(self, report, plan, state, bound):
        if report.stop_reason != "diverged":
            return
        state.forget_optimizer()
        warn_user(
            f"Training diverged in epoch {report.n_epochs + 1} with lr={plan.lr:.3g}; "
            f"the best finite weights were kept. {self._rate_advice(plan, bound)}",
            DivergenceWarning,
        )
