"""Trains the book's sparse autoencoder again, or another one for its GPT: `python -m saelib.make_sae --help`.

It runs the GPT on those files of Python's standard library that are not held out, keeps the activations of one part at each
token, trains a sparse autoencoder on these, evaluates it on the held-out files, and writes a folder that `saelib.load` reads.
"""

import argparse
import time
from pathlib import Path

from . import checks, metrics
from .data import python_files, tokenize
from .gpt import GPT, SHIPPED, load_gpt, load_tokenizer
from .hooks import changed
from .language import splice, token_activations, token_losses
from .models import SparseAutoencoder
from .sparsity import BatchTopK
from .training import train


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m saelib.make_sae", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="sae", help="the folder to write to (%(default)s)")
    parser.add_argument("--gpt", default=str(SHIPPED / "gpt.safetensors"), help="the GPT to read, or 'untrained' (the book's own)")
    parser.add_argument("--tokenizer", default=str(SHIPPED / "tokenizer.json"), help="and its tokenizer")
    parser.add_argument("--part", default="blocks.2", help="the part of it whose activations are read (%(default)s)")
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
    if Path(options.out).exists() and not Path(options.out).is_dir():
        raise ValueError(f"out is {options.out!r}, which is a file; expected a folder, or a name that is still free")
    began = time.time()

    def say(text: str) -> None:
        print(f"{time.time() - began:5.0f} s  {text}", flush=True)

    gpt = GPT(**load_gpt().settings).eval() if options.gpt == "untrained" else load_gpt(options.gpt)
    tokenizer, library = load_tokenizer(options.tokenizer), python_files()
    learned = [file.text for file in library if not file.held_out][:: options.every]
    held = tokenize([file.text for file in library if file.held_out], tokenizer)
    x = token_activations(gpt, options.part, tokenize(learned, tokenizer))
    say(f"read {len(learned)} files, {len(x):,} tokens")
    sae = SparseAutoencoder(d_in=x.shape[1], d_sae=options.features, sparsity=BatchTopK(k=options.k))
    train(sae, x, steps=options.steps, batch_size=options.batch, lr=options.lr, seed=options.seed, progress=False)
    sae.eval().requires_grad_(False)
    sae.save(options.out)
    say(f"trained for {options.steps:,} steps of {options.batch:,} tokens, and written to {options.out}")

    there = held.following()[1]
    mean, held_x = x.mean(dim=0), token_activations(gpt, options.part, held)
    codes = sae.encode(held_x)
    whole = token_losses(gpt, held)[there].mean().item()
    with changed(gpt, options.part, splice(sae)):
        copied = token_losses(gpt, held)[there].mean().item()
    with changed(gpt, options.part, mean.expand_as):
        ablated = token_losses(gpt, held)[there].mean().item()
    say(f"held out: FVU {metrics.fvu(held_x, sae.decode(codes)):.3f}, {metrics.l0(codes):.1f} active features for a token, "
        f"{metrics.dead_fraction(codes):.1%} dead")  # fmt: skip
    recovered = (ablated - copied) / (ablated - whole)
    say(f"cross-entropy {whole:.3f} nats, {copied:.3f} with the copy, {ablated:.3f} with the mean: {recovered:.1%} recovered")


if __name__ == "__main__":
    main()
