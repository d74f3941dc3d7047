"""From raw scores to loss and its derivative, for a block of rows.

Each function turns the scores (rows, outputs) in place into s_i * dloss/dz and returns
the weighted sum of losses. The scalar losses themselves live in ``skgd/losses.py``.
"""

import math

import numba
import numpy as np

from .compiling import FLOAT, INDEX, INNER, matrix, remembered
from .elementary import exp_not_positive, log1p_fraction
from .memory import flat, unsigned
from .pointers import call_float, call_float_pair
from .records import COST, ORDER, TARGETS, WEIGHTS

# In place of a loss's address: the logistic loss, compiled into the loops. The call and
# the C library would take longer than the rest of a row.
LOGISTIC = 1

# Numbers that a processor handles at once: with fewer, preparing for them is wasted.
VECTOR = 4

# In place of the address of ``separable``: one output, compiled into the loops.
COLUMN = 1


@numba.njit(**INNER, forceinline=True)
def logistic_value(margin, decay):
    """log(1 + exp(-margin)), given decay = exp(-|margin|)."""
    return log1p_fraction(decay) + (-margin if margin < 0.0 else 0.0)


@numba.njit(**INNER, forceinline=True)
def logistic_error(margin, decay):
    """1 / (1 + exp(margin)), given decay = exp(-|margin|)."""
    return (decay if margin > 0.0 else 1.0) / (1.0 + decay)


@numba.njit(**INNER, forceinline=True)
def value_and_derivative(loss, y, z, p):
    """Of one output, by the address of the loss or its number."""
    if loss == LOGISTIC:
        margin = y * z
        decay = exp_not_positive(-abs(margin))
        return logistic_value(margin, decay), -y * logistic_error(margin, decay)
    return call_float_pair(loss, y, z, p)


@numba.njit(**INNER, forceinline=True)
def target_of(targets, i, k, n_outputs):
    """The target of row i for output k.

    With one target column and several outputs the target is a class index, coded as
    +1 for its own output and -1 for the others: one-vs-rest in one pass.
    """
    if targets.shape[1] < n_outputs:
        return 1.0 if targets[i, 0] == k else -1.0
    return targets[i, k]


@numba.njit(**INNER, forceinline=True)
def _column(targets, weights, order, start, stop, cost, z):
    """`separable` for one output."""
    loss, p = cost.loss, cost.p
    m = stop - start
    total = 0.0
    if loss == LOGISTIC and weights.strides[0] == 0 and m >= VECTOR:
        # Rows of the same weight, enough for a vector. In three loops: the one in the
        # middle runs at full vector width, because it looks nothing up.
        weight = weights[0]
        for r in range(m):
            z[r] *= targets[unsigned(order[unsigned(start + r)]), 0]
        for r in range(m):
            decay = exp_not_positive(-abs(np.float64(z[r])))
            total += logistic_value(z[r], decay)
            z[r] = -weight * logistic_error(z[r], decay)
        for r in range(m):
            z[r] *= targets[unsigned(order[unsigned(start + r)]), 0]
        return weight * total
    for r in range(m):
        i = order[start + r]
        value, derivative = value_and_derivative(loss, targets[i, 0], z[r], p)
        total += weights[i] * value
        z[r] = weights[i] * derivative
    return total


def separable(targets, weights, order, start, stop, cost, scores):
    """One scalar loss for each output; the loss of a row is their sum."""
    n_outputs = scores.shape[1]
    if n_outputs == 1:
        return _column(targets, weights, order, start, stop, cost, flat(scores))
    loss, p = cost.loss, cost.p
    total = 0.0
    for r in range(stop - start):
        i = order[start + r]
        weight = weights[i]
        for k in range(n_outputs):
            target = target_of(targets, i, k, n_outputs)
            value, derivative = value_and_derivative(loss, target, scores[r, k], p)
            total += weight * value
            scores[r, k] = weight * derivative
    return total


def softmax(targets, weights, order, start, stop, cost, scores):
    """Cross-entropy of the softmax: log(sum_k exp z_k) - z_y, gradient p_k - [k = y].

    `cost` is not used: the loss is a function of a whole row of scores.
    """
    n_outputs = scores.shape[1]
    total = 0.0
    for r in range(stop - start):
        i = order[start + r]
        weight = weights[i]
        label = int(targets[i, 0])
        highest = scores[r, 0]
        for k in range(1, n_outputs):
            highest = max(highest, scores[r, k])
        label_score = scores[r, label] - highest
        normaliser = 0.0
        for k in range(n_outputs):
            e = exp_not_positive(scores[r, k] - highest)
            scores[r, k] = e
            normaliser += e
        total += weight * (math.log(normaliser) - label_score)
        factor = weight / normaliser
        for k in range(n_outputs):
            scores[r, k] *= factor
        scores[r, label] -= weight
    return total


@numba.njit(**INNER)
def _exchange(order, start, stop, table, scores):
    """Put the new derivatives into the table; leave the changes."""
    for r in range(stop - start):
        i = order[start + r]
        for k in range(scores.shape[1]):
            new = scores[r, k]
            scores[r, k] = new - table[i, k]
            table[i, k] = new


def separable_change(targets, weights, order, start, stop, cost, scores):
    """As ``separable``, with the change since the row's last visit as derivative.

    The last derivatives are kept in the table of the cost, (rows, outputs).
    """
    total = _separable(targets, weights, order, start, stop, cost, scores)
    _exchange(order, start, stop, cost.table, scores)
    return total


def softmax_change(targets, weights, order, start, stop, cost, scores):
    """As ``softmax``, with the change since the row's last visit as derivative."""
    total = _softmax(targets, weights, order, start, stop, cost, scores)
    _exchange(order, start, stop, cost.table, scores)
    return total


@numba.njit(**INNER, forceinline=True)
def _passive_aggressive(targets, weights, order, start, stop, cost, scores, smooth):
    """As ``separable``, each derivative times what the row's step is long, over C."""
    total = 0.0
    for r in range(stop - start):
        i = order[start + r]
        squared = cost.table[i, 0]
        for k in range(scores.shape[1]):
            target = target_of(targets, i, k, scores.shape[1])
            value, derivative = value_and_derivative(
                cost.loss, target, scores[r, k], cost.p
            )
            total += weights[i] * value
            if smooth:
                derivative *= value / (squared + 0.5)
            elif value < squared:
                derivative *= value / squared
            scores[r, k] = weights[i] * derivative
    return total


def pa1_steps(targets, weights, order, start, stop, cost, scores):
    """As ``separable``, each derivative with min(1, loss / (C |x|²)) as a factor.

    A plain step of rate C along it is that of passive-aggressive I. The table of the
    cost holds C |x|² of each row.
    """
    return _passive_aggressive(
        targets, weights, order, start, stop, cost, scores, False
    )


def pa2_steps(targets, weights, order, start, stop, cost, scores):
    """As ``pa1_steps``, with loss / (C |x|² + 1/2): passive-aggressive II."""
    return _passive_aggressive(targets, weights, order, start, stop, cost, scores, True)


_separable = numba.njit(**INNER)(separable)
_softmax = numba.njit(**INNER)(softmax)


@remembered
def output_signature(element):
    """Of ``separable``, ``softmax``, their changes, steps, and ``recorded``."""
    return FLOAT(TARGETS, WEIGHTS, ORDER, INDEX, INDEX, COST, matrix(element))


@numba.njit(**INNER, forceinline=True)
def sum_of_losses(rows, start, stop, cost, scores):
    """What the output does with the scores of rows, by its address or its number."""
    targets, weights, order = rows.targets, rows.weights, rows.order
    if cost.output == COLUMN:
        return _column(targets, weights, order, start, stop, cost, flat(scores))
    return call_float(cost.output, targets, weights, order, start, stop, cost, scores)
