"""ScheduleDisplay: the learning rate as training goes on.

The factors are those of ``skgd.schedules``; nothing is trained.
"""

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skgd.display import _style
from skgd.display.loss_curve import final_estimator
from skgd.schedules import get_schedule

# More curves than this leave no room for a legend among them.
MAX_INSIDE = 3


class ScheduleDisplay:
    """Learning rate by epoch, of schedules or of fitted estimators.

    Parameters
    ----------
    epochs : list of array
        Epochs done at each update, one array for each schedule.
    rates : list of array
        Learning rates, in the same shapes.
    names : list of str
        For the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D

    Examples
    --------
    >>> from skgd.display import ScheduleDisplay
    >>> from skgd.schedules import Cosine, Step
    >>> display = ScheduleDisplay.from_schedules(
    ...     {"cosine": Cosine(), "step": Step(step_size=10)}, n_epochs=30
    ... )
    >>> display.names
    ['cosine', 'step']
    """

    def __init__(self, *, epochs: Any, rates: Any, names: Any) -> None:
        self.epochs = epochs
        self.rates = rates
        self.names = names

    @classmethod
    def from_schedules(
        cls,
        schedules: Any,
        *,
        n_epochs: int = 100,
        steps_per_epoch: int = 20,
        lr: float = 1.0,
        losses: Any = (),
        ax: Any = None,
        **plot_kw: Any,
    ) -> Self:
        """The rates that schedules would give in a run.

        Parameters
        ----------
        schedules : dict, list, or one of str, Schedule, callable
            What ``lr_schedule`` takes. A list may hold (name, schedule) pairs.
        n_epochs : int, default=100
            Length of the run.
        steps_per_epoch : int, default=20
            Updates in an epoch.
        lr : float, default=1.0
            What the factors multiply.
        losses : sequence of float, default=()
            Objective of each epoch, for schedules that look at it.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        **plot_kw : dict
            Passed to :meth:`plot`.

        Returns
        -------
        ScheduleDisplay
        """
        _style.require_matplotlib(f"{cls.__name__}.from_schedules")
        if not isinstance(schedules, (dict, list, tuple)):
            schedules = [schedules]
        names, schedules = _style.named(schedules, _describe)
        epochs = np.arange(n_epochs * steps_per_epoch) / steps_per_epoch
        rates = [
            lr * get_schedule(schedule).preview(n_epochs, steps_per_epoch, losses)
            for schedule in schedules
        ]
        display = cls(epochs=[epochs] * len(rates), rates=rates, names=names)
        return display.plot(ax=ax, **plot_kw)

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, name: str | None = None, ax: Any = None, **plot_kw: Any
    ) -> Self:
        """The rates that a fitted estimator used, at the end of each epoch.

        Parameters
        ----------
        estimator : fitted estimator
            Of `skgd`, or a pipeline that ends in one, or a search that found one.
        name : str, default=None
            For the legend.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        **plot_kw : dict
            Passed to :meth:`plot`.

        Returns
        -------
        ScheduleDisplay
        """
        _style.require_matplotlib(f"{cls.__name__}.from_estimator")
        estimator = final_estimator(estimator)
        check_is_fitted(estimator, "history_")
        if name is None:
            name = _describe(estimator.lr_schedule)
        history = estimator.history_
        display = cls(epochs=[history["epoch"]], rates=[history["lr"]], names=[name])
        return display.plot(ax=ax, **plot_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        yscale: str = "linear",
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the rates.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        yscale : {"linear", "log"}, default="linear"
            Scale of the rates.
        line_kw : dict, default=None
            Passed to ``ax.plot``.

        Returns
        -------
        self : ScheduleDisplay
        """
        ax = _style.new_axes(ax, f"{type(self).__name__}.plot")
        self.lines_ = []
        for i, name in enumerate(self.names):
            style = {
                "color": _style.colour(i),
                "linestyle": _style.line_style(i),
                "label": name,
            }
            (line,) = ax.plot(
                self.epochs[i], self.rates[i], **_style.merged(style, line_kw)
            )
            self.lines_.append(line)
        ax.set_yscale(yscale)
        if yscale == "linear":
            ax.set_ylim(bottom=0)
        _style.dress(ax, xlabel="epoch", ylabel="learning rate")
        if len(self.names) > MAX_INSIDE:
            _style.legend_beside(ax)
        elif len(self.names) > 1:
            _style.legend(ax)
        else:
            ax.set_title(self.names[0])
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _describe(schedule):
    if isinstance(schedule, str):
        return schedule
    return getattr(schedule, "__name__", type(schedule).__name__)
