"""Every combination of parameters trains or is refused by a ValueError.

On the tables that are easiest to forget: nothing but zeros, constants, one row, one
feature, constant targets, numbers near the ends of the range.
"""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from skgd import MLPGD, GDClassifier, GDRegressor
from skgd.losses import loss_names
from skgd.optimizers import OPTIMIZERS
from skgd.schedules import SCHEDULES

TABLES = ("zeros", "constant", "one row", "two rows", "one feature", "copies", "any")


def table(kind, rng):
    n, p = rng.integers(2, 12), rng.integers(1, 5)
    n = {"one row": 1, "two rows": 2}.get(kind, n)
    p = 1 if kind == "one feature" else p
    X = rng.normal(size=(n, p))
    if kind == "zeros":
        X[:] = 0.0
    elif kind == "constant":
        X[:] = rng.choice([1.0, -3.0, 1e9])
    elif kind == "copies":
        X[:] = X[0]
    elif kind == "any":
        X *= 10.0 ** rng.uniform(-250, 250)
    return X


def drawn(rng):
    """A random point: estimator, X, y, weights and the call to make."""

    def one(*values):
        return values[rng.integers(len(values))]

    cls = one(GDRegressor, GDClassifier, MLPGD)
    task = {GDRegressor: "regression", GDClassifier: "classification"}.get(
        cls, one("regression", "classification")
    )
    X = table(one(*TABLES), rng)
    n = len(X)
    if task == "regression":
        y = one(rng.normal(size=n), np.full(n, 3.0), np.zeros(n), rng.exponential(n))
        y = np.broadcast_to(y, n)
        y = np.column_stack([y, y]) if rng.random() < 0.2 else y.copy()
    else:
        y = np.arange(n) % one(1, 2, 2, 3, 3)
    parameters = {
        "loss": one(*loss_names(task)),
        "solver": one("batch", "minibatch", "sgd"),
        "batch_size": one("auto", 1, 3, 100),
        "lr": one("auto", "auto", "auto", 0.01, 1e-300, 1e300),
        "lr_schedule": one(*SCHEDULES),
        "optimizer": one(*OPTIMIZERS),
        "alpha": one(0.0, 1e-4, 1.0, 1e300),
        "max_iter": one(1, 3),
        "tol": one(None, 0.0, 1e-4),
        "average": one(False, True, 2),
        "clip_norm": one(None, 1.0),
        "shuffle": one(True, False),
        "early_stopping": rng.random() < 0.1,
    }
    if cls is MLPGD:
        parameters |= {
            "hidden_layer_sizes": one((), (2,), (2, 2)),
            "dropout": one(0.0, 0.5),
            "n_ensemble": one(1, 1, 3),
            "standardize": one(True, False),
            "fit_intercept": one(True, True, False),
        }
    else:
        parameters |= {
            "penalty": one(None, "l1", "l2", "elasticnet"),
            "fit_intercept": one(True, False),
        }
    if task == "classification" and rng.random() < 0.2:
        parameters["class_weight"] = "balanced"
    dtype = one(np.float64, np.float32)
    with np.errstate(over="ignore"):
        X = np.clip(X, -np.finfo(dtype).max, np.finfo(dtype).max).astype(dtype)
    X = one(np.ascontiguousarray, np.asfortranarray, sparse.csr_array)(X)
    weights = one(None, None, rng.integers(0, 3, n).astype(float))
    call = one("fit", "warm start", "partial_fit", "fit_batches")
    return cls(random_state=0, **parameters), X, y, weights, task, call


def train(model, X, y, weights, task, call):
    if call == "partial_fit":
        labels = task == "classification" and not isinstance(model, GDRegressor)
        classes = {"classes": [0, 1, 2]} if labels else {}
        for _ in range(3):
            model.partial_fit(X, y, sample_weight=weights, **classes)
    elif call == "fit_batches":
        model.fit_batches([(X, y) if weights is None else (X, y, weights)] * 2)
    else:
        model.fit(X, y, sample_weight=weights)
        if call == "warm start":
            model.set_params(warm_start=True).fit(X, y)


def check(seed):
    rng = np.random.default_rng(seed)
    model, X, y, weights, task, call = drawn(rng)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            train(model, X, y, weights, task, call)
        except ValueError:
            return
        if not hasattr(model, "n_iter_"):
            return  # a call without a row that counts
        predicted = model.predict(X)
    warned = any(issubclass(one.category, ConvergenceWarning) for one in caught)
    assert warned or np.isfinite(predicted).all(), (model, call)


@pytest.mark.parametrize("seed", range(100))
def test_train_or_refuse(seed):
    check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(100, 6100, 100))
def test_train_or_refuse_at_many_points(start):
    for seed in range(start, start + 100):
        check(seed)


@pytest.mark.parametrize("optimizer", ["gd", "dowg", "nesterov", "momentum", "saga"])
@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_features_that_tell_nothing(value, solver, optimizer):
    """lr="auto" where nothing is curved: the best constant, or zero without one."""
    X, y = np.full((12, 3), value), np.arange(12.0)
    for loss in ("squared_error", "huber", "absolute_error"):
        for penalty in (None, "l1", "l2"):
            for fit_intercept in (True, False):
                model = GDRegressor(
                    loss,
                    penalty=penalty,
                    fit_intercept=fit_intercept,
                    solver=solver,
                    optimizer=optimizer,
                    random_state=0,
                )
                no_bound = loss == "absolute_error"
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ConvergenceWarning)
                    if optimizer == "saga" and (solver == "batch" or no_bound):
                        with pytest.raises(ValueError, match="saga"):
                            model.fit(X, y)
                        continue
                    model.fit(X, y)
                assert np.isfinite(model.predict(X)).all()
                if value == 0.0:
                    assert not model.coef_.any()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_rule_of_a_network_on_sparse_rows(optimizer):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5)) * (rng.random((60, 5)) < 0.5)
    y = X[:, 0]
    model = MLPGD(loss="squared_error", hidden_layer_sizes=(4,), optimizer=optimizer)
    model.set_params(max_iter=3, tol=None, shuffle=False, random_state=0)
    if OPTIMIZERS[optimizer]().needs_rows:
        with pytest.raises(ValueError, match=optimizer):
            model.fit(sparse.csr_array(X), y)
        return
    dense = model.fit(X, y).predict(X)
    np.testing.assert_allclose(model.fit(sparse.csr_array(X), y).predict(X), dense)


def test_classes_given_to_a_regressor_are_not_used():
    X, y = np.arange(6.0)[:, None], np.arange(6.0)
    model = MLPGD(loss="squared_error", hidden_layer_sizes=())
    for _ in range(2):
        model.partial_fit(X, y, classes=[0, 1])
    assert model.predict(X).shape == (6,)


def test_a_stream_of_weight_zero_has_no_balanced_weights():
    X, y = np.arange(6.0)[:, None], np.arange(6) % 2
    model = GDClassifier(class_weight="balanced")
    with pytest.raises(ValueError, match="weights are zero"):
        model.fit_batches([(X, y, np.zeros(6))])
    with pytest.raises(ValueError, match="weights are zero"):
        model.fit(X, y, sample_weight=np.zeros(6))
