"""The data that the chapters use."""

import torch
from saelib import data
from sklearn.datasets import load_digits


def test_digits_are_ink_from_0_to_1_in_sixteenths_with_labels():
    train, held_out = data.digits()
    for part, n in ((train, 1500), (held_out, 297)):
        assert part.x.shape == (n, 64) and part.x.dtype == torch.float32
        assert part.label.shape == (n,) and part.label.dtype == torch.int64
        assert part.x.min() == 0 and part.x.max() == 1
        assert torch.equal(part.x * 16, (part.x * 16).round())


def test_the_two_parts_hold_every_digit_of_the_data_set_once_under_its_own_label():
    train, held_out = data.digits()
    bunch = load_digits()
    expected = sorted((*(row / 16).tolist(), int(label)) for row, label in zip(bunch.data, bunch.target))
    found = torch.cat([torch.cat([part.x.double(), part.label[:, None].double()], dim=1) for part in (train, held_out)])
    assert sorted(map(tuple, found.tolist())) == expected


def test_both_parts_are_a_fair_mixture_of_the_ten_digits():
    for part in data.digits():
        share = part.label.bincount(minlength=10) / len(part.label)
        assert (share - 0.1).abs().max() < 0.04


def test_digits_are_always_the_same_and_leave_the_global_random_state_alone():
    before = torch.get_rng_state()
    first = data.digits()
    torch.rand(3)
    torch.manual_seed(1)
    second = data.digits()
    assert all(torch.equal(a, b) for one, other in zip(first, second) for a, b in zip(one, other))
    torch.set_rng_state(before)
    data.digits()
    assert torch.equal(torch.get_rng_state(), before)
