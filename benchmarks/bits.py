"""Checksums of many small fits, to see whether a change moved a bit.

``python -m benchmarks.bits > before.txt``, change something, run it again, compare. A
line stands for one fit: what it was, and a checksum of its coefficients and history.
Another processor gives other bits; two versions on one machine must not.
"""

import itertools
import warnings
import zlib

import numpy as np
from scipy import sparse

from skgd import MLPGD, GDClassifier, GDRegressor
from skgd.data import from_arrays
from skgd.losses import LOSSES, loss_names
from skgd.optimizers import OPTIMIZERS


def _checksum(model):
    parts = []
    for name in ("coef_", "intercept_", "coefs_", "intercepts_"):
        value = getattr(model, name, None)
        if value is not None:
            parts += value if isinstance(value, list) else [value]
    parts += [model.history_["loss"], model.history_["lr"]]
    checksum = 0
    for part in parts:
        checksum = zlib.crc32(np.ascontiguousarray(part).tobytes(), checksum)
    return f"{checksum:08x}"


def _data(task, n_outputs, layout, rng, n=300, d=7):
    X = rng.normal(size=(n, d)) * rng.uniform(0.5, 3.0, d)
    if layout == "csr":
        X[rng.random((n, d)) < 0.6] = 0.0
    z = X @ rng.normal(size=(d, n_outputs)) + rng.normal(size=(n, n_outputs))
    if task == "classification":
        y = (z[:, 0] > 0).astype(int) if n_outputs == 1 else z.argmax(axis=1)
    else:
        y = np.exp(z / 4) if n_outputs > 1 else np.exp(z[:, 0] / 4)
    X = X.astype(np.float32 if layout == "float32" else np.float64)
    return (sparse.csr_array(X) if layout == "csr" else X), y


def _fits():
    """(name, callable that returns a fitted model) of every case."""
    layouts = ("dense", "float32", "csr")
    solvers = ("batch", "minibatch", "sgd")
    for layout, solver, lr in itertools.product(layouts, solvers, ("auto", 0.01)):
        shared = {"solver": solver, "lr": lr, "max_iter": 12, "random_state": 0}
        for loss in loss_names("regression"):
            yield "regression", 1, layout, GDRegressor(loss, **shared)
        yield "regression", 3, layout, GDRegressor(**shared)
        for loss in loss_names("classification"):
            yield "classification", 1, layout, GDClassifier(loss, **shared)
            yield "classification", 3, layout, GDClassifier(loss, **shared)
        for penalty in ("l1", "elasticnet"):
            model = GDRegressor(penalty=penalty, alpha=0.01, **shared)
            yield "regression", 1, layout, model
        yield "regression", 1, layout, GDRegressor(average=True, **shared)
        for rule in OPTIMIZERS:
            of_rows = OPTIMIZERS[rule]().needs_rows
            if of_rows and solver == "batch":
                continue
            loss = "hinge" if rule in ("pa1", "pa2") else "log_loss"
            model = GDClassifier(loss, optimizer=rule, **shared)
            yield "classification", 1, layout, model
            if not of_rows:
                network = MLPGD(hidden_layer_sizes=(5,), optimizer=rule, **shared)
                yield "classification", 3, layout, network
        for loss in LOSSES:
            task = "regression" if loss in loss_names("regression") else None
            network = MLPGD(loss=loss, hidden_layer_sizes=(5, 4), dropout=0.1, **shared)
            yield task or "classification", 1, layout, network


def _train(model, X, y, way):
    if way == "fit":
        return model.fit(X, y)
    if way == "fit_batches":
        return model.fit_batches(from_arrays(X, y, batch_size=70))
    classes = {"classes": np.unique(y)} if y.dtype.kind == "i" else {}
    for start in range(0, 300, 60):
        model.partial_fit(X[start : start + 60], y[start : start + 60], **classes)
    return model


def main():
    warnings.simplefilter("ignore")
    for task, n_outputs, layout, model in _fits():
        X, y = _data(task, n_outputs, layout, np.random.default_rng(1))
        for way in ("fit", "partial_fit", "fit_batches"):
            if way != "fit" and model.optimizer == "saga":
                continue
            try:
                checksum = _checksum(_train(_fresh(model), X, y, way))
            except Exception as error:
                checksum = type(error).__name__
            name = " ".join(str(model).split())
            print(f"{checksum} {layout} {n_outputs} {way} {name}")


def _fresh(model):
    return type(model)(**model.get_params(deep=False))


if __name__ == "__main__":
    main()
