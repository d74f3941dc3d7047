"""Standard errors of an unpenalised linear model, from two sums over the rows.

With the score g_i = dl_i/dz and the curvature h_i of the loss at the estimate, s_i rows
alike and x_i with a one for the intercept,

    H = sum_i s_i h_i x_i x_i',   M = sum_i s_i g_i^2 x_i x_i',

the covariance of the coefficients is scale * inv(H) ("nonrobust"), or
inv(H) M inv(H) ("HC0"; White, 1980; Huber, 1967), times n/(n - p) ("HC1"). The former
has the expected curvature, which is the customary one, the latter the observed one,
because it believes nothing of the distribution; they differ where the link is not the
canonical one. Both sums can be taken a block of rows at a time.
"""

import warnings
from typing import NamedTuple

import numpy as np
from scipy import sparse, stats
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

from skgd._input.sparse import as_matrix
from skgd.losses import Gamma, LogLoss, Poisson, SquaredError

# Numbers turned to double precision at a time.
BLOCK_VALUES = 1 << 22

# Coefficients this near to the minimum, in standard errors, or in units of the largest,
# are as good as there.
NEAR, NEAR_OF_LARGEST = 0.05, 1e-10

COVARIANCES = ("nonrobust", "HC0", "HC1")

# Columns are taken for linearly dependent where the standardised sum has no more than
# three digits left.
LARGEST_CONDITION = 1e13

# Losses that are a likelihood: the expected curvature at the score z, and whether there
# is a scale to estimate.
CURVATURES = {
    SquaredError: (np.ones_like, True),
    LogLoss: (lambda z: expit(z) * expit(-z), False),
    Poisson: (np.exp, False),
    Gamma: (np.ones_like, True),
}


def coefficient_table(
    estimator, X, y=None, sample_weight=None, *, cov="nonrobust", level=0.95
):
    """Coefficients with standard errors, z, p-values and intervals.

    For linear models of one output, fitted without penalty, whose loss is a likelihood:
    squared_error (normal), log_loss with two classes (binomial), poisson and gamma.
    Numbers and names are those of statsmodels' ``OLS``, ``Logit``, ``Poisson`` and
    ``GLM``, with normal quantiles; weights are its ``freq_weights``.

    Parameters
    ----------
    estimator : fitted GDRegressor or GDClassifier
        Converged: standard errors of a point that is not the minimum mean nothing. A
        ConvergenceWarning says how far that is, if it is more than a twentieth of one.
    X : {array-like, CSR matrix} of shape (n_samples, n_features), or iterable
        The rows that it was fitted on, or, with ``y=None``, batches ``(X, y)`` or
        ``(X, y, sample_weight)`` that can be read twice.
    y : array-like of shape (n_samples,), default=None
        Their targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Their weights, taken as numbers of repetitions: a row of weight two is two rows.
    cov : {'nonrobust', 'HC0', 'HC1'}, default='nonrobust'
        'nonrobust' believes the likelihood, the others hold for any variance of the
        targets (White, 1980). 'HC1' is 'HC0' times n/(n - p) for n rows and p
        coefficients, which statsmodels does for ``OLS`` alone.
    level : float, default=0.95
        Of the confidence intervals.

    Returns
    -------
    pandas.DataFrame
        A row for the intercept, if there is one, and for each feature; columns `coef`,
        `std_err`, `z`, `p`, `low`, `high`.

    Raises
    ------
    ValueError
        For a penalised model, a network, several outputs, or a loss that is no
        likelihood; for columns that are linearly dependent or constant beside the
        intercept, and no more rows than coefficients: standard errors do not exist;
        for negative weights, and batches that can be read only once.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDRegressor
    >>> from skgd.export import coefficient_table
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model = GDRegressor(solver="batch", tol=1e-10).fit(X[["bmi", "bp"]], y)
    >>> coefficient_table(model, X[["bmi", "bp"]], y)["std_err"].round(2)
    intercept    22.23
    bmi           0.70
    bp            0.23
    Name: std_err, dtype: float64
    """
    import pandas as pd

    curvature, has_scale = _likelihood(estimator)
    if cov not in COVARIANCES:
        raise ValueError(f"cov must be one of {COVARIANCES}, got {cov!r}.")
    if y is not None:
        X = [(X, y, sample_weight)]
    elif iter(X) is X:
        raise ValueError(
            "The batches are read twice, and this iterator only once: pass a list, or "
            "a source of skgd.data."
        )

    believes = cov == "nonrobust"
    sums = _sums(estimator, X, curvature if believes else None)
    n_parameters = sums.score.size
    if not sums.weight > n_parameters:
        raise ValueError(
            f"{n_parameters} coefficients need more rows than that, got "
            f"{sums.weight:g}."
        )
    inverse = _inverse(sums.hessian)
    if believes:
        left = sums.weight - n_parameters
        covariance = (sums.pearson / left if has_scale else 1.0) * inverse
    else:
        covariance = inverse @ sums.middle @ inverse
        if cov == "HC1":
            covariance *= sums.weight / (sums.weight - n_parameters)
    error = np.sqrt(np.diag(sums.back @ covariance @ sums.back.T))
    # One step of Newton says how far the minimum is.
    _warn_if_far(np.abs(sums.back @ (inverse @ sums.score)), error, sums.values)
    ratio = sums.values / error
    reach = stats.norm.ppf(0.5 + level / 2) * error
    return pd.DataFrame(
        {
            "coef": sums.values,
            "std_err": error,
            "z": ratio,
            "p": 2 * stats.norm.sf(np.abs(ratio)),
            "low": sums.values - reach,
            "high": sums.values + reach,
        },
        index=_names(estimator, estimator.fit_intercept),
    )


class _Sums(NamedTuple):
    """What the rows say of the coefficients, in standardised columns.

    Attributes
    ----------
    hessian, middle : float64 arrays of shape (n_parameters, n_parameters)
        Sums of second derivatives, and of products of scores.
    score : float64 array of shape (n_parameters,)
    weight, pearson : float
        Of all rows, and of their squared residuals.
    back : float64 array of shape (n_parameters, n_parameters)
        Leads to the features as given.
    values : float64 array of shape (n_parameters,)
        The coefficients, after the intercept.
    """

    hessian: object
    middle: object
    score: object
    weight: float
    pearson: float
    back: object
    values: object


def _sums(estimator, X, curvature):
    """`_Sums` of the rows; second derivatives are `curvature`, or those of the loss."""
    scaler = StandardScaler()
    for block, _, _ in _blocks(estimator, X):
        scaler.partial_fit(block)
    constant = estimator.fit_intercept
    mean = scaler.mean_ if constant else np.zeros_like(scaler.mean_)
    scale = scaler.scale_
    n_parameters = len(mean) + constant
    hessian, middle = np.zeros((2, n_parameters, n_parameters))
    score = np.zeros(n_parameters)
    weight = pearson = 0.0
    coef = as_matrix(estimator.coef_).ravel().astype(np.float64)
    intercept = float(np.ravel(estimator.intercept_)[0])
    for block, targets, weights in _blocks(estimator, X):
        z = block @ coef + intercept
        # In standardised columns, where the sums are well conditioned.
        Z = (block - mean) / scale
        if constant:
            Z = np.column_stack([np.ones(len(Z)), Z])
        g = estimator._loss.gradient(targets, z)
        h = curvature and curvature(z)
        if h is None:
            h = estimator._loss.curvature_at(targets, z)
        hessian += Z.T @ ((weights * h)[:, None] * Z)
        middle += Z.T @ ((weights * g**2)[:, None] * Z)
        score += Z.T @ (weights * g)
        weight += weights.sum()
        # Gamma's score is (mu - y)/mu: the Pearson residual, as the normal's is.
        pearson += (weights * g**2).sum()
    return _Sums(
        hessian,
        middle,
        score,
        weight,
        pearson,
        back=_to_raw(mean, scale, constant),
        values=np.r_[intercept, coef] if constant else coef,
    )


def _likelihood(estimator):
    """What `CURVATURES` has for the loss, or ValueError."""
    check_is_fitted(estimator)
    if not hasattr(estimator, "penalty") or not hasattr(estimator, "alpha"):
        raise ValueError(
            "Standard errors are for GDRegressor and GDClassifier, got "
            f"{type(estimator).__name__}."
        )
    if estimator.penalty is not None and estimator.alpha > 0:
        raise ValueError(
            f"penalty={estimator.penalty!r} with alpha={estimator.alpha} shrinks the "
            "coefficients, and their standard errors would not say how far: fit with "
            "penalty=None."
        )
    kind = type(estimator._loss)
    if kind not in CURVATURES:
        names = ", ".join(sorted(one.__name__ for one in CURVATURES))
        raise ValueError(
            f"Standard errors need a loss that is a likelihood ({names}), got "
            f"{kind.__name__}."
        )
    if estimator._task.n_outputs > 1:
        raise ValueError(
            "Standard errors are for models of one output, this one has "
            f"{estimator._task.n_outputs}."
        )
    if kind is SquaredError and estimator._task.name == "classification":
        raise ValueError("squared_error is no likelihood of classes: use log_loss.")
    return CURVATURES[kind]


def _blocks(estimator, batches):
    """Dense float64 rows, coded targets and weights, a block at a time."""
    for X, y, *weights in batches:
        X, y = estimator._checked_data(X, y, reset=False)
        targets = estimator._task.encode(np.asarray(y))[:, 0]
        given = weights[0] if weights else None
        weights = np.ones(len(targets)) if given is None else np.asarray(given, float)
        if weights.shape != targets.shape:
            raise ValueError(
                f"sample_weight has shape {weights.shape}, expected {targets.shape}."
            )
        if not (weights >= 0.0).all():
            raise ValueError("sample_weight must not be negative.")
        rows = max(1, BLOCK_VALUES // X.shape[1])
        for part in gen_batches(len(targets), rows):
            block = X[part]
            block = block.toarray() if sparse.issparse(block) else block
            yield block.astype(np.float64), targets[part], weights[part]


def _inverse(hessian):
    """Of a sum over rows, or ValueError where there is none."""
    length = np.sqrt(np.diag(hessian))
    # In units of its own for each coefficient.
    scaled = hessian / np.outer(length, length) if (length > 0.0).all() else hessian
    if not np.linalg.cond(scaled) < LARGEST_CONDITION:
        raise ValueError(
            "The columns are linearly dependent, or one is constant: their "
            "coefficients have no standard errors. Leave one out, and fit again."
        )
    return np.linalg.inv(scaled) / np.outer(length, length)


def _warn_if_far(distance, error, values):
    far = distance > NEAR * error + NEAR_OF_LARGEST * np.abs(values).max()
    if far.any():
        most = (distance[far] / error[far]).max()
        warnings.warn(
            f"A coefficient is {most:.2g} standard errors away from the minimum of the "
            "rows given, so that its interval is around the wrong point: fit with a "
            "smaller tol, for example solver='batch' with tol=1e-10.",
            ConvergenceWarning,
            stacklevel=3,
        )


def _to_raw(mean, scale, constant):
    """The matrix that turns standardised coefficients into raw ones."""
    matrix = np.diag(1.0 / scale)
    if not constant:
        return matrix
    first = np.r_[1.0, -mean / scale]
    return np.vstack([first, np.column_stack([np.zeros(len(mean)), matrix])])


def _names(estimator, constant):
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        names = [f"x{j}" for j in range(estimator.n_features_in_)]
    return ["intercept", *names] if constant else list(names)
