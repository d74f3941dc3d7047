"""scikit-learn's own checks, the default ones and the optional ones.

The only failures allowed: with one row per update, a row of weight 2 makes one long
step where two copies of it make two, so weights cannot equal repetition.
"""

import inspect

import numpy as np
import pandas as pd
import pytest
from checks import OPTIONAL, WEIGHT_EQUIVALENCE, documented
from sklearn.datasets import make_blobs
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgd import GDClassifier, GDRegressor
from skgd.penalties import Box

SOLVERS = ("batch", "minibatch", "sgd")
SHARED = (
    {},
    {"penalty": "elasticnet", "optimizer": "momentum"},
    {"penalty": "l1", "optimizer": "adam"},
    {"penalty": Box(-10.0, 10.0)},
    {"average": True},
    {"lr": 0.01, "lr_schedule": "cosine"},
)
VARIANTS = {
    GDRegressor: (
        *SHARED,
        {"loss": "huber"},
        {"loss": "absolute_error"},
        {"loss": "poisson"},
        {"loss": "gamma"},
    ),
    GDClassifier: (*SHARED, {"loss": "hinge"}, {"loss": "perceptron"}),
}
ESTIMATORS = [
    cls(solver=solver, **parameters)
    for cls, variants in VARIANTS.items()
    for solver in SOLVERS
    for parameters in variants
]
# All variants in mini-batches, and the plain ones otherwise, are checked every time.
FIRST = [
    one
    for one in ESTIMATORS
    if one.solver == "minibatch" or repr(one) == repr(type(one)(solver=one.solver))
]
OTHERS = [one for one in ESTIMATORS if one not in FIRST]


def expected_failures(estimator):
    # A hinge has many points within `tol` of its minimum, and which of them a search
    # ends at is a matter of rounding.
    single = estimator.solver == "sgd" or estimator.loss == "hinge"
    return WEIGHT_EQUIVALENCE if single else {}


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(FIRST, expected_failed_checks=expected_failures)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(OTHERS, expected_failed_checks=expected_failures)
def test_more_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", OPTIONAL)
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_optional_checks(cls, name):
    check = getattr(estimator_checks, name)
    arguments = (cls.__name__, cls())
    if name == "check_estimators_data_not_an_array":
        X = [[3, 0], [0, 1], [0, 2], [1, 1], [1, 2], [2, 1]] * 5
        y = [1, 1, 1, 2, 2, 2] * 5
        arguments += (X, y, "NotAnArray")
    check(*arguments)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
def test_predictions_follow_the_scores(loss, n_classes):
    X, y = make_blobs(n_samples=30, centers=n_classes, random_state=0)
    for labels in (y, np.array(["c", "a", "b"])[y]):
        estimator_checks.check_classifiers_predictions(
            X, labels, "GDClassifier", GDClassifier(loss=loss)
        )


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_documented_parameters_are_those_of_the_signature(cls):
    assert documented(cls.__doc__, "Parameters") == list(
        inspect.signature(cls).parameters
    )
    for name, method in inspect.getmembers(cls, inspect.isfunction):
        if name.startswith(("_", "set_")) or method.__module__ != cls.__module__:
            continue
        arguments = list(inspect.signature(method).parameters)[1:]
        assert documented(method.__doc__, "Parameters") == arguments, name


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_documented_attributes_are_those_of_a_fit(cls):
    X, y = make_blobs(n_samples=30, centers=2, random_state=0)
    X = pd.DataFrame(X, columns=["a", "b"])
    model = cls(early_stopping=True, max_iter=3).fit(X, y)
    public = {name for name in vars(model) if name.endswith("_")}
    # The calls are those of partial_fit.
    assert set(documented(cls.__doc__, "Attributes")) - {"calls_"} == public
