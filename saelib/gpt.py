"""A small GPT, to be read in one sitting: tokens in, logits of the next token out.

Every token is a vector of `d_model` numbers, the residual stream, which passes through the blocks. Each block only adds to
it: first what attention fetches from earlier tokens, then what the MLP makes of the token by itself (Radford et al., 2019;
Vaswani et al., 2017; for the stream, Elhage et al., 2021). At the end the stream is compared with the embedding of each
token.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from . import checks, files

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# The book's own GPT with its sparse autoencoder, its tokenizer and its model card. The repository has the GPT at earlier steps of
# its training beside them, with autoencoders of those: 7 MB for one chapter, which a wheel leaves out.
SHIPPED = Path(__file__).parent / "weights"


class GPT(nn.Module):
    """A GPT with pre-norm blocks and rotary position embeddings (Su et al., 2021), its initial weights drawn from `seed`.

    Args: n_tokens, the vocabulary size; d_model, the width of the residual stream; n_layers, the number of blocks; n_heads,
    attention heads in each; context, the most tokens that it reads at once.
    Parts, by the names under which `activations` finds them: "embed"; "blocks.0" and so on, whose output is the residual
    stream after that block; in it "attention" and "mlp", and "mlp.neurons"; "norm"; "unembed".
    Raises ValueError for a number below 1, or heads among which d_model can't be divided evenly, an even number for each.
    """

    def __init__(self, n_tokens: int, d_model: int, n_layers: int, n_heads: int, context: int, *, seed: int = 0):
        super().__init__()
        self.settings = {
            name: checks.count(name, value)
            for name, value in dict(n_tokens=n_tokens, d_model=d_model, n_layers=n_layers, n_heads=n_heads, context=context).items()
        }
        if d_model % (2 * n_heads):
            raise ValueError(f"n_heads is {n_heads!r}; expected 2 * n_heads to divide d_model = {d_model}")
        self.context = context
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(checks.seed(seed))
            self.embed = nn.Embedding(n_tokens, d_model)
            self.blocks = nn.ModuleList(Block(d_model, n_heads, context) for _ in range(n_layers))
            self.norm = nn.RMSNorm(d_model)
            self.unembed = nn.Linear(d_model, n_tokens, bias=False)
            self.unembed.weight = self.embed.weight  # tied: what a token looks like going in is what it looks like coming out
            for name, weight in self.named_parameters():
                if weight.ndim == 2:
                    # What writes into the stream starts small, so that the stream of a deep stack does too.
                    depth = (2 * n_layers) ** -0.5 if name.endswith("write.weight") else 1.0
                    nn.init.normal_(weight, std=0.02 * depth)

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Load these weights, as any module does; the tied one may stand among them once, as in named_parameters()."""
        return super().load_state_dict({"unembed.weight": state_dict.get("embed.weight"), **state_dict}, *args, **kwargs)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (n, t) int64, t at most `context`, to the logits (n, t, n_tokens) of the token after each of them.

        Raises ValueError for tokens of another shape.
        """
        if tokens.ndim != 2 or not 1 <= tokens.shape[1] <= self.context:
            raise ValueError(f"tokens has shape {tuple(tokens.shape)}; expected (n, t) with t from 1 to {self.context}")
        stream = self.embed(tokens)
        for block in self.blocks:
            stream = block(stream)
        return self.unembed(self.norm(stream))

    @torch.no_grad()
    def next_logits(self, stream: Tensor, vectors: Tensor, *, block: int) -> Tensor:
        """Logits of the token after the last one, for each of many interventions on the residual stream there:
        (m, n, n_tokens).

        The same as the whole model gives under `changed` with `saelib.language.push`, once for each. But the tokens before
        the last are not affected, so that only the last one has to go through the later blocks again.

        Args: stream (n, t, d_model), the output of block number `block` for n texts, t at most `context`; vectors
        (m, n, d_model), what to add to it at the last token; block, counted from 0.
        Raises ValueError for other shapes, or a block that is not there.
        """
        block = checks.count("block", block, least=0, most=len(self.blocks) - 1, why=f"the last of {len(self.blocks)} blocks")
        d_model = self.settings["d_model"]
        if stream.ndim != 3 or not 1 <= stream.shape[1] <= self.context or stream.shape[2] != d_model:
            raise ValueError(f"stream has shape {tuple(stream.shape)}; expected (n, t, {d_model}) with t from 1 to {self.context}")
        if vectors.ndim != 3 or vectors.shape[1:] != (len(stream), d_model):
            raise ValueError(f"vectors has shape {tuple(vectors.shape)}; expected (m, {len(stream)}, {d_model})")
        found = []
        for before, added in zip(stream.split(512), vectors.split(512, dim=1)):  # more at a time would only take more memory
            ends = before[:, -1] + added
            later: Any  # a Block, but a ModuleList does not say of what it is a list
            for later in self.blocks[block + 1 :]:
                _, key, value = later.attention.query_key_value(later.norm_1(before))
                for end in ends:
                    query, key[:, :, -1:], value[:, :, -1:] = later.attention.query_key_value(later.norm_1(end[:, None]), first=key.shape[2] - 1)
                    end += later.attention.attend(query, key, value)[:, 0]
                    end += later.mlp(later.norm_2(end))
                if later is not self.blocks[-1]:
                    before = later(before)
            found.append(self.unembed(self.norm(ends)))
        return torch.cat(found, dim=1)


class Block(nn.Module):
    """A transformer block: the stream (n, t, d_model) plus what attention and the MLP add to it."""

    def __init__(self, d_model: int, n_heads: int, context: int):
        super().__init__()
        self.norm_1, self.attention = nn.RMSNorm(d_model), Attention(d_model, n_heads, context)
        self.norm_2, self.mlp = nn.RMSNorm(d_model), MLP(d_model)

    def forward(self, stream: Tensor) -> Tensor:
        stream = stream + self.attention(self.norm_1(stream))
        return stream + self.mlp(self.norm_2(stream))


class Attention(nn.Module):
    """Causal self-attention: a token compares its query with the keys of the tokens up to itself, and takes a weighted mean
    of their values."""

    def __init__(self, d_model: int, n_heads: int, context: int):
        super().__init__()
        self.n_heads = n_heads
        self.read = nn.Linear(d_model, 3 * d_model, bias=False)
        self.write = nn.Linear(d_model, d_model, bias=False)
        angle = torch.outer(torch.arange(context), 10_000 ** -torch.linspace(0, 1, d_model // n_heads // 2))
        self.turn: Tensor
        self.register_buffer("turn", torch.stack([angle.cos(), angle.sin()]), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.attend(*self.query_key_value(x), is_causal=True)

    def query_key_value(self, x: Tensor, *, first: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """The queries, keys and values of tokens x (n, t, d_model): each (n, n_heads, t, d_model / n_heads).

        `first` is the position of the first token; queries and keys are rotated by their positions.
        """
        n, t, _ = x.shape
        query, key, value = self.read(x).view(n, t, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        return self._rotate(query, first), self._rotate(key, first), value

    def attend(self, query: Tensor, key: Tensor, value: Tensor, *, is_causal: bool = False) -> Tensor:
        """The output of attention, (n, t, d_model), for these queries and all keys, or, if causal, those up to each query's
        own token."""
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=is_causal)
        return self.write(mixed.transpose(1, 2).flatten(2))

    def looks(self, x: Tensor) -> Tensor:
        """The attention pattern of x (n, t, d_model): (n, n_heads, t, t), a row for each token that attends, which adds up to
        1."""
        query, key, _ = self.query_key_value(x)
        match = query @ key.transpose(2, 3) / query.shape[3] ** 0.5
        later = torch.ones(match.shape[2:], dtype=torch.bool, device=x.device).triu(1)
        return match.masked_fill(later, -torch.inf).softmax(dim=3)

    def _rotate(self, x: Tensor, first: int) -> Tensor:
        """Rotate pairs of numbers by angles that grow with the position, so that query times key depends on how far apart two
        tokens are, and not on where they are (Su et al., 2021)."""
        cos, sin = self.turn[:, first : first + x.shape[2]]
        left, right = x.chunk(2, dim=3)
        return torch.cat([left * cos - right * sin, left * sin + right * cos], dim=3)


class MLP(nn.Module):
    """The MLP of a block: 4 d_model neurons, each computed from the stream by itself, and what they write back."""

    def __init__(self, d_model: int):
        super().__init__()
        self.read, self.neurons = nn.Linear(d_model, 4 * d_model), nn.GELU()
        self.write = nn.Linear(4 * d_model, d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.write(self.neurons(self.read(x)))


def save_gpt(model: GPT, path: str | Path, *, precision: torch.dtype = torch.float16, **notes: str) -> None:
    """Write a GPT's weights to the safetensors file `path`, with its sizes and `notes` as metadata.

    Args: precision, torch.float16, or torch.float8_e4m3fn for half the size, with a scale for each row.
    Raises ValueError where a weight is not finite, also for being too large for float16, and for another precision.
    """
    if precision not in (torch.float16, torch.float8_e4m3fn):
        raise ValueError(f"precision is {precision!r}; expected torch.float16 or torch.float8_e4m3fn")
    path = Path(path)
    weights: dict[str, Tensor] = {}
    for name, weight in model.named_parameters():  # the tied one once
        value = checks.finite(name, weight.detach().cpu().half())
        if precision != torch.float16:
            scale = value.float().abs().amax(dim=-1, keepdim=True).clamp_min(1e-6) / torch.finfo(precision).max
            weights[f"{name}.scale"], value = scale, value.float() / scale
        weights[name] = value.to(precision).contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.whole(path) as (draft,):
        save_file(weights, draft, metadata={"gpt": json.dumps(model.settings), **notes})


def missing(path: Path, expected: str) -> FileNotFoundError:
    """The error for a file or folder that is not there. Where it is one of `SHIPPED`, it says which of them a wheel leaves out."""
    message = f"{path} is missing; expected {expected}"
    if SHIPPED in path.parents:
        message += "; the book's GPT at earlier steps, and the autoencoders of those, are in its repository only, in saelib/weights"
    return FileNotFoundError(message)


def load_gpt(path: str | Path = SHIPPED / "gpt.safetensors") -> GPT:
    """Load a GPT from the safetensors file `path`: by default the book's own, trained on Python's standard library.

    `python -m saelib.make_gpt` trained that one, with the optimizer Muon (Jordan et al., 2024). As it was after 50, 200 and 1,000
    steps, it lies beside that file, in saelib/weights, but only in the book's repository: a chapter compares them, and a wheel
    leaves them out.

    Raises FileNotFoundError for a missing file, ValueError for one that is truncated or holds no GPT of this library.
    """
    path = Path(path)
    if not path.is_file():
        raise missing(path, "a file that save_gpt() wrote")
    tensors, notes = files.read_tensors(path)
    try:
        model = GPT(**json.loads(notes["gpt"]))
        scales = {name: tensors.pop(name) for name in list(tensors) if name.endswith(".scale")}
        model.load_state_dict({name: value.float() * scales.get(f"{name}.scale", 1.0) for name, value in tensors.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} holds no GPT of this library: {error}") from error
    return model.eval()


def load_tokenizer(path: str | Path = SHIPPED / "tokenizer.json") -> "Tokenizer":
    """Load the tokenizer in the file `path`: by default that of the book's own GPT.

    Raises FileNotFoundError for a missing file, ValueError for one that holds no tokenizer.
    """
    from tokenizers import Tokenizer  # for those who want text only

    path = Path(path)
    if not path.is_file():
        raise missing(path, "a file that a tokenizer was saved in")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing more special
        raise ValueError(f"{path} holds no tokenizer: {error}") from error
