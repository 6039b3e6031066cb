"""The small GPT: what it looks at and what it does not, attention written out by hand, and its file."""

import json
import math

import pytest
import torch
from hostile import not_a_count, not_a_seed, refusal, unhurried
from hypothesis import example, given
from hypothesis import strategies as st
from saelib import GPT, activations, changed, load_gpt, load_tokenizer
from saelib.data import train_tokenizer
from saelib.gpt import Attention, Block, save_gpt
from saelib.language import push
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

SIZES = {"n_tokens": 50, "d_model": 24, "n_layers": 2, "n_heads": 3, "context": 10}


def gpt(seed: int = 0, **sizes: int) -> GPT:
    return GPT(**{**SIZES, **sizes}, seed=seed).eval()


def loud(module: torch.nn.Module) -> torch.nn.Module:
    """The same with large weights, so that what one token does to another can be seen."""
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(0.4 * torch.randn(weight.shape, generator=random))
    return module


def some_tokens(n: int, t: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(SIZES["n_tokens"], (n, t), generator=torch.Generator().manual_seed(seed))


def test_every_token_gets_a_score_for_every_token_that_may_come_next():
    for n, t in ((1, 1), (3, 10)):
        logits = gpt()(some_tokens(n, t))
        assert logits.shape == (n, t, 50) and logits.dtype == torch.float32


@unhurried
@given(st.integers(0, 9), st.integers(0, 49))
def test_a_later_token_changes_nothing_before_it_and_something_from_it_on(place, token):
    model, tokens = loud(gpt()), some_tokens(2, 10)
    other = tokens.clone()
    other[:, place] = token
    with torch.no_grad():
        before, after = model(tokens), model(other)
    torch.testing.assert_close(before[:, :place], after[:, :place], rtol=0, atol=1e-5)
    for row in (0, 1):
        if tokens[row, place] != token:
            assert ((before - after)[row, place:].abs().amax(dim=1) > 1e-3).all()


def test_a_text_gets_the_same_scores_alone_in_a_batch_and_cut_short():
    model, tokens = loud(gpt()), some_tokens(4, 10)
    with torch.no_grad():
        whole = model(tokens)
        torch.testing.assert_close(model(tokens[2:3]), whole[2:3], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(model(tokens[:, :6]), whole[:, :6], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("block", [0, 1, 2])
@pytest.mark.parametrize("t", [1, 8])
def test_what_comes_after_a_changed_last_token_is_what_the_whole_model_says(block, t):
    model, tokens, part = loud(gpt(n_layers=3)), some_tokens(5, t), f"blocks.{block}"
    stream = activations(model, part, [tokens]).view(5, t, 24)
    vectors = torch.randn(4, 5, 24, generator=torch.Generator().manual_seed(t))
    vectors[0] = 0
    given = stream.clone(), vectors.clone()
    found = model.next_logits(stream, vectors, block=block)
    assert found.shape == (4, 5, 50) and torch.equal(stream, given[0]) and torch.equal(vectors, given[1])
    for one, logits in zip(vectors, found):
        with torch.no_grad(), changed(model, part, push(one)):
            torch.testing.assert_close(logits, model(tokens)[:, -1], rtol=1e-3, atol=1e-3)
    assert (found[1:] - found[0]).abs().amax(dim=2).min() > 0.1


def test_many_texts_have_the_same_next_tokens_as_few():
    random = torch.Generator().manual_seed(0)
    model, stream, vectors = loud(gpt()), torch.randn(515, 3, 24, generator=random), torch.randn(2, 515, 24, generator=random)
    whole = model.next_logits(stream, vectors, block=0)
    torch.testing.assert_close(whole[:, 510:], model.next_logits(stream[510:], vectors[:, 510:], block=0), rtol=1e-3, atol=1e-3)


STREAM, VECTORS = torch.zeros(3, 4, 24), torch.zeros(2, 3, 24)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((STREAM, VECTORS, -1), "block is -1; expected a whole number of at least 0"),
        ((STREAM, VECTORS, 2), "block is 2; expected at most 1, the last of 2 blocks"),
        ((STREAM, VECTORS, "1"), "block is '1'; expected"),
        ((STREAM[0], VECTORS, 0), "stream has shape (4, 24); expected (n, t, 24) with t from 1 to 10"),
        ((STREAM[:, :0], VECTORS, 0), "stream has shape (3, 0, 24); expected"),
        ((torch.zeros(3, 11, 24), VECTORS, 0), "stream has shape (3, 11, 24); expected"),
        ((STREAM[:, :, 1:], VECTORS, 0), "stream has shape (3, 4, 23); expected"),
        ((STREAM, VECTORS[0], 0), "vectors has shape (3, 24); expected (m, 3, 24)"),
        ((STREAM, VECTORS[:, :2], 0), "vectors has shape (2, 2, 24); expected (m, 3, 24)"),
    ],
)
def test_a_stream_and_vectors_that_do_not_fit_are_refused(given, words):
    assert refusal(lambda: gpt().next_logits(*given[:2], block=given[2])).startswith(words)


@unhurried
@given(st.integers(1, 20), st.integers(1, 8))
def test_attention_knows_how_far_apart_tokens_are_and_not_where_they_stand(shift, t):
    attention, x = loud(Attention(12, 2, 30)), torch.randn(2, t, 12, generator=torch.Generator().manual_seed(t))
    with torch.no_grad():
        before = attention(x)
        attention.turn = attention.turn[:, shift:]  # the first token now stands at `shift`
        torch.testing.assert_close(attention(x), before, rtol=1e-4, atol=1e-4)


def test_attention_sees_the_order_of_the_tokens_before():
    attention, x = loud(Attention(12, 2, 8)), torch.randn(1, 8, 12, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        last, swapped = (attention(one)[0, -1] for one in (x, x[:, [0, 3, 2, 1, 4, 5, 6, 7]]))
        assert (last - swapped).abs().max() > 1e-3
        attention.turn[0], attention.turn[1] = 1.0, 0.0  # without the turning it would not
        last, swapped = (attention(one)[0, -1] for one in (x, x[:, [0, 3, 2, 1, 4, 5, 6, 7]]))
        torch.testing.assert_close(last, swapped)


@pytest.mark.parametrize(("d_model", "heads"), [(12, 1), (12, 2), (12, 3), (4, 2)])
def test_attention_is_a_softmax_over_the_tokens_so_far_of_query_times_key(d_model, heads):
    attention, x = loud(Attention(d_model, heads, 9)), torch.randn(2, 7, d_model, generator=torch.Generator().manual_seed(1))
    size = d_model // heads
    pairs = size // 2
    frequency = [10_000 ** -(pair / max(1, pairs - 1)) for pair in range(pairs)]
    expected = torch.zeros(2, 7, d_model)
    with torch.no_grad():
        query, key, value = (x @ part.T for part in attention.read.weight.chunk(3))
        for n in range(2):
            for head in range(heads):
                own = slice(head * size, (head + 1) * size)
                q, k, v = query[n, :, own], key[n, :, own], value[n, :, own]
                for i in range(7):
                    scores = torch.zeros(i + 1)
                    for j in range(i + 1):
                        for pair in range(pairs):  # turned by the distance: a product of complex numbers
                            asks = complex(q[i, pair], q[i, pairs + pair])
                            offers = complex(k[j, pair], k[j, pairs + pair])
                            angle = frequency[pair] * (i - j)
                            scores[j] += (asks * complex(math.cos(angle), math.sin(angle)) * offers.conjugate()).real
                    expected[n, i, own] = (scores / size**0.5).softmax(dim=0) @ v[: i + 1]
        torch.testing.assert_close(attention(x), expected @ attention.write.weight.T, rtol=1e-3, atol=1e-4)


def test_a_token_looks_at_those_up_to_itself_as_much_as_it_fetches_of_them():
    attention, x = loud(Attention(12, 2, 9)), torch.randn(2, 7, 12, generator=torch.Generator().manual_seed(1))
    looks, (_, _, value) = attention.looks(x), attention.query_key_value(x)
    assert looks.shape == (2, 2, 7, 7)
    torch.testing.assert_close(looks.sum(dim=3), torch.ones(2, 2, 7))
    assert (looks.triu(1) == 0).all()
    torch.testing.assert_close(attention.write((looks @ value).transpose(1, 2).flatten(2)), attention(x), atol=1e-5, rtol=1e-5)


def test_the_last_token_may_ask_alone_from_where_it_stands():
    attention, x = loud(Attention(12, 2, 9)), torch.randn(2, 7, 12, generator=torch.Generator().manual_seed(1))
    _, key, value = attention.query_key_value(x)
    query, own, _ = attention.query_key_value(x[:, -1:], first=6)
    torch.testing.assert_close(own, key[:, :, -1:])
    torch.testing.assert_close(attention.attend(query, key, value), attention(x)[:, -1:], atol=1e-5, rtol=1e-5)


def test_a_block_only_adds_to_the_stream():
    block, stream = loud(Block(12, 2, 8)), torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        middle = stream + block.attention(block.norm_1(stream))
        read = block.norm_2(middle) @ block.mlp.read.weight.T + block.mlp.read.bias
        added = F.gelu(read) @ block.mlp.write.weight.T + block.mlp.write.bias
        torch.testing.assert_close(block(stream), middle + added, rtol=1e-4, atol=1e-4)
        for part in (block.attention, block.mlp):
            for weight in part.write.parameters():
                weight.zero_()
        assert torch.equal(block(stream), stream)


@pytest.mark.parametrize("n_tokens", [50, 2000])
def test_the_first_loss_is_that_of_knowing_nothing(n_tokens):
    tokens = torch.randint(n_tokens, (20, 11), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        loss = F.cross_entropy(gpt(n_tokens=n_tokens)(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    assert loss.item() == pytest.approx(math.log(n_tokens), abs=0.1)


def test_it_learns_to_say_what_comes_next():
    model, tokens = gpt(), torch.arange(22).remainder(5)[None]
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(40):
        optimizer.zero_grad()
        F.cross_entropy(model(tokens[:, :10])[0], tokens[0, 1:11]).backward()
        optimizer.step()
    assert torch.equal(model(tokens[:, 10:20])[0].argmax(dim=1), tokens[0, 11:21])


def test_what_a_token_looks_like_going_in_is_what_it_looks_like_coming_out():
    model = gpt()
    assert model.unembed.weight is model.embed.weight
    with torch.no_grad():
        model.embed.weight.zero_()
    assert not model(some_tokens(1, 3)).any()


def test_weights_are_taken_with_the_tied_one_once_or_twice_and_stay_tied():
    other = gpt(1)
    for weights in (dict(other.named_parameters()), other.state_dict()):
        model = gpt(2)
        model.load_state_dict(weights)
        assert torch.equal(model.unembed.weight, other.embed.weight) and model.unembed.weight is model.embed.weight
    for missing in ("embed.weight", "norm.weight"):
        with pytest.raises(RuntimeError, match=missing):
            model.load_state_dict({name: value for name, value in other.named_parameters() if name != missing})


def test_the_same_seed_gives_the_same_weights_and_the_global_random_state_is_left_alone():
    before = torch.get_rng_state()
    first, same, other = (gpt(seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, same[name]) for name, value in first.items())
    assert not torch.equal(first["embed.weight"], other["embed.weight"])


@unhurried
@given(st.sampled_from(sorted(SIZES)), not_a_count)
def test_sizes_that_are_no_counts_are_refused_by_their_names(name, value):
    assert refusal(lambda: gpt(**{name: value})).startswith(f"{name} is {value!r}; expected a whole number of at least 1")


@unhurried
@given(st.integers(1, 40), st.integers(1, 12))
@example(24, 24)
def test_heads_have_to_share_the_stream_in_pairs(d_model, n_heads):
    if d_model % n_heads == 0 and d_model // n_heads % 2 == 0:
        assert gpt(d_model=d_model, n_heads=n_heads)(some_tokens(1, 2)).isfinite().all()
    else:
        assert refusal(lambda: gpt(d_model=d_model, n_heads=n_heads)).startswith(f"n_heads is {n_heads}; ")


@unhurried
@given(not_a_seed)
def test_a_seed_that_is_none_is_refused(seed):
    assert refusal(lambda: GPT(**SIZES, seed=seed)).startswith(f"seed is {seed!r}")


@pytest.mark.parametrize("shape", [(), (3,), (1, 0), (1, 11), (1, 2, 3)])
def test_tokens_of_another_shape_are_refused(shape):
    message = refusal(lambda: gpt()(torch.zeros(shape, dtype=torch.int64)))
    assert message == f"tokens has shape {shape}; expected (n, t) with t from 1 to 10"


# The file.


def test_a_saved_gpt_comes_back_within_half_precision(tmp_path):
    model, path = loud(gpt()), tmp_path / "a" / "new" / "gpt.safetensors"
    save_gpt(model, path, step="7")
    found = load_gpt(str(path))
    assert found.settings == model.settings == SIZES and not found.training
    assert found.unembed.weight is found.embed.weight
    own = model.state_dict()
    for name, value in found.state_dict().items():
        assert value.dtype == torch.float32 and torch.equal(value, own[name].half().float())
    assert (found(some_tokens(2, 10)) - model(some_tokens(2, 10))).abs().max() < 0.1
    save_gpt(found, tmp_path / "again")
    again = load_gpt(tmp_path / "again")
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in found.state_dict().items())


def test_the_file_holds_half_precision_weights_once_and_the_notes(tmp_path):
    save_gpt(gpt(), tmp_path / "gpt", step="7", licence="CC0")
    tensors = load_file(tmp_path / "gpt")
    assert {value.dtype for value in tensors.values()} == {torch.float16} and "unembed.weight" not in tensors
    from safetensors import safe_open

    with safe_open(tmp_path / "gpt", framework="pt") as file:
        notes = file.metadata()
    assert json.loads(notes.pop("gpt")) == SIZES and notes == {"step": "7", "licence": "CC0"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 70_000.0])
def test_weights_that_a_file_cannot_hold_are_refused_and_the_file_before_stays(value, tmp_path):
    model, path = gpt(), tmp_path / "gpt"
    save_gpt(model, path)
    before = path.read_bytes()
    with torch.no_grad():
        model.blocks[1].mlp.read.bias[3] = value
    assert "blocks.1.mlp.read.bias holds" in refusal(lambda: save_gpt(model, path))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_missing_is_said_to_be_missing(tmp_path):
    for read in (load_gpt, load_tokenizer):
        for place in (tmp_path / "nowhere", tmp_path):
            with pytest.raises(FileNotFoundError, match=f"{place} is missing"):
                read(place)


def test_a_file_that_is_cut_off_is_refused_by_its_name(tmp_path):
    save_gpt(gpt(), tmp_path / "gpt")
    whole = (tmp_path / "gpt").read_bytes()
    for length in (0, 1, 8, 9, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut").write_bytes(whole[:length])
        assert refusal(lambda: load_gpt(tmp_path / "cut")).startswith(f"{tmp_path / 'cut'} can't be read")


HALF = {name: value.half() for name, value in gpt().state_dict().items() if name != "unembed.weight"}
NOTES = json.dumps(SIZES)


@pytest.mark.parametrize(
    ("tensors", "notes"),
    [
        (HALF, None),
        (HALF, {"gpt": "no JSON"}),
        (HALF, {"gpt": "[1, 2]"}),
        (HALF, {"gpt": "{}"}),
        (HALF, {"gpt": json.dumps({**SIZES, "colour": 1})}),
        (HALF, {"gpt": json.dumps({**SIZES, "n_heads": 5})}),
        (HALF, {"gpt": json.dumps({**SIZES, "n_layers": 3})}),
        (HALF, {"gpt": json.dumps({**SIZES, "d_model": 12})}),
        ({"W_enc": torch.ones(2, 3)}, {"gpt": NOTES}),
        ({**HALF, "another": torch.ones(2)}, {"gpt": NOTES}),
        ({**HALF, "norm.weight": torch.ones(25)}, {"gpt": NOTES}),
    ],
)
def test_a_file_of_something_else_is_refused_by_its_name(tensors, notes, tmp_path):
    path = tmp_path / "other"
    save_file(tensors, path, metadata=notes)
    assert refusal(lambda: load_gpt(path)).startswith(f"{path} holds no GPT of this library: ")


def test_a_tokenizer_comes_back_from_its_file_and_another_file_is_refused(tmp_path):
    tokenizer = train_tokenizer(["x = 1\n"], 257)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert load_tokenizer(tmp_path / "tokenizer.json").encode("é").ids == tokenizer.encode("é").ids
    for content in (b"", b"{}", b"\xff\xfe", b'{"model": 3}'):
        (tmp_path / "other").write_bytes(content)
        assert refusal(lambda: load_tokenizer(tmp_path / "other")).startswith(f"{tmp_path / 'other'} holds no tokenizer: ")
