"""Worker processes killed in the middle of a fit: the same bits."""

import os
import signal
import threading

import numpy as np
import pytest

from skgd import GDClassifier

distributed = pytest.importorskip("distributed")
dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

from skgd.dask import DaskGDClassifier, _engine  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

# A busy machine takes its time to start a process again, and LocalCluster would give
# the worker up.
PATIENCE = {
    "distributed.deploy.lost-worker-timeout": "300s",
    "skgd.wait-for-workers": "300s",
}


def kill_in_the_middle(engine):
    """Stop a worker, so that it cannot answer, and kill it when it has been asked."""
    pids = engine.client.run(os.getpid)
    pid = pids[engine._holders[0].address]
    os.kill(pid, signal.SIGSTOP)
    threading.Timer(0.5, os.kill, (pid, signal.SIGKILL)).start()


@pytest.fixture(scope="module")
def problem():
    rng = da.random.default_rng(0)
    X = rng.normal(size=(40_000, 10), chunks=(1_500, 10))
    noise = rng.normal(size=40_000, chunks=1_500)
    y = da.digitize(X.sum(axis=1) + noise, np.array([-1.0, 2.0]))
    return X, y


@pytest.fixture(scope="module")
def fit_over(problem):
    X, y = problem

    def fit(n_workers, spy=None):
        with (
            dask.config.set(PATIENCE),
            distributed.LocalCluster(
                n_workers=n_workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
            ) as cluster,
            distributed.Client(cluster, set_as_default=False) as client,
            pytest.MonkeyPatch.context() as patch,
        ):
            if spy is not None:
                patch.setattr(_engine.Cluster, "map", spy)
            return DaskGDClassifier(client=client).fit(X, y)

    return fit


@pytest.fixture(scope="module")
def whole(fit_over):
    return fit_over(2)


def test_the_result_is_that_of_fit(problem, whole):
    X, y = dask.compute(*problem, scheduler="synchronous")
    local = GDClassifier(solver="batch").fit(X, y)
    assert whole.n_iter_ == local.n_iter_
    np.testing.assert_allclose(whole.coef_, local.coef_, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n_workers", [1, 4])
def test_any_number_of_workers(fit_over, whole, n_workers):
    np.testing.assert_array_equal(fit_over(n_workers).coef_, whole.coef_)


@pytest.mark.parametrize(
    ("method", "count"), [("survey", 1), ("sums", 3), ("sums", "last")]
)
def test_a_killed_worker_loses_nothing(fit_over, whole, method, count):
    """During the survey, during the search, and in the last pass."""
    inner, seen, lost = _engine.Cluster.map, [], []
    count = whole.n_iter_ if count == "last" else count
    count_loss = _engine.Cluster._count_loss

    def asked(self, name, *arguments, **options):
        seen.append(name)
        if name == method and seen.count(method) == count:
            self._count_loss = lambda where: (
                lost.append(where),
                count_loss(self, where),
            )
            kill_in_the_middle(self)
        return inner(self, name, *arguments, **options)

    again = fit_over(2, asked)
    assert lost
    assert again.history_["loss"].tolist() == whole.history_["loss"].tolist()
    np.testing.assert_array_equal(again.coef_, whole.coef_)
    np.testing.assert_array_equal(again.intercept_, whole.intercept_)
