"""
A network that reads digits
===========================

Hand-written digits of 8 by 8 pixels, one hidden layer, a second of training.
"""

# %%

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split

from skgd import MLPGD
from skgd.display import CostSurfaceDisplay, LossCurveDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.3, stratify=y, random_state=0
)
network = MLPGD(
    hidden_layer_sizes=(32,), n_ensemble=1, max_iter=30, tol=None, random_state=0
)
network.fit(X_train, y_train)
print(f"{network.score(X_test, y_test):.3f} of the new digits are read correctly")

# %%
# Training

LossCurveDisplay.from_estimator(network)

# %%
# What it mistakes
# ----------------

fig, ax = plt.subplots(figsize=(5.2, 4.8), layout="constrained")
ConfusionMatrixDisplay.from_estimator(
    network, X_test, y_test, ax=ax, cmap="cividis", colorbar=False
)
ax.grid(visible=False)

# %%
# What the hidden units look for
# ------------------------------
#
# The weights into a hidden unit form a picture: where ink speaks for it (purple),
# and where against it (orange).

weights = network.coefs_[0] * X_train.std(axis=0)[:, None]
fig, axes = plt.subplots(4, 8, figsize=(8, 4.2), layout="constrained")
size = np.abs(weights).max()
for ax, unit in zip(axes.ravel(), weights.T):
    ax.imshow(unit.reshape(8, 8), cmap="PuOr", vmin=-size, vmax=size)
    ax.set_axis_off()

# %%
# The landscape it descended
# --------------------------
#
# A network has too many weights for a map, but the path of its training lies almost in
# a plane: here are the two directions in which it moved most. The first epochs, update
# by update.

CostSurfaceDisplay.from_estimator(
    network, X_train, y_train, max_steps=200, grid_resolution=20
)

plt.show()
