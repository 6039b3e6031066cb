"""Runs the chapters that have changed, some at a time, before Sphinx reads them: it would run one after the other. A Sphinx extension.

Where they are kept is MyST-NB's own cache, in which it then finds each of them; with each, what its claims came to.
"""

import concurrent.futures
import json
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from sphinx.errors import ExtensionError
from sphinx.util import logging

LOG = logging.getLogger(__name__)
CORES = os.cpu_count() or 1
AT_A_TIME = min(4, max(2, CORES // 2))


def record_of(cache, notebook: Path):
    """What the cache has on a notebook as it now is, or None."""
    try:
        return cache.match_cache_notebook(nbformat.read(notebook, as_version=4))
    except KeyError:
        return None


def results(root: Path) -> dict[str, dict]:
    """What many runs gave, by chapter; nothing where nobody has made any."""
    file = root / "tests" / "replication" / "results.json"
    return json.loads(file.read_text(encoding="utf-8"))["chapters"] if file.is_file() else {}


def execute(notebook: Path, timeout: int):
    """The notebook with its outputs, what its claims came to, by name, and the seconds that it took."""
    executed, start = nbformat.read(notebook, as_version=4), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        claims = Path(folder, "claims")
        # record_timing would write into the cells, and the cache knows a notebook by them.
        # A reader's build goes on after a claim that came out otherwise, whatever the shell says that make was called from.
        environment = os.environ | {"SAELIB_CLAIMS": "", "SAELIB_CLAIMS_FILE": str(claims), "OMP_NUM_THREADS": str(max(1, CORES // AT_A_TIME))}
        # What a kernel says of itself as it starts (that it listens on this machine) is nothing to a reader.
        client = NotebookClient(
            executed,
            timeout=timeout,
            record_timing=False,
            resources={"metadata": {"path": str(notebook.parent)}},
            extra_arguments=["--IPKernelApp.log_level=40"],
        )
        client.execute(env=environment)
        lines = claims.read_text(encoding="utf-8").splitlines() if claims.is_file() else []
    values = {each["name"]: each["value"] for each in map(json.loads, lines)}
    return executed, values, time.perf_counter() - start


def execute_changed(app, config):
    root, began = Path(app.srcdir), time.perf_counter()
    cache = get_cache(config.nb_execution_cache_path)
    # How long each took where it was replicated, so that the longest can go first.
    expected = {name: statistics.median(run["seconds"] for run in own["runs"]) for name, own in results(root).items() if own["runs"]}
    notebooks = [path for path in sorted((root / "book").glob("*.ipynb")) if record_of(cache, path) is None]
    notebooks.sort(key=lambda path: -expected.get(path.stem, path.stat().st_size))  # first what nobody has timed yet
    if not notebooks:
        return
    LOG.info(f"running {len(notebooks)} chapters, {AT_A_TIME} at a time: {', '.join(path.stem for path in notebooks)}")
    writing = threading.Lock()

    def one(notebook: Path) -> str:
        executed, values, took = execute(notebook, config.nb_execution_timeout)
        data = {"execution_seconds": took, "claims": values}
        with writing:
            cache.cache_notebook_bundle(CacheBundleIn(executed, str(notebook), data=data), check_validity=False, overwrite=True)
        return f"  {notebook.stem}: {took:.0f} s"

    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        futures = {pool.submit(one, notebook): notebook for notebook in notebooks}
        for future in concurrent.futures.as_completed(futures):
            try:
                LOG.info(future.result())
            except (CellExecutionError, CellTimeoutError) as error:
                pool.shutdown(wait=False, cancel_futures=True)
                raise ExtensionError(f"{futures[future].relative_to(root)} stopped at an error:\n{error}") from error
    LOG.info(f"all chapters run in {time.perf_counter() - began:.0f} s")


def claims_here(config, notebook: Path) -> dict[str, float]:
    """What a chapter's claims came to when it was last run on this machine."""
    record = record_of(get_cache(config.nb_execution_cache_path), notebook)
    return record.data.get("claims", {}) if record else {}


def setup(app):
    # After published.py, which says where the cache is.
    app.connect("config-inited", execute_changed, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
