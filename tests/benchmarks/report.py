"""What bench_sae.py has found, for the README: a table, and a figure.

    .venv/bin/python tests/benchmarks/report.py

Reads results.json, writes results.svg beside it, and prints the table. (tests/unit/test_benchmarks.py sees to it that the README holds
the table of the results that lie here.)
"""

import json
from pathlib import Path

RESULTS = Path(__file__).with_name("results.json")
LIBRARIES = {
    "saelib": "saelib",
    "saelens": "SAELens",
    "dictionary-learning": "dictionary_learning",
    "sparsify": "sparsify",
    "sparsify-adam": "sparsify with Adam",
    "plain": "plain loop",
}


def table(results: dict) -> str:
    """The README's table: a row for each thing measured, a column for each library."""
    lines = ["| | " + " | ".join(LIBRARIES.values()) + " |", "|---|" + "--:|" * len(LIBRARIES)]

    def row(what: str, values: dict[str, float], form: str) -> None:
        lines.append(f"| {what} | " + " | ".join(format(values[name], form) if name in values else "" for name in LIBRARIES) + " |")

    for case, figures in results["speed"]["figures"].items():
        if case.startswith("topk"):
            medians = {name: figures[name]["median"] for name in LIBRARIES if name in figures}
            row(f"step, in encoder products: {case.removeprefix('topk ')}", medians, ".2f")
    for case, figures in results["memory"]["figures"].items():
        row(f"peak memory of a step, MiB: {case}", figures, ".0f")
    row("import beyond torch, s", {name: figure["median"] for name, figure in results["imports"]["figures"].items()}, ".2f")
    for case, figures in results["quality"]["figures"].items():
        row(f"share of variance left over (FVU): {case}", {name: best(found)["fvu"] for name, found in figures.items()}, ".4f")
        if "mmcs" in best(figures["saelib"]):
            row(f"true features met (MMCS): {case}", {name: best(found)["mmcs"] for name, found in figures.items()}, ".3f")
        row(f"dead features: {case}", {name: best(found)["dead"] for name, found in figures.items()}, ".1%")
    return "\n".join(lines)


def best(found: dict[str, dict[str, float]]) -> dict[str, float]:
    """Of the runs of a library at several learning rates, the one with the smallest error."""
    return min(found.values(), key=lambda run: run["fvu"])


def figure(results: dict):
    """Two panels, a bar for each library: a training step, in products of the encoder alone; and what is left over."""
    import matplotlib.pyplot as plt
    import pandas as pd
    import seaborn as sns

    sns.set_theme(style="whitegrid", palette="colorblind", font_scale=0.85)
    speed = pd.DataFrame(
        [
            (case.removeprefix("topk ").replace(", ", "\n"), LIBRARIES[name], figures[name]["median"])
            for case, figures in results["speed"]["figures"].items()
            if case.startswith("topk")
            for name in LIBRARIES
            if name in figures
        ],
        columns=["case", "library", "time"],
    )
    error = pd.DataFrame(
        [
            (case, LIBRARIES[name], best(found)["fvu"])
            for case, figures in results["quality"]["figures"].items()
            for name, found in figures.items()
            if name in LIBRARIES
        ],
        columns=["data", "library", "error"],
    )
    drawing, (left, right) = plt.subplots(1, 2, figsize=(11, 5), width_ratios=(2, 1), layout="constrained")
    sns.barplot(speed, y="case", x="time", hue="library", ax=left)
    left.set(xlabel="a training step, in products of its encoder alone", ylabel="d_in x d_sae x k x batch")
    left.axvline(1, color="black", linewidth=1)
    sns.move_legend(left, "lower center", bbox_to_anchor=(0.5, 1), ncols=len(LIBRARIES), title=None, frameon=False)
    sns.barplot(error, y="data", x="error", hue="library", ax=right, legend=False)
    right.set(xlabel="FVU at equal k and steps", ylabel="")
    return drawing


def main() -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    import matplotlib

    matplotlib.rcParams["svg.hashsalt"] = "results"  # the same file for the same figures
    figure(results).savefig(RESULTS.with_suffix(".svg"), metadata={"Date": None})
    print(table(results))


if __name__ == "__main__":
    main()
