"""Sums over all rows: shards, threads and cuts at shards leave no trace in the bits."""

import numpy as np
import pytest
from binding import bound_to

from skgd._kernels.shards import SHARD


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_shards_add_up_to_the_sum_of_rows(n_outputs, dtype):
    rng = np.random.default_rng(0)
    n, d = 3 * SHARD + 17, 4
    X = rng.standard_normal((n, d)).astype(dtype)
    bound = bound_to(X, rng.standard_normal((n, n_outputs)))
    theta = rng.standard_normal(bound.objective.model.size).astype(dtype)
    loss, gradient = bound.loss_and_gradient(theta)
    losses, gradients = np.empty(4), np.empty((4, theta.size), dtype)
    rows = bound.rows_of(bound.data, bound.rows.order)
    bound.loops.shard_sums(bound.block, rows, bound.cost, theta, losses, gradients)
    added = np.zeros(theta.size)
    assert bound.loops.add_shards(losses, gradients, 0.0, added) == loss
    np.testing.assert_array_equal(added, gradient)
    # Each shard is the sum of its rows, in the precision of theta.
    first = bound.rows_of(bound.data, bound.rows.order[:SHARD])
    alone, shard = np.zeros(theta.size), np.empty(theta.size, dtype)
    total = bound.loops.sum_rows(bound.block, first, bound.cost, theta, shard, alone)
    assert total == losses[0]
    np.testing.assert_array_equal(alone, gradients[0])


def test_an_empty_gradient_asks_for_the_losses():
    rng = np.random.default_rng(0)
    bound = bound_to(rng.standard_normal((9, 2)), rng.standard_normal((9, 1)))
    theta = rng.standard_normal(3)
    loss, _ = bound.loss_and_gradient(theta)
    assert bound.add_to(np.empty(0), theta) == loss
