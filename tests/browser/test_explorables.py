"""The explorables: on every published page by what they all promise, and two of them against the Python that they repeat."""

import re

import pytest
import saelib
import torch
from explorables import ALL, BUSY, CLOSE, FULL, labels, number, percent, pixels, readout, shares
from pages import CHAPTERS, ROOT, hash_of, settle, widgets
from playwright.sync_api import expect
from promises import *  # noqa: F403
from saelib.widgets import HowFewBricks, SecretMessage


@pytest.fixture(params=CHAPTERS)
def explorables(request, page, server, site):
    """A function that opens a chapter in a fresh profile and gives the page and all its explorables."""
    chapter = request.param

    def opened(hash="", **options):
        tab = page(f"{server}/{chapter}.html{hash}", **options).page
        settle(tab)
        found = tab.locator(ALL).all()
        assert len(found) == sum("prediction" in state and "late" not in state for state in widgets(site / f"{chapter}.html"))
        return tab, found

    return opened


def test_the_address_brings_back_what_was_seen(explorables):
    tab, found = explorables()
    before = [readout(explorable) for explorable in found]
    for explorable in found:
        for control in explorable.locator("input[type=range]").all() or [explorable.get_by_role("radio", checked=True).first]:
            control.focus()
            for key in ["Home", "ArrowRight"]:
                tab.keyboard.press(key)
    # What goes on by itself when a slider is let go, has to come to its end.
    expect(tab.locator(BUSY)).to_have_count(0, timeout=30_000)
    there = [(readout(explorable), pixels(explorable.locator("canvas"))) for explorable in found]
    assert all(words != old for (words, _), old in zip(there, before))
    _, again = explorables(hash_of(tab))
    for explorable, (words, picture) in zip(again, there):
        assert readout(explorable) == words
        # An address is to be short: its numbers may be rounded. (What draws no pictures has said it all in words.)
        assert torch.allclose(pixels(explorable.locator("canvas")), picture, rtol=0, atol=0.02)


# What the pages compute, against saelib. Little training is enough: any weights will do.


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
                assert labels(used) == names
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
    named = [number(text) for text in re.findall(r"−?\d+\.\d", numbers)]
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
