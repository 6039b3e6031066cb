"""What a feature stands for: cards, ablation and steering, worked out by hand on a model of three features."""

import math

import pytest
import torch
from hostile import refusal, unhurried
from hypothesis import given
from hypothesis import strategies as st
from saelib import L1, Drawers, SparseAutoencoder, interpret
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score


@pytest.fixture
def sae():
    """It reads each of two numbers by a feature of its own; a third feature is never on."""
    sae = SparseAutoencoder(2, 3, L1(0))
    with torch.no_grad():
        sae.W_enc.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
        sae.b_enc.copy_(torch.tensor([0.0, 0.0, -1.0]))
        sae.W_dec.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]))
    return sae


X = torch.tensor([[1.0, 1.0], [4.0, -1.0], [-2.0, 3.0], [2.0, 1.0]])


def test_a_card_tells_where_a_feature_is_on_and_how_strongly_from_strong_to_weak(sae):
    card = interpret.card(sae, X, 0)
    assert card.feature == 0 and card.picture.tolist() == [1, 0] and card.density == 0.75
    assert card.values.tolist() == [4, 2, 1] and card.examples.tolist() == [1, 3, 0]


def test_a_card_tells_what_is_lost_without_the_feature_where_it_is_on(sae):
    # The mean is (1.25, 1). In examples 1, 3 and 0 the distances from it are 2.75^2 + 2^2, 0.75^2 and 0.25^2.
    spread = 2.75**2 + 4 + 0.75**2 + 0.25**2
    card = interpret.card(sae, X, 0)
    assert card.error == pytest.approx(1 / spread), "only the -1 of example 1 is not rebuilt"
    assert card.without == pytest.approx((1 + 16 + 4 + 1) / spread)


def test_a_card_of_a_code_with_signs_has_all_that_is_not_zero_by_size_with_its_sign():
    sae = SparseAutoencoder(2, 2, Drawers((2,)))
    with torch.no_grad():
        sae.W_enc.copy_(torch.eye(2))
        sae.W_dec.copy_(torch.eye(2))
    card = interpret.card(sae, torch.tensor([[1.0, 0.5], [-3.0, 1.0], [0.0, 2.0], [2.0, -1.0]]), 0)
    assert card.examples.tolist() == [1, 3, 0] and card.values.tolist() == [-3, 2, 1] and card.density == 0.75


def test_the_card_of_a_feature_that_is_never_on_is_empty(sae):
    card = interpret.card(sae, X, 2)
    assert card.density == 0 and len(card.values) == 0 and math.isnan(card.without)
    assert refusal(lambda: card.across(1)) == "count is 1; expected at most 0, for so often is feature 2 on"


def test_examples_are_taken_from_the_whole_range_and_not_from_its_top(sae):
    x = torch.stack([torch.linspace(0.1, 1, 10), torch.zeros(10)], dim=1)
    card = interpret.card(sae, x, 0)
    assert card.across(4).tolist() == [9, 6, 3, 0]
    assert card.across(1).tolist() == [9]


def test_an_ablated_feature_is_missing_and_everything_else_is_there(sae):
    assert interpret.ablate(sae, X, 0).tolist() == [[0, 1], [0, 0], [0, 3], [0, 1]]


def test_a_steered_feature_has_the_gain_that_was_asked_for(sae):
    assert interpret.steer(sae, X, 1, gain=3).tolist() == [[1, 3], [4, 0], [0, 9], [2, 3]]
    assert torch.equal(interpret.steer(sae, X, 1, gain=1), sae(X).detach())


def test_a_steering_vector_is_what_turning_a_feature_adds_to_a_row(sae):
    codes = sae.encode(X)
    assert interpret.steering_vectors(sae, codes, 1, gain=3).tolist() == [[0, 2], [0, 0], [0, 6], [0, 2]]
    each = torch.tensor([0, 0, 1, 2])
    assert interpret.steering_vectors(sae, codes, each, gain=0).tolist() == [[-1, 0], [-4, 0], [0, -3], [0, 0]]


@unhurried
@given(st.lists(st.integers(0, 6), min_size=1, max_size=8), st.floats(-3, 3))
def test_steering_vectors_are_the_difference_between_the_copies_with_and_without(features, gain):
    sae = SparseAutoencoder(4, 7, L1(0)).requires_grad_(False)
    codes = torch.randn(len(features), 7, generator=torch.Generator().manual_seed(0)).relu()
    turned = codes.clone()
    for row, feature in zip(turned, features):
        row[feature] *= gain
    expected = sae.decode(turned) - sae.decode(codes)
    torch.testing.assert_close(interpret.steering_vectors(sae, codes, torch.tensor(features), gain=gain), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("feature", [[0, 1, 3, 0], [0, -1, 0, 0], [0, 1, 2], [[0, 1, 2, 0]], [0.0, 1.0, 2.0, 0.0], [True] * 4, 1])
def test_features_by_row_are_whole_numbers_of_features_one_for_each_row(sae, feature):
    message = refusal(lambda: interpret.steering_vectors(sae, sae.encode(X), torch.tensor(feature), gain=0))
    assert message == f"feature is {torch.tensor(feature)!r}; expected an int64 tensor of 4 numbers from 0 to 2"


def test_a_swap_puts_something_else_in_the_place_of_a_feature(sae):
    codes = sae.encode(X)
    copies = sae.decode(codes)
    assert (copies + interpret.swap_vectors(sae, codes, 0, 5 * sae.W_dec[1])).tolist() == [[0, 6], [0, 5], [0, 8], [0, 6]]
    each, others = torch.tensor([0, 0, 1, 0]), torch.arange(8.0).view(4, 2)
    assert (copies + interpret.swap_vectors(sae, codes, each, others)).tolist() == [[0, 2], [2, 3], [4, 5], [6, 8]]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (torch.ones(3), "other is (3,), torch.float32; expected a floating-point tensor of shape (2,) or (4, 2)"),
        (torch.ones(1, 2), "other is (1, 2), torch.float32; expected"),
        (torch.tensor([1, 2]), "other is (2,), torch.int64; expected"),
        (1, "other is int; expected"),
        (torch.tensor([1.0, math.nan]), "other holds nan at (1,)"),
    ],
)
def test_what_can_stand_in_no_features_place_is_refused(sae, other, words):
    assert refusal(lambda: interpret.swap_vectors(sae, sae.encode(X), 0, other)).startswith(words)


def test_codes_of_another_model_are_refused(sae):
    assert refusal(lambda: interpret.steering_vectors(sae, X, 0, gain=0)).startswith("codes has shape (4, 2); expected ")


def test_effective_kinds_by_hand():
    label = torch.tensor([0, 0, 1, 2])
    strength = torch.tensor([[1.0, 1.0, 0.5, 0.0], [2.0, 0.0, 0.5, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 3.0, 1.0, 0.0]])
    one, mostly, three, none = interpret.effective_kinds(strength, label).tolist()
    assert one == pytest.approx(1) and three == pytest.approx(3) and math.isnan(none)
    assert mostly == pytest.approx(math.exp(-(0.25 * math.log(0.25) + 0.75 * math.log(0.75))))


@unhurried
@given(st.sampled_from([None, True, "0", 1.0, math.nan, [0]]) | st.integers(3) | st.integers(max_value=-1))
def test_a_feature_that_is_not_there_is_refused(feature):
    sae = SparseAutoencoder(2, 3, L1(0))

    def vectors(sae, x, feature):
        return interpret.steering_vectors(sae, sae.encode(x), feature, gain=1)

    for call in (interpret.card, interpret.ablate, lambda *a: interpret.steer(*a, gain=1), vectors):
        assert refusal(lambda: call(sae, X, feature)).startswith(f"feature is {feature!r}; expected ")


def test_what_is_no_strength_label_or_gain_is_refused(sae):
    good, label = torch.ones(3, 2), torch.tensor([0, 1, 1])
    assert "strength holds -1.0; expected no negative numbers" in refusal(lambda: interpret.effective_kinds(-good, label))
    for bad in (label[:2], label.float(), [0, 1, 1], -label):
        assert "expected an int64 tensor of 3 numbers, none negative" in refusal(lambda: interpret.effective_kinds(good, bad))
    assert refusal(lambda: interpret.steer(sae, X, 0, gain=math.inf)) == "gain is inf; expected a finite number"


@pytest.fixture(scope="module")
def labelled():
    """4,000 examples with four labels. Feature 0 tells the third label, mostly off; feature 1 the second, never off; the third
    nothing; the last is always 0."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.rand(4_000, 4, generator=generator) < torch.tensor([0.5, 0.2, 0.05, 0.01])
    noise = torch.randn(4_000, 4, generator=generator)
    noise[:, 0] = (0.4 * noise[:, 0] + 3 * labels[:, 2] - 1).relu().round(decimals=1)  # rounded, so that there are ties
    noise[:, 1] += 2 * labels[:, 1]
    noise[:, 3] = 0
    return noise, labels


def test_each_feature_gets_the_label_that_it_tells_best(labelled):
    codes, labels = labelled
    scores = interpret.label_scores(codes[:2_000], labels[:2_000], codes[2_000:], labels[2_000:])
    assert scores.label[:2].tolist() == [2, 1] and scores.f1[0] > 0.95 and 0.4 < scores.f1[1] < 0.8
    assert scores.f1[3] == 0 and scores.auroc[3] == 0.5


def test_the_scores_are_those_of_scikit_learn_on_the_examples_kept_aside(labelled):
    codes, labels = labelled
    scores = interpret.label_scores(codes[:2_000], labels[:2_000], codes[2_000:], labels[2_000:])
    for feature in range(4):
        true, own = labels[2_000:, scores.label[feature]], codes[2_000:, feature]
        on = own > scores.threshold[feature]
        assert scores.auroc[feature].item() == pytest.approx(roc_auc_score(true, own))
        for name, score in {"f1": f1_score, "precision": precision_score, "recall": recall_score}.items():
            assert getattr(scores, name)[feature].item() == pytest.approx(score(true, on, zero_division=0)), name


def test_label_and_threshold_are_chosen_without_a_look_at_the_examples_kept_aside(labelled):
    codes, labels = labelled
    one = interpret.label_scores(codes[:2_000], labels[:2_000], codes[2_000:], labels[2_000:])
    other = interpret.label_scores(codes[:2_000], labels[:2_000], -codes[2_000:], ~labels[2_000:])
    assert torch.equal(one.label, other.label) and torch.equal(one.threshold, other.threshold)
    assert not torch.equal(one.f1, other.f1)


@pytest.mark.parametrize("off", [0, 2])  # dense and sparse
def test_counts_at_thresholds_are_those_of_counting(off):
    random = torch.Generator().manual_seed(0)
    codes = (torch.randn(3_000, 5, generator=random) - off - torch.arange(5) / 4).clamp_min(0)
    labels = torch.rand(3_000, 3, generator=random) < 0.3
    bars, on, both = interpret.threshold_counts(codes, labels)
    assert bars.shape == on.shape == (5, len(interpret.SHARES)) and both.shape == (*bars.shape, 3)
    above = codes[:, :, None] > bars  # (n, f, t)
    assert torch.equal(on, above.sum(dim=0).float())
    assert torch.equal(both, (above[:, :, :, None] & labels[:, None, None]).sum(dim=0).float())


def test_a_label_that_nothing_or_everything_has_gives_no_auroc(labelled):
    codes, labels = labelled
    scores = interpret.label_scores(codes, labels, codes, torch.zeros_like(labels))
    assert scores.auroc.isnan().all() and (scores.f1 == 0).all()


def test_labels_that_do_not_fit_the_examples_are_refused(labelled):
    codes, labels = labelled
    assert "labels is (3999, 4)" in refusal(lambda: interpret.label_scores(codes, labels[1:], codes, labels))
    assert "held_labels is (4000, 4), torch.float32" in refusal(lambda: interpret.label_scores(codes, labels, codes, labels.float()))
    assert "held_labels has 3 labels" in refusal(lambda: interpret.label_scores(codes, labels, codes, labels[:, :3]))
    assert "held_codes has shape (4000, 3)" in refusal(lambda: interpret.label_scores(codes, labels, codes[:, :3], labels))
    assert "codes holds nan" in refusal(lambda: interpret.label_scores(codes * float("nan"), labels, codes, labels))


def test_the_threshold_leaves_out_weak_activations_that_stand_for_something_else():
    label = torch.arange(1_000) % 20 == 0
    codes = torch.where(label, 3.0, torch.where(torch.arange(1_000) % 2 == 1, 1.0, 0.0))[:, None]
    scores = interpret.label_scores(codes, label[:, None], codes, label[:, None])
    assert 1 <= scores.threshold.item() < 3 and scores.f1.item() == scores.precision.item() == scores.recall.item() == 1


# From the other side: which features are on at a place, which are alike, and how sure a score is.


def test_alike_are_those_that_draw_the_same_way_and_those_that_are_on_at_the_same_places():
    decoder = torch.tensor([[2.0, 0.0], [1.0, 1.0], [-1.0, 0.0], [0.0, 0.0]])
    codes = torch.tensor([[1.0, 0.0, 3.0, 0.0], [1.0, 0.0, -1.0, 0.0], [2.0, 5.0, 0.0, 0.0], [0.0, 1.0, 0.5, 0.0]])
    similar = interpret.similar_features(decoder, codes, most=2)
    assert similar.direction[0].tolist() == [1, 3] and similar.cosine[0].tolist() == pytest.approx([0.5**0.5, 0])
    assert similar.direction[1].tolist() == [0, 3] and similar.cosine[2].tolist() == pytest.approx([0, -(0.5**0.5)])
    # Features 0 and 2 are on together at two places of four, whatever their signs; 0 and 1 at one of four.
    assert similar.together[0].tolist() == [2, 1] and similar.share[0].tolist() == [0.5, 0.25]
    assert similar.share[3].tolist() == [0, 0], "it is never on"


def test_pieces_are_added_up_where_there_are_many_places():
    generator = torch.Generator().manual_seed(0)
    codes = (torch.rand(20_000, 6, generator=generator) < 0.3).float()
    similar = interpret.similar_features(torch.eye(6), codes, most=1)
    for feature, other, share in zip(range(6), similar.together[:, 0].tolist(), similar.share[:, 0].tolist()):
        on, too = codes[:, feature] > 0, codes[:, other] > 0
        assert share == pytest.approx(((on & too).sum() / (on | too).sum()).item())


def test_strongest_at_a_place_is_what_is_near_its_own_strongest():
    codes = torch.tensor([[9.0, 1.0, 0.0], [10.0, 0.0, 0.0], [1.0, 0.5, -2.0], [0.0, 0.0, 0.0]])
    there = interpret.strongest_at(codes, torch.tensor([2, 0, 3, 2]), most=2)
    assert there.places.tolist() == [0, 2, 3] and there.count.tolist() == [2, 3, 0]
    assert there.feature.tolist() == [[1, 0], [2, 1], [-1, -1]]
    assert there.activation.tolist() == [[1, 9], [-2, 0.5], [0, 0]]


def test_the_places_of_examples_are_where_their_own_feature_is_on_or_was_looked_for():
    def one(activations, focus, place):
        return interpret.Example(["x"] * 4, torch.tensor(activations), focus, interpret.STRONGEST, place)

    def card(*examples):
        blank = interpret.FeatureCard(0, None, *[0.0] * 6, torch.zeros(1), 1.0, [], [], None, examples)
        return blank

    cards = [card(one([0.0, 1.0, 0.0, 2.0], 1, 11)), card(one([1.0, 0.0, 0.0, 0.0], 3, 13), one([0.0, 0.0, 0.0, 3.0], 3, 40))]
    assert interpret.example_places(cards).tolist() == [10, 11, 13, 40]
    assert "says no place" in refusal(lambda: interpret.example_places([card(one([1.0] * 4, 0, None))]))
    assert "no examples" in refusal(lambda: interpret.example_places([card()]))


def test_an_interval_is_as_wide_as_the_texts_differ(labelled):
    codes, labels = labelled
    scores = interpret.label_scores(codes[:2_000], labels[:2_000], codes[2_000:], labels[2_000:])
    held, true = codes[2_000:], labels[2_000:]

    def intervals(groups):
        return interpret.f1_intervals(scores, held, true, groups, draws=200)

    alone = intervals(torch.zeros(2_000, dtype=torch.int64))
    torch.testing.assert_close(alone, scores.f1[:, None].expand(4, 2), rtol=1e-5, atol=1e-6)
    low, high = intervals(torch.arange(2_000) % 50).T
    assert (low <= scores.f1).all() and (scores.f1 <= high).all() and (low[:2] < high[:2]).all()
    # Texts in which a label is told wholly or not at all make it much less sure.
    order = (held[:, 1] > scores.threshold[1]).long() + 2 * true[:, scores.label[1]].long()
    torn = intervals(torch.where(order == 3, 0, 1 + torch.arange(2_000) % 5))
    assert (torn[1, 1] - torn[1, 0]) > 3 * (high[1] - low[1])


def test_an_interval_by_hand():
    # Of two texts one is told without a mistake and one not at all: 1 and 0 come out a quarter of the time each, and a half otherwise.
    scores = interpret.LabelScores(torch.tensor([0]), torch.tensor([0.5]), *[torch.tensor([0.0])] * 4)
    codes, label = torch.tensor([[1.0], [0.0], [1.0], [0.0]]), torch.tensor([[True], [False], [False], [True]])
    groups = torch.tensor([0, 0, 1, 1])
    assert interpret.f1_intervals(scores, codes, label, groups).tolist() == [[0, 1]]
    assert interpret.f1_intervals(scores, codes, label, groups, level=0.2).tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: interpret.similar_features(torch.ones(3, 2), torch.ones(5, 4)), "codes has shape (5, 4)"),
        (lambda: interpret.similar_features(torch.ones(3, 2), torch.ones(5, 3), most=3), "most is 3; expected at most 2"),
        (lambda: interpret.similar_features(torch.ones(3, 2) / 0, torch.ones(5, 3)), "decoder holds inf"),
        (lambda: interpret.strongest_at(torch.ones(3, 2), torch.tensor([3])), "places[0] is 3; expected at most 2"),
        (lambda: interpret.strongest_at(torch.ones(3, 2), torch.tensor([])), "places is (0,), torch.float32"),
        (lambda: interpret.strongest_at(torch.ones(3, 2), [1]), "places is list"),
        (lambda: interpret.strongest_at(torch.ones(3, 2), torch.tensor([1]), most=3), "most is 3; expected at most 2"),
    ],
)
def test_what_can_not_be_looked_at_from_the_other_side_is_refused(call, words):
    assert words in refusal(call)


def test_intervals_of_what_does_not_fit_are_refused(labelled):
    codes, labels = labelled
    scores = interpret.label_scores(codes, labels, codes, labels)
    groups = torch.zeros(4_000, dtype=torch.int64)
    for change, words in (
        ({"codes": codes[:, :3]}, "codes has shape (4000, 3)"),
        ({"labels": labels[1:]}, "labels is (3999, 4)"),
        ({"labels": labels[:, :1]}, "labels has 1 columns"),
        ({"groups": groups.float()}, "groups is (4000,), torch.float32"),
        ({"groups": groups - 1}, "groups holds -1"),
        ({"level": 1}, "level is 1"),
        ({"draws": 0}, "draws is 0"),
    ):
        given = {"codes": codes, "labels": labels, "groups": groups} | change
        assert words in refusal(lambda: interpret.f1_intervals(scores, **given))
