"""The explorable *A brick's whole range*: a feature card, on which a bar of the histogram shows its digits, and a drawing its
bar."""

import math
from collections.abc import Sequence
from typing import Any

import torch
import traitlets
from torch import Tensor

from ... import checks
from ...data import Pictures
from ...models import SparseAutoencoder
from ...sparsity import L1, BatchTopK, Gated, JumpReLU, TopK
from ..base import javascript
from .explorable import Explorable, explorable_style, floats, picture_rows, plain_codes

CHOICES = 12  # features, where nobody says which
BARS = 12  # of a feature, at most
SHOWN = 8  # digits of a bar, at most


class LinkedCard(Explorable):
    """Press the bars of a feature's activation histogram and see their digits; draw a digit, and see into which bar it falls.

    Args: sae, on digits of 8x8 pixels, with a sparsity rule that makes features active or inactive: `TopK`, `BatchTopK`,
    `Matryoshka`, `L1`, `JumpReLU` or `Gated`; digits, those that are counted and shown; features, the indices of those that
    can be chosen, in this order (by default the twelve that are active most often); first, the index of the one that is shown
    at first (by default the first of them). If features are left out and first is not among the twelve, it stands before the
    eleven that are active most often.

    A bar counts the digits with an activation above its lower edge and at most its upper one. Eight of them are shown, or all
    where there are fewer, evenly spread by rank from the weakest to the strongest.
    Raises ValueError for shapes that do not fit, another sparsity rule, a feature that is not there, is active for none of
    the digits or is listed twice, and a first that is none of features.
    """

    _esm = javascript("explorables/linked_card.js")
    _css = explorable_style("chart.css", "linked_card.css")
    features = traitlets.List().tag(sync=True)  # by their numbers in the model
    first = traitlets.Int().tag(sync=True)  # which of them, by its place there
    total = traitlets.Int().tag(sync=True)  # how many digits there are
    kinds = traitlets.List().tag(sync=True)
    steps = traitlets.List().tag(sync=True)  # for each feature: how wide a bar is, as a whole number, and after how many decimals it ends
    counts = traitlets.List().tag(sync=True)  # for each feature and bar: how many digits of each kind
    labels = traitlets.List().tag(sync=True)  # of the digits that are shown
    pictures = traitlets.Bytes().tag(sync=True)  # of these, in 255ths of full ink, a byte a pixel
    examples = traitlets.Bytes().tag(sync=True)  # for each feature and bar, places among these (uint16, little-endian)
    k = traitlets.Int().tag(sync=True)  # how many features may be active at a time, or 0 where they do not compete
    # The decoder rows and the activations of the examples; then of the encoder, whose first rows are those of the features: the
    # weights, the offsets, the thresholds, and what is added above these.
    numbers = traitlets.Bytes().tag(sync=True)

    def __init__(self, sae: SparseAutoencoder, digits: Pictures, *, features: Sequence[int] | None = None, first: int | None = None):
        if not isinstance(sae, SparseAutoencoder):
            raise ValueError(f"sae is of type {type(sae).__name__}; expected a SparseAutoencoder")
        if sae.d_in != 64:
            raise ValueError(f"sae has d_in = {sae.d_in}; expected 64, for the drawing pad has 8x8 pixels")
        encoder = _encoder(sae)
        x = picture_rows(digits, sae.d_in)
        codes = plain_codes("sae", sae, x)
        chosen, first = _chosen(codes, features, first)

        kinds, kind = digits.label.unique(return_inverse=True)
        steps, counts, examples = [], [], []
        for feature in chosen:
            strength = codes[:, feature].double()
            width, decimals = _step(strength.max().item())
            steps.append([width, decimals])
            bar = (strength * 10**decimals / width).ceil().long() - 1  # -1 where it is off
            counts.append([[0] * len(kinds) for _ in range(int(bar.max()) + 1)])
            for i, own in enumerate(counts[-1]):
                there = (bar == i).nonzero().ravel()
                own[:] = torch.bincount(kind[there], minlength=len(kinds)).tolist()
                there = there[strength[there].argsort(stable=True)]
                places = torch.linspace(0, len(there) - 1, min(SHOWN, len(there))).round().long()
                examples += [(feature, place) for place in there[places].tolist()]
        of, places = (torch.tensor(part) for part in zip(*examples))
        shown, place = places.unique(return_inverse=True)

        order = torch.tensor(chosen)
        if isinstance(sae.sparsity, TopK):  # the others are there to win against
            order = torch.cat([order, torch.tensor([i for i in range(sae.d_sae) if i not in chosen], dtype=torch.int64)])
        super().__init__(
            title="A brick's whole range",
            prediction="Where a brick is on most strongly, the digits are often all of one kind. What will they be where it is on weakly? Guess "
            "first, then press the bars, from the right to the left. Or draw a digit of your own: into which bar does it fall?",
            caption="The height of a bar says for how many digits the brick is on so strongly; those for which it is off stand in no bar. The "
            "strongest alone often give a brick a name that is too narrow: further to the left there are other digits, with the same "
            "stroke in them. So judge a brick by its whole range. On its picture, orange is ink that it adds and blue ink that it takes "
            "away.",
            features=chosen,
            first=first,
            total=len(x),
            kinds=kinds.tolist(),
            steps=steps,
            counts=counts,
            labels=digits.label[shown].tolist(),
            pictures=(255 * x[shown].clamp(0, 1)).round().to(torch.uint8).numpy().tobytes(),
            examples=place.numpy().astype("<u2").tobytes(),
            k=sae.sparsity.k if isinstance(sae.sparsity, TopK) else 0,
            numbers=floats(sae.W_dec[chosen], codes[places, of], *(part[order] for part in encoder)),
        )


@torch.no_grad()
def _encoder(sae: SparseAutoencoder) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The encoder as weights (d_sae, d_in), and offsets, thresholds and additions (d_sae,): with pre = weights x + offset,
    the activation is max(0, pre + addition) where pre is above the threshold, and 0 elsewhere."""
    rule, weights = sae.sparsity, sae.W_enc.T.double()
    offset = sae.b_enc - weights @ sae.b_dec.double()
    threshold = addition = torch.zeros_like(offset)
    if isinstance(rule, Gated):
        gain = rule.r_mag.double().exp()
        weights, offset, addition = gain[:, None] * weights, gain * offset, rule.b_mag
    elif isinstance(rule, (BatchTopK, JumpReLU)):
        threshold = rule.threshold.expand(sae.d_sae)
    elif not isinstance(rule, (TopK, L1)):
        raise ValueError(f"sae is {rule!r}; expected one with TopK, BatchTopK, Matryoshka, L1, JumpReLU or Gated, whose features are on or off")
    return weights, offset, threshold, addition


def _chosen(codes: Tensor, features: Sequence[int] | None, first: int | None) -> tuple[list[int], int]:
    """The features that can be chosen, and which of them is shown at first, by its place among them."""
    on = (codes > 0).sum(dim=0)
    bounds: dict[str, Any] = {"least": 0, "most": len(on) - 1, "why": f"for there are d_sae = {len(on)} features"}
    if first is not None:
        first = checks.count("first", first, **bounds)
    if features is None:
        chosen = on.argsort(descending=True, stable=True)[: min(CHOICES, int((on > 0).sum()))].tolist()
        if not chosen:
            raise ValueError("sae has no feature that is on for any of digits; expected at least one")
        if first is not None and first not in chosen:
            chosen = [first, *chosen[: CHOICES - 1]]
    else:
        chosen = list(checks.counts("features", features, "a list with the number of at least one feature", **bounds))
        for i, feature in enumerate(chosen):
            if feature in chosen[:i]:
                raise ValueError(f"features[{i}] is {feature}, which stands there already; expected each feature once")
        if first is not None and first not in chosen:
            raise ValueError(f"first is {first}; expected one of features, {chosen}")
    for i, feature in enumerate(chosen):
        if on[feature] == 0:
            name = "first" if features is None else f"features[{i}]"
            raise ValueError(f"{name} is {feature}, which is on for none of digits; expected a feature that is on for some")
    return chosen, 0 if first is None else chosen.index(first)


def _step(most: float) -> tuple[int, int]:
    """The least round width of a bar with which no more than BARS are needed from 0 to `most`: a whole number, and its
    decimals."""
    power = math.floor(math.log10(most / BARS))
    digit = next((digit for digit in (1, 2, 3, 4, 5, 6, 8) if most <= BARS * digit * 10.0**power), None)
    if digit is None:
        digit, power = 1, power + 1
    return (digit, -power) if power < 0 else (digit * 10**power, 0)
