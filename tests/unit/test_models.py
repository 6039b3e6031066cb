"""The models: shapes, formulas worked out by hand, first weights, and what they refuse to be or to read."""

import copy
import io
import json
import math

import numpy as np
import pytest
import torch
from hostile import described, not_a_count, not_a_matrix, not_a_seed, refusal, unhurried
from hypothesis import given
from hypothesis import strategies as st
from saelib import KL, L1, Autoencoder, BatchTopK, Gated, JumpReLU, Matryoshka, SparseAutoencoder, TopK, kernels, load, train
from saelib.models import Loss, _geometric_median
from scipy.optimize import minimize

BOTH = [lambda seed: SparseAutoencoder(5, 7, TopK(2), seed=seed), lambda seed: Autoencoder(5, 2, (4,), seed=seed)]
D_IN, D_SAE = 4, 8
CHOOSING = {"TopK": lambda: TopK(2), "BatchTopK": lambda: BatchTopK(2), "Matryoshka": lambda: Matryoshka((2, 5, 8), 2)}
BRICKS = {
    **CHOOSING,
    "L1": lambda: L1(0.3),
    "KL": lambda: KL(0.1, 0.3),
    "JumpReLU": lambda: JumpReLU(0.3, bandwidth=0.5, start=0.3),
    "Gated": lambda: Gated(0.3),
}
every_brick = pytest.mark.parametrize("name", BRICKS)
every_choosing_brick = pytest.mark.parametrize("name", CHOOSING)


def noise(n=10, d=D_IN, seed=0, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def trained(name, dtype=torch.float64, unit=1.0, seed=0) -> SparseAutoencoder:
    """A model in the middle of training: no weight is special, but rows of W_dec have length 1."""
    sae = SparseAutoencoder(D_IN, D_SAE, BRICKS[name](), seed=seed).to(dtype)
    random = torch.Generator().manual_seed(100 + seed)
    with torch.no_grad():
        for weight in sae.parameters():
            weight += 0.2 * torch.rand(weight.shape, generator=random, dtype=torch.float64).to(dtype)
        sae.W_dec /= sae.W_dec.norm(dim=1, keepdim=True)
    sae.measure(unit)
    return sae


def gradients(sae, value, x=None) -> dict[str, torch.Tensor]:
    """The gradient of `value` in every weight (0 where there is none), and in x."""
    of = dict(sae.named_parameters()) | ({} if x is None else {"x": x})
    found = torch.autograd.grad(value, of.values(), allow_unused=True)
    return {name: torch.zeros_like(weight) if slope is None else slope for (name, weight), slope in zip(of.items(), found)}


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
    assert torch.equal(loss.codes.to_dense(), codes)


@torch.no_grad()
def test_the_loss_is_the_error_plus_the_bricks_penalty():
    sae = SparseAutoencoder(3, 4, L1(0.25))
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    codes = torch.relu((x - sae.b_dec) @ sae.W_enc + sae.b_enc)
    error = (x - codes @ sae.W_dec - sae.b_dec).square().sum() / 6
    loss = sae.loss(x)
    assert loss.reconstruction.item() == pytest.approx(error.item())
    assert loss.total.item() == pytest.approx(error.item() + 0.25 * codes.sum().item() / 6)


def test_a_loss_is_the_sum_of_its_three_parts():
    loss = Loss(torch.tensor(1.0), torch.tensor(0.25), torch.tensor(0.5), torch.zeros(2, 3))
    assert loss.total.item() == 1.75


def test_a_loss_knows_the_numbers_in_its_codes_and_who_was_used():
    dense = torch.tensor([[0.0, 2.0, 0.0, 1.0], [0.0, 3.0, 0.0, 0.0]])
    loss = Loss(*torch.zeros(3), dense)
    assert loss.values().sum() == 6 and loss.uses().tolist() == [0, 2, 0, 1]
    # Chosen: features 1 and 3, 1 and 2. The last was negative, so that it is no use though it has an entry.
    place = torch.tensor([[0, 0, 1, 1], [1, 3, 1, 2]])
    sparse = torch.sparse_coo_tensor(place, torch.tensor([2.0, 1.0, 3.0, 0.0]), (2, 4), check_invariants=True)
    loss = Loss(*torch.zeros(3), sparse)
    assert sorted(loss.values().tolist()) == [0, 1, 2, 3] and loss.uses().tolist() == [0, 2, 0, 1]
    assert loss.uses().dtype == torch.int64


# The loss, against dense matrices and autograd.


def by_matrices(sae, x, dead=None):
    """Reconstruction, auxiliary loss and codes of a model that chooses, as the papers write them: everything dense."""
    brick, n = sae.sparsity, len(x)
    pre = (x - sae.b_dec) @ sae.W_enc + sae.b_enc
    if isinstance(brick, TopK):
        kept = torch.zeros_like(pre).scatter(1, pre.topk(brick.k, dim=1).indices, 1)
    else:
        kept = torch.zeros_like(pre).flatten().scatter(0, pre.flatten().topk(n * brick.k).indices, 1).reshape(pre.shape)
    codes = torch.relu(pre) * kept
    widths = brick.widths if isinstance(brick, Matryoshka) else (sae.d_sae,)
    errors = [x - codes[:, :width] @ sae.W_dec[:width] - sae.b_dec for width in widths]
    reconstruction = sum(error.square().sum() / n for error in errors) / len(widths) / sae.unit**2
    if dead is None:
        return reconstruction, torch.zeros(()), codes
    k = min(2 * brick.k, int(dead.sum()))
    answers = torch.where(dead, pre, -math.inf).topk(k, dim=1).indices
    helping = torch.relu(pre) * torch.zeros_like(pre).scatter(1, answers, 1)
    return reconstruction, (errors[-1].detach() - helping @ sae.W_dec).square().sum() / n / 32 / sae.unit**2, codes


def far(found, expected) -> float:
    return ((found - expected).abs().max() / expected.abs().max().clamp_min(1e-12)).item()


DEAD = {"nobody": None, "one": [3], "three": [0, 3, 7], "all": list(range(D_SAE))}


@every_choosing_brick
@pytest.mark.parametrize("who", DEAD)
@pytest.mark.parametrize(("dtype", "unit", "tolerance"), [(torch.float32, 1.0, 1e-5), (torch.float64, 1.0, 1e-12), (torch.float64, 7.5, 1e-12)])
def test_the_loss_of_the_chosen_and_all_its_gradients_are_those_of_dense_matrices(name, who, dtype, unit, tolerance):
    dead = None if DEAD[who] is None else torch.isin(torch.arange(D_SAE), torch.tensor(DEAD[who]))
    for seed in range(3):
        sae, x = trained(name, dtype, unit, seed), noise(seed=seed, dtype=dtype).requires_grad_()
        exact, exact_x = copy.deepcopy(sae).double(), x.detach().double().requires_grad_()
        loss = sae.loss(x, dead)
        reconstruction, auxiliary, codes = by_matrices(exact, exact_x, dead)
        assert loss.reconstruction.item() == pytest.approx(reconstruction.item(), rel=tolerance)
        assert loss.auxiliary.item() == pytest.approx(auxiliary.item(), rel=tolerance)
        assert loss.penalty.item() == 0 and (loss.auxiliary > 0) == (dead is not None)
        assert far(loss.codes.to_dense(), codes) < tolerance and not loss.codes.requires_grad
        assert torch.equal(loss.uses(), (codes > 0).sum(dim=0))
        found, expected = gradients(sae, loss.total, x), gradients(exact, reconstruction + auxiliary, exact_x)
        for weight in expected:
            assert far(found[weight], expected[weight]) < tolerance, weight


@pytest.mark.parametrize("rows", [1, 3, 5, 1000])
@pytest.mark.parametrize("who", DEAD)
@every_choosing_brick
def test_a_large_batch_is_read_in_pieces_where_examples_need_no_comparing(name, who, rows, monkeypatch):
    dead = None if DEAD[who] is None else torch.isin(torch.arange(D_SAE), torch.tensor(DEAD[who]))
    sae, x = trained(name, torch.float64, 1.0, 0), noise()
    sizes = []
    product = kernels.product
    monkeypatch.setattr("saelib.models.PIECE", rows * D_SAE)
    monkeypatch.setattr("saelib.kernels.product", lambda x, W, b: sizes.append(len(x)) or product(x, W, b))
    loss = sae.loss(x, dead)
    assert sum(sizes) == len(x) and max(sizes) == (min(rows, len(x)) if name == "TopK" else len(x))
    reconstruction, auxiliary, codes = by_matrices(sae, x, dead)
    assert far(loss.codes.to_dense(), codes) < 1e-12 and loss.auxiliary.item() == pytest.approx(auxiliary.item(), rel=1e-12)
    found, expected = gradients(sae, loss.total), gradients(sae, reconstruction + auxiliary)
    assert all(far(found[weight], expected[weight]) < 1e-12 for weight in expected)


@every_choosing_brick
def test_a_wide_model_gives_the_same_as_dense_matrices_too(name):
    brick = {"TopK": TopK(8), "BatchTopK": BatchTopK(8), "Matryoshka": Matryoshka((64, 200, 1100), 8)}[name]
    sae, x = SparseAutoencoder(20, 1100, brick).double(), noise(32, 20)
    dead = torch.arange(1100) % 3 == 0
    loss = sae.loss(x, dead)
    reconstruction, auxiliary, codes = by_matrices(sae, x, dead)
    assert far(loss.codes.to_dense(), codes) < 1e-12
    found, expected = gradients(sae, loss.total), gradients(sae, reconstruction + auxiliary)
    assert all(far(found[weight], expected[weight]) < 1e-12 for weight in expected)


def test_matryoshka_by_hand():
    sae = SparseAutoencoder(2, 3, Matryoshka((1, 3), 2))
    with torch.no_grad():
        sae.W_enc.copy_(torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, -9.0]]))
        sae.W_dec.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]))
        sae.b_dec.copy_(torch.tensor([1.0, 1.0]))
    # Less b_dec: (3, 2) and (0, 5). Codes: (3, 2, -15 cut off) and (0, 5, -45 cut off).
    loss = sae.loss(torch.tensor([[4.0, 3.0], [1.0, 6.0]]))
    # The first box alone leaves (0, 2) and (0, 5); all three leave nothing.
    assert loss.reconstruction.item() == ((4 + 25) / 2 + 0) / 2
    assert loss.codes.to_dense().tolist() == [[3, 2, 0], [0, 5, 0]]


@every_choosing_brick
def test_the_dead_learn_from_the_error_and_nobody_else_does(name):
    # A well-known library loses this gradient: there W_enc's and b_enc's are exactly 0.
    dead = torch.tensor([0, 1, 0, 0, 1, 0, 0, 1], dtype=torch.bool)
    sae, x = trained(name), noise().requires_grad_()
    found = gradients(sae, sae.loss(x, dead).auxiliary, x)
    answering = (torch.relu((x - sae.b_dec) @ sae.W_enc + sae.b_enc) > 0).any(dim=0) & dead
    assert answering.sum() == 3, "the data is such that each of the dead answers to somebody"
    for slope in (found["W_enc"].T, found["b_enc"][:, None], found["W_dec"]):
        assert (slope[dead].norm(dim=1) > 1e-3).all()
        assert not slope[~dead].any(), "the error that is to be rebuilt stays as it is"
    # b_dec and x are reached through the encoder alone.
    assert torch.allclose(found["b_dec"], -sae.W_enc @ found["b_enc"]) and torch.allclose(found["x"].sum(dim=0), -found["b_dec"])


def test_aux_k_by_hand():
    sae = SparseAutoencoder(2, 4, TopK(1))
    with torch.no_grad():
        sae.W_enc.copy_(torch.tensor([[10.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.5, -1.0]]))
        sae.W_dec.copy_(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
        sae.b_dec.copy_(torch.tensor([1.0, 0.0]))
    # Less b_dec: (1, 2). Pre-activations (10, 1, 1, -2): the first is kept, and (1, 2) - (10, 0) = (-9, 2) is left over.
    x = torch.tensor([[2.0, 2.0]])
    loss = sae.loss(x, torch.tensor([False, True, True, True]))
    # Of the dead, twice k are asked: the second and third. They say (1, 1): (-10, 1) is left.
    assert loss.reconstruction.item() == 81 + 4
    assert loss.auxiliary.item() == 101 / 32
    assert loss.codes.to_dense().tolist() == [[10, 0, 0, 0]] and loss.uses().tolist() == [1, 0, 0, 0]
    sae.measure(2.0)
    assert sae.loss(x, torch.tensor([False, True, True, True])).auxiliary.item() == 101 / 32 / 4


def test_bricks_that_do_not_revive_by_aux_k_have_no_use_for_the_dead():
    for name in ("L1", "KL", "JumpReLU", "Gated"):
        sae, x = trained(name), noise()
        with_dead, without = sae.loss(x, torch.ones(D_SAE, dtype=torch.bool)), sae.loss(x)
        assert all(torch.equal(one, other) for one, other in zip(with_dead, without))


class LossOf(torch.nn.Module):
    def __init__(self, sae, part):
        super().__init__()
        self.sae, self.part = sae, part

    def forward(self, x):
        return getattr(self.sae.loss(x), self.part)


def checked(sae, x, part, but=()) -> bool:
    """Whether that part of the loss has the gradient that finite differences show, in x and all weights but some."""
    names = [name for name, _ in sae.named_parameters() if name not in but]
    weights = [sae.get_parameter(name).detach().clone().requires_grad_() for name in names]

    def loss(x, *values):
        return torch.func.functional_call(LossOf(sae, part), {f"sae.{name}": value for name, value in zip(names, values)}, (x,))

    return torch.autograd.gradcheck(loss, (x.detach().clone().requires_grad_(), *weights))


@pytest.mark.parametrize("name", [name for name in BRICKS if name != "Gated"])
@pytest.mark.parametrize("unit", [1.0, 1.7])
def test_the_loss_has_the_gradient_that_finite_differences_show(name, unit):
    # JumpReLU's slope in its thresholds is made up; that has a test of its own.
    assert checked(trained(name, unit=unit), noise(4), "total", but=("sparsity.threshold",))


@pytest.mark.parametrize("unit", [1.0, 1.7])
def test_the_loss_of_a_gate_has_the_gradient_that_finite_differences_show_but_where_it_is_held_back(unit):
    sae, x = trained("Gated", unit=unit), noise(4)
    assert checked(sae, x, "reconstruction") and checked(sae, x, "penalty")
    # The gate's own rebuilding does not move the decoder, and b_dec only where the encoder takes it off.
    assert checked(sae, x, "auxiliary", but=("W_dec", "b_dec"))
    found = gradients(sae, sae.loss(x).auxiliary)
    assert not found["W_dec"].any() and not found["sparsity.r_mag"].any() and not found["sparsity.b_mag"].any()
    assert torch.allclose(found["b_dec"], -sae.W_enc @ found["b_enc"])


def test_the_three_parts_of_a_gates_loss_by_matrices():
    sae, x = trained("Gated", unit=1.7), noise()
    pre = (x - sae.b_dec) @ sae.W_enc + sae.b_enc
    codes = (pre > 0) * torch.relu(sae.sparsity.r_mag.exp() * pre + sae.sparsity.b_mag)
    loss = sae.loss(x)
    assert torch.allclose(loss.codes, codes)
    assert torch.allclose(loss.reconstruction, (x - codes @ sae.W_dec - sae.b_dec).square().sum() / 10 / 1.7**2)
    assert torch.allclose(loss.penalty, 0.3 * torch.relu(pre).sum() / 10 / 1.7)
    assert torch.allclose(loss.auxiliary, (x - torch.relu(pre) @ sae.W_dec - sae.b_dec).square().sum() / 10 / 1.7**2)


def test_the_thresholds_of_jumprelu_have_the_slope_of_the_paper():
    sae, x = trained("JumpReLU", unit=1.7), noise(200)
    threshold, width = sae.sparsity.threshold, 0.5 * 1.7
    pre = (x - sae.b_dec) @ sae.W_enc + sae.b_enc
    codes = pre * (pre > threshold)
    slope = -2 / 200 / 1.7**2 * (x - codes @ sae.W_dec - sae.b_dec) @ sae.W_dec.T  # of the error, in the codes
    near = ((pre - threshold).abs() < width / 2).double()
    expected = -(near * (slope * threshold + 0.3 / 200)).sum(dim=0) / width
    assert near.sum() > 100 and torch.allclose(gradients(sae, sae.loss(x).total)["sparsity.threshold"], expected)


@every_brick
def test_the_codes_of_the_loss_are_those_of_the_brick_in_training(name):
    sae, x = trained(name), noise()
    codes = sae.loss(x).codes
    codes = codes.to_dense() if codes.is_sparse else codes
    assert torch.allclose(codes, sae.sparsity.activate((x - sae.b_dec) @ sae.W_enc + sae.b_enc), atol=1e-12)
    if not isinstance(sae.sparsity, BatchTopK):
        assert torch.allclose(codes, sae.encode(x), atol=1e-12)


@every_choosing_brick
def test_in_bfloat16_the_choice_is_rough_and_the_loss_of_what_was_chosen_is_not(name):
    sae, x = trained(name, torch.float32), noise(50, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        loss = sae.loss(x, torch.arange(D_SAE) < 3)
    pre = (x - sae.b_dec) @ sae.W_enc + sae.b_enc
    example, feature = loss.codes._indices()
    assert torch.allclose(loss.codes._values(), torch.relu(pre[example, feature]), atol=1e-6)
    codes = loss.codes.to_dense()
    widths = sae.sparsity.prefixes(D_SAE)
    errors = [(x - codes[:, :width] @ sae.W_dec[:width] - sae.b_dec).square().sum().item() / 50 for width in widths]
    assert loss.reconstruction.dtype == torch.float32
    assert loss.reconstruction.item() == pytest.approx(sum(errors) / len(errors), rel=1e-5)
    found = gradients(sae, loss.total)
    assert all(slope.dtype == torch.float32 and slope.any() for slope in found.values())


@every_brick
def test_asking_for_a_loss_in_between_changes_no_gradient(name):
    sae, x = trained(name), noise()
    alone = gradients(sae, sae.loss(x).total)
    loss = sae.loss(x)
    trained(name, seed=1).loss(noise(seed=1))
    between = gradients(sae, loss.total)
    assert all(torch.equal(alone[weight], between[weight]) for weight in alone)


@every_brick
def test_a_loss_may_be_looked_at_in_inference_mode_in_between(name):
    sae, x = trained(name), noise()
    kernels.forget()
    with torch.inference_mode():
        looked = sae.loss(x).total.item()
    loss = sae.loss(x).total
    loss.backward()
    assert loss.item() == looked


# First weights.


def test_a_new_sparse_autoencoder_reads_with_the_transpose_of_unit_rows():
    sae = SparseAutoencoder(6, 9, TopK(3))
    assert torch.allclose(sae.W_dec.norm(dim=1), torch.ones(9))
    assert torch.equal(sae.W_enc, sae.W_dec.T)
    assert not sae.b_enc.any() and not sae.b_dec.any()
    with torch.no_grad():
        sae.W_dec.zero_()
    assert sae.W_enc.any(), "the two share no memory"


@pytest.mark.parametrize("seed", [0, 1, 2, 1454, 2**40])
def test_a_dictionary_made_with_the_same_seed_is_not_where_the_model_starts(seed):
    sae = SparseAutoencoder(16, 12, TopK(3), seed=seed)
    made = torch.nn.functional.normalize(torch.randn(12, 16, generator=torch.Generator().manual_seed(seed)), dim=1)
    assert (sae.W_dec @ made.T).max() < 0.95


def features_lie_together(sae) -> bool:
    return sae.W_enc.T.is_contiguous() and sae.W_enc.shape == (sae.d_in, sae.d_sae)


def test_a_features_encoder_weights_lie_side_by_side_and_stay_so(tmp_path):
    sae = SparseAutoencoder(5, 12, TopK(2))
    assert features_lie_together(sae)
    assert features_lie_together(copy.deepcopy(sae)) and features_lie_together(copy.deepcopy(sae).double())
    other = SparseAutoencoder(5, 12, TopK(2), seed=1)
    other.load_state_dict({name: value.contiguous() for name, value in sae.state_dict().items()})
    assert same(sae, other) and features_lie_together(other)
    file = io.BytesIO()
    torch.save(sae, file)
    file.seek(0)
    assert features_lie_together(torch.load(file, weights_only=False))
    train(sae, noise(20, 5).float(), steps=2, batch_size=10, lr=1e-2, seed=0, progress=False)
    assert features_lie_together(sae) and features_lie_together(sae.double().float())
    sae.save(tmp_path / "sae")
    assert features_lie_together(load(tmp_path / "sae"))


# The unit, and the middle of the data.


def test_b_dec_starts_at_the_mean_of_the_first_batch_and_is_left_alone_later():
    sae = SparseAutoencoder(2, 3, TopK(1))
    sae.before_training(torch.tensor([[1.0, 2.0], [3.0, -4.0]]))
    assert sae.b_dec.tolist() == [2, -1]
    assert sae.unit == pytest.approx(math.sqrt(1 + 9))
    sae.before_training(torch.tensor([[50.0, 2.0], [3.0, -4.0]]))
    assert sae.b_dec.tolist() == [2, -1]
    assert sae.unit == sae.sparsity.unit == pytest.approx(math.sqrt(1 + 9))


@pytest.mark.parametrize("make", BOTH)
def test_once_the_unit_is_known_answering_with_the_mean_costs_1(make):
    model, x = make(0), 300 * noise(50, 5, dtype=torch.float32) + 7
    model.before_training(x)
    assert model._error(x - x.mean(dim=0)).item() == pytest.approx(1, rel=1e-5)


def test_the_unit_of_one_example_is_its_length():
    sae = SparseAutoencoder(2, 3, TopK(1))
    sae.before_training(torch.tensor([[3.0, 4.0]]))
    assert sae.unit == pytest.approx(5)


@pytest.mark.parametrize("n", [2, 3, 7, 100])
@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e3, -7e10, 1e-12])
def test_examples_that_are_all_equal_are_refused(n, value):
    for make in BOTH:
        message = refusal(lambda: make(0).before_training(torch.full((n, 5), value)))
        assert message == f"data has no variance: all {n} examples of the first batch are equal"


@pytest.mark.parametrize("make", BOTH)
def test_small_differences_are_differences(make):
    model, x = make(0), torch.full((4, 5), 100.0)
    x[0, 0] += 0.01
    model.before_training(x)
    assert model.unit == pytest.approx((0.01 / 4) * math.sqrt(3), rel=1e-2)


@pytest.mark.parametrize("make", BOTH)
@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_first_batch_that_is_not_finite_is_no_measure(make, broken):
    x = noise(6, 5, dtype=torch.float32)
    x[2, 3] = broken
    model = make(0)
    model.before_training(x)  # not called equal: what is wrong with it, training says
    assert model.unit == 1.0


@every_brick
def test_the_same_model_of_the_same_data_in_another_unit_has_the_same_loss(name):
    x = noise(dtype=torch.float64) + 1
    one = trained(name)
    one.before_training(x)
    other = copy.deepcopy(one)
    other.measure(7.5 * one.unit)
    with torch.no_grad():
        other.b_enc *= 7.5
        other.b_dec *= 7.5
    dead = torch.arange(D_SAE) < 3
    for of_one, of_other in zip(one.loss(x, dead)[:3], other.loss(7.5 * x, dead)[:3]):
        assert of_other.item() == pytest.approx(of_one.item(), rel=1e-10)
    assert torch.allclose(other(7.5 * x), 7.5 * one(x))


@every_brick
@pytest.mark.parametrize(("scale", "clip"), [(4.0, None), (0.01, 1.0), (1e7, 1.0)])
def test_training_on_the_same_data_in_another_unit_gives_the_same_features(name, scale, clip):
    x = noise(100, dtype=torch.float32).exp()  # not centred, and far from even
    one, other = (SparseAutoencoder(D_IN, D_SAE, BRICKS[name]()) for _ in range(2))
    settings = dict(steps=30, batch_size=20, lr=3e-2, seed=0, clip=clip, progress=False)
    found = [history.rows[-1]["loss"] for history in (train(one, x, **settings), train(other, scale * x, **settings))]
    assert found[0] == pytest.approx(found[1], rel=1e-3)
    lengths = {"b_enc", "b_dec", "sparsity.threshold", "sparsity.b_mag"}
    for weight, value in one.state_dict().items():
        assert (other.state_dict()[weight] / (scale if weight in lengths else 1) - value).abs().max() < 1e-4, weight


@pytest.mark.parametrize("scale", [1e-15, 1e15])
def test_the_loss_keeps_its_digits_whatever_the_datas_scale(scale):
    for make in BOTH:
        one, other, x = make(0), make(0), noise(20, 5, dtype=torch.float32)
        one.before_training(x)
        other.before_training(scale * x)
        middle, scaled = x - x.mean(dim=0), scale * (x - x.mean(dim=0))
        assert other._error(scaled).item() == pytest.approx(one._error(middle).item(), rel=1e-4)


@pytest.mark.parametrize("name", ["JumpReLU", "Gated"])
def test_a_model_from_elsewhere_reads_as_before_once_the_unit_is_measured(name, tmp_path):
    sae, x = trained(name, torch.float32), 20 * noise(dtype=torch.float32)
    sae.save(tmp_path)
    config = json.loads((tmp_path / "cfg.json").read_text())
    del config["metadata"]  # another library's file does not say what its lengths were counted in
    (tmp_path / "cfg.json").write_text(json.dumps(config))
    loaded = load(tmp_path)
    before = loaded.encode(x)
    assert before.any() and torch.allclose(before, sae.encode(x), atol=1e-5)
    loaded.before_training(x)
    assert torch.allclose(loaded.encode(x), before), "thresholds that were learnt are not scaled"


def mean_distance(center, x) -> float:
    return np.linalg.norm(x - center, axis=1).mean()


@pytest.mark.parametrize("seed", range(4))
def test_the_geometric_median_has_the_least_mean_distance(seed):
    x = noise(30, 3, seed).exp()
    x[:3] *= 50  # a few that the mean runs after
    start, options = x.median(dim=0).values.numpy(), {"xatol": 1e-9, "fatol": 1e-12}
    best = minimize(mean_distance, start, args=(x.numpy(),), method="Nelder-Mead", options=options)
    found = _geometric_median(x)
    assert mean_distance(found.numpy(), x.numpy()) < best.fun * (1 + 1e-5)
    assert mean_distance(x.mean(dim=0).numpy(), x.numpy()) > 1.1 * best.fun
    assert torch.allclose(found, torch.tensor(best.x), atol=0.01)


def test_the_geometric_median_by_hand():
    corners = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
    assert torch.allclose(_geometric_median(corners), torch.tensor([5.0, 5.0]))
    assert torch.allclose(_geometric_median(torch.tensor([[1.0], [2.0], [900.0]])), torch.tensor([2.0]), atol=0.05)
    assert torch.allclose(_geometric_median(torch.tensor([[3.0, 4.0]])), torch.tensor([3.0, 4.0]))
    assert torch.allclose(_geometric_median(torch.ones(5, 2)), torch.ones(2))
    cross = torch.tensor([[2.0, 3.0], [3.0, 3.0], [1.0, 3.0], [2.0, 3.5], [2.0, 2.5]])  # its mean is its median, and one of its rows
    assert torch.allclose(_geometric_median(cross), torch.tensor([2.0, 3.0]))
    held = torch.tensor([[0.0], [0.0], [0.0], [4.0], [-1.0], [-1.0], [-2.0]])  # starts at its median, though the others pull
    assert _geometric_median(held).tolist() == [0]
    heavy = torch.tensor([[2.0, 3.0]] * 4 + [[3.0, 3.0], [50.0, -7.0], [2.0, 9.0]])  # more than half of the rows are one
    assert torch.allclose(_geometric_median(heavy), torch.tensor([2.0, 3.0]), atol=1e-3)


def test_the_geometric_median_does_not_stay_at_an_example_that_happens_to_be_the_mean():
    x = torch.tensor([[-1.0, 0.0], [-1.0, 0.1], [-1.0, -0.1], [3.0, 0.0], [0.0, 0.0]])
    assert mean_distance(_geometric_median(x).numpy(), x.numpy()) < mean_distance(np.zeros(2), x.numpy()) - 0.1


@pytest.mark.parametrize("scale", [1e-9, 1e-4, 1e9])
def test_the_geometric_median_does_not_depend_on_the_unit_of_measurement(scale):
    x = noise(30, 3).exp()
    assert torch.allclose(_geometric_median(scale * x) / scale, _geometric_median(x), rtol=1e-4)


def test_b_dec_starts_at_the_geometric_median_for_those_who_ask():
    x = noise(30, dtype=torch.float32).exp()
    sae = SparseAutoencoder(D_IN, D_SAE, TopK(2))
    sae.before_training(x, "median")
    assert torch.equal(sae.b_dec, _geometric_median(x)) and not torch.allclose(sae.b_dec, x.mean(dim=0), rtol=0.05)


# What training calls.


@every_brick
def test_weights_that_are_lengths_learn_in_units(name):
    sae = trained(name, unit=7.5)
    plain, lengths = sae.groups(0.5)
    assert (plain["lr"], lengths["lr"]) == (0.5, 0.5 * 7.5)
    names = {id(weight): name for name, weight in sae.named_parameters()}
    found = {names[id(weight)] for weight in lengths["params"]}
    assert found == {"b_enc", "b_dec", *{"JumpReLU": ["sparsity.threshold"], "Gated": ["sparsity.b_mag"]}.get(name, [])}
    every = [names[id(weight)] for group in (plain, lengths) for weight in group["params"]]
    assert sorted(every) == sorted(names.values()), "each of them once"


def test_an_autoencoder_has_one_group():
    model = Autoencoder(5, 2, (4,))
    (group,) = model.groups(0.5)
    assert group["lr"] == 0.5 and [id(p) for p in group["params"]] == [id(p) for p in model.parameters()]


@pytest.mark.parametrize("d_sae", [3, 512, 600])
def test_before_a_step_no_gradient_is_left_along_the_rows_and_what_lies_across_stays(d_sae):
    sae, x = SparseAutoencoder(5, d_sae, TopK(2)).double(), noise(40, 5)
    sae.after_step(sae.loss(x))  # the rows have length 1 to the last of their digits
    sae.loss(x).total.backward()
    before = {name: weight.grad.clone() for name, weight in sae.named_parameters()}
    sae.before_step()
    along = (before["W_dec"] * sae.W_dec).sum(dim=1, keepdim=True)
    assert along.abs().max() > 1e-3
    assert (sae.W_dec.grad * sae.W_dec).sum(dim=1).abs().max() < 1e-14
    assert torch.allclose(sae.W_dec.grad, before["W_dec"] - along * sae.W_dec, atol=1e-14)
    assert torch.equal(sae.W_enc.grad, before["W_enc"])


@torch.no_grad()
def test_after_a_step_the_rows_of_w_dec_have_length_1_in_their_old_directions():
    sae = SparseAutoencoder(2, 3, TopK(1))
    sae.W_dec.copy_(torch.tensor([[3.0, 4.0], [0.0, -0.1], [0.0, 0.0]]))
    sae.after_step(sae.loss(torch.ones(1, 2)))
    assert torch.allclose(sae.W_dec, torch.tensor([[0.6, 0.8], [0.0, -1.0], [0.0, 0.0]]))
    wide = SparseAutoencoder(5, 1100, TopK(1))
    wide.W_dec *= torch.linspace(0.1, 3, 1100)[:, None]
    wide.after_step(wide.loss(torch.ones(1, 5)))
    assert torch.allclose(wide.W_dec.norm(dim=1), torch.ones(1100))


@torch.no_grad()
def test_after_a_step_the_brick_sees_the_codes():
    sae, x = trained("BatchTopK"), noise()
    loss = sae.loss(x)
    codes = loss.codes.to_dense()
    sae.after_step(loss)
    assert sae.sparsity.threshold.item() == codes[codes > 0].min().item()
    jump = trained("JumpReLU")
    jump.sparsity.threshold[2] = -1
    jump.after_step(jump.loss(x))
    assert jump.sparsity.threshold[2] == 0


@pytest.mark.parametrize("name", [name for name in BRICKS if name != "KL"])
def test_reviving_starts_the_dead_anew_and_touches_nobody_else(name):
    sae, x, dead = trained(name, unit=1.7), noise(), torch.tensor([1, 4, 6])
    before = copy.deepcopy(sae)
    places = sae.revive(x, dead, torch.Generator().manual_seed(0))
    living = torch.ones(D_SAE, dtype=torch.bool)
    living[dead] = False
    assert torch.allclose(sae.W_dec[dead].norm(dim=1), torch.ones(3, dtype=torch.float64))
    # The direction is that of what an example has left over.
    left = torch.nn.functional.normalize(x - before(x), dim=1)
    assert torch.allclose((sae.W_dec[dead] @ left.T).max(dim=1).values, torch.ones(3, dtype=torch.float64))
    if sae.revival == "aux-k":
        length = 0.5 * before.W_enc.T[living].norm(dim=1).mean()
        assert torch.allclose(sae.W_enc.T[dead], length * sae.W_dec[dead]) and not sae.b_enc[dead].any()
    else:
        # It reads along an example, and is on for that one as strongly as it takes to undo the error.
        asks = torch.nn.functional.normalize(sae.W_enc.T[dead], dim=1)
        of = (asks @ torch.nn.functional.normalize(x - sae.b_dec, dim=1).T).max(dim=1)
        assert torch.allclose(of.values, torch.ones(3, dtype=torch.float64))
        answers = ((x - sae.b_dec) @ sae.W_enc + sae.b_enc)[of.indices, dead]
        assert torch.allclose(answers, (x - before(x))[of.indices].norm(dim=1))
    if name == "JumpReLU":
        assert torch.allclose(sae.sparsity.threshold[dead], torch.tensor(0.3 * 1.7, dtype=torch.float64))
    if name == "Gated":
        assert not sae.sparsity.r_mag[dead].any() and not sae.sparsity.b_mag[dead].any()
    # The places that it names are all that has changed, and all weights of the dead but b_dec.
    named = {id(weight): place for weight, place in places}
    for weight_name, weight in sae.named_parameters():
        changed = weight != before.get_parameter(weight_name)
        expected = torch.zeros_like(changed)
        if id(weight) in named:
            expected[named[id(weight)]] = True
        assert torch.equal(changed, expected), weight_name
        assert (id(weight) in named) == (weight_name != "b_dec")
    assert features_lie_together(sae)


@every_choosing_brick
def test_where_the_largest_are_chosen_what_starts_anew_does_not_shout_the_living_down(name):
    sae, dead = trained(name), torch.tensor([1, 4, 6])
    living = torch.ones(D_SAE, dtype=torch.bool)
    living[dead] = False
    length = sae.W_enc.T[living].norm(dim=1).mean()
    sae.revive(noise(), dead, torch.Generator().manual_seed(0))
    assert torch.allclose(sae.W_enc.T[dead], 0.5 * length * sae.W_dec[dead]) and not sae.b_enc[dead].any()


def test_reviving_is_drawn_from_the_generator_alone():
    found = []
    for seed in (0, 0, 1):
        sae = trained("L1")
        sae.revive(noise(50), torch.tensor([1, 4, 6]), torch.Generator().manual_seed(seed))
        found.append(sae.W_dec.detach().clone())
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_the_worse_an_example_is_rebuilt_the_likelier_it_is_drawn():
    sae = SparseAutoencoder(2, 3000, L1(0.1))
    with torch.no_grad():
        sae.W_enc.zero_()  # all is rebuilt as b_dec, 0: the squared errors are 1, 2 and 0
    x = torch.tensor([[1.0, 0.0], [0.0, math.sqrt(2)], [0.0, 0.0]])
    sae.revive(x, torch.arange(3000), torch.Generator().manual_seed(0))
    share = (sae.W_dec[:, 1] > 0.5).float().mean().item()
    assert share == pytest.approx(4 / 5, abs=0.03), "Bricken et al. draw in proportion to the square of the loss"
    assert torch.allclose(sae.W_dec.norm(dim=1), torch.ones(3000)), "what is rebuilt without error is never drawn"


def test_where_all_features_of_a_contest_are_dead_they_start_with_half_of_length_1():
    sae = trained("TopK")
    sae.revive(noise(), torch.arange(D_SAE), torch.Generator().manual_seed(0))
    assert torch.allclose(sae.W_enc.norm(dim=0), torch.full((D_SAE,), 0.5, dtype=torch.float64))


@pytest.mark.parametrize("name", ["L1", "JumpReLU", "Gated"])
def test_without_a_contest_what_is_revived_is_on_no_more_often_than_the_living(name):
    sae, x, dead = trained(name), noise(400), torch.tensor([1, 4, 6])
    often = (sae.encode(x) != 0).double().mean(dim=0)
    often[dead] = 0
    sae.revive(x, dead, torch.Generator().manual_seed(0))
    on = ((x - sae.b_dec) @ sae.W_enc[:, dead] + sae.b_enc[dead] > 0).double().mean(dim=0)
    along = (x - sae.b_dec) @ torch.nn.functional.normalize(sae.W_enc[:, dead], dim=0)
    example = (along / (x - sae.b_dec).norm(dim=1, keepdim=True)).argmax(dim=0)
    # But for an example that goes less far than so many others do: then its own four fifths are the bar.
    like_it = (along > 0.8 * along[example, range(3)]).double().mean(dim=0)
    assert ((on <= often[often > 0].mean() + 1 / 400) | (on - like_it).abs().le(1 / 400)).all() and (on > 0).all()


def test_where_all_are_dead_and_nobody_competes_they_are_on_for_half_at_most_or_for_their_example():
    sae, x = trained("L1"), noise(200)
    with torch.no_grad():
        sae.b_enc -= 100
    sae.revive(x, torch.arange(D_SAE), torch.Generator().manual_seed(0))
    codes = sae.encode(x)
    assert torch.isfinite(sae.W_enc).all() and torch.isfinite(codes).all() and (codes > 0).any(dim=0).all()


def test_where_nothing_is_left_to_rebuild_nobody_is_revived():
    sae = SparseAutoencoder(2, 3, L1(0.1))
    before = copy.deepcopy(sae)
    assert sae.revive(torch.zeros(4, 2), torch.tensor([1]), torch.Generator()) == [] and same(sae, before)
    for broken in (math.nan, math.inf):  # nor where nobody knows what is
        assert sae.revive(torch.full((4, 2), broken), torch.tensor([1]), torch.Generator()) == [] and same(sae, before)


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e6, 1e12])
def test_reviving_works_on_data_of_any_scale(scale):
    found = []
    for unit in (1.0, scale):
        sae = trained("L1", torch.float32)
        with torch.no_grad():
            for bias in (sae.b_enc, sae.b_dec):
                bias *= unit
        sae.revive(unit * noise(dtype=torch.float32), torch.tensor([1, 4]), torch.Generator().manual_seed(0))
        found.append(sae.W_dec.detach())
    assert torch.allclose(*found, atol=1e-5)


def test_a_plain_autoencoder_has_nobody_to_revive():
    model = Autoencoder(5, 2)
    assert model.revival is None and model.revive(noise(4, 5).float(), torch.tensor([0]), torch.Generator()) == []


@every_brick
def test_a_model_revives_as_its_brick_does(name):
    sae = trained(name)
    assert sae.revival == sae.sparsity.revival


# An autoencoder.


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
    model.measure(2.0)
    assert model.loss(x).total.item() == pytest.approx(loss.total.item() / 4)


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
    assert message == f"sparsity is {sparsity!r}; expected a sparsity rule such as saelib.TopK(k=8)"


def test_a_brick_that_needs_more_features_than_there_are_is_refused():
    assert "k is 9; expected at most 8, for there are d_sae = 8" in refusal(lambda: SparseAutoencoder(4, 8, TopK(9)))
    assert "widths is (2, 6); expected the last to be d_sae = 8" in refusal(lambda: SparseAutoencoder(4, 8, Matryoshka((2, 6), 1)))


@every_brick
def test_a_second_model_with_the_same_brick_leaves_the_first_as_it_was(name):
    brick = BRICKS[name]()
    first = SparseAutoencoder(D_IN, D_SAE, brick)
    x = noise(dtype=torch.float32)
    before, loss = first.encode(x), first.loss(x).total
    try:
        second = SparseAutoencoder(D_IN, D_SAE, brick)
        second.before_training(20 * x)
        second.after_step(second.loss(20 * x))
    except ValueError:
        pass  # to refuse it would do as well
    assert torch.equal(first.encode(x), before) and torch.equal(first.loss(x).total, loss)


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
