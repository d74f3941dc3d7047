"""Draw the picture at the top of the README: ``python docs/front_picture.py``.

It needs the extra `plot`, and writes ``docs/_static/three_paths.png``.
"""

from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale

from skgd import GDRegressor
from skgd.display import CostSurfaceDisplay

X, y = load_diabetes(return_X_y=True, as_frame=True)
X, y = scale(X[["bmi"]]), y / 100
fixed = {"tol": None, "random_state": 0}
solvers = {
    "batch": GDRegressor(solver="batch", lr=0.2, max_iter=40, **fixed),
    "minibatch": GDRegressor(batch_size=32, lr=0.2, max_iter=3, **fixed),
    "sgd": GDRegressor(solver="sgd", lr=0.05, max_iter=1, **fixed),
}
display = CostSurfaceDisplay.from_estimators(
    solvers,
    X,
    y,
    fit_params={"coef_init": [-0.5], "intercept_init": [0.0]},
    panels=True,
)
for ax, name in zip(display.axes_, solvers, strict=True):
    ax.set_title(f'solver="{name}"')
display.figure_.set_size_inches(10.5, 3.6)
path = Path(__file__).parent / "_static" / "three_paths.png"
display.figure_.savefig(path, dpi=110)
plt.close("all")
