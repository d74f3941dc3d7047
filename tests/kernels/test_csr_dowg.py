"""Steps on sparse rows that skip absent features, against a loop that skips nothing."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skgd._input.rows import Rows
from skgd._linear.model import LinearModel
from skgd._training.epochs import Stepper
from skgd._training.fast_paths import epoch_kernel
from skgd._training.objective import Objective
from skgd._training.state import Averaging, State
from skgd.losses import SquaredError
from skgd.optimizers import DoWG

INTERPOLATION = 0.8


def shrunk(z, amount):
    return np.sign(z) * np.maximum(np.abs(z) - amount, 0.0)


def slow_loop(X, Y, z, length, l1, l2):
    """The point and its mean after an update of the given length from each row.

    Features of the row make the proximal step, the others are pulled as by many short
    ones; the intercept, last, is not pulled.
    """
    x = z.copy()
    for t, (row, y) in enumerate(zip(X, Y, strict=True), start=1):
        point = z + INTERPOLATION * (x - z)
        error = np.append(row, 1.0) @ point - y
        seen = row != 0.0
        z[-1] -= length * error
        moved = z[:-1] - length * np.outer(row, error)
        stepped = shrunk(moved, length * l1) / (1.0 + length * l2)
        pulled = shrunk(z[:-1] * np.exp(-length * l2), length * l1)
        z[:-1] = np.where(seen[:, None], stepped, pulled)
        x += (z - x) / t
    return z, x


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize(
    "l1, l2",
    [(0, 0), (0, 0.25), (0.05, 0), (0.02, 0.1), (0.9, 0), (0.9, 0.3), (0.9, 1e-9)],
)
def test_absent_features_are_pulled_and_averaged_all_the_while(l1, l2, n_outputs):
    rng = np.random.default_rng(0)
    n_rows, n_features, length = 500, 6, 0.02
    X = rng.standard_normal((n_rows, n_features))
    X[:, 3:] *= rng.random((n_rows, 3)) < 0.2
    # Seen at the start, and then not for hundreds of updates.
    X[20:, 0] = X[20:480, 1] = X[:, 2] = 0.0
    Y = X @ rng.standard_normal((n_features, n_outputs))
    model = LinearModel(
        n_features, n_outputs, np.float64, True, scale=np.ones(n_features)
    )
    objective = Objective(model, SquaredError(), False, *model.penalty_weights(l1, l2))
    bound = objective.bind(Rows.of(sparse.csr_array(X), Y, Y), 1)
    # So far from the start that the steps have the greatest length allowed.
    rule = DoWG(initial_distance=1e9, longest=length)
    start = rng.choice([-2.0, 2.0], (n_features + 1, n_outputs))
    state = State.start(
        start.ravel().copy(), rule, Averaging(1, 0.0, INTERPOLATION), rng
    )
    advance = epoch_kernel(bound, Stepper(objective, rule, None), 1)
    _, n_updates = advance(state, bound.rows.order, np.ones(n_rows))
    assert n_updates == n_rows
    z, x = slow_loop(X, Y, start.copy(), length, l1, l2)
    # Exact but for the mean of pulls, which are taken as continuous.
    tolerance = 0.02 if l1 or l2 else 1e-12
    assert_allclose(state.base, z.ravel(), rtol=0, atol=tolerance)
    assert_allclose(state.average, x.ravel(), rtol=0, atol=tolerance)
    assert_allclose(
        state.theta, state.base + INTERPOLATION * (state.average - state.base)
    )
    if l1 or l2:
        # The pull is what is tested: the end is far from the mean and from the start.
        assert np.abs(z[2] - x[2]).min() > 0.15
        assert np.abs(x[2] - start[2]).min() > 0.1


@pytest.mark.parametrize("batch_size", [1, 7])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_lengths_are_those_of_dense_rows(n_outputs, batch_size):
    """By the distance from the start, most of which the intercept has gone."""
    rng = np.random.default_rng(0)
    n_rows, n_features = 200, 6
    X = rng.standard_normal((n_rows, n_features)) * (rng.random((n_rows, 6)) < 0.4)
    Y = 0.1 * X @ rng.standard_normal((n_features, n_outputs)) + 20.0
    model = LinearModel(
        n_features, n_outputs, np.float64, True, scale=np.ones(n_features)
    )
    objective = Objective(model, SquaredError(), False, *model.penalty_weights(0, 0))
    states = []
    for rows in (sparse.csr_array(X), X):
        bound = objective.bind(Rows.of(rows, Y, Y), batch_size)
        rule = DoWG(initial_distance=0.01)
        state = State.start(
            np.zeros(model.size), rule, Averaging(1, 0.0, INTERPOLATION), rng
        )
        advance = epoch_kernel(bound, Stepper(objective, rule, None), batch_size)
        advance(state, bound.rows.order, np.ones(-(-n_rows // batch_size)))
        states.append(state)
    wide, dense = states
    assert np.abs(dense.base[-n_outputs:]).min() > 10.0
    assert_allclose(wide.base, dense.base, rtol=1e-9)
    assert_allclose(wide.average, dense.average, rtol=1e-9)
    assert_allclose(wide.scalars, dense.scalars, rtol=1e-9)
