"""The pages of the built book: which there are, what stands in their files, and when one has settled in a browser."""

import functools
import json
from pathlib import Path

import yaml
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


# The chapters in the reader's order, such as "book/intro", and all pages, such as "book/intro.html". The glossary and the
# bibliography are pages that run nothing and ask nothing.
_LISTED = list(_files(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))))
CHAPTERS = [name for name in _LISTED if (ROOT / f"{name}.ipynb").is_file()]
PAGES = [f"{name}.html" for name in _LISTED] + ["genindex.html", "search.html", "index.html"]

VIEWS = 'script[type="application/vnd.jupyter.widget-view+json"]'  # where a widget is to stand
STATES = 'script[type="application/vnd.jupyter.widget-state+json"]'  # the models of all widgets of a page


BUFFERS = "script[data-buffer]"  # the data of its widgets that stands in files of its own


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


def touch(tab: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A finger put down, moved in steps and lifted, until the page it may have flicked stands still. Playwright's own only taps."""
    wire = tab.context.new_cdp_session(tab)
    for step in range(11):
        x, y = (a + (b - a) * step / 10 for a, b in zip(start, end, strict=True))
        kind = "touchMove" if step else "touchStart"
        wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    wire.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    # A page that glides on would take the next touch for the one that stops it, and move what that one is to hit.
    tab.evaluate("""async () => {
      for (let [at, same] = [NaN, 0]; same < 10; [at, same] = [scrollY, scrollY === at ? same + 1 : 0]) await new Promise(requestAnimationFrame);
    }""")
