"""What a feature stands for: the examples that activate it, the labels that it predicts, and what ablating or steering it
does."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from . import checks
from .models import Model, SparseAutoencoder


class Card(NamedTuple):
    """A feature card: what a set of examples says about one feature.

    feature: its index; picture: (d_in,), its row of W_dec; density: the fraction of the examples in which it is active;
    values: (m,), its activations in these, by falling absolute value; examples: (m,) int64, the indices of these examples;
    error and without: the squared error of these examples, divided by their squared distance from the mean of all examples,
    with the feature and with it ablated (NaN for a feature that is never active).
    """

    feature: int
    picture: Tensor
    density: float
    values: Tensor
    examples: Tensor
    error: float
    without: float

    def across(self, count: int) -> Tensor:
        """`count` of its examples, evenly spread by rank from the strongest activation to the weakest: (count,) int64.

        The top activating examples alone mislead: a feature may be active for one thing where it is strong and for others
        where it is weak.
        Raises ValueError where the feature is active in fewer examples.
        """
        checks.count("count", count, most=len(self.examples), why=f"for so often is feature {self.feature} on")
        return self.examples[torch.linspace(0, len(self.examples) - 1, count).round().long()]


def strongest_first(strength: Tensor) -> Tensor:
    """The examples in which a feature is active, by falling absolute activation: activations (n,) to indices (m,) int64.

    Active is whatever is not zero; equal ones keep their order.
    """
    on = strength.nonzero().ravel()
    return on[strength[on].abs().argsort(descending=True, stable=True)]


@torch.no_grad()
def card(sae: SparseAutoencoder, x: Tensor, feature: int) -> Card:
    """The card of `feature`, from the examples x (n, d_in). Raises ValueError for a feature that the model does not have."""
    feature = checks.feature("feature", feature, sae.d_sae)
    codes = sae.encode(x)
    own = codes[:, feature]
    examples = strongest_first(own)
    spread = (x - x.mean(dim=0))[examples].square().sum()
    left = x - sae.decode(codes)
    error, without = (part[examples].square().sum() / spread for part in (left, left - steering_vectors(sae, codes, feature, gain=0.0)))
    density = len(examples) / len(x)
    return Card(feature, sae.W_dec[feature].clone(), density, own[examples], examples, error.item(), without.item())


def steering_vectors(sae: SparseAutoencoder, codes: Tensor, feature: int | Tensor, *, gain: float) -> Tensor:
    """Steering vectors: what to add to activations, or to their reconstructions, to multiply a feature by `gain`: (n, d_in).

        (gain - 1) * codes[i, feature] * W_dec[feature]

    A gain of 0 ablates it. All else stays as it was, the reconstruction error included.

    Args: codes (n, d_sae), of the activations; feature, one index for all rows, or (n,) int64, one for each row; gain, the
    factor.
    Raises ValueError for codes of another shape, a feature that the model does not have, or a gain that is no finite number.
    """
    checks.matrix("codes", codes, sae.d_sae)
    if not isinstance(feature, Tensor):
        feature = checks.feature("feature", feature, sae.d_sae)
    elif feature.dtype != torch.int64 or feature.shape != codes.shape[:1] or not 0 <= feature.min() <= feature.max() < sae.d_sae:
        raise ValueError(f"feature is {feature!r}; expected an int64 tensor of {len(codes)} numbers from 0 to {sae.d_sae - 1}")
    own = codes[torch.arange(len(codes), device=codes.device), feature]
    return (checks.number("gain", gain) - 1) * own[:, None] * sae.W_dec[feature]


def swap_vectors(sae: SparseAutoencoder, codes: Tensor, feature: int | Tensor, other: Tensor) -> Tensor:
    """What to add to activations, or to their reconstructions, to replace a feature by another vector: (n, d_in).

        other - codes[i, feature] * W_dec[feature]

    Args: codes (n, d_sae) and feature, as for `steering_vectors`; other, (d_in,) or (n, d_in), the replacement, such as
    8 * sae.W_dec[20], another feature at an activation of 8, or, as a control, a random direction of that length.
    Raises ValueError as `steering_vectors` does, and for another shape or type of other, or numbers that are not finite.
    """
    off = steering_vectors(sae, codes, feature, gain=0.0)
    return checks.vectors("other", other, *off.shape) + off


@torch.no_grad()
def ablate(sae: SparseAutoencoder, x: Tensor, feature: int) -> Tensor:
    """Reconstructions of x (n, d_in) with `feature` ablated, its activation set to zero: (n, d_in).

    Raises ValueError for a feature that the model does not have.
    """
    return steer(sae, x, feature, gain=0.0)


@torch.no_grad()
def steer(sae: SparseAutoencoder, x: Tensor, feature: int, *, gain: float) -> Tensor:
    """Reconstructions of x (n, d_in) with the activation of `feature` multiplied by `gain`: (n, d_in).

    Raises ValueError for a feature that the model does not have, or a gain that is no finite number.
    """
    codes = sae.encode(x)
    return sae.decode(codes) + steering_vectors(sae, codes, feature, gain=gain)


def effective_kinds(strength: Tensor, label: Tensor) -> Tensor:
    """The effective number of classes that each neuron responds to: (d_code,), from 1 up to the number of classes.

        exp( - sum over classes of p log p ),   p = a class's fraction of the sum of the neuron's activations

    (the exponential of the entropy, a "Hill number": Hill, 1973). 1 for a neuron that is active for one class only, and the
    number of classes for one that is equally active for all; NaN for one that is never active.

    Args: strength (n, d_code), the activation of each neuron in each example, not negative; label (n,) int64, the classes.
    Raises ValueError for other shapes or types, numbers that are not finite, or negative ones.
    """
    strength = checks.finite("strength", checks.matrix("strength", strength)).double()
    if (strength < 0).any():
        raise ValueError(f"strength holds {strength.min().item()}; expected no negative numbers")
    if not isinstance(label, Tensor) or label.dtype != torch.int64 or label.shape != strength.shape[:1] or (label < 0).any():
        raise ValueError(f"label is {label!r}; expected an int64 tensor of {len(strength)} numbers, none negative")
    said = torch.zeros(int(label.max()) + 1, strength.shape[1], dtype=strength.dtype).index_add_(0, label, strength)
    return torch.special.entr(said / said.sum(dim=0)).sum(dim=0).exp()


#: The least change of a pixel's ink that `part_overlap` counts: half of a sixteenth of full ink, for less is gone when a
#: picture is drawn in sixteenths.
VISIBLE = 1 / 32


@torch.no_grad()
def part_overlap(model: Model, x: Tensor, masks: Tensor, *, least: int = 10) -> Tensor:
    """How well the pixels that each feature draws overlap each true part (mean IoU): (parts, d_code), from 0 to 1.

    Set one feature of a picture to its usual value, and take the pixels of the reconstruction that change by `VISIBLE` or
    more. In every picture where there are any, compare them with the pixels of the part:

        overlap = mean over pictures of  (pixels in both)  /  (pixels in either)

    (the Jaccard index, "intersection over union"). A picture without the part counts 0. The usual value is the median over x:
    0 for a feature that is inactive in most pictures, and the resting value of a dense neuron. A feature that changes fewer
    than `least` pictures has 0 throughout.

    Args: model, trained to reconstruct the pictures; x (n, d_in); masks (n, parts, height, width) bool, height * width =
    d_in.
    Raises ValueError for other shapes or types, or a least below 1.
    """
    codes = model.encode(x)
    if not isinstance(masks, Tensor) or masks.dtype != torch.bool or masks.ndim != 4 or masks.flatten(2).shape[::2] != x.shape:
        got = f"{tuple(masks.shape)}, {masks.dtype}" if isinstance(masks, Tensor) else type(masks).__name__
        raise ValueError(f"masks is {got}; expected a bool tensor ({len(x)}, parts, height, width) of {model.d_in} pixels each")
    least = checks.count("least", least)
    part = masks.flatten(2).float()
    size, copy, usual = part.sum(dim=2), model.decode(codes), codes.median(dim=0).values
    overlap = torch.zeros(part.shape[1], codes.shape[1])
    for feature in range(codes.shape[1]):
        without = codes.clone()
        without[:, feature] = usual[feature]
        changed = ((copy - model.decode(without)).abs() >= VISIBLE).float()
        rows = changed.any(dim=1).nonzero().ravel()
        if len(rows) >= least:
            both = torch.bmm(part[rows], changed[rows, :, None])[:, :, 0]
            either = size[rows] + changed[rows].sum(dim=1, keepdim=True) - both
            overlap[:, feature] = (both / either).mean(dim=0)
    return overlap


class LabelScores(NamedTuple):
    """How well each feature predicts its best label, on held-out examples; an entry for each of f features.

    label: (f,) int64, the index of the label that it predicts best; threshold: (f,), the activation above which it predicts
    the label; precision: (f,), of the examples above the threshold, the fraction with the label; recall: (f,), of the
    examples with the label, the fraction above the threshold; f1: (f,), the harmonic mean of the two; auroc: (f,), the area
    under the ROC curve, which is the probability that the activation is higher in an example with the label than in one
    without, ties counted half (NaN where all examples have the label, or none).
    """

    label: Tensor
    threshold: Tensor
    precision: Tensor
    recall: Tensor
    f1: Tensor
    auroc: Tensor


class Labels(NamedTuple):
    """Labels of the tokens of a text, and how well each feature predicts its best label.

    names: of the labels; holds: (n, labels) bool, which tokens have which label; scores: from `label_scores`, on the codes of
    the features; intervals: (f, 2), confidence intervals of F1, from `f1_intervals`, or None; least_f1: the lowest F1 with
    which a feature is named after its label.
    """

    names: Sequence[str]
    holds: Tensor
    scores: LabelScores
    intervals: Tensor | None = None
    least_f1: float = 0.0


SHARES = torch.logspace(-3.3, -0.3, 13).tolist()  # thresholds tried: above them lies from 1 in 2,000 to half of the examples


@torch.no_grad()
def threshold_counts(codes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """At each of several thresholds: how many examples are above it, and how many of these have each label, for each feature.

    Args: codes (n, f), the activations of f features in n examples; labels (n, l) bool, which of the examples have which
    label.
    Returns thresholds (f, t), from high to low, those quantiles of each feature's activations that `SHARES` gives; (f, t),
    the number of examples above each; (f, t, l), how many of these have each label. Zeros of a sparse code cost nothing.
    """
    # Enough examples to place thresholds by; a feature is a row, for then it is ordered from one place. Only the places asked for
    # have to be in order, which takes a fraction of the time of sorting.
    some = codes[:: max(1, len(codes) // 20_000)].detach().T.to("cpu", torch.promote_types(codes.dtype, torch.float32)).contiguous().numpy()
    places = [some.shape[1] - 1 - min(int(share * some.shape[1]), some.shape[1] - 1) for share in SHARES]
    highest = np.partition(some, places, axis=1)[:, places]
    bars = torch.from_numpy(highest).to(codes)
    if (some > highest[:, -1:]).mean() > 0.1:  # few are off: then it is quicker to multiply all
        true, above = labels.float(), [(codes > bar).float() for bar in bars.T]
        return bars, torch.stack([each.sum(dim=0) for each in above], dim=1), torch.stack([each.T @ true for each in above], dim=1)
    on, both = torch.zeros(bars.numel()), torch.zeros(bars.numel(), labels.shape[1])
    for piece, true in zip(codes.split(1_024), labels.split(1_024)):
        place, feature = (piece > bars[:, -1]).nonzero(as_tuple=True)
        # The highest of its thresholds that it is above; it is above the lower ones too.
        level = feature * len(SHARES) + (bars[feature] >= piece[place, feature][:, None]).sum(dim=1)
        on += torch.bincount(level, minlength=len(on))
        both.index_add_(0, level, true.float()[place])
    return bars, on.view(bars.shape).cumsum(dim=1), both.view(*bars.shape, -1).cumsum(dim=1)


@torch.no_grad()
def label_scores(codes: Tensor, labels: Tensor, held_codes: Tensor, held_labels: Tensor) -> LabelScores:
    """Find for each feature the label and threshold with the best F1 on some examples, and score them on held-out ones.

    The same search for all that has activations: features of a sparse autoencoder, neurons, directions. Thresholds are
    quantiles of a feature's own activations, or 0 where it is active in fewer examples.

    Args: codes (n, f), activations in the examples to choose by; labels (n, l) bool, which of them have which label;
    held_codes (m, f) and held_labels (m, l), the same of the held-out examples.
    Raises ValueError for other shapes or types, or activations that are not finite.
    """
    for name, code, label in (("codes", codes, labels), ("held_codes", held_codes, held_labels)):
        checks.finite(name, checks.matrix(name, code, codes.shape[1] if isinstance(codes, Tensor) and codes.ndim == 2 else None))
        if not isinstance(label, Tensor) or label.dtype != torch.bool or label.ndim != 2 or len(label) != len(code):
            got = f"{tuple(label.shape)}, {label.dtype}" if isinstance(label, Tensor) else type(label).__name__
            raise ValueError(f"{name.replace('codes', 'labels')} is {got}; expected a bool tensor of shape ({len(code)}, labels)")
    if held_labels.shape[1] != labels.shape[1]:
        raise ValueError(f"held_labels has {held_labels.shape[1]} labels; expected {labels.shape[1]}, as labels has")
    bars, on, both = threshold_counts(codes, labels)
    f1 = 2 * both / (labels.sum(dim=0).float() + on[:, :, None]).clamp_min(1)
    best = f1.flatten(1).argmax(dim=1)
    label, threshold = best % labels.shape[1], bars.gather(1, (best // labels.shape[1])[:, None])[:, 0]
    held, true = held_codes.T.contiguous(), held_labels.T.contiguous()[label]  # (f, m) both
    on = held > threshold[:, None]
    both, said, there = (part.sum(dim=1).float() for part in (on & true, on, true))
    auroc = torch.stack([_auroc(*row) for row in zip(held, true)])
    return LabelScores(label, threshold, both / said.clamp_min(1), both / there.clamp_min(1), 2 * both / (said + there).clamp_min(1), auroc)


def _auroc(strength: Tensor, true: Tensor) -> Tensor:
    """The probability that a positive example is above a negative one. Those with the lowest value, most as a rule, are not
    sorted."""
    above = strength > strength.min()
    values, place, count = strength[above].unique(return_inverse=True, return_counts=True)
    positives = torch.bincount(place[true[above]], minlength=len(values)).double()
    negatives = count - positives
    low_negative, low_positive = (~above & ~true).sum(), (~above & true).sum()
    beaten = low_negative + negatives.cumsum(dim=0) - negatives / 2
    wins = (positives * beaten).sum() + low_positive * low_negative / 2
    return (wins / (true.sum() * (~true).sum())).float()


STRONGEST, WEAKEST = "strongest", "weakest"
FALSE_ALARM, MISSED = "on though the label does not hold", "off though the label holds"


class Example(NamedTuple):
    """An excerpt of text around one token, with the activations of one feature.

    tokens: the excerpt, token by token; activations: (tokens,), none negative; focus: the index in it of the token that it
    was chosen for; quantile: which part of the feature's range that token is from: `STRONGEST`, `WEAKEST`, words for what
    lies between, such as "3rd tenth", `FALSE_ALARM`, for one above the threshold but without the label, or `MISSED`, for one
    that has the label where the feature is inactive; place: the index of that token among all tokens, or None; source: the
    name of the text, or None.
    """

    tokens: Sequence[str]
    activations: Tensor
    focus: int
    quantile: str
    place: int | None = None
    source: str | None = None


class Effect(NamedTuple):
    """What ablating a feature does to the model's predictions, all else as it was.

    loss_on, loss_elsewhere: by how many nats the next-token loss rises, on average over the tokens at which the feature is
    active, and over the others; changed: the next tokens whose probability changes most, each with its probability before and
    after.
    """

    loss_on: float
    loss_elsewhere: float
    changed: Sequence[tuple[str, float, float]]


class FeatureCard(NamedTuple):
    """A feature card for a language model: what a set of texts says about one feature.

    feature: its index; label: what it stands for, in a few words ("inside a docstring"), or None where no label fits;
    f1, precision, recall: of "its activation is above `threshold`" as a test for the label; auroc: as in `LabelScores` (these
    five mean nothing where there is no label); density: the fraction of all tokens at which it is active; histogram: (bins,),
    the number of tokens by activation, in bins of one width from 0 to `maximum`, its strongest activation;
    promoted, suppressed: the tokens whose logits it raises and lowers most, with the change of the logit, the largest first;
    effect: what ablating it does, or None where that was not measured; examples: excerpts from its whole range of
    activations, the strongest first; holds: how many of the tokens that f1 is from have the label; interval: the confidence
    interval of f1 (see `f1_intervals`). The last two are None where they are not known.
    """

    feature: int
    label: str | None
    f1: float
    precision: float
    recall: float
    auroc: float
    threshold: float
    density: float
    histogram: Tensor
    maximum: float
    promoted: Sequence[tuple[str, float]]
    suppressed: Sequence[tuple[str, float]]
    effect: Effect | None
    examples: Sequence[Example]
    holds: int | None = None
    interval: tuple[float, float] | None = None


class Similar(NamedTuple):
    """For each of f features the others that are most similar, by decoder direction and by co-activation.

    direction: (f, most) int64, those with the most similar decoder rows, the most similar first; cosine: (f, most), the
    cosine similarities of these; together: (f, most) int64, those that are most often active at the same places; share:
    (f, most), the Jaccard index of these: the places where both are active, divided by those where either is.
    """

    direction: Tensor
    cosine: Tensor
    together: Tensor
    share: Tensor


@torch.no_grad()
def similar_features(decoder: Tensor, codes: Tensor, *, most: int = 5) -> Similar:
    """The most similar other features of each feature, by decoder direction and by co-activation. Active is whatever is not
    zero.

    The two need not agree. Features that are active together often stand for parts of one thing, and write different parts of
    it; features with nearly the same direction may share out its occurrences among themselves, and never be active together.

    Args: decoder (f, d_in), a feature a row, as W_dec; codes (n, f), activations at n places; most, how many others. A
    feature whose row is zero has a cosine of 0 with all, and one that is never active a share of 0.
    Raises ValueError for other shapes or types, numbers that are not finite, or as many others as there are features.
    """
    decoder = checks.finite("decoder", checks.matrix("decoder", decoder))
    features = len(decoder)
    codes = checks.finite("codes", checks.matrix("codes", codes, features))
    checks.count("most", most, most=features - 1, why=f"the others of {features} features")
    unit = torch.nn.functional.normalize(decoder, dim=1)
    both = torch.zeros(features, features, dtype=decoder.dtype, device=decoder.device)
    for piece in codes.split(8_192):
        on = (piece != 0).to(decoder.dtype)
        both += on.T @ on
    times = both.diagonal()
    either = (times[:, None] + times - both).clamp_min(1)
    found = []
    for likeness in (unit @ unit.T, both / either):
        value, other = likeness.fill_diagonal_(-torch.inf).topk(most, dim=1)
        found += [other, value.clamp(-1, 1)]
    return Similar(*found)


class StrongestAt(NamedTuple):
    """Which features are active at some places, such as tokens, the strongest first.

    places: (p,) int64, rows of the codes, in rising order; feature: (p, most) int64, the indices of the strongest features
    there, -1 where fewer are active; activation: (p, most), their activations, 0 there; count: (p,) int64, how many features
    are active in all.
    """

    places: Tensor
    feature: Tensor
    activation: Tensor
    count: Tensor  # type: ignore[assignment]  # a tuple's own count is of no use here


@torch.no_grad()
def strongest_at(codes: Tensor, places: Tensor, *, most: int = 8) -> StrongestAt:
    """The strongest active features at each of some places, such as tokens: the view opposite to a feature card.

    Strength is relative to the feature's own maximum in `codes`: a feature that is always active, and nowhere much stronger
    than elsewhere, says less about a place than one that is as strong here as anywhere.

    Args: codes (n, f), the activations of f features at n places; places (p,) int64, the rows to look at, in any order, one
    that comes twice counted once; most, how many features to return for each.
    Raises ValueError for other shapes or types, codes that are not finite, no places, one that is not there, or a most above
    f.
    """
    codes = checks.finite("codes", checks.matrix("codes", codes))
    if not isinstance(places, Tensor) or places.dtype != torch.int64 or places.ndim != 1 or not len(places):
        got = f"{tuple(places.shape)}, {places.dtype}" if isinstance(places, Tensor) else type(places).__name__
        raise ValueError(f"places is {got}; expected an int64 tensor (p,) of at least one row of codes")
    checks.counts("places", places.tolist(), "rows of codes", least=0, most=len(codes) - 1, why="the last row of codes")
    checks.count("most", most, most=codes.shape[1], why="as many as there are features")
    full = codes.abs().amax(dim=0).clamp_min(torch.finfo(codes.dtype).tiny)
    places = places.unique()
    own = codes[places]
    share, feature = (own.abs() / full).topk(most, dim=1)
    off = share == 0
    return StrongestAt(places, feature.masked_fill(off, -1), own.gather(1, feature).masked_fill(off, 0), (own != 0).sum(dim=1))


def example_places(cards: Sequence[FeatureCard]) -> Tensor:
    """The tokens at which the examples of `cards` are active, and those that they were chosen for: (p,) int64, each once, in
    rising order.

    They are indices among all tokens, as `strongest_at` takes them.
    Raises ValueError where there is no example, or one does not say its place.
    """
    found = []
    for card in cards:
        for i, example in enumerate(card.examples):
            if example.place is None:
                raise ValueError(f"example {i} of feature {card.feature} says no place; expected the number of its token among all")
            on = (example.activations != 0).nonzero().ravel()
            found.append(torch.cat([on, torch.tensor([example.focus])]) + example.place - example.focus)
    if not found:
        raise ValueError("cards have no examples; expected at least one")
    return torch.cat(found).unique()


@torch.no_grad()
def f1_intervals(
    scores: LabelScores, codes: Tensor, labels: Tensor, groups: Tensor, *, level: float = 0.95, draws: int = 1_000, seed: int = 0
) -> Tensor:  # fmt: skip
    """Confidence intervals of each feature's F1, had other texts of the kind been taken: (f, 2), lower and upper ends.

    A cluster bootstrap (Efron, 1979): as many texts as there are, are drawn at random with replacement, F1 is computed on
    these, again and again, and the interval holds the middle `level` of the results. Whole texts are drawn, not tokens,
    because the tokens of one text are alike.

    Args: scores, from `label_scores`; codes (m, f) and labels (m, l) bool, the held-out examples that they are from; groups
    (m,) int64, the text of each example, counted from 0; level, the coverage; draws, the number of bootstrap samples; seed,
    of the draws.
    Raises ValueError for other shapes or types, a level that is not between 0 and 1, or fewer than one draw.
    """
    codes = checks.finite("codes", checks.matrix("codes", codes, len(scores.f1)))
    for name, value, dtype, dims in (("labels", labels, torch.bool, 2), ("groups", groups, torch.int64, 1)):
        if not isinstance(value, Tensor) or value.dtype != dtype or value.ndim != dims or len(value) != len(codes):
            got = f"{tuple(value.shape)}, {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"{name} is {got}; expected a {dims}-dimensional {dtype} tensor of {len(codes)} rows, as codes has")
    if labels.shape[1] <= (last := int(scores.label.max())):
        raise ValueError(f"labels has {labels.shape[1]} columns; expected at least {last + 1}, for scores has label {last}")
    if groups.min() < 0:
        raise ValueError(f"groups holds {groups.min().item()}; expected the numbers of texts, counted from 0")
    checks.number("level", level, above=0, below=1)
    checks.count("draws", draws)
    # In each group, for each feature: how often it is on and its label holds, how often it is on, how often the label holds.
    counts = torch.zeros(3, int(groups.max()) + 1, codes.shape[1], dtype=torch.float64)
    for rows in torch.arange(len(codes)).split(8_192):
        on, true = codes[rows] > scores.threshold, labels[rows][:, scores.label]
        for total, part in zip(counts, (on & true, on, true)):
            total.index_add_(0, groups[rows], part.double())
    there = counts[:, torch.bincount(groups, minlength=counts.shape[1]) > 0]
    times = torch.rand(draws, there.shape[1], generator=torch.Generator().manual_seed(seed))
    times = torch.nn.functional.one_hot((times * there.shape[1]).long(), there.shape[1]).sum(dim=1).double()
    both, said, true = (times @ part for part in there)  # (draws, f)
    f1 = 2 * both / (said + true).clamp_min(1)
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    return f1.quantile(ends, dim=0).T.float()
