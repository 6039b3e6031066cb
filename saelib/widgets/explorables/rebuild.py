"""The explorable *Rebuild the cat*: a photograph reconstructed from a few features for each of its patches."""

from collections.abc import Mapping

import torch
import traitlets
from torch import Tensor

from ... import checks
from ...data import gray, patches
from ...models import SparseAutoencoder
from ...sparsity import Drawers
from ..base import javascript
from .explorable import Explorable, explorable_style, floats


class Rebuild(Explorable):
    """Set k, and a photograph is reconstructed patch by patch, from one feature of each of the first k groups of `Drawers`.

    Features reconstruct the luminance of a patch of size x size pixels, its mean subtracted. The mean is kept apart, and so
    is the mean colour, which the page interpolates from one patch to the next.

    Args: sae, a SparseAutoencoder with `Drawers`, on patches of a square number of pixels; picture (h, w, 3) in [0, 1];
    places, the names of what is worth looking at, each with the row and the column of its patch; alt, what the picture shows;
    start, the k at first.
    Raises ValueError for a model of another kind, a picture that is none, or a place that lies outside of it.
    """

    _esm = javascript("explorables/rebuild.js")
    _css = explorable_style("rebuild.css")
    alt = traitlets.Unicode().tag(sync=True)
    shape = traitlets.List().tag(sync=True)  # rows and columns of patches, pixels along a patch's side, drawers
    places = traitlets.List().tag(sync=True)  # for each: its name, row and column
    start = traitlets.Int().tag(sync=True)
    features = traitlets.List().tag(sync=True)  # those that are active at all, by their indices in the model
    numbers = traitlets.Bytes().tag(sync=True)  # b_dec, the largest number in each decoder row, the activation that counts as 32767
    photo = traitlets.Bytes().tag(sync=True)  # red, green and blue of each pixel, a byte each
    bricks = traitlets.Bytes().tag(sync=True)  # decoder rows, in 127ths of their largest number, a signed byte each
    # For each drawer and patch: the place of its feature in `features` (uint16), and then all activations (int16), little-endian.
    codes = traitlets.Bytes().tag(sync=True)

    def __init__(self, sae: SparseAutoencoder, picture: Tensor, places: Mapping[str, tuple[int, int]], *, alt: str, start: int = 2):
        if not isinstance(sae, SparseAutoencoder) or not isinstance(sae.sparsity, Drawers):
            raise ValueError(f"sae is of type {type(sae).__name__}; expected a SparseAutoencoder with Drawers")
        size = round(sae.d_in**0.5)
        if size * size != sae.d_in:
            raise ValueError(f"sae has d_in = {sae.d_in}; expected a square number, the pixels of a patch")
        light = gray(picture)
        checks.finite("picture", light)
        x = patches(light, size)
        rows, columns = light.shape[0] // size, light.shape[1] // size
        if not isinstance(places, Mapping) or not places:
            raise ValueError(f"places is {places!r}; expected at least one name with the row and the column of its patch")
        for name, (row, column) in places.items():
            checks.count(f"the row of {name!r} in places", row, least=0, most=rows - 1, why="the last row of patches")
            checks.count(f"the column of {name!r} in places", column, least=0, most=columns - 1, why="the last column of patches")
        with torch.no_grad():
            codes = sae.encode(x - x.mean(dim=1, keepdim=True))
            parts = codes.split(sae.sparsity.sizes, dim=1)
            place = torch.stack([part.abs().argmax(dim=1) for part in parts])  # (drawers, patches), within a drawer
            strength = torch.stack([part.gather(1, own[:, None])[:, 0] for part, own in zip(parts, place)])
            place += torch.tensor((0, *sae.sparsity.prefixes(sae.d_sae)[:-1]))[:, None]
            features, place = place.unique(return_inverse=True)
            full = strength.abs().max().clamp_min(1e-12)
            brick = sae.W_dec[features]
            largest = brick.abs().amax(dim=1).clamp_min(1e-12)
        pixels = (255 * picture[: rows * size, : columns * size].clamp(0, 1)).round().to(torch.uint8)
        super().__init__(
            title="Rebuild the cat",
            prediction="With two bricks a patch the cat is there, and something is not. What goes at one brick, and at none: is it still a "
            "cat? And how many bring the whiskers back? Guess, then drag.",
            caption="Each patch of 8 × 8 pixels gets as many bricks as the slider says, one out of each drawer; its mean brightness and "
            "its mean colour come for free. On a brick, orange is light that it adds and blue light that it takes away. Click a "
            "place in the copy, or move with the arrow keys, to see the bricks that it is made of; the space bar leads to the patch "
            "that is missed most.",
            alt=alt,
            shape=[rows, columns, size, len(parts)],
            places=[[name, row, column] for name, (row, column) in places.items()],
            start=checks.count("start", start, least=0, most=len(parts), why="the number of drawers"),
            features=features.tolist(),
            numbers=floats(sae.b_dec, largest, full),
            photo=pixels.numpy().tobytes(),
            bricks=(127 * brick / largest[:, None]).round().to(torch.int8).numpy().tobytes(),
            codes=place.numpy().astype("<u2").tobytes() + (32767 * strength / full).round().numpy().astype("<i2").tobytes(),
        )
