"""What only the published pages need. A Sphinx extension, loaded by _config.yml."""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import rcssmin
import saelib
from saelib.widgets.base import without_comments
from saelib.widgets.quiz.review import read_chapters
from sphinx.errors import ConfigError

# Files beside the chapters that their code reads: pictures are in the questions.
DATA = {".json", ".safetensors", ".yml", ".svg", ".png", ".jpg", ".jpeg", ".webp"}

HOST = Path("saelib", "widgets", "host")  # what mounts the widgets, on these pages and in an explorable's own

# The theme resolves "auto" only once all its scripts are there; until then it has no colours at all, and a reader in
# the dark sees a flash of white. This does it before the first paint.
RESOLVE_AUTO = """if (document.documentElement.dataset.theme === "auto") document.documentElement.dataset.theme =
matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";"""


# Paper is light, whatever the mode on the screen.
PRINT_IN_LIGHT = """{
  const { dataset } = document.documentElement;
  let mode;
  addEventListener("beforeprint", () => { mode ??= dataset.theme; dataset.theme = "light"; });
  addEventListener("afterprint", () => { dataset.theme = mode; mode = undefined; });
}"""


def key(root: Path, files) -> str:
    """A hash of the files' names and contents."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.relative_to(root)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def files_under(folder: Path):
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def caches(app) -> Path:
    return Path(app.outdir).parent / ".jupyter_cache"


def read_questions(root: Path):
    """The book's title, and its chapters with their questions; a malformed one stops the build."""
    try:
        title, chapters = read_chapters(root / "book")
        for chapter in chapters:
            if not (root / "book" / f"{chapter['name']}.ipynb").is_file():
                raise ValueError(f"questions of the chapter {chapter['name']!r}, but book/ has no {chapter['name']}.ipynb")
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return title, chapters


def write_index(file: Path, title, chapters):
    """The ids of each page's questions, and how the names begin under which a browser keeps their answers. A script, since a
    page on file:// may read nothing else.

    The names say which book: its title, and where it lies, so that two books or two editions on one host never meet.
    """
    index = {f"book/{chapter['name']}": [question["id"] for question in chapter["questions"]] for chapter in chapters}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        f"window.saelibQuestions = {json.dumps(index)};\n"
        f"document.documentElement.dataset.answers = {json.dumps(f'saelib.quiz.{title} ')}"
        ' + new URL("..", document.currentScript.src).pathname + ".";\n',
        encoding="utf-8",
    )


def set_keys(app, config):
    root = Path(app.srcdir)
    title, chapters = read_questions(root)
    data = [path for path in (root / "book").rglob("*") if path.suffix in DATA and "_published" not in path.parts]
    # MyST-NB keys its cache on the notebook alone and would show old outputs after an edit in saelib. A folder
    # per key cures that, and since this option belongs to Sphinx's environment, a new value also makes Sphinx
    # read every chapter again in an incremental build.
    code = key(root, [root / "requirements.txt", *files_under(root / "saelib"), *data])
    # The chapter quiz shows all of these, the chapters' titles and their order among them.
    code += hashlib.sha256(json.dumps([title, chapters]).encode()).hexdigest()[:16]
    config.nb_execution_cache_path = str(caches(app) / code)
    # Sphinx copies changed scripts and styles only when some page is written: write them all, then.
    config.published_key = key(root, [*files_under(root / "book" / "_published"), *files_under(root / HOST)])
    write_index(Path(app.outdir) / "_static" / "progress-index.js", title, chapters)


def say_version(app, config):
    """Put the library's version, which is the book's, into the footer of _config.yml."""
    options = config.html_theme_options
    options["extra_footer"] = options["extra_footer"].format(version=saelib.__version__)


def make_light(app, exception):
    """Leave the comments in the repository: readers download what does the work."""
    if exception is None:
        root = Path(app.srcdir)
        for file in [*files_under(root / "book" / "_published" / "static"), *files_under(root / HOST)]:
            if minify := {".js": without_comments, ".css": rcssmin.cssmin}.get(file.suffix):
                copy = Path(app.outdir) / "_static" / file.name
                copy.write_text(minify(copy.read_text(encoding="utf-8")), encoding="utf-8")


def keep_underscores(app, exception):
    """Hosts that make pages with Jekyll, as GitHub's do if not told otherwise, leave out folders like _static."""
    if exception is None:
        (Path(app.outdir) / ".nojekyll").touch()


def share_code(saved: dict) -> None:
    """Let each text of code stand in a page once, however many widgets it drives, and beside the others, where the page's
    compression finds what they have in common. In the widgets' states its number among them takes its place."""
    states = [model["state"] for model in saved["state"].values() if "_esm" in model["state"]]
    if states and "code" not in saved:
        saved["code"] = sorted({state[name] for state in states for name in ("_esm", "_css") if name in state}, key=len)
        for state in states:
            state.update({name: saved["code"].index(state[name]) for name in ("_esm", "_css") if name in state})


LARGE = 100_000  # letters of base64: less would not be worth a request of its own
SMALL = 2_000  # the same for what no page waits for, and what several widgets may share


def move_buffers(saved: dict) -> tuple[dict[str, str], set[str]]:
    """Take a page's large buffers out of its widget state; gives them by the names of the files that they are to stand in, and which of
    these files no widget needs before it asks for them: those of the traits that it names in its trait `late`.

    So the page's text is there before they are: its widget host waits for the others before it mounts what needs them. The files
    are named after what they hold, so that a new build is never met with what a browser has kept of the last one.
    """
    moved, at_once = {}, set()
    for model in saved["state"].values():
        late = model["state"].get("late")
        # Widgets of others may have a trait of this name that means something else.
        late = late if isinstance(late, list) else []
        for buffer in model.get("buffers", ()):
            waits = buffer["path"][0] in late
            if len(buffer.get("data", "")) > (SMALL if waits else LARGE):
                data = buffer.pop("data")
                buffer["file"] = hashlib.sha256(data.encode()).hexdigest()[:16]
                moved[buffer["file"]] = data
                if not waits:
                    at_once.add(buffer["file"])
    return moved, moved.keys() - at_once


STATE = re.compile(r'(<script type="application/vnd\.jupyter\.widget-state\+json">)(.*?)(</script>)', re.DOTALL)


def rewrite_pages(app, exception):
    """Once through all pages: in the state of its widgets, code is shared and large buffers move to files of their own."""
    if exception is not None:
        return
    folder, needed = Path(app.outdir) / "_static" / "data", set()
    for page in Path(app.outdir).rglob("*.html"):

        def changed(found):
            saved = json.loads(found[2])
            before = json.dumps(saved)
            share_code(saved)
            tags = []
            moved, late = move_buffers(saved)
            for file, data in moved.items():
                # Scripts, because a page on file:// may fetch nothing.
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{file}.js").write_text(f'(window.saelibBuffers ??= {{}})["{file}"] = "{data}";\n', encoding="utf-8")
                address = Path(os.path.relpath(folder, page.parent)).as_posix()
                # A template does nothing: it says where the script lies that the widget host brings when a widget asks for it.
                begin, source, end = ("template", "data-src", "template") if file in late else ('script async fetchpriority="low"', "src", "script")
                tags.append(f'<{begin} data-buffer="{file}" {source}="{address}/{file}.js"></{end}>\n')
            # As MyST-NB does it: inside a string of JSON the stroke means the same, and the script does not end there.
            after = json.dumps(saved)
            return found[0] if after == before else "".join(tags) + found[1] + after.replace("</", r"<\/") + found[3]

        html = page.read_text(encoding="utf-8")
        if (new := STATE.sub(changed, html)) != html:
            page.write_text(new, encoding="utf-8")
        needed.update(re.findall('data-buffer="([^"]+)"', new))
    for file in folder.glob("*.js"):
        if file.stem not in needed:
            file.unlink()


def drop_old_caches(app, exception):
    if exception is None:
        for folder in caches(app).glob("*"):
            if folder != Path(app.config.nb_execution_cache_path):
                shutil.rmtree(folder)


def setup(app):
    app.add_config_value("published_key", "", "html", str)
    app.add_js_file(None, body=RESOLVE_AUTO + "\n" + PRINT_IN_LIGHT, priority=1)
    for script in ("progress-index.js", "progress.js"):
        app.add_js_file(script, defer="defer")
    app.connect("config-inited", set_keys)
    app.connect("config-inited", say_version)
    app.connect("build-finished", make_light)
    app.connect("build-finished", keep_underscores)
    app.connect("build-finished", rewrite_pages)
    app.connect("build-finished", drop_old_caches)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
