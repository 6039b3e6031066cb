"""The explorable *Inside a GPT, live*: a small GPT that reads what the reader types, and its sparse autoencoder."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import traitlets
from torch import Tensor

from ... import checks
from ...gpt import GPT
from ...interpret import FeatureCard
from ...models import SparseAutoencoder
from ..base import javascript
from .explorable import Explorable, explorable_style
from .live_tokens import pack_tokenizer
from .live_weights import pack_gpt, pack_sae

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PREDICTION = "How sure is the GPT of what comes next? Say your own guess first, then look at its ten. Then change a word early in the text: does the guess at the end notice?"
CAPTION = (
    "All of it is computed here, in this page, by the GPT itself. A token is shaded by its surprise: the bits that it cost, given all tokens "
    "before it. What you read below is about the framed token; choose another one by pressing it."
)
#: What it can show, in this order: the likeliest next tokens; where the heads look, with one switched off, and what the stream would guess after each block; the
#: bricks that are on; bricks turned; writing; the GPT at earlier steps of its training.
PARTS = ("guesses", "heads", "bricks", "turn", "write", "younger")
MOST = 20_000_000  # weights: more would neither travel nor answer in time


class LiveGPT(Explorable):
    """Type, and see what a GPT makes of it: tokens with their surprise, the likeliest next tokens, the heads, the bricks of a sparse
    autoencoder; turn bricks, let it write, and compare it with itself at earlier steps of its training.

    The weights travel in 8 bits with a scale a row, as `save_gpt` writes them. On a published page they come when the explorable comes near, and
    those of an earlier step when somebody asks for it. The state is in the address, under `live-` and the explorable's own address.

    Args: gpt and tokenizer, as `load_gpt` and `load_tokenizer` give; sae, for the stream after block number `block` (counted from 0; by default
    the last but one); cards, labels and strengths of its features, as in `FeatureBrowser`; told, the lowest F1 at which a label counts; cards_here, whether
    the cards can be read on the same page, so that bricks lead there; text, what it reads at first; place, the token that is framed at first (by default the last); examples, other texts to
    begin with, by their names; gains, puts and here, what is turned at first: bricks multiplied by a gain, bricks put in at a strength, and whether at the
    framed token only; younger, the same GPT at earlier steps, by their numbers, with `step`, the number of its own; parts, which of `PARTS` are shown (by
    default all that it has what for); address, under which name the page's address keeps its state, one word for each LiveGPT of a page.
    Traits, both ways: text, gains, puts; written back: tokens (what was read, as text), features (for each token pairs of a feature and its strength), written (what it
    wrote, a text for each column).
    Raises ValueError for what does not fit: a tokenizer or autoencoder of other sizes, more than 20 million weights, parts that are unknown or lack what they show.
    """

    _esm = f"const LIVE_ENGINE = {json.dumps(javascript('explorables/live/worker.js'))};\n" + javascript("explorables/live_gpt.js")
    _css = explorable_style("features.css", "live_gpt.css")
    address = traitlets.Unicode().tag(sync=True)
    parts = traitlets.List().tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    place = traitlets.Int(None, allow_none=True).tag(sync=True)
    examples = traitlets.List().tag(sync=True)  # [name, text]
    gains = traitlets.List().tag(sync=True)  # [feature, gain]
    puts = traitlets.List().tag(sync=True)  # [feature, strength]
    here = traitlets.Bool().tag(sync=True)
    tokens = traitlets.List().tag(sync=True)
    features = traitlets.List().tag(sync=True)
    written = traitlets.List().tag(sync=True)
    told = traitlets.Float().tag(sync=True)
    cards_here = traitlets.Bool().tag(sync=True)
    block = traitlets.Int().tag(sync=True)
    step = traitlets.Int(None, allow_none=True).tag(sync=True)
    steps = traitlets.List().tag(sync=True)  # of the younger selves
    # JSON: for each card its feature, label (or null), F1 and strongest activation
    cards = traitlets.Bytes().tag(sync=True)
    # What is wanted only when the explorable is: safetensors in 8 bits, and the tokenizer as JSON.
    weights = traitlets.Bytes().tag(sync=True)
    vocabulary = traitlets.Bytes().tag(sync=True)
    box = traitlets.Bytes().tag(sync=True)
    younger = traitlets.List().tag(sync=True)
    late = traitlets.List(["weights", "vocabulary", "box", "cards", "younger"]).tag(sync=True)

    def __init__(
        self, gpt: GPT, tokenizer: "Tokenizer", sae: SparseAutoencoder | None = None, *, block: int | None = None,
        cards: Sequence[FeatureCard] = (), told: float = 0.0, cards_here: bool = False,
        text: str = "", place: int | None = None, examples: Mapping[str, str] | None = None,
        gains: Mapping[int, float] | None = None, puts: Mapping[int, float] | None = None, here: bool = False,
        younger: Mapping[int, GPT] | None = None, step: int | None = None, parts: Sequence[str] | None = None, address: str = "gpt",
        title: str = "Inside a GPT, live", prediction: str = PREDICTION, caption: str = CAPTION,
    ):  # fmt: skip
        _sizes("gpt", gpt)
        settings = gpt.settings
        vocabulary = pack_tokenizer(tokenizer)
        if tokenizer.get_vocab_size() != settings["n_tokens"]:
            raise ValueError(f"tokenizer has {tokenizer.get_vocab_size()} tokens; expected {settings['n_tokens']}, as many as gpt was made for")
        last = settings["n_layers"] - 1
        block = max(0, last - 1) if block is None else checks.count("block", block, least=0, most=last, why="the last block of gpt")
        if sae is not None and sae.d_in != settings["d_model"]:
            raise ValueError(f"sae has d_in = {sae.d_in}; expected {settings['d_model']}, the width of gpt's stream")
        d_sae = 0 if sae is None else sae.d_sae
        for i, card in enumerate(cards):
            if not isinstance(card, FeatureCard):
                raise ValueError(f"cards[{i}] is of type {type(card).__name__}; expected a FeatureCard")
            checks.feature(f"cards[{i}].feature", card.feature, d_sae)
        younger = dict(sorted((younger or {}).items()))
        for each, model in younger.items():
            checks.count("a key of younger", each, least=0)
            _sizes(f"younger[{each}]", model)
            if model.settings != settings:
                raise ValueError(f"younger[{each}] has {model.settings}; expected {settings}, as gpt has")
        if younger and (step is None or checks.count("step", step, least=0) <= max(younger)):
            raise ValueError(f"step is {step!r}; expected more than {max(younger)}, the last step of younger")
        turned = [
            [
                [checks.feature(f"a key of {name}", feature, d_sae), checks.number(f"{name}[{feature}]", _plain(value), least=0)]
                for feature, value in (each or {}).items()
            ]
            for name, each in (("gains", gains), ("puts", puts))
        ]
        super().__init__(
            title=title, prediction=prediction, caption=caption, address=_address(address), parts=_parts(parts, sae is not None, bool(younger)), block=block,
            text=_text("text", text), place=None if place is None else checks.count("place", place, least=0), gains=turned[0], puts=turned[1], here=bool(here),
            examples=[[_text("a name of examples", name), _text(f"examples[{name!r}]", each)] for name, each in (examples or {}).items()],
            told=checks.number("told", told, least=0, most=1), cards_here=bool(cards_here), step=step, steps=[*younger], cards=_pack_cards(cards),
            weights=pack_gpt(gpt), vocabulary=vocabulary, box=b"" if sae is None else pack_sae(sae, block), younger=[pack_gpt(each) for each in younger.values()],
        )  # fmt: skip


def _plain(value: object) -> object:
    """A tensor of one number as that number, such as an activation just as it was computed."""
    return value.item() if isinstance(value, Tensor) and value.numel() == 1 else value


def _sizes(name: str, gpt: object) -> None:
    if not isinstance(gpt, GPT):
        raise ValueError(f"{name} is of type {type(gpt).__name__}; expected a saelib.GPT")
    if (count := sum(weight.numel() for weight in gpt.parameters())) > MOST:
        raise ValueError(f"{name} has {count:,} weights; expected at most {MOST:,}, or a page could neither hold nor run it")


def _text(name: str, text: object) -> str:
    if not isinstance(text, str):
        raise ValueError(f"{name} is {text!r:.80}; expected a text")
    return text


def _address(address: object) -> str:
    if not isinstance(address, str) or not address.isascii() or not address.isalnum():
        raise ValueError(f"address is {address!r}; expected a word of letters and digits, such as 'heads'")
    return address


def _parts(parts: Sequence[str] | None, boxed: bool, younger: bool) -> list[str]:
    """The parts in their order, or ValueError for those that are unknown or can't be shown."""
    lacking = ({"bricks", "turn"} if not boxed else set()) | ({"younger"} if not younger else set())
    if parts is None:
        return [part for part in PARTS if part not in lacking]
    for part in parts:
        if part not in PARTS:
            raise ValueError(f"parts holds {part!r}; expected some of {PARTS}")
        if part in lacking:
            raise ValueError(f"parts holds {part!r}; expected {'younger' if part == 'younger' else 'sae'} to be given for it")
    return [part for part in PARTS if part in parts]


def _pack_cards(cards: Sequence[FeatureCard]) -> bytes:
    rows = [
        [card.feature, card.label, None if card.label is None or math.isnan(card.f1) else round(card.f1, 2), float(f"{card.maximum:.4g}")]
        for card in cards
    ]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
