"""The models: a plain autoencoder, and the sparse one, which adds a swappable sparsity rule."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from . import checks, files, kernels
from .streams import stream

SAELENS = "6.54.12"  # the version whose files ours are like: without one, SAELens would take them for old, and forget the metadata
PIECE = 2**24  # pre-activations computed at a time, where examples are independent: 64 MiB


class Loss(NamedTuple):
    """The loss of one batch, in its parts.

    reconstruction: (), the squared error, summed over an example's dimensions and averaged over examples, in squared units
    (see `Model`); penalty: (), the sparsity penalty; auxiliary: (), any other loss, such as that of aux-k; codes:
    (n, d_code), the codes of the batch, dense, or sparse with an entry for each number that was chosen.
    """

    reconstruction: Tensor
    penalty: Tensor
    auxiliary: Tensor
    codes: Tensor

    @property
    def total(self) -> Tensor:
        """(), the loss that training minimises: the sum of the three."""
        return self.reconstruction + self.penalty + self.auxiliary

    def values(self) -> Tensor:
        """The values in the codes: (m,), those of the chosen entries, or all, (n, d_code), where the codes are dense."""
        return self.codes._values() if self.codes.is_sparse else self.codes

    def uses(self) -> Tensor:
        """(d_code,) int64, in how many examples of the batch each feature is active."""
        if self.codes.is_sparse:
            return torch.bincount(self.codes._indices()[1][self.values() != 0], minlength=self.codes.shape[1])
        return (self.codes != 0).sum(dim=0)


class Model(nn.Module):
    """The interface of all models: x (n, d_in) to codes and back, a loss, and the methods that train() calls.

    `unit` is the length that counts as 1 in the loss. train() sets it to the root of the mean squared distance of the
    examples from their mean, so that predicting the mean has a loss of 1, whatever the data's scale.
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
        """x (n, d_in) to its reconstruction x_hat (n, d_in)."""
        return self.decode(self.encode(x))

    def loss(self, x: Tensor, dead: Tensor | None = None) -> Loss:
        """The loss of a batch x (n, d_in): squared error per example. `dead`, (d_code,) bool, matters to sparse autoencoders
        only."""
        codes = self.encode(x)
        return Loss(self._error(x - self.decode(codes)), x.new_zeros(()), x.new_zeros(()), codes)

    def _error(self, left: Tensor) -> Tensor:
        return left.square().sum(dim=1).mean() / self.unit**2

    @torch.no_grad()
    def before_training(self, x: Tensor, center: str = "mean") -> None:
        """Called with the first batch x (n, d_in), before the first step. Measures `unit`, unless it has been set before.

        Args: center, see `train`, for sparse autoencoders only.
        Raises ValueError where all examples are equal, for then nothing could be learned from them.
        """
        if self.unit == 1.0 and torch.isfinite(x).all():
            x = usual(x).double()  # so that the mean of equal numbers is that number
            distance = (x - x.mean(dim=0) if len(x) > 1 else x).square().sum(dim=1).mean().sqrt().item()
            if distance <= 1e-10 * x.abs().max():
                raise ValueError(f"data has no variance: all {len(x)} examples of the first batch are equal")
            self.measure(distance)

    def measure(self, unit: float) -> None:
        """Set `unit`, the length that counts as 1."""
        self.unit = unit

    def groups(self, lr: float) -> list[dict[str, Any]]:
        """The parameters in groups, as an optimiser takes them, each group with its learning rate."""
        return [{"params": list(self.parameters()), "lr": lr}]

    def before_step(self) -> None:
        """Called when the gradients are there, before the optimiser uses them."""

    def after_step(self, loss: Loss) -> None:
        """Called after every step of the optimiser, with the loss of that step."""

    def revive(self, x: Tensor, dead: Tensor, generator: torch.Generator) -> list[tuple[nn.Parameter, Any]]:
        """Called now and then with a batch x (n, d_in), and with the indices of features that are dead, (m,) int64.

        Returns the parameters that were reset, each with the indices that were.
        """
        return []

    # On disk: what `saelib.load` needs to make it again.

    def config(self) -> dict[str, Any]:
        """What describes the model in its file, by name.
        Raises ValueError for a model, or a sparsity rule, that load() does not know."""
        raise ValueError(f"model is {self!r}; expected a saelib model")

    def tensors(self) -> dict[str, Tensor]:
        """The parameters by name, W_enc (d_in, d_sae) and so on, as the file holds them.
        Raises ValueError where one is not finite."""
        weights = {name.removeprefix("sparsity."): value.detach().cpu().float() for name, value in self.state_dict().items()}
        return {name: checks.finite(name, value) for name, value in weights.items()}

    def save(self, path: str | Path) -> None:
        """Write the model into the folder `path`, made if missing; `saelib.load(path)` reads it back.

        Both of its files are written under other names and moved into place when they are whole, so that what was there
        before stays good until then.
        Raises ValueError where a parameter is not finite, for a model, or a sparsity rule, that load() does not know, or
        where `path` is a file.
        """
        files.write_model(path, self.config(), self.tensors())


class Autoencoder(Model):
    """An encoder to a code of d_code numbers and a decoder back, trained on the reconstruction error alone.

    Without `hidden` both are linear, with biases, and the best that they can do is PCA (Baldi and Hornik, 1989). With
    `hidden=(64, 32)` the encoder has layers of 64 and 32 units with tanh between them, and the decoder has the same in
    reverse (Hinton and Salakhutdinov, 2006).

    Args: d_in, the input dimension; d_code, the dimension of the code; hidden, the widths of the encoder's hidden layers;
    seed, of the initial weights (the global random state is neither used nor changed).
    Raises ValueError for a width that is not a whole number of at least 1, or a seed that is not one of at least 0.
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
    """A sparse autoencoder (SAE): its codes are d_sae feature activations, most of them zero.

        codes = activate((x - b_dec) W_enc + b_enc)        x_hat = codes W_dec + b_dec

    `activate` is that of the sparsity rule. W_dec is the dictionary: row i is the direction of feature i, kept at length 1,
    so that activations are lengths in the data's space, and no penalty can be dodged by small activations and long rows
    (Bricken et al., 2023). W_enc starts as the transpose of W_dec, and training starts b_dec at the center of the data.

    Args: d_in, the input dimension; d_sae, the dictionary size, which is the number of features; sparsity, a sparsity rule
    such as TopK(8); seed, of the initial weights.
    Parameters: W_enc (d_in, d_sae), b_enc (d_sae,), W_dec (d_sae, d_in), b_dec (d_in,).
    Raises ValueError for a d_in or d_sae below 1, for what is no sparsity rule, or for one that does not fit (k > d_sae).
    """

    def __init__(self, d_in: int, d_sae: int, sparsity: nn.Module, *, seed: int = 0):
        super().__init__()
        self.d_in = checks.count("d_in", d_in)
        self.d_sae = self.d_code = checks.count("d_sae", d_sae)
        if not isinstance(sparsity, nn.Module) or not hasattr(sparsity, "activate"):
            raise ValueError(f"sparsity is {sparsity!r}; expected a sparsity rule such as saelib.TopK(k=8)")
        # Each model has a rule of its own, with parameters of its own. (It is a Sparsity, of which this room knows nothing.)
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
        """The loss of a batch x (n, d_in), with the sparsity rule as in training.

        dead: (d_sae,) bool, not all false, the features that are dead. Where the rule revives by aux-k, they have to
        reconstruct the residual (Gao et al., 2024, appendix A.2): the loss gets |e - e_hat|^2 / 32, where e = x - x_hat,
        without gradient, and e_hat is made of the dead features with the largest pre-activations of each example. The paper
        takes d_in / 2 of these; twice as many as are active do as well, and cost less.
        Raises ValueError for an x of another shape or dtype.
        """
        x = checks.matrix("x", x, self.d_in, self.W_enc.dtype)
        if hasattr(self.sparsity, "choose"):
            return self._loss_of_chosen(x, dead)
        pre = self._pre(x)
        codes = self.sparsity.activate(pre)
        helper = self.sparsity.auxiliary(pre)
        return Loss(
            self._error(x - codes @ self.W_dec - self.b_dec),
            self.sparsity.penalty(pre, codes),
            self._error(x - helper @ self.W_dec.detach() - self.b_dec.detach()) if helper is not None else pre.new_zeros(()),
            codes,
        )

    def _loss_of_chosen(self, x: Tensor, dead: Tensor | None) -> Loss:
        """The loss for a rule that chooses: all but one matrix product is work on the chosen entries alone (see `kernels`)."""
        n, d_sae = len(x), self.d_sae
        example, feature, values, helpers = self._choose(x, dead)
        # A bag for each example and prefix: what a prefix adds to those before it. (One prefix, but for Matryoshka and Drawers.)
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
        # The residual of each prefix, the last of them that of the whole reconstruction.
        left = x - self.b_dec - parts[:bags].view(len(widths), n, -1).cumsum(dim=0)
        auxiliary = self._error(left[-1].detach() - parts[bags:]) / 32 if dead is not None else x.new_zeros(())
        codes = torch.sparse_coo_tensor(
            torch.stack([example[:chosen], feature[:chosen]]), values[:chosen].detach(), (n, d_sae), check_invariants=False
        )
        return Loss(self._error(left.flatten(0, 1)), x.new_zeros(()), auxiliary, codes)

    @torch.no_grad()
    def _choose(self, x: Tensor, dead: Tensor | None) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
        """The entries of the codes: indices of examples and features, and pre-activations, each (m,). And, in a list, the
        same of the dead features with the largest pre-activations of each example."""
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
        """Measure `unit`, and start b_dec at the center of x (n, d_in), its mean or geometric median, unless it has been set
        before."""
        learned = {name: value.clone() for name, value in self.sparsity.state_dict().items()}
        super().before_training(x)
        if self.b_dec.any():
            self.sparsity.load_state_dict(learned)  # what was trained elsewhere is in the data's scale already
        elif self.b_dec.requires_grad:
            self.b_dec.copy_(usual(x).mean(dim=0) if center == "mean" else _geometric_median(x))

    def measure(self, unit: float) -> None:
        """Set `unit`, the length that counts as 1, here and in the sparsity rule."""
        super().measure(unit)
        self.sparsity.measure(unit)

    def groups(self, lr: float) -> list[dict[str, Any]]:
        """Two groups: parameters that are lengths in the data's space, such as biases, learn at lr * unit, the others at lr.

        Adam's steps have the size of the learning rate, whatever the gradient's. So this is, to the digit, what training on
        data divided by `unit` does, and there is nothing to fold back afterwards.
        """
        lengths = [self.b_enc, self.b_dec, *(getattr(self.sparsity, name) for name in self.sparsity.in_units)]
        plain = [p for p in self.parameters() if not any(p is length for length in lengths)]
        return [{"params": plain, "lr": lr}, {"params": lengths, "lr": lr * self.unit}]

    @torch.no_grad()
    def before_step(self) -> None:
        """Remove the part of W_dec's gradient that is parallel to its rows: it would only change their lengths, which
        after_step undoes."""
        if self.W_dec.grad is None:
            return
        along = torch.einsum("fd,fd->f", self.W_dec.grad, self.W_dec)
        self.W_dec.grad.addcmul_(self.W_dec, along[:, None], value=-1)

    @torch.no_grad()
    def after_step(self, loss: Loss) -> None:
        """Normalise the rows of W_dec to length 1, and show the activations to the sparsity rule."""
        if self.W_dec.requires_grad:
            self.W_dec.div_(self.W_dec.norm(dim=1, keepdim=True).clamp_min(1e-12))
        self.sparsity.after_step(loss.values())

    @torch.no_grad()
    def revive(self, x: Tensor, dead: Tensor, generator: torch.Generator) -> list[tuple[nn.Parameter, Any]]:
        """Reset the features `dead` (m,) to directions of the residual ("resampling", after Bricken et al., 2023).

        Examples of x (n, d_in) are drawn with a probability proportional to the square of their loss, as in the paper. The
        decoder row becomes the direction of such an example's residual. (In the paper: of the example itself; but what lacks
        a feature is in the residual.) Where features compete, as in TopK, the encoder row points the same way, with half the
        mean length of the living features', and the bias is 0: the other features decide whether it wins. Where they do not,
        it points along the example drawn, with a bias that acts as a threshold: the feature is active for no larger a share
        of x than living features are, and for the example drawn as strongly as it takes to undo the error. (Without a
        threshold it would be active for half of all examples, and a penalty would soon make it inactive for all of them
        again.)
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
        """What describes it in its file, in SAELens's terms.
        Raises ValueError for a sparsity rule that load() does not know."""
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
    """The rows of x (n, d) without extreme outliers: rows more than twenty times as far from the others' mean as half of
    these are, if they are at most one in twenty.

    In language models' activations a few tokens are hundreds of times as long as the rest ("massive activations": Sun et al.,
    2024); a mean, or a mean square, of a sample with one of them would be that token's alone.
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
