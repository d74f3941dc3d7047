"""
Pipeline and grid search
========================

Every parameter can be searched: the learning rate, the batch size, and what is inside
an optimizer or a schedule.
"""

# %%
# A textbook learning rate needs scaled features, so a scaler comes first. The data have
# categories, too.

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skgd import DivergenceWarning, GDRegressor
from skgd.display import LossCurveDisplay
from skgd.optimizers import Momentum

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
numbers = [name for name in X.columns if name != "sex"]
columns = make_column_transformer(
    (StandardScaler(), numbers), (OneHotEncoder(drop="if_binary"), ["sex"])
)
model = make_pipeline(
    columns, GDRegressor(optimizer=Momentum(), max_iter=30, tol=None, random_state=0)
)
model

# %%
# Rate times batch size
# ---------------------
#
# One of the rates is far too large. A fit that diverges warns, keeps the best weights
# it had, and so gets a finite, bad score instead of an error or a NaN.

warnings.simplefilter("ignore", DivergenceWarning)
search = GridSearchCV(
    model,
    {
        "gdregressor__lr": [0.0003, 0.001, 0.003, 0.01, 0.03, 0.3],
        "gdregressor__batch_size": [8, 32, 128, 397],
    },
    cv=3,
)
search.fit(X, y)

results = pd.DataFrame(search.cv_results_)
table = results.pivot_table(
    index="param_gdregressor__batch_size",
    columns="param_gdregressor__lr",
    values="mean_test_score",
)
table.round(3)

# %%
# Small batches like small rates, large ones like large rates.

fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
image = ax.imshow(np.clip(table, 0, None), cmap="cividis", aspect="auto")
for (i, j), score in np.ndenumerate(table.to_numpy()):
    text = f"{score:.2f}" if score > -9 else "< -9"
    colour = "black" if score > 0.25 else "white"
    ax.text(j, i, text, ha="center", va="center", color=colour)
ax.set_xticks(range(table.shape[1]), table.columns)
ax.set_yticks(range(table.shape[0]), table.index)
ax.set(xlabel="learning rate", ylabel="batch size")
ax.grid(visible=False)
fig.colorbar(image, label="cross-validated R2 (below 0: as 0)")

# %%
# The winner, and its training:

print(search.best_params_)
LossCurveDisplay.from_estimator(search, name="best of the grid")

# %%
# Inside the optimizer
# --------------------
#
# Optimizers, schedules and losses are objects with parameters of their own, which the
# double underscore reaches.

search = GridSearchCV(
    model.set_params(gdregressor__lr=0.003),
    {"gdregressor__optimizer__momentum": [0.0, 0.5, 0.9, 0.95]},
    cv=3,
)
search.fit(X, y)
for momentum, score in zip(
    search.cv_results_["param_gdregressor__optimizer__momentum"],
    search.cv_results_["mean_test_score"],
):
    print(f"momentum {momentum}: R2 {score:.3f}")

plt.show()
