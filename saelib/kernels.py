"""Sparse encoding, decoding and gradients that touch active features alone.

Of 16,384 features with 32 active, one large product remains: every feature needs its pre-activation. After that, zeros stay
out of everything. Decoding adds up 32 rows instead of multiplying 16,384, and the gradient of a feature's weights is a sum
over those examples in which it is active. Both are "bags": weighted sums of a few chosen rows, which
`torch.nn.functional.embedding_bag` adds up without making a copy of them. The gradients need the entries sorted by feature;
they are sorted once for both.
"""

import threading
from functools import cached_property, lru_cache

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag


def product(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """x W + b, (n, features), without gradients, valid until the next call from the same thread (in bfloat16 under autocast).

    It is the largest tensor in memory by far, so every step writes it to the same place: allocating new pages takes time.
    """
    if torch.is_autocast_enabled(x.device.type):
        return torch.addmm(b, x, W)
    return torch.addmm(b, x, W, out=_place(len(x), len(b), x.dtype, x.device, threading.get_ident()))


@lru_cache(maxsize=1)
def _place(rows: int, columns: int, dtype: torch.dtype, device: torch.device, thread: int) -> Tensor:
    with torch.inference_mode(False):  # a tensor made in inference mode could not be written to outside it
        return torch.empty(rows, columns, dtype=dtype, device=device)


def forget() -> None:
    """Free the memory that `product` keeps."""
    _place.cache_clear()


class Entries:
    """The indices of the active entries in a batch of codes.

    An entry is one activation in one code, and belongs to one bag: the sum that it is part of in decoding. There may be more
    bags than examples (codes that are decoded in several parts).

    Args, all int64 of shape (entries,): example, the index of its code; feature, the index of its feature; bag, in rising
    order. bags and features: how many of them there are.
    """

    def __init__(self, example: Tensor, feature: Tensor, bag: Tensor, bags: int, features: int):
        self.example, self.feature, self.bag = example, feature, bag
        self.bags, self.features = bags, features

    @cached_property
    def bag_starts(self) -> Tensor:
        return _starts(self.bag, self.bags)

    @cached_property
    def by_feature(self) -> tuple[Tensor, Tensor]:
        """The entries' indices sorted by feature, and where those of each feature begin."""
        ordered, order = self.feature.sort(stable=True)
        return order, _starts(ordered, self.features)

    def weight_gradient(self, rows: Tensor, of: Tensor, values: Tensor) -> Tensor:
        """For each feature the sum, over its entries, of `values` times a row of `rows`, whose index is in `of`:
        (features, d)."""
        order, starts = self.by_feature
        return _bags(rows, of[order], starts, values[order])


def _starts(ordered: Tensor, groups: int) -> Tensor:
    """Where each of the groups 0 to groups - 1 begins in `ordered`, and the end of the last: (groups + 1,)."""
    return torch.searchsorted(ordered, torch.arange(groups + 1, device=ordered.device))


def _bags(rows: Tensor, of: Tensor, starts: Tensor, weights: Tensor) -> Tensor:
    return embedding_bag(of, rows, starts, per_sample_weights=weights, mode="sum", include_last_offset=True)


def _dots(left: Tensor, of: Tensor, right: Tensor, and_of: Tensor, starts: Tensor) -> Tensor:
    """Inner products of rows of `left` and rows of `right`, whose indices are in `of` and `and_of`: (entries,)."""
    return torch.ops.aten._embedding_bag_per_sample_weights_backward(left, right, and_of, starts, of, 0)


class _Read(torch.autograd.Function):
    """pre-activations (x - b_dec) W_enc + b_enc, at the entries only; `values`, if they are not of a lower precision."""

    @staticmethod
    def forward(ctx, x, W_enc, b_enc, b_dec, values, entries):
        ctx.entries = entries
        ctx.save_for_backward(x, W_enc, b_dec)
        if values.dtype == W_enc.dtype:
            return values.clone()  # autograd wants a tensor of its own
        # Chosen by a rougher product: what was chosen is computed exactly.
        starts = torch.arange(len(entries.example), device=x.device)
        return _dots(x - b_dec, entries.example, W_enc.T, entries.feature, starts) + b_enc[entries.feature]

    @staticmethod
    def backward(ctx, slope):
        entries: Entries = ctx.entries
        x, W_enc, b_dec = ctx.saved_tensors
        W_slope = entries.weight_gradient(x - b_dec, entries.example, slope).T
        b_slope = slope.new_zeros(entries.features).index_add_(0, entries.feature, slope)
        x_slope = None
        if ctx.needs_input_grad[0]:
            x_slope = torch.zeros_like(x).index_add_(0, entries.example, slope[:, None] * W_enc.T[entries.feature])
        # b_dec is taken from every example, so that its slope is the sum of theirs: W_enc times that of b_enc.
        return x_slope, W_slope, b_slope, -(W_enc @ b_slope), None, None


class _Rebuild(torch.autograd.Function):
    """The bags' sums of values times rows of W_dec."""

    @staticmethod
    def forward(ctx, values, W_dec, entries):
        ctx.entries = entries
        ctx.save_for_backward(values, W_dec)
        return _bags(W_dec, entries.feature, entries.bag_starts, values)

    @staticmethod
    def backward(ctx, slope):
        entries: Entries = ctx.entries
        values, W_dec = ctx.saved_tensors
        slope = slope.contiguous()
        return _dots(slope, entries.bag, W_dec, entries.feature, entries.bag_starts[:-1]), entries.weight_gradient(slope, entries.bag, values), None


def read(x: Tensor, W_enc: Tensor, b_enc: Tensor, b_dec: Tensor, values: Tensor, entries: Entries) -> Tensor:
    """The pre-activations of the entries, (entries,), with gradients for x, W_enc, b_enc and b_dec.

    Args: x (n, d); W_enc (d, features); b_enc (features,); b_dec (d,); values (entries,), what `product` has computed there.
    """
    return _Read.apply(x, W_enc, b_enc, b_dec, values, entries)


def rebuild(values: Tensor, W_dec: Tensor, entries: Entries) -> Tensor:
    """The decoded sums of the bags, (bags, d), from the entries' activations (entries,), with gradients for these and W_dec."""
    return _Rebuild.apply(values, W_dec, entries)
