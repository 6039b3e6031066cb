"""How good a code is. Each quantity has one definition here, over the whole set, and nowhere else a second one.

A feature is *on* in an example where its number in the code is not zero. Numbers come back as Python floats, tensors in
float64; nothing here tracks gradients.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from . import checks


def fvu(x: Tensor, x_hat: Tensor) -> float:
    """Fraction of variance unexplained: the squared error as a share of what there was to explain.

        fvu = sum of (x - x_hat)^2  /  sum of (x - mean of x)^2

    Both sums run over all examples and numbers, and the mean is taken for each number of an example. 0 is a perfect copy, 1 what
    always answering with the mean would give; worse than that is possible.

    Args: x (n, d) and x_hat (n, d). Raises ValueError for other shapes, numbers that are not finite, or an x without variance.
    """
    x = checks.finite("x", checks.matrix("x", x))
    x_hat = checks.finite("x_hat", checks.matrix("x_hat", x_hat, x.shape[1]))
    if len(x) != len(x_hat):
        raise ValueError(f"x_hat has {len(x_hat)} rows; expected {len(x)}, as many as x")
    # In float64, so that the answer does not depend on how a large sum happened to be rounded.
    x, x_hat = x.double(), x_hat.double()
    deviation = (x - x.mean(dim=0)).square().sum()
    if deviation <= 1e-20 * x.square().sum():
        raise ValueError("x has no variance (all its rows are equal); expected rows that differ, for the error is divided by it")
    return ((x - x_hat).square().sum() / deviation).item()


@torch.no_grad()
def explained_variance(x: Tensor, x_hat: Tensor) -> float:
    """The share of variance that x_hat (n, d) explains of x (n, d): 1 - fvu(x, x_hat), and raises ValueError as that does.

    1 is a perfect copy, 0 what always answering with the mean would give, and less than that is possible. It is
    scikit-learn's r2_score, variance-weighted; an error that is the same in every example counts, too.
    """
    return 1 - fvu(x, x_hat)


@torch.no_grad()
def shrinkage(x: Tensor, x_hat: Tensor) -> float:
    """How much too short the reconstructions are: 1 is not at all, 0.9 is 10% too short, more than 1 is too long.

        gamma = sum of x_hat^2  /  sum of x_hat * x

    It is the gamma for which x_hat / gamma comes nearest to x: the relative reconstruction bias of Rajamanoharan et al. (2024a),
    "Improving dictionary learning with gated sparse autoencoders", equation 10. Both sums run over all examples and numbers,
    and as in the paper no mean is subtracted.

    Args: x (n, d) and x_hat (n, d). Raises ValueError for other shapes, numbers that are not finite, or an x_hat that does not
    point the way of x at all (the second sum is not above zero), such as one of zeros.
    """
    x = checks.finite("x", checks.matrix("x", x))
    x_hat = checks.finite("x_hat", checks.matrix("x_hat", x_hat, x.shape[1]))
    _as_many_rows("x_hat", x_hat, "x", x)
    x, x_hat = x.double(), x_hat.double()
    along = (x_hat * x).sum()
    if along <= 1e-12 * x.norm() * x_hat.norm():
        raise ValueError(f"x_hat has the inner product {along.item()} with x; expected one above 0, for x_hat is compared along x")
    return (x_hat.square().sum() / along).item()


def l0(codes: Tensor) -> float:
    """Active features per example: numbers in a code that are not zero, averaged over codes (n, d_sae).

    Raises ValueError for another shape or type, or numbers that are not finite.
    """
    codes = checks.finite("codes", checks.matrix("codes", codes))
    return (codes != 0).sum(dim=1).double().mean().item()


def dead_fraction(codes: Tensor) -> float:
    """Share of the features that are zero in every one of codes (n, d_sae): bricks that nobody ever takes from the box.

    Raises ValueError as l0 does.
    """
    codes = checks.finite("codes", checks.matrix("codes", codes))
    return (codes == 0).all(dim=0).double().mean().item()


@torch.no_grad()
def density(codes: Tensor) -> Tensor:
    """How often each feature is on: (d_sae,), the share of codes (n, d_sae) in which it is not zero. 0 is a dead feature.

    Raises ValueError as l0 does.
    """
    codes = checks.finite("codes", checks.matrix("codes", codes))
    return (codes != 0).sum(dim=0).double() / len(codes)


class DensityHistogram(NamedTuple):
    """How many features are on how often, on a log10 scale.

    counts: (bins,) int64, features whose log10 density lies from edges[i] up to, but not including, edges[i + 1]; the last bin
    includes 0, which is always on.
    edges: (bins + 1,) float64, evenly spaced log10 densities. The last is 0; the first is the whole power of ten at or below a
    single example's share, so -3 for 1,000 examples.
    dead: features that are never on and so have no logarithm. The counts and these are all features.
    """

    counts: Tensor
    edges: Tensor
    dead: int


@torch.no_grad()
def density_histogram(codes: Tensor, bins: int = 40) -> DensityHistogram:
    """A histogram of log10 of density(codes), dead features counted apart, on the CPU. The edges depend on n and bins only.

    Args: codes (n, d_sae); bins, how many. Raises ValueError for other shapes, numbers that are not finite, or no bins.
    """
    codes = checks.finite("codes", checks.matrix("codes", codes))
    bins = checks.count("bins", bins)
    decades = len(str(len(codes) - 1))  # the least number of them, and at least one, that reaches down to 1 / n
    edges = (torch.arange(bins + 1, dtype=torch.float64) - bins) * decades / bins
    often = (codes != 0).sum(dim=0).cpu()
    alive = often[often > 0].double()
    # A difference of logarithms, for that is exact where n and the number are powers of ten, and so edges.
    place = (alive.log10() - torch.tensor(float(len(codes)), dtype=torch.float64).log10()).clamp(min=-decades)
    counts = torch.bucketize(place, edges[1:-1], right=True).bincount(minlength=bins)
    return DensityHistogram(counts, edges, len(often) - len(alive))


@torch.no_grad()
def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine similarity of every row of a with every row of b: a (n, d) and b (m, d) give (n, m), from -1 to 1.

    A row of zeros has similarity 0 with every row: a dead feature's decoder may be one, and it resembles nothing.
    Raises ValueError for other shapes or numbers that are not finite.
    """
    a = checks.finite("a", checks.matrix("a", a))
    b = checks.finite("b", checks.matrix("b", b, a.shape[1]))
    return (_unit(a) @ _unit(b).T).clamp(-1, 1)


@torch.no_grad()
def mmcs(true_dictionary: Tensor, learned_dictionary: Tensor) -> float:
    """Mean max cosine similarity: how near the nearest learned feature comes to a true one, averaged over the true ones.

        mmcs = mean over i of  max over j of  cosine(true_dictionary[i], learned_dictionary[j])

    The sign is kept: a feature that points the opposite way is another feature. One learned feature may serve several true ones
    (in mcc it may not), and learned features that serve none cost nothing. Sharkey et al. (2022), "Taking features out of
    superposition with sparse autoencoders".

    Args: true_dictionary (n_true, d) and learned_dictionary (d_sae, d), a feature a row. Raises ValueError for other shapes,
    numbers that are not finite, or a row of zeros in true_dictionary.
    """
    true_dictionary, learned_dictionary = _dictionaries(true_dictionary, learned_dictionary)
    return cosine(true_dictionary, learned_dictionary).amax(dim=1).mean().item()


@torch.no_grad()
def mcc(true_dictionary: Tensor, learned_dictionary: Tensor) -> float:
    """Mean cosine similarity of the true features with learned ones, each learned one given to one true feature at most.

        mcc = sum over matched i of cosine(true_dictionary[i], learned_dictionary[match(i)])  /  n_true

    The matching is the one with the largest sum. If there are fewer learned than true features, true ones are left without a
    partner and count 0; learned ones left over cost nothing. The sign is kept, as in mmcs; Song et al. (2025), "Mechanistic
    Interpretability Should Prioritize Feature Consistency in SAEs", who call it the mean correlation coefficient, drop it.

    Args: true_dictionary (n_true, d) and learned_dictionary (d_sae, d), a feature a row. Raises ValueError as mmcs does.
    """
    true_dictionary, learned_dictionary = _dictionaries(true_dictionary, learned_dictionary)
    similarity = cosine(true_dictionary, learned_dictionary)
    return (_of_match(similarity, _matching(similarity)).sum() / len(similarity)).item()


@torch.no_grad()
def uniqueness(true_dictionary: Tensor, learned_dictionary: Tensor) -> float:
    """How little the learned features repeat each other: true features that are nearest to some learned one, per learned one.

        uniqueness = number of different  argmax over i of cosine(true_dictionary[i], learned_dictionary[j])  /  d_sae

    1 says that every learned feature is nearest to a true feature of its own; it can't be more than n_true / d_sae. A learned row
    of zeros is nearest to none; of equally near true features the first counts. Chanin and Garriga-Alonso (2026),
    "SynthSAEBench", where the sign of the cosine is dropped; here it is kept, as in mmcs.

    Args: true_dictionary (n_true, d) and learned_dictionary (d_sae, d), a feature a row. Raises ValueError as mmcs does.
    """
    true_dictionary, learned_dictionary = _dictionaries(true_dictionary, learned_dictionary)
    nearest = cosine(learned_dictionary, true_dictionary).argmax(dim=1)
    return len(nearest[learned_dictionary.any(dim=1)].unique()) / len(learned_dictionary)


@torch.no_grad()
def f1(true_codes: Tensor, codes: Tensor) -> Tensor:
    """How well each true feature is detected by a learned feature of its own: (n_true,), from 0 to 1; .mean() sums it up.

        f1 = 2 * (examples in which both are on)  /  (examples in which the true one is on + those in which the learned one is)

    the harmonic mean of precision and recall. Each learned feature is given to one true feature at most; the matching is the one
    with the largest sum of f1. A true feature that is left without a partner, or that is never on in these examples, has 0.

    Args: true_codes (n, n_true) and codes (n, d_sae), an example a row. Raises ValueError for other shapes or numbers that are
    not finite.
    """
    true_codes, codes = _codes(true_codes, codes)
    score = _f1_of_pairs(true_codes, codes)
    return _of_match(score, _matching(score))


@torch.no_grad()
def absorption(true_codes: Tensor, codes: Tensor, parents: Tensor) -> float:
    """How often a feature falls silent because a more special one speaks for it: "dog" is off, for "poodle" is on.

        absorption = number of (example, parent) in which a child is on, the parent's learned feature is off,
                     and the learned feature of a child that is on is on
                     /  number of (example, parent) in which a child is on

    Which learned feature is whose is settled by the matching of f1; a true feature without a partner has one that is never on, so
    a parent for which nothing was learned counts as absorbed wherever a child's feature speaks. All examples and parents are
    counted together; only direct children count. After Chanin et al. (2024), "A is for absorption", who, not knowing the true
    features of a language model, use probes in their place.

    Args: true_codes (n, n_true) and codes (n, d_sae), an example a row; parents (n_true,) int64, the number of the true feature
    that has to be on wherever this one is, -1 for none. Raises ValueError for other shapes or dtypes, numbers that are not finite,
    a parent that is no feature, features that are their own ancestors, no child that is ever on, or a child on without its parent.
    """
    true_codes, codes = _codes(true_codes, codes)
    parents = _tree(parents, true_codes.shape[1]).to(true_codes.device)
    child = (parents >= 0).nonzero().ravel()
    parent = parents[child]

    def with_a_child(on: Tensor) -> Tensor:
        """For each example and true feature, whether one of its children is in `on`, which is (examples, children)."""
        return torch.zeros(len(on), len(parents), device=on.device).index_add_(1, parent, on.float()) > 0

    chances = absorbed = start = 0
    for (true,) in _on(true_codes):
        orphans = (true[:, child] & ~true[:, parent]).nonzero()
        if len(orphans):
            row, which = orphans[0].tolist()
            raise ValueError(
                f"true_codes has feature {child[which]} on in row {start + row} but its parent {parent[which]} off; "
                "expected no child on without its parent"
            )
        start += len(true)
        chances += int(with_a_child(true[:, child]).sum())
    if not chances:
        raise ValueError("true_codes has no feature with a parent on in any row; expected at least one, for those rows are counted")
    match = _matching(_f1_of_pairs(true_codes, codes))
    for true, learned in _on(true_codes, codes):
        detected = learned[:, match.clamp(min=0)] & (match >= 0)
        absorbed += int((with_a_child(true[:, child] & detected[:, child]) & ~detected).sum())
    return absorbed / chances


CHUNK = 4096  # examples at a time where every feature is compared with every other


def _on(*codes: Tensor) -> Iterator[list[Tensor]]:
    """Where codes are on, as booleans, so many examples at a time that no copy of all of them is made."""
    for part in zip(*(each.split(CHUNK) for each in codes), strict=True):
        yield [each != 0 for each in part]


def _as_many_rows(name: str, value: Tensor, other_name: str, other: Tensor) -> None:
    if len(value) != len(other):
        raise ValueError(f"{name} has {len(value)} rows; expected {len(other)}, as many as {other_name}")


def _codes(true_codes: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """Both if they are codes of the same examples; else ValueError."""
    true_codes = checks.finite("true_codes", checks.matrix("true_codes", true_codes))
    codes = checks.finite("codes", checks.matrix("codes", codes))
    _as_many_rows("codes", codes, "true_codes", true_codes)
    return true_codes, codes


def _dictionaries(true_dictionary: Tensor, learned_dictionary: Tensor) -> tuple[Tensor, Tensor]:
    """Both if they are features of the same space and every true one points somewhere; else ValueError."""
    true_dictionary = checks.finite("true_dictionary", checks.matrix("true_dictionary", true_dictionary))
    columns = true_dictionary.shape[1]
    learned_dictionary = checks.finite("learned_dictionary", checks.matrix("learned_dictionary", learned_dictionary, columns))
    empty = (~true_dictionary.any(dim=1)).nonzero()
    if len(empty):
        raise ValueError(f"true_dictionary has only zeros in row {empty[0].item()}; expected features that point somewhere")
    return true_dictionary, learned_dictionary


def _tree(parents: Tensor, n_true: int) -> Tensor:
    """`parents` if it names a parent or -1 for each of n_true features, and no feature is its own ancestor; else ValueError."""
    expected = f"an int64 tensor of shape ({n_true},), a number for each column of true_codes"
    if not isinstance(parents, Tensor):
        raise ValueError(f"parents is of type {type(parents).__name__}; expected {expected}")
    if parents.dtype != torch.int64:
        raise ValueError(f"parents has dtype {parents.dtype}; expected {expected}")
    if parents.shape != (n_true,):
        raise ValueError(f"parents has shape {tuple(parents.shape)}; expected {expected}")
    outside = ((parents < -1) | (parents >= n_true)).nonzero().ravel()
    if len(outside):
        place = int(outside[0])
        raise ValueError(f"parents holds {parents[place].item()} at {place}; expected -1 for none, or a feature, 0 to {n_true - 1}")
    if (parents == -1).all():
        raise ValueError("parents holds nothing but -1; expected at least one feature with a parent")
    ancestor = parents
    for _ in range(n_true):  # no line of ancestors is longer than that, unless it goes in a circle
        ancestor = torch.where(ancestor >= 0, parents[ancestor], -1)
        if (ancestor < 0).all():
            return parents
    raise ValueError(f"parents makes feature {ancestor.max().item()} its own ancestor; expected every line of parents to end in -1")


def _unit(rows: Tensor) -> Tensor:
    """Rows scaled to length 1, but those of zeros as they are. By the largest number first, lest a square over- or underflow."""
    rows = rows.double()
    largest = rows.abs().amax(dim=1, keepdim=True)
    rows = rows / torch.where(largest > 0, largest, 1)
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=1)


def _f1_of_pairs(true_codes: Tensor, codes: Tensor) -> Tensor:
    """F1 of every true feature with every learned one: (n_true, d_sae). 0 if neither is ever on."""
    both = torch.zeros(true_codes.shape[1], codes.shape[1], dtype=torch.float64, device=codes.device)
    for true, learned in _on(true_codes, codes):
        both += true.float().T @ learned.float()  # whole numbers, and far too few for float32 to round them
    either = (true_codes != 0).sum(dim=0)[:, None] + (codes != 0).sum(dim=0)
    return 2 * both / either.clamp(min=1)


def _matching(score: Tensor) -> Tensor:
    """For each row of score (n, m) the column it is matched with, no column twice, so that the sum of scores is largest.

    (n,) int64, -1 for a row that is left over because there are fewer columns.
    """
    from scipy.optimize import linear_sum_assignment  # half a second to import, and not everyone who uses saelib needs it

    rows, columns = linear_sum_assignment(score.cpu().numpy(), maximize=True)
    match = torch.full((len(score),), -1)
    match[torch.from_numpy(rows)] = torch.from_numpy(columns)
    return match.to(score.device)


def _of_match(score: Tensor, match: Tensor) -> Tensor:
    """Each row's score with the column it is matched with, 0 without: (n,)."""
    return torch.where(match >= 0, score.gather(1, match.clamp(min=0)[:, None])[:, 0], 0)


@torch.no_grad()
def psnr(x: Tensor, x_hat: Tensor, peak: float = 1.0) -> float:
    """How near a copy comes, in decibels, as pictures are judged (peak signal-to-noise ratio): more is better.

        psnr = 10 log10(peak^2 / mean of (x - x_hat)^2)

    Ten more are a tenth of the squared error, three more half of it.

    Args: x (n, d) and x_hat (n, d); peak, the difference between black and white. Raises ValueError for other shapes,
    numbers that are not finite, a peak that is not above 0, or a perfect copy, which has no number of decibels.
    """
    x = checks.finite("x", checks.matrix("x", x))
    x_hat = checks.finite("x_hat", checks.matrix("x_hat", x_hat, x.shape[1]))
    peak = checks.number("peak", peak, above=0)
    if len(x) != len(x_hat):
        raise ValueError(f"x_hat has {len(x_hat)} rows; expected {len(x)}, as many as x")
    error = (x.double() - x_hat.double()).square().mean().item()
    if error == 0:
        raise ValueError("x_hat is x, number for number; expected a copy with an error")
    return 10 * math.log10(peak**2 / error)


@torch.no_grad()
def spread(pictures: Tensor) -> Tensor:
    """Over what share of its numbers each row is spread: (n, d) to (n,) float64, from 1/d (all in one place) to 1.

        spread = (sum of w^2)^2 / (d * sum of w^4)

    The participation ratio, as a share. It does not see where the places are: two spots far apart count like two side by side.
    Raises ValueError for another shape, numbers that are not finite, or a row of zeros.
    """
    w = checks.finite("pictures", checks.matrix("pictures", pictures)).double().square()
    total = w.sum(dim=1)
    if not (total > 0).all():
        raise ValueError(f"pictures[{int((total == 0).nonzero()[0])}] is all zeros; expected something in every row")
    return total.square() / (w.shape[1] * w.square().sum(dim=1))
