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


def table(calls):
    """Entries as a float64 array of shape (n_calls, 4), of the last calls."""
    entries, n = calls
    shown = entries[max(0, n - MOST_CALLS) : n]
    return np.array(shown, dtype=np.float64).reshape(-1, len(COLUMNS))


def of_table(rows):
    """The history that `table` has shown."""
    entries = [tuple(row) for row in rows.tolist()]
    return entries, len(entries)


def columns(calls):
    """The history as arrays of equal length, by name."""
    shown = dict(zip(COLUMNS, table(calls).T.copy(), strict=True))
    return shown | {"step": shown["step"].astype(np.int64)}
