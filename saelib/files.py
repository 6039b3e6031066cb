"""Files that are there whole or not at all, and tensors that are read without running code."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor


@contextmanager
def whole(*paths: Path) -> Iterator[list[Path]]:
    """Give a draft beside each of `paths` to write to, and move the drafts to their places when all are written.

    What was there before stays until then, also where writing fails or the process is killed.
    """
    drafts = [path.with_name(f".{path.name}.{os.getpid()}") for path in paths]
    try:
        yield drafts
        for draft in drafts:
            with open(draft, "rb+") as file:
                os.fsync(file.fileno())
        for path in paths:
            if path.is_dir():
                raise IsADirectoryError(f"{path} is a folder; expected a file, or a name that is still free")
        for draft, path in zip(drafts, paths):
            os.replace(draft, path)
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file by name, and its metadata. Raises ValueError for a file that is broken."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path} can't be read: {error}; expected a whole safetensors file") from error
