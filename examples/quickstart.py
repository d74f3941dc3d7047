"""Both linear estimators, all three solvers, on tables that ship with scikit-learn.

Run it after installing: it trains alone, in a pipeline, in a grid search and on a
stream, next to scikit-learn's stochastic gradient descent, and prints one table whose
last column says what the line shows. Raw, unscaled features, unless a step scales.
"""

import time
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier, SGDRegressor
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

    peer = SGDClassifier if cls is GDClassifier else SGDRegressor
    plain = peer(random_state=0)
    report(table, f"{peer.__name__}", plain, train, test, "raw columns, no scaler")
    scaled = make_pipeline(StandardScaler(), plain)
    report(table, f"scaler, {peer.__name__}", scaled, train, test, "as it wants them")
    for solver in ("batch", "minibatch", "sgd"):
        model = cls(solver=solver, random_state=0)
        report(table, f'solver="{solver}"', model, train, test)
        note = f"raw columns, no tuning: {model.n_iter_} epochs, {model.t_} updates"
        rows[-1] = (*rows[-1][:4], note)

    pipeline = make_pipeline(StandardScaler(), cls(max_iter=50, random_state=0))
    step = pipeline.steps[-1][0]
    grid = {f"{step}__lr": [0.003, 0.03, 0.3], f"{step}__batch_size": [8, 64]}
    report(
        table, "grid search of a pipeline", GridSearchCV(pipeline, grid), train, test
    )

    rows[-1] = (*rows[-1][:4], "best of 6, 5 folds: " + rows[-1][4])

    stream = cls(random_state=0)
    options = {"classes": np.unique(y)} if cls is GDClassifier else {}
    start = time.perf_counter()
    for _ in range(20):
        for first in range(0, len(X_train), 50):
            chunk = slice(first, first + 50)
            stream.partial_fit(X_train[chunk], y_train[chunk], **options)
    seconds = time.perf_counter() - start
    note = "a stream: chunks of 50 raw rows, 20 passes"
    rows.append((table, "partial_fit", stream.score(*test), seconds, note))

print(f"{'table':<14} {'how':<26} {'held-out':>9} {'seconds':>8}  what it shows")
for table, how, score, seconds, note in rows:
    metric = "R2" if table == "diabetes" else "accuracy"
    score = f"{score:9.3f}" if abs(score) < 1e3 else f"{score:9.1e}"
    print(f"{table:<14} {how:<26} {score} {seconds:>8.3f}  {metric}; {note}")
