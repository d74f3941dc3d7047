"""The built site in a headless Chromium, as a reader sees it, wide and on a phone.

Run after the build, with Debian's packages chromium and chromium-driver and with
``pip install selenium``: ``python docs/check_browser.py docs/_build/html``. No network
needed. Prints what is wrong: errors of the console, pictures that are missing or have
no alternative text, pages wider than the screen, code that is cut, a slider that moves
nothing, a search that does not find.
"""

import shutil
import sys
import threading
import time
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# Where a word must be found, as a part of the address of a result.
SEARCHES = {
    "learning rate finder": "learning_rate",
    "optimizer": "rules",
    "animation": "animat",
}

# A page with a slider.
SLIDING = "auto_examples/plot_momentum.html"

WIDTHS = {1280: 900, 390: 844}

FAULTS = """
const faults = [];
for (const image of document.querySelectorAll("article img")) {
  const name = (image.getAttribute("src") || "").slice(0, 80);
  if (!image.complete || image.naturalWidth === 0) faults.push("no picture: " + name);
  if (!image.alt && !name.startsWith("data:") && !image.closest(".animation"))
    faults.push("no text for " + name);
}
const page = document.documentElement;
if (page.scrollWidth > window.innerWidth + 1) {
  const wide = [...document.querySelectorAll("article *")]
    .filter(one => one.getBoundingClientRect().right > window.innerWidth + 1
      && !one.closest("pre, table, .pst-scrollable-table-container, .math"))
    .slice(0, 3).map(one => one.tagName + "." + one.className);
  faults.push(page.scrollWidth + " pixels wide: " + wide.join(", "));
}
// On a phone long lines of code scroll.
if (window.innerWidth > 1000)
  for (const code of document.querySelectorAll("article div.highlight pre"))
    if (code.scrollWidth > code.clientWidth + 1)
      faults.push("code is cut: " + code.innerText.split("\\n")
        .reduce((one, other) => one.length > other.length ? one : other).slice(0, 99));
return faults;
"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves the site, and says nothing of it."""

    def log_message(self, *args):
        pass


@contextmanager
def served(root):
    """The address of the site while it is served."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


@contextmanager
def browser():
    """A headless Chromium that keeps the messages of the console."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for flag in ("headless=new", "no-sandbox", "disable-dev-shm-usage"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Named, or Selenium asks the network for one.
    service = Service(executable_path=shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


def resize(driver, width):
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {
            "width": width,
            "height": WIDTHS[width],
            "deviceScaleFactor": 1,
            "mobile": width < 500,
        },
    )


def console_errors(driver):
    """Messages of the console that are errors."""
    return [
        entry["message"]
        for entry in driver.get_log("browser")
        if entry["level"] == "SEVERE"
    ]


def faults_of_page(driver, address):
    driver.get(address)
    # Pictures are fetched when they come into sight.
    driver.execute_script("for (const one of document.images) one.loading = 'eager';")
    wait(driver, "return [...document.images].every(one => one.complete)")
    return console_errors(driver) + driver.execute_script(FAULTS)


def wait(driver, condition, seconds=15):
    """Whether the condition, a line of JavaScript, came true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if driver.execute_script(condition):
            return True
        time.sleep(0.05)
    return False


def faults_of_slider(driver, address):
    """The picture of a film changes with its slider."""
    driver.get(address)
    move = """
    const slider = document.querySelector(".animation input[type=range]");
    const picture = document.querySelector(".animation img");
    const before = picture.src;
    slider.value = Math.floor(slider.max / 2) + 1;
    slider.dispatchEvent(new Event("input", {bubbles: true}));
    slider.dispatchEvent(new Event("change", {bubbles: true}));
    return before;
    """
    if not wait(driver, "return !!document.querySelector('.animation img')?.src"):
        return ["no film with a slider"]
    before = driver.execute_script(move)
    changed = wait(
        driver,
        f"return document.querySelector('.animation img').src !== {before!r}",
        3,
    )
    return console_errors(driver) + ([] if changed else ["the slider moves nothing"])


def faults_of_search(driver, root_address, words, expected):
    """The search finds a page for some words."""
    query = words.replace(" ", "+")
    driver.get(f"{root_address}search.html?q={query}")
    found = f"""
    return [...document.querySelectorAll("#search-results li a")]
      .some(one => one.href.includes({expected!r}))
    """
    if wait(driver, found):
        return console_errors(driver)
    return [f"{words!r} finds no page {expected!r}"]


def check(root):
    """(page, fault) for all that is wrong."""
    pages = sorted(
        path.relative_to(root).as_posix()
        for path in [*root.glob("*.html"), *root.glob("[!_]*/*.html")]
    )
    with served(root) as address, browser() as driver:
        for width in WIDTHS:
            resize(driver, width)
            for page in pages:
                for fault in faults_of_page(driver, address + page):
                    yield f"{page} ({width})", fault
            for fault in faults_of_slider(driver, address + SLIDING):
                yield f"{SLIDING} ({width})", fault
        for words, expected in SEARCHES.items():
            for fault in faults_of_search(driver, address, words, expected):
                yield "search.html", fault


if __name__ == "__main__":
    found = list(check(Path(sys.argv[1]).resolve()))
    for page, fault in found:
        print(f"{page}: {fault}")
    sys.exit(bool(found))
