"""Searches side by side: each looks for the minimum of its own objective.

Values and gradients of all of them come in, the next trial points go out. Each has its
own directions, line search and end, and knows nothing of the others: the step is that
of ``_kernels/secant.py``, the end is the one of ``_training/secant.py``.
"""

import numpy as np

from skgd._selection.coordinates import Bases, Units
from skgd._training.full_gradient import ROUNDING
from skgd._training.secant import (
    LAST_PLACES,
    LEVEL_STEPS,
    PAIRS,
    PROXIMAL_PAIRS,
    STEPS,
    UNSURE_SHARE,
    UNSURE_STEPS,
)

# Numbers that the pairs of all searches of a fit may take together, and the fewest
# pairs that are worth their place.
PAIR_NUMBERS = 40_000_000
FEWEST_PAIRS = 4

# Where what the curvature of the columns promises is this share of what is tolerated,
# no more steps are waited for.
SURE_SHARE = 0.1

# Where a promise has not come down to this share of what it was, it is rounding.
LESS = 0.5

CONVERGED, ROUNDED = 1, 2


class Searches:
    """Searches over as many parameters each.

    They move in coordinates t of their own, theta = start + P t; see
    ``coordinates.py``.

    Parameters
    ----------
    start : float64 array of shape (n_searches, n_parameters)
        Where they begin: (n_features + 1) times `width` numbers each, the weights of a
        feature together, the intercepts last.
    width : int
        Scores of a row that a search has: the classes of a softmax, or 1.
    l1, l2 : float64 arrays of shape (n_searches, n_features)
        Strengths of the penalty on the weights of each feature. Either all searches
        have an l1 penalty, or none.
    curvature : float
        Of the loss.
    tol : float or None
        Share of what the best constant leaves that may be missing at the end.
    dtype : dtype
        Precision of the scores.
    parabolic : bool
        Whether the loss is the squared error.
    identity_link : bool
        Whether scores are predictions.
    least : float or None
        The least value that the loss can have.
    fit_intercept : bool
    second_moments : float64 array of shape (n_features + 1, n_features + 1) or None
        Of the rows, if they are to be made use of.
    n_searches_in_all : int
        Of all folds, which share the memory.

    Attributes
    ----------
    active : int64 array
        The searches that go on.
    reasons : int array of shape (n_searches,)
        Zero, ``CONVERGED`` or ``ROUNDED``.
    """

    def __init__(
        self,
        start,
        width,
        l1,
        l2,
        *,
        curvature,
        tol,
        dtype,
        parabolic,
        identity_link,
        least,
        fit_intercept,
        second_moments,
        n_searches_in_all,
    ):
        from skgd._kernels import secant

        n, n_parameters = start.shape
        self.at = secant
        self.start = start
        self.width, self.tol = width, tol
        self.parabolic, self.least = parabolic, least
        self.identity_link, self.fit_intercept = identity_link, fit_intercept
        self.rounding = ROUNDING[np.dtype(dtype)]
        self.precision = float(np.finfo(dtype).eps)
        self.proximal = bool(l1.any())

        self.l1 = _of_parameters(l1, width) if self.proximal else None
        self.l2 = _of_parameters(l2, width)
        if second_moments is None or self.proximal:
            # Thresholds are for each weight, so that these cannot be mixed.
            self.coordinates = Units(self.l2, curvature)
        else:
            one = self.l2.reshape(n, -1, width)[:, :, 0]
            self.coordinates = Bases(second_moments, one, curvature, width)
        self._thresholds = np.empty((n, 0))
        if self.proximal:
            self._thresholds = self.coordinates.slopes(self.l1, slice(None))

        most = PROXIMAL_PAIRS if self.proximal else PAIRS
        fitting = PAIR_NUMBERS // (2 * n_parameters * n_searches_in_all)
        self._begin(int(min(max(fitting, FEWEST_PAIRS), most)))

    def _begin(self, pairs):
        """All that changes, and what the compiled step needs."""
        from skgd._kernels import columns, compiling, secant

        n, n_parameters = self.start.shape
        rows = secant.FIRST_PAIR + 2 * pairs
        self.vectors = np.zeros((n, rows, n_parameters))
        self.scalars = np.zeros((n, len(secant.SCALARS)))
        self.trials = np.zeros((n, n_parameters))
        self.active = np.arange(n)
        self.reasons = np.zeros(n, dtype=np.int64)
        self.constant_value = np.full(n, np.nan)
        self.history = np.full((n, LEVEL_STEPS + 1), np.inf)
        self.least_promise = np.full((n, LEVEL_STEPS + 1), np.inf)
        self._advance = compiling.kernel(
            columns.advance_each, columns.advance_signature()
        )
        direct = secant.proximal_newton if self.proximal else secant.newton
        self._model = secant.Model(
            direct=compiling.address(direct, secant.direction_signature()),
            l1=np.empty(0),
            parabolic=self.parabolic,
            rounding=self.rounding,
            first_step=1.0 / self.coordinates.curvature,
        )
        self._workspace = secant.Workspace(
            move=np.empty(n_parameters),
            change=np.empty(n_parameters),
            shares=np.empty(pairs),
        )

    @property
    def theta(self):
        """The trial points of the active searches."""
        active = self.active
        moved = self.coordinates.theta(self.trials[active], active)
        return self.start[active] + moved

    @property
    def answers(self):
        """The best points of all searches."""
        searches = np.arange(len(self.start))
        best = self.vectors[:, self.at.POINT]
        return self.start + self.coordinates.theta(best, searches)

    def take(self, losses, gradients):
        """Judge the trials of the active searches, and put the next in their place.

        Parameters
        ----------
        losses : float64 array of shape (n_active,)
            Mean losses at `theta`.
        gradients : float64 array of shape (n_active, n_parameters)
            Theirs.
        """
        at, scalars, active = self.at, self.scalars, self.active
        if not active.size:
            return
        theta, l2 = self.theta, self.l2[active]
        gradients = gradients + l2 * theta
        if not self.fit_intercept:
            gradients[:, -self.width :] = 0.0
        values = losses + 0.5 * np.einsum("ij,ij,ij->i", l2, theta, theta)
        if self.proximal:
            values = values + np.einsum("ij,ij->i", self.l1[active], np.abs(theta))
        gradients = self.coordinates.slopes(gradients, active)
        accepted = scalars[active, at.ACCEPTED]
        first = np.isnan(self.constant_value[active])
        self.constant_value[active[first]] = values[first]
        self._advance(
            active,
            (self.vectors, scalars, self.trials, self._thresholds),
            values,
            np.ascontiguousarray(gradients),
            tuple(self._workspace),
            tuple(self._model),
        )
        moved = active[scalars[active, at.ACCEPTED] > accepted]
        self.history[moved, 1:] = self.history[moved, :-1]
        self.history[moved, 0] = scalars[moved, at.VALUE]
        self._judge(active, moved)
        self.active = active[self.reasons[active] == 0]

    def change_objective(self, tol, constant_value):
        """All searches go on from their points, on other rows, with what they know.

        Parameters
        ----------
        tol : float or None
        constant_value : float64 array of shape (n_searches,)
            The mean loss of the best constant on these rows.
        """
        self.tol, self.constant_value = tol, constant_value
        self.trials[:] = self.vectors[:, self.at.POINT]
        self.scalars[:, self.at.CHANGED] = 1.0
        self.scalars[:, self.at.FORGOT] = 0.0
        self.history[:] = self.least_promise[:] = np.inf
        self.reasons[:] = 0
        self.active = np.arange(len(self.reasons))

    # ---- the end ---------------------------------------------------------------

    def gained(self, searches, steps):
        """The decrease of the last steps; infinite where there were fewer."""
        with np.errstate(invalid="ignore"):
            return self.history[searches, steps] - self.history[searches, 0]

    def noise(self, searches):
        """Decreases that are rounding errors of the objective."""
        value = self.scalars[searches, self.at.VALUE]
        constant = self.constant_value[searches]
        size = np.abs(value) + self.precision * np.abs(constant)
        if not self.identity_link:
            size = np.maximum(size, np.maximum(np.abs(constant), constant - value))
        return LAST_PLACES * self.precision * size

    def _judge(self, active, moved):
        """Decide which points are answers."""
        at, scalars = self.at, self.scalars
        stuck = active[scalars[active, at.STUCK] == 1.0]
        self.reasons[stuck] = ROUNDED
        bad = active[~np.isfinite(scalars[active, at.VALUE])]
        self.reasons[bad] = ROUNDED
        moved = moved[self.reasons[moved] == 0]
        if not moved.size:
            return
        promise = 0.5 * scalars[moved, at.DECREMENT]
        self.least_promise[moved, 1:] = self.least_promise[moved, :-1]
        least = np.minimum(promise, self.least_promise[moved, 1])
        self.least_promise[moved, 0] = least
        noise = self.noise(moved)
        value = scalars[moved, at.VALUE]
        target = np.zeros(len(moved))
        if self.tol is not None:
            target = self.tol * np.maximum(self.constant_value[moved] - value, 0.0)
        # Below the noise of the objective, its slopes still tell the way, until they
        # are rounding, too.
        idle = least > LESS * self.least_promise[moved, LEVEL_STEPS]
        done = (promise <= noise) & ((noise <= target) | idle)
        self.reasons[moved[done | (promise <= self.precision * noise)]] = ROUNDED
        if self.tol is None:
            return
        if self.least is not None:
            self.reasons[moved[value - self.least <= target]] = CONVERGED
        gained = self.gained(moved, STEPS)
        # At the minimum of a parabola the last step gained much, and none will.
        left = np.where(promise <= noise, promise, np.maximum(promise, gained))
        near = left <= target
        if isinstance(self.coordinates, Units):
            share = UNSURE_SHARE * target
            near &= self.gained(moved, UNSURE_STEPS) <= share
            near &= promise <= share
        else:
            whole = self._whole_promise(moved)
            near &= (whole <= target) | (promise <= noise)
            near |= whole <= SURE_SHARE * target
        self.reasons[moved[near]] = CONVERGED

    def _whole_promise(self, searches):
        """g'(h G + L)^-1 g / 2: what the curvature of the columns promises.

        G are the second moments of the columns, L the penalty, and h the curvature of
        the loss. In coordinates where c G + L is the unit matrix, that is at most
        |g|^2 / 2 times c / h, which the last pair has seen, or 1.
        """
        at = self.at
        pairs = (self.vectors.shape[1] - at.FIRST_PAIR) // 2
        learnt = self.scalars[searches, at.LEARNT].astype(int)
        # The curvature along a pair is one.
        move = self.vectors[searches, at.FIRST_PAIR + (learnt - 1) % pairs]
        gradient = self.vectors[searches, at.GRADIENT]
        ratio = np.maximum(np.square(move).sum(axis=1), 1.0)
        ratio[learnt == 0] = np.inf
        with np.errstate(invalid="ignore"):
            whole = 0.5 * ratio * np.square(gradient).sum(axis=1)
        return np.where(np.isnan(whole), 0.0, whole)


def _of_parameters(strength, width):
    """Of every parameter: the weights of a feature alike, no intercept."""
    weights = np.repeat(strength, width, axis=1)
    return np.hstack([weights, np.zeros((len(strength), width))])
