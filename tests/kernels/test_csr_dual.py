"""Visits of rows in the dual against minima found row by row."""

import numpy as np
import pytest
from entrances import entrance
from numpy.testing import assert_allclose
from scipy import optimize, sparse
from scipy.special import expit, log_softmax, softmax
from sparse_rows import random_csr

from skgd._kernels import compiling, csr_dual, linear, outputs, user_code
from skgd._kernels.csr_dual import KINK, SMOOTH, SOFTMAX
from skgd.losses import AbsoluteError, Hinge, LogLoss, SquaredError

PER_WEIGHT, PER_INTERCEPT, THRESHOLD = 0.3, 0.1, 0.2


def shrunk(v, threshold):
    return np.sign(v) * np.maximum(np.abs(v) - threshold, 0.0)


def visit_all(X, targets, weights, loss, kind, n_outputs, moves=True, sweeps=1):
    """(sum of losses, sum of gaps, what was moved) of visits in order."""
    n, d = X.shape
    data = linear.SparseRows(
        X.data, X.indices, X.indptr, np.empty(0), np.empty(0), 1.0,
        np.empty((1, n_outputs)),
    )  # fmt: skip
    element, index = compiling.numba_type(X.dtype), compiling.numba_type(np.int32)
    data_type = linear.sparse_type(element, index)
    address, p = outputs.LOGISTIC, np.empty(0)
    if not isinstance(loss, LogLoss):
        address, p, _ = user_code.loss(loss)
    duals = csr_dual.Duals(
        v=np.linspace(-0.5, 0.5, d * n_outputs),
        intercept=np.zeros(n_outputs),
        duals=np.zeros(n * n_outputs),
        conjugates=np.zeros(n),
        sums=np.zeros(n_outputs),
        workspace=np.zeros((6, n_outputs)),
    )
    curvature = loss.curvature or 1.0
    visit = csr_dual.Visit(kind, curvature, THRESHOLD, PER_WEIGHT, PER_INTERCEPT, moves)
    kernel = compiling.kernel(csr_dual.run_pass, csr_dual.pass_signature(data_type))
    rows = (tuple(data), targets, weights, np.arange(n))
    cost = (0, address, p, np.empty((0, 0)))
    for _ in range(sweeps):
        total, gap = kernel(rows, cost, tuple(duals), tuple(visit))
    return total, gap, duals


def table(n_outputs=1, labels=False):
    rng = np.random.default_rng(0)
    X = random_csr(rng, 9, 5, density=0.5)
    X = sparse.csr_array((X.data - 0.3, X.indices.astype(np.int32),
                          X.indptr.astype(np.int32)), shape=X.shape)  # fmt: skip
    targets = rng.standard_normal((9, 1))
    if labels:
        targets = np.where(targets > 0, 1.0, -1.0)
    if n_outputs > 1:
        targets = rng.integers(0, n_outputs, (9, 1)).astype(float)
    return X, targets, rng.uniform(0.5, 2.0, 9)


@pytest.mark.parametrize(
    "loss, kind, labels",
    [
        (SquaredError(), SMOOTH, False),
        (LogLoss(), SMOOTH, True),
        (AbsoluteError(), KINK, False),
        (Hinge(), KINK, True),
    ],
)
def test_each_visit_is_an_implicit_step(loss, kind, labels):
    """U minimises |u - z|^2/(2 q) + s l(u) + u a, with a the old dual."""
    X, targets, weights = table(labels=labels)
    _, _, found = visit_all(X, targets, weights, loss, kind, 1, sweeps=2)
    v, intercept, a = np.linspace(-0.5, 0.5, 5), 0.0, np.zeros(9)
    dense = X.toarray()
    for _ in range(2):
        for i, x in enumerate(dense):
            z = x @ shrunk(v, THRESHOLD) + intercept
            q = PER_WEIGHT * (x @ x) + PER_INTERCEPT

            def cost(u, i=i, z=z, q=q):
                value = loss.value(targets[i], np.array([u]))[0]
                return (u - z) ** 2 / (2 * q) + weights[i] * value + u * a[i]

            u = optimize.minimize_scalar(
                cost, (z - 1.0, z + 1.0), options={"xtol": 1e-10}
            ).x
            new = a[i] + (u - z) / q
            v += PER_WEIGHT * (new - a[i]) * x
            intercept += PER_INTERCEPT * (new - a[i])
            a[i] = new
    # The smooth root is found to a thousandth of its step.
    atol = 1e-6 if kind == KINK or isinstance(loss, SquaredError) else 5e-3
    assert_allclose(found.duals, a, rtol=0, atol=atol)
    assert_allclose(found.v, v, rtol=0, atol=atol)
    assert_allclose(found.sums, a.sum(), rtol=0, atol=10 * atol)


def test_gaps_are_those_of_fenchel_and_nothing_moves_that_must_not():
    X, targets, weights = table(3)
    _, _, duals = visit_all(X, targets, weights, LogLoss(), SOFTMAX, 3, sweeps=3)
    assert duals.duals.any()
    total, gap, still = visit_all(
        X, targets, weights, LogLoss(), SOFTMAX, 3, moves=False
    )
    v = np.linspace(-0.5, 0.5, 15)
    z = X @ shrunk(v, THRESHOLD).reshape(5, 3)
    one_hot = np.eye(3)[targets[:, 0].astype(int)]
    value = -weights @ (one_hot * log_softmax(z, axis=1)).sum(axis=1)
    assert_allclose(total, value, rtol=1e-12)
    # With all duals zero the gap is the loss itself: phi*(0) is 0 at its least.
    assert_allclose(gap, value, rtol=1e-12)
    assert not still.duals.any() and not still.sums.any()
    assert_allclose(still.v, v)


def test_softmax_duals_are_derivatives_where_the_row_ends():
    X, targets, weights = table(3)
    _, _, found = visit_all(X, targets, weights, LogLoss(), SOFTMAX, 3, sweeps=200)
    W = shrunk(found.v.reshape(5, 3), THRESHOLD)
    z = X @ W + found.intercept
    one_hot = np.eye(3)[targets[:, 0].astype(int)]
    expected = -weights[:, None] * (softmax(z, axis=1) - one_hot)
    assert_allclose(found.duals.reshape(9, 3), expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize("far", [3.0, 50.0, 400.0])
@pytest.mark.parametrize("weight", [10.0, 1000.0])
def test_a_heavy_row_far_on_the_wrong_side_reaches_its_root(far, weight):
    """Whole Newton steps would swing from side to side without end there: where the
    softmax is flat they are as long as the row is heavy.
    """
    z, old, q, workspace = np.array([far, 0.0]), np.zeros(2), 1.0, np.zeros((6, 2))
    value = entrance(csr_dual._softmax_root)(1, weight, z, old, q, 0.5, workspace)

    def equation(u):
        """U = z - q phi'(u), by the difference of the two scores."""
        return (u - far) + 2.0 * q * weight * expit(u)

    expected = optimize.brentq(equation, far - 2.0 * q * weight, far)
    u, slope = workspace[0], workspace[1]
    moved = abs(far - expected)
    assert_allclose(u[0] - u[1], expected, atol=2 * csr_dual.PRECISION * moved)
    assert_allclose(u.sum(), z.sum(), rtol=1e-9, atol=1e-9 * moved)
    assert_allclose(slope, weight * (softmax(u) - [0.0, 1.0]), rtol=1e-12)
    assert_allclose(value, -weight * log_softmax(u)[1], rtol=1e-12)
