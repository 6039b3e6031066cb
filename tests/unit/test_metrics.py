"""The metrics, against numbers worked out by hand and against scikit-learn."""

from itertools import permutations

import numpy as np
import pytest
import torch
from hostile import described, not_a_count, not_a_matrix, refusal, spoiled, unhurried
from hypothesis import assume, example, given
from hypothesis import strategies as st
from saelib import metrics
from sklearn.linear_model import LinearRegression
from sklearn.metrics import f1_score, r2_score
from sklearn.metrics.pairwise import cosine_similarity


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


# What is explained, and how short it comes out.


def test_explained_variance_by_hand():
    x, x_hat = torch.tensor([[0.0, 10.0], [2.0, 10.0], [4.0, 16.0]]), torch.tensor([[1.0, 10.0], [2.0, 8.0], [4.0, 13.0]])
    assert metrics.explained_variance(x, x_hat) == 1 - 14 / 32
    assert metrics.explained_variance(x, x) == 1
    assert metrics.explained_variance(x, -x) < 0


@unhurried
@given(st.integers(2, 9), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_explained_variance_is_the_variance_weighted_r2(n, d, seed):
    random = np.random.default_rng(seed)
    x, x_hat = random.normal(size=(n, d)), random.normal(size=(n, d)) + 1
    expected = r2_score(x, x_hat, multioutput="variance_weighted")
    assert metrics.explained_variance(torch.tensor(x), torch.tensor(x_hat)) == pytest.approx(expected)


def test_shrinkage_by_hand():
    x, x_hat = torch.tensor([[2.0, 0.0], [1.0, 3.0]]), torch.tensor([[1.0, 1.0], [0.0, 2.0]])
    assert metrics.shrinkage(x, x_hat) == pytest.approx((1 + 1 + 4) / (2 + 6))  # over all rows together: not 1 and 2/3 averaged


@unhurried
@given(st.floats(0.01, 100), st.sampled_from([1e-30, 1.0, 1e30]))
def test_shrinkage_is_the_factor_by_which_all_was_scaled_in_any_unit(factor, unit):
    x = torch.tensor([[0.0, 1.0], [2.0, 5.0]], dtype=torch.float64) * unit + unit  # a mean that is not 0, for none is subtracted
    assert metrics.shrinkage(x, factor * x) == pytest.approx(factor)


@unhurried
@given(st.integers(1, 9), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_shrinkage_is_what_the_reconstruction_has_to_be_divided_by_to_come_nearest(n, d, seed):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, d)) + 3
    x_hat = 0.7 * x + random.normal(size=(n, d))
    assume((x * x_hat).sum() > 0.01)
    line = LinearRegression(fit_intercept=False).fit(x_hat.reshape(-1, 1), x.ravel())
    assert metrics.shrinkage(torch.tensor(x), torch.tensor(x_hat)) == pytest.approx(1 / line.coef_[0])


@pytest.mark.parametrize("x_hat", [torch.zeros(1, 3), torch.tensor([[-1.0, -1.0, -1.0]]), torch.tensor([[0.1, 0.2, -0.3]])])
def test_shrinkage_refuses_what_does_not_point_the_way_of_x(x_hat):
    message = refusal(lambda: metrics.shrinkage(torch.ones(1, 3), x_hat))
    assert message.startswith("x_hat has the inner product ") and "expected one above 0" in message


def test_shrinkage_takes_a_reconstruction_that_hardly_points_the_way_of_x():
    assert metrics.shrinkage(torch.tensor([[1.0, 0.0]]), torch.tensor([[1e-3, 1.0]])) == pytest.approx(1000.001)


# How often features are on.


def test_density_is_the_share_of_examples_in_which_a_feature_is_not_zero():
    assert metrics.density(CODES).tolist() == [0, 2 / 3, 0, 2 / 3]


@unhurried
@given(st.integers(1, 9), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_density_adds_up_to_l0_and_is_zero_where_features_are_dead(n, d_sae, seed):
    codes = torch.rand(n, d_sae, generator=torch.Generator().manual_seed(seed)).round()
    assert metrics.density(codes).sum().item() == pytest.approx(metrics.l0(codes))
    assert (metrics.density(codes) == 0).double().mean().item() == pytest.approx(metrics.dead_fraction(codes))


def on_so_often(n, often):
    return (torch.arange(n)[:, None] < torch.tensor(often)).float()


def test_density_histogram_by_hand():
    found = metrics.density_histogram(on_so_often(100, [0, 0, 0, 1, 3, 4, 10, 31, 32, 99, 100]), bins=4)
    assert found.edges.tolist() == [-2, -1.5, -1, -0.5, 0]  # 0.01, 0.0316, 0.1, 0.316, 1
    assert found.counts.tolist() == [2, 1, 2, 3]
    assert found.dead == 3 and type(found.dead) is int


@pytest.mark.parametrize(("n", "lowest"), [(1, -1), (2, -1), (10, -1), (11, -2), (100, -2), (999, -3), (1000, -3), (1001, -4)])
def test_the_edges_of_the_density_histogram_reach_from_a_single_example_to_all(n, lowest):
    found = metrics.density_histogram(on_so_often(n, [1, n]), bins=-lowest)
    assert found.edges.tolist() == [*range(lowest, 1)]
    expected = [0] * -lowest
    expected[0 if n > 1 else -1] += 1
    expected[-1] += 1
    assert found.counts.tolist() == expected and found.dead == 0


@unhurried
@given(st.integers(1, 200), st.lists(st.integers(0, 200), min_size=1, max_size=12), st.integers(1, 50))
def test_density_histogram_is_that_of_numpy_and_loses_no_feature(n, often, bins):
    codes = on_so_often(n, often)
    found = metrics.density_histogram(codes, bins)
    alive = np.log10(metrics.density(codes)[metrics.density(codes) > 0].numpy())
    edges = found.edges.numpy()
    assume(all(abs(edge - value) > 1e-9 for edge in edges[1:-1] for value in alive))  # on an edge, rounding decides
    assert found.counts.tolist() == np.histogram(alive.clip(edges[0], edges[-1]), edges)[0].tolist()
    assert found.counts.sum().item() + found.dead == codes.shape[1]


def test_density_histogram_of_features_that_are_all_dead():
    found = metrics.density_histogram(torch.zeros(5, 3), bins=2)
    assert found.counts.tolist() == [0, 0] and found.dead == 3


@unhurried
@given(not_a_count)
def test_density_histogram_refuses_what_is_no_number_of_bins(bins):
    message = refusal(lambda: metrics.density_histogram(CODES, bins))
    assert message == f"bins is {bins!r}; expected a whole number of at least 1"


# What resembles what.


def test_cosine_by_hand():
    a, b = torch.tensor([[3.0, 4.0], [0.0, 2.0], [0.0, 0.0]]), torch.tensor([[1.0, 0.0], [-5.0, 0.0]])
    assert metrics.cosine(a, b).tolist() == [[pytest.approx(0.6), pytest.approx(-0.6)], [0, 0], [0, 0]]
    assert metrics.cosine(b, torch.zeros(1, 2)).tolist() == [[0], [0]]


@unhurried
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5), st.sampled_from([1e-200, 1.0, 1e200]), st.integers(0, 2**32 - 1))
def test_cosine_is_that_of_scikit_learn_in_any_unit(n, m, d, unit, seed):
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(n, d)), random.normal(size=(m, d))
    a[0] *= random.integers(2)  # sometimes a row of zeros
    found = metrics.cosine(torch.tensor(a * unit), torch.tensor(b / unit))
    np.testing.assert_allclose(found, cosine_similarity(a, b), atol=1e-12)
    assert found.abs().max() <= 1


def test_cosine_is_never_rounded_to_more_than_1():
    rows = torch.randn(300, 7, generator=torch.Generator().manual_seed(0))
    assert metrics.cosine(rows, torch.cat([rows, -rows])).abs().max() == 1


def at(*degrees):
    angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def test_mmcs_by_hand():
    true = at(0, 90)
    assert metrics.mmcs(true, true.flip(0)) == pytest.approx(1)
    assert metrics.mmcs(true, 7 * at(60)) == pytest.approx((0.5 + 3**0.5 / 2) / 2)  # one learned feature serves both
    assert metrics.mmcs(true, at(90, 270)) == pytest.approx(0.5)  # 0 and 1: the mean over the true features, not the learned ones
    assert metrics.mmcs(at(0), at(180, 120)) == pytest.approx(-0.5)  # the sign is kept


def test_mcc_by_hand():
    true = at(0, 90)
    assert metrics.mcc(true, true.flip(0)) == pytest.approx(1)
    assert metrics.mcc(true, at(0, 0)) == pytest.approx(0.5)  # the second learned feature is left with the second true one: 1 + 0
    assert metrics.mcc(true, at(0, 180)) == pytest.approx(0.5)
    assert metrics.mcc(true, at(180, 270)) == pytest.approx(0)  # crossed, 0 + 0, rather than -1 - 1: the sign is kept


def test_mcc_counts_true_features_without_a_partner_as_0_and_spare_learned_ones_not_at_all():
    assert metrics.mcc(at(0, 90, 45), at(0)) == pytest.approx(1 / 3)
    assert metrics.mcc(at(0), at(90, 0, 45)) == pytest.approx(1)


def test_mcc_takes_the_best_matching_as_a_whole_not_the_nearest_first():
    true, learned = at(0, 30), at(10, -70)
    greedy = torch.tensor([10.0, 100.0]).deg2rad().cos().mean().item()  # 0 with 10, so 30 has to go with -70
    best = torch.tensor([70.0, 20.0]).deg2rad().cos().mean().item()
    assert metrics.mcc(true, learned) == pytest.approx(best) and best > greedy


@unhurried
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_mmcs_mcc_and_uniqueness_are_what_trying_everything_gives(n_true, d_sae, d, seed):
    random = np.random.default_rng(seed)
    true, learned = random.normal(size=(n_true, d)), random.normal(size=(d_sae, d))
    similarity = cosine_similarity(true, learned)
    if n_true <= d_sae:
        best = max(sum(similarity[i, j] for i, j in enumerate(chosen)) for chosen in permutations(range(d_sae), n_true))
    else:
        best = max(sum(similarity[i, j] for j, i in enumerate(chosen)) for chosen in permutations(range(n_true), d_sae))
    true, learned = torch.tensor(true), torch.tensor(learned)
    assert metrics.mmcs(true, learned) == pytest.approx(similarity.max(axis=1).mean())
    assert metrics.mcc(true, learned) == pytest.approx(best / n_true)
    assert metrics.mcc(true, learned) <= metrics.mmcs(true, learned) + 1e-9 or n_true > d_sae
    assume(d > 1)  # on a line, true features are equally near
    assert metrics.uniqueness(true, learned) == len({*similarity.argmax(axis=0).tolist()}) / d_sae


def test_uniqueness_by_hand():
    true = at(0, 90, 180)
    assert metrics.uniqueness(true, at(80, 10)) == 1  # both are nearest to one of their own; that 180 has none costs nothing
    assert metrics.uniqueness(true, at(5, 10, 355, 100)) == 0.5
    assert metrics.uniqueness(at(0), at(0, 1, 2, 3)) == 0.25
    assert metrics.uniqueness(at(0, 90), at(170)) == 1  # nearest to 90, though it lies along 0, turned round: the sign is kept


def test_uniqueness_lets_a_dead_row_be_nearest_to_nothing():
    assert metrics.uniqueness(at(0, 90), torch.cat([at(90), torch.zeros(1, 2)])) == 0.5
    assert metrics.uniqueness(at(0, 90), torch.zeros(3, 2)) == 0


DICTIONARY_METRICS = [metrics.mmcs, metrics.mcc, metrics.uniqueness]


@pytest.mark.parametrize("metric", DICTIONARY_METRICS)
def test_a_true_feature_has_to_point_somewhere_but_a_learned_one_need_not(metric):
    good, dead = torch.eye(3), torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    assert refusal(lambda: metric(dead, good)) == "true_dictionary has only zeros in row 1; expected features that point somewhere"
    assert metric(good, dead) == pytest.approx(2 / 3)


# What is detected.

F, T = 0.0, 1.0


def test_f1_by_hand():
    true = torch.tensor([[T, F], [T, F], [T, T], [F, T], [F, F]])
    codes = torch.tensor([[F, 2.0, F], [F, 0.5, F], [9.0, F, F], [1.0, -1.0, F], [F, F, F]])
    # column 1: both on 2 times, on 3 and 3 times: 2 * 2 / 6. Column 0: always together.
    assert metrics.f1(true, codes).tolist() == [pytest.approx(2 / 3), 1]
    assert metrics.f1(true, codes).mean().item() == pytest.approx(5 / 6)


def test_f1_gives_a_learned_feature_to_one_true_feature_only():
    true = torch.tensor([[T, T], [T, T], [T, F], [F, F]])
    assert metrics.f1(true, true[:, :1]).tolist() == [1, 0]
    assert metrics.f1(true, torch.cat([true[:, :1], true[:, :1]], dim=1)).tolist() == [1, pytest.approx(0.8)]


def test_f1_is_0_for_features_that_are_never_on():
    true = torch.tensor([[T, F], [F, F]])
    assert metrics.f1(true, true).tolist() == [1, 0]
    assert metrics.f1(true, torch.zeros(2, 5)).tolist() == [0, 0]


def some_codes(n, d, rate, seed):
    return np.random.default_rng(seed).binomial(1, rate, size=(n, d))


@unhurried
@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 4), st.floats(0.1, 0.9), st.integers(0, 2**32 - 2))
def test_f1_is_that_of_scikit_learn_under_the_best_of_all_matchings(n, n_true, d_sae, rate, seed):
    true, codes = some_codes(n, n_true, rate, seed), some_codes(n, d_sae, rate, seed + 1)
    pairs = np.array([[f1_score(true[:, i], codes[:, j], zero_division=0) for j in range(d_sae)] for i in range(n_true)])
    pairs = np.pad(pairs, [(0, 0), (0, n_true)])  # a partner that is never on, for those that are left over
    matchings = np.array([pairs[range(n_true), chosen] for chosen in permutations(range(d_sae + n_true), n_true)])
    found = metrics.f1(torch.tensor(true).float(), torch.tensor(codes).double())
    assert found.shape == (n_true,)
    assert found.sum().item() == pytest.approx(matchings.sum(axis=1).max())
    assert np.abs(matchings - found.numpy()).max(axis=1).min() < 1e-9  # one of the matchings, feature by feature


# What is absorbed. A dog, and two kinds of it: a poodle and a pug.

PARENTS = torch.tensor([-1, 0, 0])
DOGS = torch.tensor([[T, F, F], [T, F, F], [T, F, F], [T, T, F], [T, T, F], [T, F, T], [T, T, T], [F, F, F]])


def test_absorption_by_hand():
    assert metrics.absorption(DOGS, DOGS, PARENTS) == 0
    codes = DOGS.clone()
    codes[3, 0] = 0  # the dog is silent, the poodle speaks
    assert metrics.absorption(DOGS, codes, PARENTS) == 1 / 4  # four examples have a dog of some kind
    codes[6, 0] = 0  # both kinds speak for it, which is one event
    assert metrics.absorption(DOGS, codes, PARENTS) == 2 / 4
    codes[6, 1] = 0  # and one of them is enough
    assert metrics.absorption(DOGS, codes, PARENTS) == 2 / 4


def test_absorption_finds_the_learned_features_in_any_order_by_when_they_are_on():
    codes = DOGS.clone()
    codes[3:5, 0] = 0
    assert metrics.absorption(DOGS, 0.1 * codes[:, [2, 0, 1]], PARENTS) == 2 / 4
    order = torch.tensor([2, 0, 1])  # the true features in another order: poodle 0, pug 1, dog 2
    assert metrics.absorption(DOGS[:, [1, 2, 0]], codes[:, order], torch.tensor([2, 2, -1])) == 2 / 4


def test_a_miss_is_absorption_only_where_a_child_speaks_that_is_there():
    codes = DOGS.clone()
    codes[0, 0] = 0  # a dog of no kind is missed
    codes[3] = 0  # a poodle is missed, and so is the dog
    codes[5] = torch.tensor([F, T, F])  # for a pug there speaks the poodle
    assert metrics.absorption(DOGS, codes, PARENTS) == 0


def test_absorption_of_a_parent_for_which_nothing_was_learned_is_whole():
    assert metrics.absorption(DOGS, DOGS[:, 1:], PARENTS) == 1
    assert metrics.absorption(DOGS, torch.cat([DOGS[:, 1:], torch.zeros(8, 1)], dim=1), PARENTS) == 1
    assert metrics.absorption(DOGS, torch.zeros(8, 3), PARENTS) == 0  # but nobody speaks for it here


def test_absorption_counts_all_parents_together_and_children_only_of_their_own():
    #                      dog poodle toy | cat
    true = torch.tensor([[T, T, T, F], [T, T, F, F], [T, T, F, F], [T, F, F, T], [F, F, F, T]])
    parents = torch.tensor([-1, 0, 1, -1])
    codes = true.clone()
    codes[0, 1] = 0  # the toy poodle speaks for the poodle. The dog is on
    assert metrics.absorption(true, codes, parents) == 1 / 4  # dog in 3 examples, poodle in 1
    codes[0, 0] = 0  # the dog is off as well, but its child, the poodle, does not speak
    assert metrics.absorption(true, codes, parents) == 1 / 4
    codes[1, 0] = 0
    assert metrics.absorption(true, codes, parents) == 2 / 4


@pytest.mark.parametrize("chunk", [1, 3, 8])
def test_taking_examples_a_few_at_a_time_changes_nothing(monkeypatch, chunk):
    codes = DOGS.clone()
    codes[3, 0] = codes[6, 0] = codes[0, 2] = 0
    expected = metrics.f1(DOGS, codes).tolist(), metrics.absorption(DOGS, codes, PARENTS)
    assert expected[1] == 2 / 4
    monkeypatch.setattr(metrics, "CHUNK", chunk)
    assert (metrics.f1(DOGS, codes).tolist(), metrics.absorption(DOGS, codes, PARENTS)) == expected


@unhurried
@given(st.integers(1, 12), st.integers(2, 5), st.integers(1, 5), st.integers(0, 2**32 - 2))
def test_absorption_is_what_counting_one_by_one_gives(n, n_true, d_sae, seed):
    random = np.random.default_rng(seed)
    parents = np.array([-1, 0, *(random.integers(-1, i) for i in range(2, n_true))])
    true, codes = some_codes(n, n_true, 0.7, seed), some_codes(n, d_sae, 0.5, seed + 1)
    for i in range(1, n_true):
        true[:, i] &= true[:, parents[i]] if parents[i] >= 0 else 1
    assume(true[:, parents >= 0].any())
    score = metrics._f1_of_pairs(torch.tensor(true).float(), torch.tensor(codes).float())
    match = metrics._matching(score).tolist()
    speaks = [[match[i] >= 0 and codes[row, match[i]] != 0 for i in range(n_true)] for row in range(n)]
    chances = absorbed = 0
    for row in range(n):
        for parent in range(n_true):
            children = [i for i in range(n_true) if parents[i] == parent and true[row, i]]
            chances += bool(children)
            absorbed += any(speaks[row][i] for i in children) and not speaks[row][parent]
    found = metrics.absorption(torch.tensor(true).float(), torch.tensor(codes).float(), torch.tensor(parents))
    assert found == pytest.approx(absorbed / chances)


def test_absorption_refuses_a_child_that_is_on_without_its_parent_and_says_where(monkeypatch):
    codes = DOGS.clone()
    codes[6, 0] = 0
    expected = "true_codes has feature 1 on in row 6 but its parent 0 off; expected no child on without its parent"
    assert refusal(lambda: metrics.absorption(codes, DOGS, PARENTS)) == expected
    monkeypatch.setattr(metrics, "CHUNK", 4)
    assert refusal(lambda: metrics.absorption(codes, DOGS, PARENTS)) == expected


def test_absorption_refuses_examples_in_which_no_child_is_ever_on():
    message = refusal(lambda: metrics.absorption(DOGS[:3], DOGS[:3], PARENTS))
    assert message.startswith("true_codes has no feature with a parent on in any row; expected at least one")


@unhurried
@given(
    st.sampled_from([None, 3, [-1, 0, 0], np.array([-1, 0, 0])])
    | st.sampled_from([torch.float32, torch.int32, torch.bool, torch.complex64]).map(PARENTS.to)
    | st.lists(st.integers(0, 4), max_size=3).filter(lambda shape: shape != [3]).map(lambda shape: torch.zeros(shape).long())
)
def test_absorption_refuses_parents_that_are_no_list_of_whole_numbers(parents):
    message = refusal(lambda: metrics.absorption(DOGS, DOGS, parents))
    assert message.startswith("parents ") and "expected an int64 tensor of shape (3,)" in message
    if isinstance(parents, torch.Tensor) and parents.dtype == torch.int64:
        assert f"shape {tuple(parents.shape)}" in message
    else:
        assert (f"dtype {parents.dtype}" if isinstance(parents, torch.Tensor) else f"type {type(parents).__name__}") in message


@pytest.mark.parametrize(
    ("parents", "words"),
    [
        ([-1, 3, 0], "parents holds 3 at 1; expected -1 for none, or a feature, 0 to 2"),
        ([-1, 0, -2], "parents holds -2 at 2;"),
        ([-1, -1, -1], "parents holds nothing but -1;"),
        ([-1, 1, 0], "parents makes feature 1 its own ancestor;"),
        ([0, 0, 0], "parents makes feature 0 its own ancestor;"),
        ([1, 0, -1], "its own ancestor;"),
        ([1, 2, 0], "its own ancestor;"),
        ([-1, 2, 1], "its own ancestor;"),
    ],
)
def test_absorption_refuses_parents_that_make_no_tree(parents, words):
    assert words in refusal(lambda: metrics.absorption(DOGS, DOGS, torch.tensor(parents)))


@pytest.mark.parametrize("parents", [[-1, 0, 1], [1, 2, -1], [2, -1, 1]])
def test_absorption_takes_a_line_as_long_as_there_are_features(parents):
    assert metrics.absorption(torch.ones(2, 3), torch.ones(2, 3), torch.tensor(parents)) == 0


# All of them.

CHAIN = torch.tensor([-1, 0])
ALL = [  # a metric, the names of its matrices (n, 2), and what else it takes
    (metrics.explained_variance, ("x", "x_hat"), ()),
    (metrics.shrinkage, ("x", "x_hat"), ()),
    (metrics.density, ("codes",), ()),
    (metrics.density_histogram, ("codes",), (3,)),
    (metrics.cosine, ("a", "b"), ()),
    (metrics.mmcs, ("true_dictionary", "learned_dictionary"), ()),
    (metrics.mcc, ("true_dictionary", "learned_dictionary"), ()),
    (metrics.uniqueness, ("true_dictionary", "learned_dictionary"), ()),
    (metrics.f1, ("true_codes", "codes"), ()),
    (metrics.absorption, ("true_codes", "codes"), (CHAIN,)),
]
each_metric = pytest.mark.parametrize(("metric", "names", "more"), ALL, ids=[metric.__name__ for metric, *_ in ALL])
GOOD = torch.tensor([[1.0, 1.0], [2.0, 3.0], [4.0, 6.0]])


def test_a_negative_number_in_a_code_is_on_as_well():
    codes = DOGS.clone()
    codes[3, 0] = 0
    for signs in (torch.tensor([1.0, -1.0, 1.0]), -torch.ones(8, 1)):
        assert metrics.density(codes * signs).tolist() == metrics.density(codes).tolist()
        assert metrics.density_histogram(codes * signs).counts.tolist() == metrics.density_histogram(codes).counts.tolist()
        assert metrics.f1(DOGS * signs, codes * signs).tolist() == metrics.f1(DOGS, codes).tolist()
        assert metrics.absorption(DOGS * signs, codes * signs, PARENTS) == 1 / 4


@each_metric
@unhurried
@given(case=spoiled(3, 2))
def test_numbers_that_are_not_finite_are_refused_by_name_and_place(metric, names, more, case):
    bad, words = case
    for name in names:
        message = refusal(lambda: metric(*(bad if other == name else GOOD for other in names), *more))
        assert message == f"{name} holds {words}; expected finite numbers only"


@each_metric
@unhurried
@given(value=not_a_matrix(2))
def test_what_is_no_matrix_is_refused_by_name(metric, names, more, value):
    assume(not (isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim == 2 and value.numel()))
    for name in names:
        message = refusal(lambda: metric(*(value if other == name else GOOD for other in names), *more))
        assert message.startswith(f"{name} ") and described(value) in message


@pytest.mark.parametrize("metric", [metrics.explained_variance, metrics.shrinkage, metrics.cosine, *DICTIONARY_METRICS])
def test_rows_of_another_length_are_refused(metric):
    assert "has shape (3, 3); expected a floating-point tensor of shape (n, 2)" in refusal(lambda: metric(GOOD, torch.ones(3, 3)))


@pytest.mark.parametrize(("metric", "names", "more"), [case for case in ALL if case[1][1:] in [("x_hat",), ("codes",)]])
@pytest.mark.parametrize("rows", [2, 4])
def test_another_number_of_examples_is_refused(metric, names, more, rows):
    message = refusal(lambda: metric(GOOD, torch.ones(rows, 2), *more))
    assert message == f"{names[1]} has {rows} rows; expected 3, as many as {names[0]}"


@each_metric
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_matrices_that_are_being_trained_are_taken_left_alone_and_nothing_is_tracked(metric, names, more, dtype):
    matrices = [GOOD.to(dtype, copy=True).requires_grad_() for _ in names]
    found = metric(*matrices, *more)
    tensors = [part for part in (found if isinstance(found, tuple) else (found,)) if isinstance(part, torch.Tensor)]
    assert not any(tensor.requires_grad for tensor in tensors)
    assert isinstance(found, (float, torch.Tensor, metrics.DensityHistogram))
    assert all(torch.equal(matrix, GOOD.to(dtype)) and matrix.grad is None for matrix in matrices)
