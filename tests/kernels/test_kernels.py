"""The compiled sums of gradients against NumPy, for every layout and remainder."""

import numba
import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.special import expit
from sklearn.base import clone

from skgd import GDClassifier, GDRegressor
from skgd._input.rows import Rows
from skgd._kernels.memory import borrowed, flat
from skgd._linear.model import LinearModel
from skgd._training.epochs import Batches
from skgd._training.loop import DivergenceWarning
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


def test_flat_is_a_view_of_the_rows_in_order():
    @numba.njit
    def write(matrix):
        vector = flat(matrix)
        for i in range(vector.shape[0]):
            vector[i] = i
        return vector

    matrix = np.empty((3, 5))
    vector = write(matrix)
    np.testing.assert_array_equal(matrix, np.arange(15.0).reshape(3, 5))
    # It keeps the matrix alive, as any view does.
    del matrix
    np.testing.assert_array_equal(vector, np.arange(15.0))


def test_borrowed_arrays_are_the_same_arrays():
    @numba.njit
    def add_one(arrays):
        a, (b, number) = borrowed(arrays)
        a[:] += 1.0
        b[1:] += number
        return a.sum() + b.sum()

    a, b = np.zeros(3), np.zeros(4)
    assert add_one((a, (b, 2.0))) == 9.0
    np.testing.assert_array_equal(a, [1, 1, 1])
    np.testing.assert_array_equal(b, [0, 2, 2, 2])


@pytest.mark.parametrize("solver, batch_size", [("sgd", "auto"), ("minibatch", 2)])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("optimizer", ["gd", "momentum"])
def test_an_epoch_ends_where_the_loss_is_no_longer_finite(
    solver, batch_size, sparse, optimizer, monkeypatch
):
    made = []

    def advance(self, state, rates, original=Batches.advance):
        made.append(original(self, state, rates))
        return made[-1]

    monkeypatch.setattr(Batches, "advance", advance)
    X = np.random.default_rng(0).standard_normal((2000, 3))
    model = GDRegressor(
        solver=solver, batch_size=batch_size, lr=1e3, optimizer=optimizer
    )
    with pytest.warns(DivergenceWarning):
        model.fit(csr_matrix(X) if sparse else X, X[:, 0])
    total, n_updates = made[0]
    assert not np.isfinite(total)
    assert n_updates < 500


@pytest.mark.parametrize("penalty", [None, "elasticnet"])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("n_features", [5, 128, 129, 600])
def test_rows_in_pieces_take_the_steps_of_the_general_loop(
    n_features, n_outputs, penalty
):
    rng = np.random.default_rng(n_features)
    X = rng.standard_normal((70, n_features))
    y = rng.integers(0, n_outputs + 1 if n_outputs == 1 else n_outputs, len(X))
    model = GDClassifier(
        solver="sgd",
        lr=0.1 / n_features,
        penalty=penalty,
        alpha=0.01,
        l1_ratio=0.5,
        max_iter=3,
        tol=None,
        random_state=0,
    )
    fast = clone(model).fit(X, y)
    # Columns side by side are left to the loop over batches.
    general = clone(model).fit(np.asfortranarray(X), y)
    np.testing.assert_allclose(fast.coef_, general.coef_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fast.intercept_, general.intercept_, rtol=1e-9)
    np.testing.assert_allclose(fast.loss_curve_, general.loss_curve_, rtol=1e-12)
    # Cut anywhere, the arithmetic stays the same.
    model.set_params(shuffle=False, max_iter=1, penalty=None)
    whole = clone(model).fit(X, y)
    for part in (slice(0, 1), slice(1, 8), slice(8, 70)):
        model.partial_fit(X[part], y[part], classes=np.unique(y))
    np.testing.assert_array_equal(whole.coef_, model.coef_)
