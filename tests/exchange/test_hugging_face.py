"""Hooks and cards know nothing of our own GPT: they take a GPT-2 of Hugging Face's as it comes from its folder."""

import os
import re

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
from saelib import SparseAutoencoder, TopK, activations, changed, metrics, train
from saelib.data import tokenize
from saelib.language import Ablation, feature_cards, ngram_losses, token_activations, token_losses
from saelib.widgets import FeatureBrowser, save_html
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
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


MARK = "<|endoftext|>"
TEXTS = ["the cat sat on the mat, the cat sat", "a mat", "on the mat sat the cat; the cat sat on a mat and sat"]


def test_its_features_have_cards_and_a_page_that_holds_all_that_it_needs(gpt2, tmp_path):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=60, special_tokens=[MARK], show_progress=False))
    vocabulary = [tokenizer.decode([i], skip_special_tokens=False) or MARK for i in range(60)]
    tokens = tokenize(TEXTS, tokenizer, mark=MARK)
    assert tokens.ids.max() < 60 and (tokens.ids == tokenizer.token_to_id(MARK)).sum() == 3

    x = token_activations(gpt2, PART, tokens, context=12)
    begun = tokens.file == 1  # a text that fits into the context
    with torch.no_grad():
        assert torch.allclose(x[begun], gpt2(tokens.ids[begun][None], output_hidden_states=True).hidden_states[2][0], atol=1e-5)
        own = gpt2(tokens.ids[begun][None], labels=tokens.ids[begun][None]).loss
    assert token_losses(gpt2, tokens, context=12)[begun][:-1].mean().item() == pytest.approx(own.item(), rel=1e-4)
    assert ngram_losses(tokens, tokens, 3).mean() < token_losses(gpt2, tokens, context=12).mean()

    sae = SparseAutoencoder(16, 24, TopK(4))
    train(sae, x, steps=50, batch_size=16, lr=5e-3, seed=0, progress=False)
    sae.requires_grad_(False)
    unembed = gpt2.lm_head.weight * gpt2.transformer.ln_f.weight
    cards = feature_cards(sae, x, tokens, vocabulary, unembed=unembed, ablation=Ablation(gpt2, PART, reach=12))
    assert len(cards) == (sae.encode(x) > 0).any(dim=0).sum() > 4
    assert all(card.effect.loss_on and len(card.promoted) == 10 for card in cards)
    save_html(FeatureBrowser(cards), tmp_path / "features.html")
    page = (tmp_path / "features.html").read_text(encoding="utf-8")
    assert "<html" in page and len(page) > 20_000
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//|@import|url\(["']?https?:|from ["']https?:""", page)
