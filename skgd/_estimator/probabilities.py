"""Probabilities of classes, where the loss has them."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.metaestimators import available_if

from skgd.losses import get_loss


def _of(loss):
    return get_loss(loss, "classification").probabilities


_of_name = functools.lru_cache(_of)


def has_probabilities(estimator):
    """True; AttributeError for a loss whose scores say nothing of probabilities."""
    loss = estimator.loss
    # A name is looked up once: it takes longer than a prediction of one row.
    if not (_of_name if type(loss) is str else _of)(loss):
        raise AttributeError(f"loss={estimator.loss!r} does not give probabilities")
    return True


def _predicts_them(estimator):
    try:
        return bool(estimator.predict_proba)
    except AttributeError as error:
        # What it says of itself says why, too.
        raise (error.__cause__ or error) from None


class LogProbabilities:
    """``predict_log_proba``, wherever there is ``predict_proba``."""

    predict_proba: Any

    @available_if(_predicts_them)
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
