"""Groups of rows held by threads: the result of `fit`, with the same bits anywhere."""

import pickle
import tracemalloc
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from rules import ANY_GRADIENT
from scipy import sparse
from sparse_rows import random_csr

from skgd import MLPGD, GDClassifier, GDRegressor
from skgd._cluster import shards
from skgd._cluster.engine import MOST_GROUPS, Threads, grouped
from skgd._cluster.fit import fit_groups
from skgd._cluster.sums import merged
from skgd._input.rows import Rows
from skgd._stream import survey
from skgd._stream.survey import EverySo, Survey
from skgd._training import objective
from skgd.losses import Loss

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

WHAT = "rows elsewhere"
LABELS = np.array(["a", "b", "c"])


def table(n=3001, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5)) * [1, 3, 0.1, 10, 1] + [0, 5, 0, -20, 1]
    y = X @ [1, -0.5, 4, 0.1, 0] + rng.normal(size=n)
    weights = rng.integers(0, 3, n).astype(float)
    return X, y, weights


def blocks(X, y, weights=None, n_parts=7, seed=1):
    """Partitions of uneven sizes, one of them empty."""
    cuts = np.sort(np.random.default_rng(seed).integers(0, X.shape[0], n_parts - 2))
    cuts = [0, *cuts, cuts[-1], X.shape[0]]
    weights = [None] * X.shape[0] if weights is None else weights
    return [
        (X[a:b], y[a:b], None if weights[0] is None else weights[a:b])
        for a, b in pairwise(cuts)
    ]


def fit(model, X, y, weights=None, n_holders=2, classes=None, validation=(None,) * 3):
    parts = blocks(X, y, weights)
    groups = [[parts[i] for i in numbers] for numbers in grouped(len(parts), 5)]
    engine = Threads(groups, n_holders)
    return fit_groups(model, engine, classes, validation, WHAT)


def parameters(model):
    arrays = [*model.coefs_, *model.intercepts_] if hasattr(model, "coefs_") else None
    arrays = arrays or [model.coef_, model.intercept_]
    return np.concatenate([np.ravel(a) for a in arrays])


batch_regressor = partial(GDRegressor, solver="batch")
batch_classifier = partial(GDClassifier, solver="batch")
batch_network = partial(
    MLPGD, 6, solver="batch", activation="tanh", random_state=0, max_iter=20
)

CASES = {
    "l2": (batch_regressor(penalty="l2"), "y", 1e-12),
    "l1": (batch_regressor(penalty="l1", alpha=0.1), "y", 1e-10),
    "float lr": (
        batch_regressor(optimizer="momentum", lr=1e-3, max_iter=50),
        "y",
        1e-12,
    ),
    "nesterov": (batch_regressor(optimizer="nesterov"), "y", 1e-10),
    "two targets": (batch_regressor(), "2-D", 1e-12),
    "huber": (batch_regressor(loss="huber"), "y", 1e-10),
    "kinks": (batch_regressor(loss="quantile"), "y", 1e-10),
    "kinks of two targets": (batch_regressor(loss="absolute_error"), "2-D", 1e-10),
    "classes": (batch_classifier(), "labels", 1e-9),
    "balanced": (batch_classifier(class_weight="balanced"), "labels", 1e-9),
    "class weights": (batch_classifier(class_weight={"a": 3.0}), "labels", 1e-9),
    "network": (batch_network(), "labels", 1e-12),
    "network regression": (batch_network(loss="squared_error"), "2-D", 1e-12),
    "ensemble": (batch_network(n_ensemble=4), "labels", 1e-12),
    "schedule": (batch_regressor(lr_schedule="cosine", max_iter=30), "y", 1e-12),
    "average": (
        batch_regressor(optimizer="momentum", lr=1e-3, average=True, max_iter=50),
        "y",
        1e-12,
    ),
    "no intercept": (batch_classifier(fit_intercept=False), "labels", 1e-9),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_equal_to_fit(name, weighted):
    model, kind, tolerance = CASES[name]
    X, y, weights = table()
    weights = weights if weighted else None
    targets = {
        "y": y,
        "2-D": np.column_stack([y, X[:, 0] - y]),
        "labels": LABELS[np.digitize(y, np.quantile(y, [0.4, 0.7]))],
    }[kind]
    make = partial(type(model), **model.get_params())
    local = make().fit(X, targets, weights)
    fitted = [fit(make(), X, targets, weights, n) for n in (1, 2, 4)]
    assert fitted[0].n_iter_ == local.n_iter_
    assert fitted[0].stop_reason_ == local.stop_reason_
    expected = parameters(local)
    np.testing.assert_allclose(
        parameters(fitted[0]), expected, rtol=0, atol=tolerance * np.abs(expected).max()
    )
    for other in fitted[1:]:
        np.testing.assert_array_equal(parameters(other), parameters(fitted[0]))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(
    "model", [batch_regressor(), batch_classifier(), batch_network()]
)
def test_precision_and_sparse_rows(model, container, dtype):
    X, y, _ = table()
    X[np.abs(X) < 1.0] = 0.0
    X = container(X.astype(dtype))
    if not isinstance(model, GDRegressor):
        y = LABELS[np.digitize(y, np.quantile(y, [0.4, 0.7]))]
    make = partial(type(model), **model.get_params())
    local, there = make().fit(X, y), fit(make(), X, y)
    assert parameters(there).dtype == dtype
    expected = parameters(local)
    tolerance = 1e-9 if dtype == np.float64 else 1e-3
    np.testing.assert_allclose(
        parameters(there), expected, rtol=0, atol=tolerance * np.abs(expected).max()
    )


@pytest.mark.parametrize("name", ANY_GRADIENT)
def test_every_rule(name):
    X, y, _ = table(700)
    make = partial(batch_regressor, optimizer=name, max_iter=15)
    local, there = make().fit(X, y), fit(make(), X, y)
    np.testing.assert_allclose(there.coef_, local.coef_, rtol=1e-9)


def test_more_rows_than_are_looked_at(monkeypatch):
    """What is taken from a sample is taken from that of `fit`."""
    monkeypatch.setattr(survey, "SAMPLE_ROWS", 500)
    monkeypatch.setattr(objective, "SAMPLE_ROWS", 500)
    monkeypatch.setattr("skgd._cluster.objective.SAMPLE_ROWS", 500)
    monkeypatch.setattr("skgd._cluster.fit.TABLE_VALUES", 0)
    monkeypatch.setattr("skgd._linear.evidence.CERTIFIED_VALUES", 0)
    monkeypatch.setattr("skgd._linear.evidence.MOMENT_ROWS", 300)
    X, y, weights = table()
    for model in (
        batch_regressor(),
        batch_regressor(optimizer="adam", max_iter=300),
        batch_network(loss="squared_error"),
    ):
        make = partial(type(model), **model.get_params())
        local = make().fit(X, y, weights)
        there = [fit(make(), X, y, weights, n) for n in (1, 3)]
        assert there[0].n_iter_ == local.n_iter_
        np.testing.assert_allclose(parameters(there[0]), parameters(local), rtol=1e-9)
        np.testing.assert_array_equal(parameters(there[0]), parameters(there[1]))


def test_validation_rows_and_early_stopping():
    X, y, _ = table()
    X_val, y_val, _ = table(500, seed=3)
    make = partial(batch_regressor, optimizer="adam", lr=0.01, early_stopping=True)
    local = make().fit(X, y, X_val=X_val, y_val=y_val)
    there = fit(make(), X, y, validation=(X_val, y_val, None))
    assert there.n_iter_ == local.n_iter_
    np.testing.assert_allclose(
        there.history_["validation_loss"], local.history_["validation_loss"], rtol=1e-9
    )
    with pytest.raises(ValueError, match="cannot hold out rows of rows elsewhere"):
        fit(make(), X, y)


def test_a_warm_start_goes_on():
    X, y, _ = table()
    make = partial(batch_regressor, optimizer="adam", max_iter=10, tol=None)
    whole = fit(make(max_iter=20), X, y)
    twice = make(warm_start=True)
    fit(fit(twice, X, y), X, y)
    np.testing.assert_array_equal(twice.coef_, whole.coef_)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("model", [GDRegressor(lr=1e-3), MLPGD(5, loss="huber")])
def test_minibatches(model, shuffle):
    """Each row once in an epoch, and the same bits for any number of holders."""
    X, y, _ = table()
    parameters_ = model.get_params() | {
        "solver": "minibatch",
        "batch_size": 500,
        "random_state": 0,
        "shuffle": shuffle,
        "max_iter": 5,
    }
    fitted = [fit(type(model)(**parameters_), X, y, n_holders=n) for n in (1, 3)]
    np.testing.assert_array_equal(*map(parameters, fitted))
    assert fitted[0].t_ == 5 * 7
    again = fit(type(model)(**parameters_ | {"random_state": 1}), X, y)
    if isinstance(model, GDRegressor):
        assert (parameters(again) == parameters(fitted[0])).all() != shuffle


def test_a_minibatch_is_the_mean_over_its_rows():
    """One epoch in order, against a slow obvious loop."""
    X, y, _ = table(600)
    X = X / X.std(axis=0)
    model = GDRegressor(
        solver="minibatch", batch_size=100, lr=0.01, shuffle=False, max_iter=1, tol=None
    )
    parts = blocks(X, y)
    fit(model, X, y)
    groups = [
        np.concatenate([np.arange(600)[_slice(parts, i)] for i in numbers])
        for numbers in grouped(len(parts), 5)
    ]
    w, b = np.zeros(5), 0.0
    for k in range(6):
        rows = np.concatenate(
            [g[k * len(g) // 6 : (k + 1) * len(g) // 6] for g in groups]
        )
        residual = X[rows] @ w + b - y[rows]
        w = w - 0.01 * X[rows].T @ residual / len(rows)
        b = b - 0.01 * residual.mean()
    np.testing.assert_allclose(model.coef_, w, rtol=1e-9)
    np.testing.assert_allclose(model.intercept_, b, rtol=1e-9)


def _slice(parts, i):
    start = sum(len(y) for _, y, _ in parts[:i])
    return slice(start, start + len(parts[i][1]))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (GDRegressor(solver="sgd"), "partial_fit over blocks"),
        (GDRegressor(solver="minibatch"), "name a batch_size"),
        (GDRegressor(optimizer="saga", solver="batch"), "saga"),
        (
            GDRegressor(
                "epsilon_insensitive",
                optimizer="pa1",
                solver="minibatch",
                batch_size=100,
                lr=1.0,
            ),
            "'pa1' makes a step for each row",
        ),
        (MLPGD(dropout=0.1, solver="batch", loss="squared_error"), "dropout"),
        (MLPGD(dropout=[0.1], solver="batch", loss="squared_error"), "dropout"),
    ],
)
def test_what_is_refused(model, message):
    X, y, _ = table(300)
    with pytest.raises(ValueError, match=message):
        fit(model, X, y)


def test_rows_that_are_refused():
    X, y, weights = table(300)
    model = batch_regressor()
    X[200, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        fit(model, X, y)
    X[200, 0] = 0.0
    with pytest.raises(ValueError, match="All sample weights are zero"):
        fit(model, X, y, 0.0 * weights)
    with pytest.raises(ValueError, match="Negative values"):
        fit(model, X, y, weights - 1.0)
    with pytest.raises(ValueError, match="no rows"):
        fit_groups(model, Threads([[(X[:0], y[:0], None)]]), None, (None,) * 3, WHAT)
    short = [[(X, y[:-1], None)]]
    with pytest.raises(
        ValueError, match="Partition 0 of X has 300 rows, and that of y"
    ):
        fit_groups(model, Threads(short), None, (None,) * 3, WHAT)
    mixed = [[(X, y, None)], [(sparse.csr_array(X), y, None)]]
    with pytest.raises(ValueError, match="dense and sparse"):
        fit_groups(model, Threads(mixed), None, (None,) * 3, WHAT)
    with pytest.raises(ValueError, match="classes are for the labels"):
        fit(model, X, y, classes=[0, 1])


class Cubic(Loss):
    """A loss of a user, |z - y|^3 / 3 with a bound on its slope."""

    tasks = ("regression",)

    @staticmethod
    def value_and_derivative(y, z, p):
        r = z - y
        return abs(r) ** 3 / 3, r * abs(r)


def test_a_loss_of_a_user():
    X, y, _ = table(400)
    make = partial(batch_regressor, loss=Cubic(), lr=1e-4, max_iter=20)
    local, there = make().fit(X, y), fit(make(), X, y)
    np.testing.assert_allclose(there.coef_, local.coef_, rtol=1e-9)


# ---- the parts ---------------------------------------------------------------------


def test_sums_do_not_depend_on_who_adds_them():
    rng = np.random.default_rng(0)
    for n_groups in (1, 2, 3, 7, 64):
        values = (
            rng.normal(size=(n_groups, 3))
            * 10.0 ** rng.integers(-8, 8, n_groups)[:, None]
        )
        empty = rng.random(n_groups) < 0.2
        found = []
        for n_holders in (1, 2, 5):
            holder = rng.integers(n_holders, size=n_groups)
            nodes = {}
            for k in range(n_holders):
                leaves = {
                    (0, g): None if empty[g] else (values[g].copy(),)
                    for g in np.flatnonzero(holder == k)
                }
                nodes |= merged(leaves, n_groups)
            ((_, total),) = merged(nodes, n_groups).items()
            found.append(np.zeros(3) if total is None else total[0])
        np.testing.assert_array_equal(found[0], found[1])
        np.testing.assert_array_equal(found[0], found[2])
        np.testing.assert_allclose(found[0], values[~empty].sum(axis=0), rtol=1e-6)


def test_a_holder_of_neighbours_hands_on_few_sums():
    leaves = {(0, g): (np.ones(1),) for g in range(32, 64)}
    assert list(merged(leaves, 64)) == [(5, 1)]


@pytest.mark.parametrize("n_threads", [1, 2])
def test_long_sums_of_groups_are_not_all_there_at_once(n_threads, monkeypatch):
    """Of 32 groups a few, and one for each level of the tree; with the same bits."""
    rng = np.random.default_rng(0)
    n, d = 640, 20_000
    X = random_csr(rng, n, d, density=1e-4)
    y = rng.normal(size=n)
    groups = {g: [(X[20 * g : 20 * g + 20], y[20 * g : 20 * g + 20], None)]
              for g in range(32)}  # fmt: skip
    found, peaks = [], []
    for room in (shards.ROOM, 0):
        monkeypatch.setattr(shards, "ROOM", room)
        engine = Threads([groups[g] for g in range(32)], 1)
        (holder,) = engine._holders
        holder.n_threads = n_threads
        asked = holder.sums

        def watched(*arguments, asked=asked):
            tracemalloc.start()
            answer = asked(*arguments)
            peaks[-1] = max(peaks[-1], tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            return answer

        peaks.append(0)
        holder.sums = watched
        model = GDRegressor(solver="batch", lr=1e-3, max_iter=3, tol=None)
        found.append(fit_groups(model, engine, None, (None,) * 3, WHAT))
    np.testing.assert_array_equal(found[0].coef_, found[1].coef_)
    assert peaks[0] > 30 * 8 * d
    assert peaks[1] < 12 * 8 * d


class Weighed:
    """An engine that knows how many bytes its questions and answers would be."""

    def __init__(self, engine):
        self.n_groups = engine.n_groups
        self.map, self.setup = self._asking(engine.map), self._asking(engine.setup)
        self.moved = {}

    def _asking(self, ask):
        def weighed(method, *arguments, **options):
            question = len(pickle.dumps((method, arguments), protocol=5))
            found = ask(method, *arguments, **options)
            answer = len(pickle.dumps(found, protocol=5))
            self.moved.setdefault(method, []).append((question, answer))
            return found

        return weighed


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("solver", ["batch", "minibatch"])
def test_what_a_pass_moves(solver, dtype, n_classes):
    """Theta there and a gradient in double precision back, whatever the rows are."""
    rng = np.random.default_rng(0)
    n, d = 900, 1000
    X = rng.normal(size=(n, d)).astype(dtype)
    y = rng.integers(0, n_classes, n)
    given = {"solver": solver, "batch_size": 300} if solver == "minibatch" else {}
    model = GDClassifier(solver="batch", max_iter=4, tol=None, lr=1e-4)
    # Four neighbours, which one holder adds up to one sum.
    groups = [[part] for part in blocks(X, y, n_parts=4)]
    engine = Weighed(Threads(groups, 1))
    model.set_params(**given)
    fit_groups(model, engine, None, (None,) * 3, WHAT)
    size = (d + 1) * (1 if n_classes == 2 else n_classes)
    passes = engine.moved["sums" if solver == "batch" else "batch_sums"]
    assert len(passes) >= 4
    for question, answer in passes:
        assert 0 <= question - np.dtype(dtype).itemsize * size < 1000
        # The last value is asked for without a gradient.
        assert 0 <= answer - 8 * size < 1000 or answer < 1000
    assert max(answer for _, answer in passes) > 8 * size
    # What is known before the first pass: moments, and some rows, here all of them, as
    # a sample and as the first ones.
    survey = sum(sum(pair) for pair in engine.moved["survey"])
    assert survey < 20 * 8 * d + 2.1 * 8 * X.size


def test_groups_depend_on_the_partitions_alone():
    assert grouped(3) == [[0], [1], [2]]
    groups = grouped(1000)
    assert len(groups) == MOST_GROUPS
    assert [i for group in groups for i in group] == list(range(1000))


@pytest.mark.parametrize("n_parts", [1, 3, 8])
def test_surveys_of_parts_are_one(n_parts):
    X, y, weights = table(5000)
    weights += 1.0
    rows = Rows.of(X, y, y[:, None], weights)
    whole = Survey(5, 1, most=700)
    whole._column = EverySo(900)
    whole.take(rows)
    total = Survey(5, 1, most=700)
    total._column = EverySo(900)
    total.begin_at(0, 5000)
    for part in np.array_split(np.arange(5000), n_parts):
        one = Survey(5, 1, most=700)
        one._column = EverySo(900)
        one.begin_at(part[0], 5000)
        one.take(Rows.of(X[part], y[part], y[part, None], weights[part]))
        total.add(pickle.loads(pickle.dumps(one)))
    expected, found = whole.all_rows(), total.all_rows()
    assert len(found) == 5000
    for name in ("X", "targets"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    np.testing.assert_allclose(found.weights, expected.weights)
    np.testing.assert_array_equal(found.head.X, X[:700])
    np.testing.assert_array_equal(found.column.targets, expected.column.targets)
    for name in ("mean", "variance", "low", "high"):
        ours, theirs = (getattr(r.moments, name) for r in (found, expected))
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_one_weight_travels_as_one():
    rows = Rows.of(np.ones((9, 2)), np.ones(9), np.ones((9, 1)))
    again = pickle.loads(pickle.dumps(rows))
    assert again.weigh_the_same
    np.testing.assert_array_equal(again.weights, rows.weights)
    weighted = Rows.of(np.ones((9, 2)), np.ones(9), np.ones((9, 1)), np.arange(9.0))
    again = pickle.loads(pickle.dumps(weighted))
    np.testing.assert_array_equal(again.weights, np.arange(9.0))
