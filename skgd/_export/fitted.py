"""What a fitted estimator is made of, whichever it is: layers, activations, task, loss.

A linear model is a network without hidden layers.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skgd._input.sparse import as_matrix


@dataclass(frozen=True)
class Fitted:
    """The function that a fitted estimator computes.

    Attributes
    ----------
    name : str
        Class of the estimator.
    members : list of list of (array of shape (fan_in, fan_out), array of (fan_out,))
        Weights and intercepts of the layers of each network of an ensemble, the first
        for the features as given. All else is the only member.
    activations : list of Activation
        One for each hidden layer.
    is_network : bool
    task : a task of ``skgd._input.targets``
    loss : Loss
    n_features : int
    averaged : str
        What of the members of an ensemble is: 'exponential', 'softmax', 'logistic' or
        'score'.
    """

    name: str
    members: list
    activations: list
    is_network: bool
    task: object
    loss: object
    n_features: int
    averaged: str

    @classmethod
    def of(cls, estimator):
        """Read off a fitted estimator."""
        check_is_fitted(estimator)
        is_network = hasattr(estimator, "coefs_")
        if is_network:
            members, averaged = estimator._layers_of_members(), estimator._averaged()
            activations = list(estimator._model.activations)
        else:
            coef = as_matrix(estimator.coef_)
            members, averaged = [[(coef.T, np.atleast_1d(estimator.intercept_))]], ""
            activations = []
        return cls(
            type(estimator).__name__,
            members,
            activations,
            is_network,
            estimator._task,
            estimator._loss,
            estimator.n_features_in_,
            averaged,
        )

    @property
    def layers(self):
        """Those of the only member, or of the first."""
        return self.members[0]

    @property
    def n_outputs(self):
        return len(self.layers[-1][1])

    @property
    def softmax(self):
        """Whether probabilities are those of a softmax over the scores."""
        exclusive = self.task.name == "classification" and not self.is_multilabel
        return exclusive and self.n_outputs > 1 and self.loss.softmax

    @property
    def is_multilabel(self):
        """Whether each output is a label of its own."""
        return self.task.name == "classification" and self.task.n_targets > 1
