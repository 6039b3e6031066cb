"""How far the reader has come, in the book's sidebar."""

import json
import re
import shutil

import pytest
import small_book
from pages import barriers, reload, visit
from playwright.sync_api import expect
from published import PRINT_IN_LIGHT
from quizzes import NO_STORAGE
from saelib.widgets.base import without_comments
from small_book import RIGHT, WRONG, answer


def link(tab, name):
    return tab.get_by_role("navigation", name="Main").get_by_role("link", name=name, exact=True)


def badges(tab):
    return tab.locator(".progress-badge:visible").all_inner_texts()


@pytest.mark.parametrize("files", [False, True], ids=["http", "file"])
@pytest.mark.parametrize("name", ["intro", "quiz"])
def test_each_chapter_says_how_its_questions_went(open_page, files, name):
    keeping = {
        "intro-one": RIGHT,
        "intro-two": RIGHT,
        "autoencoders-one": WRONG,
        "autoencoders-guess": '{"answer":{"guess":0.4},"right":true}',
        "another-book": RIGHT,
    }
    tab = open_page(name, keeping=keeping, files=files)
    assert badges(tab) == ["✓", "1/3"]
    expect(link(tab, "Few bricks")).to_have_accessible_description("Questions: 2 of 2 answered, 2 right")
    expect(link(tab, "Autoencoders: two friends")).to_have_accessible_description("Questions: 2 of 3 answered, 1 right")
    expect(link(tab, "Test yourself")).to_have_accessible_description("")
    assert link(tab, "Test yourself").get_attribute("aria-describedby") is None


def test_it_follows_at_once_in_this_tab_and_in_others(open_page):
    one = open_page("intro")
    other = open_page("autoencoders", within=one)
    assert badges(one) == badges(other) == []
    answer(one, "intro-one", "That")
    assert badges(one) == ["0/2"]
    answer(one, "intro-one", "This")
    assert badges(one) == ["1/2"]
    expect(other.locator(".progress-badge:visible")).to_have_text("1/2")
    answer(other, "autoencoders-one", "This")
    expect(one.locator(".progress-badge:visible")).to_have_text(["1/2", "1/3"])
    one.get_by_role("button", name="Start this quiz again").click()
    assert badges(one) == ["1/3"]
    expect(other.locator(".progress-badge:visible")).to_have_text("1/3")


def test_it_follows_the_review(open_page):
    tab = open_page("quiz", keeping={"intro-one": RIGHT})
    assert badges(tab) == ["1/2"]
    tab.get_by_role("button", name="Reset everything").click()
    tab.get_by_role("button", name="Yes, forget all my answers").click()
    assert badges(tab) == []


def test_it_follows_after_the_back_button(open_page):
    tab = open_page()
    tab.evaluate("([key, text]) => localStorage.setItem(key, text)", [small_book.kept_as("intro-one"), WRONG])
    assert badges(tab) == []
    tab.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    assert badges(tab) == ["0/2"]


def test_two_editions_on_one_host_never_meet(tmp_path, serve, new_tab):
    small_book.write_sources(tmp_path)
    for edition in ("book-2025", "book-2026"):
        small_book.publish(tmp_path, tmp_path / "host" / edition)
    address = serve(tmp_path / "host")
    old = new_tab()
    new = new_tab(within=old)
    for tab, edition in ((old, "book-2025"), (new, "book-2026")):
        visit(tab, f"{address}/{edition}/book/intro.html")
    answer(old, "intro-one", "This")
    answer(new, "intro-two", "That")
    assert (badges(old), badges(new)) == (["1/2"], ["0/2"])
    for tab in (old, new):
        reload(tab)
    assert (badges(old), badges(new)) == (["1/2"], ["0/2"])
    expect(new.get_by_role("group", name="What of intro-one?").get_by_role("status")).to_be_empty()
    new.get_by_role("button", name="Start this quiz again").click()
    assert (badges(old), badges(new)) == (["1/2"], [])
    reload(old)
    expect(old.get_by_role("group", name="What of intro-one?").get_by_role("status")).to_have_text(re.compile("^Correct"))


def test_answers_of_before_names_said_which_book_are_found_once(open_page):
    script = f"""if (!sessionStorage.seen) {{
        sessionStorage.seen = 1;
        for (const id of ["intro-one", "intro-two", "another-book"]) localStorage.setItem(`saelib.quiz.${{id}}`, '{RIGHT}');
        localStorage.setItem('{small_book.kept_as("intro-two")}', '{WRONG}');
    }}"""
    tab = open_page(script=script)
    assert badges(tab) == ["1/2"]  # what is kept under the book's own name is newer
    expect(tab.get_by_role("group", name="What of intro-one?").get_by_role("status")).to_have_text(re.compile("^Correct"))
    names = {small_book.kept_as("intro-one"), small_book.kept_as("intro-two"), "saelib.quiz.another-book"}
    assert set(tab.evaluate("Object.keys(localStorage)")) == names
    tab.get_by_role("button", name="Start this quiz again").click()
    reload(tab)
    assert badges(tab) == []


def test_a_mended_typo_loses_no_answer(tmp_path, serve, new_tab):
    typo, mended = "The code is shroter than the input", "The code is shorter, than the input."
    other = "The code is as long as the input"
    for text in (typo, mended):
        asked = small_book.single("intro-one")
        asked["options"][0]["text"], asked["options"][1]["text"] = text, other
        small_book.write_sources(tmp_path, {"intro": [asked]})
        small_book.publish(tmp_path, tmp_path / "site")
        if text == typo:
            tab = visit(new_tab(), f"{serve(tmp_path / 'site')}/book/intro.html")
            answer(tab, "intro-one", typo)
        else:
            reload(tab)
    expect(tab.get_by_label(mended, exact=True)).to_be_checked()
    expect(tab.get_by_role("group", name="What of intro-one?").get_by_role("status")).to_have_text(re.compile("^Correct"))
    assert badges(tab) == ["✓"]


def test_a_host_that_strips_the_ending_off_addresses_shows_every_badge(book, serve, new_tab, tmp_path):
    shutil.copytree(book[0], tmp_path / "site")
    for name in small_book.TITLES:
        file = tmp_path / "site" / "book" / f"{name}.html"
        text = file.read_text().replace('.html">', '">')
        (file.parent / name).mkdir()
        (file.parent / name / "index.html").write_text(text.replace("../_static", "../../_static").replace('href="auto', 'href="../auto'))
    keeping = {small_book.kept_as(name): RIGHT for name in ("intro-one", "autoencoders-one")}
    keep = f"for (const [key, text] of Object.entries({json.dumps(keeping)})) localStorage.setItem(key, text);"
    tab = visit(new_tab(script=keep), f"{serve(tmp_path / 'site')}/book/intro/")
    assert badges(tab) == ["1/2", "1/3"]


@pytest.mark.parametrize("garbage", ["", "null", "{", "[]", "3", '"x"', "{}", '{"answer":null,"right":true}', '{"right":true}'])
def test_garbage_counts_for_nothing(open_page, garbage):
    tab = open_page(keeping={"intro-one": garbage})
    assert badges(tab) == []
    answer(tab, "intro-two", "This")
    assert badges(tab) == ["1/2"]


def test_an_old_answer_is_answered_before_its_verdict_is_known(open_page):
    # The page of another chapter can't know whether it is right.
    tab = open_page("autoencoders", keeping={"intro-one": '{"answer":"This"}', "intro-two": '{"answer":"This","right":"yes"}'})
    expect(link(tab, "Few bricks")).to_have_accessible_description("Questions: 2 of 2 answered, 0 right")


@pytest.mark.parametrize(
    "script",
    [
        NO_STORAGE["denied"],
        NO_STORAGE["absent"],
        "Object.defineProperty(window, 'saelibQuestions', { value: undefined })",
        "Object.defineProperty(window, 'saelibQuestions', { value: {} })",
    ],
)
def test_without_storage_or_index_it_shows_nothing(open_page, script):
    tab = open_page(script=script)
    answer(tab, "intro-one", "This")
    assert badges(tab) == []
    expect(link(tab, "Few bricks")).to_have_accessible_description("")


def test_the_script_is_small(book):
    assert len(without_comments((book[0] / "_static" / "progress.js").read_text())) < 2048


def test_the_built_book_has_an_index_of_all_its_questions(site, server, page):
    opened = page(f"{server}/book/autoencoders.html")
    index = opened.page.evaluate("saelibQuestions")
    assert set(index) >= {"book/intro", "book/autoencoders", "book/quiz"}
    assert all((site / f"{name}.html").is_file() for name in index)
    assert "autoencoders-two-parts" in index["book/autoencoders"]
    ids = [name for ids in index.values() for name in ids]
    assert len(ids) == len(set(ids))
    # The badge of the open chapter and that of another one.
    for name in ("autoencoders-who-judges", "intro-why-gpt"):
        opened.page.evaluate("([id, text]) => localStorage.setItem(document.documentElement.dataset.answers + id, text)", [name, RIGHT])
    opened.page.reload()
    total = {name: len(ids) for name, ids in index.items()}
    assert [f"1/{total['book/intro']}", f"1/{total['book/autoencoders']}"] == badges(opened.page)
    description = re.compile(r"^Questions: 1 of \d+ answered, 1 right$")
    for badge in opened.page.locator(".bd-sidebar-primary a:has(.progress-badge:visible)").all():
        expect(badge).to_have_accessible_description(description)
    # Before axe, which looks for imported style sheets at addresses of its own making.
    assert opened.problems == []
    assert barriers(opened.page, ".bd-sidebar-primary") == []


def test_a_page_that_was_saved_has_every_badge_once(book, open_page):
    keeping = {"intro-one": RIGHT, "autoencoders-one": WRONG}
    tab = open_page("intro", keeping=keeping)
    before = badges(tab)
    (book[0] / "book" / "saved.html").write_text("<!doctype html>" + tab.content())
    visit(tab, tab.url.replace("intro.html", "saved.html"))
    # Under another name, its link to itself is none to a chapter.
    assert (before, badges(tab)) == (["1/2", "0/3"], ["0/3"])
    assert tab.locator(".progress-badge").count() == tab.locator(".progress-words").count() <= 3
    assert tab.locator(".sae-quiz").count() == 1


PRINTED = """<!doctype html><html lang="en" data-theme="dark"><title>t</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="book.css"><script>{script}</script><article class="bd-article"><div class="cell">
<details class="admonition hide above-input"><summary><p>Show code cell source</p></summary><pre>folded</pre></details>
<div class="cell_input"><div class="highlight"><pre>{code}</pre></div></div></div></article>"""


def test_paper_is_light_and_cuts_no_code(page, tmp_path):
    code = "a_very_long_line_of_code(with_many, arguments=[1, 2, 3], and_more_of_them=True) " * 4
    (tmp_path / "book.css").write_text((small_book.STATIC[0] / "book.css").read_text())
    (tmp_path / "page.html").write_text(PRINTED.format(script=PRINT_IN_LIGHT, code=code))
    opened = page((tmp_path / "page.html").as_uri(), viewport={"width": 700, "height": 900})
    tab, mode = opened.page, "document.documentElement.dataset.theme"
    pre = tab.locator(".cell_input pre")
    hint = "getComputedStyle(document.querySelector('summary'), '::after').content"
    assert tab.evaluate(hint) == "none"
    tab.emulate_media(media="print")
    assert pre.evaluate("node => node.scrollWidth <= node.clientWidth") and pre.evaluate("node => node.clientHeight") > 60
    assert "folded here" in tab.evaluate(hint)
    tab.evaluate("dispatchEvent(new Event('beforeprint')); dispatchEvent(new Event('beforeprint'))")
    assert tab.evaluate(mode) == "light"
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.evaluate(mode) == "dark" and opened.problems == []
