"""Questions as data: what is accepted, and that everything else is refused with an error that says where and what."""

import base64
import copy
import json
import re
from fractions import Fraction
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from saelib.widgets.quiz.formulas import mathml
from saelib.widgets.quiz.kinds import KINDS
from saelib.widgets.quiz.kinds.own_words import says
from saelib.widgets.quiz.questions import TITLE, read_book, read_quiz

SINGLE = {
    "id": "parts",
    "kind": "single",
    "prompt": "What are the two parts?",
    "options": [
        {"text": "An encoder and a decoder", "right": True, "feedback": "One writes, one reads."},
        {"text": "A teacher and a pupil", "feedback": "Nobody marks.", "misconception": "needs labels"},
    ],
    "hint": "One writes.",
    "explanation": "Both are trained by one error.",
    "anchor": "#the-two-friends",
}
MULTIPLE = {
    "id": "rules",
    "kind": "multiple",
    "prompt": "Which of these make a code sparse?",
    "options": [
        {"text": "L1", "right": True, "feedback": "Yes."},
        {"text": "TopK", "right": True, "feedback": "Yes."},
        {"text": "L2", "feedback": "It shrinks but seldom to zero.", "misconception": "small is zero"},
    ],
}
PREDICT = {
    "id": "guess",
    "kind": "predict",
    "prompt": "How much is lost?",
    "min": 0,
    "max": 100,
    "step": 0.5,
    "unit": "%",
    "words": {"low": "nothing", "high": "all"},
    "tolerance": 5,
    "feedback": "The first bricks say the most.",
    "too_low": {"misconception": "bricks are free", "feedback": "More."},
    "too_high": {"misconception": "every brick says as much", "feedback": "Less."},
}
WORDS = {
    "id": "encoder",
    "kind": "own-words",
    "prompt": "What does the encoder do?",
    "ideas": [
        {"name": "what goes in", "any": ["picture*", "input", "画像"], "feedback": "What does it begin with?"},
        {"name": "what comes out", "any": ["short code", "few num*"], "misconception": "a copy", "feedback": "How long?"},
    ],
    "model_answer": "It turns a picture into a short code.",
}
NUMBER = {
    "id": "blank",
    "kind": "number",
    "prompt": "What share of the pixels is blank?",
    "answer": 87.5,
    "tolerance": 0.5,
    "unit": "%",
    "feedback": "Seven of eight.",
    "wrong": [
        {"value": 12.5, "tolerance": 0.5, "misconception": "counts what is there", "feedback": "Those are inked."},
        {"value": 0.875, "misconception": "a share is a percentage", "feedback": "Asked for in per cent."},
    ],
    "otherwise": "Count among eight pixels.",
}
ORDERING = {
    "id": "steps",
    "kind": "ordering",
    "prompt": "In which order?",
    "items": ["Encode", "Decode", "Compare", "Change"],
    "feedback": "So it goes round.",
    "wrong": [
        {"before": "Decode", "after": "Encode", "misconception": "the decoder invents", "feedback": "It only reads."},
        {"before": "Change", "after": "Compare", "misconception": "chance changes", "feedback": "The error says how."},
    ],
    "otherwise": "Follow one picture.",
}
MATCHING = {
    "id": "friends",
    "kind": "matching",
    "prompt": "What does each do?",
    "pairs": [
        {"left": "Encoder", "right": "writes"},
        {"left": "Decoder", "right": "reads"},
        {"left": "Loss", "right": "measures"},
    ],
    "distractors": ["knows"],
    "feedback": "So it is.",
    "wrong": [
        {"left": "Loss", "right": "knows", "misconception": "needs labels", "feedback": "The input is the target."},
        {"left": "Encoder", "right": "reads", "misconception": "swapped", "feedback": "*En*code."},
    ],
    "otherwise": "Read the words slowly.",
}
EXPERIMENT = {
    "id": "sure",
    "kind": "experiment",
    "prompt": "Find a text after which it is sure.",
    "explorable": "type",
    "goal": {
        "sure": 0.95, "unsure": 0.99, "guess": " name", "feature": 12, "strength": 2.5, "off": 7, "holds": [" self"], "lacks": ["class", "$x$"],
        "least_tokens": 3, "turned": 12, "changed": True, "own": True, "surprise": 8,
    },
    "feedback": "There is hardly another way.",
}  # fmt: skip
MISSING = object()


def changed(question: dict, *path, to) -> dict:
    """A copy of the question with one field changed or, with MISSING, taken out."""
    question = copy.deepcopy(question)
    at = question
    for part in path[:-1]:
        at = at[part]
    if to is MISSING:
        del at[path[-1]]
    else:
        at[path[-1]] = to
    return question


def problems(source) -> list[str]:
    with pytest.raises(ValueError) as error:
        read_quiz(source)
    first, *lines = str(error.value).split("\n  ")
    assert first.endswith(f": {len(lines)} problem{'s' * (len(lines) > 1)} in this quiz")
    return lines


def test_a_file_and_the_same_data_are_the_same_quiz(tmp_path):
    data = {"chapter": "autoencoders", "title": "What stayed?", "questions": [SINGLE, MULTIPLE]}
    file = tmp_path / "autoencoders.quiz.yml"
    file.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    assert read_quiz(file) == read_quiz(str(file)) == read_quiz(data) == data


def test_a_list_is_a_quiz_of_no_chapter():
    assert read_quiz([SINGLE]) == {"chapter": "", "title": TITLE, "questions": [SINGLE]}


def test_the_quiz_does_not_change_with_the_data_it_was_made_from():
    question = copy.deepcopy(SINGLE)
    quiz = read_quiz([question])
    question["options"].clear()
    assert quiz["questions"] == [SINGLE]


def test_white_space_around_texts_is_taken_off():
    question = changed(SINGLE, "prompt", to="  What are\nthe two parts?\n")
    assert read_quiz([question])["questions"][0]["prompt"] == "What are\nthe two parts?"


@pytest.mark.parametrize(
    ("question", "path", "to", "says"),
    [
        (SINGLE, ["kind"], "essay", "question parts, kind: got 'essay'; expected one of single, multiple"),
        (SINGLE, ["kind"], ["single"], "question parts, kind: got ['single']; expected one of"),
        (SINGLE, ["kind"], MISSING, "question parts, kind: missing; expected one of"),
        (SINGLE, ["id"], MISSING, "question number 1, id: missing; expected lowercase letters"),
        (SINGLE, ["id"], "Parts 2", "question number 1, id: got 'Parts 2'; expected lowercase letters"),
        (SINGLE, ["id"], "parts\n", r"question number 1, id: got 'parts\n'; expected lowercase letters"),
        (SINGLE, ["prompt"], MISSING, "question parts, prompt: missing; expected a text of 1 to 500 characters"),
        (SINGLE, ["prompt"], " \n", "question parts, prompt: got ' \\n'; expected a text"),
        (SINGLE, ["prompt"], "x" * 501, "question parts, prompt: got 'xxx"),
        (SINGLE, ["prompt"], "\ud800", r"question parts, prompt: got '\ud800'; expected a text"),
        (SINGLE, ["hint"], 7, "question parts, hint: got 7; expected a text"),
        (SINGLE, ["explanation"], None, "question parts, explanation: got None; expected a text"),
        (SINGLE, ["promt"], "x", "question parts, promt: unknown field; expected one of id, prompt,"),  # codespell:ignore
        (SINGLE, ["options"], MISSING, "question parts, options: missing; expected a list of 2 to 10 options"),
        (SINGLE, ["options"], "ab", "question parts, options: got 'ab'; expected a list of 2 to 10 options"),
        (SINGLE, ["options", 1], "ab", "question parts, options[1]: got 'ab'; expected an option with"),
        (SINGLE, ["options", 1, "text"], False, "question parts, options[1].text: got False; expected a text"),
        (SINGLE, ["options", 1, "feedback"], MISSING, "question parts, options[1].feedback: missing; expected a text"),
        (SINGLE, ["options", 1, "why"], "x", "question parts, options[1].why: unknown field; expected one of text,"),
        (SINGLE, ["options", 0, "right"], "yes", "question parts, options[0].right: got 'yes'; expected true or false"),
        (SINGLE, ["options", 1, "misconception"], MISSING, "options[1].misconception: missing; expected a short name"),
        (SINGLE, ["options", 0, "misconception"], "x", "options[0].misconception: unknown field of a right option"),
        (MULTIPLE, ["options", 1, "text"], " L1", "question rules, options[1].text: got ' L1' a second time"),
        (MULTIPLE, ["kind"], "single", "question rules, options: got 2 right of 3; expected exactly one right option"),
        (PREDICT, ["min"], float("nan"), "question guess, min: got nan; expected a number"),
        (PREDICT, ["max"], float("inf"), "question guess, max: got inf; expected a number greater than min"),
        (PREDICT, ["max"], 0, "question guess, max: got 0; expected a number greater than min"),
        (PREDICT, ["min"], True, "question guess, min: got True; expected a number"),
        (PREDICT, ["step"], 0, "question guess, step: got 0; expected a number greater than 0"),
        (PREDICT, ["step"], 7, "question guess, step: got 7; expected a number greater than 0 that leads from min to max"),
        (PREDICT, ["step"], 1e-9, "question guess, step: got 1e-09; expected"),
        (PREDICT, ["tolerance"], 0.2, "question guess, tolerance: got 0.2; expected a number, at least half a step"),
        (PREDICT, ["tolerance"], 100, "question guess, tolerance: got 100; expected"),
        (PREDICT, ["value"], 34, "question guess, value: unknown field"),
        (PREDICT, ["too_low"], MISSING, "question guess, too_low: missing; expected a misconception and feedback"),
        (PREDICT, ["too_low", "misconception"], MISSING, "question guess, too_low.misconception: missing"),
        (PREDICT, ["words"], {"low": "a"}, "question guess, words.high: missing"),
        (PREDICT, ["inline"], "yes", "question guess, inline: got 'yes'; expected true or false"),
        (WORDS, ["ideas"], [], "question encoder, ideas: got []; expected a list of 1 to 6 ideas"),
        (WORDS, ["ideas", 0, "any"], [], "question encoder, ideas[0].any: got []; expected a list of 1 to 40"),
        (WORDS, ["ideas", 0, "any", 1], "*", "question encoder, ideas[0].any[1]: got '*'; expected words of letters"),
        (WORDS, ["ideas", 0, "any", 1], "e*", "question encoder, ideas[0].any[1]: got 'e*'; expected words"),
        (WORDS, ["ideas", 0, "any", 1], "en*coder", "question encoder, ideas[0].any[1]: got 'en*coder'"),
        (WORDS, ["ideas", 0, "any", 1], "a-b", "question encoder, ideas[0].any[1]: got 'a-b'"),
        (WORDS, ["ideas", 0, "any", 1], "a  b", "question encoder, ideas[0].any[1]: got 'a  b'"),
        (WORDS, ["ideas", 0, "any", 1], "(a+)+", "question encoder, ideas[0].any[1]: got '(a+)+'"),
        (WORDS, ["ideas", 1, "name"], " what goes in", "question encoder, ideas[1].name: got ' what goes in' a second time"),
        (WORDS, ["enough"], 3, "question encoder, enough: got 3; expected a whole number from 1 to the number of ideas"),
        (WORDS, ["enough"], 0, "question encoder, enough: got 0; expected a whole number"),
        (WORDS, ["model_answer"], MISSING, "question encoder, model_answer: missing"),
        (SINGLE, ["prompt"], r"a $\foo$", r"question parts, prompt: got the formula '\\foo': unknown command \foo; expected TeX"),
        (SINGLE, ["prompt"], r"$x^$", "question parts, prompt: got the formula 'x^': not finished or not TeX"),
        (SINGLE, ["options", 1, "feedback"], r"*a $\frac{1}$ b*", "options[1].feedback: got the formula"),
        (SINGLE, ["hint"], r"$}x{$", "question parts, hint: got the formula '}x{': "),
        (SINGLE, ["hint"], r"$a & b$", "question parts, hint: got the formula 'a & b': & where none can stand"),
        (SINGLE, ["hint"], r"$\href{javascript:alert(1)}{x}$", "hint: got the formula"),
        (SINGLE, ["hint"], r"$\style{background:url(//x)}{y}$", "hint: got the formula"),
        (SINGLE, ["hint"], r"$\class{sae}{y}$", "hint: got the formula"),
        (SINGLE, ["hint"], r"$\newcommand{\a}{\a\a}\a$", r"hint: got the formula"),
        (SINGLE, ["hint"], "$" + "x" * 301 + "$", "longer than 300 characters"),
        (SINGLE, ["picture"], "a.png", "question parts, picture: got 'a.png'; expected a picture with its file and alt"),
        (SINGLE, ["picture"], {"file": "a.png"}, "question parts, picture.alt: missing"),
        (SINGLE, ["picture"], {"file": "a.png", "alt": " "}, "question parts, picture.alt: got ' '"),
        (SINGLE, ["picture"], {"file": "/etc/a.png", "alt": "a"}, "question parts, picture.file: got '/etc/a.png'; expected"),
        (SINGLE, ["picture"], {"file": "../a.png", "alt": "a"}, "question parts, picture.file: got '../a.png'; expected"),
        (SINGLE, ["picture"], {"file": "b/../../a.png", "alt": "a"}, "question parts, picture.file: got 'b/../../a.png'"),
        (SINGLE, ["picture"], {"file": "http://x/a.png", "alt": "a"}, "question parts, picture.file: got 'http://x/a.png'"),
        (SINGLE, ["picture"], {"file": "a.html", "alt": "a"}, "question parts, picture.file: got 'a.html'"),
        (SINGLE, ["picture"], {"file": "none.png", "alt": "a"}, "question parts, picture.file: got 'none.png'; there is no"),
    ],
)
def test_a_wrong_field_is_named(question, path, to, says):
    assert any(says in line for line in problems([changed(question, *path, to=to)]))


@pytest.mark.parametrize("question", [NUMBER, ORDERING, MATCHING, EXPERIMENT])
def test_each_kind_is_read_as_it_is_written(question):
    assert read_quiz([question])["questions"] == [question]
    for name in {"unit", "otherwise", "distractors"} & set(KINDS[question["kind"]].optional):
        without = copy.deepcopy(question)
        del without[name]
        without["wrong"] = without["wrong"][1:]  # the first one names the distractor
        assert read_quiz([without])["questions"] == [without]


@pytest.mark.parametrize(
    ("question", "path", "to", "says"),
    [
        (NUMBER, ["answer"], "87", "question blank, answer: got '87'; expected a number from -1e+15 to 1e+15"),
        (NUMBER, ["answer"], True, "answer: got True; expected a number"),
        (NUMBER, ["answer"], float("nan"), "answer: got nan; expected a number"),
        (NUMBER, ["answer"], float("inf"), "answer: got inf; expected a number"),
        (NUMBER, ["answer"], 10**400, "expected a number from"),
        (NUMBER, ["answer"], 1 + 2j, "answer: got (1+2j); expected a number"),
        (NUMBER, ["answer"], Fraction(1, 2), "answer: got Fraction(1, 2); expected a number"),
        (NUMBER, ["tolerance"], -0.1, "tolerance: got -0.1; expected a number of 0 or more"),
        (NUMBER, ["tolerance"], MISSING, "tolerance: missing; expected a number of 0 or more"),
        (NUMBER, ["tolerance"], 75, "wrong[0].value: got 12.5, whose range meets that of answer; expected ranges apart"),
        (NUMBER, ["wrong", 1, "value"], 88, "wrong[1].value: got 88, whose range meets that of answer"),
        (NUMBER, ["wrong", 1, "value"], 12, "wrong[1].value: got 12, whose range meets that of wrong[0].value"),
        (NUMBER, ["wrong"], [], "wrong: got []; expected a list of 1 to 8 typical wrong values"),
        (NUMBER, ["wrong", 0, "misconception"], MISSING, "wrong[0].misconception: missing; expected a text"),
        (NUMBER, ["wrong", 0, "text"], "x", "wrong[0].text: unknown field; expected one of value, misconception,"),
        (NUMBER, ["otherwise"], MISSING, "otherwise: missing; expected a text"),
        (NUMBER, ["unit"], "x" * 21, "expected a text of 1 to 20 characters"),
        (NUMBER, ["options"], [], "options: unknown field; expected one of"),
        (ORDERING, ["items"], ["a", "b"], "items: got ['a', 'b']; expected a list of 3 to 8 texts in their right order"),
        (ORDERING, ["items", 2], " Encode", "items[2]: got ' Encode' a second time; expected distinct texts"),
        (ORDERING, ["items", 2], 3, "items[2]: got 3; expected a text"),
        (ORDERING, ["wrong"], MISSING, "wrong: missing; expected a list of 1 to 8 typical mistakes"),
        (ORDERING, ["wrong", 0, "before"], "Sleep", "wrong[0].before: got 'Sleep'; expected one of the items"),
        (ORDERING, ["wrong", 0, "after"], "Sleep", "wrong[0].after: got 'Sleep'; expected one of the items"),
        (ORDERING, ["wrong", 0, "after"], "Compare", "wrong[0]: got 'Decode' before 'Compare'; expected a pair that is"),
        (ORDERING, ["wrong", 0, "after"], "Decode", "wrong[0]: got 'Decode' before 'Decode'; expected a pair that is"),
        (ORDERING, ["wrong", 1], ORDERING["wrong"][0], "wrong[1]: got 'Decode' before 'Encode' a second time"),
        (ORDERING, ["feedback"], MISSING, "feedback: missing; expected a text"),
        (MATCHING, ["pairs"], MATCHING["pairs"][:2], "expected a list of 3 to 6 pairs"),
        (MATCHING, ["pairs", 1, "left"], "Encoder ", "pairs[1].left: got 'Encoder ' a second time"),
        (MATCHING, ["pairs", 1, "right"], "writes", "pairs[1].right: got 'writes' a second time"),
        (MATCHING, ["pairs", 1, "right"], "x" * 101, "expected a text of 1 to 100 characters"),
        (MATCHING, ["pairs", 1, "rigth"], "x", "pairs[1].rigth: unknown field; expected one of left, right"),  # codespell:ignore
        (MATCHING, ["distractors", 0], "reads", "distractors[0]: got 'reads' a second time; expected distinct texts"),
        (MATCHING, ["distractors"], "knows", "distractors: got 'knows'; expected a list of 1 to 6 texts"),
        (MATCHING, ["wrong", 0, "left"], "Judge", "wrong[0].left: got 'Judge'; expected the left text of a pair"),
        (MATCHING, ["wrong", 0, "right"], "sleeps", "wrong[0].right: got 'sleeps'; expected the right text of a pair, or"),
        (MATCHING, ["wrong", 0, "right"], "measures", "wrong[0]: got 'Loss' with 'measures'; expected a pair that is wrong"),
        (MATCHING, ["wrong", 1], MATCHING["wrong"][0], "wrong[1]: got 'Loss' with 'knows' a second time"),
    ],
)
def test_a_wrong_field_of_these_kinds_is_named(question, path, to, says):
    lines = problems([changed(question, *path, to=to)])
    assert any(says in line and line.startswith(f"questions, question {question['id']}, ") for line in lines)


@pytest.mark.parametrize(
    ("path", "to", "says"),
    [
        (["explorable"], MISSING, "explorable: missing; expected the address of an explorable"),
        (["explorable"], "live type", "explorable: got 'live type'; expected the address of an explorable"),
        (["goal"], MISSING, "goal: missing; expected one or more of sure, unsure, guess,"),
        (["goal"], {}, "goal: got {}; expected one or more of sure,"),
        (["goal"], [0.95], "goal: got [0.95]; expected one or more of sure,"),
        (["goal", "certain"], 1, "goal.certain: unknown field; expected one of sure, unsure,"),
        (["goal", "sure"], 95, "goal.sure: got 95; expected a share from 0 to 1"),
        (["goal", "sure"], "0.95", "goal.sure: got '0.95'; expected a share from 0 to 1"),
        (["goal", "unsure"], 0.9, "goal.unsure: got 0.9; expected a share not below that of sure"),
        (["goal", "guess"], "", "goal.guess: got ''; expected a token in quotes"),
        (["goal", "guess"], "\ud800", r"goal.guess: got '\ud800'; expected a token in quotes"),
        (["goal", "guess"], True, "goal.guess: got True; expected a token in quotes"),
        (["goal", "feature"], 1.5, "goal.feature: got 1.5; expected the number of a brick"),
        (["goal", "feature"], True, "goal.feature: got True; expected the number of a brick"),
        (["goal", "feature"], MISSING, "goal.strength: got 2.5 without a feature; expected feature beside it"),
        (["goal", "strength"], -1, "goal.strength: got -1; expected a number of 0 or more"),
        (["goal", "off"], 12, "goal.off: got 12, which is the feature too; expected another brick"),
        (["goal", "holds"], "self", "goal.holds: got 'self'; expected a list of 1 to 20 texts"),
        (["goal", "lacks", 1], " SELF", "goal.lacks[1]: got ' SELF', which the text holds too; expected another text"),
        (["goal", "lacks", 1], " ", "goal.lacks[1]: got ' '; expected a text of 1 to 100 characters"),
        (["goal", "least_tokens"], 0, "goal.least_tokens: got 0; expected a whole number from 1"),
        (["goal", "changed"], False, "goal.changed: got False; expected true, or nothing at all"),
        (["goal", "own"], 1, "goal.own: got 1; expected true, or nothing at all"),
        (["goal", "surprise"], float("nan"), "goal.surprise: got nan; expected a number of 0 or more"),
        (["feedback"], MISSING, "feedback: missing; expected a text"),
        (["feedback"], "$x^$", "feedback: got the formula 'x^': not finished"),
        (["options"], [], "options: unknown field; expected one of"),
    ],
)
def test_a_wrong_field_of_an_experiment_is_named(path, to, says):
    lines = problems([changed(EXPERIMENT, *path, to=to)])
    assert any(f"questions, question sure, {says}" in line for line in lines)


def test_a_token_keeps_its_blanks_and_is_no_formula():
    goal = {**EXPERIMENT["goal"], "guess": "\n ", "holds": [" $\\x$ "]}
    asked = {**EXPERIMENT, "goal": goal, "feedback": " As $y$. "}
    (question,) = read_quiz([asked])["questions"]
    assert question == {**asked, "feedback": "As $y$.", "math": {"y": mathml("y")}}
    asked["goal"]["holds"].clear()
    assert question["goal"]["holds"] == [" $\\x$ "]


@pytest.mark.parametrize("right", [[], [0, 1, 2]])
def test_a_multiple_question_needs_right_and_wrong_options(right):
    question = copy.deepcopy(MULTIPLE)
    for index, option in enumerate(question["options"]):
        option["right"] = index in right
        option.pop("misconception", None)
        if index not in right:
            option["misconception"] = "x"
    (line,) = problems([question])
    assert f"options: got {len(right)} right of 3; expected at least one right and at least one wrong option" in line


@pytest.mark.parametrize("anchor", ["#a", "#the-two-friends", "autoencoders.html#the-two-friends", "../book/intro.html#a.b"])
def test_an_anchor_is_a_passage_of_the_book(anchor):
    assert read_quiz([changed(SINGLE, "anchor", to=anchor)])


@pytest.mark.parametrize(
    "anchor",
    [
        "",
        "#",
        "autoencoders.html",
        "the-two-friends",
        "javascript:alert(1)//#a",
        "javascript:alert(1)//.html#a",
        "https://example.org/a.html#a",
        "//example.org/a.html#a",
        "/etc/a.html#a",
        "data:text/html,a.html#a",
        "#a b",
        '#a"onclick="x',
        "#a\n",
        " #a",
    ],
)
def test_no_other_link_is_an_anchor(anchor):
    (line,) = problems([changed(SINGLE, "anchor", to=anchor)])
    assert "question parts, anchor: got " in line


def test_every_problem_is_reported_at_once():
    lines = problems([changed(SINGLE, "prompt", to=3), {**MULTIPLE, "anchor": "x"}, "no question"])
    assert [line.split(":")[0] for line in lines] == [
        "questions, question parts, prompt",
        "questions, question rules, anchor",
        "questions, question number 3",
    ]


def test_an_id_stands_once_in_a_quiz():
    assert problems([SINGLE, SINGLE]) == ["questions, question parts, id: got 'parts' 2 times; expected it once"]


@pytest.mark.parametrize("source", [[], {}, {"chapter": "a"}, {"questions": [SINGLE]}, None, 3, b"questions: 3"])
def test_what_is_no_quiz_is_refused(source):
    assert problems(source)


def test_a_problem_in_a_file_names_the_file(tmp_path):
    file = tmp_path / "broken.quiz.yml"
    file.write_text("chapter: a\ntitel: b\nquestions: []\n")
    assert problems(file) == [
        f"{file}, titel: unknown field; expected one of chapter, title, questions",  # codespell:ignore
        f"{file}, questions: got []; expected a list of 1 to 200 questions",
    ]


def test_a_missing_file_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere.quiz.yml.*looked in " + re.escape(str(tmp_path))):
        read_quiz("nowhere.quiz.yml")
    with pytest.raises(FileNotFoundError):
        read_quiz(tmp_path)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"chapter: a\nquestions: [\n", ", line 3: broken YAML"),
        (b"chapter: a\nchapter: b\n", ", line 2: broken YAML: 'chapter' stands here twice"),
        (b"chapter: a\n\ttitle: b\n", ", line 2: broken YAML"),
        (b"chapter: a\ntitle: \xff\n", ", line 2: not UTF-8 text"),
        (b"chapter: a\ntitle: \x07\n", ", line 2: broken YAML"),
        (b"chapter: !!python/object:os.system a\n", ", line 1: broken YAML"),
        (b"chapter: 2024-99-99\n", ": broken YAML: ValueError"),
        (b"chapter: !!bool maybe\n", ": broken YAML: KeyError"),
        (b"[" * 5000, ": broken YAML: RecursionError"),
        (b"questions: &a [*a]\nchapter: a\n", "question number 1: got "),
        (b"", "got None; expected a quiz"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path, raw, says):
    file = tmp_path / "broken.quiz.yml"
    file.write_bytes(raw)
    with pytest.raises(ValueError, match=re.escape(says)) as error:
        read_quiz(file)
    assert str(error.value).startswith(str(file))


def test_an_answer_is_right_or_wrong_or_none_of_this_question():
    single, multiple = KINDS["single"], KINDS["multiple"]
    assert single.is_right(SINGLE, "An encoder and a decoder")
    assert not single.is_right(SINGLE, "A teacher and a pupil")
    assert multiple.is_right(MULTIPLE, ["TopK", "L1"])
    assert not multiple.is_right(MULTIPLE, ["L1"])
    assert not multiple.is_right(MULTIPLE, ["L1", "TopK", "L2"])
    for answer in [None, "", "other", 3, ["An encoder and a decoder"]]:
        assert not single.fits(SINGLE, answer)
    for answer in [None, [], "L1", ["other"], ["L1", "L1"], [["L1"]], [3], {"L1": 1}]:
        assert not multiple.fits(MULTIPLE, answer)


def test_a_guess_is_right_within_its_tolerance():
    predict, question = KINDS["predict"], {**PREDICT, "value": 34.2}
    assert predict.is_right(question, {"guess": 39, "first": 80})
    assert not predict.is_right(question, {"guess": 40})
    assert predict.is_right({**question, "value": 0.3, "tolerance": 0.1}, {"guess": 0.4})
    for answer in [{"guess": 0}, {"guess": 12.5, "first": 100}]:
        assert predict.fits(PREDICT, answer)
    for answer in [None, 3, {}, {"first": 3}, {"guess": 101}, {"guess": True}, {"guess": "3"}, {"guess": float("nan")},
                   {"guess": 3, "first": None}, {"guess": 3, "more": 3}, [3], {"guess": [3]}]:  # fmt: skip
        assert not predict.fits(PREDICT, answer)


@pytest.mark.parametrize(
    ("text", "ideas"),
    [
        ("It turns a picture into a SHORT Code!", {"what goes in", "what comes out"}),
        ("the Pictures' size", {"what goes in"}),
        ("the ínput of few numbers", {"what goes in", "what comes out"}),
        ("the inputs are a code, and short", set()),
        ("a short, code", {"what comes out"}),
        ("short code short", {"what comes out"}),
        ("few, few numerals", {"what comes out"}),
        ("shortcode pictur e", set()),
        # Thai, Chinese and Japanese part no words.
        ("エンコーダは画像を短くする", {"what goes in"}),
        ("画と像", set()),
    ],
)
def test_an_idea_is_found_by_whole_words_and_by_their_beginnings(text, ideas):
    assert {idea["name"] for idea in WORDS["ideas"] if any(says(text, phrase) for phrase in idea["any"])} == ideas


@pytest.mark.parametrize(
    ("text", "phrase", "there"),
    [
        ("many of these are used", "many .. used", True),
        ("many used", "many .. used", True),
        ("many a b c d used", "many .. used", True),
        ("many a b c d e used", "many .. used", False),
        ("there are many, and few are used", "many .. used", False),
        ("there are many but used are few", "many .. used", False),
        ("again and again", "again and again", True),
    ],
)
def test_two_dots_stand_for_some_words_of_a_clause(text, phrase, there):
    assert says(text, phrase) is there


BOOK = {q["id"]: q for quiz in read_book(Path(__file__).parents[2] / "book") for q in quiz["questions"] if q["kind"] == "own-words"}


@pytest.mark.parametrize("name", BOOK)
def test_the_books_own_model_answers_are_right_and_a_list_of_words_is_not(name):
    own, asked = KINDS["own-words"], BOOK[name]
    assert own.is_right(asked, {"text": asked["model_answer"]})
    listed = " ".join(next(phrase for phrase in idea["any"] if " " not in phrase).replace("*", "") for idea in asked["ideas"])
    assert not own.is_right(asked, {"text": f"{listed} {listed}"})


@pytest.mark.parametrize(
    ("name", "right", "text"),
    [
        ("quiz-two-parts", True, "The encoder turns the input into a code and the decoder turns the code back into a copy."),
        ("quiz-two-parts", True, "One half boils each picture down to a list of figures; the other half draws the picture from that list."),
        ("quiz-two-parts", True, "A code is written by the encoder, and a copy of the input is drawn by the decoder."),
        ("quiz-two-parts", True, "The encoder squeezes the picture into a code for the decoder, which rebuilds it."),
        ("quiz-two-parts", True, "The decoder reads the code that the encoder wrote and makes a copy of the picture."),
        ("quiz-two-parts", True, "The encoder compresses, the decoder reconstructs."),
        ("quiz-two-parts", True, "The first part makes the picture smaller. It keeps what matters. The second part restores the original."),
        ("quiz-two-parts", False, "The decoder turns the input into a short code and the encoder makes a copy."),
        ("quiz-two-parts", False, "The encoder makes a copy of the original from the code, and the decoder squeezes the input into the code."),
        ("quiz-two-parts", False, "The first part rebuilds the picture from a short code, and the second part compresses it."),
        ("quiz-two-parts", False, "encoder decoder code copy"),
        ("quiz-two-parts", False, "encoder, decoder, code, copy, compress, reconstruct"),
        ("quiz-two-parts", False, "An encoder and a decoder."),
        ("quiz-why-sparsity", False, "It makes the copies better than before and speeds up training."),
        ("quiz-why-sparsity", False, "With few features it copies better, the copies get better, and it learns faster."),
        ("quiz-why-sparsity", True, "If at most four units may speak it can't just copy everything, and has to learn meaningful parts."),
        ("quiz-fewer-bricks", True, "A few bricks out of a big box make a house, and a few features out of many make a picture."),
        ("quiz-fewer-bricks", True, "Out of many features only a few are used for each picture."),
        ("quiz-fewer-bricks", False, "Many bricks are used for each picture, a few features are in the box."),
        ("quiz-fewer-bricks", False, "few many bricks features picture"),
        ("sparsity-own-words", True, "If at most four units may speak, each of them has to stand for something real."),
        ("sparsity-own-words", True, "No more than a handful of features are on, so each becomes a part of many pictures."),
        ("quiz-why-sparsity", True, "With no limit it would copy everything, but with only a few it learns features."),
        ("sparsity-own-words", True, "With no limit on its bricks it copies everything, noise too; with few of them it can't."),
        ("sparsity-own-words", False, "There is no limit on how many may be used, so they stand for parts."),
        ("cat-own-words", False, "The search is fast and the encoder is slow, it takes a long time."),
        ("cat-own-words", True, "A search tries many steps for every patch and takes long, the encoder needs one look."),
        ("neurons-own-words", True, "There are more features than neurons, so several have to share one."),
        ("neurons-own-words", False, "There are more neurons than features, so several of them share one."),
    ],
)
def test_the_books_judge_sees_who_does_what_and_what_is_the_opposite(name, right, text):
    assert KINDS["own-words"].is_right(BOOK[name], {"text": text}) is right


def test_an_answer_in_own_words_is_right_by_its_ideas_or_by_the_reader():
    own = KINDS["own-words"]
    both, one = {"text": "A picture to a short code"}, {"text": "It takes a picture"}
    assert own.is_right(WORDS, both) and own.is_right(WORDS, {**both, "mark": "other"})
    assert not own.is_right(WORDS, one) and not own.is_right(WORDS, {**one, "mark": "part"})
    assert own.is_right(WORDS, {**one, "mark": "same"})
    assert own.is_right({**WORDS, "enough": 1}, one)
    assert own.fits(WORDS, one) and own.fits(WORDS, {"text": "x y " + "z" * 1996, "mark": "part"})
    for answer in [None, "a b c", {}, {"text": "two words"}, {"text": "... --- ..."}, {"text": "x y " + "z" * 1997},
                   {**one, "mark": "good"}, {**one, "mark": None}, {**one, "mark": ["same"]}, {**one, "more": 1}]:  # fmt: skip
        assert not own.fits(WORDS, answer)


def test_formulas_come_with_the_question_and_nothing_else_does():
    prompt = r"From \$5 to $x_1 < \hat{x}$, `$not$ this`, *nor $5 or $6*, but $x$"
    (question,) = read_quiz([changed(SINGLE, "prompt", to=prompt)])["questions"]
    assert set(question["math"]) == {r"x_1 < \hat{x}", "x"}
    assert question["math"]["x"] == ["math", {}, ["mrow", {}, ["mi", {}, "x"]]]
    assert '["mo", {}, "<"]' in json.dumps(question["math"])
    assert "math" not in read_quiz([SINGLE])["questions"][0]


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def test_a_picture_beside_the_quiz_travels_in_it(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.svg").write_bytes(SVG)
    file = tmp_path / "a.quiz.yml"
    with_picture = {**SINGLE, "picture": {"file": "pictures/a.svg", "alt": "A brick"}}
    file.write_text(yaml.safe_dump({"chapter": "a", "questions": [with_picture]}))
    (question,) = read_quiz(file)["questions"]
    assert question["picture"] == {"alt": "A brick", "source": "data:image/svg+xml;base64," + base64.b64encode(SVG).decode()}


def test_a_file_that_is_no_small_picture_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "big.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100_000))
    (tmp_path / "html.svg").write_bytes(b"<html><svg></svg></html>")
    (tmp_path / "svg.png").write_bytes(SVG)
    outside = tmp_path.parent / "outside.png"
    outside.write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "link.png").symlink_to(outside)
    for name, says_what in {
        "big.png": "of 100,008 bytes; expected at most 100,000",
        "html.svg": "does not begin as a file of type image/svg+xml does",
        "svg.png": "does not begin as a file of type image/png does",
        "link.png": "a link out of the quiz's folder",
    }.items():
        (line,) = problems([{**SINGLE, "picture": {"file": name, "alt": "a"}}])
        assert f"question parts, picture.file: got {name!r}" in line and says_what in line


# What an explorable shows where all of the goal holds.
SHOWN = {"text": "a SELF of it", "before": "a", "token": " of", "guess": " name", "share": 0.95, "strength": 2.5, "off": 0, "tokens": 3,
         "turned": True, "edited": " it", "example": False, "bits": 8}  # fmt: skip


@pytest.mark.parametrize(
    ("question", "right", "wrong", "other"),
    [
        (NUMBER, [87, 87.5, 88, 88.0], [86.9, 88.1, 0, -87.5], [None, True, "87", [87], float("nan"), float("inf"), 1e16, 10**400]),
        # 0.4 - 0.3 is a little more than 0.1.
        ({**NUMBER, "answer": 0.3, "tolerance": 0.1}, [0.2, 0.4], [0.41, 0.19], []),
        ({**NUMBER, "answer": -3, "tolerance": 0}, [-3, -3.0], [3, -2.999], []),
        (
            ORDERING,
            [["Encode", "Decode", "Compare", "Change"]],
            [["Decode", "Encode", "Compare", "Change"], ["Change", "Compare", "Decode", "Encode"]],
            [None, [], "Encode", ["Encode"] * 4, ["Encode", "Decode", "Compare"], ["Encode", "Decode", "Compare", 1], [[]], {}],
        ),
        (
            MATCHING,
            [{"Encoder": "writes", "Decoder": "reads", "Loss": "measures"}],
            [{"Encoder": "reads", "Decoder": "reads", "Loss": "knows"}],
            [None, [], {}, {"Encoder": "writes"}, {"Encoder": "writes", "Decoder": "reads", "Loss": "sleeps"}, ["writes"] * 3]
            + [{"Encoder": "writes", "Decoder": "reads", "Loss": 3}, {"Encoder": "writes", "Decoder": "reads", "Judge": "knows"}]
            + [{"Encoder": "writes", "Decoder": "reads", "Loss": "measures", "Judge": "knows"}],
        ),
        (
            EXPERIMENT,
            [SHOWN, {**SHOWN, "share": 0.99}, {**SHOWN, "tokens": 3.0}],
            [
                {**SHOWN, **fact}
                for fact in [
                    {"share": 0.9499},
                    {"share": 0.9901},
                    {"guess": "name"},
                    {"strength": 2.4},
                    {"strength": 0},
                    {"off": 0.1},
                    {"text": "Self of"},
                    {"text": "a SELF of a Class"},
                    {"tokens": 2},
                    {"turned": False},
                    {"edited": " name"},
                    {"edited": None},
                    {"example": True},
                    {"bits": 7.9},
                    {"bits": None},
                ]
            ],
            [None, [], {}, "name", [SHOWN], {**SHOWN, "more": 1}, {name: fact for name, fact in SHOWN.items() if name != "bits"}]
            + [
                {**SHOWN, **fact}
                for fact in [
                    {"text": "x" * 2001},
                    {"text": 3},
                    {"before": None},
                    {"token": "x" * 101},
                    {"guess": True},
                    {"share": 1.01},
                    {"share": -0.01},
                    {"share": True},
                    {"strength": "1"},
                    {"strength": float("nan")},
                    {"off": None},
                    {"tokens": 2.5},
                    {"tokens": -1},
                    {"turned": 1},
                    {"edited": 0},
                    {"example": None},
                    {"bits": float("inf")},
                ]
            ],
        ),
    ],
)
def test_an_answer_of_these_kinds_is_right_or_wrong_or_none(question, right, wrong, other):
    kind = KINDS[question["kind"]]
    for answer in right + wrong:
        assert kind.fits(question, answer)
        assert kind.is_right(question, answer) == (answer in right)
    for answer in other:
        assert not kind.fits(question, answer)


# A slow moment of the machine is no fault of the check.
unhurried = settings(deadline=None)

# Pieces of TeX in any order, the dangerous ones among them.
TEX = st.lists(
    st.sampled_from(
        r"\frac \hat \sum \left( \right) \begin{pmatrix} \end{pmatrix} \\\\ \text{ \href{javascript:x} \style{a} \class{b} "
        r"\color{red} \mathbf \mathbb \operatorname \sqrt[ ] { } ^ _ & x 1 \overline \binom \limits \hspace{1em} \require \unicode".split()
    )
).map("".join)

# Anything that YAML can hold, with the names that questions use, so that every rule is reached.
NAMES = ["id", "kind", "prompt", "options", "text", "right", "feedback", "misconception", "anchor", "chapter", "questions"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([*KINDS, *NAMES]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES) | st.text() | st.integers(), inner),
    max_leaves=20,
)


def refused_or_accepted(source) -> None:
    try:
        read_quiz(source)
    except ValueError as error:
        assert str(error)


@unhurried
@given(ANYTHING.filter(lambda source: not isinstance(source, str)))
def test_no_data_breaks_the_check(source):
    refused_or_accepted(source)


def paths(value, path=()):
    """The way to every field of a question."""
    for name, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield [*path, name]
        yield from paths(inner, [*path, name])


QUESTIONS = [SINGLE, MULTIPLE, PREDICT, WORDS, NUMBER, ORDERING, MATCHING, EXPERIMENT]
FIELDS = [(question, path) for question in QUESTIONS for path in paths(question)]


@unhurried
@given(st.sampled_from(FIELDS), ANYTHING | st.complex_numbers() | st.fractions())
def test_no_wrong_field_breaks_the_check(field, value):
    question, path = field
    refused_or_accepted([changed(question, *path, to=value)])


@unhurried
@given(st.sampled_from([NUMBER, ORDERING, MATCHING, EXPERIMENT]), ANYTHING)
def test_no_answer_breaks_these_kinds(question, answer):
    kind = KINDS[question["kind"]]
    if kind.fits(question, answer):
        assert kind.is_right(question, answer) in (True, False)


@unhurried
@given(st.text() | ANYTHING.map(yaml.safe_dump))
def test_no_file_breaks_the_check(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / "fuzzed.quiz.yml"
    file.write_text(text, encoding="utf-8")
    refused_or_accepted(file)


@unhurried
@given(st.text(min_size=1, max_size=300).filter(lambda text: text.strip() and "$" not in text))
def test_any_text_survives_as_it_is(text):
    question = changed(SINGLE, "options", 1, "text", to=text)
    if text.strip() != SINGLE["options"][0]["text"]:
        assert read_quiz([question])["questions"][0]["options"][1]["text"] == text.strip()


@unhurried
@given(st.text(alphabet=st.sampled_from(r"\{}_^&$ab1 ()[]<>'%#~.") | st.characters(codec="utf-8"), max_size=60) | TEX)
def test_no_formula_breaks_the_check_or_brings_more_than_mathml(tex):
    def look(tree):
        tag, attributes, *children = tree
        assert re.fullmatch(r"m[a-z]+", tag)
        for name, value in attributes.items():
            assert name not in {"href", "style", "class", "id", "src"} and not name.startswith("on")
            assert re.fullmatch(r"[a-z0-9.+-]+", value)
        for child in children:
            if not isinstance(child, str):
                look(child)

    try:
        look(mathml(tex))
    except ValueError as error:
        assert str(error)
