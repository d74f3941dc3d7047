"""Sums of gradients of a linear model against NumPy, for every layout and remainder."""

import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit, log_softmax, softmax

from skgd._input.rows import Rows
from skgd._linear.model import LinearModel
from skgd._training.objective import Objective
from skgd.losses import LogLoss, SquaredError

NOTHING = np.empty(0)


def laid_out(X, layout):
    """The same numbers, rows by rows, columns by columns, or inside a larger table."""
    if layout == "F":
        return np.asfortranarray(X)
    if layout == "slice":
        wide = np.zeros((2 * len(X), X.shape[1] + 3), X.dtype)
        wide[::2, 1:-2] = X
        return wide[::2, 1:-2]
    return np.ascontiguousarray(X)


def sums(X, y, theta, loss, coordinates, weights=None):
    """Sum of losses and of gradients over all rows, compiled."""
    model = LinearModel(X.shape[1], 1, X.dtype, True, *coordinates)
    objective = Objective(model, loss, False, NOTHING, NOTHING)
    bound = objective.bind(Rows.of(X, y, y[:, None].astype(float), weights))
    return bound.loss_and_gradient(theta.astype(X.dtype))


def expected(X, y, theta, loss, coordinates):
    """The same by the book, in double precision."""
    mean, scale = coordinates
    Z = X.astype(float)
    if mean is not None:
        Z = (Z - mean) * scale
    z = Z @ theta[:-1] + theta[-1]
    if isinstance(loss, LogLoss):
        value, derivative = np.logaddexp(0, -y * z), -y * expit(-y * z)
    else:
        value, derivative = 0.5 * (z - y) ** 2, z - y
    return value.sum(), np.append(Z.T @ derivative, derivative.sum())


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("standardised", [False, True])
@pytest.mark.parametrize("loss", [LogLoss(), SquaredError()])
@pytest.mark.parametrize("d", [1, 3, 20, 600])
def test_one_output(loss, d, standardised, dtype):
    rng = np.random.default_rng(d)
    theta = rng.standard_normal(d + 1) / np.sqrt(d)
    coordinates = (None, None)
    if standardised:
        coordinates = rng.standard_normal(d), rng.uniform(0.5, 2.0, d)
    # One row, less than four, less than a block, several blocks and a rest, shards.
    for n in (1, 3, 4, 7, 17, 64, 1100):
        X = rng.standard_normal((n, d)).astype(dtype)
        y = np.where(rng.random(n) < 0.5, -1.0, 1.0)
        value, gradient = expected(X, y, theta, loss, coordinates)
        found = {
            layout: sums(laid_out(X, layout), y, theta, loss, coordinates)
            for layout in ("C", "F", "slice")
        }
        rtol = 1e-11 if dtype == np.float64 else 2e-4
        scale = np.sqrt(n * d)
        np.testing.assert_allclose(found["C"][0], value, rtol=rtol)
        np.testing.assert_allclose(found["C"][1], gradient, rtol, rtol * scale)
        # The arithmetic does not depend on where the numbers lie.
        for layout in ("F", "slice"):
            assert found[layout][0] == found["C"][0]
            np.testing.assert_array_equal(found[layout][1], found["C"][1])


@pytest.mark.parametrize("container", [np.ascontiguousarray, np.asfortranarray])
@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("standardised", [False, True])
@pytest.mark.parametrize("by_softmax", [False, True])
@pytest.mark.parametrize("n_rows", [1, 5, 300])
def test_several_outputs(n_rows, by_softmax, standardised, is_sparse, container):
    rng = np.random.default_rng(n_rows)
    d, k = 6, 3
    X = container(rng.standard_normal((n_rows, d)) * (rng.random((n_rows, d)) < 0.6))
    theta = rng.standard_normal((d + 1) * k)
    mean, scale = (rng.standard_normal(d), rng.uniform(0.5, 2.0, d))
    Z = (X - mean) * scale if standardised else X
    z = Z @ theta[: d * k].reshape(d, k) + theta[d * k :]
    if by_softmax:
        targets = rng.integers(0, k, (n_rows, 1)).astype(float)
        one_hot = np.eye(k)[targets[:, 0].astype(int)]
        value = -np.sum(one_hot * log_softmax(z, axis=1))
        derivative = softmax(z, axis=1) - one_hot
    else:
        targets = rng.standard_normal((n_rows, k))
        value, derivative = 0.5 * np.sum((z - targets) ** 2), z - targets
    gradient = np.append(np.ravel(Z.T @ derivative), derivative.sum(axis=0))
    coordinates = (mean, scale) if standardised else (None, None)
    model = LinearModel(d, k, np.float64, True, *coordinates)
    loss = LogLoss() if by_softmax else SquaredError()
    objective = Objective(model, loss, by_softmax, NOTHING, NOTHING)
    rows = Rows.of(sparse.csr_array(X) if is_sparse else X, targets, targets)
    found = objective.bind(rows).loss_and_gradient(theta)
    np.testing.assert_allclose(found[0], value, rtol=1e-11)
    np.testing.assert_allclose(found[1], gradient, rtol=1e-9, atol=1e-9)
