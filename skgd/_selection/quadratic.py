"""The squared error: its sums over the rows are taken once, whatever the strengths.

With H the second moments of the rows (z, 1) of a fold and c their products with the
targets, the mean loss is (s - 2 c't + t'Ht) / 2. The descent needs no rows after that.
Sums are taken over groups of rows that are in the same folds, and added up: a fold
never sees a sum with one of its held-out rows.
"""

import numpy as np
from scipy import sparse

from skgd._linear.evidence import GRAM_COLUMNS
from skgd._selection.panel import Panel
from skgd.losses import SquaredError

# Groups for each fold up to which sums by group are cheaper than sums by fold.
GROUPS_EACH = 2


def sums_pay(problem, n_rows):
    """Whether the second moments take less time than passes over the rows."""
    n_features = problem.model.n_features
    is_square = type(problem.loss) is SquaredError and not problem.softmax
    return is_square and n_features <= GRAM_COLUMNS and n_features < n_rows


class Sums:
    """Weighted sums over rows (z, 1) and their targets.

    Parameters
    ----------
    shift : float64 array of shape (n_outputs,)
        What is subtracted from the targets, near their mean to keep digits.
    n_features : int

    Attributes
    ----------
    H : float64 array of shape (n_features + 1, n_features + 1)
        Second moments; the last entry is the sum of the weights.
    c : float64 array of shape (n_features + 1, n_outputs)
        Products with the targets.
    s : float64 array of shape (n_outputs,)
        Squares of the targets.
    """

    def __init__(self, shift, n_features):
        self.shift = shift
        self.H = np.zeros((n_features + 1, n_features + 1))
        self.c = np.zeros((n_features + 1, len(shift)))
        self.s = np.zeros(len(shift))

    def add(self, Z, targets, weights):
        """Add rows; `Z` has a last column of ones."""
        if np.all(weights == weights[0]):
            self.H += weights[0] * (Z.T @ Z)
        else:
            root = Z * np.sqrt(weights)[:, None]
            self.H += root.T @ root
        away = targets - self.shift
        weighted = weights[:, None] * away
        self.c += Z.T @ weighted
        self.s += np.einsum("ij,ij->j", weighted, away)


def folds_as_groups(folds, order):
    """Groups of rows that are in the same folds.

    Parameters
    ----------
    folds : list of float64 arrays of shape (n_rows,)
        Weights of the rows in each.
    order : int64 array
        The rows that count.

    Returns
    -------
    groups : list of float64 arrays of shape (n_rows_that_count,)
        Weights of the rows in each group, zero for all others.
    members : list of lists of int
        The groups that make up each fold.
    """
    weights = np.array([fold[order] for fold in folds])
    base = weights.max(axis=0)
    inside = weights > 0.0
    alone = list(weights), [[k] for k in range(len(folds))]
    if not np.array_equal(weights, np.where(inside, base, 0.0)):
        return alone
    _, group = np.unique(np.packbits(inside, axis=0), axis=1, return_inverse=True)
    group = group.reshape(-1)
    n_groups = int(group.max()) + 1
    if n_groups > GROUPS_EACH * len(folds):
        return alone
    first = np.array([np.argmax(group == g) for g in range(n_groups)])
    used = [g for g in range(n_groups) if inside[:, first[g]].any()]
    groups = [np.where(group == g, base, 0.0) for g in used]
    members = [
        [i for i, g in enumerate(used) if inside[k, first[g]]]
        for k in range(len(folds))
    ]
    return groups, members


def sums_of(groups, shifts, blocks, model):
    """The sums over each group of rows.

    Parameters
    ----------
    groups : list of float64 arrays of shape (n_rows,)
        Or anything with ``[rows]``, as for ``Panel``.
    shifts : list of float64 arrays of shape (n_outputs,)
        See ``Sums``.
    blocks : iterable
        Of (block, targets, rows).
    model : LinearModel

    Returns
    -------
    list of Sums
    """
    all_sums = [Sums(shift, model.n_features) for shift in shifts]
    for block, targets, rows in blocks:
        Z = _with_ones(block, model)
        for sums, weights in zip(all_sums, groups, strict=True):
            w = weights[rows]
            inside = np.flatnonzero(w)
            if inside.size == w.size:
                sums.add(Z, targets, w)
            elif inside.size:
                sums.add(Z[inside], targets[inside], w[inside])
    return all_sums


def _with_ones(block, model):
    """The rows of a block in the coordinates of the model, in double precision."""
    if hasattr(block, "Z"):
        Z = block.Z
    else:
        Z = block.X.toarray() if sparse.issparse(block.X) else block.X
        Z = Z.astype(np.float64)
        if model.mean is not None:
            Z -= model.mean
        if model.scale is not None:
            Z *= model.scale
    answer = np.ones((len(Z), model.n_features + 1))
    answer[:, :-1] = Z
    return answer


class QuadraticPanel(Panel):
    """The searches of one fold for the least squared error.

    Parameters
    ----------
    sums : list of Sums
        Of the groups of rows that the fold is trained on.
    """

    parabolic = True

    def __init__(self, problem, l1, l2, weights, constant, n_searches_in_all, sums):
        super().__init__(problem, l1, l2, weights, constant, n_searches_in_all)
        total = sum(group.H[-1, -1] for group in sums)
        offset = np.broadcast_to(self.constant, (problem.model.n_outputs,))
        self.H = sum(group.H for group in sums) / total
        c, s = 0.0, 0.0
        for group in sums:
            away = group.shift - offset
            c = c + group.c + group.H[:, -1:] * away
            s = s + group.s + (2.0 * group.c[-1] + group.H[-1, -1] * away) * away
        self.c, self.s = (c / total).T, s / total
        # Parameters less the constant: where they differ by little, digits are kept.
        self._offsets = np.repeat(offset, self.n_candidates)

    def begin(self):
        """Nothing to prepare: no rows will come."""

    def add(self, block, targets, rows):
        raise AssertionError("The sums are complete.")

    def end(self):
        """Take a step."""
        active = self.searches.active
        theta = self.searches.theta
        theta[:, -1] -= self._offsets[active]
        outputs = self.outputs[active]
        bent, c = theta @ self.H, self.c[outputs]
        values = 0.5 * (self.s[outputs] + np.einsum("ij,ij->i", theta, bent - 2.0 * c))
        self.searches.take(values, bent - c)
