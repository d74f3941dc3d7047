"""Seconds of one epoch, one row per update, against scikit-learn.

Dense and sparse, two classes and many, every loss, penalty and rule. Mini-batches are
in ``minibatches.py``, Vowpal Wabbit in ``vowpal_wabbit.py``, networks in ``mlp.py``.
"""

import numpy as np
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor

from benchmarks._command import alone
from benchmarks._fits import comparison, sgd_fit, skgd_fit
from benchmarks._peers import dense, fewer, text_like
from benchmarks._report import Table
from skgd import GDClassifier, GDRegressor

OPTIMIZERS = ("gd", "momentum", "nesterov", "adagrad", "rmsprop", "adam")


def against_sgd(work, X, y, common, target=None, **options):
    """``solver="sgd"`` next to ``SGDClassifier`` with the same objective."""
    fits = {
        "SGDClassifier": sgd_fit(SGDClassifier, X, y, **common),
        "skgd": skgd_fit(GDClassifier, X, y, solver="sgd", **common),
    }
    return comparison(work, fits, target, **options)


def single_rows(repeats, quick):
    """``solver="sgd"`` against ``SGDClassifier``."""
    rows = []
    common = {"loss": "log_loss", "penalty": "l2", "alpha": 1e-4}
    for n, d in ((200_000, 100), (1_000_000, 20), (20_000, 1000)):
        n = fewer(n, quick)
        for dtype in (np.float64, np.float32):
            X, y = dense(n, d, dtype)
            work = f"dense {n:,} × {d}, {np.dtype(dtype).name}"
            rows.append(against_sgd(work, X, y, common, 4.0, many=4, repeats=repeats))
    n = fewer(100_000, quick)
    for n_classes, target in ((2, 1.5), (20, 8.0)):
        X, y = text_like(n, 50_000, n_classes)
        work = f"CSR {n:,} × 50,000, {n_classes} classes"
        common["alpha"] = 1e-6
        rows.append(against_sgd(work, X, y, common, target, many=4, repeats=repeats))
    return Table(
        "One row per update, logistic loss with l2 penalty",
        rows,
        "Random order. Several classes: one softmax here, one model per class there.",
    )


def every_path(repeats, quick):
    """Every rule and way that has a peer, for the slowest of them."""
    rows = []
    n, n_sparse = fewer(200_000, quick), fewer(100_000, quick)
    tables = {
        f"dense {n:,} × 100": dense(n, 100),
        f"CSR {n_sparse:,} × 50,000": text_like(n_sparse, 50_000),
    }
    options = {"many": 3, "repeats": repeats}
    for table, (X, y) in tables.items():
        for loss in ("log_loss", "hinge", "modified_huber"):
            for penalty in (None, "l2", "l1", "elasticnet"):
                common = {"loss": loss, "penalty": penalty, "alpha": 1e-5}
                work = f"{table}, {loss}, {penalty}"
                rows.append(against_sgd(work, X, y, common, **options))
        common = {"loss": "log_loss", "penalty": "l2", "alpha": 1e-5, "average": True}
        # Few rows, because on sparse ones this way touches every weight.
        few = slice(fewer(5000, quick))
        work = f"{table.split()[0]} {few.stop:,} rows, average"
        rows.append(against_sgd(work, X[few], y[few], common, many=2, repeats=repeats))
        fits = {
            "Perceptron": lambda n, X=X, y=y: Perceptron(
                max_iter=n, tol=None, random_state=0
            ).fit(X, y),
            "skgd": skgd_fit(GDClassifier, X, y, loss="perceptron", solver="sgd"),
        }
        rows.append(comparison(f"{table}, perceptron", fits, **options))
    X, y = next(iter(tables.values()))
    fits = {
        "SGDRegressor": sgd_fit(SGDRegressor, X, y, penalty=None),
        "skgd": skgd_fit(GDRegressor, X, y, solver="sgd"),
    }
    rows.append(comparison("dense, squared error", fits, **options))
    for lr in (1e-3, "auto"):
        for solver in ("sgd", "minibatch", "batch"):
            for optimizer in OPTIMIZERS:
                fits = {
                    "SGDClassifier": sgd_fit(SGDClassifier, X, y),
                    "skgd": skgd_fit(
                        GDClassifier, X, y, solver=solver, optimizer=optimizer, lr=lr
                    ),
                }
                work = f"dense, {solver}, {optimizer}, lr={lr}"
                rows.append(comparison(work, fits, **options))
    return Table("Every way to make an epoch", rows)


def run(repeats=5, quick=False):
    """All tables of this suite."""
    return [single_rows(repeats, quick), every_path(min(repeats, 3), quick)]


if __name__ == "__main__":
    alone(run, __doc__)
