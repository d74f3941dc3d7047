"""ValidationPathDisplay: the score of each strength of a penalty.

The scores come from a fitted search; nothing is fitted here.
"""

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skgd.display import _style


class ValidationPathDisplay:
    """Score against the strength of the penalty: each fold, their mean, its error.

    Parameters
    ----------
    alphas : array of shape (n_alphas,)
        Strengths.
    scores : array of shape (n_folds, n_alphas)
        Score of each on the rows held out in each fold; higher is better.
    chosen : float
        The strength that was chosen.
    name : str
        What the score is.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    fold_lines_ : list of matplotlib Line2D
    mean_line_ : matplotlib Line2D
    error_band_ : matplotlib artist
        One standard error to both sides of the mean.
    chosen_line_ : matplotlib Line2D

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDRegressorCV
    >>> from skgd.display import ValidationPathDisplay
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = GDRegressorCV(refit="one_standard_error").fit(X, y)
    >>> display = ValidationPathDisplay.from_estimator(model)
    >>> display.scores.shape
    (5, 20)
    """

    def __init__(self, *, alphas: Any, scores: Any, chosen: float, name: str) -> None:
        self.alphas = alphas
        self.scores = scores
        self.chosen = chosen
        self.name = name

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, **plot_kw: Any) -> Self:
        """The scores of a fitted search.

        Parameters
        ----------
        estimator : GDRegressorCV or GDClassifierCV
            Fitted. Of several `l1_ratio` the one that was chosen is shown.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        **plot_kw : dict
            Passed to :meth:`plot`.

        Returns
        -------
        ValidationPathDisplay
        """
        _style.require_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator, "scores_")
        alphas, scores = estimator.alphas_, estimator.scores_
        if alphas.ndim == 2:
            ratio = estimator.best_index_ // alphas.shape[1]
            alphas, scores = alphas[ratio], scores[ratio]
        scoring = estimator.scoring
        if scoring == "loss":
            name = "minus the mean loss"
        else:
            name = scoring if isinstance(scoring, str) else "score"
        display = cls(alphas=alphas, scores=scores, chosen=estimator.alpha_, name=name)
        return display.plot(ax=ax, **plot_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        line_kw: dict[str, Any] | None = None,
        fold_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the folds, their mean and its standard error.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        line_kw : dict, default=None
            Passed to ``ax.plot`` for the mean.
        fold_kw : dict, default=None
            Passed to ``ax.plot`` for the folds.

        Returns
        -------
        self : ValidationPathDisplay
        """
        ax = _style.new_axes(ax, f"{type(self).__name__}.plot")
        scores, alphas = np.asarray(self.scores), np.asarray(self.alphas)
        faint = {"color": "0.75", "linewidth": 0.8, "zorder": 1}
        self.fold_lines_ = [
            ax.plot(alphas, fold, **_style.merged(faint, fold_kw))[0] for fold in scores
        ]
        mean = scores.mean(axis=0)
        style = {"color": _style.colour(1), "label": f"mean of {len(scores)} folds"}
        (self.mean_line_,) = ax.plot(alphas, mean, **_style.merged(style, line_kw))
        self.error_band_ = None
        if len(scores) > 1:
            error = scores.std(axis=0, ddof=1) / np.sqrt(len(scores))
            self.error_band_ = ax.fill_between(
                alphas,
                mean - error,
                mean + error,
                color=self.mean_line_.get_color(),
                alpha=0.2,
                linewidth=0.0,
                label="one standard error",
            )
        self.chosen_line_ = ax.axvline(
            self.chosen,
            color=_style.GREY,
            linestyle=":",
            label=f"chosen: {self.chosen:.3g}",
        )
        positive = alphas > 0.0
        if positive.all():
            ax.set_xscale("log")
        else:
            ax.set_xscale("symlog", linthresh=alphas[positive].min(initial=1.0))
        _style.dress(ax, xlabel="alpha", ylabel=self.name)
        _style.legend(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self
