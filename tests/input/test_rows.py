"""Which rows count, and what they weigh."""

import numpy as np

from skgd._input.rows import Rows


def test_rows_in_another_order_are_visited_in_it():
    X, y = np.zeros((4, 1)), np.arange(4.0)
    rows = Rows.of(X, y, y.reshape(-1, 1))
    np.testing.assert_array_equal(rows.visited_targets()[:, 0], y)
    order = np.array([2, 0, 3, 1])
    moved = rows.in_order(order)
    np.testing.assert_array_equal(moved.visited_targets()[:, 0], y[order])
    assert moved.visited_weights().sum() == len(order)
