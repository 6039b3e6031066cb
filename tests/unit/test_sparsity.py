"""The sparsity bricks: what they let through, what it costs, what they learn, how they lie on disk, and what they refuse to be."""

import math

import numpy as np
import pytest
import torch
from hostile import not_a_count, not_a_rate, not_finite, refusal, unhurried
from hypothesis import assume, example, given
from hypothesis import strategies as st
from saelib import KL, L1, BatchTopK, Gated, JumpReLU, Matryoshka, TopK

D_SAE = 6
# One of each kind, for D_SAE features.
BRICKS = {
    "L1": lambda: L1(0.3),
    "KL": lambda: KL(0.1, 0.3),
    "TopK": lambda: TopK(2),
    "BatchTopK": lambda: BatchTopK(2),
    "Matryoshka": lambda: Matryoshka((2, 4, 6), 2),
    "JumpReLU": lambda: JumpReLU(0.3, bandwidth=0.4, start=0.2),
    "Gated": lambda: Gated(0.3),
}
every_brick = pytest.mark.parametrize("name", BRICKS)


def attached(name):
    """A brick of that kind in the middle of training: its own weights are nothing special."""
    brick = BRICKS[name]()
    brick.attach(D_SAE)
    random = torch.Generator().manual_seed(5)
    for weight in brick.parameters():
        weight.data += 0.1 * torch.rand(weight.shape, generator=random)
    for buffer in brick.buffers():
        buffer.fill_(0.25)
    return brick


def noise(n=7, d=D_SAE, seed=0, dtype=torch.float32):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# What all bricks have in common.


@every_brick
def test_codes_have_the_shape_of_pre_activations_and_are_never_negative(name):
    brick, pre = attached(name), 3 * noise()
    for codes in (brick.activate(pre), brick.infer(pre)):
        assert codes.shape == pre.shape and codes.dtype == pre.dtype and (codes >= 0).all()
    assert brick.penalty(pre, brick.activate(pre)).shape == ()


@every_brick
def test_in_use_an_example_is_read_without_a_look_at_its_neighbours(name):
    brick, pre = attached(name), noise()
    assert torch.equal(brick.infer(pre), torch.cat([brick.infer(row[None]) for row in pre]))


@every_brick
def test_the_same_data_in_another_unit_gives_the_same_codes_in_that_unit_at_the_same_price(name):
    one, other, pre = attached(name), attached(name), noise(dtype=torch.float64)
    for brick in (one.double(), other.double()):
        brick.measure(2.0)
    other.measure(2.0 * 7.5)
    assert (one.unit, other.unit) == (2.0, 15.0)
    if isinstance(one, BatchTopK):
        other.threshold *= 7.5  # it is found while training, after the unit is known
    codes, scaled = one.activate(pre), other.activate(7.5 * pre)
    assert torch.allclose(scaled, 7.5 * codes, rtol=1e-12)
    assert torch.allclose(other.infer(7.5 * pre), 7.5 * one.infer(pre), rtol=1e-12)
    assert other.penalty(7.5 * pre, scaled).item() == pytest.approx(one.penalty(pre, codes).item(), rel=1e-12)
    if (auxiliary := one.auxiliary(pre)) is not None:
        assert torch.allclose(other.auxiliary(7.5 * pre), 7.5 * auxiliary, rtol=1e-12)


def test_measuring_takes_the_weights_that_are_lengths_along_and_no_others():
    jump, gated = attached("JumpReLU"), attached("Gated")
    threshold, r_mag, b_mag = (weight.detach().clone() for weight in (jump.threshold, gated.r_mag, gated.b_mag))
    for brick in (jump, gated):
        brick.measure(4.0)
        brick.measure(3.0)  # counted from the last unit, not once more from 1
    assert torch.allclose(jump.threshold, 3 * threshold) and jump.threshold.requires_grad
    assert torch.allclose(gated.b_mag, 3 * b_mag) and torch.equal(gated.r_mag, r_mag)


def test_bricks_show_their_settings_and_numbers_of_numpy_are_numbers():
    assert [repr(make()) for make in BRICKS.values()] == [
        "L1(coefficient=0.3)",
        "KL(target_rate=0.1, coefficient=0.3)",
        "TopK(k=2)",
        "BatchTopK(k=2)",
        "Matryoshka(widths=(2, 4, 6), k=2)",
        "JumpReLU(coefficient=0.3, bandwidth=0.4, start=0.2)",
        "Gated(coefficient=0.3)",
    ]
    assert repr(TopK(np.int64(8))) == "TopK(k=8)"
    assert repr(L1(np.float64(0.5))) == "L1(coefficient=0.5)"
    assert repr(Matryoshka([np.int64(4), 8], 1)) == "Matryoshka(widths=(4, 8), k=1)"
    assert L1(0).coefficient == 0


def test_who_can_lose_features_says_how_they_come_back():
    found = {name: make().revival for name, make in BRICKS.items()}
    assert found == {
        "L1": "resample", "KL": None, "TopK": "aux-k", "BatchTopK": "aux-k", "Matryoshka": "aux-k",
        "JumpReLU": "resample", "Gated": "resample",
    }  # fmt: skip


def test_only_a_gate_has_to_rebuild_by_itself():
    assert [name for name in BRICKS if attached(name).auxiliary(noise()) is not None] == ["Gated"]


# TopK

# Rows of ten different numbers, in any order, some of them negative.
rows_of_ten = st.lists(st.permutations(range(-4, 6)), min_size=1, max_size=5).map(lambda rows: torch.tensor(rows).float())


@unhurried
@given(rows_of_ten, st.integers(1, 10))
def test_topk_keeps_the_k_largest_of_each_row_in_their_places_and_no_negative_one(pre, k):
    codes = TopK(k).activate(pre)
    for before, after in zip(pre.tolist(), codes.tolist()):
        kept = sorted(before, reverse=True)[:k]
        assert after == [value if value in kept and value > 0 else 0 for value in before]
    assert torch.equal(TopK(k).infer(pre), codes)


def test_topk_keeps_no_more_than_k_of_equals():
    codes = TopK(3).activate(torch.ones(2, 8))
    assert (codes != 0).sum(dim=1).tolist() == [3, 3]


def test_topk_has_no_price_and_passes_gradients_only_through_what_it_keeps():
    pre = torch.tensor([[3.0, -1.0, 2.0, 1.0]], requires_grad=True)
    brick = TopK(2)
    codes = brick.activate(pre)
    assert brick.penalty(pre, codes) == 0 and brick.penalty(pre, codes).shape == ()
    codes.sum().backward()
    assert pre.grad.tolist() == [[1, 0, 1, 0]]


def test_topk_chooses_k_places_of_each_example_in_the_examples_order():
    example_of, feature = TopK(2).choose(torch.tensor([[1.0, 5.0, 3.0], [-1.0, -3.0, -2.0]]))
    assert example_of.tolist() == [0, 0, 1, 1]
    assert [set(feature[:2].tolist()), set(feature[2:].tolist())] == [{1, 2}, {0, 2}]


@pytest.mark.parametrize("brick", [TopK, BatchTopK, lambda k: Matryoshka((1, 2, 8), k)])
@pytest.mark.parametrize(("k", "d_sae", "fits"), [(1, 8, True), (8, 8, True), (9, 8, False)])
def test_who_keeps_the_k_largest_fits_a_model_with_at_least_k_features(brick, k, d_sae, fits):
    if fits:
        brick(k).attach(d_sae)
    else:
        assert refusal(lambda: brick(k).attach(d_sae)) == (
            f"k is {k}; expected at most {d_sae}, for there are d_sae = {d_sae} features to choose from"
        )


@unhurried
@given(not_a_count)
def test_a_k_that_is_no_count_is_refused(k):
    for make in (TopK, BatchTopK, lambda k: Matryoshka((1, 2), k)):
        assert refusal(lambda: make(k)) == f"k is {k!r}; expected a whole number of at least 1"


# L1


def test_l1_lets_all_positive_numbers_through():
    pre = torch.tensor([[-2.0, 0.0, 0.5], [3.0, -0.1, 1.0]])
    assert L1(1).activate(pre).tolist() == L1(1).infer(pre).tolist() == [[0, 0, 0.5], [3, 0, 1]]


def test_l1_costs_the_sum_of_a_code_averaged_over_examples_times_the_coefficient():
    codes = torch.tensor([[0.0, 1.0, 2.0], [0.0, 0.0, 0.0], [4.0, 0.0, 0.0], [0.0, 0.5, 0.5]], requires_grad=True)
    penalty = L1(0.5).penalty(codes.detach() - 1, codes)
    assert penalty.item() == 0.5 * (3 + 0 + 4 + 1) / 4
    penalty.backward()
    assert (codes.grad == 0.5 / 4).all()


def test_the_price_of_l1_counts_in_units():
    brick, codes = L1(0.5), torch.tensor([[4.0, 4.0], [0.0, 8.0]])
    brick.measure(4.0)
    assert brick.penalty(codes, codes).item() == 0.5 * (8 + 8) / 2 / 4


# KL


def test_kl_activates_by_a_sigmoid_as_high_as_the_unit():
    pre = torch.tensor([[0.0, math.log(3), -math.log(3)]])
    assert KL(0.1, 1).activate(pre)[0].tolist() == pytest.approx([0.5, 0.75, 0.25])
    brick = KL(0.1, 1)
    brick.measure(8.0)
    assert brick.activate(8 * pre)[0].tolist() == pytest.approx([4, 6, 2])
    assert torch.equal(brick.infer(pre), brick.activate(pre))


def test_kl_by_hand():
    # Two features over two examples; sigmoids 3/4 and 1/4, and 1/2 and 1/10: rates 1/2 and 3/10.
    pre = torch.tensor([[math.log(3), 0.0], [-math.log(3), math.log(1 / 9)]], dtype=torch.float64)
    brick = KL(target_rate=0.2, coefficient=0.7)

    def coin(rate):
        return 0.2 * math.log(0.2 / rate) + 0.8 * math.log(0.8 / (1 - rate))

    assert brick.penalty(pre, brick.activate(pre)).item() == pytest.approx(0.7 * (coin(0.5) + coin(0.3)), rel=1e-12)


@unhurried
@given(st.floats(0.01, 0.99), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_kl_is_the_formula_and_nothing_where_every_rate_is_the_target(target, n, seed):
    pre = 3 * noise(n, seed=seed, dtype=torch.float64)
    rate = torch.sigmoid(pre).mean(dim=0)
    formula = target * torch.log(target / rate) + (1 - target) * torch.log((1 - target) / (1 - rate))
    assert KL(target, 0.5).penalty(pre, torch.sigmoid(pre)).item() == pytest.approx(0.5 * formula.sum().item(), rel=1e-9, abs=1e-12)
    at_target = torch.full((n, D_SAE), math.log(target / (1 - target)), dtype=torch.float64)
    assert KL(target, 0.5).penalty(at_target, torch.sigmoid(at_target)).item() == pytest.approx(0, abs=1e-12)


@unhurried
@given(st.lists(st.tuples(*[st.floats(-(2.0**100), 2.0**100, width=32)] * 3), min_size=1, max_size=4), st.floats(1e-6, 1 - 1e-6))
@example([[-1e4, 1e4, 200.0]], 0.05)
def test_kl_stays_finite_where_a_sigmoid_is_rounded_to_0_or_1_and_so_does_its_gradient(pre, target):
    pre = torch.tensor(pre, requires_grad=True)
    brick = KL(target, 1.0)
    penalty = brick.penalty(pre, brick.activate(pre))
    penalty.backward()
    assert torch.isfinite(penalty) and torch.isfinite(pre.grad).all()
    assert penalty > -1e-4


def test_kl_pulls_at_a_feature_that_is_off_everywhere():
    pre = torch.full((2, 1), -200.0, requires_grad=True)  # its sigmoid is 0 in float32
    KL(0.1, 1.0).penalty(pre, torch.sigmoid(pre)).backward()
    assert torch.allclose(pre.grad, torch.tensor(-0.1 / 2)), "d/dpre of r log(r / rate) is -r, shared by the two examples"


# BatchTopK


def test_batchtopk_gives_one_example_more_than_another():
    pre = torch.tensor([[9.0, 8.0, 7.0, -1.0], [6.0, 1.0, 2.0, 0.0]])
    assert BatchTopK(2).activate(pre).tolist() == [[9, 8, 7, 0], [6, 0, 0, 0]]


def test_batchtopk_keeps_no_negative_number_and_passes_gradients_only_through_what_it_keeps():
    pre = torch.tensor([[3.0, -1.0], [-2.0, -4.0]], requires_grad=True)
    codes = BatchTopK(1).activate(pre)
    assert codes.tolist() == [[3, 0], [0, 0]]
    assert BatchTopK(1).penalty(pre, codes) == 0
    codes.sum().backward()
    assert pre.grad.tolist() == [[1, 0], [0, 0]]


@st.composite
def uneven(draw):
    """Pre-activations all different, k, and rows that may be much larger than others: (n, d_sae) and k."""
    n, d_sae = draw(st.integers(1, 7)), draw(st.integers(1, 40))
    k = draw(st.integers(1, d_sae))
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    pre = torch.randperm(n * d_sae, generator=random).reshape(n, d_sae).float() - n * d_sae / 2
    above = draw(st.lists(st.sampled_from([0, 1, 7]), min_size=n, max_size=n))
    return pre + n * d_sae * torch.tensor(above)[:, None], k


@unhurried
@given(uneven())
@example((torch.arange(40.0).reshape(1, 40), 40))
@example((torch.arange(240.0).reshape(6, 40), 1))
def test_batchtopk_chooses_exactly_the_n_k_largest_of_the_batch(pre_and_k):
    pre, k = pre_and_k
    assume(pre.unique().numel() == pre.numel())
    example_of, feature = BatchTopK(k).choose(pre)
    n, d_sae = pre.shape
    assert example_of.tolist() == sorted(example_of.tolist())
    assert set((example_of * d_sae + feature).tolist()) == set(pre.flatten().topk(n * k).indices.tolist())
    assert len(example_of) == n * k


@unhurried
@given(st.lists(st.lists(st.integers(-2, 2), min_size=9, max_size=9), min_size=1, max_size=5), st.integers(1, 9))
def test_batchtopk_keeps_as_much_as_it_may_among_equals_and_nothing_twice(rows, k):
    pre = torch.tensor(rows).float()
    example_of, feature = BatchTopK(k).choose(pre)
    assert len(set(zip(example_of.tolist(), feature.tolist()))) == len(pre) * k
    assert sorted(pre[example_of, feature].tolist()) == sorted(pre.flatten().topk(len(pre) * k).values.tolist())


@pytest.mark.parametrize(("n", "d_sae", "k"), [(64, 64, 1), (100, 1000, 3), (33, 200, 2)])
def test_batchtopk_finds_all_of_an_example_that_takes_nearly_everything(n, d_sae, k):
    pre = noise(n, d_sae)
    pre[n // 2] += 1000
    example_of, feature = BatchTopK(k).choose(pre)
    taken = min(n * k, d_sae)
    assert (example_of == n // 2).sum() == taken, "far more than the few it was given at first"
    assert set((example_of * d_sae + feature).tolist()) == set(pre.flatten().topk(n * k).indices.tolist())


def test_after_training_a_threshold_decides_and_before_it_all_that_is_positive_counts():
    brick, pre = BatchTopK(1), torch.tensor([[0.5, -1.0, 2.0], [0.1, 1.0, 1.5]])
    assert brick.infer(pre).tolist() == torch.relu(pre).tolist()
    brick.threshold.fill_(1.0)
    assert brick.infer(pre).tolist() == [[0, 0, 2], [0, 0, 1.5]], "1 is not above 1"


def test_the_threshold_is_a_running_mean_of_the_smallest_code_that_was_kept():
    brick = BatchTopK(2)
    brick.after_step(torch.tensor([3.0, 0.5, 0.0, 2.0]))  # 0: chosen, but negative before
    assert brick.threshold.item() == 0.5, "the first batch alone"
    brick.after_step(torch.tensor([[4.0, 0.0], [2.5, 9.0]]))
    assert brick.threshold.item() == pytest.approx((2 * 0.5 + 9 * 2.5) / 11), "early ones count for little"
    before = brick.threshold.item()
    brick.after_step(torch.zeros(3))
    brick.after_step(torch.zeros(0))
    assert brick.threshold.item() == before, "a batch without codes says nothing"
    for _ in range(2000):
        brick.after_step(torch.tensor([7.0, 3.0]))
    assert brick.threshold.item() == pytest.approx(3, rel=1e-3)
    brick.after_step(torch.tensor([4.0]))
    assert brick.threshold.item() == pytest.approx(3.01, rel=1e-3), "after many batches, the mean of about a hundred"


def test_the_threshold_goes_where_the_model_goes():
    brick = BatchTopK(2)
    assert dict(brick.state_dict()) == {"threshold": torch.zeros(()), "batches": torch.zeros(())} and not list(brick.parameters())
    assert brick.double().threshold.dtype == torch.float64
    brick.after_step(torch.tensor([0.1], dtype=torch.float32))
    assert brick.threshold.dtype == torch.float64


# Matryoshka


def test_matryoshka_has_the_codes_of_batchtopk_and_boxes_to_rebuild_from():
    pre = noise()
    assert torch.equal(attached("Matryoshka").activate(pre), attached("BatchTopK").activate(pre))
    assert torch.equal(attached("Matryoshka").infer(pre), attached("BatchTopK").infer(pre))
    assert attached("Matryoshka").prefixes(6) == (2, 4, 6)
    assert TopK(2).prefixes(6) == BatchTopK(2).prefixes(6) == (6,)


@pytest.mark.parametrize("widths", [None, 5, "256", (), [], {2: 3}, {2, 3}, np.array([1, 2]), torch.tensor([1, 2]), (w for w in (1, 2))])
def test_widths_that_are_no_sequence_are_refused(widths):
    message = refusal(lambda: Matryoshka(widths, 1))
    assert message == f"widths is {widths!r}; expected a sequence of rising widths such as (64, 128, 512)"


@unhurried
@given(not_a_count)
def test_a_width_that_is_no_count_is_refused(width):
    message = refusal(lambda: Matryoshka((2, width, 8), 1))
    assert message == f"widths[1] is {width!r}; expected a whole number of at least 1"


@pytest.mark.parametrize("widths", [(2, 2), (4, 2), (1, 5, 4, 8), [3, 3, 3]])
def test_widths_that_do_not_rise_are_refused(widths):
    assert refusal(lambda: Matryoshka(widths, 1)) == f"widths is {widths!r}; expected each to be larger than the one before"


@pytest.mark.parametrize("d_sae", [4, 7, 100])
def test_widths_that_do_not_end_with_all_features_are_refused(d_sae):
    message = refusal(lambda: Matryoshka([2, 6], 1).attach(d_sae))
    assert message == f"widths is (2, 6); expected the last to be d_sae = {d_sae}"


# JumpReLU


def jump(threshold, unit=1.0, **settings):
    brick = JumpReLU(**settings)
    brick.attach(len(threshold))
    brick.measure(unit)
    with torch.no_grad():
        brick.threshold.copy_(torch.tensor(threshold))
    return brick


def test_jumprelu_lets_through_whole_what_lies_above_a_features_own_threshold():
    brick = jump([1.0, 2.0, 0.5], coefficient=0.1)
    pre = torch.tensor([[1.5, 1.5, 0.5], [-3.0, 2.5, 0.75]])
    assert brick.activate(pre).tolist() == brick.infer(pre).tolist() == [[1.5, 0, 0], [0, 2.5, 0.75]]


def test_jumprelu_costs_the_number_of_features_that_are_on():
    brick = jump([1.0, 2.0, 0.5], coefficient=0.1)
    pre = torch.tensor([[1.5, 1.5, 0.5], [-3.0, 2.5, 0.75], [9.0, 9.0, 9.0], [0.0, 0.0, 0.0]])
    assert brick.penalty(pre, brick.activate(pre)).item() == pytest.approx(0.1 * (1 + 2 + 3 + 0) / 4)


def test_thresholds_start_where_they_are_told_and_are_counted_in_units():
    brick = JumpReLU(0.1, start=0.25)
    brick.attach(3)
    assert brick.threshold.tolist() == [0.25] * 3
    brick.measure(8.0)
    assert brick.threshold.tolist() == [2] * 3


def test_the_made_up_slopes_of_jumprelu_by_hand():
    # Within half a bandwidth of 0.4 of its threshold: the first feature's 1.1 and 0.9, the second's 2.1; no others.
    brick = jump([1.0, 2.0], coefficient=0.3, bandwidth=0.4)
    pre = torch.tensor([[1.1, 5.0], [0.9, 2.1], [1.25, -2.0], [0.7, 1.7]], requires_grad=True)
    slope = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0]])
    (slope * brick.activate(pre)).sum().backward()
    assert torch.allclose(brick.threshold.grad, torch.tensor([-1 / 0.4 * (1 + 2), -2 / 0.4 * 20]))  # equation 11
    assert torch.equal(pre.grad, slope * (pre > torch.tensor([1.0, 2.0]))), "the slope in pre is the true one"
    brick.threshold.grad = pre.grad = None
    brick.penalty(pre, brick.activate(pre)).backward()
    assert torch.allclose(brick.threshold.grad, 0.3 / 4 * torch.tensor([-2 / 0.4, -1 / 0.4]))  # equation 10
    assert pre.grad is None or not pre.grad.any(), "a step has no slope in pre"


def test_the_bandwidth_is_counted_in_units_too():
    brick = jump([10.0, 20.0], unit=10.0, coefficient=0.3, bandwidth=0.4)
    pre = torch.tensor([[11.0, 50.0], [9.0, 21.0], [12.5, -20.0], [7.0, 17.0]])
    brick.activate(pre).sum().backward()
    assert torch.allclose(brick.threshold.grad, torch.tensor([-10 / 4 * 2, -20 / 4 * 1]))
    brick.threshold.grad = None
    brick.penalty(pre, brick.activate(pre)).backward()
    assert torch.allclose(brick.threshold.grad, 0.3 / 4 * torch.tensor([-2 / 4, -1 / 4]))


def test_a_threshold_that_a_step_took_below_0_is_brought_back():
    brick = jump([0.5, -0.25, 0.0], coefficient=0.1)
    brick.after_step(torch.zeros(4))
    assert brick.threshold.tolist() == [0.5, 0, 0]


def test_reviving_sets_back_the_thresholds_of_the_dead_and_of_nobody_else():
    brick = jump([0.5, 3.0, 7.0, 9.0], unit=2.0, coefficient=0.1, start=0.25)
    dead = torch.tensor([1, 3])
    ((weight, place),) = brick.revive(dead)
    assert weight is brick.threshold and torch.equal(place, dead)
    assert brick.threshold.tolist() == [0.5, 0.5, 7, 0.5]


# Gated


def gated(r_mag, b_mag, coefficient=0.3):
    brick = Gated(coefficient)
    brick.attach(len(r_mag))
    with torch.no_grad():
        brick.r_mag.copy_(torch.tensor(r_mag))
        brick.b_mag.copy_(torch.tensor(b_mag))
    return brick


def test_a_new_gate_is_a_relu():
    brick = Gated(0.1)
    brick.attach(D_SAE)
    assert torch.equal(brick.activate(noise()), torch.relu(noise()))


def test_gated_codes_by_hand():
    brick = gated([math.log(2), 0.0, 0.0], [1.0, -2.0, 5.0])
    pre = torch.tensor([[3.0, 1.0, -1.0], [-1.0, 3.0, 1.0]])
    # 2 * 3 + 1; 1 - 2 is cut off; closed | closed, though 2 * -1 + 1 is cut off anyway; 3 - 2; 1 + 5. The last -1 + 5 is closed.
    assert torch.allclose(brick.activate(pre), torch.tensor([[7.0, 0, 0], [0, 1, 6]]))
    assert torch.equal(brick.infer(pre), brick.activate(pre))


def test_the_gate_pays_and_rebuilds_and_the_magnitude_does_neither():
    brick = gated([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], coefficient=0.5)
    pre = torch.tensor([[3.0, 1.0, -1.0], [-1.0, 2.0, 1.0]], requires_grad=True)
    assert brick.auxiliary(pre).tolist() == [[3, 1, 0], [0, 2, 1]]
    penalty = brick.penalty(pre, brick.activate(pre))
    assert penalty.item() == 0.5 * (4 + 3) / 2
    (penalty + brick.auxiliary(pre).sum()).backward()
    assert brick.r_mag.grad is None and brick.b_mag.grad is None
    assert torch.allclose(pre.grad, (pre > 0) * (1 + 0.25))


def test_the_magnitudes_have_the_gradients_of_their_formula():
    brick, pre = attached("Gated").double(), noise(dtype=torch.float64)

    def codes(r_mag, b_mag):
        return torch.func.functional_call(brick, {"r_mag": r_mag, "b_mag": b_mag}, (pre,))

    brick.forward = brick.activate
    assert torch.autograd.gradcheck(codes, tuple(weight.detach().clone().requires_grad_() for weight in (brick.r_mag, brick.b_mag)))


def test_reviving_opens_the_gates_of_the_dead_and_of_nobody_else():
    brick = gated([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    dead = torch.tensor([0, 2])
    (first, one_place), (second, other_place) = brick.revive(dead)
    assert first is brick.r_mag and second is brick.b_mag
    assert torch.equal(one_place, dead) and torch.equal(other_place, dead)
    assert brick.r_mag.tolist() == [0, 2, 0] and brick.b_mag.tolist() == [0, 5, 0]


def test_bricks_without_weights_have_none_to_revive():
    assert [attached(name).revive(torch.tensor([0])) for name in ("L1", "KL", "TopK", "BatchTopK", "Matryoshka")] == [[]] * 5


# Refusals.


@unhurried
@given(not_a_rate)
def test_a_coefficient_that_is_negative_or_no_finite_number_is_refused(coefficient):
    for make in (L1, JumpReLU, Gated, lambda coefficient: KL(0.1, coefficient)):
        assert refusal(lambda: make(coefficient)) == f"coefficient is {coefficient!r}; expected a finite number of at least 0"


@unhurried
@given(not_a_rate | st.just(0) | st.just(-0.0) | st.integers(1) | st.floats(1))
def test_a_target_rate_that_does_not_lie_between_0_and_1_is_refused(rate):
    assert refusal(lambda: KL(rate, 1)) == f"target_rate is {rate!r}; expected a finite number above 0 and below 1"


@unhurried
@given(st.sampled_from(["bandwidth", "start"]), not_a_rate | st.just(0) | st.just(-0.0))
def test_a_width_or_start_that_is_not_above_0_is_refused(name, value):
    assert refusal(lambda: JumpReLU(0.1, **{name: value})) == f"{name} is {value!r}; expected a finite number above 0"


# On disk.


def of_a_model(name):
    """The weights of a model with that brick, and its name for them on disk is to be found."""
    random = torch.Generator().manual_seed(3)
    shapes = {"W_enc": (4, D_SAE), "b_enc": (D_SAE,), "W_dec": (D_SAE, 4), "b_dec": (4,)}
    weights = {weight: torch.randn(shape, generator=random) for weight, shape in shapes.items()}
    return {**weights, **{weight: value.detach().clone() for weight, value in attached(name).state_dict().items()}}


@every_brick
def test_weights_that_were_packed_come_out_again_and_the_originals_stay_as_they_were(name):
    brick, weights = attached(name), of_a_model(name)
    before = {weight: value.clone() for weight, value in weights.items()}
    packed = brick.packed(weights)
    kept = {weight: value.clone() for weight, value in packed.items()}
    again = brick.unpacked(packed)
    assert again.keys() == weights.keys() == before.keys()
    for weight, value in again.items():
        if weight == "batches":  # a threshold that was read counts as settled
            assert value >= 900
            continue
        assert value.shape == weights[weight].shape and torch.allclose(value, weights[weight], rtol=1e-6, atol=1e-6)
    assert all(torch.equal(weights[weight], before[weight]) for weight in before)
    assert packed.keys() == kept.keys() and all(torch.equal(packed[weight], kept[weight]) for weight in kept)


def test_only_what_has_another_form_on_disk_is_changed():
    for name in ("L1", "KL", "TopK", "JumpReLU"):
        weights = of_a_model(name)
        packed = attached(name).packed(weights)
        assert packed.keys() == weights.keys() and all(packed[weight] is weights[weight] for weight in weights)


@pytest.mark.parametrize("name", ["BatchTopK", "Matryoshka"])
def test_one_threshold_lies_on_disk_as_one_for_each_feature(name):
    brick, weights = attached(name), of_a_model(name)
    packed = brick.packed(weights)
    assert packed["threshold"].tolist() == [0.25] * D_SAE
    packed["threshold"] = torch.full((D_SAE,), -3.0)
    assert brick.unpacked(packed)["threshold"].item() == 0, "nobody lets negative numbers through"
    packed["threshold"] = torch.tensor([0.5, 0.5, 0.25, 0.5, 0.5, 1.0])
    assert refusal(lambda: brick.unpacked(packed)) == "threshold goes from 0.25 to 1.0; expected one for all features"


def test_thresholds_from_elsewhere_that_are_negative_let_only_positive_numbers_pass():
    tensors = attached("JumpReLU").unpacked({"threshold": torch.tensor([-1.0, 0.0, 2.0]), "b_enc": torch.ones(3)})
    assert tensors["threshold"].tolist() == [0, 0, 2] and tensors["b_enc"].tolist() == [1, 1, 1]


def test_a_packed_gate_gives_the_same_codes_by_the_papers_formula():
    brick, weights = attached("Gated"), of_a_model("Gated")
    packed = brick.packed(weights)
    assert set(packed) == {"W_enc", "b_gate", "W_dec", "b_dec", "r_mag", "b_mag"}
    fit = noise() @ torch.eye(D_SAE)  # (x - b_dec) W_enc
    by_paper = (fit + packed["b_gate"] > 0) * torch.relu(packed["r_mag"].exp() * fit + packed["b_mag"])
    assert torch.allclose(by_paper, brick.activate(fit + weights["b_enc"]), atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "config", "expected"),
    [
        (L1, {}, "L1(coefficient=0.0)"),
        (Gated, {"k": 3}, "Gated(coefficient=0.0)"),
        (KL, {"target_rate": 0.05}, "KL(target_rate=0.05, coefficient=0.0)"),
        (TopK, {"k": 7, "d_sae": 9}, "TopK(k=7)"),
        (BatchTopK, {"k": 7}, "BatchTopK(k=7)"),
        (BatchTopK, {"k": 7.7}, "BatchTopK(k=8)"),
        (BatchTopK, {"k": 1.2}, "BatchTopK(k=1)"),
        (Matryoshka, {"k": 3.0, "matryoshka_widths": [2, 8]}, "Matryoshka(widths=(2, 8), k=3)"),
        (JumpReLU, {}, "JumpReLU(coefficient=0.0, bandwidth=0.1, start=0.1)"),
    ],
)
def test_a_brick_is_made_from_what_a_file_says_and_costs_nothing(kind, config, expected):
    brick = kind.from_config(config)
    assert type(brick) is kind and repr(brick) == expected


@pytest.mark.parametrize(
    ("kind", "config", "lacks"),
    [
        (TopK, {}, "k"), (BatchTopK, {}, "k"), (KL, {}, "target_rate"), (Matryoshka, {"k": 2}, "matryoshka_widths"),
        (Matryoshka, {"matryoshka_widths": [2, 8]}, "k"),
    ],
)  # fmt: skip
def test_what_a_file_does_not_say_but_should_is_named(kind, config, lacks):
    with pytest.raises(KeyError, match=f"'{lacks}'"):
        kind.from_config(config)


no_number = st.none() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)


@unhurried
@given(no_number | not_finite.filter(lambda k: not isinstance(k, int)) | st.floats(max_value=0.9))
def test_a_k_in_a_file_that_is_none_is_refused(k):
    assert refusal(lambda: TopK.from_config({"k": k})).startswith(f"k is {k!r}; expected a whole number")
    for kind in (BatchTopK, Matryoshka):
        message = refusal(lambda: kind.from_config({"k": k, "matryoshka_widths": [2, 8]}))
        assert message == f"k is {k!r}; expected a finite number of at least 1"


def test_a_brick_is_saved_under_the_name_of_what_it_is_in_use():
    found = {name: (make().architecture, make().saved_as) for name, make in BRICKS.items()}
    assert found == {
        "L1": ("standard", "standard"),
        "KL": ("kl", "kl"),
        "TopK": ("topk", "topk"),
        "BatchTopK": ("batchtopk", "jumprelu"),
        "Matryoshka": ("matryoshka_batchtopk", "jumprelu"),
        "JumpReLU": ("jumprelu", "jumprelu"),
        "Gated": ("gated", "gated"),
    }
