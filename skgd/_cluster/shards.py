"""Groups of rows and the sums over them: what the holder of some groups does.

Knows neither engines nor the other holders. Every answer is a dict by the number of
the group, or by node of the tree of ``sums.py``, and depends on the rows alone.
"""

import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
from scipy import sparse

from skgd._cluster.sums import merged
from skgd._input.rows import spread_out
from skgd._input.targets import Classification
from skgd._input.validation import check_weights
from skgd._stream.blocks import compressed, joined
from skgd._stream.fit_batches import count_labels
from skgd._stream.survey import Survey, scaled
from skgd._training.recording import RecordedObjective
from skgd._training.threads import OneBlasThread

# Rows that show what the data are: enough to check their kind.
HEAD_ROWS = 50

# Numbers that sums of groups may take before they are added up.
ROOM = 1 << 20


class Shards:
    """Groups of rows, each of some partitions.

    Parameters
    ----------
    groups : dict of int to list of (X, y, sample_weight)
        Blocks by the number of their group; sample_weight may be None.
    n_groups : int
        Of all holders together.
    n_threads : int
        Threads of this holder.
    """

    def __init__(self, groups, n_groups, n_threads=1):
        self.numbers = sorted(groups)
        self.n_groups = n_groups
        self.n_threads = n_threads
        self._pool = None
        self._given = dict(groups)
        self._rows = {}
        self._bounds = {}
        self._orders = {}
        self._offsets, self._total = {}, 0

    def _each(self, method, numbers=None):
        """What a method answers for each group, by its number."""
        numbers = self.numbers if numbers is None else numbers
        n_threads = min(self.n_threads, len(numbers))
        if n_threads < 2:
            return {g: method(g) for g in numbers}
        if self._pool is None:
            self._pool = ThreadPoolExecutor(n_threads)
        return dict(zip(numbers, self._pool.map(method, numbers), strict=True))

    # ---- rows as they were given -----------------------------------------------

    def describe(self):
        """Rows of X, of y and of the weights in each partition of each group."""

        def sizes(g):
            return [
                (X.shape[0], len(y), None if weights is None else len(weights))
                for X, y, weights in self._given[g]
            ]

        return {g: sizes(g) for g in self.numbers}

    def head(self, g):
        """The first rows of a group, as they were given."""
        for X, y, weights in self._given[g]:
            if X.shape[0]:
                return {g: (_first(X), _first(y), _first(weights))}
        return {}

    def labels(self):
        """The sum of the weights of each label, as a dict for each group."""

        def counted(g):
            counts = {}
            for X, y, weights in self._given[g]:
                if X.shape[0]:
                    y = np.asarray(y).reshape(-1)
                    Classification.check(y, "use a regressor")
                    count_labels(counts, y, check_weights(weights, X))
            return counts

        return {g: counted(g) for g in self.numbers}

    # ---- rows for the kernels ----------------------------------------------------

    def prepare(self, estimator, task, loss, dtype, is_sparse, class_weight):
        """Check the rows and encode their targets.

        Returns
        -------
        dict of int to (n_rows, checksum)
            Rows that count, and a checksum of all that is trained on.
        """
        for g in self.numbers:
            blocks = []
            # What has been taken over is let go, so that it is there once.
            for X, y, weights in self._given.pop(g, ()):
                if not X.shape[0]:
                    continue
                X, y = estimator._further_rows(_writable(X), y, task, dtype)
                if sparse.issparse(X) != is_sparse:
                    raise ValueError(
                        "X has dense and sparse partitions: all must be of one kind."
                    )
                weights = check_weights(weights, X)
                rows = estimator._weighted_rows(
                    X, y, weights, task, loss, True, class_weight, "fit_batches"
                )
                if len(rows):
                    # Only scorers ask for y as it was given, and not for these rows.
                    blocks.append(compressed(replace(rows, y=rows.targets)))
            if blocks:
                self._rows[g] = joined(blocks)
        return {
            g: (len(self._rows[g]), checksum(self._rows[g]))
            if g in self._rows
            else None
            for g in self.numbers
        }

    def number(self, offsets, total):
        """Say which of all `total` rows the first of each group is."""
        self._offsets, self._total = offsets, total
        return {}

    def survey(self, n_features, n_targets, most):
        """What is known of the rows of each group, as ``Survey``."""

        def surveyed(g):
            survey = Survey(n_features, n_targets, most)
            survey.begin_at(self._offsets[g], self._total)
            survey.take(self._rows[g])
            return survey

        return self._each(surveyed, list(self._rows))

    def bind(self, key, objective, block_rows, mean_weight):
        """Make ready for sums of an objective, under the name `key`."""

        def bound(g):
            own = objective
            if isinstance(objective, RecordedObjective):
                # Each writes its own figures.
                widths, figures = objective.widths, objective.figures
                own = replace(
                    objective, widths=widths.copy(), figures=np.zeros_like(figures)
                )
            return own.bind(scaled(self._rows[g], mean_weight), block_rows)

        self._bounds[key] = {g: bound(g) for g in self._rows}
        return {}

    # ---- sums ----------------------------------------------------------------------

    def sum_over_rows(self, key, function, every):
        """Sum of ``function(rows, order)`` over every so many of all rows.

        Returns
        -------
        dict of (level, index) to (sum,)
        """
        bounds = self._bounds[key]

        def of_group(g):
            if g not in bounds:
                return None
            rows = bounds[g].rows
            return (function(rows, rows.order[-self._offsets[g] % every :: every]),)

        return self._summed(of_group, bounds)

    def sample_sums(self, key, theta, most):
        """Sums over `most` rows from all over.

        Returns
        -------
        dict of (level, index) to (loss, weight)
        """
        bounds = self._bounds[key]
        numbers = spread_out(self._total, most)

        def of_group(g):
            if g not in bounds:
                return None
            bound, first = bounds[g], self._offsets[g]
            inside = np.searchsorted(numbers, [first, first + bound.n_rows])
            order = bound.rows.order[numbers[slice(*inside)] - first]
            if not order.size:
                return None
            loss = bound.add_to(np.empty(0), theta, order)
            return np.array(loss), np.array(bound.weight(order))

        return self._summed(of_group, bounds)

    def sums(self, key, theta, with_gradient, widths=None):
        """Sums over all rows at `theta`, in the coordinates of the sums.

        Parameters
        ----------
        key : object
            As in `bind`.
        theta : array of shape (n_parameters,)
        with_gradient : bool
        widths : array of shape (n_outputs,), optional
            Of a recorded objective.

        Returns
        -------
        dict of (level, index) to (loss, gradient, figures)
            Arrays; the gradient is empty without `with_gradient`, and the figures are
            for objectives that are not recorded.
        """
        bounds = self._bounds[key]

        def of_group(g):
            if g not in bounds:
                return None
            bound = bounds[g]
            gradient = np.zeros(theta.size if with_gradient else 0)
            figures = np.empty(0)
            if widths is not None:
                bound.objective.widths[:] = widths
                figures = bound.objective.figures
                figures[:] = 0.0
            loss = bound.add_to(gradient, theta)
            return np.array(loss), gradient, figures.copy()

        return self._summed(of_group, bounds)

    def batch_sums(self, key, theta, seed, epoch, k, n_batches):
        """Sums over the share of each group in batch `k` of an epoch.

        The rows of a group are in the order of a permutation that `seed`, `epoch` and
        its number decide, or as they are for ``seed=None``.

        Returns
        -------
        dict of (level, index) to (loss, gradient, n_rows)
        """
        bounds = self._bounds[key]

        def of_group(g):
            if g not in bounds:
                return None
            bound = bounds[g]
            order = self._order(g, bound.rows.order, seed, epoch)
            n = order.size
            part = order[k * n // n_batches : (k + 1) * n // n_batches]
            gradient = np.zeros(theta.size)
            loss = bound.add_to(gradient, theta, part) if part.size else 0.0
            return np.array(loss), gradient, np.array(part.size)

        return self._summed(of_group, bounds)

    def _order(self, g, order, seed, epoch):
        if seed is None:
            return order
        known, found = self._orders.get(g, (None, None))
        if known != (seed, epoch):
            found = np.random.default_rng([seed, epoch, g]).permutation(order)
            self._orders[g] = (seed, epoch), found
        return found

    def _summed(self, of_group, bounds):
        multiplies = any(
            bound.objective.model.multiplies_matrices for bound in bounds.values()
        )
        # More threads of BLAS would change the last bits.
        sizes = [bound.objective.model.size for bound in bounds.values()]
        some = max(self.n_threads, ROOM // max(sizes, default=1))
        nodes = {}
        with OneBlasThread() if multiplies else nullcontext():
            for start in range(0, len(self.numbers), some):
                sums = self._each(of_group, self.numbers[start : start + some])
                nodes |= {(0, g): found for g, found in sums.items()}
                # What can be added is not kept.
                nodes = merged(nodes, self.n_groups)
        return nodes


def _first(part):
    if part is None:
        return None
    return part.iloc[:HEAD_ROWS] if hasattr(part, "iloc") else part[:HEAD_ROWS]


def _writable(X):
    """X as the kernels take it; what a network hands over may be read-only."""
    if isinstance(X, np.ndarray) and not X.flags.writeable:
        return X.copy()
    return X


def checksum(rows):
    """A number that tells whether rows that were made again are the same."""
    X = rows.X
    arrays = [X.data, X.indices, X.indptr] if sparse.issparse(X) else [X]
    arrays += [rows.targets, rows.weights]
    found = 0
    for array in arrays:
        found = zlib.crc32(np.ascontiguousarray(array).data, found)
    return found
