"""What the README says of other libraries is what the benchmarks have found."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))

import report  # noqa: E402

RESULTS = json.loads((ROOT / "tests" / "benchmarks" / "results.json").read_text(encoding="utf-8"))


def test_the_readme_holds_the_table_of_the_results():
    assert report.table(RESULTS) in (ROOT / "README.md").read_text(encoding="utf-8")
