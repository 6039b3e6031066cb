"""*Rebuild the cat*: what all explorables promise, and its numbers and pixels against Python's."""

import re

import pytest
import torch
from explorables import labels, pixels, readout, seen
from pages import PHONE, WIDE, barriers, fits, hash_of
from playwright.sync_api import expect
from promises import *  # noqa: F403
from saelib import Drawers, SparseAutoencoder, data, metrics, train
from saelib.widgets import Rebuild

SIZES = (64, 48, 32, 32)
PLACES = {"an eye": (12, 17), "an ear": (3, 47), "a whisker": (29, 12)}
PIXELS = """canvas => Array.from(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data)"""


@pytest.fixture(scope="module")
def sae():
    sae = SparseAutoencoder(64, sum(SIZES), Drawers(SIZES))
    train(sae, data.photo_patches(4000), steps=80, batch_size=128, lr=5e-3, seed=0, progress=False)
    return sae


@pytest.fixture(scope="module")
def address(sae, served):
    """Where a page with nothing but the explorable stands."""
    return served(Rebuild(sae, data.photo("cat"), PLACES, alt="A cat that looks at you."))


def copies(sae):
    """The patches of the cat less their means, and what the first k drawers make of them, for each k."""
    x = data.patches(data.gray(data.photo("cat")), 8)
    x = x - x.mean(dim=1, keepdim=True)
    codes = sae.encode(x).detach()
    ends = (0, *sae.sparsity.prefixes(sae.d_sae))
    return x, codes, [(codes[:, :end] @ sae.W_dec[:end] + sae.b_dec).detach() for end in ends]


def test_it_rebuilds_as_python_does(sae, explorables):
    _, (explorable,) = explorables()
    x, codes, made = copies(sae)
    slider = explorable.get_by_role("slider", name="Bricks a patch")
    for name, (row, column) in PLACES.items():
        patch = row * 56 + column
        explorable.get_by_role("radio", name=name).check()
        for k in range(5):
            slider.fill(str(k))
            decibels, share = re.findall(r"[\d.]+(?= dB)|\d+(?=%)", readout(explorable))
            assert abs(float(decibels) - metrics.psnr(x, made[k])) < 0.06
            detail = 1 - (x[patch] - made[k][patch]).square().sum() / x[patch].square().sum()
            assert abs(int(share) - 100 * max(0, detail.item())) < 1
            starts = (0, *sae.sparsity.prefixes(0))[:k]
            parts = [part[patch] for part in codes.split(SIZES, dim=1)][:k]
            names = [f"brick {start + int(part.abs().argmax())}, on at {part.abs().max():.2f}" for start, part in zip(starts, parts)]
            assert labels(explorable.locator(".sae-brick")) == names
            # A brick that takes part with a minus is shown turned over, its largest number in full colour.
            winners = [start + int(part.abs().argmax()) for start, part in zip(starts, parts)]
            turned = sae.W_dec[winners].detach() * codes[patch, winners].sign()[:, None]
            drawn = pixels(explorable.locator(".sae-brick canvas"))
            wanted = (turned / turned.abs().amax(dim=1, keepdim=True)).flatten()
            assert len(drawn) == len(wanted) and (k == 0 or (drawn - wanted).abs().max() < 0.01)


def test_the_copy_is_as_bright_as_pythons_pixel_by_pixel(sae, explorables):
    _, (explorable,) = explorables()
    x, _, made = copies(sae)
    explorable.get_by_role("slider").fill("3")
    drawn = torch.tensor(explorable.locator(".sae-pick").evaluate(PIXELS)).view(296, 448, 4)
    light = data.patches(data.gray(data.photo("cat")), 8)
    wanted = data.from_patches(light - x + made[3], 448)
    brightness = data.gray(drawn[..., :3].float() / 255)
    # Not where a colour runs out of room, nor under the frame of the patch that is looked at.
    free = ((drawn[..., :3] > 0) & (drawn[..., :3] < 255)).all(dim=2)
    row, column = 8 * PLACES["an eye"][0], 8 * PLACES["an eye"][1]
    free[row - 8 : row + 16, column - 8 : column + 16] = False
    assert free.double().mean() > 0.9
    assert (brightness - wanted)[free].abs().max() < 0.01


def test_a_place_is_picked_by_click_by_arrows_and_by_space(sae, explorables):
    tab, (explorable,) = explorables()
    x, _, made = copies(sae)
    label, copy = explorable.locator(".sae-label").first, explorable.locator(".sae-pick")
    copy.scroll_into_view_if_needed()
    box = copy.bounding_box()
    tab.mouse.click(box["x"] + box["width"] * 30.5 / 56, box["y"] + box["height"] * 20.5 / 37)
    expect(label).to_contain_text("row 21, column 31,")
    assert explorable.get_by_role("group", name="Look at").locator("input:checked").count() == 0
    copy.focus()
    for key in ("ArrowLeft", "ArrowUp", "ArrowUp", "ArrowRight", "ArrowRight"):
        tab.keyboard.press(key)
    expect(label).to_contain_text("row 19, column 32,")
    tab.keyboard.press("Space")
    worst = int((x - made[2]).square().sum(dim=1).argmax())
    expect(label).to_contain_text(f"row {worst // 56 + 1}, column {worst % 56 + 1},")
    explorable.get_by_role("radio", name="an ear").check()
    expect(label).to_contain_text("row 4, column 48,")
    copy.focus()
    for _ in range(6):
        tab.keyboard.press("ArrowUp")
    expect(label).to_contain_text("row 1, column 48,")


@pytest.mark.parametrize("options", [WIDE, PHONE])
def test_it_fits_the_window_and_bars_nobody(explorables, options):
    tab, _ = explorables(**options)
    for k in (0, 4):
        tab.get_by_role("slider").fill(str(k))
        assert fits(tab)
    assert barriers(tab) == []


def test_the_address_brings_back_what_was_seen(explorables):
    tab, (explorable,) = explorables()
    explorable.get_by_role("slider").fill("3")
    explorable.get_by_role("radio", name="a whisker").check()
    explorable.get_by_role("radio", name="what is missing").check()
    there = seen(explorable), readout(explorable)
    _, (again,) = explorables(hash_of(tab))
    assert readout(again) == there[1] and again.get_by_role("radio", name="what is missing").is_checked()


@pytest.mark.parametrize("hash", ["#rebuild=9.1.0", "#rebuild=1.2072.0", "#rebuild=1.1.3", "#rebuild=1.x.0", "#rebuild=1.1", "#rebuild="])
def test_an_address_that_fits_nothing_changes_nothing(explorables, hash):
    _, (start,) = explorables()
    words = readout(start)
    _, (again,) = explorables(hash)
    assert readout(again) == words
