"""Photographs that come with scikit-image and scikit-learn, and small patches of them."""

import math
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from .. import checks
from ..streams import stream

# The files themselves, as scikit-image's own functions would download one that is missing.
_FILES = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "brick": ("skimage", "data/brick.png"),
    "camera": ("skimage", "data/camera.png"),
    "cat": ("skimage", "data/chelsea.png"),
    "china": ("sklearn", "datasets/images/china.jpg"),
    "coffee": ("skimage", "data/coffee.png"),
    "coins": ("skimage", "data/coins.png"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
    "grass": ("skimage", "data/grass.png"),
    "gravel": ("skimage", "data/gravel.png"),
    "rocket": ("skimage", "data/rocket.jpg"),
}
#: The names of the photographs that come with scikit-learn and scikit-image, for `photo`.
PHOTOS = tuple(_FILES)
_OTHERS = tuple(name for name in PHOTOS if name != "cat")
_GRAY = torch.tensor([0.2126, 0.7152, 0.0722])  # how bright red, green and blue look (ITU-R BT.709)


def photo(name: str) -> Tensor:
    """The photograph of that name, one of `PHOTOS`: (h, w, 3) float32 in [0, 1]; those in gray have three equal channels.

    Nothing is downloaded. "china" and "flower" are by danielbuechele and vultilion on flickr (CC BY 2.0); the others come
    with scikit-image.
    Raises ValueError for another name.
    """
    from PIL import Image  # for those who want photographs only

    _known("name", name)
    package, path = _FILES[name]
    with Image.open(folder_of(package) / path) as file:
        picture = file.convert("RGB")
        data = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
        return data.reshape(picture.height, picture.width, 3).to(torch.float32) / 255


def folder_of(package: str) -> Path:
    """Where the files of an installed package lie, without importing it. Raises ModuleNotFoundError for one that is not there."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no package {package!r} is installed", name=package)
    return Path(spec.origin).parent


def gray(picture: Tensor) -> Tensor:
    """The luminance of a colour picture, (h, w, 3) to (h, w). Raises ValueError for another shape or type."""
    if not isinstance(picture, Tensor) or not picture.is_floating_point() or picture.ndim != 3 or picture.shape[2] != 3:
        tensor = isinstance(picture, Tensor)
        got = f"has shape {tuple(picture.shape)}, {picture.dtype}" if tensor else f"is {type(picture).__name__}"
        raise ValueError(f"picture {got}; expected a floating-point tensor of shape (h, w, 3)")
    return picture @ _GRAY.to(picture)


def photo_patches(n: int, *, size: int = 8, names: Iterable[str] = _OTHERS, seed: int = 0) -> Tensor:
    """n random gray patches of size x size pixels from photographs, the mean of each subtracted: (n, size * size) float32.

    Positions are drawn with replacement, uniformly over all positions in all photographs, so that larger photographs give
    more. Without `names` they are all but the cat's.
    Raises ValueError for an n or size below 1, a size larger than a photograph, an unknown or no name.
    """
    n = checks.count("n", n)
    size = checks.count("size", size)
    generator = stream("photo patches", checks.seed(seed))
    names = _names(names)
    pictures = [gray(photo(name)) for name in names]
    checks.count("size", size, most=min(min(picture.shape) for picture in pictures), why="the shorter side of a photograph")
    windows = [picture.unfold(0, size, 1).unfold(1, size, 1) for picture in pictures]  # (rows, columns, size, size): no copy
    places = torch.tensor([window.shape[0] * window.shape[1] for window in windows])
    place = torch.randint(int(places.sum()), (n,), generator=generator)
    x = torch.empty(n, size * size)
    for window, end, count in zip(windows, places.cumsum(dim=0), places):
        own = ((place < end) & (place >= end - count)).nonzero().ravel()
        inside = place[own] - (end - count)
        x[own] = window[inside // window.shape[1], inside % window.shape[1]].reshape(len(own), size * size)
    return x - x.mean(dim=1, keepdim=True)


def patches(picture: Tensor, size: int) -> Tensor:
    """All patches of a gray picture that tile it, row by row: (h, w) to ((h // size) * (w // size), size * size).

    What is left over at the right and at the bottom is cut off.
    Raises ValueError where picture is no such tensor or has no room for a patch.
    """
    height, width = checks.matrix("picture", picture).shape
    size = checks.count("size", size, most=min(height, width), why="the shorter side of the picture")
    return picture.unfold(0, size, size).unfold(1, size, size).reshape(-1, size * size)


def from_patches(x: Tensor, width: int) -> Tensor:
    """The inverse of `patches`: the picture, without what was cut off.

    Args: x (n, size * size), floating point; width, of the picture in pixels.
    Raises ValueError where x is no such tensor or its patches don't fill rows of that width.
    """
    n, pixels = checks.matrix("x", x).shape
    size = math.isqrt(pixels)
    if size * size != pixels:
        raise ValueError(f"x has shape {tuple(x.shape)}; expected square patches: a square number of columns")
    columns = checks.count("width", width, least=size) // size
    if n % columns:
        raise ValueError(f"x has {n} patches; expected full rows of {columns}, as many as fit into a width of {width}")
    return x.reshape(n // columns, columns, size, size).transpose(1, 2).reshape(n // columns * size, columns * size)


def _known(argument: str, name: object) -> None:
    if not isinstance(name, str) or name not in _FILES:
        raise ValueError(f"{argument} is {name!r}; expected one of {', '.join(PHOTOS)}")


def _names(names: object) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise ValueError(f"names is {names!r}; expected a list of some of {', '.join(PHOTOS)}")
    names = tuple(names)
    for place, name in enumerate(names):
        _known(f"names[{place}]", name)
    if not names:
        raise ValueError(f"names is empty; expected some of {', '.join(PHOTOS)}")
    return names
