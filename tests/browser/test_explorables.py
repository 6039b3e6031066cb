"""The explorables: on every published page by what they all promise, and two of them against the Python that they repeat."""

import json
import re

import pytest
import saelib
import torch
from ipywidgets.embed import embed_data
from pages import CHAPTERS, ROOT, hash_of, settle, widgets
from playwright.sync_api import expect
from saelib.widgets import HowFewBricks, SecretMessage

# What is seen in an explorable: the pixels of its pictures, its drawings and bricks, and the words under them. Controls
# are left out: that a slider moves says nothing.
SEEN = """section => {
    const stage = section.querySelector(".sae-stage").cloneNode(true);
    stage.querySelectorAll("input, output").forEach((control) => control.remove());
    const pictures = [...section.querySelectorAll(".sae-stage canvas")].map((canvas) => canvas.toDataURL());
    return JSON.stringify([pictures, stage.innerHTML, section.querySelector(".sae-readout").textContent]);
}"""
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


@pytest.fixture(params=CHAPTERS)
def explorables(request, page, server, site):
    """A function that opens a chapter in a fresh profile and gives the page and all its explorables."""
    chapter = request.param

    def opened(hash="", **options):
        tab = page(f"{server}/{chapter}.html{hash}", **options).page
        settle(tab)
        found = tab.locator("section.sae-explorable").all()
        assert len(found) == sum("prediction" in state for state in widgets(site / f"{chapter}.html"))
        return tab, found

    return opened


def seen(explorable) -> str:
    return explorable.evaluate(SEEN)


def pixels(pictures) -> torch.Tensor:
    """The numbers that the canvases show, to within half a 255th, row by row: blue stands for those below zero."""
    return torch.tensor(
        pictures.evaluate_all("""all => all.flatMap((canvas) => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const [red, , blue, strength] = [0, 1, 2, 3].map((part) => data.filter((_, i) => i % 4 === part));
            return Array.from(strength, (value, i) => (blue[i] > red[i] ? -value : value) / 255);
        })""")
    )


def readout(explorable) -> str:
    return explorable.locator(".sae-readout").inner_text()


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


class Finger:
    def __init__(self, tab):
        session = tab.context.new_cdp_session(tab)

        def touch(kind, *points):
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]})

        self.down = lambda x, y: touch("touchStart", (x, y))
        self.move = lambda x, y: touch("touchMove", (x, y))
        self.up = lambda: touch("touchEnd")
        self.tap = tab.touchscreen.tap


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
    tab.reload()
    settle(tab)
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


def test_the_address_brings_back_what_was_seen(explorables):
    tab, found = explorables()
    before = [readout(explorable) for explorable in found]
    for explorable in found:
        for control in explorable.locator("input[type=range]").all() or [explorable.get_by_role("radio", checked=True).first]:
            control.focus()
            for key in ["Home", "ArrowRight"]:
                tab.keyboard.press(key)
    # What goes on by itself when a slider is let go, has to come to its end.
    expect(tab.locator("[aria-busy=true]")).to_have_count(0, timeout=30_000)
    there = [(readout(explorable), pixels(explorable.locator("canvas"))) for explorable in found]
    assert all(words != old for (words, _), old in zip(there, before))
    _, again = explorables(hash_of(tab))
    for explorable, (words, picture) in zip(again, there):
        assert readout(explorable) == words
        # An address is to be short: its numbers may be rounded. (What draws no pictures has said it all in words.)
        assert torch.allclose(pixels(explorable.locator("canvas")), picture, rtol=0, atol=0.02)


# What the pages compute, against saelib. Little training is enough: any weights will do.
CLOSE = 0.6 / 255  # between a number and the pixel that shows it: half a step, and what float32 loses on the way
FULL = 0.7  # what is missing is shown in full colour from here on: errors are smaller than ink
HOST = ROOT / "saelib" / "widgets" / "host" / "widget-host.js"


@pytest.fixture(scope="module")
def digits():
    return saelib.data.digits()


@pytest.fixture
def published(page, serve, tmp_path):
    """A function that publishes one explorable on a page of its own, opens it, and gives the explorable."""

    def publish(widget, hash=""):
        data = embed_data(views=[widget], drop_defaults=False)
        state, view = (json.dumps(part).replace("<", "\\u003c") for part in (data["manager_state"], data["view_specs"][0]))
        (tmp_path / "widget-host.js").write_text(HOST.read_text(encoding="utf-8"), encoding="utf-8")
        (tmp_path / "page.html").write_text(
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title><link rel="icon" href="data:,">'
            '<script defer src="widget-host.js"></script>'
            f'<script type="application/vnd.jupyter.widget-state+json">{state}</script>'
            f'<main><script type="application/vnd.jupyter.widget-view+json">{view}</script></main>',
            encoding="utf-8",
        )
        tab = page(f"{serve(tmp_path)}/page.html{hash}").page
        tab.wait_for_selector("html[data-widget-host=ready]")
        return tab.locator("section.sae-explorable")

    return publish


def shares(x, copy, mean) -> float:
    """The error that the readouts name, in percent."""
    return 100 * ((x - copy).square().sum() / (x - mean).square().sum()).item()


def percent(explorable) -> int:
    return int(re.search(r"(\d+)%", readout(explorable))[1])


def test_bricks_are_chosen_added_and_judged_as_in_python(digits, published):
    train, held_out = digits
    boxes = [saelib.SparseAutoencoder(d_in=64, d_sae=size, sparsity=saelib.TopK(k=6)) for size in (8, 32)]
    for box in boxes:
        saelib.train(box, train.x, steps=60, batch_size=256, lr=1e-2, seed=0, progress=False)
    x, mean = held_out.x[:4], train.x.mean(dim=0)
    pictures = saelib.data.Pictures(x, held_out.label[:4])
    explorable = published(HowFewBricks(boxes, pictures, mean=mean, k=6, start=2))
    slider = explorable.get_by_role("slider", name="Bricks allowed")
    used = explorable.locator(".sae-row > .sae-brick")
    for place in (0, 3):
        explorable.get_by_role("group", name="Digit").get_by_role("radio").nth(place).check()
        for box in boxes:
            explorable.get_by_role("radio", name=f"{box.d_sae} bricks").check()
            code = box.encode(x[place : place + 1]).detach()[0]
            for k in (0, 1, 3, 6):
                slider.fill(str(k))
                values, bricks = code.topk(k)
                bricks, values = bricks[values > 0], values[values > 0]
                on = zip(bricks.tolist(), values.tolist())
                names = [f"brick {brick}, on at {value:.2f}" for brick, value in on]
                assert used.evaluate_all("all => all.map((brick) => brick.ariaLabel)") == names
                kept = torch.zeros_like(code).index_put((bricks,), values)
                copy = box.decode(kept[None]).detach()[0]
                rebuilt = pixels(explorable.locator(".sae-reconstruction canvas"))
                missing = pixels(explorable.locator(".sae-error canvas"))
                torch.testing.assert_close(rebuilt, copy.clamp(0, 1), rtol=0, atol=CLOSE)
                torch.testing.assert_close(missing, ((x[place] - copy) / FULL).clamp(-1, 1), rtol=0, atol=CLOSE)
                assert readout(explorable).startswith(f"{len(bricks)} of {box.d_sae} bricks")
                assert abs(percent(explorable) - shares(x[place], copy, mean)) < 0.51


@pytest.fixture(scope="module")
def friends(digits):
    """A trained Autoencoder with a message of two numbers, the digits that it has not seen, and their codes."""
    train, held_out = digits
    model = saelib.Autoencoder(d_in=64, d_code=2, hidden=(16, 12))
    saelib.train(model, train.x, steps=150, batch_size=128, lr=1e-2, seed=0, progress=False)
    return model, held_out, model.encode(held_out.x).detach()


def expect_message(explorable, friends, message: torch.Tensor, itself: int | None = None) -> None:
    """The page names this message, to a tenth, and the digits nearest to it, and draws what torch decodes from it."""
    model, (_, label), codes = friends
    numbers, _, neighbours = readout(explorable).partition(")")
    named = [float(number.replace("−", "-")) for number in re.findall(r"−?\d+\.\d", numbers)]
    torch.testing.assert_close(torch.tensor(named), message, rtol=0, atol=0.051)
    near = [place for place in (codes - message).square().sum(dim=1).argsort().tolist() if place != itself]
    assert [int(digit) for digit in re.findall(r"\ban? (\d)", neighbours)] == label[near[:3]].tolist()
    copy = model.decode(message[None]).detach()[0]
    drawn = pixels(explorable.locator(".sae-reconstruction canvas"))
    torch.testing.assert_close(drawn, copy.clamp(0, 1), rtol=0, atol=CLOSE)


def test_a_message_that_is_dragged_is_decoded_as_in_python(friends, published):
    model, pictures, codes = friends
    explorable = published(SecretMessage(model, pictures))
    margin = 0.05 * (codes.amax(dim=0) - codes.amin(dim=0))
    low, high = codes.amin(dim=0) - margin, codes.amax(dim=0) + margin
    plane, mouse = explorable.locator("svg.sae-plane"), explorable.page.mouse
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    mouse.down()
    for across, up in [(0.2, 0.3), (0.5, 0.9), (0.8, 0.1), (0.05, 0.6), (1.5, 0.5)]:
        # Whole pixels, as a mouse gives them.
        at = round(box["x"] + across * box["width"]), round(box["y"] + (1 - up) * box["height"])
        mouse.move(*at)
        share = torch.tensor([(at[0] - box["x"]) / box["width"], 1 - (at[1] - box["y"]) / box["height"]])
        # Beyond the plane's edge there is no message.
        expect_message(explorable, friends, low + share.clamp(0, 1) * (high - low))
    mouse.up()


def test_a_digit_that_is_chosen_or_drawn_is_encoded_as_in_python(friends, published):
    model, pictures, _ = friends
    x = pictures.x
    widget = SecretMessage(model, pictures)
    explorable = published(widget)

    def expect_error(picture):
        assert abs(percent(explorable) - shares(picture, model(picture[None]).detach()[0], x.mean(dim=0))) < 0.51

    def code(picture):
        return model.encode(picture[None]).detach()[0]

    for choice in (0, 4, 9):
        explorable.get_by_role("radio").nth(choice).check()
        place = widget.samples[choice]
        # A digit is no neighbour of itself.
        expect_message(explorable, friends, code(x[place]), itself=place)
        expect_error(x[place])
    explorable.get_by_role("button").click()
    expect_message(explorable, friends, code(torch.zeros(64)))
    pad = explorable.locator("canvas.sae-pad")
    box = pad.bounding_box()
    mouse = explorable.page.mouse
    mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.2 * box["height"])
    mouse.down()
    mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.8 * box["height"], steps=5)
    mouse.up()
    # The focus is on the pad, but a pointer leaves no cursor in the picture. Ink comes in sixteenths.
    drawn = pixels(pad)
    assert 3 < drawn.sum() < 32
    drawn = (16 * drawn).round() / 16
    expect_message(explorable, friends, code(drawn))
    expect_error(drawn)


def test_the_network_computes_what_torch_does(page):
    tab = page("about:blank").page
    source = (ROOT / "saelib" / "widgets" / "explorables" / "network.js").read_text(encoding="utf-8")
    for widths in [(2, 1), (7, 11, 5, 3)]:
        model = saelib.Autoencoder(widths[0], widths[-1], widths[1:-1], seed=1)
        layers = [layer for layer in model.encoder if isinstance(layer, torch.nn.Linear)]
        x = torch.randn(5, widths[0], generator=torch.Generator().manual_seed(0))
        numbers = [[layer.weight.flatten().tolist(), layer.bias.tolist()] for layer in layers]
        found = tab.evaluate(
            """async ([source, numbers, inputs]) => {
                const { forward } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
                const floats = (list) => Float32Array.from(list);
                const layers = numbers.map(([weight, bias]) => ({ weight: floats(weight), bias: floats(bias) }));
                return inputs.map((x) => [...forward(layers, floats(x))]);
            }""",
            [source, numbers, x.tolist()],
        )
        torch.testing.assert_close(torch.tensor(found), model.encode(x).detach(), rtol=0, atol=1e-5)
