"""The first chapter in a real JupyterLab: the same widgets, and Python hears of the answers."""

import ast
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest
from jupyter_client import BlockingKernelClient
from pages import CHAPTERS, ROOT
from playwright.sync_api import expect
from saelib.widgets.quiz.questions import read_quiz

CHAPTER = ROOT / f"{CHAPTERS[0]}.ipynb"
TOKEN = "of-a-test"
LIVE = """import saelib
from saelib.widgets import LiveGPT

box = saelib.load(saelib.gpt.SHIPPED / "sae")
live = LiveGPT(saelib.load_gpt(), saelib.load_tokenizer(), box, text="for line in")
live"""
SETTINGS = {
    # All outputs stand in the page, those out of sight too.
    "notebook-extension/tracker": {"windowingMode": "none"},
    # No question about news, and no request for them.
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
}


def shortened(path: Path) -> nbformat.NotebookNode:
    """The chapter with little training, which this is not about (what is claimed of well-trained models comes out otherwise)."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = re.sub(r"\bsteps=[\d_]+", "steps=20", cell.source)
    return notebook


class Lab:
    def __init__(self, port: int, runtime: Path):
        self.address = f"http://127.0.0.1:{port}"
        self.runtime = runtime

    def get(self, path: str):
        request = urllib.request.Request(f"{self.address}/api/{path}", headers={"Authorization": f"token {TOKEN}"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def ask(self, *expressions: str) -> list:
        """What Python expressions are worth in the notebook's own kernel."""
        [session] = self.get("sessions")
        client = BlockingKernelClient(connection_file=str(self.runtime / f"kernel-{session['kernel']['id']}.json"))
        client.load_connection_file()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=30)
            named = {str(i): f"__import__('json').dumps({expression})" for i, expression in enumerate(expressions)}
            reply = client.execute("", silent=True, user_expressions=named, reply=True, timeout=30)
            values = reply["content"]["user_expressions"].values()
            return [json.loads(ast.literal_eval(value["data"]["text/plain"])) for value in values]
        finally:
            client.stop_channels()


@pytest.fixture
def lab(tmp_path):
    """A JupyterLab on a folder with the chapter and its quiz, with no settings or history but its own."""
    folder, own = tmp_path / "book", tmp_path / "own"
    folder.mkdir()
    nbformat.write(shortened(CHAPTER), folder / CHAPTER.name)
    # Without the name of its kernel, a notebook asks for one.
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(LIVE)], metadata=kernel), folder / "live.ipynb")
    quiz = CHAPTER.with_suffix(".quiz.yml")
    (folder / quiz.name).write_text(quiz.read_text(encoding="utf-8"), encoding="utf-8")
    for name, settings in SETTINGS.items():
        file = own / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen(
        [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--port-retries=0",
            f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}", "--LabApp.extension_manager=readonly",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=None",
            *(["--allow-root"] if os.geteuid() == 0 else []),
        ],
        env=os.environ
        | {
            "JUPYTER_DATA_DIR": str(own / "data"),
            "JUPYTER_CONFIG_DIR": str(own / "config"),
            "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
            "IPYTHONDIR": str(own / "ipython"),
        },
        stdout=log,
        stderr=log,
    )  # fmt: skip
    try:
        lab = Lab(port, own / "runtime")
        for _ in range(120):
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                lab.get("status")
                break
            if process.poll() is not None:
                break
            time.sleep(0.5)
        else:
            pytest.fail(f"JupyterLab does not answer:\n{(tmp_path / 'log').read_text()}")
        assert process.poll() is None, (tmp_path / "log").read_text()
        yield lab
    finally:
        # The server stops its kernels when it is asked to end; a kernel whose server is gone ends by itself.
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def run_all(lab, page, name: str):
    """A notebook in JupyterLab, all of whose cells are told to run."""
    opened = page(f"{lab.address}/lab/tree/{name}?token={TOKEN}", viewport={"width": 1280, "height": 900})
    tab = opened.page
    # Run before the kernel is there, the cells would wait for an answer to the question which kernel it should be.
    expect(tab.get_by_text(re.compile(r"\| Idle$"))).to_be_visible(timeout=60_000)
    tab.get_by_role("menuitem", name="Run", exact=True).click()
    tab.get_by_text("Run All Cells", exact=True).click()
    return opened


def test_the_first_chapter_answers_in_jupyterlab_and_python_hears_of_it(lab, page):
    opened = run_all(lab, page, CHAPTER.name)
    tab = opened.page
    question = read_quiz(CHAPTER.with_suffix(".quiz.yml"))["questions"][0]
    right = next(option["text"] for option in question["options"] if option.get("right"))
    group = tab.get_by_role("group", name=question["prompt"], exact=True)
    expect(group).to_be_visible(timeout=120_000)
    quiz = f"[w for w in __import__('gc').get_objects() if type(w).__name__ == 'Quiz' and w.questions[0]['id'] == {question['id']!r}][0]"
    told = "__import__('builtins').__dict__.setdefault('told', [])"
    lab.ask(f"{quiz}.observe(lambda change: {told}.append(change['new']), 'answers')")

    # Words that rest on a claim read as plain words, and lead nowhere; and a claim that came out otherwise says so.
    prose = tab.locator(".jp-RenderedMarkdown")
    text = "".join(cell.source for cell in nbformat.read(CHAPTER, as_version=4).cells if cell.cell_type == "markdown")
    words = " ".join(re.search(r"\[([^\]]+)\]\(claim:", text)[1].split())
    expect(prose.get_by_text(words).first).to_be_visible()
    assert "claim:" not in "".join(prose.all_inner_texts()) and prose.locator("a[href^='claim:']").count() == 0
    expect(tab.locator(".claim-otherwise").first).to_contain_text("On this machine this came out otherwise.")

    # The keys belong to the control that has the focus, though the notebook has a use for them as well.
    choices = group.get_by_role("radio")
    choices.first.press("Space")
    choices.first.press("ArrowDown")
    expect(choices.nth(1)).to_be_checked()
    group.get_by_role("radio", name=right, exact=True).click()
    group.get_by_role("button", name="Check", exact=True).click()
    expect(group.get_by_role("status")).to_have_text(re.compile("^Correct"))

    explorable = tab.locator("section.sae-explorable").first
    picture = explorable.locator(".sae-reconstruction canvas")
    before = picture.evaluate("canvas => canvas.toDataURL()")
    explorable.get_by_role("slider").press("ArrowRight")
    assert picture.evaluate("canvas => canvas.toDataURL()") != before

    # The Lab at the chapter's end, which only lives here: a button that trains anew and draws.
    button = tab.get_by_role("button", name="Run Interact")
    expect(button).to_be_visible(timeout=120_000)
    drawn = button.locator("xpath=ancestor::*[contains(@class, 'widget-interact')]").locator("figure.sae-figure")
    expect(drawn).to_have_count(0)
    button.click()
    expect(drawn).to_be_visible(timeout=60_000)

    answers = {question["id"]: right}
    assert lab.ask(f"{quiz}.answers", f"{quiz}.score", told) == [answers, 1, [answers]]

    # And the other way: what Python sets shows in the page.
    wrong = next(option["text"] for option in question["options"] if not option.get("right"))
    assert lab.ask(f"setattr({quiz}, 'answers', {{{question['id']!r}: {wrong!r}}})", f"{quiz}.score") == [None, 0]
    expect(group.get_by_role("radio", name=wrong, exact=True)).to_be_checked()
    expect(group.get_by_role("status")).to_have_text(re.compile("^Not quite"))
    assert opened.foreign == []


def test_the_live_gpt_reads_in_jupyterlab_and_python_hears_and_says(lab, page):
    opened = run_all(lab, page, "live.ipynb")
    explorable = opened.page.locator("section.sae-live")
    expect(explorable.locator(".sae-readout")).to_contain_text("After “in” the GPT expects", timeout=120_000)

    def heard(expression: str, value) -> None:
        for _ in range(40):
            if lab.ask(expression) == [value]:
                return
            time.sleep(0.25)
        assert lab.ask(expression) == [value]

    # What is typed, Python hears; the keys are the field's own, though the notebook has a use for them as well.
    field = explorable.get_by_role("textbox", name="Your text")
    field.fill("while x")
    field.press("End")
    field.press("Enter")
    field.press_sequentially("if")
    heard("[live.text, live.tokens[1:], len(live.features)]", ["while x\nif", ["wh", "ile", " x", "\n", "if"], 6])
    strongest = lab.ask("live.features[-1][0][0]")[0]
    explorable.get_by_role("button", name=f"Turn brick {strongest}", exact=True).click()
    heard("live.gains", [[strongest, 0]])
    # And what Python says is read.
    lab.ask("setattr(live, 'text', 'import os')", f"setattr(live, 'gains', [[{strongest}, 2.0]])")
    expect(field).to_have_value("import os")
    expect(explorable.get_by_role("slider", name=re.compile(f"^#{strongest},"))).to_have_value("2")
    explorable.get_by_role("button", name="Let it write").click()
    expect(explorable.get_by_role("button", name="Stop")).to_be_visible()
    expect(explorable.get_by_role("button", name="Let it write")).to_be_visible(timeout=60_000)
    heard("[len(live.written), all(map(bool, live.written))]", [3, True])
    assert opened.foreign == []
