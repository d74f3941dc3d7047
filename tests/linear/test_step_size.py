"""The curvature that a step of a few rows meets, against averages over all batches."""

from itertools import combinations

import numpy as np
import pytest

from skgd._linear.step_size import expected_smoothness


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 6])
def test_expected_smoothness_is_the_mean_over_all_batches(batch_size):
    # Of the squared norm of a batch's mean gradient: with L that of all rows together
    # and R^2 the mean of those of single rows, the formula is an identity.
    gradients = np.random.default_rng(0).standard_normal((6, 4))
    batches = [
        np.sum(np.mean(gradients[list(rows)], axis=0) ** 2)
        for rows in combinations(range(6), batch_size)
    ]
    together = np.sum(gradients.mean(axis=0) ** 2)
    alone = np.sum(gradients**2, axis=1).mean()
    found = expected_smoothness(together, alone, 6, batch_size)
    np.testing.assert_allclose(found, np.mean(batches), rtol=1e-12)


def test_expected_smoothness_of_larger_batches_than_there_are_rows():
    assert expected_smoothness(2.0, 7.0, 1, 1) == 2.0
    assert expected_smoothness(2.0, 7.0, 10, 100) == 2.0
