"""What the browser tests share: a real Chromium, the built book, and a record of what went wrong in a page."""

import contextlib
import json
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import chromium
import pytest
import saelib
import small_book
from explorables import ALL, write_page
from pages import in_script, serving, visit
from playwright.sync_api import Page
from quizzes import PAGE
from saelib.widgets.quiz import Quiz

pytest.register_assert_rewrite("promises")  # so that these say why they fail, as any test does


class Opened(NamedTuple):
    """A page and what was noticed in it since it was opened."""

    page: Page
    foreign: list[str]  # addresses of requests to other hosts, all of them blocked
    problems: list[str]  # console errors and warnings, and exceptions that nothing caught


@pytest.fixture(scope="session")
def browser():
    with chromium.launched() as browser:
        yield browser


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built book."""
    site = Path(__file__).parents[2] / "_build" / "html"
    if not (site / "index.html").is_file():
        pytest.fail(f"the book is not built: {site} has no index.html; run make book")
    return site


@pytest.fixture(scope="session")
def serve():
    """A function that serves a folder and gives its address, without a slash at the end."""
    with contextlib.ExitStack() as servers:
        yield lambda folder: servers.enter_context(serving(folder))


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
            if address.hostname and address.hostname not in chromium.HERE:
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
def new_tab(page):
    """A function that gives an empty tab of a fresh profile, or with `within` another one beside a tab; `script` runs before the
    scripts of what is opened in it. When the test ends, nothing may have gone wrong in any of them."""
    opened = []

    def new_tab(*, within=None, script="", **options) -> Page:
        if within:
            tab = within.context.new_page()
        else:
            opened.append(page("about:blank", **options))
            tab = opened[-1].page
        if script:
            tab.add_init_script(script)
        return tab

    yield new_tab
    assert [one.problems + one.foreign for one in opened] == [[]] * len(opened)


# Explorables.


@pytest.fixture(scope="session")
def digits():
    return saelib.data.digits()


@pytest.fixture(scope="session")
def served(serve, tmp_path_factory):
    """A function that puts explorables on a page of their own, one below the other, and gives its address."""

    def served(*views) -> str:
        folder = tmp_path_factory.mktemp("explorables")
        write_page(folder, views)
        return f"{serve(folder)}/page.html"

    return served


@pytest.fixture
def published(served, page):
    """A function that publishes one explorable on a page of its own, opens it, and gives the explorable."""
    # No new_tab: to read pixels often, as these tests do, is something that the browser warns of.
    return lambda widget: visit(page("about:blank").page, served(widget)).locator("section.sae-explorable")


@pytest.fixture
def explorables(new_tab, address):
    """A function that opens the page in a fresh profile and gives it and its explorables. The tests say by a fixture
    of theirs, `address`, where the page stands."""

    def open_page(hash="", **options):
        tab = visit(new_tab(**options), f"{address}{hash}")
        return tab, tab.locator(ALL).all()

    return open_page


# Quizzes.


@pytest.fixture(scope="session")
def quiz_folder(tmp_path_factory, serve):
    """A folder and the address that it is served at."""
    folder = tmp_path_factory.mktemp("quiz")
    return folder, serve(folder)


@pytest.fixture
def quiz_page(quiz_folder, new_tab):
    """A function that publishes a quiz and opens it: quiz_page(questions, answers=..., ...) -> the browser's page.

    `published=False` is a live notebook; other options are those of new_tab.
    """

    def publish(questions, *, answers=None, published=True, **options):
        quiz = questions if isinstance(questions, Quiz) else Quiz(questions)
        quiz.answers = answers or {}
        state = quiz.get_state(["_esm", "questions", "answers", "title", "name", "score", "total"])
        replacements = {
            "HOST": 'data-widget-host="ready"' if published else "",
            "STYLE": quiz._css,
            "STATE": in_script(state),
        }
        html = re.sub("HOST|STYLE|STATE", lambda found: replacements[found[0]], PAGE)
        path, address = quiz_folder
        (path / "quiz.html").write_text(html, encoding="utf-8")
        tab = new_tab(**options)
        tab.goto(f"{address}/quiz.html")
        tab.wait_for_selector("html[data-ready]")
        return tab

    return publish


# The small book.


@pytest.fixture(scope="module")
def book(tmp_path_factory, serve):
    """The folder of the small book's pages, and the address that it is served at."""
    root = tmp_path_factory.mktemp("book")
    small_book.write_sources(root)
    small_book.publish(root, root / "site")
    return root / "site", serve(root / "site")


@pytest.fixture
def open_page(book, new_tab):
    """A function that opens a chapter of the small book in a browser that keeps the texts in `keeping`, by the questions' names;
    other options are those of new_tab. When the test ends, none of the pages may have said anything in the console."""
    said = []

    def open_page(name="intro", *, keeping=None, hash="", files=False, script="", **options):
        folder, address = book
        place = f"{folder.as_uri().removeprefix('file://')}/" if files else "/"
        names = {small_book.kept_as(name, place): text for name, text in (keeping or {}).items()}
        keep = f"for (const [key, text] of Object.entries({json.dumps(names)})) localStorage.setItem(key, text);"
        once = f"if (!sessionStorage.seen) {{ sessionStorage.seen = 1; {keep} }}" if names else ""
        tab = new_tab(script=f"{once} {script}", **options)
        tab.on("console", lambda message: said.append(message.text))
        return visit(tab, f"{folder.as_uri() if files else address}/book/{name}.html{hash}")

    yield open_page
    assert said == []
