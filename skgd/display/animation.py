"""animate: a display that moves, as a GIF or a page.

What moves, and how it looks, the display knows.
"""

import functools
import re
from pathlib import Path
from typing import Any

import numpy as np

from skgd.display import _style

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
        ``IPython.display.HTML(film.to_jshtml())`` shows it in a notebook.

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
    >>> animate(display, "line.gif", fps=2)  # doctest: +SKIP
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
    movie = _film()(
        display.figure_,
        lambda frame: display.show_frame(int(frame)),
        frames=frames,
        interval=1000.0 / fps,
        init_func=lambda: None,
        cache_frame_data=False,
    )
    if path is None:
        return movie
    if path.suffix == ".gif":
        movie.save(path, writer=PillowWriter(fps=fps), dpi=dpi)
    elif path.suffix == ".mp4":
        movie.save(path, writer=FFMpegWriter(fps=fps), dpi=dpi)
    else:
        path.write_text(movie.to_jshtml(fps=fps), encoding="utf-8")
    return movie


@functools.cache
def _film():
    """FuncAnimation whose page needs no network; a class made when first needed."""
    from matplotlib.animation import FuncAnimation

    class Film(FuncAnimation):
        def to_jshtml(self, *args, **kwargs):
            return without_network(super().to_jshtml(*args, **kwargs))

    return Film


def without_network(page: str) -> str:
    """The page of matplotlib's player with characters in place of fetched icons."""
    page = re.sub(r"<link[^>]*font-awesome[^>]*>", "", page)
    for icon, character in ICONS.items():
        page = page.replace(f'<i class="fa fa-{icon}"></i>', character)
    return page
