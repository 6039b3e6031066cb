"""A book of three chapters with questions, published by hand: what the tests of the review and of the sidebar open."""

import shutil
from pathlib import Path

import nbformat
import yaml
from pages import ROOT, in_script, view
from published import write_index
from saelib.widgets import Quiz, Review
from saelib.widgets.quiz.review import read_chapters

STATIC = [ROOT / "book" / "_published" / "static", ROOT / "saelib" / "widgets" / "host"]
TITLE = "A small book"
RIGHT, WRONG = '{"answer":"This","right":true}', '{"answer":"That","right":false}'  # as a browser keeps them
TITLES = {"intro": "Few bricks", "autoencoders": "Autoencoders: two friends", "quiz": "Test yourself"}


def single(name: str, **fields) -> dict:
    return {
        "id": name,
        "kind": "single",
        "prompt": f"What of {name}?",
        "options": [
            {"text": "This", "right": True, "feedback": "Yes, this."},
            {"text": "That", "feedback": "No, not that.", "misconception": "that is it"},
        ],
        **fields,
    }


SIDE = {"misconception": "m", "feedback": "f"}
GUESS = {
    "id": "autoencoders-guess",
    "kind": "predict",
    "prompt": "How large is the error?",
    "min": 0,
    "max": 1,
    "step": 0.1,
    "tolerance": 0.1,
    "feedback": "It is.",
    "too_low": SIDE,
    "too_high": SIDE,
    "anchor": "#guess",
}
VALUE = 0.4  # what is to be guessed
QUESTIONS = {
    "intro": [single("intro-one", anchor="#one"), single("intro-two")],
    "autoencoders": [
        single("autoencoders-one", anchor="intro.html#one"),
        single("autoencoders-two", anchor="#two", hint="A hint.", explanation="An explanation."),
        GUESS,
    ],
    "quiz": [single("quiz-one"), single("quiz-two", prompt="What of `quiz` two?")],
}
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="../_static/book.css">
<script defer src="../_static/progress-index.js"></script>
<script defer src="../_static/progress.js"></script>
<script defer src="../_static/widget-host.js"></script>
<style>body {{ margin: 0 auto; padding: 16px; max-width: 800px; background: #fff; color: #222; }}
  html[data-theme=dark] body {{ background: #121212; color: #eee; }}
  html[data-theme=dark] a {{ color: #8ec7ff; }}</style>
<div class="bd-sidebar-primary"><nav class="bd-links" aria-label="Main"><ul>{links}</ul></nav></div>
<main><h1>{title}</h1>{views}</main>
<script type="application/vnd.jupyter.widget-state+json">{state}</script></html>"""


def kept_as(name: str, place="/") -> str:
    """The name under which a browser keeps the answer to a question of this book, published at that path."""
    return f"saelib.quiz.{TITLE} {place}.{name}"


def answer(within, name: str, option: str):
    """Choose an answer to a question of this book, on its page or in a part of it, and check it. Gives what is said to it."""
    group = within.get_by_role("group", name=f"What of {name}?", exact=True)
    group.get_by_label(option, exact=True).check()
    group.get_by_role("button", name="Check", exact=True).click()
    return group.get_by_role("status")


def write_sources(root: Path, questions=QUESTIONS) -> None:
    """The chapters, their questions and the table of contents, as they are written."""
    (root / "book").mkdir(parents=True, exist_ok=True)
    chapters = [{"file": f"book/{name}"} for name in questions if name != "intro"]
    toc = {"format": "jb-book", "root": "book/intro", "parts": [{"caption": "All", "chapters": chapters}]}
    (root / "_toc.yml").write_text(yaml.safe_dump(toc))
    (root / "_config.yml").write_text(f"title: {TITLE}\n")
    for name, asked in questions.items():
        (root / "book" / f"{name}.quiz.yml").write_text(yaml.safe_dump({"chapter": name, "questions": asked}, allow_unicode=True))
        cells = [nbformat.v4.new_markdown_cell(f"# {TITLES.get(name, name)}\n\nOnce upon a time.")]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), root / "book" / f"{name}.ipynb")


def publish(root: Path, site: Path) -> None:
    """The pages, as the book's build would make them: a quiz in each, and in the chapter quiz the review."""
    (site / "book").mkdir(parents=True, exist_ok=True)
    for folder in STATIC:
        shutil.copytree(folder, site / "_static", dirs_exist_ok=True)
    title, chapters = read_chapters(root / "book")
    write_index(site / "_static" / "progress-index.js", title, chapters)
    for chapter in chapters:
        name = chapter["name"]
        values = {question["id"]: VALUE for question in chapter["questions"] if question["id"] == GUESS["id"]}
        widgets = [Quiz(root / "book" / f"{name}.quiz.yml", values=values)]
        if name == "quiz":
            widgets.append(Review(root / "book"))
        models = {
            f"m{number}": {
                "model_module": "anywidget",
                "model_name": "AnyModel",
                "state": {key: value for key, value in widget.get_state().items() if key in widget.keys and key != "layout"},
            }
            for number, widget in enumerate(widgets)
        }
        link = '<li><a class="reference internal" href="{}">{}</a></li>'.format
        page = PAGE.format(
            title=chapter["title"],
            links="".join(link("#" if other["name"] == name else f"{other['name']}.html", other["title"]) for other in chapters),
            views="".join(map(view, models)),
            state=in_script({"state": models}),
        )
        (site / "book" / f"{name}.html").write_text(page, encoding="utf-8")
