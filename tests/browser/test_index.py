"""The index of the built book: what is in it, and that readers come to it. (Where its links lead, test_pages.py follows.)"""

import re
from urllib.parse import urldefrag

import nbformat
import pytest
from bs4 import BeautifulSoup
from pages import CHAPTERS, ROOT, parse


@pytest.fixture(scope="session")
def index(site) -> BeautifulSoup:
    return parse(site / "genindex.html").article


def links(index) -> dict[str, str]:
    """Where each entry of the first level leads."""
    entries = index.select("ul.index-entries > li > a")
    return {entry.get_text(strip=True): entry["href"] for entry in entries}


def test_every_page_leads_to_the_index(site):
    for name in [*CHAPTERS, "book/glossary", "book/reference"]:
        contents = parse(site / f"{name}.html").select("nav.bd-links a[href]")
        assert [link.get_text(strip=True) for link in contents][-1] == "Index", name


def test_every_word_of_the_glossary_is_in_the_index(index, site):
    terms = {term["id"]: term.contents[0].strip() for term in parse(site / "book/glossary.html").select("dl.glossary dt")}
    assert len(terms) > 40
    there = links(index)
    assert {term: there.get(term) for term in terms.values()} == {term: f"book/glossary.html#{anchor}" for anchor, term in terms.items()}


def test_every_name_of_the_reference_is_in_the_index(index, site):
    names = {name["id"] for name in parse(site / "book/reference.html").select("dt.sig[id]")}
    assert len(names) > 100
    assert {"saelib.train", "saelib.TopK", "saelib.data.PHOTOS", "saelib.Autoencoder.encode"} <= names
    led = [urldefrag(link["href"]) for link in index.select("a[href]")]
    assert names <= {anchor for page, anchor in led if page == "book/reference.html"}


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_words_that_a_chapter_looks_up_lead_to_it_from_the_index(index, site, name):
    cells = nbformat.read(ROOT / f"{name}.ipynb", as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    found = re.findall(r"\{term\}`(?:[^`<]*<)?([^`<>]+)>?`", text)
    words = {" ".join(word.split()).lower() for word in found}
    under = {
        entry.a.get_text(strip=True).lower(): entry.select(f'ul a[href^="{name}.html#word-"]') for entry in index.select("ul.index-entries > li")
    }
    title = parse(site / f"{name}.html").h1.contents[0].strip()
    assert {word: [link.get_text(strip=True) for link in under[word]] for word in words} == {word: [title] for word in words}
