"""saelib: sparse autoencoders, small enough to read in one sitting.

The modules, in the order in which data flows through them; each imports only from those above it:

    checks       checks of arguments: one function for each kind
    streams      seeded random number generators, a separate one for each purpose
    files        files that are written whole or not at all
    kernels      sparse encoding, decoding and gradients that touch active features alone
    data         real and synthetic data, as tensors
    models       Autoencoder, SparseAutoencoder
    gpt          a small GPT, and the trained one that comes with the book
    hooks        forward hooks: activations of any model, read or replaced
    sparsity     sparsity rules: L1, KL, TopK, BatchTopK, JumpReLU, Gated, Matryoshka, Drawers
    training     train(), the one loop for all models; checkpoints
    metrics      fvu, l0, dead_fraction, mmcs, ...: one definition each
    storage      save and load
    interpret    feature cards, ablation, steering
    language     a language model token by token, and the cards of its features
    claims       claims about results, checked where the results are measured
    plots        seaborn figures in one theme      (import saelib.plots)
    widgets      quizzes and explorables           (import saelib.widgets)
    make_gpt     trains the book's GPT again       (python -m saelib.make_gpt)
    make_sae     trains its sparse autoencoder again (python -m saelib.make_sae)
    live_page    makes a page of a GPT of your own (python -m saelib.live_page)

The last five are not imported with the rest: two need seaborn, Jupyter and ipywidgets, and three are programs.
"""

from . import data, interpret, language, metrics
from .gpt import GPT, load_gpt, load_tokenizer
from .hooks import activations, changed
from .models import Autoencoder, SparseAutoencoder
from .sparsity import KL, L1, BatchTopK, Drawers, Gated, JumpReLU, Matryoshka, TopK
from .storage import load
from .training import train

__all__ = [
    "Autoencoder", "SparseAutoencoder",
    "L1", "KL", "TopK", "BatchTopK", "JumpReLU", "Gated", "Matryoshka", "Drawers",
    "GPT", "load_gpt", "load_tokenizer", "activations", "changed",
    "data", "interpret", "language", "load", "metrics", "train",
]  # fmt: skip
__version__ = "0.1.0"
