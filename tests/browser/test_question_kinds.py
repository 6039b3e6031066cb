"""Numbers, orders and partners in a real browser: what only these kinds of questions do."""

import itertools
import json
import re

import pytest
from pages import barriers, fits, flick, touch
from playwright.sync_api import expect
from quizzes import check, elements, kept, question, reload, score, status
from saelib.widgets.quiz.kinds import KINDS
from saelib.widgets.quiz.questions import read_quiz

BLANK = "One pixel in eight is inked. What share of the pixels is blank?"
STEPS = "In which order does an autoencoder learn from a picture?"
FRIENDS = "What does each part of an autoencoder do?"
ITEMS = ["Encode the picture", "Decode the `code`", "Compare both", "Change the weights"]
NAMES = ["Encode the picture", "Decode the code", "Compare both", "Change the weights"]
FOUND = ["Decode the code", "Compare both", "Change the weights", "Encode the picture"]  # the order that readers find
NUMBER = {
    "id": "blank",
    "kind": "number",
    "prompt": BLANK,
    "answer": 87.5,
    "tolerance": 0.5,
    "unit": "%",
    "feedback": "Seven of eight pixels hold nothing.",
    "wrong": [
        {
            "value": 12.5,
            "tolerance": 0.5,
            "misconception": "counting what is there",
            "feedback": "That is the share of the *inked* ones.",
        },
        {"value": -12.5, "misconception": "blank is negative", "feedback": "A share is never below zero."},
    ],
    "otherwise": "Count the blank ones among eight pixels.",
    "hint": "Of eight, how many are not inked?",
    "explanation": "Most numbers of a sparse picture are zero.",
    "anchor": "#blank",
}
ORDERING = {
    "id": "steps",
    "kind": "ordering",
    "prompt": STEPS,
    "items": ITEMS,
    "feedback": "The error is known once a picture came back.",
    "wrong": [
        {
            "before": ITEMS[1],
            "after": ITEMS[0],
            "misconception": "the decoder invents",
            "feedback": "It has nothing to read before the encoder wrote.",
        },
        {
            "before": ITEMS[3],
            "after": ITEMS[2],
            "misconception": "weights change by chance",
            "feedback": "The comparison says in which direction.",
        },
    ],
    "otherwise": "Follow one picture on its way.",
    "hint": "Which step needs the result of which?",
}
MATCHING = {
    "id": "friends",
    "kind": "matching",
    "prompt": FRIENDS,
    "pairs": [
        {"left": "Encoder", "right": "writes the code"},
        {"left": "Decoder, `W_dec`", "right": "reads the code"},
        {"left": "Loss", "right": "measures what got lost"},
    ],
    "distractors": ["knows the labels"],
    "feedback": "Two friends, and one who only measures.",
    "wrong": [
        {
            "left": "Loss",
            "right": "knows the labels",
            "misconception": "needs labels",
            "feedback": "The input itself is the target.",
        },
        {
            "left": "Encoder",
            "right": "reads the code",
            "misconception": "encoder and decoder swapped",
            "feedback": "*En*coding makes the code.",
        },
    ],
    "otherwise": "Read the words slowly.",
    "hint": "Two of the words say it.",
}
QUESTIONS = [NUMBER, ORDERING, MATCHING]
PARTNERS = {pair["left"]: pair["right"] for pair in MATCHING["pairs"]}
OFFERED = ["knows the labels", "reads the code", "measures what got lost", "writes the code"]
RIGHT = {"blank": 87.5, "steps": ITEMS, "friends": PARTNERS}


def field(tab):
    return question(tab, BLANK).get_by_role("textbox", name="Your answer %", exact=True)


def write(tab, text):
    field(tab).fill(text)
    check(tab, BLANK)


def order(tab):
    return question(tab, STEPS).get_by_role("listitem").locator(".sae-quiz-item").all_inner_texts()


def arrow(tab, name, way):
    return question(tab, STEPS).get_by_role("button", name=f"Move {name} {way}", exact=True)


def into_order(tab, names):
    """Move the items into this order, with their buttons."""
    for place, name in enumerate(names):
        while order(tab).index(name) > place:
            arrow(tab, name, "up").click()


def match(tab, partners):
    for left, right in partners.items():
        question(tab, FRIENDS).get_by_label(left.replace("`", ""), exact=True).select_option(right)


def test_a_screen_reader_finds_what_to_write_to_move_and_to_choose(quiz_page):
    tab = quiz_page(QUESTIONS)
    choices = "".join(
        f"""
              - option "{text}"{" [selected]" if text == "choose…" else ""}"""
        for text in ["choose…", *OFFERED]
    )
    expect(tab.locator("#views")).to_match_aria_snapshot(f"""
      - region "Test your understanding":
        - paragraph: Test your understanding
        - group "{BLANK}":
          - text: {BLANK} Your answer
          - textbox "Your answer %"
          - text: "%"
          - button "Check"
          - button "Hint"
          - status
        - group "{STEPS}":
          - text: {STEPS}
          - paragraph: Drag each to its place, or use the arrows. The first comes at the top.
          - list:
            - listitem:
              - text: Decode the
              - code: code
              - button "Move Decode the code up" [disabled]
              - button "Move Decode the code down"
            - listitem:
              - text: Compare both
              - button "Move Compare both up"
              - button "Move Compare both down"
            - listitem:
              - text: Change the weights
              - button "Move Change the weights up"
              - button "Move Change the weights down"
            - listitem:
              - text: Encode the picture
              - button "Move Encode the picture up"
              - button "Move Encode the picture down" [disabled]
          - button "Check"
          - button "Hint"
          - status
        - group "{FRIENDS}":
          - text: {FRIENDS}
          - paragraph: Choose a partner for each.
          - text: Encoder
          - combobox "Encoder":{choices}
          - text: Decoder,
          - code: W_dec
          - combobox "Decoder, W_dec":{choices}
          - text: Loss
          - combobox "Loss":{choices}
          - button "Check"
          - button "Hint"
          - status
        - paragraph: 0 of 3 right
        - button "Start this quiz again"
    """)
    for prompt in (BLANK, STEPS, FRIENDS):
        expect(status(tab, prompt)).to_have_count(1)
        expect(status(tab, prompt)).to_be_empty()
    expect(tab.locator("[aria-live]")).to_have_count(0)
    expect(arrow(tab, "Compare both", "up")).to_have_accessible_description("now 2 of 4")


def test_a_right_number_however_it_is_written(quiz_page):
    tab = quiz_page([NUMBER])
    for written in ["87.5", "87,4", " 87.3 % ", "+87.0", "88%", "8.72e1", "087.1", "87.1250"]:
        write(tab, written)
        expect(status(tab, BLANK)).to_have_text("Correct. Seven of eight pixels hold nothing.Most numbers of a sparse picture are zero.")
        expect(question(tab, BLANK)).to_contain_text("✓")
        number = tab.evaluate("saved.at(-1).blank")
        assert number == float(written.strip(" %").replace(",", "."))
        # What is shown is read as the same number again.
        expect(field(tab)).to_have_value("87.1250" if number == 87.125 else f"{number:g}")
    for written in ["８７．５％", "８７，５", "٨٧٫٥", "۸۷٫۵", "८७.५", "৮৭,৫%"]:
        write(tab, written)
        expect(status(tab, BLANK)).to_have_text(re.compile("^Correct"))
        assert tab.evaluate("saved.at(-1).blank") == 87.5
        field(tab).fill("")


def test_a_key_that_goes_to_an_input_method_checks_nothing(quiz_page):
    tab = quiz_page([NUMBER])
    field(tab).fill("87.5")
    for composing in ({"isComposing": True}, {"keyCode": 229}):  # the second is Safari's Enter that ends a composition
        field(tab).dispatch_event("keydown", {"key": "Enter", **composing})
        expect(status(tab, BLANK)).to_be_empty()
    field(tab).dispatch_event("keydown", {"key": "Enter", "keyCode": 13})
    expect(status(tab, BLANK)).to_have_text(re.compile("^Correct"))


def test_a_typical_wrong_number_has_its_mix_up_named(quiz_page):
    tab = quiz_page([NUMBER])
    again = "Think again: another try costs nothing."
    for written, said in {
        "12,9": f"Not quite. A common mix-up: counting what is there. That is the share of the inked ones.{again}",
        "\u221212.5": f"Not quite. A common mix-up: blank is negative. A share is never below zero.{again}",
        "50": f"Not quite. Count the blank ones among eight pixels.{again}",
        "-1e15": f"Not quite. Count the blank ones among eight pixels.{again}",
    }.items():
        write(tab, written)
        expect(status(tab, BLANK)).to_have_text(said)
        expect(question(tab, BLANK).locator(".sae-quiz-entry")).to_contain_text("✗")
    field(tab).press_sequentially("5")
    expect(status(tab, BLANK)).to_be_empty()
    expect(question(tab, BLANK)).not_to_contain_text("✗")


def test_what_is_no_number_is_no_answer(quiz_page):
    tab = quiz_page([NUMBER])
    unread = "” can't be read as a number: write one in digits, such as 12 or -0.5."
    texts = ["%", "Correct", "1/8", "1.2.3", "--1", "1e400", "NaN", "Infinity", "0x10", "1 2", "1,000,000", "٣٫٣٫٣", "."]
    for written, said in {
        "": "Write a number first.",
        "  ": "Write a number first.",
        "1,000": "“1,000” can be read in two ways: write 1000 or 1.",
        "1.000": "“1.000” can be read in two ways: write 1000 or 1.",
        "-87.125": "“-87.125” can be read in two ways: write -87125 or -87.1250.",
        "３，０００": "“3,000” can be read in two ways: write 3000 or 3.",
        **{text: f"“{text}{unread}" for text in [*texts, "<img src=x onerror=alert(1)>"]},
    }.items():
        write(tab, written)
        expect(status(tab, BLANK)).to_have_text(said)
        expect(field(tab)).to_have_attribute("aria-invalid", "true")
        field(tab).fill("1")
        expect(field(tab)).not_to_have_attribute("aria-invalid", "true")
        expect(status(tab, BLANK)).to_be_empty()
    assert tab.evaluate("saved") == [] and kept(tab) == {}


def test_a_phone_offers_digits_and_a_minus_sign_where_one_may_be_needed(quiz_page):
    positive = {**NUMBER, "wrong": NUMBER["wrong"][:1]}
    tab = quiz_page([positive])
    expect(field(tab)).to_have_attribute("inputmode", "decimal")
    tab = quiz_page([NUMBER])
    expect(field(tab)).to_have_attribute("inputmode", "text")


def test_nothing_moved_or_not_all_chosen_is_no_answer(quiz_page):
    tab = quiz_page(QUESTIONS)
    check(tab, STEPS)
    expect(status(tab, STEPS)).to_have_text("Put the items in order first.")
    for _ in range(3):
        check(tab, FRIENDS)
        expect(status(tab, FRIENDS)).to_have_text("Choose a partner for every item first.")
        question(tab, FRIENDS).get_by_label("Encoder").select_option("reads the code")
        expect(status(tab, FRIENDS)).to_be_empty()
    assert tab.evaluate("saved") == [] and kept(tab) == {}


def test_items_move_by_their_buttons_and_the_focus_stays(quiz_page):
    tab = quiz_page([ORDERING])
    assert order(tab) == FOUND
    up = arrow(tab, "Encode the picture", "up")
    up.focus()
    for place in (3, 2, 1):
        tab.keyboard.press("Enter" if place == 2 else "Space")
        expect(up).to_be_focused()
        expect(up).to_have_accessible_description(f"now {place} of 4")
        assert order(tab).index("Encode the picture") == place - 1
        expect(status(tab, STEPS)).to_be_empty()
    # At the end of its way a button does nothing, and keeps the focus.
    expect(up).to_have_attribute("aria-disabled", "true")
    tab.keyboard.press("Enter")
    expect(up).to_be_focused()
    assert order(tab) == NAMES
    tab.keyboard.press("Tab")
    expect(arrow(tab, "Encode the picture", "down")).to_be_focused()
    assert tab.evaluate("saved") == []
    check(tab, STEPS)
    expect(status(tab, STEPS)).to_have_text("Correct. The error is known once a picture came back.")
    expect(question(tab, STEPS).get_by_role("list")).to_contain_text("✓")
    assert tab.evaluate("saved") == [{"steps": ITEMS}]
    tab.keyboard.press("Shift+Tab")
    arrow(tab, "Change the weights", "up").click()
    expect(status(tab, STEPS)).to_be_empty()
    expect(question(tab, STEPS)).not_to_contain_text("✓")


def test_a_wrong_order_has_its_mix_ups_named(quiz_page):
    tab = quiz_page([ORDERING])
    first, second, third, fourth = NAMES
    into_order(tab, [second, first, third, fourth])
    check(tab, STEPS)
    expect(status(tab, STEPS)).to_have_text(
        "Not quite. 2 of the 4 are in their places.“Decode the code” before “Encode the picture” – a common mix-up: "
        "the decoder invents. It has nothing to read before the encoder wrote.Think again: another try costs nothing."
    )
    # No row says whether it is in its place: that would give the order away.
    expect(question(tab, STEPS).get_by_role("list")).not_to_contain_text(re.compile("[✓✗]"))
    into_order(tab, [fourth, second, first, third])
    check(tab, STEPS)
    text = status(tab, STEPS).inner_text()
    assert text.startswith("Not quite. 1 of the 4 is in its place.")
    assert "the decoder invents" in text and "weights change by chance" in text and "Follow" not in text
    into_order(tab, [first, third, second, fourth])
    check(tab, STEPS)
    expect(status(tab, STEPS)).to_have_text(
        "Not quite. 2 of the 4 are in their places.Follow one picture on its way.Think again: another try costs nothing."
    )
    into_order(tab, [third, fourth, first, second])
    check(tab, STEPS)
    expect(status(tab, STEPS)).to_have_text(re.compile(r"^Not quite\. None of the 4 is in its place\."))


def middle(box):
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def row(tab, name):
    return question(tab, STEPS).get_by_role("listitem").filter(has_text=name)


@pytest.mark.parametrize("width", [360, 1280])
def test_items_are_dragged_with_a_mouse(quiz_page, width):
    tab = quiz_page([ORDERING], viewport={"width": width, "height": 900})
    tab.mouse.move(*middle(row(tab, "Encode").locator(".sae-quiz-item").bounding_box()))
    tab.mouse.down()
    x, y = middle(row(tab, "Decode").bounding_box())
    tab.mouse.move(x, y + 40, steps=5)
    expect(row(tab, "Encode")).to_have_class(re.compile("dragged"))
    # It follows the pointer while the others make room.
    assert abs(middle(row(tab, "Encode").bounding_box())[1] - y - 40) < 3
    tab.mouse.move(x, y - 400, steps=5)
    tab.mouse.up()
    assert order(tab) == NAMES
    expect(row(tab, "Encode")).not_to_have_class(re.compile("dragged"))
    check(tab, STEPS)
    expect(status(tab, STEPS)).to_have_text(re.compile("^Correct"))
    # Taken up and put down where it was, an item has not moved, and what was said stays.
    tab.mouse.move(*middle(row(tab, "Compare").bounding_box()))
    tab.mouse.down()
    tab.mouse.up()
    expect(status(tab, STEPS)).to_have_text(re.compile("^Correct"))


def test_a_finger_drags_by_the_handle_and_scrolls_elsewhere(quiz_page):
    tab = quiz_page([ORDERING], viewport={"width": 360, "height": 420}, has_touch=True, is_mobile=True)
    tab.evaluate("scrollTo(0, 80)")
    top = tab.evaluate("scrollY")
    assert top > 0
    x, y = middle(row(tab, "Decode").locator(".sae-quiz-handle").bounding_box())
    touch(tab, (x, y), (x, y + 200))
    assert order(tab)[0] != "Decode the code"
    assert tab.evaluate("scrollY") == top
    before = order(tab)
    x, y = middle(question(tab, STEPS).locator(".sae-quiz-item").nth(1).bounding_box())
    touch(tab, (x, y), (x, y - 150))
    tab.wait_for_function(f"scrollY > {top}")
    assert order(tab) == before


def test_a_tap_right_after_a_row_is_flicked_is_not_lost(quiz_page):
    tab = quiz_page([ORDERING], viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    x, y = middle(row(tab, "Decode").locator(".sae-quiz-handle").bounding_box())
    flick(tab, (x, y), (x, y + 250))
    before = order(tab)
    assert before.index(FOUND[0]) > 0
    tab.touchscreen.tap(*middle(arrow(tab, before[2], "up").bounding_box()))
    expect(question(tab, STEPS).locator(".sae-quiz-item").nth(1)).to_have_text(before[2])


def test_a_drag_that_is_interrupted_leaves_a_list_in_order(quiz_page):
    tab = quiz_page([ORDERING])
    tab.mouse.move(*middle(row(tab, "Encode").locator(".sae-quiz-item").bounding_box()))
    tab.mouse.down()
    tab.mouse.move(*middle(row(tab, "Compare").bounding_box()), steps=4)
    tab.evaluate("items => model.set('answers', {steps: items})", ITEMS)
    tab.mouse.up()
    assert sorted(order(tab)) == sorted(NAMES)
    expect(row(tab, "Encode")).not_to_have_class(re.compile("dragged"))
    assert row(tab, "Encode").evaluate("row => row.style.transform") == ""


def test_nothing_glides_where_motion_is_unwanted(quiz_page):
    for motion, gliding in {"reduce": 0, "no-preference": 2}.items():
        tab = quiz_page([ORDERING], reduced_motion=motion)
        gliders = arrow(tab, "Encode the picture", "up").evaluate("""(button) => {
          button.click();
          return document.getAnimations().filter((animation) => animation.effect.target.localName === "li").length;
        }""")
        assert gliders == gliding


def test_partners_that_do_not_belong_have_their_mix_ups_named(quiz_page):
    tab = quiz_page([MATCHING])
    match(tab, {"Encoder": "reads the code", "Decoder, W_dec": "reads the code", "Loss": "knows the labels"})
    check(tab, FRIENDS)
    expect(status(tab, FRIENDS)).to_have_text(
        "Not quite. 1 of the 3 pairs is right.“Encoder” with “reads the code” – a common mix-up: encoder and decoder "
        "swapped. Encoding makes the code.“Loss” with “knows the labels” – a common mix-up: needs labels. The input itself "
        "is the target.Think again: another try costs nothing."
    )
    rows = question(tab, FRIENDS).locator(".sae-quiz-pair")
    assert [("✗" in text, "✓" in text) for text in rows.all_inner_texts()] == [(True, False), (False, False), (True, False)]
    match(tab, {"Encoder": "knows the labels", "Decoder, W_dec": "knows the labels", "Loss": "reads the code"})
    expect(status(tab, FRIENDS)).to_be_empty()
    expect(question(tab, FRIENDS)).not_to_contain_text("✗")
    check(tab, FRIENDS)
    expect(status(tab, FRIENDS)).to_have_text(
        "Not quite. None of the 3 pairs is right.Read the words slowly.Think again: another try costs nothing."
    )
    match(tab, PARTNERS)
    check(tab, FRIENDS)
    expect(status(tab, FRIENDS)).to_have_text("Correct. Two friends, and one who only measures.")
    assert all("✓" in text for text in rows.all_inner_texts())
    assert tab.evaluate("saved.at(-1)") == {"friends": PARTNERS}


def test_a_chosen_partner_can_be_read_whole_on_the_narrowest_screen(quiz_page):
    long = "turns each picture into a list of numbers that is short"
    pairs = [{"left": "The encoder", "right": long}, *MATCHING["pairs"][1:]]
    tab = quiz_page([{**MATCHING, "pairs": pairs, "wrong": [{**MATCHING["wrong"][0], "left": "The encoder", "right": pairs[1]["right"]}]}],
                    viewport={"width": 320, "height": 640})  # fmt: skip
    field = question(tab, FRIENDS).get_by_label("The encoder", exact=True)
    whole = question(tab, FRIENDS).locator(".sae-quiz-whole").first
    expect(whole).to_be_hidden()
    field.select_option(long)
    expect(whole).to_have_text(long)
    expect(whole).to_be_visible()
    assert tab.evaluate("document.documentElement.scrollWidth") == 320
    field.select_option(pairs[1]["right"])
    assert whole.inner_text() in ("", pairs[1]["right"])
    tab.set_viewport_size({"width": 800, "height": 640})
    field.select_option(long)
    expect(whole).to_be_hidden()


def test_everything_is_done_by_the_keyboard_alone(quiz_page):
    tab = quiz_page(QUESTIONS)
    press = tab.keyboard.press
    press("Tab")
    tab.keyboard.type("87,5")
    press("Enter")
    expect(status(tab, BLANK)).to_have_text(re.compile("^Correct"))
    expect(field(tab)).to_be_focused()
    for _ in range(4):  # Check, Hint, the passage, and the first arrow
        press("Tab")
    expect(arrow(tab, "Decode the code", "up")).to_be_focused()
    for _ in range(6):
        press("Tab")
    for _ in range(3):
        press("Space")
    assert order(tab) == NAMES
    while not tab.evaluate("document.activeElement.matches('.sae-quiz-check')"):
        press("Tab")
    press("Enter")
    expect(status(tab, STEPS)).to_have_text(re.compile("^Correct"))
    press("Tab")
    press("Space")
    expect(tab.get_by_text("Which step needs the result of which?")).to_be_visible()
    for right in PARTNERS.values():
        press("Tab")
        tab.keyboard.type(right[:2])  # as in any list: the first option that begins so
    press("Tab")
    press("Enter")
    expect(status(tab, FRIENDS)).to_have_text(re.compile("^Correct"))
    assert score(tab) == "3 of 3 right"


def test_answers_come_back_and_can_be_forgotten(quiz_page):
    tab = quiz_page(QUESTIONS)
    wrong = ["Compare both", "Decode the code", "Encode the picture", "Change the weights"]
    write(tab, "12,5")
    into_order(tab, wrong)
    check(tab, STEPS)
    match(tab, {**PARTNERS, "Loss": "knows the labels"})
    check(tab, FRIENDS)
    said = [status(tab, prompt).inner_text() for prompt in (BLANK, STEPS, FRIENDS)]
    assert all(text.startswith("Not quite") for text in said)
    reload(tab)
    assert [status(tab, prompt).inner_text() for prompt in (BLANK, STEPS, FRIENDS)] == said
    expect(field(tab)).to_have_value("12.5")
    assert order(tab) == wrong
    expect(tab.get_by_label("Loss")).to_have_value("knows the labels")
    check(tab, STEPS)  # what came back is an answer
    assert status(tab, STEPS).inner_text() == said[1]
    tab.get_by_role("button", name="Start this quiz again").click()
    expect(field(tab)).to_be_focused()
    for _ in range(2):
        expect(field(tab)).to_have_value("")
        assert order(tab) == FOUND
        expect(tab.get_by_label("Loss")).to_have_value("")
        assert kept(tab) == {}
        for prompt in (BLANK, STEPS, FRIENDS):
            expect(status(tab, prompt)).to_be_empty()
        reload(tab)


NO_ANSWERS = [None, True, "", "87.5", [], {}, [1], 1e16, -1e300, ITEMS[:3], [*ITEMS[:3], ITEMS[0]], [*ITEMS, "x"], [*ITEMS[:3], None]] + [
    {**PARTNERS, "Loss": "nothing"}, {**PARTNERS, "x": "y"}, {**PARTNERS, "Loss": None}, {"Loss": "knows the labels"},
    list(PARTNERS.values()), {"toString": 1}, {"__proto__": 1}, [[]], {"answer": 1},
]  # fmt: skip
# Names that every object has, and numbers as names, are names like any others.
ODD = {
    **MATCHING,
    "id": "odd",
    "prompt": "Odd names?",
    "pairs": [
        {"left": "__proto__", "right": "constructor"},
        {"left": "toString", "right": "1"},
        {"left": "0", "right": "__proto__"},
    ],
    "distractors": ["0"],
    "wrong": [{"left": "0", "right": "0", "misconception": "m", "feedback": "f"}],
}


def test_the_page_and_python_agree_on_what_is_an_answer_and_what_is_right(quiz_page):
    tab = quiz_page([*QUESTIONS, ODD])
    tab.evaluate("""async () => {
      const text = state._esm + "; globalThis.KINDS = KINDS;";
      await import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
    }""")
    lefts = {name: [pair["left"] for pair in q["pairs"]] for name, q in {"friends": MATCHING, "odd": ODD}.items()}
    rights = {"friends": OFFERED, "odd": ["constructor", "1", "__proto__", "0"]}
    fine = {**NUMBER, "id": "fine", "prompt": "Fine?", "answer": 0.3, "tolerance": 0.1}
    fine["wrong"] = [{**NUMBER["wrong"][0], "value": 0.6, "tolerance": 0.1}]
    answers = {
        "blank": [0, 12.5, 86.9999, 87, 87.0, 88, 88.00001, -87.5, 1e15, 1e-300, 87.49999999999],
        "fine": [0.2, 0.4, 0.30000000000000004, 0.4000000001, 0.19999999999999998, 0.1999999, 0.1 + 0.2 + 0.1],
        "steps": [list(p) for p in itertools.permutations(ITEMS)],
        **{name: [dict(zip(lefts[name], p, strict=True)) for p in itertools.product(rights[name], repeat=3)] for name in lefts},
    }
    for asked in read_quiz([*QUESTIONS, ODD, fine])["questions"]:
        kind = KINDS[asked["kind"]]
        tried = answers[asked["id"]] + NO_ANSWERS
        expected = [kind.is_right(asked, a) if kind.fits(asked, a) else None for a in tried]
        assert True in expected and False in expected and None in expected
        found = tab.evaluate(
            """([question, tried]) => {
              const kind = KINDS[question.kind];
              return JSON.parse(tried).map((a) => (kind.fits(question, a) ? kind.isRight(question, a) : null));
            }""",
            [asked, json.dumps(tried)],
        )
        assert found == expected


def test_what_is_no_answer_is_ignored(quiz_page):
    tab = quiz_page(QUESTIONS)
    for garbage in ["", "{", "null", '{"answer":NaN}', *(json.dumps({"answer": answer}) for answer in NO_ANSWERS)]:
        for name in RIGHT:
            tab.evaluate("([name, garbage]) => localStorage.setItem(`saelib.quiz.${name}`, garbage)", [name, garbage])
        reload(tab)
        expect(field(tab)).to_have_value("")
        assert order(tab) == FOUND
        expect(tab.get_by_label("Loss")).to_have_value("")
        assert score(tab) == "0 of 3 right"
        assert list(kept(tab).values()) == [garbage] * 3


def test_a_partner_may_have_any_name(quiz_page):
    tab = quiz_page([ODD])
    group = question(tab, "Odd names?")
    for pair in ODD["pairs"]:
        group.get_by_label(pair["left"], exact=True).select_option(pair["right"])
    check(tab, "Odd names?")
    expect(status(tab, "Odd names?")).to_have_text(re.compile("^Correct"))
    reload(tab)
    expect(status(tab, "Odd names?")).to_have_text(re.compile("^Correct"))
    for pair in ODD["pairs"]:
        expect(group.get_by_label(pair["left"], exact=True)).to_have_value(pair["right"])


def test_no_reader_finds_the_items_in_their_right_order(quiz_page):
    tab = quiz_page(
        [
            {**ORDERING, "id": f"order-{number}", "prompt": f"Order {number}?", "items": ITEMS[:3], "wrong": ORDERING["wrong"][:1]}
            for number in range(60)
        ]
    )
    found = [tuple(group.locator(".sae-quiz-item").all_inner_texts()) for group in tab.get_by_role("group").all()]
    assert set(found) == set(itertools.permutations(NAMES[:3])) - {tuple(NAMES[:3])}


HOSTILE = [
    '<img src=x onerror="window.pwned=1">',
    "</script><script>window.pwned=1</script>",
    "</option></select><svg onload=window.pwned=1>",
    "\"'><input autofocus onfocus=window.pwned=1>",
    "[x](javascript:window.pwned=1)",
    "\u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd \u2067",
    "&lt;b&gt; &amp; 👩‍👩‍👧‍👦 \u0000",
    "x" * 90,
]


def test_no_text_becomes_anything_but_text(quiz_page):
    made = [
        question
        for number, text in enumerate(HOSTILE)
        for question in [
            {
                **NUMBER,
                "id": f"number-{number}",
                "prompt": f"number {number} {text}",
                "unit": text[:20],
                "feedback": text,
                "wrong": [{"value": 1, "misconception": text[:80], "feedback": text}],
                "otherwise": text,
            },
            {
                **ORDERING,
                "id": f"ordering-{number}",
                "prompt": f"ordering {number} {text}",
                "items": [text, text + "b", text + "c"],
                "feedback": text,
                "wrong": [{"before": text + "b", "after": text, "misconception": text[:80], "feedback": text}],
            },
            {
                **MATCHING,
                "id": f"matching-{number}",
                "prompt": f"matching {number} {text}",
                "pairs": [{"left": text + letter, "right": letter + text} for letter in "abc"],
                "distractors": [text],
                "feedback": text,
                "wrong": [{"left": text + "a", "right": text, "misconception": text[:80], "feedback": text}],
            },
        ]
    ]
    tab = quiz_page(made, viewport={"width": 360, "height": 800})
    for asked, group in zip(made, tab.get_by_role("group").all(), strict=True):
        text, said = HOSTILE[int(asked["id"].split("-")[1])], group.get_by_role("status")
        if asked["kind"] == "number":
            group.get_by_role("textbox").fill("1")
        elif asked["kind"] == "ordering":
            # The second before the first, whichever way they are found.
            tab.evaluate(
                "([id, order]) => model.set('answers', {...model.get('answers'), [id]: order})",
                [asked["id"], [*asked["items"][1:], asked["items"][0]]],
            )
            buttons = group.get_by_role("button").filter(has_text="↑")
            assert buttons.evaluate_all("all => all.map((b) => b.ariaLabel)")[2] == f"Move {text} up"
        else:
            for select in group.get_by_role("combobox").all():
                select.select_option(text)
        group.get_by_role("button", name="Check").click()
        words = said.text_content()
        assert words.startswith("Not quite") and text in words and text[:80] in words
    assert elements(tab) <= {"ol", "li", "select", "option"}
    assert tab.evaluate("window.pwned") is None
    assert fits(tab)


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_stands_in_anybodys_way(quiz_page, width, theme):
    tab = quiz_page(QUESTIONS, viewport={"width": width, "height": 900})
    tab.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
    assert barriers(tab) == []
    write(tab, "x")
    arrow(tab, "Encode the picture", "up").click()
    check(tab, STEPS)
    match(tab, {**PARTNERS, "Loss": "knows the labels"})
    check(tab, FRIENDS)
    assert barriers(tab) == []
    tab.evaluate("answers => model.set('answers', answers)", RIGHT)
    assert score(tab) == "3 of 3 right"
    assert barriers(tab) == []
    assert fits(tab)
    sizes = tab.locator("#views :is(button, select, .sae-quiz-entry input, .sae-quiz-handle)").evaluate_all(
        "all => all.map((e) => e.getBoundingClientRect()).map((box) => Math.min(box.width, box.height))"
    )
    assert len(sizes) == 23 and min(sizes) >= 43.9
