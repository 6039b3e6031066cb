"""Seaborn figures in one theme, legible on a light and on a dark page.

The four colours have one meaning each through the whole book; saelib/widgets/widgets.css names the same four.
"""

import hashlib
import html
import io
import itertools
import math
import re
from collections.abc import Sequence
from typing import Any, cast

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.transforms import Affine2D
from torch import Tensor

from . import checks
from .interpret import Card

#: What each colour means. They are from Okabe and Ito's palette, which colour-blind readers can tell apart.
COLOURS = {"input": "#0072b2", "code": "#cc79a7", "reconstruction": "#009e73", "error": "#d55e00"}
#: The diverging colour map of signed pictures: negative and positive weights, with a transparent zero. (The explorables draw
#: signed pictures in the same two colours.)
SIGNED = matplotlib.colors.LinearSegmentedColormap.from_list("signed", [(0, "#56b4e9"), (0.5, "#56b4e900"), (0.5, "#e69f0000"), (1, "#e69f00")])
# Stands for "the colour of the text around the figure", which an SVG can only name once it stands in a page.
_TEXT = "#010203"
_INK = "ink"
_JOINTS = "stroke-linejoin:round;stroke-linecap:butt"
_numbers = itertools.count(1)


def theme() -> None:
    """Use the book's theme for every figure from here on."""
    sns.set_theme(
        context="notebook",
        style="ticks",
        palette=list(COLOURS.values()),
        rc={
            "figure.figsize": (4.8, 3.0),  # inches: small, so that the words are still legible where a phone shrinks it
            "figure.facecolor": "none",
            "axes.facecolor": "none",
            "savefig.facecolor": "none",
            "axes.spines.top": False,
            "axes.spines.right": False,
            **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), _TEXT),
            "legend.frameon": False,
            "lines.linewidth": 2,
            "svg.fonttype": "none",
            "svg.hashsalt": "saelib",
            "font.family": "sans-serif",
        },
    )


class Figure:
    """A finished figure for a notebook: an inline SVG, in the text colour of its page, with alt text."""

    def __init__(self, svg: str, alt: str):
        self.svg, self.alt = svg, alt

    def _repr_html_(self) -> str:
        return f'<figure class="sae-figure" style="margin:1rem 0" role="img" aria-label="{html.escape(self.alt)}">{self.svg}</figure>'


def figure(ax: Axes, alt: str) -> Figure:
    """Close the figure that `ax` belongs to and return it, ready to show.

    Args: ax, any axes of the figure; alt, its alt text: what the figure shows (not what it is).
    Raises ValueError for an empty alt.
    """
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(f"alt is {alt!r}; expected a sentence that says what the figure shows")
    text, drawing = io.StringIO(), cast(plt.Figure, ax.figure)
    drawing.savefig(text, format="svg", bbox_inches="tight", transparent=True, metadata={"Date": None, "Creator": None})
    plt.close(drawing)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].replace(_TEXT, "currentColor")
    width, height = (float(size) for size in re.findall(r'width="([\d.]+)pt" height="([\d.]+)pt"', svg)[0])
    # As wide as it was drawn, or as the page allows. Its style sheet would reach the whole page: what it says goes here.
    svg = re.sub(r' width="[\d.]+pt" height="[\d.]+pt"', f' style="width:{width * 1.4:.0f}px;max-width:100%;height:auto;{_JOINTS}"', svg, count=1)
    svg = re.sub(r"<style.*?</style>|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Sharp edges, so that no seams show between the squares of a picture. No other group needs its id.
    svg = re.sub(r'<g id="[^"]*"', "<g", svg.replace(f'<g id="{_INK}"', '<g shape-rendering="crispEdges"'))
    # Two figures of a page must not share ids: not the clip paths and glyphs that are referred to, and groups need none.
    mark = f"sae-{next(_numbers)}-{hashlib.sha256(svg.encode()).hexdigest()[:8]}-"
    svg = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{mark}", svg)
    return Figure(svg, alt)


def pictures(
    ink: dict[str, Tensor], signed: dict[str, Tensor] | None = None, *, size: float = 0.46, wide: int | None = None,
    under: dict[str, Sequence[str]] | None = None,
) -> Axes:  # fmt: skip
    """Rows of small square pictures, each row under its name.

    Args: ink, name to (n, pixels) from blank paper (0) to full ink (1); signed, name to (n, pixels) of weights, with 0 as the
    ground; size, inches a picture; wide, the most pictures side by side: where there are more, all rows go on below, so that
    a phone need not shrink them; under, name to n words, one under each of the row's pictures, such as its activation.
    Returns the last Axes.
    Raises ValueError where there is no row, a name is in both, n differs, a row does not hold finite square pictures, or
    there are not n words.
    """
    signed, under = signed or {}, under or {}
    rows = {**ink, **signed}
    if len(rows) < max(1, len(ink) + len(signed)):
        raise ValueError(f"ink has the rows {list(ink)} and signed {list(signed)}; expected at least one row, and no name in both")
    for name, x in rows.items():
        pixels = checks.finite(name, checks.matrix(name, x)).shape[1]
        if math.isqrt(pixels) ** 2 != pixels:
            raise ValueError(f"{name} has pictures of {pixels} pixels; expected a square number")
    if len({len(x) for x in rows.values()}) > 1:
        raise ValueError(f"the rows hold { ({name: len(x) for name, x in rows.items()}) } pictures; expected as many in each")
    n = len(next(iter(rows.values())))
    wide = n if wide is None else min(n, checks.count("wide", wide))
    for name, words in under.items():
        if name not in rows or isinstance(words, str) or len(words) != n:
            raise ValueError(f"under[{name!r}] is {words!r}; expected {n} words, for a row of that name")
    starts = range(0, n, wide)
    # The names take as much room as half a row, and so do the words under it.
    fig, axes = plt.subplots(
        len(rows) * len(starts), wide, figsize=(size * wide, (2 if under else 1.5) * size * len(rows) * len(starts)), squeeze=False
    )
    for block, start in enumerate(starts):
        for (name, x), line in zip(rows.items(), axes[block * len(rows) :]):
            some = x[start : start + wide].detach().cpu().numpy()
            for place, (ax, values) in enumerate(zip(line, some)):
                side = math.isqrt(len(values))
                picture(ax, np.reshape(values, (side, side)), signed=name in signed)
                if name in under:
                    ax.set_xlabel(under[name][start + place], fontsize=9, labelpad=2)
            for ax in line[len(some) :]:
                ax.axis("off")
            line[0].set_title(name, loc="left", pad=5)
    fig.subplots_adjust(left=0, right=1, bottom=0, top=1, wspace=0.08, hspace=1.1 if under else 0.65)
    return axes[-1, len(some) - 1]


def arrows(planes: dict[str, Tensor]) -> Axes:
    """Features as arrows in two dimensions, a named plane beside another, large enough to be read on a phone.

    A feature has its number at its arrow's end, and the same colour in all planes; one of length near 0 has no arrow.

    Args: planes, name to (features, 2), the same number of features in each.
    Returns the last Axes.
    Raises ValueError where there is no plane, the shapes are others, or a number is not finite.
    """
    if not planes:
        raise ValueError("planes is empty; expected at least one plane")
    for name, W in planes.items():
        checks.finite(name, checks.matrix(name, W, 2))
    if len({len(W) for W in planes.values()}) > 1:
        raise ValueError(f"the planes hold { ({name: len(W) for name, W in planes.items()}) } features; expected as many in each")
    reach = 1.3 * max(W.norm(dim=1).max().item() for W in planes.values()) or 1.0
    # Drawn at the width of a phone: words keep their size there.
    fig, axes = plt.subplots(1, len(planes), figsize=(4.3, 4.3 / len(planes) + 0.35), squeeze=False)
    for ax, (name, W) in zip(axes[0], planes.items()):
        for i, ((x, y), colour) in enumerate(zip(W.detach().cpu().tolist(), sns.color_palette("colorblind", len(W))), start=1):
            length = math.hypot(x, y)
            if length > 0.05 * reach:
                ax.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 2, "shrinkA": 0, "shrinkB": 0})
                if length > 0.2 * reach:
                    out = 1 + 0.14 * reach / length
                    ax.text(out * x, out * y, str(i), ha="center", va="center", fontsize=10)
        ax.axhline(0, color=_TEXT, alpha=0.25, linewidth=0.8, zorder=0)
        ax.axvline(0, color=_TEXT, alpha=0.25, linewidth=0.8, zorder=0)
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[], yticks=[])
        ax.set_title(name, fontsize=10)
        sns.despine(ax=ax, left=True, bottom=True)
    axes[0, 0].set_xlabel("first number", fontsize=10)
    axes[0, 0].set_ylabel("second number", fontsize=10)
    fig.tight_layout(w_pad=0.3)
    return axes[0, -1]


def card(card: Card, x: Tensor, *, count: int = 8) -> Axes:
    """The card of a feature of square pictures: its decoder row, its top activating examples, and some over its whole range.

    Under each example stands its activation.

    Args: card, of `interpret.card`; x (n, pixels), the examples that it is from; count, how many in each row.
    Returns the last Axes.
    Raises ValueError as `pictures` and `Card.across` do.
    """
    across = card.across(count)
    strength = dict(zip(card.examples.tolist(), card.values.tolist()))
    rows = {"strongest": card.examples[:count], "over the whole range": across}
    under: dict[str, Sequence[str]] = {name: [f"{strength[row]:.1f}" for row in places.tolist()] for name, places in rows.items()}
    ax = pictures({name: x[places] for name, places in rows.items()}, size=4.3 / count, under=under)
    fig = cast(plt.Figure, ax.figure)
    side = math.isqrt(len(card.picture))
    # Above both, and larger: beside them it would make the whole wider than a phone.
    width, height = fig.get_size_inches()
    own = fig.add_axes((0, 1 + 0.75 / height, 1.1 / width, 1.1 / height))
    picture(own, card.picture.detach().cpu().view(side, side).numpy(), signed=True)
    own.set_title("adds", loc="left", pad=5)
    own.set_xlabel(f"on in {card.density:.0%}", fontsize=9, labelpad=2)
    return ax


def picture(ax: Axes, values: np.ndarray, *, signed: bool = False) -> Axes:
    """Draw one picture (height, width) on `ax`: ink on the page's ground, or signed weights with zero as the ground."""
    if signed:
        scale = np.abs(values).max() or 1
        ax.imshow(values, cmap=SIGNED, vmin=-scale, vmax=scale, interpolation="nearest")
    else:
        # Squares in the text's colour with a strength, so that ink is dark on light pages and light on dark ones: one
        # shape for all squares of a strength, in sixteenths, and one box for those side by side, to keep the page small.
        height, width = values.shape
        strength = np.clip(np.rint(16 * values), 0, 16)
        for sixteenths in range(1, 17):
            steps = np.diff(np.pad(strength == sixteenths, ((0, 0), (1, 1))).astype(int), axis=1)
            starts, ends = np.argwhere(steps == 1), np.argwhere(steps == -1)
            if len(starts):
                square = Path.unit_rectangle()
                boxes = [Affine2D().scale(end - x, 1).translate(x - 0.5, y - 0.5) for (y, x), (_, end) in zip(starts, ends)]
                shape = Path.make_compound_path(*[square.transformed(box) for box in boxes])
                ax.add_patch(PathPatch(shape, facecolor=_TEXT, alpha=sixteenths / 16, linewidth=0, gid=_INK))
        ax.set_xlim(-0.5, width - 0.5)
        ax.set_ylim(height - 0.5, -0.5)
        ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(True)
        spine.set_alpha(0.3)
    return ax


def pipeline(x: Tensor, pre: Tensor, code: Tensor, dictionary: Tensor, x_hat: Tensor) -> Axes:
    """One example on its way through a sparse autoencoder and back: pre-activations, code, decoder rows, reconstruction,
    error.

    It is drawn tall and narrow, so that its words can be read on a phone.

    Args: x (1, d_in), a square picture of ink; pre (1, d_sae), its pre-activations; code (1, d_sae), with one to five numbers
    that are not zero; dictionary (d_sae, d_in), the rows of W_dec; x_hat (1, d_in), the reconstruction.
    Returns the last Axes.
    Raises ValueError for other shapes, numbers that are not finite, or another number of active features.
    """
    dictionary = checks.finite("dictionary", checks.matrix("dictionary", dictionary))
    d_sae, d_in = dictionary.shape
    rows = {"x": (x, d_in), "x_hat": (x_hat, d_in), "pre": (pre, d_sae), "code": (code, d_sae)}
    for name, (value, columns) in rows.items():
        if len(checks.finite(name, checks.matrix(name, value, columns))) != 1:
            raise ValueError(f"{name} has {len(value)} rows; expected one, for the picture is of one example")
    side = math.isqrt(d_in)
    if side**2 != d_in:
        raise ValueError(f"x has a picture of {d_in} pixels; expected a square number")
    x, x_hat, pre, code, dictionary = (value.detach().cpu() for value in (x[0], x_hat[0], pre[0], code[0], dictionary))
    used = code.nonzero().ravel()
    if not 1 <= len(used) <= 5:
        raise ValueError(f"code has {len(used)} numbers that are not zero; expected one to five, for as many features are drawn")

    # Everything has its place in inches, on one sheet under the pictures and charts that also carries the arrows and words.
    width, height = 4.25, 5.85
    fig = plt.figure(figsize=(width, height))
    sheet = fig.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    sheet.axis("off")

    def place(left: float, bottom: float, wide: float, high: float) -> Axes:
        return fig.add_axes((left / width, bottom / height, wide / width, high / height))

    def framed(values: Tensor, left: float, bottom: float, size: float, colour: str, *, signed: bool = False) -> None:
        ax = picture(place(left, bottom, size, size), values.view(side, side).numpy(), signed=signed)
        for spine in ax.spines.values():
            spine.set(color=colour, alpha=1, linewidth=2)

    def arrow(*way: tuple[float, float], colour: str) -> None:
        *corners, last, end = way
        sheet.plot(*zip(*corners, last), color=colour, linewidth=2)
        style = {"arrowstyle": "-|>", "color": colour, "linewidth": 2, "shrinkA": 0, "shrinkB": 0}
        sheet.annotate("", end, last, arrowprops=style)

    def words(left: float, middle: float, text: str, **options: Any) -> None:
        sheet.text(left, middle, text, **{"fontsize": 12, "va": "center", "linespacing": 1.3, **options})

    def bars(values: Tensor, bottom: float, high: float) -> Axes:
        ax = place(0.02, bottom, 3.4, high)
        ax.set(xlim=(-1, d_sae), ylim=(min(0, float(values.min())), max(0, float(values.max()))))
        ax.axis("off")
        ax.axhline(0, color=_TEXT, alpha=0.5, linewidth=0.8)
        off = values.clone()
        off[used] = 0
        ax.vlines(np.arange(d_sae), 0, off.numpy(), color=_TEXT, alpha=0.45, linewidth=1.2)
        ax.vlines(used.numpy(), 0, values[used].numpy(), color=COLOURS["code"], linewidth=2.6)
        return ax

    # Down on the left, up again on the right, and between the two ends what they are compared for.
    words(0.02, 5.6, "a picture, or\ntext → GPT → residual stream")
    arrow((0.52, 5.35), (0.52, 5.15), colour=COLOURS["input"])
    ends = {"input": (x, "input x"), "error": (x - x_hat, "error x − x̂"), "reconstruction": (x_hat, "copy x̂")}
    for left, (part, (values, name)) in zip((0.02, 1.62, 3.22), ends.items()):
        framed(values, left, 3.85, 1.0, COLOURS[part], signed=part == "error")
        words(left + 0.5, 4.95, name, ha="center", va="baseline")
    for start, end in ((1.07, 1.57), (3.17, 2.67)):
        arrow((start, 4.35), (end, 4.35), colour=COLOURS["error"])
    words(2.12, 3.55, "loss: its squares,\nadded up", ha="center")

    arrow((0.52, 3.8), (0.52, 3.1), colour=COLOURS["input"])
    words(0.67, 3.17, f"encoder: {d_sae} scores")
    bars(pre, 2.25, 0.75)
    arrow((0.52, 2.2), (0.52, 1.8), colour=COLOURS["code"])
    words(0.67, 2.01, f"sparsity rule: code, {len(used)} of {d_sae} on")
    on = bars(code, 1.2, 0.5)

    # b_dec, and the decoder rows of the active features, each under its bar and over its activation.
    step = min(0.72, 3.5 / (len(used) + 1))
    size, bottom = 0.72 * step, 0.3
    framed(x_hat - code @ dictionary, 0.02, bottom, size, _TEXT)
    words(0.02 + size / 2, bottom - 0.17, "start", ha="center")
    for i, feature in enumerate(used.tolist(), start=1):
        left = 0.02 + i * step
        framed(dictionary[feature], left, bottom, size, COLOURS["code"], signed=True)
        words(left - (step - size) / 2, bottom + size / 2, "+", ha="center")
        words(left + size / 2, bottom - 0.17, f"×{code[feature]:.1f}", ha="center")
        foot = sheet.transData.inverted().transform(on.transData.transform((feature, 0)))
        sheet.plot(*zip(foot, (left + size / 2, bottom + size + 0.03)), color=COLOURS["code"], linewidth=1.2, linestyle=":")
    green = COLOURS["reconstruction"]
    arrow((left + size + 0.08, bottom + size / 2), (3.72, bottom + size / 2), (3.72, 3.8), colour=green)
    words(3.96, 1.95, "decoder: adds up the bricks", rotation=90, ha="center")
    return sheet
