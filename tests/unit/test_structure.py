"""How the library is built: which room may use which, what it costs to import, and that its two palettes are one."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest
import saelib
from saelib import plots

HERE = Path(saelib.__file__).parent
ROOMS = re.findall(r"^    (\w+) {2,}\S", saelib.__doc__, flags=re.MULTILINE)


def test_every_room_stands_in_the_list_and_nothing_else_does():
    found = {path.stem for path in HERE.glob("*.py")} | {path.parent.name for path in HERE.glob("*/__init__.py")}
    assert {*ROOMS, "__init__"} == found and len(ROOMS) == len(set(ROOMS))


def imported(source: str, *folders: str) -> set[str]:
    """The rooms of saelib that a module of this source imports, within functions too; it lies in these folders of saelib."""
    found: set[str] = set()
    package = ("saelib", *folders)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            found |= {".".join([*base, *filter(None, [node.module]), name.name]) for name in node.names}
    return {name.split(".")[1] for name in found if name.startswith("saelib.")}


def used(path: Path) -> set[str]:
    return imported(path.read_text(encoding="utf-8"), *path.relative_to(HERE).parent.parts)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_those_above_it(room):
    files = sorted((HERE / room).rglob("*.py")) or [HERE / f"{room}.py"]
    for path in files:
        assert used(path) <= {*ROOMS[: ROOMS.index(room)], *([room] if len(files) > 1 else [])}, path.name


def test_the_order_of_the_rooms_is_really_looked_at():
    assert used(HERE / "training.py") == {"checks", "files", "kernels", "models", "streams"}
    assert {"checks", "models", "sparsity"} <= used(HERE / "storage.py")
    assert used(HERE / "widgets" / "explorables" / "explorable.py") >= {"checks", "data", "models", "widgets"}


@pytest.mark.parametrize("room, other", [("quiz", "explorables"), ("explorables", "quiz")])
def test_the_rooms_of_the_widgets_share_only_what_lies_beside_them(room, other):
    files = [path for path in (HERE / "widgets" / room).rglob("*") if path.suffix in (".py", ".js")]
    assert len(files) > 10
    for path in files:
        named = re.findall(r"^(?:from|import) .*", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert not [line for line in named if re.search(rf"\b{other}\b", line)], path.name


@pytest.mark.parametrize(
    ("line", "room"),
    [
        ("import saelib.plots", "plots"), ("from saelib import plots", "plots"), ("from saelib.plots import theme", "plots"),
        ("from .. import plots", "plots"), ("from ..plots import theme", "plots"), ("from .quiz import Quiz", "widgets"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "around", ["{}", "def f():\n    {}", "async def f():\n    {}", "class C:\n    def f(self):\n        if self:\n            {}"]
)
def test_an_import_is_seen_wherever_it_stands(around, line, room):
    assert imported(around.format(line), "widgets") == {room}


def test_importing_saelib_brings_in_neither_jupyter_nor_pictures_nor_tables():
    code = """
import json, sys, torch
before = {name.split(".")[0] for name in sys.modules}
import saelib
print(json.dumps([sorted(before), sorted({name.split(".")[0] for name in sys.modules})]))
"""
    before, found = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert {"saelib", "torch", "safetensors"} <= set(found)
    assert set(found) - set(before) - sys.stdlib_module_names <= {"saelib", "safetensors", "tqdm"}  # all else waits for who needs it
    heavy = {"IPython", "ipywidgets", "anywidget", "traitlets", "matplotlib", "seaborn", "pandas", "sklearn", "skimage", "scipy"}
    assert heavy & set(found) == set()


def test_the_names_that_are_promised_are_there():
    assert set(saelib.__all__) >= {"Autoencoder", "SparseAutoencoder", "train", "load", "metrics", "data"}
    assert set(saelib.__all__) >= {"L1", "KL", "TopK", "BatchTopK", "JumpReLU", "Gated", "Matryoshka"}
    assert all(hasattr(saelib, name) for name in saelib.__all__)


CSS = (HERE / "widgets" / "widgets.css").read_text(encoding="utf-8")
JAVASCRIPT = (HERE / "widgets" / "common.js").read_text(encoding="utf-8")


def test_the_colours_of_the_figures_are_those_of_the_widgets():
    for name, colour in plots.COLOURS.items():
        assert re.findall(rf"--sae-{name}:\s*(#[0-9a-f]+);", CSS) == [colour]


def test_signed_pictures_have_the_same_colours_in_figures_and_widgets():
    ((added, taken),) = re.findall(r"pixels\[i\] > 0 \? \[([\d, ]+)\] : \[([\d, ]+)\]", JAVASCRIPT)
    for value, canvas in ((1.0, added), (0.0, taken)):
        assert [round(255 * part) for part in plots.SIGNED(value)] == [*map(int, canvas.split(",")), 255]


def luminance(colour: str) -> float:
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in matplotlib.colors.to_rgb(colour)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_the_four_colours_stand_out_3_to_1_on_light_and_dark_grounds():
    grounds = re.findall(r"--sae-ground:\s*(#[0-9a-f]+);", CSS)
    assert len(grounds) == 2
    for colour in plots.COLOURS.values():
        for ground in grounds:
            dim, bright = sorted([luminance(colour), luminance(ground)])
            assert (bright + 0.05) / (dim + 0.05) >= 3
