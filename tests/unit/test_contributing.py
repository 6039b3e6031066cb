"""The recipes of CONTRIBUTING.md, followed word for word, and what the papers beside the book say of its version."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import published
import pytest
import saelib
import yaml
from saelib.widgets import Quiz

ROOT = Path(__file__).parents[2]
RECIPES = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
WRITTEN = dict(re.findall(r"```\w+\n(?:#|//) (\S+)\n(.*?)```", RECIPES, re.DOTALL))  # what it says to write, by the file
WIDGETS = Path("saelib", "widgets")

# What somebody does next who has followed them.
USE = """
import json, sys, torch, saelib
from saelib.sparsity import Tanh
from saelib.widgets import HowPale, Quiz, save_html

x = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
sae = saelib.SparseAutoencoder(5, 12, Tanh(0.1))
history = saelib.train(sae, x, steps=5, batch_size=50, lr=1e-2, seed=0, progress=False)
sae.save("tanh")
back = saelib.load("tanh")

sky = {"id": "sky", "kind": "true-false", "prompt": "Is the sky blue?", "true": True, "feedback": "Look up."}
try:
    Quiz([{**sky, "true": "maybe"}])
except ValueError as error:
    refused = str(error)
quiz = Quiz([sky])
quiz.answers = {"sky": True}

page = save_html(HowPale(40), "how_pale.html").read_text()
print(json.dumps({
    "from": saelib.__file__,
    "same": torch.equal(back.encode(x), sae.encode(x)) and repr(back.sparsity),
    "quiz": [refused, quiz.score, 'KINDS["true-false"]' in quiz._esm],
    "page": "How pale?" in page and "Drawn at" in page,
}))
"""


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """What came of the recipes for a rule, a kind of question and an explorable, in a copy of the library."""
    folder = tmp_path_factory.mktemp("stranger")
    shutil.copytree(ROOT / "saelib", folder / "saelib", ignore=shutil.ignore_patterns("weights", "__pycache__"))
    for name, text in WRITTEN.items():
        if name.startswith("saelib/"):
            with (folder / name).open("a", encoding="utf-8") as file:
                file.write(f"\n\n{text}" if name == "saelib/sparsity.py" else text)
    for room, line in ((WIDGETS / "explorables", "from .how_pale import HowPale"), (WIDGETS, "from .explorables import HowPale")):
        with (folder / room / "__init__.py").open("a", encoding="utf-8") as file:
            file.write(f'{line}\n__all__ += ["HowPale"]\n')
    done = subprocess.run([sys.executable, "-c", USE], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert Path(found["from"]).is_relative_to(folder)
    return found


def test_a_rule_in_one_file_trains_and_comes_back_from_its_file(followed):
    assert followed["same"] == "Tanh(coefficient=0.1)"


def test_a_kind_of_question_in_one_folder_is_checked_scored_and_asked(followed):
    refused, score, travels = followed["quiz"]
    assert "question sky, true: got 'maybe'; expected true or false" in refused and score == 1 and travels


def test_an_explorable_becomes_a_page(followed):
    assert followed["page"]


def test_a_question_is_one():
    (asked,) = yaml.safe_load(WRITTEN["book/NAME.quiz.yml"].replace("NAME", "intro"))
    assert Quiz([asked]).total == 1


def test_what_the_recipes_name_is_there():
    told = re.sub(r"```.*?```", "", RECIPES, flags=re.DOTALL)
    files = [name for name in re.findall(r"`((?:book|saelib|tests)/[^`]*|\w+\.(?:md|cff|yml))`", told) if "NAME" not in name]
    assert len(files) > 10 and [name for name in files if not (ROOT / name).exists()] == []
    tests = re.findall(r"\btests/[\w/]+\.py", RECIPES)
    assert [name for name in tests if not (ROOT / name).is_file()] == []
    targets = re.findall(r"`make ([\w./-]+)`", told) + re.findall(r"^ *make (\S+)$", RECIPES, re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets and [name for name in targets if not re.search(rf"^{re.escape(name)}:", makefile, re.MULTILINE)] == []


def test_the_readme_leads_to_both():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "](CONTRIBUTING.md)" in readme and "](CHANGELOG.md)" in readme


# The version. (That what cites it names the same one is tested with the other references.)


def test_the_package_takes_its_version_from_the_library():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "saelib.__version__"}


def test_every_page_ends_with_the_librarys_version(monkeypatch):
    settings = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    monkeypatch.setattr(saelib, "__version__", "7.8.9")
    config = SimpleNamespace(html_theme_options={"extra_footer": settings["html"]["extra_footer"]})
    published.say_version(None, config)
    assert config.html_theme_options["extra_footer"].startswith("<p>Version 7.8.9. ")


def test_the_changelog_has_this_version_with_its_day():
    assert re.search(rf"^## {re.escape(saelib.__version__)} \(\d{{4}}-\d\d-\d\d\)$", CHANGELOG, re.MULTILINE)
