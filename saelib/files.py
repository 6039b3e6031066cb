"""Files that are there whole or not at all, and tensors that are read without running code."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from . import checks

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"  # what a model's folder holds, by SAELens's names


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


def write_model(path: str | Path, config: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write what describes a model and its weights into the folder `path`, made if missing: both of them whole, or neither.

    Raises ValueError where a weight is not finite, or `path` is a file.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise ValueError(f"path is {str(path)!r}, which is a file; expected a folder, or a name that is still free")
    for name, value in tensors.items():
        checks.finite(name, value)
    text = json.dumps(config, indent=2)
    path.mkdir(parents=True, exist_ok=True)
    with whole(path / WEIGHTS, path / CONFIG) as (weights_draft, config_draft):
        save_file({name: value.contiguous() for name, value in tensors.items()}, weights_draft)
        config_draft.write_text(text, encoding="utf-8")


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file by name, and its metadata. Raises ValueError for a file that is broken."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path} can't be read: {error}; expected a whole safetensors file") from error
