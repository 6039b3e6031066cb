"""saelib: sparse autoencoders, small enough to read in one sitting.

The rooms, in the order in which data flows through them; a module imports only from those above it:

    checks     what an argument has to be, said once
    data       real and made data, as tensors
    models     Autoencoder, SparseAutoencoder
    sparsity   what makes a code sparse: L1, TopK
    training   train(), the one loop for all of them
    metrics    fvu, l0, dead_fraction
    storage    save and load
    plots      seaborn figures in one theme      (import saelib.plots)
    widgets    the quiz and the explorables      (import saelib.widgets)

The last two need seaborn, Jupyter and ipywidgets, so they are imported by name only.
"""

from . import data, metrics
from .models import Autoencoder, SparseAutoencoder
from .sparsity import L1, TopK
from .storage import load
from .training import train

__all__ = ["Autoencoder", "L1", "SparseAutoencoder", "TopK", "data", "load", "metrics", "train"]
__version__ = "0.1.0"
