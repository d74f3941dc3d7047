"""The common look of the pictures, and the check that matplotlib is there.

No data and no particular picture: colours, axes, and how several estimators are named.
"""

from collections.abc import Mapping

import numpy as np

# Okabe and Ito (2008), "Color universal design": told apart under every kind of colour
# blindness. Their yellow is left out: it does not show on white.
COLOURS = (
    "#D55E00",  # vermillion
    "#0072B2",  # blue
    "#009E73",  # bluish green
    "#CC79A7",  # reddish purple
    "#E69F00",  # orange
    "#56B4E9",  # sky blue
    "#000000",
)
LINE_STYLES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

GREY = "#595959"


def require_matplotlib(caller):
    """ImportError that names the extra, unless matplotlib can be imported."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib. Install it with: pip install skgd[plot]"
        ) from error


def new_axes(ax, caller, *, size=(6.4, 4.4), **subplot_kw):
    """`ax`, or the axes of a new figure.

    Parameters
    ----------
    ax : matplotlib Axes or None
    caller : str
        What the ImportError says needs matplotlib.
    size : tuple of float
        Width and height of a new figure in inches.
    **subplot_kw : dict
        Passed to a new axes, such as ``projection="3d"``.
    """
    require_matplotlib(caller)
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    _, ax = plt.subplots(
        figsize=size, layout="constrained", subplot_kw=subplot_kw or None
    )
    return ax


def dress(ax, *, xlabel, ylabel, title=None, grid=True):
    """Labels, a light grid behind the data, and no box around it."""
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if title is not None:
        ax.set_title(title)
    if grid:
        ax.grid(visible=True, color="0.9", linewidth=0.8)
        ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def colour(i):
    """The colour of the line number i."""
    return COLOURS[i % len(COLOURS)]


def line_style(i):
    """A second mark of the line number i, for prints in black and white."""
    return LINE_STYLES[i % len(LINE_STYLES)]


def marker(i):
    """The marker of the path number i."""
    return MARKERS[i % len(MARKERS)]


def readable_log(axis, low, high):
    """Ticks of a log axis from `low` to `high` as plain numbers, never just one."""
    from matplotlib.ticker import LogLocator, NullFormatter

    if high < 100.0 * low:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def legend_beside(ax, **kwargs):
    """A legend to the right of the axes, where it hides nothing."""
    legend(ax, loc="center left", bbox_to_anchor=(1.0, 0.5), **kwargs)


def contour_levels(cost, n_levels):
    """Values whose contours of a round bowl are evenly apart."""
    low, high = np.nanmin(cost), np.nanmax(cost[np.isfinite(cost)])
    return low + (high - low) * np.linspace(0.0, 1.0, n_levels + 1) ** 2


def draw_map(ax, x, y, values, levels, **filled):
    """A map with contour lines; returns what fills it.

    Parameters
    ----------
    ax : matplotlib Axes
    x, y : array of shape (n_x,), array of shape (n_y,)
    values : array of shape (n_y, n_x)
    levels : int or array
        Number of the lines, or their values.
    **filled : dict
        Passed to ``ax.contourf``.
    """
    if np.ndim(levels) == 0:
        levels = contour_levels(values, levels)
    filled = {"cmap": shades(), "extend": "max"} | filled
    surface = ax.contourf(x, y, values, levels=levels, **filled)
    ax.contour(x, y, values, levels=levels, colors="0.45", linewidths=0.5)
    return surface


def draw_surface(ax, x, y, values, *, zlabel, zoom, **shaded):
    """A surface over a grid in three dimensions; returns it.

    Parameters
    ----------
    ax : matplotlib Axes3D
    x, y, values : arrays
        As of `draw_map`.
    zlabel : str
    zoom : float
        Size of the box: below 1 there is room at the edge.
    **shaded : dict
        Passed to ``ax.plot_surface``.
    """
    shaded = {
        "cmap": shades("#4f7da3"),
        "rcount": 40,
        "ccount": 40,
        "edgecolor": "0.55",
        "linewidth": 0.2,
        "alpha": 0.95,
        "zorder": 1,
    } | shaded
    surface = ax.plot_surface(*np.meshgrid(x, y), values, **shaded)
    ax.set_zlabel(zlabel)
    # Room between the numbers and the name.
    ax.zaxis.labelpad = 8
    ax.locator_params(nbins=5)
    ax.set_box_aspect(None, zoom=zoom)
    return surface


def shades(highest="#8aa5bd"):
    """White for low to grey-blue for high: light enough for paths of any colour."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("valley", ["#ffffff", highest])


def merged(defaults, given):
    """Keyword arguments of an artist: ours, overridden by the user's."""
    from matplotlib import cbook

    return {**defaults, **cbook.normalize_kwargs(given or {}, _alias_of_line())}


def _alias_of_line():
    from matplotlib.lines import Line2D

    return Line2D


def legend(ax, **kwargs):
    """A legend if anything has a label."""
    handles, _ = ax.get_legend_handles_labels()
    if handles:
        ax.legend(frameon=False, **kwargs)


def named(things, describe):
    """Names and values of a mapping, of a sequence, or of (name, value) pairs.

    Parameters
    ----------
    things : mapping or sequence
    describe : callable(value) -> str
        The name of a value that has none. Equal names get a number.

    Returns
    -------
    names : list of str
    values : list
    """
    if isinstance(things, Mapping):
        return [str(name) for name in things], list(things.values())
    names, values = [], []
    for thing in things:
        is_pair = (
            isinstance(thing, tuple) and len(thing) == 2 and isinstance(thing[0], str)
        )
        name, value = thing if is_pair else (describe(thing), thing)
        names.append(name)
        values.append(value)
    repeated = {name for name in names if names.count(name) > 1}
    counts = dict.fromkeys(repeated, 0)
    for i, name in enumerate(names):
        if name in repeated:
            counts[name] += 1
            names[i] = f"{name} {counts[name]}"
    return names, values


def describe_estimator(estimator):
    """A short name for a legend: how many rows an update, by which rule, at what rate.

    Other things than `skgd` estimators are called by their class.
    """
    if not hasattr(estimator, "solver"):
        return type(estimator).__name__
    rule = estimator.optimizer
    rule = rule if isinstance(rule, str) else type(rule).__name__.lower()
    words = [estimator.solver]
    if rule != "gd":
        words.append(rule)
    rate = estimator.lr if estimator.lr == "auto" else f"{estimator.lr:g}"
    return f"{' '.join(words)}, lr={rate}"
