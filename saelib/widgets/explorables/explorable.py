"""What all explorables share: their frame and its style, and how their data travels to the page."""

import anywidget
import numpy as np
import torch
import traitlets

from ... import checks
from ...data import Pictures
from ...models import SparseAutoencoder
from ..base import style


def explorable_style(*own: str) -> str:
    """The style of the frame that all explorables share, and the style sheets `own` of one of them."""
    return style("widgets.css", "chooser.css", *(f"explorables/{name}" for name in ("explorable.css", *own)))


def floats(*tensors: torch.Tensor) -> bytes:
    """Tensors of any shapes, one after the other, as the little-endian float32 numbers that the page reads."""
    flat = np.concatenate([tensor.detach().cpu().numpy().ravel() for tensor in tensors])
    return flat.astype("<f4").tobytes()


def picture_rows(pictures: Pictures, pixels: int) -> torch.Tensor:
    """The pictures' x (n, pixels), or ValueError where it is of another shape, not finite, or lacks labels."""
    x = checks.finite("pictures.x", checks.matrix("pictures.x", pictures.x, pixels))
    if len(pictures.label) != len(x):
        raise ValueError(f"pictures.label has {len(pictures.label)} entries; expected {len(x)}, one for each row of pictures.x")
    return x


def plain_codes(name: str, sae: SparseAutoencoder, x: torch.Tensor) -> torch.Tensor:
    """The codes of x (n, d_in), or ValueError where they have signs, as those of `Drawers` do: bars can't show these."""
    with torch.no_grad():
        codes = sae.encode(x)
    if (codes < 0).any():
        raise ValueError(f"{name} is {sae.sparsity!r}, whose codes have signs; expected one whose activations are not negative")
    return codes


class Explorable(anywidget.AnyWidget):
    """The frame of every explorable: a title, a question that asks for a prediction, and a caption that says what to notice.

    These texts are traits, so that a teacher can change them; what a subclass shows, it computes in its own JavaScript.
    """

    _css = explorable_style()
    title = traitlets.Unicode().tag(sync=True)
    prediction = traitlets.Unicode().tag(sync=True)
    caption = traitlets.Unicode().tag(sync=True)
