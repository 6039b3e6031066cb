"""What every chapter has, as a file. That it runs is nbval's business, and its page the browser's."""

import re
from pathlib import Path

import nbformat
import pytest
import yaml
from saelib.claims import code_of, written

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
# The pages of all questions and of the whole story teach nothing new: they have no summary, no questions of a chapter and no lab.
CHAPTERS = [path for path in NOTEBOOKS if path.stem not in ("quiz", "summary")]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


@pytest.fixture(params=CHAPTERS, ids=lambda path: path.stem)
def chapter(request):
    notebook = nbformat.read(request.param, as_version=4)
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def test_every_notebook_is_in_the_table_of_contents():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = {toc["root"], *(chapter["file"] for chapter in toc["chapters"])}
    listed = {file for file in listed if not (ROOT / f"{file}.md").is_file()}  # back matter, with no code in it
    assert listed == {f"book/{path.stem}" for path in NOTEBOOKS}


def test_a_notebook_is_valid_and_carries_no_results(notebook):
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None, cell.source


def test_a_cell_fits_a_screen(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 30, cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_said_of_a_result_is_a_claim(path):
    """Where a chapter trains, it also claims something of the result."""
    code = code_of(path)
    assert "saelib.train(" not in code or written(code)


def test_a_chapter_says_how_long_it_takes_and_what_for(chapter):
    assert re.search(r"^# .+\n\n\*About \d+ minutes.*you can", chapter, re.DOTALL)


def test_a_chapter_ends_with_summary_questions_lab_and_reading(chapter):
    headings = re.findall(r"^## (.+)$", chapter, re.MULTILINE)
    assert headings[-4:] == ["Summary", "Test your understanding", "Lab", "Further reading"]


def test_a_summary_has_five_lines_at_most(chapter):
    summary = re.search(r"^## Summary\n\n(.+?)\n\n", chapter, re.MULTILINE | re.DOTALL)[1]
    assert len(re.sub(r"\]\(claim:[^)]*\)", "]", summary)) <= 5 * 120
