"""The kinds `single` and `multiple`: one option to choose, or any of several.

      - id: autoencoders-what-is-left-out
        kind: multiple
        prompt: What has an autoencoder no use for?
        options:
          - text: Labels
            right: true
            feedback: It compares its copy with the picture itself.
          - text: A decoder
            misconception: the code is the aim          # every wrong option names the wrong idea behind it
            feedback: Without one, nobody could say whether the code is any good.

A `single` question has exactly one right option, a `multiple` one at least one right and at least one wrong.
"""

from collections.abc import Iterator
from typing import Any

from ..fields import Problem, entries, list_of, record, repeated, text_of
from ..kind import Kind


class _Choice(Kind):
    """What the two kinds of choice share: the options, and an answer as the texts of those chosen."""

    fields = {
        "options": list_of(2, 10, "options", record(
            "an option with its text and feedback",
            {"text": text_of(300), "feedback": text_of(1000)},
            right={"type": "boolean", "description": "true or false"},
            misconception=text_of(80),
        ))
    }  # fmt: skip
    _expected: str

    def _may_be_right(self, right: int, options: int) -> bool:
        raise NotImplementedError

    def _chosen(self, answer: object) -> list[Any]:
        raise NotImplementedError

    def problems(self, question: dict[str, Any]) -> Iterator[Problem]:
        options = question.get("options")
        if not isinstance(options, list):
            return
        yield from repeated((("options", index, "text"), option.get("text")) for index, option in entries(question, "options"))
        for index, option in entries(question, "options"):
            if option.get("right") is True and "misconception" in option:
                yield ("options", index, "misconception"), "unknown field of a right option; only a wrong one has it"
            if option.get("right") is not True and "misconception" not in option:
                yield (
                    ("options", index, "misconception"),
                    f"missing; expected a short name of the wrong idea behind this option, {text_of(80)['description']}",
                )
        right = sum(isinstance(option, dict) and option.get("right") is True for option in options)
        if not self._may_be_right(right, len(options)):
            yield ("options",), f"got {right} right of {len(options)}; expected {self._expected}"

    def is_right(self, question: dict[str, Any], answer: Any) -> bool:
        return set(self._chosen(answer)) == {option["text"] for option in question["options"] if option.get("right")}

    def fits(self, question: dict[str, Any], answer: object) -> bool:
        chosen = self._chosen(answer)
        texts = [option["text"] for option in question["options"]]
        return bool(chosen) and all(text in texts for text in chosen) and len(set(chosen)) == len(chosen)


class Single(_Choice):
    """One of several options. An answer is the text of the option chosen."""

    _expected = "exactly one right option"

    def _may_be_right(self, right: int, options: int) -> bool:
        return right == 1

    def _chosen(self, answer: object) -> list[Any]:
        return [answer] if isinstance(answer, str) else []


class Multiple(_Choice):
    """Any of several options. An answer is the list of the texts chosen."""

    _expected = "at least one right and at least one wrong option"

    def _may_be_right(self, right: int, options: int) -> bool:
        return 0 < right < options

    def _chosen(self, answer: object) -> list[Any]:
        return answer if isinstance(answer, list) else []


KINDS = {"single": Single(), "multiple": Multiple()}
