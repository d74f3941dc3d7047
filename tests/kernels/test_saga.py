"""SAGA against a slow loop with its table in sight."""

import numpy as np
import pytest
from binding import bound_to
from numpy.testing import assert_allclose
from scipy import sparse

from skgd._training.epochs import Stepper
from skgd._training.fast_paths import epoch_kernel
from skgd._training.state import Averaging, State
from skgd.optimizers import SAGA


@pytest.mark.parametrize("clip_norm", [None, 0.5])
@pytest.mark.parametrize("l1", [0.0, 0.02])
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_steps_and_table(container, dtype, batch_size, n_outputs, l1, clip_norm):
    rng = np.random.default_rng(0)
    n, d, lr, l2 = 18, 3, 0.05, 0.1
    X, Y = rng.standard_normal((n, d)), rng.standard_normal((n, n_outputs))
    bound = bound_to(container(X.astype(dtype)), Y, l1=l1, l2=l2)
    start = rng.standard_normal((d + 1, n_outputs)).astype(dtype)
    state = State.start(start.ravel(), SAGA(), Averaging(start=3), rng)
    advance = epoch_kernel(
        bound, Stepper(bound.objective, SAGA(), clip_norm), batch_size
    )
    rates = np.full(-(-n // batch_size), lr)
    A = np.c_[X, np.ones(n)].astype(dtype).astype(float)
    W, average = start.astype(float), start.astype(float)
    table, mean = np.zeros((n, n_outputs)), np.zeros((d + 1, n_outputs))
    penalised = np.array([1.0] * d + [0.0])[:, None]
    t = 0
    for _ in range(2):
        order = rng.permutation(n)
        total, n_updates = advance(state, order, rates)
        state.step += n_updates
        expected = 0.0
        for first in range(0, n, batch_size):
            rows = order[first : first + batch_size]
            new = A[rows] @ W - Y[rows]
            expected += 0.5 * np.sum(new**2)
            change = A[rows].T @ (new - table[rows])
            direction = change / len(rows) + mean + l2 * penalised * W
            if clip_norm is not None:
                direction *= min(1.0, clip_norm / np.linalg.norm(direction))
            W = W - lr * direction
            W = np.sign(W) * np.maximum(np.abs(W) - lr * l1 * penalised, 0.0)
            mean, table[rows] = mean + change / n, new
            t += 1
            if t >= 3:
                average = average + (W - average) / (t - 2)
        rtol = 1e-11 if dtype is np.float64 else 2e-4
        assert_allclose(total, expected, rtol)
        assert_allclose(state.theta, W.ravel(), rtol, rtol)
        assert_allclose(state.average, average.ravel(), rtol, rtol)
        assert_allclose(state.derivatives, table, rtol, 10 * rtol)
        assert_allclose(state.vectors, mean.reshape(1, -1), rtol, 10 * rtol)
        assert_allclose(state.step_sizes, lr, rtol=1e-6)


def test_the_rule_remembers_the_mean_gradient_and_nothing_else():
    vectors, scalars, _ = SAGA().start(3)
    assert vectors.shape == (1, 3)
    assert scalars.shape == (0,)
