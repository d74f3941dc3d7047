"""The loop over batches: what moves theta, in which order, and where it ends."""

import numpy as np
import pytest
from binding import bound_to
from scipy.sparse import csr_matrix

from skgd import GDRegressor
from skgd._training import epochs
from skgd._training.epochs import Batches, Stepper
from skgd._training.fast_paths import epoch_kernel
from skgd._training.loop import DivergenceWarning
from skgd._training.state import Averaging, State
from skgd.optimizers import Momentum


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
    monkeypatch.setattr(epochs, "MOST_PASSES", 1)
    X = np.random.default_rng(0).standard_normal((2000, 3))
    model = GDRegressor(
        solver=solver, batch_size=batch_size, lr=1e3, optimizer=optimizer
    )
    with pytest.warns(DivergenceWarning):
        model.fit(csr_matrix(X) if sparse else X, X[:, 0])
    total, n_updates = made[0]
    assert not np.isfinite(total)
    assert n_updates < 500


@pytest.mark.parametrize("batch_size", [1, 4, 20])
@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, csr_matrix])
def test_batches_are_taken_in_order(container, batch_size):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((18, 3)), rng.standard_normal((18, 1))
    bound = bound_to(container(X), y, l1=0.01, l2=0.1)
    rule = Momentum(0.5)
    state = State.start(np.zeros(4), rule, Averaging(start=2), rng)
    order, rates = rng.permutation(18), rng.uniform(0.01, 0.1, 18)
    advance = epoch_kernel(bound, Stepper(bound.objective, rule, 0.7), batch_size)
    total, n_updates = advance(state, order, rates)
    theta, buffer, mean, expected = np.zeros(4), np.zeros(4), np.zeros(4), 0.0
    penalised = np.array([1.0, 1.0, 1.0, 0.0])
    starts = range(0, 18, batch_size)
    for t, start in enumerate(starts, start=1):
        A, b = np.c_[X, np.ones(18)][order], y[order, 0]
        A, b = A[start : start + batch_size], b[start : start + batch_size]
        expected += 0.5 * np.sum((A @ theta - b) ** 2)
        gradient = A.T @ (A @ theta - b) / len(b) + 0.1 * penalised * theta
        gradient *= min(1.0, 0.7 / np.linalg.norm(gradient))
        buffer = 0.5 * buffer + gradient
        lr = rates[t - 1]
        theta = theta - lr * buffer
        threshold = lr / 0.5 * 0.01 * penalised
        theta = np.sign(theta) * np.maximum(np.abs(theta) - threshold, 0.0)
        if t >= 2:
            mean += (theta - mean) / (t - 1)
    assert n_updates == len(starts)
    np.testing.assert_allclose(total, expected, rtol=1e-12)
    np.testing.assert_allclose(state.theta, theta, rtol=1e-10)
    if len(starts) > 1:
        np.testing.assert_allclose(state.average, mean, rtol=1e-10)
