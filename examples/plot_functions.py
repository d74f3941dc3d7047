"""
Slopes and steps
================

Gradient descent needs no data and no model: a function that can be walked down is
enough. Here are the functions every course starts with.
"""

# %%
# A parabola
# ----------
#
# ``y = (x - 3)²`` has its minimum at 3. Its derivative, ``2 (x - 3)``, is the slope of
# the tangent. Gradient descent subtracts the learning rate times the slope, again and
# again:

import warnings

import matplotlib.pyplot as plt
import numpy as np

from skgd import gradient_descent
from skgd.display import FunctionDisplay, animate


def parabola(x):
    return (x - 3) ** 2


result = gradient_descent(parabola, -2.0, lr=0.1, max_iter=4)
print(result.path.round(4))
print("by hand:", [round(3 - 5 * 0.8**k, 4) for k in range(5)])

# %%
# Too small, good, too large
# --------------------------
#
# With a rate of 0.02 ten steps do not get far. With 0.3 they arrive. With 0.95 each
# step jumps across the valley, and from 1 on it would jump higher each time.

fig, axes = plt.subplots(1, 3, figsize=(11, 3.6), sharey=True, layout="constrained")
for ax, lr in zip(axes, [0.02, 0.3, 0.95]):
    FunctionDisplay.from_descent(
        parabola, -2.0, lr=lr, max_iter=10, xlim=(-4, 10), ax=ax
    ).ax_.set_title(f"lr = {lr}")

# %%
# A rate that is too large is not passed over in silence:

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    result = gradient_descent(parabola, -2.0, lr=1.1)
print(caught[0].message)
print(result.message)

# %%
# One step after the other, with the tangent that it follows:

display = FunctionDisplay.from_descent(parabola, -2.0, lr=0.1, max_iter=12)
film = animate(display, fps=3)

# %%
# Derivatives
# -----------
#
# ``y = x² + 2x + 1`` falls left of -1 and rises right of it. ReLU, ``max(0, x)``, has
# the slope 0 on the left and 1 on the right, and none at 0.

fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
display = FunctionDisplay.from_function(
    lambda x: x**2 + 2 * x + 1, xlim=(-4, 2), at=[-3, -2, -1, 0, 1], ax=axes[0]
)
print("slopes of x² + 2x + 1:", display.slopes.round(6) + 0.0)
relu = FunctionDisplay.from_function(
    lambda x: np.maximum(0, x), xlim=(-3, 3), at=[-2, -1, 1, 2], ax=axes[1]
)
print("slopes of ReLU:", relu.slopes.round(6) + 0.0)
axes[0].set_title("x² + 2x + 1")
axes[1].set_title("ReLU")

# %%
# Two variables
# -------------
#
# ``f(u, v) = u v + u²`` has two partial derivatives, ``v + 2u`` and ``u``. Together
# they are the gradient, which points straight uphill. This function has no bottom: the
# path finds a way down that never ends.

display = FunctionDisplay.from_descent(
    lambda w: w[0] * w[1] + w[0] ** 2,
    [1.0, 2.0],
    lr=0.1,
    max_iter=25,
    labels=["u", "v", "f"],
)
print("gradient at (1, 2):", display.slopes[0].round(6))

# %%
# In three dimensions it is a saddle:

display = display.plot(kind="surface")

plt.show()
