"""The explorable *The dial*: how k changes the reconstruction of a digit and of nonsense, and the frontier of error against
k."""

from collections.abc import Mapping, Sequence

import torch
import traitlets
from torch import Tensor

from ... import checks, metrics
from ...data import Pictures
from ...models import SparseAutoencoder
from ..base import javascript
from .explorable import Explorable, explorable_style, floats, picture_rows, plain_codes


class Dial(Explorable):
    """Choose k, and see a digit and a scrambled picture, their reconstructions and active features, and the frontier of error
    against k.

    A scrambled picture takes each of its pixels from another digit: it is as dark as digits are, and makes no sense.

    Args: saes, a mapping from k to a sparse autoencoder with at most k active features, all on the same pictures; digits, two
    or more held-out ones, over all of which the errors are measured, and of which one of each class can be chosen: an unusual
    one, which four out of five of its class are better reconstructed than, at the smallest k; frontier, pairs (k, fvu) in
    rising order of k, if they have been measured on other digits (or for more values of k); start, the k at first (by default
    a third of the way up); first, the class that is shown at first.
    Raises ValueError for what does not fit: other shapes, more than k active features, a frontier that is out of order or
    lacks a k.
    """

    _esm = javascript("explorables/dial.js")
    _css = explorable_style("chart.css", "dial.css")
    ks = traitlets.List().tag(sync=True)
    labels = traitlets.List().tag(sync=True)
    frontier = traitlets.List().tag(sync=True)  # [k, error on digits]
    nonsense = traitlets.List().tag(sync=True)  # [k, error on scrambled pictures]
    features = traitlets.List().tag(sync=True)  # for each k: the indices of the features that are active for any picture here
    start = traitlets.Int().tag(sync=True)  # which of ks
    first = traitlets.Int().tag(sync=True)
    # The mean, the digits, the scrambled pictures; then for each k b_dec, the largest number in each decoder row, and for each
    # picture the k activations and the k places of their features in `features`, strongest first, zeros where fewer are active.
    numbers = traitlets.Bytes().tag(sync=True)
    bricks = traitlets.Bytes().tag(sync=True)  # for each k: decoder rows, in 127ths of their largest number, a signed byte each

    def __init__(
        self,
        saes: Mapping[int, SparseAutoencoder],
        digits: Pictures,
        frontier: Sequence[tuple[int, float]] | None = None,
        *,
        start: int | None = None,
        first: int = 0,
    ):
        if not isinstance(saes, Mapping) or not saes:
            raise ValueError(f"saes is {saes!r}; expected at least one SparseAutoencoder, by how many bricks it may use")
        for k, sae in saes.items():
            checks.count("a key of saes", k)
            if not isinstance(sae, SparseAutoencoder):
                raise ValueError(f"saes[{k}] is of type {type(sae).__name__}; expected a SparseAutoencoder")
        ks = sorted(saes)
        x = picture_rows(digits, saes[ks[0]].d_in)
        scrambled = _scrambled(x)
        places = _unusual(saes[ks[0]], digits)
        pictures = torch.cat([x[places], scrambled[places]])
        numbers, bricks, features, errors, nonsense = [x.mean(dim=0), pictures], [], [], [], []
        with torch.no_grad():
            for k in ks:
                sae = saes[k]
                if sae.d_in != x.shape[1]:
                    raise ValueError(f"saes[{k}] has d_in = {sae.d_in}; expected {x.shape[1]}, as saes[{ks[0]}] has")
                codes = plain_codes(f"saes[{k}]", sae, pictures)
                most = int((codes != 0).sum(dim=1).max())
                if most > k:
                    raise ValueError(f"saes[{k}] uses {most} bricks for a picture; expected at most {k}")
                strengths, features_used = codes.topk(min(k, sae.d_sae), dim=1)
                used = (codes > 0).any(dim=0).nonzero().ravel()
                place = torch.zeros(sae.d_sae).index_put((used,), torch.arange(len(used)).float())
                rows = sae.W_dec[used]
                largest = rows.abs().amax(dim=1).clamp_min(1e-12)
                features.append(used.tolist())
                numbers += [sae.b_dec, largest, strengths, place[features_used]]
                bricks.append((127 * rows / largest[:, None]).round().to(torch.int8))
                errors.append([k, metrics.fvu(x, sae(x))])
                nonsense.append([k, metrics.fvu(scrambled, sae(scrambled))])
        start = ks[len(ks) // 3] if start is None else start
        if start not in saes:
            raise ValueError(f"start is {start!r}; expected one of {ks}")
        super().__init__(
            title="The dial",
            prediction="With a few bricks, digits are rebuilt far better than nonsense. What happens to each of them with more, and what with only "
            "one? Guess, then turn the dial all the way up, and all the way down.",
            caption="Every k has a box of its own, trained under that rule. Where only one brick is allowed, each has to be a whole digit, so "
            "these ten, all in an unusual hand, are answered with somebody else's digit, now and then of another kind. Where as many are "
            "allowed as there are pixels, even nonsense is copied, and a low error no longer says that anything was learned about digits. On "
            "a brick, orange is ink that it adds and blue ink that it takes away. An error of 0% is a perfect copy; 100% is what answering "
            "with the average digit would give.",
            ks=ks,
            labels=digits.label[places].tolist(),
            frontier=errors if frontier is None else _points(frontier, ks),
            nonsense=nonsense,
            features=features,
            start=ks.index(start),
            first=checks.count("first", first, least=0, most=len(places) - 1, why="the number of the last kind in digits"),
            numbers=floats(*numbers),
            bricks=b"".join(rows.cpu().numpy().tobytes() for rows in bricks),
        )


@torch.no_grad()
def _unusual(sae: SparseAutoencoder, pictures: Pictures) -> Tensor:
    """For each class the row in x of the picture that four out of five of its class are better reconstructed than: (classes,)
    int64."""
    error = (pictures.x - sae(pictures.x)).square().sum(dim=1) / (pictures.x - pictures.x.mean(dim=0)).square().sum(dim=1)
    kinds = [(pictures.label == kind).nonzero().ravel() for kind in pictures.label.unique()]
    return torch.stack([own[error[own].argsort(stable=True)[4 * (len(own) - 1) // 5]] for own in kinds])


def _scrambled(x: Tensor) -> Tensor:
    """x (n, pixels) with each pixel permuted at random among the pictures, always in the same way."""
    generator = torch.Generator().manual_seed(0)
    return torch.stack([pixel[torch.randperm(len(x), generator=generator)] for pixel in x.T], dim=1)


def _points(frontier: Sequence[tuple[int, float]], ks: list[int]) -> list[list[float]]:
    """The frontier as [k, fvu] pairs, or ValueError where it is none, or has no point for one of ks."""
    points: list[list[float]] = []
    for i, point in enumerate(frontier):
        if not isinstance(point, Sequence) or len(point) != 2:
            raise ValueError(f"frontier[{i}] is {point!r}; expected a pair (k, fvu)")
        k = checks.count(f"frontier[{i}][0]", point[0])
        if points and k <= points[-1][0]:
            raise ValueError(f"frontier[{i}] has k = {k} after {points[-1][0]:.0f}; expected values of k that rise")
        points.append([k, checks.number(f"frontier[{i}][1]", point[1], least=0)])
    if missing := set(ks) - {k for k, _ in points}:
        raise ValueError(f"frontier has no point for k = {min(missing)}; expected one for each of {ks}")
    return points
