"""Sparse tables of random numbers, the same with every version of SciPy.

`scipy.sparse.random_array` took its generator under another name before SciPy 1.15.
"""

import numpy as np
from scipy import sparse


def random_csr(rng, n_rows, n_columns, density):
    """Numbers between 0 and 1 at random places, of which none has two.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_rows, n_columns : int
    density : float
        The part of the places that have a number.

    Returns
    -------
    csr_array of shape (n_rows, n_columns)
    """
    size = n_rows * n_columns
    places = rng.choice(size, round(density * size), replace=False, shuffle=False)
    where = np.array(np.divmod(places, n_columns), np.int32)
    return sparse.csr_array(
        (rng.random(len(places)), tuple(where)), shape=(n_rows, n_columns)
    )
