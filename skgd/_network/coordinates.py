"""The coordinates in which a network is trained: location and spread of X and y.

Measured at once or a chunk at a time. How weights change with them: ``model.py``.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from skgd._input.moments import CONSTANT_COLUMN, Moments, exceeds_rounding
from skgd._kernels.forgetting import left
from skgd._registry import SAVED
from skgd.losses import AbsoluteError

# Where most entries are one number, none is more than this many units from the mean of
# its column. The standard deviation alone would make one row in a thousand reach 30,
# and what few rows say would move the weights more than all others.
LONGEST_REACH = 8.0

# Where they are not, the standard deviation may be that of a few huge ones, which would
# leave no difference between the others: one that is more than so many times the spread
# of the middle half is made smaller, to its geometric mean with so many times that.
LONG_TAIL = 4.0
# And no entry is more than so many units from the mean.
LONGEST_TAIL = 50.0

# Columns above which each is made smaller, so that all together move the units as far
# in a step as so many do.
MANY_COLUMNS = 128

# The standard deviation of targets, in units of the median distance from the median,
# above which it says more about a few outliers than about the others.
MOST_USUAL = 5.0

# Targets that are kept for medians, and whose derivatives give the unit of the loss.
KEPT_TARGETS = 1024
# Half-lives for which they are kept where they are forgotten.
REMEMBERED = 10.0

GOLDEN_RATIO = (np.sqrt(5.0) - 1.0) / 2.0

# Standard deviations of the normal distribution in its median absolute deviation.
NORMAL_MAD = 0.6744897501960817


@SAVED.named("coordinates")
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
    measure : array of shape (n_outputs,)
        What targets and scores are divided by before the loss compares them, so that
        each of several targets counts the same.
    """

    mean: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    spread: np.ndarray
    unit: float = 1.0
    measure: np.ndarray = field(default_factory=lambda: np.ones(1))

    @classmethod
    def raw(cls, n_features, n_outputs, measure=None):
        """Everything as it comes, but for the measure of the targets."""
        return cls(
            np.zeros(n_features),
            np.ones(n_features),
            np.zeros(n_outputs),
            np.ones(n_outputs),
            measure=np.ones(n_outputs) if measure is None else measure,
        )

    def rounded(self, dtype):
        """As the kernels see them."""
        # A spread of zero would leave nothing to divide by.
        spread = np.maximum(self.spread, np.finfo(dtype).tiny)
        parts = (self.mean, self.scale, self.shift, spread)
        return Coordinates(
            *(part.astype(dtype).astype(np.float64) for part in parts),
            self.unit,
            self.measure,
        )


@SAVED.named("kept")
@dataclass(frozen=True)
class Kept:
    """Some targets of all rows seen, for what no moments tell.

    Row i is kept where the fraction of i times the golden ratio is below `share`: a
    choice that does not depend on how the rows come in chunks, and that no pattern
    which repeats in the rows can fool.

    Attributes
    ----------
    values : array of shape (n_kept, n_targets)
    weights : array of shape (n_kept,)
    places : array of shape (n_kept,)
        Those fractions.
    share : float
        A power of one half.
    n_seen : int
    """

    values: np.ndarray
    weights: np.ndarray
    places: np.ndarray
    share: float = 1.0
    n_seen: int = 0

    @classmethod
    def none(cls, n_targets):
        return cls(np.empty((0, n_targets)), np.empty(0), np.empty(0))

    def updated(self, y, weights, half_life=math.inf):
        """With further targets.

        With a `half_life` all before a target are older by one, and those of more than
        `REMEMBERED` half-lives ago are not kept.
        """
        places = (self.n_seen + np.arange(len(y))) * GOLDEN_RATIO % 1.0
        new = places < self.share
        before = self.weights
        if half_life < math.inf:
            before = before * left(half_life, len(y))
            weights = weights * left(half_life, np.arange(len(y))[::-1])
        values = np.concatenate([self.values, y[new]])
        weights = np.concatenate([before, weights[new]])
        places = np.concatenate([self.places, places[new]])
        share = self.share
        if half_life < math.inf:
            # The share is halved until the targets of this time are few enough.
            latest = math.ceil(REMEMBERED * half_life * share)
            values, weights, places = (
                part[-latest:] for part in (values, weights, places)
            )
        while len(values) > KEPT_TARGETS:
            share /= 2.0
            stay = places < share
            values, weights, places = values[stay], weights[stay], places[stay]
        return Kept(values, weights, places, share, self.n_seen + len(y))

    def location_and_spread(self, loss):
        """The best constant, and 1.48 times the median distance from the median.

        The latter is the standard deviation of normal targets, whatever few gross
        outliers are; where half of the targets are one number, the mean distance.
        """
        absolute = AbsoluteError()
        centres, spreads = [], []
        for column in self.values.T:
            centres.append(loss.best_constant(column, self.weights))
            middle = absolute.best_constant(column, self.weights)
            distance = np.abs(column - middle)
            spread = absolute.best_constant(distance, self.weights) / NORMAL_MAD
            if spread <= CONSTANT_COLUMN * abs(middle):
                spread = np.average(distance, weights=self.weights)
            spreads.append(spread)
        return np.array(centres), np.array(spreads)


def is_robust(loss):
    """Whether outliers pull at the scores no harder than other rows do."""
    if not loss.identity_link:
        return False
    with np.errstate(all="ignore"):
        pull = np.abs(loss.gradient(np.array([1e6, 1e12]), np.zeros(2)))
    return bool(pull[1] <= 2.0 * pull[0])


@SAVED.named("scaling")
@dataclass(frozen=True)
class Scaling:
    """What `Coordinates` are computed from, for all rows seen so far.

    Attributes
    ----------
    features : Moments
    targets : Moments or None
        None for a classifier.
    kept : Kept or None
        Some of the targets.
    middle : array of shape (n_features,) or None
        `middle_spread` of the rows of a fit, which later rows do not change; None in a
        stream, which begins with too few to tell.
    """

    features: Moments
    targets: Moments | None = None
    kept: Kept | None = None
    middle: np.ndarray | None = None

    @classmethod
    def empty(cls, n_features, n_targets):
        """Before the first row; `n_targets` is None for a classifier."""
        if n_targets is None:
            return cls(Moments.empty(n_features))
        targets = Moments.empty(n_targets), Kept.none(n_targets)
        return cls(Moments.empty(n_features), *targets)

    @classmethod
    def of(cls, rows, n_targets, half_life=math.inf):
        """Of the first rows; see `empty` and `updated`."""
        return cls.empty(rows.X.shape[1], n_targets).updated(rows, half_life)

    def reduced(self, share):
        """As if all rows had had this share of their weight."""
        targets, kept = self.targets, self.kept
        if targets is not None:
            targets = targets.reduced(share)
            kept = replace(kept, weights=share * kept.weights)
        return Scaling(self.features.reduced(share), targets, kept, self.middle)

    def updated(self, rows, half_life=math.inf):
        """With the rows taken in; this object stays as it is."""
        features = Moments.of(rows, self.features, half_life)
        if self.targets is None:
            return replace(self, features=features)
        y, weights = rows.visited()
        targets = getattr(rows, "target_moments", None)
        if targets is None:
            targets = self.targets.copy().update(y, weights, half_life=half_life)
        kept = self.kept.updated(y, weights, half_life)
        return Scaling(features, targets, kept, self.middle)

    def location_and_spread(self, loss):
        """The constant scores that stand for the targets, and the spread of those.

        A target without spread gets one that is nothing against its size, and one with
        gross outliers the spread of the others.
        """
        if not loss.identity_link:
            means = self.targets.mean
            centre = np.array([loss.best_constant([mean]) for mean in means])
            return centre, np.ones(len(centre))
        if is_robust(loss):
            centre, spread = self.kept.location_and_spread(loss)
        else:
            centre, spread = self.targets.mean, np.sqrt(self.targets.variance)
            reach = self.targets.high - self.targets.low
            # The squares of huge ones overflow.
            if not (reach <= LONGEST_REACH * spread).all() or np.isinf(spread).any():
                median, usual = self.kept.location_and_spread(AbsoluteError())
                outlying = ~(spread <= MOST_USUAL * usual)
                centre = np.where(outlying, median, centre)
                spread = np.where(outlying, usual, spread)
        least = CONSTANT_COLUMN * np.abs(centre)
        flat = spread <= least
        return centre, np.where(flat, np.where(least > 0.0, least, 1.0), spread)

    def _slope(self, loss, centre, spread):
        """Root mean square of dloss/dz at the constant that stands for y."""
        y, weights = self.kept.values, self.kept.weights
        if loss.identity_link:
            reach = LONGEST_REACH * spread
            y = np.clip(y, centre - reach, centre + reach)
            measure = _measure(loss, spread)
            y, centre = y / measure, centre / measure
        with np.errstate(over="ignore"):
            squares = np.square(loss.gradient(y, centre)).mean(axis=1)
        return np.sqrt(np.average(squares, weights=weights))

    def _scales(self, features):
        """One over what stands for the spread of each column; 0 for a constant one.

        `features` are the moments about what the columns are centred at.
        """
        mean, variance = features.mean, features.variance
        varies = exceeds_rounding(variance, mean)
        spread, reach = np.sqrt(variance[varies]), features.reach(mean)[varies]
        furthest = LONGEST_REACH
        if self.middle is not None:
            middle = self.middle[varies]
            centre = self.features.mean[varies]
            deviation = np.sqrt(self.features.variance[varies])
            differ = exceeds_rounding(np.square(middle), centre)
            furthest = np.where(differ, LONGEST_TAIL, furthest)
            usual = LONG_TAIL * middle
            long = differ & (usual < deviation)
            spread[long] *= np.sqrt(usual[long] / deviation[long])
        scale = np.zeros_like(variance)
        scale[varies] = 1.0 / np.maximum(spread, reach / furthest)
        return scale

    def coordinates(self, loss, n_outputs, centred):
        """The coordinates for a loss; about zero if they may not be `centred`."""
        features = self.features if centred else about_zero(self.features)
        mean, scale = features.mean, self._scales(features)
        width = max(1.0, len(scale) / MANY_COLUMNS)
        shift, spread, unit = np.zeros(n_outputs), np.ones(n_outputs), 1.0
        measure = np.ones(n_outputs)
        if self.targets is not None:
            centre, spread = self.location_and_spread(loss)
            if not centred:
                spread = np.hypot(spread, centre) if loss.identity_link else spread
                centre = np.zeros_like(centre)
            if loss.identity_link:
                shift, measure = centre, _measure(loss, spread)
            size = _root_mean_square(spread / measure)
            # 0 where there is nothing to learn, or where squares of y vanish.
            unit = float(size * (self._slope(loss, centre, spread) or 1.0)) or 1.0
        return Coordinates(mean, scale / width, shift, spread, unit, measure)


def about_zero(moments):
    """The same with the mean square in the place of the variance."""
    squares = moments.variance + np.square(moments.mean)
    zero = np.zeros_like(moments.mean)
    return replace(moments, mean=zero, variance=squares)


def _measure(loss, spread):
    """What each of several targets is divided by, in the mean square one."""
    if len(spread) == 1 or not loss.identity_link:
        return np.ones(len(spread))
    return spread / _root_mean_square(spread)


def _root_mean_square(values):
    """The root of the mean square, also where squares overflow or vanish."""
    # A power of two rounds nothing.
    size = np.ldexp(0.5, np.frexp(values.max())[1])
    return size * np.sqrt(np.mean(np.square(values / size)))
