"""The hooks know nothing of our own GPT: they take a GPT-2 of Hugging Face's as it comes from its folder."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
from saelib import SparseAutoencoder, TopK, activations, changed, metrics, train
from transformers import GPT2Config, GPT2LMHeadModel

PART = "transformer.h.1"


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    """A tiny one with random weights, written to a folder and read from it."""
    folder = tmp_path_factory.mktemp("gpt2")
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(vocab_size=60, n_positions=12, n_embd=16, n_layer=3, n_head=2)).save_pretrained(folder)
    return GPT2LMHeadModel.from_pretrained(folder, local_files_only=True).eval()


@pytest.fixture(scope="module")
def batches():
    return torch.randint(60, (6, 8, 12), generator=torch.Generator().manual_seed(0))


def test_what_a_block_puts_out_is_what_gpt2_itself_calls_its_hidden_state(gpt2, batches):
    with torch.no_grad():
        hidden = [gpt2(batch, output_hidden_states=True).hidden_states[2] for batch in batches]
    assert torch.equal(activations(gpt2, PART, batches), torch.cat(hidden).flatten(0, 1))


def test_a_sparse_autoencoder_learns_from_it_and_stands_in_its_place(gpt2, batches):
    x = activations(gpt2, PART, batches)
    sae = SparseAutoencoder(16, 64, TopK(8))
    train(sae, x, steps=150, batch_size=64, lr=5e-3, seed=0, progress=False)
    sae.requires_grad_(False)
    assert metrics.fvu(x, sae(x)) < 0.2
    with torch.no_grad():
        own = gpt2(batches[0]).logits
        with changed(gpt2, PART, lambda stream: sae(stream.flatten(0, 1)).view_as(stream)):
            spliced = gpt2(batches[0]).logits
        with changed(gpt2, PART, lambda stream: x.mean(dim=0).expand_as(stream)):
            ablated = gpt2(batches[0]).logits
        assert torch.equal(gpt2(batches[0]).logits, own)
    assert 0 < (spliced - own).norm() < 0.6 * (ablated - own).norm()
