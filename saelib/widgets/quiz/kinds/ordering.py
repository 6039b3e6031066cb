"""The kind `ordering`: texts to put in order.

There are 3 to 8 of them, written in the right order. Readers find them mixed, always in the same way.

      - id: autoencoders-one-step
        kind: ordering
        prompt: In which order does an autoencoder learn from a picture?
        items: [Encode the picture, Decode the code, Compare the two pictures, Change the weights]
        feedback: Only when a picture came back can it be compared.
        wrong:                              # one to eight pairs of items that readers swap
          - before: Decode the code         # put before ...
            after: Encode the picture       # ... this one, though it belongs after it
            misconception: the decoder invents
            feedback: It has nothing to read before the encoder wrote.
        otherwise: Follow one picture on its way.         # optional: to an order with none of these mistakes
"""

from collections.abc import Iterator
from typing import Any

from ..fields import MISTAKE, Problem, entries, list_of, record, repeated, show, stripped, text_of
from ..kind import Kind


class Ordering(Kind):
    """Texts to put in order. They are written in the right one; an answer is the list of them in the reader's."""

    fields = {
        "items": list_of(3, 8, "texts in their right order", text_of(200)),
        "feedback": text_of(1000),
        "wrong": list_of(1, 8, "typical mistakes", record(
            "a typical mistake: which item was put before which, its misconception and feedback",
            {"before": text_of(200), "after": text_of(200), **MISTAKE},
        )),
    }  # fmt: skip
    optional = {"otherwise": text_of(1000)}

    def problems(self, question: dict[str, Any]) -> Iterator[Problem]:
        items = question.get("items")
        if not isinstance(items, list):
            return
        yield from repeated((("items", index), item) for index, item in enumerate(items))
        place = {stripped(item): index for index, item in enumerate(items)}
        seen: set[tuple[str | None, str | None]] = set()
        for index, wrong in entries(question, "wrong"):
            pair = stripped(wrong.get("before")), stripped(wrong.get("after"))
            for name, text in zip(("before", "after"), pair, strict=True):
                if text is not None and text not in place:
                    yield ("wrong", index, name), f"got {show(text)}; expected one of the items"
            if None in pair or not set(pair) <= set(place):
                continue
            if place[pair[0]] <= place[pair[1]]:
                yield ("wrong", index), f"got {show(pair[0])} before {show(pair[1])}; expected a pair that is wrong so"
            if pair in seen:
                yield ("wrong", index), f"got {show(pair[0])} before {show(pair[1])} a second time; expected it once"
            seen.add(pair)

    def fits(self, question: dict[str, Any], answer: object) -> bool:
        texts = answer if isinstance(answer, list) else []
        return all(isinstance(text, str) for text in texts) and sorted(texts) == sorted(question["items"])

    def is_right(self, question: dict[str, Any], answer: Any) -> bool:
        return answer == question["items"]


KINDS = {"ordering": Ordering()}
