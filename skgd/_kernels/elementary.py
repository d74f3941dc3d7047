"""exp and log1p on the ranges that logistic losses need, as plain arithmetic.

A call into the C library keeps a loop from running at full vector width; these do not,
and are as exact: within 2 units in the last place. The losses live elsewhere.
"""

import numba
import numpy as np

# Sums in the order written: the split constants below rely on it.
EXACT = {"fastmath": {"contract"}, "error_model": "numpy"}

LOG2_E = 1.4426950408889634
# log(2) in two parts, the first short enough for its small multiples to be exact.
LOG_2_HIGH = 6.93147180369123816490e-01
LOG_2_LOW = 1.90821492927058770002e-10
# Adding it to a number rounds that to an integer, found in the lowest bits of the sum.
TO_INTEGER = 1.5 * 2.0**52
EXPONENT_BIAS = np.int64(1023)
MANTISSA_BITS = np.int64(52)
# exp of less is not a normal number.
LOWEST = -708.0


@numba.njit(**EXACT)
def exp_not_positive(x):
    """exp(x) for x <= 0, at least exp(-708); NaN stays NaN."""
    x = LOWEST if x < LOWEST else x
    shifted = x * LOG2_E + TO_INTEGER
    k = shifted - TO_INTEGER
    r = (x - k * LOG_2_HIGH) - k * LOG_2_LOW
    # Taylor's series on |r| <= log(2)/2, where the next term is below rounding.
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    bits = (np.float64(shifted).view(np.int64) + EXPONENT_BIAS) << MANTISSA_BITS
    return p * np.int64(bits).view(np.float64)


@numba.njit(**EXACT)
def log1p_fraction(x):
    """log(1 + x) for 0 <= x <= 1, as 2 artanh(x / (2 + x))."""
    s = x / (2.0 + x)
    q = s * s
    p = 1.0 / 33.0
    p = p * q + 1.0 / 31.0
    p = p * q + 1.0 / 29.0
    p = p * q + 1.0 / 27.0
    p = p * q + 1.0 / 25.0
    p = p * q + 1.0 / 23.0
    p = p * q + 1.0 / 21.0
    p = p * q + 1.0 / 19.0
    p = p * q + 1.0 / 17.0
    p = p * q + 1.0 / 15.0
    p = p * q + 1.0 / 13.0
    p = p * q + 1.0 / 11.0
    p = p * q + 1.0 / 9.0
    p = p * q + 1.0 / 7.0
    p = p * q + 1.0 / 5.0
    p = p * q + 1.0 / 3.0
    return 2.0 * s + 2.0 * s * q * p
