"""
Too small, good and too large a learning rate
=============================================

The learning rate is the one number that everybody has to choose. What it does to the
path, where its limit lies, how to find a good one, and how to leave it to the machine.
"""

# %%
# Three points, and the line through them, from the start of
# :ref:`sphx_glr_auto_examples_plot_line_step_by_step.py`.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale

from skgd import DivergenceWarning, GDRegressor
from skgd.display import CostSurfaceDisplay, LearningRateDisplay

weight = np.array([[0.5], [2.3], [2.9]])
height = np.array([1.4, 1.9, 3.2])
start = {"coef_init": [1.0], "intercept_init": [0.0]}

CostSurfaceDisplay.from_learning_rates(
    GDRegressor(solver="batch", max_iter=40, tol=None),
    weight,
    height,
    lrs=[0.01, 0.34, 0.38],
    fit_params=start,
    xlim=(-0.3, 1.4),
    ylim=(0.4, 1.2),
)

# %%
# The largest rate that works
# ---------------------------
#
# Along the direction in which the objective curves most, a step overshoots. It still
# gets closer as long as the rate is below 2 divided by that curvature, the largest
# eigenvalue of the matrix of second derivatives.

design = np.column_stack([np.ones(3), weight])
curvatures = np.linalg.eigvalsh(design.T @ design / 3)
print(f"largest stable rate: {2 / curvatures[-1]:.4f}")

# %%
# Beyond it, the estimator stops, keeps the best weights it had, and says so:

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", DivergenceWarning)
    model = GDRegressor(solver="batch", lr=0.6).fit(weight, height)
print(model.stop_reason_)
print(caught[0].message)

# %%
# The range test
# --------------
#
# For larger problems nobody computes eigenvalues. The range test tries all rates in one
# short run, from tiny to huge. The curve is flat while the rate is too small, falls
# where it is good, and explodes where it is too large. The suggestion is well down the
# slope and safely before the explosion.

X, y = load_diabetes(return_X_y=True)
X = scale(X)
display = LearningRateDisplay.from_estimator(
    GDRegressor(random_state=0), X, y, low=1e-5, high=10
)
print(f"suggested: {display.suggestion:.3g}")

# %%
# Or no choice at all
# -------------------
#
# ``lr="auto"`` computes a step from the data. It is the default, and it does not mind
# columns in different units.

for lr in (display.suggestion, "auto"):
    model = GDRegressor(lr=lr, random_state=0).fit(X, y)
    print(f"lr={lr!s:.6}: R2 {model.score(X, y):.4f} after {model.n_iter_} epochs")

plt.show()
