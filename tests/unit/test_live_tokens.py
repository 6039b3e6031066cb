"""A tokenizer packed for the page: all that it does is in there, and what the page can't do is refused by its name."""

import json

import pytest
from hostile import refusal
from saelib.data.tokens import FILE, train_tokenizer
from saelib.gpt import load_tokenizer
from saelib.widgets.explorables.live_tokens import pack_tokenizer
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

TEXTS = ["def f(x):\n    return x + 1\n", "naïve 中文 😀"]


def trained() -> Tokenizer:
    return train_tokenizer(TEXTS * 9, 270)


def with_model(**settings) -> Tokenizer:
    """The tokenizer `trained`, with other settings of its model."""
    written = json.loads(trained().to_str())
    written["model"] |= settings
    return Tokenizer.from_str(json.dumps(written))


@pytest.mark.parametrize("make", [trained, load_tokenizer])
def test_tokens_and_merges_are_all_that_it_takes_to_make_the_tokenizer_again(make):
    tokenizer = make()
    packed = json.loads(pack_tokenizer(tokenizer))
    assert packed.keys() == {"vocab", "merges", "mark"}
    vocab = packed["vocab"]
    assert [tokenizer.token_to_id(token) for token in vocab] == list(range(tokenizer.get_vocab_size()))
    assert vocab[packed["mark"]] == FILE
    again = Tokenizer(models.BPE({token: i for i, token in enumerate(vocab)}, [(vocab[left], vocab[right]) for left, right in packed["merges"]]))
    again.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    assert [again.encode(text).ids for text in TEXTS] == [tokenizer.encode(text).ids for text in TEXTS]


def test_the_books_tokenizer_takes_some_forty_thousand_bytes():
    assert len(pack_tokenizer(load_tokenizer())) < 50_000


def test_a_fast_tokenizer_of_hugging_faces_is_taken_too():
    class Fast:
        backend_tokenizer = trained()

    assert pack_tokenizer(Fast()) == pack_tokenizer(trained())


def test_the_mark_may_have_another_name():
    tokenizer = trained()
    tokenizer.add_special_tokens(["<|end of text|>"])
    packed = json.loads(pack_tokenizer(tokenizer, mark="<|end of text|>"))
    assert packed["mark"] == len(packed["vocab"]) - 1 == tokenizer.token_to_id("<|end of text|>")


def test_what_tokenize_switches_off_is_no_hindrance():
    tokenizer = trained()
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=20)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    assert pack_tokenizer(tokenizer) == pack_tokenizer(trained())
    assert pack_tokenizer(with_model(dropout=0.0, continuing_subword_prefix="", end_of_word_suffix="")) == pack_tokenizer(trained())


def parts(**changed) -> Tokenizer:
    """The tokenizer `trained`, with other parts."""
    tokenizer = trained()
    for name, part in changed.items():
        setattr(tokenizer, name, part)
    return tokenizer


def without_a_byte() -> Tokenizer:
    written = json.loads(trained().to_str())
    del written["model"]["vocab"]["$"]
    written["model"]["vocab"]["$$"] = len(written["model"]["vocab"])
    numbers = {token: i for i, token in enumerate(written["model"]["vocab"])}
    return Tokenizer.from_str(json.dumps(written | {"model": written["model"] | {"vocab": numbers}}))


def with_a_hole() -> Tokenizer:
    written = json.loads(trained().to_str())
    written["model"]["vocab"]["$$"] = 1000
    return Tokenizer.from_str(json.dumps(written))


def with_words() -> Tokenizer:
    tokenizer = trained()
    tokenizer.add_tokens([AddedToken("return x", normalized=False)])
    return tokenizer


REFUSED = {
    "the model 'WordLevel'": lambda: parts(model=models.WordLevel({"a": 0}, unk_token="a")),
    "the model 'Unigram'": lambda: parts(model=models.Unigram()),
    "the normalizer 'NFC'": lambda: parts(normalizer=normalizers.NFC()),
    "the pre-tokenizer 'Whitespace'": lambda: parts(pre_tokenizer=pre_tokenizers.Whitespace()),
    "the pre-tokenizer 'Sequence'": lambda: parts(
        pre_tokenizer=pre_tokenizers.Sequence([pre_tokenizers.Digits(), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    ),
    "the pre-tokenizer None": lambda: Tokenizer(trained().model),
    "add_prefix_space True": lambda: parts(pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=True)),
    "use_regex False": lambda: parts(pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)),
    "the decoder 'Metaspace'": lambda: parts(decoder=decoders.Metaspace()),
    "dropout 0.5": lambda: with_model(dropout=0.5),
    "continuing_subword_prefix '##'": lambda: with_model(continuing_subword_prefix="##", merges=[]),
    "end_of_word_suffix '</w>'": lambda: with_model(end_of_word_suffix="</w>"),
    "byte_fallback True": lambda: with_model(byte_fallback=True),
    "ignore_merges True": lambda: with_model(ignore_merges=True),
    "the added token 'return x'": with_words,
    "no token for 1 of the bytes, of which '$'": without_a_byte,
    "271 tokens with ids up to 1000": with_a_hole,
}


@pytest.mark.parametrize("found", REFUSED)
def test_a_tokenizer_of_another_kind_is_refused_with_what_it_has(found):
    assert refusal(lambda: pack_tokenizer(REFUSED[found]())).startswith(f"tokenizer has {found}")


def test_a_mark_that_it_does_not_have_is_refused():
    assert refusal(lambda: pack_tokenizer(trained(), mark="<s>")) == "mark is '<s>'; expected a token of the tokenizer"


@pytest.mark.parametrize("value", [None, "tokenizer.json", {"vocab": []}])
def test_what_is_no_tokenizer_is_refused(value):
    assert refusal(lambda: pack_tokenizer(value)).startswith(f"tokenizer is of type {type(value).__name__}; expected")
