"""`make` says at once what it needs of Python, and not after a minute of installing."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
# A Python that says it is another one.
FAKE = """#!/bin/sh
if [ "$1" = --version ]; then echo "Python {version}"; exit; fi
exec {python} -c 'import platform, sys
sys.version_info = ({numbers}, "final", 0)
platform.system, platform.machine = (lambda: "{system}"), (lambda: "{machine}")
exec(sys.argv[2])' "$@"
"""


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize(
    ("version", "system", "machine", "says"),
    [
        ("3.10.12", "Linux", "x86_64", "is Python 3.10.12, which some of the packages refuse: Python 3.11.5 or newer is needed"),
        ("3.11.2", "Linux", "x86_64", "is Python 3.11.2, which some of the packages refuse: Python 3.11.5 or newer is needed"),
        ("3.14.1", "Linux", "aarch64", "and not 3.14.1"),
        ("3.12.1", "Darwin", "x86_64", "not made for Macs with an Intel processor"),
        (None, "Linux", "x86_64", "is not there: Python 3.11.5 or newer is needed"),
    ],
)
def test_a_python_that_will_not_do_is_refused_at_once(tmp_path, version, system, machine, says):
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "other-python"
    if version:
        numbers = version.replace(".", ", ")
        python.write_text(FAKE.format(version=version, numbers=numbers, system=system, machine=machine, python=sys.executable))
        python.chmod(0o755)
    made = subprocess.run(["make", ".venv/.stamp", f"PYTHON3={python}"], cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode != 0 and says in made.stdout
    assert not (tmp_path / ".venv").exists()


def test_every_pinned_package_goes_with_the_pythons_that_are_let_through():
    from importlib.metadata import metadata

    from packaging.specifiers import SpecifierSet

    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        name, _, pinned = line.partition("==")
        if pinned and (wanted := metadata(name)["Requires-Python"]):
            for python in ("3.11.5", "3.12.0", "3.13.0", "3.14.0", "3.14.2"):
                assert SpecifierSet(wanted).contains(python), f"{name} refuses Python {python}"


def test_before_a_commit_all_checks_are_made_and_nothing_else():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    checks = re.search(r"^CHECKS := (.+)$", makefile, re.MULTILINE)[1].split()
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [hook["entry"] for hook in local["hooks"]] == [f"make {check}" for check in checks] and local["repo"] == "local"
    assert all(f"\n{check}:\n" in makefile for check in checks)
