"""Why a run failed: what can be read off its rows, its penalty and its rate.

Each function returns a sentence with the cause and the remedy, or "". When one is
asked, and what is warned about, is decided in ``base.py``.
"""

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skgd._input.columns import largest_entries, named
from skgd._input.warnings import warn_user
from skgd.optimizers import GD, Momentum, Nesterov

# Numbers whose squares come close to the largest one there is, or to the smallest.
LARGE = {np.dtype(np.float64): 1e150, np.dtype(np.float32): 1e16}
SMALL = 1e-140

# Mean weight from which partial_fit, which takes weights as given, makes other steps
# than meant.
HEAVY = 10.0

# Columns whose sizes differ by less, or are less, need no scaler.
UNEVEN = 10.0


def extreme_columns(estimator, rows):
    """Columns that overflow."""
    largest = largest_entries(rows)
    columns = np.flatnonzero(largest > LARGE[np.dtype(rows.X.dtype)])
    if not columns.size:
        return ""
    return (
        f"In {named(estimator, columns)} X reaches {largest[columns].max():.2g}, and "
        "what is computed from such numbers overflows: divide by a constant, or "
        "replace a number that stands for a missing one."
    )


def extreme_targets(task, rows):
    """Targets that overflow."""
    if task.classes is not None:
        return ""
    largest = float(np.abs(rows.visited_targets()).max(initial=0.0))
    if largest <= LARGE[np.dtype(rows.X.dtype)]:
        return ""
    return (
        f"y reaches {largest:.2g}, and its loss overflows: divide y by a constant, for "
        "example with TransformedTargetRegressor."
    )


def vanishing_targets(loss, rows):
    """Targets of a regression whose loss is zero only because their squares are."""
    largest = float(np.abs(rows.visited_targets()).max(initial=0.0))
    if not 0.0 < largest < SMALL:
        return ""
    y = np.array([largest])
    if loss.value(y, np.zeros(1))[0] != 0.0 or loss.gradient(y, np.zeros(1))[0] == 0.0:
        return ""
    return (
        f"y is no larger than {largest:.2g}, and squares of such numbers are zero, so "
        "that nothing can be learnt: multiply y by a constant."
    )


def heavy_weights(rows):
    """Weights that lengthen the steps, where they are taken as given."""
    mean = float(np.mean(rows.visited_weights()))
    if mean <= HEAVY:
        return ""
    return (
        f"The weights of the rows, {mean:.2g} in the mean, multiply the gradients: "
        "partial_fit takes them as given. Divide them by a constant."
    )


def strong_decay(plan):
    """A penalty that alone drives the weights apart at this rate."""
    optimizer, l2 = plan.optimizer, float(plan.objective.l2.max(initial=0.0))
    momentum = getattr(optimizer, "momentum", 0.0)
    # The largest lr * l2 at which w <- w - lr * l2 * w with this momentum is stable.
    limit = {
        GD: 2.0,
        Momentum: 2.0 * (1.0 + momentum),
        Nesterov: 2.0 * (1.0 + momentum) / (1.0 + 2.0 * momentum),
    }.get(type(optimizer))
    if limit is not None and plan.lr * l2 >= limit:
        return (
            f"The l2 penalty alone makes the weights grow, because lr times its "
            f"strength, {plan.lr:.3g} * {l2:.3g}, is {limit:.3g} or more: take lr "
            f"below {limit / l2:.2g}, or a smaller alpha."
        )
    if plan.lr * optimizer.weight_decay >= 2.0:
        return (
            "The weight decay alone makes the weights grow, because lr * weight_decay "
            f"is 2 or more: take lr below {2.0 / optimizer.weight_decay:.2g}."
        )
    return ""


def need_scaling(moments):
    """Whether the columns are of such sizes that a scaler would help."""
    with np.errstate(all="ignore"):
        size = np.sqrt(moments.variance + moments.mean**2)
    size = size[size > 0.0]
    return bool(size.size and (size.max() > UNEVEN or size.max() > UNEVEN * size.min()))


def warn_of_unusable(estimator, large, small):
    """Say which columns are left out because their spread is no usable number."""
    for columns, fault, remedy in (
        (
            large,
            "large",
            "Divide by a constant, or replace a number that stands for a missing one",
        ),
        (small, "small", "Multiply by a constant"),
    ):
        if len(columns):
            warn_user(
                f"The numbers in {named(estimator, columns)} of X are too {fault} to "
                f"compute with, so that nothing is learnt from there. {remedy}.",
                ConvergenceWarning,
            )
