"""The estimators of the package, fitted on the workers of a Dask cluster.

Parameters and methods as the user meets them. The run is that of
``skgd/_cluster/fit.py``; who answers is the matter of ``_engine.py``.
"""

import copy
from typing import Any, Self

import dask
from distributed import Client, get_client
from numpy.typing import ArrayLike
from sklearn.base import _fit_context, is_classifier
from sklearn.callback import with_callbacks
from sklearn.utils.validation import check_is_fitted

from skgd import MLPGD, GDClassifier, GDRegressor
from skgd._cluster.estimators import ClassifierOnCluster, OnCluster
from skgd._cluster.fit import check_solver, fit_groups
from skgd._estimator import parameters as _parameters
from skgd._estimator.parameters import (
    Parameter,
    far_parameters,
    with_parameters,
)
from skgd._estimator.transaction import all_or_nothing
from skgd._stream.fit_batches import check_far_rows
from skgd.dask._engine import Cluster
from skgd.dask._lazy import lazily, score
from skgd.dask._partitions import is_collection, n_columns, partitions

WHAT = "a Dask collection"

CLIENT = {
    "client": Parameter(
        None,
        [Client, None],
        "distributed.Client or None",
        """The cluster. None is the current client, `distributed.get_client()`. It is
        not pickled, and may be set at any time.""",
    )
}

ATTRIBUTES = """
client_ : distributed.Client
    The client in use.
"""


class OnDask(OnCluster):
    """What distinguishes the estimators here from those in memory.

    To be inherited before one of them.
    """

    client: Client | None
    _far_attributes = ("client",)

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
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Train for up to `max_iter` epochs on the workers of a cluster.

        The result is that of the estimator without Dask, to rounding, and has the same
        bits for any number of workers, wherever the rows are, and if workers are lost
        on the way; they depend on the partitions of X.

        Parameters
        ----------
        X : Dask array or data frame of shape (n_samples, n_features)
            Features, or a list of delayed parts of them: arrays, CSR matrices, or
            pandas data frames. Partitions may be empty and of unknown sizes.
        y : Dask array, series or list of delayed parts of shape (n_samples,)
            Labels or targets in the partitions of X. Where all sizes are known, arrays
            may have other partitions, and be in memory. (n_samples, n_targets) for
            several targets.
        sample_weight : as y, default=None
            Non-negative weights of shape (n_samples,). They are scaled to mean 1.
        classes : array-like of shape (n_classes,), default=None
            All labels, for a classifier. By default a look at all of y finds them.
        X_val, y_val, sample_weight_val : array-like or Dask collection, default=None
            Rows to judge the weights by after each epoch, as in `early_stopping`. They
            are brought to the client.

        Returns
        -------
        self : object
            The fitted estimator; unchanged if an error is raised.

        Raises
        ------
        ValueError
            For rows that the estimator in memory would refuse, for partitions that
            cannot be lined up, and without a client.
        TypeError
            For X in memory.
        TimeoutError
            If the cluster has no workers for a minute, or for as long as
            ``dask.config.set({"skgd.wait-for-workers": "10min"})`` says.
        RuntimeError
            If workers are lost ten times in a row without an answer in between.

        Notes
        -----
        Rows are computed once and then held by the workers, until the end of the fit.
        When a worker is lost, its rows are computed again from the graph of the
        collection, or taken from persisted copies, and the pass is repeated. An error
        in the graph, or in a loss of yours, is raised at once.
        """
        check_far_rows(self, (X_val, y_val), WHAT)
        check_solver(self, WHAT)
        parts = partitions(X, y, sample_weight)
        client = self.client_
        validation = X_val, y_val, sample_weight_val
        if any(map(is_collection, validation)):
            validation = _brought(client, validation)
        n_jobs = getattr(self, "n_jobs", None)
        engine = Cluster(client, parts, n_columns(X), n_jobs)
        try:
            # Some functions of distributed know the current client only.
            with client.as_current():
                return fit_groups(self, engine, classes, validation, WHAT)
        finally:
            engine.close()

    @property
    def client_(self) -> Client:
        """The client in use: `client`, or the current one."""
        if self.client is not None:
            return self.client
        try:
            return get_client()
        except ValueError:
            raise ValueError(
                "There is no cluster to train on: start one with "
                "client = distributed.Client(), or pass client=distributed.Client("
                "address_of_the_scheduler)."
            ) from None

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy of a classifier, R^2 of a regressor.

        Parameters
        ----------
        X : Dask collection, or array-like, of shape (n_samples, n_features)
            Features.
        y : Dask collection, or array-like
            Labels or targets, as in `fit`.
        sample_weight : Dask collection, or array-like, default=None
            Weights of the rows.

        Returns
        -------
        float
            Computed where the rows are.
        """
        check_is_fitted(self)
        if not is_collection(X):
            return super().score(X, y, sample_weight)  # type: ignore[misc]
        parts = partitions(X, y, sample_weight)
        with self.client_.as_current():
            return score(self.to_local(), is_classifier(self), parts)

    def _is_collection(self, X):
        return is_collection(X)

    def _far(self, method, X):
        return lazily(self.to_local(), method, X)

    def __getstate__(self):
        """Without the client, which belongs to this process."""
        return super().__getstate__() | {"client": None}

    def __sklearn_clone__(self):
        # The client is handed on as it is, where scikit-learn would copy it.
        new = super(OnDask, copy.copy(self)).__sklearn_clone__()
        new.client = self.client
        return new


def _brought(client, values):
    """Values in memory; those of Dask are computed."""
    values = [dask.delayed(list(v)) if isinstance(v, list) else v for v in values]
    return tuple(client.compute(values, sync=True))


@with_parameters(
    far_parameters(GDRegressor) | CLIENT,
    ATTRIBUTES
    + _parameters.ATTRIBUTES.lstrip()
    + _parameters.LINEAR_ATTRIBUTES.lstrip(),
)
class DaskGDRegressor(OnDask, GDRegressor):
    """Linear regression by gradient descent on a Dask cluster.

    Minimises what :class:`skgd.GDRegressor` minimises, over rows that are spread over
    the workers.

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
    Neighbouring partitions form up to 64 groups; a pass adds up the gradient of each
    group where it is, and the sums of the groups in a fixed tree. `partial_fit` and
    `fit_batches` train here, on rows in memory.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from skgd.dask import DaskGDRegressor
    >>> client = Client(processes=False, dashboard_address=None)
    >>> X = da.random.default_rng(0).normal(size=(10_000, 3), chunks=(1_000, 3))
    >>> y = X @ [1, 2, 3] + 4
    >>> model = DaskGDRegressor().fit(X, y)
    >>> model.coef_.round(2)
    array([1., 2., 3.])
    >>> model.predict(X)
    dask.array<concatenate, shape=(10000,), ...>
    >>> client.close()
    """

    _local = GDRegressor


@with_parameters(
    far_parameters(GDClassifier) | CLIENT,
    ATTRIBUTES
    + _parameters.ATTRIBUTES.lstrip()
    + _parameters.LINEAR_ATTRIBUTES.lstrip(),
)
class DaskGDClassifier(ClassifierOnCluster, OnDask, GDClassifier):
    """Linear classification by gradient descent on a Dask cluster.

    Minimises what :class:`skgd.GDClassifier` minimises, over rows that are spread over
    the workers.

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
    DaskGDRegressor : The same for real targets, with notes on how it works.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from skgd.dask import DaskGDClassifier
    >>> client = Client(processes=False, dashboard_address=None)
    >>> X = da.random.default_rng(0).normal(size=(10_000, 3), chunks=(1_000, 3))
    >>> y = X.sum(axis=1) > 0
    >>> model = DaskGDClassifier().fit(X, y)
    >>> model.predict(X[:3]).compute() == y[:3].compute()
    array([ True,  True,  True])
    >>> client.close()
    """

    _local = GDClassifier


@with_parameters(
    far_parameters(MLPGD) | CLIENT,
    ATTRIBUTES + _parameters.ATTRIBUTES.lstrip(),
)
class DaskMLPGD(ClassifierOnCluster, OnDask, MLPGD):
    """Multi-layer perceptron trained on a Dask cluster.

    Minimises what :class:`skgd.MLPGD` minimises, over rows that are spread over the
    workers. `dropout` is refused: its units are drawn row after row.

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
    DaskGDRegressor : Notes on how it works.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from skgd.dask import DaskMLPGD
    >>> client = Client(processes=False, dashboard_address=None)
    >>> X = da.random.default_rng(0).normal(size=(2_000, 3), chunks=(500, 3))
    >>> y = abs(X).sum(axis=1) > 2
    >>> model = DaskMLPGD((10,), lr=0.1, tol=None, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    >>> client.close()
    """

    _local = MLPGD
