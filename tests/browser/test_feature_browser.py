"""The feature browser: what all explorables promise, its list, its cards against the data, and the page of its own."""

import json
import re

import pytest
import torch
from explorables import number, readout
from made_cards import cards, cards_and_codes
from pages import ANY, PHONE, ROOT, WIDE, barriers, fits, hash_of, touch, visit
from playwright.sync_api import expect
from promises import *  # noqa: F403
from saelib.interpret import FALSE_ALARM, MISSED, example_places, similar_features, strongest_at
from saelib.widgets import FeatureBrowser, Superposition, save_html

COUNT = 150
# Of each token of each example: the text, the shade as the style says it, the colour that comes of it, and its words.
TOKENS = """all => all.map((text) => [...text.children].map((token) => [
    token.textContent, Number(token.style.getPropertyValue("--share")), getComputedStyle(token).backgroundColor, token.ariaLabel,
    token.classList.contains("sae-focus")]))"""


@pytest.fixture(scope="module")
def made():
    return cards(COUNT)


@pytest.fixture(scope="module")
def widget(made):
    return FeatureBrowser(made)


@pytest.fixture(scope="module")
def address(widget, serve, tmp_path_factory):
    """Where a page with nothing but the explorable stands."""
    folder = tmp_path_factory.mktemp("features")
    save_html(widget, folder / "page.html")
    return f"{serve(folder)}/page.html"


@pytest.fixture
def browser_of(explorables):
    """The same with the list's parts by name."""

    def open_page(hash="", **options):
        tab, (explorable,) = explorables(hash, **options)
        return tab, explorable, explorable.get_by_role("listbox", name="Features")

    return open_page


def rows(listing) -> list[int]:
    """The features of the rows that are there, from top to bottom."""
    found = listing.locator(".sae-feature").evaluate_all(
        "all => all.map((row) => [Number(row.ariaPosInSet), row.textContent.match(/#(\\d+)/)[1]]).sort((a, b) => a[0] - b[0])"
    )
    return [int(number) for _, number in found]


def size(listing) -> int:
    row = listing.locator(".sae-feature").first
    return int(row.get_attribute("aria-setsize")) if row.count() else 0


def opened(explorable) -> int:
    return int(re.search(r"Open: #(\d+)", readout(explorable))[1])


def best(made, key=lambda card: -1 if card.label is None else card.f1):
    """The features in the order of the list: those alike by their numbers."""
    return [card.feature for card in sorted(made, key=lambda card: (-float(f"{key(card):.4g}"), card.feature))]


def around(card) -> str:
    """What it looks through behind all others."""
    return "\0".join("".join(one.tokens) for one in card.examples).lower()


def text_of(card) -> str:
    """What a search for words looks through."""
    own = [text.tokens[text.focus] for text in card.examples if text.quantile != MISSED]
    return "\0".join([card.label or "", *(token for token, _ in card.promoted), *own]).lower()


def test_the_page_unpacks_what_python_packed(made, widget, page):
    tab = page("about:blank").page
    source = (ROOT / "saelib" / "widgets" / "explorables" / "feature_cards.js").read_text(encoding="utf-8")
    found = json.loads(
        tab.evaluate(
            # The bytes do not begin where their memory does.
            """async ([source, table, texts]) => {
                const { unpack } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
                const view = (bytes) => new DataView(Uint8Array.from([0, 0, 0, ...bytes]).buffer, 3);
                const { tokens, cards } = unpack(view(table), view(texts));
                return JSON.stringify(cards.map((card) => ({ ...card,
                    promoted: card.promoted.map(([token, change]) => [tokens[token], change]),
                    examples: card.examples.map((one) => ({ ...one, tokens: Array.from(one.tokens, (token) => tokens[token]), levels: [...one.levels] })) })));
            }""",
            [source, list(widget.table), list(widget.texts)],
        )
    )
    assert len(found) == COUNT
    for there, card in zip(found, made):
        for name in ("feature", "label", "holds"):
            assert there[name] == getattr(card, name)
        assert there["interval"] == (card.interval and pytest.approx(card.interval, rel=1e-3))
        for name in (
            "density",
            "maximum",
            *(() if card.label is None else ("f1", "precision", "recall", "auroc", "threshold")),
        ):
            assert there[name] == pytest.approx(getattr(card, name), rel=1e-3)
        assert there["histogram"] == card.histogram.tolist()
        for (token, change), pair in zip(there["promoted"], card.promoted, strict=True):
            assert token == pair[0] and change == pytest.approx(pair[1], abs=0.0051)
        assert (there["effect"] is None) == (card.effect is None)
        for text, example in zip(there["examples"], card.examples, strict=True):
            assert (text["tokens"], text["focus"], text["quantile"]) == (list(example.tokens), example.focus, example.quantile)
            assert text["source"] == example.source
            levels = torch.tensor(text["levels"]) / 255 * card.maximum
            torch.testing.assert_close(levels, example.activations, rtol=0, atol=card.maximum / 255)


# The list.


def test_it_opens_at_the_feature_with_the_highest_f1(made, browser_of):
    _, explorable, listing = browser_of()
    order = best(made)
    assert opened(explorable) == order[0]
    there = rows(listing)
    assert there == order[: len(there)] and len(there) < 40 and size(listing) == COUNT
    expect(listing.get_by_role("option", selected=True)).to_contain_text(f"#{order[0]} ")
    assert listing.get_attribute("aria-activedescendant") == listing.get_by_role("option", selected=True).get_attribute("id")


@pytest.mark.parametrize(
    "name, key",
    [
        ("density", lambda card: card.density),
        ("effect", lambda card: -9 if card.effect is None else card.effect.loss_on),
        ("number", lambda card: -card.feature),
        ("F1", lambda card: -1 if card.label is None else card.f1),
    ],
)
def test_it_sorts(made, browser_of, name, key):
    _, explorable, listing = browser_of("#among=1.0.0.9" if name == "F1" else "")
    listing.evaluate("list => { list.scrollTop = 1e6; }")
    explorable.get_by_role("radio", name=name).check()
    assert listing.evaluate("list => list.scrollTop") == 0  # who sorts wants to see what comes first
    expect(listing.locator(".sae-feature").first).to_contain_text(f"#{best(made, key)[0]} ")
    there = [number for number in rows(listing) if number != opened(explorable)]
    assert there == [feature for feature in best(made, key) if feature != opened(explorable)][: len(there)]
    assert readout(explorable).startswith(f"All {COUNT} features, by {name}.")
    # And at its end is what has no such number.
    listing.evaluate("list => { list.scrollTop = 1e6; }")
    expect(listing.locator(f"[aria-posinset='{COUNT}']")).to_contain_text(f"#{best(made, key)[-1]} ")


@pytest.mark.parametrize(
    "query", ["docstring", "DOCstring", "self", "the word", "word the self", "#21", "21", "sign =", "zzz", "#2", "def __init__"]
)
def test_it_finds(made, browser_of, query):
    _, explorable, listing = browser_of("#among=3.0.0.9")
    explorable.get_by_role("searchbox", name="Search").fill(query)

    def fits(card, word, text):
        number = str(card.feature)
        return word == f"#{number}" if re.fullmatch(r"#\d+", word) else word in text or word == number

    def those(text):
        return [card.feature for card in made if all(fits(card, word, text(card)) for word in query.lower().split())]

    # Those that are about it, and after them those that only have it somewhere in their examples.
    wanted = those(text_of)
    beside = [feature for feature in those(lambda card: text_of(card) + "\0" + around(card)) if feature not in wanted]
    assert size(listing) == len(wanted + beside)
    there = [feature for feature in rows(listing) if feature != opened(explorable)]
    assert there[:6] == [feature for feature in wanted + beside if feature != opened(explorable)][: len(there[:6])]
    also = f"; then {len(beside)} with it elsewhere in their examples" if beside else ""
    assert readout(explorable).startswith(f"{len(wanted)} of {COUNT} features, with “{query}”, by number{also}.")
    assert (len(wanted + beside) == 0) == (query in ("zzz", "#2"))
    assert beside or query != "def __init__"
    assert ("Ask for less" in readout(explorable)) == (len(wanted + beside) == 0)


def test_it_filters(made, browser_of):
    _, explorable, listing = browser_of()
    explorable.get_by_role("slider", name="F1 at least").fill("14")
    wanted = [card.feature for card in made if card.label is not None and card.f1 >= 0.7]
    assert size(listing) == len(wanted) and 0 < len(wanted) < COUNT
    explorable.get_by_role("combobox", name=re.compile("at least")).select_option("0.3%")
    explorable.get_by_role("combobox", name=re.compile("at most")).select_option("1%")
    wanted = {card.feature for card in made if card.label is not None and card.f1 >= 0.7 and 0.003 <= card.density <= 0.01}
    assert 0 < len(wanted) == size(listing)
    assert "F1 at least 0.70, on for 0.3% or more, on for 1% or less" in readout(explorable)
    assert set(rows(listing)) <= wanted


def test_the_keys_walk_through_the_list(made, browser_of):
    tab, explorable, listing = browser_of()
    order = best(made)
    listing.focus()
    steps = [
        ("ArrowDown", 1),
        ("ArrowDown", 2),
        ("ArrowUp", 1),
        ("End", COUNT - 1),
        ("ArrowDown", COUNT - 1),
        ("Home", 0),
        ("ArrowUp", 0),
    ]
    for key, place in steps:
        tab.keyboard.press(key)
        assert opened(explorable) == order[place], key
        row = listing.get_by_role("option", selected=True)
        assert row.get_attribute("aria-posinset") == str(place + 1)
        # It is seen: whole, and within the list.
        box, frame = row.bounding_box(), listing.bounding_box()
        assert frame["y"] - 2 <= box["y"] and box["y"] + box["height"] <= frame["y"] + frame["height"] + 2
    tab.keyboard.press("PageDown")
    page_down = order.index(opened(explorable))
    assert 3 < page_down < 20
    tab.keyboard.press("PageUp")
    assert opened(explorable) == order[0]
    # With a filter that the open one does not pass, the keys begin at the top.
    explorable.get_by_role("searchbox").fill("docstring")
    listing.focus()
    tab.keyboard.press("ArrowDown")
    assert opened(explorable) == rows(listing)[0]
    # And from the search on into what it found, unless the key goes to an input method.
    explorable.get_by_role("searchbox").fill("word")
    before = opened(explorable)
    for key in ("Enter", "ArrowDown"):
        for composing in ({"isComposing": True}, {"keyCode": 229}):
            explorable.get_by_role("searchbox").dispatch_event("keydown", {"key": key, **composing})
    assert opened(explorable) == before
    expect(explorable.get_by_role("searchbox")).to_be_focused()
    tab.keyboard.press("Enter")
    assert opened(explorable) == rows(listing)[0]
    tab.keyboard.press("ArrowDown")
    expect(listing).to_be_focused()
    tab.keyboard.press("ArrowDown")
    assert opened(explorable) == rows(listing)[1]


def test_a_click_opens_a_feature_wherever_the_list_is_scrolled_to(made, browser_of):
    _, explorable, listing = browser_of()
    listing.evaluate("list => { list.scrollTop = 2345; }")
    row = listing.locator("[aria-posinset='50']")
    row.click()
    assert opened(explorable) == best(made)[49]
    expect(listing.get_by_role("option", selected=True)).to_have_attribute("aria-posinset", "50")


def test_the_open_feature_is_there_for_a_screen_reader_wherever_the_list_is_scrolled_to(browser_of):
    _, explorable, listing = browser_of()
    for place in (2345, 1e6):
        listing.evaluate("(list, place) => { list.scrollTop = place; }", place)
        expect(listing.locator("[aria-posinset='1']")).to_have_id(listing.get_attribute("aria-activedescendant"))
        expect(listing.locator("[aria-posinset='2']")).to_have_count(0)
    explorable.get_by_role("searchbox").fill("zzz")
    assert listing.get_attribute("aria-activedescendant") is None


# The address.


def test_a_link_opens_its_feature(made, browser_of):
    tab, explorable, listing = browser_of("#feature=21")
    assert opened(explorable) == 21
    tab.evaluate("location.hash = '#feature=42'")
    expect(explorable.locator(".sae-headline")).to_have_text(made[14].label)
    assert opened(explorable) == 42
    expect(listing.get_by_role("option", selected=True)).to_contain_text("#42 ")
    length = tab.evaluate("history.length")
    listing.locator(".sae-feature").nth(2).click()
    assert hash_of(tab) == f"#feature={opened(explorable)}" and tab.evaluate("history.length") == length
    tab.evaluate("location.hash = '#find=docstring'")
    expect(explorable.get_by_role("searchbox")).to_have_value("docstring")
    assert readout(explorable).startswith("1 of")


def test_a_link_leads_to_the_card_from_either_side_where_a_page_is_long(explorables):
    tab, (explorable,) = explorables(viewport={"width": 800, "height": 600})
    tab.evaluate(
        "() => { for (const put of ['prepend', 'append'])"
        " document.body[put](Object.assign(document.createElement('div'), { style: 'height: 3000px' })); }"
    )
    for feature, start in ((42, 0), (21, 1e6)):
        tab.evaluate("start => scrollTo(0, start)", start)
        tab.evaluate("feature => { location.hash = `#feature=${feature}`; }", feature)
        tab.wait_for_function("scrollY > 1000")
        expect(explorable.locator(".sae-head")).to_be_in_viewport()


def test_the_address_brings_back_what_was_seen(explorables):
    tab, (explorable,) = explorables()
    before = readout(explorable)
    explorable.get_by_role("slider").fill("8")
    explorable.get_by_role("radio", name="density").check()
    explorable.get_by_role("combobox").last.select_option("10%")
    explorable.get_by_role("searchbox").fill("the word")
    explorable.get_by_role("listbox", name="Features").focus()
    for key in ("Home", "ArrowDown"):
        tab.keyboard.press(key)
    there, found = readout(explorable), explorable.locator(".sae-found").inner_text()
    assert there != before
    _, (again,) = explorables(hash_of(tab))
    assert readout(again) == there and again.locator(".sae-found").inner_text() == found
    assert again.get_by_role("radio", name="density").is_checked() and again.get_by_role("searchbox").input_value() == "the word"


@pytest.mark.parametrize(
    "hash",
    [
        "#feature=",
        "#among=9.0.0.9",
        "#among=0.21.0.9",
        "#among=1",
        "#summary",
    ],
)
def test_an_address_that_fits_nothing_changes_nothing(explorables, hash):
    tab, (start,) = explorables()
    words = readout(start)
    tab.evaluate("hash => { location.hash = hash; }", hash)
    assert readout(start) == words
    _, (again,) = explorables(hash)
    assert readout(again) == words


def test_on_a_phone_a_finger_that_scrolls_sets_no_slider_and_no_control_makes_it_zoom(browser_of):
    tab, explorable, _ = browser_of(viewport={"width": 390, "height": 640}, has_touch=True, is_mobile=True)
    slider = explorable.get_by_role("slider", name="F1 at least")
    before = readout(explorable)
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    x, y = box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2
    top = tab.evaluate("scrollY")
    touch(tab, (x, y), (x, y - 200))
    tab.wait_for_function("top => scrollY > top + 60", arg=top)
    assert (slider.input_value(), readout(explorable)) == ("0", before)
    sizes = explorable.locator("input, select").evaluate_all("all => all.map((one) => parseFloat(getComputedStyle(one).fontSize))")
    assert min(sizes) >= 16
    assert tab.evaluate("document.documentElement.scrollWidth") == 390


def test_a_browser_that_translates_the_page_leaves_code_alone(browser_of):
    _, explorable, _ = browser_of()
    for part in (".sae-text", "code"):
        assert explorable.locator(part).count() and not explorable.locator(part).evaluate_all("all => all.some((one) => one.translate)")
    assert explorable.locator(".sae-headline").evaluate("node => node.translate")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_forced_colours_what_is_chosen_and_what_is_on_can_be_told(browser_of, scheme):
    _, explorable, listing = browser_of(forced_colors="active", color_scheme=scheme)

    def ground(locator):
        return locator.first.evaluate("node => getComputedStyle(node).backgroundColor")

    faces = explorable.locator(".sae-chooser")
    assert ground(faces.locator("input:checked + .sae-face")) != ground(faces.locator("input:not(:checked) + .sae-face"))
    rows = listing.locator("[role=option]")
    assert ground(listing.locator("[aria-selected=true]")) != ground(listing.locator("[aria-selected=false]"))
    assert rows.count() > 3
    text = explorable.locator(".sae-text:has(.sae-lit)")
    assert ground(text.locator(".sae-lit")) != ground(text)
    # What keeps its ground keeps the colour of its words too.
    pair = text.first.evaluate("node => [getComputedStyle(node).color, getComputedStyle(node).backgroundColor]")
    assert pair[0] != pair[1]
    bar = explorable.locator(".sae-head .sae-bar")
    assert "gradient" in bar.evaluate("node => getComputedStyle(node).backgroundImage")


@pytest.mark.parametrize("asked, words", [("2", "#2"), ("99999", "#99999"), ("x", "“x”"), ("1.2", "“1.2”"), ("-1", "“-1”")])
def test_a_card_that_is_not_there_is_said_to_be_missing(explorables, asked, words):
    there = f"There is no card of {'brick ' if words[0] == '#' else ''}{words}: there are {COUNT} cards, from #0 to #{3 * COUNT - 3}. "
    tab, (start,) = explorables()
    before = readout(start)
    tab.evaluate("hash => { location.hash = hash; }", f"#feature={asked}")
    expect(start.locator(".sae-missing")).to_have_text(there + "This is another one.")
    assert readout(start) == there + before
    _, (again,) = explorables(f"#feature={asked}")
    assert readout(again) == there + before
    # Whoever then opens another card is told of it no longer.
    again.locator(".sae-feature").nth(3).click()
    expect(again.locator(".sae-missing")).to_have_count(0)
    assert "There is no card" not in readout(again)


def test_back_brings_the_card_that_was_seen_at_that_address(explorables):
    tab, (explorable,) = explorables()
    words = [readout(explorable)]
    for hash in ("#feature=42", "#find=docstring", "#summary", "#feature=21"):
        tab.evaluate("hash => { location.hash = hash; }", hash)
        words.append(readout(explorable))
    assert "#42" in words[1] and "docstring" in words[2] and words[3] == words[2]
    for before in words[-2::-1]:
        tab.go_back()
        expect(explorable.locator(".sae-readout")).to_have_text(before)
    tab.go_forward()
    expect(explorable.locator(".sae-readout")).to_have_text(words[1])


def test_an_address_is_not_written_too_often_and_says_the_last_in_the_end(made, browser_of):
    tab, explorable, listing = browser_of()
    listing.evaluate("""list => {
        window.written = 0;
        const replace = history.replaceState.bind(history);
        history.replaceState = (...all) => {
            // As Safari does.
            if (++written === 2) throw new DOMException("more than 100 times per 30 seconds", "SecurityError");
            replace(...all);
        };
        const set = setTimeout;
        window.setTimeout = (call, wait) => set(call, wait / 10);
        for (let i = 0; i < 60; i++) list.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown", repeat: i > 0 }));
    }""")
    assert opened(explorable) == best(made)[60]
    tab.wait_for_function(f"location.hash === '#feature={best(made)[60]}'")
    assert tab.evaluate("written") == 3


# The card.


def symbols(text: str) -> str:
    """A token as it stands in a text, without the line breaks that only lay it out."""
    return re.sub(r"[\s·]", "", text)


def alpha(colour: str) -> float:
    """How much of it there is, of "rgba(...)" and of "color(srgb r g b / a)"."""
    numbers = [float(number) for number in re.findall(r"[\d.]+(?:e-?\d+)?", colour.replace("srgb", ""))]
    return numbers[3] if len(numbers) > 3 else 1.0


@pytest.mark.parametrize("scheme, full", [("light", 0.85), ("dark", 0.58)])
@pytest.mark.parametrize("place", [0, 1, 8, 6, 10, 149])
def test_a_card_says_what_the_data_say(made, browser_of, place, scheme, full):
    card = made[place]
    _, explorable, _ = browser_of(f"#feature={card.feature}", color_scheme=scheme)
    sheet = explorable.locator(".sae-card")
    words = sheet.inner_text()
    drawn = sheet.locator(".sae-text").evaluate_all(TOKENS)
    assert len(drawn) == len(card.examples)
    for tokens, example in zip(drawn, card.examples):
        assert "".join(symbols(text) for text, *_ in tokens).replace("⏎", "") == re.sub(r"\s", "", "".join(example.tokens))
        assert [text.count("⏎") for text, *_ in tokens] == [token.count("\n") for token in example.tokens]
        assert [focus for *_, focus in tokens].index(True) == example.focus and sum(focus for *_, focus in tokens) == 1
        for (_, share, colour, said, _), activation in zip(tokens, example.activations.tolist()):
            assert abs(share - activation / card.maximum) <= 1 / 255
            assert abs(alpha(colour) - (full * (0.1 + 0.9 * share) if activation > 0 else 0)) < 0.005
            strength = re.search(r": on at ([\d.]+), [\d.]+% of its strongest$", said)
            assert (strength is None) == (activation == 0) == said.endswith(": off")
            assert strength is None or abs(float(strength[1]) - activation) <= card.maximum / 255 + 0.005
    margins = sheet.locator(".sae-margin").all_inner_texts()
    for margin, example in zip(margins, card.examples, strict=True):
        assert abs(float(margin.split()[0]) - example.activations[example.focus]) <= card.maximum / 255 + 0.005
    assert sheet.locator(".sae-source").all_inner_texts() == [one.source for one in card.examples if one.source]
    groups = sheet.locator(".sae-examples .sae-label").all_inner_texts()
    wrong = [one.quantile.capitalize() for one in card.examples if one.quantile in (FALSE_ALARM, MISSED)]
    assert groups == ["Strongest", "Across its range", "Weakest", *wrong]
    assert [margin.split("\n")[-1] for margin in margins[3:6]] == ["8th tenth", "6th tenth", "4th tenth"]

    pushes = [*card.promoted, *card.suppressed]
    numbers = sheet.locator(".sae-pushes .sae-number").all_text_contents()
    assert list(map(number, numbers)) == pytest.approx([change for _, change in pushes], abs=0.0051)
    shown = sheet.locator(".sae-push").evaluate_all("all => all.map((bar) => Number(bar.style.getPropertyValue('--share')))")
    assert shown == pytest.approx([abs(change) / max(abs(change) for _, change in pushes) for _, change in pushes], abs=1e-3)
    assert sheet.locator(".sae-taken").count() == len(card.suppressed)

    on = float(re.search(r"On for ([\d.]+)% of all tokens", words)[1])
    assert on == pytest.approx(100 * card.density, rel=0.05)
    if card.label is None:
        assert "no label fits" in words and sheet.locator(".sae-scores").count() == 0
    else:
        assert sheet.locator(".sae-headline").inner_text() == card.label
        right, held = map(
            float,
            re.search(
                r"When it is on.*?, ([\d.]+) of 100 tokens carry .* Of all tokens that carry it, the brick is on.*? for ([\d.]+) of 100", words
            ).groups(),
        )
        assert abs(right - 100 * card.precision) < 0.51 and abs(held - 100 * card.recall) < 0.51
        assert ("on at more than 0.10" in words) == (card.threshold > 0)
        scores = [float(text) for text in sheet.locator(".sae-scores strong").all_inner_texts()]
        assert scores == pytest.approx([card.f1, card.precision, card.recall, card.auroc], abs=0.0051)
        beside = sheet.locator(".sae-scores li").first.inner_text()
        assert f"n = {card.holds:,} token" in beside
        interval = re.search(r"([\d.]+) to ([\d.]+)", beside)
        assert (interval is None) == (card.interval is None)
        assert interval is None or [float(end) for end in interval.groups()] == pytest.approx(card.interval, abs=0.0051)
    if card.effect is None:
        assert "Not measured" in words
    else:
        rise, other = re.search(r"rises by ([\d.]+) nats where the brick is on, and elsewhere it (.*)\.", words).groups()
        assert float(rise) == pytest.approx(card.effect.loss_on, rel=0.05)
        direction, nats = ("falls", other) if "falls" in other else ("rises", other)
        assert float(re.search(r"[\d.]+", nats)[0]) == pytest.approx(abs(card.effect.loss_elsewhere), rel=0.05, abs=1e-9)
        assert (direction == "falls") == (card.effect.loss_elsewhere < 0)
        changes = [tuple(map(float, re.findall(r"[\d.]+", text))) for text in sheet.locator(".sae-changes .sae-number").all_inner_texts()]
        assert [value for pair in changes for value in pair] == pytest.approx(
            [100 * value for _, *pair in card.effect.changed for value in pair], rel=0.05
        )
    chart = sheet.get_by_role("img", name=re.compile("How strongly it is on"))
    counts = card.histogram.tolist()
    assert f"of {int(sum(counts)):,} token" in chart.get_attribute("aria-label")
    columns = chart.locator("rect.sae-column")
    assert columns.count() == sum(count > 0 for count in counts)
    heights = dict(zip([count for count in counts if count], columns.evaluate_all("all => all.map((bar) => bar.height.baseVal.value)")))
    assert [height for _, height in sorted(heights.items())] == sorted(heights.values())
    assert chart.locator("line.sae-threshold").count() == (card.label is not None and card.threshold > 0)


def test_the_brick_is_on_as_strongly_as_at_the_token_that_is_looked_at(made, browser_of):
    card = made[0]
    tab, explorable, _ = browser_of("#feature=0")
    brick = explorable.locator(".sae-head .sae-brick")
    strongest = card.examples[0].activations[card.examples[0].focus].item()

    def strength() -> float:
        on = re.search(r"on at ([\d.]+)", brick.get_attribute("aria-label"))
        return float(on[1]) if on else 0.0

    assert strength() == pytest.approx(strongest, abs=0.01)
    text = explorable.get_by_role("listbox", name="Example 4")
    off = next(i for i, value in enumerate(card.examples[3].activations.tolist()) if value == 0 and card.examples[3].tokens[i].strip())
    text.locator(".sae-text > span, :scope > span").nth(off).hover()
    assert strength() == 0 and "off" in explorable.locator(".sae-told").inner_text()
    explorable.locator(".sae-headline").hover()
    assert strength() == pytest.approx(strongest, abs=0.01)
    # The same by keys, from the token that the example was chosen for.
    tab.keyboard.press("Tab")
    while tab.evaluate("document.activeElement.ariaLabel") != text.get_attribute("aria-label"):
        tab.keyboard.press("Tab")
    values = card.examples[3].activations.tolist()
    at = card.examples[3].focus
    for key, step in [
        (None, 0),
        ("ArrowRight", 1),
        ("ArrowLeft", -1),
        ("ArrowLeft", -1),
        ("Home", -99),
        ("End", 99),
        ("ArrowRight", 1),
    ]:
        if key:
            tab.keyboard.press(key)
        at = max(0, min(len(values) - 1, at + step))
        assert strength() == pytest.approx(values[at], abs=card.maximum / 255 + 0.005)
        assert text.get_attribute("aria-activedescendant") == text.get_by_role("option").nth(at).get_attribute("id")


# Weak labels, folds, and the view from the other side.


@pytest.fixture(scope="module")
def whole():
    """Some cards, how strongly their features are on at each token, and which features are alike."""
    made, codes = cards_and_codes(30)
    decoder = torch.randn(codes.shape[1], 8, generator=torch.Generator().manual_seed(0))
    return made, codes, similar_features(decoder, codes)


@pytest.fixture(scope="module")
def whole_address(whole, serve, tmp_path_factory):
    made, codes, similar = whole
    there = strongest_at(codes, example_places([card for card in made if card.examples[0].place is not None]), most=3)
    folder = tmp_path_factory.mktemp("whole")
    save_html(FeatureBrowser(made, told=0.75, similar=similar, there=there), folder / "page.html")
    return f"{serve(folder)}/page.html"


@pytest.fixture
def opened_whole(new_tab, whole_address):
    def open_page(hash="", **options):
        tab = visit(new_tab(**options), f"{whole_address}{hash}")
        return tab, tab.locator("section.sae-explorable")

    return open_page


def test_a_label_below_the_bar_is_shown_and_found_as_a_weak_one(whole, opened_whole):
    made, *_ = whole
    card = next(card for card in made if card.label is not None and 0 < card.f1 < 0.75)
    strong = next(card for card in made if card.label is not None and card.f1 >= 0.75)
    _, explorable = opened_whole(f"#feature={card.feature}")
    expect(explorable.locator(".sae-headline")).to_have_text(f"weak: {card.label}")
    expect(explorable.locator(".sae-verdict")).to_contain_text("No label fits well; this is the best.")
    assert f"Open: #{card.feature}, weak: {card.label}." in readout(explorable)
    explorable.get_by_role("searchbox").fill(card.label)
    expect(explorable.locator(".sae-feature", has_text=f"#{card.feature} ")).to_contain_text(f"weak: {card.label}")
    explorable.get_by_role("searchbox").fill(f"#{strong.feature}")
    expect(explorable.locator(".sae-feature", has_text=f"#{strong.feature} ")).not_to_contain_text("weak")


@pytest.mark.parametrize("by_key", [False, True])
def test_a_token_that_is_pressed_lists_the_bricks_that_are_on_there(whole, opened_whole, by_key):
    made, codes, _ = whole
    card = made[1]
    tab, explorable = opened_whole(f"#feature={card.feature}")
    example = card.examples[0]
    text = explorable.get_by_role("listbox", name="Example 1,")
    if by_key:
        text.focus()
        tab.keyboard.press("Enter")
    else:
        text.locator(".sae-focus").click()
    panel = explorable.locator(".sae-there")
    row = codes[example.place]
    full = codes.amax(dim=0).clamp_min(1e-9)
    named = (row / full).topk(3).indices[: int((row > 0).sum())].tolist()
    expect(panel).to_contain_text(f"{int((row > 0).sum())} brick")
    shown = panel.locator("li")
    assert [int(re.search(r"#(\d+)", words)[1]) for words in shown.all_inner_texts()] == named
    for words, feature in zip(shown.locator(".sae-number").all_inner_texts(), named, strict=True):
        strength, share = map(float, re.fullmatch(r"([\d.]+), (\d+)%", words).groups())
        assert strength == pytest.approx(row[feature].item(), abs=full[feature].item() / 15 + 0.051)
        assert share == pytest.approx(100 * (row[feature] / full[feature]).item(), abs=6.8)  # to a fifteenth, and never 0
    if by_key:
        expect(panel).to_be_focused()
        tab.keyboard.press("Escape")
        expect(text).to_be_focused()
        expect(panel).to_have_count(0)


def test_of_a_token_that_is_not_kept_that_is_said(whole, opened_whole):
    made, *_ = whole
    card = next(card for card in made if card.examples[0].place is None)  # the fifth says no places
    _, explorable = opened_whole(f"#feature={card.feature}")
    explorable.locator(".sae-focus").first.click()
    expect(explorable.locator(".sae-there")).to_contain_text("is not kept")


def test_similar_bricks_lead_to_their_cards_and_back_leads_back(whole, opened_whole):
    made, _, similar = whole
    known = {one.feature for one in made}

    def wanted(card, others, likeness):
        pairs = zip(others[card.feature].tolist(), likeness[card.feature].tolist())
        return [other for other, much in pairs if other in known and round(100 * much) > 0]

    card = next(card for card in made if wanted(card, *similar[:2]) and wanted(card, *similar[2:]))
    tab, explorable = opened_whole(f"#feature={card.feature}")
    lists = explorable.locator(".sae-facts .sae-ways")
    for shown, both in ((lists.first, similar[:2]), (lists.last, similar[2:])):
        assert [int(re.search(r"#(\d+)", words)[1]) for words in shown.locator("li").all_text_contents()] == wanted(card, *both)
    before = readout(explorable)
    lists.last.get_by_role("button").first.click()
    assert readout(explorable) != before
    expect(explorable.locator(".sae-head")).to_be_in_viewport()
    tab.go_back()
    expect(explorable.locator(".sae-readout")).to_have_text(before)


def test_on_a_phone_what_is_tapped_changes_what_is_in_sight_and_a_card_is_folded(whole, opened_whole):
    tab, explorable = opened_whole(**{**PHONE, "has_touch": True, "is_mobile": True})
    listing = explorable.get_by_role("listbox", name="Features")
    listing.scroll_into_view_if_needed()
    row = listing.locator(".sae-feature").nth(2)
    row.tap()
    expect(explorable.locator(".sae-head")).to_be_in_viewport(ratio=1)
    assert explorable.locator(".sae-told").inner_text().startswith("Tap a token")
    assert explorable.locator(".sae-card").bounding_box()["height"] < 2_600
    more = explorable.get_by_role("button", name="1 more example").first
    hidden = explorable.locator(".sae-text").nth(2)
    expect(hidden).to_be_hidden()
    more.tap()
    expect(hidden).to_be_visible()
    expect(explorable.get_by_role("button", name="Show fewer")).to_have_count(1)
    hidden.locator(".sae-lit").first.tap()
    expect(explorable.locator(".sae-told")).to_contain_text("of its strongest")
    for part in (".sae-told", ".sae-there"):
        expect(explorable.locator(part)).to_be_in_viewport()
    explorable.get_by_text("To the list").tap()
    expect(listing).to_be_in_viewport(ratio=1)


def test_a_wide_page_has_two_columns_in_a_card(opened_whole):
    _, explorable = opened_whole(viewport={"width": 744, "height": 900})
    examples, facts = (explorable.locator(part).bounding_box() for part in (".sae-examples", ".sae-facts"))
    assert facts["x"] > examples["x"] + examples["width"] and abs(facts["y"] - examples["y"]) < 2


# The page.


@pytest.mark.parametrize("options", [WIDE, PHONE, {**PHONE, "color_scheme": "light"}, {**WIDE, "color_scheme": "dark"}])
def test_it_fits_the_window_and_bars_nobody(explorables, options):
    tab, _ = explorables(**options)
    assert tab.evaluate("document.documentElement.dataset.theme") == options["color_scheme"]
    for query in ("", "docstring", "zzz"):
        tab.get_by_role("searchbox").fill(query)
        assert fits(tab)
        assert barriers(tab, impacts=ANY) == []


def test_nothing_moves_by_itself_and_print_shows_the_card_without_the_list(browser_of):
    tab, explorable, listing = browser_of(reduced_motion="reduce")
    explorable.get_by_role("searchbox").fill("word")
    assert tab.evaluate("document.getAnimations().length") == 0
    tab.emulate_media(media="print")
    expect(listing).to_be_hidden()
    expect(explorable.locator(".sae-text").last).to_be_visible()


def test_a_page_of_its_own_works_from_the_disk(new_tab, widget, tmp_path):
    for made, name, words in ((widget, "features.html", "#21"), (Superposition(), "planes.html", "")):
        tab = visit(new_tab(), save_html(made, tmp_path / name).as_uri() + "#feature=21")
        expect(tab.locator("section.sae-explorable")).to_be_visible()
        assert tab.title() == made.title and words in readout(tab)


@pytest.mark.parametrize("options", [WIDE, PHONE])
def test_the_room_that_is_kept_for_it_is_about_as_high_as_it_is(explorables, options):
    tab, (explorable,) = explorables(**options)
    height = explorable.bounding_box()["height"]
    tab.evaluate("document.querySelector('main').innerHTML = '<div data-widget-loading=\"FeatureBrowser\">Loading…</div>'")
    kept = tab.locator("[data-widget-loading]").bounding_box()["height"]
    assert 0.85 < kept / height < 1.15
