"""The largest eigenvalue of a matrix that is known by its products only."""

import numpy as np


def power_iteration(product, vector, n_iterations, tolerance=None):
    """Approach the largest eigenvalue from below.

    Parameters
    ----------
    product : callable(vector, norm) -> (vector, eigenvalue)
        A multiple of the matrix times a vector of this norm, and the norm of the
        product of the matrix and the vector at length one.
    vector : float64 array
        Where to start.
    n_iterations : int
        At most.
    tolerance : float, optional
        Relative change of the eigenvalue at which to stop.

    Returns
    -------
    float
    """
    eigenvalue = 0.0
    for _ in range(n_iterations):
        previous = eigenvalue
        vector, eigenvalue = product(vector, float(np.linalg.norm(vector)))
        if eigenvalue == 0.0:
            break
        if tolerance is not None and (
            abs(eigenvalue - previous) <= tolerance * eigenvalue
        ):
            break
    return eigenvalue
