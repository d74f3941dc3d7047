"""Ctrl-C: what keeps the weights, and what reaches the loop around the call."""

import pickle
import signal
import threading
import time

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import MLPGD, GDClassifier, GDRegressor

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3))
Y = (X[:, 0] > 0).astype(int)

EVERY = pytest.mark.parametrize(
    "model",
    [
        GDRegressor(lr=0.01, max_iter=50, tol=None),
        GDClassifier(lr=0.01, max_iter=50, tol=None),
        MLPGD(hidden_layer_sizes=(3,), lr=0.01, max_iter=50, tol=None),
    ],
    ids=lambda model: type(model).__name__,
)


@pytest.fixture(autouse=True)
def usual_handler():
    """A shell that starts tests in the background has them ignore the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def press():
    signal.raise_signal(signal.SIGINT)


def pressing(*epochs):
    """A schedule that presses Ctrl-C in the given epochs, one after the other.

    A function, which clones share: it presses once, whichever of them is trained.
    """

    def schedule(step, epoch):
        if schedule.pressed < len(epochs) and epoch >= epochs[schedule.pressed]:
            schedule.pressed += 1
            press()
        return 1.0

    schedule.pressed = 0
    return schedule


# ---- a single fit --------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
def test_a_single_fit_keeps_its_weights(model, solver):
    model = clone(model).set_params(solver=solver, random_state=0)
    model.set_params(lr_schedule=pressing(3))
    with pytest.warns(ConvergenceWarning, match="Interrupted"):
        model.fit(X, Y)
    assert model.stop_reason_ == "interrupted"
    assert 3 <= model.n_iter_ <= 4
    plain = clone(model).set_params(lr_schedule="constant", max_iter=model.n_iter_)
    plain.fit(X, Y)
    assert model._state.theta.tobytes() == plain._state.theta.tobytes()


@EVERY
def test_the_last_epoch(model):
    """A press is not lost because the fit would have ended anyway."""
    model = clone(model).set_params(max_iter=1, lr_schedule=pressing(0))
    with pytest.warns(ConvergenceWarning, match="Interrupted"):
        model.fit(X, Y)
    assert model.stop_reason_ == "interrupted"


@EVERY
@pytest.mark.parametrize("method", ["fit", "fit_batches"])
def test_a_second_press_raises(model, method):
    model = clone(model).fit(X, Y)

    def twice(step, epoch):
        press()
        press()
        return 1.0

    model.set_params(lr_schedule=twice)
    before = vars(model).copy()
    data = ([(X, Y)],) if method == "fit_batches" else (X, Y)
    with pytest.raises(KeyboardInterrupt):
        getattr(model, method)(*data)
    assert vars(model) == before


# ---- many fits -----------------------------------------------------------------------


@EVERY
def test_partial_fit_raises(model):
    model = clone(model).fit(X, Y)
    schedule = pressing(0, 0)
    before = model.coef_ if hasattr(model, "coef_") else model.coefs_
    model.set_params(lr_schedule=schedule)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            model.partial_fit(X, Y)
    assert schedule.pressed == 2
    assert before is (model.coef_ if hasattr(model, "coef_") else model.coefs_)


def grid(model):
    return GridSearchCV(model, {"alpha": [0.1, 0.01]}, cv=2).fit(X, Y)


def scores(model):
    return cross_val_score(model, X, Y, cv=3)


def pipeline(model):
    return make_pipeline(StandardScaler(), model).fit(X, Y)


@EVERY
@pytest.mark.parametrize("search", [grid, scores, pipeline])
def test_searches_stop(model, search):
    schedule = pressing(3)
    model = clone(model).set_params(lr_schedule=schedule)
    with pytest.raises(KeyboardInterrupt):
        search(model)
    assert schedule.pressed == 1


def for_ever(call):
    while True:
        call()


@EVERY
@pytest.mark.parametrize("epoch", [0, 3])
def test_loops_of_small_fits_stop(model, epoch):
    n_fits = 0
    schedule = pressing(*[epoch] * 4)

    def one_more():
        nonlocal n_fits
        n_fits += 1
        clone(model).set_params(lr_schedule=schedule).fit(X, Y)

    for n_presses in range(1, 5):
        with pytest.raises(KeyboardInterrupt):
            for_ever(one_more)
        assert schedule.pressed == n_presses == n_fits


def test_a_comprehension_is_a_loop():
    schedule = pressing(2)
    model = GDRegressor(lr=0.01, lr_schedule=schedule, max_iter=20, tol=None)
    with pytest.raises(KeyboardInterrupt):
        [clone(model).fit(X, Y) for _ in range(3)]


def test_a_handler_of_the_user_is_called():
    calls = []
    signal.signal(signal.SIGINT, lambda *arguments: calls.append(arguments))
    model = GDRegressor(lr=0.01, max_iter=20, tol=None)
    cross_val_score(model.set_params(lr_schedule=pressing(2)), X, Y)
    assert len(calls) == 1
    signal.signal(signal.SIGINT, signal.default_int_handler)


# ---- streams -------------------------------------------------------------------------


class SlowSource:
    """Batches, one of which keeps its reader waiting in one of the passes."""

    def __init__(self, slow_pass, seconds=20.0):
        self.slow_pass = slow_pass
        self.seconds = seconds
        self.passes = self.closed = self.read = 0
        self.waits = threading.Event()
        self.go_on = threading.Event()

    def __iter__(self):
        self.passes += 1
        slow = self.passes == self.slow_pass
        try:
            for i in range(4):
                if slow and i == 2:
                    self.waits.set()
                    self.go_on.wait(self.seconds)
                self.read += 1
                yield X[10 * i : 10 * i + 10], Y[10 * i : 10 * i + 10]
        finally:
            self.closed += 1


def press_when(event):
    main = threading.main_thread().ident
    times = []

    def wait_and_press():
        if not event.wait(30):
            return
        # A signal just before a wait begins does not end it.
        time.sleep(0.1)
        times.append(time.monotonic())
        # To the main thread itself, or its wait would go on undisturbed.
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=wait_and_press)
    thread.start()
    return thread, times


def n_readers():
    return sum(thread.daemon for thread in threading.enumerate())


@pytest.mark.parametrize("n_ahead", [0, 2])
@pytest.mark.parametrize("slow_pass", [2, 3])
def test_a_stream_that_waits_before_the_first_epoch_ends(slow_pass, n_ahead):
    source, readers = SlowSource(slow_pass), n_readers()
    model = GDClassifier(max_iter=50, tol=None)
    before = pickle.dumps(model)
    thread, pressed = press_when(source.waits)
    with pytest.raises(KeyboardInterrupt):
        model.fit_batches(source, classes=[0, 1], n_ahead=n_ahead)
    assert time.monotonic() - pressed[0] < 2.0
    thread.join()
    assert pickle.dumps(model) == before
    check_reader_ends(source, readers)
    assert pickle.dumps(model) == before


@EVERY
@pytest.mark.parametrize("n_ahead", [0, 2])
@pytest.mark.parametrize("solver", ["batch", "minibatch"])
def test_a_stream_that_waits_later(model, solver, n_ahead):
    source, readers = SlowSource(5), n_readers()
    model = clone(model).set_params(solver=solver, random_state=0, batch_size=10)
    classes = {} if isinstance(model, GDRegressor) else {"classes": [0, 1]}
    thread, pressed = press_when(source.waits)
    with pytest.warns(ConvergenceWarning, match="Interrupted"):
        model.fit_batches(source, n_ahead=n_ahead, **classes)
    assert time.monotonic() - pressed[0] < 2.0
    thread.join()
    assert model.stop_reason_ == "interrupted"
    check_reader_ends(source, readers)
    plain = clone(model).set_params(max_iter=model.n_iter_)
    plain.fit_batches(SlowSource(0), n_ahead=0, **classes)
    assert model._state.theta.tobytes() == plain._state.theta.tobytes()
    assert model.t_ == plain.t_
    resumed = [one.set_params(warm_start=True, max_iter=2) for one in (model, plain)]
    for one in resumed:
        one.fit_batches(SlowSource(0), n_ahead=0, **classes)
    assert model._state.theta.tobytes() == plain._state.theta.tobytes()


def check_reader_ends(source, readers):
    """The thread ends as soon as the source lets it go, without another batch."""
    n_read, n_closed = source.read, source.closed
    source.go_on.set()
    deadline = time.monotonic() + 10
    while n_readers() > readers and time.monotonic() < deadline:
        time.sleep(0.01)
    assert n_readers() == readers
    assert source.read <= n_read + 1
    assert source.closed >= n_closed
    assert source.closed == source.passes


def test_an_abandoned_reader_asks_the_estimator_nothing_more(monkeypatch):
    source, readers = SlowSource(3), n_readers()
    model = GDClassifier(max_iter=50, tol=None)
    thread, _ = press_when(source.waits)
    with pytest.raises(KeyboardInterrupt):
        model.fit_batches(source, classes=[0, 1])
    thread.join()

    def touched(*arguments, **others):
        raise AssertionError("the reader came back to the estimator")

    monkeypatch.setattr(GDClassifier, "_further_rows", touched)
    check_reader_ends(source, readers)


def test_no_press_is_left_behind():
    """The usual handler is back after a fit, whatever ended it."""
    GDRegressor(lr=0.01, max_iter=2, tol=None).fit(X, Y)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# ---- from outside --------------------------------------------------------------------


def regression(n=120):
    X, y = make_regression(n, 6, noise=30.0, random_state=0)
    return X, y / 50


def test_ctrl_c():
    """A press from outside, while compiled loops run."""
    X, y = regression(2000)
    trains = threading.Event()

    def constant(step, epoch):
        trains.set()
        return 1.0

    model = GDRegressor(lr=1e-4, max_iter=10**5, tol=None, shuffle=False)
    clone(model).set_params(max_iter=1).fit(X, y)  # compiled by now
    model.set_params(lr_schedule=constant)
    thread, _ = press_when(trains)
    with pytest.warns(ConvergenceWarning, match="Interrupted.*epoch"):
        model.fit(X, y)
    thread.join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert model.stop_reason_ == "interrupted"
    assert 0 < model.n_iter_ < 10**5
    plain = clone(model).set_params(max_iter=model.n_iter_).fit(X, y)
    assert (model.coef_ == plain.coef_).all()


def test_a_second_ctrl_c_acts_at_once():
    """An epoch that never ends: here a schedule that waits."""
    X, y = regression()
    entered = threading.Event()

    def wait(step, epoch):
        entered.set()
        for _ in range(1000):  # naps, between which Python looks for signals
            time.sleep(0.02)
        return 1.0

    def press_twice():
        entered.wait(20)
        main = threading.main_thread().ident
        # To the main thread itself, or its sleep would go on undisturbed.
        signal.pthread_kill(main, signal.SIGINT)
        # Two signals that come before the first is handled are one.
        deadline = time.monotonic() + 20
        while signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=press_twice)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        GDRegressor(lr=0.1, lr_schedule=wait, solver="batch").fit(X, y)
    thread.join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_are_not_interrupted():
    X, y = regression()
    models = [GDRegressor(lr=0.01, max_iter=20, tol=None, random_state=0)] * 2
    fits = []
    threads = [
        threading.Thread(target=lambda m=m: fits.append(clone(m).fit(X, y)))
        for m in models
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (fits[0].coef_ == fits[1].coef_).all()
