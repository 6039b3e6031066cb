"""train(): one loop for every model."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from . import checks
from .models import Model


class Batches(Protocol):
    """Where training gets its examples: anything that gives the next batch and can say, and be told, where it stands."""

    def next_batch(self) -> Tensor:
        """The next (batch_size, d_in) tensor."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class TensorBatches:
    """Batches from a tensor in memory: every example once, in a new random order, and again.

    Args: x (n, d_in), floating point; batch_size, at most n; seed, of the orders.
    Raises ValueError where x is empty, of another shape or type or not finite, or batch_size does not fit.
    """

    def __init__(self, x: Tensor, batch_size: int, seed: int):
        self.x = checks.finite("data", checks.matrix("data", x))
        self.batch_size = checks.count("batch_size", batch_size, most=len(x), why="the number of examples in data")
        self.generator = torch.Generator().manual_seed(checks.seed(seed))
        self.order = torch.empty(0, dtype=torch.int64)
        self.position = 0

    def next_batch(self) -> Tensor:
        # What is left over at the end of a pass, less than a batch, waits for another pass: all batches are of one size.
        if self.position + self.batch_size > len(self.order):
            self.order = torch.randperm(len(self.x), generator=self.generator)
            self.position = 0
        index = self.order[self.position : self.position + self.batch_size]
        self.position += self.batch_size
        return self.x[index]

    def state_dict(self) -> dict[str, Any]:
        return {"order": self.order, "position": self.position, "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.order, self.position = state["order"], state["position"]
        self.generator.set_state(state["generator"])


@dataclass
class History:
    """What training saw, a row for each logged step.

    step: how many steps had been taken; loss and reconstruction: as in `Loss`, for that step's batch;
    l0: numbers in a code that are not zero, averaged over the batch; dead: share of a code's numbers that were zero
    in every batch since the row before.
    """

    rows: list[dict[str, float]] = field(default_factory=list)

    @property
    def frame(self):
        """The rows as a pandas DataFrame, ready for seaborn."""
        import pandas  # a third of a second to import: paid by those who look at the history

        return pandas.DataFrame(self.rows)


def train(
    model: Model,
    data: Tensor | Batches,
    *,
    steps: int,
    batch_size: int,
    lr: float,
    seed: int,
    log_every: int | None = None,
    progress: bool = True,
) -> History:
    """Train `model` on `data` with Adam, in place, and return its history.

    On a CPU the same model, data, settings and seed give the same weights, bit for bit.

    Args: model, as it is (train twice and it goes on from where it was); data, a tensor (n, d_in) or your own
    `Batches`; steps, how many batches; batch_size, examples in a batch; lr, Adam's learning rate; seed, of the order of
    the examples; log_every, steps between rows of the history (default: a hundred rows in all); progress, show a bar.
    Raises ValueError at once, before anything is trained, for bad arguments; FloatingPointError where the loss or a
    weight stops being finite: it names the step, and the model is put back to earlier weights, those that gave the last
    row that was logged.
    """
    if not isinstance(model, Model):
        raise ValueError(f"model is {model!r}; expected a saelib model")
    steps = checks.count("steps", steps)
    batch_size = checks.count("batch_size", batch_size)
    lr = checks.number("lr", lr, above=0, most=1e30)  # above 3e37 Adam's step is no float32
    seed = checks.seed(seed)
    log_every = checks.count("log_every", log_every) if log_every is not None else max(1, steps // 100)
    if isinstance(data, Tensor) or not hasattr(data, "next_batch"):
        checks.matrix("data", data, model.d_in)
        data = TensorBatches(data, batch_size, seed)

    with _threads(batch_size * sum(parameter.numel() for parameter in model.parameters())):
        return _loop(model, data, steps=steps, lr=lr, log_every=log_every, progress=progress)


def _loop(model: Model, data: Batches, *, steps: int, lr: float, log_every: int, progress: bool) -> History:
    history = History()
    good, good_step = _copy(model), 1
    optimiser = torch.optim.Adam(model.parameters(), lr=lr)
    fired: Tensor | None = None

    def diverged(what: str, x: Tensor) -> FloatingPointError:
        model.load_state_dict(good)
        why = f"training has diverged (lr = {lr}; a smaller one helps)" if torch.isfinite(x).all() else "the batch is not finite"
        return FloatingPointError(f"{what}: {why}. The model has the weights that it had before step {good_step}")

    for step, x in enumerate(tqdm(_take(data, steps), total=steps, desc="training", disable=not progress), start=1):
        x = checks.matrix(f"the batch of step {step}", x, model.d_in).to(next(model.parameters()))
        if step == 1:
            model.before_training(x)
        loss = model.loss(x)
        if not torch.isfinite(loss.total):
            raise diverged(f"the loss is {loss.total.item()} at step {step}", x)
        log = step % log_every == 0 or step == steps
        if log:
            before = _copy(model)
        optimiser.zero_grad()
        loss.total.backward()
        optimiser.step()
        model.after_step()

        active = loss.codes.detach() != 0
        fired = active.any(dim=0) if fired is None else fired | active.any(dim=0)
        if log:
            if not all(torch.isfinite(value).all() for value in model.state_dict().values()):
                raise diverged(f"a weight is not finite after step {step}", x)
            good, good_step = before, step  # they have given a finite loss; those after the step have not yet
            history.rows.append(
                {
                    "step": step,
                    "loss": loss.total.item(),
                    "reconstruction": loss.reconstruction.item(),
                    "l0": active.sum(dim=1).float().mean().item(),
                    "dead": (~fired).float().mean().item(),
                }
            )
            fired = None
    return history


def _copy(model: Model) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@contextmanager
def _threads(work: int) -> Iterator[None]:
    """One thread for small steps: on a busy machine they would wait for the second one for ten times as long as they take."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if work < 30_000_000 else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _take(batches: Batches, steps: int) -> Iterator[Tensor]:
    for _ in range(steps):
        yield batches.next_batch()
