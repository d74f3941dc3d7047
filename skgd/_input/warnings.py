"""Warnings that point at the user's line, however deep they are raised.

What is warned about, and when, is decided where it is seen.
"""

import sys
import warnings

# Frames of these packages stand between the user's line and the warning.
_INSIDE = {"skgd", "sklearn", "contextlib"}


def warn_user(message, category):
    """Warn, naming the innermost line outside this package and scikit-learn.

    Parameters
    ----------
    message : str
    category : type of Warning
    """
    level, frame = 2, sys._getframe(1)
    while frame is not None and _package(frame) in _INSIDE:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _package(frame):
    return frame.f_globals.get("__name__", "").partition(".")[0]
