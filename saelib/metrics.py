"""Metrics of reconstructions, codes and dictionaries. Each has one definition, over the whole set of examples.

A feature is *active* in an example where its entry of the code is not zero. Results are Python floats or float64 tensors,
without gradients.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from . import checks


def fvu(x: Tensor, x_hat: Tensor) -> float:
    """Fraction of variance unexplained (FVU): the squared error divided by the variance.

        fvu = sum of (x - x_hat)^2  /  sum of (x - mean of x)^2

    Both sums run over all examples and dimensions, and each dimension has its own mean. 0 is a perfect reconstruction, 1 what
    always predicting the mean would give; worse than that is possible.

    Args: x (n, d) and x_hat (n, d).
    Raises ValueError for other shapes, numbers that are not finite, or an x without variance.
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
    """Explained variance (R squared) of x (n, d) by x_hat (n, d): 1 - fvu(x, x_hat). Raises ValueError as `fvu` does.

    1 is a perfect reconstruction, 0 what always predicting the mean would give, and less than that is possible. It is
    scikit-learn's r2_score, variance-weighted: an error that is the same in every example counts, too.
    """
    return 1 - fvu(x, x_hat)


@torch.no_grad()
def shrinkage(x: Tensor, x_hat: Tensor) -> float:
    """Shrinkage, or relative reconstruction bias: 1 is none, 0.9 says that reconstructions are 10% too short, more than 1
    that they are too long.

        gamma = sum of x_hat^2  /  sum of x_hat * x

    It is the gamma for which x_hat / gamma comes nearest to x: Rajamanoharan et al. (2024a), "Improving dictionary learning
    with gated sparse autoencoders", equation 10. Both sums run over all examples and dimensions, and as in the paper no mean
    is subtracted.

    Args: x (n, d) and x_hat (n, d).
    Raises ValueError for other shapes, numbers that are not finite, or an x_hat whose inner product with x (the second sum)
    is not above zero, such as one of zeros.
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
    """L0: the number of active features in an example, averaged over codes (n, d_sae).

    Raises ValueError for another shape or type, or numbers that are not finite.
    """
    codes = checks.finite("codes", checks.matrix("codes", codes))
    return (codes != 0).sum(dim=1).double().mean().item()


def dead_fraction(codes: Tensor) -> float:
    """Fraction of dead features: those that are active in none of codes (n, d_sae).

    Raises ValueError as l0 does.
    """
    codes = checks.finite("codes", checks.matrix("codes", codes))
    return (codes == 0).all(dim=0).double().mean().item()


@torch.no_grad()
def density(codes: Tensor) -> Tensor:
    """Feature density, or activation frequency: (d_sae,), the fraction of codes (n, d_sae) in which each feature is active.

    It is 0 for a dead feature. Raises ValueError as l0 does.
    """
    codes = checks.finite("codes", checks.matrix("codes", codes))
    return (codes != 0).sum(dim=0).double() / len(codes)


class DensityHistogram(NamedTuple):
    """Histogram of log10 feature densities.

    counts: (bins,) int64, the number of features whose log10 density lies from edges[i] up to, but not including, edges[i +
    1]; the last bin includes 0, which is always active.
    edges: (bins + 1,) float64, evenly spaced log10 densities. The last is 0; the first is the whole power of ten at or below
    1 / n, so -3 for 1,000 examples.
    dead: the number of features that are never active and so have no logarithm. The counts and these are all features.
    """

    counts: Tensor
    edges: Tensor
    dead: int


@torch.no_grad()
def density_histogram(codes: Tensor, bins: int = 40) -> DensityHistogram:
    """Histogram of log10 of density(codes), with dead features counted apart, on the CPU. The edges depend on n and bins
    only.

    Args: codes (n, d_sae); bins, the number of bins.
    Raises ValueError for other shapes, numbers that are not finite, or no bins.
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

    A row of zeros, which the decoder row of a dead feature may be, has similarity 0 with every row.
    Raises ValueError for other shapes or numbers that are not finite.
    """
    a = checks.finite("a", checks.matrix("a", a))
    b = checks.finite("b", checks.matrix("b", b, a.shape[1]))
    return (_unit(a) @ _unit(b).T).clamp(-1, 1)


@torch.no_grad()
def mmcs(true_dictionary: Tensor, learned_dictionary: Tensor) -> float:
    """Mean max cosine similarity (MMCS): the cosine similarity of a true feature with the nearest learned one, averaged over
    the true ones.

        mmcs = mean over i of  max over j of  cosine(true_dictionary[i], learned_dictionary[j])

    The sign is kept: the opposite direction is another feature. One learned feature may be the nearest to several true ones
    (in mcc it may not), and learned features that are nearest to none cost nothing. Sharkey et al. (2022), "Taking features
    out of superposition with sparse autoencoders".

    Args: true_dictionary (n_true, d) and learned_dictionary (d_sae, d), a feature a row.
    Raises ValueError for other shapes, numbers that are not finite, or a row of zeros in true_dictionary.
    """
    true_dictionary, learned_dictionary = _dictionaries(true_dictionary, learned_dictionary)
    return cosine(true_dictionary, learned_dictionary).amax(dim=1).mean().item()


@torch.no_grad()
def mcc(true_dictionary: Tensor, learned_dictionary: Tensor) -> float:
    """Mean cosine similarity of true features and the learned ones that they are matched with, one to one.

        mcc = sum over matched i of cosine(true_dictionary[i], learned_dictionary[match(i)])  /  n_true

    The matching is the one with the largest sum (Hungarian algorithm). If there are fewer learned than true features, the
    true ones that are left unmatched count 0; unmatched learned ones cost nothing. The sign is kept, as in mmcs; Song et al.
    (2025), "Mechanistic Interpretability Should Prioritize Feature Consistency in SAEs", who call it the mean correlation
    coefficient, drop it.

    Args: true_dictionary (n_true, d) and learned_dictionary (d_sae, d), a feature a row.
    Raises ValueError as mmcs does.
    """
    true_dictionary, learned_dictionary = _dictionaries(true_dictionary, learned_dictionary)
    similarity = cosine(true_dictionary, learned_dictionary)
    return (_of_match(similarity, _matching(similarity)).sum() / len(similarity)).item()


@torch.no_grad()
def uniqueness(true_dictionary: Tensor, learned_dictionary: Tensor) -> float:
    """Uniqueness: the number of distinct true features that are nearest to some learned one, divided by the number of learned
    ones.

        uniqueness = number of distinct  argmax over i of cosine(true_dictionary[i], learned_dictionary[j])  /  d_sae

    1 says that every learned feature is nearest to a true feature of its own; it can't be more than n_true / d_sae. A learned
    row of zeros is nearest to none; of equally near true features the first counts. Chanin and Garriga-Alonso (2026),
    "SynthSAEBench", where the sign of the cosine is dropped; here it is kept, as in mmcs.

    Args: true_dictionary (n_true, d) and learned_dictionary (d_sae, d), a feature a row.
    Raises ValueError as mmcs does.
    """
    true_dictionary, learned_dictionary = _dictionaries(true_dictionary, learned_dictionary)
    nearest = cosine(learned_dictionary, true_dictionary).argmax(dim=1)
    return len(nearest[learned_dictionary.any(dim=1)].unique()) / len(learned_dictionary)


@torch.no_grad()
def f1(true_codes: Tensor, codes: Tensor) -> Tensor:
    """F1 of each true feature, as detected by the learned feature that it is matched with: (n_true,), from 0 to 1; .mean()
    sums it up.

        f1 = 2 * (examples in which both are active)  /  (those in which the true one is active + those in which the learned one is)

    It is the harmonic mean of precision and recall. True and learned features are matched one to one, so that the sum of f1
    is largest. A true feature that is unmatched, or never active in these examples, has 0.

    Args: true_codes (n, n_true) and codes (n, d_sae), an example a row.
    Raises ValueError for other shapes or numbers that are not finite.
    """
    true_codes, codes = _codes(true_codes, codes)
    score = _f1_of_pairs(true_codes, codes)
    return _of_match(score, _matching(score))


@torch.no_grad()
def absorption(true_codes: Tensor, codes: Tensor, parents: Tensor) -> float:
    """Feature absorption: how often a feature is inactive because a more specific one is active in its place, as "poodle" for
    "dog".

        absorption = number of (example, parent) in which a child is active, the parent's learned feature is not,
                     and the learned feature of a child that is active is
                     /  number of (example, parent) in which a child is active

    The learned feature of a true one is that which `f1` matches it with; one that is unmatched counts as never active, so
    that a parent for which nothing was learned counts as absorbed wherever a child is detected. All examples and parents are
    counted together; only direct children count. After Chanin et al. (2024), "A is for absorption", who, not knowing the true
    features of a language model, use probes in their place.

    Args: true_codes (n, n_true) and codes (n, d_sae), an example a row; parents (n_true,) int64, the index of each true
    feature's parent, which is active wherever the feature is, -1 for none.
    Raises ValueError for other shapes or dtypes, numbers that are not finite, an index of no feature, features that are their
    own ancestors, no child that is ever active, or a child active without its parent.
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
    """Where codes are not zero, as booleans, so many examples at a time that no copy of all of them is made."""
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
    """Peak signal-to-noise ratio (PSNR) of reconstructed pictures, in decibels: more is better.

        psnr = 10 log10(peak^2 / mean of (x - x_hat)^2)

    Ten more are a tenth of the squared error, three more half of it.

    Args: x (n, d) and x_hat (n, d); peak, the difference between black and white.
    Raises ValueError for other shapes, numbers that are not finite, a peak that is not above 0, or a perfect reconstruction,
    whose PSNR is infinite.
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
    """Participation ratio of each row, as a fraction of its length: (n, d) to (n,) float64, from 1/d (all in one entry) to 1
    (even).

        spread = (sum of w^2)^2 / (d * sum of w^4)

    It does not depend on where in the row the entries are: in a picture, two spots far apart count like two side by side.
    Raises ValueError for another shape, numbers that are not finite, or a row of zeros.
    """
    w = checks.finite("pictures", checks.matrix("pictures", pictures)).double().square()
    total = w.sum(dim=1)
    if not (total > 0).all():
        raise ValueError(f"pictures[{int((total == 0).nonzero()[0])}] is all zeros; expected something in every row")
    return total.square() / (w.shape[1] * w.square().sum(dim=1))
