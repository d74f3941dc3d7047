"""Every local link, anchor and image of the built site leads somewhere.

Run after the build: ``python docs/check_links.py docs/_build/html``. Nothing is fetched.
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
    pages = {path: Page(path.read_text("utf-8")) for path in root.rglob("*.html")}
    for path, page in sorted(pages.items()):
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = path
            if parts.path:
                target = (path.parent / unquote(parts.path)).resolve()
            if not target.exists():
                yield path, link
            elif target in pages and not parts.fragment.startswith(":~:"):
                if unquote(parts.fragment) not in pages[target].anchors:
                    yield path, link


if __name__ == "__main__":
    root = Path(sys.argv[1]).resolve()
    found = list(broken(root))
    for path, link in found:
        print(f"{path.relative_to(root)}: {link}")
    sys.exit(bool(found))
