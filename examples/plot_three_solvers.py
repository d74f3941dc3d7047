"""
Batch, mini-batch and stochastic gradient descent
=================================================

The three textbook algorithms differ in one number: how many rows make one update. All
of them, a few, or one.
"""

# %%
# One feature of the diabetes data, standardised, so that the model has two parameters
# and the whole cost surface can be drawn.

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale

from skgd import GDRegressor
from skgd.display import CostSurfaceDisplay, LossCurveDisplay

X, y = load_diabetes(return_X_y=True, as_frame=True)
X, y = scale(X[["bmi"]]), y / 100

solvers = {
    "batch": GDRegressor(solver="batch", lr=0.2, max_iter=40, tol=None),
    "mini-batch of 32": GDRegressor(
        solver="minibatch", batch_size=32, lr=0.2, max_iter=3, tol=None, random_state=0
    ),
    "sgd": GDRegressor(solver="sgd", lr=0.05, max_iter=1, tol=None, random_state=0),
}

# %%
# The path of each, one update at a time
# --------------------------------------
#
# Batch descends smoothly, mini-batch wanders a little, and stochastic gradient descent
# staggers: each of its steps is right for one patient only, and right on average.

start = {"coef_init": [-0.5], "intercept_init": [0.0]}
CostSurfaceDisplay.from_estimators(solvers, X, y, fit_params=start, panels=True)

# %%
# All at once, in three dimensions:

CostSurfaceDisplay.from_estimators(
    solvers, X, y, fit_params=start, kind="surface", max_steps=60
)

# %%
# What an epoch costs and what it brings
# --------------------------------------
#
# An epoch is one pass over the data. Batch makes one update of it, mini-batch 14, and
# stochastic gradient descent 442. The work per epoch is about the same, and so the
# solver with more updates is ahead at first.

for model in solvers.values():
    model.set_params(lr=0.05, max_iter=30).fit(X, y)

fig, axes = plt.subplots(1, 2, figsize=(9.5, 4), layout="constrained")
LossCurveDisplay.from_estimators(solvers, ax=axes[0], mark_best=False)
LossCurveDisplay.from_estimators(solvers, ax=axes[1], mark_best=False, x="step")
axes[1].set(xscale="log", title="the same, by update")
axes[0].set_title("objective by epoch")

# %%
# They are one algorithm
# ----------------------
#
# Mini-batches of one row are stochastic gradient descent, and a mini-batch of all rows
# is batch gradient descent:

settings = {"lr": 0.05, "max_iter": 3, "tol": None, "random_state": 0}
pairs = {
    "sgd": GDRegressor(solver="sgd", **settings),
    "minibatch, 1 row": GDRegressor(solver="minibatch", batch_size=1, **settings),
    "batch": GDRegressor(solver="batch", **settings),
    "minibatch, all rows": GDRegressor(
        solver="minibatch", batch_size=len(X), **settings
    ),
}
rows = [
    {"model": name, "updates": m.t_, "coef": m.coef_[0], "intercept": m.intercept_[0]}
    for name, m in ((name, m.fit(X, y)) for name, m in pairs.items())
]
pd.DataFrame(rows).set_index("model")

# %%

plt.show()
