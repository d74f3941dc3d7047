"""How far a linear model can be from the minimum of its objective, with proof.

Every set of slopes u_i that the loss can have, one for each row and output, proves a
lower bound of the objective (Fenchel's inequality). Those of a Newton step prove the
best one nearby. Products with rows are in ``blocks.py``, losses in ``fenchel.py``.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh

from skgd._linear.blocks import blocks
from skgd._linear.fenchel import SeparableLoss, SoftmaxLoss
from skgd.losses import Loss
from skgd.penalties import soft_threshold

# Weights up to which the second derivatives are factorised.
LARGEST = 512

# Eigenvalues of a scaled matrix that are rounding, and squared pivots below which it
# is worth while to look at them.
SMALLEST_EIGENVALUE = 1e-12
SMALLEST_PIVOT = 1e-4

# A sum of terms of both signs counts as zero at this share of the sum of their sizes.
ROUNDING = 1e-12
REFINED = 1e-14
REFINEMENTS = 3

# Units of rounding that are added to the bound for each size that entered it.
ALLOWANCE = 16.0 * np.finfo(np.float64).eps

# Where a weight without penalty has a pull of rounding size, the minimum is looked for
# within this many Newton steps.
REACH = 10.0

# Rows at kinks, in multiples of the number of weights, on which a minimum is tried.
KINK_ROWS = (1.0, 1.25, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class Certificate:
    """What is proven about a point.

    Attributes
    ----------
    value : float
        F at the point, in double precision.
    gap : float
        F at the point is at most this far above its minimum, rounding included. inf
        where nothing can be proven.
    step : float64 array of shape (n_parameters,) or None
        A Newton step from the point, in the coordinates of theta; None if there is
        none. With an l1 penalty, of the weights that are not zero, as long as they
        keep their signs. With kinks, of the objective with kinks rounded off.
    width : float
        Of the rounded kinks; 0 without kinks.
    """

    value: float
    gap: float
    step: np.ndarray | None
    width: float = 0.0

    @property
    def lower(self):
        """A lower bound of the minimum of F; -inf where there is none."""
        return self.value - self.gap


def provable(loss):
    """Whether the loss says what a proof needs, for the values it has.

    A class that inherits the conjugate of another loss, but not its values, does not.
    """
    ancestry = type(loss).__mro__

    def defined(name):
        return next(k for k, c in enumerate(ancestry) if name in vars(c))

    return ancestry[defined("conjugate")] is not Loss and defined(
        "conjugate"
    ) <= defined("value_and_derivative")


def certify(bound, theta, width=None):
    """Bound how far F(theta) is from the minimum of F.

    Parameters
    ----------
    bound : BoundObjective
        The objective of a linear model over rows in memory.
    theta : array of shape (n_parameters,)
        Any point; the bound is good near the minimum.
    width : float, default=None
        Scores over which the kinks of a piecewise linear loss are rounded off to find
        slopes. None tries those that leave about as many rows at kinks as there are
        weights, as at a minimum.

    Returns
    -------
    Certificate or None
        None if the loss does not define its conjugate.

    Notes
    -----
    With a_j = sum_i s_i u_i x_ij / n the pull of the slopes on weight j,

        F(theta) - min F <= mean_i s_i (l(z_i) + l*(u_i) - u_i z_i)
                            + sum_j (R_j(w_j) + R_j*(-a_j) + a_j w_j),

    where every term is at least zero. Weights without a penalty ask for a_j = 0. The
    slopes are u = l' - l'' Z c with c = H^-1 g the Newton step, for which that holds,
    cut off where the loss has no such slope. Without a factorisation, or where cutting
    off spoils it, u = l' is used, made smaller on one side so that the intercept is
    pulled equally to both. Under l1, u is scaled until no pull exceeds the penalty.

    A pull of zero is one of rounding size here, and its size times the distance within
    which the minimum is looked for is added to the bound.
    """
    objective = bound.objective
    if not provable(objective.loss):
        return None
    problem = _Problem(bound, theta)
    if objective.softmax:
        return problem.certificate(SoftmaxLoss(bound))
    plain = SeparableLoss(bound)
    if not objective.loss.kinks(np.ones(1)):
        return problem.certificate(plain)
    widths = _widths(problem, plain) if width is None else [width]
    found = [problem.certificate(plain)]
    found += [problem.certificate(SeparableLoss(bound, width)) for width in widths]
    best = min(found, key=lambda c: c.gap)
    if best.step is None:
        best = Certificate(best.value, best.gap, found[-1].step, found[-1].width)
    return best


def _widths(problem, loss):
    """Widths at which some multiples of the number of weights are at kinks."""
    distances = []
    for block, targets, _ in problem.blocks():
        loss.look(targets, block.scores(problem.theta))
        nearest = np.full(loss.z.shape, np.inf)
        for position, below, above in loss.loss.kinks(loss.y):
            raw = loss.z - position
            steepest = np.where(raw > 0.0, above, -below)
            with np.errstate(divide="ignore"):
                nearest = np.minimum(nearest, np.abs(raw) / steepest)
        distances.append(nearest)
    distances = np.sort(np.concatenate(distances), axis=0)
    n = len(distances)
    n_weights = problem.live.sum()
    widths = []
    for multiple in KINK_ROWS:
        # Between two rows: half-way from the last one that is to be rounded off.
        k = min(int(np.ceil(multiple * n_weights)), n - 1)
        inner, outer = distances[k - 1].max(), distances[k].max()
        width = np.sqrt(inner * outer) if inner > 0.0 else 0.5 * outer
        if width > 0.0 and np.isfinite(width) and width not in widths:
            widths.append(float(width))
    return widths


class _Problem:
    """The objective at one point; matrices of weights have shape (features + 1, outputs)."""

    def __init__(self, bound, theta):
        objective = bound.objective
        model = self.model = objective.model
        self.rows = bound.rows
        self.n_outputs = model.n_outputs
        shape = self.shape = (model.n_features + 1, model.n_outputs)
        self.theta = np.array(theta, dtype=np.float64).reshape(shape)
        zeros = np.zeros(shape)
        self.l1 = objective.l1.reshape(shape) if objective.l1.size else zeros
        self.l2 = objective.l2.reshape(shape) if objective.l2.size else zeros
        scale = np.ones(shape[0] - 1) if model.scale is None else model.scale
        self.live = np.append(scale > 0.0, model.fit_intercept)
        self.theta[~self.live] = 0.0
        live = self.live[:, None]
        self.free = live & (self.l1 == 0.0) & (self.l2 == 0.0)
        # The weights that a Newton step moves.
        self.active = live & ((self.l1 == 0.0) | (self.theta != 0.0))
        self.total = float(bound.rows.weight(bound.rows.order))
        self.intercept_only = not self.free[:-1].any()

    def blocks(self):
        return blocks(self.model, self.rows)

    def certificate(self, loss):
        """The best of what is known to prove something."""
        first = self._first_look(loss)
        theta, l1, l2 = self.theta, self.l1, self.l2
        penalties = 0.5 * l2 * theta**2 + l1 * np.abs(theta)
        values = first.values / self.total
        value = float(values.sum() + penalties.sum())
        # Slopes of zero prove that F is at least the smallest of all losses.
        gaps = values + first.at_rest / self.total + self._by_group(penalties, loss)
        gaps = gaps + ALLOWANCE * (np.abs(values) + np.abs(first.at_rest) / self.total)
        step = None
        if first.hessians is not None:
            gradient = first.pulls / self.total + l2 * theta + l1 * np.sign(theta)
            solve = self._solver(first.hessians, first.columns, loss)
            c = solve(gradient)
            step = -c
            gaps = np.fmin(gaps, self._newton_gaps(loss, c, solve))
        if self.intercept_only:
            gaps = np.fmin(gaps, self._plain_gaps(loss, first, step))
        gap = float(np.where(np.isnan(gaps), np.inf, gaps).sum())
        step = None if step is None else step.ravel()
        return Certificate(value, gap, step, loss.width)

    def _by_group(self, matrix, loss):
        sums = matrix.sum(axis=0)
        return sums if loss.n_groups == self.n_outputs else sums.sum(keepdims=True)

    def _first_look(self, loss):
        """Sums at the point, with second derivatives if they are few."""
        columns = np.flatnonzero(self.active.any(axis=1))
        few = 0 < len(columns) * self.n_outputs <= LARGEST
        subset = None if len(columns) == self.shape[0] else columns
        sums = _Sums(columns=columns)
        for block, targets, weights in self.blocks():
            loss.look(targets, block.scores(self.theta))
            sums.values += weights @ loss.row_values()
            sums.at_rest += weights @ loss.at_rest()
            sums.pulls += block.pull(weights[:, None] * loss.slopes)
            sums.tallies += loss.tallies(weights, loss.slopes)
            if few:
                hessians = loss.hessians(block, weights, subset)
                if sums.hessians is None:
                    sums.hessians = hessians
                else:
                    sums.hessians += hessians
        return sums

    def _solver(self, hessians, columns, loss):
        """callable(gradient) -> H^-1 gradient, in the active weights of each group."""
        active, l2 = self.active[columns], self.l2[columns]
        solvers = []
        for k in range(loss.n_groups):
            chosen = active[:, k] if loss.n_groups > 1 else active.ravel()
            ridge = l2[:, k] if loss.n_groups > 1 else l2.ravel()
            H = hessians[k] / self.total
            H = H[np.ix_(chosen, chosen)] + np.diag(ridge[chosen])
            solvers.append((chosen, _inverse(H)))

        def solve(gradient):
            parts = gradient[columns]
            answer = np.zeros((len(columns), self.n_outputs))
            for k, (chosen, inverse) in enumerate(solvers):
                if loss.n_groups > 1:
                    answer[chosen, k] = inverse(parts[chosen, k])
                else:
                    flat = np.zeros(chosen.size)
                    flat[chosen] = inverse(parts.ravel()[chosen])
                    answer = flat.reshape(answer.shape)
            full = np.zeros(self.shape)
            full[columns] = answer
            return full

        return solve

    def _newton_gaps(self, loss, c, solve):
        """Of the slopes that a step by -c predicts."""
        reach = np.abs(self.theta) + REACH * np.abs(c)
        found = self._slopes(loss, c)
        for _ in range(REFINEMENTS):
            if not self.free.any() or self._off(found) <= REFINED:
                break
            # What is left of the pulls that the step should have brought to zero.
            pulls = found.pulls + self.l2 * (self.theta - c)
            pulls += self.l1 * np.sign(self.theta)
            refined = c + solve(np.where(self.active, pulls, 0.0))
            better = self._slopes(loss, refined)
            if not self._off(better) < 0.5 * self._off(found):
                break
            found, c = better, refined
        factor, tallies = np.ones(loss.n_groups), None
        if self._off(found) > ROUNDING:
            if self.intercept_only:
                tallies = found.tallies
            else:
                factor = found.shrink
            found = self._slopes(loss, c, factor, tallies)
        return self._within_l1(loss, found, c, factor, tallies, reach)

    def _plain_gaps(self, loss, first, step):
        """Of the slopes at the point."""
        c = np.zeros(self.shape)
        reach = np.abs(self.theta) + (0.0 if step is None else REACH * np.abs(step))
        factor = np.ones(loss.n_groups)
        tallies = first.tallies if self.model.fit_intercept else None
        found = self._slopes(loss, c, factor, tallies)
        return self._within_l1(loss, found, c, factor, tallies, reach)

    def _within_l1(self, loss, found, c, factor, tallies, reach):
        """Scale the slopes of a group until no pull exceeds its l1 penalty."""
        bounded = (self.l1 > 0.0) & (self.l2 == 0.0) & self.live[:, None]
        if bounded.any():
            with np.errstate(divide="ignore", invalid="ignore"):
                room = np.where(bounded, self.l1 / np.abs(found.pulls), np.inf)
            room = np.minimum(room.min(axis=0), 1.0)
            room = room if loss.n_groups > 1 else room.min(keepdims=True)
            if (room < 1.0).any():
                # One unit of rounding less, so that it is not exceeded by one.
                factor = factor * np.where(room < 1.0, room * (1.0 - 1e-15), 1.0)
                found = self._slopes(loss, c, factor, tallies)
        return self._gaps(loss, found, reach)

    def _slopes(self, loss, c, factor=None, tallies=None):
        """Sums over the rows with u = l' - l'' Z c, made to be slopes of the loss.

        Parameters
        ----------
        loss : SeparableLoss or SoftmaxLoss
        c : float64 array of shape (features + 1, outputs)
        factor : float64 array of shape (groups,), default=None
            Of u.
        tallies : array, default=None
            Of all rows, if u is to be balanced.
        """
        sums = _Sums(shrink=np.ones(loss.n_groups))
        moves = c.any()
        for block, targets, weights in self.blocks():
            loss.look(targets, block.scores(self.theta))
            u = loss.slopes
            if moves:
                u = u - loss.curve(block.scores(c))
                sums.shrink = np.minimum(sums.shrink, loss.shrink(u))
            u = u if factor is None or tallies is not None else factor * u
            u = loss.within(u)
            sums.tallies += loss.tallies(weights, u)
            if tallies is not None:
                u = loss.balanced(u, tallies)
                u = loss.within(u if factor is None else factor * u)
            weighted = weights[:, None] * u
            sums.pulls += block.pull(weighted)
            sums.sizes += block.size(weighted)
            distances, terms = loss.distance(u)
            sums.distance += weights @ distances
            sums.terms += weights @ terms
        for name in ("pulls", "sizes", "distance", "terms"):
            setattr(sums, name, getattr(sums, name) / self.total)
        return sums

    def _off(self, found):
        """Largest pull on a weight without penalty, against the sum of its terms."""
        pulls = np.abs(found.pulls[self.free])
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(pulls > 0.0, pulls / found.sizes[self.free], 0.0)
        return shares.max(initial=0.0)

    def _gaps(self, loss, found, reach):
        """The bound of each group."""
        theta, l1, l2, a = self.theta, self.l1, self.l2, found.pulls
        excess = soft_threshold(a, l1)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            smooth = (l2 * theta + excess) ** 2 / (2.0 * l2)
        smooth = np.where(l2 > 0.0, smooth, np.where(excess == 0.0, 0.0, np.inf))
        # R(w) + R*(-a) + a w, as a sum of terms that are not negative.
        terms = smooth + np.maximum(l1 * np.abs(theta) + (a - excess) * theta, 0.0)
        # Without its penalty a weight can only lower the minimum, and if its pull is
        # rounding, not by much.
        without = 0.5 * l2 * theta**2 + l1 * np.abs(theta) + np.abs(a) * reach
        nothing = np.abs(a) <= ROUNDING * found.sizes
        terms = np.where(nothing, np.fmin(terms, without), terms)
        terms[~self.live] = 0.0
        terms += ALLOWANCE * found.sizes * np.abs(theta)
        return found.distance + ALLOWANCE * found.terms + self._by_group(terms, loss)


class _Sums:
    """Sums over the rows, zero at first."""

    def __init__(self, columns=None, shrink=None):
        self.columns, self.shrink = columns, shrink
        self.values = self.at_rest = self.pulls = self.sizes = 0.0
        self.tallies = self.distance = self.terms = 0.0
        self.hessians = None


def _inverse(H):
    """callable(g) -> H^-1 g, without directions in which H is rounding."""
    diagonal = np.diag(H)
    with np.errstate(divide="ignore"):
        scale = np.where(diagonal > 0.0, 1.0 / np.sqrt(diagonal), 0.0)
    H = H * scale[:, None] * scale
    if not np.isfinite(H).all():
        return lambda g: np.zeros_like(g)
    try:
        factor = cho_factor(H, lower=True)
        if np.diag(factor[0]).min(initial=1.0) > SMALLEST_PIVOT:
            return lambda g: scale * cho_solve(factor, scale * g)
    except np.linalg.LinAlgError:
        pass
    values, vectors = eigh(H)
    kept = values > SMALLEST_EIGENVALUE * max(values[-1], 0.0)
    values, vectors = values[kept], vectors[:, kept]
    return lambda g: scale * (vectors @ ((vectors.T @ (scale * g)) / values))
