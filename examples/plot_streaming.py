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
from skgd.data import from_arrays, progressive_score
from skgd.display import ProgressiveDisplay

X, y = load_digits(return_X_y=True)
classes = np.unique(y)
models = {
    "lr='auto'": GDClassifier(),
    "lr=0.001": GDClassifier(lr=0.001, batch_size=10),
    "lr=0.001, adam": GDClassifier(lr=0.001, batch_size=10, optimizer="adam"),
}
result = progressive_score(models, from_arrays(X, y, batch_size=50), classes=classes)
display = ProgressiveDisplay.from_result(result)
display.ax_.set(ylabel="share of new digits recognised", ylim=(0.5, 1))

# %%
# A stream that changes
# ---------------------
#
# Here the classes of 0 and 1 change places half-way. The mean over all digits so far is
# slow to tell; a fading mean, in which a digit counts half after 100 others, says what
# the models are worth now. One with a constant rate of its own forgets what it knew.

turned = np.where((np.arange(len(y)) > 900) & (y < 2), 1 - y, y)
few = np.isin(turned, [0, 1, 2, 3])
candidates = {
    "lr='auto'": GDClassifier(),
    "lr=0.001": GDClassifier(lr=0.001, solver="sgd"),
}
result = progressive_score(
    candidates,
    from_arrays(X[few], turned[few], batch_size=1),
    classes=[0, 1, 2, 3],
    report_rows=20,
    half_life=100,
)
display = ProgressiveDisplay.from_result(result)
display.ax_.set(ylabel="share of new digits recognised lately")

# %%
# How the stream is cut does not matter
# -------------------------------------
#
# With a learning rate of your own, the coefficients depend on the rows and their order,
# not on the chunks, as long as chunks end where batches end. One call with all rows, or
# one per batch: the same to the last bit.

whole = GDClassifier(lr=0.001, batch_size=10).partial_fit(X, y, classes=classes)
pieces = GDClassifier(lr=0.001, batch_size=10)
for X_chunk, y_chunk in from_arrays(X, y, batch_size=10):
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
