"""Text tokenized by a byte-level BPE, and tokens in windows for a model that reads so many at once."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .. import checks

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FILE = "<|file|>"  # stands before each file; number 0


class Tokens(NamedTuple):
    """Some texts, such as files, as one sequence of tokens.

    ids: (n,) int64, the token ids; spans: (n, 2) int64, where each token begins and ends in its text, in characters (a
    character of several bytes may be in several tokens); file: (n,) int64, which text it is from.
    """

    ids: Tensor
    spans: Tensor
    file: Tensor

    def following(self) -> tuple[Tensor, Tensor]:
        """For every token the id of the next one, (n,) int64, and whether there is one in its text, (n,) bool."""
        there = torch.zeros(len(self.ids), dtype=torch.bool)
        there[:-1] = self.file[1:] == self.file[:-1]
        return self.ids.roll(-1), there

    def bounds(self) -> Tensor:
        """The index of each text's first token, and after them the number of all tokens: (texts + 1,) int64."""
        return torch.cat([torch.zeros(1, dtype=torch.int64), self.file.diff().nonzero().ravel() + 1, torch.tensor([len(self.ids)])])


def train_tokenizer(texts: Iterable[str], n_tokens: int) -> "Tokenizer":
    """Train a byte-level BPE tokenizer with a vocabulary of `n_tokens`, on `texts` (Sennrich et al., 2016; Radford et al.,
    2019).

    It can write any text, for every byte is a token; the other tokens are frequent pairs of tokens, merged again and again.
    Raises ValueError for a vocabulary below 257, which the bytes and the mark before a file take, and for what is no text.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    checks.count("n_tokens", n_tokens, least=257)
    if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable):
        raise ValueError(f"texts is {texts!r:.80}; expected texts, in a list or another iterable")

    def readable() -> Iterator[str]:
        for number, text in enumerate(texts):
            _readable(f"texts[{number}]", text)
            yield text

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=n_tokens, special_tokens=[FILE], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(readable(), trainer)
    return tokenizer


def tokenize(texts: Iterable[str], tokenizer: "Tokenizer", *, mark: str = FILE) -> Tokens:
    """Tokenize texts, each after the token `mark`, which tells the model where a text begins.

    The texts are tokenized whole, whatever the tokenizer is set to: truncation, padding, dropout of merges and trimmed
    offsets are switched off meanwhile.

    Args: tokenizer, of the `tokenizers` package, or a fast one of Hugging Face's.
    Raises ValueError where there are no texts, one is no text that can be written in UTF-8, or the tokenizer has no such
    mark.
    """
    if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable) or not (texts := list(texts)):
        raise ValueError(f"texts is {texts!r:.80}; expected at least one text, in a list or another iterable")
    for number, text in enumerate(texts):
        _readable(f"texts[{number}]", text)
    tokenizer = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not hasattr(tokenizer, "encode_batch"):
        raise ValueError(f"tokenizer is of type {type(tokenizer).__name__}; expected one of the tokenizers package")
    first = tokenizer.token_to_id(mark)
    if first is None:
        raise ValueError(f"mark is {mark!r}; expected a token of the tokenizer")
    with _whole_texts(tokenizer):
        encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
    counts = torch.tensor([len(each.ids) + 1 for each in encoded])
    ids = np.fromiter((i for each in encoded for i in (first, *each.ids)), np.int64, int(counts.sum()))
    spans = np.fromiter((place for each in encoded for span in ((0, 0), *each.offsets) for place in span), np.int64, 2 * len(ids))
    return Tokens(torch.from_numpy(ids), torch.from_numpy(spans).view(-1, 2), torch.arange(len(texts)).repeat_interleave(counts))


def _readable(name: str, text: object) -> None:
    if not isinstance(text, str):
        raise ValueError(f"{name} is {text!r:.80}, of type {type(text).__name__}; expected a string")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} holds {text[error.start]!r} at {error.start}, half of a surrogate pair; expected text in Unicode") from None


@contextmanager
def _whole_texts(tokenizer: "Tokenizer") -> Iterator[None]:
    """While this context lasts, each text gives all its tokens and no others, always the same, with their true offsets."""
    truncation, padding, dropout = tokenizer.truncation, tokenizer.padding, getattr(tokenizer.model, "dropout", None)
    marks, finish = tokenizer.encode_special_tokens, tokenizer.post_processor
    try:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        if dropout is not None:
            tokenizer.model.dropout = None
        tokenizer.encode_special_tokens = True  # where a text spells out the mark, it is text like any other
        tokenizer.post_processor = None  # without special tokens, all that it does is to trim
        yield
    finally:
        tokenizer.post_processor, tokenizer.encode_special_tokens = finish, marks
        if dropout is not None:
            tokenizer.model.dropout = dropout
        if padding is not None:
            tokenizer.enable_padding(**padding)
        if truncation is not None:
            tokenizer.enable_truncation(**truncation)


def windows(tokens: Tokens, context: int, size: int = 16) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Every token once, with at least half a `context` of its text before it, or all of it from the text's beginning.

    Yields, for as many windows at a time as have no more places than `size` windows of a whole context: inputs (w, t) int64,
    the tokens of the windows, t at most `context` (padded with anything); keep (w, t) bool, the places that count; and where
    (m,) int64, the indices of these tokens, in the order of inputs[keep]. Windows of a text overlap by half a context, and of
    all but the first only the later half counts. Long windows come first, so that batches of short ones have little padding.
    Raises ValueError for a context below 2, or a size below 1.
    """
    half = checks.count("context", context, least=2) // 2
    checks.count("size", size)
    bounds = tokens.bounds()
    begin, end = bounds[:-1], bounds[1:]
    count = ((end - begin - half + half - 1) // half).clamp(min=1)  # windows of each file
    first = torch.arange(int(count.sum())) - (count.cumsum(0) - count).repeat_interleave(count)  # 0 for a file's first
    start = begin.repeat_interleave(count) + first * half
    end = torch.minimum(end.repeat_interleave(count), start + 2 * half)
    least = start.where(first == 0, start + half)
    order = (end - start).argsort(descending=True, stable=True)
    at = 0
    while at < len(order):
        width = int((end - start)[order[at]])
        rows = order[at : at + max(1, size * context // width)]
        place = start[rows, None] + torch.arange(width)
        keep = (place >= least[rows, None]) & (place < end[rows, None])
        yield tokens.ids[place.clamp(max=len(tokens.ids) - 1)], keep, place[keep]
        at += len(rows)
