"""Trains the book's sparse autoencoder again, or another one for its GPT, or one for a GPT of your own:
`python -m saelib.make_sae --help`.

It runs the GPT on those files of Python's standard library that are not held out, keeps the activations of one part at each
token, trains a sparse autoencoder on these, evaluates it on the held-out files, and writes a folder that `saelib.load` reads,
with the part and the other options in made.json. With `--gpt FOLDER`, where `python -m saelib.make_gpt` has written, it takes
that GPT, its tokenizer and the texts that it has learned from, and writes to FOLDER/sae.
"""

import argparse
import json
import time
from pathlib import Path

from . import checks, files, metrics
from .data import python_files, tokenize
from .data.text_files import Records, texts_of
from .gpt import GPT, SHIPPED, load_gpt, load_tokenizer
from .hooks import changed
from .language import splice, token_activations, token_losses
from .models import SparseAutoencoder
from .sparsity import BatchTopK
from .training import train

RECIPE = "made.json"  # beside the autoencoder: the part that it reads, and how it was trained


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m saelib.make_sae", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", help="the folder to write to (sae, or sae in the folder of the GPT)")
    parser.add_argument("--gpt", default=str(SHIPPED / "gpt.safetensors"), help="the GPT to read, its folder, or 'untrained' (the book's own)")
    parser.add_argument("--tokenizer", help="and its tokenizer (the book's own, or the one in the folder of the GPT)")
    parser.add_argument("--part", help="the part of it whose activations are read (blocks.2, or the last block of fewer than three)")
    parser.add_argument("--lr", type=float, default=2e-3, help="peak learning rate (%(default)s)")
    for name, default, meaning in (
        ("features", 1024, "dictionary size"), ("k", 30, "active features for a token, on average"),
        ("steps", 8000, "training steps"), ("batch", 1024, "tokens in a batch"), ("seed", 0, "of the order of tokens"),
        ("every", 1, "read one file of so many"),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{meaning} (%(default)s)")
    try:
        make(parser.parse_args())
    except (ValueError, FloatingPointError, FileNotFoundError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")


def make(options: argparse.Namespace) -> None:
    """Train the autoencoder that `options` describe, those of the command line.
    Raises ValueError, before it reads anything, for options that do not fit, and FloatingPointError where training diverges."""
    for name in ("features", "steps", "batch", "every"):
        checks.count(name, getattr(options, name))
    checks.count("k", options.k, most=options.features, why="the number of features")
    checks.number("lr", options.lr, above=0)
    checks.seed(options.seed)
    folder = Path(options.gpt) if options.gpt != "untrained" and Path(options.gpt).is_dir() else None  # where make_gpt has written
    out = Path(options.out or (folder or Path()) / "sae")
    if out.exists() and not out.is_dir():
        raise ValueError(f"out is {str(out)!r}, which is a file; expected a folder, or a name that is still free")
    began = time.time()

    def say(text: str) -> None:
        print(f"{time.time() - began:5.0f} s  {text}", flush=True)

    gpt = GPT(**load_gpt().settings).eval() if options.gpt == "untrained" else load_gpt(folder / "gpt.safetensors" if folder else options.gpt)
    tokenizer = load_tokenizer(options.tokenizer or (folder or SHIPPED) / "tokenizer.json")
    part = options.part or f"blocks.{min(2, len(gpt.blocks) - 1)}"
    library: Records = texts_of(folder, out=out, say=say)[0] if folder else python_files()
    learned = [file.text for file in library if not file.held_out][:: options.every]
    held = tokenize([file.text for file in library if file.held_out], tokenizer)
    x = token_activations(gpt, part, tokenize(learned, tokenizer))
    say(f"read {len(learned)} texts, {len(x):,} tokens")
    checks.count("batch", options.batch, most=len(x), why="the number of tokens that there are to learn from")
    sae = SparseAutoencoder(d_in=x.shape[1], d_sae=options.features, sparsity=BatchTopK(k=options.k))
    train(sae, x, steps=options.steps, batch_size=options.batch, lr=options.lr, seed=options.seed, progress=False)
    sae.eval().requires_grad_(False)
    sae.save(out)
    with files.whole(out / RECIPE) as (draft,):
        made = {name: value for name, value in vars(options).items() if name not in ("out", "gpt", "tokenizer")} | {"part": part}
        draft.write_text(json.dumps(made, indent=1), encoding="utf-8")
    say(f"trained for {options.steps:,} steps of {options.batch:,} tokens, and written to {out}")

    there = held.following()[1]
    mean, held_x = x.mean(dim=0), token_activations(gpt, part, held)
    codes = sae.encode(held_x)
    whole = token_losses(gpt, held)[there].mean().item()
    with changed(gpt, part, splice(sae)):
        copied = token_losses(gpt, held)[there].mean().item()
    with changed(gpt, part, mean.expand_as):
        ablated = token_losses(gpt, held)[there].mean().item()
    say(f"held out: FVU {metrics.fvu(held_x, sae.decode(codes)):.3f}, {metrics.l0(codes):.1f} active features for a token, "
        f"{metrics.dead_fraction(codes):.1%} dead")  # fmt: skip
    recovered = (ablated - copied) / (ablated - whole)
    say(f"cross-entropy {whole:.3f} nats, {copied:.3f} with the copy, {ablated:.3f} with the mean: {recovered:.1%} recovered")


if __name__ == "__main__":
    main()
