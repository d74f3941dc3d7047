"""The page of the gallery: sections, and thumbnails that say what they show.

Of pages that show a few thumbnails, those of an estimator, they get the texts alone.
"""

import re

from gallery import SECTIONS

THUMBNAIL = re.compile(
    r'(?P<start>^\.\. raw:: html\n\n *<div class="sphx-glr-thumbcontainer" '
    r'tooltip=")(?P<text>[^"]*)(?P<rest>".*?^  \.\. image:: \S*sphx_glr_plot_'
    r"(?P<name>\w+)_thumb\.\w+\n    :alt:)$",
    re.DOTALL | re.MULTILINE,
)

HEADING = """.. raw:: html

    <h2 class="gallery-section">{}</h2>

"""


def dressed(source, sections=None):
    """The source of a page with texts for its thumbnails, and headings above some.

    Parameters
    ----------
    source : str
    sections : dict of str to sequence of str, optional
        Titles, and the names of the scripts below each.
    """
    first = {names[0]: title for title, names in (sections or {}).items()}

    def thumbnail(found):
        title = first.get(found["name"])
        heading = "" if title is None else HEADING.format(title)
        return (
            heading
            + found["start"]
            + found["text"]
            + found["rest"]
            + " "
            + (found["text"])
        )

    return THUMBNAIL.sub(thumbnail, source)


def connect(app):
    """Have all pages read so, and all that they include."""

    def read(app, name, source):
        is_gallery = name == "auto_examples/index"
        source[0] = dressed(source[0], SECTIONS if is_gallery else None)

    def include(app, path, parent, source):
        source[0] = dressed(source[0])

    app.connect("source-read", read)
    app.connect("include-read", include)
