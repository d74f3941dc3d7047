"""How the models of a search do on the rows held out."""

import math
from numbers import Real

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from skgd._linear.model import LinearModel
from skgd._selection.table import Table


def shown(estimator, task, loss, coef, intercept, dtype):
    """A plain estimator that predicts with given coefficients.

    Parameters
    ----------
    estimator : GDRegressor or GDClassifier
        That has checked X.
    task, loss
        What it was fitted for.
    coef : float64 array of shape (n_outputs, n_features)
    intercept : float64 array of shape (n_outputs,)
    dtype : dtype

    Returns
    -------
    estimator of the same class
    """
    model = LinearModel(coef.shape[1], len(coef), dtype, estimator.fit_intercept)
    answer = clone(estimator)
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(estimator, name):
            setattr(answer, name, getattr(estimator, name))
    vars(answer).update(
        answer._weights_shown(task, model, model.theta(coef, intercept)),
        _task=task,
        _loss=loss,
    )
    if task.classes is not None:
        answer.classes_ = task.classes
    return answer


def held_out_losses(problem, rows, folds, fitted):
    """Minus the mean loss of the rows held out.

    Returns
    -------
    float64 array of shape (n_folds, n_candidates)
    """
    scores = []
    for k, fold in enumerate(folds):
        order = np.flatnonzero(fold.test)
        sums = LossSums(problem, fitted.coef[k], fitted.intercept[k])
        model = problem.model
        for block, targets, at in Table(
            rows.X, problem.coded(rows.targets), model, order
        ):
            sums.add(block, targets, fold.test[order[at]])
        scores.append(-sums.means())
    return np.array(scores)


class LossSums:
    """Losses of some models over rows that come block by block.

    Parameters
    ----------
    problem : Problem
    coef : float64 array of shape (n_candidates, n_outputs, n_features)
    intercept : float64 array of shape (n_candidates, n_outputs)
    """

    def __init__(self, problem, coef, intercept):
        self.problem, model = problem, problem.model
        n, n_outputs, n_features = coef.shape
        theta = np.empty((n, n_features + 1, n_outputs))
        if problem.folds:
            theta[:, :-1] = coef.transpose(0, 2, 1)
            theta[:, -1] = intercept
        else:
            for k in range(n):
                theta[k] = exact_theta(model, coef[k], intercept[k])
        # Columns of one output are neighbours, as in ``Panel``.
        columns = theta.transpose(1, 2, 0).reshape(n_features + 1, n_outputs * n)
        self._W = np.ascontiguousarray(columns[:-1], dtype=model.dtype)
        self._b = columns[-1].astype(model.dtype)
        self._outputs = np.repeat(np.arange(n_outputs), n)
        self._n = n
        self._values = np.zeros(n if problem.softmax else n_outputs * n)
        self._total = 0.0

    def add(self, block, targets, weights):
        """Add a block of rows, of which only some may have a weight."""
        if not weights.any():
            return
        scores = block.scores(self._W, self._b)
        weights = np.ascontiguousarray(weights)
        self.problem.derive(targets, self._outputs, weights, scores, self._values)
        self._total += float(weights.sum())

    def means(self):
        """Mean loss of each candidate, summed over independent outputs."""
        self.problem.raise_noted()
        return self._values.reshape(-1, self._n).sum(axis=0) / self._total


def exact_theta(model, coef, intercept):
    """Parameters of a model, (features + 1, outputs), in double precision."""
    theta = np.empty((coef.shape[1] + 1, len(coef)))
    weights, constant = coef.T, np.array(intercept)
    if model.mean is not None:
        constant = constant + model.mean.astype(np.float64) @ weights
    if model.scale is not None:
        scale = model.scale.astype(np.float64)[:, None]
        weights = np.divide(
            weights, scale, out=np.zeros(weights.shape), where=scale > 0.0
        )
    theta[:-1], theta[-1] = weights, constant
    return theta


def scores_by(scorer, estimator, task, loss, dtype, given, folds, fitted, params):
    """What a scorer says of each candidate of each fold.

    Parameters
    ----------
    scorer : callable(estimator, X, y, **params)
    estimator : GDRegressor or GDClassifier
        That has checked X.
    task, loss, dtype
        What the candidates were fitted for.
    given : tuple (X, y)
        As the user passed them.
    folds : list of Fold
    fitted : Fitted
    params : dict
        Of arrays with one entry for each row, or of anything else.

    Returns
    -------
    float64 array of shape (n_folds, n_candidates)
    """
    X, y = given
    X = X.tocsr() if sparse.issparse(X) else X
    n_rows = len(folds[0].train)
    scores = np.empty(fitted.coef.shape[:2])
    for k, fold in enumerate(folds):
        X_held, y_held = (_safe_indexing(part, fold.held_out) for part in (X, y))
        own = {
            name: _safe_indexing(value, fold.held_out)
            if hasattr(value, "__len__") and len(value) == n_rows
            else value
            for name, value in params.items()
        }
        for i in range(scores.shape[1]):
            model = shown(
                estimator, task, loss, fitted.coef[k, i], fitted.intercept[k, i], dtype
            )
            scores[k, i] = _one_number(scorer(model, X_held, y_held, **own), k)
    return scores


def _one_number(score, k):
    if not isinstance(score, (Real, np.ndarray)) or np.size(score) != 1:
        raise ValueError(f"scoring must give one number, got {score!r} for fold {k}.")
    score = float(score)
    if math.isnan(score):
        raise ValueError(
            f"scoring gives NaN on the rows held out in fold {k} of cv, so that the "
            "candidates cannot be compared. Some scores are not defined for few rows, "
            "or for rows of one class: use fewer folds, or a stratified splitter."
        )
    return score
