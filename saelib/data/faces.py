"""Small faces that come with scikit-image."""

import torch
from torch import Tensor

from .photos import folder_of


def faces() -> Tensor:
    """A hundred faces and their mirror pictures: (200, 625) float32 in [0, 1], 25 x 25 pixels, row by row, 1 is white.

    Row i + 100 is the mirror picture of row i. They are the faces of scikit-image's `lfw_subset`, cut out of Labeled Faces in the
    Wild (Huang et al., 2007). Nothing is downloaded.
    """
    import numpy as np

    path = folder_of("skimage") / "data" / "lfw_subset.npy"
    x = torch.from_numpy(np.load(path, allow_pickle=False)[:100]).to(torch.float32)  # a hundred others are none
    return torch.cat([x, x.flip(2)]).flatten(1)
