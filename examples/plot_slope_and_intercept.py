"""
The line and the cost
=====================

One picture of the data with the line, one of the cost with a point on it. They show the
same thing: each line on the left is a point on the right.
"""

# %%
# The slope alone
# ---------------
#
# Sixty points on the line ``y = -3x``, and a first guess of -10. The rate of the course
# is 0.1 for the mean squared error. ``loss="squared_error"`` is half of that, so the
# same step has the rate 0.2 here.

import matplotlib.pyplot as plt
import numpy as np

from skgd import GDRegressor
from skgd.display import DescentDisplay, animate

x = np.arange(-3, 3, 0.1)[:, None]
y = -3 * x[:, 0]
model = GDRegressor(solver="batch", lr=0.2, max_iter=4, tol=None, fit_intercept=False)
display = DescentDisplay.from_estimator(model, x, y, fit_params={"coef_init": [-10]})

# %%
# The slope and the mean squared error, iteration by iteration:

for step, slope, cost in zip(display.steps, display.points[:, 0], 2 * display.costs):
    print(f"{step}: slope {slope:10.6f}, mean squared error {cost:10.6f}")

# %%
# Slope and intercept
# -------------------
#
# With noise, and an intercept to find as well, the cost is a bowl over two numbers. Its
# contour lines join lines that fit equally well.

y = 1 - 3 * x[:, 0] + np.random.default_rng(0).normal(size=60)
model = GDRegressor(solver="batch", lr=0.2, max_iter=20, tol=None)
start = {"coef_init": [-10], "intercept_init": [-6]}
display = DescentDisplay.from_estimator(model, x, y, fit_params=start)

# %%
# The same in three dimensions, and as a film:

display = display.plot(kind="surface")

# %%

film = animate(display.plot(), fps=4)

plt.show()
