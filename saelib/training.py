"""train(): one training loop for every model."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from . import checks, files, kernels
from .models import Loss, Model
from .streams import stream


class Batches(Protocol):
    """A source of batches for training: it gives the next batch, and saves and restores its position."""

    def next_batch(self) -> Tensor:
        """The next batch, a tensor (batch_size, d_in)."""

    def state_dict(self) -> dict[str, Any]:
        """The position, to resume from: tensors, and values that JSON can hold, by name."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from the position `state`. Raises ValueError where that can't be done."""


class TensorBatches:
    """Batches from a tensor in memory: in each epoch every example once, in a new random order.

    Examples that are left over at the end of an epoch, fewer than a batch, are left out of it.

    Args: x (n, d_in), floating point; batch_size, at most n; seed, of the orders.
    Raises ValueError where x is empty, of another shape or type or not finite, or batch_size does not fit.
    """

    def __init__(self, x: Tensor, batch_size: int, seed: int):
        self.x = checks.finite("data", checks.matrix("data", x))
        self.batch_size = checks.count("batch_size", batch_size, most=len(x), why="the number of examples in data")
        self.generator = torch.Generator().manual_seed(checks.seed(seed))
        self.order = torch.empty(0, dtype=torch.int64)
        self.before_order = self.generator.get_state()
        self.position = 0

    def next_batch(self) -> Tensor:
        # What is left over at the end of a pass, less than a batch, waits for another pass: all batches are of one size.
        if self.position + self.batch_size > len(self.order):
            self._shuffle()
            self.position = 0
        index = self.order[self.position : self.position + self.batch_size]
        self.position += self.batch_size
        return self.x[index]

    def _shuffle(self) -> None:
        self.before_order = self.generator.get_state()
        self.order = torch.randperm(len(self.x), generator=self.generator)

    def state_dict(self) -> dict[str, Any]:
        """The random state before this epoch, from which its order can be drawn again, the position in it, and the
        fingerprint of the data."""
        return {"generator": self.before_order, "started": len(self.order) > 0, "position": self.position, "fingerprint": self.fingerprint}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["fingerprint"] != self.fingerprint:
            raise ValueError(f"data has the fingerprint {self.fingerprint}; expected {state['fingerprint']}, that of the data of the run so far")
        self.generator.set_state(state["generator"])
        self.before_order = state["generator"]
        if state["started"]:
            self._shuffle()
        self.position = state["position"]

    @cached_property
    def fingerprint(self) -> str:
        """A hash of x, 16 hexadecimal digits."""
        known = hashlib.sha256(f"{tuple(self.x.shape)} {self.x.dtype}".encode())
        for rows in self.x.split(max(1, 2**20 // self.x.shape[1])):
            known.update(rows.cpu().contiguous().view(torch.uint8).numpy())
        return known.hexdigest()[:16]


@dataclass
class History:
    """The history of a training run, a row for each logged step.

    step: the number of steps taken; loss and reconstruction: as in `Loss`, for that step's batch; l0: active features per
    example, averaged over the batch; dead: the fraction of the features that were active in no batch since the row before.
    """

    rows: list[dict[str, float]] = field(default_factory=list)

    @property
    def frame(self):
        """The rows as a pandas DataFrame, ready for seaborn."""
        import pandas  # a third of a second to import: paid by those who look at the history

        return pandas.DataFrame(self.rows)


@dataclass
class Step:
    """What a callback gets after each step.

    step: the number of the step, from 1; steps: how many there will be; model: as it is after the step; loss: of the step's
    batch, before the step; lr: the learning rate of the step; history: so far.
    """

    step: int
    steps: int
    model: Model
    loss: Loss
    lr: float
    history: History


@dataclass(frozen=True)
class Recipe:
    """The hyperparameters of a run, by the names of train()'s arguments."""

    steps: int
    lr: float
    seed: int
    warm_up: float
    decay: float
    coefficient_warm_up: float
    clip: float | None
    dead_after: float | None
    center: str
    precision: str

    def lr_at(self, step: int) -> float:
        """The learning rate of a step: linear warm-up to lr over the first steps, linear decay towards 0 over the last."""
        rise, fall = round(self.warm_up * self.steps), round(self.decay * self.steps)
        return self.lr * min(1.0, step / (rise + 1), (self.steps - step + 1) / (fall + 1))

    def penalty_at(self, step: int) -> float:
        """The factor on the sparsity penalty at a step: linear warm-up to 1."""
        return min(1.0, step / (round(self.coefficient_warm_up * self.steps) + 1))


def train(
    model: Model,
    data: Tensor | Batches,
    *,
    steps: int,
    batch_size: int,
    lr: float,
    seed: int,
    warm_up: float = 0.05,
    decay: float = 0.2,
    coefficient_warm_up: float = 0.1,
    clip: float | None = 1.0,
    dead_after: float | None = 0.01,
    center: str = "mean",
    precision: str = "float32",
    checkpoint: str | Path | None = None,
    checkpoint_every: int | None = None,
    callbacks: Iterable[Callable[[Step], None]] = (),
    log_every: int | None = None,
    progress: bool = True,
) -> History:
    """Train `model` on `data` with Adam (Kingma and Ba, 2014), in place, and return its history.

    On a CPU the same model, data, settings and seed give the same weights, bit for bit. The data may be of any scale: loss,
    learning rate and coefficients are in the data's own `unit` (see `Model`), and the model always reads the data as it is.

    Args: model, in float32 or float64, trained from the weights that it has; parameters whose requires_grad is False stay as
    they are, and then no feature is resampled; data, a tensor (n, d_in) or your own `Batches`; steps, the number of batches;
    batch_size, examples in a batch; lr, the peak learning rate; seed, of the order of the examples.
    warm_up and decay: the fractions of the steps over which lr rises at the beginning and falls at the end;
    coefficient_warm_up: the fraction over which the sparsity penalty rises to its full weight; clip: the largest norm of the
    gradient, to which longer ones are scaled (None: no clipping); dead_after: a feature is dead when it has been inactive for
    this fraction of the run (and for ten examples for each feature), and is then revived by aux-k or resampling, as its
    sparsity rule says (None: never); center: where a sparse autoencoder's b_dec starts, at the first batch's "mean" or
    geometric "median"; precision: "float32", or "bfloat16" for the large matrix products.
    checkpoint: a file for the state of the run, written whole every checkpoint_every steps (default: twenty times in all). If
    it exists, the run resumes from it, and ends, on a CPU, with the same bits as if it had never stopped.
    callbacks: called with a `Step` after each step.
    log_every: steps between rows of the history (default: a hundred rows in all); progress: whether to show a progress bar.

    Raises ValueError before anything is trained, for arguments that do not fit and for a checkpoint that is broken or of
    another run.
    Raises FloatingPointError where the loss or a parameter stops being finite, or the error grows a thousandfold: it names
    the step and carries the `history`, and the model is put back to the last finite weights from which a logged step began. A
    checkpoint never holds weights that are not finite.
    """
    if not isinstance(model, Model):
        raise ValueError(f"model is {model!r}; expected a saelib model")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("model has no weight that may learn; expected some, as after model.requires_grad_(True)")
    for name, parameter in model.named_parameters():
        if parameter.dtype not in (torch.float32, torch.float64):
            raise ValueError(
                f"model.{name} has dtype {parameter.dtype}, in which small steps are lost; expected float32 or float64 "
                "(precision='bfloat16' makes the large products in bfloat16)"
            )
    if center not in ("mean", "median"):
        raise ValueError(f"center is {center!r}; expected 'mean' or 'median'")
    if precision not in ("float32", "bfloat16"):
        raise ValueError(f"precision is {precision!r}; expected 'float32' or 'bfloat16'")
    recipe = Recipe(
        steps=checks.count("steps", steps),
        lr=checks.number("lr", lr, above=0, most=1e30),  # above 3e37 Adam's step is no float32
        seed=checks.seed(seed),
        warm_up=checks.number("warm_up", warm_up, least=0, most=1),
        decay=checks.number("decay", decay, least=0, most=1),
        coefficient_warm_up=checks.number("coefficient_warm_up", coefficient_warm_up, least=0, most=1),
        clip=None if clip is None else checks.number("clip", clip, above=0),
        dead_after=None if dead_after is None else checks.number("dead_after", dead_after, above=0, most=1),
        center=center,
        precision=precision,
    )
    batch_size = checks.count("batch_size", batch_size)
    log_every = checks.count("log_every", log_every) if log_every is not None else max(1, recipe.steps // 100)
    every = checks.count("checkpoint_every", checkpoint_every) if checkpoint_every is not None else max(1, recipe.steps // 20)
    if isinstance(data, Tensor) or not hasattr(data, "next_batch"):
        data = TensorBatches(checks.matrix("data", data, model.d_in), batch_size, seed)
    callbacks = list(callbacks)
    run = _Run(model, data, recipe, log_every)
    if checkpoint is not None:
        run.keep_in(Path(checkpoint), every, {**asdict(recipe), "batch_size": batch_size, "log_every": log_every})
    with _threads(batch_size * sum(parameter.numel() for parameter in model.parameters())):
        try:
            bar = tqdm(_steps(run), total=recipe.steps, initial=run.step, desc="training", disable=not progress)
            for step in bar:
                if run.history.rows and run.history.rows[-1]["step"] == step.step:
                    bar.set_postfix({name: f"{run.history.rows[-1][name]:.3g}" for name in ("loss", "l0", "dead")}, refresh=False)
                for callback in callbacks:
                    callback(step)
        finally:
            kernels.forget()
    return run.history


class _Run:
    """A run of training: all of its state, so that it can be saved and resumed."""

    def __init__(self, model: Model, data: Batches, recipe: Recipe, log_every: int):
        self.model, self.data, self.recipe, self.log_every = model, data, recipe, log_every
        self.step = 0
        self.history = History()
        self.good, self.good_step = _copy(model), 1  # weights that gave a finite loss, and the step that they were before
        self.rows: dict[nn.Parameter, nn.Parameter] = {}  # each weight as the optimiser sees it
        # An error so many times as large as the examples' mean squared distance from this center means that training has diverged.
        self.limit, self.center = 0.0, torch.empty(0)
        self.optimiser: Any = None  # torch.optim.Adam, from the first batch on
        self.examples = 0
        self.revived = 0  # how many examples had been seen when features were last started anew
        self.fired = self.idle = torch.empty(0)  # per feature: on since the last row; examples since it was last on
        self.checkpoint: Path | None = None

    @torch.enable_grad()  # also for those who call train() where gradients are switched off
    def take(self) -> Step:
        """Take one step."""
        model, recipe, step = self.model, self.recipe, self.step + 1
        weight = next(model.parameters())
        x = checks.matrix(f"the batch of step {step}", self.data.next_batch(), model.d_in).to(weight)
        if self.optimiser is None:
            model.before_training(x, recipe.center)
            self._equip()
            if torch.isfinite(x).all():
                self._keep_weights(step, x)
        model.zero_grad()
        self.optimiser.zero_grad()
        with torch.autocast(x.device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            loss = model.loss(x, self._dead() if model.revival == "aux-k" else None)
        total = loss.reconstruction + recipe.penalty_at(step) * loss.penalty + loss.auxiliary
        if not torch.isfinite(total):
            raise self._diverged(f"the loss is {total.item()} at step {step}", x)
        error = loss.reconstruction.item()
        if not len(self.center):
            self.center = x.mean(dim=0)
        if step == 1:
            self.limit = 1000 * max(error / self._spread(x), 1.0)
        # In a batch with examples of unusual length the error is as large as these, and nothing has gone wrong.
        if error > self.limit and error > self.limit * self._spread(x):
            raise self._diverged(f"the error has grown to {error:.3g} at step {step}", x)
        log = step % self.log_every == 0 or step == recipe.steps
        if log:
            self._keep_weights(step, x)

        total.backward()
        model.before_step()
        for weight, row in self.rows.items():
            if row is not weight and weight.grad is not None:
                row.grad = weight.grad.T
        if recipe.clip is not None:
            norm = self._norm()
            if norm > recipe.clip:
                torch._foreach_mul_([p.grad for p in model.parameters() if p.grad is not None], recipe.clip / norm)
        for group in self.optimiser.param_groups:
            group["lr"] = group["share"] * recipe.lr_at(step)
        self.optimiser.step()
        model.after_step(loss)

        self.step = step
        uses = loss.uses()
        self._count(uses, x)
        keep = self.checkpoint if self.checkpoint and (step % self.every == 0 or step == recipe.steps) else None
        if (log or keep) and not _finite(model):
            raise self._diverged(f"a weight is not finite after step {step}", x)
        if log:
            logged = {
                "step": step,
                "loss": loss.total.item(),
                "reconstruction": error,
                "l0": uses.sum().item() / len(x),
                "dead": (~self.fired).float().mean().item(),
            }
            self.history.rows.append(logged)
            self.fired = torch.zeros_like(self.fired)
        if keep:
            self._save(keep)
        return Step(step, recipe.steps, model, loss, recipe.lr_at(step), self.history)

    def _spread(self, x: Tensor) -> float:
        """The mean squared distance of a batch from where the first one had its mean, in squared units, 1 if it is less. Examples
        ten thousand times as long as usual are no data any more, so that it is at most the square of that."""
        return min(max(1.0, (x - self.center).square().sum(dim=1).mean().item() / self.model.unit**2), 1e8)

    def _keep_weights(self, step: int, x: Tensor) -> None:
        """Remember the weights that `step`, with the batch x, starts from, if they are finite."""
        if not _finite(self.model):
            raise self._diverged(f"a weight is not finite before step {step}", x)
        for name, value in self.model.state_dict().items():
            self.good[name].copy_(value)
        self.good_step = step

    def _equip(self) -> None:
        # W_enc lies in memory feature by feature, but torch's Adam would first copy a gradient that lies otherwise than its
        # shape says. So it is given the same memory as rows.
        learning = [p for p in self.model.parameters() if p.requires_grad]
        self.rows = {p: p if p.is_contiguous() else nn.Parameter(p.detach().T) for p in learning}
        # eps as in Gao et al. (2024), appendix A: a feature that is rarely on has small slopes. A slope in units is one in
        # the data's scale times the unit, so that eps and the norm below are the same for data of any scale.
        groups = [
            {"params": [self.rows[p] for p in group["params"] if p in self.rows], "share": group["lr"], "eps": 6.25e-10 / group["lr"]}
            for group in self.model.groups(1.0)
        ]
        self.optimiser = torch.optim.Adam(groups, lr=1.0, fused=True)

    def _norm(self) -> Tensor:
        """The length of the gradient, in units."""
        groups = [(group["share"], [p.grad for p in group["params"] if p.grad is not None]) for group in self.optimiser.param_groups]
        return torch.stack([share * torch.nn.utils.get_total_norm(slopes) for share, slopes in groups if slopes]).norm()

    def _dead(self) -> Tensor | None:
        """Which features are dead, (d_code,) bool, or None if none are."""
        if self.recipe.dead_after is None or not len(self.idle):
            return None
        dead = self.idle >= self._patience
        return dead if dead.any() else None

    @property
    def _patience(self) -> float:
        """For how many examples a feature may be inactive before it counts as dead; in a short run it needs a fair chance
        too."""
        whole_run = self.recipe.steps * self.examples / max(1, self.step)
        return max((self.recipe.dead_after or 0.0) * whole_run, 10 * len(self.idle))

    def _count(self, uses: Tensor, x: Tensor) -> None:
        """Keep account of which features are active, and revive those whose time has come."""
        if not len(self.idle):
            self.idle, self.fired = torch.zeros_like(uses), torch.zeros_like(uses, dtype=torch.bool)
        self.examples += len(x)
        self.idle = torch.where(uses > 0, 0, self.idle + len(x))
        self.fired = self.fired | (uses > 0)
        recipe = self.recipe
        if self.model.revival is None or recipe.dead_after is None or self.examples - self.revived < self._patience:
            return
        self.revived = self.examples
        # Not while the rate falls: what is new then would not get ready.
        if (dead := self._dead()) is not None and self.step < recipe.steps * (1 - recipe.decay):
            for weight, place in self.model.revive(x, dead.nonzero().ravel(), stream(f"revival at {self.step}", recipe.seed)):
                row = self.rows[weight]
                for moment in ("exp_avg", "exp_avg_sq"):
                    if (slope := self.optimiser.state[row].get(moment)) is not None:  # it has none before its first step
                        (slope if row is weight else slope.T)[place] = 0
            self.idle[dead] = 0

    def _diverged(self, what: str, x: Tensor) -> FloatingPointError:
        self.model.load_state_dict(self.good)
        if torch.isfinite(x).all():
            why = f"training has diverged (lr = {self.recipe.lr}; a smaller one helps)"
        else:
            why = "the batch is not finite"
        error = FloatingPointError(f"{what}: {why}. The model has the weights that it had before step {self.good_step}")
        error.history = self.history  # type: ignore[attr-defined]  # for who catches it
        return error

    # The state of a run on disk: one safetensors file, its tensors under "model.", "optimiser.", "data." and "run.", and
    # everything else as JSON in its header.

    def keep_in(self, path: Path, every: int, settings: dict[str, Any]) -> None:
        """Save the state to `path` from now on; if it is there already, resume from it."""
        sizes = {name: list(value.shape) for name, value in self.model.state_dict().items()}
        frozen = [name for name, weight in self.model.named_parameters() if not weight.requires_grad]
        self.settings = {"model": f"{self.model!r} {sizes}", "frozen": frozen, "data": type(self.data).__name__, **settings}
        self.checkpoint, self.every = path, every
        if path.is_dir():
            raise ValueError(f"checkpoint is {str(path)!r}, which is a folder; expected a file, or a name that is still free")
        self._data_state()
        if path.exists():
            self._resume(path)
        path.parent.mkdir(parents=True, exist_ok=True)

    def _data_state(self) -> tuple[dict[str, Tensor], str]:
        state = self.data.state_dict()
        plain = {name: value for name, value in state.items() if not isinstance(value, Tensor)}
        try:
            return {name: value for name, value in state.items() if name not in plain}, json.dumps(plain)
        except TypeError as error:
            raise ValueError(f"data.state_dict() can't be kept: {error}; expected tensors and what JSON can hold") from error

    def _save(self, path: Path) -> None:
        data_tensors, data_plain = self._data_state()
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        for i, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{i}.{name}": value for name, value in state.items()}
        tensors |= {f"data.{name}": value for name, value in data_tensors.items()}
        tensors |= {"run.idle": self.idle, "run.fired": self.fired, "run.center": self.center}
        facts = {name: getattr(self, name) for name in ("step", "limit", "examples", "revived", "settings")}
        facts |= {"unit": self.model.unit, "history": self.history.rows, "data": json.loads(data_plain)}
        with files.whole(path) as (draft,):
            # clone: safetensors writes no tensors that share memory, and only contiguous ones
            tensors = {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}
            save_file(tensors, draft, {"saelib": json.dumps(facts)})

    def _resume(self, path: Path) -> None:
        tensors, header = files.read_tensors(path)
        model, weights, unit, position = self.model, _copy(self.model), self.model.unit, self.data.state_dict()
        try:
            facts = json.loads(header["saelib"])
            for name, value in self.settings.items():
                if (was := facts["settings"][name]) != value:
                    raise ValueError(f"it is of another run: {name} was {was!r} there and is {value!r} here")
            self._take_up(tensors, facts)
        except Exception as error:  # whatever is wrong with the file: it says so, and all is as it was
            model.measure(unit)
            model.load_state_dict(weights)
            self.data.load_state_dict(position)
            why = f"lacks {error}" if isinstance(error, KeyError) else f"can't be used: {error}"
            raise ValueError(f"checkpoint {path} {why}; expected one that train() has written for this run") from error

    def _take_up(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        model, device = self.model, next(self.model.parameters()).device
        self.data.load_state_dict(
            {**facts["data"], **{name.removeprefix("data."): value for name, value in tensors.items() if name.startswith("data.")}}
        )
        model.measure(checks.number("unit", facts["unit"], above=0))
        model.load_state_dict({name: checks.finite(f"model.{name}", tensors[f"model.{name}"]) for name in model.state_dict()})
        self._equip()
        for i, p in enumerate(p for group in self.optimiser.param_groups for p in group["params"]):
            # Laid in memory as the weight is, so that not even the order of additions changes.
            moments = {name: torch.empty_like(p).copy_(tensors[f"optimiser.{i}.{name}"]) for name in ("exp_avg", "exp_avg_sq")}
            self.optimiser.state[p] = {"step": tensors[f"optimiser.{i}.step"].reshape(()).to(device), **moments}
        counts = torch.zeros(model.d_code, dtype=torch.int64, device=device)
        self.idle = counts.clone().copy_(tensors["run.idle"])
        self.fired = counts.bool().copy_(tensors["run.fired"])
        self.step = checks.count("step", facts["step"], most=self.recipe.steps)
        self.limit = checks.number("limit", facts["limit"], above=0)
        weight = next(model.parameters())
        self.center = checks.finite("run.center", torch.zeros(model.d_in).to(weight).copy_(tensors["run.center"]))
        self.examples, self.revived = (checks.count(name, facts[name], least=0) for name in ("examples", "revived"))
        if not isinstance(facts["history"], list):
            raise ValueError(f"history is {facts['history']!r}; expected a list of rows")
        self.history.rows[:] = [{name: row[name] for name in ("step", "loss", "reconstruction", "l0", "dead")} for row in facts["history"]]
        self.good, self.good_step = _copy(model), self.step + 1


def _steps(run: _Run) -> Iterator[Step]:
    while run.step < run.recipe.steps:
        yield run.take()


def _finite(model: Model) -> bool:
    # The largest absolute value is NaN where any is; unlike isfinite, this makes no second tensor.
    return all(torch.isfinite(torch.linalg.vector_norm(value, torch.inf)) for value in model.state_dict().values())


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
