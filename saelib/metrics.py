"""How good a code is. Each quantity has one definition here, over the whole set, and nowhere else a second one."""

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


def l0(codes: Tensor) -> float:
    """Active features per example: numbers in a code that are not zero, averaged over codes (n, d_sae)."""
    codes = checks.finite("codes", checks.matrix("codes", codes))
    return (codes != 0).sum(dim=1).double().mean().item()


def dead_fraction(codes: Tensor) -> float:
    """Share of the features that are zero in every one of codes (n, d_sae): bricks that nobody ever takes from the box."""
    codes = checks.finite("codes", checks.matrix("codes", codes))
    return (codes == 0).all(dim=0).double().mean().item()
