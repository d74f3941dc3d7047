"""How many threads work on a run, so that its bits do not depend on it.

For sums over rows, threads take groups of shards, and the calling thread adds the
shards up in their order. Products of small matrices are left to one thread. What a
shard's sum is, the kernels say.
"""

import functools
import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np

from skgd._kernels.shards import SHARD

# How many times a thread comes for more: often enough for all to end at about the same
# time, seldom enough for the work to outweigh the handing over.
TURNS = 8

# Numbers that the sums of the shards of one turn may take.
ROOM = 1 << 20


@functools.cache
def _controller():
    """What limits BLAS threads; looking for the libraries takes a millisecond."""
    import scipy.linalg.cython_blas  # noqa: F401  the BLAS that the kernels call
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


class _OneThread:
    """A limit of the whole process, held as long as anyone is inside.

    The first to come in remembers how many threads there were, and the last to leave
    restores them, in whatever order they leave: if each restored what it had found,
    one that came in under the limit of another would make that last for ever.

    With recent versions of threadpoolctl a limit belongs to the thread that made it,
    and others can change nothing. So it gives that up when it leaves before them.

    Ctrl-C may come between any two lines. Those inside are known as long as they live,
    so that one that could not say it leaves is gone with its call, and a limit that
    nobody is inside of ends when the next one comes in.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._inside = weakref.WeakSet()
        self._limit = self._owner = None

    def enter(self, one):
        with self._lock:
            if not self._inside:
                self._end()
                self._limit = _controller().limit(limits=1, user_api="blas")
                self._owner = threading.get_ident()
                self._limit.__enter__()
            self._inside.add(one)

    def leave(self, one):
        with self._lock:
            self._inside.discard(one)
            if not self._inside:
                self._end()
            elif self._owner == threading.get_ident():
                # The end of a limit that changes nothing leaves things as they are.
                _controller().limit(limits=None).__exit__(None, None, None)
                self._owner = None

    def _end(self):
        if self._limit is None:
            return
        if self._owner != threading.get_ident():
            self._limit.__enter__()
        self._limit.__exit__(None, None, None)
        self._limit = self._owner = None

    def after_fork(self):
        """In a new process the thread that held the lock may not be there."""
        self._lock = threading.Lock()


_ONE_THREAD = _OneThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ONE_THREAD.after_fork)


class OneBlasThread:
    """Small matrix products: more threads cost time, and the last bits of the sums.

    A context manager for one use; there may be any number of them, inside each other
    and in any threads.
    """

    def __enter__(self):
        _ONE_THREAD.enter(self)

    def __exit__(self, *error):
        _ONE_THREAD.leave(self)


class ThreadedSum:
    """Threads that are kept for the sums of a whole run.

    Parameters
    ----------
    shard_sums : callable(workspace, theta, order, losses, gradients)
        Fills in the sums of the shards of some rows.
    add_shards : callable(losses, gradients, total, gradient)
        Adds shards to `gradient`, and returns the total with their losses.
    workspaces : list
        What the threads work in, one each.
    """

    def __init__(self, shard_sums, add_shards, workspaces):
        self._shard_sums = shard_sums
        self._add_shards = add_shards
        self._turns = TURNS * len(workspaces)
        self._pool = ThreadPoolExecutor(len(workspaces))
        self._free = SimpleQueue()
        for workspace in workspaces:
            self._free.put(workspace)

    def add_to(self, gradient, theta, order):
        """Add the gradient over the rows of `order`; return the sum of losses.

        An empty `gradient` asks for the losses only.
        """
        size = -(-order.size // (self._turns * SHARD))
        size = max(1, min(size, ROOM // theta.size)) * SHARD

        def sums(start):
            part = order[start : start + size]
            n_shards = -(-part.size // SHARD)
            losses = np.empty(n_shards)
            gradients = np.empty((n_shards, gradient.size), theta.dtype)
            workspace = self._free.get()
            self._shard_sums(workspace, theta, part, losses, gradients)
            self._free.put(workspace)
            return losses, gradients

        total = 0.0
        for shards in self._pool.map(sums, range(0, order.size, size)):
            total = self._add_shards(*shards, total, gradient)
        return total
