"""GDRegressor and GDClassifier: linear models trained by gradient descent.

What distinguishes them is the task and the shape of the answer; training is shared.
"""

from typing import Any, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.special import softmax
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.callback import with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from skgd._estimator import parameters as _parameters
from skgd._estimator.base import AUTO_BATCH_SIZE, BaseGD
from skgd._estimator.causes import need_scaling, warn_of_unusable
from skgd._estimator.parameters import with_parameters
from skgd._estimator.transaction import all_or_nothing
from skgd._input.columns import usable_moments
from skgd._input.moments import Moments, Seen
from skgd._input.sparse import sound
from skgd._input.targets import Classification, Regression
from skgd._input.validation import (
    FLOATS,
    check_start,
    check_weights,
    refuse_foreign,
    validate_given,
)
from skgd._input.warnings import warn_user
from skgd._linear.automatic import (
    IMPLICIT_STEP,
    SEARCHING,
    choose,
    dual_ascent_pays,
    dual_kind,
    spread_of_most,
    target_spread,
)
from skgd._linear.evidence import gap_at
from skgd._linear.model import REFRESH, LinearModel
from skgd._linear.prepared_update import prepared, quickly
from skgd._linear.step_size import (
    centred_coordinates,
    centring_pays,
    exact_scale,
    loss_curvature,
    smoothness,
)
from skgd._training.dual import DualAscent
from skgd._training.full_gradient import FullGradientDescent
from skgd._training.implicit import ImplicitAdaGrad
from skgd._training.objective import Objective, best_constants
from skgd._training.plan import Plan, rows_per_update
from skgd._training.proximal import Proximal
from skgd._training.state import Averaging
from skgd.losses import get_loss, loss_names
from skgd.optimizers import GD, OPTIMIZERS, get_optimizer
from skgd.penalties import get_penalty, penalty_strengths
from skgd.schedules import Constant, get_schedule

# Up to this many rows a full gradient costs about as much as the bookkeeping of an
# epoch.
SMALL_TABLE = 1024

# Up to this many rows a search along full gradients, where there is one, takes less
# time to the last digits than noisy steps take to the third.
SEARCHED_TABLE = 16_384


# A fit that may be so many times `tol` away from the minimum says so.
FAR = 10.0

# A column of sparse rows is named whose mean is so many of its standard deviations.
FAR_FROM_ZERO = 10.0


class LinearGD(BaseGD):
    """The linear model of both estimators: coef_, intercept_ and raw scores."""

    _estimates_classes = False

    @all_or_nothing
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        coef_init: ArrayLike | None = None,
        intercept_init: ArrayLike | None = None,
        X_val: Any = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train for up to `max_iter` epochs.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Features. float32 stays float32; sparse input stays sparse.
        y : array-like of shape (n_samples,), or (n_samples, n_targets) for a regressor
            Targets or labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights. They are scaled to mean 1, and rows of weight zero
            are dropped first, so scaling all of them changes nothing.
        coef_init, intercept_init : array-like, default=None
            Where to start, in the shapes of `coef_` and `intercept_`. By default from
            zero, with the best constant as intercept under ``lr="auto"``.
        X_val, y_val, sample_weight_val : array-like, default=None
            Rows to judge the weights by, as in `early_stopping`, without taking any
            from X.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For input the loss, the task or the model cannot use.
        TypeError
            For arrays of other libraries, which would have to be downloaded first.
        """
        init = {"coef_init": coef_init, "intercept_init": intercept_init}
        return self._fit(X, y, sample_weight, init, (X_val, y_val, sample_weight_val))

    def _plan(self, task, loss, rows, model, streaming=False):
        """Objective, rule and rate for the rows."""
        validate_given(loss, self.loss)
        optimizer, schedule = self._rule_and_schedule()
        step_is_free = not streaming and self._step_is_free(schedule)
        single = self._takes_single_rows(optimizer, schedule)
        if single and streaming and sparse.issparse(rows.X):
            return self._implicit_plan(task, loss, rows, model, schedule)
        if step_is_free and self._takes_duals(task, loss, rows, optimizer):
            return self._dual_plan(task, loss, rows, schedule)
        searches = step_is_free and type(optimizer) in SEARCHING and loss.smooth
        searches |= (
            step_is_free
            and type(optimizer) is GD
            and bool(loss.residual_slopes())
            and self._is_elastic_net()
        )
        batch_size = self._rows_per_update(len(rows), streaming, searches)
        first_updates = None
        if searches and self._starts_with_updates(optimizer, loss, batch_size):
            first_updates = batch_size
        averaging, lr = Averaging(start=int(self.average)), self.lr
        last_step, guarded = None, False
        self._check_penalty(rows.X.shape[1])
        softmax = task.n_outputs > 1 and loss.softmax
        automatic = self.lr == "auto"
        if automatic:
            model, curvature = self._automatic_model(
                task, loss, softmax, rows, model, batch_size, streaming
            )
        elif model is None or not model.raw:
            model = self._new_model(task, rows)
        objective = self._objective(model, loss, softmax)
        constant = None
        if automatic and not streaming:
            constant = self._constant_theta(objective, rows)
        if automatic:
            optimizer, lr, averaging, last_step, guarded = choose(
                objective,
                optimizer,
                rows,
                model.moments,
                batch_size,
                spread=model.seen.spread,
                curvature=curvature,
                line_search=step_is_free
                and (batch_size == len(rows) or first_updates is not None),
                average=self.average,
                tol=self.tol,
                constant=constant,
                first_updates=first_updates,
                shuffle=self.shuffle,
            )
            if first_updates is not None:
                batch_size = len(rows)
        return Plan(
            objective=objective,
            optimizer=optimizer,
            schedule=schedule,
            solver=self.solver,
            batch_size=batch_size,
            lr=float(lr),
            averaging=averaging,
            clip_norm=self.clip_norm,
            shuffle=self.shuffle,
            last_step=last_step,
            n_jobs=effective_n_jobs(self.n_jobs),
            constant=constant,
            guarded=guarded and not streaming,
        )

    def _takes_single_rows(self, optimizer, schedule):
        """Whether what was asked for leaves room for implicit steps of single rows."""
        return (
            self.lr == "auto"
            and type(optimizer) is GD
            and self._step_is_free(schedule)
            and self._is_elastic_net()
            and not any(map(np.ndim, self._penalty_strengths()))
            and (
                self.solver == "sgd"
                or (self.solver == "minibatch" and self.batch_size == "auto")
            )
        )

    def _implicit_plan(self, task, loss, rows, model, schedule):
        """The parts of a call of partial_fit on sparse rows."""
        softmax = task.n_outputs > 1 and loss.softmax
        seen = None
        if model is not None and model.raw and model.seen is not None:
            seen = model.seen
        targets = Moments.empty(rows.targets.shape[1])
        if seen is not None:
            targets = seen.targets.copy()
        targets.update(rows.targets, rows.weights, rows.order)
        model = model if model is not None and model.raw else None
        model = (model or self._new_model(task, rows)).having_seen(
            Seen(None, targets, target_spread(task, loss, targets))
        )
        strengths = self._penalty_strengths()
        objective = self._objective(model, loss, softmax)
        spread = model.seen.spread
        scale = 1.0 if loss.curvature is None else loss.curvature * spread
        return Plan(
            objective=objective,
            optimizer=ImplicitAdaGrad(
                IMPLICIT_STEP * spread,
                "softmax" if softmax else "smooth",
                0.5,
                strengths,
                (0.5 * scale) ** 2,
            ),
            schedule=schedule,
            solver="sgd",
            batch_size=1,
            lr=1.0,
            averaging=Averaging(),
            clip_norm=None,
            shuffle=False,
        )

    def _takes_duals(self, task, loss, rows, optimizer):
        """Whether nothing that was asked for forbids dual ascent, and it pays."""
        return self._takes_single_rows(
            optimizer, get_schedule(self.lr_schedule)
        ) and dual_ascent_pays(rows, loss, task.n_outputs > 1 and loss.softmax)

    def _dual_plan(self, task, loss, rows, schedule):
        """The parts of a run of dual ascent, in the units of the features."""
        softmax = task.n_outputs > 1 and loss.softmax
        model = self._new_model(task, rows)
        strengths = self._penalty_strengths()
        objective = self._objective(model, loss, softmax)
        targets = rows.visited_targets()
        spread = 1.0
        if loss.curvature is None:
            moments = Moments.empty(targets.shape[1])
            moments.update(targets, rows.visited_weights())
            spread = target_spread(task, loss, moments)
        curvature = loss_curvature(
            loss, softmax, targets, rows.visited_weights(), spread
        )
        constant = self._constant_theta(objective, rows)

        def search():
            scaled, curvature = self._automatic_model(
                task, loss, softmax, rows, None, len(rows), False
            )
            objective = self._objective(scaled, loss, softmax)
            choice = choose(
                objective,
                GD(),
                rows,
                scaled.moments,
                len(rows),
                spread=scaled.seen.spread,
                curvature=curvature,
                line_search=True,
                average=False,
                tol=self.tol,
                constant=self._constant_theta(objective, rows),
            )
            return objective, choice.optimizer

        ascent = DualAscent(
            curvature,
            dual_kind(loss, softmax),
            strengths,
            self.tol,
            self.shuffle,
            constant,
            search if loss.smooth else None,
        )
        return Plan(
            objective=objective,
            optimizer=ascent,
            schedule=schedule,
            solver="batch",
            batch_size=len(rows),
            lr=1.0,
            averaging=Averaging(),
            clip_norm=None,
            shuffle=self.shuffle,
            n_jobs=effective_n_jobs(self.n_jobs),
            constant=constant,
        )

    def _rows_per_update(self, n_rows, streaming, searches):
        """All rows of a small table under lr="auto": see `batch_size`."""
        most = SEARCHED_TABLE if searches else SMALL_TABLE
        if searches and np.any(self._penalty_strengths()[0]):
            most = n_rows
        small = n_rows <= most and self.lr == "auto" and not streaming
        auto = n_rows if small else AUTO_BATCH_SIZE
        return rows_per_update(self.solver, self.batch_size, n_rows, auto)

    def _starts_with_updates(self, optimizer, loss, batch_size):
        """Whether a search along full gradients starts from updates of few rows.

        On a large table, where two epochs of those come near the minimum; not under an
        l1 penalty, because their mean has no zeros.
        """
        return (
            type(optimizer) is GD
            and self.lr == "auto"
            and self.solver == "minibatch"
            and self.batch_size == "auto"
            and batch_size == AUTO_BATCH_SIZE
            and not loss.trivial_minimum
            and self._is_elastic_net()
            and not np.any(self._penalty_strengths()[0])
        )

    def _step_is_free(self, schedule):
        """Whether nothing that was asked for rules the step."""
        return (
            not self.average and self.clip_norm is None and type(schedule) is Constant
        )

    def _automatic_model(self, task, loss, softmax, rows, model, batch_size, streaming):
        """The model in centred and scaled coordinates, and the curvature of the loss.

        Coordinates made in an earlier call are kept by a warm start, and in a stream
        until there are a tenth more rows.
        """
        seen = Seen.after(rows, model.seen if model is not None and streaming else None)
        kept = (
            model is not None
            and model.scale is not None
            and (
                not streaming or seen.features.weight <= REFRESH * model.moments.weight
            )
        )
        if not (kept and streaming):
            seen.spread = target_spread(task, loss, seen.targets)
            if not streaming:
                seen.spread = spread_of_most(loss, rows, seen.spread)
        curvature = loss_curvature(
            loss, softmax, rows.visited_targets(), rows.visited_weights(), seen.spread
        )
        if not kept:
            centre = self.fit_intercept and centring_pays(rows.X, batch_size)
            ridge = self._penalty_strengths()[1] / curvature
            moments, *unusable = usable_moments(seen.features, rows, rows.X.dtype)
            warn_of_unusable(self, *unusable)
            updates = streaming or batch_size < len(rows)
            mean, scale = centred_coordinates(
                moments, ridge, centre, batch_size if updates else None
            )
            penalty = get_penalty(self.penalty, self.l1_ratio)
            if penalty is not None and penalty.indicator:
                scale = exact_scale(scale)
            model = self._new_model(task, rows, mean, scale, moments)
        return model.having_seen(seen), curvature

    def _new_model(self, task, rows, mean=None, scale=None, moments=None):
        return LinearModel(
            rows.X.shape[1],
            task.n_outputs,
            rows.X.dtype,
            self.fit_intercept,
            mean,
            scale,
            moments,
        )

    def _fixed_parameters(self, task):
        return {"fit_intercept": bool(self.fit_intercept)}

    def _penalty_strengths(self):
        return penalty_strengths(self.penalty, self.alpha, self.l1_ratio)

    def _check_penalty(self, n_features):
        """Raise an error if the penalty fits neither the features nor the rate."""
        penalty = get_penalty(self.penalty, self.l1_ratio)
        if penalty is None:
            return
        validate_given(penalty, self.penalty)
        if penalty is self.penalty:
            penalty.check(n_features)
        if self.lr == "auto" and not penalty.convex:
            raise ValueError(
                f"penalty={penalty!r} is not convex, and lr='auto' finds its steps for "
                "convex objectives only. Pass lr as a float, below "
                "1 / (largest curvature of the loss), on scaled features."
            )

    def _is_elastic_net(self):
        """Whether the penalty, if there is one, is known by its two strengths."""
        penalty = get_penalty(self.penalty, self.l1_ratio)
        return penalty is None or penalty.elastic_net(self.alpha) is not None

    def _objective(self, model, loss, softmax):
        """The objective in the coordinates of a model."""
        penalty = get_penalty(self.penalty, self.l1_ratio)
        l1, l2 = self._penalty_strengths()
        prox = None
        if not self._is_elastic_net():
            prox = Proximal(penalty, self.alpha, model)
        uniform = np.ndim(l1) == 0
        weights = model.penalty_weights(l1, l2)
        return Objective(model, loss, softmax, *weights, prox, uniform)

    def _start_theta(self, plan, rows, rng):
        """Zero, with the best constant as intercept under lr="auto"."""
        model = plan.model
        if self.lr != "auto":
            return np.zeros(model.size, model.dtype)
        theta = plan.constant
        if theta is None:
            theta = self._constant_theta(plan.objective, rows)
        theta = theta.copy()
        if plan.optimizer.normalises and self.fit_intercept:
            # At the best constant the gradient of the intercept is rounding, which
            # such a rule would blow up to a step: begin one step away.
            theta[model.n_weights :] += plan.lr
        return theta

    def _constant_theta(self, objective, rows):
        """Parameters of the best constant; zero without an intercept."""
        model = objective.model
        theta = np.zeros(model.size, model.dtype)
        if self.fit_intercept:
            theta[model.n_weights :] = best_constants(objective, rows)
        return objective.inside(theta)

    def _constant(self, plan, rows):
        if not self.fit_intercept or plan.objective.loss.trivial_minimum:
            return None
        if plan.constant is not None:
            return plan.constant
        return self._constant_theta(plan.objective, rows)

    def _first_theta(self, plan, rows, init, rng):
        return plan.objective.inside(super()._first_theta(plan, rows, init, rng))

    def _set_start(self, plan, state, init):
        super()._set_start(plan, state, init)
        for point in state.points():
            if point.size:
                point[:] = plan.objective.inside(point)

    def _with_init(self, model, theta, name, value):
        coef, intercept = model.coefficients(theta)
        if name == "coef_init":
            coef = check_start(value, (model.n_outputs, model.n_features), name)
        else:
            intercept = check_start(value, (model.n_outputs,), name)
        return model.theta(coef, intercept)

    def _attributes(self, plan, task, state, report):
        attributes = super()._attributes(plan, task, state, report)
        return attributes | {"gap_": report.gap, "gap_kind_": report.gap_kind}

    def _measure_gap(self, report, plan, state, bound):
        """Of updates of few rows, with a last look at all of them."""
        if self.lr != "auto" or self.tol is None or report["validation_loss"]:
            return
        if plan.objective.loss.trivial_minimum or not self._step_is_free(plan.schedule):
            return
        constant = self._constant(plan, bound.rows)
        if constant is None:
            constant = np.zeros(plan.model.size, plan.model.dtype)
        found = gap_at(bound, state.answer(), constant)
        if found is not None:
            report.gap, report.gap_kind = found

    def _warn_if_far(self, report, plan):
        """Of a search that could not come closer, and what kept it from that."""
        rounding = float(np.sqrt(np.finfo(plan.model.dtype).eps))
        far = self.tol is not None and not report.gap <= max(FAR * self.tol, rounding)
        if not far or report.stop_reason not in ("max_iter", "rounding", "tol"):
            return
        # Only a bound is sure: the estimate of a search that is under way can be wrong.
        sure = "by" if report.gap_kind == "bound" else "by about"
        left = (
            f"the objective can be above its minimum {sure} {report.gap:.1g} of what "
            f"the best constant leaves to gain, more than tol={self.tol}"
        )
        if report.stop_reason == "rounding":
            warn_user(
                f"The search ended in rounding errors: {left}. Some columns cannot be "
                f"told apart in {plan.model.dtype}: drop the copies among them, take "
                "their difference, or subtract what they have in common.",
                ConvergenceWarning,
            )
            return
        searched = isinstance(plan.optimizer, (FullGradientDescent, DualAscent))
        if report.stop_reason == "tol" or not searched:
            self._warn_of_noise(report, plan, left)
            return
        advice = "Raise max_iter."
        separable = (
            plan.objective.loss.least == 0.0
            and not plan.objective.loss.residual_slopes()
        )
        if (
            self._estimates_classes
            and separable
            and not any(map(np.any, self._penalty_strengths()))
        ):
            advice = (
                "Where the classes can be separated there is no minimum without a "
                "penalty: set penalty='l2' and alpha above zero, or raise max_iter."
            )
        warn_user(
            f"Stopped at max_iter={report.n_epochs} epochs: {left}. {advice}",
            ConvergenceWarning,
        )

    def _warn_of_noise(self, report, plan, left):
        """Steps from few rows, or by another rule, did not come close enough."""
        where = "made no more progress"
        if report.stop_reason == "max_iter":
            where = f"stopped at max_iter={report.n_epochs} epochs"
        remedies = []
        if self.solver == "sgd":
            remedies.append("solver='batch', or the default solver='minibatch'")
        elif self.solver == "minibatch" and self.batch_size != "auto":
            remedies.append("solver='batch', or batch_size='auto'")
        if type(get_optimizer(self.optimizer)) is not GD:
            remedies.append("optimizer='gd'")
        advice = "Raise max_iter."
        if remedies:
            advice = f"Use {', with '.join(remedies)}, to search for the minimum."
        cause = ""
        centred = plan.model.mean is not None and plan.model.mean.any()
        if self.fit_intercept and not centred and plan.model.moments is not None:
            cause = self._far_from_zero(plan.model.moments)
        warn_user(f"Training {where}, but {left}. {cause}{advice}", ConvergenceWarning)

    def _far_from_zero(self, moments):
        """Name the column of sparse rows that wants centring most."""
        with np.errstate(all="ignore"):
            far = np.abs(moments.mean) / np.sqrt(moments.variance)
        far = np.where(np.isfinite(far), far, 0.0)
        worst = int(np.argmax(far))
        if far[worst] < FAR_FROM_ZERO:
            return ""
        names = getattr(self, "feature_names_in_", None)
        name = worst if names is None else repr(names[worst])
        return (
            f"Column {name} varies by {np.sqrt(moments.variance[worst]):.2g} around "
            f"{moments.mean[worst]:.2g}, and sparse rows are not centred: subtract "
            "its mean, or pass a dense array. "
        )

    def _raw_scores(self, X):
        """The scores of features as the user gave them."""
        check_is_fitted(self, "coef_")
        refuse_foreign(X=X)
        X = validate_data(
            self, sound(X), accept_sparse="csr", dtype=FLOATS, reset=False
        )
        return self._scores(X)

    def gradient(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[float, Any, Any]:
        """Objective and its gradient at `coef_` and `intercept_`.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Labels or targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, scaled to mean 1.

        Returns
        -------
        loss : float
            F over the rows given, penalty included; see the class.
        coef_gradient : array in the shape of `coef_`
            dF/dw.
        intercept_gradient : array in the shape of `intercept_`
            dF/db; zero without an intercept.

        Notes
        -----
        It is taken where `coef_` and `intercept_` are, also if you have changed them.
        Of the l1 norm it has alpha sign(w), with sign(0) = 0. Penalty objects that
        work by proximal steps alone are in F, and not in the gradient.

        Examples
        --------
        >>> import numpy as np
        >>> from skgd import GDRegressor
        >>> X, y = np.array([[0.5], [2.3], [2.9]]), np.array([1.4, 1.9, 3.2])
        >>> model = GDRegressor(solver="batch", lr=1e-300, max_iter=1, tol=None)
        >>> model = model.fit(X, y, coef_init=[1.0], intercept_init=[0.0])
        >>> loss, coef_gradient, intercept_gradient = model.gradient(X, y)
        >>> 6 * coef_gradient, 6 * intercept_gradient  # of the sum of squares
        (array([-0.8]), array([-1.6]))
        """
        check_is_fitted(self, "coef_")
        refuse_foreign(X=X, y=y, sample_weight=sample_weight)
        X, y = self._checked_data(X, y, reset=False)
        weights = check_weights(sample_weight, X)
        rows = self._weighted_rows(X, y, weights, self._task, self._loss)
        rows = rows.with_mean_weight_one()
        softmax = self._task.n_outputs > 1 and self._loss.softmax
        model = LinearModel(
            X.shape[1], self._task.n_outputs, X.dtype, self.fit_intercept
        )
        theta = model.theta(np.atleast_2d(self.coef_), np.ravel(self.intercept_))
        objective = self._objective(model, self._loss, softmax)
        loss, gradient = objective.bind(rows).gradient(theta)
        if objective.l1.size:
            gradient = gradient + objective.l1 * np.sign(theta)
        n = model.n_weights
        coef = gradient[:n].reshape(X.shape[1], -1).T.reshape(np.shape(self.coef_))
        intercept = gradient[n:].reshape(np.shape(self.intercept_))
        if not self.fit_intercept:
            intercept = np.zeros_like(intercept)
        return float(loss), coef.astype(X.dtype), intercept.astype(X.dtype)

    def _scores(self, X):
        """X @ coef_.T + intercept_, one column per output."""
        coef = np.atleast_2d(self.coef_)
        return safe_sparse_dot(X, coef.T, dense_output=True) + self.intercept_

    def _stable_rate(self, plan, bound):
        objective = plan.objective
        curvature = 0.5 if objective.softmax else objective.loss.curvature
        if curvature is None:
            return None
        with np.errstate(all="ignore"):
            moments = Moments.of(bound.rows)
            steepest = smoothness(
                objective, bound.rows, moments, plan.batch_size, curvature
            )
        if not 0.0 < steepest < np.inf:
            return None
        # Half the limit leaves room for the noise of gradients of a few rows.
        return (2.0 if plan.solver == "batch" else 1.0) / steepest

    def _remedy(self, plan, bound):
        if self.lr == "auto":
            return self._remedy_of_automatic_rate(plan)
        stable = self._stable_rate(plan, bound)
        advice = "Use lr='auto'"
        if stable is not None:
            advice = (
                "Plain gradient steps on these features are stable below about "
                f"lr={stable:.2g}. {advice}"
            )
        if need_scaling(Moments.of(bound.rows)):
            advice += (
                ", or scale the features, for example "
                "make_pipeline(StandardScaler(), ...)"
            )
        return f"{advice}."

    def _remedy_of_automatic_rate(self, plan):
        """Another way to the minimum where the rate found by itself has failed."""
        searched = isinstance(plan.optimizer, FullGradientDescent)
        if not searched and plan.objective.loss.smooth:
            return (
                "Use optimizer='gd' with solver='batch', which searches for the length "
                "of each step."
            )
        if not searched and OPTIMIZERS.canonical(self.optimizer) != "gd":
            return "Use optimizer='gd', whose steps forgive large rows."
        return (
            "Look for a few values far larger than all others, in X or in y, and "
            "transform or clip them, or strengthen the penalty."
        )

    def _prepare_next(self, plan, bound, horizon):
        self._quick = prepared(self, plan, bound, horizon)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


@with_parameters(
    _parameters.loss_parameter("squared_error", loss_names("regression"))
    | _parameters.LINEAR
    | _parameters.SHARED,
    _parameters.ATTRIBUTES + _parameters.LINEAR_ATTRIBUTES.lstrip(),
)
class GDRegressor(RegressorMixin, LinearGD):
    """Linear regression by batch, mini-batch or stochastic gradient descent.

    Minimises the mean of `loss` over the rows plus `alpha` times the penalty,

    F(w, b) = sum_i s_i l(y_i, w^T x_i + b) / sum_i s_i
    + alpha ((1 - r)/2 ||w||^2 + r ||w||_1),  r = `l1_ratio`.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    coef_ : array of shape (n_features,) or (n_targets, n_features)
        Weights of the features as given.
    intercept_ : array of shape (1,) or (n_targets,)
        Constant terms.
    {attributes}

    See Also
    --------
    GDClassifier : The same for classes.
    sklearn.linear_model.SGDRegressor : One row per update, on scaled features.

    Notes
    -----
    Several targets are fitted together; the loss of a row is the sum over its targets.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDRegressor
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> model = GDRegressor(solver="batch", random_state=0).fit(X, y)
    >>> round(model.score(X, y), 2)
    0.52
    """

    @quickly
    @all_or_nothing
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: ArrayLike, *, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Make one pass over the rows, in the order given.

        ``solver="batch"`` makes one update from all rows of the call, "minibatch" one
        for each `batch_size` rows, "sgd" one for each row. Optimizer, schedule and
        averaging go on where the previous call left them.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, used as given: their mean over all calls cannot be
            known. A call in which all are zero changes nothing.

        Returns
        -------
        self : object
            The updated estimator.
        """
        return self._partial_fit(X, y, sample_weight, None)

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict targets.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_targets)
        """
        scores = self._raw_scores(X)
        return self._task.decode(self._loss.inverse_link(scores))

    def _checked_data(self, X, y, reset):
        X, y = validate_data(
            self,
            sound(X),
            y,
            reset=reset,
            accept_sparse="csr",
            dtype=FLOATS,
            multi_output=True,
            y_numeric=True,
        )
        return X, self._as_tagged(y)

    def _new_task(self, y, classes):
        return Regression(y)

    def _weights_shown(self, task, model, theta):
        coef, intercept = model.coefficients(theta)
        return {"coef_": coef[0] if task.is_flat else coef, "intercept_": intercept}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        self._tag_targets(tags)
        return tags


def _has_probabilities(estimator):
    loss = get_loss(estimator.loss, "classification")
    if not loss.probabilities:
        raise AttributeError(f"loss={estimator.loss!r} does not give probabilities")
    return True


@with_parameters(
    _parameters.loss_parameter("log_loss", loss_names("classification"))
    | _parameters.LINEAR
    | _parameters.CLASS_WEIGHT
    | _parameters.SHARED,
    _parameters.ATTRIBUTES + _parameters.LINEAR_ATTRIBUTES.lstrip(),
    penalty="l2",
)
class GDClassifier(ClassifierMixin, LinearGD):
    """Linear classification by batch, mini-batch or stochastic gradient descent.

    Minimises the mean of `loss` over the rows plus `alpha` times the penalty,

    F(w, b) = sum_i s_i l(y_i, w^T x_i + b) / sum_i s_i
    + alpha ((1 - r)/2 ||w||^2 + r ||w||_1),  r = `l1_ratio`.

    Two classes are coded -1 and +1. With more, ``loss="log_loss"`` is the cross-entropy
    of the softmax over one score per class, and the other losses train each class
    against the rest, all in one pass over the data.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        Labels, sorted.
    coef_ : array of shape (1, n_features) or (n_classes, n_features)
        Weights of the features as given.
    intercept_ : array of shape (1,) or (n_classes,)
        Constant terms.
    {attributes}

    See Also
    --------
    GDRegressor : The same for real targets.
    sklearn.linear_model.SGDClassifier : One row per update, on scaled features.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skgd import GDClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = GDClassifier(loss="perceptron", random_state=0).fit(X, y)
    >>> model.predict(X[:3])
    array([0, 0, 0])
    """

    _estimates_classes = True

    @quickly
    @all_or_nothing
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Any,
        y: ArrayLike,
        *,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Make one pass over the rows, in the order given.

        ``solver="batch"`` makes one update from all rows of the call, "minibatch" one
        for each `batch_size` rows, "sgd" one for each row. Optimizer, schedule and
        averaging go on where the previous call left them.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Labels.
        classes : array-like of shape (n_classes,), default=None
            All labels there will ever be; required in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, used as given: their mean over all calls cannot be
            known. A call in which all are zero changes nothing.

        Returns
        -------
        self : object
            The updated estimator.
        """
        return self._partial_fit(X, y, sample_weight, classes)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Raw scores.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_classes)
            For two classes, positive for ``classes_[1]``.
        """
        scores = self._raw_scores(X)
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict labels.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        array of shape (n_samples,)
        """
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return self._task.decode((scores > 0).astype(int))
        return self._task.decode(scores.argmax(axis=1))

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probability of each class, for losses that have them.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        array of shape (n_samples, n_classes)
            In the order of `classes_`; rows sum to 1.
        """
        scores = self.decision_function(X)
        if scores.ndim == 2 and self._loss.softmax:
            return softmax(scores, axis=1)
        return self._loss.predict_proba(scores)

    @available_if(_has_probabilities)
    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Logarithm of the probability of each class.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        array of shape (n_samples, n_classes)
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _checked_data(self, X, y, reset):
        X, y = validate_data(
            self, sound(X), y, reset=reset, accept_sparse="csr", dtype=FLOATS
        )
        Classification.check(y, "use GDRegressor")
        return X, column_or_1d(y, warn=True)

    def _new_task(self, y, classes):
        return Classification(np.unique(y if classes is None else classes))

    def _weights_shown(self, task, model, theta):
        coef, intercept = model.coefficients(theta)
        return {"coef_": coef, "intercept_": intercept}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = True
        return tags
