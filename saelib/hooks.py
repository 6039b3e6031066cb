"""Forward hooks for any model: the activations of a part, read or replaced.

Nothing here is specific to our own GPT: a part is a `torch.nn.Module` within the model, by its name in
`model.named_modules()`, such as "blocks.2" in our GPT and "transformer.h.2" in a GPT-2 from Hugging Face.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def changed(model: nn.Module, part: str, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """While this context lasts, the output of a part is replaced by `change` of it: a tensor of the same shape, (n, t, d).

        with changed(gpt, "blocks.2", lambda stream: stream.roll(1, dims=0)):
            logits = gpt(tokens)

    This is activation patching, ablation or steering, depending on the change. Of an output that is a tuple, the first entry
    is replaced.
    Raises ValueError for a part that the model does not have, at once, and for a change that gives another shape, when the
    model runs.
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


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """While this context lasts, the model is in evaluation mode (no dropout); afterwards each module is in its old mode
    again."""
    training = [module for module in model.modules() if module.training]
    try:
        for module in training:
            module.training = False
        yield
    finally:
        for module in training:
            module.training = True


def activations(model: nn.Module, part: str, batches: Iterable[Tensor]) -> Tensor:
    """The activations of a part as the model reads `batches`, one after the other: (all, d), a row for each token.

    The forward pass stops at the part: what comes after it costs nothing, and of a part that is used several times, the first
    use is taken. The model is in evaluation mode meanwhile.

    Args: model, anything that is called with a batch of tokens; part, the name of a module in it; batches, tensors of tokens
    (n, t).
    Raises ValueError for a part that the model does not have, one that is not used, or whose output is no tensor (n, t, d),
    and for no batches.
    """
    _part(model, part)
    seen = [output(model, part, batch).flatten(0, -2) for batch in batches]
    if not seen:
        raise ValueError(f"batches are none, so part {part!r} put out nothing; expected at least one batch")
    return torch.cat(seen)


@torch.no_grad()  # not in inference mode: what was made there can't be learned from
def output(model: nn.Module, part: str, batch: Tensor) -> Tensor:
    """The activations of a part for one batch of tokens (n, t): (n, t, d). Raises ValueError as `activations` does."""
    seen: list[Tensor] = []

    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        seen.append(_first(part, output).clone())
        raise _Seen

    handle = _part(model, part).register_forward_hook(hook)
    try:
        with suppress(_Seen), evaluating(model):
            model(batch)
    finally:
        handle.remove()
    if not seen:
        raise ValueError(f"part is {part!r}, which put out nothing; expected a part that the model uses")
    return seen[0]


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
