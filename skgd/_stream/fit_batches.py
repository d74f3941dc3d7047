"""``fit_batches``: an estimator fitted on a stream, by the loop that fits tables.

Decides which passes a run needs, for whatever estimator it is handed. How a stream is
read: ``source.py`` and ``blocks.py``; what a first pass measures: ``survey.py``; the
epochs: ``epochs.py``.
"""

from contextlib import closing
from dataclasses import dataclass

import numpy as np
from sklearn.base import is_classifier

from skgd._input.targets import Classification
from skgd._input.validation import check_weights
from skgd._kernels.shards import SHARD
from skgd._stream.blocks import Stream, block_rows, compressed
from skgd._stream.epochs import StreamObjective
from skgd._stream.survey import Head, Survey, scaled
from skgd._stream.tables import raise_located
from skgd.losses import get_loss
from skgd.optimizers import get_optimizer
from skgd.schedules import Constant, get_schedule


@dataclass(frozen=True)
class Labels:
    """What a pass over the labels finds.

    Attributes
    ----------
    classes : array of shape (n_classes,)
        Sorted.
    weights : dict of label to float
        Those of ``class_weight="balanced"``.
    """

    classes: np.ndarray
    weights: dict

    @classmethod
    def of(cls, counts):
        """What follows from the sum of the weights of each label, a dict."""
        classes = np.unique(np.array(list(counts)))
        counts = {label: total for label, total in counts.items() if total}
        if not counts:
            raise ValueError(
                "All sample weights are zero: there is nothing to learn from."
            )
        mean = sum(counts.values()) / len(counts)
        return cls(classes, {label: mean / n for label, n in counts.items()})


def fit_batches(estimator, source, classes, validation, shuffle_rows, n_ahead):
    """Train an estimator for up to `max_iter` epochs on a stream.

    Parameters
    ----------
    estimator : BaseGD
        Whose parts of a run are asked for, and which is trained.
    source : Source
    classes : array-like or None
        All labels, for a classifier.
    validation : tuple (X_val, y_val, sample_weight_val)
    shuffle_rows : 'auto' or int
        Rows in memory to shuffle.
    n_ahead : int
        Blocks of rows to read ahead.

    Returns
    -------
    BaseGD
        The estimator.
    """
    check_far_rows(estimator, validation, "a stream")
    if estimator.max_iter != 1:
        source.require_again(f"max_iter={estimator.max_iter} epochs read it many times")
    resumed = estimator._goes_on()
    if resumed:
        estimator._check_late_parameters()
    X, y, weights = first_batch(estimator, source, reset=not resumed)
    dtype = estimator._model.dtype if resumed else X.dtype
    task, class_weight = stream_task(estimator, source, y, classes, resumed)
    loss = get_loss(estimator.loss, task.name)

    shape = X.shape[1], dtype.itemsize, hasattr(X, "indptr")
    read = Reader(estimator, task, loss, dtype, shape[-1], class_weight)
    stream = Stream.of(source, read, SHARD, shape, n_ahead)
    read.stream = stream
    weighted = weights is not None or class_weight is not None
    rows = _survey(estimator, stream, task, X.shape[1], weighted)

    plan, state = estimator._planned(task, loss, rows, resumed)
    if not plan.adds_up:
        stream.size = block_rows(plan.batch_size, *shape)
    mean = rows.mean_weight
    if mean != 1.0:
        stream.read = lambda *batch: scaled(read(*batch), mean)
    bound = StreamObjective(
        plan.objective, stream, rows, plan.block_rows(rows.X), shuffle_rows
    )
    return run(estimator, plan, task, state, bound, rows, validation)


def check_far_rows(estimator, validation, what):
    """ValueError for what cannot be had of rows that are not in memory."""
    if get_optimizer(estimator.optimizer).keeps_derivatives:
        raise ValueError(
            "optimizer='saga' keeps a number for each row and needs all rows in "
            f"fit. Use another optimizer for {what}."
        )
    if estimator.early_stopping and validation[0] is None:
        raise ValueError(
            f"early_stopping cannot hold out rows of {what}: pass X_val and y_val."
        )


def run(estimator, plan, task, state, bound, rows, validation):
    """Train on surveyed rows that `bound` evaluates; the callbacks see their head."""
    held_out = None
    if validation[0] is not None or validation[1] is not None:
        loss = plan.objective.loss
        _, held_out = estimator._split(rows, task, loss, validation, state.rng)
    head = {"X": rows.head.X, "y": rows.head.y, "metadata": {"sample_weight": None}}
    with plan.blas_threads():
        return estimator._run(plan, task, state, bound, held_out, head)


class Reader:
    """Checks the batches of a stream, and encodes their targets.

    Parameters
    ----------
    estimator : BaseGD
    task, loss
        What the estimator is trained for.
    dtype : dtype
        Of the first batch.
    is_sparse : bool
        Whether that was sparse.
    class_weight : dict or None

    Attributes
    ----------
    stream : Stream
        The one that is read, which knows whether this is the first pass.
    """

    def __init__(self, estimator, task, loss, dtype, is_sparse, class_weight):
        self.estimator, self.task, self.loss = estimator, task, loss
        self.dtype, self.is_sparse = dtype, is_sparse
        self.class_weight = class_weight
        self.stream = None

    def __call__(self, X, y, sample_weight=None):
        """The rows of a batch that count."""
        estimator, task, given = self.estimator, self.task, X
        # Rows that cannot have changed need not be searched for NaN again.
        trusted = self.stream.source.unchanging and self.stream.n_rows is not None
        try:
            X, y = estimator._further_rows(X, y, task, self.dtype, trusted)
        except ValueError as error:
            raise_located(error, given)
            raise
        if sample_weight is not None:
            sample_weight = check_weights(sample_weight, X)
        if hasattr(X, "indptr") != self.is_sparse:
            first, now = ("sparse", "dense") if self.is_sparse else ("dense", "sparse")
            raise ValueError(
                f"X was {first} in the first batch and is {now} in a later one: all "
                "batches must be of one kind."
            )
        rows = estimator._weighted_rows(
            X, y, sample_weight, task, self.loss, True, self.class_weight, "fit_batches"
        )
        return rows if rows.as_they_came else compressed(rows)


def first_batch(estimator, source, reset):
    """The first rows as checked arrays, and their weights or None."""
    given, y, *weights = source.first(SHARD)
    try:
        X, y = estimator._checked_data(given, y, reset=reset)
    except ValueError as error:
        raise_located(error, given)
        raise
    return X, y, *(weights or [None])


def stream_task(estimator, source, y, classes, resumed):
    """The task of a stream, and the weights of its classes as a dict or None."""
    return far_task(estimator, y, classes, resumed, lambda: _labels(source))


def far_task(estimator, y, classes, resumed, find_labels):
    """The task of rows elsewhere, and the weights of its classes as a dict or None.

    `find_labels` is a callable without arguments that looks at all rows for their
    `Labels`.
    """
    if not is_classifier(estimator) or y.ndim == 2:
        if classes is not None:
            raise ValueError("classes are for the labels of a classifier.")
        return estimator._task if resumed else estimator._new_task(y, None), None
    class_weight = getattr(estimator, "class_weight", None)
    balanced = class_weight == "balanced"
    if balanced or (classes is None and not resumed):
        found = find_labels()
        classes = found.classes if classes is None and not resumed else classes
        class_weight = found.weights if balanced else class_weight
    if resumed:
        return estimator._known_task(classes), class_weight
    return estimator._new_task(y, classes), class_weight


def _labels(source):
    """All labels of the stream and their weights."""
    counts = {}
    reason = "a first pass must find the labels (see classes)"
    with closing(source.open(SHARD, again=reason)) as batches:
        for X, y, *weights in batches:
            y = np.asarray(y).reshape(-1)
            Classification.check(y, "use a regressor")
            count_labels(counts, y, check_weights(weights[0], X) if weights else None)
    return Labels.of(counts)


def count_labels(counts, y, weights):
    """Add the weights of some rows to those of their labels, a dict."""
    labels, index = np.unique(y, return_inverse=True)
    sums = np.bincount(index, weights, len(labels))
    for label, total in zip(labels.tolist(), sums, strict=True):
        counts[label] = counts.get(label, 0.0) + total


def _survey(estimator, stream, task, n_features, weighted):
    """What is known of the rows before the first epoch, by a pass if need be."""
    counted = type(get_schedule(estimator.lr_schedule)) is not Constant
    measured = estimator._measures_rows() or counted or estimator.max_iter == "auto"
    if measured or (weighted and not stream.source.once):
        stream.source.require_again(
            "a first pass must measure its rows, but for a float lr with "
            "lr_schedule='constant'"
        )
        survey = Survey(n_features, task.n_targets)
        with closing(stream.blocks()) as blocks:
            for rows in blocks:
                survey.take(rows)
        return survey.all_rows()
    head = Head(n_features)
    with closing(stream.blocks(keep=True)) as blocks:
        for rows in blocks:
            if head.take(rows):
                break
    return head.alone()
