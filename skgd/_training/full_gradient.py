"""Full-batch descent that finds its own step, for ``lr="auto"``.

Secant directions with a line search, and Nesterov's method with restarts. They need the
objective besides the gradient, so they are whole epochs and not update rules. Fixed
steps live in ``_training/epochs.py``.
"""

import math

import numpy as np

from skgd.losses import SquaredError
from skgd.penalties import penalty_value, soft_threshold

# Objectives that a nonmonotone search looks back on (Grippo, Lampariello, Lucidi 1986).
LOOK_BACK = 10

# Pairs of moves and gradient changes kept, and a cap on the numbers that takes. Under
# an l1 penalty each pair costs more, and more than ten save no passes.
PAIRS = 50
PROXIMAL_PAIRS = 10
PAIR_BUDGET = 20_000_000

# Relative differences of two objectives below this are rounding.
ROUNDING = {np.dtype(np.float64): 1e-13, np.dtype(np.float32): 1e-6}


class FullGradientDescent:
    """Base of the methods here, each with ``on(bound)``, its epoch over bound rows.

    Parameters
    ----------
    first_step : float
        Step per unit of gradient to try first.
    """

    searches = True
    normalises = False
    keeps_derivatives = False
    finds_rate = True

    def __init__(self, first_step):
        self.first_step = first_step

    def start(self, n, dtype):
        """Vectors, scalars and metric of a run over n parameters."""
        vectors = np.zeros((self._n_vectors(n), n))
        return vectors, np.zeros(len(self.memory_names)), np.zeros(n, dtype)

    def points(self, vectors):
        """Vectors that are points of the parameter space: none that a run goes on from,
        because what a search remembers belongs to the rows of its call.
        """
        return []


class SecantDescent(FullGradientDescent):
    """Limited-memory BFGS directions on a learnt diagonal, nonmonotone line search.

    The direction is -H g, where H maps the last gradient changes to the moves that
    made them (Nocedal, 1980), starting from the inverse of a diagonal that is updated
    by the same pairs (Gilbert and Lemarechal, 1989). With no pairs and a multiple of
    the identity this would be the step of Barzilai and Borwein (1988), nonmonotone as
    by Raydan (1997); the memory takes it to the optimum in a fraction of the passes.

    theta is a trial point; the answer is the last point accepted, which the state keeps
    as its average. One epoch is one pass over the rows: it judges a trial and proposes
    the next. For the squared error, a parabola on every line, the point goes to the
    minimum on the line through the trial, which makes this conjugate gradients.

    Under an l1 penalty the trial is the minimum of the secant model with the penalty
    inside, g'd + d'Bd/2 + sum l1 |point + d| with B the inverse of H, found without a
    look at the rows (Lee, Sun and Saunders, 2014). It has exact zeros.

    Parameters
    ----------
    first_step : float
        Step per unit of gradient to try first.
    pairs : int
        Moves and gradient changes kept.
    """

    memory_names = ("step", "value", "accepted", "learnt", *("recent",) * LOOK_BACK)

    def __init__(self, first_step, pairs=PAIRS):
        super().__init__(first_step)
        self.pairs = pairs

    def _n_vectors(self, n):
        return 4 + 2 * max(1, min(self.pairs, PAIR_BUDGET // (2 * n)))

    def on(self, bound):
        """The epoch of this method over bound rows."""
        return _SecantEpoch(self, bound)


class _SecantEpoch:
    def __init__(self, descent, bound):
        from skgd._kernels import compiling, secant

        objective = bound.objective
        self.bound = bound
        n = objective.model.size
        pairs = (descent._n_vectors(n) - secant.FIRST_PAIR) // 2
        direct = secant.proximal_newton if objective.l1.size else secant.newton
        self.constants = (
            (np.empty(n), np.empty(n), np.empty(pairs)),
            compiling.address(direct, secant.direction_signature()),
            objective.l1,
            type(objective.loss) is SquaredError,
            ROUNDING[objective.model.dtype],
            descent.first_step,
        )
        self.advance = compiling.kernel(secant.advance, secant.signature())

    def run(self, state):
        """One pass in place; returns (objective of the answer, step)."""
        trial = state.theta.astype(np.float64)
        value, gradient = self.bound.gradient(state.theta)
        self.advance(
            state.vectors, state.memory, trial, value, gradient, *self.constants
        )
        state.theta[:] = trial
        state.average[:] = state.vectors[0]
        state.step += 1
        step, value = state.memory[:2].tolist()
        return value, step


class AcceleratedDescent(FullGradientDescent):
    """Nesterov's accelerated gradient with backtracking and adaptive restart.

    With y the point of the gradient and x the answer (Nesterov, 1983; Beck and
    Teboulle, 2009, for the proximal step),

        x+ = prox(y - a g(y)),  t+ = (1 + sqrt(1 + 4 t^2)) / 2,
        y = x+ + (t - 1)/t+ (x+ - x);

    the momentum is dropped (t = 1, y = x+) when it points uphill, (y - x+)'(x+ - x) > 0
    (O'Donoghue and Candes, 2015). The step a is halved until the quadratic model with
    curvature 1/a lies above the objective, and grows by a ninth after each step. An
    epoch reads the rows twice or more: at y, and at each candidate for x+.
    """

    memory_names = ("step", "t")

    def _n_vectors(self, n):
        return 1

    def on(self, bound):
        """The epoch of this method over bound rows."""
        return _AcceleratedEpoch(self, bound)


class _AcceleratedEpoch:
    def __init__(self, descent, bound):
        self.bound = bound
        self.first_step = descent.first_step

    def run(self, state):
        """One accepted step in place; returns (objective of the answer, step)."""
        bound = self.bound
        l1, nothing = bound.objective.l1, np.empty(0)
        x = state.vectors[0]
        step, t = state.memory
        if t == 0:
            x[:], step, t = state.theta, self.first_step, 1.0
        y = state.theta.astype(np.float64)
        value, gradient = bound.gradient(state.theta)
        smooth = value - penalty_value(y, l1, nothing)
        slack = ROUNDING[state.theta.dtype] * abs(value)
        while True:
            candidate = y - step * gradient
            if l1.size:
                candidate = soft_threshold(candidate, step * l1)
            move = candidate - y
            model = smooth + gradient @ move + move @ move / (2.0 * step)
            reached = bound.value(candidate.astype(state.theta.dtype))
            if reached <= model + penalty_value(candidate, l1, nothing) + slack:
                break
            step *= 0.5
            if step * np.abs(gradient).max() == 0.0:
                break
        following = (1.0 + math.sqrt(1.0 + 4.0 * t * t)) / 2.0
        if (y - candidate) @ (candidate - x) > 0.0:
            following, momentum = 1.0, 0.0
        else:
            momentum = (t - 1.0) / following
        state.theta[:] = candidate + momentum * (candidate - x)
        x[:] = candidate
        state.average[:] = candidate
        state.memory[:] = step / 0.9, following
        state.step += 1
        return float(reached), float(step)


def proximal_step(bound, theta, step):
    """One step down the full gradient, and the soft threshold of the l1 penalty.

    From close to the optimum it sets the weights to zero that are zero there.

    Parameters
    ----------
    bound : BoundObjective
    theta : array of shape (n_parameters,)
    step : float
        At most 1/L, so that the objective does not rise.

    Returns
    -------
    array of shape (n_parameters,)
    """
    _, gradient = bound.gradient(theta)
    moved = soft_threshold(theta - step * gradient, step * bound.objective.l1)
    return moved.astype(theta.dtype)
