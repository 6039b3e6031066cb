"""A language model and its text, token by token: activations, losses, n-gram baselines, interventions, and feature cards.

Any model will do that gives logits (n, t, n_tokens) for tokens (n, t), or an object that has them as its `.logits`, as the
models of Hugging Face do.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import checks
from .data import Tokens, windows
from .hooks import changed, evaluating, output
from .interpret import (
    FALSE_ALARM,
    MISSED,
    STRONGEST,
    WEAKEST,
    Effect,
    Example,
    FeatureCard,
    Labels,
    steering_vectors,
    strongest_first,
)
from .models import Model, SparseAutoencoder


def token_activations(model: nn.Module, part: str, tokens: Tokens, *, context: int | None = None) -> Tensor:
    """The activations of a part at each token, read with the tokens before it: (n, d), see `activations`, `windows`.

    The model may be on any device; the activations are brought to that of the tokens.

    Args: context, the most tokens that the model reads at once (its own `context` by default).
    Raises ValueError as those two do, and where neither the model nor the caller gives a context.
    """
    rows = torch.empty(0)
    for inputs, keep, where in windows(tokens, _context(model, context)):
        seen = output(model, part, _near(model, inputs))
        if seen.shape[:-1] != inputs.shape:
            raise ValueError(f"part is {part!r}, which puts out {tuple(seen.shape)}; expected (n, t, d) with (n, t) = {tuple(inputs.shape)}")
        if not len(rows):
            rows = torch.empty(len(tokens.ids), seen.shape[-1], dtype=seen.dtype, device=tokens.ids.device)
        rows[where] = seen.to(rows.device)[keep]
    return rows


@torch.no_grad()
def token_losses(model: nn.Module, tokens: Tokens, *, context: int | None = None) -> Tensor:
    """Next-token losses (cross-entropy) in nats: (n,), at each token the loss of the token after it, 0 at the last one of
    each text.

        loss = -log(the probability that the model gives to the token that follows)

    Args: context, as for `token_activations`.
    Raises ValueError where there is none, or it is too short for `windows`, and where the model gives no logits for every
    token.
    """
    following, there = tokens.following()
    losses = torch.zeros(len(tokens.ids))
    with evaluating(model):
        for inputs, keep, where in windows(tokens, _context(model, context)):
            logits = _logits(model, inputs, most=int(tokens.ids.max()))[keep]
            losses[where] = F.cross_entropy(logits.float(), following[where], reduction="none")
    return losses.where(there, 0)


def ngram_losses(tokens: Tokens, held: Tokens, n: int) -> Tensor:
    """The same for an n-gram model, a baseline: it predicts from the last n - 1 tokens, by what followed them in `tokens`.

        P_n(next | h)  =  (count(h next)  +  kinds(h) P_{n-1}(next | h')) / (count(h)  +  kinds(h))

    where h are n - 1 tokens, h' is h without its first, count(h next) is how often next followed h, and kinds(h) how many
    different tokens have followed h; P_0 is uniform (Witten and Bell, 1991, their method C, interpolated). No n-gram crosses
    from one text into another.

    Args: tokens, to count in; held, to predict, from the same vocabulary; n, from 1.
    Returns (len(held.ids),) float64, as `token_losses` does. Raises ValueError for an n whose n-grams overflow 63 bits.
    """
    n = checks.count("n", n)
    n_tokens = int(max(tokens.ids.max(), held.ids.max())) + 1
    if n * math.log2(n_tokens) > 63:
        raise ValueError(f"n is {n}; expected at most {int(63 / math.log2(n_tokens))} with {n_tokens} different tokens")
    (_, there), (_, held_there) = tokens.following(), held.following()
    probability = torch.full((len(held.ids),), 1 / n_tokens, dtype=torch.float64)
    for length in range(1, n + 1):
        runs, times = _runs(tokens, n_tokens, length)[there].unique(return_counts=True)
        histories, place = (runs // n_tokens).unique(return_inverse=True)
        total = torch.zeros(len(histories), dtype=torch.int64).index_add_(0, place, times)
        kinds = torch.bincount(place, minlength=len(histories))
        run = _runs(held, n_tokens, length)
        seen, kind = _lookup(histories, total, run // n_tokens), _lookup(histories, kinds, run // n_tokens)
        mixed = (_lookup(runs, times, run) + kind * probability) / (seen + kind).clamp_min(1)
        probability = torch.where(seen > 0, mixed, probability)
    return -probability.log() * held_there


def bits_per_byte(losses: Tensor, texts: Sequence[str]) -> float:
    """Bits per byte of `texts`, from the losses (n,) of all their tokens in nats: what an ideal coder would need."""
    return losses.double().sum().item() / math.log(2) / sum(len(text.encode()) for text in texts)


def splice(sae: Model) -> Callable[[Tensor], Tensor]:
    """For `changed`: replace the stream (n, t, d) by the autoencoder's reconstruction of it."""
    return lambda stream: sae(stream.flatten(0, 1)).view_as(stream)


def turn(sae: SparseAutoencoder, feature: int, gain: float) -> Callable[[Tensor], Tensor]:
    """For `changed`: steering, which multiplies the activation of one feature in the stream (n, t, d) by `gain`; 0 ablates
    it.

    See `saelib.interpret.steering_vectors`.
    Raises ValueError for a feature that the autoencoder does not have, or a gain that is no finite number.
    """
    feature, gain = checks.feature("feature", feature, sae.d_sae), checks.number("gain", gain)
    return lambda stream: stream + steering_vectors(sae, sae.encode(stream.flatten(0, 1)), feature, gain=gain).view_as(stream)


def push(vectors: Tensor) -> Callable[[Tensor], Tensor]:
    """For `changed`: add `vectors` to the stream (n, t, d) at the last token of each text.

    They are (d,), the same for all texts, or (n, d): `saelib.interpret.steering_vectors` or `swap_vectors` of these tokens,
    for example. `GPT.next_logits` does the same for many of them at once.
    Raises ValueError, when the model runs, for another shape or type, or numbers that are not finite.
    """

    def change(stream: Tensor) -> Tensor:
        pushed = stream.clone()
        pushed[:, -1] += checks.vectors("vectors", vectors, len(stream), stream.shape[2])
        return pushed

    return change


BEFORE, LENGTH = 15, 24  # tokens of an example before the one that it is chosen for, and in all
ALIKE = 6  # where so many tokens before it are the same, it is the same passage over again
BINS = 24


class Ablation(NamedTuple):
    """How the effect of ablating a feature is measured: in which model, at the part whose activations the autoencoder reads.

    model, part: as for `changed`; snippets: the number of excerpts of text, spread over the feature's whole range of
    activations; reach: tokens in each (at most the model's `context`), two thirds of them before the one that it was chosen
    for.
    """

    model: nn.Module
    part: str
    snippets: int = 4
    reach: int = 64


@torch.no_grad()
def feature_cards(
    sae: SparseAutoencoder, x: Tensor, tokens: Tokens, vocabulary: Sequence[str], *,
    features: Sequence[int] | None = None, unembed: Tensor | None = None, ablation: Ablation | None = None,
    labels: Labels | None = None, examples: int = 9, sources: Sequence[str] | None = None,
) -> list[FeatureCard]:  # fmt: skip
    """Feature cards, from all the texts in which the features are active; a feature that is never active has none.

        x = token_activations(model, "blocks.2", tokens)
        cards = feature_cards(sae, x, tokens, vocabulary)
        save_html(FeatureBrowser(cards), "features.html")      # from saelib.widgets

    Args: sae, the autoencoder; x (n, d_in), what it reads at each of `tokens`; vocabulary, each token as text; features, the
    indices of those that get a card (all by default).
    unembed: (n_tokens, d_in), the direct effect of each dimension of x on each token's logit, past all later blocks (Elhage
    et al., 2021): our own GPT's is unembed.weight * norm.weight. With it a card has the ten tokens that the feature, at its
    strongest, promotes and suppresses most, relative to the mean of all tokens. Of a code with signs (`Drawers`) a card shows
    absolute activations, and what is promoted goes by the sign of the strongest.
    ablation: where x comes from, and how much text to run. With it a card has the effect of ablating the feature.
    labels: of the same tokens, scored on this sae's codes. A card has its label where its F1 is at least their `least_f1`
    (and its AUROC a number).
    examples: how many a card has, spread over the feature's whole range of activations, beside the two where its label fails.
    sources: the names of the texts.

    Raises ValueError for arguments that do not fit together.
    """
    _fit(sae, x, tokens, vocabulary, features, unembed, ablation, labels, sources)
    checks.count("examples", examples)
    features = list(range(sae.d_sae) if features is None else features)
    codes = torch.cat([sae.encode(piece.to(sae.W_dec.device))[:, features].cpu() for piece in x.split(4_096)]).T.contiguous()  # (features, n)
    orders = [strongest_first(row) for row in codes]
    bounds = tokens.bounds()
    alive = [i for i, order in enumerate(orders) if len(order)]
    effects: dict[int, Effect] = {}
    if ablation is not None and alive:
        focus = {features[i]: orders[i][torch.linspace(0, len(orders[i]) - 1, ablation.snippets).round().long()] for i in alive}
        effects = _effects(sae, ablation, tokens, vocabulary, focus, bounds)
    cards = []
    for i in alive:
        feature, own, strength, order = features[i], codes[i], codes[i].abs(), orders[i]
        promoted: list[tuple[str, float]] = []
        suppressed: list[tuple[str, float]] = []
        if unembed is not None:
            change = unembed @ sae.W_dec[feature].to(unembed.device) * own[order[0]]
            change -= change.mean()
            promoted = [(vocabulary[j], change[j].item()) for j in change.topk(min(10, len(change))).indices.tolist()]
            suppressed = [(vocabulary[j], change[j].item()) for j in (-change).topk(min(10, len(change))).indices.tolist()]
        label, holding = None, None
        f1 = precision = recall = auroc = threshold = 0.0
        wrong: dict[str, Tensor] = {}
        interval: tuple[float, float] | None = None
        if labels is not None and (scores := labels.scores).f1[feature] >= labels.least_f1 and not scores.auroc[feature].isnan():
            label = labels.names[int(scores.label[feature])]
            holds = labels.holds[:, int(scores.label[feature])]
            numbers = (scores.f1, scores.precision, scores.recall, scores.auroc, scores.threshold)
            f1, precision, recall, auroc, threshold = (part[feature].item() for part in numbers)
            alarms = order[~holds[order] & (own[order] > scores.threshold[feature])]
            missed = (holds & (own == 0)).nonzero().ravel()  # none of them is stronger, so they come in random order and not file by file
            wrong = {FALSE_ALARM: alarms, MISSED: missed[torch.randperm(len(missed), generator=torch.Generator().manual_seed(feature))]}
            holding = int(holds.sum())
            if labels.intervals is not None:
                low, high = labels.intervals[feature].tolist()
                interval = low, high
        cards.append(FeatureCard(
            feature, label, f1, precision, recall, auroc, threshold, len(order) / len(own), torch.histc(strength[order], BINS, 0, strength[order[0]].item()),
            strength[order[0]].item(), promoted, suppressed, effects.get(feature),
            _examples(strength, order, wrong, tokens, vocabulary, bounds, examples, sources), holding, interval,
        ))  # fmt: skip
    return cards


def _fit(
    sae: SparseAutoencoder, x: Tensor, tokens: Tokens, vocabulary: Sequence[str], features: Sequence[int] | None,
    unembed: Tensor | None, ablation: Ablation | None, labels: Labels | None, sources: Sequence[str] | None,
) -> None:  # fmt: skip
    """Raises ValueError where the arguments of `feature_cards` do not fit together."""
    checks.finite("x", checks.matrix("x", x, sae.d_in))
    if len(x) != len(tokens.ids):
        raise ValueError(f"x has {len(x)} rows; expected {len(tokens.ids)}, one for each token")
    if len(vocabulary) <= (most := int(tokens.ids.max())):
        raise ValueError(f"vocabulary holds {len(vocabulary)} tokens; expected at least {most + 1}, for a token has number {most}")
    if unembed is not None and (not isinstance(unembed, Tensor) or unembed.shape != (len(vocabulary), sae.d_in)):
        got: object = tuple(unembed.shape) if isinstance(unembed, Tensor) else type(unembed).__name__
        raise ValueError(f"unembed is {got}; expected a tensor of shape ({len(vocabulary)}, {sae.d_in}), a row for each token")
    for i, feature in enumerate(features if features is not None else ()):
        checks.feature(f"features[{i}]", feature, sae.d_sae)
    for name, value, kind in (("ablation", ablation, Ablation), ("labels", labels, Labels)):
        if not isinstance(value, kind | None):
            raise ValueError(f"{name} is of type {type(value).__name__}; expected {kind.__name__}(...)")
    if ablation is not None:
        checks.count("snippets", ablation.snippets)
        checks.count("reach", ablation.reach)
    if labels is not None:
        names, holds, scores, intervals, _ = labels
        if len(scores.f1) != sae.d_sae:
            raise ValueError(f"scores are of {len(scores.f1)} features; expected d_sae = {sae.d_sae}")
        if not isinstance(holds, Tensor) or holds.dtype != torch.bool or holds.shape != (len(x), len(names)):
            got = f"{tuple(holds.shape)}, {holds.dtype}" if isinstance(holds, Tensor) else type(holds).__name__
            raise ValueError(f"holds is {got}; expected a bool tensor of shape ({len(x)}, {len(names)}), a column for each name")
        if scores.label.max() >= len(names):
            raise ValueError(f"scores has label {int(scores.label.max())}; expected one of the {len(names)} in names, counted from 0")
        if intervals is not None and (not isinstance(intervals, Tensor) or intervals.shape != (sae.d_sae, 2)):
            got = tuple(intervals.shape) if isinstance(intervals, Tensor) else type(intervals).__name__
            raise ValueError(f"intervals is {got}; expected a tensor of shape ({sae.d_sae}, 2), a row for each feature")
    if sources is not None and len(sources) <= (last := int(tokens.file.max())):
        raise ValueError(f"sources names {len(sources)} texts; expected at least {last + 1}, for a token is from text {last}")


def _examples(
    strength: Tensor, order: Tensor, wrong: dict[str, Tensor], tokens: Tokens, vocabulary: Sequence[str], bounds: Tensor,
    count: int, sources: Sequence[str] | None,
) -> list[Example]:  # fmt: skip
    """From the whole range of a feature, by `order`, no passage twice; and one of each kind of places at which its label is wrong."""
    taken: list[int] = []
    read: set[tuple[int, ...]] = set()
    examples = []

    def add(candidates: Tensor, quantiles: Iterable[str]) -> None:
        """The first of some tokens that is not in sight of one that was shown already, nor in the same words."""
        for place, quantile in zip(candidates.tolist(), quantiles):
            if any(abs(place - other) < LENGTH for other in taken):
                continue
            passage = tuple(tokens.ids[max(0, place - ALIKE) : place + 1].tolist())
            if passage not in read:
                taken.append(place)
                read.add(passage)
                file = int(torch.searchsorted(bounds, place, right=True)) - 1
                begin, end = int(bounds[file]), int(bounds[file + 1])
                first = max(begin, min(place - BEFORE, end - LENGTH))
                last = min(first + LENGTH, end)
                texts = [vocabulary[j] for j in tokens.ids[first:last].tolist()]
                source = None if sources is None else sources[int(tokens.file[place])]
                examples.append(Example(texts, strength[first:last].clone(), place - first, quantile, place, source))
                return

    for share in _spread(count):
        start = round(share * (len(order) - 1))
        ranks = range(start, len(order))[:200] if share < 1 else range(len(order))[::-1][:200]
        add(order[list(ranks)], (_quantile(rank, len(order)) for rank in ranks))
    examples.sort(key=lambda example: -example.activations[example.focus])
    for kind, places in wrong.items():
        add(places[:200], [kind] * 200)
    return examples


def _spread(count: int) -> list[float]:
    """Where in the range that many examples are looked for, from 0, the strongest: a third of them, and two ninths at the weak end."""
    top, bottom = math.ceil(count / 3), 2 * count // 9
    return [0.0] * top + torch.linspace(0.25, 0.85, count - top - bottom).tolist() + [1.0] * bottom


def _quantile(rank: int, count: int) -> str:
    """Which part of the range the token of that rank is from, the strongest having rank 0."""
    tenth = 10 - min(9, 10 * rank // max(1, count - 1))
    return {10: STRONGEST, 3: "3rd tenth", 2: "2nd tenth", 1: WEAKEST}.get(tenth, f"{tenth}th tenth")


def _effects(
    sae: SparseAutoencoder, ablation: Ablation, tokens: Tokens, vocabulary: Sequence[str], focus: dict[int, Tensor], bounds: Tensor
) -> dict[int, Effect]:  # fmt: skip
    """Each feature ablated in its own excerpts of text, excerpts of several features at a time."""
    model, part, _, reach = ablation
    reach = min(reach, getattr(model, "context", reach))
    places, owner = torch.cat([*focus.values()]), torch.cat([torch.full((len(at),), i) for i, at in enumerate(focus.values())])
    feature, (following, there) = torch.tensor([*focus]), tokens.following()
    file = torch.searchsorted(bounds, places, right=True) - 1
    start = torch.maximum(bounds[file], places - 2 * reach // 3)
    rise, count = torch.zeros(2, len(focus)), torch.zeros(2, len(focus))  # where it is on, and elsewhere
    before, after = torch.zeros(len(focus), len(vocabulary)), torch.zeros(len(focus), len(vocabulary))
    for rows in torch.arange(len(places)).split(32):
        at = start[rows, None] + torch.arange(reach)
        inside = at < bounds[file[rows] + 1, None]
        at = at.clamp(max=len(tokens.ids) - 1)
        own = feature[owner[rows]].repeat_interleave(reach)
        on = torch.zeros(at.shape, dtype=torch.bool)

        def off(stream: Tensor) -> Tensor:
            codes = sae.encode(stream.flatten(0, 1))
            mine = own.to(codes.device)
            on[:] = codes.gather(1, mine[:, None]).view(at.shape) != 0
            return stream + steering_vectors(sae, codes, mine, gain=0.0).view_as(stream)

        with evaluating(model):
            whole = _logits(model, tokens.ids[at]).float().log_softmax(dim=2)
        if whole.shape[2] != len(vocabulary):
            raise ValueError(f"vocabulary holds {len(vocabulary)} tokens; expected {whole.shape[2]}, as the model does")
        with evaluating(model), changed(model, part, off):
            without = _logits(model, tokens.ids[at]).float().log_softmax(dim=2)
        worse = (whole - without).gather(2, following[at][:, :, None])[:, :, 0]
        who = owner[rows, None].expand_as(at)
        for side, where in enumerate((on & inside & there[at], ~on & inside & there[at])):
            rise[side].index_add_(0, who[where], worse[where])
            count[side].index_add_(0, who[where], torch.ones(int(where.sum())))
        where = on & inside
        before.index_add_(0, who[where], whole[where].exp())
        after.index_add_(0, who[where], without[where].exp())
    rise, seen = rise / count.clamp_min(1), before.sum(dim=1, keepdim=True).clamp_min(1e-9)
    before, after = before / seen, after / seen
    moved = (after - before).abs().topk(min(4, len(vocabulary)), dim=1).indices
    return {
        number: Effect(
            rise[0, i].item(), rise[1, i].item(),
            [(vocabulary[j], before[i, j].clamp(0, 1).item(), after[i, j].clamp(0, 1).item()) for j in moved[i].tolist()],
        )
        for i, number in enumerate(focus)
    }  # fmt: skip


def _context(model: nn.Module, context: int | None) -> int:
    context = getattr(model, "context", None) if context is None else context
    if context is None:
        raise ValueError(f"context is None; expected how many tokens the model looks at, which {type(model).__name__} does not say")
    return checks.count("context", context, least=2)


def _near(model: nn.Module, inputs: Tensor) -> Tensor:
    """Tokens where the model is."""
    weight = next(model.parameters(), None)
    return inputs if weight is None else inputs.to(weight.device)


def _logits(model: nn.Module, inputs: Tensor, most: int = 0) -> Tensor:
    """What the model gives for tokens (n, t), where they are: (n, t, n_tokens), n_tokens above `most`. Models give it alone, as
    the first of several things (a loss beside it), or as the `.logits` of one."""
    given = model(_near(model, inputs))
    logits = getattr(given, "logits", given)
    if isinstance(logits, (tuple, list)) and logits:
        logits = logits[0]
    if not isinstance(logits, Tensor) or logits.ndim != 3 or logits.shape[:2] != inputs.shape or logits.shape[2] <= most:
        got = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
        raise ValueError(
            f"model gives {got} for tokens {tuple(inputs.shape)}; expected logits (n, t, n_tokens), one for each token up to {most} or more"
        )
    return logits.to(inputs.device)


def _runs(tokens: Tokens, n_tokens: int, length: int) -> Tensor:
    """Each token's next one with the `length` - 1 tokens before that as one number: (n,) int64. Before a text begins stands
    its own first token, the mark, again."""
    run = tokens.ids.roll(-1)
    first = torch.searchsorted(tokens.file, tokens.file)  # where each token's text begins
    place = torch.arange(len(tokens.ids))
    for back in range(length - 1):
        run = run + tokens.ids[torch.maximum(place - back, first)] * n_tokens ** (back + 1)
    return run


def _lookup(keys: Tensor, values: Tensor, wanted: Tensor) -> Tensor:
    """The value at each wanted key, 0 where there is none; keys are sorted."""
    if not len(keys):
        return torch.zeros(len(wanted), dtype=torch.float64)
    place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    return torch.where(keys[place] == wanted, values[place], 0).double()
