r"""Questions as data: how an author writes them, and the check that refuses a malformed one.

A quiz is a YAML file beside its chapter (or the same data in Python):

    chapter: autoencoders
    title: Test your understanding          # optional
    questions:
      - id: autoencoders-two-parts          # lowercase letters, digits, dashes; never changed once published
        kind: single                        # one of the kinds; how each is written, its file in kinds/ says
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

Texts may hold `code`, *emphasis*, **strong**, formulas in TeX, as $W_{\text{enc}} x$ (a dollar itself is \$), and words that rest
on a claim, as [about a fifth](claim:intro-rich-box), which the book lets readers point at; everything else in them shows as it is written.

Every question may have a picture, and stand in the chapter's text instead of in its quiz:

        picture: {file: pictures/brick.svg, alt: A brick with two studs}    # svg, png, jpg or webp, at most 100 KB
        inline: true                        # asked only where a notebook says Quiz(file, only=["intro-guess"])
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from os import PathLike
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, validators

from .fields import Problem, field_path, is_number, show, text_of
from .formulas import formulas, mathml
from .kinds import KINDS
from .pictures import FIELD as PICTURE
from .pictures import picture_problem, shown_picture

TITLE = "Test your understanding"

_Validator = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", lambda _, value: is_number(value)),
)


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
    "prompt": text_of(500),
    "hint": text_of(500),
    "explanation": text_of(2000),
    "anchor": _ANCHOR,
    "picture": PICTURE,
    "inline": {"type": "boolean", "description": "true or false: whether it is asked in the chapter's text by only="},
}
# What no page shows as a text with markup.
_PLAIN = {"id", "kind", "anchor", "picture"}
_COMMON_REQUIRED = ("id", "kind", "prompt")


def read_quiz(source: str | PathLike[str] | list[Any] | dict[str, Any]) -> dict[str, Any]:
    """The quiz in `source`, checked, as {"chapter": ..., "title": ..., "questions": [...]}.

    A question that holds formulas has them in a further field `math`, by their TeX; a picture has its data: address.

    `source` is the path of a YAML file, or the same data in Python, or only its list of questions.
    A missing file is a FileNotFoundError; broken YAML is a ValueError with its line; malformed questions are one
    ValueError that names every problem with its file, its question and its field.
    """
    if isinstance(source, (str, PathLike)):
        where, folder, data = str(source), Path(source).parent, _load(Path(source))
    else:
        where, folder, data = "questions", Path(), source
    if isinstance(data, list):
        data = {"chapter": "", "questions": data}
        quiz_problems = _violations(_QUIZ["properties"]["questions"], data["questions"], ("questions",))
    else:
        quiz_problems = _violations(_QUIZ, data)
    lines = [_line(where, None, problem) for problem in quiz_problems]
    questions = data.get("questions") if isinstance(data, dict) else None
    for number, question in enumerate(questions if isinstance(questions, list) else [], start=1):
        lines += [_line(where, _name(question, number), problem) for problem in _question_problems(question, folder)]
    lines += _repeated_ids(where, questions)
    if lines:
        raise ValueError("\n  ".join([f"{where}: {len(lines)} problem{'s' * (len(lines) > 1)} in this quiz", *lines]))
    quiz = _tidy({"title": TITLE, **{name: value for name, value in data.items() if name != "questions"}})
    return {**quiz, "questions": [_with_extras(_tidy_question(question), folder) for question in data["questions"]]}


def read_book(folder: str | PathLike[str]) -> list[dict[str, Any]]:
    """Every quiz of a folder, each `*.quiz.yml` as `read_quiz` gives it, in the order of the files' names.

    A missing folder is a FileNotFoundError. All that is wrong is one ValueError: every problem in every file, and each
    id that stands in two of them.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {str(folder)!r} (looked in {Path.cwd()})")
    quizzes: list[dict[str, Any]] = []
    lines: list[str] = []
    first: dict[str, Path] = {}
    for file in sorted(folder.glob("*.quiz.yml")):
        try:
            quizzes.append(read_quiz(file))
        except ValueError as error:
            lines.append(str(error))
            continue
        for question in quizzes[-1]["questions"]:
            if (other := first.setdefault(question["id"], file)) != file:
                lines.append(f"{file}, question {question['id']}, id: it stands in {other} too; expected it once in the book")
    if lines:
        raise ValueError("\n".join(lines))
    return quizzes


def choose(questions: list[Any], only: Iterable[str] | None = None, values: Mapping[str, Any] | None = None) -> list[Any]:
    """Those of a quiz's questions that are asked: `only` the named ones in that order, else all that are not inline.

    `values` are the notebook's own results, by question id, for those that need one, as those of the kind `predict` do.
    """
    known = {question["id"]: question for question in questions}
    if only is None:
        names = [name for name, question in known.items() if not question.get("inline")]
        if not names:
            raise ValueError(f"every question is inline; name in only= which to ask: {', '.join(known)}")
    else:
        names = [only] if isinstance(only, str) else list(only)
        if not names:
            raise ValueError(f"only: got no question id; expected some of {', '.join(known)}")
        for name in names:
            if name not in known:
                raise ValueError(f"only: got the question id {name!r}; expected one of {', '.join(known)}")
            if names.count(name) > 1:
                raise ValueError(f"only: got the question id {name!r} {names.count(name)} times; expected it once")
    values = values or {}
    kinds = {name: KINDS[known[name]["kind"]] for name in names}
    predicted = [name for name, kind in kinds.items() if kind.needs_value]
    for name in values:
        if name not in predicted:
            expected = f"one of {', '.join(predicted)}" if predicted else "none, since no question that needs a value is asked"
            raise ValueError(f"values: got the question id {name!r}; expected {expected}")
    for name in predicted:
        if name not in values:
            raise ValueError(f"values: nothing for the question {name!r}; expected the true value, as values={{{name!r}: ...}}")
    return [kinds[name].with_value(known[name], values[name]) if name in predicted else known[name] for name in names]


_QUIZ: dict[str, Any] = {
    "type": "object",
    "description": "a quiz with its chapter and its questions",
    "required": ["chapter", "questions"],
    "additionalProperties": False,
    "properties": {
        "chapter": _ID,
        "title": text_of(120),
        "questions": {"type": "array", "minItems": 1, "maxItems": 200, "description": "a list of 1 to 200 questions"},
    },
}


def _question_problems(question: Any, folder: Path) -> Iterator[Problem]:
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
            **({**kind.fields, **kind.optional} if kind else {}),
        },
    }
    problems = list(_violations(schema, question))
    if kind:
        problems += kind.problems(question)
    yield from problems
    if problems:
        # What it holds may be anything, even a list that holds itself: nothing is looked for inside.
        return
    for path, text in _marked_up(_texts(question)):
        for tex in formulas(text):
            try:
                mathml(tex)
            except ValueError as error:
                yield path, f"got the formula {show(tex)}: {error}; expected TeX (and \\$ for a dollar)"
    if "picture" in question and (problem := picture_problem(folder, question["picture"]["file"])):
        yield ("picture", "file"), problem


def _texts(question: dict[str, Any]) -> dict[str, Any]:
    """The question without the fields whose texts stand for themselves."""
    return {name: value for name, value in question.items() if name not in KINDS[question["kind"]].verbatim}


def _marked_up(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Each text that a page shows with its markup, and the way to it."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, (dict, list)):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if name not in _PLAIN:
                yield from _marked_up(inner, (*path, name))


def _with_extras(question: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The question as the page gets it."""
    math = {tex: mathml(tex) for _, text in _marked_up(_texts(question)) for tex in formulas(text)}
    extras: dict[str, Any] = {"math": math} if math else {}
    if "picture" in question:
        extras["picture"] = shown_picture(folder, **question["picture"])
    return {**question, **extras}


def _kind_known(question: object) -> bool:
    return isinstance(question, dict) and isinstance(question.get("kind"), str) and question["kind"] in KINDS


def _violations(schema: dict[str, Any], value: object, at: tuple[str | int, ...] = ()) -> Iterator[Problem]:
    """Each problem once, in words: the schema's `description` says what was expected."""
    found: dict[Problem, None] = {}
    for error in _Validator(schema).iter_errors(value):
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
            found[path, f"got {show(error.instance)}; expected {error.schema['description']}"] = None
    yield from found


def _repeated_ids(where: str, questions: object) -> Iterator[str]:
    ids = Counter(
        question["id"]
        for question in (questions if isinstance(questions, list) else [])
        if isinstance(question, dict) and isinstance(question.get("id"), str)
    )
    for name, times in ids.items():
        if times > 1:
            yield _line(where, f"question {name}", (("id",), f"got {show(name)} {times} times; expected it once"))


def _name(question: object, number: int) -> str:
    name = question.get("id") if isinstance(question, dict) else None
    return f"question {name}" if Draft202012Validator(_ID).is_valid(name) else f"question number {number}"


def _line(where: str, question: str | None, problem: Problem) -> str:
    path, what = problem
    return ", ".join(filter(None, [where, question, field_path(path)])) + f": {what}"


def _tidy_question(question: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in question.items() if name in KINDS[question["kind"]].verbatim}
    return {**_tidy(question), **deepcopy(kept)}


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
