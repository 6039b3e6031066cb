"""The explorable *Turn the plane*: codes of two numbers, rotated by the encoder and rotated back by the decoder."""

import torch
import traitlets
from torch import Tensor

from ... import checks
from ...data import Pictures
from ..base import javascript
from .explorable import Explorable, explorable_style, floats, picture_rows


class TurnThePlane(Explorable):
    """Rotate the plane of the codes, let the decoder rotate it back, and see what changes and what does not.

    A code c of two numbers is decoded as mean + c @ components. Rotated by an angle, with R the rotation matrix, the code is
    c R and the rows of R^T components are the two features, so that the reconstruction stays as it was. The L1 norm |c_1| +
    |c_2|, which an L1 penalty is on, does not.

    Args: components (2, d), the picture of each of the two features; mean (d,), the reconstruction from a code of zeros;
    pictures, digits whose codes are shown, and of which the most typical of each class can be chosen; codes (n, 2), the codes
    of the pictures, by default (x - mean) @ components.T, as with PCA; angle, in whole degrees from -180 to 180, at first;
    first, the index of the class that is shown at first. Of a linear `Autoencoder`, whose encoder is not the transpose of its
    decoder, pass decoder[0].weight.T, decoder[0].bias, and as codes its own codes of the pictures.
    Raises ValueError for shapes that do not fit, numbers that are not finite, pictures that are all equal, or codes that are
    all zero.
    """

    _esm = javascript("explorables/turn_the_plane.js")
    _css = explorable_style("chart.css", "turn_the_plane.css")
    labels = traitlets.List().tag(sync=True)
    samples = traitlets.List().tag(sync=True)  # where in x the pictures stand that can be chosen
    angle = traitlets.Int().tag(sync=True)
    first = traitlets.Int().tag(sync=True)
    # The mean, the two components, the pictures, their messages.
    numbers = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        components: Tensor,
        mean: Tensor,
        pictures: Pictures,
        *,
        codes: Tensor | None = None,
        angle: int = 30,
        first: int = 0,
    ):
        components = checks.finite("components", checks.matrix("components", components)).float()
        if len(components) != 2:
            raise ValueError(f"components has shape {tuple(components.shape)}; expected (2, d), a picture for each number of a message")
        x = picture_rows(pictures, components.shape[1])
        if (x == x[0]).all():
            raise ValueError(f"pictures.x has no variance: all its {len(x)} rows are equal; expected some that differ")
        if not isinstance(mean, Tensor) or mean.shape != x.shape[1:]:
            found = f"has shape {tuple(mean.shape)}" if isinstance(mean, Tensor) else f"is of type {type(mean).__name__}"
            raise ValueError(f"mean {found}; expected a tensor of shape {tuple(x.shape[1:])}, one number a pixel")
        mean = checks.finite("mean", mean).float()
        if codes is None:
            codes = (x.float() - mean) @ components.T
        elif len(checks.finite("codes", checks.matrix("codes", codes, 2))) != len(x):
            raise ValueError(f"codes has {len(codes)} rows; expected {len(x)}, one for each row of pictures.x")
        if not torch.any(codes):
            raise ValueError("codes holds zeros only; expected messages, which a turn would change")
        samples = pictures.typical().tolist()
        super().__init__(
            title="Turn the plane",
            prediction="The encoder turns the plane of its messages, and the decoder turns it back before it draws. What will change: the message, "
            "the two bricks that the copy is mixed from, the copy, its error? Guess, then turn.",
            caption="The message and the bricks change with every degree; the copy never does, nor does the error of any digit. So a game that is "
            "judged by its copies alone has no reason to prefer one pair of bricks to another. A price on the sizes of the two numbers has one, "
            "if only a small one where messages lie all around: their sum is less at some angles than at others. (It comes back with every "
            "quarter turn, which only swaps the two bricks and turns the sign of one.) On a brick, orange is ink that it adds and blue ink "
            "that it takes away. An error of 0% is a perfect copy; 100% is what answering with the average digit would give.",
            labels=pictures.label.tolist(),
            samples=samples,
            angle=checks.count("angle", angle, least=-180, most=180),
            first=checks.count("first", first, least=0, most=len(samples) - 1, why="the number of the last kind in pictures"),
            numbers=floats(mean, components, x, codes),
        )
