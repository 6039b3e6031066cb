"""Small pictures in questions: files beside the quiz, that travel inside it."""

import base64
import re
from pathlib import Path

from .fields import record, text_of

LIMIT = 100_000
# By the ending: the type that the page is told, and what such a file begins with.
_TYPES: dict[str, tuple[str, re.Pattern[bytes]]] = {
    "png": ("image/png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    "jpg": ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    "jpeg": ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    "webp": ("image/webp", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    "svg": ("image/svg+xml", re.compile(rb"\s*(<\?xml[^>]*\?>\s*|<!--.*?-->\s*|<!DOCTYPE svg[^>\[]*>\s*)*<svg[\s>]", re.DOTALL)),
}
_FILE = {
    "type": "string",
    "maxLength": 200,
    # Downwards from the quiz only: each name begins with a letter or digit, so none is "..", and no drive or root.
    "pattern": rf"\A([A-Za-z0-9][\w.-]*/)*[A-Za-z0-9][\w.-]*\.({'|'.join(_TYPES)})\Z",
    "description": f"the path of a file beside the quiz or in a folder below it, ending in one of {', '.join(_TYPES)}",
}
FIELD = record("a picture with its file and alt", {"file": _FILE, "alt": text_of(300)})


def picture_problem(folder: Path, file: str) -> str | None:
    """What is wrong with the file, if anything is."""
    path = folder / file
    if not path.is_file():
        return f"got {file!r}; there is no such file in {str(folder.resolve())!r}"
    # A link may lead anywhere, whatever the names on the way look like.
    if not path.resolve().is_relative_to(folder.resolve()):
        return f"got {file!r}, a link out of the quiz's folder; expected {_FILE['description']}"
    size = path.stat().st_size
    if size > LIMIT:
        return f"got {file!r} of {size:,} bytes; expected at most {LIMIT:,}"
    kind, beginning = _TYPES[path.suffix[1:]]
    if not beginning.match(path.read_bytes()):
        return f"got {file!r}, which does not begin as a file of type {kind} does"
    return None


def shown_picture(folder: Path, file: str, alt: str) -> dict[str, str]:
    """The picture as the page gets it, with its content as a data: address.

    In an <img> such an address of an SVG is a picture only: no script in it runs, and it loads nothing.
    """
    path = folder / file
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    return {"alt": alt, "source": f"data:{_TYPES[path.suffix[1:]][0]};base64,{content}"}
