"""Who holds the groups of rows, and how they are asked: the protocol and threads.

An engine knows nothing of gradients. It hands a method's name and arguments to those
who hold the groups (``shards.py``) and brings back what they answer.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from skgd._cluster.shards import Shards

# Groups at most. Few enough for sums of groups to be little to move, many enough to
# be shared evenly by as many workers.
MOST_GROUPS = 64


class Engine(Protocol):
    """Asks the holders of all groups of rows."""

    n_groups: int

    def map(self, method: str, *arguments: Any, group: int | None = None) -> dict:
        """What a method of ``Shards`` answers for all groups.

        Parameters
        ----------
        method : str
            A method that changes nothing that a later call could see.
        *arguments : object
        group : int, optional
            Ask only who holds this group.

        Returns
        -------
        dict
            The answers of all holders, put together.
        """

    def setup(self, method: str, *arguments: Any) -> dict:
        """The same for a method that prepares for later ones.

        It is called again on whoever takes the place of a lost holder.
        """


class Threads:
    """An engine in one process: each thread holds some of the groups.

    Parameters
    ----------
    groups : list of list of (X, y, sample_weight)
        Blocks of rows in memory; sample_weight may be None.
    n_holders : int
    """

    def __init__(self, groups, n_holders=1):
        self.n_groups = len(groups)
        self._pool = ThreadPoolExecutor(n_holders)
        self._holders = [
            Shards(
                {g: groups[g] for g in range(k, len(groups), n_holders)}, len(groups)
            )
            for k in range(min(n_holders, len(groups)))
        ]

    def map(self, method, *arguments, group=None):
        found = {}
        holders = [s for s in self._holders if group is None or group in s.numbers]
        for part in self._pool.map(lambda s: getattr(s, method)(*arguments), holders):
            found |= part
        return found

    setup = map


def grouped(n_parts, most=MOST_GROUPS):
    """Numbers of the partitions of each group: neighbours, as evenly as possible.

    Depends on the number of partitions alone, and so do the bits of the sums.
    """
    return [
        list(map(int, g)) for g in np.array_split(range(n_parts), min(n_parts, most))
    ]
