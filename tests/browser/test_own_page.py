"""A page that `python -m saelib.live_page` made of a GPT of one's own: opened as a file, and typed into."""

import json
import re
import sys

import pytest
import saelib
import torch
from pages import WIDE, visit
from playwright.sync_api import expect
from saelib import GPT, live_page
from saelib.data import text_files, train_tokenizer
from saelib.data.text_files import RECORD, fingerprint
from saelib.gpt import save_gpt

TEXT = "Dear Ada, it rains again, and the cat\nsleeps on the letters. Grüße aus dem Garten 🐈!\n\n"


@pytest.fixture
def folder(tmp_path):
    """A folder as make_gpt and make_sae leave it: weights drawn by lot will do."""
    (tmp_path / "texts").mkdir()
    for number in range(12):
        (tmp_path / "texts" / f"{number}.txt").write_text(3 * TEXT.replace("cat", f"cat {number}"), encoding="utf-8")
    folder, files, tokenizer = tmp_path / "my-gpt", text_files(tmp_path / "texts"), train_tokenizer([TEXT], 280)
    for name, seed in (("gpt", 1), ("gpt-5", 2)):
        gpt = GPT(280, 16, 2, 2, 64, seed=seed)
        with torch.no_grad():
            gpt.embed.weight.mul_(20)  # so that some tokens are likelier than others
        save_gpt(gpt, folder / f"{name}.safetensors", precision=torch.float8_e4m3fn, step="20")
    tokenizer.save(str(folder / "tokenizer.json"))
    saelib.SparseAutoencoder(16, 32, saelib.TopK(4), seed=1).save(folder / "sae")
    (folder / "sae" / "made.json").write_text(json.dumps({"part": "blocks.0"}))
    (folder / RECORD).write_text(json.dumps({"texts": str(tmp_path / "texts"), "labels": "none", "files": fingerprint(files)}))
    return folder


def answered(section):
    expect(section.locator(".sae-strip [role=option]").first).to_be_visible(timeout=30_000)
    section.page.wait_for_function("document.querySelector('.sae-live').getAttribute('aria-busy') === 'false'", timeout=30_000)
    return section


def guesses(section) -> list[str]:
    return section.locator(".sae-guesses:visible").first.locator("li:not([hidden]) .sae-number").all_inner_texts()


def test_the_page_reads_what_is_typed_into_it_from_the_disk(folder, tmp_path, new_tab, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["live_page", str(folder), "--text", "Dear"])
    live_page.main()
    tab = visit(new_tab(**WIDE), (tmp_path / "my-gpt.html").as_uri())
    section = answered(tab.locator("section.sae-live"))
    assert tab.title() == live_page.OWN
    field = section.get_by_role("textbox", name="Your text")
    assert field.input_value() == "Dear"
    gpt, tokenizer = saelib.load_gpt(folder / "gpt.safetensors"), saelib.load_tokenizer(folder / "tokenizer.json")
    for text in ("It rains, Ada", "Grüße 🐈"):
        field.fill(text)
        answered(section)
        ids = [0, *tokenizer.encode(text).ids]
        assert section.locator(".sae-strip [role=option]").count() == len(ids)
        shares = gpt(torch.tensor([ids]))[0, -1].softmax(dim=0).topk(10).values.tolist()
        shown = guesses(section)
        assert len(shown) == 10
        for words, share in zip(shown, shares):
            assert not re.fullmatch(r"[\d.]+%", words) or abs(float(words[:-1]) - 100 * share) < (0.15 if "." in words else 1.1)
    assert section.locator(".sae-on-here .sae-brick").count() > 0
    expect(section.get_by_role("slider", name="Step of training")).to_be_visible()
    section.get_by_role("button", name="Example: ").first.click()
    answered(section)
    assert field.input_value().startswith("Dear Ada, it rains again, and the cat ")
