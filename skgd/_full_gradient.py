"""Full-batch descent that finds its own step, for ``lr="auto"``.

Secant directions with a line search, their proximal form, and Nesterov's method with
restarts. They need the objective besides the gradient, so they are whole epochs and
not update rules. Fixed steps live in ``_epochs.py``.
"""

import math

import numpy as np

from skgd.penalties import penalty_value, soft_threshold

# Objectives that a nonmonotone search looks back on (Grippo, Lampariello, Lucidi 1986).
LOOK_BACK = 10

# Share of the predicted decrease that must be seen.
SUFFICIENT_DECREASE = 1e-4

# Pairs of moves and gradient changes kept, and a cap on the numbers that takes.
PAIRS = 50
PAIR_BUDGET = 20_000_000

# Smallest entry of the learnt diagonal against its largest.
DIAGONAL_RANGE = 1e-12

# Relative differences of two objectives below this are rounding.
ROUNDING = {np.dtype(np.float64): 1e-13, np.dtype(np.float32): 1e-6}


class FullGradientDescent:
    """Base of the methods here: arrays to start from, and one epoch.

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

    def on(self, bound):
        """The epoch of this method over bound rows."""
        return _Epoch(self, bound)


class _Epoch:
    def __init__(self, descent, bound):
        self.descent = descent
        self.bound = bound

    def run(self, state):
        """One epoch in place; returns (objective of the answer, step)."""
        return self.descent.run(self.bound, state)


class _TrialDescent(FullGradientDescent):
    """Trial points, accepted where the objective falls enough, else moved back.

    theta is the trial point; the answer is the last point accepted, which the state
    keeps as its average. Subclasses say how to move and what to learn from a move.
    One epoch is one pass over the rows: it judges a trial and proposes the next.
    """

    memory_names = ("step", "value", "accepted", "pairs", *("recent",) * LOOK_BACK)

    def run(self, bound, state):
        """One pass in place; returns (objective of the answer, step)."""
        point, gradient = state.vectors[:2]
        step, value, accepted = state.memory[:3]
        recent = state.memory[4:]
        trial = state.theta.astype(np.float64)
        trial_value, trial_gradient = bound.gradient(state.theta)
        move = trial - point
        predicted = self._predicted_change(move, gradient, step)
        slack = ROUNDING[state.theta.dtype] * abs(value)
        ceiling = recent.max() + SUFFICIENT_DECREASE * predicted + slack
        if accepted == 0 or trial_value <= ceiling:
            if accepted == 0:
                step = self._begin(state)
                recent[:] = trial_value
            else:
                step = self._learn(state, move, trial_gradient - gradient, accepted)
            point[:], gradient[:] = trial, trial_gradient
            value, accepted = trial_value, accepted + 1
            recent[int(accepted) % LOOK_BACK] = value
            self._direct(state)
        else:
            step *= _shrink(trial_value - value, predicted)
        state.memory[:3] = step, value, accepted
        state.theta[:] = self._trial(bound.objective, state, step)
        state.average[:] = point
        state.step += 1
        return float(value), float(step)


def _shrink(rise, predicted):
    """Factor on a rejected step: to the minimum of the parabola through what is known,
    between a tenth and a half.
    """
    if not math.isfinite(rise):
        return 0.1
    if predicted >= 0.0 or rise <= predicted:
        return 0.5
    return float(np.clip(-predicted / (2.0 * (rise - predicted)), 0.1, 0.5))


class SecantDescent(_TrialDescent):
    """Limited-memory BFGS directions on a learnt diagonal, nonmonotone line search.

    The direction is -H g, where H maps the last gradient changes to the moves that
    made them (Nocedal, 1980), starting from the inverse of a diagonal that is updated
    by the same pairs (Gilbert and Lemarechal, 1989). With no pairs and a multiple of
    the identity this would be the step of Barzilai and Borwein (1988), nonmonotone as
    by Raydan (1997); the memory takes it to the optimum in a fraction of the passes.
    """

    def _n_vectors(self, n):
        pairs = max(1, min(PAIRS, PAIR_BUDGET // (2 * n)))
        return 4 + 2 * pairs

    @staticmethod
    def _pairs(state):
        """Moves and gradient changes, newest first; empty rows at the end."""
        pairs = state.vectors[4:]
        half = len(pairs) // 2
        return pairs[:half], pairs[half:]

    def _begin(self, state):
        diagonal = state.vectors[2]
        diagonal[:] = 1.0 / self.first_step
        return 1.0

    def _predicted_change(self, move, gradient, step):
        return gradient @ move

    def _learn(self, state, move, change, accepted):
        curvature = move @ change
        if curvature <= 0.0:
            return 1.0
        diagonal = state.vectors[2]
        known = int(state.memory[3])
        for kept, newest in zip(self._pairs(state), (move, change), strict=True):
            kept[1 : known + 1] = kept[:known].copy()[: len(kept) - 1]
            kept[0] = newest
        state.memory[3] = min(known + 1, len(kept))
        diagonal *= curvature / (diagonal @ move**2)
        bent = diagonal * move
        diagonal += change**2 / curvature - bent**2 / (bent @ move)
        np.maximum(diagonal, DIAGONAL_RANGE * diagonal.max(), out=diagonal)
        return 1.0

    def _direct(self, state):
        """The two-loop recursion."""
        gradient, diagonal, direction = state.vectors[1:4]
        known = int(state.memory[3])
        moves, changes = (kept[:known] for kept in self._pairs(state))
        curvatures = np.einsum("ij,ij->i", moves, changes)
        shares = np.empty(known)
        direction[:] = gradient
        for k in range(known):
            shares[k] = (moves[k] @ direction) / curvatures[k]
            direction -= shares[k] * changes[k]
        direction /= diagonal
        for k in reversed(range(known)):
            share = (changes[k] @ direction) / curvatures[k]
            direction += (shares[k] - share) * moves[k]
        direction *= -1.0

    def _trial(self, objective, state, step):
        return state.vectors[0] + step * state.vectors[3]


class ProximalSpectralDescent(_TrialDescent):
    """Barzilai-Borwein steps with the proximal step of an l1 penalty inside.

    With s and v the last changes of the point and of the gradient, the step is s's/s'v
    or s'v/v'v (Barzilai and Borwein, 1988; the choice after Zhou, Gao and Dai, 2006),
    followed by the soft threshold (Wright, Nowak and Figueiredo, 2009). The step must
    be one number here, because a threshold in bent coordinates has no closed form.
    """

    def _n_vectors(self, n):
        return 2

    def _begin(self, state):
        return self.first_step

    def _predicted_change(self, move, gradient, step):
        return -(move @ move) / (2.0 * step) if step else 0.0

    def _learn(self, state, move, change, accepted):
        step, curvature = state.memory[0], move @ change
        if curvature <= 0.0:
            return 2.0 * step
        long, short = (move @ move) / curvature, curvature / (change @ change)
        return short if accepted % 2 and short < 0.5 * long else long

    def _direct(self, state):
        """Nothing to prepare: the direction is the gradient."""

    def _trial(self, objective, state, step):
        point, gradient = state.vectors[:2]
        return soft_threshold(point - step * gradient, step * objective.l1)


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

    def run(self, bound, state):
        """One accepted step in place; returns (objective of the answer, step)."""
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
