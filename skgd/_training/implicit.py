"""Implicit normalised AdaGrad for streams of CSR rows, under ``lr="auto"``.

What an update is: see ``_kernels/csr_stream.py``; when this rule is chosen: see
``_linear/automatic.py``.
"""

import math

import numpy as np

from skgd._input.boundary import check_sizes
from skgd._kernels.forgetting import counted
from skgd._registry import SAVED
from skgd._training.state import Waiting


@SAVED.named("implicit adagrad")
class ImplicitAdaGrad:
    """Where ``plan.optimizer`` says which rule moves theta: this one, row by row.

    With s_j the largest value of feature j so far, g the derivative of a row's loss and
    h its weight,

        G_j += h (g x_j)^2,   D_j = eta / (s_j sqrt(G_j)),
        u = z - h l'(u) sum_j D_j x_j^2,   w_j -= h l'(u) D_j x_j,

    so that z moves to u. Where s_j grows, w_j shrinks by as much. A weight of h acts
    as that many steps, and cannot overshoot. Penalties are a flow that a weight follows
    between its rows.

    Parameters
    ----------
    eta : float
        Length of the steps: half the spread of the targets.
    kind : {'implicit', 'explicit', 'softmax'}
        A loss for each output, whose derivative is taken at u or at z, or one for all.
        Where scores of zero are a minimum of a loss, as of the perceptron's, u would
        never leave them.
    curvature : float
        Bound of the softmax's curvature; not used otherwise.
    strengths : tuple of float
        l1 and l2 strength.
    prior : float
        Squared derivative of a row of an earlier fit, which the features start with
        once for each of its rows.
    half_life : float
        Rows after which G_j is half of what it was, and the square of s_j. Where that
        is not inf, w_j shrinks only where s_j is more than twice what it was when the
        feature was last seen.

    References
    ----------
    S. Ross, P. Mineiro and J. Langford, "Normalized online learning" (2013). J. Duchi,
    E. Hazan and Y. Singer, "Adaptive subgradient methods for online learning and
    stochastic optimization" (2011). N. Karampatziakis and J. Langford, "Online
    importance weight aware updates" (2011).
    """

    searches = False
    normalises = False
    keeps_derivatives = False
    row_step = None
    finds_rate = True
    weight_decay = 0.0

    # Squares, and what those of a feature begin with.
    sums = (0, -1)

    def __init__(self, eta, kind, curvature, strengths, prior, half_life=math.inf):
        self.eta = eta
        self.kind = kind
        self.curvature = curvature
        self.strengths = strengths
        self.prior = prior
        self.half_life = half_life

    def start(self, n, dtype):
        """Squared derivatives, largest values and marks of n parameters.

        The one scalar is what the squared derivatives of a feature begin with.
        """
        return np.zeros((3, n)), np.full(1, -1.0), np.zeros(0, dtype)

    def points(self, vectors):
        """No vectors that are points of the parameter space."""
        return []

    def on(self, bound):
        """The epoch of this rule over bound rows."""
        return _Epoch(self, bound)


class _Epoch:
    def __init__(self, rule, bound):
        from skgd._kernels import compiling, csr_stream

        self.rule = rule
        self.bound = bound
        self.kind = {
            "implicit": csr_stream.IMPLICIT,
            "explicit": csr_stream.EXPLICIT,
            "softmax": csr_stream.SOFTMAX,
        }[rule.kind]
        self._named = csr_stream.Steps
        kernel = csr_stream.run_pass
        if rule.half_life < math.inf:
            kernel = csr_stream.run_forgetting_pass
        signature = csr_stream.pass_signature(*bound.loops.types)
        self._pass = compiling.kernel(kernel, signature)
        self._workspace = csr_stream.WORKSPACE, bound.objective.model.n_outputs
        self._settle = compiling.kernel(
            csr_stream.settle, csr_stream.settle_signature(bound.loops.element)
        )

    def run(self, state):
        """One pass in place; returns (mean objective seen, length of the steps).

        Penalised weights of absent features wait until a row has them again; theta is
        what they stand for.
        """
        bound, eta = self.bound, self.rule.eta
        n_rows = bound.rows.order.size
        self.begin(state)
        penalised = any(self.rule.strengths)
        weights = Waiting.of(state)
        total, n_updates = self.update(
            weights, state.vectors, state.scalars, bound.data, bound.rows, state.step
        )
        state.step += n_updates
        if n_updates < n_rows:
            return math.nan, eta
        state.lazy = None
        if penalised:
            kept = weights.copy() if weights is state.theta else weights
            self.settle(kept, state.vectors, state.step, state.theta)
            state.lazy = Waiting(kept, state.theta.copy())
        elif weights is not state.theta:
            state.theta[:] = weights
        value = total / n_updates + bound.objective.penalty(state.theta)
        return value, eta

    def begin(self, state):
        """Make the state ready for the first pass of this rule."""
        n = self.bound.objective.model.size
        check_sizes(
            "the state",
            theta=(state.theta, n),
            vectors=(state.vectors, 3 * n),
            scalars=(state.scalars, 1),
        )
        if state.scalars[0] >= 0.0:
            return
        rule = self.rule
        squares, _, marks = state.vectors
        n_fitted = state.step / max(state.epoch, 1) if state.step else 0.0
        n_fitted = counted(rule.half_life, 1, n_fitted)
        state.scalars[0] = n_fitted * rule.prior
        squares[-self.bound.objective.model.n_outputs :] = state.scalars[0]
        marks[:] = state.step

    def update(self, weights, vectors, scalars, data, rows, step):
        """The updates by some rows; returns (sum of losses, number of updates)."""
        return self._pass(
            (data, rows.targets, rows.weights, rows.order),
            self._steps(scalars[0]),
            (weights, *vectors),
            np.empty(self._workspace),
            step,
        )

    def settle(self, weights, vectors, step, shown):
        """What waiting weights stand for by now, in `shown`."""
        n_weights = weights.size - self.bound.objective.model.n_outputs
        moved = weights, *vectors
        self._settle(self._steps(0.0), moved, n_weights, step, shown)

    def _steps(self, prior):
        """``csr_stream.Steps``; features that are new start with `prior`."""
        rule, bound = self.rule, self.bound
        l1, l2 = rule.strengths
        return tuple(
            self._named(
                kind=self.kind,
                loss=bound.loss,
                loss_p=bound.loss_p,
                curvature=rule.curvature,
                eta=rule.eta,
                l1=l1,
                l2=l2,
                prior=prior,
                half_life=rule.half_life,
            )
        )
