"""The review: all the questions of a book in one place, and how far the reader has come in each chapter."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any

import traitlets

from ..base import javascript, style
from .fields import show
from .kinds import KINDS, SCRIPTS
from .questions import read_book
from .quiz import Asked
from .table_of_contents import table_of_contents


def read_chapters(folder: str | PathLike[str], order: Iterable[str] | None = None) -> tuple[str, list[dict[str, Any]]]:
    """A book's title, and its chapters with questions: [{"name": ..., "title": ..., "questions": [...]}, ...].

    They stand in the given order, else in that of the _toc.yml found in the folder or above it; those that are in
    neither follow by name. The title is the one in the _config.yml beside that _toc.yml, else the folder's name.
    """
    folder = Path(folder)
    chapters: dict[str, list[Any]] = {}
    for quiz in read_book(folder):
        chapters.setdefault(quiz["chapter"], []).extend(quiz["questions"])
    if not chapters:
        raise ValueError(f"folder: no *.quiz.yml in {str(folder.resolve())!r}; expected at least one")
    title, listed = table_of_contents(folder)
    if order is not None:
        listed = list(order)
        for name in listed:
            if name not in chapters or listed.count(name) > 1:
                raise ValueError(f"order: got {show(name)}; expected each once, of {', '.join(sorted(chapters))}")
    place = {name: number for number, name in reversed(list(enumerate(listed)))}
    names = sorted(chapters, key=lambda name: (place.get(name, len(place)), name))
    return title, [{"name": name, "title": _title(folder, name), "questions": chapters[name]} for name in names]


def _title(folder: Path, name: str) -> str:
    """The first heading of the chapter, without its marks; where there is no chapter yet, its name."""
    text = ""
    if (notebook := folder / f"{name}.ipynb").is_file():
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    elif (page := folder / f"{name}.md").is_file():
        text = page.read_text(encoding="utf-8")
    heading = re.search(r"^# +(.+?) *$", text, re.MULTILINE)
    return re.sub(r"[*`]", "", heading[1]) if heading else name.replace("-", " ").capitalize()


def _linked(question: dict[str, Any], chapter: str) -> dict[str, Any]:
    """The question with its passage as seen from any page of the book."""
    anchor = question.get("anchor") or KINDS[question["kind"]].place(question)
    return {**question, "anchor": f"{chapter}.html{anchor}" if anchor[:1] in ("", "#") else anchor}


class Review(Asked):
    """A score by chapter and all the questions of a book, in an order that a teacher can hand out.

        Review()                                    # of every *.quiz.yml in the notebook's folder
        Review("book", order=["intro", "autoencoders"])
        Review(elsewhere=["quiz"])                  # whose questions stand on this page already

    The questions are those of the chapters, with the same ids: what was answered there shows here, and the other way
    round. `predict` questions, whose true values are results of their chapters, and `experiment` questions, which need the
    explorables there, are counted here and asked there, and so are all those of the chapters in `elsewhere`.

    Raises ValueError for a folder without questions, a malformed question, or chapters that are not there.

    Traits, all in step with the page, besides `questions`, `answers`, `score` and `total` as those of a Quiz have them:
        scores       by chapter, {"right": ..., "answered": ..., "total": ...}; `score` and `total` are their sums
        predictions  what this browser keeps of the questions asked elsewhere, {id: {"answer": ..., "right": ...}}
        edition         changes with any question; a file of results says from which one it is
        chapters, counted   what there is: [{"name", "title", "ids"}, ...], and the questions asked elsewhere
    """

    _esm = javascript(*SCRIPTS, "quiz/review.js")
    _css = style("widgets.css", "chooser.css", "quiz/quiz.css", "quiz/review.css")

    edition = traitlets.Unicode(read_only=True).tag(sync=True)
    chapters = traitlets.List(read_only=True).tag(sync=True)
    counted = traitlets.List(read_only=True).tag(sync=True)
    predictions = traitlets.Dict().tag(sync=True)
    scores = traitlets.Dict(read_only=True).tag(sync=True)

    def __init__(self, folder: str | PathLike[str] = ".", order: Iterable[str] | None = None, *, elsewhere: Iterable[str] = ()) -> None:
        book, chapters = read_chapters(folder, order)
        elsewhere = set(elsewhere)
        if unknown := elsewhere - {chapter["name"] for chapter in chapters}:
            raise ValueError(f"elsewhere: got {show(min(unknown))}; expected chapters, of {', '.join(c['name'] for c in chapters)}")
        questions = [question for chapter in chapters for question in chapter["questions"]]
        by_id = json.dumps(sorted(questions, key=lambda question: question["id"]), sort_keys=True)
        asked, counted = [], []
        for chapter in chapters:
            for question in chapter["questions"]:
                kind = KINDS[question["kind"]]
                here = not (kind.needs_value or kind.needs_page) and chapter["name"] not in elsewhere
                (asked if here else counted).append(_linked(question, chapter["name"]))
        self.set_trait("book", book)
        self.set_trait("edition", hashlib.sha256(by_id.encode()).hexdigest()[:16])
        self.set_trait("chapters", [
            {"name": chapter["name"], "title": chapter["title"], "ids": [question["id"] for question in chapter["questions"]]}
            for chapter in chapters
        ])  # fmt: skip
        self.set_trait("questions", asked)
        self.set_trait("counted", counted)
        self.set_trait("total", len(questions))
        self._update_score(None)
        super().__init__()

    @traitlets.validate("predictions")
    def _check_predictions(self, proposal: dict[str, Any]) -> dict[str, Any]:
        questions = {question["id"]: question for question in self.counted}
        for name, kept in proposal["value"].items():
            if name not in questions:
                raise ValueError(f"predictions: got the question id {name!r}; expected one of {', '.join(questions)}")
            fits = isinstance(kept, dict) and KINDS[questions[name]["kind"]].fits(questions[name], kept.get("answer"))
            if not fits or not isinstance(kept.get("right"), bool):
                raise ValueError(f'predictions[{name!r}]: got {kept!r}; expected {{"answer": ..., "right": true or false}}')
        return proposal["value"]

    @traitlets.observe("answers", "predictions")
    def _update_score(self, change: Any) -> None:
        right = {name: kept["right"] for name, kept in self.predictions.items()}
        for question in self.questions:
            if question["id"] in self.answers:
                right[question["id"]] = KINDS[question["kind"]].is_right(question, self.answers[question["id"]])
        scores = {}
        for chapter in self.chapters:
            counted = Counter(right[name] for name in chapter["ids"] if name in right)
            scores[chapter["name"]] = {"right": counted[True], "answered": counted.total(), "total": len(chapter["ids"])}
        self.set_trait("scores", scores)
        self.set_trait("score", sum(score["right"] for score in scores.values()))
