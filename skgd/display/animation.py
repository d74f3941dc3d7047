"""animate: a display that moves, as a GIF or a page.

What moves, and how it looks, the display knows.
"""

import functools
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from skgd.display import _style
from skgd.display._stage import Stage

# matplotlib's player fetches its icons from the network. These are in every font.
ICONS = {
    "minus": "\N{MINUS SIGN}",
    "fast-backward": "|\N{BLACK LEFT-POINTING TRIANGLE}",
    "step-backward": "\N{LEFTWARDS ARROW}",
    "play fa-flip-horizontal": "\N{BLACK LEFT-POINTING TRIANGLE}",
    "pause": "||",
    "play": "\N{BLACK RIGHT-POINTING TRIANGLE}",
    "step-forward": "\N{RIGHTWARDS ARROW}",
    "fast-forward": "\N{BLACK RIGHT-POINTING TRIANGLE}|",
    "plus": "+",
}


def animate(
    display: Any,
    filename: Any = None,
    *,
    fps: int = 10,
    max_frames: int = 100,
    dpi: float | None = 100,
) -> Any:
    """Play the training that a display shows.

    Parameters
    ----------
    display : CostSurfaceDisplay, FitDisplay, DescentDisplay, FunctionDisplay or \
            NetworkDisplay
        The figure it was last drawn in is the one that moves.
    filename : str or path, default=None
        Where to save: ``.gif``, or ``.html`` for a page with buttons, without other
        files or programs, or ``.mp4``, for which ffmpeg must be installed. None saves
        nothing.
    fps : float, default=10
        Frames per second.
    max_frames : int, default=100
        Frames at most; of a longer path some points are left out, evenly.
    dpi : int, default=100
        Resolution of what is saved.

    Returns
    -------
    matplotlib.animation.FuncAnimation
        As the last line of a cell of a notebook it shows itself, with buttons.

    Raises
    ------
    TypeError
        For a display that does not move.
    ValueError
        For another ending of the file name.
    RuntimeError
        For ``.mp4`` without ffmpeg.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDRegressor
    >>> from skgd.display import FitDisplay, animate
    >>> X, y = np.array([[0.5], [2.3], [2.9]]), np.array([1.4, 1.9, 3.2])
    >>> model = GDRegressor(solver="batch", lr=0.1, max_iter=5, tol=None)
    >>> display = FitDisplay.from_estimator(model, X, y)
    >>> film = animate(display, "line.gif", fps=2)  # doctest: +SKIP
    """
    _style.require_matplotlib("animate")
    from matplotlib.animation import FFMpegWriter, PillowWriter

    if not hasattr(display, "show_frame"):
        raise TypeError(
            f"A {type(display).__name__} does not move; animate a CostSurfaceDisplay, "
            "FitDisplay, DescentDisplay, FunctionDisplay or NetworkDisplay."
        )
    path = None if filename is None else Path(filename)
    if path is not None and path.suffix not in (".gif", ".html", ".mp4"):
        raise ValueError(
            f"filename must end in .gif, .html or .mp4, got {path.name!r}."
        )
    if path is not None and path.suffix == ".mp4" and not FFMpegWriter.isAvailable():
        raise RuntimeError("A film as .mp4 needs ffmpeg; .gif and .html need nothing.")
    n = display.n_frames
    frames = np.unique(np.linspace(0, n - 1, min(n, max_frames)).round().astype(int))
    if path is not None and path.suffix == ".html":
        path.write_text(player(display, frames, fps, dpi), encoding="utf-8")
    elif path is not None:
        writer = FFMpegWriter if path.suffix == ".mp4" else PillowWriter
        write(display, frames, writer(fps=fps), path, dpi)
    return _film()(display, frames, fps)


def write(display, frames, writer, path, dpi):
    """Save the frames with a writer of matplotlib."""
    with Stage(display) as stage:
        # Before the writer looks at the size of the figure.
        stage.show(frames[0])
        with writer.saving(stage, path, stage.dpi if dpi is None else dpi):
            for frame in frames:
                stage.show(frame)
                writer.grab_frame()


def player(display, frames, fps, dpi, **others):
    """A page with the frames and buttons, as text; it needs no network."""
    from matplotlib.animation import HTMLWriter

    writer = HTMLWriter(
        fps=fps, **{"embed_frames": True, "default_mode": "loop"} | others
    )
    with TemporaryDirectory() as folder:
        path = Path(folder, "film.html")
        write(display, frames, writer, path, dpi)
        return without_network(path.read_text(encoding="utf-8"))


@functools.cache
def _film():
    """The class of films, made when first needed."""
    from matplotlib.animation import FuncAnimation

    class Film(FuncAnimation):
        """FuncAnimation that draws pages fast, and shows itself in notebooks."""

        def __init__(self, display, frames, fps):
            self._of = display, frames
            self._fps = fps
            self._page = None
            super().__init__(
                display.figure_,
                lambda frame: display.show_frame(int(frame)),
                frames=frames,
                interval=1000.0 / fps,
                init_func=lambda: None,
                cache_frame_data=False,
            )

        def to_jshtml(self, fps=None, embed_frames=True, default_mode=None):
            fps, mode = fps or self._fps, default_mode or "loop"
            return player(
                *self._of, fps, None, embed_frames=embed_frames, default_mode=mode
            )

        def _repr_html_(self):
            if self._page is None:
                self._page = self.to_jshtml()
            return self._page

        def __del__(self):
            """Without the warning that it was not played: it may have been saved."""

    return Film


def without_network(page: str) -> str:
    """The page of matplotlib's player with characters in place of fetched icons."""
    page = re.sub(r"<link[^>]*font-awesome[^>]*>", "", page)
    for icon, character in ICONS.items():
        page = page.replace(f'<i class="fa fa-{icon}"></i>', character)
    return page
