"""The bytes that a page holds of a GPT and its autoencoder: what is in them, and what is refused."""

import json
import re

import pytest
import saelib
import torch
from saelib.gpt import GPT, SHIPPED, load_gpt
from saelib.widgets.explorables.live_weights import pack_gpt, pack_sae
from safetensors import safe_open

RULES = [saelib.L1(0.1), saelib.TopK(3), saelib.BatchTopK(3), saelib.Matryoshka([8, 24], 3), saelib.JumpReLU(0.1)]


@pytest.fixture
def unpacked(tmp_path):
    """A function that gives the notes of packed bytes, and the tensors, multiplied by their scales."""

    def unpacked(packed: bytes) -> tuple[dict, dict[str, torch.Tensor]]:
        path = tmp_path / "packed.safetensors"
        path.write_bytes(packed)
        with safe_open(path, "pt") as file:
            raw = {name: file.get_tensor(name) for name in file.keys()}
            notes = {name: json.loads(note) for name, note in file.metadata().items()}
        assert all((value.dtype == torch.float8_e4m3fn) == (value.ndim == 2 and not name.endswith(".scale")) for name, value in raw.items())
        names = [name for name in raw if not name.endswith(".scale")]
        return notes, {name: raw[name].float() * raw.get(f"{name}.scale", 1.0) for name in names}

    return unpacked


def made(rule) -> saelib.SparseAutoencoder:
    sae = saelib.SparseAutoencoder(10, 24, rule, seed=1)
    with torch.no_grad():
        sae.b_enc.normal_(std=0.3)
        sae.b_dec.normal_(std=0.3)
        if hasattr(sae.sparsity, "threshold"):
            sae.sparsity.threshold.fill_(0.4)
    return sae


def test_a_packed_gpt_is_read_by_load_gpt_too(tmp_path):
    gpt = GPT(n_tokens=70, d_model=24, n_layers=2, n_heads=3, context=16)
    with torch.no_grad():
        for weight in gpt.parameters():
            weight.add_(torch.randn_like(weight))
    (tmp_path / "gpt").write_bytes(pack_gpt(gpt))
    again = load_gpt(tmp_path / "gpt")
    assert again.settings == gpt.settings
    for (name, weight), other in zip(gpt.named_parameters(), again.parameters()):
        if weight.ndim == 1:
            assert torch.equal(weight, other), name
        else:
            # An 8-bit float has three bits of mantissa, and below 2^-6 of them steps of 2^-9.
            room = (weight.abs() / 16).maximum(weight.abs().amax(dim=1, keepdim=True) / 448 / 2**10)
            assert ((weight - other).abs() <= 1.001 * room).all(), name


def test_the_books_own_gpt_and_autoencoder_take_a_byte_for_a_weight():
    gpt, sae = load_gpt(), saelib.load(SHIPPED / "sae")
    assert len(pack_gpt(gpt)) < 1.04 * sum(weight.numel() for weight in gpt.parameters())
    assert len(pack_sae(sae, 2)) < 1.06 * (sae.W_enc.numel() + sae.W_dec.numel())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_a_packed_autoencoder_has_what_its_codes_take(rule, unpacked):
    sae = made(rule)
    notes, found = unpacked(pack_sae(sae, 1))
    assert notes["sae"] == {"d_in": 10, "d_sae": 24, "k": 3 if type(rule) is saelib.TopK else 24, "block": 1}
    with torch.no_grad():
        sae.W_enc.copy_(found["W_enc"].T)
    x = torch.randn(200, 10)
    pre = (x - found["b_dec"]) @ found["W_enc"].T + found["b_enc"]
    codes = pre * (pre > found["threshold"])
    codes *= codes >= codes.topk(notes["sae"]["k"], dim=1).values[:, -1:]
    torch.testing.assert_close(codes, sae.encode(x).detach(), rtol=0, atol=1e-5)
    assert 0.01 < (codes > 0).float().mean() < 0.7
    torch.testing.assert_close(found["W_dec"], sae.W_dec.detach(), rtol=1 / 15, atol=1e-3)


@pytest.mark.parametrize("rule", [saelib.Gated(0.1), saelib.Drawers([12, 12]), saelib.KL(0.1, 0.1)], ids=lambda rule: type(rule).__name__)
def test_a_rule_whose_codes_take_more_is_refused_by_name(rule):
    with pytest.raises(ValueError, match=rf"sparsity rule {type(rule).__name__}\(.*expected L1, TopK"):
        pack_sae(made(rule), 1)


def test_a_rule_of_somebody_else_is_refused_even_on_top_of_one_of_ours():
    class Own(saelib.TopK):
        pass

    with pytest.raises(ValueError, match="expected L1, TopK"):
        pack_sae(made(Own(3)), 1)


def test_what_does_not_fit_is_refused():
    sae = made(saelib.TopK(3))
    for pack, words in [
        (lambda: pack_gpt(sae), "gpt is of type SparseAutoencoder; expected a saelib.gpt.GPT"),
        (lambda: pack_sae(saelib.Autoencoder(10, 3), 0), "sae is of type Autoencoder; expected a SparseAutoencoder"),
        (lambda: pack_sae(sae, -1), "block is -1"),
    ]:
        with pytest.raises(ValueError, match=re.escape(words)):
            pack()
    with torch.no_grad():
        sae.W_dec[0, 0] = torch.nan
    with pytest.raises(ValueError, match="W_dec"):
        pack_sae(sae, 0)
