"""Files that are there whole or not at all, and tensors that are read without running code."""

import os
import signal

import pytest
import torch
from hostile import refusal, unhurried
from hypothesis import example, given
from hypothesis import strategies as st
from saelib import files
from safetensors.torch import save_file


class Full(OSError):
    """The disk is full."""


def contents(folder) -> dict[str, str]:
    return {name: (folder / name).read_text() for name in os.listdir(folder)}


@pytest.fixture
def pair(tmp_path):
    """Two places in a folder, at both of which something stands already."""
    places = tmp_path / "one", tmp_path / "two"
    for place in places:
        place.write_text("old")
    return places


def test_what_is_written_whole_takes_its_places_and_leaves_no_drafts(tmp_path):
    with files.whole(tmp_path / "one", tmp_path / "two") as (one, two):
        one.write_text("1")
        two.write_text("2")
    assert contents(tmp_path) == {"one": "1", "two": "2"}


def test_until_all_is_written_the_old_files_stay_as_they_were(pair):
    with files.whole(*pair) as (one, two):
        one.write_text("new")
        two.write_text("new")
        assert [place.read_text() for place in pair] == ["old", "old"]
    assert contents(pair[0].parent) == {"one": "new", "two": "new"}


def test_a_draft_stands_in_the_folder_of_its_place_for_a_move_to_another_disk_is_no_single_step(pair):
    with files.whole(*pair) as drafts:
        assert [draft.parent for draft in drafts] == [place.parent for place in pair]
        assert len({*drafts, *pair}) == 4
        for draft in drafts:
            draft.write_text("new")


@pytest.mark.parametrize("error", [Full(), ValueError(), KeyboardInterrupt(), PermissionError()])
@pytest.mark.parametrize("written", [0, 1, 2])
def test_writing_that_breaks_leaves_both_old_files_and_no_draft(pair, error, written):
    with pytest.raises(type(error)), files.whole(*pair) as drafts:
        for draft in drafts[:written]:
            draft.write_text("new")
        raise error
    assert contents(pair[0].parent) == {"one": "old", "two": "old"}


@pytest.mark.parametrize("written", [0, 1])
def test_a_draft_that_nobody_wrote_moves_none(pair, written):
    with pytest.raises(FileNotFoundError), files.whole(*pair) as drafts:
        drafts[written].write_text("new")
    assert contents(pair[0].parent) == {"one": "old", "two": "old"}


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_disk_that_takes_nothing_more_leaves_both_old_files_and_no_draft(pair, step, monkeypatch):
    def full(*_):
        raise Full

    monkeypatch.setattr(os, step, full)
    with pytest.raises(Full), files.whole(*pair) as drafts:
        for draft in drafts:
            draft.write_text("new")
    assert contents(pair[0].parent) == {"one": "old", "two": "old"}


def test_what_is_written_reaches_the_disk_before_it_takes_its_place(pair, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (done.append("to the disk"), fsync(file)))
    monkeypatch.setattr(os, "replace", lambda *places: (done.append("to its place"), replace(*places)))
    with files.whole(*pair) as drafts:
        for draft in drafts:
            draft.write_text("new")
        assert done == []
    assert done == ["to the disk", "to the disk", "to its place", "to its place"]


def test_a_folder_in_the_second_place_leaves_the_first_as_it_was(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("old")
    two.mkdir()
    with pytest.raises(OSError), files.whole(one, two) as drafts:
        for draft in drafts:
            draft.write_text("new")
    assert one.read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["one", "two"]


def test_what_a_killed_process_left_is_no_trouble(pair):
    child = os.fork()
    if child == 0:
        try:
            with files.whole(*pair) as drafts:
                for draft in drafts:
                    draft.write_text("half")
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert [place.read_text() for place in pair] == ["old", "old"]
    with files.whole(*pair) as drafts:
        for draft in drafts:
            draft.write_text("new")
    assert [place.read_text() for place in pair] == ["new", "new"]


def test_tensors_come_back_bit_for_bit_with_what_was_said_of_them(tmp_path):
    tensors = {
        "a": torch.tensor([[1.0, float("nan")], [-0.0, 1e-45]]),
        "b": torch.tensor(1.1, dtype=torch.float64),
        "c": torch.tensor([True, False]),
        "d": torch.arange(5, dtype=torch.uint8),
        "e": torch.zeros(0, 3),
    }
    save_file(tensors, tmp_path / "some", {"word": "ü"})
    found, said = files.read_tensors(tmp_path / "some")
    assert said == {"word": "ü"} and found.keys() == tensors.keys()
    for name, value in tensors.items():
        assert found[name].dtype == value.dtype and found[name].shape == value.shape
        assert found[name].numpy().tobytes() == value.numpy().tobytes()
    save_file(tensors, tmp_path / "none")
    assert files.read_tensors(tmp_path / "none")[1] == {}


def test_what_was_read_does_not_change_when_another_file_takes_its_place(tmp_path):
    save_file({"a": torch.ones(1000)}, tmp_path / "file")
    found, _ = files.read_tensors(tmp_path / "file")
    with files.whole(tmp_path / "file") as (draft,):
        save_file({"a": torch.zeros(1000)}, draft)
    assert (found["a"] == 1).all()
    assert (files.read_tensors(tmp_path / "file")[0]["a"] == 0).all()


@unhurried
@given(st.binary(max_size=60))
@example(b"")
@example(b"\x80\x04\x95")
@example(b"\xff" * 8)
@example(b"\x02\x00\x00\x00\x00\x00\x00\x00[]")
def test_what_is_no_safetensors_file_is_refused_by_its_name(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "no tensors"
    path.write_bytes(content)
    message = refusal(lambda: files.read_tensors(path))
    assert message.startswith(f"{path} can't be read: ") and message.endswith("; expected a whole safetensors file")


def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path):
    save_file({"a": torch.ones(3), "b": torch.ones(2, 2)}, tmp_path / "whole", {"word": "one"})
    whole = (tmp_path / "whole").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "cut").write_bytes(whole[:length])
        assert "can't be read" in refusal(lambda: files.read_tensors(tmp_path / "cut")), length


def test_a_file_that_is_missing_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        files.read_tensors(tmp_path / "nowhere")
