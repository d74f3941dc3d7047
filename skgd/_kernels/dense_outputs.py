"""Plain gradient steps on one dense row at a time, for several outputs.

As ``dense_rows.py``, output by output, on weights that are laid out that way while the
epoch runs.
"""

import numba
import numpy as np
from numba import types

from .compiling import FLOAT, INDEX, INNER, remembered, vector
from .dense_rows import ask_ahead, in_pieces, step_and_score
from .elementary import is_finite
from .memory import PIECE, borrowed, flat, part, rows_ahead
from .outputs import sum_of_losses
from .records import COST, RATES, STRENGTHS, rows_of


@numba.njit(**INNER)
def _by_output(theta, n_features, n_outputs):
    """The weights of each output side by side, (outputs, features) as one vector."""
    W = np.empty((n_outputs, n_features), theta.dtype)
    for j in range(n_features):
        for k in range(n_outputs):
            W[k, j] = theta[j * n_outputs + k]
    return W


def run_epoch(rows, cost, theta, strengths, rates):
    """One update for each row of the order.

    Returns the sum of losses, each taken before the update its row took part in, and
    the number of updates made: fewer than rows if the loss stopped being finite.
    """
    rows, cost = borrowed(rows), borrowed(cost)
    theta, rates = borrowed(theta), borrowed(rates)
    order = rows.order
    X, vector, step, _, _, bias, _, scores = rows.data
    l1, l2 = strengths
    n = order.shape[0]
    n_features, n_outputs = X.shape[1], scores.shape[1]
    W = _by_output(theta, n_features, n_outputs)
    coef = borrowed(flat(W))
    intercept = part(theta, n_features * n_outputs, n_outputs)
    element = theta.dtype.type
    distance = rows_ahead(n_features, vector.itemsize)
    total = 0.0
    if n == 0:
        return total, 0
    # A step of length zero first, see ``dense_rows.py``.
    shrink, rate, threshold = element(1.0), element(0.0), element(0.0)
    scores[0] = 0.0
    at = ahead = order[0] * step
    for s in range(n + 1):
        next_at = order[min(s, n - 1)] * step
        row = part(vector, at, n_features)
        next_row = part(vector, next_at, n_features)
        for k in range(n_outputs):
            w = part(coef, k * n_features, n_features)
            slope = rate * scores[0, k]
            if k == 0 and n_features > PIECE:
                z = in_pieces(w, vector, at, next_at, ahead, shrink, slope, threshold)
            else:
                z = step_and_score(w, row, next_row, shrink, slope, threshold)
            intercept[k] -= slope * bias
            scores[0, k] = z + bias * intercept[k]
        if s == n:
            break
        at, ahead = next_at, ask_ahead(rows, s + distance)
        loss = sum_of_losses(rows, s, s + 1, cost, scores)
        total += loss
        if not is_finite(loss):
            return total, s
        rate = element(rates[s])
        shrink = element(1.0 - rates[s] * l2)
        threshold = element(rates[s] * l1)
    for j in range(n_features):
        for k in range(n_outputs):
            theta[j * n_outputs + k] = W[k, j]
    return total, n


@remembered
def outputs_signature(data_type, element):
    """Of ``run_epoch``."""
    return types.Tuple([FLOAT, INDEX])(
        rows_of(data_type), COST, vector(element), STRENGTHS, RATES
    )
