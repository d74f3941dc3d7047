"""
A raw table, and no tuning
==========================

Columns in different units make gradient descent fail with a fixed learning rate.
``lr="auto"``, the default, does not mind.
"""

# %%
# The wine data as it comes: proline in the hundreds, hue around one.

import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes, load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDRegressor
from sklearn.model_selection import cross_val_score

from skgd import GDClassifier, GDRegressor
from skgd.display import CoefficientPathDisplay

X, y = load_wine(return_X_y=True, as_frame=True)
X.describe().loc[["mean", "std"]].T.round(2)

# %%
# The defaults, against an exact solver:

for model in (
    GDClassifier(random_state=0),
    LogisticRegression(C=1 / (1e-4 * len(X)), solver="newton-cg", max_iter=500),
):
    score = cross_val_score(model, X, y, cv=5).mean()
    print(f"{type(model).__name__:>18}: accuracy {score:.3f}")

# %%
# A regression whose columns are in raw units, too, against ordinary stochastic gradient
# descent, which is lost without a scaler:

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
for model in (
    GDRegressor(solver="batch"),
    GDRegressor(solver="minibatch", random_state=0),
    GDRegressor(solver="sgd", random_state=0),
    LinearRegression(),
    SGDRegressor(random_state=0),
):
    name = getattr(model, "solver", "")
    r2 = model.fit(X, y).score(X, y)
    print(f"{type(model).__name__:>16} {name:<9}: R2 {r2:.3g}")

# %%
# What it does
# ------------
#
# The steps are taken in centred and scaled coordinates, by algebra, without a copy of
# the table. What is minimised stays the same, and so does the meaning of the
# coefficients: they belong to the columns as given.

model = GDRegressor(solver="batch").fit(X, y)
exact = LinearRegression().fit(X, y)
for name, ours, theirs in zip(X.columns, model.coef_, exact.coef_):
    print(f"{name:>4} {ours:>9.4f} {theirs:>9.4f}")

# %%
# The way there, each coefficient times the standard deviation of its column:

CoefficientPathDisplay.from_estimator(
    GDRegressor(solver="batch", max_iter=25, tol=None), X, y, scaled=True
)

plt.show()
