"""The build of a small book with the real book's settings: what stops it, what does not, and what it says at the end."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup

ROOT = Path(__file__).parents[2]
HOLDS = 'claim("intro-holds", "Two is more than one", 2, above=1)'
FAILS = 'claim("intro-fails", "One is more than two", 1, above=2)'
PROSE = "# Intro\n\nTwo is [more](claim:intro-holds) than one, and one is [more](claim:intro-fails) than two."

RIGHT = {"text": "Yes", "right": True, "feedback": "It is [more](claim:intro-holds)."}
QUESTIONS = [
    {
        "id": "intro-two",
        "kind": "single",
        "prompt": "Is two more than one?",
        "options": [RIGHT, {"text": "No", "feedback": "Count.", "misconception": "m"}],
    }
]


def write(folder: Path, name: str, prose: str, *code: str) -> None:
    cells = [nbformat.v4.new_markdown_cell(prose), *map(nbformat.v4.new_code_cell, ("from saelib.claims import claim", *code))]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), folder / "book" / f"{name}.ipynb")


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A book of two chapters, and a function that builds it."""
    folder = tmp_path_factory.mktemp("book")
    shutil.copytree(ROOT / "book" / "_published", folder / "book" / "_published")
    shutil.copytree(ROOT / "saelib" / "widgets", folder / "saelib" / "widgets")
    shutil.copy(ROOT / "requirements.txt", folder)
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    # The real book's bibliography and the reference of its library are no business of this one.
    options = config["sphinx"]["config"]
    options["extensions"] = [name for name in options["extensions"] if name not in ("reference", "word_index", "sphinxcontrib.bibtex")]
    for name in [name for name in options if name.startswith("bibtex_")]:
        options.pop(name)
    for name in ("reference", "word_index"):
        config["sphinx"]["local_extensions"].pop(name)
    (folder / "_config.yml").write_text(yaml.safe_dump(config))
    toc = {"format": "jb-book", "root": "book/intro", "chapters": [{"file": "book/other"}, {"file": "book/replication"}]}
    (folder / "_toc.yml").write_text(yaml.safe_dump(toc))
    (folder / "book" / "replication.md").write_text("# Replication\n\n```{replication}\n```\n")
    (folder / "book" / "intro.quiz.yml").write_text(yaml.safe_dump({"chapter": "intro", "questions": QUESTIONS}))
    write(folder, "intro", PROSE, HOLDS, FAILS, "print(6 * 7)")
    write(folder, "other", "# Other\n\nNothing is claimed here.", "print('other')")

    def build():
        done = subprocess.run(
            [Path(sys.executable).with_name("jupyter-book"), "build", folder, "-W", "--keep-going"],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        return done.returncode, done.stdout + done.stderr

    return folder, build


@pytest.fixture(scope="module")
def built(book):
    """The first build, with a claim in it that does not hold."""
    folder, build = book
    code, said = build()
    assert code == 0, said
    return folder, said


def page(folder: Path, name: str) -> BeautifulSoup:
    return BeautifulSoup((folder / "_build" / "html" / "book" / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


def test_a_host_is_told_to_keep_folders_that_begin_with_an_underscore(built):
    folder, _ = built
    assert (folder / "_build" / "html" / ".nojekyll").is_file()


def test_a_claim_that_came_out_otherwise_is_said_at_its_place_and_at_the_end_and_stops_nothing(built):
    folder, _ = built
    soup = page(folder, "intro")
    (said,) = soup.select("div.cell_output .claim-otherwise")
    assert said.get_text() == "On this machine this came out otherwise. One is more than two: expected above 2, measured 1."
    assert "42" in soup.select("div.cell_output")[-1].get_text() and "Traceback" not in soup.get_text()
    assert "One is more than two: expected above 2, measured 1." in (folder / "_build" / "otherwise.txt").read_text()


def test_words_that_rest_on_a_claim_say_what_it_came_to(built):
    soup = page(built[0], "intro")
    good, bad = soup.select("a.claim-mark")
    assert good["href"] == "replication.html#intro-holds" and good.get_text() == "more"
    assert "claim-otherwise" in bad["class"] and "claim-otherwise" not in good["class"]
    notes = [soup.find(id=mark["aria-describedby"]).get_text() for mark in (good, bad)]
    assert notes[0] == "2 here." and re.search(r"1 here\. On the machine .* came out otherwise.*above 2", notes[1])


def test_the_page_of_all_claims_has_a_row_for_each(built):
    soup = page(built[0], "replication")
    rows = soup.select("table.claims tbody tr")
    assert [row["id"] for row in rows] == ["intro-holds", "intro-fails"]
    assert "came out otherwise" in rows[1].get_text() and "came out otherwise" not in rows[0].get_text()
    assert all(row.select("svg[aria-label]") for row in rows)


def test_only_a_chapter_that_has_changed_is_run_again(built, book):
    folder, build = book
    assert "running 2 chapters" in built[1] and "intro" in built[1]
    assert "running" not in build()[1]
    write(folder, "other", "# Other\n\nNothing is claimed here.", "print('another')")
    code, said = build()
    assert code == 0 and re.search(r"running 1 chapters.*: other", said)
    write(folder, "other", "# Other\n\nOther words, the same code.", "print('another')")
    code, said = build()
    assert code == 0 and "running" not in said and "Other words" in page(folder, "other").get_text()


def test_an_error_that_is_no_claim_stops_the_build_and_names_the_chapter(built, book):
    folder, build = book
    write(folder, "other", "# Other\n\nNothing is claimed here.", "1 / 0")
    code, said = build()
    assert code != 0 and "book/other.ipynb stopped at an error" in said and "ZeroDivisionError" in said


def test_words_that_rest_on_no_claim_stop_the_build(built, book):
    folder, build = book
    write(folder, "other", "# Other\n\n[This](claim:other-nothing) rests on nothing.", "print('third')")
    code, said = build()
    assert code != 0 and "no claim has the name 'other-nothing'" in said


def test_the_same_name_for_two_claims_stops_the_build(built, book):
    folder, build = book
    write(folder, "other", "# Other\n\nNothing is claimed here.", HOLDS)
    code, said = build()
    assert code != 0 and "'intro-holds' is made in intro and again in other" in said, said
