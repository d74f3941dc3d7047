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


def sum_rows(shard_sums, workspaces, n_rows, gradient, dtype):
    """Add the gradient over all rows to `gradient`; return the sum of losses.

    Parameters
    ----------
    shard_sums : callable(workspace, start, stop, losses, gradients)
        Fills in the sums of the shards of some rows.
    workspaces : list
        What the threads work in, one each.
    n_rows : int
    gradient : float64 array
        Empty where only the loss is asked for.
    dtype : dtype
        Of a shard's gradient.
    """
    from skgd._kernels.epoch import SHARD

    free = SimpleQueue()
    for workspace in workspaces:
        free.put(workspace)

    def sums(start):
        stop = min(n_rows, start + GROUP * SHARD)
        n_shards = -(-(stop - start) // SHARD)
        losses, gradients = (
            np.empty(n_shards),
            np.empty((n_shards, gradient.size), dtype),
        )
        workspace = free.get()
        shard_sums(workspace, start, stop, losses, gradients)
        free.put(workspace)
        return losses, gradients

    total = 0.0
    with ThreadPoolExecutor(len(workspaces)) as pool:
        for losses, gradients in pool.map(sums, range(0, n_rows, GROUP * SHARD)):
            for loss, shard in zip(losses, gradients, strict=True):
                total += loss
                gradient += shard
    return float(total)
