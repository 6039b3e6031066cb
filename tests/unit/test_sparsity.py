"""The sparsity bricks: what they let through, what it costs, and what they refuse to be."""

import numpy as np
import pytest
import torch
from hostile import not_a_count, not_a_rate, refusal, unhurried
from hypothesis import given
from hypothesis import strategies as st
from saelib import L1, TopK

# Rows of ten different numbers, in any order, some of them negative.
rows_of_ten = st.lists(st.permutations(range(-4, 6)), min_size=1, max_size=5).map(lambda rows: torch.tensor(rows).float())


@unhurried
@given(rows_of_ten, st.integers(1, 10))
def test_topk_keeps_the_k_largest_of_each_row_in_their_places_and_no_negative_one(pre, k):
    codes = TopK(k).activate(pre)
    for before, after in zip(pre.tolist(), codes.tolist()):
        kept = sorted(before, reverse=True)[:k]
        assert after == [value if value in kept and value > 0 else 0 for value in before]


def test_topk_keeps_no_more_than_k_of_equals():
    codes = TopK(3).activate(torch.ones(2, 8))
    assert (codes != 0).sum(dim=1).tolist() == [3, 3]


def test_topk_has_no_price_and_passes_gradients_only_through_what_it_keeps():
    pre = torch.tensor([[3.0, -1.0, 2.0, 1.0]], requires_grad=True)
    brick = TopK(2)
    codes = brick.activate(pre)
    assert brick.penalty(codes) == 0 and brick.penalty(codes).shape == ()
    codes.sum().backward()
    assert pre.grad.tolist() == [[1, 0, 1, 0]]


@pytest.mark.parametrize(("k", "d_sae", "fits"), [(1, 1, True), (8, 8, True), (9, 8, False), (2, 1, False)])
def test_topk_fits_a_model_with_at_least_k_features(k, d_sae, fits):
    if fits:
        TopK(k).check(d_sae)
    else:
        assert f"k is {k}; expected at most {d_sae}, for there are d_sae = {d_sae} features" in refusal(lambda: TopK(k).check(d_sae))


@unhurried
@given(not_a_count)
def test_topk_refuses_what_is_no_count(k):
    assert refusal(lambda: TopK(k)) == f"k is {k!r}; expected a whole number of at least 1"


def test_l1_lets_all_positive_numbers_through():
    assert L1(1).activate(torch.tensor([[-2.0, 0.0, 0.5], [3.0, -0.1, 1.0]])).tolist() == [[0, 0, 0.5], [3, 0, 1]]


def test_l1_costs_the_sum_of_a_code_averaged_over_examples_times_the_coefficient():
    codes = torch.tensor([[0.0, 1.0, 2.0], [0.0, 0.0, 0.0], [4.0, 0.0, 0.0], [0.0, 0.5, 0.5]], requires_grad=True)
    penalty = L1(0.5).penalty(codes)
    assert penalty.item() == 0.5 * (3 + 0 + 4 + 1) / 4
    penalty.backward()
    assert (codes.grad == 0.5 / 4).all()


@unhurried
@given(not_a_rate)
def test_l1_refuses_a_coefficient_that_is_negative_or_no_finite_number(coefficient):
    assert refusal(lambda: L1(coefficient)) == f"coefficient is {coefficient!r}; expected a finite number of at least 0"


def test_numbers_of_numpy_are_numbers_and_a_brick_shows_its_settings():
    assert repr(TopK(np.int64(8))) == "TopK(k=8)"
    assert repr(L1(np.float64(0.5))) == "L1(coefficient=0.5)"
    assert L1(0).coefficient == 0
