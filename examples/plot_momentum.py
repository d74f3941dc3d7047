"""
Momentum
========

Plain gradient descent zigzags in narrow valleys. Momentum remembers where it was going,
averages the zigzag out, and picks up speed along the floor.
"""

# %%
# The rule
# --------
#
# ``z = momentum z + gradient``, then ``w = w - lr z``: the gradient pushes a velocity,
# and the velocity moves the weights. On three points and a line:

import matplotlib.pyplot as plt
import numpy as np

from skgd import GDRegressor, gradient_descent
from skgd.display import (
    CostSurfaceDisplay,
    FunctionDisplay,
    LossCurveDisplay,
    MomentumRateDisplay,
    animate,
)
from skgd.optimizers import Momentum, Nesterov

x = np.array([[0.5], [2.3], [2.9]])
y = np.array([1.4, 1.9, 3.2])
start = {"coef_init": [1.0], "intercept_init": [0.0]}

model = GDRegressor(solver="batch", lr=0.05, max_iter=100, tol=None).fit(x, y)
rates = MomentumRateDisplay.from_estimator(model, x, y)

# %%
# The map shows by which factor the error shrinks with each step, for every pair of step
# size and momentum. Without momentum (the bottom edge) the best is 0.933. With the
# right momentum it is 0.685: six steps where plain descent takes more than thirty.

lr_plain, factor_plain = rates.best_plain
lr_momentum, momentum, factor = rates.best
print(f"plain:    lr {lr_plain:.4f}, factor {factor_plain:.4f}")
print(f"momentum: lr {lr_momentum:.4f}, momentum {momentum:.4f}, factor {factor:.4f}")
print(f"steps for one digit: {-1 / np.log10(factor_plain):.0f} against", end=" ")
print(f"{-1 / np.log10(factor):.0f}")

# %%
# The paths of both, from the same start:

rules = {
    "plain": GDRegressor(solver="batch", lr=lr_plain, max_iter=40, tol=None),
    "momentum": GDRegressor(
        solver="batch",
        optimizer=Momentum(momentum),
        lr=lr_momentum,
        max_iter=40,
        tol=None,
    ),
}
CostSurfaceDisplay.from_estimators(
    rules, x, y, fit_params=start, xlim=(-0.2, 1.3), ylim=(0.45, 1.15)
)

# %%
# On a log axis both objectives fall along straight lines, and their slopes are the
# factors of the map. The minimum is known here and subtracted.

slope, intercept = np.polyfit(x[:, 0], y, 1)
minimum = 0.5 * np.mean((intercept + slope * x[:, 0] - y) ** 2)
rules["Nesterov"] = GDRegressor(
    solver="batch", optimizer=Nesterov(0.6), lr=1 / 5.46, max_iter=40, tol=None
)
for rule in rules.values():
    rule.set_params(max_iter=60).fit(x, y, **start)
LossCurveDisplay.from_estimators(rules, minimum=minimum, mark_best=False)

# %%
# Move the slider
# ---------------
#
# Step size times momentum, as in Goh's article in Distill (2017): the path on a valley
# that is twenty-five times as steep across as along, for one momentum after the other.
# Pause, and drag the slider.

momenta = np.linspace(0, 0.98, 50)


def valley(w):
    return 0.5 * (w[0] ** 2 + 25 * w[1] ** 2)


class Sweep:
    """A frame for each momentum: all that `animate` asks for."""

    n_frames = len(momenta)

    def __init__(self, display):
        self.display, self.figure_ = display, display.figure_

    def show_frame(self, frame):
        rule = Momentum(momenta[frame])
        result = gradient_descent(
            valley, [-9.0, 2.0], optimizer=rule, lr=0.03, max_iter=80, tol=None
        )
        self.display.path_line_.set_data(*result.path.T)
        left = np.linalg.norm(result.path[-1])
        self.display.ax_.set_title(
            f"momentum {momenta[frame]:.2f}: {left:.2g} away after 80 steps"
        )


map_of_it = FunctionDisplay.from_function(valley, xlim=(-10, 10), ylim=(-4, 4))
film = animate(Sweep(map_of_it), fps=8)

# %%
# One curvature at a time
# -----------------------
#
# In a bowl that curves equally in all directions there are four regimes. Small steps
# creep in ("monotone"), momentum makes the weights swing like a pendulum ("ripples"),
# large steps jump from side to side ("alternating"), and still larger ones leave.
# Without momentum, a step of exactly 1 / curvature arrives at once.

MomentumRateDisplay.from_eigenvalues([1.0])

plt.show()
