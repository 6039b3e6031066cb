"""Words that rest on a claim, in the built book: they say what the runs gave to a pointer, to the keyboard, to a finger, and on paper."""

import re

import pytest
from pages import CHAPTERS, parse, visit

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
WITH_MARKS = [name for name in CHAPTERS if name != "book/quiz"]


@pytest.fixture
def intro(new_tab, server):
    """A function that opens the intro in a fresh profile and gives the page and its first mark."""

    def open_page(**options):
        tab = visit(new_tab(**options), f"{server}/book/intro.html")
        return tab, tab.locator(".bd-article p .claim-mark").first

    return open_page


def bubble(tab):
    return tab.locator(".claim-bubble")


@pytest.mark.parametrize("name", WITH_MARKS)
def test_all_marked_words_have_a_note_with_the_runs_and_lead_to_them(site, name):
    soup, all_claims = parse(site / f"{name}.html"), parse(site / "book" / "replication.html")
    marks = soup.select(".bd-article a.claim-mark")
    assert marks
    for mark in marks:
        assert re.search(r"\S here; .+ in \d+ runs\.", soup.find(id=mark["aria-describedby"]).get_text()), mark
        assert all_claims.find(id=mark["href"].split("#")[1]).select("svg"), mark


def test_the_pointer_shows_the_note_and_can_move_on_to_it(intro):
    tab, mark = intro()
    assert bubble(tab).is_hidden()
    mark.hover()
    assert re.match(r".+ here; .+ in \d+ runs\. All runs$", bubble(tab).inner_text())
    bubble(tab).hover()
    tab.wait_for_timeout(400)
    assert bubble(tab).is_visible()
    tab.mouse.move(2, 2)
    bubble(tab).wait_for(state="hidden")


def test_the_note_stands_within_the_window_beside_its_words(intro):
    for options in ({"viewport": {"width": 1280, "height": 800}}, PHONE):
        tab, _ = intro(**options)
        width = tab.viewport_size["width"]
        for mark in tab.locator(".bd-article p .claim-mark").all():
            mark.scroll_into_view_if_needed()
            mark.focus()
            box, words = bubble(tab).bounding_box(), mark.bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= width
            beside = (box["y"] - words["y"] - words["height"], words["y"] - box["y"] - box["height"])
            assert 0 <= max(beside) < 12 and box["y"] >= 0


def test_the_keyboard_shows_the_note_escape_hides_it_and_enter_leads_to_all_runs(intro):
    tab, mark = intro()
    mark.focus()
    assert bubble(tab).is_visible()
    tab.keyboard.press("Escape")
    assert bubble(tab).is_hidden()
    mark.press("Enter")
    tab.wait_for_url("**/replication.html#*")
    assert tab.locator("tr:target").count() == 1


def test_a_finger_shows_the_note_first_and_leads_on_from_it(intro):
    tab, mark = intro(**PHONE)
    mark.tap()
    assert bubble(tab).is_visible() and tab.url.endswith("intro.html")
    tab.get_by_role("heading", level=1).tap()
    assert bubble(tab).is_hidden()
    mark.tap()
    bubble(tab).get_by_role("link").tap()
    tab.wait_for_url("**/replication.html#*")


def test_words_in_a_question_have_their_note_as_well(intro):
    tab, _ = intro()
    marks = tab.locator("fieldset .claim-mark")
    if not marks.count():  # most stand in what a question says after an answer
        for check in tab.locator("fieldset").all():
            if check.locator("input[type=radio]").count():
                check.locator("input[type=radio]").first.check()
                check.get_by_role("button", name="Check").click()
    mark = marks.first
    mark.focus()
    assert re.match(r".+ here; .+ in \d+ runs\.", bubble(tab).inner_text())
    assert tab.locator(f"#{mark.get_attribute('aria-describedby')}").count() == 1


def test_words_in_an_answer_choose_it_and_show_their_note_to_the_pointer(new_tab, server):
    for options in ({}, PHONE):
        tab = visit(new_tab(**options), f"{server}/book/gpt.html")
        mark = tab.locator("fieldset label .claim-mark").first
        mark.scroll_into_view_if_needed()
        if options:
            mark.tap()
        else:
            mark.hover()
            assert re.match(r".+ here; ", bubble(tab).inner_text())
            mark.click()
        assert mark.locator("xpath=ancestor::label").locator("input").is_checked() and tab.url.endswith("gpt.html")
        assert mark.get_attribute("href") is None


def test_paper_has_the_notes_numbered_as_the_words_are(intro):
    tab, _ = intro()
    assert tab.locator(".claim-notes").is_hidden()
    tab.emulate_media(media="print")
    notes = tab.locator(".claim-notes li:visible")
    numbers = [int(number) for number in tab.locator(".bd-article .claim-number").all_inner_texts()]
    assert numbers and set(numbers) == {*range(1, notes.count() + 1)}
    assert all(re.search(r"in \d+ runs", text) for text in notes.all_inner_texts())
