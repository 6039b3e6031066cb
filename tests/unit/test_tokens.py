"""Python's standard library as text, and text as tokens: the same files on both sides everywhere, and no character lost."""

import functools
from pathlib import Path

import pytest
import torch
from hostile import not_a_count, refusal, unhurried
from hypothesis import example, given
from hypothesis import strategies as st
from saelib import data
from saelib.data import PythonFile, Tokens, windows
from saelib.data.python_files import HELD_OUT, LEFT_OUT, NOT_EVERYWHERE, python_files
from saelib.data.tokens import FILE, tokenize, train_tokenizer

# Which of these are held out is a fact about their names, written down here once.
SIDES = {"ast.py": False, "json/decoder.py": False, "contextlib.py": True, "email/parser.py": True}


def folder_of(root: Path, texts: dict[str, str | bytes]) -> Path:
    """A folder with these files in it."""
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


@functools.cache
def library() -> list[PythonFile]:
    return python_files()


# The files.


def test_the_standard_library_has_hundreds_of_files_and_about_one_in_eight_is_held_out():
    everywhere = [file for file in library() if file.name.split("/")[0] not in NOT_EVERYWHERE]
    assert len(everywhere) > 300
    assert 0.6 < HELD_OUT * sum(file.held_out for file in everywhere) / len(everywhere) < 1.4
    assert sum(len(file.text) for file in library()) > 5_000_000
    assert all(file.text and "\r\n" not in file.text and not file.text.startswith("\ufeff") for file in library())


def test_files_come_in_the_order_of_their_paths_and_each_once():
    names = [file.name for file in library()]
    assert names == sorted(names, key=lambda name: name.split("/")) and len(set(names)) == len(names)
    assert {"ast.py", "json/decoder.py"} <= set(names)


def test_a_file_is_held_out_by_its_name_alone_whatever_else_is_there(tmp_path):
    alone = {name: python_files(folder_of(tmp_path / str(i), {name: "x = 1\n"})) for i, name in enumerate(SIDES)}
    together = python_files(folder_of(tmp_path / "all", {name: f"# {name}\n" for name in SIDES} | {"mine.py": "y = 2\n"}))
    assert {name: file.held_out for name, (file,) in alone.items()} == SIDES
    assert {file.name: file.held_out for file in together if file.name != "mine.py"} == SIDES
    assert {file.name: file.held_out for file in library() if file.name in SIDES} == SIDES


def test_nothing_is_measured_on_parts_that_some_machines_lack(tmp_path):
    names = [f"{part}/{i}.py" for part in NOT_EVERYWHERE for i in range(30)]
    found = python_files(folder_of(tmp_path, dict.fromkeys(names, "x = 1\n")))
    assert len(found) == len(names) and not any(file.held_out for file in found)


def test_tests_and_other_peoples_packages_are_left_out_at_any_depth(tmp_path):
    left_out = {f"{place}{part}/a.py": "x = 1\n" for part in LEFT_OUT for place in ("", "json/", "a/b/")}
    others = {
        "_sysconfigdata__linux.py": "x = 1\n",
        "config-3.11-linux/a.py": "x = 1\n",
        "sitecustomize.py": "x = 1\n",
        "notes.txt": "x",
        "empty.py": "",
        "latin.py": b"# caf\xe9\n",
    }
    kept = {"test.py": "x = 1\n", "tests.py": "x = 1\n", "latest/a.py": "x = 1\n"}
    found = python_files(folder_of(tmp_path, left_out | others | kept))
    assert {file.name for file in found} == set(kept)


def test_line_ends_and_a_mark_of_byte_order_do_not_make_another_text(tmp_path):
    folder_of(tmp_path, {"a.py": "x = 'é'\ny = 2\n", "b.py": "\ufeffx = 'é'\r\ny = 2\r\n", "c.py": "\ufeff", "d.py": "a\rb\n"})
    assert {file.name: file.text for file in python_files(tmp_path)} == {
        "a.py": "x = 'é'\ny = 2\n", "b.py": "x = 'é'\ny = 2\n", "d.py": "a\rb\n",
    }  # fmt: skip


def test_a_folder_that_is_missing_and_one_without_python_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.*expected that of Python's standard library"):
        python_files(tmp_path / "nowhere")
    (tmp_path / "file.py").write_text("x = 1\n")
    with pytest.raises(FileNotFoundError, match="no folder"):
        python_files(tmp_path / "file.py")
    (tmp_path / "empty").mkdir()
    message = refusal(lambda: python_files(str(tmp_path / "empty")))
    assert "folder is" in message and "has no Python files" in message


# The tokens.

TEXT = "def mean(numbers):\n    return sum(numbers) / len(numbers)\n" * 4


@functools.cache
def tokenizer():
    return train_tokenizer([TEXT, "# größer, 猫 und 😀\n" * 3], 300)


any_text = st.text(st.characters(codec="utf-8"), max_size=40) | st.text("ab (\n\té猫😀", max_size=40)


@unhurried
@given(st.lists(any_text, min_size=1, max_size=4))
@example([""])
@example([FILE, f"x{FILE}{FILE}"])
@example(["\ufeff\r\n\x00", "  \u2028  ", TEXT])
def test_any_text_comes_back_from_its_tokens_and_every_token_from_its_span(texts):
    tokens = tokenize(texts, tokenizer())
    assert len(tokens.ids) == len(tokens.spans) == len(tokens.file)
    assert tokens.ids.dtype == tokens.spans.dtype == tokens.file.dtype == torch.int64
    for number, text in enumerate(texts):
        (mark, *ids), (begin, *spans) = (part[tokens.file == number].tolist() for part in (tokens.ids, tokens.spans))
        assert mark == 0 and 0 not in ids and begin == [0, 0]
        assert tokenizer().decode(ids) == text
        ends = 0
        for one, (start, end) in zip(ids, spans):
            piece = text[start:end]
            assert start < end and ends - 1 <= start <= ends  # one back: within a character of several bytes
            if start < ends:
                assert len(text[start].encode()) > 1
            if all(ord(character) < 128 for character in piece):
                assert tokenizer().decode([one]) == piece
            ends = max(ends, end)
        assert ends == len(text)


def test_a_span_counts_characters_where_a_character_takes_several_bytes():
    tokens = tokenize(["é猫x"], train_tokenizer(["abc"], 257))
    assert tokens.spans.tolist() == [[0, 0], *[[0, 1]] * 2, *[[1, 2]] * 3, [2, 3]]


def test_a_tokenizer_joins_what_is_frequent_and_is_the_same_each_time():
    first, second = (train_tokenizer([TEXT], 280) for _ in range(2))
    assert first.to_str() == second.to_str()
    assert first.get_vocab_size() == 280 and first.token_to_id(FILE) == 0
    assert len(tokenize([TEXT], first).ids) < len(TEXT) / 2


@unhurried
@given(not_a_count | st.integers(max_value=256))
@example(256)
def test_fewer_tokens_than_bytes_and_the_mark_are_refused(n_tokens):
    assert refusal(lambda: train_tokenizer(["abc"], n_tokens)).startswith(f"n_tokens is {n_tokens!r}")
    assert train_tokenizer(["abc"], 257).get_vocab_size() == 257


@pytest.mark.parametrize("bad", [None, float("nan"), b"x = 1", 3, ["x"], "x = '\ud800'"])
def test_what_is_no_text_is_named_by_its_place(bad):
    for do in (lambda texts: tokenize(texts, tokenizer()), lambda texts: train_tokenizer(texts, 300)):
        message = refusal(lambda: do(["x = 1\n", bad]))
        assert message.startswith("texts[1] holds '\\ud800' at 5" if isinstance(bad, str) else f"texts[1] is {bad!r}, of type {type(bad).__name__}")
    for none in (None, 5, b"x"):
        assert refusal(lambda: tokenize(none, tokenizer())).startswith(f"texts is {none!r}; expected")
    assert "tokenizer is of type str" in refusal(lambda: tokenize(["x"], "gpt2"))


def test_texts_may_come_from_a_generator_and_a_tokenizer_within_a_wrapper():
    wrapper = type("Fast", (), {"backend_tokenizer": tokenizer()})()
    for one, other in zip(tokenize((text for text in [TEXT, "x"]), wrapper), tokenize([TEXT, "x"], tokenizer()), strict=True):
        assert torch.equal(one, other)


def test_whatever_a_tokenizer_was_set_to_it_reads_whole_texts_and_is_so_again_afterwards():
    from tokenizers import processors

    texts = ["x = 1\n", "x = 1\n" * 9]
    plain = tokenize(texts, tokenizer())
    trimming = processors.ByteLevel(trim_offsets=True)
    for setting in (
        lambda t: t.enable_truncation(8, stride=2, direction="left"),
        lambda t: t.enable_padding(length=30, pad_id=3, pad_token="x"),
        lambda t: setattr(t.model, "dropout", 0.5),
        lambda t: setattr(t, "encode_special_tokens", False),
        lambda t: setattr(t, "post_processor", trimming),
    ):
        own = train_tokenizer([TEXT], tokenizer().get_vocab_size())
        setting(own)
        before = own.to_str(), own.truncation, own.padding, own.model.dropout, own.encode_special_tokens
        for one, other in zip(tokenize(texts, own), plain, strict=True):
            assert torch.equal(one, other)
        with pytest.raises(ValueError):
            tokenize([*texts, None], own)
        assert (own.to_str(), own.truncation, own.padding, own.model.dropout, own.encode_special_tokens) == before


def test_no_texts_are_refused_nor_one_alone_nor_a_mark_that_the_tokenizer_does_not_know():
    assert refusal(lambda: tokenize([], tokenizer())).startswith("texts is []; expected at least one text")
    assert refusal(lambda: tokenize("def", tokenizer())).startswith("texts is 'def'; expected at least one text, in a list")
    assert refusal(lambda: tokenize(["def"], tokenizer(), mark="<end>")) == "mark is '<end>'; expected a token of the tokenizer"


def test_each_text_begins_with_the_mark_that_its_model_knows():
    assert tokenize(["a", "b"], tokenizer(), mark="b").ids.tolist() == [tokenizer().token_to_id(one) for one in "babb"]


def test_what_follows_a_token_is_the_next_one_of_its_file():
    following, there = Tokens(torch.tensor([0, 5, 6, 0, 0, 7]), torch.zeros(6, 2), torch.tensor([0, 0, 0, 1, 2, 2])).following()
    assert there.tolist() == [True, True, False, False, True, False]
    assert following[there].tolist() == [5, 6, 7]
    assert following.shape == (6,) and following.dtype == torch.int64


# The windows.


def row(lengths: list[int]) -> Tokens:
    """Files of so many tokens, each token with a number of its own."""
    n = sum(lengths)
    file = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    return Tokens(torch.arange(n) + 1000, torch.zeros(n, 2, dtype=torch.int64), file)


@unhurried
@given(st.lists(st.integers(1, 23), min_size=1, max_size=5), st.integers(2, 12), st.integers(1, 7))
@example([1], 2, 1)
@example([8, 9, 4, 5], 8, 3)
@example([7, 8, 3, 4, 14], 7, 2)
def test_windows_give_each_token_once_with_enough_of_its_file_before_it(lengths, context, size):
    tokens = row(lengths)
    begin = torch.tensor([0, *lengths]).cumsum(0)[:-1][tokens.file]
    found = []
    for inputs, keep, where in windows(tokens, context, size):
        assert inputs.shape == keep.shape and inputs.shape[1] <= context and 1 <= inputs.numel() <= size * context
        assert keep[:, -1].any()  # no wider than the longest of them needs
        assert keep.dtype == torch.bool and inputs.dtype == where.dtype == torch.int64
        assert torch.equal(inputs[keep], tokens.ids[where])
        window, place = keep.nonzero().T
        for w, p, at in zip(window.tolist(), place.tolist(), where.tolist()):
            assert p >= context // 2 or at - p == begin[at]  # half a context, or all from the beginning
            assert at - p >= begin[at]  # nothing of another file
            assert inputs[w, : p + 1].tolist() == tokens.ids[at - p : at + 1].tolist()
        found += where.tolist()
    assert sorted(found) == list(range(len(tokens.ids)))


def test_windows_come_so_many_at_a_time_and_the_last_ones_are_what_is_left():
    assert [len(inputs) for inputs, _, _ in windows(row([8] * 5), 8, 2)] == [2, 2, 1]
    assert [len(inputs) for inputs, _, _ in windows(row([100]), 10)] == [16, 3]


def test_short_texts_come_many_at_a_time_and_hold_no_more_places_than_tokens():
    found = [tuple(inputs.shape) for inputs, _, _ in windows(row([5] * 1500 + [7] * 3), 512)]
    assert found == [(1170, 7), (333, 5)]


def test_a_text_no_longer_than_a_context_is_one_window():
    for length in range(1, 9):
        ((inputs, keep, where),) = windows(row([length]), 8)
        assert inputs.shape == (1, length) and keep.all() and where.tolist() == list(range(length))


@unhurried
@given(not_a_count)
def test_a_context_without_two_halves_and_windows_none_at_a_time_are_refused(value):
    assert refusal(lambda: list(windows(row([3]), value))).startswith(f"context is {value!r}")
    assert refusal(lambda: list(windows(row([3]), 4, value))).startswith(f"size is {value!r}")
    assert refusal(lambda: list(windows(row([3]), 1))).startswith("context is 1; ")


def test_the_parts_are_given_by_the_data_room():
    assert data.python_files is python_files and data.train_tokenizer is train_tokenizer
