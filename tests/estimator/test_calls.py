"""`calls_`: what the last calls of partial_fit did, and no more than a bound."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgd import MLPGD, GDClassifier, GDRegressor
from skgd._estimator.calls import MOST_CALLS, NO_CALLS, after, columns

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4))
Y = X @ [1.0, 2.0, 0.0, -1.0] + RNG.normal(size=300)
MODELS = {
    "dense": lambda: (GDRegressor(lr=0.01), X),
    "dense, automatic": lambda: (GDRegressor(), X),
    "sparse": lambda: (GDRegressor(lr=0.01), sparse.csr_matrix(X)),
    "sparse, automatic": lambda: (GDRegressor(), sparse.csr_matrix(X)),
    "network": lambda: (MLPGD((3,), loss="squared_error", random_state=0), X),
    "penalty": lambda: (GDRegressor(lr=0.01, penalty="l1", alpha=0.1), X),
}


@pytest.fixture(params=MODELS)
def stream(request):
    return MODELS[request.param]()


def test_each_call_is_an_entry(stream):
    model, rows = stream
    losses, rates = [], []
    for i in range(40):
        model.partial_fit(rows[i : i + 1], Y[i : i + 1])
        losses.append(model.best_loss_)
        rates.append(model.history_["lr"][-1])
    calls = model.calls_
    assert_allclose(calls["lr"], rates)
    assert calls["step"][-1] == model.t_
    assert_array_equal(np.diff(calls["step"]) > 0, True)
    assert (calls["seconds"] > 0).all()
    assert_allclose(calls["loss"], losses, rtol=0.2)


def test_it_does_not_matter_who_looks_on_the_way(stream):
    model, rows = stream
    other = copy.deepcopy(model)
    for i in range(30):
        model.partial_fit(rows[i : i + 1], Y[i : i + 1])
        other.partial_fit(rows[i : i + 1], Y[i : i + 1])
        assert len(other.calls_["loss"]) == i + 1
    for name in ("step", "loss", "lr"):
        assert_allclose(other.calls_[name], model.calls_[name], rtol=1e-12)


def test_there_is_a_bound(stream):
    model, rows = stream
    for i in range(2 * MOST_CALLS + 300):
        model.partial_fit(rows[i % 300 : i % 300 + 1], Y[i % 300 : i % 300 + 1])
    assert model._calls[1] <= 2 * MOST_CALLS
    calls = model.calls_
    assert len(calls["step"]) == MOST_CALLS
    assert_array_equal(calls["step"][-3:], model.t_ - np.array([2, 1, 0]))


def test_earlier_histories_stay_what_they_were():
    calls = [NO_CALLS]
    for i in range(5):
        calls.append(after(calls[-1], (i, 2.0 * i, 0.1, 1.0)))
    # From an earlier one: an update that was taken back, or another thread's.
    other = after(calls[3], (9, 9.0, 0.1, 1.0))
    assert columns(other)["step"].tolist() == [0, 1, 2, 9]
    assert columns(calls[5])["step"].tolist() == [0, 1, 2, 3, 4]
    assert columns(calls[2])["loss"].tolist() == [0.0, 2.0]


def test_a_copy_and_a_file_begin_anew():
    model = GDRegressor(lr=0.01).partial_fit(X[:1], Y[:1]).partial_fit(X[1:2], Y[1:2])
    for other in (copy.copy(model), pickle.loads(pickle.dumps(model))):
        assert not hasattr(other, "calls_")
        assert other.partial_fit(X[:3], Y[:3]).calls_["step"].tolist() == [other.t_]
    assert len(model.calls_["loss"]) == 2


def test_fit_starts_anew():
    model = GDClassifier(lr=0.01, max_iter=2, tol=None)
    with pytest.raises(AttributeError, match="no calls_"):
        model.calls_  # noqa: B018
    model.partial_fit(X, Y > 0, classes=[False, True])
    assert len(model.calls_["loss"]) == 1
    assert not hasattr(model.fit(X, Y > 0), "calls_")
    assert len(model.partial_fit(X, Y > 0).calls_["loss"]) == 1
    assert not hasattr(model.compact(), "calls_")


def test_a_call_that_is_taken_back_leaves_no_entry():
    model = GDRegressor(lr=0.01).partial_fit(X[:1], Y[:1]).partial_fit(X[1:2], Y[1:2])
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit([[np.nan] * 4], [1.0])
    assert len(model.calls_["loss"]) == 2
