"""Questions about the explorable *Inside a GPT, live*, in a real browser, on a page where something else tells what it would."""

import itertools
import json
import re

import pytest
import small_book
from experiments import SEEN, missed, reached, seen, tell
from pages import barriers, fits
from playwright.sync_api import expect
from quizzes import check, elements, kept, question, reload, score, status
from saelib.widgets.quiz import Quiz
from saelib.widgets.quiz.kinds import KINDS
from saelib.widgets.quiz.kinds.experiment import GOALS
from small_book import kept_as, single

SURE = "Find a text of your own after which the GPT is more than 95% sure."
TURN = "Turn a brick so that the GPT guesses another word."
EXPERIMENT = {
    "id": "sure",
    "kind": "experiment",
    "prompt": SURE,
    "explorable": "type",
    "goal": {"sure": 0.95, "own": True},
    "feedback": "After `self.name =` there is hardly *another* way.",
    "hint": "Repeat something.",
    "explanation": "It copies.",
}
TURNING = {
    "id": "turn",
    "kind": "experiment",
    "prompt": TURN,
    "explorable": "turn",
    "goal": {"turned": 12, "changed": True},
    "feedback": "One brick is enough.",
}
# A goal of every name, with the words that are said of it when it holds and when it does not.
GOAL = {"sure": 0.5, "unsure": 0.5, "guess": " so", "feature": 12, "strength": 1.5, "off": 7, "holds": ["self", "Run"], "lacks": ["class", "for"],
        "least_tokens": 4, "turned": 12, "changed": True, "own": True, "surprise": 2.5}  # fmt: skip
SAID = {
    "sure": ("the first guess has at least 50%", "it has 50%", "it has 0%"),
    "unsure": ("the first guess has at most 50%", "it has 50%", "it has 100%"),
    "guess": ("the first guess is  so", "", "it is "),
    "feature": ("brick 12 is on", "with a strength of 1.0", ""),
    "strength": ("brick 12 has a strength of at least 1.5", "it has 2.5", "it is off"),
    "off": ("brick 7 is off", "", "it is on with a strength of 1.0"),
    "holds": ("the text has “self” and “Run”", "", "“self” and “Run” are missing"),
    "lacks": ("the text does without “class” and “for”", "", "it has “class” and “for”"),
    "least_tokens": ("the text has at least 4 tokens", "it has 4", "it has 0"),
    "turned": ("brick 12 is turned", "", ""),
    "changed": ("what is turned makes another first guess", "it is  so!", "nothing is turned"),
    "own": ("the text is your own", "", "it is one of the examples"),
    "surprise": ("the framed token cost at least 2.5 bits", "it cost 2.5", "nothing was expected before it"),
}


def about(name: str) -> dict:
    """A question with this one goal, or with the others that it needs as well."""
    goal = {"feature": 12, "strength": 1.5} if name == "strength" else {name: GOAL[name]}
    return {**EXPERIMENT, "id": f"about-{name.replace('_', '-')}", "prompt": f"About {name}?", "goal": goal}


ABOUT = [about(name) for name in GOALS]


def parts(tab, prompt):
    return question(tab, prompt).get_by_role("listitem")


def answers(tab) -> dict:
    return tab.evaluate("model.get('answers')")


def test_it_asks_at_once_what_is_to_be_seen(quiz_page):
    script = f"""window.asked = 0; document.addEventListener("saelive-ask", () => {{
      window.asked += 1;
      document.dispatchEvent(new CustomEvent("saelive", {{ detail: {json.dumps(SEEN)} }}));
    }});"""
    tab = quiz_page([EXPERIMENT], script=script)
    assert tab.evaluate("asked") == 1
    expect(parts(tab, SURE)).to_have_text(["✓the first guess has at least 95%: yes, it has 98%", "✓the text is your own: yes"])


def test_a_screen_reader_finds_what_is_judged_and_only_check_speaks(quiz_page):
    tab = quiz_page([EXPERIMENT])
    tell(tab, seen(guesses=[[" name", 0.6]]))
    expect(tab.locator("#views")).to_match_aria_snapshot(f"""
      - region "Test your understanding":
        - group "{SURE}":
          - text: {SURE}
          - paragraph: Do it in the explorable. What it shows when you check is your answer.
          - paragraph:
            - text: "Seen in"
            - emphasis: Inside a GPT, live
            - text: ": after"
            - code: /self.name =/
            - text: the first guess is
            - code: name
            - text: ", with 60%."
          - list "What has to hold":
            - listitem: "the first guess has at least 95%: not yet, it has 60%"
            - listitem: "the text is your own: yes"
          - paragraph:
            - link "Go to Inside a GPT, live"
          - button "Check"
          - button "Hint"
          - status
    """)
    live = question(tab, SURE).locator("[role=status], [aria-live]")
    assert live.evaluate_all("all => all.map((e) => e.getAttribute('aria-live'))") == ["off", None]
    expect(status(tab, SURE)).to_be_empty()
    tell(tab, seen())
    expect(status(tab, SURE)).to_be_empty()
    check(tab, SURE)
    expect(status(tab, SURE)).to_have_text(re.compile("^Correct"))


def test_nothing_is_an_answer_before_the_explorable_has_told_anything(quiz_page):
    tab = quiz_page([EXPERIMENT])
    group = question(tab, SURE)
    expect(group.get_by_text("Nothing is seen yet of the explorable.")).to_be_visible()
    expect(parts(tab, SURE)).to_have_text(["·the first guess has at least 95%: not yet", "·the text is your own: not yet"])
    check(tab, SURE)
    expect(status(tab, SURE)).to_have_text("Start the explorable first: nothing is seen of it yet.")
    assert answers(tab) == {} and kept(tab) == {}
    # Another explorable of the page is not meant.
    tell(tab, seen(name="heads"))
    tab.evaluate("for (const detail of [null, 3, 'type', {}]) document.dispatchEvent(new CustomEvent('saelive', { detail }))")
    expect(group.get_by_text("Nothing is seen yet of the explorable.")).to_be_visible()


def test_it_says_what_is_missing_and_then_why_it_is_right(quiz_page):
    tab = quiz_page([EXPERIMENT])
    tell(tab, seen(guesses=[[" name", 0.94996]], example=True))
    check(tab, SURE)
    expect(status(tab, SURE)).to_have_text(
        "Not quite. After self.name = the first guess is name, with 94.996%."
        "Still missing: the first guess has at least 95% (it has 94.996%)."
        "Still missing: the text is your own (it is one of the examples)."
        "Go on in the explorable and check again: another try costs nothing."
    )
    tell(tab, seen(guesses=[[" name", 0.95]]))
    # What was said of the last check stays until the next.
    expect(status(tab, SURE)).to_have_text(re.compile("^Not quite"))
    check(tab, SURE)
    expect(status(tab, SURE)).to_have_text(
        "Correct. After self.name = the first guess is name, with 95%.After self.name = there is hardly another way.It copies."
    )
    assert score(tab) == "1 of 1 right"
    assert answers(tab) == {
        "sure": {"text": SEEN["text"], "before": "run(self):\n    self.name", "token": " =", "guess": " name", "share": 0.95, "example": False}
    }


def test_what_was_seen_is_kept_and_judged_again(quiz_page):
    tab = quiz_page([EXPERIMENT, TURNING])
    tell(tab, seen())
    tell(tab, seen(name="turn", title="Turn it", edited={"guesses": [[" None", 0.5]], "gains": [[12, 0]], "puts": [], "heads": []}))
    for prompt in (SURE, TURN):
        check(tab, prompt)
    saved = answers(tab)
    assert saved["turn"]["turned"] is True and saved["turn"]["edited"] == " None"
    assert set(saved["turn"]) == {"text", "before", "token", "guess", "share", "turned", "edited"}
    reload(tab)
    for prompt in (SURE, TURN):
        expect(status(tab, prompt)).to_have_text(re.compile("^Correct. After self"))
    assert (answers(tab), score(tab)) == (saved, "2 of 2 right")
    quiz = Quiz([EXPERIMENT, TURNING])
    quiz.answers = saved
    assert quiz.score == 2
    # What is judged is what is kept, whatever is kept of the verdict.
    tab.evaluate("""() => {
      const kept = JSON.parse(localStorage.getItem("saelib.quiz.sure"));
      localStorage.setItem("saelib.quiz.sure", JSON.stringify({ ...kept, answer: { ...kept.answer, share: 0.5 } }));
    }""")
    reload(tab)
    expect(status(tab, SURE)).to_have_text(re.compile("^Not quite. After self.* with 50%"))
    tab.get_by_role("button", name="Start this quiz again").click()
    expect(status(tab, SURE)).to_be_empty()
    expect(question(tab, SURE).get_by_role("button", name="Check")).to_be_focused()
    assert (answers(tab), kept(tab)) == ({}, {})


def test_an_answer_from_python_is_shown(quiz_page):
    found = {"text": "a", "before": "", "token": "a", "guess": "b", "share": 0.1 + 0.2, "example": False}
    tab = quiz_page([EXPERIMENT], answers={"sure": found})
    expect(status(tab, SURE)).to_have_text(re.compile(r"^Not quite. After a the first guess is b, with 30%.Still missing: the first guess"))
    tab.evaluate("model.set('answers', {})")
    expect(status(tab, SURE)).to_be_empty()


def test_a_check_asks_what_has_changed_this_moment(quiz_page):
    tab = quiz_page([EXPERIMENT])
    tell(tab, seen(guesses=[[" name", 0.2]]))
    tab.evaluate("told = [{ ...told[0], guesses: [[' name', 0.99]] }]")  # and does not tell of it yet
    check(tab, SURE)
    expect(status(tab, SURE)).to_have_text(re.compile("^Correct.* with 99%"))


@pytest.mark.parametrize("name", GOALS)
def test_every_goal_says_in_words_whether_it_holds(quiz_page, name):
    """A sign alone says nothing to who can't see it."""
    asked = about(name)
    tab = quiz_page([asked])
    words, good, bad = SAID[name]
    item = parts(tab, asked["prompt"]).nth(list(asked["goal"]).index(name))
    tell(tab, reached(asked))
    expect(item).to_have_text(re.compile(f"^✓{re.escape(words)}: yes(, )?{re.escape(good)}$"))
    assert all(text.startswith("✓") for text in parts(tab, asked["prompt"]).all_inner_texts())
    check(tab, asked["prompt"])
    expect(status(tab, asked["prompt"])).to_have_text(re.compile("^Correct"))
    tell(tab, missed(asked))
    expect(item).to_have_text(re.compile(f"^·{re.escape(words)}: not yet(, )?{re.escape(bad)}$"))
    check(tab, asked["prompt"])
    # There, runs of blanks are as one.
    missing = f"Still missing: {words}{f' ({bad})' if bad else ''}."
    expect(status(tab, asked["prompt"])).to_contain_text(" ".join(missing.split()))
    # Python judges what the page has told it as the page does.
    right, wrong = (each[asked["id"]] for each in tab.evaluate("saved"))
    assert KINDS["experiment"].is_right(asked, right) and not KINDS["experiment"].is_right(asked, wrong)


@pytest.mark.parametrize(
    ("goal", "shown", "words"),
    [
        ({"guess": " name"}, {"guesses": [["name", 1]]}, "the first guess is name: not yet, it is name, with other blanks around it"),
        ({"guess": "\n"}, {"guesses": [["  ", 1]]}, "the first guess is ⏎: not yet, it is ··, with other blanks around it"),
        ({"surprise": 8}, {"bits": [None, 9, 9, 9, 9, 9, 7.996]}, "the framed token cost at least 8 bits: not yet, it cost 7.996"),
        ({"surprise": 1}, {"place": 99}, "the framed token cost at least 1 bit: not yet, nothing was expected before it"),
        ({"unsure": 0.2}, {"guesses": []}, "the first guess has at most 20%: yes, it has 0%"),
        ({"sure": 0.57}, {"guesses": [["a", 0.57]]}, "the first guess has at least 57%: yes, it has 57%"),
        ({"sure": 0.999}, {"guesses": [["a", 1.0000001]]}, "the first guess has at least 99.9%: yes, it has 100%"),
        ({"changed": True}, {"edited": {"guesses": [[" name", 1]], "gains": [], "puts": []}}, "another first guess: not yet, it is still name"),
        ({"turned": 5}, {"edited": {"guesses": [["a", 1]], "gains": [], "puts": [[5, 9]]}}, "brick 5 is turned: yes"),
        ({"holds": ["self", "try"]}, {}, "the text has “self” and “try”: not yet, “try” is missing"),
        ({"lacks": ["SELF"]}, {}, "the text does without “SELF”: not yet, it has “SELF”"),
    ],
)
def test_the_words_are_true_to_the_number(quiz_page, goal, shown, words):
    tab = quiz_page([{**EXPERIMENT, "goal": goal}])
    tell(tab, seen(**shown))
    expect(parts(tab, SURE)).to_contain_text([words])


def test_the_page_and_python_agree_on_what_is_an_answer_and_what_is_right(quiz_page):
    both = {**about("sure"), "id": "both", "goal": {"sure": 0.95, "holds": ["Σας", "İx"], "lacks": ["ÉTÉ"]}}
    asked = [*ABOUT, both, {**about("sure"), "id": "all", "goal": GOAL}]
    tab = quiz_page(asked)
    tab.evaluate("""async () => {
      const text = state._esm + "; globalThis.KINDS = KINDS;";
      await import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
    }""")
    base = {"text": "class self Run σΑΣ i̇X for", "before": "", "token": "a", "guess": " so", "share": 0.5}
    facts = {"strength": 1.5, "off": 0, "tokens": 4, "turned": True, "edited": "x", "example": False, "bits": 2.5}
    odd = [None, True, False, 0, 1, -1, 0.4, 0.5, 1.5, 2, 2.49999999, 4.0, 3, 1e16, "", " so", "x" * 100, "x" * 101, "é" * 2000, "🧱" * 2000, "🧱" * 2001,
           "self rUN", "class", "σας İx", "été", [], {}, [1]]  # fmt: skip
    of_others = [None, 3, "x", [], {}, [base], {"toString": 1}, {**base, "more": 1}]
    for one in asked:
        kind = KINDS["experiment"]
        names = {name for goal in one["goal"] for name in GOALS[goal].facts}
        found = {**base, **{name: facts[name] for name in names}}
        tried = [
            found,
            *({**found, name: value} for name in found for value in odd),
            *({k: v for k, v in found.items() if k != name} for name in found),
        ]
        tried += of_others
        expected = [kind.is_right(one, a) if kind.fits(one, a) else None for a in tried]
        assert {True, False, None} <= set(expected) or one["id"] in ("all", "both"), one["id"]
        assert {False, None} <= set(expected)
        run = """([question, tried]) => {
          const kind = KINDS[question.kind];
          return JSON.parse(tried).map((a) => (kind.fits(question, a) ? kind.isRight(question, a) : null));
        }"""
        assert tab.evaluate(run, [one, json.dumps(tried)]) == expected


@pytest.mark.parametrize(
    "garbage", ["null", "3", "[]", "{}", '{"text":"a"}', '{"text":"a","before":"","token":"","guess":"","share":2,"example":false}']
)
def test_what_is_no_answer_is_ignored(quiz_page, garbage):
    tab = quiz_page([EXPERIMENT])
    for store in ("localStorage", "sessionStorage"):
        tab.evaluate(
            "([store, g]) => window[store].setItem('saelib.quiz.sure', store === 'localStorage' ? `{\"answer\":${g}}` : g)", [store, garbage]
        )
    reload(tab)
    expect(status(tab, SURE)).to_be_empty()
    assert answers(tab) == {}


def test_a_long_text_is_cut_and_no_letter_is_halved(quiz_page):
    tab = quiz_page([{**EXPERIMENT, "goal": {"sure": 0.5, "holds": ["end"]}}])
    tell(tab, seen(text="🧱" * 3000 + " end", tokens=["", "🧱" * 2999, "🧱" * 200], place=2, guesses=[["🧱" * 101, 1]]))
    tab.evaluate("told[0].text = '\\ud83e' + told[0].text")  # half a letter, as an editor may leave it
    check(tab, SURE)
    expect(status(tab, SURE)).to_contain_text("“end” is missing")
    found = answers(tab)["sure"]
    assert {name: len(value) for name, value in found.items() if name != "share"} == {"text": 2000, "before": 24, "token": 100, "guess": 100}
    assert found["text"] == "\ufffd" + "🧱" * 1999
    assert KINDS["experiment"].fits({**EXPERIMENT, "goal": {"sure": 0.5, "holds": ["end"]}}, found)


HOSTILE = [
    "<img src=x onerror=window.pwned=1>",
    "</code><script>window.pwned=1</script>",
    "*a* `b` $x$ [c](claim:d)",
    "\u202eright to left \u05e9\u05dc",
    "x" * 90,
]


def test_no_text_of_the_explorable_becomes_anything_but_text(quiz_page):
    asked = {**EXPERIMENT, "goal": {"guess": HOSTILE[0], "lacks": HOSTILE, "changed": True}}
    tab = quiz_page([asked], viewport={"width": 360, "height": 800})
    for text in HOSTILE:
        edited = {"guesses": [[text, 1]], "gains": [], "puts": []}
        tell(tab, seen(title=text, text=text, tokens=["", text, text], place=2, guesses=[[text, 1]], edited=edited))
        check(tab, SURE)
        expect(status(tab, SURE)).to_contain_text(f"first guess is {text}, with 100%")
        expect(question(tab, SURE).get_by_role("link")).to_have_text(f"Go to {text}")
        assert elements(tab) <= {"ul", "li"}
        assert fits(tab)
        reload(tab)
        expect(status(tab, SURE)).to_contain_text(f"first guess is {text}, with 100%")
    assert tab.evaluate("window.pwned") is None


def test_the_way_to_the_explorable_keeps_the_address(quiz_page):
    tab = quiz_page([EXPERIMENT])
    tab.evaluate("""() => {
      const section = document.createElement("section");
      section.id = "live-type";
      section.innerHTML = '<p class="sae-title">Inside a GPT</p><div style="height: 3000px"></div>';
      document.body.append(section);
      history.replaceState(null, "", "#feature=3");
    }""")
    link = question(tab, SURE).get_by_role("link")
    assert link.get_attribute("href") == "#live-type"
    link.focus()
    tab.keyboard.press("Enter")
    assert tab.evaluate("[location.hash, document.activeElement.id, Math.round(document.activeElement.getBoundingClientRect().top)]") == [
        "#feature=3",
        "live-type",
        0,
    ]
    check(tab, SURE)
    expect(status(tab, SURE)).to_have_text("Start Inside a GPT first: nothing is seen of it yet.")


def test_an_explorable_on_another_page_is_led_to(quiz_page):
    elsewhere = {**EXPERIMENT, "anchor": "gpt.html#brackets"}
    tab = quiz_page([elsewhere])
    link = question(tab, SURE).get_by_role("link", name="Go to the explorable, on another page")
    assert link.get_attribute("href") == "gpt.html#live-type"
    check(tab, SURE)
    expect(status(tab, SURE)).to_have_text("This is done on another page, in the explorable.")
    # A notebook has no such page to go to.
    tab = quiz_page([elsewhere], published=False)
    expect(question(tab, SURE).get_by_role("link")).to_have_count(0)


def test_a_quiz_that_is_gone_listens_no_more(quiz_page):
    tab = quiz_page([EXPERIMENT])
    tell(tab, seen(guesses=[["a", 0.2]]))
    tab.evaluate("""async () => {
      document.querySelector("#views").replaceChildren();
      (await window.show())();
    }""")
    tell(tab, seen())
    expect(parts(tab, SURE)).to_contain_text(["it has 20%", "yes"])


@pytest.mark.parametrize(("width", "theme"), list(itertools.product([360, 1280], ["light", "dark"])))
def test_nothing_stands_in_anybodys_way(quiz_page, width, theme):
    asked = [EXPERIMENT, {**about("sure"), "id": "all", "prompt": "All?", "goal": GOAL}]
    tab = quiz_page(asked, viewport={"width": width, "height": 900})
    tab.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
    assert barriers(tab) == [] and fits(tab)
    for state in (missed(asked[1]), reached(asked[1])):
        tell(tab, state)
        for one in asked:
            check(tab, one["prompt"])
        assert barriers(tab) == [] and fits(tab)
    targets = tab.locator("button:visible, .sae-quiz-way a")
    assert min(targets.evaluate_all("all => all.map((e) => e.getBoundingClientRect().height)")) >= 43.9


# In a book.


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory, serve):
    """A small book with an experiment in its first chapter, and the address that it is served at."""
    root = tmp_path_factory.mktemp("laboratory")
    questions = {"intro": [single("intro-one"), EXPERIMENT], "quiz": [single("quiz-one")]}
    small_book.write_sources(root, questions)
    small_book.publish(root, root / "site")
    return serve(root / "site")


def test_the_chapter_asks_and_the_review_counts_and_leads_there(laboratory, new_tab):
    tab = new_tab()

    def visit(name):
        tab.goto(f"{laboratory}/book/{name}.html")
        tab.wait_for_selector("html[data-widget-host=ready]")

    def words():
        return tab.locator(".sae-review-total").inner_text()

    visit("quiz")
    assert words() == "0 of 3 right, 3 not answered"
    assert tab.locator(".sae-review").get_by_role("group", name=SURE).count() == 0
    tab.get_by_text("Passages to reread: 2").click()
    tab.get_by_role("link", name=SURE).click()
    assert tab.url == f"{laboratory}/book/intro.html#live-type"
    tab.wait_for_selector("html[data-widget-host=ready]")
    for detail, verdict, total in [
        (seen(example=True), "Not quite", "0 of 3 right, 2 not answered"),
        (seen(), "Correct", "1 of 3 right, 2 not answered"),
    ]:
        visit("intro")
        tell(tab, detail)
        check(tab, SURE)
        expect(status(tab, SURE)).to_have_text(re.compile(f"^{verdict}"))
        right = verdict == "Correct"
        assert json.loads(kept(tab)[kept_as("sure")])["right"] is right
        visit("quiz")
        assert words() == total
    # The results travel as a file, and the score with them.
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Download my results").click()
    file = download.value.path()
    tab.get_by_role("button", name="Reset everything").click()
    tab.get_by_role("button", name="Yes, forget all my answers").click()
    assert words() == "0 of 3 right, 3 not answered"
    tab.get_by_label("Restore results").set_input_files({"name": "results.json", "mimeType": "application/json", "buffer": file.read_bytes()})
    expect(tab.locator(".sae-review-total")).to_have_text("1 of 3 right, 2 not answered")
    visit("intro")
    expect(status(tab, SURE)).to_have_text(re.compile("^Correct"))
