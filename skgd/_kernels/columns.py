"""Many searches at once: losses of a matrix of scores, and a step of each search.

Every column of a matrix of scores belongs to one search. Matrix products make the
scores and the gradients, elsewhere; here is what is done to each number between them.
"""

import math
from typing import NamedTuple

import numba
import numpy as np
from numba import types

from . import secant
from .compiling import (
    FLOAT,
    INDEX,
    INNER,
    VECTOR,
    matrix,
    read_only,
    remembered,
)
from .elementary import exp_not_positive
from .outputs import (
    LOGISTIC,
    logistic_error,
    logistic_value,
    value_and_derivative,
)
from .records import record

_advance = numba.njit(**INNER)(secant.advance)


def separable(loss, p, targets, outputs, weights, scores, values):
    """Turn scores into s_i * dloss/dz; add the weighted losses of each column.

    Parameters
    ----------
    loss : int
        Its address, or its number.
    p : float64 array
        Its parameters.
    targets : float64 array of shape (rows, outputs)
        Coded for each output.
    outputs : int64 array of shape (columns,)
        The output whose targets a column is compared with.
    weights : float64 array of shape (rows,)
    scores : array of shape (rows, columns)
        Changed in place.
    values : float64 array of shape (columns,)
        Added to.
    """
    n_rows, n_columns = scores.shape
    one_target = targets.shape[1] == 1
    for r in range(n_rows):
        weight = weights[r]
        if weight == 0.0:
            for k in range(n_columns):
                scores[r, k] = 0.0
        elif loss == LOGISTIC and one_target:
            # Nothing is looked up in this loop, which runs at full vector width.
            target = targets[r, 0]
            for k in range(n_columns):
                margin = target * np.float64(scores[r, k])
                decay = exp_not_positive(-abs(margin))
                values[k] += weight * logistic_value(margin, decay)
                scores[r, k] = -weight * target * logistic_error(margin, decay)
        else:
            for k in range(n_columns):
                value, derivative = value_and_derivative(
                    loss, targets[r, outputs[k]], np.float64(scores[r, k]), p
                )
                values[k] += weight * value
                scores[r, k] = weight * derivative


@remembered
def separable_signature(element):
    """Of ``separable``."""
    return types.none(
        types.intp,
        VECTOR,
        read_only(FLOAT, 2),
        read_only(INDEX, 1, "C"),
        read_only(FLOAT, 1),
        matrix(element),
        VECTOR,
    )


def softmax(labels, weights, scores, values):
    """The same for the cross-entropy of the softmax over the classes of a search.

    The score of class k in search s is in column k * searches + s, so that the loops
    run over the searches.

    Parameters
    ----------
    labels : int64 array of shape (rows,)
    weights : float64 array of shape (rows,)
    scores : array of shape (rows, classes * searches)
        Changed in place.
    values : float64 array of shape (searches,)
        Added to.
    """
    n = values.shape[0]
    n_classes = scores.shape[1] // n
    highest, normaliser, own = np.empty(n), np.empty(n), np.empty(n)
    for r in range(scores.shape[0]):
        weight = weights[r]
        row = scores[r]
        if weight == 0.0:
            for c in range(n_classes * n):
                row[c] = 0.0
            continue
        for s in range(n):
            highest[s] = row[s]
        for k in range(1, n_classes):
            for s in range(n):
                highest[s] = max(highest[s], np.float64(row[k * n + s]))
        first = labels[r] * n
        for s in range(n):
            own[s] = row[first + s] - highest[s]
            normaliser[s] = 0.0
        for k in range(n_classes):
            for s in range(n):
                e = exp_not_positive(row[k * n + s] - highest[s])
                row[k * n + s] = e
                normaliser[s] += e
        for s in range(n):
            values[s] += weight * (math.log(normaliser[s]) - own[s])
            normaliser[s] = weight / normaliser[s]
        for k in range(n_classes):
            for s in range(n):
                row[k * n + s] *= normaliser[s]
        for s in range(n):
            row[first + s] -= weight


@remembered
def softmax_signature(element):
    """Of ``softmax``."""
    return types.none(
        read_only(INDEX, 1, "C"), read_only(FLOAT, 1), matrix(element), VECTOR
    )


class SearchTable(NamedTuple):
    """What many searches over as many parameters remember; see ``secant.Search``.

    Attributes
    ----------
    vectors : float64 array of shape (searches, rows, parameters)
    scalars : float64 array of shape (searches, numbers)
    trials : float64 array of shape (searches, parameters)
    l1 : float64 array of shape (searches, parameters) or (searches, 0)
        The penalty of each.
    """

    vectors: object
    scalars: object
    trials: object
    l1: object


def advance_each(which, searches, values, gradients, workspace, model):
    """A step of each of some searches: what ``secant.advance`` does for one.

    Parameters
    ----------
    which : int64 array of shape (n,)
        Numbers of the searches; the others stay as they are.
    searches : SearchTable
        The trials are replaced by the next ones.
    values : float64 array of shape (n,)
    gradients : float64 array of shape (n, parameters)
        At the trials.
    workspace : secant.Workspace
    model : secant.Model
        Of all of them, but for `l1`.
    """
    vectors, scalars, trials, l1 = searches
    for i in range(which.shape[0]):
        k = which[i]
        own = secant.Model(
            model.direct, l1[k], model.parabolic, model.rounding, model.first_step
        )
        _advance(
            secant.Search(vectors[k], scalars[k]),
            secant.Trial(trials[k], values[i], gradients[i]),
            workspace,
            own,
        )


@remembered
def advance_signature():
    """Of ``advance_each``."""
    numbers = matrix(FLOAT)
    searches = record(
        SearchTable,
        vectors=types.Array(FLOAT, 3, "C"),
        scalars=numbers,
        trials=numbers,
        l1=numbers,
    )
    _, _, workspace, model = secant.signature().args
    return types.none(
        read_only(INDEX, 1, "C"), searches, VECTOR, numbers, workspace, model
    )
