"""FitDisplay: the fitted line, or the decision boundary, as training goes on.

The weights come from the estimator's own fit.
"""

from typing import Any, Self

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import _num_features

from skgd.display import _style
from skgd.display._path import walk

# Weights kept of a long fit, spaced so that the eventful beginning gets most.
MAX_POINTS = 60

# Lines drawn at once.
SHOWN = 6

# Rows of a table that is drawn large.
FEW_ROWS = 20


class FitDisplay:
    """The predictions of a model of one or two features, while it is trained.

    One feature gives a curve: predictions, or the probability of the second class. Two
    features and classes give the boundary between the classes.

    Parameters
    ----------
    steps : int array of shape (n_points,)
        Updates made.
    grid : tuple of array
        The values of each feature at which the model was asked.
    responses : array of shape (n_points, n_grid) or (n_points, n_grid, n_grid)
        Its answers.
    X : array of shape (n_samples, 1) or (n_samples, 2)
    y : array of shape (n_samples,)
        The data, as numbers.
    labels : list of str
        Names of the features, and of the response or of the classes.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list
        Lines or contours drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDRegressor
    >>> from skgd.display import FitDisplay
    >>> X, y = np.array([[0.5], [2.3], [2.9]]), np.array([1.4, 1.9, 3.2])
    >>> model = GDRegressor(solver="batch", lr=0.1, max_iter=20, tol=None)
    >>> display = FitDisplay.from_estimator(model, X, y)
    >>> display.responses.shape
    (21, 100)
    """

    def __init__(
        self, *, steps: Any, grid: Any, responses: Any, X: Any, y: Any, labels: Any
    ) -> None:
        self.steps = steps
        self.grid = grid
        self.responses = responses
        self.X = X
        self.y = y
        self.labels = labels

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        steps: Any = None,
        max_steps: int | None = None,
        fit_params: dict[str, Any] | None = None,
        grid_resolution: int | None = None,
        ax: Any = None,
        **plot_kw: Any,
    ) -> Self:
        """Fit a clone and keep its predictions on the way.

        Parameters
        ----------
        estimator : GDRegressor, GDClassifier or MLPGD
            Stays as it is.
        X : array-like of shape (n_samples, 1), or (n_samples, 2) for a classifier
            Features.
        y : array-like of shape (n_samples,)
            Targets or labels.
        steps : sequence of int, default=None
            Numbers of updates at which to look; by default all, or 60 of a long fit.
        max_steps : int, default=None
            Updates to record at most; None records all of the fit.
        fit_params : dict, default=None
            Passed to fit.
        grid_resolution : int, default=None
            Points at which the model is asked, in each direction; by default 200 for a
            boundary and 100 for a curve.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        **plot_kw : dict
            Passed to :meth:`plot`.

        Returns
        -------
        FitDisplay
        """
        _style.require_matplotlib(f"{cls.__name__}.from_estimator")
        classifier = is_classifier(estimator)
        n_features = _num_features(X)
        if n_features > 2 or (n_features == 2 and not classifier):
            raise ValueError(
                f"Only one feature, or two and classes, can be drawn; X has "
                f"{n_features} columns."
            )
        walked = walk(estimator, X, y, max_steps=max_steps, **(fit_params or {}))
        if steps is None:
            chosen = _spread_out(len(walked.steps))
        else:
            chosen = np.flatnonzero(np.isin(walked.steps, steps))
        frame = type(X) if hasattr(X, "columns") else None
        columns: Any = list(X.columns) if frame else None
        labels = [str(name) for name in columns] if frame else _names(n_features)
        X = np.asarray(X, dtype=np.float64)
        if grid_resolution is None:
            grid_resolution = 100 * n_features
        wide = n_features == 2 and len(X) <= FEW_ROWS
        grid = tuple(_axis(column, grid_resolution, wide) for column in X.T)
        asked = np.column_stack([part.ravel() for part in np.meshgrid(*grid)])
        asked = frame(asked, columns=columns) if frame else asked
        responses = np.array(
            [_response(walked.estimator_at(i), asked, n_features) for i in chosen]
        )
        shape = (len(chosen),) + (grid_resolution,) * n_features
        codes = np.asarray(y)
        if classifier:
            classes = walked.estimator.classes_
            codes = np.searchsorted(classes, codes)
            labels += [str(label) for label in classes]
        else:
            labels.append("y")
        display = cls(
            steps=walked.steps[chosen],
            grid=grid,
            responses=responses.reshape(shape),
            X=X,
            y=codes,
            labels=labels,
        )
        return display.plot(ax=ax, **plot_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        steps: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the data and a few of the fits, the later the darker.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        steps : sequence of int, default=None
            Numbers of updates to show, of those in `steps`; by default six.
        line_kw : dict, default=None
            Passed to the ``ax.plot`` or ``ax.contour`` of the fits.

        Returns
        -------
        self : FitDisplay
        """
        ax = _style.new_axes(ax, f"{type(self).__name__}.plot")
        self.ax_, self.figure_ = ax, ax.figure
        self._draw_data(ax)
        if steps is None:
            last = len(self.steps) - 1
            shown = np.unique(np.geomspace(1, last + 1, SHOWN).round().astype(int) - 1)
        else:
            shown = np.flatnonzero(np.isin(self.steps, steps))
        self._line_kw = line_kw
        self.lines_ = []
        for i, point in enumerate(shown):
            depth = (i + 1) / len(shown)
            self.lines_.append(self._draw_fit(point, depth))
        _style.dress(
            ax,
            xlabel=self.labels[0],
            ylabel=self.labels[1],
            grid=len(self.grid) == 1,
        )
        self._set_limits(shown)
        if len(self.grid) == 2:
            self._fill_regions(shown[-1] if shown.size else None)
            handles, names = ax.get_legend_handles_labels()
            if handles:
                ax.legend(
                    handles,
                    names,
                    title="updates",
                    frameon=False,
                    loc="lower left",
                    bbox_to_anchor=(1.0, 0.0),
                )
        elif shown.size:
            _style.legend_beside(ax, title="updates")
        return self

    def _draw_data(self, ax):
        if len(self.grid) == 1:
            ax.plot(self.X[:, 0], self.y, "o", color="black", markersize=4.5, alpha=0.7)
        else:
            for i in np.unique(self.y):
                ax.plot(
                    *self.X[self.y == i].T,
                    linestyle="",
                    marker=_style.marker(i),
                    # A handful of rows are all that matters, and must be seen.
                    markersize=9 if len(self.X) <= FEW_ROWS else 4.5,
                    markeredgecolor="white",
                    markeredgewidth=0.4,
                    color=_style.colour(i + 1),
                    # Above the boundaries.
                    zorder=5,
                    label=self.labels[2 + i],
                )
            # In a legend of its own: the other one counts updates.
            beside = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
            ax.add_artist(ax.legend(title="class", frameon=False, **beside))
            for line in ax.get_lines():
                line.set_label(f"_{line.get_label()}")

    def _fill_regions(self, point):
        """Shade what the last fit takes for each class."""
        if point is None:
            return
        response = self.responses[point]
        borders = _borders(response)
        levels = [-np.inf, *borders, np.inf]
        low, high = response.min() - 1.0, response.max() + 1.0
        levels[0], levels[-1] = min(low, borders[0] - 1), max(high, borders[-1] + 1)
        self.lines_.append(
            self.ax_.contourf(
                *self.grid,
                response,
                levels=levels,
                colors=[_style.colour(i + 1) for i in range(len(levels) - 1)],
                alpha=0.13,
                zorder=0,
            )
        )

    def _set_limits(self, shown):
        """Room for the data, and for fits that do not stray too far from it."""
        if len(self.grid) == 2:
            self.ax_.set(xlim=self.grid[0][[0, -1]], ylim=self.grid[1][[0, -1]])
            return
        low, high = self.y.min(), self.y.max()
        reach = high - low
        fits = np.clip(self.responses[shown], low - reach, high + reach)
        low, high = min(low, fits.min(initial=low)), max(high, fits.max(initial=high))
        self.ax_.set_ylim(low - 0.1 * reach, high + 0.1 * reach)

    def _draw_fit(self, point, depth=1.0):
        style = {
            "linewidth": 1.0 + depth,
            "alpha": 0.25 + 0.75 * depth,
            "label": f"{self.steps[point]}",
        }
        if len(self.grid) == 1:
            style["color"] = _style.colour(0)
            (line,) = self.ax_.plot(
                self.grid[0],
                self.responses[point],
                **_style.merged(style, self._line_kw),
            )
            return line
        response = self.responses[point]
        levels = [
            level for level in _borders(response) if np.ptp(np.sign(response - level))
        ]
        # Without a boundary in sight there is nothing to draw, nor to explain.
        contour = self.ax_.contour(
            *self.grid,
            response,
            levels=levels or [np.inf],
            colors="black",
            linewidths=style["linewidth"],
            alpha=style["alpha"],
        )
        if levels:
            self.ax_.plot([], [], color="black", **style)
        return contour

    @property
    def n_frames(self) -> int:
        """Number of fits kept."""
        return len(self.steps)

    def moving_artists(self) -> list[Any]:
        """What `show_frame` changes; all else stands still."""
        return [*self.lines_, self.ax_.title]

    def show_frame(self, frame: int) -> Any:
        """Show one fit in place of those drawn; for :func:`skgd.display.animate`.

        Parameters
        ----------
        frame : int
            Number of the fit, from 0.
        """
        legend = self.ax_.get_legend()
        if legend is not None and legend.get_title().get_text() == "updates":
            legend.remove()
        for line in self.lines_:
            line.remove()
        self.lines_ = [self._draw_fit(frame)]
        if len(self.grid) == 2:
            self._fill_regions(frame)
        self.ax_.set_title(f"{self.steps[frame]} updates")


def _spread_out(n):
    if n <= MAX_POINTS:
        return np.arange(n)
    return np.unique(np.geomspace(1, n, MAX_POINTS).round().astype(int)) - 1


def _names(n_features):
    return ["x"] if n_features == 1 else [f"feature {i}" for i in range(n_features)]


def _axis(column, n, wide):
    # A handful of points in the plane must not stand on the frame.
    share = 0.25 if wide else 0.05
    margin = share * (column.max() - column.min())
    return np.linspace(column.min() - margin, column.max() + margin, n)


def _response(estimator, X, n_features):
    """The height of the curve, or what changes sign or class at the boundary."""
    if not is_classifier(estimator):
        return estimator.predict(X)
    if len(estimator.classes_) == 2:
        if n_features == 2 and hasattr(estimator, "decision_function"):
            return estimator.decision_function(X)
        if hasattr(estimator, "predict_proba"):
            return estimator.predict_proba(X)[:, 1] - (0.5 if n_features == 2 else 0.0)
    return np.searchsorted(estimator.classes_, estimator.predict(X)).astype(float)


def _borders(response):
    """The levels between the classes: 0 of a score, or between two numbers."""
    if np.array_equal(response, np.round(response)) and response.min() >= 0:
        return np.arange(max(response.max(), 1.0)) + 0.5
    return [0.0]
