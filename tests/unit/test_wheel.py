"""What `pip install .` brings into an empty environment, out of reach of this checkout: the README's examples run there."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
EARLIER = re.compile(r"saelib/weights/(gpt|sae)-\d")


def needed(asked: list[str]) -> list[Distribution]:
    """The packages that pip would install for what is asked, as this environment has them."""
    found: dict[tuple[str, str], Distribution] = {}
    waiting = [(text, "") for text in asked]
    while waiting:
        text, extra = waiting.pop()
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
            continue
        for asking in {(canonicalize_name(wanted.name), extra) for extra in ("", *wanted.extras)} - set(found):
            found[asking] = distribution(asking[0])
            waiting += [(further, asking[1]) for further in found[asking].requires or []]
    return list(found.values())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout, made from a copy, in which no earlier one has left anything."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "saelib", folder / "copy" / "saelib", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "copy")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", folder, folder / "copy"], check=True)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel):
    """The wheel unpacked, and beside it links to what it names as its needs, and to nothing else."""
    site = wheel.parent / "site"
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    (metadata,) = site.glob("saelib-*.dist-info")
    for package in needed(Distribution.at(metadata).requires):
        for name in {file.parts[0] for file in package.files} - {"..", "__pycache__"}:
            if not (site / name).exists():
                (site / name).symlink_to(package.locate_file(name))
    return site


def run(code: str, site: Path, folder: Path) -> str:
    """What `code` prints in a Python that has nothing but `site`, started in `folder`. -S: without this environment's packages."""
    python, environment = [sys.executable, "-S", "-c", code], {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(python, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_holds_the_library_and_the_weights_of_the_books_last_gpt_and_nothing_else(wheel):
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "saelib").rglob("*") if path.is_file()}
    here = {name for name in files if not re.search(r"/(__pycache__/|\.)", name)}
    assert {name for name in here if EARLIER.match(name)}
    found = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert found == {name for name in here if not EARLIER.match(name)}


def test_the_readmes_examples_run_one_after_the_other_and_write_what_they_say(installed, tmp_path):
    assert len(EXAMPLES) == 2
    say = "\nprint(saelib.__file__, tuple(codes.shape), (codes != 0).sum(dim=1).max().item() <= 8, sep='\\n')"
    assert run("".join(EXAMPLES) + say, installed, tmp_path).splitlines()[-3:] == [
        str(installed / "saelib" / "__init__.py"), "(297, 128)", "True",
    ]  # fmt: skip
    assert (tmp_path / "runs" / "digits" / "cfg.json").is_file()
    assert (tmp_path / "features.html").stat().st_size > 100_000


def test_who_asks_it_for_the_gpt_at_an_earlier_step_is_told_where_that_is(installed, tmp_path):
    code = """
import saelib
for load, name in ((saelib.load_gpt, "gpt-50.safetensors"), (saelib.load, "sae-50")):
    try:
        load(saelib.gpt.SHIPPED / name)
    except FileNotFoundError as error:
        print(error)
"""
    said = run(code, installed, tmp_path).splitlines()
    assert len(said) == 2
    for line, name in zip(said, ("gpt-50.safetensors", "sae-50")):
        assert line.startswith(f"{installed / 'saelib' / 'weights' / name} is missing; expected a f")
        assert line.endswith("the book's GPT at earlier steps, and the autoencoders of those, are in its repository only, in saelib/weights")
