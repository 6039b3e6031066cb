"""The explorable *Superposition*: the toy model of Elhage et al. (2022), trained in the page as the reader sets its sparsity."""

import traitlets

from ... import checks
from ..base import javascript
from .explorable import Explorable, explorable_style


class Superposition(Explorable):
    """Set the sparsity of five features, and watch a model with two hidden dimensions represent two, four or all five of
    them.

    The model is x_hat = relu(W^T W x + b) with W (2, 5), trained on examples whose features are 0 with a probability of
    `sparsity` and else uniform from 0 to 1, on the loss sum_i decay^i (x_i - x_hat_i)^2 (Elhage et al., 2022, "Toy models of
    superposition"). With decay = 1 and features that are always present, the best that two dimensions can do is the same in
    every direction, so that no two features stand out.

    Args: sparsity, from 0 to 0.99; decay, the importance of each feature relative to the one before it, from 0.5 to 1; seed,
    of the initial weights. All three are the values at first; the sliders move in whole hundredths and twentieths.
    Raises ValueError outside of these ranges.
    """

    _esm = javascript("explorables/superposition.js")
    _css = explorable_style("chart.css", "superposition.css")
    sparsity = traitlets.Int().tag(sync=True)  # in percent
    decay = traitlets.Int().tag(sync=True)  # in percent
    seed = traitlets.Int().tag(sync=True)

    def __init__(self, sparsity: float = 0.97, *, decay: float = 0.9, seed: int = 1):
        super().__init__(
            title="Superposition",
            prediction="Five features, but only two numbers to keep them in. Each feature is absent most of the time, and so all five are kept. "
            "How many will be, when they are always there? Guess, then drag the sparsity to 0%, and up again in steps.",
            caption="An arrow says how its feature is written into the two numbers. Features that are there together get in each other's way, "
            "unless their arrows stand at a right angle, and a plane has room for two such arrows only. The rarer features are, the less it "
            "costs to let them share. In the table each row is a feature that is there alone, at 1: what it brings back to itself and to the "
            "others. The constants in the last row are always added, and what is then below 0 is cut off. "
            "Sparsity is the share of the time in which a feature is absent. Training is a hill walk in fog: from "
            "some starts it ends with fewer arrows than there is room for, so try another. An error of 0% is a perfect copy; 100% is what "
            "always answering with the average would give.",
            sparsity=round(100 * checks.number("sparsity", sparsity, least=0, most=0.99)),
            decay=round(100 * checks.number("decay", decay, least=0.5, most=1)),
            seed=checks.count("seed", seed, most=9999),
        )
