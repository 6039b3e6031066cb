"""Labels for Python source: marks made by hand, what an independent look at real files finds, and hostile text."""

import io
import re
import sysconfig
import warnings
from pathlib import Path

import pytest
import torch
from hostile import refusal, unhurried
from hypothesis import example, given
from hypothesis import strategies as st
from saelib.data import LABELS, Tokens, label_characters, label_texts, label_tokens, tokenize, train_tokenizer
from saelib.data.python_labels import BUILTINS

NAMES = list(LABELS)

# For each label pieces of source, | before each line of it, and after : a ^ under each character that has the label.
# A ^ just past the end of a line stands under its newline.
MARKED = {
    "inside a docstring": '''
|"""A file."""
:   ^^^^^^^
|def f():
|    r"one" "two"
:      ^^^   ^^^
|    "no docstring"
|class A:
|    """a
:       ^^
|    b"""
:^^^^^
|x = "no"
''',
    "inside a comment": '''
|#!/bin/sh
:^^^^^^^^^
|x = 1  # one
:       ^^^^^
|y = "# no"  # type: int
:            ^^^^^^^^^^^
''',
    "inside a string": '''
|"""no"""
|x = b"ab" + "" 'é"' + rb'c'
:      ^^        ^^       ^
|y = f"a{b['c']:>{d}}{{e"
:      ^    ^        ^^^
|z = """f
:       ^^
| g"""
:^^
''',
    "text of an f-string": r'''
|x = f"a{b}\N{BULLET}{c}\{d}" "no" f""
:      ^   ^^^^^^^^^^   ^
|y = Rf'{{e}}{f"g{h}" + "no"}\N{i}'
:       ^^^^^   ^            ^^
''',
    "field of an f-string": '''
|x = f"a{b}c{ d['}'] !r:>{w}.2}{{e}}"
:       ^^^ ^^^^^^^^^^^^^^^^^^^
|y = "{no}" f'{z = }' f"{ {1: 2}[1] != 2 }"
:             ^^^^^^    ^^^^^^^^^^^^^^^^^^
|v = f"""{
:        ^^
|  u}"""
:^^^^
''',
    "opening quote": '''
|"""A"""
:^^^
|x = "" + Rb'b' + rf"c{d['e']}"
:    ^    ^^^     ^^^    ^
''',
    "closing quote": '''
|"""A"""
:    ^^^
|x = "" + Rb'b' + rf"c{d['e']}"
:     ^       ^            ^  ^
''',
    "doctest line": '''
|"""A file.
|
|    >>> 1 + 1
:    ^^^^^^^^^
|    2
|    a >>> b
|>>> 3"""
:^^^^^
|x = """
|>>> no"""
''',
    "web address": '''
|# see http://a.b/c?d (https://e) http:/no
:      ^^^^^^^^^^^^^^  ^^^^^^^^^
|"https://f" + f"http://g{'http://h'}"
: ^^^^^^^^^      ^^^^^^^^  ^^^^^^^^
''',
    "comment before all code": '''
|#!/bin/sh
:^^^^^^^^^
|
|    # é
:    ^^^
|"""A docstring."""
|# no
''',
    "number": '''
|x1 = 12 + 0x_fF - 1.5e-3j * .5
:     ^^   ^^^^^   ^^^^^^^   ^^
|y = "3", -4, x[5:6]
:          ^    ^ ^
''',
    "keyword def": '''
|async def define(): "def"  # def
:      ^^^
''',
    "keyword class": '''
|class A: klass = "class"
:^^^^^
''',
    "keyword return": '''
|def f(returns): return returns
:                ^^^^^^
''',
    "keyword import or from": '''
|import a.b
:^^^^^^
|from .c import (d as e)
:^^^^    ^^^^^^
|def f(): yield from g; import h
:                       ^^^^^^
|raise A from b
''',
    "keyword if, elif or else": '''
|if a: b = c if d else e
:^^          ^^   ^^^^
|elif f: [g for g in h if i]
:^^^^                  ^^
|else: pass
:^^^^
|for _ in j: pass
|else: pass
:^^^^
''',
    "keyword for": '''
|for a in b: [c for c in form]
:^^^            ^^^
''',
    "keyword while": '''
|while a: whiles
:^^^^^
''',
    "keyword try, except or finally": '''
|try: a
:^^^
|except B: c
:^^^^^^
|finally: d
:^^^^^^^
''',
    "keyword with": '''
|with a as b: within
:^^^^
''',
    "keyword lambda": '''
|a = lambda b: lambda: c
:    ^^^^^^    ^^^^^^
''',
    "keyword and, or, not, in or is": '''
|a and b or not c in d is not e
:  ^^^   ^^ ^^^   ^^   ^^ ^^^
|for f in g: inner
:      ^^
''',
    "None, True or False": '''
|a = None, True, False, "None"
:    ^^^^  ^^^^  ^^^^^
''',
    "keyword raise": '''
|raise a
:^^^^^
''',
    "keyword yield, await or async": '''
|async def f():
:^^^^^
|    await g; yield h
:    ^^^^^    ^^^^^
|    async for i in j: pass
:    ^^^^^
''',
    "keyword pass, break or continue": '''
|while a: pass; break; continue
:         ^^^^  ^^^^^  ^^^^^^^^
''',
    "self": '''
|def f(self): return self.self, selfish, f"{self}"
:      ^^^^          ^^^^ ^^^^              ^^^^
''',
    "parameter name": '''
|def f(a, /, b: c, *d, é=e, **g): return lambda h, *i, j=k: a
:      ^     ^      ^  ^      ^                 ^   ^  ^
|f(l, m=n)
''',
    "default value": '''
|def f(a, b: c = (d + e), *, g={1: 2}): return lambda h=i: j
:                 ^^^^^        ^^^^^^                   ^
|f(k=l)
''',
    "annotation": '''
|def f(a: int, *b: c[d], e: "g" = h) -> i.j: pass
:         ^^^      ^^^^     ^^^         ^^^
|k: l; m.n: o = p
:   ^       ^
''',
    "name of a keyword argument": '''
|f(a, b=c, **d)(é=(e=="é"), g = h)
:     ^         ^           ^
|class A(B, metaclass=C): x = 1
:           ^^^^^^^^^
|def g(i=j): pass
''',
    "between the parentheses of a call": '''
|f(a, b(c)[d], )(é for é in "f()") + (g)
:  ^^^^^^^^^^^^  ^^^^^^^^^^^^^^^^
|h() + f"{i(j)}"
:           ^
|@k(l)
:   ^
|def m(n): pass
''',
    "function being defined": '''
|async def f(): pass
:          ^
|@g
|def gé(): pass
:    ^^
''',
    "class being defined": '''
|@a
|class Bc(D): e = 1
:      ^^
''',
    "base class": '''
|class A(B, c.D[e], *f, metaclass=G): x(y)
:        ^  ^^^^^^  ^^
''',
    "function being called": '''
|f(a.m (b))(c)
:^   ^
|g[0](h); (i)(); "é".é(); f"{print(j)}"
:          ^         ^       ^^^^^
|@k()
: ^
|class L(M): pass
''',
    "attribute after a dot": '''
|a.b.c().d; "é" . e
:  ^ ^   ^        ^
|import f.g
|x = (h
|     .i) + .5 + f"{j.k:{l.m}}"
:      ^              ^    ^
''',
    "imported name": '''
|import a.b as c, d, e as f
:              ^          ^
|from . import (g, h as i)
:               ^  ^    ^
|from j import *
''',
    "module name in an import": '''
|import a.b as c, d
:       ^^^       ^
|from ..e.f import g
:     ^^^^^
|if 1: from . import h
:           ^
''',
    "decorator": '''
|@a.b(c,
:^^^^^^^^
|    d)  # no
:^^^^^^
|# no
|@ e
:^^^
|def f(): g @ h
''',
    "exception name": '''
|try: a
|except B: raise C(d) from e
:       ^        ^
|except (f.G, H) as i: raise
:          ^  ^
|except: raise j.K
:                ^
''',
    "loop variable": '''
|for a, (b, *c), d.e, f[g] in h: i
:    ^   ^   ^
|[j for j in k]
''',
    "comprehension variable": '''
|x = [a for a, (b, *c) in d for e in a], {g: g async for g in h}
:           ^   ^   ^           ^                        ^
|for i in j: pass
''',
    "target of an assignment": '''
|a = b.c[d] = e, f = 1
:^   ^^^^^^   ^^^^
|g: int = 2; h: int; (i) += 3
:^                    ^
|f(j=1); (k := 2)
:         ^
|with l as m: pass
''',
    "built-in function": '''
|print(len(a.len), b=list, list=int)
:^^^^^ ^^^           ^^^^       ^^^
|def max(min): sum = f"{any}"
:                       ^^^
''',
    "dunder name": '''
|__a__ = b.__init__ + __c + ____ + "__d__"
:^^^^^     ^^^^^^^^
''',
    "name in capitals": '''
|AB = _C2 + D + __ + a.E_ + Fg + "HI"
:^^   ^^^              ^^
''',
    "name seen before": '''
|a = b.a if a else c
:      ^    ^
|def b(c): "d"; return f"{b}{e}", e, match
:    ^ ^                  ^       ^
|match d:
|    case d: a
:         ^  ^
''',
    "continuation of a word": '''
|if abc: é1.d_ = 12, "ef"
: ^  ^^   ^  ^
''',
    "sign of an assignment": '''
|a = b = c == d
:  ^   ^
|e: f[lambda g=1: 0] = h
:                    ^
|(i) //= 1; j(k=(l := 2))
:    ^^^           ^^
|m = lambda n=o: p
:  ^
''',
    "comparison operator": '''
|a == b != c < d > e <= f >= g << h
:  ^^   ^^   ^   ^   ^^   ^^
|def i() -> j: k <<= l; "<"
''',
    "arithmetic operator": '''
|x = -a + (b) * ~c ** +d // e % f
:    ^  ^     ^ ^  ^^ ^  ^^   ^
|y = f(*g, **h) @ i & j | k ^ l << m >> n
:               ^   ^   ^   ^   ^^   ^^
|z += "é" + o  # -
:         ^
|@p
|def q(*r, **s): not t
|match u:
|    case -1 | 2: v
:         ^
''',
    "opening bracket (": '''
|f((a), [b], {c: "("}) + f"{(d)}"  # (
: ^^                        ^
''',
    "opening bracket [": '''
|a[b, [c]] + "["
: ^   ^
''',
    "opening bracket {": '''
|{a: {b}} + f"{c}{ {d} }"
:^   ^             ^
''',
    "closing bracket )": '''
|f((a), [b], {c: ")"}) + f"{(d)}"  # )
:    ^               ^        ^
''',
    "closing bracket ]": '''
|a[b, [c]] + "]"
:       ^^
''',
    "closing bracket }": '''
|{a: {b}} + f"{c}{ {d} }"
:      ^^            ^
''',
    "comma": '''
|a, (b,), f"{c, d},"  # ,
: ^   ^ ^     ^
''',
    "colon that ends a header": '''
|if a[b:c] or (lambda: d): e: f
:                        ^
|else: {g: h}
:    ^
|with lambda i: j, k: l
:                   ^
|class A(B): m: n = lambda: o
:          ^
|match p:
:       ^
|    case (q): match: r
:            ^
''',
    "dot": '''
|a.b + .5 + ... + f"{c.d}."
: ^                   ^
|from .e.f import g
:     ^ ^
''',
    "inside brackets": '''
|f(a, [b]) + {"(": c} + f"{d[e]}"
:  ^^^^^^     ^^^^^^         ^
''',
    "two or more brackets deep": '''
|f(a, [b, (c)], f"{d[e]}")
:      ^^^^^^        ^
''',
    "inside a subscript": '''
|a[b, c[1:2]][d] + [e]
:  ^^^^^^^^^  ^
''',
    "indentation of one level": '''
|if a:
|    b(c,
:^^^^
|        d)
|    # e
|
|    if f: g
:^^^^
|    else:
:^^^^
|        h
''',
    "indentation of two levels": '''
|if a:
|  if b:
|    c
:^^^^
|    if d:
:^^^^
|      e
''',
    "indentation of three levels or more": '''
|if a:
| if b:
|  if c:
|   if d:
:^^^
|    e
:^^^^
|f
''',
    "blank line": '''
|
:^
|a = (b,
|  
:^^^
|  c)
|d = """
|
|"""
|   
:^^^^
''',
    "newline that ends a statement": '''
|if a:  # b
:          ^
|    c(d,
|      e); f
:           ^
|
|# g
|h = """
|""" + \\
|  i
:   ^
''',
    "newline after a header": '''
|if a: b
|else:  # c
:          ^
|    def d(e,
|      f):
:         ^
|        g = lambda: [
|          h]
''',
    "first token of a line": '''
|if a:
:^^
|    return_ = (b,
:    ^^^^^^^
|      f"c{d}", # e
:      ^^
|      ) + """f
:      ^
|   """ + g; h
|# i
|  # j
|@k
:^
|def l(): pass
:^^^
''',
}  # fmt: skip


def source_and_marks(block: str) -> tuple[str, list[bool]]:
    text, marks = "", []
    for line in block.strip("\n").split("\n"):
        if line.startswith("|"):
            text += line[1:] + "\n"
            marks += [False] * len(line)
            begin = len(marks) - len(line)
        else:
            assert line.startswith(":")
            for column, mark in enumerate(line[1:]):
                assert mark in " ^"
                marks[begin + column] = mark == "^"
    return text, marks


def shown(text: str, marks: list[bool]) -> str:
    return "".join(f"<{character}>" if mark else character for character, mark in zip(text, marks))


def has(text: str, name: str) -> str:
    """The characters of a text that have a label."""
    row = label_characters(text)[NAMES.index(name)].tolist()
    return "".join(character for character, mark in zip(text, row) if mark)


@pytest.mark.parametrize("name", NAMES)
def test_a_label_has_the_characters_that_a_hand_has_marked(name):
    text, marks = source_and_marks(MARKED[name])
    assert any(marks) and not all(marks)
    assert shown(text, label_characters(text)[NAMES.index(name)].tolist()) == shown(text, marks)


@pytest.mark.parametrize("end", ["\r\n", "\r"])
@pytest.mark.parametrize("name", NAMES)
def test_other_line_ends_change_nothing(name, end):
    text, marks = source_and_marks(MARKED[name])
    other = text.replace("\n", end)
    expected = [mark for character, mark in zip(text, marks) for _ in (end if character == "\n" else character)]
    assert shown(other, label_characters(other)[NAMES.index(name)].tolist()) == shown(other, expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_byte_order_mark_has_no_label_and_changes_nothing(name):
    text, marks = source_and_marks(MARKED[name])
    labels = label_characters("\ufeff" + text)
    assert not labels[:, 0].any()
    assert shown(text, labels[NAMES.index(name), 1:].tolist()) == shown(text, marks)


def test_every_label_is_marked_by_hand_and_defined_in_one_sentence():
    assert set(MARKED) == set(NAMES)
    assert all(definition.endswith(".") and definition[0].isupper() for definition in LABELS.values())
    assert len(set(LABELS.values())) == len(LABELS)


def test_files_that_hardly_hold_anything():
    assert label_characters("").shape == (len(LABELS), 0)
    assert not label_characters("\ufeff").any()
    assert has("#", "inside a comment") == has("#", "comment before all code") == "#"
    assert has("\f\n \t", "blank line") == "\f\n \t"
    assert has("x", "first token of a line") == "x"
    assert label_characters("x").dtype == torch.bool


def test_a_last_line_needs_no_newline():
    for text in (*(source_and_marks(block)[0] for block in MARKED.values()), "if a:\n  b\n  ", "if a:\n  b\n  # c"):
        assert torch.equal(label_characters(text)[:, : len(text.rstrip("\n"))], label_characters(text.rstrip("\n")))


def test_tabs_and_form_feeds_indent_too():
    assert has("if a:\n\tb\n", "indentation of one level") == "\t"
    assert has("\fif a:\n\f  b\n", "indentation of one level") == "\f  "


def test_the_letters_of_every_alphabet_count_as_one_character_each():
    text = 'é = "日本語", ü.ß(名=f"{ñ.ö}ä"); 𝔘 = 1  # 🦆\n'
    assert has(text, "inside a string") == "日本語ä" and has(text, "attribute after a dot") == "ßö"
    assert has(text, "name of a keyword argument") == "名" and has(text, "inside a comment") == "# 🦆"
    assert has(text, "target of an assignment") == "é𝔘" and has(text, "function being called") == "ß"


def test_a_match_statement_has_keywords_only_where_it_is_one():
    text = "match (x):\n  case (1 | 2) if y: pass\n  case P(a=[b, *_]): match = case\nmatch(x)\n"
    assert has(text, "colon that ends a header") == ":::" and has(text, "function being called") == "match"
    assert has(text, "name seen before") == "matchx"


def test_strings_in_strings_and_formats_in_formats():
    text = """f'''{a["b"]:{c}.{d}} {f"e{g!r}" 'h'} {{ {(lambda i: i)(j):,}'''\n"""
    assert has(text, "text of an f-string") == " e {{ " and has(text, "inside a string") == "b eh {{ "
    assert has(text, "name seen before") == "i" and has(text, "parameter name") == "i" and has(text, "comma") == ""


# Real files: the standard library that this Python came with.


def library(n: int) -> list[str]:
    """n files of it, evenly from the list of all that can be read, from packages that every Python has."""
    root = Path(sysconfig.get_path("stdlib"))
    rooms = (".", "asyncio", "email", "json", "http", "unittest", "logging")
    paths = [path for room in rooms for path in sorted((root / room).glob("*.py"))]
    return [path.read_text(encoding="utf-8") for path in paths[:: len(paths) // n][:n]]


@pytest.fixture(scope="module")
def files() -> list[tuple[str, torch.Tensor]]:
    return [(text, label_characters(text)) for text in library(30)]


def runs(text: str, row: torch.Tensor) -> list[str]:
    """The stretches of characters that have a label."""
    marks = "".join("x" if mark else "." for mark in row.tolist())
    return [text[found.start() : found.end()] for found in re.finditer("x+", marks)]


SCANNER = re.compile(
    r"(?P<comment>#[^\n]*)|(?P<prefix>\b(?:[rRbBuUfF]|[bB][rR]|[rR][bB]|[fF][rR]|[rR][fF]))?"
    r"(?P<quote>\"\"\"|'''|\"|')(?P<body>(?:\\.|(?!(?P=quote)).)*)(?P=quote)",
    re.DOTALL,
)


def test_comments_and_strings_are_those_that_an_independent_scanner_finds(files):
    for text, labels in files:
        comment, inside = torch.zeros(len(text), dtype=torch.bool), torch.zeros(len(text), dtype=torch.bool)
        for found in SCANNER.finditer(text):
            if found["comment"] is not None:
                comment[found.start() : found.end()] = True
            else:
                inside[found.start("body") : found.end("body")] = True
        assert torch.equal(labels[NAMES.index("inside a comment")], comment)
        literal = labels[[NAMES.index("inside a string"), NAMES.index("inside a docstring")]].sum(0)
        assert literal.max() <= 1
        field = labels[NAMES.index("field of an f-string")]
        assert torch.equal(literal.bool() & ~field, inside & ~field)


def test_brackets_open_as_often_as_they_close_and_quotes_too(files):
    for text, labels in files:
        count = dict(zip(NAMES, labels.sum(1).tolist()))
        for opening, closing in ("()", "[]", "{}"):
            assert count[f"opening bracket {opening}"] == count[f"closing bracket {closing}"]
        marks = labels[[NAMES.index("opening quote"), NAMES.index("closing quote")]].any(0)
        assert {character for found in runs(text, marks) for character in found} <= set("\"'rbufRBUF")


WHAT_A_RUN_IS = {
    "arithmetic operator": r"(\*\*?|//?|<<|>>|[%@&|^])?[-+~]*", "attribute after a dot": r"[^\W\d]\w*",
    "between the parentheses of a call": r"(?s).+", "blank line": r"\s+", "class being defined": r"[^\W\d]\w*",
    "closing quote": r"[\"']+", "colon that ends a header": ":", "comparison operator": "==|!=|<=?|>=?",
    "comprehension variable": r"\w+", "decorator": r"(?s)@.*\S", "dunder name": r"__\w+__", "exception name": r"[^\W\d]\w*",
    "field of an f-string": r"(?s)\{.*\}", "function being called": r"[^\W\d]\w*", "function being defined": r"[^\W\d]\w*",
    "imported name": r"[^\W\d]\w*", "indentation of one level": r"[ \t]+", "inside a comment": "#.*",
    "keyword import or from": "import|from", "loop variable": r"\w+", "module name in an import": r"[\w.]+",
    "name in capitals": "[A-Z0-9_]+", "name of a keyword argument": r"[^\W\d]\w*", "newline that ends a statement": "\n",
    "number": r"\.?\d[\w.+-]*", "parameter name": r"[^\W\d]\w*", "self": "self", "sign of an assignment": r"[-+*/%@&|^<>:]{0,2}=",
    "web address": r"https?://\S+", "built-in function": "|".join(BUILTINS),
}  # fmt: skip


def test_marks_of_real_files_look_as_their_labels_say(files):
    for text, labels in files:
        for name, pattern in WHAT_A_RUN_IS.items():
            for run in runs(text, labels[NAMES.index(name)]):
                assert re.fullmatch(pattern, run), (name, run)


def test_keywords_stand_outside_strings_as_often_as_their_labels_say(files):
    for text, labels in files:
        code = SCANNER.sub(lambda found: " " if found["prefix"] not in ("f", "rf", "fr") else f" {' ' * 3}", text)
        for word in ("def", "class", "return", "while", "raise", "with"):
            found = runs(text, labels[NAMES.index(f"keyword {word}")])
            assert found == re.findall(rf"\b{word}\b", code), word


def test_every_label_occurs_in_the_library_and_none_is_everywhere(files):
    found = torch.stack([labels.any(1) for _, labels in files]).any(0)
    assert [name for name, there in zip(NAMES, found.tolist()) if not there] == []
    assert all(labels.float().mean() < 0.5 for _, labels in files)


# Tokens of a model.


def of_token(text: str, *spans: tuple[int, int]) -> list[set[str]]:
    return [{name for name, mark in zip(NAMES, row) if mark} for row in label_tokens(text, spans).tolist()]


def test_a_token_has_the_labels_of_its_first_character_that_is_not_white():
    text = "if a:\n    return b\n\n\nc = 'ü'\n"
    assert text[5:16] == "\n    return" and text[16:18] == " b"
    whole, spaces, newline, rest, blank, word, split, again = of_token(
        text, (5, 16), (6, 10), (5, 10), (12, 16), (18, 21), (16, 18), (26, 27), (26, 27)
    )
    assert whole == {"keyword return", "first token of a line"}
    assert spaces == newline == {"indentation of one level"}
    assert rest == {"keyword return", "continuation of a word", "first token of a line"}
    assert blank == {"blank line"}
    assert word == set()
    assert split == again == {"inside a string"}


def test_spans_may_be_a_tensor_or_a_list_and_there_may_be_none():
    text = "a = 1\n"
    spans = [(0, 1), (1, 3), (3, 6)]
    expected = label_tokens(text, spans)
    assert expected.shape == (3, len(LABELS)) and expected.dtype == torch.bool
    for kind in (torch.int32, torch.int64, torch.uint8):
        assert torch.equal(label_tokens(text, torch.tensor(spans, dtype=kind)), expected)
    for none in ([], (), torch.zeros(0, 2, dtype=torch.int64)):
        assert label_tokens(text, none).shape == label_tokens("", none).shape == (0, len(LABELS))


@pytest.mark.parametrize(
    ("spans", "reason"),
    [
        ([(0, 1), (2, 7)], r"spans[1] is [2, 7]; expected 0 <= start <= stop <= 6"),
        ([(-1, 1)], "spans[0] is [-1, 1]"),
        ([(4, 2)], "spans[0] is [4, 2]"),
        ([(0.0, 1.0)], "dtype torch.float32"),
        ([(True, False)], "dtype torch.bool"),
        (torch.zeros(2, 3, dtype=torch.int64), "shape (2, 3)"),
        ([1, 2], "shape (2,)"),
        ([(1, 2), (3,)], "can't become a tensor"),
        ([(0, 2**70)], "can't become a tensor"),
        ([None], "can't become a tensor"),
        ("ab", "type str"),
        (None, "type NoneType"),
    ],
)
def test_spans_that_are_none_are_refused(spans, reason):
    assert reason in refusal(lambda: label_tokens("a = 1\n", spans))


def test_an_empty_span_is_labelled_by_what_was_trimmed_off_before_it_and_has_no_labels_where_nothing_was():
    text = "if x:\n    y = 1\n"
    whole = [(0, 2), (2, 4), (4, 5), (5, 10), (10, 11)]
    trimmed = [(0, 2), (3, 4), (4, 5), (10, 10), (10, 11)]
    assert torch.equal(label_tokens(text, trimmed), label_tokens(text, whole)) and label_tokens(text, whole)[3].any()
    assert not label_tokens(text, [(0, 0), (3, 3), (len(text), len(text))])[0].any()
    assert not label_tokens("", [(0, 0)]).any()


@pytest.mark.parametrize("trim", [True, False])
def test_tokens_of_a_tokenizer_that_trims_have_the_labels_of_one_that_does_not(trim):
    from tokenizers import processors

    texts = ['def f(x):\n    """Say  it."""\n\n    return  x  # 猫 \n  \n', "  # only this\n\n\nx =  1 \n"]
    plain = train_tokenizer(texts, 290)
    tokens, whole = tokenize(texts, plain), label_texts(texts, tokenize(texts, plain))
    plain.post_processor = processors.ByteLevel(trim_offsets=trim)
    assert torch.equal(label_texts(texts, tokenize(texts, plain)), whole)
    offsets = [(0, 0), *plain.encode(texts[1]).offsets]  # as others make them
    by_hand = Tokens(tokens.ids, torch.cat([tokens.spans[: -len(offsets)], torch.tensor(offsets)]), tokens.file)
    assert label_texts(texts, by_hand).shape == whole.shape


@unhurried
@given(st.data())
def test_the_rule_for_tokens_holds_for_any_spans(data):
    text = data.draw(st.sampled_from([source_and_marks(block)[0] for block in MARKED.values()]))
    labels = label_characters(text)
    ends = st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).filter(lambda pair: pair[0] < pair[1])
    spans = data.draw(st.lists(ends, max_size=20))
    tokens = label_tokens(text, spans)
    for row, (start, stop) in zip(tokens, spans, strict=True):
        place = next((i for i in range(start, stop) if not text[i].isspace()), stop - 1)
        assert torch.equal(row, labels[:, place])


def test_the_tokens_of_several_texts_have_the_labels_that_they_have_text_by_text_and_a_mark_has_none():
    texts = ['"""é"""\nx = 1  # 猫\n', "", "def f(a):\n    return a\n", "y = [2]\n"]
    tokens = tokenize(texts, train_tokenizer(texts, 270))
    labels = label_texts(texts, tokens)
    assert labels.shape == (len(tokens.ids), len(LABELS)) and labels.dtype == torch.bool
    at = 0
    for number, text in enumerate(texts):
        spans = tokens.spans[tokens.file == number]
        assert not labels[at].any()
        assert torch.equal(labels[at + 1 : at + len(spans)], label_tokens(text, spans[1:]))
        assert labels[at + 1 : at + len(spans)].any() == bool(text)
        at += len(spans)
    assert at == len(labels)


def test_labels_of_another_number_of_texts_than_the_tokens_are_of_are_refused():
    tokens = tokenize(["x = 1\n", "y = 2\n"], train_tokenizer(["x"], 257))
    for texts in ([], ["x = 1\n"], ["x = 1\n", "y = 2\n", "z = 3\n"]):
        assert refusal(lambda: label_texts(texts, tokens)) == f"texts holds {len(texts)} texts; expected 2, as the tokens are of"
    assert "invalid syntax" in refusal(lambda: label_texts(["x = 1\n", "y ? 2\n"], tokens))
    assert "spans" in refusal(lambda: label_texts(["x = 1\n", "y"], tokens))
    one = Tokens(tokens.ids[:7], tokens.spans[:7], tokens.file[:7])
    assert torch.equal(label_texts(["x = 1\n"], one), label_texts(["x = 1\n", "y = 2\n"], tokens)[:7])


# Text that is no Python.


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def f(:\n", "invalid syntax, line 1"),
        ("x = 1\n  y = 2\n", "unexpected indent, line 2"),
        ("x = '", "line 1"),
        ("x = 1\n\0", "null bytes"),
        ("print 'a'\n", "Missing parentheses"),
        ("'\ud800'", "surrogates"),
        (b"x = 1", "type bytes"),
        (None, "type NoneType"),
    ],
)
def test_text_that_cannot_be_read_is_refused_with_the_reason(text, reason):
    message = refusal(lambda: label_characters(text))
    assert message.startswith("text ") and reason in message and "expected" in message


PIECES = [
    "a", "b.c", "f(", ")", "[", "]", "{", "}", "'", '"', "'''", 'f"', "{x}", "{{", "rb'", "#", "\n", "\r\n", "\r", "\t",
    "    ", " ", "\f", "\\\n", "\\", "\ufeff", "é", "🦆", "\u2028", "\x1c", ":", ",", "=", ":=", "==", "+=", "*", "**", "@",
    "->", ".", "...", "1", "0x1", "1.", "if ", "else:", "def ", "class ", "lambda ", "for x in ", "async ", "await ",
    "match ", "case ", "import ", "from ", "as ", "return ", "raise ", "with ", "try:", "except ", "pass", "\0", "\ud800",
    "!r", "\\N{", ";", "~", "-", "type ", "·", "_",
]  # fmt: skip


@unhurried
@given(st.text(max_size=40) | st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@example("f'{x:{{}}}'")
@example("f'{x!r:\\N{BULLET}}'")
@example("a·b = 1")
@example("x = \\\n")
@example("if x:\n\\\n  y\n")
@example("(" * 300)
@example("-" * 5000 + "1")
@example("x" + "+x" * 5000)
@example("f'{" * 200)
@example("for a[f'{(x:=1)}'] in b: pass")
def test_hostile_text_has_labels_or_is_refused(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            labels = label_characters(text)
        except ValueError as error:
            assert str(error).startswith("text can't be read as Python: ")
        else:
            assert labels.shape == (len(LABELS), len(text))
            assert torch.equal(labels, label_characters(io.StringIO(text, newline="").read()))
