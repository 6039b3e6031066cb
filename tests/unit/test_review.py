"""The review's Python half, and the reading of a whole book's questions."""

import json

import nbformat
import pytest
import traitlets
import yaml
from asked import guess, single
from saelib.widgets import Review
from saelib.widgets.quiz.questions import read_book

GUESS = guess("b-guess")


def write(folder, name, *questions, chapter=None):
    data = {"chapter": chapter or name, "questions": list(questions)}
    (folder / f"{name}.quiz.yml").write_text(yaml.safe_dump(data), encoding="utf-8")


@pytest.fixture
def book(tmp_path):
    """A book of two chapters, in the folder `book` under its table of contents."""
    folder = tmp_path / "book"
    folder.mkdir()
    write(folder, "a", single("a-one", anchor="#here"), single("a-two"))
    write(folder, "b", single("b-one", anchor="a.html#there"), GUESS)
    return folder


def names(review):
    return [chapter["name"] for chapter in review.chapters]


def test_a_folder_is_read_whole_and_by_name(book):
    assert [quiz["chapter"] for quiz in read_book(book)] == ["a", "b"]
    assert [question["id"] for quiz in read_book(str(book)) for question in quiz["questions"]] == [
        "a-one",
        "a-two",
        "b-one",
        "b-guess",
    ]
    assert read_book(book.parent) == []


def test_an_id_stands_once_in_a_book(book):
    write(book, "c", single("a-two"), single("c-one"))
    with pytest.raises(ValueError) as error:
        read_book(book)
    assert str(error.value) == (f"{book / 'c.quiz.yml'}, question a-two, id: it stands in {book / 'a.quiz.yml'} too; expected it once in the book")


def test_all_that_is_wrong_in_a_book_is_told_at_once(book):
    write(book, "c", single("a-two"))
    write(book, "d", {**single("d-one"), "prompt": 3})
    (book / "e.quiz.yml").write_text("chapter: [", encoding="utf-8")
    with pytest.raises(ValueError) as error:
        read_book(book)
    for said in ("a.quiz.yml too", "d.quiz.yml, question d-one, prompt: got 3", "e.quiz.yml, line 1: broken YAML"):
        assert said in str(error.value)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_book(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"folder: no \*\.quiz\.yml in"):
        Review(tmp_path)


def test_without_a_table_of_contents_chapters_go_by_name(book, monkeypatch):
    monkeypatch.chdir(book)
    assert names(Review()) == ["a", "b"]
    assert Review().book == "book"


def test_the_table_of_contents_decides_the_order(book):
    chapters = [{"file": "book/b", "sections": [{"file": "book/c.md"}]}, {"file": "other/a"}]
    (book.parent / "_toc.yml").write_text(
        yaml.safe_dump({"parts": [{"caption": "x", "chapters": chapters}], "root": "book/z", "format": "jb-book"})
    )
    for name in "zyc":
        write(book, name, single(f"{name}-one"))
    assert names(Review(book)) == ["z", "b", "c", "a", "y"]  # those that it does not list come last
    assert Review(book).book == book.parent.name
    (book.parent / "_config.yml").write_text("title: Few bricks\n")
    assert Review(book).book == "Few bricks"


def test_a_teacher_decides_the_order(book):
    assert names(Review(book, order=["b", "a"])) == ["b", "a"]
    assert names(Review(book, order=["b"])) == ["b", "a"]
    for order in (["c"], ["a", "a"], [3]):
        with pytest.raises(ValueError, match="order: got .*; expected each once, of a, b"):
            Review(book, order=order)


def test_a_chapter_is_called_by_its_first_heading(book):
    cells = [nbformat.v4.new_code_cell("# no heading"), nbformat.v4.new_markdown_cell("(mark)=\n# Few `bricks`, *rich* box \n## More")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), book / "a.ipynb")
    (book / "b.md").write_text("Nothing yet")
    assert [chapter["title"] for chapter in Review(book).chapters] == ["Few bricks, rich box", "B"]


def test_a_chapter_added_later_is_part_of_it(book):
    before = Review(book)
    write(book, "c-d", single("c-one"))
    after = Review(book)
    assert (before.total, after.total) == (4, 5)
    assert after.chapters[-1] == {"name": "c-d", "title": "C d", "ids": ["c-one"]}
    assert before.edition != after.edition


def test_two_files_may_belong_to_one_chapter(book):
    write(book, "a-more", single("a-three"), chapter="a")
    assert Review(book).chapters[0]["ids"] == ["a-three", "a-one", "a-two"]


def test_the_edition_is_that_of_the_questions_alone(book):
    edition = Review(book).edition
    assert edition == Review(book, order=["b", "a"]).edition
    assert len(edition) == 16
    write(book, "b", single("b-one", anchor="a.html#there", hint="New."), GUESS)
    assert Review(book).edition != edition


def test_passages_are_linked_from_any_page(book):
    review = Review(book)
    assert [question["anchor"] for question in review.questions] == ["a.html#here", "a.html", "a.html#there"]
    assert [question["anchor"] for question in review.counted] == ["b.html"]


def test_an_experiment_is_asked_where_its_explorable_is(book):
    sure = {"id": "c-sure", "kind": "experiment", "prompt": "Sure?", "explorable": "type", "goal": {"sure": 0.9}, "feedback": "f"}
    write(book, "c", sure, {**sure, "id": "c-reread", "anchor": "#there"})
    review = Review(book)
    assert [question["anchor"] for question in review.counted if question["id"].startswith("c-")] == ["c.html#live-type", "c.html#there"]
    assert not [question for question in review.questions if question["kind"] == "experiment"]
    found = {"text": "a", "before": "", "token": "a", "guess": "b", "share": 0.95}
    review.predictions = {"c-sure": {"answer": found, "right": True}}
    assert review.scores["c"] == {"right": 1, "answered": 1, "total": 2}
    with pytest.raises(ValueError, match=r"predictions\['c-sure'\]: got "):
        review.predictions = {"c-sure": {"answer": {"guess": 4}, "right": True}}


def test_questions_that_stand_elsewhere_on_the_page_are_counted_but_not_asked(book):
    review = Review(book, elsewhere=["a"])
    assert not [question for question in review.questions if question["id"].startswith("a-")]
    assert [question["id"] for question in review.counted if question["id"].startswith("a-")]
    assert review.total == Review(book).total
    with pytest.raises(ValueError, match="elsewhere: got 'c'; expected chapters, of a, b"):
        Review(book, elsewhere=["c"])


def test_scores_follow_the_answers_from_python_and_from_the_page(book):
    review = Review(book)
    assert review.scores == {
        "a": {"right": 0, "answered": 0, "total": 2},
        "b": {"right": 0, "answered": 0, "total": 2},
    }
    seen = []
    review.observe(lambda change: seen.append(change["new"]), "scores")
    review.answers = {"a-one": "yes", "a-two": "no"}
    assert review.scores["a"] == {"right": 1, "answered": 2, "total": 2}
    assert (review.score, review.total) == (1, 4)
    review.set_state({"answers": {"b-one": "yes"}, "predictions": {"b-guess": {"answer": {"guess": 4}, "right": True}}})
    assert review.scores == {
        "a": {"right": 0, "answered": 0, "total": 2},
        "b": {"right": 2, "answered": 2, "total": 2},
    }
    assert review.score == 2
    assert seen[-1] == review.scores
    json.dumps(review.get_state(["questions", "counted", "chapters", "scores", "predictions", "answers"]))


@pytest.mark.parametrize(
    ("trait", "value", "says"),
    [
        ("answers", {"c": "yes"}, "got the question id 'c'"),
        ("answers", {"a-one": "maybe"}, r"answers\['a-one'\]: got 'maybe'"),
        ("answers", {"b-guess": {"guess": 3}}, "got the question id 'b-guess'"),
        ("predictions", {"a-one": {"answer": "yes", "right": True}}, "got the question id 'a-one'; expected one of b-guess"),
        ("predictions", {"b-guess": {"answer": {"guess": 11}, "right": True}}, r"predictions\['b-guess'\]: got "),
        ("predictions", {"b-guess": {"answer": {"guess": 4}}}, r"predictions\['b-guess'\]: got "),
        ("predictions", {"b-guess": 4}, r"predictions\['b-guess'\]: got 4"),
    ],
)
def test_what_no_reader_could_have_answered_is_refused(book, trait, value, says):
    review = Review(book)
    review.answers = {"a-one": "yes"}
    with pytest.raises(ValueError, match=says):
        setattr(review, trait, value)
    assert (review.answers, review.predictions, review.score) == ({"a-one": "yes"}, {}, 1)


@pytest.mark.parametrize("name", ["questions", "counted", "chapters", "scores", "score", "total", "book", "edition"])
def test_what_the_answers_decide_cannot_be_set(book, name):
    review = Review(book)
    with pytest.raises(traitlets.TraitError, match="read-only"):
        setattr(review, name, getattr(review, name))
