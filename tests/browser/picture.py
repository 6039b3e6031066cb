"""Remakes the README's picture, book/_published/preview.png, from the built intro page."""

from pathlib import Path

import chromium

ROOT = Path(__file__).parents[2]
INTRO = ROOT / "_build" / "html" / "book" / "intro.html"

with chromium.launched() as browser:
    page = browser.new_page(viewport={"width": 1280, "height": 960})
    page.goto(INTRO.as_uri())
    page.wait_for_function("document.documentElement.dataset.widgetHost === 'ready'")
    # The first explorable is what the book is about: put it into the picture, below its heading.
    page.locator("[data-widget-mounted]").first.evaluate("el => { el.scrollIntoView(); scrollBy(0, -70); }")
    page.wait_for_timeout(500)
    page.screenshot(path=ROOT / "book" / "_published" / "preview.png")
