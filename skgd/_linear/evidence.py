"""What a linear model can say about how far its minimum is: moments and bounds.

Where a search asks for them, and what follows, is decided in ``_training/secant.py``.
"""

from dataclasses import replace

import numpy as np
from scipy import sparse

from skgd._linear.certificate import certify
from skgd._training.objective import BoundObjective, Objective

# Columns up to which their second moments are worth a sweep over the rows.
GRAM_COLUMNS = 500

# Parameters up to which a bound, and the Newton step that comes with it, are.
CERTIFIED_PARAMETERS = 512

# Numbers of a table up to which a bound takes less time than the search.
CERTIFIED_VALUES = 1 << 19

# Rows from which second moments are taken.
MOMENT_ROWS = 16_384

# Numbers of a block of rows in the coordinates of the steps.
BLOCK_VALUES = 1 << 20


class Evidence:
    """Second moments and bounds for the rows of one fit, made when first asked for."""

    def __init__(self):
        self._moments = None
        self._outputs = {}

    def second_moments(self, bound):
        """sum_i s_i z_i z_i' / n in the model's coordinates, the intercept's included.

        Returns
        -------
        float64 array of shape (n_features + 1, n_features + 1), or None
            None for wide tables and for streams, where it costs too much.
        """
        if not isinstance(bound, BoundObjective):
            return None
        if bound.objective.model.n_features > GRAM_COLUMNS:
            return None
        if self._moments is None:
            self._moments = second_moments(bound.objective.model, bound.rows)
        return self._moments

    def certificate(self, bound, point, output, target):
        """A lower bound of the minimum over one output, or over all that are coupled.

        Parameters
        ----------
        bound : BoundObjective or StreamObjective
        point : float64 array
            Parameters of the output.
        output : int
        target : float
            A bound as tight as this is enough.

        Returns
        -------
        Certificate or None
            None where there is no bound, or where it costs too much.
        """
        model = bound.objective.model
        coupled = bound.objective.softmax or model.n_outputs == 1
        size = model.size if coupled else model.n_features + 1
        if not isinstance(bound, BoundObjective):
            return None
        values = bound.rows.order.size * size
        if size > CERTIFIED_PARAMETERS or values > CERTIFIED_VALUES:
            return None
        if not coupled:
            if output not in self._outputs:
                self._outputs[output] = one_output(bound, output)
            bound = self._outputs[output]
        return certify(bound, point.astype(model.dtype), target=target)


def second_moments(model, rows):
    """Weighted second moments of rows (z, 1) in a linear model's coordinates.

    Correlations of evenly spaced rows, variances of all: columns that are nearly zero
    everywhere may be so in all rows that were looked at.
    """
    d = model.n_features
    n = rows.order.size
    order = rows.order[:: -(-n // MOMENT_ROWS)]
    moments = np.zeros((d + 1, d + 1))
    size = max(1, BLOCK_VALUES // (d + 1))
    mean = 0.0 if model.mean is None else model.mean
    scale = 1.0 if model.scale is None else model.scale
    for start in range(0, order.size, size):
        chosen = order[start : start + size]
        X = rows.X[chosen]
        X = X.toarray() if sparse.issparse(X) else X
        Z = np.empty((chosen.size, d + 1))
        Z[:, :d] = (X - mean) * scale
        Z[:, d] = model.fit_intercept
        moments += (Z * rows.weights[chosen][:, None]).T @ Z
    moments /= order.size
    if order.size < n and model.moments is not None:
        known = model.moments
        spread = (known.variance + (known.mean - mean) ** 2) * np.square(scale)
        seen = np.diag(moments)[:d]
        factor = np.ones(d + 1)
        np.divide(spread, seen, out=factor[:d], where=seen > 0.0)
        moments *= np.sqrt(factor[:, None] * factor)
        moments[np.arange(d), np.arange(d)] = spread
    return moments


def one_output(bound, output):
    """One output of an objective whose outputs share no loss, over the same rows."""
    objective, rows = bound.objective, bound.rows
    model = objective.model.with_outputs(1)
    n = objective.model.n_outputs
    l1, l2 = (
        np.ascontiguousarray(s.reshape(-1, n)[:, output]) if s.size else s
        for s in (objective.l1, objective.l2)
    )
    targets = rows.targets
    if targets.shape[1] < n:
        targets = np.where(targets == output, 1.0, -1.0)
    else:
        targets = targets[:, output : output + 1]
    alone = Objective(model, objective.loss, False, l1, l2)
    return alone.bind(replace(rows, targets=targets), bound.block_rows, bound.n_jobs)
