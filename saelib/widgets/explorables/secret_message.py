"""The explorable *The secret message*: an autoencoder with a code of two numbers, to encode with and to decode with."""

import traitlets
from torch import nn

from ...data import Pictures
from ...models import Autoencoder
from ..base import javascript
from .explorable import Explorable, floats, picture_rows


class SecretMessage(Explorable):
    """Draw a digit and see its code of two numbers; drag the code and see the digit that it is decoded to.

    Args: model, an Autoencoder with d_code = 2 on pictures of 8x8 pixels; pictures, held-out ones, shown as numerals at their
    codes, of which the most typical of each class can be chosen.
    Raises ValueError for another d_code, and shapes that do not fit.
    """

    _esm = javascript("explorables/secret_message.js")
    labels = traitlets.List().tag(sync=True)
    samples = traitlets.List().tag(sync=True)  # where in x the pictures stand that can be chosen
    encoder = traitlets.List().tag(sync=True)  # for each layer: [numbers in, numbers out]
    decoder = traitlets.List().tag(sync=True)
    # The encoder's weights and offsets, layer by layer, the decoder's, the pictures.
    numbers = traitlets.Bytes().tag(sync=True)

    def __init__(self, model: Autoencoder, pictures: Pictures):
        if model.d_code != 2:
            raise ValueError(f"model has d_code = {model.d_code}; expected 2, for a message is a point on a plane")
        if model.d_in != 64:
            raise ValueError(f"model has d_in = {model.d_in}; expected 64, for the drawing pad has 8x8 pixels")
        x = picture_rows(pictures, model.d_in)
        layers = [[layer for layer in half if isinstance(layer, nn.Linear)] for half in (model.encoder, model.decoder)]
        weights = [tensor for half in layers for layer in half for tensor in (layer.weight, layer.bias)]
        super().__init__(
            title="The secret message",
            prediction="On the way from the place of the 0s to the place of the 7s, what will the decoder draw? Guess, then drag the point along.",
            caption="Every numeral is a digit that the two friends never saw, at the place where the encoder put it. Alike digits land "
            "close together, though nobody told the friends what a digit is. In the gaps the decoder draws digits that nobody "
            "wrote. An error of 0% is a perfect copy; 100% is what answering with the average digit would give.",
            labels=pictures.label.tolist(),
            samples=pictures.typical().tolist(),
            encoder=[[layer.in_features, layer.out_features] for layer in layers[0]],
            decoder=[[layer.in_features, layer.out_features] for layer in layers[1]],
            numbers=floats(*weights, x),
        )
