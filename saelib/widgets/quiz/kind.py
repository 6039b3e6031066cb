"""The interface of a kind of question."""

from collections.abc import Iterator
from typing import Any

from .fields import Problem


class Kind:
    """What quizzes need to know of a kind of question, and the fields that only this kind has."""

    #: Those that a question must have, and those that it may have: by name a JSON schema, whose `description` says what is expected.
    fields: dict[str, Any] = {}
    optional: dict[str, Any] = {}
    #: Whether what is right is a result of the chapter's own code, so that only the chapter can ask.
    needs_value = False
    #: Whether it is answered with something else on its chapter's page, so that only the chapter can ask.
    needs_page = False
    #: Those fields whose texts stand for themselves: no markup is looked for in them, and they keep the white space around them.
    verbatim: frozenset[str] = frozenset()

    def problems(self, question: dict[str, Any]) -> Iterator[Problem]:
        """Problems that a schema can't express. The question may have other problems too, so nothing in it is certain."""
        return iter(())

    def fits(self, question: dict[str, Any], answer: object) -> bool:
        """Whether `answer` is one that a reader of this question could have given."""
        raise NotImplementedError

    def is_right(self, question: dict[str, Any], answer: Any) -> bool:
        """Whether an answer that fits is right."""
        raise NotImplementedError

    def place(self, question: dict[str, Any]) -> str:
        """Where on its chapter's page it is answered, as "#passage"; "" where nothing else is needed than the question."""
        return ""

    def with_value(self, question: dict[str, Any], value: object) -> dict[str, Any]:
        """The question with the result of the chapter's code, or a ValueError; called where `needs_value` is true."""
        raise NotImplementedError
