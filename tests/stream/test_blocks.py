"""Batches of any size come in blocks of one size."""

import numpy as np
import pytest

from skgd._input.rows import Rows
from skgd._stream.blocks import recut


def rows(start, n):
    X = np.arange(start, start + n, dtype=float).reshape(-1, 1)
    return Rows.of(X, X[:, 0], X.copy())


@pytest.mark.parametrize("size", [1, 2, 5, 8])
@pytest.mark.parametrize("sizes", [[4, 4, 4], [7, 1, 9, 2], [1] * 11, [30]])
def test_all_blocks_but_the_last_are_whole(size, sizes):
    starts = np.cumsum([0, *sizes[:-1]])
    batches = [rows(start, n) for start, n in zip(starts, sizes, strict=True)]
    blocks = list(recut(batches, size))
    n = sum(sizes)
    assert [len(block) for block in blocks[:-1]] == [size] * (-(-n // size) - 1)
    found = np.concatenate([block.X[:, 0] for block in blocks])
    np.testing.assert_array_equal(found, np.arange(n))
