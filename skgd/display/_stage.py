"""Frames of a display that moves, fast: what stands still is drawn once.

Which frames, and where they go, is decided in ``animation.py``.
"""

from contextlib import ExitStack
from typing import Any

import numpy as np


class Stage:
    """A figure as the writers of matplotlib want it, whose `savefig` is one frame.

    A display may say with `moving_artists` what `show_frame` changes. Then all that
    lies below is drawn for the first frame only, and put back for each of the others;
    without it, every frame is drawn as a whole. The layout is that of the first frame.

    Parameters
    ----------
    display : object with ``figure_`` and ``show_frame(frame)``

    Examples
    --------
    >>> with Stage(display) as stage, writer.saving(stage, path, dpi):  # doctest: +SKIP
    ...     for frame in frames:
    ...         stage.show(frame)
    ...         writer.grab_frame()
    """

    def __init__(self, display: Any) -> None:
        self.display = display
        self.figure = display.figure_
        self._background: Any = None
        self._above: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.figure, name)

    def __enter__(self) -> "Stage":
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        class Canvas(FigureCanvasAgg):
            def is_saving(self):
                """Yes: an animation does not begin to play when a frame is drawn."""
                return True

        figure = self.figure
        self._undo = ExitStack()
        self._undo.callback(figure.set_canvas, figure.canvas)
        self._undo.callback(figure.set_layout_engine, figure.get_layout_engine())
        self._canvas = Canvas(figure)
        # While the canvas is ours, which no window has to follow.
        self._undo.callback(setattr, figure, "dpi", figure.dpi)
        return self

    def __exit__(self, *error: object) -> None:
        self._undo.close()

    def show(self, frame: int) -> None:
        """Let the display show a frame."""
        self.display.show_frame(int(frame))

    def savefig(self, file: Any, *, format: str, dpi: Any = "figure", **_: Any) -> None:
        """Write the frame shown, "rgba" or an image format, as ``Figure.savefig``."""
        if self._background is None:
            self._prepare(dpi)
        moving = self._moving()
        if moving is None:
            self._canvas.draw()
        else:
            self._canvas.restore_region(self._background)
            for artist in sorted([*self._above, *moving], key=lambda one: one.zorder):
                artist.axes.draw_artist(artist)
        pixels = self._canvas.buffer_rgba()
        if format in ("rgba", "raw"):
            file.write(pixels)
            return
        from PIL import Image

        image = Image.fromarray(np.asarray(pixels)[..., :3])
        image.save(file, format=format)

    def _moving(self):
        """What the frame has changed, or None if the display does not say."""
        of_display = getattr(self.display, "moving_artists", None)
        return None if of_display is None else list(of_display())

    def _prepare(self, dpi):
        """Fix the layout, and draw what lies below all that moves."""
        figure = self.figure
        if dpi != "figure" and dpi is not None:
            figure.dpi = dpi
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        moving = self._moving() or []
        self._above = _above(moving)
        hidden = [one for one in [*moving, *self._above] if one.get_visible()]
        for artist in hidden:
            artist.set_visible(False)
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(figure.bbox)
        for artist in hidden:
            artist.set_visible(True)


def _above(moving):
    """What stands still in the same axes, but above something that moves."""
    lowest: dict[Any, float] = {}
    for artist in moving:
        lowest[artist.axes] = min(artist.zorder, lowest.get(artist.axes, np.inf))
    return [
        artist
        for axes, zorder in lowest.items()
        for artist in axes.get_children()
        if artist.zorder > zorder
        and artist not in moving
        and artist.get_visible()
        and not _is_frame(artist, axes)
    ]


def _is_frame(artist, axes):
    """Whether it lies around the data: axis, frame, title, a legend beside them."""
    from matplotlib.axis import Axis
    from matplotlib.legend import Legend
    from matplotlib.spines import Spine

    if isinstance(artist, Legend):
        return not artist.get_window_extent().overlaps(axes.bbox)
    return isinstance(artist, (Axis, Spine)) or artist in (axes.patch, axes.title)
