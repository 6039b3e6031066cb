"""The one text that a widget's code travels as: the browser takes it, and what a stranger adds to it is there."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import saelib
from explorables import readout
from pages import ROOT, settle
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


# What CONTRIBUTING.md says to write, by the file: a kind of question and an explorable that there are not.
WRITTEN = dict(re.findall(r"```\w+\n(?:#|//) (saelib/widgets/\S+)\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL))
ASK = """
import json
from saelib.widgets import Quiz, save_html
from saelib.widgets.explorables.how_pale import HowPale

save_html(HowPale(), "how_pale.html")
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


@pytest.fixture(scope="module")
def further(tmp_path_factory):
    """A folder with a copy of the library in which that was written, and what somebody is told who asks a question of the new kind."""
    folder = tmp_path_factory.mktemp("stranger")
    shutil.copytree(Path(saelib.__file__).parent, folder / "saelib", ignore=shutil.ignore_patterns("weights", "__pycache__"))
    for name, text in WRITTEN.items():
        (folder / name).write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", ASK], cwd=folder, capture_output=True, text=True, check=True)
    return folder, json.loads(done.stdout)


def test_a_further_kind_of_question_is_two_files_in_one_folder(further, quiz_folder, page):
    refused, right, state, css = further[1]
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


def test_a_further_explorable_is_a_page_that_follows_its_slider(further, page):
    opened = page((further[0] / "how_pale.html").as_uri())
    settle(opened.page)
    slider = opened.page.get_by_role("slider", name="Strength")
    slider.fill("50")
    assert readout(opened.page.locator("section.sae-explorable")) == "Drawn at 50%, the error is 25%."
    assert opened.problems == []
