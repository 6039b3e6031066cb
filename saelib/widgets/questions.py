r"""Questions as data: how an author writes them, and the check that refuses a malformed one.

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
Texts may hold `code`, *emphasis*, **strong**, formulas in TeX, as $W_{\text{enc}} x$ (a dollar itself is \$), and words that rest
on a claim, as [about a fifth](claim:intro-rich-box), which the book lets readers point at; everything else in them shows as it is written.

Every question may have a picture, and stand in the chapter's text instead of in its quiz:

        picture: {file: pictures/brick.svg, alt: A brick with two studs}    # svg, png, jpg or webp, at most 100 KB
        inline: true                        # asked only where a notebook says Quiz(file, only=["intro-guess"])

A guess, before the notebook shows its own result, as Quiz(file, only=["intro-guess"], values={"intro-guess": 100 * error}):

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

An answer in the reader's own words. An idea is found by any of its words or phrases: whole words in capitals or not, with
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

A number to write, with a point or a comma. What lies in none of the ranges gets `otherwise`; no two ranges may meet.

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

Texts to put in order: 3 to 8, written in the right one. They are found mixed, always in the same way.

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

Partners to find: 3 to 6 pairs. A right text is shown in a list: it has no markup there, and is best short.

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

A further kind of question is one more class here, entered in KINDS, and one more module of the page, entered in question.js.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import yaml
from jsonschema import Draft202012Validator, validators

from .question_fields import Problem, field_path, is_number, show, text_of
from .question_matching import Matching
from .question_math import formulas, mathml
from .question_number import Number
from .question_ordering import Ordering
from .question_picture import FIELD as PICTURE
from .question_picture import picture_problem, shown_picture
from .question_predict import Predict, with_value
from .question_words import OwnWords

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
_PLAIN = {"id", "kind", "anchor", "picture", "any"}
_COMMON_REQUIRED = ("id", "kind", "prompt")


class Kind(Protocol):
    """What quizzes need to know of a kind of question, and the fields that only this kind has."""

    fields: dict[str, Any]  # those that it must have
    optional: dict[str, Any]  # those that it may have

    def problems(self, question: dict[str, Any]) -> Iterator[Problem]:
        """What a schema can't say. The question may have other problems too, so nothing in it is certain."""

    def fits(self, question: dict[str, Any], answer: object) -> bool:
        """Whether `answer` is one that a reader of this question could have given."""

    def is_right(self, question: dict[str, Any], answer: Any) -> bool:
        """Whether an answer that fits is right."""


class _Choice:
    """What the two kinds of choice share: the options, and an answer as the texts of those chosen."""

    optional: dict[str, Any] = {}
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
                    "text": text_of(300),
                    "right": {"type": "boolean", "description": "true or false"},
                    "feedback": text_of(1000),
                    "misconception": text_of(80),
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
                    yield ("options", index, "text"), f"got {show(text)} a second time; expected distinct options"
                seen.add(text.strip())
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


KINDS: dict[str, Kind] = {
    "single": _Single(),
    "multiple": _Multiple(),
    "number": Number(),
    "ordering": Ordering(),
    "matching": Matching(),
    "predict": Predict(),
    "own-words": OwnWords(),
}


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
    quiz = _tidy({"title": TITLE, **data})
    return {**quiz, "questions": [_with_extras(question, folder) for question in quiz["questions"]]}


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

    `values` are the notebook's own results, by question id, for those of the kind `predict`.
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
    predicted = [name for name in names if known[name]["kind"] == "predict"]
    for name in values:
        if name not in predicted:
            expected = f"one of {', '.join(predicted)}" if predicted else "none, since no question of the kind predict is asked"
            raise ValueError(f"values: got the question id {name!r}; expected {expected}")
    for name in predicted:
        if name not in values:
            raise ValueError(f"values: nothing for the question {name!r}; expected the true value, as values={{{name!r}: ...}}")
    return [with_value(known[name], values[name]) if name in predicted else known[name] for name in names]


_QUIZ = {
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


def _question_problems(question: object, folder: Path) -> Iterator[Problem]:
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
    for path, text in _marked_up(question):
        for tex in formulas(text):
            try:
                mathml(tex)
            except ValueError as error:
                yield path, f"got the formula {show(tex)}: {error}; expected TeX (and \\$ for a dollar)"
    if "picture" in question and (problem := picture_problem(folder, question["picture"]["file"])):
        yield ("picture", "file"), problem


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
    math = {tex: mathml(tex) for _, text in _marked_up(question) for tex in formulas(text)}
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
