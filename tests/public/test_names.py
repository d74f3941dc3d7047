"""Names that people bring from elsewhere: accepted with one meaning, else explained."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

import skgd
from skgd import MLPGD, GDClassifier, GDRegressor
from skgd.activations import ACTIVATIONS, get_activation
from skgd.losses import LOSSES
from skgd.optimizers import OPTIMIZERS, get_optimizer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = X @ [1.0, 2.0, 3.0] + RNG.normal(size=40)
CLASSES = (Y > 0).astype(int)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("model", "alias", "plain"),
    [
        (GDRegressor, {"loss": "mse"}, {"loss": "squared_error"}),
        (GDRegressor, {"loss": "MAE"}, {"loss": "absolute_error"}),
        (GDClassifier, {"loss": "cross_entropy"}, {"loss": "log_loss"}),
        (GDClassifier, {"loss": "cross-entropy"}, {"loss": "log_loss"}),
        (GDRegressor, {"optimizer": "Adam"}, {"optimizer": "adam"}),
        (GDRegressor, {"optimizer": "RMSprop"}, {"optimizer": "rmsprop"}),
        (
            GDRegressor,
            {"lr": 0.1, "lr_schedule": "Cosine"},
            {"lr": 0.1, "lr_schedule": "cosine"},
        ),
        (MLPGD, {"activation": "sigmoid"}, {"activation": "logistic"}),
        (MLPGD, {"activation": "ReLU"}, {"activation": "relu"}),
    ],
)
def test_one_meaning_is_accepted(model, alias, plain):
    y = Y if model is GDRegressor else CLASSES
    fits = []
    for keywords in (alias, plain):
        one = clone(model(max_iter=3, random_state=0, **keywords)).fit(X, y)
        assert {name: one.get_params()[name] for name in keywords} == keywords
        fits.append(one)
    assert_array_equal(fits[0].predict(X), fits[1].predict(X))
    assert_array_equal(fits[0].loss_curve_, fits[1].loss_curve_)


def test_alias_tables_lead_to_names_that_are_there():
    for registry in (LOSSES, OPTIMIZERS, ACTIVATIONS):
        for alias, name in registry.aliases.items():
            assert alias not in registry
            assert registry[alias] is registry[name]
    assert type(get_optimizer("Adam")) is OPTIMIZERS["adam"]
    assert type(get_activation("swish")) is ACTIVATIONS["silu"]


@pytest.mark.parametrize(
    ("model", "keywords", "meant"),
    [
        (GDRegressor, {"optimizer": "sgd"}, "optimizer='gd' with solver='sgd'"),
        (GDRegressor, {"solver": "adam"}, "optimizer='adam'"),
        (GDRegressor, {"solver": "mini-batch"}, "'minibatch'"),
        (GDRegressor, {"lr_schedule": "cos"}, "'cosine'"),
        (GDRegressor, {"loss": "huberr"}, "'huber'"),
        (GDRegressor, {"optimizer": "adagard"}, "'adagrad'"),
        (GDRegressor, {"lr": "constant"}, "lr=0.01 with lr_schedule='constant'"),
        (GDRegressor, {"penalty": "elastic_net"}, "'elasticnet'"),
        (GDClassifier, {"loss": "logloss"}, "'log_loss'"),
        (GDClassifier, {"loss": "huber"}, "loss='modified_huber', which is for"),
        (GDClassifier, {"lr_schedule": "adaptive"}, "lr_schedule=Plateau(gamma=0.2"),
        (GDRegressor, {"lr_schedule": "optimal"}, "lr='auto', or lr=1.0"),
        (MLPGD, {"activation": "softmax"}, "loss='log_loss'"),
    ],
)
def test_a_wrong_value_gets_the_right_one(model, keywords, meant):
    with pytest.raises(ValueError, match="parameter of") as caught:
        model(**keywords).fit(X, CLASSES)
    assert f"Did you mean {meant}" in str(caught.value)


def test_advice_is_about_the_parameter_that_is_wrong():
    with pytest.raises(ValueError, match="'alpha' parameter") as caught:
        GDRegressor(loss="huber", alpha=-1.0).fit(X, Y)
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize("solver", ["lbfgs", 3])
def test_choices_stand_in_a_fixed_order(solver):
    with pytest.raises(ValueError, match=r"\{'batch', 'minibatch', 'sgd'\}"):
        GDRegressor(solver=solver).fit(X, Y)


def test_a_name_like_no_other_gets_no_advice():
    with pytest.raises(ValueError, match="a str among") as caught:
        GDRegressor(loss="qqq").fit(X, Y)
    assert "Did you mean" not in str(caught.value)
    # In a fixed order: the one of the documentation.
    text = str(caught.value)
    assert text.index("squared_error") < text.index("huber") < text.index("tweedie")


@pytest.mark.parametrize(
    ("model", "keyword", "meant"),
    [
        (GDRegressor, "learning_rate", "lr="),
        (GDRegressor, "eta0", "lr?"),
        (GDClassifier, "epochs", "max_iter?"),
        (GDClassifier, "momentum", "optimizer=Momentum"),
        (GDClassifier, "penality", "'penalty'?"),
        (MLPGD, "learning_rate_init", "lr?"),
        (MLPGD, "hidden_units", "hidden_layer_sizes?"),
    ],
)
def test_an_unknown_keyword_gets_the_right_one(model, keyword, meant):
    with pytest.raises(TypeError, match=f"unexpected keyword.*{keyword}") as caught:
        model(**{keyword: 1})
    assert f". Did you mean {meant}" in str(caught.value)


def test_unknown_keyword_like_no_other():
    with pytest.raises(TypeError) as caught:
        GDRegressor(qqq=1)
    assert str(caught.value) == (
        "GDRegressor() got an unexpected keyword argument 'qqq'"
    )
    with pytest.raises(TypeError) as caught:
        GDRegressor(hidden_units=1)
    assert "mean" not in str(caught.value)


@pytest.mark.parametrize("name", skgd._MODULES)
def test_modules_are_attributes_of_the_package(name):
    if name in ("dask", "ray"):
        pytest.importorskip({"dask": "distributed"}.get(name, name))
    import subprocess
    import sys

    code = f"""
import sys, skgd
assert skgd.{name}.__name__ == "skgd.{name}"
assert {name!r} in dir(skgd)
assert "numba" not in sys.modules and "matplotlib" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_other_attributes_are_missed_as_usual():
    with pytest.raises(AttributeError, match="no attribute 'modules'"):
        skgd.modules  # noqa: B018


def test_advice_can_be_followed():
    """Every call in a hint is one that the library takes."""
    import re

    import skgd.losses
    import skgd.optimizers
    import skgd.schedules
    from skgd._estimator.habits import KEYWORDS, VALUES

    known = {
        **vars(skgd.optimizers),
        **vars(skgd.losses),
        **vars(skgd.schedules),
    }
    parameters = set(GDClassifier().get_params()) | set(MLPGD().get_params())
    for hint in [*KEYWORDS.values(), *VALUES.values()]:
        outside = re.sub(r"\(.*?\)", "", hint)
        names = re.findall(r"(\w+)=", outside)
        assert set(names) <= parameters, hint
        if hint.isidentifier():
            assert hint in parameters
        for call in re.findall(r"[A-Z]\w+\([^)]*\)", hint):
            assert eval(call, dict(known)) is not None
