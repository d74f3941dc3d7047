"""Folds of a cross-validation as weights of the rows, checked."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Fold:
    """One split of the rows.

    Attributes
    ----------
    train, test : float64 arrays of shape (n_rows,)
        Weights of the rows that a fold is trained on, and of those it is judged by:
        weights of the rows times those of their class.
    held_out : int64 array
        The rows it is judged by, in the order of the splitter.
    """

    train: np.ndarray
    test: np.ndarray
    held_out: np.ndarray


def folds_of(splits, rows, task, class_weight):
    """The folds of a splitter.

    Parameters
    ----------
    splits : iterable of (train, test)
        Numbers of rows, or masks.
    rows : Rows
        With the weights of the samples.
    task : a task of ``skgd._input.targets``
    class_weight : dict, "balanced" or None

    Returns
    -------
    list of Fold

    Raises
    ------
    ValueError
        If there are no folds, or for one that cannot be trained or judged, by its
        number.
    """
    folds = []
    n = rows.X.shape[0]
    weights = np.broadcast_to(rows.weights, (n,)).astype(np.float64)
    for k, (train, test) in enumerate(splits):
        train, test = (_numbers(part, n, k) for part in (train, test))
        count = np.bincount(train, minlength=n) * weights
        held = np.bincount(test, minlength=n) * weights
        if not count.any():
            raise ValueError(f"Fold {k} of cv has no rows of weight to train on.")
        if not held.any():
            raise ValueError(f"Fold {k} of cv holds out no rows of weight.")
        if task.classes is not None:
            _check_classes(rows, task, count, k)
            if class_weight is not None:
                factors = _class_factors(rows, task, class_weight, count)
                count, held = count * factors, held * factors
                if not (count.any() and held.any()):
                    raise ValueError(
                        f"class_weight leaves fold {k} of cv nothing to train on or "
                        "to be judged by."
                    )
        folds.append(Fold(count, held, test))
    if not folds:
        raise ValueError("cv yields no folds.")
    return folds


def _numbers(part, n, k):
    part = np.asarray(part)
    if part.dtype == bool:
        if part.shape != (n,):
            raise ValueError(
                f"Fold {k} of cv is a mask of shape {part.shape} for {n} rows."
            )
        return np.flatnonzero(part)
    if part.size and part.dtype.kind not in "iu":
        raise ValueError(
            f"Fold {k} of cv is given by {part.dtype}; rows are named by whole numbers "
            "or by a mask."
        )
    part = part.astype(np.int64)
    if part.size and not (-n <= part.min() and part.max() < n):
        raise ValueError(f"Fold {k} of cv names rows that are none of the {n} of X.")
    return np.where(part < 0, part + n, part)


def _check_classes(rows, task, count, k):
    """ValueError if a fold is trained without rows of some class."""
    labels = task.labels(rows.targets)
    missing = np.setdiff1d(task.classes, labels[count > 0.0])
    if missing.size:
        present = len(task.classes) - missing.size
        raise ValueError(
            f"Fold {k} of cv is trained on {present} of the {len(task.classes)} "
            f"classes: class {missing[0].item()!r} is missing. Use a stratified "
            "splitter or fewer folds, or drop classes with few rows."
        )


def _class_factors(rows, task, class_weight, count):
    """The weight of each row's class, as it is among the rows trained on."""
    chosen = np.flatnonzero(count)
    targets = rows.targets[chosen]
    weights = task.class_weights(class_weight, targets, count[chosen])
    labels = task.labels(rows.targets)
    index = np.searchsorted(task.classes, labels)
    of_class = np.ones(len(task.classes))
    of_class[index[chosen]] = weights
    return of_class[index]
