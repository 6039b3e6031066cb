"""Cartoon cats: drawings whose parts are known, each with its true pixels."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .. import checks
from ..streams import stream

Layers = list[tuple[Tensor, float]]  # where a drawing puts ink, from the lowest layer to the topmost, and how much of it

SIZES = (32, 48)  # in between, the edges of two parts may share a pixel
FINE = 8  # points to the side of a pixel, in each of which it is settled whether there is ink
SHADES = 16  # ink comes in sixteenths, as in the digits
PLACES = (0.0, 1.0, -1.0)  # how far towards the nose an eye may be, in 32nds of the picture: pixels where size is 32
STAYS = PLACES[:1]
LINE, FUR, SHADE = 0.875, 0.1875, 0.4375  # the ink of an outline, of the head, and of what is a little darker


class Cats(NamedTuple):
    """Drawings of cats, and where in each of them every part is.

    images: (n, size * size) float32 in [0, 1], a drawing a row; 0 is blank paper, 1 is full ink, and ink comes in sixteenths.
    masks: (n, parts, size, size) bool, the pixels that would differ without the part; all False where a cat lacks it.
    shapes, places: (n, parts) int64, which of its shapes a part has and where it is, see `cartoon_cats`; -1 for none.
    parts: the names of the ten parts. Left and right are those of the picture, not of the cat.
    """

    images: Tensor
    masks: Tensor
    shapes: Tensor
    places: Tensor
    parts: tuple[str, ...]


def cartoon_cats(n: int, *, size: int = 32, present: float = 0.45, seed: int = 0) -> Cats:
    """n cats of size x size pixels. All have the same head; every other part is present or not, independently and at random.

    A part that is present has one of three shapes: an ear is pointed (0), round (1) or turned to the side (2); those of the
    others are listed in `saelib.data.cartoons.SHAPES`. An eye is also in one of three places: its usual one (0), or a 32nd of
    the picture nearer to the nose (1) or further from it (2); all other parts stay where they are (0). Shape and place are
    drawn uniformly, for each part independently. No part covers another, so that a drawing is the head plus its parts,
    exactly.

    Args: present, the probability that a part is present. The same seed gives the same cats.
    Raises ValueError for an n below 1, a size other than 32 and 48, a present outside [0, 1], or a seed that is none.
    """
    n = checks.count("n", n)
    if isinstance(size, bool) or size not in SIZES:
        raise ValueError(f"size is {size!r}; expected one of {', '.join(map(str, SIZES))}")
    present = checks.number("present", present, least=0, most=1)
    generator = stream("cartoon cats", checks.seed(seed))
    there = torch.rand(n, len(PARTS), generator=generator) < present
    shapes = torch.randint(3, (n, len(PARTS)), generator=generator)
    places = torch.stack([torch.randint(len(_how(name)[1]), (n,), generator=generator) for name in PARTS], dim=1)
    head, parts = _drawn(size)
    images = head.expand(n, -1, -1).clone()
    masks = torch.empty(n, len(PARTS), size, size, dtype=torch.bool)
    for part in range(len(PARTS)):
        own = parts[part, shapes[:, part], places[:, part]] * there[:, part, None, None]
        images += own
        masks[:, part] = own != 0
    return Cats(images.reshape(n, -1), masks, shapes.where(there, -1), places.where(there, -1), PARTS)


@functools.cache
def _drawn(size: int) -> tuple[Tensor, Tensor]:
    """The bare head, (size, size), and what each part adds to it: (parts, shapes, places, size, size), 0 where it can't be."""
    grid = (torch.arange(size * FINE) + 0.5) * 32 / (size * FINE)
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    head = _head(x, y)

    def scene(behind: Layers, before: Layers) -> Tensor:
        ink = torch.zeros_like(x)
        for where, shade in behind + head + before:
            ink = torch.where(where, shade, ink)
        pixels = ink.reshape(size, FINE, size, FINE).mean(dim=(1, 3))
        return (pixels * SHADES).round() / SHADES

    bare = scene([], [])
    parts = torch.zeros(len(PARTS), 3, len(PLACES), size, size)
    for part, name in enumerate(PARTS):
        draw, places, behind = _how(name)
        for shape in range(3):
            for place, shift in enumerate(places):
                layers = draw(shape, (32 - x if name.startswith("right ") else x) - shift, y)
                parts[part, shape, place] = (scene(layers, []) if behind else scene([], layers)) - bare
    return bare, parts


def _how(name: str) -> "How":
    """What `_DRAW` says of a part."""
    return _DRAW[name.removeprefix("left ").removeprefix("right ")]


# Forms: where a point is within them. Lengths are 32nds of the picture; x goes to the right and y down.


def _ellipse(x: Tensor, y: Tensor, across: float, down: float, wide: float, high: float) -> Tensor:
    return ((x - across) / wide) ** 2 + ((y - down) / high) ** 2 <= 1


def _stroke(x: Tensor, y: Tensor, points: list[tuple[float, float]], width: float) -> Tensor:
    """A line of that width through the points, with round ends."""
    near = torch.zeros_like(x, dtype=torch.bool)
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        along = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2)
        along = along.clamp(0, 1)
        near |= (x - x0 - along * (x1 - x0)) ** 2 + (y - y0 - along * (y1 - y0)) ** 2 <= (width / 2) ** 2
    return near


def _inside(x: Tensor, y: Tensor, points: list[tuple[float, float]]) -> Tensor:
    """Within the polygon with these corners."""
    within = torch.zeros_like(x, dtype=torch.bool)
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1]):
        if y0 != y1:
            crossed = ((y0 <= y) != (y1 <= y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
            within ^= crossed
    return within


def _curve(*points: tuple[float, float], steps: int = 10) -> list[tuple[float, float]]:
    """Points on the smooth curve that starts at the first, is drawn towards the second, and ends at the third."""
    (x0, y0), (x1, y1), (x2, y2) = points
    share = [step / steps for step in range(steps + 1)]
    return [((1 - t) ** 2 * x0 + 2 * t * (1 - t) * x1 + t**2 * x2, (1 - t) ** 2 * y0 + 2 * t * (1 - t) * y1 + t**2 * y2) for t in share]


def _outlined(x: Tensor, y: Tensor, corners: list[tuple[float, float]], width: float, shade: float) -> Layers:
    return [(_inside(x, y, corners), shade), (_stroke(x, y, corners + corners[:1], width), LINE)]


# The head and its parts, each in three shapes.


def _head(x: Tensor, y: Tensor) -> Layers:
    def form(margin: float) -> Tensor:
        wide, high = 10.6 - margin, 8.9 - margin
        return (((x - 16).abs() / wide) ** 2.3 + ((y - 17.6).abs() / high) ** 2.3) <= 1

    return [(form(0), LINE), (form(0.95), FUR)]


def _ear(shape: int, x: Tensor, y: Tensor) -> Layers:
    if shape == 0:  # pointed
        outer = _curve((8.4, 12.0), (7.6, 6.0), (9.4, 0.9)) + _curve((9.4, 0.9), (12.6, 4.2), (14.2, 9.6))
        inner = [(9.4, 8.6), (9.8, 3.6), (12.4, 8.2)]
        return _outlined(x, y, outer, 1.0, FUR) + [(_inside(x, y, inner), SHADE)]
    if shape == 1:  # round
        return [(_ellipse(x, y, 6.4, 7.9, 3.7, 3.7), LINE), (_ellipse(x, y, 6.4, 7.9, 2.7, 2.7), FUR), (_ellipse(x, y, 6.6, 8.1, 1.5, 1.5), SHADE)]
    outer = _curve((8.2, 11.0), (4.4, 9.2), (0.7, 11.9)) + _curve((0.7, 11.9), (2.8, 15.4), (6.8, 16.2))  # turned to the side
    return _outlined(x, y, outer, 1.0, FUR) + [(_inside(x, y, [(2.9, 12.2), (5.6, 11.6), (5.2, 14.4)]), SHADE)]


def _eye(shape: int, x: Tensor, y: Tensor) -> Layers:
    if shape == 2:  # closed, and content
        return [(_stroke(x, y, _curve((8.2, 17.4), (10.1, 13.6), (12.0, 17.4)), 1.2), 1.0)]
    if shape == 1:  # a slit
        white = [(_ellipse(x, y, 10.5, 16.5, 2.3, 2.4), LINE), (_ellipse(x, y, 10.5, 16.5, 1.8, 1.8), 0.0)]
        return [*white, (_stroke(x, y, [(10.5, 15.5), (10.5, 17.5)], 1.0), 1.0)]
    glints = _ellipse(x, y, 9.3, 15.6, 0.85, 0.85) | _ellipse(x, y, 11.1, 17.5, 0.4, 0.4)
    return [(_ellipse(x, y, 10.2, 16.5, 2.3, 2.6), 1.0), (glints, 0.0)]


def _nose(shape: int, x: Tensor, y: Tensor) -> Layers:
    if shape == 0:  # a triangle
        return [(_inside(x, y, [(13.6, 19.0), (18.4, 19.0), (16.6, 21.9), (15.4, 21.9)]), LINE)]
    if shape == 1:  # a button
        return [(_ellipse(x, y, 16, 19.5, 2.2, 1.9), LINE), (_ellipse(x, y, 16, 19.5, 1.3, 1.0), 0.0)]
    nostrils = _ellipse(x, y, 14.5, 20.1, 1.2, 1.2) | _ellipse(x, y, 17.5, 20.1, 1.2, 1.2)
    return [(nostrils, 1.0)]


def _mouth(shape: int, x: Tensor, y: Tensor) -> Layers:
    halves = [_curve((12.4, 23.0), (14.4, 25.6), (16.0, 23.1)), _curve((16.0, 23.1), (17.6, 25.6), (19.6, 23.0))]
    smile = _stroke(x, y, halves[0] + halves[1], 0.8)
    if shape == 0:  # a smile
        return [(smile, LINE)]
    if shape == 1:  # the tongue out
        tongue = [(14.8, 22.9), *_curve((14.8, 24.4), (16.0, 26.6), (17.2, 24.4)), (17.2, 22.9)]
        return [*_outlined(x, y, tongue, 0.6, SHADE), (_stroke(x, y, [(13.4, 22.7), (18.6, 22.7)], 0.8), LINE)]
    return [(_ellipse(x, y, 16, 23.8, 1.7, 1.7), 1.0), (_ellipse(x, y, 16, 24.4, 0.8, 0.7), SHADE)]  # a miaow


def _whiskers(shape: int, x: Tensor, y: Tensor) -> Layers:
    if shape == 0:  # three straight ones
        lines = [[(8.2, 20.9), (1.4, 19.0)], [(8.2, 21.7), (1.2, 21.9)], [(8.2, 22.6), (1.6, 24.8)]]
    elif shape == 1:  # three that hang
        lines = [_curve((7.8, 22.7 + 0.9 * down), (4.4, 21.2 + 1.6 * down), (1.6, 23.6 + 1.9 * down)) for down in range(3)]
    else:  # two that curl up
        lines = [_curve((7.4, 19.6 + down), (3.4, 21.6 + 1.3 * down), (1.5, 17.8 + 1.6 * down)) for down in (0.0, 1.8)]
    near = torch.zeros_like(x, dtype=torch.bool)
    for line in lines:
        near |= _stroke(x, y, line, 0.6)
    return [(near, LINE)]


def _marking(shape: int, x: Tensor, y: Tensor) -> Layers:
    if shape == 0:  # three stripes
        lines = [[(12.9, 10.8), (13.6, 13.0)], [(16.0, 10.6), (16.0, 14.0)], [(19.1, 10.8), (18.4, 13.0)]]
        return [(_stroke(x, y, line, 1.1), 1.0) for line in lines]
    if shape == 1:  # a star
        star = [(16, 9.8), (16.9, 11.6), (19.2, 12.2), (16.9, 12.8), (16, 14.8), (15.1, 12.8), (12.8, 12.2), (15.1, 11.6)]
        return _outlined(x, y, star, 0.7, 0.0)
    return [(_ellipse(x, y, 13.0, 11.7, 2.2, 1.5), 0.75)]  # a dark spot


def _collar(shape: int, x: Tensor, y: Tensor) -> Layers:
    if shape == 0:  # a bow
        wings = [[(16, 28.9), (11.6, 27.2), (11.6, 30.8)], [(16, 28.9), (20.4, 27.2), (20.4, 30.8)]]
        return [layer for wing in wings for layer in _outlined(x, y, wing, 0.7, SHADE)] + [(_ellipse(x, y, 16, 28.9, 1.2, 1.2), LINE)]
    if shape == 1:  # a bell
        band = _stroke(x, y, _curve((9.8, 27.2), (16, 29.6), (22.2, 27.2)), 1.2)
        bell = [
            (_ellipse(x, y, 16, 29.6, 1.9, 1.9), LINE),
            (_ellipse(x, y, 16, 29.6, 1.2, 1.2), FUR),
            (_stroke(x, y, [(16, 29.9), (16, 30.8)], 0.6), LINE),
        ]
        return [(band, LINE), *bell]
    return _outlined(x, y, [(10.2, 27.0), (21.8, 27.0), (13.6, 31.4)], 0.6, SHADE)  # a kerchief


# How a part is drawn, where it may be, and whether it lies behind the head.
How = tuple[Callable[[int, Tensor, Tensor], Layers], tuple[float, ...], bool]
_DRAW: dict[str, How] = {
    "ear": (_ear, STAYS, True), "eye": (_eye, PLACES, False), "nose": (_nose, STAYS, False), "mouth": (_mouth, STAYS, False),
    "whiskers": (_whiskers, STAYS, False), "marking": (_marking, STAYS, False), "collar": (_collar, STAYS, True),
}  # fmt: skip
SHAPES = {
    "ear": ("pointed", "round", "sideways"), "eye": ("open", "slit", "closed"), "nose": ("triangle", "button", "snub"),
    "mouth": ("smile", "tongue out", "miaow"), "whiskers": ("straight", "hanging", "curled"),
    "marking": ("stripes", "star", "spot"), "collar": ("bow", "bell", "kerchief"),
}  # fmt: skip
PARTS = (
    "left ear", "right ear", "left eye", "right eye", "nose", "mouth", "left whiskers", "right whiskers", "marking", "collar",
)  # fmt: skip
