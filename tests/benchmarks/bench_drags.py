"""How long an explorable takes to answer a drag: every slider of every chapter, in the built book.

    .venv/bin/python tests/benchmarks/bench_drags.py          # after `make book`, on a machine that does nothing else

Each slider is put to places all over its range, out of order, and the clock runs from the event until the page is laid out anew.
It is stopped from within the page, so that the time of the tool that drives the browser is not in it.
"""

import statistics
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS / "browser"))

import chromium  # noqa: E402
from pages import CHAPTERS, settle  # noqa: E402

BOOK = TESTS.parent / "_build" / "html"
DRAG = """section => [...section.querySelectorAll("input[type=range]")].flatMap((slider) => {
    const [low, high] = [Number(slider.min), Number(slider.max)];
    return Array.from({ length: 60 }, (_, i) => {
        slider.value = String(low + ((high - low) * ((i * 7) % 60)) / 59);
        const start = performance.now();
        slider.dispatchEvent(new Event("input", { bubbles: true }));
        section.getBoundingClientRect();
        return performance.now() - start;
    });
})"""


def main() -> None:
    with chromium.launched() as browser:
        for chapter in CHAPTERS:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto((BOOK / f"{chapter}.html").as_uri())
            settle(page)
            for explorable in page.locator("section.sae-explorable").all():
                times = explorable.evaluate(DRAG)
                if times:
                    low, middle, high = statistics.quantiles(times, n=4)
                    name = explorable.get_attribute("aria-label") or explorable.inner_text().splitlines()[0]
                    print(f"{chapter:20} {name:20} median {middle:5.1f} ms, quartiles {low:.1f} to {high:.1f}, longest {max(times):.1f}")
            page.close()


if __name__ == "__main__":
    main()
