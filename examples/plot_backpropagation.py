"""
Backpropagation by hand
=======================

The chain rule on the smallest network there is, then on a real one, checked against
``MLPGD.gradient`` and against finite differences.
"""

# %%
# Three weights
# -------------
#
# One input, one hidden unit, one output, no activation:
#
# .. math:: z = (w_2 + w_1 x)\, w_3
#
# with the input x = -2, at w = (3, 4, 5), and the target 10. Forward first:

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.preprocessing import scale

from skgd import MLPGD

x, target = -2.0, 10.0
w1, w2, w3 = 3.0, 4.0, 5.0
hidden = w2 + w1 * x
z = hidden * w3
print(f"hidden {hidden}, output {z}, absolute error {abs(target - z)}")

# %%
# Then backward. Each slope is the slope of what comes after, times the slope of the
# step itself:
#
# .. math::
#
#    \frac{dz}{dw_3} = h, \qquad
#    \frac{dz}{dw_2} = \frac{dz}{dh} \frac{dh}{dw_2} = w_3 \cdot 1, \qquad
#    \frac{dz}{dw_1} = \frac{dz}{dh} \frac{dh}{dw_1} = w_3 \cdot x

dz_dw3 = hidden
dz_dh = w3
dz_dw2, dz_dw1 = dz_dh * 1.0, dz_dh * x
print(f"dz/dw = ({dz_dw1}, {dz_dw2}, {dz_dw3})")

# %%
# The output is below the target, so the absolute error falls as z rises: its slope in z
# is -1, and the gradient is the negative of these three numbers. The network says the
# same. (A rate this small leaves the weights where we put them.)

network = MLPGD(
    loss="absolute_error",
    hidden_layer_sizes=(1,),
    activation="identity",
    standardize=False,
    optimizer="gd",
    alpha=0,
    lr=1e-300,
    max_iter=1,
    tol=None,
)
network.fit(
    [[x]],
    [target],
    coefs_init=[[[w1]], [[w3]]],
    intercepts_init=[[w2], [0.0]],
)
loss, coefs, intercepts = network.gradient([[x]], [target])
print(f"loss {loss}, gradient {coefs[0].item(), intercepts[0].item(), coefs[1].item()}")

# %%
# A step of rate 0.01 against the gradient:

w1, w2, w3 = w1 - 0.01 * 10, w2 - 0.01 * -5, w3 - 0.01 * 2
print(f"w = ({w1}, {w2}, {w3}), output {(w2 + w1 * x) * w3:.3f}")

# %%
# In class the new weights are often written as (2.9, 4.1, 4.9), which gives -8.33. One
# decimal is too few for so small a step; the exact answer is -8.715.
#
# A real network
# --------------
#
# Thirteen inputs, eight hidden units, three classes. The gradient of the first layer,
# written out in three lines of NumPy:

X, y = load_wine(return_X_y=True)
X = scale(X)
network = MLPGD(
    hidden_layer_sizes=(8,),
    activation="tanh",
    standardize=False,
    alpha=0,
    max_iter=2,
    tol=None,
    random_state=0,
).fit(X, y)
loss, coefs, intercepts = network.gradient(X, y)

W1, W2 = network.coefs_
b1, b2 = network.intercepts_
a = np.tanh(X @ W1 + b1)
scores = a @ W2 + b2
probability = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)

delta2 = (probability - np.eye(3)[y]) / len(X)  # probability minus what happened
delta1 = (delta2 @ W2.T) * (1 - a**2)  # back through the weights and the tanh
print(np.allclose(coefs[1], a.T @ delta2), np.allclose(coefs[0], X.T @ delta1))

# %%
# No derivation needed
# --------------------
#
# Whoever mistrusts the chain rule moves one weight by a little and looks at the loss.
# The points lie on the diagonal:


def loss_at(layer, i, j, change):
    weights = network.coefs_[layer]
    weights[i, j] += change
    value = network.gradient(X, y)[0]
    weights[i, j] -= change
    return value


fig, ax = plt.subplots(figsize=(5, 4.6), layout="constrained")
for layer, (marker, colour) in enumerate([("o", "#0072B2"), ("s", "#D55E00")]):
    numeric = [
        (loss_at(layer, i, j, 1e-6) - loss_at(layer, i, j, -1e-6)) / 2e-6
        for i, j in np.ndindex(*coefs[layer].shape)
    ]
    ax.plot(
        coefs[layer].ravel(),
        numeric,
        marker,
        color=colour,
        markersize=4,
        alpha=0.7,
        label=f"weights of layer {layer + 1}",
    )
ax.axline((0, 0), slope=1, color="0.6", linewidth=0.8, zorder=0)
ax.set(xlabel="backpropagation", ylabel="finite differences")
ax.legend(frameon=False)

plt.show()
