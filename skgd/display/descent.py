"""DescentDisplay: data with the fitted lines, beside the cost with points on it.

The path comes from the estimator's own fit, the cost from its own objective.
"""

from typing import Any, Self

import numpy as np
from sklearn.base import is_classifier

from skgd.display import _style
from skgd.display._cost import CostFunction
from skgd.display._path import inside_pipeline, walk

# Updates shown at once, and kept for a film.
SHOWN = 7
MAX_POINTS = 100

MARGIN = 0.25


class DescentDisplay:
    """A line in the space of the data, and the same line as a point on the cost.

    For a model of one feature. Without an intercept the cost is a curve over the slope;
    with one, a map or a surface over intercept and slope. A colour stands for the same
    update on both sides, the later the darker.

    Parameters
    ----------
    steps : int array of shape (n_points,)
        Updates made.
    points : array of shape (n_points, 1) or (n_points, 2)
        Slope, or intercept and slope, after each.
    costs : array of shape (n_points,)
        The objective there.
    lines : array of shape (n_points, n_grid)
        Predictions of the model at `x`; of a classifier, probabilities or scores.
    x : array of shape (n_grid,)
    X, y : array of shape (n_samples,)
        The data.
    grid : tuple of array
        Values of each parameter.
    cost : array of shape (n_grid,) or (n_grid, n_grid)
        The objective; ``cost[i, j]`` belongs to ``grid[0][j], grid[1][i]``.
    labels : pair of str
        Names of the feature and of what is predicted.

    Attributes
    ----------
    axes_ : list of two matplotlib Axes
        Data on the left, cost on the right.
    ax_ : matplotlib Axes
        The first of them.
    figure_ : matplotlib Figure

    Examples
    --------
    The slope of y = -3x, from -10, at a rate of 0.1 on the mean squared error, which is
    twice the objective here:

    >>> import numpy as np
    >>> from skgd import GDRegressor
    >>> from skgd.display import DescentDisplay
    >>> X = np.arange(-3, 3, 0.1)[:, None]
    >>> model = GDRegressor(solver="batch", lr=0.2, max_iter=4, tol=None,
    ...                     fit_intercept=False)
    >>> display = DescentDisplay.from_estimator(
    ...     model, X, -3 * X[:, 0], fit_params={"coef_init": [-10.0]}
    ... )
    >>> display.points.ravel().round(6)
    array([-10.      ,  -5.797667,  -4.118134,  -3.446881,  -3.178603])
    >>> (2 * display.costs).round(6)
    array([1.47081667e+02, 2.34938610e+01, 3.75275500e+00, 5.99441000e-01,
           9.57510000e-02])
    """

    def __init__(
        self,
        *,
        steps: Any,
        points: Any,
        costs: Any,
        lines: Any,
        x: Any,
        X: Any,
        y: Any,
        grid: Any,
        cost: Any,
        labels: Any,
    ) -> None:
        self.steps = steps
        self.points = points
        self.costs = costs
        self.lines = lines
        self.x = x
        self.X = X
        self.y = y
        self.grid = grid
        self.cost = cost
        self.labels = labels

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        max_steps: int | None = None,
        fit_params: dict[str, Any] | None = None,
        limits: Any = None,
        grid_resolution: int = 120,
        **plot_kw: Any,
    ) -> Self:
        """Fit a clone, and keep lines, weights and costs on the way.

        Parameters
        ----------
        estimator : GDRegressor, GDClassifier of two classes, or Pipeline of these
            Stays as it is. A pipeline is drawn in the column that its last step sees.
        X : array-like of shape (n_samples, 1)
            The feature.
        y : array-like of shape (n_samples,)
            Targets or labels.
        max_steps : int, default=None
            Updates to record at most; None records all of the fit.
        fit_params : dict, default=None
            Passed to fit, such as ``coef_init``.
        limits : pair of pairs of float, default=None
            Range of the slope, or of intercept and slope; by default around the path.
        grid_resolution : int, default=120
            Points of the grid in each direction.
        **plot_kw : dict
            Passed to :meth:`plot`.

        Returns
        -------
        DescentDisplay
        """
        _style.require_matplotlib(f"{cls.__name__}.from_estimator")
        model, X = inside_pipeline(estimator, X, y)
        if hasattr(model, "hidden_layer_sizes") or not hasattr(model, "fit_intercept"):
            raise ValueError("Only for GDRegressor and GDClassifier.")
        names = list(getattr(X, "columns", ["x"]))
        if np.ndim(X) != 2 or np.shape(X)[1] != 1:
            raise ValueError(
                f"Only one feature can be drawn; X has the shape {np.shape(X)}."
            )
        walked = walk(model, X, y, max_steps=max_steps, **(fit_params or {}))
        fitted = walked.estimator
        if walked.points.shape[1] != 2:
            raise ValueError("Only one target or two classes can be drawn.")
        function = CostFunction(fitted, X, y)
        n = len(walked.steps)
        kept = np.arange(n)
        if n > MAX_POINTS:
            kept = np.unique(np.geomspace(1, n, MAX_POINTS).round().astype(int)) - 1
        weights = walked.points[kept]
        column = np.asarray(X, dtype=np.float64)[:, 0]
        margin = 0.05 * np.ptp(column)
        x = np.linspace(column.min() - margin, column.max() + margin, 200)
        lines, targets, answer = _answers(
            fitted, weights[:, :1] * x + weights[:, 1:], y
        )
        # Intercept first, as the x axis of the map.
        columns = [1, 0] if fitted.fit_intercept else [0]
        points = weights[:, columns]
        if limits is None:
            limits = [_range(values) for values in points.T]
        limits = np.reshape(limits, (len(columns), 2))
        grid = tuple(np.linspace(low, high, grid_resolution) for low, high in limits)
        asked = np.column_stack([part.ravel() for part in np.meshgrid(*grid)])
        everything = np.zeros((len(asked), 2))
        everything[:, columns] = asked
        display = cls(
            steps=walked.steps[kept],
            points=points,
            costs=function(weights),
            lines=lines,
            x=x,
            X=column,
            y=targets,
            grid=grid,
            cost=function(everything).reshape((grid_resolution,) * len(columns)),
            labels=[str(names[0]), answer],
        )
        return display.plot(**plot_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        kind: str = "contour",
        steps: Any = None,
        levels: int = 14,
    ) -> Self:
        """Draw data and lines on the left, cost and points on the right.

        Parameters
        ----------
        ax : pair of matplotlib Axes, default=None
            Where to draw; by default in a new figure. The second one is a 3-D one for
            "surface".
        kind : {"contour", "surface"}, default="contour"
            Of two parameters: a map, or a surface in three dimensions.
        steps : sequence of int, default=None
            Numbers of updates to show, of those in `steps`; by default seven.
        levels : int, default=14
            Number of contour lines.

        Returns
        -------
        self : DescentDisplay
        """
        if kind not in ("contour", "surface"):
            raise ValueError(f"kind must be 'contour' or 'surface', got {kind!r}.")
        self._is_surface = kind == "surface" and len(self.grid) == 2
        self.axes_ = list(self._new_axes() if ax is None else ax)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        if steps is None:
            n = len(self.steps)
            shown = np.unique(np.geomspace(1, n, SHOWN).round().astype(int) - 1)
        else:
            shown = np.flatnonzero(np.isin(self.steps, steps))
        left, right = self.axes_
        left.plot(self.X, self.y, "o", color="black", markersize=4, alpha=0.6, zorder=2)
        self._draw_cost(right, levels)
        self._moving: list[Any] = []
        for i, k in enumerate(shown):
            self._draw_point(k, (i + 1) / len(shown))
        self._draw_path(len(self.points))
        _style.dress(left, xlabel=self.labels[0], ylabel=self.labels[1])
        low, high = float(np.min(self.y)), float(np.max(self.y))
        reach = (high - low) or 1.0
        left.set(xlim=(self.x[0], self.x[-1]), ylim=(low - reach / 3, high + reach / 3))
        if shown.size:
            right.legend(
                title="updates",
                frameon=False,
                loc="center left",
                # Room for the name of the third axis.
                bbox_to_anchor=(1.22 if self._is_surface else 1.0, 0.5),
            )
        return self

    def _new_axes(self):
        _style.require_matplotlib(f"{type(self).__name__}.plot")
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=(10.0, 4.2), layout="constrained")
        projection = {"projection": "3d", "computed_zorder": False}
        return [
            figure.add_subplot(1, 2, 1),
            figure.add_subplot(1, 2, 2, **(projection if self._is_surface else {})),
        ]

    def _draw_cost(self, ax, levels):
        if len(self.grid) == 1:
            ax.plot(self.grid[0], self.cost, color=_style.GREY, linewidth=1.8, zorder=1)
            _style.dress(ax, xlabel="slope", ylabel="objective")
            return
        x, y = self.grid
        if self._is_surface:
            _style.draw_surface(ax, x, y, self.cost, zlabel="objective", zoom=0.85)
            ax.yaxis.labelpad = 8
        else:
            _style.draw_map(ax, x, y, self.cost, levels)
            ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
        _style.dress(ax, xlabel="intercept", ylabel="slope", grid=False)

    def _place(self, k):
        """What to give a plot of the point number k, or of points k."""
        place = list(np.atleast_2d(self.points[k]).T)
        if len(self.grid) == 1 or self._is_surface:
            lift = 0.01 * np.ptp(self.cost) if self._is_surface else 0.0
            place.append(np.atleast_1d(self.costs[k]) + lift)
        return place

    def _draw_point(self, k, depth):
        from matplotlib import colormaps

        colour = colormaps["viridis_r"](0.15 + 0.85 * depth)
        left, right = self.axes_
        (line,) = left.plot(
            self.x, self.lines[k], color=colour, linewidth=1.1 + 1.1 * depth, zorder=1
        )
        (point,) = right.plot(
            *self._place(k),
            marker="o",
            linestyle="",
            color=colour,
            markersize=7,
            markeredgecolor="white",
            markeredgewidth=0.6,
            label=f"{self.steps[k]}",
            zorder=5,
        )
        self._moving += [line, point]

    def _draw_path(self, stop):
        (path,) = self.axes_[1].plot(
            *self._place(slice(stop)),
            color=_style.COLOURS[0],
            linewidth=1.0,
            zorder=4,
        )
        self._moving.append(path)

    @property
    def n_frames(self) -> int:
        """Number of points kept."""
        return len(self.steps)

    def moving_artists(self) -> list[Any]:
        """What `show_frame` changes; all else stands still."""
        return [*self._moving, self.axes_[0].title]

    def show_frame(self, frame: int) -> Any:
        """Show one line and its point; for :func:`skgd.display.animate`.

        Parameters
        ----------
        frame : int
            Number of the point, from 0.
        """
        if self.axes_[1].get_legend() is not None:
            self.axes_[1].get_legend().remove()
        for artist in self._moving:
            artist.remove()
        self._moving = []
        self._draw_point(frame, 1.0)
        self._draw_path(frame + 1)
        cost = self.costs[frame]
        self.axes_[0].set_title(f"{self.steps[frame]} updates, objective {cost:.4g}")


def _answers(fitted: Any, scores: Any, y: Any) -> tuple[Any, Any, str]:
    """Scores as the estimator answers, targets on the same axis, and its label."""
    if not is_classifier(fitted):
        return scores, np.asarray(y), "y"
    targets = np.searchsorted(fitted.classes_, np.asarray(y))
    if not hasattr(fitted, "predict_proba"):
        return scores, targets, f"score of {fitted.classes_[1]}"
    shares = 1.0 / (1.0 + np.exp(-np.clip(scores, -500.0, 500.0)))
    return shares, targets, f"probability of {fitted.classes_[1]}"


def _range(values):
    """A range around the path with its end in the middle, so that the valley shows."""
    end = float(values[-1])
    reach = float(np.max(np.abs(values - end)))
    # A weight that stays where it is still moves by rounding errors.
    if reach <= 1e-9 * abs(end):
        reach = max(1.0, abs(end))
    reach *= 1.0 + MARGIN
    return end - reach, end + reach
