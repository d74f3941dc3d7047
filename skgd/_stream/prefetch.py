"""Reading ahead: a generator that runs in a thread while its last items are used.

Knows nothing of rows or batches.
"""

import contextvars
import queue
import threading

from sklearn import config_context, get_config

# Seconds to wait at the end for a read that is under way.
LAST_READ = 10.0


def read_ahead(items, n_ahead):
    """The items of a generator, up to `n_ahead` of them made before they are asked for.

    Parameters
    ----------
    items : generator
        Run and closed in a thread of its own, or in this one for ``n_ahead=0``.
    n_ahead : int

    Yields
    ------
    object
        The items in order. What `items` raises is raised here, after the items before
        it. Closing this generator ends the thread.
    """
    if not n_ahead:
        try:
            yield from items
        finally:
            items.close()
        return
    waiting = queue.Queue(n_ahead)
    unwanted = threading.Event()
    end = object()
    settings = get_config()

    def produce():
        last = (end, None)
        try:
            with config_context(**settings):
                for item in items:
                    waiting.put((item, None))
                    if unwanted.is_set():
                        break
                items.close()
        except BaseException as error:
            last = (end, error)
        if not unwanted.is_set():
            waiting.put(last)

    # NumPy keeps its settings in the context, scikit-learn by thread.
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(produce,), daemon=True)
    thread.start()
    try:
        while True:
            item, error = waiting.get()
            if error is not None:
                raise error
            if item is end:
                return
            yield item
            del item
    finally:
        unwanted.set()
        _empty(waiting)
        thread.join(LAST_READ)


def _empty(waiting):
    """Make room for a producer that waits to put its last item."""
    while True:
        try:
            waiting.get_nowait()
        except queue.Empty:
            return
