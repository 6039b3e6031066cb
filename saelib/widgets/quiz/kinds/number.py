"""The kind `number`: a number to write, with a point or a comma.

What lies in none of the ranges gets `otherwise`; no two ranges may meet.

      - id: sparse-share-of-zeros
        kind: number
        prompt: A code has 64 numbers, and 8 of them are not zero. What share of them is zero?
        answer: 87.5
        tolerance: 0.5                      # so far from the answer is still right; 0 for what can be counted
        unit: "%"                           # optional: stands behind the field, and may be written with the number
        feedback: 56 of the 64 are zero.
        wrong:                              # one to eight values that readers write, each with the idea behind it
          - value: 12.5
            tolerance: 0.5                  # optional, 0 if nothing is said
            misconception: counting what is there
            feedback: That is the share of those in use.
        otherwise: Count the zeros first, then divide by all 64.
"""

from collections.abc import Iterator
from typing import Any

from ..fields import MISTAKE, NUMBER, Problem, entries, field_path, is_number, list_of, record, show, text_of
from ..kind import Kind

_TOLERANCE = {**NUMBER, "minimum": 0, "description": "a number of 0 or more"}


class Number(Kind):
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
        bands: list[tuple[tuple[str | int, ...], Any, Any]] = [(("answer",), question.get("answer"), question.get("tolerance"))]
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
    value, answer = float(value), float(answer)  # number.js reckons in these too, and must agree
    return abs(answer - value) <= tolerance + 1e-12 * max(abs(value), abs(answer))


KINDS = {"number": Number()}
