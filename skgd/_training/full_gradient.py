"""Full-batch descent that finds its own step, for ``lr="auto"``.

What such methods share, and Nesterov's method with restarts; secant directions are in
``_training/secant.py``. They need the objective besides the gradient, so they are whole
epochs and not update rules. Fixed steps live in ``_training/epochs.py``.
"""

import math

import numpy as np

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
    row_step = None
    finds_rate = True

    def __init__(self, first_step):
        self.first_step = first_step

    def start(self, n, dtype):
        """Vectors, scalars and step sizes of a run over n parameters."""
        vectors = np.zeros((self._n_vectors(n), n))
        return vectors, np.zeros(len(self.scalar_names)), np.zeros(n, dtype)

    def points(self, vectors):
        """Vectors that are points of the parameter space: none that a run goes on from,
        because what a search remembers belongs to the rows of its call.
        """
        return []


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

    scalar_names = ("step", "t")

    def _n_vectors(self, n):
        return 1

    def on(self, bound, on_step=None):
        """The epoch of this method over bound rows."""
        return _AcceleratedEpoch(self, bound)


class _AcceleratedEpoch:
    def __init__(self, descent, bound):
        self.bound = bound
        self.first_step = descent.first_step

    def run(self, state):
        """One accepted step in place; returns (objective of the answer, step)."""
        bound = self.bound
        objective = bound.objective
        x = state.vectors[0]
        step, t = state.scalars
        if t == 0:
            x[:], step, t = state.theta, self.first_step, 1.0
        y = state.theta.astype(np.float64)
        value, gradient = bound.gradient(state.theta)
        smooth = value - objective.proximal_value(y)
        slack = ROUNDING[state.theta.dtype] * abs(value)
        while True:
            candidate = objective.proximal_step(y - step * gradient, step)
            move = candidate - y
            model = smooth + gradient @ move + move @ move / (2.0 * step)
            reached = bound.value(candidate.astype(state.theta.dtype))
            if reached <= model + objective.proximal_value(candidate) + slack:
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
        state.scalars[:] = step / 0.9, following
        state.step += 1
        return float(reached), float(step)


def proximal_step(bound, theta, step):
    """One step down the full gradient, and the proximal step of the penalty.

    From close to the optimum it sets the weights to zero that are zero there, and to
    a bound those that are on it.

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
    moved = bound.objective.proximal_step(theta - step * gradient, step)
    return moved.astype(theta.dtype)
