"""
Perceptron against logistic regression
======================================

Two losses for the same linear boundary. One is content as soon as every row is on the
right side, the other never quite.
"""

# %%
# The AND gate, by the perceptron
# -------------------------------
#
# Rosenblatt's rule is stochastic gradient descent on the perceptron loss, with rate 1:
# a row that is right changes nothing, a row that is wrong is added to the weights.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris

from skgd import GDClassifier
from skgd.display import FitDisplay
from skgd.losses import Hinge, LogLoss, Perceptron

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
y = np.array([0, 0, 0, 1])
perceptron = GDClassifier(
    "perceptron", solver="sgd", lr=1, penalty=None, shuffle=False, max_iter=20
)
perceptron.fit(X, y)
print(perceptron.coef_, perceptron.intercept_, perceptron.predict(X))

# %%
# What each loss asks
# -------------------
#
# As a function of the margin, the score times the label (-1 or +1): the perceptron asks
# for the right side, the hinge for a distance of 1, and the log loss for ever more.

margin = np.linspace(-2.5, 2.5, 201)
fig, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
styles = [("#D55E00", "-"), ("#0072B2", "--"), ("#009E73", "-.")]
for loss, (colour, style) in zip([Perceptron(), Hinge(), LogLoss()], styles):
    ax.plot(
        margin,
        loss.value(1.0, margin),
        color=colour,
        linestyle=style,
        label=type(loss).__name__,
    )
ax.set(xlabel="margin: score times label", ylabel="loss of one row")
ax.legend(frameon=False)

# %%
# Two kinds of iris
# -----------------
#
# Setosa and versicolor can be separated by many lines. The perceptron takes the first
# it meets and stops; its boundary may run close to the points.

X, y = load_iris(return_X_y=True, as_frame=True)
X, y = X.loc[y < 2, ["petal length (cm)", "petal width (cm)"]], y[y < 2]
display = FitDisplay.from_estimator(
    perceptron.set_params(shuffle=True, random_state=0), X, y, max_steps=300
)
display.ax_.set_title("perceptron")

# %%
# Logistic regression moves on towards the middle of the gap, and its scores turn into
# probabilities.

logistic = GDClassifier(random_state=0, max_iter=200, tol=None)
display = FitDisplay.from_estimator(logistic, X, y)
display.ax_.set_title("logistic regression")
print(logistic.fit(X, y).predict_proba(X[:2]).round(3))

# %%
# When no line separates the classes, the perceptron never comes to rest, while logistic
# regression settles. Versicolor and virginica overlap:

X, y = load_iris(return_X_y=True)
X, y = X[y > 0][:, 2:], y[y > 0]
fig, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
for loss, (colour, style) in zip(["perceptron", "log_loss"], styles):
    model = GDClassifier(loss, solver="sgd", lr=1.0, penalty=None, random_state=0)
    if loss == "log_loss":
        model.set_params(lr="auto")
    scores = []
    for epochs in range(1, 41):
        model.set_params(max_iter=epochs, tol=None)
        scores.append(model.fit(X, y).score(X, y))
    ax.plot(range(1, 41), scores, color=colour, linestyle=style, label=loss)
ax.set(xlabel="epochs", ylabel="accuracy on the training data")
ax.legend(frameon=False)

plt.show()
