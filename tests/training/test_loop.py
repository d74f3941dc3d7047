"""The loop over epochs, with epochs that do as they are told."""

import numpy as np
import pytest

from skgd._training import loop
from skgd._training.loop import Limits, train
from skgd._training.state import State


class Told:
    """Passes that say what they are told, and whether they moved the answer."""

    def __init__(self, objectives, moves=None):
        self.objectives = iter(objectives)
        self.moves = iter(moves or [True] * len(objectives))
        self.moved = True

    def run(self, state):
        state.theta += 1.0
        self.moved = next(self.moves)
        return next(self.objectives), 0.1


def a_state():
    nothing = np.empty(0)
    return State(
        theta=np.zeros(1),
        vectors=np.empty((0, 1)),
        scalars=nothing,
        step_sizes=np.ones(1),
        base=nothing,
        average=nothing,
        averaging=None,
        rng=np.random.default_rng(0),
    )


def limits(max_iter=20, margin=0.1, patience=3, start=10.0):
    return Limits(max_iter, margin, patience, start)


def test_slow_steady_progress_counts_once_it_adds_up():
    falls = 10.0 - 0.06 * np.arange(1, 11)
    report = train(Told([*falls, *[falls[-1]] * 9]), a_state(), limits())
    # Every second epoch comes below the value to beat by 0.1.
    assert (report.stop_reason, report.n_epochs) == ("tol", 9 + 3)


def test_no_margin_is_endless_patience():
    report = train(Told([5.0] * 20), a_state(), limits(margin=None))
    assert (report.stop_reason, report.n_epochs) == ("max_iter", 20)


@pytest.mark.parametrize("validated", [False, True])
def test_a_trial_that_was_taken_back_is_no_lack_of_progress(validated):
    """Five passes of a search that stand still, then two that go down."""
    objectives = [5.0] * 6 + [4.0, 3.0] + [3.0] * 9
    moves = [True] + [False] * 5 + [True] * 11
    validate = None
    if validated:
        judged = iter(objectives)

        def validate(state):
            value = next(judged)
            return value, None, value

    report = train(Told(objectives, moves), a_state(), limits(), validate=validate)
    assert report.stop_reason == ("early_stopping" if validated else "tol")
    assert report.n_epochs == 8 + 3


@pytest.mark.parametrize("worth", [np.nan, np.inf, 10.0 * loop.DIVERGENCE_FACTOR * 2])
def test_divergence_keeps_the_best_so_far(worth):
    state = a_state()
    report = train(Told([5.0, 4.0, 6.0, worth]), state, limits())
    assert (report.stop_reason, report.n_epochs) == ("diverged", 3)
    # Each objective was seen on the way from where the epoch began.
    assert (report.best_epoch, state.theta[0]) == (2, 1.0)
    assert state.epoch == 3
