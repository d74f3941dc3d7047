"""GDRegressorCV and GDClassifierCV: the strength of a penalty by cross-validation.

What the estimators are asked, and what they keep. The folds, the descent and the
scores are in the files beside this one; the fit to all rows is the plain estimator's.
"""

import copy
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy.stats import rankdata
from sklearn import get_config
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    RegressorMixin,
    _fit_context,
    is_classifier,
)
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skgd._estimator import parameters as _parameters
from skgd._estimator.parameters import with_parameters
from skgd._estimator.probabilities import LogProbabilities, has_probabilities
from skgd._estimator.saved import from_state, to_state
from skgd._estimator.scoring import takes_weights
from skgd._estimator.transaction import all_or_nothing
from skgd._input.rows import Rows
from skgd._input.validation import check_weights, refuse_foreign, validate_given
from skgd._linear.estimators import GDClassifier, GDRegressor
from skgd._selection.folds import folds_of
from skgd._selection.grid import (
    alpha_grid,
    candidates_of,
    checked_alphas,
    checked_ratios,
    choose,
)
from skgd._selection.lockstep import fit_together, problem_of, steepness
from skgd._selection.panel import Problem
from skgd._selection.scores import held_out_losses, scores_by
from skgd._selection.streams import fit_stream, grid_figures, surveyed
from skgd._stream.source import Source
from skgd.losses import get_loss, loss_names


@dataclass(frozen=True)
class Prepared:
    """Checked rows and what is to be fitted to them.

    Attributes
    ----------
    plain : GDRegressor or GDClassifier
        That has checked X.
    task : a task of ``skgd._input.targets``
    rows : Rows
    problem : Problem
    weights : float64 array of shape (n_rows,)
        Of all rows together: their own times those of their classes.
    """

    plain: Any
    task: Any
    rows: Rows
    problem: Problem
    weights: NDArray[np.float64]

    @property
    def is_flat(self):
        """Whether there is no axis of outputs."""
        return is_flat(self.task)


def is_flat(task):
    """Whether coefficients have no axis of outputs."""
    return task.n_outputs == 1 and (task.classes is not None or task.is_flat)


def prepared(estimator, X, y, sample_weight):
    """Check what the user passed, and look at the rows.

    Parameters
    ----------
    estimator : SelectionGD
    X, y, sample_weight : as in fit

    Returns
    -------
    Prepared
    """
    refuse_foreign(X=X, y=y, sample_weight=sample_weight)
    plain = estimator._plain()
    X, y = plain._checked_data(X, y, reset=True)
    weights = check_weights(sample_weight, X)
    task = plain._new_task(y, None)
    loss = estimator._checked_loss(task)
    rows = plain._weighted_rows(X, y, weights, task, loss, where="fit")
    rows = rows.with_mean_weight_one()
    whole = np.broadcast_to(rows.weights, (len(y),)).astype(np.float64)
    class_weight = getattr(estimator, "class_weight", None)
    if class_weight is not None:
        whole = whole * task.class_weights(class_weight, rows.targets, whole)
    return Prepared(plain, task, rows, problem_of(plain, task, loss, rows), whole)


class SelectionGD(BaseEstimator):
    """The strength of a penalty chosen by cross-validation, whatever the task."""

    # The estimator that is fitted to all rows.
    _plain_class: Any = None

    _doc_link_module = "skgd"
    _doc_link_template = GDRegressor._doc_link_template

    @all_or_nothing
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        **params: Any,
    ) -> Self:
        """Choose the strength by cross-validation, and fit all rows with it.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Features. float32 stays float32; sparse input stays sparse.
        y : array-like of shape (n_samples,), or (n_samples, n_targets) for a regressor
            Targets or labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, for training and for the mean losses; scorers are
            handed them if they take weights.
        **params : dict
            `groups` for a splitter that needs them. With
            ``sklearn.set_config(enable_metadata_routing=True)``, whatever the splitter
            and the scorer ask for.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For input that the plain estimator would refuse, no or negative `alphas`,
            losses with kinks, and folds that lack a class.
        """
        alphas = checked_alphas(self.alphas)
        ratios, several = checked_ratios(self.penalty, self.l1_ratio)
        given = X, y
        known = prepared(self, X, y, sample_weight)
        plain, task, rows = known.plain, known.task, known.rows
        splitter = check_cv(self.cv, rows.y, classifier=is_classifier(self))
        scorer = None
        if self.scoring != "loss":
            scorer = check_scoring(plain, scoring=self.scoring)
        for_splits, for_scores = self._routed(scorer, sample_weight, params)
        splits = splitter.split(rows.X, rows.y, **for_splits)
        class_weight = getattr(self, "class_weight", None)
        folds = folds_of(splits, rows, task, class_weight)
        figures = 0.0, 0.0
        if isinstance(alphas, int):
            figures = steepness(known.problem, rows, known.weights)
        grid = alpha_grid(alphas, ratios, *figures)
        candidates = candidates_of(self.penalty, grid, ratios)
        problem, loss = known.problem, known.problem.loss
        fitted = fit_together(
            problem,
            rows,
            [fold.train for fold in folds],
            candidates,
            self.max_iter,
            effective_n_jobs(self.n_jobs),
        )
        fitted.warn_of_unfinished(self.max_iter, self.tol, "fits to folds")
        if scorer is None:
            scores = held_out_losses(problem, rows, folds, fitted)
        else:
            dtype = rows.X.dtype
            scores = scores_by(
                scorer, plain, task, loss, dtype, given, folds, fitted, for_scores
            )
        self._choose(grid, ratios, several, scores, fitted, task)
        best = self._plain(self.alpha_, self.l1_ratio_)
        if class_weight is not None:
            best.set_params(class_weight=class_weight)
        best.fit(*given, sample_weight)
        self._keep(best)
        return self

    @all_or_nothing
    @_fit_context(prefer_skip_nested_validation=True)
    def fit_batches(
        self,
        batches: Any,
        *,
        target: str | None = None,
        classes: ArrayLike | None = None,
        n_ahead: int = 2,
    ) -> Self:
        """Choose the strength, and fit, on a stream of batches.

        All strengths and folds are fitted in common passes: one that measures the rows,
        a few of the descent (one for the squared error), one for the scores, and then
        those of ``fit_batches`` of the plain estimator with the strength chosen.

        Parameters
        ----------
        batches : iterable or callable
            As for ``fit_batches`` of the plain estimator: it is read once for each
            pass.
        target : str, default=None
            The column that holds y, for a stream of tables.
        classes : array-like of shape (n_classes,), default=None
            All labels, for a classifier. By default one more pass finds them.
        n_ahead : int, default=2
            Blocks of rows to read in a background thread.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For what needs all rows at once: a `cv` that is no number, another `scoring`
            than 'loss', ``class_weight="balanced"``; for a stream that can be read only
            once; and for all that `fit` refuses.

        Notes
        -----
        The folds go by the number of a row in the stream, not counting rows of weight
        zero: row i is held out by fold floor(k frac(0.618... i)), which spreads each of
        the k folds evenly over a sorted stream. Grids of strengths are made from the
        10,000 rows at most that the first pass keeps.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from skgd import GDRegressorCV
        >>> from skgd.data import from_arrays
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = GDRegressorCV(alphas=[1e-1, 1e-3, 1e-5])
        >>> model.fit_batches(from_arrays(X, y)).alpha_
        1e-05
        """
        self._check_streamed()
        alphas = checked_alphas(self.alphas)
        ratios, several = checked_ratios(self.penalty, self.l1_ratio)
        plain = self._plain()
        class_weight = getattr(self, "class_weight", None)
        if class_weight is not None:
            plain.set_params(class_weight=class_weight)
        source = Source(batches, target)
        n_folds = 5 if self.cv is None else int(self.cv)
        search = surveyed(plain, source, classes, n_folds, n_ahead, self._checked_loss)
        figures = grid_figures(search) if isinstance(alphas, int) else (0.0, 0.0)
        grid = alpha_grid(alphas, ratios, *figures)
        candidates = candidates_of(self.penalty, grid, ratios)
        fitted, scores = fit_stream(search, candidates, self.max_iter)
        fitted.warn_of_unfinished(self.max_iter, self.tol, "fits to folds")
        self._choose(grid, ratios, several, scores, fitted, search.task)
        best = self._plain(self.alpha_, self.l1_ratio_)
        if class_weight is not None:
            best.set_params(class_weight=class_weight)
        best.fit_batches(batches, target=target, classes=classes, n_ahead=n_ahead)
        self._keep(best)
        return self

    # ---- what is asked ---------------------------------------------------------

    def _plain(self, alpha=0.0, l1_ratio=0.0):
        """The plain estimator with a strength."""
        return self._plain_class(
            loss=self.loss,
            penalty=self.penalty,
            alpha=alpha,
            l1_ratio=l1_ratio,
            fit_intercept=self.fit_intercept,
            max_iter=self.max_iter,
            tol=self.tol,
            n_jobs=self.n_jobs,
            random_state=self.random_state,
        )

    def _check_streamed(self):
        """ValueError for what a stream cannot do, by name."""
        number = isinstance(self.cv, Integral) and not isinstance(self.cv, bool)
        if not (self.cv is None or (number and self.cv >= 2)):
            raise ValueError(
                f"cv={self.cv!r} needs all rows at once. In fit_batches cv is the "
                "number of folds, at least 2."
            )
        if self.scoring != "loss":
            raise ValueError(
                f"scoring={self.scoring!r} needs all rows of a fold at once. Use "
                "scoring='loss' in fit_batches."
            )
        if getattr(self, "class_weight", None) == "balanced":
            raise ValueError(
                "class_weight='balanced' goes by the rows that each fold is trained "
                "on, which fit_batches does not count. Pass a dict."
            )

    def _checked_loss(self, task):
        loss = get_loss(self.loss, task.name)
        validate_given(loss, self.loss)
        if not loss.smooth:
            name = type(self).__name__
            smooth = [
                name
                for name in loss_names(task.name)
                if get_loss(name, task.name).smooth
            ]
            raise ValueError(
                f"loss={self.loss!r} has kinks, and {name} descends along gradients "
                f"for all strengths together: use one of {smooth}, or a GridSearchCV "
                f"of {self._plain_class.__name__} over alpha."
            )
        return loss

    def get_metadata_routing(self) -> MetadataRouter:
        """What is passed on to the splitter and to the scorer.

        Returns
        -------
        MetadataRouter
        """
        router = (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(
                splitter=check_cv(self.cv, classifier=is_classifier(self)),
                method_mapping=MethodMapping().add(caller="fit", callee="split"),
            )
        )
        if self.scoring != "loss":
            router.add(
                scorer=check_scoring(self._plain_class(), scoring=self.scoring),
                method_mapping=MethodMapping().add(caller="fit", callee="score"),
            )
        return router

    def _routed(self, scorer, sample_weight, params):
        """Keywords for the splitter and for the scorer."""
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", sample_weight=sample_weight, **params)
            scores = routed.scorer.score if scorer is not None else {}
            return routed.splitter.split, scores
        unknown = [name for name in params if name != "groups"]
        if unknown:
            raise TypeError(
                f"{type(self).__name__}.fit() got an unexpected keyword argument "
                f"{unknown[0]!r}; metadata for the splitter or the scorer needs "
                "sklearn.set_config(enable_metadata_routing=True)."
            )
        scores = {}
        if sample_weight is not None and scorer is not None and takes_weights(scorer):
            scores["sample_weight"] = np.asarray(sample_weight)
        return params, scores

    # ---- what is kept ----------------------------------------------------------

    def _choose(self, grid, ratios, several, scores, fitted, task):
        """Set what says which strength was chosen, and why."""
        n_ratios, n_alphas = grid.shape
        n_folds = len(scores)
        by_ratio = scores.reshape(n_folds, n_ratios, n_alphas).transpose(1, 0, 2)
        ratio, alpha = choose(by_ratio, self.refit)
        self.alpha_ = float(grid[ratio, alpha])
        self.l1_ratio_ = float(ratios[ratio])
        self.n_splits_, self.n_passes_ = n_folds, fitted.n_passes

        def shaped(values):
            """Of (n_folds, n_candidates, n_outputs, ...)."""
            values = values.reshape(n_folds, n_ratios, n_alphas, *values.shape[2:])
            values = values.swapaxes(0, 1)
            values = values[:, :, :, 0] if is_flat(task) else values
            return values if several else values[0]

        self.coefs_paths_ = shaped(fitted.coef)
        self.intercepts_paths_ = shaped(fitted.intercept)
        self.alphas_ = grid if several else grid[0]
        self.scores_ = by_ratio if several else by_ratio[0]
        self.cv_results_ = _results(grid, ratios, several, scores)
        self.best_index_ = ratio * n_alphas + alpha
        self.best_score_ = float(self.cv_results_["mean_test_score"][self.best_index_])

    def _keep(self, best):
        """Make the fitted attributes of the plain estimator one's own."""
        for name in vars(self).get("_taken", ()):
            vars(self).pop(name, None)
        fitted = {
            name: value
            for name, value in vars(best).items()
            if name.endswith("_") and not name.startswith("_")
        }
        vars(self).update(fitted)
        self._taken = list(fitted)
        self.best_estimator_ = best

    # ---- predictions -----------------------------------------------------------

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict with the model fitted to all rows.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_targets)
        """
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_.predict(X)

    def to_sklearn(self) -> Any:
        """The estimator of scikit-learn that predicts the same.

        Returns
        -------
        estimator
            As of the plain estimator.
        """
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_.to_sklearn()

    def to_onnx(self, *, dtype: DTypeLike = np.float32, opset: int = 18) -> Any:
        """The model fitted to all rows as an ONNX model.

        Parameters
        ----------
        dtype : {numpy.float32, numpy.float64}, default=numpy.float32
            Precision of the input and of all arithmetic.
        opset : int, default=18
            Version of the operators.

        Returns
        -------
        onnx.ModelProto
        """
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_.to_onnx(dtype=dtype, opset=opset)

    # ---- what is saved -----------------------------------------------------------

    def compact(self) -> Self:
        """A copy without what training needs to go on: for files that only predict.

        Returns
        -------
        estimator
            Of the same class and parameters, with all fitted attributes but the
            coefficients of the folds, `coefs_paths_` and `intercepts_paths_`, and
            sharing no array. Its `best_estimator_` is compact, too.

        Raises
        ------
        sklearn.exceptions.NotFittedError
        """
        check_is_fitted(self, "best_estimator_")
        paths = ("coefs_paths_", "intercepts_paths_")
        kept = {name: part for name, part in vars(self).items() if name not in paths}
        other = object.__new__(type(self))
        kept["best_estimator_"] = self.best_estimator_.compact()
        other.__dict__.update(copy.deepcopy(kept))
        return other

    def __getstate__(self):
        """Plain data; see ``_estimator/saved.py``."""
        return to_state(dict(super().__getstate__()))

    def __setstate__(self, state):
        super().__setstate__(from_state(state, type(self).__name__))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        plain = self._plain().__sklearn_tags__()
        tags.input_tags, tags.target_tags = plain.input_tags, plain.target_tags
        tags.classifier_tags = plain.classifier_tags
        tags.regressor_tags = plain.regressor_tags
        return tags


def _results(grid, ratios, several, scores):
    """``cv_results_`` for scores of shape (n_folds, n_candidates)."""
    alphas = grid.ravel()
    named = {"alpha": alphas}
    if several:
        named["l1_ratio"] = np.repeat(ratios, grid.shape[1])
    results = {
        f"param_{name}": np.ma.masked_array(values, mask=False)
        for name, values in named.items()
    }
    results["params"] = [
        dict(zip(named, map(float, values), strict=True))
        for values in zip(*named.values(), strict=True)
    ]
    for k, of_fold in enumerate(scores):
        results[f"split{k}_test_score"] = of_fold
    mean = scores.mean(axis=0)
    results["mean_test_score"] = mean
    results["std_test_score"] = scores.std(axis=0)
    results["rank_test_score"] = rankdata(-mean, method="min").astype(np.int32)
    return results


@with_parameters(
    _parameters.loss_parameter("squared_error", loss_names("regression"))
    | _parameters.SELECTION,
    _parameters.ATTRIBUTES
    + _parameters.LINEAR_ATTRIBUTES.lstrip()
    + _parameters.SELECTION_ATTRIBUTES.lstrip(),
)
class GDRegressorCV(RegressorMixin, SelectionGD):
    """Linear regression with the strength of its penalty found by cross-validation.

    Fits `GDRegressor` for all strengths and folds in one descent: their models are the
    columns of one matrix, so that one pass over the rows takes a step of each. Each has
    its own search, and ends by itself; what comes out is that of separate fits.

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
    GDRegressor : One strength.
    GDClassifierCV : The same for classes.
    sklearn.linear_model.LassoCV : Coordinate descent, faster for the squared error
        under an l1 penalty.

    Notes
    -----
    The loss has to be smooth. For losses with kinks, other penalties, `lr`,
    `batch_size` and all else there is `GridSearchCV`.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDRegressorCV
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = GDRegressorCV(alphas=[1e-1, 1e-3, 1e-5]).fit(X, y)
    >>> model.alpha_
    1e-05
    """

    _plain_class = GDRegressor


@with_parameters(
    _parameters.loss_parameter("log_loss", loss_names("classification"))
    | _parameters.SELECTION
    | _parameters.CLASS_WEIGHT,
    _parameters.ATTRIBUTES
    + _parameters.LINEAR_ATTRIBUTES.lstrip()
    + _parameters.SELECTION_ATTRIBUTES.lstrip(),
)
class GDClassifierCV(LogProbabilities, ClassifierMixin, SelectionGD):
    """Linear classification with the strength of its penalty by cross-validation.

    Fits `GDClassifier` for all strengths and folds in one descent: their models are the
    columns of one matrix, so that one pass over the rows takes a step of each. Each has
    its own search, and ends by itself; what comes out is that of separate fits.

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
    GDClassifier : One strength.
    GDRegressorCV : The same for real targets.
    sklearn.linear_model.LogisticRegressionCV : One fit after the other.

    Notes
    -----
    The loss has to be smooth. For losses with kinks, other penalties, `lr`,
    `batch_size` and all else there is `GridSearchCV`.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import scale
    >>> from skgd import GDClassifierCV
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = GDClassifierCV(alphas=[1.0, 1e-2, 1e-4]).fit(scale(X), y)
    >>> model.alpha_
    0.01
    """

    _plain_class = GDClassifier

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Raw scores of the model fitted to all rows.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_classes)
            For two classes, positive for ``classes_[1]``.
        """
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_.decision_function(X)

    @available_if(has_probabilities)
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
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_.predict_proba(X)
