"""Guesses, answers in the reader's own words, formulas and pictures, in a real browser."""

import itertools
import json
import re

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from pages import barriers, fits, touch
from playwright.sync_api import expect
from quizzes import check, elements, kept, question, reload, score, status
from saelib.widgets.quiz import Quiz
from saelib.widgets.quiz.kinds import KINDS

GUESS = "How much is lost with 4 bricks?"
ENCODER = "What does the encoder do?"
PREDICT = {
    "id": "guess",
    "kind": "predict",
    "inline": True,
    "prompt": GUESS,
    "min": 0,
    "max": 100,
    "step": 1,
    "unit": "%",
    "words": {"low": "nothing", "high": "all of it"},
    "tolerance": 5,
    "feedback": "The first bricks say the most.",
    "too_low": {"misconception": "bricks are free", "feedback": "Four can't be in as many places as eight."},
    "too_high": {"misconception": "every brick says as much", "feedback": "The first take the largest part."},
    "explanation": "It is the error of the last cell.",
}
WORDS = {
    "id": "encoder",
    "kind": "own-words",
    "prompt": ENCODER,
    "ideas": [
        {"name": "what goes in", "any": ["picture*", "input"], "feedback": "What does it begin with?"},
        {"name": "what comes out", "any": ["short code", "few num*"], "misconception": "a copy", "feedback": "How long?"},
    ],
    "model_answer": "It turns a picture into a short code.",
    "hint": "In, and out.",
    "explanation": "The decoder does the rest.",
}
ENOUGH = "It makes a short code of a picture."
TOO_LITTLE = "It takes a picture, and writes it down."


@pytest.fixture
def both(quiz_page):
    """A function that opens a page with both questions; the truth is 34.2."""

    def both(**options):
        questions = options.pop("questions", [PREDICT, WORDS])
        return quiz_page(Quiz(questions, only=[q["id"] for q in questions], values={"guess": 34.2}), **options)

    return both


def slider(tab):
    return question(tab, GUESS).get_by_role("slider")


def guess(tab, value):
    slider(tab).fill(str(value))
    check(tab, GUESS)


def write(tab, text):
    question(tab, ENCODER).get_by_role("textbox").fill(text)
    check(tab, ENCODER)


def test_a_screen_reader_finds_the_slider_and_the_text(both):
    tab = both()
    expect(tab.locator("#views")).to_match_aria_snapshot(f"""
      - region "A question on the way":
        - group "{GUESS}":
          - text: {GUESS}
          - paragraph: Guess first; then you see what it is.
          - text: Your guess
          - slider "Your guess": "50"
          - text: 0% nothing 100% all of it
          - button "Check"
          - status
        - group "{ENCODER}":
          - text: {ENCODER} Your answer, in a sentence or two
          - textbox "Your answer, in a sentence or two"
          - button "Check"
          - button "Hint"
          - status
        - button "Start again"
    """)
    for prompt in (GUESS, ENCODER):
        expect(question(tab, prompt).get_by_role("status")).to_have_count(1)
        expect(status(tab, prompt)).to_be_empty()
    expect(slider(tab)).to_have_attribute("aria-valuetext", "no guess yet")
    slider(tab).fill("40")
    expect(slider(tab)).to_have_attribute("aria-valuetext", "40%")
    write(tab, TOO_LITTLE)
    tab.get_by_role("button", name="Model answer").click()
    expect(question(tab, ENCODER)).to_match_aria_snapshot("""
      - group:
        - button "Model answer" [expanded]
        - blockquote:
          - paragraph: It turns a picture into a short code.
        - 'radiogroup "Compare: my answer says …"':
          - radio "the same"
          - radio "part of it"
          - radio "something else"
    """)


def test_a_guess_is_made_before_the_truth_is_told(both):
    tab = both()
    expect(tab.get_by_text("It is 34%", exact=True)).to_have_count(1)
    expect(tab.get_by_text("It is 34%", exact=True)).to_be_hidden()
    check(tab, GUESS)
    expect(status(tab, GUESS)).to_have_text("Move the slider to your guess first.")
    expect(tab.get_by_text("It is 34%", exact=True)).to_be_hidden()
    assert kept(tab) == {}
    guess(tab, 70)
    expect(status(tab, GUESS)).to_have_text(
        re.compile(r"^Not quite\. You said 70%\. It is 34%\..*every brick says as much\. The first take.*first guess stays marked\.$")
    )
    expect(tab.get_by_text("It is 34%", exact=True)).to_be_visible()
    assert tab.evaluate("saved") == [{"guess": {"guess": 70}}]


def test_another_guess_counts_and_the_first_stays_marked(both):
    tab = both()
    first = question(tab, GUESS).locator(".sae-quiz-first")
    guess(tab, 20)
    expect(status(tab, GUESS)).to_have_text(re.compile(r"^Not quite\. You said 20%.*bricks are free"))
    expect(first).to_be_hidden()
    slider(tab).fill("33")
    expect(status(tab, GUESS)).to_be_empty()
    # What is known stays known.
    expect(tab.get_by_text("It is 34%", exact=True)).to_be_visible()
    check(tab, GUESS)
    expect(status(tab, GUESS)).to_have_text(
        re.compile(r"^Correct\. You said 33%, after a first guess of 20%\. It is 34%\..*say the most.*the last cell\.$")
    )
    expect(first).to_be_visible()
    guess(tab, 90)
    assert tab.evaluate("saved.at(-1)") == {"guess": {"guess": 90, "first": 20}}
    reload(tab)
    expect(status(tab, GUESS)).to_have_text(re.compile(r"^Not quite\. You said 90%, after a first guess of 20%"))
    expect(slider(tab)).to_have_value("90")
    guess(tab, 20)
    assert tab.evaluate("saved.at(-1)") == {"guess": {"guess": 20}}
    tab.get_by_role("button", name="Start again").click()
    expect(slider(tab)).to_be_focused()
    expect(slider(tab)).to_have_value("50")
    expect(slider(tab)).to_have_attribute("aria-valuetext", "no guess yet")
    expect(tab.get_by_text("It is 34%", exact=True)).to_be_hidden()
    assert kept(tab) == {}


def test_the_marks_stand_where_the_thumb_would(both):
    tab = both()
    guess(tab, 100)
    guess(tab, 34)
    measured = tab.evaluate("""() => {
      const middle = (e, pseudo) => {
        const box = e.getBoundingClientRect(), style = getComputedStyle(e, pseudo);
        return pseudo ? parseFloat(style.left) : box.x + box.width / 2 - e.offsetParent.getBoundingClientRect().x;
      };
      const width = document.querySelector(".sae-quiz-track").clientWidth;
      return { width, truth: middle(document.querySelector(".sae-quiz-truth"), "::before"),
               first: middle(document.querySelector(".sae-quiz-first")) };
    }""")
    assert measured["truth"] == pytest.approx(12 + 0.342 * (measured["width"] - 24), abs=0.5)
    assert measured["first"] == pytest.approx(measured["width"] - 12, abs=0.5)


def test_a_finger_that_scrolls_guesses_nothing_and_takes_no_guess_back(both):
    tab = both(viewport={"width": 360, "height": 420}, has_touch=True, is_mobile=True)
    for said in ("no guess yet", "70%"):
        tab.evaluate("scrollTo(0, 0)")
        box = slider(tab).bounding_box()
        x, y = box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2
        touch(tab, (x, y), (x, y - 150))
        tab.wait_for_function("scrollY > 60")
        expect(slider(tab)).to_have_attribute("aria-valuetext", said)
        if said == "no guess yet":
            check(tab, GUESS)
            expect(status(tab, GUESS)).to_have_text("Move the slider to your guess first.")
            guess(tab, 70)
        expect(status(tab, GUESS)).to_have_text(re.compile("^Not quite. You said 70%"))
    tab.evaluate("scrollTo(0, 0)")
    box = slider(tab).bounding_box()
    x, y = box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2
    touch(tab, (x, y), (x + box["width"] / 2, y))
    expect(status(tab, GUESS)).to_be_empty()
    check(tab, GUESS)
    expect(status(tab, GUESS)).to_have_text(re.compile(r"^Not quite\. You said 7\d%, after a first guess of 70%"))


def test_in_forced_colours_the_guess_and_its_track_are_there(both):
    tab = both(forced_colors="active")
    track = ".sae-quiz-track input"

    def looks():
        return slider(tab).screenshot()

    before = looks()
    slider(tab).press("Enter")
    guessed = looks()
    assert guessed != before  # a guess at the place where the slider stood
    guess(tab, 10)
    truth = question(tab, GUESS).locator(".sae-quiz-truth")
    canvas = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert truth.evaluate("node => getComputedStyle(node, '::before').backgroundColor") != canvas
    there = looks()
    tab.add_style_tag(content=f"{track}::-webkit-slider-runnable-track {{ background: Canvas !important; }}")
    assert looks() != there


@pytest.mark.parametrize("how", ["pointer", "Enter", "Space"])
def test_the_middle_can_be_guessed_too(both, how):
    tab = both()
    slider(tab).focus()
    if how == "pointer":
        slider(tab).click()
    else:
        tab.keyboard.press(how)
    expect(slider(tab)).to_have_attribute("aria-valuetext", "50%")
    check(tab, GUESS)
    expect(status(tab, GUESS)).to_have_text(re.compile("^Not quite. You said 50%"))


def test_on_paper_an_answer_is_seen_whole(both):
    tab = both()
    long = "It makes a short code of a picture.\n" * 30
    write(tab, long)
    tab.emulate_media(media="print")
    expect(question(tab, ENCODER).get_by_role("textbox")).to_be_hidden()
    printed = question(tab, ENCODER).locator(".sae-quiz-printed")
    assert printed.inner_text().strip() == long.strip()
    assert printed.evaluate("node => node.scrollHeight <= node.clientHeight + 1 && node.clientHeight > 600")
    reload(tab)
    assert printed.inner_text().strip() == long.strip()
    tab.emulate_media(media="screen")
    expect(printed).to_be_hidden()


def test_a_text_that_is_too_long_is_kept_whole_and_said_to_be_so(both):
    tab = both()
    long = "It makes a short code of a picture. " * 70
    write(tab, long)
    expect(status(tab, ENCODER)).to_have_text(
        "Your answer has 2,520 characters, and 2,000 are as many as can be kept. It stands here whole: shorten it and check again."
    )
    assert kept(tab) == {}
    for _ in range(2):
        expect(question(tab, ENCODER).get_by_role("textbox")).to_have_value(long)
        reload(tab)
    write(tab, long[:2000])
    expect(status(tab, ENCODER)).to_have_text(re.compile("^Correct"))


@pytest.mark.parametrize(
    "text", ["自己符号化器は画像を短い符号に変える。", "自编码器把图像变成短代码", "ตัวเข้ารหัสเปลี่ยนรูปภาพเป็นรหัสสั้น", "기계가 그림을 줄인다"]
)
def test_a_sentence_is_one_also_where_no_spaces_part_its_words(both, text):
    tab = both(questions=[PREDICT, {**WORDS, "ideas": [{"name": "it", "any": ["画像", "图像", "รูปภาพ", "그림*"], "feedback": "?"}]}])
    write(tab, text)
    expect(status(tab, ENCODER)).to_have_text(re.compile("^Correct"))
    reload(tab)
    expect(status(tab, ENCODER)).to_have_text(re.compile("^Correct"))
    for short in ("画像", "はい", "รูป"):
        write(tab, short)
        expect(status(tab, ENCODER)).to_have_text("Write a sentence first: 3 words or more.")


def test_what_is_missing_is_named_and_not_given_away(both):
    tab = both()
    write(tab, "Well, no.")
    expect(status(tab, ENCODER)).to_have_text("Write a sentence first: 3 words or more.")
    expect(tab.get_by_role("button", name="Model answer")).to_be_hidden()
    assert kept(tab) == {}
    write(tab, TOO_LITTLE)
    expect(status(tab, ENCODER)).to_have_text(
        re.compile(r"^Not quite\. Your answer does not yet say what comes out\..*a copy\. How long\?It does say what goes in\.")
    )
    expect(status(tab, ENCODER)).not_to_contain_text("short code")
    write(tab, "I really do not know.")
    expect(status(tab, ENCODER)).to_have_text(re.compile("does not yet say what goes in and what comes out"))
    write(tab, ENOUGH)
    expect(status(tab, ENCODER)).to_have_text("Correct. Your answer says what goes in and what comes out.The decoder does the rest.")
    assert tab.evaluate("saved.at(-1)") == {"encoder": {"text": ENOUGH}}


def test_the_reader_compares_and_marks(both):
    tab = both()
    write(tab, TOO_LITTLE)
    tab.get_by_role("button", name="Model answer").click()
    tab.get_by_label("part of it").check()
    expect(status(tab, ENCODER)).to_have_text(re.compile("^Not quite"))
    tab.get_by_label("the same").check()
    expect(status(tab, ENCODER)).to_have_text(re.compile("^Correct. You compared it"))
    assert tab.evaluate("saved.at(-1)") == {"encoder": {"text": TOO_LITTLE, "mark": "same"}}
    reload(tab)
    expect(tab.get_by_label("the same")).to_be_checked()
    expect(tab.get_by_role("textbox")).to_have_value(TOO_LITTLE)
    # Another text needs another mark.
    tab.get_by_role("textbox").press_sequentially("!")
    expect(tab.get_by_label("the same")).not_to_be_checked()
    check(tab, ENCODER)
    expect(status(tab, ENCODER)).to_have_text(re.compile("^Not quite"))
    tab.get_by_role("button", name="Start again").click()
    expect(tab.get_by_role("textbox")).to_have_value("")
    expect(tab.get_by_role("button", name="Model answer")).to_be_hidden()


def test_everything_is_reached_by_the_keyboard_alone(both):
    tab = both()
    press = tab.keyboard.press
    press("Tab")
    press("Home")
    for _ in range(3):
        press("ArrowRight")
    press("Tab")
    press("Enter")
    expect(status(tab, GUESS)).to_have_text(re.compile("^Not quite. You said 3%"))
    press("Tab")
    tab.keyboard.type(TOO_LITTLE)
    press("Tab")
    press("Space")
    expect(status(tab, ENCODER)).to_have_text(re.compile("^Not quite"))
    press("Tab")
    press("Tab")
    press("Enter")
    expect(tab.get_by_text("It turns a picture")).to_be_visible()
    press("Tab")
    press("Space")
    expect(status(tab, ENCODER)).to_have_text(re.compile("^Correct"))
    expect(tab.get_by_label("the same")).to_be_focused()


@pytest.mark.parametrize(
    "garbage",
    ["", "null", "{", "[]", '"x"', "3", '{"guess":"3","text":3}', '{"guess":101,"text":""}', '{"guess":3,"first":null}', '{"text":"two words"}']
    + ['{"guess":3,"text":"a b c"}', '{"text":"a b c","mark":"toString"}', '{"text":"a b c","mark":null}', '{"first":3}']
    + [json.dumps({"text": "a b " + "c" * 2000})],
)  # fmt: skip
def test_what_is_no_answer_is_ignored(both, garbage):
    tab = both()
    tab.evaluate("g => ['guess', 'encoder'].forEach((id) => localStorage.setItem(`saelib.quiz.${id}`, `{\"answer\":${g}}`))", garbage)
    reload(tab)
    expect(slider(tab)).to_have_attribute("aria-valuetext", "no guess yet")
    expect(tab.get_by_role("textbox")).to_have_value("")
    assert len(kept(tab)) == 2


def test_answers_from_python_show_and_the_page_agrees_with_python(both):
    tab = both(answers={"guess": {"guess": 34, "first": 1}, "encoder": {"text": ENOUGH, "mark": "part"}})
    expect(status(tab, GUESS)).to_have_text(re.compile("^Correct. You said 34%, after a first guess of 1%"))
    expect(tab.get_by_label("part of it")).to_be_checked()
    fine = {**PREDICT, "min": 30, "max": 40, "step": 0.05, "tolerance": 0.1}
    tab = both(questions=[fine])
    for number in range(680, 689):
        answer = {"guess": number / 20}
        tab.evaluate("answers => model.set('answers', answers)", {"guess": answer})
        right = KINDS["predict"].is_right({**fine, "value": 34.2}, answer)
        assert right == (682 <= number <= 686)
        expect(status(tab, GUESS)).to_have_text(re.compile("^Correct" if right else "^Not quite"))


def test_the_page_and_python_find_the_same_ideas(quiz_page):
    """The rule stands in both languages: many texts, near to the phrases and far from them, in one call."""
    phrases = ["encod*", "few numbers", "short* code", "código", "naïve", "σιγμας", "straße", "x1", "ﬁne", "数字", "in an*", "few .. x1"]
    idea = {"feedback": "f"}
    questions = [
        {**WORDS, "id": f"w-{n}", "prompt": phrase, "ideas": [{**idea, "name": phrase, "any": [phrase]}]} for n, phrase in enumerate(phrases)
    ]
    roles = [
        {**idea, "name": "one", "any": ["encod*", "code .. x1"], "of": ["few", "in"], "unless": ["numbers .. naïve", "straße"]},
        {**idea, "name": "other", "any": ["naïve", "short*"], "of": ["x1", "few numbers"]},
    ]
    questions.append({**WORDS, "id": "roles", "prompt": "roles", "ideas": roles, "enough": 1})
    known = " ".join(phrases).replace("*", "").replace(".. ", "").split()
    odd = ["ENCODER", "ΣΙΓΜΑΣ", "İ", "Ⓐ", "²", "e\u0301", "-", "’", "\u200d", "🧱", "\u202e", "\n", "…", "→", "K", ".", ", ", " and ", "but"]
    pieces = st.sampled_from([*known, *odd])
    noise = st.characters(codec="utf-8", exclude_characters="\r")  # a page's text field has no carriage returns
    texts = []
    parts = st.lists(pieces | noise, min_size=3, max_size=12)
    collect_examples(st.builds(str.join, st.sampled_from([" ", ""]), parts), texts)
    quiz = Quiz(questions)
    tab = quiz_page(quiz)
    fits = {text: KINDS["own-words"].fits(questions[0], {"text": text}) for text in texts}
    expected = [[fits[text] and KINDS["own-words"].is_right(asked, {"text": text}) for asked in questions] for text in texts]
    found = tab.evaluate(
        """texts => texts.map((text) => {
          model.set("answers", Object.fromEntries(state.questions.map(({ id }) => [id, { text }])));
          return [...document.querySelectorAll("[role=status]")].map((status) => status.textContent.startsWith("Correct"));
        })""",
        texts,
    )
    assert sum(map(sum, expected)) > 50
    assert [text for text, mine, pages in zip(texts, expected, found, strict=True) if mine != pages] == []


def collect_examples(strategy, texts):
    """Some hundred texts that Hypothesis makes, the same in every run."""

    @seed(1)
    @settings(max_examples=400, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def collect(text):
        texts.append(text)

    collect()


FORMULA = r"\lVert x - \hat{x} \rVert^2 + \lambda \sum_i |z_i|"
MATH = {
    "id": "math",
    "kind": "single",
    "prompt": f"What does ${FORMULA}$ ask for?",
    "options": [
        {"text": r"A small error, for \$5", "right": True, "feedback": "*Yes, $x$*, `$not$`, from $5 or $6."},
        {"text": r"Only $\lVert z \rVert_0$", "feedback": r"No: $\frac{1}{2}$.", "misconception": "$L_0$"},
    ],
    "hint": r"Two terms, $\lambda$ between.",
}
SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="80" height="40" onload="parent.pwned = 1">
<script>parent.pwned = 1; alert(1)</script><rect width="80" height="40" fill="#0072b2"/></svg>"""


def test_formulas_are_mathml_with_a_name(quiz_page):
    tab = quiz_page([MATH])
    group = question(tab, f"What does {FORMULA} ask for?")
    formula = group.locator("legend").get_by_role("math", name=FORMULA, exact=True)
    expect(formula).to_be_visible()
    assert formula.evaluate("m => m.namespaceURI") == "http://www.w3.org/1998/Math/MathML"
    assert formula.locator("msub, msup, mover").count() == 4
    group.get_by_role("radio", name="A small error, for $5", exact=True).check()
    group.get_by_role("button", name="Check").click()
    said = group.get_by_role("status")
    expect(said).to_have_text("Correct. Yes, x, $not$, from $5 or $6.")
    assert said.locator("em math").count() == 1 and said.locator("code").inner_text() == "$not$"
    group.get_by_role("radio", name=r"Only \lVert z \rVert_0", exact=True).check()
    group.get_by_role("button", name="Check").click()
    expect(said.locator("mfrac")).to_have_count(1)
    # What nobody has made into MathML shows as it is written.
    tab.evaluate("document.querySelector('#views').replaceChildren(); state.questions[0].prompt = 'A $y^2$'; show()")
    expect(tab.locator("legend")).to_have_text("A $y^2$")


def test_a_picture_is_seen_named_and_runs_nothing(quiz_page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "brick.svg").write_text(SVG)
    tab = quiz_page([{**MATH, "picture": {"file": "brick.svg", "alt": 'A "brick" <b>'}}])
    picture = tab.get_by_role("img", name='A "brick" <b>')
    assert picture.evaluate("i => i.complete && i.naturalWidth") == 80
    assert picture.get_attribute("src").startswith("data:image/svg+xml;base64,")
    assert tab.evaluate("window.pwned") is None


HOSTILE = [
    "<img src=x onerror=window.pwned=1>",
    "</script><script>window.pwned=1</script>",
    "javascript:window.pwned=1 [x](javascript:window.pwned=1)",
    r"$x<script>$ $5 \$ $ $$ ${window.pwned=1}",
    "\u202eright to left\u202c \u200f\u05e9\u05dc\u05d5\u05dd \u2067",
    "👩‍👩‍👧‍👦 🧱 e\u0301 \ufffc *\ufffc `\ufffc`*",
    "x" * 60,
]


def test_no_text_becomes_anything_but_text(quiz_page):
    questions = []
    for n, text in enumerate(HOSTILE):
        side = {"misconception": text, "feedback": text}
        more = {"hint": text, "explanation": text}
        words = {"low": text[:40], "high": text[:40]}
        questions.append({**PREDICT, **more, "id": f"p-{n}", "prompt": f"p {n} {text}", "unit": text[:20], "words": words,
                          "feedback": text, "too_low": side, "too_high": side, "inline": False})  # fmt: skip
        ideas = [{"name": text, "any": ["nothing"], **side}]
        questions.append({**WORDS, **more, "id": f"w-{n}", "prompt": f"w {n} {text}", "ideas": ideas, "model_answer": text})
    quiz = Quiz(questions, values={f"p-{n}": 50 for n in range(len(HOSTILE))})
    tab = quiz_page(quiz, viewport={"width": 360, "height": 800})
    for n, (group, text) in enumerate(zip(tab.get_by_role("group").all(), [t for t in HOSTILE for _ in range(2)], strict=True)):
        if n % 2:
            group.get_by_role("textbox").fill(f"a b {text}")
        else:
            group.get_by_role("slider").fill("3")
        group.get_by_role("button", name="Check").click()
        group.get_by_role("button", name="Hint").click()
        expect(group.get_by_role("status")).to_have_text(re.compile("^Not quite"))
        if n % 2:
            group.get_by_role("button", name="Model answer").click()
        if "$" not in text and "`" not in text:
            expect(group.get_by_role("status")).to_contain_text(text)
            expect(group.locator("legend")).to_have_text(re.compile(re.escape(text) + "$"))
    assert elements(tab) <= {"textarea", "blockquote", "math", "mrow", "mi", "mo"}
    assert tab.evaluate("window.pwned") is None
    assert fits(tab)
    saved = tab.evaluate("model.get('answers')")
    quiz.answers = saved
    assert len(saved) == 2 * len(HOSTILE)
    reload(tab)
    assert score(tab) == f"0 of {2 * len(HOSTILE)} right"
    assert tab.evaluate("model.get('answers')") == saved


@pytest.mark.parametrize(("width", "theme"), list(itertools.product([360, 1280], ["light", "dark"])))
def test_nothing_stands_in_anybodys_way(both, width, theme):
    tab = both(questions=[PREDICT, WORDS, MATH], viewport={"width": width, "height": 900})
    tab.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
    assert barriers(tab) == []
    guess(tab, 99)
    guess(tab, 0)
    write(tab, TOO_LITTLE)
    tab.get_by_role("button", name="Model answer").click()
    tab.get_by_label("part of it").check()
    assert barriers(tab) == []
    assert fits(tab)
    # Whatever can be pressed is large enough for a finger, and no words of a mark leave their track.
    targets = tab.locator("button:visible, input[type=range], .sae-quiz-compare label, textarea")
    assert min(targets.evaluate_all("all => all.map((e) => e.getBoundingClientRect().height)")) >= 43.9
    outside = tab.evaluate("""() => {
      const track = document.querySelector(".sae-quiz-track").getBoundingClientRect();
      return [...document.querySelectorAll(".sae-quiz-bubble, .sae-quiz-truth > span, .sae-quiz-first")]
        .map((e) => e.getBoundingClientRect()).filter((box) => box.left < track.left - 1 || box.right > track.right + 1).length;
    }""")
    assert outside == 0


def test_nothing_moves_where_motion_is_unwanted(both):
    tab = both(reduced_motion="reduce")
    durations = tab.locator("#views *").evaluate_all("all => all.map((e) => getComputedStyle(e).transitionDuration)")
    assert set(durations) == {"0s"}
