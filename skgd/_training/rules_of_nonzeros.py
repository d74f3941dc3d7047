"""Rules with state on sparse rows: which can pass absent features by, and how they run.

The arithmetic is in ``_kernels/csr_rules.py``.
"""

import math

import numpy as np

from skgd._input.boundary import check_sizes
from skgd._training.state import LateRule
from skgd.optimizers import (
    FTRL,
    AdaGrad,
    Adam,
    AdamW,
    Momentum,
    Nesterov,
    RMSProp,
)

# Rules whose updates of absent features are made up for, by their numbers there.
RULES = {
    AdaGrad: "ADAGRAD",
    Momentum: "MOMENTUM",
    Nesterov: "NESTEROV",
    FTRL: "FTRL",
    RMSProp: "RMSPROP",
    Adam: "ADAM",
    AdamW: "ADAM",
}

# Those whose features wait by a power of one matrix, that of an update.
BY_POWERS = Momentum, Nesterov


def can_wait(stepper):
    """Whether an update needs to touch only the features that its rows name."""
    rule = stepper.optimizer
    if getattr(rule, "amsgrad", False) or stepper.clip_norm < math.inf:
        return False
    if isinstance(rule, RMSProp) and (rule.momentum or rule.centered):
        return False
    objective = stepper.objective
    return type(rule) in RULES and objective.prox is None and objective.uniform


class RuleOfNonzeros:
    """A rule with state over bound sparse rows, and what its kernel takes.

    Parameters
    ----------
    bound : BoundObjective
        Over CSR rows.
    stepper : Stepper
        One that `can_wait`.

    Attributes
    ----------
    by_powers : bool
        Whether features wait by a power of one matrix, so that rates must be equal.
    strengths : pair of float
        l1 and l2.
    n_outputs : int
    width : int
        Numbers in the record of a feature.
    """

    def __init__(self, bound, stepper):
        from skgd._kernels import csr_rules

        self.bound = bound
        self.rule = type(stepper.optimizer)
        self.by_powers = self.rule in BY_POWERS
        objective = bound.objective
        self.strengths = (
            float(objective.l1.max(initial=0.0)),
            float(objective.l2.max(initial=0.0)),
        )
        self.n_outputs = objective.model.n_outputs
        self.n_weights = stepper.n - self.n_outputs
        self._kernels = csr_rules
        self._number = getattr(csr_rules, RULES[self.rule])
        self._kernel = bound.loops.rule_of_nonzeros(self._number)
        self._p = _kernel_parameters(stepper)
        self._powers = np.empty(csr_rules.POWERS)
        self.width = csr_rules.width(self._number, self.n_outputs)

    def key(self, rate):
        """What holds for features that wait, at this rate."""
        key = (self.rule.__name__, *self._p, *self.strengths)
        return (*key, rate) if self.by_powers else key

    def begin(self, state, rate):
        """The `LateRule` of a state, before a step of length `rate`."""
        if self.rule is FTRL:
            _begin_ftrl(state, self._p, rate)

        def records():
            theta, vectors = state.theta, state.vectors
            return self._kernels.begin(
                self._number, theta, vectors, self.n_outputs, state.step
            )

        late = LateRule.of(state, self.key(rate), records, rate)
        n_records = (self.n_weights // self.n_outputs + 1) * self.width
        check_sizes("sparse updates", records=(late.records, n_records))
        return late

    def room_for_gradient(self, pointers, batch_size, distinct):
        """``csr_rules.Late.gradient`` for updates by rows with these pointers."""
        return self._kernels.room_for_gradient(
            pointers, batch_size, distinct, self.n_weights, self.n_outputs
        )

    def late(self, records, passed, gradient, distinct):
        """``csr_rules.Late``."""
        return tuple(
            self._kernels.Late(
                records=records,
                passed=passed,
                powers=self._powers,
                gradient=gradient,
                distinct=distinct,
            )
        )

    def updates(self, rows, batch_size, shown, late, rates, step):
        """Call the kernel; returns (sum of losses, number of updates).

        Parameters
        ----------
        rows : tuple
            ``records.Rows``.
        batch_size : int
        shown : pair of arrays
            Theta and vectors, where the features are put up to date.
        late : tuple
            Of `late`.
        rates : float64 array
        step : int
            Updates made before.
        """
        theta, vectors = shown
        return self._kernel(
            rows,
            batch_size,
            self.bound.cost,
            theta,
            vectors,
            self._p,
            late,
            self.strengths,
            rates,
            step,
        )


def _kernel_parameters(stepper):
    """What the compiled rule takes as `p`; see ``csr_rules.Course``."""
    if isinstance(stepper.optimizer, Adam):
        beta_1, beta_2, epsilon, _ = stepper.p
        return np.array([beta_1, beta_2, epsilon, stepper.optimizer.weight_decay])
    return stepper.p


def _begin_ftrl(state, p, rate):
    """The sum z of weights that the rule did not make, as in ``FTRL.update``."""
    z, total, l1, l2 = state.vectors
    w = state.theta.astype(np.float64)
    given = (w != 0.0) & (z == 0.0) & (total == 0.0)
    if not given.any():
        return
    own = l1 >= 0.0
    first = np.where(own, p[1] + state.step * l1, 0.0)
    second = np.where(own, p[2] + state.step * l2, 0.0)
    start = -w * (p[0] / rate + second) - np.sign(w) * first
    z[given] = start[given]
