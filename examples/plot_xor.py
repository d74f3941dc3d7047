"""
AND, OR, XOR
============

A perceptron learns AND and OR in a few updates, and never XOR: no line separates it. A
hidden layer bends the space until one does.
"""

# %%
# The line after each update
# --------------------------
#
# Rosenblatt's rule: a row on the right side changes nothing, a row on the wrong side is
# added to the weights. That is stochastic gradient descent on the perceptron loss, with
# rate 1. Light lines are early, the black one is the last.

import matplotlib.pyplot as plt
import numpy as np

from skgd import MLPGD, GDClassifier
from skgd.display import FitDisplay, NetworkDisplay

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
gates = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "XOR": [0, 1, 1, 0]}
perceptron = GDClassifier(
    "perceptron", solver="sgd", lr=1, penalty=None, shuffle=False, max_iter=10, tol=None
)

fig, axes = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
for ax, (name, y) in zip(axes, gates.items()):
    # XOR has no last line: all that are drawn in the first three epochs.
    steps = range(1, 13) if name == "XOR" else None
    display = FitDisplay.from_estimator(perceptron, X, y, steps=steps, ax=ax)
    perceptron.fit(X, y)
    ax.set_title(f"{name}: {perceptron.score(X, y):.0%} right")
    print(name, perceptron.coef_, perceptron.intercept_, perceptron.predict(X))

# %%
# A hidden layer
# --------------
#
# A network with four hidden units draws a boundary that is no line, and all four rows
# are right.

y = np.array(gates["XOR"])
network = MLPGD(
    hidden_layer_sizes=(4,), activation="tanh", alpha=0, max_iter=200, random_state=0
)
display = FitDisplay.from_estimator(network, X, y, steps=[1, 10, 30, 100, 200])
print(network.fit(X, y).predict(X))

# %%
# What it has learnt: the weights as widths, orange for positive and blue for negative
# ones, and the units shaded by their values for the row (1, 0).

display = NetworkDisplay.from_estimator(network, X[2:3])

plt.show()
