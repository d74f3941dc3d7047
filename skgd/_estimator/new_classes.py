"""Classes that turn up in the middle of a stream: what changes in a model for them.

An output for each is added to the model, to every point and to what the update rule
remembers; what was learnt of the classes known before is kept. How many labels are new
is decided here, what the parameters of an output are in the models.
"""

from dataclasses import dataclass, replace

import numpy as np

from skgd._input.targets import Classification
from skgd._kernels.forgetting import left
from skgd._training.implicit import ImplicitAdaGrad
from skgd._training.state import rule_of
from skgd.losses import get_loss
from skgd.optimizers import OPTIMIZERS, get_optimizer

# Vectors of rules that follow the sign of the gradient. All others are sizes.
SIGNED = {"momentum_buffer", "exp_avg", "grad_avg"}

# Vectors that are points of the parameter space, and sums that are made of its points.
POINTS = {"initial", "z"}

# Kinds of NumPy types whose values can be told apart and sorted together.
KINDS = ("b", "iuf", "U", "S", "UO")


@dataclass(frozen=True)
class Outputs:
    """Where the outputs of a larger model come from.

    Attributes
    ----------
    source : int array of shape (n_outputs,)
        The output before; -1 for a new one.
    factor : array of shape (n_outputs,)
        What its scores are multiplied by.
    """

    source: np.ndarray
    factor: np.ndarray

    @property
    def is_new(self):
        return self.source < 0

    @property
    def keeps_signs(self):
        return bool((self.factor[~self.is_new] == 1.0).all())


def labels_that_count(y, weights, classes):
    """Labels of a call: those of rows with a weight, and those that are named."""
    counted = y if weights is None else y[weights > 0.0]
    labels = np.unique(counted)
    return labels if classes is None else united(labels, np.unique(classes))


def united(known, labels):
    """Labels of both, sorted; ValueError where they are of different kinds."""
    known, labels = np.asarray(known), np.asarray(labels)
    if not known.size or not labels.size:
        return labels if labels.size else known
    kinds = known.dtype.kind + labels.dtype.kind
    if any(set(kinds) <= set(together) for together in KINDS):
        try:
            return np.union1d(known, labels)
        except TypeError:
            pass
    raise ValueError(
        f"on_new_class='extend': labels {labels.tolist()[:5]} are of another kind than "
        f"the classes {known.tolist()[:5]}, with which they cannot be sorted."
    )


def outputs_of(known, classes, softmax):
    """Which outputs of a model of `classes` are those of a model of `known` ones.

    Parameters
    ----------
    known, classes : arrays
        Sorted labels; the latter have all of the former.
    softmax : bool
        Whether several classes are trained by cross-entropy.

    Returns
    -------
    Outputs
    """
    n_outputs = 1 if len(classes) <= 2 else len(classes)
    source, factor = np.full(n_outputs, -1), np.zeros(n_outputs)
    places = np.searchsorted(classes, known)
    if len(classes) == 2:
        # The one score is that of the second class.
        return Outputs(np.zeros(1, int), np.array([-1.0 if places[0] else 1.0]))
    if len(known) == 2:
        # Scores whose differences say what the one said, and for losses of single
        # classes one for each of the two.
        source[places] = 0
        factor[places] = [-0.5, 0.5] if softmax else [-1.0, 1.0]
    elif len(known) > 2:
        source[places], factor[places] = np.arange(len(known)), 1.0
    # A score of one class alone says that there was no other.
    return Outputs(source, factor)


def extended(estimator, classes, X):
    """Attributes of an estimator to go on with, for more classes than it knows.

    Parameters
    ----------
    estimator : BaseGD
        A classifier with a model.
    classes : array
        Sorted labels.
    X : array or CSR matrix
        Checked rows of the call.

    Returns
    -------
    dict
        `_task`, `_model` and `_state`.
    """
    model, state = estimator._model, estimator._state
    known = estimator._task.classes
    loss = get_loss(estimator.loss, "classification")
    outputs = outputs_of(known, classes, loss.softmax)
    task = Classification(classes, least=1)
    start = np.zeros(task.n_outputs)
    if estimator.fit_intercept and outputs.is_new.any():
        starts = [_start(outputs, loss, z) for z in estimator._scores_of_each(X)]
        # Scores of one network say nothing of where those of another are.
        start = starts[0] if len(starts) == 1 else np.array(starts)
    wider = model.with_scores(task.n_outputs)
    state = _extended_state(estimator, model, wider, state, outputs, start)
    return {"_task": task, "_model": wider, "_state": state}


def _start(outputs, loss, scores):
    """Scores that new outputs start from: those of classes as frequent as the others.

    With cross-entropy a new class is as probable as the old ones are in the (geometric)
    mean over the rows at hand. A rare class's own frequency, so far one row among
    thousands, is a start that small steps take thousands of rows to come back from.

    Parameters
    ----------
    outputs : Outputs
    loss : Loss
    scores : array of shape (n_rows, n_old_outputs)
        What the model said of the rows before.
    """
    new = outputs.is_new
    start = np.zeros(len(new))
    if not loss.softmax:
        share = 1.0 / len(new)
        weights = np.array([1.0 - share, share])
        start[new] = loss.best_constant(np.array([-1.0, 1.0]), weights)
    elif not new.all():
        old = scores[:, outputs.source[~new]] * outputs.factor[~new]
        together = np.logaddexp.reduce(old.astype(np.float64), axis=1)
        start[new] = together.mean() - np.log(old.shape[1])
    return start


def _extended_state(estimator, model, wider, state, outputs, start):
    """The state with an output for each class."""
    source, factor = outputs.source, outputs.factor
    constant = wider.constant(start)

    def point(vector):
        """A point of the parameter space, with new outputs at their start."""
        if not vector.size:
            return vector.copy()
        return wider.from_outputs(vector, model, source, factor, constant)

    averaging, mean_from = state.averaging, state.mean_from
    points = state.points()
    if averaging.start and outputs.is_new.any():
        # The mean of many updates would hardly mind those that learn the new class.
        mean_from = max(state.step + 1, averaging.start)
        averaging = replace(averaging, start=mean_from)
        answer = state.answer()
        points = [answer if one.size else one for one in points]
    theta, base, average = map(point, points)
    made = replace(
        state,
        theta=theta,
        base=base,
        average=average,
        averaging=averaging,
        mean_from=mean_from,
        # A rule that cannot go on begins anew with other vectors than these.
        vectors=np.empty((0, wider.size)),
        scalars=np.empty(0),
        step_sizes=np.empty(0),
        lazy=None,
        rule=(),
    )
    if state.rule and state.rule[0] is ImplicitAdaGrad:
        made.vectors = _implicit_vectors(model, wider, state, outputs)
        made.scalars, made.rule = state.scalars.copy(), state.rule
        return made
    fresh = _fresh_vectors(estimator, state, outputs, wider)
    if fresh is None:
        return made
    made.vectors, _, made.step_sizes = fresh
    made.scalars, made.rule = state.scalars.copy(), state.rule
    for number, name in enumerate(state.rule[1]):
        vector, new = state.vectors[number], made.vectors[number]
        if name in POINTS:
            made.vectors[number] = point(vector)
            continue
        sign = np.sign(factor) if name in SIGNED else np.ones_like(factor)
        made.vectors[number] = wider.from_outputs(vector, model, source, sign, new)
    return made


def _fresh_vectors(estimator, state, outputs, wider):
    """What the rule of a state starts with; None where it has to do so."""
    rules = list(OPTIMIZERS.values())
    if not state.rule or state.vectors.shape[1:] != state.theta.shape:
        return None
    optimizer = get_optimizer(estimator.optimizer)
    if type(optimizer) is not state.rule[0] and state.rule[0] in rules:
        # That of lr="auto".
        optimizer = state.rule[0]()
    if rule_of(optimizer) != state.rule:
        return None
    if type(optimizer) not in rules and not outputs.keeps_signs:
        # Nobody knows which of its vectors follow the sign of the gradient.
        return None
    if optimizer.proximal and (np.abs(outputs.factor) == 0.5).any():
        # Its sums are no multiples of the weights, which it can begin from.
        return None
    return optimizer.start(wider.size, wider.dtype)


def _implicit_vectors(model, wider, state, outputs):
    """Squared derivatives, largest values and marks; see ``_training/implicit.py``.

    New outputs know what the features have shown, and nothing of derivatives.
    """
    squares, largest, marks = state.vectors.copy()
    prior = max(state.scalars[0], 0.0)
    if state.lazy is not None:
        # Penalised weights have waited for their rows until now.
        age = state.step - marks
        age[model.n_weights :] = 0.0
        kept = left(state.half_life, age)
        squares *= kept
        largest *= np.sqrt(kept)
        marks[:] = state.step
    ones = np.ones(len(outputs.source))
    # What is known of a feature is the same for all outputs.
    first = np.zeros(len(outputs.source), int)
    nothing = np.zeros(wider.size)
    largest = wider.from_outputs(largest, model, first, ones, nothing)
    marks = wider.from_outputs(marks, model, first, ones, nothing)
    fresh = prior * np.where(wider.penalised() > 0.0, largest**2, 1.0)
    squares = wider.from_outputs(squares, model, outputs.source, ones, fresh)
    return np.stack([squares, largest, marks])
