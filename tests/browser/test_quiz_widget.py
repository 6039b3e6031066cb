"""The quiz in a real browser, on a small page with a model that stands in for the notebook's."""

import itertools
import re

import pytest
from pages import barriers, fits
from playwright.sync_api import expect
from quizzes import NO_STORAGE, check, elements, kept, question, reload, score, status
from saelib.widgets.quiz import Quiz

PARTS = "What are the two main parts of an autoencoder?"
RULES = "Which of these make a code sparse?"
SIZE = "What does k count?"
WRONG_PARTS = '{"answer":"A teacher and a pupil","right":false}'  # as it is kept
QUESTIONS = [
    {
        "id": "parts",
        "kind": "single",
        "prompt": PARTS,
        "options": [
            {
                "text": "An encoder and a decoder",
                "right": True,
                "feedback": "The encoder writes the short message; the decoder reads it back.",
            },
            {
                "text": "A teacher and a pupil",
                "feedback": "Nobody marks the answers: the input itself is what the output is compared with.",
                "misconception": "needs labels",
            },
            {
                "text": "A generator and a judge",
                "feedback": "No second network judges; the two work for one shared error.",
                "misconception": "an autoencoder is a contest",
            },
        ],
        "hint": "One *writes*, the other reads.",
        "explanation": "Both are trained by **one** error, between the input and what came back.",
        "anchor": "#the-two-friends",
    },
    {
        "id": "rules",
        "kind": "multiple",
        "prompt": RULES,
        "options": [
            {"text": "An L1 penalty on the code", "right": True, "feedback": "It pulls small numbers to zero."},
            {"text": "Keeping the k largest, `TopK`", "right": True, "feedback": "Zero for all but k."},
            {
                "text": "An L2 penalty on the code",
                "feedback": "It makes numbers small, seldom zero.",
                "misconception": "small is zero",
            },
            {
                "text": "More training",
                "feedback": "Nothing in the error asks for zeros.",
                "misconception": "sparsity comes by itself",
            },
        ],
    },
    {
        "id": "size",
        "kind": "single",
        "prompt": SIZE,
        "options": [
            {"text": "Bricks in use", "right": True, "feedback": "Yes, at most `k` are on."},
            {"text": "Bricks in the box", "feedback": "That is `d_sae`.", "misconception": "the box is the model"},
        ],
    },
]


@pytest.fixture
def quiz_page(quiz_page):
    """The fixture of all quizzes, with a quiz to open if none is given."""
    return lambda questions=QUESTIONS, **options: quiz_page(questions, **options)


def choose(tab, prompt, *options):
    for option in options:
        question(tab, prompt).get_by_label(option, exact=True).check()


def answer(tab, prompt, *options):
    choose(tab, prompt, *options)
    check(tab, prompt)


def test_a_screen_reader_finds_each_question_by_its_prompt(quiz_page):
    tab = quiz_page()
    expect(tab.locator("#views")).to_match_aria_snapshot(f"""
      - region "Test your understanding":
        - paragraph: Test your understanding
        - group "{PARTS}":
          - text: {PARTS}
          - radio "An encoder and a decoder"
          - text: An encoder and a decoder
          - radio "A teacher and a pupil"
          - text: A teacher and a pupil
          - radio "A generator and a judge"
          - text: A generator and a judge
          - button "Check"
          - button "Hint"
          - status
        - group "{RULES}":
          - text: {RULES}
          - paragraph: Choose every answer that is right.
          - checkbox "An L1 penalty on the code"
          - text: An L1 penalty on the code
          - checkbox "Keeping the k largest, TopK"
          - text: Keeping the k largest,
          - code: TopK
          - checkbox "An L2 penalty on the code"
          - text: An L2 penalty on the code
          - checkbox "More training"
          - text: More training
          - button "Check"
          - status
        - group "{SIZE}"
        - paragraph: 0 of 3 right
        - button "Start this quiz again"
    """)
    assert question(tab, RULES).evaluate("f => document.getElementById(f.getAttribute('aria-describedby')).textContent")
    for prompt in (PARTS, RULES, SIZE):
        expect(status(tab, prompt)).to_be_empty()
        expect(question(tab, prompt).locator(":checked")).to_have_count(0)


def test_a_wrong_choice_names_its_misconception_and_gives_nothing_away(quiz_page):
    tab = quiz_page()
    answer(tab, PARTS, "A teacher and a pupil")
    expect(status(tab, PARTS)).to_have_text(re.compile(r"^Not quite\. A common mix-up: needs labels\. Nobody marks.*another try costs nothing\.$"))
    expect(question(tab, PARTS)).not_to_contain_text("trained by one error")
    expect(question(tab, PARTS)).not_to_contain_text("✓")
    expect(question(tab, PARTS).locator(".sae-quiz-option", has_text="teacher")).to_contain_text("✗")
    assert score(tab) == "0 of 3 right"
    answer(tab, PARTS, "An encoder and a decoder")
    expect(status(tab, PARTS)).to_have_text(re.compile(r"^Correct\. The encoder writes.*Both are trained by one error, between the input"))
    expect(question(tab, PARTS)).not_to_contain_text("✗")
    assert score(tab) == "1 of 3 right"
    assert tab.evaluate("saved") == [{"parts": "A teacher and a pupil"}, {"parts": "An encoder and a decoder"}]


def test_several_choices_say_what_is_wrong_and_how_many_are_missing(quiz_page):
    tab = quiz_page()
    answer(tab, RULES, "More training", "An L2 penalty on the code")
    text = status(tab, RULES).inner_text()
    assert text.startswith("Not quite. 2 right answers are missing.")
    assert "“More training” – a common mix-up: sparsity comes by itself. Nothing in the error" in text
    assert "“An L2 penalty on the code” – a common mix-up: small is zero." in text
    assert "TopK" not in text and "L1" not in text
    tab.get_by_label("More training").uncheck()
    answer(tab, RULES, "An L1 penalty on the code")
    text = status(tab, RULES).inner_text()
    assert text.startswith("Not quite. 1 right answer is missing.")
    assert "small is zero" in text and "sparsity comes by itself" not in text and "TopK" not in text
    answer(tab, RULES, "Keeping the k largest, TopK")
    text = status(tab, RULES).inner_text()
    assert text.startswith("Not quite. “An L2") and "missing" not in text
    tab.get_by_label("An L2 penalty on the code").uncheck()
    check(tab, RULES)
    expect(status(tab, RULES)).to_have_text(re.compile(r"^Correct\. .*It pulls small numbers.*Zero for all but k\."))
    assert tab.evaluate("saved.at(-1)") == {"rules": ["An L1 penalty on the code", "Keeping the k largest, `TopK`"]}


@pytest.mark.parametrize("prompt", [PARTS, RULES])
def test_nothing_chosen_is_no_answer(quiz_page, prompt):
    tab = quiz_page()
    check(tab, prompt)
    expect(status(tab, prompt)).to_have_text("Choose an answer first.")
    assert tab.evaluate("saved") == [] and kept(tab) == {}


def test_everything_is_reached_by_the_keyboard_alone(quiz_page):
    tab = quiz_page()
    press = tab.keyboard.press
    press("Tab")
    press("Space")
    press("ArrowDown")
    expect(tab.get_by_label("A teacher and a pupil")).to_be_checked()
    press("Tab")
    press("Enter")
    expect(status(tab, PARTS)).to_have_text(re.compile("^Not quite"))
    expect(question(tab, PARTS).get_by_role("button", name="Check")).to_be_focused()
    press("Tab")
    press("Space")
    expect(tab.get_by_text("One writes, the other reads.")).to_be_visible()
    press("Tab")
    expect(tab.get_by_role("link", name="Read the passage again")).to_be_focused()
    press("Tab")
    press("Space")
    press("Tab")
    press("Space")
    for _ in range(3):
        press("Tab")
    press("Space")
    expect(status(tab, RULES)).to_have_text(re.compile("^Correct"))


def test_another_choice_takes_the_marks_away_but_not_the_kept_answer(quiz_page):
    tab = quiz_page()
    answer(tab, PARTS, "A teacher and a pupil")
    choose(tab, PARTS, "An encoder and a decoder")
    expect(status(tab, PARTS)).to_be_empty()
    expect(question(tab, PARTS)).not_to_contain_text("✗")
    expect(tab.get_by_role("link", name="Read the passage again")).to_be_hidden()
    assert kept(tab) == {"saelib.quiz.parts": WRONG_PARTS}
    choose(tab, PARTS, "A teacher and a pupil")
    check(tab, PARTS)
    expect(status(tab, PARTS)).to_have_text(re.compile("^Not quite"))
    choose(tab, PARTS, "An encoder and a decoder")
    reload(tab)
    # What was chosen last and not checked yet outlives a reload; the answer that is kept is the one that was checked.
    expect(tab.get_by_label("An encoder and a decoder")).to_be_checked()
    expect(status(tab, PARTS)).to_be_empty()
    assert kept(tab) == {"saelib.quiz.parts": WRONG_PARTS}


def test_answers_come_back_after_a_reload_with_what_was_said(quiz_page):
    tab = quiz_page()
    answer(tab, PARTS, "A generator and a judge")
    answer(tab, RULES, "An L1 penalty on the code", "Keeping the k largest, TopK")
    said = [status(tab, prompt).inner_text() for prompt in (PARTS, RULES)]
    reload(tab)
    assert [status(tab, prompt).inner_text() for prompt in (PARTS, RULES)] == said
    expect(tab.get_by_label("A generator and a judge")).to_be_checked()
    assert score(tab) == "1 of 3 right"
    assert tab.evaluate("saved.at(-1)") == {
        "parts": "A generator and a judge",
        "rules": ["An L1 penalty on the code", "Keeping the k largest, `TopK`"],
    }


def test_starting_again_forgets_this_quiz_and_nothing_else(quiz_page):
    tab = quiz_page()
    tab.evaluate("localStorage.setItem('saelib.quiz.other', '{\"answer\":\"x\"}')")
    tab.evaluate("localStorage.setItem('saelib.quiz.size', 'garbage')")
    answer(tab, PARTS, "A teacher and a pupil")
    choose(tab, RULES, "More training")
    tab.get_by_role("button", name="Start this quiz again").click()
    expect(tab.get_by_label("An encoder and a decoder")).to_be_focused()
    assert kept(tab) == {"saelib.quiz.other": '{"answer":"x"}'}
    for _ in range(2):
        expect(tab.locator(":checked")).to_have_count(0)
        expect(status(tab, PARTS)).to_be_empty()
        assert score(tab) == "0 of 3 right"
        assert tab.evaluate("model.get('answers')") == {}
        reload(tab)


@pytest.mark.parametrize(
    "garbage",
    ["", "null", "{", '"parts"', "[]", "{}", '{"answer":null}', '{"answer":"An option of last year"}', '{"answer":[1]}']
    + ['{"answer":["A teacher and a pupil"]}', '{"answer":{"toString":1}}', "\x00"],
)
def test_what_is_no_answer_to_this_question_is_ignored(quiz_page, garbage):
    tab = quiz_page()
    tab.evaluate("garbage => localStorage.setItem('saelib.quiz.parts', garbage)", garbage)
    reload(tab)
    expect(tab.locator(":checked")).to_have_count(0)
    expect(status(tab, PARTS)).to_be_empty()
    assert kept(tab) == {"saelib.quiz.parts": garbage}
    answer(tab, PARTS, "A teacher and a pupil")
    assert kept(tab) == {"saelib.quiz.parts": WRONG_PARTS}


@pytest.mark.parametrize("script", NO_STORAGE.values(), ids=list(NO_STORAGE))
def test_without_storage_the_quiz_works_and_says_so(quiz_page, script):
    tab = quiz_page(script=script)
    answer(tab, PARTS, "A teacher and a pupil")
    expect(status(tab, PARTS)).to_have_text(re.compile("^Not quite"))
    answer(tab, SIZE, "Bricks in use")
    expect(status(tab, SIZE)).to_have_text(re.compile("^Correct"))
    expect(tab.get_by_text("Answers can't be kept in this browser.")).to_be_visible()
    assert score(tab) == "1 of 3 right"
    tab.get_by_role("button", name="Start this quiz again").click()
    assert score(tab) == "0 of 3 right"


def test_with_storage_nothing_is_said_about_it(quiz_page):
    tab = quiz_page()
    answer(tab, SIZE, "Bricks in use")
    expect(tab.get_by_text("Answers can't be kept in this browser.")).to_be_hidden()


def test_two_tabs_keep_both_tabs_answers(quiz_page):
    one = quiz_page()
    other = quiz_page(within=one)
    choose(other, SIZE, "Bricks in the box")
    answer(one, PARTS, "A teacher and a pupil")
    expect(status(other, PARTS)).to_have_text(re.compile("^Not quite"))
    # What the reader was about to answer in the other tab is left alone.
    expect(other.get_by_label("Bricks in the box")).to_be_checked()
    check(other, SIZE)
    expect(status(one, SIZE)).to_have_text(re.compile("^Not quite"))
    answer(other, PARTS, "An encoder and a decoder")
    expect(status(one, PARTS)).to_have_text(re.compile("^Correct"))
    assert one.evaluate("model.get('answers')") == other.evaluate("model.get('answers')")
    assert set(kept(one)) == {"saelib.quiz.parts", "saelib.quiz.size"}
    other.evaluate("localStorage.setItem('saelib.quiz.parts', 'an answer in another edition')")
    one.wait_for_function("localStorage.getItem('saelib.quiz.parts').startsWith('an')")
    expect(status(one, PARTS)).to_have_text(re.compile("^Correct"))
    assert kept(other)["saelib.quiz.parts"] == "an answer in another edition"
    one.get_by_role("button", name="Start this quiz again").click()
    expect(status(other, PARTS)).to_be_empty()
    expect(other.locator(":checked")).to_have_count(0)
    assert kept(other) == {}


def test_several_views_of_one_quiz_stay_in_step(quiz_page):
    tab = quiz_page()
    tab.evaluate("show().then((stop) => { window.stop = stop; })")
    first, second = tab.locator("#views > div").all()
    choose(second, SIZE, "Bricks in the box")
    answer(first, PARTS, "A teacher and a pupil")
    expect(status(second, PARTS)).to_have_text(re.compile("^Not quite"))
    expect(second.get_by_label("Bricks in the box")).to_be_checked()
    answer(second, RULES, "More training")
    expect(status(first, RULES)).to_have_text(re.compile("^Not quite"))
    assert len(tab.evaluate("saved")) == 2
    second.get_by_role("button", name="Start this quiz again").click()
    expect(first.locator(":checked")).to_have_count(0)
    assert tab.evaluate("model.listeners.length") == 2
    tab.evaluate("stop()")
    assert tab.evaluate("model.listeners.length") == 1


def test_answers_set_from_python_show_and_win_over_kept_ones(quiz_page):
    tab = quiz_page(
        answers={"parts": "An encoder and a decoder"},
        script="localStorage.setItem('saelib.quiz.parts', JSON.stringify({answer: 'A teacher and a pupil'}));"
        "localStorage.setItem('saelib.quiz.size', JSON.stringify({answer: 'Bricks in use'}));",
    )
    expect(status(tab, PARTS)).to_have_text(re.compile("^Correct"))
    assert tab.evaluate("saved") == [{"parts": "An encoder and a decoder", "size": "Bricks in use"}]
    tab.evaluate("model.set('answers', {rules: ['More training']})")
    expect(status(tab, RULES)).to_have_text(re.compile("^Not quite"))
    expect(status(tab, PARTS)).to_be_empty()
    expect(tab.get_by_label("An encoder and a decoder")).not_to_be_checked()
    assert score(tab) == "0 of 3 right"
    assert kept(tab) == {"saelib.quiz.rules": '{"answer":["More training"],"right":false}'}


def test_the_page_and_python_agree_on_every_answer(quiz_page):
    """The rule of what is right stands in both languages: each kind of question is tried with all its answers."""
    tab = quiz_page()
    quiz = Quiz(QUESTIONS)
    single, multiple = ([option["text"] for option in QUESTIONS[index]["options"]] for index in (0, 1))
    subsets = [list(s) for size in range(1, 5) for s in itertools.permutations(multiple, size)]
    for name, possible in {"parts": single, "rules": subsets}.items():
        for possible_answer in possible:
            quiz.answers = {name: possible_answer}
            tab.evaluate("answers => model.set('answers', answers)", quiz.answers)
            assert score(tab) == f"{quiz.score} of {quiz.total} right"


def test_the_hint_waits_to_be_asked_for(quiz_page):
    tab = quiz_page()
    button, hint = tab.get_by_role("button", name="Hint"), tab.get_by_text("One writes, the other reads.")
    expect(hint).to_be_hidden()
    expect(button).to_have_attribute("aria-expanded", "false")
    button.click()
    expect(hint).to_be_visible()
    expect(button).to_have_attribute("aria-expanded", "true")
    assert hint.get_attribute("id") == button.get_attribute("aria-controls")
    button.click()
    expect(hint).to_be_hidden()


def test_the_link_to_the_passage_stands_where_the_passage_is(quiz_page):
    tab = quiz_page()
    link = tab.get_by_role("link", name="Read the passage again")
    expect(link).to_have_count(0)
    answer(tab, PARTS, "A teacher and a pupil")
    expect(link).to_have_attribute("href", "#the-two-friends")
    answer(tab, PARTS, "An encoder and a decoder")
    expect(link).to_be_visible()
    answer(tab, SIZE, "Bricks in use")
    expect(link).to_have_count(1)
    live = quiz_page(published=False)
    answer(live, PARTS, "A teacher and a pupil")
    expect(live.get_by_role("link")).to_have_count(0)


HOSTILE = [
    '<img src=x onerror="window.pwned=1">',
    "</script><script>window.pwned=1</script>",
    "<svg onload=window.pwned=1>",
    "`<b>code</b>` *<i>em</i>* **<u>strong</u>**",
    "&lt;b&gt; &amp; &quot;",
    "\"'><input autofocus onfocus=window.pwned=1>",
    "[x](javascript:window.pwned=1) javascript:window.pwned=1",
    "${window.pwned=1} {{constructor.constructor('window.pwned=1')()}}",
    "\u202eright to left\u202c \u200f\u05e9\u05dc\u05d5\u05dd \u2067",
    "👩‍👩‍👧‍👦 🧱 e\u0301 \u0000\u0007",
    "****** ``` * ** *a **b* c** `",
    "'; alert(1); //\u2028\u2029",
    "x" * 290,
]


def test_no_text_becomes_anything_but_text(quiz_page):
    marks = re.compile(r"[`*\s]")
    questions = [
        {
            "id": f"hostile-{number}",
            "kind": "multiple" if number % 2 else "single",
            "prompt": text,
            "options": [
                {"text": text, "right": True, "feedback": text},
                {"text": text[:-1] + "other", "feedback": text, "misconception": text[:80]},
            ],
            "hint": text,
            "explanation": text,
        }
        for number, text in enumerate(HOSTILE)
    ]
    quiz = {"chapter": "hostile", "title": HOSTILE[0], "questions": questions}
    tab = quiz_page(quiz, viewport={"width": 360, "height": 800})
    for index, (group, text) in enumerate(zip(tab.get_by_role("group").all(), HOSTILE, strict=True)):
        shown = [group.locator("legend").text_content(), group.locator("label").first.text_content()]
        for chosen in (1, 0):
            group.locator("label").nth(chosen).click()
            if index % 2 and not chosen:
                group.locator("label").nth(1).click()
            group.get_by_role("button", name="Check").click()
            shown.append(group.get_by_role("status").text_content())
        assert shown[2].startswith("Not quite") and shown[3].startswith("Correct")
        assert marks.sub("", shown[0]) == marks.sub("", shown[1]) == marks.sub("", text)
        assert marks.sub("", text) in marks.sub("", shown[2]) and marks.sub("", text) in marks.sub("", shown[3])
        group.get_by_role("button", name="Hint").click()
    assert elements(tab) == set()
    assert tab.evaluate("window.pwned") is None
    assert fits(tab)


def test_the_markup_is_code_emphasis_and_strong(quiz_page):
    prompt = "A `W_enc * x` and *one* **very *big* thing**, 2 * 3 * 4, snake_case, a\\b, ** open, `un"
    legend = quiz_page([{**QUESTIONS[2], "prompt": prompt}]).locator("legend")
    assert legend.inner_html() == (
        'A <code translate="no">W_enc * x</code> and <em>one</em> <strong>very <em>big</em> thing</strong>, 2 * 3 * 4, snake_case, '
        "a\\b, ** open, `un"
    )


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_stands_in_anybodys_way(quiz_page, width, theme):
    tab = quiz_page(viewport={"width": width, "height": 900})
    tab.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
    assert barriers(tab) == []
    answer(tab, PARTS, "A teacher and a pupil")
    answer(tab, RULES, "An L1 penalty on the code", "Keeping the k largest, TopK")
    check(tab, SIZE)
    tab.get_by_role("button", name="Hint").click()
    assert barriers(tab) == []
    assert fits(tab)
    # Rows and buttons are large enough for a finger.
    heights = tab.locator("label, button").evaluate_all("all => all.map((e) => e.getBoundingClientRect().height)")
    assert len(heights) == 14 and min(heights) >= 43.9


def test_nothing_moves_where_motion_is_unwanted(quiz_page):
    tab = quiz_page(reduced_motion="reduce")
    durations = tab.locator("#views *").evaluate_all("all => all.map((e) => getComputedStyle(e).transitionDuration)")
    assert set(durations) == {"0s"}
