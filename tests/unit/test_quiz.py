"""The quiz widget's Python half: its traits, and the score from whoever sets the answers."""

import pytest
import traitlets
from saelib.widgets.quiz import Quiz

QUESTIONS = [
    {
        "id": "one",
        "kind": "single",
        "prompt": "One?",
        "options": [
            {"text": "yes", "right": True, "feedback": "f"},
            {"text": "no", "feedback": "f", "misconception": "m"},
        ],
    },
    {
        "id": "many",
        "kind": "multiple",
        "prompt": "Many?",
        "options": [
            {"text": "a", "right": True, "feedback": "f"},
            {"text": "b", "right": True, "feedback": "f"},
            {"text": "c", "feedback": "f", "misconception": "m"},
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


@pytest.mark.parametrize("name", ["questions", "score", "total", "name", "title"])
def test_what_the_answers_decide_cannot_be_set(name):
    with pytest.raises(traitlets.TraitError, match="read-only"):
        setattr(Quiz(QUESTIONS), name, getattr(Quiz(QUESTIONS), name))
