"""The script that mounts the widgets of a published page, on small pages made by hand."""

import base64
import json
import struct
from pathlib import Path

import pytest

HOST = Path(__file__).parents[2] / "saelib" / "widgets" / "host" / "widget-host.js"


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
    """A function that publishes models and views of them and opens the page when its widgets are there."""

    def publish(models: dict, *views: str):
        state = json.dumps({"version_major": 2, "version_minor": 0, "state": models})
        (tmp_path / "widget-host.js").write_text(HOST.read_text())
        (tmp_path / "page.html").write_text(
            '<!doctype html><html lang="en"><title>t</title><link rel="icon" href="data:,">'
            '<script defer src="widget-host.js"></script>'
            f'<script type="application/vnd.jupyter.widget-state+json">{state}</script>'
            + "".join(
                f'<section><script type="application/vnd.jupyter.widget-view+json">{{"model_id": "{view}"}}</script></section>'
                for view in views
            )
        )
        address = tmp_path.as_uri() if request.param == "file" else serve(tmp_path)
        opened = page(f"{address}/page.html")
        opened.page.wait_for_selector("html[data-widget-host=ready]")
        return opened

    return publish


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


def test_a_widget_can_tell_that_it_is_on_a_published_page(host):
    esm = "export default { render({ el }) { el.textContent = document.documentElement.dataset.widgetHost; } };"
    assert host({"a": anywidget(esm)}, "a").page.locator("[data-widget-mounted]").inner_text() == "mounting"
