"""One row is one row, whatever it comes as: the same bits, the same refusals."""

import copy
import pickle
import threading
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone

from skgd import MLPGD, GDClassifier, GDRegressor
from skgd._estimator.base import BaseGD
from skgd._estimator.late import LATE, attributes_of

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N, D = 14, 4
rng = np.random.default_rng(0)
# Whole numbers, which every type holds exactly.
X = rng.integers(-3, 4, size=(N, D)).astype(np.float64)
Z = X @ [1.0, -2.0, 0.5, 0.0] + rng.normal(size=N)
WEIGHTS = rng.uniform(0.5, 2.0, N)
COLUMN_MAJOR = np.asfortranarray(X)
WIDE = np.zeros((N, 2 * D))
WIDE[:, ::2] = X
READ_ONLY = X.copy()
READ_ONLY.flags.writeable = False

WAYS = {
    "row by row": lambda i: X[i : i + 1],
    "column by column": lambda i: COLUMN_MAJOR[i : i + 1],
    "strided": lambda i: WIDE[i : i + 1, ::2],
    "backwards": lambda i: X[i : i + 1, ::-1].copy()[:, ::-1],
    "read-only": lambda i: READ_ONLY[i : i + 1],
    "float32": lambda i: X[i : i + 1].astype(np.float32),
    "float16": lambda i: X[i : i + 1].astype(np.float16),
    "other byte order": lambda i: X[i : i + 1].astype(">f8"),
    "int64": lambda i: X[i : i + 1].astype(np.int64),
    "int8": lambda i: X[i : i + 1].astype(np.int8),
    "list of floats": lambda i: X[i : i + 1].tolist(),
    "list of ints": lambda i: X[i : i + 1].astype(int).tolist(),
    "tuple": lambda i: tuple(map(tuple, X[i : i + 1].tolist())),
    "list of arrays": lambda i: [X[i]],
}
TWO = (Z > 0).astype(int)
THREE = np.digitize(Z, [-2.0, 2.0])
MODELS = {
    "regressor": (GDRegressor(), Z),
    "several targets": (GDRegressor(), np.stack([Z, 1.0 - Z], axis=1)),
    "two classes": (GDClassifier(), TWO),
    "three classes": (GDClassifier(), THREE),
    "network": (MLPGD((3,), random_state=0), TWO),
    "network, three classes": (MLPGD((3,), random_state=0), THREE),
    "network, regression": (MLPGD((3,), loss="squared_error", random_state=0), Z),
}


def is_regression(y):
    return y.dtype.kind == "f"


def stream(model, rows, y, weights=None, named=False, usual=False, first=None):
    """Learn row by row; returns how often the short way was taken."""
    taken = 0
    for i in range(len(y)):
        others = {}
        if not is_regression(np.asarray(y)) and (i == 0 or named):
            others["classes"] = np.unique(y)
        if weights is not None:
            others["sample_weight"] = weights[i : i + 1]
        if usual:
            vars(model).pop("_quick", None)
        row = first if i == 0 and first is not None else rows(i)
        model.partial_fit(row, y[i : i + 1], **others)
        taken += LATE in attributes_of(model)
    return taken


def bits(model):
    """Parameters, as the state and as they are shown."""
    state = model._state
    names = ("theta", "vectors", "scalars", "step_sizes", "base", "average")
    parts = [getattr(state, name) for name in names]
    for name in ("coef_", "intercept_", "coefs_", "intercepts_"):
        value = getattr(model, name, [])
        parts += value if isinstance(value, list) else [value]
    return [(part.shape, str(part.dtype), part.tobytes()) for part in parts]


@pytest.mark.parametrize("weighted, named", [(False, False), (True, True)])
@pytest.mark.parametrize("lr", [0.01, "auto"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("way", WAYS)
def test_the_same_bits_whatever_it_comes_as(way, name, lr, weighted, named):
    model, y = MODELS[name]
    weights = WEIGHTS if weighted else None
    reference = clone(model).set_params(lr=lr)
    stream(reference, WAYS["row by row"], y, weights, usual=True)
    model = clone(model).set_params(lr=lr)
    # The first row decides the precision.
    narrow = X[:1] if way == "float32" else None
    taken = stream(model, WAYS[way], y, weights, named, first=narrow)
    # Coordinates of lr="auto" are made anew while a stream is young. After one row its
    # target seems exact, and the second has a loss that is a million times as large.
    least = N - 2 if name == "network, regression" else N - 1
    assert taken >= (least if lr != "auto" or name.startswith("network") else 1)
    assert bits(model) == bits(reference)


@pytest.mark.parametrize("lr", [0.01, "auto"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_rows_of_frames(library, name, lr):
    frames = pytest.importorskip(library)
    names = [f"x{j}" for j in range(D)]

    def row(i):
        return frames.DataFrame(dict(zip(names, X[i : i + 1].T, strict=True)))

    model, y = MODELS[name]
    model = clone(model).set_params(lr=lr)
    reference = clone(model)
    assert stream(model, row, y) > 0
    stream(reference, row, y, usual=True)
    assert bits(model) == bits(reference)
    assert model.feature_names_in_.tolist() == names
    assert_array_equal(model.predict(row(0)), reference.predict(row(0)))
    before = pickle.dumps(model)
    other = row(0)[names[::-1]]
    for call in (lambda: model.partial_fit(other, y[:1]), lambda: model.predict(other)):
        with pytest.raises(ValueError, match="feature names should match"):
            call()
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X[:1])
    assert pickle.dumps(model) == before


def test_columns_of_several_types():
    pandas = pytest.importorskip("pandas")

    def row(i):
        return pandas.DataFrame(
            {"a": X[i : i + 1, 0].astype(np.float32), "b": X[i : i + 1, 1].astype(int)}
        )

    def cautious(i):  # Floats and booleans, which pandas makes objects of.
        return row(i).assign(b=X[i : i + 1, 1] > 0)

    for rows in (row, cautious):
        models = GDRegressor(lr=0.01), GDRegressor(lr=0.01)
        stream(models[0], rows, Z)
        stream(models[1], rows, Z, usual=True)
        assert bits(models[0]) == bits(models[1])


@pytest.mark.parametrize("name", ["two classes", "network"])
def test_labels_of_any_kind(name):
    pandas = pytest.importorskip("pandas")
    reference, y = MODELS[name]
    reference = clone(reference).set_params(lr=0.01)
    stream(reference, WAYS["row by row"], y)
    names = np.array(["a", "b"])[y]
    kinds = [
        (y.tolist(), [0, 1]),
        (y.astype(bool), [False, True]),
        (y.astype(np.int8), [0, 1]),
        (list(y), [0, 1]),
        (names, ["a", "b"]),
        (names.tolist(), ["a", "b"]),
        (names.astype(object), ["a", "b"]),
        (pandas.Series(names), ["a", "b"]),
        (pandas.Series(y), [0, 1]),
    ]
    for labels, classes in kinds:
        model, taken = clone(reference), 0
        for i in range(N):
            model.partial_fit(X[i : i + 1], labels[i : i + 1], classes=classes)
            taken += LATE in attributes_of(model)
        assert taken == N - 1
        assert model._state.theta.tobytes() == reference._state.theta.tobytes()


# ---- what is refused -----------------------------------------------------------------


REFUSED = {
    "NaN": lambda x, y: ((np.full_like(x, np.nan), y), {}),
    "NaN in a list": lambda x, y: (([[float("nan")] * D], y), {}),
    "infinity": lambda x, y: ((np.full_like(x, np.inf), y), {}),
    "fewer features": lambda x, y: ((x[:, :2], y), {}),
    "more features": lambda x, y: ((np.hstack([x, x]), y), {}),
    "one dimension": lambda x, y: ((x[0], y), {}),
    "three dimensions": lambda x, y: ((x[None], y), {}),
    "no rows": lambda x, y: ((x, y[:0]), {}),
    "more targets": lambda x, y: ((x, np.concatenate([y, y])), {}),
    "complex": lambda x, y: ((x.astype(complex), y), {}),
    "complex list": lambda x, y: (([[1j] * D], y), {}),
    "words": lambda x, y: (([["word"] * D], y), {}),
    "objects": lambda x, y: ((np.full(x.shape, "word", object), y), {}),
    "ragged": lambda x, y: (([[1.0], [1.0, 2.0]], y), {}),
    "sparse of another width": lambda x, y: ((sparse.csr_array((1, 9)), y), {}),
    "negative weight": lambda x, y: ((x, y), {"sample_weight": [-1.0]}),
    "weight NaN": lambda x, y: ((x, y), {"sample_weight": [np.nan]}),
    "two weights": lambda x, y: ((x, y), {"sample_weight": [1.0, 1.0]}),
    "weight a word": lambda x, y: ((x, y), {"sample_weight": ["word"]}),
    "unknown label": lambda x, y: ((x, np.array([7.5])), {}),
    "unknown word": lambda x, y: ((x, ["word"]), {}),
    "target NaN": lambda x, y: ((x, np.array([np.nan])), {}),
    "complex target": lambda x, y: ((x, np.array([1j])), {}),
    "other classes": lambda x, y: ((x, y), {"classes": [0, 5]}),
}


@pytest.mark.parametrize("lr", [0.01, "auto"])
@pytest.mark.parametrize("bad", REFUSED)
@pytest.mark.parametrize("name", ["regressor", "two classes", "network"])
def test_what_is_refused_is_refused_with_the_same_words(name, bad, lr):
    model, y = MODELS[name]
    if is_regression(y) and bad in ("unknown label", "other classes"):
        pytest.skip("a regressor has no classes")
    model = clone(model).set_params(lr=lr)
    stream(model, WAYS["row by row"], y)
    usual = pickle.loads(pickle.dumps(model))
    saved, before = pickle.dumps(model), vars(model).copy()
    arguments, others = REFUSED[bad](X[:1], y[:1])
    errors = []
    for one in (model, usual):
        with pytest.raises((ValueError, TypeError)) as caught:
            one.partial_fit(*arguments, **others)
        errors.append((type(caught.value), str(caught.value)))
    assert errors[0] == errors[1]
    assert pickle.dumps(model) == saved
    assert vars(model) == before
    stream(model, WAYS["row by row"], y)
    stream(usual, WAYS["row by row"], y, usual=True)
    assert bits(model) == bits(usual)


def test_a_row_of_weight_zero_changes_nothing():
    for name in MODELS:
        model, y = MODELS[name]
        model = clone(model).set_params(lr=0.01)
        stream(model, WAYS["row by row"], y)
        before = bits(model)
        model.partial_fit(X[:1], y[:1], sample_weight=[0.0])
        assert bits(model) == before


# ---- predictions ---------------------------------------------------------------------


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("way", WAYS)
def test_predictions_of_one_row(way, name, fitted, monkeypatch):
    model, y = MODELS[name]
    model = clone(model).set_params(lr=0.01)
    model.fit(X, y) if fitted else stream(model, WAYS["row by row"], y)
    methods = ["predict"]
    if not is_regression(y):
        methods += ["decision_function", "predict_proba", "predict_log_proba"]
    quick = [getattr(model, method)(WAYS[way](0)) for method in methods]
    monkeypatch.setattr(BaseGD, "_plain_rows", lambda self, X: None)
    for method, found in zip(methods, quick, strict=True):
        expected = getattr(model, method)(WAYS[way](0))
        assert found.dtype == expected.dtype
        assert_array_equal(found, expected)


@pytest.mark.parametrize("name", MODELS)
def test_predictions_are_refused_with_the_same_words(name, monkeypatch):
    model, y = MODELS[name]
    model = clone(model)
    with pytest.raises(ValueError, match="not fitted"):
        model.predict(X[:1])
    stream(model, WAYS["row by row"], y)
    bad = ["NaN", "NaN in a list", "infinity", "fewer features", "one dimension"]
    bad += ["complex", "words", "objects", "sparse of another width"]
    errors = []
    for _ in range(2):
        for kind in bad:
            with pytest.raises((ValueError, TypeError)) as caught:
                model.predict(REFUSED[kind](X[:1], y[:1])[0][0])
            errors.append(str(caught.value))
        monkeypatch.setattr(BaseGD, "_plain_rows", lambda self, X: None)
    assert errors[: len(bad)] == errors[len(bad) :]


# ---- attributes that are made when they are read -------------------------------------


def streamed(name, **parameters):
    model, y = MODELS[name]
    model = clone(model).set_params(**{"lr": 0.01} | parameters)
    stream(model, WAYS["row by row"], y)
    assert LATE in attributes_of(model)
    return model, y


@pytest.mark.parametrize("name", MODELS)
def test_late_attributes_have_always_been_there(name):
    model, y = streamed(name)
    weights = "coefs_" if isinstance(model, MLPGD) else "coef_"
    usual = clone(model)
    stream(usual, WAYS["row by row"], y, usual=True)
    names = set(vars(usual)) - {"_quick"}
    for look in (
        vars,
        lambda one: one.__dict__,
        lambda one: vars(pickle.loads(pickle.dumps(one))),
        lambda one: vars(copy.copy(one)),
        lambda one: vars(copy.deepcopy(one)),
    ):
        model, _ = streamed(name)
        # What the last calls did is neither copied nor saved.
        passing = {"_quick", "_checked", "_calls"}
        assert set(look(model)) - passing == names - passing
    for attribute in ("t_", "history_", "n_iter_", "lr_", "stop_reason_", weights):
        model, _ = streamed(name)
        assert hasattr(model, attribute)
    assert model.t_ == N
    assert not hasattr(clone(model), weights)
    with pytest.raises(AttributeError, match="has no attribute 'other_'"):
        _ = model.other_


def test_why_there_are_no_probabilities_is_still_said():
    model = GDClassifier("hinge", lr=0.01)
    stream(model, WAYS["row by row"], TWO)
    with pytest.raises(AttributeError, match="predict_proba") as caught:
        _ = model.predict_proba
    assert "does not give probabilities" in str(caught.value.__cause__)


def test_weights_that_a_user_sets_are_predicted_with():
    model, y = streamed("regressor")
    model.coef_ = np.zeros(D)
    assert_allclose(model.predict(X[:2]), model.intercept_[0])
    assert not vars(model)["coef_"].any()
    model, y = streamed("regressor")
    model.coef_[:] = 0.0
    assert_allclose(model.predict(X[:2]), model.intercept_[0])
    # Training goes on from what was learnt.
    model.partial_fit(X[:1], y[:1])
    other, _ = streamed("regressor")
    other.partial_fit(X[:1], y[:1])
    assert_array_equal(model.coef_, other.coef_)


class Mixin:
    """In front of the estimator, with a dict of its own."""


class Mixed(Mixin, GDRegressor):
    pass


class Shown(GDRegressor):
    """Shows its weights in another unit."""

    def _weights_shown(self, task, model, theta):
        shown = super()._weights_shown(task, model, theta)
        return shown | {"doubled_": 2.0 * shown["coef_"]}


class Checked(GDRegressor):
    """Has a look at the rows itself."""

    def _checked_data(self, X, y, reset):
        X, y = super()._checked_data(X, y, reset)
        return X + 1.0, y


def test_subclasses():
    reference, y = streamed("regressor")
    mixed = Mixed(lr=0.01)
    stream(mixed, WAYS["row by row"], y)
    assert set(vars(mixed)) == set(vars(reference))
    assert bits(mixed) == bits(reference)
    shown = Shown(lr=0.01)
    assert not stream(shown, WAYS["row by row"], y)
    assert_array_equal(shown.doubled_, 2.0 * reference.coef_)
    checked = Checked(lr=0.01)
    assert not stream(checked, WAYS["row by row"], y)


@pytest.mark.parametrize("name", MODELS)
def test_pickled_in_the_middle(name):
    for lr in (0.01, "auto"):
        model, y = MODELS[name]
        model = clone(model).set_params(lr=lr)
        stream(model, WAYS["row by row"], y)
        other = pickle.loads(pickle.dumps(model))
        stream(model, WAYS["strided"], y)
        stream(other, WAYS["list of floats"], y)
        assert bits(model) == bits(other)


# ---- sparse rows ---------------------------------------------------------------------

SPARSE = sparse.csr_array(np.where(rng.random((40, 9)) < 0.4, 1.0, 0.0))
SPARSE.data[:] = rng.normal(size=SPARSE.nnz)
SPARSE_Z = rng.normal(size=40) + SPARSE @ rng.normal(size=9)
SPARSE_MODELS = {
    "regressor": (GDRegressor(), SPARSE_Z),
    "two classes": (GDClassifier(), (SPARSE_Z > 0).astype(int)),
    "three classes": (GDClassifier(), np.digitize(SPARSE_Z, [-0.5, 0.5])),
    "hinge": (GDClassifier("hinge"), (SPARSE_Z > 0).astype(int)),
}
RULES = [
    {"lr": "auto"},
    {"lr": "auto", "penalty": None},
    {"lr": "auto", "penalty": "l1"},
    {"lr": 0.1},
    {"lr": 0.1, "penalty": None},
    {"lr": 0.1, "penalty": "elasticnet"},
    {"lr": 0.1, "average": True},
    {"lr": 0.1, "solver": "sgd"},
    {"lr": 0.1, "optimizer": "adagrad"},
    {"lr": 0.1, "optimizer": "momentum", "penalty": "l2"},
    {"lr": 0.1, "optimizer": "nesterov", "penalty": None},
    {"lr": 0.1, "optimizer": "ftrl", "penalty": "l1"},
]


def sparse_bits(model):
    state = model._state
    parts = [state.theta, state.vectors, state.scalars, state.average]
    if state.lazy is not None:
        lazy = vars(state.lazy)
        parts += [lazy[n] for n in sorted(lazy) if isinstance(lazy[n], np.ndarray)]
    parts += [model.coef_, model.intercept_]
    return [part.tobytes() for part in parts]


def csr_row(i):
    return SPARSE[[i]]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("name", SPARSE_MODELS)
def test_sparse_rows_in_place(name, rule, weighted):
    model, y = SPARSE_MODELS[name]
    model = clone(model).set_params(**{"alpha": 0.02, "penalty": "l2"} | rule)
    weights = rng.uniform(0.5, 2.0, len(y)) if weighted else None
    usual, looked_at = clone(model), clone(model)
    assert stream(model, csr_row, y, weights) == len(y) - 1
    assert not stream(usual, csr_row, y, weights, usual=True)
    assert sparse_bits(model) == sparse_bits(usual)
    for name in ("t_", "n_iter_", "stop_reason_", "lr_"):
        assert getattr(model, name) == getattr(usual, name)
    for name in ("epoch", "step", "lr", "loss"):
        assert_allclose(model.history_[name], usual.history_[name], rtol=1e-12)
    assert set(vars(model)) == set(vars(usual))
    first = {} if is_regression(y) else {"classes": np.unique(y)}
    for i in range(len(y)):
        w = {} if weights is None else {"sample_weight": weights[i : i + 1]}
        looked_at.partial_fit(csr_row(i), y[i : i + 1], **first, **w)
        if i % 3 == 0:
            assert looked_at.coef_.any() or i == 0
        elif i % 7 == 0:
            looked_at = pickle.loads(pickle.dumps(looked_at))
    assert sparse_bits(looked_at) == sparse_bits(usual)


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("name", SPARSE_MODELS)
def test_sparse_predictions_look_at_their_columns_only(name, rule):
    model, y = SPARSE_MODELS[name]
    model = clone(model).set_params(**{"alpha": 0.02} | rule)
    stream(model, csr_row, y)
    rows = [csr_row(i) for i in range(5)] + [sparse.csr_array((1, 9))]
    before = [model.predict(row) for row in rows]
    scores = [model._raw_scores(row) for row in rows]
    assert "coef_" not in attributes_of(model)
    assert model.coef_ is model.coef_
    assert_array_equal(before, [model.predict(row) for row in rows])
    for row, score in zip(rows, scores, strict=True):
        assert_allclose(score, model._raw_scores(row), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("rule", [{"lr": "auto"}, {"lr": 0.1}, RULES[8]], ids=str)
@pytest.mark.parametrize("name", ["regressor", "two classes", "three classes"])
def test_a_sparse_row_takes_no_memory_for_other_columns(name, rule):
    d = 1 << 18
    model, y = SPARSE_MODELS[name]
    model = clone(model).set_params(**rule)
    rows = [
        sparse.csr_array((np.ones(3), ([0] * 3, [i, 5000 + i, d - 1 - i])), (1, d))
        for i in range(6)
    ]
    stream(model, lambda i: rows[i % 5], y[:12])
    tracemalloc.start()
    model.partial_fit(rows[5], y[:1])
    model.predict(rows[5])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert LATE in attributes_of(model)
    assert peak < d / 4


def csr_chunk(n_rows):
    return lambda i: SPARSE[i * n_rows : (i + 1) * n_rows]


def in_chunks(values, n_rows):
    if values is None:
        return None
    return [values[i : i + n_rows] for i in range(0, len(values), n_rows)]


def stream_of_chunks(model, n_rows, y, weights=None, usual=False):
    """How many of the chunks were learnt from by a prepared update."""
    quick = 0
    first = {} if is_regression(y) else {"classes": np.unique(y)}
    chunks = in_chunks(y, n_rows), in_chunks(weights, n_rows)
    for i, part in enumerate(chunks[0]):
        if usual:
            vars(model).pop("_quick", None)
        own = {} if weights is None else {"sample_weight": chunks[1][i]}
        model.partial_fit(csr_chunk(n_rows)(i), part, **first, **own)
        quick += LATE in attributes_of(model)
    return quick


IN_BATCHES = [
    rule | {"batch_size": 3} for rule in RULES[3:] if rule.get("solver") != "sgd"
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rule", RULES + IN_BATCHES, ids=str)
@pytest.mark.parametrize("name", SPARSE_MODELS)
def test_sparse_chunks_in_place(name, rule, weighted):
    model, y = SPARSE_MODELS[name]
    model = clone(model).set_params(**{"alpha": 0.02, "penalty": "l2"} | rule)
    usual = clone(model)
    weights = rng.uniform(0.5, 2.0, len(y)) if weighted else None
    assert stream_of_chunks(model, 8, y, weights) == 4
    assert not stream_of_chunks(usual, 8, y, weights, usual=True)
    # In place before anybody looks, then of the whole model.
    scores = model.decision_function if hasattr(model, "classes_") else model.predict
    before = scores(SPARSE[:5])
    assert "coef_" not in attributes_of(model)
    assert_array_equal(before, usual._raw_scores(SPARSE[:5]).reshape(before.shape))
    assert sparse_bits(model) == sparse_bits(usual)
    for name in ("t_", "n_iter_", "stop_reason_", "lr_"):
        assert getattr(model, name) == getattr(usual, name)
    for name in ("epoch", "step", "lr", "loss"):
        assert_allclose(model.history_[name], usual.history_[name], rtol=1e-12)


@pytest.mark.parametrize("rule", RULES[:3], ids=str)
@pytest.mark.parametrize("name", SPARSE_MODELS)
def test_sparse_rows_one_at_a_time_whatever_their_chunks(name, rule):
    """But for the length of the steps, which knows the rows of its chunk."""
    model, y = SPARSE_MODELS[name]
    if is_regression(y):
        y = np.tile([-1.0, 1.0], len(y) // 2)
    model = clone(model).set_params(**{"alpha": 0.02, "penalty": "l2"} | rule)
    other = clone(model)
    model.partial_fit(SPARSE[:2], y[:2], **known_classes(y))
    other.partial_fit(SPARSE[:2], y[:2], **known_classes(y))
    for chunk in range(2, 40, 2):
        model.partial_fit(SPARSE[chunk : chunk + 2], y[chunk : chunk + 2])
    for i in range(2, 40):
        other.partial_fit(SPARSE[[i]], y[i : i + 1])
    tolerance = 0.02 if is_regression(y) else 1e-12
    assert_allclose(model.coef_, other.coef_, rtol=tolerance, atol=tolerance)


def known_classes(y):
    return {} if is_regression(y) else {"classes": np.unique(y)}


@pytest.mark.parametrize("rule", [{"lr": "auto"}, {"lr": 0.1}, RULES[8]], ids=str)
def test_sparse_chunks_take_no_memory_for_other_columns(rule):
    d = 1 << 18
    numbers = np.random.default_rng(3)
    columns = numbers.integers(0, d, (48, 4))
    columns.sort(axis=1)
    X = sparse.csr_array((np.ones(192), columns.ravel(), np.arange(0, 193, 4)), (48, d))
    y = (X.sum(axis=1) + numbers.normal(size=48) > 4).astype(int)
    model = GDClassifier(**rule)
    for i in range(4):
        model.partial_fit(X[8 * i : 8 * i + 8], y[8 * i : 8 * i + 8], classes=[0, 1])
    chunk = X[32:40]
    tracemalloc.start()
    model.partial_fit(chunk, y[32:40])
    model.predict(X[40:])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert LATE in attributes_of(model)
    assert peak < d / 4


def odd_chunks():
    """Rows that are right, but odd."""
    chunk = SPARSE[:4]
    unsorted = sparse.csr_array(chunk)
    unsorted.indices = unsorted.indices[::-1].copy()
    unsorted = sparse.csr_array(
        (unsorted.data, unsorted.indices, chunk.indptr), chunk.shape
    )
    empty = sparse.csr_array(np.where([[1], [0], [1], [0]], chunk.toarray(), 0.0))
    wide = sparse.csr_array(chunk)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype("i8")
    twice = sparse.csr_array(
        (np.ones(5), [1, 1, 2, 3, 4], [0, 2, 3, 3, 5]), chunk.shape
    )
    return {
        "unsorted": unsorted,
        "empty rows": empty,
        "no entries": sparse.csr_array(chunk.shape),
        "int64": wide,
        "twice": twice,
        "float32": chunk.astype(np.float32),
        "whole numbers": sparse.csr_array(chunk.astype(np.int32)),
    }


@pytest.mark.parametrize("kind", odd_chunks())
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_odd_sparse_chunks(rule, kind):
    chunk = odd_chunks()[kind]
    models = [GDRegressor(alpha=0.1).set_params(**rule) for _ in range(2)]
    for model, usual in zip(models, (False, True), strict=True):
        stream_of_chunks(model, 4, SPARSE_Z[:12], usual=usual)
        if usual:
            vars(model).pop("_quick", None)
        model.partial_fit(chunk, SPARSE_Z[:4])
        assert (LATE in attributes_of(model)) == (not usual)
    assert_allclose(models[0].coef_, models[1].coef_, rtol=1e-12)
    assert models[0].t_ == models[1].t_


def malformed_chunks():
    chunk = SPARSE[:4]
    falling = sparse.csr_array(chunk)
    falling.indptr = falling.indptr[[0, 3, 1, 2, 4]]
    far = sparse.csr_array(chunk)
    far.indices = far.indices + np.int32(1)
    short = sparse.csr_array(chunk)
    short.indptr = short.indptr + np.array([0, 0, 0, 0, 3], dtype=np.int32)
    late = sparse.csr_array(chunk)
    late.indptr = np.maximum(late.indptr, 1)
    return {"falling": falling, "far": far, "short": short, "late": late}


@pytest.mark.parametrize("kind", malformed_chunks())
@pytest.mark.parametrize("rule", RULES[::3], ids=str)
def test_malformed_sparse_chunks_are_refused(rule, kind):
    model, y = SPARSE_MODELS["two classes"]
    model = clone(model).set_params(**rule)
    stream_of_chunks(model, 4, y)
    before = sparse_bits(pickle.loads(pickle.dumps(model)))
    for call in (model.predict, lambda X: model.partial_fit(X, y[:4])):
        with pytest.raises(ValueError, match="malformed"):
            call(malformed_chunks()[kind])
    assert sparse_bits(model) == before


@pytest.mark.parametrize("rule", RULES[1:], ids=str)
def test_a_sparse_chunk_that_overflows_is_taken_back(rule):
    model, y = SPARSE_MODELS["regressor"]
    model = clone(model).set_params(**{"alpha": 0.02} | rule)
    usual = clone(model)
    stream_of_chunks(model, 4, y)
    stream_of_chunks(usual, 4, y, usual=True)
    vars(usual).pop("_quick", None)
    for one in (model, usual):
        one.partial_fit(SPARSE[:4] * 1e200, np.full(4, 1e200))
    assert model.stop_reason_ == usual.stop_reason_
    assert_array_equal(model.coef_, usual.coef_)
    assert np.isfinite(model.coef_).all()


def test_odd_sparse_rows():
    values, columns = np.array([1.0, 2.0, -1.0]), np.array([7, 2, 4])
    unsorted = sparse.csr_array((values, columns, [0, 3]), (1, 9))
    twice = sparse.csr_array((values, [7, 2, 7], [0, 3]), (1, 9))
    zeros = sparse.csr_array(([0.0, 3.0], [1, 2], [0, 2]), (1, 9))
    empty = sparse.csr_array((1, 9))
    wide = sparse.csr_array((values, columns.astype(np.int64), [0, 3]), (1, 9))
    wide.indptr = wide.indptr.astype(np.int64)
    whole = sparse.csr_array(csr_row(3).astype(np.float32))
    rows = [unsorted, twice, zeros, empty, wide, whole, sparse.csr_matrix(zeros)]
    for rule in RULES:
        models = [GDRegressor(alpha=0.1).set_params(**rule) for _ in range(2)]
        for model, usual in zip(models, (False, True), strict=True):
            stream(model, csr_row, SPARSE_Z[:5], usual=usual)
            stream(model, lambda i: rows[i], SPARSE_Z[: len(rows)], usual=usual)
        assert_allclose(models[0].coef_, models[1].coef_, rtol=1e-12)
        assert models[0].t_ == models[1].t_


def malformed():
    row = csr_row(0)
    far = sparse.csr_array(row)
    far.indices = far.indices + 100
    negative = sparse.csr_array(row)
    negative.indices = negative.indices - 9
    short = sparse.csr_array(row)
    short.indptr = np.array([0, row.nnz + 3], dtype=row.indptr.dtype)
    nan = sparse.csr_array(row * np.nan)
    return {"far": far, "negative": negative, "short": short, "NaN": nan}


@pytest.mark.parametrize("kind", malformed())
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_malformed_sparse_rows_are_refused(rule, kind):
    model, y = SPARSE_MODELS["two classes"]
    model = clone(model).set_params(**rule)
    stream(model, csr_row, y)
    before = sparse_bits(pickle.loads(pickle.dumps(model)))
    with pytest.raises(ValueError, match=r"malformed|NaN"):
        model.partial_fit(malformed()[kind], y[:1])
    assert sparse_bits(model) == before


@pytest.mark.parametrize("rule", RULES[1:], ids=str)
def test_a_sparse_row_that_overflows_is_taken_back(rule):
    model, y = SPARSE_MODELS["regressor"]
    model = clone(model).set_params(**{"alpha": 0.02} | rule)
    usual = clone(model)
    stream(model, csr_row, y)
    stream(usual, csr_row, y, usual=True)
    huge = csr_row(1) * 1e200
    for one in (model, usual):
        vars(usual).pop("_quick", None)
        one.partial_fit(huge, [1e200])
    assert model.stop_reason_ == usual.stop_reason_
    assert_array_equal(model.coef_, usual.coef_)
    assert np.isfinite(model.coef_).all()


# ---- one learns, others predict ------------------------------------------------------


@pytest.mark.parametrize("kind", ["dense", "sparse", "network"])
def test_predictions_are_those_of_some_completed_update(kind):
    if kind == "sparse":
        (model, y), row = SPARSE_MODELS["three classes"], csr_row
    else:
        name = "network" if kind == "network" else "three classes"
        (model, y), row = MODELS[name], WAYS["row by row"]
    model = clone(model).set_params(lr=0.1)
    model.partial_fit(row(0), y[:1], classes=np.unique(y))
    asked = row(1)
    known, seen, done = {model.decision_function(asked).tobytes()}, set(), []

    def predict():
        while not done:
            seen.add(model.decision_function(asked).tobytes())

    readers = [threading.Thread(target=predict) for _ in range(2)]
    for reader in readers:
        reader.start()
    for i in range(300):
        at = i % len(y)
        model.partial_fit(row(at), y[at : at + 1])
        known.add(model.decision_function(asked).tobytes())
    done.append(True)
    for reader in readers:
        reader.join()
    assert seen and seen <= known


@pytest.mark.parametrize("name", MODELS)
def test_what_is_prepared_is_no_garbage(name, monkeypatch):
    """Room for targets is looked at before the first ones are in it."""
    model, y = MODELS[name]
    reference = clone(model)
    stream(reference, WAYS["row by row"], y)
    empty, empty_like = np.empty, np.empty_like

    def filled(array):
        if array.dtype.kind == "f":
            array.fill(-7.0)
        return array

    monkeypatch.setattr(np, "empty", lambda *a, **k: filled(empty(*a, **k)))
    monkeypatch.setattr(np, "empty_like", lambda *a, **k: filled(empty_like(*a, **k)))
    model = clone(model)
    stream(model, WAYS["row by row"], y)
    monkeypatch.undo()
    assert bits(model) == bits(reference)
