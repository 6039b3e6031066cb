"""Cards of features that nobody trained, on real text: they are on for classes of tokens in Python's own source."""

import inspect
import json
import math
import re
import string
import textwrap
from collections import Counter

import torch
from saelib.interpret import FALSE_ALARM, MISSED, STRONGEST, WEAKEST, Effect, Example, FeatureCard

TOKEN = re.compile(r"\n[ \t]*|\"\"\"|'''| ?[A-Za-z_]+| ?\d+| ?[^\w\s]+|[ \t]+")
# Classes that a regular expression can tell from the token alone; below, each word that is common makes one more.
CLASSES = {
    "a keyword of control flow": r" ?(if|else|elif|for|while|return|break|continue|try|except|raise)$",
    "numbers": r" ?\d+$",
    "the end of a line": r"\n",
    "an opening bracket": r" ?[^\w\s]*[(\[{]$",
    "a closing bracket": r" ?[^\w\s]*[)\]}][:,]?$",
    "a name in capitals": r" ?[A-Z_]{2,}$",
    "private names": r" ?_\w+$",
    "an indent of eight": r"\n {8}$",
}
QUANTILES = [STRONGEST] * 3 + ["8th tenth", "6th tenth", "4th tenth"] + [WEAKEST] * 2
WINDOW = 24


def tokens() -> list[str]:
    found = [TOKEN.findall(inspect.getsource(module)) for module in (json.decoder, json.encoder, textwrap, string)]
    return [token for text in found for token in text]


def cards(count: int = 12, seed: int = 0) -> list[FeatureCard]:
    return cards_and_codes(count, seed)[0]


def cards_and_codes(count: int = 12, seed: int = 0) -> tuple[list[FeatureCard], torch.Tensor]:
    """`count` cards with 9 examples of 24 tokens each, and up to two where the label fails; and how strongly their features are
    on at each token, (n, 3 * count). Every seventh has no label, every fifth says nothing of its examples' places; numbers have gaps."""
    generator = torch.Generator().manual_seed(seed)
    text = tokens()
    docs, inside = torch.zeros(len(text), dtype=torch.bool), False
    for i, token in enumerate(text):
        inside ^= token in ('"""', "'''")
        docs[i] = inside
    words = [word for word, times in Counter(text).most_common() if times >= 12 and word.strip()]
    made, codes = [], torch.zeros(len(text), 3 * count)
    for i in range(count):
        if i == 0:
            label, holds = "inside a docstring", docs
        elif i <= len(CLASSES):
            label, pattern = list(CLASSES.items())[i - 1]
            holds = torch.tensor([bool(re.match(pattern, token)) for token in text])
        else:
            own = [words[(i * step + step) % len(words)].strip() for step in (1, 7)[: 1 + i // len(words)]]
            label = " or ".join(f"the word “{word}”" if word.isidentifier() else f"the sign “{word}”" for word in own)
            holds = torch.tensor([token.strip() in own for token in text])
        card, codes[:, 3 * i] = _card(i, label, text, holds, generator)
        made.append(card)
    return made, codes


def _card(i: int, label: str, text: list[str], holds: torch.Tensor, generator: torch.Generator) -> tuple[FeatureCard, torch.Tensor]:
    n = len(text)
    strength = torch.rand(n, generator=generator).square() * 3.7 + 0.05
    kept = torch.rand(n, generator=generator) < 0.6 + 0.35 * ((i * 37) % 10) / 10
    stray = torch.rand(n, generator=generator) < 0.002 * ((i * 13) % 5)
    own = torch.where(holds & kept, strength, torch.where(stray, 0.2 * strength, 0))
    on = own > 0
    both = int((on & holds).sum())
    precision, recall = both / max(1, int(on.sum())), both / max(1, int(holds.sum()))
    order = own.argsort(descending=True, stable=True)[: int(on.sum())]
    places = [order[round(share * (len(order) - 1))].item() for share in (0, 0.02, 0.04, 0.3, 0.5, 0.7, 0.98, 1)]
    missed = (holds & ~on).nonzero().ravel()
    kinds = {**dict.fromkeys(order[~holds[order]][:1].tolist(), FALSE_ALARM), **dict.fromkeys(missed[:1].tolist(), MISSED)}
    examples = []
    for place, quantile in [*zip(places, QUANTILES), *kinds.items()]:
        first = max(0, min(n - WINDOW, place - WINDOW * 2 // 3))
        known = (None, None) if i % 5 == 4 else (place, f"file {place // 1_000}.py")
        examples.append(Example(text[first : first + WINDOW], own[first : first + WINDOW].clone(), place - first, quantile, *known))
    after = Counter(text[place + 1] for place in order.tolist() if place + 1 < n).most_common(8)
    promoted = [(token, round(2.4 - 0.29 * j + 0.01 * (i % 7), 3)) for j, (token, _) in enumerate(after)]
    suppressed = [(token, round(-1.1 + 0.13 * j, 3)) for j, token in enumerate([" import", "class", " None", "\n\n"][: 2 + i % 3])]
    changed = [(token, 0.61 / (j + 1), 0.12) for j, (token, _) in enumerate(after[:3])]
    effect = Effect(0.02 + 0.9 * math.exp(-i / 40), -0.004 + 0.001 * (i % 9), changed)
    maximum = own.max().item()
    labelled = i % 7 != 6
    nothing = math.nan
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    card = FeatureCard(
        feature=3 * i,
        label=label if labelled else None,
        f1=f1 if labelled else nothing,
        precision=precision if labelled else nothing,
        recall=recall if labelled else nothing,
        auroc=0.5 + recall / 2 if labelled else nothing,
        threshold=0.1 if i % 3 == 2 else 0.0,
        density=on.double().mean().item(),
        histogram=torch.histc(own[on], bins=20, min=0, max=maximum),
        maximum=maximum,
        promoted=promoted,
        suppressed=suppressed,
        effect=None if i % 11 == 10 else effect,
        examples=examples,
        holds=int(holds.sum()) if labelled else None,
        interval=(0.9 * f1, min(1.0, 1.1 * f1)) if labelled and i % 5 < 4 else None,
    )
    return card, own
