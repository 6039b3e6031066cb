"""The linked card: what all explorables promise, its bars and digits, and the strength for a drawn digit against Python's."""

import math
import re

import pytest
import saelib
import torch
from explorables import CLOSE, labels, pixels, readout
from pages import PHONE, WIDE
from playwright.sync_api import expect
from promises import *  # noqa: F403
from promises import test_they_fit_the_window_and_bar_nobody  # noqa: F401
from saelib.widgets import LinkedCard


@pytest.fixture(scope="module")
def sae(digits):
    found = saelib.SparseAutoencoder(64, 128, saelib.TopK(4))
    saelib.train(found, digits[0].x, steps=60, batch_size=256, lr=1e-2, seed=0, progress=False)
    return found


@pytest.fixture(scope="module")
def card(sae, digits):
    return LinkedCard(sae, digits[0])


@pytest.fixture(scope="module")
def address(card, served):
    """Where a page with the card stands."""
    return served(card)


def bricks(explorable):
    return explorable.get_by_role("group", name="Brick").get_by_role("radio")


def bars(explorable):
    return explorable.get_by_role("group", name="How strongly it is on").get_by_role("radio")


def opened(explorable) -> int:
    """Which bar is open; exactly one is, in the controls and in the drawing."""
    chosen = bars(explorable).evaluate_all("all => all.map((input) => input.checked)")
    shown = explorable.locator("rect.sae-column").evaluate_all("all => all.map((bar) => bar.classList.contains('sae-open-column'))")
    assert chosen == shown and sum(chosen) == 1
    return chosen.index(True)


def edges(card, place: int) -> list[str]:
    width, decimals = card.steps[place]
    return [f"{i * width / 10**decimals:.{decimals}f}" for i in range(len(card.counts[place]) + 1)]


def drawn(explorable) -> torch.Tensor:
    """What is on the pad, whose ink comes in sixteenths."""
    return (16 * pixels(explorable.locator("canvas.sae-pad"))).round() / 16


def draw(explorable, points) -> None:
    """Draw a line through these points of the pad, in shares of its sides."""
    mouse, pad = explorable.page.mouse, explorable.locator("canvas.sae-pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    mouse.move(*at[0])
    mouse.down()
    for place in at[1:]:
        mouse.move(*place, steps=5)
    mouse.up()


RING = [(0.5 + 0.22 * math.sin(turn), 0.5 - 0.36 * math.cos(turn)) for turn in torch.linspace(0, 6.3, 13).tolist()]
STROKES = {
    "a ring": RING,
    "a line": [(0.5, 0.1), (0.5, 0.9)],
    "a seven": [(0.3, 0.1), (0.7, 0.1), (0.45, 0.9)],
    "a three": [(0.3, 0.1), (0.6, 0.1), (0.7, 0.3), (0.45, 0.5), (0.7, 0.65), (0.65, 0.85), (0.3, 0.9)],
}


def test_the_address_brings_back_what_was_seen(explorables, card):
    tab, (explorable,) = explorables()
    before = readout(explorable)
    bricks(explorable).nth(3).check()
    bars(explorable).nth(2).check()
    hash = f"#card={card.features[3]}.2"
    tab.wait_for_function("hash => location.hash === hash", arg=hash)
    _, (again,) = explorables(hash)
    assert readout(again) == readout(explorable) != before
    assert torch.equal(pixels(again.locator("canvas")), pixels(explorable.locator("canvas")))
    assert opened(again) == 2 and bricks(again).nth(3).is_checked()


def test_a_link_on_the_page_and_the_way_back_lead_to_what_they_name(explorables, card):
    tab, (explorable,) = explorables(f"#card={card.features[1]}.1")
    there = readout(explorable)
    tab.evaluate("hash => { location.hash = hash; }", f"card={card.features[5]}.3")
    expect(explorable.locator(".sae-readout")).to_contain_text(f"Brick {card.features[5]} ")
    assert opened(explorable) == 3 and bricks(explorable).nth(5).is_checked()
    tab.go_back()
    expect(explorable.locator(".sae-readout")).to_have_text(there)
    assert opened(explorable) == 1 and bricks(explorable).nth(1).is_checked()


@pytest.mark.parametrize("words", ["{unused}.0", "{used}.12", "{used}", "{used}.1.1", "{used}.-1", "x.y", ""])
def test_an_address_that_fits_nothing_changes_nothing(explorables, card, words):
    _, (explorable,) = explorables()
    start = readout(explorable)
    unused = next(feature for feature in range(128) if feature not in card.features)
    _, (again,) = explorables(f"#card={words.format(used=card.features[2], unused=unused)}")
    assert readout(again) == start


def test_at_first_the_strongest_are_seen_and_so_with_every_brick(published, sae, digits, card):
    explorable = published(LinkedCard(sae, digits[0], first=card.features[4]))
    for place in (4, 0, 7):
        bricks(explorable).nth(place).check()
        assert opened(explorable) == len(card.counts[place]) - 1 == bars(explorable).count() - 1
        assert readout(explorable).startswith(f"Brick {card.features[place]} is on for {sum(map(sum, card.counts[place]))} of 1,500 digits.")


def test_a_bar_opens_the_digits_behind_it(published, sae, digits, card):
    explorable, (x, label) = published(card), digits[0]
    codes = sae.encode(x).detach()
    for place in (0, 6):
        bricks(explorable).nth(place).check()
        own = codes[:, card.features[place]]
        ends, counts = edges(card, place), card.counts[place]
        names = [
            f"on at {low} to {high}: {sum(all_of) or 'no'} digit{'s' * (sum(all_of) != 1)}" for low, high, all_of in zip(ends, ends[1:], counts)
        ]
        assert labels(bars(explorable)) == names
        for bar, all_of in enumerate(counts):
            bars(explorable).nth(bar).check()
            assert opened(explorable) == bar
            slots = explorable.locator(".sae-examples .sae-station:visible")
            expect(slots).to_have_count(min(8, sum(all_of)))
            if not sum(all_of):
                continue
            strengths = [float(words) for words in slots.locator(".sae-name").all_inner_texts()]
            assert strengths == sorted(strengths)
            for picture, kind, strength in zip(pixels(slots.locator("canvas")).view(-1, 64), labels(slots.locator("canvas")), strengths):
                number = (x - picture).abs().amax(dim=1).argmin()
                assert (x[number] - picture).abs().max() < CLOSE and strength == pytest.approx(own[number].item(), abs=0.0051)
                assert kind == f"{'an' if label[number] == 8 else 'a'} {label[number]}"


def test_the_words_say_how_many_digits_of_each_kind_a_bar_holds(published, card):
    explorable = published(card)
    kinds_of_words = set()
    for place in range(12):
        bricks(explorable).nth(place).check()
        press = "all => all.map((input) => { input.click(); return input.closest('section').querySelector('.sae-readout').textContent; })"
        for bar, (counts, words) in enumerate(zip(card.counts[place], bars(explorable).evaluate_all(press), strict=True)):
            there = {kind: count for kind, count in enumerate(counts) if count}
            low, high = edges(card, place)[bar : bar + 2]
            said = words.partition(f"At {low} to {high} there {'is' if sum(counts) == 1 else 'are'} ")[2].removesuffix(".")
            kinds_of_words.add(min(len(there), 2) if sum(counts) != 1 else "one")
            if sum(counts) == 0:
                assert said == "no digits"
            elif sum(counts) == 1:
                assert said in {f"1 digit, a {kind}" for kind in there} | {f"1 digit, an {kind}" for kind in there}
            elif len(there) == 1:
                assert said == f"{sum(counts)} digits, all of them {next(iter(there))}s"
            else:
                total, _, parts = said.partition(" digits: ")
                found = {int(kind): int(count) for count, kind in re.findall(r"(\d+) of them (?:an? )?(\d)s?", parts)}
                assert int(total) == sum(counts) and found == there
                assert list(found.values()) == sorted(found.values(), reverse=True)
    assert kinds_of_words >= {0, 1, 2, "one"}


def test_bars_are_as_high_as_they_count_and_are_pressed_where_they_stand(published, card):
    explorable = published(card)
    bricks(explorable).nth(2).check()
    totals = [sum(counts) for counts in card.counts[2]]
    columns = explorable.locator("rect.sae-column")
    heights = columns.evaluate_all("all => all.map((bar) => Number(bar.getAttribute('height')))")
    top = int(explorable.locator("svg.sae-chart > text[text-anchor=end]").last.text_content())
    assert heights == pytest.approx([150 * total / top for total in totals], abs=0.01) and max(totals) <= top
    for bar in range(len(totals)):
        box, under = columns.nth(bar).bounding_box(), bars(explorable).nth(bar).bounding_box()
        assert (box["x"] + box["width"] / 2) == pytest.approx(under["x"] + under["width"] / 2, abs=1)
        assert box["width"] == pytest.approx(under["width"], abs=4)
        assert box["y"] + box["height"] == pytest.approx(under["y"] + under["height"], abs=1)
        # Low bars are pressed above themselves, and the drawing lets it through.
        explorable.page.mouse.click(under["x"] + under["width"] / 2, under["y"] + 20)
        assert opened(explorable) == bar


@pytest.mark.parametrize("rule", [saelib.TopK(4), saelib.JumpReLU(0.05), saelib.Gated(0.3)], ids=lambda rule: type(rule).__name__)
def test_how_strongly_it_is_on_for_a_drawn_digit_is_what_python_says(published, digits, rule):
    sae = saelib.SparseAutoencoder(64, 32, rule)
    saelib.train(sae, digits[0].x, steps=60, batch_size=256, lr=1e-2, seed=0, progress=False)
    # All that are ever on, so that one that comes in too late under TopK is noticed.
    card = LinkedCard(sae, digits[0], features=(sae.encode(digits[0].x) > 0).any(dim=0).nonzero().ravel().tolist())
    explorable = published(card)
    seen = set()
    for points in STROKES.values():
        explorable.get_by_role("button", name="Clear").click()
        draw(explorable, points)
        picture = drawn(explorable)
        assert 3 < picture.sum() < 40
        wanted = sae.encode(picture[None]).detach()[0, card.features]
        tiles = labels(bricks(explorable).locator("xpath=..").locator(".sae-brick"))
        assert tiles == [f"brick {one}, {f'on at {value:.2f}' if value > 0 else 'off'}" for one, value in zip(card.features, wanted.tolist())]
        for place in (wanted.argmax().item(), wanted.argmin().item(), 5):
            strength = wanted[place].item()
            bricks(explorable).nth(place).check()
            mark = explorable.locator(".sae-own circle")
            ends = [float(end) for end in edges(card, place)]
            seen.add(strength > 0)
            if strength == 0:
                assert readout(explorable).endswith("For your digit it is off.")
                expect(mark).to_be_hidden()
                continue
            assert f"For your digit it is on at {strength:.2f}" in readout(explorable)
            assert ("more strongly than for any of these" in readout(explorable)) == (strength > ends[-1])
            expect(mark).to_be_visible()
            assert float(mark.get_attribute("cx")) / 272 == pytest.approx(min(1, strength / ends[-1]), abs=1e-3)
            assert ends[opened(explorable)] < strength <= ends[opened(explorable) + 1] or strength > ends[-1]
    assert seen == {True, False}


def test_drawing_opens_the_bar_and_clearing_takes_the_mark_away(published, sae, digits, card):
    explorable = published(card)
    draw(explorable, RING)
    wanted = sae.encode(drawn(explorable)[None]).detach()[0, card.features]
    place = int(wanted.argmax())
    assert wanted[place] > 0
    bricks(explorable).nth(place).check()
    bars(explorable).nth(0).check()
    assert opened(explorable) == 0
    draw(explorable, [(0.5, 0.14), (0.51, 0.14)])
    strength = sae.encode(drawn(explorable)[None]).detach()[0, card.features[place]].item()
    ends = [float(end) for end in edges(card, place)]
    assert opened(explorable) == min(len(ends) - 2, math.ceil(strength / ends[1]) - 1) > 0
    explorable.get_by_role("button", name="Clear").click()
    assert "your digit" not in readout(explorable)
    expect(explorable.locator(".sae-own circle")).to_be_hidden()
    assert drawn(explorable).sum() == 0


def test_the_arrow_keys_go_from_bar_to_bar(published, card):
    explorable = published(card)
    bars(explorable).nth(opened(explorable)).focus()
    start = opened(explorable)
    explorable.page.keyboard.press("ArrowLeft")
    explorable.page.keyboard.press("ArrowLeft")
    assert opened(explorable) == start - 2
    expect(bars(explorable).nth(start - 2)).to_be_focused()
    outline = bars(explorable).nth(start - 2).evaluate("input => getComputedStyle(input.nextElementSibling).outlineStyle")
    assert outline == "solid"


@pytest.mark.parametrize("options", [WIDE, {"viewport": {"width": 640, "height": 800}}, PHONE])
def test_no_bar_moves_what_lies_below_and_all_letters_can_be_read(explorables, options):
    _, (explorable,) = explorables(**options)
    places = set()
    for bar in range(bars(explorable).count()):
        bars(explorable).nth(bar).check(force=True)
        places.add(explorable.locator(".sae-readout").evaluate("e => e.offsetTop"))
    assert len(places) == 1
    sizes = explorable.evaluate("""section => [...section.querySelectorAll("*")]
        .filter((e) => [...e.childNodes].some((child) => child.nodeType === 3 && child.data.trim()) && !e.matches(".sae-unseen, legend"))
        .map((e) => parseFloat(getComputedStyle(e).fontSize) * (e.getScreenCTM ? e.getScreenCTM().a : 1))""")
    assert len(sizes) > 20 and min(sizes) >= 11


def test_forced_colours_leave_the_open_bar_and_the_chosen_number_to_be_seen(explorables):
    _, (explorable,) = explorables(forced_colors="active", **PHONE)
    colours = """input => { const face = input.nextElementSibling, name = face.querySelector(".sae-name");
        return [getComputedStyle(face).backgroundColor, name && getComputedStyle(name).color]; }"""
    grounds = [found.evaluate(colours) for found in bricks(explorable).all()]
    assert all(ground != words for ground, words in grounds) and grounds[0] != grounds[1]
    columns = [found.evaluate(colours)[0] for found in bars(explorable).all()]
    assert columns.count(columns[-1]) == 1 and len(set(columns)) == 2
