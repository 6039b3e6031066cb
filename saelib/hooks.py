"""What goes through the parts of any model, seen and changed on its way: forward hooks by the name of the part.

Nothing here knows our own GPT: a part is a `torch.nn.Module` within the model, by the name that `model.named_modules()` gives
it, such as "blocks.2" in our GPT and "transformer.h.2" in a GPT-2 of Hugging Face's.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def changed(model: nn.Module, part: str, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """While this lasts, what the part puts out is `change` of it: a tensor of the same shape, (n, t, d).

        with changed(gpt, "blocks.2", lambda stream: stream.roll(1, dims=0)):
            logits = gpt(tokens)

    Where a part puts out a tuple, its first entry is meant. Raises ValueError for a part that the model does not have, at
    once, and for a change that gives another shape, when the model runs.
    """

    def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
        before = _first(part, output)
        after = change(before)
        if not isinstance(after, Tensor) or after.shape != before.shape:
            got = f"of shape {tuple(after.shape)}" if isinstance(after, Tensor) else f"a {type(after).__name__}"
            raise ValueError(f"change gave {got}; expected a tensor of shape {tuple(before.shape)}, as {part!r} puts out")
        return (after, *output[1:]) if isinstance(output, tuple) else after

    handle = _part(model, part).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@torch.no_grad()  # not in inference mode: what was made there can't be learned from
def activations(model: nn.Module, part: str, batches: Iterable[Tensor]) -> Tensor:
    """What the part puts out as the model reads `batches`, one after the other: (all, d), a row for each token.

    When the part has put out its numbers for a batch, the model stops there: what comes after it costs nothing, and a part that
    is used several times shows what it does the first time.

    Args: model, anything that is called with a batch of tokens; part, the name of a module in it; batches of tokens, (n, t)
    each. Raises ValueError for a part that the model does not have, one that is not used, or puts out no tensor of (n, t, d),
    and for batches that are none.
    """
    seen: list[Tensor] = []

    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        output = _first(part, output)
        seen.append(output.flatten(0, -2).clone())
        raise _Seen

    handle = _part(model, part).register_forward_hook(hook)
    try:
        for batch in batches:
            with suppress(_Seen):
                model(batch)
    finally:
        handle.remove()
    if not seen:
        raise ValueError(f"part is {part!r}, which put out nothing; expected at least one batch, and a part that the model uses")
    return torch.cat(seen)


class _Seen(BaseException):
    """Leaves a model's forward pass when the part has been seen. (No Exception, for a model may catch those itself.)"""


def _part(model: nn.Module, part: str) -> nn.Module:
    parts = dict(model.named_modules())
    if not isinstance(part, str) or part not in parts:
        close = difflib.get_close_matches(str(part), parts, n=3, cutoff=0) or sorted(parts)[:3]
        raise ValueError(f"part is {part!r}; expected the name of a module in the model, such as {close}")
    return parts[part]


def _first(part: str, output: Any) -> Tensor:
    output = output[0] if isinstance(output, tuple) else output
    if not isinstance(output, Tensor) or output.ndim < 2:
        raise ValueError(f"part is {part!r}, which puts out {type(output).__name__}; expected a tensor of shape (n, t, d)")
    return output
