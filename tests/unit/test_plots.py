"""Figures: inline SVG in the page's text colour, with words for those who can't see it, and pictures that mean what they show."""

import re
from xml.etree import ElementTree

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import seaborn as sns
import torch
from hostile import described, not_a_matrix, refusal, spoiled, unhurried
from hypothesis import given
from hypothesis import strategies as st
from saelib import interpret, plots


@pytest.fixture(autouse=True)
def clean():
    """The book's theme for one test, and no figure left open after it."""
    with matplotlib.rc_context():
        plots.theme()
        yield
        plt.close("all")


def line() -> plt.Axes:
    """Markers, a clipped line, a legend and a title: what refers to ids within a figure."""
    _, ax = plt.subplots()
    ax.plot([0, 1, 2], [0, 1, 0], marker="o", label="error", color=plots.COLOURS["error"])
    ax.legend()
    ax.set_title("x < y & z")
    return ax


def tree(figure: plots.Figure) -> ElementTree.Element:
    return ElementTree.fromstring(figure._repr_html_())


def ids(figure: plots.Figure) -> list[str]:
    return [node.get("id") for node in tree(figure).iter() if node.get("id")]


def references(figure: plots.Figure) -> set[str]:
    return set(re.findall(r'(?:href="#|url\(#)([^")]+)', figure.svg))


def test_a_figure_is_inline_svg_with_its_words():
    alt = 'It falls from 9 to 1: "half" <of> it & more'
    root = tree(plots.figure(line(), alt))
    assert root.tag == "figure" and root.get("role") == "img" and root.get("aria-label") == alt
    (svg,) = root
    assert svg.tag == "{http://www.w3.org/2000/svg}svg" and svg.get("viewBox")
    assert "x < y & z" in "".join(svg.itertext())


def test_words_can_not_leave_their_label():
    html = plots.figure(line(), '"><script>alert(1)</script>')._repr_html_()
    assert "<script" not in html and 'aria-label="&quot;&gt;&lt;script&gt;' in html


def test_a_figure_has_the_text_colour_and_the_ground_of_its_page():
    svg = plots.figure(line(), "A line.").svg
    assert svg.count("currentColor") > 10
    assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) == {plots.COLOURS["error"]}


def test_a_figure_is_as_wide_as_it_was_drawn_or_as_its_page_allows():
    wide, narrow = (re.search(r"<svg[^>]*>", plots.figure(ax, "A line.").svg)[0] for ax in (line(), plt.subplots(figsize=(2, 2))[1]))
    assert not re.search(r' (width|height)="', wide)
    assert "max-width:100%" in wide and "height:auto" in wide
    assert int(re.search(r"width:(\d+)px", wide)[1]) > 1.5 * int(re.search(r"width:(\d+)px", narrow)[1])


def test_the_style_of_a_figure_does_not_reach_its_page():
    svg = plots.figure(line(), "A line.").svg
    assert "<style" not in svg and "stroke-linejoin:round" in re.search(r"<svg[^>]*>", svg)[0]


@pytest.mark.parametrize("fonttype", ["none", "path"], ids=["text", "glyphs"])
def test_two_figures_of_a_page_share_no_id_and_each_refers_to_its_own(fonttype):
    plt.rcParams["svg.fonttype"] = fonttype
    figures = [plots.figure(line(), "A line.") for _ in range(2)]
    figures.append(plots.figure(plots.pictures({}, {"brick": torch.eye(4)}), "Four bricks."))
    found = [name for figure in figures for name in ids(figure)]
    assert len(found) == len(set(found))
    for figure in figures[:2]:
        assert len(references(figure)) >= 2
    for figure in figures:
        assert references(figure) <= set(ids(figure))
    assert any("DejaVu" in name for name in found) == (fonttype == "path")


def test_a_finished_figure_is_closed_so_that_no_notebook_shows_it_twice():
    plots.figure(line(), "A line.")
    assert plt.get_fignums() == []


def test_a_figure_says_nothing_about_when_and_with_what_it_was_made():
    svg = plots.figure(line(), "A line.").svg
    assert "metadata" not in svg and "Matplotlib" not in svg


@pytest.mark.parametrize("alt", ["", "  \n", None, 5])
def test_a_figure_without_words_is_refused(alt):
    assert refusal(lambda: plots.figure(line(), alt)).startswith(f"alt is {alt!r}; expected a sentence")


def test_the_theme_paints_in_the_four_colours_of_the_book():
    assert [matplotlib.colors.to_hex(colour) for colour in sns.color_palette()] == list(plots.COLOURS.values())


# Pictures.


def ink_of(ax: plt.Axes, height: int, width: int) -> list[list[int]]:
    """How strong the ink is in the middle of each pixel as it is really drawn, in sixteenths."""
    ax.figure.canvas.draw()
    drawn = np.asarray(ax.figure.canvas.buffer_rgba())[::-1].astype(float)
    places = [[ax.transData.transform((column, row)).astype(int) for column in range(width)] for row in range(height)]
    return [[round(16 * drawn[y, x, 3] / 255) for x, y in line] for line in places]


def test_ink_is_as_strong_as_the_number_in_its_place_and_in_the_text_colour():
    ax = plots.picture(plt.subplots()[1], np.array([[0, 0.5, 1.0], [-1.0, 2.0, 0.001]]))
    assert ink_of(ax, 2, 3) == [[0, 8, 16], [0, 16, 0]]
    assert ax.get_xlim() == (-0.5, 2.5) and ax.get_ylim() == (1.5, -0.5), "the first row is at the top"
    svg = plots.figure(ax, "Ink.").svg
    assert not re.search(r"#[0-9a-f]{6}\b", svg)


def test_pictures_stand_in_named_rows_in_their_order():
    x = torch.arange(8.0).reshape(2, 4) / 8
    ax = plots.pictures({"digit": x, "copy": x.flip(1)}, {"brick": x - 0.5})
    axes = np.array(ax.figure.axes).reshape(3, 2)
    assert ax is axes[2, 1]
    assert ink_of(axes[0, 1], 2, 2) == [[8, 10], [12, 14]]
    assert ink_of(axes[1, 1], 2, 2) == [[14, 12], [10, 8]]
    assert axes[2, 0].images[0].get_array().tolist() == [[-0.5, -0.375], [-0.25, -0.125]]
    assert [len(a.images) for a in axes.flat] == [0, 0, 0, 0, 1, 1]
    words = "".join(tree(plots.figure(ax, "Three rows.")).itertext()).split()
    assert words == ["digit", "copy", "brick"]


@pytest.mark.parametrize(("values", "scale"), [([[0.5, -2.0]], 2), ([[0.0, 0.0]], 1), ([[3.0, 1.0]], 3)])
def test_signed_pictures_have_zero_at_the_middle_of_their_colours(values, scale):
    (image,) = plots.picture(plt.subplots()[1], np.array(values), signed=True).images
    assert image.get_clim() == (-scale, scale) and image.get_cmap() is plots.SIGNED


def test_signed_colours_get_stronger_in_proportion_as_the_explorables_draw_them():
    at = np.linspace(-1, 1, 41)
    colours = plots.SIGNED((at + 1) / 2)
    assert np.abs(colours[:, 3] - np.abs(at)).max() < 0.01
    for colour, value in zip(colours, at):
        if value:
            assert matplotlib.colors.to_hex(colour) == ("#e69f00" if value > 0 else "#56b4e9")


def test_pictures_of_a_model_that_is_being_trained_can_be_shown():
    rows = torch.nn.Parameter(torch.eye(4))
    assert plots.pictures({"a": rows}, {"b": rows}).images


def test_rows_of_unequal_length_and_no_rows_at_all_are_refused():
    good = torch.zeros(2, 4)
    assert refusal(lambda: plots.pictures({"a": good}, {"b": good[:1]})).startswith("the rows hold {'a': 2, 'b': 1} pictures;")
    assert "ink has the rows [] and signed []; expected at least one row" in refusal(lambda: plots.pictures({}))
    assert "no name in both" in refusal(lambda: plots.pictures({"a": good}, {"a": good}))
    assert plt.get_fignums() == []


@pytest.mark.parametrize("pixels", [2, 3, 60, 65])
def test_pictures_that_are_not_square_are_refused(pixels):
    message = refusal(lambda: plots.pictures({"digit": torch.zeros(2, pixels)}))
    assert message == f"digit has pictures of {pixels} pixels; expected a square number"


@unhurried
@given(not_a_matrix(4), st.booleans())
def test_rows_that_are_no_matrices_are_refused_by_their_names(value, signed):
    if isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim == 2 and value.numel():
        value = value[0]
    rows = {"good": torch.zeros(2, 4)}, {"bad": value}
    message = refusal(lambda: plots.pictures(*(rows if signed else rows[::-1])))
    assert message.startswith("bad ") and described(value) in message


@unhurried
@given(spoiled(2, 4))
def test_pictures_of_numbers_that_are_not_finite_are_refused(case):
    value, words = case
    assert f"brick holds {words}" in refusal(lambda: plots.pictures({}, {"brick": value}))


# The whole way.


def way(on: int = 2, d_sae: int = 8) -> dict[str, torch.Tensor]:
    """A picture of four pixels on its way through a box of eight bricks, `on` of them in use."""
    code = torch.zeros(1, d_sae)
    code[0, 1 : 1 + on] = torch.linspace(0.5, 2, on)
    dictionary = torch.arange(4.0 * d_sae).reshape(d_sae, 4) / 10 - 1
    return {
        "x": torch.tensor([[0.0, 0.5, 1.0, 0.25]]), "pre": torch.linspace(-1, 2, d_sae)[None], "code": code,
        "dictionary": dictionary, "x_hat": code @ dictionary + torch.tensor([[0.25, 0.5, 0.75, 1.0]]),
    }  # fmt: skip


def test_the_pipeline_shows_the_input_the_bricks_in_use_the_copy_and_the_error_as_they_are():
    given = way()
    ax = plots.pipeline(**given)
    axes = ax.figure.axes
    signed = torch.tensor(np.array([a.images[0].get_array().ravel() for a in axes if a.images]))
    assert torch.equal(signed, torch.cat([given["x"] - given["x_hat"], given["dictionary"][1:3]]))
    edges = [matplotlib.colors.to_hex(a.spines["left"].get_edgecolor()) for a in axes if a.axison]
    meant = [plots.COLOURS[name] for name in ("input", "error", "reconstruction")]
    assert edges[:3] == meant and edges[4:] == 2 * [plots.COLOURS["code"]]
    start = next(a for a in axes[4:] if a.axison)
    assert ink_of(start, 2, 2) == [[4, 8], [12, 16]], "what is left of the copy when its bricks are taken away"


def test_the_pipeline_says_in_words_how_many_are_on_and_how_strongly():
    words = "".join(tree(plots.figure(plots.pipeline(**way()), "The way.")).itertext())
    for said in ("input x", "8 scores", "2 of 8 on", "×0.5", "×2.0", "x̂", "residual stream"):
        assert said in words


def test_the_pipeline_draws_the_numbers_of_scores_and_code_as_bars():
    given = way()
    charts = [a for a in plots.pipeline(**given).figure.axes if len(a.collections) == 2]
    for chart, name in zip(charts, ("pre", "code"), strict=True):
        off, on = (torch.tensor([path.vertices[1][1] for path in bars.get_paths()]) for bars in chart.collections)
        drawn = off.float()
        drawn[1:3] = on.float()
        assert torch.allclose(drawn, given[name][0])


@pytest.mark.parametrize("on", [1, 5])
def test_the_pipeline_has_room_for_one_brick_and_for_five(on):
    ax = plots.pipeline(**way(on))
    tiles = [a.get_position() for a in ax.figure.axes if a.axison][3:]
    assert len(tiles) == on + 1
    assert all(one.x1 < other.x0 for one, other in zip(tiles, tiles[1:])) and tiles[-1].x1 < 0.85


@pytest.mark.parametrize("on", [0, 6])
def test_a_pipeline_with_no_brick_in_use_or_too_many_is_refused(on):
    message = refusal(lambda: plots.pipeline(**way(on)))
    assert message.startswith(f"code has {on} numbers that are not zero; expected one to five")
    assert plt.get_fignums() == []


def test_a_pipeline_of_two_examples_or_of_a_picture_that_is_not_square_is_refused():
    given = way()
    assert refusal(lambda: plots.pipeline(**(given | {"x": given["x"].expand(2, -1)}))).startswith("x has 2 rows; expected one")
    message = refusal(lambda: plots.pipeline(**(given | {name: given[name][:, :3] for name in ("x", "x_hat", "dictionary")})))
    assert message == "x has a picture of 3 pixels; expected a square number"


@pytest.mark.parametrize("name", ["x", "pre", "code", "dictionary", "x_hat"])
@unhurried
@given(st.data())
def test_a_part_of_the_pipeline_that_does_not_fit_is_refused_by_its_name(name, data):
    given = way()
    rows, columns = given[name].shape
    value, words = data.draw(spoiled(rows, columns))
    assert f"{name} holds {words}" in refusal(lambda: plots.pipeline(**(given | {name: value})))
    if name != "dictionary":
        value = data.draw(not_a_matrix(columns))
        message = refusal(lambda: plots.pipeline(**(given | {name: value})))
        assert message.startswith(f"{name} ") and described(value) in message


# Pictures in blocks, arrows, and the card of a feature.


def test_rows_go_on_below_where_they_are_too_wide():
    rows = {"a": torch.rand(5, 16), "b": torch.rand(5, 16)}
    axes = np.reshape(plots.pictures(rows, wide=3, size=0.8).figure.axes, (4, 3))
    shown = [[ax.axison for ax in line] for line in axes]
    assert shown == [[True] * 3, [True] * 3, [True, True, False], [True, True, False]]
    assert [line[0].get_title(loc="left") for line in axes] == ["a", "b", "a", "b"]
    assert plots.pictures(rows, wide=3).figure.get_figwidth() == pytest.approx(3 * 0.46)
    assert plots.pictures(rows, wide=9).figure.get_figwidth() == pytest.approx(5 * 0.46)
    assert "wide is 0" in refusal(lambda: plots.pictures(rows, wide=0))


def test_each_picture_has_its_word_under_it():
    rows = {"a": torch.rand(3, 16), "b": torch.rand(3, 16)}
    axes = plots.pictures(rows, wide=2, under={"b": ["1.0", "0.5", "0.1"]}).figure.axes
    assert [ax.get_xlabel() for ax in axes] == ["", "", "1.0", "0.5", "", "", "0.1", ""]
    for wrong in ({"c": ["1"] * 3}, {"a": ["1"] * 2}, {"a": "123"}):
        assert "expected 3 words, for a row of that name" in refusal(lambda: plots.pictures(rows, under=wrong))


def test_arrows_have_the_same_colour_in_all_planes_and_words_that_a_phone_does_not_shrink():
    W = torch.tensor([[1.0, 0.0], [0.0, 0.5], [0.01, 0.0]])
    fig = plots.arrows({"never absent": W, "often": -W, "nearly always": W.flip(1)}).figure
    assert fig.get_figwidth() <= 4.4  # inches: 310 pixels, as wide as a phone shows it

    def heads(ax):
        return [text for text in ax.texts if isinstance(text, matplotlib.text.Annotation)]

    sizes = [text.get_fontsize() for ax in fig.axes for text in [*ax.texts, ax.title, ax.xaxis.label] if text.get_text()]
    assert min(sizes) >= 10
    for ax in fig.axes:
        assert len(heads(ax)) == 2, "the third is as good as forgotten"
        assert [text.get_text() for text in ax.texts if text.get_text()] == ["1", "2"]
        assert [head.arrow_patch.get_edgecolor() for head in heads(ax)] == [head.arrow_patch.get_edgecolor() for head in heads(fig.axes[0])]
    assert [head.xy for head in heads(fig.axes[1])] == [(-1, 0), (0, -0.5)]


@pytest.mark.parametrize(
    "planes, words",
    [
        ({}, "planes is empty"),
        ({"a": torch.ones(5, 3)}, "a has shape (5, 3)"),
        ({"a": torch.ones(5, 2), "b": torch.ones(4, 2)}, "expected as many in each"),
        ({"a": torch.ones(5, 2) / 0}, "a holds inf"),
    ],
)
def test_what_is_no_plane_of_arrows_is_refused(planes, words):
    assert words in refusal(lambda: plots.arrows(planes))


def test_a_card_shows_the_brick_once_and_says_how_strong_it_is_in_each_example():
    values = torch.arange(20, 0, -1.0) / 4
    card = interpret.Card(7, torch.eye(4).flatten(), 0.2, values, torch.arange(20), 0.1, 0.5)
    axes = plots.card(card, torch.rand(30, 16), count=4).figure.axes
    assert len(axes) == 9
    assert [ax.get_xlabel() for ax in axes[:4]] == ["5.0", "4.8", "4.5", "4.2"]
    assert [ax.get_xlabel() for ax in axes[4:8]] == [f"{values[place]:.1f}" for place in card.across(4).tolist()]
    assert axes[8].get_xlabel() == "on in 20%" and axes[8].get_title(loc="left") == "adds"
    assert "expected at most 20" in refusal(lambda: plots.card(card, torch.rand(30, 16), count=21))
