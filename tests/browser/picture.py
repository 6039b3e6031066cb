"""Remakes the README's picture, book/_published/preview.png, from the built intro page."""

import os
from pathlib import Path

import chromium
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
INTRO = ROOT / "_build" / "html" / "book" / "intro.html"

# Looked for first: finding one may itself start Playwright, which cannot be started twice at a time.
path = chromium.find()
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(
        executable_path=path,
        args=["--no-sandbox"] if os.geteuid() == 0 else [],
    )
    page = browser.new_page(viewport={"width": 1280, "height": 960})
    page.goto(INTRO.as_uri())
    page.wait_for_function("document.documentElement.dataset.widgetHost === 'ready'")
    # The first explorable is what the book is about: put it into the picture, below its heading.
    page.locator("[data-widget-mounted]").first.evaluate("el => { el.scrollIntoView(); scrollBy(0, -70); }")
    page.wait_for_timeout(500)
    page.screenshot(path=ROOT / "book" / "_published" / "preview.png")
    browser.close()
