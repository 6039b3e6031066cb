"""What the tests of explorables share: a page of their own, and how what is seen on it is read."""

import re
from pathlib import Path

import torch
from ipywidgets.embed import embed_data
from pages import ROOT, in_script, view

HOST = ROOT / "saelib" / "widgets" / "host" / "widget-host.js"
CLOSE = 0.6 / 255  # between a number and the pixel that shows it: half a step, and what float32 loses on the way
FULL = 0.7  # what is missing is shown in full colour from here on: errors are smaller than ink
BUSY = "[aria-busy=true]"
# The live GPT answers when it has computed, and what can be done with it changes as it does: test_live_gpt tries it.
ALL = "section.sae-explorable:not(.sae-live)"
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width"><script defer src="widget-host.js"></script>
<script>if (matchMedia("(prefers-color-scheme: dark)").matches) document.documentElement.dataset.theme = "dark";</script>
<style>body { margin: 0 auto; padding: 8px; max-width: 744px; background: #fff; } html[data-theme=dark] body { background: #121212; }</style>
<main><h1 style="color: #888">t</h1>VIEWS</main><script type="application/vnd.jupyter.widget-state+json">STATE</script></html>"""
# What is seen in an explorable: the pixels of its pictures, its drawings and bricks, and the words under them. Controls
# are left out: that a slider moves says nothing.
SEEN = """section => {
    const stage = section.querySelector(".sae-stage").cloneNode(true);
    stage.querySelectorAll("input, output").forEach((control) => control.remove());
    const pictures = [...section.querySelectorAll(".sae-stage canvas")].map((canvas) => canvas.toDataURL());
    return JSON.stringify([pictures, stage.innerHTML, section.querySelector(".sae-readout").textContent]);
}"""


def write_page(folder: Path, views) -> None:
    """A page with these explorables one below the other, page.html in this folder, and the host script that mounts them."""
    data = embed_data(views=views, drop_defaults=False)
    shown = "".join(view(spec["model_id"]) for spec in data["view_specs"])
    page = PAGE.replace("VIEWS", shown).replace("STATE", in_script(data["manager_state"]))
    (folder / "page.html").write_text(page, encoding="utf-8")
    (folder / "widget-host.js").write_text(HOST.read_text(encoding="utf-8"), encoding="utf-8")


def seen(explorable) -> str:
    return explorable.evaluate(SEEN)


def pixels(pictures) -> torch.Tensor:
    """The numbers that the canvases show, to within half a 255th, row by row: blue stands for those below zero."""
    return torch.tensor(
        pictures.evaluate_all("""all => all.flatMap((canvas) => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const [red, , blue, strength] = [0, 1, 2, 3].map((part) => data.filter((_, i) => i % 4 === part));
            return Array.from(strength, (value, i) => (blue[i] > red[i] ? -value : value) / 255);
        })""")
    )


def readout(explorable) -> str:
    return explorable.locator(".sae-readout").inner_text()


def labels(found) -> list[str]:
    """What a screen reader says of each."""
    return found.evaluate_all("all => all.map((one) => one.ariaLabel)")


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def percent(explorable) -> int:
    """The first share that the readout names."""
    return int(re.search(r"(\d+)%", readout(explorable))[1])


def shares(x, copy, mean) -> float:
    """The error that the readouts name, in percent."""
    return 100 * ((x - copy).square().sum() / (x - mean).square().sum()).item()
