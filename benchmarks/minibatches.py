"""Seconds of one epoch of mini-batches: MLPRegressor, mlxtend, eager PyTorch.

Linear models; networks are in ``mlp.py``, single rows in ``epochs.py``.
"""

import numpy as np
from sklearn.neural_network import MLPRegressor

from benchmarks._command import alone
from benchmarks._fits import comparison, skgd_fit, torch_fit
from benchmarks._peers import dense, fewer, optional
from benchmarks._report import Table
from skgd import GDClassifier, GDRegressor

# Of a step along the mean gradient.
LR = 1e-3

# Rows, columns, rows per update: large tables, and those that textbooks use.
SHAPES = (
    (200_000, 100, 32),
    (200_000, 10, 32),
    (200_000, 100, 256),
    (10_000, 10, 32),
    (10_000, 10, 250),
    (1_000, 5, 32),
    (1_000, 5, 100),
)

# Softmax of three classes, as of irises.
CLASS_SHAPES = ((10_000, 10, 32), (1_000, 5, 32), (150, 4, 30))


def mlp_regressor(X, y, batch_size):
    """callable(n_epochs): a network without hidden layer."""

    def fit(n_epochs):
        return MLPRegressor(
            hidden_layer_sizes=(),
            solver="sgd",
            momentum=0.0,
            alpha=0.0,
            batch_size=batch_size,
            learning_rate_init=LR,
            max_iter=n_epochs,
            tol=0.0,
            n_iter_no_change=n_epochs + 1,
            random_state=0,
        ).fit(X, y)

    return fit


def mlxtend_fit(cls, X, y, batch_size, **parameters):
    """callable(n_epochs): it is told the number of batches, and steps by their sum."""

    def fit(n_epochs):
        return cls(
            eta=LR / batch_size,
            epochs=n_epochs,
            minibatches=len(X) // batch_size,
            random_seed=0,
            **parameters,
        ).fit(X, y)

    return fit


def torch_linear(X, y, batch_size):
    """callable(n_epochs): one linear layer, half the squared error, plain SGD."""
    import torch

    return torch_fit(
        lambda: [torch.nn.Linear(X.shape[1], 1)],
        lambda parameters: torch.optim.SGD(parameters, lr=LR),
        lambda scores, targets: 0.5 * torch.nn.functional.mse_loss(scores, targets),
        X,
        y[:, None],
        batch_size,
    )


def whole_batches(n, batch_size, quick):
    """The number of rows, rounded down to whole batches.

    Then all have the same number of updates: a rest is one update more in most
    libraries, and part of the last batch in mlxtend.
    """
    return fewer(n, quick) // batch_size * batch_size


def many_epochs(X, quick):
    """Epochs to time: enough for small tables to outweigh what a fit does once."""
    return 3 if quick else 1 + max(2, min(200, 1_000_000 // X.size))


def squared_error(repeats, quick):
    """``solver="minibatch"`` against all that have it."""
    mlxtend, torch = optional("mlxtend.regressor"), optional("torch")
    rows = []
    for n, d, batch_size in SHAPES:
        X, _ = dense(whole_batches(n, batch_size, quick), d)
        y = X @ np.random.default_rng(1).standard_normal(d)
        ours = skgd_fit(
            GDRegressor, X, y, solver="minibatch", batch_size=batch_size, lr=LR
        )
        peers = {"MLPRegressor(())": (mlp_regressor(X, y, batch_size), 10.0)}
        if mlxtend is not None:
            fit = mlxtend_fit(mlxtend.LinearRegression, X, y, batch_size, method="sgd")
            peers["mlxtend LinearRegression"] = (fit, 20.0)
        if torch is not None:
            peers["PyTorch Linear"] = (torch_linear(X, y, batch_size), None)
        work = f"{len(X):,} × {d}, batches of {batch_size}"
        rows += [
            comparison(
                work,
                {peer: fit, "skgd": ours},
                target if batch_size == 32 else None,
                many=many_epochs(X, quick),
                repeats=repeats,
            )
            for peer, (fit, target) in peers.items()
        ]
    note = (
        "Random order, float64. mlxtend and MLPRegressor also sum the loss in every "
        "epoch, as this package does; the loop in PyTorch does not."
    )
    missing = [
        name for name, found in (("mlxtend", mlxtend), ("torch", torch)) if not found
    ]
    return Table("Mini-batches, squared error", rows, note, missing)


def softmax(repeats, quick):
    """``solver="minibatch"`` of a classifier against mlxtend, on small tables."""
    mlxtend = optional("mlxtend.classifier")
    rows = []
    for n, d, batch_size in CLASS_SHAPES if mlxtend else ():
        n = n // batch_size * batch_size
        X, y = dense(n, d, n_classes=3)
        fits = {
            "mlxtend SoftmaxRegression": mlxtend_fit(
                mlxtend.SoftmaxRegression, X, y, batch_size
            ),
            "skgd": skgd_fit(
                GDClassifier,
                X,
                y,
                solver="minibatch",
                batch_size=batch_size,
                lr=LR,
                penalty=None,
            ),
        }
        work = f"{n:,} × {d}, batches of {batch_size}"
        rows.append(
            comparison(work, fits, 20.0, many=many_epochs(X, quick), repeats=repeats)
        )
    missing = [] if mlxtend else ["mlxtend"]
    return Table("Mini-batches, softmax of 3 classes", rows, missing=missing)


def run(repeats=5, quick=False):
    """All tables of this suite."""
    return [squared_error(repeats, quick), softmax(repeats, quick)]


if __name__ == "__main__":
    alone(run, __doc__)
