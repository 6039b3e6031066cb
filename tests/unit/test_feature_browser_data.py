"""What the feature browser carries to the page, how little it weighs, what it refuses; an explorable as a page of its own."""

import base64
import gzip
import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile import refusal
from saelib.interpret import MISSED, STRONGEST, Effect, Example, FeatureCard, Similar, StrongestAt, example_places, similar_features, strongest_at
from saelib.widgets import FeatureBrowser, Superposition, save_html
from saelib.widgets.base import javascript
from saelib.widgets.explorables.explorable import explorable_style

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))

from made_cards import cards, cards_and_codes


def example(**changes) -> Example:
    kept = {"tokens": ["def", " f", "\n    "], "activations": torch.tensor([0.0, 2.0, 0.5]), "focus": 1, "quantile": STRONGEST}
    return Example(**{**kept, **changes})


def card(**changes) -> FeatureCard:
    kept = {
        "feature": 3, "label": "names", "f1": 0.5, "precision": 0.75, "recall": 0.375, "auroc": 0.9, "threshold": 0.0, "density": 0.01,
        "histogram": torch.tensor([4.0, 0.0, 1.0]), "maximum": 2.0, "promoted": [("(", 1.25)], "suppressed": [(" =", -0.5)],
        "effect": Effect(0.25, -0.001, [("(", 0.5, 0.125)]), "examples": [example()],
    }  # fmt: skip
    return FeatureCard(**{**kept, **changes})


def test_it_carries_every_card():
    made = cards(20)
    widget = FeatureBrowser(made)
    table = json.loads(widget.table)
    columns, tokens = table["cards"], table["tokens"]
    numbers = np.frombuffer(widget.texts, "<u2", table["length"])
    levels = np.frombuffer(widget.texts, np.uint8, offset=2 * table["length"])
    at, begins = 0, iter(table["begins"])
    for i, one in enumerate(made):
        for name in ("feature", "label", "holds"):
            assert columns[name][i] == getattr(one, name)
        for name in ("density", "maximum", *(() if one.label is None else ("f1", "precision", "recall", "auroc", "threshold"))):
            assert columns[name][i] == pytest.approx(getattr(one, name), rel=1e-3)
        assert columns["histogram"][i] == one.histogram.tolist()
        for name in ("promoted", "suppressed"):
            assert [tokens[token] for token, _ in columns[name][i]] == [token for token, _ in getattr(one, name)]
            assert [change for _, change in columns[name][i]] == pytest.approx([change for _, change in getattr(one, name)], abs=0.0051)
        assert columns["interval"][i] == (one.interval and pytest.approx(one.interval, rel=1e-3))
        if one.effect is None:
            assert columns["effect"][i] is None
        else:
            on, elsewhere, changed = columns["effect"][i]
            assert (on, elsewhere) == pytest.approx(one.effect[:2], rel=1e-3)
            assert [tokens[token] for token, *_ in changed] == [token for token, *_ in one.effect.changed]
        heads = np.array(columns["examples"][i]).reshape(-1, 4).tolist()
        assert len(heads) == len(one.examples)
        for (count, focus, quantile, source), text in zip(heads, one.examples):
            assert (focus, table["quantiles"][quantile], table["sources"][source]) == (text.focus, text.quantile, text.source)
            begin = next(begins)
            assert [tokens[number] for number in numbers[begin : begin + count]] == list(text.tokens)
            own = torch.tensor(levels[at : at + count].astype(float))
            assert torch.equal(own > 0, text.activations > 0)  # however weakly it is on
            # Half a step, or a whole one for what is on so weakly that it would have been off.
            assert ((own / 255 * one.maximum - text.activations).abs() <= one.maximum / 255 * torch.where(own > 1, 0.501, 1)).all()
            at += count
    assert at == len(levels)


def test_text_that_several_examples_share_travels_once():
    one = example(tokens=["a", "b", "c"], focus=1, place=11)
    two = example(tokens=["c", "d", "e"], focus=1, place=13)
    apart = example(tokens=["a", "b", "c"], focus=1)
    table = json.loads(FeatureBrowser([card(examples=[one, two, one, apart])]).table)
    assert table["length"] == 5 + 3 and table["begins"] == [0, 2, 0, 5]


def test_what_is_on_at_a_token_travels_as_the_places_of_cards_in_fifteenths_of_their_strongest():
    made = [card(feature=f, maximum=m, examples=[example(place=7)] if f == 2 else []) for f, m in ((5, 2.0), (2, 2.0), (9, 4.0))]
    # Of feature 3 there is no card, and place 40 stands in no example. A code may have a sign; a card says how strong it is.
    there = StrongestAt(
        torch.tensor([6, 8, 40]), torch.tensor([[9, 2], [3, -1], [5, 2]]), torch.tensor([[-4.0, 0.4], [1.0, 0.0], [1.0, 1.0]]),
        torch.tensor([3, 300, 2]),
    )  # fmt: skip
    widget = FeatureBrowser(made, there=there)
    bits, counts, entries = widget.there[:1], widget.there[1:3], np.frombuffer(widget.there, "<u2", offset=3)
    assert bits == bytes([0b101]) and [*counts] == [3, 255]
    assert [divmod(entry, 15) for entry in entries.tolist()] == [(2, 14), (1, 2), (3, 14), (3, 0)]
    assert json.loads(widget.table)["most"] == 2 and json.loads(FeatureBrowser(made).table)["most"] == 0


def test_bricks_that_are_alike_travel_as_the_places_of_their_cards_and_those_without_one_do_not():
    others = torch.tensor([[1, 2]]).expand(3, 2)
    similar = Similar(others, torch.tensor([[0.5, -0.2]]).expand(3, 2), others.flip(1), torch.tensor([[0.125, 0.0]]).expand(3, 2))
    table = json.loads(FeatureBrowser([card(feature=2), card(feature=0)], similar=similar).table)
    assert table["cards"]["similar"] == [[[], [0, 12]], [[], [0, 12]]]
    assert "about 3 features; expected at least 4" in refusal(lambda: FeatureBrowser([card()], similar=similar))


def test_the_best_labelled_feature_is_open_at_first_unless_another_is_asked_for():
    made = [card(feature=1, label=None, f1=math.nan), card(feature=2, f1=0.6), card(feature=9, f1=0.9), card(feature=4, f1=0.7)]
    assert FeatureBrowser(made).start == 9
    assert FeatureBrowser(made, start=1).start == 1
    assert FeatureBrowser(made[:1]).start == 1


def weight(widget) -> int:
    """What a phone downloads for its data: base64 in scripts, as a server compresses them."""
    return sum(len(gzip.compress(base64.b64encode(part))) for part in (widget.table, widget.texts, widget.there))


@pytest.mark.parametrize("count, most", [(300, 500_000), (1024, 1_200_000)])
def test_many_features_are_light(count, most):
    assert weight(FeatureBrowser(cards(count))) < most


def test_what_is_on_at_each_shaded_token_weighs_less_than_the_cards():
    made, codes = cards_and_codes(300)
    decoder = torch.randn(codes.shape[1], 8, generator=torch.Generator().manual_seed(0))
    there = strongest_at(codes, example_places([one for one in made if one.examples[0].place is not None]), most=5)
    full = FeatureBrowser(made, similar=similar_features(decoder, codes), there=there)
    assert weight(full) < 1.6 * weight(FeatureBrowser(made))


def test_its_own_code_is_light():
    code, style = javascript("explorables/feature_browser.js"), explorable_style("chart.css", "features.css", "feature_browser.css")
    shared = javascript("common.js") + javascript("explorables/chart.js"), explorable_style("chart.css")
    own = [len(gzip.compress(whole.encode())) - len(gzip.compress(part.encode())) for whole, part in zip((code, style), shared)]
    assert sum(own) < 13_500


def test_a_token_may_hold_anything_that_a_text_can():
    odd = ["\udce2", "</script>", "“ü”", "\t", "\r\n", " " * 70, "𝔸", "\x00"]
    widget = FeatureBrowser([card(examples=[example(tokens=odd, activations=torch.rand(8))])])
    assert json.loads(widget.table)["tokens"][2:] == ["?", *odd[1:]]


@pytest.mark.parametrize(
    "wrong, words",
    [
        (None, "cards is None"),
        ([], "cards is []"),
        ([3], "cards[0] is of type int; expected a FeatureCard"),
        ([card(), card()], "cards[1].feature is 3, as cards[0].feature is"),
        ([card(feature=-1)], "cards[0].feature is -1"),
        ([card(feature=1.0)], "cards[0].feature is 1.0"),
        ([card(label="")], "cards[0].label is ''"),
        ([card(f1=math.nan)], "cards[0].f1 is nan"),
        ([card(precision=1.2)], "cards[0].precision is 1.2"),
        ([card(recall=-0.1)], "cards[0].recall is -0.1"),
        ([card(auroc=None)], "cards[0].auroc is None"),
        ([card(threshold=math.inf)], "cards[0].threshold is inf"),
        ([card(density=3)], "cards[0].density is 3"),
        ([card(maximum=-1.0)], "cards[0].maximum is -1.0"),
        ([card(histogram=[1, 2])], "cards[0].histogram is of type list"),
        ([card(histogram=torch.zeros(2, 2))], "cards[0].histogram is of shape (2, 2)"),
        ([card(histogram=torch.tensor([1.0, math.nan]))], "cards[0].histogram[1] is nan"),
        ([card(histogram=torch.tensor([1.0, math.inf]))], "cards[0].histogram[1] is inf"),
        ([card(histogram=torch.tensor([0.5]))], "cards[0].histogram[0] is 0.5"),
        ([card(promoted=[("x", math.nan)])], "cards[0].promoted[0][1] is nan"),
        ([card(promoted=["x"])], "cards[0].promoted[0] is 'x'"),
        ([card(suppressed=[(7, 1.0)])], "cards[0].suppressed[0][0] is 7"),
        ([card(suppressed=None)], "cards[0].suppressed is None"),
        ([card(effect=0.3)], "cards[0].effect is of type float"),
        ([card(effect=Effect(math.nan, 0, []))], "cards[0].effect.loss_on is nan"),
        ([card(effect=Effect(0, 0, [("x", 0.5, 1.5)]))], "cards[0].effect.changed[0][2] is 1.5"),
        ([card(examples=None)], "cards[0].examples is of type NoneType"),
        ([card(examples=["x"])], "cards[0].examples[0] is of type str"),
        ([card(), card(feature=4, examples=[example(), example(tokens=[])])], "cards[1].examples[1].tokens is []"),
        ([card(examples=[example(tokens="abc")])], "cards[0].examples[0].tokens is 'abc'"),
        ([card(examples=[example(tokens=["a", "", "b"])])], "cards[0].examples[0].tokens[1] is ''"),
        (
            [card(examples=[example(tokens=["a", "b"])])],
            "cards[0].examples[0].activations is (3,); expected a floating-point tensor (2,)",
        ),
        ([card(examples=[example(activations=[0.0, 2.0, 0.5])])], "cards[0].examples[0].activations is list"),
        (
            [card(examples=[example(activations=torch.tensor([0.0, math.nan, 1.0]))])],
            "cards[0].examples[0].activations holds nan at (1,)",
        ),
        ([card(examples=[example(activations=torch.tensor([-0.5, 2.0, 1.0]))])], "cards[0].examples[0].activations holds -0.5"),
        ([card(examples=[example(activations=torch.tensor([0.0, 3.0, 1.0]))])], "cards[0].examples[0].activations holds 3.0"),
        ([card(examples=[example(focus=3)])], "cards[0].examples[0].focus is 3; expected at most 2"),
        ([card(examples=[example(focus=-1)])], "cards[0].examples[0].focus is -1"),
        ([card(examples=[example(focus=0)])], "cards[0].examples[0] is 'strongest' but off at its focus, token 0"),
        ([card(examples=[example(quantile=None)])], "cards[0].examples[0].quantile is None"),
        ([card(examples=[example(place=0)])], "cards[0].examples[0].place is 0; expected a whole number of at least 1"),
        ([card(examples=[example(source=" ")])], "cards[0].examples[0].source is ' '"),
        (
            [card(examples=[example(place=4), example(tokens=["x", " f", "y"], place=5)])],
            "example 1 of feature 3 has 'x' at place 4, and another example has ' f'; expected one text",
        ),
        ([card(holds=-1)], "cards[0].holds is -1"),
        ([card(interval=(0.5,))], "cards[0].interval is (0.5,); expected two numbers"),
        ([card(interval=(0.5, 0.4))], "cards[0].interval[1] is 0.4"),
    ],
)
def test_it_refuses_what_does_not_fit(wrong, words):
    assert words in refusal(lambda: FeatureBrowser(wrong))


@pytest.mark.parametrize(
    "change, words",
    [
        ({"start": 5}, "start is 5"),
        ({"start": "3"}, "start is '3'"),
        ({"title": " "}, "title is ' '"),
        ({"caption": None}, "caption is None"),
        ({"told": 1.5}, "told is 1.5"),
        ({"similar": [1]}, "similar is of type list; expected what similar_features gives"),
        ({"there": [1]}, "there is of type list; expected what strongest_at gives"),
        ({"there": StrongestAt(*[torch.zeros(1, 1)] * 2, torch.ones(1, 1) / 0, torch.zeros(1))}, "there.activation holds inf"),
    ],
)
def test_it_refuses_what_it_can_not_show(change, words):
    assert words in refusal(lambda: FeatureBrowser([card()], **change))


def test_a_feature_may_be_off_everywhere_miss_its_label_or_have_none():
    missed = example(activations=torch.zeros(3), focus=0, quantile=MISSED)
    never = card(feature=7, density=0.0, maximum=0.0, histogram=torch.zeros(3), examples=[missed], label=None, f1=math.nan, effect=None)
    FeatureBrowser([card(examples=[example(), missed]), never])


def test_a_page_of_its_own_is_whole_and_asks_for_nothing(tmp_path):
    widget = FeatureBrowser(cards(3), title="Features & <b>more</b>")
    page = save_html(widget, str(tmp_path / "features.html")).read_text(encoding="utf-8")
    assert "<title>Features &amp; &lt;b&gt;more&lt;/b&gt;</title>" in page and '<html lang="en">' in page
    assert page.count("</script>") == page.count("<script")
    assert re.findall(r"(?:src|href)=[\"']?(?!data:)\w+", page) == []
    assert [file.name for file in tmp_path.iterdir()] == ["features.html"]
    save_html(Superposition(), tmp_path / "features.html")
    assert "<title>Features" not in (tmp_path / "features.html").read_text(encoding="utf-8")


def test_a_page_of_its_own_holds_no_other_widget_of_the_notebook(tmp_path):
    other = FeatureBrowser(cards(3), title="Another one")
    widget = Superposition()
    page = save_html(widget, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Another one" not in page and other.model_id not in page
    state = json.loads(re.search(r'widget-state\+json">(.*?)</script>', page, re.DOTALL)[1])["state"]
    assert set(state) == {widget.model_id, widget.layout.model_id}


@pytest.mark.parametrize(
    "name, words",
    [
        (".", "is a folder"),
        ("page", "ends in .html"),
        ("page.txt", "ends in .html"),
        ("none/page.html", "is no folder"),
        (None, "path is None"),
    ],
)
def test_a_page_is_refused_a_place_where_it_can_not_stand(tmp_path, name, words):
    assert words in refusal(lambda: save_html(Superposition(), name if name is None else tmp_path / name))
    assert [*tmp_path.iterdir()] == []


def test_only_an_explorable_becomes_a_page(tmp_path):
    for wrong in (None, "x", [Superposition()]):
        assert "widget is of type" in refusal(lambda: save_html(wrong, tmp_path / "page.html"))
