"""Files go to SAELens and back, and come from sparsify, and the models in them answer as they did before.

Run by `make test-exchange`, in an environment of its own. Both libraries' own code writes and reads here; what saelib's
files hold, and which broken ones it refuses, is tests/unit/test_storage.py's business.
"""

import functools
import inspect
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ["SPARSIFY_DISABLE_TRITON"] = "1"  # it looks for a GPU
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import sae_lens
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sae_lens.registry import SAE_CLASS_REGISTRY, SAE_TRAINING_CLASS_REGISTRY
from sae_lens.saes.sae import TrainStepInput
from saelib import KL, L1, BatchTopK, Gated, JumpReLU, Matryoshka, SparseAutoencoder, TopK, load, models, train
from sparsify import SparseCoder, SparseCoderConfig
from torch import Tensor

torch.set_num_threads(1)  # so small, threads would only wait for each other
D_IN, D_SAE, K = 12, 40, 4

BRICKS = {
    "standard": lambda: L1(0.1),
    "topk": lambda: TopK(K),
    "jumprelu": lambda: JumpReLU(0.01, bandwidth=0.2, start=0.05),
    "batchtopk": lambda: BatchTopK(K),
    "matryoshka_batchtopk": lambda: Matryoshka((10, D_SAE), K),
    "gated": lambda: Gated(0.02),
}
# What SAELens is told beside the widths.
THEIRS = {
    "standard": {},
    "topk": {"k": K},
    "jumprelu": {},
    "batchtopk": {"k": K + 0.5, "topk_threshold_lr": 0.3},
    "matryoshka_batchtopk": {"k": K, "matryoshka_widths": [10, D_SAE], "topk_threshold_lr": 0.3},
    "gated": {},
}
every_architecture = pytest.mark.parametrize("architecture", BRICKS)


def data(n: int, seed: int) -> Tensor:
    """Examples (n, D_IN) of a few directions, far from 0 in some numbers and not in others, and on several scales."""
    world = torch.Generator().manual_seed(9)
    directions, mean = torch.randn(30, D_IN, generator=world), 3 * torch.randn(D_IN, generator=world)
    random = torch.Generator().manual_seed(seed)
    strength = torch.rand(n, 30, generator=random) * (torch.rand(n, 30, generator=random) < 0.1)
    return mean + strength @ directions + 0.1 * torch.randn(n, D_IN, generator=random)


# What is compared, and how.


def settled(model, x: Tensor) -> Tensor:
    """Those of the examples x for which it is clear what is on and what is off, so that no rounding decides it: it stays so
    after steps of 1e-4 of the largest number."""
    random = torch.Generator().manual_seed(4)
    on, same = model.encode(x) != 0, torch.ones(len(x), dtype=torch.bool)
    for _ in range(3):
        step = 1e-4 * x.abs().max() * torch.randn(x.shape, generator=random)
        same &= ((model.encode(x + step) != 0) == on).all(dim=1)
    return x[same]


def close(one: Tensor, other: Tensor, x: Tensor) -> bool:
    """Whether they differ by at most 1e-5 of the largest number among them and the examples x that they came from."""
    return one.shape == other.shape and bool((one - other).abs().max() <= 1e-5 * max(x.abs().max(), other.abs().max()))


@torch.no_grad()
def assert_agree(model: SparseAutoencoder, peer, x: Tensor) -> None:
    """That two models turn x into the same codes, and codes into the same x_hat. `peer` has encode and decode too."""
    clear = settled(model, x)
    assert len(clear) > 0.8 * len(x)
    codes, theirs = model.encode(clear), peer.encode(clear)
    assert torch.equal(codes != 0, theirs != 0)
    assert close(codes, theirs, clear)
    assert close(model.decode(theirs), peer.decode(theirs), clear)
    assert close(model(clear), peer.decode(peer.encode(clear)), clear)


def assert_has_something_to_lose(model, architecture: str, x: Tensor) -> None:
    """That no weight stands where it began, so that one which is left out or taken twice changes the answers."""
    on = (model.encode(x) != 0).float()
    assert 0.02 < on.mean() < 0.7 and 1 < on.sum(dim=0).count_nonzero()
    for name, value in model.state_dict().items():
        assert value.abs().max() > 0.01, name
        if not (name == "sparsity.threshold" and "batchtopk" in architecture):  # one for all
            assert value.unique().numel() > 0.9 * value.numel(), name


# saelib to SAELens.


@functools.cache
def trained(architecture: str) -> SparseAutoencoder:
    model = SparseAutoencoder(D_IN, D_SAE, BRICKS[architecture](), seed=5)
    train(model, data(1000, seed=0), steps=80, batch_size=100, lr=0.02, seed=0, progress=False)
    random = torch.Generator().manual_seed(2)
    with torch.no_grad():  # features that nobody used in so short a run have not moved
        for name, value in model.named_parameters():
            if value.dim() == 1:
                value += (0.05 if name == "sparsity.r_mag" else 0.02 * model.unit) * torch.rand(value.shape, generator=random)
    return model


@every_architecture
def test_a_model_of_saelibs_answers_in_saelens_as_it_does_here(architecture, tmp_path):
    model, x = trained(architecture), data(200, seed=1)
    assert_has_something_to_lose(model, architecture, x)
    model.save(tmp_path)
    assert_agree(model, sae_lens.SAE.load_from_disk(tmp_path), x)
    assert_agree(load(tmp_path), sae_lens.SAE.load_from_disk(tmp_path), x)


# Rows have length 1 here: to fold their lengths in, as SAELens offers for all but this topk, changes no more than the last digit.
@pytest.mark.parametrize(
    ("architecture", "fold_W_dec_norm"), [*((name, False) for name in BRICKS), *((name, True) for name in BRICKS if name != "topk")]
)
def test_a_model_of_saelibs_comes_back_from_saelens_with_its_brick_and_settings(architecture, fold_W_dec_norm, tmp_path):
    model, x = trained(architecture), data(200, seed=1)
    model.save(tmp_path / "ours")
    sae_lens.SAE.load_from_disk(tmp_path / "ours", fold_W_dec_norm=fold_W_dec_norm).save_model(tmp_path / "theirs")
    found = load(tmp_path / "theirs")
    assert repr(found) == repr(model) and found.unit == found.sparsity.unit == model.unit != 1
    for name, value in model.state_dict().items():
        if name != "sparsity.batches":  # not kept: a threshold that was read counts as settled
            assert torch.allclose(found.state_dict()[name], value, rtol=1e-6, atol=1e-6), name
    assert_agree(found, model, x)
    train(found, data(100, seed=2), steps=1, batch_size=100, lr=0.01, seed=0, progress=False)


def test_the_version_that_saelib_names_in_its_files_is_the_one_that_these_tests_installed():
    assert models.SAELENS == sae_lens.__version__


def test_a_kl_is_what_saelens_has_not_and_says_so(tmp_path):
    SparseAutoencoder(D_IN, D_SAE, KL(0.1, 0.1)).save(tmp_path)
    with pytest.raises(KeyError, match="kl"):
        sae_lens.SAE.load_from_disk(tmp_path)


# SAELens to saelib.


def built(architecture: str, **settings):
    """A model that SAELens trains: every weight drawn, and then trained for a few steps."""
    torch.manual_seed(6)
    model_class, config_class = SAE_TRAINING_CLASS_REGISTRY[architecture]
    peer = model_class(config_class(**{"d_in": D_IN, "d_sae": D_SAE, **THEIRS[architecture], **settings}))
    random = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for value in peer.parameters():
            value.copy_(0.3 * torch.randn(value.shape, generator=random))
        peer.W_dec *= 0.5 + 2 * torch.rand(D_SAE, 1, generator=random)  # far from length 1
        peer.b_dec += data(100, seed=0).mean(dim=0).to(peer.b_dec.dtype)
        if architecture == "jumprelu":
            peer.threshold.copy_(0.8 * torch.rand(D_SAE, generator=random))
    if peer.dtype in (torch.float32, torch.float64):
        optimizer = torch.optim.Adam(peer.parameters(), lr=0.01)
        for seed in range(10):
            coefficients = dict.fromkeys(peer.get_coefficients(), 0.01)
            step = TrainStepInput(data(100, seed).to(peer.dtype), coefficients, None, seed, False)
            loss = peer.training_forward_pass(step).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return peer


# Only those that choose by size weigh by the rows' lengths.
CASES = [
    (architecture, {"apply_b_dec_to_input": applied, **rescale})
    for architecture in THEIRS
    for applied in (True, False)
    for rescale in ([{"rescale_acts_by_decoder_norm": value} for value in (True, False)] if "topk" in architecture else [{}])
]
every_case = pytest.mark.parametrize(("architecture", "settings"), CASES)


@every_case
def test_a_model_that_saelens_saved_for_use_answers_here_as_it_does_there(architecture, settings, tmp_path):
    x = data(200, seed=1)
    built(architecture, **settings).save_inference_model(tmp_path / "theirs")
    model, peer = load(tmp_path / "theirs"), sae_lens.SAE.load_from_disk(tmp_path / "theirs")
    assert_has_something_to_lose(model, architecture, x)
    assert_agree(model, peer, x)
    model.save(tmp_path / "ours")
    assert_agree(model, sae_lens.SAE.load_from_disk(tmp_path / "ours"), x)


@every_case
def test_a_model_that_saelens_saved_in_the_middle_of_training_answers_here_as_it_will_in_use(architecture, settings, tmp_path):
    x = data(200, seed=1)
    peer = built(architecture, **settings)
    peer.save_model(tmp_path / "checkpoint")
    peer.save_inference_model(tmp_path / "use")
    model = load(tmp_path / "checkpoint")
    assert_has_something_to_lose(model, architecture, x)
    assert_agree(model, sae_lens.SAE.load_from_disk(tmp_path / "use"), x)
    kind = BRICKS[architecture]()
    assert type(model.sparsity) is type(kind) and getattr(model.sparsity, "k", K) == K
    assert getattr(model.sparsity, "widths", None) == getattr(kind, "widths", None)
    if "batchtopk" not in architecture:  # in training, those two look at the batch
        assert_agree(model, peer, x)
    else:
        pre = (x - peer.b_dec * settings["apply_b_dec_to_input"]) @ peer.W_enc + peer.b_enc
        pre *= peer.W_dec.norm(dim=1) if settings["rescale_acts_by_decoder_norm"] else 1
        clear = ((pre - peer.topk_threshold).abs() > 1e-4 * x.abs().max()).all(dim=1)
        assert clear.sum() > 100 and peer.topk_threshold > 0.1
        assert close(model.encode(x[clear]), (pre * (pre > peer.topk_threshold))[clear], x)


@pytest.mark.parametrize("normalize", ["expected_average_only_in", "covariance_whitening"])
@pytest.mark.parametrize("save", ["save_model", "save_inference_model"])
@every_architecture
def test_what_saelens_folds_into_the_weights_at_the_end_changes_nothing_here_either(architecture, save, normalize, tmp_path):
    x, peer = data(200, seed=1), built(architecture, normalize_activations=normalize)
    for folded in (False, True):
        if folded:
            peer.fold_activation_norm_scaling_factor(0.4)
        getattr(peer, save)(tmp_path / f"{folded}")
        peer.save_inference_model(tmp_path / f"{folded} use")
        assert_agree(load(tmp_path / f"{folded}"), sae_lens.SAE.load_from_disk(tmp_path / f"{folded} use"), x)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
@every_architecture
def test_a_model_of_another_precision_is_read_as_saelens_reads_it_for_float32(architecture, dtype, tmp_path):
    built(architecture, dtype=dtype).save_inference_model(tmp_path)
    assert_agree(load(tmp_path), sae_lens.SAE.load_from_disk(tmp_path, dtype="float32"), data(200, seed=1))


def test_a_file_from_before_saelens_6_is_read_as_saelens_converts_it(tmp_path):
    x = data(200, seed=1)
    for name, own in {
        "topk": {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": K}, "normalize_activations": None},
        "standard": {"activation_fn_str": "relu", "normalize_activations": False},
    }.items():
        built(name).save_inference_model(tmp_path / name)
        old = {"architecture": "standard", "d_in": D_IN, "d_sae": D_SAE, "dtype": "float32", "device": "cpu", "hook_name": "blocks.0", **own}
        (tmp_path / name / "cfg.json").write_text(json.dumps(old))
        assert_has_something_to_lose(load(tmp_path / name), name, x)
        assert_agree(load(tmp_path / name), sae_lens.SAE.load_from_disk(tmp_path / name), x)


def test_thresholds_below_zero_let_nothing_negative_pass(tmp_path):
    peer = built("jumprelu")
    with torch.no_grad():
        peer.threshold -= 0.5
    peer.save_inference_model(tmp_path)
    assert (peer.threshold < 0).any()
    assert_agree(load(tmp_path), sae_lens.SAE.load_from_disk(tmp_path), data(200, seed=1))


# sparsify to saelib.


class Dense:
    """A model of sparsify's, with codes as the others have them."""

    def __init__(self, coder: SparseCoder):
        self.coder = coder

    def encode(self, x: Tensor) -> Tensor:
        values, features, _ = self.coder.encode(x)
        return torch.zeros(len(x), self.coder.num_latents).scatter(1, features, values)

    def decode(self, codes: Tensor) -> Tensor:
        return self.coder.decode(*codes.topk(self.coder.cfg.k, dim=1))


def coder(dtype: torch.dtype = torch.float32, **config) -> SparseCoder:
    made = SparseCoder(D_IN, SparseCoderConfig(k=K, **config), dtype=dtype)
    random = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for value in made.parameters():
            value.copy_(0.5 * torch.randn(value.shape, generator=random))
        made.b_dec += data(100, seed=0).mean(dim=0).to(dtype)
    return made


@pytest.mark.parametrize(
    "config",
    [{"num_latents": D_SAE}, {"expansion_factor": 3}, {"num_latents": D_SAE, "normalize_decoder": False, "multi_topk": True}],
)
def test_a_model_that_sparsify_saved_answers_here_and_in_saelens_as_it_does_there(config, tmp_path):
    made, x = coder(**config), data(200, seed=1)
    made.save_to_disk(tmp_path / "theirs")
    model = load(tmp_path / "theirs")
    assert repr(model.sparsity) == f"TopK(k={K})" and model.d_sae == made.num_latents
    assert_has_something_to_lose(model, "topk", x)
    assert_agree(model, Dense(made), x)
    model.save(tmp_path / "ours")
    assert_agree(model, sae_lens.SAE.load_from_disk(tmp_path / "ours"), x)


def test_a_model_that_sparsify_saved_in_half_precision_is_read_for_float32(tmp_path):
    made = coder(torch.bfloat16, num_latents=D_SAE)
    made.save_to_disk(tmp_path)
    assert_agree(load(tmp_path), Dense(made.float()), data(200, seed=1))


# What saelib can't be is refused, by the name of what it can't.


def refused(folder: Path) -> str:
    with pytest.raises(ValueError) as error:
        load(folder)
    return str(error.value)


@pytest.mark.parametrize("save", ["save_model", "save_inference_model"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("normalize_activations", "layer_norm"),
        ("normalize_activations", "constant_norm_rescale"),
        ("reshape_activations", "hook_z"),
    ],
)
@every_architecture
def test_what_saelens_does_to_activations_and_saelib_does_not_is_refused_by_name(architecture, name, value, save, tmp_path):
    model_class, config_class = SAE_TRAINING_CLASS_REGISTRY[architecture]
    peer = model_class(config_class(**{"d_in": D_IN, "d_sae": D_SAE, **THEIRS[architecture], name: value}))
    getattr(peer, save)(tmp_path)
    assert f"{tmp_path / 'cfg.json'}: {name} is {value!r}; saelib reads only 'none'" in refused(tmp_path)


OTHERS = sorted((SAE_CLASS_REGISTRY.keys() | SAE_TRAINING_CLASS_REGISTRY.keys()) - BRICKS.keys())


@pytest.mark.parametrize("architecture", OTHERS)
def test_an_architecture_that_only_saelens_has_is_refused_by_name(architecture, tmp_path):
    model_class, config_class = (SAE_CLASS_REGISTRY | SAE_TRAINING_CLASS_REGISTRY)[architecture]
    known = inspect.signature(config_class).parameters
    more = {"d_out": D_IN, "apply_b_dec_to_input": False} if "d_out" in known else {}
    more |= {"n_heads": 1, "bottleneck_factor": 1} if "n_heads" in known else {}
    model_class(config_class(d_in=D_IN, d_sae=D_SAE, **more)).save_model(tmp_path)
    assert f"{tmp_path / 'cfg.json'}: architecture is {architecture!r}; expected one of" in refused(tmp_path)


def test_the_architectures_of_saelens_are_those_that_saelib_reads_and_those_that_it_refuses():
    assert {"transcoder", "skip_transcoder", "matching_pursuit", "temporal"} <= set(OTHERS)
    assert BRICKS.keys() <= SAE_TRAINING_CLASS_REGISTRY.keys()


@pytest.mark.parametrize(("name", "value"), [("skip_connection", True), ("transcode", True), ("activation", "groupmax")])
def test_a_model_of_sparsifys_that_saelib_can_not_be_is_refused_by_name(name, value, tmp_path):
    coder(num_latents=D_SAE, **{name: value}).save_to_disk(tmp_path)
    assert f"{tmp_path / 'cfg.json'}: {name} is {value!r}; saelib reads only" in refused(tmp_path)


def test_a_model_of_an_older_sparsify_whose_codes_have_signs_is_refused_by_name(tmp_path):
    coder(num_latents=D_SAE).save_to_disk(tmp_path)
    config = tmp_path / "cfg.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "signed": True}))
    assert f"{config}: signed is True; saelib reads only False" in refused(tmp_path)


# Any shape, any k, any weights, any scale.


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


@st.composite
def drawn(draw: st.DrawFn) -> tuple[int, int, int, Callable[..., Tensor], Tensor]:
    """d_in, d_sae, a k that fits, a way to draw a tensor of some shape, and examples, both on the same scale."""
    d_in, d_sae, scale = draw(st.integers(1, 6)), draw(st.integers(1, 9)), 10.0 ** draw(st.integers(-3, 3))
    k = draw(st.integers(1, d_sae))
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))

    def tensor(*shape: int, unit: float = 1.0) -> Tensor:
        return unit * torch.randn(shape, generator=random)

    return d_in, d_sae, k, tensor, scale * (tensor(d_in) + tensor(30, d_in))


unhurried = settings(deadline=None, max_examples=60, derandomize=True)


@unhurried
@given(drawn(), st.sampled_from(["topk", "jumprelu"]))
def test_any_small_model_of_saelibs_answers_in_saelens_as_it_does_here(shape, architecture):
    d_in, d_sae, k, tensor, x = shape
    model = SparseAutoencoder(d_in, d_sae, TopK(k) if architecture == "topk" else JumpReLU(0.1))
    fill(model, tensor, x)
    assume(len(settled(model, x)) > 0.8 * len(x))
    with folder() as path:
        model.save(path)
        peer = sae_lens.SAE.load_from_disk(path)
        assert_agree(model, peer, x)
        peer.save_model(path / "back")
        assert repr(load(path / "back")) == repr(model)
        assert_agree(load(path / "back"), peer, x)


@unhurried
@given(drawn(), st.sampled_from(["topk", "jumprelu"]), st.booleans(), st.booleans(), st.sampled_from(["save_model", "save_inference_model"]))
def test_any_small_model_of_saelens_answers_here_as_it_does_there(shape, architecture, applied, rescale, save):
    d_in, d_sae, k, tensor, x = shape
    model_class, config_class = SAE_TRAINING_CLASS_REGISTRY[architecture]
    more = {"k": k, "rescale_acts_by_decoder_norm": rescale} if architecture == "topk" else {}
    peer = model_class(config_class(d_in=d_in, d_sae=d_sae, apply_b_dec_to_input=applied, **more))
    fill(peer, tensor, x)
    with folder() as path:
        getattr(peer, save)(path)
        model = load(path)
        assume(len(settled(model, x)) > 0.8 * len(x))
        assert_agree(model, sae_lens.SAE.load_from_disk(path), x)
        assert json.loads((path / "cfg.json").read_text())["apply_b_dec_to_input"] is applied


@torch.no_grad()
def fill(model, tensor: Callable[..., Tensor], x: Tensor) -> None:
    """Draw every weight: those that are lengths in the data's space, such as biases, on the scale of x."""
    for value in model.parameters():
        value.copy_(tensor(*value.shape, unit=1.0 if value.dim() == 2 else x.std().item()))
