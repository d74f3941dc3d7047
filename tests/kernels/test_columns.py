"""Columns of scores and steps of many searches, against one at a time."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax, softmax

from skgd._kernels import columns, compiling, outputs, secant, user_code
from skgd.losses import Huber, LogLoss

N_ROWS = 9


def scores_of(n_columns, dtype):
    rng = np.random.default_rng(n_columns)
    weights = rng.uniform(0.5, 2.0, N_ROWS)
    weights[3] = 0.0
    return (2.0 * rng.standard_normal((N_ROWS, n_columns))).astype(dtype), weights, rng


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", [LogLoss(), Huber(0.7)])
@pytest.mark.parametrize("n_targets", [1, 2])
def test_separable_is_the_loss_of_each_column(n_targets, loss, dtype):
    z, weights, rng = scores_of(5, dtype)
    targets = np.sign(rng.standard_normal((N_ROWS, n_targets)))
    of_column = rng.integers(0, n_targets, 5)
    address, p = outputs.LOGISTIC, np.empty(0)
    if not isinstance(loss, LogLoss):
        address, p, _ = user_code.loss(loss)
    signature = columns.separable_signature(compiling.numba_type(np.dtype(dtype)))
    kernel = compiling.kernel(columns.separable, signature)
    chosen, before = targets[:, of_column], rng.uniform(size=5)
    expected = before + weights @ loss.value(chosen, z.astype(float))
    derivative = weights[:, None] * loss.gradient(chosen, z.astype(float))
    values = before.copy()
    kernel(address, p, targets, of_column, weights, z, values)
    tolerance = 1e-12 if dtype == np.float64 else 1e-6
    assert_allclose(values, expected, rtol=1e-12)
    assert_allclose(z, derivative, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_softmax_is_that_of_each_search(dtype):
    n_searches, n_classes = 4, 3
    z, weights, rng = scores_of(n_searches * n_classes, dtype)
    labels = rng.integers(0, n_classes, N_ROWS)
    z[0, ::n_searches] = 800.0  # the exponential alone would overflow
    # Class k of search s is in column k * searches + s.
    cube = z.astype(float).reshape(N_ROWS, n_classes, n_searches)
    every = np.arange(N_ROWS)
    expected = -weights @ log_softmax(cube, axis=1)[every, labels]
    derivative = softmax(cube, axis=1)
    derivative[every, labels] -= 1.0
    derivative *= weights[:, None, None]
    signature = columns.softmax_signature(compiling.numba_type(np.dtype(dtype)))
    values = np.zeros(n_searches)
    compiling.kernel(columns.softmax, signature)(labels, weights, z, values)
    tolerance = 1e-12 if dtype == np.float64 else 1e-6
    assert_allclose(values, expected, rtol=1e-12)
    assert_allclose(z, derivative.reshape(z.shape), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("proximal", [False, True])
def test_each_search_is_alone(proximal):
    """The same bits as `secant.advance` of one search, and the others stand still."""
    rng = np.random.default_rng(0)
    n, d, pairs = 4, 6, 3
    which = np.array([0, 2, 3])
    direct = secant.proximal_newton if proximal else secant.newton
    address = compiling.address(direct, secant.direction_signature())
    strength = np.full((n, d if proximal else 0), 0.05)
    together = (
        np.zeros((n, secant.FIRST_PAIR + 2 * pairs, d)),
        np.zeros((n, len(secant.SCALARS))),
        rng.standard_normal((n, d)),
        strength,
    )
    alone = [array.copy() for array in together]
    bent = [np.diag(rng.uniform(0.5, 20.0, d)) for _ in range(n)]
    workspace = np.empty(d), np.empty(d), np.empty(pairs)
    each = compiling.kernel(columns.advance_each, columns.advance_signature())
    one = compiling.kernel(secant.advance, secant.signature())
    model = secant.Model(address, np.empty(0), False, 1e-13, 0.1)
    for _ in range(8):
        trials = together[2][which]
        gradients = np.array([bent[k] @ x for k, x in zip(which, trials, strict=True)])
        values = 0.5 * np.einsum("ij,ij->i", gradients, trials)
        if proximal:
            values += 0.05 * np.abs(trials).sum(axis=1)
        each(which, together, values, gradients, workspace, tuple(model))
        vectors, scalars, points, l1 = alone
        for k, value, gradient in zip(which, values, gradients, strict=True):
            own = tuple(model._replace(l1=l1[k]))
            trial = points[k], value, gradient
            one((vectors[k], scalars[k]), trial, workspace, own)
        for first, second in zip(together, alone, strict=True):
            assert_array_equal(first, second)
    assert not together[0][1].any() and not together[1][1].any()
    assert (together[1][which, secant.ACCEPTED] > 2.0).all()
