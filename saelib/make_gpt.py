"""Trains the book's GPT again, or one of another size, or one of your own texts: `python -m saelib.make_gpt --help`.

It reads Python's standard library, or the texts in a folder (`--texts FOLDER`), trains a tokenizer on the training files, then
the GPT, and writes tokenizer.json, gpt.safetensors and early checkpoints into a folder, and which texts these are into
texts.json. Of one's own texts it takes by default a vocabulary and as many steps as they can carry. It can be stopped and
started again: it resumes from the last checkpoint, and ends with the same weights to the digit as without the stop, on the same
machine. A folder that holds a run with other options, or on other files, is left as it is.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from . import checks, files
from .data import python_files, text_files, tokenize, train_tokenizer
from .data.text_files import LABELS, RECORD, Records, check_apart, fingerprint
from .gpt import GPT, save_gpt
from .language import bits_per_byte, token_losses
from .streams import stream

TOKENIZER, LAST, HISTORY = "tokenizer.json", "last.safetensors", "history.json"
# By default, for Python's library. One's own texts may be too few for these: then a vocabulary that has so many bytes of text for each
# token, so many steps as read the text so many times, but at least so many, and so many checkpoints, with at least so many steps between.
DEFAULTS = {"steps": 5000, "tokens": 2048, "every": 500}
BYTES, TIMES, LEAST_STEPS, CHECKPOINTS, LEAST_EVERY = 64, 20, 500, 10, 50


def batch(ids: Tensor, size: int, context: int, seed: int, step: int) -> Tensor:
    """The examples of a step, (size, context + 1): excerpts of the text from random places, which depend on the seed and the
    step alone."""
    start = torch.randint(len(ids) - context, (size, 1), generator=stream(f"batch {step}", seed))
    return ids[start + torch.arange(context + 1)]


def rate(step: int, steps: int, peak: float) -> float:
    """The learning rate: linear warm-up over a fiftieth of the steps, then linear decay to 0."""
    warm = max(1, steps // 50)
    return peak * min((step + 1) / warm, (steps - step) / max(1, steps - warm))


def train(options: argparse.Namespace) -> None:
    """Train the GPT that `options` describe, those of the command line.

    Raises ValueError, before anything is written, for options that do not fit, and a folder that holds another run;
    FloatingPointError where the loss or a weight stops being finite: what was written before is good, and stays.
    """
    check(options)
    own, out = options.texts is not None, Path(options.out)
    library: Records = text_files(options.texts, say=print) if own else python_files()
    learned, held = ([file for file in library if file.held_out == side] for side in (False, True))
    texts, held_texts = [file.text for file in learned], [file.text for file in held]
    fill(options, "tokens", max(257, sum(len(text.encode()) for text in texts) // BYTES))
    tokenizer = train_tokenizer(texts, options.tokens)
    text, held_text = tokenize(texts, tokenizer), tokenize(held_texts, tokenizer)
    if len(text.ids) <= options.context:
        raise ValueError(f"context is {options.context}; expected less than the {len(text.ids):,} tokens that there are to learn from")
    fill(options, "steps", max(LEAST_STEPS, TIMES * len(text.ids) // (options.batch * options.context)))
    fill(options, "every", max(LEAST_EVERY, options.steps // CHECKPOINTS))
    # What the weights depend on: a run goes on only as it began.
    settings = {name: value for name, value in vars(options).items() if name not in ("out", "texts", "labels")}
    settings["files"] = fingerprint(library)
    check_folder(out, settings, tokenizer.to_str(pretty=True))
    n_tokens = tokenizer.get_vocab_size() if own else options.tokens
    if n_tokens < options.tokens:
        print(f"the texts give {n_tokens:,} tokens, of the {options.tokens:,} that were asked for")
    model = build(options, n_tokens)
    print(f"{len(learned)} texts, {len(text.ids):,} tokens; held out: {len(held)}, {len(held_text.ids):,} tokens", flush=True)
    if own:
        times = options.steps * options.batch * options.context / len(text.ids)
        print(f"a vocabulary of {n_tokens:,}; {options.steps:,} steps read the text {times:,.1f} times over", flush=True)
    record = {"texts": str(Path(options.texts).resolve()) if own else None, "labels": options.labels, "files": settings["files"]}
    out.mkdir(parents=True, exist_ok=True)
    with files.whole(out / TOKENIZER, out / RECORD) as (draft, record_draft):
        draft.write_text(tokenizer.to_str(pretty=True), encoding="utf-8")
        record_draft.write_text(json.dumps(record, indent=1), encoding="utf-8")

    # Matrices within the blocks learn by Muon (Jordan et al., 2024), which takes fewer steps than AdamW here.
    inner = [weight for name, weight in model.named_parameters() if weight.ndim == 2 and name != "embed.weight"]
    rest = [weight for weight in model.parameters() if not any(weight is one for one in inner)]
    optimizers = [
        torch.optim.Muon(inner, weight_decay=options.decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, weight_decay=0.0, betas=(0.9, 0.95), fused=True),
    ]
    first, history = resume(out / LAST, model, optimizers)
    began = time.time()
    for step in range(first, options.steps + 1):
        if step % options.every == 0 or step == options.steps:
            bits = bits_per_byte(token_losses(model.eval(), held_text), held_texts)
            history.append({"step": step, "held_out_bits_per_byte": round(bits, 4)})
            print(f"step {step}: held out {bits:.4f} bits per byte, {time.time() - began:.0f} s", flush=True)
            checkpoint(out / LAST, model, optimizers, step, history, settings)
        if step in options.keep:
            save_gpt(model, out / f"gpt-{step}.safetensors", precision=torch.float8_e4m3fn, step=str(step))
        if step == options.steps:
            break
        model.train()
        for optimizer in optimizers:
            optimizer.zero_grad()
            for group in optimizer.param_groups:
                group["lr"] = rate(step, options.steps, options.lr)
        examples = batch(text.ids, options.batch, options.context, options.seed, step)
        with torch.autocast("cpu", torch.bfloat16, enabled=options.bfloat16):
            logits = model(examples[:, :-1])
        loss = F.cross_entropy(logits.float().flatten(0, 1), examples[:, 1:].flatten())
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss.item()} at step {step}: training has diverged (lr = {options.lr}; a smaller one helps)")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        if step % 100 == 0:
            print(f"step {step}: {loss.item():.3f} nats a token", flush=True)
    save_gpt(model, out / "gpt.safetensors", step=str(options.steps))
    best = min(history, key=lambda row: row["held_out_bits_per_byte"])
    if own and best["step"] < options.steps:
        print(f"held out it was best at step {best['step']:,} ({best['held_out_bits_per_byte']:.4f} bits per byte): fewer --steps may do better")
    with files.whole(out / HISTORY) as (draft,):
        # A run on Python's library notes what it always has.
        noted = {name: value for name, value in vars(options).items() if own or name not in ("texts", "labels")}
        draft.write_text(json.dumps({"options": noted, "history": history}, indent=1), encoding="utf-8")


def check(options: argparse.Namespace) -> None:
    """ValueError for options that do not fit, by their names. Fills in what the features are scored against."""
    for name in ("steps", "batch", "every"):
        if getattr(options, name) is not None:
            checks.count(name, getattr(options, name))
    checks.count("context", options.context, least=2)
    if options.tokens is not None:
        checks.count("tokens", options.tokens, least=257)
    checks.number("lr", options.lr, above=0)
    checks.number("decay", options.decay, least=0)
    for step in options.keep:
        checks.count("keep", step, least=0)
    if options.labels is None:
        options.labels = "python" if options.texts is None else "none"
    elif options.labels == "python" and options.texts is not None:
        raise ValueError("labels is 'python'; expected 'none' with texts of one's own, for these labels are of Python's library")
    if options.texts is not None:
        check_apart(options.out, options.texts)
    build(options, 257)


def fill(options: argparse.Namespace, name: str, fewer: int) -> None:
    """Set an option that was not given: to its default, or to `fewer` where the texts are one's own, and too few for it."""
    if getattr(options, name) is None:
        setattr(options, name, DEFAULTS[name] if options.texts is None else min(DEFAULTS[name], fewer))


def build(options: argparse.Namespace, n_tokens: int) -> GPT:
    """The model with its initial weights; ValueError for sizes that do not fit."""
    return GPT(n_tokens, options.width, options.layers, options.heads, options.context, seed=options.seed)


def check_folder(out: Path, settings: dict, tokenizer: str) -> None:
    """ValueError unless `out` is free, or holds a run that began with the same settings, and its tokenizer."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"out is {str(out)!r}, which is a file; expected a folder, or a name that is still free")
    if (out / LAST).is_file():
        began = json.loads(files.read_tensors(out / LAST)[1].get("settings", "{}"))
        for name, value in settings.items():
            if began.get(name) != value:
                raise ValueError(f"out is {str(out)!r}, a run with {name} = {began.get(name)!r}; expected {name} = {value!r}, or another folder")
    elif others := sorted(path.name for path in out.glob("*") if path.name.startswith("gpt") or path.name == HISTORY):
        raise ValueError(f"out is {str(out)!r}, where {others[0]} is and no {LAST} to go on from; expected another folder")
    if (out / TOKENIZER).is_file() and (out / TOKENIZER).read_text(encoding="utf-8") != tokenizer:
        raise ValueError(f"out is {str(out)!r}, where {TOKENIZER} is another one than these files give; expected another folder")
    if (out / RECORD).is_file() and f'"files": "{settings["files"]}"' not in (out / RECORD).read_text(encoding="utf-8", errors="replace"):
        raise ValueError(f"out is {str(out)!r}, where {RECORD} is about other texts than these; expected another folder")


def checkpoint(path: Path, model: GPT, optimizers: list[torch.optim.Optimizer], step: int, history: list, settings: dict) -> None:
    """Everything that the steps from `step` on depend on, in one file. Raises FloatingPointError where a weight is not finite."""
    tensors = {f"model.{name}": value.detach() for name, value in model.named_parameters()}
    for name, value in tensors.items():
        if not torch.isfinite(value).all():
            raise FloatingPointError(f"{name} is not finite before step {step}: training has diverged (a smaller lr helps)")
    for which, optimizer in enumerate(optimizers):
        for number, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{which}.{number}.{name}": value for name, value in state.items()}
    with files.whole(path) as (draft,):
        save_file(tensors, draft, metadata={"step": str(step), "history": json.dumps(history), "settings": json.dumps(settings)})


def resume(path: Path, model: GPT, optimizers: list[torch.optim.Optimizer]) -> tuple[int, list]:
    """Restore what checkpoint() wrote, if there is any: the step to go on from, and the history so far."""
    if not path.is_file():
        return 0, []
    tensors, notes = files.read_tensors(path)
    model.load_state_dict({name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")})
    for which, optimizer in enumerate(optimizers):
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith(f"optimizer.{which}."):
                number, key = name.split(".")[2:]
                state.setdefault(int(number), {})[key] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    history = json.loads(notes["history"])
    return int(notes["step"]), history[:-1]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m saelib.make_gpt", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="gpt", help="the folder to write to (%(default)s)")
    parser.add_argument("--texts", help="a folder of your own texts, or one file (Python's library)")
    parser.add_argument("--labels", choices=LABELS, help="what its features are scored against (python, or none with --texts)")
    for name, default, meaning in (
        ("steps", None, "training steps"), ("batch", 8, "excerpts of text in a batch"), ("context", 512, "tokens in an excerpt"),
        ("tokens", None, "vocabulary size"), ("width", 160, "width of the residual stream"), ("layers", 4, "blocks"),
        ("heads", 5, "attention heads in a block"), ("seed", 0, "of the initial weights and of the excerpts"),
        ("every", None, "steps between two checkpoints"),
    ):  # fmt: skip
        told = f"{DEFAULTS[name]}, or fewer with --texts" if default is None else default
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{meaning} ({told})")
    parser.add_argument("--lr", type=float, default=5e-3, help="peak learning rate (%(default)s)")
    parser.add_argument("--decay", type=float, default=0.1, help="weight decay (%(default)s)")
    parser.add_argument("--keep", type=int, nargs="*", default=[50, 200, 1000], help="steps whose weights to keep (%(default)s)")
    parser.add_argument("--bfloat16", action=argparse.BooleanOptionalAction, default=True, help="multiply in bfloat16 (%(default)s)")
    try:
        train(parser.parse_args())
    except (ValueError, FloatingPointError, FileNotFoundError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")


if __name__ == "__main__":
    main()
