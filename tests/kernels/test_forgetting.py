"""What is left of old rows, against sums written out."""

import math

import pytest

from skgd._kernels.forgetting import counted, left


@pytest.mark.parametrize("half_life", [0.5, 3.0, 1000.0])
def test_a_row_counts_half_after_a_half_life(half_life):
    assert left(half_life, half_life) == 0.5
    assert left(half_life, 0) == 1.0
    assert math.isclose(left(half_life, 3) * left(half_life, 4), left(half_life, 7))


def test_without_a_half_life_nothing_is_forgotten():
    assert left(math.inf, 10**9) == 1.0
    assert counted(math.inf, 7, 12) == 12.0


@pytest.mark.parametrize("n_rows", [1, 7])
@pytest.mark.parametrize("half_life", [0.5, 3.0, 1000.0, 1e12])
def test_updates_counted_are_the_sum_of_what_is_left(half_life, n_rows):
    expected = sum(left(half_life, n_rows * age) for age in range(40))
    assert math.isclose(counted(half_life, n_rows, 40), expected, rel_tol=1e-11)
