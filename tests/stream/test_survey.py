"""What a survey keeps of a stream does not depend on how its rows come."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgd._input.rows import Rows
from skgd._stream import survey
from skgd._stream.survey import EverySo, Survey


def rows(start, stop):
    X = np.arange(start, stop, dtype=float).reshape(-1, 1)
    return Rows.of(X, X[:, 0], X.copy())


def blocks(n, size):
    """Rows 0 to n - 1 in blocks of some size."""
    for start in range(0, n, size):
        yield rows(start, min(start + size, n))


@pytest.mark.parametrize("size", [1, 3, 7, 64, 1000])
@pytest.mark.parametrize("most", [1, 10, 100])
@pytest.mark.parametrize("n", [1, 10, 333])
def test_every_so_many_rows_from_first_to_last(n, most, size):
    kept = EverySo(most)
    for block in blocks(n, size):
        kept.take(block)
    stride = 1
    while -(-n // stride) > most:
        stride *= 2
    assert_array_equal(kept.rows().X[:, 0], np.arange(0, n, stride))


@pytest.mark.parametrize("size", [1, 5, 60, 1000])
def test_samples_weights_and_moments_are_those_of_the_table(size, monkeypatch):
    monkeypatch.setattr(survey, "SAMPLE_ROWS", 8)
    n = 150
    found = Survey(1, 1)
    weights = 1.0 + np.arange(n) % 3
    for block in blocks(n, size):
        part = weights[block.X[:, 0].astype(int)]
        found.take(Rows(block.X, block.targets, part, block.order, block.y))
    every = found.all_rows()
    assert len(every) == n
    assert every.mean_weight == pytest.approx(weights.mean())
    assert_array_equal(every.head.X[:, 0], np.arange(8))
    assert_array_equal(every.X[:, 0], np.arange(0, n, 32))
    assert_allclose(every.weights, weights[::32] / weights.mean())
    assert_array_equal(every.column.targets[:, 0], np.arange(n))
    mean = np.average(np.arange(n), weights=weights)
    for moments in (every.moments, every.target_moments):
        assert moments.weight == pytest.approx(n)
        assert moments.mean[0] == pytest.approx(mean)
        spread = np.average((np.arange(n) - mean) ** 2, weights=weights)
        assert moments.variance[0] == pytest.approx(spread)
