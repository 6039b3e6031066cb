"""The explorable *Switchboard*: every brick of a digit has a switch and a gain, and the copy follows at once."""

import torch
import traitlets

from .. import checks
from ..data import Pictures
from ..models import SparseAutoencoder
from .base import Explorable, explorable_style, floats, javascript, picture_rows


class Switchboard(Explorable):
    """Switch the bricks of a digit off and on, turn them up, or add one more out of the box, and see what the copy makes of it.

    Args: sae, on square pictures; digits, some that it has not seen, of which the most typical of each kind can be chosen: the
    others say how strong a brick typically is, and what the average picture is, which the error is measured against; first,
    which kind is shown at first. It begins without the brick whose loss costs most.
    Raises ValueError for shapes that do not fit, a kind that is not there, and a shown digit that no brick is on for.
    """

    _esm = javascript("switchboard.js")
    _css = explorable_style("switchboard.css")
    labels = traitlets.List().tag(sync=True)
    size = traitlets.Int().tag(sync=True)  # how many bricks the box holds
    first = traitlets.Int().tag(sync=True)
    # The box's offset and its bricks, how strong each typically is; the mean, the pictures that can be chosen, their codes.
    numbers = traitlets.Bytes().tag(sync=True)

    def __init__(self, sae: SparseAutoencoder, digits: Pictures, *, first: int = 0):
        if not isinstance(sae, SparseAutoencoder):
            raise ValueError(f"sae is of type {type(sae).__name__}; expected a SparseAutoencoder")
        x = picture_rows(digits, sae.d_in)
        places = digits.typical()
        with torch.no_grad():
            codes = sae.encode(x)
        on = (codes > 0).sum(dim=0)
        # A brick that is never on has no strength of its own; it gets that of the others.
        common = codes[codes > 0].mean() if on.any() else codes.new_zeros(())
        typical = torch.where(on > 0, codes.clamp_min(0).sum(dim=0) / on.clamp_min(1), common)
        for place, number in zip(places.tolist(), (codes[places] > 0).sum(dim=1).tolist()):
            if number == 0:
                raise ValueError(f"no brick of sae is on for digits.x[{place}]; expected at least one that can be switched off")
        super().__init__(
            title="Switchboard",
            prediction="One brick of this digit is switched off. What will another one take away, or do when it is turned up to three times "
            "its strength? Guess from its picture, then try.",
            caption="On a brick, orange is ink that it adds and blue ink that it takes away. What it does to the copy is always that picture, "
            "only stronger or weaker; but what you then read, a 4 or a 9, depends on all that are on. An error of 0% is a perfect copy; 100% is "
            "what answering with the average digit would give.",
            labels=digits.label[places].tolist(),
            size=sae.d_sae,
            first=checks.count("first", first, least=0, most=len(places) - 1, why="the number of the last kind in digits"),
            numbers=floats(sae.b_dec, sae.W_dec, typical, x.mean(dim=0), x[places], codes[places]),
        )
