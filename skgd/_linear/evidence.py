"""What a linear model can say about how far its minimum is: moments and bounds.

Where a search asks for them, and what follows, is decided in ``_training/secant.py``.
"""

from dataclasses import replace
from functools import partial

import numpy as np
from scipy import sparse

from skgd._linear.blocks import Table
from skgd._linear.certificate import LARGEST, certify, provable
from skgd._linear.fenchel import SeparableLoss, SoftmaxLoss
from skgd._linear.newton import newton_step
from skgd._linear.quadratic import ScaledInverse
from skgd._training.objective import Objective

# Columns up to which their second moments are worth a sweep over the rows.
GRAM_COLUMNS = 500

# Parameters up to which a bound, and the Newton step that comes with it, are.
CERTIFIED_PARAMETERS = 512

# Numbers of a table up to which a bound takes less time than the search.
CERTIFIED_VALUES = 1 << 19

# Numbers of a table, and products for a matrix of second derivatives, up to which the
# end of updates of few rows is looked at.
JUDGED_VALUES, JUDGED_PRODUCTS = 1 << 24, 1 << 32

# Newton steps for that, and the shortest one.
JUDGING_STEPS, SHORTEST = 12, 1e-2

# Products that a matrix of second derivatives may take for Newton steps to be the way.
NEWTON_PRODUCTS = 1 << 22

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
        if bound.objective.model.n_features > GRAM_COLUMNS:
            return None
        if self._moments is None:
            self._moments = second_moments_over(bound)
        return self._moments

    def is_provable(self, bound):
        """Whether a bound takes less time than it saves.

        Parameters
        ----------
        bound : objective over rows

        Returns
        -------
        bool
        """
        bound = bound.whole
        if bound is None or not provable(bound.objective.loss):
            return False
        n_rows, size = bound.rows.order.size, _coupled_size(bound)
        # With an l1 penalty, no more weights than rows leave zero for good.
        factorised = min(size, n_rows) if bound.objective.l1.size else size
        return factorised <= CERTIFIED_PARAMETERS and n_rows * size <= CERTIFIED_VALUES

    def steps_pay(self, bound):
        """Whether Newton steps take less time than the passes they save."""
        size = _coupled_size(bound)
        return (
            self.is_provable(bound)
            and bound.n_rows * size**2 <= NEWTON_PRODUCTS
            and not sparse.issparse(bound.rows.X)
        )

    def certificate(self, bound, point, output, target):
        """A lower bound of the minimum over one output, or over all that are coupled.

        Parameters
        ----------
        bound : objective over rows
        point : float64 array
            Parameters of the output.
        output : int
        target : float
            A bound as tight as this is enough; where the Newton step promises more,
            there is the step and no bound.

        Returns
        -------
        Certificate or None
            None where there is no bound, or where it costs too much.
        """
        if not self.is_provable(bound):
            return None
        alone, table, _ = self._output(bound, output)
        point = point.astype(bound.objective.model.dtype)
        return certify(alone, point, target=target, table=table)

    def newton_step(self, bound, point, output):
        """The step and what it promises; None where that is not to be had cheaply."""
        alone, table, loss = self._output(bound, output)
        if not table.kept:
            return None
        return newton_step(alone.objective, point, table, loss)

    def _output(self, bound, output):
        """The objective of one output or of all that are coupled, rows, and loss."""
        if output not in self._outputs:
            bound = bound.whole
            objective = bound.objective
            if objective.softmax:
                loss = SoftmaxLoss(bound)
            else:
                if objective.model.n_outputs > 1:
                    bound = one_output(bound, output)
                loss = SeparableLoss(bound)
            table = Table(bound.objective.model, bound.rows)
            self._outputs[output] = bound, table, loss
        return self._outputs[output]


def gap_at(bound, theta, constant):
    """How far a point that no search has come to can be from the minimum.

    Parameters
    ----------
    bound : objective over rows
    theta, constant : arrays of shape (n_parameters,)
        The point, and the best constant.

    Returns
    -------
    share : float
        Of what the best constant leaves; 1 where the point is no better.
    kind : {"bound", "estimate"}

    Or None, where a look would cost too much or nothing can be said.
    """
    objective, bound = bound.objective, bound.whole
    if bound is None or objective.prox is not None:
        return None
    n, d = bound.rows.order.size, objective.model.n_features
    if n * d > JUDGED_VALUES:
        return None
    value, gradient = bound.gradient(theta)
    room = max(bound.value(constant) - value, 0.0)
    left, kind = np.inf, "bound"
    columns = min(_coupled_size(bound), LARGEST)
    if provable(objective.loss) and n * columns**2 <= JUDGED_PRODUCTS:
        left = _proven_gap(bound, theta)
    curved = objective.l2.size and objective.l2.min() > 0.0 and not objective.l1.size
    if not np.isfinite(left) and curved:
        # The objective is at least as curved as its penalty.
        left = 0.5 * float(np.sum(np.square(gradient) / objective.l2))
    if not np.isfinite(left):
        curvature = 0.5 if objective.softmax else objective.loss.curvature
        if curvature is None or objective.l1.size or d > GRAM_COLUMNS:
            return None
        moments = curvature * second_moments_over(bound)
        kind, left = "estimate", 0.0
        for k, slopes in enumerate(gradient.reshape(d + 1, -1).T):
            l2 = objective.l2.reshape(d + 1, -1)[:, k] if objective.l2.size else 0.0
            model = moments + np.diag(np.broadcast_to(l2, d + 1))
            left += 0.5 * float(slopes @ ScaledInverse(model)(slopes))
    if room + left <= 0.0:
        return 0.0, kind
    return float(left / (room + left)) if np.isfinite(left) else 1.0, kind


def _proven_gap(bound, theta):
    """The best bound that some Newton steps from a point find for it."""
    first = certificate = certify(bound, theta)
    lower, value, kinks = first.lower, first.value, bound.objective.loss.kinks
    theta = theta.astype(np.float64)
    smooth = not kinks(np.ones(1))
    for _ in range(JUDGING_STEPS if smooth else 0):
        # Good within a factor of two, as the lower value proves.
        if first.value - lower <= 2.0 * (first.value - value):
            break
        step, length = certificate.step, 1.0
        if step is None or not np.isfinite(step).all():
            break
        while length > SHORTEST:
            there = (theta + length * step).astype(bound.objective.model.dtype)
            certificate = certify(bound, there)
            lower = max(lower, certificate.lower)
            if certificate.value < value:
                break
            length *= 0.25
        else:
            break
        theta, value = there.astype(np.float64), certificate.value
    return max(first.value - lower, 0.0)


def _coupled_size(bound):
    """Parameters of one output, or of all if they share a loss."""
    model = bound.objective.model
    return model.size if bound.objective.softmax else model.n_features + 1


def second_moments(model, rows):
    """Weighted second moments of rows (z, 1) in a linear model's coordinates.

    Correlations of evenly spaced rows, variances of all: columns that are nearly zero
    everywhere may be so in all rows that were looked at.

    Parameters
    ----------
    model : LinearModel
    rows : Rows
        In memory.

    Returns
    -------
    float64 array of shape (n_features + 1, n_features + 1)
    """

    def sum_over(function, every):
        return function(rows, rows.order[::every])

    return _from_sums(model, rows.order.size, sum_over)


def second_moments_over(bound):
    """The same of an objective's rows; None for streams, where it costs too much."""
    return _from_sums(bound.objective.model, bound.n_rows, bound.sum_over_rows)


def _from_sums(model, n, sum_over):
    """Second moments of `n` rows, whose sums ``sum_over(function, every)`` tells."""
    d, every = model.n_features, max(1, -(-(n or 0) // MOMENT_ROWS))
    moments = sum_over(partial(_sum_of_products, model), every)
    if moments is None:
        return None
    moments /= -(-n // every)
    if every > 1 and model.moments is not None:
        known = model.moments
        mean = 0.0 if model.mean is None else model.mean
        scale = 1.0 if model.scale is None else model.scale
        spread = (known.variance + (known.mean - mean) ** 2) * np.square(scale)
        seen = np.diag(moments)[:d]
        factor = np.ones(d + 1)
        np.divide(spread, seen, out=factor[:d], where=seen > 0.0)
        moments *= np.sqrt(factor[:, None] * factor)
        moments[np.arange(d), np.arange(d)] = spread
    return moments


def _sum_of_products(model, rows, order):
    """sum_i s_i z_i z_i' over the rows of `order`."""
    d = model.n_features
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
