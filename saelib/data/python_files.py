"""Python's own standard library as text: on every machine that runs this book, with a parser that knows what each word is."""

import hashlib
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# Not taken: tests (three fifths of all, and left out on many machines), tables of characters, one book-long string, and
# other people's packages; nor files that are written when Python is installed.
LEFT_OUT = ("test", "tests", "idle_test", "encodings", "pydoc_data", "site-packages", "dist-packages", "lib-dynload", "__pycache__")
INSTALLED = ("_sysconfigdata", "config-", "sitecustomize")  # named or written for a machine
# Parts that some machines or later versions lack. They may be read in training, but nothing is measured on them.
NOT_EVERYWHERE = ("distutils", "ensurepip", "idlelib", "lib2to3", "tkinter", "turtledemo", "venv")
HELD_OUT = 8  # one file in so many


class PythonFile(NamedTuple):
    """A file of the standard library: its name, such as "json/decoder.py", its text, and whether it is held out."""

    name: str
    text: str
    held_out: bool


def python_files(folder: str | Path | None = None) -> list[PythonFile]:
    """The files of Python's standard library, by name, each one either to train on or held out.

    A file is held out if the SHA-256 hash of its name divides by 8: so the same ones are on every machine, whatever else
    there is, and no part of a file is on both sides. Line ends are "\\n".

    Args: folder, where to look instead of the running Python's own library.
    Raises FileNotFoundError for a folder that is missing, ValueError for one without Python files.
    """
    root = Path(sysconfig.get_path("stdlib") if folder is None else folder)
    if not root.is_dir():
        raise FileNotFoundError(f"folder is {str(root)!r}, which is no folder; expected that of Python's standard library")
    files = [PythonFile(name, text, _held_out(name)) for name, text in _texts(root) if text]
    if not files:
        raise ValueError(f"folder is {str(root)!r}, which has no Python files; expected that of Python's standard library")
    return files


def _texts(root: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root)
        if not set(LEFT_OUT) & set(name.parts) and not name.as_posix().startswith(INSTALLED):
            try:
                text = path.read_bytes().decode("utf-8-sig")
            except UnicodeDecodeError:  # a handful in other encodings
                continue
            yield name.as_posix(), text.replace("\r\n", "\n")


def drawn(name: str) -> bool:
    """Whether the lot falls on the file of this name, as it does on one in so many: the same on every machine."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % HELD_OUT == 0


def _held_out(name: str) -> bool:
    return name.split("/")[0] not in NOT_EVERYWHERE and drawn(name)
