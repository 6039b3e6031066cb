"""The tables in the library's reference that say what something is called in other libraries: what they name, and whether it is there."""

import importlib
import inspect
import re
from pathlib import Path

PAGE = (Path(__file__).parents[1] / "book" / "reference.md").read_text(encoding="utf-8")
LIBRARIES = ("saelib", "SAELens", "dictionary_learning", "sparsify")  # a column each, after that of the terms
SIZES = {"d_in": 3, "activation_dim": 3, "d_sae": 5, "dict_size": 5, "num_latents": 5}


def column(library: str) -> str:
    """All that the tables say of a library, a row a line."""
    rows = [row.strip("| ").split(" | ") for row in re.findall(r"^\| .*\|$", PAGE, re.MULTILINE)]
    assert {len(row) for row in rows} == {1 + len(LIBRARIES)} and ["term", *LIBRARIES] in rows
    return "\n".join(row[1 + LIBRARIES.index(library)] for row in rows if row[0] != "term")


def names(library: str) -> list[str]:
    """What the tables name of it: dotted paths, and arguments, as in train(lr=)."""
    return sorted(set(re.findall(r"`([^`]+)`", column(library))))


def words(library: str) -> list[str]:
    """The values and keys that the tables name of it, which stand in quotes."""
    return sorted(set(re.findall(r'"([^"]+)"', column(library))))


def shapes(library: str) -> dict[str, tuple[int, ...]]:
    """The shapes that they give for the weights of a model of 3 numbers to 5 features, by name."""
    found = re.findall(r"`(sae\.[\w.]+)` \(([\w, ]+)\)", column(library))
    return {name: tuple(SIZES[size] for size in shape.split(", ")) for name, shape in found}


def resolved(name: str, package: str, sae: object) -> object:
    """What a name stands for in a package, `sae` being a model of its. AttributeError, ImportError or KeyError if there is no such thing."""
    path, argument = re.fullmatch(r"([\w.]+)(?:\((\w+)=\))?", name).groups()
    first, *parts = path.removeprefix(f"{package}.").split(".")
    value = sae
    if first != "sae":
        value, parts = importlib.import_module(package), [first, *parts]
    for part in parts:
        if inspect.ismodule(value) and not hasattr(value, part):
            importlib.import_module(f"{value.__name__}.{part}")
        if inspect.isclass(value) and any(part in inspect.get_annotations(kind) for kind in value.__mro__):
            return part
        value = getattr(value, part)
    return value if argument is None else inspect.signature(value).parameters[argument]
