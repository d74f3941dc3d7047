"""The one training loop: epochs, stopping, best weights, history, divergence.

It asks an epoch object to move the state and decides when to stop and which weights to
keep. What an epoch does, and what theta means, it does not know.
"""

import math
import time
import warnings
from dataclasses import dataclass, field

import numpy as np
from sklearn.exceptions import ConvergenceWarning

# Training has failed when the objective is this many times what it was at the start.
DIVERGENCE_FACTOR = 1e6

# Columns of every history, also of one without an epoch.
ALWAYS = ("epoch", "step", "loss", "lr", "seconds")

# Lines printed by verbose=1 for a whole fit.
VERBOSE_LINES = 20


class DivergenceWarning(ConvergenceWarning):
    """Training moved away from the optimum; the best weights so far were kept."""


@dataclass(frozen=True)
class Limits:
    """When to stop.

    Attributes
    ----------
    max_iter : int
        Epochs at most.
    margin : float or None
        Improvement that counts, in units of what is watched. None never stops.
    patience : int
        Epochs without improvement before stopping.
    start : float
        The objective at the start of training.
    start_of_all : callable() -> float, optional
        The same over all rows, where `start` is that of a sample.
    """

    max_iter: int
    margin: float | None
    patience: int
    start: float
    start_of_all: object = None

    def new_patience(self):
        """What counts epochs without improvement, or None if nothing does."""
        if self.margin is None:
            return None
        return _Patience(self.margin, self.patience)


@dataclass
class Report:
    """What happened in a training run.

    Attributes
    ----------
    columns : dict of str to list
        The history, one entry per epoch in each list.
    n_epochs : int
    stop_reason : str
    best_epoch : int
        Epoch (from 1) of the lowest objective, or of the best validation score.
    best_value : float
        What was watched there.
    best_parameters : list of arrays
        Copies of the parameters that belong to it.
    gap : float or None
        How far the objective can be from its minimum, where an epoch says so.
    gap_kind : {"bound", "estimate"} or None
    """

    columns: dict = field(default_factory=dict)
    n_epochs: int = 0
    stop_reason: str = "max_iter"
    best_epoch: int = 0
    best_value: float = math.inf
    best_parameters: list = field(default_factory=list)
    gap: float | None = None
    gap_kind: str | None = None

    def append(self, entries, watched, parameters):
        """One more epoch, and the parameters that a value of what is watched is of."""
        self.n_epochs += 1
        if not self.columns:
            self.columns = {name: [] for name in entries}
        for name, value in entries.items():
            self.columns[name].append(value)
        if watched < self.best_value:
            self.best_value, self.best_parameters = watched, parameters
            self.best_epoch = self.n_epochs

    def __getitem__(self, name):
        return self.columns.get(name, [])

    def attributes(self):
        """What an estimator shows of the run, by name."""
        columns = self.columns or dict.fromkeys(ALWAYS, ())
        losses = list(columns["loss"])
        scores = None
        if "validation_loss" in columns:
            scores = columns.get("validation_score")
            scores = list(scores or [-loss for loss in columns["validation_loss"]])
        return {
            "n_iter_": self.n_epochs,
            "history_": {name: np.array(values) for name, values in columns.items()},
            "loss_curve_": losses,
            "best_loss_": min(losses, default=np.inf),
            "best_epoch_": self.best_epoch,
            "stop_reason_": self.stop_reason,
            "validation_scores_": scores,
            "best_validation_score_": None if scores is None else max(scores),
        }


class _Patience:
    """Counts epochs without an improvement of more than `margin`.

    The value to beat moves only when it is beaten by the margin, so that slow steady
    progress counts once it adds up to the margin.
    """

    def __init__(self, margin, patience):
        self.margin = margin
        self.patience = patience
        self.to_beat = math.inf
        self.waited = 0

    @property
    def left(self):
        """Epochs that it lasts, whatever they bring."""
        return max(1, self.patience - self.waited)

    def exhausted(self, value):
        if value < self.to_beat - self.margin:
            self.to_beat = value
            self.waited = 0
        else:
            self.waited += 1
        return self.waited >= self.patience


class _Ceiling:
    """What the objective reaches only where training fails."""

    def __init__(self, limits):
        # As a number of Python, that of a huge one is infinite without a warning.
        start = float(limits.start)
        self.value = DIVERGENCE_FACTOR * start if start > 0 else math.inf
        self.start_of_all = limits.start_of_all

    def is_broken(self, objective):
        if objective > self.value and self.start_of_all is not None:
            # A few rows that the sample lacks may be larger than all others.
            start = self.start_of_all()
            self.value = max(self.value, DIVERGENCE_FACTOR * start)
            self.start_of_all = None
        return not math.isfinite(objective) or objective > self.value


class EpochBroken(KeyboardInterrupt):
    """A wish to stop that comes in the middle of an epoch and is not to wait."""


class Undisturbed:
    """Nobody asks a run to stop; see ``skgd._estimator.interrupts.Presses``."""

    asked = in_epoch = epochs_break = False

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def should_stop(self):
        return False


def train(
    epoch, state, limits, *, validate=None, on_epoch=None, verbose=0, presses=None
):
    """Run epochs until there is a reason to stop.

    Parameters
    ----------
    epoch : object with ``run(state) -> (objective, rate)``
        Moves the state by one pass over the rows. A non-finite objective says that the
        weights are worthless. One with `moved` says whether the pass changed the
        answer. One that knows its end has a `verdict`, the reason to stop or None, and
        a `gap`; then passes without improvement are no reason to stop. One with `sure`
        may make epochs ahead; see ``Batches``.
    state : State
        Moved in place. At the end it holds the weights to keep.
    limits : Limits
    validate : callable(state) -> (loss, score or None, training loss), optional
        Judges the weights on rows not trained on, and for the history on those trained
        on. Given, it decides when to stop, and the weights of the best epoch are
        restored.
    on_epoch : callable(state, report) -> bool, optional
        Called after each epoch; True asks to stop.
    verbose : int
    presses : context manager, optional
        Watches for Ctrl-C during the run, as ``Presses.watched`` of
        ``skgd._estimator.interrupts``. Without it, a press raises as usual.

    Returns
    -------
    Report
    """
    knows_its_end = hasattr(epoch, "verdict")
    patience = None if knows_its_end and validate is None else limits.new_patience()
    ceiling, here = _Ceiling(limits), state.copy_parameters()
    report = Report(best_parameters=here)
    # Who looks at the state in between must find all of it there.
    looks_ahead = hasattr(epoch, "sure") and validate is None and on_epoch is None
    started = time.perf_counter()
    # Epochs may overflow without a word; what others do in between may not. Once for
    # all epochs, since it takes as long as an update.
    usual = np.geterr()
    ignored = np.errstate(over="ignore", invalid="ignore")
    with presses or Undisturbed() as presses, ignored:
        presses.seconds = lambda: _whole_run(report, limits, started)
        while report.n_epochs < limits.max_iter:
            before = here
            if looks_ahead:
                epoch.sure = _sure_epochs(limits, report, patience)
            try:
                objective, rate = _run_epoch(epoch, state, presses)
            except EpochBroken:
                if not report.n_epochs:
                    raise
                break
            here = state.finite_parameters()
            if ceiling.is_broken(objective) or here is None:
                report.stop_reason = "diverged"
                state.restore_parameters(report.best_parameters)
                break
            entries = _counted(epoch, state, objective, rate, started)
            # The objective was seen on the way from `before`; the validation rows
            # judge where the epoch ended.
            watched, candidate = objective, before
            if validate is not None:
                watched = _judged(validate, state, entries, usual)
                candidate = here
            report.append(entries, watched, candidate)
            if verbose:
                _print_epoch(report, limits, verbose)
            if on_epoch is not None and _asked(on_epoch, state, report, usual):
                report.stop_reason = "callback"
                break
            whole = not (looks_ahead and epoch.ahead)
            if presses.asked and whole and presses.should_stop():
                break
            # A pass that looked at a trial and went back is no lack of progress.
            waits = patience is not None and getattr(epoch, "moved", True)
            if waits and patience.exhausted(watched):
                report.stop_reason = "tol" if validate is None else "early_stopping"
                break
            if knows_its_end and epoch.verdict is not None:
                report.stop_reason = epoch.verdict
                break
    if presses.asked and report.stop_reason != "diverged":
        _tell_of_interruption(report)
    _finish(epoch, state, report, validate, verbose)
    return report


def _sure_epochs(limits, report, patience):
    """Epochs that come whatever they bring."""
    left = limits.max_iter - report.n_epochs
    return left if patience is None else min(left, patience.left)


def _counted(epoch, state, objective, rate, started):
    """One more epoch of a state, as entries of the history."""
    state.epoch += 1
    state.losses.append(objective)
    entries = {
        "epoch": state.epoch,
        "step": state.step,
        "loss": objective,
        "lr": rate,
        "seconds": time.perf_counter() - started,
    }
    if hasattr(epoch, "verdict"):
        entries["gap"] = epoch.gap
    return entries


def _judged(validate, state, entries, usual):
    """What rows not trained on say, into the entries of an epoch; smaller is better."""
    with np.errstate(**usual):
        loss, score, training_loss = validate(state)
    entries["training_loss"] = training_loss
    entries["validation_loss"] = loss
    if score is None:
        return loss
    entries["validation_score"] = score
    return -score


def _asked(on_epoch, state, report, usual):
    """Whether a callback asks to stop."""
    with np.errstate(**usual):
        return on_epoch(state, report)


def _tell_of_interruption(report):
    report.stop_reason = "interrupted"
    warnings.warn(
        f"Interrupted: training stopped after epoch {report.n_epochs}, with the "
        "weights it had reached.",
        ConvergenceWarning,
        stacklevel=3,
    )


def _finish(epoch, state, report, validate, verbose):
    """What is left to do after the last epoch, and the weights to keep."""
    if verbose:
        print(f"Stopped after {report.n_epochs} epochs: {report.stop_reason}.")
    if not report.n_epochs:
        return
    diverged = report.stop_reason == "diverged"
    if hasattr(epoch, "finish") and not diverged:
        epoch.finish(state)
    if hasattr(epoch, "verdict") and validate is None:
        report.gap_kind = epoch.gap_kind
        report.gap = None if report.gap_kind is None else epoch.gap
    if validate is not None and not diverged:
        state.restore_parameters(report.best_parameters)


def _run_epoch(epoch, state, presses):
    """One epoch; the state goes back to its start if that is left half way."""
    if not presses.epochs_break:
        return epoch.run(state)
    saved = state.checkpoint()
    try:
        presses.in_epoch = True
        result = epoch.run(state)
        presses.in_epoch = False
    except EpochBroken:
        presses.in_epoch = False
        state.go_back(saved)
        raise
    return result


def _whole_run(report, limits, started):
    """Seconds that all epochs allowed take at the pace so far."""
    if not report.n_epochs:
        return math.inf
    return limits.max_iter * (time.perf_counter() - started) / report.n_epochs


def _print_epoch(report, limits, verbose):
    n = report.n_epochs
    every = 1 if verbose > 1 else -(-limits.max_iter // VERBOSE_LINES)
    if n % every and n != 1:
        return
    line = f"epoch {n:>5}  loss {report['loss'][-1]:.6g}  lr {report['lr'][-1]:.3g}"
    for name in ("validation_loss", "validation_score"):
        if report[name]:
            line += f"  {name.replace('_', ' ')} {report[name][-1]:.6g}"
    print(line + f"  {report['seconds'][-1]:.2f} s")
