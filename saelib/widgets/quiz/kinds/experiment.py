"""The kind `experiment`: something to bring about in the explorable *Inside a GPT, live* on the same page.

The explorable tells what it shows; what stands there when the reader checks is their answer. All that the goal names has to hold:

      - id: gpt-try-sure
        kind: experiment
        prompt: Find a text of your own after which the GPT is more than 95% sure of its first guess.
        explorable: type                    # the address of the explorable that is meant: its section has the id "live-type"
        goal: {sure: 0.95, own: true}       # one or more of those in GOALS
        feedback: After such a text there is hardly another way to go on.

    sure: 0.95             the first guess after the framed token has at least this share;  unsure: 0.2   at most this one
    guess: " name"         the first guess is this token, with its blank
    feature: 12            this brick is on at the framed token;  strength: 2.5   at least so strongly;  off: 7   this one is off there
    holds: [self]          the text has all of these, in capitals or not;  lacks: [class]   it has none of these
    least_tokens: 20       the text has so many tokens
    turned: 12             this brick is turned;  changed: true   what is turned makes another first guess
    own: true              the text is none of the explorable's examples
    surprise: 8            the framed token cost at least so many bits

The rules stand here and, the same, in experiment.js; a test compares the two. Where the explorable is on another page than the
question, the question's `anchor` names that page.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..fields import Problem, is_number, list_of, record, show, text_of
from ..kind import Kind

LIMIT = 2000  # characters of a text that are kept
SHORT = 100  # of a token


def _is_text(limit: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and len(value) <= limit


def _is_true_or_false(value: Any) -> bool:
    return isinstance(value, bool)


def _has(text: str, part: str) -> bool:
    return part.lower() in text.lower()


@dataclass(frozen=True)
class Goal:
    """A goal: how it is written, whether it holds of what was found, and which facts it needs beside those of FOUND.

    `holds` gets all of the question's goals and all facts.
    """

    written: dict[str, Any]
    holds: Callable[[dict[str, Any], dict[str, Any]], bool]
    facts: dict[str, Callable[[Any], bool]] = field(default_factory=dict)


_SHARE = {"type": "number", "minimum": 0, "maximum": 1, "description": "a share from 0 to 1, as 0.95"}
_BRICK = {"type": "integer", "minimum": 0, "maximum": 999_999, "description": "the number of a brick, from 0"}
_AMOUNT = {"type": "number", "minimum": 0, "maximum": 1e6, "description": "a number of 0 or more"}
_TOKEN = {
    "type": "string",
    "pattern": r"\A[^\ud800-\udfff]+\Z",
    "maxLength": SHORT,
    "description": f'a token in quotes, as " name" with its blank, of 1 to {SHORT} characters',
}
_ALWAYS = {"enum": [True], "description": "true, or nothing at all"}
_PARTS = list_of(1, 20, "texts", text_of(SHORT))

#: What every answer says: the text, the framed token with a little of what stands before it, and the first guess with its share.
FOUND: dict[str, Callable[[Any], bool]] = {
    "text": _is_text(LIMIT),
    "before": _is_text(SHORT),
    "token": _is_text(SHORT),
    "guess": _is_text(SHORT),
    "share": lambda value: is_number(value) and 0 <= value <= 1,
}
GOALS: dict[str, Goal] = {
    "sure": Goal(_SHARE, lambda goal, found: found["share"] >= goal["sure"]),
    "unsure": Goal(_SHARE, lambda goal, found: found["share"] <= goal["unsure"]),
    "guess": Goal(_TOKEN, lambda goal, found: found["guess"] == goal["guess"]),
    "feature": Goal(_BRICK, lambda goal, found: found["strength"] > 0, {"strength": is_number}),
    "strength": Goal(_AMOUNT, lambda goal, found: found["strength"] >= goal["strength"], {"strength": is_number}),
    "off": Goal(_BRICK, lambda goal, found: found["off"] <= 0, {"off": is_number}),
    "holds": Goal(_PARTS, lambda goal, found: all(_has(found["text"], part) for part in goal["holds"])),
    "lacks": Goal(_PARTS, lambda goal, found: not any(_has(found["text"], part) for part in goal["lacks"])),
    "least_tokens": Goal(
        {"type": "integer", "minimum": 1, "maximum": 10_000, "description": "a whole number from 1 to 10000"},
        lambda goal, found: found["tokens"] >= goal["least_tokens"],
        {"tokens": lambda value: is_number(value) and value >= 0 and value % 1 == 0},
    ),
    "turned": Goal(_BRICK, lambda goal, found: found["turned"], {"turned": _is_true_or_false}),
    "changed": Goal(
        _ALWAYS,
        lambda goal, found: found["edited"] is not None and found["edited"] != found["guess"],
        {"edited": lambda value: value is None or _is_text(SHORT)(value)},
    ),
    "own": Goal(_ALWAYS, lambda goal, found: not found["example"], {"example": _is_true_or_false}),
    "surprise": Goal(
        _AMOUNT,
        lambda goal, found: found["bits"] is not None and found["bits"] >= goal["surprise"],
        {"bits": lambda value: value is None or is_number(value)},
    ),
}


class Experiment(Kind):
    """Something to bring about. An answer is what was seen when the reader checked, as far as the goal needs it.

    That is {"text", "before", "token", "guess", "share"} and the facts of the goals, so that from the answer alone it can be said
    again whether it is right.
    """

    needs_page = True
    verbatim = frozenset({"goal"})
    fields = {
        "explorable": {
            "type": "string",
            "maxLength": 40,
            "pattern": r"\A[a-z0-9]+(-[a-z0-9]+)*\Z",
            "description": "the address of an explorable, in lowercase letters and digits, as type",
        },
        "goal": {
            **record(f"one or more of {', '.join(GOALS)}", {}, **{name: goal.written for name, goal in GOALS.items()}),
            "minProperties": 1,
        },
        "feedback": text_of(1000),
    }

    def problems(self, question: dict[str, Any]) -> Iterator[Problem]:
        goal = question.get("goal")
        if not isinstance(goal, dict):
            return
        if "strength" in goal and "feature" not in goal:
            yield ("goal", "strength"), f"got {show(goal['strength'])} without a feature; expected feature beside it"
        if "off" in goal and "feature" in goal and goal["off"] == goal["feature"]:
            yield ("goal", "off"), f"got {show(goal['off'])}, which is the feature too; expected another brick"
        sure, unsure = goal.get("sure"), goal.get("unsure")
        if is_number(sure) and is_number(unsure) and sure > unsure:
            yield ("goal", "unsure"), f"got {show(unsure)}; expected a share not below that of sure"
        holds, lacks = (
            [part for part in each if isinstance(part, str)] if isinstance(each := goal.get(name), list) else [] for name in ("holds", "lacks")
        )
        for number, part in enumerate(lacks):
            if any(_has(other, part) for other in holds):
                yield ("goal", "lacks", number), f"got {show(part)}, which the text holds too; expected another text"

    def place(self, question: dict[str, Any]) -> str:
        return f"#live-{question['explorable']}"

    def fits(self, question: dict[str, Any], answer: object) -> bool:
        facts = {**FOUND}
        for name in question["goal"]:
            facts |= GOALS[name].facts
        return isinstance(answer, dict) and set(answer) == set(facts) and all(is_fact(answer[name]) for name, is_fact in facts.items())

    def is_right(self, question: dict[str, Any], answer: Any) -> bool:
        return all(GOALS[name].holds(question["goal"], answer) for name in question["goal"])


KINDS = {"experiment": Experiment()}
