"""MLPGD: a multi-layer perceptron for classification and regression.

Parameters, methods and attributes as the user meets them. How it is trained is put
together in ``_network/training.py``.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import _fit_context
from sklearn.callback import with_callbacks
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skgd._estimator import parameters as _parameters
from skgd._estimator.late import LATE, attributes_of, late_dict
from skgd._estimator.parameters import documented, with_parameters
from skgd._estimator.prepared import quickly
from skgd._estimator.probabilities import LogProbabilities, has_probabilities
from skgd._estimator.transaction import all_or_nothing
from skgd._input.targets import Classification, Multilabel
from skgd._input.validation import check_weights, refuse_foreign, validated
from skgd._network.ensemble import averaged, is_ensemble, members_of, together
from skgd._network.training import NetworkGD, is_classifier
from skgd._training.threads import OneBlasThread
from skgd.losses import LOSSES

# Numbers of a layer that are computed at a time in a prediction: 1 MB of them.
PREDICTED_NUMBERS = 2**17


def _for_classifiers(estimator):
    if not is_classifier(estimator):
        raise AttributeError(f"loss={estimator.loss!r} makes this a regressor")
    return True


def _has_probabilities(estimator):
    _for_classifiers(estimator)
    return has_probabilities(estimator)


@with_parameters(
    {"hidden_layer_sizes": _parameters.NETWORK["hidden_layer_sizes"]}
    | _parameters.loss_parameter("log_loss", LOSSES)
    | _parameters.NETWORK
    | _parameters.CLASS_WEIGHT
    | _parameters.SHARED
    | _parameters.STREAM
    | _parameters.NEW_CLASSES
    | _parameters.NETWORK_TRAINING,
    optimizer="adam",
    n_iter_no_change=10,
    tol=1e-4,
)
class MLPGD(LogProbabilities, NetworkGD):
    """Multi-layer perceptron for classification or regression.

    The `loss` makes it one or the other. It minimises

    F = sum_i s_i l(y_i, z_i) / sum_i s_i + alpha/2 sum_l ||W_l||^2,

    where z_i = a_L(x_i), a_l = f_l(a_{l-1} W_l + b_l), a_0 = x_i, f_l is the activation
    for hidden layers and the identity for the last, and the loss of a row is the sum
    over its outputs. Gradients come from backpropagation. With ``standardize=True`` the
    penalised weights are those for standardised inputs and outputs, and in regression
    the penalty is multiplied by u = spread(y) * rms(dl/dz at the best constant), the
    variance of y for "squared_error", so that `alpha` means the same in all units.
    Several targets are brought to one spread there, the root mean square of theirs,
    before the loss compares them, so that each counts the same in any units; with
    ``standardize=False`` those of large variance weigh more. Of an ensemble F is the
    mean over its members, each of which goes down its own.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        Labels, sorted; for multilabel y, the number of each column. Only of a
        classifier.
    coefs_ : list of arrays of shape (fan_in, fan_out)
        Weights of each layer, the first for the features as given; of an ensemble, as
        the defaults make one, of shape (n_ensemble, fan_in, fan_out). Predictions and
        `gradient` use these arrays, also if you have changed them; further training
        goes on from what was learnt, not from such changes, which can be handed to
        `fit` as `coefs_init` and `intercepts_init`.
    intercepts_ : list of arrays of shape (fan_out,)
        Constant terms of each layer; of an ensemble of shape (n_ensemble, fan_out).
    members_ : list of MLPGD
        The networks of an ensemble, to predict with, as `compact` makes them; made when
        they are asked for. Only of an ensemble.
    alpha_ : float
        The strength of the penalty used, of an ensemble that of the first member.
    n_layers_ : int
        Number of layers, those of inputs and outputs included.
    n_outputs_ : int
        Number of scores: one for two classes or one target.
    {attributes}

    See Also
    --------
    GDClassifier : The same without hidden layers, with more penalties.
    sklearn.neural_network.MLPClassifier : Three rules, one loss.

    Notes
    -----
    ``lr="auto"`` is the constant that the rule gives in its documentation (Adam: 0.01),
    times the square root of batch_size/32, but no less than 0.3 and no more than 3
    times, 0.5 times for ``solver="batch"``, and for AdaGrad divided by the number of
    hidden layers. Without such a constant it is 0.1 times
    the same, but at most one over the largest curvature of the objective at random
    weights, times (1 - momentum). It falls linearly to zero over `max_iter` epochs, on
    top of `lr_schedule`. `partial_fit`, which knows no end, keeps it constant and takes
    gradients between the moving weights and their mean, in which later ones weigh more
    and which is the answer (Defazio et al., 2024); after `fit` the mean begins anew
    from its weights. Steps go down F/u.

    References
    ----------
    D. E. Rumelhart, G. E. Hinton and R. J. Williams, "Learning representations by
    back-propagating errors" (1986).

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skgd import MLPGD
    >>> X, y = load_wine(return_X_y=True)
    >>> model = MLPGD(hidden_layer_sizes=(20,), random_state=0).fit(X, y)
    >>> model.score(X, y)
    1.0

    With everything left to it, that is the mean of four networks. A forward pass of one
    by hand gives its scores:

    >>> import numpy as np
    >>> model = MLPGD((20,), n_ensemble=1, random_state=0).fit(X, y)
    >>> [W.shape for W in model.coefs_]
    [(13, 20), (20, 3)]
    >>> a = X
    >>> for W, b in zip(model.coefs_[:-1], model.intercepts_[:-1]):
    ...     a = np.maximum(a @ W + b, 0)
    >>> z = a @ model.coefs_[-1] + model.intercepts_[-1]
    >>> np.allclose(z, model.decision_function(X))
    True
    """

    __dict__ = late_dict

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
        coefs_init: Sequence[ArrayLike] | None = None,
        intercepts_init: Sequence[ArrayLike] | None = None,
        X_val: Any = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train for up to `max_iter` epochs.

        Parameters
        ----------
        {rows to fit}
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Labels, indicators of several labels per row, or targets.
        {weights to fit}
        coefs_init, intercepts_init : list of array-like, default=None
            Where to start, in the shapes of `coefs_` and `intercepts_`. By default
            random, but for the last intercepts: the best constant under
            ``standardize=True``, else zero.
        {rows to judge by}

        {fitted}
        """
        init = {"coefs_init": coefs_init, "intercepts_init": intercepts_init}
        return self._fit(X, y, sample_weight, init, (X_val, y_val, sample_weight_val))

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

        Optimizer, schedule, averaging, dropout and standardisation go on where the
        previous call left them.

        Parameters
        ----------
        {rows}
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Labels, indicators or targets.
        classes : array-like of shape (n_classes,), default=None
            All labels there will ever be; required in the first call for labels, unless
            ``on_new_class="extend"``, under which it names those known so far. Not
            used for indicators and targets.
        {weights of a pass}

        {updated}
        """
        return self._partial_fit(X, y, sample_weight, classes)

    @documented
    def gradient(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[float, Any, Any]:
        """Objective and backpropagated gradient at `coefs_` and `intercepts_`.

        Parameters
        ----------
        {rows}
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Labels, indicators or targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, scaled to mean 1.

        Returns
        -------
        loss : float
            F over the rows given, penalty included; see the class.
        coef_gradients : list of arrays
            dF/dW of each layer, in the shapes of `coefs_`.
        intercept_gradients : list of arrays
            dF/db of each layer, in the shapes of `intercepts_`.

        Notes
        -----
        Dropout is left out: this is the gradient of the network that predicts. It is
        taken where `coefs_` and `intercepts_` are, also if you have changed them.

        Examples
        --------
        The 1-1-1 network z = (w2 - 2 w1) w3 with the input -2, at w = (3, 4, 5):

        >>> from skgd import MLPGD
        >>> model = MLPGD(loss="absolute_error", hidden_layer_sizes=(1,), alpha=0,
        ...               activation="identity", standardize=False, optimizer="gd",
        ...               lr=1e-300, max_iter=1, tol=None)
        >>> start = {"coefs_init": [[[3]], [[5]]], "intercepts_init": [[4], [0]]}
        >>> model = model.fit([[-2]], [10], **start)
        >>> loss, coefs, intercepts = model.gradient([[-2]], [10])
        >>> loss, coefs[0].item(), intercepts[0].item(), coefs[1].item()
        (20.0, 10.0, -5.0, 2.0)
        """
        check_is_fitted(self, "coefs_")
        refuse_foreign(X=X, y=y, sample_weight=sample_weight)
        X, y = self._checked_data(X, y, reset=False)
        weights = check_weights(sample_weight, X)
        rows = self._weighted_rows(X, y, weights, self._task, self._loss)
        rows = rows.with_mean_weight_one()
        raw = self._model.in_units_of_features(X.dtype)
        theta = raw.theta(self.coefs_, self.intercepts_)
        objective = self._objective(
            self._task, self._loss, raw, np.zeros(raw.n_members)
        )
        with OneBlasThread():
            loss, gradient = objective.bind(rows).gradient(theta)
        # Of the mean over the members of an ensemble, where training takes their sum.
        coefs, intercepts = raw.split(gradient * raw.unit)
        alpha = self.alpha_ if self.alpha == "auto" else self.alpha
        alphas = self._strengths(alpha, raw.n_members)
        strengths = self._model.raw_penalty_weights(alphas)
        for W, G, strength in zip(self.coefs_, coefs, strengths, strict=True):
            W = W.astype(np.float64)
            loss += 0.5 * float(np.sum(strength * W**2))
            G += strength * W
        return (
            loss,
            [G.astype(X.dtype) for G in coefs],
            [G.astype(X.dtype) for G in intercepts],
        )

    @documented
    def activations(self, X: Any) -> list[NDArray[Any]]:
        """Values of the units of every layer: the forward pass.

        Parameters
        ----------
        {rows}

        Returns
        -------
        list of arrays of shape (n_samples, n_units)
            X itself, what each hidden layer hands on, and the scores of the last layer,
            which `predict` and `predict_proba` go by.

        Examples
        --------
        >>> from sklearn.datasets import load_wine
        >>> from skgd import MLPGD
        >>> X, y = load_wine(return_X_y=True)
        >>> model = MLPGD((20,), n_ensemble=1, random_state=0).fit(X, y)
        >>> [a.shape for a in model.activations(X[:5])]
        [(5, 13), (5, 20), (5, 3)]
        """
        check_is_fitted(self, "coefs_")
        if is_ensemble(self.coefs_):
            raise ValueError(
                f"activations are those of one network, and this is an ensemble of "
                f"{len(self.coefs_[0])}: ask one of members_, as in "
                "members_[0].activations(X)."
            )
        refuse_foreign(X=X)
        X = validated(self, X, reset=False)
        return [X, *self._layers(X, *self._together("coefs_", "intercepts_"))]

    @property
    def members_(self) -> list[Self]:
        """The networks of an ensemble, each to predict with."""
        check_is_fitted(self, "coefs_")
        if not is_ensemble(self.coefs_):
            # Who walks over all that a model holds would never come to an end.
            raise AttributeError(
                f"This {type(self).__name__} is one network: only an ensemble, of "
                "n_ensemble=2 or more, has members_."
            )
        members = []
        weights = members_of(self.coefs_, self.intercepts_)
        alphas = self._strengths(self.alpha_, len(weights))
        for (coefs, intercepts), alpha in zip(weights, alphas, strict=True):
            member = self.compact()
            member.n_ensemble = 1
            member.coefs_ = [W.copy() for W in coefs]
            member.intercepts_ = [b.copy() for b in intercepts]
            member.alpha_ = float(alpha)
            member._model = self._model.alone()
            members.append(member)
        return members

    # ---- prediction ------------------------------------------------------------

    def _raw_scores(self, X):
        """Scores of the last layer, one column per output."""
        rows = self._plain_rows(X)
        if rows is not None:
            return self._scores(rows)
        check_is_fitted(self, "coefs_")
        X = validated(self, X, reset=False)
        return self._scores(X)

    def _scores(self, X):
        """A block of rows at a time, which stays in the cache from layer to layer."""
        weights = self._together("coefs_", "intercepts_")
        widest = max(W.shape[-1] for W in weights[0])
        n_rows = max(1, PREDICTED_NUMBERS // widest)
        if X.shape[0] <= n_rows:
            return self._scores_of_block(X, *weights)
        dtype = np.result_type(X.dtype, *(W.dtype for W in weights[0]))
        scores = np.empty((X.shape[0], self.n_outputs_), dtype)
        for start in range(0, X.shape[0], n_rows):
            stop = start + n_rows
            scores[start:stop] = self._scores_of_block(X[start:stop], *weights)
        return scores

    def _scores_of_block(self, X, coefs, intercepts):
        if not is_ensemble(coefs):
            return self._scores_of_member(X, coefs, intercepts)
        scores = [
            self._scores_of_member(X, *member)
            for member in members_of(coefs, intercepts)
        ]
        return together(np.stack(scores), self._averaged())

    def _scores_of_each(self, X):
        weights = self._together("coefs_", "intercepts_")
        return [self._scores_of_member(X, *member) for member in members_of(*weights)]

    def _averaged(self):
        """What of the members of an ensemble is averaged; see ``ensemble.py``."""
        return averaged(self._task, self._loss)

    def _scores_of_member(self, X, coefs, intercepts):
        with np.errstate(over="ignore", invalid="ignore"):
            scores = self._forward(X, coefs, intercepts)
        if scores.dtype != np.float32 or np.isfinite(scores).all():
            return scores
        # Sums of numbers that float32 can hold, which it cannot.
        coefs, intercepts = (
            [part.astype(np.float64) for part in parts] for parts in (coefs, intercepts)
        )
        scores = self._forward(X.astype(np.float64), coefs, intercepts)
        largest = np.finfo(np.float32).max
        return np.clip(scores, -largest, largest).astype(np.float32)

    def _forward(self, X, coefs, intercepts):
        *_, scores = self._layers(X, coefs, intercepts)
        return scores

    def _layers(self, X, coefs, intercepts):
        """Values of the hidden layers and scores, one after the other."""
        attributes = attributes_of(self)
        # What is late is a network with the same activations.
        model = attributes.get("_model") or attributes[LATE].update.model
        return model.layers(X, coefs, intercepts)

    @documented
    def predict(self, X: Any) -> NDArray[Any]:
        """Predict labels, indicators or targets.

        Parameters
        ----------
        {rows}

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_outputs)
        """
        scores = self._raw_scores(X)
        task = self._task
        if task.name == "regression":
            return task.decode(self._loss.inverse_link(scores))
        if isinstance(task, Multilabel):
            return task.decode((scores > 0).astype(int))
        if task.n_outputs == 1:
            return task.decode((scores[:, 0] > 0).astype(int))
        return task.decode(scores.argmax(axis=1))

    @available_if(_for_classifiers)
    @documented
    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Raw scores of a classifier.

        {scores of classes}
        """
        scores = self._raw_scores(X)
        if isinstance(self._task, Classification) and self._task.n_outputs == 1:
            return scores[:, 0]
        return scores

    @available_if(_has_probabilities)
    @documented
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probability of each class, for losses that have them.

        {probabilities}
            Rows sum to 1, but for indicators, where each column is the probability of
            its own label.
        """
        scores = self.decision_function(X)
        if isinstance(self._task, Multilabel):
            return self._loss.probability(scores)
        if scores.ndim == 2 and self._loss.softmax:
            return softmax(scores, axis=1)
        if len(self.classes_) == 1:
            return np.ones((len(scores), 1))
        return self._loss.predict_proba(scores)

    @documented
    def score(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Accuracy of a classifier, R^2 of a regressor.

        Parameters
        ----------
        {rows}
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The truth.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
        """
        metric = accuracy_score if is_classifier(self) else r2_score
        return metric(y, self.predict(X), sample_weight=sample_weight)
