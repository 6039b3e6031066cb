"""Makes a page of a GPT of your own, to type into: `python -m saelib.live_page --help`.

It takes the folder where `python -m saelib.make_gpt` has written, with the earlier steps of training that were kept, and the sparse
autoencoder in it, if `python -m saelib.make_sae` has trained one, and writes one HTML file. Any browser opens it, offline: the GPT
itself runs in the page. What it reads at first is from the texts that were held out. The page holds the whole GPT, which may
recite its texts: share it only with whom you would show these.
"""

import argparse
import html
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from . import files, language, storage
from .data import PythonFile, TextFile, Tokens, tokenize
from .data.text_files import texts_of
from .gpt import GPT, load_gpt, load_tokenizer
from .interpret import FeatureCard
from .make_gpt import TOKENIZER
from .make_sae import RECIPE
from .models import SparseAutoencoder
from .widgets import LiveGPT, save_html
from .widgets.explorables.live_gpt import CAPTION

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WEIGHTS = "gpt.safetensors"
OWN, LIBRARY = "Inside a GPT of your own texts", "Inside a GPT of Python's library"  # titles: by these a page is known again
EXAMPLES = 3  # texts that it begins with
LINE, LETTERS = 40, 200  # of such a text: it goes on to the end of a line where it is shorter than the one, and is no longer than the other
NAME = 24  # letters of an example's name
STRENGTHS = 20_000  # tokens on which the strongest activation of each feature is looked for


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m saelib.live_page", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gpt", help="the folder where saelib.make_gpt has written")
    parser.add_argument("--out", help="the page to write (beside that folder, by its name and .html)")
    parser.add_argument("--sae", help="the folder of its sparse autoencoder (sae in the folder of the GPT, if there is one)")
    parser.add_argument("--text", help="what it reads at first (the beginning of a text that was held out)")
    try:
        make(parser.parse_args())
    except (ValueError, OSError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")


def make(options: argparse.Namespace) -> None:
    """Write the page that `options` describe, those of the command line.

    Raises ValueError or FileNotFoundError, with nothing written, for what does not fit or is missing.
    """
    folder = Path(options.gpt)
    check_folder(folder)
    beside = Path(os.path.abspath(folder))
    out = Path(options.out) if options.out is not None else beside.with_name(f"{beside.name}.html")
    check_out(out)
    if options.text is not None:
        check_text(options.text)
    gpt, tokenizer = load_gpt(folder / WEIGHTS).requires_grad_(False), load_tokenizer(folder / TOKENIZER)
    if (found := tokenizer.get_vocab_size()) != (n_tokens := gpt.settings["n_tokens"]):
        raise ValueError(f"{folder / TOKENIZER} has {found:,} tokens; expected {n_tokens:,}, as many as the GPT beside it was made for")
    place = Path(options.sae) if options.sae is not None else folder / "sae"
    sae, block = load_sae(place, gpt) if options.sae is not None or place.exists() else (None, None)
    library = texts_of(folder, out=out, say=print)[0]
    learned, held = ([file for file in library if file.held_out == side] for side in (False, True))

    step = step_of(folder)
    younger = earlier(folder, step)
    examples = beginnings(held, tokenizer)
    cards = []
    if sae is not None and block is not None:
        cards = strengths(gpt, tokenizer, sae, block, [file.text for file in held])
    own = isinstance(library[0], TextFile)
    pieces = "texts, or pieces of texts," if own else "files of Python's library"
    caption = f"This GPT has learned from {len(learned):,} {pieces} and from nothing else; the examples are the beginnings of others. "
    page = LiveGPT(
        gpt, tokenizer, sae, block=block, cards=cards, text=next(iter(examples.values()), "") if options.text is None else options.text,
        examples=examples, younger=younger, step=step, address="own", title=OWN if own else LIBRARY, caption=caption + CAPTION,
    )  # fmt: skip
    save_html(page, out)
    with_sae = "no sparse autoencoder" if sae is None else f"a sparse autoencoder of {sae.d_sae:,} features, {len(cards):,} of them seen active"
    print(f"a GPT of {sum(weight.numel() for weight in gpt.parameters()):,} weights, {with_sae}, {len(younger)} earlier steps of training")
    print(f"written to {out}, {out.stat().st_size / 1e6:.1f} MB: open it in a browser, by a double-click or as {out.resolve().as_uri()}")
    print("It holds the whole GPT, which may recite its texts: share it only with whom you would show these.")


def check_folder(folder: Path) -> None:
    """ValueError or FileNotFoundError unless `folder` is one that a whole run of saelib.make_gpt has left."""
    if not folder.exists():
        raise FileNotFoundError(f"gpt is {str(folder)!r}, which is missing; expected the folder where saelib.make_gpt has written")
    if not folder.is_dir():
        raise ValueError(f"gpt is {str(folder)!r}, which is a file; expected the folder where saelib.make_gpt has written")
    for name in (WEIGHTS, TOKENIZER):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"gpt is {str(folder)!r}, where {name} is missing; expected a folder where saelib.make_gpt has come to its end")


def check_out(out: Path) -> None:
    """ValueError unless `out` is a name for a page that is free, or that of a page that this program wrote."""
    if out.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"out is {str(out)!r}; expected a name that ends in .html, so that a browser opens it")
    if not out.parent.is_dir():
        raise ValueError(f"out is {str(out)!r}, but {str(out.parent)!r} is no folder; expected one that is there")
    if out.is_dir():
        raise ValueError(f"out is {str(out)!r}, which is a folder; expected a file that ends in .html")
    if out.exists():
        with out.open("rb") as file:
            head = file.read(2_000).decode("utf-8", errors="replace")
        title = re.search("<title>(.*?)</title>", head)
        if not head.startswith("<!doctype html>") or not title or html.unescape(title[1]) not in (OWN, LIBRARY):
            raise ValueError(f"out is {str(out)!r}, which is no page of this program's; expected one of these, or a name that is still free")


def check_text(text: str) -> None:
    """ValueError for what is no text in Unicode, as a command line may hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"text is {text!r:.80}, with {text[error.start]!r} at {error.start}; expected text in Unicode") from None


def load_sae(folder: Path, gpt: GPT) -> tuple[SparseAutoencoder, int]:
    """The sparse autoencoder in `folder`, and the number of the block whose output it reads.

    Raises FileNotFoundError where it is missing, and ValueError where it is none that reads the stream of `gpt`.
    """
    if not folder.exists():
        raise FileNotFoundError(f"sae is {str(folder)!r}, which is missing; expected the folder where saelib.make_sae has written")
    sae = storage.load(folder)
    if not isinstance(sae, SparseAutoencoder):
        raise ValueError(f"sae is {str(folder)!r}, which holds a model of type {type(sae).__name__}; expected a SparseAutoencoder")
    part = part_of(folder)
    number = re.fullmatch(r"blocks\.(\d+)(\.hook_resid_post)?", part)  # the latter as SAELens names it
    if not number:
        raise ValueError(f"sae is {str(folder)!r}, which reads {part!r}; expected one that reads the stream after a block, such as 'blocks.0'")
    last, width = gpt.settings["n_layers"] - 1, gpt.settings["d_model"]
    if int(number[1]) > last:
        raise ValueError(f"sae is {str(folder)!r}, which reads {part!r}; expected at most 'blocks.{last}', the last of the GPT")
    if sae.d_in != width:
        raise ValueError(f"sae is {str(folder)!r}, which reads {sae.d_in} numbers; expected {width}, the width of the GPT's stream")
    return sae.eval().requires_grad_(False), int(number[1])


def part_of(folder: Path) -> str:
    """What the autoencoder in `folder` reads, as saelib.make_sae notes it beside it, or SAELens within its settings."""
    place = folder / (RECIPE if (folder / RECIPE).is_file() else files.CONFIG)
    try:
        noted = json.loads(place.read_text(encoding="utf-8"))
        part = noted["part"] if place.name == RECIPE else {**noted, **(noted.get("metadata") or {})}["hook_name"]
        if not isinstance(part, str):
            raise ValueError(f"it is {part!r}")
        return part
    except (KeyError, TypeError, ValueError) as error:
        expected = f"""a {RECIPE} as saelib.make_sae writes it, with the part that it reads: {{"part": "blocks.0"}}"""
        raise ValueError(f"sae is {str(folder)!r}, of which {place.name} does not say what it reads ({error!r}); expected {expected}") from error


def step_of(folder: Path) -> int | None:
    """The step of training that the GPT is of, or None where its file does not say."""
    step = files.read_tensors(folder / WEIGHTS)[1].get("step", "")
    return int(step) if step.isascii() and step.isdecimal() else None


def earlier(folder: Path, step: int | None) -> dict[int, GPT]:
    """The same GPT before `step`, at the steps that were kept."""
    found = {}
    for path in folder.glob("gpt-*.safetensors"):
        number = re.fullmatch(r"gpt-([0-9]+)\.safetensors", path.name)
        if number and step is not None and int(number[1]) < step:
            found[int(number[1])] = load_gpt(path)
    return dict(sorted(found.items()))


def beginnings(held: Sequence[PythonFile | TextFile], tokenizer: "Tokenizer") -> dict[str, str]:
    """The beginnings of a few texts by short names, of different files where there are as many."""
    firsts: dict[str, PythonFile | TextFile] = {}
    for file in held:
        firsts.setdefault(split(file.name)[0], file)
    found: dict[str, str] = {}
    for file in [*firsts.values(), *held]:
        text = beginning(file.text, tokenizer)
        if text.strip() and text not in found.values():
            name = short(file.name)
            found[name if name not in found else f"{name} ({len(found) + 1})"] = text
        if len(found) == EXAMPLES:
            break
    return found


def beginning(text: str, tokenizer: "Tokenizer") -> str:
    """The first line of a text, with those after it as long as it is short, up to where a token ends."""
    end = text.find("\n", LINE)
    most = min(LETTERS, len(text) if end < 0 else end)
    spans = tokenize([text[: 2 * LETTERS]], tokenizer).spans[1:].tolist()
    # A letter of several bytes may be in several tokens: what ends there has to be the last of them.
    ends = [stop for (_, stop), (start, _) in zip(spans, [*spans[1:], (len(text), 0)]) if stop <= min(most, start)]
    return text[: max(ends, default=0)]


def split(name: str) -> tuple[str, str]:
    """The name of a file, and which part of it this is, as `text_files` names them: ("may.txt", ", part 2")."""
    found = re.fullmatch(r"(.+)(, part \d+)", name, flags=re.DOTALL)
    return (found[1], found[2]) if found else (name, "")


def short(name: str) -> str:
    """The name of a text without its folders and what it ends with, in a few letters."""
    name, part = split(name)
    stem = " ".join(PurePosixPath(name).stem.split())
    return (stem if len(stem) <= NAME else f"{stem[: NAME - 1]}…") + part


def strengths(gpt: GPT, tokenizer: "Tokenizer", sae: SparseAutoencoder, block: int, texts: Sequence[str]) -> list[FeatureCard]:
    """Cards of the features that are active somewhere in some of these texts, for what they say of the strongest activation."""
    every = -(-len(tokenize(texts, tokenizer).ids) // STRENGTHS)
    tokens = Tokens(*(each[:STRENGTHS] for each in tokenize(texts[::every], tokenizer)))
    vocabulary = [tokenizer.decode([token], skip_special_tokens=False) for token in range(gpt.settings["n_tokens"])]
    return language.feature_cards(sae, language.token_activations(gpt, f"blocks.{block}", tokens), tokens, vocabulary, examples=1)


if __name__ == "__main__":
    main()
