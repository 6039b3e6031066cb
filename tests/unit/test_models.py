"""The models: shapes, formulas worked out by hand, first weights, and what they refuse to be or to read."""

import math

import numpy as np
import pytest
import torch
from hostile import described, not_a_count, not_a_matrix, not_a_seed, refusal, unhurried
from hypothesis import given
from hypothesis import strategies as st
from saelib import L1, Autoencoder, SparseAutoencoder, TopK

BOTH = [lambda seed: SparseAutoencoder(5, 7, TopK(2), seed=seed), lambda seed: Autoencoder(5, 2, (4,), seed=seed)]


def same(one, other) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_the_parameters_have_the_names_and_shapes_of_the_field():
    sae = SparseAutoencoder(d_in=5, d_sae=7, sparsity=TopK(2))
    shapes = {name: tuple(value.shape) for name, value in sae.named_parameters()}
    assert shapes == {"W_enc": (5, 7), "b_enc": (7,), "W_dec": (7, 5), "b_dec": (5,)}
    assert set(sae.state_dict()) == set(shapes)
    assert (sae.d_in, sae.d_sae) == (5, 7)


@torch.no_grad()
def test_a_sparse_autoencoder_by_hand():
    sae = SparseAutoencoder(2, 3, TopK(1))
    sae.W_enc.copy_(torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 2.0]]))
    sae.b_enc.copy_(torch.tensor([0.5, 4.0, -9.0]))
    sae.W_dec.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]))
    sae.b_dec.copy_(torch.tensor([1.0, -1.0]))
    # Less b_dec: (3, 0) and (-3, -5). Times W_enc, plus b_enc: (3.5, 4, -3) and (-2.5, -1, -25).
    x = torch.tensor([[4.0, -1.0], [-2.0, -6.0]])
    codes = sae.encode(x)
    assert codes.tolist() == [[0, 4, 0], [0, 0, 0]]
    assert sae.decode(codes).tolist() == [[1, 3], [1, -1]]
    assert torch.equal(sae(x), sae.decode(codes))
    # Squared errors: 9 + 16, and 9 + 25; TopK itself is free.
    loss = sae.loss(x)
    assert (loss.total.item(), loss.reconstruction.item()) == ((25 + 34) / 2, (25 + 34) / 2)
    assert torch.equal(loss.codes, codes)


@torch.no_grad()
def test_the_loss_is_the_error_plus_the_bricks_penalty():
    sae = SparseAutoencoder(3, 4, L1(0.25))
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    codes = torch.relu((x - sae.b_dec) @ sae.W_enc + sae.b_enc)
    error = (x - codes @ sae.W_dec - sae.b_dec).square().sum() / 6
    loss = sae.loss(x)
    assert loss.reconstruction.item() == pytest.approx(error.item())
    assert loss.total.item() == pytest.approx(error.item() + 0.25 * codes.sum().item() / 6)


@pytest.mark.parametrize("sparsity", [TopK(2), L1(0.3)])
def test_the_loss_has_the_gradient_that_finite_differences_show(sparsity):
    sae = SparseAutoencoder(3, 5, sparsity).double()
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    parameters = dict(sae.named_parameters())

    def loss(*values):
        for name, value in zip(parameters, values):
            delattr(sae, name)
            setattr(sae, name, value)
        return sae.loss(x).total

    assert torch.autograd.gradcheck(loss, tuple(value.detach().clone().requires_grad_() for value in parameters.values()))


def test_a_new_sparse_autoencoder_reads_with_the_transpose_of_unit_rows():
    sae = SparseAutoencoder(6, 9, TopK(3))
    assert torch.allclose(sae.W_dec.norm(dim=1), torch.ones(9))
    assert torch.equal(sae.W_enc, sae.W_dec.T)
    assert not sae.b_enc.any() and not sae.b_dec.any()
    with torch.no_grad():
        sae.W_dec.zero_()
    assert sae.W_enc.any(), "the two share no memory"


def test_b_dec_starts_at_the_mean_of_the_first_batch_and_is_left_alone_later():
    sae = SparseAutoencoder(2, 3, TopK(1))
    sae.before_training(torch.tensor([[1.0, 2.0], [3.0, -4.0]]))
    assert sae.b_dec.tolist() == [2, -1]
    sae.before_training(torch.ones(2, 2))
    assert sae.b_dec.tolist() == [2, -1]


@torch.no_grad()
def test_after_a_step_the_rows_of_w_dec_have_length_1_in_their_old_directions():
    sae = SparseAutoencoder(2, 3, TopK(1))
    sae.W_dec.copy_(torch.tensor([[3.0, 4.0], [0.0, -0.1], [0.0, 0.0]]))
    sae.after_step()
    assert torch.allclose(sae.W_dec, torch.tensor([[0.6, 0.8], [0.0, -1.0], [0.0, 0.0]]))


@torch.no_grad()
def test_an_autoencoder_without_hidden_layers_is_linear():
    model = Autoencoder(d_in=3, d_code=2)
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    codes = model.encode(x)
    assert codes.shape == (4, 2)
    middle = (x[0] + x[1]) / 2
    assert torch.allclose(model(middle[None]), (model(x[:1]) + model(x[1:2])) / 2, atol=1e-6)
    assert torch.equal(model(x), model.decode(codes))
    assert [tuple(value.shape) for value in model.parameters()] == [(2, 3), (2,), (3, 2), (3,)]


@torch.no_grad()
def test_hidden_layers_have_tanh_between_them_and_are_mirrored_in_the_decoder():
    model = Autoencoder(d_in=6, d_code=2, hidden=[5, 3])
    x = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))

    def by_hand(x, layers, weights):
        for i in range(layers):
            weight, bias = next(weights), next(weights)
            x = x @ weight.T + bias
            x = torch.tanh(x) if i < layers - 1 else x
        return x

    weights = iter(model.parameters())
    codes = by_hand(x, 3, weights)
    assert torch.allclose(model.encode(x), codes, atol=1e-6)
    assert torch.allclose(model(x), by_hand(codes, 3, weights), atol=1e-6)
    sizes = [value.shape[0] for value in model.parameters() if value.ndim == 2]
    assert sizes == [5, 3, 2, 3, 5, 6]


@torch.no_grad()
def test_an_autoencoder_pays_for_its_error_alone():
    model = Autoencoder(3, 2)
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    loss = model.loss(x)
    assert loss.total.item() == loss.reconstruction.item() == pytest.approx(((x - model(x)) ** 2).sum().item() / 5)
    assert torch.equal(loss.codes, model.encode(x))


@pytest.mark.parametrize("make", BOTH)
def test_first_weights_come_from_the_seed_alone_and_leave_the_global_random_state_alone(make):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first = make(0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(8)
    assert same(first, make(0))
    assert not same(first, make(1))


def test_a_seed_that_a_model_takes_never_reseeds_a_gpu(monkeypatch):
    reseeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", reseeded.append)
    for make in BOTH:
        make(3)
    assert reseeded == []


@unhurried
@given(st.sampled_from(["d_in", "d_sae", "d_code", "hidden[1]"]), not_a_count)
def test_a_width_that_is_no_count_is_refused(name, value):
    calls = {
        "d_in": [lambda: SparseAutoencoder(value, 4, TopK(2)), lambda: Autoencoder(value, 4)],
        "d_sae": [lambda: SparseAutoencoder(4, value, TopK(2))],
        "d_code": [lambda: Autoencoder(4, value)],
        "hidden[1]": [lambda: Autoencoder(4, 2, (3, value))],
    }
    for call in calls[name]:
        assert refusal(call) == f"{name} is {value!r}; expected a whole number of at least 1"


@pytest.mark.parametrize("hidden", [5, None, "64", {3: 4}, {3, 4}, 2.5, np.ones(2)])
def test_hidden_widths_that_are_no_sequence_are_refused(hidden):
    assert refusal(lambda: Autoencoder(4, 2, hidden)) == f"hidden is {hidden!r}; expected a sequence of widths such as (64, 32)"


@unhurried
@given(not_a_seed)
def test_a_seed_that_torch_can_not_take_is_refused(seed):
    for make in BOTH:
        assert refusal(lambda: make(seed)).startswith(f"seed is {seed!r}; expected ")


@pytest.mark.parametrize("sparsity", [None, 8, "topk", TopK, torch.relu, torch.nn.ReLU()])
def test_what_is_no_sparsity_brick_is_refused(sparsity):
    message = refusal(lambda: SparseAutoencoder(4, 8, sparsity))
    assert message == f"sparsity is {sparsity!r}; expected a sparsity brick such as saelib.TopK(k=8)"


def test_a_brick_that_needs_more_features_than_there_are_is_refused():
    assert "k is 9; expected at most 8, for there are d_sae = 8" in refusal(lambda: SparseAutoencoder(4, 8, TopK(9)))


@unhurried
@given(not_a_matrix(5))
def test_encoding_refuses_what_is_no_batch_of_examples(x):
    for make in BOTH:
        for reader in (make(0).encode, make(0), make(0).loss):
            message = refusal(lambda: reader(x))
            assert message.startswith("x ") and described(x) in message and "expected" in message


@unhurried
@given(not_a_matrix(7))
def test_decoding_refuses_what_is_no_batch_of_codes(codes):
    message = refusal(lambda: SparseAutoencoder(5, 7, TopK(2)).decode(codes))
    assert message.startswith("codes ") and described(codes) in message


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_encoding_refuses_numbers_of_another_precision_than_the_weights(dtype):
    for make in BOTH:
        message = refusal(lambda: make(0).encode(torch.zeros(2, 5, dtype=dtype)))
        assert message == f"x has dtype {dtype}; expected a torch.float32 tensor of shape (n, 5)"
    assert BOTH[0](0).double().encode(torch.zeros(2, 5, dtype=torch.float64)).dtype == torch.float64


def test_a_model_of_one_number_works():
    sae = SparseAutoencoder(1, 1, TopK(1))
    assert math.isclose(abs(sae.W_dec.item()), 1, rel_tol=1e-6)
    assert sae(torch.ones(1, 1)).shape == (1, 1)
