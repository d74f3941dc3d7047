"""GridDisplay: the scores of a grid search over two parameters, as a heat map.

The scores come from a fitted search; nothing is fitted here.
"""

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skgd.display import _style

# A grid of more cells has no numbers in them: nobody could read those.
MAX_NUMBERS = 100


class GridDisplay:
    """Mean scores of two parameters of a search: one along each axis.

    Parameters
    ----------
    x, y : str
        Names of the parameters.
    x_values, y_values : list
        Their values, in ascending order where they have one.
    scores : array of shape (n_y, n_x)
        Mean score of each pair, the best over all other parameters; NaN where a pair
        was not tried.
    name : str
        What the score is.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    image_ : matplotlib AxesImage
    best_ : tuple of int
        Row and column of the best pair.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skgd import GDRegressor
    >>> from skgd.display import GridDisplay
    >>> X, y = load_diabetes(return_X_y=True)
    >>> grid = {"alpha": [1e-4, 1e-2], "loss": ["huber", "squared_error"]}
    >>> search = GridSearchCV(GDRegressor(penalty="l2"), grid).fit(X, y)
    >>> GridDisplay.from_search(search, x="alpha", y="loss").scores.shape
    (2, 2)
    """

    def __init__(
        self, *, x: str, y: str, x_values: Any, y_values: Any, scores: Any, name: str
    ) -> None:
        self.x = x
        self.y = y
        self.x_values = x_values
        self.y_values = y_values
        self.scores = scores
        self.name = name

    @classmethod
    def from_search(
        cls, search: Any, *, x: str, y: str, ax: Any = None, **plot_kw: Any
    ) -> Self:
        """The scores of a fitted search.

        Parameters
        ----------
        search : fitted GridSearchCV or the like
            With `cv_results_`; also a `GDClassifierCV` with several `l1_ratio`.
        x, y : str
            Names of two of its parameters, as in its grid.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        **plot_kw : dict
            Passed to :meth:`plot`.

        Returns
        -------
        GridDisplay

        Raises
        ------
        ValueError
            For a name that the search has not tried, with those that it has.
        """
        _style.require_matplotlib(f"{cls.__name__}.from_search")
        check_is_fitted(search, "cv_results_")
        results = search.cv_results_
        tried = sorted({name for asked in results["params"] for name in asked})
        for name in (x, y):
            if name not in tried:
                raise ValueError(f"{name!r} is none of the parameters tried: {tried}.")
        x_values, y_values = (
            _ordered([asked[name] for asked in results["params"] if name in asked])
            for name in (x, y)
        )
        scores = np.full((len(y_values), len(x_values)), np.nan)
        for asked, score in zip(
            results["params"], results["mean_test_score"], strict=True
        ):
            if x in asked and y in asked:
                cell = _place(asked[y], y_values), _place(asked[x], x_values)
                scores[cell] = np.fmax(scores[cell], score)
        scoring = getattr(search, "scoring", None)
        name = scoring if isinstance(scoring, str) else "score"
        display = cls(
            x=x, y=y, x_values=x_values, y_values=y_values, scores=scores, name=name
        )
        return display.plot(ax=ax, **plot_kw)

    def plot(
        self, ax: Any = None, *, numbers: bool | None = None, cmap: Any = None
    ) -> Self:
        """Draw a cell for each pair, the best one framed.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        numbers : bool, default=None
            Whether to write the scores into the cells; by default up to 100 of them.
        cmap : str or Colormap, default=None
            By default white for low to grey-blue for high scores.

        Returns
        -------
        self : GridDisplay
        """
        ax = _style.new_axes(ax, f"{type(self).__name__}.plot")
        scores = np.asarray(self.scores, dtype=float)
        self.image_ = ax.imshow(
            scores,
            origin="lower",
            aspect="auto",
            cmap=_style.shades() if cmap is None else cmap,
        )
        ax.grid(visible=False)  # it would cross the numbers, where it is on by default
        ax.set_xticks(range(len(self.x_values)), map(_text, self.x_values))
        ax.set_yticks(range(len(self.y_values)), map(_text, self.y_values))
        if numbers is None:
            numbers = scores.size <= MAX_NUMBERS
        for (row, column), score in np.ndenumerate(scores):
            if numbers and np.isfinite(score):
                ax.text(column, row, f"{score:.3g}", ha="center", va="center")
        self.best_ = None
        if np.isfinite(scores).any():
            best = np.unravel_index(np.nanargmax(scores), scores.shape)
            self.best_ = tuple(int(i) for i in best)
            from matplotlib.patches import Rectangle

            corner = self.best_[1] - 0.5, self.best_[0] - 0.5
            frame = Rectangle(corner, 1, 1, fill=False, edgecolor="black", linewidth=2)
            ax.add_patch(frame)
        ax.figure.colorbar(self.image_, ax=ax, label=f"mean {self.name}")
        _style.dress(ax, xlabel=self.x, ylabel=self.y, grid=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _ordered(values):
    """Different values, in ascending order where they have one."""
    different = []
    for value in values:
        if not any(_same(value, other) for other in different):
            different.append(value)
    try:
        return sorted(different)
    except (TypeError, ValueError):
        return different


def _same(a, b):
    return a is b or (type(a) is type(b) and a == b)


def _place(value, values):
    return next(i for i, other in enumerate(values) if _same(value, other))


def _text(value):
    return f"{value:.3g}" if isinstance(value, float) else str(value)
