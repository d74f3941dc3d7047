"""CoefficientPathDisplay: how each coefficient moves during training.

The path comes from the estimator's own fit.
"""

from typing import Any, Self

import numpy as np
from sklearn.utils.sparsefuncs import mean_variance_axis

from skgd.display import _style
from skgd.display._path import inside_pipeline, walk

# More lines than this get no legend: nobody could read it.
MAX_LEGEND = 12


class CoefficientPathDisplay:
    """Coefficients of a linear model after each update, or against its penalty.

    Parameters
    ----------
    steps : array of shape (n_points,)
        Updates made, or strengths of the penalty.
    coefficients : array of shape (n_points, n_coefficients)
        Values, in units of the feature, or per standard deviation of the feature.
    names : list of str
        Names of the coefficients.
    scaled : bool
        Whether they are per standard deviation.
    over : {"updates", "alpha"}, default="updates"
        What `steps` are.
    chosen : float, default=None
        The strength to mark.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDRegressor
    >>> from skgd.display import CoefficientPathDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model = GDRegressor(solver="batch", max_iter=20, tol=None)
    >>> display = CoefficientPathDisplay.from_estimator(model, X, y, scaled=True)
    >>> display.coefficients.shape[1]  # a row for the start and for each epoch
    10
    """

    def __init__(
        self,
        *,
        steps: Any,
        coefficients: Any,
        names: Any,
        scaled: bool,
        over: str = "updates",
        chosen: float | None = None,
    ) -> None:
        self.steps = steps
        self.coefficients = coefficients
        self.names = names
        self.scaled = scaled
        self.over = over
        self.chosen = chosen

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        scaled: bool = False,
        max_steps: int | None = None,
        fit_params: dict[str, Any] | None = None,
        ax: Any = None,
        **plot_kw: Any,
    ) -> Self:
        """The path of an estimator's coefficients.

        Parameters
        ----------
        estimator : GDRegressor or GDClassifier
            A clone is fitted, the estimator itself stays as it is.
        X, y : array-like
            Training data.
        scaled : bool, default=False
            Multiply each coefficient by the standard deviation of its feature, so that
            coefficients of features in different units can be compared.
        max_steps : int, default=None
            Updates to record at most; None records all of the fit.
        fit_params : dict, default=None
            Passed to fit.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        **plot_kw : dict
            Passed to :meth:`plot`.

        Returns
        -------
        CoefficientPathDisplay
        """
        _style.require_matplotlib(f"{cls.__name__}.from_estimator")
        estimator, X = inside_pipeline(estimator, X, y)
        walked = walk(estimator, X, y, max_steps=max_steps, **(fit_params or {}))
        fitted = walked.estimator
        if not hasattr(fitted, "coef_"):
            raise ValueError("A network has too many coefficients for this picture.")
        n_features, n_coefficients = fitted.n_features_in_, np.size(fitted.coef_)
        coefficients = walked.points[:, :n_coefficients]
        n_outputs = n_coefficients // n_features
        if scaled:
            coefficients = coefficients * np.tile(_spread(X), n_outputs)
        names = list(getattr(fitted, "feature_names_in_", range(n_features)))
        names = [str(name) for name in names]
        if n_outputs > 1:
            outputs = getattr(fitted, "classes_", range(n_outputs))
            names = [f"{output}: {name}" for output in outputs for name in names]
        display = cls(
            steps=walked.steps, coefficients=coefficients, names=names, scaled=scaled
        )
        return display.plot(ax=ax, **plot_kw)

    @classmethod
    def from_path(
        cls,
        path: Any,
        *,
        chosen: float | None = None,
        scaled: bool = False,
        ax: Any = None,
        **plot_kw: Any,
    ) -> Self:
        """Coefficients against the strength of the penalty.

        Parameters
        ----------
        path : CoefficientPath
            What :func:`skgd.path` returned.
        chosen : float, default=None
            A strength to mark by a line, such as `alpha_` of a search.
        scaled : bool, default=False
            Multiply each coefficient by the standard deviation of its feature.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        **plot_kw : dict
            Passed to :meth:`plot`.

        Returns
        -------
        CoefficientPathDisplay

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from skgd import path
        >>> from skgd.display import CoefficientPathDisplay
        >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
        >>> found = path(X, y, alphas=20)
        >>> CoefficientPathDisplay.from_path(found, chosen=0.1).names[:3]
        ['age', 'sex', 'bmi']
        """
        _style.require_matplotlib(f"{cls.__name__}.from_path")
        coefficients = path.coefs * path.spread if scaled else path.coefs
        names = list(path.feature_names)
        if coefficients.ndim == 3:
            outputs = range(coefficients.shape[1])
            outputs = outputs if path.classes is None else path.classes
            names = [f"{output}: {name}" for output in outputs for name in names]
        display = cls(
            steps=path.alphas,
            coefficients=coefficients.reshape(len(coefficients), -1),
            names=names,
            scaled=scaled,
            over="alpha",
            chosen=chosen,
        )
        return display.plot(ax=ax, **plot_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        xscale: str | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw a line for each coefficient.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        xscale : {"linear", "log"}, default=None
            Scale of the number of updates, where "log" leaves out the start, or of the
            strength. By default "linear" for updates, and "log" for strengths.
        line_kw : dict, default=None
            Passed to ``ax.plot``.

        Returns
        -------
        self : CoefficientPathDisplay
        """
        ax = _style.new_axes(ax, f"{type(self).__name__}.plot")
        self.lines_ = []
        n_colours = len(_style.COLOURS)
        for i, name in enumerate(self.names):
            style = {
                "color": _style.colour(i),
                # A new style when the colours are used up, so that no two are alike.
                "linestyle": _style.line_style(i // n_colours),
                "label": name,
            }
            (line,) = ax.plot(
                self.steps, self.coefficients[:, i], **_style.merged(style, line_kw)
            )
            self.lines_.append(line)
        against = self.over == "alpha"
        ax.set_xscale(xscale or ("log" if against else "linear"))
        if self.chosen is not None:
            ax.axvline(self.chosen, color="0.4", linestyle=":", linewidth=1.2)
        ax.axhline(0.0, color="0.6", linewidth=0.8, zorder=1)
        unit = " per standard deviation" if self.scaled else ""
        _style.dress(ax, xlabel=self.over, ylabel=f"coefficient{unit}")
        if len(self.names) <= MAX_LEGEND:
            _style.legend_beside(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _spread(X):
    """Standard deviation of each column, of sparse matrices too."""
    if hasattr(X, "tocsr"):
        return np.sqrt(mean_variance_axis(X.tocsr(), axis=0)[1])
    return np.std(np.asarray(X, dtype=np.float64), axis=0)
