"""Plain gradient steps on CSR rows at a cost of the nonzeros only.

The same updates as ``epoch.run_epochs`` with the rule ``gd``, l2 in the gradient and
the l1 proximal step, without touching the weights of absent features.
"""

from typing import NamedTuple

import numba
import numpy as np
from numba import types

from .compiling import FLOAT, INDEX, INNER, VECTOR, remembered, vector
from .elementary import is_finite
from .linear import entries_of
from .memory import AHEAD_ROWS, borrowed, prefetch, prefetch_entries, unsigned
from .outputs import sum_of_losses
from .proximal import soft_threshold
from .records import COST, RATES, STRENGTHS, average_type, record, rows_of

# Below this factor the common scale is folded back into the weights; earlier where they
# are averaged, because the sum of weights is a difference whose parts are larger than
# it by as much as the scale has shrunk.
SMALLEST_SCALE = 1e-6
SMALLEST_AVERAGED_SCALE = 1e-3


@numba.njit(**INNER)
def _shrink(row, threshold):
    for k in range(row.shape[0]):
        row[k] = soft_threshold(row[k], threshold)


@numba.njit(**INNER)
def _write(coef, caught_up, scale, shrinkage, shown):
    """Put every weight, brought up to date, into `shown`, which may be `coef`."""
    for j in range(coef.shape[0]):
        for k in range(coef.shape[1]):
            shown[j, k] = coef[j, k]
        if caught_up.shape[0] > 0:
            _shrink(shown[j], shrinkage - caught_up[j])
        for k in range(coef.shape[1]):
            shown[j, k] *= scale


class Kept(NamedTuple):
    """How weights are kept between updates; see ``run_epoch``.

    Attributes
    ----------
    weights : array of shape (n_parameters,)
        v of each weight, and the intercepts.
    caught_up : float64 array of shape (n_features,), or (0,) without l1
        q_j of each feature.
    factors : float64 array of shape (3,)
        A, q and B.
    moved : float64 array of shape (n_parameters,), or (0,) without an average
        u of each weight.
    """

    weights: object
    caught_up: object
    factors: object
    moved: object


@remembered
def kept_type(element):
    """The type of `Kept` in a precision."""
    return record(
        Kept, weights=vector(element), caught_up=VECTOR, factors=VECTOR, moved=VECTOR
    )


@numba.njit(**INNER, forceinline=True)
def _look(rows, start, stop, lazy, coef, scale, shrinkage):
    """The scores of a batch, whose features are brought up to date if need be."""
    data, order = rows.data, rows.order
    scores, bias = data.scores, data.bias
    kept, caught_up = lazy.weights, lazy.caught_up
    n, n_outputs = order.shape[0], scores.shape[1]
    intercept = kept[coef.shape[0] * n_outputs :]
    for r in range(stop - start):
        if start + r + AHEAD_ROWS < n:
            ahead = order[start + r + AHEAD_ROWS]
            prefetch(rows.targets, ahead)
            prefetch_entries(data.values, data.columns, data.pointers, ahead)
        entries, features = entries_of(data, order[start + r])
        if caught_up.shape[0] > 0:
            for q in range(entries.shape[0]):
                j = unsigned(features[q])
                if caught_up[j] < shrinkage:
                    _shrink(coef[j], shrinkage - caught_up[j])
                    caught_up[j] = shrinkage
        if n_outputs == 1:
            z = kept.dtype.type(0.0)
            for q in range(entries.shape[0]):
                z += entries[q] * kept[unsigned(features[q])]
            scores[r, 0] = z
        else:
            for k in range(n_outputs):
                scores[r, k] = 0.0
            for q in range(entries.shape[0]):
                j = unsigned(features[q])
                for k in range(n_outputs):
                    scores[r, k] += entries[q] * coef[j, k]
        for k in range(n_outputs):
            scores[r, k] = scale * scores[r, k] + bias * intercept[k]


@numba.njit(**INNER, forceinline=True)
def _move(rows, start, stop, lazy, coef, rate, scale, counted):
    """A step of the features of a batch, along what its scores have become."""
    order, bias, scores = rows.order, rows.data.bias, rows.data.scores
    kept, moved = lazy.weights, lazy.moved
    n_outputs = scores.shape[1]
    intercept = kept[coef.shape[0] * n_outputs :]
    for r in range(stop - start):
        for k in range(n_outputs):
            intercept[k] -= rate * bias * scores[r, k]
            scores[r, k] *= rate / scale
        entries, features = entries_of(rows.data, order[start + r])
        if counted > 0.0:
            for q in range(entries.shape[0]):
                for k in range(n_outputs):
                    j = unsigned(np.int64(features[q]) * n_outputs + k)
                    old = np.float64(kept[j])
                    kept[j] -= entries[q] * scores[r, k]
                    # By as much as the weight moved, rounding included.
                    moved[j] += counted * (np.float64(kept[j]) - old)
        elif n_outputs == 1:
            z = scores[r, 0]
            for q in range(entries.shape[0]):
                kept[unsigned(features[q])] -= entries[q] * z
        else:
            for q in range(entries.shape[0]):
                j = unsigned(features[q])
                for k in range(n_outputs):
                    coef[j, k] -= entries[q] * scores[r, k]


@numba.njit(**INNER, forceinline=True)
def _show(theta, lazy, coef, average, now):
    """Put the weights and their mean, up to date, where others look."""
    kept, caught_up, factors, moved = lazy
    scale, shrinkage, counted = factors
    n_weights = coef.shape[0] * coef.shape[1]
    if moved.shape[0] > 0 and now >= average.start:
        share = 1.0 / (now - average.start + 1)
        mean = average.average
        for j in range(n_weights):
            mean[j] = share * (counted * kept[j] - moved[j])
        for j in range(n_weights, kept.shape[0]):
            mean[j] = -share * moved[j]
    shown = theta[:n_weights].reshape(coef.shape)
    _write(coef, caught_up, scale, shrinkage, shown)
    theta[n_weights:] = kept[n_weights:]


def run_epoch(rows, batch_size, cost, theta, lazy, average, strengths, rates, t):
    """Updates over the rows of the order; returns the sum of losses and their number.

    Moves what is kept in `lazy`, and writes the weights that it stands for into
    `theta`, so that a run cut into several calls makes the same operations on the same
    numbers as one in a single call. Without penalty and average the weights kept may be
    `theta`. An empty `theta` asks for no weights, and an empty order for nothing but
    them.

    An untouched weight goes through |w| <- max(0, (1 - lr*l2) |w| - lr*l1) at each
    step. The composition of such maps is again one: with A the product of the factors
    and q the sum of lr*l1/A, w = A * soft(v, q - q_j), where v is the weight divided by
    A at the last time feature j was seen, and q_j the q of that time. So a weight is
    brought up to date exactly when its feature appears. Needs lr*l2 < 1.

    The sum of the weights after each update from the average's start on is B v - u,
    with B the sum of A, and u, in `moved`, increased by B times each change of v
    (Bottou, 2010); for the intercepts u is minus their sum. Where A starts again from
    1, u takes in -B v and B starts again from 0, so that neither grows as 1/A. An empty
    `moved` asks for no average; with one, l1 must be 0.
    """
    rows, cost, theta = borrowed(rows), borrowed(cost), borrowed(theta)
    lazy, average, rates = borrowed(lazy), borrowed(average), borrowed(rates)
    kept, caught_up, factors, moved = lazy
    l1, l2 = strengths
    scores = rows.data.scores
    n_outputs = scores.shape[1]
    n_features = kept.shape[0] // n_outputs - 1
    n_weights = n_features * n_outputs
    coef = kept[:n_weights].reshape((n_features, n_outputs))
    intercept = kept[n_weights:]
    scale, shrinkage, counted = factors
    averages = moved.shape[0] > 0
    smallest = SMALLEST_AVERAGED_SCALE if averages else SMALLEST_SCALE
    n = rows.order.shape[0]
    total = 0.0
    n_updates = 0
    for start in range(0, n, batch_size):
        stop = min(n, start + batch_size)
        _look(rows, start, stop, lazy, coef, scale, shrinkage)
        loss = sum_of_losses(rows, start, stop, cost, scores)
        total += loss
        if not is_finite(loss):
            break
        lr = rates[n_updates]
        scale *= 1.0 - lr * l2
        starts_again = scale < smallest
        if starts_again and counted > 0.0:
            # Before the step, which is divided by a scale that may be tiny.
            for j in range(n_weights):
                moved[j] -= counted * kept[j]
            counted = 0.0
        rate = lr / (stop - start)
        _move(rows, start, stop, lazy, coef, rate, scale, counted)
        if l1 > 0.0:
            shrinkage += lr * l1 / scale
        n_updates += 1
        if averages and t + n_updates >= average.start:
            counted += scale
            for k in range(n_outputs):
                moved[n_weights + k] -= intercept[k]
        if starts_again:
            # From A = 1, q = 0. What B counts is the update just made, if that.
            _write(coef, caught_up, scale, shrinkage, coef)
            caught_up[:] = 0.0
            if counted > 0.0:
                counted = 1.0
            scale = 1.0
            shrinkage = 0.0
    factors[0], factors[1], factors[2] = scale, shrinkage, counted
    if theta.shape[0] > 0:
        _show(theta, lazy, coef, average, t + n_updates)
    return total, n_updates


@remembered
def lazy_signature(data_type, element):
    """Of ``run_epoch``."""
    return types.Tuple([FLOAT, INDEX])(
        rows_of(data_type),
        INDEX,
        COST,
        vector(element),
        kept_type(element),
        average_type(element),
        STRENGTHS,
        RATES,
        INDEX,
    )
