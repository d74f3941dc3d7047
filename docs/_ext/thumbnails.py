"""Thumbnails of the gallery say what they show, to those who do not see them."""

import re

THUMBNAIL = re.compile(
    r'(<div class="sphx-glr-thumbcontainer" tooltip=")(?P<text>[^"]*)'
    r'(".*?^  \.\. image:: \S+\n    :alt:)$',
    re.DOTALL | re.MULTILINE,
)


def with_texts(source):
    """The page of a gallery with the first sentences of its scripts as texts."""
    return THUMBNAIL.sub(r"\1\g<text>\3 \g<text>", source)


def connect(app):
    """Have all pages read so, and all that they include."""

    def read(app, name, source):
        source[0] = with_texts(source[0])

    def include(app, path, parent, source):
        source[0] = with_texts(source[0])

    app.connect("source-read", read)
    app.connect("include-read", include)
