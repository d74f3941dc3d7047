"""The step of Newton's method on a small dense table, and what it promises.

For a smooth loss and at most an l2 penalty. It proves nothing: see ``certificate.py``.
"""

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

# Squared pivots of a matrix with unit diagonal below which a step is mostly rounding.
SMALLEST_PIVOT = 1e-12


def newton_step(objective, theta, table, loss):
    """The minimum of the quadratic model at a point.

    Parameters
    ----------
    objective : Objective
        Without an l1 penalty, its outputs coupled.
    theta : array of shape (n_parameters,)
    table : Table
        One that keeps its rows.
    loss : SeparableLoss or SoftmaxLoss

    Returns
    -------
    step : float64 array of shape (n_parameters,)
    promise : float
        By how much the model is lower at its minimum.

    Or None, where a direction is hardly curved.
    """
    ((block, targets, weights),) = table
    shape = -1, objective.model.n_outputs
    theta = theta.astype(np.float64)
    loss.look(targets, block.Z @ theta.reshape(shape))
    loss.looked_at = None
    total = weights.sum()
    gradient = (block.Z.T @ (weights[:, None] * loss.slopes)).ravel() / total
    H = table.hessians if loss.quadratic else None
    if H is None:
        H = loss.hessians_at_once(block.Z, weights)
        if loss.quadratic:
            table.hessians = H[None]
    H = H.reshape(theta.size, theta.size) / total
    if objective.l2.size:
        gradient += objective.l2 * theta
        H[np.diag_indices(theta.size)] += objective.l2
    if shape[1] > 1:
        fix_sums(H, shape[1], objective.l2)
    diagonal = H.diagonal()
    curved = diagonal > 0.0
    scale = np.where(curved, 1.0 / np.sqrt(np.where(curved, diagonal, 1.0)), 0.0)
    H *= scale[:, None]
    H *= scale
    H[np.diag_indices(theta.size)] = 1.0
    factor, failed = dpotrf(H, lower=1, overwrite_a=0)
    if failed or not factor.diagonal().min() ** 2 > SMALLEST_PIVOT:
        return None
    c = scale * dpotrs(factor, scale * gradient, lower=1)[0]
    return -c, 0.5 * float(gradient @ c)


def fix_sums(H, n_outputs, l2):
    """Make steps whose sum over the classes is zero the only ones, in place.

    What is added to all classes changes no probability; where no penalty minds, the
    matrix of second derivatives would be singular.
    """
    blocks = H.reshape(-1, n_outputs, len(H) // n_outputs, n_outputs)
    each = np.arange(len(blocks))
    free = each if not l2.size else each[l2.reshape(-1, n_outputs)[:, 0] == 0.0]
    for j in free:
        blocks[j, :, j, :] += np.trace(blocks[j, :, j, :]) / n_outputs**2
