"""What only the published pages need. A Sphinx extension, loaded by _config.yml."""

import hashlib
import shutil
from pathlib import Path

# Files beside the chapters that their code reads.
DATA = {".json", ".safetensors", ".yml"}

# The theme resolves "auto" only once all its scripts are there; until then it has no colours at all, and a reader in
# the dark sees a flash of white. This does it before the first paint.
RESOLVE_AUTO = """if (document.documentElement.dataset.theme === "auto") document.documentElement.dataset.theme =
matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";"""


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


def set_keys(app, config):
    root = Path(app.srcdir)
    data = [path for path in (root / "book").iterdir() if path.suffix in DATA]
    # MyST-NB keys its cache on the notebook alone and would show old outputs after an edit in saelib. A folder
    # per key cures that, and since this option belongs to Sphinx's environment, a new value also makes Sphinx
    # read every chapter again in an incremental build.
    code = key(root, [root / "requirements.txt", *files_under(root / "saelib"), *data])
    config.nb_execution_cache_path = str(caches(app) / code)
    # Sphinx copies changed scripts and styles only when some page is written: write them all, then.
    config.published_key = key(root, files_under(root / "book" / "_published"))


def drop_old_caches(app, exception):
    if exception is None:
        for folder in caches(app).glob("*"):
            if folder != Path(app.config.nb_execution_cache_path):
                shutil.rmtree(folder)


def setup(app):
    app.add_config_value("published_key", "", "html", str)
    app.add_js_file(None, body=RESOLVE_AUTO, priority=1)
    app.connect("config-inited", set_keys)
    app.connect("build-finished", drop_old_caches)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
