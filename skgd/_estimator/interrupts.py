"""Ctrl-C during `fit`: keep the weights of a single fit, or end what it is part of.

A single fit that is interrupted keeps the weights it has reached. Where the fit is one
of many, as in a search, keeping half-trained weights and going on with the next one
would swallow the press: there `KeyboardInterrupt` is raised as everywhere in Python.
"""

import dis
import functools
import signal
import sysconfig
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from skgd._training.loop import EpochBroken

# A fit in a loop that may take longer than this many seconds at its pace is treated as
# a single one: there is something to lose.
SMALL_FIT = 5.0

# Nobody means a fit in a loop that has not run for this many seconds.
REACTION = 0.1

# Packages whose functions call `fit` many times, wherever they are on the stack.
DRIVERS = {
    "dask",
    "distributed",
    "hyperopt",
    "joblib",
    "optuna",
    "ray",
    "skgd",
    "skopt",
    "sklearn",
}

PACKAGE = str(Path(__file__).resolve().parents[1])
LIBRARIES = tuple(
    {
        PACKAGE,
        *(
            sysconfig.get_path(name)
            for name in ("stdlib", "platstdlib", "purelib", "platlib")
        ),
    }
)


class Presses:
    """Takes Ctrl-C over while a run is trained, in the main thread; see `watched`.

    The first press is noted, for the loop to stop after the epoch, or raises
    `KeyboardInterrupt` at once where the fit is one of many. A second press always
    raises.

    Parameters
    ----------
    epochs_break : bool
        Whether to leave the epoch at once: one that waits for a stream may take long.

    Attributes
    ----------
    asked : bool
        Whether to stop.
    in_epoch : bool
        Set by the loop where `EpochBroken` may be raised.
    seconds : callable() -> float
        Set by the loop: how long the whole fit takes at the pace so far.
    """

    def __init__(self, epochs_break=False):
        self.epochs_break = epochs_break
        self.asked = self.in_epoch = False
        self.seconds = lambda: float("inf")
        self._in_loop = False
        self._started, self._pressed = time.monotonic(), None
        self._previous = None

    @classmethod
    @contextmanager
    def watched(cls, epochs_break=False):
        """The presses from here to the end of a ``with`` block."""
        presses = cls(epochs_break)
        # Signals reach the main thread only. A handler that is None was installed by
        # other than Python code: leave it alone.
        if threading.current_thread() is threading.main_thread():
            presses._previous = signal.getsignal(signal.SIGINT)
        if presses._previous is None:
            yield presses
            return
        try:
            signal.signal(signal.SIGINT, presses._on_press)
            yield presses
        finally:
            signal.signal(signal.SIGINT, presses._previous)

    def _on_press(self, signum, frame):
        signal.signal(signal.SIGINT, self._previous)
        self._pressed = time.monotonic()
        many, self._in_loop = surroundings(frame)
        if many or self._is_small():
            self._pass_on(signum, frame)
            return
        self.asked = True
        if self.in_epoch and self.epochs_break:
            raise EpochBroken

    def _is_small(self):
        if not self._in_loop:
            return False
        return self._pressed - self._started < REACTION or self.seconds() < SMALL_FIT

    def _pass_on(self, signum, frame):
        """Do what would have been done without this class."""
        if callable(self._previous):
            self._previous(signum, frame)
        elif self._previous != signal.SIG_IGN:
            raise KeyboardInterrupt

    def should_stop(self):
        """Whether the loop should stop; asked after each epoch."""
        if self.asked and self._is_small():
            # Pressed in the first epoch, when nobody knew how long it would take.
            raise KeyboardInterrupt
        return self.asked


def surroundings(frame):
    """What calls the `fit` that a frame belongs to.

    Parameters
    ----------
    frame : frame
        Where the signal was handled.

    Returns
    -------
    by_library : bool
        Whether a library calls it, such as a search or a pipeline.
    in_loop : bool
        Whether the user's code around the call is in a loop.
    """
    while frame is not None and not _is_entry(frame):
        frame = frame.f_back
    frame = None if frame is None else frame.f_back
    if frame is not None and _is_library(frame):
        return True, False
    in_loop = False
    while frame is not None and not _is_library(frame):
        in_loop = in_loop or frame_is_in_loop(frame)
        frame = frame.f_back
    while frame is not None:
        name = frame.f_globals.get("__name__") or ""
        if name.partition(".")[0] in DRIVERS:
            return True, in_loop
        frame = frame.f_back
    return False, in_loop


def _is_entry(frame):
    """Whether the frame is the outermost one of a call of `fit`."""
    name = frame.f_globals.get("__name__")
    return name == "skgd._estimator.transaction" and frame.f_code.co_name == "trained"


def _is_library(frame):
    path = frame.f_code.co_filename
    return path.startswith("<frozen") or path.startswith(LIBRARIES)


def frame_is_in_loop(frame):
    """Whether what a frame executes stands in one of its loops."""
    at = frame.f_lasti
    return any(first <= at <= last for first, last in _loops(frame.f_code))


@functools.lru_cache(maxsize=256)
def _loops(code):
    """First and last instruction of each loop in a code object."""
    return [
        (jump.argval, jump.offset)
        for jump in dis.get_instructions(code)
        if "JUMP" in jump.opname
        and "NO_INTERRUPT" not in jump.opname
        and isinstance(jump.argval, int)
        and jump.argval < jump.offset
    ]
