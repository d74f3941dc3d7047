"""CostSurfaceDisplay: the objective over two parameters, and the paths descended.

The paths come from the estimators' own fits; what is drawn is only looked up here.
"""

from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from skgd.display import _style
from skgd.display._cost import CostFunction, choose_plane
from skgd.display._path import inside_pipeline, walk

# Share of the paths' extent left free around them.
MARGIN = 0.2

# Points of a path that cost more than this many times its start are left outside.
HIGHEST = 1.5

# Paths of more points than this are drawn without a marker for each.
MAX_MARKERS = 80


class CostSurfaceDisplay:
    """The objective over two parameters of a model, with the paths of its training.

    Use :meth:`from_estimator`, :meth:`from_estimators` or :meth:`from_learning_rates`;
    the constructor takes what they computed.

    Parameters
    ----------
    x, y : array of shape (n_grid,)
        Values of the two parameters.
    cost : array of shape (n_grid, n_grid)
        The objective; ``cost[i, j]`` belongs to ``x[j], y[i]``.
    paths : list of array of shape (n_points, 2)
        The two parameters at the start and after each update, one array for each
        estimator.
    path_costs : list of array of shape (n_points,)
        The objective at these points, with all parameters as they were.
    names : list of str
        For the legend.
    labels : pair of str
        Names of the two parameters.

    Attributes
    ----------
    ax_ : matplotlib Axes
    axes_ : list of matplotlib Axes
        All of them, where there is one panel for each path.
    figure_ : matplotlib Figure
    surface_ : QuadContourSet or Poly3DCollection
    path_lines_ : list of matplotlib Line2D
    end_markers_ : list of matplotlib Line2D
        The stars at the ends of the paths.

    Notes
    -----
    With two parameters in all, the picture is the whole truth. With more, it is a
    section: the others are held at the best weights found, and a path is a shadow cast
    on it, whose true cost is in `path_costs`.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDRegressor
    >>> from skgd.display import CostSurfaceDisplay
    >>> X, y = np.array([[0.5], [2.3], [2.9]]), np.array([1.4, 1.9, 3.2])
    >>> model = GDRegressor(solver="batch", lr=0.06, max_iter=3, tol=None)
    >>> display = CostSurfaceDisplay.from_estimator(
    ...     model, X, y, fit_params={"coef_init": [1.0], "intercept_init": [0.0]}
    ... )
    >>> display.paths[0].round(4)
    array([[0.    , 1.    ],
           [0.016 , 1.008 ],
           [0.0301, 1.0119],
           [0.043 , 1.0132]])
    """

    def __init__(
        self,
        *,
        x: Any,
        y: Any,
        cost: Any,
        paths: Any,
        path_costs: Any,
        names: Any,
        labels: Any,
    ) -> None:
        self.x = x
        self.y = y
        self.cost = cost
        self.paths = paths
        self.path_costs = path_costs
        self.names = names
        self.labels = labels

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """The surface of one estimator.

        Parameters
        ----------
        estimator : GDRegressor, GDClassifier or MLPGD
            A clone is fitted, the estimator itself stays as it is. With ``path=False``
            nothing is fitted, and it must be fitted already.
        X, y : array-like
            Training data.
        name : str, default=None
            For the legend.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        **kwargs : dict
            As in :meth:`from_estimators`.

        Returns
        -------
        CostSurfaceDisplay
        """
        pairs = [estimator if name is None else (name, estimator)]
        return cls.from_estimators(pairs, X, y, ax=ax, **kwargs)

    @classmethod
    def from_learning_rates(
        cls, estimator: Any, X: Any, y: Any, *, lrs: Any, ax: Any = None, **kwargs: Any
    ) -> Self:
        """The paths that one estimator takes at several learning rates, side by side.

        Parameters
        ----------
        estimator : GDRegressor, GDClassifier or MLPGD
            Clones of it are fitted.
        X, y : array-like
            Training data.
        lrs : sequence of float
            Learning rates.
        ax : matplotlib Axes, default=None
            Given, all paths are drawn in it; by default each gets a panel of its own.
        **kwargs : dict
            As in :meth:`from_estimators`.

        Returns
        -------
        CostSurfaceDisplay
        """
        pairs = [(f"lr = {lr:g}", clone(estimator).set_params(lr=lr)) for lr in lrs]
        kwargs = {"panels": ax is None} | kwargs
        return cls.from_estimators(pairs, X, y, ax=ax, **kwargs)

    @classmethod
    def from_estimators(
        cls,
        estimators: Any,
        X: Any,
        y: Any,
        *,
        parameters: Any = None,
        directions: str | None = None,
        path: Any = True,
        max_steps: int | None = None,
        fit_params: dict[str, Any] | None = None,
        xlim: Any = None,
        ylim: Any = None,
        grid_resolution: int | None = None,
        random_state: Any = 0,
        ax: Any = None,
        **plot_kw: Any,
    ) -> Self:
        """The paths of several estimators on the surface they share.

        Parameters
        ----------
        estimators : dict of str to estimator, or list
            They must minimise the same objective: the surface is that of the one that
            ends lowest. Pipelines, which must agree in what comes before the last step,
            are drawn in the columns that this step sees. A list holds estimators or
            (name, estimator) pairs.
        X, y : array-like
            Training data.
        parameters : pair, default=None
            The two parameters of a linear model: column number, column name,
            "intercept", or a pair of output number and one of these. None takes
            intercept and weight where there is one feature, else the first two
            features.
        directions : {"path", "random"}, default=None
            In place of `parameters`, and the only choice for networks. "path" is the
            plane in which the paths vary most, "random" two random directions,
            normalised filter by filter (Li et al., 2018). None takes "path" for
            networks where there is one, else "random".
        path : bool, default=True
            Whether to fit, and record the path. False shows the surface around the
            weights of a fitted estimator.
        max_steps : int, default=None
            Updates to record at most; None records all of the fit.
        fit_params : dict, default=None
            Passed to fit, such as ``coef_init`` and ``intercept_init``.
        xlim, ylim : pair of float, default=None
            Range of the two parameters; by default around the paths.
        grid_resolution : int, default=None
            Points of the grid in each direction; by default 100, and 30 for networks,
            whose objective takes longer.
        random_state : int, RandomState instance or None, default=0
            For random directions.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        **plot_kw : dict
            Passed to :meth:`plot`.

        Returns
        -------
        CostSurfaceDisplay
        """
        _style.require_matplotlib(f"{cls.__name__}.from_estimators")
        names, estimators = _style.named(
            estimators, lambda one: _style.describe_estimator(_last(one))
        )
        pairs = [inside_pipeline(model, X, y, fitted=not path) for model in estimators]
        tables = [table for _, table in pairs]
        fitted, points = [model for model, _ in pairs], []
        if path:
            walked = [
                walk(model, table, y, max_steps=max_steps, **(fit_params or {}))
                for model, table in pairs
            ]
            fitted = [one.estimator for one in walked]
            points = [one.points for one in walked]
        function = _function_of_lowest(fitted, tables, y)
        plane = choose_plane(
            function.estimator,
            function.fitted_point,
            points,
            parameters,
            directions,
            random_state,
        )
        paths = [plane.coordinates(point) for point in points]
        path_costs = [function(point) for point in points]
        x, y_, cost = _grid(
            function, plane, paths, path_costs, (xlim, ylim), grid_resolution
        )
        display = cls(
            x=x,
            y=y_,
            cost=cost,
            paths=paths,
            path_costs=path_costs,
            names=names,
            labels=plane.labels,
        )
        return display.plot(ax=ax, **plot_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        kind: str = "contour",
        panels: Any = False,
        levels: Any = 14,
        path_kw: dict[str, Any] | None = None,
        surface_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the surface and the paths.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure. A 3-D one for "surface".
        kind : {"contour", "surface"}, default="contour"
            A map with contour lines, or a surface in three dimensions.
        panels : bool, default=False
            Whether each path gets a panel of its own, in a new figure.
        levels : int or array, default=14
            Contour lines: their number, spaced so that those of a round bowl are
            evenly apart, or the values themselves.
        path_kw : dict, default=None
            Passed to the ``ax.plot`` of the paths.
        surface_kw : dict, default=None
            Passed to ``ax.contourf`` or ``ax.plot_surface``.

        Returns
        -------
        self : CostSurfaceDisplay
        """
        if kind not in ("contour", "surface"):
            raise ValueError(f"kind must be 'contour' or 'surface', got {kind!r}.")
        self.axes_ = self._new_axes(ax, kind, panels)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        self.path_lines_: list[Any] = []
        self.end_markers_: list[Any] = []
        self._kind = kind
        draw = self._draw_map if kind == "contour" else self._draw_surface
        for axes in self.axes_:
            self.surface_ = draw(axes, levels, surface_kw or {})
        single = len(self.axes_) == 1
        for i, path in enumerate(self.paths):
            axes = self.axes_[0 if single else i]
            self.path_lines_.append(
                self._draw_path(axes, i, path, path_kw, numbered=single)
            )
            if not single:
                axes.set_title(self.names[i])
        if single and len(self.paths) > 1:
            corner = "upper left" if kind == "surface" else "best"
            self.ax_.legend(loc=corner, framealpha=0.9)
        elif single:
            self.ax_.set_title(self.names[0])
        return self

    def _new_axes(self, ax, kind, panels):
        caller = f"{type(self).__name__}.plot"
        if not panels or len(self.paths) < 2:
            size, projection = (
                (6.4, 4.8),
                {"projection": "3d", "computed_zorder": False},
            )
            projection = projection if kind == "surface" else {}
            return [_style.new_axes(ax, caller, size=size, **projection)]
        if ax is not None:
            raise ValueError("panels=True draws in a new figure: leave out ax.")
        _style.require_matplotlib(caller)
        import matplotlib.pyplot as plt

        n = len(self.paths)
        projection = {"projection": "3d", "computed_zorder": False}
        _, axes = plt.subplots(
            1,
            n,
            figsize=(3.6 * n + 0.4, 3.6),
            layout="constrained",
            sharex=kind == "contour",
            sharey=kind == "contour",
            subplot_kw=projection if kind == "surface" else None,
        )
        return list(axes)

    def _draw_map(self, ax, levels, surface_kw):
        surface = _style.draw_map(ax, self.x, self.y, self.cost, levels, **surface_kw)
        ax.set(
            xlabel=self.labels[0],
            xlim=(self.x[0], self.x[-1]),
            ylim=(self.y[0], self.y[-1]),
        )
        if ax is self.axes_[0]:
            ax.set_ylabel(self.labels[1])
        return surface

    def _draw_surface(self, ax, levels, surface_kw):
        from matplotlib.colors import PowerNorm

        # As the levels of the map: steps even in distance, not in height.
        shaded = {"norm": PowerNorm(0.5)} | surface_kw
        surface = _style.draw_surface(
            ax, self.x, self.y, self.cost, zlabel="objective", zoom=0.9, **shaded
        )
        ax.set(xlabel=self.labels[0], ylabel=self.labels[1])
        ax.yaxis.labelpad = 8
        return surface

    def _draw_path(self, ax, i, path, path_kw, numbered):
        marked = len(path) <= MAX_MARKERS
        style = {
            "color": _style.colour(i if numbered else 0),
            "linewidth": 1.4 if marked else 0.9,
            "marker": _style.marker(i if numbered else 0) if marked else None,
            "markersize": 4.5,
            "markeredgecolor": "white",
            "markeredgewidth": 0.4,
            "label": self.names[i],
            "zorder": 3 + i,
            "clip_on": True,
        }
        (line,) = ax.plot(*self._line_data(i), **_style.merged(style, path_kw))
        ends = {"color": line.get_color(), "linestyle": ""}
        data = self._line_data(i)
        ax.plot(
            *(values[:1] for values in data),
            marker="o",
            markersize=9,
            markerfacecolor="none",
            markeredgewidth=1.6,
            zorder=20 + i,
            **ends,
        )
        (end,) = ax.plot(
            *(values[-1:] for values in data),
            marker="*",
            markersize=13,
            markeredgecolor="white",
            markeredgewidth=0.7,
            zorder=30 + i,
            **ends,
        )
        self.end_markers_.append(end)
        return line

    def _line_data(self, i, stop=None):
        """What to give the line of path i, up to the point number `stop`."""
        columns = [self.paths[i][:stop, 0], self.paths[i][:stop, 1]]
        if self._kind == "surface":
            # Lifted by a hair, so that the surface does not swallow the line.
            lift = 0.01 * np.ptp(self.cost)
            inside = np.array([self._inside(point) for point in self.paths[i][:stop]])
            heights = np.where(inside, self.path_costs[i][:stop] + lift, np.nan)
            columns.append(heights)
        return columns

    def _inside(self, point):
        return (
            self.x[0] <= point[0] <= self.x[-1] and self.y[0] <= point[1] <= self.y[-1]
        )

    @property
    def n_frames(self) -> int:
        """Points of the longest path."""
        return max((len(path) for path in self.paths), default=0)

    def moving_artists(self) -> list[Any]:
        """What `show_frame` changes; all else stands still."""
        return [*self.path_lines_, *self.end_markers_]

    def show_frame(self, frame: int) -> Any:
        """Show the paths up to a point, once drawn; for :func:`skgd.display.animate`.

        Parameters
        ----------
        frame : int
            Number of the last point, from 0.
        """
        for i, (line, end) in enumerate(
            zip(self.path_lines_, self.end_markers_, strict=True)
        ):
            data = self._line_data(i, frame + 1)
            last = [values[-1:] for values in data]
            if self._kind == "surface":
                line.set_data_3d(*data)
                end.set_data_3d(*last)
            else:
                line.set_data(*data)
                end.set_data(*last)


def _last(estimator):
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator


def _function_of_lowest(estimators: Any, tables: Any, y: Any) -> CostFunction:
    """The objective of the fitted estimator where it is lowest."""
    for estimator in estimators:
        check_is_fitted(estimator)
    functions = [
        CostFunction(estimator, table, y)
        for estimator, table in zip(estimators, tables, strict=True)
    ]
    costs = [function([function.fitted_point])[0] for function in functions]
    return functions[int(np.nanargmin(costs))]


def _grid(
    function: Any, plane: Any, paths: Any, path_costs: Any, limits: Any, n: int | None
) -> Any:
    """Both axes around the paths, and the objective at the points of their grid."""
    if n is None:
        n = 30 if hasattr(function.estimator, "coefs_") else 100
    centre = plane.coordinates(function.fitted_point)
    near = [_near(*both) for both in zip(paths, path_costs, strict=True)]
    everything = np.vstack([centre[None], *near])
    x, y = (_axis(everything[:, k], limits[k], n) for k in range(2))
    xx, yy = np.meshgrid(x, y)
    cost = function(plane.points(xx.ravel(), yy.ravel())).reshape(xx.shape)
    return x, y, cost


def _axis(values: Any, limits: Any, n: int) -> Any:
    """Points of one axis of the grid, around `values` unless there are limits."""
    low, high = _range(values) if limits is None else limits
    return np.linspace(low, high, n)


def _near(path, costs):
    """The points of a path worth showing: not those of a divergent run."""
    return path[costs <= HIGHEST * max(costs[0], 0.0)] if costs[0] > 0 else path


def _range(values):
    low, high = values.min(), values.max()
    width = high - low
    # A weight that stays where it is still moves by rounding errors.
    if width <= 1e-9 * max(abs(low), abs(high)):
        width = max(1.0, abs(high))
    return low - MARGIN * width, high + MARGIN * width
