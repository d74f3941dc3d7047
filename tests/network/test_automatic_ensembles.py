"""How many networks n_ensemble="auto" trains, and that everything goes on with them."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_wine

from skgd import MLPGD
from skgd._network import automatic
from skgd._network.automatic import automatic_members

X, Y = load_wine(return_X_y=True)
SHORT = {"hidden_layer_sizes": (5,), "max_iter": 2, "tol": None, "random_state": 0}


def n_members(model):
    W = model.coefs_[0]
    return len(W) if W.ndim == 3 else 1


@pytest.mark.parametrize(
    ("parameters", "n"),
    [
        ({}, 4),
        ({"max_iter": 3, "optimizer": "gd", "solver": "batch"}, 4),
        ({"dropout": 0.1, "activation": "tanh", "average": True}, 4),
        ({"lr": 0.01}, 1),
        ({"alpha": 1e-3}, 1),
        ({"alpha": 0.0}, 1),
        ({"standardize": False}, 1),
        ({"hidden_layer_sizes": ()}, 1),
        ({"hidden_layer_sizes": (200, 250)}, 1),
        ({"n_ensemble": 2, "lr": 0.01}, 2),
        ({"n_ensemble": 1}, 1),
    ],
    ids=str,
)
def test_how_many_there_are(parameters, n):
    model = MLPGD(**{**SHORT, **parameters})
    assert n_members(model.fit(X, Y)) == n
    assert n_members(clone(model).fit_batches([(X, Y)])) == n
    assert_array_equal(model.predict(X), pickle.loads(pickle.dumps(model)).predict(X))


def test_the_limits_are_those_of_the_documentation():
    assert automatic_members((20, 100, 1), 10_000) == 4
    assert automatic_members((20, 100, 1), 10_001) == 1
    assert automatic_members((20, 100, 1), None) == 1
    assert automatic_members((99, 500, 1), 500) == 4
    assert automatic_members((100, 500, 1), 500) == 1


def test_many_rows_are_for_one(monkeypatch):
    monkeypatch.setattr(automatic, "MOST_ROWS", 100)
    assert n_members(MLPGD(**SHORT).fit(X, Y)) == 1
    assert n_members(MLPGD(**SHORT).fit(X[::2], Y[::2])) == 4


def test_a_default_fit_is_an_ensemble_of_four():
    model, four = MLPGD(**SHORT), MLPGD(**SHORT, n_ensemble=4)
    assert_array_equal(model.fit(X, Y).coefs_[0], four.fit(X, Y).coefs_[0])


def test_a_stream_is_one_network():
    model = MLPGD(**SHORT)
    for rows in (slice(0, 60), slice(60, 120), slice(120, 121)):
        model.partial_fit(X[rows], Y[rows], classes=[0, 1, 2])
        assert n_members(model) == 1
    assert n_members(model.fit(X, Y)) == 4


def test_what_goes_on_stays_what_it_is():
    model = MLPGD(**SHORT).fit(X, Y).partial_fit(X[:5], Y[:5])
    assert n_members(model) == 4
    model = MLPGD(**SHORT, warm_start=True).fit(X, Y)
    # Not an ensemble any more, had it begun with this rate.
    model.set_params(lr=0.01).fit(X, Y)
    assert n_members(model) == 4
    model = MLPGD(**SHORT, warm_start=True).partial_fit(X, Y, classes=[0, 1, 2])
    assert n_members(model.fit(X, Y)) == 1


def test_starting_weights_have_the_shapes_of_all_members():
    model = MLPGD(**SHORT).fit(X, Y)
    start = {"coefs_init": model.coefs_, "intercepts_init": model.intercepts_}
    assert n_members(clone(model).fit(X, Y, **start)) == 4
    alone = {name: [part[0] for part in parts] for name, parts in start.items()}
    with pytest.raises(ValueError, match="n_ensemble=1"):
        clone(model).fit(X, Y, **alone)
    assert n_members(clone(model).set_params(n_ensemble=1).fit(X, Y, **alone)) == 1


def test_predictions_move_less_with_the_seed():
    """Than those of one network: the mean of several varies less."""

    def spread(**parameters):
        settings = {**SHORT, "max_iter": 20, "hidden_layer_sizes": (20,), **parameters}
        found = [
            MLPGD(**{**settings, "random_state": seed}).fit(X, Y).predict_proba(X)
            for seed in range(5)
        ]
        return np.std(found, axis=0).mean()

    assert spread() < 0.7 * spread(n_ensemble=1)
