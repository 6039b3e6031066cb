"""The explorable *Feature browser*: the features of a language model's activations, each with its card."""

import json
from collections.abc import Sequence
from numbers import Real

import numpy as np
import torch
import traitlets

from .. import checks
from ..interpret import MISSED, Effect, Example, FeatureCard
from .base import Explorable, explorable_style, javascript

PREDICTION = (
    "What does this brick stand for? Say it in a few words from its strongest examples, then read on to the weakest: do they "
    "still fit your words? Look for other bricks in the list."
)
CAPTION = (
    "The stronger a token's shade, the more strongly the brick is on there; the framed token is the one that the example was "
    "chosen for. The strongest examples alone mislead: many a brick is sharp where it is strong and vague where it is weak, so "
    "these come from its whole range. A label can fail in two ways, the brick being on where the label does not hold, and off "
    "where it does; that is why it takes two numbers."
)
TOKENS = 2**16  # different tokens, as many as two bytes can tell apart
LEVELS = 255  # steps of an activation, as many as one byte can tell apart beside 0


class FeatureBrowser(Explorable):
    """Search, sort and filter features, and read the card of any one: examples over its whole range, its label's scores, what
    it draws, and what happens without it.

    On a published page #feature=123 in the address opens the card of feature 123. An activation travels as a 255th of its
    feature's strongest, all other numbers with four digits.

    Args: cards, one for each feature; start, the feature whose card is open at first (the one with the highest F1 if left out).
    Raises ValueError for no cards, two of one feature, a number that is not finite or out of its range, tokens and activations
    of different lengths, and whatever else does not fit, with its place.
    """

    _esm = javascript("feature_browser.js")
    _css = explorable_style("chart.css", "feature_browser.css")
    start = traitlets.Int().tag(sync=True)
    # JSON: the different tokens, the different quantiles, and for each part of a card a list over all cards.
    table = traitlets.Bytes().tag(sync=True)
    # The tokens of all examples, one after the other, by their places in that list (uint16, little-endian), then their
    # activations as 255ths of the feature's maximum (a byte each; 0 only where it is off).
    texts = traitlets.Bytes().tag(sync=True)

    def __init__(
        self, cards: Sequence[FeatureCard], *, start: int | None = None,
        title: str = "Feature browser", prediction: str = PREDICTION, caption: str = CAPTION,
    ):  # fmt: skip
        if not isinstance(cards, Sequence) or not cards:
            raise ValueError(f"cards is {cards!r}; expected a sequence of at least one FeatureCard")
        places: dict[int, int] = {}
        for i, card in enumerate(cards):
            _check(f"cards[{i}]", card)
            if card.feature in places:
                first = places[card.feature]
                raise ValueError(
                    f"cards[{i}].feature is {card.feature}, as cards[{first}].feature is; expected one card a feature"
                )
            places[card.feature] = i
        for name, value in {"title": title, "prediction": prediction, "caption": caption}.items():
            _words(name, value)
        if start is None:
            start = max(cards, key=lambda card: -1 if card.label is None else card.f1).feature
        if checks.count("start", start, least=0) not in places:
            raise ValueError(f"start is {start}; expected the feature of one of the cards")
        table, texts = _pack(cards)
        super().__init__(title=title, prediction=prediction, caption=caption, start=start, table=table, texts=texts)


def _pack(cards: Sequence[FeatureCard]) -> tuple[bytes, bytes]:
    tokens: dict[str, int] = {}
    quantiles: dict[str, int] = {}
    numbers, levels = [], []

    def place(token: str) -> int:
        return tokens.setdefault(token, len(tokens))

    def short(value: float) -> float:
        return float(f"{value:.4g}")

    def pushes(pairs: Sequence[tuple[str, float]]) -> list:
        return [[place(token), short(change)] for token, change in pairs]

    columns: dict[str, list] = {name: [] for name in FeatureCard._fields}
    for card in cards:
        for name in ("feature", "label"):
            columns[name].append(getattr(card, name))
        for name in ("f1", "precision", "recall", "auroc", "threshold"):
            columns[name].append(None if card.label is None else short(getattr(card, name)))
        columns["density"].append(short(card.density))
        columns["maximum"].append(short(card.maximum))
        columns["histogram"].append([int(count) for count in card.histogram])
        columns["promoted"].append(pushes(card.promoted))
        columns["suppressed"].append(pushes(card.suppressed))
        if card.effect is None:
            columns["effect"].append(None)
        else:
            changed = [[place(token), short(before), short(after)] for token, before, after in card.effect.changed]
            columns["effect"].append([short(card.effect.loss_on), short(card.effect.loss_elsewhere), changed])
        columns["examples"].append([])
        for example in card.examples:
            quantile = quantiles.setdefault(example.quantile, len(quantiles))
            columns["examples"][-1] += [len(example.tokens), int(example.focus), quantile]
            numbers += [place(token) for token in example.tokens]
            activations = example.activations.detach().cpu().double()
            level = (LEVELS * activations / (card.maximum or 1)).round().clamp(1, LEVELS)
            levels.append(torch.where(activations > 0, level, 0).to(torch.uint8).numpy())
    if len(tokens) > TOKENS:
        raise ValueError(f"cards hold {len(tokens)} different tokens; expected at most {TOKENS}")
    parts = {"tokens": [*tokens], "quantiles": [*quantiles], "cards": columns}
    table = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    # A token that ends within a letter may hold half of one, which no UTF-8 can carry.
    return table.encode("utf-8", "replace"), np.array(numbers, "<u2").tobytes() + b"".join(level.tobytes() for level in levels)


def _check(name: str, card: object) -> None:
    """ValueError where `card` is no FeatureCard whose parts fit together."""
    if not isinstance(card, FeatureCard):
        raise ValueError(f"{name} is of type {type(card).__name__}; expected a FeatureCard")
    checks.count(f"{name}.feature", card.feature, least=0)
    if card.label is not None:
        _words(f"{name}.label", card.label)
        for part in ("f1", "precision", "recall", "auroc"):
            checks.number(f"{name}.{part}", getattr(card, part), least=0, most=1)
        checks.number(f"{name}.threshold", card.threshold, least=0)
    checks.number(f"{name}.density", card.density, least=0, most=1)
    maximum = checks.number(f"{name}.maximum", card.maximum, least=0)
    histogram = card.histogram
    if not isinstance(histogram, torch.Tensor) or histogram.ndim != 1 or not len(histogram):
        shape = isinstance(histogram, torch.Tensor) and tuple(histogram.shape)
        got = f"of shape {shape}" if shape is not False else f"of type {type(histogram).__name__}"
        raise ValueError(f"{name}.histogram is {got}; expected a tensor (bins,) of counts")
    for i, count in enumerate(histogram.tolist()):
        if not count >= 0 or count != count // 1:
            raise ValueError(f"{name}.histogram[{i}] is {count}; expected a count")
    for part in ("promoted", "suppressed"):
        _pairs(f"{name}.{part}", getattr(card, part), 2, "a token and the change of its logit")
    if card.effect is not None:
        if not isinstance(card.effect, Effect):
            raise ValueError(f"{name}.effect is of type {type(card.effect).__name__}; expected an Effect or None")
        checks.number(f"{name}.effect.loss_on", card.effect.loss_on)
        checks.number(f"{name}.effect.loss_elsewhere", card.effect.loss_elsewhere)
        _pairs(
            f"{name}.effect.changed", card.effect.changed, 3, "a token and its probability before and after", least=0, most=1
        )
    if not isinstance(card.examples, Sequence):
        raise ValueError(f"{name}.examples is of type {type(card.examples).__name__}; expected a sequence of Examples")
    for i, example in enumerate(card.examples):
        _example(f"{name}.examples[{i}]", example, maximum)


def _example(name: str, example: object, maximum: float) -> None:
    if not isinstance(example, Example):
        raise ValueError(f"{name} is of type {type(example).__name__}; expected an Example")
    tokens, activations = example.tokens, example.activations
    if not isinstance(tokens, Sequence) or isinstance(tokens, str) or not len(tokens):
        raise ValueError(f"{name}.tokens is {tokens!r}; expected a list of at least one token")
    for i, token in enumerate(tokens):
        _token(f"{name}.tokens[{i}]", token)
    if not isinstance(activations, torch.Tensor) or not activations.is_floating_point() or activations.shape != (len(tokens),):
        got = f"{tuple(activations.shape)}" if isinstance(activations, torch.Tensor) else type(activations).__name__
        raise ValueError(f"{name}.activations is {got}; expected a floating-point tensor ({len(tokens)},), a number a token")
    checks.finite(f"{name}.activations", activations)
    # A hair above: the maximum may have been taken in another precision.
    if (activations < 0).any() or activations.max() > 1.001 * maximum:
        wrong = activations.min() if (activations < 0).any() else activations.max()
        raise ValueError(f"{name}.activations holds {wrong.item()}; expected from 0 to the card's maximum, {maximum}")
    _words(f"{name}.quantile", example.quantile)
    focus = checks.count(f"{name}.focus", example.focus, least=0, most=len(tokens) - 1, why="the place of its last token")
    if example.quantile != MISSED and not activations[focus] > 0:
        got = f"is {example.quantile!r} but off at its focus, token {focus}"
        raise ValueError(f"{name} {got}; expected an activation above 0 there, or {MISSED!r}")


def _words(name: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} is {value!r}; expected a text that is not empty")


def _token(name: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is {value!r}; expected a token, a text of at least one letter")


def _pairs(name: str, value: object, length: int, expected: str, **bounds: Real) -> None:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ValueError(f"{name} is {value!r}; expected a list, each of its items {expected}")
    for i, item in enumerate(value):
        if not isinstance(item, Sequence) or isinstance(item, str) or len(item) != length:
            raise ValueError(f"{name}[{i}] is {item!r}; expected {expected}")
        _token(f"{name}[{i}][0]", item[0])
        for j in range(1, length):
            checks.number(f"{name}[{i}][{j}]", item[j], **bounds)
