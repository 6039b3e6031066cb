"""The library reference, made by book/_published/reference.py, lists all that is public, and what it says there is complete."""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from pathlib import Path

import pytest
import reference
import saelib
import terms
from docutils.core import publish_doctree
from torch import Tensor

BOOK = Path(__file__).parents[2] / "book"
# What the rooms are built on, and what only makes files that come with the library: not for readers.
BEHIND = {"checks", "files", "kernels", "live_page", "make_gpt", "make_sae", "streams"}
MODULES = {name: reference.room(name) for name in reference.ROOMS}
PAGE = reference.rooms()


def public(module) -> set[str]:
    """The public names of a module, found in another way than the page finds them; constants aside."""
    if "__all__" in vars(module):
        return set(module.__all__)
    made = [node for node in ast.parse(inspect.getsource(module)).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return {node.name for node in made if not node.name.startswith("_")}


NAMED = {reference.full(module, name): getattr(module, name) for module in MODULES.values() for name in sorted(public(module))}
CALLED = {name: value for name, value in NAMED.items() if callable(value)}
CLASSES = {name: value for name, value in CALLED.items() if inspect.isclass(value)}
MEMBERS = {f"{name}.{one}": vars(kind)[one] for name, kind in CLASSES.items() for one in reference.members(kind)}
DESCRIBED = CALLED | {name: getattr(one, "fget", None) or getattr(one, "__func__", one) for name, one in MEMBERS.items()}


def doctree(text: str):
    lines = reference.as_rst(text.splitlines(), {}, ("x", "x_hat", "peak", "seed"))
    return publish_doctree("\n".join(lines), settings_overrides={"halt_level": 2})


def test_every_module_is_a_room_of_the_page_or_stands_behind_one():
    assert {module.name for module in pkgutil.iter_modules(saelib.__path__)} == {*reference.ROOMS, *BEHIND}


def test_the_rooms_stand_in_the_librarys_order():
    listed = re.findall(r"^    (\w+)  ", saelib.__doc__, re.MULTILINE)
    assert [name for name in listed if name not in BEHIND] == list(reference.ROOMS)
    assert re.findall(r"^## saelib\.(\w+)$", PAGE, re.MULTILINE) == list(reference.ROOMS)


def test_the_page_has_a_place_for_the_rooms():
    assert (BOOK / "reference.md").read_text(encoding="utf-8").count(reference.MARK) == 1


@pytest.mark.parametrize("name", NAMED)
def test_every_public_name_has_one_entry(name):
    place, _, last = name.rpartition(".")
    entry = rf"^\.\. (?:(?:autoclass|autofunction):: {place}::{last}|py:data:: {last}\n   :module: {place})$"
    assert len(re.findall(entry, PAGE, re.MULTILINE)) == 1


SAE = saelib.SparseAutoencoder(d_in=3, d_sae=5, sparsity=saelib.BatchTopK(k=2))


@pytest.mark.parametrize("name", terms.names("saelib"))
def test_what_the_tables_of_terms_name_of_ours_is_there(name):
    terms.resolved(name, "saelib", SAE)


def test_what_the_tables_of_terms_link_to_has_an_entry():
    linked = re.findall(r"\{py:\w+\}`([^`]+)`", terms.column("saelib"))
    assert len(linked) > 30 and set(linked) <= set(NAMED)


def test_the_shapes_in_the_tables_of_terms_are_ours():
    given = terms.shapes("saelib")
    assert len(given) == 4 and given == {name: tuple(terms.resolved(name, "saelib", SAE).shape) for name in given}


@pytest.mark.parametrize("name", ["saelib.trains", "saelib.train(rate=)", "sae.W_code", "saelib.nothing.at_all", "train.lr"])
def test_a_name_that_is_not_there_is_noticed(name):
    with pytest.raises((AttributeError, ImportError, KeyError)):
        terms.resolved(name, "saelib", SAE)


@pytest.mark.parametrize("name", saelib.__all__)
def test_what_the_library_gives_at_once_is_there(name):
    assert name in MODULES or f"saelib.{name}" in NAMED


@pytest.mark.parametrize("name", DESCRIBED)
def test_it_says_what_it_is_in_a_sentence(name):
    first = inspect.cleandoc(DESCRIBED[name].__doc__ or "").split("\n\n")[0]
    assert len(first) >= 20 and first[-1] in ".:?", first


def tensors(value) -> bool:
    """Whether it takes or returns tensors, by its annotations."""
    try:
        signature = inspect.signature(value)
    except ValueError:
        return False
    kinds = [one.annotation for one in signature.parameters.values()] + [signature.return_annotation]
    return any(kind is Tensor or "Tensor" in str(kind) for kind in kinds)


@pytest.mark.parametrize("name", [name for name, value in DESCRIBED.items() if tensors(value)])
def test_what_has_tensors_says_their_shapes(name):
    shape = r"\((?:[\w *+/.-]+,)*[\w *+/.-]*,?\)"  # (n, d_in), (d_sae,), (bins + 1,), (); not any bracket
    found = [found for found in re.findall(shape, DESCRIBED[name].__doc__) if "," in found or found == "()"]
    assert found, DESCRIBED[name].__doc__


def refuses(value, seen=()) -> bool:
    """Whether a function raises an error or checks what it gets, itself or by a private function of its module."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(value))))
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and "NotImplementedError" not in ast.unparse(node):
            return True
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            helper = inspect.unwrap(value).__globals__.get(called)
            if called.startswith("checks."):
                return True
            if called.startswith("_") and inspect.isfunction(helper) and helper not in seen and refuses(helper, (*seen, helper)):
                return True
    return False


@pytest.mark.parametrize("name", DESCRIBED)
def test_what_refuses_bad_input_says_so(name):
    value = DESCRIBED[name]
    does = value.__init__ if inspect.isclass(value) and "__init__" in vars(value) else value
    # The __init__ of a dataclass or a protocol is nobody's writing.
    ours = inspect.isfunction(does) and does.__module__ == value.__module__
    if ours and not does.__code__.co_filename.startswith("<") and refuses(does):
        assert re.search(r"\w+Error\b", value.__doc__), "raises, and does not say what"


@pytest.mark.parametrize("name", [*MODULES, *DESCRIBED])
def test_what_is_named_in_full_is_there(name):
    text = (MODULES.get(name) or DESCRIBED[name]).__doc__
    for whole in re.findall(r"`(saelib(?:\.\w+)+)`", text):
        parts = whole.split(".")
        found = saelib
        for i, part in enumerate(parts[1:], start=2):
            found = getattr(found, part) if hasattr(found, part) else importlib.import_module(".".join(parts[:i]))


@pytest.mark.parametrize("name", [*MODULES, *DESCRIBED])
def test_what_it_cites_is_in_the_bibliography(name):
    text = " ".join((MODULES.get(name) or DESCRIBED[name]).__doc__.split())
    assert {key for key, _ in reference.cited(text)} <= reference.works()


def test_every_way_to_cite_is_seen_and_leads_to_the_work():
    text = "Ng, 2011; Makhzani and Frey (2013), Gao et al., 2024, and Pati, Rezaiifar and Krishnaprasad, 1993. In May 2024."
    assert [key for key, _ in reference.cited(text)] == ["ng2011", "makhzani2013", "gao2024", "pati1993"]
    tree = doctree(f"{text} (Nobody, 1999)")
    assert tree.astext() == f"{text} (Nobody, 1999)"
    links = [node["refuri"] for node in tree.findall() if node.tagname == "reference"]
    assert links == [f"bibliography.html#work-{key}" for key in ("ng2011", "makhzani2013", "gao2024", "pati1993")]


def test_every_work_is_cited_by_a_page_or_by_the_library():
    pages = "".join(path.read_text(encoding="utf-8") for path in BOOK.glob("*.*") if path.suffix in (".ipynb", ".md", ".yml"))
    texts = [" ".join(value.__doc__.split()) for value in [*MODULES.values(), *DESCRIBED.values()]]
    library = {key for text in texts for key, _ in reference.cited(text)}
    assert {key for key in reference.works() if key not in library and not re.search(rf"[`,}}]\s*{key}\b", pages)} == set()


def texts(tree, kind: str) -> list[str]:
    return [node.astext() for node in tree.findall() if node.tagname == kind]


def test_paragraphs_formulas_and_code_are_told_apart():
    tree = doctree("How `far`.\nOn.\n\n    far = sum of x * y\n\nTry\n\n    print(far(2))\n\nRest, *not* 2 * 3 or d_ or a**b.")
    assert texts(tree, "paragraph") == ["How far. On.", "Try", "Rest, not 2 * 3 or d_ or a**b."]
    assert texts(tree, "literal_block") == ["far = sum of x * y", "print(far(2))"]
    assert [node["classes"][1] for node in tree if node.tagname == "literal_block"] == ["text", "python"]
    assert texts(tree, "literal") == ["far"]
    assert texts(tree, "emphasis") == ["not"]


def test_arguments_are_a_list_and_errors_a_paragraph():
    tree = doctree("Args: x (n, d) and x_hat (n, d); peak, black\nless white; (but); seed, a number. Raises ValueError.")
    assert texts(tree, "list_item") == ["x (n, d) and x_hat (n, d)", "peak, black less white; (but)", "seed, a number"]
    assert texts(tree, "literal") == ["x", "x_hat", "peak", "seed"]
    assert texts(tree, "strong") == ["Args:", "Raises"]


def test_fields_and_words_with_what_they_mean_are_lists():
    tree = doctree("a: (), one; b, c: two\nd: three\n\nSo:\n    one        a\n    two, more  b,\n               or c")
    assert texts(tree, "list_item") == ["a: (), one", "b, c: two", "d: three"]
    assert texts(tree, "term") == ["one", "two, more"]
    assert texts(tree, "definition") == ["a", "b, or c"]


@pytest.mark.parametrize("text", ["(n) of it", "a. One", "- less", "|x| is `x`s, *, **, x_, ``, ::", r"a \ b", "1. One"])
def test_nothing_else_is_markup(text):
    tree = doctree(text)
    assert [node.tagname for node in tree] == ["paragraph"]
    assert tree.astext() == text.replace("`x`", "x")
