"""
Early stopping, callbacks and a progress bar
============================================

Hold out some rows, watch the loss on them, stop when it no longer falls, and keep the
weights of the best epoch.
"""

# %%
# A network that is too large for its data learns them by heart: the training loss goes
# on falling, the loss on new rows turns round.

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from skgd import MLPGD
from skgd.display import LossCurveDisplay

X, y = load_diabetes(return_X_y=True, scaled=False)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
settings = {"hidden_layer_sizes": (100,), "random_state": 0, "max_iter": 120}

stubborn = MLPGD(loss="squared_error", tol=None, **settings)
stubborn.fit(X_train, y_train)
print(f"R2 on training rows: {stubborn.score(X_train, y_train):.2f}")
print(f"R2 on test rows: {stubborn.score(X_test, y_test):.2f}")

# %%
# Rows that `fit` only looks at go in as ``X_val`` and ``y_val``. Their loss turns round
# long before training ends, and the weights of the best epoch come back:

watched = MLPGD(loss="squared_error", tol=None, **settings)
watched.fit(X_train, y_train, X_val=X_test, y_val=y_test)
LossCurveDisplay.from_estimator(watched, name="120 epochs")

# %%
# With early stopping a tenth of the training rows is held out, and training ends
# `n_iter_no_change` epochs after the best one. The weights of that epoch are restored.

model = MLPGD(
    loss="squared_error", early_stopping=True, n_iter_no_change=20, **settings
)
model.fit(X_train, y_train)
LossCurveDisplay.from_estimator(model, name="early stopping")
print(f"{model.stop_reason_} after {model.n_iter_} epochs, best: {model.best_epoch_}")
print(f"R2 on test rows: {model.score(X_test, y_test):.2f}")

# %%
# The history is a table in one line:

pd.DataFrame(model.history_).tail(3).round(3)

# %%
# Callbacks
# ---------
#
# The estimators speak scikit-learn's callback protocol. Its progress bar needs the
# extra ``progress``, and works inside pipelines and searches, too.

model.set_callbacks(ProgressBar()).fit(X_train, y_train)

# %%
# Its scoring monitor keeps a score of each epoch:

monitor = ScoringMonitor(scoring="r2")
model.set_callbacks(monitor).fit(X_train, y_train)
scores = monitor.get_logs().data_as_pandas["r2"]
print(f"R2 on training rows: {scores.iloc[0]:.2f}, ..., {scores.iloc[-1]:.2f}")

# %%
# And a callback of your own is a class with four methods. Returning True stops the fit:


class Enough:
    """Stop as soon as the loss is below a value."""

    def __init__(self, loss):
        self.loss = loss

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        if fitted_estimator is None or not hasattr(fitted_estimator, "best_loss_"):
            return False
        return fitted_estimator.best_loss_ < self.loss


model.set_callbacks(Enough(loss=1800.0)).fit(X_train, y_train)
print(model.stop_reason_, model.n_iter_, round(model.best_loss_))

plt.show()
