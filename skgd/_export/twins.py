"""The scikit-learn estimator that computes what a fitted estimator of ours computes.

Some of scikit-learn's attributes that `predict` reads are private; all that are set are
set here, and nowhere else.
"""

import numpy as np
from sklearn import linear_model, neural_network
from sklearn.preprocessing import LabelBinarizer

from skgd._export.fitted import Fitted
from skgd._input.sparse import as_matrix
from skgd.activations import Identity, Logistic, ReLU, Tanh
from skgd.losses import (
    Gamma,
    Hinge,
    LogLoss,
    ModifiedHuber,
    Perceptron,
    Poisson,
    SquaredError,
    SquaredHinge,
    Tweedie,
)

ACTIVATIONS = {Identity: "identity", Logistic: "logistic", Tanh: "tanh", ReLU: "relu"}

# Losses of margins, and of SGDClassifier.
MARGINS = {
    Hinge: "hinge",
    ModifiedHuber: "modified_huber",
    Perceptron: "perceptron",
    SquaredError: "squared_error",
    SquaredHinge: "squared_hinge",
}


def twin(estimator):
    """The fitted scikit-learn estimator with the same numbers.

    Parameters
    ----------
    estimator : fitted GDRegressor, GDClassifier or MLPGD

    Returns
    -------
    estimator of scikit-learn

    Raises
    ------
    ValueError
        If scikit-learn has none.
    """
    fitted = Fitted.of(estimator)
    if fitted.is_network:
        other = _network(fitted, estimator.alpha_)
    elif fitted.task.name == "classification":
        other = _linear_classifier(fitted, estimator.alpha)
    else:
        other = _linear_regressor(fitted, estimator.alpha)
    if not fitted.is_network:
        _set_coefficients(other, estimator)
    other.n_features_in_ = fitted.n_features
    if hasattr(estimator, "feature_names_in_"):
        other.feature_names_in_ = estimator.feature_names_in_.copy()
    other.n_iter_ = estimator.n_iter_
    return other


def _set_coefficients(other, estimator):
    coef = as_matrix(estimator.coef_).copy()
    is_flat = getattr(estimator._task, "is_flat", False)
    other.coef_ = coef[0] if is_flat else coef
    other.intercept_ = np.array(estimator.intercept_)
    if hasattr(estimator, "classes_"):
        other.classes_ = estimator.classes_.copy()
    elif is_flat:
        other.intercept_ = other.intercept_[0]


def _linear_classifier(fitted, alpha):
    kind = type(fitted.loss)
    if kind is LogLoss:
        return linear_model.LogisticRegression()
    if kind not in MARGINS:
        if fitted.loss.probabilities:
            raise ValueError(
                f"scikit-learn has no linear classifier with the probabilities of "
                f"{kind.__name__}: use to_onnx()."
            )
        # Without probabilities all that is left of a loss is the sign of the score.
        kind = Hinge
    return linear_model.SGDClassifier(loss=MARGINS[kind], alpha=alpha)


def _linear_regressor(fitted, alpha):
    kind = type(fitted.loss)
    if fitted.loss.identity_link:
        return linear_model.LinearRegression()
    generalised = {
        Poisson: linear_model.PoissonRegressor,
        Gamma: linear_model.GammaRegressor,
    }
    if kind in generalised:
        other = generalised[kind](alpha=alpha)
    elif kind is Tweedie:
        other = linear_model.TweedieRegressor(
            power=fitted.loss.power, link="log", alpha=alpha
        )
    else:
        raise ValueError(
            f"scikit-learn has no linear regressor with the link of {kind.__name__}: "
            "use to_onnx(), if it knows the link."
        )
    if fitted.n_outputs > 1:
        raise ValueError(
            f"scikit-learn's {type(other).__name__} has one target, this model has "
            f"{fitted.n_outputs}: use to_onnx()."
        )
    other._base_loss = other._get_loss()
    return other


def _network(fitted, alpha):
    kinds = {type(activation) for activation in fitted.activations}
    if not kinds <= set(ACTIVATIONS) or len(kinds) > 1:
        names = sorted(kind.__name__ for kind in kinds)
        raise ValueError(
            "scikit-learn's networks have one of identity, logistic, tanh and relu in "
            f"all hidden layers, this one has {names}: use to_onnx()."
        )
    kind = type(fitted.loss)
    is_regressor = fitted.task.name == "regression"
    cls = neural_network.MLPRegressor if is_regressor else neural_network.MLPClassifier
    parameters = {}
    if is_regressor:
        if kind is Poisson:
            parameters = {"loss": "poisson"}
        elif not fitted.loss.identity_link:
            raise ValueError(
                f"scikit-learn's networks do not have the link of {kind.__name__}: use "
                "to_onnx()."
            )
    elif kind is not LogLoss:
        raise ValueError(
            f"scikit-learn's networks have log_loss only, this one {kind.__name__}: "
            "use to_onnx()."
        )
    other = cls(
        hidden_layer_sizes=tuple(len(b) for _, b in fitted.layers[:-1]),
        activation=ACTIVATIONS[kinds.pop()] if kinds else "identity",
        alpha=alpha,
        **parameters,
    )
    other.coefs_ = [W.copy() for W, _ in fitted.layers]
    other.intercepts_ = [b.copy() for _, b in fitted.layers]
    other.n_layers_ = len(fitted.layers) + 1
    other.n_outputs_ = fitted.n_outputs
    if is_regressor:
        other.out_activation_ = "exp" if kind is Poisson else "identity"
        return other
    other.classes_ = fitted.task.classes.copy()
    multilabel = fitted.is_multilabel
    labels = np.eye(fitted.n_outputs, dtype=int) if multilabel else other.classes_
    other._label_binarizer = LabelBinarizer().fit(labels)
    other.out_activation_ = "softmax" if fitted.softmax else "logistic"
    return other
