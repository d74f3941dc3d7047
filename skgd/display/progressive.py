"""ProgressiveDisplay: scores of models on rows that they had not seen yet.

Draws what `skgd.data.progressive_score` returned; trains nothing.
"""

from typing import Any, Self

import numpy as np

from skgd.display import _style


class ProgressiveDisplay:
    """How well models did on each row of a stream before they learnt from it.

    Use :meth:`from_result`; the constructor takes what it found.

    Parameters
    ----------
    results : list of Bunch
        For each model, `rows`, `score` and `running_score`.
    names : list of str
        For the legend.
    scorer : str
        What the scores are, for the axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        The running score of each model.
    points_ : list of matplotlib Line2D
        The scores of the entries, lighter; empty if they are not drawn.

    See Also
    --------
    skgd.data.progressive_score : Tests and trains the models.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skgd import GDClassifier
    >>> from skgd.data import from_arrays, progressive_score
    >>> from skgd.display import ProgressiveDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> models = {"auto": GDClassifier(), "fixed": GDClassifier(lr=0.01)}
    >>> batches = from_arrays(X, y, batch_size=100)
    >>> result = progressive_score(models, batches, classes=range(10))
    >>> display = ProgressiveDisplay.from_result(result)
    >>> [line.get_label() for line in display.lines_]
    ['auto', 'fixed']
    """

    def __init__(self, *, results: Any, names: Any, scorer: str) -> None:
        self.results = results
        self.names = names
        self.scorer = scorer

    @classmethod
    def from_result(
        cls,
        result: Any,
        *,
        scoring: str | None = None,
        name: str | None = None,
        ax: Any = None,
        **plot_kw: Any,
    ) -> Self:
        """The scores of one model, or of several.

        Parameters
        ----------
        result : Bunch
            What `progressive_score` returned, for one estimator or several.
        scoring : str, default=None
            Which score to draw, where there are several; by default the first.
        name : str, default=None
            For the legend, where there is one estimator; or for the axis, where the
            score has no name of its own.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        **plot_kw : dict
            Passed to :meth:`plot`.

        Returns
        -------
        ProgressiveDisplay
        """
        _style.require_matplotlib(f"{cls.__name__}.from_result")
        alone = "rows" in result and "score" in result
        named = {name or "running score": result} if alone else dict(result)
        results, label = [], scoring or "score"
        for one in named.values():
            if isinstance(one["score"], dict):
                label = scoring or next(iter(one["score"]))
                if label not in one["score"]:
                    raise ValueError(
                        f"scoring must be one of {list(one['score'])}, got {label!r}."
                    )
                one = {
                    "rows": one["rows"],
                    "score": one["score"][label],
                    "running_score": one["running_score"][label],
                }
            results.append(one)
        display = cls(results=results, names=list(named), scorer=label)
        return display.plot(ax=ax, **plot_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        points: bool = True,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the scores against the number of rows seen.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        points : bool, default=True
            Whether to draw the score of each entry, too, as a light point.
        line_kw : dict, default=None
            Passed to the ``ax.plot`` of the running scores.

        Returns
        -------
        self : ProgressiveDisplay
        """
        ax = _style.new_axes(ax, f"{type(self).__name__}.plot")
        self.lines_, self.points_ = [], []
        for i, (result, name) in enumerate(zip(self.results, self.names, strict=True)):
            style = {
                "color": _style.colour(i),
                "linestyle": _style.line_style(i),
                "label": name,
                "zorder": 3,
            }
            if points:
                (marks,) = ax.plot(
                    result["rows"],
                    result["score"],
                    linestyle="",
                    marker=_style.marker(i),
                    markersize=3,
                    alpha=0.35,
                    color=_style.colour(i),
                )
                self.points_.append(marks)
            (line,) = ax.plot(
                result["rows"],
                result["running_score"],
                **_style.merged(style, line_kw),
            )
            self.lines_.append(line)
        self._show_the_most(ax)
        title = self.names[0] if len(self.names) == 1 else None
        label = self.scorer.replace("_", " ")
        _style.dress(ax, xlabel="rows seen", ylabel=label, title=title)
        if len(self.names) > 1:
            _style.legend(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _show_the_most(self, ax):
        """Let the running scores fill the axes, whatever the first entries were."""
        running = np.concatenate([result["running_score"] for result in self.results])
        points = np.concatenate([result["score"] for result in self.results])
        running, points = running[np.isfinite(running)], points[np.isfinite(points)]
        if not running.size:
            return
        # Early scores may be far below all others, as an R^2 of -1000.
        low = min(
            running[running.size // 10 :].min(), *np.quantile(points, [0.05, 0.95])
        )
        high = max(running.max(), points.max())
        margin = 0.05 * (high - low) or 0.05
        ax.set_ylim(low - margin, high + margin)
