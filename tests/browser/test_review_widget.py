"""The review in a real browser: a small book whose chapters and review share what the browser keeps."""

import json
import re

import pytest
import small_book
from pages import barriers, fits, hash_of
from playwright.sync_api import expect
from quizzes import NO_STORAGE, check, kept
from saelib.widgets import Review
from small_book import RIGHT, WRONG, answer

GUESS = small_book.GUESS["prompt"]
GUESSED = '{"answer":{"guess":0.4},"right":true}'
IN_ORDER = ["intro-one", "intro-two", "autoencoders-one", "autoencoders-two", "quiz-one"]
KEY = small_book.kept_as


@pytest.fixture(scope="module")
def python(book):
    """What Python knows of the review."""
    return Review(book[0].parent / "book")


@pytest.fixture
def open_page(open_page):
    """The same, with the page of the review if no other is asked for."""
    return lambda name="quiz", **options: open_page(name, **options)


def review(tab):
    return tab.locator(".sae-review")


def chapter(tab, title):
    return tab.locator(".sae-review-chapters > li").filter(has_text=title)


def words(tab):
    """What is said of each chapter, the total first."""
    return [tab.locator(".sae-review-total").inner_text(), *tab.locator(".sae-review-chapters > li > p").all_inner_texts()]


def shown(tab):
    """The ids of the questions that are shown, in their order."""
    prompts = review(tab).locator(".sae-quiz legend").all_inner_texts()
    return [re.sub(r"^What of (.*)\?$", r"\1", prompt).replace("quiz two", "quiz-two") for prompt in prompts]


def press(tab, button):
    review(tab).get_by_role("button", name=button, exact=True).click()


def choose(tab, name):
    # The native input lies under its face.
    review(tab).get_by_role("radio", name=name).check(force=True)


def said(tab):
    return tab.locator(".sae-review-end").get_by_role("status").last


def results(python, answers, /, **changes):
    made = {"book": python.book, "edition": python.edition, "made": "2026-01-01T00:00:00.000Z", "answers": answers}
    return json.dumps({name: value for name, value in {**made, **changes}.items() if value is not None}).encode()


def restore(tab, content):
    file = {"name": "mine.json", "mimeType": "application/json", "buffer": content}
    tab.get_by_label("Restore results").set_input_files(file)
    expect(said(tab)).to_have_text(re.compile("restored"))


def test_a_screen_reader_finds_the_scores_and_the_questions(open_page):
    tab = open_page(keeping={"intro-one": WRONG, "autoencoders-one": RIGHT, "autoencoders-guess": GUESSED})
    expect(review(tab)).to_match_aria_snapshot("""
      - region "Where you stand":
        - paragraph: Where you stand
        - paragraph: 2 of 7 right, 4 not answered
        - list:
          - listitem:
            - paragraph:
              - link "Few bricks":
                - /url: intro.html
              - text: ": 0 of 2 right, 1 not answered"
            - group: "Passages to reread: 2"
          - listitem:
            - paragraph:
              - 'link "Autoencoders: two friends"'
              - text: ": 2 of 3 right, 1 not answered"
            - group: "Passages to reread: 1"
          - listitem:
            - paragraph:
              - link "Test yourself"
              - text: ": 0 of 2 right, 2 not answered"
            - group: "Passages to reread: 2"
        - group "Show":
          - text: Show
          - radio "All questions" [checked]
          - radio "Only those not right yet"
        - text: Order
        - spinbutton "Order": "0"
        - button "Shuffle"
        - paragraph: The same number gives everybody the same order; 0 is the order of the book.
        - status
        - group "What of intro-one?"
        - paragraph: From the chapter “Few bricks”
    """)
    expect(review(tab)).to_match_aria_snapshot("""
      - button "Download my results"
      - button "Reset everything"
      - text: Restore results
      - button "Restore results"
      - status
    """)


def test_the_score_counts_every_chapter_and_predictions_too(open_page):
    tab = open_page()
    assert words(tab) == [
        "0 of 7 right, 7 not answered",
        "Few bricks: 0 of 2 right, 2 not answered",
        "Autoencoders: two friends: 0 of 3 right, 3 not answered",
        "Test yourself: 0 of 2 right, 2 not answered",
    ]
    answer(review(tab), "autoencoders-one", "This")
    answer(review(tab), "autoencoders-two", "That")
    assert words(tab)[:3:2] == ["1 of 7 right, 5 not answered", "Autoencoders: two friends: 1 of 3 right, 1 not answered"]
    other = open_page("autoencoders", within=tab)
    guess = other.get_by_role("group", name=GUESS)
    guess.get_by_role("slider").fill("0.4")
    guess.get_by_role("button", name="Check", exact=True).click()
    expect(guess.get_by_role("status")).to_have_text(re.compile("^Correct"))
    expect(tab.locator(".sae-review-total")).to_have_text("2 of 7 right, 4 not answered")
    assert words(tab)[2] == "Autoencoders: two friends: 2 of 3 right"
    assert shown(tab) == [*IN_ORDER, "quiz-two"]  # the prediction is asked in its chapter only


def test_what_is_not_right_has_a_link_to_its_passage(open_page):
    tab = open_page(keeping={"intro-one": RIGHT, "autoencoders-one": WRONG})

    def links(title):
        # What is answered wrongly comes first.
        items = chapter(tab, title).locator("details li").all()
        return [(item.get_by_role("link").get_attribute("href"), item.inner_text()) for item in items]

    for summary in tab.locator("summary").all():
        summary.click()
    assert links("Few bricks") == [("intro.html", "What of intro-two? (not answered)")]
    assert links("Autoencoders") == [
        ("intro.html#one", "What of autoencoders-one? (not right yet)"),
        ("autoencoders.html#two", "What of autoencoders-two? (not answered)"),
        ("autoencoders.html#guess", f"{GUESS} (not answered)"),
    ]
    answer(review(tab), "intro-two", "This")
    expect(chapter(tab, "Few bricks").locator("details")).to_be_hidden()
    expect(chapter(tab, "Few bricks").locator("p")).to_have_text("Few bricks: 2 of 2 right")
    answer(review(tab), "autoencoders-two", "That")
    link = review(tab).get_by_role("link", name="Read the passage again").last
    expect(link).to_have_attribute("href", "autoencoders.html#two")


def test_the_chapters_and_the_review_show_the_same_answers(open_page):
    tab = open_page()
    quiz = tab.locator(".sae-quiz").first
    answer(quiz, "quiz-one", "That")
    expect(review(tab).get_by_role("group", name="What of quiz-one?").get_by_role("status")).to_have_text(re.compile("^Not quite"))
    answer(review(tab), "quiz-one", "This")
    expect(quiz.get_by_role("group", name="What of quiz-one?").get_by_role("status")).to_have_text(re.compile("^Correct"))
    expect(quiz.locator(".sae-quiz-score")).to_have_text("1 of 2 right")
    answer(review(tab), "intro-one", "That")
    intro = open_page("intro", within=tab)
    group = intro.get_by_role("group", name="What of intro-one?")
    expect(group.get_by_role("status")).to_have_text(re.compile("^Not quite"))
    answer(intro, "intro-two", "This")
    expect(review(tab).get_by_role("group", name="What of intro-two?").get_by_role("status")).to_have_text(re.compile("^Correct"))
    intro.get_by_role("button", name="Start this quiz again").click()
    expect(tab.locator(".sae-review-total")).to_have_text("1 of 7 right, 6 not answered")
    assert set(kept(tab)) == {KEY("quiz-one")}


def test_two_tabs_keep_both_tabs_answers(open_page):
    one = open_page()
    other = open_page(within=one)
    answer(review(one), "intro-one", "This")
    answer(review(other), "intro-two", "That")
    for tab in (one, other):
        expect(tab.locator(".sae-review-total")).to_have_text("1 of 7 right, 5 not answered")
    assert kept(one) == {KEY("intro-one"): RIGHT, KEY("intro-two"): WRONG}


def test_answers_of_before_there_was_a_verdict_still_count(open_page):
    tab = open_page(keeping={"intro-one": '{"answer":"This"}', "intro-two": '{"answer":"Those"}', "quiz-one": "{"})
    assert words(tab)[0] == "1 of 7 right, 6 not answered"
    # The verdict is added where there is one; what is no answer in this edition is left as it is.
    assert kept(tab) == {KEY("intro-one"): RIGHT, KEY("intro-two"): '{"answer":"Those"}', KEY("quiz-one"): "{"}


@pytest.mark.parametrize("text", ["", "null", "{", "[]", '{"answer":{"guess":7},"right":true}', '{"answer":3}', "\x00"])
def test_a_garbled_prediction_is_none(open_page, text):
    tab = open_page(keeping={"autoencoders-guess": text})
    assert words(tab)[0] == "0 of 7 right, 7 not answered"


def test_an_order_is_the_same_for_everybody(open_page):
    tab = open_page()
    assert shown(tab)[:5] == IN_ORDER
    orders = {}
    for _ in range(8):
        press(tab, "Shuffle")
        number = review(tab).get_by_label("Order").input_value()
        assert 1 <= int(number) <= 9999
        assert hash_of(tab) == f"#order={number}"
        expect(review(tab).locator(".sae-review-said").first).to_have_text(f"6 questions, in order {number}.")
        orders[number] = shown(tab)
        assert sorted(orders[number]) == sorted([*IN_ORDER, "quiz-two"])
        assert review(tab).locator(".sae-quiz-number").all_inner_texts() == list("123456")
    assert len({tuple(order) for order in orders.values()}) > 4
    for number, order in orders.items():
        other = open_page(hash=f"#order={number}")
        assert shown(other) == order
        expect(review(other).get_by_label("Order")).to_have_value(number)
    review(tab).get_by_label("Order").fill("0")
    review(tab).get_by_label("Order").blur()
    assert shown(tab)[:5] == IN_ORDER


def test_an_order_typed_or_given_in_the_address(open_page):
    tab = open_page(hash="#order=7")
    seven = shown(tab)
    # Numbers that teachers have handed out go on meaning the same.
    assert seven == ["intro-one", "quiz-one", "autoencoders-two", "autoencoders-one", "quiz-two", "intro-two"]
    order = review(tab).get_by_label("Order")
    order.fill("12")
    order.press("Enter")
    twelve = shown(tab)
    assert hash_of(tab) == "#order=12" and seven != twelve
    tab.evaluate("location.hash = '#order=7'")
    expect(order).to_have_value("7")
    assert shown(tab) == seven
    tab.evaluate("location.hash = '#a-passage'")
    assert shown(tab) == seven
    for nonsense in ("-3", "1.5", "10000", ""):
        order.fill(nonsense)
        order.blur()
        expect(review(tab).locator(".sae-review-said").first).to_have_text("The order is a whole number from 0 to 9999.")
        expect(order).to_have_value("7")
        order.fill("7")
        order.blur()
    for nonsense in ("x", "", "-1", "1e3", "123456"):
        assert shown(open_page(hash=f"#order={nonsense}"))[:5] == IN_ORDER


def test_only_what_is_not_right_yet(open_page):
    tab = open_page(keeping={"intro-one": RIGHT, "intro-two": WRONG})
    choose(tab, "Only those not right yet")
    assert shown(tab)[0] == "intro-two" and len(shown(tab)) == 5
    # What becomes right stays until the reader asks anew: its praise can be read.
    expect(answer(review(tab), "intro-two", "This")).to_have_text(re.compile("^Correct"))
    assert shown(tab)[0] == "intro-two"
    press(tab, "Shuffle")
    assert len(shown(tab)) == 4
    for name in ("autoencoders-one", "autoencoders-two", "quiz-one"):
        answer(review(tab), name, "This")
    review(tab).get_by_role("group", name="quiz two").get_by_label("This").check()
    check(tab.locator(".sae-review"), "What of quiz two?")
    choose(tab, "All questions")
    assert len(shown(tab)) == 6
    choose(tab, "Only those not right yet")
    assert shown(tab) == []
    expect(tab.get_by_text("No questions: all of them are answered rightly")).to_be_visible()


def test_reset_asks_first_and_forgets_this_book_only(open_page):
    keeping = {"intro-one": RIGHT, "autoencoders-guess": GUESSED, "quiz-one": "garbage", "another-book": RIGHT}
    tab = open_page(keeping=keeping)
    tab.evaluate("localStorage.setItem('theme', 'dark')")
    before = kept(tab)
    button = review(tab).get_by_role("button", name="Reset everything")
    expect(button).to_have_attribute("aria-expanded", "false")
    group = review(tab).get_by_role("group", name="All your answers in this browser will be forgotten")
    expect(group).to_be_hidden()
    for leave in (lambda: press(tab, "No, keep them"), lambda: tab.keyboard.press("Escape"), button.click):
        button.click()
        expect(group).to_be_visible()
        expect(group.get_by_role("button", name="No, keep them")).to_be_focused()
        leave()
        expect(group).to_be_hidden()
        expect(button).to_be_focused()
    assert kept(tab) == before
    button.click()
    press(tab, "Yes, forget all my answers")
    expect(said(tab)).to_have_text("All answers are forgotten.")
    expect(button).to_be_focused()
    assert kept(tab) == {KEY("another-book"): RIGHT, "theme": "dark"}
    assert words(tab)[0] == "0 of 7 right, 7 not answered"
    expect(tab.locator("main :checked:not(.sae-chooser *)")).to_have_count(0)


def downloaded(tab):
    with tab.expect_download() as event:
        press(tab, "Download my results")
    assert re.fullmatch(r"results-\d{4}-\d\d-\d\d\.json", event.value.suggested_filename)
    return event.value.path().read_bytes()


def test_results_are_downloaded_and_restored(open_page, python):
    keeping = {"intro-one": RIGHT, "intro-two": WRONG, "autoencoders-guess": GUESSED, "quiz-one": "garbage", "another-book": RIGHT}
    tab = open_page(keeping=keeping)
    content = downloaded(tab)
    expect(said(tab)).to_have_text("A file with 3 answers is being saved.")
    data = json.loads(content)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", data.pop("made"))
    assert data == {
        "book": "A small book",
        "edition": python.edition,
        "answers": {name: json.loads(keeping[name]) for name in ("intro-one", "intro-two", "autoencoders-guess")},
    }
    other = open_page(keeping={"intro-one": WRONG, "quiz-one": RIGHT})
    chapter = open_page("intro", within=other)
    restore(other, content)
    expect(said(other)).to_have_text("3 answers restored. Other answers that were kept here are as they were.")
    assert kept(other) == {
        KEY("intro-one"): RIGHT,
        KEY("intro-two"): WRONG,
        KEY("autoencoders-guess"): GUESSED,
        KEY("quiz-one"): RIGHT,
    }
    # It shows at once, here and in other tabs.
    assert words(other)[0] == "3 of 7 right, 3 not answered"
    expect(review(other).get_by_role("group", name="intro-one").get_by_role("status")).to_have_text(re.compile("^Correct"))
    expect(chapter.get_by_role("group", name="intro-one").get_by_role("status")).to_have_text(re.compile("^Correct"))
    # The same file can be chosen a second time.
    press(other, "Reset everything")
    press(other, "Yes, forget all my answers")
    restore(other, content)
    assert words(other)[0] == "2 of 7 right, 4 not answered"


GOOD = {"intro-one": {"answer": "This", "right": True}}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (lambda python: b"", "it is no JSON"),
        (lambda python: results(python, GOOD)[:-9], "it is no JSON"),
        (lambda python: b"\x89PNG\r\n\xff\xfe", "it is no JSON"),
        (lambda python: b" " * 1_000_001, "it is too large"),
        (lambda python: b"null", "it is no file of results"),
        (lambda python: b"[]", "it is no file of results"),
        (lambda python: results(python, GOOD, edition=None), "it is no file of results"),
        (lambda python: results(python, GOOD, book=3), "it is no file of results"),
        (lambda python: results(python, [GOOD]), "it is no file of results"),
        (lambda python: results(python, GOOD, book="<b>Other</b>"), "the results of another book, “<b>Other</b>”"),
        (lambda python: results(python, {"intro-three": GOOD["intro-one"]}), "none of its answers is one to a question of this book"),
        (lambda python: results(python, {"__proto__": GOOD["intro-one"]}), "none of its answers"),
        (lambda python: results(python, {"intro-two": {"answer": "Those", "right": True}}), "none of its answers"),
        (lambda python: results(python, {"intro-two": {"answer": "This"}}), "none of its answers"),
        (lambda python: results(python, {"intro-two": "This", "intro-one": None}), "none of its answers"),
        (lambda python: results(python, {"autoencoders-guess": {"answer": {"guess": 2}, "right": True}}), "none of its answers"),
    ],
)
def test_what_can_not_be_restored_is_refused_and_nothing_is_lost(open_page, python, content, says):
    keeping = {"intro-one": WRONG, "intro-two": "garbage", "autoencoders-guess": GUESSED}
    tab = open_page(keeping=keeping)
    before, scores = kept(tab), words(tab)
    restore(tab, content(python))
    expect(said(tab)).to_have_text(re.compile(r"^“mine\.json” was not restored: .* Nothing was changed\.$"))
    expect(said(tab)).to_contain_text(says)
    assert (kept(tab), words(tab)) == (before, scores)


def test_results_of_another_edition_are_restored_as_far_as_they_still_are_answers(open_page, python):
    tab = open_page(keeping={"quiz-one": WRONG})
    answers = {**GOOD, "intro-gone": GOOD["intro-one"], "intro-two": {"answer": "Those", "right": True}}
    restore(tab, results(python, answers, edition="0123456789abcdef"))
    expect(said(tab)).to_have_text(
        "1 answer restored. They are from another edition, in which some questions may read otherwise. "
        "2 answers left out: this book does not ask that, or no longer offers that answer. "
        "Other answers that were kept here are as they were."
    )
    assert kept(tab) == {KEY("intro-one"): RIGHT, KEY("quiz-one"): WRONG}


def test_a_verdict_that_can_be_found_out_is_not_taken_on_trust(open_page, python):
    tab = open_page()
    restore(tab, results(python, {"intro-one": {"answer": "That", "right": True}}))
    assert kept(tab) == {KEY("intro-one"): WRONG}
    assert words(tab)[0] == "0 of 7 right, 6 not answered"


@pytest.mark.parametrize("after", [0, 1, 2])
def test_storage_that_fills_up_while_restoring_has_lost_nothing(open_page, python, after):
    keeping = {"intro-one": WRONG, "intro-two": "garbage"}
    tab = open_page(keeping=keeping)
    before = kept(tab)
    tab.evaluate(
        """after => {
            const setItem = Storage.prototype.setItem;
            let left = after;
            Storage.prototype.setItem = function (...args) {
                if (left-- === 0) throw new DOMException("", "QuotaExceededError");
                setItem.apply(this, args);
            };
        }""",
        after,
    )
    restore(tab, results(python, {name: {"answer": "This", "right": True} for name in ("quiz-one", "intro-one", "intro-two")}))
    expect(said(tab)).to_contain_text("this browser can't keep it")
    assert kept(tab) == before
    assert words(tab)[0] == "0 of 7 right, 6 not answered"


@pytest.mark.parametrize("script", NO_STORAGE.values(), ids=list(NO_STORAGE))
def test_without_storage_the_review_works_and_says_so(open_page, python, script):
    tab = open_page(script=script)
    expect(answer(review(tab), "intro-one", "This")).to_have_text(re.compile("^Correct"))
    assert words(tab)[0] == "1 of 7 right, 6 not answered"
    expect(review(tab).get_by_text("Answers can't be kept in this browser.")).to_be_visible()
    assert json.loads(downloaded(tab))["answers"] == {"intro-one": {"answer": "This", "right": True}}
    restore(tab, results(python, {"quiz-one": {"answer": "This", "right": True}}))
    expect(said(tab)).to_contain_text("this browser can't keep it")
    assert words(tab)[0] == "1 of 7 right, 6 not answered"
    press(tab, "Reset everything")
    press(tab, "Yes, forget all my answers")
    assert words(tab)[0] == "0 of 7 right, 7 not answered"


def test_a_page_that_comes_back_shows_what_was_answered_meanwhile(open_page):
    tab = open_page()
    # As when a chapter is left, the review answered, and the browser's Back button brings the chapter back unloaded.
    tab.evaluate("([key, text]) => localStorage.setItem(key, text)", [KEY("intro-one"), RIGHT])
    assert words(tab)[0] == "0 of 7 right, 7 not answered"
    tab.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    assert words(tab)[0] == "1 of 7 right, 6 not answered"


def test_everything_is_reached_by_the_keyboard_alone(open_page):
    tab = open_page()
    key = tab.keyboard.press

    def tab_to(locator):
        for _ in range(40):
            if locator.evaluate("e => e === document.activeElement"):
                return
            key("Tab")
        raise AssertionError(locator)

    summary = chapter(tab, "Few bricks").locator("summary")
    tab_to(summary)
    key("Enter")
    expect(chapter(tab, "Few bricks").get_by_role("link", name="What of intro-one?")).to_be_visible()
    tab_to(review(tab).get_by_role("radio", name="All questions"))
    key("ArrowRight")
    expect(review(tab).get_by_role("radio", name="Only those not right yet")).to_be_checked()
    tab_to(review(tab).get_by_label("Order"))
    tab.keyboard.type("3")
    key("Enter")
    assert hash_of(tab) == "#order=3"
    tab_to(review(tab).get_by_role("button", name="Shuffle"))
    key("Space")
    assert hash_of(tab) != "#order=3"
    tab_to(review(tab).get_by_role("button", name="Download my results"))
    with tab.expect_download():
        key("Enter")
    tab_to(review(tab).get_by_role("button", name="Reset everything"))
    key("Enter")
    key("Tab")
    key("Enter")
    expect(said(tab)).to_have_text("All answers are forgotten.")
    tab_to(tab.get_by_label("Restore results"))


def test_live_the_traits_follow_and_no_link_leads_away(open_page, python):
    tab = open_page(
        keeping={"autoencoders-guess": GUESSED},
        # The widget as in a notebook: no host has marked the page, and the model tells Python of each change.
        script="window.told = [];",
    )
    tab.evaluate(
        """async () => {
            delete document.documentElement.dataset.widgetHost;
            const saved = JSON.parse(document.querySelector("script[type*=widget-state]").textContent).state.m1.state;
            const state = { ...saved, answers: { "intro-one": "This" } };
            const listeners = [];
            window.model = {
                get: (name) => state[name],
                set(name, value) { state[name] = value; listeners.forEach(([event, f]) => event === `change:${name}` && f()); },
                save_changes: () => told.push({ answers: state.answers, predictions: state.predictions }),
                on: (event, f) => listeners.push([event, f]),
                off: () => { listeners.length = 0; },
            };
            const url = URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" }));
            const el = document.querySelector("main");
            el.replaceChildren();
            window.stop = (await import(url)).default.render({ model, el });
        }"""
    )
    expect(review(tab).get_by_role("link")).to_have_count(0)
    told = tab.evaluate("told.at(-1)")
    assert told == {"answers": {"intro-one": "This"}, "predictions": {"autoencoders-guess": json.loads(GUESSED)}}
    python.set_state(told)
    assert (python.score, python.scores["autoencoders"]["right"]) == (2, 1)
    answer(review(tab), "intro-two", "That")
    assert tab.evaluate("told.at(-1).answers") == {"intro-one": "This", "intro-two": "That"}
    tab.evaluate("model.set('answers', {'quiz-one': 'This'})")
    assert words(tab)[0] == "2 of 7 right, 5 not answered"
    before = tab.url
    press(tab, "Shuffle")
    assert tab.url == before  # the address belongs to the notebook's program
    tab.evaluate("stop()")
    tab.evaluate("dispatchEvent(new CustomEvent('saelib-kept', { detail: null }))")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_stands_in_anybodys_way(open_page, width, theme):
    tab = open_page(viewport={"width": width, "height": 900})
    tab.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
    assert barriers(tab) == []
    answer(review(tab), "intro-one", "That")
    answer(review(tab), "intro-two", "This")
    for summary in tab.locator("summary").all():
        summary.click()
    press(tab, "Shuffle")
    press(tab, "Reset everything")
    assert barriers(tab) == []
    assert fits(tab)
    heights = review(tab).locator("button, .sae-face").evaluate_all("all => all.map((e) => e.getBoundingClientRect().height)")
    assert min(heights) >= 43.9
