"""
The cost surface
================

The objective over two weights of a model, as a map, as a landscape, and as a film.
"""

# %%
# Two weights of a classifier
# ---------------------------
#
# Petal length and width of two kinds of iris, without an intercept: two weights, so the
# picture shows the whole truth.

import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes, load_iris
from sklearn.preprocessing import scale

from skgd import GDClassifier, GDRegressor
from skgd.display import CostSurfaceDisplay, animate

iris = load_iris(as_frame=True)
rows = iris.target > 0
X = scale(iris.data.loc[rows, ["petal length (cm)", "petal width (cm)"]])
y = iris.target[rows]

model = GDClassifier(
    solver="minibatch",
    batch_size=20,
    lr=1.0,
    alpha=0.02,
    fit_intercept=False,
    max_iter=25,
    tol=None,
    random_state=0,
)
start = {"coef_init": [[-2.0, 3.0]]}
map_ = CostSurfaceDisplay.from_estimator(
    model, X, y, parameters=(0, 1), fit_params=start
)

# %%
# The same as a landscape

map_.plot(kind="surface")

# %%
# and as a film, which :func:`skgd.display.animate` can also save as GIF or HTML.

map_.plot()
film = animate(map_, fps=6, max_frames=40)

# %%
# Different rules, one landscape
# ------------------------------
#
# The rules that keep a step size for each weight set off along the diagonal, however
# steep one of the directions is.

rules = {
    name: GDClassifier(
        solver="batch",
        optimizer=name,
        lr=lr,
        alpha=0.02,
        fit_intercept=False,
        max_iter=60,
        tol=None,
    )
    for name, lr in [("gd", 1.0), ("momentum", 0.3), ("adam", 0.2), ("adagrad", 1.0)]
}
CostSurfaceDisplay.from_estimators(
    rules, X, y, parameters=(0, 1), fit_params=start, path_kw={"markersize": 3.5}
)

# %%
# Two weights of many
# -------------------
#
# With more than two weights the picture is a section: the others are held at the best
# weights found. Pick the two by name.

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
CostSurfaceDisplay.from_estimator(
    GDRegressor(solver="batch", max_iter=60, tol=None), X, y, parameters=("bmi", "s5")
)

# %%
# Or let the path choose the plane in which it moves most:

CostSurfaceDisplay.from_estimator(
    GDRegressor(solver="batch", max_iter=60, tol=None), X, y, directions="path"
)

plt.show()
