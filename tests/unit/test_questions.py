"""Questions as data: what is accepted, and that everything else is refused with an error that says where and what."""

import copy
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from saelib.widgets.questions import KINDS, TITLE, read_quiz

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
        (SINGLE, ["promt"], "x", "question parts, promt: unknown field; expected one of id, prompt,"),
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
    ],
)
def test_a_wrong_field_is_named(question, path, to, says):
    assert any(says in line for line in problems([changed(question, *path, to=to)]))


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


@pytest.mark.parametrize(
    "anchor", ["#a", "#the-two-friends", "autoencoders.html#the-two-friends", "../book/intro.html#a.b"]
)
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
        f"{file}, titel: unknown field; expected one of chapter, title, questions",
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


# A slow moment of the machine is no fault of the check.
unhurried = settings(deadline=None)

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


@unhurried
@given(
    st.sampled_from([SINGLE, MULTIPLE]),
    st.sampled_from([["id"], ["kind"], ["prompt"], ["options"], ["options", 0], ["options", 1, "text"], ["anchor"]]),
    ANYTHING,
)
def test_no_wrong_field_breaks_the_check(question, path, value):
    refused_or_accepted([changed(question, *path, to=value)])


@unhurried
@given(st.text() | ANYTHING.map(yaml.safe_dump))
def test_no_file_breaks_the_check(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / "fuzzed.quiz.yml"
    file.write_text(text, encoding="utf-8")
    refused_or_accepted(file)


@unhurried
@given(st.text(min_size=1, max_size=300).filter(str.strip))
def test_any_text_survives_as_it_is(text):
    question = changed(SINGLE, "options", 1, "text", to=text)
    if text.strip() != SINGLE["options"][0]["text"]:
        assert read_quiz([question])["questions"][0]["options"][1]["text"] == text.strip()
