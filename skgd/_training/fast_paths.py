"""Which compiled loop makes the updates of an epoch, and how it is called.

Each computes what the general loop computes, where a rule, a penalty and the layout of
the rows allow a shorter way.
"""

import math

import numpy as np

from skgd._input.boundary import check_sizes, check_updates
from skgd._input.rows import as_vector
from skgd._training.state import LateRule, Lazy
from skgd.optimizers import FTRL, AdaGrad, Momentum, Nesterov

# Rules whose updates of absent features are made up for, by their numbers there.
RULES = {
    AdaGrad: "ADAGRAD",
    Momentum: "MOMENTUM",
    Nesterov: "NESTEROV",
    FTRL: "FTRL",
}

# Keeps a quotient of nothing by nothing finite.
TINY = np.finfo(np.float64).tiny


def epoch_kernel(bound, stepper, batch_size):
    """The compiled loop over batches for these rows and this rule.

    Returns
    -------
    callable(state, order, rates) -> (sum of losses, number of updates)
        `order` holds numbers of the bound rows.
    """
    kernel = _shortest_way(bound, stepper, batch_size)

    def run(state, order, rates):
        check_updates(state, stepper.n, *stepper.kept, order, rates, batch_size)
        return kernel(state, order, rates)

    return run


def _shortest_way(bound, stepper, batch_size):
    if stepper.optimizer.keeps_derivatives:
        return _derivative_changes(bound, stepper, batch_size)
    if bound.is_csr and stepper.is_free and _is_uncentred(bound.objective.model):
        return _free_nonzeros_only(bound, stepper, batch_size)
    if bound.is_csr and stepper.is_plain and bound.objective.model.raw:
        return _nonzeros_only(bound, stepper, batch_size)
    objective = bound.objective
    if (
        bound.is_csr
        and objective.model.raw
        and objective.prox is None
        and objective.uniform
        and type(stepper.optimizer) in RULES
        and stepper.clip_norm == math.inf
    ):
        return _rule_on_nonzeros_only(bound, stepper, batch_size)
    if batch_size == 1 and stepper.is_plain and _has_plain_rows(bound):
        if bound.objective.model.n_outputs == 1:
            return _one_row(bound, stepper)
        return _one_row_for_each_output(bound, stepper)
    return _every_weight(bound, stepper, batch_size)


def _is_uncentred(model):
    return model.is_linear and model.mean is None


def _has_plain_rows(bound):
    """Whether dense rows lie in one piece and a linear model takes them as they are."""
    model = bound.objective.model
    if bound.is_csr or not (model.is_linear and model.raw):
        return False
    return as_vector(bound.rows.X)[0].size > 0


def _generic_kernel(bound, stepper, batch_size):
    """callable(state, order, rates, output, loss_p, arguments of the step)."""
    kernel = bound.loops.any_rule

    def run(state, order, rates, output, loss_p, arguments):
        return kernel(
            bound.block,
            bound.data,
            bound.rows.targets,
            bound.rows.weights,
            order,
            batch_size,
            output,
            bound.loss,
            loss_p,
            state.theta,
            np.empty_like(state.theta),
            *arguments,
            rates,
            state.step,
        )

    return run


def _every_weight(bound, stepper, batch_size):
    """Any rule; an update costs as much as there are parameters."""
    kernel = _generic_kernel(bound, stepper, batch_size)

    def run(state, order, rates):
        arguments = stepper.arguments(state)
        return kernel(state, order, rates, bound.output, bound.loss_p, arguments)

    return run


def _derivative_changes(bound, stepper, batch_size):
    """Rules that are given the change of each row's derivative since its last visit."""
    kernel = _generic_kernel(bound, stepper, batch_size)
    n_rows = len(bound.rows)
    n_steps = -(-n_rows // batch_size)
    p = np.array([n_rows, batch_size, n_steps], dtype=np.float64)

    def run(state, order, rates):
        output, loss_p = bound.derivative_changes(state.derivatives)
        if loss_p is not state.derivatives:
            # Other rows than before: nothing is known of their derivatives.
            state.derivatives = loss_p
            state.vectors[:], state.memory[:] = 0.0, 0.0
        state.vectors[1] = bound.objective.l2
        (update, _, *rest), *others = stepper.arguments(state)
        arguments = (update, p, *rest), *others
        result = kernel(state, order, rates, output, loss_p, arguments)
        bound.raise_noted(loss_p)
        return result

    return run


def _one_row(bound, stepper):
    """Plain steps on single dense rows, without a gradient in between."""
    kernel = bound.loops.single_rows
    strength_l1, strength_l2 = stepper.strengths

    def run(state, order, rates):
        if not state.kind.is_plain:
            return _every_weight(bound, stepper, 1)(state, order, rates)
        return kernel(
            bound.data,
            bound.rows.targets,
            bound.rows.weights,
            order,
            bound.loss,
            bound.loss_p,
            state.theta,
            state.average,
            state.kind.start,
            strength_l1,
            strength_l2,
            rates,
            state.step,
        )

    return run


def _one_row_for_each_output(bound, stepper):
    """As `_one_row`, for several outputs, whose weights it brings into order first."""
    kernel = bound.loops.single_rows_of_outputs
    strength_l1, strength_l2 = stepper.strengths

    def run(state, order, rates):
        if state.average.size:
            return _every_weight(bound, stepper, 1)(state, order, rates)
        return kernel(
            bound.data,
            bound.rows.targets,
            bound.rows.weights,
            order,
            bound.output,
            bound.loss,
            bound.loss_p,
            state.theta,
            strength_l1,
            strength_l2,
            rates,
        )

    return run


def _nonzeros_only(bound, stepper, batch_size):
    """Plain steps on CSR rows; an update costs as much as its rows have nonzeros."""
    kernel = bound.loops.nonzeros
    strength_l1, strength_l2 = stepper.strengths
    _check_scores(bound, batch_size)

    def run(state, order, rates):
        possible = state.kind.is_plain and not (state.average.size and strength_l1)
        if not possible or rates.max() * strength_l2 >= 1.0:
            return _every_weight(bound, stepper, batch_size)(state, order, rates)
        n_features = bound.objective.model.n_features
        lazy = Lazy.of(state, strength_l1, strength_l2, n_features)
        check_sizes(
            "sparse updates",
            kept=(lazy.kept, stepper.n),
            seen=(lazy.seen, n_features if strength_l1 else 0),
            factors=(lazy.factors, 3),
            moved=(lazy.moved, state.average.size),
        )
        result = kernel(
            bound.data,
            bound.rows.targets,
            bound.rows.weights,
            order,
            batch_size,
            bound.output,
            bound.loss,
            bound.loss_p,
            state.theta,
            lazy.kept,
            lazy.seen,
            lazy.factors,
            lazy.moved,
            state.average,
            state.kind.start,
            strength_l1,
            strength_l2,
            rates,
            state.step,
        )
        lazy.keep_in(state, state.step + result[1])
        return result

    return run


def _check_scores(bound, batch_size):
    """That there is room for the scores of a batch of sparse rows."""
    scores = bound.data[-1]
    n_rows = min(batch_size, len(bound.rows))
    if len(scores) < n_rows:
        check_sizes("a batch", scores=(scores, n_rows * scores.shape[1]))


def _rule_on_nonzeros_only(bound, stepper, batch_size):
    """Rules with state on CSR rows, at the cost of their nonzeros."""
    from skgd._kernels import csr_rules

    rule = type(stepper.optimizer)
    number = getattr(csr_rules, RULES[rule])
    kernel = bound.loops.rule_of_nonzeros(number)
    objective = bound.objective
    l1 = float(objective.l1.max(initial=0.0))
    l2 = float(objective.l2.max(initial=0.0))
    n_outputs = objective.model.n_outputs
    distinct = bool(bound.rows.X.has_canonical_format)
    powers = np.empty(csr_rules.POWERS)
    _check_scores(bound, batch_size)

    def run(state, order, rates):
        remembers = rule in (Momentum, Nesterov)
        if state.average.size or (remembers and (l1 or rates.min() != rates.max())):
            return _every_weight(bound, stepper, batch_size)(state, order, rates)
        arguments = stepper.arguments(state)[0]
        if rule is FTRL:
            begin_ftrl(state, stepper.p, float(rates[0]))
        key = late_key(rule, stepper.p, l1, l2, float(rates[0]))
        late = LateRule.of(
            state,
            key,
            lambda: csr_rules.begin(
                number, state.theta, state.vectors, n_outputs, state.step
            ),
            float(rates[0]),
        )
        n_records = (stepper.n // n_outputs) * csr_rules.width(number, n_outputs)
        check_sizes("sparse updates", records=(late.records, n_records))
        result = kernel(
            bound.data,
            bound.rows.targets,
            bound.rows.weights,
            order,
            batch_size,
            bound.output,
            bound.loss,
            bound.loss_p,
            arguments[1],
            late.records,
            late.passed,
            state.theta,
            state.vectors,
            distinct,
            powers,
            l1,
            l2,
            rates,
            state.step,
        )
        late.keep_in(state)
        return result

    return run


def late_key(rule, p, l1, l2, rate):
    """What holds for features that wait."""
    key = (rule.__name__, *p, l1, l2)
    if rule in (Momentum, Nesterov):
        # What happens to them is a power of one matrix.
        key = (*key, rate)
    return key


def begin_ftrl(state, p, rate):
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


def _free_nonzeros_only(bound, stepper, batch_size):
    """DoWG with an interpolated mean on CSR rows, at the cost of their nonzeros."""
    kernel = bound.loops.free_nonzeros
    l1, l2, *_ = stepper.penalties
    _check_scores(bound, batch_size)

    def run(state, order, rates):
        kind = state.kind
        if not state.base.size or kind.start != 1 or kind.power:
            return _every_weight(bound, stepper, batch_size)(state, order, rates)
        check_sizes("the state", average=(state.average, stepper.n))
        initial = state.vectors[0]
        if state.step == 0:
            initial[:] = state.base
            state.memory[:] = stepper.p[0] ** 2, 0.0
        result = kernel(
            bound.data,
            bound.rows.targets,
            bound.rows.weights,
            order,
            batch_size,
            bound.output,
            bound.loss,
            bound.loss_p,
            state.theta,
            state.base,
            state.average,
            initial,
            state.memory,
            stepper.p[1],
            l1,
            l2,
            kind.interpolation,
            rates,
            state.step,
        )
        length = state.memory[0] / np.sqrt(max(state.memory[1], TINY))
        state.metric[:] = min(length, stepper.p[1])
        return result

    return run
