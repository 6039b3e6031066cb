"""Questions as data: how an author writes them, and the check that refuses a malformed one.

A quiz is a YAML file beside its chapter (or the same data in Python):

    chapter: autoencoders
    title: Test your understanding          # optional
    questions:
      - id: autoencoders-two-parts          # lowercase letters, digits, dashes; never changed once published
        kind: single                        # one of KINDS
        prompt: What are the two main parts of an autoencoder?
        options:
          - text: An encoder and a decoder
            right: true
            feedback: The encoder writes the short message; the decoder reads it back.
          - text: A teacher and a pupil
            misconception: needs labels     # every wrong option names the wrong idea behind it
            feedback: Nobody marks the answers; the input itself is the target.
        hint: One writes, the other reads.                        # optional
        explanation: Both are trained by one error.               # optional
        anchor: "#the-two-friends"          # optional: the passage to reread, here or in "page.html#passage"

A `single` question has exactly one right option, a `multiple` one at least one right and at least one wrong.
Texts may hold `code`, *emphasis* and **strong**; everything else in them shows as it is written.

A further kind of question is one more class here, entered in KINDS, and one more module of the page, entered in quiz.js.
"""

import reprlib
from collections import Counter
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import yaml
from jsonschema import Draft202012Validator

TITLE = "Test your understanding"

# A problem is the way to the field, outermost first, and what is wrong there.
Problem = tuple[tuple[str | int, ...], str]


def _text(limit: int) -> dict[str, Any]:
    return {
        "type": "string",
        "maxLength": limit,
        # Not blank, and no half of a surrogate pair: YAML can write one, but no page can be encoded with it.
        "pattern": r"\A(?=[\s\S]*\S)[^\ud800-\udfff]*\Z",
        "description": f"a text of 1 to {limit} characters (in quotes where YAML would read a number, yes or no)",
    }


_ID = {
    "type": "string",
    "maxLength": 80,
    "pattern": r"\A[a-z0-9]+(-[a-z0-9]+)*\Z",
    "description": "lowercase letters and digits, in words joined by single dashes, at most 80 characters",
}
_ANCHOR = {
    "type": "string",
    "maxLength": 200,
    # No colon and no double slash can stand before the "#": neither a script nor another host can be named.
    "pattern": r"\A((\.\./)*([\w-]+/)*[\w.-]+\.html)?#[\w.:-]+\Z",
    "description": 'a passage of the book, as "#passage" or "page.html#passage"',
}
# The fields that a question of any kind has.
_COMMON = {
    "id": _ID,
    "prompt": _text(500),
    "hint": _text(500),
    "explanation": _text(2000),
    "anchor": _ANCHOR,
}
_COMMON_REQUIRED = ("id", "kind", "prompt")


class Kind(Protocol):
    """What quizzes need to know of a kind of question. `fields` are those that only this kind has, all required."""

    fields: dict[str, Any]

    def problems(self, question: dict[str, Any]) -> Iterator[Problem]:
        """What a schema can't say. The question may have other problems too, so nothing in it is certain."""

    def fits(self, question: dict[str, Any], answer: object) -> bool:
        """Whether `answer` is one that a reader of this question could have given."""

    def is_right(self, question: dict[str, Any], answer: Any) -> bool:
        """Whether an answer that fits is right."""


class _Choice:
    """What the two kinds of choice share: the options, and an answer as the texts of those chosen."""

    fields = {
        "options": {
            "type": "array",
            "minItems": 2,
            "maxItems": 10,
            "description": "a list of 2 to 10 options",
            "items": {
                "type": "object",
                "description": "an option with its text and feedback",
                "required": ["text", "feedback"],
                "additionalProperties": False,
                "properties": {
                    "text": _text(300),
                    "right": {"type": "boolean", "description": "true or false"},
                    "feedback": _text(1000),
                    "misconception": _text(80),
                },
            },
        }
    }

    def problems(self, question: dict[str, Any]) -> Iterator[Problem]:
        options = question.get("options")
        if not isinstance(options, list):
            return
        seen: set[str] = set()
        for index, option in enumerate(options):
            if not isinstance(option, dict):
                continue
            text = option.get("text")
            if isinstance(text, str):
                if text.strip() in seen:
                    yield ("options", index, "text"), f"got {_show(text)} a second time; expected distinct options"
                seen.add(text.strip())
            if option.get("right") is True and "misconception" in option:
                yield ("options", index, "misconception"), "unknown field of a right option; only a wrong one has it"
            if option.get("right") is not True and "misconception" not in option:
                yield (
                    ("options", index, "misconception"),
                    f"missing; expected a short name of the wrong idea behind this option, {_text(80)['description']}",
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


class _Single(_Choice):
    """One of several options. An answer is the text of the option chosen."""

    _expected = "exactly one right option"

    def _may_be_right(self, right: int, options: int) -> bool:
        return right == 1

    def _chosen(self, answer: object) -> list[Any]:
        return [answer] if isinstance(answer, str) else []


class _Multiple(_Choice):
    """Any of several options. An answer is the list of the texts chosen."""

    _expected = "at least one right and at least one wrong option"

    def _may_be_right(self, right: int, options: int) -> bool:
        return 0 < right < options

    def _chosen(self, answer: object) -> list[Any]:
        return answer if isinstance(answer, list) else []


KINDS: dict[str, Kind] = {"single": _Single(), "multiple": _Multiple()}


def read_quiz(source: str | PathLike[str] | list[Any] | dict[str, Any]) -> dict[str, Any]:
    """The quiz in `source`, checked, as {"chapter": ..., "title": ..., "questions": [...]}.

    `source` is the path of a YAML file, or the same data in Python, or only its list of questions.
    A missing file is a FileNotFoundError; broken YAML is a ValueError with its line; malformed questions are one
    ValueError that names every problem with its file, its question and its field.
    """
    if isinstance(source, (str, PathLike)):
        where, data = str(source), _load(Path(source))
    else:
        where, data = "questions", source
    if isinstance(data, list):
        data = {"chapter": "", "questions": data}
        quiz_problems = _violations(_QUIZ["properties"]["questions"], data["questions"], ("questions",))
    else:
        quiz_problems = _violations(_QUIZ, data)
    lines = [_line(where, None, problem) for problem in quiz_problems]
    questions = data.get("questions") if isinstance(data, dict) else None
    for number, question in enumerate(questions if isinstance(questions, list) else [], start=1):
        lines += [_line(where, _name(question, number), problem) for problem in _question_problems(question)]
    lines += _repeated_ids(where, questions)
    if lines:
        raise ValueError("\n  ".join([f"{where}: {len(lines)} problem{'s' * (len(lines) > 1)} in this quiz", *lines]))
    return _tidy({"title": TITLE, **data})


_QUIZ = {
    "type": "object",
    "description": "a quiz with its chapter and its questions",
    "required": ["chapter", "questions"],
    "additionalProperties": False,
    "properties": {
        "chapter": _ID,
        "title": _text(120),
        "questions": {"type": "array", "minItems": 1, "maxItems": 200, "description": "a list of 1 to 200 questions"},
    },
}


def _question_problems(question: object) -> Iterator[Problem]:
    kind = KINDS.get(question["kind"]) if _kind_known(question) else None
    schema = {
        "type": "object",
        "description": "a question with its id, kind and prompt",
        "required": [*_COMMON_REQUIRED, *(kind.fields if kind else ())],
        # Which fields a question of an unknown kind may have, nobody can say.
        "additionalProperties": kind is None,
        "properties": {
            **_COMMON,
            "kind": {"enum": list(KINDS), "description": f"one of {', '.join(KINDS)}"},
            **(kind.fields if kind else {}),
        },
    }
    yield from _violations(schema, question)
    if kind:
        yield from kind.problems(question)


def _kind_known(question: object) -> bool:
    return isinstance(question, dict) and isinstance(question.get("kind"), str) and question["kind"] in KINDS


def _violations(schema: dict[str, Any], value: object, at: tuple[str | int, ...] = ()) -> Iterator[Problem]:
    """Each problem once, in words: the schema's `description` says what was expected."""
    found: dict[Problem, None] = {}
    for error in Draft202012Validator(schema).iter_errors(value):
        path = (*at, *error.absolute_path)
        properties = error.schema.get("properties", {})
        if error.validator == "required":
            for field in error.validator_value:
                if field not in error.instance:
                    found[(*path, field), f"missing; expected {properties[field]['description']}"] = None
        elif error.validator == "additionalProperties":
            for field in error.instance:
                if field not in properties:
                    found[(*path, field), f"unknown field; expected one of {', '.join(properties)}"] = None
        else:
            found[path, f"got {_show(error.instance)}; expected {error.schema['description']}"] = None
    yield from found


def _repeated_ids(where: str, questions: object) -> Iterator[str]:
    ids = Counter(
        question["id"]
        for question in (questions if isinstance(questions, list) else [])
        if isinstance(question, dict) and isinstance(question.get("id"), str)
    )
    for name, times in ids.items():
        if times > 1:
            yield _line(where, f"question {name}", (("id",), f"got {_show(name)} {times} times; expected it once"))


def _name(question: object, number: int) -> str:
    name = question.get("id") if isinstance(question, dict) else None
    return f"question {name}" if Draft202012Validator(_ID).is_valid(name) else f"question number {number}"


def _line(where: str, question: str | None, problem: Problem) -> str:
    path, what = problem
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    return ", ".join(filter(None, [where, question, field])) + f": {what}"


def _show(value: object) -> str:
    """The value, short, whatever it is: an error should not fill the screen."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = 80
    return short.repr(value)


def _tidy(data: Any) -> Any:
    """A copy of checked data without the white space that YAML's blocks leave around texts."""
    if isinstance(data, dict):
        return {name: _tidy(value) for name, value in data.items()}
    if isinstance(data, list):
        return [_tidy(value) for value in data]
    return data.strip() if isinstance(data, str) else data


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, that refuses a field given twice instead of dropping the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands here twice", key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _load(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"no quiz file {str(path)!r} (looked in {Path.cwd()})")
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}, line {line}: not UTF-8 text: {error}") from error
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ValueError(f"{path}, line {mark.line + 1}: broken YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ValueError(f"{path}, line {line}: broken YAML: {error.reason}") from error
    # What PyYAML lets through when a value only looks like its type (a date 2024-99-99, `!!bool maybe`), and when
    # lists are nested beyond all reason.
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: broken YAML: {type(error).__name__}: {error}") from error
