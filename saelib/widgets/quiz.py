"""The quiz: many questions in one widget, answered in the page, with or without a kernel."""

from os import PathLike
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from .base import STYLE, javascript
from .questions import KINDS, read_quiz


class Quiz(anywidget.AnyWidget):
    """Questions that say at once why an answer is right or wrong, from a file or from the same data in Python.

        quiz = Quiz("autoencoders.quiz.yml")     # the path from the notebook's folder
        quiz = Quiz([{"id": "...", "kind": "single", "prompt": "...", "options": [...]}])
        quiz.observe(print, "answers")

    `saelib.widgets.questions` says how questions are written; a malformed one is a ValueError that names it.

    Traits, all in step with the page:
        answers    what the reader answered, by question id: for `single` the text of the option chosen, for `multiple`
                   the list of the texts chosen. Assign a new dict to show other answers in the page.
        score      how many questions are answered rightly
        total      how many questions there are
        questions, name, title    what is asked, the chapter it belongs to, the heading
    """

    _esm = javascript("quiz.js")
    _css = STYLE + (Path(__file__).parent / "quiz.css").read_text(encoding="utf-8")

    name = traitlets.Unicode(read_only=True).tag(sync=True)
    title = traitlets.Unicode(read_only=True).tag(sync=True)
    questions = traitlets.List(read_only=True).tag(sync=True)
    answers = traitlets.Dict().tag(sync=True)
    score = traitlets.Int(read_only=True).tag(sync=True)
    total = traitlets.Int(read_only=True).tag(sync=True)

    def __init__(self, source: str | PathLike[str] | list[Any] | dict[str, Any]) -> None:
        quiz = read_quiz(source)
        self.set_trait("name", quiz["chapter"])
        self.set_trait("title", quiz["title"])
        self.set_trait("questions", quiz["questions"])
        self.set_trait("total", len(quiz["questions"]))
        super().__init__()

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
