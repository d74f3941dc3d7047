"""Coefficients against the strength of the penalty, all fitted in common passes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skgd._selection.estimators import GDClassifierCV, GDRegressorCV, prepared
from skgd._selection.grid import (
    alpha_grid,
    candidates_of,
    checked_alphas,
    checked_ratios,
)
from skgd._selection.lockstep import fit_together, steepness
from skgd.losses import LOSSES, Loss, loss_names


@dataclass(frozen=True)
class CoefficientPath:
    """What :func:`skgd.path` returns.

    Attributes
    ----------
    alphas : array of shape (n_alphas,)
        Strengths in descending order.
    coefs : array of shape (n_alphas[, n_outputs], n_features)
        Coefficients in units of the features. Regression of one target and two classes
        have no axis of outputs.
    intercepts : array of shape (n_alphas[, n_outputs])
        Constant terms.
    feature_names : list of str
        Names of the columns, or their numbers.
    spread : array of shape (n_features,)
        Standard deviations of the columns.
    classes : array of shape (n_classes,) or None
        Labels, sorted; None for a regression.
    n_passes : int
        How often the rows were read.
    """

    alphas: NDArray[np.float64]
    coefs: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    feature_names: list[str]
    spread: NDArray[np.float64]
    classes: NDArray[Any] | None
    n_passes: int


def path(
    X: Any,
    y: ArrayLike,
    *,
    alphas: Any = 100,
    loss: str | Loss = "squared_error",
    penalty: str = "l1",
    l1_ratio: float = 0.5,
    sample_weight: ArrayLike | None = None,
    class_weight: Any = None,
    fit_intercept: bool = True,
    tol: float | None = 1e-4,
    max_iter: int = 1000,
) -> CoefficientPath:
    """The coefficients of a linear model for many strengths of its penalty.

    All of them descend together: one pass over the rows takes a step of each.

    Parameters
    ----------
    X : {array-like, CSR matrix} of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Targets, or labels for a loss of classes.
    alphas : int or array-like of float, default=100
        Strengths, or how many; see `alphas` of `GDRegressorCV`.
    loss : str or Loss, default='squared_error'
        A smooth loss. One that is for classes only, as 'log_loss', makes y labels.
    penalty : {'l1', 'l2', 'elasticnet'}, default='l1'
        Under 'l1' and 'elasticnet' coefficients are exactly zero until they enter.
    l1_ratio : float, default=0.5
        Share of the l1 part in 'elasticnet'.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights.
    class_weight : dict, 'balanced' or None, default=None
        Weights of the classes.
    fit_intercept : bool, default=True
        Whether the model has an intercept.
    tol : float or None, default=1e-4
        As for `GDRegressorCV`.
    max_iter : int, default=1000
        Passes at most.

    Returns
    -------
    CoefficientPath

    See Also
    --------
    skgd.display.CoefficientPathDisplay.from_path : Its picture.
    sklearn.linear_model.lasso_path : Coordinate descent, which is faster for the
        squared error under an l1 penalty.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import path
    >>> X, y = load_diabetes(return_X_y=True)
    >>> found = path(X, y, alphas=[3.0, 1.0, 0.3])
    >>> (found.coefs != 0).sum(axis=1)
    array([0, 3, 4])
    """
    asked = {
        "loss": loss,
        "penalty": penalty,
        "alphas": alphas,
        "l1_ratio": l1_ratio,
        "fit_intercept": fit_intercept,
        "tol": tol,
        "max_iter": max_iter,
    }
    estimator = _estimator(asked, class_weight)
    estimator._validate_params()
    alphas = checked_alphas(alphas)
    ratios, several = checked_ratios(penalty, l1_ratio)
    if several:
        raise ValueError(f"A path has one l1_ratio, got {l1_ratio!r}.")
    known = prepared(estimator, X, y, sample_weight)
    figures = 0.0, 0.0
    if isinstance(alphas, int):
        figures = steepness(known.problem, known.rows, known.weights)
    grid = alpha_grid(alphas, ratios, *figures)
    candidates = candidates_of(penalty, grid, ratios)
    fitted = fit_together(
        known.problem, known.rows, [known.weights], candidates, max_iter
    )
    fitted.warn_of_unfinished(max_iter, tol, "models")
    flat = known.is_flat
    plain = known.plain
    names = getattr(plain, "feature_names_in_", range(plain.n_features_in_))
    coefs, intercepts = fitted.coef[0], fitted.intercept[0]
    return CoefficientPath(
        grid[0],
        coefs[:, 0] if flat else coefs,
        intercepts[:, 0] if flat else intercepts,
        [str(name) for name in names],
        np.sqrt(known.problem.model.moments.variance),
        known.task.classes,
        fitted.n_passes,
    )


def _estimator(asked: dict[str, Any], class_weight: Any) -> Any:
    """The estimator whose checks and problem those of the path are."""
    loss = asked["loss"]
    if isinstance(loss, Loss):
        is_regression = "regression" in loss.tasks
    else:
        is_regression = LOSSES.canonical(loss) in loss_names("regression")
    if not is_regression:
        return GDClassifierCV(**asked, class_weight=class_weight)
    if class_weight is not None:
        raise ValueError(
            f"class_weight is for classes, and loss={loss!r} is of a regression."
        )
    return GDRegressorCV(**asked)
