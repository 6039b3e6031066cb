"""The models: a plain autoencoder, and the sparse one, which is an autoencoder plus a swappable sparsity brick."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from . import checks, files, kernels
from .streams import stream

SAELENS = "6.54.12"  # the version whose files ours are like: without one, SAELens would take them for old, and forget the metadata
PIECE = 2**24  # pre-activations computed at a time, where examples need not be compared: 64 MiB


class Loss(NamedTuple):
    """What one batch costs.

    reconstruction: (), the squared error summed over an example's numbers, averaged over examples, in squared units
    (see `Model`); penalty: (), the price of the codes; auxiliary: (), whatever else training makes small;
    codes: (n, d_code), the codes on the way, dense, or sparse with an entry for each number that was chosen.
    """

    reconstruction: Tensor
    penalty: Tensor
    auxiliary: Tensor
    codes: Tensor

    @property
    def total(self) -> Tensor:
        """(), what training makes small: the sum of the three."""
        return self.reconstruction + self.penalty + self.auxiliary

    def values(self) -> Tensor:
        """The numbers in the codes: (m,), those that were chosen, or all, (n, d_code), where the codes are dense."""
        return self.codes._values() if self.codes.is_sparse else self.codes

    def uses(self) -> Tensor:
        """(d_code,) int64, in how many examples of the batch each number of the code is not zero."""
        if self.codes.is_sparse:
            return torch.bincount(self.codes._indices()[1][self.values() != 0], minlength=self.codes.shape[1])
        return (self.codes != 0).sum(dim=0)


class Model(nn.Module):
    """What all models share: x of shape (n, d_in) to codes and back, a loss, and the places where training calls in.

    `unit` is the length that counts as 1 in the loss. train() sets it to the root of the mean squared distance of the
    examples from their mean, so that a loss of 1 is what answering with the mean would give, whatever the data's scale.
    """

    d_in: int
    d_code: int
    unit: float = 1.0
    revival: str | None = None  # how unused features come back: see Sparsity

    def encode(self, x: Tensor) -> Tensor:
        """x (n, d_in) to codes (n, d_code). Raises ValueError for another shape or dtype."""
        raise NotImplementedError

    def decode(self, codes: Tensor) -> Tensor:
        """codes (n, d_code) to x_hat (n, d_in). Raises ValueError for another shape or type."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """x (n, d_in) written as a code and read back, (n, d_in)."""
        return self.decode(self.encode(x))

    def loss(self, x: Tensor, dead: Tensor | None = None) -> Loss:
        """The loss of a batch x (n, d_in): squared error per example. `dead`, (d_code,) bool, concerns sparse codes only."""
        codes = self.encode(x)
        return Loss(self._error(x - self.decode(codes)), x.new_zeros(()), x.new_zeros(()), codes)

    def _error(self, left: Tensor) -> Tensor:
        return left.square().sum(dim=1).mean() / self.unit**2

    @torch.no_grad()
    def before_training(self, x: Tensor, center: str = "mean") -> None:
        """Called with the first batch x (n, d_in), before the first step. Measures `unit`, unless that has been done before.

        Args: center, see `train`: it concerns sparse autoencoders only.
        Raises ValueError where all examples are equal, for then nothing could be learned from them.
        """
        if self.unit == 1.0 and torch.isfinite(x).all():
            x = usual(x).double()  # so that the mean of equal numbers is that number
            distance = (x - x.mean(dim=0) if len(x) > 1 else x).square().sum(dim=1).mean().sqrt().item()
            if distance <= 1e-10 * x.abs().max():
                raise ValueError(f"data has no variance: all {len(x)} examples of the first batch are equal")
            self.measure(distance)

    def measure(self, unit: float) -> None:
        """Take `unit` for the length that counts as 1."""
        self.unit = unit

    def groups(self, lr: float) -> list[dict[str, Any]]:
        """The weights as an optimiser wants them, each group with its learning rate."""
        return [{"params": list(self.parameters()), "lr": lr}]

    def before_step(self) -> None:
        """Called when the weights have their gradients, before the optimiser uses them."""

    def after_step(self, loss: Loss) -> None:
        """Called after every step of the optimiser, with the loss that it was for."""

    def revive(self, x: Tensor, dead: Tensor, generator: torch.Generator) -> list[tuple[nn.Parameter, Any]]:
        """Called now and then with x (n, d_in), and with features that nobody uses, (m,) int64.

        Returns which places of which weights were started anew.
        """
        return []

    # On disk: what `saelib.load` needs to make it again.

    def config(self) -> dict[str, Any]:
        """What describes the model in its file. Raises ValueError for a model, or a sparsity brick, that load() does not know."""
        raise ValueError(f"model is {self!r}; expected a saelib model")

    def tensors(self) -> dict[str, Tensor]:
        """Its weights by name, (d_in, d_sae) and the like, as its file holds them. Raises ValueError where one is not finite."""
        weights = {name.removeprefix("sparsity."): value.detach().cpu().float() for name, value in self.state_dict().items()}
        return {name: checks.finite(name, value) for name, value in weights.items()}

    def save(self, path: str | Path) -> None:
        """Write the model into the folder `path`, made if missing; `saelib.load(path)` reads it back.

        Both of its files are written beside their places and moved there when they are whole: what was there before stays good
        until then. Raises ValueError where a weight is not finite, for a model, or a sparsity brick, that load() does not know,
        or where `path` is a file.
        """
        files.write_model(path, self.config(), self.tensors())


class Autoencoder(Model):
    """Two friends and a short message: an encoder to d_code numbers and a decoder back, judged on the copy alone.

    Without `hidden` both are linear (with an offset), and the best they can do is what PCA does (Baldi and Hornik,
    1989). With `hidden=(64, 32)` the encoder has layers of 64 and 32 units with tanh between them and the decoder has
    the same in reverse (Hinton and Salakhutdinov, 2006).

    Args: d_in, numbers in an example; d_code, numbers in a code; hidden, widths of the encoder's hidden layers;
    seed, of the first weights (the global random state is neither used nor changed).
    Raises ValueError for a width that is not a whole number of at least 1, or a seed that is none of at least 0.
    """

    def __init__(self, d_in: int, d_code: int, hidden: Sequence[int] = (), *, seed: int = 0):
        super().__init__()
        self.d_in = checks.count("d_in", d_in)
        self.d_code = checks.count("d_code", d_code)
        self.hidden = checks.counts("hidden", hidden, "a sequence of widths such as (64, 32)", empty=True)
        widths = (self.d_in, *self.hidden, self.d_code)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(checks.seed(seed))  # torch.manual_seed would reseed the GPUs too
            self.encoder = _layers(widths)
            self.decoder = _layers(widths[::-1])

    def encode(self, x: Tensor) -> Tensor:
        """x (n, d_in) to codes (n, d_code). Raises ValueError for another shape or dtype."""
        return self.encoder(checks.matrix("x", x, self.d_in, next(self.parameters()).dtype))

    def decode(self, codes: Tensor) -> Tensor:
        """codes (n, d_code) to x_hat (n, d_in). Raises ValueError for another shape or type."""
        return self.decoder(checks.matrix("codes", codes, self.d_code))

    def config(self) -> dict[str, Any]:
        hidden = list(self.hidden)
        return {"architecture": "autoencoder", "d_in": self.d_in, "d_code": self.d_code, "hidden": hidden, "unit": self.unit}


def _layers(widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for wide, narrow in zip(widths, widths[1:]):
        layers += [nn.Linear(wide, narrow), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


class SparseAutoencoder(Model):
    """A rich box of bricks, few of them used: codes of d_sae numbers, most of them zero.

        codes = activate((x - b_dec) W_enc + b_enc)        x_hat = codes W_dec + b_dec

    `activate` is the sparsity brick's; row i of W_dec is the picture of feature i and is kept at length 1, so that a
    code says how much of it there is, and no penalty can be dodged by small codes on long rows (Bricken et al., 2023).
    The encoder starts as the decoder's transpose, and b_dec in the middle of the data.

    Args: d_in, numbers in an example; d_sae, features; sparsity, a brick such as TopK(8); seed, of the first weights.
    Parameters: W_enc (d_in, d_sae), b_enc (d_sae,), W_dec (d_sae, d_in), b_dec (d_in,).
    Raises ValueError for widths below 1, for what is no sparsity brick, or one that does not fit (k > d_sae).
    """

    def __init__(self, d_in: int, d_sae: int, sparsity: nn.Module, *, seed: int = 0):
        super().__init__()
        self.d_in = checks.count("d_in", d_in)
        self.d_sae = self.d_code = checks.count("d_sae", d_sae)
        if not isinstance(sparsity, nn.Module) or not hasattr(sparsity, "activate"):
            raise ValueError(f"sparsity is {sparsity!r}; expected a sparsity brick such as saelib.TopK(k=8)")
        # Each model has a brick of its own, with weights of its own. (It is a Sparsity, of which this room knows nothing.)
        self.sparsity = cast(Any, copy.deepcopy(sparsity))
        self.sparsity.attach(self.d_sae)
        self.revival = self.sparsity.revival
        directions = torch.randn(d_sae, d_in, generator=stream("first weights", checks.seed(seed)))
        directions /= directions.norm(dim=1, keepdim=True)
        self.W_dec = nn.Parameter(directions)
        # In memory a feature's weights lie side by side here too, for training reads and writes them a feature at a time.
        self.W_enc = nn.Parameter(directions.clone().T)
        self.b_enc = nn.Parameter(torch.zeros(d_sae))
        self.b_dec = nn.Parameter(torch.zeros(d_in))

    def encode(self, x: Tensor) -> Tensor:
        """x (n, d_in) to codes (n, d_sae). Raises ValueError as an `Autoencoder` does."""
        return self.sparsity.infer(self._pre(checks.matrix("x", x, self.d_in, self.W_enc.dtype)))

    def decode(self, codes: Tensor) -> Tensor:
        """codes (n, d_sae) to x_hat (n, d_in). Raises ValueError as an `Autoencoder` does."""
        return checks.matrix("codes", codes, self.d_sae) @ self.W_dec + self.b_dec

    def _pre(self, x: Tensor) -> Tensor:
        return torch.addmm(self.b_enc, x - self.b_dec, self.W_enc)

    def loss(self, x: Tensor, dead: Tensor | None = None) -> Loss:
        """The loss of a batch x (n, d_in), with the sparsity brick's rule for training.

        dead: (d_sae,) bool, not all false, features that nobody has used for long. Where the brick revives by aux-k they
        have to rebuild what the others leave over (Gao et al., 2024, appendix A.2): the loss gets |e - e_hat|^2 / 32, where e
        is the error, to which this sends no slope, and e_hat is made of the dead features that answer most to an example.
        There are d_in / 2 of these in the paper; twice as many as the others are do as well, and cost less.
        Raises ValueError for an x of another shape or dtype.
        """
        x = checks.matrix("x", x, self.d_in, self.W_enc.dtype)
        if hasattr(self.sparsity, "choose"):
            return self._loss_of_chosen(x, dead)
        pre = self._pre(x)
        codes = self.sparsity.activate(pre)
        helper = self.sparsity.helper(pre)
        return Loss(
            self._error(x - codes @ self.W_dec - self.b_dec),
            self.sparsity.penalty(pre, codes),
            self._error(x - helper @ self.W_dec.detach() - self.b_dec.detach()) if helper is not None else pre.new_zeros(()),
            codes,
        )

    def _loss_of_chosen(self, x: Tensor, dead: Tensor | None) -> Loss:
        """The loss for a brick that chooses, by work on the chosen features alone, but for one product (see `kernels`)."""
        n, d_sae = len(x), self.d_sae
        example, feature, values, helpers = self._choose(x, dead)
        # A bag for each example and box: what a box adds to those before it. (One box, but for Matryoshka.)
        widths = torch.tensor(self.sparsity.prefixes(d_sae), device=x.device)
        bag, bags, chosen = example, len(widths) * n, len(example)
        if len(widths) > 1:
            bag, order = (torch.bucketize(feature, widths, right=True) * n + example).sort(stable=True)
            example, feature, values = example[order], feature[order], values[order]
        if dead is not None:
            example, feature, values = (torch.cat(both) for both in zip((example, feature, values), helpers, strict=True))
            bag = torch.cat([bag, bags + helpers[0]])
        entries = kernels.Entries(example, feature, bag, bags + (n if dead is not None else 0), d_sae)
        values = self.sparsity.strength(kernels.read(x, self.W_enc, self.b_enc, self.b_dec, values, entries))
        parts = kernels.rebuild(values, self.W_dec, entries)
        # What each box and those before it leave over, the last of them the error itself.
        left = x - self.b_dec - parts[:bags].view(len(widths), n, -1).cumsum(dim=0)
        auxiliary = self._error(left[-1].detach() - parts[bags:]) / 32 if dead is not None else x.new_zeros(())
        codes = torch.sparse_coo_tensor(
            torch.stack([example[:chosen], feature[:chosen]]), values[:chosen].detach(), (n, d_sae), check_invariants=False
        )
        return Loss(self._error(left.flatten(0, 1)), x.new_zeros(()), auxiliary, codes)

    @torch.no_grad()
    def _choose(self, x: Tensor, dead: Tensor | None) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
        """Which features stand in the codes: examples, features and pre-activations, each (m,). And, in a list, the same of
        the dead features that answer most to each example."""
        piece = max(1, PIECE // self.d_sae) if self.sparsity.each_by_itself else len(x)
        candidates = dead.nonzero().ravel() if dead is not None else None
        chosen, helpers = [], []
        for first in range(0, len(x), piece):
            pre = kernels.product(x[first : first + piece] - self.b_dec, self.W_enc, self.b_enc)
            n = len(pre)
            example, feature = self.sparsity.choose(pre)
            chosen.append((example + first, feature, pre.view(-1)[example * self.d_sae + feature]))
            if candidates is not None:
                k = min(2 * max(1, len(example) // n), len(candidates))
                answers, place = pre[:, candidates].topk(k, dim=1, sorted=False)
                example = torch.arange(first, first + n, device=x.device).repeat_interleave(k)
                helpers.append((example, candidates[place.ravel()], answers.ravel()))
        example, feature, values = (torch.cat(part) for part in zip(*chosen, strict=True))
        return example, feature, values, [torch.cat(part) for part in zip(*helpers, strict=True)]

    @torch.no_grad()
    def before_training(self, x: Tensor, center: str = "mean") -> None:
        """Measure `unit`, and put b_dec in the middle of x (its mean, or geometric median), unless it has been set before."""
        learned = {name: value.clone() for name, value in self.sparsity.state_dict().items()}
        super().before_training(x)
        if self.b_dec.any():
            self.sparsity.load_state_dict(learned)  # what was trained elsewhere is in the data's scale already
        elif self.b_dec.requires_grad:
            self.b_dec.copy_(usual(x).mean(dim=0) if center == "mean" else _geometric_median(x))

    def measure(self, unit: float) -> None:
        """Take `unit` for the length that counts as 1."""
        super().measure(unit)
        self.sparsity.measure(unit)

    def groups(self, lr: float) -> list[dict[str, Any]]:
        """Two groups: weights that are lengths in the data's space, such as biases, learn in units, the others plainly.

        Adam's steps have the length lr, whatever the gradient's. So this is, to the digit, what training on data divided
        by `unit` does, and there is nothing to fold back afterwards.
        """
        lengths = [self.b_enc, self.b_dec, *(getattr(self.sparsity, name) for name in self.sparsity.in_units)]
        plain = [p for p in self.parameters() if not any(p is length for length in lengths)]
        return [{"params": plain, "lr": lr}, {"params": lengths, "lr": lr * self.unit}]

    @torch.no_grad()
    def before_step(self) -> None:
        """Take out of W_dec's gradient what would only make its rows longer or shorter, for after_step undoes that."""
        if self.W_dec.grad is None:
            return
        along = torch.einsum("fd,fd->f", self.W_dec.grad, self.W_dec)
        self.W_dec.grad.addcmul_(self.W_dec, along[:, None], value=-1)

    @torch.no_grad()
    def after_step(self, loss: Loss) -> None:
        """Bring the rows of W_dec back to length 1, and let the brick look at the codes."""
        if self.W_dec.requires_grad:
            self.W_dec.div_(self.W_dec.norm(dim=1, keepdim=True).clamp_min(1e-12))
        self.sparsity.after_step(loss.values())

    @torch.no_grad()
    def revive(self, x: Tensor, dead: Tensor, generator: torch.Generator) -> list[tuple[nn.Parameter, Any]]:
        """Start `dead` (m,) features anew at what the others leave over ("resampling", after Bricken et al., 2023).

        Examples are drawn with a probability that goes with the square of their loss, as there. A feature's row becomes the
        direction of such an example's error (there: of the example itself; but what lacks a feature is in what is left over).
        In a contest its encoder reads along that too, with half the living features' mean length: who wins, the others decide.
        Where nobody competes, it asks how far an example goes along the one drawn, and has a bar: it is on for no larger a
        share of x than living features are, and for the one drawn as strongly as it takes to undo the error. (Without one it
        would be on for half of all, and a price would soon push it off for all of them again.)
        """
        if not all(weight.requires_grad for weight in self.parameters()):
            return []
        codes = self.encode(x)
        left = x - self.decode(codes)
        error = left.square().sum(dim=1)
        if not error.any() or not torch.isfinite(error).all():
            return []
        drawn = torch.multinomial((error / error.max()).square().cpu(), len(dead), replacement=True, generator=generator).to(x.device)
        living = torch.ones(self.d_sae, dtype=torch.bool, device=x.device)
        living[dead] = False
        direction = nn.functional.normalize(left[drawn], dim=1)
        if self.revival == "aux-k":
            length = self.W_enc.T[living].norm(dim=1).mean() if living.any() else 1.0
            asks, bias = 0.5 * length * direction, 0
        else:
            often = (codes != 0).float().mean(dim=0)[living]
            share = often[often > 0].mean().item() if often.any() else 0.5
            from_center = x - self.b_dec
            example = nn.functional.normalize(from_center[drawn], dim=1)
            along = from_center @ example.T  # (n, m)
            own = along.gather(0, drawn[None])[0]
            bar = torch.minimum(along.kthvalue(1 + round((1 - share) * (len(x) - 1)), dim=0).values, 0.8 * own)
            slope = left[drawn].norm(dim=1) / (own - bar).clamp_min(torch.finfo(x.dtype).tiny)
            asks, bias = slope[:, None] * example, -slope * bar
        self.W_dec[dead] = direction
        self.W_enc.T[dead] = asks
        self.b_enc[dead] = bias
        places = [(self.W_dec, dead), (self.W_enc, (slice(None), dead)), (self.b_enc, dead)]
        return places + self.sparsity.revive(dead)

    def config(self) -> dict[str, Any]:
        """What describes it in its file, in SAELens's words. Raises ValueError for a sparsity brick that load() does not know."""
        brick, own = self.sparsity, self.sparsity.config()
        return {
            "architecture": brick.saved_as,
            "d_in": self.d_in,
            "d_sae": self.d_sae,
            "dtype": "float32",
            "device": "cpu",
            "apply_b_dec_to_input": True,
            "normalize_activations": "none",
            "reshape_activations": "none",
            **({"k": brick.k, "rescale_acts_by_decoder_norm": False} if brick.saved_as == "topk" else {}),
            "metadata": {"sae_lens_version": SAELENS, "saelib": {**own, "unit": self.unit}},
        }

    def tensors(self) -> dict[str, Tensor]:
        return self.sparsity.packed(super().tensors())


def usual(x: Tensor) -> Tensor:
    """The rows of x (n, d) but for a few that are out of all proportion: those more than twenty times as far from the others' mean
    as half of these are, if they are no more than one in twenty.

    In language models' activations a few tokens are hundreds of times as long as the rest ("massive activations": Sun et al.,
    2024); a mean, or a mean square, of some examples is theirs alone where one of them is among these.
    """
    rows, keep = x.double(), torch.ones(len(x), dtype=torch.bool, device=x.device)
    for _ in range(10):
        distance = (rows - rows[keep].mean(dim=0)).square().sum(dim=1)
        most = 400 * distance[keep].median()
        near = distance <= most
        if most == 0 or 20 * int((~near).sum()) > len(x):
            return x
        if torch.equal(near, keep):
            break
        keep = near
    return x if keep.all() else x[keep]


def _geometric_median(x: Tensor, steps: int = 100) -> Tensor:
    """The point with the least mean distance to the rows of x, (d,).

    By Weiszfeld's iteration (1937), which would never leave a row of x that it met, as amended by Vardi and Zhang (2000).
    """
    center = x.mean(dim=0)
    for _ in range(steps):
        distance = (x - center).norm(dim=1)
        scale = distance.mean()
        away = distance > 1e-6 * scale
        if not away.any():
            break
        weight = 1 / distance[away]
        pull = weight @ x[away] / weight.sum() - center
        # Rows that it stands on hold it back with a strength of 1 each, against that with which the others pull.
        held = (len(x) - int(away.sum())) / (pull.norm() * weight.sum()).clamp_min(1e-30)
        step = (1 - held).clamp(min=0) * pull
        center = center + step
        if step.norm() <= 1e-6 * scale:
            break
    return center
