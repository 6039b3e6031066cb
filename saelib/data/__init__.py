"""Data for the chapters: real or made, as tensors whose shapes are said.

    digits     handwritten digits of 8x8 pixels
    photos     photographs, and small patches of them
    planted    examples made from features that are known

It uses only `checks` and `streams`; what reads pictures and tables is imported by the function that needs it.
"""

from .digits import Pictures, digits
from .photos import PHOTOS, from_patches, gray, patches, photo, photo_patches
from .planted import World, WorldBatches, planted

__all__ = [
    "PHOTOS", "Pictures", "World", "WorldBatches", "digits", "from_patches", "gray", "patches", "photo", "photo_patches", "planted",
]  # fmt: skip
