"""The learning rate for ``lr="auto"``, and the largest one that is stable.

Centred and scaled coordinates, the curvature of the objective in them, steps from it.
How a step is made is not decided here.
"""

from dataclasses import replace

import numpy as np
from scipy import sparse

from skgd._input.moments import exceeds_rounding
from skgd._training.objective import Objective
from skgd._training.power_iteration import power_iteration
from skgd.losses import SquaredError

POWER_ITERATIONS = 100
POWER_TOLERANCE = 1e-3

# Rows turned to double precision at a time: bounds the extra memory.
CHUNK_ROWS = 1024

# Power iteration approaches the eigenvalue from below.
SAFETY = 1.05

# Features per nonzero of an update up to which sparse columns are centred.
CENTRED_WIDTH = 8


# A row may have the square of so many deviations in one coordinate, divided by the rows
# of an update: rare levels, which lie far from the mean of their column, would turn the
# error of their row around many times.
FARTHEST = 64


def centred_coordinates(moments, ridge, centre, batch_size=None):
    """The diagonal coordinates z = (x - mean) * scale that even out the curvature.

    scale_j = 1/sqrt(var_j + l2/c): one over the root of the curvature of feature j, of
    the loss (c var_j) and the penalty (l2) together, so that neither blows up the step.
    For updates of b rows var_j is at least max_i (x_ij - mean_j)^2 / max(64, b).

    Parameters
    ----------
    moments : Moments
    ridge : float or array of shape (n_features,)
        Strength of the l2 penalty over the curvature c of the loss.
    centre : bool
        False leaves the origin where it is, for models without intercept.
    batch_size : int, default=None
        Rows of an update; None for updates of all rows.

    Returns
    -------
    mean : float64 array of shape (n_features,), or None
        None without centring.
    scale : float64 array of shape (n_features,)
        A column without spread gets scale 0: nothing can be learnt from it.
    """
    mean = moments.mean if centre else np.zeros_like(moments.mean)
    spread = moments.variance + (moments.mean - mean) ** 2
    scale = np.zeros_like(spread)
    varies = exceeds_rounding(spread, moments.mean)
    if batch_size is not None:
        reach = moments.reach(mean)
        spread = np.maximum(spread, reach**2 / max(FARTHEST, batch_size))
    ridge = np.broadcast_to(ridge, spread.shape)
    scale[varies] = 1.0 / np.sqrt(spread[varies] + ridge[varies])
    return mean if centre else None, scale


def exact_scale(scale):
    """The nearest powers of two, and 1 for columns without spread.

    Coefficients are converted without rounding, so that bounds on them hold exactly,
    also for a column of which nothing is learnt.
    """
    exact = np.ones_like(scale)
    seen = scale > 0
    exact[seen] = np.exp2(np.round(np.log2(scale[seen])))
    return exact


def centring_pays(X, batch_size):
    """Whether to centre the columns: always where X is dense.

    Centring sparse rows costs a pass over all features for each update, which is worth
    it as long as the update touches a fair share of them anyway.
    """
    if not sparse.issparse(X):
        return True
    nonzeros = X.nnz / X.shape[0] * batch_size
    return X.shape[1] <= CENTRED_WIDTH * nonzeros


def mean_row_norm(moments, model):
    """Mean over rows of 1 + |z|^2 in the model's coordinates, from the moments."""
    mean = 0.0 if model.mean is None else model.mean
    scale = 1.0 if model.scale is None else model.scale
    spread = moments.variance + (moments.mean - mean) ** 2
    return float(model.fit_intercept + np.sum(spread * np.square(scale, dtype=float)))


def largest_row_norm(model, rows):
    """Largest 1 + |z|^2 over the rows in the model's coordinates, times its weight."""
    mean = 0.0 if model.mean is None else model.mean
    scale = np.ones(model.n_features) if model.scale is None else model.scale
    largest = 0.0
    for start in range(0, rows.order.size, CHUNK_ROWS):
        chosen = rows.order[start : start + CHUNK_ROWS]
        X = rows.X[chosen]
        if sparse.issparse(X):
            norms = _sparse_row_norms(X, mean, scale.astype(np.float64))
        else:
            norms = np.square((X - mean) * scale, dtype=np.float64).sum(axis=1)
        norms = rows.weights[chosen] * (model.fit_intercept + norms)
        largest = max(largest, float(norms.max()))
    return largest


def _sparse_row_norms(X, mean, scale):
    """|(x - m) s|^2 of sparse rows: that of zeros, and what the other entries change.

    What rounding may have taken away is added.
    """
    X = sparse.csr_array(X)
    mean = np.broadcast_to(mean, scale.shape).astype(np.float64)
    at_zero = float(np.square(mean * scale).sum())
    centre, factor = mean[X.indices], scale[X.indices]
    entries = X.data.astype(np.float64)
    changes = sparse.csr_array(
        ((entries - 2.0 * centre) * entries * factor**2, X.indices, X.indptr),
        shape=X.shape,
    )
    sizes = sparse.csr_array(
        (np.square((np.abs(entries) + np.abs(centre)) * factor), X.indices, X.indptr),
        shape=X.shape,
    )
    rounding = 16.0 * np.finfo(np.float64).eps * (at_zero + sizes.sum(axis=1))
    return np.maximum(at_zero + changes.sum(axis=1), 0.0) + rounding


def largest_eigenvalue(objective, rows):
    """lambda_max of the second moments of (z, 1) over the rows, by power iteration.

    The matrix-vector product is the gradient of the squared error at targets 0, so no
    matrix is formed.
    """
    model = objective.model.with_outputs(1)
    zeros = np.broadcast_to(0.0, (rows.X.shape[0], 1))
    bound = Objective(
        model, SquaredError(), softmax=False, l1=np.empty(0), l2=np.empty(0)
    ).bind(replace(rows, targets=zeros))

    def product(vector, norm):
        unit = (vector / norm).astype(model.dtype)
        _, gradient = bound.loss_and_gradient(unit)
        gradient /= rows.order.size
        return gradient, float(np.linalg.norm(gradient))

    start = np.random.default_rng(0).standard_normal(model.size)
    largest = power_iteration(product, start, POWER_ITERATIONS, POWER_TOLERANCE)
    return SAFETY * largest


def expected_smoothness(largest, row_norm, n_rows, batch_size):
    """n(b-1)/(b(n-1)) L + (n-b)/(b(n-1)) R^2 (Gower et al., 2019, with the mean of the
    row norms in place of the largest): L for the full batch, R^2 for one row.
    """
    n, b = n_rows, min(batch_size, n_rows)
    if n == 1:
        return largest
    return (n * (b - 1) * largest + (n - b) * row_norm) / (b * (n - 1))


def smoothness(objective, rows, moments, batch_size, curvature):
    """Bound of the curvature that a step of `batch_size` rows meets.

    Parameters
    ----------
    objective : Objective
    rows : Rows
    moments : Moments
        Of the rows.
    batch_size : int
    curvature : float
        Of the loss: c.

    Returns
    -------
    float
    """
    largest = min(
        largest_eigenvalue(objective, rows), mean_row_norm(moments, objective.model)
    )
    row_norm = largest
    if batch_size < rows.order.size:
        row_norm = largest_row_norm(objective.model, rows)
    bound = curvature * expected_smoothness(
        largest, row_norm, rows.order.size, batch_size
    )
    return bound + float(objective.l2.max(initial=0.0))


def loss_curvature(loss, softmax, rows, spread):
    """c: how fast the slope of the loss changes with the score.

    The loss's own bound, 1/2 for the softmax. Where there is no bound, the mean second
    derivative at the best constant for a smooth loss, and for one with kinks the slope
    over the spread of the targets, which is the scale on which it bends.

    Parameters
    ----------
    loss : Loss
    softmax : bool
    rows : Rows
    spread : float
        Standard deviation of the targets, 1 for classes.

    Returns
    -------
    float
    """
    if softmax:
        return 0.5
    if loss.curvature is not None:
        return loss.curvature
    if not loss.smooth:
        return 1.0 / spread
    targets, weights = rows.visited()
    column = targets[:, 0]
    best = loss.best_constant(column, weights)
    change = loss.gradient(column, best + 1e-3) - loss.gradient(column, best - 1e-3)
    return float(np.average(change, weights=weights) / 2e-3)
