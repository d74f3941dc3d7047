"""The scikit-learn estimator that computes what a fitted estimator of ours computes.

Some of scikit-learn's attributes that `predict` reads are private; all that are set are
set here, and nowhere else.
"""

import numpy as np
from sklearn import linear_model, neural_network
from sklearn.base import is_regressor
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.preprocessing import LabelBinarizer, LabelEncoder

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
    get_loss,
)

ACTIVATIONS = {Identity: "identity", Logistic: "logistic", Tanh: "tanh", ReLU: "relu"}

# The strength of estimators that are not fitted and have none: scikit-learn's default.
ALPHA = 1e-4

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
    if len(fitted.members) > 1:
        return _together(estimator, fitted)
    regression = fitted.task.name == "regression"
    if fitted.is_network:
        sizes = [len(b) for _, b in fitted.layers[:-1]]
        other = _network(
            fitted.loss, regression, fitted.activations, sizes, estimator.alpha_
        )
        _set_layers(other, fitted)
    else:
        other = _linear(fitted.loss, regression, estimator.alpha)
        _set_coefficients(other, estimator, fitted)
    other.n_features_in_ = fitted.n_features
    _set_names(other, estimator)
    other.n_iter_ = estimator.n_iter_
    return other


def _set_names(other, estimator):
    if hasattr(estimator, "feature_names_in_"):
        other.feature_names_in_ = estimator.feature_names_in_.copy()


def _together(estimator, fitted):
    """The mean of the networks of an ensemble."""
    n_targets = fitted.task.n_targets
    if n_targets > 1:
        raise ValueError(
            "scikit-learn's VotingClassifier and VotingRegressor, its means of "
            f"networks, have one target, this ensemble has {n_targets}: use "
            "to_onnx(), or export the networks in members_ one by one."
        )
    members = [twin(member) for member in estimator.members_]
    other = _voting(members)
    other.estimators_ = members
    other.named_estimators_ = dict(other.estimators)
    _set_names(other, estimator)
    if isinstance(other, VotingClassifier):
        other.le_ = LabelEncoder().fit(fitted.task.classes)
        # It would make strings of a fixed length of objects.
        other.classes_ = other.le_.classes_ = fitted.task.classes.copy()
    return other


def _voting(members):
    named = [(f"network{k}", member) for k, member in enumerate(members)]
    if is_regressor(members[0]):
        return VotingRegressor(named)
    return VotingClassifier(named, voting="soft")


def template(estimator):
    """The scikit-learn estimator that stands for one of ours that is not fitted.

    It minimises the same objective where scikit-learn has it, by a method of its own.

    Parameters
    ----------
    estimator : GDRegressor, GDClassifier, their searches over strengths, or MLPGD

    Returns
    -------
    estimator of scikit-learn

    Raises
    ------
    ValueError
        If scikit-learn has none.
    """
    regression = is_regressor(estimator)
    loss = get_loss(estimator.loss, "regression" if regression else "classification")
    alpha = getattr(estimator, "alpha", "auto")
    alpha = ALPHA if isinstance(alpha, str) else alpha
    if not hasattr(estimator, "hidden_layer_sizes"):
        return _linear(loss, regression, alpha)
    sizes = estimator._hidden_layer_sizes()
    activations = estimator._activations(len(sizes))
    # How many "auto" makes of it depends on the rows.
    n_members = estimator.n_ensemble if estimator.n_ensemble != "auto" else 1
    members = [
        _network(loss, regression, activations, sizes, alpha) for _ in range(n_members)
    ]
    return members[0] if n_members == 1 else _voting(members)


def _linear(loss, regression, alpha):
    kind = _linear_regressor if regression else _linear_classifier
    return kind(loss, alpha)


def _set_coefficients(other, estimator, fitted):
    coef = as_matrix(estimator.coef_).copy()
    is_flat = getattr(estimator._task, "is_flat", False)
    other.coef_ = coef[0] if is_flat else coef
    other.intercept_ = np.array(estimator.intercept_)
    if hasattr(estimator, "classes_"):
        other.classes_ = estimator.classes_.copy()
        return
    if is_flat:
        other.intercept_ = other.intercept_[0]
    if isinstance(other, linear_model.LinearRegression):
        return
    if fitted.n_outputs > 1:
        raise ValueError(
            f"scikit-learn's {type(other).__name__} has one target, this model has "
            f"{fitted.n_outputs}: use to_onnx()."
        )
    other._base_loss = other._get_loss()


def _linear_classifier(loss, alpha):
    kind = type(loss)
    if kind is LogLoss:
        return linear_model.LogisticRegression()
    if kind not in MARGINS:
        if loss.probabilities:
            raise ValueError(
                f"scikit-learn has no linear classifier with the probabilities of "
                f"{kind.__name__}: use to_onnx()."
            )
        # Without probabilities all that is left of a loss is the sign of the score.
        kind = Hinge
    return linear_model.SGDClassifier(loss=MARGINS[kind], alpha=alpha)


def _linear_regressor(loss, alpha):
    kind = type(loss)
    if loss.identity_link:
        return linear_model.LinearRegression()
    generalised = {
        Poisson: linear_model.PoissonRegressor,
        Gamma: linear_model.GammaRegressor,
    }
    if kind in generalised:
        return generalised[kind](alpha=alpha)
    if kind is Tweedie:
        return linear_model.TweedieRegressor(power=loss.power, link="log", alpha=alpha)
    raise ValueError(
        f"scikit-learn has no linear regressor with the link of {kind.__name__}: "
        "use to_onnx(), if it knows the link."
    )


def _network(loss, regression, activations, sizes, alpha):
    kinds = {type(activation) for activation in activations}
    if not kinds <= set(ACTIVATIONS) or len(kinds) > 1:
        names = sorted(kind.__name__ for kind in kinds)
        raise ValueError(
            "scikit-learn's networks have one of identity, logistic, tanh and relu in "
            f"all hidden layers, this one has {names}: use to_onnx()."
        )
    kind = type(loss)
    cls = neural_network.MLPRegressor if regression else neural_network.MLPClassifier
    parameters = {}
    if regression:
        if kind is Poisson:
            parameters = {"loss": "poisson"}
        elif not loss.identity_link:
            raise ValueError(
                f"scikit-learn's networks do not have the link of {kind.__name__}: use "
                "to_onnx()."
            )
    elif kind is not LogLoss:
        raise ValueError(
            f"scikit-learn's networks have log_loss only, this one {kind.__name__}: "
            "use to_onnx()."
        )
    return cls(
        hidden_layer_sizes=tuple(sizes),
        activation=ACTIVATIONS[kinds.pop()] if kinds else "identity",
        alpha=alpha,
        **parameters,
    )


def _set_layers(other, fitted):
    other.coefs_ = [W.copy() for W, _ in fitted.layers]
    other.intercepts_ = [b.copy() for _, b in fitted.layers]
    other.n_layers_ = len(fitted.layers) + 1
    other.n_outputs_ = fitted.n_outputs
    if isinstance(other, neural_network.MLPRegressor):
        other.out_activation_ = "exp" if type(fitted.loss) is Poisson else "identity"
        return
    other.classes_ = fitted.task.classes.copy()
    multilabel = fitted.is_multilabel
    labels = np.eye(fitted.n_outputs, dtype=int) if multilabel else other.classes_
    other._label_binarizer = LabelBinarizer().fit(labels)
    if not multilabel:
        # It would make strings of a fixed length of objects, and `predict` theirs.
        other._label_binarizer.classes_ = other.classes_
    other.out_activation_ = "softmax" if fitted.softmax else "logistic"
