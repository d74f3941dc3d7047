"""An engine over the workers of a Dask cluster, which may be lost at any time.

An actor on each worker holds some of the groups. When a worker is gone, its groups are
made again from their graph, on the workers that are left or have come, and the question
is asked again; the answers depend on the rows alone.
"""

import pickle
import time
from dataclasses import dataclass
from typing import Any

import dask
from dask.utils import parse_timedelta
from distributed import Future, get_worker, wait
from distributed.actor import Actor
from distributed.protocol.pickle import dumps

from skgd._cluster.engine import grouped
from skgd._cluster.holders import Holding, answer
from skgd._cluster.shards import Shards

# Seconds between two looks at whether a worker that has not answered is still there.
POLL = 1.0

# Seconds in which the scheduler notices that a worker is gone.
NOTICE = 30.0

# Bytes of the sums of all groups above which neighbours are brought to one worker,
# which adds them up: moving rows once is less than moving sums in every pass.
MOST_BYTES = 64 * 2**20

WAIT = "skgd.wait-for-workers"


class Remote:
    """What the actor on a worker does: errors are answers, so that none is retried.

    Whatever else goes wrong with a call is then the matter of the cluster.
    """

    def __init__(self, numbers, groups, n_groups, n_jobs):
        n_threads = get_worker().state.nthreads
        if n_jobs is not None and n_jobs > 0:
            n_threads = min(n_threads, n_jobs)
        groups = dict(zip(numbers, groups, strict=True))
        self._shards = Shards(groups, n_groups, n_threads)

    def call(self, message):
        """The answer to a pickled (method, arguments): (answer, None) or (None, error).

        Pickled here, because what is written to in place must not be shared.
        """
        return answer(self._shards, *pickle.loads(message))


@dataclass
class Holder:
    """An actor: where it is, and which groups it holds."""

    address: str
    numbers: frozenset
    made: Future
    actor: Any = None


class LostError(Exception):
    """A worker is gone, or does not answer."""


class Cluster(Holding):
    """The engine; see ``skgd._cluster.engine.Engine``.

    Parameters
    ----------
    client : distributed.Client
    parts : list of tuple (Delayed, Delayed, Delayed or None)
        Partitions of rows.
    n_columns : int or None
        Features; where they are not known, the first group is asked for them.
    n_jobs : int or None
        Threads of each worker; None or -1 for all that it has.
    """

    def __init__(self, client, parts, n_columns, n_jobs):
        if client.asynchronous:
            raise ValueError(
                "client is asynchronous, and fit waits for its answers: pass a client "
                "made with asynchronous=False."
            )
        super().__init__(
            [
                dask.delayed(list, pure=True)([tuple(parts[i]) for i in numbers])
                for numbers in grouped(len(parts))
            ]
        )
        self.client = client
        self._n_jobs = n_jobs
        self._n_columns = n_columns

    def close(self):
        """Let go of the rows on the workers."""
        for holder in self._holders:
            holder.actor = None
            holder.made.release()
        self._holders = []

    # ---- questions -------------------------------------------------------------

    def _answers(self, holders, message):
        pending = []
        for holder in holders:
            try:
                pending.append((holder, holder.actor.call(message)))
            except RuntimeError:
                # What an actor raises whose worker is known to be gone.
                pending.append((holder, None))
        for holder, future in pending:
            try:
                if future is None:
                    raise LostError
                said, error = self._result(holder, future)
            except LostError:
                yield holder, None
                continue
            if error is not None:
                raise error
            yield holder, said

    def _result(self, holder, future):
        """What an actor answers; LostError if its worker is gone."""
        while True:
            try:
                return future.result(timeout=POLL)
            except TimeoutError:
                if self._is_lost(holder):
                    raise LostError from None
            except (OSError, RuntimeError, ValueError, KeyError) as error:
                # Errors of what is asked are answers: this one is of the way there.
                until = time.monotonic() + NOTICE
                while not self._is_lost(holder):
                    if time.monotonic() > until:
                        raise error
                    time.sleep(0.05)
                raise LostError from error

    def _is_lost(self, holder):
        gone = holder.made.status not in ("pending", "finished")
        return gone or holder.address not in self.client.nthreads()

    def _dumped(self, method, arguments):
        """What the user wrote goes by value where it has to."""
        return dumps((method, arguments))

    # ---- who holds what ----------------------------------------------------------

    def _place(self, missing):
        while missing:
            futures = dict(
                zip(
                    missing,
                    self.client.compute([self._groups[g] for g in missing]),
                    strict=True,
                )
            )
            self._wait_for(futures)
            homes = self.client.who_has(list(futures.values()))
            workers = sorted(self._workers())
            load = dict.fromkeys(workers, 0)
            for holder in self._holders:
                load[holder.address] = load.get(holder.address, 0) + len(holder.numbers)
            load = {address: load[address] for address in workers}
            where = {}
            if self._may_lie_anywhere(futures[missing[0]]):
                where = {g: homes.get(futures[g].key, ()) for g in missing}
            holders = [
                self._new_holder(address, numbers, futures)
                for address, numbers in shared(missing, load, where).items()
                if numbers
            ]
            for holder in holders:
                try:
                    self._bring_up(holder)
                except LostError:
                    holder.made.release()
                    self._lose(holder, "the start")
                    continue
                self._holders.append(holder)
                missing = [g for g in missing if g not in holder.numbers]

    def _may_lie_anywhere(self, group):
        """Whether sums of all groups are little enough to leave rows where they are."""
        if self._n_columns is None:
            # Delayed parts say it when they are there, and are not made again for it.
            asked = self.client.submit(width, group, pure=False)
            self._wait_for({0: asked})
            self._n_columns = asked.result()
        return 8 * self._n_columns * self.n_groups <= MOST_BYTES

    def _workers(self):
        """Threads of the workers that are there; waits for one as long as is right."""
        limit = parse_timedelta(dask.config.get(WAIT, "60s"))
        until = time.monotonic() + limit
        while True:
            workers = self.client.nthreads()
            if workers:
                return workers
            if time.monotonic() > until:
                raise TimeoutError(
                    f"The cluster has had no workers for {limit:g} s: start some, or "
                    f"set how long to wait with dask.config.set({{{WAIT!r}: '10min'}})."
                )
            time.sleep(0.1)

    def _wait_for(self, futures):
        """Wait until groups are made; an error in their graph is raised as it is."""
        while True:
            self._workers()
            try:
                wait(list(futures.values()), timeout=POLL)
            except TimeoutError:
                continue
            break
        for future in futures.values():
            if future.status in ("error", "cancelled"):
                future.result()

    def _new_holder(self, address, numbers, futures):
        made = self.client.submit(
            Remote,
            numbers,
            [futures[g] for g in numbers],
            self.n_groups,
            self._n_jobs,
            workers=[address],
            allow_other_workers=False,
            actor=True,
            pure=False,
        )
        return Holder(address, frozenset(numbers), made)

    def _bring_up(self, holder):
        """Wait for an actor, and ask it what all were asked to prepare."""
        while True:
            try:
                wait([holder.made], timeout=POLL)
                break
            except TimeoutError:
                if self._is_lost(holder):
                    raise LostError from None
        if holder.made.status != "finished":
            if holder.address not in self.client.nthreads():
                raise LostError
            raise holder.made.exception()
        with self.client.as_current():
            holder.actor = Actor(Remote, holder.address, holder.made.key)
        if not self._ask_what_is_known(holder):
            raise LostError


def width(group):
    """Columns of the first part of a group that is a table; 0 without any."""
    widths = [X.shape[1] for X, _, _ in group if getattr(X, "ndim", 0) == 2]
    return widths[0] if widths else 0


def shared(groups, load, homes):
    """Who is to hold which groups.

    Parameters
    ----------
    groups : list of int
    load : dict of str to int
        Groups that each worker holds already.
    homes : dict of int to iterable of str
        Workers that have the rows of a group.

    Returns
    -------
    dict of str to list of int
        Even numbers, rows moved as little as that allows, and neighbours together
        where it makes no difference.
    """
    load = dict(load)
    given = {address: [] for address in load}
    most = -(-(sum(load.values()) + len(groups)) // len(load))

    def give(g, address):
        given[address].append(g)
        load[address] += 1

    homeless = []
    for g in groups:
        known = [a for a in homes.get(g, ()) if a in load and load[a] < most]
        if known:
            give(g, min(known, key=lambda a: (load[a], a)))
        else:
            homeless.append(g)
    for address in load:
        while homeless and load[address] < most:
            give(homeless.pop(0), address)
    return {address: sorted(numbers) for address, numbers in given.items()}
