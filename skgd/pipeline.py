"""Pipelines that learn from a stream.

What each kind of step does with a batch; how the last one is trained is its own matter.
"""

import copy
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn import get_config
from sklearn.base import _fit_context, clone
from sklearn.callback import with_callbacks
from sklearn.pipeline import Pipeline, _name_estimators
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _num_samples

from skgd._stream.containers import stacked
from skgd._stream.source import Source
from skgd._stream.steps import check_input, is_determined, is_ready, learns
from skgd._stream.tables import frame_of

__all__ = ["StreamingPipeline", "make_streaming_pipeline"]

# Rows that a first pass over the stream asks for at a time.
PASS_ROWS = 16_384

# Ends the name of a step in the routing of metadata by ``partial_fit``.
BY_BATCH = ".partial_fit"

# Rows per feature that IncrementalPCA takes at a time where it is not told.
PCA_ROWS = 5


def _final_has(name):
    """Available if the last step has the method."""

    def check(self):
        getattr(self._final_estimator, name)
        return True

    return check


class StreamingPipeline(Pipeline):
    """A pipeline with ``partial_fit`` and ``fit_batches``.

    It is scikit-learn's `Pipeline` in all else. With a batch, the steps before the last

    - with ``partial_fit`` (`StandardScaler`, `IncrementalPCA`) learn, then transform;
    - that need no fit (`HashingVectorizer`, `FeatureHasher`, `Normalizer`,
      'passthrough') transform;
    - that are told all that they would learn (``OneHotEncoder(categories=[...])``,
      ``CountVectorizer(vocabulary=...)``, and a `ColumnTransformer`, `FeatureUnion` or
      `Pipeline` of such steps) are fitted on the first batch, which is as good as any;
    - that are fitted already, or wrapped in `FrozenEstimator`, transform as they are;

    and others are refused with a TypeError that names them. A fitted step loses what it
    learnt in a `clone`, as in a grid search; one in a `FrozenEstimator` does not.

    Tables of files and of Arrow reach the steps as frames of the kind they were fitted
    on: see `frame` in `skgd.data.from_csv`.

    Parameters
    ----------
    steps : list of (str, estimator) tuples
        Transformers, and a last estimator with `partial_fit` or `fit_batches`.
    transform_input : list of str, default=None
        As in `Pipeline`; used by `fit` only.
    memory : str or object with the joblib.Memory interface, default=None
        As in `Pipeline`; used by `fit` only.
    verbose : bool, default=False
        As in `Pipeline`; used by `fit` only.

    See Also
    --------
    make_streaming_pipeline : Names the steps by itself.
    sklearn.pipeline.Pipeline : The same for one table.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import HashingVectorizer
    >>> from skgd import GDClassifier
    >>> from skgd.pipeline import StreamingPipeline
    >>> model = StreamingPipeline([
    ...     ("words", HashingVectorizer(n_features=2**10)),
    ...     ("kinds", GDClassifier(lr=1.0)),
    ... ])
    >>> kinds = ["cat", "dog"]
    >>> for texts in [["cats purr", "dogs bark"], ["they purr", "they bark"]]:
    ...     model = model.partial_fit(texts, kinds, classes=kinds)
    >>> model.predict(["who barks? dogs bark!", "hear them purr"]).tolist()
    ['dog', 'cat']
    """

    steps: Any

    def get_metadata_routing(self) -> MetadataRouter:
        """Which step gets which metadata, with metadata routing enabled.

        As `Pipeline`, with `partial_fit` beside `fit`.

        Returns
        -------
        MetadataRouter
        """
        router = super().get_metadata_routing()
        for name, step in self.named_steps.items():
            if step is None or step == "passthrough":
                continue
            # A name stands once in a router, and the other methods have it.
            mapping = MethodMapping().add(caller="partial_fit", callee="transform")
            if hasattr(step, "partial_fit"):
                mapping.add(caller="partial_fit", callee="partial_fit")
            router.add(method_mapping=mapping, **{name + BY_BATCH: step})
        return router

    @available_if(_final_has("partial_fit"))
    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        *,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        **params: Any,
    ) -> Self:
        """Let every step learn from one batch.

        A transformer sees the batch before it transforms it, and what it learnt later
        does not change what the next steps have seen: with a scaler the early batches
        are scaled by the little that was known. `fit_batches` does not have that flaw.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            What the first step takes.
        y : array-like of shape (n_samples,), default=None
            Targets or labels.
        classes : array-like of shape (n_classes,), default=None
            All labels there will ever be, for the last step.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, for the last step; with metadata routing enabled, for
            the steps that ask for them.
        **params : dict
            Other metadata, with metadata routing enabled.

        Returns
        -------
        self : object
            The updated pipeline; unchanged if an error is raised. An empty batch
            changes nothing.

        Raises
        ------
        TypeError
            If a step can neither learn from a batch nor do without.
        """
        self._validate_steps()
        if _num_samples(X) == 0:
            return self
        given = {"sample_weight": sample_weight} if sample_weight is not None else {}
        routed = self._routed("partial_fit", given | params)
        learning = [name for name in self._transformers() if self._learns(name)]
        new = [name for name in self._transformers() if self._is_new(name)]
        before = [
            (vars(step), copy.deepcopy(vars(step)))
            for step in (self.named_steps[name] for name in (*learning, *new))
        ]
        try:
            for name in self._transformers():
                step = self.named_steps[name]
                check_input(name, step, X)
                if name in learning:
                    step.partial_fit(X, y, **routed[name].partial_fit)
                elif name in new:
                    step.fit(X, y)
                X = step.transform(X, **routed[name].transform)
            if self._final_estimator != "passthrough":
                others = routed[self.steps[-1][0]].partial_fit
                if classes is not None:
                    others = others | {"classes": classes}
                self._final_estimator.partial_fit(X, y, **others)
        except BaseException:
            for attributes, saved in before:
                attributes.clear()
                attributes.update(saved)
            raise
        return self

    @available_if(_final_has("fit_batches"))
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=False)
    def fit_batches(
        self,
        batches: Any,
        *,
        target: str | None = None,
        X_val: Any = None,
        **params: Any,
    ) -> Self:
        """Fit the transformers in passes of their own, then the last step.

        Each transformer with ``partial_fit`` starts afresh and reads the whole stream
        before the next step does, so the result is that of ``fit`` on one table.

        Parameters
        ----------
        batches : iterable or callable
            Yields ``(X, y)`` or ``(X, y, sample_weight)``; see
            ``GDRegressor.fit_batches``. X is what the first step takes.
        target : str, default=None
            The column that holds y, for a stream of tables.
        X_val : array-like, default=None
            Features of rows to validate on, transformed like the others.
        **params : dict
            For ``fit_batches`` of the last step: `classes`, `y_val` and so on.

        Returns
        -------
        self : object
            The fitted pipeline; unchanged if an error is raised.

        Raises
        ------
        TypeError
            If a step can neither learn from batches nor do without.
        ValueError
            For a stream that can be read only once where several passes are needed.

        Notes
        -----
        Weights reach the last step only, as with `Pipeline.fit`; with metadata routing
        enabled they reach the steps whose `fit` asks for them. `IncrementalPCA` gets
        batches of its own `batch_size`, whatever the stream's.

        Examples
        --------
        >>> from sklearn.datasets import load_wine
        >>> from sklearn.preprocessing import StandardScaler
        >>> from skgd import GDClassifier
        >>> from skgd.data import from_arrays
        >>> from skgd.pipeline import make_streaming_pipeline
        >>> X, y = load_wine(return_X_y=True)
        >>> model = make_streaming_pipeline(StandardScaler(), GDClassifier(lr=0.1))
        >>> model = model.fit_batches(from_arrays(X, y, batch_size=30))
        >>> round(model.score(X, y), 1)
        1.0
        """
        transformers = [self.named_steps[name] for name in self._transformers()]
        frames = frame_of(transformers) if self._any_looks(transformers) else None
        source = Source(batches, target, frames)
        before = self.steps
        self.steps = list(self.steps)
        self._validate_steps()
        try:
            self._fit_transformers(source)
            for name in self._transformers() if X_val is not None else ():
                X_val = self.named_steps[name].transform(X_val)
            if X_val is not None:
                params["X_val"] = X_val
            stream = Transformed(source, self._transform, self._weights_of_last)
            context = self._init_callback_context(max_subtasks=1)
            context.call_on_fit_task_begin(estimator=self)
            last = context.subcontext(task_name="fit-final-estimator")
            with last.propagate_callback_context(self._final_estimator):
                last.call_on_fit_task_begin(estimator=self)
                self._final_estimator.fit_batches(
                    iter(stream) if source.once else stream, **params
                )
                last.call_on_fit_task_end(estimator=self)
            context.call_on_fit_task_end(estimator=self)
        except BaseException:
            self.steps = before
            raise
        return self

    def _transformers(self):
        return [name for _, name, _ in self._iter(with_final=False)]

    @staticmethod
    def _any_looks(transformers):
        return any(step is not None and step != "passthrough" for step in transformers)

    def _learns(self, name):
        """Whether the step learns from batches; TypeError if it cannot be used."""
        return learns(name, self.named_steps[name])

    def _is_new(self, name):
        """Whether the step has to be fitted, once, on whatever rows."""
        step = self.named_steps[name]
        return is_determined(step) and not is_ready(step)

    def _routed(self, method, metadata):
        """Metadata of each method of each step, by the rules of scikit-learn."""
        nothing = {"partial_fit": {}, "fit": {}, "fit_transform": {}, "transform": {}}
        routed = {name: Bunch(**nothing) for name, _ in self.steps}
        if not metadata:
            return routed
        if get_config()["enable_metadata_routing"]:
            found = process_routing(self, method, **metadata)
            for name in routed:
                key = name + BY_BATCH if method == "partial_fit" else name
                routed[name].update(found.get(key, {}))
            return routed
        if metadata.keys() - {"sample_weight"}:
            raise TypeError(
                f"{method} got {sorted(metadata)}; metadata other than sample_weight "
                "need sklearn.set_config(enable_metadata_routing=True)."
            )
        routed[self.steps[-1][0]].update(fit=metadata, partial_fit=metadata)
        return routed

    def _routed_fit(self, name, weights):
        """What of the weights of a batch `fit` of a step would get."""
        given = {} if weights is None else {"sample_weight": weights}
        routed = self._routed("fit", given)[name]
        return routed.fit_transform or routed.fit

    def _weights_of_last(self, weights):
        return self._routed_fit(self.steps[-1][0], weights).get("sample_weight")

    def _fit_transformers(self, source):
        """A pass over the stream for each step that learns, in their order."""
        names = self._transformers()
        learning = [name for name in names if self._learns(name)]
        if learning:
            source.require_again(f"step {learning[0]!r} needs a pass of its own")
        for name in names:
            done = names[: names.index(name)]
            if name in learning:
                step = self._renewed(name)
                with closing(source.open(PASS_ROWS)) as batches:
                    pairs = (
                        (self._transform(X, done), y, *self._weights_for(name, weights))
                        for X, y, *weights in batches
                    )
                    for X, y, *given in _in_own_batches(step, pairs):
                        check_input(name, step, X)
                        step.partial_fit(X, y, **(given[0] if given else {}))
            elif self._is_new(name):
                step = self._renewed(name)
                with closing(source.open(PASS_ROWS, keep=True)) as batches:
                    X, y, *_ = next(batches)
                    step.fit(self._transform(X, done), y)

    def _weights_for(self, name, weights):
        given = self._routed_fit(name, weights[0] if weights else None)
        return [given] if given else []

    def _renewed(self, name):
        """A clone of a step in its place."""
        index = [key for key, _ in self.steps].index(name)
        step = clone(self.steps[index][1])
        self.steps[index] = (name, step)
        return step

    def _transform(self, X, names=None):
        for name in self._transformers() if names is None else names:
            step = self.named_steps[name]
            check_input(name, step, X)
            X = step.transform(X)
        return X


class Transformed:
    """A stream behind the transformers.

    Parameters
    ----------
    source : skgd._stream.source.Source
    transform : callable(X) -> X
    weigh : callable(sample_weight) -> array or None
        The weights that reach the last step.
    """

    def __init__(self, source: Any, transform: Any, weigh: Any) -> None:
        self.source = source
        self.transform = transform
        self.weigh = weigh

    def __iter__(self) -> Iterator[Any]:
        return self.in_batches_of(PASS_ROWS)

    def in_batches_of(self, n_rows: int) -> Iterator[Any]:
        with closing(self.source.open(n_rows)) as batches:
            for X, y, *weights in batches:
                weight = self.weigh(weights[0]) if weights else None
                X = self.transform(X)
                yield (X, y) if weight is None else (X, y, weight)


def _in_own_batches(step, pairs):
    """Batches of the size that `fit` of the step would take, for IncrementalPCA.

    The last rows join the batch before them if they are too few to be one.
    """
    if not hasattr(step, "batch_size") or not hasattr(step, "n_components"):
        yield from pairs
        return
    held, size = None, step.batch_size
    for X, *_ in pairs:
        X = X if sparse.issparse(X) else np.asarray(X)
        held = X if held is None else stacked([held, X])
        size = size or PCA_ROWS * X.shape[1]
        while held.shape[0] >= size + (step.n_components or 0):
            yield held[:size], None
            held = held[size:]
    if held is not None and held.shape[0]:
        yield held, None


def make_streaming_pipeline(
    *steps: Any, transform_input: Any = None, memory: Any = None, verbose: bool = False
) -> StreamingPipeline:
    """A `StreamingPipeline` of the given steps, named by their types.

    Parameters
    ----------
    *steps : estimators
        Transformers, and a last estimator.
    transform_input, memory, verbose : default=None, None, False
        As in `StreamingPipeline`.

    Returns
    -------
    StreamingPipeline

    Examples
    --------
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skgd import GDRegressor
    >>> from skgd.pipeline import make_streaming_pipeline
    >>> model = make_streaming_pipeline(StandardScaler(), GDRegressor())
    >>> [name for name, _ in model.steps]
    ['standardscaler', 'gdregressor']
    """
    return StreamingPipeline(
        _name_estimators(steps),
        transform_input=transform_input,
        memory=memory,
        verbose=verbose,
    )
