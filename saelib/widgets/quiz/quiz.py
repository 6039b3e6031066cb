"""The quiz: many questions in one widget, answered in the page, with or without a kernel."""

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from ..base import javascript, style
from .kinds import KINDS, SCRIPTS
from .questions import choose, read_quiz
from .table_of_contents import table_of_contents


class Asked(anywidget.AnyWidget):
    """What all widgets that ask questions share: the questions, the reader's answers, and the score of them.

    `book` is the title of the book that they belong to, or "": a browser keeps answers for each book apart.
    """

    _css = style("widgets.css", "quiz/quiz.css")

    book = traitlets.Unicode(read_only=True).tag(sync=True)
    questions = traitlets.List(read_only=True).tag(sync=True)
    answers = traitlets.Dict().tag(sync=True)
    score = traitlets.Int(read_only=True).tag(sync=True)
    total = traitlets.Int(read_only=True).tag(sync=True)

    @traitlets.validate("answers")
    def _check_answers(self, proposal: dict[str, Any]) -> dict[str, Any]:
        questions = {question["id"]: question for question in self.questions}
        for name, answer in proposal["value"].items():
            if name not in questions:
                raise ValueError(f"answers: got the question id {name!r}; expected one of {', '.join(questions)}")
            if not KINDS[questions[name]["kind"]].fits(questions[name], answer):
                raise ValueError(f"answers[{name!r}]: got {answer!r}; expected an answer that the question offers")
        return proposal["value"]

    # The trait `score` is written here alone, from `answers`, whoever set them: so it is right at once in a script that
    # has no page, and two writers can't disagree. A page without a kernel has no use for the trait: it counts for itself
    # what it shows, from the same answers.
    @traitlets.observe("answers")
    def _update_score(self, change: Any) -> None:
        answered = [question for question in self.questions if question["id"] in self.answers]
        right = [KINDS[question["kind"]].is_right(question, self.answers[question["id"]]) for question in answered]
        self.set_trait("score", sum(right))


class Quiz(Asked):
    """Questions that say at once why an answer is right or wrong, from a file or from the same data in Python.

        quiz = Quiz("autoencoders.quiz.yml")     # the path from the notebook's folder
        quiz = Quiz([{"id": "...", "kind": "single", "prompt": "...", "options": [...]}])
        quiz = Quiz("intro.quiz.yml", only=["intro-guess"], values={"intro-guess": 100 * error})
        quiz.observe(print, "answers")

    `saelib.widgets.quiz.questions` says how questions are written; a malformed one is a ValueError that names it. With `only`,
    the named questions are asked, in that order and without a heading, in the middle of a chapter's text; without it, all
    that are not `inline`. `values` are the notebook's own results, by id, that questions of the kind `predict` ask for.

    Traits, all in step with the page:
        answers    what the reader answered, by question id: for `single` the text of the option chosen, for `multiple`
                   the list of the texts chosen, for `number` that number, for `ordering` the list in the reader's order,
                   for `matching` a dict of what was put to what, for `predict` {"guess": 34, "first": 70} (without
                   `first` after one guess), for `own-words` {"text": "...", "mark": "same"} (without `mark` until the
                   reader has compared it), for `experiment` a dict of what the explorable showed: "text", "token", "guess", ...
                   Assign a new dict to show other answers in the page.
        score      how many questions are answered rightly
        total      how many questions there are
        questions, name, title    what is asked, the chapter it belongs to, the heading
    """

    _esm = javascript(*SCRIPTS, "quiz/quiz.js")

    name = traitlets.Unicode(read_only=True).tag(sync=True)
    title = traitlets.Unicode(read_only=True).tag(sync=True)

    def __init__(
        self,
        source: str | PathLike[str] | list[Any] | dict[str, Any],
        only: Iterable[str] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> None:
        quiz = read_quiz(source)
        questions = choose(quiz["questions"], only, values)
        if isinstance(source, (str, PathLike)):
            self.set_trait("book", table_of_contents(Path(source).parent)[0])
        self.set_trait("name", quiz["chapter"])
        self.set_trait("title", quiz["title"] if only is None else "")
        self.set_trait("questions", questions)
        self.set_trait("total", len(questions))
        super().__init__()
