"""The explorable *One brick, one price*: what an L1 penalty does to a feature that is needed, and what an L0 penalty does."""

import traitlets

from ... import checks
from ..base import javascript
from .explorable import Explorable, explorable_style


class OnePrice(Explorable):
    """Raise the penalty on a feature that a picture needs at activation 1: it shrinks under L1, and stays or goes under L0.

    At activation c the squared error is (1 - c)^2. Under `saelib.L1` a coefficient lambda adds lambda c, and the loss is
    least at c = 1 - lambda / 2, or at 0 from lambda = 2 on. Under `saelib.JumpReLU` it adds lambda wherever c is above 0, and
    the loss is least at c = 1 while lambda is below 1, and at 0 when it is above. (The feature has length 1 and is the only
    one, and the error is in its own units.)

    Args: price, the lambda at first, from 0 to 2.5, rounded to hundredths; the slider moves in twentieths.
    Raises ValueError outside of this range.
    """

    _esm = javascript("explorables/one_price.js")
    _css = explorable_style("chart.css")
    price = traitlets.Int().tag(sync=True)  # in hundredths

    def __init__(self, price: float = 0.8):
        super().__init__(
            title="One brick, one price",
            prediction="The picture needs this brick at strength 1. What becomes of it as the price rises, under each of the two rules: does it "
            "fade, or does it go out at once, and when? Guess, then drag.",
            caption="A brick that is drawn a little too pale does hardly any harm, for the error is the square of what is missing. A price on "
            "every bit falls with every bit that is left out, so under L1 some paleness always pays: paler and paler, until at a price of 2 "
            "nothing is left. A price on being on is the same for a pale brick as for a strong one, so under JumpReLU going pale saves "
            "nothing: the brick stays as strong as it should be until, at a price of 1, leaving it out is cheaper. All, or nothing.",
            price=round(100 * checks.number("price", price, least=0, most=2.5)),
        )
