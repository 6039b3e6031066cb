"""What every explorable promises. A test file takes these tests by `from promises import *`, and says by a fixture of its own on
which page they are tried: `explorables` opens it, or `address` is where it stands. The last one, which is for pages that hold
nothing else, is taken by its name."""

import pytest
from explorables import BUSY, readout, seen
from pages import PHONE, WIDE, Finger, barriers, fits, reload
from playwright.sync_api import expect

__all__ = [
    "test_a_screen_reader_is_told_once_when_the_reader_pauses",
    "test_every_control_is_reached_by_tab_and_changes_the_picture",
    "test_what_can_be_dragged_or_chosen_changes_the_picture",
]
# The controls of an explorable, the buttons of one radio group counted as one; and which of them has the focus, or "".
CONTROLS = """section => {
    const controls = [...section.querySelectorAll("input, select, textarea, button, [tabindex='0']")];
    return controls.map((control, number) => control.name || `control ${number}`);
}"""
FOCUSED = """section => {
    const controls = [...section.querySelectorAll("input, select, textarea, button, [tabindex='0']")];
    const at = document.activeElement;
    return controls.includes(at) ? at.name || `control ${controls.indexOf(at)}` : "";
}"""
# Keeps what every live region says: an <output> is one too, unless it says that it is not.
TELL = """section => {
    window.told = [];
    for (const live of section.querySelectorAll("[role=status], [role=alert], [role=log], [aria-live], output")) {
        if (live.ariaLive === "off") continue;
        const changes = { childList: true, characterData: true, subtree: true };
        new MutationObserver(() => told.push(live.textContent)).observe(live, changes);
    }
}"""
# What is pressed on each type of control; the second key where the first has come to the end of its way.
KEYS = {
    "range": ["ArrowRight", "ArrowLeft"],
    "number": ["ArrowUp", "ArrowDown"],
    "radio": ["ArrowDown"],
    "checkbox": ["Space"],
    "button": ["Enter"],
    "canvas": ["Space"],
    "search": ["e"],
    "select-one": ["ArrowDown", "ArrowUp"],
    "div": ["ArrowDown", "ArrowRight"],  # a list, of rows or of the tokens of a text
}


def enter(explorable) -> None:
    """Let Tab go on from the top of the explorable."""
    explorable.evaluate("section => { section.tabIndex = -1; section.focus(); section.removeAttribute('tabindex'); }")
    explorable.page.keyboard.press("Tab")


def test_every_control_is_reached_by_tab_and_changes_the_picture(explorables):
    tab, found = explorables()
    for explorable in found:
        reached = set()
        enter(explorable)
        while control := explorable.evaluate(FOCUSED):
            assert control not in reached, f"Tab comes back to {control}"
            reached.add(control)
            if tab.evaluate("document.activeElement.matches('.sae-way')"):
                # It leads to another card, with controls of its own: tried in test_feature_browser.
                tab.keyboard.press("Tab")
                continue
            kind = tab.evaluate("document.activeElement.type ?? document.activeElement.localName")
            before = seen(explorable)
            for key in KEYS[kind]:
                tab.keyboard.press(key)
                if seen(explorable) != before:
                    break
            else:
                pytest.fail(f"{kind} {control}: nothing is seen to change")
            # A button may lead on to the next control by itself.
            if explorable.evaluate(FOCUSED) == control:
                tab.keyboard.press("Tab")
        assert reached == set(explorable.evaluate(CONTROLS))


class Mouse:
    def __init__(self, tab):
        self.down = lambda x, y: (tab.mouse.move(x, y), tab.mouse.down())
        self.move = lambda x, y: tab.mouse.move(x, y, steps=4)
        self.up = tab.mouse.up
        self.tap = tab.mouse.click


@pytest.mark.parametrize(
    "hand, options",
    [
        (Mouse, {"viewport": {"width": 1280, "height": 900}}),
        (Finger, {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}),
    ],
)
def test_what_can_be_dragged_or_chosen_changes_the_picture(explorables, hand, options):
    tab, found = explorables(**options)
    pointer = hand(tab)
    for explorable in found:
        for surface in explorable.locator("input[type=range], canvas.sae-pad, svg.sae-plane").all():
            surface.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
            box, scrolled = surface.bounding_box(), tab.evaluate("scrollY")
            # Aslant: a finger that scrolled the page instead of dragging would be noticed. A slider is too low for that.
            slope = 0 if box["height"] < 60 else 0.6
            x, y = box["x"] + 0.2 * box["width"], box["y"] + (0.5 - slope / 2) * box["height"]
            pointer.down(x, y)
            pressed = seen(explorable)
            pointer.move(x + 0.6 * box["width"], y + slope * box["height"])
            tab.evaluate("new Promise(requestAnimationFrame)")
            dragged = seen(explorable)
            pointer.up()
            assert dragged != pressed, surface
            assert tab.evaluate("scrollY") == scrolled
        for choice in explorable.locator("fieldset").all():
            chosen = choice.locator("input").evaluate_all("all => all.findIndex((input) => input.checked)")
            other = choice.locator("input").nth(0 if chosen else 1)
            other.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
            box, before = other.bounding_box(), seen(explorable)
            pointer.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            expect(other).to_be_checked()
            assert seen(explorable) != before


def test_a_screen_reader_is_told_once_when_the_reader_pauses(explorables):
    tab, found = explorables()
    # The clock stands, so that a slow machine makes no pause that the reader did not make.
    tab.clock.install()
    reload(tab)
    tab.clock.pause_at(tab.evaluate("Date.now()") + 2000)
    for explorable in found:
        before = readout(explorable)
        explorable.evaluate(TELL)
        enter(explorable)
        for _ in range(5):
            for key in ("ArrowLeft", "ArrowRight", "ArrowLeft"):
                tab.keyboard.press(key)
                tab.clock.run_for(20)
        assert tab.evaluate("told") == []
        tab.clock.run_for(2000)
        assert readout(explorable) != before
        assert tab.evaluate("told") == [readout(explorable)]


@pytest.mark.parametrize("options", [WIDE, PHONE])
def test_they_fit_the_window_and_bar_nobody(explorables, options):
    tab, _ = explorables(**options)
    assert fits(tab)
    # And so after a drag, too.
    for slider in tab.locator("input[type=range]").all():
        slider.fill(slider.get_attribute("max"))
    expect(tab.locator(BUSY)).to_have_count(0)
    assert fits(tab)
    assert barriers(tab) == []
