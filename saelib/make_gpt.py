"""Makes the book's GPT again, or one of another size: `python -m saelib.make_gpt --help`.

It reads Python's standard library, learns a tokenizer from the files to train on, then the next token, and writes
tokenizer.json, gpt.safetensors and early checkpoints into a folder. It can be stopped and started again: it goes on from the
last checkpoint, and ends with the same weights to the digit as it would have without the stop, on the same machine.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from . import files
from .data import python_files, tokenize, train_tokenizer
from .gpt import GPT, save_gpt
from .language import bits_per_byte, token_losses
from .streams import stream


def batch(ids: Tensor, size: int, context: int, seed: int, step: int) -> Tensor:
    """The examples of a step, (size, context + 1): pieces of the text from places drawn for this seed and step alone."""
    start = torch.randint(len(ids) - context, (size, 1), generator=stream(f"batch {step}", seed))
    return ids[start + torch.arange(context + 1)]


def rate(step: int, steps: int, peak: float) -> float:
    """The learning rate: up in a fiftieth of the steps, then down to 0 along a line."""
    warm = max(1, steps // 50)
    return peak * min((step + 1) / warm, (steps - step) / max(1, steps - warm))


def train(options: argparse.Namespace) -> None:
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    library = python_files()
    learned, held = ([file for file in library if file.held_out == side] for side in (False, True))
    texts, held_texts = [file.text for file in learned], [file.text for file in held]
    tokenizer = train_tokenizer(texts, options.tokens)
    tokenizer.save(str(out / "tokenizer.json"))
    text, held_text = tokenize(texts, tokenizer), tokenize(held_texts, tokenizer)
    print(
        f"{len(learned)} files, {len(text.ids):,} tokens; held out: {len(held)}, {len(held_text.ids):,} tokens",
        flush=True,
    )

    model = GPT(options.tokens, options.width, options.layers, options.heads, options.context, seed=options.seed)
    # Matrices within the blocks learn by Muon (Jordan et al., 2024), which takes fewer steps than AdamW here.
    inner = [weight for name, weight in model.named_parameters() if weight.ndim == 2 and name != "embed.weight"]
    rest = [weight for weight in model.parameters() if not any(weight is one for one in inner)]
    optimizers = [
        torch.optim.Muon(inner, weight_decay=options.decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, weight_decay=0.0, betas=(0.9, 0.95), fused=True),
    ]
    first, history = resume(out / "last.safetensors", model, optimizers)
    began = time.time()
    for step in range(first, options.steps + 1):
        if step in options.keep:
            save_gpt(model, out / f"gpt-{step}.safetensors", precision=torch.float8_e4m3fn, step=str(step))
        if step % options.every == 0 or step == options.steps:
            bits = bits_per_byte(token_losses(model.eval(), held_text), held_texts)
            history.append({"step": step, "held_out_bits_per_byte": round(bits, 4)})
            print(f"step {step}: held out {bits:.4f} bits per byte, {time.time() - began:.0f} s", flush=True)
            checkpoint(out / "last.safetensors", model, optimizers, step, history)
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
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        if step % 100 == 0:
            print(f"step {step}: {loss.item():.3f} nats a token", flush=True)
    save_gpt(model, out / "gpt.safetensors", step=str(options.steps))
    (out / "history.json").write_text(json.dumps({"options": vars(options), "history": history}, indent=1), encoding="utf-8")


def checkpoint(path: Path, model: GPT, optimizers: list[torch.optim.Optimizer], step: int, history: list) -> None:
    """Everything that the steps from `step` on depend on, in one file."""
    tensors = {f"model.{name}": value.detach() for name, value in model.named_parameters()}
    for which, optimizer in enumerate(optimizers):
        for number, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{which}.{number}.{name}": value for name, value in state.items()}
    with files.whole(path) as (draft,):
        save_file(tensors, draft, metadata={"step": str(step), "history": json.dumps(history)})


def resume(path: Path, model: GPT, optimizers: list[torch.optim.Optimizer]) -> tuple[int, list]:
    """Put back what checkpoint() wrote, if there is any: the step to go on from, and the history so far."""
    if not path.is_file():
        return 0, []
    tensors, notes = files.read_tensors(path)
    weights = {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
    model.load_state_dict({**weights, "unembed.weight": weights["embed.weight"]})
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
    parser = argparse.ArgumentParser(
        prog="python -m saelib.make_gpt", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="gpt", help="the folder to write to (%(default)s)")
    for name, default, meaning in (
        ("steps", 5000, "steps of training"), ("batch", 8, "pieces of text in a step"), ("context", 512, "tokens in a piece"),
        ("tokens", 2048, "different tokens"), ("width", 160, "numbers in the residual stream"), ("layers", 4, "blocks"),
        ("heads", 5, "heads of attention in a block"), ("seed", 0, "of the first weights and of the pieces of text"),
        ("every", 500, "steps between two checkpoints"),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{meaning} (%(default)s)")
    parser.add_argument("--lr", type=float, default=5e-3, help="highest learning rate (%(default)s)")
    parser.add_argument("--decay", type=float, default=0.1, help="weight decay (%(default)s)")
    parser.add_argument("--keep", type=int, nargs="*", default=[50, 200, 1000], help="steps whose weights to keep (%(default)s)")
    parser.add_argument(
        "--bfloat16", action=argparse.BooleanOptionalAction, default=True, help="multiply in bfloat16 (%(default)s)"
    )
    train(parser.parse_args())


if __name__ == "__main__":
    main()
