"""The program that makes the GPT: what it writes, that it learns, and that a stop in the middle changes nothing."""

import hashlib
import json
import math
import sys

import pytest
import torch
from saelib import GPT, files, load_gpt, load_tokenizer, make_gpt
from saelib.data import PythonFile, text_files, tokenize, train_tokenizer
from saelib.data.text_files import fingerprint
from saelib.gpt import save_gpt
from saelib.language import bits_per_byte, token_losses

TEXT = "def double(number):\n    return 2 * number\n\n\nclass Shop:\n    def __init__(self, name):\n        self.name = name\n"
FILES = [PythonFile("a.py", 8 * TEXT, False), PythonFile("b.py", 4 * TEXT.replace("number", "price"), True)]
SIZES = {"steps": 24, "batch": 2, "context": 16, "tokens": 280, "width": 16, "layers": 1, "heads": 2, "every": 8}


@pytest.fixture
def make(monkeypatch):
    """A function that runs the program into a folder."""
    monkeypatch.setattr(make_gpt, "python_files", lambda: FILES)

    def run(folder, **changes):
        options = {"lr": 0.02, **SIZES, **changes}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        monkeypatch.setattr(sys, "argv", ["make_gpt", "--out", str(folder), "--keep", "0", "8", *words])
        make_gpt.main()

    return run


def test_it_writes_tokenizer_weights_kept_weights_and_history_and_has_learned(make, tmp_path):
    make(tmp_path)
    assert load_tokenizer(tmp_path / "tokenizer.json").get_vocab_size() == 280
    models = [load_gpt(tmp_path / f"gpt{step}.safetensors") for step in ("-0", "-8", "")]
    assert not torch.equal(models[0].embed.weight, models[1].embed.weight)
    written = json.loads((tmp_path / "history.json").read_text(encoding="utf-8"))
    bits = {row["step"]: row["held_out_bits_per_byte"] for row in written["history"]}
    assert [*bits] == [0, 8, 16, 24] and bits[24] < 0.8 * bits[0] and written["options"]["context"] == 16
    text = tokenize([FILES[1].text], load_tokenizer(tmp_path / "tokenizer.json"))
    assert bits_per_byte(token_losses(models[2], text), [FILES[1].text]) == pytest.approx(bits[24], abs=0.01)  # in half precision


def stop(monkeypatch, run, at: int = 13) -> None:
    """Begin a run that is interrupted at a step."""
    batch = make_gpt.batch

    def broken(ids, size, context, seed, step):
        if step == at:
            raise KeyboardInterrupt
        return batch(ids, size, context, seed, step)

    with monkeypatch.context() as meanwhile, pytest.raises(KeyboardInterrupt):
        meanwhile.setattr(make_gpt, "batch", broken)
        run()


def test_a_run_that_is_stopped_and_started_again_ends_as_if_it_had_not_been(make, tmp_path, monkeypatch):
    make(tmp_path / "whole")
    stop(monkeypatch, lambda: make(tmp_path / "stopped"))
    assert not (tmp_path / "stopped" / "gpt.safetensors").exists()
    make(tmp_path / "stopped")
    for name in ("gpt.safetensors", "gpt-8.safetensors"):
        one, other = (load_gpt(tmp_path / folder / name).state_dict() for folder in ("whole", "stopped"))
        assert all(torch.equal(value, other[weight]) for weight, value in one.items())
    one, other = (json.loads((tmp_path / folder / "history.json").read_text())["history"] for folder in ("whole", "stopped"))
    assert one == other


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    "other", [{"steps": 16}, {"steps": 30}, {"lr": 0.01}, {"seed": 1}, {"batch": 3}, {"tokens": 270}, {"width": 32}, {"every": 4}]
)
def test_a_folder_with_a_run_of_other_options_is_left_as_it_is(make, tmp_path, other, capsys):
    make(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(SystemExit):
        make(tmp_path, **other)
    ((name, value),) = other.items()
    assert f"a run with {name} = {({'lr': 0.02, 'seed': 0} | SIZES)[name]!r}; expected {name} = {value!r}" in capsys.readouterr().err
    assert contents(tmp_path) == before


def test_a_run_does_not_go_on_with_other_files(make, tmp_path, monkeypatch, capsys):
    make(tmp_path)
    before = contents(tmp_path)
    monkeypatch.setattr(make_gpt, "python_files", lambda: [FILES[0], FILES[1]._replace(text="x = 1\n")])
    with pytest.raises(SystemExit):
        make(tmp_path)
    assert "a run with files = " in capsys.readouterr().err and contents(tmp_path) == before


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"every": 0}, "every is 0; expected"), ({"batch": 0}, "batch is 0"), ({"steps": -1}, "steps is -1"), ({"context": 1}, "context is 1"),
        ({"tokens": 100}, "tokens is 100"), ({"heads": 3}, "n_heads is 3"), ({"lr": "nan"}, "lr is nan"), ({"lr": -1}, "lr is -1.0"),
        ({"decay": -1}, "decay is -1.0"), ({"seed": -1}, "seed is -1"), ({"context": 5000}, "context is 5000; expected less than the"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_are_named_before_anything_is_written(make, tmp_path, bad, words, capsys):
    with pytest.raises(SystemExit):
        make(tmp_path / "new", **bad)
    assert words in capsys.readouterr().err and not (tmp_path / "new").exists()


def test_a_place_that_holds_something_else_is_left_as_it_is(make, tmp_path, capsys):
    for name, words in {
        "gpt-8.safetensors": "where gpt-8.safetensors is and no last.safetensors",
        "tokenizer.json": "where tokenizer.json is another one",
    }.items():
        folder = tmp_path / name.split(".")[0]
        folder.mkdir()
        (folder / name).write_text("mine")
        with pytest.raises(SystemExit):
            make(folder)
        assert words in capsys.readouterr().err and contents(folder) == {name: b"mine"}
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SystemExit):
        make(tmp_path / "file")
    assert "which is a file" in capsys.readouterr().err


# Texts of one's own.

LETTER = "It rains again, and the cat sleeps on the letters. What shall I write of the garden?\n\n"
OWN = {name: value for name, value in SIZES.items() if name not in ("steps", "tokens", "every")} | {"lr": 0.02}


@pytest.fixture
def own(monkeypatch, tmp_path):
    """A function that runs the program on a folder of texts into "my-gpt", with the sizes that go with its defaults."""
    texts = tmp_path / "texts"
    texts.mkdir()
    for number in range(6):
        (texts / f"{number} é.txt").write_text(40 * LETTER.replace("cat", f"cat {number}"), encoding="utf-8")
    monkeypatch.setattr(make_gpt, "LEAST_STEPS", 20)
    monkeypatch.setattr(make_gpt, "TIMES", 0)
    monkeypatch.setattr(make_gpt, "BYTES", 50)
    monkeypatch.setattr(make_gpt, "LEAST_EVERY", 10)

    def run(path=texts, out=tmp_path / "my-gpt", **changes):
        words = [word for name, value in {**OWN, **changes}.items() for word in (f"--{name}", str(value))]
        monkeypatch.setattr(sys, "argv", ["make_gpt", "--texts", str(path), "--out", str(out), "--keep", "10", *words])
        make_gpt.main()
        return out

    return run


def test_a_gpt_of_ones_own_texts_has_a_vocabulary_and_steps_that_these_can_carry(own, tmp_path, capsys):
    (tmp_path / "texts" / "picture").write_bytes(b"\xff")
    out = own()
    printed = capsys.readouterr().out
    files = text_files(tmp_path / "texts")
    size = sum(len(file.text.encode()) for file in files if not file.held_out)
    tokenizer, model = load_tokenizer(out / "tokenizer.json"), load_gpt(out / "gpt.safetensors")
    assert tokenizer.get_vocab_size() == model.settings["n_tokens"] == size // make_gpt.BYTES > 257
    written = json.loads((out / "history.json").read_text(encoding="utf-8"))
    assert written["options"]["steps"] == 20 and written["options"]["texts"] == str(tmp_path / "texts")
    bits = {row["step"]: row["held_out_bits_per_byte"] for row in written["history"]}
    assert [*bits] == [0, 10, 20] and bits[20] < 0.8 * bits[0] and (out / "gpt-10.safetensors").exists()
    assert "1 not in UTF-8" in printed and f"a vocabulary of {size // make_gpt.BYTES}; 20 steps read" in printed
    held = [file.text for file in files if file.held_out]
    assert bits_per_byte(token_losses(model, tokenize(held, tokenizer)), held) == pytest.approx(bits[20], abs=0.01)
    noted = json.loads((out / "texts.json").read_text(encoding="utf-8"))
    assert noted == {"texts": str(tmp_path / "texts"), "labels": "none", "files": fingerprint(files)}


def test_one_file_is_enough(own, tmp_path, capsys):
    out = own(tmp_path / "texts" / "1 é.txt", labels="none")
    assert "1 texts," in (printed := capsys.readouterr().out) and "held out: 1," in printed
    assert load_gpt(out / "gpt.safetensors").settings["n_tokens"] == 257


def test_a_run_on_ones_own_texts_goes_on_and_ends_as_if_it_had_not_been_stopped(own, tmp_path, monkeypatch):
    whole = own(out=tmp_path / "whole")
    stop(monkeypatch, own)
    (tmp_path / "texts").rename(tmp_path / "moved")  # they are known by what they are, not where
    out = own(tmp_path / "moved")
    one, other = (load_gpt(folder / "gpt.safetensors").state_dict() for folder in (whole, out))
    assert all(torch.equal(value, other[weight]) for weight, value in one.items())
    assert json.loads((out / "texts.json").read_text())["texts"] == str(tmp_path / "moved")


def test_a_run_does_not_go_on_with_other_texts(own, make, tmp_path, capsys):
    out = own(tokens=300)
    before = contents(out)
    (tmp_path / "texts" / "0 é.txt").write_text("other")
    for again in (lambda: own(tokens=300), lambda: make(out)):
        with pytest.raises(SystemExit):
            again()
        assert contents(out) == before and "a run with" in capsys.readouterr().err
    (out / "last.safetensors").unlink()
    (out / "gpt.safetensors").unlink()
    (out / "gpt-10.safetensors").unlink()
    (out / "history.json").unlink()
    (out / "tokenizer.json").unlink()
    with pytest.raises(SystemExit):
        own(tokens=300)
    assert "texts.json is about other texts" in capsys.readouterr().err


def test_a_vocabulary_larger_than_the_texts_give_is_told_of(own, tmp_path, capsys):
    out = own(tokens=5_000)
    n_tokens = load_tokenizer(out / "tokenizer.json").get_vocab_size()
    assert n_tokens < 1_000 and load_gpt(out / "gpt.safetensors").settings["n_tokens"] == n_tokens
    assert f"the texts give {n_tokens} tokens, of the 5,000 that were asked for" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("place", "bad", "words"),
    [
        ("texts", {"labels": "python"}, "labels is 'python'; expected 'none' with texts"), ("nowhere", {}, "which is missing"),
        ("empty", {}, "has no text in UTF-8"), ("small", {}, "context is 16; expected less than the 13 tokens"), ("texts", {"tokens": 256}, "tokens is 256"),
        ("texts", {"out": "texts/my-gpt"}, "in the folder of the texts"), ("texts", {"out": "texts"}, "in the folder of the texts"),
        ("texts", {"steps": 0}, "steps is 0"), ("texts", {"heads": 3}, "n_heads is 3"),
    ],
)  # fmt: skip
def test_texts_that_do_not_fit_are_refused_before_anything_is_written(own, tmp_path, place, bad, words, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "small").write_text("few words, so")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit):
        own(tmp_path / place, **{name: tmp_path / value if name == "out" else value for name, value in bad.items()})
    assert words in capsys.readouterr().err and sorted(tmp_path.rglob("*")) == before


def test_on_pythons_library_a_run_has_the_settings_that_it_always_had(make, tmp_path):
    make(tmp_path)
    notes = json.loads(files.read_tensors(tmp_path / "last.safetensors")[1]["settings"])
    assert notes == SIZES | {
        "lr": 0.02, "seed": 0, "decay": 0.1, "keep": [0, 8], "bfloat16": True,
        "files": hashlib.sha256("\0".join(f"{file.name}\0{file.text}" for file in FILES).encode()).hexdigest()[:16],
    }  # fmt: skip
    assert json.loads((tmp_path / "texts.json").read_text()) == {"texts": None, "labels": "python", "files": notes["files"]}
    assert set(json.loads((tmp_path / "history.json").read_text())["options"]) == {*notes, "out"} - {"files"}
    options = make_gpt.argparse.Namespace(texts=None, steps=None, tokens=None, every=None)
    for name in ("steps", "tokens", "every"):
        make_gpt.fill(options, name, 1)
    assert (options.steps, options.tokens, options.every) == (5000, 2048, 500)


def test_training_that_diverges_stops_at_once_and_leaves_only_good_weights(make, tmp_path, capsys):
    with pytest.raises(SystemExit):
        make(tmp_path, lr=1e9, every=1)
    assert "training has diverged" in capsys.readouterr().err
    for path in tmp_path.glob("*.safetensors"):
        tensors, _ = files.read_tensors(path)
        assert all(torch.isfinite(value.float()).all() for value in tensors.values()), path.name
    assert (tmp_path / "last.safetensors").exists() and not (tmp_path / "gpt.safetensors").exists()


def test_a_model_that_knows_nothing_needs_the_logarithm_of_the_number_of_tokens():
    tokenizer = train_tokenizer([FILES[0].text], 280)
    text, model = tokenize([FILES[1].text], tokenizer), GPT(280, 16, 1, 2, 16)
    with torch.no_grad():
        model.embed.weight.zero_()
    expected = math.log2(280) * (len(text.ids) - 1) / 1_000
    assert bits_per_byte(token_losses(model, text), [1_000 * "x"]) == pytest.approx(expected)


def test_the_learning_rate_rises_falls_and_ends_at_nothing():
    rates = [make_gpt.rate(step, 100, 0.5) for step in range(101)]
    assert rates[0] == 0.25 and max(rates) == rates[1] == 0.5 and rates[100] == 0
    assert rates[2:] == sorted(rates[2:], reverse=True) and make_gpt.rate(0, 1, 0.5) == 0.5


def test_eight_bits_hold_a_weight_within_a_sixteenth_whatever_the_scale_of_its_row(tmp_path):
    model = GPT(50, 24, 1, 3, 10)
    with torch.no_grad():
        model.embed.weight *= torch.logspace(-1, 2, 50)[:, None]
    save_gpt(model, tmp_path / "gpt", precision=torch.float8_e4m3fn)
    save_gpt(model, tmp_path / "half")
    found = load_gpt(tmp_path / "gpt")
    for name, value in model.named_parameters():
        step = value.abs().amax(dim=-1, keepdim=True) / 448 / 512  # the finest that a row's scale leaves
        assert ((found.get_parameter(name) - value).abs() <= value.abs() / 15 + step).all(), name
    assert (tmp_path / "gpt").stat().st_size < 0.7 * (tmp_path / "half").stat().st_size
    with pytest.raises(ValueError, match="precision is torch.float32; expected torch.float16 or"):
        save_gpt(model, tmp_path / "other", precision=torch.float32)


def test_the_books_gpt_needs_as_few_bits_as_its_card_says():
    """On some of the files kept aside, so that it takes a moment only."""
    from saelib.data import python_files
    from saelib.gpt import SHIPPED

    files = [file for file in python_files() if file.held_out and len(file.text) < 4_000]
    texts = [file.text for file in files]
    text = tokenize(texts, load_tokenizer())
    models = [load_gpt(SHIPPED / f"gpt{step}.safetensors") for step in ("-50", "-200", "-1000", "")]
    bits = [bits_per_byte(token_losses(model, text), texts) for model in models]
    assert bits == sorted(bits, reverse=True) and bits[-1] < 1.25
    card, history = ((SHIPPED / name).read_text(encoding="utf-8") for name in ("README.md", "history.json"))
    for row in json.loads(history)["history"]:
        if row["step"] % 1_000 == 0:
            assert f"| {row['step']:,} | {row['held_out_bits_per_byte']:.2f} |" in card
