"""The harness: that it shifts every seed, goes on after what fails, and resumes; and that the committed runs bear out the book's claims."""

import json
import re
import subprocess
import sys
import warnings
from pathlib import Path

import nbformat
import numpy as np
import pytest
import replicate
import run
import saelib
import torch
from saelib.claims import key, written

ROOT = Path(__file__).parents[2]
CHAPTERS = replicate.chapters()
RESULTS = replicate.load(replicate.RESULTS)["chapters"]
CLAIMS = {claim.name: (chapter, claim) for chapter, code in CHAPTERS.items() for claim in written(code)}
MARK = re.compile(r"\[([^\]]+)\]\(claim:([^)]*)\)")


def texts() -> dict[str, str]:
    """Where words can rest on a claim: the chapters' prose, the other pages, the questions."""
    found = {path.name: path.read_text(encoding="utf-8") for path in [*(ROOT / "book").glob("*.md"), *(ROOT / "book").glob("*.quiz.yml")]}
    for path in (ROOT / "book").glob("*.ipynb"):
        found[path.name] = "\n\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")
    return found


MARKS = [(file, words, name) for file, text in texts().items() for words, name in MARK.findall(text)]


# The committed runs.


def replicated(chapter: str) -> dict:
    assert chapter in RESULTS, f"{chapter} has not been replicated: make replicate"
    return RESULTS[chapter]


def test_a_claim_has_a_name_that_no_other_has_and_that_says_its_chapter():
    names = [claim.name for code in CHAPTERS.values() for claim in written(code)]
    assert len(names) == len(set(names)) and all(name.startswith(f"{chapter}-") for name, (chapter, _) in CLAIMS.items())


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_was_run_over_seeds_and_paths_and_nothing_else_went_wrong(chapter):
    runs = replicated(chapter)["runs"]
    assert len({run["run"] for run in runs}) == len(runs)
    assert len({run["path"] for run in runs}) >= 3
    assert [run for run in runs if "errors" in run] == []
    if RESULTS[chapter]["key"] != key(CHAPTERS[chapter]):
        warnings.warn(f"the code of {chapter} has changed since it was replicated: make replicate", stacklevel=1)
    assert len(runs) >= replicate.enough(chapter), "make replicate"


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_held_in_nearly_every_run(name):
    chapter, claim = CLAIMS[name]
    values = replicated(chapter)["values"].get(name, [])
    assert len(values) == len(RESULTS[chapter]["runs"]), f"{name} has not been replicated: make replicate"
    otherwise = [value for value in values if value is None or not claim.holds(value)]
    assert len(otherwise) <= (1 - replicate.SHARE) * len(values), (claim, otherwise)


def test_what_was_run_is_what_the_book_claims():
    assert {name for own in RESULTS.values() for name in own["values"]} == set(CLAIMS)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_account_beside_the_runs_is_of_the_bounds_that_the_claims_have(chapter):
    assert replicated(chapter)["claims"] == replicate.account(CHAPTERS[chapter], replicated(chapter)), "make replicate brings it up to date"


# The words that rest on claims.


@pytest.mark.parametrize("file, words, name", MARKS)
def test_words_rest_on_a_claim_that_there_is(file, words, name):
    assert name in CLAIMS


def test_every_claim_is_pointed_at_somewhere():
    assert set(CLAIMS) - {name for _, _, name in MARKS} == set()


def numerals(words: str):
    return [
        (float(number.replace(",", "")) / (100 if percent else 1), percent) for number, percent in re.findall(r"(\d[\d,]*(?:\.\d+)?)( ?%)?", words)
    ]


@pytest.mark.parametrize("file, words, name", [mark for mark in MARKS if re.search(r"\d", mark[1])])
def test_a_numeral_in_marked_words_lies_within_the_bounds(file, words, name):
    """Where the words hold a single number, it is one for which the claim is true."""
    claim = CLAIMS[name][1]
    found = numerals(words)
    if len(found) == 1:
        ((number, percent),) = found
        if percent and not claim.show.endswith("%"):
            number *= 100
        low, high = (end if end is not None else number for end in (claim.above, claim.below))
        assert low <= number <= high, (words, claim)


# The harness itself.


def drawn():
    sae = saelib.SparseAutoencoder(4, 8, saelib.TopK(2))
    dense = saelib.Autoencoder(4, 2)
    digits, held_out = saelib.data.digits()
    world = saelib.data.planted(d_in=4, features=6, active=2, seed=0)
    batches = saelib.training.TensorBatches(digits.x, 10, 0)
    return {
        "a generator": torch.rand(3, generator=torch.Generator().manual_seed(0)),
        "weights of an SAE": sae.W_dec.detach(),
        "weights of an autoencoder": dense.encoder[0].weight.detach(),
        "the split of the digits": held_out.x[0],
        "a planted world": world.dictionary,
        "a sample of it": world.sample(3, seed=1)[0],
        "the order of examples": batches.next_batch(),
        "cats": saelib.data.cartoon_cats(3, seed=0).images,
        "NumPy": torch.tensor(np.random.RandomState(0).rand(3)),
        "NumPy's generators": torch.tensor(np.random.default_rng(0).random(3)),
    }


def test_every_seed_is_shifted_and_back_again_afterwards():
    before = drawn()
    with run.shifted(1_000):
        shifted = drawn()
        again = drawn()
    after = drawn()
    for name in before:
        assert not torch.equal(before[name], shifted[name]), name
        assert torch.equal(shifted[name], again[name]), name
        assert torch.equal(before[name], after[name]), name


def test_a_shift_by_nothing_changes_nothing():
    before = drawn()
    with run.shifted(0):
        assert all(torch.equal(value, before[name]) for name, value in drawn().items())


def test_the_first_weights_of_a_gpt_stay_as_they_are():
    whole = saelib.load_gpt().settings
    before = saelib.GPT(**whole, seed=0).unembed.weight
    with run.shifted(1_000):
        assert torch.equal(saelib.GPT(**whole, seed=0).unembed.weight, before)
        moved = saelib.Autoencoder(4, 2).encoder[0].weight
    assert not torch.equal(moved, saelib.Autoencoder(4, 2).encoder[0].weight)


def test_numpy_seeds_that_are_no_whole_numbers_stay():
    with run.shifted(1_000):
        state = np.random.RandomState([1, 2]).rand()
    assert state == np.random.RandomState([1, 2]).rand()


CELLS = [
    "import torch\nfrom saelib.claims import claim",
    'claim("tiny-drawn", "A number is drawn", torch.rand(1, generator=torch.Generator().manual_seed(0)), above=0, below=1)',
    'claim("tiny-wrong", "One is two", 1, above=1.5)\nclaim("tiny-after", "It goes on", 2, above=1.5)',
]
BROKEN = "1 / 0"
LAST = 'claim("tiny-last", "Still there", 3, above=0)'
SKIPPED = 'claim("tiny-skipped", "Not run", 3, above=0)'


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book of one small chapter, and a function that writes it with these cells."""
    (tmp_path / "book").mkdir()
    monkeypatch.setattr(replicate, "ROOT", tmp_path)

    def write(*cells):
        made = [nbformat.v4.new_code_cell(cell, metadata={"tags": ["skip-execution"]} if cell == SKIPPED else {}) for cell in cells]
        nbformat.write(nbformat.v4.new_notebook(cells=made), tmp_path / "book" / "tiny.ipynb")

    write(*CELLS)
    return tmp_path, write


def test_runs_differ_in_their_seeds_and_a_claim_that_fails_stops_nothing(book):
    folder, _ = book
    own = replicate.replicate(["tiny"], 3, folder / "results.json")["chapters"]["tiny"]
    assert sorted(run["run"] for run in own["runs"]) == [0, 1, 2]
    assert {run["path"] for run in own["runs"]} == set(list(replicate.PATHS)[:3])
    assert len(set(own["values"]["tiny-drawn"])) == 3
    assert own["values"]["tiny-wrong"] == [1, 1, 1] and own["values"]["tiny-after"] == [2, 2, 2]
    kept = json.loads((folder / "results.json").read_text())["chapters"]["tiny"]
    fared = kept.pop("claims")
    assert kept == own
    assert fared["tiny-wrong"] == {"above": 1.5, "below": None, "held": 0, "runs": 3, "least": 1, "middle": 1, "largest": 1}
    assert fared["tiny-drawn"]["held"] == 3 and fared["tiny-drawn"]["room"] > 0


def test_what_was_run_is_not_run_again_until_the_code_measures_something_else(book, monkeypatch):
    folder, write = book
    file = folder / "results.json"
    replicate.replicate(["tiny"], 2, file)
    before = file.read_bytes()
    write(CELLS[0], CELLS[1].replace("A number is drawn", "It is drawn").replace("below=1", "below=2"), CELLS[2] + "  # a remark")
    monkeypatch.setattr(replicate, "run", lambda *_: pytest.fail("it was run again"))
    replicate.replicate(["tiny"], 2, file)
    assert file.read_bytes() == before
    monkeypatch.undo()
    monkeypatch.setattr(replicate, "ROOT", folder)
    write(CELLS[0], CELLS[1].replace("manual_seed(0)", "manual_seed(7)"), CELLS[2])
    own = replicate.replicate(["tiny"], 1, file)["chapters"]["tiny"]
    assert len(own["runs"]) == 1 and own["values"]["tiny-drawn"][0] != json.loads(before)["chapters"]["tiny"]["values"]["tiny-drawn"][0]


def test_after_a_stop_only_what_is_missing_is_run(book, monkeypatch):
    folder, _ = book
    file, made, whole = folder / "results.json", [], replicate.run

    def stopped(notebook, number, out):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(number)
        return whole(notebook, number, out)

    monkeypatch.setattr(replicate, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        replicate.replicate(["tiny"], 5, file)
    kept = {run["run"] for run in replicate.load(file)["chapters"]["tiny"]["runs"]}
    made.clear()
    monkeypatch.setattr(replicate, "run", lambda notebook, number, out: made.append(number) or whole(notebook, number, out))
    replicate.replicate(["tiny"], 5, file)
    assert sorted(made) == sorted({*range(5)} - kept) and len(kept) <= 2
    assert sorted(run["run"] for run in replicate.load(file)["chapters"]["tiny"]["runs"]) == [*range(5)]


def test_a_cell_that_breaks_is_written_down_and_the_others_are_run(book, capsys):
    folder, write = book
    write(*CELLS, BROKEN, LAST, SKIPPED)
    results = replicate.replicate(["tiny"], 1, folder / "results.json")
    own = results["chapters"]["tiny"]
    assert "ZeroDivisionError" in own["runs"][0]["errors"][0]["error"] and own["values"]["tiny-last"] == [3]
    assert "tiny-skipped" not in own["values"]
    assert replicate.report(results, ["tiny"]) is False
    said = capsys.readouterr().out
    assert "ERRORS in [0]" in said and "NOT tiny-wrong: above 1.5; held 0 of 1" in said and "ok  tiny-after" in said


def test_a_claim_that_a_run_did_not_reach_has_not_held(book):
    folder, write = book
    write(
        "import torch\nfrom saelib.claims import claim",
        'if torch.rand(1, generator=torch.Generator().manual_seed(0)) < 2:\n    raise ValueError\nclaim("tiny-never", "Never", 1, above=0)',
        LAST,
    )
    results = replicate.replicate(["tiny"], 1, folder / "results.json")
    assert results["chapters"]["tiny"]["values"].get("tiny-never") is None and replicate.report(results, ["tiny"]) is False


def test_the_paths_reach_the_process(book):
    folder, write = book
    write('import os\nfrom saelib.claims import claim\nclaim("tiny-avx2", "MKL is told", os.environ.get("MKL_ENABLE_INSTRUCTIONS") == "AVX2", above=-1)\n'
          'claim("tiny-threads", "Threads are", int(os.environ["OMP_NUM_THREADS"]), above=0)')  # fmt: skip
    own = replicate.replicate(["tiny"], 6, folder / "results.json")["chapters"]["tiny"]
    paths = [run["path"] for run in own["runs"]]
    assert own["values"]["tiny-avx2"] == [float("AVX2" in path) for path in paths]
    assert own["values"]["tiny-threads"] == [2 if "two threads" in path else 1 for path in paths]


def test_the_command_names_a_chapter_that_it_does_not_know():
    done = subprocess.run([sys.executable, replicate.__file__, "--only", "cats", "--report"], capture_output=True, text=True)
    assert done.returncode == 2 and "no claims in cats" in done.stderr
