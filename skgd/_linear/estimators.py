"""GDRegressor and GDClassifier: linear models trained by gradient descent.

What distinguishes them is the task and the shape of the answer; training is shared.
"""

import numpy as np
from joblib import effective_n_jobs
from scipy.special import softmax
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.callback import with_callbacks
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from skgd._estimator import parameters as _parameters
from skgd._estimator.base import AUTO_BATCH_SIZE, BaseGD
from skgd._estimator.causes import need_scaling, warn_of_unusable
from skgd._estimator.parameters import with_parameters
from skgd._input.columns import usable_moments
from skgd._input.moments import Moments, Seen
from skgd._input.targets import Classification, Regression
from skgd._input.validation import FLOATS, check_start, refuse_foreign, validate_given
from skgd._linear.automatic import SEARCHING, choose, target_spread
from skgd._linear.model import REFRESH, LinearModel
from skgd._linear.prepared_update import prepared, quickly
from skgd._linear.step_size import (
    centred_coordinates,
    centring_pays,
    loss_curvature,
    smoothness,
)
from skgd._training.full_gradient import FullGradientDescent
from skgd._training.objective import Objective, best_constants
from skgd._training.plan import Plan, rows_per_update
from skgd._training.state import Averaging
from skgd.losses import get_loss, loss_names
from skgd.penalties import penalty_strengths
from skgd.schedules import Constant

# Up to this many rows a full gradient costs about as much as the bookkeeping of an
# epoch.
SMALL_TABLE = 1024

# Up to this many rows a search along full gradients, where there is one, takes less
# time to the last digits than noisy steps take to the third.
SEARCHED_TABLE = 16_384


class LinearGD(BaseGD):
    """The linear model of both estimators: coef_, intercept_ and raw scores."""

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        coef_init=None,
        intercept_init=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ):
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
        searches = step_is_free and type(optimizer) in SEARCHING and loss.smooth
        batch_size = self._rows_per_update(len(rows), streaming, searches)
        averaging, lr = Averaging(start=int(self.average)), self.lr
        last_step = None
        l1, l2 = self._penalty_strengths()
        softmax = task.n_outputs > 1 and loss.softmax
        automatic = self.lr == "auto"
        if automatic:
            model, curvature = self._automatic_model(
                task, loss, softmax, rows, model, batch_size, streaming
            )
        elif model is None:
            model = self._new_model(task, rows)
        objective = Objective(model, loss, softmax, *model.penalty_weights(l1, l2))
        if automatic:
            optimizer, lr, averaging, last_step = choose(
                objective,
                optimizer,
                rows,
                model.moments,
                batch_size,
                spread=model.seen.spread,
                curvature=curvature,
                line_search=step_is_free and batch_size == len(rows),
                average=self.average,
            )
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
        )

    def _rows_per_update(self, n_rows, streaming, searches):
        """All rows of a small table under lr="auto": see `batch_size`."""
        most = SEARCHED_TABLE if searches else SMALL_TABLE
        small = n_rows <= most and self.lr == "auto" and not streaming
        auto = n_rows if small else AUTO_BATCH_SIZE
        return rows_per_update(self.solver, self.batch_size, n_rows, auto)

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
        curvature = loss_curvature(
            loss, softmax, rows.visited_targets(), rows.visited_weights(), seen.spread
        )
        if not kept:
            centre = self.fit_intercept and centring_pays(rows.X, batch_size)
            ridge = self._penalty_strengths()[1] / curvature
            moments, *unusable = usable_moments(seen.features, rows, rows.X.dtype)
            warn_of_unusable(self, *unusable)
            coordinates = centred_coordinates(moments, ridge, centre)
            model = self._new_model(task, rows, *coordinates, moments)
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

    def _penalty_strengths(self):
        return penalty_strengths(self.penalty, self.alpha, self.l1_ratio)

    def _start_theta(self, plan, rows, rng):
        """Zero, with the best constant as intercept under lr="auto"."""
        model = plan.model
        theta = np.zeros(model.size, model.dtype)
        if self.lr == "auto" and self.fit_intercept:
            theta[model.n_weights :] = best_constants(plan.objective, rows)
            if plan.optimizer.normalises:
                # At the best constant the gradient of the intercept is rounding, which
                # such a rule would blow up to a step: begin one step away.
                theta[model.n_weights :] += plan.lr
        return theta

    def _constant(self, plan, rows):
        if not self.fit_intercept or plan.objective.loss.trivial_minimum:
            return None
        theta = np.zeros(plan.model.size, plan.model.dtype)
        theta[plan.model.n_weights :] = best_constants(plan.objective, rows)
        return theta

    def _with_init(self, model, theta, name, value):
        coef, intercept = model.coefficients(theta)
        if name == "coef_init":
            coef = check_start(value, (model.n_outputs, model.n_features), name)
        else:
            intercept = check_start(value, (model.n_outputs,), name)
        return model.theta(coef, intercept)

    def _raw_scores(self, X):
        """The scores of features as the user gave them."""
        check_is_fitted(self, "coef_")
        refuse_foreign(X=X)
        X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS, reset=False)
        return self._scores(X)

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
        if not searched and self.optimizer != "gd":
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
    | _parameters.SHARED
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
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, *, sample_weight=None):
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

    def predict(self, X):
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
            X,
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

    @quickly
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, *, classes=None, sample_weight=None):
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

    def decision_function(self, X):
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

    def predict(self, X):
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
    def predict_proba(self, X):
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
    def predict_log_proba(self, X):
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
        X, y = validate_data(self, X, y, reset=reset, accept_sparse="csr", dtype=FLOATS)
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
