"""saelib: sparse autoencoders, small enough to read in one sitting.

The rooms, in the order in which data flows through them; a module imports only from those above it:

    checks       what an argument has to be, said once
    streams      random numbers, a stream of their own for each purpose
    files        files that are there whole or not at all
    kernels      the work of a sparse code that touches its active features alone
    data         real and made data, as tensors
    models       Autoencoder, SparseAutoencoder
    gpt          a small GPT, and the one that comes with the book
    hooks        what goes through the parts of any model, seen and changed on its way
    sparsity     what makes a code sparse: L1, KL, TopK, BatchTopK, JumpReLU, Gated, Matryoshka, Drawers
    training     train(), the one loop for all of them; checkpoints
    metrics      fvu, l0, dead_fraction, mmcs, ...: one definition each
    storage      save and load
    interpret    feature cards, ablation, steering
    language     a language model token by token, and the cards of its features
    claims       what a text says of its results, checked where they are measured
    plots        seaborn figures in one theme      (import saelib.plots)
    widgets      the quiz and the explorables      (import saelib.widgets)
    make_gpt     makes the book's GPT again        (python -m saelib.make_gpt)
    make_sae     makes its sparse autoencoder again (python -m saelib.make_sae)

The last four are not imported with the rest: two need seaborn, Jupyter and ipywidgets, and two are programs.
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
