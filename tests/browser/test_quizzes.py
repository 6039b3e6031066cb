"""Every quiz of the book, answered on its published page by one who knows only the contract: roles and names.

What is right and what is wrong comes from the chapters' quiz files. A further kind of question needs one more function
in ATTEMPTS, and, if it has inputs of another role, one more case in each reader's `choose` and in `expect_answer`. What is asked of an explorable is
told by something that stands in for it.
"""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from experiments import missed, reached, tell
from pages import CHAPTERS, ROOT, reload, settle, widgets
from playwright.sync_api import Locator, Page, expect
from saelib.widgets.quiz.questions import read_quiz

QUIZZES = {chapter: ROOT / f"{chapter}.quiz.yml" for chapter in CHAPTERS if (ROOT / f"{chapter}.quiz.yml").is_file()}


def shown(text: str) -> str:
    """An author's text as the page shows it: without the marks of code, emphasis and strong, and of words that rest on a claim."""
    text = re.sub(r"\[([^\]]+)\]\(claim:[a-z0-9-]+\)", r"\1", text)
    marks = r"`([^`]+)`|\*\*(\S|\S.*?\S)\*\*|\*(\S|\S.*?\S)\*"
    return re.sub(marks, lambda found: found[1] or shown(found[2] or found[3]), text)


class Attempt(NamedTuple):
    """One answer to a question, and what has to be said to it."""

    # (role, name) of each input, and what it is to be: chosen or not, a text, a number, or the order of a list
    inputs: dict[tuple[str, str], Any]
    right: bool
    misconceptions: list[str]  # that have to be named


def choices(role: str, options: list[dict], chosen: list[dict]) -> Attempt:
    return Attempt(
        {(role, shown(option["text"])): option in chosen for option in options},
        chosen == [option for option in options if option.get("right")],
        [shown(option["misconception"]) for option in chosen if "misconception" in option],
    )


def single(question: dict) -> list[Attempt]:
    """Each wrong option, and then the right one."""
    options = sorted(question["options"], key=lambda option: option.get("right", False))
    return [choices("radio", question["options"], [option]) for option in options]


def multiple(question: dict) -> list[Attempt]:
    """Each wrong option alone, all options, the right ones but the last, and then the right ones."""
    options = question["options"]
    right = [option for option in options if option.get("right")]
    chosen = [[option] for option in options if option not in right] + [options, right[:-1], right]
    return [choices("checkbox", options, some) for some in chosen if some]


def number(question: dict) -> list[Attempt]:
    """Each typical wrong value, and then the right one."""
    field = ("textbox", f"Your answer {question.get('unit', '')}".strip())
    wrong = [Attempt({field: f"{one['value']:g}"}, False, [shown(one["misconception"])]) for one in question["wrong"]]
    return [*wrong, Attempt({field: f"{question['answer']:g}"}, True, [])]


def ordering(question: dict) -> list[Attempt]:
    """Each typical inversion, and then the right order."""
    items = question["items"]
    attempts = []
    for wrong in question["wrong"]:
        order = [item for item in items if item != wrong["before"]]
        order.insert(order.index(wrong["after"]), wrong["before"])
        attempts.append(Attempt({("list", ""): order}, False, [shown(wrong["misconception"])]))
    return [*attempts, Attempt({("list", ""): items}, True, [])]


def matching(question: dict) -> list[Attempt]:
    """Each typical wrong pair, with the others right, and then all pairs right."""
    right = {("combobox", shown(pair["left"])): pair["right"] for pair in question["pairs"]}
    wrong = [Attempt({**right, ("combobox", shown(one["left"])): one["right"]}, False, [shown(one["misconception"])]) for one in question["wrong"]]
    return [*wrong, Attempt(right, True, [])]


def own_words(question: dict) -> list[Attempt]:
    """An answer with none of the ideas, and then the model answer."""
    field = ("textbox", "Your answer, in a sentence or two")
    missing = [shown(idea["name"]) for idea in question["ideas"]]
    return [
        Attempt({field: "It hums under the stairs."}, False, missing),
        Attempt({field: question["model_answer"]}, True, []),
    ]


def predict(question: dict) -> list[Attempt]:
    """The guess furthest from the true value, and then that value."""
    low, high, value = question["min"], question["max"], question["value"]
    far, side = (low, "too_low") if value - low > high - value else (high, "too_high")
    near = low + round((value - low) / question["step"]) * question["step"]
    slider = ("slider", "Your guess")
    return [Attempt({slider: far}, False, [shown(question[side]["misconception"])]), Attempt({slider: near}, True, [])]


def experiment(question: dict) -> list[Attempt]:
    """What the explorable shows where nothing that is asked for holds, and then where all of it does."""
    return [Attempt({("explorable", ""): shows(question)}, right, []) for shows, right in [(missed, False), (reached, True)]]


# The attempts at a question of each kind: all but the last are wrong.
ATTEMPTS: dict[str, Callable[[dict], list[Attempt]]] = {
    "single": single,
    "multiple": multiple,
    "number": number,
    "ordering": ordering,
    "matching": matching,
    "own-words": own_words,
    "predict": predict,
    "experiment": experiment,
}


def order_of(listing: Locator) -> list[str]:
    return listing.locator(".sae-quiz-item").all_inner_texts()


def sort(reader: "Pointer | Keyboard", listing: Locator, wanted: list[str]) -> None:
    """Bring a list into order by its buttons, and give it a nudge where it happens to stand so already."""
    if order_of(listing) == wanted:
        reader.press(listing.get_by_role("button", name=f"Move {wanted[1]} up", exact=True))
    for place, text in enumerate(wanted):
        while order_of(listing).index(text) > place:
            reader.press(listing.get_by_role("button", name=f"Move {text} up", exact=True))


HANDLE = 16  # px: about as wide as a slider's handle


class Pointer:
    """A reader who has a mouse."""

    def __init__(self, tab: Page):
        self.tab = tab

    def begin(self, group: Locator) -> None:
        """A mouse is everywhere at once."""

    def choose(self, control: Locator, role: str, wanted: Any) -> None:
        if role == "list":
            sort(self, control, wanted)
        elif role == "textbox":
            control.fill(wanted)
        elif role == "combobox":
            control.select_option(label=wanted)
        elif role == "slider":
            low, high = (float(control.get_attribute(end)) for end in ("min", "max"))
            box = control.bounding_box()
            # The middle of the handle can't leave the track.
            across = HANDLE / 2 + (wanted - low) / (high - low) * (box["width"] - HANDLE)
            control.click(position={"x": across, "y": box["height"] / 2})
        # A radio button goes out when another is chosen.
        elif (wanted or role != "radio") and control.is_checked() != wanted:
            control.click()

    def press(self, button: Locator) -> None:
        button.click()


class Keyboard:
    """A reader who has no mouse, and begins at the top of a question."""

    def __init__(self, tab: Page):
        self.tab = tab

    def begin(self, group: Locator) -> None:
        # Where Tab goes on from: nothing in front of the question is focused or clicked for it.
        group.evaluate("group => { group.tabIndex = -1; group.focus(); group.removeAttribute('tabindex'); }")

    def reach(self, control: Locator) -> None:
        """Go there with Tab; to one radio button of the group, where it is one of those: Tab stops at no more."""
        for _ in range(200):
            key = control.evaluate("""e => {
                const at = document.activeElement;
                if (at === e || (e.type === "radio" && at.name === e.name)) return null;
                return at.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_PRECEDING ? "Shift+Tab" : "Tab";
            }""")
            if key is None:
                return
            self.tab.keyboard.press(key)
        pytest.fail(f"Tab does not get to {control}")

    def choose(self, control: Locator, role: str, wanted: Any) -> None:
        if role == "list":
            return sort(self, control, wanted)
        if role in ("textbox", "combobox", "slider"):
            self.reach(control)
            return self.enter(control, role, wanted)
        if (role == "radio" and not wanted) or control.is_checked() == wanted:
            return
        self.reach(control)
        for _ in range(20):
            on_it = control.evaluate("e => e === document.activeElement")
            self.tab.keyboard.press("Space" if on_it else "ArrowDown")
            if control.is_checked() == wanted:
                return
        pytest.fail(f"the keys do not get to {control}")

    def enter(self, control: Locator, role: str, wanted: Any) -> None:
        if role == "textbox":
            self.tab.keyboard.press("Control+a")
            self.tab.keyboard.type(wanted)
            return
        self.tab.keyboard.press("Home")
        for _ in range(200):
            if (float(control.input_value()) if role == "slider" else control.locator(":checked").inner_text()) == wanted:
                return
            self.tab.keyboard.press("ArrowRight" if role == "slider" else "ArrowDown")
        pytest.fail(f"the keys do not set {control} to {wanted}")

    def press(self, button: Locator) -> None:
        self.reach(button)
        self.tab.keyboard.press("Enter")


def question(tab: Page, one: dict) -> Locator:
    # Looked for among the widgets alone: to work out the names of a whole page, with all its figures, takes long.
    return tab.locator(".widget-host-view").get_by_role("group", name=shown(one["prompt"]), exact=True)


def control(group: Locator, role: str, name: str) -> Locator:
    if role == "explorable":
        return group  # it is nothing of the question's own
    return group.get_by_role(role, name=name, exact=True) if name else group.get_by_role(role)


def answer(reader: Pointer | Keyboard, group: Locator, attempt: Attempt) -> None:
    reader.begin(group)
    for (role, name), wanted in attempt.inputs.items():
        if role == "explorable":
            tell(reader.tab, wanted)
        else:
            reader.choose(control(group, role, name), role, wanted)
    reader.press(group.get_by_role("button", name="Check", exact=True))


def expect_verdict(group: Locator, attempt: Attempt) -> None:
    status = group.get_by_role("status")
    expect(status).to_have_text(re.compile("^Correct" if attempt.right else "^Not quite"))
    for misconception in attempt.misconceptions:
        expect(status).to_contain_text(misconception)


def expect_answer(group: Locator, attempt: Attempt) -> None:
    for (role, name), wanted in attempt.inputs.items():
        found = control(group, role, name)
        if role == "list":
            expect(found.locator(".sae-quiz-item")).to_have_text(wanted)
        elif role in ("textbox", "combobox"):
            expect(found).to_have_value(wanted)
        elif role == "explorable":
            assert found.get_by_role("listitem").count()  # what is kept of it, the verdict says
        elif role == "slider":
            assert float(found.input_value()) == pytest.approx(wanted, abs=1.5)  # a click is not exact to the pixel
        else:
            expect(found).to_be_checked(checked=wanted)


def expect_nothing(group: Locator) -> None:
    expect(group.get_by_role("status")).to_be_empty()
    expect(group.locator("input:checked")).to_have_count(0)
    for field in [*group.get_by_role("textbox").all(), *group.get_by_role("combobox").all()]:
        expect(field).to_have_value("")


def questions_of(site: Path, chapter: str) -> list[dict]:
    """A chapter's questions, each as its page asks it: with the true value, where it is one to guess."""
    ids = [one["id"] for one in read_quiz(QUIZZES[chapter])["questions"]]
    asked = {one["id"]: one for state in widgets(site / f"{chapter}.html") for one in state.get("questions", [])}
    return [asked[name] for name in ids]


def test_every_chapter_but_the_summary_asks_questions():
    assert set(CHAPTERS) - set(QUIZZES) == {"book/summary"}


@pytest.mark.parametrize("chapter", QUIZZES)
def test_a_chapter_asks_what_its_quiz_file_holds(site, chapter):
    asked = Counter(one["id"] for state in widgets(site / f"{chapter}.html") for one in state.get("questions", []))
    assert {one["id"] for one in read_quiz(QUIZZES[chapter])["questions"]} <= set(asked)
    assert set(asked.values()) == {1}, "a question stands on its page once"


# By pointer, everything that can be said is called forth; by the other ways, one wrong answer and the right one.
WAYS = [(chapter, "http", Pointer, True) for chapter in QUIZZES]
WAYS += [(chapter, "http", Keyboard, False) for chapter in QUIZZES]
WAYS += [(list(QUIZZES)[0], "file", Pointer, False)]


@pytest.mark.parametrize("chapter, way, kind_of_reader, thorough", WAYS)
def test_a_quiz_says_why_and_remembers_until_it_is_reset(page, server, site, chapter, way, kind_of_reader, thorough):
    opened = page(f"{server if way == 'http' else site.as_uri()}/{chapter}.html")
    tab = opened.page
    settle(tab)
    reader = kind_of_reader(tab)
    questions = questions_of(site, chapter)
    groups = [question(tab, one) for one in questions]
    last = []
    for one, group in zip(questions, groups):
        expect_nothing(group)
        attempts = ATTEMPTS[one["kind"]](one)
        attempts = attempts if thorough else [attempts[0], attempts[-1]]
        # The first question is left with a wrong answer: that is remembered as well.
        for attempt in attempts if last else [*attempts, attempts[0]]:
            answer(reader, group, attempt)
            expect_verdict(group, attempt)
        last.append(attempt)

    reload(tab)
    for group, attempt in zip(groups, last):
        expect_answer(group, attempt)
        expect_verdict(group, attempt)

    # A question in the middle of the text has a button of its own, and the quiz at the end one for all.
    for group in groups:
        reset = group.locator("xpath=ancestor::section[1]").get_by_role("button", name=re.compile("^Start .*again$"))
        kind_of_reader(tab).begin(group)
        reader.press(reset)
    for group in groups:
        expect_nothing(group)
    reload(tab)
    for group in groups:
        expect_nothing(group)
    assert opened.problems == []
