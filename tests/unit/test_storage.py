"""Models on disk: they come back bit for bit, in the layout that SAELens reads, and a broken file never becomes a model."""

import io
import json
import os
import pathlib
import tempfile

import pytest
import torch
from hostile import refusal, unhurried
from hypothesis import assume, example, given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from saelib import L1, Autoencoder, SparseAutoencoder, TopK, load, storage, train
from saelib.models import Model
from saelib.sparsity import Sparsity

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
MODELS = [
    lambda: SparseAutoencoder(3, 4, TopK(2), seed=5),
    lambda: SparseAutoencoder(3, 4, L1(0.1), seed=5),
    lambda: Autoencoder(3, 2, seed=5),
    lambda: Autoencoder(3, 2, (4, 5), seed=5),
]
X = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))


def trained(make) -> Model:
    model = make()
    train(model, X, steps=3, batch_size=10, lr=0.1, seed=0, progress=False)
    return model


@pytest.fixture(scope="module", params=[MODELS[0], MODELS[2]])
def files(request, tmp_path_factory) -> dict[str, bytes]:
    """The two files of a small model, as bytes by name."""
    path = tmp_path_factory.mktemp("saved")
    request.param().save(path)
    return {name: (path / name).read_bytes() for name in (CONFIG, WEIGHTS)}


def topk_files() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        MODELS[0]().save(folder)
        return {name: (pathlib.Path(folder) / name).read_bytes() for name in (CONFIG, WEIGHTS)}


def loading(files: dict[str, bytes]) -> Model:
    """load() of a folder that holds `files`."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (pathlib.Path(folder) / name).write_bytes(content)
        return load(folder)


# There and back.


@pytest.mark.parametrize("make", MODELS)
def test_a_saved_model_comes_back_bit_for_bit(make, tmp_path):
    model = trained(make)
    model.save(tmp_path / "a" / "new" / "folder")
    found = load(str(tmp_path / "a" / "new" / "folder"))
    assert type(found) is type(model) and repr(found) == repr(model)
    assert found.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in found.state_dict().items())
    assert torch.equal(found(X), model(X)) and torch.equal(found.encode(X), model.encode(X))
    assert found.loss(X).total == model.loss(X).total
    train(found, X, steps=1, batch_size=10, lr=0.1, seed=0, progress=False)


def test_saving_and_loading_leave_the_global_random_state_alone(tmp_path):
    before = torch.get_rng_state()
    for make in MODELS:
        make().save(tmp_path)
        load(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_second_save_takes_the_place_of_the_first(tmp_path):
    for make in MODELS:
        make().save(tmp_path)
        assert repr(load(tmp_path)) == repr(make())
        assert sorted(os.listdir(tmp_path)) == [CONFIG, WEIGHTS]


# The layout.

SAELENS = {
    "d_in": 3,
    "d_sae": 4,
    "dtype": "float32",
    "device": "cpu",
    "apply_b_dec_to_input": True,
    "normalize_activations": "none",
    "reshape_activations": "none",
}


@pytest.mark.parametrize(
    ("make", "own"),
    [
        (MODELS[0], {"architecture": "topk", "k": 2, "rescale_acts_by_decoder_norm": False, "metadata": {}}),
        (MODELS[1], {"architecture": "standard", "metadata": {"coefficient": 0.1}}),
    ],
)
def test_a_sparse_autoencoder_is_described_by_the_keys_that_saelens_knows(make, own, tmp_path):
    make().save(tmp_path)
    assert json.loads((tmp_path / CONFIG).read_text("utf-8")) == {**SAELENS, **own}


def test_the_weights_are_float32_under_their_own_names_and_the_right_way_round(tmp_path):
    sae = MODELS[0]().double()
    sae.save(tmp_path)
    tensors = load_file(tmp_path / WEIGHTS)
    assert {name: tuple(value.shape) for name, value in tensors.items()} == {
        "W_enc": (3, 4), "b_enc": (4,), "W_dec": (4, 3), "b_dec": (3,),
    }  # fmt: skip
    assert all(value.dtype == torch.float32 for value in tensors.values())
    assert torch.equal(tensors["W_dec"], sae.W_dec.float()) and torch.equal(tensors["W_enc"], sae.W_enc.float())


def test_what_stands_beside_the_widths_goes_before_the_metadata():
    files = topk_files()
    config = {**json.loads(files[CONFIG]), "k": 1, "metadata": {"k": 3, "sae_lens_version": "6.54.12"}}
    assert loading({**files, CONFIG: json.dumps(config).encode()}).sparsity.k == 1


# Saving: all or nothing.


def half(tensors, place):
    pathlib.Path(place).write_bytes(b"half")
    raise OSError("no space left")


def test_a_save_that_breaks_leaves_what_was_there_and_nothing_else(tmp_path, monkeypatch):
    old, new = trained(MODELS[0]), MODELS[3]()
    old.save(tmp_path)
    content = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}

    def breaks(owner, name, replacement):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, replacement)
            with pytest.raises(OSError, match="no space left"):
                new.save(tmp_path)
        assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == content

    def full(*_, **__):
        raise OSError("no space left")

    breaks(storage, "save_file", half)
    breaks(pathlib.Path, "write_text", lambda place, text, **_: half(text, place))
    breaks(os, "replace", full)
    new.save(tmp_path)
    assert repr(load(tmp_path)) == repr(new)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("make", MODELS)
def test_a_weight_that_is_not_finite_is_never_saved(make, value, tmp_path):
    model = make()
    name, weight = next(iter(model.state_dict().items()))
    weight[1, 2] = value
    assert refusal(lambda: model.save(tmp_path / "new")) == f"{name} holds {value} at (1, 2); expected finite numbers only"
    assert not (tmp_path / "new").exists()


def test_a_model_that_could_not_be_read_back_is_never_saved(tmp_path):
    class Mine(Sparsity):
        architecture = "mine"

        def activate(self, pre):
            return pre

    class MyTopK(TopK):
        def activate(self, pre):
            return -super().activate(pre)

    for brick in (Mine(), MyTopK(2)):
        message = refusal(lambda: SparseAutoencoder(3, 4, brick).save(tmp_path / "new"))
        assert f"sparsity is {brick!r}; expected a brick that load() knows" in message
    assert "expected a saelib model" in refusal(lambda: Model().save(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_a_file_in_the_place_of_the_folder_is_refused_and_kept(tmp_path):
    place = tmp_path / "model"
    place.write_text("precious")
    assert refusal(lambda: MODELS[0]().save(place)).startswith(f"path is {str(place)!r}, which is a file")
    assert place.read_text() == "precious"


# Loading: what is missing, broken or wrong is named.


def test_what_is_missing_is_named(tmp_path):
    MODELS[0]().save(tmp_path / "model")
    (tmp_path / "model" / CONFIG).rename(tmp_path / CONFIG)
    (tmp_path / "model" / "cfg.json").mkdir()
    (tmp_path / "file").touch()
    for path, missing in [
        (tmp_path / "nowhere", tmp_path / "nowhere"),
        (tmp_path / "file", tmp_path / "file"),
        (tmp_path / "model", tmp_path / "model" / CONFIG),
        (tmp_path, tmp_path / WEIGHTS),
    ]:
        with pytest.raises(FileNotFoundError) as error:
            load(path)
        assert str(error.value).startswith(f"{missing} is missing; expected a folder with {CONFIG} and {WEIGHTS}")


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_file_that_is_cut_off_anywhere_is_refused_by_its_name(files, name):
    whole = files[name].rstrip()
    for length in range(len(whole)):
        assert name in refusal(lambda: loading({**files, name: whole[:length]})), length


@unhurried
@given(st.sampled_from([CONFIG, WEIGHTS]), st.integers(0, 10**6), st.binary(min_size=1, max_size=3))
@example(CONFIG, 0, b"\xff")
def test_a_file_with_changed_bytes_gives_a_finite_model_or_is_refused(name, place, change):
    files = topk_files()
    content = bytearray(files[name])
    place %= len(content)
    content[place : place + len(change)] = change
    try:
        model = loading({**files, name: bytes(content)})
    except ValueError as error:
        assert CONFIG in str(error) or WEIGHTS in str(error)
    else:
        assert all(torch.isfinite(value).all() for value in model.state_dict().values())


@unhurried
@given(st.binary(max_size=40))
@example(b"[" * 200_000)
@example(b"[]")
@example(b"null")
@example(b'{"architecture": "topk"')
def test_a_description_that_is_no_json_object_is_refused(content):
    assert f"{CONFIG} can't be read: " in refusal(lambda: loading({**topk_files(), CONFIG: content}))


@pytest.mark.parametrize("missing", ["architecture", "d_in", "d_sae", "k"])
def test_a_description_that_lacks_something_is_refused(missing):
    files = topk_files()
    config = json.loads(files[CONFIG])
    del config[missing]
    message = refusal(lambda: loading({**files, CONFIG: json.dumps(config).encode()}))
    assert CONFIG in message and missing in message


some_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
# What a value of the description may be, with weights that are 3 and 4 wide.
KNOWN = {
    "architecture": ["topk", "standard", "autoencoder"],
    "d_in": [3, 4],
    "d_sae": [3, 4],
    "k": [1, 2, 3, 4],
    "apply_b_dec_to_input": [True],
    "normalize_activations": ["none"],
    "reshape_activations": ["none"],
    "rescale_acts_by_decoder_norm": [False],
}


def described_with(**changed) -> dict[str, bytes]:
    """The files of a model with other values in its description."""
    files = topk_files()
    return {**files, CONFIG: json.dumps({**json.loads(files[CONFIG]), **changed}).encode()}


@unhurried
@given(st.sampled_from([*KNOWN, "metadata"]), some_json)
@example("d_sae", 10**15)
@example("d_sae", -1)
@example("d_in", [3])
@example("d_in", 3.0)
@example("k", 5)
@example("k", 10**400)
@example("k", True)
@example("architecture", "jumprelu")
@example("normalize_activations", "layer_norm")
@example("apply_b_dec_to_input", False)
@example("rescale_acts_by_decoder_norm", True)
@example("metadata", None)
def test_a_wrong_value_in_a_description_is_named(name, value):
    files = described_with(**{name: value})
    assume(not any(value == known and type(known) in (type(value), bool) for known in KNOWN.get(name, [])))
    assume(name != "metadata" or not isinstance(value, dict))
    assert f"{CONFIG}: {name} is {value!r}; " in refusal(lambda: loading(files))


def test_a_description_of_another_model_is_refused():
    assert "coefficient' is missing" in refusal(lambda: loading(described_with(architecture="standard")))
    assert "d_code' is missing" in refusal(lambda: loading(described_with(architecture="autoencoder")))
    assert "W_dec has shape (4, 3); expected (4, 4) from cfg.json" in refusal(lambda: loading(described_with(d_in=4)))
    assert "W_dec has shape (4, 3); expected (3, 3) from cfg.json" in refusal(lambda: loading(described_with(d_sae=3)))


@pytest.mark.parametrize("hidden", [5, "45", [4], [4, 5.0], [4, 10**15], None, [[4, 5]], {"4": 5}])
def test_hidden_widths_that_are_not_those_of_the_weights_are_refused(hidden, tmp_path):
    MODELS[3]().save(tmp_path)
    config = json.loads((tmp_path / CONFIG).read_text())
    (tmp_path / CONFIG).write_text(json.dumps({**config, "hidden": hidden}))
    message = refusal(lambda: load(tmp_path))
    assert CONFIG in message and ("hidden" in message or "holds ['decoder.0.bias'" in message)


def test_weights_that_are_not_those_described_are_refused():
    files = topk_files()
    good = {name: value.detach() for name, value in MODELS[0]().state_dict().items()}

    def said(tensors) -> str:
        with tempfile.TemporaryDirectory() as folder:
            save_file({name: value.contiguous() for name, value in tensors.items()}, pathlib.Path(folder) / WEIGHTS)
            content = (pathlib.Path(folder) / WEIGHTS).read_bytes()
        return refusal(lambda: loading({**files, WEIGHTS: content}))

    names = "expected ['W_dec', 'W_enc', 'b_dec', 'b_enc']"
    assert f"{WEIGHTS} holds ['W_dec', 'W_enc', 'b_dec']; {names}" in said({name: good[name] for name in ("W_dec", "W_enc", "b_dec")})
    assert f"{WEIGHTS} holds ['W_dec', 'W_enc', 'b_dec', 'b_enc', 'more']; {names}" in said({**good, "more": torch.zeros(1)})
    swapped = {**good, "W_enc": good["W_dec"], "W_dec": good["W_enc"]}
    assert f"{WEIGHTS}: W_" in said(swapped)
    assert f"{WEIGHTS}: W_enc has shape (4, 3); expected (3, 4) from cfg.json" in said({**good, "W_enc": good["W_enc"].T})
    assert f"{WEIGHTS}: b_enc has shape (4, 1); expected (4,)" in said({**good, "b_enc": good["b_enc"][:, None]})
    assert f"{WEIGHTS}: b_dec has dtype torch.int32" in said({**good, "b_dec": good["b_dec"].int()})
    spoiled = {**good, "b_dec": torch.tensor([0.0, float("nan"), 0.0])}
    assert f"{WEIGHTS}: b_dec holds nan at (1,)" in said(spoiled)


class Trap:
    def __reduce__(self):
        return os.mkdir, (os.environ["SAELIB_TRAP"],)


def test_a_file_of_weights_can_not_run_code(tmp_path, monkeypatch):
    monkeypatch.setenv("SAELIB_TRAP", str(tmp_path / "sprung"))
    MODELS[0]().save(tmp_path)
    torch.save(Trap(), tmp_path / WEIGHTS)
    assert f"{WEIGHTS} can't be read" in refusal(lambda: load(tmp_path))
    assert not (tmp_path / "sprung").exists()
    torch.load(io.BytesIO((tmp_path / WEIGHTS).read_bytes()), weights_only=False)
    assert (tmp_path / "sprung").exists(), "the trap does spring where a pickle is read"
