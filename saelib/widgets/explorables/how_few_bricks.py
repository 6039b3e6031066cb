"""The explorable *How few bricks?*: a picture rebuilt from its k strongest bricks, out of a poor box or a rich one."""

from collections.abc import Sequence

import traitlets
from torch import Tensor

from ... import checks
from ...data import Pictures
from ...models import SparseAutoencoder
from ..base import javascript
from .explorable import Explorable, floats, picture_rows, plain_codes


class HowFewBricks(Explorable):
    """Choose a picture and a box, drag k, and see which bricks rebuild it and what is still missing.

    Args: boxes, sparse autoencoders on the same pictures, poorest first; pictures, those to choose from; mean (d_in,),
    the average picture, which the error is measured against; k, the most bricks that the slider allows; start, where the
    slider stands at first (at 0, no brick gives away what the reader is asked to guess), and first, which of the pictures is shown.
    Raises ValueError for shapes that do not fit each other.
    """

    _esm = javascript("explorables/how_few_bricks.js")
    boxes = traitlets.List().tag(sync=True)  # for each box: how many bricks it holds
    labels = traitlets.List().tag(sync=True)
    k = traitlets.Int().tag(sync=True)
    start = traitlets.Int().tag(sync=True)
    first = traitlets.Int().tag(sync=True)
    # The mean and the pictures; then for each box its offset, its bricks, and the pictures' codes.
    numbers = traitlets.Bytes().tag(sync=True)

    def __init__(self, boxes: Sequence[SparseAutoencoder], pictures: Pictures, *, mean: Tensor, k: int, start: int, first: int = 0):
        if not boxes:
            raise ValueError("boxes is empty; expected at least one SparseAutoencoder")
        x = picture_rows(pictures, boxes[0].d_in)
        if mean.shape != x.shape[1:]:
            raise ValueError(f"mean has shape {tuple(mean.shape)}; expected {tuple(x.shape[1:])}, one number a pixel")
        numbers = [mean, x]
        for i, box in enumerate(boxes):
            numbers += [box.b_dec, box.W_dec, plain_codes(f"boxes[{i}]", box, x)]
        super().__init__(
            title="How few bricks?",
            prediction="How few bricks would do, for you to still read the digit? Make a guess, then drag.",
            caption="On a brick, orange is ink that it adds and blue ink that it takes away; # is its number, × and the bar say how strongly it "
            "is used. An error of 0% is a perfect copy; 100% is what answering with the average digit would give.",
            boxes=[box.d_sae for box in boxes],
            labels=pictures.label.tolist(),
            k=checks.count("k", k, most=min(box.d_sae for box in boxes), why="the bricks in the poorest box"),
            start=checks.count("start", start, least=0, most=k),
            first=checks.count("first", first, least=0, most=len(x) - 1),
            numbers=floats(*numbers),
        )
