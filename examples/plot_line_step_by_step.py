"""
A line, fitted step by step
===========================

Three people, their weight and their height, and the straight line through them that
gradient descent finds. Small enough to follow with pencil and paper.
"""

# %%
# The data, and a first guess: intercept 0 and slope 1.

import matplotlib.pyplot as plt
import numpy as np

from skgd import GDRegressor
from skgd.display import CostSurfaceDisplay, FitDisplay, animate

weight = np.array([[0.5], [2.3], [2.9]])
height = np.array([1.4, 1.9, 3.2])
start = {"coef_init": [1.0], "intercept_init": [0.0]}

# %%
# One step by hand
# ----------------
#
# ``loss="squared_error"`` is half the squared residual, and the objective is its mean
# over the rows. Its slope in the direction of the intercept is the mean residual, and
# in the direction of the weight the mean of residual times x:

residual = 0.0 + 1.0 * weight[:, 0] - height
gradient = residual.mean(), (residual * weight[:, 0]).mean()
print(f"gradient: intercept {gradient[0]:.4f}, slope {gradient[1]:.4f}")

# %%
# Both are negative: the line is too low and too flat. A step of gradient descent moves
# both numbers against the gradient, by the learning rate times its size.

lr = 0.06
print(f"after one step: {0 - lr * gradient[0]:.4f}, {1 - lr * gradient[1]:.4f}")

# %%
# The estimator makes the same step. ``solver="batch"`` uses all rows for every update,
# so one epoch is one step.

model = GDRegressor(solver="batch", lr=lr, max_iter=1, tol=None)
model.fit(weight, height, **start)
print(f"after one step: {model.intercept_[0]:.4f}, {model.coef_[0]:.4f}")

# %%
# A hundred and more steps
# ------------------------

model = GDRegressor(solver="batch", lr=lr, max_iter=600, tol=None)
fits = FitDisplay.from_estimator(model, weight, height, fit_params=start)
fits.ax_.set(xlabel="weight", ylabel="height")

# %%
# The same walk, seen from above: each point is a line, each contour joins lines that
# fit equally well. The first steps go straight down into the valley, the rest creep
# along its floor.

path = CostSurfaceDisplay.from_estimator(
    model, weight, height, fit_params=start, xlim=(-0.4, 1.6), ylim=(0.3, 1.2)
)

# %%
# And as a film:

fits.plot().ax_.set(xlabel="weight", ylabel="height")
film = animate(fits, fps=8)

# %%
# When to stop
# ------------
#
# A common rule stops when no step is longer than 0.001. Here it would stop after 206
# steps, far from the best line: in a flat valley small steps do not mean that the
# bottom is near.

steps = np.abs(np.diff(path.paths[0], axis=0)).max(axis=1)
stop = int((steps < 0.001).argmax())
exact = np.polyfit(weight[:, 0], height, 1)[::-1]
print(f"the step after number {stop} is short, at {path.paths[0][stop].round(3)}")
print(f"the best line is at {exact.round(3)}")

# %%
# ``lr="auto"``, the default, needs neither the rate nor the patience: it steps in
# centred and scaled coordinates, where the valley is round.

model = GDRegressor(solver="batch").fit(weight, height)
print(f"{model.n_iter_} epochs: {model.intercept_[0]:.4f}, {model.coef_[0]:.4f}")

plt.show()
