"""Checkpoints: a run that was stopped, at any moment and by anything, ends with the same bits as if it had not been."""

import contextlib
import copy
import functools
import inspect
import json
import os
import pathlib
import random
import select
import signal
import subprocess
import sys
import tempfile
import time

import pytest
import safetensors.torch
import torch
from hostile import not_a_count, refusal, unhurried
from hypothesis import example, given, settings
from hypothesis import strategies as st
from saelib import KL, L1, Autoencoder, BatchTopK, Gated, JumpReLU, Matryoshka, SparseAutoencoder, TopK, data, files, train, training
from safetensors import safe_open


def sparse(sparsity, seed=0) -> SparseAutoencoder:
    """A sparse autoencoder whose last four features are dead, so that there is something to bring back."""
    model = SparseAutoencoder(5, 12, sparsity, seed=seed)
    model.b_enc.data[8:] = -50.0
    return model


MODELS = {
    "TopK": lambda: sparse(TopK(2)),
    "BatchTopK": lambda: sparse(BatchTopK(2)),
    "Matryoshka": lambda: sparse(Matryoshka((4, 12), 2)),
    "L1": lambda: sparse(L1(0.1)),
    "KL": lambda: sparse(KL(0.1, 0.1)),
    "JumpReLU": lambda: sparse(JumpReLU(0.1)),
    "Gated": lambda: sparse(Gated(0.1)),
    "linear": lambda: Autoencoder(5, 2),
    "deep": lambda: Autoencoder(5, 2, (8,)),
}
STEPS = 12
BATCH = 40
# 3.5 batches have to leave a feature out before it counts as dead: some come back on the way.
SETTINGS = dict(steps=STEPS, batch_size=BATCH, lr=0.05, seed=3, log_every=3, dead_after=0.29, progress=False)


def noise(n=100, d=5) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0))


class Given:
    """A user's own source of batches: those in a list, in order, and again."""

    def __init__(self, batches):
        self.batches, self.taken = batches, 0

    def next_batch(self):
        self.taken += 1
        return self.batches[(self.taken - 1) % len(self.batches)]

    def state_dict(self):
        return {"taken": self.taken}

    def load_state_dict(self, state):
        self.taken = state["taken"]


class Walk:
    """Another one, that keeps tensors of several kinds, some of which share memory or lie crosswise in it."""

    def __init__(self):
        self.random = torch.Generator().manual_seed(1)
        self.both = torch.zeros(2, 5, dtype=torch.float64)
        self.facts = {"words": ["ä", None], "number": 0.1}

    def next_batch(self):
        self.both[:] += torch.randn(2, 5, generator=self.random)
        self.facts["number"] += 0.1
        return self.both[0] + torch.randn(BATCH, 5, generator=self.random)

    def state_dict(self):
        crosswise = self.both.T
        return {"random": self.random.get_state(), "one": self.both[0], "both": crosswise, "facts": self.facts, "no": torch.zeros(0)}

    def load_state_dict(self, state):
        assert state["no"].shape == (0,) and torch.equal(state["one"], state["both"].T[0])
        self.random.set_state(state["random"])
        self.both = state["both"].T.clone()
        self.facts = state["facts"]


WORLD = dict(d_in=5, features=9, active=2, correlation=0.5, hierarchy=2, seed=1)
DATA = {
    "tensor": noise,
    "own": lambda: Given([noise(BATCH * 5)[i::5] * (i + 1) for i in range(5)]),
    "walk": Walk,
    "planted": lambda: data.planted(**WORLD).batches(BATCH, seed=2),
}


class Interrupted(BaseException):
    pass


def stop_at(step):
    def callback(now):
        if now.step == step:
            raise Interrupted

    return callback


def result(model, history) -> tuple[dict[str, torch.Tensor], float, list]:
    return copy.deepcopy(model.state_dict()), model.unit, history.rows


def same(one, other) -> bool:
    """Whether two results are equal, bit for bit."""
    (weights, *rest), (other_weights, *other_rest) = one, other
    return (
        rest == other_rest
        and weights.keys() == other_weights.keys()
        and all(value.dtype == other_weights[name].dtype and torch.equal(value, other_weights[name]) for name, value in weights.items())
    )


@functools.cache
def unstopped(model: str, source: str):
    made = MODELS[model]()
    return result(made, train(made, DATA[source](), **SETTINGS))


def interrupted(model: str, source: str, path, stop: int, **changed) -> None:
    """A run that is stopped after that step."""
    with pytest.raises(Interrupted):
        train(MODELS[model](), DATA[source](), checkpoint=path, callbacks=[stop_at(stop)], **{**SETTINGS, **changed})


@functools.cache
def content_halfway() -> bytes:
    """The checkpoint of a TopK after 6 of the 12 steps."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "checkpoint"
        interrupted("TopK", "tensor", path, 6, checkpoint_every=1)
        return path.read_bytes()


@pytest.fixture
def halfway() -> bytes:
    return content_halfway()


# Stopped and taken up again.


@pytest.mark.parametrize("source", ["tensor", "planted"])
@pytest.mark.parametrize("model", MODELS)
@settings(deadline=None, max_examples=3)
@given(st.lists(st.integers(1, STEPS), max_size=3), st.integers(1, STEPS + 1))
@example([5, 7], 2)
@example([STEPS], STEPS)
def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(model, source, stops, every):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "run" / "checkpoint"
        seen = 0
        for stop in stops:
            reached = []
            made = MODELS[model]()
            try:
                train(
                    made, DATA[source](), checkpoint=path, checkpoint_every=every,
                    callbacks=[lambda now: reached.append(now.step), stop_at(stop)], **SETTINGS,
                )  # fmt: skip
            except Interrupted:
                assert reached[-1] == stop
            assert reached == list(range(seen + 1, (stop if stop > seen else STEPS) + 1)), "it goes on where it was written down"
            last = reached[-1] if reached else STEPS
            seen = STEPS if last == STEPS else last // every * every or seen
        made = MODELS[model]()
        history = train(made, DATA[source](), checkpoint=str(path), checkpoint_every=every, **SETTINGS)
        assert same(result(made, history), unstopped(model, source))
        assert os.listdir(path.parent) == ["checkpoint"]


@pytest.mark.parametrize("source", ["own", "walk"])
@pytest.mark.parametrize("stop", [1, 4, 5, 11])
def test_a_run_on_a_users_own_batches_that_was_stopped_ends_as_if_it_had_not_been(source, stop, tmp_path):
    interrupted("BatchTopK", source, tmp_path / "checkpoint", stop, checkpoint_every=2)
    made = MODELS["BatchTopK"]()
    history = train(made, DATA[source](), checkpoint=tmp_path / "checkpoint", **SETTINGS)
    assert same(result(made, history), unstopped("BatchTopK", source))


def test_features_did_come_back_in_the_runs_of_these_tests():
    for model in ("TopK", "BatchTopK", "Matryoshka", "L1", "JumpReLU", "Gated"):
        without = MODELS[model]()
        train(without, DATA["planted"](), **{**SETTINGS, "dead_after": None})
        assert (without.b_enc[8:] < -40).all()
        assert (unstopped(model, "planted")[0]["b_enc"][8:] > -10).all(), model


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("clip", [None, 0.1])
def test_the_other_settings_of_a_run_are_taken_up_again_too(precision, clip, tmp_path):
    changed = {**SETTINGS, "precision": precision, "clip": clip, "center": "median", "warm_up": 0.5, "decay": 0.5}
    whole, again = MODELS["Gated"](), MODELS["Gated"]()
    expected = result(whole, train(whole, noise(), **changed))
    interrupted("Gated", "tensor", tmp_path / "checkpoint", 5, checkpoint_every=2, **changed)
    assert same(result(again, train(again, noise(), checkpoint=tmp_path / "checkpoint", **changed)), expected)


def test_a_model_that_goes_on_from_a_checkpoint_may_have_other_first_weights_and_be_trained_already(tmp_path):
    interrupted("JumpReLU", "tensor", tmp_path / "checkpoint", 6, checkpoint_every=1)
    other = sparse(JumpReLU(0.1), seed=77)
    train(other, 100 * noise(), **SETTINGS)
    assert same(result(other, train(other, noise(), checkpoint=tmp_path / "checkpoint", **SETTINGS)), unstopped("JumpReLU", "tensor"))


def test_writing_checkpoints_changes_nothing(tmp_path):
    for model in MODELS:
        made = MODELS[model]()
        history = train(made, noise(), checkpoint=tmp_path / model, checkpoint_every=1, **SETTINGS)
        assert same(result(made, history), unstopped(model, "tensor"))


def test_a_checkpoint_never_looks_at_the_global_random_state(tmp_path):
    before = torch.get_rng_state()
    interrupted("TopK", "tensor", tmp_path / "checkpoint", 6)
    train(MODELS["TopK"](), noise(), checkpoint=tmp_path / "checkpoint", **SETTINGS)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_finished_checkpoint_gives_the_finished_model_back_at_once(tmp_path):
    train(MODELS["BatchTopK"](), DATA["own"](), checkpoint=tmp_path / "checkpoint", **SETTINGS)
    content = (tmp_path / "checkpoint").read_bytes()
    source = DATA["own"]()
    source.next_batch = None
    made = MODELS["BatchTopK"]()
    history = train(made, source, checkpoint=tmp_path / "checkpoint", callbacks=[never], **SETTINGS)
    assert same(result(made, history), unstopped("BatchTopK", "own"))
    assert (tmp_path / "checkpoint").read_bytes() == content


@pytest.mark.parametrize(("steps", "every", "written"), [(7, 3, [3, 6, 7]), (4, 9, [4]), (3, None, [1, 2, 3]), (45, None, [*range(2, 45, 2), 45])])
def test_the_state_is_written_every_so_many_steps_and_at_the_end(steps, every, written, tmp_path):
    path, found = tmp_path / "checkpoint", []

    def look(now):
        if path.exists():
            found.append(facts(path.read_bytes())["step"])

    train(MODELS["TopK"](), noise(), checkpoint=path, checkpoint_every=every, callbacks=[look], **{**SETTINGS, "steps": steps})
    assert sorted(set(found)) == written
    assert found[-1] == steps


def facts(content: bytes) -> dict:
    """What stands in a checkpoint beside its tensors."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["saelib"])


def changed_facts(content: bytes, change) -> bytes:
    """A checkpoint whose facts are what `change` makes of them."""
    return safetensors.torch.save(safetensors.torch.load(content), {"saelib": json.dumps(change(facts(content)))})


# Killed.

KILLED_STEPS = 300
DRIVER = f"""
import os
import sys
import threading
import torch
import torch._dynamo  # Adam's first step takes a second to import it: the children would have to do so each time
from saelib import BatchTopK, SparseAutoencoder, data, train
from tqdm import tqdm
torch.set_num_threads(1)
tqdm.set_lock(threading.RLock())  # its own is shared by the children, and who is killed with it never gives it back
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        source = data.planted(d_in=5, features=9, active=2, seed=1).batches(40, seed=2)
        train(SparseAutoencoder(5, 12, BatchTopK(2)), source, steps={KILLED_STEPS}, batch_size=40, lr=0.01, seed=0,
              checkpoint=sys.argv[1], checkpoint_every=1, progress=False)
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not_been_and_its_checkpoint_is_always_whole(tmp_path):
    """kill -9, at random moments, of a process of its own; the test reads the checkpoint all the while."""
    path, chance = tmp_path / "checkpoint", random.Random(0)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", DRIVER, str(path)]
    kills, step = 0, 0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as driver:
        try:
            while True:
                driver.stdin.write("\n")
                driver.stdin.flush()
                child = int(driver.stdout.readline())
                if kills < 12 and step < KILLED_STEPS - 8:
                    reached, end = step, time.monotonic() + 20
                    # At least one step further, and then a moment more.
                    further, moment = step + chance.randint(1, 5), chance.random() * 0.03
                    while reached < further and time.monotonic() < end:
                        reached = read_whole(path, least=reached)
                        time.sleep(0.005)
                    time.sleep(moment)
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)
                    status = int(driver.stdout.readline())
                    assert status in (0, -signal.SIGKILL)
                    kills += status != 0
                    step = read_whole(path, least=reached)
                else:
                    while not select.select([driver.stdout], [], [], 0)[0]:
                        step = read_whole(path, least=step)
                        time.sleep(0.005)
                    assert int(driver.stdout.readline()) == 0
                    break
        finally:
            driver.kill()
    assert kills > 5
    whole, killed = (SparseAutoencoder(5, 12, BatchTopK(2)) for _ in range(2))

    def run(model, **more):
        source = data.planted(d_in=5, features=9, active=2, seed=1).batches(40, seed=2)
        return result(model, train(model, source, steps=KILLED_STEPS, batch_size=40, lr=0.01, seed=0, progress=False, **more))

    assert facts(path.read_bytes())["step"] == KILLED_STEPS
    assert same(run(killed, checkpoint=path), run(whole))


def read_whole(path, least: int) -> int:
    """The step of the checkpoint, which has to be whole and none before `least`; 0 before there is one."""
    if not path.exists():
        assert least == 0
        return 0
    tensors, header = files.read_tensors(path)
    found = json.loads(header["saelib"])
    assert all(torch.isfinite(value).all() for value in tensors.values())
    assert found["step"] >= least
    return found["step"]


def test_what_a_killed_run_left_half_written_is_no_trouble(tmp_path):
    with files.whole(tmp_path / "checkpoint") as (draft,):
        draft.write_bytes(b"")
    (tmp_path / "checkpoint").unlink()
    for left in (draft, draft.with_name(".checkpoint.1")):
        left.write_bytes(b"half")
    interrupted("TopK", "tensor", tmp_path / "checkpoint", 6, checkpoint_every=1)
    draft.write_bytes(b"half")
    made = MODELS["TopK"]()
    history = train(made, noise(), checkpoint=tmp_path / "checkpoint", **SETTINGS)
    assert same(result(made, history), unstopped("TopK", "tensor"))


@pytest.mark.parametrize("breaks", ["save_file", "fsync", "replace"])
def test_a_disk_that_is_full_stops_the_run_and_keeps_the_last_checkpoint(breaks, tmp_path, monkeypatch):
    path = tmp_path / "checkpoint"

    def full(place=None, draft=None, *_):
        if breaks == "save_file":
            pathlib.Path(draft).write_bytes(b"half")
        raise OSError("no space left")

    def fill(now):
        if now.step == 5:
            monkeypatch.setattr(*((training, "save_file") if breaks == "save_file" else (os, breaks)), full)

    with pytest.raises(OSError, match="no space left"):
        train(MODELS["TopK"](), noise(), checkpoint=path, checkpoint_every=2, callbacks=[fill], **SETTINGS)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["checkpoint"] and facts(path.read_bytes())["step"] == 4
    made = MODELS["TopK"]()
    assert same(result(made, train(made, noise(), checkpoint=path, **SETTINGS)), unstopped("TopK", "tensor"))


# Numbers that are not finite.


def good_then(bad, at: int) -> Given:
    batches = [noise(BATCH * 5)[i % 5 :: 5].clone() for i in range(STEPS)]
    if bad is not None:
        batches[at - 1][3, 2] = bad
    return Given(batches)


@pytest.mark.parametrize("at", [2, 7, 8, STEPS])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e18])
@pytest.mark.parametrize("model", ["TopK", "JumpReLU", "linear"])
def test_a_bad_batch_leaves_a_good_checkpoint_from_which_good_data_go_on(model, bad, at, tmp_path):
    path = tmp_path / "checkpoint"
    with pytest.raises(FloatingPointError):
        train(MODELS[model](), good_then(bad, at), checkpoint=path, checkpoint_every=2, **SETTINGS)
    if at > 2:
        assert facts(path.read_bytes())["step"] == (at - 1) // 2 * 2
        assert read_whole(path, least=2)
    else:
        assert not path.exists()
    expected, made = MODELS[model](), MODELS[model]()
    expected = result(expected, train(expected, good_then(None, 1), **SETTINGS))
    assert same(result(made, train(made, good_then(None, 1), checkpoint=path, **SETTINGS)), expected)


def test_a_run_that_goes_on_still_knows_how_large_its_error_was_at_first(tmp_path):
    interrupted("L1", "own", tmp_path / "checkpoint", 6, checkpoint_every=1)
    larger = Given([1e7 * batch for batch in DATA["own"]().batches])
    with pytest.raises(FloatingPointError, match="the error has grown to .* at step 7: training has diverged"):
        train(MODELS["L1"](), larger, checkpoint=tmp_path / "checkpoint", **SETTINGS)


class Breaks(SparseAutoencoder):
    """Loses a weight in the third step. It switches a feature off, so that no loss would ever show it."""

    taken = 0

    def after_step(self, loss):
        super().after_step(loss)
        self.taken += 1
        if self.taken == 3:
            self.b_enc.data[4] = float("-inf")


@pytest.mark.parametrize("every", [1, 3])
def test_weights_that_are_not_finite_are_never_written_down(every, tmp_path):
    path = tmp_path / "checkpoint"
    with pytest.raises(FloatingPointError, match="a weight is not finite after step "):
        train(Breaks(5, 12, TopK(2)), noise(), checkpoint=path, checkpoint_every=every, **{**SETTINGS, "log_every": 12})
    if path.exists():
        assert read_whole(path, least=1) == 2


# What is of another run is refused.


def never(now):
    raise AssertionError("it has trained")


def refused(content: bytes | None, model="TopK", source=None, **changed) -> str:
    """What train() says to refuse a checkpoint, having left it, the model and the data as they were."""
    made = MODELS[model]() if isinstance(model, str) else model
    source = noise() if source is None else source
    taken = getattr(source, "taken", None)
    before = result(made, training.History())
    brick_unit = getattr(getattr(made, "sparsity", None), "unit", None)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "checkpoint"
        if content is not None:
            path.write_bytes(content)
        message = refusal(lambda: train(made, source, checkpoint=path, callbacks=[never], **{**SETTINGS, **changed}))
        assert os.listdir(folder) == ([] if content is None else ["checkpoint"])
        assert content is None or path.read_bytes() == content
    assert same(result(made, training.History()), before), "the model is as it was"
    assert getattr(getattr(made, "sparsity", None), "unit", None) == brick_unit
    assert getattr(source, "taken", None) == taken
    return message.replace(str(path), "PATH")


OTHER = {
    "steps": 24, "batch_size": 20, "lr": 0.06, "seed": 4, "log_every": 4, "warm_up": 0.3, "decay": 0.3, "coefficient_warm_up": 0.3,
    "clip": None, "dead_after": 0.3, "center": "median", "precision": "bfloat16",
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER)
def test_a_run_with_another_setting_is_refused_by_its_name(name, halfway):
    was = facts(halfway)["settings"][name]
    message = refused(halfway, **{name: OTHER[name]})
    assert message.startswith(f"checkpoint PATH can't be used: it is of another run: {name} was {was!r} there and is {OTHER[name]!r} here")


def test_every_argument_that_changes_what_is_learnt_is_a_setting_of_the_run():
    free = {"model", "data", "checkpoint", "checkpoint_every", "callbacks", "progress"}
    assert set(OTHER) == set(inspect.signature(train).parameters) - free


def test_a_run_of_other_steps_is_refused_by_them_and_not_by_what_follows_from_them(tmp_path):
    long = {**{name: value for name, value in SETTINGS.items() if name != "log_every"}, "steps": 300}
    path = tmp_path / "checkpoint"
    with pytest.raises(Interrupted):
        train(MODELS["TopK"](), noise(), checkpoint=path, checkpoint_every=1, callbacks=[stop_at(1)], **long)
    message = refusal(lambda: train(MODELS["TopK"](), noise(), checkpoint=path, **{**long, "steps": 600}))
    assert "it is of another run: steps was 300 there and is 600 here" in message


@pytest.mark.parametrize(
    ("other", "shown"),
    [
        (lambda: SparseAutoencoder(5, 13, TopK(2)), "[13, 5]"),
        (lambda: SparseAutoencoder(5, 12, TopK(3)), "TopK(k=3)"),
        (lambda: SparseAutoencoder(5, 12, BatchTopK(2)), "BatchTopK(k=2)"),
        (lambda: SparseAutoencoder(5, 12, L1(0.1)), "L1(coefficient=0.1)"),
        (lambda: Autoencoder(5, 12), "(encoder): Sequential("),
        (lambda: Breaks(5, 12, TopK(2)), "Breaks("),
    ],
)
def test_another_model_is_refused_by_what_it_is(other, shown, halfway):
    message = refused(halfway, other())
    assert message.startswith("checkpoint PATH can't be used: it is of another run: model was ")
    was, now = message.split(" there and is ")
    assert shown not in was and shown in now and " here; expected " in now
    assert "TopK(k=2)" in was and "[12, 5]" in was


@pytest.mark.parametrize(
    "other",
    [noise() + 1, noise()[:99], noise() * 1.001, noise().flip(0), noise().flip(1), -noise(), noise().double(), noise().roll(1, dims=0)],
)
def test_other_data_are_refused_also_where_only_their_order_is_another(other, halfway):
    message = refused(halfway, source=other)
    assert message.startswith("checkpoint PATH can't be used: data has the fingerprint ")
    assert "that of the data of the run so far" in message


def test_the_same_data_lying_otherwise_in_memory_are_the_same(halfway, tmp_path):
    (tmp_path / "run").write_bytes(halfway)
    train(MODELS["TopK"](), noise().T.contiguous().T, checkpoint=tmp_path / "run", **SETTINGS)


def test_other_data_are_refused_where_a_brick_has_lengths_of_its_own(tmp_path):
    interrupted("JumpReLU", "tensor", tmp_path / "checkpoint", 6, checkpoint_every=1)
    message = refused((tmp_path / "checkpoint").read_bytes(), "JumpReLU", 10 * noise())
    assert message.startswith("checkpoint PATH can't be used: data has the fingerprint ")


def test_what_a_users_own_batches_refuse_is_refused(tmp_path):
    def load_state_dict(state):
        raise ValueError("these are other examples")

    interrupted("JumpReLU", "own", tmp_path / "checkpoint", 6, checkpoint_every=1)
    source = DATA["own"]()
    source.load_state_dict = load_state_dict
    assert "these are other examples" in refused((tmp_path / "checkpoint").read_bytes(), "JumpReLU", source)


def test_the_checkpoint_of_a_tensor_is_none_for_a_users_own_batches(halfway):
    for source, kind in {"own": "Given", "planted": "WorldBatches"}.items():
        message = refused(halfway, source=DATA[source]())
        assert message.startswith("checkpoint PATH can't be used: it is of another run: data was 'TensorBatches' there and is ")
        assert f" {kind!r} here" in message


@pytest.mark.parametrize(
    "changed", [{"seed": 2}, {"features": 12}, {"active": 1}, {"correlation": 0.0}, {"hierarchy": None}, {"high": 3.0}, {"noise": 0.1}]
)
def test_the_checkpoint_of_a_planted_world_is_none_for_another_one(changed, tmp_path):
    interrupted("TopK", "planted", tmp_path / "checkpoint", 6, checkpoint_every=1)
    other = data.planted(**{**WORLD, **changed}).batches(BATCH, seed=2)
    assert "world" in refused((tmp_path / "checkpoint").read_bytes(), source=other)


# What is broken is refused.


def test_a_checkpoint_that_is_cut_off_anywhere_is_refused(halfway):
    header = 8 + int.from_bytes(halfway[:8], "little")
    # What comes after the header are numbers, all alike.
    for length in {*range(0, header, 23), *range(header, len(halfway), 131), 7, 8, 9, header - 1, header + 1, len(halfway) - 1}:
        assert refused(halfway[:length]).startswith("PATH can't be read: "), length


@unhurried
@given(st.binary(max_size=80))
@example(b"")
@example(b"PK\x03\x04 a file of torch.save")
def test_garbage_is_refused(content):
    assert refused(content).startswith("PATH can't be read: ")


@unhurried
@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=3))
def test_a_checkpoint_with_changed_bytes_ends_with_finite_weights_or_is_refused(place, change):
    content = bytearray(content_halfway())
    place %= len(content)
    content[place : place + len(change)] = change
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "checkpoint"
        path.write_bytes(content)
        made = MODELS["TopK"]()
        try:
            train(made, noise(), checkpoint=path, **SETTINGS)
        except (ValueError, FloatingPointError):
            pass
        assert all(torch.isfinite(value).all() for value in made.state_dict().values())


def test_a_folder_in_the_place_of_the_checkpoint_is_refused(tmp_path):
    made = MODELS["TopK"]()
    before = result(made, training.History())
    message = refusal(lambda: train(made, noise(), checkpoint=tmp_path, **SETTINGS))
    assert message.startswith(f"checkpoint is {str(tmp_path)!r}, which is a folder; expected a file")
    assert same(result(made, training.History()), before) and os.listdir(tmp_path) == []


def test_tensors_without_the_facts_of_a_run_are_refused(halfway):
    tensors = safetensors.torch.load(halfway)
    for metadata in (None, {}, {"format": "pt"}, {"saelib": ""}, {"saelib": "{"}, {"saelib": "[" * 100_000}):
        assert "checkpoint PATH" in refused(safetensors.torch.save(tensors, metadata))


FACTS = ["step", "limit", "examples", "revived", "settings", "unit", "history", "data"]


@pytest.mark.parametrize("model", ["TopK", "JumpReLU"])
@pytest.mark.parametrize("name", FACTS)
def test_a_checkpoint_that_lacks_a_fact_is_refused_by_it(model, name, tmp_path):
    interrupted(model, "tensor", tmp_path / "checkpoint", 6, checkpoint_every=1)
    content = (tmp_path / "checkpoint").read_bytes()
    assert set(facts(content)) == set(FACTS)
    without = changed_facts(content, lambda all: {key: value for key, value in all.items() if key != name})
    message = refused(without, model)
    assert message.startswith("checkpoint PATH lacks ") and f"'{name}'" in message
    assert message.endswith("; expected one that train() has written for this run")


@pytest.mark.parametrize("name", [*OTHER, "model", "frozen", "data"])
def test_a_checkpoint_that_lacks_a_setting_is_refused_by_it(name, halfway):
    def without(all):
        del all["settings"][name]
        return all

    message = refused(changed_facts(halfway, without))
    assert message.startswith("checkpoint PATH lacks ") and f"'{name}'" in message


def test_a_checkpoint_that_lacks_a_tensor_is_refused_by_it(tmp_path):
    interrupted("JumpReLU", "tensor", tmp_path / "checkpoint", 6, checkpoint_every=1)
    tensors, header = files.read_tensors(tmp_path / "checkpoint")
    assert len(tensors) > 20
    for name in tensors:
        rest = {key: value for key, value in tensors.items() if key != name}
        message = refused(safetensors.torch.save(rest, header), "JumpReLU")
        assert message.startswith("checkpoint PATH lacks ") and name.removeprefix("data.") in message, name


@pytest.mark.parametrize("facts", [None, 3, "x", [], [1], True, 1.5])
def test_facts_that_are_no_object_are_refused(facts, halfway):
    assert "checkpoint PATH" in refused(changed_facts(halfway, lambda _: facts))


WRONG = {
    "step": [None, "6", -1, 6.5, 13, True, []],
    "limit": [None, "x", []],
    "examples": [None, "x", []],
    "revived": [None, "x", []],
    "settings": [None, "x", [], 3],
    "unit": [None, "x", [], 0, -1.0, float("nan")],
    "history": [None, "x", {}, 3, [3]],
    "data": [None, "x", [], 3],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_fact_of_another_kind_is_refused(name, value, halfway):
    assert "checkpoint PATH" in refused(changed_facts(halfway, lambda all: {**all, name: value}))


@pytest.mark.parametrize(
    "name", ["model.W_dec", "model.b_enc", "optimiser.0.exp_avg", "optimiser.3.exp_avg_sq", "optimiser.1.step", "run.idle", "run.fired"]
)
def test_a_tensor_of_another_shape_is_refused(name, halfway):
    tensors = safetensors.torch.load(halfway)
    assert name in tensors
    for shape in ((7,), (3, 4), (0,)):
        changed = {**tensors, name: torch.zeros(shape)}
        assert "checkpoint PATH" in refused(safetensors.torch.save(changed, {"saelib": json.dumps(facts(halfway))}))


def test_weights_of_a_checkpoint_that_are_not_finite_are_refused(halfway):
    tensors = safetensors.torch.load(halfway)
    tensors["model.b_enc"][2] = float("nan")
    assert "checkpoint PATH" in refused(safetensors.torch.save(tensors, {"saelib": json.dumps(facts(halfway))}))


class Trap:
    def __reduce__(self):
        return os.mkdir, (os.environ["SAELIB_TRAP"],)


def test_a_checkpoint_can_not_run_code(tmp_path, monkeypatch):
    monkeypatch.setenv("SAELIB_TRAP", str(tmp_path / "sprung"))
    torch.save(Trap(), tmp_path / "trap")
    assert "can't be read" in refused((tmp_path / "trap").read_bytes())
    assert not (tmp_path / "sprung").exists()


class Keeps(Given):
    def __init__(self, state):
        super().__init__([noise(BATCH)])
        self.state = state

    def state_dict(self):
        return self.state


@pytest.mark.parametrize("value", [object(), {1, 2}, 1j, b"bytes", [torch.zeros(1)], {"a": torch.zeros(1)}, pathlib.Path("x"), data.planted])
def test_a_state_of_data_that_json_can_not_hold_is_refused_before_anything_is_trained(value):
    message = refused(None, source=Keeps({"taken": 1, "odd": value}))
    assert message.startswith("data.state_dict() can't be kept: ") and type(value).__name__ in message.replace("Tensor", "list dict")
    assert message.endswith("; expected tensors and what JSON can hold")


@unhurried
@given(not_a_count.filter(lambda value: value is not None))
def test_a_checkpoint_every_that_is_no_count_is_refused(value):
    assert refused(None, checkpoint_every=value) == f"checkpoint_every is {value!r}; expected a whole number of at least 1"


def test_without_a_checkpoint_a_users_own_batches_need_no_state(tmp_path):
    class Endless:
        def next_batch(self):
            return noise(BATCH)

    train(MODELS["TopK"](), Endless(), **SETTINGS)


def test_the_file_is_one_that_any_reader_of_safetensors_can_open(tmp_path, halfway):
    (tmp_path / "checkpoint").write_bytes(halfway)
    with safe_open(tmp_path / "checkpoint", framework="np") as file:
        assert file.get_tensor("model.W_dec").shape == (12, 5)
        assert file.get_tensor("optimiser.0.exp_avg").shape == (12, 5)
