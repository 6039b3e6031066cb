"""Texts of one's own, from a folder or a file, each one either to train on or held out."""

import hashlib
import json
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from .python_files import PythonFile, drawn, python_files

RECORD = "texts.json"  # in the folder of a GPT: which texts it has learned from
LABELS = ("python", "none")  # what its features may be scored against
PIECE = 10_000  # characters: a longer text is cut into pieces, each of which begins as a file does
LEAST, MOST = 1 / 50, 1 / 3  # of the characters are held out, where the names decide


class TextFile(NamedTuple):
    """A text, or a piece of a long one: its name, such as "letters/may.txt, part 2", its text, and whether it is held out."""

    name: str
    text: str
    held_out: bool


Records = Sequence[PythonFile] | Sequence[TextFile]


def text_files(path: str | Path, *, say: Callable[[str], object] | None = None) -> list[TextFile]:
    """The texts in a folder, and in the folders within it, by name; or one text, of a file.

    Every file is taken that can be read as UTF-8, whatever its name ends with. Left out are hidden files and folders (their
    names begin with a dot), links, files that are empty or hold a zero byte, and all but the first of several with the same text.
    Line ends are "\\n".

    A file is held out if the SHA-256 hash of its name divides by 8, as for `python_files`: so it stays on its side when others
    come and go, and no part of it is on both. Where that holds out less than a fiftieth of all characters or more than a third, as may
    be with a few files and must be with one, the names do not decide, but the end of the longest text is held out, from
    a tenth to a fifth of it. A text of more than 10,000 characters is cut into pieces, at blank lines where it has some: each has the mark of a beginning
    before it, which a model would hardly ever see if it read one long book.

    Args: path, the folder or the file; say, what is told in a sentence how many files were left out, and why, if any were.
    Raises FileNotFoundError for a path that is missing, ValueError for one that is neither file nor folder, or has no text of at
    least two characters, of which one can be held out.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ValueError(f"texts is {path!r:.80}; expected the path of a folder of texts, or of a file")
    if not os.path.exists(path):
        raise FileNotFoundError(f"texts is {str(path)!r}, which is missing; expected a folder of texts, or a file")
    if not os.path.isdir(path) and not os.path.isfile(path):
        raise ValueError(f"texts is {str(path)!r}, which is neither a folder nor a file of text; expected one of these")
    left_out: Counter[str] = Counter()
    texts = [*_texts(Path(path), left_out)]
    why = ", ".join(f"{count:,} {reason}" for reason, count in sorted(left_out.items()))
    if max((len(text) for _, text in texts), default=0) < 2:
        raise ValueError(f"texts is {str(path)!r}, which has no text in UTF-8{f' (left out: {why})' if why else ''}; expected some to learn from")
    if why and say:
        say(f"left out of {_written(str(path))}: {why}")
    files = []
    for (name, text), begin in zip(texts, _held_from(texts)):
        parts = [(piece, side) for side, half in enumerate((text[:begin], text[begin:])) for piece in _pieces(half)]
        for number, (piece, side) in enumerate(parts, 1):
            files.append(TextFile(name if len(parts) == 1 else f"{name}, part {number}", piece, bool(side)))
    return files


def fingerprint(files: Records) -> str:
    """16 hexadecimal digits that are others for files with other names or texts."""
    return hashlib.sha256("\0".join(f"{file.name}\0{file.text}" for file in files).encode()).hexdigest()[:16]


def texts_of(folder: str | Path, *, out: str | Path | None = None, say: Callable[[str], object] | None = None) -> tuple[Records, str]:
    """The files that the GPT in `folder`, made by `python -m saelib.make_gpt`, has learned from, with those held out, and
    what to score its features against: "python" or "none".

    Where the folder does not say which texts these are, they are Python's library, as this Python has it.

    Args: out, where the caller is going to write, if anywhere; say, as for `text_files`.
    Raises ValueError where `out` lies among the texts, these are others by now, or `folder` says something else than that program writes;
    FileNotFoundError where they are gone.
    """
    record = Path(folder) / RECORD
    if not record.is_file():
        return python_files(), "python"
    try:
        noted = json.loads(record.read_text(encoding="utf-8"))
        path, labels, found = noted["texts"], noted["labels"], noted["files"]
        if labels not in LABELS or not isinstance(path, str | None):
            raise ValueError(f"texts = {path!r}, labels = {labels!r}")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{record} can't be read: {error!r}; expected what saelib.make_gpt wrote") from error
    if path is None:
        return python_files(), labels
    moved = f"if they have moved, write where to into {record}"
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path!r} is missing, the texts of the GPT in {folder}; {moved}")
    if out is not None:
        check_apart(out, path)
    files = text_files(path, say=say)
    if fingerprint(files) != found:
        raise ValueError(f"{path!r} holds other texts than the GPT in {folder} has learned from; expected the same ones ({moved})")
    return files, labels


def check_apart(out: str | Path, texts: str | Path) -> None:
    """ValueError if `out`, which is to be written to, is the folder `texts` or in it: what lies there would be read as text."""
    if os.path.isdir(texts) and Path(out).resolve().is_relative_to(Path(texts).resolve()):
        raise ValueError(f"out is {str(out)!r}, in the folder of the texts; expected one outside of {str(texts)!r}, where it would be read as text")


def _texts(root: Path, left_out: Counter[str]) -> Iterator[tuple[str, str]]:
    """The name and the text of each file, by name. Counts in `left_out` what is not taken, by reason."""
    seen = set()
    for name, path in sorted(_paths(root, left_out)):
        try:
            text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        except OSError:
            left_out["unreadable"] += 1
            continue
        except UnicodeDecodeError:
            left_out["not in UTF-8"] += 1
            continue
        if "\0" in text:
            left_out["with zero bytes"] += 1
        elif not text.strip():
            left_out["empty"] += 1
        elif text in seen:
            left_out["the same as another"] += 1
        else:
            seen.add(text)
            yield name, text


def _paths(root: Path, left_out: Counter[str]) -> Iterator[tuple[str, Path]]:
    if not root.is_dir():
        yield _written(root.name), root
        return

    def unlisted(_: OSError) -> None:
        left_out["unreadable"] += 1

    for folder, folders, names in os.walk(root, onerror=unlisted):
        for name in [*folders, *names]:
            path = Path(folder, name)
            within = name in folders
            if name.startswith("."):
                left_out["hidden"] += 1
            elif path.is_symlink():
                left_out["linked"] += 1
            elif within:
                continue
            elif not stat.S_ISREG(path.lstat().st_mode):  # a pipe would be waited for
                left_out["special"] += 1
            else:
                yield _written(path.relative_to(root).as_posix()), path
            if within:
                folders.remove(name)  # and is not gone into


def _written(name: str) -> str:
    """A file's name in Unicode, also where the disk has bytes that are none."""
    return os.fsencode(name).decode("utf-8", errors="replace")


def _held_from(texts: Sequence[tuple[str, str]]) -> list[int]:
    """For each text the place from which on it is held out: 0 for the whole of it, its length for nothing."""
    places = [0 if drawn(name) else len(text) for name, text in texts]
    total = sum(len(text) for _, text in texts)
    if LEAST * total <= total - sum(places) <= MOST * total:
        return places
    places = [len(text) for _, text in texts]
    longest = places.index(max(places))
    size = places[longest]
    places[longest] = _cut(texts[longest][1], size - max(2, size // 5), size - max(1, size // 10))
    return places


def _pieces(text: str) -> Iterator[str]:
    begin = 0
    while len(text) - begin > PIECE:
        end = _cut(text, begin + PIECE // 2, begin + PIECE)
        yield text[begin:end]
        begin = end
    if text[begin:]:
        yield text[begin:]


def _cut(text: str, after: int, most: int) -> int:
    """Where to cut, after `after` and at most at `most`: behind the last blank line there, else the last line, else the last
    space, else at `most`."""
    for end in ("\n\n", "\n", " "):
        found = text.rfind(end, max(0, after + 1 - len(end)), most)
        if found >= 0:
            return found + len(end)
    return most
