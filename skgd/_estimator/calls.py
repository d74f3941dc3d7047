"""What the last calls of ``partial_fit`` did: a history that does not grow for ever.

A history is a pair of a list of entries, which is only ever added to, and of how many
of them count: the next call adds one, and whoever holds the pair of an earlier call
sees what it saw.
"""

import numpy as np

# Calls that are kept.
MOST_CALLS = 1000

COLUMNS = "step", "loss", "lr", "seconds"

# Before the first call.
NO_CALLS: tuple[list, int] = [], 0


def after(calls, entry):
    """The history with one more entry, a tuple in the order of `COLUMNS`."""
    entries, n = calls
    if n != len(entries) or n >= 2 * MOST_CALLS or not n:
        # Another call has gone on from here, or what is older is to be forgotten.
        entries = entries[max(0, n + 1 - MOST_CALLS) : n]
    entries.append(entry)
    return entries, len(entries)


def columns(calls):
    """The last calls as arrays of equal length, by name."""
    entries, n = calls
    shown = np.array(entries[max(0, n - MOST_CALLS) : n], dtype=np.float64)
    shown = dict(zip(COLUMNS, shown.reshape(-1, len(COLUMNS)).T.copy(), strict=True))
    return shown | {"step": shown["step"].astype(np.int64)}


def of_columns(shown):
    """The history that `columns` has shown."""
    entries = list(zip(*(shown[name].tolist() for name in COLUMNS), strict=True))
    return entries, len(entries)
