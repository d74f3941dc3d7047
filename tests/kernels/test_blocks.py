"""The sum of gradients that is compiled in, and the one that an address names."""

import numpy as np
from binding import bound_to

from skgd._kernels import blocks, compiling, linear


def test_the_compiled_in_sum_is_that_of_its_address():
    rng = np.random.default_rng(0)
    bound = bound_to(rng.standard_normal((30, 4)), rng.standard_normal((30, 1)))
    assert bound.block == 0
    address = compiling.address(
        linear.one_output_block, blocks.block_signature(*bound.loops.types)
    )
    theta = rng.standard_normal(5)
    rows = bound.rows_of(bound.data, bound.rows.order)
    sums = []
    for block in (bound.block, address):
        gradient, shard = np.zeros(5), np.empty(5)
        args = (block, rows, bound.cost, theta, shard, gradient)
        sums.append((bound.loops.sum_rows(*args), gradient))
    np.testing.assert_allclose(sums[0][0], sums[1][0], rtol=1e-14)
    np.testing.assert_allclose(sums[0][1], sums[1][1], rtol=1e-12)
