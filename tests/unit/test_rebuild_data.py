"""What *Rebuild the cat* carries to the page, how little it weighs, and what it refuses."""

import gzip

import numpy as np
import pytest
import torch
from hostile import refusal
from saelib import Drawers, SparseAutoencoder, TopK, data, metrics
from saelib.widgets import Rebuild
from saelib.widgets.base import javascript

PLACES = {"a corner": (0, 0), "a place": (2, 1)}


def box(sizes=(12, 8, 4), d_in=64, seed=0):
    return SparseAutoencoder(d_in, sum(sizes), Drawers(sizes), seed=seed)


@pytest.fixture(scope="module")
def picture():
    return torch.rand(26, 43, 3, generator=torch.Generator().manual_seed(0))


def unpack(widget):
    """The bricks, and the features and strengths of each drawer and patch."""
    rows, columns, size, drawers = widget.shape
    side, n = size * size, rows * columns
    numbers = torch.tensor(np.frombuffer(widget.numbers, "<f4"))
    offset, largest, full = numbers[:side], numbers[side:-1, None], numbers[-1]
    bricks = torch.tensor(np.frombuffer(widget.bricks, np.int8)).float().view(-1, side) * largest / 127
    place = torch.tensor(np.frombuffer(widget.codes, "<u2", drawers * n).astype(int)).view(drawers, n)
    strength = torch.tensor(np.frombuffer(widget.codes, "<i2", drawers * n, 2 * drawers * n).astype(np.float32)).view(drawers, n)
    return offset, bricks, place, strength * full / 32767


def test_it_carries_what_rebuilds_every_patch(picture):
    sae = box()
    widget = Rebuild(sae, picture, PLACES, alt="noise")
    offset, bricks, place, strength = unpack(widget)
    assert widget.shape == [3, 5, 8, 3] and widget.places == [["a corner", 0, 0], ["a place", 2, 1]]
    x = data.patches(data.gray(picture), 8)
    x = x - x.mean(dim=1, keepdim=True)
    codes = sae.encode(x).detach()
    for k, end in enumerate((12, 20, 24), start=1):
        copy = offset + sum(strength[j, :, None] * bricks[place[j]] for j in range(k))
        torch.testing.assert_close(copy, (codes[:, :end] @ sae.W_dec[:end] + sae.b_dec).detach(), rtol=0, atol=0.02)
    assert torch.equal(torch.tensor(widget.features)[place[0]], codes[:, :12].abs().argmax(dim=1))
    assert np.frombuffer(widget.photo, np.uint8).reshape(24, 40, 3)[5, 7].tolist() == (255 * picture[5, 7]).round().tolist()


def test_the_cat_costs_a_phone_less_than_900_kilobytes():
    # Untrained bricks are as hard to compress as any.
    sae = box((512, 256, *[128] * 6))
    widget = Rebuild(sae, data.photo("cat"), PLACES, alt="A cat.")
    assert sum(len(gzip.compress(part)) for part in (widget.photo, widget.bricks, widget.codes, widget.numbers)) < 700_000
    assert len(gzip.compress(javascript("explorables/rebuild.js").encode())) < 8_000
    # And rounding costs the copy nothing that could be seen.
    offset, bricks, place, strength = unpack(widget)
    x = data.patches(data.gray(data.photo("cat")), 8)
    x = x - x.mean(dim=1, keepdim=True)
    with torch.no_grad():
        exact = sae(x)
    assert metrics.psnr(exact, offset + sum(strength[j, :, None] * bricks[place[j]] for j in range(8))) > 50


@pytest.mark.parametrize(
    "change, words",
    [
        ({"sae": None}, "sae is of type NoneType"),
        ({"sae": SparseAutoencoder(64, 9, TopK(2))}, "with Drawers"),
        ({"sae": box(d_in=60)}, "sae has d_in = 60"),
        ({"picture": torch.rand(26, 43)}, "picture has shape (26, 43)"),
        ({"picture": torch.full((26, 43, 3), float("nan"))}, "picture"),
        ({"picture": torch.rand(6, 43, 3)}, "size is 8"),
        ({"places": {}}, "places is {}"),
        ({"places": {"x": (3, 0)}}, "the row of 'x' in places is 3"),
        ({"places": {"x": (0, 5)}}, "the column of 'x' in places is 5"),
        ({"start": 4}, "start is 4"),
    ],
)
def test_it_refuses_what_does_not_fit(picture, change, words):
    assert words in refusal(lambda: Rebuild(**{"sae": box(), "picture": picture, "places": PLACES, "alt": "noise", **change}))
