"""How far a linear model can be from the minimum of its objective, with proof.

Every set of slopes u_i that the loss can have, one for each row and output, proves a
lower bound of the objective (Fenchel's inequality). Those of a Newton step prove the
best one nearby. Products with rows are in ``blocks.py``, losses in ``fenchel.py``.
"""

from dataclasses import dataclass

import numpy as np

from skgd._linear.blocks import Table
from skgd._linear.fenchel import SeparableLoss, SoftmaxLoss
from skgd._linear.newton import fix_sums
from skgd._linear.quadratic import QuadraticModel
from skgd.losses import Loss
from skgd.penalties import soft_threshold

# Weights up to which the second derivatives are factorised.
LARGEST = 512

# A step that promises so many times what may be left needs no proof.
FAR = 30.0

# Share of its l1 penalty from which the pull on a weight of zero is taken seriously.
NEAR = 0.8

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

# Newton steps for the slopes at rounded kinks; the share that a good one leaves, and
# how many may be bad in a row.
ROUNDED_STEPS = 8
ENOUGH = 0.7
PATIENCE = 2

# Relative difference of distances that is rounding.
TOGETHER = 1e-9

# Numbers looked at in all attempts at kinks, and how many there may be anyway.
WORK = 20_000_000
FEWEST_ATTEMPTS = 4


# Relative error of the numbers that a gap is the difference of, a few times over.
ROUNDING = 8.0 * float(np.finfo(np.float64).eps)


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
        A Newton step from the point, in the coordinates of theta: with an l1 penalty to
        the minimum of the quadratic model with the penalty inside, with kinks of the
        objective with kinks rounded off. None where there are too many weights.
    """

    value: float
    gap: float
    step: np.ndarray | None

    @property
    def lower(self):
        """A lower bound of the minimum of F; -inf where there is none.

        Rounded down: far up, the last places of the gap are more than the minimum.
        """
        return self.value - self.gap * (1.0 + ROUNDING)


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


def certify(bound, theta, widths=None, target=0.0, table=None):
    """Bound how far F(theta) is from the minimum of F.

    Parameters
    ----------
    bound : BoundObjective
        The objective of a linear model over rows in memory.
    theta : array of shape (n_parameters,)
        Any point; the bound is good near the minimum.
    widths : sequence of float, default=None
        Scores over which the kinks of a piecewise linear loss are rounded off to find
        slopes; the best of these widths counts. None tries those that leave about as
        many rows at kinks as there are weights, as at a minimum.
    target : float, default=0
        A gap as small as this is enough: nothing is tried for a smaller one, and
        nothing but the step is found where that promises FAR more.
    table : Table, default=None
        The rows of `bound`, if they were looked at before.

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
    if not provable(bound.objective.loss):
        return None
    # What is not finite proves nothing, and says so by a gap of inf.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return _certify(bound, theta, widths, target, table)


def _certify(bound, theta, widths, target, table):
    if table is None:
        table = Table(bound.objective.model, bound.rows)
    problem = _Problem(bound, theta, target, table)
    if bound.objective.softmax:
        return problem.certificate([problem.attempt(SoftmaxLoss(bound))])
    plain = SeparableLoss(bound)
    attempts = [problem.attempt(plain)]
    if not plain.piecewise_linear:
        return problem.certificate(attempts)
    if widths is None:
        widths = _widths(problem, plain)
    widths = [np.broadcast_to(width, plain.n_outputs) for width in widths]
    most = max(FEWEST_ATTEMPTS, WORK // (len(bound.rows) * len(problem.live)))
    for width in widths[: most - 1]:
        if problem.certificate(attempts).gap <= target:
            break
        attempts.append(problem.attempt(SeparableLoss(bound, width)))
    answer = problem.certificate(attempts)
    if answer.step is None:
        return answer
    # The slopes of the rounded minimum prove more than those of one step towards it:
    # from the widths that left least, and from those of the widest jump.
    tried = len(attempts) - 1
    choices = [problem.best_rounded(attempts), np.full(plain.n_outputs, 1)]
    gap = answer.gap
    for choice in choices[: min(tried, 2)]:
        loss = SeparableLoss(bound, np.choose(choice, widths[:tried]))
        columns = [attempts[1 + i].step[:, k] for k, i in enumerate(choice)]
        moved, step = problem, np.column_stack(columns)
        idle = 0
        for _ in range(ROUNDED_STEPS):
            if gap <= target or len(attempts) >= most:
                break
            moved = _Problem(bound, moved.theta + step, 0.0, table)
            attempts.append(moved.attempt(loss))
            step, before = attempts[-1].step, gap
            gap = problem.certificate(attempts).gap
            # Some steps only find out which rows stay at their kinks.
            idle = 0 if gap < ENOUGH * before else idle + 1
            if idle == PATIENCE:
                break
    return Certificate(answer.value, gap, answer.step)


def _distinct(distances):
    """In ascending order, those that are the same but for rounding once.

    So that a row of weight two counts as two copies of it do.
    """
    distances = np.sort(distances)
    smallest = np.finfo(float).eps * distances[-1]
    distances = np.maximum(distances, smallest if smallest > 0.0 else 1.0)
    apart = distances[1:] > (1.0 + TOGETHER) * distances[:-1]
    return distances[np.r_[True, apart]]


def _jump(distances, limit):
    """How many distances lie below the largest jump among the first ones."""
    ratios = (distances[1:] / distances[:-1])[:limit]
    return 1 + int(ratios.argmax()) if ratios.size else 0


def _widths(problem, loss):
    """Widths at which likely numbers of rows are at kinks, one for each output."""
    distances = []
    for _, _, _ in problem.looked_at(loss):
        distances.append(loss.distance_to_kinks())
    columns = [_distinct(column) for column in np.concatenate(distances).T]
    n_weights = int(problem.live.sum())
    # A minimum shows in a jump from rows at kinks to the next ones.
    counts = [
        [_jump(column, limit) for column in columns]
        for limit in (int(KINK_ROWS[-1] * n_weights), None)
    ]
    counts += [
        [int(np.ceil(multiple * n_weights))] * len(columns) for multiple in KINK_ROWS
    ]
    widths = []
    for count in counts:
        width = np.empty(len(columns))
        for k, column in enumerate(columns):
            at = min(count[k], len(column) - 1)
            # Well apart from both, on either side.
            width[k] = np.sqrt(column[max(at - 1, 0)] * column[at])
        if not any(np.array_equal(width, other) for other in widths):
            widths.append(width)
    return widths


class _Problem:
    """The objective at one point, weights as (features + 1, outputs)."""

    def __init__(self, bound, theta, target, table):
        objective = bound.objective
        self.target, self.table = target, table
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
        self.total = float(bound.weight(bound.rows.order))
        self.intercept_only = not self.free[:-1].any()

    def looked_at(self, loss):
        """The blocks of rows, with the loss evaluated at the point."""
        for block, targets, weights in self.table:
            if not self.table.kept or loss.looked_at is not self:
                loss.look(targets, block.scores(self.theta))
                loss.looked_at = self
            yield block, targets, weights

    def certificate(self, attempts):
        """The best of some attempts, the first of them at the point itself."""
        values, gaps = attempts[0].values, attempts[0].gaps
        for other in attempts[1:]:
            apart = values - other.values
            size = ALLOWANCE * (np.abs(values) + np.abs(other.values))
            size = np.where(apart == 0.0, 0.0, size)
            gaps = np.fmin(gaps, np.maximum(other.gaps + apart, 0.0) + size)
        step = None
        if attempts[-1].step is not None:
            # Among several there is one step each for each output, but for the first.
            best = self.best_rounded(attempts) + 1 if len(attempts) > 1 else 0
            best = np.broadcast_to(best, (self.n_outputs,))
            columns = [attempts[i].step[:, k] for k, i in enumerate(best)]
            step = np.column_stack(columns).ravel()
        return Certificate(float(values.sum()), float(gaps.sum()), step)

    def best_rounded(self, attempts):
        """Of each output, which of the attempts after the first leaves least."""
        return np.array([attempt.gaps for attempt in attempts[1:]]).argmin(axis=0)

    def attempt(self, loss):
        """What the slopes near the point prove."""
        first, columns = self._first_look(loss)
        theta, l1, l2 = self.theta, self.l1, self.l2
        penalties = 0.5 * l2 * theta**2 + l1 * np.abs(theta)
        values, rest = first.values / self.total, first.at_rest / self.total
        penalties = self._by_group(penalties, loss)
        # Slopes of zero prove that F is at least the smallest of all losses.
        gaps = values + rest + penalties
        gaps = gaps + ALLOWANCE * (np.abs(values) + np.abs(rest))
        step = None
        if first.hessians is not None:
            gradient = first.pulls / self.total + l2 * theta
            models = self._models(first.hessians, columns, gradient, loss)
            step = -models.c
            promise = 0.5 * np.sum(gradient * models.c)
            plain = loss.width is None and not l1.any()
            if plain and not loss.quadratic and 0.0 < FAR * self.target < promise:
                # No slopes can prove what is wanted.
                return _Attempt(values + penalties, np.fmax(gaps, promise), step)
            newton = self._newton_gaps(loss, models)
            if (newton < gaps).all():
                return _Attempt(values + penalties, newton, step)
            gaps = np.fmin(gaps, newton)
        if self.intercept_only:
            gaps = np.fmin(gaps, self._plain_gaps(loss, first, step))
        gaps = np.where(np.isnan(gaps), np.inf, gaps)
        return _Attempt(values + penalties, gaps, step)

    def _by_group(self, matrix, loss):
        sums = matrix.sum(axis=0)
        return sums if loss.n_groups == self.n_outputs else sums.sum(keepdims=True)

    def _first_look(self, loss):
        """Sums at the point, with second derivatives where columns are few."""
        if loss.piecewise_linear:
            return self._sums(loss, None), None
        most = LARGEST // self.n_outputs
        columns = np.flatnonzero(self.live)
        if len(columns) <= most:
            return self._sums(loss, columns), columns
        sums = self._sums(loss, None)
        if not self.l1.any():
            return sums, None
        # Those that are not zero, and those that are about to leave it.
        gradient = sums.pulls / self.total + self.l2 * self.theta
        near = (self.theta != 0.0) | (np.abs(gradient) >= NEAR * self.l1)
        columns = np.flatnonzero(self.live & near.any(axis=1))
        if len(columns) > most:
            return sums, None
        return self._sums(loss, columns), columns

    def _sums(self, loss, columns):
        subset = columns
        if columns is not None and len(columns) == self.shape[0]:
            subset = None
        sums = _Sums()
        known = self.table.hessians if loss.quadratic and subset is None else None
        for block, _, weights in self.looked_at(loss):
            sums.values += weights @ loss.row_values()
            sums.at_rest += weights @ loss.at_rest()
            sums.pulls += block.pull(weights[:, None] * loss.slopes)
            sums.tallies += loss.tallies(weights, loss.slopes)
            if columns is not None and known is None:
                hessians = loss.hessians(block, weights, subset)
                sums.hessians = (
                    hessians if sums.hessians is None else sums.hessians + hessians
                )
        if known is not None:
            sums.hessians = known
        elif loss.quadratic and subset is None:
            self.table.hessians = sums.hessians
        return sums

    def _models(self, hessians, columns, gradient, loss):
        """The quadratic model of each group, at its minimum."""
        models = _Models(self.shape)
        for k in range(loss.n_groups):
            outputs = [k] if loss.n_groups > 1 else np.arange(self.n_outputs)
            entries = np.ix_(columns, outputs)
            H = hessians[k] / self.total
            H[np.diag_indices(len(H))] += self.l2[entries].ravel()
            if loss.n_groups < self.n_outputs and not self.l1.any():
                fix_sums(H, self.n_outputs, self.l2[columns].ravel())
            models.add(
                QuadraticModel(
                    H,
                    gradient[entries].ravel(),
                    self.theta[entries].ravel(),
                    self.l1[entries].ravel(),
                ),
                entries,
            )
        return models

    def _newton_gaps(self, loss, models):
        """Of the slopes that a step by -c predicts."""
        c = models.c
        reach = np.abs(self.theta) + REACH * np.abs(c)
        found = self._slopes(loss, c)
        if REFINED < self._off(found) <= ROUNDING and self.target > 0.0:
            gaps = self._within_l1(loss, found, c, np.ones(loss.n_groups), None, reach)
            # No other digits would make it small enough, or there is no need for them.
            if gaps.sum() <= self.target or found.distance.sum() > self.target:
                return gaps
        for _ in range(REFINEMENTS):
            # Where probabilities were cut off, no step brings the pulls to zero.
            cut = loss.n_groups < self.n_outputs and found.shrink[0] < 1.0
            if cut or self._off(found) <= REFINED:
                break
            # What is left of the pulls that the step should have brought to zero.
            pulls = found.pulls + self.l2 * (self.theta - c)
            refined = c + models.solve(pulls)
            better = self._slopes(loss, refined)
            if not self._off(better) < 0.9 * self._off(found):
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
            room = np.where(bounded, self.l1 / np.abs(found.pulls), np.inf)
            room = np.minimum(room.min(axis=0), 1.0)
            room = room if loss.n_groups > 1 else room.min(keepdims=True)
            if (room < 1.0).any():
                factor = factor * room
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
        for block, _, weights in self.looked_at(loss):
            u = loss.slopes
            # What u is the difference of, and so what its rounding is in units of.
            terms_of_u = np.abs(u) + loss.offset
            if moves:
                change = loss.curve(block.scores(c))
                u, terms_of_u = u - change, terms_of_u + np.abs(change)
                sums.shrink = np.minimum(sums.shrink, loss.shrink(u))
            u = u if factor is None or tallies is not None else factor * u
            u = loss.within(u)
            sums.tallies += loss.tallies(weights, u)
            if tallies is not None:
                u = loss.balanced(u, tallies)
                u = loss.within(u if factor is None else factor * u)
            weighted = weights[:, None] * u
            sums.pulls += block.pull(weighted)
            sums.sizes += block.size(weights[:, None] * terms_of_u)
            distances, terms = loss.distance(u)
            sums.distance += weights @ distances
            sums.terms += weights @ terms
        for name in ("pulls", "sizes", "distance", "terms"):
            setattr(sums, name, getattr(sums, name) / self.total)
        return sums

    def _off(self, found):
        """Largest pull on a weight without penalty, against the sum of its terms."""
        pulls = np.abs(found.pulls[self.free])
        shares = np.where(pulls > 0.0, pulls / found.sizes[self.free], 0.0)
        return shares.max(initial=0.0)

    def _gaps(self, loss, found, reach):
        """The bound of each group."""
        theta, l1, l2, a = self.theta, self.l1, self.l2, found.pulls
        excess = soft_threshold(a, l1)
        smooth = (l2 * theta + excess) ** 2 / (2.0 * l2)
        smooth = np.where(l2 > 0.0, smooth, np.where(excess == 0.0, 0.0, np.inf))
        # A pull that exceeds the l1 penalty by rounding only, without l2: the minimum
        # could be lower by that times the way to it.
        beyond = 0.5 * l2 * theta**2 + np.abs(excess) * reach
        nothing = np.abs(excess) <= ROUNDING * found.sizes
        smooth = np.where(nothing, np.fmin(smooth, beyond), smooth)
        # R(w) + R*(-a) + a w, as a sum of terms that are not negative.
        terms = smooth + np.maximum(l1 * np.abs(theta) + (a - excess) * theta, 0.0)
        terms[~self.live] = 0.0
        terms += ALLOWANCE * found.sizes * np.abs(theta)
        return found.distance + ALLOWANCE * found.terms + self._by_group(terms, loss)


class _Sums:
    """Sums over the rows, zero at first."""

    def __init__(self, shrink=None):
        self.shrink = shrink
        self.values = self.at_rest = self.pulls = self.sizes = 0.0
        self.tallies = self.distance = self.terms = 0.0
        self.hessians = None


@dataclass
class _Attempt:
    """What one choice of slopes gives: F and gaps of shape (groups,)."""

    values: np.ndarray
    gaps: np.ndarray
    step: np.ndarray | None


class _Models:
    """Quadratic models of groups of weights, put together."""

    def __init__(self, shape):
        self.c = np.zeros(shape)
        self._parts = []

    def add(self, model, entries):
        self.c[entries] = model.c.reshape(self.c[entries].shape)
        self._parts.append((model, entries))

    def solve(self, pulls):
        """What to add to c so that these pulls become those of the model's minimum."""
        answer = np.zeros_like(self.c)
        for model, entries in self._parts:
            part = pulls[entries]
            answer[entries] = model.solve(part.ravel()).reshape(part.shape)
        return answer
