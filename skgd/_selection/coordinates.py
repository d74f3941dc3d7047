"""Coordinates in which a search meets about the same curvature in all directions.

What is minimised stays the same; only the way there is shorter.
"""

import numpy as np

# Columns up to which their correlations are taken into account.
CORRELATED = 256

# Directions with less than this share of the curvature count as rounding.
FLAT = 1e-10


class Units:
    """theta = unit * t: a unit for each parameter of each search.

    Parameters
    ----------
    l2 : float64 array of shape (n_searches, n_parameters)
        Strengths of the l2 penalty.
    curvature : float
        Of the loss, and so of the objective along a column of variance one.

    Attributes
    ----------
    curvature : float
        Of the objective along each t, about.
    """

    def __init__(self, l2, curvature):
        self.unit = 1.0 / np.sqrt(1.0 + l2 / curvature)
        self.curvature = curvature

    def theta(self, t, searches):
        """Theta of some searches, given their t."""
        return self.unit[searches] * t

    def slopes(self, gradient, searches):
        """The gradient in t, given that in theta."""
        return self.unit[searches] * gradient


class Bases:
    """theta = P t, with P P' the inverse of the curvature that the columns promise.

    That is c G + L, with c the curvature of the loss, G the second moments of the
    columns and L the l2 penalty. It is the same for all folds, whose rows differ little
    in this respect.

    Parameters
    ----------
    second_moments : float64 array of shape (n, n)
        G, for each column and the intercept.
    l2 : float64 array of shape (n_searches, n)
        Strengths of the l2 penalty.
    curvature : float
    width : int
        Scores of each search, which share P.
    """

    curvature = 1.0

    def __init__(self, second_moments, l2, curvature, width):
        self.width = width
        different, self._which = np.unique(l2, axis=0, return_inverse=True)
        self._which = self._which.reshape(-1)
        n = len(second_moments)
        diagonal = np.arange(n)
        model = np.tile(curvature * second_moments, (len(different), 1, 1))
        model[:, diagonal, diagonal] += different
        size = np.sqrt(model[:, diagonal, diagonal])
        size[size == 0.0] = 1.0
        model /= size[:, :, None] * size[:, None, :]
        # Columns without spread stay where they are.
        empty = model[:, diagonal, diagonal] == 0.0
        model[:, diagonal, diagonal] = np.where(empty, 1.0, 1.0 + FLAT * n)
        roots = np.linalg.cholesky(model)
        inverse = np.linalg.solve(roots, np.broadcast_to(np.eye(n), roots.shape))
        self._P = np.ascontiguousarray(inverse.transpose(0, 2, 1)) / size[:, :, None]

    def _of(self, searches):
        return self._P[self._which[searches]]

    def theta(self, t, searches):
        """Theta of some searches, given their t."""
        P = self._of(searches)
        return (P @ t.reshape(len(t), -1, self.width)).reshape(t.shape)

    def slopes(self, gradient, searches):
        """The gradient in t, given that in theta."""
        P = self._of(searches).transpose(0, 2, 1)
        by_column = gradient.reshape(len(gradient), -1, self.width)
        return (P @ by_column).reshape(gradient.shape)
