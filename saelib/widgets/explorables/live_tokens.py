"""A tokenizer as the page reads it: tokens and merges, as JSON, of the one kind that live/tokenizer.js can do."""

import json
from typing import TYPE_CHECKING, Any

from ...data.tokens import FILE

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def pack_tokenizer(tokenizer: "Tokenizer", *, mark: str = FILE) -> bytes:
    """A byte-level BPE tokenizer, such as `saelib.data.train_tokenizer` makes, as JSON in UTF-8 for the page.

        {"vocab": [token in the byte-level alphabet, in the order of the ids],
         "merges": [[left id, right id], ... in the order of their ranks],
         "mark": id of the mark}

    The page then tokenizes any text as `saelib.data.tokenize` does.

    Args: tokenizer, of the `tokenizers` package, or a fast one of Hugging Face's; mark, the token before a text.
    Raises ValueError for a tokenizer of another kind, which the page would get wrong, and one that has no such mark.
    """
    tokenizer = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not hasattr(tokenizer, "to_str"):
        raise ValueError(f"tokenizer is of type {type(tokenizer).__name__}; expected one of the tokenizers package")
    settings = json.loads(tokenizer.to_str())
    model = settings["model"]
    _only_bytes(settings)

    added = {token["content"]: token["id"] for token in settings["added_tokens"]}
    ids = {**model["vocab"], **added}
    vocab = sorted(ids, key=lambda token: ids[token])
    if [ids[token] for token in vocab] != list(range(len(ids))):
        raise ValueError(f"tokenizer has {len(ids)} tokens with ids up to {ids[vocab[-1]]}; expected each id from 0 on once")
    if missing := sorted(_alphabet() - model["vocab"].keys()):
        raise ValueError(f"tokenizer has no token for {len(missing)} of the bytes, of which {missing[0]!r} is one; expected all 256")
    if mark not in ids:
        raise ValueError(f"mark is {mark!r}; expected a token of the tokenizer")
    # Versions of the package before 0.20 write a pair as a text with a blank in it.
    pairs = (pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"])
    packed = {"vocab": vocab, "merges": [[ids[left], ids[right]] for left, right in pairs], "mark": ids[mark]}
    return json.dumps(packed, ensure_ascii=False, separators=(",", ":")).encode()


def _alphabet() -> set[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    return set(ByteLevel.alphabet())


def _only_bytes(settings: dict[str, Any]) -> None:
    """ValueError if a tokenizer with these settings does anything that the page does not."""

    def refuse(what: str, found: object, expected: str) -> None:
        raise ValueError(f"tokenizer has {what} {found!r:.80}; expected {expected}")

    def kind(part: dict[str, Any] | None) -> str | None:
        return part["type"] if part else None

    model, before, after = settings["model"], settings["pre_tokenizer"], settings["decoder"]
    if kind(model) != "BPE":
        refuse("the model", kind(model), "'BPE'")
    if settings["normalizer"] is not None:
        refuse("the normalizer", kind(settings["normalizer"]), "none")
    if kind(before) != "ByteLevel":
        refuse("the pre-tokenizer", kind(before), "'ByteLevel'")
    if before["add_prefix_space"]:
        refuse("add_prefix_space", True, "False")
    if not before.get("use_regex", True):
        refuse("use_regex", False, "True")
    if kind(after) != "ByteLevel":
        refuse("the decoder", kind(after), "'ByteLevel'")
    for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges"):
        if model.get(name):
            refuse(name, model[name], "none")
    # These are found in a text before it is cut into pieces. Special ones are not: tokenize takes them for text.
    if plain := [token["content"] for token in settings["added_tokens"] if not token["special"]]:
        refuse("the added token", plain[0], "special ones only")
