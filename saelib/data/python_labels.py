"""Labels for Python source: what every character is, by `tokenize` and `ast`. They serve to score features of a model of code.

Fields of f-strings are found by hand and read as code of their own, so that every Python from 3.11 on gives the same labels.
"""

import ast
import keyword
import re
import tokenize
import warnings
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from .tokens import Tokens

#: The labels of `label_characters`, by name, in its order, with a sentence on which characters have each.
LABELS: dict[str, str] = {
    # text that is not code
    "inside a docstring": "Between the quotes of a docstring: a string that begins the body of a file, class or function.",
    "inside a comment": "A comment, from # to the end of its line, without the newline.",
    "inside a string": "Between the quotes of a string or bytes, but of no docstring, and not in a field of an f-string.",
    "text of an f-string": "Between the quotes of an f-string, outside its fields.",
    "field of an f-string": "A field of an f-string, from { to }, both included, with the code and the format in it.",
    "opening quote": "The prefix (r, b, f, ...) and the opening quote or quotes of a string, a docstring included.",
    "closing quote": "The closing quote or quotes of a string, a docstring included.",
    "doctest line": "A line of a docstring that begins, after white space, with >>>, from there to its end.",
    "web address": "In a comment or string, http:// or https:// and what follows up to white space or < > \" ' ` ) ] }.",
    "comment before all code": "A comment before the first statement of the file; a docstring counts as a statement.",
    "number": "A number of any kind, without a sign.",
    # keywords
    "keyword def": "The keyword def.",
    "keyword class": "The keyword class.",
    "keyword return": "The keyword return.",
    "keyword import or from": "The keyword import, and the keyword from of an import.",
    "keyword if, elif or else": "The keywords if, elif and else, wherever they stand.",
    "keyword for": "The keyword for, of a statement or a comprehension.",
    "keyword while": "The keyword while.",
    "keyword try, except or finally": "The keywords try, except and finally.",
    "keyword with": "The keyword with.",
    "keyword lambda": "The keyword lambda.",
    "keyword and, or, not, in or is": "The keywords and, or, not, in and is; the in of a for is one of them.",
    "None, True or False": "The words None, True and False.",
    "keyword raise": "The keyword raise.",
    "keyword yield, await or async": "The keywords yield, await and async.",
    "keyword pass, break or continue": "The keywords pass, break and continue.",
    # names, by what they do
    "self": "The name self, wherever it stands alone or before a dot, also as a parameter.",
    "parameter name": "The name of a parameter where a def or a lambda lists it.",
    "default value": "The default value of a parameter, from its first token to its last.",
    "annotation": "The annotation of a parameter, a result or a variable, from its first token to its last.",
    "name of a keyword argument": "The name before = among the arguments of a call or of a class.",
    "between the parentheses of a call": "Everything after the ( of a call and before its ).",
    "function being defined": "The name after def.",
    "class being defined": "The name after the keyword class.",
    "base class": "A base class in the first line of a class, from its first token to its last.",
    "function being called": "The name just before the parentheses of a call: f in f(x), and m in a.m(x).",
    "attribute after a dot": "The name after the dot of an attribute: b in a.b.",
    "imported name": "A name after the import of a from ... import, or after the as of any import.",
    "module name in an import": "The module that an import names, with its dots: after from, or after import without from.",
    "decorator": "A decorator, from its @ to its last token.",
    "exception name": "The last name of what is raised or caught: E in raise E(x), raise a.E or except (E, F).",
    "loop variable": "A name that a for statement gives values to, where it is listed after for.",
    "comprehension variable": "A name that the for of a comprehension gives values to, where it is listed after for.",
    "target of an assignment": "The left side of an assignment, from its first token to its last, without an annotation.",
    # names, by how they are written
    "built-in function": "A name that is read, not after a dot, and is one of Python's built-in functions (`BUILTINS`).",
    "dunder name": "A name that begins and ends with two underscores.",
    "name in capitals": "A name of two or more characters, each A to Z, a digit or an underscore, with a letter.",
    "name seen before": "A name that is no keyword and stands earlier in the file as a name too, whatever it meant there.",
    "continuation of a word": "Every character of a name or keyword but its first.",
    # signs
    "sign of an assignment": "The sign that assigns: =, := or one like +=, but not the = of an argument or a default value.",
    "comparison operator": "One of == != < > <= >=.",
    "arithmetic operator": "One of + - * / // % ** @ & | ^ ~ << >> that works on values, alone, without =.",
    "opening bracket (": "The sign ( in code.",
    "opening bracket [": "The sign [ in code.",
    "opening bracket {": "The sign { in code; that of a field of an f-string is none.",
    "closing bracket )": "The sign ) in code.",
    "closing bracket ]": "The sign ] in code.",
    "closing bracket }": "The sign } in code; that of a field of an f-string is none.",
    "comma": "The sign , in code.",
    "colon that ends a header": "The colon after which the body of a def, class, if, for, case and the like begins.",
    "dot": "The sign . in code, not in a number and not in ... .",
    "inside brackets": "Everything after an opening bracket of code and before its closing bracket.",
    "two or more brackets deep": "What is inside at least two pairs of brackets.",
    "inside a subscript": "Everything after the [ of a subscript or slice and before its ].",
    # lines and white space
    "indentation of one level": "The white space that begins the line of a statement one block deep.",
    "indentation of two levels": "The white space that begins the line of a statement two blocks deep.",
    "indentation of three levels or more": "The white space that begins the line of a statement three or more blocks deep.",
    "blank line": "A line of white space alone, with its newline, that is not within a string.",
    "newline that ends a statement": "The newline after a statement or header and its comment; both characters of \\r\\n.",
    "newline after a header": "The newline that ends a header, where no statement follows the header's colon.",
    "first token of a line": "A token with only white space before it on its line; of a string, its opening quote.",
}  # fmt: skip

BUILTINS = frozenset(
    "abs aiter all anext any ascii bin bool breakpoint bytearray bytes callable chr classmethod compile complex delattr dict "
    "dir divmod enumerate eval exec filter float format frozenset getattr globals hasattr hash help hex id input int isinstance "
    "issubclass iter len list locals map max memoryview min next object oct open ord pow print property range repr reversed "
    "round set setattr slice sorted staticmethod str sum super tuple type vars zip __import__".split()
)

_KEYWORDS = {
    word: name
    for name in LABELS
    if name.startswith(("keyword ", "None, ")) and name != "keyword import or from"  # which `from` is one the tree says
    for word in name.removeprefix("keyword ").replace(" or ", ", ").split(", ")
}
_HEADERS = frozenset("def class if elif else for while try except finally with async".split())
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_INDENTATIONS = ("indentation of one level", "indentation of two levels", "indentation of three levels or more")
_FSTRING_START, _FSTRING_END = (getattr(tokenize, f"FSTRING_{end}", None) for end in ("START", "END"))  # from 3.12 on

_NEWLINE = re.compile(r"\r\n|\r|\n")
_BLANK = re.compile(r"[ \t\f]*")
_CAPITALS = re.compile(r"(?=.*[A-Z])[A-Z0-9_]{2,}")
_ADDRESS = re.compile(r"https?://[^\s<>\"'`)\]}]+")
_DOCTEST = re.compile(r"^[ \t\f]*(>>>[^\r\n]*)", re.MULTILINE)
_OPENING = re.compile(r"([A-Za-z]*)(\"\"\"|'''|\"|')")
_IN_TEXT = re.compile(r"[\\{}\"']")  # where the text of an f-string may end
_IN_FIELD = re.compile(r"[()\[\]{}\"'#!:]")  # what may end the code of a field, or hide its end


def label_characters(text: str) -> Tensor:
    """Which characters of a file have which label: (labels, characters) bool, the labels in the order of `LABELS`.

    White space has labels too: all that is said of what lies around it (a space in a comment is inside a comment), the three
    indentations, which begin the line of a statement and not one that goes on or holds a comment alone, blank lines, and the
    newlines. A newline within brackets ends no statement. Code in a field of an f-string has the labels of code, and so do
    strings in it. Parentheses around an expression are no part of it: the default value of f(a=(b + c)) is b + c. A byte order
    mark at the beginning has no label.

    Raises ValueError for a text that is no string, or that this Python's `ast` and `tokenize` can't read, with the reason.
    """
    if not isinstance(text, str):
        raise ValueError(f"text is of type {type(text).__name__}; expected a string that holds Python source")
    rows = _rows(text)
    if not text:
        return torch.zeros(len(LABELS), 0, dtype=torch.bool)
    return torch.frombuffer(bytearray().join(rows.values()), dtype=torch.bool).reshape(len(LABELS), len(text))


def label_tokens(text: str, spans: Tensor | Sequence[tuple[int, int]]) -> Tensor:
    """Which tokens of a model have which label: (len(spans), len(LABELS)) bool.

    A token has the labels of its first character that is not white space; one of white space alone, of its last character. So
    a newline with the indentation after it counts as indentation, and two newlines as a blank line.

    Args: spans, (n, 2) whole numbers, a row [start, stop) of positions in `text` for each token. They may overlap or be equal,
    as those of the parts of a character that has more than one byte are. One that is empty, as tokenizers that trim leave it of
    a token of white space, begins where the one before it stops; if nothing lies between, it has no labels.
    Raises ValueError as `label_characters` does, and for spans of another shape or kind, or outside the text.
    """
    labels = label_characters(text)
    pairs = _pairs(spans, len(text))
    if not len(pairs) or not text:
        return torch.zeros(len(pairs), len(LABELS), dtype=torch.bool)
    places = torch.arange(len(text))
    white = torch.tensor([character.isspace() for character in text])
    inked = places.where(~white, len(text)).flip(0).cummin(0).values.flip(0)  # the first such character from here on
    start, stop = pairs.T
    before = torch.cat([start[:1], stop[:-1]])
    start = start.where(start < stop, torch.minimum(start, before))
    place = start.clamp(max=len(text) - 1)
    first = inked[place]
    return (labels[:, first.where(first < stop, stop - 1).clamp(min=0)] & (start < stop)).T.contiguous()


def label_texts(texts: Sequence[str], tokens: Tokens) -> Tensor:
    """The same for all tokens of some texts, as `tokenize` makes them: (n, labels) bool. The mark before a text has none.

    Raises ValueError as `label_tokens` does, and where the tokens are of another number of texts.
    """
    bounds = tokens.bounds().tolist()
    if len(texts) != len(bounds) - 1:
        raise ValueError(f"texts holds {len(texts)} texts; expected {len(bounds) - 1}, as the tokens are of")
    labels = torch.zeros(len(tokens.ids), len(LABELS), dtype=torch.bool)
    for text, begin, end in zip(texts, bounds, bounds[1:]):
        labels[begin + 1 : end] = label_tokens(text, tokens.spans[begin + 1 : end])
    return labels


def _pairs(spans: object, length: int) -> Tensor:
    """The spans as an (n, 2) int64 tensor; ValueError if they are none within a text of that length."""
    expected = "whole numbers of shape (n, 2)"
    if not isinstance(spans, Tensor):
        if isinstance(spans, str) or not isinstance(spans, Sequence):
            raise ValueError(f"spans is of type {type(spans).__name__}; expected {expected}")
        if not len(spans):
            return torch.zeros(0, 2, dtype=torch.int64)
        try:
            spans = torch.tensor(spans)
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise ValueError(f"spans can't become a tensor ({error}); expected {expected}") from None
    if spans.is_floating_point() or spans.is_complex() or spans.dtype == torch.bool:
        raise ValueError(f"spans has dtype {spans.dtype}; expected {expected}")
    if spans.ndim != 2 or spans.shape[1] != 2:
        raise ValueError(f"spans has shape {tuple(spans.shape)}; expected {expected}")
    spans = spans.to("cpu", torch.int64)
    start, stop = spans.T
    bad = (start < 0) | (start > stop) | (stop > length)
    if bad.any():
        place = int(bad.nonzero()[0])
        raise ValueError(f"spans[{place}] is {spans[place].tolist()}; expected 0 <= start <= stop <= {length}")
    return spans


def _rows(text: str) -> dict[str, bytearray]:
    """For every label a byte a character: 1 where it has the label, else 0."""
    rows = {name: bytearray(len(text)) for name in LABELS}
    begin = text.startswith("\ufeff")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an old way of writing is nothing to warn of here
            _Code(rows, text, text[begin:], int(begin), set()).label()
    except SyntaxError as error:
        reason = f"{error.msg}, line {error.lineno}"
    except (ValueError, RecursionError, MemoryError, OverflowError, tokenize.TokenError) as error:
        reason = f"{type(error).__name__}: {error}"
    else:
        return rows
    raise ValueError(f"text can't be read as Python: {reason}; expected the source of a file")


class _Code:
    """A piece of code, a file or the field of an f-string, and the marks for its characters.

    text: the whole file; source: the piece, its first character at `base` of the file; seen: the names that came before;
    depth: how many brackets are open around it; field: whether it is a field, which stands in a pair of parentheses of ours.
    """

    def __init__(self, rows: dict[str, bytearray], text: str, source: str, base: int, seen: set[str], depth: int = 0, field: bool = False) -> None:
        self.rows, self.text, self.seen, self.depth, self.field = rows, text, seen, depth, field
        ends = list(_NEWLINE.finditer(source))
        self.starts = [base, *(base + end.end() for end in ends), base + len(source)]  # of the lines, and the end
        plain = _NEWLINE.sub("\n", source)
        self.lines = plain.split("\n")
        self.tree = ast.parse(plain)
        self.read()

    def mark(self, name: str, start: int, stop: int) -> None:
        if stop > start:
            self.rows[name][start:stop] = b"\1" * (stop - start)

    def label(self) -> None:
        self.documents: set[int] = set()  # tokens that are docstrings
        self.soft: set[int] = set()  # tokens that are keywords here and names elsewhere, such as match
        self.label_tree()
        self.label_code()
        if not self.field:
            self.label_lines()

    # tokens

    def read(self) -> None:
        """The tokens of code, f-strings as one token each, and apart from them what else `tokenize` found."""
        self.words: list[str] = []
        self.kinds: list[int] = []
        self.begin: list[int] = []
        self.stop: list[int] = []
        self.line: list[int] = []  # on which it begins, from 0
        self.last: list[int] = []  # on which it ends
        self.comments: list[tuple[int, int]] = []
        self.newlines: list[tuple[int, int, int]] = []  # the number of tokens before it, its line and its place
        self.levels: dict[int, int] = {}  # of the tokens before which it changes, how many blocks deep they are
        level, nested, first = 0, 0, (0, 0)
        lines = iter(self.lines)
        for kind, word, (row, column), (end_row, _), _ in tokenize.generate_tokens(lambda: next((line + "\n" for line in lines), "")):
            if kind == _FSTRING_START:
                nested += 1
                if nested == 1:
                    first = row, column
                continue
            if nested:
                if kind == _FSTRING_END:
                    nested -= 1
                if nested:
                    continue
                kind, (row, column) = tokenize.STRING, first
            if kind in (tokenize.NAME, tokenize.OP, tokenize.STRING, tokenize.NUMBER):
                start = self.starts[row - 1] + column
                if kind == tokenize.STRING:  # Python 3.12 counts bytes, not characters, where some strings end
                    stop = _string_end(self.text, start + len(_opening(self.text, start)[1]))
                else:
                    stop = start + len(word)
                self.words.append(self.text[start:stop] if kind == tokenize.STRING else word)
                self.kinds.append(kind)
                self.begin.append(start)
                self.stop.append(stop)
                self.line.append(row - 1)
                self.last.append(end_row - 1)
            elif kind == tokenize.COMMENT:
                self.comments.append((self.starts[row - 1] + column, self.starts[row - 1] + column + len(word)))
            elif kind == tokenize.NEWLINE:
                self.newlines.append((len(self.words), row - 1, self.starts[row - 1] + column))
            elif kind in (tokenize.INDENT, tokenize.DEDENT):
                level += 1 if kind == tokenize.INDENT else -1
                self.levels[len(self.words)] = level
            elif kind == tokenize.ERRORTOKEN:
                raise ValueError(f"{word!r} on line {row} is no token")
        if self.field:
            self.words[0] = self.words[-1] = ""  # the parentheses that are ours
            self.kinds[0] = self.kinds[-1] = tokenize.NL
        self.partner: dict[int, int] = {}  # of a closing bracket, the opening one
        self.outside: list[int] = []  # of a token, how many brackets around it are open
        opened: list[int] = []
        for i, (kind, word) in enumerate(zip(self.kinds, self.words)):
            if kind == tokenize.OP and word in (")", "]", "}"):
                self.partner[i] = opened.pop()
            self.outside.append(self.depth + len(opened))
            if kind == tokenize.OP and word in _CLOSING:
                opened.append(i)

    def at(self, start: int) -> int:
        """The number of the token that begins there, or the first one after that."""
        return bisect_left(self.begin, start)

    def before(self, stop: int) -> int:
        """The number of the token that ends there."""
        return bisect_left(self.stop, stop)

    def after(self, stop: int, signs: Sequence[str]) -> int:
        """The number of the first token after that place that is one of the signs."""
        i = bisect_left(self.begin, stop)
        while self.kinds[i] != tokenize.OP or self.words[i] not in signs:
            i += 1
        return i

    def mark_token(self, name: str, i: int) -> None:
        self.mark(name, self.begin[i], self.stop[i])

    # what the tree says

    def place(self, line: int, column: int) -> int:
        """The place in the file of a line and a column in bytes of UTF-8, as the tree gives them."""
        content = self.lines[line - 1]
        if not content.isascii():
            column = len(content.encode()[:column].decode())
        return self.starts[line - 1] + column

    def start_of(self, node: Any) -> int:
        return self.place(node.lineno, node.col_offset)

    def stop_of(self, node: Any) -> int:
        return self.place(node.end_lineno, node.end_col_offset)

    def mark_node(self, name: str, node: ast.AST | None) -> None:
        if node is not None:
            self.mark(name, self.start_of(node), self.stop_of(node))

    def label_tree(self) -> None:
        nodes: list[ast.AST] = [self.tree]
        while nodes:  # not by recursion: a tree may be deep
            node = nodes.pop()
            name = type(node).__name__
            if name == "JoinedStr":  # an f-string; its fields are read by themselves
                continue
            label = getattr(self, f"label_{name}", None)
            if label is not None:
                label(node)
            nodes += ast.iter_child_nodes(node)

    def label_Module(self, node: ast.Module | ast.FunctionDef | ast.ClassDef) -> None:
        if ast.get_docstring(node, clean=False) is not None and not self.field:
            first = node.body[0]
            self.documents.update(range(self.at(self.start_of(first)), self.before(self.stop_of(first)) + 1))

    def label_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.label_Module(node)
        i = self.at(self.start_of(node))
        self.mark_token("function being defined", i + (2 if self.words[i] == "async" else 1))
        self.mark_node("annotation", node.returns)

    label_AsyncFunctionDef = label_FunctionDef

    def label_ClassDef(self, node: ast.ClassDef) -> None:
        self.label_Module(node)
        self.mark_token("class being defined", self.at(self.start_of(node)) + 1)
        for base in node.bases:
            self.mark_node("base class", base)

    def label_arguments(self, node: ast.arguments) -> None:
        for default in (*node.defaults, *node.kw_defaults):
            self.mark_node("default value", default)

    def label_arg(self, node: ast.arg) -> None:
        self.mark_token("parameter name", self.at(self.start_of(node)))
        self.mark_node("annotation", node.annotation)

    def label_keyword(self, node: ast.keyword) -> None:
        if node.arg is not None:
            self.mark_token("name of a keyword argument", self.at(self.start_of(node)))

    def last_name(self, node: ast.AST | None) -> int | None:
        """The token of a name, or of the last name of an attribute; None for anything else."""
        return self.before(self.stop_of(node)) if isinstance(node, (ast.Name, ast.Attribute)) else None

    def label_Call(self, node: ast.Call) -> None:
        stop = self.before(self.stop_of(node))
        self.mark("between the parentheses of a call", self.stop[self.partner[stop]], self.begin[stop])
        name = self.last_name(node.func)
        if name is not None:
            self.mark_token("function being called", name)

    def label_Subscript(self, node: ast.Subscript) -> None:
        stop = self.before(self.stop_of(node))
        self.mark("inside a subscript", self.stop[self.partner[stop]], self.begin[stop])

    def label_Attribute(self, node: ast.Attribute) -> None:
        self.mark_token("attribute after a dot", self.before(self.stop_of(node)))

    def label_Name(self, node: ast.Name) -> None:
        if node.id in BUILTINS and isinstance(node.ctx, ast.Load):
            self.mark_node("built-in function", node)

    def label_Import(self, node: ast.Import) -> None:
        start, stop = self.at(self.start_of(node)), self.before(self.stop_of(node))
        module, renamed = True, False
        for i in range(start, stop + 1):
            word = self.words[i]
            if word in ("from", "import"):
                self.mark_token("keyword import or from", i)
                module = word == "from" or isinstance(node, ast.Import)
            elif word == "as":
                renamed = True
            elif word == ",":
                renamed = False
            elif module and not renamed:
                self.mark_token("module name in an import", i)
            elif self.kinds[i] == tokenize.NAME:
                self.mark_token("imported name", i)

    label_ImportFrom = label_Import

    def mark_exception(self, node: ast.expr | None) -> None:
        for one in node.elts if isinstance(node, ast.Tuple) else [node]:
            name = self.last_name(one.func if isinstance(one, ast.Call) else one)
            if name is not None:
                self.mark_token("exception name", name)

    def label_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self.mark_exception(node.type)

    def label_Raise(self, node: ast.Raise) -> None:
        self.mark_exception(node.exc)

    def mark_names(self, name: str, target: ast.AST) -> None:
        if isinstance(target, ast.Name):
            self.mark_node(name, target)
        elif isinstance(target, ast.Starred):
            self.mark_names(name, target.value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for one in target.elts:
                self.mark_names(name, one)

    def label_For(self, node: ast.For) -> None:
        self.mark_names("loop variable", node.target)

    label_AsyncFor = label_For

    def label_comprehension(self, node: ast.comprehension) -> None:
        self.mark_names("comprehension variable", node.target)

    def mark_assignment(self, target: ast.AST, before: ast.AST, *signs: str) -> None:
        self.mark_node("target of an assignment", target)
        i = self.after(self.stop_of(before), signs)
        self.mark_token("sign of an assignment", i)

    def label_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self.mark_assignment(target, target, "=")

    def label_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.mark_node("annotation", node.annotation)
        if node.value is not None:
            self.mark_assignment(node.target, node.annotation, "=")

    def label_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.mark_assignment(node.target, node.target, ":=")

    def label_AugAssign(self, node: ast.AugAssign) -> None:
        self.mark_assignment(node.target, node.target, *(f"{sign}=" for sign in "+ - * / // % ** @ & | ^ << >>".split()))

    def label_TypeAlias(self, node: Any) -> None:  # from 3.12 on
        self.soft.add(self.at(self.start_of(node)))
        self.mark_assignment(node.name, node.name, "=")

    def label_BinOp(self, node: ast.BinOp) -> None:
        i = self.before(self.stop_of(node.left)) + 1
        while self.words[i] == ")":
            i += 1
        self.mark_token("arithmetic operator", i)

    def label_UnaryOp(self, node: ast.UnaryOp) -> None:
        if not isinstance(node.op, ast.Not):
            self.mark_token("arithmetic operator", self.at(self.start_of(node)))

    def label_Match(self, node: ast.Match) -> None:
        self.soft.add(self.at(self.start_of(node)))
        for case in node.cases:
            i = self.at(self.start_of(case.pattern)) - 1
            while self.words[i] == "(":
                i -= 1
            self.soft.add(i)

    # what the tokens say

    def label_code(self) -> None:
        for i, (kind, word) in enumerate(zip(self.kinds, self.words)):
            start, stop = self.begin[i], self.stop[i]
            if kind == tokenize.NAME:
                self.mark("continuation of a word", start + 1, stop)
                if word in _KEYWORDS:
                    self.mark(_KEYWORDS[word], start, stop)
                elif not keyword.iskeyword(word) and i not in self.soft:
                    self.label_name(word, start, stop)
            elif kind == tokenize.STRING:
                self.label_string(word, i)
            elif kind == tokenize.NUMBER:
                self.mark("number", start, stop)
            elif word in _CLOSING:
                self.mark(f"opening bracket {word}", start, stop)
            elif i in self.partner:
                self.mark(f"closing bracket {word}", start, stop)
                self.mark("inside brackets", self.stop[self.partner[i]], start)
                if self.outside[i]:
                    self.mark("two or more brackets deep", self.stop[self.partner[i]], start)
            elif word == ",":
                self.mark("comma", start, stop)
            elif word == ".":
                self.mark("dot", start, stop)
            elif word in ("==", "!=", "<", ">", "<=", ">="):
                self.mark("comparison operator", start, stop)
        for start, stop in self.comments:
            self.mark("inside a comment", start, stop)
            self.mark_addresses(start, stop)

    def label_name(self, word: str, start: int, stop: int) -> None:
        if word == "self":
            self.mark("self", start, stop)
        if len(word) > 4 and word.startswith("__") and word.endswith("__"):
            self.mark("dunder name", start, stop)
        if _CAPITALS.fullmatch(word):
            self.mark("name in capitals", start, stop)
        if word in self.seen:
            self.mark("name seen before", start, stop)
        self.seen.add(word)

    def mark_addresses(self, start: int, stop: int) -> None:
        for found in _ADDRESS.finditer(self.text, start, stop):
            self.mark("web address", *found.span())

    def label_string(self, word: str, i: int) -> None:
        start, stop = self.begin[i], self.stop[i]
        prefix, quote = _opening(word).groups()
        inner, end = start + len(prefix) + len(quote), stop - len(quote)
        self.mark("opening quote", start, inner)
        self.mark("closing quote", end, stop)
        if i in self.documents:
            self.mark("inside a docstring", inner, end)
            for found in _DOCTEST.finditer(_NEWLINE.sub(lambda newline: "\n" * len(newline[0]), self.text[inner:end])):
                self.mark("doctest line", inner + found.start(1), inner + found.end(1))
            self.mark_addresses(inner, end)
            return
        pieces: Spans = [(inner, end)]
        if "f" in prefix.lower():
            pieces, fields, codes, _ = _parts(self.text, inner, quote, "r" in prefix.lower())
            for piece in pieces:
                self.mark("text of an f-string", *piece)
            for field in fields:
                self.mark("field of an f-string", *field)
            for first, last in codes:
                code = f"({self.text[first:last]})"
                _Code(self.rows, self.text, code, first - 1, self.seen, self.outside[i], field=True).label()
        for piece in pieces:
            self.mark("inside a string", *piece)
            self.mark_addresses(*piece)

    # what the lines say

    def label_lines(self) -> None:
        within: set[int] = set()  # lines that begin within a string
        ends = {before: (number, place) for before, number, place in self.newlines}
        counts, line = [*ends], -1
        level, statement, header, lambdas = 0, True, False, 0
        for i, word in enumerate(self.words):
            within.update(range(self.line[i] + 1, self.last[i] + 1))
            start = self.begin[i]
            level = self.levels.get(i, level)
            if i in ends:
                statement = True
            if self.line[i] > line:
                stop = start + _opening(word).end() if self.kinds[i] == tokenize.STRING else self.stop[i]
                self.mark("first token of a line", start, stop)
            line = self.last[i]
            if statement:
                if level:
                    self.mark(_INDENTATIONS[min(level, 3) - 1], self.starts[self.line[i]], start)
                header, lambdas, statement = word in _HEADERS or word in ("match", "case") and i in self.soft, 0, False
                if word == "@":
                    self.mark("decorator", start, self.stop[counts[bisect_left(counts, i + 1)] - 1])
            if not self.outside[i]:
                lambdas += word == "lambda"
                if word == ":" and header:
                    if lambdas:
                        lambdas -= 1
                    else:
                        header = False
                        self.mark("colon that ends a header", start, self.stop[i])
                        if i + 1 in ends:
                            self.mark_newline("newline after a header", *ends[i + 1])
        for number, place in ends.values():
            self.mark_newline("newline that ends a statement", number, place)
        first = self.begin[0] if self.words else len(self.text)
        for start, stop in self.comments:
            if start < first:
                self.mark("comment before all code", start, stop)
        for number, content in enumerate(self.lines):
            if number not in within and _BLANK.fullmatch(content):
                self.mark("blank line", self.starts[number], self.starts[number + 1])

    def mark_newline(self, name: str, number: int, place: int) -> None:
        if number + 1 < len(self.starts):
            self.mark(name, place, self.starts[number + 1])


Spans = list[tuple[int, int]]


def _parts(text: str, at: int, quote: str, raw: bool) -> tuple[Spans, Spans, Spans, int]:
    """The text of an f-string from there to its closing quote; its fields; the code in these; where the closing quote is.

    With no quote it is the format of a field, from there to the brace that closes the field.
    """
    pieces: Spans = []
    fields: Spans = []
    codes: Spans = []
    begin = at
    while True:
        at = _find(_IN_TEXT, text, at)
        sign = text[at]
        if sign == "\\":
            if not raw and text.startswith("\\N{", at):
                at = _find(re.compile("}"), text, at) + 1
            else:  # a brace after a backslash is a brace as any other
                at += 1 if text[at + 1 : at + 2] in ("{", "}") else 2
        elif quote and text.startswith(quote, at) or not quote and sign == "}":
            pieces.append((begin, at))
            return pieces, fields, codes, at
        elif quote and text[at : at + 2] in ("{{", "}}"):
            at += 2
        elif sign == "{":
            pieces.append((begin, at))
            code, inner, stop = _field(text, at, raw)
            fields.append((at, stop))
            codes += [code, *inner]
            begin = at = stop
        else:
            at += 1


def _field(text: str, brace: int, raw: bool) -> tuple[tuple[int, int], Spans, int]:
    """The code of the field that begins with that brace, the codes in its format, and where the field ends."""
    at, depth = brace + 1, 0
    while True:
        at = _find(_IN_FIELD, text, at)
        sign = text[at]
        if sign in "\"'":
            at = _string_end(text, at)
        elif sign == "#":
            at = _find(_NEWLINE, text, at)
        elif text.startswith("!=", at):
            at += 2
        elif not depth and sign in "!:}":
            break
        else:
            depth += (sign in "([{") - (sign in ")]}")
            at += 1
    code = text[brace + 1 : at]
    inner: Spans = []
    if code.rstrip().endswith("="):  # no code does, but f"{x = }"
        code = code.rstrip()[:-1]
    if sign == "!":
        at = _find(re.compile("[:}]"), text, at)
    if text[at] == ":":
        _, _, inner, at = _parts(text, at + 1, "", raw)
    return (brace + 1, brace + 1 + len(code)), inner, at + 1


def _opening(text: str, at: int = 0) -> re.Match[str]:
    """The prefix and the opening quote of the string that begins there."""
    return cast(re.Match[str], _OPENING.match(text, at))


def _string_end(text: str, at: int) -> int:
    """Where the string ends whose opening quote stands there."""
    begin = at
    while begin and text[begin - 1].isalpha():
        begin -= 1
    prefix = text[begin:at].lower()
    quote = text[at] * 3 if text.startswith(text[at] * 3, at) else text[at]
    if prefix in ("f", "fr", "rf"):
        return _parts(text, at + len(quote), quote, "r" in prefix)[3] + len(quote)
    return _find(re.compile(rf"(?s:(?:\\.|(?!{quote})[^\\])*)({quote})"), text, at + len(quote), 1) + len(quote)


def _find(pattern: re.Pattern, text: str, at: int, group: int = 0) -> int:
    found = pattern.search(text, at)
    if not found:
        raise SyntaxError("an f-string does not end")
    return found.start(group)
