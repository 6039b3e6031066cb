"""How saelib's sparse autoencoders compare with those of other libraries: time, memory, and what they learn.

    .venv-peers/bin/python tests/benchmarks/bench_sae.py                  # everything, about an hour on two cores
    .venv-peers/bin/python tests/benchmarks/bench_sae.py --only speed     # or memory, imports, quality
    .venv-peers/bin/python tests/benchmarks/bench_sae.py --quick          # a small run, to see that it works; keeps nothing

It writes results.json beside this file, of which report.py makes a figure and the README's table. Run by hand, on a machine that does
nothing else, in the environment of requirements.txt; peers.py says how the other libraries are driven.

speed     One training step, whole: forward, backward, aux-k, clipping, normalisation, optimiser. saelib's is the time
          between two callbacks of saelib.train(), so that the loop around it counts too. All libraries step in turn in one process,
          and each step is held against the encoder's matrix product, x @ W_enc as PyTorch gives it, timed before every
          step; a ratio is one step by the median product of its round. "no dead": no feature counts as dead. "5% dead": the biases
          of 5% of the features lie so low that they are never on, and aux-k works on them in each library that has it.
memory    The most that a process holds during such steps, above what it held before data and model were made.
imports   Seconds for an import, where torch has been imported already.
quality   TopK at equal width, k, batches and steps; each library at its own learning rate, and at 3 and 10 times that (sparsify's sign
          descent at a third and a tenth, as its own is too high for so few features; saelib at 3 and 5, as ten times leaves
          few features alive on photographs).
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))

import peers
import saelib
from saelib import metrics
from saelib.training import TensorBatches

THREADS = 2
PEERS = tuple(peers.PEERS)
LIBRARIES = ("saelib", *PEERS)
HAVE_AUX = tuple(name for name in PEERS if name != "plain")
SECTIONS = ("speed", "memory", "imports", "quality")
DEAD_SHARE = 0.05
STEPS = 10_000  # of the run that the measured steps belong to; it is left when they are measured
SEEN_DEAD = 11  # examples for each feature: after ten saelib counts one as dead that was never on


class Shape(NamedTuple):
    d_in: int
    d_sae: int
    k: int
    batch: int

    def __str__(self) -> str:
        return " x ".join(str(number) for number in self)


SHAPES = (Shape(256, 4096, 16, 2048), Shape(768, 16384, 32, 1024), Shape(768, 16384, 32, 2048))
RESULTS = Path(__file__).with_name("results.json")
LARGEST = SHAPES[-1]
DENSE_SHAPES = (Shape(256, 4096, 16, 2048), Shape(768, 16384, 32, 1024))
QUICK_SHAPES = (Shape(64, 512, 8, 256),)


# What is measured


def examples(shape: Shape, batches: int) -> Tensor:
    """Sparse sums of as many known features as are to be learned."""
    world = saelib.data.planted(d_in=shape.d_in, features=shape.d_sae, active=shape.k)
    source = world.batches(shape.batch, seed=0)
    return torch.cat([source.next_batch() for _ in range(batches)])


def silenced(shape: Shape) -> Tensor:
    return torch.randperm(shape.d_sae, generator=torch.Generator().manual_seed(0))[: round(DEAD_SHARE * shape.d_sae)]


class Enough(Exception):
    """All that was to be measured has been."""


def train_saelib(shape: Shape, x: Tensor, sparsity, dead: bool, callback: Callable, log_every: int = STEPS) -> None:
    """saelib.train(), until the callback raises Enough."""
    sae = saelib.SparseAutoencoder(shape.d_in, shape.d_sae, sparsity)
    if dead:
        with torch.no_grad():
            sae.b_enc[silenced(shape)] = -1000
        # Dead as soon as may be; and not started anew, as is done while the rate does not fall.
        settings = dict(dead_after=1e-9, decay=1.0)
    else:
        settings = dict(dead_after=1.0)  # no sooner than after the whole run
    try:
        saelib.train(
            sae, x, steps=STEPS, batch_size=shape.batch, lr=1e-3, seed=0, log_every=log_every, progress=False,
            callbacks=[callback], **settings,
        )  # fmt: skip
    except Enough:
        pass


def peer(name: str, shape: Shape, x: Tensor, dead: bool) -> peers.Peer:
    """A peer, with or without features that are silent and count as dead; all of them have aux-k in the first case."""
    long = 10_000_000
    built = peers.build(name, shape.d_in, shape.d_sae, shape.k, x, steps=STEPS, dead_after=long if dead and name.startswith("sparsify") else None)
    if dead:
        bias, idle = {
            "SAELens": lambda: (built.sae.b_enc, built.trainer.n_forward_passes_since_fired),
            "DictionaryLearning": lambda: (built.ae.encoder.bias, built.trainer.num_tokens_since_fired),
            "Sparsify": lambda: (built.sae.encoder.bias, built.since_fired),
            "SparsifyAdam": lambda: (built.sae.encoder.bias, built.since_fired),
        }[type(built).__name__]()
        with torch.no_grad():
            bias[silenced(shape)] = -1000
            idle[silenced(shape)] = 2 * long
    return built


class PlainL1(peers.Plain):
    """The dense loop with an L1 penalty."""

    def step(self, x: Tensor) -> None:
        codes = self._encode(x)
        loss = (self._decode(codes) - x).square().sum(dim=1).mean() + 0.1 * codes.sum(dim=1).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            self.W_dec /= self.W_dec.norm(dim=1, keepdim=True)

    def _encode(self, x: Tensor) -> Tensor:
        return torch.relu((x - self.b_dec) @ self.W_enc + self.b_enc)


# Time


class Moment(NamedTuple):
    """Seconds of the clock, of work by all processors, and of work by this process."""

    clock: float
    all: float
    own: float

    @classmethod
    def now(cls) -> "Moment":
        user, nice, system, _, _, *others = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:9])
        times = os.times()
        ticks = user + nice + system + sum(others)
        return cls(time.perf_counter(), ticks / os.sysconf("SC_CLK_TCK"), times.user + times.system)

    def others(self) -> float:
        """The share of the machine that others have had since then."""
        now = Moment.now()
        return max(0.0, (now.all - self.all) - (now.own - self.own)) / (now.clock - self.clock) / os.cpu_count()


class Rounds:
    """A callback of saelib.train() that lets others take a step each after every step of saelib, and times them all.

    Where other processes had more than a twentieth of the machine during a product and the step after it, both are
    taken again, `tries` times in all.
    """

    quiet = 0.05
    tries = 6

    def __init__(self, x: Tensor, shape: Shape, others: dict[str, Callable], rounds: int, dead: bool):
        self.batches = x.split(shape.batch)
        self.W_enc = torch.randn(shape.d_in, shape.d_sae)
        self.others, self.rounds, self.dead = others, rounds, dead
        self.warm_up = SEEN_DEAD * shape.d_sae // shape.batch + 1 if dead else 3
        self.left = 0
        self.now: dict[str, tuple[float, float, float]] = {}
        self.taken: list[dict[str, tuple[float, float, float]]] = []  # for each round: product, step, and what others had
        self.idle = torch.zeros(shape.d_sae, dtype=torch.int64)

    def __call__(self, step) -> None:
        if step.step > self.warm_up:
            again = self.note("saelib")
            assert (step.loss.auxiliary.item() != 0) == self.dead
        self.idle = torch.where(step.loss.uses() > 0, 0, self.idle + 1)
        x = self.batches[step.step % len(self.batches)]
        if step.step == self.warm_up - 1:
            for take in self.others.values():
                take(x)
                take(x)
        if step.step > self.warm_up and not again:
            for name, take in self.others.items():
                self.begin(x)
                take(x)
                while self.note(name):
                    self.begin(x)
                    take(x)
            self.taken.append(self.now)
            self.now = {}
            if len(self.taken) == self.rounds:
                raise Enough
        if step.step >= self.warm_up:
            self.begin(x)

    def begin(self, x: Tensor) -> None:
        """Time the product; and whatever comes next, until `note`."""
        self.since = Moment.now()
        x @ self.W_enc
        self.start = time.perf_counter()

    def note(self, name: str) -> bool:
        """Keep what has been timed, if less disturbed than before. Returns whether it should be tried again."""
        end, others = time.perf_counter(), self.since.others()
        if name not in self.now:
            self.left = self.tries
        if name not in self.now or others < self.now[name][2]:
            self.now[name] = self.start - self.since.clock, end - self.start, others
        self.left -= 1
        return others > self.quiet and self.left > 0

    def summary(self) -> dict:
        product = [statistics.median(product for product, _, _ in now.values()) for now in self.taken]
        others = [others for now in self.taken for _, _, others in now.values()]
        figures = {"product_ms": spread([1000 * seconds for seconds in product])}
        figures["share_of_other_processes"] = spread([round(share, 4) for share in others])
        if self.dead:
            figures["saelib_dead_share"] = significant((self.idle > self.warm_up // 2).float().mean().item())
        for name in self.taken[0]:
            times = [now[name][1] for now in self.taken]
            figures[name] = spread([seconds / unit for seconds, unit in zip(times, product, strict=True)])
            figures[name]["ms"] = significant(1000 * statistics.median(times))
        return figures


def significant(value: float) -> float:
    return float(f"{value:.3g}")


def spread(values: list[float]) -> dict:
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": significant(middle), "quartiles": [significant(low), significant(high)]}


def topk_speed(shape: Shape, dead: bool, rounds: int) -> dict:
    x = examples(shape, 8)
    others = {name: peer(name, shape, x[: shape.batch], dead).step for name in (HAVE_AUX if dead else PEERS)}
    timed = Rounds(x, shape, others, rounds, dead)
    train_saelib(shape, x, saelib.TopK(shape.k), dead, timed)
    return timed.summary()


def dense_speed(shape: Shape, rounds: int) -> dict:
    x = examples(shape, 8)
    plain = PlainL1(peers.Setup(shape.d_in, shape.d_sae, shape.k, x[: shape.batch], "standard", STEPS, None, None, None))
    timed = Rounds(x, shape, {"plain": plain.step}, rounds, dead=False)
    train_saelib(shape, x, saelib.L1(0.1), False, timed)
    return timed.summary()


def speed(quick: bool) -> dict:
    cases = {}
    for shape in QUICK_SHAPES if quick else SHAPES:
        rounds = 3 if quick else 41 if shape.d_sae < 10_000 else 11
        for dead in (False, True):
            case = f"topk {shape}, {'5%' if dead else 'no'} dead"
            cases[case] = topk_speed(shape, dead, rounds)
            show_speed(case, cases[case])
    for shape in QUICK_SHAPES if quick else DENSE_SHAPES:
        case = f"l1 {shape}"
        cases[case] = dense_speed(shape, 3 if quick else 21 if shape.d_sae < 10_000 else 9)
        show_speed(case, cases[case])
    return cases


def show_speed(case: str, figures: dict) -> None:
    product = figures["product_ms"]
    others = figures["share_of_other_processes"]
    print(f"\n{case} (d_in x d_sae x k x batch); product {product['median']} ms, quartiles {product['quartiles']}")
    print(f"  others had {others['median']:.1%} of the machine, quartiles {others['quartiles']}")
    if "saelib_dead_share" in figures:
        print(f"  never on in saelib: {figures['saelib_dead_share']:.1%} of the features")
    for name, figure in figures.items():
        if name in LIBRARIES:
            low, high = figure["quartiles"]
            print(f"  {name:20} {figure['median']:6.2f} products ({low:.2f} to {high:.2f}), {figure['ms']:6.0f} ms", flush=True)


# Memory


def held(which: str) -> int:
    """KiB of memory that this process has now (VmRSS), or has had at most (VmHWM), as Linux counts it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{which}:"))


def steps_of(name: str, shape: Shape, dead: bool, steps: int) -> None:
    """Make data and model, and take a few steps."""
    x = examples(shape, 4)
    if name == "saelib":
        last = steps + (SEEN_DEAD * shape.d_sae // shape.batch + 1 if dead else 0)

        def stop(step) -> None:
            if step.step == last:
                raise Enough

        # With a row of the history on the way, for which the weights are copied.
        train_saelib(shape, x, saelib.TopK(shape.k), dead, stop, log_every=last - 1)
    else:
        batches = x.split(shape.batch)
        other = peer(name, shape, batches[0], dead)
        other.train(batches[i % len(batches)] for i in range(steps))


def most_memory(name: str, shape: Shape, dead: bool) -> float:
    """MiB that a process of its own takes."""
    steps_of(name, Shape(16, 64, 4, 32), False, 2)  # loads what is loaded at first use
    # Not getrusage's ru_maxrss: that of a new process begins at what its parent held. "5" makes what is held now the peak.
    Path("/proc/self/clear_refs").write_text("5")
    before = held("VmRSS")
    steps_of(name, shape, dead, 4)
    return (held("VmHWM") - before) / 1024


def memory(quick: bool) -> dict:
    shape = QUICK_SHAPES[0] if quick else LARGEST
    figures: dict[str, dict[str, float]] = {}
    print(f"\nmemory for steps of {shape}, MiB")
    for dead in (False, True):
        case = f"{shape}, {'5%' if dead else 'no'} dead"
        figures[case] = {}
        for name in LIBRARIES:
            if dead and name == "plain":
                continue
            found = json.loads(in_process([__file__, "--memory-of", name, *map(str, shape), *(["--dead"] if dead else [])]))
            figures[case][name] = round(found)
            print(f"  {case:40} {name:20} {found:7.0f}", flush=True)
    return figures


def in_process(arguments: list[str]) -> str:
    """The last line that a Python process of its own prints."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{arguments} failed:\n{done.stderr}")
    return done.stdout.strip().splitlines()[-1]


# Imports


def imports(quick: bool) -> dict:
    """Seconds beyond `import torch`, each in processes of its own, in turn."""
    names = {"saelib": "saelib", "saelens": "sae_lens", "dictionary-learning": "dictionary_learning", "sparsify": "sparsify"}
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(3 if quick else 6):
        for name, module in names.items():
            code = f"import time, torch; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
            seconds[name].append(float(in_process(["-c", code])))
    figures = {name: spread(times[1:]) for name, times in seconds.items()}  # the first reads the files from the disk
    print("\nimport beyond torch, seconds")
    for name, figure in figures.items():
        print(f"  {name:20} {figure['median']:6.2f}")
    return figures


# What is learned

RATES = {  # each library's own
    "saelib": lambda d_sae: 1e-3,
    "saelens": lambda d_sae: 3e-4,
    "dictionary-learning": lambda d_sae: 2e-4 / (d_sae / 2**14) ** 0.5,
    "sparsify": lambda d_sae: 5e-3 / (d_sae / 2**14) ** 0.5,
    "sparsify-adam": lambda d_sae: 2e-4 / (d_sae / 2**14) ** 0.5,
    "plain": lambda d_sae: 1e-3,
}
TIMES = defaultdict(lambda: (1, 3, 10), {"sparsify": (0.1, 0.3, 1), "plain": (1, 3), "saelib": (1, 3, 5)})


class Task(NamedTuple):
    """Fresh batches, the same each time; held-out examples; others like those trained on, among which dead features are
    looked for; and the true dictionary, where it is known."""

    batches: Callable
    held_out: Tensor
    usual: Tensor
    dictionary: Tensor | None
    d_sae: int
    k: int


def tasks(quick: bool) -> dict[str, Task]:
    held = 5_000 if quick else 50_000
    found = {}
    for name, decay in (("planted, uniform", 1.0), ("planted, decay 0.99", 0.99)):
        world = saelib.data.planted(d_in=256, features=512, active=5, decay=decay)
        held_out = world.sample(held, seed=0)[0]
        found[name] = Task(lambda world=world: world.batches(1024, seed=0), held_out, held_out, world.dictionary, 512, 5)
    x = saelib.data.photo_patches(10_000 if quick else 300_000)
    cat = saelib.data.photo_patches(held, names=["cat"])  # a photograph that the others don't come from
    usual = saelib.data.photo_patches(held, seed=1)
    found["photos"] = Task(lambda: TensorBatches(x, 1024, seed=0), cat, usual, None, 512, 8)
    return found


def judged(task: Task, encode: Callable, decode: Callable, dictionary: Tensor) -> dict[str, float]:
    with torch.no_grad():
        codes = encode(task.held_out)
        found = {
            "fvu": metrics.fvu(task.held_out, decode(codes)),
            "l0": metrics.l0(codes),
            "dead": metrics.dead_fraction(codes if task.usual is task.held_out else encode(task.usual)),
        }
    if task.dictionary is not None:
        found["mmcs"] = metrics.mmcs(task.dictionary, dictionary)
    return {name: float(f"{value:.4g}") for name, value in found.items()}


def trained_saelib(task: Task, steps: int, lr: float, seed: int) -> dict[str, float]:
    sae = saelib.SparseAutoencoder(task.held_out.shape[1], task.d_sae, saelib.TopK(task.k), seed=seed)
    saelib.train(sae, task.batches(), steps=steps, batch_size=1024, lr=lr, seed=seed, progress=False)
    return judged(task, sae.encode, sae.decode, sae.W_dec.detach())


def trained_peer(name: str, task: Task, steps: int, lr: float, seed: int) -> dict[str, float]:
    source = task.batches()
    example = torch.cat([source.next_batch() for _ in range(8)])
    built = peers.build(name, example.shape[1], task.d_sae, task.k, example, steps=steps, lr=lr, seed=seed)
    source = task.batches()
    built.train(source.next_batch() for _ in range(steps))
    return judged(task, built.encode, built.decode, built.dictionary)


def quality(quick: bool, names: tuple[str, ...] = PEERS) -> dict:
    """For each rate of saelib and of each peer, how well it has learned."""
    torch.set_num_threads(1)  # small steps: a second thread would hardly help
    steps = 100 if quick else 3_000
    cases: dict[str, dict] = {}
    for case, task in tasks(quick).items():
        print(f"\n{case}: {steps} steps of 1024, {task.d_sae} features, k = {task.k}")
        cases[case] = {}
        for name in ("saelib", *names):
            cases[case][name] = {}
            for times in TIMES[name]:
                lr = times * RATES[name](task.d_sae)
                rate = f"{lr:.0e}"
                own = name == "saelib"
                learned = trained_saelib(task, steps, lr, seed=0) if own else trained_peer(name, task, steps, lr, seed=0)
                cases[case][name][rate] = learned
                show_quality(name, rate, cases[case][name][rate])
        if not quick:
            keep("quality", cases)
    torch.set_num_threads(THREADS)
    return cases


def show_quality(name: str, rate: str, found: dict) -> None:
    print(f"  {name:20} lr {rate}  " + "  ".join(f"{what} {value:<9.4g}" for what, value in found.items()), flush=True)


def keep(section: str, figures: dict) -> None:
    """Write a section's figures into results.json; the others stay."""
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    results[section] = {"date": time.strftime("%Y-%m-%d"), "machine": machine(), "figures": figures}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def machine() -> dict:
    processor = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.split(":")[1].strip()
            break
    libraries = ("torch", "sae-lens", "dictionary-learning", "eai-sparsify", "saelib")
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "threads": THREADS,
        "system": platform.system(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in libraries}},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=SECTIONS, nargs="+", default=SECTIONS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--memory-of", nargs=5, help=argparse.SUPPRESS)
    parser.add_argument("--dead", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    if arguments.memory_of:
        name, *sizes = arguments.memory_of
        print(most_memory(name, Shape(*map(int, sizes)), arguments.dead))
        return
    for section in arguments.only:
        result = {"speed": speed, "memory": memory, "imports": imports, "quality": quality}[section](arguments.quick)
        if not arguments.quick:
            keep(section, result)


if __name__ == "__main__":
    main()
