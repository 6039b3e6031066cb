"""The tokenizer in the page: the same ids and places as the package's, in any text, and never slow."""

import json
import random
import re
import unicodedata
from itertools import accumulate, pairwise

import pytest
from saelib.data import python_files
from saelib.data.tokens import FILE, tokenize, train_tokenizer
from saelib.gpt import load_tokenizer
from saelib.widgets.base import javascript
from saelib.widgets.explorables.live_tokens import pack_tokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

CODE = javascript("explorables/live/tokenizer.js")
LOAD = """async ([code, packed]) => {
  await import(URL.createObjectURL(new Blob([code, "; globalThis.Tokenizer = Tokenizer;"], { type: "text/javascript" })));
  globalThis.tokenizers = packed.map((one) => new Tokenizer(JSON.parse(one)));
}"""
# Texts go there as JSON in ASCII, which has room for half of a surrogate pair; numbers come as JSON, for they are many.
ENCODE = """([which, texts]) => JSON.stringify(JSON.parse(texts).map((text) => {
  const { ids, begins, ends } = tokenizers[which].encode(text);
  return [ids, begins, ends];
}))"""


def of_kinds() -> Tokenizer:
    """Merges the last byte of any letter with the "a", "1" or "!" after it, which shows whether the two are in a piece."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [(letter, sign) for letter in letters for sign in "a1!"]
    vocab = [FILE, *letters, *(left + right for left, right in merges)]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(vocab)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([FILE])
    return tokenizer


CHINESE = "中文中国 我们在中国学习中文。他们说：“你好，世界！” 一二三四五六七八九十 日本語のテキスト 한국어 텍스트 "
EMOJI = "😀😀😃 👩‍👩‍👧 👍🏽👍🏿 🇩🇪🇫🇷🇩🇪 ❤️‍🔥 🙂‍↔️ "
TOKENIZERS = {
    "the book's": load_tokenizer(),
    "bytes": train_tokenizer(["a"], 257),
    "Chinese": train_tokenizer([CHINESE * 9, EMOJI * 9], 500),
    "runs": train_tokenizer(["a" * 99 + " " * 99 + "\n" * 50 + "abab" * 9 + "aab aab baa baa" * 9 + "\r\n" * 9 + "é" * 50 + "\t" * 9] * 9, 330),
    "kinds": of_kinds(),
}


@pytest.fixture
def tab(new_tab):
    tab = new_tab()
    tab.evaluate(LOAD, [CODE, [pack_tokenizer(one).decode() for one in TOKENIZERS.values()]])
    return tab


def in_units(text: str) -> list[int]:
    """Where each character of a text begins, in UTF-16 units, and where the text ends."""
    return [0, *accumulate(1 + (letter > "\uffff") for letter in text)]


def expected(tokenizer: Tokenizer, texts: list[str]) -> list[list[list[int]]]:
    """What the page has to give: ids, and the places where they begin and end."""
    # A surrogate without its other half is what the page takes for U+FFFD.
    texts = [re.sub("[\ud800-\udfff]", "\ufffd", text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")) for text in texts]
    tokens = tokenize(texts, tokenizer)
    found = []
    for text, (begin, end) in zip(texts, pairwise(tokens.bounds().tolist())):
        units = in_units(text)
        spans = tokens.spans[begin + 1 : end].tolist()
        found.append([tokens.ids[begin + 1 : end].tolist(), [units[a] for a, _ in spans], [units[b] for _, b in spans]])
    return found


def encoded(tab, name: str, texts: list[str]) -> list[list[list[int]]]:
    """What the page gives."""
    return json.loads(tab.evaluate(ENCODE, [[*TOKENIZERS].index(name), json.dumps(texts)]))


def differences(tab, name: str, texts: list[str]) -> list[str]:
    """The texts that the page gives other tokens for."""
    got = encoded(tab, name, texts)
    return [text for text, here, there in zip(texts, got, expected(TOKENIZERS[name], texts)) if here != there]


HOSTILE = [
    *"aAzß_.,!?'\"\\/#$%^&*()[]{}<>|-+=~`@0123456789 \t\n\r\x00\x01\x7f",
    "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'r", "'l", "'v", "''", " '", "’s",
    "  ", "    ", "        ", "\r\n", "\n\n", " \n", "\t\t", "\x0b", "\x0c", "\x1c", "\x1f",
    "\x85", "\xa0", "\u1680", "\u180e", "\u2003", "\u200b", "\u2028", "\u202f", "\u205f", "\u2060", "\u3000", "\ufeff",
    "é", "e\u0301", "\u0301", "ǆ", "ﬁ", "Ω", "я", "א", "ع", "ไ", "ក", "中", "中文", "学习", "한국", "ᄒ", "の", "٣", "Ⅷ", "½", "²", "〇", "𝒳", "𐍈", "𝟘", "𠀀",
    "😀", "👩‍👩‍👧", "👍🏽", "🇩🇪", "❤️", "\ufffd", "\uffff", "\U0010ffff", "\ue000", "\ud83d", "\ude00", "\ud800", "\udfff",
    FILE, "<|", "|>", "def ", "return", "self.", "import", "lambda", "aab", "aaaaaaa", "abab", "ŠĠĊ", "Ġ",
]  # fmt: skip


def is_known(point: int) -> bool:
    """Whether a letter was in Unicode before this Python was made; the browser and the package may know different ones of those after."""
    return unicodedata.category(chr(point)) not in ("Cn", "Cs")


def hostile_texts(seed: int, count: int) -> list[str]:
    rng = random.Random(seed)

    def any_letter() -> str:
        while not is_known(point := rng.randrange(rng.choice([0x100, 0x3000, 0x10000, 0x32000]))):
            pass
        return chr(point)

    def text() -> str:
        few = rng.sample(HOSTILE, rng.randint(1, 8)) if rng.random() < 0.5 else HOSTILE
        return "".join(any_letter() if rng.random() < 0.1 else rng.choice(few) for _ in range(rng.randrange(30)))

    return [text() for _ in range(count)]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_any_text_gets_the_tokens_and_places_that_the_package_gives(tab, name):
    assert differences(tab, name, HOSTILE + hostile_texts(0, 3_000)) == []


def test_files_get_the_tokens_and_places_that_the_package_gives(tab):
    files = [file.text for file in python_files()]
    some = files[:: len(files) // 20]
    assert differences(tab, "the book's", some + [text.replace("\n", "\r\n").replace("    ", "\t") for text in some[:3]]) == []


def test_a_letter_is_of_the_kind_that_the_package_says(tab):
    """At both sides of every place in Unicode where letters, digits and others meet."""
    known = [point for point in range(0x110000) if is_known(point)]
    kinds = [unicodedata.category(chr(point))[0] for point in known]
    edges = [point for i, point in enumerate(known) if kinds[max(0, i - 1)] != kinds[i] or kinds[i] != kinds[min(i + 1, len(kinds) - 1)]]
    assert len(edges) > 1_500
    spaces = [point for point in range(0x3001) if chr(point).isspace()]
    assert differences(tab, "kinds", [chr(point) + sign for point in edges + spaces + known[::200] for sign in "a1!"]) == []


def test_half_of_a_surrogate_pair_is_read_as_a_letter_that_is_unknown(tab):
    texts = ["\ud83d", "a\ude00b", "\ude00\ud83d", " \ud83d \ud83d\ude00"]
    found = encoded(tab, "bytes", texts)
    unknown = TOKENIZERS["bytes"].encode("\ufffd").ids
    assert found[0] == [unknown, [0] * 3, [1] * 3]
    assert found[1][0][1:4] == unknown and found[1][1:] == [[0, 1, 1, 1, 2], [1, 2, 2, 2, 3]]
    assert differences(tab, "bytes", texts) == []


LONG = {
    "letters": "a" * 100_000,
    "two letters": "ab" * 100_000,
    "blanks": " " * 300_000,
    "blanks and a word": " " * 300_000 + "a",
    "lines": "\r\n" * 200_000,
    "emoji": "😀" * 50_000,
    "Chinese": "中文学习" * 50_000,
    "signs": "'" * 200_000,
    "lines of code": "def f(self, x):\n        return self.x + 'it''s'\n" * 10_000,
}


MEASURE = """([which, text]) => {
  const start = performance.now();
  tokenizers[which].encode(text);
  return performance.now() - start;
}"""


@pytest.mark.parametrize("name", ["the book's", "runs"])
def test_no_text_takes_long(tab, name):
    which = [*TOKENIZERS].index(name)
    took = {}
    for words, text in LONG.items():
        took[words] = tab.evaluate(MEASURE, [which, text]) / len(text)
    # Milliseconds a letter; with work that grows as the square, it would be a hundred times as much. A machine may be busy.
    assert {words: each for words, each in took.items() if each > 0.02} == {}


def test_a_long_text_gets_the_tokens_that_the_package_gives(tab):
    assert differences(tab, "runs", [text[:5_001] for text in LONG.values()]) == []
    assert differences(tab, "the book's", [text[:5_001] for text in LONG.values()]) == []


def test_of_a_long_text_the_first_tokens_can_be_had_alone(tab):
    text = "def f(x):\n    return '中文😀'\n"
    found = tab.evaluate("(text) => [0, 1, 5, 1000].map((most) => Object.values(tokenizers[0].encode(text, most)))", text)
    ((ids, begins, ends),) = expected(TOKENIZERS["the book's"], [text])
    assert found == [[ids[:most], begins[:most], ends[:most]] for most in (0, 1, 5, 1000)]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_tokens_decoded_alone_are_what_the_package_says(tab, name):
    tokenizer = TOKENIZERS[name]
    pieces = [tokenizer.decode([i], skip_special_tokens=False) for i in range(tokenizer.get_vocab_size())]
    assert tab.evaluate("(which) => tokenizers[which].pieces()", [*TOKENIZERS].index(name)) == pieces
    assert "\ufffd" in pieces and FILE in pieces


DECODE = """([which, ids]) => {
  const decoder = tokenizers[which].decoder();
  return [ids.map((id) => decoder.push(id)), decoder.end()];
}"""


def test_letters_come_when_they_are_complete(tab):
    which, tokenizer = [*TOKENIZERS].index("bytes"), TOKENIZERS["bytes"]
    ids = tokenizer.encode("aé\ufeff😀").ids
    assert tab.evaluate(DECODE, [which, ids]) == [["a", "", "é", "", "", "\ufeff", "", "", "", "😀"], ""]
    assert tab.evaluate(DECODE, [which, ids[:-1]]) == [["a", "", "é", "", "", "\ufeff", "", "", ""], "\ufffd"]
    assert tab.evaluate(DECODE, [which, [ids[1], ids[0]]]) == [["", "\ufffda"], ""]


def test_a_text_decoded_token_by_token_is_the_text(tab):
    texts = [re.sub("[\ud800-\udfff]", "\ufffd", text) for text in hostile_texts(1, 300)]
    for which, tokenizer in enumerate(TOKENIZERS.values()):
        pushed, rest = tab.evaluate(DECODE, [which, tokenize(texts, tokenizer).ids.tolist()])
        assert "".join(pushed) + rest == "".join(FILE + text for text in texts)


def test_it_works_where_there_is_no_page(tab):
    code = f"{CODE}; onmessage = ({{ data }}) => postMessage(new Tokenizer(JSON.parse(data[0])).encode(data[1]));"
    ask = """([code, packed, text]) => new Promise((done, failed) => {
      const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
      worker.onmessage = ({ data }) => done([data.ids, data.begins, data.ends]);
      worker.onerror = ({ message }) => failed(new Error(message));
      worker.postMessage([packed, text]);
    })"""
    text = "import os  # 😀"
    assert [tab.evaluate(ask, [code, pack_tokenizer(TOKENIZERS["the book's"]).decode(), text])] == expected(TOKENIZERS["the book's"], [text])


@pytest.mark.parametrize(
    "change, words",
    [
        ("packed.mark = -1", "mark is -1; expected the id of one of 257 tokens"),
        ("packed.vocab.pop()", "vocab has no token "),
        ("packed.merges.push([1, 2])", "vocab has no token "),
    ],
)
def test_what_was_packed_badly_is_refused(tab, change, words):
    attempt = f"(packed) => {{ packed = JSON.parse(packed); {change}; try {{ new Tokenizer(packed); }} catch (error) {{ return error.message; }} }}"
    assert tab.evaluate(attempt, pack_tokenizer(TOKENIZERS["bytes"]).decode()).startswith(words)


def test_a_token_that_is_not_there_is_refused(tab):
    attempt = "() => { try { tokenizers[1].decoder().push(257); } catch (error) { return error.message; } }"
    assert tab.evaluate(attempt) == "id is 257; expected that of one of 257 tokens"
