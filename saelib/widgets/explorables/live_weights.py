"""A GPT and its sparse autoencoder as bytes that a page can hold: what the engine in `live/` reads."""

import json

import torch
from safetensors.torch import save
from torch import Tensor

from ... import checks
from ...gpt import GPT
from ...models import SparseAutoencoder
from ...sparsity import L1, BatchTopK, JumpReLU, Matryoshka, TopK

EIGHT = torch.float8_e4m3fn


def pack_gpt(gpt: GPT) -> bytes:
    """A GPT as a safetensors file, its matrices in 8-bit floats with a scale for each row; `load_gpt` reads it too.

    Vectors, a hundredth of the numbers, stay in float32.
    Raises ValueError for what is no GPT of this library, or a weight that is not finite.
    """
    if not isinstance(gpt, GPT):
        raise ValueError(f"gpt is of type {type(gpt).__name__}; expected a saelib.gpt.GPT")
    return _packed(dict(gpt.named_parameters()), gpt=gpt.settings)  # the tied weight once


def pack_sae(sae: SparseAutoencoder, block: int) -> bytes:
    """A sparse autoencoder as a safetensors file in the same form, with the place that it reads: the output of a block.

    A row is a feature's, in W_enc (d_sae, d_in) too. `threshold` (d_sae,) is what a pre-activation has to exceed for the
    feature to be active, 0 where the rule is a ReLU; of TopK the k largest of those are kept.

    Args: block, counted from 0.
    Raises ValueError for what is no sparse autoencoder, for a sparsity rule whose codes can't be had so, such as Gated,
    Drawers or KL, for a block below 0, or a weight that is not finite.
    """
    if not isinstance(sae, SparseAutoencoder):
        raise ValueError(f"sae is of type {type(sae).__name__}; expected a SparseAutoencoder")
    block = checks.count("block", block, least=0)
    rule, threshold, k = sae.sparsity, torch.zeros(sae.d_sae), sae.d_sae
    if type(rule) in (BatchTopK, Matryoshka, JumpReLU):
        threshold = rule.threshold.detach().cpu().float().expand(sae.d_sae).clamp(min=0)
    elif type(rule) is TopK:
        k = rule.k
    elif type(rule) is not L1:
        raise ValueError(f"sae has the sparsity rule {rule!r}; expected L1, TopK, BatchTopK, Matryoshka or JumpReLU")
    weights = {"W_enc": sae.W_enc.T, "b_enc": sae.b_enc, "W_dec": sae.W_dec, "b_dec": sae.b_dec, "threshold": threshold}
    return _packed(weights, sae=dict(d_in=sae.d_in, d_sae=sae.d_sae, k=k, block=block))


def _packed(weights: dict[str, Tensor], **notes: dict[str, int]) -> bytes:
    """These weights by name, and notes, as a safetensors file: matrices in 8-bit floats with a scale for each row, vectors in float32."""
    packed: dict[str, Tensor] = {}
    for name, weight in weights.items():
        value = checks.finite(name, weight.detach().cpu().float())
        if value.ndim == 2:
            scale = value.abs().amax(dim=1, keepdim=True).clamp_min(1e-6) / torch.finfo(EIGHT).max
            packed[f"{name}.scale"], value = scale, (value / scale).to(EIGHT)
        packed[name] = value.contiguous()
    return save(packed, metadata={name: json.dumps(note) for name, note in notes.items()})
