"""Which compiled loop makes the updates of an epoch, and how it is called.

Each computes what the general loop computes, where a rule, a penalty and the layout of
the rows allow a shorter way.
"""

import math

import numpy as np

from skgd._input.boundary import check_sizes, check_updates
from skgd._input.rows import as_vector
from skgd._input.sparse import without_duplicates
from skgd._training.rules_of_nonzeros import RuleOfNonzeros, can_wait
from skgd._training.state import Lazy


def _in(bound, order):
    """``records.Rows``: the bound rows in some order."""
    return bound.data, bound.rows.targets, bound.rows.weights, order


def epoch_kernel(bound, stepper, batch_size):
    """The compiled loop over batches for these rows and this rule.

    Returns
    -------
    callable(state, order, rates) -> (sum of losses, number of updates)
        `order` holds numbers of the bound rows. One with `several` can make more than
        one pass in a call; see ``_every_weight``. One with `fixed` can be called again
        and again with the same arrays: callable(state, order, rates) -> `FixedUpdate`.
    """
    kernel = _shortest_way(bound, stepper, batch_size)

    def checked(kernel):
        def run(state, order, rates, *others):
            check_updates(state, stepper.n, *stepper.kept, order, rates, batch_size)
            return kernel(state, order, rates, *others)

        return run

    run = checked(kernel)
    for other in ("several", "fixed"):
        if hasattr(kernel, other):
            setattr(run, other, checked(getattr(kernel, other)))
    return run


class FixedUpdate:
    """The updates by rows that change where they lie, and of a state that does.

    Parameters
    ----------
    kernel : callable of ``compiling.kernel``
    arguments : tuple
    step : int or None
        Which of the arguments is the number of updates made before, if one is.
    total : float64 array of shape (1,) or None
        Where the sum of the losses is left; None for what the kernel returns first.

    Attributes
    ----------
    call : skgd._kernels.fixed.FixedCall
    step : int64 array of shape (1,)
        The number of updates made before: to be written.
    total : float64 array of shape (1,)
        The sum of the losses: to be read.
    """

    def __init__(self, kernel, arguments, step=None, total=None):
        from skgd._kernels.fixed import FixedCall

        self.call = FixedCall(kernel, arguments)
        self.step = np.zeros(1, np.int64)
        if step is not None:
            self.step = self.call.cell(step, np.int64)
        self.total = self.call.result[:1].view(np.float64) if total is None else total


def _shortest_way(bound, stepper, batch_size):
    if stepper.optimizer.keeps_derivatives:
        return _saga(bound, stepper, batch_size)
    if bound.is_csr and stepper.is_dowg and _is_uncentred(bound.objective.model):
        return _dowg_on_nonzeros_only(bound, stepper, batch_size)
    if bound.is_csr and stepper.is_gd and bound.objective.model.raw:
        return _nonzeros_only(bound, stepper, batch_size)
    if bound.is_csr and bound.objective.model.raw and can_wait(stepper):
        return _rule_on_nonzeros_only(bound, stepper, batch_size)
    is_plain = stepper.is_gd and stepper.optimizer.row_step is None
    if batch_size == 1 and is_plain and _has_rows_in_place(bound):
        if bound.objective.model.n_outputs == 1:
            return _one_row(bound, stepper)
        return _one_row_for_each_output(bound, stepper)
    return _every_weight(bound, stepper, batch_size)


def _is_uncentred(model):
    return model.is_linear and model.mean is None


def _has_rows_in_place(bound):
    """Whether dense rows lie in one piece and a linear model takes them as they are."""
    model = bound.objective.model
    if bound.is_csr or not (model.is_linear and model.raw):
        return False
    return as_vector(bound.rows.X)[0].size > 0


def _every_weight(bound, stepper, batch_size):
    """Any rule; an update costs as much as there are parameters.

    Returns
    -------
    callable(state, order, rates) -> (sum of losses, number of updates)
        Its `several` makes passes with shuffles in between: callable(state, order,
        rates, first, seeds, thetas) -> (sums of losses, number of updates of the last),
        with the last three as of ``epoch.Passes``. There are as many sums as passes
        were made.
    """
    kernel = bound.loops.any_rule
    gradient = np.empty(stepper.n, bound.objective.model.dtype)
    steps_of_rows = stepper.optimizer.row_step is not None

    def arguments(state, order, rates, passes):
        return (
            bound.block,
            _in(bound, order),
            batch_size,
            stepper.cost(bound) if steps_of_rows else bound.cost,
            state.theta,
            gradient,
            stepper.update(state),
            rates,
            state.step,
            passes,
        )

    def fixed(state, order, rates):
        once = _one_pass(gradient.dtype)
        *_, losses = once
        given = arguments(state, order, rates, once)
        return FixedUpdate(kernel, given, step=-2, total=losses)

    run = _with_passes(lambda *given: kernel(*arguments(*given)), gradient.dtype)
    run.fixed = fixed
    return run


def _one_pass(dtype):
    """``epoch.Passes``: a single one over the rows as they are."""
    from skgd._kernels.epoch import Passes

    order = np.empty(0, np.int64)
    return tuple(
        Passes(
            order=order,
            first=order,
            seeds=np.empty(0, np.uint64),
            thetas=np.empty((0, 0), dtype),
            losses=np.empty(1),
        )
    )


def _with_passes(run, dtype):
    """One pass, and several, of a compiled loop that takes ``epoch.Passes``."""
    once = _one_pass(dtype)
    *_, losses = once

    def one(state, order, rates):
        _, n_updates = run(state, order, rates, once)
        return losses.item(), n_updates

    def several(state, order, rates, first, seeds, thetas):
        sums = np.empty(seeds.size)
        check_sizes(
            "several passes",
            first=(first, order.size),
            thetas=(thetas, seeds.size * state.theta.size),
        )
        passes = order, first, seeds, thetas, sums
        n_passes, n_updates = run(state, order, rates, passes)
        return sums[:n_passes], n_updates

    one.several = several
    return one


def _saga(bound, stepper, batch_size):
    """SAGA, which knows the last derivative of each row."""
    from skgd._kernels.saga import Saga

    kernel = bound.loops.saga
    shape = len(bound.rows.targets), bound.objective.model.n_outputs
    gradient = np.empty(stepper.n, bound.objective.model.dtype)

    def run(state, order, rates, passes):
        if state.derivatives.shape != shape:
            # Other rows than before: nothing is known of their derivatives.
            state.derivatives = np.zeros(shape)
            state.vectors[:] = 0.0
        _, *others = stepper.update(state)
        saga = Saga(
            mean=state.vectors[0], n_rows=len(bound.rows), step_sizes=state.step_sizes
        )
        return kernel(
            bound.block,
            _in(bound, order),
            batch_size,
            bound.cost_of_changes(state.derivatives),
            state.theta,
            gradient,
            (tuple(saga), *others),
            rates,
            state.step,
            passes,
        )

    return _with_passes(run, gradient.dtype)


def _one_row(bound, stepper):
    """Plain steps on single dense rows, without a gradient in between."""
    kernel = bound.loops.single_rows
    strengths = stepper.strengths

    def arguments(state, order, rates):
        return (
            _in(bound, order),
            bound.cost,
            state.theta,
            (state.average, state.averaging.start),
            strengths,
            rates,
            state.step,
        )

    def run(state, order, rates):
        if not state.averaging.weighs_equally:
            return _every_weight(bound, stepper, 1)(state, order, rates)
        return kernel(*arguments(state, order, rates))

    def fixed(state, order, rates):
        if not state.averaging.weighs_equally:
            return _every_weight(bound, stepper, 1).fixed(state, order, rates)
        return FixedUpdate(kernel, arguments(state, order, rates), step=-1)

    run.fixed = fixed
    return run


def _one_row_for_each_output(bound, stepper):
    """As `_one_row`, for several outputs, whose weights it brings into order first."""
    kernel = bound.loops.single_rows_of_outputs
    strengths = stepper.strengths

    def arguments(state, order, rates):
        rows = _in(bound, order)
        return rows, bound.cost, state.theta, strengths, rates

    def run(state, order, rates):
        if state.average.size:
            return _every_weight(bound, stepper, 1)(state, order, rates)
        return kernel(*arguments(state, order, rates))

    def fixed(state, order, rates):
        if state.average.size:
            return _every_weight(bound, stepper, 1).fixed(state, order, rates)
        return FixedUpdate(kernel, arguments(state, order, rates))

    run.fixed = fixed
    return run


def _nonzeros_only(bound, stepper, batch_size):
    """Plain steps on CSR rows; an update costs as much as its rows have nonzeros."""
    from skgd._kernels.csr_lazy import Kept

    kernel = bound.loops.nonzeros
    strengths = l1, l2 = stepper.strengths
    _check_scores(bound, batch_size)

    def run(state, order, rates):
        possible = state.averaging.weighs_equally and not (state.average.size and l1)
        if not possible or rates.max() * l2 >= 1.0:
            return _every_weight(bound, stepper, batch_size)(state, order, rates)
        n_features = bound.objective.model.n_features
        lazy = Lazy.of(state, l1, l2, n_features)
        check_sizes(
            "sparse updates",
            kept=(lazy.kept, stepper.n),
            caught_up=(lazy.caught_up, n_features if l1 else 0),
            factors=(lazy.factors, 3),
            moved=(lazy.moved, state.average.size),
        )
        kept = Kept(
            weights=lazy.kept,
            caught_up=lazy.caught_up,
            factors=lazy.factors,
            moved=lazy.moved,
        )
        result = kernel(
            _in(bound, order),
            batch_size,
            stepper.cost(bound),
            state.theta,
            tuple(kept),
            (state.average, state.averaging.start),
            strengths,
            rates,
            state.step,
        )
        lazy.keep_in(state, state.step + result[1])
        return result

    return run


def _check_scores(bound, batch_size):
    """That there is room for the scores of a batch of sparse rows."""
    *_, scores = bound.data
    n_rows = min(batch_size, len(bound.rows))
    if len(scores) < n_rows:
        check_sizes("a batch", scores=(scores, n_rows * scores.shape[1]))


def _rule_on_nonzeros_only(bound, stepper, batch_size):
    """Rules with state on CSR rows, at the cost of their nonzeros."""
    way = RuleOfNonzeros(bound, stepper)
    distinct = without_duplicates(bound.rows.X) is bound.rows.X
    l1, _ = way.strengths
    _check_scores(bound, batch_size)

    def run(state, order, rates):
        unequal = rates.min() != rates.max()
        if state.average.size or (way.by_powers and (l1 or unequal)):
            return _every_weight(bound, stepper, batch_size)(state, order, rates)
        stepper.update(state)
        late = way.begin(state, float(rates[0]))
        gradient = way.room_for_gradient(bound.rows.X.indptr, batch_size, distinct)
        result = way.updates(
            _in(bound, order),
            batch_size,
            (state.theta, state.vectors),
            way.late(late.records, late.passed, gradient, distinct),
            rates,
            state.step,
        )
        late.keep_in(state)
        return result

    return run


def _dowg_on_nonzeros_only(bound, stepper, batch_size):
    """DoWG with an interpolated mean on CSR rows, at the cost of their nonzeros."""
    from skgd._kernels.csr_dowg import Dowg, Points

    kernel = bound.loops.dowg_of_nonzeros
    l1, l2, *_ = stepper.penalties
    estimate, longest = stepper.p
    _check_scores(bound, batch_size)

    def run(state, order, rates):
        averaging = state.averaging
        forgets = min(averaging.half_life, stepper.half_life) < math.inf
        if not state.base.size or averaging.start != 1 or averaging.power or forgets:
            return _every_weight(bound, stepper, batch_size)(state, order, rates)
        check_sizes("the state", average=(state.average, stepper.n))
        initial = state.vectors[0]
        if state.step == 0:
            initial[:] = state.base
            state.scalars[:] = estimate**2, 0.0
        points = Points(
            theta=state.theta, base=state.base, average=state.average, initial=initial
        )
        dowg = Dowg(
            scalars=state.scalars,
            longest=longest,
            l1=l1,
            l2=l2,
            interpolation=averaging.interpolation,
            step_sizes=state.step_sizes,
        )
        return kernel(
            _in(bound, order),
            batch_size,
            bound.cost,
            tuple(points),
            tuple(dowg),
            rates,
            state.step,
        )

    return run
