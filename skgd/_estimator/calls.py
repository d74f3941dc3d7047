"""What the last calls of ``partial_fit`` did: a history that does not grow for ever.

A history is a pair of an array of numbers, those of one call after those of the other,
which is only ever added to, and of how many calls count. The next call adds one, and
whoever holds the pair of an earlier call sees what it saw.
"""

from array import array

import numpy as np

# Calls that are kept.
MOST_CALLS = 1000

COLUMNS = "step", "loss", "lr", "seconds"
WIDTH = len(COLUMNS)

# Before the first call.
NO_CALLS = array("d"), 0


def after(calls, entry):
    """The history with one more call, a tuple of numbers in the order of `COLUMNS`."""
    numbers, n = calls
    if n * WIDTH != len(numbers) or n >= 2 * MOST_CALLS or not n:
        # Another call has gone on from here, or what is older is to be forgotten.
        numbers = numbers[max(0, n + 1 - MOST_CALLS) * WIDTH : n * WIDTH]
    numbers.extend(entry)
    return numbers, len(numbers) // WIDTH


def columns(calls):
    """The last calls as arrays of equal length, by name."""
    numbers, n = calls
    last = np.array(numbers[max(0, n - MOST_CALLS) * WIDTH : n * WIDTH])
    shown = dict(zip(COLUMNS, last.reshape(-1, WIDTH).T.copy(), strict=True))
    return shown | {"step": shown["step"].astype(np.int64)}
