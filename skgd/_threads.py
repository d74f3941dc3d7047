"""Sums over rows on several threads, the same to the bit as on one.

Threads take groups of shards, the calling thread adds the shards up in their order.
What a shard's sum is, the kernels say.
"""

from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np

# Shards for a thread at a time: enough work to outweigh the handing over, and a bound
# on the memory for sums.
GROUP = 8


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
        self._pool = ThreadPoolExecutor(len(workspaces))
        self._free = SimpleQueue()
        for workspace in workspaces:
            self._free.put(workspace)

    def add_to(self, gradient, theta, order):
        """Add the gradient over the rows of `order`; return the sum of losses.

        An empty `gradient` asks for the losses only.
        """
        from skgd._kernels.epoch import SHARD

        def sums(start):
            part = order[start : start + GROUP * SHARD]
            n_shards = -(-part.size // SHARD)
            losses = np.empty(n_shards)
            gradients = np.empty((n_shards, gradient.size), theta.dtype)
            workspace = self._free.get()
            self._shard_sums(workspace, theta, part, losses, gradients)
            self._free.put(workspace)
            return losses, gradients

        total = 0.0
        for shards in self._pool.map(sums, range(0, order.size, GROUP * SHARD)):
            total = self._add_shards(*shards, total, gradient)
        return total
