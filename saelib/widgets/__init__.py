"""Widgets that need no kernel: the quiz and the explorables, each a .py and a .js side by side.

    quiz           the questions of a book, asked in its chapters and in a review of all
    explorables    models to play with
    host           what mounts both in a page that has no kernel
"""  # fmt: skip

from .explorables import (
    Dial,
    FeatureBrowser,
    HowFewBricks,
    LinkedCard,
    LiveGPT,
    OnePrice,
    Rebuild,
    SecretMessage,
    Superposition,
    Switchboard,
    TurnThePlane,
    save_html,
)
from .quiz import Quiz, Review

__all__ = [
    "Dial", "FeatureBrowser", "HowFewBricks", "LinkedCard", "LiveGPT", "OnePrice", "Quiz", "Rebuild", "Review", "SecretMessage",
    "Superposition", "Switchboard", "TurnThePlane", "save_html",
]  # fmt: skip
