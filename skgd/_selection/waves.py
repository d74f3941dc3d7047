"""Candidates in waves: those of a later one begin between answers of earlier ones.

Along a grid of strengths the answers move smoothly. Between two of them, on a
logarithmic scale, a search begins so near to its end that it needs a third of the
passes of one that begins at the best constant.
"""

import numpy as np

# Fewer candidates than these go together, and all where a pass takes fewer products:
# waves take more passes, with fewer models in each.
FEWEST = 8
PRODUCTS = 1 << 22

# Of so many candidates one is in the first wave, and both ends are.
STRIDE = 4


def waves(l1, l2, n_products):
    """Numbers of the candidates of each wave.

    A search under an l1 penalty, whose threshold is at zero, has to begin there.

    Parameters
    ----------
    l1, l2 : float64 arrays of shape (n_candidates,)
        Their strengths.
    n_products : int
        Of numbers of the rows and parameters of one candidate, for its scores.

    Returns
    -------
    list of int64 arrays
    """
    n = len(l2)
    pays = n >= FEWEST and n * n_products >= PRODUCTS
    if not pays or l1.any() or not l2.min() > 0.0:
        return [np.arange(n)]
    order = np.argsort(l2)
    left = np.ones(n, dtype=bool)
    found, stride = [], STRIDE
    while stride:
        wave = left & (np.arange(n) % stride == 0)
        wave[-1] = left[-1]
        found.append(np.sort(order[wave]))
        left &= ~wave
        stride //= 2
    return found


def between(panels, l2):
    """Where searches begin, on the lines between answers.

    Parameters
    ----------
    panels : list of Panel
        With the least and the largest of all strengths among them.
    l2 : float64 array of shape (n_candidates,)
        Strengths of those to come.

    Returns
    -------
    float64 array of shape (n_searches, n_parameters)
    """
    known = np.concatenate([panel.l2 for panel in panels])
    order = np.argsort(known)
    places, at = np.log(known[order]), np.log(l2)
    right = np.clip(np.searchsorted(places, at), 1, len(places) - 1)
    low, high = places[right - 1], places[right]
    share = ((at - low) / np.where(high > low, high - low, 1.0))[:, None]
    answers = np.concatenate([panel.answers_of_outputs() for panel in panels], axis=1)[
        :, order
    ]
    below, above = answers[:, right - 1], answers[:, right]
    start = below + share * (above - below)
    return start.reshape(-1, start.shape[2])
