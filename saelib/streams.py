"""Seeded random number generators."""

import hashlib

import torch


def stream(purpose: str, seed: int) -> torch.Generator:
    """A random number generator of its own for each purpose and seed; the global random state is left alone.

    Were a model's initial weights drawn from the same numbers as a planted dictionary, it would start at the answer; and were
    two samples, the held-out examples would be those trained on. So the seed is mixed with the purpose, by a hash, as torch
    uses the last 32 bits of a seed only.
    """
    return torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(f"{purpose} {seed}".encode()).digest()[:4]))
