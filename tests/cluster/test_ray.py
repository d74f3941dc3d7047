"""`skgd.ray` on a cluster of two processors on this machine."""

import os
import signal
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV

from skgd import MLPGD, GDClassifier, GDRegressor

ray = pytest.importorskip("ray")

from skgd.ray import RayGDClassifier, RayGDRegressor, RayMLPGD, _engine  # noqa: E402

pytestmark = [
    # A cluster of Ray takes its time to start, and each of its processes too.
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # Ray's own.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

LABELS = np.array(["no", "so-so", "yes"])
BATCH = {"solver": "batch"}


@pytest.fixture(scope="module", autouse=True)
def cluster():
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def table(n=1500, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)) * [1, 3, 0.1, 10] + [0, 5, 0, -20]
    y = X @ [1, -0.5, 4, 0.1] + rng.normal(size=n)
    labels = LABELS[np.digitize(y, np.quantile(y, [0.4, 0.7]))]
    return X, y, labels, rng.integers(0, 3, n).astype(float)


def parts(array, container=lambda part: part):
    """References to parts of unequal sizes, one of them empty."""
    ends = [0, 430, 430, 900, 901, array.shape[0]]
    return [ray.put(container(array[start:stop])) for start, stop in pairwise(ends)]


def check_like(model, local, rtol=1e-9):
    np.testing.assert_allclose(model.coef_, local.coef_, rtol=rtol, atol=1e-12)
    np.testing.assert_allclose(model.intercept_, local.intercept_, rtol=rtol, atol=1e-9)
    assert model.n_iter_ == local.n_iter_


def frame(part):
    return pd.DataFrame(part, columns=list("abcd"))


@pytest.mark.parametrize("cls", [RayGDRegressor, RayGDClassifier, RayMLPGD])
def test_parameters_are_those_of_the_local_estimator(cls):
    local = cls._local(solver="batch")
    assert cls().get_params(deep=False) == local.get_params(deep=False)


@pytest.mark.parametrize("container", [np.asarray, frame, sparse.csr_array])
def test_classes_with_weights(container):
    X, _, labels, weights = table()
    local = GDClassifier(**BATCH).fit(container(X), labels, weights)
    model = RayGDClassifier().fit(parts(X, container), parts(labels), parts(weights))
    check_like(model, local)
    assert model.classes_.tolist() == LABELS.tolist()
    assert hasattr(model, "feature_names_in_") == (container is frame)
    assert type(model.to_local()) is GDClassifier
    assert model.to_local().get_params() == model.get_params()
    for method in ("predict", "decision_function", "predict_proba"):
        found = ray.get(getattr(model, method)(parts(X, container)))
        expected = getattr(local, method)(container(X))
        if method == "predict":
            np.testing.assert_array_equal(np.concatenate(found), expected)
        else:
            np.testing.assert_allclose(np.concatenate(found), expected, atol=1e-9)
        assert found[1].shape == (0, *expected.shape[1:])
    score = model.score(parts(X, container), parts(labels), parts(weights))
    assert score == pytest.approx(
        accuracy_score(labels, local.predict(container(X)), sample_weight=weights)
    )


def test_regression_and_networks():
    X, y, labels, weights = table()
    two = np.column_stack([y, X[:, 0] - y])
    check_like(
        RayGDRegressor(penalty="l1", alpha=0.1).fit(parts(X), parts(two)),
        GDRegressor(penalty="l1", alpha=0.1, **BATCH).fit(X, two),
    )
    model = RayGDRegressor().fit(parts(X.astype("f4")), parts(y))
    assert model.coef_.dtype == np.float32
    check_like(model, GDRegressor(**BATCH).fit(X.astype("f4"), y), rtol=1e-4)
    found = model.score(parts(X.astype("f4")), parts(y), parts(weights))
    predicted = model.to_local().predict(X.astype("f4"))
    assert found == pytest.approx(r2_score(y, predicted, sample_weight=weights))
    network = {"hidden_layer_sizes": 5, "random_state": 0, "max_iter": 10}
    ours = RayMLPGD(**network).fit(parts(X), parts(labels))
    theirs = MLPGD(**network, **BATCH).fit(X, labels)
    for a, b in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_a_dataset():
    X, _, labels, weights = table(600)
    rows = frame(X).assign(label=labels, weight=weights)
    data = ray.data.from_pandas([rows[:250], rows[250:]])
    model = RayGDClassifier().fit(data, "label", "weight")
    check_like(model, GDClassifier(**BATCH).fit(frame(X), labels, weights))
    found = model.predict(data.drop_columns(["label", "weight"]))
    expected = model.to_local().predict(frame(X))
    np.testing.assert_array_equal(np.concatenate(ray.get(found)), expected)
    alone = data.drop_columns(["weight"])
    assert model.score(alone, "label") == pytest.approx(np.mean(expected == labels))


def losing(method, count, monkeypatch):
    """Kill the process of an actor when a question has been asked so often."""
    inner, seen, lost = _engine.Cluster.map, [], []
    lose = _engine.Cluster._lose

    def asked(self, name, *arguments, **options):
        seen.append(name)
        if name == method and seen.count(method) == count:
            actor = self._holders[0].actor
            pid = ray.get(actor.__ray_call__.remote(lambda self: os.getpid()))
            os.kill(pid, signal.SIGKILL)
        return inner(self, name, *arguments, **options)

    def noted(self, holder, where):
        lost.append(where)
        lose(self, holder, where)

    monkeypatch.setattr(_engine.Cluster, "map", asked)
    monkeypatch.setattr(_engine.Cluster, "_lose", noted)
    return lost


@pytest.mark.parametrize(
    ("method", "count"), [("survey", 1), ("sums", 3), ("sums", -1)]
)
def test_a_killed_actor_loses_nothing(method, count, monkeypatch):
    """During the survey, during the search, and in the last pass."""
    X, _, labels, _ = table()
    whole = RayGDClassifier().fit(parts(X), parts(labels))
    count = whole.n_iter_ if count == -1 else count
    lost = losing(method, count, monkeypatch)
    again = RayGDClassifier().fit(parts(X), parts(labels))
    assert lost == [method]
    assert again.coef_.tobytes() == whole.coef_.tobytes()
    assert again.intercept_.tobytes() == whole.intercept_.tobytes()


@pytest.mark.parametrize("n_holders", [1, 3])
def test_any_number_of_actors(n_holders, monkeypatch):
    X, y, _, _ = table()
    whole = RayGDRegressor().fit(parts(X), parts(y))
    resources = {"CPU": float(n_holders)}
    monkeypatch.setattr(_engine.ray, "cluster_resources", lambda: resources)
    again = RayGDRegressor().fit(parts(X), parts(y))
    assert again.coef_.tobytes() == whole.coef_.tobytes()


def test_rows_that_are_not_the_same_again(monkeypatch):
    """What a task makes of nothing but chance differs when it is fetched anew."""
    X, y, _, _ = table(900)
    engine = _engine.Cluster
    inner = engine._place

    def place(self, missing):
        if self._known:
            self._groups[0] = [(ray.put(X[:430] + 1.0), ray.put(y[:430]), None)]
        inner(self, missing)

    monkeypatch.setattr(engine, "_place", place)
    losing("sums", 1, monkeypatch)
    with pytest.raises(ValueError, match="other rows than before"):
        RayGDRegressor().fit(parts(X)[:3], parts(y)[:3])


def test_an_error_of_the_user_is_raised_at_once():
    X, y, _, _ = table(900)

    def broken():
        raise ZeroDivisionError("of the user")

    bad = [ray.remote(broken).options(max_retries=0).remote()]
    model = RayGDRegressor(lr=0.5)
    with pytest.raises(ZeroDivisionError, match="of the user"):
        model.fit([*parts(X), *bad], [*parts(y), ray.put(y[:1])])
    assert not hasattr(model, "coef_")


def test_what_is_refused(monkeypatch):
    X, y, _, _ = table(900)
    good = parts(X), parts(y)
    with pytest.raises(TypeError, match="X is a ndarray"):
        RayGDRegressor().fit(X, y)
    with pytest.raises(TypeError, match="y a ndarray"):
        RayGDRegressor().fit(good[0], y)
    with pytest.raises(ValueError, match="5 parts and y has 4"):
        RayGDRegressor().fit(good[0], good[1][:-1])
    with pytest.raises(ValueError, match="Partition 0 of X has 430 rows"):
        RayGDRegressor().fit(good[0], good[1][::-1])
    with pytest.raises(ValueError, match="partial_fit over blocks"):
        RayGDRegressor(solver="sgd").fit(*good)
    with pytest.raises(ValueError, match="saga"):
        RayGDRegressor(optimizer="saga").fit(*good)
    data = ray.data.from_pandas(frame(X).assign(y=y))
    with pytest.raises(TypeError, match="the name of its column"):
        RayGDRegressor().fit(data, good[1])
    monkeypatch.setattr(_engine.ray, "is_initialized", lambda: False)
    with pytest.raises(ValueError, match=r"call ray\.init"):
        RayGDRegressor().fit(*good)


def test_a_search_in_memory_on_a_cluster():
    """GridSearchCV under joblib's backend, for tables that fit on each worker."""
    joblib = pytest.importorskip("joblib")
    from ray.util.joblib import register_ray

    X, _, labels, _ = table(600)
    search = GridSearchCV(GDClassifier(), {"alpha": [1e-4, 1e-2, 1.0]}, cv=3)
    alone = clone(search).fit(X, labels)
    register_ray()
    with joblib.parallel_config("ray"):
        there = clone(search).fit(X, labels)
    np.testing.assert_array_equal(
        there.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"]
    )
    np.testing.assert_array_equal(
        there.best_estimator_.coef_, alone.best_estimator_.coef_
    )
