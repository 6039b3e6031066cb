"""The README's examples run as they stand there."""

import re
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_its_examples_run_one_after_the_other_and_write_what_they_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(examples) == 2
    names: dict = {}
    for example in examples:
        exec(example, names)
    assert names["codes"].shape == (297, 128) and (names["codes"] != 0).sum(dim=1).max() <= 8
    assert (tmp_path / "runs" / "digits" / "cfg.json").is_file()
    assert (tmp_path / "features.html").stat().st_size > 100_000
