"""exp and log1p of the kernels against the C library."""

import math

import numba
import numpy as np
from entrances import entrance

from skgd._kernels.elementary import (
    exp_not_positive,
    is_finite,
    log1p_fraction,
    lost_share,
)


def test_logistic_loss_of_the_kernels():
    """Over the whole range, tails included, against the loss's own formula."""
    exp, log1p = entrance(exp_not_positive), entrance(log1p_fraction)
    for x in (0.0, -1e-300, -1e-9, -0.3, -1.0, -36.7, -345.6, -700.0):
        assert math.isclose(exp(x), math.exp(x), rel_tol=1e-15)
    assert exp(-np.inf) < 1e-307
    assert math.isnan(exp(np.nan))
    for x in (0.0, 1e-300, 1e-17, 0.01, 0.5, 0.999, 1.0):
        assert math.isclose(log1p(x), math.log1p(x), rel_tol=1e-15)


def test_lost_share_has_all_digits():
    lost = entrance(lost_share)
    for x in (0.0, 1e-300, 1e-17, 1e-9, 1e-3, 0.3, 0.35, 0.7, 1.0, 36.7, 700.0, 1e9):
        assert math.isclose(lost(x), -math.expm1(-x), rel_tol=2e-15)
    assert lost(np.inf) == 1.0
    assert math.isnan(lost(np.nan))


def test_is_finite_where_sums_may_be_reordered():
    @numba.njit(fastmath={"reassoc", "contract", "nsz", "arcp"})
    def sums_that_are(numbers):
        count, total = 0, 0.0
        for number in numbers:
            total += number
            count += is_finite(total)
        return count

    assert sums_that_are(np.array([1.0, np.inf, 1.0])) == 1
    assert sums_that_are(np.array([1.0, 2.0, np.nan])) == 2
    assert sums_that_are(np.array([1.0, 2.0, -np.inf])) == 2
