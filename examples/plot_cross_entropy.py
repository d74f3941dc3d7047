"""
Cross-entropy
=============

The loss of logistic regression is the surprise at what happened: minus the logarithm of
the probability that the model gave it.
"""

# %%
# By hand
# -------
#
# Three rows that happened, happened, did not happen, and a model that is fairly sure of
# each:

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.metrics import log_loss

from skgd import GDClassifier
from skgd.display import FitDisplay, LossCurveDisplay

y = np.array([1, 1, 0])
p = np.array([0.8, 0.7, 0.1])
surprise = -np.log(np.where(y == 1, p, 1 - p))
print(surprise.round(4), "total", surprise.sum().round(6))

# %%
# A model that is sure of the wrong thing pays much more:

y = np.array([1, 0, 1, 1])
p = np.array([0.4, 0.6, 0.1, 0.5])
surprise = -np.log(np.where(y == 1, p, 1 - p))
print(surprise.round(4), "total", surprise.sum().round(6))

# %%
# scikit-learn takes the mean over the rows, and so does the objective of `skgd`:

print(log_loss(y, p) * 4)

# %%
# One feature
# -----------
#
# The probability that a tumour is benign, by its mean radius, while the model learns.
# At the start it gives everybody the share of the whole table.

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
radius = X[["mean radius"]]
display = FitDisplay.from_estimator(
    GDClassifier(solver="batch", max_iter=40, tol=None), radius, y
)
display.ax_.set(ylabel="probability of benign", ylim=(-0.05, 1.05))

# %%
# Why not the squared error?
# --------------------------
#
# Because of the slope. With the score z and p = 1 / (1 + exp(-z)), the cross-entropy of
# a row with y = 1 has slope p - 1: the more wrong, the steeper, up to 1. The squared
# error of p has slope 2 (p - 1) p (1 - p), which vanishes where the model is most
# wrong.

z = np.linspace(-8, 4, 200)
p = 1 / (1 + np.exp(-z))
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for ax, entropy, squared, title in [
    (axes[0], -np.log(p), (p - 1) ** 2, "loss of a row with y = 1"),
    (axes[1], p - 1, 2 * (p - 1) * p * (1 - p), "its slope"),
]:
    ax.plot(z, entropy, color="#D55E00", label="cross-entropy")
    ax.plot(z, squared, color="#0072B2", linestyle="--", label="squared error of p")
    ax.set(xlabel="score z", title=title)
axes[0].legend(frameon=False)

# %%
# Several classes
# ---------------
#
# With more than two classes ``loss="log_loss"`` is the cross-entropy of the softmax,
# one score per class, and the gradient has the same simple form: probability minus what
# happened.

X, y = load_wine(return_X_y=True)
model = GDClassifier(solver="batch", alpha=0.01, max_iter=200).fit(X, y)
LossCurveDisplay.from_estimator(model)
print(model.predict_proba(X[:3]).round(3))

plt.show()
