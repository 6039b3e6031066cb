"""How soon a page with 30 questions can be answered, counted from when its content is parsed.

    python tests/benchmarks/bench_quiz_ready.py ready.json --runs 30

Each run opens a published page in a fresh profile of Chromium: as a new reader, and as one whose answers are all kept
and have to be shown again. The clock starts when the HTML is parsed (`domInteractive`, before the page's own scripts
run) and stops when an answer given to the first question is judged. It is stopped from within the page, so that the
time of the tool that drives the browser is not in it.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "browser"), str(TESTS.parent / "book" / "_published")]

import chromium  # noqa: E402
import small_book  # noqa: E402

QUESTIONS = 30
LIMIT = 200  # milliseconds
MISTAKE = {"misconception": "A wrong idea", "feedback": "And why it is wrong, in a sentence or two of the usual length."}
TEXTS = [f"An option, an item or a partner, number {number}" for number in range(5)]
# One of each kind, with an answer to it; they are asked in turn.
KINDS = [
    (
        {
            "kind": "single",
            "options": [
                {"text": TEXTS[0], "right": True, "feedback": "Yes."},
                *({"text": text, **MISTAKE} for text in TEXTS[1:]),
            ],
        },
        TEXTS[1],
    ),
    (
        {
            "kind": "multiple",
            "options": [
                *({"text": text, "right": True, "feedback": "Yes."} for text in TEXTS[:2]),
                *({"text": text, **MISTAKE} for text in TEXTS[2:]),
            ],
        },
        TEXTS[:2],
    ),
    (
        {
            "kind": "number",
            "answer": 8,
            "tolerance": 0.5,
            "feedback": "Yes.",
            "wrong": [{"value": 64, **MISTAKE}],
            "otherwise": "Count again.",
        },
        64,
    ),
    (
        {"kind": "ordering", "items": TEXTS, "feedback": "Yes.", "wrong": [{"before": TEXTS[1], "after": TEXTS[0], **MISTAKE}]},
        TEXTS,
    ),
    (
        {
            "kind": "matching",
            "pairs": [{"left": f"Left {text}", "right": text} for text in TEXTS],
            "feedback": "Yes.",
            "wrong": [{"left": f"Left {TEXTS[0]}", "right": TEXTS[1], **MISTAKE}],
        },
        {f"Left {text}": text for text in TEXTS},
    ),
    (
        {
            "kind": "own-words",
            "ideas": [{"name": f"idea {n}", "any": ["encod*", "decod*"], "feedback": "Think of the parts."} for n in range(3)],
            "model_answer": "An encoder and a decoder. " * 5,
        },
        {"text": "An encoder and a decoder, as far as I know."},
    ),
]
# Runs in the page: as soon as the widgets are there, answers the first question and notes when it was judged.
WATCH = """new MutationObserver((_, observer) => {
    const first = document.querySelector(".sae-quiz fieldset");
    if (document.documentElement.dataset.widgetHost !== "ready" || !first) return;
    observer.disconnect();
    first.querySelector("input").click();
    first.querySelector(".sae-quiz-check").click();
    if (/^(Correct|Not quite)/.test(first.querySelector("[role=status]").textContent)) window.ready = performance.now();
}).observe(document, { attributes: true, subtree: true, childList: true });"""


def questions() -> tuple[list, dict]:
    asked, answers = [], {}
    for number in range(QUESTIONS):
        kind, answer = KINDS[number % len(KINDS)]
        name = f"question-{number}"
        prompt = f"What is *right* of `question` {number}, and why does it follow from what the chapter has shown?"
        asked.append({"id": name, "prompt": prompt, "hint": "A hint.", "explanation": "Why it is so.", "anchor": "#here", **kind})
        answers[name] = answer
    return asked, answers


def keep(answers: dict) -> str:
    kept = {f"saelib.quiz.{name}": json.dumps({"answer": answer, "right": True}) for name, answer in answers.items()}
    return f"for (const [key, text] of Object.entries({json.dumps(kept)})) localStorage.setItem(key, text);"


def measure(browser, url: str, script: str) -> dict:
    context = browser.new_context()
    try:
        page = context.new_page()
        page.add_init_script(script)
        page.goto(url)
        page.wait_for_function("window.ready !== undefined")
        assert page.locator(".sae-quiz fieldset").count() >= QUESTIONS
        return page.evaluate(
            """() => {
                const [{ domInteractive, domContentLoadedEventStart }] = performance.getEntriesByType("navigation");
                return { parsed: ready - domInteractive, loaded: ready - domContentLoadedEventStart };
            }"""
        )
    finally:
        context.close()


def summary(times: list[float]) -> dict:
    low, _, high = statistics.quantiles(times, n=4)
    figures = {"median": statistics.median(times), "quartiles": [low, high], "range": [min(times), max(times)]}
    return {name: [round(v, 1) for v in value] if isinstance(value, list) else round(value, 1) for name, value in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="the JSON file to write the figures to")
    parser.add_argument("--runs", type=int, default=20, help="runs of each case (default 20)")
    arguments = parser.parse_args()
    asked, answers = questions()
    with tempfile.TemporaryDirectory() as folder, chromium.launched() as browser:
        root = Path(folder)
        # The questions stand in the first chapter, and so again in the review on the last one's page.
        small_book.write_sources(root, {"intro": asked, "quiz": [small_book.single("quiz-one")]})
        small_book.publish(root, root / "site")
        cases = {
            "quiz, new reader": ("intro", WATCH),
            "quiz, answers kept": ("intro", keep(answers) + WATCH),
            "review, answers kept": ("quiz", keep(answers) + WATCH),
        }
        times: dict[str, list[dict]] = {case: [] for case in cases}
        # In turn, so that a busy moment of the machine meets all cases alike.
        for _ in range(arguments.runs + 1):
            for case, (name, script) in cases.items():
                times[case].append(measure(browser, (root / "site" / "book" / f"{name}.html").as_uri(), script))
        result = {
            "questions": QUESTIONS,
            "runs": arguments.runs,
            "limit_ms": LIMIT,
            "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count(), "load": os.getloadavg()},
            "browser": f"Chromium {browser.version}",
            # The first run of each warms the browser up and does not count.
            "ms_from_parsed": {case: summary([run["parsed"] for run in runs[1:]]) for case, runs in times.items()},
            "ms_from_DOMContentLoaded": {case: summary([run["loaded"] for run in runs[1:]]) for case, runs in times.items()},
        }
    arguments.file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for start in ("parsed", "DOMContentLoaded"):
        for case, figures in result[f"ms_from_{start}"].items():
            verdict = "within" if figures["median"] <= LIMIT else "BEYOND"
            quartiles, spread = ("to".join(f" {value:.0f} " for value in figures[name]) for name in ("quartiles", "range"))
            print(f"{case}: {figures['median']:.0f} ms after {start}; half of the runs{quartiles}, all{spread}; {verdict} {LIMIT} ms")


if __name__ == "__main__":
    main()
