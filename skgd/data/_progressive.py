"""Test, then train: the score of a model on rows that it has not seen yet.

Works with any estimator that has ``partial_fit``.
"""

import inspect
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import check_scoring
from sklearn.utils import Bunch
from sklearn.utils.validation import _is_fitted, _num_samples

from skgd._stream.source import Source
from skgd.data._arrays import BATCH_ROWS


def progressive_score(
    estimator: Any,
    batches: Any,
    *,
    scoring: Any = None,
    classes: ArrayLike | None = None,
    target: str | None = None,
) -> Bunch:
    """Score each batch before learning from it.

    Every row is used for both, and no row is scored by a model that has seen it, so the
    mean is an honest estimate for a stream that drifts, too (Dawid, 1984).

    Parameters
    ----------
    estimator : estimator with ``partial_fit``
        Trained in place. One that is not fitted yet starts with the first batch, which
        is then not scored.
    batches : iterable or callable
        Yields ``(X, y)`` or ``(X, y, sample_weight)``, as in ``fit_batches``.
    scoring : str or callable, default=None
        A scorer; None is the estimator's ``score``.
    classes : array-like of shape (n_classes,), default=None
        All labels, for the first batch of a classifier.
    target : str, default=None
        The column that holds y, for a stream of tables.

    Returns
    -------
    Bunch
        With arrays of one entry per scored batch, ready for a table: `rows`, the number
        of rows before and in it; `score`, its score; `running_score`, the mean over the
        rows scored so far. And the float `mean_score`, the last of them, NaN if there
        is none.

    Notes
    -----
    The mean weighs batches by their rows. It is the score of all rows for means over
    rows, as accuracy, and not for others, as R^2.

    References
    ----------
    A. P. Dawid, "Statistical theory: the prequential approach" (1984).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skgd import GDClassifier
    >>> from skgd.data import from_arrays, progressive_score
    >>> X, y = load_digits(return_X_y=True)
    >>> batches = from_arrays(X, y, batch_size=100)
    >>> model = GDClassifier(lr=0.01, batch_size=10)
    >>> result = progressive_score(model, batches, classes=range(10))
    >>> result.rows[:3].tolist(), round(result.mean_score, 1)
    ([200, 300, 400], 0.8)
    """
    scorer = check_scoring(estimator, scoring=scoring)
    takes_classes = "classes" in inspect.signature(estimator.partial_fit).parameters
    seen, rows, scores, sizes = 0, [], [], []
    for X, y, *weights in Source(batches, target).open(BATCH_ROWS):
        keywords = {"sample_weight": weights[0]} if weights else {}
        n = _num_samples(X)
        seen += n
        if _is_fitted(estimator):
            scores.append(float(scorer(estimator, X, y, **keywords)))
            rows.append(seen)
            sizes.append(n)
        if classes is not None and takes_classes:
            keywords["classes"] = classes
        estimator.partial_fit(X, y, **keywords)
    running = np.cumsum(np.multiply(scores, sizes)) / np.cumsum(sizes)
    return Bunch(
        rows=np.array(rows, dtype=int),
        score=np.array(scores),
        running_score=running,
        mean_score=float(running[-1]) if scores else float("nan"),
    )
