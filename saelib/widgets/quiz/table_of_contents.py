"""Which book a folder belongs to, and what the book's _toc.yml lists."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml


def table_of_contents(folder: Path) -> tuple[str, list[str]]:
    """The book's title and, of the pages that its _toc.yml lists, the names of those in this folder."""
    folder = folder.resolve()
    for parent in (folder, *folder.parents):
        if (parent / "_toc.yml").is_file():
            toc, config = (_yaml(parent / name) for name in ("_toc.yml", "_config.yml"))
            pages = [(parent / file).with_suffix("") for file in toc_files(toc)]
            title = config.get("title") if isinstance(config, dict) else None
            return str(title or parent.name), [page.name for page in pages if page.parent == folder]
    return folder.name, []


def _yaml(file: Path) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None


def toc_files(toc: Any) -> Iterator[str]:
    """The pages in a table of contents, in its order, however its parts and sections are nested."""
    if isinstance(toc, dict):
        yield from (toc[key] for key in ("root", "file") if isinstance(toc.get(key), str))
        for inner in toc.values():
            yield from toc_files(inner)
    for inner in toc if isinstance(toc, list) else ():
        yield from toc_files(inner)
