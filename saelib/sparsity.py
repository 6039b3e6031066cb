"""Sparsity rules: what makes codes sparse, one small class for each rule.

A rule is an activation function from pre-activations to codes (`activate` in training, `infer` in inference; the same for
most rules). It may add a sparsity penalty to the loss (`penalty`), and have parameters of its own, which `attach` makes once
the number of features is known.

A rule counts in the data's `unit`, the length that counts as 1. train() measures it, as the root of the mean squared distance
of the examples from their mean. Coefficients, thresholds and bandwidths are in this unit, so that they mean the same for data
of any scale; with `unit` 1 the formulas are those of the papers.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from . import checks

RULES: dict[str, type["Sparsity"]] = {}  # by name, all rules of this file: those that load() knows


class Sparsity(nn.Module):
    """The interface of a sparsity rule; a new rule is one subclass.

    architecture: its name in SAELens's files; saved_as: its name in files that are saved for inference; settings: the names
    of its arguments; revival: how train() revives its dead features ("aux-k", "resample", or None where no feature can die);
    in_units: the names of those parameters of its own that are lengths in the data's space.
    """

    architecture: str
    saved_as: str
    settings: tuple[str, ...] = ()
    revival: str | None = None
    in_units: tuple[str, ...] = ()
    unit: float = 1.0

    def __init_subclass__(cls) -> None:
        if "architecture" in vars(cls) and "saved_as" not in vars(cls):
            cls.saved_as = cls.architecture
        if cls.__module__ == __name__ and hasattr(cls, "architecture"):
            RULES[cls.__name__] = cls

    def attach(self, d_sae: int) -> None:
        """Make the rule's own parameters, for d_sae features. Raises ValueError where the rule does not fit (k > d_sae)."""

    @torch.no_grad()
    def measure(self, unit: float) -> None:
        """Set `unit`, the length that counts as 1, and rescale the parameters that are lengths."""
        for name in self.in_units:
            if getattr(self, name).requires_grad:
                getattr(self, name).mul_(unit / self.unit)
        self.unit = unit

    def activate(self, pre: Tensor) -> Tensor:
        """Pre-activations (n, d_sae) to codes (n, d_sae), as in training."""
        raise NotImplementedError

    def infer(self, pre: Tensor) -> Tensor:
        """Pre-activations (n, d_sae) to codes (n, d_sae), as in inference: each example independently of its batch."""
        return self.activate(pre)

    def penalty(self, pre: Tensor, codes: Tensor) -> Tensor:
        """The sparsity penalty of a batch of codes (n, d_sae): (), a scalar that is added to the loss."""
        return pre.new_zeros(())

    def auxiliary(self, pre: Tensor) -> Tensor | None:
        """Codes (n, d_sae) that have to reconstruct x too, through a decoder that gets no gradient from them; None if there
        are none."""
        return None

    def after_step(self, values: Tensor) -> None:
        """Called after every training step with the values in the codes of its batch, in any order and shape: (m,) or
        (n, d_sae)."""

    def revive(self, dead: Tensor) -> list[tuple[nn.Parameter, Tensor]]:
        """Reset the rule's own parameters of the features `dead` (m,) int64.
        Returns these parameters, each with the indices that were reset."""
        return []

    # On disk.

    def config(self) -> dict[str, Any]:
        """What describes the rule in a model's file, by name. Raises ValueError for a rule that load() does not know."""
        if RULES.get(type(self).__name__) is not type(self):
            raise ValueError(f"sparsity is {self!r}; expected a sparsity rule that load() knows: {sorted(RULES)}")
        return {"sparsity": type(self).__name__, **{name: getattr(self, name) for name in self.settings}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Sparsity":
        """The rule of a model that SAELens describes by `config`; settings that only training needs are 0.

        Raises KeyError for what is missing, and ValueError for what is wrong.
        """
        return cls(**{name: config[name] if name in ("k", "target_rate") else 0.0 for name in cls.settings})

    def packed(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """The model's parameters by name, W_enc (d_in, d_sae) and so on, as its file holds them."""
        return weights

    def unpacked(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The inverse of `packed`: the tensors of a file, W_enc (d_in, d_sae) and so on, as the model's parameters.
        Raises ValueError where they do not fit the rule."""
        return tensors

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.settings)


class L1(Sparsity):
    """L1 penalty: the sum of an example's activations, times a coefficient.

        codes = relu(pre)        penalty = coefficient * mean over examples of sum_i codes_i / unit

    (Bricken et al., 2023, "Towards Monosemanticity".) It drives small activations to zero, and shrinks the large ones too.
    Raises ValueError for a coefficient that is negative or not finite.
    """

    architecture = "standard"
    settings = ("coefficient",)
    revival = "resample"

    def __init__(self, coefficient: float):
        super().__init__()
        self.coefficient = checks.number("coefficient", coefficient, least=0)

    def activate(self, pre: Tensor) -> Tensor:
        return torch.relu(pre)

    def penalty(self, pre: Tensor, codes: Tensor) -> Tensor:
        return self.coefficient / self.unit * codes.sum(dim=1).mean()


class KL(Sparsity):
    """KL penalty: every feature has a target for its mean activation.

        codes = unit * sigmoid(pre / unit)        rate_j = mean over examples of codes_j / unit
        penalty = coefficient * sum_j [ r log(r / rate_j) + (1 - r) log((1 - r) / (1 - rate_j)) ],  r = target_rate

    (Ng, 2011, CS294A lecture notes, section 3.) The term of a feature is the Kullback-Leibler divergence between two
    Bernoulli distributions, with the probabilities r and rate_j. No activation is ever exactly zero: features become quiet,
    not inactive.
    Raises ValueError for a target_rate that does not lie between 0 and 1, or a coefficient that is negative or not finite.
    """

    architecture = "kl"
    settings = ("target_rate", "coefficient")

    def __init__(self, target_rate: float, coefficient: float):
        super().__init__()
        self.target_rate = checks.number("target_rate", target_rate, above=0, below=1)
        self.coefficient = checks.number("coefficient", coefficient, least=0)

    def activate(self, pre: Tensor) -> Tensor:
        return self.unit * torch.sigmoid(pre / self.unit)

    def penalty(self, pre: Tensor, codes: Tensor) -> Tensor:
        # log(rate) and log(1 - rate), from pre and in a way that stays finite where a sigmoid is rounded to 0 or 1.
        log_on = torch.logsumexp(nn.functional.logsigmoid(pre / self.unit), dim=0)
        log_off = torch.logsumexp(nn.functional.logsigmoid(-pre / self.unit), dim=0)
        r, log_n = self.target_rate, math.log(len(pre))
        on = r * (math.log(r) - log_on + log_n)
        off = (1 - r) * (math.log(1 - r) - log_off + log_n)
        return self.coefficient * (on + off).sum()


class _Choice(Sparsity):
    """What the rules share that keep the largest pre-activations: training computes with the chosen entries alone."""

    settings: tuple[str, ...] = ("k",)
    revival = "aux-k"
    each_by_itself = False  # whether what an example's code keeps depends on the example alone

    def __init__(self, k: int):
        super().__init__()
        self.k = checks.count("k", k)

    def attach(self, d_sae: int) -> None:
        checks.count("k", self.k, most=d_sae, why=f"for there are d_sae = {d_sae} features to choose from")

    def choose(self, pre: Tensor) -> tuple[Tensor, Tensor]:
        """Which entries of pre (n, d_sae) are kept: the indices of their examples, in rising order, and of their features,
        both (m,)."""
        raise NotImplementedError

    def prefixes(self, d_sae: int) -> tuple[int, ...]:
        """How many of the first features have to reconstruct x without the others, in rising order up to all d_sae of them."""
        return (d_sae,)

    def activate(self, pre: Tensor) -> Tensor:
        place = self.choose(pre.detach())
        return torch.zeros_like(pre).index_put(place, self.strength(pre[place]))

    def strength(self, values: Tensor) -> Tensor:
        """The activations that the kept pre-activations (m,) become: their ReLU, unless a rule says otherwise."""
        return torch.relu(values)


class TopK(_Choice):
    """Top-k: keep the k largest pre-activations of an example, and set the rest to zero.

        codes = relu(the k largest of pre, zero elsewhere)

    (Makhzani and Frey, 2013, "k-Sparse Autoencoders"; Gao et al., 2024, equation 2.)
    Raises ValueError for a k that is not a whole number of at least 1, or larger than the model's d_sae.
    """

    architecture = "topk"
    each_by_itself = True

    def choose(self, pre: Tensor) -> tuple[Tensor, Tensor]:
        feature = pre.topk(self.k, dim=1, sorted=False).indices
        return torch.arange(len(pre), device=pre.device).repeat_interleave(self.k), feature.flatten()


class BatchTopK(_Choice):
    """Batch top-k: keep the n k largest pre-activations of a batch of n examples, so that k features are active on average.

        training:   codes = relu(the n k largest of the whole batch, zero elsewhere)
        inference:  codes = pre where pre > threshold, else 0

    Examples that are hard to reconstruct get more features. `threshold` is a running mean of the smallest activation that was
    kept in a batch (Bussmann et al., 2024, "BatchTopK Sparse Autoencoders", section 3), so that in inference the code of an
    example does not depend on its batch. It is 0 before training. The mean is over about the last tenth of the batches so
    far, and at most a hundred of them, so that it does not lag behind in a short run.
    Raises ValueError for a k that is not a whole number of at least 1, or larger than the model's d_sae.
    """

    architecture = "batchtopk"
    saved_as = "jumprelu"
    memory = 0.99  # the largest share of the running mean that a batch leaves as it was

    def __init__(self, k: int):
        super().__init__(k)
        self.threshold: Tensor
        self.batches: Tensor
        self.register_buffer("threshold", torch.zeros(()))
        self.register_buffer("batches", torch.zeros(()))  # how many the threshold has seen

    def choose(self, pre: Tensor) -> tuple[Tensor, Tensor]:
        n, d_sae = pre.shape
        # The largest of all stand among the largest of each example. How many of these it takes is not known before; where
        # an example would use up all that it was given, it gets more.
        width = min(d_sae, 4 * self.k)
        while True:
            value, feature = pre.topk(width, dim=1)
            chosen = value.flatten().topk(n * self.k).indices
            if width == d_sae or not (chosen % width == width - 1).any():
                break
            width = min(d_sae, 4 * width)
        chosen = chosen.sort().values
        return chosen // width, feature.flatten()[chosen]

    def infer(self, pre: Tensor) -> Tensor:
        return pre * (pre > self.threshold)

    @torch.no_grad()
    def after_step(self, values: Tensor) -> None:
        kept = values[values > 0]
        if len(kept):
            memory = ((1 + self.batches) / (10 + self.batches)).clamp(max=self.memory)
            self.threshold.copy_(kept.min().to(self.threshold).lerp(self.threshold, memory if self.batches > 0 else torch.zeros_like(memory)))
            self.batches += 1

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "BatchTopK":
        return cls(round(checks.number("k", config["k"], least=1)))  # there it is an average, and may be a fraction

    def packed(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        weights = {name: value for name, value in weights.items() if name != "batches"}
        return {**weights, "threshold": weights["threshold"].expand(weights["b_enc"].shape)}

    def unpacked(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        threshold = tensors["threshold"]
        if ((threshold - threshold[0]).abs() > 1e-5 * threshold[0].abs()).any():  # but for rounding, where rows were folded
            raise ValueError(f"threshold goes from {threshold.min()} to {threshold.max()}; expected one for all features")
        # A threshold that was read has been settled on by many batches, whoever counted them.
        many = threshold.new_tensor(1_000.0 if threshold[0] > 0 else 0.0)
        return {**tensors, "threshold": threshold[0].clamp(min=0), "batches": many}


class Matryoshka(BatchTopK):
    """Nested dictionaries: each of several prefixes of the features has to reconstruct x without the later features.

        loss = mean over the widths m of |x - (codes_1..m W_dec_1..m + b_dec)|^2,   codes as BatchTopK(k) makes them

    (Bussmann et al., 2025, "Learning Multi-Level Features with Matryoshka Sparse Autoencoders", section 3.) A general feature
    of the first prefix can't leave its work to more specific, later ones (feature absorption), for the first prefix has to do
    without them.

    Args: widths, the lengths of the prefixes, in rising order, the last of them d_sae; k, as in `BatchTopK`.
    Raises ValueError for widths that do not rise or do not end at the model's d_sae, or a k that does not fit.
    """

    architecture = "matryoshka_batchtopk"
    saved_as = "jumprelu"
    settings = ("widths", "k")

    def __init__(self, widths: Sequence[int], k: int):
        super().__init__(k)
        self.widths = checks.counts("widths", widths, "a sequence of rising widths such as (64, 128, 512)")
        if any(wide <= narrow for narrow, wide in zip(self.widths, self.widths[1:])):
            raise ValueError(f"widths is {widths!r}; expected each to be larger than the one before")

    def attach(self, d_sae: int) -> None:
        super().attach(d_sae)
        if self.widths[-1] != d_sae:
            raise ValueError(f"widths is {self.widths!r}; expected the last to be d_sae = {d_sae}")

    def prefixes(self, d_sae: int) -> tuple[int, ...]:
        return self.widths

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Matryoshka":
        return cls(config["matryoshka_widths"], round(checks.number("k", config["k"], least=1)))


class Drawers(_Choice):
    """One feature from each group ("drawer"): that with the largest absolute pre-activation, which keeps its sign.

        codes = pre for the largest |pre| of each group, zero elsewhere
        loss = mean over j of |x - (the first j groups' codes W_dec + b_dec)|^2

    Two features of one group are never active together, so that near-duplicates do not crowd into a code as they do in TopK.
    And the reconstruction has to be good after every group, so that one model serves every k up to the number of groups.
    (Competition within groups, or local winner-take-all: Srivastava et al., 2013, "Compete to Compute"; the loss after every
    group is that of Matryoshka.) Codes have signs: a feature stands for two opposite directions.

    Args: sizes, the number of features in each group, in all d_sae.
    Raises ValueError where sizes is no sequence of whole numbers of at least 1, or they do not add up to d_sae.
    """

    architecture = "drawers"
    settings = ("sizes",)
    each_by_itself = True

    def __init__(self, sizes: Sequence[int]):
        self.sizes = checks.counts("sizes", sizes, "a sequence of sizes such as (128, 128, 128)")
        super().__init__(len(self.sizes))

    def attach(self, d_sae: int) -> None:
        if sum(self.sizes) != d_sae:
            raise ValueError(f"sizes is {self.sizes!r}, {sum(self.sizes)} in all; expected d_sae = {d_sae} in all")

    def choose(self, pre: Tensor) -> tuple[Tensor, Tensor]:
        best = [part.abs().argmax(dim=1) for part in pre.split(self.sizes, dim=1)]
        starts = [end - size for end, size in zip(self.prefixes(pre.shape[1]), self.sizes)]
        feature = torch.stack([place + start for place, start in zip(best, starts)], dim=1)
        return torch.arange(len(pre), device=pre.device).repeat_interleave(self.k), feature.flatten()

    def strength(self, values: Tensor) -> Tensor:
        return values

    def prefixes(self, d_sae: int) -> tuple[int, ...]:
        return tuple(itertools.accumulate(self.sizes))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Drawers":
        return cls(config["sizes"])


class JumpReLU(Sparsity):
    """A learned threshold for each feature, below which it is inactive, and an L0 penalty: the number of active features.

        codes_i = pre_i if pre_i > threshold_i, else 0      penalty = coefficient * mean over examples of (number of active features)

    Neither has a useful gradient with respect to the threshold, so a straight-through estimate stands in for it: where pre
    lies within half a `bandwidth` of the threshold, the step counts as a linear ramp of that width (Rajamanoharan et al.,
    2024b, "Jumping Ahead", equations 11 and 12, with a rectangle as the kernel).

    Args: coefficient, the weight of the penalty; bandwidth, the width of the kernel; start, the first value of all
    thresholds. The last two are in units, as all lengths here are.
    Raises ValueError for a coefficient that is negative or not finite, or a bandwidth or start that is not above 0.
    """

    architecture = "jumprelu"
    settings = ("coefficient", "bandwidth", "start")
    revival = "resample"
    in_units = ("threshold",)

    def __init__(self, coefficient: float, bandwidth: float = 0.1, start: float = 0.1):
        super().__init__()
        self.coefficient = checks.number("coefficient", coefficient, least=0)
        self.bandwidth = checks.number("bandwidth", bandwidth, above=0)
        self.start = checks.number("start", start, above=0)

    def attach(self, d_sae: int) -> None:
        self.threshold = nn.Parameter(torch.full((d_sae,), self.start))

    def activate(self, pre: Tensor) -> Tensor:
        return _Jump.apply(pre, self.threshold, self.bandwidth * self.unit)

    def penalty(self, pre: Tensor, codes: Tensor) -> Tensor:
        return self.coefficient * _Step.apply(pre, self.threshold, self.bandwidth * self.unit).sum(dim=1).mean()

    @torch.no_grad()
    def after_step(self, values: Tensor) -> None:
        if self.threshold.requires_grad:
            self.threshold.clamp_(min=0)

    @torch.no_grad()
    def revive(self, dead: Tensor) -> list[tuple[nn.Parameter, Tensor]]:
        self.threshold[dead] = self.start * self.unit
        return [(self.threshold, dead)]

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "JumpReLU":
        return cls(0.0)

    def unpacked(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        # SAELens lets only positive numbers pass, whatever the threshold.
        return {**tensors, "threshold": tensors["threshold"].clamp(min=0)}


def _near(pre: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
    return (pre - threshold).abs() < bandwidth / 2


class _Jump(torch.autograd.Function):
    """pre where it is above the threshold, else 0; its gradient in the threshold is the straight-through estimate (equation
    11)."""

    @staticmethod
    def forward(ctx, pre, threshold, bandwidth):
        ctx.save_for_backward(pre, threshold)
        ctx.bandwidth = bandwidth
        return torch.relu(pre) * (pre > threshold)

    @staticmethod
    def backward(ctx, slope):
        pre, threshold = ctx.saved_tensors
        made_up = -(threshold / ctx.bandwidth) * (_near(pre, threshold, ctx.bandwidth) * slope).sum(dim=0)
        return slope * ((pre > threshold) & (pre > 0)), made_up, None


class _Step(torch.autograd.Function):
    """1 where pre is above the threshold, else 0; its gradient in the threshold is the straight-through estimate (equation
    12)."""

    @staticmethod
    def forward(ctx, pre, threshold, bandwidth):
        ctx.save_for_backward(pre, threshold)
        ctx.bandwidth = bandwidth
        return (pre > threshold).to(pre.dtype)

    @staticmethod
    def backward(ctx, slope):
        pre, threshold = ctx.saved_tensors
        return None, -(_near(pre, threshold, ctx.bandwidth) * slope).sum(dim=0) / ctx.bandwidth, None


class Gated(Sparsity):
    """Two paths: a gate decides whether a feature is active, and a magnitude how strongly.

        codes = [pre > 0] * relu(exp(r_mag) * pre + b_mag)
        penalty = coefficient * mean over examples of sum_i relu(pre_i) / unit
        auxiliary loss: relu(pre) has to reconstruct x too, through a decoder that gets no gradient from it

    (Rajamanoharan et al., 2024a, "Improving Dictionary Learning with Gated Sparse Autoencoders", equations 6 to 8.) The L1
    penalty is on the gate alone, so that it does not shrink the magnitudes. The gate's bias is the model's b_enc; b_mag here
    is relative to it: the paper's b_mag is b_mag + exp(r_mag) * b_enc.
    Raises ValueError for a coefficient that is negative or not finite.
    """

    architecture = "gated"
    settings = ("coefficient",)
    revival = "resample"
    in_units = ("b_mag",)

    def __init__(self, coefficient: float):
        super().__init__()
        self.coefficient = checks.number("coefficient", coefficient, least=0)

    def attach(self, d_sae: int) -> None:
        self.r_mag = nn.Parameter(torch.zeros(d_sae))
        self.b_mag = nn.Parameter(torch.zeros(d_sae))

    def activate(self, pre: Tensor) -> Tensor:
        return (pre > 0) * torch.relu(self.r_mag.exp() * pre + self.b_mag)

    def penalty(self, pre: Tensor, codes: Tensor) -> Tensor:
        return self.coefficient / self.unit * torch.relu(pre).sum(dim=1).mean()

    def auxiliary(self, pre: Tensor) -> Tensor:
        return torch.relu(pre)

    @torch.no_grad()
    def revive(self, dead: Tensor) -> list[tuple[nn.Parameter, Tensor]]:
        self.r_mag[dead] = 0
        self.b_mag[dead] = 0
        return [(self.r_mag, dead), (self.b_mag, dead)]

    def packed(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        weights = dict(weights)
        b_gate = weights.pop("b_enc")
        return {**weights, "b_gate": b_gate, "b_mag": weights["b_mag"] + weights["r_mag"].exp() * b_gate}

    def unpacked(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        tensors = dict(tensors)
        b_gate = tensors.pop("b_gate")
        return {**tensors, "b_enc": b_gate, "b_mag": tensors["b_mag"] - tensors["r_mag"].exp() * b_gate}


@torch.no_grad()
def pursuit(x: Tensor, dictionary: Tensor, k: int) -> Tensor:
    """Codes by orthogonal matching pursuit (OMP): x (n, d) to (k, n, features), the codes after each of k steps.

    Each step takes the feature whose direction has the largest inner product with the residual, by absolute value, and then
    fits the coefficients of all features taken so far by least squares (Pati, Rezaiifar and Krishnaprasad, 1993). Nothing is
    learned: it is a search, which an encoder replaces by one matrix product.

    Args: x (n, d), float32 or float64; dictionary (features, d), rows of any lengths above 0; k, at most d and at most the
    number of features.
    Raises ValueError for other shapes, numbers that are not finite, a row of zeros in dictionary, or a k that does not fit.
    """
    checks.finite("dictionary", checks.matrix("dictionary", dictionary))
    checks.finite("x", checks.matrix("x", x, dictionary.shape[1]))
    k = checks.count("k", k, most=min(dictionary.shape), why="the smaller number of rows and columns in dictionary")
    length = dictionary.norm(dim=1)
    if not (length > 0).all():
        raise ValueError(f"dictionary[{int((length == 0).nonzero()[0])}] is zero; expected rows of some length")
    unit = dictionary / length[:, None]
    codes = x.new_zeros(k, len(x), len(dictionary))
    taken, left = torch.empty(len(x), 0, dtype=torch.int64), x
    for step in range(k):
        answers = (left @ unit.T).abs().scatter(1, taken, -1.0)
        taken = torch.cat([taken, answers.argmax(dim=1, keepdim=True)], dim=1)
        own = unit[taken]  # (n, step + 1, d)
        gram = own @ own.mT
        gram.diagonal(dim1=1, dim2=2).add_(1e-6)  # two features may be one and the same
        strength = torch.cholesky_solve(own @ x[:, :, None], torch.linalg.cholesky(gram))[..., 0]
        left = x - (strength[:, None] @ own)[:, 0]
        codes[step].scatter_(1, taken, strength / length[taken])
    return codes
