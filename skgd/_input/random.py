"""The random stream of an estimator, from its `random_state`."""

import threading
from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state

# A new RandomState asks the operating system for entropy before it takes a seed, which
# takes longer than many a fit; this one is seeded again and again.
_SEEDED = np.random.RandomState(0)
_LOCK = threading.Lock()


def generator(random_state):
    """A generator whose seed is the next number of ``check_random_state``.

    Parameters
    ----------
    random_state : int, RandomState instance or None

    Returns
    -------
    numpy.random.Generator
    """
    return np.random.default_rng(_seed(random_state))


def _seed(random_state):
    if isinstance(random_state, Integral):
        with _LOCK:
            _SEEDED.seed(random_state)
            return _SEEDED.randint(2**31)
    return check_random_state(random_state).randint(2**31)
