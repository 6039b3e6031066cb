"""Handwritten digits of 8x8 pixels."""

from typing import NamedTuple

import torch


class Pictures(NamedTuple):
    """Small square pictures with their labels.

    x: (n, pixels) float32 in [0, 1], a picture a row; 0 is blank paper, 1 is full ink.
    label: (n,) int64, the class of each picture.
    """

    x: torch.Tensor
    label: torch.Tensor

    def one_of_each(self) -> "Pictures":
        """The most typical picture of each class, nearest to the mean of its class, in the order of the labels."""
        return Pictures(self.x[self.typical()], self.label[self.typical()])

    def typical(self) -> torch.Tensor:
        """The rows of x with the pictures of `one_of_each`: (classes,) int64."""
        places = []
        for kind in self.label.unique():
            own = (self.label == kind).nonzero().ravel()
            distance = (self.x[own] - self.x[own].mean(dim=0)).square().sum(dim=1)
            places.append(own[distance.argmin()])
        return torch.stack(places)


def digits() -> tuple[Pictures, Pictures]:
    """Handwritten digits of 8x8 pixels: 1,500 to train on, 297 held out.

    They are scikit-learn's copy of the UCI "optical recognition of handwritten digits" test set (Alpaydin and Kaynak, 1998):
    bitmaps of 32x32 pixels, reduced to 8x8 counts of blocks of 4x4, so that an entry is a fraction of ink in sixteenths. They
    are shuffled once, always in the same way, so that both parts hold every writer and digit.

    Returns (train, held_out), with x of shapes (1500, 64) and (297, 64).
    """
    from sklearn.datasets import load_digits  # half a second to import, and not everyone who uses saelib needs it

    bunch = load_digits()
    order = torch.randperm(len(bunch.data), generator=torch.Generator().manual_seed(0))
    x = torch.tensor(bunch.data, dtype=torch.float32)[order] / 16
    label = torch.tensor(bunch.target, dtype=torch.int64)[order]
    return Pictures(x[:1500], label[:1500]), Pictures(x[1500:], label[1500:])
