"""Every local link, anchor and image of the built site leads somewhere.

Run after the build: ``python docs/check_links.py docs/_build/html``. No network needed.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links of a page and the names that others can link to."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = [], {""}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors.update(
            attributes[name] for name in ("id", "name") if attributes.get(name)
        )
        link = attributes.get("href" if tag in ("a", "link") else "src")
        if link and tag in ("a", "link", "img", "script", "source", "iframe"):
            self.links.append(link)


def broken(root):
    """(page, link) for each local link without a target."""
    # What lies under _static are parts of themes, not pages.
    paths = [path for path in root.rglob("*.html") if "_static" not in path.parts]
    pages = {path: Page(path.read_text("utf-8")) for path in paths}
    for path, page in sorted(pages.items()):
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = path
            if parts.path:
                target = (path.parent / unquote(parts.path)).resolve()
            fragment = unquote(parts.fragment)
            if fragment.startswith(":~:"):  # a text to highlight, not an anchor
                fragment = ""
            known = target not in pages or fragment in pages[target].anchors
            if not target.exists() or not known:
                yield path, link


if __name__ == "__main__":
    root = Path(sys.argv[1]).resolve()
    found = list(broken(root))
    for path, link in found:
        print(f"{path.relative_to(root)}: {link}")
    sys.exit(bool(found))
