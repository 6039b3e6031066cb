"""Texts of one's own: which files are taken, how they are cut, what is held out, and how they are found again."""

import json
import os

import pytest
from hostile import refusal, unhurried
from hypothesis import given
from hypothesis import strategies as st
from saelib import data
from saelib.data.python_files import drawn
from saelib.data.text_files import LEAST, MOST, PIECE, RECORD, _held_from, _pieces, fingerprint, text_files, texts_of

LETTERS = "Dear reader,\n\nit rains again, and the cat sleeps on the letters.\n"


def folder_of(root, texts):
    """A folder with these files in it."""
    root.mkdir(exist_ok=True)
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def whole(files) -> dict[str, str]:
    """The text of each file, put together again from its pieces."""
    texts: dict[str, str] = {}
    for file in files:
        name = file.name.rpartition(", part ")[0] or file.name
        texts[name] = texts.get(name, "") + file.text
    return texts


def shares(files) -> list[int]:
    return [sum(len(file.text) for file in files if file.held_out == side) for side in (False, True)]


# Which files.


def test_every_file_that_reads_as_text_is_taken_by_name_whatever_its_ending(tmp_path):
    kept = {"b.md": "one", "a/c": "two", "with a space.txt": "three", "Straße/日記.txt": "four é 日本", "z.py": "five", "a/b/c/d.csv": "six"}
    assert whole(text_files(folder_of(tmp_path / "texts", kept))) == kept
    names = [file.name.partition(",")[0] for file in text_files(str(tmp_path / "texts"))]
    assert names == sorted(names) and data.text_files is text_files


def test_what_is_left_out_is_told_with_the_reason(tmp_path):
    out = {
        ".hidden": "x1", ".git/config": "x2", "a/.b/c": "x3", "zeros": bytes(1000), "picture.png": b"\x89PNG\r\n\xff\xfe", "utf16": "x4".encode("utf-16"),
        "empty": "", "blank": " \r\n\n", "mark": "\ufeff", "twice.txt": LETTERS,
    }  # fmt: skip
    folder = folder_of(tmp_path / "texts", {"letter.txt": LETTERS, **out})
    said: list[str] = []
    assert whole(text_files(folder, say=said.append)) == {"letter.txt": LETTERS}
    assert said == [f"left out of {folder}: 3 empty, 3 hidden, 2 not in UTF-8, 1 the same as another, 1 with zero bytes"]
    assert text_files(folder_of(tmp_path / "clean", {"a": LETTERS}), say=lambda text: pytest.fail(text))


def test_no_link_is_followed_and_no_pipe_is_waited_for(tmp_path):
    folder = folder_of(tmp_path / "texts", {"letter.txt": LETTERS})
    folder_of(tmp_path / "other", {"secret.txt": "secret"})
    (folder / "file").symlink_to(tmp_path / "other" / "secret.txt")
    (folder / "folder").symlink_to(tmp_path / "other")
    (folder / "round").symlink_to(folder)
    (folder / "nowhere").symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / "pipe")
    said: list[str] = []
    assert whole(text_files(folder, say=said.append)) == {"letter.txt": LETTERS}
    assert said[0].endswith(": 4 linked, 1 special")
    (tmp_path / "link").symlink_to(folder)  # the folder itself may be one
    assert text_files(tmp_path / "link") == text_files(folder)


def test_line_ends_and_a_mark_of_byte_order_do_not_make_another_text(tmp_path):
    folder_of(tmp_path / "texts", {"a": "\ufeffone\r\ntwo\r\n", "b": "three\rfour\n"})
    assert whole(text_files(tmp_path / "texts")) == {"a": "one\ntwo\n", "b": "three\rfour\n"}


def test_a_file_that_can_not_be_read_is_told_of(tmp_path, monkeypatch):
    folder = folder_of(tmp_path / "texts", {"a": LETTERS, "b": "mine"})
    own = type(folder).read_bytes

    def denied(path):
        if path.name == "b":
            raise PermissionError(13, "Permission denied")
        return own(path)

    monkeypatch.setattr(type(folder), "read_bytes", denied)
    said: list[str] = []
    assert whole(text_files(folder, say=said.append)) == {"a": LETTERS} and said[0].endswith(": 1 unreadable")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_files_and_folders_without_permission_are_told_of(tmp_path):
    folder = folder_of(tmp_path / "texts", {"a": LETTERS, "b": "mine", "c/d": "mine too"})
    (folder / "b").chmod(0)
    (folder / "c").chmod(0)
    said: list[str] = []
    try:
        assert whole(text_files(folder, say=said.append)) == {"a": LETTERS} and said[0].endswith(": 2 unreadable")
        folder.chmod(0)
        assert "1 unreadable" in refusal(lambda: text_files(folder))
    finally:
        for path in (folder, folder / "b", folder / "c"):
            path.chmod(0o700)


def test_a_name_that_is_no_unicode_is_read_too(tmp_path):
    folder = folder_of(tmp_path / "texts", {"a": LETTERS})
    try:
        (tmp_path / "texts" / os.fsdecode(b"caf\xe9")).write_text("bitter")
    except OSError:
        pytest.skip("this disk has names in Unicode only")
    files = text_files(folder)
    assert whole(files) == {"a": LETTERS, "caf\ufffd": "bitter"} and len(fingerprint(files)) == 16


def test_what_holds_no_text_is_refused_with_the_reason(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere'.*is missing; expected a folder of texts, or a file"):
        text_files(tmp_path / "nowhere")
    assert "has no text in UTF-8; expected" in refusal(lambda: text_files(folder_of(tmp_path / "empty", {})))
    assert "(left out: 1 hidden, 1 with zero bytes)" in refusal(lambda: text_files(folder_of(tmp_path / "zeros", {"a": bytes(99), ".b": "x"})))
    assert "left out: 1 not in UTF-8" in refusal(lambda: text_files(folder_of(tmp_path / "one", {"a": b"\xff"}) / "a"))
    assert "has no text" in refusal(lambda: text_files(folder_of(tmp_path / "short", {"a": "x", "b": "y"})))
    os.mkfifo(tmp_path / "pipe")
    assert "neither a folder nor a file" in refusal(lambda: text_files(tmp_path / "pipe"))
    for bad in (None, 3, b"x", ["a"]):
        assert "expected the path" in refusal(lambda: text_files(bad))
    with pytest.raises(FileNotFoundError):
        text_files("a\0b")


# What is held out, and the pieces.


def test_of_many_files_the_name_decides_as_it_does_for_the_library(tmp_path):
    texts = {f"{number}.txt": f"{number} {LETTERS}" for number in range(80)}
    files = text_files(folder_of(tmp_path / "texts", texts))
    assert {file.name: file.held_out for file in files} == {name: drawn(name) for name in texts}
    assert LEAST < shares(files)[1] / sum(shares(files)) < MOST
    (tmp_path / "texts" / "new.txt").write_text("new")
    assert [file for file in text_files(tmp_path / "texts") if file.name != "new.txt"] == files


@pytest.mark.parametrize("name", ["contextlib.py", "book.txt"])  # the lot falls on the first alone, and on its own it would be all
def test_of_one_text_the_end_is_held_out(tmp_path, name):
    text = "".join(f"Chapter {number}.\n\n{LETTERS}\n" for number in range(300))
    files = text_files(folder_of(tmp_path / "texts", {name: text}) / name)
    assert whole(files) == {name: text} and [file.held_out for file in files] == sorted(file.held_out for file in files)
    assert [file.name for file in files] == [f"{name}, part {number}" for number in range(1, len(files) + 1)]
    learned, held = shares(files)
    assert 0.1 <= held / (learned + held) <= 0.2
    assert all(file.text.endswith("\n\n") for file in files) and all(PIECE / 2 < len(file.text) <= PIECE for file in files[:-2])


def test_of_few_texts_the_end_of_the_longest_is_held_out(tmp_path):
    files = text_files(folder_of(tmp_path / "texts", {"a": "short", "b": 9 * LETTERS, "c": LETTERS}))
    assert [(file.name, file.held_out) for file in files] == [("a", False), ("b, part 1", False), ("b, part 2", True), ("c", False)]


def test_a_huge_line_is_cut_all_the_same():
    assert [*map(len, _pieces("x" * 25_000))] == [PIECE, PIECE, 5_000]
    words = "word " * 10_000
    assert all(piece.endswith(" ") for piece in _pieces(words)) and "".join(_pieces(words)) == words


@unhurried
@given(st.lists(st.tuples(st.text(min_size=1, max_size=5), st.text(min_size=1, max_size=60)), min_size=1, max_size=12))
def test_there_is_always_something_to_learn_and_something_held_out(texts):
    if max(len(text) for _, text in texts) < 2:
        return
    try:
        places = _held_from(texts)
    except UnicodeEncodeError:  # a half of a surrogate pair, as no name has by then
        return
    held = sum(len(text) - place for (_, text), place in zip(texts, places))
    assert 0 < held < sum(len(text) for _, text in texts) and all(0 <= place <= len(text) for (_, text), place in zip(texts, places))


@unhurried
@given(st.text(alphabet="ab \n", max_size=60))
def test_pieces_are_the_whole_text_and_none_is_too_long(text):
    long = text * (3 * PIECE // max(1, len(text)))
    pieces = [*_pieces(long)]
    assert "".join(pieces) == long and all(0 < len(piece) <= PIECE for piece in pieces)


@unhurried
@given(
    st.dictionaries(
        st.from_regex(r"[a-c]{1,2}( [a-c])?", fullmatch=True), st.binary(max_size=30) | st.text(max_size=30).map(str.encode), max_size=6
    )
)
def test_any_small_folder_gives_its_texts_or_is_refused(tmp_path_factory, texts):
    folder = folder_of(tmp_path_factory.mktemp("any") / "texts", texts)
    try:
        files = text_files(folder)
    except ValueError as error:
        assert "has no text" in str(error)
        return
    assert all(shares(files)) and text_files(folder) == files and set(whole(files)) <= set(texts)
    assert all(texts[name].decode("utf-8-sig").replace("\r\n", "\n") == text for name, text in whole(files).items())


# Found again.


def noted(folder, **record):
    folder.mkdir(exist_ok=True)
    (folder / RECORD).write_text(json.dumps(record), encoding="utf-8")
    return folder


def test_the_texts_of_a_gpt_are_found_again_and_others_are_refused(tmp_path):
    texts = folder_of(tmp_path / "texts", {"a": LETTERS, "b": "two"})
    files = text_files(texts)
    gpt = noted(tmp_path / "gpt", texts=str(texts), labels="none", files=fingerprint(files))
    assert texts_of(gpt) == (files, "none")
    assert "in the folder of the texts" in refusal(lambda: texts_of(gpt, out=texts / "sae"))
    (texts / "b").write_text("other")
    assert "holds other texts than the GPT in" in refusal(lambda: texts_of(gpt))
    texts.rename(tmp_path / "moved")
    with pytest.raises(FileNotFoundError, match="if they have moved, write where to into .*texts.json"):
        texts_of(gpt)


def test_without_a_note_the_texts_are_those_of_pythons_library(tmp_path):
    for folder, labels in ((tmp_path, "python"), (noted(tmp_path / "gpt", texts=None, labels="none", files=""), "none")):
        files, found = texts_of(folder)
        assert found == labels and len(files) > 300


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"texts": 3, "labels": "none", "files": ""}', '{"texts": null, "labels": "x", "files": ""}', "\udcff"]
)
def test_a_note_that_says_something_else_is_refused(tmp_path, text):
    (tmp_path / RECORD).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert "texts.json can't be read" in refusal(lambda: texts_of(tmp_path))
