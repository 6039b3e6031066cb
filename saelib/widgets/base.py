"""What all widgets share: how a widget's JavaScript becomes one text, its style sheet, the frame of an explorable."""

import re
from pathlib import Path

import anywidget
import numpy as np
import rcssmin
import torch
import traitlets

from .. import checks
from ..data import Pictures
from ..models import SparseAutoencoder

_HERE = Path(__file__).parent
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w.-]+\.js)";\n', re.MULTILINE)

def javascript(name: str) -> str:
    """The ES module `name` of this folder as one text, with the modules it imports from "./" inlined before it.

    A widget travels as a single text (in a notebook's state there is no folder to import from), so an import of a
    neighbour becomes the neighbour itself, once, and its `export`s become plain declarations. Comments stay behind: with the
    types in them, they are a third of what would travel.
    """
    seen: set[str] = set()

    def inline(name: str) -> str:
        if name in seen:
            return ""
        seen.add(name)
        source = (_HERE / name).read_text(encoding="utf-8")
        neighbours = "".join(inline(neighbour) for neighbour in _IMPORT.findall(source))
        return neighbours + re.sub(r"^export (?!default)", "", _IMPORT.sub("", source), flags=re.MULTILINE)

    return without_comments(inline(name))


def without_comments(script: str) -> str:
    """Our own JavaScript without JSDoc, comments that have lines of their own, and indentation.

    Not the work of a minifier: those that were tried take spaces out of template strings that stand in one another.
    """
    script = re.sub(r"/\*\*.*?\*/[ \n]*", "", script, flags=re.DOTALL)
    return re.sub(r"^[ \t]*(//[^\n]*)?\n?", "", script, flags=re.MULTILINE)


def style(*names: str) -> str:
    """The style sheets of this folder with these names, as one text without comments."""
    return rcssmin.cssmin("".join((_HERE / name).read_text(encoding="utf-8") for name in names))


def explorable_style(*own: str) -> str:
    """The style of the frame that all explorables share, and of what one of them has besides."""
    return style("widgets.css", "chooser.css", "explorable.css", *own)


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
    """The codes of x (n, d_in), or ValueError where they have signs, as those of `Drawers` do, which bars can't show."""
    with torch.no_grad():
        codes = sae.encode(x)
    if (codes < 0).any():
        raise ValueError(f"{name} is {sae.sparsity!r}, whose codes have signs; expected one whose activations are not negative")
    return codes


class Explorable(anywidget.AnyWidget):
    """The frame of every explorable: a title, a question to guess at, and a caption that says what to notice.

    The words are traits, so that a teacher can change them; what a subclass shows, it computes in its own JavaScript.
    """

    _css = explorable_style()
    title = traitlets.Unicode().tag(sync=True)
    prediction = traitlets.Unicode().tag(sync=True)
    caption = traitlets.Unicode().tag(sync=True)
