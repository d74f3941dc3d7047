"""The coordinates in which a network is trained: location and spread of X and y.

Measured at once or a chunk at a time. How weights change with them: ``model.py``.
"""

from dataclasses import dataclass

import numpy as np

from skgd._input.moments import Moments

# A column whose spread is this small against its size is rounding noise.
CONSTANT_COLUMN = 1e-12

# Rows whose derivatives give the unit of the loss.
SAMPLE_ROWS = 10_000


@dataclass(frozen=True)
class Coordinates:
    """Inputs (x - mean) * scale, scores spread * a + shift, gradients of F / unit.

    Attributes
    ----------
    mean, scale : arrays of shape (n_features,)
        A column without spread has scale 0: nothing can be learnt from it.
    shift, spread : arrays of shape (n_outputs,)
    unit : float
        Size of the loss, so that neither steps nor penalty depend on the units of y.
    """

    mean: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    spread: np.ndarray
    unit: float = 1.0

    @classmethod
    def raw(cls, n_features, n_outputs):
        """Everything as it comes."""
        return cls(
            np.zeros(n_features),
            np.ones(n_features),
            np.zeros(n_outputs),
            np.ones(n_outputs),
        )

    def rounded(self, dtype):
        """As the kernels see them."""
        parts = (self.mean, self.scale, self.shift, self.spread)
        return Coordinates(
            *(part.astype(dtype).astype(np.float64) for part in parts), self.unit
        )


@dataclass(frozen=True)
class Scaling:
    """What `Coordinates` are computed from, for all rows seen so far.

    Attributes
    ----------
    features, targets : Moments
        `targets` is None for a classifier.
    slope : float
        Mean square of dloss/dz at the constant that stands for y.
    weight : float
        Weight of the rows behind `slope`.
    """

    features: Moments
    targets: Moments | None
    slope: float = 0.0
    weight: float = 0.0

    @classmethod
    def empty(cls, n_features, n_targets):
        """Before the first row; `n_targets` is None for a classifier."""
        targets = None if n_targets is None else Moments.empty(n_targets)
        return cls(Moments.empty(n_features), targets)

    def updated(self, rows, loss):
        """With the rows taken in; this object stays as it is."""
        features = Moments.of(rows, self.features)
        if self.targets is None:
            return Scaling(features, None)
        y, weights = rows.visited_targets(), rows.visited_weights()
        targets = getattr(rows, "target_moments", None)
        if targets is None:
            targets = self.targets.copy().update(y, weights)
        every = -(-len(y) // SAMPLE_ROWS)
        y, weights = y[::every], weights[::every]
        centre = _centre(loss, targets)
        slope = np.average(
            np.square(loss.gradient(y, centre)).mean(axis=1), weights=weights
        )
        total = self.weight + weights.sum()
        share = weights.sum() / total
        return Scaling(
            features, targets, (1 - share) * self.slope + share * slope, total
        )

    def coordinates(self, loss, n_outputs):
        """The coordinates for a loss."""
        mean, variance = self.features.mean, self.features.variance
        scale = np.zeros_like(variance)
        varies = variance > (CONSTANT_COLUMN * mean) ** 2
        scale[varies] = 1.0 / np.sqrt(variance[varies])
        shift, spread, unit = np.zeros(n_outputs), np.ones(n_outputs), 1.0
        if self.targets is not None:
            if loss.identity_link:
                shift, spread = self.targets.mean, np.sqrt(self.targets.variance)
                flat = self.targets.variance <= (CONSTANT_COLUMN * shift) ** 2
                spread = np.where(flat, 1.0, spread)
            size = np.sqrt(np.mean(np.square(spread)))
            unit = float(size * (np.sqrt(self.slope) or 1.0))
        return Coordinates(mean, scale, shift, spread, unit)


def _centre(loss, targets):
    """The constant score that stands for y, one for each output."""
    if loss.identity_link:
        return targets.mean
    return np.array([loss.best_constant([mean]) for mean in targets.mean])
