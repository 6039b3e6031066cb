"""The kind `own-words`: the reader writes, the page looks for the ideas, the reader compares with a model answer.

The rule by which ideas are found stands here and, the same, in question_words.js; a test compares the two.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from .question_fields import Problem, entries, is_number, list_of, record, repeated, show, text_of

LIMIT = 2000  # characters in an answer
FEWEST = 3  # words in an answer
MARKS = ("same", "part", "other")

_ACCENTS = re.compile("[\u0300-\u036f]")
# Written out, and not as "any letter": Python and the browser know different editions of Unicode.
_LETTER = "[a-z0-9\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u1fff\u2c00-\u2dff\u3040-\ud7ff\uf900-\ufdff\U00010000-\U0001efff\U00020000-\U0010ffff]"
# Thai, Lao, Burmese, Khmer, Japanese and Chinese are written without spaces: there each letter is a word of its own, so that
# a phrase is found wherever its letters stand in a row.
_ALONE = "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
_WORD = re.compile(f"{_ALONE}|(?:(?!{_ALONE}){_LETTER})+")
_PATTERN = re.compile(rf"(?:{_WORD.pattern})\*?")
_WHOLE = re.compile(rf"{_LETTER}+\*?(?: {_LETTER}+\*?)*\Z")


def _fold(written: str) -> str:
    """Without capitals and accents: "Ä" is "a"."""
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", written)).lower().replace("ς", "σ")


def words(written: str) -> list[str]:
    return _WORD.findall(_fold(written))


def says(written: list[str], phrase: str) -> bool:
    """Whether the phrase's words stand in the text, one after the other. `encod*` is any word that begins so."""
    looked_for = _PATTERN.findall(_fold(phrase))
    return any(
        all(
            word.startswith(wanted[:-1]) if wanted.endswith("*") else word == wanted
            for word, wanted in zip(written[start:], looked_for, strict=False)
        )
        for start in range(len(written) - len(looked_for) + 1)
    )


_PHRASE = {
    **text_of(60),
    "description": "words of letters and digits with single spaces between, the beginning of a word as encod* "
    "(two letters or more), at most 60 characters",
}


class OwnWords:
    """A text. An answer is {"text": ...} and, once the reader has compared it, {"mark": one of MARKS} too.

    It is right if enough ideas are found in it, or if the reader, having read the model answer, marks it the same: a list
    of synonyms misses what a person sees. No mark makes it wrong again, so that honesty costs nothing either.
    """

    fields = {
        "ideas": list_of(1, 6, "ideas", record(
            "an idea with its name, any and feedback",
            {"name": text_of(120), "any": list_of(1, 40, "words or phrases", _PHRASE), "feedback": text_of(1000)},
            misconception=text_of(80),
        )),
        "model_answer": text_of(2000),
    }  # fmt: skip
    optional = {
        "enough": {
            "type": "integer",
            "minimum": 1,
            "description": "a whole number from 1 to the number of ideas: how many make an answer right",
        }
    }

    def problems(self, question: dict[str, Any]) -> Iterator[Problem]:
        ideas = list(entries(question, "ideas"))
        yield from repeated((("ideas", index, "name"), idea.get("name")) for index, idea in ideas)
        for index, idea in ideas:
            phrases = idea.get("any")
            for number, phrase in enumerate(phrases if isinstance(phrases, list) else []):
                if isinstance(phrase, str) and phrase.strip() and not self._can_match(phrase.strip()):
                    yield ("ideas", index, "any", number), f"got {show(phrase)}; expected {_PHRASE['description']}"
        enough = question.get("enough")
        if is_number(enough) and enough > len(ideas):
            yield ("enough",), f"got {show(enough)}; expected {self.optional['enough']['description']}"

    def _can_match(self, phrase: str) -> bool:
        folded = _fold(phrase)
        beginnings = [word for word in folded.split() if word.endswith("*")]
        return bool(_WHOLE.match(folded)) and all(len(word) > 2 for word in beginnings)

    def fits(self, question: dict[str, Any], answer: object) -> bool:
        return (
            isinstance(answer, dict)
            and set(answer) <= {"text", "mark"}
            and isinstance(answer.get("text"), str)
            and len(answer["text"]) <= LIMIT
            and len(words(answer["text"])) >= FEWEST
            and answer.get("mark", MARKS[0]) in MARKS
        )

    def is_right(self, question: dict[str, Any], answer: Any) -> bool:
        written = words(answer["text"])
        found = sum(any(says(written, phrase) for phrase in idea["any"]) for idea in question["ideas"])
        return answer.get("mark") == "same" or found >= question.get("enough", len(question["ideas"]))
