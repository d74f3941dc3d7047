"""exp and log1p on the ranges that logistic losses need, as plain arithmetic.

A call into the C library keeps a loop from running at full vector width; these do not,
and are as exact: within 2 units in the last place. Polynomials are summed up in pairs
(Estrin, 1960), because a step of one row waits for the slope of its loss. The losses
live elsewhere.
"""

import math

import numba
import numpy as np

from .compiling import INNER

# Sums in the order written: the split constants below rely on it.
EXACT = INNER | {"fastmath": {"contract"}}

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


@numba.njit(**EXACT, forceinline=True)
def _series_and_power(x, constant):
    """exp(r) - 1 + `constant`, and 2^k, where x = k log(2) + r, for x <= 0."""
    x = LOWEST if x < LOWEST else x
    shifted = x * LOG2_E + TO_INTEGER
    k = shifted - TO_INTEGER
    r = (x - k * LOG_2_HIGH) - k * LOG_2_LOW
    # Taylor's series on |r| <= log(2)/2, where the next term is below rounding.
    r2 = r * r
    r4 = r2 * r2
    p0 = (r + constant) + ((1.0 / 6.0) * r + 0.5) * r2
    p4 = ((1.0 / 120.0) * r + 1.0 / 24.0) + ((1.0 / 5040.0) * r + 1.0 / 720.0) * r2
    p8 = ((1.0 / 362880.0) * r + 1.0 / 40320.0) + (
        (1.0 / 39916800.0) * r + 1.0 / 3628800.0
    ) * r2
    p12 = (1.0 / 6227020800.0) * r + 1.0 / 479001600.0
    p = (p0 + p4 * r4) + (p8 + p12 * r4) * (r4 * r4)
    bits = (np.float64(shifted).view(np.int64) + EXPONENT_BIAS) << MANTISSA_BITS
    return p, np.int64(bits).view(np.float64)


@numba.njit(**EXACT, forceinline=True)
def exp_not_positive(x):
    """exp(x) for x <= 0, at least exp(-708); NaN stays NaN."""
    series, power = _series_and_power(x, 1.0)
    return series * power


@numba.njit(**EXACT, forceinline=True)
def lost_share(x):
    """1 - exp(-x) for x >= 0, with all digits of small x; NaN stays NaN."""
    series, power = _series_and_power(-x, 0.0)
    return (1.0 - power) - power * series


@numba.njit(**EXACT, forceinline=True)
def log1p_fraction(x):
    """log(1 + x) for 0 <= x <= 1, as 2 artanh(x / (2 + x))."""
    s = x / (2.0 + x)
    q = s * s
    q2 = q * q
    q4 = q2 * q2
    p0 = ((1.0 / 5.0) * q + 1.0 / 3.0) + ((1.0 / 9.0) * q + 1.0 / 7.0) * q2
    p4 = ((1.0 / 13.0) * q + 1.0 / 11.0) + ((1.0 / 17.0) * q + 1.0 / 15.0) * q2
    p8 = ((1.0 / 21.0) * q + 1.0 / 19.0) + ((1.0 / 25.0) * q + 1.0 / 23.0) * q2
    p12 = ((1.0 / 29.0) * q + 1.0 / 27.0) + ((1.0 / 33.0) * q + 1.0 / 31.0) * q2
    p = (p0 + p4 * q4) + (p8 + p12 * q4) * (q4 * q4)
    return 2.0 * s + 2.0 * s * q * p


@numba.njit(**INNER | {"fastmath": False}, forceinline=True)
def is_finite(x):
    """Whether x is neither infinite nor NaN.

    ``math.isfinite`` looks at x - x, which loops whose sums may be reordered take for
    zero.
    """
    return abs(x) < math.inf
