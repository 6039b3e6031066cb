"""The kind `own-words`: the reader writes, the page looks for the ideas, the reader compares with a model answer.

An idea is found by any of its words or phrases: whole words in capitals or not, with
accents or not; `encod*` is every word that begins so, and `many .. used` leaves room for up to four words of the same clause.
Where it matters who does what, `of` says how the doer is called: then only what is said of that one counts. And `unless`
takes an idea back in a clause that says its opposite. Words of these lists and hardly any others are no answer.

      - id: intro-own-words
        kind: own-words
        prompt: What does the encoder do?
        ideas:
          - name: what goes in              # after "your answer does not yet say ..."
            any: [picture*, image*, input*]
            of: [encod*, first part]                                      # optional
            unless: [not .. picture*]                                     # optional
            feedback: The encoder begins with something. With what?
          - name: that what comes out is short
            any: [short*, small*, few numbers, code*]
            misconception: the encoder makes a copy                       # optional
            feedback: If as much came out as went in, nothing would be won.
        enough: 2                           # optional: how many ideas make it right; all, if nothing is said
        model_answer: It turns a picture into a short code.

The rule by which ideas are found stands here and, the same, in own_words.js; a test compares the two.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from ..fields import Problem, entries, is_number, list_of, record, repeated, show, text_of
from ..kind import Kind

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
_PIECE = re.compile(rf"\.\.|(?:{_WORD.pattern})\*?")
_WHOLE = re.compile(rf"{_LETTER}+\*?(?: (?:\.\. )?{_LETTER}+\*?)*\Z")
_BREAK = re.compile("[.,;:!?()\n\u2013\u2014\u3001\u3002]")
_JOINTS = {"and", "but", "while", "whereas"}  # what parts one clause from the next without a sign
GAP = 4  # words that ".." may stand for
LISTED = 0.75  # from this share of all words on, those that are looked for are a list and no sentence

Token = tuple[str, int]  # a word, and the number of its clause


def _fold(written: str) -> str:
    """Without capitals and accents: "Ä" is "a"."""
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", written)).lower().replace("ς", "σ")


def words(written: str) -> list[str]:
    return _WORD.findall(_fold(written))


def _tokens(written: str) -> list[Token]:
    tokens: list[Token] = []
    folded, clause, end = _fold(written), 0, 0
    for found in _WORD.finditer(folded):
        clause += bool(_BREAK.search(folded, end, found.start())) or found[0] in _JOINTS
        tokens.append((found[0], clause))
        end = found.end()
    return tokens


def _pieces(phrase: str) -> list[str]:
    return _PIECE.findall(_fold(phrase))


def _matches(word: str, wanted: str) -> bool:
    return word.startswith(wanted[:-1]) if wanted.endswith("*") else word == wanted


def _end(tokens: list[Token], at: int, pieces: list[str], barred: list[str]) -> int:
    """Where the phrase ends that begins at this place, or -1. What ".." stands for lies in one clause and is not barred."""
    for number, piece in enumerate(pieces):
        if piece == "..":
            for start in range(at, min(len(tokens), at + GAP + 1)):
                if tokens[start][1] != tokens[at - 1][1]:
                    break
                if (end := _end(tokens, start, pieces[number + 1 :], barred)) >= 0:
                    return end
                if any(_matches(tokens[start][0], word) for word in barred):
                    break
            return -1
        if at >= len(tokens) or not _matches(tokens[at][0], piece):
            return -1
        at += 1
    return at


def _places(tokens: list[Token], phrases: Iterable[str], barred: Iterable[str] = ()) -> list[tuple[int, int]]:
    """Where any of the phrases begins and ends."""
    single = [pieces[0] for pieces in map(_pieces, barred) if len(pieces) == 1]
    return [(start, end) for pieces in map(_pieces, phrases) for start in range(len(tokens)) if (end := _end(tokens, start, pieces, single)) >= 0]


def says(written: str, phrase: str) -> bool:
    """Whether the phrase's words stand in the text, one after the other. `encod*` is any word that begins so, and `..`
    stands for up to four words of the same clause, or for none."""
    return bool(_places(_tokens(written), [phrase]))


def _deeds(tokens: list[Token], ideas: list[dict[str, Any]]) -> list[tuple[set[int], list[Token]]]:
    """What is said of whom: for each mention of one of the ideas' `of`, the ideas and the words that are said of it.

    These are the words of its clause up to the next mention, and before the first one; and those of the clauses that
    follow and mention nobody, which go on about the first or the last one that was mentioned.
    """
    owners: dict[int, set[int]] = {}
    for number, idea in enumerate(ideas):
        for start, _ in _places(tokens, idea.get("of", ())):
            owners.setdefault(start, set()).add(number)
    deeds: list[tuple[set[int], list[Token]]] = []
    going_on: list[list[Token]] = []
    clauses: dict[int, list[int]] = {}
    for place, (_, clause) in enumerate(tokens):
        clauses.setdefault(clause, []).append(place)
    for places in clauses.values():
        starts = [place for place in places if place in owners]
        if not starts:
            for said in going_on:
                said.extend(tokens[place] for place in places)
            continue
        bounds = [places[0], *starts[1:], places[-1] + 1]
        first = len(deeds)
        for number, start in enumerate(starts):
            deeds.append((owners[start], tokens[bounds[number] : bounds[number + 1]]))
        going_on = [deeds[first][1], *([deeds[-1][1]] if len(starts) > 1 else [])]
    return deeds


def found_ideas(question: dict[str, Any], written: str) -> list[bool]:
    """Of each idea, whether it is in the text."""
    tokens, ideas = _tokens(written), question["ideas"]
    places = [_places(tokens, [*idea["any"], *idea.get("of", ())]) for idea in ideas]
    looked_for = {place for start, end in sum(places, []) for place in range(start, end)}
    if len(looked_for) >= LISTED * len(tokens):
        return [False] * len(ideas)
    deeds = _deeds(tokens, ideas)

    def clauses(said: list[Token], places: list[tuple[int, int]]) -> set[int]:
        return {said[place][1] for start, end in places for place in range(start, end)}

    # In a clause that says the opposite, nothing counts; another clause may set something against it.
    def is_in(said: list[Token], idea: dict[str, Any]) -> bool:
        taken_back = clauses(said, _places(said, idea.get("unless", ()), idea["any"]))
        return any(not taken_back & clauses(said, [place]) for place in _places(said, idea["any"]))

    return [
        any(number in owners and is_in(said, idea) for owners, said in deeds) if "of" in idea else is_in(tokens, idea)
        for number, idea in enumerate(ideas)
    ]


_PHRASE = {
    **text_of(60),
    "description": "words of letters and digits with single spaces between, the beginning of a word as encod* "
    "(two letters or more), .. for some words between two, at most 60 characters",
}


class OwnWords(Kind):
    """A text. An answer is {"text": ...} and, once the reader has compared it, {"mark": one of MARKS} too.

    It is right if enough ideas are found in it, or if the reader, having read the model answer, marks it the same: a list
    of synonyms misses what a person sees. No mark makes it wrong again, so that honesty costs nothing either.
    """

    fields = {
        "ideas": list_of(1, 6, "ideas", record(
            "an idea with its name, any and feedback",
            {"name": text_of(120), "any": list_of(1, 40, "words or phrases", _PHRASE), "feedback": text_of(1000)},
            misconception=text_of(80),
            of=list_of(1, 40, "words or phrases", _PHRASE),
            unless=list_of(1, 40, "words or phrases", _PHRASE),
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
            for field in ("any", "of", "unless"):
                phrases = idea.get(field)
                for number, phrase in enumerate(phrases if isinstance(phrases, list) else []):
                    if isinstance(phrase, str) and phrase.strip() and not self._can_match(phrase.strip()):
                        yield ("ideas", index, field, number), f"got {show(phrase)}; expected {_PHRASE['description']}"
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
        found = sum(found_ideas(question, answer["text"]))
        return answer.get("mark") == "same" or found >= question.get("enough", len(question["ideas"]))


KINDS = {"own-words": OwnWords()}
