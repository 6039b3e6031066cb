"""Runs every chapter's code over many seeds and floating-point paths, and keeps what each claim came to.

    make replicate                                            all that is missing in results.json, two runs at a time
    python tests/replication/replicate.py --only cat --runs 8
    python tests/replication/replicate.py --report            what is there

It can be stopped at any time, and goes on from results.json. A run counts as long as the code of its chapter measures the
same: other words or bounds of a claim need no new runs, nor does a widget that is shown beside it.
"""

import argparse
import concurrent.futures
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
from importlib.metadata import version
from pathlib import Path

import saelib
from saelib.claims import code_of, key, written
from tqdm import tqdm

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).with_name("results.json")
RUN = Path(__file__).with_name("run.py")
# Threads that wait without turning in circles: beside another run they would take its core for that.
PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE"}
# In what order a product's terms are added up: by MKL's instructions, by those of torch's own kernels, and by the number of threads.
# (On a processor that is not Intel's, or without these instructions, some of them are the same.)
PATHS = {
    "default": {},
    "two threads": {"OMP_NUM_THREADS": "2", **PASSIVE},
    "MKL AVX2": {"MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "MKL SSE4.2": {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    "ATen plain": {"ATEN_CPU_CAPABILITY": "default"},
    "MKL AVX2, ATen plain, two threads": {"MKL_ENABLE_INSTRUCTIONS": "AVX2", "ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "2", **PASSIVE},
}
STEP = 1_000  # from one run's seeds to the next one's: farther than those of one chapter are apart
# How many runs make a replication. What the book's GPT says rests on weights that come with the book: there, fewer things vary.
RUNS, RUNS_OF_SHIPPED = 60, 20
SHIPPED = {"gpt"}
SHARE = 0.99  # of the runs, in which a claim has to hold


def chapters() -> dict[str, str]:
    """The code of the notebooks that claim something, by name."""
    found = {path.stem: code_of(path) for path in sorted((ROOT / "book").glob("*.ipynb"))}
    return {name: code for name, code in found.items() if written(code)}


def enough(name: str) -> int:
    return RUNS_OF_SHIPPED if name in SHIPPED else RUNS


def path_of(run: int) -> str:
    return list(PATHS)[run % len(PATHS)]


def machine() -> dict:
    names = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    versions = {name: version(name) for name in ("torch", "numpy", "scikit-learn")}
    return {"processor": names[0] if names else platform.processor() or platform.machine(), "cores": os.cpu_count(),
            "python": platform.python_version(), "saelib": saelib.__version__, **versions}  # fmt: skip


def _lines(file: str) -> list[str]:
    try:
        return Path(file).read_text().splitlines()
    except OSError:
        return []


def load(file: Path) -> dict:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"machines": [], "chapters": {}}


def save(results: dict, file: Path) -> None:
    """Whole or not at all; a line for each run and each claim, so that a change of one is a change of a line. With them goes
    an account of how the claims fared, by the bounds that they now have."""

    def lines(of: dict | list) -> str:
        pairs = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in of.items()] if isinstance(of, dict) else map(json.dumps, of)
        return ",\n".join(f"      {each}" for each in pairs)

    codes = chapters()
    parts = ",\n".join(
        f'  {json.dumps(name)}: {{\n    "key": "{own["key"]}",\n    "runs": [\n{lines(own["runs"])}\n    ],\n    "values": {{\n{lines(own["values"])}\n    }},\n    "claims": {{\n{lines(account(codes[name], own) if name in codes else {})}\n    }}\n  }}'
        for name, own in sorted(results["chapters"].items())
    )
    whole = file.with_suffix(".part")
    whole.write_text(f'{{"machines": [\n{lines(results["machines"])}\n], "chapters": {{\n{parts}\n}}}}\n', encoding="utf-8")
    whole.replace(file)


def digits(value: float) -> float:
    """Five digits: no more are shown, and the last ones differ from machine to machine."""
    return float(f"{value:.5g}")


def run(notebook: Path, number: int, file: Path) -> dict:
    """One run in a process of its own."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MKL_ENABLE_INSTRUCTIONS", "ATEN_CPU_CAPABILITY", "SAELIB_CLAIMS")
    }
    environment |= {"OMP_NUM_THREADS": "1", **PATHS[path_of(number)]}
    done = subprocess.run(
        [sys.executable, RUN, notebook, str(number * STEP), file], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise RuntimeError(f"run {number} of {notebook.stem} ended with {done.returncode}: {done.stderr[-1000:]}")
    return json.loads(file.read_text(encoding="utf-8"))


def replicate(names: list[str], runs: int | None, file: Path) -> dict:
    """Make the runs that are missing, two at a time, and keep each as soon as it is there."""
    results, codes, here = load(file), chapters(), machine()
    if not any(here.items() <= each.items() for each in results["machines"]):
        results["machines"].append(here | {"date": f"{datetime.date.today():%Y-%m-%d}"})
    at = next(i for i, each in enumerate(results["machines"]) if here.items() <= each.items())
    for name in names:
        if results["chapters"].get(name, {}).get("key") != key(codes[name]):
            results["chapters"][name] = {"key": key(codes[name]), "runs": [], "values": {}}
    made = {name: {run["run"] for run in results["chapters"][name]["runs"]} for name in names}
    # By number, and not by chapter: whenever it is stopped, all chapters have been seen about as often.
    missing = sorted((number, name) for name in names for number in {*range(runs or enough(name))} - made[name])
    lock = threading.Lock()

    def one(number: int, name: str):
        found = run(ROOT / "book" / f"{name}.ipynb", number, Path(folder, f"{name}-{number}.json"))
        values = {each["name"]: digits(each["value"]) for each in found["claims"]}
        errors = {"errors": found["errors"]} if found["errors"] else {}
        with lock:
            own = results["chapters"][name]
            for claim in {**own["values"], **values}:
                own["values"].setdefault(claim, [None] * len(own["runs"])).append(values.get(claim))
            own["runs"].append({"run": number, "path": path_of(number), "machine": at, "seconds": found["seconds"], **errors})
            save(results, file)

    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(one, *each) for each in missing]
        try:
            for future in tqdm(concurrent.futures.as_completed(futures), total=len(futures), desc="runs"):
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return results


def account(code: str, own: dict) -> dict[str, dict]:
    """How each claim of a chapter's code fared in its runs: its bounds, in how many runs it held, the least, the middle and the
    largest value, and how near it came: the distance of the mean from the nearest bound, in standard deviations."""
    found = {}
    for claim in written(code):
        values = own["values"].get(claim.name, [])
        there = [value for value in values if value is not None]
        found[claim.name] = {"above": claim.above, "below": claim.below, "held": sum(map(claim.holds, there)), "runs": len(values)}
        if there:
            found[claim.name] |= {"least": min(there), "middle": digits(statistics.median(there)), "largest": max(there)}
        if len(there) > 1 and (sd := statistics.stdev(there)):
            ends = [end for end in (claim.above, claim.below) if end is not None]
            found[claim.name]["room"] = digits(min(abs(end - statistics.mean(there)) for end in ends) / sd)
    return found


def report(results: dict, names: list[str]) -> bool:
    """Print how every claim fared; whether all held as often as they must."""
    good = True
    for name in names:
        own, code = results["chapters"].get(name, {"runs": [], "key": None, "values": {}}), chapters()[name]
        stale = "" if own["key"] == key(code) else ", OF OTHER CODE THAN THE CHAPTER'S"
        broken = [run["run"] for run in own["runs"] if "errors" in run]
        print(f"\n{name}: {len(own['runs'])} runs{stale}{f', ERRORS in {broken}' if broken else ''}")
        good &= not stale and not broken and len(own["runs"]) >= enough(name)
        fared, claims = account(code, own), {claim.name: claim for claim in written(code)}
        for each, of in fared.items():
            right, shown = of["runs"] > 0 and of["held"] >= SHARE * of["runs"], claims[each].shown
            good &= right
            spread = f"; {shown(of['least'])} to {shown(of['largest'])}, {shown(of['middle'])} in the middle" if "least" in of else ""
            room = f"; {of['room']:.1f} standard deviations of room" if "room" in of else ""
            print(f"  {'ok ' if right else 'NOT'} {each}: {claims[each].bounds}; held {of['held']} of {of['runs']}{spread}{room}")
    return good


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="CHAPTER", help="these chapters alone")
    parser.add_argument("--runs", type=int, help=f"how many of each (default: {RUNS}, and {RUNS_OF_SHIPPED} of what rests on shipped weights)")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--report", action="store_true", help="run nothing; say what is there")
    asked = parser.parse_args(arguments)
    names = asked.only or list(chapters())
    if unknown := sorted({*names} - {*chapters()}):
        parser.error(f"no claims in {', '.join(unknown)}; chapters with claims: {', '.join(chapters())}")
    try:
        results = load(asked.results) if asked.report else replicate(names, asked.runs, asked.results)
        if not asked.report:
            save(results, asked.results)  # where no run was missing, bounds may have changed all the same
    except KeyboardInterrupt:
        print("Stopped. The runs so far are kept; start it again to go on.", file=sys.stderr)
        return 130
    return 0 if report(results, names) else 1


if __name__ == "__main__":
    sys.exit(main())
