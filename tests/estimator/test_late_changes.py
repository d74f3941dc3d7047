"""What is remembered belongs to its rows, its rule and its model."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from rules import ANY_GRADIENT
from scipy import sparse

from skgd import MLPGD, GDClassifier, GDRegressor
from skgd.losses import Huber
from skgd.optimizers import OPTIMIZERS, Adam, Momentum, Optimizer, RMSProp

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4))
Y = X @ [1.0, -2.0, 0.5, 0.0] + rng.normal(size=60)
OTHER_X = rng.normal(size=(60, 4))
OTHER_Y = -OTHER_X @ np.ones(4) + rng.normal(size=60)


# ---- rules ---------------------------------------------------------------------------


class GD(Optimizer):
    """Descent by signs, under the name of another rule."""

    @staticmethod
    def update(theta, grad, state, lr, t, p, scalars, step_sizes):
        for j in range(theta.size):
            theta[j] -= lr * np.sign(grad[j])
            step_sizes[j] = lr


class SignDescent(GD):
    pass


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
def test_rules_are_told_apart_by_type(solver, layout):
    known = {"lr": 0.01, "solver": solver, "max_iter": 2, "tol": None, "shuffle": False}
    named = GDRegressor(optimizer=GD(), **known).fit(layout(X), Y)
    other = GDRegressor(optimizer=SignDescent(), **known).fit(layout(X), Y)
    assert_allclose(named.coef_, other.coef_, rtol=1e-14)
    # Each update moves each weight by lr, up or down.
    assert_allclose(named.coef_ / 0.01, np.round(named.coef_ / 0.01), atol=1e-9)


RULES = {
    **{name: OPTIMIZERS[name] for name in ANY_GRADIENT},
    "rmsprop, momentum": RMSProp(momentum=0.9),
    "rmsprop, centred": RMSProp(centered=True),
    "rmsprop, both": RMSProp(momentum=0.9, centered=True),
    "amsgrad": Adam(amsgrad=True),
}
RULES = {
    name: rule() if isinstance(rule, type) else rule for name, rule in RULES.items()
}


@pytest.mark.parametrize("second", RULES)
@pytest.mark.parametrize("first", RULES)
def test_no_rule_reads_the_vectors_of_another(first, second):
    """Going on with another rule is going on with one that remembers nothing."""
    model = GDRegressor(lr=0.01, optimizer=RULES[first]).partial_fit(X, Y)
    model.set_params(optimizer=RULES[second])
    fresh = pickle.loads(pickle.dumps(model))
    vectors, scalars, step_sizes = RULES[second].start(5)
    if first != second:
        fresh._state.vectors = vectors
        fresh._state.scalars, fresh._state.step_sizes = scalars, step_sizes
        fresh._state.rule = ()
    model.partial_fit(OTHER_X, OTHER_Y)
    fresh.partial_fit(OTHER_X, OTHER_Y)
    assert model.stop_reason_ == "max_iter"
    assert model.coef_.tobytes() == fresh.coef_.tobytes()


def test_a_rule_keeps_its_vectors_when_its_parameters_change():
    model = GDRegressor(lr=0.01, optimizer=Momentum(0.9)).partial_fit(X, Y)
    buffer = model._state.vectors.copy()
    model.set_params(optimizer=Momentum(0.5), batch_size=60).partial_fit(X, Y)
    step = model._state.vectors - 0.5 * buffer
    gradient = -X.T @ (Y - X @ model.coef_ - model.intercept_) / 60
    # About the gradient: taken where the weights were a step ago.
    assert np.linalg.norm(step[0, :4] - gradient) < 0.2 * np.linalg.norm(gradient)


# ---- SAGA's table --------------------------------------------------------------------

SAGA = {"optimizer": "saga", "lr": 0.02, "solver": "sgd", "random_state": 0}
SAGA |= {"tol": None, "warm_start": True}


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("lr", [0.02, "auto"])
def test_a_table_of_other_rows_is_dropped(lr, layout):
    model = GDRegressor(**SAGA).set_params(lr=lr, max_iter=1).fit(layout(X), Y)
    model.set_params(max_iter=400).fit(layout(OTHER_X), OTHER_Y)
    design = np.c_[OTHER_X, np.ones(60)]
    exact = np.linalg.lstsq(design, OTHER_Y)[0]
    assert_allclose(model.coef_, exact[:4], atol=1e-6)


@pytest.mark.parametrize("change", ["targets", "weights", "loss"])
def test_a_table_of_other_numbers_is_dropped(change):
    weights = np.ones(60)
    model = GDRegressor(**SAGA, loss=Huber(2.0)).set_params(max_iter=2)
    model.fit(X, Y, weights)
    y, loss = Y, Huber(2.0)
    if change == "targets":
        y = OTHER_Y
    elif change == "weights":
        weights = np.linspace(0.1, 2.0, 60)
    else:
        loss = Huber(0.5)
    forgetful = pickle.loads(pickle.dumps(model))
    forgetful._state.derivatives = np.empty(0)
    for one in (model, forgetful):
        one.set_params(loss=loss).fit(X, y, weights)
    assert model.coef_.tobytes() == forgetful.coef_.tobytes()


def test_the_table_of_the_same_rows_is_kept():
    model = GDRegressor(**SAGA).set_params(max_iter=2).fit(X, Y)
    model.fit(X.copy(), Y)
    whole = GDRegressor(**SAGA).set_params(max_iter=4).fit(X, Y)
    assert model.coef_.tobytes() == whole.coef_.tobytes()


# ---- models --------------------------------------------------------------------------

NETWORK = {"loss": "squared_error", "hidden_layer_sizes": (4,), "random_state": 0}
CHANGES = [
    {"hidden_layer_sizes": (5,)},
    {"hidden_layer_sizes": (4, 4)},
    {"activation": "tanh"},
    {"standardize": False},
    {"dropout": 0.5},
    {"n_ensemble": 2},
    {"loss": "huber"},
]


def train(model, method):
    if method == "fit_batches":
        return model.fit_batches([(X, Y)])
    return getattr(model, method)(X, Y)


@pytest.mark.parametrize("method", ["fit", "partial_fit", "fit_batches"])
@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_network_cannot_be_changed(change, method):
    model = MLPGD(**NETWORK, warm_start=True, max_iter=2).partial_fit(X, Y)
    before = model.get_params()
    (name,) = change
    for one in (model.set_params(**change), pickle.loads(pickle.dumps(model))):
        state = one._state
        with pytest.raises(ValueError, match=f"{name} was changed"):
            train(one, method)
        assert one._state is state
        train(one.set_params(**{name: before[name]}), method)
    if method != "partial_fit":
        model.set_params(**change, warm_start=False)
        assert train(model, method).predict(X).shape == Y.shape


def test_equal_values_are_no_change():
    model = MLPGD(**NETWORK).partial_fit(X, Y)
    model.set_params(hidden_layer_sizes=[4], dropout=0, activation="relu")
    model.partial_fit(X, Y)
    assert model.t_ > 1


@pytest.mark.parametrize("method", ["fit", "partial_fit", "fit_batches"])
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_the_intercept_of_a_linear_model_stays(cls, method):
    model = cls(lr=0.01, max_iter=2, warm_start=True)
    y = Y if cls is GDRegressor else (Y > 0).astype(int)
    model.fit(X, y)
    model.set_params(fit_intercept=False)
    data = ([(X, y)],) if method == "fit_batches" else (X, y)
    with pytest.raises(ValueError, match="fit_intercept was changed"):
        getattr(model, method)(*data)


def test_late_parameters_are_checked():
    model = GDRegressor(lr=0.01).partial_fit(X, Y)
    with pytest.raises(ValueError, match="'lr' parameter"):
        model.set_params(lr=-1.0).partial_fit(X, Y)
    model.set_params(lr=0.01).partial_fit(X, Y)


@pytest.mark.parametrize("method", ["fit", "partial_fit", "fit_batches"])
@pytest.mark.parametrize("first, second", [("auto", 1e-12), (0.01, "auto")])
def test_a_model_goes_on_in_other_coordinates(first, second, method):
    """Between lr="auto" and a float the weights stay what they mean."""
    table = 5.0 * X + 100.0
    parameters = {"warm_start": True, "max_iter": 1, "tol": None, "shuffle": False}
    model = GDRegressor(lr=first, **parameters)
    model.fit(X if first == 0.01 else table, Y)
    rows = X if first == 0.01 else table
    before = model.predict(rows)
    model.set_params(lr=second)
    if second == "auto":
        # Where the run starts, which an epoch without steps leaves unchanged.
        model.set_params(optimizer="gd", alpha=0.0, lr_schedule=lambda step, epoch: 0.0)
    data = ([(rows, Y)],) if method == "fit_batches" else (rows, Y)
    getattr(model, method)(*data)
    assert_allclose(model.predict(rows), before, rtol=1e-6, atol=1e-8)
    assert model._model.raw == (second != "auto")


@pytest.mark.parametrize("method", ["fit", "partial_fit", "fit_batches"])
@pytest.mark.parametrize("first, later", [("f4", "f8"), ("f8", "f4")])
@pytest.mark.parametrize("cls", [GDRegressor, MLPGD])
def test_the_first_precision_stays(cls, first, later, method):
    others = {} if cls is GDRegressor else NETWORK
    model = cls(lr=0.01, max_iter=2, tol=None, warm_start=True, **others)
    model.fit(X.astype(first), Y)
    same = pickle.loads(pickle.dumps(model))
    for one, rows in ((model, X.astype(later)), (same, X.astype(later).astype(first))):
        data = ([(rows, Y)],) if method == "fit_batches" else (rows, Y)
        getattr(one, method)(*data)
    assert model._state.theta.dtype == np.dtype(first)
    assert model._state.theta.tobytes() == same._state.theta.tobytes()


def test_indicators_are_no_labels():
    model = MLPGD(hidden_layer_sizes=(3,), warm_start=True, max_iter=2)
    model.fit(X, (Y > 0).astype(int))
    indicators = np.stack([Y > 0, Y < 1], axis=1).astype(int)
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match="one label for each row"):
            getattr(model, method)(X, indicators)
