"""What estimators on clusters answer, whatever the cluster is.

Where rows of the cluster are predicted, and as what, a subclass says.
"""

from typing import Any

from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted


def _local_has(name):
    """Whether the estimator in memory has a method, with its reason if not."""

    def check(self):
        return bool(getattr(super(OnCluster, self), name))

    return check


class OnCluster:
    """Answers here for rows in memory, and on the cluster for rows there.

    To be inherited before the estimator in memory. A subclass has `_is_collection`,
    which knows rows of the cluster, and `_far`, which asks a method about them.
    """

    # The estimator in memory, and attributes that it does without.
    _local: Any
    _far_attributes: tuple[str, ...] = ()

    def to_local(self) -> Any:
        """The estimator without a cluster: the same parameters and what is fitted.

        Returns
        -------
        GDRegressor, GDClassifier or MLPGD
        """
        local = object.__new__(self._local)
        without = ("_checked", *self._far_attributes)
        kept = {name: part for name, part in vars(self).items() if name not in without}
        vars(local).update(kept)
        return local

    def predict(self, X: Any) -> Any:
        """Predict labels or targets.

        Parameters
        ----------
        X : as in `fit`, or array-like, of shape (n_samples, n_features)
            Features.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_outputs)
            For rows of Dask a Dask array that is not computed yet; for rows of Ray a
            list of references to the predictions of each part.
        """
        return self._called("predict", X)

    def _called(self, method, X):
        check_is_fitted(self)
        if self._is_collection(X):
            return self._far(method, X)
        return getattr(super(), method)(X)

    def _is_collection(self, X):
        """Whether X are rows of the cluster."""
        raise NotImplementedError

    def _far(self, method, X):
        """What a method answers for rows of the cluster."""
        raise NotImplementedError


class ClassifierOnCluster(OnCluster):
    """What classifiers answer besides labels."""

    @available_if(_local_has("decision_function"))
    def decision_function(self, X: Any) -> Any:
        """Raw scores.

        Parameters
        ----------
        X : as in `fit`, or array-like, of shape (n_samples, n_features)
            Features.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_classes)
            For rows of the cluster as `predict`.
        """
        return self._called("decision_function", X)

    @available_if(_local_has("predict_proba"))
    def predict_proba(self, X: Any) -> Any:
        """Probability of each class, for losses that have them.

        Parameters
        ----------
        X : as in `fit`, or array-like, of shape (n_samples, n_features)
            Features.

        Returns
        -------
        array of shape (n_samples, n_classes)
            For rows of the cluster as `predict`.
        """
        return self._called("predict_proba", X)
