"""The kind `number`: a number to write."""

from collections.abc import Iterator
from typing import Any

from .question_fields import MISTAKE, NUMBER, Problem, entries, field_path, is_number, list_of, record, show, text_of

_TOLERANCE = {**NUMBER, "minimum": 0, "description": "a number of 0 or more"}


class Number:
    """A number to write. An answer is that number; right is what lies within `tolerance` of `answer`."""

    fields = {
        "answer": NUMBER,
        "tolerance": _TOLERANCE,
        "feedback": text_of(1000),
        "wrong": list_of(1, 8, "typical wrong values", record(
            "a typical wrong value with its misconception and feedback",
            {"value": NUMBER, **MISTAKE},
            tolerance=_TOLERANCE,
        )),
        "otherwise": text_of(1000),
    }  # fmt: skip
    optional = {"unit": text_of(20)}

    def problems(self, question: dict[str, Any]) -> Iterator[Problem]:
        # Every value with the way to it and its tolerance: the right one first.
        bands = [(("answer",), question.get("answer"), question.get("tolerance"))]
        for index, wrong in entries(question, "wrong"):
            bands.append((("wrong", index, "value"), wrong.get("value"), wrong.get("tolerance", 0)))
        known = [band for band in bands if is_number(band[1]) and is_number(band[2])]
        for later, (path, value, tolerance) in enumerate(known):
            for other, other_value, other_tolerance in known[:later]:
                if _within(other_tolerance + tolerance, other_value, value):
                    yield path, f"got {show(value)}, whose range meets that of {field_path(other)}; expected ranges apart"

    def fits(self, question: dict[str, Any], answer: object) -> bool:
        return is_number(answer)

    def is_right(self, question: dict[str, Any], answer: Any) -> bool:
        return _within(question["tolerance"], question["answer"], answer)


def _within(tolerance: float, value: float, answer: float) -> bool:
    """Whether the answer is within the tolerance. The last term forgives rounding: 0.4 is within 0.1 of 0.3."""
    value, answer = float(value), float(answer)  # question_number.js reckons in these too, and must agree
    return abs(answer - value) <= tolerance + 1e-12 * max(abs(value), abs(answer))
