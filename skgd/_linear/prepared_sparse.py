"""Prepared updates of a linear model from few CSR rows, however many columns.

The weights stay in place, and nothing that grows with the columns is done until
somebody looks at what an update has left.
"""

import math

import numpy as np
from scipy import sparse

from skgd._estimator.late import LATE, attributes_of
from skgd._estimator.prepared import Left, PreparedUpdate
from skgd._input.moments import MomentsOfChunks, Seen
from skgd._input.plain import plain_csr
from skgd._input.rows import Rows
from skgd._linear.automatic import IMPLICIT_STEP, scores_have_units, target_spread
from skgd._training.implicit import ImplicitAdaGrad
from skgd._training.in_place import ImplicitSteps, steps_in_place
from skgd.schedules import Constant

WEIGHTS = ("coef_", "intercept_")


class LinearUpdate(PreparedUpdate):
    """An update that leaves ``coef_`` and ``intercept_``."""

    def __init__(self, estimator, plan, shape, horizon):
        super().__init__(estimator, plan, shape, horizon, WEIGHTS)

    def answer_of(self, left):
        """The parameters to predict with."""
        raise NotImplementedError

    def weights_of(self, left):
        coef, intercept = self.model.coefficients(self.answer_of(left))
        if self.task.classes is None and self.task.is_flat:
            coef = coef[0]
        return {"coef_": coef, "intercept_": intercept}


class SparseUpdate(LinearUpdate):
    """The updates from the CSR rows of one call, prepared for the next calls.

    Parameters
    ----------
    estimator : LinearGD
        After a call of partial_fit of as many rows.
    plan : Plan
    bound : BoundObjective
        Over the rows of that call.
    horizon : float or None
        As in ``Plan.epoch``.
    way : object of ``skgd._training.in_place``
    """

    def __init__(self, estimator, plan, bound, horizon, way):
        super().__init__(estimator, plan, bound.rows.X.shape, horizon)
        self.way = way
        self.bound = bound
        self.index = bound.data[1].dtype
        self.rest = bound.data[3:]
        self.entries = None
        self.every = np.arange(self.model.n_features)
        X = bound.rows.X
        self.rows = [
            Rows.of(X, self.targets, self.targets),
            Rows.of(X, self.targets, self.targets, self.weights),
        ]
        self.saved = None
        self.moments = None
        self.finds_rate = type(plan.optimizer) is ImplicitAdaGrad
        if self.finds_rate and scores_have_units(self.task, self.loss):
            self.moments = MomentsOfChunks(
                np.dtype(np.float64), self.task.n_targets, estimator._half_life
            )

    def goes_on_from(self, model):
        return model is None or (model is self.model or model.raw)

    def takes_rows(self, estimator, X):
        current = attributes_of(estimator)
        names = current.get("feature_names_in_")
        entries = plain_csr(X, self.model.n_features, names)
        if (
            entries is None
            or X.shape != self.shape
            or current["n_features_in_"] != self.model.n_features
        ):
            return False
        values, columns, pointers, rising = entries
        if values.dtype != self.model.dtype:
            with np.errstate(over="ignore"):
                values = values.astype(self.model.dtype)
            if not np.isfinite(values).all():
                return False
        if columns.dtype != self.index:
            columns = columns.astype(self.index)
        if pointers.dtype != self.index:
            pointers = pointers.astype(self.index)
        self.entries = values, columns, pointers, rising
        return True

    @np.errstate(over="ignore", invalid="ignore")
    def step(self, attributes, weighted):
        self.saved = None
        state, late = attributes.get("_state"), attributes.get(LATE)
        if state is not None:
            self.way.take_over(state)
            self.steps, self.epochs = state.step, state.epoch
            self.n_seen, self.highest = state.n_seen, state.highest
        elif late is None or late.update is not self:
            return None
        model = attributes.get("_model")
        if model is None:
            model = late.update.model_of(late)
        values, columns, pointers, rising = self.entries
        # No more than all of them can have been touched.
        touched = columns if columns.size <= self.every.size else self.every
        rows = self.rows[weighted]
        if not self.way.has_room():
            return None
        self.way.distinct = rising
        counters = self.steps, self.epochs, self.n_seen, self.highest
        # The length of the steps is also that of the penalty's flow.
        eta = getattr(self.plan.optimizer, "eta", None)
        self.saved = counters, eta, self.way.save(touched)
        model = self._having_seen(model, rows)
        data = (values, columns, pointers, *self.rest)
        total, n_updates = self.way.update(data, rows, self.steps)
        value = total / len(self.targets)
        # Kernels may keep it in a higher precision than that of the weights.
        moved = self.way.touched(touched).astype(self.model.dtype, copy=False)
        if (
            n_updates < self.way.n_updates
            or not math.isfinite(value)
            or not np.isfinite(moved).all()
        ):
            self.undo()
            return None
        self.steps += n_updates
        self.epochs += 1
        self.n_seen += len(self.targets)
        if not (
            self.predicts_scores or self.are_predicted(self._scores(*self.entries[:3]))
        ):
            self.undo()
            return None
        highest = self.highest_after(value, self.highest)
        if highest is None:
            self.undo()
            return None
        self.highest = highest
        rate = self.plan.optimizer.eta if self.finds_rate else self.plan.lr
        return Left(self, None, model, value, float(rate), 0.0)

    def _having_seen(self, model, rows):
        """The model with the targets taken in, where the length of the steps asks."""
        if self.moments is None:
            return model
        before = model.seen.targets
        targets = self.moments.after(before, self.targets, rows.weights)
        spread = target_spread(self.task, self.plan.objective.loss, targets)
        self.plan.optimizer.eta = IMPLICIT_STEP * spread
        return model.having_seen(Seen(None, targets, spread))

    def undo(self):
        if self.saved is not None:
            counters, eta, saved = self.saved
            self.steps, self.epochs, self.n_seen, self.highest = counters
            if self.moments is not None:
                self.plan.optimizer.eta = eta
            self.way.put_back(saved)
            self.saved = None

    def state_of(self, left):
        if left.state is None:
            left.state = self.way.state(
                step=self.steps,
                epoch=self.epochs,
                n_seen=self.n_seen,
                highest=self.highest,
            )
        return left.state

    def steps_of(self, left):
        return self.steps

    def answer_of(self, left):
        return self.state_of(left).answer()

    def report_of(self, left):
        state = self.state_of(left)
        penalty = self.plan.objective.penalty(state.theta)
        made = super().report_of(left)
        value = left.value + penalty
        made["history_"]["loss"] = np.array([value])
        return made | {"loss_curve_": [value], "best_loss_": value}

    def scores_of(self, left, X):
        """Scores of CSR rows, without a look at other columns; None for many."""
        if X.nnz > self.every.size:
            return None
        with self.lock:
            return self._scores(X.data, X.indices, X.indptr)

    def _scores(self, values, columns, pointers):
        theta = self.way.weights_at(columns, self.steps)
        theta = theta.reshape(-1, self.model.n_outputs)
        if len(pointers) > 2:
            entries = values, np.arange(values.size), pointers
            shape = len(pointers) - 1, values.size
            return sparse.csr_array(entries, shape) @ theta[:-1] + theta[-1]
        # One after the other, as SciPy adds them up.
        terms = values[:, None] * theta[:-1]
        total = terms.cumsum(axis=0)[-1:] if len(terms) else terms.sum(axis=0)[None]
        return total + theta[-1]


def prepared_sparse(estimator, plan, bound, horizon):
    """A prepared update for CSR rows like the last one, or None for the usual way."""
    state = estimator._state
    if plan.adds_up or state.losses:
        return None
    if type(plan.optimizer) is ImplicitAdaGrad:
        way = ImplicitSteps(bound, plan.optimizer)
        return SparseUpdate(estimator, plan, bound, horizon, way)
    if estimator.lr == "auto" or type(plan.schedule) is not Constant:
        return None
    stepper = plan.stepper(plan.objective)
    way = steps_in_place(bound, stepper, state, plan)
    return None if way is None else SparseUpdate(estimator, plan, bound, horizon, way)
