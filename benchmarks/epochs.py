"""Seconds of one epoch, against scikit-learn and mlxtend.

Dense and sparse, one row and many per update, two classes and many. Networks are in
``mlp.py``, quality in ``raw_tables.py``.
"""

import warnings

import numpy as np
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPRegressor

from benchmarks._peers import dense, optional, text_like
from benchmarks._report import Table
from benchmarks._timing import per_epoch
from skgd import GDClassifier, GDRegressor

OPTIMIZERS = ("gd", "momentum", "nesterov", "adagrad", "rmsprop", "adam")


def skgd_fit(cls, X, y, **parameters):
    """callable(n_epochs) that fits an estimator of this package."""
    parameters = {"lr": 1e-3, "tol": None, "random_state": 0} | parameters

    def fit(n_epochs):
        return cls(max_iter=n_epochs, **parameters).fit(X, y)

    return fit


def sgd_fit(cls, X, y, **parameters):
    """callable(n_epochs) that fits one of scikit-learn's SGD estimators."""
    parameters = {
        "learning_rate": "constant",
        "eta0": 1e-3,
        "tol": None,
        "random_state": 0,
    } | parameters

    def fit(n_epochs):
        return cls(max_iter=n_epochs, **parameters).fit(X, y)

    return fit


def comparison(work, fits, target=None, **options):
    """One row of a table: the first fit is the peer, the second ours."""
    (peer, theirs), (_, ours) = per_epoch(fits, **options).items()
    row = {
        "work": work,
        "peer": peer,
        "peer, ms": 1e3 * theirs,
        "skgd, ms": 1e3 * ours,
        "times faster": theirs / ours,
    }
    return row | ({} if target is None else {"target": target})


def single_rows(repeats):
    """``solver="sgd"`` against ``SGDClassifier``."""
    rows = []
    for n, d in ((200_000, 100), (1_000_000, 20), (20_000, 1000)):
        for dtype in (np.float64, np.float32):
            X, y = dense(n, d, dtype)
            common = {"loss": "log_loss", "penalty": "l2", "alpha": 1e-4}
            fits = {
                "SGDClassifier": sgd_fit(SGDClassifier, X, y, **common),
                "skgd": skgd_fit(GDClassifier, X, y, solver="sgd", **common),
            }
            name = f"dense {n:,} × {d}, {np.dtype(dtype).name}"
            rows.append(comparison(name, fits, 4.0, many=4, repeats=repeats))
    for n_classes, target in ((2, 1.5), (20, 8.0)):
        X, y = text_like(100_000, 50_000, n_classes)
        common = {"loss": "log_loss", "penalty": "l2", "alpha": 1e-6}
        fits = {
            "SGDClassifier": sgd_fit(SGDClassifier, X, y, **common),
            "skgd": skgd_fit(GDClassifier, X, y, solver="sgd", **common),
        }
        name = f"CSR 100,000 × 50,000, {n_classes} classes"
        rows.append(comparison(name, fits, target, many=4, repeats=repeats))
    return Table(
        "One row per update, logistic loss with l2 penalty",
        rows,
        "Random order. Several classes: one softmax here, one model per class there.",
    )


def minibatches(repeats):
    """``solver="minibatch"`` of 32 rows against MLPRegressor and mlxtend."""
    mlxtend = optional("mlxtend.regressor")
    rows = []
    for n, d in ((200_000, 100), (200_000, 10)):
        X, _ = dense(n, d)
        y = X @ np.random.default_rng(1).standard_normal(d)
        ours = skgd_fit(GDRegressor, X, y, solver="minibatch", batch_size=32)

        def network(n_epochs, X=X, y=y):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return MLPRegressor(
                    hidden_layer_sizes=(),
                    solver="sgd",
                    momentum=0.0,
                    alpha=0.0,
                    batch_size=32,
                    learning_rate_init=1e-3,
                    max_iter=n_epochs,
                    tol=0.0,
                    n_iter_no_change=n_epochs + 1,
                    random_state=0,
                ).fit(X, y)

        def textbook(n_epochs, X=X, y=y):
            return mlxtend.LinearRegression(
                method="sgd", eta=1e-5, epochs=n_epochs, minibatches=len(X) // 32
            ).fit(X, y)

        name = f"dense {n:,} × {d}, batches of 32"
        fits = {"MLPRegressor(())": network, "skgd": ours}
        rows.append(comparison(name, fits, 10.0, many=3, repeats=repeats))
        if mlxtend is not None:
            fits = {"mlxtend LinearRegression": textbook, "skgd": ours}
            rows.append(comparison(name, fits, 20.0, many=3, repeats=repeats))
    missing = [] if mlxtend else ["mlxtend"]
    return Table("Mini-batches, squared error", rows, missing=missing)


def every_path(repeats):
    """Every rule and way that has a peer, for the slowest of them."""
    rows = []
    tables = {
        "dense 200,000 × 100": dense(200_000, 100),
        "CSR 100,000 × 50,000": text_like(100_000, 50_000),
    }
    for table, (X, y) in tables.items():
        for loss in ("log_loss", "hinge", "modified_huber"):
            for penalty in (None, "l2", "l1", "elasticnet"):
                common = {"loss": loss, "penalty": penalty, "alpha": 1e-5}
                fits = {
                    "SGDClassifier": sgd_fit(SGDClassifier, X, y, **common),
                    "skgd": skgd_fit(GDClassifier, X, y, solver="sgd", **common),
                }
                name = f"{table}, {loss}, {penalty}"
                rows.append(comparison(name, fits, many=3, repeats=repeats))
        common = {"loss": "log_loss", "penalty": "l2", "alpha": 1e-5, "average": True}
        # Few rows, because on sparse ones this way touches every weight.
        X_few, y_few = X[:5000], y[:5000]
        fits = {
            "SGDClassifier": sgd_fit(SGDClassifier, X_few, y_few, **common),
            "skgd": skgd_fit(GDClassifier, X_few, y_few, solver="sgd", **common),
        }
        rows.append(
            comparison(
                f"{table[:5]}, 5,000 rows, average", fits, many=2, repeats=repeats
            )
        )
        fits = {
            "Perceptron": lambda n, X=X, y=y: Perceptron(
                max_iter=n, tol=None, random_state=0
            ).fit(X, y),
            "skgd": skgd_fit(GDClassifier, X, y, loss="perceptron", solver="sgd"),
        }
        rows.append(comparison(f"{table}, perceptron", fits, many=3, repeats=repeats))
    X, y = tables["dense 200,000 × 100"]
    fits = {
        "SGDRegressor": sgd_fit(SGDRegressor, X, y, penalty=None),
        "skgd": skgd_fit(GDRegressor, X, y, solver="sgd"),
    }
    rows.append(comparison("dense, squared error", fits, many=3, repeats=repeats))
    for lr in (1e-3, "auto"):
        for solver in ("sgd", "minibatch", "batch"):
            for optimizer in OPTIMIZERS:
                fits = {
                    "SGDClassifier": sgd_fit(SGDClassifier, X, y),
                    "skgd": skgd_fit(
                        GDClassifier, X, y, solver=solver, optimizer=optimizer, lr=lr
                    ),
                }
                name = f"dense, {solver}, {optimizer}, lr={lr}"
                rows.append(comparison(name, fits, many=3, repeats=repeats))
    return Table("Every way to make an epoch", rows)


def run(repeats=5):
    """All tables of this suite."""
    return [single_rows(repeats), minibatches(repeats), every_path(min(repeats, 3))]
