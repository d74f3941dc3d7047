"""MomentumRateDisplay: how fast momentum converges, by step size and momentum.

The theory of a quadratic objective; no training.
"""

from typing import Any, Self

import numpy as np

from skgd.display import _style
from skgd.display._cost import CostFunction

REGIMES = ("monotone", "ripples", "alternating", "divergence")


class MomentumRateDisplay:
    """Convergence factor of gradient descent with momentum on a quadratic.

    Each update ``z = momentum z + g, w = w - lr z`` shrinks the error by this factor in
    the long run: 0 is an answer in a few steps, 1 is no progress, more is divergence.

    Parameters
    ----------
    lrs : array of shape (n_lrs,)
        Step sizes.
    momenta : array of shape (n_momenta,)
        Momenta.
    factors : array of shape (n_momenta, n_lrs)
        Convergence factors, of the slowest direction.
    eigenvalues : array
        Curvatures of the objective, from the smallest to the largest.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    surface_ : QuadContourSet
    colorbar_ : matplotlib Colorbar
    best_lines_ : list of matplotlib Line2D
        The best points without and with momentum.

    Notes
    -----
    With one eigenvalue a the error obeys s^2 - (1 + momentum - lr a) s + momentum = 0,
    and the factor is the larger root. Roots that are positive make it fall steadily
    ("monotone"), complex ones make it swing ("ripples"), negative ones make it change
    sign with each step ("alternating"). Goh (2017), "Why momentum really works".

    Examples
    --------
    >>> from skgd.display import MomentumRateDisplay
    >>> display = MomentumRateDisplay.from_eigenvalues([1.142960, 32.757040])
    >>> lr, momentum, factor = display.best
    >>> round(lr, 6), round(momentum, 6), round(factor, 6)
    (0.086697, 0.469516, 0.685212)
    """

    def __init__(
        self, *, lrs: Any, momenta: Any, factors: Any, eigenvalues: Any
    ) -> None:
        self.lrs = lrs
        self.momenta = momenta
        self.factors = factors
        self.eigenvalues = eigenvalues

    @classmethod
    def from_eigenvalues(
        cls,
        eigenvalues: Any = (1.0,),
        *,
        lrs: Any = None,
        momenta: Any = None,
        ax: Any = None,
        **plot_kw: Any,
    ) -> Self:
        """The factors for given curvatures.

        Parameters
        ----------
        eigenvalues : sequence of float > 0, default=(1.0,)
            Eigenvalues of the second derivative of the objective. The extreme ones
            decide. With a single one of 1 the step sizes are in units of 1/eigenvalue.
        lrs, momenta : array, default=None
            The grid; by default all stable choices.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        **plot_kw : dict
            Passed to :meth:`plot`.

        Returns
        -------
        MomentumRateDisplay
        """
        _style.require_matplotlib(f"{cls.__name__}.from_eigenvalues")
        eigenvalues = np.sort(np.atleast_1d(np.asarray(eigenvalues, dtype=float)))
        if eigenvalues[0] <= 0.0:
            raise ValueError(f"Eigenvalues must be above 0, got {eigenvalues[0]}.")
        if lrs is None:
            lrs = np.linspace(0.0, 4.2 / eigenvalues[-1], 301)
        if momenta is None:
            momenta = np.linspace(0.0, 1.0, 201)
        extremes = eigenvalues[[0, -1]]
        factors = np.max(
            [
                convergence_factor(lrs[None, :] * value, momenta[:, None])
                for value in extremes
            ],
            axis=0,
        )
        display = cls(
            lrs=lrs, momenta=momenta, factors=factors, eigenvalues=eigenvalues
        )
        return display.plot(ax=ax, **plot_kw)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, ax: Any = None, **kwargs: Any
    ) -> Self:
        """The factors for the objective of a fitted linear model.

        Exact for the squared error. For other losses the curvature is replaced by its
        bound, so that a step that is stable here is stable there.

        Parameters
        ----------
        estimator : fitted GDRegressor or GDClassifier
            Of one output. Its step sizes and its momentum are not looked at.
        X, y : array-like
            Training data.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        **kwargs : dict
            Passed to :meth:`from_eigenvalues`.

        Returns
        -------
        MomentumRateDisplay
        """
        if not hasattr(estimator, "coef_"):
            raise ValueError("Only for a fitted linear model.")
        cost = CostFunction(estimator, X, y)
        eigenvalues = np.linalg.eigvalsh(_second_derivative(cost, estimator))
        positive = eigenvalues > 1e-12 * eigenvalues[-1]
        return cls.from_eigenvalues(eigenvalues[positive], ax=ax, **kwargs)

    @property
    def best_plain(self) -> tuple[float, float]:
        """Best step size without momentum, and its factor."""
        low, high = self._extremes()
        return 2.0 / (low + high), (high - low) / (high + low)

    @property
    def best(self) -> tuple[float, float, float]:
        """Best step size, best momentum, and their factor."""
        low, high = (value**0.5 for value in self._extremes())
        factor = (high - low) / (high + low)
        return (2.0 / (low + high)) ** 2, factor**2, factor

    def _extremes(self):
        return float(self.eigenvalues[0]), float(self.eigenvalues[-1])

    def plot(
        self,
        ax: Any = None,
        *,
        levels: Any = None,
        mark_best: bool = True,
        label_regimes: str | bool = "auto",
    ) -> Self:
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        levels : array, default=None
            Borders of the shades; by default twenty shades.
        mark_best : bool, default=True
            Whether to mark the best points without and with momentum.
        label_regimes : bool or "auto", default="auto"
            Whether to draw and name the regimes; "auto" does with one eigenvalue.

        Returns
        -------
        self : MomentumRateDisplay
        """
        ax = _style.new_axes(ax, f"{type(self).__name__}.plot", size=(7.0, 4.6))
        stable = np.where(self.factors < 1.0, self.factors, np.nan)
        if levels is None:
            lowest = np.floor(10 * np.nanmin(stable)) / 10
            levels = np.linspace(lowest, 1.0, 21)
        ax.set_facecolor("0.85")
        self.surface_ = ax.contourf(
            self.lrs, self.momenta, stable, levels=levels, cmap="cividis"
        )
        self.colorbar_ = ax.figure.colorbar(
            self.surface_, ax=ax, label="convergence factor (lower is faster)"
        )
        single = self.eigenvalues[0] == self.eigenvalues[-1]
        self.best_lines_: list[Any] = []
        if label_regimes is True or (label_regimes == "auto" and single):
            self._draw_regimes(ax)
        else:
            self._write(ax, 3.2 / self.eigenvalues[-1], 0.15, "divergence")
        if mark_best:
            self._mark_best(ax, single)
        xlabel = "step size"
        if single and self.eigenvalues[0] == 1.0:
            xlabel += " (in units of 1 / curvature)"
        _style.dress(ax, xlabel=xlabel, ylabel="momentum", grid=False)
        ax.set(
            xlim=(self.lrs[0], self.lrs[-1]), ylim=(self.momenta[0], self.momenta[-1])
        )
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_regimes(self, ax):
        root = np.sqrt(self.momenta)
        high = self.eigenvalues[-1]
        for border in ((1 - root) ** 2, (1 + root) ** 2, 2 + 2 * self.momenta):
            ax.plot(border / high, self.momenta, color="white", linewidth=1.2)
        for x, y, text in (
            (0.27, 0.045, "monotone"),
            (1.35, 0.55, "ripples"),
            (1.76, 0.045, "alternating"),
            (3.20, 0.20, "divergence"),
        ):
            self._write(ax, x / high, y, text)

    def _write(self, ax, x, y, text):
        from matplotlib.patheffects import withStroke

        ax.text(
            x,
            y,
            text,
            ha="center",
            va="center",
            fontsize=9,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )

    def _mark_best(self, ax, single):
        lr, factor = self.best_plain
        points = [(lr, 0.0, f"best without momentum: {factor:.3f}", "o")]
        if not single:
            lr, momentum, factor = self.best
            points.append((lr, momentum, f"best with momentum: {factor:.3f}", "*"))
        else:
            points = [(lr, 0.0, "one step", "o")]
        for i, (lr, momentum, label, shape) in enumerate(points):
            (line,) = ax.plot(
                lr,
                momentum,
                linestyle="",
                marker=shape,
                markersize=8 if shape == "o" else 14,
                color=_style.colour(i),
                markeredgecolor="white",
                label=label,
                clip_on=False,
                zorder=5,
            )
            self.best_lines_.append(line)
        ax.legend(loc="upper right", framealpha=0.95)


def convergence_factor(steps: Any, momenta: Any) -> Any:
    """Factor by which the error shrinks per update in the long run.

    Parameters
    ----------
    steps : array
        Step size times curvature.
    momenta : array
        Of a shape that goes with it.

    Returns
    -------
    array of the broadcast shape
    """
    half = 0.5 * (1.0 + momenta - steps)
    under = half**2 - momenta
    real = np.abs(half) + np.sqrt(np.maximum(under, 0.0))
    return np.where(under < 0.0, np.sqrt(np.broadcast_to(momenta, half.shape)), real)


def _second_derivative(cost, estimator):
    """The Hessian of the objective's quadratic bound, from its rows."""
    bound = cost.bound
    objective, rows = bound.objective, bound.rows
    if objective.model.n_outputs != 1:
        raise ValueError("Only for one output: the others have their own curvature.")
    if objective.loss.curvature is None:
        raise ValueError(f"{objective.loss} has no bounded curvature.")
    X = rows.X[rows.order]
    X = X.toarray() if hasattr(X, "toarray") else X
    if estimator.fit_intercept:
        X = np.column_stack([X, np.ones(len(X))])
    weights = rows.visited_weights()
    hessian = objective.loss.curvature * (X.T * weights) @ X / len(X)
    if objective.l2.size:
        hessian += np.diag(objective.l2[: X.shape[1]])
    return hessian
