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
from skgd._cluster.holders import Holding, answer, sendable
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


class Cluster(Holding):
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
        super().__init__([[parts[i] for i in group] for group in grouped(len(parts))])
        self._n_threads = 1 if n_jobs is None or n_jobs < 1 else n_jobs
        processors = int(ray.cluster_resources().get("CPU", 1))
        self._n_holders = max(1, min(processors // self._n_threads, self.n_groups))

    def close(self):
        """End the actors, and let go of their rows."""
        for holder in self._holders:
            ray.kill(holder.actor)
        self._holders = []

    def _dumped(self, method, arguments):
        return cloudpickle.dumps((method, arguments))

    def _answers(self, holders, message):
        asked = [(holder, holder.actor.call.remote(message)) for holder in holders]
        for holder, reference in asked:
            try:
                said, error = pickle.loads(ray.get(reference))
            except ray.exceptions.RayActorError:
                yield holder, None
                continue
            if error is not None:
                raise error
            yield holder, said

    def _place(self, missing):
        """Neighbours are held together."""
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
            except ray.exceptions.RayActorError:
                self._lose(holder, "the start")
                continue
            if not self._ask_what_is_known(holder):
                self._lose(holder, "the start")
