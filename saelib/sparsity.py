"""What makes a code sparse: one small class for each way to say "few bricks at a time".

A brick turns pre-activations into codes (`activate`), may put a price on them (`penalty`), and says whether it fits a
model (`check`). `settings` names its arguments, and `architecture` the name that saved files give it.
"""

import torch
from torch import Tensor, nn

from . import checks


class Sparsity(nn.Module):
    """The interface of a brick; adding one means writing one subclass."""

    architecture: str
    settings: tuple[str, ...] = ()

    def activate(self, pre: Tensor) -> Tensor:
        """Pre-activations (n, d_sae) to codes (n, d_sae)."""
        raise NotImplementedError

    def penalty(self, codes: Tensor) -> Tensor:
        """The price of codes (n, d_sae), averaged over the examples: a scalar, added to the loss."""
        return codes.new_zeros(())

    def check(self, d_sae: int) -> None:
        """Raise ValueError if the brick can't work with d_sae features."""

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.settings)


class L1(Sparsity):
    """Make every bit of activation cost: the sum of an example's activations times a coefficient.

        codes = relu(pre)        penalty = coefficient * mean over examples of sum_i codes_i

    (Bricken et al., 2023, "Towards Monosemanticity".) It pushes small codes to zero, and shrinks the large ones too.
    Raises ValueError for a coefficient that is negative or not finite.
    """

    architecture = "standard"
    settings = ("coefficient",)

    def __init__(self, coefficient: float):
        super().__init__()
        self.coefficient = checks.number("coefficient", coefficient, least=0)

    def activate(self, pre: Tensor) -> Tensor:
        return torch.relu(pre)

    def penalty(self, codes: Tensor) -> Tensor:
        return self.coefficient * codes.sum(dim=1).mean()


class TopK(Sparsity):
    """Allow k bricks and no more: keep an example's k largest pre-activations, and drop the rest.

        codes = relu(the k largest of pre, zero elsewhere)

    (Makhzani and Frey, 2013, "k-Sparse Autoencoders"; Gao et al., 2024, equation 1.)
    Raises ValueError for a k that is not a whole number of at least 1, or larger than the model's d_sae.
    """

    architecture = "topk"
    settings = ("k",)

    def __init__(self, k: int):
        super().__init__()
        self.k = checks.count("k", k)

    def activate(self, pre: Tensor) -> Tensor:
        value, index = pre.topk(self.k, dim=1, sorted=False)
        return torch.zeros_like(pre).scatter(1, index, torch.relu(value))

    def check(self, d_sae: int) -> None:
        checks.count("k", self.k, most=d_sae, why=f"for there are d_sae = {d_sae} features to choose from")
