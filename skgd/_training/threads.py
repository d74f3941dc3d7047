"""How many threads work on a run, so that its bits do not depend on it.

For sums over rows, threads take groups of shards, and the calling thread adds the
shards up in their order. Products of small matrices are left to one thread. What a
shard's sum is, the kernels say.
"""

import functools
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np

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


def one_blas_thread():
    """Small matrix products: more threads cost time, and the last bits of the sums."""
    return _controller().limit(limits=1, user_api="blas")


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
        from skgd._kernels.epoch import SHARD

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
