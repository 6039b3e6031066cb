"""Claims about results, checked where the results are measured.

A claim is a sentence, a number, and the bounds between which the sentence is true. Where the number is out of bounds, the
notebook says so and goes on: a reader's machine is not wrong for adding up in another order. Tests are stricter
(SAELIB_CLAIMS=strict), and the numbers of many runs can be collected in a file (SAELIB_CLAIMS_FILE).
"""

import ast
import hashlib
import html
import json
import math
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import SupportsFloat, TypeGuard

NOT_RUN = "skip-execution"  # the tag of a cell that is only run by hand (MyST-NB's)
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SAID = ("words", "above", "below", "show")  # what a claim says; its name and value are what is measured


class ClaimFailed(AssertionError):
    """A claim is out of bounds, and SAELIB_CLAIMS=strict asks for an error."""


@dataclass(frozen=True)
class Claim:
    """A claim as it is written in a notebook.

    name: unique in the book; words: a sentence; above and below: the bounds between which it is true (None: no bound); show:
    a format specification for its numbers, such as ".0%".

    Raises ValueError for a name that is not lowercase words and digits with dashes between them, for empty words, no bounds
    or bounds with nothing between them, and an unknown `show`.
    """

    name: str
    words: str
    above: float | None = None
    below: float | None = None
    show: str = ".3g"

    def __post_init__(self):
        name, above, below = self.name, self.above, self.below
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"name is {name!r}; expected lowercase words and digits with dashes between them, such as 'intro-rich-box'")
        if not isinstance(self.words, str) or not self.words.strip():
            raise ValueError(f"words of claim {name!r} are {self.words!r}; expected a sentence")
        ends = [end for end in (above, below) if end is not None]
        if not ends:
            raise ValueError(f"claim {name!r} has neither above nor below; expected at least one of them")
        if not all(isinstance(end, (int, float)) and math.isfinite(end) for end in ends) or sorted(set(ends)) != ends:
            raise ValueError(f"claim {name!r} has above={above!r} and below={below!r}; expected finite numbers, above the smaller one")
        try:
            format(1.0, self.show)
        except (TypeError, ValueError) as error:
            raise ValueError(f"show of claim {name!r} is {self.show!r}; expected a format of numbers, such as '.0%'") from error

    def holds(self, value: float) -> bool:
        """Whether the value lies between the bounds, these excluded. NaN does not."""
        return (self.above is None or value > self.above) and (self.below is None or value < self.below) and not math.isnan(value)

    def shown(self, value: float) -> str:
        """The value in the format `show`, and never as -0."""
        text = format(value, self.show)
        return text.removeprefix("-") if not re.search("[1-9a-z]", text) else text

    @property
    def bounds(self) -> str:
        """The bounds in words, such as "above 16.5% and below 23%": with as many decimals as it takes."""
        ends = (("above", self.above), ("below", self.below))
        return " and ".join(f"{word} {self.exactly(end)}" for word, end in ends if end is not None)

    def exactly(self, end: float) -> str:
        """A bound in the format `show`, with as many decimals as it takes."""
        if found := re.fullmatch(r"\.(\d+)([f%])", self.show):
            for decimals in range(int(found[1]), 8):
                text = f"{end:.{decimals}{found[2]}}"
                if math.isclose(float(text.rstrip("%")), end * (100 if found[2] == "%" else 1), abs_tol=1e-9):
                    return text
        return self.shown(end)

    def otherwise(self, value: float) -> str:
        """The message for a value that is not between the bounds."""
        return f"On this machine this came out otherwise. {self.words.strip().rstrip('.')}: expected {self.bounds}, measured {self.shown(value)}."


def claim(name: str, words: str, value: SupportsFloat, *, above: float | None = None, below: float | None = None, show: str = ".3g") -> None:
    """Check a claim about a result, and go on either way; where it does not hold, show that.

    Args: name, words, above, below, show, as in `Claim`; value, a number, or a tensor of one.
    Raises ValueError as `Claim` does, and ClaimFailed where the value is not between the bounds and the environment says
    SAELIB_CLAIMS=strict. A file named by SAELIB_CLAIMS_FILE gets a line of JSON for each claim, with its name and value.
    """
    own, value = Claim(name, words, above, below, show), float(value)
    if file := os.environ.get("SAELIB_CLAIMS_FILE"):
        with open(file, "a", encoding="utf-8") as lines:
            lines.write(json.dumps({"name": name, "value": value}) + "\n")
    if not own.holds(value):
        if os.environ.get("SAELIB_CLAIMS") == "strict":
            raise ClaimFailed(f"{own.otherwise(value)} (claim {name!r})")
        _show(_Otherwise(own.otherwise(value)))


class _Otherwise:
    """What a notebook shows where a claim came out otherwise: in words, set apart."""

    def __init__(self, words: str):
        self.words = words

    def __repr__(self) -> str:
        return self.words

    def _repr_html_(self) -> str:
        return f'<div class="claim-otherwise" role="note">{html.escape(self.words)}</div>'


def _show(what: _Otherwise) -> None:
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython():
        sys.modules["IPython"].display.display(what)
    else:
        print(what)


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "claim":
            yield node


def code_of(notebook: str | PathLike[str]) -> str:
    """The code cells of a notebook as one text of Python, as `written` and `key` take it.

    Without cells that are tagged `NOT_RUN`: they measure nothing.
    """
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code" and NOT_RUN not in cell["metadata"].get("tags", ()))


def written(source: str) -> list[Claim]:
    """The claims in a text of Python, in order.

    Raises ValueError for one whose name, words, bounds or show are not literals: they are read without running anything.
    """
    found = []
    for call in sorted(_calls(ast.parse(source)), key=lambda call: call.lineno):
        given = dict(zip(("name", "words"), call.args)) | {each.arg: each.value for each in call.keywords if each.arg in ("name", *_SAID)}
        try:
            found.append(Claim(**{name: ast.literal_eval(value) for name, value in given.items()}))
        except (TypeError, ValueError) as error:
            raise ValueError(f"a claim can't be read ({error}): {ast.unparse(call)[:200]}") from error
    return found


_WIDGETS = "saelib.widgets"
# What the arguments of a widget that is only shown may be made of. All else could draw numbers, or change what comes after it.
_PLAIN = (
    ast.Name, ast.Attribute, ast.Constant, ast.Subscript, ast.Slice, ast.JoinedStr, ast.FormattedValue, ast.Dict, ast.List, ast.Tuple, ast.ListComp,
    ast.DictComp, ast.SetComp, ast.GeneratorExp, ast.comprehension, ast.BinOp, ast.UnaryOp, ast.Compare, ast.keyword, ast.expr_context, ast.operator,
    ast.unaryop, ast.cmpop,
)  # fmt: skip


def _from_widgets(node: ast.stmt) -> TypeGuard[ast.ImportFrom]:
    return isinstance(node, ast.ImportFrom) and not node.level and f"{node.module}.".startswith(f"{_WIDGETS}.")


def _bound(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """The names that are given a meaning anywhere in the code, each with what gives it: what is imported from where, or the place."""
    for node in ast.walk(tree):
        place = f"{type(node).__name__} {id(node)}"
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            of = f"{'.' * node.level}{node.module}." if isinstance(node, ast.ImportFrom) else ""
            yield from ((each.asname or each.name.split(".")[0], f"{of}{each.name}") for each in node.names)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id, place
        elif isinstance(node, ast.arg):
            yield node.arg, place
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            yield from ((name, place) for name in node.names)
        # Functions, classes, errors that are caught, and what a pattern catches.
        for field in ("name", "rest"):
            if not isinstance(node, ast.alias) and isinstance(name := getattr(node, field, None), str):
                yield name, place


def _without_shown(tree: ast.Module) -> None:
    """Take out the statements that only show a widget, and the imports from `saelib.widgets` that nothing else needs."""
    meanings: dict[str, set[str]] = {}
    for name, meaning in _bound(tree):
        meanings.setdefault(name, set()).add(meaning)
    widgets: set[str] = set()  # by the names that they have here; only classes, which have capitals, are widgets

    def plain(node: ast.AST) -> bool:
        if isinstance(node, ast.Call):
            fits = isinstance(node.func, ast.Name) and node.func.id in widgets
        else:
            fits = isinstance(node, _PLAIN) and not (isinstance(node, ast.comprehension) and node.is_async)
        return fits and all(map(plain, ast.iter_child_nodes(node)))

    left: list[ast.stmt] = []
    for node in tree.body:
        if _from_widgets(node):
            names = {each.asname or each.name for each in node.names if each.name[0].isupper()}
            widgets |= {name for name in names if len(meanings[name]) == 1}
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and plain(node.value)):
            left.append(node)
    tree.body = left
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in left:
        if _from_widgets(node):
            needed = [each for each in node.names if (each.asname or each.name) in {*used, "*"}]
            node.names = sorted(needed, key=lambda each: (each.name, each.asname or ""))
    tree.body = [node for node in left if not (_from_widgets(node) and not node.names)]


def key(source: str) -> str:
    """A short hash of what a text of Python measures: of its code without comments, without the words and bounds of its claims,
    and without the widgets that it only shows.

    A statement only shows a widget where it calls a class imported from `saelib.widgets` and does nothing else: it keeps nothing,
    and its arguments call nothing but other widgets. The imports from `saelib.widgets` that nothing else needs don't count either.

    As long as it is the same, earlier measurements still count.
    """
    tree = ast.parse(source)
    _without_shown(tree)
    for call in _calls(tree):
        call.args[1:2] = []
        call.keywords = [each for each in call.keywords if each.arg not in _SAID]
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:16]
