"""``fit_batches``: epochs over a stream of batches, by the loop that fits tables.

Decides which passes a run needs. How a stream is read: ``_stream.py``; what a first
pass measures: ``_survey.py``; the epochs: ``_stream_epochs.py``.
"""

from contextlib import closing
from dataclasses import dataclass

import numpy as np
from sklearn.base import _fit_context, is_classifier
from sklearn.callback import with_callbacks

from skgd._random import generator
from skgd._state import State
from skgd._stream import SHARD_ROWS, Source, Stream, block_rows, compressed
from skgd._stream_epochs import StreamObjective, window_rows
from skgd._survey import Survey, scaled
from skgd._tasks import Classification
from skgd._validation import check_weights, refuse_foreign
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


class StreamFit:
    """`fit_batches` for the estimators of ``_base.py``."""

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit_batches(
        self,
        batches,
        *,
        target=None,
        classes=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        shuffle_rows="auto",
        n_ahead=2,
    ):
        """Train for up to `max_iter` epochs on a stream of batches.

        What `fit` does, for data that do not fit into memory. The sizes of the batches
        do not matter: rows are cut anew for the updates. With ``solver="batch"`` the
        gradients of all batches are added up before the one update of an epoch, so the
        result is that of `fit`, and so it is for the other solvers with
        ``shuffle=False``.

        Parameters
        ----------
        batches : iterable or callable
            Yields ``(X, y)`` or ``(X, y, sample_weight)``, X an array, a CSR matrix or
            a pandas, polars or Arrow table. It is read once for each epoch: pass a
            list, an object of `skgd.data`, or a function without arguments that
            returns a fresh iterator, as ``lambda: pd.read_csv(path, chunksize=10_000)``
            with `target`. An iterator, which can be read only once, will do for
            ``max_iter=1`` where nothing has to be measured first.
        target : str, default=None
            The column that holds y, for a stream of tables.
        classes : array-like of shape (n_classes,), default=None
            All labels, for a classifier. By default one more pass over the stream finds
            them.
        X_val, y_val, sample_weight_val : array-like, default=None
            Rows in memory to judge the weights by after each epoch, as in `fit`.
        shuffle_rows : 'auto' or int, default='auto'
            Rows in memory to shuffle, under ``shuffle=True``. When that many are there,
            half of them, drawn at random, are trained on, and the others mix with the
            next: a row moves by about this number of places, so a sorted stream stays
            roughly sorted. A stream of no more rows is shuffled as by `fit`. 'auto' is
            64 MiB of features, or 65,536 sparse rows.
        n_ahead : int, default=2
            Blocks of rows (8 MiB, or one batch if that is more) to read in a background
            thread while earlier ones are trained on. 0 reads in the calling thread, for
            sources that insist on it, such as a connection of sqlite3.

        Returns
        -------
        self : object
            The fitted estimator; unchanged if an error is raised.

        Raises
        ------
        ValueError
            For a stream that can be read only once where several passes are needed, or
            that gives another number of rows in a later pass, and for rows that `fit`
            would refuse.

        Notes
        -----
        Before the first epoch, one pass measures what `fit` reads off its table: the
        moments of the features for ``lr="auto"`` (and for `standardize`), the mean of
        the weights, the number of rows for a schedule. It is left out with a float
        `lr`, the constant schedule and no weights. A statistic of y that is no moment,
        such as a median, is taken from 1,048,576 evenly spaced rows at most, and the
        curvature of the loss, which the momentum rules need under ``lr="auto"``, from
        10,000. Weights of a stream that can be read only once are used as given.
        Callbacks are handed the first rows, up to 10,000, as X and y.

        Examples
        --------
        >>> import numpy as np
        >>> from skgd import GDRegressor
        >>> from skgd.data import from_arrays
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(1000, 3))
        >>> y = X @ [1, 2, 3] + 4
        >>> model = GDRegressor(solver="batch").fit_batches(from_arrays(X, y))
        >>> model.coef_.round(2)
        array([1., 2., 3.])
        """
        before = vars(self).copy()
        try:
            return self._fit_batches(
                Source(batches, target),
                classes,
                (X_val, y_val, sample_weight_val),
                shuffle_rows,
                n_ahead,
            )
        except BaseException:
            self._go_back(before)
            raise

    def _fit_batches(self, source, classes, validation, shuffle_rows, n_ahead):
        if get_optimizer(self.optimizer).keeps_derivatives:
            raise ValueError(
                "optimizer='saga' keeps a number for each row and needs all rows in "
                "fit. Use another optimizer for a stream."
            )
        if self.early_stopping and validation[0] is None:
            raise ValueError(
                "early_stopping cannot hold out rows of a stream: pass X_val and y_val."
            )
        if self.max_iter != 1:
            source.require_again(f"max_iter={self.max_iter} epochs read it many times")
        resumed = self.warm_start and hasattr(self, "_state")
        X, y, weights = self._first_batch(source, reset=not resumed)
        dtype = self._model.dtype if resumed else X.dtype
        task, class_weight = self._stream_task(source, y, classes, resumed)
        loss = get_loss(self.loss, task.name)

        def read(X, y, sample_weight=None, mean_weight=1.0):
            refuse_foreign(X=X, y=y, sample_weight=sample_weight)
            # Rows that cannot have changed need not be searched for NaN again.
            trusted = source.unchanging and stream.n_rows is not None
            X, y = self._further_rows(X, y, task, dtype, trusted)
            sample_weight = check_weights(sample_weight, X)
            rows = self._weighted_rows(
                X, y, sample_weight, task, loss, True, class_weight
            )
            return scaled(compressed(rows), mean_weight)

        shape = X.shape[1], dtype.itemsize, hasattr(X, "indptr")
        stream = Stream(source, read, block_rows(SHARD_ROWS, *shape), n_ahead)
        weighted = weights is not None or class_weight is not None
        rows = self._survey(stream, task, X.shape[1], weighted)

        plan = self._plan(task, loss, rows, self._model if resumed else None)
        if resumed:
            state = self._state.resumed(plan.optimizer, plan.averaging)
            state = state.with_own_stream()
        else:
            rng = generator(self.random_state)
            theta = self._first_theta(plan, rows, {}, rng)
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
            _, held_out = self._split(rows, task, loss, validation, state.rng)
        head = {"X": rows.head.X, "y": rows.head.y, "metadata": {"sample_weight": None}}
        with plan.blas_threads():
            return self._run(plan, task, state, bound, held_out, head)

    def _first_batch(self, source, reset):
        """The first rows as checked arrays, and their weights or None."""
        with closing(source.open(SHARD_ROWS, keep=True)) as batches:
            for X, y, *weights in batches:
                refuse_foreign(X=X, y=y)
                X, y = self._checked_data(X, y, reset=reset)
                return X, y, *(weights or [None])
        raise ValueError("The stream yields no rows.")

    def _stream_task(self, source, y, classes, resumed):
        """The task, and the weights of its classes as a dict or None."""
        if not is_classifier(self) or y.ndim == 2:
            if classes is not None:
                raise ValueError("classes are for the labels of a classifier.")
            return self._task if resumed else self._new_task(y, None), None
        class_weight = getattr(self, "class_weight", None)
        balanced = class_weight == "balanced"
        if balanced or (classes is None and not resumed):
            source.require_again("a first pass must find the labels (see classes)")
            found = self._labels(source)
            classes = found.classes if classes is None and not resumed else classes
            class_weight = found.weights if balanced else class_weight
        if resumed:
            return self._known_task(classes), class_weight
        return self._new_task(y, classes), class_weight

    def _labels(self, source):
        """All labels of the stream and their weights."""
        counts = {}
        with closing(source.open(SHARD_ROWS)) as batches:
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
        mean = sum(counts.values()) / len(counts)
        return Labels(classes, {label: mean / n for label, n in counts.items()})

    def _survey(self, stream, task, n_features, weighted):
        """What is known of the rows before the first epoch, by a pass if need be."""
        survey = Survey(n_features, task.n_targets)
        counted = type(get_schedule(self.lr_schedule)) is not Constant
        measured = self._measures_rows() or counted or self.max_iter == "auto"
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

    def _measures_rows(self):
        """Whether a run starts from the moments of the rows."""
        return self.lr == "auto"

    def _go_back(self, before):
        """The attributes as they were, but for those of callbacks under way."""
        under_way = {k: v for k, v in vars(self).items() if "_callback" in k}
        vars(self).clear()
        vars(self).update(before | under_way)
