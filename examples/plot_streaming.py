"""
Learning from a stream
======================

``partial_fit`` makes one pass over the rows it is given and remembers everything it
needs: the optimizer's state, the schedule's step, the averages. The data never have to
be in memory together.
"""

# %%
# Digits arrive in chunks of 50. Each chunk is first used to test, then to train: the
# accuracy is always on digits the model has not seen.

import pickle

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skgd import GDClassifier

X, y = load_digits(return_X_y=True)
classes = np.unique(y)


def chunks(size=50):
    for start in range(0, len(X), size):
        yield X[start : start + size], y[start : start + size]


models = {
    "lr='auto'": GDClassifier(batch_size=10),
    "lr=0.001": GDClassifier(lr=0.001, batch_size=10),
    "lr=0.001, adam": GDClassifier(lr=0.001, batch_size=10, optimizer="adam"),
}
seen, right = [], {name: [] for name in models}
for X_chunk, y_chunk in chunks():
    seen.append(len(y_chunk))
    for name, model in models.items():
        if len(seen) > 1:
            right[name].append(np.sum(model.predict(X_chunk) == y_chunk))
        model.partial_fit(X_chunk, y_chunk, classes=classes)

fig, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
styles = [("#D55E00", "-"), ("#0072B2", "--"), ("#009E73", "-.")]
for (name, hits), (colour, style) in zip(right.items(), styles):
    share = np.cumsum(hits) / np.cumsum(seen[1:])
    ax.plot(np.cumsum(seen)[1:], share, color=colour, linestyle=style, label=name)
ax.set(xlabel="digits seen", ylabel="share of new digits recognised", ylim=(0.5, 1))
ax.legend(frameon=False, loc="lower right")

# %%
# How the stream is cut does not matter
# -------------------------------------
#
# With a learning rate of your own, the coefficients depend on the rows and their order,
# not on the chunks, as long as chunks end where batches end. One call with all rows, or
# one per batch: the same to the last bit.

whole = GDClassifier(lr=0.001, batch_size=10).partial_fit(X, y, classes=classes)
pieces = GDClassifier(lr=0.001, batch_size=10)
for X_chunk, y_chunk in chunks(10):
    pieces.partial_fit(X_chunk, y_chunk, classes=classes)
print(np.array_equal(whole.coef_, pieces.coef_))

# %%
# Nor does a pause
# ----------------
#
# A pickled model goes on where it stopped.

first, second = slice(0, 900), slice(900, None)
model = GDClassifier(lr=0.001, batch_size=10, optimizer="adam")
model.partial_fit(X[first], y[first], classes=classes)
woken = pickle.loads(pickle.dumps(model))
woken.partial_fit(X[second], y[second])
model.partial_fit(X[second], y[second])
print(np.array_equal(model.coef_, woken.coef_))

plt.show()
