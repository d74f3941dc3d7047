"""How rows are forgotten: what is left of one after others, everywhere by this formula.

For compiled and other code alike. A half-life counts rows; inf forgets nothing.
"""

import math


def left(half_life, n_rows):
    """What is left of the weight of a row when `n_rows` others have come after it."""
    return 2.0 ** (-n_rows / half_life)


def counted(half_life, n_rows, n_updates):
    """How many updates of `n_rows` rows count after `n_updates` of them.

    The sum of what is left of each, that of the last being one.
    """
    if half_life == math.inf:
        return float(n_updates)
    pace = n_rows * math.log(2.0) / half_life
    return math.expm1(-pace * n_updates) / math.expm1(-pace)
