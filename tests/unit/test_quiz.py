"""The quiz widget's Python half: its traits, and the score from whoever sets the answers."""

from fractions import Fraction

import numpy as np
import pytest
import torch
import traitlets
from asked import SIDE, guess, single
from saelib.widgets.quiz import Quiz

QUESTIONS = [
    single("one"),
    {
        "id": "many",
        "kind": "multiple",
        "prompt": "Many?",
        "options": [
            {"text": "a", "right": True, "feedback": "f"},
            {"text": "b", "right": True, "feedback": "f"},
            {"text": "c", **SIDE},
        ],
    },
]


def test_the_traits_say_what_the_quiz_is():
    quiz = Quiz({"chapter": "autoencoders", "title": "What stayed?", "questions": QUESTIONS})
    assert (quiz.name, quiz.title, quiz.total, quiz.score) == ("autoencoders", "What stayed?", 2, 0)
    assert quiz.questions == QUESTIONS
    assert quiz.answers == {}
    state = quiz.get_state()
    assert {"questions", "answers", "score", "total", "name", "title", "_esm", "_css"} <= set(state)


def test_a_file_is_found_from_the_folder_of_the_notebook(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="a.quiz.yml"):
        Quiz("a.quiz.yml")


def test_a_malformed_question_makes_no_quiz():
    with pytest.raises(ValueError, match=r"question one, prompt: got 3"):
        Quiz([{**QUESTIONS[0], "prompt": 3}])


@pytest.mark.parametrize(
    ("answers", "score"),
    [
        ({"one": "yes"}, 1),
        ({"one": "no"}, 0),
        ({"many": ["b", "a"]}, 1),
        ({"many": ["a"]}, 0),
        ({"many": ["a", "b", "c"]}, 0),
        ({"one": "yes", "many": ["a", "b"]}, 2),
    ],
)
def test_the_score_follows_the_answers_from_python_and_from_the_page(answers, score):
    from_python = Quiz(QUESTIONS)
    from_python.answers = answers
    assert from_python.score == score
    from_page = Quiz(QUESTIONS)
    seen = []
    from_page.observe(lambda change: seen.append(change["new"]), "answers")
    from_page.set_state({"answers": answers})
    assert from_page.score == score
    assert seen == [answers]
    from_page.answers = {}
    assert from_page.score == 0


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({"two": "yes"}, "got the question id 'two'; expected one of one, many"),
        ({"one": "maybe"}, r"answers\['one'\]: got 'maybe'"),
        ({"one": ["yes"]}, r"answers\['one'\]"),
        ({"many": "a"}, r"answers\['many'\]"),
        ({"many": []}, r"answers\['many'\]"),
    ],
)
def test_answers_that_no_reader_could_give_are_refused(answers, says):
    quiz = Quiz(QUESTIONS)
    quiz.answers = {"one": "yes"}
    with pytest.raises(ValueError, match=says):
        quiz.answers = answers
    assert (quiz.answers, quiz.score) == ({"one": "yes"}, 1)


MORE = [
    {
        "id": "how-many",
        "kind": "number",
        "prompt": "How many?",
        "answer": 8,
        "tolerance": 0,
        "feedback": "f",
        "wrong": [{"value": 64, **SIDE}],
        "otherwise": "f",
    },
    {
        "id": "order",
        "kind": "ordering",
        "prompt": "In which order?",
        "items": ["a", "b", "c"],
        "feedback": "f",
        "wrong": [{"before": "b", "after": "a", **SIDE}],
    },
    {
        "id": "partners",
        "kind": "matching",
        "prompt": "Who with whom?",
        "pairs": [{"left": "a", "right": "1"}, {"left": "b", "right": "2"}, {"left": "c", "right": "3"}],
        "feedback": "f",
        "wrong": [{"left": "a", "right": "2", **SIDE}],
    },
]


def test_numbers_orders_and_partners_are_scored_and_checked_too():
    quiz = Quiz(MORE)
    quiz.answers = {"how-many": 8, "order": ["a", "b", "c"], "partners": {"a": "1", "b": "2", "c": "3"}}
    assert quiz.score == 3
    quiz.set_state({"answers": {"how-many": 64, "order": ["b", "a", "c"], "partners": {"a": "2", "b": "2", "c": "3"}}})
    assert quiz.score == 0
    for name, other in {"how-many": "8", "order": ["a"], "partners": {"a": "1"}}.items():
        with pytest.raises(ValueError, match=rf"answers\['{name}'\]"):
            quiz.answers = {name: other}


@pytest.mark.parametrize("name", ["questions", "score", "total", "name", "title"])
def test_what_the_answers_decide_cannot_be_set(name):
    with pytest.raises(traitlets.TraitError, match="read-only"):
        setattr(Quiz(QUESTIONS), name, getattr(Quiz(QUESTIONS), name))


GUESS = guess("guess", inline=True)


def ids(quiz):
    return [question["id"] for question in quiz.questions]


def test_inline_questions_stand_where_they_are_asked_for():
    everything = [GUESS, *QUESTIONS]
    assert ids(Quiz(everything)) == ["one", "many"]
    some = Quiz(everything, only=["many", "guess"], values={"guess": 3})
    assert (ids(some), some.total, some.title) == (["many", "guess"], 2, "")
    assert ids(Quiz(everything, only="one")) == ["one"]
    assert ids(Quiz([{**GUESS, "inline": False}, *QUESTIONS], values={"guess": 3})) == ["guess", "one", "many"]


@pytest.mark.parametrize(
    "value", [3, 3.0, np.float32(3), np.int64(3), np.array(3), torch.tensor(3.0), Fraction(3)], ids=lambda value: type(value).__name__
)
def test_the_true_value_comes_from_the_notebook(value):
    quiz = Quiz([GUESS], only=["guess"], values={"guess": value})
    assert quiz.questions[0]["value"] == 3 and type(quiz.questions[0]["value"]) is float
    quiz.answers = {"guess": {"guess": 4, "first": 9}}
    assert quiz.score == 1
    quiz.answers = {"guess": {"guess": 5}}
    assert quiz.score == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "every question is inline; name in only= which to ask: guess"),
        ({"only": []}, "only: got no question id; expected some of guess"),
        ({"only": ["guess"]}, "values: nothing for the question 'guess'"),
        ({"only": ["other"]}, "only: got the question id 'other'; expected one of guess"),
        ({"only": ["guess", "guess"], "values": {"guess": 3}}, "only: got the question id 'guess' 2 times"),
        ({"only": ["guess"], "values": {"guess": 3, "other": 3}}, "values: got the question id 'other'; expected one of guess"),
        *(
            ({"only": ["guess"], "values": {"guess": value}}, r"values\['guess'\]: got .*; expected a number from 0 to 10")
            for value in [float("nan"), float("inf"), -0.1, 10.1, "3", None, True, [3], torch.ones(2), 10**400]
        ),
    ],
)
def test_a_missing_or_impossible_value_is_named(arguments, says):
    with pytest.raises(ValueError, match=says):
        Quiz([GUESS], **arguments)


def test_only_questions_to_predict_have_values():
    with pytest.raises(ValueError, match="values: got the question id 'one'; expected none"):
        Quiz(QUESTIONS, values={"one": 3})
