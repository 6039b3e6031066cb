"""The kind `matching`: partners to find.

There are 3 to 6 pairs. A right text is shown in a list: it has no markup there, and is best short.

      - id: autoencoders-who-does-what
        kind: matching
        prompt: What does each part do?
        pairs:
          - {left: Encoder, right: writes the code}
          - {left: Decoder, right: reads the code}
          - {left: Loss, right: measures what got lost}
        distractors: [knows the labels]     # optional, one to six: offered too, and nobody's partner
        feedback: Two friends, and one who only measures.
        wrong:                              # one to twelve pairs that readers put together
          - left: Loss
            right: knows the labels
            misconception: needs labels
            feedback: The input itself is the target.
        otherwise: Read the words slowly.   # optional: to a wrong answer with none of these mistakes
"""

from collections.abc import Iterator
from typing import Any

from ..fields import MISTAKE, Problem, entries, list_of, record, repeated, show, stripped, text_of
from ..kind import Kind


class Matching(Kind):
    """Partners to find. An answer is a dict that gives every left text its right one, of those that are offered."""

    fields = {
        "pairs": list_of(3, 6, "pairs", record("a pair of texts", {"left": text_of(200), "right": text_of(100)})),
        "feedback": text_of(1000),
        "wrong": list_of(1, 12, "typical mistakes", record(
            "a typical mistake: the left and the right text put together, its misconception and feedback",
            {"left": text_of(200), "right": text_of(100), **MISTAKE},
        )),
    }  # fmt: skip
    optional = {
        "distractors": list_of(1, 6, "texts that are nobody's partner", text_of(100)),
        "otherwise": text_of(1000),
    }

    def problems(self, question: dict[str, Any]) -> Iterator[Problem]:
        pairs = list(entries(question, "pairs"))
        distractors = question.get("distractors")
        offered: list[tuple[tuple[str | int, ...], object]] = [
            *((("pairs", index, "right"), pair.get("right")) for index, pair in pairs),
            *((("distractors", index), text) for index, text in enumerate(distractors if isinstance(distractors, list) else [])),
        ]
        yield from repeated((("pairs", index, "left"), pair.get("left")) for index, pair in pairs)
        yield from repeated(offered)
        partner = {stripped(pair.get("left")): stripped(pair.get("right")) for _, pair in pairs}
        rights = {stripped(text) for _, text in offered}
        seen: set[tuple[str | None, str | None]] = set()
        for index, wrong in entries(question, "wrong"):
            left, right = stripped(wrong.get("left")), stripped(wrong.get("right"))
            if left is not None and left not in partner:
                yield ("wrong", index, "left"), f"got {show(left)}; expected the left text of a pair"
            if right is not None and right not in rights:
                yield ("wrong", index, "right"), f"got {show(right)}; expected the right text of a pair, or a distractor"
            if left is not None and right is not None and partner.get(left) == right:
                yield ("wrong", index), f"got {show(left)} with {show(right)}; expected a pair that is wrong"
            if (left, right) in seen:
                yield ("wrong", index), f"got {show(left)} with {show(right)} a second time; expected it once"
            seen.add((left, right))

    def fits(self, question: dict[str, Any], answer: object) -> bool:
        offered = [*(pair["right"] for pair in question["pairs"]), *question.get("distractors", [])]
        return (
            isinstance(answer, dict)
            and set(answer) == {pair["left"] for pair in question["pairs"]}
            and all(isinstance(right, str) and right in offered for right in answer.values())
        )

    def is_right(self, question: dict[str, Any], answer: Any) -> bool:
        return all(answer[pair["left"]] == pair["right"] for pair in question["pairs"])


KINDS = {"matching": Matching()}
