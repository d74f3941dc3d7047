"""
Batch size and convergence
==========================

Small batches make many cheap, noisy updates of an epoch, large ones few, exact ones.
Where is the best of both?
"""

# %%
# The same learning rate for every batch size. The objective is that of the whole
# training set after each epoch, from a callback: the history that comes for free counts
# the loss of each row just before its own update, which is a little behind.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.preprocessing import scale

from skgd import GDClassifier

X, y = load_breast_cancer(return_X_y=True)
X = scale(X)


class Objective:
    """Callback that keeps the mean loss over all rows after each epoch."""

    def __init__(self):
        self.values = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        if fitted_estimator is not None and hasattr(fitted_estimator, "coef_"):
            self.values.append(log_loss(y, fitted_estimator.predict_proba(X)))


def curve(batch_size, lr, epochs=15):
    watcher = Objective()
    model = GDClassifier(
        batch_size=batch_size, lr=lr, max_iter=epochs, tol=None, alpha=0, random_state=0
    )
    model.set_callbacks(watcher).fit(X, y)
    return np.array(watcher.values[:epochs])


sizes = [1, 8, 64, len(X)]
colours = plt.get_cmap("cividis")(np.linspace(0, 0.85, len(sizes)))
epochs = np.arange(1, 16)
fig, axes = plt.subplots(1, 2, figsize=(9.5, 4), sharey=True, layout="constrained")
for size, colour in zip(sizes, colours):
    axes[0].plot(epochs, curve(size, 0.05), color=colour)
    axes[1].plot(epochs, curve(size, 0.02 * np.sqrt(size)), color=colour, label=size)
axes[0].set(xlabel="epoch", ylabel="mean loss of all rows", title="lr = 0.05 for all")
axes[1].set(xlabel="epoch", yscale="log", title="lr = 0.02 times the root of the size")
axes[1].legend(title="batch size", frameon=False)

# %%
# With one rate for all, the smallest batch learns most from an epoch, because it makes
# most updates. But a larger batch has a more reliable gradient and can afford longer
# steps. When the rate grows with the root of the batch size, the curves come closer to
# each other, and the larger batches, which use the processor far better, catch up on
# the clock.
#
# ``batch_size="auto"`` is 64 rows with a rate of your own: enough for the work of an
# update to outweigh its bookkeeping, and few enough for many updates per epoch. With
# ``lr="auto"`` a small table like this one is a single batch, and the step that suits
# each batch size is found from the data. (Small batches stop a little above the
# minimum, and say so in a warning.)

for size in sizes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = GDClassifier(batch_size=size, random_state=0).fit(X, y)
    print(
        f"batch size {size:>3}: {model.n_iter_:>3} epochs, {model.t_:>6} updates, "
        f"accuracy {model.score(X, y):.3f}"
    )

plt.show()
