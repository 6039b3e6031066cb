"""The quiz and the review of a book's questions, and what they are made of.

    quiz, review               the two widgets
    question.js                one question in a page; all of a widget's in step with what the browser keeps (kept.js, mended.js)
    kinds/                     the kinds of questions; kind.py and kind.js say what is expected of one
    questions                  what is read and checked of a quiz's file: fields, formulas, pictures; markup.js shows it
    table_of_contents          which book a file belongs to
"""  # fmt: skip

from .quiz import Quiz
from .review import Review

__all__ = ["Quiz", "Review"]
