"""What the chapters refer to is there: the works that they cite, and the words that they look up."""

import re
from pathlib import Path

import nbformat
import pytest
import saelib
from pybtex.database import parse_file

BOOK = Path(__file__).parents[2] / "book"
WORKS = parse_file(str(BOOK / "references.bib")).entries
PAGES = sorted([*BOOK.glob("*.ipynb"), *BOOK.glob("*.md")])


def cited(text: str) -> list[str]:
    """The keys in {cite:p}`first,second` and the like; words before or after a key stand in braces."""
    lists = re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text)
    return [key.strip() for keys in lists for key in re.sub(r"\{[^}]*\}", "", keys).split(",")]


def looked_up(text: str) -> list[str]:
    """The terms in {term}`term` and {term}`words <term>`, which may be broken over two lines."""
    terms = (" ".join(term.split()) for term in re.findall(r"\{term\}`([^`]+)`", text))
    return [found[1] if (found := re.fullmatch(r".*<(.+)>", term)) else term for term in terms]


def explained(text: str) -> list[tuple[list[str], str]]:
    """The glossary's entries: their terms, of which some have two, and what is said of them."""
    (body,) = re.findall(r"^```\{glossary\}\n(?::\w+:\n)*(.*?)^```", text, re.MULTILINE | re.DOTALL)
    entries = re.findall(r"((?:^\S.*\n)+)((?:^ .*\n)*)", body, re.MULTILINE)
    return [(terms.splitlines(), " ".join(words.split())) for terms, words in entries]


GLOSSARY = explained((BOOK / "glossary.md").read_text(encoding="utf-8"))
TERMS = [term for terms, _ in GLOSSARY for term in terms]


@pytest.fixture(params=PAGES, ids=lambda path: path.name)
def text(request) -> str:
    """What a page says, its code left out."""
    if request.param.suffix == ".md":
        return request.param.read_text(encoding="utf-8")
    cells = nbformat.read(request.param, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def test_all_ways_to_cite_and_to_look_up_are_seen():
    assert cited("{cite:t}`ng2011` and {cite:p}`{see}gao2024{appendix A}, ng2011` and {cite}`x`") == ["ng2011", "gao2024", "ng2011", "x"]
    assert looked_up("a {term}`feature`, {term}`features <feature>`, {term}`dead\nfeature`") == ["feature", "feature", "dead feature"]
    assert explained("```{glossary}\n:sorted:\n\nFVU\nerror\n  How\n  far.\n\ncode\n  A list.\n```\n") == [
        (["FVU", "error"], "How far."),
        (["code"], "A list."),
    ]


def test_what_a_page_cites_is_in_the_bibliography(text):
    assert set(cited(text)) <= set(WORKS)


def test_what_a_page_looks_up_is_in_the_glossary(text):
    assert {term.lower() for term in looked_up(text)} <= {term.lower() for term in TERMS}


@pytest.mark.parametrize("key", WORKS)
def test_a_work_has_authors_a_year_a_title_and_a_place_to_find_it(key):
    work = WORKS[key]
    assert work.persons["author"] and all(author.last_names and author.first_names for author in work.persons["author"])
    assert "others" not in [str(author) for author in work.persons["author"]]
    assert re.fullmatch(r"(19|20)\d\d[a-z]?", work.fields["year"])
    assert work.fields["title"].strip()
    places = {
        "doi": r"10\.\d{4,}/\S+",
        "eprint": r"\d{4}\.\d{4,5}",
        "url": r"https://\S+",
    }
    found = [name for name in places if name in work.fields]
    assert found
    for name in found:
        assert re.fullmatch(places[name], work.fields[name])


@pytest.mark.parametrize("key", WORKS)
def test_a_key_is_what_the_reader_sees_of_a_citation(key):
    work = WORKS[key]
    assert key == "".join(work.persons["author"][0].last_names).lower() + work.fields["year"]


def test_no_two_works_look_alike_when_cited():
    """Three authors or more are cited as the first and others, two as both."""
    seen = []
    for work in WORKS.values():
        names = [" ".join(author.last_names) for author in work.persons["author"]]
        seen.append((tuple(names if len(names) < 3 else names[:1]), work.fields["year"]))
    assert len(set(seen)) == len(seen)


def test_every_term_is_explained_once_in_a_few_plain_sentences():
    assert len({term.lower() for term in TERMS}) == len(TERMS)
    for terms, words in GLOSSARY:
        # As it is read: without the marks of links and citations.
        read = re.sub(r" ?\{cite:\w\}`[^`]+`", "", words)
        read = re.sub(r"\{term\}`([^`<]+?)(?: <[^`]+>)?`", r"\1", read)
        assert read.endswith("."), terms
        assert 1 <= len(re.findall(r"[.?!](?= |$)", read)) <= 3, terms
        assert 30 <= len(read) <= 350, terms


def test_the_citations_name_the_librarys_version():
    root = BOOK.parent
    assert f"version: {saelib.__version__}\n" in (root / "CITATION.cff").read_text(encoding="utf-8")
    assert f"saelib, version {saelib.__version__}" in (BOOK / "bibliography.md").read_text(encoding="utf-8")
