"""Several passes over a small table in one compiled call: as if made one by one."""

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone

from skgd import MLPGD, GDClassifier, GDRegressor
from skgd._training import epochs
from skgd._training.epochs import Batches
from skgd._training.loop import DivergenceWarning, Limits, Undisturbed, train
from skgd._training.state import Averaging, State
from skgd.optimizers import Momentum


def table(n_classes=2):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((90, 5))
    scores = X @ rng.standard_normal((5, n_classes)) + rng.standard_normal(
        (90, n_classes)
    )
    return X, scores.argmax(axis=1)


MODELS = {
    "default": GDClassifier(lr=0.1, batch_size=16),
    "no end": GDClassifier(lr=0.1, batch_size=16, tol=None, max_iter=23),
    "soon": GDClassifier(lr=0.1, batch_size=16, n_iter_no_change=2, tol=0.05),
    "at once": GDClassifier(lr=0.1, batch_size=16, n_iter_no_change=1, tol=0.5),
    "inf": GDClassifier(lr=0.1, batch_size=16, n_iter_no_change=np.inf, max_iter=19),
    "momentum": GDClassifier(lr=0.03, batch_size=16, optimizer="momentum"),
    "adam, l1": GDClassifier(
        lr=0.01, batch_size=7, optimizer="adam", penalty="elasticnet", alpha=0.01
    ),
    "averages": GDClassifier(lr=0.1, batch_size=16, average=3),
    "schedule": GDClassifier(lr=0.1, batch_size=16, lr_schedule="invscaling"),
    "clipped": GDClassifier(lr=0.1, batch_size=16, clip_norm=0.2),
    "float32": GDClassifier(lr=0.1, batch_size=16),
    "hinge": GDClassifier("hinge", lr=0.1, batch_size=16),
    "regression": GDRegressor(lr=0.02, batch_size=16),
    "finds its rate": GDRegressor(lr=1.0, batch_size=16, optimizer="dowg"),
    "saga": GDRegressor(lr=0.02, batch_size=16, optimizer="saga"),
    "ensemble": MLPGD((6,), n_ensemble=2, lr=0.05, batch_size=16, optimizer="gd"),
    "network": MLPGD((6,), lr=0.05, batch_size=16, optimizer="gd"),
}


def fitted(model, X, y, monkeypatch, most):
    monkeypatch.setattr(epochs, "MOST_PASSES", most)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return clone(model).set_params(random_state=3).fit(X, y)


def assert_same(one, other):
    assert one.n_iter_ == other.n_iter_
    assert one.stop_reason_ == other.stop_reason_
    assert one.t_ == other.t_
    for name, column in one.history_.items():
        if name != "seconds":
            np.testing.assert_array_equal(column, other.history_[name])
    mine, theirs = one._state, other._state
    for name in ("theta", "vectors", "scalars", "step_sizes", "base", "average"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
    assert (mine.step, mine.epoch) == (theirs.step, theirs.epoch)
    assert mine.rng.bit_generator.state == theirs.rng.bit_generator.state


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", ["dense", "csr", "several"])
def test_fits_have_the_bits_of_one_pass_a_call(name, kind, monkeypatch):
    X, y = table(3 if kind == "several" else 2)
    if name == "float32":
        X = X.astype(np.float32)
    X = csr_matrix(X) if kind == "csr" else X
    one = fitted(MODELS[name], X, y, monkeypatch, 1)
    assert_same(fitted(MODELS[name], X, y, monkeypatch, 16), one)


def test_they_are_used(monkeypatch):
    """Or the tests here would compare a way with itself."""
    calls = []

    def make(self, state, n_passes, original=Batches._make):
        calls.append(n_passes)
        return original(self, state, n_passes)

    monkeypatch.setattr(Batches, "_make", make)
    X, y = table()
    model = fitted(MODELS["default"], X, y, monkeypatch, 16)
    # As many as the patience lasts, and never one for nothing.
    assert calls[0] == 5
    assert sum(calls) <= model.n_iter_
    assert sum(calls) > model.n_iter_ // 2


@pytest.mark.parametrize("name", ["default", "momentum", "regression", "saga"])
def test_what_diverges_keeps_the_same_weights(name, monkeypatch):
    X, y = table()
    model = clone(MODELS[name]).set_params(lr=1e5, clip_norm=None)
    with pytest.warns(DivergenceWarning):
        model.fit(X * 100, y)
    one = fitted(model, X * 100, y, monkeypatch, 1)
    other = fitted(model, X * 100, y, monkeypatch, 16)
    assert one.stop_reason_ == other.stop_reason_ == "diverged"
    np.testing.assert_array_equal(one.coef_, other.coef_)
    np.testing.assert_array_equal(one.history_["loss"], other.history_["loss"])


@pytest.mark.filterwarnings("ignore:Stopped at max_iter")
def test_who_looks_on_finds_all_of_the_state(monkeypatch):
    """Callbacks and validation rows see memory and random stream of their epoch."""
    X, y = table()
    seen = {}

    def run(self, state, original=Batches.run):
        result = original(self, state)
        seen[most].append((state.vectors.copy(), state.rng.bit_generator.state))
        return result

    monkeypatch.setattr(Batches, "run", run)
    for most in (1, 16):
        seen[most] = []
        monkeypatch.setattr(epochs, "MOST_PASSES", most)
        GDClassifier(
            lr=0.03, batch_size=16, optimizer="momentum", max_iter=12, random_state=0
        ).fit(X, y, X_val=X[:9], y_val=y[:9])
    for (one, stream), (other, same) in zip(seen[1], seen[16], strict=True):
        np.testing.assert_array_equal(one, other)
        assert stream == same


class Pressed(Undisturbed):
    """Ctrl-C after the second epoch."""

    def should_stop(self):
        return True


@pytest.mark.parametrize("most", [1, 16])
def test_a_wish_to_stop_waits_for_what_has_been_made(most, monkeypatch):
    from binding import bound_to

    from skgd._training.epochs import Rates, Stepper
    from skgd.schedules import Constant

    monkeypatch.setattr(epochs, "MOST_PASSES", most)
    X, y = table()
    bound = bound_to(X, y[:, None].astype(float))
    rule, presses = Momentum(0.5), Pressed()
    rng = np.random.default_rng(0)
    state = State.start(np.zeros(6), rule, Averaging(), rng)
    stepper = Stepper(bound.objective, rule, None)
    batches = Batches(bound, stepper, Rates(0.01, Constant(), None), 16, True)

    def run(state, original=batches.run):
        presses.asked |= state.epoch == 1
        return original(state)

    batches.run = run
    with pytest.warns(UserWarning, match="Interrupted"):
        report = train(batches, state, Limits(7, None, 1, 1.0), presses=presses)
    assert report.stop_reason == "interrupted"
    assert report.n_epochs == (2 if most == 1 else 7)
    assert batches.ahead == 0
