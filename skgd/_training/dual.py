"""Proximal-point stochastic dual ascent on CSR rows, for ``lr="auto"``.

Implicit steps of single rows with a dual number each (Shalev-Shwartz and Zhang, 2013),
inside an accelerated proximal-point method (Lin, Mairal and Harchaoui, 2015), which
makes problems with little or no l2 penalty as easy as those with much. There is no
learning rate, and the duality gap comes with each pass. What a step is: see
``_kernels/csr_dual.py``; when this method is chosen: see ``_linear/automatic.py``.
"""

import math
from dataclasses import replace

import numpy as np
from scipy.special import xlogy

from skgd._input.sparse import without_duplicates
from skgd._training.epochs import random_bits, shuffle_kernel
from skgd._training.state import Averaging, State
from skgd.penalties import soft_threshold

# The proximal term at the start, as a share of the l2 strength at which a row's
# implicit step takes half of its way.
FIRST_KAPPA = 0.3

# The proximal term is halved where its share of the distance to the minimum is more
# than the first of these of the duality gap, and doubled where it is less than the
# second.
FAR, NEAR = 0.3, 0.05

# Strength of the proximal term of the intercept at the start, as a share of the loss's
# curvature; what it is divided by where the intercept lags behind; and the least, where
# a row alone moves the intercept about as far as its own score.
INTERCEPT_SHARE = 1.0 / 30.0
INTERCEPT_CUT = 4.0
LEAST_INTERCEPT_SHARE = 1.0

# Outer steps that shrink by less than this from one to the next are taken to do so by
# this, for an estimate of all that are still to come.
SLOWEST = 0.95

# Share of Nesterov's momentum that the anchor is given.
MOMENTUM = 0.5

# Passes before a method with full gradients takes over.
MOST_PASSES = 60

# A model that beats the best constant by less than this share of its objective is as
# good as it.
LEAST_GAIN = 1e-3

# Keeps a quotient of nothing by nothing finite.
TINY = np.finfo(np.float64).tiny

# A factor that makes up for the rounding of a quotient.
WITHIN = 1.0 - 4.0 * np.finfo(np.float64).eps

# Gaps below this share of the objective are rounding.
ROUNDING = 1e-13


class DualAscent:
    """Where ``plan.optimizer`` says which method moves theta: this one.

    The problem of each outer step is F + (kappa/2) |w - anchor|^2, whose dual has one
    number for each row and output. A pass visits all rows in random order; after it the
    anchor moves to the weights and half of Nesterov's momentum beyond, the intercept's
    anchor to the intercept, and kappa is adapted so that neither the inner nor the
    outer distance to the minimum rules.

    Parameters
    ----------
    curvature : float
        Bound of the loss's curvature, or its scale where it has a kink.
    kind : {'smooth', 'kink', 'softmax'}
        How the dual numbers of a row are found.
    strengths : tuple of float
        l1 and l2 strength.
    tol : float or None
        Share of what the best constant leaves, at which a run is done. None runs on.
    shuffle : bool
        Whether each pass visits the rows in an order of its own.
    start : array of shape (n_parameters,)
        Parameters of the best constant.
    fallback : callable(), optional
        (objective, FullGradientDescent) to go on with if `MOST_PASSES` passes have not
        been enough.

    References
    ----------
    S. Shalev-Shwartz and T. Zhang, "Stochastic dual coordinate ascent methods for
    regularized loss minimization" (2013). H. Lin, J. Mairal and Z. Harchaoui, "A
    universal catalyst for first-order optimization" (2015).
    """

    searches = True
    normalises = False
    keeps_derivatives = False
    row_step = None
    finds_rate = True

    def __init__(self, curvature, kind, strengths, tol, shuffle, start, fallback=None):
        self.curvature = curvature
        self.kind = kind
        self.strengths = strengths
        self.tol = tol
        self.shuffle = shuffle
        self.constant = start
        self.fallback = fallback

    def start(self, n, dtype):
        """No vectors, scalars or step sizes: the duals belong to the rows of a run."""
        return np.zeros((0, n), dtype), np.zeros(0), np.zeros(0, dtype)

    def points(self, vectors):
        """No vectors that are points of the parameter space."""
        return []

    def on(self, bound):
        """The epoch of this method over bound rows."""
        return DualEpoch(self, bound)


class DualEpoch:
    """Passes over CSR rows, until they are certified or a search takes over.

    Attributes
    ----------
    verdict : {"converged", "rounding"} or None
        Why there is nothing more to do: the last pass was within `tol` of the minimum,
        or the search that took over says so.
    moved : bool
        Whether the last pass changed the answer.
    gap : float
        (F - F*)/(F0 - F*) as far as known, F0 the objective of the best constant; NaN
        before the first pass.
    gap_kind : {"bound", "estimate"} or None
        Whether a dual point proves the gap.
    """

    def __init__(self, ascent, bound):
        from skgd._kernels import compiling, csr_dual

        if hasattr(bound, "data"):
            bound = _canonical(bound)
            rows = bound.rows
            self.n_kept = rows.X.shape[0]
            self.sample = bound
        else:
            # A stream, whose blocks come in the same order in each pass.
            self.sample = _canonical(bound.objective.bind(bound.rows))
            self.n_kept = bound.n_rows
        self.ascent = ascent
        self.bound = bound
        self.n = bound.n_rows
        self.l1, self.l2 = ascent.strengths
        kinds = {
            "smooth": csr_dual.SMOOTH,
            "kink": csr_dual.KINK,
            "softmax": csr_dual.SOFTMAX,
        }
        self.kind = kinds[ascent.kind]
        data_type = self.sample.loops.data_type
        self._pass = compiling.kernel(
            csr_dual.run_pass, csr_dual.pass_signature(data_type)
        )
        self._mean_square = compiling.kernel(
            csr_dual.mean_square, csr_dual.square_signature(data_type)
        )
        self._distance = compiling.kernel(
            csr_dual.distance, csr_dual.distance_signature()
        )
        self._turn = compiling.kernel(csr_dual.turn, csr_dual.turn_signature())
        self._shuffle = shuffle_kernel() if ascent.shuffle else None
        self.n_passes = 0
        self.v = None
        self.search = None
        self.verdict, self.moved = None, True
        self.gap, self.gap_kind = math.nan, None

    # ---- the start -------------------------------------------------------------------

    def _begin(self, state):
        """Duals, weights and strengths before the first pass."""
        ascent, model = self.ascent, self.bound.objective.model
        n_outputs = model.n_outputs
        sample = self.sample
        square = self._mean_square(sample.data, sample.rows.weights, sample.rows.order)
        self.base = square * ascent.curvature / self.n
        self.kappa = max(FIRST_KAPPA * self.base - self.l2, 0.0)
        if self.kappa + self.l2 == 0.0:
            self.kappa = np.finfo(np.float64).tiny ** 0.5  # no feature says anything
        self.mu = INTERCEPT_SHARE * ascent.curvature
        # Lengths of the last outer steps of weights and intercepts.
        self.steps = [0.0, 0.0]
        theta = state.theta.astype(np.float64)
        self.weights = theta[: model.n_weights].copy()
        self.intercept = theta[model.n_weights :].copy()
        self.anchor = self.weights.copy()
        self.duals = np.zeros(self.n_kept * n_outputs)
        self.conjugates = np.zeros(self.n_kept)
        self.order = np.empty(self.n_kept, np.int64)
        self.sums = np.zeros(n_outputs)
        self.workspace = np.zeros((6, n_outputs))
        self.at_constant = self._value_of_constant()
        self.v = self.weights
        if self.weights.any():
            self._derive_duals()
        else:
            self.v = self.weights.copy()

    def _derive_duals(self):
        """Duals from the derivatives at the start, as they are at a minimum."""
        # A step of length zero ends where it begins.
        self._visit(0.0, lengths=(0.0, 0.0))
        sums = self._dual_sums(self.duals)
        lam = self.l2 + self.kappa
        self.v = (self.kappa / lam) * self.anchor + sums / (lam * self.n)
        self._anchor_intercept()

    def _dual_sums(self, duals):
        """sum_i a_i x_i, in the order of theta."""
        duals = duals.reshape(-1, self.sums.size)
        total, start = 0.0, 0
        for block in self.bound.bound_blocks():
            X = block.rows.X
            total = total + np.ravel(X.T @ duals[start : start + X.shape[0]])
            start += X.shape[0]
        return total

    def _value_of_constant(self):
        """F of the best constant: the losses of rows without features."""
        n_weights = self.bound.objective.model.n_weights
        total, _ = self._visit(
            0.0,
            moves=False,
            v=np.zeros(0),
            intercept=self.ascent.constant[n_weights:].astype(np.float64),
        )
        return total / self.n

    # ---- a pass ----------------------------------------------------------------------

    def _visit(
        self,
        threshold,
        lengths=(0.0, 0.0),
        moves=True,
        rng=None,
        v=None,
        intercept=None,
    ):
        """All rows once, in the order drawn from `rng`; sums of losses and of gaps.

        An empty `v` asks for rows without features.
        """
        from skgd._kernels import csr_dual, linear

        visit = csr_dual.Visit(
            kind=self.kind,
            curvature=self.ascent.curvature,
            threshold=threshold,
            per_weight=lengths[0],
            per_intercept=lengths[1],
            moves=moves,
        )
        n_outputs = self.sums.size
        total = gap = 0.0
        start = 0
        for block in self.bound.bound_blocks():
            block = block if block is self.bound else _canonical(block)
            rows, data = block.rows, block.data
            stop = start + rows.X.shape[0]
            if stop > self.n_kept:
                raise ValueError(
                    f"The stream gave {self.n_kept} rows in the first pass, and more "
                    "in a later one."
                )
            if v is not None and not v.size:
                data = linear.SparseRows(*data)
                data = tuple(data._replace(pointers=np.zeros_like(data.pointers)))
            order = rows.order
            if rng is not None and self._shuffle is not None:
                # From the same start each time, so that the order depends on the
                # random stream alone.
                order = self.order[: rows.order.size]
                order[:] = rows.order
                self._shuffle(order, random_bits(rng))
            duals = csr_dual.Duals(
                v=self.v if v is None else v,
                intercept=self.intercept if intercept is None else intercept,
                duals=self.duals[start * n_outputs : stop * n_outputs],
                conjugates=self.conjugates[start:stop],
                sums=self.sums,
                workspace=self.workspace,
            )
            block_total, block_gap = self._pass(
                block.rows_of(data, order), block.cost, tuple(duals), tuple(visit)
            )
            total, gap, start = total + block_total, gap + block_gap, stop
        return total, gap

    def _anchor_intercept(self):
        """The intercept after its anchor has moved to where it is."""
        if self.bound.objective.model.fit_intercept:
            self.intercept += self.sums / (self.mu * self.n)

    def run(self, state):
        """One pass in place; returns (mean objective seen, length of a step)."""
        if self.search is not None:
            return self._search_on(state)
        if self.v is None:
            self._begin(state)
        model = self.bound.objective.model
        lam = self.l2 + self.kappa
        threshold = self.l1 / lam
        bias = float(model.fit_intercept)
        lengths = 1.0 / (lam * self.n), bias / (self.mu * self.n)
        loss, gap = self._visit(threshold, lengths, rng=state.rng)
        loss, gap = loss / self.n, gap / self.n
        state.step += self.n
        far = 0.0
        if self.kappa > 0.0:
            distance = self._distance(self.v, self.anchor, threshold)
            far = 0.5 * self.kappa * distance
        far_intercept = 0.0
        if bias:
            far_intercept = 0.5 * self.mu * float(np.sum((self.sums * lengths[1]) ** 2))
        outer = self._still_to_come(0, far, self.kappa)
        outer_intercept = self._still_to_come(1, far_intercept, self.mu)
        shown = self.intercept.copy()
        if not math.isfinite(loss + gap + outer + outer_intercept):
            return math.nan, lengths[0]
        # An objective that is not convex shows by a gap below zero.
        convex = gap >= -(ROUNDING**0.5) * abs(loss)
        self._look_whether_done(loss, gap, outer + outer_intercept, threshold)
        self._move_anchor(gap, far, threshold)
        if self.n_passes > 0 and outer_intercept > FAR * gap:
            least = LEAST_INTERCEPT_SHARE * self.ascent.curvature / self.n
            self.mu = max(self.mu / INTERCEPT_CUT, min(self.mu, least))
        state.theta[: model.n_weights] = self.weights
        state.theta[model.n_weights :] = shown
        self._anchor_intercept()
        self.n_passes += 1
        spent = self.n_passes >= MOST_PASSES or not convex
        if spent and self.verdict is None and self.ascent.fallback is not None:
            self._hand_over(state)
        return loss + self.bound.objective.penalty(state.theta), lengths[0]

    def _still_to_come(self, which, far, strength):
        """What all further outer steps will gain, from the length of this one.

        At the minimum of an outer problem F - F* is at most strength |step| |way to the
        minimum|, and the way is a sum of steps, taken to shrink as they did last.
        """
        step = math.sqrt(2.0 * far / strength) if strength > 0.0 else 0.0
        last, self.steps[which] = self.steps[which], step
        shrinks = min(step / last, SLOWEST) if last > 0.0 else 0.5
        return 2.0 * far * max(0.5, shrinks / (1.0 - shrinks))

    def _move_anchor(self, gap, far, threshold):
        """Outer step: another anchor, and another kappa if the old one is off."""
        kappa, lam = self.kappa, self.l2 + self.kappa
        momentum, following = 0.0, kappa
        if kappa > 0.0:
            share = self.l2 / lam
            momentum = self.n_passes / (self.n_passes + 3.0)
            if share > 1e-3:
                root = math.sqrt(share)
                momentum = (1.0 - root) / (1.0 + root)
            momentum *= MOMENTUM
            if self.n_passes > 0:
                if far > FAR * gap:
                    following = kappa / 2.0
                elif far < NEAR * gap:
                    following = max(kappa, min(2.0 * kappa, self.base))
        next_lam = self.l2 + following
        self._turn(
            self.v,
            self.anchor,
            self.weights,
            threshold,
            kappa / lam,
            following / next_lam,
            lam / next_lam,
            momentum,
        )
        self.kappa = following

    # ---- the certificate -------------------------------------------------------------

    def _look_whether_done(self, loss, gap, far, threshold):
        """Certify the weights if the visits say that they are close to the minimum.

        The gaps of the visits were taken at weights on the move, so a pass that moves
        nothing confirms them.
        """
        penalty = self._penalty(threshold)
        self.gap = (gap + far) / self._left(loss + penalty, gap + far)
        self.gap_kind = "estimate"
        tol = self.ascent.tol
        if self.n_passes == 0 or tol is None or self.gap > tol:
            return
        loss, gap = self._visit(threshold, moves=False)
        loss, gap = loss / self.n, max(gap / self.n, 0.0)
        value = loss + penalty
        self.gap = (gap + far) / self._left(value, gap + far)
        if self.gap <= tol:
            self.verdict = "converged"
            proven = value - self._lower_bound()
            proven_gap = proven / self._left(value, proven)
            if proven_gap <= max(tol, self.gap):
                self.gap, self.gap_kind = max(proven_gap, 0.0), "bound"

    def _left(self, value, gap):
        """What the best constant leaves: F0 - F*, for F within `gap` of F*."""
        scale = max(abs(self.at_constant), np.finfo(np.float64).tiny)
        return max(self.at_constant - value + gap, LEAST_GAIN * scale)

    def _penalty(self, threshold):
        weights = soft_threshold(self.v, threshold)
        # Without BLAS, whose threads would stay awake for nothing.
        squares = float(np.square(weights).sum())
        return 0.5 * self.l2 * squares + self.l1 * float(np.abs(weights).sum())

    def _lower_bound(self):
        """A bound of F* from below: the dual objective, minus infinity without one.

        -mean phi*(-a) - g*(sum a x / n), g the penalty, for duals that add up to zero
        for each output if there is an intercept.
        """
        if self.bound.objective.model.fit_intercept:
            try:
                duals, conjugates = self._balanced()
            except NotImplementedError:
                # A loss without a conjugate of its own.
                return -math.inf
        else:
            duals, conjugates = self.duals, self.conjugates.sum()
        slopes = np.abs(self._dual_sums(duals)) / self.n
        conjugates /= self.n
        if self.l2 > 0.0:
            excess = np.maximum(slopes - self.l1, 0.0)
            return -conjugates - float(excess @ excess) / (2.0 * self.l2)
        largest = slopes.max(initial=0.0)
        if largest == 0.0 or self.l1 == 0.0:
            return -conjugates if largest == 0.0 else -math.inf
        return -min(1.0, self.l1 / largest) * conjugates

    def _balanced(self):
        """Duals near those of the rows whose sums are zero, and their conjugates.

        Those of the sign that prevails shrink, for each output; phi* is convex and at
        most 0 at 0, because no loss is negative, so that slopes stay such as the loss
        has. Of the softmax, classes with too much probability give to the others.
        """
        n_outputs = self.sums.size
        duals = self.duals.reshape(-1, n_outputs)
        if self.ascent.kind == "softmax":
            balance, conjugate = self._softmax_balance(duals)
        elif n_outputs == 1:
            above = duals[:, 0] > 0.0
            up, down = _shares(duals)
            shares = np.where(above, up, down)
            # A row may have a conjugate below 0, which shrinks likewise. Rows that do
            # not count have zeros here.
            return duals[:, 0] * shares, float(shares @ self.conjugates)
        else:
            # A little less, for the quotient by the weight to be a slope of the loss.
            up, down = (WITHIN * share for share in _shares(duals))

            def balance(duals, rows):
                return np.where(duals > 0.0, duals * up, duals * down)

            def conjugate(u, rows):
                targets = rows.targets
                if targets.shape[1] < n_outputs:
                    targets = np.where(targets == np.arange(n_outputs), 1.0, -1.0)
                return self.bound.objective.loss.conjugate(targets, u).sum(axis=1)

        balanced, total, start = np.zeros_like(duals), 0.0, 0
        for block in self.bound.bound_blocks():
            rows = block.rows
            stop = start + rows.X.shape[0]
            counts = np.zeros(stop - start, bool)
            counts[rows.order] = True
            counts &= rows.weights > 0.0
            weights = np.where(counts, rows.weights, 1.0)
            found = balance(duals[start:stop], rows) * counts[:, None]
            values = conjugate(-found / weights[:, None], rows)
            total += float(np.where(counts, weights * values, 0.0).sum())
            balanced[start:stop], start = found, stop
        return balanced.ravel(), total

    def _softmax_balance(self, duals):
        """(balance, conjugate) of ``_balanced`` for the softmax.

        The duals of a row are s (e - q), e the indicator of its class and q in the
        simplex, and the conjugate is sum q log q.
        """
        excess = -duals.sum(axis=0)
        masses = np.zeros_like(excess)
        start = 0
        for block in self.bound.bound_blocks():
            rows = block.rows
            stop = start + rows.X.shape[0]
            weights = np.zeros(stop - start)
            weights[rows.order] = rows.weights[rows.order]
            label = _indicators(rows, masses.size)
            masses += weights @ label - duals[start:stop].sum(axis=0)
            start = stop
        given = np.where(excess > 0.0, excess / np.maximum(masses, TINY), 0.0)
        wanted = np.maximum(-excess, 0.0)
        taken = wanted / max(wanted.sum(), TINY)

        def balance(duals, rows):
            weights = np.maximum(rows.weights, TINY)[:, None]
            label = _indicators(rows, masses.size)
            q = np.maximum(label - duals / weights, 0.0)
            q /= q.sum(axis=1, keepdims=True)
            moved = (q * given).sum(axis=1, keepdims=True)
            return weights * (label - (q * (1.0 - given) + moved * taken))

        def conjugate(u, rows):
            q = np.maximum(u + _indicators(rows, masses.size), 0.0)
            return xlogy(q, q).sum(axis=1)

        return balance, conjugate

    # ---- the search that takes over --------------------------------------------------

    def _hand_over(self, state):
        """Go on by full gradients from the weights reached, in coordinates for them."""
        objective, descent = self.ascent.fallback()
        bound = self.bound.with_objective(objective)
        start = objective.model.translated(state.theta, self.bound.objective.model)
        inner = State.start(start, descent, Averaging(start=1), state.rng)
        self.search = bound, descent.on(bound), inner

    def _search_on(self, state):
        bound, epoch, inner = self.search
        value, step = epoch.run(inner)
        model = self.bound.objective.model
        state.theta[:] = model.translated(inner.answer(), bound.objective.model)
        state.step += 1
        self.verdict, self.moved = epoch.verdict, epoch.moved
        self.gap, self.gap_kind = epoch.gap, epoch.gap_kind
        return value, step


def _shares(duals):
    """Factors for the positive and for the negative duals of each output.

    With them both have the sum of the lesser.
    """
    positive = np.maximum(duals, 0.0).sum(axis=0)
    negative = np.maximum(-duals, 0.0).sum(axis=0)
    least = np.minimum(positive, negative)
    return least / np.maximum(positive, TINY), least / np.maximum(negative, TINY)


def _indicators(rows, n_classes):
    return (rows.targets == np.arange(n_classes)).astype(np.float64)


def _canonical(bound):
    """The rows with each column once, which their squared norms want."""
    X = without_duplicates(bound.rows.X)
    if X is bound.rows.X:
        return bound
    rows = replace(bound.rows, X=X)
    return bound.objective.bind(rows, bound.block_rows, bound.n_jobs)
