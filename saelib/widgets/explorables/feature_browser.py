"""The explorable *Feature browser*: the features of a language model's activations, each with its card."""

import json
from collections.abc import Sequence

import numpy as np
import torch
import traitlets

from ... import checks
from ...interpret import MISSED, Effect, Example, FeatureCard, Similar, StrongestAt
from ..base import javascript
from .explorable import Explorable, explorable_style

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
STEPS = 15  # the same for the features listed at a token, for there they are many


class FeatureBrowser(Explorable):
    """Search, sort and filter features, and read their cards: examples over the whole range, scores of the label, effects on
    logits, and the effect of ablation.

    On a published page #feature=123 in the address opens the card of feature 123. An activation travels as a 255th of its
    feature's strongest, changes of logits with two decimals, all other numbers with four digits.

    Args: cards, one for each feature; start, the feature whose card is open at first (by default the one with the highest
    F1); told, the lowest F1 at which a label counts: below it, it is still shown and found, and called weak; similar, the
    most similar features of each, from `similar_features`; there, the strongest features at some tokens, from `strongest_at`:
    press such a token in an example, and they are listed, each to a fifteenth of its maximum. These two are about all
    features, not only those with a card.
    Raises ValueError for no cards, two of one feature, a number that is not finite or out of its range, tokens and
    activations of different lengths, and whatever else does not fit, with its place.
    """

    _esm = javascript("explorables/feature_browser.js")
    _css = explorable_style("chart.css", "features.css", "feature_browser.css")
    start = traitlets.Int().tag(sync=True)
    told = traitlets.Float().tag(sync=True)
    # JSON: the different tokens, quantiles and sources, how many tokens of text there are, and for each part of a card a list
    # over all cards.
    table = traitlets.Bytes().tag(sync=True)
    # The text of all examples, a token that stands in several of them once, by its place in that list (uint16, little-endian);
    # then the activations of each example as 255ths of the feature's maximum (a byte each; 0 only where it is off).
    texts = traitlets.Bytes().tag(sync=True)
    # Of some tokens of that text the features that are on there: for each token of the text a bit that says whether it is one
    # of them; how many are on at each (a byte; 255 for more); and those that are named, each as 15 times the place of its card
    # (one more than there are, for none) plus its step from 0 to 14 (uint16, or uint32 where that is too small for the cards).
    there = traitlets.Bytes().tag(sync=True)

    def __init__(
        self, cards: Sequence[FeatureCard], *, start: int | None = None, told: float = 0.0, similar: Similar | None = None,
        there: StrongestAt | None = None,
        title: str = "Feature browser", prediction: str = PREDICTION, caption: str = CAPTION,
    ):  # fmt: skip
        if not isinstance(cards, Sequence) or not cards:
            raise ValueError(f"cards is {cards!r}; expected a sequence of at least one FeatureCard")
        places: dict[int, int] = {}
        for i, card in enumerate(cards):
            _check(f"cards[{i}]", card)
            if card.feature in places:
                first = places[card.feature]
                raise ValueError(f"cards[{i}].feature is {card.feature}, as cards[{first}].feature is; expected one card a feature")
            places[card.feature] = i
        for name, value in {"title": title, "prediction": prediction, "caption": caption}.items():
            _words(name, value)
        if start is None:
            start = max(cards, key=lambda card: -1 if card.label is None else card.f1).feature
        if checks.count("start", start, least=0) not in places:
            raise ValueError(f"start is {start}; expected the feature of one of the cards")
        told = checks.number("told", told, least=0, most=1)
        _check_others(cards, similar, there)
        table, texts, on = _pack(cards, places, similar, there)
        words = {"title": title, "prediction": prediction, "caption": caption}
        super().__init__(**words, start=start, told=told, table=table, texts=texts, there=on)


def _pack(cards: Sequence[FeatureCard], places: dict[int, int], similar: Similar | None, there: StrongestAt | None) -> tuple[bytes, bytes, bytes]:
    """The three parts of what travels; places, the index of each feature's card."""
    tokens: dict[str, int] = {}
    quantiles: dict[str, int] = {}
    sources: dict[str | None, int] = {None: 0}
    levels = []
    text: dict[int, int] = {}  # at which place stands which token
    # An example that says no place stands by itself, behind all others.
    free = 1 + max((one.place + len(one.tokens) for card in cards for one in card.examples if one.place is not None), default=0)
    begins = []

    def place(token: str) -> int:
        return tokens.setdefault(token, len(tokens))

    def short(value: float) -> float:
        return float(f"{value:.4g}")

    def pushes(pairs: Sequence[tuple[str, float]]) -> list:
        return [[place(token), round(float(change), 2)] for token, change in pairs]

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
        columns["holds"].append(card.holds)
        columns["interval"].append(card.interval and [short(end) for end in card.interval])
        columns["examples"].append([])
        for number, example in enumerate(card.examples):
            begin = free if example.place is None else example.place - example.focus
            free += (len(example.tokens) + 1) * (example.place is None)
            for at, token in enumerate(example.tokens, start=begin):
                if text.setdefault(at, place(token)) != tokens[token]:
                    other = [*tokens][text[at]]
                    where = f"example {number} of feature {card.feature} has {token!r} at place {at}"
                    raise ValueError(f"{where}, and another example has {other!r}; expected one text")
            begins.append(begin)
            quantile = quantiles.setdefault(example.quantile, len(quantiles))
            source = sources.setdefault(example.source, len(sources))
            columns["examples"][-1] += [len(example.tokens), int(example.focus), quantile, source]
            activations = example.activations.detach().cpu().double()
            level = (LEVELS * activations / (card.maximum or 1)).round().clamp(1, LEVELS)
            levels.append(torch.where(activations > 0, level, 0).to(torch.uint8).numpy())
    if len(tokens) > TOKENS:
        raise ValueError(f"cards hold {len(tokens)} different tokens; expected at most {TOKENS}")
    order = np.array(sorted(text), np.int64)
    parts = {
        "tokens": [*tokens], "quantiles": [*quantiles], "sources": [*sources], "length": len(text),
        "begins": np.searchsorted(order, begins).tolist(), "most": 0 if there is None else there.feature.shape[1], "size": int(_size(cards)[2]), "cards": columns,
    }  # fmt: skip
    columns["similar"] = [_similar(card.feature, similar, places) for card in cards]
    table = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    # A token that ends within a letter may hold half of one, which no UTF-8 can carry.
    texts = np.array([text[at] for at in order.tolist()], "<u2").tobytes() + b"".join(level.tobytes() for level in levels)
    return table.encode("utf-8", "replace"), texts, b"" if there is None else _there(there, order, cards, places)


def _similar(feature: int, similar: Similar | None, places: dict[int, int]) -> list[list[int]]:
    """Of the similar features those that have cards, in two rows: the index of each one's card, and its similarity in
    hundredths."""
    if similar is None:
        return []
    rows = []
    for others, likeness in (similar[:2], similar[2:]):
        pairs = [(places.get(other), round(100 * much)) for other, much in zip(others[feature].tolist(), likeness[feature].tolist())]
        rows.append([number for at, much in pairs if at is not None and much > 0 for number in (at, much)])
    return rows


def _there(there: StrongestAt, order: np.ndarray, cards: Sequence[FeatureCard], places: dict[int, int]) -> bytes:
    """The active features at those of the places that stand in some example."""
    known = np.isin(there.places.numpy(), order)
    at = np.zeros(len(order), bool)
    at[np.searchsorted(order, there.places.numpy()[known])] = True
    # For each feature the place of its card, and how strong it is at most; the last one is nobody's.
    card = np.full(max(*places, int(there.feature.max()), 0) + 2, len(cards))
    card[[*places]] = [*places.values()]
    who = card[there.feature.numpy()[known]]
    maximum = np.array([one.maximum or 1.0 for one in cards] + [1.0])[who]
    step = np.clip(np.rint(STEPS * np.abs(there.activation.numpy()[known]) / maximum), 1, STEPS).astype(np.int64)
    counts = np.minimum(there.count.numpy()[known], 255).astype(np.uint8)
    return np.packbits(at, bitorder="little").tobytes() + counts.tobytes() + (STEPS * who + step - 1).astype(_size(cards)).tobytes()


def _size(cards: Sequence[FeatureCard]) -> str:
    """The numpy type of the numbers that hold a card's index and a step."""
    return "<u2" if STEPS * (len(cards) + 1) <= 2**16 else "<u4"


def _check_others(cards: Sequence[FeatureCard], similar: object, there: object) -> None:
    """ValueError where what is about all features is of another kind, or not about all that have cards."""
    features = 1 + max(card.feature for card in cards)
    if similar is not None:
        if not isinstance(similar, Similar):
            raise ValueError(f"similar is of type {type(similar).__name__}; expected what similar_features gives")
        if len(similar.direction) < features:
            raise ValueError(f"similar is about {len(similar.direction)} features; expected at least {features}, as many as cards tell of")
    if there is not None:
        if not isinstance(there, StrongestAt):
            raise ValueError(f"there is of type {type(there).__name__}; expected what strongest_at gives")
        checks.finite("there.activation", there.activation)


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
    if card.holds is not None:
        checks.count(f"{name}.holds", card.holds, least=0)
    if card.interval is not None:
        if not isinstance(card.interval, Sequence) or len(card.interval) != 2:
            raise ValueError(f"{name}.interval is {card.interval!r}; expected two numbers")
        low = checks.number(f"{name}.interval[0]", card.interval[0], least=0, most=1)
        checks.number(f"{name}.interval[1]", card.interval[1], least=low, most=1)
    checks.number(f"{name}.density", card.density, least=0, most=1)
    maximum = checks.number(f"{name}.maximum", card.maximum, least=0)
    histogram = card.histogram
    if not isinstance(histogram, torch.Tensor) or histogram.ndim != 1 or not len(histogram):
        got = f"of shape {tuple(histogram.shape)}" if isinstance(histogram, torch.Tensor) else f"of type {type(histogram).__name__}"
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
        _pairs(f"{name}.effect.changed", card.effect.changed, 3, "a token and its probability before and after", least=0, most=1)
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
    if example.place is not None:
        checks.count(f"{name}.place", example.place, least=focus)
    if example.source is not None:
        _words(f"{name}.source", example.source)
    if example.quantile != MISSED and not activations[focus] > 0:
        got = f"is {example.quantile!r} but off at its focus, token {focus}"
        raise ValueError(f"{name} {got}; expected an activation above 0 there, or {MISSED!r}")


def _words(name: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} is {value!r}; expected a text that is not empty")


def _token(name: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is {value!r}; expected a token, a text of at least one letter")


def _pairs(name: str, value: object, length: int, expected: str, **bounds: float) -> None:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ValueError(f"{name} is {value!r}; expected a list, each of its items {expected}")
    for i, item in enumerate(value):
        if not isinstance(item, Sequence) or isinstance(item, str) or len(item) != length:
            raise ValueError(f"{name}[{i}] is {item!r}; expected {expected}")
        _token(f"{name}[{i}][0]", item[0])
        for j in range(1, length):
            checks.number(f"{name}[{i}][{j}]", item[j], **bounds)
