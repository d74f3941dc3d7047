"""The estimators of the package, fitted on the actors of a Ray cluster.

Parameters and methods as the user meets them. The run is that of
``skgd/_cluster/fit.py``; who answers is the matter of ``_engine.py``.
"""

from typing import Any, Self

import ray
from numpy.typing import ArrayLike
from sklearn.base import _fit_context, is_classifier
from sklearn.callback import with_callbacks
from sklearn.utils.validation import check_is_fitted

from skgd import MLPGD, GDClassifier, GDRegressor
from skgd._cluster.estimators import ClassifierOnCluster, OnCluster
from skgd._cluster.fit import check_solver, fit_groups
from skgd._cluster.scores import (
    accuracy,
    deviations,
    example,
    predictions,
    r2,
    right,
)
from skgd._estimator import parameters as _parameters
from skgd._estimator.parameters import far_parameters, with_parameters
from skgd._estimator.transaction import all_or_nothing
from skgd._stream.fit_batches import check_far_rows
from skgd.ray._engine import Cluster
from skgd.ray._partitions import features, is_collection, partitions

WHAT = "a Ray collection"


class OnRay(OnCluster):
    """What distinguishes the estimators here from those in memory.

    To be inherited before one of them.
    """

    @all_or_nothing
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        classes: ArrayLike | None = None,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train for up to `max_iter` epochs on the actors of a cluster.

        The result is that of the estimator without Ray, to rounding, and has the same
        bits for any number of actors, wherever the rows are, and if actors are lost on
        the way; they depend on the parts of X.

        Parameters
        ----------
        X : list of ray.ObjectRef, or ray.data.Dataset
            Features: references to parts of them, which are arrays, CSR matrices or
            pandas data frames of shape (n_rows, n_features) and may have no rows; or a
            dataset whose columns they are, next to those of `y` and `sample_weight`.
        y : list of ray.ObjectRef, or str
            Labels or targets: references to the parts that go with those of X, or the
            name of the column of the dataset.
        sample_weight : as y, default=None
            Non-negative weights. They are scaled to mean 1.
        classes : array-like of shape (n_classes,), default=None
            All labels, for a classifier. By default a look at all of y finds them.
        X_val, y_val, sample_weight_val : array-like, default=None
            Rows in memory to judge the weights by after each epoch, as in
            `early_stopping`.

        Returns
        -------
        self : object
            The fitted estimator; unchanged if an error is raised.

        Raises
        ------
        ValueError
            For rows that the estimator in memory would refuse, for parts that do not
            go together, and without a cluster.
        TypeError
            For X in memory.
        RuntimeError
            If actors are lost ten times in a row without an answer in between.

        Notes
        -----
        An actor for each processor of the cluster holds its share of the rows until
        the end of the fit. When one is lost, another fetches its parts again, which Ray
        makes anew where tasks made them, and the pass is repeated. An error in such a
        task, or in a loss of yours, is raised at once.
        """
        check_far_rows(self, (X_val, y_val), WHAT)
        check_solver(self, WHAT)
        parts = partitions(X, y, sample_weight)
        validation = X_val, y_val, sample_weight_val
        engine = Cluster(parts, getattr(self, "n_jobs", None))
        try:
            return fit_groups(self, engine, classes, validation, WHAT)
        finally:
            engine.close()

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy of a classifier, R^2 of a regressor.

        Parameters
        ----------
        X : list of ray.ObjectRef, ray.data.Dataset, or array-like
            Features.
        y : list of ray.ObjectRef, str, or array-like
            Labels or targets, as in `fit`.
        sample_weight : as y, default=None
            Weights of the rows.

        Returns
        -------
        float
            Computed where the rows are.
        """
        check_is_fitted(self)
        if not is_collection(X):
            return super().score(X, y, sample_weight)  # type: ignore[misc]
        of_part, of_all = (right, accuracy) if is_classifier(self) else (deviations, r2)
        local = ray.put(self.to_local())
        ask = ray.remote(of_part)
        sums = [ask.remote(local, *part) for part in partitions(X, y, sample_weight)]
        return of_all(_got(sums))

    def _is_collection(self, X):
        return is_collection(X)

    def _far(self, method, X):
        local = self.to_local()
        # What a part without rows is predicted to be.
        like = getattr(local, method)(example(local))[:0]
        ask, local = ray.remote(predictions), ray.put(local)
        return [ask.remote(local, method, part, like) for part in features(X)]


def _got(references):
    """The values of references; what a task raised, as it was raised."""
    try:
        return ray.get(references)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error


@with_parameters(
    far_parameters(GDRegressor),
    _parameters.ATTRIBUTES + _parameters.LINEAR_ATTRIBUTES.lstrip(),
)
class RayGDRegressor(OnRay, GDRegressor):
    """Linear regression by gradient descent on a Ray cluster.

    Minimises what :class:`skgd.GDRegressor` minimises, over rows that are spread over
    the cluster.

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
    skgd.GDRegressor : The same for rows in memory.

    Notes
    -----
    Neighbouring parts form up to 64 groups; a pass adds up the gradient of each group
    where it is, and the sums of the groups in a fixed tree. `partial_fit` and
    `fit_batches` train here, on rows in memory.

    Examples
    --------
    >>> import numpy as np
    >>> import ray  # doctest: +SKIP
    >>> from skgd.ray import RayGDRegressor  # doctest: +SKIP
    >>> X = np.random.default_rng(0).normal(size=(10_000, 3))
    >>> y = X @ [1, 2, 3] + 4
    >>> blocks = [ray.put(part) for part in np.split(X, 10)]  # doctest: +SKIP
    >>> targets = [ray.put(part) for part in np.split(y, 10)]  # doctest: +SKIP
    >>> model = RayGDRegressor().fit(blocks, targets)  # doctest: +SKIP
    >>> model.coef_.round(2)  # doctest: +SKIP
    array([1., 2., 3.])
    """

    _local = GDRegressor


@with_parameters(
    far_parameters(GDClassifier),
    _parameters.ATTRIBUTES + _parameters.LINEAR_ATTRIBUTES.lstrip(),
)
class RayGDClassifier(ClassifierOnCluster, OnRay, GDClassifier):
    """Linear classification by gradient descent on a Ray cluster.

    Minimises what :class:`skgd.GDClassifier` minimises, over rows that are spread over
    the cluster.

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
    skgd.GDClassifier : The same for rows in memory.
    RayGDRegressor : The same for real targets, with notes on how it works.

    Examples
    --------
    >>> import ray  # doctest: +SKIP
    >>> from skgd.ray import RayGDClassifier  # doctest: +SKIP
    >>> rows = ray.data.read_parquet("table.parquet")  # doctest: +SKIP
    >>> model = RayGDClassifier().fit(rows, "label")  # doctest: +SKIP
    """

    _local = GDClassifier


@with_parameters(
    far_parameters(MLPGD),
)
class RayMLPGD(ClassifierOnCluster, OnRay, MLPGD):
    """Multi-layer perceptron trained on a Ray cluster.

    Minimises what :class:`skgd.MLPGD` minimises, over rows that are spread over the
    cluster. `dropout` is refused: its units are drawn row after row.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        Labels, sorted; only of a classifier.
    coefs_ : list of arrays of shape (fan_in, fan_out)
        Weights of each layer, the first for the features as given; of an ensemble of
        shape (n_ensemble, fan_in, fan_out).
    intercepts_ : list of arrays of shape (fan_out,)
        Constant terms of each layer; of an ensemble of shape (n_ensemble, fan_out).
    members_ : list
        The networks of an ensemble, to predict with; only of an ensemble.
    alpha_ : float
        The strength of the penalty used, of an ensemble that of the first member.
    n_layers_ : int
        Number of layers, those of inputs and outputs included.
    n_outputs_ : int
        Number of scores: one for two classes or one target.
    {attributes}

    See Also
    --------
    skgd.MLPGD : The same for rows in memory.
    RayGDRegressor : Notes on how it works.

    Examples
    --------
    >>> import ray  # doctest: +SKIP
    >>> from skgd.ray import RayMLPGD  # doctest: +SKIP
    >>> rows = ray.data.read_parquet("table.parquet")  # doctest: +SKIP
    >>> model = RayMLPGD((50,)).fit(rows, "label")  # doctest: +SKIP
    """

    _local = MLPGD
