"""
The cost of every update
========================

How the cost falls, update by update, for batch, mini-batch and stochastic gradient
descent; and what an epoch, an iteration and a batch size are.
"""

# %%
# Counting
# --------
#
# An iteration is one update of the weights. An epoch is one pass over all rows. With n
# rows and batches of b, an epoch has n / b iterations, rounded up.

import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale

from skgd import GDRegressor
from skgd.callbacks import StepRecorder

X, y = load_diabetes(return_X_y=True)
X, y = scale(X), scale(y)
for batch_size in (1, 32, len(y)):
    model = GDRegressor(batch_size=batch_size, lr=0.01, max_iter=5, tol=None).fit(X, y)
    print(
        f"{len(y)} rows in batches of {batch_size}: {model.n_iter_} epochs, "
        f"{model.t_ // model.n_iter_} iterations each, {model.t_} in all"
    )

# %%
# The noise of small batches
# --------------------------
#
# A callback, `StepRecorder`, keeps the cost of the rows of each update. Of all rows it
# falls smoothly. Of 32 it fluctuates, because every batch is another sample; of single
# rows it jumps about, and only its mean falls.


def recorded(batch_size, lr, epochs):
    recorder = StepRecorder(weights=False)
    model = GDRegressor(
        batch_size=batch_size, lr=lr, max_iter=epochs, tol=None, random_state=0
    )
    model.set_callbacks(recorder).fit(X, y)
    return recorder


sizes = {"batch": len(y), "mini-batch of 32": 32, "sgd": 1}
fig, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
for ax, (name, size), lr in zip(axes, sizes.items(), [0.1, 0.03, 0.003]):
    recorder = recorded(size, lr, epochs=60 if size > 32 else 10 if size > 1 else 2)
    ax.plot(recorder.steps, recorder.losses, color="#0072B2", linewidth=0.9)
    ax.set(title=name, xlabel="iteration", ylim=(0, 1.2 if size > 1 else 4))
axes[0].set_ylabel("cost of the rows of the update")

# %%
# Iterations, epochs, seconds
# ---------------------------
#
# Which batch size is best depends on what is counted. By iterations, the whole batch
# wins, since each of its updates is the best one. By epochs, small batches win: they
# make more updates of the same rows. By seconds it depends on the machine.

models = {
    f"batches of {size}": GDRegressor(
        batch_size=size, lr=lr, max_iter=30, tol=None, random_state=0
    ).fit(X, y)
    for size, lr in [(len(y), 0.3), (64, 0.1), (8, 0.02), (1, 0.003)]
}
fig, axes = plt.subplots(1, 3, figsize=(13, 4), sharey=True, layout="constrained")
for ax, x in zip(axes, ["step", "epoch", "seconds"]):
    for name, model in models.items():
        history = model.history_
        ax.plot(history[x], history["loss"], label=name)
    ax.set(xlabel={"step": "iteration"}.get(x, x), xscale="log")
axes[0].set_ylabel("cost of all rows, in each epoch")
axes[2].legend(frameon=False)

plt.show()
