"""`skgd.dask` on a cluster of two workers in this process."""

import copy
import pickle
import signal
import threading
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score

from skgd import MLPGD, DivergenceWarning, GDClassifier, GDRegressor
from skgd._cluster import holders
from skgd.callbacks import Callback

distributed = pytest.importorskip("distributed")
dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

from skgd.dask import (  # noqa: E402
    DaskGDClassifier,
    DaskGDRegressor,
    DaskMLPGD,
    _engine,
)
from skgd.dask._engine import shared  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

LABELS = np.array(["no", "so-so", "yes"])


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def table(n=1500, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)) * [1, 3, 0.1, 10] + [0, 5, 0, -20]
    y = X @ [1, -0.5, 4, 0.1] + rng.normal(size=n)
    labels = LABELS[np.digitize(y, np.quantile(y, [0.4, 0.7]))]
    return X, y, labels, rng.integers(0, 3, n).astype(float)


def unknown(array):
    """A Dask array that has forgotten the sizes of its chunks."""
    array = array.copy()
    array._chunks = ((np.nan,) * len(array.chunks[0]), *array.chunks[1:])
    return array


def check_like(model, local, rtol=1e-9):
    np.testing.assert_allclose(model.coef_, local.coef_, rtol=rtol, atol=1e-12)
    np.testing.assert_allclose(model.intercept_, local.intercept_, rtol=rtol, atol=1e-9)
    assert model.n_iter_ == local.n_iter_


def collections():
    """(name, X, y, weights) of the same rows in every form."""
    X, _, labels, weights = table()
    chunks = (400, 100, 0, 700, 300)
    dX = da.from_array(X, chunks=(chunks, 4))
    dy, dw = (da.from_array(a, chunks=(chunks,)) for a in (labels, weights))
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame["label"], frame["weight"] = labels, weights
    dd = pytest.importorskip("dask.dataframe")
    ddf = dd.from_pandas(frame, npartitions=6)
    empty = ddf.map_partitions(lambda part: part[part.index >= 250])
    csr = dX.map_blocks(sparse.csr_array)
    delayed = [list(a.to_delayed().ravel()) for a in (dX, dy, dw)]
    yield "arrays", dX, dy, dw
    yield "other chunks of y", dX, dy.rechunk(333), dw.rechunk(-1)
    yield "chunks of columns", dX.rechunk((500, 3)), dy, dw
    yield "y in memory", dX, labels, weights
    yield "unknown sizes", unknown(dX), unknown(dy), unknown(dw)
    yield "frame", ddf[list("abcd")], ddf["label"], ddf["weight"]
    yield (
        "frame and array",
        ddf[list("abcd")],
        ddf["label"].to_dask_array(),
        ddf["weight"],
    )
    yield "empty partition", empty[list("abcd")], empty["label"], empty["weight"]
    yield "csr", csr, dy, dw
    yield "delayed", *delayed


@pytest.mark.slow
def test_every_form_of_a_collection(client):
    X, _, labels, weights = table()
    local = GDClassifier(solver="batch").fit(X, labels, weights)
    late = GDClassifier(solver="batch").fit(X[250:], labels[250:], weights[250:])
    for name, dX, dy, dw in collections():
        model = DaskGDClassifier().fit(dX, dy, dw)
        if name == "csr":
            expected = GDClassifier(solver="batch").fit(
                sparse.csr_array(X), labels, weights
            )
        else:
            expected = late if name == "empty partition" else local
        check_like(model, expected)
        assert model.classes_.tolist() == LABELS.tolist()
        known = hasattr(model, "feature_names_in_")
        assert known == hasattr(dX, "columns"), name
        assert model.score(dX, dy, dw) == pytest.approx(
            expected.score(X, labels, weights)
            if name != "empty partition"
            else expected.score(X[250:], labels[250:], weights[250:])
        )


@pytest.mark.slow
def test_files_of_which_few_columns_are_read(client, tmp_path):
    """Dask reads several files at once for y alone, and fewer for X."""
    dd = pytest.importorskip("dask.dataframe")
    pytest.importorskip("pyarrow")
    X, y, _, weights = table(800)
    rows = pd.DataFrame(X, columns=list("abcd")).assign(y=y, weight=weights)
    for k in range(4):
        part = rows[200 * k : 200 * k + 200]
        part.to_parquet(tmp_path / f"{k}.parquet")
    data = dd.read_parquet(tmp_path)
    dX, dy, dw = data[list("abcd")], data["y"], data["weight"]
    n_parts = [len(one.to_delayed()) for one in (dX, dy, dw)]
    assert n_parts[0] != n_parts[1]
    model = DaskGDRegressor().fit(dX, dy, dw)
    local = GDRegressor(solver="batch").fit(rows[list("abcd")], y, weights)
    check_like(model, local)
    assert model.score(dX, dy) == pytest.approx(local.score(rows[list("abcd")], y))


def test_estimators(client):
    X, y, labels, weights = table()
    dX, dy, dl, dw = (
        da.from_array(a, chunks=(400, *a.shape[1:])) for a in (X, y, labels, weights)
    )
    two = np.column_stack([y, X[:, 0] - y])
    d2 = da.from_array(two, chunks=(350, 1))
    batch = {"solver": "batch"}
    check_like(
        DaskGDRegressor(penalty="l1", alpha=0.1).fit(dX, d2),
        GDRegressor(penalty="l1", alpha=0.1, **batch).fit(X, two),
    )
    check_like(
        DaskGDClassifier(class_weight="balanced").fit(dX, dl, dw),
        GDClassifier(class_weight="balanced", **batch).fit(X, labels, weights),
    )
    rule = {"loss": "huber", "optimizer": "adam", "lr": 0.01, "max_iter": 40}
    check_like(
        DaskGDRegressor(**rule).fit(dX, dy), GDRegressor(**rule, **batch).fit(X, y)
    )
    single = DaskGDRegressor().fit(dX.astype("f4"), dy)
    assert single.coef_.dtype == np.float32
    check_like(single, GDRegressor(**batch).fit(X.astype("f4"), y), rtol=1e-4)
    network = {"hidden_layer_sizes": 5, "random_state": 0, "max_iter": 20}
    ours = DaskMLPGD(**network).fit(dX, dl, dw)
    theirs = MLPGD(**network, **batch).fit(X, labels, weights)
    for a, b in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    minibatch = DaskGDRegressor(solver="minibatch", batch_size=300, random_state=0)
    assert minibatch.fit(dX, dy).score(dX, dy) > 0.7


def test_predictions_are_lazy_and_scores_are_not(client):
    X, y, labels, weights = table()
    dX, dy, dl, dw = (
        da.from_array(a, chunks=(400, *a.shape[1:])) for a in (X, y, labels, weights)
    )
    model = DaskGDClassifier().fit(dX, dl)
    local = model.to_local()
    assert type(local) is GDClassifier
    assert local.get_params() == {
        k: v for k, v in model.get_params().items() if k != "client"
    }
    for method in (
        "predict",
        "decision_function",
        "predict_proba",
        "predict_log_proba",
    ):
        lazy = getattr(model, method)(dX)
        assert isinstance(lazy, da.Array), method
        expected = getattr(local, method)(X)
        assert lazy.shape == expected.shape
        assert lazy.dtype == expected.dtype
        np.testing.assert_array_equal(lazy.compute(), expected)
        np.testing.assert_array_equal(getattr(model, method)(X), expected)
        unsized = getattr(model, method)(unknown(dX))
        np.testing.assert_array_equal(unsized.compute(), expected)
    score = model.score(dX, dl, dw)
    assert type(score) is float
    assert score == pytest.approx(
        accuracy_score(labels, local.predict(X), sample_weight=weights)
    )
    assert model.score(X, labels) == local.score(X, labels)
    regressor = DaskGDRegressor().fit(dX, dy)
    found = regressor.score(dX, dy, dw)
    predicted = regressor.to_local().predict(X)
    assert found == pytest.approx(r2_score(y, predicted, sample_weight=weights))
    two = np.column_stack([y, np.ones(len(y))])
    d2 = da.from_array(two, chunks=(400, 2))
    regressor.fit(dX, d2)
    assert regressor.predict(dX).shape == two.shape
    assert regressor.score(dX, d2) == pytest.approx(
        r2_score(two, regressor.to_local().predict(X))
    )
    assert not hasattr(DaskGDClassifier(loss="hinge"), "predict_proba")
    assert not hasattr(DaskGDRegressor(), "predict_proba")


@pytest.mark.parametrize("cls", [DaskGDRegressor, DaskGDClassifier, DaskMLPGD])
def test_parameters_are_those_of_the_local_estimator(cls):
    parameters = cls().get_params(deep=False)
    assert parameters.pop("client") is None
    assert parameters == cls._local(solver="batch").get_params(deep=False)


def test_the_client_is_not_pickled_and_handed_on(client):
    X, y, _, _ = table(300)
    model = DaskGDRegressor(client=client).fit(da.from_array(X, chunks=100), y)
    assert model.client_ is client
    assert clone(model).client is client
    again = pickle.loads(pickle.dumps(model))
    assert again.client is None
    assert again.client_ is client  # the current one
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert copy.copy(model).client is None
    local = model.to_local()
    assert "client" not in vars(local)
    local.partial_fit(X, y)
    np.testing.assert_array_equal(again.coef_, model.coef_)
    assert not [f for f in client.futures if client.futures[f].status == "pending"]


def test_the_client_of_the_estimator_is_used(client):
    """Also where another one is current."""
    X, y, _, _ = table(300)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as other,
        distributed.Client(other, set_as_default=True),
    ):
        model = DaskGDRegressor(client=client).fit(da.from_array(X, chunks=100), y)
    check_like(model, GDRegressor(solver="batch").fit(X, y))


def test_without_a_client():
    with pytest.MonkeyPatch.context() as patch:

        def none():
            raise ValueError("No global client found and no address provided")

        patch.setattr("skgd.dask._estimators.get_client", none)
        with pytest.raises(ValueError, match="no cluster to train on"):
            DaskGDRegressor().fit(da.ones((10, 2), chunks=5), np.ones(10))


@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        (np.ones((9, 2)), np.ones(9), TypeError, "X is a ndarray"),
        (da.ones(9), np.ones(9), ValueError, "1 dimensions"),
        (da.ones((9, 2), chunks=3), np.ones(8), ValueError, "9 rows, and y 8"),
        (da.ones((9, 2), chunks=3), da.ones(8), ValueError, "9 rows, and y 8"),
        (unknown(da.ones((9, 2), chunks=3)), np.ones(9), ValueError, "y is a ndarray"),
        (unknown(da.ones((9, 2), chunks=3)), da.ones(9), ValueError, "3 partitions"),
        (
            unknown(da.ones((9, 2), chunks=3)),
            unknown(da.ones(9, chunks=((3, 2, 4),))),
            ValueError,
            "Partition 1 of X has 3 rows",
        ),
    ],
)
def test_rows_that_cannot_be_lined_up(client, X, y, error, message):
    with pytest.raises(error, match=message):
        DaskGDRegressor().fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"solver": "sgd"}, "partial_fit over blocks"),
        ({"solver": "minibatch"}, "name a batch_size"),
        ({"optimizer": "saga"}, "saga"),
        ({"early_stopping": True}, "pass X_val and y_val"),
        ({"solver": "all"}, "solver"),
        ({"client": 3}, "client"),
    ],
)
def test_what_is_refused(client, parameters, message):
    with pytest.raises(ValueError, match=message):
        DaskGDRegressor(**parameters).fit(da.ones((9, 2), chunks=3), da.ones(9))


def test_plain_estimators_name_this_module():
    X, y = da.ones((9, 2), chunks=3), np.arange(9) % 2
    for plain in (GDRegressor(), GDClassifier(), MLPGD()):
        with pytest.raises(TypeError, match=r"skgd\.dask"):
            plain.fit(X, y)


def test_validation_rows_are_brought(client):
    X, y, *_ = table()
    X_val, y_val, _, w_val = table(300, seed=1)
    rule = {"optimizer": "adam", "lr": 0.05, "max_iter": 30}
    local = GDRegressor(solver="batch", **rule).fit(
        X, y, X_val=X_val, y_val=y_val, sample_weight_val=w_val
    )
    model = DaskGDRegressor(early_stopping=True, **rule).fit(
        da.from_array(X, chunks=400),
        y,
        X_val=da.from_array(X_val, chunks=100),
        y_val=y_val,
        sample_weight_val=da.from_array(w_val, chunks=100),
    )
    check_like(model, local)
    assert model.best_validation_score_ == pytest.approx(local.best_validation_score_)


def test_classes_may_be_named(client):
    X, _, labels, _ = table(300)
    dX = da.from_array(X, chunks=100)
    model = DaskGDClassifier().fit(dX, labels, classes=[*LABELS, "zebra"])
    assert model.classes_.tolist() == [*LABELS, "zebra"]
    with pytest.raises(ValueError, match="yes"):
        DaskGDClassifier().fit(dX, labels, classes=LABELS[:2])


def test_an_error_of_the_user_is_raised_at_once(client):
    """In the graph and in the rows, however it is called; the estimator stays."""
    X, y, _, _ = table(300)
    dX = da.from_array(X, chunks=100)
    model = DaskGDRegressor().fit(dX, y)
    before = vars(model).copy()
    calls = []

    def fail(block):
        calls.append(len(block))
        raise OSError("the disk is on fire")

    with pytest.raises(OSError, match="on fire"):
        model.fit(dX.map_blocks(fail, meta=np.empty((0, 0))), y)
    assert len(calls) <= 3
    y[7] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        model.fit(dX, y)
    assert vars(model) == before


def lose(cluster, k=0):
    """Close a worker of a cluster in this process."""
    worker = list(cluster.workers.values())[k]
    cluster.sync(worker.close)


def losing(method, count, act, monkeypatch):
    """Have `act` called before the engine asks for a method for the count-th time."""
    inner, seen = _engine.Cluster.map, []

    def asked(self, name, *arguments, **options):
        seen.append(name)
        if name == method and seen.count(method) == count:
            act()
        return inner(self, name, *arguments, **options)

    monkeypatch.setattr(_engine.Cluster, "map", asked)
    return seen


@pytest.mark.parametrize(
    ("method", "count"), [("survey", 1), ("sums", 3), ("sums", -1)]
)
def test_a_lost_worker_loses_nothing(method, count, monkeypatch):
    rng = da.random.default_rng(0)
    X = rng.normal(size=(4000, 5), chunks=(300, 5))
    y = X.sum(axis=1) + rng.normal(size=4000, chunks=300)
    X_, y_ = dask.compute(X, y, scheduler="synchronous")
    make = partial(DaskGDRegressor, loss="huber")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        whole = make(client=client).fit(X, y)
        check_like(whole, GDRegressor(solver="batch", loss="huber").fit(X_, y_))
        count = count if count > 0 else whole.n_iter_
        seen = losing(method, count, partial(lose, cluster), monkeypatch)
        again = make(client=client).fit(X, y)
        assert seen.count(method) >= count
        assert len(client.nthreads()) == 1
        np.testing.assert_array_equal(again.coef_, whole.coef_)
        np.testing.assert_array_equal(again.intercept_, whole.intercept_)
        assert again.history_["loss"].tolist() == whole.history_["loss"].tolist()


def test_a_cluster_without_workers(monkeypatch):
    X, y = da.random.default_rng(0).normal(size=(400, 5), chunks=(100, 5)), np.ones(400)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        model = DaskGDRegressor(client=client, lr=0.1, max_iter=5).fit(X, y)
        before = vars(model).copy()
        losing("sums", 2, partial(lose, cluster), monkeypatch)
        with (
            dask.config.set({"skgd.wait-for-workers": "500ms"}),
            pytest.raises(TimeoutError, match=r"no workers for 0\.5 s"),
        ):
            model.fit(X, y)
        assert vars(model) == before
        # One that comes in time is waited for.
        threading.Timer(0.3, partial(cluster.scale, 2)).start()
        np.testing.assert_array_equal(model.fit(X, y).coef_, before["coef_"])


def test_a_graph_that_gives_other_rows_is_found_out(monkeypatch):
    def block(k):
        return np.random.default_rng().normal(size=(100, 3))

    X = [dask.delayed(block, pure=False)(k) for k in range(6)]
    y = [dask.delayed(np.ones)(100) for k in range(6)]
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        losing("sums", 2, partial(lose, cluster), monkeypatch)
        with pytest.raises(ValueError, match="other rows than before"):
            DaskGDRegressor(client=client, lr=0.1).fit(X, y)


def test_workers_that_are_lost_again_and_again(client):
    engine = _engine.Cluster(client, [(None, None, None)], 1, None)
    for _ in range(holders.MOST_LOSSES):
        engine._count_loss("sums")
    with pytest.raises(RuntimeError, match="out of memory"):
        engine._count_loss("sums")


def few_passes():
    X, y, _, _ = table()
    return X, y, da.from_array(X, chunks=(400, 4)), da.from_array(y, chunks=400)


STEPS = {"solver": "batch", "lr": 1e-3, "max_iter": 6, "tol": None}


def test_callbacks_see_the_epochs_of_a_local_fit(client):
    class Watching(Callback):
        def __init__(self):
            self.seen, self.epochs = [], 0

        def on_step(self, estimator, step, attributes):
            self.seen.append(attributes["coef_"].copy())

        def on_fit_task_end(self, estimator, context, **kwargs):
            self.epochs += 1
            return self.epochs == 4

    X, y, there, targets = few_passes()
    watching = [Watching(), Watching()]
    local = GDRegressor(**STEPS).set_callbacks(watching[0]).fit(X, y)
    model = DaskGDRegressor(**STEPS).set_callbacks(watching[1]).fit(there, targets)
    assert model.n_iter_ == local.n_iter_ == 4
    assert watching[0].epochs == watching[1].epochs
    np.testing.assert_allclose(watching[1].seen, watching[0].seen, rtol=1e-9)
    assert model.history_.keys() == local.history_.keys()
    np.testing.assert_allclose(
        model.history_["loss"], local.history_["loss"], rtol=1e-9
    )


def test_callbacks_see_each_update_of_a_minibatch(client):
    class Watching(Callback):
        def __init__(self):
            self.steps = []

        def on_step(self, estimator, step, attributes):
            self.steps.append((step, *attributes["coef_"]))

    _, _, there, targets = few_passes()
    watching = Watching()
    model = DaskGDRegressor(
        solver="minibatch", batch_size=500, lr=1e-4, max_iter=4, tol=None
    )
    model.set_callbacks(watching).fit(there, targets)
    assert [step for step, *_ in watching.steps] == list(range(4 * 3 + 1))
    assert watching.steps[-1][1:] == tuple(model.coef_)


def test_steps_that_are_too_long_end_like_those_of_a_local_fit(client):
    X, y, there, targets = few_passes()
    parameters = STEPS | {"lr": 1e6, "max_iter": 60}
    with pytest.warns(DivergenceWarning):
        local = GDRegressor(**parameters).fit(X, y)
    with pytest.warns(DivergenceWarning):
        model = DaskGDRegressor(**parameters).fit(there, targets)
    assert model.stop_reason_ == local.stop_reason_ == "diverged"
    check_like(model, local)


def test_ctrl_c_keeps_the_weights(client, monkeypatch):
    """Pressed while the answers of the third pass are awaited."""
    _, _, there, targets = few_passes()
    asked, result = [], _engine.Cluster._result

    def pressing(self, holder, future):
        asked.append(holder)
        if len(asked) == 20:
            signal.raise_signal(signal.SIGINT)
        return result(self, holder, future)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as context:
            context.setattr(_engine.Cluster, "_result", pressing)
            model = DaskGDRegressor(**STEPS | {"max_iter": 500})
            with pytest.warns(ConvergenceWarning, match="Interrupted"):
                model.fit(there, targets)
    finally:
        signal.signal(signal.SIGINT, before)
    assert model.stop_reason_ == "interrupted"
    assert 1 <= model.n_iter_ < 20
    plain = DaskGDRegressor(**STEPS | {"max_iter": model.n_iter_}).fit(there, targets)
    np.testing.assert_array_equal(model.coef_, plain.coef_)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("together", [True, False])
def test_neighbours_come_together_where_sums_are_long(
    client, monkeypatch, known, together
):
    """Groups stay where they are made, unless their sums are more than a move."""
    X, y, _, _ = table(800)
    halves = [dask.delayed(np.array_split(a, 8)) for a in (X, y)]
    parts = [(halves[0][k], halves[1][k], None) for k in range(8)]
    placed = []

    def noted(groups, load, homes):
        placed.append(homes)
        return shared(groups, load, homes)

    monkeypatch.setattr(_engine, "shared", noted)
    # Eight groups, and sums of four columns.
    monkeypatch.setattr(_engine, "MOST_BYTES", 8 * 8 * 4 - together)
    engine = _engine.Cluster(client, parts, 4 if known else None, None)
    engine.map("describe")
    held = sorted(sorted(holder.numbers) for holder in engine._holders)
    engine.close()
    (homes,) = placed
    if together:
        assert homes == {}
        assert held == [[0, 1, 2, 3], [4, 5, 6, 7]]
    else:
        assert all(homes[g] for g in range(8))


def test_who_holds_what():
    even = shared(list(range(7)), {"a": 0, "b": 0}, {})
    assert even == {"a": [0, 1, 2, 3], "b": [4, 5, 6]}
    at_home = shared([0, 1, 2, 3], {"a": 0, "b": 0}, {0: ["b"], 1: ["b"], 2: ["b"]})
    assert at_home["b"][:2] == [0, 1] and len(at_home["a"]) == 2
    assert shared([5, 6], {"a": 3, "b": 1}, {5: ["a"], 6: ["c"]}) == {
        "a": [],
        "b": [5, 6],
    }


def test_a_search_in_memory_on_a_cluster(client):
    """GridSearchCV under joblib's backend, for tables that fit on each worker."""
    joblib = pytest.importorskip("joblib")
    from sklearn.model_selection import GridSearchCV

    X, _, labels, _ = table(600)
    search = GridSearchCV(GDClassifier(), {"alpha": [1e-4, 1e-2, 1.0]}, cv=3)
    alone = clone(search).fit(X, labels)
    with joblib.parallel_config("dask"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        there = clone(search).fit(X, labels)
    np.testing.assert_array_equal(
        there.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"]
    )
    np.testing.assert_array_equal(
        there.best_estimator_.coef_, alone.best_estimator_.coef_
    )
