"""Formulas in the texts of questions: TeX between dollars, made into MathML before any page shows it.

The page gets a formula as nested lists, [tag, attributes, child, ...], and makes its elements one by one; nothing is
parsed there. What may be in such a list is said here, element by element: neither a link nor a style is among it.
"""

import html
import re
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

# As in the chapters' Markdown: the first dollar has no white space after it, the last none before it and no digit
# after it, so that "from $5 to $6" is no formula. Code binds tighter, and \$ is a dollar in any case.
# markup.js reads texts by the same rule.
_FORMULA = re.compile(r"\\\$|`[^`]+`|\$(?![ \t\r\n])((?:\\[^\r\n]|[^\\$])*(?:\\[^ \t\r\n]|[^\\$ \t\r\n]))\$(?![0-9])")
_LIMIT = 300

_SIZES = {"width", "height", "depth", "lspace", "rspace", "voffset", "minsize", "maxsize"}
# What every browser shows: MathML Core. Colours are not in it, since one that is legible on white is not on black.
_ELEMENTS: dict[str, set[str]] = {
    "math": set(),
    "mrow": set(),
    "mi": {"mathvariant"},
    "mn": set(),
    "mo": {"stretchy", "fence", "form", "separator", "movablelimits", *_SIZES},
    "mtext": set(),
    "mspace": _SIZES,
    "mpadded": _SIZES,
    "mphantom": set(),
    "mstyle": {"displaystyle", "scriptlevel"},
    "mfrac": {"linethickness"},
    "msqrt": set(),
    "mroot": set(),
    "msub": set(),
    "msup": set(),
    "msubsup": set(),
    "munder": set(),
    "mover": {"accent"},
    "munderover": set(),
    "mtable": {"columnspacing", "rowspacing"},
    "mtr": set(),
    "mtd": {"columnalign"},
}
_CHILDREN = dict.fromkeys(("mfrac", "mroot", "msub", "msup", "munder", "mover"), 2) | {"msubsup": 3, "munderover": 3}
_VALUE = re.compile(r"[a-z0-9.+-]{1,20}\Z")
# The converter's own way to write a character. An author's "&lt;" is none.
_REFERENCE = re.compile(r"&#x[0-9A-F]{4,6};")


def formulas(text: str) -> Iterator[str]:
    """The TeX of each formula in a text."""
    return (found[1] for found in _FORMULA.finditer(text) if found[1] is not None)


def mathml(tex: str) -> list[Any]:
    """A formula as nested lists, or a ValueError that says what is wrong with it."""
    # Imported here: few quizzes hold a formula, and the table of all symbols takes its time.
    from latex2mathml.converter import convert_to_element

    if len(tex) > _LIMIT:
        raise ValueError(f"longer than {_LIMIT} characters")
    # A macro of six letters could grow without end.
    if found := re.search(r"\\(?:(?:re|provide)?newcommand|g?def|edef|xdef|let)(?![a-zA-Z])", tex):
        raise ValueError(f"{found[0]} can't be used")
    try:
        tree = convert_to_element(tex)
    # The converter raises many things, its own exceptions and, for what it did not foresee, any other.
    except Exception as error:
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__.removesuffix("Error")).lower()
        raise ValueError(f"not finished or not TeX ({words})") from error
    tree.attrib.clear()
    return _nested(tree)


def _nested(element: Element) -> list[Any]:
    text = element.text or ""
    if found := re.search(r"\\[a-zA-Z]*", text):
        raise ValueError(f"unknown command {found[0]}")
    if found := re.search(r"[{}&$]", _REFERENCE.sub("", text)):
        raise ValueError(f"{found[0]} where none can stand")
    if element.tag not in _ELEMENTS:
        raise ValueError(f"browsers can't show {element.tag}")
    for name, value in element.attrib.items():
        if name not in _ELEMENTS[element.tag] or not _VALUE.match(value) or (name == "mathvariant" and value != "normal"):
            raise ValueError(f"{name} {value!r} can't be used")
    if len(element) != _CHILDREN.get(element.tag, len(element)):
        raise ValueError(f"something is missing in {element.tag}")
    # White space and other unseen characters in a leaf were asked for with a command: they are kept.
    leaf = [html.unescape(text)] if text else []
    return [element.tag, dict(element.attrib), *leaf, *(_nested(child) for child in element)]
