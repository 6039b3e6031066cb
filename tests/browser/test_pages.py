"""Every page of the built book, as a browser gets it: over http and from the disk, with every other host blocked."""

import gzip
import json
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest
import saelib
from pages import BUFFERS, LATE, PAGES, ROOT, VIEWS, barriers, parse, settle, widget_data, widget_states, widgets

OURS = [ROOT / "book" / "_published" / "static", ROOT / "saelib" / "widgets" / "host"]
# The drawing inside a figure is one picture with one text: some thousand marks that would cost axe seconds.
DRAWINGS = "figure.sae-figure[role=img] > svg"
# Each page is opened in each of these ways. axe is not run on file://, where browsers keep it from reading the styles.
VISITS = {
    "http, wide, light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "http, phone, dark": {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"},
    "file": {},
}


class Visit(NamedTuple):
    problems: list[str]
    foreign: list[str]
    headings: list[str]  # of the first level, as a screen reader meets them
    mounted: int
    notes: list[str]  # that stand where a widget should
    room: tuple[int, int]  # widths: of what is there, and of the window
    barriers: list[tuple[str, list[str]]]  # what axe finds serious, and where
    overlaps: list[str]  # controls that lie on each other


# Two rooms in one page may give a class of one name to different things.
OVERLAPS = """[...document.querySelectorAll(".sae-controls, .sae-controls > *, .sae-field")].flatMap((row) => {
    const parts = [...row.children].filter((part) => part.offsetWidth > 1 && part.offsetHeight > 1 && !part.matches(".sae-unseen"));
    const boxes = parts.map((part) => part.getBoundingClientRect());
    return boxes.flatMap((one, i) => boxes.slice(i + 1).flatMap((other, j) => (
        Math.min(one.right, other.right) - Math.max(one.left, other.left) > 1 && Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 1
            ? [`${parts[i].outerHTML.slice(0, 80)} | ${parts[i + 1 + j].outerHTML.slice(0, 80)}`] : [])));
})"""


visits: dict[tuple[str, str], Visit | None] = {}


@pytest.fixture(params=PAGES)
def name(request) -> str:
    return request.param


@pytest.fixture
def path(site, name) -> Path:
    return site / name


@pytest.fixture(params=VISITS)
def visit(request, page, server, site, name) -> Visit:
    """What was met on the page. A page is opened once in each way for all tests: opening it is what takes the time."""
    way = request.param
    if (name, way) not in visits:
        visits[name, way] = None  # and it stays so if the page never settles: no other test has to wait for that
        opened = page(f"{site.as_uri() if way == 'file' else server}/{name}", **VISITS[way])
        tab = opened.page
        settle(tab)
        tab.wait_for_load_state("networkidle")
        tab.wait_for_function("document.getAnimations().length === 0")  # until then, something may still go wrong
        # Taken before axe runs, which causes problems of its own.
        problems = list(opened.problems)
        found = [] if way == "file" else barriers(tab, {"exclude": [[DRAWINGS]]})
        visits[name, way] = Visit(
            problems=problems,
            foreign=opened.foreign,
            headings=tab.get_by_role("heading", level=1).all_inner_texts(),
            mounted=tab.locator(".widget-host-view[data-widget-mounted=true]:not(:empty)").count(),
            notes=tab.locator(".widget-host-unsupported, .widget-host-error").all_inner_texts(),
            room=tab.evaluate("[document.documentElement.scrollWidth, innerWidth]"),
            barriers=found,
            overlaps=tab.evaluate(OVERLAPS),
        )
    assert visits[name, way], f"{name} does not settle"
    return visits[name, way]


def test_a_page_opens_in_silence(visit):
    assert visit.problems == []


def test_a_page_asks_no_other_host(visit):
    assert visit.foreign == []


def test_every_widget_is_there_and_needs_no_kernel(visit, path):
    # The index sends the reader on, so there it is the first chapter's widgets that are met.
    target = path.parent / PAGES[0] if path.name == "index.html" else path
    assert visit.notes == []
    assert visit.mounted == len(parse(target).select(VIEWS))


def test_a_page_has_one_main_heading(visit):
    assert len(visit.headings) == 1 and visit.headings[0].strip()


def test_no_page_scrolls_sideways(visit):
    needed, there = visit.room
    assert needed <= there


@pytest.mark.parametrize("visit", [way for way in VISITS if way != "file"], indirect=True)
def test_nothing_stands_in_anybodys_way(visit):
    assert visit.barriers == []


def test_no_control_lies_on_another(visit):
    assert visit.overlaps == []


def test_a_page_says_its_title_and_its_language(path):
    html = parse(path)
    assert html.title.get_text(strip=True)
    assert html.html["lang"] == "en"


def test_a_page_says_at_its_foot_which_version_it_is(path):
    if path.name != "index.html":  # which only sends the reader on
        (foot,) = parse(path).select(".extra_footer")
        assert f"Version {saelib.__version__}." in foot.get_text()


def test_what_a_page_links_to_is_there(path, site):
    html = parse(path)
    links = [tag["href"] for tag in html.select("a[href], link[href]")]
    links += [tag["src"] for tag in html.select("script[src], img[src]")]
    questions = [question for state in widgets(path) for question in state.get("questions", [])]
    links += [question["anchor"] for question in questions if "anchor" in question]
    assert links
    broken = []
    for link in links:
        address, passage = urldefrag(urljoin(path.as_uri(), link))
        if urlsplit(address).scheme != "file":
            continue  # to another host, for a reader who chooses to go there
        target = Path(unquote(urlsplit(address).path))
        there = target.is_file() and target.is_relative_to(site)
        # "#feature=22" is no passage but what an explorable is to show.
        if not there or (passage and "=" not in passage and not parse(target).find(id=unquote(passage))):
            broken.append(link)
    assert broken == []


def test_every_picture_has_words(path):
    html = parse(path)
    for image in html.select("article img"):
        # Without a text of its own, a picture gets its file's name from MyST-NB.
        assert image["alt"].strip() and not image["alt"].endswith(Path(image["src"]).suffix), image
    for figure in html.select("figure.sae-figure"):
        assert figure["role"] == "img" and figure["aria-label"].strip(), str(figure)[:200]
    for drawing in html.select("svg.claim-runs"):
        assert drawing["role"] == "img" and drawing["aria-label"].strip(), str(drawing)[:200]
    for drawing in html.select("article svg:not(.claim-runs)"):
        assert drawing.find_parent("figure", class_="sae-figure"), f"not made by plots.figure: {str(drawing)[:200]}"


def compressed(text: str) -> int:
    return len(gzip.compress(text.encode()))


def test_our_own_code_is_light_and_brings_no_widget_manager(path):
    html = parse(path)
    addresses = [tag.get("src") or tag["href"] for tag in html.select("script[src], link[rel=stylesheet]")]
    files = {Path(urlsplit(address).path).name for address in addresses}
    assert files.isdisjoint({"require.js", "require.min.js", "embed.js", "embed-amd.js", "embed-amd-render.js"})
    static = next(folder / "_static" for folder in path.parents if (folder / "_static").is_dir())
    files = [static / file for file in files if any((folder / file).is_file() for folder in OURS)]
    # What the widgets' code adds to the page as it is sent, and the scripts that stand in it.
    whole = path.read_text(encoding="utf-8")
    without = whole
    for script in html.select("script:not([src]):not([type])"):
        without = without.replace(script.string, "")
    for text in widget_states(path):
        saved = json.loads(text)
        assert len(set(saved["code"])) == len(saved["code"]), "a text of code stands in the page twice"
        without = without.replace(text, json.dumps({**saved, "code": []}))
    in_page = compressed(whole) - compressed(without)
    beside = sum(compressed(file.read_text(encoding="utf-8")) for file in files)
    # The review brings its own code beside that of the quizzes, which is too far away for the compression to see the likeness.
    # Two large explorables on one page bring the code of both, neurons has three, and the feature browser is as large as three.
    # (1,500 in all of these are for claims.js, by which every number in the text can be pointed at, 500 for veil.js, and 5,000 for what quizzes know of
    # drafts, of books on one host, of the scripts of the world, and of who does what in a sentence; the review has that twice.)
    # The GPT's page has a GPT to run, too.
    limit = {
        "quiz.html": 53_500,
        "autoencoders.html": 40_500,
        "sparsity.html": 42_000,
        "neurons.html": 47_500,
        "cat.html": 40_500,
        "gpt.html": 79_000,
    }.get(path.name, 35_000)
    assert in_page + beside < limit


def test_the_widgets_data_is_light(path):
    # A whole photograph, with its bricks; hundreds of features, each with nine pieces of text.
    limit = {"cat.html": 900_000, "gpt.html": 1_200_000}.get(path.name, 400_000)
    assert sum(map(compressed, widget_states(path) + widget_data(path))) < limit


def test_a_page_does_not_hold_up_its_text_for_the_widgets_data(path):
    states = [json.loads(text)["state"] for text in widget_states(path)]
    buffers = [buffer for state in states for model in state.values() for buffer in model.get("buffers", [])]
    # What stands in the page is small; the rest comes when it comes, and nothing comes that nobody needs.
    assert all(len(buffer.get("data", "")) <= 100_000 for buffer in buffers)
    scripts = parse(path).select(BUFFERS)
    assert all(script.has_attr("async") for script in scripts)
    assert {place["data-buffer"] for place in [*scripts, *parse(path).select(LATE)]} == {buffer["file"] for buffer in buffers if "file" in buffer}
