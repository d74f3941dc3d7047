"""An engine over actors of a Ray cluster, which may be lost at any time.

Each actor holds some of the groups, and fetches their parts itself. When one is gone,
another takes its groups and the question is asked again; the answers depend on the rows
alone. Questions and answers travel as bytes: what Ray hands over is shared and
read-only, and sums are added in place.
"""

import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
from ray import cloudpickle

from skgd._cluster.engine import grouped
from skgd._cluster.holders import answer, check_losses, check_same, sendable
from skgd._cluster.shards import Shards


class Remote:
    """An actor with some of the groups."""

    def __init__(self):
        self._shards = None

    def load(self, numbers, groups, n_groups, n_threads):
        """Fetch the parts of groups, tuples of references: None, or an error."""
        try:
            found = {}
            for g, parts in zip(numbers, groups, strict=True):
                flat = [ref for part in parts for ref in part if ref is not None]
                values = iter(ray.get(flat))
                found[g] = [
                    tuple(None if ref is None else next(values) for ref in part)
                    for part in parts
                ]
        except ray.exceptions.RayTaskError as error:
            return cloudpickle.dumps(sendable(error.cause))
        except Exception as error:
            return cloudpickle.dumps(sendable(error))
        self._shards = Shards(found, n_groups, n_threads)
        return None

    def call(self, message):
        """The pickled answer to a pickled (method, arguments)."""
        return cloudpickle.dumps(answer(self._shards, *pickle.loads(message)))


@dataclass
class Holder:
    """An actor and the numbers of its groups."""

    actor: Any
    numbers: frozenset


class Cluster:
    """The engine; see ``skgd._cluster.engine.Engine``.

    Parameters
    ----------
    parts : list of tuple (ObjectRef, ObjectRef, ObjectRef or None)
        Parts of rows.
    n_jobs : int or None
        Threads of each actor; None for one, because each processor has an actor.
    """

    def __init__(self, parts, n_jobs=None):
        if not ray.is_initialized():
            raise ValueError(
                "There is no cluster to train on: call ray.init(), or "
                "ray.init(address='auto') for one that is running."
            )
        self._groups = [[parts[i] for i in numbers] for numbers in grouped(len(parts))]
        self.n_groups = len(self._groups)
        self._n_threads = 1 if n_jobs is None or n_jobs < 1 else n_jobs
        processors = int(ray.cluster_resources().get("CPU", 1))
        self._n_holders = max(1, min(processors // self._n_threads, self.n_groups))
        self._holders = []
        self._known = []
        self._n_losses = 0

    def setup(self, method, *arguments):
        """Ask all holders, and later those who take the place of lost ones."""
        found = self.map(method, *arguments)
        self._known.append((method, arguments, found))
        return found

    def map(self, method, *arguments, group=None):
        """The answers of all holders, however many are lost on the way."""
        wanted = set(range(self.n_groups)) if group is None else {group}
        message = cloudpickle.dumps((method, arguments))
        found = {}
        while wanted:
            missing = wanted.difference(*(h.numbers for h in self._holders))
            if missing:
                self._place(sorted(missing))
            asked = [
                (holder, holder.actor.call.remote(message))
                for holder in self._holders
                if holder.numbers & wanted
            ]
            for holder, reference in asked:
                try:
                    said, error = pickle.loads(ray.get(reference))
                except ray.exceptions.RayActorError:
                    self._lose(holder, method)
                    continue
                if error is not None:
                    raise error
                found |= said
                wanted -= holder.numbers
                self._n_losses = 0
        return found

    def close(self):
        """End the actors, and let go of their rows."""
        for holder in self._holders:
            ray.kill(holder.actor)
        self._holders = []

    def _lose(self, holder, where):
        if holder in self._holders:
            self._holders.remove(holder)
        self._n_losses += 1
        check_losses(self._n_losses, where)

    def _place(self, missing):
        """Have all missing groups held, neighbours together, ready for questions."""
        n = max(1, min(self._n_holders - len(self._holders), len(missing)))
        # Actors hold no processors, which the tasks that make parts again may need.
        kind = ray.remote(Remote).options(num_cpus=0, scheduling_strategy="SPREAD")
        begun = []
        for numbers in np.array_split(missing, n):
            numbers = [int(g) for g in numbers]
            actor = kind.remote()
            groups = [self._groups[g] for g in numbers]
            loaded = actor.load.remote(numbers, groups, self.n_groups, self._n_threads)
            begun.append((Holder(actor, frozenset(numbers)), loaded))
        for holder, loaded in begun:
            # From now on close() ends it.
            self._holders.append(holder)
            try:
                error = ray.get(loaded)
                if error is not None:
                    raise pickle.loads(error)
                self._bring_up(holder)
            except ray.exceptions.RayActorError:
                self._lose(holder, "the start")

    def _bring_up(self, holder):
        """Ask a new actor what all were asked to prepare."""
        for method, arguments, known in self._known:
            message = cloudpickle.dumps((method, arguments))
            said, error = pickle.loads(ray.get(holder.actor.call.remote(message)))
            if error is not None:
                raise error
            check_same(said, known)
