"""The models: a plain autoencoder, and the sparse one, which is an autoencoder plus a swappable sparsity brick."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from . import checks


class Loss(NamedTuple):
    """What one batch costs.

    total: (), what training makes small; reconstruction: (), its first part, the squared error summed over an
    example's numbers, averaged over examples; codes: (n, d_code), the codes on the way.
    """

    total: Tensor
    reconstruction: Tensor
    codes: Tensor


class Model(nn.Module):
    """What all models share: x of shape (n, d_in) to codes and back, a loss, and the two places where training calls in."""

    d_in: int

    def encode(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def decode(self, codes: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """x (n, d_in) written as a code and read back, (n, d_in)."""
        return self.decode(self.encode(x))

    def penalty(self, codes: Tensor) -> Tensor:
        """What codes (n, d_code) cost beyond the error that they leave: nothing, unless a model says otherwise."""
        return codes.new_zeros(())

    def loss(self, x: Tensor) -> Loss:
        """The loss of a batch x (n, d_in): squared error per example, plus the penalty on its codes."""
        codes = self.encode(x)
        reconstruction = (x - self.decode(codes)).square().sum(dim=1).mean()
        return Loss(reconstruction + self.penalty(codes), reconstruction, codes)

    def before_training(self, x: Tensor) -> None:
        """Called with the first batch, before the first step."""

    def after_step(self) -> None:
        """Called after every step of the optimiser."""

    def save(self, path: str | Path) -> None:
        """Write the model into the folder `path` (made if missing); `saelib.load(path)` reads it back."""
        from .storage import save  # storage knows the models; a model knows storage only when it is asked to save

        save(self, path)


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
        if not isinstance(hidden, Sequence) or isinstance(hidden, str):
            raise ValueError(f"hidden is {hidden!r}; expected a sequence of widths such as (64, 32)")
        self.hidden = tuple(checks.count(f"hidden[{i}]", width) for i, width in enumerate(hidden))
        widths = (self.d_in, *self.hidden, self.d_code)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(checks.seed(seed))  # torch.manual_seed would reseed the GPUs too
            self.encoder = _layers(widths)
            self.decoder = _layers(widths[::-1])

    def encode(self, x: Tensor) -> Tensor:
        """x (n, d_in) to codes (n, d_code)."""
        return self.encoder(checks.matrix("x", x, self.d_in, next(self.parameters()).dtype))

    def decode(self, codes: Tensor) -> Tensor:
        """codes (n, d_code) to x_hat (n, d_in)."""
        return self.decoder(checks.matrix("codes", codes, self.d_code))


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
    The encoder starts as the decoder's transpose, and b_dec as the mean of the first batch.

    Args: d_in, numbers in an example; d_sae, features; sparsity, a brick such as TopK(8); seed, of the first weights.
    Parameters: W_enc (d_in, d_sae), b_enc (d_sae,), W_dec (d_sae, d_in), b_dec (d_in,).
    Raises ValueError for widths below 1, for what is no sparsity brick, or one that does not fit (k > d_sae).
    """

    def __init__(self, d_in: int, d_sae: int, sparsity: nn.Module, *, seed: int = 0):
        super().__init__()
        self.d_in = checks.count("d_in", d_in)
        self.d_sae = checks.count("d_sae", d_sae)
        if not isinstance(sparsity, nn.Module) or not hasattr(sparsity, "activate"):
            raise ValueError(f"sparsity is {sparsity!r}; expected a sparsity brick such as saelib.TopK(k=8)")
        sparsity.check(self.d_sae)
        self.sparsity = sparsity
        directions = torch.randn(d_sae, d_in, generator=torch.Generator().manual_seed(checks.seed(seed)))
        directions /= directions.norm(dim=1, keepdim=True)
        self.W_dec = nn.Parameter(directions)
        self.W_enc = nn.Parameter(directions.T.clone())
        self.b_enc = nn.Parameter(torch.zeros(d_sae))
        self.b_dec = nn.Parameter(torch.zeros(d_in))

    def encode(self, x: Tensor) -> Tensor:
        """x (n, d_in) to codes (n, d_sae), zero or positive."""
        x = checks.matrix("x", x, self.d_in, self.W_enc.dtype)
        return self.sparsity.activate((x - self.b_dec) @ self.W_enc + self.b_enc)

    def decode(self, codes: Tensor) -> Tensor:
        """codes (n, d_sae) to x_hat (n, d_in)."""
        return checks.matrix("codes", codes, self.d_sae) @ self.W_dec + self.b_dec

    def penalty(self, codes: Tensor) -> Tensor:
        """The sparsity brick's penalty on codes (n, d_sae)."""
        return self.sparsity.penalty(codes)

    @torch.no_grad()
    def before_training(self, x: Tensor) -> None:
        """Start b_dec at the mean of x, unless it has been set or trained before."""
        if not self.b_dec.any():
            self.b_dec.copy_(x.mean(dim=0))

    @torch.no_grad()
    def after_step(self) -> None:
        """Bring the rows of W_dec back to length 1."""
        self.W_dec /= self.W_dec.norm(dim=1, keepdim=True).clamp_min(1e-12)
