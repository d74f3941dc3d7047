"""FunctionDisplay: a function of one or two variables, its slopes, and descents on it.

The descents are those of ``skgd.gradient_descent``.
"""

from typing import Any, Self

import numpy as np

from skgd._descent.descent import gradient_descent
from skgd._descent.function import BoundFunction
from skgd.display import _style

# Share of the range of a path that is left free around it.
MARGIN = 0.25


class FunctionDisplay:
    """A function, the points of a descent on it, and its tangents there.

    Parameters
    ----------
    grid : tuple of array
        Values of each variable.
    values : array of shape (n_grid,) or (n_grid, n_grid)
        The function; of two variables, ``values[i, j]`` belongs to
        ``grid[0][j], grid[1][i]``.
    points : array of shape (n_points,) or (n_points, 2)
        The path, or points to look at.
    heights : array of shape (n_points,)
        The function there.
    slopes : array in the shape of `points`
        Its derivatives there.
    is_path : bool
        Whether the points follow each other.
    labels : list of str
        Names of the variables and of the function.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    path_line_ : matplotlib Line2D
    tangent_lines_ : list of matplotlib Line2D

    Examples
    --------
    >>> from skgd.display import FunctionDisplay
    >>> display = FunctionDisplay.from_descent(
    ...     lambda x: (x - 3) ** 2, -2.0, lr=0.1, max_iter=3
    ... )
    >>> display.points
    array([-2.  , -1.  , -0.2 ,  0.44])
    >>> display.slopes.round(6)
    array([-10.  ,  -8.  ,  -6.4 ,  -5.12])

    The derivative of a function, without a descent:

    >>> display = FunctionDisplay.from_function(
    ...     lambda x: x**2 + 2 * x + 1, xlim=(-4, 2), at=[-3.0, -1.0, 1.0]
    ... )
    >>> display.slopes.round(6) + 0.0
    array([-4.,  0.,  4.])
    """

    def __init__(
        self,
        *,
        grid: Any,
        values: Any,
        points: Any,
        heights: Any,
        slopes: Any,
        is_path: bool,
        labels: Any,
    ) -> None:
        self.grid = grid
        self.values = values
        self.points = points
        self.heights = heights
        self.slopes = slopes
        self.is_path = is_path
        self.labels = labels

    @classmethod
    def from_descent(
        cls,
        fun: Any,
        x0: Any,
        *,
        jac: Any = None,
        xlim: Any = None,
        ylim: Any = None,
        labels: Any = None,
        grid_resolution: int | None = None,
        ax: Any = None,
        plot_kw: dict[str, Any] | None = None,
        **descent: Any,
    ) -> Self:
        """Descend a function of one or two variables, and draw the way.

        Parameters
        ----------
        fun, x0, jac : object
            As in :func:`skgd.gradient_descent`; x0 is a number or a pair.
        xlim, ylim : pair of float, default=None
            Range of the variables; by default around the path.
        labels : sequence of str, default=None
            Names of the variables and of the function.
        grid_resolution : int, default=None
            Points in each direction; by default 400 for a curve and 150 for a map.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        plot_kw : dict, default=None
            Passed to :meth:`plot`.
        **descent : object
            Passed to :func:`skgd.gradient_descent`: `optimizer`, `lr`, `max_iter`...

        Returns
        -------
        FunctionDisplay
        """
        result = gradient_descent(fun, x0, jac=jac, **descent)
        return cls._of(
            fun,
            jac,
            result.path,
            True,
            xlim,
            ylim,
            labels,
            grid_resolution,
            ax,
            plot_kw,
        )

    @classmethod
    def from_function(
        cls,
        fun: Any,
        *,
        xlim: Any,
        ylim: Any = None,
        at: Any = (),
        jac: Any = None,
        labels: Any = None,
        grid_resolution: int | None = None,
        ax: Any = None,
        plot_kw: dict[str, Any] | None = None,
    ) -> Self:
        """A function with its tangents at some points.

        Parameters
        ----------
        fun : callable(x) -> float
            Of a number, or with `ylim` of a pair.
        xlim, ylim : pair of float
            Range of the variables.
        at : sequence of float, or of pairs, default=()
            Where to draw tangents, or to mark points of a map.
        jac, labels, grid_resolution, ax, plot_kw : object
            As in :meth:`from_descent`.

        Returns
        -------
        FunctionDisplay
        """
        points = np.array(at, dtype=float)
        if ylim is not None:
            points = points.reshape(-1, 2)
        return cls._of(
            fun, jac, points, False, xlim, ylim, labels, grid_resolution, ax, plot_kw
        )

    @classmethod
    def _of(
        cls, fun, jac, points, is_path, xlim, ylim, labels, n_grid, ax, plot_kw
    ) -> Self:
        n = 1 if points.ndim == 1 else points.shape[1]
        if n > 2 or points.ndim > 2:
            raise ValueError(f"Only one or two variables can be drawn, not {n}.")
        shape = () if points.ndim == 1 else (n,)
        bound = BoundFunction(fun, jac, shape)
        looked = [bound.gradient(np.atleast_1d(point)) for point in points]
        heights = np.array([value for value, _ in looked], dtype=float)
        slopes = np.array([slope for _, slope in looked]).reshape(points.shape)
        columns = points.reshape(len(points), n)
        limits = [xlim, ylim][:n]
        n_grid = n_grid or (400 if n == 1 else 150)
        ranges = [
            _range(column) if limit is None else limit
            for column, limit in zip(columns.T, limits, strict=True)
        ]
        grid = tuple(np.linspace(low, high, n_grid) for low, high in ranges)
        asked = np.column_stack([part.ravel() for part in np.meshgrid(*grid)])
        with np.errstate(all="ignore"):
            values = np.array([bound.value(point) for point in asked])
        if labels is None:
            labels = ["x", "f(x)"] if n == 1 else ["u", "v", "f(u, v)"]
        display = cls(
            grid=grid,
            values=values.reshape((n_grid,) * n),
            points=points,
            heights=heights,
            slopes=slopes,
            is_path=is_path,
            labels=list(labels),
        )
        return display.plot(ax=ax, **(plot_kw or {}))

    def plot(
        self,
        ax: Any = None,
        *,
        kind: str = "contour",
        tangents: bool = True,
        levels: int = 18,
        title: str | None = None,
    ) -> Self:
        """Draw the function, the points and, of one variable, the tangents.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure. A 3-D one for "surface".
        kind : {"contour", "surface"}, default="contour"
            Of two variables: a map, or a surface in three dimensions.
        tangents : bool, default=True
            Whether to draw the tangents of a function of one variable.
        levels : int, default=18
            Number of contour lines.
        title : str, default=None
            Above the axes.

        Returns
        -------
        self : FunctionDisplay
        """
        if kind not in ("contour", "surface"):
            raise ValueError(f"kind must be 'contour' or 'surface', got {kind!r}.")
        is_surface = kind == "surface" and len(self.grid) == 2
        projection = {"projection": "3d", "computed_zorder": False}
        ax = _style.new_axes(
            ax,
            f"{type(self).__name__}.plot",
            size=(6.4, 4.8),
            **(projection if is_surface else {}),
        )
        self.tangent_lines_: list[Any] = []
        self._is_surface = is_surface
        if len(self.grid) == 1:
            self._draw_curve(ax, tangents)
        else:
            self._draw_map(ax, levels)
        if title is not None:
            ax.set_title(title)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_curve(self, ax, tangents):
        (x,) = self.grid
        ax.plot(x, self.values, color=_style.GREY, linewidth=1.8, zorder=1)
        finite = self.values[np.isfinite(self.values)]
        low, high = finite.min(), finite.max()
        reach = 0.08 * (high - low) or 1.0
        if tangents:
            for i, point in enumerate(self.points):
                self.tangent_lines_.append(self._tangent(ax, i, point))
        self.marks_ = ax.scatter(
            self.points,
            self.heights,
            s=34,
            c=_fading(len(self.points)),
            edgecolor="white",
            linewidth=0.5,
            zorder=4,
        )
        (self.path_line_,) = ax.plot(
            self.points if self.is_path else [],
            self.heights if self.is_path else [],
            color=_style.COLOURS[0],
            linewidth=1.0,
            alpha=0.7,
            zorder=3,
        )
        _style.dress(ax, xlabel=self.labels[0], ylabel=self.labels[1])
        ax.set(xlim=(x[0], x[-1]), ylim=(low - reach, high + reach))

    def _tangent(self, ax, i, point):
        """A piece of the tangent of the same length on paper wherever it is."""
        (x,) = self.grid
        finite = self.values[np.isfinite(self.values)]
        wide, tall = np.ptp(x), max(np.ptp(finite), 1e-300)
        half = 0.16 * wide / np.hypot(1.0, self.slopes[i] * wide / tall)
        ends = np.array([point - half, point + half])
        (line,) = ax.plot(
            ends,
            self.heights[i] + self.slopes[i] * (ends - point),
            color=_style.COLOURS[1],
            linewidth=1.4,
            alpha=0.35 + 0.65 * (i + 1) / len(self.points),
            zorder=2,
        )
        return line

    def _draw_map(self, ax, levels):
        x, y = self.grid
        values = np.where(np.isfinite(self.values), self.values, np.nan)
        if self._is_surface:
            _style.draw_surface(ax, x, y, values, zlabel=self.labels[2], zoom=0.88)
        else:
            _style.draw_map(ax, x, y, values, levels, extend="both")
        (self.path_line_,) = ax.plot(
            *self._line_data(len(self.points)),
            color=_style.COLOURS[0],
            linestyle="-" if self.is_path or not len(self.points) else "",
            marker="o",
            markersize=4.5,
            markeredgecolor="white",
            markeredgewidth=0.4,
            linewidth=1.3,
            zorder=5,
        )
        if not self._is_surface:
            ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
        _style.dress(ax, xlabel=self.labels[0], ylabel=self.labels[1], grid=False)

    def _line_data(self, stop):
        data = list(self.points[:stop].reshape(-1, len(self.grid)).T)
        if len(self.grid) == 1 or self._is_surface:
            data.append(self.heights[:stop])
        return data

    @property
    def n_frames(self) -> int:
        """Points of the path."""
        return len(self.points)

    def moving_artists(self) -> list[Any]:
        """What `show_frame` changes; all else stands still."""
        on_a_line = len(self.grid) == 1
        others = [self.marks_, *self.tangent_lines_] if on_a_line else []
        return [self.path_line_, *others]

    def show_frame(self, frame: int) -> Any:
        """Show the path up to a point; for :func:`skgd.display.animate`.

        Parameters
        ----------
        frame : int
            Number of the last point, from 0.
        """
        data = self._line_data(frame + 1)
        if len(self.grid) == 2 and self._is_surface:
            self.path_line_.set_data_3d(*data)
        else:
            self.path_line_.set_data(*data)
        if len(self.grid) == 1:
            self.marks_.set_offsets(np.column_stack(data))
            self.marks_.set_facecolors(_fading(frame + 1))
            for i, line in enumerate(self.tangent_lines_):
                line.set_visible(i == frame)
                line.set_alpha(1.0)


def _fading(n):
    """The colour of each of n points, the later the stronger."""
    from matplotlib.colors import to_rgba

    depths = np.linspace(0.3, 1.0, n) if n > 1 else np.ones(n)
    colours = [to_rgba(_style.COLOURS[0], depth) for depth in depths]
    return np.reshape(colours, (n, 4))


def _range(values):
    low, high = float(np.min(values)), float(np.max(values))
    width = (high - low) or 1.0
    return low - MARGIN * width, high + MARGIN * width
