"""
A grid of rates and batch sizes, and successive halving
=======================================================

A full grid trains every candidate to its end. Halving gives all of them few epochs, and
more of them to those that do well.
"""

# %%
# The grid
# --------

import time
import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.preprocessing import scale

from skgd import GDClassifier
from skgd.display import GridDisplay

X, y = load_digits(return_X_y=True)
X, y = scale(X[:900]), y[:900]
grid = {"lr": [0.001, 0.01, 0.1, 1.0, 10.0], "batch_size": [4, 32, 256]}

# Rates that are too large diverge, say so, and score badly.
warnings.simplefilter("ignore", ConvergenceWarning)

start = time.perf_counter()
search = GridSearchCV(GDClassifier(random_state=0), grid, cv=3).fit(X, y)
print(f"{time.perf_counter() - start:.1f} s: {search.best_params_}")
print(f"accuracy {search.best_score_:.3f}")

# %%
# Small batches like small rates, large ones like large rates.

display = GridDisplay.from_search(search, x="lr", y="batch_size")
display.figure_.set_size_inches(6.4, 3.8)

# %%
# Successive halving
# ------------------
#
# The resource is the number of epochs; ``tol=None`` makes each candidate use them.

start = time.perf_counter()
halving = HalvingGridSearchCV(
    GDClassifier(tol=None, random_state=0),
    grid,
    resource="max_iter",
    min_resources=2,
    max_resources=54,
    factor=3,
    cv=3,
    random_state=0,
).fit(X, y)
print(f"{time.perf_counter() - start:.1f} s: {halving.best_params_}")
print(f"accuracy {halving.best_score_:.3f}")
for epochs, candidates in zip(halving.n_resources_, halving.n_candidates_, strict=True):
    print(f"{candidates:>3} candidates had {epochs} epochs")

plt.show()
