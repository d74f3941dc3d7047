"""LossCurveDisplay: the objective by epoch, of one estimator or several.

Reads the history that the estimators kept; trains nothing.
"""

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skgd.display import _style

AXES = {"epoch": "epoch", "step": "updates", "seconds": "seconds"}

# A log axis that spans less than this has hardly a tick to label.
LEAST_RATIO = 4.0


class LossCurveDisplay:
    """The objective as training goes on, or training and validation loss.

    Where there is validation, both curves are mean losses at the same weights, without
    the penalty: where the dashed one turns up while the other goes on falling, the
    model begins to learn the noise. The best epoch is marked on the dashed one.

    Use :meth:`from_estimator` or :meth:`from_estimators`; the constructor takes what
    they computed.

    Parameters
    ----------
    histories : list of dict of str to array
        The ``history_`` of each estimator.
    names : list of str
        For the legend.
    best_epochs : list of int
        Position, from 1, of the best epoch in each history.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        One training curve for each estimator.
    validation_lines_ : list of matplotlib Line2D
        The validation curves of those that have one, dashed.
    best_markers_ : list of matplotlib Line2D
        The best epochs.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDRegressor
    >>> from skgd.display import LossCurveDisplay
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = GDRegressor(early_stopping=True, random_state=0).fit(X, y)
    >>> display = LossCurveDisplay.from_estimator(model)
    >>> display.ax_.get_xlabel()
    'epoch'
    """

    def __init__(self, *, histories: Any, names: Any, best_epochs: Any) -> None:
        self.histories = histories
        self.names = names
        self.best_epochs = best_epochs

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, name: str | None = None, ax: Any = None, **plot_kw: Any
    ) -> Self:
        """The curves of one fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator
            Of `skgd`, or a pipeline that ends in one, or a search that found one.
        name : str, default=None
            For the legend; by default made from the parameters.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        **plot_kw : dict
            Passed to :meth:`plot`.

        Returns
        -------
        LossCurveDisplay
        """
        pairs = [estimator if name is None else (name, estimator)]
        return cls.from_estimators(pairs, ax=ax, **plot_kw)

    @classmethod
    def from_estimators(
        cls, estimators: Any, *, ax: Any = None, **plot_kw: Any
    ) -> Self:
        """The curves of several fitted estimators, overlaid.

        Parameters
        ----------
        estimators : dict of str to estimator, or list
            A list holds estimators or (name, estimator) pairs.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        **plot_kw : dict
            Passed to :meth:`plot`.

        Returns
        -------
        LossCurveDisplay
        """
        _style.require_matplotlib(f"{cls.__name__}.from_estimators")
        names, fitted = _style.named(
            estimators, lambda model: _style.describe_estimator(final_estimator(model))
        )
        fitted = [final_estimator(model) for model in fitted]
        for model in fitted:
            check_is_fitted(model, "history_")
        display = cls(
            histories=[model.history_ for model in fitted],
            names=names,
            best_epochs=[model.best_epoch_ for model in fitted],
        )
        return display.plot(ax=ax, **plot_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        x: Any = "epoch",
        yscale: str = "auto",
        minimum: Any = 0.0,
        mark_best: bool = True,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        x : {"epoch", "step", "seconds"}, default="epoch"
            What runs along the horizontal axis: passes over the data, updates, or time.
        yscale : {"auto", "log", "linear"}, default="auto"
            "auto" is "log" for positive values that differ enough.
        minimum : float, default=0.0
            Subtracted from the objective. With the known minimum the curves show what
            is left to gain, straight lines on the log axis where convergence is linear.
        mark_best : bool, default=True
            Whether to mark the best epoch: of the validation where there is one.
        line_kw : dict, default=None
            Passed to the training curves' ``ax.plot``.

        Returns
        -------
        self : LossCurveDisplay
        """
        if x not in AXES:
            raise ValueError(f"x must be one of {sorted(AXES)}, got {x!r}.")
        ax = _style.new_axes(ax, f"{type(self).__name__}.plot")
        self.lines_: list[Any] = []
        self.validation_lines_: list[Any] = []
        self.best_markers_: list[Any] = []
        for i in range(len(self.histories)):
            self._plot_run(ax, i, x, minimum, mark_best, line_kw)
        lines = self.lines_ + self.validation_lines_
        values = [np.asarray(line.get_ydata()) for line in lines]
        if minimum != 0.0:
            # Rounding puts the end of a converged run a hair below the minimum.
            values = [value[value > 0.0] for value in values]
        low = min(value.min(initial=np.inf) for value in values)
        high = max(value.max(initial=-np.inf) for value in values)
        if yscale == "auto":
            yscale = "log" if low > 0.0 and high > LEAST_RATIO * low else "linear"
        ax.set_yscale(yscale)
        if yscale == "log":
            _style.readable_log(ax.yaxis, low, high)
        objective = "mean loss" if self.validation_lines_ else "objective"
        if minimum != 0.0:
            objective += " above the minimum"
        title = None if len(self.histories) > 1 else self.names[0]
        _style.dress(ax, xlabel=AXES[x], ylabel=objective, title=title)
        _style.legend(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _plot_run(
        self,
        ax: Any,
        i: int,
        x: str,
        minimum: float,
        mark_best: bool,
        line_kw: dict[str, Any] | None,
    ) -> None:
        """The curves of one history, and its best epoch."""
        history, many = self.histories[i], len(self.histories) > 1
        colour = _style.colour(i)
        label = self.names[i] if many else "training"
        style = {
            "color": colour,
            "linestyle": _style.line_style(i) if many else "-",
            "label": label,
        }
        # Beside a validation loss, that of the training rows in the same measure.
        marked = history.get("training_loss", history["loss"])
        (line,) = ax.plot(history[x], marked - minimum, **_style.merged(style, line_kw))
        self.lines_.append(line)
        if "validation_loss" in history:
            marked = history["validation_loss"]
            style = {"color": colour if many else _style.colour(1), "alpha": 0.9}
            (line,) = ax.plot(
                history[x],
                marked - minimum,
                linestyle=(0, (4, 2)),
                linewidth=1.2,
                label=f"{label}, validation" if many else "validation",
                **style,
            )
            self.validation_lines_.append(line)
        best = self.best_epochs[i] - 1
        if mark_best and best >= 0:
            (point,) = ax.plot(
                history[x][best],
                marked[best] - minimum,
                linestyle="",
                marker="o",
                markerfacecolor="white",
                markeredgecolor=colour if many else _style.GREY,
                markeredgewidth=1.6,
                zorder=4,
                label=None if many else f"best epoch ({self.best_epochs[i]})",
            )
            self.best_markers_.append(point)


def final_estimator(estimator: Any) -> Any:
    """The estimator of `skgd` inside a fitted pipeline or search."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    if hasattr(estimator, "steps"):
        return final_estimator(estimator.steps[-1][1])
    return estimator
