"""Synthetic data from a planted dictionary: examples are sparse sums of features, all of which are known."""

import hashlib
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from .. import checks
from ..streams import stream

PRECISION = 2**50  # weights are counted in parts of their sum: whole numbers, so that no rounding draws a feature twice


class World:
    """A planted dictionary and the distribution of its activations, as `planted` describes and makes them.

    dictionary: (features, d_in) float32, a feature a row, of length 1; parents: (features,) int64, the parent of each
    feature, -1 for a root; partners: (features,) int64, the feature that each is correlated with, -1 for none.
    """

    def __init__(
        self, dictionary: Tensor, parents: Tensor, *,
        active: int, decay: float, correlation: float, descent: float, low: float, high: float, noise: float,
    ):  # fmt: skip
        self.dictionary, self.parents = dictionary, parents
        self.active, self.decay, self.correlation, self.descent = active, decay, correlation, descent
        self.low, self.high, self.noise = low, high, noise
        self._prepare_roots()
        self._prepare_children()

    def sample(self, n: int, *, seed: int) -> tuple[Tensor, Tensor]:
        """n examples, the same for the same seed, and independent of those of `batches`.

        Returns x, (n, d_in) float32, and codes, (n, features) float32, the true activations; x is codes @ dictionary plus
        noise.
        Raises ValueError for an n below 1 or a seed that is none.
        """
        n = checks.count("n", n)
        generator = stream("planted sample", checks.seed(seed))
        which, strength = self._draw(n, generator)
        codes = torch.zeros(n, len(self.dictionary)).scatter_add_(1, which, strength)
        return self._sum(which, strength, generator), codes

    def mark(self) -> str:
        """A hash of the world: the same for the same dictionary and settings, and for hardly any others."""
        settings = (self.active, self.decay, self.correlation, self.descent, self.low, self.high, self.noise)
        content = repr(settings).encode() + self.dictionary.numpy().tobytes() + self.parents.numpy().tobytes()
        return hashlib.sha256(content).hexdigest()[:16]

    def batches(self, batch_size: int, *, seed: int) -> "WorldBatches":
        """Fresh examples without end, for `saelib.train`.
        Raises ValueError for a batch_size below 1 or a seed that is none."""
        return WorldBatches(self, checks.count("batch_size", batch_size), checks.seed(seed))

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Which features are active, (n, k) int64, and their activations, (n, k): 0 for one that is inactive or there twice."""
        which = self._roots[self._draw_roots(n, generator)]
        generations = [(which, torch.ones_like(which, dtype=torch.bool))]
        for _ in range(self._generations - 1):
            generations.append(self._draw_children(*generations[-1], generator))
        which, on = (torch.cat(parts, dim=1) for parts in zip(*generations))
        strength = self.low + (self.high - self.low) * torch.rand(which.shape, generator=generator)
        return which, strength * on

    def _sum(self, which: Tensor, strength: Tensor, generator: torch.Generator) -> Tensor:
        # Reads the few rows that are on: with 5 of 512 features on, twenty times as fast as codes @ dictionary.
        x = embedding_bag(which, self.dictionary, per_sample_weights=strength, mode="sum")
        return x + self.noise * torch.randn(x.shape, generator=generator) if self.noise else x

    def _prepare_roots(self) -> None:
        """The line on which each root has a piece as long as its weight, and whom it brings along how often.

        Place len(roots) stands for nobody: a piece without length.
        """
        self._roots = (self.parents < 0).nonzero().ravel()
        roots = len(self._roots)
        weight = self.decay ** self._roots.double()
        partner = torch.full((roots + 1,), roots)
        bring = torch.zeros(roots + 1, dtype=torch.float64)
        if self.correlation:
            pairs = torch.arange(roots // 2 * 2)
            partner[pairs] = pairs ^ 1
            # A feature comes by itself or is brought, so what it is brought is taken off its own weight: it is on as often as
            # without correlation. What a pair has in common comes half from either, so that neither is first more often.
            common = self.correlation * torch.minimum(weight[pairs], weight[pairs ^ 1]) / 2
            weight[pairs] -= common
            bring[pairs] = torch.where(weight[pairs] > 0, common / weight[pairs], 0.0)
        piece = (weight / weight.sum() * PRECISION).round().long().clamp(min=1)
        self._upper = piece.cumsum(dim=0)
        self._piece = torch.cat([piece, torch.zeros(1, dtype=torch.int64)])
        self._lower = torch.cat([self._upper - piece, self._upper[-1:]])
        self._partner, self._bring = partner, bring
        self.partners = torch.full_like(self.parents, -1)
        paired = partner[:roots] < roots
        self.partners[self._roots[paired]] = self._roots[partner[:roots][paired]]

    def _draw_roots(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, active) places in `_roots`, all different in a row."""
        nobody = len(self._roots)
        # Independent draws, of which repeats are left out, come to the same as draws without replacement. They are far
        # faster, so enough are taken that few rows lack one; those that do get theirs one at a time.
        points = torch.randint(int(self._upper[-1]), (n, self.active * 5 // 4 + 2), generator=generator)
        drawn = self._first(torch.empty(n, 0, dtype=torch.int64), points, generator)
        while len(short := (drawn == nobody).any(dim=1).nonzero().ravel()):
            # A point on the line without the pieces of those drawn, which is then moved up past them.
            taken = drawn[short].sort(dim=1).values
            piece = self._piece[taken]
            lower = self._lower[taken] - (piece.cumsum(dim=1) - piece)
            left = self._upper[-1] - piece.sum(dim=1, keepdim=True)
            point = (torch.rand(left.shape, dtype=torch.float64, generator=generator) * left).long()
            point += (piece * (lower <= point)).sum(dim=1, keepdim=True)
            drawn[short] = self._first(drawn[short], point, generator)
        return drawn

    def _first(self, drawn: Tensor, points: Tensor, generator: torch.Generator) -> Tensor:
        """The first `active` different ones of those drawn, of those at the points and of those that these bring."""
        nobody = len(self._roots)
        new = torch.searchsorted(self._upper, points, right=True)
        if self.correlation:
            new = torch.where(_repeated(torch.cat([drawn, new], dim=1))[:, drawn.shape[1] :], nobody, new)
            brings = torch.rand(new.shape, generator=generator) < self._bring[new]
            new = torch.stack([new, torch.where(brings, self._partner[new], nobody)], dim=2).flatten(start_dim=1)
        both = torch.cat([drawn, new], dim=1)
        both = torch.where(_repeated(both), nobody, both)
        first = (both == nobody).byte().argsort(dim=1, stable=True)[:, : self.active]
        return both.gather(1, first)

    def _prepare_children(self) -> None:
        """The line on which family k, the children of one parent, has the piece from k to k + 1, divided by their weights."""
        children = (self.parents >= 0).nonzero().ravel()
        order = self.parents[children].argsort(stable=True)
        self._children = children[order]
        parents, family, size = self.parents[self._children].unique_consecutive(return_inverse=True, return_counts=True)
        self._family = torch.full_like(self.parents, -1)
        self._family[parents] = torch.arange(len(parents))
        last = size.cumsum(dim=0) - 1
        # Weights relative to the eldest, as those of late families are too small for a number.
        weight = self.decay ** (self._children - self._children[(last - size + 1)[family]]).double()
        total = torch.zeros(len(parents), dtype=torch.float64).index_add_(0, family, weight)
        self._family_upper = (weight / total[family]).cumsum(dim=0)
        self._family_upper[last] = torch.arange(1.0, len(parents) + 1, dtype=torch.float64)  # exactly: families don't mix
        self._generations = 0
        alive = torch.arange(len(self.parents))
        while len(alive):
            self._generations += 1
            alive = self.parents[alive]
            alive = alive[alive >= 0]

    def _draw_children(self, parent: Tensor, on: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """For each parent that is on, one of its children or none: (n, k), and whether it is on, (n, k)."""
        family = self._family[parent]
        on = on & (family >= 0) & (torch.rand(parent.shape, generator=generator) < self.descent)
        # A float32 of random bits, as family + share is exact then, and never the beginning of the next family.
        share = torch.rand(parent.shape, generator=generator).double()
        child = self._children[torch.searchsorted(self._family_upper, family.clamp(min=0) + share, right=True)]
        return torch.where(on, child, parent), on


class WorldBatches:
    """Batches of fresh examples of a world, (batch_size, d_in) float32, without end: what `World.batches` gives to
    `saelib.train`.

    Raises ValueError where it is to resume from the state of another world.
    """

    def __init__(self, world: World, batch_size: int, seed: int):
        self.world, self.batch_size = world, batch_size
        self.generator = stream("planted batches", seed)

    def next_batch(self) -> Tensor:
        which, strength = self.world._draw(self.batch_size, self.generator)
        return self.world._sum(which, strength, self.generator)

    def state_dict(self) -> dict[str, Any]:
        return {"generator": self.generator.get_state(), "world": self.world.mark()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["world"] != self.world.mark():
            raise ValueError(f"the world's mark is {self.world.mark()}; expected {state['world']}, that of the run so far")
        self.generator.set_state(state["generator"])


def _repeated(values: Tensor) -> Tensor:
    """Where in its row of (n, k) a value stands that stood there before."""
    ordered, place = values.sort(dim=1, stable=True)
    again = torch.zeros_like(values, dtype=torch.bool)
    again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    return torch.zeros_like(again).scatter_(1, place, again)


def planted(
    *,
    d_in: int,
    features: int,
    active: int,
    decay: float = 1.0,
    correlation: float = 0.0,
    hierarchy: int | Tensor | None = None,
    descent: float = 0.5,
    low: float = 1.0,
    high: float = 2.0,
    noise: float = 0.0,
    seed: int = 0,
) -> World:
    """Synthetic data: a `World` of `features` directions in `d_in` dimensions, a few of which are active in each example.

    The directions are drawn uniformly from the unit sphere. In an example exactly `active` features are active, drawn one at
    a time from those that are not yet, feature i with weight decay**i; the activation of each is drawn uniformly from `low`
    to `high`, independently of all else; x is the sum of the directions, times their activations, plus normal noise of
    standard deviation `noise` in each dimension.

    correlation: features 0 and 1 are partners, 2 and 3, and so on. One that is drawn brings its partner along, just often
    enough that the correlation between "this is active" and "its partner is active" is about that fraction of the largest
    that their frequencies allow (which is sqrt(decay) for rare neighbours). Each is active about as often as without
    correlation, and `active` are active as before: where there is room for one more only, it comes without its partner, so
    that with 5 active the correlation is a fifth smaller, and with 1 there is none.

    hierarchy: a tree, in which a child is active only where its parent is. A whole number makes families of one parent and
    that many children, in a row (with 2: 0 is the parent of 1 and 2, 3 of 4 and 5); a (features,) int64 tensor gives each
    feature's parent, an earlier feature, or -1. Then all of the above draws roots only: exactly `active` of them are active,
    and only roots, in their order, have partners. Each active feature activates one of its children, if it has any, with
    probability `descent`, child i with weight decay**i; so at most one, and active * (1 + descent) features are active on
    average where every root has children and no grandchildren. With descent 1 a parent is never active alone, so that a large
    dictionary can split it among its children (feature splitting); below, children can absorb it (feature absorption: Chanin
    et al., 2024).

    Raises ValueError for sizes below 1, more active than there are roots, decay outside (0, 1], correlation or descent
    outside [0, 1], low or high outside [1e-30, 1e30] or high below low, negative noise, a tree that is none, a bad seed.
    """
    d_in = checks.count("d_in", d_in)
    features = checks.count("features", features)
    parents = _parents(hierarchy, features)
    active = checks.count("active", active, most=int((parents < 0).sum()), why="the number of features without a parent")
    decay = checks.number("decay", decay, above=0, most=1)
    correlation = checks.number("correlation", correlation, least=0, most=1)
    descent = checks.number("descent", descent, least=0, most=1)
    low = checks.number("low", low, least=1e-30, most=1e30)  # a strength is a float32, and on is more than 0
    high = checks.number("high", high, least=low, most=1e30)
    noise = checks.number("noise", noise, least=0, most=1e30)
    dictionary = torch.randn(features, d_in, generator=stream("planted dictionary", checks.seed(seed)))
    dictionary /= dictionary.norm(dim=1, keepdim=True)
    return World(
        dictionary, parents,
        active=active, decay=decay, correlation=correlation, descent=descent, low=low, high=high, noise=noise,
    )  # fmt: skip


def _parents(hierarchy: object, features: int) -> Tensor:
    number = torch.arange(features)
    if hierarchy is None:
        return torch.full((features,), -1)
    if not isinstance(hierarchy, Tensor):
        size = 1 + checks.count("hierarchy", hierarchy)
        family = number // size * size
        return torch.where(family < number, family, -1)
    if hierarchy.dtype != torch.int64 or hierarchy.shape != (features,):
        raise ValueError(f"hierarchy has shape {tuple(hierarchy.shape)} and dtype {hierarchy.dtype}; expected ({features},) and torch.int64")
    wrong = ((hierarchy < -1) | (hierarchy >= number)).nonzero().ravel()
    if len(wrong):
        place = int(wrong[0])
        raise ValueError(f"hierarchy[{place}] is {int(hierarchy[place])}; expected an earlier feature, or -1 for none")
    return hierarchy.clone()
