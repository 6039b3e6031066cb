"""The one text that a widget's code travels as: the browser takes it, and what a stranger adds to it is there."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import saelib
from quizzes import PAGE, check, question, score, status
from saelib import widgets
from saelib.widgets.quiz.kinds import KINDS

MODULES = {name: value._esm for name in widgets.__all__ if isinstance(value := getattr(widgets, name), type)}


def test_every_widget_is_looked_at():
    assert len(MODULES) == len(widgets.__all__) - 1  # save_html is none


@pytest.mark.parametrize("name", MODULES)
def test_the_code_of_a_widget_is_a_module_that_shows_it(name, page):
    """The browser parses it whole, and runs what stands at its top."""
    load = 'async (code) => (await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })))).default.render.name'
    opened = page("about:blank")
    assert opened.page.evaluate(load, str(MODULES[name])) == "render"
    assert opened.problems == []


def test_the_page_has_the_kinds_of_questions_that_python_has(page):
    tab = page("about:blank").page
    code = f"{MODULES['Quiz']}; globalThis.found = Object.keys(KINDS);"
    tab.evaluate('(code) => import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })))', code)
    assert tab.evaluate("found") == list(KINDS)


# What somebody writes who wants a kind of question that there is not.
PYTHON = """
from ..fields import text_of
from ..kind import Kind


class TrueFalse(Kind):
    fields = {"true": {"type": "boolean", "description": "true or false"}, "feedback": text_of(200)}

    def fits(self, question, answer):
        return isinstance(answer, bool)

    def is_right(self, question, answer):
        return answer is question["true"]


KINDS = {"true-false": TrueFalse()}
"""
JAVASCRIPT = """
import { el } from "../../common.js";
import { KINDS } from "../kind.js";
import { markup } from "../markup.js";

KINDS["true-false"] = {
  fits: (question, answer) => typeof answer === "boolean",
  isRight: (question, answer) => answer === question.true,
  feedback: (question) => [markup(question.feedback)],
  controls(question, onChange) {
    const box = el("input", { type: "checkbox", onchange: onChange });
    return {
      node: el("label", {}, box, "It is true"),
      read: () => box.checked,
      write: (answer) => { box.checked = answer ?? false; },
      mark: () => {},
    };
  },
};
"""
ASK = """
import json
from saelib.widgets import Quiz

asked = {"id": "sky", "kind": "true-false", "prompt": "A code is shorter?", "true": True, "feedback": "It is."}
try:
    Quiz([{**asked, "true": "maybe"}])
except ValueError as error:
    refused = str(error)
quiz = Quiz([asked])
state = quiz.get_state(["_esm", "questions", "answers", "title", "name", "score", "total"])
quiz.answers = {"sky": True}
print(json.dumps([refused, quiz.score, state, quiz._css]))
"""


def test_a_further_kind_of_question_is_two_files_in_one_folder(tmp_path, quiz_folder, page):
    shutil.copytree(Path(saelib.__file__).parent, tmp_path / "saelib", ignore=shutil.ignore_patterns("weights", "__pycache__"))
    kinds = tmp_path / "saelib" / "widgets" / "quiz" / "kinds"
    (kinds / "true_false.py").write_text(PYTHON, encoding="utf-8")
    (kinds / "true_false.js").write_text(JAVASCRIPT, encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", ASK], cwd=tmp_path, capture_output=True, text=True, check=True)
    refused, right, state, css = json.loads(done.stdout)
    assert "question sky, true: got 'maybe'; expected true or false" in refused and right == 1
    parts = {"HOST": 'data-widget-host="ready"', "STYLE": css, "STATE": json.dumps(state).replace("<", "\\u003c")}
    (quiz_folder[0] / "further.html").write_text(re.sub("HOST|STYLE|STATE", lambda found: parts[found[0]], PAGE), encoding="utf-8")
    opened = page(f"{quiz_folder[1]}/further.html")
    tab = opened.page
    tab.wait_for_selector("html[data-ready]")
    check(tab, "A code is shorter?")
    assert status(tab, "A code is shorter?").inner_text().startswith("Not quite")
    question(tab, "A code is shorter?").get_by_label("It is true").check()
    check(tab, "A code is shorter?")
    assert status(tab, "A code is shorter?").inner_text() == "Correct. It is." and score(tab) == "1 of 1 right"
    assert opened.problems == []
