"""
Inside a network
================

A forward pass, layer by layer, and the weights while they learn.
"""

# %%
# Feedforward
# -----------
#
# Each layer multiplies by its weights, adds its intercepts, and applies the activation.
# `activations` returns the values of every layer.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

from skgd import MLPGD
from skgd.display import NetworkDisplay, animate

X, y = load_iris(return_X_y=True)
X = scale(X)
model = MLPGD(
    hidden_layer_sizes=(5,),
    activation="sigmoid",
    n_ensemble=1,
    max_iter=100,
    random_state=0,
).fit(X, y)
inputs, hidden, scores = model.activations(X[:1])
by_hand = 1 / (1 + np.exp(-(X[:1] @ model.coefs_[0] + model.intercepts_[0])))
print("hidden: ", hidden.round(3), np.allclose(hidden, by_hand))
print("scores: ", scores.round(3))
print("softmax:", model.predict_proba(X[:1]).round(3))

# %%
# The diagram shows the same numbers for this flower. Darker units are more active.

display = NetworkDisplay.from_estimator(model, X[:1])

# %%
# Learning
# --------
#
# The film of a training: connections that matter grow, and the output settles.

display = NetworkDisplay.from_training(model.set_params(max_iter=40), X, y)
film = animate(display, fps=8)

plt.show()
