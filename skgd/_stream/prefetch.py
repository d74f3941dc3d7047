"""Reading ahead: a generator that runs in a thread while its last items are used.

Knows nothing of rows or batches.
"""

import contextvars
import queue
import threading
from contextlib import closing

from sklearn import config_context, get_config

# Seconds to wait at the end for a read that is under way, so that the next pass does
# not begin beside it; and after a Ctrl-C, whose answer must not wait for a slow source.
LAST_READ = 10.0
LAST_READ_INTERRUPTED = 0.5


def read_ahead(items, n_ahead, unwanted=None):
    """The items of a generator, up to `n_ahead` of them made before they are asked for.

    Parameters
    ----------
    items : generator
        Run and closed in a thread of its own.
    n_ahead : int
        At least 1.
    unwanted : threading.Event, optional
        Set when nobody waits for items any more: after a read that took long, `items`
        should look at it before it does anything else.

    Yields
    ------
    object
        The items in order. What `items` raises is raised here, after the items before
        it. Closing this generator ends the thread: at once, or when the read that it
        waits for returns.
    """
    waiting = queue.Queue(n_ahead)
    unwanted = threading.Event() if unwanted is None else unwanted
    end = object()
    settings = get_config()

    def produce():
        last = (end, None)
        try:
            with config_context(**settings), closing(items):
                for item in items:
                    waiting.put((item, None))
                    if unwanted.is_set():
                        break
        except BaseException as error:
            last = (end, error)
        if not unwanted.is_set():
            waiting.put(last)

    # NumPy keeps its settings in the context, scikit-learn by thread.
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(produce,), daemon=True)
    patience = LAST_READ
    try:
        thread.start()
        while True:
            item, error = waiting.get()
            if error is not None:
                raise error
            if item is end:
                return
            yield item
            del item
    except BaseException as error:
        if _comes_from_ctrl_c(error):
            patience = LAST_READ_INTERRUPTED
        raise
    finally:
        unwanted.set()
        _empty(waiting)
        if thread.ident is not None:
            thread.join(patience)


def _comes_from_ctrl_c(error):
    """Whether the generator ends, or is closed, because of a Ctrl-C."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False


def _empty(waiting):
    """Make room for a producer that waits to put its last item."""
    while True:
        try:
            waiting.get_nowait()
        except queue.Empty:
            return
