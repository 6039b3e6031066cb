"""The pages of the built book: which there are, what stands in their files, how one is served, and when it has settled in a browser."""

import functools
import http.server
import json
import threading
from contextlib import contextmanager
from pathlib import Path

import yaml
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]


def _files(toc):
    if isinstance(toc, dict):
        for name, value in toc.items():
            yield from [value] if name in ("root", "file") else _files(value)
    elif isinstance(toc, list):
        for entry in toc:
            yield from _files(entry)


WIDE = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}
PHONE = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}
# How heavily what axe finds weighs on readers.
SERIOUS = ("serious", "critical")
ANY = (None, "minor", "moderate", *SERIOUS)

# The chapters in the reader's order, such as "book/intro", and all pages, such as "book/intro.html". The glossary and the
# bibliography are pages that run nothing and ask nothing.
_LISTED = list(_files(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))))
CHAPTERS = [name for name in _LISTED if (ROOT / f"{name}.ipynb").is_file()]
PAGES = [f"{name}.html" for name in _LISTED] + ["genindex.html", "search.html", "index.html"]

VIEWS = 'script[type="application/vnd.jupyter.widget-view+json"]'  # where a widget is to stand
STATES = 'script[type="application/vnd.jupyter.widget-state+json"]'  # the models of all widgets of a page
BUFFERS = "script[data-buffer]"  # the data of its widgets that stands in files of its own
LATE = "template[data-buffer]"  # that which comes only when a widget asks for it


def in_script(value) -> str:
    """As JSON that may stand in a script of a page: no "</script>" in it ends that."""
    return json.dumps(value).replace("<", "\\u003c")


def view(model: str) -> str:
    """What stands in a page where that model of its widgets' state is to be shown."""
    return f'<script type="application/vnd.jupyter.widget-view+json">{in_script({"model_id": model})}</script>'


@functools.cache
def parse(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def widget_states(path: Path) -> list[str]:
    return [script.string for script in parse(path).select(STATES)]


def widget_data(path: Path) -> list[str]:
    """What the page loads for its widgets beside their states."""
    return [(path.parent / script["src"]).read_text(encoding="utf-8") for script in parse(path).select(BUFFERS)]


def widgets(path: Path) -> list[dict]:
    """The state of each of our widgets in the page."""
    models = [model for text in widget_states(path) for model in json.loads(text)["state"].values()]
    return [model["state"] for model in models if model["model_module"] == "anywidget"]


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def end_headers(self):
        # A page that a test writes anew within the same second would count as unchanged, and the browser show the old one.
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *args):
        pass


@contextmanager
def serving(folder: Path):
    """The address that the folder is served at meanwhile, without a slash at the end."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def settle(tab: Page) -> None:
    """Wait until the page has done what it does by itself: gone where it sends the reader, mounted, typeset, drawn."""
    if tab.url.endswith("/index.html"):
        tab.wait_for_url(f"**/{PAGES[0]}")
    if tab.locator(VIEWS).count():
        tab.wait_for_selector("html[data-widget-host=ready]", timeout=15_000)
    tab.evaluate("() => Promise.all([window.MathJax?.startup?.promise, document.fonts.ready])")


def hash_of(tab: Page) -> str:
    """The hash of the address, with all that is to be written there: on the way out of the page, nothing waits any longer."""
    return tab.evaluate("() => { dispatchEvent(new PageTransitionEvent('pagehide')); return location.hash; }")


def visit(tab: Page, address: str) -> Page:
    """Go there and wait until the page has settled."""
    tab.goto(address)
    settle(tab)
    return tab


def reload(tab: Page) -> None:
    tab.reload()
    settle(tab)


def fits(tab: Page) -> bool:
    """Whether nobody has to scroll sideways."""
    return tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


def barriers(tab: Page, within: str | dict | None = None, impacts=SERIOUS) -> list[tuple[str, list[str]]]:
    """What axe finds in readers' way, on the page or in a part of it: the rules that are broken, and where."""
    # Colours on their way from one state to the next have contrasts that nobody sees.
    tab.wait_for_function("document.getAnimations().length === 0")
    found = Axe().run(tab, within).response["violations"]
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found if one["impact"] in impacts]


class Finger:
    """A finger that can drag: Playwright's own only taps."""

    def __init__(self, tab: Page):
        session = tab.context.new_cdp_session(tab)

        def touch(kind, *points):
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]})

        self.down = lambda x, y: touch("touchStart", (x, y))
        self.move = lambda x, y: touch("touchMove", (x, y))
        self.up = lambda: touch("touchEnd")
        self.tap = tab.touchscreen.tap


def flick(tab: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A finger put down, moved in steps and lifted. Where it scrolls, the page glides on."""
    finger = Finger(tab)
    finger.down(*start)
    for step in range(1, 11):
        finger.move(*(a + (b - a) * step / 10 for a, b in zip(start, end, strict=True)))
    finger.up()


def stand_still(tab: Page) -> None:
    """Wait until the page glides no longer. Until then, what is measured of it is elsewhere when a finger comes there, and where it
    is scrolled to is not where it stays."""
    # A glide begins some frames after the finger is lifted, and its end is slower than a pixel a frame.
    tab.evaluate("""async () => {
        for (let [frames, last] = [0, NaN]; frames < 15; frames = scrollY === last ? frames + 1 : 0) {
            last = scrollY;
            await new Promise(requestAnimationFrame);
        }
    }""")


def touch(tab: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """The same on a page that stands still, and again does when this is done."""
    stand_still(tab)
    flick(tab, start, end)
    stand_still(tab)
