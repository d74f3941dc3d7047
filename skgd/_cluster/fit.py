"""An estimator fitted on groups of rows that an engine asks for.

What ``fit_batches`` does for a stream, whose decisions this shares: the same plan, the
same loop, other sums.
"""

import copy
from functools import partial

import numpy as np

from skgd._cluster.objective import ShardedObjective
from skgd._stream.fit_batches import Labels, check_far_rows, far_task, run
from skgd._stream.survey import Survey, sample_rows
from skgd.losses import get_loss
from skgd.optimizers import get_optimizer

# Numbers up to which a whole table is brought here, because what can be proved of its
# minimum is worth that; see ``_linear/evidence.py``.
TABLE_VALUES = 1 << 19

BLOCKS = "partial_fit over blocks of rows"


def check_solver(estimator, what):
    """ValueError for a solver, or an option of it, that rows elsewhere do not have."""
    if estimator.solver == "sgd":
        raise ValueError(
            "solver='sgd' updates after each row, one after the other, which rows on "
            f"many machines cannot: for {what} use solver='batch', or {BLOCKS}."
        )
    if estimator.solver == "minibatch" and estimator.batch_size == "auto":
        raise ValueError(
            "solver='minibatch' makes an update of rows from all machines, which take "
            f"milliseconds to answer: for {what} name a batch_size (10,000 rows or "
            f"more pay), use solver='batch', or {BLOCKS}."
        )
    name = get_optimizer(estimator.optimizer).row_step
    if name is not None:
        raise ValueError(
            f"optimizer={name!r} makes a step for each row, and rows on many machines "
            f"answer with a gradient: for {what} use another optimizer, or {BLOCKS}."
        )
    if np.any(getattr(estimator, "dropout", 0.0)):
        raise ValueError(
            f"dropout={estimator.dropout} draws units row after row: for {what} set "
            f"dropout=0.0, or use {BLOCKS}."
        )


def fit_groups(estimator, engine, classes, validation, what):
    """Train an estimator for up to `max_iter` epochs on the groups of an engine.

    Parameters
    ----------
    estimator : BaseGD
        Whose parts of a run are asked for, and which is trained.
    engine : skgd._cluster.engine.Engine
    classes : array-like or None
        All labels, for a classifier.
    validation : tuple (X_val, y_val, sample_weight_val)
        In memory.
    what : str
        What the rows are, for messages: "a Dask collection".

    Returns
    -------
    BaseGD
        The estimator.
    """
    check_far_rows(estimator, validation, what)
    check_solver(estimator, what)
    resumed = estimator._goes_on()
    if resumed:
        estimator._check_late_parameters()
    X, y = _head(engine)
    X, y = estimator._checked_data(X, y, reset=not resumed)
    dtype = estimator._model.dtype if resumed else X.dtype
    find_labels = partial(_labels, engine)
    task, class_weight = far_task(estimator, y, classes, resumed, find_labels)
    loss = get_loss(estimator.loss, task.name)
    rows = _survey(engine, estimator, task, loss, X, dtype, class_weight)
    plan, state = estimator._planned(task, loss, rows, resumed)
    bound = ShardedObjective(plan.objective, engine, rows, plan.block_rows(rows.X))
    return run(estimator, plan, task, state, bound, rows, validation)


def _head(engine):
    """The first rows, after a look at how many there are in each partition."""
    sizes, first, part = engine.map("describe"), None, 0
    for g in sorted(sizes):
        for n_rows, n_targets, n_weights in sizes[g]:
            for name, n in (("y", n_targets), ("sample_weight", n_weights)):
                if n is not None and n != n_rows:
                    raise ValueError(
                        f"Partition {part} of X has {n_rows} rows, and that of {name} "
                        f"{n}: the partitions must be of the same rows."
                    )
            if n_rows and first is None:
                first = g
            part += 1
    if first is None:
        raise ValueError("X has no rows.")
    X, y, _ = engine.map("head", first, group=first)[first]
    return X, y


def _labels(engine):
    """All labels and their weights."""
    counts, found = {}, engine.map("labels")
    for g in sorted(found):
        for label, total in found[g].items():
            counts[label] = counts.get(label, 0.0) + total
    return Labels.of(counts)


def _survey(engine, estimator, task, loss, X, dtype, class_weight):
    """What is known of the rows before the first epoch, after a look at all."""
    found = engine.setup(
        "prepare",
        _light(estimator),
        task,
        loss,
        dtype,
        hasattr(X, "indptr"),
        class_weight,
    )
    offsets, total = {}, 0
    for g in sorted(found):
        offsets[g] = total
        if found[g] is not None:
            total += found[g][0]
    if not total:
        raise ValueError("All sample weights are zero: there is nothing to learn from.")
    engine.setup("number", offsets, total)
    n_features = X.shape[1]
    most = max(sample_rows(n_features), TABLE_VALUES // (n_features + 1))
    surveys = engine.map("survey", n_features, task.n_targets, most)
    survey = Survey(n_features, task.n_targets, most)
    survey.begin_at(0, total)
    for g in sorted(surveys):
        survey.add(surveys[g])
    return survey.all_rows()


def _light(estimator):
    """The estimator with its parameters and what it knows of the columns."""
    light = copy.copy(estimator)
    kept = {"n_features_in_", "feature_names_in_", *estimator._get_param_names()}
    for name in list(vars(light)):
        if name not in kept:
            delattr(light, name)
    return light
