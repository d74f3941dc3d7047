"""scikit-learn's callbacks, alone and inside pipelines and searches."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import make_classification, make_regression
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import GDClassifier, GDRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

EITHER = pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
SCORES = {GDRegressor: ("r2", r2_score), GDClassifier: ("accuracy", accuracy_score)}
N_EPOCHS = 5


def problem(cls):
    if cls is GDRegressor:
        return make_regression(60, 4, noise=5.0, random_state=0)
    return make_classification(60, 4, random_state=0)


def estimator(cls):
    return cls(lr=0.01, max_iter=N_EPOCHS, tol=None, shuffle=False)


def epochs(monitor):
    """The rows of the log that are epochs."""
    log = monitor.get_logs().data
    return [row for row in log if row["task_name"] == "epoch"]


@EITHER
def test_scoring_monitor(cls):
    """Each epoch's score is that of a fit that ends there."""
    X, y = problem(cls)
    name, score = SCORES[cls]
    monitor = ScoringMonitor(scoring=name)
    model = estimator(cls).set_callbacks(monitor)
    model.fit(X, y)
    found = [row[name] for row in epochs(monitor)]
    expected = [
        score(y, estimator(cls).set_params(max_iter=n).fit(X, y).predict(X))
        for n in range(1, N_EPOCHS + 1)
    ]
    assert_allclose(found, expected)
    assert [row["task_id"] for row in epochs(monitor)] == list(range(N_EPOCHS))
    # Watching changes nothing.
    assert (model.coef_ == estimator(cls).fit(X, y).coef_).all()


@EITHER
def test_scoring_monitor_with_weights(cls):
    X, y = problem(cls)
    name, score = SCORES[cls]
    weights = np.linspace(0, 2, len(y))
    monitor = ScoringMonitor(scoring=name)
    model = estimator(cls).set_callbacks(monitor).fit(X, y, sample_weight=weights)
    expected = score(y, model.predict(X), sample_weight=weights)
    assert_allclose(epochs(monitor)[-1][name], expected)


@EITHER
def test_scoring_monitor_in_a_pipeline(cls):
    X, y = problem(cls)
    name, _ = SCORES[cls]
    monitor = ScoringMonitor(scoring=name)
    pipeline = make_pipeline(StandardScaler(), estimator(cls).set_callbacks(monitor))
    pipeline.fit(X, y)
    found = [row[name] for row in epochs(monitor)]
    assert len(found) == N_EPOCHS
    assert_allclose(found[-1], pipeline.score(X, y))


@EITHER
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_scoring_monitor_in_a_search(cls, n_jobs):
    X, y = problem(cls)
    name, _ = SCORES[cls]
    monitor = ScoringMonitor(scoring=name)
    search = GridSearchCV(
        estimator(cls).set_callbacks(monitor),
        {"lr": [0.001, 0.01]},
        cv=2,
        n_jobs=n_jobs,
    ).fit(X, y)
    # Two rates, two folds, and the best again on all rows.
    found = [row for log in monitor.get_logs("all") for row in log.data]
    found = [row for row in found if row["task_name"] == "epoch"]
    assert len(found) == (2 * 2 + 1) * N_EPOCHS
    assert np.isfinite([row[name] for row in found]).all()
    best = clone(search.best_estimator_).fit(X, y)
    assert (search.best_estimator_.coef_ == best.coef_).all()


@EITHER
@pytest.mark.parametrize("place", ["alone", "pipeline", "search", "parallel search"])
def test_progress_bar(cls, place, capsys):
    X, y = problem(cls)
    bar = ProgressBar(max_propagation_depth=3)
    model = estimator(cls)
    if place == "pipeline":
        model = make_pipeline(StandardScaler(), model)
    elif place != "alone":
        n_jobs = 2 if place == "parallel search" else None
        model = GridSearchCV(model, {"lr": [0.001, 0.01]}, cv=2, n_jobs=n_jobs)
    model.set_callbacks(bar).fit(X, y)
    printed = capsys.readouterr().out
    assert cls.__name__ in printed
    assert "100%" in printed


class Recorder:
    """A callback that notes what it is told and can ask to stop."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.calls = []
        self.fitted = []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.calls.append(f"begin {context.task_name}")
        self.given = X, y, metadata

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        self.calls.append(f"end {context.task_name}")
        if context.task_name == "epoch":
            self.fitted.append(fitted_estimator)
            return len(self.fitted) == self.stop_after
        return None

    def teardown(self, estimator, context):
        self.calls.append("teardown")


@EITHER
def test_the_order_of_calls(cls):
    X, y = problem(cls)
    recorder = Recorder()
    estimator(cls).set_params(max_iter=2).set_callbacks(recorder).fit(X, y)
    inner = ["begin epoch", "end epoch"] * 2
    assert recorder.calls == ["setup", "begin fit", *inner, "end fit", "teardown"]
    assert (recorder.given[0] == X).all() and (recorder.given[1] == y).all()
    assert recorder.given[2] == {"sample_weight": None}


@EITHER
@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
def test_a_callback_can_stop_the_fit(cls, solver):
    X, y = problem(cls)
    model = estimator(cls).set_params(solver=solver)
    stopped = clone(model).set_callbacks(Recorder(stop_after=3)).fit(X, y)
    assert stopped.stop_reason_ == "callback"
    assert stopped.n_iter_ == 3
    plain = clone(model).set_params(max_iter=3).fit(X, y)
    assert stopped.coef_.tobytes() == plain.coef_.tobytes()


@EITHER
def test_a_callback_sees_models_that_work(cls):
    """Each with the weights of its epoch, none changed by what follows."""
    X, y = problem(cls)
    recorder = Recorder()
    model = estimator(cls).set_callbacks(recorder).fit(X, y)
    for n, fitted in enumerate(recorder.fitted, start=1):
        plain = estimator(cls).set_params(max_iter=n).fit(X, y)
        assert (fitted.predict(X) == plain.predict(X)).all()
        assert (fitted.coef_ == plain.coef_).all()
        assert fitted.n_iter_ == n
        assert fitted.loss_curve_ == model.loss_curve_[:n]


@EITHER
def test_a_stopped_fit_restores_the_best_weights(cls):
    X, y = problem(cls)
    model = estimator(cls).set_params(early_stopping=True, random_state=0, max_iter=50)
    model.set_callbacks(Recorder(stop_after=4)).fit(X, y)
    assert model.stop_reason_ == "callback"
    scores = model.validation_scores_
    assert len(scores) == 4 and model.best_epoch_ == 1 + np.argmax(scores)


def test_an_error_in_a_callback_is_raised():
    X, y = problem(GDRegressor)
    recorder = Recorder()

    def fail(*arguments, **named):
        raise RuntimeError("enough")

    recorder.on_fit_task_end = fail
    with pytest.raises(RuntimeError, match="enough"):
        estimator(GDRegressor).set_callbacks(recorder).fit(X, y)
    assert recorder.calls[-1] == "teardown"


def test_streams_work_with_callbacks_set():
    X, y = problem(GDRegressor)
    monitor = ScoringMonitor(scoring="r2")
    model = estimator(GDRegressor).set_callbacks(monitor)
    for _ in range(2):
        model.partial_fit(X, y)
    plain = estimator(GDRegressor).partial_fit(X, y).partial_fit(X, y)
    assert (model.coef_ == plain.coef_).all()
