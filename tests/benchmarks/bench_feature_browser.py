"""How long the feature browser takes with 1,024 features: until it is ready, to answer a search, and to open a card.

    .venv/bin/python tests/benchmarks/bench_feature_browser.py       # on a machine that does nothing else
    .venv/bin/python tests/benchmarks/bench_feature_browser.py _build/html/book/gpt.html     # the chapter's page as well

Ready is measured from the browser's own start of the navigation until every widget is mounted, over http and from the disk,
on a page whose data stands in scripts of their own, as the book's build leaves them. A search or a step in the list is
measured from the event until the page is laid out anew, from within the page, so that the time of the tool that drives the
browser is not in it.
"""

import statistics
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "browser"), str(TESTS.parent / "book" / "_published")]

import chromium  # noqa: E402
import published  # noqa: E402
from made_cards import cards  # noqa: E402
from pages import serving  # noqa: E402
from saelib.widgets import FeatureBrowser, save_html  # noqa: E402

COUNT, TIMES = 1024, 9
READY = """() => new Promise((resolve) => {
    const look = () => (document.documentElement.dataset.widgetHost === "ready" ? resolve(performance.now()) : setTimeout(look, 1));
    look();
})"""
SEARCH = """queries => queries.map((query) => {
    const field = document.querySelector(".sae-explorable input[type=search]");
    const start = performance.now();
    field.value = query;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    document.body.getBoundingClientRect();
    return performance.now() - start;
})"""
STEP = """keys => keys.map((key) => {
    const list = document.querySelector(".sae-list");
    const start = performance.now();
    list.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    document.body.getBoundingClientRect();
    return performance.now() - start;
})"""
QUERIES = ["d", "do", "doc", "docs", "docstring", "", "self", "the word", "sign =", "#301", "e", "zzz", "if", "return"]


def tell(what: str, times: list[float]) -> None:
    print(f"{what:34} median {statistics.median(times):6.1f} ms, longest {max(times):6.1f}")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        widget = FeatureBrowser(cards(COUNT))
        page = save_html(widget, folder / "page.html")
        published.rewrite_pages(SimpleNamespace(outdir=folder), None)
        save_html(widget, folder / "own.html")  # which stays one file
        with serving(folder) as address, chromium.launched() as browser:
            http_page = f"{address}/page.html"
            addresses = {"http": http_page, "disk": page.as_uri(), "one file": (folder / "own.html").as_uri()}
            chapters = {path: Path(path).resolve().as_uri() for path in sys.argv[1:]}
            for what, address in {**addresses, **chapters}.items():
                times = []
                for _ in range(TIMES):
                    tab = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
                    tab.goto(address, wait_until="commit")
                    times.append(tab.evaluate(READY))
                    tab.context.close()
                tell(f"ready, {what}", times)
            for what, address in {"": http_page, **chapters}.items():
                tab = browser.new_page(viewport={"width": 1280, "height": 900})
                tab.goto(address)
                tab.evaluate(READY)
                tell(f"a search {what}", tab.evaluate(SEARCH, 5 * QUERIES))
                tab.evaluate(SEARCH, [""])
                tell(f"the next feature {what}", tab.evaluate(STEP, ["Home", *40 * ["ArrowDown"], "End", *40 * ["PageUp"]]))


if __name__ == "__main__":
    main()
