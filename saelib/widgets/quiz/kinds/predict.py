"""The kind `predict`: a guess on a slider, before the notebook's own result is shown.

The notebook gives its result when it asks, as Quiz(file, only=["intro-guess"], values={"intro-guess": 100 * error}):

      - id: intro-guess
        kind: predict
        inline: true
        prompt: How much of the picture is lost with 4 bricks instead of 8?
        min: 0
        max: 100
        step: 1
        unit: "%"                           # optional
        words: {low: nothing, high: all}    # optional, for the ends of the slider
        tolerance: 5                        # a guess so near is a good one
        feedback: Half the bricks lose much less than half, since the first ones say the most.
        too_low: {misconception: bricks are free, feedback: Four bricks can't be in as many places as eight.}
        too_high: {misconception: every brick says as much, feedback: The first bricks take the largest part.}
"""

from collections.abc import Iterator
from typing import Any

from ..fields import MISTAKE, NUMBER, Problem, is_number, record, show, text_of
from ..kind import Kind

_SIDE = record("a misconception and feedback", MISTAKE)


class Predict(Kind):
    """A guess. An answer is {"guess": the latest} and, if there was another before, {"first": the first} too.

    The latest guess counts, as everywhere: another try costs nothing. But what the reader believed before they knew is
    what the question is for, so the first guess is kept as well, and stays marked beside the truth.
    """

    needs_value = True
    fields = {
        "min": {**NUMBER, "description": "a number, where the slider begins"},
        "max": {**NUMBER, "description": "a number greater than min, where the slider ends"},
        "step": {**NUMBER, "description": "a number greater than 0 that leads from min to max in 2 to 1000 whole steps"},
        "tolerance": {
            **NUMBER,
            "description": "a number, at least half a step and less than max - min: how far off a good guess may be",
        },
        "feedback": text_of(1000),
        "too_low": _SIDE,
        "too_high": _SIDE,
    }
    optional = {
        "unit": text_of(20),
        "words": record("the words low and high, for the ends of the slider", {"low": text_of(40), "high": text_of(40)}),
    }

    def problems(self, question: dict[str, Any]) -> Iterator[Problem]:
        numbers: list[Any] = [question.get(name) for name in ("min", "max", "step", "tolerance")]
        if not all(map(is_number, numbers)):
            return
        low, high, step, tolerance = numbers
        if not low < high:
            yield ("max",), f"got {show(high)}; expected {self.fields['max']['description']}"
            return
        steps = (high - low) / step if step > 0 else 0
        if not 1.5 < steps < 1000.5 or abs(steps - round(steps)) > 1e-6:
            yield ("step",), f"got {show(step)}; expected {self.fields['step']['description']}"
        # With less than half a step, no place of the slider might be near enough.
        if not step / 2 * (1 - 1e-9) <= tolerance < high - low:
            yield ("tolerance",), f"got {show(tolerance)}; expected {self.fields['tolerance']['description']}"

    def fits(self, question: dict[str, Any], answer: object) -> bool:
        return (
            isinstance(answer, dict)
            and "guess" in answer
            and set(answer) <= {"guess", "first"}
            and all(is_number(guess) and question["min"] <= guess <= question["max"] for guess in answer.values())
        )

    def is_right(self, question: dict[str, Any], answer: Any) -> bool:
        # A little more than the tolerance, since 0.4 - 0.3 is a little more than 0.1.
        return abs(answer["guess"] - question["value"]) <= question["tolerance"] * (1 + 1e-9)

    def with_value(self, question: dict[str, Any], value: object) -> dict[str, Any]:
        try:
            # A number of numpy or a tensor of one element is as good as one of Python.
            number = None if isinstance(value, (bool, str, bytes)) else float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError, RuntimeError):
            number = None
        if not is_number(number) or not question["min"] <= number <= question["max"]:
            raise ValueError(f"values[{question['id']!r}]: got {show(value)}; expected a number from {question['min']} to {question['max']}")
        return {**question, "value": number}


KINDS = {"predict": Predict()}
