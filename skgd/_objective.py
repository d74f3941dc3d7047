"""The objective F(theta): mean loss of a model over rows, plus penalty.

Binds a model, a loss and penalty weights to the compiled kernels. It evaluates F and
its gradient and runs one compiled epoch; when to do which is decided elsewhere.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from skgd.penalties import penalty_value


@dataclass(frozen=True)
class Objective:
    """F(theta) = sum_i s_i l(y_i, z_i) / n + penalty, with weights s of mean 1.

    Attributes
    ----------
    model : LinearModel or a network
    loss : skgd.losses.Loss
    softmax : bool
        Whether `loss` acts on the whole row of scores as softmax cross-entropy.
    l1, l2 : float64 arrays of shape (n_parameters,) or of size 0
        Penalty weights of each entry of theta.
    """

    model: object
    loss: object
    softmax: bool
    l1: np.ndarray
    l2: np.ndarray

    def penalty(self, theta):
        return self.model.unit * penalty_value(theta, self.l1, self.l2)

    def bind(self, rows, block_rows=None):
        """The objective over given rows, ready to evaluate."""
        return BoundObjective(self, rows, block_rows or self.model.block_rows)


class BoundObjective:
    """An objective over rows: compiled functions and the arrays they read.

    Parameters
    ----------
    objective : Objective
    rows : skgd._data.Rows
    block_rows : int
        Rows handled at a time by the kernels.
    """

    def __init__(self, objective, rows, block_rows):
        from skgd._kernels import compiling, epoch, outputs

        self.objective = objective
        self.rows = rows
        self.dtype = objective.model.dtype
        self.element = compiling.numba_type(self.dtype)
        self.block, self.data, self.data_type = objective.model.bind(rows.X, block_rows)
        self.output = compiling.address(
            outputs.softmax if objective.softmax else outputs.separable,
            compiling.output_signature(self.element),
        )
        self.loss = (
            0
            if objective.softmax
            else compiling.address(
                type(objective.loss).value_and_derivative, compiling.loss_signature()
            )
        )
        self.loss_p = np.array(objective.loss.parameters(), dtype=np.float64)
        self._sum = compiling.kernel(
            epoch.sum_rows, compiling.sum_signature(self.data_type, self.element)
        )

    def _sum_rows(self, theta, order, gradient):
        shard = np.empty(theta.size if gradient.size else 0, self.dtype)
        return self._sum(
            self.block,
            self.data,
            self.rows.targets,
            self.rows.weights,
            order,
            self.output,
            self.loss,
            self.loss_p,
            theta,
            shard,
            gradient,
        )

    def mean_loss(self, theta, order=None):
        """sum_i s_i l_i / sum_i s_i over the rows of `order` (default: all)."""
        order = self.rows.order if order is None else order
        total = self._sum_rows(theta, order, np.empty(0))
        return total / self.rows.weights[order].sum()

    def value(self, theta, order=None):
        """F(theta) over the rows of `order` (default: all)."""
        return self.mean_loss(theta, order) + self.objective.penalty(theta)

    def loss_and_gradient(self, theta):
        """Sum of losses over all rows, and of its gradient, without the penalty.

        Returns
        -------
        loss : float
        gradient : float64 array of shape (n_parameters,)
        """
        gradient = np.zeros(theta.size)
        return self._sum_rows(theta, self.rows.order, gradient), gradient

    def gradient(self, theta):
        """F(theta) and the gradient of its smooth part, l2 included."""
        n = len(self.rows)
        loss, gradient = self.loss_and_gradient(theta)
        gradient /= n
        if self.objective.l2.size:
            gradient += self.objective.l2 * theta
        return loss / n + self.objective.penalty(theta), gradient

    @property
    def is_csr(self):
        return sparse.issparse(self.rows.X)
