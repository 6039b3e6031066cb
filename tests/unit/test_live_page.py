"""The program that makes a page of a GPT of one's own: what the page holds, and what is refused before anything is written."""

import base64
import json
import re
import sys

import pytest
import saelib
import torch
from saelib import GPT, live_page
from saelib.data import text_files, tokenize, train_tokenizer
from saelib.data.text_files import RECORD, fingerprint
from saelib.gpt import save_gpt
from saelib.language import token_activations

TEXT = "Dear Ada, it rains again, and the cat\nsleeps on the letters. Grüße aus dem Garten 🐈!\n\nWhat shall I write?\n"
TOKENIZER = train_tokenizer([TEXT], 290)
PAGE = re.compile(r'<script type="application/vnd.jupyter.widget-state\+json">(.*?)</script>', re.DOTALL)


def model(seed=1, n_layers=2) -> GPT:
    gpt = GPT(290, 16, n_layers, 2, 16, seed=seed).eval().requires_grad_(False)
    for weight in gpt.parameters():
        if weight.ndim == 2:
            weight.mul_(6)
    return gpt


def save_sae(folder, part="blocks.1", d_in=16, rule=None):
    sae = saelib.SparseAutoencoder(d_in, 32, rule or saelib.TopK(4), seed=1).eval()
    sae.save(folder)
    if part is not None:
        (folder / "made.json").write_text(json.dumps({"part": part}), encoding="utf-8")
    return sae


@pytest.fixture
def folder(tmp_path):
    """A folder as make_gpt leaves it."""
    texts = tmp_path / "texts"
    texts.mkdir()
    for number in range(12):
        (texts / f"{number}.txt").write_text((number % 3 + 2) * TEXT.replace("cat", f"cat {number}"), encoding="utf-8")
    folder, files = tmp_path / "my-gpt", text_files(texts)
    save_gpt(model(), folder / "gpt.safetensors", step="20")
    TOKENIZER.save(str(folder / "tokenizer.json"))
    (folder / RECORD).write_text(json.dumps({"texts": str(texts), "labels": "none", "files": fingerprint(files)}))
    return folder


@pytest.fixture
def make(monkeypatch, tmp_path):
    """A function that runs the program, and gives the state of the page's one widget, with what comes as bytes."""

    def run(*words, out=tmp_path / "my-gpt.html"):
        monkeypatch.setattr(sys, "argv", ["live_page", *map(str, words)])
        live_page.main()
        ((_, state),) = [(name, each) for name, each in states(out).items() if each["model_module"] == "anywidget"]
        return state["state"] | {each["path"][0]: base64.b64decode(each["data"]) for each in state["buffers"] if len(each["path"]) == 1}

    return run


def states(path) -> dict:
    page = path.read_text(encoding="utf-8")
    assert page.count('<script type="application/vnd.jupyter.widget-view+json">') == 1
    return json.loads(PAGE.search(page)[1])["state"]


def held(folder) -> list[str]:
    return [file.text for file in text_files(folder.parent / "texts") if file.held_out]


def test_the_page_beside_the_folder_has_one_widget_with_all_that_there_is(folder, make, tmp_path, capsys):
    sae = save_sae(folder / "sae")
    for step in (5, 10, 20, 30):  # those from the last step on are no younger selves
        save_gpt(model(seed=step), folder / f"gpt-{step}.safetensors", precision=torch.float8_e4m3fn)
    state = make(folder)
    assert state["parts"] == ["guesses", "heads", "bricks", "turn", "write", "younger"]
    assert (state["steps"], state["step"], state["block"], state["title"]) == ([5, 10], 20, 1, live_page.OWN)
    gpt = saelib.load_gpt(folder / "gpt.safetensors")
    codes = sae.encode(token_activations(gpt, "blocks.1", tokenize(held(folder), TOKENIZER))).detach()
    cards = {feature: (label, maximum) for feature, label, _, maximum in json.loads(state["cards"])}
    assert set(cards) == set((codes > 0).any(dim=0).nonzero().ravel().tolist())
    for feature, (label, maximum) in cards.items():
        assert label is None and maximum == pytest.approx(codes[:, feature].max().item(), rel=1e-3)
    printed = capsys.readouterr().out
    assert (tmp_path / "my-gpt.html").as_uri() in printed and " MB: open it in a browser" in printed and "2 earlier steps" in printed


def test_of_a_gpt_alone_it_shows_what_it_can_and_asks_no_other_host_for_anything(folder, make, tmp_path):
    state = make(folder)
    assert state["parts"] == ["guesses", "heads", "write"] and state["block"] == 0
    # The name of a namespace is no address.
    assert set(re.findall(r"https?://[\w.]+", (tmp_path / "my-gpt.html").read_text(encoding="utf-8"))) <= {"http://www.w3.org"}


def test_the_first_texts_are_the_beginnings_of_some_that_were_held_out(folder, make):
    state = make(folder)
    assert 1 <= len(state["examples"]) <= 3 and state["text"] == state["examples"][0][1]
    for name, text in state["examples"]:
        assert re.fullmatch(r"\d+", name) and any(each.startswith(text) for each in held(folder))
        assert 30 < len(text) <= 200 and text.endswith("!")
    assert make(folder, "--text", "Dear")["text"] == "Dear"
    assert make(folder, "--text", "")["text"] == ""


@pytest.mark.parametrize("text", [TEXT, "🐈" * 300, "x" * 500, "\n" * 500, "a", "one\n\n" + "long words, " * 40, ""])
def test_a_beginning_ends_with_a_token_and_is_short(text):
    found = live_page.beginning(text, TOKENIZER)
    assert text.startswith(found) and len(found) <= 200
    assert len(found) in {0, *tokenize([text], TOKENIZER).spans[:, 1].tolist()}
    assert bool(found) == bool(text)


def test_a_name_is_short_and_says_which_part():
    assert live_page.short("letters/of may.txt, part 12") == "of may, part 12"
    assert live_page.short("a, part 1.txt") == "a, part 1" and live_page.short("x" * 99) == "x" * 23 + "…"


def test_texts_of_different_files_come_first_and_two_of_a_name_are_told_apart():
    names = ["a/x.txt, part 1", "a/x.txt, part 2", "b/x.txt", "c/y.txt"]
    files = [live_page.TextFile(name, f"Text number {number}, and so on\n", True) for number, name in enumerate(names)]
    found = live_page.beginnings(files, TOKENIZER)
    assert [*found] == ["x, part 1", "x", "y"] and [text[12] for text in found.values()] == ["0", "2", "3"]
    again = live_page.beginnings([file._replace(name="a/x.txt" if i else "x.txt") for i, file in enumerate(files[:2])], TOKENIZER)
    assert [*again] == ["x", "x (2)"]


def test_a_page_of_its_own_is_written_anew_and_nothing_else_is_touched(folder, make, tmp_path, capsys):
    make(folder)
    assert make(folder, "--text", "anew")["text"] == "anew"
    (tmp_path / "mine.html").write_text("<!doctype html><title>mine</title>")
    before = sorted(tmp_path.rglob("*"))
    for out, words in {
        "mine.html": "which is no page of this program's", "page.txt": "expected a name that ends in .html", "no/page.html": "is no folder; expected one",
        "texts/page.html": "in the folder of the texts",
    }.items():  # fmt: skip
        with pytest.raises(SystemExit):
            make(folder, "--out", tmp_path / out)
        error = capsys.readouterr().err
        assert words in error and "out is " in error
    assert sorted(tmp_path.rglob("*")) == before and "mine" in (tmp_path / "mine.html").read_text()


def unfinished(folder):
    (folder / "gpt.safetensors").unlink()


def broken(folder):
    (folder / "gpt.safetensors").write_bytes(b"x")


def other_tokenizer(folder):
    train_tokenizer([TEXT], 260).save(str(folder / "tokenizer.json"))


def other_texts(folder):
    (folder.parent / "texts" / "new.txt").write_text("new")


def other_younger(folder):
    save_gpt(model(n_layers=1), folder / "gpt-5.safetensors")


BAD = [
    (unfinished, "where gpt.safetensors is missing; expected"), (broken, "gpt.safetensors can't be read"), (other_texts, "holds other texts"),
    (other_tokenizer, "has 260 tokens; expected 290"), (other_younger, "younger[5] has"),
    (lambda folder: save_sae(folder / "sae", part="blocks.1.mlp.neurons"), "which reads 'blocks.1.mlp.neurons'; expected one that reads the stream"),
    (lambda folder: save_sae(folder / "sae", part="blocks.2"), "which reads 'blocks.2'; expected at most 'blocks.1'"),
    (lambda folder: save_sae(folder / "sae", d_in=8), "which reads 8 numbers; expected 16"),
    (lambda folder: save_sae(folder / "sae", part=None), "cfg.json does not say what it reads"),
    (lambda folder: save_sae(folder / "sae", part=3), "made.json does not say what it reads"),
    (lambda folder: save_sae(folder / "sae", rule=saelib.Gated(1.0)), "expected L1, TopK"),
    (lambda folder: (folder / "sae").mkdir(), "cfg.json is missing"),
    (lambda folder: saelib.Autoencoder(16, 4).save(folder / "sae"), "expected a SparseAutoencoder"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "words"), BAD)
def test_a_folder_that_does_not_fit_is_refused_and_nothing_is_written(folder, make, tmp_path, capsys, spoil, words):
    spoil(folder)
    with pytest.raises(SystemExit):
        make(folder)
    assert words in capsys.readouterr().err and not [*tmp_path.glob("*.html"), *tmp_path.glob(".*")]


def test_what_is_missing_or_no_text_is_named(folder, make, tmp_path, capsys):
    for words, said in (
        ([tmp_path / "nowhere"], "gpt is '"), ([folder / "gpt.safetensors"], "which is a file; expected the folder"),
        ([folder, "--sae", tmp_path / "nowhere"], "sae is '"), ([folder, "--text", "\udcff"], "text is '\\udcff', with '\\udcff' at 0; expected"),
    ):  # fmt: skip
        with pytest.raises(SystemExit):
            make(*words)
        assert said in capsys.readouterr().err and not [*tmp_path.glob("*.html")]


def test_an_autoencoder_elsewhere_may_say_what_it_reads_as_saelens_does(folder, make, tmp_path):
    save_sae(tmp_path / "box", part=None)
    settings = json.loads((tmp_path / "box" / "cfg.json").read_text())
    settings["metadata"]["hook_name"] = "blocks.0.hook_resid_post"
    (tmp_path / "box" / "cfg.json").write_text(json.dumps(settings))
    state = make(folder, "--sae", tmp_path / "box")
    assert state["block"] == 0 and "turn" in state["parts"] and state["box"]
