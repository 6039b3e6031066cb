"""Claims: what they check, what they show where they don't hold, and how they are read from a text of code."""

import json
import math

import nbformat
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from saelib.claims import Claim, ClaimFailed, claim, code_of, key, written


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    monkeypatch.delenv("SAELIB_CLAIMS", raising=False)
    monkeypatch.delenv("SAELIB_CLAIMS_FILE", raising=False)


def test_a_claim_that_holds_says_nothing(capsys, monkeypatch):
    monkeypatch.setenv("SAELIB_CLAIMS", "strict")
    assert claim("rich-box", "It leaves a fifth", torch.tensor(0.2), above=0.1, below=0.3) is None
    assert capsys.readouterr().out == ""


def test_a_claim_that_does_not_hold_says_so_and_goes_on(capsys):
    claim("rich-box", "It leaves a fifth.", 0.42, above=0.1, below=0.3, show=".0%")
    said = capsys.readouterr().out
    assert said == "On this machine this came out otherwise. It leaves a fifth: expected above 10% and below 30%, measured 42%.\n"


def test_a_strict_claim_that_does_not_hold_stops_and_names_itself(monkeypatch):
    monkeypatch.setenv("SAELIB_CLAIMS", "strict")
    with pytest.raises(ClaimFailed, match=r"above 0.1 and below 0.3, measured 0.42.*rich-box"):
        claim("rich-box", "It leaves a fifth", 0.42, above=0.1, below=0.3)


@pytest.mark.parametrize("strict", [False, True])
def test_every_claim_is_written_down_whether_it_holds_or_not(strict, tmp_path, monkeypatch):
    monkeypatch.setenv("SAELIB_CLAIMS_FILE", str(tmp_path / "claims"))
    claim("one", "One", 0.2, above=0.1)
    if strict:
        monkeypatch.setenv("SAELIB_CLAIMS", "strict")
        with pytest.raises(ClaimFailed):
            claim("two", "Two", 3, below=2)
    else:
        claim("two", "Two", 3, below=2)
    lines = [json.loads(line) for line in (tmp_path / "claims").read_text().splitlines()]
    assert lines == [{"name": "one", "value": 0.2}, {"name": "two", "value": 3.0}]


def test_what_is_no_number_does_not_hold():
    assert not Claim("a", "A", above=0).holds(math.nan)
    assert not Claim("a", "A", below=0).holds(math.nan)


def test_the_bounds_themselves_are_outside():
    own = Claim("a", "A", above=1, below=2)
    assert not own.holds(1) and not own.holds(2) and own.holds(1.5)
    assert Claim("a", "A", above=1).holds(math.inf) and Claim("a", "A", below=1).holds(-math.inf)


@given(st.floats(allow_nan=False), st.floats(-10, 10), st.floats(0.1, 10))
def test_a_claim_holds_between_its_bounds_and_nowhere_else(value, low, width):
    own = Claim("a", "A", above=low, below=low + width)
    assert own.holds(value) == (low < value < low + width)


@pytest.mark.parametrize(
    "given, message",
    [
        (dict(name="Rich box"), "name is 'Rich box'"),
        (dict(name="rich--box"), "name is 'rich--box'"),
        (dict(name=3), "name is 3"),
        (dict(words=" "), "words of claim 'a' are ' '"),
        (dict(words=None), "words of claim 'a' are None"),
        (dict(above=None), "claim 'a' has neither above nor below"),
        (dict(above=2, below=1), "above=2 and below=1"),
        (dict(above=1, below=1), "above=1 and below=1"),
        (dict(above=math.nan), "above=nan"),
        (dict(below=math.inf), "below=inf"),
        (dict(above="0"), "above='0'"),
        (dict(show="percent"), "show of claim 'a' is 'percent'"),
        (dict(show=None), "show of claim 'a' is None"),
    ],
)
def test_a_malformed_claim_is_refused_by_name(given, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        Claim(**{"name": "a", "words": "A", "above": 0} | given)


def test_a_small_number_below_zero_is_not_shown_as_minus_nothing():
    assert Claim("a", "A", above=-1, show=".0%").shown(-0.001) == "0%"
    assert Claim("a", "A", above=-1, show=".1f").shown(-0.06) == "-0.1"


@pytest.mark.parametrize(
    "above, below, show, words",
    [
        (3.5, 4.5, ".0f", "above 3.5 and below 4.5"),
        (0.165, 0.22, ".0%", "above 16.5% and below 22%"),
        (None, 0.015, ".2f", "below 0.015"),
        (0.2, None, ".2f", "above 0.20"),
        (1 / 3, None, ".3g", "above 0.333"),
    ],
)
def test_bounds_are_not_rounded_away(above, below, show, words):
    assert Claim("a", "A", above, below, show).bounds == words


SOURCE = """
x = error[128]  # measured
claim("rich-box", "It leaves a fifth", x, above=0.1, below=0.3, show=".0%")
for rule in rules:
    claim("other", words="Another", value=x * 2, above=-1)
"""


def test_the_code_of_a_notebook_is_that_of_the_cells_that_are_run_one_below_the_other(tmp_path):
    code = nbformat.v4.new_code_cell
    cells = [code("# How much\nx = 1"), nbformat.v4.new_markdown_cell("x = 3"), code("y = x"), code("x = 4", metadata={"tags": ["skip-execution"]})]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "chapter.ipynb")
    assert code_of(tmp_path / "chapter.ipynb") == "# How much\nx = 1\ny = x"


def test_claims_are_read_without_running_anything():
    assert written(SOURCE) == [Claim("rich-box", "It leaves a fifth", 0.1, 0.3, ".0%"), Claim("other", "Another", -1)]


@pytest.mark.parametrize(
    "call", ['claim("a", f"of {n}", 1, above=0)', 'claim(name, "A", 1, above=0)', 'claim("a", "A", 1, above=low)', 'claim("a", "A", 1)', "claim()"]
)
def test_a_claim_that_can_not_be_read_so_is_refused(call):
    with pytest.raises(ValueError, match="a claim can't be read"):
        written(call)


@pytest.mark.parametrize(
    "old, new",
    [
        ("a fifth", "two fifths"),
        ("above=0.1", "above=0.15"),
        ("below=0.3, ", ""),
        ('show=".0%"', 'show=".2f"'),
        ("  # measured", ""),
        ('words="Another"', 'words="One"'),
    ],
)
def test_what_a_claim_says_is_no_part_of_what_it_measures(old, new):
    assert key(SOURCE.replace(old, new)) == key(SOURCE) and old in SOURCE


@pytest.mark.parametrize("old, new", [("error[128]", "error[64]"), ("x * 2", "x * 3"), ('"rich-box"', '"poor-box"'), ("x, above", "x + 1, above")])
def test_what_is_measured_has_a_key_of_its_own(old, new):
    assert key(SOURCE.replace(old, new)) != key(SOURCE) and old in SOURCE


SHOWING = "from saelib.widgets import Dial, Quiz\nimport torch\ntorch.manual_seed(0)\nx = torch.rand(3)\nbits = {'a': 2}\n"
MEASURED = "import torch\ntorch.manual_seed(0)\nx = torch.rand(3)\nbits = {'a': 2}\n"


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "Quiz('a.quiz.yml')",
        "Quiz('a.quiz.yml', only=['a'], values={'a': 100 * bits['a'] / -bits['b']})",
        "Quiz(\n    'a.quiz.yml',  # why\n)\nDial(x, x[1:2, ...], title=f'{x.shape[0]:.2f}')",
        "Dial([box.sae for box in (x, x) if box != x], names={n: n for n in 'ab'})",
        "Dial(**bits, more={**bits})",
        "Dial(Quiz('a.quiz.yml'), (1 < 2, not x, x @ x))",
        "from saelib.widgets.explorables import Rebuild as shown, Superposition\nshown(x)",
    ],
)
def test_a_widget_that_is_only_shown_is_no_part_of_what_is_measured(shown):
    assert key(SHOWING + shown) == key(MEASURED)


@pytest.mark.parametrize(
    "statement",
    [
        "Quiz(torch.rand(1))",
        "Quiz(x.median())",
        "Quiz(x.add_)(1)",
        "Quiz('a').add(x)",
        "Quiz(y := 3)",
        "Quiz(values=[(y := n) for n in x])",
        "Quiz(values={'a': next(x)})",
        "Quiz(lambda: x)",
        "Quiz(*x)",
        "quiz = Quiz('a.quiz.yml')",
        "Quiz('a.quiz.yml').answers",
        "Quiz('a.quiz.yml'), torch.rand(1)",
        "Quiz",
        "Review(x)",
        "if x: Quiz('a.quiz.yml')",
        "async def f(): Quiz([n async for n in x])",
        "from saelib.widgets import save_html\nsave_html(x, 'a.html')",
        "from saelib.widgets import Rebuild, save_html\nsave_html(Rebuild(x), 'a.html')",
        "from saelib.widgets import save_html as Save\nSave(x, 'a.html')",
        "from saelib import Autoencoder\nAutoencoder(x)",
        "from saelib.widgetsoup import Soup\nSoup(x)",
        "from .saelib.widgets import Soup\nSoup(x)",
        "from saelib.widgets import *",
        "import saelib.widgets",
    ],
)
def test_a_statement_that_may_do_more_than_show_a_widget_counts(statement):
    assert key(SHOWING + statement) != key(MEASURED)


@pytest.mark.parametrize(
    "meaning",
    ["def Quiz(x): x += 1", "class Quiz: pass", "Quiz = torch.rand", "from torch import rand as Quiz", "import torch as Quiz"]
    + ["def f():\n    global Quiz", "for Quiz in x: pass", "def f(Quiz): pass", "from saelib.widgets import Dial as Quiz"],
)  # fmt: skip
@pytest.mark.parametrize("order", ["{meaning}\n{call}", "{call}\n{meaning}"])
def test_a_name_that_may_mean_something_else_shows_no_widget(meaning, order):
    assert len({key(SHOWING + order.format(meaning=meaning, call=call)) for call in ("Quiz(x)", "Quiz(2)", "")}) == 3


def test_a_name_shows_a_widget_only_once_it_is_imported():
    assert key("Quiz(x)\nfrom saelib.widgets import Quiz") != key("")


def test_an_import_counts_where_something_else_needs_it():
    assert key("from saelib.widgets import Dial\nd = Dial(x)") != key("from saelib.widgets import Rebuild as Dial\nd = Dial(x)")
    assert key("from saelib.widgets import Dial\nd = Dial(x)") == key("from saelib.widgets import Quiz, Dial\nd = Dial(x)\nQuiz(d)")
    # That of another module does so always.
    assert key("from saelib import Dense as f") != key("from saelib import TopK as f") != key("from saelib import TopK")
    assert key("import saelib as s") != key("import saelib")
