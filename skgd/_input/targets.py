"""What y means: regression or classification, as numbers for the kernels and back.

Everything in which a classifier differs from a regressor besides the loss.
"""

from numbers import Real

import numpy as np
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from skgd._input.warnings import warn_user
from skgd._registry import SAVED

# Kinds of NumPy types of which one column can hold nothing but classes: truth values,
# whole numbers, texts. To look at each value takes a fifth of a small fit.
DISCRETE = "biuSU"

# More classes than FEW_CLASSES, with fewer than ROWS_OF_A_CLASS rows each in the mean,
# are rare where labels are numbers, and common where numbers are a quantity.
FEW_CLASSES = 20
ROWS_OF_A_CLASS = 20

# What to do about labels that were not there before, by where they turn up.
UNSEEN = {
    "fit": "A warm start goes on with the classes of the earlier call, {known}: set "
    "warm_start=False to start anew with these.",
    "partial_fit": "The first call of fit or partial_fit decides which classes there "
    "are. Name all of them in a first call of partial_fit: classes={all}. Or let "
    "new ones join: on_new_class='extend'.",
    "fit_batches": "The classes are {known}. Name all of them: fit_batches(..., "
    "classes={all}).",
    "validation": "Rows to validate on must be of the classes trained on, {known}.",
    "": "This estimator was fitted with the classes {known}.",
}


@SAVED.named("regression")
class Regression:
    """Real targets, one column or several.

    Parameters
    ----------
    y : array of shape (n_rows,) or (n_rows, n_targets)
        The first targets seen; they fix the shape.
    """

    name = "regression"
    classes = None

    def __init__(self, y):
        self.is_flat = y.ndim == 1
        self.n_outputs = 1 if self.is_flat else y.shape[1]
        self.n_targets = self.n_outputs

    def encode(self, y, where=""):
        """float64 targets of shape (n_rows, n_targets)."""
        y = np.asarray(y, dtype=np.float64)
        y = y.reshape(-1, 1) if y.ndim == 1 else y
        if y.shape[1] != self.n_targets:
            raise ValueError(
                f"y has {y.shape[1]} columns, but this estimator was fitted with "
                f"{self.n_targets}."
            )
        return y

    def decode(self, predictions):
        """Predictions in the shape of y."""
        return predictions[:, 0] if self.is_flat else predictions

    def labels(self, targets):
        """Classes to stratify by: none."""
        return None

    def strata(self, targets, order, fraction):
        """What the rows that are held out are stratified by: nothing."""
        return None

    def class_weights(self, class_weight, targets, sample_weight):
        return None


@SAVED.named("multilabel")
class Multilabel:
    """Any number of labels per row: one binary problem, coded -1 and +1, for each.

    Parameters
    ----------
    y : array of shape (n_rows, n_labels)
        Indicators, 0 and 1.
    """

    name = "classification"

    def __init__(self, y):
        self.n_outputs = self.n_targets = y.shape[1]
        self.classes = np.arange(self.n_outputs)

    def encode(self, y, where=""):
        """float64 targets of shape (n_rows, n_labels)."""
        if y.ndim != 2 or y.shape[1] != self.n_outputs:
            raise ValueError(
                f"y has shape {y.shape}, but this estimator was fitted with indicators "
                f"of {self.n_outputs} labels."
            )
        return 2.0 * np.asarray(y, dtype=np.float64) - 1.0

    def decode(self, indicators):
        return indicators

    def labels(self, targets):
        """Classes to stratify by: combinations are too many."""
        return None

    def strata(self, targets, order, fraction):
        """The rarest label of each row, so that both parts have rows of it.

        Rows without labels, and those of labels too rare for both parts, are together.

        Parameters
        ----------
        targets : array of shape (n_rows, n_labels)
        order : int array
            Numbers of the rows that count.
        fraction : float
            Share of them that is held out.

        Returns
        -------
        int array of shape (n_rows,)
        """
        has = targets[order] > 0.0
        counts = has.sum(axis=0)
        rarest = np.where(has, counts, len(order) + 1).argmin(axis=1)
        rarest[~has.any(axis=1)] = self.n_outputs
        sizes = np.bincount(rarest, minlength=self.n_outputs + 1)
        least = max(2.0, 1.0 / min(fraction, 1.0 - fraction))
        rarest[sizes[rarest] < least] = self.n_outputs
        sizes = np.bincount(rarest, minlength=self.n_outputs + 1)
        if sizes[-1] < least:
            rarest[rarest == self.n_outputs] = sizes.argmax()
        strata = np.zeros(len(targets), int)
        strata[order] = rarest
        return strata

    def class_weights(self, class_weight, targets, sample_weight):
        if class_weight is not None:
            raise ValueError(
                "class_weight weighs rows by their class, and a row with several "
                "labels has no single one: use sample_weight."
            )


@SAVED.named("classification")
class Classification:
    """Two classes, coded -1 and +1, or more, coded by their index.

    Parameters
    ----------
    classes : array of shape (n_classes,)
        Sorted labels.
    least : int
        How many there must be. A stream may show the second one later, and is until
        then one of two classes, of which the second never comes.
    """

    name = "classification"

    def __init__(self, classes, least=2):
        if len(classes) < least:
            raise ValueError(
                "A classifier needs at least 2 classes; y has only one class: "
                f"{np.asarray(classes).tolist()[0]!r}."
            )
        self.classes = classes
        self.n_outputs = 1 if len(classes) <= 2 else len(classes)
        self.n_targets = 1

    @classmethod
    def of(cls, y, remedy):
        """The classes in y; a warning where they look like a quantity."""
        classes = np.unique(y)
        few = len(classes) <= FEW_CLASSES or len(classes) * ROWS_OF_A_CLASS <= len(y)
        if y.dtype.kind in "iuf" and not few:
            warn_user(
                f"y holds {len(classes)} different whole numbers in {len(y)} rows, "
                "each of which is a class of its own under a loss for classes. If "
                f"they are a quantity, {remedy}.",
                UserWarning,
            )
        return cls(classes)

    @staticmethod
    def check(y, remedy):
        """ValueError unless y holds classes, naming what to do instead."""
        if isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind in DISCRETE:
            return
        try:
            check_classification_targets(y)
        except ValueError as error:
            if "continuous" in type_of_target(y):
                raise ValueError(
                    f"Unknown label type: {type_of_target(y)}. y looks like a "
                    f"regression target, not classes: {remedy}."
                ) from None
            raise error

    def encode(self, y, where=""):
        """float64 targets of shape (n_rows, 1).

        `where` is the key of `UNSEEN` for labels that are none of the classes.
        """
        if y.ndim != 1:
            raise ValueError(
                f"y has shape {y.shape}, but this estimator was fitted with one label "
                "for each row."
            )
        index = np.searchsorted(self.classes, y)
        index[index == len(self.classes)] = 0
        unseen = np.unique(y[self.classes[index] != y])
        if unseen.size:
            both = np.union1d(self.classes, unseen).tolist()
            remedy = UNSEEN[where].format(known=self.classes.tolist(), all=both)
            raise ValueError(
                f"y contains classes not seen before: {unseen.tolist()}. {remedy}"
            )
        codes = index if self.n_outputs > 1 else 2 * index - 1
        return codes.astype(np.float64).reshape(-1, 1)

    def decode(self, indices):
        """Labels for class indices; the only one there is for any."""
        if len(self.classes) == 1:
            indices = np.zeros_like(indices)
        return self.classes[indices]

    def labels(self, targets):
        """Classes to stratify by, as the user knows them."""
        return self.classes[self._index(targets)]

    def strata(self, targets, order, fraction):
        """What the rows that are held out are stratified by: their classes."""
        return self.labels(targets)

    def _index(self, targets):
        """Which of `classes` encoded targets stand for."""
        index = targets[:, 0].astype(int)
        return (index + 1) // 2 if self.n_outputs == 1 else index

    def class_weights(self, class_weight, targets, sample_weight):
        """The weight of each row's class, or None."""
        if class_weight is None:
            return None
        index = self._index(targets)
        if class_weight == "balanced":
            counts = sample_weight > 0
            if not counts.any():
                return None
            used = np.unique(index[counts])
            weights = np.ones(len(self.classes))
            weights[used] = compute_class_weight(
                "balanced",
                classes=used,
                y=index[counts],
                sample_weight=sample_weight[counts],
            )
        else:
            _check_class_weights(class_weight, self.classes)
            weights = compute_class_weight(
                class_weight, classes=self.classes, y=self.classes[index]
            )
        return weights[index]


def _check_class_weights(class_weight, classes):
    """ValueError for a weight that is no weight, or none of any class, by label.

    A class that a subset of the rows lacks, as in cross-validation, may have one.
    """
    for label, weight in class_weight.items():
        is_number = isinstance(weight, Real) and not isinstance(weight, bool)
        if not is_number or not 0.0 <= weight < np.inf:
            raise ValueError(
                f"class_weight gives class {label!r} the weight {weight!r}; weights "
                "must be numbers, finite and not negative."
            )
    known = classes.tolist()
    without = [label for label in known if label not in class_weight]
    unknown = [label for label in class_weight if label not in known]
    if unknown and without:
        raise ValueError(
            f"class_weight names class {unknown[0]!r}, but not {without[0]!r}: the "
            f"classes of y are {known}."
        )
