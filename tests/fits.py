"""Models of every kind, each fitted in a few milliseconds, to save and to load."""

import numpy as np
from rules import ANY_GRADIENT
from scipy import sparse
from sklearn.datasets import make_classification

from skgd import MLPGD, GDClassifier, GDRegressor
from skgd.activations import ACTIVATIONS
from skgd.losses import loss_names
from skgd.optimizers import Momentum
from skgd.penalties import L1, Box
from skgd.schedules import Cosine

N, D = 80, 6
SHORT = {"max_iter": 4, "random_state": 0}
STEPS = SHORT | {"lr": 0.01, "tol": None}

X, LABELS = make_classification(N, D, n_informative=4, n_classes=3, random_state=0)
COUNTS = np.exp(X @ np.linspace(-0.3, 0.4, D)) + 0.1
KINDS = {
    "binary": (LABELS > 0).astype(int),
    "strings": np.array(["no", "yes"])[(LABELS > 0).astype(int)],
    "three": LABELS,
    "words": np.array(["red", "green", "blue"])[LABELS],
    "multilabel": np.column_stack([LABELS > 0, LABELS > 1]).astype(int),
    "number": COUNTS,
    "numbers": np.column_stack([COUNTS, COUNTS[::-1]]),
}


def cases():
    """(name, estimator, X, y) of every loss, activation, output and precision."""
    for dtype in (np.float64, np.float32):
        table, kind = X.astype(dtype), np.dtype(dtype).name
        for loss in loss_names("classification"):
            for y in ("binary", "strings", "three", "words"):
                yield f"{loss}-{y}-{kind}", GDClassifier(loss, **SHORT), table, KINDS[y]
        for loss in loss_names("regression"):
            for y in ("number", "numbers"):
                yield f"{loss}-{y}-{kind}", GDRegressor(loss, **SHORT), table, KINDS[y]
                network = MLPGD((3,), loss=loss, **SHORT)
                yield f"net-{loss}-{y}-{kind}", network, table, KINDS[y]
        for loss in loss_names("classification"):
            if loss in loss_names("regression"):
                continue
            for y in ("binary", "words", "multilabel"):
                network = MLPGD((3,), loss=loss, **SHORT)
                yield f"net-{loss}-{y}-{kind}", network, table, KINDS[y]
        for activation in ACTIVATIONS:
            network = MLPGD((4, 3), activation=activation, **SHORT)
            yield f"net-{activation}-{kind}", network, table, KINDS["three"]


def states():
    """(name, estimator, X, y) whose training remembers something of its own."""
    y, rows = KINDS["binary"], sparse.csr_array(np.where(np.abs(X) > 1, X, 0.0))
    yield "search, l1", GDClassifier(penalty="l1", alpha=0.01, **SHORT), X, y
    yield "acceleration", GDClassifier(optimizer="nesterov", **SHORT), X, y
    yield "few rows", GDClassifier(solver="sgd", **SHORT), X, y
    yield "duals", GDClassifier(**SHORT), rows, y
    yield "average", GDClassifier(average=True, **STEPS), X, y
    yield "late average", GDRegressor(average=50, solver="sgd", **STEPS), X, COUNTS
    yield "saga", GDClassifier(optimizer="saga", solver="sgd", **STEPS), X, y
    yield "schedule", GDClassifier(lr_schedule=Cosine(), **STEPS), X, y
    yield "holding out", GDClassifier(early_stopping=True, **STEPS), X, y
    yield "penalty", GDClassifier(penalty=L1(np.ones(D)), **STEPS), X, y
    yield "box", GDRegressor(penalty=Box(0, 1), **SHORT), X, COUNTS
    yield "l1, sparse", GDClassifier(penalty="l1", alpha=0.01, **STEPS), rows, y
    yield "dropout", MLPGD((5,), dropout=0.3, **SHORT), X, y
    yield "ensemble", MLPGD((5,), n_ensemble=3, dropout=0.3, **SHORT), X, y
    yield "raw network", MLPGD((5,), standardize=False, **STEPS), X, y
    for optimizer in [*ANY_GRADIENT, "pa1", "pa2"]:
        loss = "hinge" if optimizer in ("pa1", "pa2") else "log_loss"
        model = GDClassifier(loss, optimizer=optimizer, **STEPS)
        yield optimizer, model, X, y
        yield f"{optimizer}, sparse", model, rows, y
    yield "object", GDClassifier(optimizer=Momentum(0.5), **STEPS), rows, LABELS


def fitted(model, X, y, how="fit"):
    """A fitted copy of the model, by `fit` or by two calls of `partial_fit`."""
    from sklearn.base import clone

    model = clone(model)
    if how == "fit":
        return model.fit(X, y)
    model.set_params(early_stopping=False)
    others = {}
    is_multilabel = np.ndim(y) == 2
    if getattr(model, "loss", None) in loss_names("classification"):
        others = {} if is_multilabel else {"classes": np.unique(y)}
    if isinstance(model, GDRegressor):
        others = {}
    half = N // 2
    model.partial_fit(X[:half], y[:half], **others)
    return model.partial_fit(X[half:], y[half:])


def answers(model, X):
    """All that a fitted model says about rows, by method."""
    names = ("predict", "decision_function", "predict_proba")
    return {name: getattr(model, name)(X) for name in names if hasattr(model, name)}
