"""NetworkDisplay: the units and weights of a network, and what passes through them.

Weights and activations are those of the estimator; here they are drawn.
"""

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skgd._network.ensemble import is_ensemble
from skgd.callbacks import flat_weights
from skgd.display import _style
from skgd.display._path import inside_pipeline, walk, with_weights

# Units of a layer drawn at most: of a larger one the first and the last.
MAX_UNITS = 12

# Frames kept of a training.
MAX_POINTS = 60


class NetworkDisplay:
    """A network as a diagram: weights as widths, activations as shades.

    Orange lines are positive weights, blue ones negative; the width grows with the
    size, in each layer of its own scale, over all of the training. Of one row the
    activation of each unit is its shade.

    Parameters
    ----------
    weights : list of list of array
        For each frame, the weights of each layer, of shape (fan_in, fan_out).
    activations : list of list of array, or None
        For each frame, the values of the units of each layer for one row.
    steps : int array of shape (n_frames,)
        Updates made.
    input_names, output_names : list of str

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skgd import MLPGD
    >>> from skgd.display import NetworkDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> model = MLPGD((5,), n_ensemble=1, random_state=0).fit(X, y)
    >>> display = NetworkDisplay.from_estimator(model, X.iloc[:1])
    >>> [len(layer) for layer in display.activations[0]]
    [4, 5, 3]
    """

    def __init__(
        self,
        *,
        weights: Any,
        activations: Any,
        steps: Any,
        input_names: Any,
        output_names: Any,
    ) -> None:
        self.weights = weights
        self.activations = activations
        self.steps = steps
        self.input_names = input_names
        self.output_names = output_names

    @classmethod
    def from_estimator(
        cls, estimator: Any, row: Any = None, *, ax: Any = None, **plot_kw: Any
    ) -> Self:
        """The diagram of a fitted network.

        Parameters
        ----------
        estimator : fitted MLPGD
            Or a pipeline that ends in one.
        row : array-like of shape (1, n_features), default=None
            The row whose activations are shown; None shows the weights alone.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        **plot_kw : dict
            Passed to :meth:`plot`.

        Returns
        -------
        NetworkDisplay
        """
        _style.require_matplotlib(f"{cls.__name__}.from_estimator")
        model, row = inside_pipeline(estimator, row, None, fitted=True)
        check_is_fitted(model)
        return cls._of(model, [flat_weights(vars(model))], [model.t_], row).plot(
            ax=ax, **plot_kw
        )

    @classmethod
    def from_training(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        row: Any = None,
        max_steps: int | None = None,
        fit_params: dict[str, Any] | None = None,
        ax: Any = None,
        **plot_kw: Any,
    ) -> Self:
        """Fit a clone, and keep the network on the way, to animate it.

        Parameters
        ----------
        estimator : MLPGD
            Stays as it is.
        X, y : array-like
            Training data.
        row : array-like of shape (1, n_features), default=None
            The row whose activations are shown; by default the first of X.
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
        NetworkDisplay
        """
        _style.require_matplotlib(f"{cls.__name__}.from_training")
        model, X = inside_pipeline(estimator, X, y)
        if row is None:
            row = X[:1]
        walked = walk(model, X, y, max_steps=max_steps, **(fit_params or {}))
        n = len(walked.steps)
        kept = np.unique(np.linspace(0, n - 1, min(n, MAX_POINTS)).round().astype(int))
        display = cls._of(
            walked.estimator, walked.points[kept], walked.steps[kept], row
        )
        return display.plot(ax=ax, **plot_kw)

    @classmethod
    def _of(cls, model, points, steps, row) -> Self:
        if not hasattr(model, "coefs_"):
            raise ValueError(
                "Only an MLPGD is a network; its linear relatives are not."
            )
        if is_ensemble(model.coefs_):
            raise ValueError(
                f"This is an ensemble of {len(model.coefs_[0])} networks: show one of "
                "its members_, or train one network, with n_ensemble=1."
            )
        frames = [with_weights(model, np.asarray(point)) for point in points]
        activations = None
        if row is not None:
            activations = []
            for frame in frames:
                *hidden, _ = layers = frame.activations(row)
                if len(layers[0]) != 1 and np.shape(layers[0])[0] != 1:
                    raise ValueError("row must be one row, of shape (1, n_features).")
                last = layers[-1]
                if hasattr(frame, "predict_proba"):
                    last = np.atleast_2d(frame.predict_proba(row))[:, -last.shape[1] :]
                activations.append([_flat(a) for a in [*hidden, last]])
        n_features, n_outputs = model.n_features_in_, model.n_outputs_
        inputs: Any = getattr(
            model, "feature_names_in_", [f"x{i}" for i in range(n_features)]
        )
        outputs: Any
        if n_outputs == 1:
            outputs = ["y"]
            if hasattr(model, "classes_"):
                outputs = [model.classes_[-1]]
        else:
            outputs = getattr(model, "classes_", range(n_outputs))
        return cls(
            weights=[frame.coefs_ for frame in frames],
            activations=activations,
            steps=np.asarray(steps),
            input_names=[str(name) for name in inputs],
            output_names=[str(name) for name in outputs],
        )

    def plot(
        self, ax: Any = None, *, frame: int = -1, numbers: bool | str = "auto"
    ) -> Self:
        """Draw the network.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        frame : int, default=-1
            Which of the frames.
        numbers : bool or "auto", default="auto"
            Whether to write the activations into the units; "auto" does where no layer
            has more than eight.

        Returns
        -------
        self : NetworkDisplay
        """
        sizes = [self.weights[0][0].shape[0], *(W.shape[1] for W in self.weights[0])]
        self._shown = [_some(n) for n in sizes]
        tallest = max(len(units) for units in self._shown)
        size = (2.3 * len(sizes) + 1.2, 0.62 * tallest + 1.2)
        ax = _style.new_axes(ax, f"{type(self).__name__}.plot", size=size)
        self._numbers = max(sizes) <= 8 if numbers == "auto" else bool(numbers)
        self.ax_, self.figure_ = ax, ax.figure
        self._scales = [
            max(float(np.abs(frame[layer]).max()) for frame in self.weights) or 1.0
            for layer in range(len(sizes) - 1)
        ]
        self._places = [
            np.column_stack(
                [np.full(len(units), layer), -np.arange(len(units)) + len(units) / 2]
            )
            for layer, units in enumerate(self._shown)
        ]
        names = [("right", -0.16, self.input_names, 0)]
        names.append(("left", 0.16, self.output_names, -1))
        for side, shift, labels, layer in names:
            for unit, (x, y) in zip(
                self._shown[layer], self._places[layer], strict=True
            ):
                if unit is not None:
                    ax.text(x + shift, y, labels[unit], ha=side, va="center")
        for places, units in zip(self._places, self._shown, strict=True):
            for (x, y), unit in zip(places, units, strict=True):
                if unit is None:
                    ax.text(x, y, "⋮", ha="center", va="center", fontsize=13)
        longest = [max(map(len, one)) for one in (self.input_names, self.output_names)]
        ax.set(
            xlim=(-0.3 - 0.055 * longest[0], len(sizes) - 0.7 + 0.055 * longest[1]),
            ylim=(-tallest / 2 + 0.3, tallest / 2 + 0.7),
        )
        ax.set_axis_off()
        self._moving: list[Any] = []
        self._draw(range(len(self.steps))[frame])
        return self

    def _draw(self, frame):
        from matplotlib.collections import LineCollection

        ax = self.ax_
        for layer, W in enumerate(self.weights[frame]):
            ends, widths, colours = [], [], []
            for i, start in zip(self._shown[layer], self._places[layer], strict=True):
                for j, end in zip(
                    self._shown[layer + 1], self._places[layer + 1], strict=True
                ):
                    if i is not None and j is not None:
                        ends.append([start, end])
                        widths.append(4.5 * abs(W[i, j]) / self._scales[layer])
                        colours.append(_style.COLOURS[0 if W[i, j] > 0 else 1])
            lines = LineCollection(
                ends, linewidths=widths, colors=colours, alpha=0.75, zorder=1
            )
            self._moving.append(ax.add_collection(lines))
        for layer, (places, units) in enumerate(
            zip(self._places, self._shown, strict=True)
        ):
            kept = [k for k, unit in enumerate(units) if unit is not None]
            values = None
            if self.activations is not None:
                values = self.activations[frame][layer][[units[k] for k in kept]]
            self._draw_units(places[kept], values)

    def _draw_units(self, places, values):
        shades = np.full(len(places), 1.0)
        if values is not None:
            size = np.abs(values)
            # White for nothing, dark for the most active unit of the layer.
            shades = 1.0 - 0.75 * size / (size.max() or 1.0)
        self._moving.append(
            self.ax_.scatter(
                *places.T,
                s=560,
                c=[(shade, shade, shade) for shade in shades],
                edgecolor=_style.GREY,
                linewidth=1.2,
                zorder=3,
            )
        )
        if values is None or not self._numbers:
            return
        for (x, y), value, shade in zip(places, values, shades, strict=True):
            self._moving.append(
                self.ax_.text(
                    x,
                    y,
                    _short(value),
                    ha="center",
                    va="center",
                    fontsize=7.5,
                    color="white" if shade < 0.55 else "black",
                    zorder=4,
                )
            )

    @property
    def n_frames(self) -> int:
        """Number of frames kept."""
        return len(self.steps)

    def moving_artists(self) -> list[Any]:
        """What `show_frame` changes; all else stands still."""
        return [*self._moving, self.ax_.title]

    def show_frame(self, frame: int) -> Any:
        """Show the network after another number of updates.

        Parameters
        ----------
        frame : int
            Which of the frames, from 0.
        """
        for artist in self._moving:
            artist.remove()
        self._moving = []
        self._draw(frame)
        self.ax_.set_title(f"{self.steps[frame]} updates")


def _some(n):
    """Units of a layer to draw; None stands for those left out."""
    if n <= MAX_UNITS:
        return list(range(n))
    half = MAX_UNITS // 2
    return [*range(half), None, *range(n - half + 1, n)]


def _short(value):
    """A number of at most two decimals."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text.replace("-", "\N{MINUS SIGN}")


def _flat(values):
    values = values.toarray() if hasattr(values, "toarray") else values
    return np.asarray(values, dtype=float).ravel()
