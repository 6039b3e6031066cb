"""The library reference: a page made of the docstrings of saelib when the book is built. A Sphinx extension."""

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import saelib
from pybtex.database import parse_file
from sphinx.ext import autodoc
from sphinx.pycode import ModuleAnalyzer

# In the order in which data flows. A further room of the library is one more word here (a unit test finds one that is missing).
ROOMS = ("data", "models", "gpt", "hooks", "sparsity", "training", "metrics", "storage", "interpret", "language", "claims", "plots", "widgets")
PAGE = "book/reference"
MARK = "<!-- rooms -->"  # in book/reference.md: where the rooms go


def room(name: str) -> ModuleType:
    return importlib.import_module(f"saelib.{name}")


def constants(module: ModuleType) -> dict[str, str]:
    """What its comments that begin with "#:" say of a module's constants, by name; of a package, those of its files as well."""
    homes = {getattr(value, "__module__", None) or "" for value in vars(module).values()}
    files = {module.__name__, *(home for home in homes if home.startswith(f"{module.__name__}."))}
    found = {}
    for file in sorted(files):
        for (inside, name), lines in ModuleAnalyzer.for_module(file).find_attr_docs().items():
            if not inside:
                found[name] = "\n".join(lines).strip()
    return found


def public(module: ModuleType) -> list[str]:
    """The names in a module's __all__; without one, its classes and functions, and its constants that a "#:" explains."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    own = [
        name
        for name, value in vars(module).items()
        if inspect.isroutine(value) or inspect.isclass(value)
        if value.__module__ == module.__name__ and not name.startswith("_")
    ]
    return [name for name in constants(module) if not name.startswith("_")] + own


def members(kind: type) -> list[str]:
    """A class's public methods and properties that say more than those of the class that it is made from."""
    return [
        name
        for name, value in vars(kind).items()
        if not name.startswith("_") and isinstance(value, FunctionType | classmethod | staticmethod | property) and value.__doc__
    ]


def full(module: ModuleType, name: str) -> str:
    """What a reader writes: saelib.train, but saelib.data.digits."""
    here = name in saelib.__all__ and getattr(saelib, name) is getattr(module, name)
    return f"saelib.{name}" if here else f"{module.__name__}.{name}"


def source(value: Any) -> str:
    return Path(inspect.getfile(inspect.unwrap(value))).relative_to(Path(saelib.__file__).parents[1]).as_posix()


@cache
def known() -> dict[str, str]:
    """Where a name in backquotes leads: saelib.train and the like wherever it stands, and a class's own name."""
    found = {}
    for module in map(room, ROOMS):
        for name in public(module):
            found[full(module, name)] = full(module, name)
            if inspect.isclass(getattr(module, name)):
                found[name] = full(module, name)
    return found


@cache
def works() -> frozenset[str]:
    """The keys of the bibliography."""
    return frozenset(parse_file(str(Path(__file__).parents[1] / "references.bib")).entries)


NAME = r"[A-Z][\w-]+"
# Bricken et al., 2023; Makhzani and Frey (2013); Pati, Rezaiifar and Krishnaprasad, 1993; Ng, 2011
CITED = re.compile(rf"\b({NAME})(?:(?:, {NAME})* and {NAME}| et al\.)?(?:, ((?:19|20)\d\d[a-z]?)\b| \(((?:19|20)\d\d[a-z]?)\))")


def cited(text: str) -> list[tuple[str, re.Match]]:
    """The works that a docstring names by authors and year: their keys, and where."""
    return [(found[1].lower() + (found[2] or found[3]), found) for found in CITED.finditer(text)]


def _runs(lines: list[str]) -> Iterator[tuple[bool, list[str]]]:
    """Lines that belong together: a paragraph, or what is indented, with the empty lines in it."""
    runs: list[tuple[bool, list[str]]] = []
    gap = False
    for line in lines:
        if not line.strip():
            gap = True
            continue
        indented = line.startswith(" ")
        if runs and runs[-1][0] == indented and (indented or not gap):
            runs[-1][1].extend([""] * gap + [line])
        else:
            runs.append((indented, [line]))
        gap = False
    yield from runs


def _entries(lines: list[str]) -> list[tuple[str, str]]:
    """What is indented, as words with what they mean, if it is such a list: what they mean begins in one column."""
    lines = textwrap.dedent("\n".join(lines)).splitlines()
    first = re.match(r"[\w., ]*\w {2,}", lines[0])
    if first is None:
        return []
    found: list[tuple[str, str]] = []
    for line in lines:
        if line[: first.end()].strip() and re.match(r"[\w., ]*\w {2,}\S", line):
            word, meaning = re.split(r" {2,}", line, maxsplit=1)
            found.append((word, meaning))
        elif found and line.strip() and not line[: first.end()].strip():
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
        else:
            return []
    return found if len(found) > 1 else []


def _items(text: str, parameters: Collection[str]) -> tuple[str, list[str]]:
    """What a paragraph lists, after "Args: " or without a heading: a name or two, then what they are. Nothing, if it is no list.

    An item begins after a semicolon; where a colon follows its names, a line may begin with it as well.
    """
    name = "|".join(sorted(map(re.escape, parameters), key=len, reverse=True)) or "(?!)"
    argument = rf"(?:{name})\b(?=,| \(| and (?:{name})\b)"
    field = r"[a-z_]\w*(?:(?:, | and )[a-z_]\w*)*(?=: )"
    heading = "Args: " if text.startswith("Args: ") else ""
    text = text.removeprefix(heading)
    if not re.match(f"{argument}|{field}" if heading else field, text):
        return "", []
    found = re.split(rf";\s(?={argument}|{field})|\n(?={field})", text)
    items = []
    for one in found:
        # The names alone are code: x (n, d) and x_hat (n, d).
        one = re.sub(rf"^(?:{field}|{argument})", lambda names: re.sub(r"\b(?!and\b)\w+", r"`\g<0>`", names[0]), one)
        one = re.sub(rf" and ({name}) (?=\()", r" and `\1` ", one)
        items.append(one.removesuffix(".") if one.count(".") == 1 and len(found) > 1 else one)
    return heading, items


def _plain(text: str) -> str:
    text = re.sub(r"[\\*|_`]", r"\\\g<0>", text).replace("::", r":\:")
    return re.sub(r"(?<![\w*\\])\\\*(\w[^*]*)\\\*(?!\w)", r"*\1*", text)


def _linked(text: str) -> str:
    """Plain text, in which the works that it cites lead to the bibliography."""
    written, end = "", 0
    for key, found in cited(text):
        if key in works():
            written += _plain(text[end : found.start()]) + rf"\ `{found[0]} <bibliography.html#work-{key}>`__\ "
            end = found.end()
    return written + _plain(text[end:])


def _prose(text: str, links: dict[str, str]) -> str:
    """Some sentences in plain text as reStructuredText: `names` as code, works as links, *emphasis*, and no other markup."""
    parts = re.split(r"`([^`]+)`", " ".join(text.split()))
    for i, part in enumerate(parts):
        if i % 2:
            parts[i] = rf"\ :py:obj:`{part} <{links[part]}>`\ " if part in links else rf"\ ``{part}``\ "
        else:
            parts[i] = _linked(part)
    text = re.sub(r"^(Args:|Parameters:|Returns|Raises)", r"**\1**", "".join(parts))
    return text if re.match(r"\*\*|\\ ", text) else rf"\ {text}"  # so that "(n)" at the beginning is no list's number


def as_rst(lines: list[str], links: dict[str, str], parameters: Collection[str] = ()) -> list[str]:
    """A docstring of ours, which is plain text, as reStructuredText.

    What is indented stays as it is, but for lists of words with what they mean. What a thing returns and raises begins a
    paragraph, so that the eye finds it.
    """
    written = []
    for indented, run in _runs(lines):
        if not indented:
            for text in re.split(r"(?<=[.)])\s(?=(?:Args|Parameters|Returns|Raises)\b)", "\n".join(run)):
                heading, items = _items(text, parameters)
                if len(items) > 1:
                    written += [_prose(heading.strip(), links), ""] * bool(heading)
                    written += [*(f"- {_prose(item, links)}" for item in items), ""]
                else:
                    written += [_prose(heading + items[0] if items else text, links), ""]
        elif entries := _entries(run):
            for word, meaning in entries:
                words = ", ".join(f"``{part}``" for part in word.split(", "))
                written += [words, f"   {_prose(meaning, links)}"]
            written.append("")
        else:
            code = textwrap.dedent("\n".join(run))
            try:
                ast.parse(code)
                language = "python"
            except SyntaxError:
                language = "text"
            written += [f".. code-block:: {language}", "", textwrap.indent(code, "   "), ""]
    return "\n".join(written).splitlines()


def _entry(module: ModuleType, name: str, explained: dict[str, str]) -> str:
    """The directive for one public name."""
    value, (place, _, last) = getattr(module, name), full(module, name).rpartition(".")
    if not (inspect.isroutine(value) or inspect.isclass(value)):
        sentences = isinstance(value, dict) and all(isinstance(one, str) and " " in one for one in value.values())
        literal = isinstance(value, tuple | dict | str | int | float) and not sentences
        shown = f"   :value: {value!r}\n" if literal else ""
        said = "\n".join(as_rst(explained[name].splitlines(), known()))
        if sentences:  # a table of words and what they mean reads better as one
            said += "\n\n" + "\n".join(f"{_prose(word, {})}\n   {_prose(meaning, {})}" for word, meaning in value.items())
        return f".. py:data:: {last}\n   :module: {place}\n{shown}\n{textwrap.indent(said, '   ')}"
    if not inspect.isclass(value):
        return f".. autofunction:: {place}::{last}\n"
    directive = f".. autoclass:: {place}::{last}\n"
    if listed := members(value):
        directive += f"   :members: {', '.join(listed)}\n   :member-order: bysource\n"
    if _made_from(value):
        directive += "   :show-inheritance:\n"
    return directive


def _made_from(kind: type) -> list[type]:
    """The nearest class of the reference that a class is made from, if there is one."""
    all_of_them = [getattr(module, name) for module in map(room, ROOMS) for name in public(module)]
    return [base for base in kind.__mro__[1:] if any(base is one for one in all_of_them)][:1]


def rooms() -> str:
    """The page's part that is made here, in Markdown: a section for each room."""
    written = []
    for module in map(room, ROOMS):
        explained = constants(module)
        entries = [_entry(module, name, explained) for name in public(module)]
        head = f"## {module.__name__}\n\n```{{eval-rst}}\n.. automodule:: {module.__name__}\n\n"
        written.append(head + "\n".join(entries) + "```\n")
    return "\n".join(written)


def write_rooms(app, docname, text):
    if docname == PAGE:
        app.env.note_dependency(__file__)
        text[0] = text[0].replace(MARK, rooms())


def write_docstring(app, what, name, value, options, lines):
    parameters: Collection[str] = ()
    if what in ("class", "function", "method"):
        try:
            parameters = [one for one in inspect.signature(value).parameters if one != "self"]
        except ValueError:  # what is written in C tells nothing
            pass
    lines[:] = as_rst(lines, known(), parameters)
    if what in ("class", "function"):
        lines += ["", ".. container:: source", "", f"   ``{source(value)}``", ""]


def hide_foreign_signature(app, what, name, value, options, signature, returned):
    """Of a class that leaves to PyTorch or to typing how it is made, *args and **kwargs say nothing."""
    if what == "class" and (signature or "").startswith("(*args"):
        return "", None


def show_public_bases(app, name, kind, options, bases):
    bases[:] = _made_from(kind)


def write_lines(app, page, template, context, doctree):
    """The arguments of a long signature stand in a line each; Sphinx makes them a list of definitions without words."""
    if page == PAGE:
        one = r'<dd><em class="sig-param">.*?</dd>\n'
        several = re.compile(rf"<dl>\n((?:{one})+)</dl>", re.DOTALL)
        context["body"] = several.sub(lambda found: re.sub("(</?)dd>", r"\1span>", found[1]), context["body"])


def style(app, page, template, context, doctree):
    """What only the reference and the index look like, no other page has to bring."""
    if page in (PAGE, "genindex"):
        app.add_css_file("reference.css")


def setup(app):
    # How a widget is made, its __init__ says; this one takes anything and passes it on.
    autodoc._CLASS_NEW_BLACKLIST.append("traitlets.traitlets.HasDescriptors.__new__")
    app.connect("source-read", write_rooms)
    app.connect("autodoc-process-docstring", write_docstring)
    app.connect("autodoc-process-signature", hide_foreign_signature)
    app.connect("autodoc-process-bases", show_public_bases)
    app.connect("html-page-context", write_lines)
    app.connect("html-page-context", style)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
