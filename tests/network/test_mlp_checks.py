"""scikit-learn's own checks of MLPGD, as a classifier and as a regressor.

The only failures allowed: weights cannot equal repetition where one row makes an update
of its own, or draws a dropout mask of its own.
"""

import inspect
from itertools import product

import numpy as np
import pandas as pd
import pytest
from checks import OPTIONAL, WEIGHT_EQUIVALENCE, documented
from sklearn.datasets import make_blobs
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgd import MLPGD

GRID = [
    {
        "loss": loss,
        "solver": solver,
        "optimizer": optimizer,
        "activation": activation,
        "dropout": dropout,
        "standardize": standardize,
    }
    for loss, solver, optimizer, activation, dropout, standardize in product(
        ("log_loss", "squared_error"),
        ("batch", "minibatch", "sgd"),
        ("adam", "momentum", "gd"),
        ("relu", "tanh"),
        (0.0, 0.2),
        (True, False),
    )
]
SOME = [
    {},
    {"loss": "squared_error"},
    {"standardize": False},
    {"loss": "squared_error", "standardize": False, "activation": "tanh"},
    {"solver": "batch", "optimizer": "momentum", "activation": "tanh"},
    {"loss": "squared_error", "solver": "batch", "optimizer": "gd"},
    {"solver": "sgd", "optimizer": "gd", "dropout": 0.2},
    {"loss": "huber", "solver": "sgd", "dropout": 0.2, "hidden_layer_sizes": (8, 8)},
    {"loss": "hinge", "hidden_layer_sizes": (), "average": True},
    {"loss": "absolute_error", "lr": 1e-2, "lr_schedule": "cosine"},
    {"loss": "poisson"},
    {"loss": "gamma", "solver": "batch"},
    {"n_ensemble": 3},
    {"loss": "poisson", "n_ensemble": 2},
]


def expected_failures(estimator):
    strict = estimator.solver != "sgd" and not estimator.dropout
    return {} if strict else WEIGHT_EQUIVALENCE


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [MLPGD(**parameters) for parameters in SOME],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "parameters", GRID, ids=lambda given: "-".join(map(str, given.values()))
)
def test_scikit_learn_checks_of_every_combination(parameters):
    model = MLPGD(**parameters)
    results = estimator_checks.check_estimator(
        model, expected_failed_checks=expected_failures(model), on_fail=None
    )
    failed = {
        r["check_name"]: r["exception"] for r in results if r["status"] == "failed"
    }
    assert not failed


LOSSES = pytest.mark.parametrize("loss", ["log_loss", "squared_error"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", OPTIONAL)
@LOSSES
def test_optional_checks(loss, name):
    arguments = ("MLPGD", MLPGD(loss=loss))
    if name == "check_estimators_data_not_an_array":
        X = [[3, 0], [0, 1], [0, 2], [1, 1], [1, 2], [2, 1]] * 5
        y = [1, 1, 1, 2, 2, 2] * 5
        arguments += (X, y, "NotAnArray")
    getattr(estimator_checks, name)(*arguments)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_predictions_follow_the_scores(n_classes):
    X, y = make_blobs(n_samples=30, centers=n_classes, random_state=0)
    for labels in (y, np.array(["c", "a", "b"])[y]):
        estimator_checks.check_classifiers_predictions(X, labels, "MLPGD", MLPGD())


def test_documented_parameters_are_those_of_the_signature():
    assert documented(MLPGD.__doc__, "Parameters") == list(
        inspect.signature(MLPGD).parameters
    )
    for name, method in inspect.getmembers(MLPGD, inspect.isfunction):
        if name.startswith(("_", "set_")) or method.__module__ != MLPGD.__module__:
            continue
        arguments = list(inspect.signature(method).parameters)[1:]
        assert documented(method.__doc__, "Parameters") == arguments, name


@pytest.mark.filterwarnings("ignore")
@LOSSES
def test_documented_attributes_are_those_of_a_fit(loss):
    X, y = make_blobs(n_samples=30, centers=2, random_state=0)
    X = pd.DataFrame(X, columns=["a", "b"])
    model = MLPGD(loss=loss, early_stopping=True, max_iter=3).fit(X, y)
    public = {name for name in vars(model) if name.endswith("_")}
    # The calls are those of partial_fit; members are made when they are asked for.
    others = {"classes_", "calls_", "members_"} - public
    assert set(documented(MLPGD.__doc__, "Attributes")) - others == public
