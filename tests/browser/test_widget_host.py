"""The script that mounts the widgets of a published page, on small pages made by hand."""

import base64
import json
import random
import struct
from types import SimpleNamespace

import published as builder
import pytest
from bs4 import BeautifulSoup
from explorables import HOST
from pages import reload, view


def anywidget(esm: str, buffers=(), **state) -> dict:
    return {
        "model_module": "anywidget",
        "model_name": "AnyModel",
        "state": {"_esm": esm, "_css": "", **state},
        "buffers": list(buffers),
    }


def buffer(data: bytes, *path) -> dict:
    return {"encoding": "base64", "data": base64.b64encode(data).decode(), "path": list(path)}


def box(kind: str, *children: str) -> dict:
    references = [f"IPY_MODEL_{child}" for child in children]
    return {"model_module": "@jupyter-widgets/controls", "model_name": kind, "state": {"children": references}}


@pytest.fixture(params=["http", "file"])
def host(request, tmp_path, serve, page):
    """A function that publishes models and views of them and opens the page when its widgets are there.

    `built` is what the book's build does with the folder; `on_data` is asked about each script with data, and does not wait.
    """

    def publish(models: dict, *views: str, built=lambda folder: None, on_data=None, hash=""):
        state = json.dumps({"version_major": 2, "version_minor": 0, "state": models})
        (tmp_path / "widget-host.js").write_text(HOST.read_text())
        (tmp_path / "page.html").write_text(
            '<!doctype html><html lang="en"><title>t</title><link rel="icon" href="data:,">'
            '<script defer src="widget-host.js"></script>'
            f'<script type="application/vnd.jupyter.widget-state+json">{state}</script>'
            + "".join(f"<section>{view(shown)}</section>" for shown in views)
        )
        address = tmp_path.as_uri() if request.param == "file" else serve(tmp_path)
        built(tmp_path)
        opened = page("about:blank")
        if on_data:
            opened.page.route("**/_static/data/*.js", on_data)
        # The page's "load" is late where its data is.
        opened.page.goto(f"{address}/page.html{hash}", wait_until="domcontentloaded")
        opened.page.wait_for_selector("html[data-widget-host]" if on_data else "html[data-widget-host=ready]")
        return opened

    return publish


TALL = "export default { render({ el }) { el.style.height = '3000px'; } }"


@pytest.fixture
def passage(host):
    """A function that opens, by its anchor, a passage under a widget, as Safari does: without keeping by itself in place what
    is pushed away. It gives the page and a function that says how far the passage is from the window's top."""

    def add_passage(folder):
        file = folder / "page.html"
        html = file.read_text()
        file.write_text(html.replace("<title>", "<style>html, body { overflow-anchor: none; }</style><title>")
                        + '<h2 id="p%61 ssage">A passage</h2><div style="height: 5000px"></div>')  # fmt: skip

    def opened(hash="#p%2561%20ssage"):
        tab = host({"m": anywidget(TALL)}, "m", built=add_passage, hash=hash).page
        return tab, lambda: tab.evaluate("document.getElementById('p%61 ssage').getBoundingClientRect().top")

    return opened


def test_a_link_to_a_passage_under_a_widget_lands_there(passage):
    tab, top = passage()
    tab.wait_for_function("scrollY > 2000")
    assert abs(top()) < 2
    # What comes later still, such as a picture, does not push it away either.
    tab.evaluate("document.querySelector('section').style.marginTop = '700px'; new Promise(requestAnimationFrame)")
    tab.wait_for_function("scrollY > 3500")
    assert abs(top()) < 2


@pytest.mark.parametrize("action", ["wheel", "keydown", "touchmove", "mousedown"])
def test_a_reader_who_moves_on_is_not_taken_back(passage, action):
    tab, top = passage()
    tab.wait_for_function("scrollY > 2000")
    tab.evaluate(f"""async () => {{
        dispatchEvent(new Event("{action}"));
        scrollTo(0, 100);
        document.querySelector("section").style.marginTop = "700px";
        for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
    }}""")
    assert tab.evaluate("scrollY") == 100
    # A link to a passage on the same page counts again.
    tab.evaluate("location.hash = ''; location.hash = '#p%2561%20ssage'")
    tab.evaluate("document.querySelector('section').style.marginTop = '1400px'")
    tab.wait_for_function("scrollY > 4000")
    assert abs(top()) < 2


def test_a_page_that_is_loaded_anew_stays_where_the_reader_was(passage):
    tab, top = passage()
    tab.wait_for_function("scrollY > 2000")
    tab.evaluate("scrollTo(0, 100)")
    reload(tab)
    tab.evaluate("async () => { for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame); }")
    assert tab.evaluate("scrollY") == 100


@pytest.mark.parametrize("hash", ["#feature=3", "#%", "#nowhere", ""])
def test_an_address_that_names_no_passage_moves_nothing(passage, hash):
    tab, _ = passage(hash)
    assert tab.evaluate("scrollY") == 0


def test_binary_traits_come_back_at_nested_paths(host):
    esm = """export default { render({ model, el }) {
        const floats = new Float32Array(model.get("weights").buffer);
        el.textContent = [floats.join(" "), model.get("layers")[1].bias instanceof DataView,
                          model.get("layers")[1].bias.getUint8(0)].join(" | ");
    } };"""
    model = anywidget(
        esm,
        [buffer(struct.pack("<3f", 1, 2.5, -3), "weights"), buffer(b"\x07", "layers", 1, "bias")],
        layers=[{}, {}],
    )
    opened = host({"a": model}, "a")
    assert opened.page.locator("[data-widget-mounted=true]").inner_text() == "1 2.5 -3 | true | 7"
    assert opened.problems == []


def test_set_tells_listeners_once_and_only_of_changes(host):
    esm = """export default { render({ model, el }) {
        const seen = [];
        const gone = () => seen.push("gone");
        model.on("change:n", (m, value) => seen.push(`n=${value} ${m.get("n")} ${m === model} ${model.get("list")}`));
        model.on("change", (m) => seen.push(`change ${m === model}`));
        model.on("change:n", gone);
        model.off("change:n", gone);
        model.set("n", 1);              // as it was
        model.set("list", [1, 2]);      // equal by value
        model.set({ n: 2, list: [3] });
        model.save_changes();
        model.send({});
        model.off();
        model.set("n", 3);
        el.textContent = seen.join("; ");
    } };"""
    opened = host({"a": anywidget(esm, n=1, list=[1, 2])}, "a")
    assert opened.page.locator("[data-widget-mounted]").inner_text() == "n=2 2 true 3; change true"
    assert opened.problems == []


def test_two_views_share_a_model_that_is_initialized_once(host):
    esm = """let imports = 0;
    export default async () => ({
        async initialize({ model, signal }) { model.set("starts", model.get("starts") + (signal.aborted ? 100 : 1)); },
        render({ model, el }) {
            const show = () => { el.querySelector("button").textContent = `${model.get("starts")} start, ${model.get("n")}`; };
            el.innerHTML = "<button></button>";
            el.firstChild.onclick = () => model.set("n", model.get("n") + 1);
            model.on("change:n", show);
            show();
            return () => {};
        },
    });"""
    opened = host({"a": anywidget(esm, n=0, starts=0)}, "a", "a")
    opened.page.locator("button").first.click()
    assert opened.page.locator("button").all_inner_texts() == ["1 start, 1", "1 start, 1"]
    assert opened.problems == []


def test_one_source_is_imported_once_and_one_style_added_once(host):
    esm = """globalThis.imports = (globalThis.imports ?? 0) + 1;
    export default { render({ el }) { el.className += " styled"; } };"""
    css = ".styled { width: 77px }"
    opened = host({"a": anywidget(esm, _css=css), "b": anywidget(esm, _css=css)}, "a", "b")
    opened.page.evaluate("() => { document.querySelectorAll('style').length === 1 || console.error('styles') }")
    assert opened.page.evaluate("globalThis.imports") == 1
    assert opened.page.locator(".styled").evaluate_all("els => els.map(el => el.offsetWidth)") == [77, 77]
    assert opened.problems == []


def test_boxes_mount_their_children_in_order_and_a_widget_can_reach_another(host):
    leaf = 'export default { render({ model, el }) { el.textContent = model.get("text"); } };'
    reader = """export default { async render({ model, el }) {
        const other = await model.widget_manager.get_model(model.get("other"));
        el.textContent = `sees ${other.get("text")}`;
    } };"""
    models = {
        "a": anywidget(leaf, text="A"),
        "b": anywidget(leaf, text="B"),
        "c": anywidget(reader, other="IPY_MODEL_a"),
        "row": box("HBoxModel", "b", "c"),
        "column": box("VBoxModel", "a", "row"),
    }
    opened = host(models, "column")
    assert opened.page.locator(".widget-host-view").evaluate("el => el.textContent") == "ABsees A"
    assert opened.page.locator(".widget-host-column > .widget-host-row > div").count() == 2
    assert opened.page.locator("[data-widget-mounted=true]").count() == 5
    assert opened.problems == []


def test_a_control_that_needs_a_kernel_says_so_and_is_no_error(host):
    slider = {"model_module": "@jupyter-widgets/controls", "model_name": "IntSliderModel", "state": {"value": 3}}
    opened = host({"a": slider, "b": box("VBoxModel", "a")}, "a", "b")
    notes = opened.page.locator(".widget-host-unsupported")
    assert notes.count() == 2
    assert "needs a running notebook" in notes.first.inner_text()
    assert opened.page.locator("section:first-of-type [data-widget-mounted]").count() == 0
    assert opened.problems == []


@pytest.mark.parametrize(
    "esm",
    [
        'export default { render() { throw new Error("on fire"); } };',
        'export default { async initialize() { throw new Error("on fire"); } };',
        'export default () => { throw new Error("on fire"); };',
        'throw new Error("on fire");',
    ],
)
def test_a_widget_that_throws_is_named_and_leaves_the_others_alone(host, esm):
    fine = 'export default { render({ el }) { el.textContent = "fine"; } };'
    opened = host({"a": anywidget(esm, _anywidget_id="saelib.widgets.quiz.Quiz"), "b": anywidget(fine)}, "a", "b")
    text = opened.page.locator(".widget-host-error").inner_text()
    assert "Quiz" in text and "on fire" in text
    assert opened.page.locator("[data-widget-mounted]").all_inner_texts() == ["fine"]
    assert len(opened.problems) == 1 and "on fire" in opened.problems[0]


def test_a_view_without_its_model_is_noted(host):
    opened = host({}, "missing")
    assert "missing" in opened.page.locator(".widget-host-error").inner_text()
    assert len(opened.problems) == 1


def test_a_policy_that_refuses_widgets_is_named(host):
    def forbid(folder):
        file = folder / "page.html"
        policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"script-src 'self' file: 'unsafe-inline'\">"
        file.write_text(file.read_text().replace("<title>", f"{policy}<title>"))

    opened = host({"m": anywidget("export default {}")}, "m", built=forbid)
    said = opened.page.locator(".widget-host-error").inner_text()
    assert "add blob: to the script-src of its Content-Security-Policy" in said
    assert opened.problems
    opened.problems.clear()


def test_a_page_that_was_saved_after_it_was_mounted_holds_everything_once(host):
    esm = "export default { render({ el }) { el.append(Object.assign(document.createElement('p'), { textContent: 'Here.' })); } }"
    models = {"m": {**anywidget(esm), "state": {"_esm": esm, "_css": "p { color: teal; }"}}}
    tab = host(models, "m").page
    saved = tab.content()
    tab = host(models, "m", built=lambda folder: (folder / "page.html").write_text(saved)).page
    assert tab.locator("p").all_inner_texts() == ["Here."]
    assert tab.locator("style").count() == 1 and tab.locator(".widget-host-view").count() == 1


def test_a_widget_can_tell_that_it_is_on_a_published_page(host):
    esm = "export default { render({ el }) { el.textContent = document.documentElement.dataset.widgetHost; } };"
    assert host({"a": anywidget(esm)}, "a").page.locator("[data-widget-mounted]").inner_text() == "mounting"


# What the build makes of a page: code stands in it once, and large buffers in scripts of their own.

SUM = """export default { render({ model, el }) {
    const bytes = new Uint8Array(model.get("large").buffer);
    el.textContent = `${bytes.length} bytes, ${bytes.reduce((sum, value) => sum + value, 0)} in all, ${model.get("small")?.getUint8(0)}`;
} };"""
FINE = 'export default { render({ el }) { el.textContent = "fine"; } };'
LARGE = random.Random(0).randbytes(90_000)
SUMMED = f"{len(LARGE)} bytes, {sum(LARGE)} in all, 7"


def build(folder):
    builder.rewrite_pages(SimpleNamespace(outdir=folder), None)


def large(data=LARGE):
    return anywidget(SUM, [buffer(data, "large"), buffer(b"\x07", "small")], _anywidget_id="saelib.widgets.rebuild.Rebuild")


def test_code_that_drives_several_widgets_stands_in_the_page_once(host, tmp_path):
    models = {name: anywidget(FINE, _css=css) for name, css in (("a", "p { color: teal; }"), ("b", "p { color: teal; }"), ("c", ""))}
    opened = host(models, "a", "b", "c", built=build)
    assert opened.page.locator("[data-widget-mounted=true]").all_inner_texts() == ["fine"] * 3
    assert opened.page.locator("style").count() == 1
    html = (tmp_path / "page.html").read_text()
    assert html.count("textContent") == html.count("teal") == 1
    build(tmp_path)  # a page that is not written anew stays as it is
    assert (tmp_path / "page.html").read_text() == html
    assert opened.problems == []


def test_a_large_buffer_comes_in_a_script_of_its_own_and_a_small_one_stays(host, tmp_path):
    opened = host({"a": large(), "b": large(), "c": anywidget(FINE)}, "a", "b", "c", built=build)
    assert opened.page.locator("[data-widget-mounted=true]").all_inner_texts() == [SUMMED, SUMMED, "fine"]
    (file,) = (tmp_path / "_static" / "data").iterdir()  # once for both
    html = (tmp_path / "page.html").read_text()
    assert len(html) < 10_000 and len(file.read_text()) > 4 / 3 * len(LARGE)
    assert html.count("<script async") == 1 and f"{file.stem}.js" in html
    build(tmp_path)  # a page that is not written anew keeps what it needs, and what no page needs goes
    assert (tmp_path / "page.html").read_text() == html and file.exists()
    (tmp_path / "page.html").write_text("<p>no widgets</p>")
    build(tmp_path)
    assert not file.exists()
    assert opened.problems == []


def test_only_what_needs_a_large_buffer_waits_for_it_and_says_so(host):
    held = []
    models = {"a": large(), "b": anywidget(FINE), "box": box("VBoxModel", "b", "a")}
    opened = host(models, "box", built=build, on_data=lambda route: held.append(route))
    tab = opened.page
    tab.wait_for_selector(".widget-host-column > [data-widget-mounted]")
    loading = tab.locator("[data-widget-loading=Rebuild]")
    assert loading.inner_text() == "Loading…"
    assert tab.evaluate("document.documentElement.dataset.widgetHost") == "mounting"
    held[0].continue_()
    tab.wait_for_selector("html[data-widget-host=ready]")
    assert tab.locator(".widget-host-column > [data-widget-mounted]").all_inner_texts() == ["fine", SUMMED]
    assert loading.count() == 0 and opened.problems == []


def test_a_widget_that_reaches_another_finds_it_complete(host):
    reader = """export default { async render({ model, el }) {
        const other = await model.widget_manager.get_model(model.get("other"));
        el.textContent = `sees ${other.get("large").byteLength} bytes`;
    } };"""
    held = []
    opened = host({"a": large(), "b": anywidget(reader, other="IPY_MODEL_a")}, "b", built=build, on_data=lambda route: held.append(route))
    assert opened.page.locator(".widget-host-view").inner_text() == ""
    held[0].continue_()
    opened.page.wait_for_selector("html[data-widget-host=ready]")
    assert opened.page.locator(".widget-host-view").inner_text() == f"sees {len(LARGE)} bytes"


@pytest.mark.parametrize("early", [True, False])
def test_data_that_does_not_arrive_is_told_and_leaves_the_others_alone(host, early):
    """Early: before the host runs, when no event tells it any more."""
    held = []

    def fail(route):
        route.abort() if early else held.append(route)

    opened = host({"a": large(), "b": anywidget(FINE)}, "a", "b", built=build, on_data=fail)
    opened.page.wait_for_selector("[data-widget-mounted]")
    if held:
        held[0].abort()
    opened.page.wait_for_selector("html[data-widget-host=ready]")
    assert opened.page.locator(".widget-host-error").inner_text() == (
        "The widget Rebuild could not be shown: its data did not arrive. Reload the page to try again."
    )
    assert opened.page.locator("[data-widget-mounted]").all_inner_texts() == ["fine"]
    assert opened.page.locator("[data-widget-loading]").count() == 0


# Data that a widget wants only when it asks for it.

LATE = """export default { render({ model, el }) {
    (window.models ??= []).push(model);
    el.textContent = `${typeof model.get("weights")}, ${model.get("younger").length} younger ones`;
} };"""
YOUNGER = [random.Random(number).randbytes(80_000 + number) for number in range(1, 4)]
SUM_OF = """([at, name, index]) => models[at].bring(name, index ?? undefined).then(
    (value) => [value].flat().map((view) => new Uint8Array(view.buffer).reduce((sum, byte) => sum + byte, 0)), (error) => error.message)"""
HELD = "Array.from(models[0].get('younger'), (one) => one?.byteLength)"
FAILED = "its data did not arrive. Reload the page to try again."


def late(esm=LATE, **state):
    buffers = [buffer(LARGE, "weights"), *(buffer(data, "younger", number) for number, data in enumerate(YOUNGER)), buffer(b"\x07", "box")]
    return anywidget(esm, buffers, **{"younger": [None] * 3, "late": ["weights", "younger", "box", "vocabulary"], **state})


@pytest.fixture
def asked(host):
    """A function that publishes such widgets, as the build does, and gives the page when they are there and the scripts with data that
    it asked for; `fail` says of one whether it shall not arrive."""

    def publish(models, *views, fail=lambda file: False, built=build):
        files = []

        def answer(route):
            files.append(route.request.url.split("/")[-1].removesuffix(".js"))
            route.abort() if fail(files[-1]) else route.continue_()

        tab = host(models, *views, built=built, on_data=answer).page
        tab.wait_for_selector("html[data-widget-host=ready]")
        return tab, files

    return publish


def test_late_data_comes_when_the_widget_asks_for_it_and_only_what_it_asks_for(asked):
    tab, files = asked({"m": late()}, "m")
    tab.wait_for_load_state("load")
    assert tab.locator("[data-widget-mounted]").inner_text() == "undefined, 3 younger ones"
    assert files == []
    assert tab.evaluate(SUM_OF, [0, "younger", 2]) == [sum(YOUNGER[2])]
    assert tab.evaluate(HELD) == [None, None, len(YOUNGER[2])] and len(files) == 1
    assert tab.evaluate(SUM_OF, [0, "weights", None]) == [sum(LARGE)] and len(files) == 2
    assert tab.evaluate("models[0].get('weights').byteLength") == len(LARGE)
    assert tab.evaluate(SUM_OF, [0, "younger", None]) == list(map(sum, YOUNGER))
    assert tab.evaluate(SUM_OF, [0, "younger", 2]) == [sum(YOUNGER[2])]  # again
    assert len(files) == len(set(files)) == 4
    assert tab.locator("head script[data-buffer], head script[async]").count() == 0 and tab.evaluate("Object.keys(saelibBuffers)") == []


def test_what_is_small_or_not_on_a_page_of_the_book_is_there_at_once(asked):
    tab, files = asked({"m": late()}, "m")
    assert tab.evaluate("models[0].bring('box').then((box) => box.getUint8(0))") == 7
    assert tab.evaluate("models[0].bring('late').then((names) => names[1])") == "younger"
    tab, _ = asked({"m": late()}, "m", built=lambda folder: None)
    assert tab.locator("[data-widget-mounted]").inner_text() == "object, 3 younger ones"
    assert tab.evaluate(SUM_OF, [0, "younger", 1]) == [sum(YOUNGER[1])]
    assert files == []


def test_widgets_with_the_same_late_data_load_it_once(asked, tmp_path):
    tab, files = asked({"a": late(), "b": late()}, "a", "b")
    assert len([*(tmp_path / "_static" / "data").iterdir()]) == 4
    both = tab.evaluate("Promise.all(models.map((model) => model.bring('weights'))).then(([one, other]) => one === other && one.byteLength)")
    assert both == len(LARGE) and len(files) == 1
    assert tab.evaluate(SUM_OF, [1, "weights", None]) == [sum(LARGE)] and len(files) == 1


def test_what_one_widget_needs_at_once_is_there_for_the_one_that_would_wait(asked, tmp_path):
    tab, files = asked({"a": late(), "b": large()}, "a", "b")
    assert tab.locator("[data-widget-mounted]").all_inner_texts() == ["undefined, 3 younger ones", SUMMED]
    assert len(files) == 1
    assert tab.evaluate(SUM_OF, [0, "weights", None]) == [sum(LARGE)] and len(files) == 1
    html = (tmp_path / "page.html").read_text()
    assert html.count("<script async") == 1 and html.count("<template") == 3


def test_a_trait_late_of_another_meaning_lets_nothing_come_late(asked):
    esm = "export default { render({ model, el }) { el.textContent = model.get('weights').byteLength; } };"
    for meaning in (True, "weights", {"weights": 1}, None):
        tab, files = asked({"m": late(esm, late=meaning)}, "m")
        assert tab.locator("[data-widget-mounted]").inner_text() == str(len(LARGE)) and len(files) == 4


def test_late_data_that_does_not_arrive_is_told_in_words_and_can_be_asked_for_again(asked, tmp_path):
    broken = set()
    tab, files = asked({"a": late(), "b": late()}, "a", "b", fail=lambda file: file in broken)
    broken |= {file.stem for file in (tmp_path / "_static" / "data").iterdir()}
    for _ in range(2):
        both = tab.evaluate("Promise.allSettled(models.map((model) => model.bring('weights'))).then((all) => all.map((one) => one.reason.message))")
        assert both == [FAILED] * 2
    assert tab.evaluate(SUM_OF, [0, "younger", None]) == FAILED
    assert len(files) == 2 + 3
    broken.clear()
    assert tab.evaluate(SUM_OF, [0, "weights", None]) == tab.evaluate(SUM_OF, [1, "weights", None]) == [sum(LARGE)]
    assert tab.evaluate(SUM_OF, [0, "younger", None]) == list(map(sum, YOUNGER))
    assert len(files) == 5 + 4
    # A script that comes, but is another than was asked for.
    tab, _ = asked({"m": late()}, "m")
    for file in (tmp_path / "_static" / "data").iterdir():
        file.write_text("<!doctype html>")
    assert tab.evaluate(SUM_OF, [0, "weights", None]) == FAILED


def test_a_page_says_where_its_late_data_lies_and_so_keeps_it(tmp_path):
    page, data = tmp_path / "book" / "deep" / "page.html", tmp_path / "_static" / "data"
    page.parent.mkdir(parents=True)
    state = json.dumps({"state": {"m": late()}})
    page.write_text(f'<script type="application/vnd.jupyter.widget-state+json">{state}</script>')
    build(tmp_path)
    html = page.read_text()
    places = BeautifulSoup(html, "html.parser").select("template[data-buffer]")
    assert sorted(place["data-buffer"] for place in places) == sorted(file.stem for file in data.iterdir())
    assert all((page.parent / place["data-src"]).resolve().parent == data for place in places) and len(places) == 4
    assert BeautifulSoup(html, "html.parser").select("script[src]") == [] and len(html) < 10_000
    build(tmp_path)  # a page that is not written anew keeps what it may ask for
    assert page.read_text() == html and len([*data.iterdir()]) == 4
    page.write_text("<p>no widgets</p>")
    build(tmp_path)
    assert [*data.iterdir()] == []


def test_the_widgets_ask_any_model_in_the_same_way(page):
    code = (HOST.parents[1] / "common.js").read_text(encoding="utf-8")
    found = page("about:blank").page.evaluate(
        """async (code) => {
          const { brought } = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
          const jupyter = { get: (name) => ({ younger: ["a", "b"] })[name] };
          const ours = { bring: async (...asked) => asked };
          return [await brought(jupyter, "younger"), await brought(jupyter, "younger", 1),
                  await brought(ours, "younger", 0), (await brought(ours, "younger")).slice(0, 1)];
        }""",
        code,
    )
    assert found == [["a", "b"], "b", ["younger", 0], ["younger"]]


def test_an_explorable_that_says_the_same_again_is_not_announced_again(page):
    code = (HOST.parents[1] / "common.js").read_text(encoding="utf-8")
    told = page("about:blank").page.evaluate(
        """async (code) => {
          const { explorable } = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
          const { say } = explorable(document.body, { get: () => "" });
          const live = document.querySelector("[role=status]"), told = [];
          new MutationObserver(() => told.push(live.textContent)).observe(live, { childList: true });
          const pause = () => new Promise((resolve) => setTimeout(resolve, 600));
          for (const words of ["One.", "One.", "Two.", "Two.", "Three."]) { say(words); await pause(); }
          say("Four."); say("Four."); await pause(); // the second time takes nothing back of the first
          return told;
        }""",
        code,
    )
    assert told == ["Two.", "Three.", "Four."]
