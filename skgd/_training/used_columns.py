"""Sparse rows without the columns that have no entry, for passes over all rows.

A weight at zero whose column has no entries stays there. Hashed and one-hot tables have
many such columns; vectors as long as all of them would cost more than the rows.
"""

import copy
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

# Columns from which those without an entry are looked for, and left out if the others
# are no more than this share.
MANY_COLUMNS = 4096
WORTHWHILE_SHARE = 0.8


@dataclass(frozen=True)
class UsedColumns:
    """An objective over the columns that matter.

    Attributes
    ----------
    bound : BoundObjective
        Over rows with these columns alone.
    kept : int array
        Where the parameters of `bound` are among all.
    """

    bound: object
    kept: np.ndarray

    @classmethod
    def of(cls, bound, *points):
        """Columns that have an entry, or a weight at one of the points.

        None where they are nearly all, or where nobody knows: the rows are not in
        memory, or a penalty moves weights from zero.
        """
        whole, objective = bound.whole, bound.objective
        if whole is None or not sparse.issparse(whole.rows.X):
            return None
        model = objective.model
        few = not model.is_linear or model.n_features < MANY_COLUMNS
        if few or objective.prox is not None:
            return None
        used = np.zeros(model.n_features, dtype=bool)
        used[whole.rows.X.indices] = True
        for point in points:
            weights = point[: model.n_weights].reshape(model.n_features, -1)
            used |= weights.any(axis=1)
        columns = np.flatnonzero(used)
        if columns.size > WORTHWHILE_SHARE * model.n_features or not columns.size:
            return None
        kept = np.flatnonzero(
            np.append(np.repeat(used, model.n_outputs), np.ones(model.n_outputs, bool))
        )
        return cls(_narrowed(whole, columns, kept), kept)

    def part_of(self, state):
        """A state of the parameters kept, to move in place of all.

        What is not as long as theta belongs to both.
        """
        part = copy.copy(state)
        for name in ("theta", "step_sizes", "base", "average"):
            vector = getattr(state, name)
            setattr(part, name, vector[self.kept] if vector.size else vector)
        part.vectors = state.vectors[:, self.kept]
        return part

    def put_back(self, part, state):
        """What became of a part of the state; the rest stays."""
        for name in ("theta", "step_sizes", "base", "average"):
            vector = getattr(state, name)
            if vector.size:
                vector[self.kept] = getattr(part, name)
        state.vectors[:, self.kept] = part.vectors
        state.step = part.step


def _narrowed(bound, columns, kept):
    """The objective over rows with these columns, which hold all their entries."""
    objective, rows = bound.objective, bound.rows
    l1, l2 = (s[kept] if s.size else s for s in (objective.l1, objective.l2))
    narrow = replace(objective, model=objective.model.on_columns(columns), l1=l1, l2=l2)
    X = rows.X
    number = np.zeros(X.shape[1], X.indices.dtype)
    number[columns] = np.arange(columns.size)
    X = type(X)((X.data, number[X.indices], X.indptr), shape=(X.shape[0], columns.size))
    return bound.with_rows(narrow, replace(rows, X=X))


class EpochOnUsedColumns:
    """An epoch over all rows at once that moves the parameters that matter alone.

    Parameters
    ----------
    bound : BoundObjective
    epoch_on : callable(bound) -> epoch
        What moves a state by one pass, by the gradient of an objective alone.
    """

    def __init__(self, bound, epoch_on):
        self.bound = bound
        self._epoch_on = epoch_on
        self._epoch = self._used = None

    def run(self, state):
        """One epoch in place; returns (objective before it, rate)."""
        if self._epoch is None:
            self._used = UsedColumns.of(self.bound, *state.points_and_vectors())
            bound = self.bound if self._used is None else self._used.bound
            self._epoch = self._epoch_on(bound)
        if self._used is None:
            return self._epoch.run(state)
        part = self._used.part_of(state)
        result = self._epoch.run(part)
        self._used.put_back(part, state)
        return result
