"""The objective F(theta): mean loss of a model over rows, plus penalty.

Binds a model, a loss and penalty weights to the compiled kernels. It evaluates F and
its gradient and runs one compiled epoch; when to do which is decided elsewhere.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from skgd._input.boundary import check_model, check_order, check_sizes
from skgd._input.rows import spread_out, squared_lengths
from skgd._training.epochs import Batches
from skgd._training.threads import ThreadedSum
from skgd.losses import LogLoss
from skgd.penalties import penalty_value, soft_threshold

# Rows on which the objective at the start and at the end are compared.
SAMPLE_ROWS = 10_000

# With fewer rows, threads cost more than they save.
THREADED_ROWS = 32_768

# What outputs are given that keep nothing of the rows.
NO_TABLE = np.empty((0, 0))


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
    prox : skgd._training.proximal.Proximal or None
        A penalty of another kind than these.
    uniform : bool
        Whether all coefficients have the same l1 and l2 weight.
    """

    model: object
    loss: object
    softmax: bool
    l1: np.ndarray
    l2: np.ndarray
    prox: object = None
    uniform: bool = True

    def penalty(self, theta):
        """What is added to the mean loss; a constraint adds nothing."""
        value = self.model.unit * penalty_value(theta, self.l1, self.l2)
        if self.prox is not None:
            value += self.prox.value(theta)
        return value

    @property
    def has_kinks(self):
        """Whether the optimum has exact zeros or bounds, which a mean misses."""
        return self.l1.size > 0 or (
            self.prox is not None and not self.prox.penalty.smooth
        )

    def proximal_value(self, theta):
        """The part of the penalty that `proximal_step` takes, not the gradient."""
        value = penalty_value(theta, self.l1, np.empty(0))
        if self.prox is not None:
            value += self.prox.value(theta)
        return value

    def proximal_step(self, theta, step):
        """Where theta goes in a proximal step of the length given."""
        if self.l1.size:
            theta = soft_threshold(theta, step * self.l1)
        if self.prox is not None:
            theta = self.prox.step(theta, step)
        return theta

    def inside(self, theta):
        """The nearest point that a constraint allows; theta itself without one."""
        if self.prox is None or not self.prox.penalty.indicator:
            return theta
        return self.prox.step(theta, 1.0).astype(theta.dtype)

    def bind(self, rows, block_rows=None, n_jobs=1):
        """The objective over given rows, ready to evaluate."""
        block_rows = block_rows or self.model.block_rows
        return self.over(self.measured(rows), block_rows, n_jobs)

    def over(self, rows, block_rows, n_jobs):
        """The objective over rows whose targets have been measured."""
        return BoundObjective(self, rows, block_rows, n_jobs)

    def measured(self, rows):
        """The rows with targets in the units in which the loss compares them."""
        return rows if self.model.is_linear else self.model.measured(rows)


class BoundObjective:
    """An objective over rows: compiled functions and the arrays they read.

    Parameters
    ----------
    objective : Objective
    rows : skgd._input.rows.Rows
    block_rows : int
        Rows handled at a time by the kernels.
    n_jobs : int
        Threads for sums over many rows of a linear model.

    Attributes
    ----------
    data, cost : tuple
        What kernels are given: plain tuples, in the order of the fields of records; see
        ``_kernels/records.py``.
    """

    # Whether an evaluation takes no longer than the arithmetic.
    in_memory = True

    # The class of the epochs of many updates over such rows.
    many_updates = Batches

    def __init__(self, objective, rows, block_rows, n_jobs=1):
        from skgd._kernels import csr_sums, outputs

        self.objective = objective
        self.rows = rows
        self.block_rows = block_rows
        self.is_csr = sparse.issparse(rows.X)
        # Sums over wide sparse rows are one sum, which threads could not share.
        self._is_wide = (
            objective.model.is_linear
            and self.is_csr
            and objective.model.n_given >= csr_sums.WIDE
        )
        self.n_jobs = n_jobs if objective.model.is_linear and not self._is_wide else 1
        check_model(objective.model, rows, objective.softmax)
        self.n_rows = rows.order.size
        self._weight = None
        self._row_steps = None
        self.dtype = objective.model.dtype
        self.data, self.loops = objective.model.bind(rows.X, block_rows)
        self.block, self.element = self.loops.block, self.loops.element
        # Sums over sparse rows are taken in the units of the features: what the
        # coordinates do to theta and to the finished sum is done once.
        self._folds = (
            objective.model.is_linear and self.is_csr and not objective.model.raw
        )
        self._bind_for_sums = (
            objective.model.in_units_of_features().bind
            if self._folds
            else objective.model.bind
        )
        self._sum_data = self.data
        if self._is_wide:
            self._sum_data = self._bind_for_sums(rows.X, csr_sums.ROWS)[0]
        elif self._folds:
            self._sum_data = self._bind_for_sums(rows.X, block_rows)[0]
        if objective.model.is_linear and objective.model.n_outputs == 1:
            self.output = outputs.COLUMN
        else:
            self.output = (
                self.loops.softmax if objective.softmax else self.loops.separable
            )
        self.loss, self.loss_p, self._check_loss = _callee(objective)
        self.may_raise = self._check_loss is not None or objective.model.may_raise
        self.cost = self.output, self.loss, self.loss_p, NO_TABLE
        if self._is_wide:
            self._sum = self.loops.sums_of_wide_rows
        else:
            self._sum = self.loops.sum_rows

    def rows_of(self, data, order):
        """``records.Rows``: these rows in some order, and buffers to work in."""
        return data, self.rows.targets, self.rows.weights, order

    def cost_of_changes(self, table):
        """``records.Cost`` that gives changes of derivatives, and keeps the last ones.

        Parameters
        ----------
        table : float64 array of shape (n_rows, n_outputs)
            The last derivative of each row, which the kernel writes into.
        """
        softmax = self.objective.softmax
        output = self.loops.softmax_change if softmax else self.loops.separable_change
        return output, self.loss, self.loss_p, table

    def cost_of_row_steps(self, name, rate):
        """``records.Cost`` of derivatives that carry the length of each row's step.

        Parameters
        ----------
        name : str
            The closed form, ``Optimizer.row_step``.
        rate : float
            The constant in it, and the rate of the plain step that follows.
        """
        known = self._row_steps
        if known is None or known[0] is not self.rows:
            squares = squared_lengths(self.rows.X)
            known = self._row_steps = self.rows, rate * squares[:, np.newaxis]
        return getattr(self.loops, f"{name}_steps"), self.loss, self.loss_p, known[1]

    def raise_noted(self):
        """Raise what a loss or activation of a user raised, if one did."""
        if self._check_loss is not None:
            self._check_loss(self.loss_p)
        if self.objective.model.may_raise:
            self.objective.model.raise_noted(self.data)

    def with_objective(self, objective, block_rows=None):
        """Another objective of the same model over the same rows."""
        return objective.over(self.rows, block_rows or self.block_rows, self.n_jobs)

    def with_rows(self, objective, rows):
        """Another objective over other rows, in the same blocks and threads."""
        return objective.over(rows, self.block_rows, self.n_jobs)

    @cached_property
    def _threads(self):
        kernel = self.loops.shard_sums

        def shard_sums(data, theta, order, losses, gradients):
            rows = self.rows_of(data, order)
            kernel(self.block, rows, self.cost, theta, losses, gradients)

        # The data hold the buffers of a kernel, so that each thread needs its own.
        others = [
            self._bind_for_sums(self.rows.X, self.block_rows)[0]
            for _ in range(self.n_jobs - 1)
        ]
        return ThreadedSum(shard_sums, self.loops.add_shards, [self._sum_data, *others])

    def folded(self, theta):
        """The parameters at which `add_to` takes its sums."""
        return self.objective.model.folded(theta) if self._folds else theta

    def unfolded(self, gradient):
        """The gradient of theta from a sum of `add_to`."""
        return self.objective.model.unfolded(gradient) if self._folds else gradient

    def _sum_rows(self, theta, order, gradient):
        total = self._sum_of(theta, order, gradient)
        if self.may_raise:
            self.raise_noted()
        return total

    def _sum_of(self, theta, order, gradient):
        n = self.objective.model.size
        if theta.size != n or gradient.size not in (0, n):
            check_sizes("a sum over rows", theta=(theta, n), gradient=(gradient, 0, n))
        known = self.rows.order
        if order is not known and order.base is not known:
            check_order(order, len(self.rows.targets))
        if self.n_jobs > 1 and order.size >= THREADED_ROWS:
            return self._threads.add_to(gradient, theta, order)
        rows = self.rows_of(self._sum_data, order)
        if self._is_wide:
            return self._sum(rows, self.cost, theta, gradient)
        shard = np.empty(theta.size if gradient.size else 0, self.dtype)
        return self._sum(self.block, rows, self.cost, theta, shard, gradient)

    def weight(self, order):
        """Sum of the weights of some rows."""
        rows = self.rows
        if rows.weigh_the_same:
            return order.size * rows.weights[0]
        return rows.weights[order].sum()

    def mean_loss(self, theta, order=None):
        """sum_i s_i l_i / sum_i s_i over the rows of `order` (default: all)."""
        if order is not None and order is not self.rows.order:
            weight = self.weight(order)
        else:
            order = self.rows.order
            if self._weight is None:
                self._weight = self.weight(order)
            weight = self._weight
        return self._sum_rows(self.folded(theta), order, np.empty(0)) / weight

    def value(self, theta, order=None):
        """F(theta) over the rows of `order` (default: all)."""
        return self.mean_loss(theta, order) + self.objective.penalty(theta)

    def move_to(self, rows):
        """Look at other dense rows from now on, as `Rows.replaced_by` gives them."""
        self.rows = rows
        self.data = self.objective.model.bound_to(rows.X, self.data)
        self._sum_data = self.data
        self._weight = None
        vars(self).pop("_threads", None)

    def value_of_sample(self, theta):
        """F(theta) over rows from all over: enough of them to tell good from bad."""
        order = self.rows.order
        if order.size > SAMPLE_ROWS:
            order = order[spread_out(order.size, SAMPLE_ROWS)]
        return self.value(theta, order)

    def value_of_all(self, theta):
        """F(theta) over all rows."""
        return self.value(theta)

    def loss_and_gradient(self, theta):
        """Sum of losses over all rows, and of its gradient, without the penalty.

        Returns
        -------
        loss : float
        gradient : float64 array of shape (n_parameters,)
        """
        gradient = np.zeros(theta.size)
        loss = self.add_to(gradient, self.folded(theta))
        return loss, self.unfolded(gradient)

    def add_to(self, gradient, theta, order=None):
        """Sum of losses over rows; that of its gradient is added to `gradient`.

        At `folded` parameters, and for `unfolded` to make a gradient of theta of. An
        empty `gradient` asks for the losses only. By default over all rows.
        """
        order = self.rows.order if order is None else order
        return self._sum_rows(theta, order, gradient)

    def gradient(self, theta):
        """F(theta) and the gradient of its smooth part, l2 included."""
        loss, gradient = self.loss_and_gradient(theta)
        n = self.n_rows
        gradient /= n
        if self.objective.l2.size:
            gradient += self.objective.l2 * theta
        return loss / n + self.objective.penalty(theta), gradient

    @property
    def whole(self):
        """The objective over all rows, in memory: this one."""
        return self

    def sum_over_rows(self, function, every):
        """What a function of rows and an order makes of every so many of the rows."""
        return function(self.rows, self.rows.order[::every])

    def bound_blocks(self):
        """The objective over all rows in memory: the only block there is."""
        yield self


def _callee(objective):
    """What the compiled outputs call for each row, where they call anything.

    Returns
    -------
    address : int
    p : float64 array
        Its parameters.
    check : callable(p) or None
        Raises what a user's loss raised.
    """
    from skgd._kernels import outputs, user_code

    written = type(objective.loss).value_and_derivative
    if not (objective.softmax or written is LogLoss.value_and_derivative):
        return user_code.loss(objective.loss)
    p = np.array(objective.loss.parameters(), dtype=np.float64)
    return 0 if objective.softmax else outputs.LOGISTIC, p, None


def highest(value, points):
    """The highest objective at some points."""
    return max(value(theta) for theta in points)


def best_constants(objective, rows):
    """The best constant score for each output."""
    targets, weights = rows.visited()
    n_outputs = objective.model.n_outputs
    if n_outputs > targets.shape[1]:
        share = np.bincount(
            targets[:, 0].astype(int), weights=weights, minlength=n_outputs
        )
        share = np.maximum(share, 0.5) / weights.sum()
        if objective.softmax:
            return np.log(share) - np.log(share).mean()
        targets = np.where(targets == np.arange(n_outputs), 1.0, -1.0)
    return np.array(
        [objective.loss.best_constant(column, weights) for column in targets.T]
    )
