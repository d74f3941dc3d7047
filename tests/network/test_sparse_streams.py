"""Networks learn few CSR rows by prepared updates: the same bits as the usual way."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from skgd import MLPGD
from skgd._estimator.late import LATE, attributes_of

pytestmark = pytest.mark.filterwarnings("ignore")

rng = np.random.default_rng(0)
N, D = 40, 9
X = sparse.csr_array(np.where(rng.random((N, D)) < 0.4, 1.0, 0.0))
X.data[:] = rng.normal(size=X.nnz)
Z = X @ rng.normal(size=D) + rng.normal(size=N)
MODELS = {
    "two classes": ({}, (Z > 0).astype(int)),
    "three classes": ({}, np.digitize(Z, [-0.5, 0.5])),
    "regression": ({"loss": "squared_error"}, Z),
    "robust": ({"loss": "huber"}, Z),
    "counts": ({"loss": "poisson"}, np.floor(np.abs(Z))),
    "raw": ({"standardize": False, "lr": 0.01}, (Z > 0).astype(int)),
    "dropout": ({"dropout": 0.3}, (Z > 0).astype(int)),
    "ensemble": ({"n_ensemble": 2}, (Z > 0).astype(int)),
    "forgetting": ({"half_life": 7}, (Z > 0).astype(int)),
    "plain steps": ({"optimizer": "gd", "lr": 0.1}, (Z > 0).astype(int)),
    "no intercepts": ({"fit_intercept": False, "loss": "squared_error"}, Z),
}


def made(name):
    parameters, y = MODELS[name]
    return MLPGD((3,), random_state=0, **parameters), y


def learn(model, rows, y, weights=None, usual=False):
    """Learn chunk by chunk; returns how often the short way was taken."""
    taken, start = 0, 0
    first = {} if y.dtype.kind == "f" else {"classes": np.unique(y)}
    for chunk in rows:
        part = slice(start, start + chunk.shape[0])
        others = {} if weights is None else {"sample_weight": weights[part]}
        if usual:
            vars(model).pop("_quick", None)
        known = hasattr(model, "_state")
        model.partial_fit(chunk, y[part], **({} if known else first), **others)
        taken += LATE in attributes_of(model)
        start += chunk.shape[0]
    return taken


def chunks(size, X=X):
    return [X[i : i + size] for i in range(0, X.shape[0], size)]


def bits(model):
    state = model._state
    names = ("theta", "vectors", "scalars", "step_sizes", "base", "average")
    parts = [getattr(state, name) for name in names]
    parts += [*model.coefs_, *model.intercepts_, model._model.stream]
    scaling = model._model.scaling
    if scaling is not None:
        features = scaling.features
        parts += [features.mean, features.variance, features.low, features.high]
        parts.append(np.array(features.weight))
    return [(part.shape, str(part.dtype), part.tobytes()) for part in parts]


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_the_same_bits(name, weighted, size):
    weights = rng.uniform(0.5, 2.0, N) if weighted else None
    (model, y), (usual, _) = made(name), made(name)
    assert learn(model, chunks(size), y, weights) >= N // size - 3
    assert not learn(usual, chunks(size), y, weights, usual=True)
    assert bits(model) == bits(usual)
    assert set(vars(model)) == set(vars(usual))
    for attribute in ("t_", "n_iter_", "stop_reason_", "lr_"):
        assert getattr(model, attribute) == getattr(usual, attribute)
    assert_array_equal(model.predict(X[:5]), usual.predict(X[:5]))


@pytest.mark.parametrize("name", ["two classes", "regression", "raw"])
def test_it_does_not_matter_who_looks_on_the_way(name):
    (model, y), (usual, _) = made(name), made(name)
    for i in range(N):
        for one in (model, usual):
            named = {} if y.dtype.kind == "f" or i else {"classes": np.unique(y)}
            one.partial_fit(X[i : i + 1], y[i : i + 1], **named)
        if i % 3 == 0:
            assert model.coefs_[0].any() or i == 0
        elif i % 7 == 0:
            model = pickle.loads(pickle.dumps(model))
        elif i % 5 == 0:
            model.predict(X[:1])
    assert bits(model) == bits(usual)


def odd_rows():
    values, columns = np.array([1.0, 2.0, -1.0]), np.array([7, 2, 4])
    wide = sparse.csr_array((values, columns.astype(np.int64), [0, 3]), (1, D))
    wide.indptr = wide.indptr.astype(np.int64)
    return {
        "unsorted": sparse.csr_array((values, columns, [0, 3]), (1, D)),
        "twice": sparse.csr_array((values, [7, 2, 7], [0, 3]), (1, D)),
        "explicit zeros": sparse.csr_array(([0.0, 3.0], [1, 2], [0, 2]), (1, D)),
        "empty": sparse.csr_array((1, D)),
        "int64": wide,
        "float32": sparse.csr_array(X[:1].astype(np.float32)),
        "whole numbers": sparse.csr_array((X[:1] * 5).astype(np.int32)),
        "full": sparse.csr_array(np.arange(1.0, D + 1.0)[None]),
        "matrix": sparse.csr_matrix(X[:1]),
    }


@pytest.mark.parametrize("kind", odd_rows())
@pytest.mark.parametrize("name", ["two classes", "regression", "raw"])
def test_odd_rows(name, kind):
    (model, y), (usual, _) = made(name), made(name)
    rows = [*chunks(1), odd_rows()[kind], *chunks(1)[:3]]
    y = np.concatenate([y, y[:4]])
    assert learn(model, rows, y) >= N
    learn(usual, rows, y, usual=True)
    for mine, other in zip(bits(model), bits(usual), strict=True):
        assert_array_equal(np.frombuffer(mine[2]), np.frombuffer(other[2]))


def test_the_first_row_decides_the_precision():
    narrow = X.astype(np.float32)
    for rows in (chunks(1, narrow), [narrow[:1], *chunks(1)[1:]]):
        (model, y), (usual, _) = made("two classes"), made("two classes")
        assert learn(model, rows, y) > 0
        learn(usual, rows, y, usual=True)
        assert model._model.dtype == np.float32
        assert bits(model) == bits(usual)


def test_rows_with_many_entries_find_room():
    d = 3000
    wide = sparse.random(12, d, density=0.01, format="csr", random_state=0)
    full = sparse.csr_array(rng.normal(size=(3, d)))
    table = sparse.vstack([wide, full, wide], format="csr")
    y = np.arange(27) % 2
    models = [MLPGD((3,), random_state=0) for _ in range(2)]
    assert learn(models[0], chunks(1, table), y) > 20
    learn(models[1], chunks(1, table), y, usual=True)
    assert bits(models[0]) == bits(models[1])


def refused_rows():
    row = X[:1]
    far = sparse.csr_array(row)
    far.indices = far.indices + 100
    negative = sparse.csr_array(row)
    negative.indices = negative.indices - D
    short = sparse.csr_array(row)
    short.indptr = np.array([0, row.nnz + 3], dtype=row.indptr.dtype)
    return {
        "far": far,
        "negative": negative,
        "short": short,
        "NaN": sparse.csr_array(row * np.nan),
        "infinity": sparse.csr_array(row * np.inf),
        "wider": sparse.csr_array((1, D + 1)),
    }


@pytest.mark.parametrize("kind", refused_rows())
@pytest.mark.parametrize("name", ["two classes", "regression", "raw"])
def test_refused_rows_change_nothing(name, kind):
    (model, y), (usual, _) = made(name), made(name)
    learn(model, chunks(1), y)
    learn(usual, chunks(1), y, usual=True)
    with pytest.raises(ValueError, match=r"malformed|NaN|infinity|features"):
        model.partial_fit(refused_rows()[kind], y[:1])
    assert bits(model) == bits(usual)
    learn(model, chunks(1), y)
    learn(usual, chunks(1), y, usual=True)
    assert bits(model) == bits(usual)


@pytest.mark.parametrize("name", ["regression", "raw"])
def test_a_row_that_overflows_is_taken_back(name):
    (model, y), (usual, _) = made(name), made(name)
    learn(model, chunks(1), y)
    learn(usual, chunks(1), y, usual=True)
    huge = X[1:2] * 1e200
    for one in (model, usual):
        vars(usual).pop("_quick", None)
        one.partial_fit(huge, y[1:2])
    assert model.stop_reason_ == usual.stop_reason_
    assert bits(model) == bits(usual)
    assert all(np.isfinite(W).all() for W in model.coefs_)
