"""Widgets that need no kernel: the quiz and the explorables, each a .py and a .js side by side."""

from .dial import Dial
from .export import save_html
from .feature_browser import FeatureBrowser
from .how_few_bricks import HowFewBricks
from .linked_card import LinkedCard
from .one_price import OnePrice
from .quiz import Quiz
from .rebuild import Rebuild
from .review import Review
from .secret_message import SecretMessage
from .superposition import Superposition
from .switchboard import Switchboard
from .turn_the_plane import TurnThePlane

__all__ = [
    "Dial", "FeatureBrowser", "HowFewBricks", "LinkedCard", "OnePrice", "Quiz", "Rebuild", "Review", "SecretMessage", "Superposition", "Switchboard",
    "TurnThePlane", "save_html",
]  # fmt: skip
