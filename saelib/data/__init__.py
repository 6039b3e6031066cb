"""Data for the chapters: real or made, as tensors whose shapes are said.

    cartoons       drawings of cats whose parts are known
    digits         handwritten digits of 8x8 pixels
    photos         photographs, and small patches of them
    faces          a hundred small faces
    planted        examples made from features that are known
    python_labels  what every character of Python source is

It uses only `checks` and `streams`; what reads pictures and tables is imported by the function that needs it.
"""

from .cartoons import Cats, cartoon_cats
from .digits import Pictures, digits
from .faces import faces
from .photos import PHOTOS, from_patches, gray, patches, photo, photo_patches
from .planted import World, WorldBatches, planted
from .python_labels import LABELS, label_characters, label_tokens

__all__ = [
    "LABELS", "PHOTOS", "Cats", "Pictures", "World", "WorldBatches",
    "cartoon_cats", "digits", "faces", "from_patches", "gray", "label_characters", "label_tokens", "patches", "photo",
    "photo_patches", "planted",
]  # fmt: skip
