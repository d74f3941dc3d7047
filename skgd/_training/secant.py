"""Descent along secant directions over all rows, for ``lr="auto"``, and its end.

One search for each output that is independent of the others; the compiled step between
two passes is ``_kernels/secant.py``. When a search has come close enough to the minimum
is decided here; what proves it comes from the caller.
"""

import math

import numpy as np
from scipy import sparse

from skgd._input.boundary import check_state
from skgd._training.full_gradient import ROUNDING, FullGradientDescent
from skgd._training.recording import RecordedObjective
from skgd._training.used_columns import MANY_COLUMNS, UsedColumns
from skgd.losses import SquaredError
from skgd.penalties import penalty_value

# Pairs of moves and gradient changes kept, and a cap on the numbers that takes. Under
# an l1 penalty each pair costs more, and more than ten save no passes. Nor do they of
# many columns of sparse rows, where more may be read than the entries of the rows: four
# times each.
PAIRS = 50
PROXIMAL_PAIRS = 10
PAIR_BUDGET = 20_000_000
SPARSE_PAIRS, READ = 10, 4

# Losses with kinks make more of them: curvature sits in few rows and moves.
KINK_PAIRS = 100
PROXIMAL_KINK_PAIRS = 30

# A search has ended when its last steps gained no more than what is tolerated and the
# model promises no more. Without a second opinion, more steps and a share of it.
STEPS = 3
UNSURE_STEPS, UNSURE_SHARE = 5, 0.3

# Promises of so many units in the last place of the objective are rounding.
LAST_PLACES = 8.0

# Steps without any change of the objective after which rounding has won.
LEVEL_STEPS = 8

# A kink is sharpened by SHARPER when what is left to gain is less than SHARE of what
# the rounding off may hide, down to SHARPEST of the first width.
SHARPER, SHARE, SHARPEST = 0.1, 0.1, 1e-10

# Newton steps tried where a bound was not tight enough, and their shortest length.
NEWTON_STEPS, SHORTEST = 8, 1e-3

# Where they cost little, they are tried earlier and more often: for a parabola at once,
# else when what seems to be left is so many times what is tolerated.
# They end when one brings less than a share of what it promised.
EARLY_STEPS, NEAR, WORTHWHILE = 20, 100.0, 0.1

# How often a bound may be too loose where such a step promises next to nothing.
ASKED = 3


# Looks for a bound at losses with kinks, each after this share of the last.
KINK_LOOKS, CLOSER = 5, 0.3

# Points looked at under an l1 penalty until a bound is tight enough.
PATIENT_POINTS = 40


class SecantDescent(FullGradientDescent):
    """Limited-memory BFGS directions on a learnt diagonal, Wolfe's line search.

    The direction is -H g, where H maps the last gradient changes to the moves that
    made them (Nocedal, 1980), starting from the inverse of a diagonal that is updated
    by the same pairs (Gilbert and Lemarechal, 1989). With no pairs and a multiple of
    the identity this would be the step of Barzilai and Borwein (1988); the memory takes
    it to the optimum in a fraction of the passes. The step meets the weak conditions of
    Wolfe (1969), found in a bracket by cubic interpolation.

    theta is a trial point; the answer is the last point accepted, which is the best so
    far and which the state keeps as its average. One epoch is one pass over the rows:
    it judges a trial and proposes the next. For the squared error, a parabola on every
    line, the point goes to the minimum on the line through the trial, which makes this
    conjugate gradients.

    Under an l1 penalty the trial is the minimum of the secant model with the penalty
    inside, g'd + d'Bd/2 + sum l1 |point + d| with B the inverse of H, found without a
    look at the rows (Lee, Sun and Saunders, 2014). It has exact zeros.

    A loss with kinks is rounded off within a distance that shrinks as the search comes
    closer (Nesterov, 2005), and the pairs are kept on the way.

    Outputs that share no loss are searched one by one, in common passes: neither the
    steps nor the end of one depends on the units of another.

    Parameters
    ----------
    first_step : float
        Step per unit of gradient to try first.
    pairs : int
        Moves and gradient changes kept.
    n_searches : int
        Outputs that are searched one by one; 1 for a single output or the softmax.
    widths : float64 array of shape (n_outputs,), or None
        Distance over which kinks are rounded off at first; None for smooth losses.
    tol : float or None
        Share of what the best constant leaves that may be missing at the end.
    constant : array of shape (n_parameters,), or None
        The best constant; zero by default.
    evidence : object, optional
        ``second_moments(bound)`` and ``certificate(bound, theta, output)`` of
        ``_linear/evidence.py``, for a second and a third opinion on the end.
    """

    def __init__(
        self,
        first_step,
        pairs=PAIRS,
        n_searches=1,
        widths=None,
        tol=None,
        constant=None,
        evidence=None,
    ):
        super().__init__(first_step)
        self.pairs = pairs
        self.n_searches = n_searches
        self.widths = widths
        self.tol = tol
        self.constant = constant
        self.evidence = evidence

    def n_pairs(self, n):
        """Pairs kept in a search of `n` parameters altogether."""
        return max(1, min(self.pairs, PAIR_BUDGET // (2 * n)))

    def start(self, n, dtype):
        """Vectors, scalars and step sizes of a run over n parameters.

        The searches have their own.
        """
        return np.empty((0, n)), np.empty(0), np.zeros(n, dtype)

    def on(self, bound, on_step=None):
        """The epoch of this method over bound rows."""
        return SecantEpoch(self, bound)


class SecantEpoch:
    """One pass over the rows for all searches.

    Attributes
    ----------
    moved : bool
        Whether the last pass changed the answer.
    verdict : {"converged", "rounding"} or None
        Why there is nothing more to do.
    gap : float
        How far the objective can be from its minimum, as a share of what the best
        constant leaves, the largest over the outputs; NaN as long as nobody knows.
    gap_kind : {"bound", "estimate"} or None
    """

    def __init__(self, descent, bound):
        from skgd._kernels import compiling, secant

        objective = bound.objective
        self.descent = descent
        self.bound = bound
        self.n_rows_of_theta = objective.model.size // descent.n_searches
        self.recorded = None
        if descent.widths is not None or descent.n_searches > 1:
            n_outputs = objective.model.n_outputs
            widths = np.zeros(n_outputs) if descent.widths is None else descent.widths
            self.recorded = self._recorded(bound, widths.copy())
        self.advance = compiling.kernel(secant.advance, secant.signature())
        # What is evaluated: all columns, or those that matter.
        self.passes, self.kept = bound, None
        self.searches = None
        self.moved, self.verdict = False, None

    def _recorded(self, bound, widths):
        return bound.with_objective(RecordedObjective.of(bound.objective, widths))

    def _leave_out(self, used):
        """Make the passes over the columns that matter."""
        if used is None:
            return
        # A column is kept with its parameters in all searches, side by side.
        n_searches = self.descent.n_searches
        self.kept = used.kept[::n_searches] // n_searches
        self.passes = used.bound
        if self.recorded is not None:
            widths = self.recorded.objective.widths
            self.recorded = self._recorded(used.bound, widths)

    def _prepare(self):
        """What the compiled step needs; returns its vectors and scalars."""
        from skgd._kernels import compiling, secant

        descent, objective = self.descent, self.bound.objective
        l1 = self._searched(objective.l1) if objective.l1.size else None
        direct = secant.proximal_newton if objective.l1.size else secant.newton
        n = self.n_rows_of_theta if self.kept is None else self.kept.size
        pairs = min(self._worthwhile_pairs(n), descent.n_pairs(n * descent.n_searches))
        self.workspace = (np.empty(n), np.empty(n), np.empty(pairs))
        models = [
            secant.Model(
                direct=compiling.address(direct, secant.direction_signature()),
                l1=np.empty(0) if l1 is None else np.ascontiguousarray(l1[:, k]),
                parabolic=type(objective.loss) is SquaredError,
                rounding=ROUNDING[objective.model.dtype],
                first_step=descent.first_step
                if descent.widths is None
                else float(descent.widths[k]),
            )
            for k in range(descent.n_searches)
        ]
        self.models = [tuple(model) for model in models]
        vectors = np.zeros((descent.n_searches, secant.FIRST_PAIR + 2 * pairs, n))
        return vectors, np.zeros((descent.n_searches, len(secant.SCALARS)))

    def _worthwhile_pairs(self, n):
        """Pairs of a search of n parameters that cost no more than a pass.

        Losses with kinks make more of them.
        """
        pairs, whole = self.descent.pairs, self.passes.whole
        if whole is None or not sparse.issparse(whole.rows.X):
            return pairs
        if n < MANY_COLUMNS or self.descent.widths is not None:
            return pairs
        return min(pairs, max(SPARSE_PAIRS, whole.rows.X.nnz // (READ * n)))

    def _columns(self, vector):
        """A vector of parameters with a column for each search."""
        return vector.reshape(self.n_rows_of_theta, self.descent.n_searches)

    def _searched(self, vector):
        """The part of a vector of parameters that the searches move, by columns."""
        columns = self._columns(vector)
        return columns if self.kept is None else columns[self.kept]

    def put(self, vector, columns):
        """Write what the searches found into a vector of parameters."""
        self._columns(vector)[slice(None) if self.kept is None else self.kept] = columns

    def whole(self, column):
        """One search's part of the parameters, with those that it leaves at zero."""
        if self.kept is None:
            return column
        answer = np.zeros(self.n_rows_of_theta)
        answer[self.kept] = column
        return answer

    def part(self, column):
        """The other way."""
        return column if self.kept is None or column is None else column[self.kept]

    def run(self, state):
        """One pass in place; returns (objective of the answer, step)."""
        if self.searches is None:
            check_state(state, self.bound.objective.model.size, 0, 0)
        theta = self._searched(state.theta)
        values, gradient = self._evaluate(theta.reshape(-1))
        if self.searches is None:
            values, gradient = self._begin(state, values, gradient)
            theta, gradient = self._searched(state.theta), self._searched(gradient)
        trials = theta.astype(np.float64)
        answers = np.empty(trials.shape)
        gradient = gradient.reshape(trials.shape)
        self.moved = False
        for k, search in enumerate(self.searches):
            if search.reason is None:
                trial = np.ascontiguousarray(trials[:, k])
                slope = np.ascontiguousarray(gradient[:, k])
                if search.take(trial, slope, *values[k]):
                    self.moved = True
                trials[:, k] = trial
            answers[:, k] = search.point
        self.put(state.average, answers)
        self.put(state.theta, trials)
        state.step += 1
        reasons = {search.reason for search in self.searches}
        if None not in reasons:
            self.verdict = "rounding" if "rounding" in reasons else "converged"
            state.theta[:] = state.average
        value = float(sum(search.value for search in self.searches))
        return value, float(self.searches[0].step)

    def _evaluate(self, theta):
        """Loss descended, loss itself and slack of each search; the gradient."""
        if self.recorded is None:
            value, gradient = self.passes.gradient(theta)
            return np.array([[value, value, 0.0]]), gradient
        objective = self.recorded.objective
        objective.figures[:] = 0.0
        _, gradient = self.recorded.gradient(theta)
        values = objective.figures / self.bound.n_rows
        if self.descent.widths is None:
            values[:, 1] = values[:, 0]
            values[:, 2] = 0.0
        penalties = self._penalties(theta)
        values[:, :2] += penalties[:, None]
        return values, gradient

    def _penalties(self, theta):
        objective = self.passes.objective
        n = self.descent.n_searches
        columns = theta.reshape(-1, n)
        strengths = [s.reshape(-1, n) for s in (objective.l1, objective.l2)]
        return np.array(
            [
                penalty_value(columns[:, k], *(s[:, k] for s in strengths))
                for k in range(n)
            ]
        )

    def _begin(self, state, values, gradient):
        descent, model = self.descent, self.bound.objective.model
        constant = descent.constant
        if constant is None:
            constant = np.zeros(model.size, model.dtype)
        self._constant_point = constant
        worst = values
        if not np.array_equal(constant, state.theta):
            worst, there = self._evaluate(constant)
            values, gradient = self._first(state, values, gradient, worst, there)
        offsets = 0.0
        if model.mean is not None and model.mean.size:
            offsets = float(np.max(np.abs(model.mean) * model.scale, initial=0.0))
        precision = np.finfo(model.dtype).eps * max(1.0, offsets)
        self._leave_out(UsedColumns.of(self.bound, state.theta, constant))
        vectors, scalars = self._prepare()
        self.searches = [
            Search(self, k, vectors[k], scalars[k], float(worst[k, 1]), precision)
            for k in range(descent.n_searches)
        ]
        return values, gradient

    def _first(self, state, values, gradient, worst, gradient_there):
        """What to start from, given values and gradients there and at the constant."""
        return values, gradient

    @property
    def gap(self):
        """The largest of the searches."""
        if self.searches is None:
            return math.nan
        return float(max(search.gap_share for search in self.searches))

    @property
    def gap_kind(self):
        """A bound if every search has one."""
        if math.isnan(self.gap):
            return None
        proven = all(search.proven for search in self.searches)
        return "bound" if proven else "estimate"


class Search:
    """The search for the minimum of one output, or of all that belong together.

    Parameters
    ----------
    epoch : SecantEpoch
    output : int
        Which search this is.
    vectors, scalars : float64 arrays
        What ``_kernels/secant.py`` remembers.
    constant_value : float
        The objective of the best constant.
    precision : float
        Relative size of rounding errors in the scores.
    """

    def __init__(self, epoch, output, vectors, scalars, constant_value, precision):
        from skgd._kernels import secant

        self.at = secant
        self.epoch = epoch
        self.output = output
        self.vectors, self.scalars = vectors, scalars
        self.constant_value = constant_value
        self.precision = precision
        descent = epoch.descent
        self.tol = descent.tol
        self.loss = epoch.bound.objective.loss
        self.proximal = epoch.bound.objective.l1.size > 0
        self.evidence = descent.evidence
        self.kinked = descent.widths is not None
        self.reason = None
        self.gap, self.proven = math.nan, False
        self.values = []
        self.exact = self.slack = math.nan
        self.low = (math.nan, math.nan, math.nan)
        self.before = None
        self.curvature = None
        self.looked = 0
        self.newton = None
        self.newton_steps = 0
        self.lower = -math.inf
        evidence, bound = self.evidence, epoch.bound
        smooth = not (self.kinked or self.proximal) and evidence is not None
        self.provable = smooth and evidence.is_provable(bound)
        self.early_steps, self.expected, self.asked = 0, None, 0
        if self.provable and self.tol is not None and evidence.steps_pay(bound):
            self.early_steps = EARLY_STEPS
        self.is_parabola = self.is_near = type(self.loss) is SquaredError

    @property
    def point(self):
        return self.vectors[self.at.POINT]

    @property
    def value(self):
        """The objective at the point, kinks and all."""
        return self.exact

    @property
    def step(self):
        return self.scalars[self.at.STEP]

    @property
    def gap_share(self):
        """Of what the best constant leaves; at most 1."""
        left = max(self.constant_value - self.exact, 0.0)
        if self.gap <= 0.0 or left + self.gap <= self.noise:
            # Where the constant is the minimum, what it leaves is rounding.
            return 0.0
        return self.gap / (left + self.gap)

    def take(self, trial, gradient, value, exact, slack):
        """Judge a trial, and put the next one in its place; whether the point moved."""
        at, scalars = self.at, self.scalars
        if scalars[at.ACCEPTED] == 0.0 and not math.isfinite(value):
            self.exact = math.nan
            return False
        if self.newton is not None and not self._newton_accepted(trial, value):
            return False
        accepted, low = scalars[at.ACCEPTED], scalars[at.LOW]
        changed = scalars[at.CHANGED] == 1.0
        self.epoch.advance(
            (self.vectors, scalars),
            (trial, value, gradient),
            self.epoch.workspace,
            self.epoch.models[self.output],
        )
        if scalars[at.LOW] != low and scalars[at.LOW] > 0.0:
            self.low = (value, exact, slack)
        moved = changed or scalars[at.ACCEPTED] > accepted
        if moved:
            if self.kinked and scalars[at.VALUE] != value:
                value, exact, slack = self.low
            self.exact = exact if self.kinked else scalars[at.VALUE]
            self.slack = slack if self.kinked else 0.0
            self.values.append(scalars[at.VALUE])
            self._judge(trial)
        elif scalars[at.STUCK] == 1.0:
            self._stuck(trial)
        if self.reason is not None:
            trial[:] = self.point
        return moved

    # ---- the end ---------------------------------------------------------------

    @property
    def target(self):
        """What may be missing at the end."""
        if self.tol is None:
            return 0.0
        return self.tol * max(self.constant_value - self.exact, 0.0)

    @property
    def aim(self):
        """What may seem to be missing where a bound is asked for."""
        return self.target * CLOSER**self.looked if self.kinked else self.target

    @property
    def noise(self):
        """Decreases that are rounding errors of the objective."""
        size = abs(self.exact) + self.precision * abs(self.constant_value)
        if not self.loss.identity_link:
            # The logarithm of the mean comes and goes in these objectives.
            size = max(size, abs(self.constant_value), self.constant_value - self.exact)
        return LAST_PLACES * self.precision * size

    def _gained(self, steps):
        """The decrease of the last steps; infinite where there were fewer."""
        if len(self.values) <= steps:
            return math.inf
        return self.values[-1 - steps] - self.values[-1]

    def _judge(self, trial):
        """Decide whether the point is the answer, or what to do next."""
        promise = 0.5 * self.scalars[self.at.DECREMENT]
        gained = self._gained(STEPS)
        if promise <= self.noise:
            # At the minimum of a parabola the last step gained much, and none will.
            gained = 0.0
        self.gap = self.slack + max(promise, gained if math.isfinite(gained) else 0.0)
        self.proven = False
        if not self.provable:
            self.curvature = self._curvature()
        if self.tol is not None and self._done(promise, gained, trial):
            return
        if self.newton is not None:
            return
        if self.kinked and self._sharpen(promise, trial):
            return
        level = self._gained(LEVEL_STEPS) <= 2.0 * self.precision * abs(self.exact)
        if promise <= self.noise or level or self.scalars[self.at.STUCK] == 1.0:
            self._stuck(trial)

    def _end(self):
        """Nothing more can be gained in this precision."""
        settled = self.tol is not None and self.gap <= self.target
        self.reason = "converged" if settled else "rounding"

    def _stuck(self, trial):
        if not (self.kinked and self._sharpen(0.0, trial)):
            self._end()

    def _done(self, promise, gained, trial):
        target = self.target
        least = self.loss.least
        if least is not None and self.exact - least <= target:
            self.gap, self.proven = self.exact - least, True
            self.reason = "converged"
            return True
        if self.exact - self.lower + self.noise <= target:
            # What was proven at another point holds here, too.
            self.gap, self.proven = self.exact - self.lower + self.noise, True
            self.reason = "converged"
            return True
        self.is_near |= max(promise, gained) <= NEAR * target
        if self.early_steps > 0 and self.is_near and self._early(trial):
            return self.reason is not None
        if not self.slack + max(promise, gained) <= self.aim:
            return False
        if not self.kinked and not self.proximal and not self.provable:
            moments = self._second_moments()
            if moments is None:
                sure = self._gained(UNSURE_STEPS) <= UNSURE_SHARE * target
                if not (sure and promise <= UNSURE_SHARE * target):
                    return False
            else:
                whole = 0.5 * self._whole_promise(moments)
                self.gap = max(promise, gained, whole)
                if whole > target and promise > self.noise:
                    return False
        return self._prove(trial)

    def _early(self, trial):
        """Prove the end, or take a Newton step; False where neither works."""
        if self.expected is not None:
            gained = self.values[-2] - self.values[-1] if len(self.values) > 1 else 0.0
            if not gained + self.noise >= WORTHWHILE * self.expected:
                return self._no_more_newton()
        found = self.expected = None
        if not self.is_parabola:
            point = self.epoch.whole(self.point)
            found = self.evidence.newton_step(self.epoch.bound, point, self.output)
            if found is None:
                # Hardly curved somewhere: there are no good steps.
                return self._no_more_newton()
        # What the step promises cannot be proven away; a bound from close by can be
        # good enough for the end of the step.
        if found is not None and found[1] > self.target:
            step, self.expected = found
        else:
            if self.asked == ASKED:
                return self._no_more_newton()
            certificate = self._certificate()
            if self._is_proven(certificate):
                return True
            step = certificate.step
            self.asked += 1
        self.early_steps -= 1
        if step is None or not np.isfinite(step).all():
            return False
        self._try_newton(trial, step)
        return True

    def _no_more_newton(self):
        """The model is a bad one: its steps say nothing about the end."""
        self.early_steps, self.values = 0, self.values[-1:]
        return False

    def _certificate(self):
        if self.evidence is None:
            return None
        point = self.epoch.whole(self.point)
        return self.evidence.certificate(
            self.epoch.bound, point, self.output, self.target
        )

    def _is_proven(self, certificate):
        """Whether a bound is tight enough, which ends the search."""
        if certificate is None:
            return False
        self.lower = max(self.lower, certificate.lower)
        gap = certificate.gap
        if certificate.value < math.inf:
            gap = min(gap, max(certificate.value - self.lower, 0.0) + self.noise)
        if gap > max(self.target, self.noise):
            return False
        self.gap, self.proven = gap, True
        self.reason = "converged"
        return True

    def _prove(self, trial):
        """Ask for a lower bound; without one the estimate stands."""
        certificate = self._certificate()
        if self._is_proven(certificate):
            return True
        has_step = certificate is not None and certificate.step is not None
        if not self.kinked and has_step and self.newton_steps < NEWTON_STEPS:
            self.newton_steps += 1
            self._try_newton(trial, certificate.step)
            return False
        if self.proximal and not self.kinked and self.evidence is not None:
            self.looked += 1
            promised = 0.5 * self.scalars[self.at.DECREMENT] > self.noise
            if promised and self.looked < PATIENT_POINTS:
                return False
        bounded = certificate is not None and math.isfinite(certificate.gap)
        if self.kinked and bounded and self.looked < KINK_LOOKS:
            self.looked += 1
            return False
        if self.gap > self.target:
            return False
        self.reason = "converged"
        return True

    # ---- a second opinion --------------------------------------------------------

    def _curvature(self):
        """Of the loss along the last move, over that of the squared error."""
        point, gradient = self.point.copy(), self.vectors[self.at.GRADIENT].copy()
        before, self.before = self.before, (point, gradient)
        if before is None:
            return None
        return point - before[0], gradient - before[1]

    def _second_moments(self):
        if self.evidence is None:
            return None
        return self.evidence.second_moments(self.epoch.bound)

    def _whole_promise(self, moments):
        """g'(h G + L)^-1 g: what the curvature of the columns promises.

        G are the second moments of the columns, h the curvature of the loss that the
        last move has seen, L that of the penalty.
        """
        objective = self.epoch.bound.objective
        size = moments.shape[0]
        n_outputs = self.point.size // size
        l2 = np.zeros(size)
        if objective.l2.size:
            l2 = objective.l2.reshape(size, -1)[:, 0]
        curvature = 1.0 / self.epoch.descent.first_step
        if self.curvature is not None:
            move, change = (v.reshape(size, n_outputs) for v in self.curvature)
            change = change - l2[:, None] * move
            along, bent = np.vdot(move, change), np.vdot(move, moments @ move)
            if along > 0.0 and bent > 0.0:
                curvature = along / bent
        gradient = self.vectors[self.at.GRADIENT].reshape(size, n_outputs)
        model = curvature * moments + np.diag(l2)
        diagonal = np.diag(model)
        scale = np.zeros(size)
        scale[diagonal > 0] = 1.0 / np.sqrt(diagonal[diagonal > 0])
        values, vectors = np.linalg.eigh(model * scale[:, None] * scale)
        # Below this a direction is rounding: nothing says what lies there.
        kept = values > 1e-13 * values[-1]
        if not kept.any():
            return 0.0
        along = vectors[:, kept].T @ (scale[:, None] * gradient)
        return float(np.sum(np.square(along).sum(axis=1) / values[kept]))

    # ---- kinks -------------------------------------------------------------------

    def _sharpen(self, promise, trial):
        """Go on with a sharper kink where the present one has told all it can."""
        target = self.aim
        widths = self.epoch.recorded.objective.widths
        first = self.epoch.descent.widths[self.output]
        told = promise <= max(SHARE * max(self.slack, target), self.noise)
        enough = len(self.values) >= STEPS or promise <= self.noise
        if not (told and enough and self.slack > 0.5 * target):
            return False
        if widths[self.output] <= SHARPEST * first or self.slack <= self.noise:
            return False
        widths[self.output] *= SHARPER
        self.values = []
        self.scalars[self.at.CHANGED] = 1.0
        self.scalars[self.at.FORGOT] = 0.0
        trial[:] = self.point
        return True

    # ---- Newton steps ------------------------------------------------------------

    def _try_newton(self, trial, step):
        at, step = self.at, self.epoch.part(step)
        self.newton = [self.point.copy(), self.scalars[at.VALUE], step, 1.0]
        self.scalars[at.CHANGED] = 1.0
        trial[:] = self.point + step

    def _newton_accepted(self, trial, value):
        """Whether the search goes on at the trial; else a shorter step, or back."""
        origin, before, step, length = self.newton
        rounding = ROUNDING[self.epoch.bound.objective.model.dtype]
        if length == 0.0 or value <= before + rounding * abs(before):
            self.newton = None
            return True
        length *= 0.5
        if length < SHORTEST:
            length, self.newton_steps, self.early_steps = 0.0, NEWTON_STEPS, 0
        self.newton[3] = length
        trial[:] = origin + length * step
        return False
