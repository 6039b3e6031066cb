"""Drawers and what the chapter on the cat measures with them: pursuit, decibels, the spread of a picture, the faces."""

import math

import pytest
import saelib
import torch
from hostile import refusal
from saelib import Drawers, SparseAutoencoder, data, metrics, train
from saelib.sparsity import pursuit


def noise(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_one_of_each_drawer_is_kept_with_its_sign():
    brick = Drawers((3, 2, 1))
    brick.attach(6)
    pre = torch.tensor([[1.0, -3.0, 2.0, 0.5, 0.4, -0.1], [0.0, 0.0, 0.1, -7.0, 6.0, 5.0]])
    wanted = torch.tensor([[0.0, -3.0, 0.0, 0.5, 0.0, -0.1], [0.0, 0.0, 0.1, -7.0, 0.0, 5.0]])
    assert torch.equal(brick.activate(pre), wanted) and torch.equal(brick.infer(pre), wanted)


def test_the_loss_is_the_mean_over_the_copies_after_each_drawer():
    sae = SparseAutoencoder(5, 9, Drawers((4, 3, 2)))
    x = noise(11, 5)
    codes = sae.encode(x)
    errors = [(x - codes[:, :end] @ sae.W_dec[:end] - sae.b_dec).square().sum(dim=1).mean() for end in (4, 7, 9)]
    torch.testing.assert_close(sae.loss(x).reconstruction, torch.stack(errors).mean())


def test_the_slopes_are_those_of_the_dense_formula():
    sae = SparseAutoencoder(5, 9, Drawers((4, 3, 2))).double()
    x = noise(11, 5, dtype=torch.float64)
    sae.loss(x).reconstruction.backward()
    own = [p.grad.clone() for p in sae.parameters()]
    sae.zero_grad()
    codes = sae.sparsity.activate((x - sae.b_dec) @ sae.W_enc + sae.b_enc)
    sum((x - codes[:, :end] @ sae.W_dec[:end] - sae.b_dec).square().sum(dim=1).mean() / 3 for end in (4, 7, 9)).backward()
    for found, parameter in zip(own, sae.parameters()):
        torch.testing.assert_close(found, parameter.grad)


def test_a_world_with_one_feature_of_each_kind_is_learned():
    bricks = torch.nn.functional.normalize(noise(8, 16, seed=1), dim=1)
    choice = torch.randint(4, (2, 3000), generator=torch.Generator().manual_seed(2))
    x = noise(3000, 1, seed=3) * 2 * bricks[choice[0]] + noise(3000, 1, seed=4) * bricks[4 + choice[1]]
    sae = SparseAutoencoder(16, 24, Drawers((12, 12)))
    train(sae, x, steps=800, batch_size=256, lr=5e-3, seed=0, progress=False)
    assert metrics.fvu(x, sae(x)) < 0.12


def test_it_is_saved_and_read_back(tmp_path):
    sae, x = SparseAutoencoder(5, 9, Drawers([4, 3, 2])), noise(6, 5)
    sae.save(tmp_path / "sae")
    back = saelib.load(tmp_path / "sae")
    assert back.sparsity.sizes == (4, 3, 2) and torch.equal(back.encode(x), sae.encode(x))


@pytest.mark.parametrize(
    "sizes, words", [((), "sizes is ()"), ("12", "sizes is '12'"), ((2, 0), "sizes[1] is 0"), ((2, 1.5), "sizes[1] is 1.5"), (3, "sizes is 3")]
)
def test_drawers_that_are_none_are_refused(sizes, words):
    assert words in refusal(lambda: Drawers(sizes))


def test_drawers_that_do_not_hold_all_features_are_refused():
    assert "expected d_sae = 9" in refusal(lambda: SparseAutoencoder(5, 9, Drawers((4, 4))))


def test_pursuit_is_that_of_scikit_learn():
    from sklearn.linear_model import orthogonal_mp

    bricks, x = noise(40, 12, seed=1, dtype=torch.float64), noise(30, 12, seed=2, dtype=torch.float64)
    unit = bricks / bricks.norm(dim=1, keepdim=True)
    codes = pursuit(x, bricks, 4)
    for k in (1, 2, 4):
        wanted = orthogonal_mp(unit.T.numpy(), x.T.numpy(), n_nonzero_coefs=k).T @ unit.numpy()
        torch.testing.assert_close(codes[k - 1] @ bricks, torch.from_numpy(wanted), rtol=1e-4, atol=1e-4)
        assert ((codes[k - 1] != 0).sum(dim=1) == k).all()


def test_pursuit_bears_the_same_brick_twice():
    bricks = noise(3, 6).repeat(2, 1)
    assert torch.isfinite(pursuit(noise(5, 6, seed=1), bricks, 6)).all()


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: pursuit(noise(3, 4), noise(5, 6), 1), "x has shape (3, 4)"),
        (lambda: pursuit(noise(3, 4), torch.zeros(5, 4), 1), "dictionary[0] is zero"),
        (lambda: pursuit(noise(3, 4), noise(9, 4), 5), "k is 5"),
        (lambda: metrics.psnr(noise(3, 4), noise(2, 4)), "x_hat has 2 rows"),
        (lambda: metrics.psnr(noise(3, 4), noise(3, 4)), "number for number"),
        (lambda: metrics.psnr(noise(3, 4), noise(3, 4, seed=1), 0), "peak is 0"),
        (lambda: metrics.spread(torch.zeros(2, 3)), "pictures[0] is all zeros"),
    ],
)
def test_what_does_not_fit_is_refused(call, words):
    assert words in refusal(call)


def test_decibels_are_those_of_scikit_image():
    from skimage.metrics import peak_signal_noise_ratio

    x, copy = noise(4, 5), noise(4, 5, seed=1)
    assert metrics.psnr(x, copy, 2.0) == pytest.approx(peak_signal_noise_ratio(x.numpy(), copy.numpy(), data_range=2.0), abs=1e-5)
    assert metrics.psnr(torch.zeros(2, 2), torch.full((2, 2), 0.1)) == pytest.approx(20, abs=1e-6)


def test_the_spread_goes_from_one_place_to_all():
    pictures = torch.tensor([[3.0, 0, 0, 0], [-1, 1, 0, 0], [2, 2, -2, 2]])
    assert metrics.spread(pictures).tolist() == pytest.approx([0.25, 0.5, 1])
    assert metrics.spread(noise(1, 100_000)).item() == pytest.approx(1 / 3, abs=0.02)  # of a normal distribution


def test_faces_are_those_of_scikit_image_and_their_mirror_pictures():
    from skimage.data import lfw_subset

    x = data.faces()
    assert x.shape == (200, 625) and x.dtype == torch.float32 and 0 <= x.min() and x.max() <= 1
    torch.testing.assert_close(x[:100].double(), torch.from_numpy(lfw_subset()[:100]).flatten(1).double())
    assert torch.equal(x[107].view(25, 25), x[7].view(25, 25).flip(1)) and math.isclose(x[107].mean(), x[7].mean(), rel_tol=1e-5)


def test_a_brick_that_starts_anew_asks_alike_of_both_ends():
    sae, x, dead = SparseAutoencoder(5, 9, Drawers([4, 3, 2])), noise(60, 5), torch.tensor([1, 5])
    sae.revive(x, dead, torch.Generator().manual_seed(0))
    assert not sae.b_enc[dead].any(), "a bar would be far below zero for what points the other way, and so win its drawer"
    assert torch.allclose(torch.nn.functional.normalize(sae.W_enc.T[dead], dim=1), sae.W_dec[dead])
