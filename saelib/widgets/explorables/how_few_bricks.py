"""The explorable *How few bricks?*: a picture reconstructed from its k strongest features, of a small or a large dictionary."""

from collections.abc import Sequence

import traitlets
from torch import Tensor

from ... import checks
from ...data import Pictures
from ...models import SparseAutoencoder
from ..base import javascript
from .explorable import Explorable, floats, picture_rows, plain_codes


class HowFewBricks(Explorable):
    """Choose a picture and a dictionary, set k, and see which features reconstruct it and what error is left.

    Args: saes, sparse autoencoders on the same pictures, the smallest dictionary first; pictures, those to choose from; mean
    (d_in,), the mean picture, whose error is the baseline; k, the most features that the slider allows; start, where the
    slider is at first (at 0, no feature gives away what the reader is asked to guess); first, which of the pictures is shown
    at first.
    Raises ValueError for shapes that do not fit each other.
    """

    _esm = javascript("explorables/how_few_bricks.js")
    boxes = traitlets.List().tag(sync=True)  # for each of saes: d_sae
    labels = traitlets.List().tag(sync=True)
    k = traitlets.Int().tag(sync=True)
    start = traitlets.Int().tag(sync=True)
    first = traitlets.Int().tag(sync=True)
    # The mean and the pictures; then for each of saes b_dec, W_dec, and the pictures' codes.
    numbers = traitlets.Bytes().tag(sync=True)

    def __init__(self, saes: Sequence[SparseAutoencoder], pictures: Pictures, *, mean: Tensor, k: int, start: int, first: int = 0):
        if not saes:
            raise ValueError("saes is empty; expected at least one SparseAutoencoder")
        x = picture_rows(pictures, saes[0].d_in)
        if mean.shape != x.shape[1:]:
            raise ValueError(f"mean has shape {tuple(mean.shape)}; expected {tuple(x.shape[1:])}, one number a pixel")
        numbers = [mean, x]
        for i, sae in enumerate(saes):
            numbers += [sae.b_dec, sae.W_dec, plain_codes(f"saes[{i}]", sae, x)]
        super().__init__(
            title="How few bricks?",
            prediction="How few bricks would do, for you to still read the digit? Make a guess, then drag.",
            caption="On a brick, orange is ink that it adds and blue ink that it takes away; # is its number, × and the bar say how strongly it "
            "is used. An error of 0% is a perfect copy; 100% is what answering with the average digit would give.",
            boxes=[sae.d_sae for sae in saes],
            labels=pictures.label.tolist(),
            k=checks.count("k", k, most=min(sae.d_sae for sae in saes), why="the size of the smallest dictionary"),
            start=checks.count("start", start, least=0, most=k),
            first=checks.count("first", first, least=0, most=len(x) - 1),
            numbers=floats(*numbers),
        )
