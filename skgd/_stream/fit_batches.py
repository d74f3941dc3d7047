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
from skgd._input.validation import check_weights, refuse_foreign
from skgd._kernels.shards import SHARD
from skgd._stream.blocks import Stream, block_rows, compressed
from skgd._stream.epochs import StreamObjective, window_rows
from skgd._stream.survey import Survey, scaled
from skgd._stream.tables import located
from skgd._training.state import State
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
    if get_optimizer(estimator.optimizer).keeps_derivatives:
        raise ValueError(
            "optimizer='saga' keeps a number for each row and needs all rows in "
            "fit. Use another optimizer for a stream."
        )
    if estimator.early_stopping and validation[0] is None:
        raise ValueError(
            "early_stopping cannot hold out rows of a stream: pass X_val and y_val."
        )
    if estimator.max_iter != 1:
        source.require_again(f"max_iter={estimator.max_iter} epochs read it many times")
    resumed = estimator.warm_start and hasattr(estimator, "_state")
    if resumed:
        estimator._check_late_parameters()
    X, y, weights = _first_batch(estimator, source, reset=not resumed)
    dtype = estimator._model.dtype if resumed else X.dtype
    task, class_weight = _stream_task(estimator, source, y, classes, resumed)
    loss = get_loss(estimator.loss, task.name)

    def read(X, y, sample_weight=None, mean_weight=1.0):
        refuse_foreign(X=X, y=y, sample_weight=sample_weight)
        # Rows that cannot have changed need not be searched for NaN again.
        trusted = source.unchanging and stream.n_rows is not None
        with located(X):
            X, y = estimator._further_rows(X, y, task, dtype, trusted)
        sample_weight = check_weights(sample_weight, X)
        if hasattr(X, "indptr") != shape[-1]:
            first, now = ("sparse", "dense") if shape[-1] else ("dense", "sparse")
            raise ValueError(
                f"X was {first} in the first batch and is {now} in a later one: all "
                "batches must be of one kind."
            )
        rows = estimator._weighted_rows(
            X, y, sample_weight, task, loss, True, class_weight, "fit_batches"
        )
        return scaled(compressed(rows), mean_weight)

    shape = X.shape[1], dtype.itemsize, hasattr(X, "indptr")
    stream = Stream(source, read, block_rows(SHARD, *shape), n_ahead)
    weighted = weights is not None or class_weight is not None
    rows = _survey(estimator, stream, task, X.shape[1], weighted)

    model = estimator._model.to_train() if resumed else None
    plan = estimator._plan(task, loss, rows, model)
    rng = estimator._random_stream(resumed)
    if resumed:
        state = estimator._state.resumed(plan.optimizer, plan.averaging)
        state.rng = rng
        estimator._follow(plan, state)
    else:
        theta = estimator._first_theta(plan, rows, {}, rng)
        state = State.start(theta, plan.optimizer, plan.averaging, rng)

    if not plan.adds_up:
        stream.size = block_rows(plan.batch_size, *shape)
    mean = rows.mean_weight
    stream.read = lambda *batch: scaled(read(*batch), mean)
    window = window_rows(*shape) if shuffle_rows == "auto" else shuffle_rows
    bound = StreamObjective(
        plan.objective, stream, rows, plan.block_rows(rows.X), window
    )
    held_out = None
    if validation[0] is not None or validation[1] is not None:
        _, held_out = estimator._split(rows, task, loss, validation, state.rng)
    head = {"X": rows.head.X, "y": rows.head.y, "metadata": {"sample_weight": None}}
    with plan.blas_threads():
        return estimator._run(plan, task, state, bound, held_out, head)


def _first_batch(estimator, source, reset):
    """The first rows as checked arrays, and their weights or None."""
    with closing(source.open(SHARD, keep=True)) as batches:
        for X, y, *weights in batches:
            refuse_foreign(X=X, y=y)
            with located(X):
                X, y = estimator._checked_data(X, y, reset=reset)
            return X, y, *(weights or [None])
    raise ValueError("The stream yields no rows.")


def _stream_task(estimator, source, y, classes, resumed):
    """The task, and the weights of its classes as a dict or None."""
    if not is_classifier(estimator) or y.ndim == 2:
        if classes is not None:
            raise ValueError("classes are for the labels of a classifier.")
        return estimator._task if resumed else estimator._new_task(y, None), None
    class_weight = getattr(estimator, "class_weight", None)
    balanced = class_weight == "balanced"
    if balanced or (classes is None and not resumed):
        source.require_again("a first pass must find the labels (see classes)")
        found = _labels(source)
        classes = found.classes if classes is None and not resumed else classes
        class_weight = found.weights if balanced else class_weight
    if resumed:
        return estimator._known_task(classes), class_weight
    return estimator._new_task(y, classes), class_weight


def _labels(source):
    """All labels of the stream and their weights."""
    counts = {}
    with closing(source.open(SHARD)) as batches:
        for X, y, *weights in batches:
            y = np.asarray(y).reshape(-1)
            Classification.check(y, "use a regressor")
            weights = check_weights(weights[0], X) if weights else None
            labels, index = np.unique(y, return_inverse=True)
            sums = np.bincount(index, weights, len(labels))
            for label, total in zip(labels.tolist(), sums, strict=True):
                counts[label] = counts.get(label, 0.0) + total
    classes = np.unique(np.array(list(counts)))
    counts = {label: total for label, total in counts.items() if total}
    if not counts:
        raise ValueError("All sample weights are zero: there is nothing to learn from.")
    mean = sum(counts.values()) / len(counts)
    return Labels(classes, {label: mean / n for label, n in counts.items()})


def _survey(estimator, stream, task, n_features, weighted):
    """What is known of the rows before the first epoch, by a pass if need be."""
    survey = Survey(n_features, task.n_targets)
    counted = type(get_schedule(estimator.lr_schedule)) is not Constant
    measured = estimator._measures_rows() or counted or estimator.max_iter == "auto"
    if measured or (weighted and not stream.source.once):
        stream.source.require_again(
            "a first pass must measure its rows, but for a float lr with "
            "lr_schedule='constant'"
        )
        with closing(stream.blocks()) as blocks:
            for rows in blocks:
                survey.take(rows)
        return survey.all_rows()
    with closing(stream.blocks(keep=True)) as blocks:
        for rows in blocks:
            survey.take_head(rows)
            if survey.has_head:
                break
    return survey.first_rows()
