"""GDRegressor and GDClassifier: linear models trained by gradient descent.

What distinguishes them is the task and the shape of the answer; training is shared.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.special import softmax
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.callback import with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skgd._estimator import parameters as _parameters
from skgd._estimator.base import BaseGD
from skgd._estimator.causes import need_scaling
from skgd._estimator.late import LATE, Late, attributes_of, late_dict
from skgd._estimator.parameters import documented, with_parameters
from skgd._estimator.prepared import quickly
from skgd._estimator.probabilities import LogProbabilities, has_probabilities
from skgd._estimator.transaction import all_or_nothing
from skgd._input.moments import Moments
from skgd._input.sparse import as_matrix
from skgd._input.targets import Classification, Regression
from skgd._input.validation import (
    check_start,
    check_weights,
    validated,
)
from skgd._input.warnings import warn_user
from skgd._linear.evidence import gap_at
from skgd._linear.plan import Asked, constant_theta, fixed_parameters, linear_plan
from skgd._linear.prepared_update import prepared
from skgd._linear.step_size import (
    smoothness,
)
from skgd._training.dual import DualAscent
from skgd._training.full_gradient import FullGradientDescent
from skgd.losses import loss_names
from skgd.optimizers import GD, OPTIMIZERS, get_optimizer
from skgd.schedules import Constant

# A fit that may be so many times `tol` away from the minimum says so.
FAR = 10.0

# A column of sparse rows is named whose mean is so many of its standard deviations.
FAR_FROM_ZERO = 10.0


class LinearGD(BaseGD):
    """The linear model of both estimators: coef_, intercept_ and raw scores."""

    _estimates_classes = False
    _tells_gap = True
    coef_: Any = Late()
    intercept_: Any = Late()

    @all_or_nothing
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    @documented
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
        {rows to fit}
        y : array-like of shape (n_samples,), or (n_samples, n_targets) for a regressor
            Targets or labels.
        {weights to fit}
        coef_init, intercept_init : array-like, default=None
            Where to start, in the shapes of `coef_` and `intercept_`. By default from
            zero, with the best constant as intercept under ``lr="auto"``.
        {rows to judge by}

        {fitted}
        """
        init = {"coef_init": coef_init, "intercept_init": intercept_init}
        return self._fit(X, y, sample_weight, init, (X_val, y_val, sample_weight_val))

    _plan = linear_plan
    _fixed_parameters = fixed_parameters

    def _first_data(self, X, y):
        X, y = self._checked_data(X, y, reset=True)
        return X, y, self._new_task(y, None)

    def _constant(self, plan, rows):
        if not self.fit_intercept or plan.objective.loss.trivial_minimum:
            return None
        if plan.constant is not None:
            return plan.constant
        return constant_theta(self, plan.objective, rows)

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

    def _measure_gap(self, report, plan, state, bound):
        """Of updates of few rows, with a last look at all of them."""
        if "validation_loss" in report.columns:
            return
        ruled = self.average or self.clip_norm is not None
        ruled = ruled or type(plan.schedule) is not Constant
        if plan.objective.loss.trivial_minimum or ruled:
            return
        constant = self._constant(plan, bound.rows)
        if constant is None:
            constant = np.zeros(plan.model.size, plan.model.dtype)
        found = gap_at(bound, state.answer(), constant)
        if found is not None:
            report.gap, report.gap_kind = found

    def _warn_if_far(self, report, plan, tol):
        """Of a search that could not come closer, and what kept it from that."""
        dtype = plan.objective.model.dtype
        rounding = float(np.sqrt(np.finfo(dtype).eps))
        far = tol is not None and not report.gap <= max(FAR * tol, rounding)
        if not far or report.stop_reason not in ("max_iter", "rounding", "tol"):
            return
        # Only a bound is sure: the estimate of a search that is under way can be wrong.
        sure = "by" if report.gap_kind == "bound" else "by about"
        left = (
            f"the objective can be above its minimum {sure} {report.gap:.1g} of what "
            f"the best constant leaves to gain, more than tol={tol}"
        )
        if report.stop_reason == "rounding":
            warn_user(
                f"The search ended in rounding errors: {left}. Some columns cannot be "
                f"told apart in {dtype}: drop the copies among them, take "
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
            and not plan.objective.l1.size
            and not plan.objective.l2.any()
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

    @documented
    def sparsify(self) -> Self:
        """Keep `coef_` as a sparse matrix, for models most of whose weights are zero.

        `coef_` becomes a CSR array of shape (n_outputs, n_features). Predictions and
        everything else stay as they are; the next call of a method that trains makes
        it dense again. What training needs to go on is dense in any case: use it on
        what `compact` returns.

        Returns
        -------
        self

        Notes
        -----
        As in the linear models of scikit-learn with an l1 penalty. It pays off where
        more than half of ``coef_ == 0``; otherwise the model grows.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from skgd import GDClassifier
        >>> X, y = load_digits(return_X_y=True)
        >>> model = GDClassifier(penalty="l1", alpha=0.01).fit(X, y).sparsify()
        >>> model.coef_.nnz < 0.3 * 10 * 64
        True
        """
        check_is_fitted(self, "coef_")
        if not sparse.issparse(self.coef_):
            self.coef_ = sparse.csr_array(np.atleast_2d(self.coef_))
        return self

    @documented
    def densify(self) -> Self:
        """Make `coef_` a dense array, as it is after training; undoes `sparsify`.

        Returns
        -------
        self
        """
        check_is_fitted(self, "coef_")
        if sparse.issparse(self.coef_):
            coef = self.coef_.toarray()
            flat = getattr(self._task, "is_flat", False)
            self.coef_ = coef[0] if flat else coef
        return self

    def _theta_shown(self):
        return self._model.theta(as_matrix(self.coef_), np.ravel(self.intercept_))

    def _raw_scores(self, X):
        """The scores of features as the user gave them."""
        rows = self._plain_rows(X)
        if rows is not None:
            scores = None
            if type(rows) is not np.ndarray:
                scores = self._late_scores(rows)
            return self._scores(rows) if scores is None else scores
        check_is_fitted(self, "coef_")
        X = validated(self, X, reset=False)
        return self._scores(X)

    @documented
    def gradient(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[float, Any, Any]:
        """Objective and its gradient at `coef_` and `intercept_`.

        Parameters
        ----------
        {rows}
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
        X, y = self._checked_data(X, y, reset=False)
        weights = check_weights(sample_weight, X)
        rows = self._weighted_rows(X, y, weights, self._task, self._loss)
        rows = rows.with_mean_weight_one()
        asked = Asked(self, self._task, self._loss, X.shape[1])
        model = asked.new_model(rows)
        theta = model.theta(as_matrix(self.coef_), np.ravel(self.intercept_))
        objective = asked.objective(model)
        loss, gradient = objective.bind(rows).gradient(theta)
        if objective.l1.size:
            gradient = gradient + objective.l1 * np.sign(theta)
        n = model.n_weights
        coef = gradient[:n].reshape(X.shape[1], -1).T.reshape(np.shape(self.coef_))
        intercept = gradient[n:].reshape(np.shape(self.intercept_))
        if not self.fit_intercept:
            intercept = np.zeros_like(intercept)
        return float(loss), coef.astype(X.dtype), intercept.astype(X.dtype)

    def _late_scores(self, X):
        """Scores of CSR rows while nobody has looked at all weights, or None."""
        attributes = attributes_of(self)
        late = attributes.get(LATE)
        if late is None or "coef_" in attributes or "intercept_" in attributes:
            return None
        return late.update.scores_of(late, X)

    def _scores(self, X):
        """X @ coef_.T + intercept_, one column per output."""
        coef, intercept = self._together("coef_", "intercept_")
        if type(coef) is np.ndarray and type(X) is np.ndarray:
            return X @ (coef if coef.ndim > 1 else np.atleast_2d(coef)).T + intercept
        coef = coef if sparse.issparse(coef) else np.atleast_2d(coef)
        if type(X) is np.ndarray:
            return X @ coef.T + intercept
        return safe_sparse_dot(X, coef.T, dense_output=True) + intercept

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
    | _parameters.SHARED
    | _parameters.STREAM,
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

    __dict__ = late_dict

    @quickly
    @all_or_nothing
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    @documented
    def partial_fit(
        self, X: Any, y: ArrayLike, *, sample_weight: ArrayLike | None = None
    ) -> Self:
        """{one pass}

        Optimizer, schedule and averaging go on where the previous call left them.

        Parameters
        ----------
        {rows}
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        {weights of a pass}

        {updated}
        """
        return self._partial_fit(X, y, sample_weight, None)

    @documented
    def predict(self, X: Any) -> NDArray[Any]:
        """Predict targets.

        Parameters
        ----------
        {rows}

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_targets)
        """
        scores = self._raw_scores(X)
        return self._task.decode(self._loss.inverse_link(scores))

    def _checked_data(self, X, y, reset):
        X, y = validated(self, X, y, reset=reset, multi_output=True, y_numeric=True)
        return X, self._as_tagged(y)

    def _new_task(self, y, classes):
        return Regression(y)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        self._tag_targets(tags)
        return tags


@with_parameters(
    _parameters.loss_parameter("log_loss", loss_names("classification"))
    | _parameters.LINEAR
    | _parameters.CLASS_WEIGHT
    | _parameters.SHARED
    | _parameters.STREAM
    | _parameters.NEW_CLASSES,
    _parameters.ATTRIBUTES + _parameters.LINEAR_ATTRIBUTES.lstrip(),
    penalty="l2",
)
class GDClassifier(LogProbabilities, ClassifierMixin, LinearGD):
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

    __dict__ = late_dict
    _estimates_classes = True

    @quickly
    @all_or_nothing
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    @documented
    def partial_fit(
        self,
        X: Any,
        y: ArrayLike,
        *,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """{one pass}

        Optimizer, schedule and averaging go on where the previous call left them.

        Parameters
        ----------
        {rows}
        y : array-like of shape (n_samples,)
            Labels.
        classes : array-like of shape (n_classes,), default=None
            All labels there will ever be; required in the first call unless
            ``on_new_class="extend"``, under which it names those known so far.
        {weights of a pass}

        {updated}
        """
        return self._partial_fit(X, y, sample_weight, classes)

    @documented
    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Raw scores.

        {scores of classes}
        """
        scores = self._raw_scores(X)
        return scores[:, 0] if len(self.classes_) <= 2 else scores

    @documented
    def predict(self, X: Any) -> NDArray[Any]:
        """Predict labels.

        Parameters
        ----------
        {rows}

        Returns
        -------
        array of shape (n_samples,)
        """
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return self._task.decode((scores > 0).astype(int))
        return self._task.decode(scores.argmax(axis=1))

    @available_if(has_probabilities)
    @documented
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probability of each class, for losses that have them.

        {probabilities}
            Rows sum to 1.
        """
        scores = self.decision_function(X)
        if scores.ndim == 2 and self._loss.softmax:
            return softmax(scores, axis=1)
        if len(self.classes_) == 1:
            return np.ones((len(scores), 1))
        return self._loss.predict_proba(scores)

    def _checked_data(self, X, y, reset):
        return validated(self, X, y, reset=reset, remedy="use GDRegressor")

    def _new_task(self, y, classes):
        if classes is not None:
            return Classification(np.unique(classes))
        return Classification.of(y, "use GDRegressor")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = True
        return tags
