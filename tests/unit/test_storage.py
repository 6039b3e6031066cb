"""Models on disk: they come back bit for bit, in the layout that SAELens reads, and a broken file never becomes a model."""

import functools
import io
import json
import os
import pathlib
import tempfile

import pytest
import safetensors.torch
import torch
from hostile import refusal, unhurried
from hypothesis import assume, example, given
from hypothesis import strategies as st
from saelib import KL, L1, Autoencoder, BatchTopK, Drawers, Gated, JumpReLU, Matryoshka, SparseAutoencoder, TopK, files, load, storage, train
from saelib.models import Model
from saelib.sparsity import Sparsity
from safetensors.torch import load_file, save, save_file

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
BRICKS = {
    "TopK": lambda: TopK(2),
    "BatchTopK": lambda: BatchTopK(2),
    "Matryoshka": lambda: Matryoshka((2, 4), 2),
    "Drawers": lambda: Drawers((1, 3)),
    "L1": lambda: L1(0.1),
    "KL": lambda: KL(0.2, 0.1),
    "JumpReLU": lambda: JumpReLU(0.1, bandwidth=0.2, start=0.05),
    "Gated": lambda: Gated(0.1),
}


def sparse(brick: str) -> SparseAutoencoder:
    return SparseAutoencoder(3, 4, BRICKS[brick](), seed=5)


MODELS = {brick: lambda brick=brick: sparse(brick) for brick in BRICKS}
MODELS |= {"linear": lambda: Autoencoder(3, 2, seed=5), "deep": lambda: Autoencoder(3, 2, (4, 5), seed=5)}
every_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
X = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))


def trained(make) -> Model:
    model = make()
    train(model, X, steps=3, batch_size=10, lr=0.1, seed=0, progress=False)
    return model


@functools.cache
def saved(name: str) -> dict[str, bytes]:
    """The two files of a small model, as bytes by name."""
    with tempfile.TemporaryDirectory() as folder:
        MODELS[name]().save(folder)
        return {name: (pathlib.Path(folder) / name).read_bytes() for name in (CONFIG, WEIGHTS)}


def load_file_of(files: dict[str, bytes]) -> dict[str, torch.Tensor]:
    return safetensors.torch.load(files[WEIGHTS])


def topk_files() -> dict[str, bytes]:
    return saved("TopK")


def loading(files: dict[str, bytes]) -> Model:
    """load() of a folder that holds `files`."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (pathlib.Path(folder) / name).write_bytes(content)
        return load(folder)


# There and back.


@every_model
def test_a_saved_model_comes_back_bit_for_bit(make, tmp_path):
    model = trained(make)
    model.save(tmp_path / "a" / "new" / "folder")
    found = load(str(tmp_path / "a" / "new" / "folder"))
    assert type(found) is type(model) and repr(found) == repr(model)
    assert found.state_dict().keys() == model.state_dict().keys()
    assert found.unit == model.unit != 1
    if isinstance(model, SparseAutoencoder):
        assert found.sparsity.unit == model.unit
    equal = torch.equal
    if make is MODELS["Gated"]:  # one of its biases is counted from another one on disk: adding and taking off again rounds

        def equal(one, other):
            return torch.allclose(one, other, rtol=1e-6, atol=1e-6)

    # (How many batches a threshold was taken from is not kept: one that was read counts as settled.)
    assert all(equal(value, model.state_dict()[name]) for name, value in found.state_dict().items() if name != "sparsity.batches")
    assert equal(found(X), model(X)) and equal(found.encode(X), model.encode(X))
    assert equal(found.loss(X).total, model.loss(X).total)
    train(found, X, steps=1, batch_size=10, lr=0.1, seed=0, progress=False)


def test_every_kind_of_brick_is_saved_by_these_tests():
    assert set(storage.RULES) == set(BRICKS)


@every_model
def test_a_model_that_is_saved_and_loaded_again_and_again_stays_the_same(make, tmp_path):
    trained(make).save(tmp_path)
    once = load(tmp_path)
    once.save(tmp_path)
    twice = load(tmp_path)
    for name, value in once.state_dict().items():
        assert torch.allclose(twice.state_dict()[name], value, rtol=1e-6, atol=1e-6)
    twice.save(tmp_path / "again")
    assert (tmp_path / "again" / CONFIG).read_text() == (tmp_path / CONFIG).read_text()


def test_a_loaded_model_goes_on_training_as_the_saved_one_would(tmp_path):
    model = trained(MODELS["JumpReLU"])
    model.save(tmp_path)
    found = load(tmp_path)
    for one in (model, found):
        train(one, X, steps=5, batch_size=10, lr=0.1, seed=1, progress=False)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in found.state_dict().items())


def test_saving_and_loading_leave_the_global_random_state_alone(tmp_path):
    before = torch.get_rng_state()
    for make in MODELS.values():
        make().save(tmp_path)
        load(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_second_save_takes_the_place_of_the_first(tmp_path):
    for make in MODELS.values():
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


OWN = {
    "TopK": ({"architecture": "topk", "k": 2, "rescale_acts_by_decoder_norm": False}, {"k": 2}),
    "BatchTopK": ({"architecture": "jumprelu"}, {"k": 2}),
    "Matryoshka": ({"architecture": "jumprelu"}, {"widths": [2, 4], "k": 2}),
    "Drawers": ({"architecture": "drawers"}, {"sizes": [1, 3]}),
    "L1": ({"architecture": "standard"}, {"coefficient": 0.1}),
    "KL": ({"architecture": "kl"}, {"target_rate": 0.2, "coefficient": 0.1}),
    "JumpReLU": ({"architecture": "jumprelu"}, {"coefficient": 0.1, "bandwidth": 0.2, "start": 0.05}),
    "Gated": ({"architecture": "gated"}, {"coefficient": 0.1}),
}


@pytest.mark.parametrize("brick", BRICKS)
def test_a_sparse_autoencoder_is_described_by_the_keys_that_saelens_knows(brick, tmp_path):
    known, settings = OWN[brick]
    model = sparse(brick)
    for unit in (1.0, 2.5):
        model.measure(unit)
        model.save(tmp_path)
        # The version is SAELens's, which takes a file that names none for an old one, and forgets the metadata.
        metadata = {"sae_lens_version": "6.54.12", "saelib": {"sparsity": brick, **settings, "unit": unit}}
        assert json.loads((tmp_path / CONFIG).read_text("utf-8")) == {**SAELENS, **known, "metadata": metadata}


def test_an_autoencoder_is_described_by_its_widths(tmp_path):
    MODELS["deep"]().save(tmp_path)
    own = {"architecture": "autoencoder", "d_in": 3, "d_code": 2, "hidden": [4, 5], "unit": 1.0}
    assert json.loads((tmp_path / CONFIG).read_text("utf-8")) == own


@pytest.mark.parametrize(
    ("brick", "names"),
    [
        ("TopK", {"W_enc": (3, 4), "b_enc": (4,), "W_dec": (4, 3), "b_dec": (3,)}),
        ("L1", {"W_enc": (3, 4), "b_enc": (4,), "W_dec": (4, 3), "b_dec": (3,)}),
        *(
            (brick, {"W_enc": (3, 4), "b_enc": (4,), "W_dec": (4, 3), "b_dec": (3,), "threshold": (4,)})
            for brick in ("JumpReLU", "BatchTopK", "Matryoshka")
        ),
        ("Gated", {"W_enc": (3, 4), "W_dec": (4, 3), "b_dec": (3,), "b_gate": (4,), "r_mag": (4,), "b_mag": (4,)}),
    ],
)
def test_the_tensors_have_the_names_and_shapes_that_saelens_knows(brick, names, tmp_path):
    trained(MODELS[brick]).save(tmp_path)
    tensors = load_file(tmp_path / WEIGHTS)
    assert {name: tuple(value.shape) for name, value in tensors.items()} == names
    assert all(value.dtype == torch.float32 and value.is_contiguous() for value in tensors.values())


def test_the_weights_are_float32_under_their_own_names_and_the_right_way_round(tmp_path):
    sae = MODELS["TopK"]().double()
    sae.save(tmp_path)
    tensors = load_file(tmp_path / WEIGHTS)
    assert {name: tuple(value.shape) for name, value in tensors.items()} == {
        "W_enc": (3, 4), "b_enc": (4,), "W_dec": (4, 3), "b_dec": (3,),
    }  # fmt: skip
    assert all(value.dtype == torch.float32 for value in tensors.values())
    assert torch.equal(tensors["W_dec"], sae.W_dec.float()) and torch.equal(tensors["W_enc"], sae.W_enc.float())


def test_what_stands_beside_the_widths_goes_before_the_metadata():
    files = topk_files()
    own = {"sparsity": "TopK", "k": 3, "unit": 1.0}
    config = {**json.loads(files[CONFIG]), "k": 1, "metadata": {"saelib": own, "sae_lens_version": "6.54.12"}}
    assert loading({**files, CONFIG: json.dumps(config).encode()}).sparsity.k == 1


# What others wrote.


def theirs(architecture: str, scale=1.0) -> dict[str, torch.Tensor]:
    """The tensors of a model that SAELens saved, of 3 numbers and 4 features, its rows of any length."""
    random = torch.Generator().manual_seed(7)
    shapes = {"W_enc": (3, 4), "W_dec": (4, 3), "b_dec": (3,)}
    if architecture == "gated":
        shapes |= {"b_gate": (4,), "r_mag": (4,), "b_mag": (4,)}
    else:
        shapes |= {"b_enc": (4,)}
    tensors = {name: scale * torch.randn(shape, generator=random) for name, shape in shapes.items()}
    if architecture == "jumprelu":
        tensors["threshold"] = torch.tensor([-0.2, 0.0, 0.3, 0.8])
    if "batchtopk" in architecture:
        tensors["topk_threshold"] = torch.tensor(0.4, dtype=torch.float64)
    return tensors


# As it writes them, along with what saelib has no use for.
THEIR_METADATA = {"sae_lens_version": "6.54.12", "sae_lens_training_version": "6.54.12", "hook_name": "blocks.0.hook_resid_pre"}
THEIRS = {
    "standard": {},
    "topk": {"k": 2, "rescale_acts_by_decoder_norm": False},
    "jumprelu": {},
    "gated": {},
    "batchtopk": {"k": 2.0, "topk_threshold_lr": 0.01, "aux_loss_coefficient": 1.0, "rescale_acts_by_decoder_norm": False},
    "matryoshka_batchtopk": {"k": 1.7, "matryoshka_widths": [2, 4], "rescale_acts_by_decoder_norm": False},
}


def written(architecture: str, tensors: dict[str, torch.Tensor], **changed) -> dict[str, bytes]:
    config = {**SAELENS, "architecture": architecture, **THEIRS[architecture], "metadata": THEIR_METADATA, **changed}
    return {CONFIG: json.dumps(config).encode(), WEIGHTS: save({name: value.contiguous() for name, value in tensors.items()})}


def their_answer(architecture: str, t: dict[str, torch.Tensor], x: torch.Tensor, apply_b_dec_to_input: bool, rescale: bool):
    """What SAELens does with x: codes, and x_hat. (SAELENS_FORMAT.md)"""
    t = {name: value.double() for name, value in t.items()}
    xc = x.double() - t["b_dec"] if apply_b_dec_to_input else x.double()
    length = t["W_dec"].norm(dim=1) if rescale else torch.ones(4).double()
    if architecture == "gated":
        codes = (xc @ t["W_enc"] + t["b_gate"] > 0) * torch.relu(xc @ (t["W_enc"] * t["r_mag"].exp()) + t["b_mag"])
    else:
        h = (xc @ t["W_enc"] + t["b_enc"]) * length
        if architecture == "standard":
            codes = torch.relu(h)
        elif architecture == "topk":
            largest = h.topk(2, dim=1)
            codes = torch.relu(torch.zeros_like(h).scatter(1, largest.indices, largest.values))
        else:
            codes = torch.relu(h) * (h > t.get("threshold", t.get("topk_threshold")))
    return codes.float(), (codes / length @ t["W_dec"] + t["b_dec"]).float()


CHOOSING = [architecture for architecture in THEIRS if "topk" in architecture]  # they alone may rescale


@pytest.mark.parametrize("apply_b_dec_to_input", [True, False])
@pytest.mark.parametrize(("architecture", "rescale"), [*((name, False) for name in THEIRS), *((name, True) for name in CHOOSING)])
def test_a_model_that_saelens_saved_answers_as_it_does_there(architecture, rescale, apply_b_dec_to_input):
    tensors = theirs(architecture)
    changed = {"rescale_acts_by_decoder_norm": True} if rescale else {}
    model = loading(written(architecture, tensors, apply_b_dec_to_input=apply_b_dec_to_input, **changed))
    x = 2 * torch.randn(100, 3, generator=torch.Generator().manual_seed(1))
    codes, x_hat = their_answer(architecture, tensors, x, apply_b_dec_to_input, rescale)
    assert 0 < (codes != 0).float().mean() < 1
    assert torch.allclose(model.encode(x), codes, atol=1e-5)
    assert torch.allclose(model(x), x_hat, atol=1e-5)
    assert model.W_dec.dtype == torch.float32
    if rescale:
        assert torch.allclose(model.W_dec.norm(dim=1), torch.ones(4))


@pytest.mark.parametrize("architecture", THEIRS)
def test_a_model_that_saelens_saved_can_be_saved_and_trained_on(architecture, tmp_path):
    model = loading(written(architecture, theirs(architecture), apply_b_dec_to_input=False))
    model.save(tmp_path)
    assert torch.allclose(load(tmp_path)(X), model(X), atol=1e-6)
    train(model, X, steps=2, batch_size=10, lr=0.1, seed=0, progress=False)


def test_the_bricks_of_saelens_have_its_names_and_a_coefficient_of_0():
    found = {architecture: repr(loading(written(architecture, theirs(architecture))).sparsity) for architecture in THEIRS}
    assert found == {
        "standard": "L1(coefficient=0.0)",
        "topk": "TopK(k=2)",
        "jumprelu": "JumpReLU(coefficient=0.0, bandwidth=0.1, start=0.1)",
        "gated": "Gated(coefficient=0.0)",
        "batchtopk": "BatchTopK(k=2)",
        "matryoshka_batchtopk": "Matryoshka(widths=(2, 4), k=2)",
    }


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_weights_of_another_precision_are_brought_to_float32(dtype):
    tensors = {name: value.to(dtype) for name, value in theirs("jumprelu").items()}
    model = loading(written("jumprelu", tensors, dtype=str(dtype).removeprefix("torch.")))
    assert all(value.dtype == torch.float32 for value in model.state_dict().values())
    assert torch.equal(model.W_enc, tensors["W_enc"].float())


# Files of SAELens before version 6, as it converts them itself: they name the function beside the architecture, or instead of it.


def older(tensors: dict[str, torch.Tensor], **own) -> dict[str, bytes]:
    kept = {name: value for name, value in SAELENS.items() if name != "reshape_activations"}
    config = kept | {"model_name": "gpt2", "prepend_bos": True, "sae_lens_training_version": "4.1.0"} | own
    return {CONFIG: json.dumps(config).encode(), WEIGHTS: save({name: value.contiguous() for name, value in tensors.items()})}


@pytest.mark.parametrize("name", ["activation_fn", "activation_fn_str"])
@pytest.mark.parametrize("architecture", [{"architecture": "standard"}, {"architecture": "topk"}, {}])
def test_an_older_file_with_topk_as_its_function_keeps_k_activations(name, architecture):
    model = loading(older(theirs("topk"), **architecture, **{name: "topk"}, activation_fn_kwargs={"k": 2}))
    assert repr(model.sparsity) == "TopK(k=2)"
    codes, x_hat = their_answer("topk", theirs("topk"), X, True, False)
    assert (codes != 0).any() and torch.allclose(model.encode(X), codes, atol=1e-5) and torch.allclose(model(X), x_hat, atol=1e-5)


@pytest.mark.parametrize(
    "said", [{"activation_fn_str": "relu", "activation_fn_kwargs": {}}, {"activation_fn": "relu", "normalize_activations": False}]
)
def test_an_older_file_with_relu_as_its_function_is_a_standard_one(said):
    model = loading(older(theirs("standard"), **said))
    assert repr(model.sparsity) == "L1(coefficient=0.0)"
    assert torch.allclose(model.encode(X), their_answer("standard", theirs("standard"), X, True, False)[0], atol=1e-5)


@pytest.mark.parametrize("nothing", [None, False, "none"])
def test_activations_that_are_not_normalised_may_be_said_so_in_older_words(nothing):
    assert torch.equal(loading(written("standard", theirs("standard"), normalize_activations=nothing)).W_enc, theirs("standard")["W_enc"])


def test_an_older_file_with_factors_of_1_loads_as_without_them_and_others_are_folded_in():
    tensors = theirs("standard")
    plain, ones = loading(older(tensors, architecture="standard")), torch.ones(4)
    assert torch.equal(loading(older({**tensors, "scaling_factor": ones}, architecture="standard"))(X), plain(X))
    factor = torch.tensor([0.5, 1.0, 2.0, 3.0])
    files = older({**tensors, "scaling_factor": factor}, architecture="standard", finetuning_scaling_factor=True)
    codes = their_answer("standard", tensors, X, True, False)[0]
    assert torch.allclose(loading(files)(X), codes * factor @ tensors["W_dec"] + tensors["b_dec"], atol=1e-5)


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"activation_fn_str": "tanh-relu"}, "activation_fn_str is 'tanh-relu'; saelib reads only 'relu' or 'topk'"),
        ({"activation_fn": ["topk"]}, "activation_fn is ['topk']; saelib reads only"),
        ({"activation_fn": "relu", "activation_fn_str": "topk"}, "activation_fn_str is 'topk'; saelib reads only"),
        ({"activation_fn": "topk"}, "'k' is missing"),
        ({"activation_fn": "topk", "activation_fn_kwargs": {"k": 0}}, "k is 0; expected"),
        (
            {"activation_fn": "topk", "activation_fn_kwargs": {"k": 2, "largest": False}},
            "activation_fn_kwargs is {'k': 2, 'largest': False}; expected k",
        ),
        ({"activation_fn": "topk", "activation_fn_kwargs": {"k": 2}, "k": 3}, "expected the same k twice"),
        ({"activation_fn": "topk", "architecture": "gated", "activation_fn_kwargs": {"k": 2}}, "architecture is 'gated' with"),
        ({"activation_fn": "relu", "activation_fn_kwargs": {"k": 2}}, "activation_fn_kwargs is {'k': 2}; expected none"),
        ({"architecture": "standard", "finetuning_scaling_factor": True}, "finetuning_scaling_factor is True; expected a tensor"),
        ({"model_name": "gpt2"}, "architecture is None; expected one of"),
    ],
)
def test_an_older_file_whose_function_saelib_does_not_have_is_refused_by_name(own, words):
    assert words in refusal(lambda: loading(older(theirs("standard"), **own)))


def test_factors_that_nobody_is_said_to_use_are_refused():
    for factor, own, words in (
        (2 * torch.ones(4), {}, "scaling_factor is not 1 everywhere; expected finetuning_scaling_factor to be true"),
        (2 * torch.ones(3), {"finetuning_scaling_factor": True}, "scaling_factor has shape (3,); expected one number for each row"),
    ):
        assert words in refusal(lambda: loading(older({**theirs("standard"), "scaling_factor": factor}, architecture="standard", **own)))


@pytest.mark.parametrize("normalize", ["expected_average_only_in", "covariance_whitening"])
def test_what_saelens_has_folded_in_already_does_nothing(normalize):
    model = loading(written("standard", theirs("standard"), normalize_activations=normalize))
    assert torch.equal(model.W_enc, theirs("standard")["W_enc"])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"b_enc": None}, f"{WEIGHTS} "),
        ({"topk_threshold": None}, f"{WEIGHTS} holds ['W_dec', 'W_enc', 'b_dec', 'b_enc']; expected "),
        ({"topk_threshold": torch.tensor(float("nan"))}, f"{WEIGHTS}: "),
        ({"topk_threshold": torch.tensor(1e300, dtype=torch.float64)}, f"{WEIGHTS}: "),
        ({"topk_threshold": torch.ones(7)}, f"{WEIGHTS}"),
        ({"topk_threshold": torch.ones(2, 4)}, f"{WEIGHTS}"),
        ({"topk_threshold": torch.ones(0)}, f"{WEIGHTS}"),
    ],
)
def test_a_file_from_the_middle_of_training_that_is_none_is_refused(changed, words):
    tensors = {name: value for name, value in (theirs("batchtopk") | changed).items() if value is not None}
    assert words in refusal(lambda: loading(written("batchtopk", tensors)))


def test_a_batchtopk_whose_thresholds_differ_is_refused_by_its_file():
    tensors = load_file_of(saved("BatchTopK"))
    tensors["threshold"] = torch.tensor([0.1, 0.1, 0.2, 0.1])
    message = refusal(lambda: loading({**saved("BatchTopK"), WEIGHTS: save(tensors)}))
    assert f"{WEIGHTS}: threshold goes from 0.1" in message and "to 0.2" in message and "expected one for all features" in message


@pytest.mark.parametrize(("name", "value"), [("r_mag", 100.0), ("r_mag", 3e38), ("b_gate", 3e38)])
def test_a_gate_that_would_be_infinite_in_the_model_is_refused(name, value):
    tensors = {**load_file_of(saved("Gated")), "b_gate": torch.ones(4), "r_mag": torch.ones(4)}
    tensors[name] = torch.tensor([0.0, value, 0.0, 0.0])
    assert WEIGHTS in refusal(lambda: loading({**saved("Gated"), WEIGHTS: save(tensors)}))


def test_folding_that_would_make_a_weight_infinite_is_refused():
    tensors = {**theirs("topk"), "W_enc": torch.full((3, 4), 1e30), "W_dec": torch.full((4, 3), 1e30)}
    assert WEIGHTS in refusal(lambda: loading(written("topk", tensors, rescale_acts_by_decoder_norm=True)))


def test_a_row_of_length_0_that_is_to_be_rescaled_stays_silent():
    tensors = theirs("topk")
    tensors["W_dec"][1] = 0
    model = loading(written("topk", tensors, rescale_acts_by_decoder_norm=True))
    assert (model.encode(X)[:, 1] == 0).all() and torch.isfinite(model(X)).all()


SPARSIFY = "sae.safetensors"
SPARSIFY_CONFIG = {
    "activation": "topk", "expansion_factor": 2, "normalize_decoder": True, "num_latents": 6, "k": 2, "multi_topk": False,
    "skip_connection": False, "transcode": False, "d_in": 3,
}  # fmt: skip


def of_sparsify(tensors=(), d_sae=6, **changed) -> dict[str, bytes]:
    random = torch.Generator().manual_seed(7)
    shapes = {"encoder.weight": (d_sae, 3), "encoder.bias": (d_sae,), "W_dec": (d_sae, 3), "b_dec": (3,)}
    made = {name: torch.randn(shape, generator=random) for name, shape in shapes.items()} | dict(tensors)
    config = {name: value for name, value in (SPARSIFY_CONFIG | changed).items() if value != "missing"}
    return {CONFIG: json.dumps(config).encode(), SPARSIFY: save({name: value for name, value in made.items() if value is not None})}


@pytest.mark.parametrize("config", [{}, {"num_latents": 0}, {"num_latents": "missing"}, {"transcode": "missing"}])
def test_a_model_that_sparsify_saved_answers_as_it_does_there(config):
    files = of_sparsify(**config)
    model = loading(files)
    t = safetensors.torch.load(files[SPARSIFY])
    pre = (X - t["b_dec"]) @ t["encoder.weight"].T + t["encoder.bias"]
    largest = pre.topk(2, dim=1)
    codes = torch.relu(torch.zeros_like(pre).scatter(1, largest.indices, largest.values))
    assert (model.d_in, model.d_sae, repr(model.sparsity)) == (3, 6, "TopK(k=2)")
    assert torch.allclose(model.encode(X), codes, atol=1e-6)
    assert torch.allclose(model(X), codes @ t["W_dec"] + t["b_dec"], atol=1e-5)


def test_sparsifys_expansion_factor_is_32_where_it_does_not_say_another():
    files = of_sparsify(d_sae=96, num_latents=0, expansion_factor="missing")
    assert loading(files).d_sae == 96


def test_a_folder_with_both_files_of_weights_is_read_as_saelens_would():
    assert repr(loading({**topk_files(), SPARSIFY: of_sparsify()[SPARSIFY]})) == repr(sparse("TopK"))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"activation": "groupmax"}, "activation is 'groupmax'; saelib reads only 'topk' of sparsify's models"),
        ({"skip_connection": True}, "skip_connection is True; saelib reads only False of sparsify's models"),
        ({"transcode": True}, "transcode is True; saelib reads only False of sparsify's models"),
        ({"k": "missing"}, "'k' is missing; expected it in a model of sparsify's"),
        ({"d_in": "missing"}, "'d_in' is missing; expected it in a model of sparsify's"),
        ({"k": 7}, "k is 7; expected at most 6"),
        ({"k": 0}, "k is 0; expected a whole number of at least 1"),
        ({"k": None}, "k is None; expected a whole number of at least 1"),
        ({"d_in": "3"}, "d_in is '3'; expected "),
        ({"d_in": 4}, "d_in is 4; expected the width of a tensor beside it: [3, 6]"),
        ({"d_in": 10**15, "num_latents": 0}, "d_in is 1000000000000000; expected the width of a tensor beside it"),
        ({"num_latents": 10**15}, "d_sae is 1000000000000000; expected the width of a tensor beside it"),
        ({"num_latents": "six"}, "d_sae is 'six'; expected the width of a tensor beside it"),
        ({"num_latents": 0, "expansion_factor": None}, "expansion_factor is None; expected "),
        ({"num_latents": 0, "expansion_factor": [2]}, "expansion_factor is [2]; expected "),
        ({"num_latents": 0, "expansion_factor": {}}, "expansion_factor is {}; expected "),
    ],
)
def test_a_model_of_sparsifys_that_saelib_can_not_be_is_refused(changed, words):
    message = refusal(lambda: loading(of_sparsify(**changed)))
    assert f"{CONFIG}: {words}" in message


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"encoder.bias": None}, "holds ['W_dec', 'W_enc', 'b_dec']; expected ['W_dec', 'W_enc', 'b_dec', 'b_enc']"),
        ({"W_skip": torch.zeros(3, 3)}, "holds ['W_dec', 'W_enc', 'W_skip', 'b_dec', 'b_enc']; expected "),
        ({"encoder.weight": torch.zeros(3, 6)}, "W_enc has shape (6, 3); expected (3, 6)"),
        ({"encoder.weight": torch.zeros(6)}, "W_enc has shape (6,); expected (3, 6)"),
        ({"encoder.bias": torch.tensor([0, 0, float("nan"), 0, 0, 0])}, "b_enc holds nan at (2,)"),
    ],
)
def test_weights_of_sparsifys_that_are_none_are_refused(tensors, words):
    assert f"{SPARSIFY}" in (message := refusal(lambda: loading(of_sparsify(tensors)))) and words in message


def test_sparsifys_files_that_are_cut_off_anywhere_are_refused_by_their_name(tmp_path):
    for name in (CONFIG, SPARSIFY):
        cut_off_anywhere(of_sparsify(), name, tmp_path)


# Saving: all or nothing.


def half(tensors, place):
    pathlib.Path(place).write_bytes(b"half")
    raise OSError("no space left")


def test_a_save_that_breaks_leaves_what_was_there_and_nothing_else(tmp_path, monkeypatch):
    old, new = trained(MODELS["TopK"]), MODELS["deep"]()
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

    breaks(files, "save_file", half)
    breaks(pathlib.Path, "write_text", lambda place, text, **_: half(text, place))
    breaks(os, "replace", full)
    breaks(os, "fsync", full)
    new.save(tmp_path)
    assert repr(load(tmp_path)) == repr(new)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@every_model
def test_a_weight_that_is_not_finite_is_never_saved(make, value, tmp_path):
    model = make()
    name, weight = next(iter(model.state_dict().items()))
    weight[1, 2] = value
    assert refusal(lambda: model.save(tmp_path / "new")) == f"{name} holds {value} at (1, 2); expected finite numbers only"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("r_mag", "b_gate"), [(100.0, 1.0), (80.0, 1e30)])
def test_a_gate_that_would_be_saved_as_infinity_is_never_saved(r_mag, b_gate, tmp_path):
    model = sparse("Gated")
    model.sparsity.r_mag.data[1], model.b_enc.data[1] = r_mag, b_gate
    assert refusal(lambda: model.save(tmp_path / "new")) == "b_mag holds inf at (1,); expected finite numbers only"
    assert not (tmp_path / "new").exists()


def test_a_model_that_could_not_be_read_back_is_never_saved(tmp_path):
    class Mine(Sparsity):
        architecture = "mine"

        def activate(self, pre):
            return pre

    class MyTopK(TopK):
        def activate(self, pre):
            return -super().activate(pre)

    class Nameless(Sparsity):
        pass

    for brick in (Mine(), MyTopK(2), Nameless()):
        message = refusal(lambda: SparseAutoencoder(3, 4, brick).save(tmp_path / "new"))
        assert f"sparsity is {brick!r}; expected a sparsity rule that load() knows" in message
    assert "expected a saelib model" in refusal(lambda: Model().save(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_a_file_in_the_place_of_the_folder_is_refused_and_kept(tmp_path):
    place = tmp_path / "model"
    place.write_text("precious")
    assert refusal(lambda: MODELS["TopK"]().save(place)).startswith(f"path is {str(place)!r}, which is a file")
    assert place.read_text() == "precious"


# Loading: what is missing, broken or wrong is named.


def test_what_is_missing_is_named(tmp_path):
    MODELS["TopK"]().save(tmp_path / "model")
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
@pytest.mark.parametrize("model", ["TopK", "JumpReLU", "Gated", "linear"])
def test_a_file_that_is_cut_off_anywhere_is_refused_by_its_name(model, name, tmp_path):
    cut_off_anywhere(saved(model), name, tmp_path)


def cut_off_anywhere(files: dict[str, bytes], name: str, folder: pathlib.Path) -> None:
    for each, content in files.items():
        (folder / each).write_bytes(content.rstrip() if each == name == CONFIG else content)
    for length in reversed(range((folder / name).stat().st_size)):
        os.truncate(folder / name, length)
        assert name in refusal(lambda: load(folder)), length


CHANGED = ["TopK", "JumpReLU", "BatchTopK", "Matryoshka", "Gated", "KL", "linear"]


@unhurried
@given(st.sampled_from(CHANGED), st.sampled_from([CONFIG, WEIGHTS]), st.integers(0, 10**6), st.binary(min_size=1, max_size=3))
@example("TopK", CONFIG, 0, b"\xff")
def test_a_file_with_changed_bytes_gives_a_finite_model_or_is_refused(model, name, place, change):
    files = saved(model)
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


@pytest.mark.parametrize("missing", ["architecture", "d_in", "d_sae"])
@pytest.mark.parametrize("model", ["TopK", "JumpReLU", "Gated"])
def test_a_description_that_lacks_something_is_refused(model, missing):
    files = saved(model)
    config = json.loads(files[CONFIG])
    del config[missing]
    message = refusal(lambda: loading({**files, CONFIG: json.dumps(config).encode()}))
    assert CONFIG in message and missing in message


@pytest.mark.parametrize(
    ("brick", "missing"),
    [(brick, missing) for brick in BRICKS for missing in ("sparsity", *OWN[brick][1]) if (brick, missing) != ("TopK", "k")],
)
def test_metadata_of_saelibs_own_that_lack_something_are_refused(brick, missing):
    message = refusal(lambda: loading(own_metadata(brick, {missing: ...})))
    assert f"{CONFIG}: '{missing}' is missing; expected it beside architecture '{OWN[brick][0]['architecture']}'" in message


def test_what_no_metadata_say_stands_beside_the_widths_or_is_missing():
    config = json.loads(topk_files()[CONFIG])
    config["metadata"] = {}
    assert loading({**topk_files(), CONFIG: json.dumps(config).encode()}).sparsity.k == 2
    for name in ("metadata", "k"):
        del config[name]
        if name == "metadata":
            assert loading({**topk_files(), CONFIG: json.dumps(config).encode()}).sparsity.k == 2
    assert "'k' is missing" in refusal(lambda: loading({**topk_files(), CONFIG: json.dumps(config).encode()}))


def own_metadata(brick: str, changed: dict) -> dict[str, bytes]:
    """The files of a model with other values (... for none) in what saelib says of it in the metadata."""
    files = saved(brick)
    config = json.loads(files[CONFIG])
    config["metadata"]["saelib"] |= changed
    config["metadata"]["saelib"] = {name: value for name, value in config["metadata"]["saelib"].items() if value is not ...}
    return {**files, CONFIG: json.dumps(config).encode()}


@pytest.mark.parametrize(
    ("brick", "name", "values"),
    [
        ("BatchTopK", "k", [0, 5, 1.0, True, None, "2", 10**400]),
        ("Matryoshka", "widths", [[], [4, 2], [2, 3], "24", None, 4, [2, 10**15], {"2": 4}]),
        ("L1", "coefficient", [-1, None, "0.1", True, 10**400, [0.1]]),
        ("JumpReLU", "bandwidth", [0, -1, None, "0.1", []]),
        ("JumpReLU", "start", [0, -1, None, "0.1", []]),
        ("KL", "target_rate", [0, 1, 2, None, "0.1"]),
        ("Gated", "coefficient", [-1, None, "0.1"]),
        *((brick, "unit", [0, -1.0, None, "1", [], {}, True, 10**400, float("nan")]) for brick in ("TopK", "JumpReLU", "KL")),
    ],
)
def test_a_wrong_value_in_metadata_of_saelibs_own_is_named(brick, name, values):
    for value in values:
        message = refusal(lambda: loading(own_metadata(brick, {name: value})))
        assert f"{CONFIG}: {name}" in message, value


@pytest.mark.parametrize("value", [None, 3, [], {}, "topk", "Sparsity", "_Choice", "torch", "mine"])
def test_a_brick_that_is_none_is_refused(value):
    message = refusal(lambda: loading(own_metadata("TopK", {"sparsity": value})))
    assert CONFIG in message and f"'sparsity': {value!r}" in message and f"expected for its 'sparsity' one of {sorted(BRICKS)}" in message


@pytest.mark.parametrize("metadata", [None, 3, [], "x", {"saelib": 3}, {"saelib": None}, {"saelib": ["TopK"]}])
def test_metadata_that_are_none_are_refused(metadata):
    message = refusal(lambda: loading(described_with(metadata=metadata)))
    assert f"{CONFIG}: metadata is {metadata!r}; expected an object, and in it one named 'saelib' or none" in message


def test_a_brick_beside_another_ones_architecture_is_refused():
    message = refusal(lambda: loading(own_metadata("JumpReLU", {"sparsity": "Gated"})))
    assert "architecture is 'jumprelu'; expected 'gated', as which a Gated is saved" in message


some_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
# What a value of the description may be, with weights that are 3 and 4 wide.
KNOWN = {
    "architecture": ["topk"],
    "d_in": [3, 4],
    "d_sae": [3, 4],
    "k": [1, 2, 3, 4],
    "apply_b_dec_to_input": [True, False],
    "normalize_activations": ["none", None, False, True, "expected_average_only_in"],
    "reshape_activations": ["none"],
    "rescale_acts_by_decoder_norm": [False, True],
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
@example("architecture", ["topk"])
@example("normalize_activations", "layer_norm")
@example("reshape_activations", "hook_z")
@example("apply_b_dec_to_input", 0)
@example("rescale_acts_by_decoder_norm", 1)
@example("metadata", None)
def test_a_wrong_value_in_a_description_is_named(name, value):
    files = described_with(**{name: value})
    assume(not any(value == known and type(known) in (type(value), bool) for known in KNOWN.get(name, [])))
    assume(name != "metadata" or not isinstance(value, dict))
    assume(value != "autoencoder")
    assert f"{CONFIG}: {name} is {value!r}; " in refusal(lambda: loading(files))


def test_a_description_of_another_model_is_refused():
    assert "architecture is 'standard'; expected 'topk', as which a TopK" in refusal(lambda: loading(described_with(architecture="standard")))
    for architecture, known in {"jumprelu": "threshold", "gated": "r_mag"}.items():
        message = refusal(lambda: loading(described_with(architecture=architecture, metadata={})))
        assert f"{WEIGHTS} holds ['W_dec', 'W_enc', 'b_dec', 'b_enc']; expected " in message and f"'{known}'" in message
    assert "'target_rate' is missing" in refusal(lambda: loading(described_with(architecture="kl", metadata={})))
    assert "d_code' is missing" in refusal(lambda: loading(described_with(architecture="autoencoder")))
    assert "W_dec has shape (4, 3); expected (4, 4) from cfg.json" in refusal(lambda: loading(described_with(d_in=4)))
    assert "W_dec has shape (4, 3); expected (3, 3) from cfg.json" in refusal(lambda: loading(described_with(d_sae=3)))


@pytest.mark.parametrize("hidden", [5, "45", [4], [4, 5.0], [4, 10**15], None, [[4, 5]], {"4": 5}])
def test_hidden_widths_that_are_not_those_of_the_weights_are_refused(hidden, tmp_path):
    MODELS["deep"]().save(tmp_path)
    config = json.loads((tmp_path / CONFIG).read_text())
    (tmp_path / CONFIG).write_text(json.dumps({**config, "hidden": hidden}))
    message = refusal(lambda: load(tmp_path))
    assert CONFIG in message and ("hidden" in message or "holds ['decoder.0.bias'" in message)


def test_weights_that_are_not_those_described_are_refused():
    files = topk_files()
    good = {name: value.detach() for name, value in MODELS["TopK"]().state_dict().items()}

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
    MODELS["TopK"]().save(tmp_path)
    torch.save(Trap(), tmp_path / WEIGHTS)
    assert f"{WEIGHTS} can't be read" in refusal(lambda: load(tmp_path))
    assert not (tmp_path / "sprung").exists()
    torch.load(io.BytesIO((tmp_path / WEIGHTS).read_bytes()), weights_only=False)
    assert (tmp_path / "sprung").exists(), "the trap does spring where a pickle is read"
