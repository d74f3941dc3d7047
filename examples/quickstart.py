"""Both linear estimators, all three solvers, on tables that ship with scikit-learn.

Run it after installing: it trains alone, in a pipeline, in a grid search and on a
stream, and prints one table. Raw, unscaled features throughout, unless a step scales.
"""

import time
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import GDClassifier, GDRegressor

TABLES = {
    "diabetes": (GDRegressor, load_diabetes(return_X_y=True, scaled=False)),
    "breast cancer": (GDClassifier, load_breast_cancer(return_X_y=True)),
    "digits": (GDClassifier, load_digits(return_X_y=True)),
}
rows = []


def report(table, how, estimator, train, test, note=""):
    """Fit, score on the held-out quarter, keep a line of the table."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(*train)
    seconds = time.perf_counter() - start
    score = estimator.score(*test)
    if isinstance(estimator, GridSearchCV):
        best = {k.split("__")[1]: v for k, v in estimator.best_params_.items()}
        note = ", ".join(f"{name}={value}" for name, value in best.items())
    rows.append((table, how, score, seconds, note))


for table, (cls, (X, y)) in TABLES.items():
    stratify = y if cls is GDClassifier else None
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, random_state=0, stratify=stratify
    )
    train, test = (X_train, y_train), (X_test, y_test)
    # The first fit of all loads or compiles the kernels; keep that out of the table.
    for solver in ("batch", "minibatch", "sgd"):
        cls(solver=solver, max_iter=1, tol=None).fit(*train)

    for solver in ("batch", "minibatch", "sgd"):
        model = cls(solver=solver, random_state=0)
        report(table, f'solver="{solver}"', model, train, test)
        rows[-1] = (*rows[-1][:4], f"{model.n_iter_} epochs, {model.t_} updates")

    pipeline = make_pipeline(StandardScaler(), cls(max_iter=50, random_state=0))
    step = pipeline.steps[-1][0]
    grid = {f"{step}__lr": [0.003, 0.03, 0.3], f"{step}__batch_size": [8, 64]}
    report(
        table, "grid search of a pipeline", GridSearchCV(pipeline, grid), train, test
    )

    stream = cls(random_state=0)
    options = {"classes": np.unique(y)} if cls is GDClassifier else {}
    start = time.perf_counter()
    for _ in range(20):
        for first in range(0, len(X_train), 50):
            chunk = slice(first, first + 50)
            stream.partial_fit(X_train[chunk], y_train[chunk], **options)
    seconds = time.perf_counter() - start
    note = "chunks of 50 rows, 20 passes"
    rows.append((table, "partial_fit", stream.score(*test), seconds, note))

print(f"{'table':<14} {'how':<26} {'held-out':>8} {'seconds':>8}  note")
for table, how, score, seconds, note in rows:
    metric = "R2" if table == "diabetes" else "accuracy"
    print(f"{table:<14} {how:<26} {score:>8.3f} {seconds:>8.3f}  {metric}; {note}")
