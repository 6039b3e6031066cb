"""What the checks of all kinds of questions share: how a problem is reported, and the fields that many kinds have."""

import reprlib
from collections.abc import Iterable, Iterator
from typing import Any, TypeGuard

# A problem is the way to the field, outermost first, and what is wrong there.
Problem = tuple[tuple[str | int, ...], str]

# What the page can hold as a number, and say in digits: no NaN, no infinity, and no type that only Python has.
_LARGEST = 1e15


def is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _LARGEST


NUMBER = {"type": "number", "description": f"a number from {-_LARGEST:g} to {_LARGEST:g}"}


def text_of(limit: int) -> dict[str, Any]:
    return {
        "type": "string",
        "maxLength": limit,
        # Not blank, and no half of a surrogate pair: YAML can write one, but no page can be encoded with it.
        "pattern": r"\A(?=[\s\S]*\S)[^\ud800-\udfff]*\Z",
        "description": f"a text of 1 to {limit} characters (in quotes where YAML would read a number, yes or no)",
    }


def record(description: str, required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """An object with these fields and no others."""
    return {
        "type": "object",
        "description": description,
        "required": list(required),
        "additionalProperties": False,
        "properties": {**required, **optional},
    }


def list_of(low: int, high: int, what: str, items: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "array",
        "minItems": low,
        "maxItems": high,
        "description": f"a list of {low} to {high} {what}",
        "items": items,
    }


# What a typical mistake gives back: the name of the wrong idea behind it, and why it is wrong.
MISTAKE = {"misconception": text_of(80), "feedback": text_of(1000)}


def show(value: object) -> str:
    """The value, short, whatever it is: an error should not fill the screen."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = 80
    return short.repr(value)


def field_path(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def entries(question: dict[str, Any], name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects in a list of the question, where it is one, each with its place."""
    value = question.get(name)
    for index, entry in enumerate(value if isinstance(value, list) else []):
        if isinstance(entry, dict):
            yield index, entry


def stripped(value: object) -> str | None:
    """The text as the checked quiz will hold it, or None if it is no text."""
    return value.strip() if isinstance(value, str) else None


def repeated(texts: Iterable[tuple[tuple[str | int, ...], object]]) -> Iterator[Problem]:
    """A problem for each text, given with the way to it, that stood before."""
    seen: set[str | None] = set()
    for path, value in texts:
        text = stripped(value)
        if text is not None and text in seen:
            yield path, f"got {show(value)} a second time; expected distinct texts"
        seen.add(text)
