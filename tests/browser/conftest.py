"""What the browser tests share: a real Chromium, the built book, and a record of what went wrong in a page."""

import functools
import http.server
import json
import os
import re
import threading
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import chromium
import pytest
from pages import settle
from playwright.sync_api import Page, sync_playwright
from quizzes import PAGE
from saelib.widgets.quiz import Quiz

HERE = ("127.0.0.1", "localhost")
ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No other host can be reached, whatever asks: what a page gets, it got from the book.
    "--host-resolver-rules=MAP * ~NOTFOUND, " + ", ".join(f"EXCLUDE {host}" for host in HERE),
]


class Opened(NamedTuple):
    """A page and what was noticed in it since it was opened."""

    page: Page
    foreign: list[str]  # addresses of requests to other hosts, all of them blocked
    problems: list[str]  # console errors and warnings, and exceptions that nothing caught


@pytest.fixture(scope="session")
def browser():
    path = chromium.find()
    # Chromium refuses to start its sandbox as root.
    arguments = ARGUMENTS + (["--no-sandbox"] if os.geteuid() == 0 else [])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built book."""
    site = Path(__file__).parents[2] / "_build" / "html"
    if not (site / "index.html").is_file():
        pytest.fail(f"the book is not built: {site} has no index.html; run make book")
    return site


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def end_headers(self):
        # A page that a test writes anew within the same second would count as unchanged, and the browser show the old one.
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def serve():
    """A function that serves a folder and gives its address, without a slash at the end."""
    servers = []

    def serve(folder: Path) -> str:
        handler = functools.partial(QuietHandler, directory=str(folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def server(site, serve) -> str:
    """The address of the built book."""
    return serve(site)


@pytest.fixture
def page(browser):
    """A function that opens an address in a fresh profile: page(url, viewport=..., color_scheme=..., ...) -> Opened."""
    contexts = []

    def page(url: str, **options) -> Opened:
        context = browser.new_context(**options)
        contexts.append(context)
        opened = Opened(context.new_page(), [], [])

        def note_request(request):
            address = urlsplit(request.url)
            if address.hostname and address.hostname not in HERE:
                opened.foreign.append(request.url)

        def note_message(message):
            if message.type in ("error", "warning"):
                opened.problems.append(f"{message.type}: {message.text}")

        context.on("request", note_request)
        context.on("console", note_message)
        context.on("weberror", lambda error: opened.problems.append(f"exception: {error.error}"))
        opened.page.goto(url)
        return opened

    yield page
    for context in contexts:
        context.close()


@pytest.fixture
def explorables(page, address):
    """A function that opens the page in a fresh profile and gives it and its explorables. The tests say by a fixture
    of theirs, `address`, where the page stands."""
    opened = []

    def open_page(hash="", **options):
        opened.append(page(f"{address}{hash}", **options))
        settle(opened[-1].page)
        return opened[-1].page, opened[-1].page.locator("section.sae-explorable").all()

    yield open_page
    assert [one.problems + one.foreign for one in opened] == [[]] * len(opened)


@pytest.fixture(scope="session")
def quiz_folder(tmp_path_factory, serve):
    """A folder and the address that it is served at."""
    folder = tmp_path_factory.mktemp("quiz")
    return folder, serve(folder)


@pytest.fixture
def quiz_page(quiz_folder, page):
    """A function that publishes a quiz and opens it: quiz_page(questions, answers=..., ...) -> the browser's page.

    `script` runs before the page's own; `published=False` is a live notebook; `within` opens another tab beside a page.
    """

    def publish(questions, *, answers=None, script=None, published=True, within=None, **options):
        quiz = questions if isinstance(questions, Quiz) else Quiz(questions)
        quiz.answers = answers or {}
        state = quiz.get_state(["_esm", "questions", "answers", "title", "name", "score", "total"])
        replacements = {
            "HOST": 'data-widget-host="ready"' if published else "",
            "STYLE": quiz._css,
            # A question may hold "</script>"; JSON can write "<" in another way.
            "STATE": json.dumps(state).replace("<", "\\u003c"),
        }
        html = re.sub("HOST|STYLE|STATE", lambda found: replacements[found[0]], PAGE)
        path, address = quiz_folder
        (path / "quiz.html").write_text(html, encoding="utf-8")
        if within:
            tab = within.context.new_page()
        else:
            opened = page("about:blank", **options)
            tab, problems[:] = opened.page, [opened.problems]
        if script:
            tab.add_init_script(script)
        tab.goto(f"{address}/quiz.html")
        tab.wait_for_selector("html[data-ready]")
        return tab

    problems = []
    yield publish
    assert problems in ([], [[]])  # console errors and warnings
