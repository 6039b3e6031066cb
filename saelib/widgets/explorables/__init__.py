"""The explorables: each a `.py` and a `.js` side by side, with a `.css` where it needs one, in one frame (explorable.py).

Modules that only some of them use: chart.js (axes, lines and points), pad.js (a pad to draw on), network.js (for
SecretMessage), messages.js (for TurnThePlane), toy_model.js (for Superposition), feature_cards.js (for FeatureBrowser), token_words.js (tokens
among words). LiveGPT has two rooms: live/, the engine, which runs in a worker, and inside/, what is seen.
"""

from .dial import Dial
from .export import save_html
from .feature_browser import FeatureBrowser
from .how_few_bricks import HowFewBricks
from .linked_card import LinkedCard
from .live_gpt import LiveGPT
from .one_price import OnePrice
from .rebuild import Rebuild
from .secret_message import SecretMessage
from .superposition import Superposition
from .switchboard import Switchboard
from .turn_the_plane import TurnThePlane

__all__ = [
    "Dial", "FeatureBrowser", "HowFewBricks", "LinkedCard", "LiveGPT", "OnePrice", "Rebuild", "SecretMessage", "Superposition", "Switchboard",
    "TurnThePlane", "save_html",
]  # fmt: skip
