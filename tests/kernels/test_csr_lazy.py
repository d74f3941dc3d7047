"""Plain steps on sparse rows against the same steps on dense ones.

The weights are kept without a common factor that shrinks by (1 - lr * l2) at each
update, so what matters is the sum of lr * l2: over a fit the factor starts again from 1
once, many times, or at every update.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone

from skgd import GDClassifier, GDRegressor

N_ROWS = 400


def table(n_outputs, dtype):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N_ROWS, 12)) * (rng.random((N_ROWS, 12)) < 0.3)
    y = X @ rng.standard_normal((12, n_outputs)) + rng.standard_normal((N_ROWS, 1))
    return X.astype(dtype), y[:, 0] if n_outputs == 1 else y


def assert_same_fit(model, X, y):
    csr, dense = clone(model), clone(model)
    for _ in range(3):
        csr.partial_fit(sparse.csr_array(X), y)
        dense.partial_fit(X, y)
    rtol = {np.float64: 1e-11, np.float32: 2e-5}[X.dtype.type]
    for name in ("coef_", "intercept_"):
        found, expected = getattr(csr, name), getattr(dense, name)
        assert_allclose(found, expected, rtol=0, atol=rtol * np.abs(expected).max())
    assert csr.stop_reason_ == dense.stop_reason_ == "max_iter"


@pytest.mark.parametrize("average", [False, True, 150])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("solver", ["sgd", "minibatch"])
@pytest.mark.parametrize(
    "shrinkage", [1e-10, 1e-3, 0.03, 0.2, 0.7, 0.99, 1 - 1e-7, 1 - 1e-15]
)
def test_l2(shrinkage, solver, n_outputs, dtype, average):
    # Of all weights by lr * alpha at each update, up to nearly all of them at once.
    X, y = table(n_outputs, dtype)
    model = GDRegressor(
        lr=0.002,
        penalty="l2",
        alpha=shrinkage / 0.002,
        solver=solver,
        batch_size=4,
        average=average,
    )
    assert_same_fit(model, X, y)


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("alpha", [1e-3, 0.5, 4.0])
@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
def test_l1(penalty, alpha, n_outputs):
    # Gaps of a thousand updates in which the factor starts again several times.
    X, y = table(n_outputs, np.float64)
    X[5:, 0] = 0.0
    y = 20.0 * y
    model = GDRegressor(
        lr=0.05,
        penalty=penalty,
        l1_ratio=0.1,
        alpha=alpha,
        solver="sgd",
    )
    assert_same_fit(model, X, y)


@pytest.mark.parametrize("alpha", [1e-3, 2.0])
@pytest.mark.parametrize("average", [True, 150])
def test_a_stream_cut_anywhere_has_the_same_bits(average, alpha):
    X, y = table(1, np.float64)
    X = sparse.csr_array(X)
    model = GDClassifier(
        lr=0.05,
        penalty="l2",
        alpha=alpha,
        solver="sgd",
        average=average,
        max_iter=1,
        tol=None,
        shuffle=False,
    )
    labels = y > 0
    whole = clone(model).fit(X, labels)
    for start, stop in ((0, 1), (1, 149), (149, 151), (151, 400)):
        rows = slice(start, stop)
        model.partial_fit(X[rows], labels[rows], classes=[False, True])
    assert_array_equal(model.coef_, whole.coef_)
    assert_array_equal(model.intercept_, whole.intercept_)


def test_dense_and_sparse_rows_may_alternate():
    # The mean goes on from what the dense rows made of it, though theta stands still.
    X, y = table(1, np.float64)
    model = GDRegressor(lr=0.05, penalty="l2", alpha=0.1, solver="sgd", average=True)
    mixed, dense = clone(model), clone(model)
    for start in range(0, N_ROWS, 40):
        rows = slice(start, start + 40)
        container = sparse.csr_array if start % 80 else np.asarray
        mixed.partial_fit(container(X[rows]), y[rows])
        dense.partial_fit(X[rows], y[rows])
    assert_allclose(mixed.coef_, dense.coef_, rtol=1e-11)
