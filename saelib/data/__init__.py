"""Data for the chapters, real or synthetic, as tensors of documented shapes.

    cartoons       drawings of cats whose parts are known
    digits         handwritten digits of 8x8 pixels
    photos         photographs, and small patches of them
    faces          a hundred small faces
    planted        synthetic data from known features
    python_files   Python's own standard library as text, split by file
    python_labels  labels of every character of Python source
    text_files     texts of one's own, split by file
    tokens         tokenized text, and tokens in windows

It uses only `checks` and `streams`; what reads pictures and tables is imported by the function that needs it.
"""

from .cartoons import Cats, cartoon_cats
from .digits import Pictures, digits
from .faces import faces
from .photos import PHOTOS, from_patches, gray, patches, photo, photo_patches
from .planted import World, WorldBatches, planted
from .python_files import PythonFile, python_files
from .python_labels import LABELS, label_characters, label_texts, label_tokens
from .text_files import TextFile, text_files
from .tokens import Tokens, tokenize, train_tokenizer, windows

__all__ = [
    "LABELS", "PHOTOS", "Cats", "Pictures", "PythonFile", "TextFile", "Tokens", "World", "WorldBatches",
    "cartoon_cats", "digits", "faces", "from_patches", "gray", "label_characters", "label_texts", "label_tokens", "patches", "photo",
    "photo_patches", "planted", "python_files", "text_files", "tokenize", "train_tokenizer", "windows",
]  # fmt: skip
