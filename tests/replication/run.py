"""One run of one chapter: its code cell by cell, with every seed shifted, its claims written down.

    python tests/replication/run.py book/cat.ipynb 17 FILE

FILE gets a JSON object: claims, as saelib.claims writes them, the error of each cell that failed for another reason, and seconds.
Which processor's arithmetic is used, and how many threads, is the environment's business: replicate.py sets it.
"""

import json
import os
import sys
import tempfile
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import nbformat
import numpy as np
import torch
from saelib.claims import NOT_RUN


@contextmanager
def shifted(shift: int):
    """Every whole seed that is given to torch or NumPy from here on is another one: seed + shift.

    But for the first weights of a GPT. The book's comes with its weights, and the untrained one beside it is the one that
    a shipped sparse autoencoder was made for.
    """
    import saelib

    plain = torch.Generator, torch.default_generator, np.random.RandomState, np.random.default_rng, saelib.GPT.__init__
    moved = shift

    class Generator(plain[0]):
        def manual_seed(self, seed):
            return super().manual_seed(seed + moved)

    class Default:
        def __getattr__(self, name):
            return getattr(plain[1], name)

        def manual_seed(self, seed):
            return plain[1].manual_seed(seed + moved)

    class RandomState(plain[2]):
        def __init__(self, seed=None):
            super().__init__(seed + moved if isinstance(seed, (int, np.integer)) else seed)

    def default_rng(seed=None):
        return plain[3](seed + moved if isinstance(seed, (int, np.integer)) else seed)

    def unmoved(self, *args, **more):
        nonlocal moved
        moved = 0
        try:
            plain[4](self, *args, **more)
        finally:
            moved = shift

    torch.Generator, torch.default_generator = Generator, Default()
    np.random.RandomState, np.random.default_rng, saelib.GPT.__init__ = RandomState, default_rng, unmoved
    try:
        yield
    finally:
        torch.Generator, torch.default_generator = plain[:2]
        np.random.RandomState, np.random.default_rng, saelib.GPT.__init__ = plain[2:]


def run(notebook: Path, shift: int) -> dict:
    """The chapter's claims with all seeds shifted, what went wrong besides, and how long it took."""
    cells = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    cells = [cell for cell in cells if NOT_RUN not in cell.metadata.get("tags", ())]
    matplotlib.use("agg")
    # What asks for threads, a chapter or training, gets no more than the environment allows.
    threads, set_threads = torch.get_num_threads(), torch.set_num_threads
    torch.set_num_threads = lambda n: set_threads(min(n, threads))
    here, start, errors = {"__name__": "__main__"}, time.perf_counter(), []
    with tempfile.TemporaryDirectory() as folder, shifted(shift):
        os.environ["SAELIB_CLAIMS_FILE"] = str(Path(folder, "claims"))
        os.environ.pop("SAELIB_CLAIMS", None)
        os.chdir(notebook.parent)
        for cell in cells:
            try:
                exec(compile(cell.source, f"{notebook.name}, cell {cell.id}", "exec"), here)
            except Exception:
                errors.append({"cell": cell.id, "error": traceback.format_exc(limit=-3)})
        file = Path(folder, "claims")
        claims = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []
    return {"claims": claims, "errors": errors, "seconds": round(time.perf_counter() - start, 1)}


if __name__ == "__main__":
    notebook, shift, file = Path(sys.argv[1]).resolve(), int(sys.argv[2]), Path(sys.argv[3]).resolve()
    found = run(notebook, shift)
    whole = file.with_suffix(".part")
    whole.write_text(json.dumps(found), encoding="utf-8")
    whole.replace(file)
