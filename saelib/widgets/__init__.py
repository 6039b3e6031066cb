"""Widgets that need no kernel: the quiz and the explorables, each a .py and a .js side by side."""

from .how_few_bricks import HowFewBricks
from .quiz import Quiz
from .review import Review
from .secret_message import SecretMessage

__all__ = ["HowFewBricks", "Quiz", "Review", "SecretMessage"]
