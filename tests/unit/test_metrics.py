"""The metrics, against numbers worked out by hand and against scikit-learn."""

import numpy as np
import pytest
import torch
from hostile import described, not_a_matrix, refusal, spoiled, unhurried
from hypothesis import assume, example, given
from hypothesis import strategies as st
from saelib import metrics
from sklearn.metrics import r2_score


def test_fvu_by_hand():
    x = torch.tensor([[0.0, 10.0], [2.0, 10.0], [4.0, 16.0]])  # means 2 and 12; squared deviations 8 and 24
    x_hat = torch.tensor([[1.0, 10.0], [2.0, 8.0], [4.0, 13.0]])  # squared errors 1 + 4 + 9
    assert metrics.fvu(x, x_hat) == 14 / 32


def test_fvu_is_0_for_a_copy_1_for_the_mean_and_above_1_for_worse():
    x = torch.tensor([[0.0, 1.0], [2.0, 5.0], [4.0, 0.0]])
    assert metrics.fvu(x, x) == 0
    assert metrics.fvu(x, x.mean(dim=0).expand_as(x)) == pytest.approx(1)
    assert metrics.fvu(x, -x) > 1


@unhurried
@given(st.integers(2, 9), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_fvu_is_what_is_missing_to_the_variance_weighted_r2(n, d, seed):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, d)) * random.uniform(0.1, 10, size=d) + random.normal(size=d)
    x_hat = x + random.normal(size=(n, d))
    expected = r2_score(x, x_hat, multioutput="variance_weighted")
    assert 1 - metrics.fvu(torch.tensor(x), torch.tensor(x_hat)) == pytest.approx(expected)


@pytest.mark.parametrize("unit", [1e-30, 1e30])
def test_fvu_does_not_depend_on_the_unit_of_measurement(unit):
    x, x_hat = torch.tensor([[0.0, 1.0], [2.0, 5.0]]), torch.tensor([[0.0, 2.0], [2.0, 3.0]])
    assert metrics.fvu(x * unit, x_hat * unit) == pytest.approx(5 / 10)


def test_fvu_keeps_its_digits_far_from_zero_and_over_many_rows():
    x = 1000 + torch.randn(20_000, 3, generator=torch.Generator().manual_seed(0)) * 0.1
    x_hat = x.clone()
    x_hat[:, 0] = x[:, 0].double().mean().float()
    assert metrics.fvu(x, x_hat) == pytest.approx(1 / 3, rel=0.02)


@pytest.mark.parametrize("x", [torch.zeros(4, 3), torch.full((4, 3), 0.1), torch.tensor([[1.0, 2.0, 1e8]]), torch.full((4, 1), -3e30)])
def test_fvu_refuses_data_without_variance(x):
    assert "x has no variance (all its rows are equal)" in refusal(lambda: metrics.fvu(x, torch.zeros_like(x)))


@unhurried
@given(st.integers(1, 60), st.floats(-1e6, 1e6))
@example(3, 0.1)
@example(10, 0.7)
def test_fvu_is_not_fooled_by_a_mean_that_was_rounded(n, value):
    x = torch.full((n, 2), value, dtype=torch.float64)
    assert "x has no variance" in refusal(lambda: metrics.fvu(x, x + 1))


@unhurried
@given(not_a_matrix(3))
def test_fvu_refuses_what_is_no_matrix(value):
    good = torch.eye(3)
    message = refusal(lambda: metrics.fvu(good, value))
    assert message.startswith("x_hat ") and described(value) in message
    if not (isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim == 2 and value.numel()):
        message = refusal(lambda: metrics.fvu(value, good))
        assert message.startswith("x ") and described(value) in message


def test_fvu_refuses_a_copy_with_another_number_of_rows():
    assert refusal(lambda: metrics.fvu(torch.eye(3), torch.eye(3)[:1])) == "x_hat has 1 rows; expected 3, as many as x"


@unhurried
@given(spoiled(3, 2))
def test_every_metric_refuses_numbers_that_are_not_finite_and_says_where(case):
    bad, words = case
    good = torch.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 6.0]])
    assert f"x holds {words}" in refusal(lambda: metrics.fvu(bad, good))
    assert f"x_hat holds {words}" in refusal(lambda: metrics.fvu(good, bad))
    assert f"codes holds {words}" in refusal(lambda: metrics.l0(bad))
    assert f"codes holds {words}" in refusal(lambda: metrics.dead_fraction(bad))


CODES = torch.tensor([[0.0, 1.0, 0.0, -2.0], [0.0, 3.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1e-30]])


def test_l0_counts_what_is_not_zero_per_example():
    assert metrics.l0(CODES) == pytest.approx(4 / 3)
    assert metrics.l0(CODES[:2]) == 1.5


def test_dead_fraction_is_the_share_of_features_that_no_example_uses():
    assert metrics.dead_fraction(CODES) == 0.5
    assert metrics.dead_fraction(CODES[1:2]) == 0.75
    assert metrics.dead_fraction(torch.ones(2, 3)) == 0


@unhurried
@given(not_a_matrix(3))
def test_l0_and_dead_fraction_refuse_what_is_no_matrix(value):
    assume(not (isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim == 2 and value.numel()))
    for metric in (metrics.l0, metrics.dead_fraction):
        message = refusal(lambda: metric(value))
        assert message.startswith("codes ") and described(value) in message
