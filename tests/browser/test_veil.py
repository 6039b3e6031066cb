"""What gives a guess away is veiled until the guess is made or the reader asks: for eyes, keys and screen readers alike."""

import re

import pytest
from pages import ANY, barriers, fits, reload
from playwright.sync_api import expect
from quizzes import NO_STORAGE
from small_book import answer

GUESS = "autoencoders-guess"
OTHER = "autoencoders-one"
VEIL = '<div class="cell"><div class="veil" data-question="{}"><div class="cell_output"><p>{} <a href="#{}">more</a></p></div></div></div>'


@pytest.fixture(scope="module")
def book(book):
    """The small book; the chapter on autoencoders has two outputs that give one guess away, and one for another question."""
    page = book[0] / "book" / "autoencoders.html"
    outputs = "".join(VEIL.format(*each) for each in ((GUESS, "It is 0.4.", "a"), (GUESS, "A table of 0.4.", "b"), (OTHER, "This.", "c")))
    html = page.read_text(encoding="utf-8").replace("</main>", f"{outputs}</main>")
    script = '<script defer src="../_static/progress.js"></script>'
    assert script in html
    page.write_text(html.replace(script, script + '<script defer src="../_static/veil.js"></script>'), encoding="utf-8")
    return book


@pytest.fixture
def open_page(open_page):
    """The same, with the page of that chapter."""
    return lambda **options: open_page("autoencoders", **options)


def veils(tab):
    return tab.locator(".veil")


def veiled(tab) -> list[bool]:
    """Of each output: whether it is blurred, out of reach, and has its button; all three or none."""
    found = veils(tab).evaluate_all("""all => all.map((veil) => {
        const content = veil.querySelector(".cell_output");
        return [getComputedStyle(content).filter !== "none", content.inert, Boolean(veil.querySelector("button"))];
    })""")
    assert all(len(set(each)) == 1 for each in found), found
    return [each[0] for each in found]


def guess(tab):
    question = tab.get_by_role("group", name="How large is the error?")
    question.get_by_role("slider").fill("0.2")
    question.get_by_role("button", name="Check", exact=True).click()


def test_outputs_are_veiled_until_their_guess_is_checked_and_keep_their_height(open_page):
    tab = open_page()
    assert veiled(tab) == [True, True, True]
    heights = veils(tab).evaluate_all("all => all.map((veil) => veil.querySelector('.cell_output').offsetHeight)")
    tab.get_by_role("group", name="How large is the error?").get_by_role("slider").fill("0.2")
    assert veiled(tab) == [True, True, True], "a guess that is not checked opens nothing"
    guess(tab)
    assert veiled(tab) == [False, False, True]
    assert veils(tab).evaluate_all("all => all.map((veil) => veil.querySelector('.cell_output').offsetHeight)") == heights
    answer(tab, OTHER, "That")
    assert veiled(tab) == [False] * 3, "a wrong answer is one, too"


def test_whoever_asks_is_shown_and_nothing_is_veiled_twice(open_page):
    tab = open_page()
    veils(tab).first.get_by_role("button", name="Guess, or show me").click()
    assert veiled(tab) == [False, False, True]
    reload(tab)
    assert veiled(tab) == [False, False, True]
    guess(tab)
    tab.get_by_role("button", name=re.compile("^Start")).click()
    assert veiled(tab) == [False, False, True]
    tab.reload()
    assert veiled(tab) == [False, False, True], "before the questions are there, too"


def test_an_answer_in_another_tab_opens_it_here(open_page):
    tab = open_page()
    other = open_page(within=tab)
    guess(other)
    tab.wait_for_function("document.querySelectorAll('.veiled').length === 1")
    assert veiled(tab) == [False, False, True]


def test_keys_and_screen_readers_meet_the_button_and_not_what_is_behind_it(open_page):
    tab = open_page()
    focused = "link => { link.focus(); return document.activeElement === link; }"
    assert not tab.locator(".veil a").first.evaluate(focused)
    button = veils(tab).first.locator("button")
    button.focus()
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Guess, or show me"
    button.focus()
    tab.keyboard.press("Enter")
    assert veiled(tab) == [False, False, True]
    # From here Tab goes on into what was shown.
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.hash") == "#a"


def test_without_scripts_and_in_print_all_is_open(open_page, book, new_tab):
    tab = new_tab(java_script_enabled=False)
    tab.goto(f"{book[1]}/book/autoencoders.html")
    assert veils(tab).count() == 3 and tab.locator(".veiled").count() == 0
    expect(tab.get_by_role("link", name="more").first).to_be_visible()
    tab = open_page()
    tab.emulate_media(media="print")
    for place in range(3):
        veil = veils(tab).nth(place)
        assert veil.locator(".cell_output").evaluate("content => getComputedStyle(content).filter") == "none"
        expect(veil.locator("button")).to_be_hidden()


def test_where_the_browser_keeps_nothing_a_guess_opens_it_all_the_same(open_page):
    tab = open_page(script=NO_STORAGE["denied"])
    assert veiled(tab) == [True, True, True]
    guess(tab)
    tab.wait_for_function("document.querySelectorAll('.veiled').length === 1")
    assert veiled(tab) == [False, False, True]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_bars_nobody(open_page, scheme):
    tab = open_page(color_scheme=scheme, viewport={"width": 360, "height": 740})
    assert fits(tab)
    assert barriers(tab, ".veil", ANY) == []
