"""What a reader has chosen or written and not yet checked: no other tab and no reload takes it away."""

import re

import pytest
from playwright.sync_api import expect
from quizzes import check, kept, question, reload, status
from saelib.widgets.quiz import Quiz
from test_predict_and_words import PREDICT, WORDS
from test_question_kinds import BLANK, FRIENDS, ITEMS, MATCHING, NUMBER, ORDERING, PARTNERS, STEPS, arrow, field, into_order, match, order
from test_quiz_widget import PARTS
from test_quiz_widget import QUESTIONS as CHOICES

QUESTIONS = [CHOICES[0], NUMBER, ORDERING, MATCHING, PREDICT, WORDS]
GUESS, ENCODER = PREDICT["prompt"], WORDS["prompt"]
SENTENCE = "It makes a short code of a picture."


@pytest.fixture
def page_of_all(quiz_page):
    """A function that opens a page which asks one question of each kind."""

    def open_page(**options):
        return quiz_page(Quiz(QUESTIONS, only=[q["id"] for q in QUESTIONS], values={"guess": 34.2}), **options)

    return open_page


def words(tab):
    return question(tab, ENCODER).get_by_role("textbox")


def slider(tab):
    return question(tab, GUESS).get_by_role("slider")


def draft(tab):
    """Choose and write a little everywhere, and check nothing."""
    question(tab, PARTS).get_by_label("A teacher and a pupil").check()
    field(tab).fill("8,")
    arrow(tab, order(tab)[0], "down").click()
    match(tab, dict([next(iter(PARTNERS.items()))]))
    slider(tab).fill("70")
    words(tab).fill("Two words")


def drafted(tab):
    chosen = question(tab, FRIENDS).locator("select").evaluate_all("all => all.map((one) => one.value)")
    parts = question(tab, PARTS).locator(":checked").evaluate_all("all => all.map((one) => one.value)")
    return [parts, field(tab).input_value(), order(tab), chosen, slider(tab).get_attribute("aria-valuetext"), words(tab).input_value()]


def test_what_is_not_checked_is_there_after_a_reload_and_says_nothing(page_of_all):
    tab = page_of_all()
    draft(tab)
    before = drafted(tab)
    reload(tab)
    assert drafted(tab) == before
    for prompt in (PARTS, BLANK, STEPS, FRIENDS, GUESS, ENCODER):
        expect(status(tab, prompt)).to_be_empty()
    expect(tab.get_by_text("It is 34%", exact=True)).to_be_hidden()
    assert kept(tab) == {} and tab.evaluate("saved") == []


def test_what_is_checked_or_taken_back_is_no_draft_any_more(page_of_all):
    tab = page_of_all()
    draft(tab)
    words(tab).fill(SENTENCE)
    check(tab, ENCODER)
    expect(status(tab, ENCODER)).to_have_text(re.compile("^Correct"))
    reload(tab)
    expect(status(tab, ENCODER)).to_have_text(re.compile("^Correct"))
    words(tab).fill("It was a rash answer.")
    reload(tab)
    expect(words(tab)).to_have_value("It was a rash answer.")
    expect(status(tab, ENCODER)).to_be_empty()
    tab.get_by_role("button", name="Start again").click()
    reload(tab)
    assert drafted(tab) == [[], "", order(tab), ["", "", ""], "no guess yet", ""]
    assert tab.evaluate("sessionStorage.length") == 0


def test_a_draft_stays_when_another_tab_answers_the_same_question(page_of_all):
    one = page_of_all()
    other = page_of_all(within=one)
    draft(other)
    before = drafted(other)
    question(one, PARTS).get_by_label("An encoder and a decoder").check()
    field(one).fill("87.5")
    into_order(one, [item.replace("`", "") for item in ITEMS])
    match(one, PARTNERS)
    slider(one).fill("34")
    words(one).fill(SENTENCE)
    for prompt in (PARTS, BLANK, STEPS, FRIENDS, GUESS, ENCODER):
        check(one, prompt)
        expect(status(one, prompt)).to_have_text(re.compile("^Correct"))
    other.wait_for_function("Object.keys(model.get('answers')).length === 6")
    assert drafted(other) == before
    # It is checked like any other answer, and both tabs are then of one mind.
    check(other, PARTS)
    expect(status(other, PARTS)).to_have_text(re.compile("^Not quite"))
    expect(status(one, PARTS)).to_have_text(re.compile("^Not quite"))
    # Forgetting everything in the one tab takes no words away that are being written in the other.
    one.get_by_role("button", name="Start again").click()
    other.wait_for_function("Object.keys(model.get('answers')).length === 0")
    expect(words(other)).to_have_value("Two words")
    expect(words(one)).to_have_value("")


@pytest.mark.parametrize("garbage", ["", "{", "null", "3", '"x"', "[1]", '{"toString":1}', '["Those", 3]'])
def test_what_is_no_draft_breaks_nothing(page_of_all, garbage):
    keep = f"for (const id of {[q['id'] for q in QUESTIONS]}) sessionStorage.setItem('saelib.quiz.' + id, {garbage!r});"
    tab = page_of_all(script=keep)
    expect(question(tab, PARTS).locator(":checked")).to_have_count(0)
    assert len(order(tab)) == len(ITEMS)
    words(tab).fill(SENTENCE)
    check(tab, ENCODER)
    expect(status(tab, ENCODER)).to_have_text(re.compile("^Correct"))


def test_where_nothing_is_kept_a_draft_is_only_on_the_page(page_of_all):
    tab = page_of_all(script="Object.defineProperty(window, 'sessionStorage', { get() { throw new DOMException('', 'SecurityError'); } })")
    draft(tab)
    expect(words(tab)).to_have_value("Two words")
    question(tab, PARTS).get_by_label("An encoder and a decoder").check()
    check(tab, PARTS)
    expect(status(tab, PARTS)).to_have_text(re.compile("^Correct"))
