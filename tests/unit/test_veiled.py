"""What the build says of outputs that give a guess away: which they are, and for which question."""

import pytest
import veiled
from docutils import nodes
from docutils.utils import new_document


def cell(code: str, *outputs: str, tags=()) -> nodes.container:
    inside = nodes.container("", nodes.literal_block(code, code), classes=["cell_input"])
    shown = [nodes.container("", nodes.paragraph(text, text), classes=["cell_output"]) for text in outputs]
    return nodes.container("", inside, *shown, classes=["cell", *(f"tag_{tag}" for tag in tags)])


def transformed(*cells):
    document = new_document("chapter")
    document += nodes.section("", nodes.paragraph("", "words"), *cells)
    veiled.VeilOutputs(document).apply()
    return [
        (begin.astext().split('"')[3], output.astext())
        for one in document.findall(nodes.container)
        for begin, output, end in zip(one.children, one.children[1:], one.children[2:])
        if isinstance(begin, nodes.raw) and "veil" in begin.astext() and end.astext() == "</div>"
    ]


GUESS = 'Quiz("gpt.quiz.yml", only=["gpt-guess"], values={"gpt-guess": 3})'


def test_what_is_tagged_is_veiled_for_the_question_that_was_asked_last():
    other = "x = 1\nQuiz('gpt.quiz.yml',\n     only=['gpt-one', 'gpt-two'])"
    cells = [
        cell("1", "open"), cell(GUESS, "the question"), cell("2", "open, too"), cell("3", "a figure", tags=["hide-input", "veil"]),
        cell("4", "a table", "and one more", tags=["veil"]), cell(other), cell("5", "another", tags=["veil"]), cell("6", tags=["veil"]),
    ]  # fmt: skip
    assert transformed(*cells) == [
        ("gpt-guess", "a figure"), ("gpt-guess", "a table"), ("gpt-guess", "and one more"), ("gpt-two", "another")
    ]  # fmt: skip


@pytest.mark.parametrize("before", [[], [cell('Quiz("gpt.quiz.yml")', "all questions")]])
def test_a_veil_without_a_question_before_it_is_a_mistake_of_the_author(before, monkeypatch):
    said = []
    monkeypatch.setattr(veiled.LOG, "warning", lambda message, **_: said.append(message))
    assert transformed(*before, cell("1", "a figure", tags=["veil"])) == []
    assert len(said) == 1 and "no question is asked before it" in said[0]


def test_the_question_that_a_cell_asks_is_not_what_its_own_output_is_veiled_for():
    assert transformed(cell(GUESS), cell(GUESS.replace("guess", "next"), "shown", tags=["veil"])) == [("gpt-guess", "shown")]
