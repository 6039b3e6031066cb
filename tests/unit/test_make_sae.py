"""The program that makes the sparse autoencoder: what it writes and says, and that it learns from no file that is held out."""

import json
import re
import sys

import pytest
import saelib
import torch
from saelib import GPT, SparseAutoencoder, changed, data, load_gpt, load_tokenizer, make_sae, metrics
from saelib.data import PythonFile, text_files, tokenize, train_tokenizer
from saelib.data.text_files import RECORD, fingerprint
from saelib.gpt import SHIPPED, save_gpt
from saelib.language import splice, token_activations, token_losses

TEXT = "def double(number):\n    return 2 * number\n\n\nclass Shop:\n    def __init__(self, name):\n        self.name = name\n"
FILES = [
    PythonFile("a.py", 4 * TEXT, False), PythonFile("b.py", TEXT.replace("number", "price"), True),
    PythonFile("c.py", 3 * TEXT.replace("name", "size"), False), PythonFile("d.py", 2 * TEXT.replace("Shop", "House"), False),
]  # fmt: skip
TOKENIZER = train_tokenizer([TEXT], 280)
MODEL = GPT(280, 16, 2, 2, 16, seed=1).eval().requires_grad_(False)
for weight in MODEL.parameters():
    if weight.ndim == 2:
        weight.copy_((6 * weight).half())  # large, so that the parts matter, and as they are kept in a file


@pytest.fixture
def make(monkeypatch, tmp_path, capsys):
    """A function that runs the program into a folder, and gives what it wrote there and what it printed."""
    save_gpt(MODEL, tmp_path / "gpt.safetensors")
    TOKENIZER.save(str(tmp_path / "tokenizer.json"))

    def run(folder, files=FILES, **changes):
        monkeypatch.setattr(make_sae, "python_files", lambda: files)
        options = {"part": "blocks.0", "features": 32, "k": 4, "steps": 40, "batch": 32, "lr": 0.005} | changes
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        places = ["--out", str(tmp_path / folder), "--gpt", f"{tmp_path}/gpt.safetensors", "--tokenizer", f"{tmp_path}/tokenizer.json"]
        monkeypatch.setattr(sys, "argv", ["make_sae", *places, *words])
        make_sae.main()
        return saelib.load(tmp_path / folder), capsys.readouterr().out

    return run


def equal(one: SparseAutoencoder, other: SparseAutoencoder) -> bool:
    return all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_it_writes_a_sparse_autoencoder_that_has_learned_what_the_part_puts_out(make):
    sae, _ = make("sae")
    assert isinstance(sae, SparseAutoencoder) and (sae.d_in, sae.d_sae) == (16, 32)
    x = token_activations(MODEL, "blocks.0", tokenize([file.text for file in FILES if not file.held_out], TOKENIZER))
    assert metrics.fvu(x, sae(x).detach()) < 0.5 * metrics.fvu(x, make("few", steps=1)[0](x).detach())
    assert 2 < metrics.l0(sae.encode(x).detach()) < 8


def test_it_says_how_good_it_is_on_the_files_that_are_held_out(make):
    sae, printed = make("sae")
    sae.requires_grad_(False)
    held, learned = (tokenize([file.text for file in FILES if file.held_out == side], TOKENIZER) for side in (True, False))
    held_x, x = (token_activations(MODEL, "blocks.0", tokens) for tokens in (held, learned))
    assert f"read 3 texts, {len(x):,} tokens" in printed and "trained for 40 steps of 32 tokens" in printed
    codes = sae.encode(held_x)
    fvu, used, dead = map(float, re.search(r"held out: FVU ([\d.]+), ([\d.]+) active features for a token, ([\d.]+)% dead", printed).groups())
    assert fvu == pytest.approx(metrics.fvu(held_x, sae.decode(codes)), abs=6e-4)
    assert used == pytest.approx(metrics.l0(codes), abs=0.06) and dead == pytest.approx(100 * metrics.dead_fraction(codes), abs=0.06)

    def loss(stream_of):
        handle = MODEL.blocks[0].register_forward_hook(lambda module, inputs, output: stream_of(output))
        total = token_losses(MODEL, held).sum().item() / (len(held.ids) - 1)
        handle.remove()
        return total

    found = re.search(r"cross-entropy ([\d.]+) nats, ([\d.]+) with the copy, ([\d.]+) with the mean: (-?[\d.]+)% recovered", printed)
    whole, copied, ablated, recovered = map(float, found.groups())
    expected = [
        loss(lambda stream: stream), loss(lambda stream: sae(stream.reshape(-1, 16)).view(stream.shape)),
        loss(lambda stream: x.mean(dim=0).expand_as(stream)),
    ]  # fmt: skip
    assert [whole, copied, ablated] == pytest.approx(expected, abs=6e-4)
    assert recovered == pytest.approx(100 * (expected[2] - expected[1]) / (expected[2] - expected[0]), abs=0.06)


def test_the_same_seed_gives_the_same_weights_and_another_one_others(make):
    one, printed = make("one")
    other, again = make("other")
    assert equal(one, other)
    assert [line.split("  ")[-1] for line in printed.splitlines()[2:]] == [line.split("  ")[-1] for line in again.splitlines()[2:]]
    assert not equal(one, make("third", seed=1)[0])


def test_no_file_that_is_held_out_is_learned_from(make):
    one, printed = make("one")
    other, again = make("other", [file._replace(text="x = 1\n") if file.held_out else file for file in FILES])
    assert equal(one, other) and printed.splitlines()[2:] != again.splitlines()[2:]
    assert not equal(one, make("third", [file._replace(text=2 * file.text) for file in FILES])[0])


@pytest.mark.parametrize("bad", [{"every": 0}, {"steps": 0}, {"batch": 0}, {"features": -1}, {"k": 33}, {"lr": 0}, {"seed": -1}])
def test_options_that_do_not_fit_are_named_before_anything_is_read(make, bad, capsys):
    with pytest.raises(SystemExit):
        make("new", files=None, **bad)
    ((name, value),) = bad.items()
    assert f"{name} is {float(value) if name == 'lr' else value}; expected" in capsys.readouterr().err


def test_one_file_of_so_many_may_be_enough(make):
    every, printed = make("some", every=2)  # the first and the third of those that are not held out
    assert "read 2 texts" in printed
    assert equal(every, make("two", [FILES[0], FILES[1], FILES[3]])[0])


def test_another_part_of_the_model_may_be_asked_for(make):
    sae, printed = make("neurons", part="blocks.1.mlp.neurons", features=48)
    assert (sae.d_in, sae.d_sae) == (64, 48) and "recovered" in printed


@pytest.fixture
def own(monkeypatch, tmp_path, capsys):
    """A folder as make_gpt leaves it, with a function that runs the program on it."""
    texts = tmp_path / "texts"
    texts.mkdir()
    for number in range(3):
        (texts / f"{number}.txt").write_text((number + 2) * TEXT.replace("name", f"name{number}"), encoding="utf-8")
    folder = tmp_path / "my-gpt"
    save_gpt(MODEL, folder / "gpt.safetensors")
    TOKENIZER.save(str(folder / "tokenizer.json"))
    found = text_files(texts)
    (folder / RECORD).write_text(json.dumps({"texts": str(texts), "labels": "none", "files": fingerprint(found)}))

    def run(*words):
        monkeypatch.setattr(
            sys, "argv", ["make_sae", "--gpt", str(folder), "--features", "32", "--k", "4", "--steps", "40", "--batch", "32", *words]
        )
        make_sae.main()
        return capsys.readouterr().out

    return folder, found, run


def test_a_folder_that_make_gpt_left_is_all_that_it_needs(own):
    folder, found, run = own
    printed = run()
    sae = saelib.load(folder / "sae")
    assert (sae.d_in, sae.d_sae) == (16, 32) and {path.name for path in (folder / "sae").iterdir()} == {
        "cfg.json", "sae_weights.safetensors", "made.json",
    }  # fmt: skip
    made = json.loads((folder / "sae" / "made.json").read_text(encoding="utf-8"))
    assert made == {"part": "blocks.1", "lr": 0.002, "features": 32, "k": 4, "steps": 40, "batch": 32, "seed": 0, "every": 1}
    learned, held = (tokenize([file.text for file in found if file.held_out == side], TOKENIZER) for side in (False, True))
    x, held_x = (token_activations(MODEL, "blocks.1", tokens) for tokens in (learned, held))
    assert f"read {sum(not file.held_out for file in found)} texts, {len(x):,} tokens" in printed
    fvu = float(re.search(r"held out: FVU ([\d.]+)", printed)[1])
    assert fvu == pytest.approx(metrics.fvu(held_x, sae(held_x).detach()), abs=6e-4)
    run("--out", str(folder / "other"), "--part", "blocks.0")
    assert json.loads((folder / "other" / "made.json").read_text())["part"] == "blocks.0"


def test_a_folder_whose_texts_or_weights_are_others_or_gone_is_refused(own, capsys, tmp_path):
    folder, found, run = own

    def refused(*words):
        with pytest.raises(SystemExit):
            run(*words)
        assert not (folder / "sae").exists() and not (tmp_path / "texts" / "sae").exists()
        return capsys.readouterr().err

    assert "in the folder of the texts" in refused("--out", str(tmp_path / "texts" / "sae"))
    assert "batch is 9999; expected at most" in refused("--batch", "9999")
    (tmp_path / "texts" / "new.txt").write_text("new")
    assert "holds other texts than the GPT" in refused()
    (tmp_path / "texts").rename(tmp_path / "moved")
    assert "if they have moved" in refused()
    (folder / "gpt.safetensors").unlink()
    assert "gpt.safetensors is missing" in refused()


def test_the_books_sae_keeps_what_its_gpt_needs_with_as_few_bricks_as_its_card_says():
    """On some of the files kept aside, so that it takes a moment only."""
    gpt, sae = load_gpt(), saelib.load(SHIPPED / "sae").requires_grad_(False)
    text = tokenize([file.text for file in data.python_files() if file.held_out and len(file.text) < 4_000], load_tokenizer())
    there = text.following()[1]
    x = token_activations(gpt, "blocks.2", text)
    losses = [token_losses(gpt, text)[there].mean()]
    for change in (splice(sae), x.mean(dim=0).expand_as):
        with changed(gpt, "blocks.2", change):
            losses.append(token_losses(gpt, text)[there].mean())
    whole, copied, emptied = losses
    assert (emptied - copied) / (emptied - whole) > 0.95
    assert 25 < metrics.l0(sae.encode(x)) < 32 and sae.d_sae == 1_024


@pytest.mark.parametrize("step", [0, 50, 200, 1_000, 5_000])
def test_a_small_sae_copies_the_gpt_of_its_own_step_better_than_that_of_another(step):
    gpts = {0: GPT(**load_gpt().settings).eval(), **{one: load_gpt(SHIPPED / f"gpt-{one}.safetensors") for one in (50, 200, 1_000)}}
    gpts[5_000] = load_gpt()
    text = tokenize([file.text for file in data.python_files() if file.held_out and len(file.text) < 2_000], load_tokenizer())
    sae = saelib.load(SHIPPED / f"sae-{step}").requires_grad_(False)
    error = {one: metrics.fvu(x, sae(x)) for one, gpt in gpts.items() for x in [token_activations(gpt, "blocks.2", text)]}
    assert min(error, key=error.get) == step and error[step] < 0.3
