"""The learning-rate range test, and LearningRateDisplay, which draws it.

The sweep is a schedule of an ordinary fit on a clone.
"""

from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from skgd.display import _style
from skgd.display._cost import CostFunction
from skgd.display._path import walk

# The sweep ends when the objective is this many times its best (as in fastai).
STOP_FACTOR = 4.0

# Rows on which the objective is evaluated after each step.
SAMPLE_ROWS = 10_000

# Share of the whole fall below which the curve counts as flat.
SHOULDER = 0.02


class RangeTest(NamedTuple):
    """What a learning-rate range test found.

    Attributes
    ----------
    lrs : array of shape (n_steps,)
        The learning rate of each update.
    losses : array of shape (n_steps,)
        The objective after it.
    start : float
        The objective before the first.
    suggestion : float
        A good learning rate.
    """

    lrs: np.ndarray
    losses: np.ndarray
    start: float
    suggestion: float


def lr_range_test(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    low: float = 1e-7,
    high: float = 10.0,
    n_steps: int = 100,
) -> Any:
    """Try learning rates from `low` to `high` in one short run, and suggest one.

    The rate grows from update to update by a constant factor. Where it is too small
    the objective hardly moves, where it is good the objective falls, and where it is
    too large it explodes, which ends the test.

    Parameters
    ----------
    estimator : GDRegressor, GDClassifier or MLPGD
        A clone is trained; the estimator itself, its weights and its random stream
        stay as they are.
    X, y : array-like
        Training data.
    low, high : float, default=1e-7, 10.0
        The first and the last rate.
    n_steps : int, default=100
        Updates in all.

    Returns
    -------
    RangeTest
        Named tuple of lrs, losses, start and suggestion.

    Raises
    ------
    ValueError
        If even the lowest rates are too large.

    Notes
    -----
    The test is that of Smith (2017), "Cyclical learning rates for training neural
    networks". The objective is evaluated on all rows (10 000 at most) rather than on
    the batch of the update, so that the curve needs no smoothing.

    The suggestion is the "valley" of fastai: the middle of the longest stretch of
    falling values, after the flat beginning.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import scale
    >>> from skgd import GDClassifier
    >>> from skgd.display import lr_range_test
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> test = lr_range_test(GDClassifier(random_state=0), scale(X), y)
    >>> 0.01 < test.suggestion < 1
    True
    """
    if not 0.0 < low < high:
        raise ValueError(f"low must be above 0 and below high, got {low}, {high}.")
    growth = (high / low) ** (1.0 / (n_steps - 1))
    sweep = clone(estimator).set_params(
        lr=low,
        lr_schedule=lambda step, epoch: growth**step,
        max_iter=n_steps,
        tol=None,
        early_stopping=False,
        average=False,
    )
    walked = walk(sweep, X, y, max_steps=n_steps)
    n_rows = _num_samples(X)
    if n_rows > SAMPLE_ROWS:
        sample = np.random.default_rng(0).choice(n_rows, SAMPLE_ROWS, replace=False)
        X, y = _safe_indexing(X, sample), _safe_indexing(y, sample)
    values = CostFunction(walked.estimator, X, y)(walked.points)
    start, losses = values[0], values[1:]
    lrs = low * growth ** np.arange(len(losses))
    best = np.minimum.accumulate(np.fmin(losses, start))
    # Objectives at or below zero have no "times": there, the rise is measured
    # against the whole fall so far.
    ceiling = np.maximum(STOP_FACTOR * best, start + np.maximum(start - best, 0.0))
    exploded = ~(losses <= ceiling)
    if exploded.any():
        stop = int(exploded.argmax()) + 1
        lrs, losses = lrs[:stop], losses[:stop]
    if len(losses) < 4 or not (losses < start).any():
        raise ValueError(
            f"The objective never fell: on these features even lr={low:g} is too "
            "large. Lower `low`, scale the features, or use lr='auto'."
        )
    return RangeTest(lrs, losses, float(start), float(lrs[valley(losses)]))


def valley(losses: Any) -> Any:
    """Position of the suggested rate: well down the longest falling subsequence.

    Parameters
    ----------
    losses : array of shape (n,)

    Returns
    -------
    int
    """
    losses = np.asarray(losses)
    # The shoulder falls too, by next to nothing, and would draw the answer to the left.
    fall = losses[0] - np.nanmin(losses)
    shoulder = int((losses < losses[0] - SHOULDER * fall).argmax())
    losses = losses[shoulder:]
    n = len(losses)
    lengths, starts = np.ones(n, dtype=int), np.arange(n)
    for i in range(1, n):
        higher = np.flatnonzero(losses[:i] > losses[i])
        if higher.size:
            j = higher[lengths[higher].argmax()]
            lengths[i], starts[i] = lengths[j] + 1, starts[j]
    end = int(lengths.argmax())
    start, width = starts[end], end - starts[end]
    return int(shoulder + start + width // 3 + width // 6)


class LearningRateDisplay:
    """The objective against the learning rate, from a range test.

    Parameters
    ----------
    lrs : array of shape (n_steps,)
        The learning rate of each update.
    losses : array of shape (n_steps,)
        The objective after it.
    start : float
        The objective before the first.
    suggestion : float
        The suggested rate.
    name : str
        For the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    line_ : matplotlib Line2D
    suggestion_line_ : matplotlib Line2D

    See Also
    --------
    CostSurfaceDisplay.from_learning_rates : What each rate does to the path.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDRegressor
    >>> from skgd.display import LearningRateDisplay
    >>> X, y = load_diabetes(return_X_y=True)
    >>> display = LearningRateDisplay.from_estimator(
    ...     GDRegressor(random_state=0), X, y, low=1e-4, high=1e3
    ... )
    >>> display.ax_.get_xscale()
    'log'
    """

    def __init__(
        self, *, lrs: Any, losses: Any, start: Any, suggestion: Any, name: str | None
    ) -> None:
        self.lrs = lrs
        self.losses = losses
        self.start = start
        self.suggestion = suggestion
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        low: float = 1e-7,
        high: float = 10.0,
        n_steps: int = 100,
        name: str | None = None,
        ax: Any = None,
        **plot_kw: Any,
    ) -> Self:
        """Run the range test and draw it.

        Parameters
        ----------
        estimator : GDRegressor, GDClassifier or MLPGD
            Stays as it is.
        X, y : array-like
            Training data.
        low, high : float, default=1e-7, 10.0
            The first and the last rate.
        n_steps : int, default=100
            Updates in all.
        name : str, default=None
            For the title; by default the class.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        **plot_kw : dict
            Passed to :meth:`plot`.

        Returns
        -------
        LearningRateDisplay
        """
        _style.require_matplotlib(f"{cls.__name__}.from_estimator")
        test = lr_range_test(estimator, X, y, low=low, high=high, n_steps=n_steps)
        name = type(estimator).__name__ if name is None else name
        return cls(**test._asdict(), name=name).plot(ax=ax, **plot_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        yscale: str = "linear",
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the curve and the suggestion.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        yscale : {"linear", "log"}, default="linear"
            Scale of the objective.
        line_kw : dict, default=None
            Passed to ``ax.plot``.

        Returns
        -------
        self : LearningRateDisplay
        """
        ax = _style.new_axes(ax, f"{type(self).__name__}.plot")
        style = {"color": _style.colour(1), "label": "objective after the update"}
        (self.line_,) = ax.plot(self.lrs, self.losses, **_style.merged(style, line_kw))
        self.suggestion_line_ = ax.axvline(
            self.suggestion,
            color=_style.colour(0),
            linestyle="--",
            label=f"suggested lr = {self.suggestion:.2g}",
        )
        ax.set(xscale="log", yscale=yscale)
        if yscale == "linear":
            # The explosion at the end would flatten the rest.
            fall = self.start - np.nanmin(self.losses)
            ax.set_ylim(np.nanmin(self.losses) - 0.1 * fall, self.start + 0.6 * fall)
        _style.dress(ax, xlabel="learning rate", ylabel="objective", title=self.name)
        _style.legend(ax, loc="lower left")
        self.ax_, self.figure_ = ax, ax.figure
        return self
